//! `forgehand cancel N`, or `cancel owner/name` for what runs about a project: leaves a command for the daemon, or for the next `once`.

use std::path::PathBuf;

use crate::model::Command;

use super::setup::Setup;
use super::{CliError, subject};

/// Arguments of `cancel`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The issue: 7, or owner/name#7; owner/name for the run about a project
    issue: String,
}

/// Leaves the command.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let subject = subject::issue_or_project(&setup.config, &arguments.issue)?;
    let what = if subject.is_project() { "has its run stopped" } else { "is stopped and handed to a person" };
    setup.leave(subject, what, |subject| Command::Cancel { subject })
}
