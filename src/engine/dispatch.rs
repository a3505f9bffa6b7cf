//! The core's side of the vault and its dispatcher: what it begins and what came of it, as events.
//!
//! Promises: what is written to the operations repository is journalled before; a run is wanted in the same entry of the journal that says
//! that its beginning is written, so that nothing is between the two.

use std::collections::BTreeSet;

use crate::ledger::Fate;
use crate::model::{
    ActionId, ActionRecord, ActionWork, Approving, Begun, Dispatch, Event, FailureKind, PullNumber, RepoName, RunId, Sha,
    ShelvedAction, Timestamp, Unmerged, VaultEvent,
};
use crate::plan::{self, VaultDo};
use crate::words;

use super::core::{Core, Facts, Job, Turn};
use super::input::{ShelfRead, VaultAnswer};

/// Something to do about actions of the vault.
#[derive(Clone, Debug)]
pub enum VaultJob {
    /// Read who approved an action.
    Weigh {
        /// The action, as it was read.
        action: Box<ShelvedAction>,
        /// The commit that had changed the vault last.
        at: Sha,
        /// The project that it is about.
        facts: Facts,
        /// Pull requests that went through by the policy alone.
        put_through: BTreeSet<PullNumber>,
    },
    /// Write that it begins.
    Begin {
        /// The action, as it was approved.
        action: Box<ShelvedAction>,
        /// What is written.
        record: Box<ActionRecord>,
        /// What came after this commit is not written over.
        read: Sha,
    },
    /// Write how it ended.
    Close {
        /// Which.
        id: ActionId,
        /// What is written.
        record: Box<ActionRecord>,
        /// What came after this commit is not written over.
        read: Option<Sha>,
        /// The run, where there was one: what cannot be written is kept with it.
        run: Option<RunId>,
    },
    /// Merge a pull request.
    Merge {
        /// Which.
        pull: PullNumber,
        /// Its head.
        head: Sha,
    },
}

impl VaultJob {
    /// In a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Weigh { .. } => "weigh",
            Self::Begin { .. } => "begin",
            Self::Close { .. } => "close",
            Self::Merge { .. } => "merge",
        }
    }
}

impl Core {
    /// Reads what is asked for and what stands there.
    pub(super) fn read_offers(&mut self, turn: &mut Turn) {
        let Some(repo) = self.policy.ops.clone() else { return };
        self.view.offers_reading = true;
        self.view.offers_waited = self.ledger.asked_pulls().collect();
        let known = self.ledger.offers.get(&repo).into_iter().flatten();
        let known = known.map(|(pull, offer)| (*pull, offer.head.clone())).collect();
        let shelf = self.ledger.shelves.get(&repo).map(|shelf| shelf.at.clone());
        // What an older forgehand read may be another thing to this one.
        let policy = self.view.offers_read.is_none();
        turn.start(Job::Offers { repo, known, shelf, policy });
    }

    /// Says what a pull request comes to.
    pub(super) fn tell_offer(&mut self, turn: &mut Turn, pull: PullNumber) {
        let Some(repo) = self.policy.ops.clone() else { return };
        let Some(offer) = self.ledger.offers.get(&repo).and_then(|offers| offers.get(&pull)) else { return };
        let (head, Some(judged)) = (offer.head.clone(), offer.judged.clone()) else { return };
        self.view.telling.insert(pull);
        let what = VaultEvent::Telling { pull, head: head.clone() };
        self.note(turn, Event::Vault { repo: repo.clone(), what });
        turn.start(Job::TellOffer { repo, pull, head, judged });
    }

    /// Begins something about an action on the branch.
    pub(super) fn dispatch(&mut self, turn: &mut Turn, what: &VaultDo) {
        let Some((repo, event, job)) = begin(self, what, turn.now) else { return };
        self.view.dispatching.insert(what.clone());
        if let Some(event) = event {
            self.note(turn, event);
        }
        turn.start(Job::Vault { repo, job });
    }
}

/// What is journalled first, and what is done then; none where it is not there any more.
fn begin(core: &Core, what: &VaultDo, now: Timestamp) -> Option<(RepoName, Option<Event>, VaultJob)> {
    let repo = core.policy.ops.clone()?;
    let shelf = core.ledger.shelves.get(&repo)?;
    let note = |what: Dispatch| Some(event(&repo, what));
    let (event, job) = match what {
        VaultDo::Weigh(id) => {
            let (seen, at) = (shelf.actions.get(id)?, shelf.at.clone()?);
            let ActionWork::Formula(work) = &seen.shelved.action.as_ref()?.work else { return None };
            let facts = core.facts(work.project.as_ref()?)?;
            let put_through = shelf.put_through.clone();
            (None, VaultJob::Weigh { action: Box::new(seen.shelved.clone()), at, facts, put_through })
        }
        VaultDo::Begin(id) => {
            let seen = shelf.actions.get(id)?;
            let (record, read, first) = match &seen.fate {
                Fate::Weighed { answer: Approving::Approved { by, sha }, .. } => {
                    (begins(&seen.shelved, by.name(), sha, now), shelf.at.clone()?, true)
                }
                Fate::Beginning { record, read, .. } => (record.clone(), read.clone(), false),
                _ => return None,
            };
            let event =
                first.then(|| note(Dispatch::Beginning { id: id.clone(), record: record.clone(), read: read.clone() })).flatten();
            let action = Box::new(seen.shelved.clone());
            (event, VaultJob::Begin { action, record: Box::new(record), read })
        }
        VaultDo::Close(id) => {
            let Fate::Ended { record, outcome, when, begun, run, failed } = &shelf.actions.get(id)?.fate else { return None };
            let record = ActionRecord {
                exit_code: outcome.end().exit_code,
                timestamp: Some(when.to_string()),
                logs: Some(words::action_logs(outcome)),
                ..record.clone()
            };
            let first = failed.is_none();
            let event = first.then(|| note(Dispatch::Closing { id: id.clone(), record: record.clone() })).flatten();
            let job = VaultJob::Close { id: id.clone(), record: Box::new(record), read: begun.clone(), run: run.clone() };
            (event, job)
        }
        VaultDo::Merge(pull) => {
            let head = core.ledger.offers.get(&repo)?.get(pull)?.head.clone();
            (note(Dispatch::Merging { pull: *pull, head: head.clone() }), VaultJob::Merge { pull: *pull, head })
        }
    };
    Some((repo, event, job))
}

