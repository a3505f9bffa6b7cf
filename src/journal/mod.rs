//! The journal in SQLite: an append-only table of events, and an inbox in which other processes leave commands.
//!
//! Promises: what `append` returned is on the disk (`synchronous=FULL`, WAL), whole or not at all, and in order; a second writer is
//! refused with the pid of the first; events are never changed or removed (triggers refuse it); a journal of a newer schema is not touched.
//!
//! Known race: a command that is left while the daemon ends stays in the inbox and is taken at the next start.

mod lock;
mod schema;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use crate::model::{Command, Event, JournalId, Record, Timestamp};
use crate::ports::{Ids, Journal, JournalError};

use lock::WriterLock;

/// The journal of one daemon, open for writing.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    db: Connection,
    id: JournalId,
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
        Ok(Self { path, db, id, _lock: lock })
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
                    insert.execute(params![at.0, serde_json::to_string(event)?])?;
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

    fn replay(&self) -> Result<Vec<Record>, JournalError> {
        read_after(&self.db, 0)
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
        read_after(&self.db, seq)
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

fn read_after(db: &Connection, seq: u64) -> Result<Vec<Record>, JournalError> {
    let read = || -> Result<Vec<Record>, Failed> {
        let mut rows = db.prepare_cached("SELECT seq, at, body FROM events WHERE seq > ?1 ORDER BY seq")?;
        let rows = rows.query_map([i64::try_from(seq).unwrap_or(i64::MAX)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
        rows.map(|row| {
            let (seq, at, body) = row?;
            Ok(Record { seq: u64::try_from(seq).unwrap_or_default(), at: Timestamp(at), event: serde_json::from_str(&body)? })
        })
        .collect()
    };
    read().map_err(|e| e.storage("reading the journal"))
}

fn connect(path: &Path, create: bool) -> Result<Connection, JournalError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let open = || -> Result<Connection, Failed> {
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(std::time::Duration::from_secs(10))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
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
