//! Who may do what: private repositories, scopes, tokens, names that moved.

use reqwest::Method;
use serde_json::json;

use super::site::{REPO, Site, answer, client, options};
use forgehand::localforge::{LocalForge, LocalForgeError};

#[tokio::test]
async fn a_private_repository_is_hidden() {
    let site = Site::start().await;
    let path = format!("repos/{REPO}");
    assert_eq!(site.get(&path, &site.reader).await.status, 200);
    for token in [&site.outsider, ""] {
        let hidden = site.get(&path, token).await;
        let missing = site.get("repos/owner/nothing", token).await;
        assert_eq!((hidden.status, &hidden.text), (404, &missing.text), "nothing tells it from one that is not there");
    }
    let search = site.get("repos/issues/search", &site.outsider).await;
    assert_eq!(search.text, "[]");
}

#[tokio::test]
async fn scopes_are_told_by_name_and_before_the_body_is_looked_at() {
    let site = Site::start().await;
    let narrow = site.seed.token("bot", &["read:issue"]).await.unwrap();
    let empty = async |path: &str, token: &str| {
        let answer = site.post(&format!("repos/{REPO}/{path}"), token, json!({})).await;
        (answer.status, answer.message())
    };
    let lacks = |scope: &str| (403, format!("token does not have at least one of required scope(s): [{scope}]"));
    assert_eq!(empty("labels", &site.bot).await, (422, "[Name]: Required".into()));
    assert_eq!(empty("labels", &narrow).await, lacks("write:issue"));
    assert_eq!(empty("pulls", &site.bot).await, (422, "[Head]: Required".into()));
    assert_eq!(empty("pulls", &narrow).await, lacks("write:repository"));
    let user = site.get("user", &narrow).await;
    assert_eq!((user.status, user.message()), lacks("read:user"));
    assert_eq!(site.get(&format!("repos/{REPO}/issues"), &narrow).await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_none_is_echoed_and_tokens_need_a_password() {
    let site = Site::start().await;
    let bad = site.get("user", "deadbeef").await;
    assert_eq!((bad.status, bad.message()), (401, "access token does not exist [sha: deadbeef]".into()));
    let url = format!("{}/api/v1/users/owner/tokens", site.forge.url());
    let body = json!({ "name": "new", "scopes": ["read:issue"] });
    let by_token = client().post(&url).header("Authorization", format!("token {}", site.owner)).json(&body);
    assert_eq!(answer(by_token).await.status, 401);
    let wrong = client().post(&url).basic_auth("owner", Some("guess")).json(&body);
    assert_eq!(answer(wrong).await.status, 401);
    let made = answer(client().post(&url).basic_auth("owner", Some("password")).json(&body)).await;
    assert_eq!(made.status, 201);
    let token = made.json()["sha1"].as_str().unwrap().to_owned();
    assert_eq!(site.get(&format!("repos/{REPO}/issues"), &token).await.status, 200);
    let log = std::fs::read_to_string(site.dir.path().join("data/forge.log")).unwrap();
    assert!(!log.contains(&token) && !log.contains("password\":\"password"), "neither token nor password is kept");
}

#[tokio::test]
async fn a_token_bound_to_a_repository_is_worth_nothing_elsewhere() {
    let site = Site::start().await;
    site.seed.create_repo("owner", "other", true, &[]).await.unwrap();
    let url = format!("{}/api/v1/users/owner/tokens", site.forge.url());
    let repositories = json!([{ "owner": "owner", "name": "app" }]);
    let body = json!({ "name": "bound", "scopes": ["write:issue", "write:repository"], "repositories": repositories });
    let made = answer(client().post(&url).basic_auth("owner", Some("password")).json(&body)).await;
    let token = made.json()["sha1"].as_str().unwrap().to_owned();
    assert_eq!(site.get(&format!("repos/{REPO}"), &token).await.status, 200);
    assert_eq!(site.get("repos/owner/other", &token).await.status, 404);
    assert_eq!(site.get(&format!("repos/{REPO}/hooks"), &token).await.status, 403, "the owner's token, but no owner's rights");
}

#[tokio::test]
async fn a_renamed_repository_answers_301_to_every_call() {
    let site = Site::start().await;
    let number = site.issue("one", "", &[]).await;
    let clone = site.clone_as("bot", &site.bot).await;
    let renamed = site.call(Method::PATCH, &format!("repos/{REPO}"), &site.owner, Some(json!({ "name": "new" }))).await;
    assert_eq!(renamed.status, 200);
    let labels = format!("repos/{REPO}/issues/{number}/labels");
    let post = site.post(&labels, &site.bot, json!({ "labels": ["portal"] })).await;
    let to = format!("/api/v1/repos/owner/new/issues/{number}/labels");
    assert_eq!((post.status, post.header("location")), (301, Some(to.as_str())));
    let get = site.get(&format!("repos/{REPO}/issues?page=1&limit=1"), &site.bot).await;
    assert_eq!((get.status, get.header("location")), (301, Some("/api/v1/repos/owner/new/issues?page=1&limit=1")));
    let outsider = site.get(&format!("repos/{REPO}"), &site.outsider).await;
    assert_eq!(outsider.status, 404, "the new name of a hidden repository is hidden too");

    let listed = clone.git(&["ls-remote", "origin", "refs/heads/main"]).await;
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stderr).contains("redirecting"), "{listed:?}");
}

#[tokio::test]
async fn an_archived_repository_takes_labels_but_no_comments_and_no_pushes() {
    let site = Site::start().await;
    let number = site.issue("one", "", &[]).await;
    let clone = site.clone_as("bot", &site.bot).await;
    site.call(Method::PATCH, &format!("repos/{REPO}"), &site.owner, Some(json!({ "archived": true }))).await;
    let issue = format!("repos/{REPO}/issues/{number}");
    assert_eq!(site.post(&format!("{issue}/comments"), &site.bot, json!({ "body": "x" })).await.status, 423);
    assert_eq!(site.post(&format!("{issue}/labels"), &site.bot, json!({ "labels": ["portal"] })).await.status, 200);
    clone.commit("new", "origin/main", "new", "new\n").await;
    assert!(!clone.git(&["push", "-q", "origin", "new"]).await.status.success());
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.listen = "0.0.0.0:0".parse().unwrap();
    let refused = LocalForge::start(options).await.err().unwrap();
    assert!(matches!(refused, LocalForgeError::NotLoopback(_)), "{refused}");
}
