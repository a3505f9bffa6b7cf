//! What is behind the door: deliveries wake the engine, Prometheus reads what was counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use crate::engine::{Core, Waker};
use crate::forge;
use crate::ledger::Ledger;
use crate::metrics::{Counts, Elsewhere, Metrics};
use crate::model::{Event, RepoName, Timestamp};
use crate::notify;
use crate::ports::{Clock, Unwelcome, Visits};

use super::deliveries::Keeper;
use super::setup::{Setup, SystemClock};

/// Between two measurements of what the ledger says.
const MEASURE: i64 = 1_000;
/// The engine steps every second; after so long without one it hangs.
const HANGS: i64 = 60_000;

/// Reads counters that are kept elsewhere.
pub(super) type ReadCounts = Box<dyn Fn() -> Counts + Send + Sync>;

/// Counters that are kept elsewhere.
pub(super) struct Counters {
    pub(super) forge_requests: ReadCounts,
    pub(super) forge_errors: ReadCounts,
    pub(super) notifications: Option<notify::Results>,
}

impl Counters {
    /// Of these clients together.
    pub(super) fn of_forges(clients: Vec<Arc<forge::Counts>>) -> Self {
        let sum = |clients: Vec<Arc<forge::Counts>>, read: fn(&forge::Counts) -> Counts| -> ReadCounts {
            Box::new(move || {
                let mut all = BTreeMap::new();
                for (word, count) in clients.iter().flat_map(|counts| read(counts)) {
                    *all.entry(word).or_default() += count;
                }
                all.into_iter().collect()
            })
        };
        Self {
            forge_requests: sum(clients.clone(), forge::Counts::requests),
            forge_errors: sum(clients, forge::Counts::errors),
            notifications: None,
        }
    }
}

fn by_name(setup: &Setup) -> BTreeMap<String, RepoName> {
    setup.config.projects.iter().map(|p| (p.repo.to_string().to_ascii_lowercase(), p.repo.clone())).collect()
}

/// What is behind the door.
pub(super) struct Visitors {
    waker: Waker,
    counters: Counters,
    state: Mutex<State>,
}

struct State {
    /// By their names in lower case: the forge compares so too.
    projects: BTreeMap<String, RepoName>,
    /// What deliveries are signed with.
    secret: Option<SecretString>,
    metrics: Metrics,
    deliveries: Keeper,
    results: BTreeMap<&'static str, u64>,
    stepped: Timestamp,
    measured: Timestamp,
}

impl Visitors {
    pub(super) fn new(setup: &Setup, waker: Waker, counters: Counters) -> Arc<Self> {
        let now = SystemClock.now();
        let results = ["accepted", "ignored"].into_iter().chain(Unwelcome::ALL.map(Unwelcome::word));
        let state = State {
            projects: by_name(setup),
            secret: None,
            metrics: Metrics::new(now),
            deliveries: Keeper::open(&setup.state_dir),
            results: results.map(|word| (word, 0)).collect(),
            stepped: now,
            measured: Timestamp::default(),
        };
        Arc::new(Self { waker, counters, state: Mutex::new(state) })
    }

    /// The configuration was read, with this secret for deliveries.
    pub(super) fn know(&self, setup: &Setup, secret: Option<SecretString>) {
        let mut state = self.state();
        (state.projects, state.secret) = (by_name(setup), secret);
    }

    /// The engine made a step.
    pub(super) fn stepped(&self, core: &Core) {
        let now = SystemClock.now();
        let mut state = self.state();
        state.stepped = now;
        if now.0.saturating_sub(state.measured.0) >= MEASURE {
            state.measured = now;
            state.metrics.measure(core.ledger(), core.policy().projects.keys(), now);
        }
    }

    /// This was journalled.
    pub(super) fn heard(&self, events: &[Event], ledger: &Ledger) {
        let mut state = self.state();
        for event in events {
            state.metrics.heard(event, ledger);
        }
    }

    /// Never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visits for Visitors {
    fn secret(&self) -> Option<SecretString> {
        self.state().secret.clone()
    }

    fn delivered(&self, repo: Option<&str>) -> bool {
        let mut state = self.state();
        let known = repo.and_then(|repo| state.projects.get(&repo.to_ascii_lowercase())).cloned();
        *state.results.entry(if known.is_some() { "accepted" } else { "ignored" }).or_default() += 1;
        let Some(repo) = known else { return false };
        tracing::debug!(%repo, "a webhook wakes");
        self.waker.project(repo.clone());
        state.deliveries.delivered(&repo, SystemClock.now());
        true
    }

    fn refused(&self, why: Unwelcome) {
        let mut state = self.state();
        *state.results.entry(why.word()).or_default() += 1;
        if state.deliveries.refused(why, SystemClock.now()) {
            tracing::warn!(why = why.word(), "a delivery to /hooks/forgejo was turned away");
        }
    }

    fn metrics(&self) -> String {
        let state = self.state();
        let elsewhere = Elsewhere {
            forge_requests: (self.counters.forge_requests)(),
            forge_errors: (self.counters.forge_errors)(),
            deliveries: state.results.iter().map(|(word, count)| (*word, *count)).collect(),
            delivered: state.deliveries.all.delivered.clone(),
            notifications: self.counters.notifications.as_ref().map(notify::Results::read).unwrap_or_default(),
        };
        state.metrics.text(&elsewhere)
    }

    fn health(&self) -> Result<(), String> {
        let silent = SystemClock.now().0.saturating_sub(self.state().stepped.0);
        if silent > HANGS { Err(format!("the engine made no step for {} s", silent / 1_000)) } else { Ok(()) }
    }
}
