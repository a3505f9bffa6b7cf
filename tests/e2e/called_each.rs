//! Formulas that are called for each item of a list, in a real run: shown before, done side by side, cut by a daemon that dies, and played again.

use crate::gates::beside;
use crate::rig::{Agent, Plan, REPO, TRIAGE, until};

const ALL: &str = r#"formula = 1
name = "weigh-all"
title = "Weigh each label"
blast_radius = "low"

[trigger]
label = "to-weigh"

[[step]]
id = "each"
formula = "weigh"
for_each = { items = "issue.labels.filter(one, one.startsWith('about-'))", at_most = 5 }
with = { label = { cel = "item" }, nth = { cel = "index" } }

[[step]]
id = "sum"
propose = "comment"
body = "sum.md"
when = "steps.each.output.all(one, one.summary.startsWith('about-'))"
"#;

const ONE: &str = r#"formula = 1
name = "weigh"
title = "Weigh a label"
blast_radius = "low"

[[input]]
name = "label"
type = "text"

[[input]]
name = "nth"
type = "number"

[[step]]
id = "look"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"

[[step]]
id = "say"
propose = "comment"
body = "said.md"

[[step]]
id = "file"
propose = "issue"
title = "Mind {{line inputs.label}}"
body = "said.md"

[[outcome]]
is = "done"
summary = "inputs.label"
"#;

const FILES: [(&str, &str); 5] = [
    ("formulas/weigh-all.toml", ALL),
    ("formulas/weigh.toml", ONE),
    ("prompts/look.md", "Number {{inputs.nth}}.\n{{outside inputs.label}}\n"),
    ("prompts/said.md", "Of {{inputs.nth}}: {{prose steps.look.output.summary}}\n"),
    ("prompts/sum.md", "All of them.\n"),
];

/// Says which label it was given; at one it waits until it may go on.
const WEIGHS: &str = r#"for label in about-cost about-risk about-time; do
    if asked_for "$label"; then
        if [ "$label" = about-risk ]; then wait_for go; fi
        answer done "Weighed $label."
    fi
