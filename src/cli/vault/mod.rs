//! `forgehand vault`: what decides how much something could break, and whether it may go ahead.

mod classify;

use std::path::PathBuf;

use clap::Subcommand;

use super::CliError;

/// Arguments of `vault`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell the tier of a pull request or of a range of commits, and each reason
    Classify(classify::Arguments),
}

/// Does it.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        Command::Classify(a) => classify::run(config, a),
    }
}
