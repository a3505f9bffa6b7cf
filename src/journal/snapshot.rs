//! What is known, written down: the ledger in one row, and each issue of the history in a row of its own.
//!
//! Promises: what is recalled is the fold of the whole journal, as if nothing had ever been written down. It is written in one
//! transaction, only where the ledger is the fold of exactly what the journal holds, and only rows of the history that changed are
//! written again. What another fold wrote down ([`SHAPE`]), or what cannot be read, is not believed: everything is folded anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::Deserialize;

use crate::ledger::{Ledger, Past, SHAPE};
use crate::model::{BadRepoName, IssueNumber, RepoName, Subject, Timestamp};
use crate::ports::Recalled;

use super::{Failed, each_record, schema};

/// How much of the history is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// All of it.
    All,
    /// What came to rest since then, by our clock.
    Since(Timestamp),
    /// This issue, if it belongs to the history.
    Of(Subject),
}

/// After so many records all of the history is read: it is not worth while to find out which of it they are about.
const MANY: u64 = 5_000;

/// The rows of the history that are written down, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<BTreeMap<Subject, Arc<str>>>);

/// What was written down last.
struct Written {
    seq: u64,
    past: u64,
    body: String,
}

/// What is known now, as far as the history is wanted.
pub(super) fn recall(db: &Connection, history: &History) -> Result<(Recalled, Kept), Failed> {
    if let Some(written) = written(db)? {
        match read(db, &written, history) {
            Ok(recalled) => return Ok(recalled),
            Err(Failed::Unbelieved(why)) => {
                tracing::warn!(why, "what was written down of the journal cannot be read; everything is folded anew");
            }
            Err(other) => return Err(other),
        }
    }
    let mut ledger = Ledger::default();
    each_record(db, 0, u64::MAX, |record| ledger.apply(&record))?;
    Ok((Recalled { ledger, kept: 0 }, Kept::default()))
}

fn written(db: &Connection) -> Result<Option<Written>, Failed> {
    if !schema::has_snapshots(db).map_err(|e| Failed::Unbelieved(e.to_string()))? {
        return Ok(None);
    }
    let row =
        |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?));
    let found = db.query_row("SELECT shape, seq, past, body FROM snapshot WHERE one = 1", [], row).optional()?;
    let Some((shape, seq, past, body)) = found else { return Ok(None) };
    if shape != SHAPE {
        tracing::info!("another version wrote down what is known; everything is folded anew");
        return Ok(None);
    }
    Ok(Some(Written { seq: number(seq), past: number(past), body }))
}

/// What was written down, and what came after it.
fn read(db: &Connection, written: &Written, history: &History) -> Result<(Recalled, Kept), Failed> {
    let mut ledger: Ledger = serde_json::from_str(&written.body).map_err(|e| Failed::Unbelieved(e.to_string()))?;
    let last: i64 = db.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))?;
    if ledger.seq != written.seq || written.seq > number(last) {
        return Err(Failed::Unbelieved("it is not of this journal".to_owned()));
    }
    let all = *history == History::All || number(last) - written.seq > MANY;
    if all {
        let mut count = 0;
        rows(db, "", [], |subject, past| {
            ledger.remember(&subject, past);
            count += 1;
        })?;
        if count != written.past {
            return Err(Failed::Unbelieved(format!("{count} issues of the history are there, and {} should be", written.past)));
        }
    } else {
        some(db, written.seq, history, &mut ledger)?;
    }
    let kept = all.then(|| ledger.past().map(|(subject, past)| (subject, past.text().clone())).collect());
    each_record(db, written.seq, u64::MAX, |record| ledger.apply(&record))?;
    Ok((Recalled { ledger, kept: written.seq }, Kept(kept)))
}

/// The part of the history that is wanted, and that which the records after what was written down are about: they may bring it back.
fn some(db: &Connection, after: u64, history: &History, ledger: &mut Ledger) -> Result<(), Failed> {
    let mut wanted = subjects_after(db, after)?;
    match history {
        History::All => {}
        History::Since(since) => {
            rows(db, "WHERE settled >= ?1", params![since.0], |subject, past| ledger.remember(&subject, past))?;
        }
        History::Of(subject) => {
            wanted.insert(subject.clone());
        }
    }
    for subject in wanted {
        let by = params![subject.repo.to_string(), place(subject.issue.0)];
        rows(db, "WHERE repo = ?1 AND issue = ?2", by, |subject, past| ledger.remember(&subject, past))?;
    }
    Ok(())
}

/// The issues that records name themselves. Those that name a run or an effect are about an issue that lives, or that one before
/// them named.
fn subjects_after(db: &Connection, seq: u64) -> Result<BTreeSet<Subject>, Failed> {
    #[derive(Deserialize)]
    struct Naming {
        subject: Option<Subject>,
        command: Option<Inside>,
    }
    #[derive(Deserialize)]
    struct Inside {
        subject: Option<Subject>,
    }
    let mut subjects = BTreeSet::new();
    let mut events = db.prepare_cached("SELECT body FROM events WHERE seq > ?1")?;
    let mut events = events.query([place(seq)])?;
    while let Some(row) = events.next()? {
        let naming: Naming = serde_json::from_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        // A person's command names its issue inside.
        let inside = naming.command.and_then(|command| command.subject);
        subjects.extend(naming.subject.into_iter().chain(inside));
    }
    Ok(subjects)
}

fn rows(db: &Connection, which: &str, by: impl rusqlite::Params, mut each: impl FnMut(Subject, Past)) -> Result<(), Failed> {
    let mut rows = db.prepare_cached(&format!("SELECT repo, issue, settled, seq, body FROM past {which}"))?;
    let mut rows = rows.query(by)?;
    while let Some(row) = rows.next()? {
        let repo = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let repo: RepoName = repo.parse().map_err(|e: BadRepoName| Failed::Unbelieved(e.to_string()))?;
        let subject = Subject { repo, issue: IssueNumber(number(row.get(1)?)) };
        let body = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
        each(subject, Past::written(Timestamp(row.get(2)?), number(row.get(3)?), body));
    }
    Ok(())
}

/// Writes down what is known.
pub(super) fn keep(db: &mut Connection, ledger: &Ledger, kept: &mut Kept) -> Result<(), Failed> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last: i64 = tx.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))?;
    if number(last) != ledger.seq {
        return Ok(());
    }
    let before = match &kept.0 {
        Some(before) => before.clone(),
        None => {
            tx.execute("DELETE FROM past", [])?;
            BTreeMap::new()
        }
    };
    let mut now = BTreeMap::new();
    for (subject, past) in ledger.past() {
        if before.get(&subject).is_none_or(|text| !Arc::ptr_eq(text, past.text())) {
            let row = params![subject.repo.to_string(), place(subject.issue.0), past.settled().0, place(past.seq()), past.text()];
            tx.prepare_cached("INSERT OR REPLACE INTO past (repo, issue, settled, seq, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(row)?;
        }
        now.insert(subject, past.text().clone());
    }
    for gone in before.keys().filter(|subject| !now.contains_key(*subject)) {
        tx.execute("DELETE FROM past WHERE repo = ?1 AND issue = ?2", params![gone.repo.to_string(), place(gone.issue.0)])?;
    }
    let body = serde_json::to_string(ledger)?;
    let row = params![SHAPE, place(ledger.seq), place(now.len() as u64), body];
    tx.execute("INSERT OR REPLACE INTO snapshot (one, shape, seq, past, body) VALUES (1, ?1, ?2, ?3, ?4)", row)?;
    tx.commit()?;
    kept.0 = Some(now);
    Ok(())
}

fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
