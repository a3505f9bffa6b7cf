//! Spans by OTLP, seen by a collector on loopback.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use forgehand::sandbox::Mode;

use crate::rig::Plan;

type Got = Arc<Mutex<Vec<u8>>>;

async fn take(State(got): State<Got>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    got.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_its_steps_and_its_requests_are_spans() {
    let got = Got::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its number"));
    let router = Router::new().route("/v1/traces", post(take)).with_state(got.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.expect("served") });

    let plan = Plan::new("otlp::a_run").mode(Mode::None).env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let rig = plan.rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "a body nobody traces", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let spans = String::from_utf8_lossy(&got.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    let labels = format!("POST repos/owner/app/issues/{number}/labels");
    for name in
        ["service.name", "forgehand", "fix", "prepare", "agent", "verify", "push", "look", &labels, "outcome", "succeeded"]
    {
        assert!(spans.contains(name), "no span says {name}");
    }
    let token = std::fs::read_to_string(rig.dir.path().join("token")).expect("the token");
    for secret in [token.trim(), "a body nobody traces", "Total is wrong"] {
        assert!(!spans.contains(secret), "{secret} is in a span");
    }
}
