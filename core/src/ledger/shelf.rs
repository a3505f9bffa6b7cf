//! The actions on the branch of the operations repository that counts, and how far the dispatcher is with each.
//!
//! Promises: what was there at the first reading is never run; what was begun once is never begun again, whatever becomes of its file. A file
//! that says something else is another request, and has to be approved anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::model::{
    ActionEnd, ActionId, ActionOutcome, ActionRecord, ActionState, ActionWork, Approving, Begun, Dispatch, Event, Failure, Grant,
    PendingItem, PullNumber, RepoName, RunId, RunOutcome, Sha, ShelvedAction, Subject, Timestamp, Unmerged, WantedBy,
};

/// What is known of the vault of an operations repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShelfState {
    /// The commit that had changed it last when it was read; none where nothing is there.
    pub at: Option<Sha>,
    /// The actions.
    pub actions: BTreeMap<ActionId, ActionSeen>,
    /// What people are asked for in words.
    #[serde(default)]
    pub items: Vec<PendingItem>,
    /// Pull requests that are merged by the policy alone.
    pub merging: BTreeMap<PullNumber, Merging>,
    /// Pull requests that were merged so, or may have been: whoever the forge names for that gave no word of his.
    #[serde(default)]
    pub put_through: BTreeSet<PullNumber>,
}

/// An action, and how far the dispatcher is with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionSeen {
    /// As it stands there.
    pub shelved: ShelvedAction,
    /// It stood there before forgehand came.
    pub before: bool,
    /// Since when it stands there as it does, by our clock.
    pub since: Timestamp,
    /// How far it is.
    pub fate: Fate,
}

/// How far the dispatcher is with an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// Who approved it was not read yet.
    Unread,
    /// That was read.
    Weighed {
        /// The commit that had changed the vault last.
        at: Sha,
        /// When, by our clock.
        when: Timestamp,
        /// What it came to.
        answer: Approving,
    },
    /// That it begins is being written.
    Beginning {
        /// What is written.
        record: ActionRecord,
        /// What came after this commit is not written over.
        read: Sha,
        /// The last failure.
        failed: Option<Failed>,
    },
    /// Its run is wanted, or at work.
    AtWork {
        /// What is recorded so far.
        record: ActionRecord,
        /// The commit that has it.
        begun: Option<Sha>,
    },
    /// Its run ended; that is to be written.
    Ended {
        /// What is recorded so far.
        record: ActionRecord,
        /// How it ended.
        outcome: ActionOutcome,
        /// When, by our clock.
        when: Timestamp,
        /// The commit that has what is recorded.
        begun: Option<Sha>,
        /// The run, where there was one.
        run: Option<RunId>,
        /// The last failure.
        failed: Option<Failed>,
    },
    /// That is written.
    Recorded {
        /// What.
        record: ActionRecord,
    },
    /// It was left alone: somebody else recorded something, or it is not what was approved.
    StoodDown {
        /// Why.
        why: String,
    },
}

/// A failure of the dispatcher, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// When, by our clock.
    pub at: Timestamp,
    /// How often in a row.
    pub times: u32,
    /// Why.
    pub why: String,
}

impl Failed {
    fn after(before: Option<Self>, why: &str, at: Timestamp) -> Self {
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        Self { at, times, why: why.to_owned() }
    }
}

/// A pull request that is merged by the policy alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Merging {
    /// Its head.
    pub head: Sha,
    /// The last failure.
    pub failed: Option<Failed>,
    /// How often in a row the forge said no.
    #[serde(default)]
    pub refused: u32,
}

impl Merging {
    /// It is no forge that was still looking: a person has to see to it.
    pub fn is_stuck(&self) -> bool {
        self.refused > 1
    }
}

impl ActionSeen {
    /// How it ended; none where it has not, or nothing is known of that.
    pub fn end(&self) -> Option<ActionEnd> {
        match &self.fate {
            Fate::Ended { outcome, .. } => Some(outcome.end()),
            Fate::Recorded { record } => Some(end_of(record)),
            Fate::Unread | Fate::Weighed { .. } | Fate::Beginning { .. } | Fate::AtWork { .. } | Fate::StoodDown { .. } => {
                self.shelved.end.clone()
            }
        }
    }

