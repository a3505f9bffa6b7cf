//! `forgehand man [DIR]`: the manual, made from the same descriptions as `--help`.

use std::path::PathBuf;

use super::CliError;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write a page for each command into this folder, instead of printing the first one
    dir: Option<PathBuf>,
}

/// Prints or writes it.
pub(super) fn run(command: clap::Command, arguments: &Arguments) -> Result<(), CliError> {
    let Some(dir) = &arguments.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|e| unwritable("the page", e))?;
        super::print_bytes(&page);
        return Ok(());
    };
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(command, dir))
        .map_err(|e| unwritable(&dir.display().to_string(), e))
}

fn unwritable(what: &str, error: std::io::Error) -> CliError {
    CliError::environment(format!("{what} could not be written"), error, "name a folder that you may write to")
}
