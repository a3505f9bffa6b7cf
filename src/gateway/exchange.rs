//! One call to the model, from the request that may pass to the record of what it cost.
//!
//! It runs in a task of its own, which outlives the client: whoever hangs up ends the call, and the task still records it. The answer
//! is handed on piece by piece as it comes; a client that reads slowly slows the provider down, nothing piles up here.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{ALT_SVC, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, SET_COOKIE};
use hyper::{Response, StatusCode};
use secrecy::ExposeSecret;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use url::Url;

use super::Credential;
use super::door::{Body, Refusal};
use super::meter::{Meter, ProviderError};
use super::prices::Usage;
use super::proxy::{Run, broken_off, drop_hop_by_hop};
use super::verdict::{self, Trouble};
use crate::model::{ModelCall, Timestamp, Usd};

/// A call that may be made.
pub(super) struct Call {
    pub(super) model: String,
    /// Counting tokens costs nothing.
    pub(super) free: bool,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) credential: Option<Credential>,
}

/// Where the pieces of an answer go.
type Pieces = mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>;

/// What is known of a call so far.
struct Tally {
    model: String,
    free: bool,
    credential: Option<Credential>,
    started: Instant,
    usage: Option<Usage>,
    cost: Usd,
    status: Option<StatusCode>,
    cut: bool,
}

/// Makes the call, replies with the answer's head as soon as it is there, and records the call when it ends.
pub(super) async fn run(run: Arc<Run>, call: Call, mut reply: oneshot::Sender<Response<Body>>, _slot: OwnedSemaphorePermit) {
    let Call { model, free, url, headers, body, credential } = call;
    let mut tally =
        Tally { model, free, credential, started: Instant::now(), usage: None, cost: Usd::default(), status: None, cut: false };
    let sent = tokio::select! {
        biased;
        () = run.stop.cancelled() => None,
        () = reply.closed() => None,
        sent = run.client.post(url).headers(headers).body(body).send() => Some(sent),
    };
    // Kept until the call is recorded: a client that saw the end finds it counted.
    let mut _pieces = None;
    match sent {
        None => tally.cut = true,
        Some(Ok(answer)) if answer.status().is_redirection() => {
            tally.status = Some(answer.status());
            let why = "the provider redirects elsewhere: look at base_url".to_owned();
            fail(&run, &tally, why, reply);
        }
        Some(Ok(answer)) => _pieces = pass_on(&run, &mut tally, answer, reply).await,
        Some(Err(e)) => fail(&run, &tally, chain(&e.without_url()), reply),
    }
    tracing::Span::current().record("status", tally.status.map_or(0, |status| status.as_u16()));
    run.tell(tally.record());
}

fn fail(run: &Run, tally: &Tally, why: String, reply: oneshot::Sender<Response<Body>>) {
    let refusal = Refusal::new(StatusCode::BAD_GATEWAY, format!("the model cannot be reached: {why}"));
    run.note(&tally.model, Some(Trouble::Unreachable(why)));
    // A client that is gone needs no reply.
    let _ = reply.send(refusal.into());
}

/// Hands the answer on while metering it. The channel comes back open; it is none if the client never took the answer.
async fn pass_on(
    run: &Run,
    tally: &mut Tally,
    mut answer: reqwest::Response,
    reply: oneshot::Sender<Response<Body>>,
) -> Option<Pieces> {
    let status = answer.status();
    tally.status = Some(status);
    let trouble = verdict::from_head(status, answer.headers(), now());
    run.note(&tally.model, trouble.clone());
    let mut meter = meter_for(answer.headers());
    let streamed = is_stream(answer.headers());
    let (pieces, body) = mpsc::channel(1);
    if reply.send(head(&answer, body)).is_err() {
        tally.cut = true;
        return None;
    }
    let mut broken = None;
    loop {
        let piece = tokio::select! {
            biased;
            // A client that has the last event may leave before the connection's end is seen: that cuts nothing.
            () = run.stop.cancelled() => { tally.cut = !meter.is_complete(); break }
            () = pieces.closed() => { tally.cut = !meter.is_complete(); break }
            piece = answer.chunk() => piece,
        };
        let piece = match piece {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(e) => {
                tally.cut = true;
                broken = Some(chain(&e.without_url()));
                break;
            }
        };
        meter.feed(&piece);
        if let Some(limit) = tally.update(run, &meter).filter(|_| !meter.is_complete()) {
            tally.cut = true;
            run.over(&limit);
            // The stream's own way to say that it broke off; a client that is gone needs none.
            let _ = pieces.send(Ok(Frame::data(cut_event(&limit)))).await;
            break;
        }
        if pieces.send(Ok(Frame::data(piece))).await.is_err() {
            tally.cut = !meter.is_complete();
            break;
        }
    }
    meter.finish();
    // What a whole answer, or the last event of a cut one, still passes is felt by the next call.
    let _ = tally.update(run, &meter);
    if let Some(trouble) = final_trouble(tally, trouble, broken.as_deref(), meter.error()) {
        run.note(&tally.model, Some(trouble));
    }
    if broken.is_some() || (tally.cut && !streamed) {
        let _ = pieces.send(Err(broken_off())).await;
    }
    Some(pieces)
}

