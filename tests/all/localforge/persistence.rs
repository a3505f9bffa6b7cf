//! What is kept, and what survives a death.

use std::io::Write;
use std::path::Path;

use forgehand::localforge::{LocalForge, LocalForgeError, StoreError};
use serde_json::json;

use super::site::{REPO, Site, answer, client, options};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn everything_answered_is_there_after_a_kill() {
    let site = Site::start().await;
    let number = site.issue("kept", "text", &["portal"]).await;
    site.post(&format!("repos/{REPO}/issues/{number}/comments"), &site.bot, json!({ "body": "hello" })).await;
    let clone = site.clone_as("bot", &site.bot).await;
    clone.commit("work", "origin/main", "one", "1\n").await;
    clone.good(&["push", "-q", "origin", "work"]).await;
    let pull = json!({ "head": "work", "base": "main", "title": "work" });
    site.post(&format!("repos/{REPO}/pulls"), &site.bot, pull).await;

    // The folder as a killed process leaves it: no goodbye, and a line that was being written.
    let data = site.dir.path().join("copy");
    copy(&site.dir.path().join("data"), &data);
    let mut log = std::fs::OpenOptions::new().append(true).open(data.join("forge.log")).unwrap();
    log.write_all(b"[[\"issues\",[1,1],{\"torn").unwrap();

    let again = LocalForge::start(options(&data)).await.unwrap();
    let seed = again.seed();
    assert_eq!(seed.issues(REPO).unwrap()[0].labels, ["portal"]);
    assert_eq!(seed.comments(REPO, number).unwrap()[0].body, "hello");
    assert_eq!(seed.label_history(REPO, number).unwrap().len(), 1);
    assert_eq!(seed.pulls(REPO).unwrap(), {
        let mut before = site.seed.pulls(REPO).unwrap();
        before[0].issue.url = before[0].issue.url.replace(&site.forge.url(), &again.url());
        before
    });
    assert_eq!(seed.create_issue(REPO, "reader", "next", "", &[]).await.unwrap(), number + 2, "no number is given twice");
    let user = client().get(format!("{}/api/v1/user", again.url())).header("Authorization", format!("token {}", site.bot));
    assert_eq!(answer(user).await.json()["login"], "bot", "tokens are good still");
}

#[tokio::test]
async fn a_ref_that_moved_before_the_record_said_so_is_noticed() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    clone.commit("work", "origin/main", "one", "1\n").await;
    clone.good(&["push", "-q", "origin", "work"]).await;
    let pull = json!({ "head": "work", "base": "main", "title": "work" });
    site.post(&format!("repos/{REPO}/pulls"), &site.bot, pull).await;
    let data = site.dir.path().join("copy");
    copy(&site.dir.path().join("data"), &data);
    let log = std::fs::read(data.join("forge.log")).unwrap();
    let sha = clone.commit("work", "work", "two", "2\n").await;
    clone.good(&["push", "-q", "origin", "work"]).await;
    copy(&site.dir.path().join("data"), &data);
    std::fs::write(data.join("forge.log"), log).unwrap();

    let again = LocalForge::start(options(&data)).await.unwrap();
    assert_eq!(again.seed().pulls(REPO).unwrap()[0].head_sha, sha);
}

#[tokio::test]
async fn a_folder_belongs_to_one_process_and_opens_again_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = LocalForge::start(options(dir.path())).await.unwrap();
    let second = LocalForge::start(options(dir.path())).await.err().unwrap();
    assert!(matches!(second, LocalForgeError::Store(StoreError::Taken(_))), "{second}");
    first.shutdown().await;
    // A program that another test is just starting holds all that is open here until it has begun.
    let again = async {
        loop {
            match LocalForge::start(options(dir.path())).await {
                Err(LocalForgeError::Store(StoreError::Taken(_))) => tokio::task::yield_now().await,
                other => break other.unwrap(),
            }
        }
    };
    let again = tokio::time::timeout(std::time::Duration::from_secs(10), again).await;
    again.expect("the folder is free again").shutdown().await;
}

#[tokio::test]
async fn a_log_that_makes_no_sense_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("forge.log"), "{\"localforge\":1}\n[[\"spoons\",1,{}]]\n").unwrap();
    let refused = LocalForge::start(options(dir.path())).await.err().unwrap().to_string();
    assert!(refused.contains("line 2") && refused.contains("spoons"), "{refused}");
}
