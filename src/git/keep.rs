//! Writing files of another repository by a commit of our own: no work tree, no index of the mirror.
//!
//! Promises: the commit is made on top of what its writer had read, so that git merges what somebody else wrote meanwhile, and says where
//! both changed the same lines. The same text is not written twice: a merge that changes nothing is no commit.
//!
//! Races known: somebody pushes between our look and our push: the lease does not hold, and all of it is done again on what is there then. A
//! branch of a pull request that an earlier try left is taken as it is where its file says the same.

use std::path::Path;

use tokio::time::Instant;

use crate::model::{RepoName, Sha};
use crate::ports::{KeepAnswer, KeepOrder, Lease, RepoError, RepoErrorKind};

use super::author::Author;
use super::mirror::remove_if_there;
use super::objects::one_sha;
use super::process::{Call, Input, Reach};
use super::push::{Landed, OneRef};
use super::{Git, failed, on_disk};

/// How many files an error names.
const NAMED: usize = 3;
/// How often somebody may be faster.
const TRIES: u32 = 5;

/// Files that are being written.
struct Writing<'a> {
    repo: &'a RepoName,
    order: &'a KeepOrder,
    /// The place where it is put together; it borrows the mirror's objects.
    room: &'a Path,
    /// In words, for errors.
    what: &'a str,
    /// The files are taken away instead.
    removes: bool,
}

/// What they came to on top of a tip.
enum Merged {
    Tree(Sha),
    Conflict,
}

impl Git {
    pub(super) async fn keep_files(&self, repo: &RepoName, order: &KeepOrder) -> Result<KeepAnswer, RepoError> {
        self.change_files(repo, order, false).await
    }

    /// Writes files as [`Repos::keep`](crate::ports::Repos::keep) does, and takes them away again: proves that it can be done.
    ///
    /// # Errors
    /// As there. What was written and could not be taken away stays.
    pub async fn try_to_keep(&self, repo: &RepoName, order: &KeepOrder) -> Result<KeepAnswer, RepoError> {
        match self.change_files(repo, order, false).await? {
            KeepAnswer::Written(_) => self.change_files(repo, order, true).await,
            answer => Ok(answer),
        }
    }

    async fn change_files(&self, repo: &RepoName, order: &KeepOrder, removes: bool) -> Result<KeepAnswer, RepoError> {
        let named: Vec<&str> = order.files.keys().map(String::as_str).take(NAMED).collect();
        let more = if order.files.len() > NAMED { " and others" } else { "" };
        let verb = if removes { "removing" } else { "writing" };
        let what = format!("{verb} {}{more} of {repo}", named.join(", "));
        let room = self.intake.join(format!("{}~keep.git", repo.folder()));
        for _ in 0..TRIES {
            let asked = Instant::now();
            let lock = self.lock(repo).await?;
            let mirror = self.ensure_mirror(repo, &lock).await?;
            let heads = self.fetch_heads(repo, &mirror, &lock, asked, &what).await?;
            let Some(tip) = heads.get(order.base.as_str()) else { return Ok(KeepAnswer::NoBranch) };
            let there = order.asked_by.as_ref().and_then(|branch| heads.get(branch.as_str()));
            // The lock keeps this place to one writer at a time; what a killed daemon left goes first.
            let (before, after) = (room.clone(), room.clone());
            on_disk(&what, move || remove_if_there(&before)).await?;
            self.make_borrowing(&room, &mirror).await?;
            let writing = Writing { repo, order, room: &room, what: &what, removes };
            let landed = self.keep_on(&writing, tip, there).await;
            on_disk(&what, move || remove_if_there(&after)).await?;
            if let Some(answer) = landed? {
                return Ok(answer);
            }
        }
        Err(RepoError { kind: RepoErrorKind::Unreachable, what, why: format!("somebody else was faster {TRIES} times") })
    }

