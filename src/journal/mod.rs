//! The journal in SQLite: an append-only table of events, and an inbox in which other processes leave commands.
//!
//! Promises: what `append` returned is on the disk (`synchronous=FULL`, WAL), whole or not at all, and in order; a second writer is
//! refused with the pid of the first; events are never changed or removed (triggers refuse it); a journal of a newer schema is not touched.
//! A formula is kept once, however many runs began with it. What is known is written down now and then ([`snapshot`]), so that a start and
//! `status` fold only what came after; it is never more than a shorter way to the same fold, and is ignored where it cannot be read.
//!
//! Known races: a command that is left while the daemon ends stays in the inbox and is taken at the next start; a reader reads in one
//! transaction, so that what was written down and the records after it belong together.

mod exchange;
mod formulas;
mod lock;
mod schema;
mod snapshot;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use crate::ledger::Ledger;
use crate::model::{Command, Event, JournalId, Record, Timestamp};
use crate::ports::{Ids, Journal, JournalError, Recalled};

pub use exchange::{ExchangeError, Exported, export, import};
use formulas::Formulas;
use lock::WriterLock;
pub use snapshot::History;
use snapshot::Kept;

/// The journal of one daemon, open for writing.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    db: Connection,
    id: JournalId,
    kept: Kept,
    _lock: WriterLock,
}

/// The journal's file in a state folder.
pub fn path_in(state_dir: &Path) -> PathBuf {
    state_dir.join("journal.db")
}

impl SqliteJournal {
    /// Opens the journal of a state folder, or makes it.
    pub fn open(state_dir: &Path, ids: &dyn Ids) -> Result<Self, JournalError> {
        let lock = WriterLock::take(state_dir)?;
        let path = path_in(state_dir);
        let mut db = connect(&path, true)?;
        schema::migrate(&mut db)?;
        let id = schema::identity(&db, ids)?;
        Ok(Self { path, db, id, kept: Kept::default(), _lock: lock })
    }
}

impl Journal for SqliteJournal {
    fn id(&self) -> JournalId {
        self.id.clone()
    }

    fn append(&mut self, at: Timestamp, events: &[Event]) -> Result<Vec<Record>, JournalError> {
        let commit = |db: &mut Connection| -> Result<Vec<Record>, Failed> {
            let tx = db.transaction()?;
            let mut records = Vec::with_capacity(events.len());
            {
                let mut insert = tx.prepare_cached("INSERT INTO events (at, body) VALUES (?1, ?2)")?;
                for event in events {
                    insert.execute(params![at.0, formulas::pack(&tx, event)?])?;
                    let seq = u64::try_from(tx.last_insert_rowid()).unwrap_or_default();
                    records.push(Record { seq, at, event: event.clone() });
                    if let Event::Commanded { row, .. } = event {
                        tx.execute("DELETE FROM inbox WHERE id = ?1", params![i64::try_from(*row).unwrap_or(i64::MAX)])?;
                    }
                }
            }
            tx.commit()?;
            Ok(records)
        };
        commit(&mut self.db).map_err(|e| e.storage("writing to the journal"))
    }

    fn recall(&mut self) -> Result<Recalled, JournalError> {
        let read = || -> Result<(Recalled, Kept), Failed> {
            let tx = self.db.unchecked_transaction()?;
            snapshot::recall(&tx, &History::All)
        };
        let (recalled, kept) = read().map_err(|e| e.storage("reading the journal"))?;
        self.kept = kept;
        Ok(recalled)
    }

    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        snapshot::keep(&mut self.db, ledger, &mut self.kept).map_err(|e| e.storage("writing down what is known"))
    }

    fn inbox(&self) -> Result<Vec<(u64, Command)>, JournalError> {
        let read = || -> Result<Vec<(u64, Command)>, Failed> {
            let mut rows = self.db.prepare_cached("SELECT id, body FROM inbox ORDER BY id")?;
            let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (id, body) = row?;
                Ok((u64::try_from(id).unwrap_or_default(), serde_json::from_str(&body)?))
            })
            .collect()
        };
        read().map_err(|e| e.storage("reading the inbox"))
    }

    fn reopen(&mut self) -> Result<(), JournalError> {
        self.db = connect(&self.path, false)?;
        // What was written last may be there or not.
        self.kept = Kept::default();
        Ok(())
    }
}

