//! One writer: a lock file that the kernel gives back when its holder dies, with the holder's pid in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::ports::JournalError;

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
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            // The holder may be between taking the lock and writing its pid: then it is told as 0.
            let _unreadable = file.read_to_string(&mut pid);
            return Err(JournalError::Busy { pid: pid.trim().parse().unwrap_or(0) });
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

/// The state folder holds transcripts and the journal: nobody else reads it.
fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Whether somebody holds the lock.
pub(super) fn is_held(state_dir: &Path) -> bool {
    let Ok(file) = File::open(state_dir.join("journal.lock")) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}
