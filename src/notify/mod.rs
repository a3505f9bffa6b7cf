//! Telling people beside the forge: by a command, a webhook, a mail.
//!
//! Promises: fire and forget. Whoever sends never waits and never hears of a failure; each recipient has a queue of its own, so that a slow
//! one holds up no other; a delivery has a time limit and is tried once; of more than [`MOST`] in a minute the rest is folded into one "and
//! N more". The address of a webhook is a secret: it stands in no log and in no error.

mod send;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::model::Occasion;

/// Notices in a minute that one recipient is sent one by one.
pub const MOST: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// Notices that wait for a recipient; further ones are dropped, and counted.
const QUEUE: usize = 100;
/// How long a delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who is told.
#[derive(Debug)]
pub struct Recipient {
    /// On which occasions.
    pub on: BTreeSet<Occasion>,
    /// How.
    pub by: By,
}

/// How somebody is told.
#[derive(Debug, PartialEq)]
pub enum By {
    /// A program, which reads the letter as JSON.
    Command(Vec<String>),
    /// A webhook.
    Webhook(Hook),
    /// A mail, by the local sendmail.
    Mail {
        /// To whom.
        to: String,
        /// The program.
        sendmail: PathBuf,
    },
}

/// A webhook's address and what it understands.
#[derive(PartialEq)]
pub struct Hook {
    address: Url,
    discord: bool,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("discord", &self.discord).finish_non_exhaustive()
    }
}

/// An address that cannot be one; it is not repeated.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is no https address (plain http is for this machine only)")]
pub struct BadAddress;

