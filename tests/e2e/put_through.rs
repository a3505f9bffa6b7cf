//! What is low in the vault, where the forge protects the branch: it goes through by an account that may, or a person is told that it does not.

use forgehand::model::{Dispatch, Event, VaultEvent};
use serde_json::{Value, json};

use crate::dispatcher::{ASKS, asks, ran, record, rig};
use crate::merge_answers::veiled;
use crate::ops::{OPS, clone_of, git_in};
use crate::rig::veil::AtMerge;
use crate::rig::{Rig, until};

const POLICY: &str = "[low]\nactions = \"self-merge\"\n[tiers]\ndeploy = \"low\"\n";

/// One that lets the bot push and merge, but demands what no bot can give.
async fn protected(test: &'static str, apply_to_admins: bool) -> Rig {
    let rig = rig(test, POLICY).await;
    let rule = json!({
        "rule_name": "main", "enable_push": true, "required_approvals": 1, "apply_to_admins": apply_to_admins,
        "protected_file_patterns": "vault/actions/**;vault/pending/**;vault/policy.toml",
    });
    rig.seed.api("owner", "POST", &format!("repos/{OPS}/branch_protections"), rule).await.expect("a rule");
    rig
}

/// With the token of an account that administers it.
async fn with_rights(rig: Rig) -> Rig {
    with_rights_of(rig, "owner").await
}

async fn with_rights_of(rig: Rig, login: &str) -> Rig {
    let owner = rig.seed.token(login, &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nrights_token_env = \"OWNER_TOKEN\"\n");
    rig.with_env("OWNER_TOKEN", &owner)
}

