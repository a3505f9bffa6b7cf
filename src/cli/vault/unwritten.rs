//! What somebody decided of an action at a terminal and the operations repository did not take.
//!
//! Promises: the record is kept below the state folder, and `status` says so until there is one in the repository. Race known: two who decide of
//! one action at once; the later record takes the place of the earlier.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::cli::CliError;
use crate::model::{ActionRecord, Timestamp};
use crate::words;

/// The records of people are told from those of runs by this.
const PREFIX: &str = "decided-";

/// Where the record of a file in the operations repository is kept.
pub(super) struct Unwritten(PathBuf);

impl Unwritten {
    pub(super) fn of(state_dir: &Path, file: &str) -> Self {
        Self(folder(state_dir).join(format!("{PREFIX}{}", file.replace('/', "-"))))
    }

    /// Keeps it; the error says where.
    pub(super) fn keep(&self, text: &str, error: CliError) -> CliError {
        let write = || -> std::io::Result<()> {
            let folder = self.0.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.0)?;
            Ok(())
        };
        match write() {
            Ok(()) => error.and_hint(format!("what was to be written is kept in {}", self.0.display())),
            Err(why) => error.and_hint(format!("what was to be written could not be kept in {}: {why}", self.0.display())),
        }
    }

    /// There is a record.
    pub(super) fn forget(&self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.0.display(), %error, "what is recorded by now stays here");
        }
    }
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("unwritten")
}

/// All that there is, as people are told, each with its time.
pub(in crate::cli) fn unwritten(state_dir: &Path) -> Vec<(String, Timestamp)> {
    let entries = std::fs::read_dir(folder(state_dir)).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    let told = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let record: Option<ActionRecord> = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let since = entry.metadata().ok().and_then(|about| about.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        let since = since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default();
        (words::unwritten_record(record.as_ref().map(|record| record.id.as_str()), &path), Timestamp(since))
    };
    let mut all: Vec<(String, Timestamp)> = ours.map(told).collect();
    all.sort();
    all
}
