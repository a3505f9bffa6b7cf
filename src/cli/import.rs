//! `forgehand import FILE`: a journal that `export` wrote, into a state folder that has nothing in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::journal;

use super::CliError;
use super::setup::Setup;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file; `-` is standard input
    file: PathBuf,
}

/// Reads the journal in.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::load(config)?;
    let imported = if arguments.file == Path::new("-") {
        journal::import(&setup.state_dir, &mut std::io::stdin().lock())?
    } else {
        let file = std::fs::File::open(&arguments.file).map_err(|e| {
            CliError::usage(format!("{} cannot be read", arguments.file.display()), "name a file that `forgehand export` wrote")
                .because(e)
        })?;
        let mut file: Box<dyn BufRead> = Box::new(BufReader::new(file));
        journal::import(&setup.state_dir, &mut file)?
    };
    anstream::println!("{}: {} events", setup.state_dir.display(), imported.events);
    anstream::println!("it is the same journal: the daemon that it comes from must not be started again");
    Ok(())
}
