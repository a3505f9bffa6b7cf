//! What is left of runs and days gone by: workspaces that were kept for a person, throw-away repositories, logs and transcripts, caches,
//! ports and mirrors that nobody asks for any more.
//!
//! Promises: nothing of a run that lives is named or touched, however old it is; of the others only what is older than it is to be kept.
//! Of a project that has caches the newest one stays, and a mirror stays as long as a workspace that borrows its objects does. No link is
//! followed.
//!
//! Races known: a run that starts while this looks. A run's name is never used again, so what belongs to none that lives now will belong
//! to none that lives later; what a new run makes is new, and so is not old enough. A port that is handed out anew while its old entry is
//! removed has an entry of another run by then, and stays. A base branch that goes back to where it was can ask for a cache in the moment
//! that it goes: its setup fails, and is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use crate::ledger::Ledger;
use crate::model::{RepoName, RunId, Timestamp};

use super::remove;

/// How long what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// What is left of a run.
    pub runs: Duration,
    /// Logs and transcripts.
    pub logs: Duration,
}

/// What kind of thing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A workspace, of an agent or a verification.
    Workspace,
    /// A throw-away repository.
    Intake,
    /// The texts that a run was given.
    Texts,
    /// What an agent and its verification said.
    Transcript,
    /// A day's log.
    Log,
    /// What a setup fetched, for a base that is old or a project that has no caches any more.
    Cache,
    /// Which run has a port.
    Port,
    /// The mirror of a repository that is no project any more.
    Mirror,
}

/// What the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Care {
    /// The projects.
    pub projects: BTreeSet<RepoName>,
    /// Those of them that have caches.
    pub caching: BTreeSet<RepoName>,
}

/// Something that is older than it is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
    /// The run that it was for.
    pub run: Option<RunId>,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
}

/// Entries of a folder whose sizes are added up at most: an agent can make any number.
const ENTRIES: usize = 1_000_000;

/// Free space where a path is, in bytes, for whoever is not root.
pub fn room(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// What can go, by what is known.
pub fn find(state_dir: &Path, ledger: &Ledger, care: &Care, keep: Keep, now: Timestamp) -> Result<Vec<Leftover>> {
    let (ends, before) = (ends(ledger), now - keep.runs);
    // Whose run lives may be reading a cache, and borrows from a mirror.
    let at_work = ledger.issues().filter(|(_, state)| state.has_run()).map(|(subject, _)| subject.repo.folder());
    let at_work: BTreeSet<String> = at_work.collect();
    let mut found = caches(&state_dir.join("caches"), &care.caching, &at_work, before)?;
    found.extend(ports(&state_dir.join("ports"), ledger, before)?);
    let folders = [
        ("work", Kind::Workspace),
        ("verify/work", Kind::Workspace),
        ("setup/work", Kind::Workspace),
        ("intake", Kind::Intake),
        ("texts", Kind::Texts),
    ];
    let mut kept = Vec::new();
    for (folder, kind) in folders {
        for (path, name, written) in entries(&state_dir.join(folder))? {
            let run = RunId(run_of(&name).to_owned());
            let since = ends.get(&run).copied().unwrap_or_default().max(written);
            if ledger.subject_of(&run).is_none() && now.since(since) > keep.runs {
                found.push(Leftover { kind, bytes: size(&path), path, run: Some(run) });
            } else {
                kept.push(run);
            }
        }
    }
    for (path, folder) in mirrors(&state_dir.join("mirrors"), before)? {
        let named = care.projects.iter().any(|repo| repo.folder() == folder);
        if !named && !at_work.contains(&folder) && !kept.iter().any(|run| run.is_of(&folder)) {
            found.push(Leftover { kind: Kind::Mirror, bytes: size(&path), path, run: None });
        }
    }
    let mut files = entries(&state_dir.join("runs"))?;
    let folders: Vec<PathBuf> = files.iter().map(|(path, ..)| path.clone()).filter(|path| is_folder(path)).collect();
    files.retain(|(path, ..)| !is_folder(path));
    for folder in folders {
        files.extend(entries(&folder)?);
    }
    let logs = files.into_iter().map(|file| (Kind::Transcript, file));
    for (kind, (path, _, written)) in logs.chain(entries(&state_dir.join("logs"))?.into_iter().map(|file| (Kind::Log, file))) {
        if now.since(written) > keep.logs && !is_folder(&path) {
            found.push(Leftover { kind, bytes: size(&path), path, run: None });
        }
    }
    Ok(found)
}

/// Caches that were made before a time: all of a project that has none any more, and all but the newest of one that has.
fn caches(folder: &Path, caching: &BTreeSet<RepoName>, at_work: &BTreeSet<String>, before: Timestamp) -> Result<Vec<Leftover>> {
    let caching: BTreeSet<String> = caching.iter().map(RepoName::folder).collect();
    let mut found = Vec::new();
    for (project, name, written) in entries(folder)?.into_iter().filter(|(_, name, _)| !at_work.contains(name)) {
        let mut made = entries(&project)?;
        made.sort_by_key(|(_, name, written)| (name.contains('~'), *written));
        let newest = made.iter().rposition(|(_, name, _)| !name.contains('~'));
        let whole = !caching.contains(&name);
        if whole && made.iter().map(|(.., written)| *written).max().unwrap_or_default().max(written) < before {
            found.push(Leftover { kind: Kind::Cache, bytes: size(&project), path: project, run: None });
            continue;
        }
        for (at, (path, _, written)) in made.into_iter().enumerate() {
            if written < before && (whole || Some(at) != newest) {
                found.push(Leftover { kind: Kind::Cache, bytes: size(&path), path, run: None });
            }
        }
    }
    Ok(found)
}

/// Mirrors that were fetched into last before a time, with the names that their repositories have in folders of ours.
fn mirrors(folder: &Path, before: Timestamp) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for (path, name, written) in entries(folder)? {
        let Some(name) = name.strip_suffix(".git").filter(|_| is_folder(&path)) else { continue };
        let fetched = path.join("FETCH_HEAD").symlink_metadata().map_or(written, |meta| modified(&meta));
        if fetched.max(written) < before {
            found.push((path, name.to_owned()));
        }
    }
    Ok(found)
}

