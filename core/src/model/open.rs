//! The open issues of a project, as a run about it is given them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{IssueNumber, Login, Timestamp};

/// An open issue as it was read: its texts raw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIssue {
    /// Its number.
    pub number: IssueNumber,
    /// Its title, raw.
    pub title: String,
    /// Its body, raw; empty in the journal, which keeps no texts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Who filed it.
    pub author: Login,
    /// Names of its labels.
    pub labels: BTreeSet<String>,
    /// When it was filed, by the forge's clock.
    pub created: Timestamp,
    /// When it last moved, by the forge's clock.
    pub updated: Timestamp,
    /// How many comments it has.
    pub comments: u64,
    /// The name under which one of our runs about the project filed it, where it did so under one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filed_as: String,
    /// The issues that are known to be part of it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<IssueNumber>,
    /// Those of them that are open.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open_parts: BTreeSet<IssueNumber>,
}

/// The open issues of a project, those first that have not moved for the longest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIssues {
    /// They.
    pub items: Vec<OpenIssue>,
    /// There are more, which were left out.
    #[serde(default)]
    pub cut: bool,
}

impl OpenIssues {
    /// More are not read.
    pub const MOST: usize = 500;

    /// Each is told what is part of it: `(whole, part)`. Where issues were left out nothing is, because one of those may be open.
    pub fn know_parts(&mut self, of: &[(IssueNumber, IssueNumber)]) {
        if self.cut {
            return;
        }
        let open: BTreeSet<IssueNumber> = self.items.iter().map(|issue| issue.number).collect();
        for issue in &mut self.items {
            let parts = of.iter().filter(|(whole, part)| *whole == issue.number && *part != issue.number);
            issue.parts = parts.map(|(_, part)| *part).collect();
            issue.open_parts = issue.parts.intersection(&open).copied().collect();
        }
    }
}
