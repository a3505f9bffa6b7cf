//! `pause` and `resume`: nothing new is started, what runs goes on, and a restart forgets nothing.

use forgehand::sandbox::Mode;

use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, until};

async fn plain(test: &'static str, fix: &str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, fix)).daemon("poll = \"1s\"").mode(Mode::None);
    plan.rig().await.expect("it needs nothing")
}

async fn until_labels(rig: &Rig, number: u64, labels: &[&str]) {
    until(&format!("{labels:?} on #{number}"), || (rig.labels(number) == labels).then_some(())).await;
}

async fn reason(rig: &Rig, number: u64) -> String {
    rig.row(number).await["waiting"]["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_was_left_while_nobody_ran_holds_before_anything_starts() {
    let rig = plain("pause::while_nobody_ran", FIX).await;
    assert_eq!(rig.run(&["pause"]).await.code, Some(2), "there is no journal yet");
    rig.once().await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let said = rig.run(&["pause"]).await.ok();
    assert!(said.out.contains("everything is paused") && said.out.contains("forgehand resume"), "{said:?}");
    rig.once().await;
    assert_eq!((rig.labels(number), rig.turns("work")), (vec!["claude-queue".to_owned()], 0), "{}", rig.story());
    assert!(reason(&rig, number).await.contains("everything is paused"));
    let board = rig.json(&["status", "--json"]).await;
    assert_eq!(board["paused"][0]["what"], "everything");
    assert!(rig.run(&["status"]).await.ok().out.contains("! everything is paused"));
    let explained = rig.json(&["explain", &number.to_string(), "--json"]).await;
    assert_eq!(explained["moved_by"], "`forgehand resume`");

    rig.run(&["resume"]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.json(&["status", "--json"]).await["paused"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_on_and_the_pause_outlives_the_daemon() {
    let rig = plain("pause::what_runs_goes_on", &format!("wait_for go; {FIX}")).await;
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    let second = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let said = rig.run(&["pause", REPO, "--until", "2h"]).await.ok();
    assert!(said.out.contains("as of now"), "{said:?}");
    until("the pause in the journal", || rig.story().contains("is paused until").then_some(())).await;
    rig.let_pass("go");
    until_labels(&rig, first, &["claude-pr"]).await;
    daemon.term();
    assert!(daemon.wait().await.success());

    rig.once().await;
    assert_eq!((rig.labels(second), rig.turns("work")), (vec!["claude-queue".to_owned()], 1), "{}", rig.story());
    let row = rig.row(second).await;
    assert!(row["waiting"]["reason"].as_str().is_some_and(|r| r.contains(&format!("{REPO} is paused until"))), "{row}");
    assert!(row["waiting"]["until"].is_string(), "{row}");
    rig.run(&["resume", REPO]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(second), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_issue_is_paused_and_goes_on_by_itself_when_the_time_comes() {
    let rig = plain("pause::one_issue", FIX).await;
    let paused = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-failed"]).await;
    rig.once().await;
    rig.run(&["pause", &paused.to_string(), "--until", "3s"]).await.ok();
    rig.run(&["retry", &paused.to_string()]).await.ok();
    let other = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    until_labels(&rig, other, &["claude-pr"]).await;
    until_labels(&rig, paused, &["claude-pr"]).await;
    let story = rig.story();
    let place = |words: &str| story.find(words).unwrap_or_else(|| panic!("{words:?} in {story}"));
    assert!(place(&format!("{REPO}#{paused} is paused until")) < place("a person asked: retry"), "{story}");
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_paused_is_said() {
    let rig = plain("pause::what_cannot_be_paused", FIX).await;
    rig.once().await;
    for (args, words) in [
        (&["pause", "--until", "soon"][..], "is not a time"),
        (&["pause", "--until", "2020-01-01 10:00"], "is over already"),
        (&["pause", "no/where"], "is no project"),
        (&["pause", "77"], "is not known"),
        (&["resume", "a/b/c"], "neither a project nor an issue"),
    ] {
        let said = rig.run(args).await;
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(said.err.contains(words), "{words:?} in {}", said.err);
    }
    let said = rig.run(&["resume"]).await.ok();
    assert!(said.out.contains("was not paused"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_wins_over_labels_that_were_set_before_it() {
    let rig = plain("pause::a_command_wins", FIX).await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal", "claude-failed"]).await;
    rig.once().await;
    // Nobody has seen this label when the command is given.
    rig.label("claude-queue").await;
    rig.seed.add_label(REPO, "owner", number, "claude-queue").await.expect("a label");
    rig.run(&["cancel", &number.to_string()]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
    assert_eq!(rig.turns("work"), 0, "{}", rig.story());
}
