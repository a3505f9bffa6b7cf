//! Formulas that ask the vault and wait for it: asked once, waited for at a gate, and gone on with when it is done.

use forgehand::localforge::SeedFile;
use forgehand::model::{Event, Intent, RunOutcome};

use crate::gates::beside;
use crate::ops::{OPS, in_ops};
use crate::rig::{Agent, Plan, Rig, TRIAGE, until};

const DEPLOY: &str = r##"formula = 1
name = "deploy"
title = "Ask for a deployment, and say when it is there"
blast_radius = "low"

[trigger]
label = "deploy"

[[label]]
name = "deploy"
color = "#c0c0c0"

[[step]]
id = "ask"
propose = "vault-action"
action = "'deploy-' + string(issue.number)"
title = "Deploy for #{{issue.number}}"
body = "asked.md"
asks = "{ 'context': issue.title + ' is merged.', 'action_required': 'Press the button.' }"

[[step]]
id = "wait"
gate = "vault"

[[step]]
id = "tell"
propose = "comment"
body = "there.md"
"##;

const THERE: &str =
    "It is {{steps.wait.output.state}} ({{line steps.wait.output.exit_code}}): {{prose steps.wait.output.logs}}\n";

async fn rig(test: &'static str, files: &[(&str, &str)]) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, "")).mode(forgehand::sandbox::Mode::None).daemon("poll = \"1s\"");
    let rig = plan.project("formulas = [\"triage\", \"deploy\"]").rig().await.expect("it needs nothing");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    beside(
        &rig,
        &[("formulas/deploy.toml", DEPLOY), ("prompts/asked.md", "Somebody is to press it.\n"), ("prompts/there.md", THERE)],
    );
    let file = |&(path, content)| SeedFile { path, content, executable: false };
    let files: Vec<SeedFile<'_>> = files.iter().chain(&[("README.md", "# Operations\n")]).map(file).collect();
    rig.seed.create_repo("owner", "ops", false, &files).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    let token = rig.seed.token("owner", &["write:repository", "write:issue", "read:user"]).await.expect("a token");
    rig.with_env("OWNER", &token)
}

async fn waits(rig: &Rig, number: u64) -> String {
    let said = rig.run(&["explain", &number.to_string()]).await.ok();
    said.out
}

