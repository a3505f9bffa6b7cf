//! `forgehand gc`: removes what is older than it is to be kept, and repacks mirrors. The daemon does the same once a day, `once` too.
//!
//! Beside a daemon that works nothing of a run that lives is touched (`workspace::leftovers`), and no mirror that one lives on (`git::tidy`).

use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;

use crate::git::{Git, Repacked, Worth};
use crate::journal::History;
use crate::ledger::Ledger;
use crate::model::{RepoName, Timestamp};
use crate::ports::{Clock, Repos};
use crate::workspace::{self, Care, Keep, Leftover, LeftoverKind};

use super::CliError;
use super::setup::{Setup, SystemClock, print_json};
use super::wiring;

/// The daemon looks so often whether a day has passed.
const LOOK: Duration = Duration::from_hours(1);
/// So often it is done by itself.
const EVERY: Duration = Duration::from_hours(24);
/// When that was last.
const DONE: &str = "gc.done";
/// Only one at a time.
const LOCK: &str = "gc.lock";
/// A person who asks for it gets it; by itself a mirror is repacked when it has become worth while.
const ASKED: Worth = Worth { packs: 1, loose: 0 };
const BY_ITSELF: Worth = Worth { packs: 20, loose: 2_000 };

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// JSON for scripts
    #[arg(long)]
    json: bool,
}

