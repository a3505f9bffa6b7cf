//! Our own files: the state folder, the disk under it, the journal, the formulas, and what a daemon has in force of the configuration.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::statfs;

use super::skeleton::nearest_existing;
use super::{Check, Patient};
use crate::cli::setup::Setup;
use crate::cli::{CliError, Kind, in_force, unheld};
use crate::journal::{self, JournalReader};
use crate::model::JournalId;
use crate::plan::Room;
use crate::words;

/// So near to the floor a few workspaces reach it.
const NEAR: u64 = 3 << 30;
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
    checks.push(disk(&patient.setup));
    checks.extend(in_force(&patient.setup));
    checks.push(journal(dir));
    checks.push(match patient.setup.policy(JournalId(String::new())) {
        Ok(_) => Check::ok("formulas", "they load"),
        Err(error) => {
            let (says, mend) = error.lines().into_iter().next().unwrap_or_default();
            Check::fail(Kind::Usage, "formulas", says, mend)
        }
    });
    // What is wrong with them was told above.
    let roles = unheld::told(&patient.setup).unwrap_or_default();
    checks.extend(roles.into_iter().map(|(says, mend)| Check::warn("roles", says, mend)));
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

fn disk(setup: &Setup) -> Check {
    const NAME: &str = "disk";
    let there = nearest_existing(&setup.state_dir);
    let Some(Room { free, floor }) = setup.room() else {
        let says = format!("how much is free under {} cannot be told", there.display());
        return Check::warn(NAME, says, "see what is wrong with the disk");
    };
    let says = format!("{} free under {}; below {} no run starts", gib(free), there.display(), gib(floor));
    let mend = "make room (`forgehand gc`), put `state_dir` of [daemon] on another disk, or lower `disk_floor` of [retention]";
    match free {
        free if free < floor => Check::fail(Kind::Environment, NAME, says, mend),
        free if free < floor.saturating_add(NEAR) => Check::warn(NAME, says, mend),
        _ => Check::ok(NAME, says),
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// What the daemon that lives says of its configuration; nothing where none does.
fn in_force(setup: &Setup) -> Option<Check> {
    const NAME: &str = "in force";
    let report = in_force::report(&setup.state_dir)?;
    if report.file != setup.file {
        let says = format!("the daemon that works on this state folder reads {}", report.file.display());
        return Some(Check::warn(NAME, says, "name that file by --config, or give each daemon a state folder of its own"));
    }
    if let Some(broken) = &report.broken {
        let says = words::broken_configuration(&broken.mistakes, &report.since);
        return Some(Check::fail(Kind::Usage, NAME, says, "mend it: the daemon takes it up by itself"));
    }
    Some(match report.at_next_start.as_slice() {
        [] => Check::ok(NAME, format!("the daemon has what it read at {}", report.since)),
        later => {
            let says = later.iter().map(|key| words::at_next_start(key)).collect::<Vec<_>>().join("; ");
            Check::warn(NAME, says, "start the daemon anew (`systemctl restart forgehand`)")
        }
    })
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
