//! Tricks that would have something merged which may not be.

use forgehand::localforge::SeedFile;
use forgehand::sandbox::Mode;
use serde_json::json;

use crate::agents::person;
use crate::merge::{FIX, comes_to_be_merged, comes_to_wait, merges, opened, review, waits};
use crate::ops::{OPS, git_in, ops_clone};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE};

async fn rig(test: &'static str, lines: &str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, FIX)).daemon("poll = \"1s\"").mode(Mode::None).project(lines);
    let rig = plan.rig().await.expect("it needs nothing");
    person(&rig, "judge", "write").await;
    rig
}

/// Looks a few times, and it is not merged.
async fn stays(rig: &Rig, number: u64) {
    for _ in 0..3 {
        rig.once().await;
    }
    assert!(rig.issue_now(number).open && merges(rig) == 0, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_his_rights_approves_nothing_and_a_made_up_status_is_no_green_one() {
    let rig = rig("tricks::rights", "merge = \"policy\"").await;
    let owner = rig.seed.token("owner", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nrights_token_env = \"OWNER_TOKEN\"\n");
    let rig = rig.with_env("OWNER_TOKEN", &owner);
    let (number, pull) = opened(&rig, "manifest").await;
    // Official when it was given, and the forge goes on to call it so.
    review(&rig, pull, "judge", None).await;
    rig.seed.add_collaborator(REPO, "judge", "read").await.expect("a collaborator");
    comes_to_wait(&rig, number, "(medium blast radius) waits for an approval").await;
    stays(&rig, number).await;

    let head = rig.pulls().last().expect("a pull request").head_sha.clone();
    let made_up = json!({ "state": "great", "context": "ci/all" });
    rig.seed.api("bot", "POST", &format!("repos/{REPO}/statuses/{head}"), made_up).await.expect("taken as it is");
    rig.seed.add_collaborator(REPO, "judge", "write").await.expect("a collaborator");
    review(&rig, pull, "judge", None).await;
    stays(&rig, number).await;
    assert!(!waits(&rig, number).await.contains("can be merged"), "{}", waits(&rig, number).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_his_rights_approves_nothing_where_the_token_may_not_ask_for_rights_either() {
    let rig = rig("tricks::assignable", "merge = \"policy\"\nreview = \"off\"").await;
    let (number, pull) = opened(&rig, "manifest").await;
    review(&rig, pull, "judge", None).await;
    rig.seed.add_collaborator(REPO, "judge", "read").await.expect("a collaborator");
    comes_to_wait(&rig, number, "(medium blast radius) waits for an approval").await;
    stays(&rig, number).await;
    // With his rights back another one counts.
    rig.seed.add_collaborator(REPO, "judge", "write").await.expect("a collaborator");
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
    assert_eq!(merges(&rig), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_a_writer_makes_up_is_no_verification_of_ours() {
    let rig = rig("tricks::faked", "merge = \"policy\"").await;
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "waits for an approval").await;
    let commit = json!({ "branch": "claude/issue-1", "content": "ZXhpdCAx", "message": "Break it" });
    rig.seed.api("judge", "POST", &format!("repos/{REPO}/contents/broken.sh"), commit).await.expect("a commit");
    let head = rig.branch("claude/issue-1").expect("the branch");
    for context in ["forgehand", "forgehand/verify", "forgehand/vault", "ci/all"] {
        let green = json!({ "state": "success", "context": context, "description": "sh ./test.sh passed" });
        rig.seed.api("judge", "POST", &format!("repos/{REPO}/statuses/{head}"), green).await.expect("anybody who writes may");
    }
    review(&rig, pull, "owner", None).await;
    comes_to_wait(&rig, number, "which forgehand did not verify").await;
    stays(&rig, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_policy_does_not_parse_everything_is_high_and_the_last_good_one_names_who_approves() {
    let rig = rig("tricks::policy", "merge = \"policy\"\nreview = \"off\"").await;
    let policy = SeedFile { path: "vault/policy.toml", content: "approvers = [\"judge\"]\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[policy]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    let clone = ops_clone(&rig).await;
    let write = async |text: &str| {
        std::fs::write(clone.path().join("vault/policy.toml"), text).expect("written");
        git_in(&clone, &["commit", "-qam", "Another policy"]).await;
        git_in(&clone, &["push", "-q", "origin", "main"]).await;
    };
    write("approvers = [\"bot\"\n").await;
    let (number, pull) = opened(&rig, "code").await;
    comes_to_wait(&rig, number, "(high blast radius) waits for the approval of judge").await;
    stays(&rig, number).await;
    let explained = rig.run(&["explain", &number.to_string()]).await.ok().out;
    assert!(explained.contains("the policy in force cannot be read: everything is high until it can"), "{explained}");
    let said = rig.once().await;
    let log: String = rig
        .left_in("logs")
        .iter()
        .map(|file| std::fs::read_to_string(rig.state_dir().join("logs").join(file)).expect("a log"))
        .collect();
    assert!(log.contains("vault/policy.toml cannot be read: everything is high until it can"), "{said:?}\n{log}");
    write("approvers = [\"judge\"]\n").await;
    rig.seed.comment(REPO, "owner", pull, "It is mended.").await.expect("a comment");
    comes_to_be_merged(&rig, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_renamed_under_us_is_left_alone_under_both_names() {
    let rig = rig("tricks::renamed", "merge = \"policy\"").await;
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "waits for an approval").await;
    review(&rig, pull, "judge", None).await;
    let rename = async |from: &str, to: &str| {
        rig.seed.api("owner", "PATCH", &format!("repos/owner/{from}"), json!({ "name": to })).await.expect("renamed");
    };
    rename("app", "moved").await;
    let moved = "owner/moved";
    let seen = || {
        let pulls = rig.seed.pulls(moved).expect("the pull requests");
        let said: Vec<usize> = [number, pull].map(|n| rig.seed.comments(moved, n).expect("the comments").len()).into();
        (pulls.iter().filter(|pull| pull.merged).count(), said, rig.seed.refs(moved).expect("the refs"))
    };
    let before = seen();
    for _ in 0..2 {
        rig.run(&["once"]).await;
    }
    assert_eq!((seen(), merges(&rig)), (before, 0), "{}", rig.story());
    let told = rig.run(&["status"]).await.ok().out;
    assert!(told.contains("owner/moved"), "{told}\n{}", rig.story());

    // Somebody else takes the name that is free now: nothing of theirs is taken for ours.
    rig.seed
        .create_repo("owner", "app", false, &[SeedFile { path: "add.sh", content: "echo 5\n", executable: false }])
        .await
        .expect("another");
    rig.seed.add_collaborator(REPO, "bot", "write").await.expect("a collaborator");
    for _ in 0..2 {
        rig.run(&["once"]).await;
    }
    assert_eq!(merges(&rig), 0, "{}", rig.story());
    assert!(rig.pulls().is_empty() && rig.seed.issues(REPO).expect("the issues").is_empty(), "{}", rig.story());
    let branches: Vec<String> =
        rig.seed.refs(REPO).expect("the refs").into_keys().filter(|name| !name.starts_with("refs/forgehand/")).collect();
    assert_eq!(branches, ["refs/heads/main"], "{}", rig.story());
}
