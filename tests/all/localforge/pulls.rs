//! Git over HTTP and pull requests: claims, pushes, merges, statuses, protections.

use reqwest::Method;
use serde_json::{Value, json};

use super::site::{Clone, REPO, Site};

async fn open(site: &Site, head: &str, body: &str) -> Value {
    let asked = json!({ "head": head, "base": "main", "title": format!("Merge {head}"), "body": body });
    let made = site.post(&format!("repos/{REPO}/pulls"), &site.bot, asked).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

async fn branch(clone: &Clone, name: &str, file: &str, content: &str) -> String {
    let sha = clone.commit(name, "origin/main", file, content).await;
    clone.good(&["push", "-q", "origin", name]).await;
    sha
}

#[tokio::test]
async fn a_claim_on_a_custom_ref_has_one_winner() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    let a = clone.commit("a", "origin/main", "a", "a\n").await;
    let b = clone.commit("b", "origin/main", "b", "b\n").await;
    let claim = "refs/forgehand/claims/42";
    let push = async |lease: &str, what: &str| {
        let (lease, what) = (format!("--force-with-lease={claim}:{lease}"), format!("{what}:{claim}"));
        clone.git(&["push", "-q", &lease, "origin", &what]).await.status.success()
    };
    assert!(push("", &a).await, "nobody had it");
    assert!(!push("", &b).await, "it is taken");
    assert!(push(&a, &b).await, "whoever knows what stands there may take it over");
    assert!(!push(&a, "").await, "the old holder cannot give it back");
    assert_eq!(site.seed.refs(REPO).unwrap().get(claim), Some(&b));
    assert!(push(&b, "").await);
    assert_eq!(site.seed.refs(REPO).unwrap().get(claim), None);

    let reader = site.clone_as("reader", &site.reader).await;
    let c = reader.commit("c", "origin/main", "c", "c\n").await;
    let refused = reader.git(&["push", "origin", &format!("{c}:{claim}")]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("not allowed to push") && said.contains("pre-receive hook declined"), "{said}");
}

#[tokio::test]
async fn of_racing_claims_exactly_one_wins() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    let mut made = Vec::new();
    for n in 0..4 {
        made.push(clone.commit(&format!("r{n}"), "origin/main", "r", &format!("{n}\n")).await);
    }
    let push = async |sha: &String| {
        let what = format!("{sha}:refs/forgehand/claims/7");
        clone.git(&["push", "-q", "--force-with-lease=refs/forgehand/claims/7:", "origin", &what]).await.status.success()
    };
    let won = futures_util::future::join_all(made.iter().map(push)).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
}

#[tokio::test]
async fn merging_closes_what_the_body_says_and_keeps_the_commits() {
    let site = Site::start().await;
    let (fixed, seen) = (site.issue("fixed", "", &[]).await, site.issue("seen", "", &[]).await);
    let clone = site.clone_as("bot", &site.bot).await;
    let sha = branch(&clone, "claude/issue-1", "fix", "fix\n").await;
    let pull = open(&site, "claude/issue-1", &format!("Closes #{fixed}, see #{seen}")).await;
    let number = pull["number"].as_u64().unwrap();
    assert_eq!((&pull["head"]["sha"], &pull["mergeable"]), (&json!(sha), &json!(true)));

    let again = json!({ "head": "claude/issue-1", "base": "main", "title": "again" });
    assert_eq!(site.post(&format!("repos/{REPO}/pulls"), &site.bot, again).await.status, 409);
    let merge = format!("repos/{REPO}/pulls/{number}/merge");
    assert_eq!(site.get(&merge, &site.bot).await.status, 404);
    let stale = json!({ "Do": "merge", "head_commit_id": "0".repeat(40) });
    assert_eq!(site.post(&merge, &site.bot, stale).await.status, 409);
    let reader = site.post(&merge, &site.reader, json!({ "Do": "merge" })).await;
    assert_eq!((reader.status, reader.message()), (405, "User not allowed to merge PR".into()));
    let merged = site.post(&merge, &site.bot, json!({ "Do": "merge", "head_commit_id": sha })).await;
    assert_eq!((merged.status, merged.text.as_str()), (200, ""));
    assert_eq!(site.get(&merge, &site.bot).await.status, 204);

    let open: Vec<u64> = site.seed.issues(REPO).unwrap().iter().filter(|i| i.open).map(|i| i.number).collect();
    assert_eq!(open, [seen]);
    clone.good(&["fetch", "-q", "origin"]).await;
    let parents = clone.good(&["log", "-1", "--format=%P", "origin/main"]).await;
    assert_eq!(parents.split(' ').nth(1), Some(sha.as_str()), "a merge commit of the base and the head");
    let between = site.get(&format!("repos/{REPO}/pulls/main/claude%2Fissue-1"), &site.bot).await;
    assert_eq!(between.json()["number"], number, "merged ones are found too");
}

