//! A command of the binary that runs on while the test goes on.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// A running command. It is killed when it is dropped.
pub struct Started {
    child: Child,
}

impl Started {
    pub(super) fn new(mut command: Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        Self { child }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Whether it ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// As a service manager ends it.
    pub fn term(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, Signal::TERM).expect("it can be told");
    }

    /// As the power ends it.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    pub async fn wait(mut self) -> ExitStatus {
        let patience = std::time::Duration::from_secs(90);
        tokio::time::timeout(patience, self.child.wait()).await.expect("it ends").expect("a status")
    }
}
