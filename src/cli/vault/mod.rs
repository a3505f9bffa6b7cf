//! `forgehand vault`: what decides how much something could break, and whether it may go ahead.

mod classify;
mod decide;
mod known;
mod list;
mod request;
mod show;
mod unwritten;

use std::path::PathBuf;

use clap::Subcommand;

use super::CliError;

pub(super) use unwritten::unwritten;

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
    /// List the actions of the operations repository: asked for, merged, done
    List(list::Arguments),
    /// Show an action: its file, its tier with each reason, and what is recorded of it
    Show(show::Arguments),
    /// Ask for an action by a pull request, after its file was checked
    Request(request::Arguments),
    /// Approve the pull request that asks for an action, on the forge and as yourself
    Approve(decide::Arguments),
    /// Reject an action: its pull request is closed, or what is merged is recorded as rejected
    Reject(decide::Arguments),
    /// Record that a merged action is done by you
    Done(decide::Arguments),
}

/// Does it.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        Command::Classify(a) => classify::run(config, a),
        Command::List(a) => list::run(config, a),
        Command::Show(a) => show::run(config, a),
        Command::Request(a) => request::run(config, a),
        Command::Approve(a) => decide::run(config, a, decide::Decision::Approve),
        Command::Reject(a) => decide::run(config, a, decide::Decision::Reject),
        Command::Done(a) => decide::run(config, a, decide::Decision::Done),
    }
}
