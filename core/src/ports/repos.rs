//! git: a bare mirror for each repository that the daemon owns, claims, and what is taken over from an agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::model::{Branch, Change, IssueNumber, JournalId, Kept, LastTag, PullNumber, Refusal, RepoName, RunId, Sha, Timestamp};

/// git on the daemon's side. No call of it ever runs git on a tree that an agent could write.
#[async_trait]
pub trait Repos: Send + Sync {
    /// Fetches heads and tags into the mirror (made on first use, never pruned) and answers with the tip of a branch, if it is there.
    /// `refs/forgehand/runs/<run>` keeps that tip reachable while the run lives.
    async fn sync(&self, repo: &RepoName, branches: &[Branch], keep: &RunId) -> Result<Tips, RepoError>;
    /// A file of a commit in the mirror, as text; none if it is not there, not a regular file, or longer than `limit` bytes.
    async fn read(&self, repo: &RepoName, at: &Sha, path: &str, limit: u64) -> Result<Option<String>, RepoError>;
    /// The regular files below a folder of a commit in the mirror, by their paths below it, as text; those longer than `limit` bytes apart.
    /// More than `most` of them are an error.
    async fn files(
        &self,
        repo: &RepoName,
        at: &Sha,
        folder: &str,
        limit: u64,
        most: usize,
    ) -> Result<BTreeMap<String, String>, RepoError>;
    /// Whether a commit in the mirror has something at a path, whatever it is.
    async fn holds(&self, repo: &RepoName, at: &Sha, path: &str) -> Result<bool, RepoError>;
    /// Which of these paths the tip of a branch has nothing at: everything is fetched first. None where the branch is not on the forge.
    async fn missing(&self, repo: &RepoName, branch: &Branch, paths: &[String]) -> Result<Option<Vec<String>>, RepoError>;
    /// Whether there are commits from `base` to `tip` in the mirror, and each of them was written and committed by one of these authors.
    async fn all_by(&self, repo: &RepoName, base: &Sha, tip: &Sha, authors: &[String]) -> Result<bool, RepoError>;
    /// The newest tag of a version, and of no pre-release, that a commit of the mirror has behind it.
    async fn last_tag(&self, repo: &RepoName, at: &Sha) -> Result<LastTag, RepoError>;
    /// Whether a commit from `base` to `tip` in the mirror changes a path.
    async fn touched(&self, repo: &RepoName, base: &Sha, tip: &Sha, path: &str) -> Result<bool, RepoError>;
    /// Tries to take, renew or take over the claim of an issue by pushing a unique commit with a lease (`facts/forgejo.md`).
    async fn claim(&self, repo: &RepoName, issue: IssueNumber, claim: &NewClaim) -> Result<ClaimAnswer, RepoError>;
    /// Gives a claim back: deletes the ref if it still is `held`. One that is gone or is another's is no error.
    async fn release(&self, repo: &RepoName, issue: IssueNumber, held: &Sha) -> Result<(), RepoError>;
    /// Takes a bundle file over into a throw-away bare repository of the run and judges it there (`facts/security.md`); re-authors
    /// its commits. Repeating it gives the same answer.
    async fn take(&self, order: &TakeOrder) -> Result<Result<Change, Refusal>, RepoError>;
    /// What the commits from `base` to the judged `head` of a run would publish: path and added text, each commit looked at on its own,
    /// messages included. For the scan for secrets; an error where there is too much to hold, never a part of it.
    async fn added(&self, run: &RunId, base: &Sha, head: &Sha) -> Result<Vec<(String, String)>, RepoError>;
    /// Makes a fresh clone of a judged commit of a run at `dest` (not there, or empty), `HEAD` detached at it. It borrows no objects and
    /// has no remote, so that it works wherever it is mounted.
    async fn checkout(&self, repo: &RepoName, run: &RunId, sha: &Sha, dest: &Path) -> Result<(), RepoError>;
    /// Makes a commit of the mirror, or the judged one of a run, one that can be checked out for it, with the files of a kept branch laid over
    /// it; answers with the commit to check out. It is never pushed. Repeating it gives the same answer.
    async fn lay_over(&self, repo: &RepoName, run: &RunId, on: &Sha, over: Option<&Kept>) -> Result<Sha, RepoError>;
    /// Pushes the judged head of a run to its branch, with a lease.
    async fn push(
        &self,
        repo: &RepoName,
        run: &RunId,
        head: &Sha,
        branch: &Branch,
        lease: &Lease,
    ) -> Result<PushAnswer, RepoError>;
    /// The tip of a branch on the forge itself (`ls-remote`).
    async fn remote_tip(&self, repo: &RepoName, branch: &Branch) -> Result<Option<Sha>, RepoError>;
    /// Deletes a branch if it stands at a commit. Answers whether it is gone, which it may have been before.
    async fn delete_branch(&self, repo: &RepoName, branch: &Branch, at: &Sha) -> Result<bool, RepoError>;
    /// What a head in the mirror changes since it left a base that is there too, `try_merge` has fetched both; none where they share no history.
    async fn change(&self, repo: &RepoName, base: &Sha, head: &Sha, matters: &Matters) -> Result<Option<Change>, RepoError>;
    /// The commits of a branch that changed a file, newest first, no more than `most`: everything is fetched first. None where the branch is
    /// not on the forge.
    async fn changes_of(&self, repo: &RepoName, branch: &Branch, path: &str, most: usize) -> Result<Option<Vec<Sha>>, RepoError>;
    /// Tries to merge one branch into another: both are fetched, and merged in a place that is thrown away, without a work tree. None where one
    /// of them is not on the forge. Repeating it is harmless.
    async fn try_merge(&self, repo: &RepoName, head: &Branch, base: &Branch) -> Result<Option<Merge>, RepoError>;
    /// The same for the head of an open pull request, wherever it comes from; that may be an older one than the forge has told, since the forge
    /// writes `refs/pull` after the push. No ref keeps what is fetched so: it is there for now.
    async fn try_merge_pull(&self, repo: &RepoName, pull: PullNumber, base: &Branch) -> Result<Option<Merge>, RepoError>;
    /// Merges a base into a head, both of which are in the mirror, into what a run can verify and push; the head itself where it has the base
    /// behind it. None where that is a conflict. Repeating it is harmless.
    async fn bring_up(&self, order: &BringUp) -> Result<Option<Change>, RepoError>;
    /// Writes files by one commit of ours, on top of what was read: what else came meanwhile is merged. Repeating it is harmless: what says so
    /// already is not written again.
    async fn keep(&self, repo: &RepoName, order: &KeepOrder) -> Result<KeepAnswer, RepoError>;
    /// Drops what was kept for a run: its ref in the mirror and its throw-away repository.
    async fn forget(&self, repo: &RepoName, run: &RunId) -> Result<(), RepoError>;
}