/// Ports of runs that live no more, noted before a time.
fn ports(folder: &Path, ledger: &Ledger, before: Timestamp) -> Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for (path, ..) in entries(folder)?.into_iter().filter(|(.., written)| *written < before) {
        let run = holder(&path);
        if run.as_ref().is_none_or(|run| ledger.subject_of(run).is_none()) {
            found.push(Leftover { kind: Kind::Port, bytes: size(&path), path, run });
        }
    }
    Ok(found)
}

/// The run that a port's entry names.
fn holder(entry: &Path) -> Option<RunId> {
    let text = std::fs::read_to_string(entry).ok()?;
    Some(RunId::from(text.split(' ').nth(1)?))
}

/// Removes it. What is gone already is no error. Of a mirror the caller has the lock.
pub fn remove(leftover: &Leftover) -> Result<()> {
    let gone = match leftover.kind {
        Kind::Port if holder(&leftover.path) != leftover.run => Ok(()),
        Kind::Workspace | Kind::Cache => match leftover.path.parent() {
            Some(parent) => remove::remove_tree(parent, &leftover.path),
            None => Ok(()),
        },
        Kind::Intake | Kind::Mirror => std::fs::remove_dir_all(&leftover.path),
        Kind::Texts | Kind::Transcript | Kind::Log | Kind::Port => std::fs::remove_file(&leftover.path),
    };
    match gone {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// When runs ended, as far as the issues still tell.
fn ends(ledger: &Ledger) -> BTreeMap<RunId, Timestamp> {
    ledger.issues().filter_map(|(_, state)| state.last.as_ref()).map(|last| (last.run.clone(), last.ended)).collect()
}

/// The run that a folder or file is for: half-made and half-removed ones carry its name before a `~`.
fn run_of(name: &str) -> &str {
    let name = name.split('~').next().unwrap_or(name);
    name.strip_suffix(".git").or_else(|| name.strip_suffix(".json")).unwrap_or(name)
}

/// What is in a folder, with its name and when it was written to last; nothing where there is no folder.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, String, Timestamp)>> {
    let listed = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry?;
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        found.push((entry.path(), entry.file_name().to_string_lossy().into_owned(), modified(&meta)));
    }
    found.sort();
    Ok(found)
}

fn modified(meta: &Metadata) -> Timestamp {
    let written = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Timestamp(i64::try_from(written.as_millis()).unwrap_or(i64::MAX))
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

/// What a tree takes on the disk; what cannot be read counts as nothing.
fn size(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let (mut bytes, mut left, mut paths) = (0, ENTRIES, vec![path.to_owned()]);
    while let Some(path) = paths.pop() {
        let Ok(meta) = path.symlink_metadata() else { continue };
        bytes += meta.blocks() * 512;
        if meta.is_dir() && left > 0 {
            let inside = std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
            let before = paths.len();
            paths.extend(inside.take(left));
            left -= paths.len() - before;
        }
    }
    bytes
}