fn final_trouble(tally: &Tally, head: Option<Trouble>, broken: Option<&str>, error: Option<&ProviderError>) -> Option<Trouble> {
    if let Some(why) = broken {
        return Some(Trouble::Unreachable(format!("the answer broke off: {why}")));
    }
    let status = tally.status?;
    let trouble = match error {
        Some(error) => verdict::from_error(head, status, &error.kind, &tally.redact(&error.message)),
        None => head,
    };
    match (trouble, &tally.credential) {
        (Some(Trouble::Refused(why)), Some(Credential::Bearer(_, Some(expires)))) if *expires <= now() => {
            Some(Trouble::Refused(format!("{why} (the sign-in ended at {expires}; run `claude` once to renew it)")))
        }
        (trouble, _) => trouble,
    }
}

impl Tally {
    /// Charges what the meter has read by now; answers with the limit that this passes.
    fn update(&mut self, run: &Run, meter: &Meter) -> Option<String> {
        let usage = meter.usage();
        if self.free || usage == self.usage {
            return None;
        }
        self.usage = usage;
        let cost = usage.map_or(Usd::default(), |usage| run.price(&self.model, usage));
        let passed = run.charge(self.cost, cost);
        self.cost = cost;
        passed
    }

    fn record(self) -> ModelCall {
        let usage = self.usage.unwrap_or_default();
        let answered = self.status.is_some_and(|status| status.is_success());
        ModelCall {
            model: self.model,
            input: usage.input,
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write_5m.saturating_add(usage.cache_write_1h),
            cost: self.cost,
            status: self.status.map(|status| status.as_u16()),
            cut: self.cut,
            unmetered: answered && !self.free && self.usage.is_none(),
            millis: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// A provider's error should not quote the key it was sent; should it, that ends here.
    fn redact(&self, text: &str) -> String {
        match &self.credential {
            Some(credential) => text.replace(credential.secret().expose_secret(), "[key]"),
            None => text.to_owned(),
        }
    }
}

/// The answer's head as the client gets it.
fn head(answer: &reqwest::Response, body: mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>) -> Response<Body> {
    let mut response = Response::new(StreamBody::new(ReceiverStream::new(body)).boxed_unsync());
    *response.status_mut() = answer.status();
    let headers = response.headers_mut();
    headers.clone_from(answer.headers());
    drop_hop_by_hop(headers);
    for name in [SET_COOKIE, ALT_SVC] {
        headers.remove(name);
    }
    response
}

fn meter_for(headers: &HeaderMap) -> Meter {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        Meter::unreadable()
    } else if is_stream(headers) {
        Meter::events()
    } else {
        Meter::whole()
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// It may come in the middle of a line, so it begins with the end of one.
fn cut_event(limit: &str) -> Bytes {
    let refusal = Refusal::new(StatusCode::FORBIDDEN, format!("the run is over its budget: {limit} is spent"));
    Bytes::from(format!("\n\nevent: error\ndata: {}\n\n", refusal.json()))
}

/// An error with its causes, which is where the cause of a failed connection stands.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "the provider's waiting times are told in wall-clock time, and only kept as facts")]
fn now() -> Timestamp {
    Timestamp(chrono::Utc::now().timestamp_millis())
}
