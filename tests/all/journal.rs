//! The journal on the disk: what is written down of the ledger is the same fold, older and newer journals, export and import.

use std::io::BufReader;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use forgehand::journal::{ExchangeError, History, JournalReader, SqliteJournal, export, import, path_in};
use forgehand::ledger::{Ledger, SHAPE};
use forgehand::model::{Event, IssueNumber, Record, Subject, Timestamp};
use forgehand::ports::{Ids, Journal, JournalError};
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::plan_properties::{kinds, live, step};
use super::plan_world::{Fate, World, gated_policy, policy, repo, subject};
use super::year;

struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> String {
        format!("journal-{}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn open(dir: &Path) -> SqliteJournal {
    SqliteJournal::open(dir, &Counted(AtomicU64::new(1))).expect("a journal")
}

fn reader(dir: &Path) -> JournalReader {
    JournalReader::open(dir).expect("readable").expect("there")
}

/// Appends records as they are, those of one moment together.
fn append(journal: &mut SqliteJournal, records: &[Record]) {
    for moment in records.chunk_by(|a, b| a.at == b.at) {
        let events: Vec<Event> = moment.iter().map(|record| record.event.clone()).collect();
        let written = journal.append(moment[0].at, &events).expect("room on the disk");
        assert_eq!(written, moment);
    }
}

/// A life of two issues: one is merged and settles, one is asked about.
fn world() -> World {
    let mut world = World::new(&[(vec!["portal"], false), (vec!["portal"], false)], policy());
    rest(&mut world);
    world.end_pull(1, true);
    rest(&mut world);
    world
}

/// Until a look brings no news any more.
fn rest(world: &mut World) {
    loop {
        let before = world.records.len();
        world.now.0 += 60_000;
        world.wake();
        while world.under_way() > 0 {
            world.finish(0, Fate::Well(0));
        }
        if world.records.len() == before {
            return;
        }
    }
}

fn is_settled(record: &Record) -> bool {
    matches!(record.event, Event::Settled { .. })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(12),
        max_shrink_iters: 20,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    /// Wherever it is written down, and however often.
    #[test]
    fn what_is_written_down_and_what_came_after_are_the_whole_fold(
        steps in prop::collection::vec(step(), 20..90),
        kinds in kinds(),
        cuts in prop::collection::vec(0.0..1.0_f64, 1..4),
    ) {
        let records = live(&steps, &kinds, Fate::Well(0), gated_policy()).records;
        let full = Ledger::fold(&records);
        let dir = tempfile::tempdir().expect("a folder");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| (cut * records.len() as f64) as usize).collect();
        cuts.sort_unstable();
        let mut journal = open(dir.path());
        let (mut done, mut kept) = (0, 0);
        for cut in cuts {
            append(&mut journal, &records[done..cut]);
            done = cut;
            let recalled = journal.recall().expect("readable");
            prop_assert_eq!(&recalled.ledger, &Ledger::fold(&records[..cut]));
            prop_assert_eq!(recalled.kept, kept);
            journal.keep(&recalled.ledger).expect("room");
            kept = if cut == 0 { 0 } else { cut as u64 };
        }
        append(&mut journal, &records[done..]);
        let recalled = journal.recall().expect("readable");
        prop_assert_eq!(recalled.kept, kept);
        prop_assert_eq!(&recalled.ledger, &full);
        // Who wants only a part of the history knows the living whole, and of the history what was wanted.
        let reader = reader(dir.path());
        for number in 1..=3 {
            let part = reader.ledger(&History::Of(subject(number))).expect("readable");
            prop_assert_eq!(part.issue(&subject(number)), full.issue(&subject(number)));
            prop_assert!(part.issues().eq(full.issues()));
            prop_assert_eq!(part.seq, full.seq);
        }
        prop_assert_eq!(&reader.ledger(&History::Since(Timestamp(0))).expect("readable"), &full);
    }
}

