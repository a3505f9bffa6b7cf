//! Where hands work: folders that somebody else makes and removes.

use std::path::PathBuf;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::model::{RepoName, RunId};
use crate::ports::{HandError, VerifyOrder, WorkspaceOrder};

/// The folders of a workspace on the host. All but `objects` may be written by an agent, so the host runs no git in them and follows no
/// link out of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The working tree with its `.git`.
    pub tree: PathBuf,
    /// HOME of whoever works there; lasts as long as the workspace.
    pub home: PathBuf,
    /// What is handed out: the bundle, the structured output.
    pub out: PathBuf,
    /// Object folders that the clone borrows from; each is mounted read-only at its own path.
    pub objects: Vec<PathBuf>,
}

/// The env file of a run, as its source was when the run began.
#[derive(Clone, Debug)]
pub struct KeptEnv {
    /// Where it goes, from the root of a clone.
    pub to: String,
    /// Its text.
    pub text: SecretString,
}

/// Makes workspaces. Implemented by whoever wires the workspace module to the hands: the two stand on the same floor.
#[async_trait]
pub trait Places: Send + Sync {
    /// As [`Hands::prepare`](crate::ports::Hands::prepare).
    async fn prepare(&self, order: &WorkspaceOrder) -> Result<(), HandError>;
    /// The folders of a run's workspace, prepared or not.
    fn place(&self, repo: &RepoName, run: &RunId) -> Result<Place, HandError>;
    /// Keeps the run's env file where no sandbox sees it.
    async fn keep_env(&self, run: &RunId, env: &KeptEnv) -> Result<(), HandError>;
    /// The run's env file; none if it has none.
    async fn kept_env(&self, run: &RunId) -> Result<Option<KeptEnv>, HandError>;
    /// Puts an env file into a place's tree, following nothing that lies there, and lets git overlook it.
    async fn put_env(&self, place: &Place, env: &KeptEnv) -> Result<(), HandError>;
    /// Takes the run's env file out of its workspace, and what was kept of it.
    async fn drop_env(&self, repo: &RepoName, run: &RunId) -> Result<(), HandError>;
    /// A fresh clone of exactly the order's commit, with HOME and `out` of its own; nothing that an agent left is in it.
    async fn check_out(&self, order: &VerifyOrder) -> Result<Place, HandError>;
    /// Removes such a clone. One that is gone is no error.
    async fn drop_check_out(&self, order: &VerifyOrder) -> Result<(), HandError>;
    /// As [`Hands::discard`](crate::ports::Hands::discard).
    async fn discard(&self, repo: &RepoName, run: &RunId) -> Result<(), HandError>;
}