/// `gc --json`.
#[derive(Debug, Serialize)]
struct Report {
    dry_run: bool,
    removed: Vec<Removed>,
    /// Of all that was removed, or would be.
    bytes: u64,
    mirrors: Vec<Mirror>,
    /// What could not be removed, and why.
    failed: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Removed {
    kind: LeftoverKind,
    path: PathBuf,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Mirror {
    repo: RepoName,
    outcome: &'static str,
}

/// Does it now.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::load(config)?;
    super::block_on(async {
        let report = if setup.state_dir.exists() {
            let _alone = alone(&setup)?;
            sweep(&setup, arguments.dry_run, ASKED).await?
        } else {
            // Before the first start there is nothing, and it is not ours to make.
            Report::new(arguments.dry_run)
        };
        if arguments.json {
            return print_json(&report);
        }
        report.print();
        Ok(())
    })?
}

/// Goes on for as long as the daemon does: once a day.
pub(super) async fn now_and_then(setup: &(dyn Fn() -> Arc<Setup> + Send + Sync)) -> Infallible {
    loop {
        if_due(&setup()).await;
        tokio::time::sleep(LOOK).await;
    }
}

/// Where a day has passed. What goes wrong is for the log: it is tried again in an hour.
pub(super) async fn if_due(setup: &Setup) {
    let done = setup.state_dir.join(DONE);
    let last = std::fs::read_to_string(&done).ok().and_then(|text| text.trim().parse().ok()).map(Timestamp);
    let now = SystemClock.now();
    if last.is_some_and(|last| now.since(last) < EVERY) {
        return;
    }
    let swept = async {
        let _alone = alone(setup)?;
        sweep(setup, false, BY_ITSELF).await
    };
    match swept.await {
        Ok(report) => {
            tracing::info!(removed = report.removed.len(), bytes = report.bytes, "what was kept long enough is removed");
            for why in &report.failed {
                tracing::warn!(why, "something could not be removed");
            }
            if let Err(error) = std::fs::write(&done, now.0.to_string()) {
                tracing::warn!(%error, "when this was done cannot be written down; it is done again in an hour");
            }
        }
        Err(error) => tracing::warn!(error = error.sentence(), "what was kept long enough could not be removed"),
    }
}

fn alone(setup: &Setup) -> Result<File, CliError> {
    let path = setup.state_dir.join(LOCK);
    let failed = |e: std::io::Error| {
        CliError::environment(format!("{} cannot be locked", path.display()), e, "see whether there is a state folder yet")
    };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::usage("another `gc` is at work", "let it end")),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

async fn sweep(setup: &Setup, dry_run: bool, worth: Worth) -> Result<Report, CliError> {
    // No part of this talks to the forge.
    let git = wiring::open_git(setup, &setup.state_dir, SecretString::from(String::new()))?;
    let found = find(setup).await?;
    let repos = git
        .mirrored()
        .await
        .map_err(|e| CliError::environment("the mirrors cannot be listed", e, "see whether the state folder is readable"))?;
    let mut report = Report::new(dry_run);
    for leftover in found {
        if !dry_run && let Err(why) = remove(setup, &git, &repos, &leftover).await {
            report.failed.push(format!("{}: {why}", leftover.path.display()));
            continue;
        }
        report.bytes += leftover.bytes;
        report.removed.push(Removed { kind: leftover.kind, path: leftover.path, bytes: leftover.bytes });
    }
    let gone: Vec<&PathBuf> = report.removed.iter().filter(|r| r.kind == LeftoverKind::Mirror).map(|r| &r.path).collect();
    let gone = |repo: &RepoName| gone.iter().any(|path| path.file_stem().is_some_and(|stem| stem == repo.folder().as_str()));
    for repo in repos.iter().filter(|repo| !dry_run && !gone(repo)) {
        let outcome = match git.repack(repo, worth, &|| lives(setup, repo)).await {
            Ok(Repacked::Done) => "repacked",
            Ok(Repacked::Tidy) => "tidy",
            Ok(Repacked::InUse) => "in use",
            Err(why) => {
                report.failed.push(why.to_string());
                continue;
            }
        };
        report.mirrors.push(Mirror { repo: repo.clone(), outcome });
    }
    Ok(report)
}

async fn find(setup: &Setup) -> Result<Vec<Leftover>, CliError> {
    let ledger = known(setup)?;
    let retention = &setup.config.retention;
    let keep = Keep { runs: retention.workspaces, logs: retention.logs };
    let projects = || setup.config.projects.iter();
    let caching = projects().filter(|project| !project.provisions.caches.is_empty());
    let care = Care {
        caching: caching.map(|project| project.repo.clone()).collect(),
        projects: projects().map(|project| project.repo.clone()).collect(),
    };
    let (state_dir, now) = (setup.state_dir.clone(), SystemClock.now());
    let found = tokio::task::spawn_blocking(move || workspace::find_leftovers(&state_dir, &ledger, &care, keep, now)).await;
    let found = found.map_err(std::io::Error::other).flatten();
    found.map_err(|e| CliError::environment("the state folder cannot be read", e, "see whether it is readable"))
}

/// What the journal knows now; of its history nothing is asked.
fn known(setup: &Setup) -> Result<Ledger, CliError> {
    setup.ledger(&History::Since(Timestamp(i64::MAX)))
}

/// Whether a run lives on the mirror of a repository. What cannot be known counts as living.
fn lives(setup: &Setup, repo: &RepoName) -> bool {
    known(setup).map_or(true, |ledger| ledger.issues().any(|(subject, state)| subject.repo == *repo && state.has_run()))
}

/// Removes it, and what the mirrors kept for its run.
async fn remove(setup: &Setup, git: &Git, repos: &[RepoName], leftover: &Leftover) -> Result<(), String> {
    let mirror = leftover.path.file_stem().filter(|_| leftover.kind == LeftoverKind::Mirror);
    if let Some(repo) = mirror.and_then(|stem| repos.iter().find(|repo| stem == repo.folder().as_str())) {
        return git.drop_mirror(repo, &|| lives(setup, repo)).await.map_err(|e| e.to_string());
    }
    let gone = leftover.clone();
    let removed = tokio::task::spawn_blocking(move || workspace::remove_leftover(&gone)).await;
    removed.map_err(std::io::Error::other).flatten().map_err(|e| e.to_string())?;
    let Some(run) = &leftover.run else { return Ok(()) };
    for repo in repos.iter().filter(|repo| run.is_of(&repo.folder())) {
        git.forget(repo, run).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

impl Report {
    fn new(dry_run: bool) -> Self {
        Self { dry_run, removed: Vec::new(), bytes: 0, mirrors: Vec::new(), failed: Vec::new() }
    }

    fn print(&self) {
        let verb = if self.dry_run { "would remove" } else { "removed" };
        for removed in &self.removed {
            anstream::println!("{verb} {} ({})", removed.path.display(), megabytes(removed.bytes));
        }
        for mirror in self.mirrors.iter().filter(|mirror| mirror.outcome != "tidy") {
            let words = if mirror.outcome == "in use" { "not repacked, because a run lives on it" } else { mirror.outcome };
            anstream::println!("mirror of {}: {words}", mirror.repo);
        }
        for why in &self.failed {
            anstream::eprintln!("could not be removed: {why}");
        }
        anstream::println!("{verb} {} in all", megabytes(self.bytes));
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
