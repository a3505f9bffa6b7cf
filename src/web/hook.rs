//! `POST /hooks/forgejo`: is it signed, and about which repository?

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use super::Inside;
use crate::ports::Unwelcome;

/// The largest body that is read.
const LARGEST: usize = 1 << 20;
/// How long a body may take to come. The forge itself gives up after 5 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the signature stands: Forgejo's own name, those that it keeps for its elders, and GitHub's.
const SIGNATURES: [&str; 4] = ["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature", "x-hub-signature-256"];

/// Of a delivery the one thing that is read.
#[derive(Deserialize)]
struct Payload {
    /// Deliveries about Actions have none.
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

/// Takes a delivery: wakes, and does nothing else.
pub(super) async fn delivery(State(inside): State<Inside>, request: Request) -> Response {
    match take(&inside, request).await {
        Ok(payload) => {
            let known = inside.visits.delivered(payload.repository.as_ref().map(|repo| repo.full_name.as_str()));
            if known { StatusCode::ACCEPTED } else { StatusCode::NO_CONTENT }.into_response()
        }
        Err(why) => {
            inside.visits.refused(why);
            let (status, text) = refusal(why);
            // What of the body has not come is not read any more.
            (status, [(header::CONNECTION, "close")], text).into_response()
        }
    }
}

async fn take(inside: &Inside, request: Request) -> Result<Payload, Unwelcome> {
    let secret = inside.visits.secret().ok_or(Unwelcome::NoSecret)?;
    let (parts, body) = request.into_parts();
    let signature = signature(&parts.headers).ok_or(Unwelcome::Unsigned)?;
    if announced(&parts.headers).is_some_and(|length| length > LARGEST as u64) {
        return Err(Unwelcome::TooLarge);
    }
    let body = tokio::time::timeout(PATIENCE, read(body)).await.map_err(|_| Unwelcome::TooSlow)??;
    if !is_right(&secret, &body, &signature) {
        return Err(Unwelcome::WrongSignature);
    }
    serde_json::from_slice(&body).map_err(|_| Unwelcome::Unreadable)
}

fn refusal(why: Unwelcome) -> (StatusCode, &'static str) {
    match why {
        Unwelcome::NoSecret => {
            (StatusCode::FORBIDDEN, "no delivery is taken without a secret: set webhook_secret_env or webhook_secret_file\n")
        }
        Unwelcome::Unsigned => (StatusCode::UNAUTHORIZED, "the delivery is not signed: give the webhook a secret\n"),
        Unwelcome::WrongSignature => (StatusCode::UNAUTHORIZED, "the signature is not that of our secret\n"),
        Unwelcome::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "a delivery has at most 1 MiB\n"),
        Unwelcome::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the delivery did not come in time\n"),
        Unwelcome::Unreadable => (StatusCode::BAD_REQUEST, "the delivery is not JSON: set the webhook's content type to it\n"),
    }
}

/// The signature's bytes; none where there is none, or it is empty. What cannot be one is a wrong one.
fn signature(headers: &HeaderMap) -> Option<Vec<u8>> {
    let given = SIGNATURES.iter().filter_map(|name| headers.get(*name)?.to_str().ok()).map(str::trim);
    let bare = given.map(|text| text.strip_prefix("sha256=").unwrap_or(text)).find(|text| !text.is_empty())?;
    Some(hex::decode(bare).unwrap_or_default())
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(body: Body) -> Result<Bytes, Unwelcome> {
    match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unwelcome::TooLarge),
        Err(_) => Err(Unwelcome::TooSlow),
    }
}

/// Compared in constant time.
fn is_right(secret: &SecretString, body: &[u8], signature: &[u8]) -> bool {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    mac.is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn the_signature_is_found_under_each_of_its_names() {
        for (name, value) in
            [("x-forgejo-signature", "0aff"), ("x-gitea-signature", "0aff"), ("x-hub-signature-256", "sha256=0aff")]
        {
            assert_eq!(signature(&headers(&[(name, value)])), Some(vec![0x0a, 0xff]), "{name}");
        }
        assert_eq!(signature(&headers(&[])), None);
        assert_eq!(signature(&headers(&[("x-forgejo-signature", ""), ("x-hub-signature-256", "sha256=")])), None);
        assert_eq!(signature(&headers(&[("x-forgejo-signature", "no hex")])), Some(Vec::new()), "wrong, not absent");
    }

    #[test]
    fn only_the_whole_hmac_of_this_body_is_right() {
        let secret = SecretString::from("s3cret");
        // echo -n '{}' | openssl dgst -sha256 -hmac s3cret
        let right = Hmac::<Sha256>::new_from_slice(b"s3cret").expect("a key").chain_update(b"{}").finalize().into_bytes();
        assert!(is_right(&secret, b"{}", &right));
        assert!(!is_right(&secret, b"{ }", &right) && !is_right(&secret, b"{}", &right[..31]) && !is_right(&secret, b"{}", b""));
        assert!(!is_right(&SecretString::from("other"), b"{}", &right));
    }
}