fn ended(rig: &Rig) -> Vec<RunOutcome> {
    let outcome = |event: Event| match event {
        Event::RunEnded { outcome, .. } => Some(outcome),
        _ => None,
    };
    rig.records().into_iter().filter_map(|record| outcome(record.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_the_vault_is_waited_for_and_the_run_goes_on_when_a_person_did_it() {
    let rig = rig("vault_formula::done", &[]).await;
    let issue = rig.issue("Add right", "Please.", &["deploy"]).await;
    rig.once().await;
    let pulls = rig.seed.pulls(OPS).expect("the pull requests");
    assert_eq!(pulls.len(), 1, "{}", rig.story());
    let pull = pulls[0].issue.number;
    assert_eq!(pulls[0].issue.title, format!("Deploy for #{issue}"));
    assert!(pulls[0].issue.body.starts_with("Somebody is to press it."), "{}", pulls[0].issue.body);
    let text = in_ops(&rig, &["show", &format!("origin/{}:vault/actions/deploy-{issue}.toml", pulls[0].head)]).await;
    assert!(text.contains(&format!("unblocks = [\"owner/app#{issue}\"]")) && text.contains("Add right is merged."), "{text}");
    let said = waits(&rig, issue).await;
    let wanted =
        format!("waits at step wait for the action deploy-{issue} of the vault (asked for by {OPS}#{pull}: not merged yet)");
    assert!(said.contains(&wanted), "{wanted}\n{said}");

    // A journal that is lost finds what it asked for.
    let lost = rig.another_journal();
    rig.run_with(&lost, &["once"]).await.ok();
    rig.run_with(&lost, &["formula", "run", "deploy", "--issue", &issue.to_string()]).await.ok();
    rig.run_with(&lost, &["once"]).await.ok();
    assert_eq!(rig.seed.pulls(OPS).expect("the pull requests").len(), 1, "{}", rig.story());

    rig.seed.merge_pull(OPS, "owner", pull).await.expect("a merge");
    rig.once().await;
    assert!(waits(&rig, issue).await.contains("merged, and not done yet"), "{}", waits(&rig, issue).await);
    assert!(rig.said(issue, "It is").is_empty(), "{:#?}", rig.comments(issue));

    let id = format!("deploy-{issue}");
    rig.run(&["vault", "done", &id, "--token-env", "OWNER", "--because", "It is up."]).await.ok();
    rig.once().await;
    assert_eq!(rig.said(issue, "It is fired (0)").len(), 1, "{:#?}\n{}", rig.comments(issue), rig.story());
    assert_eq!(rig.said(issue, "It is up.").len(), 1, "{:#?}", rig.comments(issue));

    // What is done under its name is not asked for again, and the gate is open at once.
    rig.run(&["formula", "run", "deploy", "--issue", &issue.to_string()]).await.ok();
    rig.once().await;
    assert_eq!((rig.seed.pulls(OPS).expect("the pull requests").len(), ended(&rig).len()), (1, 2), "{}", rig.story());
    let both = [RunOutcome::Succeeded { pull: None }, RunOutcome::Succeeded { pull: None }];
    assert_eq!(ended(&rig), both, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wants_ends_the_run_that_waits_for_it() {
    let rig = rig("vault_formula::rejected", &[]).await;
    let issue = rig.issue("Add right", "Please.", &["deploy"]).await;
    rig.once().await;
    let id = format!("deploy-{issue}");
    rig.run(&["vault", "reject", &id, "--token-env", "OWNER", "--because", "Not now."]).await.ok();
    rig.once().await;
    let outcome = ended(&rig).pop().unwrap_or_else(|| panic!("it ended\n{}", rig.story()));
    assert!(matches!(outcome, RunOutcome::ActionFailed { rejected: true, .. }), "{outcome:?}");
    assert!(rig.story().contains(&format!("the action {id} of the vault, which was rejected")), "{}", rig.story());
    assert!(rig.said(issue, "It is").is_empty(), "{:#?}", rig.comments(issue));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_while_it_asks_the_vault_asks_once() {
    let rig = rig("vault_formula::dies", &[]).await;
    rig.issue("Add right", "Please.", &["deploy"]).await;
    let daemon = rig.start(&["run"]);
    let begun = |event: &Event| matches!(event, Event::Intended { intent: Intent::AskVault { .. }, .. });
    until("the action", || rig.records().iter().any(|record| begun(&record.event)).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    assert_eq!(rig.seed.pulls(OPS).expect("the pull requests").len(), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_action_is_said_before_anything_is_written() {
    let rig = rig("vault_formula::wrong", &[]).await;
    let wrong = DEPLOY.replace("'action_required': 'Press the button.'", "'formula': 'triage', 'secrets': ['TAP']");
    beside(&rig, &[("formulas/deploy.toml", &wrong)]);
    rig.issue("Add right", "Please.", &["deploy"]).await;
    rig.once().await;
    assert!(rig.seed.pulls(OPS).expect("the pull requests").is_empty(), "{}", rig.story());
    let story = rig.story();
    assert!(story.contains("step ask: vault/actions/deploy-") && story.contains("there is no secret `TAP`"), "{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_block_steps_back_when_its_window_is_over_and_goes_on_when_a_person_did_it() {
    let policy = "[on_vault]\nlow = \"soft-block\"\nmedium = \"soft-block\"\nhigh = \"soft-block\"\nwindow = \"1s\"\n";
    let rig = rig("vault_formula::soft", &[("vault/policy.toml", policy)]).await;
    // While one waits at the gate, the other of the group waits for it.
    let grouped =
        DEPLOY.replace("[trigger]", "[limits]\nconcurrency = { group = \"deploy\", when_busy = \"queue\" }\n\n[trigger]");
    beside(&rig, &[("formulas/deploy.toml", &grouped)]);
    let issue = rig.issue("Add right", "Please.", &["deploy"]).await;
    rig.once().await;
    let other = rig.issue("Add left", "Please.", &["deploy"]).await;
    for _ in 0..20 {
        rig.once().await;
        if rig.seed.pulls(OPS).expect("the pull requests").len() == 2 {
            break;
        }
    }
    assert_eq!(rig.seed.pulls(OPS).expect("the pull requests").len(), 2, "{}", rig.story());
    let row = rig.row(issue).await;
    let waits = format!("formula deploy waits in step wait for the action deploy-{issue} of the vault to be over");
    assert_eq!(row["stepped_back"][0].as_str(), Some(waits.as_str()), "{row:#}\n{}", rig.story());
    assert!(self::waits(&rig, issue).await.contains(&waits) && rig.story().contains("the run steps back from step wait"));
    assert!(ended(&rig).is_empty(), "{}", rig.story());

    // A daemon that dies knows who stepped back.
    let daemon = rig.start(&["run"]);
    let begun = rig.forge.request_count();
    until("the daemon", || (rig.forge.request_count() >= begun + 5).then_some(())).await;
    daemon.kill().await;
    let pull =
        rig.seed.pulls(OPS).expect("the pull requests").into_iter().find(|pull| pull.issue.title.ends_with(&format!("#{issue}")));
    rig.seed.merge_pull(OPS, "owner", pull.expect("its own").issue.number).await.expect("a merge");
    rig.once().await;
    assert!(ended(&rig).is_empty(), "it is merged, and not done: {}", rig.story());
    rig.run(&["vault", "done", &format!("deploy-{issue}"), "--token-env", "OWNER", "--because", "It is up."]).await.ok();
    for _ in 0..20 {
        rig.once().await;
        if !ended(&rig).is_empty() {
            break;
        }
    }
    assert_eq!(ended(&rig), [RunOutcome::Succeeded { pull: None }], "{}", rig.story());
    assert_eq!((rig.said(issue, "It is up.").len(), rig.said(other, "It is").len()), (1, 0), "{:#?}", rig.comments(issue));
    assert_eq!(rig.seed.pulls(OPS).expect("the pull requests").len(), 2, "it is asked for once: {}", rig.story());
}

const MOW: &str = r#"formula = 1
name = "mow"
title = "Mow"
blast_radius = "medium"

[trigger]
vault = true

[[step]]
id = "cut"
run = ["echo it is short"]
on = "base"
"#;

const DIRECT: &str = "[tiers]\nmow = \"low\"\n\n[low]\nactions = \"direct\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_low_is_committed_with_its_record_where_the_policy_says_so_and_the_gate_opens_when_it_ran() {
    let rig = rig("vault_formula::direct", &[("vault/policy.toml", DIRECT)]).await;
    rig.reconfigure("\"triage\", \"deploy\"", "\"triage\", \"deploy\", \"mow\"");
    let mows = DEPLOY.replace("'action_required': 'Press the button.'", "'formula': 'mow'");
    beside(&rig, &[("formulas/deploy.toml", &mows), ("formulas/mow.toml", MOW)]);
    // What stands there at the first reading was not asked for by us.
    rig.once().await;
    let issue = rig.issue("Add right", "Please.", &["deploy"]).await;
    rig.once().await;
    assert!(rig.seed.pulls(OPS).expect("the pull requests").is_empty(), "{}", rig.story());
    let record = in_ops(&rig, &["show", &format!("main:vault/approved/deploy-{issue}.result.json")]).await;
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    assert_eq!((&record["approved_by"], &record["tier"], &record["formula"]), (&"policy".into(), &"low".into(), &"mow".into()));
    let one = in_ops(&rig, &["log", "-1", "--format=%s", "--", &format!("vault/actions/deploy-{issue}.toml")]).await;
    assert_eq!(one.trim(), format!("Deploy for #{issue}"), "in one commit with it");
    rig.once().await;
    assert_eq!(rig.said(issue, "It is fired (0)").len(), 1, "{:#?}\n{}", rig.comments(issue), rig.story());
    assert_eq!(rig.said(issue, "it is short").len(), 1, "{:#?}", rig.comments(issue));

    // At a terminal the same.
    let file = rig.config_file().with_file_name("tap.toml");
    std::fs::write(&file, "formula = \"mow\"\ncontext = \"It is long.\"\n").expect("a file");
    let tried = rig.run(&["vault", "request", &file.display().to_string(), "--dry-run"]).await.ok();
    assert!(tried.out.contains("would commit vault/actions/tap.toml in owner/ops, low"), "{tried:?}");
    let said = rig.run(&["vault", "request", &file.display().to_string()]).await.ok();
    assert!(said.out.contains("tap is approved by the policy of owner/ops, low"), "{said:?}");
    assert!(in_ops(&rig, &["show", "main:vault/approved/tap.result.json"]).await.contains("\"policy\""));
    assert!(rig.seed.pulls(OPS).expect("the pull requests").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_test_and_a_dry_run_play_the_vault() {
    let rig = rig("vault_formula::played", &[]).await;
    let done = "formula = \"deploy\"\n[issue]\nnumber = 7\n[[action]]\nid = \"deploy-7\"\nexit_code = 0\nlogs = \"It is up.\"\n\
        [expect]\noutcome = \"done\"\nproposes = [\"vault-action\", \"comment\"]\n\
        says = [\"vault/actions/deploy-7.toml\", \"unblocks = [\\\"owner/name#7\\\"]\", \"It is fired (0)\", \"It is up.\"]\n";
    let ended = |how: &str, outcome: &str| {
        format!(
            "formula = \"deploy\"\n[[action]]\nid = \"deploy-7\"\n{how}\n[expect]\noutcome = \"{outcome}\"\nproposes = [\"vault-action\"]\n"
        )
    };
    beside(
        &rig,
        &[
            ("formulas/tests/deploy-done.toml", done),
            ("formulas/tests/deploy-rejected.toml", &ended("rejected = true", "action-rejected")),
            ("formulas/tests/deploy-failed.toml", &ended("exit_code = 3", "action-failed")),
        ],
    );
    let tested = rig.run(&["formula", "test", "deploy"]).await.ok();
    assert!(tested.out.contains("3 passed, 0 failed"), "{tested:?}");
    let issue = rig.issue("Add right", "Please.", &[]).await;
    let number = issue.to_string();
    let tried = rig.run(&["formula", "run", "deploy", "--issue", &number, "--dry-run"]).await.ok();
    assert!(tried.out.contains(&format!("vault/actions/deploy-{issue}.toml")) && tried.out.contains("vault"), "{}", tried.out);
    assert!(rig.seed.pulls(OPS).expect("the pull requests").is_empty());
    let graph = rig.run(&["formula", "graph", "deploy"]).await.ok();
    assert!(graph.out.contains("propose vault-action") && graph.out.contains("wait for the vault"), "{}", graph.out);
    // Where there is such a gate, the label that opens it is known.
    let doctor = rig.run(&["doctor"]).await;
    assert!(doctor.out.contains("vault-approved"), "{}", doctor.out);
}
