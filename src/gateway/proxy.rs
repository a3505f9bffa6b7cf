//! The model proxy's rules: which requests pass, with which headers, and what a run has spent.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use hyper::{Method, Request, Response, StatusCode};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use url::Url;

use super::ask::{self, Ask};
use super::door::{self, Body, Listener, Refusal};
use super::exchange::{self, Call};
use super::prices::{Prices, Usage};
use super::purse::Purse;
use super::verdict::{Trouble, Troubles, Verdict};
use super::{Checked, Credential, CredentialSource, GatewayError, MOST_CALLS};
use crate::model::{ModelCall, Usd};

/// Bytes that a request may have: the provider's own limit. It is read whole, because it has to be judged before any of it is sent.
const LARGEST_REQUEST: usize = 32 * 1024 * 1024;
/// Bytes of a model's name.
const LONGEST_NAME: usize = 200;
/// How long the provider may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the provider may be silent. It pings streams, and ends calls without a stream after ten minutes.
const IDLE: Duration = Duration::from_secs(600);
/// What an OAuth token has to be announced with.
const OAUTH_BETA: &str = "oauth-2025-04-20";

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// What a run may do.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) models: Vec<String>,
    pub(super) prices: Arc<Prices>,
    /// What a client must show, where others could connect too.
    pub(super) key: Option<SecretString>,
    pub(super) budget: Usd,
    pub(super) purse: Arc<Purse>,
    pub(super) budget_call: Usd,
}

/// A run as the gateway sees it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) client: Client,
    base_url: Url,
    credentials: Option<CredentialSource>,
    key_needed: bool,
    rules: Rules,
    calls: mpsc::Sender<ModelCall>,
    seen: Mutex<Seen>,
    slots: Arc<Semaphore>,
    /// Connections and calls.
    tasks: TaskTracker,
    /// Calls that are told late because the receiver is behind; nobody waits for these.
    late: TaskTracker,
    pub(super) stop: CancellationToken,
    /// The span that the run was opened in: its calls are below it.
    span: tracing::Span,
}

/// What was seen of a run.
#[derive(Debug, Default)]
struct Seen {
    spent: Usd,
    over: Option<String>,
    troubles: Troubles,
    unpriced: BTreeSet<String>,
}

/// Serves the run's connections until it is stopped.
pub(super) fn start(run: &Arc<Run>, listener: Listener) {
    let handled = Arc::clone(run);
    let handler = move |request| {
        let run = Arc::clone(&handled);
        async move {
            answer(run, request).await.unwrap_or_else(|refusal| {
                tracing::debug!(?refusal, "a model call was refused");
                refusal.into()
            })
        }
    };
    run.tasks.spawn(door::serve(listener, handler, run.tasks.clone(), run.stop.clone()));
}

