//! The journal as lines of JSON, for people, for another machine, and for a version to come.
//!
//! A file is a header, the formulas, the events in their order, the commands that nobody took yet, and a last line that tells a whole
//! file from one that was cut. Promises: what is imported folds to the same ledger and is the same journal (it keeps its identifier, so
//! that claims on the forge stay ours); a file that is broken anywhere, or of a format to come, leaves nothing behind.

use std::io::{BufRead, Write};
use std::path::Path;

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Command, Event, Formula, JournalId, Timestamp};
use crate::ports::JournalError;

use super::formulas::{self, Formulas};
use super::lock::WriterLock;
use super::{Failed, History, JournalReader, connect, path_in, schema, snapshot};

/// The format that is written, and the newest that is read.
const FORMAT: u64 = 1;
/// What tells the file from others.
const KIND: &str = "forgehand journal";
/// What may lie in a state folder into which a journal is imported.
const HARMLESS: &[&str] = &["journal.lock"];

/// The first line.
#[derive(Debug, Deserialize, Serialize)]
struct Header {
    file: String,
    format: u64,
    /// The journal's schema; tells people which version it comes from.
    schema: u64,
    /// The version that wrote it.
    version: String,
    /// The journal's identifier.
    journal: JournalId,
}

/// Any other line.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Event {
        seq: u64,
        at: Timestamp,
        #[serde(rename = "time")]
        _time: String,
        event: Value,
    },
    Formula {
        formula: String,
        body: Value,
    },
    Command {
        at: Timestamp,
        command: Command,
    },
    End {
        end: u64,
    },
}

/// What was written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Events.
    pub events: u64,
}

/// A journal could not be written out or read in.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// A line of the file is not what it should be.
    #[error("line {line} of the file: {why}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The file's format is of a newer version.
    #[error("the file is of a newer forgehand ({version}, format {found}; this one knows {FORMAT})")]
    TooNew {
        /// The version that wrote it.
        version: String,
        /// Its format.
        found: u64,
    },
    /// The state folder has something in it.
    #[error("the state folder is not empty: it has {0}")]
    NotEmpty(String),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Writes a journal out, beside whoever writes to it.
