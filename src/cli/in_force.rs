//! What a daemon has in force, told to other processes: a copy of its configuration in the state folder, and a report on the one that
//! stands in the file now.
//!
//! Promises: with a configuration that is broken, commands that only look or leave an order work on the copy, as long as the daemon
//! that wrote it lives. The copy holds what the configuration holds, and no secret is written there that was not in it.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

use super::CliError;
use super::setup::Setup;

/// Files of formulas and prompts that are copied at most, and how long one may be.
const FILES: usize = 500;
const LENGTH: u64 = 1 << 20;

/// What a daemon says of its configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// Its file.
    pub(super) file: PathBuf,
    /// When what is in force was read.
    pub(super) since: String,
    /// What is wrong with what stands there now.
    pub(super) broken: Option<Broken>,
    /// What was changed and takes effect at the next start.
    pub(super) at_next_start: Vec<String>,
}

/// A configuration that is not taken up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Broken {
    /// Since when.
    pub(super) since: String,
    /// A line for each mistake.
    pub(super) mistakes: Vec<String>,
}

impl Report {
    pub(super) fn new(setup: &Setup, now: Timestamp) -> Self {
        Self { file: setup.file.clone(), since: now.to_string(), broken: None, at_next_start: Vec::new() }
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, state_dir: &Path) -> Result<(), CliError> {
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(state_dir)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.persist(report_in(state_dir))?;
            Ok(())
        };
        write().map_err(|e| not_written(state_dir, &e))
    }
}

/// What the daemon that lives on a state folder says of its configuration; none where no daemon lives.
pub(super) fn report(state_dir: &Path) -> Option<Report> {
    let text = std::fs::read(report_in(state_dir)).ok().filter(|_| crate::journal::is_written(state_dir))?;
    serde_json::from_slice(&text).ok()
}

/// Copies what is in force.
pub(super) fn keep(setup: &Setup) -> Result<(), CliError> {
    let (folder, new) = (copy_in(&setup.state_dir), setup.state_dir.join("configuration.new"));
    let write = || -> std::io::Result<()> {
        absent(std::fs::remove_dir_all(&new))?;
        std::fs::create_dir_all(&new)?;
        std::fs::write(new.join("forgehand.toml"), &setup.text)?;
        for part in Setup::PARTS {
            copy_files(&setup.folder.join(part), &new.join(part))?;
        }
        absent(std::fs::remove_dir_all(&folder))?;
        std::fs::rename(&new, &folder)
    };
    write().map_err(|e| not_written(&setup.state_dir, &e))
}

/// What the daemon of a broken configuration has in force; none where no daemon lives on it.
pub(super) fn find(file: &Path, home: &Path) -> Option<Setup> {
    let file = std::path::absolute(file).ok()?;
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let named = state_dir_of(&text).map(|dir| match dir.strip_prefix("~") {
        Ok(rest) => home.join(rest),
        Err(_) => file.parent().unwrap_or(Path::new("")).join(dir),
    });
    let places = named.into_iter().chain([super::setup::default_state_dir(home)]);
    let state_dir = places.into_iter().find(|dir| report(dir).is_some_and(|report| report.file == file))?;
    let folder = copy_in(&state_dir);
    let kept = std::fs::read(folder.join("forgehand.toml")).ok()?;
    let setup = Setup::parse(file, kept).ok()?;
    Some(Setup { folder, state_dir, ..setup })
}

/// The state folder that a text names which need not be TOML in whole.
fn state_dir_of(text: &str) -> Option<PathBuf> {
    let mut values = text.lines().filter_map(|line| {
        let value = line.trim_start().strip_prefix("state_dir")?.trim_start().strip_prefix('=')?;
        // The line alone is TOML, or it cannot be told.
        let table: toml::Table = format!("state_dir ={value}").parse().ok()?;
        table.get("state_dir")?.as_str().map(PathBuf::from)
    });
    values.next_back()
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for file in files_below(from) {
        let Ok(place) = file.strip_prefix(from) else { continue };
        let target = to.join(place);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if std::fs::metadata(&file).is_ok_and(|m| m.len() <= LENGTH) {
            absent(std::fs::copy(&file, &target).map(drop))?;
        }
    }
    Ok(())
}

/// The files of a folder and of the folders in it, in order; links are followed, as they are where a formula is read.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![(folder.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() && depth < 4 {
                folders.push((path, depth + 1));
            } else if path.is_file() && found.len() < FILES {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn report_in(state_dir: &Path) -> PathBuf {
    state_dir.join("configuration.json")
}

fn copy_in(state_dir: &Path) -> PathBuf {
    state_dir.join("configuration")
}

/// What is gone already is as good as removed.
fn absent(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn not_written(state_dir: &Path, why: &std::io::Error) -> CliError {
    let what = format!("what is in force cannot be kept in {}", state_dir.display());
    CliError::environment(what, why, "see whether the state folder is writable and the disk has room")
}
