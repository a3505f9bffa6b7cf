//! What steps of formulas can ask of the forge beside comments and pull requests, and steps that are done again where they fail.

use forgehand::model::{Event, Intent};
use serde_json::{Value, json};

use crate::gates::beside;
use crate::ops::{clone_of, git_in};
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

const EACH: &str = r##"formula = 1
name = "weigh"
title = "Weigh each label"
blast_radius = "low"

[trigger]
label = "to-weigh"

[[step]]
id = "look"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"
for_each = { items = "issue.labels.filter(one, one.startsWith('about-'))", at_most = 3 }

[[step]]
id = "say"
propose = "comment"
body = "said.md"
for_each = { items = "steps.look.output", at_most = 3 }

[[step]]
id = "sum"
propose = "comment"
body = "sum.md"
"##;

const WEIGHED: [(&str, &str); 4] = [
    ("formulas/weigh.toml", EACH),
    ("prompts/look.md", "Number {{index}}.\n{{outside item}}\n"),
    ("prompts/said.md", "Of {{index}}: {{prose item.summary}} ({{item.outcome}})\n"),
    ("prompts/sum.md", "All:{{#each steps.look.output}} {{line this.summary}};{{/each}}\n"),
];

/// Says which item it was given; at the second it waits until it may go on.
const WEIGHS: &str = r#"for label in about-cost about-risk about-time; do
    if asked_for "$label"; then
        if [ "$label" = about-risk ]; then wait_for go; fi
        answer done "Weighed $label."
    fi
done"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_item_of_a_list_is_done_once_also_where_a_daemon_died_between() {
    let plan = Plan::new("steps::each_item_of_a_list").agent(Agent::scripted(TRIAGE, WEIGHS)).daemon("poll = \"1s\"");
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"weigh\"]").rig().await else { return };
    beside(&rig, &WEIGHED);
    let labels = ["about-cost", "about-risk", "about-time", "interactive"];
    let number = rig.issue("What matters?", "I wonder", &labels).await;
    rig.once().await;

    let dry = rig.run(&["formula", "run", "weigh", "--issue", &number.to_string(), "--dry-run"]).await.ok();
    for words in ["is done for each of 3 items", "-- item 3 of 3", "Number 2.", "about-time", "Of 3:"] {
        assert!(dry.out.contains(words), "{words:?} in {}", dry.out);
    }

    rig.run(&["formula", "run", "weigh", "--issue", &number.to_string()]).await.ok();
    let daemon = rig.start(&["run"]);
    until("the second item", || (rig.turns("look") == 2).then_some(())).await;
    let explained = rig.run(&["explain", &number.to_string()]).await.ok();
    assert!(explained.out.contains("agent (item 2 of 3)"), "{}", explained.out);
    // What is decided was decided: a label more changes nothing.
    rig.label("about-fun").await;
    let path = format!("repos/{REPO}/issues/{number}/labels");
    rig.seed.api("owner", "POST", &path, json!({"labels": ["about-fun"]})).await.expect("the label");
    daemon.kill().await;
    rig.let_pass("go");
    let daemon = rig.start(&["run"]);
    until("the last comment", || (!rig.said(number, "All: ").is_empty()).then_some(())).await;
    daemon.kill().await;

    for (nth, label) in ["cost", "risk", "time"].iter().enumerate() {
        let said = format!("Of {}: Weighed about-{label}. (done)", nth + 1);
        assert_eq!(rig.said(number, &said).len(), 1, "{said}: {:#?}\n{}", rig.comments(number), rig.story());
    }
    assert_eq!(rig.said(number, "All: Weighed about-cost.; Weighed about-risk.; Weighed about-time.;").len(), 1);
    assert_eq!(rig.said(number, "Of ").len(), 3, "{:#?}", rig.comments(number));
    let story = rig.story();
    for line in ["step look is done for each of 3 items", "step look: item 1 of 3 is done", "step say: item 3 of 3 is done"] {
        assert_eq!(story.matches(line).count(), 1, "{line}: {story}");
    }
    assert_eq!(rig.turns("look"), 4, "only the one that was cut came again: {story}");

    // Another run edits what the first one said.
    rig.run(&["formula", "run", "weigh", "--issue", &number.to_string()]).await.ok();
    rig.once().await;
    assert!(rig.story().contains("step look was to be done for each of 4 items, and at most 3 are allowed"), "{}", rig.story());
    rig.seed
        .api("owner", "PUT", &path, json!({"labels": ["about-fun", "about-risk", "interactive"]}))
        .await
        .expect("fewer labels");
    rig.run(&["formula", "run", "weigh", "--issue", &number.to_string()]).await.ok();
    rig.once().await;
    assert_eq!(rig.said(number, "Of ").len(), 3, "{:#?}\n{}", rig.comments(number), rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_longer_than_the_configuration_allows_ends_its_run_before_any_of_it_is_done() {
    let plan = Plan::new("steps::a_list_that_is_longer").agent(Agent::scripted(TRIAGE, WEIGHS)).limits("items = 2");
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"weigh\"]").rig().await else { return };
    beside(&rig, &WEIGHED);
    let number = rig.issue("What matters?", "I wonder", &["about-cost", "about-fun", "about-time", "to-weigh"]).await;
    rig.once().await;
    assert!(rig.story().contains("step look was to be done for each of 3 items, and at most 2 are allowed"), "{}", rig.story());
    assert_eq!((rig.turns("look"), rig.said(number, "All: ").len()), (0, 0));
}

