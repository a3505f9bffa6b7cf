//! A run that somebody wants beside the lifecycle, and who that is.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{About, CommentId, ForgeEvent, FormulaName, Grant, IssueNumber, Login, RunId, Timestamp};

/// A run that somebody wants of a formula that is none of the lifecycle's: it is done beside it, and takes part in it only where its
/// outcome is a row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which formula.
    pub formula: FormulaName,
    /// What it is given; what is left out is as the formula says.
    #[serde(default)]
    pub inputs: BTreeMap<String, Json>,
    /// Who wants it.
    pub by: WantedBy,
}

/// Who wants a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum WantedBy {
    /// A person at the command line.
    Hand,
    /// A person with rights, by a comment.
    Comment {
        /// It.
        comment: CommentId,
        /// Who.
        login: Login,
        /// The word that it begins with. Older journals do not say.
        #[serde(default)]
        word: String,
    },
    /// Whoever put a label on.
    Label {
        /// It.
        label: String,
    },
    /// Something that happened on the forge.
    Event {
        /// What.
        event: ForgeEvent,
        /// Which of its kind: the pull request that was opened, the commit whose checks are red.
        what: String,
    },
    /// Something that happened to an issue, after which a formula about the project looks at the whole.
    Happened {
        /// What.
        event: ForgeEvent,
        /// To which issue, or the issue of which pull request.
        on: IssueNumber,
    },
    /// A run beside the lifecycle that handed over to it.
    HandOver {
        /// Of which formula.
        from: FormulaName,
    },
    /// A run that started it.
    Run {
        /// Of which formula.
        formula: FormulaName,
        /// About which issue.
        on: IssueNumber,
        /// How many runs started each other up to this one.
        depth: u32,
    },
    /// The schedule of the formula, which is about the project.
    Schedule {
        /// The time that it is for: the last one that came round.
        at: Timestamp,
    },
    /// An action of the vault, that somebody approved who may.
    Vault {
        /// What its run is given.
        grant: Box<Grant>,
    },
}

impl WantedBy {
    /// The word by which a person asked in a comment.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Comment { word, .. } => Some(word),
            Self::Hand
            | Self::Label { .. }
            | Self::Event { .. }
            | Self::Happened { .. }
            | Self::HandOver { .. }
            | Self::Run { .. }
            | Self::Schedule { .. }
            | Self::Vault { .. } => None,
        }
    }

    /// Whether what happened is the end of an issue's story: such a run lives on the closed issue.
    pub fn is_at_end(&self) -> bool {
        matches!(self, Self::Event { event: ForgeEvent::IssueClosed | ForgeEvent::PullMerged, .. })
    }
}

impl fmt::Display for WantedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hand => f.write_str("by hand"),
            Self::Comment { login, .. } => write!(f, "by {login} in a comment"),
            Self::Label { label } => write!(f, "by the label {label}"),
            Self::Event { event, what } => write!(f, "by what happened: {event} ({what})"),
            Self::Happened { event, on } => write!(f, "by what happened: {event} ({on})"),
            Self::HandOver { from } => write!(f, "by {from}, which handed over to it"),
            Self::Run { formula, on, .. } => write!(f, "by a run of {formula} on {on}"),
            Self::Schedule { at } => write!(f, "by its schedule, for {at}"),
            Self::Vault { grant } => write!(f, "by the action {} of {}", grant.id, grant.repo),
        }
    }
}

/// A comment that asks for a run, of somebody whose rights are to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// It.
    pub comment: CommentId,
    /// Who wrote it.
    pub login: Login,
    /// Which formula it asks for.
    pub formula: FormulaName,
    /// What it gives to that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Json>,
    /// By which word.
    #[serde(default)]
    pub word: String,
}

/// Why a run that was asked for does not take place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Declined {
    /// Who asked may not write to the repository.
    NoRights {
        /// Who.
        login: Login,
        /// The comment.
        comment: CommentId,
    },
    /// The formula is not on for this project any more.
    Off,
    /// The formula was changed meanwhile, and its runs are about something else.
    About {
        /// What.
        now: About,
    },
    /// A run of its group is at work, and its formula does not wait for that.
    Busy {
        /// Which.
        run: RunId,
    },
    /// What it is given does not fit what it takes.
    Inputs {
        /// In words.
        problem: String,
    },
}
