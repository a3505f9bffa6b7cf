//! Wakes: who asks the engine to look, and how bursts fold into one look.
//!
//! Promises: a wake carries no facts, at most the project to look at; waking never waits and never fails; a project that was left alone is
//! looked at a moment ([`SETTLE`]) after its first wake, and however many follow, a further look comes [`GAP`] later. Known race: what
//! happens while a look is under way may be missed by it, so a wake in that time is kept for the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::RepoName;

/// A forge tells of one deed in several deliveries: so long they are waited for.
const SETTLE: Duration = Duration::from_millis(15);
/// Between two looks at a project that wakes ask for. Our own writings wake us too.
const GAP: Duration = Duration::from_millis(500);

/// Asks for looks.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Shared>);

/// The looks that are asked for.
#[derive(Debug)]
pub struct Wakes(Arc<Shared>);

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Every project.
    All,
    /// These.
    Projects(BTreeSet<RepoName>),
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    news: Notify,
}

/// What is asked for, and what was granted last.
#[derive(Debug, Default)]
struct Pending {
    all: bool,
    due: BTreeMap<RepoName, Instant>,
    last: BTreeMap<RepoName, Instant>,
}

/// Both ends.
pub fn wakes() -> (Waker, Wakes) {
    let shared = Arc::new(Shared::default());
    (Waker(Arc::clone(&shared)), Wakes(shared))
}

impl Waker {
    /// Look at every project.
    pub fn all(&self) {
        self.0.pending().all = true;
        self.0.news.notify_one();
    }

    /// Look at this one.
    pub fn project(&self, repo: RepoName) {
        self.0.pending().want(repo, Instant::now());
        self.0.news.notify_one();
    }
}

impl Wakes {
    /// The next ones that are due. Nothing is lost where this is dropped before it answers.
    pub async fn next(&mut self) -> Wake {
        loop {
            let due = match self.0.pending().take(Instant::now()) {
                Ok(wake) => return wake,
                Err(due) => due,
            };
            let news = self.0.news.notified();
            match due {
                None => news.await,
                Some(due) => tokio::select! {
                    biased;
                    () = news => {}
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }
}

impl Shared {
    /// Never held across an await.
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn want(&mut self, repo: RepoName, now: Instant) {
        let settled = now + SETTLE;
        let due = self.last.get(&repo).map_or(settled, |last| settled.max(*last + GAP));
        self.due.entry(repo).or_insert(due);
    }

    /// What is due now; else when something will be.
    fn take(&mut self, now: Instant) -> Result<Wake, Option<Instant>> {
        if std::mem::take(&mut self.all) {
            // That sees what the single ones would.
            self.last.extend(std::mem::take(&mut self.due).into_keys().map(|repo| (repo, now)));
            return Ok(Wake::All);
        }
        let ready: BTreeSet<RepoName> = self.due.iter().filter(|(_, due)| **due <= now).map(|(repo, _)| repo.clone()).collect();
        if ready.is_empty() {
            return Err(self.due.values().min().copied());
        }
        for repo in &ready {
            self.due.remove(repo);
            self.last.insert(repo.clone(), now);
        }
        Ok(Wake::Projects(ready))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(name: &str) -> RepoName {
        name.parse().expect("a name")
    }

    fn only(name: &str) -> Result<Wake, Option<Instant>> {
        Ok(Wake::Projects(BTreeSet::from([repo(name)])))
    }

    #[tokio::test]
    async fn a_burst_is_one_look_and_what_follows_another() {
        let start = tokio::time::Instant::now();
        let mut pending = Pending::default();
        for n in 0..50 {
            pending.want(repo("o/a"), start + SETTLE / 100 * n);
        }
        assert_eq!(pending.take(start), Err(Some(start + SETTLE)), "the burst is waited for, by its first");
        assert_eq!(pending.take(start + SETTLE), only("o/a"));
        assert_eq!(pending.take(start + GAP), Err(None));
        pending.want(repo("o/a"), start + SETTLE * 2);
        pending.want(repo("o/b"), start + SETTLE * 2);
        assert_eq!(pending.take(start + SETTLE * 3), only("o/b"), "one project's gap holds up no other");
        assert_eq!(pending.take(start + SETTLE * 4), Err(Some(start + SETTLE + GAP)));
        assert_eq!(pending.take(start + SETTLE + GAP), only("o/a"));
    }

    #[tokio::test]
    async fn a_wake_of_all_is_a_wake_of_each() {
        let (waker, mut wakes) = wakes();
        waker.project(repo("o/a"));
        waker.all();
        waker.all();
        assert_eq!(wakes.next().await, Wake::All);
        waker.project(repo("o/b"));
        assert_eq!(wakes.next().await, Wake::Projects(BTreeSet::from([repo("o/b")])));
    }
}