#[test]
fn a_closed_issue_settles_and_comes_back_as_it_was() {
    let mut world = world();
    assert!(world.core.ledger().is_past(&subject(1)), "{:#?}", world.story);
    assert!(world.core.ledger().issues().all(|(known, _)| known == subject(2)), "the plan does not see it");
    let before = world.core.ledger().issue(&subject(1)).expect("known").clone();
    let quiet = world.records.len();
    rest(&mut world);
    assert!(!world.records[quiet..].iter().any(is_settled), "what is settled stays settled");
    world.set_open(1, true);
    world.label(1, "claude-queue", true, "ann");
    rest(&mut world);
    let after = world.core.ledger().issue(&subject(1)).expect("known");
    assert!(!world.core.ledger().is_past(&subject(1)));
    assert_eq!(after.first, before.first);
    assert_eq!(after.runs_started, before.runs_started + 1, "it is worked on again, and the new run has a name of its own");
    assert!(after.effects > before.effects);
}

#[test]
fn what_cannot_be_read_or_was_written_by_another_fold_is_folded_anew() {
    let records = world().records;
    let full = Ledger::fold(&records);
    let spoil = |sql: &str| {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = open(dir.path());
        append(&mut journal, &records);
        let ledger = journal.recall().expect("readable").ledger;
        journal.keep(&ledger).expect("room");
        assert_eq!(journal.recall().expect("readable").kept, ledger.seq);
        drop(journal);
        let changed = Connection::open(path_in(dir.path())).expect("a database").execute(sql, []).expect("a change");
        assert!(changed > 0, "{sql}");
        let mut journal = open(dir.path());
        let recalled = journal.recall().expect("readable");
        assert_eq!((recalled.kept, &recalled.ledger), (0, &full), "{sql}");
        // It is written down anew, and believed from then on.
        journal.keep(&recalled.ledger).expect("room");
        assert_eq!(journal.recall().expect("readable").kept, full.seq, "{sql}");
    };
    assert!(!SHAPE.is_empty());
    spoil("UPDATE snapshot SET shape = 'another'");
    spoil("UPDATE snapshot SET body = substr(body, 1, length(body) / 2)");
    spoil("UPDATE snapshot SET body = '{}'");
    spoil("UPDATE snapshot SET seq = seq + 1");
    spoil("DELETE FROM past");
    spoil("UPDATE past SET repo = 'nothing'");
}

#[test]
fn a_ledger_that_is_not_of_what_is_journalled_is_not_written_down() {
    let records = world().records;
    let dir = tempfile::tempdir().expect("a folder");
    let mut journal = open(dir.path());
    append(&mut journal, &records[..records.len() - 1]);
    journal.keep(&Ledger::fold(&records)).expect("nothing is wrong");
    assert_eq!(journal.recall().expect("readable").kept, 0);
}

#[test]
fn a_formula_is_kept_once() {
    let records = world().records;
    let started = records.iter().filter(|r| matches!(r.event, Event::RunStarted { .. })).count();
    assert!(started >= 4, "{started}");
    let dir = tempfile::tempdir().expect("a folder");
    let mut journal = open(dir.path());
    append(&mut journal, &records);
    assert_eq!(reader(dir.path()).after(0).expect("readable"), records);
    let db = Connection::open(path_in(dir.path())).expect("a database");
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    assert_eq!(count("SELECT count(*) FROM formulas"), 2, "triage and fix");
    assert!(count("SELECT max(length(body)) FROM events WHERE body LIKE '%run-started%'") < 400);
    assert!(db.execute("DELETE FROM formulas", []).is_err() && db.execute("UPDATE formulas SET body = ''", []).is_err());
}

/// As version 0.1.0 of main made it before formulas had a table of their own.
const FIRST_SCHEMA: &str =
    "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    INSERT INTO meta VALUES ('id', 'old-journal');
    PRAGMA user_version = 1;";

