//! What cannot be done is never silent: it stands on the board and is told, wherever it came from.

use forgehand::localforge::SeedFile;
use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::agents::person;
use crate::aside::block;
use crate::gates::beside;
use crate::ops::{OPS, git_in, ops_clone};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE};

const LOOKS: &str = "case $FORGEHAND_STEP in look) answer done 'Seen.' ;; *) exit 3 ;; esac";

async fn rig(test: &'static str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, LOOKS)).mode(Mode::None).limits("attempts = 1");
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"glance\"]").rig().await.expect("it needs nothing");
    let prompts = [("prompts/glance.md", block("markdown", 0)), ("prompts/glanced.md", block("markdown", 1))];
    beside(&rig, &[&[("formulas/glance.toml", block("toml", 0))][..], &prompts].concat());
    rig
}

async fn with_ops(rig: &Rig) {
    let policy =
        SeedFile { path: "vault/policy.toml", content: "approvers = [\"judge\"]\n[tiers]\ntap = \"low\"\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[policy]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    let text = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    let told = rig.dir.path().join("told");
    rig.configure(&format!("{text}\n[[notify]]\ncommand = [\"sh\", \"-c\", \"cat >>'{0}'; echo >>'{0}'\"]\n", told.display()));
}

/// What was told, on which occasion.
fn told(rig: &Rig) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(rig.dir.path().join("told")).unwrap_or_default();
    let letter = |line: &str| {
        let letter: Value = serde_json::from_str(line).expect("JSON");
        let said = |key: &str| letter[key].as_str().unwrap_or_default().to_owned();
        (said("on"), format!("{}: {}", said("title"), said("text")))
    };
    text.lines().map(letter).collect()
}

