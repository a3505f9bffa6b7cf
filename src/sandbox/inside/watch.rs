//! Holds memory and the number of processes where no cgroup does: looks at `/proc` a few times a second.
//!
//! It is a watcher, not a wall: what is allocated or forked between two looks is only seen at the second. Therefore it looks
//! more often once half of a limit is used.

use std::fs;
use std::io;
use std::time::Duration;

use super::super::wire::{InsideLimits, LimitKind};
use super::kin::{self, Kin};

const CALM: Duration = Duration::from_millis(100);
const NEAR: Duration = Duration::from_millis(20);
/// With nothing to watch, only orphans are waited for.
const IDLE: Duration = Duration::from_secs(1);

/// The watcher.
pub(super) struct Watch {
    memory_bytes: Option<u64>,
    tasks: Option<u64>,
    interval: Duration,
}

impl Watch {
    pub(super) fn new(limits: InsideLimits) -> Self {
        let watches = limits.memory_bytes.is_some() || limits.tasks.is_some();
        let interval = if watches { CALM } else { IDLE };
        Self { memory_bytes: limits.memory_bytes, tasks: limits.tasks, interval }
    }

    /// When to look again.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The limit that is passed now, if one is.
    pub(super) fn look(&mut self) -> io::Result<Option<LimitKind>> {
        if self.memory_bytes.is_none() && self.tasks.is_none() {
            return Ok(None);
        }
        let living = kin::living()?;
        let tasks: u64 = living.iter().map(|kin| kin.threads).sum();
        let resident: u64 = living.iter().map(resident_bytes).sum();
        let near =
            self.tasks.is_some_and(|limit| tasks > limit / 2) || self.memory_bytes.is_some_and(|limit| resident > limit / 2);
        self.interval = if near { NEAR } else { CALM };
        if self.tasks.is_some_and(|limit| tasks > limit) {
            return Ok(Some(LimitKind::Processes));
        }
        // Shared pages count once for each process here, so a sum over the limit is only a reason to look closely.
        let over = self.memory_bytes.is_some_and(|limit| resident > limit && living.iter().map(own_bytes).sum::<u64>() > limit);
        Ok(over.then_some(LimitKind::Memory))
    }
}

fn resident_bytes(kin: &Kin) -> u64 {
    kin.resident_pages.saturating_mul(rustix::param::page_size() as u64)
}

/// What a process holds of memory that can't be read back from a file, shared pages in proportion.
fn own_bytes(kin: &Kin) -> u64 {
    // A process that can't be looked into is counted with all that it has.
    fs::read_to_string(format!("/proc/{}/smaps_rollup", kin.pid))
        .ok()
        .and_then(|rollup| proportional_bytes(&rollup))
        .unwrap_or_else(|| resident_bytes(kin))
}

fn proportional_bytes(rollup: &str) -> Option<u64> {
    let kilobytes = |key: &str| -> Option<u64> {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().trim_end_matches("kB").trim_end().parse().ok()
    };
    Some((kilobytes("Pss_Anon:")? + kilobytes("Pss_Shmem:")?).saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_without_a_file_counts() {
        let rollup = "00400000-7ffd0000 ---p 00000000 00:00 0 [rollup]\nRss: 9000 kB\nPss: 5000 kB\nPss_Anon:        3000 kB\n\
                      Pss_File:        1500 kB\nPss_Shmem:        500 kB\n";
        assert_eq!(proportional_bytes(rollup), Some(3500 * 1024));
        assert_eq!(proportional_bytes("Rss: 1 kB\n"), None, "an old kernel does not tell");
    }
}
