//! A change in a repository that is not ours: a range of commits in somebody's folder, or a pull request of a forge.
//!
//! Promises: nothing is written there, no program that its configuration names is run, nothing is fetched for it. In the folder itself git only
//! resolves names and finds where two commits met; what they differ in is asked of an empty repository of ours that borrows its objects
//! and knows neither its configuration nor its attributes.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::model::{Branch, Change, PullNumber, RepoName, Sha};
use crate::ports::{Matters, RepoError};

use super::diff;
use super::fault::environment;
use super::layout::{Shape, make_repository};
use super::process::{Call, Reach, Runner};
use super::take::borrow_objects;
use super::{Git, on_disk};

const WHAT: &str = "comparing two commits";

/// Why there is no change to look at.
#[derive(Debug, thiserror::Error)]
pub enum NoChange {
    /// The folder is in no repository of git's, or in one that cannot be read.
    #[error("{} is no repository that git can read", dir.display())]
    NoRepository {
        /// The folder.
        dir: PathBuf,
        /// What git said.
        why: String,
    },
    /// The repository has no such commit.
    #[error("`{}` names no commit there", name.escape_debug())]
    NoCommit {
        /// As it was given.
        name: String,
    },
    /// The two commits share no history.
    #[error("the two commits share no history")]
    Unrelated,
    /// git failed.
    #[error(transparent)]
    Git(#[from] RepoError),
}

/// What `head` changed in the repository of a folder since it left `base`.
pub async fn in_folder(dir: &Path, base: &str, head: &str) -> Result<Change, NoChange> {
    let room = room()?;
    let runner = Runner::without_forge(room.path().to_owned())?;
    let objects = objects(&runner, dir).await?;
    let (base, head) = (commit(&runner, dir, base).await?, commit(&runner, dir, head).await?);
    let ours = room.path().join("ours.git");
    borrowing(&ours, &objects).await?;
    let met = runner.met(Call::foreign(dir, WHAT), &base, &head).await?;
    runner.change(&ours, met.ok_or(NoChange::Unrelated)?, head, &Matters::default()).await
}

impl Git {
    /// What a pull request changes: `head` since it left the tip of `base`. Everything is fetched into a place that is thrown away and that
    /// borrows what the mirror has already.
    pub async fn of_pull(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        (base, head): (&Branch, &Sha),
        matters: &Matters,
    ) -> Result<Change, NoChange> {
        let what = format!("fetching pull request {pull} of {repo}");
        let room = room()?;
        let ours = room.path().join("ours.git");
        borrowing(&ours, &self.objects(repo)).await?;
        let fetch = Call::bare(&ours, &what)
            .args(["fetch", "-q", "--no-tags", "--no-auto-gc", "--no-recurse-submodules", "--", &self.remote(repo)])
            .arg(format!("+refs/heads/{base}:refs/forgehand/base"))
            .arg(format!("+refs/pull/{}/head:refs/forgehand/head", pull.0));
        self.runner.ok(fetch.reach(Reach::Transfer)).await?;
        let base = self.runner.ok(Call::bare(&ours, &what).args(["rev-parse", "--verify", "refs/forgehand/base"])).await?;
        let base = super::objects::one_sha(&what, &base)?;
        // A push between the forge's answer and the fetch may have forced the branch elsewhere.
        let there = self.runner.run(Call::bare(&ours, &what).args(["cat-file", "-e", &format!("{head}^{{commit}}")])).await?;
        if !there.good {
            return Err(NoChange::NoCommit { name: head.to_string() });
        }
        let met = self.runner.met(Call::bare(&ours, &what), &base, head).await?;
        self.runner.change(&ours, met.ok_or(NoChange::Unrelated)?, head.clone(), matters).await
    }
}

impl Git {
    /// The same of two commits that the mirror has; none where they share no history.
    pub(super) async fn change_in_mirror(
        &self,
        repo: &RepoName,
        base: &Sha,
        head: &Sha,
        matters: &Matters,
    ) -> Result<Option<Change>, RepoError> {
        let dir = self.mirror_dir(repo);
        let Some(met) = self.runner.met(Call::bare(&dir, WHAT), base, head).await? else { return Ok(None) };
        match self.runner.change(&dir, met, head.clone(), matters).await {
            Ok(change) => Ok(Some(change)),
            Err(NoChange::Git(error)) => Err(error),
            Err(other) => Err(super::fault::failed(WHAT, other)),
        }
    }
}

impl Runner {
    /// Where two commits met; none where they share no history.
    async fn met(&self, call: Call, base: &Sha, head: &Sha) -> Result<Option<Sha>, RepoError> {
        let out = self.run(call.args(["merge-base", base.as_str(), head.as_str()])).await?;
        if out.code == Some(1) && out.stderr.is_empty() {
            return Ok(None);
        }
        super::objects::one_sha(WHAT, &out.good()?).map(Some)
    }

    async fn change(&self, dir: &Path, base: Sha, head: Sha, matters: &Matters) -> Result<Change, NoChange> {
        let (files, (added, removed)) = self.changed(dir, &base, &head, WHAT).await?;
        let person_paths = diff::matching(&files, &matters.person_paths)?;
        let verify_paths = diff::named_by(&files, &matters.verify);
        Ok(Change { head, base, commits: 0, files, added, removed, person_paths, verify_paths })
    }
}

/// A place that is thrown away.
fn room() -> Result<TempDir, RepoError> {
    tempfile::Builder::new().prefix("forgehand-").tempdir().map_err(|e| environment(WHAT, e))
}

/// An empty repository of ours over these objects.
async fn borrowing(ours: &Path, objects: &Path) -> Result<(), RepoError> {
    let (ours, objects) = (ours.to_owned(), objects.to_owned());
    on_disk(WHAT, move || -> io::Result<()> {
        make_repository(&ours, Shape::Bare, "main", "")?;
        if objects.is_dir() { borrow_objects(&ours.join("objects"), &objects) } else { Ok(()) }
    })
    .await
}

/// Where the objects of a folder's repository lie.
async fn objects(runner: &Runner, dir: &Path) -> Result<PathBuf, NoChange> {
    let none = |why: String| NoChange::NoRepository { dir: dir.to_owned(), why };
    if !dir.is_dir() {
        return Err(none("it is no folder".to_owned()));
    }
    let asked =
        Call::foreign(dir, WHAT).args(["rev-parse", "--show-object-format", "--path-format=absolute", "--git-path", "objects"]);
    let out = runner.run(asked).await?;
    if !out.good {
        return Err(none(super::fault::shortened(&out.stderr)));
    }
    let text = String::from_utf8(out.stdout).map_err(|_| none("its path is not UTF-8".to_owned()))?;
    match text.trim_end_matches('\n').split_once('\n') {
        Some(("sha1", objects)) if !objects.contains('\n') => Ok(PathBuf::from(objects)),
        Some(("sha1", _)) => Err(none("its path holds a line break".to_owned())),
        _ => Err(none("its objects are not named by SHA-1".to_owned())),
    }
}

/// The commit that a name means in a folder's repository.
async fn commit(runner: &Runner, dir: &Path, name: &str) -> Result<Sha, NoChange> {
    let none = || NoChange::NoCommit { name: name.to_owned() };
    if name.starts_with('-') || name.contains(['\0', '\n']) {
        return Err(none());
    }
    let asked = Call::foreign(dir, WHAT).args(["rev-parse", "--quiet", "--verify"]).arg(format!("{name}^{{commit}}"));
    let out = runner.run(asked).await?;
    if !out.good {
        return Err(none());
    }
    super::objects::one_sha(WHAT, &out.stdout).map_err(NoChange::Git)
}
