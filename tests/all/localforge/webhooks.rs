//! Webhooks as their receiver meets them.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::site::{REPO, Site};

type Delivery = (HeaderMap, Bytes);

async fn receiver() -> (String, UnboundedReceiver<Delivery>, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (send, receive) = unbounded_channel();
    let take = async |State(send): State<UnboundedSender<Delivery>>, headers: HeaderMap, body: Bytes| {
        let _ = send.send((headers, body));
    };
    let router = Router::new().fallback(take).with_state(send);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, receive, tasks)
}

#[tokio::test]
async fn deliveries_are_signed_and_tell_what_happened() {
    let site = Site::start().await;
    let (url, mut deliveries, _tasks) = receiver().await;
    let config = json!({ "url": url, "content_type": "json", "secret": "s3cret" });
    let hook = json!({ "type": "forgejo", "active": true, "events": ["issues", "push"], "config": config });
    assert_eq!(site.post(&format!("repos/{REPO}/hooks"), &site.bot, hook.clone()).await.status, 403);
    let made = site.post(&format!("repos/{REPO}/hooks"), &site.owner, hook).await;
    assert_eq!(made.status, 201);
    assert!(!made.text.contains("s3cret"));
    let idle = json!({ "type": "forgejo", "events": ["issues"], "config": config });
    let idle = site.post(&format!("repos/{REPO}/hooks"), &site.owner, idle).await;
    assert_eq!(idle.json()["active"], false, "one that is not said to be active is not");

    let number = site.issue("one", "", &[]).await;
    let (headers, body) = deliveries.recv().await.unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap();
    mac.update(&body);
    let signature = hex::encode(mac.finalize().into_bytes());
    assert_eq!(headers["x-forgejo-signature"], signature.as_str());
    assert_eq!(headers["x-hub-signature-256"], format!("sha256={signature}").as_str());
    assert_eq!(
        (headers["x-forgejo-event"].as_bytes(), headers["x-forgejo-event-type"].as_bytes()),
        (&b"issues"[..], &b"issues"[..])
    );
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["action"], &told["issue"]["number"]), (&json!("opened"), &json!(number)));

    site.post(&format!("repos/{REPO}/issues/{number}/labels"), &site.bot, json!({ "labels": ["portal"] })).await;
    let (headers, body) = deliveries.recv().await.unwrap();
    assert_eq!(headers["x-forgejo-event-type"], "issue_label");
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["action"], &told["sender"]["login"]), (&json!("label_updated"), &json!("bot")));

    let clone = site.clone_as("bot", &site.bot).await;
    let sha = clone.commit("work", "origin/main", "one", "1\n").await;
    clone.good(&["push", "-q", "origin", "work"]).await;
    let (headers, body) = deliveries.recv().await.unwrap();
    assert_eq!(headers["x-forgejo-event"], "push", "`create` was not asked for");
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["ref"], &told["after"]), (&json!("refs/heads/work"), &json!(sha)));
    // Custom refs fire nothing: the next delivery is that of the issue after it.
    clone.good(&["push", "-q", "origin", &format!("{sha}:refs/forgehand/claims/1")]).await;
    site.issue("two", "", &[]).await;
    assert_eq!(deliveries.recv().await.unwrap().0["x-forgejo-event"], "issues");
}