const PARTS: &str = r#"formula = 1
name = "fix"
title = "Do each part of an issue"
blast_radius = "medium"

[trigger]
label = "claude-queue"

[[step]]
id = "work"
agent = "dev"
prompt = "part.md"
access = "write"
output = "fix-result"
for_each = { items = "issue.labels.filter(one, one.startsWith('part-'))", at_most = 3 }

[[step]]
id = "verify"
run = "project.verify"

[[step]]
id = "open"
propose = "pull-request"
title = "{{line issue.title}}"
body = "parts.md"
"#;

/// Does the part that it is asked for, on top of the one before; at the second it waits until it may go on.
const DOES_PARTS: &str = r#"if asked_for part-add; then repair; commit 'Add'; answer done 'It adds.'; fi
if asked_for part-tell; then wait_for go; sh add.sh 1 1 >told.txt; commit 'Tell'; answer done 'It tells.'; fi"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_writes_for_each_item_on_top_of_the_last_one_also_where_a_daemon_died_between() {
    let plan = Plan::new("steps::an_agent_writes_for_each").agent(Agent::scripted(TRIAGE, DOES_PARTS)).daemon("poll = \"1s\"");
    let Some(rig) = plan.rig().await else { return };
    let prompts = [
        ("prompts/part.md", "Part {{index}}: {{outside item}}\n"),
        ("prompts/parts.md", "Parts:{{#each steps.work.output}} {{line this.summary}}{{/each}}\n"),
    ];
    beside(&rig, &[&[("formulas/fix.toml", PARTS)][..], &prompts].concat());
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue", "part-add", "part-tell"]).await;
    let daemon = rig.start(&["run"]);
    until("the second part", || (rig.turns("work") == 2).then_some(())).await;
    daemon.kill().await;
    rig.let_pass("go");
    let daemon = rig.start(&["run"]);
    until("the pull request", || rig.labels(number).contains(&"claude-pr".to_owned()).then_some(())).await;
    daemon.kill().await;
    assert_eq!(rig.turns("work"), 3, "only the part that was cut came again: {}", rig.story());
    let pull = rig.pulls().pop().expect("a pull request");
    assert!(pull.issue.body.contains("Parts: It adds. It tells."), "{}", pull.issue.body);
    let clone = clone_of(&rig, REPO).await;
    let told = git_in(&clone, &["show", &format!("{}:told.txt", pull.head_sha)]).await;
    assert_eq!(told.trim(), "2", "the second part began where the first one ended");
}

