//! `forgehand once`: looks, acts, waits for what it started, and ends when nothing more can move now. For cron.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::engine::{self, Core, Mode, Stop};
use crate::journal::History;
use crate::model::{AtGate, Timestamp, Wait};
use crate::ports::Clock;
use crate::words;

use super::gc;
use super::setup::{Setup, SystemClock, room};
use super::wiring;
use super::{CliError, Kind, board::Board, standing, unheld};

/// Arguments of `once`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Start at most this many runs
    #[arg(long, value_name = "N")]
    max: Option<u32>,
    /// Start nothing after this time, as in 2h, and let what runs end
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    for_: Option<std::time::Duration>,
    /// Print the plan and change nothing
    #[arg(long)]
    dry_run: bool,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::config::parse_duration(text).ok_or_else(|| "write it as 90s, 30m or 2h".to_owned())
}

/// Runs until nothing more can move now.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::load(config)?;
    if arguments.dry_run {
        return super::block_on(dry_run(&setup))?;
    }
    super::block_on(once(&setup, arguments))?
}

async fn once(setup: &Setup, arguments: &Arguments) -> Result<(), CliError> {
    let parts = match wiring::build(setup, false) {
        // Another one is at work: that is what cron is for.
        Err(error) if error.is_busy() => return Ok(()),
        parts => parts?,
    };
    unheld::log(setup);
    let (_waker, mut wakes) = engine::wakes();
    let (stop, stopped) = watch::channel(Stop::No);
    let mut say = standing::Sayer::new(setup);
    let (state_dir, floor) = (setup.state_dir.clone(), setup.config.retention.disk_floor);
    let engine = parts.engine.drain_for(setup.config.daemon.drain).limit_starts(arguments.max);
    let mut engine = engine.measure(Box::new(move || room(&state_dir, floor)));
    engine = engine.observe(Box::new(move |core| say.look(core)));
    let before = engine.core().ledger().seq;
    let ended = tokio::select! {
        biased;
        ended = engine.run(Mode::Once, &mut wakes, stopped) => ended,
        () = stop_after(&stop, arguments.for_) => return Ok(()),
    };
    ended.map_err(CliError::from)?;
    gc::if_due(setup).await;
    let moved = engine.core().ledger().seq > before + 1;
    report(engine.core(), moved, SystemClock.now());
    let (violation, troubles) = (engine.alarm().cloned(), engine.troubles());
    drop(engine);
    parts.post.close(super::run::GRACE).await;
    super::logging::end().await;
    if let Some(violation) = violation {
        let what = format!("a plan broke a rule of its own and was not carried out: {violation}");
        return Err(CliError::new(Kind::Internal, what, "please report this, with `forgehand logs`"));
    }
    match troubles.as_slice() {
        [] => Ok(()),
        [(repo, trouble), ..] => Err(CliError::trouble(repo, trouble)),
    }
}

/// After `--for` nothing is started and what runs may end; a signal drains, a second one stops at once.
async fn stop_after(stop: &watch::Sender<Stop>, limit: Option<std::time::Duration>) {
    let limit = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = super::run::interrupted() => {}
        () = limit => {}
    }
    stop.send_replace(Stop::Drain);
    super::run::interrupted().await;
    stop.send_replace(Stop::Now);
    super::run::interrupted().await;
}

/// What was done is for the log; what is waited for by time is printed with its time.
fn report(core: &Core, moved: bool, now: Timestamp) {
    for (subject, wait) in &core.plan().waits {
        let names = setup_names(core, subject);
        let timed = match wait {
            Wait::Backoff { until, .. }
            | Wait::AccountPaused { until, .. }
            | Wait::Retry { until, .. }
            | Wait::Again { until, .. }
            | Wait::Gate { waits: AtGate::Time { until }, .. }
            | Wait::Claimed { until, .. } => *until > now,
            Wait::Budget { until, .. } | Wait::Paused { until, .. } | Wait::SignInEnded { until, .. } => until.is_some(),
            _ => false,
        };
        if moved && timed {
            anstream::println!("{subject}: {}", words::wait(wait, &names));
        }
    }
}

fn setup_names(core: &Core, subject: &crate::model::Subject) -> crate::model::LabelNames {
    core.policy().projects.get(&subject.repo).map(|p| p.labels.clone()).unwrap_or_default()
}

/// Looks, plans, prints, and changes nothing: neither on the forge nor in the journal.
async fn dry_run(setup: &Setup) -> Result<(), CliError> {
    let preview = wiring::preview(setup).await?;
    for (subject, intent) in &preview.would {
        anstream::println!("would {} on {subject}", words::intent(intent));
    }
    let core = &preview.core;
    let begun = standing::begun(&setup.ledger(&History::Since(SystemClock.now()))?);
    let first = core.policy().projects.keys().filter(|repo| !begun.contains(*repo));
    for line in first.flat_map(|repo| standing::lines(core, repo)) {
        anstream::println!("{line}");
    }
    let board = Board::new(core.ledger(), core.policy(), SystemClock.now(), |subject| core.plan().waits.get(subject).cloned());
    for line in board.lines(setup.config.projects.len() > 1) {
        anstream::println!("{line}");
    }
    match core.ledger().projects.iter().find_map(|(repo, p)| Some((repo, &p.trouble.as_ref()?.trouble))) {
        None => Ok(()),
        Some((repo, trouble)) => Err(CliError::trouble(repo, trouble)),
    }
}