#[tokio::test]
async fn a_push_moves_the_pull_request_and_deleting_its_branch_closes_it() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    branch(&clone, "work", "one", "1\n").await;
    let number = open(&site, "work", "").await["number"].as_u64().unwrap();
    let path = format!("repos/{REPO}/pulls/{number}");
    let before = site.get(&path, &site.bot).await.json();
    site.next_second().await;
    let sha = clone.commit("work", "work", "two", "2\n").await;
    clone.good(&["push", "-q", "origin", "work"]).await;
    let after = site.get(&path, &site.bot).await.json();
    assert_eq!((&after["head"]["sha"], &after["changed_files"]), (&json!(sha), &json!(2)));
    assert_ne!(after["updated_at"], before["updated_at"]);
    let files = site.get(&format!("{path}/files?page=1&limit=50"), &site.bot).await;
    assert_eq!(files.each("filename"), ["one", "two"]);
    let fetched = clone.good(&["ls-remote", "origin", &format!("refs/pull/{number}/head")]).await;
    assert!(fetched.starts_with(&sha), "{fetched}");

    clone.good(&["push", "-q", "origin", ":work"]).await;
    let gone = site.get(&path, &site.bot).await.json();
    assert_eq!((&gone["state"], &gone["merged"]), (&json!("closed"), &json!(false)));
    assert_eq!(gone["head"]["ref"], format!("refs/pull/{number}/head"));
}

#[tokio::test]
async fn a_conflict_is_405_please_try_again_later() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    branch(&clone, "mine", "README.md", "mine\n").await;
    let number = open(&site, "mine", "").await["number"].as_u64().unwrap();
    clone.commit("theirs", "origin/main", "README.md", "theirs\n").await;
    clone.good(&["push", "-q", "origin", "theirs:main"]).await;
    assert_eq!(site.get(&format!("repos/{REPO}/pulls/{number}"), &site.bot).await.json()["mergeable"], false);
    let refused = site.post(&format!("repos/{REPO}/pulls/{number}/merge"), &site.bot, json!({ "Do": "squash" })).await;
    assert_eq!((refused.status, refused.message()), (405, "Please try again later".into()));
}

#[tokio::test]
async fn every_style_brings_the_change_to_the_base() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    for (style, parents) in [("merge", 2), ("squash", 1), ("rebase", 1), ("rebase-merge", 2)] {
        clone.good(&["fetch", "-q", "origin"]).await;
        branch(&clone, style, style, "x\n").await;
        clone.commit("other", "origin/main", &format!("before-{style}"), "x\n").await;
        clone.good(&["push", "-q", "origin", "other:main"]).await;
        let number = open(&site, style, "").await["number"].as_u64().unwrap();
        let asked = json!({ "Do": style, "delete_branch_after_merge": true });
        let merged = site.post(&format!("repos/{REPO}/pulls/{number}/merge"), &site.bot, asked).await;
        assert_eq!(merged.status, 200, "{style}: {merged:?}");
        clone.good(&["fetch", "-q", "origin"]).await;
        let tip = clone.good(&["log", "-1", "--format=%P", "origin/main"]).await;
        assert_eq!(tip.split(' ').count(), parents, "{style}");
        assert_eq!(clone.good(&["show", &format!("origin/main:{style}")]).await, "x");
        let left = clone.good(&["ls-remote", "origin", &format!("refs/heads/{style}")]).await;
        assert_eq!(left, "", "its branch is gone");
    }
}

#[tokio::test]
async fn the_combined_status_has_its_quirks() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    let sha = branch(&clone, "work", "one", "1\n").await;
    let combined = async || site.get(&format!("repos/{REPO}/commits/{sha}/status?page=1&limit=50"), &site.bot).await.json();
    let none = combined().await;
    assert_eq!((&none["state"], &none["statuses"], &none["sha"]), (&json!(""), &Value::Null, &json!("")));
    let post = async |state: &str, context: &str| {
        let body = json!({ "state": state, "context": context });
        site.post(&format!("repos/{REPO}/statuses/{sha}"), &site.bot, body).await
    };
    let made = post("pending", "ci").await;
    assert_eq!((made.status, &made.json()["status"]), (201, &json!("pending")), "asked as `state`, answered as `status`");
    post("success", "ci").await;
    post("great", "other").await;
    let all = combined().await;
    assert_eq!((&all["state"], &all["total_count"]), (&json!("success"), &json!(2)), "the last of each context counts");
    let unknown = site.post(&format!("repos/{REPO}/statuses/{}", "1".repeat(40)), &site.bot, json!({ "state": "success" })).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_scheduled_merge_waits_for_its_status() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    let sha = branch(&clone, "work", "one", "1\n").await;
    let number = open(&site, "work", "").await["number"].as_u64().unwrap();
    let rule = json!({ "rule_name": "main", "enable_status_check": true, "status_check_contexts": ["forgehand/*"] });
    let path = format!("repos/{REPO}/branch_protections");
    assert_eq!(site.post(&path, &site.bot, rule.clone()).await.status, 403, "a writer protects nothing");
    assert_eq!(site.post(&path, &site.owner, rule).await.status, 201);
    let merge = format!("repos/{REPO}/pulls/{number}/merge");
    let refused = site.post(&merge, &site.bot, json!({ "Do": "merge" })).await;
    assert_eq!(refused.message(), "not allowed to merge [reason: Not all required status checks successful]");
    let scheduled = site.post(&merge, &site.bot, json!({ "Do": "merge", "merge_when_checks_succeed": true })).await;
    assert_eq!(scheduled.status, 201);
    assert_eq!(site.get(&merge, &site.bot).await.status, 404);
    let status = json!({ "state": "success", "context": "forgehand/verify" });
    site.post(&format!("repos/{REPO}/statuses/{sha}"), &site.bot, status).await;
    assert_eq!(site.get(&merge, &site.bot).await.status, 204);

    clone.good(&["fetch", "-q", "origin"]).await;
    let direct = clone.commit("direct", "origin/main", "x", "x\n").await;
    let pushed = clone.git(&["push", "origin", &format!("{direct}:main")]).await;
    assert!(String::from_utf8_lossy(&pushed.stderr).contains("protected branch main"), "{pushed:?}");
}

