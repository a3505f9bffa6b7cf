//! The daemon of the demo: this very program as `forgehand run`, in a process of its own.
//!
//! It has a process group of its own, so that a Ctrl-C at the terminal reaches the demo alone, which then ends it in order. Known: whoever
//! ends the demo by `kill -9` leaves the daemon running; it finds no forge then, and can be ended by its process id in `daemon.log`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::super::CliError;
use super::failed;

/// How long it may take to end: it drains for three seconds and gives agents their grace.
const GRACE: Duration = Duration::from_secs(10);
/// How many lines of its log are shown when something went wrong.
const TAIL: usize = 25;

/// A running daemon.
pub(super) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it.
    pub(super) fn start(config: &Path, log: PathBuf) -> Result<Self, CliError> {
        let own = std::env::current_exe().map_err(|e| failed(&log, e))?;
        let stderr = File::create(&log).map_err(|e| failed(&log, e))?;
        #[expect(clippy::disallowed_methods, reason = "it is no program of a project's, but ourselves")]
        let mut command = Command::new(&own);
        command.arg("--config").arg(config).arg("run");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).process_group(0).kill_on_drop(true);
        // The demo's daemon is supervised by the demo, whoever supervises that.
        command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("STATE_DIRECTORY");
        let child = command
            .spawn()
            .map_err(|e| CliError::environment("the daemon cannot be started", e, "see whether memory is short"))?;
        Ok(Self { child, log })
    }

    /// Its end, if it ended by itself.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it in order; at once if it takes too long.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // Gone already, or not to be told: waiting and killing cover both.
        let _told = pid.map(|pid| kill_process(pid, Signal::TERM));
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            let _killed = self.child.kill().await;
        }
    }

    /// What it said last.
    pub(super) fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        lines.iter().skip(from).map(|line| format!("  | {line}\n")).collect()
    }
}
