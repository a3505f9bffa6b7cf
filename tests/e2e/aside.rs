//! A role that is a TOML file and a prompt, run beside the lifecycle: by hand, by a comment, by a label of its own.

use forgehand::model::{Declined, Event, Timestamp};
use serde_json::json;

use crate::agents::person;
use crate::gates::beside;
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, now, until};

/// The page that takes an author there: what it says is what is tried.
const TUTORIAL: &str = include_str!("../../docs/tutorial.md");

/// The nth block of a language in it, from 0.
pub fn block(language: &str, n: usize) -> &'static str {
    let block = TUTORIAL.split(&format!("```{language}\n")).nth(n + 1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("no {language} block {n} in the tutorial"))
}

/// Looks as deep as it is told, and says so; what is fixed is fixed as ever.
const SCRIPT: &str = r#"case $FORGEHAND_STEP in
    look) if asked_for 'at most 3 files'; then answer done 'Seen at depth 3.'; else answer done 'Seen.'; fi ;;
    work) repair; commit 'Add properly'; answer done 'It adds.' ;;
esac"#;

async fn rig(test: &'static str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, SCRIPT)).daemon("poll = \"1s\"");
    let plan = plan.project("formulas = [\"triage\", \"fix\", \"glance\"]");
    let rig = plan.rig().await?;
    beside(
        &rig,
        &[
            ("formulas/glance.toml", block("toml", 0)),
            ("prompts/glance.md", block("markdown", 0)),
            ("prompts/glanced.md", block("markdown", 1)),
        ],
    );
    Some(rig)
}

async fn comments(rig: &Rig, login: &str, number: u64, body: &str) {
    let path = format!("repos/{REPO}/issues/{number}/comments");
    rig.seed.api(login, "POST", &path, json!({ "body": body })).await.expect("a comment");
}

