//! `forgehand run`: the daemon.

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::engine::{self, Ended, Mode, Stop};
use crate::ports::Doors;

use super::doorway::Doorway;
use super::reload::{self, Live, Reloader};
use super::setup::Setup;
use super::visitors::Visitors;
use super::{CliError, gc, standing, unheld, wiring};

/// How long notices may take at the end.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs until it is told to stop.
pub(super) fn run(config: Option<PathBuf>, _arguments: &Arguments, doors: &dyn Doors) -> Result<(), CliError> {
    let setup = Setup::load(config)?;
    super::block_on(daemon(setup, doors))?
}

async fn daemon(setup: Setup, doors: &dyn Doors) -> Result<(), CliError> {
    // Before any of them is read: what changes from here on is a change.
    let files = reload::marks(&setup);
    let parts = wiring::build(&setup, true)?;
    let (waker, mut wakes) = engine::wakes();
    let (stop, stopped) = watch::channel(Stop::No);
    let (renew, renewals) = tokio::sync::mpsc::channel(1);
    let live = Live::new(setup);
    let setup = live.setup();
    let visitors = Visitors::new(&setup, waker.clone(), parts.counters);
    let doorway = Doorway::open(doors, visitors.clone(), &setup).await?;
    let mut reloader = Reloader::start(live.clone(), files, parts.shared, renew, waker, doorway).await?;
    let (seen, heard) = (visitors.clone(), visitors);
    let measured = live.clone();
    let mut say = standing::Sayer::new(&setup);
    let mut engine = parts.engine.drain_for(setup.config.daemon.drain).renew_from(renewals);
    engine = engine.measure(Box::new(move || measured.setup().room()));
    engine = engine.listen(Box::new(move |_, events, ledger| heard.heard(events, ledger)));
    engine = engine.observe(Box::new(move |core| {
        say.look(core);
        notify_alive();
        seen.stepped(core);
    }));
    notify(&[sd_notify::NotifyState::Ready]);
    unheld::log(&setup);
    tracing::info!(projects = setup.config.projects.len(), state = %setup.state_dir.display(), "forgehand watches");
    let in_force = || live.setup();
    let ended = tokio::select! {
        biased;
        ended = engine.run(Mode::Daemon, &mut wakes, stopped) => ended,
        () = reloader.watch() => Ok(Ended::Stopped),
        never = gc::now_and_then(&in_force) => match never {},
        () = stop_on_signals(&stop) => Err(crate::ports::JournalError::Storage {
            what: "stopping".into(),
            why: "stopped at once; what was under way is looked up at the next start".into(),
        }.into()),
    };
    notify(&[sd_notify::NotifyState::Stopping]);
    let doorway = reloader.stop().await;
    drop(engine);
    parts.post.close(GRACE).await;
    super::logging::end().await;
    doorway.close().await;
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
pub(super) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
