//! Makes a clone a place like home: the project's env file in it, and its `setup` run in it, with network to the hosts that are named
//! for that.
//!
//! What fails here is nobody's work: it is told apart from everything that an agent could do wrong. The env file is read once when a run
//! starts and kept beside the tree; its values are known to whoever takes secrets out of texts before the file is anywhere else.

use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RealHands;
use super::batch::{self, Finished, Stopped};
use super::places::{KeptEnv, Place};
use super::shell::Outfit;
use super::site::{Whose, cancelled, environment};
use super::supervise::Exit;
use super::transcript::Transcript;
use super::vault::Granted;
use crate::model::{CommandRun, EnvFile, RunId};
use crate::ports::{Given, HandError, HandErrorKind, SetUpOrder};

const WHAT: &str = "setting up";
/// A file of variables at most, in bytes.
const ENV_LIMIT: u64 = 256 << 10;
/// How much of a failed command's output is told, in bytes; the log has more.
const TOLD: usize = 1500;

/// A command of `setup` that failed, and those that ran before it.
pub(super) struct SetupFailed {
    pub(super) commands: Vec<CommandRun>,
    pub(super) timed_out: bool,
}

/// Where a `setup` runs, and with what.
#[derive(Clone, Copy)]
pub(super) struct SetupSite<'a> {
    pub(super) place: &'a Place,
    pub(super) whose: Whose<'a>,
    pub(super) given: &'a Given,
    pub(super) outfit: &'a Outfit,
}

/// What came of the commands of a `setup`.
pub(super) type SetUp = Result<Vec<CommandRun>, SetupFailed>;

impl RealHands {
    pub(super) async fn make_ready(&self, order: &SetUpOrder, cancel: &CancellationToken) -> Result<(), HandError> {
        if cancel.is_cancelled() {
            return Err(cancelled(WHAT));
        }
        let (repo, run) = (&order.workspace.repo, &order.workspace.run);
        let place = self.options.places.place(repo, run)?;
        if let Some(file) = &order.given.provisions.env_file {
            let env = self.read_env(file).await?;
            self.options.places.keep_env(run, &env).await?;
            self.put_env(&place, &env).await?;
        }
        let mut transcript = Transcript::open(&self.options.logs, &order.label, self.options.redact.clone()).await;
        let whose = Whose { repo, run, step: None };
        let outfit = self.outfit(&place, whose, &order.given, cancel).await?;
        let site = SetupSite { place: &place, whose, given: &order.given, outfit: &outfit };
        let done = self.run_setup(site, Some(&mut transcript), cancel).await;
        outfit.close().await;
        match done? {
            Ok(_) => Ok(()),
            Err(failed) => Err(failed.error()),
        }
    }

    /// Runs the commands of `setup` one after the other until one fails.
    pub(super) async fn run_setup(
        &self,
        site: SetupSite<'_>,
        mut transcript: Option<&mut Transcript>,
        cancel: &CancellationToken,
    ) -> Result<SetUp, HandError> {
        let SetupSite { place, whose, given, outfit } = site;
        let mut commands = Vec::new();
        if given.provisions.setup.is_empty() {
            return Ok(Ok(commands));
        }
        let hosts: Vec<String> = self.options.network.iter().chain(&given.provisions.network).cloned().collect();
        let egress = self.open_egress(&whose.address(), &hosts).await?;
        let socket = egress.as_ref().map(|(_, socket)| socket.as_path());
        let deadline = Instant::now() + self.options.setup_limit;
        let mut failed = None;
        for command in &given.provisions.setup {
            let process = self.start_command(place, command, (socket, &Granted::default()), outfit, WHAT).await?;
            let finished = batch::run(process, deadline, &self.options.limits, &self.options.redact, cancel).await;
            let finished = finished.map_err(|error| environment(WHAT, error))?;
            if finished.stopped == Some(Stopped::Cancelled) {
                return Err(cancelled(WHAT));
            }
            let timed_out = finished.stopped == Some(Stopped::TimedOut);
            let ran = command_run(command, finished);
            if let Some(transcript) = transcript.as_deref_mut() {
                transcript.note(json!({"setup": command, "exit": ran.exit, "millis": ran.millis, "tail": ran.tail})).await;
            }
            let passed = ran.exit == Some(0);
            commands.push(ran);
            if !passed {
                failed = Some(timed_out);
                break;
            }
        }
        if let Some((egress, _)) = egress {
            let blocked = egress.blocked();
            egress.close().await;
            if !blocked.is_empty() {
                tracing::info!(?blocked, "setup asked for hosts that are not in `network` of the project");
                if let Some(transcript) = transcript {
                    transcript.note(json!({"blocked": blocked})).await;
                }
                if let Some(last) = commands.last_mut().filter(|_| failed.is_some()) {
                    last.tail =
                        format!("{}\n(hosts that are not in `network` of the project: {})", last.tail, blocked.join(", "));
                }
            }
        }
        Ok(match failed {
            None => Ok(commands),
            Some(timed_out) => Err(SetupFailed { commands, timed_out }),
        })
    }

