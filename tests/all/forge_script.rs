//! A server on loopback that answers what a test says, or breaks off where the test says, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forgehand::forge::{Client, Options};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The token that the client under test is given.
pub const TOKEN: &str = "6f1ed002ab5595859014ebf0951522d9c0ffee00";

/// What the server does with the next request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers.
    Say { status: u16, headers: Vec<(String, String)>, body: String },
    /// Announces more than it sends, then hangs up.
    BreakOff { status: u16, body: String },
    /// Hangs up once the request is there.
    HangUp,
    /// Says nothing at all.
    Silence,
}

/// A JSON answer.
pub fn json(status: u16, body: &str) -> Reply {
    Reply::Say { status, headers: vec![("content-type".into(), "application/json;charset=utf-8".into())], body: body.into() }
}

/// A page as proxies send it.
pub fn page(status: u16, body: &str) -> Reply {
    Reply::Say { status, headers: vec![("content-type".into(), "text/html".into())], body: body.into() }
}

impl Reply {
    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Say { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and target, `GET /api/v1/version`.
    pub line: String,
    /// The rest of the head, lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

#[derive(Default)]
struct Play {
    replies: VecDeque<Reply>,
    asked: Vec<Asked>,
}

/// The server. It ends with the value.
pub struct Script {
    play: Arc<Mutex<Play>>,
    address: String,
    _tasks: JoinSet<()>,
}

impl Script {
    /// Starts a server that gives these replies one after the other; a request beyond them is answered by 599.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = listener.local_addr().expect("a bound port").to_string();
        let play = Arc::new(Mutex::new(Play { replies: replies.into_iter().collect(), asked: Vec::new() }));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&play);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { play, address, _tasks: tasks }
    }

    /// A client of this server, with limits that fit a test.
    pub fn client(&self) -> Client {
        self.client_at("/")
    }

    /// The same, of a forge in a subfolder.
    pub fn client_at(&self, subpath: &str) -> Client {
        let options = Options {
            read: Duration::from_millis(300),
            backoff: Duration::from_millis(1),
            patience: Duration::from_secs(10),
            body_limit: 1 << 20,
            ..Options::default()
        };
        Client::new(&format!("http://{}{subpath}", self.address), SecretString::from(TOKEN), options).expect("a client")
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

async fn serve(mut stream: TcpStream, play: Arc<Mutex<Play>>) {
    let Some(asked) = receive(&mut stream).await else { return };
    let reply = {
        let mut play = play.lock().unwrap_or_else(PoisonError::into_inner);
        play.asked.push(asked);
        play.replies.pop_front().unwrap_or_else(|| json(599, r#"{"message":"the script has no more replies"}"#))
    };
    let (status, headers, body, announced) = match reply {
        Reply::Say { status, headers, body } => (status, headers, body.clone(), body.len()),
        Reply::BreakOff { status, body } => (status, Vec::new(), body.clone(), body.len() + 100),
        Reply::HangUp => return,
        Reply::Silence => std::future::pending().await,
    };
    let mut text = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
    if status != 204 {
        text += &format!("content-length: {announced}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    // A client that has heard enough may hang up first.
    let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn receive(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((top, body)) = text.split_once("\r\n\r\n") else { continue };
        let (line, head) = top.split_once("\r\n").unwrap_or((top, ""));
        let head = head.to_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(Some(0), |n| n.parse().ok())?;
        if body.len() >= length {
            let line = line.trim_end_matches(" HTTP/1.1").to_owned();
            return Some(Asked { line, head, body: body.to_owned() });
        }
    }
}
