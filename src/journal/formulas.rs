//! Formulas, kept once for all runs that began with them: an event on the disk names its formula by the hash of its text.
//!
//! An entry of an older version has the whole formula in it, and stays as it is.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::model::{Event, Formula};

use super::Failed;

/// How an event with a formula begins: the tag is written first.
const BEGINS: &str = r#"{"event":"run-started","#;
/// The key of that tag, and of the formula.
const TAG: &str = "event";
const KEY: &str = "formula";

/// The formulas that were read so far.
#[derive(Debug, Default)]
pub(super) struct Formulas {
    by_hash: BTreeMap<String, Value>,
}

/// What a text is called.
pub(super) fn hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// An event as it is written, its formula kept apart.
pub(super) fn pack(db: &Connection, event: &Event) -> Result<String, Failed> {
    let Event::RunStarted { formula, .. } = event else { return Ok(serde_json::to_string(event)?) };
    let hash = keep(db, formula)?;
    let Value::Object(mut entry) = serde_json::to_value(event)? else { return Ok(serde_json::to_string(event)?) };
    entry.insert(KEY.to_owned(), Value::String(hash));
    // Keys of a `Value` come by the alphabet, and the tag has to come first.
    entry.remove(TAG);
    let rest = Value::Object(entry).to_string();
    Ok(format!("{BEGINS}{}", rest.strip_prefix('{').unwrap_or(&rest)))
}

fn keep(db: &Connection, formula: &Formula) -> Result<String, Failed> {
    let body = serde_json::to_string(formula)?;
    let hash = hash(&body);
    db.prepare_cached("INSERT OR IGNORE INTO formulas (hash, body) VALUES (?1, ?2)")?.execute(params![hash, body])?;
    Ok(hash)
}

impl Formulas {
    /// An event as it was written.
    pub(super) fn unpack(&mut self, db: &Connection, text: &str) -> Result<Event, Failed> {
        if !text.starts_with(BEGINS) {
            return Ok(serde_json::from_str(text)?);
        }
        self.unpack_value(db, serde_json::from_str(text)?)
    }

    /// The same of an event that was read as JSON.
    pub(super) fn unpack_value(&mut self, db: &Connection, mut value: Value) -> Result<Event, Failed> {
        if let Some(entry) = value.get_mut(KEY)
            && let Value::String(hash) = &*entry
        {
            let formula = self.find(db, hash)?;
            *entry = formula;
        }
        Ok(serde_json::from_value(value)?)
    }

    /// A formula under the name that it has in a file.
    pub(super) fn learn(&mut self, name: &str, formula: Value) {
        self.by_hash.insert(name.to_owned(), formula);
    }

    fn find(&mut self, db: &Connection, hash: &str) -> Result<Value, Failed> {
        if let Some(known) = self.by_hash.get(hash) {
            return Ok(known.clone());
        }
        let body: Option<String> =
            db.query_row("SELECT body FROM formulas WHERE hash = ?1", [hash], |row| row.get(0)).optional()?;
        let body = body.ok_or_else(|| Failed::NoFormula(hash.to_owned()))?;
        let value: Value = serde_json::from_str(&body)?;
        self.by_hash.insert(hash.to_owned(), value.clone());
        Ok(value)
    }
}
