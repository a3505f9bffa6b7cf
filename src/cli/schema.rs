//! `forgehand schema`: the JSON schema of `forgehand.toml`, or of a formula, for editors; and the page of documentation that is made from it.

use super::CliError;
use crate::{config, formula};

/// What is printed.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// That of a formula
    #[arg(long)]
    formula: bool,
    /// The page of documentation about formulas, in Markdown
    #[arg(long, requires = "formula")]
    markdown: bool,
}

/// Prints it.
pub(super) fn run(args: &Arguments) -> Result<(), CliError> {
    if args.markdown {
        super::print_bytes(formula::page().as_bytes());
        Ok(())
    } else if args.formula {
        super::setup::print_json(&formula::schema())
    } else {
        super::setup::print_json(&config::schema())
    }
}
