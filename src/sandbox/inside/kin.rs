//! The processes that the shim answers for: all others of its PID namespace when it is process 1, its descendants otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, wait};

/// So many looks wait for everything to stand still; after that whatever is seen is killed as it is.
const PATIENT_PASSES: u32 = 100;
/// Between two looks.
const SHORT: Duration = Duration::from_millis(1);
/// Between two looks at what does not die, because it hangs in the kernel.
const LONG: Duration = Duration::from_millis(50);

/// A process as `/proc/PID/stat` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kin {
    pub(super) pid: i32,
    parent: i32,
    zombie: bool,
    stopped: bool,
    pub(super) threads: u64,
    /// Start time, which tells a number's second owner from its first.
    born: u64,
    pub(super) resident_pages: u64,
}

impl Kin {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name stands in brackets and may itself hold brackets and blanks: fields are counted after the last one.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        Some(Self {
            pid,
            zombie: matches!(fields.first(), Some(&("Z" | "X"))),
            stopped: matches!(fields.first(), Some(&("T" | "t"))),
            parent: fields.get(1)?.parse().ok()?,
            threads: number(17)?,
            born: number(19)?,
            resident_pages: number(21)?,
        })
    }

    /// Signals this process and no later owner of its number.
    fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if Self::read(self.pid).is_some_and(|now| now.born == self.born) {
            // It may have ended by itself.
            let _ = pidfd_send_signal(handle, signal);
        }
    }
}

/// Everything alive that the shim answers for.
pub(super) fn living() -> io::Result<Vec<Kin>> {
    let me = getpid().as_raw_nonzero().get();
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        // What vanished since the folder was listed is not alive.
        all.extend(name.to_str().and_then(|name| name.parse().ok()).and_then(Kin::read));
    }
    all.retain(|kin| !kin.zombie && kin.pid != me);
    Ok(if me == 1 { all } else { descendants(me, all) })
}

fn descendants(of: i32, mut others: Vec<Kin>) -> Vec<Kin> {
    let mut family = BTreeSet::from([of]);
    let mut found = Vec::new();
    loop {
        let (mine, rest): (Vec<Kin>, Vec<Kin>) = others.into_iter().partition(|kin| family.contains(&kin.parent));
        if mine.is_empty() {
            return found;
        }
        family.extend(mine.iter().map(|kin| kin.pid));
        found.extend(mine);
        others = rest;
    }
}

/// Kills everything alive, whatever session it is in, and waits for it.
///
/// All are stopped before one is killed, so that nobody forks away from it. A look at `/proc` is no snapshot: whoever is in the
/// middle of a fork, or whose parent ends during the look, can be missed. So it is over only when the kernel says that there
/// is no child left: orphans come to the shim, and a descendant that is alive hangs on a child of ours.
pub(super) fn kill_all() {
    let mut stopped = BTreeSet::new();
    for pass in 0_u32.. {
        let alive = living().unwrap_or_default();
        let settled = alive.iter().all(|kin| kin.stopped && stopped.contains(&(kin.pid, kin.born)));
        if settled || pass >= PATIENT_PASSES {
            for kin in &alive {
                kin.signal(Signal::KILL);
            }
        } else {
            for kin in &alive {
                if stopped.insert((kin.pid, kin.born)) {
                    kin.signal(Signal::STOP);
                }
            }
        }
        if reap() == Children::None {
            return;
        }
        thread::sleep(if pass < PATIENT_PASSES { SHORT } else { LONG });
    }
}

/// What is left after a look.
#[derive(PartialEq, Eq)]
enum Children {
    Some,
    None,
}

/// Waits for every child that has ended.
fn reap() -> Children {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Children::Some,
            Err(_) => return Children::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin(pid: i32, parent: i32) -> Kin {
        Kin { pid, parent, zombie: false, stopped: false, threads: 1, born: 0, resident_pages: 0 }
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let fields = (4..=24).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        let parsed = Kin::parse(7, &format!("7 (a) R 1 (b) S {fields}")).expect("parses");
        assert_eq!(parsed, Kin { pid: 7, parent: 4, zombie: false, stopped: false, threads: 20, born: 22, resident_pages: 24 });
    }

    #[test]
    fn descendants_are_found_in_any_order_and_strangers_are_not() {
        let all = vec![kin(9, 8), kin(8, 5), kin(7, 1), kin(6, 5)];
        let mut found: Vec<i32> = descendants(5, all).iter().map(|kin| kin.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [6, 8, 9]);
    }
}
