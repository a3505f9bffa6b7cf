//! What a project's `setup` has fetched, kept for later runs: one folder for each base commit and set of commands, with a folder for each
//! cached path in it.
//!
//! Promises: what stands under its name is whole: it is made aside and moved into place. It is written only while it is made, and nothing
//! that an agent wrote is ever copied into it. A new one begins with a copy of the newest, never with links to it, since somebody may still
//! read that.
//!
//! Races known: two runs that would make the same one are kept apart by the caller. What a killed daemon left half-made is removed when
//! the next one is begun. One that is in use is not removed: the caller names those.

use std::fs;
use std::io::{Error, Result};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{blocking, remove};
use crate::model::RepoName;
use crate::ports::HandError;

/// What one is called while it is made.
const MAKING: &str = "new~";
/// How many of a project are kept beside those in use: the next run of an older base may be near.
const KEPT: usize = 2;

/// All caches of a daemon.
#[derive(Clone, Debug)]
pub struct Caches {
    folder: PathBuf,
}

impl Caches {
    /// Caches under `state_dir/caches`, made when they are needed.
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("caches") }
    }

    fn of(&self, repo: &RepoName) -> PathBuf {
        self.folder.join(repo.folder())
    }

    /// A cache that is whole; none if it was not made yet.
    pub async fn find(&self, repo: &RepoName, key: &str) -> std::result::Result<Option<PathBuf>, HandError> {
        let place = self.of(repo).join(key);
        blocking("looking for a cache", move || Ok(super::is_folder(&place)?.then_some(place))).await
    }

    /// A folder to make one in, with these parts in it, as the newest has them.
    pub async fn begin(&self, repo: &RepoName, parts: Vec<String>) -> std::result::Result<PathBuf, HandError> {
        let project = self.of(repo);
        blocking("beginning a cache", move || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&project)?;
            for stale in named(&project, |name| name.starts_with(MAKING))? {
                remove::remove_tree(&project, &stale)?;
            }
            let room = tempfile::Builder::new().prefix(MAKING).tempdir_in(&project)?.keep();
            let newest = by_age(&project)?.pop();
            for part in parts {
                let (new, old) = (room.join(&part), newest.as_ref().map(|newest| newest.join(&part)));
                match old.filter(|old| old.is_dir()) {
                    Some(old) => copy_tree(&old, &new)?,
                    None => fs::create_dir(new)?,
                }
            }
            Ok(room)
        })
        .await
    }

    /// It is whole: from now on it is found under its key. Of the older ones go those that are not in use.
    pub async fn keep(
        &self,
        repo: &RepoName,
        key: &str,
        room: PathBuf,
        in_use: Vec<PathBuf>,
    ) -> std::result::Result<PathBuf, HandError> {
        let project = self.of(repo);
        let place = project.join(key);
        blocking("keeping a cache", move || {
            // Its files before its name, also where the power fails.
            rustix::fs::syncfs(fs::File::open(&room)?)?;
            fs::rename(&room, &place)?;
            let mut old = by_age(&project)?;
            old.retain(|other| *other != place && !in_use.contains(other));
            old.truncate(old.len().saturating_sub(KEPT - 1));
            for gone in old {
                remove::remove_tree(&project, &gone)?;
            }
            Ok(place)
        })
        .await
    }

    /// It came to nothing.
    pub async fn give_up(&self, repo: &RepoName, room: PathBuf) -> std::result::Result<(), HandError> {
        let project = self.of(repo);
        blocking("giving a cache up", move || remove::remove_tree(&project, &room)).await
    }
}

/// Puts a copy of one part where somebody without a sandbox may write in it; what is there already stays.
pub(super) fn lend(part: &Path, to: &Path) -> Result<()> {
    if fs::symlink_metadata(to).is_ok() {
        return Ok(());
    }
    if let Some(above) = to.parent() {
        fs::create_dir_all(above)?;
    }
    copy_tree(part, to)
}

