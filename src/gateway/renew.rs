//! Having a sign-in renewed, by the one who owns it: the host's own `claude`, run once.
//!
//! Promises: it runs in an empty folder, never in a clone, with no setting of a project or a user and no server started; it has a time
//! limit, at which its whole process group is ended; whether it worked is told by the file and by nothing that it says. `/cost` answers
//! without asking the model, so it costs nothing, and comes after the sign-in was brought up to date (measured on 2.1.329).
//!
//! Races known: two daemons, or two accounts in one folder: a lock on the sign-in's folder, and whoever waited for it reads the file again.
//! Claude Code that a person has open renews under a lock of its own: then the file changes without us, which is as good.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::CredentialSource;
use crate::model::{Standing, Timestamp};

/// What is asked: claude answers it itself.
const ASKED: &[u8] = b"/cost\n";
/// Variables of ours that it is given: how to reach the network, and whom to trust there.
const PASSED: [&str; 14] = [
    "PATH",
    "LANG",
    "USER",
    "LOGNAME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "XDG_RUNTIME_DIR",
];

/// A sign-in, and who can renew it.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The file, `.credentials.json`.
    pub sign_in: PathBuf,
    /// The host's own `claude`.
    pub claude: PathBuf,
    /// The home of the one who signed in.
    pub home: PathBuf,
    /// How long it may take.
    pub limit: Duration,
}

/// Why a sign-in was not renewed. Never carries what the file holds or claude says.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The folder cannot be locked.
    #[error("the folder of the sign-in, {}, cannot be locked: {why}", folder.display())]
    Lock {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Another process has the lock for too long.
    #[error("another process of forgehand has been renewing it for too long")]
    Busy,
    /// claude cannot be run.
    #[error("`{}` could not be run: {why}", claude.display())]
    Start {
        /// The program.
        claude: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// It took too long.
    #[error("`claude` did not end within {} s", .0.as_secs())]
    Slow(Duration),
    /// It ran, and the file is as it was.
    #[error("`claude` was run ({0}) and left {path} as it was", path = .1.display())]
    Unchanged(String, PathBuf),
}

impl Renewal {
    /// Has it renewed, unless somebody did so meanwhile. `now` tells the time.
    ///
    /// # Errors
    /// If the file does not hold a sign-in that lasts, after claude was run.
    pub async fn renew(&self, now: impl Fn() -> Timestamp) -> Result<(), RenewError> {
        let folder = self.sign_in.parent().unwrap_or(Path::new("/")).to_owned();
        let _held = self.lock(&folder).await?;
        if self.lasts(now()) {
            return Ok(());
        }
        let ended = self.run(&folder).await?;
        if self.lasts(now()) { Ok(()) } else { Err(RenewError::Unchanged(ended, self.sign_in.clone())) }
    }

    fn lasts(&self, now: Timestamp) -> bool {
        let facts = CredentialSource::SignIn(self.sign_in.clone()).facts();
        facts.ok().flatten().is_some_and(|facts| facts.standing(now) == Standing::Ready)
    }

    /// A lock on the folder itself leaves nothing behind in it, and dies with the process.
    async fn lock(&self, folder: &Path) -> Result<File, RenewError> {
        let failed = |why| RenewError::Lock { folder: folder.to_owned(), why };
        let file = File::open(folder).map_err(failed)?;
        let patience = async {
            loop {
                match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => return Ok(()),
                    Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) => return Err(failed(error.into())),
                }
            }
        };
        match tokio::time::timeout(self.limit * 2, patience).await {
            Ok(locked) => locked.map(|()| file),
            Err(_) => Err(RenewError::Busy),
        }
    }

    async fn run(&self, folder: &Path) -> Result<String, RenewError> {
        let failed = |why| RenewError::Start { claude: self.claude.clone(), why };
        let empty = tempfile::tempdir().map_err(failed)?;
        let mut child = Running(self.command(folder, empty.path()).spawn().map_err(failed)?);
        if let Some(mut stdin) = child.0.stdin.take() {
            // One that ends without reading shows that by the file.
            let _unread = stdin.write_all(ASKED).await;
        }
        match tokio::time::timeout(self.limit, child.0.wait()).await {
            Ok(ended) => ended.map(|status| status.to_string()).map_err(failed),
            Err(_) => Err(RenewError::Slow(self.limit)),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the host's own claude is started here and nowhere else")]
    fn command(&self, folder: &Path, empty: &Path) -> Command {
        let mut command = Command::new(&self.claude);
        command.args(["-p", "--setting-sources=", "--strict-mcp-config", "--tools=", "--max-turns=1"]);
        command.env_clear().envs(PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("HOME", &self.home).env("DISABLE_AUTOUPDATER", "1");
        command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("CLAUDE_CODE_MAX_RETRIES", "1");
        if folder != self.home.join(".claude") {
            command.env("CLAUDE_CONFIG_DIR", folder);
        }
        command.current_dir(empty).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true);
        command
    }
}

/// A claude that runs. Dropped, its whole group goes before it is reaped, so that the group's number is still its own.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}
