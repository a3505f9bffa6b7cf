//! Which events people are told of, beside the forge.
//!
//! Promises: each piece of news once, when the event is journalled that makes it so; a restart repeats nothing, because what stands is
//! taken from the ledger and only what is appended is told. An outage is told when a second look in a row failed, so that a forge's restart is
//! none.

use std::collections::BTreeSet;

use crate::ledger::{InTrouble, InWork, Ledger, Unread};
use crate::model::{
    AccountName, Advance, Dispatch, Event, Gate, Intent, News, Notice, PullState, RepoName, RunId, RunOutcome, Saying, Sha, Step,
    StepId, StepKind, Story, Subject, Timestamp, Trigger, Trouble, Unmerged, VaultEvent,
};

/// Tells news from the rest.
#[derive(Clone, Debug)]
pub struct Notices {
    /// The projects whose trouble was told.
    told: BTreeSet<RepoName>,
    /// The operations repositories that were said to be unreadable.
    unread: BTreeSet<RepoName>,
    /// The heads whose approval was asked for.
    asked: BTreeSet<(Subject, Sha)>,
}

impl Notices {
    /// With what the journal holds: that is no news.
    pub fn new(ledger: &Ledger) -> Self {
        let troubled = ledger.projects.iter().filter(|(_, p)| p.trouble.as_ref().is_some_and(is_told));
        let unread = ledger.ops.iter().filter(|(_, ops)| ops.unread.as_ref().is_some_and(Unread::lasts));
        Self {
            told: troubled.map(|(repo, _)| repo.clone()).collect(),
            unread: unread.map(|(repo, _)| repo.clone()).collect(),
            asked: BTreeSet::new(),
        }
    }

    /// What people are told of an event that was just journalled; the ledger knows it.
    pub fn of(&mut self, at: Timestamp, event: &Event, ledger: &Ledger) -> Vec<Notice> {
        let news = match event {
            Event::Moved { subject, trigger, .. } => moved(ledger, subject, *trigger).into_iter().collect(),
            Event::Intended { subject, intent, .. } => self.approval_asked(ledger, subject, intent).into_iter().collect(),
            Event::RunEnded { run, outcome, .. } => failed_aside(ledger, run, outcome).into_iter().collect(),
            Event::Advanced { run, step, how } => at_gate(ledger, run, step, how).into_iter().collect(),
            Event::BudgetWarned { what, at_percent, spent, limit } => {
                vec![News::Budget { what: what.clone(), at_percent: *at_percent, spent: *spent, limit: *limit }]
            }
            // Further pauses without a call that worked in between are the same story.
            Event::AccountPaused { until, why, account } => {
                let account = account.clone().unwrap_or_else(AccountName::usual);
                let first = ledger.accounts.get(&account).is_some_and(|account| account.failures == 1);
                first.then(|| News::AccountPaused { account, until: *until, why: why.clone() }).into_iter().collect()
            }
            Event::Troubled { repo, trouble, .. } => {
                let lasting = ledger.projects.get(repo).and_then(|p| p.trouble.as_ref()).is_some_and(is_told);
                let news = lasting && self.told.insert(repo.clone());
                news.then(|| News::Unreachable { repo: repo.clone(), trouble: trouble.clone() }).into_iter().collect()
            }
            Event::Recovered { repo } | Event::Surveyed { repo, .. } => {
                self.told.remove(repo).then(|| News::Recovered { repo: repo.clone() }).into_iter().collect()
            }
            Event::Vault { repo, what } => self.vault(ledger, repo, what).into_iter().collect(),
            _ => Vec::new(),
        };
        news.into_iter().map(|news| Notice { at, news }).collect()
    }

    /// A merge waits for somebody's word. That it could not be said at once does not make it news again.
    fn approval_asked(&mut self, ledger: &Ledger, subject: &Subject, intent: &Intent) -> Option<News> {
        let Intent::Say { what: Saying::Status { status }, .. } = intent else { return None };
        let Story::Approval { pull, head, .. } = &status.story else { return None };
        let title = ledger.issue(subject)?.seen.title.clone();
        let first = self.asked.insert((subject.clone(), head.clone()));
        first.then(|| News::Approval { subject: subject.clone(), title, pull: *pull })
    }

