//! What a forge answers to a merge, and what the policy has merged how: nothing is merged that was not decided on, and what was, once.

use forgehand::localforge::SeedFile;
use forgehand::model::{Event, Outcome};
use serde_json::{Value, json};

use crate::agents::person;
use crate::merge::{FIX, comes_to_be_merged, comes_to_wait, merges, opened, waits};
use crate::ops::OPS;
use crate::rig::veil::{AtMerge, Changes, Merges, Veil};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, until};

const LOW: &str = "merge = \"low\"\nreview = \"off\"";

async fn site(test: &'static str, lines: &str, script: &str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, script)).daemon("poll = \"1s\"");
    let rig = plan.limits("backoff = [\"1s\"]").project(lines).rig().await?;
    person(&rig, "judge", "write").await;
    Some(rig)
}

/// What is merged passes by something that changes what becomes of it.
pub async fn veiled(rig: &Rig) -> (Veil, Merges) {
    let merges = Merges::default();
    let veil = Veil::changing(&rig.forge.url(), Changes { merges: merges.clone(), ..Changes::default() }).await;
    rig.reconfigure(&rig.forge.url(), &veil.url);
    (veil, merges)
}

/// A policy of the people's.
async fn policy(rig: &Rig, text: &str) {
    let policy = SeedFile { path: "vault/policy.toml", content: text, executable: false };
    rig.seed.create_repo("owner", "ops", false, &[policy]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
}

fn refusals(rig: &Rig) -> Vec<String> {
    let why = |event: &Event| match event {
        Event::Ended { outcome: Outcome::MergeRefused { why }, .. } => Some(why.clone()),
        _ => None,
    };
    rig.records().iter().filter_map(|record| why(&record.event)).collect()
}

/// Looks until so many merges were refused.
async fn refused(rig: &Rig, times: usize) -> String {
    for _ in 0..30 {
        if let Some(why) = refusals(rig).get(times - 1) {
            return why.clone();
        }
        rig.once().await;
    }
    panic!("no merge was refused: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_is_answered_409_or_scheduled_is_looked_at_again_and_made_once() {
    let Some(rig) = site("merge_answers::again", LOW, FIX).await else { return };
    let (_veil, at) = veiled(&rig).await;
    for status in [409, 201] {
        at.then(AtMerge::Answered(status));
    }
    let (number, _) = opened(&rig, "code").await;
    refused(&rig, 1).await;
    assert_eq!(refused(&rig, 2).await, "it says that it will, later", "{}", rig.story());
    comes_to_be_merged(&rig, number).await;
    assert_eq!((merges(&rig), refusals(&rig).len(), at.left()), (3, 2, 0), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_between_the_decision_and_the_merge_is_not_merged() {
    let Some(rig) = site("merge_answers::pushed", LOW, FIX).await else { return };
    let (_veil, at) = veiled(&rig).await;
    let commit = json!({ "branch": "claude/issue-1", "content": "aGk=", "message": "Sneaked in" });
    at.then(AtMerge::Pushed { path: format!("repos/{REPO}/contents/sneaked.txt"), commit });
    let (number, _) = opened(&rig, "code").await;
    refused(&rig, 1).await;
    assert_eq!(at.left(), 0, "{}", rig.story());
    comes_to_wait(&rig, number, "which forgehand did not verify").await;
    let sneaked = rig.seed.api("owner", "GET", &format!("repos/{REPO}/contents/sneaked.txt?ref=main"), Value::Null).await;
    assert!(sneaked.is_err() && rig.issue_now(number).open, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_fails_at_a_merge_is_not_taken_to_mean_what_it_does_not_say() {
    let Some(rig) = site("merge_answers::fails", LOW, FIX).await else { return };
    let (_veil, at) = veiled(&rig).await;
    at.then(AtMerge::Answered(500));
    let (number, pull) = opened(&rig, "code").await;
    let why = refused(&rig, 1).await;
    assert!(why.contains("does not depend on anything open"), "{why}");

    // The forge's own way to say that it depends on something.
    let first = rig.issue("First this", "It is not done.", &[]).await;
    let on = json!({ "index": first, "owner": "owner", "repo": "app" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/issues/{pull}/dependencies"), on).await.expect("a dependency");
    assert_eq!(refused(&rig, 2).await, format!("it depends on {REPO}#{first}, which is open"), "{}", rig.story());
    let closed = json!({ "state": "closed" });
    rig.seed.api("owner", "PATCH", &format!("repos/{REPO}/issues/{first}"), closed).await.expect("closed");
    comes_to_be_merged(&rig, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_the_policy_merges_what_is_medium_in_the_style_that_it_names() {
    let Some(rig) = site("merge_answers::window", "merge = \"policy\"\nreview = \"off\"", FIX).await else { return };
    policy(&rig, "merge_style = \"squash\"\n[medium]\nwait = \"3s\"\non_timeout = \"merge\"\n").await;
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "(medium blast radius) waits for an approval").await;
    assert!(rig.issue_now(number).open && merges(&rig) == 0, "not before the window is over: {}", rig.story());
    let over = crate::rig::now() + 3_000;
    until("the end of the window", || (crate::rig::now() > over).then_some(())).await;
    comes_to_be_merged(&rig, number).await;
    let head = rig.commit(&rig.branch("main").expect("main")).await;
    assert_eq!(head["parents"].as_array().map(Vec::len), Some(1), "{head:#}");
    let reviews = rig.seed.api("owner", "GET", &format!("repos/{REPO}/pulls/{pull}/reviews"), Value::Null).await.expect("them");
    assert_eq!(reviews, json!([]), "nobody said a word");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_are_asked_by_name_for_what_is_high() {
    let Some(rig) = site("merge_answers::by_name", "merge = \"policy\"", FIX).await else { return };
    person(&rig, "admina", "admin").await;
    let owner = rig.seed.token("owner", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nrights_token_env = \"OWNER_TOKEN\"\n");
    let rig = rig.with_env("OWNER_TOKEN", &owner);
    let (number, _) = opened(&rig, "container").await;
    comes_to_wait(&rig, number, "waits for the approval of admina or owner").await;
    assert!(!waits(&rig, number).await.contains("judge"), "who may only write is not asked");
    assert_eq!(rig.said(number, "by @admina or @owner").len(), 1, "{:#?}", rig.comments(number));
}

#[tokio::test(flavor = "multi_thread")]
async fn classify_counts_the_opinion_of_the_agent_who_made_the_change() {
    let script = r#"repair; commit 'Add properly'
        printf '{"outcome":"done","title":"Add","summary":"It adds.","blast_radius":"high"}' >"$FORGEHAND_RESULT""#;
    let Some(rig) = site("merge_answers::opinion", "merge = \"policy\"", script).await else { return };
    let (_, pull) = opened(&rig, "code").await;
    let told = rig.json(&["vault", "classify", &pull.to_string(), "--json"]).await;
    let reasons = told["reasons"].as_array().expect("reasons");
    assert!(told["tier"] == "high" && reasons.iter().any(|reason| reason["source"] == "agent"), "{told:#}");
}
