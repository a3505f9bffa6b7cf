//! Lock files that a killed git left in a workspace, removed without following anything in it.

use std::ffi::CString;
use std::io::Result;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

/// How far down refs are looked through, and how many entries in all: an agent can make any number of either.
const DEPTH: usize = 16;
const ENTRIES: usize = 100_000;

/// Removes `.git/*.lock` and `.git/refs/**/*.lock` of a tree that an agent wrote. A `.git` or `refs` that is no folder of its own is
/// left alone. What goes is the name in the folder that was opened, never what a link points to.
pub(super) fn remove_stale(tree: &Path) -> Result<()> {
    let Some(tree) = open_folder(rustix::fs::CWD, tree)? else { return Ok(()) };
    let Some(git) = open_folder(&tree, ".git")? else { return Ok(()) };
    let mut left = ENTRIES;
    sweep(&git, &mut left)?;
    let Some(refs) = open_folder(&git, "refs")? else { return Ok(()) };
    let mut level = vec![refs];
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for folder in &level {
            for name in sweep(folder, &mut left)? {
                // Open folders are bounded too; a branch deeper or wider than this keeps its lock, and git says so.
                if next.len() < 256 {
                    next.extend(open_folder(folder, name.as_c_str())?);
                }
            }
        }
        level = next;
    }
    Ok(())
}

/// Removes the lock files of one folder; answers with the folders in it.
fn sweep(folder: &OwnedFd, left: &mut usize) -> Result<Vec<CString>> {
    let mut folders = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if *left == 0 {
            break;
        }
        *left -= 1;
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Directory) => folders.push(name.to_owned()),
            Ok(_) if name.to_bytes().ends_with(b".lock") => unlinkat(folder, name, AtFlags::empty())?,
            Ok(_) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(folders)
}

/// Opens a folder, if it is one and no link to one.
fn open_folder(at: impl AsFd, name: impl rustix::path::Arg) -> Result<Option<OwnedFd>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    match openat(at, name, flags, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT | Errno::ACCESS) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
