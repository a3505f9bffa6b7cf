//! Issues that belong to the history: closed, with nothing of ours left to do. In a year they are many thousands, and nearly none of them
//! is ever asked about, so each is kept as text and read when somebody does. Anything that happens to one brings it back.

use std::sync::{Arc, OnceLock};

use crate::model::{IssueNumber, PullState, Subject, Timestamp};

use super::{IssueState, Ledger, ProjectState};

/// An issue that belongs to the history.
#[derive(Clone, Debug)]
pub struct Past {
    settled: Timestamp,
    seq: u64,
    text: Arc<str>,
    read: OnceLock<Option<Box<IssueState>>>,
}

impl PartialEq for Past {
    fn eq(&self, other: &Self) -> bool {
        // Whether it was read meanwhile makes no difference.
        (self.settled, self.seq, &self.text) == (other.settled, other.seq, &other.text)
    }
}

impl Past {
    /// As it was written down.
    pub fn written(settled: Timestamp, seq: u64, text: &str) -> Self {
        Self { settled, seq, text: text.into(), read: OnceLock::new() }
    }

    /// None if it cannot be written down; then it stays with the living.
    fn of(state: &IssueState, settled: Timestamp, seq: u64) -> Option<Self> {
        Some(Self::written(settled, seq, &serde_json::to_string(state).ok()?))
    }

    /// What is known of it.
    pub fn state(&self) -> Option<&IssueState> {
        self.read.get_or_init(|| serde_json::from_str(&self.text).ok()).as_deref()
    }

    /// When it came to rest, by our clock.
    pub fn settled(&self) -> Timestamp {
        self.settled
    }

    /// The record with which it came to rest.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// As it is to be written down. The same issue of the history has the same text, in memory too.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

impl ProjectState {
    /// The state of an issue, taken back from the history if it was there.
    pub(super) fn living(&mut self, number: IssueNumber) -> Option<&mut IssueState> {
        if let Some(past) = self.past.remove(&number)
            && let Some(state) = past.state().cloned()
        {
            self.unmerged.retain(|_, issue| *issue != number);
            self.issues.insert(number, state);
        }
        self.issues.get_mut(&number)
    }

    /// Issues with the state of their pull request that could still move, those of the history included.
    pub fn with_pulls(&self) -> impl Iterator<Item = (IssueNumber, &IssueState)> {
        let past = self.unmerged.values().filter_map(|number| Some((*number, self.past.get(number)?.state()?)));
        self.issues.iter().map(|(number, state)| (*number, state)).chain(past)
    }
}

impl Ledger {
    pub(super) fn settle(&mut self, subject: &Subject, at: Timestamp) {
        let seq = self.seq;
        let Some(project) = self.projects.get_mut(&subject.repo) else { return };
        let Some(state) = project.issues.get_mut(&subject.issue) else { return };
        if state.has_run() || !state.open.is_empty() {
            return;
        }
        // Nobody tells a settled issue that one it depends on was closed: they are read again when it is taken up again.
        state.depends = None;
        state.files = None;
        state.pull.iter_mut().for_each(|pull| pull.files.clear());
        // What it starts it has started by now: a formula that comes later is not about what happened before.
        state.closing = None;
        let pull = state.pull.as_ref().filter(|pull| pull.state != PullState::Merged).map(|pull| pull.number);
        let Some(past) = Past::of(state, at, seq) else { return };
        project.issues.remove(&subject.issue);
        project.unmerged.extend(pull.map(|pull| (pull, subject.issue)));
        project.past.insert(subject.issue, past);
    }

    /// The history: all of it, or as much as was brought back from where it is written down.
    pub fn past(&self) -> impl Iterator<Item = (Subject, &Past)> {
        self.projects.iter().flat_map(|(repo, project)| {
            project.past.iter().map(move |(number, past)| (Subject { repo: repo.clone(), issue: *number }, past))
        })
    }

    /// Brings a written-down part of the history back.
    pub fn remember(&mut self, subject: &Subject, past: Past) {
        if let Some(project) = self.projects.get_mut(&subject.repo) {
            project.past.insert(subject.issue, past);
        }
    }

    /// Whether an issue belongs to the history.
    pub fn is_past(&self, subject: &Subject) -> bool {
        self.projects.get(&subject.repo).is_some_and(|project| project.past.contains_key(&subject.issue))
    }
}
