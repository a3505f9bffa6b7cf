//! What a person asks for at the command line, what it is about, and whose budget something is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{RepoName, RunId, SeenIssue, Subject, Timestamp, Wanted};

/// What a person asks for at the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command")]
pub enum Command {
    /// Start again, attempts counted anew.
    Retry {
        /// Which.
        subject: Subject,
        /// What the formula that the queue starts is given from now on; what it was given before where nobody says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given: Option<Box<Wanted>>,
    },
    /// Stop what runs; the work is kept.
    Cancel {
        /// Which.
        subject: Subject,
    },
    /// Run a formula beside the lifecycle.
    Run {
        /// On which issue.
        subject: Subject,
        /// What.
        wanted: Wanted,
        /// The issue as whoever asks saw it, where it was not known: it carries no label of ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Box<SeenIssue>>,
    },
    /// Start nothing new there; what runs goes on.
    Pause {
        /// Where.
        what: Scope,
        /// Until when, by our clock; until it is resumed where none is given.
        until: Option<Timestamp>,
    },
    /// Take a pause back.
    Resume {
        /// Which.
        what: Scope,
    },
}

impl Command {
    /// The one issue that it is about.
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Retry { subject, .. }
            | Self::Cancel { subject }
            | Self::Run { subject, .. }
            | Self::Pause { what: Scope::Issue { subject }, .. }
            | Self::Resume { what: Scope::Issue { subject } } => Some(subject),
            Self::Pause { .. } | Self::Resume { .. } => None,
        }
    }
}

/// What can be paused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "scope")]
pub enum Scope {
    /// All projects.
    Everything,
    /// One of them.
    Project {
        /// Which.
        repo: RepoName,
    },
    /// One issue.
    Issue {
        /// Which.
        subject: Subject,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Project { repo } => write!(f, "{repo}"),
            Self::Issue { subject } => write!(f, "{subject}"),
        }
    }
}

/// Whose budget it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "budget")]
pub enum BudgetOf {
    /// Everything's, for a UTC day.
    Day,
    /// A project's, for a UTC day.
    Project {
        /// Which.
        repo: RepoName,
    },
    /// A run's.
    Run {
        /// Which.
        run: RunId,
    },
}
