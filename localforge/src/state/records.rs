//! What the forge keeps: plain records, as they are written to the store. Times are whole seconds, as on a real forge.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);
    )+};
}

ids!(
    /// A user.
    UserId,
    /// An access token.
    TokenId,
    /// A repository.
    RepoId,
    /// A label of a repository.
    LabelId,
    /// An entry of a timeline; comments are such entries.
    EventId,
    /// A review of a pull request.
    ReviewId,
    /// A webhook.
    HookId,
);

/// Seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(pub i64);

/// An issue or a pull request: its repository and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IssueKey(pub RepoId, pub u64);

/// What somebody may do in a repository, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Not even see it.
    None,
    /// See, report and comment.
    Read,
    /// Push, label, merge.
    Write,
    /// Hooks, protections, collaborators.
    Admin,
    /// Everything.
    Owner,
}

impl Access {
    /// The word the API uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// A salted, stretched password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Password {
    pub salt: String,
    pub digest: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub login: String,
    pub email: String,
    pub full_name: String,
    pub password: Password,
    pub is_admin: bool,
    pub created: At,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    pub id: TokenId,
    pub user: UserId,
    pub name: String,
    /// SHA-256 of the token: the token itself is said once and not kept.
    pub digest: String,
    pub last_eight: String,
    pub scopes: BTreeSet<String>,
    /// The only repositories it is good for, where it is bound to some.
    pub repositories: Option<Vec<RepoId>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Repo {
    pub id: RepoId,
    pub owner: UserId,
    pub name: String,
    /// The folder of the bare repository: it stays when the repository is renamed.
    pub folder: String,
    pub description: String,
    pub private: bool,
    pub archived: bool,
    pub default_branch: String,
    pub created: At,
    pub updated: At,
    pub next_number: u64,
    pub collaborators: BTreeMap<UserId, Access>,
    /// Every ref with the object it points to.
    pub refs: BTreeMap<String, String>,
    pub protections: Vec<Protection>,
}

impl Repo {
    /// The tip of a branch.
    pub fn branch(&self, name: &str) -> Option<&String> {
        self.refs.get(&format!("refs/heads/{name}"))
    }
}

/// A branch protection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Protection {
    pub rule_name: String,
    pub enable_push: bool,
    pub enable_push_whitelist: bool,
    pub push_whitelist: Vec<String>,
    pub enable_merge_whitelist: bool,
    pub merge_whitelist: Vec<String>,
    pub enable_status_check: bool,
    pub status_check_contexts: Vec<String>,
    pub required_approvals: u64,
    pub block_on_rejected_reviews: bool,
    pub block_on_official_review_requests: bool,
    pub block_on_outdated_branch: bool,
    pub dismiss_stale_approvals: bool,
    pub ignore_stale_approvals: bool,
    pub protected_file_patterns: String,
    pub unprotected_file_patterns: String,
    pub apply_to_admins: bool,
    pub created: At,
    pub updated: At,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Label {
    pub id: LabelId,
    pub repo: RepoId,
    pub name: String,
    pub color: String,
    pub description: String,
    pub exclusive: bool,
    pub is_archived: bool,
}

impl Label {
    /// The scope that an exclusive label shares with its siblings: `prio` of `prio/high`.
    pub fn exclusive_scope(&self) -> Option<&str> {
        let (scope, _) = self.name.rsplit_once('/')?;
        (self.exclusive && !scope.is_empty()).then_some(scope)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    Open,
    Closed,
}

impl Standing {
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reaction {
    pub user: UserId,
    pub content: String,
    pub created: At,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Issue {
    pub key: IssueKey,
    pub id: u64,
    pub author: UserId,
    pub title: String,
    pub body: String,
    pub state: Standing,
    pub labels: BTreeSet<LabelId>,
    pub assignees: Vec<UserId>,
    pub comments: u64,
    pub created: At,
    pub updated: At,
    pub closed: Option<At>,
    pub reactions: Vec<Reaction>,
    /// What has to be closed before this may be.
    pub depends_on: BTreeSet<IssueKey>,
    pub pull: Option<Pull>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Merged {
    pub at: At,
    pub by: UserId,
    pub commit: String,
}

/// What a person asked to be done as soon as the checks allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    pub by: UserId,
    pub style: MergeStyle,
    pub message: Option<String>,
    pub delete_branch: bool,
}

/// How a pull request becomes part of its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeStyle {
    Merge,
    Rebase,
    RebaseMerge,
    Squash,
    FastForwardOnly,
}

/// What makes an issue a pull request. The facts about its commits are those of the last look at git.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pull {
    pub id: u64,
    pub base: String,
    pub head: String,
    pub head_sha: String,
    pub merge_base: String,
    /// The tip of the base that `conflicts` was told for; once merged, the tip that it made.
    pub base_sha: String,
    pub additions: u64,
    pub deletions: u64,
    pub changed_files: u64,
    /// Paths that the pull request touches.
    pub paths: Vec<String>,
    pub conflicts: bool,
    pub merged: Option<Merged>,
    pub scheduled: Option<Scheduled>,
}

/// An entry of an issue's timeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub issue: IssueKey,
    pub author: UserId,
    pub created: At,
    pub updated: At,
    pub what: What,
}

/// What an entry of a timeline tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Comment { body: String, reactions: Vec<Reaction> },
    Label { label: LabelId, added: bool },
    Close,
    Reopen,
    ChangeTitle { old: String, new: String },
    Assignee { user: UserId, removed: bool },
    AddDependency { other: IssueKey },
    RemoveDependency { other: IssueKey },
    PullRef { pull: IssueKey, closes: bool },
    PullPush { force: bool, commits: Vec<String> },
    Review { review: ReviewId, body: String },
    ReviewRequest { user: UserId },
    DismissReview { review: ReviewId },
    MergePull { commit: String },
    DeleteBranch { name: String },
}

/// The verdict of a review, as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    Pending,
    Comment,
    Approved,
    RequestChanges,
    RequestReview,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewComment {
    pub path: String,
    pub body: String,
    pub line: i64,
    /// Who wrote it, where that is another one than the review's author.
    #[serde(default)]
    pub by: Option<UserId>,
    /// When, where that is not when the review was given.
    #[serde(default)]
    pub at: Option<At>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    pub id: ReviewId,
    pub reviewer: UserId,
    pub verdict: Verdict,
    pub body: String,
    pub commit: String,
    pub official: bool,
    pub stale: bool,
    pub dismissed: bool,
    pub comments: Vec<ReviewComment>,
    pub submitted: At,
    pub updated: At,
    /// Where it stands in the timeline; a request has no entry to link to.
    pub event: Option<EventId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Counts up for each commit.
    pub index: u64,
    pub state: String,
    pub context: String,
    pub description: String,
    pub target_url: String,
    pub creator: UserId,
    pub created: At,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hook {
    pub id: HookId,
    pub repo: RepoId,
    pub kind: String,
    pub url: String,
    pub content_type: String,
    pub secret: String,
    pub events: Vec<String>,
    pub branch_filter: String,
    pub active: bool,
    pub created: At,
    pub updated: At,
}
