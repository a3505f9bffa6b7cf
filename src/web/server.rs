//! Connections: counted, timed, and ended in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Peer;
use crate::ports::OpenDoor;

/// Connections that are open at a time; more wait in the queue of the kernel.
const MOST_CONNECTIONS: usize = 64;
/// How long a head may take to come, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection is kept at all; then it ends after the answer that is under way.
const LIFE: Duration = Duration::from_secs(120);
/// How long answers under way may take at the end.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a failed `accept`: out of descriptors, mostly, and those come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A server that listens.
pub(super) struct Server {
    address: SocketAddr,
    connections: TaskTracker,
    tasks: JoinSet<()>,
}

/// Listens, and serves from then on.
pub(super) async fn open(listen: SocketAddr, router: Router, stop: CancellationToken) -> io::Result<Server> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let connections = TaskTracker::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, router, connections.clone(), stop));
    Ok(Server { address, connections, tasks })
}

#[async_trait]
impl OpenDoor for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn closed(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        // Every connection ends itself by then.
        self.connections.wait().await;
    }
}

async fn accept(listener: TcpListener, router: Router, connections: TaskTracker, stop: CancellationToken) {
    let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let seat = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            seat = Arc::clone(&seats).acquire_owned() => seat,
        };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (router, stop) = (router.clone().layer(Extension(Peer(peer))), stop.clone());
        connections.spawn(async move {
            let _seat = seat;
            converse(stream, router, stop).await;
        });
    }
    connections.close();
}

async fn converse(stream: TcpStream, router: Router, stop: CancellationToken) {
    // An answer is small, and whoever waits for it should not wait for a full packet.
    let _slower_otherwise = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    // A client that hangs up is no error of ours.
    tokio::select! {
        biased;
        _ended = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _cut = tokio::time::timeout(GRACE, connection).await;
}
