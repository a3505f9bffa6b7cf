//! Steps of a run side by side: two agents at work at the same moment, whatever happens to the daemon meanwhile.

use forgehand::sandbox::Mode;
use serde_json::json;

use crate::gates::beside;
use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, until};

const SURVEY: &str = r##"formula = 1
name = "survey"
title = "Look at it from two sides"
blast_radius = "low"

[trigger]
label = "to-survey"

[[step]]
id = "cost"
agent = "dev"
prompt = "side.md"
access = "read"
output = "fix-result"

[[step]]
id = "risk"
needs = []
agent = "dev"
prompt = "side.md"
access = "read"
output = "fix-result"

[[step]]
id = "note"
needs = ["cost"]
propose = "comment"
body = "note.md"

[[step]]
id = "sum"
needs = ["cost", "risk"]
propose = "comment"
body = "sum.md"
"##;

const FILES: [(&str, &str); 4] = [
    ("formulas/survey.toml", SURVEY),
    ("prompts/side.md", "Look at it.\n"),
    ("prompts/note.md", "Of cost: {{prose steps.cost.output.summary}}\n"),
    ("prompts/sum.md", "Both: {{line steps.cost.output.summary}} {{line steps.risk.output.summary}}\n"),
];

async fn site(test: &'static str, script: &str, mode: Mode, daemon: &'static str) -> Option<(Rig, u64)> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, script)).mode(mode).daemon(daemon);
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"survey\"]").rig().await?;
    beside(&rig, &FILES);
    let number = rig.issue("What matters?", "I wonder", &["interactive"]).await;
    rig.once().await;
    rig.run(&["formula", "run", "survey", "--issue", &number.to_string()]).await.ok();
    Some((rig, number))
}

