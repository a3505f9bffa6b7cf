//! Hands: whoever does a step. Agents (headless Claude Code, or any command) and verifications, each in a sandbox of its own.
//!
//! [`RealHands`] is the adapter of [`ports::Hands`](crate::ports::Hands). It promises:
//! - A turn ends when the agent and all that it started are gone, and its outcome has a name ([`supervise`]).
//! - No forge token and no model key is in anything that is started here: the way to the model leads through the gateway, the way to
//!   the network through a list of hosts, and git's way out through a bundle.
//! - What an agent answers is believed by [`output::parse_output`] alone; the daemon runs no git and follows no link in a folder that an
//!   agent could write.
//!
//! Races it knows:
//! - *A daemon that dies mid-turn*: the sandbox dies with it. The workspace, its HOME and with it the session stay; the next turn resumes
//!   the session, or begins it anew where it was cut before it was written.
//! - *A dropped future*: the process is killed with its handle, the gateway ends its calls, and their cost is not told any more.

mod agent;
mod batch;
mod bundle;
mod caches;
pub mod claude;
pub mod command;
pub mod output;
mod places;
mod ports;
mod setup;
mod shell;
mod site;
pub mod stream;
pub mod supervise;
mod tail;
mod transcript;
mod turn;
mod vault;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use caches::Holds;
pub use places::{KeptEnv, Place, Places};
use ports::{Asks, PortBook};
use site::environment;
pub use transcript::Redact;

use crate::gateway::{CredentialSource, Prices, Purse, Upstream};
use crate::model::{AccountName, AgentName, Evidence, PortRange, RepoName, RunId, StepId};
use crate::ports::{
    AgentOrder, AgentReport, HandError, HandErrorKind, HandEvent, Hands, SetUpOrder, VerifyOrder, WorkspaceOrder,
};
use crate::sandbox::{Mode, Sandbox};

/// What the hands are given.
#[derive(Clone)]
pub struct Options {
    /// Who works, unless another one is asked for.
    pub backend: Backend,
    /// The others.
    pub agents: BTreeMap<AgentName, Backend>,
    /// Where everything is started.
    pub sandbox: Arc<Sandbox>,
    /// Who makes workspaces.
    pub places: Arc<dyn Places>,
    /// The limits of an agent's turn.
    pub limits: supervise::Limits,
    /// How long a whole verification may take.
    pub verify_limit: Duration,
    /// How long the commands of a `setup` may take together.
    pub setup_limit: Duration,
    /// Hosts that an agent may reach, `name` or `name:port`.
    pub network: Vec<String>,
    /// A folder for sockets, with a path of at most 80 bytes; it is made on first use, mode 0700.
    pub sockets: PathBuf,
    /// A folder for the book of ports that runs have.
    pub ports: PathBuf,
    /// The folder for transcripts.
    pub logs: PathBuf,
    /// Takes secrets out of what is logged or told.
    pub redact: Redact,
    /// Is given the text of each env file before it is used, so that `redact` knows what is secret in it.
    pub learn: Learn,
    /// What actions of the vault may use.
    pub vault: crate::config::Vault,
    /// Is given each secret of the vault before a command gets it.
    pub learn_secrets: LearnSecrets,
}

/// Learns the secrets in a file of variables.
pub type Learn = Arc<dyn Fn(&str) + Send + Sync>;

/// Learns secrets.
pub type LearnSecrets = Arc<dyn Fn(Vec<SecretString>) + Send + Sync>;

/// Who works.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Headless Claude Code.
    Claude(ClaudeBackend),
    /// Any program, with its arguments.
    Command {
        /// The program first.
        argv: Vec<String>,
    },
}

/// Claude Code and its way to the model.
#[derive(Clone, Debug)]
pub struct ClaudeBackend {
    /// The program and its model.
    pub claude: claude::Claude,
    /// The provider.
    pub upstream: Upstream,
    /// What tokens cost.
    pub prices: Arc<Prices>,
    /// Where the credentials of the accounts are that a turn may be on; on none of these, the provider's are used.
    pub accounts: Arc<BTreeMap<AccountName, CredentialSource>>,
}

/// Hands that really work.
pub struct RealHands {
    options: Options,
    mode: Mode,
    ports: PortBook,
    holds: Holds,
    /// Of runs whose agents are at work.
    purses: Mutex<BTreeMap<RunId, Weak<Purse>>>,
}

impl RealHands {
    /// Ready to work; nothing is started yet.
    pub fn new(options: Options) -> Self {
        let mode = options.sandbox.describe().mode;
        let ports = PortBook::new(options.ports.clone());
        Self { options, mode, ports, holds: Holds::default(), purses: Mutex::default() }
    }
}

#[async_trait]
impl Hands for RealHands {
    async fn prepare(&self, order: &WorkspaceOrder) -> Result<(), HandError> {
        self.options.places.prepare(order).await
    }

    async fn set_up(&self, order: &SetUpOrder, cancel: CancellationToken) -> Result<(), HandError> {
        self.make_ready(order, &cancel).await
    }

    async fn agent(
        &self,
        order: &AgentOrder,
        events: mpsc::Sender<HandEvent>,
        cancel: CancellationToken,
    ) -> Result<AgentReport, HandError> {
        self.turn(order, &events, &cancel).await
    }

    async fn bundle(&self, order: &WorkspaceOrder, cancel: CancellationToken) -> Result<Option<PathBuf>, HandError> {
        self.make_bundle(order, &cancel).await
    }

    async fn verify(&self, order: &VerifyOrder, cancel: CancellationToken) -> Result<Evidence, HandError> {
        self.verification(order, &cancel).await
    }

    async fn port(&self, repo: &RepoName, run: &RunId, step: Option<&StepId>, range: PortRange) -> Result<u16, HandError> {
        const WHAT: &str = "choosing a port";
        let on_host = self.mode == Mode::None;
        let asks = Asks { repo, run, step: step.filter(|_| on_host), range, on_host };
        let lives = |repo: &RepoName, run: &RunId| self.options.places.place(repo, run).is_ok_and(|place| place.home.exists());
        let held = self.ports.hold(&asks, lives).map_err(|error| environment(WHAT, error))?;
        let taken = || HandError {
            kind: HandErrorKind::Busy,
            what: WHAT.to_owned(),
            why: format!("each of {}-{} (`ports`) is another run's or somebody listens on it", range.first, range.last),
        };
        held.ok_or_else(taken)
    }

    async fn retire(&self, repo: &RepoName, run: &RunId) -> Result<Option<PathBuf>, HandError> {
        self.ports.give_back(run).map_err(|error| environment("giving a port back", error))?;
        self.options.places.drop_base(run).await?;
        self.options.places.drop_check_outs(run).await?;
        self.options.places.drop_env(repo, run).await?;
        Ok(Some(self.options.places.place(repo, run)?.tree).filter(|tree| tree.exists()))
    }

    async fn discard(&self, repo: &RepoName, run: &RunId) -> Result<(), HandError> {
        self.options.places.discard(repo, run).await
    }
}

/// A text as one line for people: control characters are spaces, runs of spaces are one, at most `limit` characters.
fn plain(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        for c in (length > 0).then_some(' ').into_iter().chain(word.chars()) {
            if length == limit {
                line.push('…');
                return line;
            }
            line.push(c);
            length += 1;
        }
    }
    line
}