/// The whole ones, the oldest first.
fn by_age(project: &Path) -> Result<Vec<PathBuf>> {
    let mut whole: Vec<(SystemTime, PathBuf)> = Vec::new();
    for path in named(project, |name| !name.contains('~'))? {
        whole.push((fs::symlink_metadata(&path)?.modified()?, path));
    }
    whole.sort();
    Ok(whole.into_iter().map(|(_, path)| path).collect())
}

fn named(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&wanted) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Folders, files and links as they are, with the rights they have; sockets and pipes are left out. The file system may share what the
/// files hold until one of them is written.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let mut rights = Vec::new();
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::DirBuilder::new().mode(0o700).create(&to)?;
        rights.push((to.clone(), fs::symlink_metadata(&from)?.permissions()));
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, new) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                folders.push((entry.path(), new));
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(entry.path())?, new)?;
            } else if kind.is_file() {
                fs::copy(entry.path(), new).map_err(|e| Error::other(format!("{}: {e}", entry.path().display())))?;
            }
        }
    }
    // A folder without the right to write takes no more files: last, and the deepest first.
    for (folder, rights) in rights.into_iter().rev() {
        fs::set_permissions(folder, fs::Permissions::from_mode(rights.mode() & 0o7777 | 0o500))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    #[tokio::test]
    async fn a_cache_is_whole_or_not_there_and_a_new_one_begins_with_the_newest() {
        let dir = tempfile::tempdir().expect("a folder");
        let (caches, repo): (_, RepoName) = (Caches::new(dir.path()), "o/r".parse().expect("a name"));
        let parts = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(caches.find(&repo, "k1").await.expect("looked"), None);
        let room = caches.begin(&repo, parts()).await.expect("begun");
        write(&room.join("a/deep/file"), "one");
        std::os::unix::fs::symlink("deep/file", room.join("a/link")).expect("linked");
        fs::set_permissions(room.join("a/deep"), fs::Permissions::from_mode(0o555)).expect("set");
        assert_eq!(caches.find(&repo, "k1").await.expect("looked"), None, "half-made is not there");
        let kept = caches.keep(&repo, "k1", room, Vec::new()).await.expect("kept");
        assert_eq!(caches.find(&repo, "k1").await.expect("looked"), Some(kept.clone()));

        let second = caches.begin(&repo, parts()).await.expect("begun");
        let mode = fs::metadata(second.join("a/deep")).expect("there").permissions().mode() & 0o777;
        assert_eq!((fs::read_to_string(second.join("a/link")).expect("followed").as_str(), mode), ("one", 0o555));
        fs::set_permissions(second.join("a/deep"), fs::Permissions::from_mode(0o755)).expect("set");
        write(&second.join("a/deep/file"), "two");
        assert_eq!(fs::read_to_string(kept.join("a/deep/file")).expect("there"), "one", "a copy, no link");
        // The process is killed here: what is begun next does not trip over it.
        let third = caches.begin(&repo, parts()).await.expect("begun");
        assert!(!second.exists() && third.exists());
        caches.give_up(&repo, third.clone()).await.expect("given up");
        assert!(!third.exists());
    }

    #[tokio::test]
    async fn old_ones_go_unless_they_are_in_use() {
        let dir = tempfile::tempdir().expect("a folder");
        let (caches, repo): (_, RepoName) = (Caches::new(dir.path()), "o/r".parse().expect("a name"));
        let mut used = Vec::new();
        for key in ["k1", "k2", "k3", "k4"] {
            let room = caches.begin(&repo, vec!["a".to_owned()]).await.expect("begun");
            let kept = caches.keep(&repo, key, room, used.clone()).await.expect("kept");
            if key == "k1" {
                used.push(kept);
            }
        }
        let mut left = Vec::new();
        for key in ["k1", "k2", "k3", "k4"] {
            left.push(caches.find(&repo, key).await.expect("looked").is_some());
        }
        assert_eq!(left, [true, false, true, true], "k1 is in use, k4 the newest, one more is kept");
    }
}
