//! The wire types of the forge's own side. They are not the client's: two readings of one protocol, so that a slip in the one
//! shows against the other. Answers give what a client can use; the many constant fields of a real forge are left out.

pub(super) mod asked;
mod code;
mod pulls;

pub(super) use code::*;
pub(super) use pulls::*;

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

use super::state::records::At;

impl At {
    /// RFC 3339, whole seconds, UTC.
    pub fn rfc3339(self) -> String {
        DateTime::from_timestamp(self.0, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

/// A time as the API writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp(pub At);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

/// Always `null`: what this forge has not, where a client looks for it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Nothing;

#[derive(Serialize)]
pub(super) struct Version {
    pub version: &'static str,
}

#[derive(Serialize)]
pub(super) struct ApiSettings {
    max_response_items: u32,
    default_paging_num: u32,
    default_git_trees_per_page: u32,
    default_max_blob_size: u32,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            max_response_items: 50,
            default_paging_num: 30,
            default_git_trees_per_page: 1000,
            default_max_blob_size: 10_485_760,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Refused {
    pub message: String,
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<String>>,
}

#[derive(Clone, Serialize)]
pub(super) struct User {
    pub id: u64,
    pub login: String,
    pub full_name: String,
    pub email: String,
    pub avatar_url: String,
    pub html_url: String,
    pub is_admin: bool,
    pub created: Stamp,
    pub restricted: bool,
    pub active: bool,
    pub description: &'static str,
    pub visibility: &'static str,
    pub username: String,
}

#[derive(Serialize)]
pub(super) struct Token {
    pub id: u64,
    pub name: String,
    pub sha1: String,
    pub token_last_eight: String,
    pub scopes: Vec<String>,
    pub repositories: Option<Vec<RepoMeta>>,
}

#[derive(Clone, Serialize)]
pub(super) struct RepoMeta {
    pub id: u64,
    pub name: String,
    pub owner: String,
    pub full_name: String,
}

#[derive(Clone, Serialize)]
pub(super) struct Permissions {
    pub admin: bool,
    pub push: bool,
    pub pull: bool,
}

#[derive(Clone, Serialize)]
pub(super) struct Repo {
    pub id: u64,
    pub owner: User,
    pub name: String,
    pub full_name: String,
    pub description: String,
    pub empty: bool,
    pub private: bool,
    pub fork: bool,
    pub html_url: String,
    pub url: String,
    pub clone_url: String,
    pub open_issues_count: usize,
    pub open_pr_counter: usize,
    pub default_branch: String,
    pub archived: bool,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    pub permissions: Permissions,
    pub has_issues: bool,
    pub has_pull_requests: bool,
    pub allow_merge_commits: bool,
    pub allow_rebase: bool,
    pub allow_rebase_explicit: bool,
    pub allow_squash_merge: bool,
    pub allow_fast_forward_only_merge: bool,
    pub default_merge_style: &'static str,
    pub object_format_name: &'static str,
}

#[derive(Serialize)]
pub(super) struct Permission {
    pub permission: &'static str,
    pub role_name: &'static str,
    pub user: User,
}

#[derive(Clone, Serialize)]
pub(super) struct Label {
    pub id: u64,
    pub name: String,
    pub exclusive: bool,
    pub is_archived: bool,
    pub color: String,
    pub description: String,
    pub url: String,
}

#[derive(Clone, Serialize)]
pub(super) struct PullMeta {
    pub merged: bool,
    pub merged_at: Option<Stamp>,
    pub draft: bool,
    pub html_url: String,
}

#[derive(Clone, Serialize)]
pub(super) struct Issue {
    pub id: u64,
    pub url: String,
    pub html_url: String,
    pub number: u64,
    pub user: User,
    pub title: String,
    pub body: String,
    #[serde(rename = "ref")]
    pub reference: &'static str,
    pub labels: Vec<Label>,
    pub milestone: Nothing,
    pub assignee: Option<User>,
    pub assignees: Option<Vec<User>>,
    pub state: &'static str,
    pub is_locked: bool,
    pub comments: u64,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    pub closed_at: Option<Stamp>,
    pub due_date: Nothing,
    pub pull_request: Option<PullMeta>,
    pub repository: RepoMeta,
}

#[derive(Clone, Serialize)]
pub(super) struct Comment {
    pub id: u64,
    pub html_url: String,
    pub pull_request_url: String,
    pub issue_url: String,
    pub user: User,
    pub body: String,
    pub created_at: Stamp,
    pub updated_at: Stamp,
}

#[derive(Serialize)]
pub(super) struct Event {
    pub id: u64,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub html_url: String,
    pub pull_request_url: String,
    pub issue_url: String,
    pub user: User,
    pub body: String,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    pub milestone: Nothing,
    pub old_title: String,
    pub new_title: String,
    pub ref_issue: Option<Issue>,
    pub ref_action: &'static str,
    pub ref_commit_sha: String,
    pub review_id: u64,
    pub label: Option<Label>,
    pub assignee: Option<User>,
    pub removed_assignee: bool,
    pub dependent_issue: Option<Issue>,
}

#[derive(Serialize)]
pub(super) struct Reaction {
    pub user: User,
    pub content: String,
    pub created_at: Stamp,
}

#[derive(Serialize)]
pub(super) struct HookConfig {
    pub content_type: String,
    pub url: String,
}

#[derive(Serialize)]
pub(super) struct Hook {
    pub id: u64,
    #[serde(rename = "type")]
    pub kind: String,
    pub branch_filter: String,
    pub url: String,
    pub config: HookConfig,
    pub events: Vec<String>,
    pub authorization_header: &'static str,
    pub content_type: String,
    pub active: bool,
    pub updated_at: Stamp,
    pub created_at: Stamp,
}

/// What a webhook tells about an edit.
#[derive(Clone, Serialize)]
pub(super) struct From {
    pub from: String,
}

#[derive(Clone, Default, Serialize)]
pub(super) struct Changes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<From>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<From>,
}

#[derive(Serialize)]
pub(super) struct IssuePayload {
    pub action: &'static str,
    pub number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    pub issue: Issue,
    pub repository: Repo,
    pub sender: User,
    pub commit_id: &'static str,
}

#[derive(Serialize)]
pub(super) struct CommentPayload {
    pub action: &'static str,
    pub issue: Issue,
    pub comment: Comment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    pub repository: Repo,
    pub sender: User,
    pub is_pull: bool,
}

#[derive(Serialize)]
pub(super) struct RefPayload {
    pub sha: String,
    #[serde(rename = "ref")]
    pub reference: String,
    pub ref_type: &'static str,
    pub repository: Repo,
    pub sender: User,
}

#[derive(Serialize)]
pub(super) struct DeletePayload {
    #[serde(rename = "ref")]
    pub reference: String,
    pub ref_type: &'static str,
    pub pusher_type: &'static str,
    pub repository: Repo,
    pub sender: User,
}

#[derive(Serialize)]
pub(super) struct PushPayload {
    #[serde(rename = "ref")]
    pub reference: String,
    pub before: String,
    pub after: String,
    pub compare_url: String,
    pub commits: Vec<BranchCommit>,
    pub total_commits: usize,
    pub head_commit: Option<BranchCommit>,
    pub repository: Repo,
    pub pusher: User,
    pub sender: User,
}
