//! What is left of runs and days gone by: what goes, and what never does.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use forgehand::model::Timestamp;
use forgehand::workspace::{Care, Keep, LeftoverKind, find_leftovers, remove_leftover};

use super::plan_world::{Fate, World, policy, subject};

const DAY: i64 = 86_400_000;
const KEEP: Keep = Keep { runs: Duration::from_secs(7 * 86_400), logs: Duration::from_secs(30 * 86_400) };

fn age(path: &Path, now: Timestamp, days: i64) {
    let at = UNIX_EPOCH + Duration::from_millis((now.0 - days * DAY) as u64);
    File::open(path).and_then(|file| file.set_modified(at)).expect("its time");
}

fn file(path: &Path, now: Timestamp, days: i64) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, "x").expect("a file");
    age(path, now, days);
}

fn folder(path: &Path, now: Timestamp, days: i64) {
    fs::create_dir_all(path.join("tree")).expect("a folder");
    age(path, now, days);
}

/// A world with a run that lives.
fn at_work() -> (World, String) {
    let mut world = World::new(&[(vec!["claude-queue"], false)], policy());
    for _ in 0..100 {
        let run = world.core.ledger().issue(&subject(1)).and_then(|state| state.live_run()).map(|run| run.id.to_string());
        if let Some(run) = run {
            return (world, run);
        }
        world.finish(0, Fate::Well(0));
    }
    panic!("no run starts: {:#?}", world.story);
}

#[test]
fn only_what_is_old_goes_and_nothing_of_a_run_that_lives() {
    let (world, live) = at_work();
    let (dir, now) = (tempfile::tempdir().expect("a folder"), world.now);
    let at = |path: &str| dir.path().join(path);
    // However old it is.
    folder(&at(&format!("work/{live}")), now, 400);
    folder(&at(&format!("intake/{live}.git")), now, 400);
    file(&at(&format!("texts/{live}.json")), now, 400);
    folder(&at(&format!("verify/work/{live}")), now, 400);
    // Of runs that the journal does not know, and not old enough.
    folder(&at("work/o--r-1-7-young"), now, 6);
    file(&at("runs/issue-1-attempt-1.jsonl"), now, 29);
    file(&at("logs/forgehand-2026-09-01.log"), now, 29);
    file(&at("runs/o--r/issue-2-attempt-1.jsonl"), now, 29);
    file(&at("journal.db"), now, 400);
    let none = find(&world, dir.path());
    assert!(none.is_empty(), "{none:#?}");
    let old = [
        "work/o--r-1-8-old",
        "work/o--r-1-9-old~gone",
        "verify/work/o--r-1-8-old",
        "intake/o--r-1-8-old.git",
        "intake/o--r-1-8-old~x1",
    ];
    old.iter().for_each(|path| folder(&at(path), now, 8));
    let old_files = [
        "texts/o--r-1-8-old.json",
        "runs/issue-3-attempt-1.jsonl",
        "runs/o--r/issue-3-attempt-1.jsonl",
        "logs/forgehand-2026-08-01.log",
    ];
    old_files.iter().for_each(|path| file(&at(path), now, 31));
    // An agent's link leads nowhere.
    std::os::unix::fs::symlink(at("journal.db"), at("work/o--r-1-8-old/tree/out")).expect("a link");
    age(&at("work/o--r-1-8-old"), now, 8);
    let found = find(&world, dir.path());
    let mut paths: Vec<String> =
        found.iter().map(|one| one.path.strip_prefix(dir.path()).expect("below").display().to_string()).collect();
    paths.sort();
    let mut expected: Vec<&str> = old.iter().chain(&old_files).copied().collect();
    expected.sort_unstable();
    assert_eq!(paths, expected);
    assert_eq!(found.iter().filter(|one| one.kind == LeftoverKind::Workspace).count(), 3);
    for one in &found {
        remove_leftover(one).expect("it goes");
        remove_leftover(one).expect("what is gone is no error");
    }
    assert!(expected.iter().all(|path| !at(path).exists()) && at("journal.db").exists());
    assert!(at(&format!("work/{live}/tree")).exists() && find(&world, dir.path()).is_empty());
}

fn find(world: &World, dir: &Path) -> Vec<forgehand::workspace::Leftover> {
    let repos = |names: &[&str]| names.iter().map(|name| name.parse().expect("a name")).collect();
    let care = Care { projects: repos(&["o/caching", "o/named"]), caching: repos(&["o/caching"]) };
    find_leftovers(dir, world.core.ledger(), &care, KEEP, world.now).expect("readable")
}