impl Hook {
    /// A webhook at a secret address.
    ///
    /// # Errors
    /// If it is none, or would be sent in the open to another machine.
    pub fn new(address: &SecretString, discord: bool) -> Result<Self, BadAddress> {
        let address = Url::parse(address.expose_secret().trim()).map_err(|_| BadAddress)?;
        let right = match address.scheme() {
            "https" => address.has_host(),
            "http" => send::is_near(&address),
            _ => false,
        };
        if right { Ok(Self { address, discord }) } else { Err(BadAddress) }
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Letter {
    /// The occasion.
    pub on: Occasion,
    /// When it came to be so, RFC 3339.
    pub at: String,
    /// The project, if it is about one.
    pub repo: Option<String>,
    /// The issue's number, if it is about one.
    pub issue: Option<u64>,
    /// Where to look.
    pub url: Option<String>,
    /// In a line.
    pub title: String,
    /// In a sentence or two.
    pub text: String,
}

/// Makes the letter of those that were folded: how many they are, and the last of them.
pub type Fold = Arc<dyn Fn(u64, &Letter) -> Letter + Send + Sync>;

/// How many were sent, failed, folded into one, dropped.
#[derive(Clone, Debug, Default)]
pub struct Results(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Results {
    /// As they are now.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let mut all: BTreeMap<&'static str, u64> = ["sent", "failed", "folded", "dropped"].map(|word| (word, 0)).into();
        all.extend(self.0.lock().unwrap_or_else(PoisonError::into_inner).iter());
        all.into_iter().collect()
    }

    fn count(&self, word: &'static str, by: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default() += by;
    }
}

/// Sends to all recipients.
#[derive(Clone, Debug)]
pub struct Notifier {
    bureau: Arc<Mutex<Bureau>>,
    results: Results,
}

/// What carries the letters out. Dropping it and the last [`Notifier`] drops what is under way.
#[derive(Debug)]
pub struct Post {
    bureau: Arc<Mutex<Bureau>>,
}

#[derive(Debug, Default)]
struct Bureau {
    queues: Vec<Queue>,
    tasks: JoinSet<()>,
}

/// The letters that wait for a recipient.
#[derive(Debug)]
struct Queue {
    on: BTreeSet<Occasion>,
    by: Arc<By>,
    letters: mpsc::Sender<Letter>,
}

impl Notifier {
    /// Begins. Needs a Tokio runtime.
    pub fn start(recipients: Vec<Recipient>, fold: &Fold) -> (Self, Post) {
        let bureau = Arc::new(Mutex::new(Bureau::default()));
        let notifier = Self { bureau: bureau.clone(), results: Results::default() };
        notifier.replace(recipients, fold);
        (notifier, Post { bureau })
    }

    /// From now on these are told. Whoever was told in the same way before keeps his queue; what waits for others still goes out.
    pub fn replace(&self, recipients: Vec<Recipient>, fold: &Fold) {
        let mut bureau = open(&self.bureau);
        while bureau.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut bureau.queues);
        for Recipient { on, by } in recipients {
            let same = before.iter().position(|queue| *queue.by == by);
            let queue = match same.map(|at| before.swap_remove(at)) {
                Some(queue) => Queue { on, ..queue },
                None => {
                    let (by, (queue, letters)) = (Arc::new(by), mpsc::channel(QUEUE));
                    let (sent, results) = (VecDeque::new(), self.results.clone());
                    let desk = Desk { by: by.clone(), fold: fold.clone(), results, sent, folded: None };
                    bureau.tasks.spawn(desk.work(letters));
                    Queue { on, by, letters: queue }
                }
            };
            bureau.queues.push(queue);
        }
    }

    /// How it went so far; it goes on counting.
    pub fn results(&self) -> Results {
        self.results.clone()
    }

    /// Sends a letter to whom it concerns, without waiting.
    pub fn send(&self, letter: &Letter) {
        for queue in open(&self.bureau).queues.iter().filter(|queue| queue.on.contains(&letter.on)) {
            if queue.letters.try_send(letter.clone()).is_err() {
                self.results.count("dropped", 1);
            }
        }
    }
}

impl Post {
    /// Takes no more letters, and lets what waits go out, for so long at most.
    pub async fn close(self, patience: Duration) {
        let Bureau { queues, mut tasks } = std::mem::take(&mut *open(&self.bureau));
        drop(queues);
        let all = async { while tasks.join_next().await.is_some() {} };
        // What is not out by then is dropped: whoever stops does not wait for a broken mail server.
        let _cut = tokio::time::timeout(patience, all).await;
    }
}

/// Never held across an await.
fn open(bureau: &Mutex<Bureau>) -> MutexGuard<'_, Bureau> {
    bureau.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the letters to one recipient are sent from.
struct Desk {
    by: Arc<By>,
    fold: Fold,
    results: Results,
    /// When the last ones were sent, within a minute.
    sent: VecDeque<Instant>,
    /// Those that were too many, and the last of them.
    folded: Option<(u64, Letter)>,
}

impl Desk {
    async fn work(mut self, mut letters: mpsc::Receiver<Letter>) {
        loop {
            let open = self.opens();
            let letter = tokio::select! {
                biased;
                () = tokio::time::sleep_until(open), if self.folded.is_some() => {
                    self.unfold().await;
                    continue;
                }
                letter = letters.recv() => letter,
            };
            let Some(letter) = letter else { break };
            if self.folded.is_some() || open > Instant::now() {
                let folded = self.folded.as_ref().map_or(0, |(count, _)| *count) + 1;
                self.folded = Some((folded, letter));
                self.results.count("folded", 1);
            } else {
                self.send(&letter).await;
            }
        }
        self.unfold().await;
    }

    /// When the next one may go.
    fn opens(&mut self) -> Instant {
        let now = Instant::now();
        while self.sent.front().is_some_and(|at| *at + MINUTE <= now) {
            self.sent.pop_front();
        }
        if self.sent.len() < MOST { now } else { self.sent.front().map_or(now, |at| *at + MINUTE) }
    }

    async fn unfold(&mut self) {
        if let Some((count, last)) = self.folded.take() {
            let letter = (self.fold)(count, &last);
            self.send(&letter).await;
        }
    }

    async fn send(&mut self, letter: &Letter) {
        self.sent.push_back(Instant::now());
        let sent = tokio::time::timeout(PATIENCE, send::send(&self.by, letter)).await;
        match sent.unwrap_or_else(|_| Err(format!("it took longer than {} s", PATIENCE.as_secs()))) {
            Ok(()) => self.results.count("sent", 1),
            Err(why) => {
                self.results.count("failed", 1);
                tracing::warn!(by = self.by.word(), why, "a notice could not be sent");
            }
        }
    }
}

impl By {
    fn word(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Webhook(_) => "webhook",
            Self::Mail { .. } => "mail",
        }
    }
}
