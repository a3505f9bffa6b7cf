//! Whether webhooks arrive: the last delivery about each project, and the last that was turned away, kept in the state folder.
//!
//! It is a hint for people (`status`, `doctor`), so it is written at most every few seconds, and a lost one is no loss.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{RepoName, Timestamp};
use crate::ports::Unwelcome;

const FILE: &str = "deliveries.json";
/// Between two writes about the same.
const EVERY: Duration = Duration::from_secs(5);

/// What arrived, by our clock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Deliveries {
    /// The last delivery about each project.
    #[serde(default)]
    pub(super) delivered: BTreeMap<RepoName, Timestamp>,
    /// The last one that was turned away.
    #[serde(default)]
    pub(super) refused: Option<Refused>,
}

/// One that was turned away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refused {
    /// When.
    pub(super) at: Timestamp,
    /// Why, in a word.
    pub(super) why: String,
}

/// Keeps them.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    pub(super) all: Deliveries,
}

impl Deliveries {
    /// As they were kept; none where nothing ever arrived.
    pub(super) fn read(state_dir: &Path) -> Self {
        let text = std::fs::read(state_dir.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Deliveries are turned away, and none came through since.
    pub(super) fn trouble(&self) -> Option<&Refused> {
        self.refused.as_ref().filter(|refused| self.delivered.values().all(|at| *at < refused.at))
    }
}

impl Keeper {
    pub(super) fn open(state_dir: &Path) -> Self {
        Self { path: state_dir.join(FILE), all: Deliveries::read(state_dir) }
    }

    pub(super) fn delivered(&mut self, repo: &RepoName, now: Timestamp) {
        let last = self.all.delivered.insert(repo.clone(), now);
        if last.is_none_or(|last| now.since(last) > EVERY) || self.all.trouble().is_some() {
            self.write();
        }
    }

    /// Answers whether it is worth a line in the log.
    pub(super) fn refused(&mut self, why: Unwelcome, now: Timestamp) -> bool {
        let news = self.all.refused.as_ref().is_none_or(|last| now.since(last.at) > EVERY || last.why != why.word());
        if news {
            self.all.refused = Some(Refused { at: now, why: why.word().to_owned() });
            self.write();
        }
        news
    }

    fn write(&self) {
        let new = self.path.with_extension("new");
        let text = serde_json::to_vec(&self.all).unwrap_or_default();
        if let Err(error) = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.path)) {
            tracing::debug!(%error, "when deliveries arrived could not be kept");
        }
    }
}
