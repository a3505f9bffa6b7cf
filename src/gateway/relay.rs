//! Carries connections from a sandbox to one address of this machine's loopback: a service that a project's tests need.
//!
//! Whoever is inside names nothing: what connects to the socket gets to that address and to no other. Bytes pass as they are; when one
//! side has ended its half, the other side's half is ended.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::door::{self, Listener, SocketFile};

/// How long a connection to the service may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Connections that are open at a time; more wait.
const MOST_CONNECTIONS: usize = 128;
/// Pause after a failed `accept`: out of descriptors, mostly, and those come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A way to one service. Its connections end with it.
#[derive(Debug)]
pub struct Relay {
    tasks: TaskTracker,
    stop: CancellationToken,
    _file: SocketFile,
}

impl Relay {
    /// Listens on a socket of mode 0600 and carries what comes to the address. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If the socket cannot be listened on.
    pub async fn open(socket: &Path, to: SocketAddrV4) -> io::Result<Self> {
        let (listener, file) = door::bind_socket(socket)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(accept(Listener::Unix(listener), SocketAddr::V4(to), tasks.clone(), stop.clone()));
        Ok(Self { tasks, stop, _file: file })
    }

    /// Ends all connections and waits until they are gone.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: Listener, to: SocketAddr, tasks: TaskTracker, stop: CancellationToken) {
    let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The semaphore is never closed, so there is always a seat in the end.
        let next = async { (Arc::clone(&seats).acquire_owned().await, listener.accept().await) };
        let (seat, inside) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = next => next,
        };
        let Ok(mut inside) = inside else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let stop = stop.clone();
        tasks.spawn(async move {
            let _seat = seat;
            let carry = async {
                // A service that is not there is a connection that ends at once, as without a sandbox.
                let Ok(Ok(mut service)) = timeout(CONNECT, TcpStream::connect(to)).await else { return };
                let _told_by_its_end = tokio::io::copy_bidirectional(&mut inside, &mut service).await;
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = carry => {}
            }
        });
    }
}
