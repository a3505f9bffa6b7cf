//! The proxy to the hosts that a sandbox may reach: `CONNECT` for TLS and whatever else, absolute addresses for plain HTTP.
//!
//! A host is found on the list by its exact spelling, resolved here, and the connection goes to the very address that was looked at, so
//! that a name which resolves differently the next moment changes nothing. What a listed host serves beside its own content is beyond
//! this proxy: it sees names, not what travels inside TLS.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::door::{self, Body, Listener, Refusal, SocketFile};
use super::hosts::{Host, Hosts, is_public};
use super::proxy::{broken_off, drop_hop_by_hop};

/// How long a look-up and a connection may take, each.
const CONNECT: Duration = Duration::from_secs(10);
/// Tunnels that are open at a time.
const MOST_TUNNELS: usize = 64;
/// Refused hosts that are remembered, and characters of each.
const MOST_BLOCKED: usize = 100;
const LONGEST_BLOCKED: usize = 260;

/// A proxy on a Unix socket to exactly the listed hosts. Its connections end with it.
#[derive(Debug)]
pub struct Egress {
    outside: Arc<Outside>,
    _file: SocketFile,
}

/// Why the proxy cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// An entry of the list is no host.
    #[error("`{0}` cannot be a host to reach: write `name` or `name:port`, in lower case, without patterns or a dot at the end")]
    Host(String),
    /// The socket cannot be listened on.
    #[error("cannot listen for the sandbox's network on {}: {why}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

#[derive(Debug)]
struct Outside {
    hosts: Hosts,
    blocked: Mutex<BTreeSet<String>>,
    tunnels: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Egress {
    /// Opens the proxy on a socket of mode 0600, for hosts `name` (ports 443 and 80) or `name:port`. A name leads to public addresses only;
    /// another one has to be listed as such, `10.0.0.5:8080`. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If an entry is no host, or the socket cannot be listened on.
    pub async fn open(socket: &Path, hosts: Vec<String>) -> Result<Self, EgressError> {
        let hosts = Hosts::read(&hosts).map_err(EgressError::Host)?;
        let (listener, file) = door::bind_socket(socket).map_err(|why| EgressError::Socket { path: socket.to_owned(), why })?;
        let outside = Arc::new(Outside {
            hosts,
            blocked: Mutex::default(),
            tunnels: Arc::new(Semaphore::new(MOST_TUNNELS)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let asked = Arc::clone(&outside);
        let handler = move |request| {
            let outside = Arc::clone(&asked);
            async move { outside.answer(request).await.unwrap_or_else(Response::from) }
        };
        outside.tasks.spawn(door::serve(Listener::Unix(listener), handler, outside.tasks.clone(), outside.stop.clone()));
        Ok(Self { outside, _file: file })
    }

    /// What was asked for and refused, `host:port`, each once and without control characters.
    pub fn blocked(&self) -> Vec<String> {
        self.outside.blocked.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Ends all connections and waits until they are gone.
    pub async fn close(self) {
        self.outside.stop();
        self.outside.tasks.wait().await;
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.outside.stop();
    }
}

impl Outside {
    fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        if request.method() == Method::CONNECT {
            let target = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let stream = self.reach(&target, None).await?;
            return self.tunnel(request, stream);
        }
        match (request.uri().scheme_str(), request.uri().authority()) {
            (Some("http"), Some(authority)) => {
                let target = authority.to_string();
                let stream = self.reach(&target, Some(80)).await?;
                self.forward(request, &target, stream).await
            }
            _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "this is a proxy: use CONNECT, or an absolute http address")),
        }
    }

    /// A connection to a listed host.
    async fn reach(&self, target: &str, usual_port: Option<u16>) -> Result<TcpStream, Refusal> {
        let Some((host, port)) = self.hosts.find(target, usual_port) else {
            return Err(self.block(target, "is not among the hosts that may be reached (`network`)"));
        };
        let addresses: Vec<SocketAddr> = match host {
            Host::Address(ip) => vec![SocketAddr::new(ip, port)],
            Host::Name(name) => {
                let found = timeout(CONNECT, tokio::net::lookup_host((name.as_str(), port))).await;
                let found: Vec<_> = found.map_err(|_| unreachable(target))?.map_err(|_| unreachable(target))?.collect();
                let public: Vec<_> = found.iter().copied().filter(|address| is_public(address.ip())).collect();
                if public.is_empty() && !found.is_empty() {
                    return Err(self.block(target, "leads to a private address; such a host has to be listed by its address"));
                }
                public
            }
        };
        match timeout(CONNECT, TcpStream::connect(addresses.as_slice())).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(_)) | Err(_) => Err(unreachable(target)),
        }
    }

    fn block(&self, target: &str, why: &str) -> Refusal {
        let shown: String = target.chars().filter(|c| !c.is_control()).take(LONGEST_BLOCKED).collect();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if blocked.len() < MOST_BLOCKED {
            blocked.insert(shown.clone());
        }
        Refusal::new(StatusCode::FORBIDDEN, format!("`{shown}` {why}"))
    }

    /// Lets bytes pass both ways until either side has ended.
    fn tunnel(&self, request: Request<Incoming>, mut outside: TcpStream) -> Result<Response<Body>, Refusal> {
        let Ok(permit) = Arc::clone(&self.tunnels).try_acquire_owned() else {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections are open"));
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            let passing = async {
                let inside = hyper::upgrade::on(request).await.map_err(io::Error::other)?;
                tokio::io::copy_bidirectional(&mut TokioIo::new(inside), &mut outside).await
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                // Both ends know best how a tunnel ended.
                _ = passing => {}
            }
        });
        Ok(Response::new(Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()))
    }

    /// Sends a plain request on. The `host` header is made from the address that was judged, whatever the client wrote there.
    async fn forward(&self, mut request: Request<Incoming>, target: &str, stream: TcpStream) -> Result<Response<Body>, Refusal> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| unreachable(target))?;
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                // The request's own answer tells how it went.
                _ = connection => {}
            }
        });
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>().map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the address has no path"))?;
        let host = HeaderValue::from_str(target).map_err(|_| unreachable(target))?;
        drop_hop_by_hop(request.headers_mut());
        request.headers_mut().insert(HOST, host);
        let answer = sender.send_request(request).await.map_err(|_| unreachable(target))?;
        let (mut parts, body) = answer.into_parts();
        drop_hop_by_hop(&mut parts.headers);
        let body: Body = body.map_err(|_| broken_off()).boxed_unsync();
        Ok(Response::from_parts(parts, body))
    }
}

fn unreachable(target: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_GATEWAY, format!("`{target}` cannot be reached"))
}
