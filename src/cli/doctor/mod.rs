//! `forgehand doctor`: everything that a run needs, a line each with what to do. It proves by doing where it can: a sandbox is started, a
//! claim is pushed and given back, a model call is made.
//!
//! Promises: one broken thing does not hide the others; nothing is changed that is not given back at once; it can be run beside a daemon.
//! The exit status is that of the first failure in the order configuration, forge, machine, because what comes first often explains what
//! comes later; warnings do not count.

mod files;
mod forge;
mod given;
mod machine;
mod merging;
mod model;
mod operations;
mod people;
mod protection;
mod skeleton;
mod webhook;

use std::path::PathBuf;

use serde::Serialize;

use super::setup::{self, Setup};
use super::{CliError, Kind};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// JSON for scripts
    #[arg(long)]
    json: bool,
    /// Make a tiny call to the model too, which costs a fraction of a cent
    #[arg(long)]
    online: bool,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    says: String,
    mend: Option<String>,
    #[serde(skip)]
    kind: Option<Kind>,
}

impl Check {
    fn ok(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, says: says.into(), mend: None, kind: None }
    }

    fn warn(name: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, says: says.into(), mend: Some(mend.into()), kind: None }
    }

    fn fail(kind: Kind, name: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, says: says.into(), mend: Some(mend.into()), kind: Some(kind) }
    }

    /// What a command would have failed with.
    fn error(name: &'static str, error: &CliError) -> Self {
        Self::fail(error.kind(), name, error.says(), error.hint().unwrap_or("see what it says"))
    }
}

/// What was found, in order.
#[derive(Debug, Default, Serialize)]
struct Report {
    checks: Vec<Check>,
}

impl Report {
    fn worst(&self) -> Status {
        self.checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
    }

    /// What decides the exit code; none where all is well enough.
    fn kind(&self) -> Option<Kind> {
        let failed = |kind: Kind| self.checks.iter().any(|check| check.kind == Some(kind)).then_some(kind);
        [Kind::Usage, Kind::Forge, Kind::Environment, Kind::Internal].into_iter().find_map(failed)
    }
}

/// What is looked at.
struct Patient {
    setup: Setup,
    /// Whether the configuration names a forge that can be asked, as opposed to what was put in its place.
    has_forge: bool,
}

/// Looks at everything.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let report = super::block_on(examine(config, arguments))?;
    if arguments.json {
        let worst = report.worst();
        setup::print_json(&serde_json::json!({ "checks": report.checks, "worst": worst }))?;
    } else {
        print(&report);
    }
    match report.kind() {
        None => Ok(()),
        Some(kind) => Err(CliError::told(kind)),
    }
}

async fn examine(config: Option<PathBuf>, arguments: &Arguments) -> Report {
    let mut report = Report::default();
    let patient = configuration(config, &mut report);
    let checks = &mut report.checks;
    files::examine(&patient, checks);
    machine::examine(&patient, checks).await;
    model::examine(&patient, arguments.online, checks).await;
    given::examine(&patient, checks).await;
    if patient.has_forge {
        forge::examine(&patient, checks).await;
    }
    report
}

/// The configuration, or what can be used of it.
fn configuration(config: Option<PathBuf>, report: &mut Report) -> Patient {
    match Setup::load(config.clone()) {
        Ok(setup) => {
            let projects = setup.config.projects.len();
            let says = format!("{}, {projects} project{}", setup.file.display(), if projects == 1 { "" } else { "s" });
            report.checks.push(Check::ok("configuration", says));
            Patient { setup, has_forge: true }
        }
        Err(error) => {
            let lines = error.lines();
            report.checks.extend(lines.into_iter().map(|(says, mend)| Check::fail(error.kind(), "configuration", says, mend)));
            // What a daemon goes on with tells more than what still reads.
            match Setup::in_force(config.clone()) {
                Some(setup) => Patient { setup, has_forge: true },
                None => skeleton::patient(setup::find_file(config)),
            }
        }
    }
}

fn print(report: &Report) {
    for check in &report.checks {
        let status = match check.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        anstream::println!("{status}  {:<14} {}", check.name, check.says);
        if let Some(mend) = &check.mend {
            anstream::println!("      {:<14} -> {mend}", "");
        }
    }
    let count = |status| report.checks.iter().filter(|check| check.status == status).count();
    match (count(Status::Fail), count(Status::Warn)) {
        (0, 0) => anstream::println!("all is well"),
        (fails, warns) => anstream::println!("{fails} to mend, {warns} to know of"),
    }
}
