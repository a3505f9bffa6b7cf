//! What people do with labels and issues is obeyed: within a tick, and while an agent works.

use forgehand::sandbox::Mode;
use serde_json::Value;

use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, until};

/// A fix that waits for the word `go`.
const SLOW: &str = "wait_for go; repair; commit 'Add properly'; answer done 'add.sh adds now.'";

async fn slow(test: &'static str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, SLOW)).daemon("poll = \"1s\"");
    plan.rig().await
}

async fn until_labels(rig: &Rig, number: u64, labels: &[&str]) {
    let seen = || (rig.labels(number) == labels).then_some(());
    until(&format!("{labels:?} on #{number}"), seen).await;
}

/// Waits until nothing of an issue's run is left to do.
async fn until_at_rest(rig: &Rig) {
    let told = |line: &str| rig.story().lines().any(|l| l.contains(line));
    until("the end of the run", || told("ended: it was stopped").then_some(())).await;
    until("the claim given back", || rig.claims().is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interactive_stops_the_agent_and_queue_starts_it_again() {
    let Some(rig) = slow("people::interactive_stops_the_agent").await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.label("interactive").await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    until_labels(&rig, number, &["claude-working"]).await;
    rig.seed.add_label(REPO, "owner", number, "interactive").await.expect("a label");
    until_labels(&rig, number, &["interactive"]).await;
    until_at_rest(&rig).await;
    assert!(rig.pulls().is_empty());
    assert_eq!(rig.left_in("work").len(), 1, "the work is kept");
    assert_eq!(rig.row(number).await["attempts"], 0);

    rig.let_pass("go");
    rig.seed.add_label(REPO, "owner", number, "claude-queue").await.expect("a label");
    until_labels(&rig, number, &["claude-pr"]).await;
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_issue_stops_the_agent() {
    let Some(rig) = slow("people::closing_the_issue_stops_the_agent").await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    until_labels(&rig, number, &["claude-working"]).await;
    rig.seed.close(REPO, "owner", number).await.expect("closed");
    until_at_rest(&rig).await;
    assert!(rig.pulls().is_empty() && !rig.issue_now(number).open);
    assert_eq!(rig.left_in("work").len(), 1, "the work is kept");
    assert_eq!(rig.row(number).await["state"], "closed");
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_forgehands_alone_is_set_back() {
    let agent = Agent::scripted("route interactive", FIX);
    let Some(rig) = Plan::new("people::a_label_is_set_back").agent(agent).rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    for label in ["claude-working", "claude-pr", "claude-failed"] {
        rig.label(label).await;
        rig.seed.add_label(REPO, "owner", number, label).await.expect("a label");
        rig.once().await;
        assert_eq!(rig.labels(number), ["interactive"], "{label}: {}", rig.story());
        rig.assert_status(number, &format!("`{label}` is set by forgehand alone, so it was set back"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_last_decision_label_it_is_triaged_anew() {
    let agent = Agent::scripted("if asked_for 'gives 3'; then route queue; else route interactive; fi", FIX);
    let Some(rig) = Plan::new("people::without_its_last_decision_label").agent(agent).rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"]);
    rig.seed.edit_issue(REPO, "reporter", number, None, Some("2 and 2 gives 3")).await.expect("an edit");
    rig.seed.remove_label(REPO, "owner", number, "interactive").await.expect("off");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_of_nobodys_is_left_alone() {
    let Some(rig) = Plan::new("people::an_issue_of_nobodys").rig().await else { return };
    rig.label("bug").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["bug"]).await;
    rig.once().await;
    assert_eq!((rig.labels(number), rig.comments(number).len()), (vec!["bug".to_owned()], 0));
    assert!(rig.left_in("mirrors").is_empty(), "nothing was fetched");
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_and_cancel_are_orders_too() {
    let agent = Agent::scripted(TRIAGE, "if asked_for 'please'; then repair; commit Add; answer done 'Done.'; else exit 1; fi");
    let plan = Plan::new("people::retry_and_cancel").agent(agent).limits("attempts = 1");
    let Some(rig) = plan.rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-failed"], "{}", rig.story());

    rig.run(&["cancel", "1"]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());

    rig.seed.edit_issue(REPO, "reporter", number, None, Some("2 and 2 gives 5, please")).await.expect("an edit");
    let said = rig.run(&["retry", "owner/app#1"]).await.ok();
    assert!(said.out.contains("at the next `forgehand once` or `run`"), "{said:?}");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.row(number).await["attempts"], 0, "its attempts are counted anew");
    assert_eq!(rig.run(&["retry", "77"]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_reaches_a_running_daemon() {
    let Some(rig) = slow("people::cancel_reaches_a_running_daemon").await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    let said = rig.run(&["cancel", "1"]).await.ok();
    assert!(said.out.contains(" now"), "{said:?}");
    until_labels(&rig, number, &["interactive"]).await;
    until_at_rest(&rig).await;
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_answer_is_not_asked_and_who_is_named_is_mentioned() {
    let agent = Agent::scripted("route needs-info '\"What should it give?\"'", FIX);
    let Some(rig) = Plan::new("people::who_cannot_answer").agent(agent).rig().await else { return };
    rig.reconfigure("verify = ", "intake = [\"Reporter\"]\nmention = [\"owner\"]\nverify = ");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
    rig.assert_status(number, "@owner\n\n");
    rig.once().await.silent();
    // What we filed ourselves neither.
    let filed = serde_json::json!({ "title": "A part", "body": "Part of #1." });
    let filed = rig.seed.api("bot", "POST", &format!("repos/{REPO}/issues"), filed).await.expect("an issue");
    let part = filed["number"].as_u64().expect("a number");
    let label = serde_json::json!({ "labels": ["portal"] });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/issues/{part}/labels"), label).await.expect("the label");
    rig.once().await;
    assert_eq!(rig.labels(part), ["interactive"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_the_project_calls_otherwise_are_made_once_and_used() {
    let plan = Plan::new("people::labels_that_the_project_calls_otherwise").mode(Mode::None).daemon("slots = 3");
    let Some(rig) = plan.rig().await else { return };
    rig.reconfigure("[agent]", "[labels]\npr = \"robot: review\"\nworking = \"robot: busy\"\n\n[agent]");
    let mut numbers = Vec::new();
    for title in ["one", "two", "three"] {
        numbers.push(rig.issue(title, "2 and 2 gives 5", &["portal"]).await);
    }
    rig.once().await;
    for number in numbers {
        assert_eq!(rig.labels(number), ["robot: review"], "{}", rig.story());
        assert_eq!(rig.row(number).await["state"], "robot: review");
    }
    let labels = rig.seed.api("owner", "GET", &format!("repos/{REPO}/labels"), Value::Null).await.expect("the labels");
    let mut names: Vec<&str> = labels.as_array().expect("a list").iter().filter_map(|label| label["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["claude-queue", "portal", "robot: busy", "robot: review"]);
}
