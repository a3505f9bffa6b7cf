//! The fold of the journal: everything that is known, derived from the events and from nothing else.
//!
//! Promises: folding the same records gives the same ledger; folding never fails and never panics, whatever order events of different
//! issues come in; an event about something unknown changes nothing. Decisions are not made here: an event says what was decided.

mod fold;
mod issue;
mod run;

use std::collections::BTreeMap;

pub use issue::{BranchTip, ClaimState, Held, IssueState, Open, Orphan, PullRef, Retry, RunSummary, Said, Triaged};
pub use run::{Prepared, RunState, StepState};

use crate::model::{EffectKey, IssueNumber, Lane, ProjectFacts, RepoName, RunId, Subject, Timestamp, Trouble, Usd};

/// Everything that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// The last record that is folded in.
    pub seq: u64,
    /// The projects that were ever seen.
    pub projects: BTreeMap<RepoName, ProjectState>,
    /// The model's account cannot be used before this time.
    pub account_paused: Option<(Timestamp, String)>,
    /// How often the account was paused in a row without a call that worked in between.
    pub account_failures: u32,
    /// What was spent, by UTC day.
    pub spent: BTreeMap<String, Usd>,
    /// The inbox's last row that was taken.
    pub inbox_row: u64,
    /// Where each live run's issue is.
    runs: BTreeMap<RunId, Subject>,
    /// Where each open intent is.
    open: BTreeMap<EffectKey, (Subject, Lane)>,
}

/// What is known of a project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectState {
    /// What start-up learned; none before.
    pub facts: Option<ProjectFacts>,
    /// The forge's clock at the begin of the last complete look; none before the first.
    pub looked: Option<Timestamp>,
    /// What is wrong with it, and since when.
    pub trouble: Option<(Trouble, Timestamp)>,
    /// The issues that are ours.
    pub issues: BTreeMap<IssueNumber, IssueState>,
    /// What was spent on it, by UTC day.
    pub spent: BTreeMap<String, Usd>,
}

impl ProjectState {
    /// What was spent on a day.
    pub fn spent_on(&self, day: &str) -> Usd {
        self.spent.get(day).copied().unwrap_or_default()
    }
}

/// How many days of spending are remembered.
const DAYS: usize = 8;

fn spend(by_day: &mut BTreeMap<String, Usd>, day: String, cost: Usd) {
    *by_day.entry(day).or_default() += cost;
    while by_day.len() > DAYS {
        by_day.pop_first();
    }
}

impl Ledger {
    /// The state of an issue.
    pub fn issue(&self, subject: &Subject) -> Option<&IssueState> {
        self.projects.get(&subject.repo)?.issues.get(&subject.issue)
    }

    /// The issue that a live run is about.
    pub fn subject_of(&self, run: &RunId) -> Option<&Subject> {
        self.runs.get(run)
    }

    /// A live run.
    pub fn run(&self, run: &RunId) -> Option<&RunState> {
        self.issue(self.subject_of(run)?)?.run.as_ref()
    }

    /// All issues that are ours, with where they are.
    pub fn issues(&self) -> impl Iterator<Item = (Subject, &IssueState)> {
        self.projects.iter().flat_map(|(repo, project)| {
            project.issues.iter().map(move |(number, state)| (Subject { repo: repo.clone(), issue: *number }, state))
        })
    }

    /// An intent that has not ended, with where it is.
    pub fn open(&self, key: &EffectKey) -> Option<(&Subject, &Open)> {
        let (subject, lane) = self.open.get(key)?;
        Some((subject, self.issue(subject)?.open.get(lane)?))
    }

    /// What was spent on a day.
    pub fn spent_on(&self, day: &str) -> Usd {
        self.spent.get(day).copied().unwrap_or_default()
    }
}
