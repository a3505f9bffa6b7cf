//! A proxy before the forge that fails as it is told to, and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::rig::micros;

/// What it does with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Hands it on.
    Pass,
    /// Hands it on, late.
    Slow(Duration),
    /// Hangs up.
    HangUp,
    /// Answers this, whatever is asked.
    Say(&'static str),
}

/// A request that was handed on: when it came, when the last of its answer went, by the machine's clock in microseconds, and its first line.
type Request = (i64, i64, String);
type Kept = Arc<Mutex<Vec<Request>>>;

/// The proxy. It ends with the value.
pub struct Faulty {
    mood: watch::Sender<Mood>,
    asked: Kept,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Faulty {
    /// Before the forge at this address, `http://127.0.0.1:3000`.
    pub async fn before(forge: &str) -> Self {
        let target: SocketAddr = forge.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = listener.local_addr().expect("a bound port");
        let (mood, moods) = watch::channel(Mood::Pass);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (mut moods, kept) = (moods.clone(), kept.clone());
                connections.spawn(async move {
                    let mood = moods.borrow_and_update().clone();
                    tokio::select! {
                        () = serve(stream, mood, target, kept) => {}
                        // Whoever is connected feels it at once.
                        _ = moods.changed() => {}
                    }
                });
            }
        });
        Self { mood, asked, address, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Fails like this from now on.
    pub fn be(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// The first lines of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.all().into_iter().map(|(_, _, line)| line).collect()
    }

    fn all(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests that were under way between two times.
    pub fn requests(&self, from: i64, to: i64) -> Vec<Request> {
        self.all().into_iter().filter(|(began, ended, _)| *ended >= from && *began <= to).collect()
    }
}

async fn serve(mut stream: TcpStream, mood: Mood, target: SocketAddr, asked: Kept) {
    match mood {
        Mood::HangUp => {}
        Mood::Say(answer) => {
            let Some(line) = head(&mut stream).await else { return };
            asked.lock().unwrap_or_else(PoisonError::into_inner).push((micros(), micros(), line));
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Mood::Pass => relay(stream, target, &asked).await,
        Mood::Slow(time) => {
            tokio::time::sleep(time).await;
            relay(stream, target, &asked).await;
        }
    }
}

/// Hands everything on in both directions, and notes the first line of each request on its way.
async fn relay(mut stream: TcpStream, target: SocketAddr, asked: &Kept) {
    let Ok(mut forge) = TcpStream::connect(target).await else { return };
    // A proxy that gathers small pieces would add 40 ms here and there.
    let _either = (stream.set_nodelay(true), forge.set_nodelay(true));
    let (mut from, mut to) = stream.split();
    let (mut answers, mut questions) = forge.split();
    // Which of them this connection is at.
    let at = Mutex::new(None);
    let kept = || asked.lock().unwrap_or_else(PoisonError::into_inner);
    let up = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read) = from.read(&mut buffer).await {
            if read == 0 || questions.write_all(&buffer[..read]).await.is_err() {
                break;
            }
            let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
            let line = text.lines().next().unwrap_or_default().to_owned();
            if line.ends_with(" HTTP/1.1") {
                let mut kept = kept();
                *at.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.len());
                kept.push((micros(), micros(), line));
            }
        }
        let _ = questions.shutdown().await;
    };
    let down = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read) = answers.read(&mut buffer).await {
            if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
                break;
            }
            if let Some(at) = *at.lock().unwrap_or_else(PoisonError::into_inner) {
                kept()[at].1 = micros();
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(up, down);
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&bytes).lines().next().map(str::to_owned)
}