/// The tips that were asked for, in the same order; none where the branch is not on the forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tips(pub Vec<Option<Sha>>);

/// What came of trying to merge a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Where the branch is on the forge.
    pub head: Sha,
    /// Where the other one is.
    pub base: Sha,
    /// That is not in its history.
    pub behind: bool,
    /// A person has to help.
    pub conflicts: bool,
}

/// What a project asks to be told about changed paths.
#[derive(Clone, Debug, Default)]
pub struct Matters {
    /// Globs of paths that a person must decide on.
    pub person_paths: Vec<String>,
    /// The verification's commands: a file that one of them names matters.
    pub verify: Vec<String>,
}

/// A claim to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClaim {
    /// Whose it is.
    pub journal: JournalId,
    /// Makes its commit unlike any other.
    pub nonce: String,
    /// When it ends, by the forge's clock.
    pub until: Timestamp,
    /// Now, by the forge's clock: an older claim of another journal is expired.
    pub now: Timestamp,
    /// The claim of ours that this renews.
    pub renews: Option<Sha>,
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// It is ours; the commit that says so.
    Won(Sha),
    /// Another journal holds it.
    Held {
        /// Whose it is.
        by: JournalId,
        /// When it ends, by the forge's clock.
        until: Timestamp,
    },
    /// Somebody was faster; look again.
    Lost,
}

/// A bundle to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOrder {
    /// The repository.
    pub repo: RepoName,
    /// The run it belongs to.
    pub run: RunId,
    /// The file, in a folder that an agent could write.
    pub bundle: PathBuf,
    /// The one branch that it may carry.
    pub branch: Branch,
    /// The commit that the work builds on.
    pub base: Sha,
    /// A commit that the work may merge in: what that brings is not the agent's, and is not judged as its own.
    pub beside: Option<Sha>,
    /// Author and committer of what is pushed, `Name <mail>`.
    pub author: String,
    /// Changed lines at most.
    pub diff_lines: u64,
    /// Globs of paths that a person must decide on.
    pub person_paths: Vec<String>,
    /// A path that no commit may hold: the project's env file.
    pub private: Option<String>,
    /// The project's verify commands: files of the change that they name are told.
    pub verify: Vec<String>,
    /// What was taken over before in the run is set aside: an agent that reads beside those who write may be to begin from there.
    pub sets_aside: bool,
}

/// A head to bring up to its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BringUp {
    /// The repository.
    pub repo: RepoName,
    /// The run that does it.
    pub run: RunId,
    /// The head, and its branch.
    pub head: (Sha, Branch),
    /// The tip of the base, and its branch.
    pub base: (Sha, Branch),
    /// Author and committer, `Name <mail>`.
    pub author: String,
    /// When, by the forge's clock.
    pub at: Timestamp,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepOrder {
    /// The branch that it is to be on in the end.
    pub base: Branch,
    /// The branch that it is pushed to instead, which is made for it: a pull request asks for it.
    pub asked_by: Option<Branch>,
    /// The commit of `base` that its writer had read; where it is now, without one.
    pub read: Option<Sha>,
    /// What is written: texts by their paths from the root, in one commit.
    pub files: BTreeMap<String, String>,
    /// The commit's message.
    pub message: String,
    /// Author and committer, `Name <mail>`.
    pub author: String,
    /// When, by the forge's clock.
    pub at: Timestamp,
}

/// What came of writing a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepAnswer {
    /// It is written, by this commit.
    Written(Sha),
    /// It says so already.
    Same,
    /// Somebody else changed the same lines since it was read.
    Conflict,
    /// The branch is not there.
    NoBranch,
}

/// What must be at the remote branch for a push to be let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The branch must not exist.
    Absent,
    /// The branch must be at this commit.
    At(Sha),
}

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushAnswer {
    /// The branch is at our head (also if it already was).
    Pushed,
    /// The lease did not hold: the branch is elsewhere.
    Stale {
        /// Where it is; none if it is gone.
        tip: Option<Sha>,
    },
}

/// A git operation that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct RepoError {
    /// What decides the retry and the exit code.
    pub kind: RepoErrorKind,
    /// The operation, in words.
    pub what: String,
    /// What git said, cleaned of tokens.
    pub why: String,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoErrorKind {
    /// The forge could not be reached: passes by itself.
    Unreachable,
    /// The forge refused: rights, or a hook.
    Denied,
    /// The machine: no git, no disk.
    Environment,
    /// git said something that was not expected.
    Failed,
}
