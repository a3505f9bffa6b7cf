//! Fresh checkouts: a workspace that borrows the mirror's objects, and a clone for a verification that borrows nothing.
//!
//! git runs on them only while they are made, before anybody else gets to them. What is checked out may be an agent's; git then writes
//! files and runs nothing, since attributes can only name filters that a configuration defines, and there is none.

use std::path::Path;

use crate::model::{RepoName, RunId, Sha};
use crate::ports::{RepoError, WorkspaceOrder};

use super::author::Author;
use super::fault::{environment, failed};
use super::process::{Call, Reach};
use super::take::borrow_objects;
use super::{Git, on_disk};

impl Git {
    /// Makes a clone at `dest`, which must not exist: on the order's branch at its base, the objects borrowed from the mirror
    /// (`facts/workspace.md`), the author set, no remote. Nothing of it holds an absolute path but the mirror's objects, so that it can be moved.
    pub async fn clone_for_work(&self, order: &WorkspaceOrder, dest: &Path) -> Result<(), RepoError> {
        let what = format!("making the workspace of {}", order.run);
        let author = Author::parse(&order.author)?;
        let objects = self.objects(&order.repo);
        self.init_tree(dest, &what).await?;
        borrow_objects(&dest.join(".git/objects"), &objects).map_err(|e| environment(&what, e))?;
        // Without these two the first `git add -A` in an overlay hashes every file again.
        let settings = [("core.checkStat", "minimal"), ("core.trustctime", "false"), ("gc.auto", "0")];
        for (key, value) in settings.into_iter().chain([("user.name", author.name.as_str()), ("user.email", &author.mail)]) {
            self.runner.ok(Call::tree(dest, &what).args(["config", key, value])).await?;
        }
        let name = format!("refs/heads/{}", order.branch);
        self.runner.ok(Call::tree(dest, &what).args(["update-ref", &name, order.base.as_str()])).await?;
        self.runner.ok(Call::tree(dest, &what).args(["symbolic-ref", "HEAD", &name])).await?;
        self.runner.ok(Call::tree(dest, &what).args(["reset", "-q", "--hard"])).await.map(drop)
    }

    /// See [`crate::ports::Repos::checkout`].
    pub(super) async fn checkout_judged(&self, run: &RunId, sha: &Sha, dest: &Path) -> Result<(), RepoError> {
        let what = format!("checking {} of {run} out", sha.short());
        let intake = self.intake_dir(run)?;
        let place = dest.to_owned();
        if on_disk(&what, move || occupied(&place)).await? {
            return Err(failed(&what, format!("{} is not empty", dest.display())));
        }
        self.init_tree(dest, &what).await?;
        let fetch = Call::tree(dest, &what)
            .args(["fetch", "-q", "--no-tags", "--no-auto-gc", "--no-write-fetch-head", "--no-recurse-submodules", "--"])
            .arg(&intake)
            .arg(sha.as_str())
            .reach(Reach::Own);
        self.runner.ok(fetch).await?;
        self.runner.ok(Call::tree(dest, &what).args(["checkout", "-q", "--detach", sha.as_str()])).await.map(drop)
    }

    async fn init_tree(&self, dest: &Path, what: &str) -> Result<(), RepoError> {
        let init = Call::nowhere(&self.intake, what).args(["init", "-q", "--template=", "--initial-branch=main"]).arg(dest);
        self.runner.ok(init).await.map(drop)
    }

    /// The commit is in the mirror.
    pub async fn has_commit(&self, repo: &RepoName, sha: &Sha) -> Result<bool, RepoError> {
        let kinds = self.kinds(&self.mirror_dir(repo), &[sha.to_string()]).await?;
        Ok(kinds.iter().flatten().any(|kind| kind.name == "commit"))
    }
}

fn occupied(dest: &Path) -> std::io::Result<bool> {
    match std::fs::read_dir(dest) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