impl Run {
    pub(super) fn new(upstream: Checked, rules: Rules, calls: mpsc::Sender<ModelCall>) -> Result<Self, GatewayError> {
        let Checked { base_url, credentials, key_needed } = upstream;
        Ok(Self {
            client: client(key_needed)?,
            base_url,
            credentials,
            key_needed,
            rules,
            calls,
            seen: Mutex::default(),
            slots: Arc::new(Semaphore::new(MOST_CALLS)),
            tasks: TaskTracker::new(),
            late: TaskTracker::new(),
            stop: CancellationToken::new(),
            span: tracing::Span::current(),
        })
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    pub(super) async fn stopped(&self) {
        self.tasks.wait().await;
    }

    pub(super) fn verdict(&self) -> Verdict {
        let seen = self.seen();
        match &seen.over {
            Some(limit) => Verdict::OverBudget { limit: limit.clone() },
            None => seen.troubles.verdict(),
        }
    }

    pub(super) fn spent(&self) -> Usd {
        self.seen().spent
    }

    pub(super) fn unpriced(&self) -> Vec<String> {
        self.seen().unpriced.iter().cloned().collect()
    }

    pub(super) fn note(&self, model: &str, trouble: Option<Trouble>) {
        self.seen().troubles.note(model, trouble);
    }

    /// What these tokens cost.
    pub(super) fn price(&self, model: &str, usage: Usage) -> Usd {
        self.rules.prices.cost(model, usage).unwrap_or_else(|| {
            if self.seen().unpriced.insert(model.to_owned()) {
                tracing::warn!(model, "no price is known for this model: it is charged at the dearest of the table");
            }
            self.rules.prices.dearest(usage)
        })
    }

    /// Counts a call that had cost `before` at `now`; answers with the limit that this passes.
    pub(super) fn charge(&self, before: Usd, now: Usd) -> Option<String> {
        let mut seen = self.seen();
        seen.spent = seen.spent.minus(before) + now;
        drop(seen);
        if self.rules.purse.charge(before, now) > self.rules.budget {
            return Some(self.rest());
        }
        (now > self.rules.budget_call).then(|| format!("the {} that a single call may cost", self.rules.budget_call))
    }

    /// A call is cut or refused for this limit.
    pub(super) fn over(&self, limit: &str) {
        self.seen().over.get_or_insert_with(|| limit.to_owned());
    }

    /// Tells of a call that ended, without waiting for whoever listens.
    pub(super) fn tell(&self, call: ModelCall) {
        if let Err(mpsc::error::TrySendError::Full(call)) = self.calls.try_send(call) {
            let calls = self.calls.clone();
            // Whoever has stopped listening wants to hear no more.
            self.late.spawn(async move { drop(calls.send(call).await) });
        }
    }

    fn rest(&self) -> String {
        format!("the {} that the run had left", self.rules.budget)
    }

    /// Never held across an await.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proxy of the environment is honoured for https, where it carries a tunnel; over plain http it would read everything.
fn client(tls: bool) -> Result<Client, GatewayError> {
    // An error says that somebody else installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT).read_timeout(IDLE);
    let builder = if tls { builder.https_only(true) } else { builder.no_proxy() };
    builder.build().map_err(|e| GatewayError::Client(exchange::chain(&e)))
}

/// Judges a request; if it may pass, has it sent and answers with what comes back.
async fn answer(run: Arc<Run>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    if let Some(key) = &run.rules.key
        && !shows_key(request.headers(), key)
    {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "this is not the key of this run"));
    }
    let free = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/messages") => false,
        (&Method::POST, "/v1/messages/count_tokens") => true,
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "only the messages of the model's API are here")),
    };
    let Ok(slot) = Arc::clone(&run.slots).acquire_owned().await else {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the run is over"));
    };
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    let model = run.judge(&parts.headers, &body)?;
    let credential = run.credential(&model)?;
    let mut url = run.base_url.clone();
    url.set_path(&format!("{}{}", run.base_url.path().trim_end_matches('/'), parts.uri.path()));
    url.set_query(parts.uri.query());
    let headers = outgoing(&parts.headers, credential.as_ref())?;
    let (reply, answer) = oneshot::channel();
    let span = tracing::debug_span!(parent: &run.span, "model", otel.kind = "client", model, status = tracing::field::Empty);
    let call = Call { model, free, url, headers, body, credential };
    let task = exchange::run(Arc::clone(&run), call, reply, slot);
    run.tasks.spawn(task.instrument(span));
    answer.await.map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the run is over"))
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, LARGEST_REQUEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => {
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a request has at most {LARGEST_REQUEST} bytes")))
        }
        Err(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the request broke off")),
    }
}

