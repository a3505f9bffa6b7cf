//! Delivers webhooks: one attempt each, five seconds, in no particular order, signed with HMAC-SHA256.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use tokio_util::task::TaskTracker;

use super::state::Delivery;

const PATIENCE: Duration = Duration::from_secs(5);

/// Sends deliveries.
#[derive(Debug)]
pub(super) struct Webhooks {
    client: reqwest::Client,
    tasks: TaskTracker,
}

impl Webhooks {
    pub fn new(tasks: TaskTracker) -> reqwest::Result<Self> {
        // Only the first caller in the process installs it; everybody means the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("localforge")
            .build()?;
        Ok(Self { client, tasks })
    }

    /// Sends one, in a task of its own.
    pub fn send(&self, delivery: Delivery, id: String) {
        let request = headers(self.client.post(&delivery.url), &delivery, &id).body(delivery.payload);
        let url = delivery.url;
        self.tasks.spawn(async move {
            match request.send().await {
                Ok(answer) => tracing::debug!(%url, status = answer.status().as_u16(), "webhook delivered"),
                Err(error) => tracing::debug!(%url, %error, "webhook not delivered"),
            }
        });
    }
}

fn headers(mut request: reqwest::RequestBuilder, delivery: &Delivery, id: &str) -> reqwest::RequestBuilder {
    let sha256 = signature_256(&delivery.secret, &delivery.payload);
    for brand in ["Forgejo", "Gitea", "Gogs", "GitHub"] {
        request = request
            .header(format!("X-{brand}-Delivery"), id)
            .header(format!("X-{brand}-Event"), delivery.event)
            .header(format!("X-{brand}-Event-Type"), delivery.event_type);
        if brand != "GitHub" {
            request = request.header(format!("X-{brand}-Signature"), &sha256);
        }
    }
    request
        .header("Content-Type", "application/json")
        .header("X-Hub-Signature", format!("sha1={}", signature_1(&delivery.secret, &delivery.payload)))
        .header("X-Hub-Signature-256", format!("sha256={sha256}"))
}

/// Without a secret there is no signature.
fn signature_256(secret: &str, payload: &str) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mac) if !secret.is_empty() => hex::encode(mac.chain_update(payload.as_bytes()).finalize().into_bytes()),
        _ => String::new(),
    }
}

fn signature_1(secret: &str, payload: &str) -> String {
    match Hmac::<Sha1>::new_from_slice(secret.as_bytes()) {
        Ok(mac) if !secret.is_empty() => hex::encode(mac.chain_update(payload.as_bytes()).finalize().into_bytes()),
        _ => String::new(),
    }
}
