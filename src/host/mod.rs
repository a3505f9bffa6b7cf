//! Programs of the host: the probes and mends that its configuration names.
//!
//! Promises: a program is started with an allow-list of the environment, so with no token of ours, and with nothing to read; its time over, it is
//! killed with its whole group; what it prints is bounded, however much that is. No shell is in between.
//!
//! Races known: what a program leaves running in the background (a mend that starts a server) may hold its output open: once the program itself has
//! ended, only what it had printed by then is read. Whoever drops the future kills the group before the leader is reaped, so that its number
//! cannot have been given to somebody else. A daemon that is killed leaves a program behind, which ends by itself.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use crate::model::HostEnd;
use crate::ports::{DiskRoom, Host, HostOrder, HostRan, Vitals};

/// The variables that a program is given; where sockets of containers are belongs to them.
const ENVIRONMENT: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "CONTAINER_HOST",
];
/// How much of the end of what is printed is kept, in bytes.
const TAIL: usize = 64 << 10;

/// This machine.
#[derive(Clone, Debug)]
pub struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// Its programs run in this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn start(&self, words: &[String]) -> Result<(Child, Receiver), String> {
        let (program, arguments) = words.split_first().ok_or("there is no program")?;
        let failed = |e: std::io::Error| format!("{program} cannot be started: {e}");
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        #[expect(clippy::disallowed_methods, reason = "this adapter owns the programs of the host")]
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).env_clear().process_group(0).kill_on_drop(true);
        command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
        let child = command.spawn().map_err(failed)?;
        // Ours are closed with it: the output ends when theirs are.
        drop(command);
        let reader = Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed)?;
        Ok((child, reader))
    }
}

#[async_trait]
impl Host for Machine {
    async fn run(&self, order: &HostOrder<'_>) -> HostRan {
        let (mut child, reader) = match self.start(order.words) {
            Ok(started) => started,
            Err(why) => return HostRan { end: HostEnd::NotStarted, tail: why },
        };
        let group = Group::of(&child);
        let mut said = Said::default();
        let ended = tokio::time::timeout(order.timeout, said.hear(&mut child, &reader)).await;
        let end = match ended {
            Ok(Ok(status)) => {
                group.ended();
                status.code().map_or(HostEnd::Killed, |code| HostEnd::Exited { code })
            }
            Ok(Err(_)) => HostEnd::Killed,
            Err(_) => {
                drop(group);
                HostEnd::TimedOut
            }
        };
        HostRan { end, tail: said.text() }
    }

    async fn room(&self, path: &Path, timeout: Duration) -> Result<DiskRoom, String> {
        let here = path.to_owned();
        // A disk that does not answer holds whoever asks: that is no thread of the loop, and nobody waits for it for longer.
        let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&here));
        let failed = |why: String| format!("{}: {why}", path.display());
        match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(Ok(stat))) => Ok(DiskRoom {
                free: stat.f_bavail.saturating_mul(stat.f_frsize),
                total: stat.f_blocks.saturating_mul(stat.f_frsize),
            }),
            Ok(Ok(Err(e))) => Err(failed(e.to_string())),
            Ok(Err(e)) => Err(failed(e.to_string())),
            Err(_) => Err(failed("the disk does not answer".to_owned())),
        }
    }

    fn vitals(&self) -> Result<Vitals, String> {
        // The kernel makes both up when they are read: no disk is asked.
        let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
        vitals(&read("/proc/meminfo")?, &read("/proc/loadavg")?).ok_or_else(|| "the kernel does not say".to_owned())
    }
}

/// Lines such as `MemAvailable:  1024 kB`, and one such as `0.50 0.75 1.00 1/200 1234`.
fn vitals(memory: &str, load: &str) -> Option<Vitals> {
    let of = |name: &str| -> Option<u64> {
        let line = memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let load = load.split_whitespace().nth(1)?.parse().ok()?;
    Some(Vitals { available: of("MemAvailable")?, memory: of("MemTotal")?, load })
}

/// The end of what is printed.
#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    cut: bool,
}

impl Said {
    /// Listens until the program has ended.
    async fn hear(&mut self, child: &mut Child, reader: &Receiver) -> std::io::Result<std::process::ExitStatus> {
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                // First, so that what others go on printing hides it not.
                status = child.wait() => {
                    let status = status?;
                    // What it printed before it ended is there.
                    self.read(reader);
                    return Ok(status);
                }
                ready = reader.readable(), if open => open = ready.is_ok() && self.read(reader),
            }
        }
    }

    /// Reads what is there; whether more may come.
    fn read(&mut self, reader: &Receiver) -> bool {
        let mut piece = [0; 8 << 10];
        // As much as is kept, so that one who never stops printing is heard to have ended.
        for _ in 0..16 {
            match reader.try_read(&mut piece) {
                Ok(0) => return false,
                Ok(count) => self.take(piece.get(..count).unwrap_or_default()),
                Err(e) => return e.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn take(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() > 2 * TAIL {
            self.bytes.drain(..self.bytes.len() - TAIL);
            self.cut = true;
        }
    }

    /// Where something was cut off, the rest of its line goes too: half a secret is not known as one.
    fn text(self) -> String {
        let from =
            if self.cut { self.bytes.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |at| at + 1) } else { 0 };
        String::from_utf8_lossy(self.bytes.get(from..).unwrap_or_default()).into_owned()
    }
}

/// A program's process group, killed when this is dropped before the program has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended by itself just now: then there is nobody to kill.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_as_it_says_it() {
        let memory = "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:   1024 kB\n";
        let read = vitals(memory, "0.50 12.75 1.00 1/200 1234\n");
        assert_eq!(read, Some(Vitals { available: 1 << 20, memory: 2 << 20, load: 12.75 }));
        assert_eq!(vitals("MemTotal: 1 kB\n", "0.50 0.75 1.00"), None);
        assert_eq!(vitals(memory, ""), None);
        let here = Machine::new("/".into()).vitals().expect("this kernel says");
        assert!(here.available <= here.memory && here.load >= 0.0, "{here:?}");
    }
}
