//! Actions of the vault, from the merge to their record: run once, with what they may use, where somebody approved them who may.

use serde_json::{Value, json};

use forgehand::localforge::SeedFile;
use forgehand::model::{ActionRecord, Event, Intent, Outcome};

use crate::claude_hand::claude;
use crate::gates::beside;
use crate::messages_api::{MessagesApi, Reply, Request};
use crate::ops::{OPS, clone_of, git_in, in_ops};
use crate::rig::veil::{Answers, Changes, Veil};
use crate::rig::{Agent, Plan, Rig, TRIAGE, until};

/// What is run: it leaves a line outside for each time that it was begun.
const DEPLOY: &str = r#"
formula = 1
name = "deploy"
title = "Deploy"
blast_radius = "medium"

[trigger]
vault = true

[[input]]
name = "to"
type = "text"
default = "nowhere"

[[step]]
id = "push"
run = [
    'echo "$TAP to $(cat "$FORGEHAND_MOUNT_KEYS/key")" >>"$HOME_OF_TEST/ran"; echo "the key is $TAP"',
    'while test -e "$HOME_OF_TEST/hold"; do sleep 0.05; done',
]
on = "base"

# What is worked out is nobody's word but an agent's: it gets nothing.
[[step]]
id = "chosen"
run = { of = "['echo \"<$TAP$FORGEHAND_MOUNT_KEYS>\" >>$HOME_OF_TEST/chosen']" }
on = "base"

# Nor does what is run for something that earlier steps came to.
[[step]]
id = "listed"
run = ['echo "<$TAP> $FORGEHAND_ITEM" >>"$HOME_OF_TEST/listed"']
on = "base"
for_each = { items = "steps.push.output.commands.map(c, string(c.exit))", at_most = 9 }
"#;

pub const ASKS: &str = "formula = \"deploy\"\ncontext = \"v1 is merged\"\nsecrets = [\"TAP\"]\nmounts = [\"keys\"]\n";
const SECRET: &str = "hunter2-of-the-tap";

pub async fn rig(test: &'static str, policy: &str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, "")).mode(forgehand::sandbox::Mode::None);
    rig_of(plan, DEPLOY, policy).await.expect("it needs nothing")
}

async fn rig_of(plan: Plan, deploy: &str, policy: &str) -> Option<Rig> {
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"deploy\"]").rig().await?;
    let home = rig.config_file().parent().expect("a folder").to_owned();
    let text = deploy.replace("$HOME_OF_TEST", &home.display().to_string());
    std::fs::create_dir(home.join("keys")).expect("a folder");
    beside(&rig, &[("formulas/deploy.toml", &text), ("tap", &format!("{SECRET}\n")), ("keys/key", "prod")]);
    let vault =
        format!("[vault.secrets]\nTAP = {{ file = \"{0}/tap\" }}\n\n[vault.mounts]\nkeys = \"{0}/keys\"\n\n", home.display());
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n{vault}[agent]\n"));
    let file = |path, content| SeedFile { path, content, executable: false };
    let files = [file("vault/actions/before.toml", ASKS), file("vault/policy.toml", policy)];
    rig.seed.create_repo("owner", "ops", false, &files).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    Some(rig)
}

/// Asks for an action by a pull request of the bot's; answers with its number.
pub async fn asks(rig: &Rig, name: &str, text: &str) -> u64 {
    let file = rig.config_file().with_file_name(format!("{name}.toml"));
    std::fs::write(&file, text).expect("a file");
    rig.run(&["vault", "request", &file.display().to_string()]).await.ok();
    rig.seed.pulls(OPS).expect("the pull requests").iter().map(|pull| pull.issue.number).max().expect("one")
}

async fn merge(rig: &Rig, who: &str, pull: u64) {
    let path = format!("repos/{OPS}/pulls/{pull}/merge");
    rig.seed.api(who, "POST", &path, json!({ "Do": "merge" })).await.expect("merged");
}

