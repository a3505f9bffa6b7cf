//! Fresh checkouts: a workspace that borrows the mirror's objects, and a clone for a verification that borrows nothing.
//!
//! git runs on them only while they are made, before anybody else gets to them. What is checked out may be an agent's; git then writes
//! files and runs nothing, since attributes can only name filters that a configuration defines, and there is none.

use std::path::Path;

use crate::model::{RepoName, RunId, Sha};
use crate::ports::{RepoError, WorkspaceOrder};

use super::author::Author;
use super::fault::failed;
use super::layout::{Shape, make_repository};
use super::process::{Call, Reach};
use super::take::borrow_objects;
use super::{Git, on_disk};

impl Git {
    /// Makes a clone at `dest`, which must not exist: on the order's branch at its base, the objects borrowed from the mirror
    /// (`facts/workspace.md`), the author set, no remote. Nothing of it holds an absolute path but the mirror's objects, so that it can be moved.
    pub async fn clone_for_work(&self, order: &WorkspaceOrder, dest: &Path) -> Result<(), RepoError> {
        self.clone_at(order, &order.base, dest).await
    }

    /// The same at another commit: one of the mirror, or one that was taken over from the run's agents, whose own objects are copied.
    pub async fn clone_at(&self, order: &WorkspaceOrder, at: &Sha, dest: &Path) -> Result<(), RepoError> {
        let what = format!("making the workspace of {}", order.run);
        let author = Author::parse(&order.author)?;
        let (objects, git, branch) = (self.objects(&order.repo), dest.join(".git"), order.branch.clone());
        on_disk(&what, move || {
            make_repository(&git, Shape::Tree, branch.as_str(), &settings(&author))?;
            borrow_objects(&git.join("objects"), &objects)
        })
        .await?;
        if *at != order.base && !self.has_commit(&order.repo, at).await? {
            let lock = self.intakes.of(&order.run);
            let _alone = lock.lock().await;
            let from = self.where_taken(&order.run, at, &what).await?;
            self.fetch_taken(&from, at, dest, &what).await?;
        }
        // The branch does not exist yet: this makes it.
        self.runner.ok(Call::tree(dest, &what).args(["reset", "-q", "--hard", at.as_str()])).await.map(drop)
    }

    /// See [`crate::ports::Repos::checkout`].
    pub(super) async fn checkout_judged(&self, run: &RunId, sha: &Sha, dest: &Path) -> Result<(), RepoError> {
        let what = format!("checking {} of {run} out", sha.short());
        let (place, git) = (dest.to_owned(), dest.join(".git"));
        if on_disk(&what, move || occupied(&place)).await? {
            return Err(failed(&what, format!("{} is not empty", dest.display())));
        }
        on_disk(&what, move || make_repository(&git, Shape::Tree, "main", "")).await?;
        self.fetch_taken(&self.intake_dir(run)?, sha, dest, &what).await?;
        self.runner.ok(Call::tree(dest, &what).args(["checkout", "-q", "--detach", sha.as_str()])).await.map(drop)
    }

    /// Copies what a fresh clone lacks of a commit that a run's repository has.
    async fn fetch_taken(&self, from: &Path, sha: &Sha, dest: &Path, what: &str) -> Result<(), RepoError> {
        let fetch = Call::tree(dest, what)
            .args(["fetch", "-q", "--no-tags", "--no-auto-gc", "--no-write-fetch-head", "--no-recurse-submodules", "--"])
            .arg(from)
            .arg(sha.as_str())
            .reach(Reach::Own);
        self.runner.ok(fetch).await.map(drop)
    }

    /// The commit is in the mirror.
    pub async fn has_commit(&self, repo: &RepoName, sha: &Sha) -> Result<bool, RepoError> {
        let kinds = self.kinds(&self.mirror_dir(repo), &[sha.to_string()]).await?;
        Ok(kinds.iter().flatten().any(|kind| kind.name == "commit"))
    }
}

/// What a workspace's configuration has beside what each has. Without the first two the first `git add -A` in an overlay hashes every
/// file again.
fn settings(author: &Author) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[core]\n\tcheckStat = minimal\n\ttrustctime = false\n[gc]\n\tauto = 0\n[user]\n\tname = \"{}\"\n\temail = \"{}\"\n",
        quoted(&author.name),
        quoted(&author.mail)
    )
}

fn occupied(dest: &Path) -> std::io::Result<bool> {
    match std::fs::read_dir(dest) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
