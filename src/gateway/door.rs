//! How requests come in: a Unix socket or a loopback port, HTTP/1.1 behind it, and refusals in the provider's own form.
//!
//! The socket gets its mode between `bind` and `listen`, so that nobody can connect while it is still as open as the umask left it.
//! Nobody can hold up the daemon: connections are counted, and a head that does not come is not waited for.

use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that are open at a time; more wait in the queue of the kernel.
const MOST_CONNECTIONS: usize = 64;
/// How long a connection may be silent before a request.
const HEAD: Duration = Duration::from_secs(120);
/// Pause after a failed `accept`: out of descriptors, mostly, and those come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Connections that the kernel queues.
const BACKLOG: i32 = 128;

/// A body that comes when it comes.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Where connections come from.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A socket's file, removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is just as well, and there is nobody to tell of anything else.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listens on a new socket that only our own user can connect to. A socket that a killed daemon left there is replaced; anything else
/// in its place is an error.
pub(super) fn bind_socket(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file in the socket's place")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &address)?;
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Serves connections until `stop`, each request by `handler`. Open connections are then dropped.
pub(super) async fn serve<H, F>(listener: Listener, handler: H, tasks: TaskTracker, stop: CancellationToken)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The semaphore is never closed, so there is always a seat in the end.
        let seat = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            seat = Arc::clone(&seats).acquire_owned() => seat,
        };
        let connection = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            connection = listener.accept() => connection,
        };
        let Ok(stream) = connection else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (handler, stop) = (handler.clone(), stop.clone());
        tasks.spawn(async move {
            let _seat = seat;
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = converse(stream, handler) => {}
            }
        });
    }
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

async fn converse<H, F>(stream: Box<dyn Stream>, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEAD).serve_connection(TokioIo::new(stream), service);
    // A client that hangs up is no error of ours, and what it asked for is recorded elsewhere.
    if let Err(error) = connection.with_upgrades().await {
        tracing::trace!(%error, "a connection of the gateway broke off");
    }
}

/// A refusal in the provider's form, which the client knows how to read.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
            status if status.is_client_error() => "invalid_request_error",
            _ => "api_error",
        };
        Self { status, kind, message: message.into() }
    }

    /// The error as JSON.
    pub(super) fn json(&self) -> String {
        json!({"type": "error", "error": {"type": self.kind, "message": format!("forgehand: {}", self.message)}}).to_string()
    }
}

impl From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Self {
        let body = Full::new(Bytes::from(refusal.json())).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = refusal.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
