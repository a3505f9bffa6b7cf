//! What the API says about commits, branches and files.

use serde::Serialize;

use super::{Stamp, User};

#[derive(Clone, Serialize)]
pub(crate) struct Person {
    pub name: String,
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Stamp>,
}

#[derive(Clone, Serialize)]
pub(crate) struct CommitRef {
    pub url: String,
    pub sha: String,
}

#[derive(Clone, Serialize)]
pub(crate) struct CommitBody {
    pub url: String,
    pub author: Person,
    pub committer: Person,
    pub message: String,
    pub tree: CommitRef,
}

#[derive(Clone, Serialize)]
pub(crate) struct Commit {
    pub url: String,
    pub sha: String,
    pub created: Stamp,
    pub html_url: String,
    pub commit: CommitBody,
    pub author: Option<User>,
    pub committer: Option<User>,
    pub parents: Vec<CommitRef>,
}

#[derive(Clone, Serialize)]
pub(crate) struct BranchCommit {
    pub id: String,
    pub message: String,
    pub url: String,
    pub author: Person,
    pub committer: Person,
    pub timestamp: Stamp,
}

#[derive(Serialize)]
pub(crate) struct Branch {
    pub name: String,
    pub commit: BranchCommit,
    pub protected: bool,
    pub required_approvals: u64,
    pub enable_status_check: bool,
    pub status_check_contexts: Vec<String>,
    pub user_can_push: bool,
    pub user_can_merge: bool,
    pub effective_branch_protection_name: String,
}

#[derive(Serialize)]
pub(crate) struct RefObject {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub sha: String,
    pub url: String,
}

#[derive(Serialize)]
pub(crate) struct Ref {
    #[serde(rename = "ref")]
    pub reference: String,
    pub url: String,
    pub object: RefObject,
}

#[derive(Serialize)]
pub(crate) struct ComparedFile {
    pub filename: String,
    pub status: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Compare {
    pub total_commits: usize,
    pub commits: Vec<Commit>,
    pub files: Vec<ComparedFile>,
}

#[derive(Serialize)]
pub(crate) struct Contents {
    pub name: String,
    pub path: String,
    pub sha: String,
    pub last_commit_sha: String,
    pub last_commit_when: Stamp,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub size: u64,
    pub encoding: Option<&'static str>,
    pub content: Option<String>,
    pub url: String,
    pub html_url: String,
    pub git_url: String,
    pub download_url: String,
}

#[derive(Serialize)]
pub(crate) struct FileCommit {
    pub url: String,
    pub sha: String,
    pub html_url: String,
    pub author: Person,
    pub committer: Person,
    pub parents: Vec<CommitRef>,
    pub message: String,
    pub tree: CommitRef,
}

#[derive(Serialize)]
pub(crate) struct FileChanged {
    pub content: Option<Contents>,
    pub commit: FileCommit,
}

#[derive(Clone, Serialize)]
pub(crate) struct Status {
    pub id: u64,
    pub status: String,
    pub target_url: String,
    pub description: String,
    pub url: String,
    pub context: String,
    pub creator: User,
    pub created_at: Stamp,
    pub updated_at: Stamp,
}

#[derive(Serialize)]
pub(crate) struct CombinedStatus {
    pub state: String,
    pub sha: String,
    pub total_count: usize,
    pub statuses: Option<Vec<Status>>,
    pub repository: Option<super::Repo>,
    pub commit_url: &'static str,
    pub url: &'static str,
}

/// Runs of the forge's own CI, of which there are none here.
#[derive(Default, Serialize)]
pub(crate) struct ActionRuns {
    pub workflow_runs: [(); 0],
    pub total_count: u64,
}