impl Run {
    /// Whether the run may ask this now; the model if so.
    fn judge(&self, headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a compressed request cannot be judged"));
        }
        let ask = Ask::read(body).map_err(|why| Refusal::new(StatusCode::BAD_REQUEST, why))?;
        if ask.model.len() > LONGEST_NAME || ask.model.chars().any(char::is_control) {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "this is no name of a model"));
        }
        if !ask::is_allowed(&self.rules.models, &ask.model) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, format!("the model `{}` is not on this run's list", ask.model)));
        }
        if let Some(why) = ask.forbidden() {
            return Err(Refusal::new(StatusCode::FORBIDDEN, why));
        }
        if self.rules.purse.spent() >= self.rules.budget {
            self.over(&self.rest());
            return Err(Refusal::new(StatusCode::FORBIDDEN, format!("the run is over its budget: {} is spent", self.rest())));
        }
        Ok(ask.model)
    }

    /// The credential for a call, as it stands now.
    fn credential(&self, model: &str) -> Result<Option<Credential>, Refusal> {
        let why = match self.credentials.as_ref().map(CredentialSource::load).transpose() {
            Ok(found) => match found.flatten() {
                None if self.key_needed => "the model's credentials are gone".to_owned(),
                credential => return Ok(credential),
            },
            Err(e) => e.to_string(),
        };
        self.note(model, Some(Trouble::Refused(why)));
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "there are no credentials for the model"))
    }
}

fn shows_key(headers: &HeaderMap, key: &SecretString) -> bool {
    let bearer = headers.get(AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    let shown = headers.get(X_API_KEY).map(HeaderValue::as_bytes).into_iter().chain(bearer);
    shown.fold(false, |found, shown| found | bool::from(shown.ct_eq(key.expose_secret().as_bytes())))
}

/// The client's headers without what is between it and us, without its credentials, and with ours.
fn outgoing(client: &HeaderMap, credential: Option<&Credential>) -> Result<HeaderMap, Refusal> {
    let mut headers = client.clone();
    drop_hop_by_hop(&mut headers);
    for name in [HOST, CONTENT_LENGTH, CONTENT_ENCODING, ACCEPT_ENCODING, EXPECT, AUTHORIZATION, X_API_KEY, COOKIE, VIA] {
        headers.remove(name);
    }
    let forwarded: Vec<HeaderName> =
        headers.keys().filter(|n| n.as_str() == "forwarded" || n.as_str().starts_with("x-forwarded")).cloned().collect();
    for name in forwarded {
        headers.remove(name);
    }
    // An answer that is compressed could not be metered.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    match credential {
        Some(Credential::ApiKey(key)) => {
            headers.insert(X_API_KEY, secret_value(key.expose_secret())?);
        }
        Some(Credential::Bearer(token, _)) => {
            headers.insert(AUTHORIZATION, secret_value(&format!("Bearer {}", token.expose_secret()))?);
            announce_oauth(&mut headers)?;
        }
        None => {}
    }
    Ok(headers)
}

fn announce_oauth(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let asked: Vec<&str> = headers.get_all(ANTHROPIC_BETA).iter().filter_map(|v| v.to_str().ok()).collect();
    let mut betas: Vec<&str> = asked.iter().flat_map(|v| v.split(',')).map(str::trim).filter(|b| !b.is_empty()).collect();
    if !betas.contains(&OAUTH_BETA) {
        betas.push(OAUTH_BETA);
    }
    let value = HeaderValue::from_str(&betas.join(","))
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the request has an `anthropic-beta` that is no header"))?;
    headers.insert(ANTHROPIC_BETA, value);
    Ok(())
}

fn secret_value(secret: &str) -> Result<HeaderValue, Refusal> {
    let mut value = HeaderValue::from_str(secret)
        .map_err(|_| Refusal::new(StatusCode::UNAUTHORIZED, "the credentials for the model cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Takes out what is meant for the next hop only (RFC 9110, 7.6.1), that which `connection` names included, and all `proxy-*`.
pub(super) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let proxy: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("proxy-")).cloned().collect();
    let fixed = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")];
    for name in named.into_iter().chain(proxy).chain(fixed) {
        headers.remove(name);
    }
}

/// What a client hears when an answer stops before its end.
pub(super) fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the answer broke off")
}