/// Adds wrongly at first, and mends it when it hears of that; its other part has nothing to mend.
const MENDS_PARTS: &str = r#"if asked_for 'Part 1:' && asked_for 'it printed'; then repair; commit 'Mend'; answer done 'It adds now.'; exit; fi
if asked_for 'Part 1:'; then echo one >one.txt; commit 'Add'; answer done 'It adds.'; exit; fi
if asked_for 'it printed'; then answer done 'It still tells.'; exit; fi
echo two >two.txt; commit 'Tell'; answer done 'It tells.'"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_behind_a_list_goes_back_to_each_item_whose_agents_know_nothing_of_it() {
    let plan = Plan::new("steps::what_fails_behind_a_list").agent(Agent::scripted(TRIAGE, MENDS_PARTS));
    let Some(rig) = plan.rig().await else { return };
    let back = "run = \"project.verify\"\non_failure = { to = \"work\", at_most = 1, prompt = \"failed.md\" }";
    let fix = PARTS.replace("run = \"project.verify\"", back);
    let files = [
        ("formulas/fix.toml", fix.as_str()),
        ("prompts/part.md", "Part {{index}}: {{outside item}}\n"),
        ("prompts/failed.md", "Look at item {{index}} again, it printed {{outside failure}}\n"),
        ("prompts/parts.md", "Parts:{{#each steps.work.output}} {{line this.summary}}{{/each}}\n"),
    ];
    beside(&rig, &files);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue", "part-add", "part-tell"]).await;
    let dry = rig.run(&["formula", "run", "fix", "--issue", &number.to_string(), "--dry-run"]).await.ok();
    assert!(dry.out.contains("Part 1"), "{}", dry.out);
    rig.once().await;
    let story = rig.story();
    assert_eq!(rig.turns("work"), 4, "{story}");
    assert!(story.contains("step verify failed; its output goes back to step work"), "{story}");
    let pull = rig.pulls().pop().unwrap_or_else(|| panic!("no pull request: {story}"));
    assert!(pull.issue.body.contains("Parts: It adds now. It still tells."), "{}", pull.issue.body);
    // What was recorded plays the same run again.
    let test = rig.run(&["logs", &number.to_string(), "--as-test"]).await.ok().out;
    beside(&rig, &[("formulas/tests/back.toml", test.as_str())]);
    let played = rig.run(&["formula", "test", "fix"]).await.ok();
    assert!(played.out.contains("0 failed"), "{}\n{test}", played.out);
}

const TRIES: &str = r#"formula = 1
name = "fix"
title = "Try what was done on a list"
blast_radius = "medium"

[trigger]
label = "claude-queue"

[[step]]
id = "work"
agent = "dev"
prompt = "part.md"
access = "write"
output = "fix-result"

[[step]]
id = "try"
run = ['echo "$FORGEHAND_INDEX: $FORGEHAND_ITEM"', 'test "$(sh add.sh 1 "$FORGEHAND_INDEX")" = $((1 + FORGEHAND_INDEX))']
for_each = { items = "['a \"quoted\" $(echo word)', 'two', 'three']", at_most = 3 }
on_failure = { to = "work", at_most = 2 }

[[step]]
id = "count"
run = { of = "['test ' + string(item.n) + ' = \"$FORGEHAND_INDEX\"', 'echo \"$FORGEHAND_ITEM\"']" }
for_each = { items = "[{'n': 1}, {'n': 2}]", at_most = 3 }

[[step]]
id = "open"
propose = "pull-request"
title = "{{line issue.title}}"
body = "tried.md"
"#;

/// Repairs what it is to once something failed behind it.
const TRIED: &str = "case $FORGEHAND_STEP in work)
    if [ -e told.txt ]; then repair; commit 'Add'; answer done 'It adds.'; else echo one >told.txt; commit 'One'; answer done 'One.'; fi ;;
esac";

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_run_for_each_item_and_read_it_from_their_environment() {
    let Some(rig) = Plan::new("steps::commands_for_each").agent(Agent::scripted(TRIAGE, TRIED)).rig().await else { return };
    let tails = "{{#each steps.try.output}}{{#each this.commands}}{{line this.tail}}|{{/each}}{{/each}}";
    let counts = "{{#each steps.count.output}}{{this.as_expected}} {{/each}}";
    let tried = format!("Tried: {tails}\n\nCounted: {counts}\n");
    beside(
        &rig,
        &[("formulas/fix.toml", TRIES), ("prompts/part.md", "Do it: {{outside issue.title}}\n"), ("prompts/tried.md", &tried)],
    );
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let pull = rig.pulls().pop().expect("a pull request").issue.body;
    // As they stand there, and nothing in them was run.
    assert!(pull.contains("1: a \"quoted\" $(echo word)") && pull.contains("2: two") && pull.contains("3: three"), "{pull}");
    assert!(pull.contains("Counted: true true"), "{pull}");
    let tries = |step: &str| {
        let of = |event: &Event| matches!(event, Event::Intended { intent: Intent::Verify { step: of, .. }, .. } if of.as_str() == step);
        rig.records().iter().filter(|record| of(&record.event)).count()
    };
    assert_eq!((tries("try"), tries("count"), rig.turns("work")), (1 + 3, 2, 2), "the first one failed once: {}", rig.story());
    assert!(rig.story().contains("item 2 of 3"), "{}", rig.story());
}
