//! Whether a branch can be merged into another, found out by merging them: the forge does not tell a conflict from "still checking"
//! (`facts/forgejo.md`).
//!
//! There is no work tree and nothing of it lasts: `git merge-tree` writes the merged tree and files into a repository that borrows the mirror's
//! objects and is thrown away. Its configuration is the one that we wrote a moment before, so a `merge=` in the branch's
//! `.gitattributes` names no program. The mirror's lock is held throughout: it also keeps that place to one merge at a time, and what a killed
//! daemon left there goes when the next one begins.

use std::fmt;
use std::path::Path;

use tokio::time::Instant;

use crate::model::{Branch, PullNumber, RepoName, Sha};
use crate::ports::{Merge, RepoError};

use super::mirror::{MirrorLock, remove_if_there};
use super::process::{Call, Reach};
use super::{Git, on_disk};

/// What is to be merged.
pub(super) enum Head<'a> {
    /// A branch.
    Branch(&'a Branch),
    /// The head of an open pull request, from wherever it comes.
    Pull(PullNumber),
}

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => branch.fmt(f),
            Self::Pull(pull) => write!(f, "pull request {pull}"),
        }
    }
}

impl Git {
    /// None where one of the branches is not on the forge.
    pub(super) async fn merge_in_passing(
        &self,
        repo: &RepoName,
        head: &Head<'_>,
        base: &Branch,
    ) -> Result<Option<Merge>, RepoError> {
        let what = format!("trying to merge {head} of {repo} into {base}");
        let asked = Instant::now();
        let lock = self.lock(repo).await?;
        let mirror = self.ensure_mirror(repo, &lock).await?;
        let heads = self.fetch_heads(repo, &mirror, &lock, asked, &what).await?;
        let Some(base) = heads.get(base.as_str()) else { return Ok(None) };
        let head = match head {
            Head::Branch(branch) => heads.get(branch.as_str()).cloned(),
            Head::Pull(pull) => Some(self.fetch_pull(repo, (&mirror, &lock), *pull, &what).await?),
        };
        let Some(head) = head else { return Ok(None) };
        let room = self.intake.join(format!("{}~merge.git", repo.folder()));
        let (before, after) = (room.clone(), room.clone());
        on_disk(&what, move || remove_if_there(&before)).await?;
        self.make_borrowing(&room, &mirror).await?;
        let merge = Call::bare(&room, &what)
            .args(["merge-tree", "--write-tree", "--no-messages", base.as_str(), head.as_str()])
            .input(lock.as_input(&what)?);
        let merged = self.runner.run(merge).await;
        let older = Call::bare(&room, &what).args(["merge-base", "--is-ancestor", base.as_str(), head.as_str()]);
        let older = self.runner.run(older).await;
        on_disk(&what, move || remove_if_there(&after)).await?;
        let merged = merged?;
        let older = older?;
        let behind = match older.code {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(older.error()),
        };
        let conflicts = match merged.code {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(merged.error()),
        };
        Ok(Some(Merge { head, base: base.clone(), behind, conflicts }))
    }

    /// Fetches the head of a pull request without a ref of its own.
    async fn fetch_pull(
        &self,
        repo: &RepoName,
        (dir, lock): (&Path, &MirrorLock),
        pull: PullNumber,
        what: &str,
    ) -> Result<Sha, RepoError> {
        let fetch = Call::bare(dir, what)
            .args(["fetch", "-q", "--no-tags", "--no-prune", "--no-auto-gc", "--no-recurse-submodules", "--", &self.remote(repo)])
            .arg(format!("refs/pull/{}/head", pull.0))
            .reach(Reach::Transfer)
            .input(lock.as_input(what)?);
        self.runner.ok(fetch).await?;
        let head = self.runner.ok(Call::bare(dir, what).args(["rev-parse", "--verify", "FETCH_HEAD"])).await?;
        super::objects::one_sha(what, &head)
    }
}
