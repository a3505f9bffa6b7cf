//! Our own files: the state folder, the disk under it, the journal, the formulas.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{statfs, statvfs};

use super::skeleton::nearest_existing;
use super::{Check, Patient};
use crate::cli::{CliError, Kind};
use crate::journal::{self, JournalReader};
use crate::model::JournalId;

/// Below this no run should start: a clone, its build and the journal need room.
const DISK_FAIL: u64 = 1 << 30;
const DISK_WARN: u64 = 5 << 30;
/// File systems on which locks and SQLite's WAL are not to be relied on, by their magic numbers.
const NETWORK: [(i64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
];

pub(super) fn examine(patient: &Patient, checks: &mut Vec<Check>) {
    let dir = &patient.setup.state_dir;
    let state = state(dir);
    checks.push(state);
    checks.push(disk(dir));
    checks.push(journal(dir));
    checks.push(match patient.setup.policy(JournalId(String::new())) {
        Ok(_) => Check::ok("formulas", "they load"),
        Err(error) => {
            let (says, mend) = error.lines().into_iter().next().unwrap_or_default();
            Check::fail(Kind::Usage, "formulas", says, mend)
        }
    });
}

fn state(dir: &Path) -> Check {
    const NAME: &str = "state";
    let there = nearest_existing(dir);
    let fail = |says: String, mend: &str| Check::fail(Kind::Environment, NAME, says, mend);
    let meta = match std::fs::metadata(&there) {
        Ok(meta) => meta,
        Err(e) => return fail(format!("{}: {e}", there.display()), "name another folder by `state_dir` in [daemon]"),
    };
    if !meta.is_dir() {
        let what = format!("{} is in the way of the state folder {}: it is not a folder", there.display(), dir.display());
        return fail(what, "move it away, or name another folder by `state_dir` in [daemon]");
    }
    // Tried rather than read off the rights: only doing tells of read-only file systems and of access lists.
    if let Err(e) = tempfile::tempfile_in(&there) {
        return fail(format!("{} cannot be written: {e}", there.display()), "give it to the user that forgehand runs as");
    }
    if let Some(kind) = network(&there) {
        let says = format!("{} lies on {kind}: locks and the journal are not safe there", there.display());
        return Check::warn(NAME, says, "put `state_dir` of [daemon] on a local disk");
    }
    if there == dir {
        let us = rustix::process::geteuid().as_raw();
        if meta.uid() != us {
            let says = format!("{} belongs to user {} and not to the one who asks ({us})", dir.display(), meta.uid());
            return Check::warn(NAME, says, "run forgehand always as the same user, and give the folder to that one");
        }
        if meta.permissions().mode() & 0o077 != 0 {
            let says = format!("{} can be read by others: transcripts and the journal are in it", dir.display());
            return Check::warn(NAME, says, format!("chmod 700 {}", dir.display()));
        }
    }
    let daemon = match journal::writer(dir) {
        Some(0) => ", a daemon works on it".to_owned(),
        Some(pid) => format!(", a daemon works on it (pid {pid})"),
        None => ", no daemon works on it now".to_owned(),
    };
    Check::ok(NAME, format!("{}{}{daemon}", dir.display(), if there == dir { "" } else { " (not made yet)" }))
}

fn network(path: &Path) -> Option<&'static str> {
    let kind = statfs(path).ok()?.f_type;
    NETWORK.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

fn disk(dir: &Path) -> Check {
    const NAME: &str = "disk";
    let there = nearest_existing(dir);
    let free = match statvfs(&there) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(e) => return Check::warn(NAME, format!("{}: {e}", there.display()), "see what is wrong with the disk"),
    };
    let says = format!("{:.1} GiB free under {}", free as f64 / f64::from(1 << 30), there.display());
    let mend = "make room, or put `state_dir` of [daemon] on another disk";
    match free {
        free if free < DISK_FAIL => Check::fail(Kind::Environment, NAME, says, mend),
        free if free < DISK_WARN => Check::warn(NAME, says, mend),
        _ => Check::ok(NAME, says),
    }
}

fn journal(dir: &Path) -> Check {
    const NAME: &str = "journal";
    let read = || -> Result<Option<usize>, CliError> {
        let Some(journal) = JournalReader::open(dir)? else { return Ok(None) };
        Ok(Some(journal.after(0)?.len()))
    };
    match read() {
        Ok(None) => Check::ok(NAME, "there is none yet: the first start makes it"),
        Ok(Some(events)) => Check::ok(NAME, format!("{events} events, all readable")),
        Err(error) => Check::error(NAME, &error),
    }
}
