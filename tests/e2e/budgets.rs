//! Budgets: a warning where people look at 80 %, and nothing started that cannot be paid.

use forgehand::journal::SqliteJournal;
use forgehand::model::{Event, ModelCall, RunId, Timestamp, Usd};
use forgehand::ports::{Ids, Journal};
use forgehand::sandbox::Mode;

use crate::rig::{Plan, Rig, now};

struct NoIds;

impl Ids for NoIds {
    fn uuid(&self) -> String {
        unreachable!("the journal is there already")
    }
}

/// A model call of today, in the journal while nobody runs.
fn spend(rig: &Rig, dollars: f64) {
    let mut journal = SqliteJournal::open(&rig.state_dir(), &NoIds).expect("the journal");
    let call = ModelCall {
        model: "m".into(),
        input: 1,
        output: 1,
        cache_read: 0,
        cache_write: 0,
        cost: Usd::from_dollars(dollars),
        status: Some(200),
        cut: false,
        unmetered: false,
        millis: 1,
    };
    let event = Event::Called { run: RunId("spent-before".into()), call, step: None };
    journal.append(Timestamp(now()), &[event]).expect("written");
}

/// How often the log warns with these words.
fn logged(rig: &Rig, words: &str) -> usize {
    let logs = rig.left_in("logs").into_iter().map(|name| rig.state_dir().join("logs").join(name));
    let text: String = logs.map(|path| std::fs::read_to_string(path).expect("a log")).collect();
    text.lines().filter(|line| line.contains("WARN") && line.contains(words)).count()
}

/// What is left of a UTC day at its end is too short for these tests.
fn is_late() -> bool {
    Timestamp(now() + 180_000).day() != Timestamp(now()).day()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_eighty_percent_it_is_said_once_where_people_look_and_work_goes_on() {
    let plan = Plan::new("budgets::at_eighty_percent").limits("usd_day = 10\nusd_run = 1").mode(Mode::None);
    let rig = plan.rig().await.expect("it needs nothing");
    rig.once().await;
    if is_late() {
        return crate::hands_bench::not_run("budgets::at_eighty_percent", "the UTC day ends within minutes");
    }
    spend(&rig, 8.5);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    rig.once().await;
    let words = "$8.50 of $10.00 of the day's budget spent";
    assert!(rig.run(&["status"]).await.ok().out.contains(&format!("! {words}")));
    let board = rig.json(&["status", "--json"]).await;
    let day = &board["budgets"][0];
    assert_eq!((&day["kind"], &day["percent"], &day["limit_usd"]), (&"day".into(), &85.into(), &10.0.into()), "{board:#}");
    assert!(day["warning"].as_str().is_some_and(|w| w.contains("more than 80 %")), "{day}");
    assert_eq!((logged(&rig, words), rig.story().matches(words).count()), (1, 1), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_paid_is_not_started_and_says_why() {
    let plan = Plan::new("budgets::what_cannot_be_paid").limits("usd_day = 10\nusd_run = 1").mode(Mode::None);
    let rig = plan.rig().await.expect("it needs nothing");
    rig.once().await;
    if is_late() {
        return crate::hands_bench::not_run("budgets::what_cannot_be_paid", "the UTC day ends within minutes");
    }
    spend(&rig, 9.5);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.labels(number), rig.turns("work")), (vec!["claude-queue".to_owned()], 0), "{}", rig.story());
    let row = rig.row(number).await;
    assert!(row["waiting"]["reason"].as_str().is_some_and(|r| r.contains("$9.50 of $10.00 spent")), "{row}");
    assert!(row["waiting"]["until"].is_string(), "{row}");
    assert_eq!(logged(&rig, "does not pay for another run"), 1);
    assert!(rig.run(&["status"]).await.ok().out.contains("does not pay for another run"));
    // More money is a matter of the configuration.
    rig.reconfigure("usd_day = 10", "usd_day = 20");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}