fn first_schema(records: &[Record]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let db = Connection::open(path_in(dir.path())).expect("a database");
    db.execute_batch(FIRST_SCHEMA).expect("the old schema");
    for record in records {
        let body = serde_json::to_string(&record.event).expect("text");
        db.execute("INSERT INTO events (seq, at, body) VALUES (?1, ?2, ?3)", (record.seq as i64, record.at.0, body))
            .expect("an event");
    }
    dir
}

#[test]
fn a_journal_of_the_first_schema_opens_and_goes_on() {
    let records = world().records;
    let full = Ledger::fold(&records);
    let (old, new) = records.split_at(records.len() / 2);
    let dir = first_schema(old);
    // Beside a daemon of the old version it is read as it is.
    assert_eq!(reader(dir.path()).ledger(&History::All).expect("readable"), Ledger::fold(old));
    let mut journal = open(dir.path());
    assert_eq!(journal.id().as_str(), "old-journal");
    append(&mut journal, new);
    assert_eq!(journal.recall().expect("readable").ledger, full);
    assert_eq!(reader(dir.path()).after(0).expect("readable"), records);
}

#[test]
fn a_journal_is_read_while_it_is_being_made_and_while_its_writer_comes_and_goes() {
    for _ in 0..25 {
        let dir = TempDir::new().expect("a folder");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let read = || {
                while !done.load(Ordering::SeqCst) {
                    if let Some(journal) = JournalReader::open(dir.path()).expect("nobody locks readers out") {
                        journal.after(0).expect("readable");
                    }
                }
            };
            let readers = [scope.spawn(read), scope.spawn(read)];
            for _ in 0..4 {
                drop(open(dir.path()));
            }
            done.store(true, Ordering::SeqCst);
            for reader in readers {
                reader.join().expect("what was read");
            }
        });
    }
}

#[test]
fn a_newer_journal_is_not_touched() {
    let dir = first_schema(&[]);
    Connection::open(path_in(dir.path())).expect("a database").execute_batch("PRAGMA user_version = 99").expect("a version");
    let refused = SqliteJournal::open(dir.path(), &Counted(AtomicU64::new(1)));
    assert!(matches!(refused, Err(JournalError::TooNew { found: 99, .. })), "{refused:?}");
    assert!(matches!(JournalReader::open(dir.path()), Err(JournalError::TooNew { found: 99, .. })));
}

fn exported(dir: &Path) -> String {
    let mut out = Vec::new();
    export(&reader(dir), &mut out).expect("an export");
    String::from_utf8(out).expect("text")
}

fn import_text(dir: &Path, text: &str) -> Result<u64, ExchangeError> {
    import(dir, &mut BufReader::new(text.as_bytes())).map(|imported| imported.events)
}