#[tokio::test]
async fn files_are_written_over_the_api_only_on_what_was_seen() {
    let site = Site::start().await;
    let path = format!("repos/{REPO}/contents/ops/a.toml");
    let body = |text: &str, sha: &str| {
        use base64::Engine;
        let content = base64::engine::general_purpose::STANDARD.encode(text);
        json!({ "content": content, "message": "write", "branch": "main", "sha": sha })
    };
    let made = site.post(&path, &site.bot, body("a = 1\n", "")).await;
    assert_eq!(made.status, 201);
    assert_eq!(site.post(&path, &site.bot, body("a = 2\n", "")).await.status, 422);
    let put = async |sha: &str| site.call(Method::PUT, &path, &site.bot, Some(body("a = 2\n", sha))).await.status;
    assert_eq!(put(&"0".repeat(40)).await, 409);
    assert_eq!(put(made.json()["content"]["sha"].as_str().unwrap()).await, 200);
    assert_eq!(site.get(&format!("repos/{REPO}/raw/ops/a.toml?ref=main"), &site.bot).await.text, "a = 2\n");
    let outside = site.post(&format!("repos/{REPO}/contents/..%2f..%2fetc"), &site.bot, body("x", "")).await;
    assert_eq!(outside.status, 422, "{outside:?}");
    let clone = site.clone_as("bot", &site.bot).await;
    assert_eq!(clone.good(&["show", "origin/main:ops/a.toml"]).await, "a = 2");
}

#[tokio::test]
async fn protected_files_change_by_a_merge_alone_whoever_pushes() {
    let site = Site::start().await;
    let rule = json!({ "rule_name": "main", "enable_push": true, "protected_file_patterns": "vault/actions/**;*.toml;*.lock" });
    assert_eq!(site.post(&format!("repos/{REPO}/branch_protections"), &site.owner, rule).await.status, 201);
    for (who, token) in [("bot", &site.bot), ("owner", &site.owner)] {
        let clone = site.clone_as(who, token).await;
        let (free, held) = (format!("{who}.txt"), format!("{who}.toml"));
        for (n, (path, taken)) in [(free.as_str(), true), (held.as_str(), false), ("a.lock", false)].into_iter().enumerate() {
            clone.good(&["fetch", "-q", "origin"]).await;
            let sha = clone.commit(&format!("{who}-{n}"), "origin/main", path, "x = 1\n").await;
            let said = clone.git(&["push", "origin", &format!("{sha}:main")]).await;
            assert_eq!(said.status.success(), taken, "{who} {path}: {said:?}");
            let why = format!("branch main is protected from changing file {path}");
            assert!(taken || String::from_utf8_lossy(&said.stderr).contains(&why), "{said:?}");
            assert_eq!(site.seed.refs(REPO).unwrap().get("refs/heads/main") == Some(&sha), taken, "{who} {path}");
            // Any other branch takes it.
            assert!(taken || clone.git(&["push", "-q", "origin", &format!("{sha}:refs/heads/{who}-{n}")]).await.status.success());
        }
        // Nor by the API.
        let body = json!({ "content": "eA==", "message": "write", "branch": "main" });
        let written = site.post(&format!("repos/{REPO}/contents/vault/actions/{held}"), token, body.clone()).await;
        assert_eq!(written.status, 403, "{written:?}");
        let free = site.post(&format!("repos/{REPO}/contents/api-{who}.txt"), token, body).await;
        assert_eq!(free.status, 201, "{free:?}");
    }
}