pub fn export(journal: &JournalReader, out: &mut dyn Write) -> Result<Exported, ExchangeError> {
    // One transaction, so that everything is of one moment.
    let tx = journal.db.unchecked_transaction().map_err(|e| Failed::from(e).storage("reading the journal"))?;
    let id = tx.query_row("SELECT value FROM meta WHERE key = 'id'", [], |row| row.get(0));
    let header = Header {
        file: KIND.to_owned(),
        format: FORMAT,
        schema: schema::version(&tx)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        journal: JournalId(id.map_err(|e| Failed::from(e).storage("reading the journal's identifier"))?),
    };
    writeln!(out, "{}", serde_json::to_string(&header).map_err(std::io::Error::from)?)?;
    if schema::has_snapshots(&tx)? {
        lines(&tx, "SELECT hash, body FROM formulas ORDER BY hash", out, |row| {
            let (hash, body): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(format!(r#"{{"formula":"{hash}","body":{body}}}"#))
        })?;
    }
    let events = lines(&tx, "SELECT seq, at, body FROM events ORDER BY seq", out, |row| {
        let (seq, at, body): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!(r#"{{"seq":{seq},"at":{at},"time":"{}","event":{body}}}"#, Timestamp(at)))
    })?;
    lines(&tx, "SELECT at, body FROM inbox ORDER BY id", out, |row| {
        let (at, body): (i64, String) = (row.get(0)?, row.get(1)?);
        Ok(format!(r#"{{"at":{at},"command":{body}}}"#))
    })?;
    writeln!(out, r#"{{"end":{events}}}"#)?;
    out.flush()?;
    Ok(Exported { events })
}

/// A line for each row.
fn lines(
    db: &Connection,
    sql: &str,
    out: &mut dyn Write,
    line: impl Fn(&Row<'_>) -> rusqlite::Result<String>,
) -> Result<u64, ExchangeError> {
    let failed = |e: rusqlite::Error| Failed::from(e).storage("reading the journal");
    let mut statement = db.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        writeln!(out, "{}", line(row).map_err(failed)?)?;
        count += 1;
    }
    Ok(count)
}

/// Reads a journal into a state folder that has nothing in it. Whole or not at all: it is made beside and moved into place.
pub fn import(state_dir: &Path, from: &mut dyn BufRead) -> Result<Exported, ExchangeError> {
    let _lock = WriterLock::take(state_dir)?;
    if let Some(there) = occupied(state_dir)? {
        return Err(ExchangeError::NotEmpty(there));
    }
    let room = tempfile::Builder::new().prefix("import~").tempdir_in(state_dir)?;
    let fresh = room.path().join("journal.db");
    let imported = fill(&fresh, from)?;
    std::fs::File::open(&fresh)?.sync_all()?;
    std::fs::rename(&fresh, path_in(state_dir))?;
    std::fs::File::open(state_dir)?.sync_all()?;
    Ok(imported)
}

fn occupied(state_dir: &Path) -> std::io::Result<Option<String>> {
    for entry in std::fs::read_dir(state_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !HARMLESS.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn fill(path: &Path, from: &mut dyn BufRead) -> Result<Exported, ExchangeError> {
    let mut db = connect(path, true)?;
    schema::migrate(&mut db)?;
    let storage = |e: rusqlite::Error| Failed::from(e).storage("writing the journal");
    let tx = db.transaction().map_err(storage)?;
    let mut reading = Reading { db: &tx, formulas: Formulas::default(), last: 0, events: 0, ended: false, began: false };
    let mut line = 1;
    for text in from.lines() {
        reading.take(&text?).map_err(|refused| refused.at(line))?;
        line += 1;
    }
    if !reading.ended {
        return Err(ExchangeError::Line { line, why: "the file ends before its last line: it was cut".to_owned() });
    }
    let imported = Exported { events: reading.events };
    tx.commit().map_err(storage)?;
    // The first start should be as quick as any other.
    let recalled = snapshot::recall(&db, &History::All).map_err(|e| e.storage("reading what was imported"))?;
    let (ledger, mut kept) = (recalled.0.ledger, recalled.1);
    let kept = snapshot::keep(&mut db, &ledger, &mut kept);
    kept.map_err(|e| e.storage("writing down what is known"))?;
    // All of it into the one file that is moved.
    db.pragma_update(None, "journal_mode", "DELETE").map_err(storage)?;
    Ok(imported)
}

/// A line that is not taken.
enum Refused {
    Why(String),
    TooNew { version: String, found: u64 },
    Failed(Failed),
}

impl Refused {
    fn at(self, line: u64) -> ExchangeError {
        match self {
            Self::Why(why) => ExchangeError::Line { line, why },
            Self::TooNew { version, found } => ExchangeError::TooNew { version, found },
            Self::Failed(Failed::Sqlite(e)) => Failed::Sqlite(e).storage("writing the journal").into(),
            Self::Failed(other) => ExchangeError::Line { line, why: other.to_string() },
        }
    }
}

impl<E: Into<Failed>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A file that is being read.
struct Reading<'a> {
    db: &'a Connection,
    formulas: Formulas,
    last: u64,
    events: u64,
    began: bool,
    ended: bool,
}

impl Reading<'_> {
    fn take(&mut self, text: &str) -> Result<(), Refused> {
        if !self.began {
            self.began = true;
            return self.header(text);
        }
        if self.ended {
            return Err(Refused::Why("something follows the last line".to_owned()));
        }
        let value: Value = serde_json::from_str(text)?;
        let line = serde_json::from_value(value).map_err(|_| Refused::Why("it is nothing that a journal has".to_owned()))?;
        match line {
            Line::Formula { formula, body } => self.formula(&formula, &body),
            Line::Event { seq, at, event, .. } => self.event(seq, at, event),
            Line::Command { at, command } => {
                let body = serde_json::to_string(&command)?;
                self.db.execute("INSERT INTO inbox (at, body) VALUES (?1, ?2)", params![at.0, body])?;
                Ok(())
            }
            Line::End { end } if end == self.events => {
                self.ended = true;
                Ok(())
            }
            Line::End { end } => Err(Refused::Why(format!("{end} events should be there, and {} are", self.events))),
        }
    }

    fn header(&mut self, text: &str) -> Result<(), Refused> {
        let none = |_| Refused::Why("this is no journal that `forgehand export` wrote".to_owned());
        let header: Value = serde_json::from_str(text).map_err(none)?;
        // A format to come may have another header: its number is asked first.
        let found = header.get("format").and_then(Value::as_u64).unwrap_or(0);
        if header.get("file").and_then(Value::as_str) == Some(KIND) && found > FORMAT {
            let version = header.get("version").and_then(Value::as_str).unwrap_or("a later version").to_owned();
            return Err(Refused::TooNew { version, found });
        }
        let header: Header = serde_json::from_value(header).map_err(none)?;
        if header.file != KIND {
            return Err(Refused::Why(format!("this is a {:?}, and no journal that `forgehand export` wrote", header.file)));
        }
        self.db.execute("INSERT INTO meta (key, value) VALUES ('id', ?1)", [header.journal.as_str()])?;
        Ok(())
    }

    fn formula(&mut self, name: &str, body: &Value) -> Result<(), Refused> {
        let formula: Formula = serde_json::from_value(body.clone())?;
        // Named anew: a text that is written by this version may differ in its order.
        let text = serde_json::to_string(&formula)?;
        self.formulas.learn(name, serde_json::to_value(&formula)?);
        self.db.execute("INSERT OR IGNORE INTO formulas (hash, body) VALUES (?1, ?2)", params![formulas::hash(&text), text])?;
        Ok(())
    }

    fn event(&mut self, seq: u64, at: Timestamp, event: Value) -> Result<(), Refused> {
        if seq <= self.last {
            return Err(Refused::Why(format!("event {seq} comes after event {}", self.last)));
        }
        let event: Event = self.formulas.unpack_value(self.db, event)?;
        let body = formulas::pack(self.db, &event)?;
        let place = i64::try_from(seq).unwrap_or(i64::MAX);
        self.db.prepare_cached("INSERT INTO events (seq, at, body) VALUES (?1, ?2, ?3)")?.execute(params![place, at.0, body])?;
        (self.last, self.events) = (seq, self.events + 1);
        Ok(())
    }
}
