//! What forgehand knows of a forge: the parts of its answers that decisions read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Branch, CommentId, IssueNumber, Login, PullNumber, RepoName, ReviewId, Sha, Timestamp};

/// The labels that move an issue. Of these an issue carries one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// `claude-queue`: waits for an agent.
    Queue,
    /// `claude-working`: an agent is on it.
    Working,
    /// `claude-pr`: a pull request is open.
    Pr,
    /// `claude-failed`: gave up, and said why.
    Failed,
    /// `interactive`: a person must do it.
    Interactive,
    /// `needs-info`: a question is open.
    NeedsInfo,
}

impl Decision {
    /// All of them, in the order in which an issue usually meets them.
    pub const ALL: [Self; 6] = [Self::Queue, Self::Working, Self::Pr, Self::Failed, Self::Interactive, Self::NeedsInfo];
}

/// The configured names of the labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelNames {
    /// Where an issue came from: `portal`.
    pub portal: String,
    /// Dispatched before others: `priority`.
    pub priority: String,
    /// `claude-queue`.
    pub queue: String,
    /// `claude-working`.
    pub working: String,
    /// `claude-pr`.
    pub pr: String,
    /// `claude-failed`.
    pub failed: String,
    /// `interactive`.
    pub interactive: String,
    /// `needs-info`.
    pub needs_info: String,
}

impl Default for LabelNames {
    fn default() -> Self {
        Self {
            portal: "portal".into(),
            priority: "priority".into(),
            queue: "claude-queue".into(),
            working: "claude-working".into(),
            pr: "claude-pr".into(),
            failed: "claude-failed".into(),
            interactive: "interactive".into(),
            needs_info: "needs-info".into(),
        }
    }
}

impl LabelNames {
    /// The configured name of a decision label.
    pub fn of(&self, decision: Decision) -> &str {
        match decision {
            Decision::Queue => &self.queue,
            Decision::Working => &self.working,
            Decision::Pr => &self.pr,
            Decision::Failed => &self.failed,
            Decision::Interactive => &self.interactive,
            Decision::NeedsInfo => &self.needs_info,
        }
    }

    /// A label that stands in a formula: those of the lifecycle stand there by their default names.
    pub fn configured<'a>(&'a self, label: &'a str) -> &'a str {
        let usual = Self::default();
        match usual.decision(label) {
            Some(decision) => self.of(decision),
            None if label == usual.portal => &self.portal,
            None if label == usual.priority => &self.priority,
            None => label,
        }
    }

    /// The decision that a label's name stands for. Names are case-sensitive, as they are on the forge.
    pub fn decision(&self, name: &str) -> Option<Decision> {
        Decision::ALL.into_iter().find(|d| self.of(*d) == name)
    }

    /// Whether a label moves issues, or brings them in, or puts them first.
    pub fn is_of_lifecycle(&self, name: &str) -> bool {
        self.decision(name).is_some() || name == self.portal || name == self.priority
    }

    /// The decision labels among these names.
    pub fn decisions<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> BTreeSet<Decision> {
        names.into_iter().filter_map(|n| self.decision(n)).collect()
    }
}

/// A label as a repository has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoLabel {
    /// The forge's identifier.
    pub id: u64,
    /// The name; not unique on a forge.
    pub name: String,
}

/// A repository as the token sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoFacts {
    /// The full name it answers to.
    pub name: RepoName,
    /// The branch that pull requests go to.
    pub default_branch: Branch,
    /// Read-only for everybody.
    pub archived: bool,
    /// The token may push.
    pub can_push: bool,
    /// The token administers the repository.
    pub can_admin: bool,
    /// Nothing is committed yet.
    pub empty: bool,
}

/// An issue (or a pull request seen as one) as a list of the forge gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Its number.
    pub number: IssueNumber,
    /// Title, raw.
    pub title: String,
    /// Body, raw.
    pub body: String,
    /// Who filed it.
    pub author: Login,
    /// Open or closed.
    pub open: bool,
    /// Names of its labels.
    pub labels: BTreeSet<String>,
    /// When it was filed, by the forge's clock.
    pub created: Timestamp,
    /// When it last moved, by the forge's clock.
    pub updated: Timestamp,
    /// How many comments it has.
    pub comments: u64,
    /// Set if this is a pull request.
    pub pull: Option<PullMark>,
}

/// What an issue list tells of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullMark {
    /// It has been merged.
    pub merged: bool,
}

