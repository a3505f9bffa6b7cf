//! What steps of formulas can ask of the forge beside comments and pull requests, and steps that are done again where they fail.

use serde_json::{Value, json};

use crate::rig::{Agent, Plan, REPO, TRIAGE, until};

const SORTS: &str = r##"formula = 1
name = "fix"
title = "Sort an issue out"
blast_radius = "low"

[trigger]
label = "claude-queue"

[[label]]
name = "sorted"
color = "#12ab34"
description = "Somebody looked"

[[label]]
name = "Add properly"
color = "#0000ff"

[[label]]
name = "stale"
color = "#c0c0c0"

[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"
commits = "false"
retry = { at_most = 1, wait = "1s" }

[[step]]
id = "sort"
propose = "labels"
add = ["sorted", "{{line steps.work.output.title}}"]
remove = ["stale"]

[[step]]
id = "close"
propose = "close"
"##;

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_broke_off_is_done_again_and_labels_are_made_put_on_and_taken_off() {
    let script = "if [ -e .git/tried ]; then answer done 'Looked.'; else : >.git/tried; exit 7; fi";
    let plan = Plan::new("steps::a_step_that_broke_off").agent(Agent::scripted(TRIAGE, script)).daemon("poll = \"1s\"");
    let Some(rig) = plan.rig().await else { return };
    let folder = rig.dir.path().join("formulas");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("fix.toml"), SORTS).expect("the formula");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue", "stale", "theirs"]).await;

    // What would be done is shown, and touches nothing.
    let dry = rig.run(&["formula", "run", "fix", "--issue", &number.to_string(), "--dry-run"]).await.ok();
    for words in ["would propose: labels", "+ sorted", "- stale", "would propose: close"] {
        assert!(dry.out.contains(words), "{words:?} in {}", dry.out);
    }
    assert_eq!(rig.labels(number), ["claude-queue", "stale", "theirs"]);

    let _daemon = rig.start(&["run"]);
    until("the issue is closed", || (!rig.issue_now(number).open).then_some(())).await;
    assert_eq!(rig.turns("work"), 2, "{}", rig.story());
    assert!(rig.story().contains("step work failed (the agent broke off"), "{}", rig.story());
    let labels = rig.labels(number);
    for (label, there) in [("sorted", true), ("Add properly", true), ("theirs", true), ("stale", false)] {
        assert_eq!(labels.iter().any(|known| known == label), there, "{label}: {labels:?}\n{}", rig.story());
    }
    let all = rig.seed.api("owner", "GET", &format!("repos/{REPO}/labels"), Value::Null).await.expect("the labels");
    let look = |label: &&Value| label["name"] == "sorted";
    let sorted: Vec<&Value> = all.as_array().expect("a list").iter().filter(look).collect();
    assert_eq!(sorted.len(), 1, "{all:#}");
    assert_eq!((&sorted[0]["color"], &sorted[0]["description"]), (&json!("12ab34"), &json!("Somebody looked")));
    // Its story ends in order: the claim is given back, and the run counts as done.
    until("the claim is given back", || rig.claims().is_empty().then_some(())).await;
    assert!(rig.story().contains("done"), "{}", rig.story());
}
