//! The configuration is read anew while the daemon runs: whole or not at all, and runs keep what they began with.

use std::sync::{Arc, Mutex};

use forgehand::formula::{shipped_prompt, shipped_text};
use forgehand::sandbox::Mode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::UnixDatagram;
use tokio::task::JoinSet;

use crate::gates::beside;
use crate::rig::veil::Veil;
use crate::rig::{Agent, FIX, Plan, REPO, Rig, Started, TRIAGE, until};

async fn site(test: &'static str, fix: &str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, fix)).daemon("poll = \"1s\"").mode(Mode::None);
    plan.rig().await.expect("it needs nothing")
}

async fn until_labels(rig: &Rig, number: u64, labels: &[&str]) {
    until(&format!("{labels:?} on #{number}, and it has {:?}", rig.labels(number)), || {
        (rig.labels(number) == labels).then_some(())
    })
    .await;
}

/// The lines of the log with these words.
pub(crate) fn logged(rig: &Rig, words: &str) -> usize {
    let logs = rig.left_in("logs").into_iter().map(|name| rig.state_dir().join("logs").join(name));
    let text: String = logs.map(|path| std::fs::read_to_string(path).expect("a log")).collect();
    text.lines().filter(|line| line.contains(words)).count()
}

/// Waits until the daemon took a change up, or said that it does not.
pub(crate) async fn until_logged(rig: &Rig, words: &str, times: usize) {
    until(&format!("{words:?} in the log"), || (logged(rig, words) >= times).then_some(())).await;
}

const ANEW: &str = "the configuration was read anew";
const BROKEN: &str = "the configuration is broken";

