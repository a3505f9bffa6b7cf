//! What does not run beside each other because it changes the same files.

use serde::{Deserialize, Serialize};

use super::PullNumber;

/// Whose files an issue keeps clear of before its run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlapRule {
    /// Nobody's.
    Off,
    /// Of the changes that runs are at.
    #[default]
    Running,
    /// Of those, and of our open pull requests.
    Open,
}

impl OverlapRule {
    /// All of them, by the words that configure them.
    pub const WORDS: [(&str, Self); 3] = [("off", Self::Off), ("running", Self::Running), ("open", Self::Open)];
}

/// What an issue waits for whose likely files another one changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Overlapping {
    /// The other one's run.
    Run,
    /// The other one's pull request.
    Pull {
        /// It.
        pull: PullNumber,
    },
    /// The other one's turn: it is before this one, and could not begin yet either.
    Turn,
}