fn event(repo: &RepoName, what: Dispatch) -> Event {
    Event::Vault { repo: repo.clone(), what: VaultEvent::Dispatched { what } }
}

fn begins(action: &ShelvedAction, by: &str, sha: &Sha, now: Timestamp) -> ActionRecord {
    let formula = action.action.as_ref().and_then(|action| match &action.work {
        ActionWork::Formula(work) => Some(work.formula.to_string()),
        ActionWork::Person(_) => None,
    });
    ActionRecord {
        id: action.id.to_string(),
        tier: action.tier.map(|tier| words::risk(tier).to_owned()),
        formula,
        approved_by: Some(by.to_owned()),
        sha: Some(sha.to_string()),
        exit_code: None,
        timestamp: Some(now.to_string()),
        logs: None,
    }
}

/// What was read of the branch, where it is news.
pub(super) fn read(core: &Core, repo: &RepoName, read: ShelfRead) -> Option<Event> {
    let known = core.ledger.shelves.get(repo);
    let ShelfRead { at, actions, items } = read;
    let gone = known.into_iter().flat_map(|shelf| shelf.actions.keys());
    let gone: Vec<ActionId> = gone.filter(|id| actions.iter().all(|action| action.id != **id)).cloned().collect();
    let same = |action: &ShelvedAction| {
        known.and_then(|shelf| shelf.actions.get(&action.id)).is_some_and(|seen| seen.shelved == *action)
    };
    let changed: Vec<ShelvedAction> = actions.into_iter().filter(|action| !same(action)).collect();
    let moved = known.is_none_or(|shelf| shelf.at != at);
    let before = known.map(|shelf| shelf.items.as_slice()).unwrap_or_default();
    let items = (items != before).then_some(items);
    let news = moved || !changed.is_empty() || !gone.is_empty() || items.is_some();
    news.then(|| event(repo, Dispatch::Read { at, changed, gone, items }))
}

/// What came of something that was begun.
pub(super) fn answered(core: &mut Core, repo: &RepoName, answer: VaultAnswer, now: Timestamp) -> Vec<Event> {
    match answer {
        VaultAnswer::Weighed(id, at, result) => {
            core.view.dispatching.remove(&VaultDo::Weigh(id.clone()));
            match result {
                Ok(answer) => {
                    core.view.unweighed.remove(&id);
                    vec![event(repo, Dispatch::Weighed { id, at, answer })]
                }
                Err(failure) => {
                    tracing::warn!(%repo, action = %id, why = %failure.why, "who approved it could not be read");
                    core.view.unweighed.insert(id, now);
                    Vec::new()
                }
            }
        }
        VaultAnswer::Begun(id, end) => {
            core.view.dispatching.remove(&VaultDo::Begin(id.clone()));
            let wanted = core.ledger.action(repo, &id).and_then(|seen| plan::action_wanted(repo, seen));
            let wanted = wanted.filter(|_| matches!(end, Begun::Here { .. }));
            if let Begun::StoodDown { .. } = end {
                core.view.offers_read = None;
            }
            let wanted = wanted.map(|(subject, wanted)| Event::Wanted { subject, wanted });
            [event(repo, Dispatch::Begun { id, end })].into_iter().chain(wanted).collect()
        }
        VaultAnswer::Closed(id, record, failed) => {
            core.view.dispatching.remove(&VaultDo::Close(id.clone()));
            vec![event(repo, Dispatch::Closed { id, record, failed })]
        }
        VaultAnswer::Merged(pull, head, failed) => {
            core.view.dispatching.remove(&VaultDo::Merge(pull));
            let how = match failed.as_ref().map(|failure| failure.kind) {
                Some(FailureKind::Refused) => Unmerged::Refused,
                Some(FailureKind::Doubtful) => Unmerged::Doubtful,
                _ => Unmerged::Passing,
            };
            // What is merged, or may be, is to be seen there.
            if failed.is_none() || how == Unmerged::Doubtful {
                core.view.offers_read = None;
            }
            vec![event(repo, Dispatch::Merged { pull, head, failed: failed.map(|failure| failure.why), how })]
        }
    }
}
