//! The host that the daemon runs on.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::HostEnd;

/// A program that is to be run on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOrder<'a> {
    /// Its words, at least one.
    pub words: &'a [String],
    /// How long it may take.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRan {
    /// How it ended.
    pub end: HostEnd,
    /// The end of what it printed, whole lines where more was printed; or why it could not be started. Raw.
    pub tail: String,
}

/// The room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// What may still be written.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// How the host itself is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vitals {
    /// The memory that programs may still have without swapping, in bytes.
    pub available: u64,
    /// All of it, in bytes.
    pub memory: u64,
    /// How many programs ran or wanted to, on average over five minutes.
    pub load: f64,
}

/// The host that the daemon runs on. Its programs are run as the daemon's account, without its environment and with nothing to read; they end
/// at the latest when their time is over, with all that they started, or when nobody waits for them any more.
#[async_trait]
pub trait Host: Send + Sync {
    /// Runs a program.
    async fn run(&self, order: &HostOrder<'_>) -> HostRan;
    /// The room on the disk where a path is.
    ///
    /// # Errors
    /// Why it cannot be told, in words for people.
    async fn room(&self, path: &Path, timeout: Duration) -> Result<DiskRoom, String>;
    /// Its memory and load.
    ///
    /// # Errors
    /// Why they cannot be told, in words for people.
    fn vitals(&self) -> Result<Vitals, String>;
}