async fn end(daemon: Started) {
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_one_leaves_the_last_good_one_in_force_and_is_said() {
    let rig = site("reload::a_broken_one", FIX).await;
    let daemon = rig.start(&["run"]);
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until_labels(&rig, first, &["claude-pr"]).await;
    let good = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    for broken in [good.replace("verify = ", "verfy = "), format!("{good}\nthis is no TOML")] {
        let before = logged(&rig, BROKEN);
        rig.configure(&broken);
        until_logged(&rig, BROKEN, before + 1).await;
        let status = rig.run(&["status"]).await.ok();
        assert!(status.out.contains("stays in force") && status.out.contains("forgehand.toml:"), "{status:?}");
        let report = rig.json(&["status", "--json"]).await["configuration"].clone();
        assert!(report["broken"]["mistakes"][0].as_str().is_some_and(|m| m.contains("forgehand.toml:")), "{report}");
        // It goes on to work, and can be told what to do.
        let number = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
        until_labels(&rig, number, &["claude-pr"]).await;
        rig.run(&["explain", &number.to_string()]).await.ok();
        rig.run(&["pause", &number.to_string()]).await.ok();
        assert_eq!(logged(&rig, BROKEN), before + 1, "it is said once");
    }
    let times = logged(&rig, ANEW);
    rig.configure(&good);
    until_logged(&rig, ANEW, times + 1).await;
    until("a status without it", || {
        let text = std::fs::read_to_string(rig.state_dir().join("configuration.json")).expect("a report");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        report["broken"].is_null().then_some(())
    })
    .await;
    assert!(!rig.run(&["status"]).await.ok().out.contains("configuration"));
    end(daemon).await;
    // With nobody there nothing is in force.
    rig.configure("nonsense");
    assert_eq!(rig.run(&["status"]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_come_and_go() {
    let rig = site("reload::projects_come_and_go", FIX).await;
    let two = "owner/two";
    let files = [("add.sh", "echo 5\n"), ("test.sh", "test \"$(sh add.sh 2 2)\" = 4\n")];
    let files = files.map(|(path, content)| forgehand::localforge::SeedFile { path, content, executable: false });
    rig.seed.create_repo("owner", "two", false, &files).await.expect("a repository");
    rig.seed.add_collaborator(two, "bot", "write").await.expect("a collaborator");
    rig.seed.create_label(two, "claude-queue", "#00aabb").await.expect("a label");
    let report = || rig.seed.create_issue(two, "reporter", "Total is wrong", "2 and 2 gives 5", &["claude-queue"]);
    let labels = |number: u64| {
        let issues = rig.seed.issues(two).expect("the issues");
        issues.into_iter().find(|issue| issue.number == number).expect("the issue").labels
    };
    let number = report().await.expect("an issue");
    let daemon = rig.start(&["run"]);
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until_labels(&rig, first, &["claude-pr"]).await;
    assert_eq!(labels(number), ["claude-queue"]);

    let section = format!("[[project]]\nrepo = \"{two}\"\nverify = [\"sh ./test.sh\"]\n\n[agent]\n");
    rig.reconfigure("[agent]\n", &section);
    until("the new project's pull request", || (labels(number) == ["claude-pr"]).then_some(())).await;
    rig.reconfigure(&section, "[agent]\n");
    until_logged(&rig, ANEW, 2).await;
    let late = report().await.expect("an issue");
    let second = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until_labels(&rig, second, &["claude-pr"]).await;
    assert_eq!(labels(late), ["claude-queue"], "{}", rig.story());
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_keeps_what_it_began_with_and_the_next_one_has_the_new() {
    let rig = site("reload::a_run_keeps", &format!("wait_for go; {FIX}")).await;
    rig.reconfigure("[limits]\n", "[limits]\nattempts = 1\n");
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    rig.reconfigure("sh ./test.sh", "false");
    until_logged(&rig, ANEW, 1).await;
    rig.let_pass("go");
    until_labels(&rig, first, &["claude-pr"]).await;
    let second = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until_labels(&rig, second, &["claude-failed"]).await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_with_the_formula_that_it_began_with_also_over_a_restart() {
    let rig = site("reload::a_run_ends_with_the_formula", &format!("wait_for go; {FIX}")).await;
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    let fix = shipped_text("fix").expect("shipped").replace("title = \"{{#if steps", "title = \"Other: {{#if steps");
    let body = shipped_prompt("pull-request.md").expect("shipped").to_owned() + "\nWritten otherwise.\n";
    beside(&rig, &[("prompts/pull-request.md", &body), ("formulas/fix.toml", &fix)]);
    until_logged(&rig, ANEW, 1).await;
    daemon.kill().await;
    rig.let_pass("go");
    let daemon = rig.start(&["run"]);
    until_labels(&rig, first, &["claude-pr"]).await;
    let second = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until_labels(&rig, second, &["claude-pr"]).await;
    end(daemon).await;
    let pulls: Vec<_> = rig.pulls().into_iter().map(|pull| pull.issue).collect();
    let other = |at: usize| (pulls[at].title.starts_with("Other: "), pulls[at].body.contains("Written otherwise."));
    assert_eq!((pulls.len(), other(0), other(1)), (2, (false, false), (true, true)), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_project_that_is_taken_out_goes_on_to_its_end() {
    let rig = site("reload::a_project_that_is_taken_out", &format!("wait_for go; {FIX}")).await;
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    let waiting = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.seed.create_repo("owner", "two", false, &[]).await.expect("a repository");
    rig.seed.add_collaborator("owner/two", "bot", "write").await.expect("a collaborator");
    rig.reconfigure(&format!("repo = \"{REPO}\""), "repo = \"owner/two\"");
    until_logged(&rig, ANEW, 1).await;
    rig.let_pass("go");
    until_labels(&rig, first, &["claude-pr"]).await;
    until("the claim given back", || rig.claims().is_empty().then_some(())).await;
    assert_eq!(rig.labels(waiting), ["claude-queue"]);
    assert_eq!(rig.turns("work"), 1, "{}", rig.story());
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_is_used_without_a_restart() {
    let rig = site("reload::a_token", FIX).await;
    let file = rig.dir.path().join("token");
    let right = std::fs::read_to_string(&file).expect("the token");
    std::fs::write(&file, "0123456789012345678901234567890123456789").expect("a token");
    let daemon = rig.start(&["run"]);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until("the token refused", || rig.story().contains("does not accept the token").then_some(())).await;
    std::fs::write(&file, right).expect("the token");
    until_labels(&rig, number, &["claude-pr"]).await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_replaced_is_trusted_without_a_restart() {
    let rig = site("reload::an_authority", FIX).await;
    let (old, new) = (Veil::private(&rig.forge.url()).await, Veil::private(&rig.forge.url()).await);
    let file = rig.dir.path().join("ca.pem");
    std::fs::write(&file, &old.authority).expect("a file");
    rig.reconfigure(&rig.forge.url(), &new.url);
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nca_file = \"ca.pem\"\n");
    let daemon = rig.start(&["run"]);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until("the forge not trusted", || rig.story().contains("is not trusted").then_some(())).await;
    std::fs::write(&file, &new.authority).expect("a file");
    until_labels(&rig, number, &["claude-pr"]).await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn formulas_and_prompts_beside_it_are_read_anew_too() {
    let fix =
        "if asked_for 'in capitals'; then answer no-change 'Done in capitals.'; else repair; commit Add; answer done 'Done.'; fi";
    let rig = site("reload::formulas_and_prompts", fix).await;
    let daemon = rig.start(&["run"]);
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until_labels(&rig, first, &["claude-pr"]).await;

    let shipped =
        |path: &str| std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file");
    for folder in ["formulas", "prompts"] {
        std::fs::create_dir(rig.dir.path().join(folder)).expect("a folder");
    }
    std::fs::write(rig.dir.path().join("formulas/fix.toml"), "formula = 1\nnonsense = 2\n").expect("a formula");
    until_logged(&rig, BROKEN, 1).await;
    let status = rig.run(&["status"]).await.ok();
    assert!(status.out.contains("fix.toml:"), "{status:?}");
    let times = logged(&rig, ANEW);
    std::fs::write(rig.dir.path().join("prompts/fix.md"), shipped("prompts/fix.md") + "\nWrite it in capitals.\n")
        .expect("a prompt");
    std::fs::write(rig.dir.path().join("formulas/fix.toml"), shipped("formulas/fix.toml")).expect("a formula");
    until_logged(&rig, ANEW, times + 1).await;
    let second = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until("the end of its run", || rig.story().contains("Done in capitals.").then_some(())).await;
    assert_ne!(rig.labels(second), ["claude-pr"], "{}", rig.story());
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_change_alive_is_said_to_take_effect_at_the_next_start() {
    let rig = site("reload::what_cannot_change", FIX).await;
    let daemon = rig.start(&["run"]);
    until("the report", || rig.state_dir().join("configuration.json").exists().then_some(())).await;
    rig.reconfigure("poll = \"1s\"", "poll = \"1s\"\nlog = \"json\"");
    until_logged(&rig, "`log` of [daemon] was changed, which takes effect at the next start", 1).await;
    until_logged(&rig, ANEW, 1).await;
    let line = "! `log` of [daemon] was changed, which takes effect at the next start";
    until("the report", || {
        let text = std::fs::read_to_string(rig.state_dir().join("configuration.json")).expect("a report");
        text.contains("`log` of [daemon]").then_some(())
    })
    .await;
    assert!(rig.run(&["status"]).await.ok().out.contains(line));
    assert_eq!(rig.json(&["status", "--json"]).await["configuration"]["at_next_start"][0], "`log` of [daemon]");
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_it_anew_and_systemd_is_told() {
    let sockets = tempfile::tempdir().expect("a folder");
    let path = sockets.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let heard = Arc::new(Mutex::new(Vec::<String>::new()));
    let mut ear = JoinSet::new();
    let keeps = heard.clone();
    // As systemd does it reads all the time: who notifies waits where nobody reads.
    ear.spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok(length) = socket.recv(&mut buffer).await {
            keeps.lock().expect("a list").push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    });
    let plan = Plan::new("reload::a_hangup").daemon("poll = \"1h\"").mode(Mode::None);
    let plan = plan.env("NOTIFY_SOCKET", &path.display().to_string());
    let rig = plan.rig().await.expect("it needs nothing");
    let told = |words: &str| {
        let heard = heard.lock().expect("a list");
        let place = heard.iter().position(|t| t.contains(words))?;
        Some((place, heard[place].clone(), heard[place..].iter().any(|t| t.contains("READY=1"))))
    };
    let daemon = rig.start(&["run"]);
    until("READY", || told("READY=1")).await;
    until("the report", || rig.state_dir().join("configuration.json").exists().then_some(())).await;
    let pid = i32::try_from(daemon.pid()).ok().and_then(Pid::from_raw).expect("a pid");
    // It is ready before it listens for the signal? Then this ends it, and the test with it.
    kill_process(pid, Signal::HUP).expect("it can be told");
    let (_, reloading, _) = until("RELOADING", || told("RELOADING=1")).await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    until("READY again", || told("RELOADING=1").filter(|(_, _, ready_after)| *ready_after)).await;
    until_logged(&rig, ANEW, 1).await;
    end(daemon).await;
}