/// The journal, open for reading and for leaving commands, beside a daemon that writes to it.
#[derive(Debug)]
pub struct JournalReader {
    db: Connection,
}

impl JournalReader {
    /// Opens the journal of a state folder; none if there is none yet, or if it is just being made.
    pub fn open(state_dir: &Path) -> Result<Option<Self>, JournalError> {
        let path = path_in(state_dir);
        if !path.exists() {
            return Ok(None);
        }
        let db = connect(&path, false)?;
        schema::refuse_newer(&db)?;
        Ok(schema::is_made(&db)?.then_some(Self { db }))
    }

    /// The events after a place in the journal, oldest first.
    pub fn after(&self, seq: u64) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        self.each(seq, u64::MAX, |record| records.push(record))?;
        Ok(records)
    }

    /// Each event after a place in the journal and up to another, oldest first.
    pub fn each(&self, after: u64, up_to: u64, each: impl FnMut(Record)) -> Result<(), JournalError> {
        each_record(&self.db, after, up_to, each).map_err(|e| e.storage("reading the journal"))
    }

    /// What is known, with as much of the history as is wanted.
    pub fn ledger(&self, history: &History) -> Result<Ledger, JournalError> {
        let read = || -> Result<Ledger, Failed> {
            let tx = self.db.unchecked_transaction()?;
            Ok(snapshot::recall(&tx, history)?.0.ledger)
        };
        read().map_err(|e| e.storage("reading the journal"))
    }

    /// Leaves a command for the daemon, or for the next `once`.
    pub fn leave(&self, at: Timestamp, command: &Command) -> Result<(), JournalError> {
        let write = || -> Result<(), Failed> {
            let body = serde_json::to_string(command)?;
            self.db.execute("INSERT INTO inbox (at, body) VALUES (?1, ?2)", params![at.0, body])?;
            Ok(())
        };
        write().map_err(|e| e.storage("leaving a command in the inbox"))
    }
}

fn each_record(db: &Connection, after: u64, up_to: u64, mut each: impl FnMut(Record)) -> Result<(), Failed> {
    let place = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    let mut formulas = Formulas::default();
    let mut rows = db.prepare_cached("SELECT seq, at, body FROM events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq")?;
    let mut rows = rows.query([place(after), place(up_to)])?;
    while let Some(row) = rows.next()? {
        let (seq, at) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
        let event = formulas.unpack(db, row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        each(Record { seq: u64::try_from(seq).unwrap_or_default(), at: Timestamp(at), event });
    }
    Ok(())
}

fn connect(path: &Path, create: bool) -> Result<Connection, JournalError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let open = || -> Result<Connection, Failed> {
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(std::time::Duration::from_secs(10))?;
        if create {
            // The file remembers it. A reader that asked for it, too, would be locked out while its writer does.
            db.pragma_update(None, "journal_mode", "WAL")?;
        }
        db.pragma_update(None, "synchronous", "FULL")?;
        Ok(db)
    };
    open().map_err(|e| e.storage(&format!("opening {}", path.display())))
}

/// What can go wrong with a row.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("an entry that this version does not understand: {0}")]
    Json(#[from] serde_json::Error),
    #[error("an entry names a formula that is not there: {0}")]
    NoFormula(String),
    #[error("{0}")]
    Unbelieved(String),
}

impl Failed {
    fn storage(self, what: &str) -> JournalError {
        JournalError::Storage { what: what.to_owned(), why: self.to_string() }
    }
}

/// Whether a process has the journal of this folder open for writing.
pub fn is_written(state_dir: &Path) -> bool {
    lock::is_held(state_dir)
}

/// The pid of the process that has the journal of this folder open for writing; 0 where that is not known.
pub fn writer(state_dir: &Path) -> Option<u32> {
    lock::holder(state_dir)
}
