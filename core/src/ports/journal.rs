//! The journal, as the engine writes it.

use crate::ledger::Ledger;
use crate::model::{Command, Event, JournalId, Record, Timestamp};

/// The append-only record. One writer.
pub trait Journal: Send {
    /// Which journal this is.
    fn id(&self) -> JournalId;
    /// Appends events in one transaction that is on the disk when this returns. After an error nothing may be done on the strength of
    /// these events: reopen, fold again, and only then go on.
    fn append(&mut self, at: Timestamp, events: &[Event]) -> Result<Vec<Record>, JournalError>;
    /// Everything that is known: what was last written down of it, and the records after that folded in.
    fn recall(&mut self) -> Result<Recalled, JournalError>;
    /// Writes down everything that is known, whole or not at all; nothing where the ledger is not the fold of exactly what is journalled.
    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError>;
    /// Commands that other processes left, oldest first; taking them is part of the next `append` of their [`Event::Commanded`].
    fn inbox(&self) -> Result<Vec<(u64, Command)>, JournalError>;
    /// Opens the same journal anew after a failed append.
    fn reopen(&mut self) -> Result<(), JournalError>;
}

/// Everything that is known.
#[derive(Debug)]
pub struct Recalled {
    /// The fold of the whole journal.
    pub ledger: Ledger,
    /// The last record that was folded when it was last written down; 0 where it never was.
    pub kept: u64,
}

/// The journal failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it.
    #[error("another forgehand (pid {pid}) works on this journal; stop it first, or give this one a `state_dir` of its own")]
    Busy {
        /// The other's process id.
        pid: u32,
    },
    /// It was written by a newer version.
    #[error("the journal is of a newer forgehand (schema {found}, this one knows {known}); install that version again")]
    TooNew {
        /// Its schema.
        found: u64,
        /// The newest that we know.
        known: u64,
    },
    /// Reading or writing failed.
    #[error("{what}: {why}")]
    Storage {
        /// What was tried.
        what: String,
        /// What stood in the way.
        why: String,
    },
}
