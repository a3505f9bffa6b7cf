//! Whoever does a step: a workspace, an agent in it, a verification.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::{
    Access, AccountName, AgentName, Branch, Evidence, FormulaName, HandOutcome, ModelCall, PortRange, Provisions, RepoName,
    RunId, Sha, Shape, StepId, TrialItem, Usd,
};

/// Places to work, and those who work there.
#[async_trait]
pub trait Hands: Send + Sync {
    /// Makes the workspace of an attempt: a clone of the mirror at `base`, on `branch`. An existing one of the same attempt is kept as it
    /// is (stale `.git/*.lock` files removed), so that a cut step goes on with its commits.
    async fn prepare(&self, order: &WorkspaceOrder) -> Result<(), HandError>;
    /// Makes a prepared workspace a place like home: puts the project's env file into it and runs its `setup`, with network. The file's
    /// source is read here and kept as it was for the run. Repeating it does it anew.
    async fn set_up(&self, order: &SetUpOrder, cancel: CancellationToken) -> Result<(), HandError>;
    /// Lets an agent work. Ends when the agent and all that it started are gone. Cancelling asks it to end, then makes it.
    async fn agent(
        &self,
        order: &AgentOrder,
        events: mpsc::Sender<HandEvent>,
        cancel: CancellationToken,
    ) -> Result<AgentReport, HandError>;
    /// Makes a bundle of the branch, in a sandbox without network; answers with its path. No commits, no bundle.
    async fn bundle(&self, order: &WorkspaceOrder, cancel: CancellationToken) -> Result<Option<PathBuf>, HandError>;
    /// Runs the project's verification on a commit of the run's throw-away repository, in a fresh clone.
    async fn verify(&self, order: &VerifyOrder, cancel: CancellationToken) -> Result<Evidence, HandError>;
    /// The port that a run is handed out of a range: one that no other living run has, the same again as long as it can be. A step beside
    /// which others of its run have commands run gets one for itself where they share a network, until its commands have ended. An error
    /// that passes where all are taken.
    async fn port(&self, repo: &RepoName, run: &RunId, step: Option<&StepId>, range: PortRange) -> Result<u16, HandError>;
    /// Takes back what a run was given for as long as it lived, its env file above all; what it made stays: answers where, if there is
    /// anything.
    async fn retire(&self, repo: &RepoName, run: &RunId) -> Result<Option<PathBuf>, HandError>;
    /// Removes the workspace. One that is gone is no error.
    async fn discard(&self, repo: &RepoName, run: &RunId) -> Result<(), HandError>;
}

/// A workspace to make or to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceOrder {
    /// The repository.
    pub repo: RepoName,
    /// The run, which names the folder.
    pub run: RunId,
    /// The commit to start from; it is in the mirror.
    pub base: Sha,
    /// The branch to be on.
    pub branch: Branch,
    /// Author and committer of the agent's commits, `Name <mail>`.
    pub author: String,
}

/// What a run is given beside its clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// As the configuration has it.
    pub provisions: Provisions,
    /// The tip of the branch that the work goes to, which no agent wrote; it is in the mirror.
    pub trunk: Option<Sha>,
    /// The port of `provisions.ports` that the run has.
    pub port: Option<u16>,
}

/// A workspace to make ready.
#[derive(Clone, Debug)]
pub struct SetUpOrder {
    /// The workspace.
    pub workspace: WorkspaceOrder,
    /// What it is given.
    pub given: Given,
    /// A name for logs, `issue-7-attempt-1`.
    pub label: String,
}