/// What the doctor says of low actions.
async fn doctor(rig: &Rig) -> (String, String) {
    let said = rig.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:#?}"));
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == "low actions").unwrap_or_else(|| panic!("{report:#}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&check["status"]), text(&check["says"]))
}

fn open_pulls(rig: &Rig) -> usize {
    rig.seed.pulls(OPS).expect("the pull requests").iter().filter(|pull| pull.issue.open).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_one_that_the_protection_holds_back_is_merged_by_the_account_that_administers() {
    let rig = with_rights(protected("put_through::by_rights", false).await).await;
    let (status, says) = doctor(&rig).await;
    assert!(status == "ok" && says.contains("is merged by the account of `rights_token_*`"), "{status} {says}");
    rig.once().await.ok();
    asks(&rig, "low", ASKS).await;
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!((ran(&rig).len(), open_pulls(&rig)), (1, 0), "{}", rig.story());
    // The forge names the owner for the merge, who gave no word of his.
    let recorded = record(&rig, "fired", "low").await.unwrap_or_else(|| panic!("{}", rig.story()));
    assert_eq!((recorded.approved_by.as_deref(), recorded.exit_code), (Some("policy"), Some(0)), "{recorded:?}");

    // What is not low is nobody's to force, nor is what somebody opposes.
    asks(&rig, "high", &format!("{ASKS}blast_radius = \"high\"\n")).await;
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!((ran(&rig).len(), open_pulls(&rig)), (1, 1), "{}", rig.story());
    let opposed = asks(&rig, "opposed", ASKS).await;
    let review = json!({ "event": "REQUEST_CHANGES", "body": "Not today." });
    rig.seed.api("owner", "POST", &format!("repos/{OPS}/pulls/{opposed}/reviews"), review).await.expect("a review");
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!((ran(&rig).len(), open_pulls(&rig)), (1, 2), "{}", rig.story());
    assert!(rig.story().contains("a reviewer asks for changes"), "{}", rig.story());

    // Nor what is red, whether or not the branch names that check.
    let red = asks(&rig, "red", ASKS).await;
    let pull = rig.seed.api("owner", "GET", &format!("repos/{OPS}/pulls/{red}"), Value::Null).await.expect("it");
    let sha = pull["head"]["sha"].as_str().expect("a head");
    let status = json!({ "context": "lint", "state": "failure" });
    rig.seed.api("owner", "POST", &format!("repos/{OPS}/statuses/{sha}"), status).await.expect("a status");
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!((ran(&rig).len(), open_pulls(&rig)), (1, 3), "{}", rig.story());
    assert!(rig.story().contains("not green: lint"), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_nobody_may_put_through_waits_for_a_person_and_that_is_said() {
    // Nobody was named who may; the rule holds administrators back as well, the forge's own too, whom the forge would let past it.
    for (test, apply_to_admins, rights) in [
        ("put_through::nobody", false, None),
        ("put_through::admins_too", true, Some("owner")),
        ("put_through::site_admin", true, Some("root")),
    ] {
        let mut rig = protected(test, apply_to_admins).await;
        if let Some(login) = rights {
            rig = with_rights_of(rig, login).await;
        }
        let (status, says) = doctor(&rig).await;
        assert!(status == "warn" && says.contains("the forge refuses forgehand to merge"), "{test}: {status} {says}");
        rig.once().await.ok();
        asks(&rig, "low", ASKS).await;
        for _ in 0..2 {
            rig.once().await.ok();
        }
        assert_eq!((ran(&rig).len(), open_pulls(&rig)), (0, 1), "{test}: {}", rig.story());
        let said = "asks for low actions alone, which the policy lets through, and the forge does not let forgehand merge it";
        assert!(rig.story().contains(said), "{test}: {}", rig.story());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_through_as_low_and_is_not_low_any_more_was_approved_by_nobody() {
    let rig = with_rights(protected("put_through::not_any_more", false).await).await;
    rig.once().await.ok();
    rig.run(&["pause"]).await.ok();
    asks(&rig, "low", ASKS).await;
    rig.once().await.ok();
    assert_eq!((ran(&rig).len(), open_pulls(&rig)), (0, 0), "merged, and not begun: {}", rig.story());
    // Its administrator thinks better of it, whom the forge names for the merge.
    let clone = clone_of(&rig, OPS).await;
    let rule = format!("repos/{OPS}/branch_protections/main");
    rig.seed.api("owner", "DELETE", &rule, Value::Null).await.expect("no rule any more");
    std::fs::write(clone.path().join("vault/policy.toml"), "").expect("a policy");
    git_in(&clone, &["commit", "-qam", "Nothing goes by itself"]).await;
    git_in(&clone, &["push", "-q", "origin", "HEAD:main"]).await;
    rig.run(&["resume"]).await.ok();
    for _ in 0..2 {
        rig.once().await.ok();
    }
    assert_eq!(ran(&rig), Vec::<String>::new(), "{}", rig.story());
    assert!(rig.story().contains("the action low is not run: #1 went through as low by the policy of then"), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_counts_also_where_nothing_is_left_of_the_branch_that_was_approved() {
    let rig = rig("put_through::squashed", "").await;
    rig.seed.add_user("bob", "Correct-Horse-9-Battery").await.expect("a user");
    rig.seed.add_collaborator(OPS, "bob", "write").await.expect("a collaborator");
    rig.once().await.ok();
    // All of it while nobody looks.
    let pull = asks(&rig, "squashed", ASKS).await;
    let path = format!("repos/{OPS}/pulls/{pull}");
    let review = json!({ "event": "APPROVED", "body": "" });
    rig.seed.api("owner", "POST", &format!("{path}/reviews"), review).await.expect("approved");
    let squash = json!({ "Do": "squash", "delete_branch_after_merge": true });
    rig.seed.api("bob", "POST", &format!("{path}/merge"), squash).await.expect("merged");
    rig.once().await.ok();
    assert_eq!(ran(&rig).len(), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_or_after_the_merge_it_merges_once_and_runs_it_once() {
    for (test, made) in [("put_through::killed_before", false), ("put_through::killed_after", true)] {
        let rig = rig(test, POLICY).await;
        let (_veil, merges) = veiled(&rig).await;
        rig.once().await.ok();
        asks(&rig, "low", ASKS).await;
        merges.then(AtMerge::Hung { made });
        let once = rig.start(&["once"]);
        until("the merge", || (merges.left() == 0 && open_pulls(&rig) == usize::from(!made)).then_some(())).await;
        once.kill().await;
        assert_eq!(ran(&rig), Vec::<String>::new(), "{test}: {}", rig.story());
        for _ in 0..3 {
            rig.once().await.ok();
        }
        let story = rig.story();
        assert_eq!((ran(&rig).len(), open_pulls(&rig)), (1, 0), "{test}: {story}");
        let merged = git_in(&clone_of(&rig, OPS).await, &["log", "--merges", "--oneline", "origin/main"]).await;
        assert_eq!(merged.lines().count(), 1, "{test}: {merged}\n{story}");
        let recorded = record(&rig, "fired", "low").await.unwrap_or_else(|| panic!("{test}: {story}"));
        assert_eq!((recorded.approved_by.as_deref(), recorded.exit_code), (Some("policy"), Some(0)), "{test}: {recorded:?}");
        // After a merge that is seen nobody asks for it again.
        let asked =
            |event: &Event| matches!(event, Event::Vault { what: VaultEvent::Dispatched { what: Dispatch::Merging { .. } }, .. });
        let times = rig.records().iter().filter(|record| asked(&record.event)).count();
        assert_eq!(times, if made { 1 } else { 2 }, "{test}: {story}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_before_the_policy_let_low_ones_through_goes_through_when_it_does() {
    for (low, name) in [("direct", "put_through::direct"), ("self-merge", "put_through::merged")] {
        let rig = rig(name, "[tiers]\ndeploy = \"low\"\n").await;
        rig.once().await.ok();
        asks(&rig, "low", ASKS).await;
        asks(&rig, "high", &format!("{ASKS}blast_radius = \"high\"\n")).await;
        for _ in 0..2 {
            rig.once().await.ok();
        }
        assert_eq!((ran(&rig).len(), open_pulls(&rig)), (0, 2), "{low}: {}", rig.story());

        let clone = clone_of(&rig, OPS).await;
        std::fs::write(clone.path().join("vault/policy.toml"), POLICY.replace("self-merge", low)).expect("a policy");
        git_in(&clone, &["commit", "-qam", "Let what is low through"]).await;
        git_in(&clone, &["push", "-q", "origin", "main"]).await;
        for _ in 0..3 {
            rig.once().await.ok();
        }
        assert_eq!((ran(&rig).len(), open_pulls(&rig)), (1, 1), "{low}: {}", rig.story());
        let recorded = record(&rig, "fired", "low").await.unwrap_or_else(|| panic!("{low}: {}", rig.story()));
        assert_eq!((recorded.approved_by.as_deref(), recorded.exit_code), (Some("policy"), Some(0)), "{low}: {recorded:?}");
    }
}
