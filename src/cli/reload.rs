//! The configuration, its formulas, prompts and files of secrets, read anew while the daemon runs: when they change, and on SIGHUP.
//!
//! Promises: whole or not at all; one that is broken leaves the last good one in force, and is said once in the log and for as long as it
//! is so by `status`; what cannot be changed in a running process is said to take effect at the next start.
//!
//! Known race: a file is read while it is written. A change counts only when a second look, a moment later, finds the same; a mistake that
//! is read all the same is mended by the next change. What changes between the reading and the first look is not missed: a file counts as it was
//! before it was read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::SecretSource;
use crate::engine::{Renewal, Waker};
use crate::ports::Clock;
use crate::words;

use super::doorway::Doorway;
use super::in_force::{self, Broken, Report};
use super::run::notify;
use super::schedule::Schedule;
use super::setup::{Setup, SystemClock};
use super::wiring::{self, Shared};
use super::{CliError, Kind, telling, unheld};

/// How often the files are looked at: a few calls of `stat`.
const EVERY: Duration = Duration::from_secs(1);

/// The configuration in force, for all who ask.
#[derive(Clone)]
pub(super) struct Live(Arc<Mutex<Arc<Setup>>>);

impl Live {
    pub(super) fn new(setup: Setup) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(setup))))
    }

    pub(super) fn setup(&self) -> Arc<Setup> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, setup: Setup) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(setup);
    }
}

/// What of each file tells that it was changed.
pub(super) type Marks = Vec<(PathBuf, Option<(std::time::SystemTime, u64, u64)>)>;

/// Reads anew what changes.
pub(super) struct Reloader<'a> {
    live: Live,
    shared: Shared,
    renewals: mpsc::Sender<Renewal>,
    waker: Waker,
    doorway: Doorway<'a>,
    schedule: Option<Schedule>,
    hangup: Signal,
    /// The files as they were read last.
    read: Marks,
    /// As a look found them that they have been changed since.
    changed: Option<Marks>,
    report: Report,
}

impl<'a> Reloader<'a> {
    /// Begins with what is in force, whose files were as `read` says before they were read, and wakes by its schedule.
    pub(super) async fn start(
        live: Live,
        read: Marks,
        shared: Shared,
        renewals: mpsc::Sender<Renewal>,
        waker: Waker,
        doorway: Doorway<'a>,
    ) -> Result<Self, CliError> {
        let setup = live.setup();
        // Before anybody is told that we are ready: without it the signal would end us.
        let hangup = signal(SignalKind::hangup())
            .map_err(|e| CliError::environment("SIGHUP cannot be listened for", e, "see whether the machine is out of memory"))?;
        let schedule = Some(schedule(&setup, &waker).await?);
        let report = Report::new(&setup, SystemClock.now());
        in_force::keep(&setup)?;
        report.write(&setup.state_dir)?;
        Ok(Self { read, changed: None, live, shared, renewals, waker, doorway, schedule, hangup, report })
    }

    /// Goes on until it is dropped.
    pub(super) async fn watch(&mut self) {
        loop {
            let asked = tokio::select! {
                biased;
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            let found = marks(&self.live.setup());
            if asked || (found != self.read && self.changed.as_ref() == Some(&found)) {
                self.reload(found).await;
            } else {
                self.changed = (found != self.read).then_some(found);
            }
        }
    }

    /// Stops waking; the door is still open.
    pub(super) async fn stop(self) -> Doorway<'a> {
        if let Some(schedule) = self.schedule {
            schedule.stop().await;
        }
        self.doorway
    }

    async fn reload(&mut self, found: Marks) {
        let reloading = sd_notify::NotifyState::monotonic_usec_now().map(|now| vec![sd_notify::NotifyState::Reloading, now]);
        notify(&reloading.unwrap_or_default());
        (self.read, self.changed) = (found, None);
        match self.take_up().await {
            Ok(later) => {
                for key in &later {
                    tracing::warn!("{}", words::at_next_start(key));
                }
                unheld::log(&self.live.setup());
                tracing::info!("the configuration was read anew");
                // Files of secrets may have other names now; what changed while they were read is still to be read.
                let found = std::mem::take(&mut self.read);
                let before = |path: &PathBuf| found.iter().find(|(known, _)| known == path).map(|(_, mark)| *mark);
                let now = marks(&self.live.setup()).into_iter();
                self.read = now.map(|(path, mark)| (path.clone(), before(&path).unwrap_or(mark))).collect();
                self.report = Report { at_next_start: later, ..Report::new(&self.live.setup(), SystemClock.now()) };
            }
            Err(error) => {
                let mistakes = told(&error);
                if self.report.broken.as_ref().is_none_or(|broken| broken.mistakes != mistakes) {
                    tracing::error!("{}", words::broken_configuration(&mistakes, &self.report.since));
                    self.report.broken = Some(Broken { since: SystemClock.now().to_string(), mistakes });
                }
            }
        }
        if let Err(error) = self.report.write(&self.live.setup().state_dir) {
            tracing::error!("{}", told(&error).join("; "));
        }
        notify(&[sd_notify::NotifyState::Ready]);
    }

