//! Where hands work: folders that somebody else makes and removes.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::model::{RepoName, RunId, Sha, StepId};
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
    /// The same, with HOME and `out` of a step's own, made where they are not there.
    async fn beside(&self, repo: &RepoName, run: &RunId, step: &StepId) -> Result<Place, HandError>;
    /// A workspace of a step's own at a commit of the base or of the run, beside the run's, with HOME and `out`. One that was made at this
    /// commit is kept, so that a cut turn goes on in it; another one is made anew.
    async fn apart(&self, order: &WorkspaceOrder, step: &StepId, at: &Sha) -> Result<Place, HandError>;
    /// Keeps the run's env file where no sandbox sees it.
    async fn keep_env(&self, run: &RunId, env: &KeptEnv) -> Result<(), HandError>;
    /// The run's env file; none if it has none.
    async fn kept_env(&self, run: &RunId) -> Result<Option<KeptEnv>, HandError>;
    /// Puts an env file into a place's tree, following nothing that lies there, and lets git overlook it.
    async fn put_env(&self, place: &Place, env: &KeptEnv) -> Result<(), HandError>;
    /// Takes the run's env file out of its workspace, and what was kept of it.
    async fn drop_env(&self, repo: &RepoName, run: &RunId) -> Result<(), HandError>;
    /// A fresh clone of exactly the order's commit for the order's step alone, with HOME and `out` of its own; nothing that an agent left is
    /// in it.
    async fn check_out(&self, order: &VerifyOrder) -> Result<Place, HandError>;
    /// Removes such a clone. One that is gone is no error.
    async fn drop_check_out(&self, order: &VerifyOrder) -> Result<(), HandError>;
    /// Removes all such clones of a run. Where there is none that is no error.
    async fn drop_check_outs(&self, run: &RunId) -> Result<(), HandError>;
    /// A fresh clone of a commit of the mirror, for a setup that no agent has a part in.
    async fn check_out_base(&self, repo: &RepoName, run: &RunId, commit: &Sha) -> Result<Place, HandError>;
    /// Removes that clone. One that is gone is no error.
    async fn drop_base(&self, run: &RunId) -> Result<(), HandError>;
    /// A project's cache that is whole; none if it was not made yet.
    async fn cache(&self, repo: &RepoName, key: &str) -> Result<Option<PathBuf>, HandError>;
    /// A folder to make one in, with these parts, filled from the newest one. One at a time for each project.
    async fn begin_cache(&self, repo: &RepoName, parts: Vec<String>) -> Result<PathBuf, HandError>;
    /// It is whole: it gets its name, and older ones that are not in use go.
    async fn keep_cache(&self, repo: &RepoName, key: &str, room: PathBuf, in_use: Vec<PathBuf>) -> Result<PathBuf, HandError>;
    /// It came to nothing.
    async fn give_cache_up(&self, repo: &RepoName, room: PathBuf) -> Result<(), HandError>;
    /// Makes folders below a place's HOME to mount on, through nothing that an agent put in their way.
    async fn make_way(&self, place: &Place, path: &str) -> Result<(), HandError>;
    /// Gives a place without a sandbox a cache below its HOME: a copy, or (`itself`) the folder itself.
    async fn lend_cache(&self, place: &Place, path: &str, from: &Path, itself: bool) -> Result<(), HandError>;
    /// As [`Hands::discard`](crate::ports::Hands::discard).
    async fn discard(&self, repo: &RepoName, run: &RunId) -> Result<(), HandError>;
}
