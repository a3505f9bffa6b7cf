//! A file that lies in a tree and belongs to nobody's commit: put in and taken out through folders that were opened with no-follow, because
//! an agent may have been in the tree.
//!
//! Races known: a process killed half-way leaves a part of the file; putting it in again makes it anew. git is told to overlook it before it
//! is there.

use std::fs::File;
use std::io::{Error, Result, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

/// Puts a file at `to`, only for its owner to read. Folders on the way are made; a link or a file in the place of one is an error.
pub(super) fn put(tree: &Path, to: &str, text: &[u8]) -> Result<()> {
    write(tree, ".git/info/exclude", format!("{}\n", pattern(to)).as_bytes())?;
    write(tree, to, text)
}

/// Takes it out again, if it can be found without following anything.
pub(super) fn take(tree: &Path, to: &str) -> Result<()> {
    let Ok((folder, name)) = folder_of(tree, to, false) else { return Ok(()) };
    match unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn write(tree: &Path, to: &str, text: &[u8]) -> Result<()> {
    let (folder, name) = folder_of(tree, to, true)?;
    match unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(Errno::ISDIR | Errno::PERM) => return Err(in_the_way(to, "a folder")),
        Err(e) => return Err(e.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(&folder, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(text)
}

/// The folder that a path lies in, opened, and the last part of the path.
fn folder_of<'p>(tree: &Path, to: &'p str, make: bool) -> Result<(OwnedFd, &'p str)> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let mut folder = openat(CWD, tree, flags, Mode::empty())?;
    let (folders, name) = to.rsplit_once('/').map_or((None, to), |(folders, name)| (Some(folders), name));
    for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
        if part == ".." || part == "." || part.is_empty() {
            return Err(Error::other(format!("{to} leads elsewhere")));
        }
        if make {
            match mkdirat(&folder, part, Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(e.into()),
            }
        }
        folder = match openat(&folder, part, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(in_the_way(part, "a file or a link")),
            Err(e) => return Err(e.into()),
        };
    }
    Ok((folder, name))
}

/// Makes the folders of a path. What is in the place of one and is none goes: it is an agent's, in a HOME that is its own.
pub(super) fn make_way(home: &Path, path: &str) -> Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let mut folder = openat(CWD, home, flags, Mode::empty())?;
    for part in path.split('/') {
        let next = match openat(&folder, part, flags, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                unlinkat(&folder, part, AtFlags::empty())?;
                None
            }
            Err(Errno::NOENT) => None,
            Err(e) => return Err(e.into()),
            Ok(next) => Some(next),
        };
        folder = match next {
            Some(next) => next,
            None => {
                mkdirat(&folder, part, Mode::RWXU)?;
                openat(&folder, part, flags, Mode::empty())?
            }
        };
    }
    Ok(())
}

fn in_the_way(what: &str, is: &str) -> Error {
    Error::other(format!("{is} is in the way at {what}"))
}

/// The path as git's ignore rules name it and nothing else.
fn pattern(to: &str) -> String {
    let mut pattern = String::from("/");
    for c in to.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '!' | '#' | ' ') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_one_path() {
        assert_eq!(pattern("App/.env"), "/App/.env");
        assert_eq!(pattern("a b/*[x]?#!"), "/a\\ b/\\*\\[x\\]\\?\\#\\!");
    }

    #[test]
    fn nothing_is_followed_and_what_is_in_the_way_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let (tree, host) = (dir.path().join("tree"), dir.path().join("host"));
        std::fs::create_dir_all(tree.join(".git")).expect("made");
        std::fs::create_dir_all(&host).expect("made");
        std::fs::write(host.join("env"), "untouched").expect("written");
        std::os::unix::fs::symlink(&host, tree.join("App")).expect("linked");
        std::os::unix::fs::symlink(host.join("env"), tree.join("env")).expect("linked");
        let refused = put(&tree, "App/env", b"A=1").expect_err("a link is in the way");
        assert!(refused.to_string().contains("in the way at App"), "{refused}");
        put(&tree, "env", b"A=1").expect("the link itself gives way");
        assert_eq!(std::fs::read_to_string(host.join("env")).expect("there"), "untouched");
        assert_eq!(std::fs::read_to_string(tree.join("env")).expect("there"), "A=1");
        assert_eq!(std::fs::read_to_string(tree.join(".git/info/exclude")).expect("there"), "/env\n");
        take(&tree, "App/env").expect("nothing to take");
        take(&tree, "env").expect("taken");
        assert!(host.join("env").exists() && !tree.join("env").exists());
        assert!(put(&tree, "../out", b"A=1").is_err());
        // A HOME whose way to the cache leads to the host.
        std::os::unix::fs::symlink(&host, tree.join(".cache")).expect("linked");
        make_way(&tree, ".cache/pnpm/store").expect("the link gives way");
        assert!(tree.join(".cache/pnpm/store").is_dir() && !host.join("pnpm").exists());
        make_way(&tree, ".cache/pnpm/store").expect("made already");
        std::fs::create_dir(tree.join("folder")).expect("made");
        assert!(put(&tree, "folder", b"A=1").expect_err("a folder").to_string().contains("a folder is in the way"));
    }
}
