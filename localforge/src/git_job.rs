//! What the model asks of git and what git answers: plain data, so that the model itself runs nothing.
//!
//! A job that writes names the object that a ref must still point to. Where another writer came in between, the reply is
//! [`GitReply::Stale`] and nothing was changed.

use super::state::records::MergeStyle;

/// A question to git, or a change of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GitJob {
    /// Make a bare repository; with files it gets a first commit.
    Init { folder: String, default_branch: String, first: Option<FirstCommit> },
    /// One commit; none where there is no such commit.
    Commit { folder: String, commit: String },
    /// The commits that `of` has and `without` has not, newest first.
    Commits { folder: String, of: String, without: Option<String>, skip: usize, take: usize },
    /// What `head` brings to `base`.
    Compare { folder: String, base: String, head: String },
    /// The patch from one commit to another.
    Diff { folder: String, from: String, to: String },
    /// What stands at a path of a commit; the empty path is its root.
    Path { folder: String, commit: String, path: String },
    /// Write (or, without content, delete) one file in a commit of its own on top of a branch.
    WriteFile { folder: String, branch: BranchTip, path: String, content: Option<Vec<u8>>, sign: Sign },
    /// Merge `head` into the branch `base`.
    Merge { folder: String, style: MergeStyle, base: String, base_sha: String, head: String, sign: Sign },
    /// Put `base` under the commits of the branch `head`: by a merge commit or by rebasing.
    Update { folder: String, rebase: bool, base_sha: String, head: String, head_sha: String, sign: Sign },
    /// Point a ref elsewhere, make it (no `from`) or delete it (no `to`).
    SetRef { folder: String, name: String, from: Option<String>, to: Option<String> },
    /// Make a branch the one that a clone starts on.
    SetHead { folder: String, branch: String },
}

impl GitJob {
    /// Whether the job changes the repository.
    pub fn writes(&self) -> bool {
        match self {
            Self::Init { .. }
            | Self::WriteFile { .. }
            | Self::Merge { .. }
            | Self::Update { .. }
            | Self::SetRef { .. }
            | Self::SetHead { .. } => true,
            Self::Commit { .. } | Self::Commits { .. } | Self::Compare { .. } | Self::Diff { .. } | Self::Path { .. } => false,
        }
    }

    /// The repository it is about.
    pub fn folder(&self) -> &str {
        match self {
            Self::Init { folder, .. }
            | Self::Commit { folder, .. }
            | Self::Commits { folder, .. }
            | Self::Compare { folder, .. }
            | Self::Diff { folder, .. }
            | Self::Path { folder, .. }
            | Self::WriteFile { folder, .. }
            | Self::Merge { folder, .. }
            | Self::Update { folder, .. }
            | Self::SetRef { folder, .. }
            | Self::SetHead { folder, .. } => folder,
        }
    }
}

/// The branch a commit goes on: the commit it builds on, and whether the branch is made by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BranchTip {
    pub name: String,
    pub parent: String,
    pub new: bool,
}

/// The first commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstCommit {
    pub files: Vec<NewFile>,
    pub sign: Sign,
}

/// A file to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewFile {
    pub path: String,
    pub content: Vec<u8>,
    pub executable: bool,
}

/// Who commits, when (seconds since 1970) and what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub name: String,
    pub email: String,
    pub at: i64,
    pub message: String,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GitReply {
    Commit(Option<CommitInfo>),
    Commits {
        list: Vec<CommitInfo>,
        total: usize,
    },
    Comparison(Comparison),
    Text(String),
    Path(Option<PathInfo>),
    /// The commit that a writing job made.
    Made(String),
    /// It is done, and there is no commit to name.
    Done,
    /// A ref was not where the job expected it.
    Stale,
    /// What was to be merged does not go together.
    Conflict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub name: String,
    pub email: String,
    pub at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitInfo {
    pub sha: String,
    pub tree: String,
    pub parents: Vec<String>,
    pub author: Signature,
    pub committer: Signature,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileChange {
    pub path: String,
    /// `added`, `deleted` or `changed`, as the API says it.
    pub status: &'static str,
    pub additions: u64,
    pub deletions: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Where the two parted; the base itself where they have nothing in common.
    pub merge_base: String,
    pub files: Vec<FileChange>,
    pub conflicts: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathInfo {
    pub sha: String,
    /// The last commit that touched it.
    pub last_commit: String,
    pub last_at: i64,
    pub what: PathKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    File(Vec<u8>),
    Folder(Vec<FolderEntry>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderEntry {
    pub name: String,
    pub sha: String,
    /// `file`, `dir`, `symlink` or `submodule`.
    pub kind: &'static str,
    pub size: u64,
}
