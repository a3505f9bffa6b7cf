//! A place to work: one folder for each attempt, with a clone to work in, a home and a folder for what comes out.
//!
//! Promises:
//! - `state_dir/work/<run>/{tree,home,out}`, and `beside/<step>/` with the same for what its steps have to themselves; `tree` is whole or not
//!   there: it is made under another name and moved into place.
//! - An existing workspace is kept as it is, commits and changes, so that a cut step goes on with them. Only `*.lock` files that a
//!   killed git left behind go.
//! - From the moment that an agent could write to it, no git of ours runs on it and nothing in it is followed: locks and whole workspaces
//!   are removed through folders that were opened with no-follow.
//!
//! Races known: an agent that still lives while its workspace is prepared or discarded could put new files in place; the caller sees to it
//! that its sandbox is gone first. A daemon killed half-way leaves a `new~` folder, removed with the workspace.

mod caches;
mod leftovers;
mod locks;
mod overlay;
mod private;
mod remove;

use std::path::{Path, PathBuf};

pub use caches::Caches;
pub use leftovers::{Care, Keep, Kind as LeftoverKind, Leftover, find as find_leftovers, remove as remove_leftover, room};
pub use overlay::overlay;
use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};
use sha2::{Digest, Sha256};

use crate::git::{Git, run_folder};
use crate::model::{RepoName, RunId, Sha, StepId};
use crate::ports::{HandError, HandErrorKind, WorkspaceOrder};

/// The folder of a run in which its steps have what is their own.
const BESIDE: &str = "beside";
/// What says at which commit the tree there was made.
const MADE_AT: &str = "at";

/// How a workspace's tree comes to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A clone that borrows the mirror's objects, every file checked out: 2.4 s for 50,000 files, and it works everywhere. An overlay over
    /// a read-only checkout of the base, 19 ms, would be another kind (`facts/workspace.md`).
    #[default]
    Clone,
}

/// Where the parts of a workspace are, on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspacePaths {
    /// The clone: what becomes `/forgehand/work` in a sandbox.
    pub tree: PathBuf,
    /// The run's HOME, kept until the run ends so that a session can be resumed.
    pub home: PathBuf,
    /// Where the structured output and the bundle are put.
    pub out: PathBuf,
    /// The mirror's objects, which the tree borrows: to be mounted read-only at this very path.
    pub objects: PathBuf,
}

/// The user that agents run as, where that is not the daemon's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// All workspaces of a daemon.
#[derive(Clone, Debug)]
pub struct Workspaces {
    work: PathBuf,
    git: Git,
    kind: Kind,
    owner: Option<Owner>,
}

impl Workspaces {
    /// Workspaces under `state_dir/work`, made when they are needed. With an `owner` everything made is given to that user.
    pub fn new(state_dir: &Path, git: Git, kind: Kind, owner: Option<Owner>) -> Self {
        Self { work: state_dir.join("work"), git, kind, owner }
    }

    /// Where the workspace of a run is, or would be.
    pub fn paths(&self, repo: &RepoName, run: &RunId) -> Result<WorkspacePaths, HandError> {
        let home = self.folder(run)?;
        Ok(WorkspacePaths {
            tree: home.join("tree"),
            out: home.join("out"),
            home: home.join("home"),
            objects: self.git.objects(repo),
        })
    }

    /// Makes the workspace of an attempt, or keeps the one that is there. The base must be in the mirror.
    pub async fn prepare(&self, order: &WorkspaceOrder) -> Result<WorkspacePaths, HandError> {
        const WHAT: &str = "preparing a workspace";
        let paths = self.paths(&order.repo, &order.run)?;
        let (folder, owner) = (self.folder(&order.run)?, self.owner);
        let parts = [folder.clone(), paths.home.clone(), paths.out.clone()];
        blocking(WHAT, move || parts.iter().try_for_each(|part| make_folder(part, owner))).await?;
        let tree = paths.tree.clone();
        if blocking(WHAT, move || is_folder(&tree)).await? {
            let tree = paths.tree.clone();
            blocking(WHAT, move || locks::remove_stale(&tree)).await?;
            return Ok(paths);
        }
        self.make_tree(order, &order.base, (&folder, &paths.tree)).await?;
        Ok(paths)
    }

