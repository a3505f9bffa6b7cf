//! What came of effects.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    Branch, Change, CommentId, Decision, Evidence, Failure, Formula, HandOutcome, HostEnd, HostFacts, IssueNumber, JournalId,
    LastTag, Moved, OpenIssues, Probed, PullNumber, Refusal, RepoLabel, Rerun, Revision, SeenIssue, Sha, Sprint, Tasks, TextMark,
    Timestamp, VaultAsk,
};

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The claim is ours.
    Claimed {
        /// The commit that says so.
        sha: Sha,
        /// When it ends, by the forge's clock.
        until: Timestamp,
    },
    /// Another journal has the claim.
    ClaimHeld {
        /// Whose it is.
        by: JournalId,
        /// When it ends, by our clock.
        until: Timestamp,
    },
    /// Somebody was faster.
    ClaimLost,
    /// The claim is given back.
    Released,
    /// The labels were written.
    Labelled {
        /// Names of all labels that the issue carries now.
        labels: BTreeSet<String>,
        /// Decision labels that the plan did not know of: they won, ours is off again.
        people: BTreeSet<Decision>,
        /// Labels of the repository that were learned of by this.
        learned: Vec<RepoLabel>,
    },
    /// The labels of a step were written.
    Relabelled {
        /// Names of all labels that the issue carries now.
        labels: BTreeSet<String>,
        /// Labels of the repository that were learned of by this.
        learned: Vec<RepoLabel>,
    },
    /// The issue is filed.
    Filed {
        /// It.
        issue: IssueNumber,
        /// The run's issue was to wait for it, and the forge keeps no dependencies there.
        unlinked: bool,
        /// Labels of the repository that were learned of by this.
        learned: Vec<RepoLabel>,
    },
    /// The file says what it was to say.
    Kept {
        /// Where it stands in the operations repository.
        path: String,
        /// The commit that says so; none where it said so already.
        commit: Option<Sha>,
        /// The pull request by which it is asked for.
        pull: Option<PullNumber>,
        /// Why that one, which was there, stays as it is, though it does not say the same.
        #[serde(default)]
        left: Option<String>,
    },
    /// The vault was asked for an action.
    VaultAsked(VaultAsk),
    /// What was to be mended was looked at again.
    Mended {
        /// How the mend ended; none where it was well by then, and nothing was run.
        end: Option<HostEnd>,
        /// What the probe shows now.
        probed: Box<Probed>,
    },
    /// The issue says what it was to say.
    Rewritten {
        /// Its title and body since; none where nothing was written, and in older journals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<TextMark>,
    },
    /// The review is there.
    Reviewed {
        /// It counts as what it comes to; a forge takes none of whoever opened the pull request.
        counts: bool,
    },
    /// The answer stands.
    Replied,
    /// The comment stands.
    Said {
        /// It.
        comment: CommentId,
        /// The comment of ours of the other kind, status or breakdown, that was found there.
        #[serde(default)]
        left: Option<CommentId>,
    },
    /// No comment of ours stands there, so nothing was said.
    Unsaid,
    /// The issue is closed.
    Closed,
    /// The issue is open again.
    Reopened,
    /// The run can begin.
    Prepared {
        /// The commit to start from.
        base: Sha,
        /// The branch that the pull request goes to.
        base_branch: Branch,
        /// Where the run's branch is on the forge, if it is there.
        tip: Option<Sha>,
        /// The issue as it was read.
        issue: Box<SeenIssue>,
        /// The newest comment that was read.
        read_up_to: Option<CommentId>,
        /// The tip of that branch: what setup for the caches runs on. An older journal has none.
        #[serde(default)]
        trunk: Option<Box<Sha>>,
        /// The branch is at commits that the journal does not know, and all of them are by the author that we commit as.
        #[serde(default)]
        tip_ours: bool,
        /// What the run goes on with where the base branch has files of its own for its formula.
        #[serde(default)]
        over: Option<Box<Formula>>,
        /// The project's open issues without their texts, where the run is about the project and asks for them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open: Option<Box<OpenIssues>>,
        /// What is asked of the pull request, where the run revises one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<Box<Revision>>,
        /// What is verified and pushed, where the run brings a pull request up to its base.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        merged: Option<Box<Change>>,
        /// Where the operations repository was when it was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ops: Option<Box<Sha>>,
        /// What the issue lists as its tasks without their texts, where the formula asks for them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tasks: Option<Box<Tasks>>,
        /// The sprint about the issue that stands there, where the formula asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sprint: Option<Box<Sprint>>,
        /// What is known of the host, where the formula asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Box<HostFacts>>,
        /// The newest tag that the base branch has behind it, where the formula asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_tag: Option<Box<LastTag>>,
        /// What moved since the formula's last run about the project, where the formula asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moved: Option<Box<Moved>>,
    },
    /// There is nothing to work on: the repository has no commit.
    NothingThere {
        /// The branch that was named and is not there; none: nothing is committed at all.
        #[serde(default)]
        branch: Option<Branch>,
    },
    /// The formula that the base branch has of its own cannot be used.
    FormulaRefused {
        /// What is wrong with it.
        why: String,
    },
    /// The workspace is set up.
    SetUp,
    /// The agent's turn ended.
    AgentEnded {
        /// How.
        how: HandOutcome,
        /// Its structured output, or what is wrong with it.
        #[serde(deserialize_with = "super::formula::answered")]
        output: Result<Json, String>,
        /// The session can be resumed.
        resumable: bool,
    },
    /// The commits were judged.
    Taken {
        /// The change, or why it was refused.
        judged: Result<Change, Refusal>,
    },
    /// The verification ended.
    Verified {
        /// What it showed.
        evidence: Evidence,
    },
    /// The branch is at our commit.
    Pushed,
    /// The branch is not where we left it.
    PushStale {
        /// Where it is.
        tip: Option<Sha>,
    },
    /// The pull request is open.
    PullOpened {
        /// It.
        pull: PullNumber,
    },
    /// It is merged.
    Merged,
    /// The forge did not merge it.
    MergeRefused {
        /// What it said.
        why: String,
    },
    /// The checks run again, or they do not.
    Reran(Rerun),
    /// It is gone.
    Discarded {
        /// Where the workspace stays, on the machine that had it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<PathBuf>,
    },
    /// The branch is gone.
    BranchGone,
    /// The branch stays.
    BranchLeft {
        /// Why.
        why: String,
    },
    /// It did not work.
    Failed {
        /// What was in the way.
        failure: Failure,
    },
    /// The process that did it is gone; local work has left no more than its files.
    Cut,
}
