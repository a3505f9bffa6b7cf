//! `forgehand run`: the daemon.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::engine::{Mode, Stop};

use super::schedule::Schedule;
use super::setup::Setup;
use super::wiring;
use super::{CliError, Kind};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs until it is told to stop.
pub(super) fn run(config: Option<PathBuf>, _arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::load(config)?;
    super::runtime()?.block_on(daemon(setup))
}

async fn daemon(setup: Setup) -> Result<(), CliError> {
    let parts = wiring::build(&setup, true)?;
    let (wake, mut wakes) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(Stop::No);
    let schedule = Schedule::start(&setup.config.daemon.poll, wake)
        .await
        .map_err(|e| CliError::new(Kind::Usage, "the schedule could not be started", "check `poll` of [daemon]").because(e))?;
    let mut engine = parts.engine.drain_for(setup.config.daemon.drain).observe(Box::new(|_| notify_alive()));
    notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(projects = setup.config.projects.len(), state = %setup.state_dir.display(), "forgehand watches");
    let credentials = || setup.has_credentials();
    super::once::say_credentials(&setup)?;
    let ended = tokio::select! {
        biased;
        ended = engine.run(Mode::Daemon, &mut wakes, stopped, &credentials) => ended,
        () = stop_on_signals(&stop) => Err(crate::ports::JournalError::Storage {
            what: "stopping".into(),
            why: "stopped at once; what was under way is looked up at the next start".into(),
        }.into()),
    };
    notify(&[sd_notify::NotifyState::Stopping]);
    schedule.stop().await;
    ended.map(|_| ()).map_err(CliError::from)
}

/// The first TERM or INT drains; the second one stops at once.
async fn stop_on_signals(stop: &watch::Sender<Stop>) {
    interrupted().await;
    tracing::info!("stopping: nothing new is started, agents may end; once more stops at once");
    stop.send_replace(Stop::Drain);
    interrupted().await;
    stop.send_replace(Stop::Now);
    // Agents get their TERM and a moment; a third signal does not wait for them.
    interrupted().await;
}

/// Waits for TERM or INT.
pub(super) async fn interrupted() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

fn notify_alive() {
    notify(&[sd_notify::NotifyState::Watchdog]);
}

/// Tells systemd, if there is one.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
