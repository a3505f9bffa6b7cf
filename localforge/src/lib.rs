//! A small Forgejo that forgehand carries in itself: the REST endpoints, git over HTTP, webhooks and plain pages, on
//! loopback, with its data in a folder. The demo runs on it, and the tests do.
//!
//! `state` is the model: pure and synchronous. Around it stand `forge` (lock, store, git), `http`, `git_http` and `pages`
//! (the door), `webhooks` and `store`. How true it is is measured against recordings of a real Forgejo
//! (`forge-check/check.py`); the quirks it keeps are those a client meets.
//!
//! It knows less than a real one: no organizations, teams, forks, AGit, milestones, actions, releases or signatures. A
//! protection's file patterns hold for merges, not for pushes. What a real forge does up to a second late, after a push,
//! it does at once.

mod forge;
mod git;
mod git_http;
mod git_job;
mod http;
mod pages;
mod pkt;
mod seed;
mod state;
mod store;
mod webhooks;
mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use seed::{CommentView, IssueView, LabelEvent, PullView, Seed, SeedFile};
pub use store::StoreError;

use self::forge::Forge;

/// How a forge is to run.
#[derive(Clone)]
pub struct Options {
    /// The folder for its data; it is made, or opened again.
    pub data: PathBuf,
    /// Where it listens: loopback only. Port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Login and password of the administrator, who is made, or given this password.
    pub admin: Option<(String, String)>,
    /// The address that links are made of, where it is not the one listened on. A subpath is kept.
    pub root_url: Option<String>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let admin = self.admin.as_ref().map(|(login, _)| login);
        f.debug_struct("Options").field("data", &self.data).field("listen", &self.listen).field("admin", &admin).finish()
    }
}

/// The forge could not be started, or could not do something.
#[derive(Debug, thiserror::Error)]
pub enum LocalForgeError {
    /// It would be open to others.
    #[error("localforge listens on loopback only, not on {0}: name an address such as 127.0.0.1:3000")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("localforge cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// A folder cannot be made.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The administrator cannot be made.
    #[error("the administrator cannot be made: {0}")]
    Admin(String),
    /// The records cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record or an answer cannot be written or read.
    #[error("a record could not be written or read: {0}")]
    Record(#[source] serde_json::Error),
    /// Git failed.
    #[error("{0}")]
    Git(String),
    /// The webhook client cannot be made.
    #[error("webhooks cannot be delivered: {0}")]
    Webhooks(#[source] reqwest::Error),
    /// A step of setting up was refused.
    #[error("{0}")]
    Seed(String),
}

impl From<git::GitError> for LocalForgeError {
    fn from(error: git::GitError) -> Self {
        Self::Git(error.to_string())
    }
}

/// A running forge. Dropping it ends it at once; [`LocalForge::shutdown`] lets what is under way finish.
pub struct LocalForge {
    forge: Arc<Forge>,
    url: String,
    stop: CancellationToken,
    server: JoinSet<()>,
    deliveries: TaskTracker,
}

/// How long requests and deliveries under way may take at the end.
const GRACE: Duration = Duration::from_secs(2);

impl LocalForge {
    /// Opens the folder and starts to listen.
    pub async fn start(options: Options) -> Result<Self, LocalForgeError> {
        if !options.listen.ip().is_loopback() {
            return Err(LocalForgeError::NotLoopback(options.listen));
        }
        let cannot = |source| LocalForgeError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(cannot)?;
        let url = format!("http://{}", listener.local_addr().map_err(cannot)?);
        let root = options.root_url.as_deref().unwrap_or(&url).trim_end_matches('/').to_owned();
        let deliveries = TaskTracker::new();
        let forge = Arc::new(Forge::open(&options.data, root, options.admin, deliveries.clone()).await?);
        let stop = CancellationToken::new();
        let mut server = JoinSet::new();
        let (router, stopped) = (http::router(Arc::clone(&forge)), stop.clone().cancelled_owned());
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "localforge stopped listening");
            }
        });
        Ok(Self { forge, url, stop, server, deliveries })
    }

    /// Where it listens, `http://127.0.0.1:3000`, without a slash at the end.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Sets it up and looks at it from inside.
    pub fn seed(&self) -> Seed {
        Seed { forge: Arc::clone(&self.forge) }
    }

    /// How many requests of the API came over HTTP so far.
    pub fn request_count(&self) -> u64 {
        self.forge.api_requests.load(Ordering::Relaxed)
    }

    /// How many requests of git came over HTTP so far. A fetch or a push makes several.
    pub fn git_request_count(&self) -> u64 {
        self.forge.git_requests.load(Ordering::Relaxed)
    }

    /// Ends it: no new requests, a moment for those under way.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.deliveries.close();
        let ended = async { while self.server.join_next().await.is_some() {} };
        // What is not done in time is dropped with the forge.
        let _ = tokio::time::timeout(GRACE, ended).await;
        let _ = tokio::time::timeout(GRACE, self.deliveries.wait()).await;
    }
}

impl Drop for LocalForge {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Runs a forge until `shutdown` comes: the command `forgehand localforge`. `started` is told where it listens.
pub async fn serve(
    options: Options,
    started: impl FnOnce(&LocalForge),
    shutdown: impl Future<Output = ()>,
) -> Result<(), LocalForgeError> {
    let forge = LocalForge::start(options).await?;
    started(&forge);
    shutdown.await;
    forge.shutdown().await;
    Ok(())
}