#[test]
fn what_is_exported_can_be_imported_and_is_the_same_journal() {
    let records = world().records;
    let full = Ledger::fold(&records);
    let (new, old) = (tempfile::tempdir().expect("a folder"), first_schema(&records));
    append(&mut open(new.path()), &records);
    for dir in [new.path(), old.path()] {
        let text = exported(dir);
        assert_eq!(text.lines().filter(|line| line.starts_with(r#"{"seq":"#)).count(), records.len());
        let fresh = tempfile::tempdir().expect("a folder");
        let to = fresh.path().join("state");
        assert_eq!(import_text(&to, &text).expect("an import"), records.len() as u64);
        let mut journal = open(&to);
        assert_eq!(journal.recall().expect("readable").ledger, full);
        assert_eq!(journal.id(), open(dir).id());
        assert_eq!(reader(&to).after(0).expect("readable"), records);
        drop(journal);
        assert_eq!(exported(&to).lines().count(), text.lines().count() + if dir == old.path() { 2 } else { 0 });
        assert!(matches!(import_text(&to, &text), Err(ExchangeError::NotEmpty(what)) if what == "journal.db"));
    }
}

#[test]
fn a_file_that_is_broken_anywhere_leaves_nothing_behind() {
    let records = world().records;
    let dir = tempfile::tempdir().expect("a folder");
    append(&mut open(dir.path()), &records);
    let text = exported(dir.path());
    let lines: Vec<&str> = text.lines().collect();
    let fresh = tempfile::tempdir().expect("a folder");
    let to = fresh.path().join("state");
    let broken = |line: usize, with: &str| {
        let mut lines = lines.clone();
        lines[line - 1] = with;
        lines.join("\n")
    };
    let refused = |text: &str, line: u64, words: &str| {
        let error = import_text(&to, text).expect_err("it is broken");
        assert!(matches!(&error, ExchangeError::Line { line: at, why } if *at == line && why.contains(words)), "{error}");
        let left: Vec<_> = std::fs::read_dir(&to).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
        assert!(left.iter().all(|name| name == "journal.lock"), "{left:?}");
    };
    refused(&broken(9, &lines[8][..20]), 9, "EOF");
    refused(&broken(9, r#"{"a":1}"#), 9, "nothing that a journal has");
    refused(&broken(9, lines[7]), 9, "comes after");
    refused(&broken(9, r#"{"seq":6,"at":1,"time":"","event":{"event":"what-is-to-come"}}"#), 9, "unknown variant");
    refused(&lines[..lines.len() - 1].join("\n"), lines.len() as u64, "cut");
    refused(&broken(lines.len() - 1, lines[lines.len() - 1]), lines.len() as u64 - 1, "events should be there");
    refused(&format!("{text}{}\n", lines[5]), lines.len() as u64 + 1, "follows");
    refused("{}", 1, "no journal");
    refused("", 1, "cut");
    let newer = broken(1, &lines[0].replace(r#""format":1"#, r#""format":2"#));
    assert!(matches!(import_text(&to, &newer), Err(ExchangeError::TooNew { found: 2, .. })));
    assert!(import_text(&to, &text).is_ok(), "and what is whole can still be imported there");
}

/// What the README says a year of fifty issues a day takes.
const YEAR_AT_MOST: u64 = 1 << 30;

#[test]
fn a_year_of_fifty_issues_a_day_stays_below_its_size() {
    let mut text = String::new();
    year::lines(1, 50, &mut |line| {
        text.push_str(line);
        text.push('\n');
        Ok(())
    })
    .expect("memory");
    let dir = tempfile::tempdir().expect("a folder");
    import_text(dir.path(), &text).expect("an import");
    let size = std::fs::metadata(path_in(dir.path())).expect("a file").len();
    assert!(size * 365 < YEAR_AT_MOST, "{size} bytes a day");
    // And not because little happens: each is triaged, and nine of ten are worked on.
    assert!(text.matches(r#""event":"run-started""#).count() >= 90);
    assert!(text.matches(r#""event":"called""#).count() >= 45 * 40);
}

#[test]
fn a_process_that_finds_nothing_to_do_leaves_nothing_in_the_journal() {
    let mut world = world();
    let before = world.records.len();
    for _ in 0..10 {
        world.now.0 += 60_000;
        world.begin();
        while world.under_way() > 0 {
            world.finish(0, Fate::Well(0));
        }
    }
    assert_eq!(world.records[before..].iter().map(|r| &r.event).collect::<Vec<_>>(), Vec::<&Event>::new());
    world.comment(2);
    rest(&mut world);
    assert!(matches!(world.records[before].event, Event::Started { .. }), "the first news tell who saw them");
}

#[test]
fn what_was_open_when_the_process_died_is_doubtful_at_once() {
    let mut world = World::new(&[(vec!["portal"], false)], policy());
    while !world.core.ledger().has_open() {
        world.finish(0, Fate::Well(0));
    }
    let before = world.records.len();
    world.begin();
    assert!(matches!(world.records[before].event, Event::Started { .. }));
    let state = world.core.ledger().issue(&Subject { repo: repo(), issue: IssueNumber(1) }).expect("known");
    assert!(state.open.values().all(|open| open.doubtful));
}
