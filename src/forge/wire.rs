//! Answers of the API as they come: what may be null is an `Option`, what may be new is tolerated.
//!
//! Only what is read stands here. `tests/all/forge_recordings.rs` holds these types against answers of real servers.

use serde::{Deserialize, Deserializer};

use crate::model::{self, Branch, CommentId, IssueNumber, Login, PullMark, PullNumber, PullState, RepoName, Sha, Timestamp};
use crate::ports::{CommitStatus, MergedPull};

/// An entry whose parts do not fit together; the text says which.
pub(super) type Misfit = String;

#[derive(Deserialize)]
pub(super) struct Version {
    pub version: String,
}

#[derive(Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub login: String,
}

impl User {
    pub(super) fn login(self) -> Login {
        login(Some(self))
    }
}

/// The token's own account.
#[derive(Deserialize)]
pub(super) struct Account {
    #[serde(flatten)]
    pub user: User,
    #[serde(default)]
    pub is_admin: bool,
}

#[derive(Default, Deserialize)]
struct HookConfig {
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
pub(super) struct Hook {
    id: u64,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    config: HookConfig,
}

impl From<Hook> for super::Hook {
    fn from(hook: Hook) -> Self {
        Self { id: hook.id, url: hook.config.url, active: hook.active, events: hook.events.unwrap_or_default() }
    }
}

/// What stands at a path of a repository.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub name: String,
    #[serde(rename = "type", default)]
    pub kind: String,
    /// In bytes.
    #[serde(default)]
    pub size: u64,
    /// Base64; not in the list of a folder.
    #[serde(default)]
    pub content: Option<String>,
}

/// A deleted account is null or nameless; pages of a Forgejo call it Ghost.
pub(super) fn login(user: Option<User>) -> Login {
    match user {
        Some(User { login }) if !login.is_empty() => Login(login),
        Some(_) | None => Login::from("Ghost"),
    }
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub id: u64,
    pub name: String,
}