    /// Nothing is left to be done for it, as far as whoever waits for it is concerned.
    pub fn is_over(&self) -> bool {
        match &self.fate {
            Fate::Ended { .. } | Fate::Recorded { .. } => true,
            // The record of its beginning stands there by then.
            Fate::Beginning { .. } | Fate::AtWork { .. } => false,
            Fate::Unread | Fate::Weighed { .. } | Fate::StoodDown { .. } => self.before || self.is_settled(),
        }
    }

    /// People settled it: they did what was asked of them, or rejected it. Whoever may write there may write a record; that a formula's action
    /// ran is our own word alone.
    fn is_settled(&self) -> bool {
        let by_person = || self.shelved.action.as_ref().is_some_and(|action| matches!(action.work, ActionWork::Person(_)));
        match self.shelved.state {
            ActionState::Rejected => true,
            ActionState::Fired | ActionState::Done => by_person(),
            ActionState::Merged | ActionState::Approved | ActionState::Broken => false,
        }
    }

    /// Somebody recorded that it ran, and it was not us.
    pub fn is_claimed(&self) -> bool {
        let recorded = matches!(self.shelved.state, ActionState::Fired | ActionState::Done);
        recorded && !self.is_over() && !self.is_in_hand()
    }

    /// The dispatcher ran it to its end.
    pub fn is_ours(&self) -> bool {
        matches!(self.fate, Fate::Ended { .. } | Fate::Recorded { .. })
    }

    /// The dispatcher has it in hand.
    pub fn is_in_hand(&self) -> bool {
        matches!(self.fate, Fate::Beginning { .. } | Fate::AtWork { .. })
    }

    /// The issues that wait for it.
    pub fn unblocks(&self) -> &[Subject] {
        self.shelved.action.as_ref().map(|action| action.unblocks.as_slice()).unwrap_or_default()
    }
}

fn end_of(record: &ActionRecord) -> ActionEnd {
    ActionEnd { exit_code: record.exit_code, logs: record.logs.clone().unwrap_or_default() }
}

impl Ledger {
    /// An action of an operations repository.
    pub fn action(&self, repo: &RepoName, id: &ActionId) -> Option<&ActionSeen> {
        self.shelves.get(repo)?.actions.get(id)
    }

    pub(super) fn dispatched(&mut self, repo: &RepoName, what: &Dispatch, at: Timestamp) {
        let first = !self.shelves.contains_key(repo);
        let shelf = self.shelves.entry(repo.clone()).or_default();
        match what {
            Dispatch::Read { at: tip, changed, gone, items } => {
                shelf.at.clone_from(tip);
                if let Some(items) = items {
                    shelf.items.clone_from(items);
                }
                for action in changed {
                    shelf.put(action, first, at);
                }
                shelf.actions.retain(|id, seen| !gone.contains(id) || seen.is_in_hand());
            }
            Dispatch::Weighed { id, at: of, answer } => shelf.turn(id, |fate| match fate {
                Fate::Unread | Fate::Weighed { .. } => Fate::Weighed { at: of.clone(), when: at, answer: answer.clone() },
                other => other,
            }),
            Dispatch::Beginning { id, record, read } => {
                shelf.turn(id, |_| Fate::Beginning { record: record.clone(), read: read.clone(), failed: None })
            }
            Dispatch::Begun { id, end } => shelf.turn(id, |fate| begun(fate, end, at)),
            Dispatch::Closing { .. } => {}
            Dispatch::Closed { id, record, failed } => shelf.turn(id, |fate| closed(fate, record, failed.as_ref(), at)),
            Dispatch::Merging { pull, head } => {
                let before = shelf.merging.remove(pull).filter(|before| before.head == *head);
                shelf.merging.insert(*pull, before.unwrap_or(Merging { head: head.clone(), failed: None, refused: 0 }));
                shelf.put_through.insert(*pull);
            }
            Dispatch::Merged { pull, failed: None, .. } => drop(shelf.merging.remove(pull)),
            Dispatch::Merged { pull, head, failed: Some(why), how } => {
                let before = shelf.merging.remove(pull);
                let times = before.as_ref().map_or(0, |before| before.refused);
                let failed = Some(Failed::after(before.and_then(|before| before.failed), why, at));
                let refused = if *how == Unmerged::Refused { times.saturating_add(1) } else { 0 };
                shelf.merging.insert(*pull, Merging { head: head.clone(), failed, refused });
                if *how != Unmerged::Doubtful {
                    shelf.put_through.remove(pull);
                }
            }
        }
    }

