//! What the API says about pull requests, reviews and branch protections.

use serde::Serialize;

use super::{Changes, Label, Nothing, Repo, Stamp, User};
use crate::state::records::Verdict;

#[derive(Clone, Serialize)]
pub(crate) struct PullBranch {
    pub label: String,
    #[serde(rename = "ref")]
    pub reference: String,
    pub sha: String,
    pub repo_id: u64,
    pub repo: Repo,
}

#[derive(Clone, Serialize)]
pub(crate) struct Pull {
    pub id: u64,
    pub url: String,
    pub number: u64,
    pub user: User,
    pub title: String,
    pub body: String,
    pub labels: Vec<Label>,
    pub milestone: Nothing,
    pub assignee: Option<User>,
    pub assignees: Option<Vec<User>>,
    pub requested_reviewers: Vec<User>,
    pub requested_reviewers_teams: [Nothing; 0],
    pub state: &'static str,
    pub draft: bool,
    pub is_locked: bool,
    pub comments: u64,
    pub review_comments: usize,
    pub additions: u64,
    pub deletions: u64,
    pub changed_files: u64,
    pub html_url: String,
    pub diff_url: String,
    pub patch_url: String,
    pub mergeable: bool,
    pub merged: bool,
    pub merged_at: Option<Stamp>,
    pub merge_commit_sha: Option<String>,
    pub merged_by: Option<User>,
    pub base: PullBranch,
    pub head: PullBranch,
    pub merge_base: String,
    pub due_date: Nothing,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    pub closed_at: Option<Stamp>,
    /// 1 is AGit's, which localforge does not know.
    pub flow: u8,
}

#[derive(Serialize)]
pub(crate) struct PullFile {
    pub filename: String,
    pub status: &'static str,
    pub additions: u64,
    pub deletions: u64,
    pub changes: u64,
    pub html_url: String,
    pub contents_url: String,
    pub raw_url: String,
}

#[derive(Serialize)]
pub(crate) struct Review {
    pub id: u64,
    pub user: User,
    pub team: Nothing,
    pub state: Verdict,
    pub body: String,
    pub commit_id: String,
    pub stale: bool,
    pub official: bool,
    pub dismissed: bool,
    pub comments_count: usize,
    pub submitted_at: Stamp,
    pub updated_at: Stamp,
    pub html_url: String,
    pub pull_request_url: String,
}

#[derive(Serialize)]
pub(crate) struct ReviewComment {
    pub id: u64,
    pub body: String,
    pub user: User,
    pub pull_request_review_id: u64,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    pub path: String,
    pub commit_id: String,
    pub original_commit_id: String,
    pub diff_hunk: String,
    /// The line, from 1; 0 where it is one of the file before the change.
    pub position: u64,
    /// The line before the change; 0 where it is one of the file after it.
    pub original_position: u64,
    pub html_url: String,
    pub pull_request_url: String,
}

#[derive(Serialize)]
pub(crate) struct Protection {
    pub branch_name: String,
    pub rule_name: String,
    pub enable_push: bool,
    pub enable_push_whitelist: bool,
    pub push_whitelist_usernames: Vec<String>,
    pub enable_merge_whitelist: bool,
    pub merge_whitelist_usernames: Vec<String>,
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
    pub created_at: Stamp,
    pub updated_at: Stamp,
}

#[derive(Serialize)]
pub(crate) struct PayloadReview {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub content: String,
}

#[derive(Serialize)]
pub(crate) struct PullPayload {
    pub action: &'static str,
    pub number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    pub pull_request: Pull,
    pub requested_reviewer: Option<User>,
    pub repository: Repo,
    pub sender: User,
    pub commit_id: &'static str,
    pub review: Option<PayloadReview>,
}
