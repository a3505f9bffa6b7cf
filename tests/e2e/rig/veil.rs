//! Something in front of a forge, as people have it: a proxy that changes what passes, or one that speaks TLS with a private certificate.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What is changed on the way.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// What the forge calls its version.
    pub version: Option<&'static str>,
    /// What the forge says the time is.
    pub date: Option<String>,
    /// A CI of its own, which the embedded forge has not.
    pub ci: Option<Arc<Ci>>,
    /// What it answers itself to who reads a path that ends so.
    pub answers: Answers,
    /// What becomes of merges that are asked for.
    pub merges: Merges,
}

/// What happens to one merge that is asked for.
#[derive(Clone, Debug)]
pub enum AtMerge {
    /// It is answered so, without a reason, and nothing happens.
    Answered(u16),
    /// It is never answered, whether the forge makes it or not.
    Hung {
        /// It does.
        made: bool,
    },
    /// The forge takes this into a file first, by a commit on a branch, whoever asked for the merge being its author.
    Pushed {
        /// The way of the file in the API.
        path: String,
        /// What is posted there.
        commit: Value,
    },
}

/// What happens to the next merges that are asked for, one after the other; then they pass.
#[derive(Clone, Debug, Default)]
pub struct Merges(Arc<Mutex<VecDeque<AtMerge>>>);

impl Merges {
    /// After those before.
    pub fn then(&self, what: AtMerge) {
        self.0.lock().expect("nobody panicked").push_back(what);
    }

    /// How many did not happen yet.
    pub fn left(&self) -> usize {
        self.0.lock().expect("nobody panicked").len()
    }

    fn next(&self) -> Option<AtMerge> {
        self.0.lock().expect("nobody panicked").pop_front()
    }
}

/// Answers in the forge's place, each to the paths that end so.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<Vec<(String, Value)>>>);

impl Answers {
    /// From now on.
    pub fn add(&self, path: &str, answer: Value) {
        self.0.lock().expect("nobody panicked").push((path.to_owned(), answer));
    }

    fn to(&self, path: &str) -> Option<Value> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let known = self.0.lock().expect("nobody panicked");
        known.iter().find(|(end, _)| path.ends_with(end)).map(|(_, answer)| answer.clone())
    }
}

/// A run of the forge's own CI whose only job failed before its first step, and is run again when that is asked for: as Forgejo 17 tells it.
#[derive(Debug, Default)]
pub struct Ci {
    /// How often it was run again.
    pub reran: AtomicU32,
}

impl Ci {
    /// What is answered about Actions.
    fn says(&self, path: &str) -> (u16, &'static str) {
        let status =
            |failed: &'static str, runs: &'static str| if self.reran.load(Ordering::SeqCst) == 0 { failed } else { runs };
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        match path.rsplit('/').next() {
            Some("rerun") => {
                self.reran.fetch_add(1, Ordering::SeqCst);
                (201, "{}")
            }
            Some("runs") => (
                200,
                status(
                    r#"{"workflow_runs":[{"id":7,"status":"failure"}],"total_count":1}"#,
                    r#"{"workflow_runs":[{"id":7,"status":"running"}],"total_count":1}"#,
                ),
            ),
            Some("jobs") => (
                200,
                status(r#"[{"id":70,"name":"test","status":"failure"}]"#, r#"[{"id":70,"name":"test","status":"running"}]"#),
            ),
            _ => (404, r#"{"message":"log not found"}"#),
        }
    }
}

/// A proxy in front of a forge, for as long as it is kept.
pub struct Veil {
    pub url: String,
    /// The certificate of the authority, where it speaks TLS.
    pub authority: String,
    _tasks: JoinSet<()>,
}

struct Behind {
    forge: String,
    client: reqwest::Client,
    changes: Changes,
}

impl Veil {
    /// Passes everything on, with some changes.
    pub async fn changing(forge: &str, changes: Changes) -> Self {
        forgehand::forge::install_tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let behind = Arc::new(Behind { forge: forge.to_owned(), client, changes });
        let router = Router::new().fallback(pass).with_state(behind);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { url, authority: String::new(), _tasks: tasks }
    }

    /// Speaks TLS as `localhost`, by a certificate that no machine trusts.
    pub async fn private(forge: &str) -> Self {
        forgehand::forge::install_tls();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "An authority of our own");
        let authority_key = rcgen::KeyPair::generate().expect("a key");
        let authority_pem = authority.self_signed(&authority_key).expect("signed").pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().expect("a key");
        let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        let leaf = leaf.signed_by(&key, &issuer).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("a server")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let target = forge.trim_start_matches("http://").to_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, target) = (acceptor.clone(), target.clone());
                connections.spawn(async move {
                    // A client that does not trust us hangs up here.
                    let Ok(mut outer) = acceptor.accept(stream).await else { return };
                    let Ok(mut inner) = TcpStream::connect(&target).await else { return };
                    let _ended = copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        Self { url, authority: authority_pem, _tasks: tasks }
    }
}

async fn pass(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let body = to_bytes(body, 64 << 20).await.expect("a body");
    if let Some(ci) = behind.changes.ci.as_ref().filter(|_| path.contains("/actions/")) {
        let (status, said) = ci.says(path);
        return Response::builder().status(status).body(Body::from(said)).expect("an answer");
    }
    if let Some(said) = behind.changes.answers.to(path).filter(|_| parts.method == Method::GET) {
        return Response::builder().status(200).body(Body::from(said.to_string())).expect("an answer");
    }
    let mut hangs = false;
    if parts.method == Method::POST && path.ends_with("/merge") {
        match behind.changes.merges.next() {
            Some(AtMerge::Answered(status)) => {
                let said = if status < 400 { "" } else { r#"{"message":"","url":""}"# };
                let said = Response::builder().status(status).header("content-type", "application/json").body(Body::from(said));
                return said.expect("an answer");
            }
            Some(AtMerge::Hung { made: false }) => std::future::pending().await,
            Some(AtMerge::Hung { made: true }) => hangs = true,
            None => {}
            Some(AtMerge::Pushed { path, commit }) => {
                let by = parts.headers.get("authorization").expect("who asks says who that is");
                let post = behind.client.post(format!("{}/api/v1/{path}", behind.forge)).header("authorization", by);
                let said =
                    post.header("content-type", "application/json").body(commit.to_string()).send().await.expect("an answer");
                assert!(said.status().is_success(), "the commit was not taken: {said:?}");
            }
        }
    }
    let mut asked = behind.client.request(parts.method, format!("{}{path}", behind.forge)).timeout(Duration::from_secs(60));
    for (name, value) in
        parts.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length" | "transfer-encoding"))
    {
        asked = asked.header(name, value);
    }
    let answer = asked.body(body).send().await.expect("the forge answers");
    if hangs {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in
        answer.headers().iter().filter(|(name, _)| !matches!(name.as_str(), "content-length" | "transfer-encoding" | "date"))
    {
        response = response.header(name, value);
    }
    if let Some(date) = behind.changes.date.as_ref() {
        response = response.header("date", date);
    }
    let body = answer.bytes().await.expect("its body");
    let body = match behind.changes.version {
        Some(version) if path.ends_with("/api/v1/version") => format!("{{\"version\":\"{version}\"}}").into(),
        _ => body,
    };
    response.body(Body::from(body)).expect("an answer")
}
