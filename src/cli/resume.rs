//! `forgehand resume [PROJECT|N]`: takes a pause back.

use std::path::PathBuf;

use crate::model::{Command, Scope};

use super::CliError;
use super::setup::Setup;
use super::subject;

/// Arguments of `resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What was paused: a project (owner/name) or an issue (7, or owner/name#7); everything where it is left out
    what: Option<String>,
}

/// Leaves the command.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let what = subject::scope(&setup.config, arguments.what.as_deref())?;
    let (known, when) = setup.order(&Command::Resume { what: what.clone() })?;
    let paused: Vec<&Scope> = known.ledger.pauses(known.now).map(|(scope, _)| scope).collect();
    // A pause that was left a moment ago is not in the journal yet, so the order is left in any case.
    let was = if paused.contains(&&what) { "" } else { " (as far as the journal tells it was not paused)" };
    anstream::println!("{what} goes on {when}{was}");
    let others: Vec<String> = paused.into_iter().filter(|scope| **scope != what).map(ToString::to_string).collect();
    if !others.is_empty() {
        anstream::println!("still paused: {}", others.join(", "));
    }
    Ok(())
}