done"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_formula_that_is_called_for_each_item_does_each_once_and_side_by_side_also_where_a_daemon_died() {
    let plan = Plan::new("called_each::each_once").agent(Agent::scripted(TRIAGE, WEIGHS)).daemon("poll = \"1s\"\nslots = 2");
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"weigh-all\"]").rig().await else { return };
    beside(&rig, &FILES);
    let labels = ["about-cost", "about-risk", "about-time", "interactive"];
    let number = rig.issue("What matters?", "I wonder", &labels).await;
    let issue = number.to_string();
    rig.once().await;

    let dry = rig.run(&["formula", "run", "weigh-all", "--issue", &issue, "--dry-run"]).await.ok();
    for words in ["is done for each of 3 items", "Number 2.", "about-time", "Of 3:", "Mind about-risk", "All of them."] {
        assert!(dry.out.contains(words), "{words:?} in {}", dry.out);
    }
    let graph = rig.run(&["formula", "graph", "weigh-all"]).await.ok();
    assert!(graph.out.contains("for each of issue.labels"), "{}", graph.out);

    rig.run(&["formula", "run", "weigh-all", "--issue", &issue]).await.ok();
    let daemon = rig.start(&["run"]);
    // While the second one waits, the third is done beside it.
    until("the third is said", || (!rig.said(number, "Of 3: ").is_empty()).then_some(())).await;
    until("the second is at work", || (rig.turns("each@2.look") == 1).then_some(())).await;
    let explained = rig.run(&["explain", &issue]).await.ok();
    assert!(explained.out.contains("each@2.look"), "{}", explained.out);
    assert_eq!(rig.said(number, "Of 2: ").len(), 0);
    daemon.kill().await;
    rig.let_pass("go");
    let daemon = rig.start(&["run"]);
    until("its end", || rig.story().contains(" ended: done").then_some(())).await;
    assert_eq!(rig.said(number, "All of them").len(), 1, "{}", rig.story());
    daemon.kill().await;

    for (nth, label) in ["cost", "risk", "time"].iter().enumerate() {
        let said = format!("Of {}: Weighed about-{label}.", nth + 1);
        assert_eq!(rig.said(number, &said).len(), 1, "{said}: {:#?}\n{}", rig.comments(number), rig.story());
        assert_eq!(rig.turns(&format!("each@{}.look", nth + 1)), 1 + usize::from(*label == "risk"), "{}", rig.story());
    }
    let issues = rig.seed.issues(REPO).expect("the issues");
    let titles = issues.iter().map(|issue| issue.title.as_str());
    let mut filed: Vec<&str> = titles.filter(|title| title.starts_with("Mind")).collect();
    filed.sort_unstable();
    assert_eq!(filed, ["Mind about-cost", "Mind about-risk", "Mind about-time"], "{}", rig.story());
    assert_eq!(rig.story().matches("step each is done for each of 3 items").count(), 1, "{}", rig.story());

    // What was recorded plays the same run again.
    let test = rig.run(&["logs", &issue, "--as-test"]).await.ok().out;
    assert!(test.contains("each@2.look"), "{test}");
    beside(&rig, &[("formulas/tests/weighed.toml", test.as_str())]);
    let played = rig.run(&["formula", "test", "weigh-all"]).await.ok();
    assert!(played.out.contains("1 passed, 0 failed"), "{}\n{test}", played.out);

    // Another run finds its comments, and edits them.
    rig.run(&["formula", "run", "weigh-all", "--issue", &issue]).await.ok();
    rig.once().await;
    // The one before is recorded by its name, as the story tells it.
    let story = rig.story();
    let began = story.split(" of weigh-all begins").next().and_then(|before| before.rsplit("run ").next());
    let first = began.expect("the first run of it").to_owned();
    let again = rig.run(&["logs", &issue, "--as-test", "--run", &first]).await.ok().out;
    assert_eq!(again, test);
    let last = rig.run(&["logs", &issue, "--as-test"]).await.ok().out;
    assert_ne!(last.lines().next(), test.lines().next());
    let wrong = rig.run(&["logs", &issue, "--as-test", "--run", "r-nothing"]).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
    assert!(wrong.err.contains("no run r-nothing") && wrong.err.contains(&first), "{}", wrong.err);
    assert_eq!(rig.said(number, "Of ").len(), 3, "{:#?}\n{}", rig.comments(number), rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_in_a_call_is_stopped_when_its_time_is_over() {
    let plan = Plan::new("called_each::timed").agent(Agent::scripted(TRIAGE, WEIGHS)).daemon("poll = \"1s\"\nslots = 2");
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"weigh-all\"]").rig().await else { return };
    let timed = ALL.replace("at_most = 5 }", "at_most = 5 }\ntimeout = \"4s\"\nretry = { at_most = 3, wait = \"1s\" }");
    let files: Vec<(&str, &str)> =
        FILES.into_iter().map(|(name, text)| (name, if text == ALL { timed.as_str() } else { text })).collect();
    beside(&rig, &files);
    let number = rig.issue("What matters?", "I wonder", &["about-cost", "about-risk", "interactive"]).await;
    let issue = number.to_string();
    rig.once().await;
    // The second one waits for what never comes.
    rig.run(&["formula", "run", "weigh-all", "--issue", &issue]).await.ok();
    rig.once().await;
    let story = rig.story();
    assert!(story.contains("the formula that step each calls was not over after 4s"), "{story}");
    assert_eq!((rig.said(number, "Of 1: ").len(), rig.said(number, "Of 2: ").len()), (1, 0), "{story}");
    assert_eq!((rig.turns("each@2.look"), rig.claims()), (1, Vec::<String>::new()), "{story}");
    let explained = rig.run(&["explain", &issue]).await.ok();
    assert!(explained.out.contains("not over after 4s"), "{}", explained.out);
}
