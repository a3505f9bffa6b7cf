//! Repacking mirrors. Objects that nothing names are kept in it: a workspace that borrows them must stay whole.
//!
//! Race known: a run that starts meanwhile. It syncs the mirror first and waits for our lock; one that has synced before was journalled
//! before that, so whether a run lives is asked when the lock is ours.

use std::path::Path;

use crate::model::RepoName;
use crate::ports::RepoError;

use super::fault::environment;
use super::mirror::{MirrorLock, remove_if_there};
use super::process::{Call, Reach};
use super::{Git, on_disk};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repacked {
    /// It is one pack now.
    Done,
    /// There is too little to gain.
    Tidy,
    /// A run lives on it.
    InUse,
}

/// What makes it worth while.
#[derive(Clone, Copy, Debug)]
pub struct Worth {
    /// More packs than this,
    pub packs: u64,
    /// or more loose objects than this.
    pub loose: u64,
}

impl Git {
    /// The repositories that have a mirror.
    pub async fn mirrored(&self) -> Result<Vec<RepoName>, RepoError> {
        let mirrors = self.mirrors.clone();
        let names = move || -> std::io::Result<Vec<RepoName>> {
            let mut repos = Vec::new();
            for entry in std::fs::read_dir(mirrors)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                // A login has no two dashes in a row.
                let parts = name.strip_suffix(".git").and_then(|name| name.split_once("--"));
                repos.extend(parts.and_then(|(owner, name)| format!("{owner}/{name}").parse::<RepoName>().ok()));
            }
            repos.sort();
            Ok(repos)
        };
        on_disk("listing the mirrors", names).await
    }

    /// Makes one pack of a mirror, if that is worth while and no run lives on it.
    pub async fn repack(
        &self,
        repo: &RepoName,
        worth: Worth,
        lives: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Repacked, RepoError> {
        let what = format!("repacking the mirror of {repo}");
        let dir = self.mirror_dir(repo);
        let lock = self.lock(repo).await?;
        if lives() {
            return Ok(Repacked::InUse);
        }
        let (packs, loose) = self.count_objects(&dir, &what).await?;
        if packs <= worth.packs && loose <= worth.loose {
            return Ok(Repacked::Tidy);
        }
        self.pack_all(&dir, &what, &lock).await?;
        // git keeps what nothing names in a pack only where there was one before: the first time it needs two rounds.
        if self.count_objects(&dir, &what).await?.1 > 0 {
            self.pack_all(&dir, &what, &lock).await?;
        }
        Ok(Repacked::Done)
    }

    /// Removes the mirror of a repository that nobody asks for any more, unless a run lives on it. The lock's file stays: somebody may
    /// wait for it.
    pub async fn drop_mirror(&self, repo: &RepoName, lives: &(dyn Fn() -> bool + Send + Sync)) -> Result<(), RepoError> {
        let what = format!("removing the mirror of {repo}");
        let _lock = self.lock(repo).await?;
        if lives() {
            return Err(environment(&what, "a run lives on it"));
        }
        let dir = self.mirror_dir(repo);
        on_disk(&what, move || remove_if_there(&dir)).await
    }

    /// How many packs there are, and how many loose objects.
    async fn count_objects(&self, dir: &Path, what: &str) -> Result<(u64, u64), RepoError> {
        let counted = self.runner.ok(Call::bare(dir, what).args(["count-objects", "-v"])).await?;
        let counted = String::from_utf8_lossy(&counted).into_owned();
        let count = |key: &str| {
            let line = counted.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        Ok((count("packs"), count("count")))
    }

    async fn pack_all(&self, dir: &Path, what: &str, lock: &MirrorLock) -> Result<(), RepoError> {
        // While it makes a bitmap, git leaves loose objects that nothing names where they are.
        let repack = Call::bare(dir, what).args(["repack", "-a", "-d", "-k", "-q", "--no-write-bitmap-index"]);
        self.runner.ok(repack.reach(Reach::Long).input(lock.as_input(what)?)).await.map(drop)
    }
}
