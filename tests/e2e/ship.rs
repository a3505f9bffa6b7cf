//! A formula that waits for the merge of a pull request: TOML and a prompt, beside the lifecycle. What is merged stays the project's matter.

use forgehand::model::{Advance, Event};
use serde_json::json;

use crate::agents::person;
use crate::gates::beside;
use crate::merge::{FIX, comes_to_be_merged, comes_to_wait, merges, opened, review};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE};

const SHIP: &str = r#"formula = 1
name = "ship"
title = "Have it merged, and say so"
blast_radius = "low"

[trigger]
comment = "/ship"

[[step]]
id = "merge"
propose = "merge"
timeout = "3d"

[[step]]
id = "tell"
when = "steps.merge.output.merged"
propose = "comment"
body = "shipped.md"

[[step]]
id = "pity"
needs = ["merge"]
when = "!steps.merge.output.merged"
propose = "comment"
body = "pity.md"

[[outcome]]
when = "!steps.merge.output.merged"
is = "no-change"
summary = "steps.merge.output.why"
"#;

const FILES: [(&str, &str); 3] = [
    ("formulas/ship.toml", SHIP),
    ("prompts/shipped.md", "Shipped #{{steps.merge.output.pull}} at {{line steps.merge.output.sha}}.\n"),
    ("prompts/pity.md", "Not shipped: {{line steps.merge.output.why}}.\n"),
];

fn went_on(rig: &Rig) -> usize {
    let goes = |event: &Event| matches!(event, Event::Advanced { how: Advance::TakenUp, .. });
    rig.records().iter().filter(|record| goes(&record.event)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_merge_waits_for_the_word_that_it_needs_and_goes_on_when_it_is_made() {
    let plan = Plan::new("ship::who_asks_for_a_merge").agent(Agent::scripted(TRIAGE, FIX)).daemon("poll = \"1s\"");
    let plan = plan.project("formulas = [\"triage\", \"fix\", \"ship\"]\nmerge = \"policy\"");
    let Some(rig) = plan.rig().await else { return };
    person(&rig, "judge", "write").await;
    beside(&rig, &FILES);
    let (number, pull) = opened(&rig, "manifest").await;
    let asks = "(medium blast radius) waits for an approval";
    comes_to_wait(&rig, number, asks).await;
    let named = number.to_string();
    let dry = rig.run(&["formula", "run", "ship", "--issue", &named, "--dry-run"]).await.ok().out;
    assert!(dry.contains("would propose: merge") && dry.contains("Shipped #1"), "{dry}");
    let called = rig.comments(number).len();

    let path = format!("repos/{REPO}/issues/{number}/comments");
    rig.seed.api("owner", "POST", &path, json!({ "body": "/ship" })).await.expect("a comment");
    for _ in 0..4 {
        rig.once().await;
        if !rig.row(number).await["stepped_back"].is_null() {
            break;
        }
    }
    let waits = format!("formula ship waits in step merge for #{pull} to be merged, until ");
    let row = rig.row(number).await;
    assert!(row["stepped_back"][0].as_str().is_some_and(|line| line.starts_with(&waits)), "{row:#}\n{}", rig.story());
    assert!(row["waiting"]["reason"].as_str().is_some_and(|reason| reason.contains(asks)), "{row:#}");
    let explained = rig.run(&["explain", &named]).await.ok().out;
    assert!(explained.contains(&waits) && explained.contains(asks), "{explained}");
    assert_eq!(rig.labels(number), ["claude-pr"]);
    assert_eq!(rig.comments(number).len(), called + 1, "who is asked was asked before: {:#?}", rig.comments(number));
    assert_eq!((merges(&rig), went_on(&rig)), (0, 0), "to ask for it is no approval: {}", rig.story());

    // A daemon that dies meanwhile knows who waits when it comes back.
    let begun = rig.forge.request_count();
    let daemon = rig.start(&["run"]);
    // At rest it writes nothing; that it looks is seen at the forge.
    crate::rig::until("the daemon", || (rig.forge.request_count() >= begun + 5).then_some(())).await;
    daemon.kill().await;
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
    rig.once().await;
    assert_eq!((merges(&rig), went_on(&rig)), (1, 1), "{}", rig.story());
    let said = rig.said(number, &format!("Shipped #{pull} at "));
    assert_eq!((said.len(), rig.said(number, "Not shipped").len()), (1, 0), "{:#?}\n{}", rig.comments(number), rig.story());
    assert!(!rig.issue_now(number).open);
    assert_eq!(rig.claims(), Vec::<String>::new());
    assert_eq!(rig.left_in("work"), Vec::<String>::new());
    rig.once().await.silent();

    // It is played as it went.
    let test = rig.run(&["logs", &named, "--as-test"]).await.ok().out;
    assert!(test.contains("formula = \"ship\"") && test.contains("skipped = [\"pity\"]"), "{test}");
    let begin = test.split("[expect]").next().unwrap_or_default();
    let later = begin.replace("formula = \"ship\"", "formula = \"ship\"\nmerge = \"waits\"");
    let expect = "[expect]\noutcome = \"no-change\"\nskipped = [\"tell\"]\nproposes = [\"merge\", \"comment\"]\nsays = [\"Not shipped: a person is to merge it.\"]\n";
    let later = later + expect;
    let closed = later.replace("\"waits\"", "\"closed\"").replace("a person is to merge it", "it was closed without a merge");
    beside(
        &rig,
        &[("formulas/tests/ship.toml", &test), ("formulas/tests/late.toml", &later), ("formulas/tests/closed.toml", &closed)],
    );
    let played = rig.run(&["formula", "test", "ship"]).await;
    assert!(played.code == Some(0) && played.out.contains("3 passed, 0 failed"), "{played:#?}");
    rig.run(&["formula", "lint", "ship"]).await.ok();
}
