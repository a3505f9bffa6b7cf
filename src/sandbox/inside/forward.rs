//! Carries ports of the sandbox's own loopback to Unix sockets of the host, byte for byte and unbuffered.
//!
//! A connection takes two threads, one for each direction. When one side ends its half, the other side's half is ended, so that a
//! streamed answer still comes through after the request is done.

use std::ffi::OsString;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::super::wire::PortForward;

/// More connections at once than an agent needs; the rest are closed at once, which only the agent feels.
const CONNECTIONS: usize = 256;
/// Threads here only copy.
const STACK: usize = 64 << 10;

/// Listens on each port. The program must not start before: it may call at once.
pub(super) fn listen(forwards: Vec<PortForward>) -> io::Result<()> {
    for PortForward { address, port, socket } in forwards {
        let listener = TcpListener::bind((address, port))
            .map_err(|error| io::Error::other(format!("port {port} of the sandbox: {error}")))?;
        thread::Builder::new().stack_size(STACK).spawn(move || accept(&listener, &socket))?;
    }
    Ok(())
}

fn accept(listener: &TcpListener, socket: &OsString) {
    let open = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming().flatten() {
        if open.load(Ordering::Relaxed) >= CONNECTIONS {
            continue;
        }
        let Ok(host) = UnixStream::connect(socket) else { continue };
        let connection = Arc::new(Connection { client, host, open: Arc::clone(&open) });
        open.fetch_add(1, Ordering::Relaxed);
        let upward = Arc::clone(&connection);
        // Without a thread the connection is dropped, and thereby closed.
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || upward.upward());
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || connection.downward());
    }
}

struct Connection {
    client: TcpStream,
    host: UnixStream,
    open: Arc<AtomicUsize>,
}

impl Connection {
    fn upward(&self) {
        // A broken connection is told to the other side by its end, like a finished one.
        let _ = io::copy(&mut &self.client, &mut &self.host);
        let _ = self.host.shutdown(Shutdown::Write);
    }

    fn downward(&self) {
        let _ = io::copy(&mut &self.host, &mut &self.client);
        let _ = self.client.shutdown(Shutdown::Write);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
