//! What stands between a confined agent and the outside: the proxy to the model and the proxy to the hosts it may reach.
//!
//! [`Gateway`] adds the key that the agent never sees, lets pass only the run's models and only what stays inside the sandbox, meters
//! tokens and money, and ends a run that is over its budget. [`Egress`] forwards to exactly the hosts that are configured, [`Relay`]
//! to exactly one service of this machine.
//! Neither writes a secret into a log, an error or an answer.
//!
//! **Money.** A call is admitted while less than the run's budget is spent; its size is not guessed beforehand, because clients ask for
//! far more `max_tokens` than they use. It is metered while it streams and cut when it passes what a single call may cost or what the run
//! has left. An answer that has already ended is never cut: it is paid for. Every call that was sent is told to
//! [`Order::calls`] when it ends, a cut one with what was seen of it.
//!
//! **Races known.**
//! - Calls in parallel are admitted on the same rest of the budget; streams are all cut when their sum passes it, but answers
//!   that come in one piece are metered only at their end, so a budget can be overdrawn by [`MOST_CALLS`] of these.
//! - A client that hangs up during a stream leaves the output's tokens untold; they are estimated by the text that was seen.
//! - [`Gateway::spent`] and [`Gateway::verdict`] are up to date before the client sees the part of the answer that changed them.
//! - Dropping a gateway ends its calls soon, not at once; [`Gateway::close`] waits for them.

mod ask;
mod credentials;
mod door;
mod egress;
mod exchange;
mod hosts;
mod meter;
mod prices;
mod proxy;
mod purse;
mod relay;
mod renew;
mod verdict;

pub use ask::FAMILIES;
pub use credentials::{Credential, CredentialError, CredentialSource, find_credentials};
pub use egress::{Egress, EgressError};
pub use prices::{Prices, PricesError, Usage};
pub use purse::Purse;
pub use relay::Relay;
pub use renew::{RenewError, Renewal};
pub use verdict::Verdict;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::{Host, Url};

use crate::model::{ModelCall, Usd};
use door::{Listener, SocketFile};
use proxy::Run;

/// Calls of one run that are under way at a time; more wait.
pub const MOST_CALLS: usize = 16;

/// The provider.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Where its API is; a path is kept and `/v1/messages` put behind it. See [`Upstream::default`].
    pub base_url: Url,
    /// Plain http is in order even if the address is not this machine's.
    pub allow_http: bool,
    /// Where the key comes from. None is needed over plain http, which means a server of one's own.
    pub credentials: Option<CredentialSource>,
}

impl Default for Upstream {
    /// Anthropic's API, without credentials.
    fn default() -> Self {
        let base_url = Url::parse("https://api.anthropic.com").expect("a constant that a test opens a gateway with");
        Self { base_url, allow_http: false, credentials: None }
    }
}

/// How the agent reaches the gateway.
#[derive(Clone, Debug)]
pub enum Door {
    /// A Unix socket of mode 0600 for this run alone; its path must be shorter than 108 bytes. It is removed at the end.
    Socket(PathBuf),
    /// A random port of 127.0.0.1 with a random key: for agents that are not confined.
    Tcp,
}

/// What a gateway is opened with.
#[derive(Clone, Debug)]
pub struct Order {
    /// The provider.
    pub upstream: Upstream,
    /// How the agent reaches the gateway.
    pub door: Door,
    /// The models that the run may use; none refuses all. `claude-x` allows also its dated releases `claude-x-20261101`, `claude-x*` all
    /// that begin so, `opus` (`sonnet`, `haiku`, `fable`) that family. Claude Code calls a small fast model beside the main one.
    pub models: Vec<String>,
    /// What may be spent from the purse.
    pub budget: Usd,
    /// The run's purse.
    pub purse: Arc<Purse>,
    /// What a single call may cost.
    pub budget_call: Usd,
    /// What tokens cost.
    pub prices: Arc<Prices>,
    /// Told each call that was sent to the provider, when it ends. Nothing is lost if this is full for a while; it is closed after
    /// the last call.
    pub calls: mpsc::Sender<ModelCall>,
}

/// Where a gateway listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// A Unix socket that speaks HTTP.
    Socket(PathBuf),
    /// A port of this machine.
    Tcp {
        /// What `ANTHROPIC_BASE_URL` should be, without a slash at its end.
        url: String,
        /// What a client must send as `x-api-key` or as bearer.
        key: SecretString,
    },
}