    /// Reads the source of an env file; from here on its values are masked everywhere.
    pub(super) async fn read_env(&self, file: &EnvFile) -> Result<KeptEnv, HandError> {
        let from = file.from.clone();
        let read = tokio::task::spawn_blocking(move || read_source(&from)).await.map_err(|error| environment(WHAT, error))?;
        let text = read.map_err(|error| failed_setup(format!("the env file {} cannot be read: {error}", file.from.display())))?;
        let env = KeptEnv { to: file.to.clone(), text: text.into() };
        (self.options.learn)(env.text.expose_secret());
        Ok(env)
    }

    /// Whoever takes secrets out of texts knows those of a run's env file again, also in a process that did not read it.
    pub(super) async fn remember_env(&self, run: &RunId) -> Result<Option<KeptEnv>, HandError> {
        let kept = self.options.places.kept_env(run).await?;
        if let Some(env) = &kept {
            (self.options.learn)(env.text.expose_secret());
        }
        Ok(kept)
    }

    pub(super) async fn put_env(&self, place: &Place, env: &KeptEnv) -> Result<(), HandError> {
        let put = self.options.places.put_env(place, env).await;
        put.map_err(|error| failed_setup(format!("the env file cannot be put to {}: {}", env.to, error.why)))
    }
}

impl SetupFailed {
    /// As a failure of nobody's work.
    pub(super) fn error(&self) -> HandError {
        let Some(last) = self.commands.last() else { return failed_setup("it did not begin") };
        let seconds = last.millis as f64 / 1e3;
        let how = match (self.timed_out, last.exit) {
            (true, _) => format!("ran out of time (`setup` of [limits]) after {seconds:.1} s"),
            (false, Some(code)) => format!("ended with exit code {code} after {seconds:.1} s"),
            (false, None) => format!("was ended by a signal or a limit after {seconds:.1} s"),
        };
        let start = last.tail.ceil_char_boundary(last.tail.len().saturating_sub(TOLD));
        let tail = last.tail.get(start..).unwrap_or_default();
        failed_setup(format!("`{}` {how}\n{tail}", last.command).trim_end())
    }
}

/// What came of a command, in the words of evidence.
pub(super) fn command_run(command: &str, finished: Finished) -> CommandRun {
    let (exit, tail) = match finished.exit {
        Exit::Code(code) => (Some(code), finished.tail),
        Exit::Broken(how) => (None, format!("{}\n(ended by {how})", finished.tail).trim_start().to_owned()),
    };
    CommandRun {
        command: command.to_owned(),
        // A limit ended it, whatever it made of that.
        exit: exit.filter(|_| finished.stopped != Some(Stopped::TimedOut)),
        millis: u64::try_from(finished.took.as_millis()).unwrap_or(u64::MAX),
        tail,
    }
}

fn failed_setup(why: impl Into<String>) -> HandError {
    HandError { kind: HandErrorKind::Setup, what: WHAT.to_owned(), why: why.into() }
}

/// A regular file of bounded size; a pipe is not waited for.
fn read_source(from: &Path) -> io::Result<String> {
    let flags = i32::try_from((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC).bits()).unwrap_or_default();
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(PathBuf::from(from))?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(ENV_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ENV_LIMIT {
        return Err(io::Error::other(format!("it is larger than {ENV_LIMIT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
}
