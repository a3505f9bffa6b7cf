//! One writer: a lock file that the kernel gives back when its holder dies, with the holder's pid in it.
//!
//! Known race: the lock is held a moment longer than its holder lives where that was killed between a fork and its exec, because the child has
//! a copy of the file; and `status` holds it for an instant to see whether anybody does. So a lock whose file names nobody who lives is waited
//! for. (A lock of `fcntl` goes to no child, but is lost when any other copy of the file is closed in its process.)

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, test_kill_process};

use crate::ports::JournalError;

/// How long a lock is waited for that nobody alive says to hold, and how often it is tried.
const LEFT_OVER: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(10);

/// Held while the journal is open for writing.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    pub(super) fn take(state_dir: &Path) -> Result<Self, JournalError> {
        let failed = |what: String, why: &dyn std::fmt::Display| JournalError::Storage { what, why: why.to_string() };
        make_private(state_dir).map_err(|e| failed(format!("making {}", state_dir.display()), &e))?;
        let path = state_dir.join("journal.lock");
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open().map_err(|e| failed(format!("opening {}", path.display()), &e))?;
        let mut waited = Duration::ZERO;
        while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = read_pid(&mut file);
            if waited >= LEFT_OVER || holder.is_some_and(lives) {
                return Err(JournalError::Busy { pid: holder.and_then(|pid| pid.as_raw_pid().try_into().ok()).unwrap_or(0) });
            }
            std::thread::sleep(AGAIN);
            waited += AGAIN;
        }
        let mut write = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write().map_err(|e| failed(format!("writing {}", path.display()), &e))?;
        Ok(Self { _file: file })
    }
}

/// Who says to hold the lock. None where the holder is between taking it and writing its pid.
fn read_pid(file: &mut File) -> Option<Pid> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

fn lives(pid: Pid) -> bool {
    // Whoever is another user's lives. We hold no lock that we ask for: if it is ours by its pid, a child of ours has it.
    pid != rustix::process::getpid() && test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

/// The state folder holds transcripts and the journal: nobody else reads it.
fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The pid of who holds the lock; 0 where it cannot be read.
pub(super) fn holder(state_dir: &Path) -> Option<u32> {
    let pid = || std::fs::read_to_string(state_dir.join("journal.lock")).ok()?.trim().parse().ok();
    is_held(state_dir).then(|| pid().unwrap_or(0))
}

/// Whether somebody holds the lock.
pub(super) fn is_held(state_dir: &Path) -> bool {
    let Ok(file) = File::open(state_dir.join("journal.lock")) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the lock of a folder from elsewhere, under this pid.
    fn held(dir: &Path, pid: &str) -> File {
        std::fs::write(dir.join("journal.lock"), pid).expect("a file");
        let file = File::open(dir.join("journal.lock")).expect("a file");
        flock(&file, FlockOperation::NonBlockingLockExclusive).expect("free");
        file
    }

    #[test]
    fn a_lock_that_only_a_leftover_holds_is_waited_for_and_one_of_the_living_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let us = format!("{}\n", std::process::id());
        for gone in ["2147483647\n", "", &us] {
            let leftover = held(dir.path(), gone);
            let ends = std::thread::spawn(move || {
                std::thread::sleep(AGAIN * 5);
                drop(leftover);
            });
            let taken = WriterLock::take(dir.path()).expect("its holder is gone");
            ends.join().expect("ends");
            drop(taken);
        }
        let _living = held(dir.path(), "1\n");
        let busy = WriterLock::take(dir.path()).expect_err("somebody has it");
        assert!(matches!(busy, JournalError::Busy { pid: 1 }), "{busy:?}");
    }
}