impl From<Label> for model::RepoLabel {
    fn from(label: Label) -> Self {
        Self { id: label.id, name: label.name }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Open,
    Closed,
    /// A word that a later version brings: not closed, as far as we know.
    #[serde(other)]
    Unknown,
}

#[derive(Default, Deserialize)]
struct Permissions {
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    push: bool,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    full_name: String,
    default_branch: Option<String>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    empty: bool,
    permissions: Option<Permissions>,
}

impl Repository {
    pub(super) fn facts(self) -> Result<model::RepoFacts, Misfit> {
        let Permissions { admin, push } = self.permissions.unwrap_or_default();
        Ok(model::RepoFacts {
            name: self.full_name.parse().map_err(|e: model::BadRepoName| e.to_string())?,
            default_branch: Branch(self.default_branch.unwrap_or_default()),
            archived: self.archived,
            can_push: push || admin,
            can_admin: admin,
            empty: self.empty,
        })
    }
}

/// How a repository merges where nothing is said.
#[derive(Deserialize)]
pub(super) struct MergeFacts {
    default_merge_style: Option<String>,
}

impl MergeFacts {
    pub(super) fn style(self) -> Option<model::MergeStyle> {
        let word = self.default_merge_style?;
        model::MergeStyle::ALL.into_iter().find(|style| style.word() == word)
    }
}

#[derive(Deserialize)]
struct PullMeta {
    #[serde(default)]
    merged: bool,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    number: u64,
    title: String,
    body: Option<String>,
    user: Option<User>,
    labels: Option<Vec<Label>>,
    pub state: State,
    #[serde(default)]
    comments: i64,
    #[serde(deserialize_with = "time")]
    created_at: Timestamp,
    #[serde(deserialize_with = "time")]
    updated_at: Timestamp,
    pull_request: Option<PullMeta>,
}

impl From<Issue> for model::Issue {
    fn from(issue: Issue) -> Self {
        Self {
            number: IssueNumber(issue.number),
            title: issue.title,
            body: issue.body.unwrap_or_default(),
            author: login(issue.user),
            open: issue.state != State::Closed,
            labels: issue.labels.unwrap_or_default().into_iter().map(|l| l.name).collect(),
            created: issue.created_at,
            updated: issue.updated_at,
            comments: u64::try_from(issue.comments).unwrap_or(0),
            pull: issue.pull_request.map(|p| PullMark { merged: p.merged }),
        }
    }
}

#[derive(Deserialize)]
struct RepositoryMeta {
    #[serde(default)]
    full_name: String,
}

/// An issue that another depends on. One that the token may not see comes without number and repository, and open.
#[derive(Deserialize)]
pub(super) struct Dependency {
    #[serde(default)]
    number: u64,
    state: State,
    repository: Option<RepositoryMeta>,
}

impl Dependency {
    /// What cannot be seen becomes number 0 of the repository itself, still open: it must not be taken for done.
    pub(super) fn within(self, repo: &RepoName) -> model::Dependency {
        let named = self.repository.and_then(|r| r.full_name.parse().ok());
        model::Dependency {
            repo: named.unwrap_or_else(|| repo.clone()),
            issue: IssueNumber(self.number),
            open: self.state != State::Closed,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Comment {
    id: u64,
    issue_url: Option<String>,
    pull_request_url: Option<String>,
    html_url: Option<String>,
    user: Option<User>,
    body: Option<String>,
    #[serde(deserialize_with = "time")]
    created_at: Timestamp,
    #[serde(deserialize_with = "time")]
    updated_at: Timestamp,
}

impl Comment {
    /// The number of what it stands on is only in addresses: `issue_url`, on a pull request `pull_request_url`.
    pub(super) fn place(self) -> Result<model::Comment, Misfit> {
        let addresses = [&self.issue_url, &self.pull_request_url, &self.html_url];
        let issue = addresses.into_iter().flatten().find_map(|a| tail(a));
        Ok(model::Comment {
            id: CommentId(self.id),
            issue: issue.ok_or_else(|| format!("comment {} says not which issue it stands on", self.id))?,
            author: login(self.user),
            body: self.body.unwrap_or_default(),
            created: self.created_at,
            updated: self.updated_at,
        })
    }
}

/// The number at the end of an address, before any `#`.
fn tail(address: &str) -> Option<IssueNumber> {
    let path = address.split('#').next()?;
    path.rsplit('/').next()?.parse().ok().map(IssueNumber)
}

#[derive(Deserialize)]
pub(super) struct TimelineEvent {
    #[serde(rename = "type", default)]
    kind: String,
    body: Option<String>,
    label: Option<Label>,
    user: Option<User>,
    #[serde(deserialize_with = "time")]
    created_at: Timestamp,
}

impl TimelineEvent {
    /// None for what is not about a label, and for a label that is gone from the repository and with it its name.
    pub(super) fn label_event(self) -> Option<model::LabelEvent> {
        if self.kind != "label" {
            return None;
        }
        let added = self.body.as_deref() == Some("1");
        Some(model::LabelEvent { label: self.label?.name, added, by: login(self.user), at: self.created_at })
    }
}

#[derive(Deserialize)]
struct End {
    /// The branch's name, also when the branch is gone; on AGit blank (15) or `user/topic` (16).
    #[serde(default)]
    label: String,
    /// The branch's name while there is one, else `refs/pull/N/head`.
    #[serde(rename = "ref", default)]
    reference: String,
    #[serde(default)]
    sha: String,
    /// Of a fork another one than at the other end; -1 if the fork is gone.
    #[serde(default)]
    repo_id: i64,
}

impl End {
    fn branch(&self) -> &str {
        if self.label.is_empty() { &self.reference } else { &self.label }
    }
}

#[derive(Deserialize)]
pub(super) struct Pull {
    number: u64,
    title: String,
    user: Option<User>,
    pub state: State,
    #[serde(default)]
    merged: bool,
    merged_by: Option<User>,
    merge_commit_sha: Option<String>,
    head: End,
    base: End,
    /// 1 for one that was pushed to `refs/for/`, which has no branch.
    #[serde(default)]
    flow: i64,
    #[serde(deserialize_with = "time")]
    created_at: Timestamp,
    #[serde(deserialize_with = "time")]
    pub updated_at: Timestamp,
}

impl Pull {
    /// Whether it goes from this branch to that one, both of the repository itself. Anybody may call a branch of a fork, or an AGit
    /// topic, like one of ours.
    pub(super) fn joins(&self, head: &Branch, base: &Branch) -> bool {
        self.is_own() && self.head.branch() == head.as_str() && self.base.branch() == base.as_str()
    }

    /// Whether its head is a branch of the repository itself: neither a fork's nor an AGit topic.
    pub(super) fn is_own(&self) -> bool {
        self.flow == 0 && self.head.repo_id == self.base.repo_id
    }

    /// What its merge tells, where it is merged and this is the commit that it made.
    pub(super) fn merged(self, commit: &Sha) -> Result<Option<MergedPull>, Misfit> {
        if !self.merged || self.merge_commit_sha.as_deref() != Some(commit.as_str()) {
            return Ok(None);
        }
        Ok(Some(MergedPull {
            number: PullNumber(self.number),
            author: login(self.user),
            by: self.merged_by.map(|user| login(Some(user))),
            head: self.head.sha.parse().map_err(|e| format!("the head of pull request #{}: {e}", self.number))?,
            base: Branch(self.base.branch().to_owned()),
        }))
    }

    pub(super) fn pull(self) -> Result<model::Pull, Misfit> {
        let own = self.is_own();
        Ok(model::Pull {
            own,
            number: PullNumber(self.number),
            title: self.title,
            author: login(self.user),
            state: match self.state {
                _ if self.merged => PullState::Merged,
                State::Closed => PullState::Closed,
                State::Open | State::Unknown => PullState::Open,
            },
            head: Branch(self.head.branch().to_owned()),
            head_sha: self.head.sha.parse().map_err(|e| format!("the head of pull request #{}: {e}", self.number))?,
            base: Branch(self.base.branch().to_owned()),
            created: self.created_at,
            updated: self.updated_at,
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CheckState {
    Pending,
    Success,
    Error,
    Failure,
    Warning,
    Skipped,
    /// The forge takes any word: what we cannot read is not green.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct Status {
    status: CheckState,
    #[serde(default)]
    context: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    target_url: Option<String>,
}

/// The newest status of each context. Its own `state` is not read: it is made from one page only, and 15 and 16 disagree on `skipped`.
#[derive(Deserialize)]
pub(super) struct CombinedStatus {
    #[serde(default)]
    pub total_count: usize,
    statuses: Option<Vec<Status>>,
}

impl CombinedStatus {
    /// The contexts of this page. A warning or something skipped has ended and is not red.
    pub(super) fn contexts(self) -> Vec<CommitStatus> {
        let state = |state| match state {
            CheckState::Error | CheckState::Failure | CheckState::Unknown => model::Checks::Failure,
            CheckState::Pending => model::Checks::Pending,
            CheckState::Success | CheckState::Warning | CheckState::Skipped => model::Checks::Success,
        };
        let one = |status: Status| CommitStatus {
            context: status.context,
            state: state(status.status),
            cut: state(status.status) == model::Checks::Failure && status.description.as_deref().is_some_and(was_cut),
            description: status.description.unwrap_or_default(),
            link: status.target_url.unwrap_or_default(),
        };
        self.statuses.unwrap_or_default().into_iter().map(one).collect()
    }
}

/// What the forge's own CI says of a job that somebody, or its own clock, ended: such a status is red like one that failed.
fn was_cut(description: &str) -> bool {
    description.trim_start().starts_with("Has been cancelled")
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Right {
    Read,
    Write,
    Admin,
    Owner,
    /// `none`, and words that a later version brings: they give no right here.
    #[serde(other)]
    None,
}

#[derive(Deserialize)]
pub(super) struct CollaboratorPermission {
    permission: Right,
}

impl From<CollaboratorPermission> for model::Permission {
    fn from(answer: CollaboratorPermission) -> Self {
        match answer.permission {
            Right::None => Self::None,
            Right::Read => Self::Read,
            Right::Write => Self::Write,
            Right::Admin => Self::Admin,
            Right::Owner => Self::Owner,
        }
    }
}

pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no time")))
}
