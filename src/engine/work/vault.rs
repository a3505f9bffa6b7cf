//! Pull requests of the operations repository: reading what they would bring into the vault, and saying what it comes to.
//!
//! Promises: one request tells which are open, and only of a head that is not known anything is read, by git. A status that says the same is not
//! written again. Not seen is a pull request from a fork: its commits are in no branch of the repository.

use std::collections::BTreeMap;

use crate::model::{Checks, Failure, Judged, PullNumber, RepoName, Sha};
use crate::plan;
use crate::ports::NewStatus;
use crate::vault::Shelf;
use crate::words;

use super::super::input::OfferRead;
use super::super::vault::{vault_files, vault_offers};
use super::keep::Ops;
use super::{Worker, forge, repos};

/// What the status is called.
const CONTEXT: &str = "forgehand/vault";

impl Worker {
    /// The open pull requests, with what those come to whose head is not known.
    pub(super) async fn offers(&self, known: &BTreeMap<PullNumber, Sha>) -> Result<Vec<OfferRead>, Failure> {
        let Ops { repo, branch } = self.ops()?;
        let mut open = self.ports.forge.open_pulls(repo).await.map_err(forge)?;
        open.retain(|pull| pull.base == *branch);
        let (mut found, mut shelf) = (Vec::new(), None);
        for pull in open {
            let mut read = None;
            if known.get(&pull.number) != Some(&pull.head_sha) {
                let shelf = match &mut shelf {
                    Some(shelf) => shelf,
                    None => {
                        let files = vault_files(self.ports.repos.as_ref(), repo, branch).await.map_err(repos)?;
                        shelf.insert(Shelf::of(&files.unwrap_or_default(), &self.settings.vault))
                    }
                };
                let offers = vault_offers(self.ports.repos.as_ref(), repo, &pull).await.map_err(repos)?;
                read = offers.map(|(head, offers)| (head, plan::judge(&offers, shelf, &self.settings.vault)));
            }
            found.push(OfferRead { pull: pull.number, read });
        }
        Ok(found)
    }

    /// Writes what a head comes to as its status, unless it stands there.
    pub(super) async fn tell_offer(&self, repo: &RepoName, head: &Sha, judged: &Judged) -> Result<(), Failure> {
        let state = if judged.mistakes.is_empty() { Checks::Success } else { Checks::Failure };
        let description = self.scanner.redact(&words::judged(judged));
        let there = self.ports.forge.statuses(repo, head).await.map_err(forge)?;
        if there.iter().any(|s| s.context == CONTEXT && s.state == state && s.description == description) {
            return Ok(());
        }
        let new = NewStatus { context: CONTEXT.to_owned(), state, description };
        self.ports.forge.set_status(repo, head, &new).await.map_err(forge)
    }
}
