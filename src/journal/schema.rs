//! The schema, as migrations that are only ever added to.

use rusqlite::{Connection, OptionalExtension};
use rusqlite_migration::{M, Migrations};

use crate::model::JournalId;
use crate::ports::{Ids, JournalError};

const MIGRATIONS: &[M<'static>] = &[
    M::up(
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
    ),
    // Formulas once for all runs that began with them, and what is known, written down now and then.
    M::up(
        "CREATE TABLE formulas (
            hash TEXT PRIMARY KEY,
            body TEXT NOT NULL       -- model::Formula as JSON; events name it by the SHA-256 of this text
         ) STRICT;
         CREATE TRIGGER formulas_are_not_changed BEFORE UPDATE ON formulas BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
         CREATE TRIGGER formulas_are_not_removed BEFORE DELETE ON formulas BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
         CREATE TABLE snapshot (
            one   INTEGER PRIMARY KEY CHECK (one = 1),
            shape TEXT    NOT NULL,  -- ledger::SHAPE of the one who wrote it
            seq   INTEGER NOT NULL,  -- the last event that is in it
            past  INTEGER NOT NULL,  -- how many rows of `past` belong to it
            body  TEXT    NOT NULL   -- ledger::Ledger as JSON, without its history
         ) STRICT;
         CREATE TABLE past (
            repo    TEXT    NOT NULL,
            issue   INTEGER NOT NULL,
            settled INTEGER NOT NULL, -- milliseconds since 1970 UTC, by our clock
            seq     INTEGER NOT NULL, -- the event with which it came to rest
            body    TEXT    NOT NULL, -- ledger::IssueState as JSON
            UNIQUE (repo, issue)
         ) STRICT;
         CREATE INDEX past_by_time ON past (settled);",
    ),
];

/// From this version on formulas and what is known have tables of their own.
const WITH_SNAPSHOTS: u64 = 2;

pub(super) fn known() -> u64 {
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

/// Whether what is known may be written down in it: not in a journal that only an older version has opened yet.
pub(super) fn has_snapshots(db: &Connection) -> Result<bool, JournalError> {
    Ok(version(db)? >= WITH_SNAPSHOTS)
}

/// Whether the tables are there: between making the file and migrating it they are not.
pub(super) fn is_made(db: &Connection) -> Result<bool, JournalError> {
    Ok(version(db)? > 0)
}

pub(super) fn version(db: &Connection) -> Result<u64, JournalError> {
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
