//! Where hands work: the workspace module and git, put together for them.

use std::path::Path;

use async_trait::async_trait;
use secrecy::ExposeSecret;

use crate::git::Git;
use crate::hands::{KeptEnv, Place, Places};
use crate::model::{RepoName, RunId};
use crate::ports::{HandError, HandErrorKind, Repos, VerifyOrder, WorkspaceOrder};
use crate::workspace::{Kind, Workspaces};

/// The folder of a state folder in which verifications run.
pub(super) const VERIFY: &str = "verify";
/// The name under which a run's env file is kept beside its tree.
const ENV: &str = "env";

/// Workspaces below the state folder; those of agents and those of verifications apart.
pub(super) struct Rooms {
    agents: Workspaces,
    verifications: Workspaces,
    git: Git,
}

impl Rooms {
    pub(super) fn new(state_dir: &Path, git: &Git) -> Self {
        // bubblewrap maps whoever runs the daemon to the user inside, so nothing has to be given away.
        let rooms = |folder: &Path| Workspaces::new(folder, git.clone(), Kind::Clone, None);
        Self { agents: rooms(state_dir), verifications: rooms(&state_dir.join(VERIFY)), git: git.clone() }
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
        let paths = self.verifications.paths(&order.repo, &order.run)?;
        for folder in [&paths.home, &paths.out] {
            tokio::fs::create_dir_all(folder).await.map_err(|e| environment(&format!("making {}", folder.display()), &e))?;
        }
        let checkout = self.git.checkout(&order.repo, &order.run, &order.sha, &paths.tree).await;
        checkout.map_err(|e| environment(&e.what, &e.why))?;
        // A fresh clone has objects of its own and borrows from nobody.
        Ok(Place { tree: paths.tree, home: paths.home, out: paths.out, objects: Vec::new() })
    }

    async fn drop_check_out(&self, order: &VerifyOrder) -> Result<(), HandError> {
        self.verifications.discard(&order.run).await
    }

    async fn discard(&self, _repo: &RepoName, run: &RunId) -> Result<(), HandError> {
        self.verifications.discard(run).await?;
        self.agents.discard(run).await
    }
}

fn environment(what: &str, why: &dyn std::fmt::Display) -> HandError {
    HandError { kind: HandErrorKind::Environment, what: what.to_owned(), why: why.to_string() }
}
