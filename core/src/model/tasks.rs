//! The issues that a run's issue lists as its tasks, as the run is given them.

use serde::{Deserialize, Serialize};

use super::{IssueNumber, SeenIssue};

/// An issue that another lists as a task, `- [ ] #N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number.
    pub number: IssueNumber,
    /// Its title, raw; empty in the journal, which keeps no texts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Its body, raw; empty in the journal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The line that lists it is ticked. That decides nothing: the issue's own state does.
    pub ticked: bool,
    /// What its body lists as the files that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_targets: Vec<String>,
    /// What its body lists as what must hold in the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance_criteria: Vec<String>,
    /// The issues that it lists as tasks itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<IssueNumber>,
    /// As it was seen.
    pub seen: SeenIssue,
}

/// The issues that a run's issue lists as its tasks, and those that list it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tasks {
    /// They, in the order of the body; each once.
    pub items: Vec<Task>,
    /// There are more, which were left out.
    pub cut: bool,
    /// The open issues whose bodies list it as a task.
    pub listed_in: Vec<IssueNumber>,
}

impl Tasks {
    /// More are not read.
    pub const MOST: usize = 100;

    /// As the journal has them.
    pub fn without_texts(&self) -> Self {
        let plain = |task: &Task| Task { title: String::new(), body: String::new(), ..task.clone() };
        Self { items: self.items.iter().map(plain).collect(), cut: self.cut, listed_in: self.listed_in.clone() }
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.listed_in.is_empty()
    }
}