/// An agent's turn.
#[derive(Clone, Debug)]
pub struct AgentOrder {
    /// The workspace.
    pub workspace: WorkspaceOrder,
    /// The formula's name.
    pub formula: FormulaName,
    /// The step's identifier.
    pub step: StepId,
    /// What it may do to the workspace.
    pub access: Access,
    /// The tools that it is given; empty: as its access says.
    pub tools: Vec<String>,
    /// Of those no others than these; empty: all of them.
    pub only_tools: Vec<String>,
    /// The model that it works with; none: as the configuration says.
    pub model: Option<String>,
    /// The limits of its turn that its formula sets; what is none is the configuration's.
    pub limits: TurnLimits,
    /// The whole prompt.
    pub prompt: String,
    /// What it must answer.
    pub output: Shape,
    /// The session to work in.
    pub session: Session,
    /// What is left of the run's money.
    pub budget: Usd,
    /// What the run has spent by now, as far as it is known.
    pub spent: Usd,
    /// Another agent of its run may be at work beside it: it has a HOME and an `out` of its own.
    pub beside: bool,
    /// Another agent may write the run's workspace meanwhile: it has one of its own, at this commit of the base or of the run.
    pub apart: Option<Sha>,
    /// What a single model call may cost.
    pub budget_call: Usd,
    /// A name for logs, `issue-7-attempt-1`; one folder may stand before it.
    pub label: String,
    /// What the run is given beside its clone.
    pub given: Given,
    /// Who works.
    pub agent: AgentName,
    /// Whose money or quota it takes; none where the agent needs no account.
    pub account: Option<AccountName>,
}

/// Limits that a formula sets for the turns of its agents. They only tighten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnLimits {
    /// The wall clock.
    pub wall: Option<Duration>,
    /// No sign of life.
    pub silence: Option<Duration>,
    /// Turns with its model.
    pub turns: Option<u32>,
}

/// A conversation with an agent. A UUID each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// A new one, with this identifier.
    New(String),
    /// The one that was cut, or that gets a verification's output as its next message.
    Resume(String),
}

/// What is heard of an agent while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandEvent {
    /// The agent's process is up and its session can be resumed from now on.
    SessionStarted,
    /// A model call ended.
    Called(ModelCall),
    /// A line for people: what it does now, cleaned.
    Doing(String),
}

/// What came of an agent's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentReport {
    /// How it ended.
    pub outcome: HandOutcome,
    /// Its structured output, validated; the error's words if it is missing or invalid.
    pub output: Result<serde_json::Value, String>,
    /// The session can be resumed.
    pub resumable: bool,
}

/// A verification to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyOrder {
    /// The repository.
    pub repo: RepoName,
    /// The run whose throw-away repository holds the commit.
    pub run: RunId,
    /// The step that it is for: others of the run may have their commands run at the same time.
    pub step: StepId,
    /// The commit.
    pub sha: Sha,
    /// The commands, in order.
    pub commands: Vec<String>,
    /// The item that they are run for.
    pub item: Option<TrialItem>,
    /// How long they may take together; none: as the configuration says. It only tightens.
    pub timeout: Option<Duration>,
    /// Hosts that may be reached, `name` or `name:port`.
    pub network: Vec<String>,
    /// What the run is given beside its clone. Its `setup` runs before the commands.
    pub given: Given,
    /// What an action of the vault may use that these commands are: names of the configuration. Nothing else gets it, `setup` neither.
    pub vault: VaultNeeds,
}

/// What the commands of an action of the vault are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultNeeds {
    /// Secrets, each in the variable of its name.
    pub secrets: Vec<String>,
    /// Mounts, read-only, each where the variable `FORGEHAND_MOUNT_<NAME>` says.
    pub mounts: Vec<String>,
}

/// The machine's or our own failure to let somebody work.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct HandError {
    /// What decides the retry and the exit code.
    pub kind: HandErrorKind,
    /// What was tried.
    pub what: String,
    /// What stood in the way, and what to do.
    pub why: String,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandErrorKind {
    /// No credentials: nothing is wrong, nothing can start.
    NoCredentials,
    /// The machine: no sandbox, no program, no disk.
    Environment,
    /// The project's `setup` or its env file: nobody's work is to blame.
    Setup,
    /// Others have what it needs, and will give it back.
    Busy,
    /// Cancelled before it began or while it ran.
    Cancelled,
}