#[test]
fn caches_and_ports_go_when_nobody_asks_for_them() {
    let (world, live) = at_work();
    let repo = subject(1).repo.folder();
    let (dir, now) = (tempfile::tempdir().expect("a folder"), world.now);
    let at = |path: &str| dir.path().join(path);
    let cache = |path: &str, days: i64| {
        folder(&at(path), now, days);
        age(at(path).parent().expect("a folder"), now, days);
    };
    // Of a project that has caches: all but the newest, and what a killed daemon left half-made.
    cache("caches/o--caching/k1", 400);
    cache("caches/o--caching/k2", 9);
    cache("caches/o--caching/k3", 8);
    cache("caches/o--caching/new~x", 8);
    cache("caches/o--caching/new~y", 1);
    // Of one that has none any more, of one that had some a short while ago, and of one whose run lives.
    cache("caches/o--gone/k1", 8);
    cache("caches/o--lately/k1", 8);
    cache("caches/o--lately/k2", 6);
    cache(&format!("caches/{repo}/k1"), 400);
    let port = |number: &str, text: &str, days: i64| {
        fs::create_dir_all(at("ports")).expect("a folder");
        fs::write(at("ports").join(number), text).expect("an entry");
        age(&at("ports").join(number), now, days);
    };
    port("3100", &format!("o/r {live}"), 400);
    port("3101", "o/r o--r-1-8-old", 8);
    port("3102", "o/r o--r-1-9-young", 6);
    port("3103", "o/r o--r-1-7-old", 8);
    port("new~abc", "", 8);
    folder(&at(&format!("setup/work/{live}")), now, 400);
    folder(&at("setup/work/o--r-1-8-old"), now, 8);
    let found = find(&world, dir.path());
    let mut paths: Vec<String> =
        found.iter().map(|one| one.path.strip_prefix(dir.path()).expect("below").display().to_string()).collect();
    paths.sort();
    let expected = [
        "caches/o--caching/k1",
        "caches/o--caching/k2",
        "caches/o--caching/new~x",
        "caches/o--gone",
        "caches/o--lately/k1",
        "ports/3101",
        "ports/3103",
        "ports/new~abc",
        "setup/work/o--r-1-8-old",
    ];
    assert_eq!(paths, expected);
    // Handed out anew while this was at work.
    port("3103", "o/r o--r-2-1-new", 0);
    for one in &found {
        remove_leftover(one).expect("it goes");
    }
    assert!(at("ports/3103").exists() && !at("ports/3101").exists() && !at("caches/o--gone").exists());
    let left: Vec<_> = fs::read_dir(at("caches/o--caching")).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert!(left.len() == 2 && at("caches/o--caching/k3/tree").exists(), "{left:?}");
}

#[test]
fn a_mirror_goes_with_its_project_when_nothing_borrows_from_it() {
    let (world, live) = at_work();
    let (dir, now) = (tempfile::tempdir().expect("a folder"), world.now);
    let at = |path: &str| dir.path().join(path);
    let mirror = |name: &str, days: i64, fetched: i64| {
        let place = at(&format!("mirrors/{name}.git"));
        file(&place.join("FETCH_HEAD"), now, fetched);
        age(&place, now, days);
        file(&at(&format!("mirrors/{name}.lock")), now, days);
    };
    // Named; with a run that lives; fetched lately; borrowed from by what is kept; and none of that.
    mirror("o--named", 400, 400);
    mirror(&subject(1).repo.folder(), 400, 400);
    mirror("o--lately", 400, 6);
    mirror("o--kept", 400, 400);
    folder(&at("work/o--kept-1-7-young"), now, 6);
    folder(&at(&format!("work/{live}")), now, 400);
    mirror("o--gone", 8, 8);
    let found: Vec<_> = find(&world, dir.path()).into_iter().map(|one| (one.kind, one.path)).collect();
    assert_eq!(found, [(LeftoverKind::Mirror, at("mirrors/o--gone.git"))]);
    age(&at("work/o--kept-1-7-young"), now, 8);
    let found: Vec<_> = find(&world, dir.path()).into_iter().map(|one| one.path).collect();
    assert_eq!(found, ["work/o--kept-1-7-young", "mirrors/o--gone.git", "mirrors/o--kept.git"].map(at));
}
