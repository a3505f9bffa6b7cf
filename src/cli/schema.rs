//! `forgehand schema`: the JSON schema of `forgehand.toml`, for editors.

use super::CliError;

/// Prints it.
pub(super) fn run() -> Result<(), CliError> {
    super::setup::print_json(&crate::config::schema())
}