/// What was begun, line by line.
pub fn ran(rig: &Rig) -> Vec<String> {
    let text = std::fs::read_to_string(rig.config_file().with_file_name("ran")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

pub async fn record(rig: &Rig, place: &str, id: &str) -> Option<ActionRecord> {
    let files = in_ops(rig, &["ls-tree", "-r", "--name-only", "main"]).await;
    let path = format!("vault/{place}/{id}.result.json");
    match files.lines().any(|file| file == path) {
        true => Some(serde_json::from_str(&in_ops(rig, &["show", &format!("main:{path}")]).await).expect("JSON")),
        false => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_run_once_when_an_approver_merged_it_and_recorded_with_what_came_of_it() {
    let rig = rig("dispatcher::merged", "").await;
    rig.once().await.ok();
    assert_eq!(ran(&rig), Vec::<String>::new(), "what was there before is not run: {}", rig.story());

    let pull = asks(&rig, "v1", &format!("{ASKS}unblocks = [\"owner/app#1\"]\n")).await;
    let issue = rig.issue("Needs the deployment", "So that it can be seen.", &["claude-queue"]).await;
    rig.once().await.ok();
    assert_eq!(rig.turns("work"), 0, "{}", rig.story());
    let why = rig.row(issue).await["waiting"].to_string();
    assert!(why.contains("the action v1") && why.contains("not merged"), "{why} {}", rig.story());
    merge(&rig, "owner", pull).await;
    rig.once().await.ok();
    assert_eq!(ran(&rig), [format!("{SECRET} to prod")], "{}", rig.story());
    let recorded = record(&rig, "fired", "v1").await.expect("it is recorded");
    let (by, code) = (recorded.approved_by.as_deref(), recorded.exit_code);
    assert_eq!((by, code, recorded.tier.as_deref()), (Some("owner"), Some(0), Some("high")), "{recorded:?}");
    let chosen = std::fs::read_to_string(rig.config_file().with_file_name("chosen")).expect("it ran too");
    assert_eq!(chosen, "<>\n", "commands that are worked out get nothing of the vault");
    let listed = std::fs::read_to_string(rig.config_file().with_file_name("listed")).expect("it ran too");
    assert_eq!(listed, "<> 0\n<> 0\n");
    let logs = recorded.logs.expect("what it printed");
    assert!(logs.contains("the key is [redacted") && !logs.contains(SECRET), "{logs}");
    assert_eq!(record(&rig, "approved", "v1").await.and_then(|record| record.approved_by).as_deref(), Some("owner"));
    assert!(!rig.story().contains(SECRET), "{}", rig.story());

    // And never again, nor what stood there before.
    rig.once().await.ok();
    assert_eq!(ran(&rig).len(), 1, "{}", rig.story());
    let rows = rig.json(&["vault", "list", "--json"]).await;
    let state =
        |id: &str| rows.as_array().expect("rows").iter().find(|row| row["id"] == id).expect("it is listed")["state"].clone();
    assert_eq!((state("v1"), state("before")), (json!("fired"), json!("merged")), "{rows:#}");
    assert!(rig.turns("work") > 0, "it is looked at again when the action ended: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_write_to_the_project_has_no_say_in_what_an_action_runs() {
    let rig = rig("dispatcher::laid_over", "").await;
    let home = rig.config_file().parent().expect("a folder").display().to_string();
    let stolen = DEPLOY.replace("$HOME_OF_TEST/ran", "$HOME_OF_TEST/stolen").replace("$HOME_OF_TEST", &home);
    let content = crate::revise::forgehand_base64(&stolen);
    let path = "repos/owner/app/contents/.forgehand/formulas/deploy.toml";
    rig.seed.api("owner", "POST", path, json!({ "content": content, "message": "Deploy otherwise" })).await.expect("a file");
    rig.once().await.ok();
    let pull = asks(&rig, "v1", ASKS).await;
    merge(&rig, "owner", pull).await;
    rig.once().await.ok();
    assert_eq!(ran(&rig), [format!("{SECRET} to prod")], "as it was configured when it was approved: {}", rig.story());
    assert!(!rig.config_file().with_file_name("stolen").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_forgehand_did_not_write_unblocks_nothing() {
    let rig = rig("dispatcher::forged", "").await;
    rig.once().await.ok();
    let pull = asks(&rig, "v1", &format!("{ASKS}unblocks = [\"owner/app#1\"]\n")).await;
    let issue = rig.issue("Needs the deployment", "So that it can be seen.", &["claude-queue"]).await;
    // Merged by somebody who may write and approves nothing, with a record that it ran.
    add_writer(&rig, "writer").await;
    merge(&rig, "writer", pull).await;
    let forged = json!({ "id": "v1", "formula": "deploy", "approved_by": "owner", "exit_code": 0 }).to_string();
    let file = json!({ "content": crate::revise::forgehand_base64(&forged), "message": "It ran" });
    let path = format!("repos/{OPS}/contents/vault/fired/v1.result.json");
    rig.seed.api("writer", "POST", &path, file).await.expect("a file");
    for _ in 0..3 {
        rig.once().await.ok();
    }
    assert_eq!((ran(&rig).len(), rig.turns("work")), (0, 0), "{}", rig.story());
    let why = rig.row(issue).await["waiting"].to_string();
    assert!(why.contains("v1.result.json says that it ran, and this journal did not write that"), "{why} {}", rig.story());
    let token = rig.seed.token("owner", &["write:repository", "write:issue", "read:user"]).await.expect("a token");
    let rig = rig.with_env("OWNER", &token);

    // Without it, it is what it was: nobody approved it who may, and no word that it is done makes up for that.
    let there = rig.seed.api("writer", "GET", &path, json!(null)).await.expect("the file");
    let gone = json!({ "sha": there["sha"], "message": "It did not" });
    rig.seed.api("writer", "DELETE", &path, gone).await.expect("gone");
    rig.once().await.ok();
    let done = rig.run(&["vault", "done", "v1", "--token-env", "OWNER"]).await;
    assert!(done.code == Some(2) && done.err.contains("is run by forgehand"), "{done:?}");
    rig.run(&["vault", "reject", "v1", "--token-env", "OWNER"]).await.ok();
    rig.once().await.ok();
    assert!(ran(&rig).is_empty() && rig.turns("work") > 0, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_run_that_nobody_approved_who_may() {
    let rig = rig("dispatcher::refused", "").await;
    for login in ["bob", "carol"] {
        rig.seed.add_user(login, "Correct-Horse-9-Battery").await.expect("a user");
        rig.seed.add_collaborator(OPS, login, "write").await.expect("a collaborator");
    }
    rig.once().await.ok();
    // Merged by somebody who is no approver; pushed; a record that says that it was approved; approved by its own author.
    let pull = asks(&rig, "by-writer", ASKS).await;
    merge(&rig, "bob", pull).await;
    let clone = clone_of(&rig, OPS).await;
    let forged = json!({ "id": "pushed", "approved_by": "owner", "tier": "low" }).to_string();
    for (path, text) in [("vault/actions/pushed.toml", ASKS), ("vault/approved/pushed.result.json", &forged)] {
        let file = clone.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }
    git_in(&clone, &["add", "-A"]).await;
    git_in(&clone, &["commit", "-qm", "Push"]).await;
    git_in(&clone, &["push", "-q", "origin", "HEAD:main"]).await;
    // An approver's word, and then another push.
    let pull = asks(&rig, "changed", ASKS).await;
    let path = format!("repos/{OPS}/pulls/{pull}/reviews");
    rig.seed.api("owner", "POST", &path, json!({ "event": "APPROVED", "body": "" })).await.expect("approved");
    git_in(&clone, &["fetch", "-q", "origin"]).await;
    git_in(&clone, &["checkout", "-q", "-B", "changed", "origin/forgehand/vault-changed"]).await;
    std::fs::write(clone.path().join("vault/actions/changed.toml"), format!("{ASKS}inputs = {{ to = \"prod\" }}\n"))
        .expect("a file");
    git_in(&clone, &["commit", "-qam", "Change"]).await;
    git_in(&clone, &["push", "-q", "origin", "HEAD:forgehand/vault-changed"]).await;
    merge(&rig, "carol", pull).await;
    for _ in 0..2 {
        rig.once().await.ok();
    }
    let story = rig.story();
    assert_eq!(ran(&rig), Vec::<String>::new(), "{story}");
    for said in [
        "the action by-writer is not run: bob merged #1, and no approver merged or approved it",
        "which is the merge of no pull request",
        "the action changed is not run: carol merged",
    ] {
        assert!(story.contains(said), "{said}: {story}");
    }
    assert_eq!(record(&rig, "fired", "pushed").await, None);
    let board = rig.run(&["status"]).await.ok();
    assert!(board.out.contains("action by-writer: bob merged #1"), "{board:?}");
    let shown = rig.run(&["vault", "show", "by-writer"]).await.ok();
    assert!(shown.out.contains("and no approver merged or approved it; what to do: have an approver merge"), "{shown:?}");
    let shown = rig.run(&["vault", "show", "before"]).await.ok();
    assert!(shown.out.contains("before forgehand came, and is not run"), "{shown:?}");

    // A review of the very head by an approver counts, whoever merges.
    let pull = asks(&rig, "reviewed", ASKS).await;
    let path = format!("repos/{OPS}/pulls/{pull}/reviews");
    rig.seed.api("owner", "POST", &path, json!({ "event": "APPROVED", "body": "" })).await.expect("approved");
    merge(&rig, "bob", pull).await;
    rig.once().await.ok();
    assert_eq!(ran(&rig).len(), 1, "{}", rig.story());
    let recorded = record(&rig, "fired", "reviewed").await.expect("it is recorded");
    assert_eq!(recorded.approved_by.as_deref(), Some("owner"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_counts_only_for_what_others_ask_and_while_he_is_one() {
    let rig = rig("dispatcher::counts", "").await;
    for login in ["bob", "carol"] {
        add_writer(&rig, login).await;
    }
    rig.seed.add_collaborator(OPS, "carol", "admin").await.expect("a collaborator");
    rig.seed.add_collaborator(OPS, "bot", "admin").await.expect("a collaborator");
    rig.once().await.ok();
    // The owner asks and merges himself; the bot, an administrator too, merges what the owner asks for.
    let clone = clone_of(&rig, OPS).await;
    let mut own = Vec::new();
    for (name, merger) in [("own", "owner"), ("by-bot", "bot")] {
        git_in(&clone, &["fetch", "-q", "origin"]).await;
        git_in(&clone, &["checkout", "-q", "-B", name, "origin/main"]).await;
        std::fs::write(clone.path().join(format!("vault/actions/{name}.toml")), ASKS).expect("a file");
        git_in(&clone, &["add", "-A"]).await;
        git_in(&clone, &["commit", "-qm", name]).await;
        git_in(&clone, &["push", "-q", "origin", name]).await;
        let new = json!({ "title": name, "head": name, "base": "main" });
        let pull = rig.seed.api("owner", "POST", &format!("repos/{OPS}/pulls"), new).await.expect("a pull request");
        let number = pull["number"].as_u64().expect("its number");
        merge(&rig, merger, number).await;
        own.push((name, merger, number));
    }
    // Who approved was an administrator then, and is none any more.
    let pull = asks(&rig, "former", ASKS).await;
    let review = json!({ "event": "APPROVED", "body": "" });
    rig.seed.api("carol", "POST", &format!("repos/{OPS}/pulls/{pull}/reviews"), review).await.expect("approved");
    rig.seed.add_collaborator(OPS, "carol", "write").await.expect("a collaborator");
    merge(&rig, "bob", pull).await;
    own.push(("former", "bob", pull));
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!(ran(&rig), Vec::<String>::new(), "{}", rig.story());
    for (name, merger, number) in own {
        let why = match name {
            "own" => format!("owner opened and merged #{number}, and nobody approves what he asks for himself"),
            _ => format!("{merger} merged #{number}, and no approver merged or approved it"),
        };
        let said = format!("the action {name} is not run: {why}");
        assert!(rig.story().contains(&said), "{said}: {}", rig.story());
    }
    // What `vault show` says that is to be done: somebody else changes the file, and an approver merges that.
    git_in(&clone, &["fetch", "-q", "origin"]).await;
    git_in(&clone, &["checkout", "-q", "-B", "again", "origin/main"]).await;
    std::fs::write(clone.path().join("vault/actions/own.toml"), ASKS.replace("v1", "v1.0")).expect("a file");
    git_in(&clone, &["commit", "-qam", "Ask again"]).await;
    git_in(&clone, &["push", "-q", "origin", "again"]).await;
    let new = json!({ "title": "again", "head": "again", "base": "main" });
    let pull = rig.seed.api("bob", "POST", &format!("repos/{OPS}/pulls"), new).await.expect("a pull request");
    merge(&rig, "owner", pull["number"].as_u64().expect("its number")).await;
    rig.once().await.ok();
    assert_eq!(ran(&rig).len(), 1, "{}", rig.story());
}

/// A pull request of the operations repository, as the forge tells of it.
async fn told(rig: &Rig, pull: u64) -> Value {
    rig.seed.api("owner", "GET", &format!("repos/{OPS}/pulls/{pull}"), Value::Null).await.expect("a pull request")
}

async fn add_writer(rig: &Rig, login: &str) {
    rig.seed.add_user(login, "Correct-Horse-9-Battery").await.expect("a user");
    rig.seed.add_collaborator(OPS, login, "write").await.expect("a collaborator");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_declared_to_be_the_merge_of_an_approved_pull_request_is_not_approved_by_that() {
    let rig = rig("dispatcher::declared", "").await;
    add_writer(&rig, "mallory").await;
    let answers = Answers::default();
    let veil = Veil::changing(&rig.forge.url(), Changes { answers: answers.clone(), ..Changes::default() }).await;
    rig.reconfigure(&rig.forge.url(), &veil.url);
    rig.once().await.ok();
    // The embedded forge refuses `manually-merged`, as a real one does where the repository does not allow it. Where it does, it then tells so.
    let pull = asks(&rig, "harmless", ASKS).await;
    let review = json!({ "event": "APPROVED", "body": "" });
    rig.seed.api("owner", "POST", &format!("repos/{OPS}/pulls/{pull}/reviews"), review).await.expect("approved");
    let clone = clone_of(&rig, OPS).await;
    let push = async |name: &str| {
        std::fs::write(clone.path().join(format!("vault/actions/{name}.toml")), ASKS).expect("a file");
        git_in(&clone, &["add", "-A"]).await;
        git_in(&clone, &["commit", "-qm", name]).await;
        git_in(&clone, &["push", "-q", "origin", "HEAD:main"]).await;
        let sha = in_ops(&rig, &["rev-parse", "main"]).await.trim().to_owned();
        let mut merged = told(&rig, pull).await;
        (merged["merged"], merged["state"], merged["merge_commit_sha"]) = (json!(true), json!("closed"), json!(sha));
        merged["merged_by"] = json!({ "login": "mallory", "id": 99 });
        answers.add(&format!("/commits/{sha}/pull"), merged);
    };
    push("evil").await;
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!(ran(&rig), Vec::<String>::new(), "{}", rig.story());
    let said = format!("the action evil is not run: mallory merged #{pull}, and no approver merged or approved it");
    assert!(rig.story().contains(&said), "{}", rig.story());

    // What was approved counts, whoever brought it there and however.
    push("harmless").await;
    rig.once().await.ok();
    assert_eq!(ran(&rig).len(), 1, "{}", rig.story());
    let recorded = record(&rig, "fired", "harmless").await.expect("it is recorded");
    assert_eq!(recorded.approved_by.as_deref(), Some("owner"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_a_fork_is_said_to_who_could_have_pushed_it_and_never_goes_through_by_the_policy() {
    let rig = rig("dispatcher::fork", "[tiers]\ndeploy = \"low\"\n[low]\nactions = \"self-merge\"\n").await;
    add_writer(&rig, "dave").await;
    // Who may write is told to administrators.
    rig.seed.add_collaborator(OPS, "bot", "admin").await.expect("a collaborator");
    rig.seed.add_user("stranger", "Correct-Horse-9-Battery").await.expect("a user");
    let answers = Answers::default();
    let veil = Veil::changing(&rig.forge.url(), Changes { answers: answers.clone(), ..Changes::default() }).await;
    rig.reconfigure(&rig.forge.url(), &veil.url);
    rig.once().await.ok();
    let clone = clone_of(&rig, OPS).await;
    let mut listed = Vec::new();
    for (author, text) in [("dave", ASKS.to_owned()), ("dave", format!("{ASKS}mounts = 7\n")), ("stranger", ASKS.to_owned())] {
        let name = format!("from-{}", listed.len());
        git_in(&clone, &["checkout", "-q", "-B", &name, "origin/main"]).await;
        std::fs::write(clone.path().join(format!("vault/actions/{name}.toml")), text).expect("a file");
        git_in(&clone, &["add", "-A"]).await;
        git_in(&clone, &["commit", "-qm", &name]).await;
        git_in(&clone, &["push", "-q", "origin", &name]).await;
        let new = json!({ "title": name, "head": name, "base": "main" });
        let mut pull = rig.seed.api("owner", "POST", &format!("repos/{OPS}/pulls"), new).await.expect("a pull request");
        // As the forge tells of one from a fork whose branch goes by a name that is none here.
        pull["user"] = json!({ "login": author, "id": 90 });
        (pull["head"]["repo_id"], pull["head"]["label"], pull["head"]["ref"]) = (json!(77), json!("patch"), json!("patch"));
        listed.push(pull);
    }
    let head = |pull: &Value| pull["head"]["sha"].as_str().expect("a commit").to_owned();
    let heads: Vec<String> = listed.iter().map(head).collect();
    answers.add(&format!("/repos/{OPS}/pulls"), json!(listed));
    for _ in 0..2 {
        rig.once().await.ok();
    }
    let mut states = Vec::new();
    for head in &heads {
        let path = format!("repos/{OPS}/commits/{head}/statuses");
        let all = rig.seed.api("owner", "GET", &path, Value::Null).await.expect("statuses");
        let all = all.as_array().expect("a list").iter();
        states.push(
            all.map(|s| format!("{}: {}", s["context"].as_str().unwrap_or_default(), s["status"].as_str().unwrap_or_default()))
                .collect::<Vec<_>>(),
        );
    }
    let told = rig.run(&["vault", "list", "--json"]).await.ok();
    let rows: Value = serde_json::from_str(&told.out).expect("JSON");
    let asked: Vec<&Value> =
        rows.as_array().expect("rows").iter().filter(|row| row["state"] == "asked").map(|r| &r["id"]).collect();
    assert_eq!(asked, ["from-0", "from-1"], "{told:#?}");
    assert!(
        told.err.contains("of stranger comes from a fork, and stranger may not write to owner/ops: it is not read"),
        "{told:#?}"
    );
    let said = |state: &str| vec![format!("forgehand/vault: {state}")];
    assert_eq!(states, [said("success"), said("failure"), Vec::new()], "{}", rig.story());
    assert_eq!(ran(&rig), Vec::<String>::new(), "{}", rig.story());
    let open = rig.seed.pulls(OPS).expect("the pull requests").iter().filter(|pull| pull.issue.open).count();
    assert_eq!(open, 3, "none was merged: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_is_killed_while_an_action_is_at_work_does_not_begin_it_again() {
    let rig = rig("dispatcher::killed", "").await;
    rig.once().await.ok();
    let pull = asks(&rig, "v1", ASKS).await;
    merge(&rig, "owner", pull).await;
    let hold = rig.config_file().with_file_name("hold");
    std::fs::write(&hold, "").expect("a file");
    let once = rig.start(&["once"]);
    until("the command", || (!ran(&rig).is_empty()).then_some(())).await;
    once.kill().await;
    let begun = record(&rig, "fired", "v1").await.expect("that it begins is recorded before");
    assert_eq!(begun.exit_code, None, "{begun:?}");
    std::fs::remove_file(&hold).expect("a file");
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!(ran(&rig).len(), 1, "{}", rig.story());
    let ended = record(&rig, "fired", "v1").await.expect("it is recorded");
    assert!(ended.exit_code.is_none() && ended.logs.as_deref().is_some_and(|logs| logs.contains("was cut")), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_one_goes_through_by_itself_where_the_policy_says_so() {
    let rig = rig("dispatcher::low", "[low]\nactions = \"self-merge\"\n[tiers]\ndeploy = \"low\"\n").await;
    rig.once().await.ok();
    asks(&rig, "low", ASKS).await;
    let high = asks(&rig, "high", &format!("{ASKS}blast_radius = \"high\"\n")).await;
    for _ in 0..2 {
        rig.once().await.ok();
    }
    let story = rig.story();
    assert_eq!(ran(&rig).len(), 1, "{story}");
    let recorded = record(&rig, "fired", "low").await.unwrap_or_else(|| panic!("{story}"));
    assert_eq!((recorded.approved_by.as_deref(), recorded.exit_code), (Some("policy"), Some(0)));
    let open: Vec<u64> = rig.seed.pulls(OPS).expect("them").iter().filter(|p| p.issue.open).map(|p| p.issue.number).collect();
    assert_eq!(open, [high], "{story}");
    let verified = |event: &Event| matches!(event, Event::Ended { outcome: Outcome::Verified { .. }, .. });
    assert_eq!(rig.records().iter().filter(|record| verified(&record.event)).count(), 4, "{story}");
    let intended = |event: &Event| matches!(event, Event::Intended { intent: Intent::Verify { .. }, .. });
    assert_eq!(rig.records().iter().filter(|record| intended(&record.event)).count(), 4, "each step and item once: {story}");
}

const ASKS_AN_AGENT: &str = r#"
formula = 1
name = "deploy"
title = "Deploy"
blast_radius = "low"

[trigger]
vault = true

[[step]]
id = "look"
agent = "dev"
prompt = "look.md"
access = "read"
tools = ["Read", "Grep", "Glob"]
output = "fix-result"
"#;

/// With an agent that looks first.
async fn rig_with_agent(test: &'static str, api: &MessagesApi) -> Option<Rig> {
    let more = "key_env = \"TEST_KEY\"";
    let plan = Plan::new(test).agent(Agent::Claude { program: claude(), url: api.url().to_owned(), more });
    let plan = plan.mode(forgehand::sandbox::Mode::None).env("TEST_KEY", "sk-ant-api03-x");
    let rig = rig_of(plan, ASKS_AN_AGENT, "").await?;
    beside(&rig, &[("prompts/look.md", "Look whether it can be deployed.")]);
    Some(rig)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_of_an_action_has_no_tools_but_those_that_it_names_and_its_model() {
    let done = json!({"outcome": "done", "title": "Look", "summary": "It can."});
    let api = MessagesApi::start(move |_| Reply::answer(done.clone())).await;
    let Some(rig) = rig_with_agent("dispatcher::tools", &api).await else { return };
    rig.once().await.ok();
    let tools_of = |from: usize| {
        let mut tools: Vec<String> = Vec::new();
        for request in api.requests().iter().skip(from) {
            let named = request.body["tools"].as_array().into_iter().flatten();
            tools.extend(named.filter_map(|tool| tool["name"].as_str().map(str::to_owned)));
        }
        tools.retain(|tool| ["Read", "Grep", "Glob", "Bash", "Write", "Edit"].contains(&tool.as_str()));
        tools.sort();
        tools.dedup();
        tools
    };
    for (name, more, tools) in [
        ("all", "", &["Glob", "Grep", "Read"][..]),
        ("some", "tools = [\"Read\", \"Bash\"]\nmodel = \"claude-haiku-4-5\"\n", &["Read"]),
    ] {
        let before = api.requests().len();
        let pull = asks(&rig, name, &format!("formula = \"deploy\"\ncontext = \"v1\"\n{more}")).await;
        merge(&rig, "owner", pull).await;
        for _ in 0..3 {
            rig.once().await.ok();
        }
        assert_eq!(tools_of(before), tools, "{name}: {}", rig.story());
        let model = if more.is_empty() { "claude-sonnet-4-5" } else { "claude-haiku-4-5" };
        let of_model = |request: &Request| request.body["model"].as_str().is_some_and(|named| named.starts_with(model));
        assert!(api.requests()[before..].iter().all(of_model), "{name} is not done with {model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_and_a_command_of_an_action_are_cut_after_the_minutes_that_it_names() {
    let api = MessagesApi::start(|_| Reply::Silence).await;
    let agent = async {
        let rig = rig_with_agent("dispatcher::minutes_of_an_agent", &api).await?;
        Some((rig, "formula = \"deploy\"\ncontext = \"v1\"\ntimeout_minutes = 1\n".to_owned()))
    };
    let command = async {
        let rig = rig("dispatcher::minutes_of_a_command", "").await;
        std::fs::write(rig.config_file().with_file_name("hold"), "").expect("a file");
        Some((rig, format!("{ASKS}timeout_minutes = 1\n")))
    };
    let cut = async |(rig, text): (Rig, String), why: &str| {
        rig.once().await.ok();
        let pull = asks(&rig, "slow", &text).await;
        merge(&rig, "owner", pull).await;
        rig.once().await.ok();
        rig.once().await.ok();
        let ended = record(&rig, "fired", "slow").await.unwrap_or_else(|| panic!("{}", rig.story()));
        assert!(ended.logs.as_deref().is_some_and(|logs| logs.contains(why)), "{ended:?}\n{}", rig.story());
    };
    let agent = async {
        if let Some(it) = agent.await {
            cut(it, "the agent ran out of time").await;
        }
    };
    let command = async {
        if let Some(it) = command.await {
            cut(it, "ran out of time at `while test -e").await;
        }
    };
    tokio::join!(agent, command);
}
