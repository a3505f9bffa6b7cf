//! Keeps the records in a folder: a log to which each change is appended as one line, before its request is answered.
//!
//! A process that is killed loses nothing that it answered: a line is written with one call, and a torn last line (the
//! machine went down in the middle of it) is dropped when the log is read again. Opening writes the log anew, without what
//! was overtaken, beside the old one and renames it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::state::{Change, State};

/// The records could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder is another process's.
    #[error("{} is in use by another localforge: stop that one, or name another folder", .0.display())]
    Taken(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// A line of the log makes no sense.
    #[error("{} line {line}: {source} (the folder was written by another version?)", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What went wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// The first line of a log: what it is.
const HEADER: &str = "{\"localforge\":1}";

/// The open log of a folder.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    log: File,
    /// Held as long as the store is open.
    _lock: File,
}

fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::File { path: path.to_owned(), source })
}

impl Store {
    /// Opens a folder and fills the state with what it holds.
    pub fn open(folder: &Path, state: &mut State) -> Result<Self, StoreError> {
        // Nobody else's business: there are digests of passwords in it.
        at(folder, DirBuilder::new().recursive(true).mode(0o700).create(folder))?;
        let lock_path = folder.join("lock");
        let lock = at(&lock_path, OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path))?;
        if lock.try_lock().is_err() {
            return Err(StoreError::Taken(folder.to_owned()));
        }
        let path = folder.join("forge.log");
        if at(&path, path.try_exists())? {
            read(&path, state)?;
        }
        state.index();
        let log = rewrite(&path, state)?;
        Ok(Self { path, log, _lock: lock })
    }

    /// Appends the changes of one request.
    pub fn append(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let line = line(&self.path, changes)?;
        at(&self.path, self.log.write_all(line.as_bytes()))
    }
}

fn line(path: &Path, changes: &[Change]) -> Result<String, StoreError> {
    let text = serde_json::to_string(changes).map_err(|source| StoreError::Line { path: path.to_owned(), line: 0, source })?;
    Ok(text + "\n")
}

fn read(path: &Path, state: &mut State) -> Result<(), StoreError> {
    let mut reader = BufReader::new(at(path, File::open(path))?);
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        if at(path, reader.read_line(&mut text))? == 0 || !text.ends_with('\n') {
            break;
        }
        if line == 1 && text.trim_end() == HEADER {
            continue;
        }
        let changes: Vec<Change> =
            serde_json::from_str(&text).map_err(|source| StoreError::Line { path: path.to_owned(), line, source })?;
        for change in changes {
            state.load(change).map_err(|source| StoreError::Line { path: path.to_owned(), line, source })?;
        }
    }
    Ok(())
}

/// Writes what is known as a new log and opens it for appending.
fn rewrite(path: &Path, state: &mut State) -> Result<File, StoreError> {
    let new = path.with_extension("new");
    let mut writer = BufWriter::new(at(&new, File::create(&new))?);
    at(&new, writer.write_all(format!("{HEADER}\n").as_bytes()))?;
    let records = state.snapshot().map_err(|source| StoreError::Line { path: new.clone(), line: 0, source })?;
    for record in records {
        at(&new, writer.write_all(line(&new, &[record])?.as_bytes()))?;
    }
    let file = at(&new, writer.into_inner().map_err(std::io::IntoInnerError::into_error))?;
    at(&new, file.sync_all())?;
    at(path, std::fs::rename(&new, path))?;
    at(path, OpenOptions::new().append(true).open(path))
}
