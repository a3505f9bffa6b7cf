//! `[retention]`: how long what is left of runs is kept, and how much of the disk stays free.

use std::time::Duration;

use super::values;
use crate::document::Table;

/// `[retention]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Workspaces of runs that failed, after their end.
    pub workspaces: Duration,
    /// Logs and transcripts, after they were written to last.
    pub logs: Duration,
    /// No run starts with less than this free, in bytes.
    pub disk_floor: u64,
}

impl Retention {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            workspaces: table.or("workspaces", days(7), values::limit),
            logs: table.or("logs", days(30), values::limit),
            disk_floor: table.or("disk_floor", 2 << 30, values::size),
        }
    }
}
