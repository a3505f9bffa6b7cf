//! The webhook: what a real delivery does, and what everything else does not. The daemon polls once an hour here, so whatever happens,
//! happens because of a delivery.

use std::collections::BTreeMap;
use std::time::Duration;

use forgehand::sandbox::Mode;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Plan, REPO, Rig, Started, until};

const SECRET: &str = "correct-horse-battery-staple";
const LISTEN: &str = "poll = \"1h\"\nlisten = \"127.0.0.1:0\"\nwebhook_secret_env = \"HOOK_SECRET\"";

/// A running daemon that listens.
struct Site {
    rig: Rig,
    daemon: Started,
    url: String,
    client: reqwest::Client,
}

impl Site {
    async fn start(plan: Plan) -> Self {
        let rig = plan.mode(Mode::None).env("HOOK_SECRET", SECRET).rig().await.expect("it needs nothing");
        let daemon = rig.start(&["run"]);
        let address = until("the address it listens on", || listens(&rig)).await;
        until("the first look", || rig.story().contains("learned the project").then_some(())).await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let site = Self { rig, daemon, url: format!("http://{address}"), client };
        site.looked().await;
        site
    }

    /// Waits until the start's looks are over: nothing is asked any more until somebody wakes.
    async fn looked(&self) {
        let looked = |r: &forgehand::model::Record| matches!(r.event, forgehand::model::Event::Looked { .. });
        until("the first look's end", || self.rig.records().iter().any(looked).then_some(())).await;
    }

    /// As the forge sends it, with this signature under this name.
    async fn post(&self, body: &str, name: &'static str, signature: &str) -> StatusCode {
        let request = self.client.post(format!("{}/hooks/forgejo", self.url)).header(name, signature).body(body.to_owned());
        request.send().await.expect("an answer").status()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("a text"))
    }

    async fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        samples(&text)
    }

    async fn hook(&self) {
        let config = json!({ "url": format!("{}/hooks/forgejo", self.url), "content_type": "json", "secret": SECRET });
        let hook =
            json!({ "type": "forgejo", "active": true, "events": ["issues", "issue_comment", "pull_request"], "config": config });
        self.rig.seed.api("owner", "POST", &format!("repos/{REPO}/hooks"), hook).await.expect("a hook");
    }
}

/// Where the daemon listens, as it says in its log.
pub fn listens(rig: &Rig) -> Option<String> {
    let log = rig.left_in("logs").into_iter().next()?;
    let text = std::fs::read_to_string(rig.state_dir().join("logs").join(log)).ok()?;
    let (_, rest) = text.split_once("forgehand listens address=")?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn sign(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    hex::encode(mac.chain_update(body.as_bytes()).finalize().into_bytes())
}

fn about(repo: &str) -> String {
    json!({ "action": "label_updated", "number": 1, "repository": { "full_name": repo }, "sender": { "login": "mallory" } })
        .to_string()
}

/// Reads Prometheus' text, and holds it to its rules: each sample belongs to a family that was announced, each name and label is one.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut families = BTreeMap::new();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is announced twice");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a sample and its value");
        let name = series.split('{').next().expect("a name");
        assert!(name.starts_with("forgehand_") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).filter(|f| families.contains_key(*f));
        assert!(families.contains_key(family.unwrap_or(name)), "{line} belongs to no family");
        assert!(found.insert(series.to_owned(), value.parse().expect("a number")).is_none(), "{line} is there twice");
    }
    found
}

