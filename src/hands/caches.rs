//! Caches of a project: written by its `setup` on the tip of the base branch alone, in a clone of its own; everybody else only reads them.
//!
//! What an agent writes never gets into one: not its commits (the base branch's tip is what was merged), not its workspace, not its HOME.
//!
//! Races known: *two runs of a project that need the same cache*: the second waits for the first. *A daemon that dies while one is made*:
//! it has no name yet. *One that goes while it is read*: whoever reads it holds it, and one that is held stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::RealHands;
use super::places::Place;
use super::setup::{SetUp, SetupSite};
use super::shell::Outfit;
use super::site::{Whose, cancelled};
use crate::model::{RepoName, RunId, Sha};
use crate::ports::{Given, HandError};
use crate::sandbox::{Mode, Mount, MountAccess};

/// Who makes caches, and who reads them.
#[derive(Default)]
pub(super) struct Holds {
    making: Mutex<BTreeMap<RepoName, Arc<tokio::sync::Mutex<()>>>>,
    read: Mutex<BTreeMap<PathBuf, Weak<()>>>,
}

/// A cache that is read: it stays as long as this does.
pub(super) struct Held {
    folder: PathBuf,
    _held: Arc<()>,
}

impl Held {
    /// Each cached path, and where it is kept.
    pub(super) fn parts(&self, given: &Given) -> Vec<(String, PathBuf)> {
        given.provisions.caches.iter().map(|path| (path.clone(), self.folder.join(part(path)))).collect()
    }
}

impl Holds {
    fn making(&self, repo: &RepoName) -> Arc<tokio::sync::Mutex<()>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner).entry(repo.clone()).or_default().clone()
    }

    fn hold(&self, folder: PathBuf) -> Held {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|_, held| held.strong_count() > 0);
        let held = read.get(&folder).and_then(Weak::upgrade).unwrap_or_default();
        read.insert(folder.clone(), Arc::downgrade(&held));
        Held { folder, _held: held }
    }

    fn in_use(&self) -> Vec<PathBuf> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().filter(|(_, held)| held.strong_count() > 0).map(|(folder, _)| folder.clone()).collect()
    }
}

/// The name of a cached path's folder.
fn part(path: &str) -> String {
    hex::encode(Sha256::digest(path)).chars().take(16).collect()
}

/// What a cache is made from: another base commit, other commands or paths make another one.
fn key(given: &Given, trunk: &Sha) -> String {
    let mut digest = Sha256::new();
    let all = [&given.provisions.setup, &given.provisions.caches];
    for text in std::iter::once(trunk.as_str()).chain(all.into_iter().flatten().map(String::as_str)) {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    hex::encode(digest.finalize()).chars().take(32).collect()
}

impl RealHands {
    /// One at a time for each project: a setup on its base.
    pub(super) fn making(&self, repo: &RepoName) -> Arc<tokio::sync::Mutex<()>> {
        self.holds.making(repo)
    }

    /// The project's cache for this base, made now where there is none; none where the project has none.
    pub(super) async fn cache(
        &self,
        repo: &RepoName,
        run: &RunId,
        given: &Given,
        cancel: &CancellationToken,
    ) -> Result<Option<Held>, HandError> {
        let Some(trunk) = given.trunk.as_ref().filter(|_| !given.provisions.caches.is_empty()) else { return Ok(None) };
        if given.provisions.setup.is_empty() {
            return Ok(None);
        }
        let (key, places) = (key(given, trunk), &self.options.places);
        let making = self.making(repo);
        let _alone = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(cancelled("waiting for a cache")),
            alone = making.lock() => alone,
        };
        if let Some(folder) = places.cache(repo, &key).await? {
            return Ok(Some(self.holds.hold(folder)));
        }
        let parts: Vec<String> = given.provisions.caches.iter().map(|path| part(path)).collect();
        let room = places.begin_cache(repo, parts).await?;
        let filled = self.fill(&room, repo, run, given, cancel).await;
        match filled {
            Ok(Ok(_)) => {
                let folder = places.keep_cache(repo, &key, room, self.holds.in_use()).await?;
                tracing::info!(%repo, base = %trunk.short(), "the caches are made");
                Ok(Some(self.holds.hold(folder)))
            }
            Ok(Err(failed)) => {
                places.give_cache_up(repo, room).await?;
                Err(failed.error())
            }
            Err(error) => {
                places.give_cache_up(repo, room).await?;
                Err(error)
            }
        }
    }

    /// Runs `setup` on the base with the caches to write in.
    async fn fill(
        &self,
        room: &std::path::Path,
        repo: &RepoName,
        run: &RunId,
        given: &Given,
        cancel: &CancellationToken,
    ) -> Result<SetUp, HandError> {
        let into = |path: &String| (path.clone(), room.join(part(path)));
        let caches: Vec<(String, PathBuf)> = given.provisions.caches.iter().map(into).collect();
        self.on_trunk((repo, run), given, (&caches, MountAccess::Write), cancel).await
    }

    /// Runs `setup` in a fresh clone of the base, which no agent wrote, with these folders as caches.
    pub(super) async fn on_trunk(
        &self,
        (repo, run): (&RepoName, &RunId),
        given: &Given,
        (caches, access): (&[(String, PathBuf)], MountAccess),
        cancel: &CancellationToken,
    ) -> Result<SetUp, HandError> {
        let Some(trunk) = &given.trunk else { return Ok(Ok(Vec::new())) };
        let places = &self.options.places;
        let place = places.check_out_base(repo, run, trunk).await?;
        let done = async {
            if let Some(file) = &given.provisions.env_file {
                let env = match self.remember_env(run).await? {
                    Some(env) => env,
                    None => self.read_env(file).await?,
                };
                self.put_env(&place, &env).await?;
            }
            // Whoever found out that this is needed has the run's own sockets open.
            let mut outfit = self.bare_outfit(&format!("{run}~base"), given).await?;
            self.give_caches(&mut outfit, &place, caches, access).await?;
            let done = self
                .run_setup(
                    SetupSite { place: &place, whose: Whose { repo, run, step: None }, given, outfit: &outfit },
                    None,
                    cancel,
                )
                .await;
            outfit.close().await;
            done
        };
        let done = done.await;
        if let Err(error) = places.drop_base(run).await {
            tracing::warn!(%run, %error, "the clone of a setup stays");
        }
        done
    }

    /// Puts caches where they belong below HOME: mounted, or, without a sandbox, as a copy that is the run's own to write in.
    pub(super) async fn give_caches(
        &self,
        outfit: &mut Outfit,
        place: &Place,
        caches: &[(String, PathBuf)],
        access: MountAccess,
    ) -> Result<(), HandError> {
        for (path, source) in caches {
            if self.mode == Mode::None {
                self.options.places.lend_cache(place, path, source, access == MountAccess::Write).await?;
            } else {
                self.options.places.make_way(place, path).await?;
                outfit.mounts.push(Mount { source: source.clone(), target: super::site::below_home(path), access });
            }
        }
        Ok(())
    }
}
