//! Issues that a step of a formula files.

use serde::{Deserialize, Serialize};

/// What an issue is to say that an agent drafted: text from outside, cleaned when it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueDraft {
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Its labels, of those that the formula describes.
    pub labels: Vec<String>,
}

/// An issue of a list that is to be filed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedIssue {
    /// What its list calls it.
    pub id: Option<String>,
    /// What it is to say.
    pub draft: IssueDraft,
    /// Those that it waits for, by their places in the order of filing: all before its own.
    pub after: Vec<usize>,
}
