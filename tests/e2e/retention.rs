//! What is kept and for how long, what never grows, and a journal that moves.

use forgehand::sandbox::Mode;
use serde_json::Value;

use crate::rig::{Agent, Plan, Rig, TRIAGE, now, until};

/// Breaks off where the issue asks for it.
const MOODY: &str = "if asked_for 'boom'; then exit 3; fi; repair; commit 'Add properly'; answer done 'add.sh adds now.'";
const SLOW: &str = "wait_for go; repair; commit 'Add properly'; answer done 'add.sh adds now.'";
/// Nothing is kept.
const AT_ONCE: &str = "\n[retention]\nworkspaces = \"1ms\"\nlogs = \"1ms\"\n";

async fn rig(test: &'static str, fix: &str, more: &str) -> Rig {
    let plan = Plan::new(test).mode(Mode::None).agent(Agent::scripted(TRIAGE, fix)).limits("attempts = 1");
    let rig = plan.daemon("poll = \"1s\"").rig().await.expect("it needs nothing");
    append(&rig, more);
    rig
}

fn append(rig: &Rig, more: &str) {
    let text = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    rig.configure(&(text + more));
}

fn kinds(report: &Value) -> Vec<&str> {
    let removed = report["removed"].as_array().expect("a list");
    removed.iter().map(|one| one["kind"].as_str().expect("a word")).collect()
}

