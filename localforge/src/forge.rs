//! The running forge: the state behind one lock, its store, git, and the loop that brings the three together.
//!
//! An input is applied, git is asked what it asks, and it is applied again, until it is done. From its first writing job
//! until its records are written, an input holds the lock of its repository; pushes hold it too. So no ref moves between
//! the moment git moved it and the moment the records say so.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;
use tokio_util::task::TaskTracker;

use super::LocalForgeError;
use super::git::Git;
use super::git_job::GitReply;
use super::state::records::{At, RepoId, UserId};
use super::state::{Answer, Body, Credentials, Facts, Input, Method, Outcome, RefUpdate, Request, State};
use super::store::Store;
use super::webhooks::Webhooks;

/// What the forge knows and where it keeps it.
struct Kept {
    state: State,
    store: Store,
}

/// A forge without its door.
pub(super) struct Forge {
    kept: Mutex<Kept>,
    pub git: Git,
    webhooks: Webhooks,
    locks: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub api_requests: AtomicU64,
    pub git_requests: AtomicU64,
}

/// A call of the API as it comes through a door.
pub(super) struct Incoming {
    pub method: Method,
    pub path: Vec<String>,
    pub raw_path: String,
    pub query: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub credentials: Credentials,
}

#[expect(clippy::disallowed_methods, reason = "the forge has a clock of its own: it is another machine")]
fn now() -> At {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    At(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "tokens and salts of the forge are random, whatever the daemon's ids are")]
fn nonce() -> [u8; 32] {
    use sha2::Digest;
    let seed = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()];
    sha2::Sha256::digest(seed.concat()).into()
}

impl Forge {
    /// Opens the folder. Refs that moved while nobody looked (a crash between git and the record) are taken note of.
    pub async fn open(
        data: &Path,
        root: String,
        admin: Option<(String, String)>,
        tasks: TaskTracker,
    ) -> Result<Self, LocalForgeError> {
        let mut state = State::new(root);
        let store = Store::open(data, &mut state)?;
        let repos = data.join("repos");
        std::fs::create_dir_all(&repos).map_err(|source| LocalForgeError::Folder { path: repos.clone(), source })?;
        if let Some((login, password)) = admin {
            match state.user_named(&login).map(|user| user.id) {
                Some(user) => state.set_password(user, &password, &nonce()),
                None => {
                    let email = format!("{login}@localhost");
                    let new = super::wire::asked::NewUser { username: login, password, email, ..Default::default() };
                    state.add_user(new, true, &nonce(), now()).map_err(LocalForgeError::Admin)?;
                }
            }
        }
        let forge = Self {
            kept: Mutex::new(Kept { state, store }),
            git: Git::new(repos),
            webhooks: Webhooks::new(tasks).map_err(LocalForgeError::Webhooks)?,
            locks: Mutex::default(),
            api_requests: AtomicU64::new(0),
            git_requests: AtomicU64::new(0),
        };
        forge.catch_up().await?;
        Ok(forge)
    }

    async fn catch_up(&self) -> Result<(), LocalForgeError> {
        let repos: Vec<(RepoId, UserId, String)> =
            self.read(|state| state.repositories().map(|repo| (repo.id, repo.owner, repo.folder.clone())).collect());
        for (repo, owner, folder) in repos {
            self.note_refs(repo, owner, &folder).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic while the lock was held is a bug, but no reason for every later request to fail.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// The lock of a repository, for as long as its refs are being moved.
    pub async fn lock_refs(&self, folder: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(folder.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    /// Answers a call of the API.
    pub async fn call(&self, incoming: Incoming) -> Answer {
        let request = Request {
            method: incoming.method,
            path: incoming.path,
            raw_path: incoming.raw_path,
            query: incoming.query,
            body: incoming.body,
            credentials: incoming.credentials,
            now: now(),
            nonce: nonce(),
            pulls_seen: self.read(State::pulls_made),
        };
        let changing = request.method != Method::Get;
        let answer = self.apply(Input::Call(request), None).await;
        if changing && answer.status < 400 {
            self.merge_due().await;
        }
        answer
    }

    /// Takes note of the refs that differ from the records. Whoever moved them holds the repository's lock.
    pub async fn note_refs(&self, repo: RepoId, pusher: UserId, folder: &str) -> Result<(), LocalForgeError> {
        let now_there = self.git.refs(folder).await?;
        let known = self.read(|state| state.repo(repo).map(|repo| repo.refs.clone()).unwrap_or_default());
        let gone = known.keys().filter(|name| !now_there.contains_key(*name));
        let updates: Vec<RefUpdate> = now_there
            .keys()
            .chain(gone)
            .filter(|name| known.get(*name) != now_there.get(*name))
            .map(|name| RefUpdate { name: name.clone(), old: known.get(name).cloned(), new: now_there.get(name).cloned() })
            .collect();
        if !updates.is_empty() {
            self.apply(Input::Push { repo, pusher, updates, now: now() }, Some(folder)).await;
        }
        Ok(())
    }

    /// Merges what was waiting for what has just happened.
    async fn merge_due(&self) {
        while let Some(pull) = self.read(State::due_merge) {
            let answer = self.apply(Input::Scheduled { pull, now: now() }, None).await;
            if answer.status >= 500 {
                break;
            }
        }
    }

    /// Applies an input until it is done. `locked` names the repository whose lock the caller holds.
    async fn apply(&self, input: Input, locked: Option<&str>) -> Answer {
        let mut facts = Facts::default();
        let mut guard = None;
        loop {
            let outcome = {
                let mut kept = self.lock();
                let outcome = kept.state.apply(&input, &facts);
                if let Err(error) = save(&mut kept) {
                    tracing::error!(%error, "the records could not be written");
                    return Answer::new(500, Body::Text(format!("localforge: {error}")));
                }
                outcome
            };
            let job = match outcome {
                Outcome::Done(answer) => return self.finish(answer).await,
                Outcome::Ask(job) => *job,
            };
            if job.writes() && guard.is_none() && locked.is_none() {
                guard = Some(self.lock_refs(job.folder()).await);
            }
            match self.git.run(&job).await {
                Ok(reply) => facts.add(job, reply),
                Err(error) => {
                    tracing::error!(%error, "git failed");
                    return Answer::new(500, Body::Text(format!("localforge: {error}")));
                }
            }
        }
    }

    /// Sends what an answer sets off.
    async fn finish(&self, mut answer: Answer) -> Answer {
        for job in std::mem::take(&mut answer.followups) {
            match self.git.run(&job).await {
                Ok(GitReply::Stale) => tracing::warn!(?job, "a ref was not where it should be"),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "git failed"),
            }
        }
        for delivery in std::mem::take(&mut answer.deliveries) {
            self.webhooks.send(delivery, uuid::Uuid::from_slice(&nonce()[..16]).unwrap_or_default().to_string());
        }
        answer
    }

    /// Counts a request of the API.
    pub fn count_api(&self) {
        self.api_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request of git.
    pub fn count_git(&self) {
        self.git_requests.fetch_add(1, Ordering::Relaxed);
    }
}

fn save(kept: &mut Kept) -> Result<(), LocalForgeError> {
    let changes = kept.state.take_changes().map_err(LocalForgeError::Record)?;
    Ok(kept.store.append(&changes)?)
}
