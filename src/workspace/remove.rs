//! Removing a tree that an agent wrote: links are not followed, folders without rights are opened up, and depth costs nothing.
//!
//! Every folder that is met is moved up into one heap and emptied there, so that there is no recursion and never more than a few open files:
//! a tree can be deeper than a stack or a path can be long.

use std::ffi::{CStr, CString};
use std::io::Result;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmod, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Removes the folder `tree`, which stands in `parent`. One that is gone is no error; a cut removal is finished by the next one.
pub(super) fn remove_tree(parent: &Path, tree: &Path) -> Result<()> {
    let Some(name) = tree.file_name() else { return Ok(()) };
    let mut heap = name.to_owned();
    heap.push("~gone");
    let heap_path = parent.join(&heap);
    match std::fs::create_dir(&heap_path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let heap_fd = rustix::fs::open(&heap_path, folder_flags(), Mode::empty())?;
    let mut number = 0;
    let parent_fd = rustix::fs::open(parent, folder_flags(), Mode::empty())?;
    let tree_name = CString::new(name.as_encoded_bytes())?;
    clear(&parent_fd, &tree_name, &heap_fd, &mut number)?;
    while let Some(next) = any_entry(&heap_fd)? {
        match empty(&heap_fd, &next, &mut number) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    unlinkat(CWD, &heap_path, AtFlags::REMOVEDIR).map_err(Into::into)
}

/// Removes a file of ours. One that is gone is no error.
pub(super) fn remove_if_there(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Empties a folder in the heap and removes it; its folders go to the heap.
fn empty(heap: &OwnedFd, name: &CStr, number: &mut u64) -> Result<()> {
    let folder = openat(heap, name, folder_flags(), Mode::empty())?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            clear(&folder, entry.file_name(), heap, number)?;
        }
    }
    // A folder that changed while it was read is not empty yet: it is still in the heap and comes again.
    match unlinkat(heap, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Takes one entry out of a folder: a folder goes to the heap, with rights to empty it, everything else goes.
fn clear(at: &OwnedFd, name: &CStr, heap: &OwnedFd, number: &mut u64) -> Result<()> {
    match unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e.into()),
    }
    let found = openat(at, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // Through the open folder, so that a link put in its place is not what gets the rights.
    chmod(format!("/proc/self/fd/{}", found.as_raw_fd()), Mode::RWXU)?;
    loop {
        *number += 1;
        match renameat(at, name, heap, number.to_string()) {
            // Left by a removal that was cut.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            other => return other.map_err(Into::into),
        }
    }
}

/// Any entry of the heap.
fn any_entry(heap: &OwnedFd) -> Result<Option<CString>> {
    for entry in Dir::read_from(heap)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Ok(Some(entry.file_name().to_owned()));
        }
    }
    Ok(None)
}

fn folder_flags() -> OFlags {
    OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY
}
