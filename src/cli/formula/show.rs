//! `forgehand formula show NAME`: a formula as it is written. Where it comes from is told on stderr, so that the rest can be a new file.

use crate::cli::library::Library;
use crate::cli::{CliError, print_bytes};

/// Arguments of `formula show`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The formula
    name: String,
}

/// Prints it.
pub(super) fn run(library: &Library, arguments: &Arguments) -> Result<(), CliError> {
    let found = super::text(library, &arguments.name)?;
    match &found.own {
        Some(path) => anstream::eprintln!("from {}", path.display()),
        None => anstream::eprintln!("shipped; a file formulas/{}.toml beside the configuration takes its place", arguments.name),
    }
    print_bytes(found.text.as_bytes());
    Ok(())
}
