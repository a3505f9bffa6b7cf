//! The contract of the command line: exit codes, what is printed, and what is not.

use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE};

async fn plain(test: &'static str) -> Rig {
    Plan::new(test).mode(Mode::None).rig().await.expect("it needs nothing")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_told_with_its_place_and_the_nearest_right_one() {
    let rig = plain("commands::an_unknown_key").await;
    rig.reconfigure("verify = ", "verfy = ");
    for command in [&["once"][..], &["run"], &["status"], &["explain", "1"], &["logs"]] {
        let said = rig.run(command).await;
        assert_eq!(said.code, Some(2), "{command:?}: {said:?}");
        for words in ["forgehand.toml:7:1", "verfy", "`verify`"] {
            assert!(said.err.contains(words), "{words:?} in {}", said.err);
        }
        assert!(said.out.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_the_forges_matter() {
    let rig = plain("commands::a_wrong_token").await;
    rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    std::fs::write(rig.dir.path().join("token"), "0123456789012345678901234567890123456789").expect("a token");
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("does not accept the token") && said.err.contains("token_file"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_is_gone_is_the_forges_matter() {
    let rig = plain("commands::a_forge_that_is_gone").await;
    let url = rig.forge.url();
    rig.reconfigure(&url, "http://127.0.0.1:9");
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("does not answer"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_repository_is_told_by_its_new_name_and_taken_up_under_it() {
    for known in [false, true] {
        let rig = plain("commands::a_renamed_repository").await;
        if known {
            rig.once().await;
        }
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
        rig.seed.api("owner", "PATCH", &format!("repos/{REPO}"), json!({"name": "sums"})).await.expect("renamed");
        let said = rig.run(&["once"]).await;
        assert_eq!(said.code, Some(3), "known: {known}: {said:?}");
        assert!(said.err.contains("repo = \"owner/sums\""), "known: {known}: {}", said.err);
        rig.reconfigure(&format!("\"{REPO}\""), "\"owner/sums\"");
        rig.once().await;
        let issues = rig.seed.issues("owner/sums").expect("the issues");
        let labels = &issues.iter().find(|issue| issue.number == number).expect("the issue").labels;
        assert_eq!(*labels, ["claude-pr", "portal"], "known: {known}: {}", rig.story());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_mended_is_noticed_at_the_next_start() {
    let rig = plain("commands::a_token_that_is_mended").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let file = rig.dir.path().join("token");
    let right = std::fs::read_to_string(&file).expect("the token");
    std::fs::write(&file, "0123456789012345678901234567890123456789").expect("a token");
    assert_eq!(rig.run(&["once"]).await.code, Some(3));
    std::fs::write(&file, right).expect("the token");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_without_the_right_to_write_is_told_so() {
    let rig = plain("commands::a_bot_without_the_right").await;
    rig.seed.add_collaborator(REPO, "bot", "read").await.expect("less access");
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("write access"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_repository_waits_and_says_why() {
    let rig = plain("commands::an_archived_repository").await;
    rig.seed.api("owner", "PATCH", &format!("repos/{REPO}"), json!({"archived": true})).await.expect("archived");
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("unarchive"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_has_the_shape_of_the_contract() {
    let rig = plain("commands::the_board").await;
    let board = rig.json(&["status", "--json"]).await;
    assert_eq!((&board["issues"], &board["runs"]), (&json!([]), &json!([])), "before the first look");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    let board = rig.json(&["status", "--json"]).await;
    let row = &board["issues"][0];
    assert_eq!(row["number"], number);
    assert_eq!(row["title"], "Total is wrong");
    assert_eq!(row["state"], "claude-pr");
    assert_eq!(row["run"], Value::Null);
    assert_eq!(row["attempts"], 0);
    assert_eq!(row["pull"], rig.pulls()[0].issue.number);
    assert!(row["waiting"]["reason"].as_str().is_some_and(|r| r.contains("waits for a person to merge it")), "{row}");
    assert_eq!(row["waiting"]["until"], Value::Null);
    assert!(row["cost_usd"].is_number(), "{row}");
    let run = &board["runs"][0];
    assert_eq!((&run["issue"], &run["attempt"], &run["outcome"]), (&json!(number), &json!(1), &json!("succeeded")), "{run}");
    for key in ["run", "started"] {
        assert!(run[key].is_string(), "{key}: {run}");
    }
    assert!(run.as_object().is_some_and(|run| run.contains_key("step") && run.contains_key("cost_usd")), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_answers_for_every_issue_that_exists() {
    let agent = Agent::scripted("route interactive", FIX);
    let rig = Plan::new("commands::explain").agent(agent).mode(Mode::None).rig().await.expect("it needs nothing");
    let ours = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let other = rig.issue("Hello", "there", &[]).await;
    let closed = rig.issue("Old", "story", &[]).await;
    rig.seed.close(REPO, "owner", closed).await.expect("closed");
    let said = rig.run(&["explain", &ours.to_string()]).await.ok();
    assert!(said.out.contains("portal"), "before the first look: {said:?}");
    rig.once().await;
    for (number, words) in [(ours, "a person does this one"), (other, "none of forgehand's business"), (closed, "it is closed")] {
        let said = rig.run(&["explain", &number.to_string()]).await.ok();
        assert!(said.out.contains(words), "{words:?} in {}", said.out);
        let json = rig.json(&["explain", &format!("{REPO}#{number}"), "--json"]).await;
        assert_eq!(json["number"], number);
        assert!(json["moved_by"].is_string(), "{json}");
    }
    assert_ne!(rig.run(&["explain", "77"]).await.code, Some(0));
    assert_eq!(rig.run(&["explain", "nonsense"]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_tell_the_story_and_what_the_agent_did() {
    let agent = Agent::scripted(TRIAGE, &format!("echo 'looking at add.sh'; {FIX}"));
    let rig = Plan::new("commands::logs").agent(agent).mode(Mode::None).rig().await.expect("it needs nothing");
    assert_eq!(rig.run(&["logs"]).await.code, Some(2), "there is no journal yet");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    let said = rig.run(&["logs", &number.to_string()]).await.ok();
    for words in ["triage says an agent can do it", "looking at add.sh", "`sh ./test.sh` passed", "pull request #2"] {
        assert!(said.out.contains(words), "{words:?} in {}", said.out);
    }
    let said = rig.run(&["logs", "--json"]).await.ok();
    for line in said.out.lines() {
        serde_json::from_str::<Value>(line).expect("an object on each line");
    }
    let log = rig.left_in("runs");
    assert!(log.contains(&format!("issue-{number}-attempt-1.jsonl")), "{log:?}");
    assert!(rig.left_in("logs").iter().any(|name| name.starts_with("forgehand-") && name.ends_with(".log")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let rig = plain("commands::a_dry_run").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let refs = rig.seed.refs(REPO).expect("the refs");
    let said = rig.run(&["once", "--dry-run"]).await.ok();
    assert!(said.out.contains(&format!("#{number}")), "{said:?}");
    assert_eq!(rig.issue_now(number).labels, ["portal"]);
    assert_eq!((rig.comments(number).len(), rig.seed.refs(REPO).expect("the refs")), (0, refs));
    assert!(rig.records().is_empty(), "the journal is untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
    let agent = Agent::scripted(TRIAGE, "wait_for go; exit 1");
    let plan = Plan::new("commands::a_second_daemon").agent(agent).daemon("poll = \"1s\"").mode(Mode::None);
    let rig = plan.rig().await.expect("it needs nothing");
    rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    let said = rig.run(&["run"]).await;
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains(&daemon.pid().to_string()), "{} in {}", daemon.pid(), said.err);
    rig.run(&["once"]).await.silent();
    rig.run(&["status"]).await.ok();
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_once_says_so_once() {
    let sh = std::path::Path::new("/bin/sh").canonicalize().expect("a shell");
    let agent = Agent::Claude { program: Some(sh), url: "http://127.0.0.1:9".into(), more: "key_env = \"NO_SUCH_KEY\"" };
    let rig = Plan::new("commands::without_credentials").agent(agent).mode(Mode::None).rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let said = rig.run(&["once"]).await.ok();
    assert!(said.err.contains("there are no credentials for the model"), "{said:?}");
    rig.run(&["once"]).await.silent();
    assert_eq!((rig.labels(number).len(), rig.comments(number).len()), (0, 0));
    assert!(rig.row(number).await["waiting"]["reason"].as_str().is_some_and(|r| r.contains("no credentials")));
}