fn started(rig: &Rig) -> usize {
    rig.records().iter().filter(|r| matches!(&r.event, Event::RunStarted { aside: Some(_), .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_and_an_order_are_heard_on_an_issue_without_a_label_of_ours_too() {
    let Some(rig) = rig("aside::unlabelled").await else { return };
    let old = rig.issue("Old", "It was there before", &[]).await;
    rig.once().await;
    let asked = rig.issue("What is this?", "I wonder", &[]).await;
    rig.once().await;
    assert_eq!(started(&rig), 0, "nobody asked for it");
    comments(&rig, "owner", asked, "/glance please").await;
    rig.once().await;
    assert_eq!((rig.said(asked, "Glanced: ").len(), rig.labels(asked)), (1, Vec::<String>::new()), "{}", rig.story());

    person(&rig, "mallory", "read").await;
    let stranger = rig.issue("And that?", "I wonder still", &[]).await;
    comments(&rig, "mallory", stranger, "/glance please").await;
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.comments(stranger).len(), started(&rig)), (1, 1), "a stranger asks for nothing: {}", rig.story());

    rig.run(&["formula", "run", "glance", "--issue", &old.to_string()]).await.ok();
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.said(old, "Glanced: ").len(), rig.labels(old)), (1, Vec::<String>::new()), "{}", rig.story());
    let wrong = rig.run(&["formula", "run", "glance", "--issue", "99"]).await;
    assert!(wrong.err.contains("issues/99"), "{}", wrong.err);
    rig.seed.close(REPO, "owner", asked).await.expect("closed");
    let last = rig.issue("Closed", "It is", &[]).await;
    rig.seed.close(REPO, "owner", last).await.expect("closed");
    let closed = rig.run(&["formula", "run", "glance", "--issue", &last.to_string()]).await;
    assert!(closed.err.contains("is closed"), "{}", closed.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_run_by_hand_by_a_comment_and_by_a_label_beside_the_lifecycle() {
    let Some(rig) = rig("aside::a_role_is_run").await else { return };
    let taken = rig.issue("Total is wrong", "2 and 2 gives 5", &["interactive"]).await;
    rig.once().await;
    assert_eq!(rig.turns("look"), 0, "nobody asked for it");

    let tried = rig.run(&["formula", "run", "glance", "--issue", &taken.to_string(), "--dry-run"]).await.ok();
    assert!(tried.out.contains("at most 1 files") && tried.out.contains("Glanced:"), "{}", tried.out);
    rig.run(&["formula", "lint", "glance"]).await.ok();
    rig.run(&["formula", "graph", "glance"]).await.ok();
    assert_eq!(rig.comments(taken).len(), 0, "a dry run touches nothing");

    // By hand, with an input.
    let said = rig.run(&["formula", "run", "glance", "--issue", &taken.to_string(), "--input", "depth=3"]).await.ok();
    assert!(said.out.contains("glance is to run on"), "{}", said.out);
    let wrong = rig.run(&["formula", "run", "glance", "--issue", &taken.to_string(), "--input", "depht=3"]).await;
    assert!(wrong.err.contains("has no input `depht`"), "{}", wrong.err);
    rig.once().await;
    assert_eq!(rig.said(taken, "Glanced: Seen at depth 3.").len(), 1, "{}", rig.story());
    assert_eq!(rig.labels(taken), ["interactive"], "it moves nothing");
    assert_eq!(rig.claims(), Vec::<String>::new());
    let story = rig.story();
    assert!(story.contains("begins beside the lifecycle, asked for by hand"), "{story}");

    // By a comment of somebody who may write, once for each comment; its own comment is edited.
    comments(&rig, "owner", taken, "/glance once more").await;
    rig.once().await;
    rig.once().await;
    assert_eq!(rig.turns("look"), 2, "{}", rig.story());
    assert_eq!(rig.said(taken, "Glanced: ").len(), 1, "{:#?}", rig.comments(taken));
    assert_eq!(rig.said(taken, "Glanced: Seen.").len(), 1, "{:#?}", rig.comments(taken));

    // A stranger may not, and words that only begin alike ask for nothing.
    person(&rig, "stranger", "read").await;
    comments(&rig, "stranger", taken, "/glance").await;
    comments(&rig, "owner", taken, "/glances are nice").await;
    rig.once().await;
    assert_eq!(rig.turns("look"), 2, "{}", rig.story());
    let declined = rig.records().iter().any(|r| {
        matches!(&r.event, Event::Declined { declined: Declined::NoRights { login, .. }, .. } if login.as_str() == "stranger")
    });
    assert!(declined, "{}", rig.story());

    // By a label of its own, once for each time it is put on, on an issue that is nobody's else.
    let labelled = rig.issue("What is this?", "I wonder", &["needs-glance"]).await;
    rig.once().await;
    rig.once().await;
    assert_eq!(rig.said(labelled, "Glanced: Seen.").len(), 1, "{}", rig.story());
    assert_eq!((rig.turns("look"), started(&rig)), (3, 3));
    assert_eq!(rig.labels(labelled), ["needs-glance"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_orders_the_formula_of_the_queue_as_its_label_does() {
    let Some(rig) = rig("aside::a_comment_orders").await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["interactive"]).await;
    rig.once().await;
    comments(&rig, "owner", number, "/fix").await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!((rig.pulls().len(), started(&rig)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_opened_starts_a_role_whatever_it_carries_and_an_old_one_does_not() {
    let Some(rig) = rig("aside::opened").await else { return };
    let glance = block("toml", 0).replace("comment = \"/glance\"", "event = [\"issue-opened\"]");
    beside(&rig, &[("formulas/glance.toml", &glance)]);
    let old = rig.issue("Old", "It was there before", &[]).await;
    rig.once().await;
    // What was opened in the second of the first look counts as old.
    let looked = now() / 1000;
    until("the next second", || (now() / 1000 > looked).then_some(())).await;
    let new = rig.issue("New", "I wonder", &[]).await;
    comments(&rig, "owner", old, "It moves").await;
    for _ in 0..3 {
        rig.once().await;
    }
    assert_eq!((rig.said(new, "Glanced: ").len(), rig.comments(old).len(), started(&rig)), (1, 1, 1), "{}", rig.story());
    // The queue's own word works there as its label does.
    comments(&rig, "owner", old, "/fix").await;
    rig.once().await;
    assert_eq!((rig.labels(old), rig.pulls().len()), (vec!["claude-pr".to_owned()], 1), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_writes_into_an_issue_is_no_answer_of_its_reporter_and_an_edit_of_his_is() {
    let Some(rig) = rig("aside::rewritten").await else { return };
    let rename = "[[step]]\nid = \"rename\"\npropose = \"update-issue\"\ntitle = \"{{line issue.title}} (seen)\"\n";
    let head = "formula = 1\nname = \"glance\"\ntitle = \"It\"\nblast_radius = \"low\"\n";
    beside(&rig, &[("formulas/glance.toml", &format!("{head}{rename}"))]);
    let number = rig.issue("What is this?", "I wonder", &["portal", "needs-info"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["needs-info"], "{}", rig.story());
    rig.run(&["formula", "run", "glance", "--issue", &number.to_string()]).await.ok();
    for _ in 0..4 {
        rig.once().await;
    }
    assert_eq!(rig.issue_now(number).title, "What is this? (seen)");
    assert_eq!(rig.labels(number), ["needs-info"], "{}", rig.story());
    assert!(!rig.story().contains("the question was answered"), "{}", rig.story());
    rig.seed.edit_issue(REPO, "owner", number, None, Some("2 and 2 gives 5")).await.expect("edited");
    rig.once().await;
    assert!(rig.story().contains("the question was answered"), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_beside_the_lifecycle_goes_on_where_a_daemon_died() {
    let Some(rig) = rig("aside::a_run_goes_on").await else { return };
    let waiting = SCRIPT.replace("look) if", "look) wait_for go; if");
    let script = rig.dir.path().join("agent/agent.sh");
    let text = std::fs::read_to_string(&script).expect("the script").replace(SCRIPT, &waiting);
    std::fs::write(&script, text).expect("the script");
    let number = rig.issue("What is this?", "I wonder", &["needs-glance"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("look").await;
    daemon.kill().await;
    rig.let_pass("go");
    let daemon = rig.start(&["run"]);
    until("the comment", || (!rig.said(number, "Glanced: Seen.").is_empty()).then_some(())).await;
    until("the end", || rig.records().iter().any(|r| matches!(r.event, Event::RunEnded { .. })).then_some(())).await;
    daemon.kill().await;
    assert_eq!((started(&rig), rig.said(number, "Glanced: ").len()), (1, 1), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_story_starts_a_role_on_the_closed_issue_once() {
    let Some(rig) = rig("aside::the_end_of_a_story").await else { return };
    let glance = block("toml", 0).replace("comment = \"/glance\"", "event = [\"issue-closed\", \"pull-merged\"]");
    beside(&rig, &[("formulas/glance.toml", &glance)]);
    let before = rig.issue("Long ago", "It was closed", &["interactive"]).await;
    close(&rig, before, "closed").await;
    let merged = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let taken = rig.issue("Look at this", "I wonder", &["interactive"]).await;
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.turns("look"), rig.labels(merged)), (0, vec!["claude-pr".to_owned()]), "{}", rig.story());

    close(&rig, taken, "closed").await;
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.turns("look"), rig.said(taken, "Glanced: Seen.").len()), (1, 1), "{}", rig.story());
    assert!(!rig.issue_now(taken).open, "it stays closed");
    // What is closed anew is closed once more, and somebody's comment in between is nothing.
    comments(&rig, "owner", taken, "thanks").await;
    rig.once().await;
    close(&rig, taken, "open").await;
    rig.once().await;
    close(&rig, taken, "closed").await;
    rig.once().await;
    rig.once().await;
    assert_eq!(rig.turns("look"), 2, "{}", rig.story());

    // Merging closes the issue: that is both.
    let pull = rig.pulls().pop().expect("a pull request").issue.number;
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a merge");
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.turns("look"), started(&rig)), (4, 4), "{}", rig.story());
    assert_eq!((rig.said(before, "Glanced").len(), rig.claims()), (0, Vec::<String>::new()));
}

async fn close(rig: &Rig, number: u64, state: &str) {
    let path = format!("repos/{REPO}/issues/{number}");
    rig.seed.api("owner", "PATCH", &path, json!({ "state": state })).await.expect("closed or open");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_our_pull_request_starts_a_role_once() {
    let Some(rig) = rig("aside::what_happens").await else { return };
    let glance = block("toml", 0).replace("comment = \"/glance\"", "event = [\"pull-opened\", \"changes-requested\"]");
    beside(&rig, &[("formulas/glance.toml", &glance)]);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!((rig.turns("look"), started(&rig)), (1, 1), "{}", rig.story());
    let pull = rig.pulls().pop().expect("a pull request");
    let reviews = format!("repos/{REPO}/pulls/{}/reviews", pull.issue.number);
    // A forge tells whole seconds: what comes in that of the last look does not show as a movement.
    let second = now() / 1000;
    until("another second", || (now() / 1000 > second).then_some(())).await;
    rig.seed.api("owner", "POST", &reviews, json!({"event": "REQUEST_CHANGES", "body": "why?"})).await.expect("a review");
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.turns("look"), started(&rig)), (2, 2), "{}", rig.story());
    assert_eq!(rig.labels(number), ["claude-pr"]);
    assert_eq!(rig.said(number, "Glanced: Seen.").len(), 1, "{:#?}", rig.comments(number));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_group_wait_for_each_other_and_explain_names_the_one_in_the_way() {
    let waits = SCRIPT.replace("look) if", "look) wait_for go; if");
    let plan = Plan::new("aside::runs_of_a_group").agent(Agent::scripted(TRIAGE, &waits)).daemon("poll = \"1s\"\nslots = 2");
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"glance\"]").rig().await else { return };
    let grouped = block("toml", 0).to_owned() + "\n[limits]\nconcurrency = { group = \"gardening\", when_busy = \"queue\" }\n";
    let prompts = [("prompts/glance.md", block("markdown", 0)), ("prompts/glanced.md", block("markdown", 1))];
    beside(&rig, &[&[("formulas/glance.toml", grouped.as_str())][..], &prompts].concat());
    let first = rig.issue("What is this?", "I wonder", &["needs-glance"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("look").await;
    let second = rig.issue("And that?", "I wonder too", &["needs-glance"]).await;
    until("the second is wanted", || {
        rig.records().iter().any(|r| matches!(&r.event, Event::Wanted { subject, .. } if subject.issue.0 == second)).then_some(())
    })
    .await;
    let said = rig.run(&["explain", &second.to_string()]).await.ok();
    let run = rig.records().into_iter().find_map(|r| match r.event {
        Event::RunStarted { run, .. } => Some(run),
        _ => None,
    });
    let in_the_way = format!("group gardening is at work: run {} of {REPO}#{first} must end first", run.expect("a run"));
    assert!(said.out.contains(&in_the_way), "{}", said.out);
    assert_eq!(rig.turns("look"), 1, "{}", rig.story());
    rig.let_pass("go");
    until("both comments", || [first, second].iter().all(|number| !rig.said(*number, "Glanced: Seen.").is_empty()).then_some(()))
        .await;
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formula_that_had_its_runs_of_the_day_waits_and_explain_says_what_helps() {
    let Some(rig) = rig("aside::a_formula_that_had_its_runs").await else { return };
    // What is left of a UTC day at its end is too short for this.
    if Timestamp(now() + 180_000).day() != Timestamp(now()).day() {
        return crate::hands_bench::not_run("aside::a_formula_that_had_its_runs", "the UTC day ends within minutes");
    }
    let limited = |runs| format!("{}\n[limits]\nruns_day = {runs}\n", block("toml", 0));
    beside(&rig, &[("formulas/glance.toml", &limited(1))]);
    let first = rig.issue("What is this?", "I wonder", &["needs-glance"]).await;
    rig.once().await;
    let second = rig.issue("And that?", "I wonder too", &["needs-glance"]).await;
    rig.once().await;
    rig.once().await;
    assert_eq!(rig.turns("look"), 1, "{}", rig.story());
    assert_eq!((rig.said(first, "Glanced: ").len(), rig.said(second, "Glanced: ").len()), (1, 0));
    let said = rig.run(&["explain", &second.to_string()]).await.ok();
    for words in ["formula glance had its 1 run of the day", "a higher `runs_day` in [limits] of the formula"] {
        assert!(said.out.contains(words), "{words:?} in {}", said.out);
    }
    assert_eq!(rig.claims(), Vec::<String>::new(), "what waits for a day holds nothing");

    beside(&rig, &[("formulas/glance.toml", &limited(2))]);
    rig.once().await;
    assert_eq!((rig.turns("look"), rig.said(second, "Glanced: Seen.").len()), (2, 1), "{}", rig.story());
}
