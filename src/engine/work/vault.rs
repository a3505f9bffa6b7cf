//! Pull requests of the operations repository: reading what they would bring into the vault, and saying what it comes to.
//!
//! Promises: one request tells which are open, and only of a head that is not known anything is read, by git; where the policy is another one
//! than before, of each. A status that says the same is not written again. One from a fork is read where its author may write to the repository and so could have pushed a branch: what strangers bring is not
//! fetched onto this machine. It never goes through by the policy alone.

use std::collections::BTreeMap;

use crate::model::{Checks, Failure, Judged, Login, Pull, PullNumber, RepoName, Sha};
use crate::plan;
use crate::ports::NewStatus;
use crate::tier::Policy;
use crate::vault::Shelf;
use crate::words;

use super::super::input::{OfferRead, ShelfRead, VaultRead};
use super::super::policy::{POLICY, POLICY_BYTES};
use super::super::vault::{author_writes, vault_files_at, vault_offers, vault_tip};
use super::keep::Ops;
use super::{Worker, forge, repos};

/// What the status is called.
const CONTEXT: &str = "forgehand/vault";

impl Worker {
    /// The open pull requests, with what those come to whose head is not known.
    pub(super) async fn offers(
        &self,
        known: &BTreeMap<PullNumber, Sha>,
        shelf: Option<&Option<Sha>>,
        policy: bool,
    ) -> Result<VaultRead, Failure> {
        let Ops { repo, branch } = self.ops()?;
        let mut open = self.ports.forge.open_pulls(repo).await.map_err(forge)?;
        open.retain(|pull| pull.base == *branch);
        let at = vault_tip(self.ports.repos.as_ref(), repo, branch).await.map_err(repos)?.flatten();
        let fresh = |pull: &Pull| known.get(&pull.number) != Some(&pull.head_sha);
        let moved = shelf != Some(&at);
        let mut found: Vec<OfferRead> = Vec::new();
        if !moved && !open.iter().any(fresh) {
            found.extend(open.into_iter().map(|pull| OfferRead { pull: pull.number, read: None }));
            let policy = if policy { Some(self.policy_read().await?.broken()) } else { None };
            return Ok(VaultRead { offers: found, shelf: None, policy });
        }
        let in_force = self.policy_read().await?;
        let (broken, policy) = (in_force.broken(), in_force.policy);
        let there = self.shelf_at(repo, at.as_ref()).await?;
        let anew = moved && self.policy_moved(repo, shelf.and_then(Option::as_ref), at.as_ref()).await;
        for pull in open {
            let read = match anew || fresh(&pull) {
                false => None,
                true if pull.own || self.author_writes(repo, &pull.author).await? => {
                    self.judged(repo, &pull, &there, &policy).await?
                }
                true => Some((pull.head_sha, None)),
            };
            found.push(OfferRead { pull: pull.number, read });
        }
        let actions = || there.iter().map(|entry| plan::shelved(entry, &self.settings.vault, &policy)).collect();
        let shelf = moved.then(|| ShelfRead { at, actions: actions(), items: there.items().to_vec() });
        Ok(VaultRead { offers: found, shelf, policy: Some(broken) })
    }

    /// Whether the policy reads otherwise than at a commit before. What cannot be read there was another one.
    async fn policy_moved(&self, repo: &RepoName, before: Option<&Sha>, at: Option<&Sha>) -> bool {
        let read = async |at: Option<&Sha>| match at {
            Some(at) => self.ports.repos.read(repo, at, POLICY, POLICY_BYTES).await,
            None => Ok(None),
        };
        match (read(before).await, read(at).await) {
            (Ok(before), Ok(now)) => before != now,
            _ => true,
        }
    }

    async fn shelf_at(&self, repo: &RepoName, at: Option<&Sha>) -> Result<Shelf, Failure> {
        let files = match at {
            Some(at) => vault_files_at(self.ports.repos.as_ref(), repo, at).await.map_err(repos)?,
            None => BTreeMap::new(),
        };
        Ok(Shelf::of(&files, &self.settings.vault))
    }

    /// What a pull request comes to on top of what stands there.
    async fn judged(
        &self,
        repo: &RepoName,
        pull: &Pull,
        shelf: &Shelf,
        policy: &Policy,
    ) -> Result<Option<(Sha, Option<Judged>)>, Failure> {
        let offered = vault_offers(self.ports.repos.as_ref(), repo, pull).await.map_err(repos)?;
        Ok(offered.map(|(head, offered)| {
            let judged = plan::judge(&offered, shelf, &self.settings.vault, policy);
            (head, judged.map(|judged| Judged { free: judged.free && pull.own, ..judged }))
        }))
    }

    /// Whether somebody could have pushed a branch instead, as far as the forge tells us.
    async fn author_writes(&self, repo: &RepoName, author: &Login) -> Result<bool, Failure> {
        let (asked, rights) = (self.ports.forge.as_ref(), self.ports.rights.as_deref());
        author_writes(asked, rights, repo, author).await.map_err(forge)
    }

    /// The same, with what stands there read anew.
    pub(super) async fn judge_offer(
        &self,
        repo: &RepoName,
        pull: &Pull,
        policy: &Policy,
    ) -> Result<Option<(Sha, Judged)>, Failure> {
        let Ops { branch, .. } = self.ops()?;
        let at = vault_tip(self.ports.repos.as_ref(), repo, branch).await.map_err(repos)?.flatten();
        let shelf = self.shelf_at(repo, at.as_ref()).await?;
        let judged = self.judged(repo, pull, &shelf, policy).await?;
        Ok(judged.and_then(|(head, judged)| Some((head, judged?))))
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
