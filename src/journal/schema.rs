//! The schema, as migrations that are only ever added to.

use rusqlite::{Connection, OptionalExtension};
use rusqlite_migration::{M, Migrations};

use crate::model::JournalId;
use crate::ports::{Ids, JournalError};

const MIGRATIONS: &[M<'static>] = &[M::up(
    "CREATE TABLE events (
        seq  INTEGER PRIMARY KEY AUTOINCREMENT,
        at   INTEGER NOT NULL,  -- milliseconds since 1970 UTC, by our clock
        body TEXT    NOT NULL   -- model::Event as JSON
     ) STRICT;
     CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
     CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
     CREATE TABLE inbox (
        id   INTEGER PRIMARY KEY AUTOINCREMENT,
        at   INTEGER NOT NULL,
        body TEXT    NOT NULL   -- model::Command as JSON
     ) STRICT;
     CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;",
)];

fn known() -> u64 {
    u64::try_from(MIGRATIONS.len()).unwrap_or(u64::MAX)
}

/// Brings an older journal up to this version.
pub(super) fn migrate(db: &mut Connection) -> Result<(), JournalError> {
    refuse_newer(db)?;
    Migrations::from_slice(MIGRATIONS).to_latest(db).map_err(|e| storage("migrating the journal", &e))
}

/// A journal of a newer version is not touched.
pub(super) fn refuse_newer(db: &Connection) -> Result<(), JournalError> {
    let found = version(db)?;
    if found > known() { Err(JournalError::TooNew { found, known: known() }) } else { Ok(()) }
}

/// Whether the tables are there: between making the file and migrating it they are not.
pub(super) fn is_made(db: &Connection) -> Result<bool, JournalError> {
    Ok(version(db)? > 0)
}

fn version(db: &Connection) -> Result<u64, JournalError> {
    let read = db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    read.map(|found| u64::try_from(found).unwrap_or_default()).map_err(|e| storage("reading the schema's version", &e))
}

/// The journal's own identifier, made with it.
pub(super) fn identity(db: &Connection, ids: &dyn Ids) -> Result<JournalId, JournalError> {
    let read = || -> rusqlite::Result<String> {
        let found = db.query_row("SELECT value FROM meta WHERE key = 'id'", [], |row| row.get(0)).optional()?;
        match found {
            Some(id) => Ok(id),
            None => {
                let id = ids.uuid();
                db.execute("INSERT INTO meta (key, value) VALUES ('id', ?1)", [&id])?;
                Ok(id)
            }
        }
    };
    read().map(JournalId).map_err(|e| storage("reading the journal's identifier", &e))
}

fn storage(what: &str, why: &dyn std::fmt::Display) -> JournalError {
    JournalError::Storage { what: what.to_owned(), why: why.to_string() }
}