    /// Makes the workspace that a step has to itself, at a commit, or keeps the one that was made at this commit.
    pub async fn prepare_apart(&self, order: &WorkspaceOrder, step: &StepId, at: &Sha) -> Result<WorkspacePaths, HandError> {
        const WHAT: &str = "preparing a workspace";
        let paths = self.apart(&order.repo, &order.run, step).await?;
        let (own, tree, sha) = (self.folder_beside(&order.run, step)?, paths.tree.clone(), at.to_string());
        let made_at = own.join(MADE_AT);
        let (folder, note) = (own.clone(), made_at.clone());
        let kept = blocking(WHAT, move || {
            let known = std::fs::read_to_string(&note).ok();
            if known.as_ref() == Some(&sha) && is_folder(&tree)? {
                return locks::remove_stale(&tree).map(|()| true);
            }
            // What is not whole any more is not taken for it.
            remove::remove_if_there(&note)?;
            remove::remove_tree(&folder, &tree).map(|()| false)
        });
        if kept.await? {
            return Ok(paths);
        }
        self.make_tree(order, at, (&own, &paths.tree)).await?;
        let sha = at.to_string();
        blocking(WHAT, move || std::fs::write(made_at, sha)).await?;
        Ok(paths)
    }

    /// Makes a tree at a commit, whole or not at all.
    async fn make_tree(&self, order: &WorkspaceOrder, at: &Sha, (folder, tree): (&Path, &Path)) -> Result<(), HandError> {
        const WHAT: &str = "preparing a workspace";
        let room = tempfile::Builder::new().prefix("new~").tempdir_in(folder).map_err(|e| environment(WHAT, e))?;
        let (fresh, tree, owner) = (room.path().join("tree"), tree.to_owned(), self.owner);
        match self.kind {
            Kind::Clone => {
                self.git.clone_at(order, at, &fresh).await.map_err(|e| environment(WHAT, e))?;
            }
        }
        blocking(WHAT, move || {
            if let Some(owner) = owner {
                give_away(&fresh, owner)?;
            }
            std::fs::rename(fresh, tree)
        })
        .await
    }

    /// The workspace of a run as one of its steps has it that others are at work beside: with HOME and `out` of its own, made here.
    pub async fn beside(&self, repo: &RepoName, run: &RunId, step: &StepId) -> Result<WorkspacePaths, HandError> {
        let tree = self.paths(repo, run)?.tree;
        Ok(WorkspacePaths { tree, ..self.apart(repo, run, step).await? })
    }

    /// Where a step of a run works that has all to itself. HOME and `out` are made here, the tree is not.
    pub async fn apart(&self, repo: &RepoName, run: &RunId, step: &StepId) -> Result<WorkspacePaths, HandError> {
        let (own, owner) = (self.folder_beside(run, step)?, self.owner);
        let folder = |name: &str| own.join(name);
        let paths =
            WorkspacePaths { tree: folder("tree"), home: folder("home"), out: folder("out"), objects: self.git.objects(repo) };
        let above = own.parent().map(Path::to_owned);
        let parts = [self.folder(run)?].into_iter().chain(above).chain([own, paths.home.clone(), paths.out.clone()]);
        let mut parts = parts.collect::<Vec<_>>().into_iter();
        blocking("preparing a workspace", move || parts.try_for_each(|part| make_folder(&part, owner))).await?;
        Ok(paths)
    }

    /// Removes what a step of a run has to itself. Where it has nothing that is no error.
    pub async fn discard_beside(&self, run: &RunId, step: &StepId) -> Result<(), HandError> {
        let own = self.folder_beside(run, step)?;
        let parent = self.folder(run)?.join(BESIDE);
        blocking("discarding a workspace", move || remove::remove_tree(&parent, &own)).await
    }

    /// Removes the workspace of a run, whatever was made of it. One that is gone is no error.
    pub async fn discard(&self, run: &RunId) -> Result<(), HandError> {
        let (work, folder) = (self.work.clone(), self.folder(run)?);
        blocking("discarding a workspace", move || remove::remove_tree(&work, &folder)).await
    }

