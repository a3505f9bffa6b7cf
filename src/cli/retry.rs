//! `forgehand retry N`: leaves a command for the daemon, or for the next `once`.

use std::path::PathBuf;

use crate::model::Command;

use super::setup::Setup;
use super::{CliError, subject};

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The issue: 7, or owner/name#7
    issue: String,
}

/// Leaves the command.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let subject = subject::parse(&setup.config, &arguments.issue)?;
    setup.leave(subject, "is handed to an agent again", |subject| Command::Retry { subject, given: None })
}
