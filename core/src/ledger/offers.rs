//! The open pull requests of the operations repository, as far as they were read and judged.

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::model::{BrokenPolicy, Failure, FailureKind, Judged, RepoName, Sha, Timestamp, VaultEvent};

/// An open pull request of the operations repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferState {
    /// The head that was read.
    pub head: Sha,
    /// What it comes to; none where it does not touch the vault.
    pub judged: Option<Judged>,
    /// That stands there as a status.
    pub told: bool,
    /// When writing that failed last, and how often in a row.
    pub failed: Option<(Timestamp, u32)>,
}

/// What is wrong with an operations repository as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpsState {
    /// Why what stands there cannot be read.
    pub unread: Option<Unread>,
    /// Why the newest version of its policy cannot, and since when.
    pub policy: Option<(BrokenPolicy, Timestamp)>,
}

/// Why what stands in an operations repository cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// What was in the way.
    pub failure: Failure,
    /// Since when that is known, by our clock.
    pub since: Timestamp,
    /// How often in a row it was told to the journal, which counts no further than it takes to know that it lasts.
    pub times: u32,
}

impl Unread {
    fn after(before: Option<Self>, failure: Failure, at: Timestamp) -> Self {
        let same = before.filter(|before| before.failure.kind == failure.kind);
        let (since, times) = same.map_or((at, 0), |before| (before.since, before.times));
        Self { failure, since, times: times.saturating_add(1) }
    }

    /// It is no forge that starts anew: what passes gets a second chance, what a person must mend does not.
    pub fn lasts(&self) -> bool {
        self.failure.kind != FailureKind::Passing || self.times > 1
    }

    /// Whether a reading that failed like this is anything new.
    pub fn is_news(before: Option<&Self>, failure: &Failure) -> bool {
        before.is_none_or(|before| before.failure.kind != failure.kind || !before.lasts())
    }
}

impl Ledger {
    /// An event about one.
    pub(super) fn offered(&mut self, repo: &RepoName, what: &VaultEvent, at: Timestamp) {
        if let VaultEvent::Dispatched { what } = what {
            return self.dispatched(repo, what, at);
        }
        match what {
            VaultEvent::Readable { failed } => {
                let state = self.ops.entry(repo.clone()).or_default();
                let before = state.unread.take();
                state.unread = failed.clone().map(|failure| Unread::after(before, failure, at));
                return;
            }
            VaultEvent::Policy { broken } => {
                self.ops.entry(repo.clone()).or_default().policy = broken.clone().map(|broken| (broken, at));
                return;
            }
            _ => {}
        }
        match what {
            VaultEvent::Gone { pull } => self.ask_closed(*pull),
            VaultEvent::Seen { pull, head, .. } => self.moved_on(repo, *pull, head),
            _ => {}
        }
        let offers = self.offers.entry(repo.clone()).or_default();
        match what {
            VaultEvent::Seen { pull, head, judged } => {
                let seen = OfferState { head: head.clone(), judged: judged.clone(), told: false, failed: None };
                offers.insert(*pull, seen);
            }
            VaultEvent::Gone { pull } => drop(offers.remove(pull)),
            VaultEvent::Telling { .. }
            | VaultEvent::Dispatched { .. }
            | VaultEvent::Readable { .. }
            | VaultEvent::Policy { .. } => {}
            VaultEvent::Told { pull, head, failed } => {
                // Of an older head it says nothing any more.
                let Some(offer) = offers.get_mut(pull).filter(|offer| offer.head == *head) else { return };
                offer.told = failed.is_none();
                let failures = offer.failed.map_or(0, |(_, failures)| failures);
                offer.failed = failed.as_ref().map(|_| (at, failures.saturating_add(1)));
            }
        }
    }
}