/// Why a gateway cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A key would travel in the open.
    #[error("`{0}` is plain http to another machine: use https, or say `allow_http = true` if you know that network")]
    PlainHttp(String),
    /// Not an address of an API.
    #[error("the model's base_url cannot be used: {0}")]
    BaseUrl(&'static str),
    /// The provider wants a key and there is none.
    #[error(
        "no credentials for the model: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, name a `key_env` or `key_file`, \
         or sign in once with `claude`"
    )]
    NoCredentials,
    /// The credentials are there and cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The socket or port cannot be listened on.
    #[error("cannot listen for the agent's model calls on {place}: {why}")]
    Door {
        /// Where.
        place: String,
        /// What the system said.
        why: io::Error,
    },
    /// The HTTP client cannot be built: no root certificates, mostly.
    #[error("cannot set up TLS for the model: {0}")]
    Client(String),
}

/// The proxy to the model, for one run.
#[derive(Debug)]
pub struct Gateway {
    run: Arc<Run>,
    address: Address,
    /// Removed with the gateway.
    _file: Option<SocketFile>,
}

impl Gateway {
    /// Opens the proxy. Needs a Tokio runtime; what it starts ends with it.
    ///
    /// # Errors
    /// If the provider's address or the credentials cannot be used, or nobody could connect.
    pub async fn open(order: Order) -> Result<Self, GatewayError> {
        let Order { upstream, door, models, budget, purse, budget_call, prices, calls } = order;
        let upstream = upstream.checked()?;
        let (listener, address, file) = open_door(door).await?;
        let key = match &address {
            Address::Tcp { key, .. } => Some(key.clone()),
            Address::Socket(_) => None,
        };
        let rules = proxy::Rules { models, prices, key, budget, purse, budget_call };
        let run = Arc::new(Run::new(upstream, rules, calls)?);
        proxy::start(&run, listener);
        Ok(Self { run, address, _file: file })
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What was seen of the run's calls so far.
    pub fn verdict(&self) -> Verdict {
        self.run.verdict()
    }

    /// What the run's calls have cost so far, those under way with what was seen of them.
    pub fn spent(&self) -> Usd {
        self.run.spent()
    }

    /// Models that no row of the price table knows: they were charged at its dearest.
    pub fn unpriced(&self) -> Vec<String> {
        self.run.unpriced()
    }

    /// Cuts what is under way and waits until each call was told to [`Order::calls`] or is on its way there.
    pub async fn close(self) {
        self.run.stop();
        self.run.stopped().await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.run.stop();
    }
}

/// An upstream that may be used, and what goes with it.
#[derive(Debug)]
struct Checked {
    base_url: Url,
    credentials: Option<CredentialSource>,
    key_needed: bool,
}

impl Upstream {
    fn checked(self) -> Result<Checked, GatewayError> {
        let Self { base_url, allow_http, mut credentials } = self;
        if !base_url.username().is_empty() || base_url.password().is_some() {
            return Err(GatewayError::BaseUrl("it holds a user or a password; name credentials by `key_env` or `key_file`"));
        }
        if base_url.query().is_some() || base_url.fragment().is_some() {
            return Err(GatewayError::BaseUrl("it has a query or a fragment"));
        }
        let local = match base_url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => return Err(GatewayError::BaseUrl("it names no host")),
        };
        let key_needed = match base_url.scheme() {
            "https" => true,
            "http" if local || allow_http => false,
            "http" => return Err(GatewayError::PlainHttp(base_url.to_string())),
            _ => return Err(GatewayError::BaseUrl("it is neither https nor http")),
        };
        if !key_needed && !local {
            // Nobody named the sign-in of this machine's user for that server, and it would travel in the open.
            credentials = credentials.filter(CredentialSource::is_explicit);
        }
        let found = credentials.as_ref().map(CredentialSource::load).transpose()?.flatten();
        if key_needed && found.is_none() {
            return Err(GatewayError::NoCredentials);
        }
        Ok(Checked { base_url, credentials, key_needed })
    }
}

async fn open_door(door: Door) -> Result<(Listener, Address, Option<SocketFile>), GatewayError> {
    match door {
        Door::Socket(path) => {
            let (listener, file) =
                door::bind_socket(&path).map_err(|why| GatewayError::Door { place: path.display().to_string(), why })?;
            Ok((Listener::Unix(listener), Address::Socket(path), Some(file)))
        }
        Door::Tcp => {
            let failed = |why| GatewayError::Door { place: "127.0.0.1".to_owned(), why };
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
            let url = format!("http://{}", listener.local_addr().map_err(failed)?);
            let key = random_key().map_err(failed)?;
            Ok((Listener::Tcp(listener), Address::Tcp { url, key }, None))
        }
    }
}

/// 256 bits of the kernel's randomness. Reads of this size come whole, once the kernel's pool is ready.
fn random_key() -> io::Result<SecretString> {
    let mut bytes = [0; 32];
    let length = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    if length != bytes.len() {
        return Err(io::Error::other("the kernel gave too little randomness"));
    }
    Ok(format!("forgehand-{}", hex::encode(bytes)).into())
}
