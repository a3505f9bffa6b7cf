//! A role that is a TOML file and a prompt, about the project: started by its schedule, and by hand.

use forgehand::model::{Event, ForgeEvent, IssueNumber, Timestamp, Wanted, WantedBy};
use serde_json::json;

use crate::aside::block;
use crate::gates::beside;
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, now, until};

const TEND: &str = r#"
formula = 1
name = "tend"
title = "Tend the project"
blast_radius = "low"

[trigger]
cron = "CRON"

[[input]]
name = "depth"
type = "number"
default = 1

[[step]]
id = "tend"
agent = "dev"
prompt = "tend.md"
access = "read"
output = "fix-result"
"#;

const PROMPT: &str = "Tend {{repo}} to depth {{inputs.depth}}.\n{{#if guide}}{{outside guide}}{{/if}}\n";

/// Says whether it was told what it should be.
const SCRIPT: &str = r#"case $FORGEHAND_STEP in
    tend) asked_for 'Tend owner/app to depth' && asked_for 'Use tabs.' && answer done 'Tended.' ;;
esac"#;

async fn rig(test: &'static str, cron: &str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, SCRIPT)).daemon("poll = \"1h\"").file("CLAUDE.md", "Use tabs.\n");
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"tend\"]").rig().await?;
    beside(&rig, &[("formulas/tend.toml", &TEND.replace("CRON", cron)), ("prompts/tend.md", PROMPT)]);
    Some(rig)
}

/// A line that comes round once, in so many seconds.
fn in_seconds(seconds: i64) -> (String, Timestamp) {
    let at = Timestamp((now() / 1000 + seconds) * 1000);
    let text = at.rfc3339();
    let part = |range: std::ops::Range<usize>| text[range].trim_start_matches('0').parse::<u32>().unwrap_or_default();
    let (second, minute, hour, day, month) = (part(17..19), part(14..16), part(11..13), part(8..10), part(5..7));
    (format!("{second} {minute} {hour} {day} {month} *"), at)
}

fn started(rig: &Rig) -> Vec<WantedBy> {
    let by = |event: &Event| match event {
        Event::RunStarted { aside: Some(Wanted { by, .. }), .. } => Some(by.clone()),
        _ => None,
    };
    rig.records().iter().filter_map(|record| by(&record.event)).collect()
}