/// A comment of an issue or a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its identifier.
    pub id: CommentId,
    /// The issue or pull request it stands on.
    pub issue: IssueNumber,
    /// Who wrote it.
    pub author: Login,
    /// Its text, raw.
    pub body: String,
    /// When it was written, by the forge's clock.
    pub created: Timestamp,
    /// When it was last edited, by the forge's clock.
    pub updated: Timestamp,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Its number.
    pub number: PullNumber,
    /// Title, raw.
    pub title: String,
    /// Who opened it.
    pub author: Login,
    /// Where it stands.
    pub state: PullState,
    /// The branch with the work.
    pub head: Branch,
    /// Whether that is a branch of the repository itself. Anybody may call a branch of a fork, or an AGit topic, like one of ours.
    pub own: bool,
    /// The newest commit of the work.
    pub head_sha: Sha,
    /// The branch it would go to.
    pub base: Branch,
    /// When it was opened, by the forge's clock.
    pub created: Timestamp,
    /// When it last moved, by the forge's clock.
    pub updated: Timestamp,
}

/// Where a pull request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullState {
    /// Waits.
    Open,
    /// Closed without a merge.
    Closed,
    /// Merged.
    Merged,
}

/// A label put on or taken off, as the timeline records it: the only record of who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelEvent {
    /// The label's name.
    pub label: String,
    /// Put on, or taken off.
    pub added: bool,
    /// Who did it.
    pub by: Login,
    /// When, by the forge's clock, in whole seconds.
    pub at: Timestamp,
}

/// The combined commit status of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checks {
    /// Nothing reported.
    None,
    /// Something has not ended.
    Pending,
    /// All green.
    Success,
    /// Something is red.
    Failure,
}

impl Checks {
    /// What several come to: one red thing makes the whole red, whatever has not ended.
    pub fn of(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::None, |one, other| match (one, other) {
            (Self::Failure, _) | (_, Self::Failure) => Self::Failure,
            (Self::Pending, _) | (_, Self::Pending) => Self::Pending,
            (Self::Success, _) | (_, Self::Success) => Self::Success,
            (Self::None, Self::None) => Self::None,
        })
    }
}

/// Why checks say nothing about a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenMute", into = "WrittenMute")]
pub enum Mute {
    /// They say what there is to say, or are at it.
    #[default]
    No,
    /// They are red, and all that are were ended from outside.
    Cut,
    /// They have not ended, and no runner is at any of them.
    Idle,
}

/// As journals write it: of older versions it says whether they were cut.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenMute {
    Cut(bool),
    Word(String),
}

impl From<WrittenMute> for Mute {
    fn from(written: WrittenMute) -> Self {
        match written {
            WrittenMute::Cut(true) => Self::Cut,
            WrittenMute::Word(word) if word == "idle" => Self::Idle,
            WrittenMute::Cut(false) | WrittenMute::Word(_) => Self::No,
        }
    }
}

impl From<Mute> for WrittenMute {
    fn from(mute: Mute) -> Self {
        match mute {
            Mute::No => Self::Cut(false),
            Mute::Cut => Self::Cut(true),
            Mute::Idle => Self::Word("idle".to_owned()),
        }
    }
}

/// What the reviews of a pull request come to: the last word of each reviewer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviews {
    /// Somebody asks for changes.
    pub changes_requested: bool,
    /// Approvals that stand.
    pub approvals: Vec<Approval>,
    /// The requests for changes that stand, those included that are about an older commit.
    pub requests: Vec<ChangeRequest>,
    /// Reviews that neither approve nor ask for changes, of whom has not approved since.
    pub comments: Vec<ReviewComment>,
}

/// A review that neither approves nor asks for changes and says something, in general or on lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewComment {
    /// The review that it is.
    pub review: ReviewId,
    /// Whose.
    pub by: Login,
    /// About which commit, where the forge says.
    pub of: Option<Sha>,
    /// Its text, raw.
    pub body: String,
}

/// A request for changes that is its author's last word and was not dismissed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRequest {
    /// The review that it is.
    pub review: ReviewId,
    /// Whose.
    pub by: Login,
    /// About which commit, where the forge says.
    pub of: Option<Sha>,
    /// The forge counts it: its author might write when it was given.
    pub official: bool,
    /// The forge has seen a newer commit since.
    pub stale: bool,
    /// Its text, raw.
    pub body: String,
}

/// An approval that is official, not stale and not dismissed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Whose.
    pub by: Login,
    /// Of which commit. That it is the head has to be compared: the forge's own mark of staleness comes late.
    pub of: Sha,
}

/// What a user may do in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Nothing.
    None,
    /// Look.
    Read,
    /// Push and label.
    Write,
    /// Administer.
    Admin,
    /// Own.
    Owner,
}

/// An issue that another depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// Its repository: dependencies may cross.
    pub repo: RepoName,
    /// Its number.
    pub issue: IssueNumber,
    /// Still open.
    pub open: bool,
}