async fn board(rig: &Rig) -> String {
    rig.run(&["status"]).await.ok().out
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operations_repository_that_cannot_be_read_stands_on_the_board_and_is_told_once() {
    let rig = rig("silent::ops").await;
    with_ops(&rig).await;
    rig.once().await;
    assert!(!board(&rig).await.contains(OPS) && told(&rig).is_empty(), "{}", rig.story());
    let rename = async |from: &str, to: &str| {
        rig.seed.api("owner", "PATCH", &format!("repos/owner/{from}"), json!({ "name": to })).await.expect("renamed");
    };
    rename("ops", "moved").await;
    for _ in 0..2 {
        rig.once().await;
        let board = board(&rig).await;
        assert!(board.contains("! owner/ops: what the vault of owner/ops is asked for cannot be read"), "{board}");
        assert!(board.contains("owner/moved"), "its new name: {board}");
    }
    let told_of = told(&rig);
    assert!(matches!(&told_of[..], [(on, text)] if on == "unreachable" && text.contains("owner/moved")), "{told_of:#?}");
    let rows = rig.json(&["status", "--json"]).await["troubles"].clone();
    assert_eq!((&rows[0]["repo"], rows.as_array().map(Vec::len)), (&OPS.into(), Some(1)), "{rows:#}");
    rename("moved", "ops").await;
    rig.once().await;
    assert!(!board(&rig).await.contains(OPS), "{}", rig.story());
    assert!(matches!(&told(&rig)[..], [_, (on, text)] if on == "unreachable" && text.contains("again")), "{:#?}", told(&rig));

    // And one that the bot may not see any more.
    rig.seed.api("owner", "PATCH", "repos/owner/ops", json!({ "private": true })).await.expect("private");
    rig.seed.api("owner", "DELETE", "repos/owner/ops/collaborators/bot", Value::Null).await.expect("no collaborator");
    rig.once().await;
    assert!(board(&rig).await.contains("what the vault of owner/ops is asked for cannot be read"), "{}", board(&rig).await);
    assert_eq!(told(&rig).len(), 3, "{:#?}", told(&rig));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_parse_stands_on_the_board_and_the_terminal_has_what_the_daemon_has() {
    let rig = rig("silent::policy").await;
    with_ops(&rig).await;
    let clone = ops_clone(&rig).await;
    std::fs::create_dir_all(clone.path().join("vault/actions")).expect("a folder");
    let write = async |path: &str, text: &str| {
        std::fs::write(clone.path().join(path), text).expect("written");
        git_in(&clone, &["add", "-A"]).await;
        git_in(&clone, &["commit", "-qm", "Change it"]).await;
        git_in(&clone, &["push", "-q", "origin", "main"]).await;
    };
    write("vault/actions/disk.toml", "context = \"Full.\"\n[action_required]\nwhat = \"Buy a disk\"\n").await;
    write("vault/policy.toml", "approvers = [\"judge\"\n").await;
    for _ in 0..2 {
        rig.once().await;
        let board = board(&rig).await;
        assert!(board.contains("! owner/ops: vault/policy.toml of owner/ops at "), "{board}");
        assert!(board.contains("cannot be read, so everything is high, and else that of "), "{board}");
    }
    let told_of = told(&rig);
    assert!(matches!(&told_of[..], [(on, text)] if on == "policy" && text.contains("vault classify --policy")), "{told_of:#?}");

    let listed = rig.run(&["vault", "list", "--json"]).await.ok();
    assert!(listed.err.contains("cannot be read, so everything is high, and else that of "), "{listed:?}");
    assert!(listed.out.contains("\"high\""), "{listed:?}");
    // Who approves is whom the last good one names.
    let scopes = ["write:repository", "write:issue", "read:user"];
    let owner = rig.seed.token("owner", &scopes).await.expect("a token");
    let rig = rig.with_env("OWNER", &owner);
    let file = rig.config_file().with_file_name("key.toml");
    std::fs::write(&file, "context = \"c\"\n[action_required]\nwhat = \"Make a key\"\n").expect("a file");
    rig.run(&["vault", "request", &file.display().to_string()]).await.ok();
    let approved = rig.run(&["vault", "approve", "key", "--token-env", "OWNER"]).await.ok();
    assert!(approved.out.contains("only an approver of the policy counts: judge"), "{approved:?}");

    write("vault/policy.toml", "approvers = [\"judge\"]\n").await;
    rig.once().await;
    assert!(!board(&rig).await.contains("cannot be read"), "{}", board(&rig).await);
    assert!(matches!(&told(&rig)[..], [_, (on, text)] if on == "policy" && text.contains("again")), "{:#?}", told(&rig));
    let listed = rig.run(&["vault", "list", "--json"]).await.ok();
    assert!(!listed.err.contains("cannot be read"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_not_write_on_an_issue_stands_on_the_board() {
    let rig = rig("silent::role").await;
    person(&rig, "mute", "write").await;
    // It may push and look, and has no word on issues.
    let token = rig.seed.token("mute", &["write:repository", "read:issue", "read:user"]).await.expect("a token");
    std::fs::write(rig.dir.path().join("token-mute"), token).expect("its token");
    let text = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    rig.configure(&format!("{text}\n[agents.mute]\nroles = [\"dev\"]\ntoken_file = \"token-mute\"\n"));
    let number = rig.issue("What is this?", "I wonder", &["needs-glance"]).await;
    rig.once().await;
    assert_eq!(rig.comments(number).len(), 0, "{}", rig.story());
    let board = board(&rig).await;
    assert!(board.contains("beside it glance failed: ") && board.contains("write:issue"), "{board}\n{}", rig.story());
    assert!(rig.row(number).await["beside"].as_str().is_some_and(|why| why.contains("write:issue")), "{}", rig.row(number).await);

    // Where it works the next time, nothing is left to say.
    person_may(&rig).await;
    rig.run(&["formula", "run", "glance", "--issue", &number.to_string()]).await.ok();
    rig.once().await;
    assert_eq!(rig.comments(number).len(), 1, "{}", rig.story());
    assert!(rig.row(number).await["beside"].is_null(), "{}", rig.row(number).await);
}

async fn person_may(rig: &Rig) {
    let token = rig.seed.token("mute", &["write:repository", "write:issue", "read:user"]).await.expect("a token");
    std::fs::write(rig.dir.path().join("token-mute"), token).expect("its token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_workspace_is_told_with_its_path() {
    let rig = rig("silent::workspace").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-failed"], "{}", rig.story());
    let told = rig.run(&["logs", &number.to_string()]).await.ok().out;
    let path = told.lines().find_map(|line| Some(line.split_once("the workspace is kept in ")?.1.trim().to_owned()));
    let path = path.unwrap_or_else(|| panic!("{told}"));
    assert!(std::path::Path::new(&path).join("add.sh").exists(), "{path}");
    let explained = rig.run(&["explain", &number.to_string()]).await.ok().out;
    assert!(explained.contains(&format!("its workspace:  {path}")), "{explained}");
    let gone = std::fs::remove_dir_all(&path);
    assert!(gone.is_ok());
    let explained = rig.run(&["explain", &format!("{REPO}#{number}")]).await.ok().out;
    assert!(!explained.contains("its workspace"), "what is gone is not told: {explained}");
}
