//! `forgehand export [FILE]`: the journal as lines of JSON, beside a daemon that goes on.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::journal::{self, ExchangeError, JournalReader};

use super::setup::Setup;
use super::{CliError, Kind};

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to; standard output where it is left out. A file that is there is not written over
    file: Option<PathBuf>,
}

/// Writes the journal out.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::load(config)?;
    let Some(journal) = JournalReader::open(&setup.state_dir)? else {
        return Err(CliError::usage("there is no journal yet", "it begins with the first `forgehand once` or `run`"));
    };
    match &arguments.file {
        None => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            match journal::export(&journal, &mut out) {
                // Whoever closed the pipe has seen enough.
                Err(ExchangeError::Io(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                other => other.map(drop).map_err(CliError::from),
            }
        }
        Some(file) => {
            let exported = to_file(&journal, file)?;
            anstream::println!("{}: {} events", file.display(), exported.events);
            Ok(())
        }
    }
}

/// Whole or not at all, and for our own user alone: it holds titles and what agents did.
fn to_file(journal: &JournalReader, file: &Path) -> Result<journal::Exported, CliError> {
    let failed = |e: std::io::Error| {
        CliError::environment(format!("{} cannot be written", file.display()), e, "name another file, or remove that one")
    };
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut room = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let exported = {
        let mut out = BufWriter::new(room.as_file_mut());
        let exported = journal::export(journal, &mut out)?;
        out.flush().map_err(failed)?;
        exported
    };
    room.as_file().sync_all().map_err(failed)?;
    room.persist_noclobber(file).map_err(|e| failed(e.error))?;
    Ok(exported)
}

impl From<ExchangeError> for CliError {
    fn from(error: ExchangeError) -> Self {
        let (kind, hint) = match error {
            ExchangeError::Journal(error) => return error.into(),
            ExchangeError::Line { .. } => (Kind::Usage, "nothing was imported; export it again, or mend that line"),
            ExchangeError::TooNew { .. } => (Kind::Usage, "nothing was imported; install that version"),
            ExchangeError::NotEmpty(_) => {
                (Kind::Usage, "nothing was imported; name an empty `state_dir` in [daemon], or move that one away")
            }
            ExchangeError::Io(_) => (Kind::Environment, "see whether the file is readable and the disk has room"),
        };
        Self::new(kind, error.to_string(), hint)
    }
}
