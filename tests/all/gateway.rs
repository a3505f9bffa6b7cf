//! The proxy to the model against a scripted provider on loopback, and the proxy to the network.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use forgehand::gateway::{
    Address, CredentialSource, Door, Egress, EgressError, Gateway, GatewayError, Order, Prices, Upstream, Usage, Verdict,
    find_credentials,
};
use forgehand::model::{ModelCall, Timestamp, Usd};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

/// Far longer than anything here takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const MODEL: &str = "claude-sonnet-5";
const START: &str = r#"{"type":"message_start","message":{"usage":{"input_tokens":1000,"cache_read_input_tokens":2000,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1}}}"#;
const END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":500}}"#;

fn event(data: &str) -> String {
    format!("event: x\ndata: {data}\n\n")
}

fn delta(text: &str) -> String {
    event(&json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}).to_string())
}

fn sse(body: impl Into<Body>) -> Response {
    ([("content-type", "text/event-stream; charset=utf-8")], body.into()).into_response()
}

/// A request as the provider got it.
#[derive(Clone, Debug)]
struct Seen {
    uri: String,
    headers: HeaderMap,
    body: Bytes,
}

type Script = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

/// A provider that answers by a script and remembers what it was asked. Ends when dropped.
struct Provider {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _task: JoinSet<()>,
}

impl Provider {
    async fn new(script: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        async fn answer(State((script, seen)): State<(Script, Arc<Mutex<Vec<Seen>>>)>, request: Request) -> Response {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let request = Seen { uri: parts.uri.to_string(), headers: parts.headers, body };
            seen.lock().unwrap().push(request.clone());
            script(&request)
        }
        let seen = Arc::default();
        let script: Script = Arc::new(script);
        let router = Router::new().fallback(answer).with_state((script, Arc::clone(&seen)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, seen, _task: task }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A gateway with a client behind its socket.
struct Bench {
    gateway: Gateway,
    client: reqwest::Client,
    calls: mpsc::Receiver<ModelCall>,
    socket: PathBuf,
    _folder: TempDir,
}

fn order(base: &str, socket: &Path, calls: mpsc::Sender<ModelCall>) -> Order {
    Order {
        upstream: Upstream { base_url: base.parse().unwrap(), allow_http: false, credentials: None },
        door: Door::Socket(socket.to_owned()),
        models: vec![MODEL.to_owned()],
        budget: Usd::from_dollars(5.0),
        purse: Arc::default(),
        budget_call: Usd::from_dollars(1.0),
        prices: Arc::new(Prices::shipped()),
        calls,
    }
}

impl Bench {
    async fn new(base: &str, change: impl FnOnce(&mut Order)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("model.sock");
        let (sender, calls) = mpsc::channel(8);
        let mut order = order(base, &socket, sender);
        change(&mut order);
        let gateway = Gateway::open(order).await.unwrap();
        let client = reqwest::Client::builder().unix_socket(socket.clone()).build().unwrap();
        Self { gateway, client, calls, socket, _folder: folder }
    }

    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(format!("http://gateway{path}")).body(body.to_string())
    }

    async fn ask(&self) -> reqwest::Response {
        self.post("/v1/messages", &json!({"model": MODEL})).send().await.unwrap()
    }

    async fn call(&mut self) -> ModelCall {
        timeout(PATIENCE, self.calls.recv()).await.expect("no call was told").expect("the gateway ended")
    }
}

/// Asks in the provider's error form: its type and message.
async fn error(answer: reqwest::Response) -> (u16, String, String) {
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["type"], "error");
    let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
    (status, text("type"), text("message"))
}

fn env(name: &str, value: &str) -> Option<CredentialSource> {
    find_credentials(|asked| (asked == name).then(|| value.to_owned()), Some(name), None, Path::new("/nowhere"))
}

fn plain_answer(_: &Seen) -> Response {
    axum::Json(json!({"usage": {"input_tokens": 100, "output_tokens": 10}})).into_response()
}

#[tokio::test]
async fn the_clients_credentials_are_replaced_by_ours() {
    let provider = Provider::new(plain_answer).await;
    let base = format!("{}/proxied/", provider.base);
    let bench = Bench::new(&base, |order| order.upstream.credentials = env("KEY", "sk-ant-real")).await;
    let answer = bench
        .post("/v1/messages?beta=true", &json!({"model": MODEL, "x": 1}))
        .header("x-api-key", "dummy")
        .header("authorization", "Bearer dummy")
        .header("cookie", "dummy")
        .header("proxy-authorization", "dummy")
        .header("connection", "x-hop")
        .header("x-hop", "dummy")
        .header("accept-encoding", "gzip")
        .header("anthropic-version", "2023-06-01")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let [seen] = provider.seen().try_into().unwrap();
    assert_eq!(seen.uri, "/proxied/v1/messages?beta=true");
    assert_eq!(seen.headers["x-api-key"], "sk-ant-real");
    assert_eq!(seen.headers["anthropic-version"], "2023-06-01");
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert!(!format!("{:?}", seen.headers).contains("dummy"));
    assert_eq!(serde_json::from_slice::<Value>(&seen.body).unwrap(), json!({"model": MODEL, "x": 1}));
    assert!(!format!("{:?}", bench.gateway).contains("sk-ant-real"), "a secret stands in the debug output");
}

#[tokio::test]
async fn a_sign_in_is_sent_as_bearer_with_its_beta() {
    let provider = Provider::new(plain_answer).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".claude")).unwrap();
    let file = home.path().join(".claude/.credentials.json");
    std::fs::write(&file, r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-x","refreshToken":"r","expiresAt":1}}"#).unwrap();
    let source = find_credentials(|_| None, None, None, home.path());
    let bench = Bench::new(&provider.base, |order| order.upstream.credentials = source).await;
    let request = bench.post("/v1/messages", &json!({"model": MODEL}));
    request.header("anthropic-beta", "a-1,b-2").header("x-api-key", "dummy").send().await.unwrap();
    let [seen] = provider.seen().try_into().unwrap();
    assert_eq!(seen.headers["authorization"], "Bearer sk-ant-oat01-x");
    assert_eq!(seen.headers["anthropic-beta"], "a-1,b-2,oauth-2025-04-20");
    assert!(!seen.headers.contains_key("x-api-key"));
}

