//! Sprints: what is wanted as a whole, with the issues that are filed for it when somebody says so.

use serde::{Deserialize, Serialize};

use super::{Branch, PullNumber, Sha};

/// A sprint about an issue, as it stands in the operations repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprint {
    /// Its file, from the root.
    pub path: String,
    /// The pull request that asks for it; none where it is on the branch that counts.
    pub asked: Option<AskedBy>,
    /// Its issues; none where something is wrong.
    pub issues: Vec<SprintIssue>,
    /// What is wrong with the block that names them, a line for each mistake; empty where nothing is.
    pub wrong: Vec<String>,
}

/// A pull request that asks for a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedBy {
    /// It.
    pub pull: PullNumber,
    /// Its branch.
    pub branch: Branch,
    /// Where that was when it was read.
    pub head: Sha,
}

/// An issue of a sprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SprintIssue {
    /// Its name within the sprint.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its body, Markdown.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// The names of those that it waits for.
    pub depends_on: Vec<String>,
}
