//! The project as what runs are about, and the schedules of its formulas.

use serde::{Deserialize, Serialize};

use crate::model::{
    Event, ForgeEvent, FormulaName, IssueNumber, Login, PullState, RepoName, SeenIssue, Subject, TextMark, Timestamp, Wanted,
    WantedBy,
};

use super::{IssueState, Ledger, RunSummary};

/// A formula's schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its cron line.
    pub cron: String,
    /// Only times after this one count, by our clock: since it was first seen, since the time that a run was last wanted for, since the last
    /// run of the formula came to its end.
    pub after: Timestamp,
    /// The time that a run was last wanted for.
    pub last: Option<Timestamp>,
    /// The number in the journal of the event by which a run was last wanted, or it was first seen: what happened before starts none.
    #[serde(default)]
    pub heard: u64,
    /// How the formula's last run about the project ended, whoever wanted it.
    pub ended: Option<RunSummary>,
}

/// Something that happened to an issue and starts runs about the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// To which, or the issue of which pull request.
    pub on: IssueNumber,
    /// The number of its event in the journal.
    pub seq: u64,
}

/// What of an issue has come to an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    closings: u32,
    merged: bool,
}

impl Ends {
    fn of(state: &IssueState) -> Self {
        let merged = state.pull.as_ref().is_some_and(|pull| pull.state == PullState::Merged);
        Self { closings: state.closings, merged }
    }
}

impl Ledger {
    /// The issue that an event may bring to an end, and how it stands before.
    pub(super) fn ending(&self, event: &Event) -> Option<(Subject, Ends)> {
        let subject = match event {
            Event::Seen { subject, .. } | Event::PullSeen { subject, .. } => subject,
            Event::Ended { key, .. } => &self.open.get(key)?.0,
            _ => return None,
        };
        let ends = self.issue(subject).map(Ends::of).unwrap_or_default();
        Some((subject.clone(), ends))
    }

    /// What came of that.
    pub(super) fn note_end(&mut self, (subject, before): &(Subject, Ends)) {
        let Some(now) = self.issue(subject).map(Ends::of) else { return };
        let (seq, on) = (self.seq, subject.issue);
        let Some(project) = self.projects.get_mut(&subject.repo) else { return };
        let closed = (now.closings > before.closings).then_some(ForgeEvent::IssueClosed);
        let merged = (now.merged && !before.merged).then_some(ForgeEvent::PullMerged);
        for event in closed.into_iter().chain(merged) {
            project.happened.insert(event, Happened { on, seq });
        }
    }

    pub(super) fn scheduled(&mut self, repo: &RepoName, formula: &FormulaName, cron: Option<&str>, at: Timestamp) {
        let heard = self.seq;
        let schedules = &mut self.projects.entry(repo.clone()).or_default().schedules;
        let before = schedules.remove(formula);
        if let Some(cron) = cron {
            let (last, ended) = before.map(|before| (before.last, before.ended)).unwrap_or_default();
            schedules.insert(formula.clone(), Schedule { cron: cron.to_owned(), after: at, last, heard, ended });
        }
    }

    /// A project is first something that a run is about when one is wanted. Nobody sees it on the forge, so it is as it is for ever.
    pub(super) fn about_project(&mut self, event: &Event, at: Timestamp) {
        let (Event::Wanted { subject, .. } | Event::RunStarted { subject, .. }) = event else { return };
        if !subject.is_project() {
            return;
        }
        let first = self.seq;
        let issues = &mut self.projects.entry(subject.repo.clone()).or_default().issues;
        issues.entry(subject.issue).or_insert_with(|| IssueState {
            first,
            // No label of it was ever read, and none is.
            written: Some(std::collections::BTreeSet::new()),
            ..IssueState::new(as_seen(at), at)
        });
    }

    /// What happened to a run about the project, or to its being wanted, for the schedule of its formula.
    pub(super) fn schedule_moved(&mut self, subject: &Subject, event: &Event, at: Timestamp) {
        if !subject.is_project() {
            return;
        }
        let seq = self.seq;
        let Some(project) = self.projects.get_mut(&subject.repo) else { return };
        match event {
            Event::Wanted { wanted: Wanted { formula, by, .. }, .. } => {
                let Some(schedule) = project.schedules.get_mut(formula) else { return };
                schedule.heard = seq;
                if let WantedBy::Schedule { at: due } = by {
                    schedule.last = Some(*due);
                    schedule.after = schedule.after.max(*due);
                }
            }
            Event::Declined { formula, .. } => {
                if let Some(schedule) = project.schedules.get_mut(formula) {
                    schedule.after = schedule.after.max(at);
                }
            }
            Event::RunEnded { .. } => {
                let Some(ended) = project.issues.get(&subject.issue).and_then(|state| state.aside.clone()) else { return };
                if let Some(schedule) = project.schedules.get_mut(&FormulaName(ended.formula.clone())) {
                    // What came round while it was at work is skipped.
                    schedule.after = schedule.after.max(at);
                    schedule.ended = Some(ended);
                }
            }
            _ => {}
        }
    }
}

impl IssueState {
    /// Whether a run of a formula is wanted or at work.
    pub fn is_busy_with(&self, formula: &FormulaName) -> bool {
        let live = self.lives().any(|run| run.formula.name == *formula);
        live || self.wanted.iter().any(|(wanted, _)| wanted.formula == *formula)
    }
}

fn as_seen(at: Timestamp) -> SeenIssue {
    let nothing = crate::model::TextHash(String::new());
    SeenIssue {
        title: String::new(),
        text: TextMark { title: nothing.clone(), body: nothing },
        author: Login(String::new()),
        open: true,
        labels: std::collections::BTreeSet::new(),
        created: at,
        updated: at,
        comments: 0,
        depends: Vec::new(),
    }
}
