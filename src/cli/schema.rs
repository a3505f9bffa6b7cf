//! `forgehand schema`: the JSON schema of `forgehand.toml`, of a formula or of an action of the vault, for editors; and the page of documentation that is made from it.

use super::CliError;
use crate::{config, formula, vault};

/// What is printed.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// That of a formula
    #[arg(long)]
    formula: bool,
    /// That of an action of the vault, `vault/actions/*.toml` of the operations repository
    #[arg(long, conflicts_with = "formula")]
    vault_action: bool,
    /// The page of documentation about formulas, in Markdown
    #[arg(long, requires = "formula")]
    markdown: bool,
}

/// Prints it.
pub(super) fn run(args: &Arguments) -> Result<(), CliError> {
    if args.markdown {
        super::print_bytes(formula::page().as_bytes());
        Ok(())
    } else if args.vault_action {
        super::setup::print_json(&vault::schema())
    } else if args.formula {
        super::setup::print_json(&formula::schema())
    } else {
        super::setup::print_json(&config::schema())
    }
}
