//! What a recorded test says that moved since the formula's last run about the project.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{IssueNumber, Moved};

/// What moved; empty: nothing did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MovedText {
    commits: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    issues: BTreeSet<u64>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    closed: BTreeSet<u64>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    files: BTreeSet<String>,
}

impl MovedText {
    /// As it was found; none where nobody could tell.
    pub(super) fn of(moved: &Moved) -> Option<Self> {
        let numbers = |issues: &BTreeSet<IssueNumber>| issues.iter().map(|issue| issue.0).collect();
        let (issues, closed) = (numbers(&moved.issues), numbers(&moved.closed));
        (!moved.unknown).then(|| Self { commits: moved.commits, issues, closed, files: moved.files.clone() })
    }

    pub(super) fn read(&self) -> Moved {
        let numbers = |issues: &BTreeSet<u64>| issues.iter().copied().map(IssueNumber).collect();
        Moved {
            unknown: false,
            commits: self.commits,
            issues: numbers(&self.issues),
            closed: numbers(&self.closed),
            files: self.files.clone(),
            read: BTreeMap::new(),
        }
    }
}