    /// What is wrong with the operations repository as a whole is journalled where it is news.
    fn vault(&mut self, ledger: &Ledger, repo: &RepoName, what: &VaultEvent) -> Option<News> {
        match what {
            VaultEvent::Readable { failed: Some(failure) } => {
                let lasting = ledger.ops.get(repo).and_then(|ops| ops.unread.as_ref()).is_some_and(Unread::lasts);
                let news = lasting && self.unread.insert(repo.clone());
                news.then(|| News::OpsUnread { repo: repo.clone(), failure: failure.clone() })
            }
            VaultEvent::Readable { failed: None } => self.unread.remove(repo).then(|| News::Recovered { repo: repo.clone() }),
            VaultEvent::Policy { broken } => Some(News::Policy { repo: repo.clone(), broken: broken.clone() }),
            VaultEvent::Dispatched { what: Dispatch::Merged { pull, failed: Some(why), how: Unmerged::Refused, .. } } => {
                // The second time; the first may have come while the forge was still looking.
                let merging = ledger.shelves.get(repo).and_then(|shelf| shelf.merging.get(pull));
                let news = merging.is_some_and(|merging| merging.refused == 2);
                news.then(|| News::NotPutThrough { repo: repo.clone(), pull: *pull, why: why.clone() })
            }
            VaultEvent::Seen { .. }
            | VaultEvent::Gone { .. }
            | VaultEvent::Telling { .. }
            | VaultEvent::Told { .. }
            | VaultEvent::Dispatched { .. } => None,
        }
    }
}

/// What passes by itself gets a second chance; what a person must mend does not.
fn is_told(trouble: &InTrouble) -> bool {
    !matches!(trouble.trouble, Trouble::Unreachable { .. } | Trouble::NotAForge { .. }) || trouble.failures > 1
}

/// A run beside the lifecycle failed. It moves no label and is not tried again by itself, so nothing else tells whoever wanted it.
fn failed_aside(ledger: &Ledger, run: &RunId, outcome: &RunOutcome) -> Option<News> {
    let subject = ledger.subject_of(run)?;
    let state = ledger.issue(subject)?;
    let formula = state.run.as_ref().filter(|run| run.aside)?.formula.name.clone();
    let (title, outcome) = (state.seen.title.clone(), outcome.clone());
    outcome.is_failure().then(|| News::FailedAside { subject: subject.clone(), title, formula, outcome })
}

/// A run came to a gate that a person opens.
fn at_gate(ledger: &Ledger, run: &RunId, step: &StepId, how: &Advance) -> Option<News> {
    match how {
        Advance::Next
        | Advance::Opened { .. }
        | Advance::Skipped { .. }
        | Advance::Each { .. }
        | Advance::ItemDone { .. }
        | Advance::Kept { .. }
        | Advance::Started { .. }
        | Advance::Promised { .. }
        | Advance::Worked { .. } => {}
        Advance::Begun
        | Advance::Listed { .. }
        | Advance::Replying { .. }
        | Advance::AnswerAgain { .. }
        | Advance::Again { .. }
        | Advance::PutForward { .. }
        | Advance::SteppedBack { .. }
        | Advance::TakenUp
        | Advance::Back { .. }
        | Advance::Retry { .. }
        | Advance::Held { .. }
        | Advance::Failed { .. } => return None,
    }
    let subject = ledger.subject_of(run)?;
    let state = ledger.issue(subject)?;
    let run = state.live_run()?;
    let ended = run.formula.place(step)?;
    // The last of those that it waited for has just ended.
    let reached = |(gate, _): (&Step, &InWork)| {
        let place = run.formula.place(&gate.id).filter(|_| gate.kind == StepKind::Gate(Gate::Approval));
        place.is_some_and(|place| run.formula.before(place).contains(&ended))
    };
    run.steps_in_work().any(reached).then_some(())?;
    Some(News::Approval { subject: subject.clone(), title: state.seen.title.clone(), pull: run.pull? })
}

fn moved(ledger: &Ledger, subject: &Subject, trigger: Trigger) -> Option<News> {
    let state = ledger.issue(subject)?;
    let (subject, title) = (subject.clone(), state.seen.title.clone());
    match trigger {
        Trigger::FailedForGood => {
            Some(News::Failed { subject, title, outcome: state.last.as_ref().map(|last| last.outcome.clone()) })
        }
        Trigger::TriagedPerson
        | Trigger::TriagedQuestion
        | Trigger::Unanswered
        | Trigger::NeedsPerson
        | Trigger::PullOpened
        | Trigger::Disputed
        | Trigger::ClosedUnmerged => {
            let open = state.pull.as_ref().filter(|pull| pull.state == PullState::Open);
            Some(News::Waits { subject, title, because: trigger, pull: open.map(|pull| pull.number) })
        }
        // What goes on by itself, what a person did, and what stood there already.
        Trigger::PullFound
        | Trigger::TriagedQueue
        | Trigger::HandedOver
        | Trigger::Answered
        | Trigger::Dispatched
        | Trigger::Requeued
        | Trigger::Orphaned
        | Trigger::ReviseAsked
        | Trigger::ReviseAgain
        | Trigger::Merged
        | Trigger::MoreToDo
        | Trigger::PersonQueued
        | Trigger::PersonInteractive
        | Trigger::PersonNeedsInfo
        | Trigger::LabelTakenOff
        | Trigger::PersonClosed => None,
    }
}
