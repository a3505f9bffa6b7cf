//! How a run goes on from one step to the next, and why it is stopped.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    ActionId, Evidence, IssueNumber, Kept, PlannedIssue, ProbeName, PullNumber, Reply, RunOutcome, StepId, Timestamp, Wanted,
};

/// How a run goes on after a step's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "advance")]
pub enum Advance {
    /// To the next step.
    Next,
    /// To the next step: the gate opened.
    Opened {
        /// What it leaves behind, where it leaves something.
        #[serde(default)]
        output: Option<Json>,
    },
    /// The condition of the step holds: it is done.
    Begun,
    /// To the next step: this one is not done.
    Skipped {
        /// Why.
        why: Skipped,
    },
    /// The list of a step that is done for each item of one was worked out; with no item it is done.
    Each {
        /// They.
        items: Vec<Json>,
    },
    /// To the next item of the step, and after the last one to the next step.
    ItemDone {
        /// Which is done, from 1.
        item: u32,
        /// Of how many.
        of: u32,
    },
    /// To the next step: this one was only to be worked out.
    Worked {
        /// What it came to.
        output: Json,
    },
    /// To the next step: the run's commits are kept on their branch.
    Kept {
        /// As later runs find them.
        kept: Kept,
    },
    /// A run is wanted about an issue, which is said there.
    Started {
        /// Which run.
        wanted: Wanted,
        /// The issue.
        on: IssueNumber,
    },
    /// To the next step: when the pull request is merged, this run is wanted.
    Promised {
        /// It.
        wanted: Wanted,
    },
    /// A pull request is put forward to be merged: the run leaves its issue to the lifecycle, and waits beside it.
    PutForward {
        /// Which.
        pull: PullNumber,
    },
    /// The run waits no longer at its gate for an action of the vault: it steps back until that is over.
    SteppedBack {
        /// Which.
        action: ActionId,
    },
    /// A run that had stepped back is at work again.
    TakenUp,
    /// A probe is not mended.
    Held {
        /// Which.
        probe: ProbeName,
        /// Why.
        why: String,
    },
    /// The issues of a step are to be filed, in this order.
    Listed {
        /// They.
        planned: Vec<PlannedIssue>,
    },
    /// The points of reviewers are to be answered, in this order.
    Replying {
        /// How.
        planned: Vec<Reply>,
    },
    /// The agent answers again, because its answer was missing or invalid.
    AnswerAgain {
        /// What was wrong with it.
        why: String,
    },
    /// The turn was cut: the session is resumed, or the step starts afresh on the kept commits.
    Again {
        /// The session is resumed.
        resume: bool,
    },
    /// Back to an agent step, with the failing output.
    Back {
        /// The step.
        to: StepId,
        /// What failed.
        evidence: Evidence,
    },
    /// The step failed, and is done again from its beginning.
    Retry {
        /// How it failed: what the run would have ended as.
        outcome: RunOutcome,
        /// Not before this time, by our clock.
        until: Timestamp,
    },
    /// It failed for good, and others of the run are at work: they are stopped, then the run ends like this.
    Failed {
        /// How.
        outcome: RunOutcome,
    },
}

/// Why a step is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Skipped {
    /// Its condition does not hold.
    Condition {
        /// The condition.
        when: String,
    },
    /// One that it needs was not done.
    Needs {
        /// Which.
        step: StepId,
    },
}

/// Why a run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopWhy {
    /// A person's label, or `cancel`.
    Person,
    /// The issue was closed.
    Closed,
    /// The issue no longer carries what the run was started for.
    Moot,
    /// The claim was lost.
    ClaimLost,
    /// Another run of its group takes its place.
    Replaced,
    /// The pull request that it works on is not open any more.
    PullEnded,
}