/// Each makes a mark and waits for that of the other: they get on only where both are at work at once.
const MEET: &str = r#"echo here >>"$here/$FORGEHAND_STEP"
wait_for cost
wait_for risk
echo "$HOME" >>"$here/homes"
answer done "Seen by $FORGEHAND_STEP.""#;

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_without_an_order_are_at_work_at_the_same_moment() {
    let made = site("branches::two_agents", MEET, Mode::None, "poll = \"1s\"\nslots = 2").await;
    let Some((rig, number)) = made else { return };
    let drawn = rig.run(&["formula", "graph", "survey"]).await.ok();
    assert!(drawn.out.contains("  1  cost: agent dev, reads\n     risk: agent dev, reads\n"), "{}", drawn.out);
    let dry = rig.run(&["formula", "run", "survey", "--issue", &number.to_string(), "--dry-run"]).await.ok();
    assert_eq!(dry.out.matches("Look at it.").count(), 2, "{}", dry.out);

    rig.once().await;
    let story = rig.story();
    let both = "Both: Seen by cost. Seen by risk.";
    assert_eq!(rig.said(number, both).len(), 1, "{:#?}\n{story}", rig.comments(number));
    assert_eq!(rig.said(number, "Of cost: Seen by cost.").len(), 1, "{:#?}\n{story}", rig.comments(number));
    assert_eq!((rig.turns("cost"), rig.turns("risk")), (1, 1), "{story}");
    let homes = std::fs::read_to_string(rig.dir.path().join("agent/homes")).expect("both said where they live");
    let mut homes: Vec<&str> = homes.lines().collect();
    homes.sort_unstable();
    homes.dedup();
    assert_eq!(homes.len(), 2, "each has a HOME of its own: {homes:?}");
    let logs = rig.run(&["logs", &number.to_string()]).await.ok();
    for step in ["cost", "risk"] {
        assert!(logs.err.contains(&format!("attempt-1-{step}.jsonl")), "each has a log of its own: {}", logs.err);
    }
    // What was recorded plays again as it was.
    let recorded = rig.run(&["logs", &number.to_string(), "--as-test"]).await.ok();
    assert_eq!(recorded.out.matches("[[answer]]").count(), 2, "{}", recorded.out);
    let folder = rig.dir.path().join("formulas/tests");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("survey.toml"), &recorded.out).expect("written");
    rig.run(&["formula", "test", "survey"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_with_two_at_work_goes_on_with_both() {
    let script = "wait_for go; answer done \"Seen by $FORGEHAND_STEP.\"";
    for mode in [Mode::None, Mode::Bubblewrap] {
        let made = site("branches::a_daemon_killed", script, mode, "poll = \"1s\"\nslots = 2").await;
        let Some((rig, number)) = made else { continue };
        let daemon = rig.start(&["run"]);
        let both = |turns: usize| move |rig: &Rig| (rig.turns("cost"), rig.turns("risk")) == (turns, turns);
        until("both at work", || both(1)(&rig).then_some(())).await;
        let explained = rig.run(&["explain", &number.to_string()]).await.ok();
        assert!(explained.out.contains("agent of step cost, agent of step risk"), "{}", explained.out);
        daemon.kill().await;
        let daemon = rig.start(&["run"]);
        until("both at work again", || both(2)(&rig).then_some(())).await;
        rig.let_pass("go");
        until("the end of it", || (!rig.said(number, "Both: Seen by cost. Seen by risk.").is_empty()).then_some(())).await;
        daemon.kill().await;
        assert_eq!((rig.said(number, "Both: ").len(), rig.said(number, "Of cost").len()), (1, 1), "{}", rig.story());
        assert!(both(2)(&rig), "what was done is not done again: {}", rig.story());
    }
}

const CHECKS: &str = r##"formula = 1
name = "fix"
title = "Fix it, and look at it from two sides"
blast_radius = "low"

[trigger]
label = "claude-queue"

[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"

[[step]]
id = "before"
needs = ["work"]
run = ["echo before $PORT $PWD >>HERE/begun; while [ ! -e HERE/go ]; do sleep 0.05; done; test $(sh add.sh 2 2) = 5"]
on = "base"

[[step]]
id = "after"
needs = ["work"]
run = ["echo after $PORT $PWD >>HERE/begun; while [ ! -e HERE/go ]; do sleep 0.05; done; test $(sh add.sh 2 2) = 4"]

[[step]]
id = "open"
needs = ["before", "after"]
propose = "pull-request"
title = "It adds"
body = "pull-request.md"
"##;

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_an_order_run_at_the_same_moment_also_where_a_daemon_was_killed_between() {
    let plan = Plan::new("branches::commands_without_an_order").mode(Mode::None).daemon("poll = \"1s\"\nslots = 2");
    let Some(rig) = plan.project("ports = \"18230-18239\"").rig().await else { return };
    let here = rig.dir.path().join("agent");
    beside(&rig, &[("formulas/fix.toml", &CHECKS.replace("HERE", here.to_str().expect("a path")))]);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    // None of them ends before it is told to, which comes after both have begun.
    let begun = |times: usize| {
        let text = std::fs::read_to_string(here.join("begun")).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let of = |step: &str| lines.iter().filter(|line| line.starts_with(step)).count();
        ((of("before"), of("after")) == (times, times)).then_some(lines)
    };
    let daemon = rig.start(&["run"]);
    until("both run", || begun(1)).await;
    let explained = rig.run(&["explain", &number.to_string()]).await.ok();
    assert!(explained.out.contains("verify of step after, verify of step before"), "{}", explained.out);
    daemon.kill().await;
    let daemon = rig.start(&["run"]);
    let lines = until("both run again", || begun(2)).await;
    for nth in [1, 2] {
        let mut own: Vec<&str> = lines.iter().rev().take(2).filter_map(|line| line.split(' ').nth(nth)).collect();
        own.dedup();
        assert_eq!(own.len(), 2, "each has a port and a clone of its own: {lines:?}");
    }
    rig.let_pass("go");
    until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    until("the end of it", || rig.left_in("work").is_empty().then_some(())).await;
    daemon.kill().await;
    assert_eq!((begun(2).is_some(), rig.turns("work"), rig.pulls().len()), (true, 1, 1), "{}", rig.story());
    let left = ["verify/work", "ports"].map(|folder| rig.left_in(folder));
    assert_eq!(left, [Vec::<String>::new(), Vec::new()], "{}", rig.story());
}

const READS: &str = r##"formula = 1
name = "fix"
title = "Fix it while another looks"
blast_radius = "low"

[trigger]
label = "claude-queue"

[[step]]
id = "look"
agent = "dev"
prompt = "side.md"
access = "read"
output = "fix-result"

[[step]]
id = "work"
needs = []
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"

[[step]]
id = "verify"
needs = ["work", "look"]
run = "project.verify"

[[step]]
id = "open"
propose = "pull-request"
title = "{{line steps.look.output.summary}}"
body = "pull-request.md"
"##;

/// The one has written half of it until it may go on, and the other looks meanwhile.
const HALF: &str = r#"if [ "$FORGEHAND_STEP" = look ]; then
    wait_for go; answer done "It said $(sh add.sh 2 2)."
else
    echo 'echo half' >add.sh; wait_for on; repair; commit 'Add properly'; answer done 'It adds.'
fi"#;

/// What a file of a workspace says: of the run's own, and of the one that a step has to itself.
fn two_trees(rig: &Rig, file: &str) -> Option<(String, String)> {
    let only = |folder: std::path::PathBuf| Some(std::fs::read_dir(folder).ok()?.next()?.ok()?.path());
    let run = only(rig.state_dir().join("work"))?;
    let own = only(run.join("beside"))?;
    let read = |tree: std::path::PathBuf| std::fs::read_to_string(tree.join("tree").join(file)).ok();
    Some((read(run)?, read(own)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_looks_while_another_writes_and_never_sees_half_of_it_also_where_a_daemon_was_killed_between() {
    for mode in [Mode::None, Mode::Bubblewrap] {
        let plan = Plan::new("branches::an_agent_looks_while_another_writes").agent(Agent::scripted(TRIAGE, HALF)).mode(mode);
        let Some(rig) = plan.daemon("poll = \"1s\"\nslots = 2").rig().await else { continue };
        beside(&rig, &[("formulas/fix.toml", READS), ("prompts/side.md", "Look at it.\n")]);
        let drawn = rig.run(&["formula", "graph", "fix"]).await.ok();
        assert!(drawn.out.contains("in a workspace of its own: work may write beside it"), "{}", drawn.out);
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
        // None of them ends before it is told to, which comes after both have begun.
        let both = |times: usize| {
            let trees = two_trees(&rig, "add.sh")?;
            let begun = (rig.turns("look"), rig.turns("work")) == (times, times);
            (begun && trees == ("echo half\n".to_owned(), "echo 5\n".to_owned())).then_some(())
        };
        let daemon = rig.start(&["run"]);
        until("both at work", || both(1)).await;
        daemon.kill().await;
        let daemon = rig.start(&["run"]);
        until("both at work again", || both(2)).await;
        rig.let_pass("go");
        until("the end of the look", || rig.story().contains("the agent's turn: succeeded").then_some(())).await;
        rig.let_pass("on");
        until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
        until("the end of it", || rig.left_in("work").is_empty().then_some(())).await;
        daemon.kill().await;
        assert_eq!(rig.pulls()[0].issue.title, "It said 5.", "{}", rig.story());
        assert_eq!((rig.turns("look"), rig.turns("work"), rig.pulls().len()), (2, 2, 1), "{}", rig.story());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_both_and_one_that_fails_stops_the_other() {
    let script = "[ $FORGEHAND_STEP = cost ] && [ -e \"$here/fail\" ] && exit 7; wait_for go; answer done Fine.";
    let made = site("branches::cancelling", script, Mode::None, "poll = \"1s\"\nslots = 2").await;
    let Some((rig, number)) = made else { return };
    let _daemon = rig.start(&["run"]);
    let ended = |rig: &Rig| rig.story().matches(" ended: ").count();
    until("both at work", || (rig.turns("cost") + rig.turns("risk") == 2).then_some(())).await;
    rig.run(&["cancel", &number.to_string()]).await.ok();
    until("the end of the run", || (ended(&rig) == 1).then_some(())).await;
    assert_eq!(rig.story().matches("the agent's turn: cancelled").count(), 2, "{}", rig.story());

    rig.let_pass("fail");
    rig.run(&["formula", "run", "survey", "--issue", &number.to_string()]).await.ok();
    until("the end of the next run", || (ended(&rig) == 2).then_some(())).await;
    let story = rig.story();
    assert!(story.contains("the agent broke off") && rig.said(number, "Both").is_empty(), "{story}");
}

/// Has something to commit each time.
const MORE: &str = "repair; git rev-parse HEAD >>done.txt; commit 'Add properly'; answer done 'add.sh adds now.'";

/// Fixes too, by a label of its own, on a branch of its own.
fn spike() -> String {
    let text = forgehand::formula::shipped_text("fix").expect("shipped").replace("name = \"fix\"", "name = \"spike\"");
    let text = text.replace("label = \"claude-queue\"", "label = \"to-spike\"").replace("/fix", "/spike");
    text.replacen("[[step]]", "[workspace]\nbranch = \"spike\"\naccess = \"write\"\n\n[[step]]", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formulas_own_branch_is_found_again_and_no_other_formulas_is_touched() {
    let plan = Plan::new("branches::own").agent(Agent::scripted(TRIAGE, MORE)).mode(Mode::None);
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"spike\"]").rig().await else { return };
    beside(&rig, &[("formulas/spike.toml", &spike())]);
    rig.label("to-spike").await;
    rig.label("claude-queue").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &[]).await;
    // What the fix left where no pull request is open.
    let main = json!({ "branch": "main", "new_branch": "claude/issue-1", "content": "aGk=", "message": "Earlier work" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/earlier.txt"), main).await.expect("a branch");
    let left = rig.branch("claude/issue-1").expect("a branch");
    rig.once().await;
    rig.seed.add_label(REPO, "owner", number, "to-spike").await.expect("a label");
    rig.once().await;
    let pulls = rig.pulls();
    assert_eq!(pulls.iter().map(|pull| pull.head.as_str()).collect::<Vec<_>>(), ["claude/issue-1-spike"], "{}", rig.story());
    let (pull, opened) = (pulls[0].issue.number, pulls[0].head_sha.clone());
    assert_eq!(rig.branch("claude/issue-1").as_ref(), Some(&left));

    // The journal is lost: the branch tells whose the pull request is, and more work goes on there.
    std::fs::remove_dir_all(rig.state_dir()).expect("the state folder");
    rig.once().await;
    assert_eq!(rig.row(number).await["pull"], json!(pull), "{}", rig.story());
    rig.seed.add_label(REPO, "owner", number, "claude-queue").await.expect("a label");
    rig.once().await;
    assert_eq!(rig.pulls().len(), 1, "{}", rig.story());
    assert_ne!(rig.branch("claude/issue-1-spike").as_ref(), Some(&opened), "it went on there: {}", rig.story());
    assert_eq!(rig.branch("claude/issue-1").as_ref(), Some(&left));

    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a merge");
    rig.once().await;
    assert!(!rig.issue_now(number).open, "{}", rig.story());
    assert_eq!((rig.branch("claude/issue-1-spike"), rig.branch("claude/issue-1")), (None, Some(left)), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_formulas_on_one_branch_are_refused_at_the_start() {
    let plan = Plan::new("branches::twice").agent(Agent::scripted(TRIAGE, FIX)).mode(Mode::None);
    let Some(rig) = plan.project("formulas = [\"triage\", \"fix\", \"spike\", \"other\"]").rig().await else { return };
    let other =
        spike().replace("name = \"spike\"", "name = \"other\"").replace("to-spike", "to-other").replace("/spike", "/other");
    beside(&rig, &[("formulas/spike.toml", &spike()), ("formulas/other.toml", &other)]);
    let said = rig.run(&["status"]).await;
    assert!(said.code == Some(2) && said.err.contains("`spike` is the name of another formula"), "{said:?}");
    let (one, two) =
        (spike().replace("branch = \"spike\"", "branch = \"try\""), other.replace("branch = \"spike\"", "branch = \"try\""));
    beside(&rig, &[("formulas/spike.toml", &one), ("formulas/other.toml", &two)]);
    let said = rig.run(&["status"]).await;
    assert!(said.code == Some(2) && said.err.contains("push to the same branch of an issue"), "{said:?}");
}