    /// Puts a file into a tree that is in nobody's commit: git is told to overlook it.
    pub async fn put_private(&self, tree: PathBuf, to: String, text: Vec<u8>) -> Result<(), HandError> {
        blocking(&format!("putting {to} into a workspace"), move || private::put(&tree, &to, &text)).await
    }

    /// Makes the folders of a path below a HOME, through nothing that an agent put in their way.
    pub async fn make_way(&self, home: PathBuf, path: String) -> Result<(), HandError> {
        blocking("making room for a cache", move || private::make_way(&home, &path)).await
    }

    /// Gives a run without a sandbox a cache below its HOME: a copy of its own, or the way into the folder itself.
    pub async fn lend_cache(&self, from: PathBuf, to: PathBuf, itself: bool) -> Result<(), HandError> {
        blocking("lending a cache", move || match (itself, to.parent()) {
            (true, Some(above)) => {
                std::fs::create_dir_all(above)?;
                std::os::unix::fs::symlink(from, to)
            }
            _ => caches::lend(&from, &to),
        })
        .await
    }

    /// Keeps something of a run beside its tree, where nobody but us can look; whole or not at all.
    pub async fn keep(&self, run: &RunId, name: &'static str, bytes: Vec<u8>) -> Result<(), HandError> {
        let folder = self.folder(run)?;
        blocking("keeping what a run is given", move || {
            let mut file = tempfile::NamedTempFile::with_prefix_in("new~", &folder)?;
            std::io::Write::write_all(&mut file, &bytes)?;
            file.persist(folder.join(name))?;
            Ok(())
        })
        .await
    }

    /// What was kept; none if nothing was.
    pub async fn kept(&self, run: &RunId, name: &'static str) -> Result<Option<Vec<u8>>, HandError> {
        let path = self.folder(run)?.join(name);
        blocking("reading what a run was given", move || match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        })
        .await
    }

    /// Takes a private file out of a run's tree, and what was kept of it.
    pub async fn take_private(&self, run: &RunId, to: String, name: &'static str) -> Result<(), HandError> {
        let folder = self.folder(run)?;
        blocking("taking a file out of a workspace", move || {
            private::take(&folder.join("tree"), &to)?;
            match std::fs::remove_file(folder.join(name)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            }
        })
        .await
    }

    fn folder_beside(&self, run: &RunId, step: &StepId) -> Result<PathBuf, HandError> {
        // A step's name is as long as its author likes, and a folder's is not.
        Ok(self.folder(run)?.join(BESIDE).join(&hex::encode(Sha256::digest(step.as_str()))[..16]))
    }

    fn folder(&self, run: &RunId) -> Result<PathBuf, HandError> {
        let name = run_folder(run).map_err(|e| environment("naming a workspace", e))?;
        Ok(self.work.join(name))
    }
}

fn environment(what: &str, why: impl std::fmt::Display) -> HandError {
    HandError { kind: HandErrorKind::Environment, what: what.to_owned(), why: why.to_string() }
}

/// Runs something that blocks on the disk.
async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, HandError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|e| environment(what, e)),
        Err(e) => Err(environment(what, e)),
    }
}

/// A folder of ours, for its owner alone.
fn make_folder(path: &Path, owner: Option<Owner>) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if !is_folder(path)? {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    }
    owner.map_or(Ok(()), |owner| give(path, owner))
}

/// A real folder is there: a link to one is none.
fn is_folder(path: &Path) -> std::io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(true),
        Ok(_) => Err(std::io::Error::other(format!("{} is in the way", path.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives a fresh tree of ours, which nobody else has seen yet, to another user.
fn give_away(tree: &Path, owner: Owner) -> std::io::Result<()> {
    let mut folders = vec![tree.to_owned()];
    give(tree, owner)?;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            give(&entry.path(), owner)?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Changes the owner of what stands at a path, of a link itself.
fn give(path: &Path, owner: Owner) -> std::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into)
}