#[tokio::test]
async fn a_changed_key_file_counts_from_the_next_call_on() {
    let provider = Provider::new(plain_answer).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "first\n").unwrap();
    let bench = Bench::new(&provider.base, |order| order.upstream.credentials = Some(CredentialSource::File(file.clone()))).await;
    bench.ask().await;
    std::fs::write(&file, "other\n").unwrap();
    bench.ask().await;
    let keys: Vec<_> = provider.seen().iter().map(|seen| seen.headers["x-api-key"].clone()).collect();
    assert_eq!(keys, ["first", "other"]);

    std::fs::write(&file, "two words").unwrap();
    let (status, kind, message) = error(bench.ask().await).await;
    assert_eq!((status, kind.as_str()), (401, "authentication_error"));
    assert!(!message.contains("two words"));
    assert!(matches!(bench.gateway.verdict(), Verdict::Refused { why } if !why.contains("two words")));
    assert_eq!(provider.seen().len(), 2);
}

#[tokio::test]
async fn each_piece_arrives_before_the_next_is_sent() {
    let (send, pieces) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let pieces = Mutex::new(Some(pieces));
    let provider = Provider::new(move |_| {
        let pieces = pieces.lock().unwrap().take().unwrap();
        sse(Body::from_stream(ReceiverStream::new(pieces)))
    })
    .await;
    let mut bench = Bench::new(&provider.base, |_| {}).await;
    let mut answer = bench.ask().await.bytes_stream();
    for piece in [event(START), delta("hello"), event(END)] {
        send.send(Ok(Bytes::from(piece.clone()))).await.unwrap();
        let got = timeout(PATIENCE, answer.next()).await.expect("the piece is held back").unwrap().unwrap();
        assert_eq!(got, piece.as_bytes());
    }
    drop(send);
    assert!(answer.next().await.is_none());
    assert!(!bench.call().await.cut);
}