    /// A pull request is open at another head than the one that was to be merged: whoever merges it now gives his word.
    pub(super) fn moved_on(&mut self, repo: &RepoName, pull: PullNumber, head: &Sha) {
        let Some(shelf) = self.shelves.get_mut(repo) else { return };
        if shelf.merging.get(&pull).is_some_and(|merging| merging.head != *head) {
            shelf.put_through.remove(&pull);
        }
    }

    /// The action whose run this ends, and how; asked before the event is folded in.
    pub(super) fn ends_action(&self, event: &Event) -> Option<(Grant, Option<RunId>, ActionOutcome)> {
        match event {
            Event::RunEnded { run, outcome, .. } => {
                let state = self.run(run)?;
                let commands = match (outcome, &state.evidence) {
                    (RunOutcome::VerificationFailed { evidence }, _) | (_, Some(evidence)) => evidence.commands.clone(),
                    (_, None) => Vec::new(),
                };
                let grant = state.grant.clone()?;
                Some((grant, Some(run.clone()), ActionOutcome::Run { outcome: outcome.clone(), commands }))
            }
            Event::Declined { subject, formula, declined } => {
                let wanted = &self.issue(subject)?.wanted;
                let (wanted, _) = wanted.iter().find(|(wanted, _)| wanted.formula == *formula)?;
                let WantedBy::Vault { grant } = &wanted.by else { return None };
                Some((Grant::clone(grant), None, ActionOutcome::Declined { declined: declined.clone() }))
            }
            _ => None,
        }
    }

    pub(super) fn action_ended(&mut self, (grant, run, outcome): (Grant, Option<RunId>, ActionOutcome), when: Timestamp) {
        let Some(shelf) = self.shelves.get_mut(&grant.repo) else { return };
        shelf.turn(&grant.id, |fate| match fate {
            Fate::AtWork { record, begun } => Fate::Ended { record, outcome, when, begun, run, failed: None },
            other => other,
        });
    }
}

impl ShelfState {
    fn put(&mut self, action: &ShelvedAction, first: bool, at: Timestamp) {
        let fresh = || ActionSeen { shelved: action.clone(), before: first, since: at, fate: Fate::Unread };
        let seen = self.actions.entry(action.id.clone()).or_insert_with(fresh);
        if seen.shelved.text != action.text && !first {
            seen.before = false;
            seen.since = at;
            if let Fate::Unread | Fate::Weighed { .. } | Fate::StoodDown { .. } = seen.fate {
                seen.fate = Fate::Unread;
            }
        }
        seen.shelved = action.clone();
    }

    fn turn(&mut self, id: &ActionId, to: impl FnOnce(Fate) -> Fate) {
        if let Some(seen) = self.actions.get_mut(id) {
            seen.fate = to(std::mem::replace(&mut seen.fate, Fate::Unread));
        }
    }
}

fn begun(fate: Fate, end: &Begun, at: Timestamp) -> Fate {
    let Fate::Beginning { record, read, failed } = fate else { return fate };
    match end {
        Begun::Here { commit } => Fate::AtWork { record, begun: commit.clone() },
        Begun::StoodDown { why } => Fate::StoodDown { why: why.clone() },
        Begun::Failed { failure } => {
            let failed = Some(Failed::after(failed, &failure.why, at));
            Fate::Beginning { record, read, failed }
        }
    }
}

fn closed(fate: Fate, written: &ActionRecord, failed: Option<&Failure>, at: Timestamp) -> Fate {
    let Fate::Ended { record, outcome, when, begun, run, failed: before } = fate else { return fate };
    match failed {
        None => Fate::Recorded { record: written.clone() },
        Some(failure) => {
            let failed = Some(Failed::after(before, &failure.why, at));
            Fate::Ended { record, outcome, when, begun, run, failed }
        }
    }
}
