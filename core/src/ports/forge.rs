//! The forge, as far as forgehand needs it.

use async_trait::async_trait;

use crate::model::{
    Branch, Checks, Comment, CommentId, Dependency, Issue, IssueNumber, LabelEvent, Login, MergeStyle, Permission, Pull,
    PullNumber, RepoFacts, RepoLabel, RepoName, ReviewId, Reviews, Sha, Spot, Timestamp, Verdict,
};

/// A list, and the forge's own time when it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The `Date` of the (first) answer; all `since` are counted by this clock. None if the forge sent none.
    pub date: Option<Timestamp>,
}

/// Which issues to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueFilter {
    /// Only what moved at or after this time, oldest movement first (`sort=leastupdate`).
    pub since: Option<Timestamp>,
    /// Only those that carry this label. The adapter filters again after the forge, which drops names it does not know.
    pub label: Option<String>,
    /// Open ones only; otherwise open and closed.
    pub open_only: bool,
    /// Issues only; otherwise pull requests too.
    pub no_pulls: bool,
    /// No more than these; of a list that is longer, those that moved the longest ago.
    pub at_most: Option<usize>,
}

/// The pull request to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPull {
    /// The branch with the work.
    pub head: Branch,
    /// The branch it would go to.
    pub base: Branch,
    /// Its title.
    pub title: String,
    /// Its body, Markdown.
    pub body: String,
}

/// A pull request, as its merge tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedPull {
    /// Its number.
    pub number: PullNumber,
    /// Who opened it.
    pub author: Login,
    /// Who merged it; none where the forge does not say.
    pub by: Option<Login>,
    /// The commit that was merged.
    pub head: Sha,
    /// The branch that it went to.
    pub base: Branch,
}

/// The issue to file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssue {
    /// Its title.
    pub title: String,
    /// Its body, Markdown.
    pub body: String,
    /// Its labels, by the forge's identifiers.
    pub labels: Vec<u64>,
}

/// The review to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReview {
    /// What it comes to.
    pub verdict: Verdict,
    /// Its text, Markdown.
    pub body: String,
    /// The commit that was read.
    pub of: Sha,
}

/// A review as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenReview {
    /// It.
    pub id: ReviewId,
    /// When it was given, by the forge's clock; none where the forge does not say.
    pub at: Option<Timestamp>,
    /// About which commit, where the forge says.
    pub of: Option<Sha>,
    /// The forge counts it: its author might write when it was given.
    pub official: bool,
    /// It was dismissed.
    pub dismissed: bool,
    /// How many comments on lines it has.
    pub comments: u64,
    /// By whom.
    pub by: Login,
    /// Its text, raw.
    pub body: String,
    /// What it comes to; none where that is nothing of ours.
    pub verdict: Option<Verdict>,
}

/// A comment on a line, as part of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineComment {
    /// The forge's identifier.
    pub id: u64,
    /// By whom: of a reply another one than the review's author.
    pub by: Login,
    /// When it was written, by the forge's clock.
    pub at: Timestamp,
    /// The line.
    pub spot: Spot,
    /// Its text, raw.
    pub body: String,
}

/// A status that a commit has in one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// The context.
    pub context: String,
    /// How it stands.
    pub state: Checks,
    /// What it says, raw.
    pub description: String,
    /// Where more is said, raw.
    pub link: String,
    /// It is red because it was ended from outside, and says nothing about the commit.
    pub cut: bool,
}

/// A status to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStatus {
    /// The context.
    pub context: String,
    /// How it stands.
    pub state: Checks,
    /// What it says.
    pub description: String,
}

/// A job of the forge's own CI that failed, or was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedJob {
    /// What it is called.
    pub name: String,
    /// The run that it is of.
    pub run: u64,
    /// It was cancelled, not failed.
    pub cancelled: bool,
    /// What it printed.
    pub log: JobLog,
}

/// What a job of the forge's own CI printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobLog {
    /// The end of it, raw.
    Ends(String),
    /// Nothing is there: it ended before its first step.
    Nothing,
    /// The forge does not hand it out.
    Unread,
}

impl FailedJob {
    /// It ended before its first step, which says nothing about the change.
    pub fn never_began(&self) -> bool {
        !self.cancelled && self.log == JobLog::Nothing
    }

    /// A commit status is of this job.
    pub fn is_told_by(&self, context: &str) -> bool {
        context == self.name || context.contains(&format!(" / {} (", self.name))
    }
}

/// A run of the forge's own CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiRun {
    /// Its number on the forge.
    pub id: u64,
    /// How it stands.
    pub state: CiState,
}

/// How a run of the forge's own CI stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CiState {
    /// No runner is at it: none takes it, or it waits for something else.
    Waiting,
    /// A runner is at it.
    UnderWay,
    /// It was ended from outside.
    Cancelled,
    /// It came to its end, whatever that was.
    Ended,
}

