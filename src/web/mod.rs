//! The door for others: `POST /hooks/forgejo`, `GET /metrics`, `GET /healthz`.
//!
//! Promises: a webhook only wakes. Of its body nothing is read before the signature over the raw body is found right, and then at most the
//! repository's name; so forged ones do nothing, and replayed or reordered ones no more than one look too many. Nobody can hold up the daemon:
//! connections are counted, a head or a body that does not come is not waited for, a body is read up to a limit. Metrics are for this
//! machine: what comes from elsewhere, or through a proxy, does not get them.

mod hook;
mod server;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::ports::{DoorOrder, Doors, OpenDoor, Visits};

/// The door, served by axum.
#[derive(Debug)]
pub struct Web;

#[async_trait]
impl Doors for Web {
    async fn open(&self, order: DoorOrder) -> io::Result<Box<dyn OpenDoor>> {
        let DoorOrder { listen, visits, stop } = order;
        let router = router(Inside { visits });
        Ok(Box::new(server::open(listen, router, stop).await?))
    }
}

/// What the handlers know.
#[derive(Clone)]
struct Inside {
    visits: Arc<dyn Visits>,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

fn router(inside: Inside) -> Router {
    Router::new()
        .route("/hooks/forgejo", post(hook::delivery))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state(inside)
}

async fn metrics(State(inside): State<Inside>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    if !is_near(peer.0.ip(), &headers) {
        return (StatusCode::FORBIDDEN, "metrics are served to this machine only, and not through a proxy\n").into_response();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], inside.visits.metrics()).into_response()
}

/// From this machine, and not on behalf of another one.
fn is_near(peer: IpAddr, headers: &HeaderMap) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    peer.to_canonical().is_loopback() && !forwarded
}

async fn health(State(inside): State<Inside>) -> Response {
    match inside.visits.health() {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_through_a_proxy_is_not_near() {
        let near = |ip: &str, header: Option<&'static str>| {
            let headers = header.map(|name| (name.parse().expect("a name"), "x".parse().expect("a value")));
            is_near(ip.parse().expect("an address"), &headers.into_iter().collect())
        };
        assert!(near("127.0.0.1", None) && near("::1", None) && near("::ffff:127.0.0.1", None));
        assert!(!near("192.0.2.7", None) && !near("::ffff:192.0.2.7", None));
        assert!(!near("127.0.0.1", Some("x-forwarded-for")) && !near("::1", Some("forwarded")));
    }
}
