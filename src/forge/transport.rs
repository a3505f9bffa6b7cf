//! One request and its answer: addresses, the token, time-outs, retries of what only reads.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, Response, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;
use url::Url;

use super::counts::Counts;
use super::refusal::{self, Refused};
use crate::model::{RepoLabel, RepoName, Timestamp};
use crate::ports::{ForgeError, ForgeErrorKind};

/// The longest quiet that a forge is granted: a mad value must not silence us for days.
const LONGEST_QUIET: Duration = Duration::from_secs(3600);

/// Limits of the client. The default is what the design says.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a connection may take: 5 s.
    pub connect: Duration,
    /// How long the forge may be silent within an answer, its first byte included: 30 s.
    pub read: Duration,
    /// How often a GET is sent again: 3 times.
    pub retries: u32,
    /// The pause before the first retry, doubled for each further one, each with jitter: 300 ms.
    pub backoff: Duration,
    /// No retry begins later than this after the first attempt: 5 s.
    pub patience: Duration,
    /// The largest answer that is read, in bytes: 32 MiB.
    pub body_limit: usize,
    /// Certificates in PEM that are trusted beside the machine's own: a private forge's authority.
    pub authorities: Vec<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(30),
            retries: 3,
            backoff: Duration::from_millis(300),
            patience: Duration::from_secs(5),
            body_limit: 32 << 20,
            authorities: Vec::new(),
        }
    }
}

/// A client of one forge with one token.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
    options: Options,
    counts: Arc<Counts>,
    /// Names that a repository was seen to have more than once.
    doubled: Mutex<BTreeSet<(RepoName, String)>>,
    /// Nothing is sent before this: the forge asked for quiet.
    quiet: Mutex<Option<Instant>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).field("options", &self.options).finish_non_exhaustive()
    }
}

/// Makes `ring` the provider of rustls for the process; further calls do nothing. [`Client::new`] calls it by itself.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    // An error means that somebody installed one before us, which serves as well.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