    /// Takes up what stands there, whole or not at all; answers with what takes effect at the next start.
    async fn take_up(&mut self) -> Result<Vec<String>, CliError> {
        let old = self.live.setup();
        let mut new = Setup::load(Some(old.file.clone()))?;
        let mut later = keep_fixed(&mut new, &old);
        let door = self.doorway.prepare(&new).await?;
        if door.at_next_start {
            later.push("`listen` of [daemon]".to_owned());
            new.config.daemon.listen = old.config.daemon.listen;
        }
        // A sandbox is tried out before it counts as one.
        let (renewal, recipients) = tokio::task::block_in_place(|| wiring::renew(&new, &mut self.shared))?;
        if new.config.daemon.poll != old.config.daemon.poll {
            let next = schedule(&new, &self.waker).await?;
            if let Some(before) = self.schedule.replace(next) {
                before.stop().await;
            }
        }
        in_force::keep(&new)?;
        self.shared.notifier.replace(recipients, &telling::fold());
        self.doorway.take_up(&new, door).await;
        self.live.set(new);
        // Refused only where the engine has ended, which ends us too.
        let _ended = self.renewals.send(renewal).await;
        Ok(later)
    }
}

/// What a running process cannot change stays as it was; answers with what that is.
fn keep_fixed(new: &mut Setup, old: &Setup) -> Vec<String> {
    let mut later = Vec::new();
    let mut keep = |changed: bool, what: &str| later.extend(changed.then(|| what.to_owned()));
    let (daemon, before) = (&mut new.config.daemon, &old.config.daemon);
    keep(new.state_dir != old.state_dir, "`state_dir` of [daemon]");
    new.state_dir.clone_from(&old.state_dir);
    keep(new.config.forge.url != old.config.forge.url, "`url` of [forge]");
    new.config.forge.url.clone_from(&old.config.forge.url);
    keep(daemon.log != before.log, "`log` of [daemon]");
    daemon.log = before.log;
    later
}

async fn schedule(setup: &Setup, waker: &Waker) -> Result<Schedule, CliError> {
    Schedule::start(&setup.config.daemon.poll, waker.clone())
        .await
        .map_err(|e| CliError::new(Kind::Usage, "the schedule could not be started", "check `poll` of [daemon]").because(e))
}

/// The files that a configuration is made of, secrets included, as they are now.
pub(super) fn marks(setup: &Setup) -> Marks {
    use std::os::unix::fs::MetadataExt;
    let mut files = vec![setup.file.clone()];
    for part in Setup::PARTS {
        files.extend(in_force::files_below(&setup.folder.join(part)));
    }
    let forge = &setup.config.forge;
    files.extend(forge.ca_file.clone());
    // Credentials of the model are read for each call anyway.
    let tokens = setup.config.agents.iter().filter_map(|agent| agent.token.as_ref());
    let addresses = setup.config.notify.iter().filter_map(|notify| telling::kept(&notify.by));
    let own = [Some(&forge.token), forge.rights_token.as_ref(), setup.config.daemon.webhook_secret.as_ref()];
    for source in own.into_iter().flatten().chain(tokens).chain(addresses) {
        if let SecretSource::File(path) = source {
            files.push(path.clone());
        }
    }
    let mark = |path: PathBuf| {
        let about = std::fs::metadata(&path).ok().and_then(|m| Some((m.modified().ok()?, m.len(), m.ino())));
        (path, about)
    };
    files.into_iter().map(mark).collect()
}

/// An error as lines for logs.
fn told(error: &CliError) -> Vec<String> {
    error.lines().into_iter().map(|(what, help)| format!("{what} ({help})")).collect()
}