fn ended(rig: &Rig) -> usize {
    rig.records().iter().filter(|record| matches!(record.event, Event::RunEnded { .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_starts_a_role_once_though_nobody_looks_at_the_forge() {
    let (cron, at) = in_seconds(12);
    let Some(rig) = rig("schedule::a_schedule_starts", &cron).await else { return };
    let daemon = rig.start(&["run"]);
    until("the end", || (ended(&rig) == 1).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    assert_eq!((started(&rig), rig.turns("tend")), (vec![WantedBy::Schedule { at }], 1), "{}", rig.story());
    assert_eq!(rig.claims(), Vec::<String>::new());

    let told = rig.run(&["explain", REPO]).await.ok().out;
    assert!(told.contains(&format!("tend ({cron})")) && told.contains("the last run ended at"), "{told}");
    let told = rig.run(&["status"]).await.ok().out;
    assert!(told.contains("the last run ended at") && !told.contains("#0"), "{told}");
    let board = rig.json(&["status", "--json"]).await;
    assert_eq!(board["projects"][0]["schedules"][0]["last"], at.to_string(), "{board:#}");
    assert_eq!((&board["issues"], &board["runs"][0]["issue"]), (&serde_json::json!([]), &serde_json::Value::Null));
    let story = rig.run(&["logs", REPO]).await.ok();
    assert!(story.out.contains("asked for by its schedule") && story.out.contains("has the schedule"), "{}", story.out);
    assert!(story.err.contains("project-tend-1"), "{}", story.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_about_the_project_is_run_by_hand() {
    let Some(rig) = rig("schedule::by_hand", "0 0 1 1 *").await else { return };
    rig.once().await;
    let tried = rig.run(&["formula", "run", "tend", "--dry-run"]).await.ok();
    assert!(tried.out.contains("Tend owner/app to depth 1.") && tried.out.contains("tend on owner/app"), "{}", tried.out);
    let tried = rig.run(&["formula", "run", "tend", "--dry-run", "--comment", "/tend depth=4"]).await;
    assert!(tried.code == Some(2) && tried.err.contains("no comment does: leave --comment out"), "{tried:#?}");
    let wrong = rig.run(&["formula", "run", "tend", "--issue", "7"]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("is about the project"), "{wrong:#?}");
    let wrong = rig.run(&["formula", "run", "fix"]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("is about an issue"), "{wrong:#?}");

    let said = rig.run(&["formula", "run", "tend", "--input", "depth=3"]).await.ok();
    assert!(said.out.contains("tend is to run on owner/app"), "{}", said.out);
    rig.once().await;
    rig.run(&["formula", "run", "tend", "--project", REPO]).await.ok();
    rig.once().await;
    assert_eq!(started(&rig), [WantedBy::Hand, WantedBy::Hand], "{}", rig.story());
    assert_eq!(rig.turns("tend"), 2, "{}", rig.story());
    assert_eq!(ended(&rig), 2, "{}", rig.story());
    assert_eq!(rig.claims(), Vec::<String>::new());
    rig.run(&["cancel", REPO]).await.ok();
    rig.once().await;
    let next = rig.run(&["explain", REPO]).await.ok().out;
    assert!(next.contains("formula tend starts by its schedule at"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_about_the_project_is_run_by_a_comment_and_by_what_ends() {
    let Some(rig) = rig("schedule::by_a_comment", "0 0 1 1 *\"\ncomment = \"/tend\"\nevent = [\"issue-closed\"]\n#\"").await
    else {
        return;
    };
    let taken = rig.issue("Total is wrong", "2 and 2 gives 5", &["interactive"]).await;
    rig.once().await;
    assert_eq!(started(&rig), []);

    let tried = rig.run(&["formula", "run", "tend", "--dry-run"]).await.ok().out;
    assert!(tried.contains("no comment that begins with `/tend` is given") && tried.contains("event issue-closed"), "{tried}");
    let tried = rig.run(&["formula", "run", "tend", "--dry-run", "--comment", "/tend depth=4"]).await.ok().out;
    assert!(tried.contains("Tend owner/app to depth 4.") && !tried.contains("`/tend`"), "{tried}");

    // Under an issue, about the project; somebody without rights asks in vain.
    let path = format!("repos/{REPO}/issues/{taken}/comments");
    for login in ["reporter", "owner"] {
        rig.seed.api(login, "POST", &path, json!({ "body": "/tend depth=4" })).await.expect("a comment");
    }
    rig.once().await;
    rig.once().await;
    let [WantedBy::Comment { login, word, .. }] = &started(&rig)[..] else { panic!("{:?}\n{}", started(&rig), rig.story()) };
    assert_eq!((login.as_str(), word.as_str()), ("owner", "/tend"));
    let story = rig.run(&["logs", REPO]).await.ok();
    assert!(story.out.contains("asked for by owner in a comment"), "{}", story.out);
    let given = rig.records().iter().any(|record| match &record.event {
        Event::Wanted { wanted, .. } => wanted.inputs.get("depth") == Some(&json!(4)),
        _ => false,
    });
    assert!(given, "{}", rig.story());

    // The issue's end, however often it is looked at.
    rig.seed.api("owner", "PATCH", &format!("repos/{REPO}/issues/{taken}"), json!({ "state": "closed" })).await.expect("closed");
    rig.once().await;
    rig.once().await;
    let happened = WantedBy::Happened { event: ForgeEvent::IssueClosed, on: IssueNumber(taken) };
    assert_eq!(started(&rig)[1..], [happened], "{}", rig.story());
    let story = rig.run(&["logs", REPO]).await.ok();
    assert!(story.out.contains(&format!("asked for by what happened: issue-closed (#{taken})")), "{}", story.out);
    assert_eq!(ended(&rig), 2, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_closed_when_the_last_of_its_parts_is() {
    let plan = Plan::new("schedule::the_last_of_its_parts").agent(Agent::scripted(TRIAGE, SCRIPT)).daemon("poll = \"1h\"");
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"parents\"]").rig().await else { return };
    let mut parts = Vec::new();
    for title in ["One half", "The other half"] {
        parts.push(rig.issue(title, "Is needed", &["interactive"]).await);
    }
    let body = format!("- [ ] #{}\n- [ ] #{}\n", parts[0], parts[1]);
    let whole = rig.issue("Two halves", &body, &[]).await;
    rig.once().await;
    for (part, open) in parts.into_iter().zip([true, false]) {
        let path = format!("repos/{REPO}/issues/{part}");
        rig.seed.api("owner", "PATCH", &path, json!({ "state": "closed" })).await.expect("closed");
        rig.once().await;
        rig.once().await;
        assert_eq!(rig.issue_now(whole).open, open, "after {part}: {}", rig.story());
    }
    assert_eq!(rig.said(whole, "It is closed with that.").len(), 1, "{:#?}", rig.comments(whole));
    assert_eq!((rig.turns("look"), started(&rig).len()), (0, 2), "no agent is asked: {}", rig.story());
}

/// Asks for what the first issue lacks, where it was shown to it.
const SWEEP: &str = r#"case $FORGEHAND_STEP in
    pick) asked_for '- 2 by reporter, 0 comments, labels none: <outside-' && asked_for '>Total is wrong</outside-' &&
        asked_for '- 1 by reporter, 0 comments, labels <outside-' &&
        printf '{"number":2,"question":"Which numbers did you add?"}' >"$FORGEHAND_RESULT" ;;
esac"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduled_role_of_the_tutorial_has_nothing_to_do_or_asks_under_an_issue() {
    let plan = Plan::new("schedule::the_tutorial").agent(Agent::scripted(TRIAGE, SWEEP)).daemon("poll = \"1h\"");
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"sweep\"]").rig().await else { return };
    let sweep = block("toml", 1);
    assert!(sweep.contains("cron = \"0 6 * * *\""), "{sweep}");
    beside(
        &rig,
        &[
            ("formulas/sweep.toml", sweep),
            ("formulas/schemas/sweep-result.json", block("json", 0)),
            ("prompts/sweep.md", block("markdown", 2)),
            ("prompts/swept.md", block("markdown", 3)),
        ],
    );
    rig.run(&["formula", "lint", "sweep"]).await.ok();
    let labelled = rig.issue("Add a page", "Please", &["interactive"]).await;
    rig.once().await;
    rig.run(&["formula", "run", "sweep"]).await.ok();
    rig.once().await;
    assert_eq!((started(&rig).len(), ended(&rig), rig.turns("pick")), (1, 1, 0), "{}", rig.story());
    assert!(rig.story().contains("step pick is skipped") && rig.story().contains("1 open issue"), "{}", rig.story());

    let bare = rig.issue("Total is wrong", "2 and 2 gives 5", &[]).await;
    let tried = rig.run(&["formula", "run", "sweep", "--dry-run"]).await.ok();
    assert!(tried.out.contains("Total is wrong") && tried.out.contains("would propose"), "{}", tried.out);
    assert_eq!((rig.comments(labelled).len(), rig.comments(bare).len()), (0, 0), "a dry run touches nothing");

    // Its schedule, where its time comes in a moment.
    let (cron, at) = in_seconds(10);
    beside(&rig, &[("formulas/sweep.toml", &sweep.replace("0 6 * * *", &cron))]);
    let daemon = rig.start(&["run"]);
    until("the end", || (ended(&rig) == 2).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    assert_eq!(started(&rig)[1..], [WantedBy::Schedule { at }], "{}", rig.story());
    assert_eq!((rig.turns("pick"), rig.said(bare, "Which numbers did you add?").len()), (1, 1), "{}", rig.story());

    let taped = rig.run(&["logs", REPO, "--as-test"]).await.ok().out;
    beside(&rig, &[("formulas/tests/sweep.toml", &taped)]);
    rig.run(&["formula", "test", "sweep"]).await.ok();
}