impl Client {
    /// A client for the forge at `url`, its ROOT_URL with any subpath, with a token.
    ///
    /// # Errors
    /// [`ForgeErrorKind::Invalid`] if the address or the token cannot be one, or if an `https` address finds no trusted certificates on
    /// this machine.
    pub fn new(url: &str, token: SecretString, options: Options) -> Result<Self, ForgeError> {
        if token.expose_secret().is_empty() || !token.expose_secret().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unusable(
                "the token is empty or has characters that no token has: look for a line break or quotes around it",
            ));
        }
        Self::open(url, Some(token), options)
    }

    /// The same without a token: what anybody may ask.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn anonymous(url: &str, options: Options) -> Result<Self, ForgeError> {
        Self::open(url, None, options)
    }

    fn open(url: &str, token: Option<SecretString>, options: Options) -> Result<Self, ForgeError> {
        let base = root(url)?;
        install_tls();
        let mut http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(options.connect)
            .read_timeout(options.read)
            // Shorter than what servers keep: a POST on a connection that just closed would be doubtful for nothing.
            .pool_idle_timeout(Duration::from_secs(20))
            .user_agent(concat!("forgehand/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            // Without TLS the machine's certificates need not be there, and are not read.
            http = http.tls_certs_only([]);
        } else if !options.authorities.is_empty() {
            let unreadable = |why: String| unusable(&format!("`ca_file` holds no certificate in PEM: {why}"));
            let trusted = Certificate::from_pem_bundle(&options.authorities).map_err(|e| unreadable(refusal::chain(&e)))?;
            if trusted.is_empty() {
                return Err(unreadable("nothing between BEGIN CERTIFICATE and END CERTIFICATE".to_owned()));
            }
            http = http.tls_certs_merge(trusted);
        }
        if on_loopback(&base) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| unusable(&format!("no HTTP client: {}", refusal::chain(&e))))?;
        Ok(Self { http, base, token, options, counts: Arc::default(), doubled: Mutex::default(), quiet: Mutex::default() })
    }

    /// Remembers which names a repository has more than once: such a name is no filter, and has to be taken off by its numbers.
    pub(super) fn learn_names(&self, repo: &RepoName, labels: &[RepoLabel]) {
        let Ok(mut doubled) = self.doubled.lock() else { return };
        doubled.retain(|(of, _)| of != repo);
        for (at, label) in labels.iter().enumerate() {
            if labels.iter().skip(at + 1).any(|other| other.name == label.name) {
                doubled.insert((repo.clone(), label.name.clone()));
            }
        }
    }

    /// Whether a repository was seen to have more than one label of this name.
    pub(super) fn is_doubled(&self, repo: &RepoName, name: &str) -> bool {
        self.doubled.lock().is_ok_and(|doubled| doubled.contains(&(repo.clone(), name.to_owned())))
    }

    /// How many requests were sent, retries included.
    pub fn requests(&self) -> u64 {
        self.counts.requests().iter().map(|(_, count)| count).sum()
    }

    /// The same, counting where another one has counted so far.
    pub fn counted_by(self, counts: Arc<Counts>) -> Self {
        Self { counts, ..self }
    }

    /// Sends a call and reads its answer as `T`.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, ForgeError> {
        self.send(call).await?.decode(call).inspect_err(|error| self.counts.failed(error))
    }

    /// Sends a call: what reads up to a few times, what writes once.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, ForgeError> {
        let url = self.address(call)?;
        self.hush(call)?;
        let span = tracing::debug_span!("forge", otel.name = %call, otel.kind = "client", error = tracing::field::Empty);
        let answer = self.send_on(call, url).instrument(span.clone()).await;
        if let Err(error) = &answer {
            span.record("error", error.kind.word());
        }
        answer
    }

    async fn send_on(&self, call: &Call<'_>, url: Url) -> Result<Answer, ForgeError> {
        let started = Instant::now();
        let mut retry = 0;
        loop {
            let error = match self.attempt(call, url.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.counts.failed(&error);
            let ForgeErrorKind::Unreachable { retry_after } = error.kind else { return Err(error) };
            self.heed(retry_after);
            let pause = self.pause(retry).max(Duration::from_secs(retry_after.unwrap_or(0)));
            if call.writes() || retry >= self.options.retries || started.elapsed() + pause > self.options.patience {
                return Err(error);
            }
            tracing::debug!(call = %call, error = %error, "sent again");
            tokio::time::sleep(pause).await;
            retry += 1;
        }
    }

    /// Whoever is asked for quiet keeps quiet: what is asked meanwhile fails at once, and is tried again by who asked.
    fn hush(&self, call: &Call<'_>) -> Result<(), ForgeError> {
        let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        match quiet.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()) {
            None => Ok(()),
            Some(left) => {
                let seconds = left.as_secs() + 1;
                let kind = ForgeErrorKind::Unreachable { retry_after: Some(seconds) };
                Err(call.error(kind, format!("the forge asked for fewer requests; nothing is sent for {seconds} s")))
            }
        }
    }

    fn heed(&self, retry_after: Option<u64>) {
        let Some(wait) = retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_QUIET)) else { return };
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
    }

    /// Between half and one and a half of the doubled backoff, so that many clients do not come back at once.
    fn pause(&self, retry: u32) -> Duration {
        let chance = RandomState::new().hash_one(retry) % 1000;
        self.options.backoff.saturating_mul(1 << retry.min(10)).mul_f64(0.5 + chance as f64 / 1000.0)
    }

    async fn attempt(&self, call: &Call<'_>, url: Url) -> Result<Answer, ForgeError> {
        let mut request = self.http.request(call.method.clone(), url).header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            let mut token = HeaderValue::try_from(format!("token {}", token.expose_secret()))
                .map_err(|_| call.error(ForgeErrorKind::Invalid, "the token cannot be sent"))?;
            token.set_sensitive(true);
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        self.counts.sent(&call.method);
        let response = request.send().await.map_err(|e| self.broken(call, &e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        match (status.is_success(), self.read(call, response).await) {
            (true, body) => Ok(Answer { headers, body: body? }),
            (false, body) => {
                // The status alone says that it was refused, even if the reason broke off.
                let refused =
                    Refused { status: status.as_u16(), headers: &headers, body: &body.unwrap_or_default(), base: &self.base };
                let mut error = refused.error(call);
                if let Some(token) = &self.token {
                    error.why = error.why.replace(token.expose_secret(), "[token]");
                }
                Err(error)
            }
        }
    }

    /// What it means that no answer came.
    fn broken(&self, call: &Call<'_>, error: &reqwest::Error) -> ForgeError {
        if error.is_builder() {
            return call.error(ForgeErrorKind::Invalid, refusal::chain(error));
        }
        if error.is_connect() && refusal::distrusts(error) {
            let why = format!(
                "the certificate of {} is not trusted ({}): write `ca_file = \"/path/ca.pem\"` into [forge] if its authority is your own",
                self.base,
                refusal::chain(error)
            );
            return call.error(ForgeErrorKind::Unreachable { retry_after: None }, why);
        }
        if error.is_connect() {
            let why = format!(
                "no connection to {} ({}): is the forge running, and is forge.url right?",
                self.base,
                refusal::chain(error)
            );
            return call.error(ForgeErrorKind::Unreachable { retry_after: None }, why);
        }
        let why = if error.is_timeout() {
            format!("the forge was silent for {} s", self.options.read.as_secs_f32())
        } else {
            format!("the connection broke ({})", refusal::chain(error))
        };
        call.lost(why)
    }

    /// Reads the body piece by piece, so that a limit holds whatever length was announced.
    async fn read(&self, call: &Call<'_>, mut response: Response) -> Result<Vec<u8>, ForgeError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| self.broken(call, &e))? {
            if body.len() + piece.len() > self.options.body_limit {
                return Err(call.unreadable(format!("the answer is larger than {} bytes", self.options.body_limit)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn address(&self, call: &Call<'_>) -> Result<Url, ForgeError> {
        let bad = |part: &str| matches!(part, "" | "." | "..") || part.chars().any(char::is_control);
        if let Some(part) = call.path.iter().copied().find(|p| bad(p)) {
            // Such a part would vanish from the path, and the call would be another one: `labels/..` takes all labels off.
            return Err(call.error(ForgeErrorKind::Invalid, format!("{part:?} cannot stand in an address")));
        }
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }
}

fn root(url: &str) -> Result<Url, ForgeError> {
    let base = Url::parse(url)
        .map_err(|e| unusable(&format!("forge.url is no address ({e}): write it like https://git.example.org")))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(unusable("forge.url must begin with http:// or https://"));
    }
    if !base.username().is_empty() || base.password().is_some() || base.query().is_some() || base.fragment().is_some() {
        return Err(unusable("forge.url must hold neither a user nor a query: the token is configured on its own"));
    }
    Ok(base)
}

fn on_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn unusable(why: &str) -> ForgeError {
    ForgeError { kind: ForgeErrorKind::Invalid, what: "forge".to_owned(), why: why.to_owned() }
}

/// A request of the API, before it has an address.
#[derive(Clone)]
pub(super) struct Call<'a> {
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl<'a> Call<'a> {
    /// A call of `api/v1/` and these parts, each of which becomes one segment whatever is in it.
    pub(super) fn new(method: Method, path: &[&'a str]) -> Self {
        Self { method, path: path.to_vec(), query: Vec::new(), body: None }
    }

    /// A call under a repository.
    pub(super) fn of(method: Method, repo: &'a RepoName, path: &[&'a str]) -> Self {
        let mut call = Self::new(method, &["repos", repo.owner(), repo.name()]);
        call.path.extend_from_slice(path);
        call
    }

    /// With a parameter.
    pub(super) fn query(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    /// With a JSON body.
    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn writes(&self) -> bool {
        self.method != Method::GET
    }

    /// The repository that is asked for, if one is.
    pub(super) fn repo(&self) -> Option<String> {
        match self.path[..] {
            ["repos", owner, name, ..] => Some(format!("{owner}/{name}")),
            _ => None,
        }
    }

    pub(super) fn error(&self, kind: ForgeErrorKind, why: impl Into<String>) -> ForgeError {
        ForgeError { kind, what: self.to_string(), why: why.into() }
    }

    /// It was sent, and what came of it is not known.
    pub(super) fn lost(&self, why: String) -> ForgeError {
        let kind = if self.writes() { ForgeErrorKind::Doubtful } else { ForgeErrorKind::Unreachable { retry_after: None } };
        self.error(kind, why)
    }

    /// It was done, and the answer cannot be read: what wrote must be looked up.
    pub(super) fn unreadable(&self, why: String) -> ForgeError {
        self.error(if self.writes() { ForgeErrorKind::Doubtful } else { ForgeErrorKind::NotAForge }, why)
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path.join("/"))
    }
}

/// A 2xx answer.
pub(super) struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// What it says, as it came.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The forge's own time.
    pub(super) fn date(&self) -> Option<Timestamp> {
        self.headers.get("date").and_then(|v| v.to_str().ok()).and_then(Timestamp::parse_http)
    }

    /// How many entries there are over all pages.
    pub(super) fn total(&self) -> Option<usize> {
        self.headers.get("x-total-count").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok())
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, ForgeError> {
        if refusal::is_page(&self.headers, &self.body) {
            let why = "a page came where Forgejo answers with JSON: is forge.url the address of a Forgejo, with its subpath?";
            return Err(call.error(ForgeErrorKind::NotAForge, why));
        }
        serde_json::from_slice(&self.body).map_err(|e| call.unreadable(format!("the answer does not read like a Forgejo's: {e}")))
    }
}
