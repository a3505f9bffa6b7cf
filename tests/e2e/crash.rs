//! The binary is killed at many moments and started again: nothing is doubled, nothing is lost, nothing is left standing.
//!
//! A moment is told by what is seen from outside: rows of the journal, requests at the forge. Which instruction a kill hits is chance;
//! the simulation tries each of them. A crash between the intent and the outcome of a comment or a pull request is looked up for 30 s.

use std::time::{Duration, Instant};

use forgehand::sandbox::Mode;

use crate::rig::{Agent, FIX, Plan, Rig, TRIAGE, until};

/// The crashed site must end as one that never crashed.
async fn assert_heals(rig: &Rig, number: u64, what: &str) {
    for _ in 0..4 {
        rig.once().await;
        if rig.labels(number) == ["claude-pr"] && rig.claims().is_empty() {
            break;
        }
    }
    let story = rig.story();
    assert_eq!(rig.labels(number), ["claude-pr"], "{what}: {story}");
    let pulls = rig.pulls();
    assert_eq!(pulls.len(), 1, "{what}: {pulls:#?} {story}");
    assert_eq!(rig.branch("claude/issue-1").as_ref(), Some(&pulls[0].head_sha), "{what}: {story}");
    let ours: Vec<String> = rig.comments(number).into_iter().map(|c| c.body).collect();
    assert_eq!(ours.iter().filter(|body| body.contains("### Breakdown")).count(), 1, "{what}: {ours:#?} {story}");
    assert_eq!(ours.len(), 2, "{what}: {ours:#?} {story}");
    rig.assert_status(number, "is open");
    assert_eq!(rig.claims(), Vec::<String>::new(), "{what}: {story}");
    assert_eq!((rig.left_in("work"), rig.left_in("verify/work")), (vec![], vec![]), "{what}: {story}");
    assert_eq!(rig.row(number).await["attempts"], 0, "{what}: a crash of ours costs no attempt: {story}");
    rig.once().await.silent();
}

/// Starts `once` and kills it when the moment comes; false if it ended before.
async fn killed(rig: &Rig, mut moment: impl FnMut() -> bool) -> bool {
    let mut once = rig.start(&["once"]);
    let due = until("the moment, or the end", || if moment() { Some(true) } else { once.ended().then_some(false) }).await;
    if due {
        once.kill().await;
    }
    due
}

async fn site(test: &'static str, mode: Mode) -> Option<(Rig, u64)> {
    let rig = Plan::new(test).mode(mode).rig().await?;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    Some((rig, number))
}

/// Killed again and again, each time a row later than the time before, so that it gets somewhere between two kills.
async fn chain(test: &'static str, mode: Mode, first: usize) {
    let Some((rig, number)) = site(test, mode).await else { return };
    let mut kills = 0;
    loop {
        let begin = rig.records().len();
        // The row that says that it started counts for nothing.
        if !killed(&rig, || rig.records().len() > begin + first + kills).await {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "{kills} kills: {}", rig.story());
    assert_heals(&rig, number, &format!("{kills} kills, the first after {first} rows")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_every_few_rows_it_still_gets_there() {
    let test = "crash::killed_every_few_rows";
    tokio::join!(chain(test, Mode::None, 2), chain(test, Mode::None, 3), chain(test, Mode::Bubblewrap, 4));
}

async fn at_requests(test: &'static str, moments: &[u64], count: impl Fn(&Rig) -> u64) {
    for moment in moments {
        let Some((rig, number)) = site(test, Mode::None).await else { return };
        let begin = count(&rig);
        let due = killed(&rig, || count(&rig) >= begin + moment).await;
        assert!(due, "there was no request {moment}");
        assert_heals(&rig, number, &format!("killed at request {moment}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_a_request_of_the_api_it_doubles_nothing() {
    let test = "crash::killed_at_a_request_of_the_api";
    let count = |rig: &Rig| rig.forge.request_count();
    tokio::join!(
        at_requests(test, &[1, 6, 11], count),
        at_requests(test, &[8, 13, 18], count),
        at_requests(test, &[9, 15, 19], count),
        at_requests(test, &[10, 16, 20], count)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_a_request_of_git_it_doubles_nothing() {
    let test = "crash::killed_at_a_request_of_git";
    let count = |rig: &Rig| rig.forge.git_request_count();
    tokio::join!(at_requests(test, &[1, 3, 5], count), at_requests(test, &[7, 9, 11], count));
}

/// A fix that waits for the word `go`.
fn slow(test: &'static str) -> Plan {
    let slow = format!("wait_for go; {FIX}");
    Plan::new(test).agent(Agent::scripted(TRIAGE, &slow))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_an_agent_works_leaves_none_behind_and_goes_on() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let plan = slow("crash::a_daemon_killed_while_an_agent_works").mode(mode);
        let Some(rig) = plan.rig().await else { continue };
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
        let daemon = rig.start(&["run"]);
        rig.at_work("work").await;
        let script = rig.dir.path().join("agent/agent.sh").display().to_string();
        until("the agent's process", || running(&script).then_some(())).await;
        daemon.kill().await;
        until("the end of the agent", || (!running(&script)).then_some(())).await;
        rig.let_pass("go");
        assert_heals(&rig, number, "killed mid-agent").await;
    }
}

/// Whether some process has this in its command line.
fn running(script: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(script))
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_drains_then_interrupts_and_the_next_start_goes_on() {
    let Some(rig) = slow("crash::told_to_stop").daemon("drain = \"1s\"").rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    daemon.term();
    assert!(daemon.wait().await.success(), "{}", rig.story());
    assert!(rig.story().contains("the agent's turn: interrupted"), "{}", rig.story());
    assert_eq!(rig.labels(number), ["claude-working"], "it is cut, not failed");
    rig.let_pass("go");
    assert_heals(&rig, number, "interrupted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_once_that_is_told_to_stop_does_the_same() {
    let Some(rig) = slow("crash::a_once_that_is_told_to_stop").daemon("drain = \"1s\"").rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let once = rig.start(&["once"]);
    rig.at_work("work").await;
    once.term();
    assert!(once.wait().await.success(), "{}", rig.story());
    assert!(rig.story().contains("the agent's turn: interrupted"), "{}", rig.story());
    rig.let_pass("go");
    assert_heals(&rig, number, "interrupted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_lets_the_agent_end_and_starts_nothing_new() {
    let Some(rig) = slow("crash::told_to_stop_it_lets_the_agent_end").rig().await else { return };
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let second = rig.issue("Another", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    daemon.term();
    rig.let_pass("go");
    assert!(daemon.wait().await.success());
    assert_eq!((rig.labels(first), rig.labels(second)), (vec!["claude-pr".to_owned()], vec!["claude-queue".to_owned()]));
    assert_eq!(rig.turns("work"), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the test measures how long a stop takes")]
async fn told_to_stop_twice_it_does_not_drain() {
    let Some(rig) = slow("crash::told_to_stop_twice").rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    let log = rig.state_dir().join("logs");
    daemon.term();
    until("the first signal heard", || told(&log, "once more stops at once").then_some(())).await;
    let begin = Instant::now();
    daemon.term();
    assert!(daemon.wait().await.success());
    assert!(begin.elapsed() < Duration::from_secs(30), "the drain is a minute");
    rig.let_pass("go");
    assert_heals(&rig, number, "stopped at once").await;
}

fn told(log: &std::path::Path, words: &str) -> bool {
    let files = std::fs::read_dir(log).expect("the logs").flatten();
    files.into_iter().any(|file| std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains(words)))
}