/// Calls to a forge. GETs are retried within an adapter; what writes is sent once, and the caller looks up after a doubtful answer.
#[async_trait]
pub trait Forge: Send + Sync {
    /// The forge's version, such as `15.0.3+gitea-1.22.0`.
    async fn version(&self) -> Result<String, ForgeError>;
    /// The login that the token belongs to. A repository-scoped token may not ask: [`ForgeErrorKind::Denied`].
    async fn whoami(&self) -> Result<Login, ForgeError>;
    /// The repository.
    async fn repository(&self, repo: &RepoName) -> Result<RepoFacts, ForgeError>;
    /// All labels of the repository.
    async fn labels(&self, repo: &RepoName) -> Result<Vec<RepoLabel>, ForgeError>;
    /// Creates a label; `color` is `#rrggbb`. Names are not unique on a forge: look first.
    async fn create_label(&self, repo: &RepoName, name: &str, color: &str, description: &str) -> Result<RepoLabel, ForgeError>;
    /// Issues and pull requests, all pages. Nothing that moved while pages were read is missed.
    async fn issues(&self, repo: &RepoName, filter: &IssueFilter) -> Result<Listed<Issue>, ForgeError>;
    /// Comments of the whole repository, created or edited at or after `since`, all pages.
    async fn comments_since(&self, repo: &RepoName, since: Timestamp) -> Result<Listed<Comment>, ForgeError>;
    /// One issue.
    async fn issue(&self, repo: &RepoName, issue: IssueNumber) -> Result<Issue, ForgeError>;
    /// Its comments, oldest first.
    async fn issue_comments(&self, repo: &RepoName, issue: IssueNumber) -> Result<Vec<Comment>, ForgeError>;
    /// Its label events, oldest first, all pages.
    async fn label_events(&self, repo: &RepoName, issue: IssueNumber) -> Result<Vec<LabelEvent>, ForgeError>;
    /// What it depends on by the forge's own dependencies.
    async fn dependencies(&self, repo: &RepoName, issue: IssueNumber) -> Result<Vec<Dependency>, ForgeError>;
    /// Puts one label on; answers with the names of all labels that the issue then carries. The label must exist: the forge ignores
    /// unknown names in silence, and the adapter makes an error of that.
    async fn add_label(&self, repo: &RepoName, issue: IssueNumber, name: &str) -> Result<Vec<String>, ForgeError>;
    /// Takes one label off; one that is not on is no error, nor is one that the repository does not have.
    async fn remove_label(&self, repo: &RepoName, issue: IssueNumber, name: &str) -> Result<(), ForgeError>;
    /// Writes a comment.
    async fn create_comment(&self, repo: &RepoName, issue: IssueNumber, body: &str) -> Result<Comment, ForgeError>;
    /// Edits a comment. [`ForgeErrorKind::NotFound`] if somebody deleted it.
    async fn edit_comment(&self, repo: &RepoName, id: CommentId, body: &str) -> Result<Comment, ForgeError>;
    /// Deletes a comment; one that is gone is no error.
    async fn delete_comment(&self, repo: &RepoName, id: CommentId) -> Result<(), ForgeError>;
    /// Files an issue.
    async fn create_issue(&self, repo: &RepoName, new: &NewIssue) -> Result<Issue, ForgeError>;
    /// Writes an issue's title and body anew, each where it is given.
    async fn edit_issue(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        title: Option<&str>,
        body: Option<&str>,
    ) -> Result<Issue, ForgeError>;
    /// Lets an issue wait for another of its repository. Look first: a second time the forge answers as if it were broken.
    async fn add_dependency(&self, repo: &RepoName, issue: IssueNumber, on: IssueNumber) -> Result<(), ForgeError>;
    /// Closes an issue; [`ForgeErrorKind::Conflict`] while it waits for others.
    async fn close_issue(&self, repo: &RepoName, issue: IssueNumber) -> Result<(), ForgeError>;
    /// Opens a closed issue again; an open one stays as it is.
    async fn reopen_issue(&self, repo: &RepoName, issue: IssueNumber) -> Result<(), ForgeError>;
    /// The pull requests with this head and base: all open ones, then closed ones that moved at or after `since`. The adapter
    /// compares head and base itself. (One request where the open ones fit a page and `since` is none.)
    async fn pulls(
        &self,
        repo: &RepoName,
        head: &Branch,
        base: &Branch,
        since: Option<Timestamp>,
    ) -> Result<Vec<Pull>, ForgeError>;
    /// All open pull requests that come from a branch of the repository itself.
    async fn open_pulls(&self, repo: &RepoName) -> Result<Vec<Pull>, ForgeError>;
    /// One pull request.
    async fn pull(&self, repo: &RepoName, pull: PullNumber) -> Result<Pull, ForgeError>;
    /// The pull request of which a commit is the merge.
    async fn merged_by(&self, repo: &RepoName, commit: &Sha) -> Result<Option<MergedPull>, ForgeError>;
    /// Opens a pull request.
    async fn create_pull(&self, repo: &RepoName, new: &NewPull) -> Result<Pull, ForgeError>;
    /// Closes a pull request without a merge.
    async fn close_pull(&self, repo: &RepoName, pull: PullNumber) -> Result<(), ForgeError>;
    /// The contexts that the protection of a branch requires, as patterns; none where it has no protection, or that asks for none.
    async fn required_contexts(&self, repo: &RepoName, branch: &Branch) -> Result<Vec<String>, ForgeError>;
    /// Whether the protection of a branch lets those past it who administer the repository. Asking needs that: [`ForgeErrorKind::Denied`].
    async fn admins_pass(&self, repo: &RepoName, branch: &Branch) -> Result<bool, ForgeError>;
    /// How the repository merges where nothing is said; none where the forge does not tell.
    async fn usual_merge(&self, repo: &RepoName) -> Result<Option<MergeStyle>, ForgeError>;
    /// Merges a pull request if this is its head. What became of it has to be looked up after an error, and after an answer too: the forge
    /// also says yes where it will merge some day. By `force` it goes past the protection of its base, where who asks may.
    async fn merge_pull(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        head: &Sha,
        style: MergeStyle,
        force: bool,
    ) -> Result<(), ForgeError>;
    /// The combined status of a commit.
    async fn checks(&self, repo: &RepoName, sha: &Sha) -> Result<Checks, ForgeError>;
    /// The last status of a commit in each context.
    async fn statuses(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CommitStatus>, ForgeError>;
    /// Writes a status of a commit: in its context the newest counts.
    async fn set_status(&self, repo: &RepoName, sha: &Sha, new: &NewStatus) -> Result<(), ForgeError>;
    /// The jobs of the forge's own CI that did not end well on a commit; none where the forge has none or tells nothing of them (before 16).
    async fn failed_jobs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<FailedJob>, ForgeError>;
    /// The runs of the forge's own CI on a commit; none where the forge has none or does not tell.
    async fn ci_runs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CiRun>, ForgeError>;
    /// Has such a run, which has ended, run again. [`ForgeErrorKind::NotFound`] where the forge has no call for that (before 17),
    /// [`ForgeErrorKind::Invalid`] where it has not ended.
    async fn rerun(&self, repo: &RepoName, run: u64) -> Result<(), ForgeError>;
    /// What the reviews of a pull request come to.
    async fn reviews(&self, repo: &RepoName, pull: PullNumber) -> Result<Reviews, ForgeError>;
    /// The reviews of a pull request one by one, oldest first.
    async fn written_reviews(&self, repo: &RepoName, pull: PullNumber) -> Result<Vec<WrittenReview>, ForgeError>;
    /// Reviews a pull request. [`ForgeErrorKind::Invalid`] where whoever opened it would approve or reject it.
    async fn create_review(&self, repo: &RepoName, pull: PullNumber, new: &NewReview) -> Result<(), ForgeError>;
    /// The comments on lines of a review, replies among them, oldest first.
    async fn line_comments(&self, repo: &RepoName, pull: PullNumber, review: ReviewId) -> Result<Vec<LineComment>, ForgeError>;
    /// Writes a comment into a review, beside what stands at that line.
    async fn reply(&self, repo: &RepoName, pull: PullNumber, review: ReviewId, spot: &Spot, body: &str)
    -> Result<(), ForgeError>;
    /// Those who may write, as the forge lists them for assigning: a superset, so ask for each one's rights before believing it.
    async fn assignees(&self, repo: &RepoName) -> Result<Vec<Login>, ForgeError>;
    /// What a user may do. Asking about others needs repository administration: [`ForgeErrorKind::Denied`].
    async fn permission(&self, repo: &RepoName, login: &Login) -> Result<Permission, ForgeError>;
}

/// A call to the forge that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct ForgeError {
    /// What decides the retry and the exit code.
    pub kind: ForgeErrorKind,
    /// The call, such as `POST repos/o/r/pulls`.
    pub what: String,
    /// What the forge said, cleaned: never a token, never a raw 401 body.
    pub why: String,
}

