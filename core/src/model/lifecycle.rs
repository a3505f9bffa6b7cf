//! What moves issues through the lifecycle, and what labels mean that people put on and take off.

use serde::{Deserialize, Serialize};

use super::Decision;

/// What decision labels that we did not leave there mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "means")]
pub enum LabelsMean {
    /// The first sight of this issue: what stands there is kept.
    Standing {
        /// The label that counts; none where it carries none.
        label: Option<Decision>,
    },
    /// A person put this one on; it is an order.
    Ordered {
        /// The label.
        label: Decision,
    },
    /// A person put on one that only we may: it is set back.
    SetByHand {
        /// The label.
        label: Decision,
    },
    /// Another forgehand with our login put this one on.
    Foreign {
        /// The label.
        label: Decision,
    },
    /// A person took ours off and put none on.
    TakenOff,
    /// What differs is only what we are about to remove ourselves.
    Leftover,
}

/// What moves an issue from one place of the lifecycle to another: the rows of the plan's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Triage says an agent can do it.
    TriagedQueue,
    /// Triage says a person must, or gave no valid answer twice.
    TriagedPerson,
    /// Triage has a question.
    TriagedQuestion,
    /// Another formula goes on with it.
    HandedOver,
    /// A person answered, or edited the body.
    Answered,
    /// Nobody answered in time, or nobody can.
    Unanswered,
    /// Slot free, dependencies closed, budget left, claim won.
    Dispatched,
    /// Verified, and the pull request is open.
    PullOpened,
    /// Failed for good.
    FailedForGood,
    /// The run ended in a way that may pass: it waits in the queue for its next try.
    Requeued,
    /// The change touches what a person must decide on.
    NeedsPerson,
    /// `claude-working` without a run of ours for `adopt_after`.
    Orphaned,
    /// An open pull request of ours was found that this journal did not open.
    PullFound,
    /// Changes were requested, a check is red, or the branch conflicts.
    ReviseAsked,
    /// A revision of the pull request ended in a way that may pass: it waits there for its next try.
    ReviseAgain,
    /// What is asked of the pull request was asked too often, or could not be done.
    Disputed,
    /// The pull request was merged.
    Merged,
    /// It was merged, and whoever went on with the issue opened it again: there is more to do.
    MoreToDo,
    /// It was closed without a merge.
    ClosedUnmerged,
    /// A person asked for work: the label, or `retry`.
    PersonQueued,
    /// A person takes it: the label, or `cancel`.
    PersonInteractive,
    /// A person says that something is missing.
    PersonNeedsInfo,
    /// A person took the last decision label off.
    LabelTakenOff,
    /// A person closed the issue.
    PersonClosed,
}
