//! Formulas of one's own: commands of theirs, gates, calls of other formulas.

use forgehand::model::Event;
use serde_json::json;

use crate::agents::person;
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, until};

const HEAD: &str = r#"formula = 1
name = "fix"
title = "Do what an issue asks for"
blast_radius = "medium"

[trigger]
label = "claude-queue"

[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"

[[step]]
id = "verify"
run = "project.verify"
"#;

const OPEN: &str = r#"
[[step]]
id = "open"
propose = "pull-request"
title = "{{line issue.title}}"
body = "pull-request.md"
"#;

/// Writes files beside the configuration.
pub fn beside(rig: &Rig, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = rig.dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

fn pull_of(rig: &Rig, number: u64) -> forgehand::localforge::PullView {
    let pull = rig.pulls().into_iter().find(|pull| pull.head == format!("claude/issue-{number}"));
    pull.unwrap_or_else(|| panic!("a pull request\n{}", rig.story()))
}

async fn status(rig: &Rig, sha: &str, state: &str) {
    let body = json!({"state": state, "context": "ci"});
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/statuses/{sha}"), body).await.expect("a status");
}

async fn waits(rig: &Rig, number: u64) -> String {
    rig.row(number).await["waiting"]["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn own_commands_a_gate_on_checks_and_a_called_formula() {
    let script = r#"case $FORGEHAND_STEP in
        work) repair; if asked_for 'no licence here'; then echo MIT >LICENCE; fi; commit 'Add properly'; answer done 'It adds.' ;;
        then.look) test -f LICENCE; answer done "Seen in $FORGEHAND_STEP." ;;
    esac"#;
    let plan = Plan::new("gates::own_commands").agent(Agent::scripted(TRIAGE, script)).daemon("poll = \"1s\"");
    let Some(rig) = plan.rig().await else { return };
    let own = r#"
[[step]]
id = "own"
run = ["test -s add.sh", "test -f LICENCE || { printf 'no %s here' licence; exit 1; }"]
on_failure = { to = "work", at_most = 1 }
"#;
    let behind = "\n[[step]]\nid = \"ci\"\ngate = \"checks\"\n\n[[step]]\nid = \"then\"\nformula = \"second\"\n";
    let second = r#"formula = 1
name = "second"
title = "Look once more, and say so"
blast_radius = "low"

[[step]]
id = "look"
agent = "dev"
prompt = "fix.md"
access = "read"
output = "fix-result"

[[step]]
id = "say"
propose = "comment"
body = "said.md"
"#;
    beside(
        &rig,
        &[
            ("formulas/fix.toml", &format!("{HEAD}{own}{OPEN}{behind}")),
            ("formulas/second.toml", second),
            ("prompts/said.md", "Looked again: {{prose steps.look.output.summary}}\n"),
        ],
    );
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.turns("work"), 2, "the failing output of its own command went back: {}", rig.story());
    let pull = pull_of(&rig, first);
    let body = &pull.issue.body;
    for command in ["`sh ./test.sh` passed in", "`test -s add.sh` passed in", "LICENCE ||"] {
        assert!(body.contains(command), "{command:?} in {body}");
    }
    let ci = format!("its run waits at step ci for the checks of #{}", pull.issue.number);
    assert_eq!(rig.labels(first), ["claude-working"]);
    assert_eq!(waits(&rig, first).await, format!("{ci}: none has reported yet"), "{}", rig.story());
    let explained = rig.run(&["explain", &first.to_string()]).await.ok();
    assert!(explained.out.contains(&ci), "{}", explained.out);
    rig.assert_status(first, "waits for its checks");
    assert_eq!(rig.claims().len(), 1, "the claim is kept");

    // There is one slot, and the run at the gate does not hold it.
    let other = rig.issue("And again", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    let other_pull = pull_of(&rig, other);
    assert!(waits(&rig, other).await.contains("waits at step ci"), "{}", rig.story());
    status(&rig, &pull.head_sha, "pending").await;

    // A daemon that dies at the gate knows where it was when it comes back.
    let daemon = rig.start(&["run"]);
    let read = || {
        rig.records()
            .iter()
            .any(|r| matches!(&r.event, Event::ChecksSeen { checks, .. } if *checks == forgehand::model::Checks::Pending))
    };
    until("the daemon at the gate", || read().then_some(())).await;
    daemon.kill().await;
    assert_eq!(waits(&rig, first).await, ci);
    status(&rig, &pull.head_sha, "success").await;
    status(&rig, &other_pull.head_sha, "failure").await;
    rig.once().await;
    assert_eq!(rig.labels(first), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.turns("then.look"), 1);
    let said = rig.said(first, "Looked again: Seen in then.look.");
    assert_eq!(said.len(), 1, "{:#?}", rig.comments(first));
    assert!(rig.story().contains("the gate ci opened"), "{}", rig.story());

    // Red checks end the other's run, in words; it is tried again on the same branch.
    assert_eq!(rig.labels(other), ["claude-queue"], "{}", rig.story());
    rig.assert_status(other, &format!("the checks of pull request #{} are red", other_pull.issue.number));
    assert!(waits(&rig, other).await.contains("attempt 1 failed (checks-red)"));
    assert_eq!(rig.claims(), Vec::<String>::new());
    assert_eq!(rig.pulls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_on_approval_waits_for_somebody_who_may_give_it_and_obeys_labels() {
    let script = "repair; commit 'Add properly'; answer done 'It adds.'";
    let Some(rig) = Plan::new("gates::a_gate_on_approval").agent(Agent::scripted(TRIAGE, script)).rig().await else { return };
    let gates =
        "\n[[step]]\nid = \"approve\"\ngate = \"approval\"\n\n[[step]]\nid = \"pause\"\ngate = \"time\"\nafter = \"1h\"\n";
    beside(&rig, &[("formulas/fix.toml", &format!("{HEAD}{OPEN}{gates}"))]);
    // One of us has an identity of its own, which may write.
    person(&rig, "helper", "write").await;
    rig.reconfigure("\n[sandbox]", "\n[agents.helper]\nroles = [\"review\"]\ntoken_file = \"token-helper\"\n\n[sandbox]");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    let pull = pull_of(&rig, number);
    let wanted = format!("its run waits at step approve for an approval of #{}", pull.issue.number);
    assert_eq!(waits(&rig, number).await, wanted, "{}", rig.story());
    rig.assert_status(number, "waits for an approval");
    rig.assert_status(number, "@reporter");

    let reviews = format!("repos/{REPO}/pulls/{}/reviews", pull.issue.number);
    // Somebody who may only read, whose word is not official; and one of us, whose word is.
    for login in ["reporter", "helper"] {
        rig.seed.api(login, "POST", &reviews, json!({"event": "APPROVED"})).await.expect("a review");
        rig.once().await;
        assert_eq!(waits(&rig, number).await, wanted, "{login}: {}", rig.story());
    }
    rig.seed.api("owner", "POST", &reviews, json!({"event": "REQUEST_CHANGES", "body": "why?"})).await.expect("a review");
    rig.once().await;
    assert_eq!(waits(&rig, number).await, format!("{wanted}: changes were requested"), "{}", rig.story());
    rig.seed.api("owner", "POST", &reviews, json!({"event": "APPROVED"})).await.expect("a review");
    rig.once().await;
    let row = rig.row(number).await;
    assert!(row["waiting"]["reason"].as_str().is_some_and(|r| r.contains("waits at step pause until")), "{row}");
    assert!(row["waiting"]["until"].is_string(), "{row}");

    rig.label("interactive").await;
    rig.seed.add_label(REPO, "owner", number, "interactive").await.expect("a label");
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
    assert_eq!(rig.claims(), Vec::<String>::new());
    assert!(rig.row(number).await["run"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_of_time_opens_by_itself_and_a_merge_ends_the_wait_at_another() {
    let script = "repair; commit 'Add properly'; answer done 'It adds.'";
    let plan = Plan::new("gates::a_gate_of_time").agent(Agent::scripted(TRIAGE, script)).daemon("poll = \"1s\"");
    let Some(rig) = plan.rig().await else { return };
    let gates = "\n[[step]]\nid = \"ci\"\ngate = \"checks\"\n";
    let pause = "\n[[step]]\nid = \"pause\"\ngate = \"time\"\nafter = \"2s\"\n";
    beside(&rig, &[("formulas/fix.toml", &format!("{HEAD}{pause}{OPEN}{gates}"))]);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let said = rig.once().await;
    assert!(said.out.contains("waits at step pause until"), "what is due is printed: {said:?}");
    assert!(rig.pulls().is_empty(), "{}", rig.story());
    let daemon = rig.start(&["run"]);
    until("the pull request behind the gate", || rig.pulls().pop()).await;
    let pull = pull_of(&rig, number);
    rig.seed.merge_pull(REPO, "owner", pull.issue.number).await.expect("a merge");
    until("the end of the story", || rig.said(number, "**Merged**").pop()).await;
    until("the claim given back", || rig.claims().is_empty().then_some(())).await;
    daemon.term();
    assert!(daemon.wait().await.success());
    assert!(!rig.issue_now(number).open);
    assert_eq!(rig.row(number).await["state"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_formula_requires_is_waited_for_and_said() {
    let script = "test -f docs/plan.md && repair; commit 'Add properly'; answer done 'It adds.'";
    let Some(rig) = Plan::new("gates::what_a_formula_requires").agent(Agent::scripted(TRIAGE, script)).rig().await else {
        return;
    };
    let require = "[require]\nlabels = [\"ready\"]\nno_labels = [\"stale\"]\nfiles = [\"docs/plan.md\", \"add.sh\"]\n\n[[step]]\nid = \"work\"";
    beside(&rig, &[("formulas/fix.toml", &format!("{HEAD}{OPEN}").replace("[[step]]\nid = \"work\"", require))]);
    rig.label("ready").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue", "stale"]).await;
    rig.once().await;
    let labels =
        "formula fix starts where an issue carries `ready`, which this one lacks, and does not carry `stale`, which this one has";
    assert_eq!(waits(&rig, number).await, labels, "{}", rig.story());
    let explained = rig.run(&["explain", &number.to_string()]).await.ok();
    assert!(
        explained.out.contains(labels) && explained.out.contains("putting ready on and taking stale off"),
        "{}",
        explained.out
    );
    assert_eq!(rig.claims(), Vec::<String>::new());

    rig.seed.add_label(REPO, "owner", number, "ready").await.expect("a label");
    rig.seed.remove_label(REPO, "owner", number, "stale").await.expect("off");
    rig.once().await;
    let files = "formula fix requires docs/plan.md, not there on branch main";
    assert_eq!(waits(&rig, number).await, files, "{}", rig.story());
    assert_eq!((rig.claims(), rig.turns("work")), (Vec::new(), 0));

    let file = json!({"branch": "main", "content": "aGVsbG8K", "message": "A plan"});
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/docs/plan.md"), file).await.expect("a commit");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr", "ready"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formula_that_calls_itself_is_told_with_its_place() {
    let Some(rig) = Plan::new("gates::a_formula_that_calls_itself").rig().await else { return };
    let call = |name: &str, other: &str| {
        let head = HEAD.replace("\"fix\"\ntitle", &format!("\"{name}\"\ntitle"));
        format!("{head}\n[[step]]\nid = \"more\"\nformula = \"{other}\"\n")
    };
    beside(&rig, &[("formulas/fix.toml", &call("fix", "second")), ("formulas/second.toml", &call("second", "fix"))]);
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("fix calls second calls fix") && said.err.contains("formulas/second.toml:22:11"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_that_comments_has_a_comment_of_its_own_and_the_breakdown_stays() {
    let script = r#"repair; commit 'Add properly'; answer done 'It adds.'"#;
    let Some(rig) = Plan::new("gates::each_step_that_comments").agent(Agent::scripted(TRIAGE, script)).rig().await else {
        return;
    };
    let say = |id: &str| format!("\n[[step]]\nid = \"{id}\"\npropose = \"comment\"\nbody = \"{id}.md\"\n");
    let skipped = "\n[[step]]\nid = \"never\"\nwhen = \"steps.work.output.outcome == 'refused'\"\npropose = \"comment\"\nbody = \"one.md\"\n";
    let text = format!("{HEAD}{OPEN}{}{skipped}{}", say("one"), say("two"));
    let text = text.replace("id = \"two\"", "id = \"two\"\nneeds = [\"one\"]");
    beside(
        &rig,
        &[
            ("formulas/fix.toml", &text),
            ("prompts/one.md", "First: {{prose steps.work.output.summary}}\n"),
            ("prompts/two.md", "Second, of {{repo}}\n"),
        ],
    );
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    for words in ["### Breakdown", "First: It adds.", "Second, of"] {
        assert_eq!(rig.said(number, words).len(), 1, "{words}: {:#?}", rig.comments(number));
    }
    assert!(rig.story().contains("step never is skipped"), "{}", rig.story());
}
