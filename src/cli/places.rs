//! Where hands work: the workspace module and git, put together for them.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use secrecy::ExposeSecret;

use crate::git::Git;
use crate::hands::{KeptEnv, Place, Places};
use crate::model::{RepoName, RunId, Sha, StepId};
use crate::ports::{HandError, HandErrorKind, Repos, VerifyOrder, WorkspaceOrder};
use crate::workspace::{Caches, Kind, Workspaces};

/// The folder of a state folder in which verifications run.
pub(super) const VERIFY: &str = "verify";
/// The folder in which setups run on the base alone.
pub(super) const SETUP: &str = "setup";
/// The name under which a run's env file is kept beside its tree.
const ENV: &str = "env";

/// How the trees of workspaces come to be.
pub(super) const KIND: Kind = Kind::Clone;

/// Workspaces below the state folder; those of agents and those of verifications apart.
pub(super) struct Rooms {
    agents: Workspaces,
    verifications: Workspaces,
    setups: Workspaces,
    caches: Caches,
    git: Git,
}

impl Rooms {
    pub(super) fn new(state_dir: &Path, git: &Git) -> Self {
        // bubblewrap maps whoever runs the daemon to the user inside, so nothing has to be given away.
        let rooms = |folder: &Path| Workspaces::new(folder, git.clone(), KIND, None);
        Self {
            agents: rooms(state_dir),
            verifications: rooms(&state_dir.join(VERIFY)),
            setups: rooms(&state_dir.join(SETUP)),
            caches: Caches::new(state_dir),
            git: git.clone(),
        }
    }
}

#[async_trait]
impl Places for Rooms {
    async fn prepare(&self, order: &WorkspaceOrder) -> Result<(), HandError> {
        self.agents.prepare(order).await.map(drop)
    }

    fn place(&self, repo: &RepoName, run: &RunId) -> Result<Place, HandError> {
        let paths = self.agents.paths(repo, run)?;
        Ok(Place { tree: paths.tree, home: paths.home, out: paths.out, objects: vec![paths.objects] })
    }

    async fn beside(&self, repo: &RepoName, run: &RunId, step: &StepId) -> Result<Place, HandError> {
        let paths = self.agents.beside(repo, run, step).await?;
        Ok(Place { tree: paths.tree, home: paths.home, out: paths.out, objects: vec![paths.objects] })
    }

    async fn apart(&self, order: &WorkspaceOrder, step: &StepId, at: &Sha) -> Result<Place, HandError> {
        let paths = self.agents.prepare_apart(order, step, at).await?;
        Ok(Place { tree: paths.tree, home: paths.home, out: paths.out, objects: vec![paths.objects] })
    }

    async fn keep_env(&self, run: &RunId, env: &KeptEnv) -> Result<(), HandError> {
        let kept = serde_json::json!({ "to": env.to, "text": env.text.expose_secret() }).to_string();
        self.agents.keep(run, ENV, kept.into_bytes()).await
    }

    async fn kept_env(&self, run: &RunId) -> Result<Option<KeptEnv>, HandError> {
        let Some(kept) = self.agents.kept(run, ENV).await? else { return Ok(None) };
        let read = |name: &str| {
            let value: serde_json::Value = serde_json::from_slice(&kept).ok()?;
            value.get(name)?.as_str().map(str::to_owned)
        };
        let broken = || environment("reading the run's env file", &"what was kept of it is broken");
        Ok(Some(KeptEnv { to: read("to").ok_or_else(broken)?, text: read("text").ok_or_else(broken)?.into() }))
    }

    async fn put_env(&self, place: &Place, env: &KeptEnv) -> Result<(), HandError> {
        let text = env.text.expose_secret().as_bytes().to_vec();
        self.agents.put_private(place.tree.clone(), env.to.clone(), text).await
    }

    async fn drop_env(&self, _repo: &RepoName, run: &RunId) -> Result<(), HandError> {
        let Some(env) = self.kept_env(run).await? else { return Ok(()) };
        self.agents.take_private(run, env.to, ENV).await
    }

    async fn check_out(&self, order: &VerifyOrder) -> Result<Place, HandError> {
        self.drop_check_out(order).await?;
        let paths = self.verifications.apart(&order.repo, &order.run, &order.step).await?;
        let checkout = self.git.checkout(&order.repo, &order.run, &order.sha, &paths.tree).await;
        checkout.map_err(|e| environment(&e.what, &e.why))?;
        // A fresh clone has objects of its own and borrows from nobody.
        Ok(Place { tree: paths.tree, home: paths.home, out: paths.out, objects: Vec::new() })
    }

    async fn check_out_base(&self, repo: &RepoName, run: &RunId, commit: &Sha) -> Result<Place, HandError> {
        self.drop_base(run).await?;
        let order = WorkspaceOrder {
            repo: repo.clone(),
            run: run.clone(),
            base: commit.clone(),
            branch: "forgehand/setup".into(),
            author: "forgehand <forgehand@localhost>".to_owned(),
        };
        let paths = self.setups.prepare(&order).await?;
        Ok(Place { tree: paths.tree, home: paths.home, out: paths.out, objects: vec![paths.objects] })
    }

    async fn drop_base(&self, run: &RunId) -> Result<(), HandError> {
        self.setups.discard(run).await
    }

    async fn cache(&self, repo: &RepoName, key: &str) -> Result<Option<PathBuf>, HandError> {
        self.caches.find(repo, key).await
    }

    async fn begin_cache(&self, repo: &RepoName, parts: Vec<String>) -> Result<PathBuf, HandError> {
        self.caches.begin(repo, parts).await
    }

    async fn keep_cache(&self, repo: &RepoName, key: &str, room: PathBuf, in_use: Vec<PathBuf>) -> Result<PathBuf, HandError> {
        self.caches.keep(repo, key, room, in_use).await
    }

    async fn give_cache_up(&self, repo: &RepoName, room: PathBuf) -> Result<(), HandError> {
        self.caches.give_up(repo, room).await
    }

    async fn make_way(&self, place: &Place, path: &str) -> Result<(), HandError> {
        self.agents.make_way(place.home.clone(), path.to_owned()).await
    }

    async fn lend_cache(&self, place: &Place, path: &str, from: &Path, itself: bool) -> Result<(), HandError> {
        self.agents.lend_cache(from.to_owned(), place.home.join(path), itself).await
    }

    async fn drop_check_out(&self, order: &VerifyOrder) -> Result<(), HandError> {
        self.verifications.discard_beside(&order.run, &order.step).await
    }

    async fn drop_check_outs(&self, run: &RunId) -> Result<(), HandError> {
        self.verifications.discard(run).await
    }

    async fn discard(&self, _repo: &RepoName, run: &RunId) -> Result<(), HandError> {
        self.verifications.discard(run).await?;
        self.setups.discard(run).await?;
        self.agents.discard(run).await
    }
}

fn environment(what: &str, why: &dyn std::fmt::Display) -> HandError {
    HandError { kind: HandErrorKind::Environment, what: what.to_owned(), why: why.to_string() }
}