#[tokio::test]
async fn a_stream_is_metered() {
    let provider = Provider::new(|_| sse([event(START), delta("hello"), event(END)].concat())).await;
    let mut bench = Bench::new(&provider.base, |_| {}).await;
    bench.ask().await.bytes().await.unwrap();
    // 1000 * 2 + 2000 * 0.2 + 10 * 2.5 + 20 * 4 + 500 * 10 dollars for a million tokens.
    let cost = Usd(2000 + 400 + 25 + 80 + 5000);
    assert_eq!(bench.gateway.spent(), cost);
    let call = bench.call().await;
    let expected = ModelCall {
        model: MODEL.to_owned(),
        input: 1000,
        output: 500,
        cache_read: 2000,
        cache_write: 30,
        cost,
        status: Some(200),
        cut: false,
        unmetered: false,
        millis: call.millis,
    };
    assert_eq!(call, expected);
    assert_eq!(bench.gateway.verdict(), Verdict::Fine);
}

#[tokio::test]
async fn an_answer_in_one_piece_is_metered_and_counting_tokens_is_free() {
    let provider = Provider::new(|seen| {
        if seen.uri.ends_with("count_tokens") {
            axum::Json(json!({"input_tokens": 9})).into_response()
        } else {
            plain_answer(seen)
        }
    })
    .await;
    let mut bench = Bench::new(&provider.base, |_| {}).await;
    bench.ask().await;
    let call = bench.call().await;
    assert_eq!((call.input, call.output, call.cost, call.unmetered), (100, 10, Usd(300), false));
    let answer = bench.post("/v1/messages/count_tokens", &json!({"model": MODEL})).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["input_tokens"], 9);
    let call = bench.call().await;
    assert_eq!((call.cost, call.unmetered), (Usd(0), false));
    assert_eq!(bench.gateway.spent(), Usd(300));
}

