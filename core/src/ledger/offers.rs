//! The open pull requests of the operations repository, as far as they were read and judged.

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::model::{Judged, RepoName, Sha, Timestamp, VaultEvent};

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

impl Ledger {
    /// An event about one.
    pub(super) fn offered(&mut self, repo: &RepoName, what: &VaultEvent, at: Timestamp) {
        if let VaultEvent::Dispatched { what } = what {
            return self.dispatched(repo, what, at);
        }
        if let VaultEvent::Gone { pull } = what {
            self.ask_closed(*pull);
        }
        let offers = self.offers.entry(repo.clone()).or_default();
        match what {
            VaultEvent::Seen { pull, head, judged } => {
                let seen = OfferState { head: head.clone(), judged: judged.clone(), told: false, failed: None };
                offers.insert(*pull, seen);
            }
            VaultEvent::Gone { pull } => drop(offers.remove(pull)),
            VaultEvent::Telling { .. } | VaultEvent::Dispatched { .. } => {}
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
