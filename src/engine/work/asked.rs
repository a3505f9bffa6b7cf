//! The pull request of ours in the operations repository, or another one, that asks for a file already.
//!
//! Promises: one stands for a file, whichever run opened it and whatever the journal knows of it: it is found by what its branch changes. What
//! somebody else committed there is not written over, nor what was asked for about something else: then it stays, and that is said. One run
//! looks and asks at a time. Race known: another daemon that asks for the same file in the same moment opens a second one; from then on the
//! older one counts.

use crate::model::{AskedBy, Branch, Failure, IssueNumber, PullNumber, RepoName, Sha};
use crate::text;

use super::keep::{Draft, FILE, Ops};
use super::{Order, Worker, forge, repos};

/// What of ours asks for a file.
pub(super) enum Asking {
    /// Nothing, or the run's own branch, which an earlier try of it left.
    Nothing,
    /// This one, and it is written there anew.
    There(AskedBy),
    /// This one, and nothing is to be done; why it stays though it does not say the same.
    Settled(PullNumber, Option<String>),
}

impl Worker {
    /// What asks for a file already that is to say this, where it is to be asked for by a branch.
    pub(super) async fn asked_for(
        &self,
        order: &Order<'_>,
        draft: &Draft,
        (place, content): (&Ops, &str),
        own: Option<&Branch>,
    ) -> Result<Asking, Failure> {
        let Some(own) = own else { return Ok(Asking::Nothing) };
        let sprint = order.run()?.prepared.as_ref().and_then(|prepared| prepared.sprint.as_ref());
        match sprint.filter(|sprint| draft.into.is_none() && sprint.path == draft.path).and_then(|sprint| sprint.asked.clone()) {
            // That one was read as it stands there, whoever wrote it.
            Some(read) => Ok(Asking::There(read)),
            None => self.asked_elsewhere(order, place, (&draft.path, content), own).await,
        }
    }

    async fn asked_elsewhere(
        &self,
        order: &Order<'_>,
        place: &Ops,
        (path, content): (&str, &str),
        own: &Branch,
    ) -> Result<Asking, Failure> {
        let (run, Ops { repo, branch }) = (order.run()?, place);
        let mut open = self.ports.forge.open_pulls(repo).await.map_err(forge)?;
        open.retain(|pull| pull.own && order.facts.is_ours(&pull.author) && pull.base == *branch);
        if open.is_empty() || open.iter().any(|pull| pull.head == *own) {
            return Ok(Asking::Nothing);
        }
        open.sort_by_key(|pull| pull.number);
        let branches: Vec<Branch> = std::iter::once(branch).chain(open.iter().map(|pull| &pull.head)).cloned().collect();
        let tips = self.ports.repos.sync(repo, &branches, &run.id).await.map_err(repos)?;
        let mut tips = tips.0.into_iter();
        let Some(base) = tips.next().flatten() else { return Ok(Asking::Nothing) };
        // What counts says so already: nothing more is to be asked.
        if self.ports.repos.read(repo, &base, path, FILE).await.map_err(repos)?.as_deref() == Some(content) {
            return Ok(Asking::Nothing);
        }
        for (pull, tip) in open.into_iter().zip(tips) {
            let Some(tip) = tip else { continue };
            if self.ports.repos.touched(repo, &base, &tip, path).await.map_err(repos)? {
                return self
                    .asked_by(order, (path, content), (repo, &base), AskedBy { pull: pull.number, branch: pull.head, head: tip })
                    .await;
            }
        }
        Ok(Asking::Nothing)
    }

    /// What becomes of a pull request that asks for a file.
    async fn asked_by(
        &self,
        order: &Order<'_>,
        (path, content): (&str, &str),
        (repo, base): (&RepoName, &Sha),
        there: AskedBy,
    ) -> Result<Asking, Failure> {
        if self.ports.repos.read(repo, &there.head, path, FILE).await.map_err(repos)?.as_deref() == Some(content) {
            return Ok(Asking::Settled(there.pull, None));
        }
        let stays = |why: &str| Ok(Asking::Settled(there.pull, Some(why.to_owned())));
        if !self.ports.repos.all_by(repo, base, &there.head, &self.authors()).await.map_err(repos)? {
            return stays("somebody else committed to its branch");
        }
        let body = self.ports.forge.issue(repo, IssueNumber(there.pull.0)).await.map_err(forge)?.body;
        match text::find_marker(&body) {
            Some(key) if key.parts(order.subject).is_some() => Ok(Asking::There(there)),
            Some(_) => stays("it was opened about something else"),
            None => stays("its body does not say any more what it was opened about"),
        }
    }
}
