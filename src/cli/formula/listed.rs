//! What the issue of a recorded test lists as its tasks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{IssueNumber, Login, SeenIssue, Task, Tasks, TextMark, Timestamp};
use crate::text;

/// A task that the issue lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskText {
    pub(super) number: u64,
    pub(super) title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) body: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) author: String,
    /// It is closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) closed: bool,
    /// Its line is ticked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ticked: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) labels: BTreeSet<String>,
    /// The issues that it lists as tasks itself, where its body is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tasks: Vec<u64>,
}

impl TaskText {
    /// As it was read, with its texts where they are known.
    pub(super) fn of(task: &Task) -> Self {
        Self {
            number: task.number.0,
            title: if task.title.is_empty() { task.seen.title.clone() } else { task.title.clone() },
            body: task.body.clone(),
            author: task.seen.author.0.clone(),
            closed: !task.seen.open,
            ticked: task.ticked,
            labels: task.seen.labels.clone(),
            tasks: task.tasks.iter().map(|issue| issue.0).collect(),
        }
    }

    fn read(&self, now: Timestamp) -> Task {
        let mut tasks = text::tasks(&self.body);
        tasks.extend(self.tasks.iter().map(|issue| IssueNumber(*issue)));
        tasks.dedup();
        Task {
            number: IssueNumber(self.number),
            title: self.title.clone(),
            body: self.body.clone(),
            ticked: self.ticked,
            file_targets: text::listed(&self.body, "file targets"),
            acceptance_criteria: text::listed(&self.body, "acceptance criteria"),
            tasks,
            seen: SeenIssue {
                title: self.title.clone(),
                text: TextMark { title: text::hash(&self.title), body: text::hash(&self.body) },
                author: Login::from(self.author.as_str()),
                open: !self.closed,
                labels: self.labels.clone(),
                created: now,
                updated: now,
                comments: 0,
                depends: Vec::new(),
            },
        }
    }
}

/// All of them, and the issues that list the one of the test.
pub(super) fn tasks(listed: &[TaskText], listed_in: &[u64], now: Timestamp) -> Tasks {
    Tasks {
        items: listed.iter().map(|task| task.read(now)).collect(),
        cut: false,
        listed_in: listed_in.iter().map(|issue| IssueNumber(*issue)).collect(),
    }
}