fn deliveries(metrics: &BTreeMap<String, f64>, result: &str) -> f64 {
    metrics[&format!("forgehand_webhook_deliveries_total{{result=\"{result}\"}}")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_puts_an_agent_to_work_at_once_and_it_is_measured() {
    let site = Site::start(Plan::new("webhook::a_label_puts_an_agent").daemon(LISTEN)).await;
    let rig = &site.rig;
    site.hook().await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    until("the end of the run", || rig.claims().is_empty().then_some(())).await;

    let kept = std::fs::read_to_string(rig.state_dir().join("deliveries.json")).expect("what arrived is kept");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert!(kept["delivered"][REPO].is_i64(), "{kept}");
    let measured = async |name: &str| site.metrics().await.get(name).copied().unwrap_or_else(|| panic!("{name} is not there"));
    assert!(deliveries(&site.metrics().await, "accepted") >= 1.0);
    assert_eq!(measured("forgehand_runs_total{outcome=\"succeeded\"}").await, 2.0, "triage and fix");
    assert_eq!(measured("forgehand_runs_total{outcome=\"crashed\"}").await, 0.0);
    assert!(measured("forgehand_forge_requests_total{method=\"POST\"}").await >= 3.0);
    assert_eq!(measured("forgehand_model_call_duration_seconds_count").await, 0.0, "a script calls no model");
    let at_pr = format!("forgehand_issues{{project=\"{REPO}\",state=\"pr\"}}");
    loop {
        // Measured once a second.
        if measured(&at_pr).await == 1.0 {
            break;
        }
    }
    assert_eq!(measured(&format!("forgehand_queue_oldest_age_seconds{{project=\"{REPO}\"}}")).await, 0.0);
    assert_eq!(site.get("/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_oversized_slow_or_about_others_changes_nothing() {
    let mut site = Site::start(Plan::new("webhook::what_is_forged").daemon(LISTEN)).await;
    // It is labelled, and nobody told the daemon: it sees that as soon as anything makes it look.
    let number = site.rig.issue("Total is wrong", "2 and 2 gives 5", &["portal", "interactive"]).await;
    let (asked, journalled) = (site.rig.forge.request_count(), site.rig.records().len());
    let body = about(REPO);
    for (name, signature) in [
        ("x-forgejo-signature", sign("another secret", &body)),
        ("x-forgejo-signature", sign(SECRET, "another body")),
        ("x-forgejo-signature", sign(SECRET, &body)[..62].to_owned()),
        ("x-forgejo-signature", "not even hex".to_owned()),
        ("x-hub-signature-256", format!("sha256={}", sign("", &body))),
    ] {
        assert_eq!(site.post(&body, name, &signature).await, StatusCode::UNAUTHORIZED, "{name}: {signature}");
    }
    for name in ["x-forgejo-signature", "x-hub-signature", "authorization"] {
        assert_eq!(site.post(&body, name, "").await, StatusCode::UNAUTHORIZED, "an empty {name}");
    }
    let large = format!("{{\"pad\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(site.post(&large, "x-forgejo-signature", &sign(SECRET, &large)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(site.post("payload=1", "x-forgejo-signature", &sign(SECRET, "payload=1")).await, StatusCode::BAD_REQUEST);
    for other in [about("owner/other"), about("../app"), json!({ "action": "completed" }).to_string()] {
        assert_eq!(site.post(&other, "x-forgejo-signature", &sign(SECRET, &other)).await, StatusCode::NO_CONTENT, "{other}");
    }
    assert_eq!(site.get("/hooks/forgejo").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(slow(&site, &body).await, "HTTP/1.1 408");
    assert!(chunked(&site).await.starts_with("HTTP/1.1 413"), "a length that is not announced is counted");
    assert_eq!((site.rig.forge.request_count(), site.rig.records().len()), (asked, journalled), "nobody looked");

    // The genuine one, under the forge's other name, spelt as the forge may.
    let genuine = about("Owner/App");
    assert_eq!(site.post(&genuine, "x-gitea-signature", &sign(SECRET, &genuine)).await, StatusCode::ACCEPTED);
    until("the look", || site.rig.story().contains("found standing: interactive").then_some(())).await;
    let metrics = site.metrics().await;
    let counted = ["accepted", "ignored", "wrong_signature", "unsigned", "too_large", "too_slow", "unreadable"]
        .map(|result| deliveries(&metrics, result));
    assert_eq!(counted, [1.0, 3.0, 5.0, 3.0, 2.0, 1.0, 1.0]);
    assert_eq!(site.rig.labels(number), ["interactive"]);

    // A sender that never ends does not hold up the daemon's end.
    let mut open = tokio::net::TcpStream::connect(site.url.trim_start_matches("http://")).await.expect("a connection");
    open.write_all(b"POST /hooks/forgejo HTTP/1.1\r\nhost: x\r\n").await.expect("half a head");
    site.daemon.term();
    until("the end", || site.daemon.ended().then_some(())).await;
    let log: String = site
        .rig
        .left_in("logs")
        .iter()
        .map(|f| std::fs::read_to_string(site.rig.state_dir().join("logs").join(f)).expect("a log"))
        .collect();
    assert!(!log.contains(SECRET) && !log.contains("mallory"));
}

/// Announces a body and sends a part of it; answers with what came back.
async fn slow(site: &Site, body: &str) -> String {
    let head = format!(
        "POST /hooks/forgejo HTTP/1.1\r\nhost: x\r\nx-forgejo-signature: {}\r\ncontent-length: {}\r\n\r\n{}",
        sign(SECRET, body),
        body.len(),
        &body[..10]
    );
    raw(site, head.as_bytes()).await
}

/// More than is read, in pieces whose sum nobody announced.
async fn chunked(site: &Site) -> String {
    let mut text = format!(
        "POST /hooks/forgejo HTTP/1.1\r\nhost: x\r\nx-forgejo-signature: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        "ab".repeat(32)
    );
    for _ in 0..17 {
        text += &format!("10000\r\n{}\r\n", "y".repeat(1 << 16));
    }
    raw(site, text.as_bytes()).await
}

async fn raw(site: &Site, bytes: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(site.url.trim_start_matches("http://")).await.expect("a connection");
    // What was refused is not read to its end.
    let _ = stream.write_all(bytes).await;
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(60), stream.read_exact(&mut answer))
        .await
        .expect("an answer in time")
        .expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bursts_replays_and_reordered_ones_are_a_few_looks_and_no_change() {
    let site = Site::start(Plan::new("webhook::bursts").daemon(LISTEN)).await;
    let rig = &site.rig;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal", "interactive"]).await;
    let body = about(REPO);
    assert_eq!(site.post(&body, "x-forgejo-signature", &sign(SECRET, &body)).await, StatusCode::ACCEPTED);
    let seen = |number: u64| {
        rig.records()
            .iter()
            .any(|r| matches!(&r.event, forgehand::model::Event::Seen { subject, .. } if subject.issue.0 == number))
    };
    until("the look", || seen(number).then_some(())).await;
    let (asked, journalled) = (rig.forge.request_count(), rig.records().len());
    let signature = sign(SECRET, &body);
    for _ in 0..10 {
        let burst = futures_util::future::join_all((0..20).map(|_| site.post(&body, "x-forgejo-signature", &signature))).await;
        assert!(burst.iter().all(|status| *status == StatusCode::ACCEPTED), "{burst:?}");
    }
    assert_eq!(rig.records().len(), journalled, "200 deliveries, and nothing to journal");
    // A look that is told of something new comes after all that the burst asked for.
    let other = rig.issue("Another", "text", &["portal", "interactive"]).await;
    site.post(&body, "x-forgejo-signature", &signature).await;
    until("the last look", || seen(other).then_some(())).await;
    let taken = rig.forge.request_count() - asked;
    assert!(taken < 100, "{taken} requests for 200 deliveries: that is a look for each second one");
    assert_eq!(rig.labels(number), ["interactive"]);
    assert_eq!(rig.turns("read"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_no_delivery_is_taken_and_metrics_stay_on_this_machine() {
    let site = Site::start(Plan::new("webhook::without_a_secret").daemon("poll = \"1h\"\nlisten = \"127.0.0.1:0\"")).await;
    let body = about(REPO);
    let asked = site.rig.forge.request_count();
    for signature in [String::new(), sign("", &body), sign(SECRET, &body)] {
        assert_eq!(site.post(&body, "x-forgejo-signature", &signature).await, StatusCode::FORBIDDEN);
    }
    let metrics = site.metrics().await;
    assert_eq!((deliveries(&metrics, "no_secret"), deliveries(&metrics, "accepted")), (3.0, 0.0));
    assert_eq!(site.rig.forge.request_count(), asked);
    let through = site.client.get(format!("{}/metrics", site.url)).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(through.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    let said = site.rig.run(&["status"]).await.ok();
    assert!(said.out.contains("! webhook: a delivery was turned away"), "{}", said.out);
}

/// A port that nobody has just now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_moves_and_its_secret_changes_while_the_daemon_runs() {
    let (first, second) = (free_port(), free_port());
    let listen = |port: u16| format!("listen = \"127.0.0.1:{port}\"");
    let plan = Plan::new("webhook::the_door_moves").mode(Mode::None).daemon("poll = \"1h\"\nwebhook_secret_file = \"secret\"");
    let rig = plan.rig().await.expect("it needs nothing");
    rig.reconfigure("poll = ", &format!("{}\npoll = ", listen(first)));
    let secret = |text: &str| std::fs::write(rig.dir.path().join("secret"), text).expect("a secret");
    secret("the first secret");
    let running = rig.start(&["run"]);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let body = about(REPO);
    let post = async |port: u16, secret: &str| {
        let request = client.post(format!("http://127.0.0.1:{port}/hooks/forgejo")).body(body.clone());
        Some(request.header("x-forgejo-signature", sign(secret, &body)).send().await.ok()?.status())
    };
    let until_post = async |port: u16, secret: &str, expected: Option<StatusCode>| {
        let waiting = async {
            while post(port, secret).await != expected {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(120), waiting).await;
        waited.unwrap_or_else(|_| panic!("waited in vain for {expected:?} on {port} by {secret}"));
    };
    until_post(first, "the first secret", Some(StatusCode::ACCEPTED)).await;
    secret("the second secret");
    until_post(first, "the second secret", Some(StatusCode::ACCEPTED)).await;
    assert_eq!(post(first, "the first secret").await, Some(StatusCode::UNAUTHORIZED));

    // One that somebody else has: all stays as it is, and it is said.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = listen(taken.local_addr().expect("an address").port());
    rig.reconfigure(&listen(first), &other);
    let report = || std::fs::read_to_string(rig.state_dir().join("configuration.json")).unwrap_or_default();
    until("a report", || report().contains("cannot be listened on").then_some(())).await;
    assert_eq!(post(first, "the second secret").await, Some(StatusCode::ACCEPTED));

    rig.reconfigure(&other, &listen(second));
    until_post(second, "the second secret", Some(StatusCode::ACCEPTED)).await;
    until_post(first, "the second secret", None).await;
    // The same port for all of the machine is free only when the old door is closed.
    rig.reconfigure(&listen(second), &format!("listen = \"0.0.0.0:{second}\""));
    until("a report", || report().contains("`listen` of [daemon]").then_some(())).await;
    assert_eq!(post(second, "the second secret").await, Some(StatusCode::ACCEPTED));
    rig.reconfigure(&format!("listen = \"0.0.0.0:{second}\""), "");
    until_post(second, "the second secret", None).await;
    running.term();
    assert!(running.wait().await.success());
}