#[tokio::test]
async fn missing_usage_counts_nothing_and_says_so() {
    let provider = Provider::new(|_| sse([delta("hello"), event(r#"{"type":"message_stop"}"#)].concat())).await;
    let mut bench = Bench::new(&provider.base, |_| {}).await;
    bench.ask().await.bytes().await.unwrap();
    let call = bench.call().await;
    assert!(call.unmetered);
    assert_eq!((call.input, call.output, call.cost), (0, 0, Usd(0)));
}

#[tokio::test]
async fn a_model_without_a_price_costs_what_the_dearest_does() {
    let provider = Provider::new(plain_answer).await;
    let mut bench = Bench::new(&provider.base, |order| order.models = vec!["local".to_owned()]).await;
    bench.post("/v1/messages", &json!({"model": "local"})).send().await.unwrap();
    assert_eq!(bench.call().await.cost, Usd(100 * 15 + 10 * 75));
    assert_eq!(bench.gateway.unpriced(), ["local"]);
}

#[tokio::test]
async fn a_stream_that_the_provider_breaks_off_is_told_as_cut() {
    let (send, pieces) = mpsc::channel(1);
    let pieces = Mutex::new(Some(pieces));
    let provider =
        Provider::new(move |_| sse(Body::from_stream(ReceiverStream::new(pieces.lock().unwrap().take().unwrap())))).await;
    let mut bench = Bench::new(&provider.base, |_| {}).await;
    let beginning = [event(START), delta(&"x".repeat(400))].concat();
    send.send(Ok(beginning)).await.unwrap();
    let mut answer = bench.ask().await.bytes_stream();
    answer.next().await.unwrap().unwrap();
    send.send(Err(std::io::Error::from(ErrorKind::BrokenPipe))).await.unwrap();
    let end = timeout(PATIENCE, answer.next()).await.expect("the client waits on");
    assert!(matches!(end, Some(Err(_))), "the client takes the answer for whole");
    let call = bench.call().await;
    assert!(call.cut);
    assert_eq!((call.input, call.output), (1000, 100));
    assert!(matches!(bench.gateway.verdict(), Verdict::Unreachable { .. }));
}

/// A provider that sends a beginning and then nothing, without an end.
async fn silent_after(beginning: String) -> Provider {
    Provider::new(move |_| {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(beginning.clone())]);
        sse(Body::from_stream(first.chain(futures_util::stream::pending())))
    })
    .await
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_call_and_pays_what_was_seen() {
    let provider = silent_after([event(START), delta(&"x".repeat(400))].concat()).await;
    let mut bench = Bench::new(&provider.base, |_| {}).await;
    let mut answer = bench.ask().await.bytes_stream();
    answer.next().await.unwrap().unwrap();
    drop((answer, std::mem::take(&mut bench.client)));
    let call = bench.call().await;
    assert!(call.cut);
    assert_eq!((call.input, call.output), (1000, 100));
    assert_eq!(bench.gateway.spent(), call.cost);
}

#[tokio::test]
async fn closing_cuts_what_is_under_way_and_loses_no_call() {
    let provider = silent_after(event(START)).await;
    // One more than the channel holds.
    let bench = Bench::new(&provider.base, |_| {}).await;
    let mut answers = Vec::new();
    for _ in 0..9 {
        let mut answer = bench.ask().await.bytes_stream();
        answer.next().await.unwrap().unwrap();
        answers.push(answer);
    }
    let Bench { gateway, mut calls, socket, .. } = bench;
    timeout(PATIENCE, gateway.close()).await.expect("closing hangs");
    assert!(!socket.exists());
    let mut told = 0;
    while let Some(call) = timeout(PATIENCE, calls.recv()).await.expect("the channel stays open") {
        assert!(call.cut);
        told += 1;
    }
    assert_eq!(told, 9);
}

#[tokio::test]
async fn a_spent_budget_refuses_the_next_call() {
    let provider = Provider::new(plain_answer).await;
    let bench = Bench::new(&provider.base, |order| order.budget = Usd(300)).await;
    assert_eq!(bench.ask().await.status(), 200);
    assert_eq!(bench.gateway.verdict(), Verdict::Fine);
    let (status, kind, _) = error(bench.ask().await).await;
    assert_eq!((status, kind.as_str()), (403, "permission_error"));
    assert!(matches!(bench.gateway.verdict(), Verdict::OverBudget { .. }));
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn a_stream_is_cut_when_it_passes_what_a_call_may_cost() {
    let provider = silent_after([event(START), delta(&"x".repeat(40_000))].concat()).await;
    let mut bench = Bench::new(&provider.base, |order| order.budget_call = Usd(10_000)).await;
    let body = timeout(PATIENCE, bench.ask().await.text()).await.expect("the stream is not cut").unwrap();
    let last = body.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\ndata: {") && last.contains("permission_error"), "{last}");
    let call = bench.call().await;
    assert!(call.cut && call.cost > Usd(10_000));
    assert!(matches!(bench.gateway.verdict(), Verdict::OverBudget { limit } if limit.contains("single call")));
}

#[tokio::test]
async fn an_answer_that_is_over_is_not_cut_for_its_price() {
    let provider = Provider::new(|_| sse([event(START), event(END), event(r#"{"type":"message_stop"}"#)].concat())).await;
    let mut bench = Bench::new(&provider.base, |order| order.budget = Usd(7000)).await;
    let body = bench.ask().await.text().await.unwrap();
    assert!(body.ends_with(&event(r#"{"type":"message_stop"}"#)));
    assert!(!bench.call().await.cut);
    assert_eq!(bench.ask().await.status(), 403);
}

#[tokio::test]
async fn only_messages_of_the_runs_models_pass() {
    let provider = Provider::new(plain_answer).await;
    let bench = Bench::new(&provider.base, |_| {}).await;
    for (path, body, status) in [
        ("/v1/messages", json!({"model": "claude-opus-5"}), 403),
        ("/v1/messages/count_tokens", json!({"model": "claude-opus-5"}), 403),
        ("/v1/messages", json!({"model": MODEL, "tools": [{"type": "web_search_20250305"}]}), 403),
        ("/v1/messages", json!({"messages": []}), 400),
        ("/v1/models", json!({"model": MODEL}), 404),
        ("/v1/messages/batches", json!({"model": MODEL}), 404),
        ("/v1/messages/", json!({"model": MODEL}), 404),
        ("/v1/files/../messages/x", json!({"model": MODEL}), 404),
        ("/", json!({"model": MODEL}), 404),
    ] {
        assert_eq!(error(bench.post(path, &body).send().await.unwrap()).await.0, status, "{path} {body}");
    }
    let get = bench.client.request(Method::GET, "http://gateway/v1/messages").send().await.unwrap();
    assert_eq!(error(get).await.0, 404);
    let none = Bench::new(&provider.base, |order| order.models.clear()).await;
    assert_eq!(error(none.ask().await).await.0, 403);
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_key_never_travels_in_the_open_unless_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |base: &str, allow_http: bool, credentials: Option<CredentialSource>| {
        let mut order = order(base, &folder.path().join("model.sock"), mpsc::channel(1).0);
        order.upstream = Upstream { base_url: base.parse().unwrap(), allow_http, credentials };
        Gateway::open(order).await
    };
    let key = || env("KEY", "sk-ant-real");
    assert!(matches!(open("http://models.example", false, key()).await, Err(GatewayError::PlainHttp(_))));
    assert!(matches!(open("http://127.0.0.1.evil.example", false, key()).await, Err(GatewayError::PlainHttp(_))));
    assert!(matches!(open("ftp://models.example", true, key()).await, Err(GatewayError::BaseUrl(_))));
    assert!(matches!(open("https://me:secret@models.example", false, key()).await, Err(GatewayError::BaseUrl(_))));
    assert!(matches!(open("https://models.example", false, None).await, Err(GatewayError::NoCredentials)));
    assert!(open("https://models.example", false, key()).await.is_ok());
    assert!(open("http://models.example", true, None).await.is_ok());
    assert!(open("http://localhost:11434", false, None).await.is_ok());
    assert!(open("http://[::1]:11434", false, None).await.is_ok());
    assert_eq!(Upstream::default().base_url.as_str(), "https://api.anthropic.com/");
}

#[tokio::test]
async fn a_usage_limit_tells_when_it_ends() {
    let answers = Mutex::new(vec![
        (StatusCode::TOO_MANY_REQUESTS, vec![("retry-after", "20")]),
        (StatusCode::TOO_MANY_REQUESTS, vec![("retry-after", "3600")]),
        (
            StatusCode::TOO_MANY_REQUESTS,
            vec![("anthropic-ratelimit-unified-status", "rejected"), ("anthropic-ratelimit-unified-reset", "1795240062")],
        ),
    ]);
    let provider = Provider::new(move |_| {
        let (status, headers) = answers.lock().unwrap().pop().unwrap();
        let mut answer = (status, r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#).into_response();
        for (name, value) in headers {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        answer
    })
    .await;
    let mut bench = Bench::new(&provider.base, |_| {}).await;
    let answer = bench.ask().await;
    assert_eq!(answer.headers()["anthropic-ratelimit-unified-reset"], "1795240062");
    assert_eq!(error(answer).await.0, 429);
    assert_eq!(bench.gateway.verdict(), Verdict::UsageLimit { until: Some(Timestamp(1_795_240_062_000)) });
    assert_eq!((bench.call().await.status, bench.gateway.spent()), (Some(429), Usd(0)));
    bench.ask().await.bytes().await.unwrap();
    assert!(matches!(bench.gateway.verdict(), Verdict::UsageLimit { until: Some(_) }));
    bench.ask().await.bytes().await.unwrap();
    assert!(matches!(bench.gateway.verdict(), Verdict::Unreachable { .. }));
}

#[tokio::test]
async fn refused_credentials_and_an_overloaded_provider_are_told_apart() {
    let status = Arc::new(Mutex::new(401));
    let now = Arc::clone(&status);
    let provider = Provider::new(move |seen| {
        let status = StatusCode::from_u16(*now.lock().unwrap()).unwrap();
        let key = seen.headers["x-api-key"].to_str().unwrap();
        let body = json!({"type": "error", "error": {"type": "authentication_error", "message": format!("bad {key}\u{7}")}});
        (status, axum::Json(body)).into_response()
    })
    .await;
    let mut bench = Bench::new(&provider.base, |order| order.upstream.credentials = env("KEY", "sk-ant-real")).await;
    bench.ask().await.bytes().await.unwrap();
    bench.call().await;
    assert_eq!(bench.gateway.verdict(), Verdict::Refused { why: "the provider answered 401: bad [key]".to_owned() });
    for overloaded in [529, 500] {
        *status.lock().unwrap() = overloaded;
        bench.ask().await.bytes().await.unwrap();
        bench.call().await;
        assert!(matches!(bench.gateway.verdict(), Verdict::Unreachable { why } if why.contains(&overloaded.to_string())));
    }
    *status.lock().unwrap() = 200;
    bench.ask().await.bytes().await.unwrap();
    assert_eq!(bench.gateway.verdict(), Verdict::Fine);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_a_502() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut bench = Bench::new(&format!("http://{gone}"), |_| {}).await;
    let (status, kind, message) = error(bench.ask().await).await;
    assert_eq!((status, kind.as_str()), (502, "api_error"));
    assert!(message.contains("refused"), "{message}");
    let call = bench.call().await;
    assert_eq!((call.status, call.cost, call.unmetered), (None, Usd(0), false));
    assert!(matches!(bench.gateway.verdict(), Verdict::Unreachable { .. }));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_not_passed_on() {
    let provider = Provider::new(|_| (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response()).await;
    let bench = Bench::new(&provider.base, |order| order.upstream.credentials = env("KEY", "sk-ant-real")).await;
    let answer = bench.ask().await;
    assert_eq!(answer.status(), 502);
    assert!(!answer.headers().contains_key("location"));
}

#[tokio::test]
async fn a_line_of_many_megabytes_passes_unharmed() {
    let huge = delta(&"y".repeat(8 * 1024 * 1024));
    let stream = [event(START), huge, event(END)].concat();
    let body = stream.clone();
    let provider = Provider::new(move |_| sse(body.clone())).await;
    let mut bench = Bench::new(&provider.base, |order| (order.budget, order.budget_call) = (Usd(u64::MAX), Usd(u64::MAX))).await;
    assert!(bench.ask().await.text().await.unwrap() == stream);
    assert_eq!(bench.call().await.output, 500);
}

#[tokio::test]
async fn the_socket_is_ours_alone_and_goes_with_the_gateway() {
    let bench = Bench::new("http://127.0.0.1:1", |_| {}).await;
    let mode = std::fs::metadata(&bench.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let socket = bench.socket.clone();
    assert!(matches!(bench.gateway.address(), Address::Socket(path) if *path == socket));
    drop(bench.gateway);
    assert!(!socket.exists());

    // What a killed daemon leaves behind is replaced; a file is not.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    drop(Gateway::open(order("http://127.0.0.1:1", &socket, mpsc::channel(1).0)).await.unwrap());
    std::fs::write(&socket, "mine").unwrap();
    let refused = Gateway::open(order("http://127.0.0.1:1", &socket, mpsc::channel(1).0)).await;
    assert!(matches!(refused, Err(GatewayError::Door { .. })));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "mine");
}

#[tokio::test]
async fn a_port_asks_for_the_runs_key() {
    let provider = Provider::new(plain_answer).await;
    let bench = Bench::new(&provider.base, |order| order.door = Door::Tcp).await;
    let Address::Tcp { url, key } = bench.gateway.address() else { panic!("not a port") };
    assert!(url.starts_with("http://127.0.0.1:"));
    let key = key.expose_secret();
    assert!(key.len() >= 64);
    let client = reqwest::Client::new();
    let ask = async |header: &str, value: &str| {
        let request = client.post(format!("{url}/v1/messages")).header(header, value);
        request.body(json!({"model": MODEL}).to_string()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("x-other", "").await, 401);
    assert_eq!(ask("x-api-key", "wrong").await, 401);
    assert_eq!(ask("x-api-key", &key[..key.len() - 1]).await, 401);
    assert_eq!(ask("authorization", "Bearer wrong").await, 401);
    assert_eq!(ask("x-api-key", key).await, 200);
    assert_eq!(ask("authorization", &format!("Bearer {key}")).await, 200);
    assert!(provider.seen().iter().all(|seen| !format!("{:?}", seen.headers).contains(key)));
    let other = Bench::new(&provider.base, |order| order.door = Door::Tcp).await;
    assert!(!matches!(other.gateway.address(), Address::Tcp { key: theirs, .. } if theirs.expose_secret() == key));
}

#[test]
fn credentials_are_found_where_they_were_named() {
    let home = tempfile::tempdir().unwrap();
    let both = |name: &str| matches!(name, "ANTHROPIC_API_KEY" | "MINE").then(|| name.to_lowercase());
    let named = |found: Option<CredentialSource>| match found {
        Some(CredentialSource::Env { variable, .. }) => variable,
        other => format!("{other:?}"),
    };
    assert_eq!(named(find_credentials(both, Some("MINE"), None, home.path())), "MINE");
    assert_eq!(named(find_credentials(both, None, None, home.path())), "ANTHROPIC_API_KEY");
    assert!(find_credentials(both, Some("UNSET"), None, home.path()).is_none(), "another account was used");
    let file = Some(Path::new("/key"));
    assert!(matches!(find_credentials(both, Some("UNSET"), file, home.path()), Some(CredentialSource::File(_))));
    let nothing = find_credentials(|_| None, None, None, home.path());
    assert!(matches!(&nothing, Some(CredentialSource::SignIn(_))), "a sign-in that comes later counts: {nothing:?}");
    assert!(nothing.unwrap().load().unwrap().is_none());
    assert!(CredentialSource::File("/not/there".into()).load().unwrap().is_none());
}

#[test]
fn the_shipped_prices_know_the_families() {
    let prices = Prices::shipped();
    let million = Usage { input: 1_000_000, output: 1_000_000, ..Usage::default() };
    for (model, dollars) in [
        ("claude-opus-5-5", 24.0),
        ("claude-opus-5", 30.0),
        ("claude-opus-4-8[1m]", 30.0),
        ("claude-opus-4-1-20250805", 90.0),
        ("claude-opus-4-20250514", 90.0),
        ("claude-sonnet-5-5", 12.0),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 18.0),
        ("claude-haiku-4-5-20251001", 6.0),
        ("claude-fable-5-1", 60.0),
        // A long prompt, which is dearer.
        ("claude-haiku-5-5", 3.0),
    ] {
        assert_eq!(prices.cost(model, million), Some(Usd::from_dollars(dollars)), "{model}");
    }
    let short = Usage { input: 100_000, output: 1_000_000, ..Usage::default() };
    assert_eq!(prices.cost("claude-haiku-5-5", short), Some(Usd::from_dollars(0.51)));
    assert_eq!(prices.cost("gpt-oss", million), None);
    assert_eq!(prices.dearest(million), Usd::from_dollars(90.0));
    // Part of a millionth is charged as a whole one.
    assert_eq!(prices.cost("claude-sonnet-5-5", Usage { cache_read: 1, ..Usage::default() }), Some(Usd(1)));
    assert!(
        Prices::parse("[[model]]\nmatch = ['x']\ninput = -1\noutput = 0\ncache_read = 0\ncache_write_5m = 0\ncache_write_1h = 0")
            .is_err()
    );
    assert!(Prices::parse("model = []").is_err());
}

/// A server that answers each connection with `hello` and what it was sent first.
async fn greeter() -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let body = format!("hello {request}");
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, tasks)
}

/// What the proxy answers to these bytes, as far as it comes before it hangs up or falls silent after its head.
async fn say(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        match timeout(PATIENCE, stream.read(&mut piece)).await.expect("no answer").unwrap() {
            0 => break,
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn only_listed_hosts_are_reached() {
    let (port, _greeter) = greeter().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("net.sock");
    let hosts = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}"), "crates.example".to_owned()];
    let egress = Egress::open(&socket, hosts).await.unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let connect = async |target: &str| {
        let answer = say(&socket, format!("CONNECT {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
        status(&answer).to_owned()
    };

    assert_eq!(connect(&format!("127.0.0.1:{port}")).await, "200");
    let refused = [
        "evil.example:443".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        "169.254.169.254:80".to_owned(),
        "Crates.example:443".to_owned(),
        "crates.example.:443".to_owned(),
        "crates.example:8443".to_owned(),
        // Listed, but only as a name, and that leads to this machine.
        format!("localhost:{port}"),
    ];
    for target in &refused {
        assert_eq!(connect(target).await, "403", "{target}");
    }
    for target in ["crates.example\0.evil.example:443", "evil.example%00.crates.example:443", "crates.example\t:443"] {
        assert_eq!(connect(target).await, "400", "{target:?}");
    }
    let mut expected = refused.to_vec();
    expected.sort();
    assert_eq!(egress.blocked(), expected);
    timeout(PATIENCE, egress.close()).await.expect("closing hangs");
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_ends_with_the_proxy() {
    let (port, _greeter) = greeter().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("net.sock");
    let egress = Egress::open(&socket, vec![format!("127.0.0.1:{port}")]).await.unwrap();
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = [0; 1024];
    let length = stream.read(&mut head).await.unwrap();
    assert!(head[..length].starts_with(b"HTTP/1.1 200"));
    stream.write_all(b"ping").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("hello ping"), "{answer}");

    let mut idle = UnixStream::connect(&socket).await.unwrap();
    idle.write_all(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let _ = idle.read(&mut head).await.unwrap();
    drop(egress);
    let ended = timeout(PATIENCE, idle.read(&mut head)).await.expect("the tunnel outlives the proxy");
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn plain_http_goes_to_the_address_that_was_judged() {
    let (port, _greeter) = greeter().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("net.sock");
    let egress = Egress::open(&socket, vec![format!("127.0.0.1:{port}")]).await.unwrap();
    let request = format!(
        "GET http://127.0.0.1:{port}/a?b HTTP/1.1\r\nhost: evil.example\r\nproxy-authorization: x\r\nconnection: close\r\n\r\n"
    );
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(status(&answer), "200", "{answer}");
    assert!(answer.contains("hello GET /a?b HTTP/1.1") && answer.contains(&format!("host: 127.0.0.1:{port}")), "{answer}");
    assert!(!answer.contains("evil.example") && !answer.contains("proxy-"));

    assert_eq!(status(&say(&socket, b"GET http://evil.example/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await), "403");
    assert_eq!(status(&say(&socket, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await), "400");
    assert_eq!(egress.blocked(), ["evil.example"]);
}

#[tokio::test]
async fn a_host_that_cannot_be_one_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Egress::open(&folder.path().join("net.sock"), vec!["ok.example".into(), "*.example".into()]).await;
    assert!(matches!(refused, Err(EgressError::Host(host)) if host == "*.example"));
}