fn packs(rig: &Rig) -> usize {
    rig.left_in("mirrors/owner--app.git/objects/pack").iter().filter(|name| name.ends_with(".pack")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_long_enough_goes_and_the_mirror_becomes_one_pack() {
    let rig = rig("retention::what_was_kept", MOODY, "").await;
    let said = rig.run(&["gc"]).await.ok();
    assert!(said.out.contains("removed 0.0 MB in all") && !rig.state_dir().exists(), "before the first start: {said:?}");
    let number = rig.issue("Total goes boom", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-failed"], "{}", rig.story());
    assert_eq!(rig.left_in("work").len(), 1, "a person may want to see it");
    let report = rig.json(&["gc", "--dry-run", "--json"]).await;
    assert_eq!(kinds(&report), Vec::<&str>::new(), "it is kept for seven days");

    // Of a project that has no caches, and of a run that lives no more.
    std::fs::create_dir_all(rig.state_dir().join("caches/owner--app/0123")).expect("a cache");
    std::fs::create_dir_all(rig.state_dir().join("ports")).expect("a folder");
    std::fs::write(rig.state_dir().join("ports/3100"), "owner/app owner--app-9-1-gone").expect("a port");
    std::fs::create_dir_all(rig.state_dir().join("mirrors/owner--gone.git/refs")).expect("a mirror");
    append(&rig, AT_ONCE);
    let report = rig.json(&["gc", "--dry-run", "--json"]).await;
    for kind in ["workspace", "transcript", "log", "cache", "port", "mirror"] {
        assert!(kinds(&report).contains(&kind), "{kind}: {report:#}");
    }
    assert!(report["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{report:#}");
    assert_eq!((rig.left_in("work").len(), rig.left_in("runs").len()), (1, 1), "a dry run removes nothing");
    let said = rig.run(&["gc"]).await.ok();
    assert!(said.out.contains("removed") && said.out.contains("mirror of owner/app: repacked"), "{said:#?}");
    for folder in ["work", "runs", "logs", "intake", "texts", "caches", "ports", "mirrors/owner--app.git/refs/forgehand/runs"] {
        assert_eq!(rig.left_in(folder), Vec::<String>::new(), "{folder}");
    }
    assert_eq!(packs(&rig), 1);
    assert!(!rig.state_dir().join("mirrors/owner--gone.git").exists(), "of a repository that is no project any more");
    let said = rig.run(&["gc"]).await.ok();
    assert!(!said.out.contains("mirror of"), "there is nothing more to gain: {said:#?}");

    // What is left is whole.
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_does_it_by_itself_once_a_day() {
    let rig = rig("retention::a_process_does_it", MOODY, AT_ONCE).await;
    rig.issue("Total goes boom", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.left_in("work"), Vec::<String>::new());
    rig.issue("Sum goes boom", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.left_in("work").len(), 1, "not a second time on the same day");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_run_that_lives_is_touched() {
    let rig = rig("retention::nothing_of_a_run_that_lives", SLOW, AT_ONCE).await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    until("a workspace", || (rig.left_in("work").len() == 1).then_some(())).await;
    let report = rig.json(&["gc", "--json"]).await;
    assert!(!kinds(&report).contains(&"workspace"), "{report:#}");
    assert_eq!(report["mirrors"][0]["outcome"], "in use", "{report:#}");
    assert_eq!(rig.left_in("work").len(), 1);
    rig.let_pass("go");
    until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_run_starts_on_a_full_disk_and_it_is_said() {
    let rig = rig("retention::no_run_starts_on_a_full_disk", MOODY, "\n[retention]\ndisk_floor = \"1000000GiB\"\n").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-queue"], "{}", rig.story());
    assert_eq!((rig.turns("work"), rig.claims().len()), (0, 0));
    let row = rig.row(number).await;
    assert!(row["waiting"]["reason"].as_str().is_some_and(|why| why.contains("MiB must be free")), "{row:#}");
    let said = rig.run(&["explain", &number.to_string()]).await.ok();
    assert!(said.out.contains("disk_floor"), "{said:#?}");
    rig.reconfigure("1000000GiB", "1KiB");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_once_leaves_nothing_in_the_journal() {
    let rig = rig("retention::an_idle_once", MOODY, "").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    // What we did ourselves is seen once more.
    until_quiet(&rig).await;
    let before = rig.records().len();
    for _ in 0..3 {
        rig.once().await.silent();
    }
    assert_eq!(rig.records().len(), before, "{}", rig.story());
    assert_eq!(rig.labels(number), ["claude-pr"]);
}

/// Until a look brings nothing that began in a later second than the last news: the forge's times are whole seconds, and what moved in the
/// second of a look is taken to have moved once more by the next one.
async fn until_quiet(rig: &Rig) {
    let mut news = now();
    for _ in 0..200 {
        let (began, before) = (now(), rig.records().len());
        rig.once().await;
        if rig.records().len() != before {
            news = now();
        } else if began / 1_000 > news / 1_000 {
            return;
        }
    }
    panic!("each look brings news: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_moves_and_a_newer_one_is_refused() {
    let rig = rig("retention::a_journal_moves", MOODY, "").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    let file = rig.dir.path().join("journal.jsonl").display().to_string();
    rig.run(&["export", &file]).await.ok();
    let said = rig.run(&["export"]).await.ok();
    assert_eq!(said.out, std::fs::read_to_string(&file).expect("the file"));
    assert!(!said.out.contains(std::fs::read_to_string(rig.dir.path().join("token")).expect("the token").trim()));
    assert_eq!(rig.run(&["export", &file]).await.code, Some(4), "what is there is not written over");

    let other = rig.another_journal();
    let said = rig.run_with(&other, &["import", &file]).await.ok();
    assert!(said.out.contains("same journal"), "{said:#?}");
    let (here, there) = (rig.run(&["status", "--json"]).await.ok(), rig.run_with(&other, &["status", "--json"]).await.ok());
    assert_eq!(here.out, there.out);
    let again = rig.run_with(&other, &["import", &file]).await;
    assert!(again.code == Some(2) && again.err.contains("not empty"), "{again:#?}");
    // It is the same journal: what is there is known, and nothing is done twice.
    rig.run_with(&other, &["once"]).await.ok();
    assert_eq!((rig.pulls().len(), rig.labels(number)), (1, vec!["claude-pr".to_owned()]));

    let db = rusqlite::Connection::open(rig.dir.path().join("state-2/journal.db")).expect("the journal");
    db.execute_batch("PRAGMA user_version = 99").expect("a version to come");
    for command in ["status", "once", "export"] {
        let said = rig.run_with(&other, &[command]).await;
        assert!(said.code == Some(4) && said.err.contains("of a newer forgehand"), "{command}: {said:#?}");
    }
}
