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
}