    /// None where somebody was faster.
    async fn keep_on(&self, writing: &Writing<'_>, tip: &Sha, there: Option<&Sha>) -> Result<Option<KeepAnswer>, RepoError> {
        let Writing { repo, order, room, what, .. } = *writing;
        let read = order.read.as_ref().unwrap_or(tip);
        let ours = self.tree_with(writing, read).await?;
        let tree = match self.merged_onto(writing, read, tip, ours).await? {
            Merged::Tree(tree) => tree,
            Merged::Conflict => return Ok(Some(KeepAnswer::Conflict)),
        };
        if tree == self.tree_of(room, tip, what).await? {
            return Ok(Some(KeepAnswer::Same));
        }
        if let Some(there) = there
            && self.tree_of(room, there, what).await? == tree
        {
            return Ok(Some(KeepAnswer::Written(there.clone())));
        }
        let commit = self.commit_of(room, order, &tree, tip).await?;
        let (branch, lease) = match (&order.asked_by, there) {
            (Some(branch), Some(there)) => (branch, Lease::At(there.clone())),
            (Some(branch), None) => (branch, Lease::Absent),
            (None, _) => (&order.base, Lease::At(tip.clone())),
        };
        let name = format!("refs/heads/{branch}");
        let push = OneRef { new: Some(&commit), name: &name, lease: &lease, reach: Reach::Transfer };
        match self.push_ref(room, repo, what, &push).await? {
            Landed::Done => Ok(Some(KeepAnswer::Written(commit))),
            Landed::Stale => Ok(None),
            Landed::Refused(why) => Err(RepoError { kind: RepoErrorKind::Denied, what: what.to_owned(), why }),
        }
    }

    /// The tree of a commit with the files written, or without them.
    async fn tree_with(&self, writing: &Writing<'_>, of: &Sha) -> Result<Sha, RepoError> {
        let Writing { order, room, what, removes, .. } = *writing;
        self.runner.ok(Call::bare(room, what).args(["read-tree", of.as_str()])).await?;
        for (path, text) in &order.files {
            if removes {
                // Mode 0 takes an entry out, and wants no work tree for it.
                let entry = format!("0 {:040}\t{path}\0", 0).into_bytes();
                let call = Call::bare(room, what).args(["update-index", "-z", "--index-info"]).input(Input::Bytes(entry));
                self.runner.ok(call).await?;
                continue;
            }
            let blob = self.write_object(room, "blob", text.clone().into_bytes()).await?;
            let entry = format!("100644,{blob},{path}");
            self.runner.ok(Call::bare(room, what).args(["update-index", "--add", "--cacheinfo", &entry])).await?;
        }
        one_sha(what, &self.runner.ok(Call::bare(room, what).arg("write-tree")).await?)
    }

    /// That tree with all that came since it was read.
    async fn merged_onto(&self, writing: &Writing<'_>, read: &Sha, tip: &Sha, ours: Sha) -> Result<Merged, RepoError> {
        let Writing { order, room, what, .. } = *writing;
        if read == tip {
            return Ok(Merged::Tree(ours));
        }
        let commit = self.commit_of(room, order, &ours, read).await?;
        let call = Call::bare(room, what).args(["merge-tree", "--write-tree", "--no-messages", tip.as_str(), commit.as_str()]);
        let out = self.runner.run(call).await?;
        match out.code {
            Some(0) => one_sha(what, &out.stdout).map(Merged::Tree),
            Some(1) => Ok(Merged::Conflict),
            _ => Err(out.error()),
        }
    }

    async fn commit_of(&self, room: &Path, order: &KeepOrder, tree: &Sha, parent: &Sha) -> Result<Sha, RepoError> {
        let Author { name, mail } = Author::parse(&order.author)?;
        let by = format!("{name} <{mail}> {} +0000", order.at.0.max(0) / 1000);
        let message = order.message.trim();
        if message.contains('\0') {
            return Err(failed("writing a commit", "its message holds a zero byte"));
        }
        let commit = format!("tree {tree}\nparent {parent}\nauthor {by}\ncommitter {by}\n\n{message}\n");
        self.write_object(room, "commit", commit.into_bytes()).await
    }

    async fn tree_of(&self, room: &Path, commit: &Sha, what: &str) -> Result<Sha, RepoError> {
        let name = format!("{commit}^{{tree}}");
        one_sha(what, &self.runner.ok(Call::bare(room, what).args(["rev-parse", "-q", "--verify", &name])).await?)
    }
}