/// What kind of failure it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForgeErrorKind {
    /// No connection, a time-out, a 5xx with a proxy's page, 429: passes by itself. `retry_after` in seconds, where it was said.
    Unreachable {
        /// How long to wait, in seconds.
        retry_after: Option<u64>,
    },
    /// The request was sent and no answer came: it may have been done. Look before it is sent again.
    Doubtful,
    /// 401: the token is wrong or gone.
    Unauthorized,
    /// 403: a right or a scope is missing; `why` names the scope where the forge did.
    Denied,
    /// 404: not there, or not visible to this token.
    NotFound,
    /// 301: renamed or moved; the new full name, where it could be read.
    Moved {
        /// The new name.
        to: Option<String>,
    },
    /// 423: archived.
    Archived,
    /// 409 or 412: what was assumed is not so.
    Conflict,
    /// 400, 405 or 422: the forge does not take it.
    Invalid,
    /// 500 without a page: for some requests (facts) the forge's way of saying no. Look, then say.
    Server,
    /// The answer is not a Forgejo's.
    NotAForge,
}

impl ForgeErrorKind {
    /// The kind in a word, for logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Doubtful => "doubtful",
            Self::Unauthorized => "unauthorized",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Moved { .. } => "moved",
            Self::Archived => "archived",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Server => "server",
            Self::NotAForge => "not_a_forge",
        }
    }
}
