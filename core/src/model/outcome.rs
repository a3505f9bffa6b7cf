//! How things end: an agent's turn, a bundle, a verification, a run; and what each ending costs.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ActionId, FormulaName, Gate, PullNumber, Sha, StepId, Timestamp, Usd};

/// How an agent's turn (one step, one process) ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ended")]
pub enum HandOutcome {
    /// The process ended well. The structured output, if there was any, is beside it.
    Succeeded,
    /// No sign of life for longer than `silence` allows.
    Stalled,
    /// The wall clock ran out.
    TimedOut,
    /// The run's money is spent, or `max_turns` is reached.
    Budget {
        /// Which limit, in words.
        limit: String,
    },
    /// The account is used up until a time.
    UsageLimit {
        /// When it resets, by our clock; unknown if the provider did not say.
        until: Option<Timestamp>,
    },
    /// The process broke off: exit code, signal, or an answer that is none.
    Crashed {
        /// What was seen, cleaned of secrets.
        why: String,
    },
    /// The model could not be reached, was overloaded, or refused the credentials.
    Unreachable {
        /// What was seen, cleaned of secrets.
        why: String,
        /// The credentials were refused: a person has to look.
        credentials: bool,
    },
    /// A person, or the plan, stopped it.
    Cancelled,
    /// The daemon's own end cut it.
    Interrupted,
}

/// Why a bundle was refused. Each has a name of its own, so that it can be told and tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum Refusal {
    /// The agent says it is done, and nothing is committed.
    NothingCommitted,
    /// The file is not a bundle we accept: a link, a device, too large, another format.
    NotABundle {
        /// What it was.
        why: String,
    },
    /// The bundle carries refs other than the run's branch, or builds on commits that the mirror lacks.
    OutsideTheBranch {
        /// What it carried.
        why: String,
    },
    /// git's own check of the objects failed.
    BrokenObjects {
        /// What git said.
        why: String,
    },
    /// A symbolic link that leads out of the repository.
    SymlinkOut {
        /// The link's path.
        path: String,
    },
    /// More changed lines than `diff_lines` allows.
    DiffTooLarge {
        /// Changed lines.
        lines: u64,
        /// The limit.
        limit: u64,
    },
    /// A commit holds the project's env file, or something in its way.
    EnvFile {
        /// Its path.
        path: String,
    },
    /// A secret stands in the diff.
    Secret {
        /// The file.
        path: String,
        /// The rule that found it; never the secret.
        rule: String,
    },
}

/// A change as judged: what git says of it, never what the agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The commit that would be pushed, re-authored.
    pub head: Sha,
    /// The commit it builds on.
    pub base: Sha,
    /// How many commits.
    pub commits: u64,
    /// Changed files.
    pub files: Vec<ChangedFile>,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// The touched paths that a person must decide on (`person_paths`).
    pub person_paths: Vec<String>,
    /// The touched paths that a verify command names.
    pub verify_paths: Vec<String>,
}

/// A file of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Its path after the change.
    pub path: String,
    /// Its path before, where it was renamed.
    pub from: Option<String>,
    /// Lines added; nothing for a binary.
    pub added: u64,
    /// Lines removed; nothing for a binary.
    pub removed: u64,
    /// What else git says of it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<FileMark>,
}

/// What is to be known of a changed file beside its paths and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileMark {
    /// It is gone.
    Deleted,
    /// It is or was no text.
    Binary,
    /// It was there, and its mode is another.
    Mode,
    /// It was not there, and can be executed.
    Executable,
    /// It is or was a symbolic link.
    Symlink,
    /// It is or was another repository.
    Submodule,
    /// Its blobs were compared: what it has run when the project is built or installed is as it was. Only of a kind of file that says so.
    SameScripts,
    /// A line of it that changed is longer than anybody reads, or its blobs were too large to look: how many lines changed says little.
    LongLine,
}

/// What came of one command of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// The command as the configuration has it.
    pub command: String,
    /// Its exit code; none if a signal or a limit ended it.
    pub exit: Option<i32>,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The tail of its output, cleaned of secrets.
    pub tail: String,
}

/// What came of a verification: evidence, tied to a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The commit.
    pub sha: Sha,
    /// Each command that ran, in order; the first that fails is the last.
    pub commands: Vec<CommandRun>,
    /// All of them passed.
    pub passed: bool,
    /// The limit of time ended it.
    pub timed_out: bool,
}

/// Who goes on with an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// An agent.
    Queue,
    /// A person.
    Interactive,
    /// Who answers the question.
    NeedsInfo,
}

/// How a run ended. Only the plan's table turns this into labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum RunOutcome {
    /// All steps are done.
    Succeeded {
        /// The pull request that it opened, if it did.
        pull: Option<PullNumber>,
    },
    /// The agent found nothing to change.
    NoChange {
        /// The agent's summary.
        summary: String,
    },
    /// The agent declined.
    Refused {
        /// The agent's summary.
        summary: String,
    },
    /// It was decided who goes on with the issue.
    Routed {
        /// Who.
        to: Route,
        /// What people are told about it; may be empty.
        #[serde(default)]
        summary: String,
        /// What is asked.
        #[serde(default)]
        questions: Vec<String>,
    },
    /// Another formula goes on with the issue.
    HandedOver {
        /// Which.
        to: FormulaName,
        /// What people are told about it; may be empty.
        #[serde(default)]
        summary: String,
    },
    /// The answer was missing or invalid, also when asked again.
    InvalidOutput {
        /// What was wrong with it.
        why: String,
    },
    /// The verification failed as often as it may.
    VerificationFailed {
        /// The command and the tail of its output.
        evidence: Evidence,
    },
    /// The bundle was refused.
    BundleRefused {
        /// Why.
        refusal: Refusal,
    },
    /// The change touches what a person must decide on; the branch is kept.
    NeedsPerson {
        /// The paths.
        paths: Vec<String>,
    },
    /// A gate waited for checks that went red.
    ChecksRed {
        /// The pull request.
        pull: PullNumber,
    },
    /// A gate did not open in the time that its formula gives it.
    GateShut {
        /// The step.
        step: StepId,
        /// The gate.
        gate: Gate,
        /// How long was waited.
        after: Duration,
    },
    /// What a gate waited for was not done, or went wrong.
    ActionFailed {
        /// The step.
        step: StepId,
        /// The action of the vault.
        action: ActionId,
        /// Nobody wants it.
        rejected: bool,
        /// How it ended, where that is known.
        exit_code: Option<i64>,
    },
    /// A step was to be done for each item of a list that is longer than its formula or the configuration allows.
    TooManyItems {
        /// The step.
        step: StepId,
        /// How many there are.
        items: u64,
        /// How many are allowed.
        at_most: u32,
    },
    /// A formula that was called was not over in the time that its caller gives it.
    CallTimedOut {
        /// The step that calls it.
        step: StepId,
        /// How long it might take.
        after: Duration,
    },
    /// An expression of the formula came to nothing that its step can use, or failed.
    ExpressionFailed {
        /// The step; none where it says what the formula ends as.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// The expression, and what was wrong with what it came to.
        why: String,
    },
    /// The branch on the forge has commits that are not ours.
    BranchTaken {
        /// The branch.
        branch: super::Branch,
    },
    /// An agent's turn ended other than well.
    Hand {
        /// How.
        how: HandOutcome,
    },
    /// Something of ours or the machine's failed: no workspace, no sandbox, no disk.
    Environment {
        /// What.
        why: String,
    },
    /// The formula that the base branch has of its own is broken, or would do more than the configured one.
    FormulaRefused {
        /// What is wrong with it.
        why: String,
    },
    /// The project's `setup` or its env file stood in the way, before an agent's work was judged.
    SetupFailed {
        /// The command and the tail of its output, cleaned of secrets.
        why: String,
    },
}

/// What an ending costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: the same attempt goes on, at once or when the reason has passed.
    Nothing,
    /// One attempt, and the backoff is waited for.
    Attempt,
    /// No attempt of an agent, but the backoff is waited for, and as many in a row as there are attempts are the last.
    Pause,
    /// Everything: it is not tried again until a person asks for it.
    Final,
}

impl RunOutcome {
    /// It came to nothing, and somebody should know of it: a run beside the lifecycle is not tried again.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Succeeded { .. }
            | Self::Routed { .. }
            | Self::HandedOver { .. }
            | Self::NoChange { .. }
            | Self::Refused { .. }
            | Self::Hand { how: HandOutcome::Succeeded | HandOutcome::Cancelled | HandOutcome::Interrupted } => false,
            Self::InvalidOutput { .. }
            | Self::VerificationFailed { .. }
            | Self::BundleRefused { .. }
            | Self::NeedsPerson { .. }
            | Self::ChecksRed { .. }
            | Self::GateShut { .. }
            | Self::ActionFailed { .. }
            | Self::TooManyItems { .. }
            | Self::CallTimedOut { .. }
            | Self::ExpressionFailed { .. }
            | Self::BranchTaken { .. }
            | Self::Environment { .. }
            | Self::FormulaRefused { .. }
            | Self::SetupFailed { .. }
            | Self::Hand { .. } => true,
        }
    }

    /// Whether what the run made is where people find it, so that its workspace may go.
    pub fn is_published(&self) -> bool {
        match self {
            Self::Succeeded { .. }
            | Self::Routed { .. }
            | Self::HandedOver { .. }
            | Self::NoChange { .. }
            | Self::NeedsPerson { .. }
            | Self::ChecksRed { .. }
            | Self::GateShut { .. }
            | Self::ActionFailed { .. } => true,
            Self::Refused { .. }
            | Self::InvalidOutput { .. }
            | Self::VerificationFailed { .. }
            | Self::BundleRefused { .. }
            | Self::TooManyItems { .. }
            | Self::CallTimedOut { .. }
            | Self::ExpressionFailed { .. }
            | Self::BranchTaken { .. }
            | Self::Hand { .. }
            | Self::FormulaRefused { .. }
            | Self::SetupFailed { .. }
            | Self::Environment { .. } => false,
        }
    }

    /// The rule of each ending: crashed, stalled, timed out (a call too), a failed verification, red checks and a refused bundle cost an attempt; no change,
    /// refused, budget, a gate that did not open, an action of the vault that failed, a list that is too long and an expression that failed are final; a usage limit, an unreachable model and the daemon's own end cost nothing.
    pub fn cost(&self) -> Cost {
        match self {
            Self::Succeeded { .. }
            | Self::Routed { .. }
            | Self::HandedOver { .. }
            | Self::NoChange { .. }
            | Self::Refused { .. }
            | Self::InvalidOutput { .. }
            | Self::NeedsPerson { .. }
            | Self::GateShut { .. }
            | Self::ActionFailed { .. }
            | Self::TooManyItems { .. }
            | Self::ExpressionFailed { .. }
            | Self::BranchTaken { .. }
            | Self::FormulaRefused { .. } => Cost::Final,
            Self::VerificationFailed { .. }
            | Self::BundleRefused { .. }
            | Self::ChecksRed { .. }
            | Self::CallTimedOut { .. }
            | Self::Environment { .. } => Cost::Attempt,
            Self::SetupFailed { .. } => Cost::Pause,
            Self::Hand { how } => match how {
                HandOutcome::Crashed { .. } | HandOutcome::Stalled | HandOutcome::TimedOut => Cost::Attempt,
                HandOutcome::Budget { .. } | HandOutcome::Succeeded => Cost::Final,
                HandOutcome::UsageLimit { .. }
                | HandOutcome::Unreachable { .. }
                | HandOutcome::Cancelled
                | HandOutcome::Interrupted => Cost::Nothing,
            },
        }
    }

    /// The outcome's one word, for `status --json` and logs.
    pub fn word(&self) -> &'static str {
        match self {
            // Who goes on was all that it had to find out.
            Self::Succeeded { .. } | Self::Routed { .. } | Self::HandedOver { .. } => "succeeded",
            Self::NoChange { .. } => "no-change",
            Self::Refused { .. } => "refused",
            Self::InvalidOutput { .. } => "invalid-output",
            Self::VerificationFailed { .. } => "verification-failed",
            Self::BundleRefused { .. } => "bundle-refused",
            Self::NeedsPerson { .. } => "needs-person",
            Self::ChecksRed { .. } => "checks-red",
            Self::GateShut { .. } => "gate-shut",
            Self::ActionFailed { rejected: true, .. } => "action-rejected",
            Self::ActionFailed { rejected: false, .. } => "action-failed",
            Self::TooManyItems { .. } => "too-many-items",
            Self::CallTimedOut { .. } => "call-timed-out",
            Self::ExpressionFailed { .. } => "expression-failed",
            Self::BranchTaken { .. } => "branch-taken",
            Self::Environment { .. } => "environment",
            Self::SetupFailed { .. } => "setup-failed",
            Self::FormulaRefused { .. } => "formula-refused",
            Self::Hand { how } => how.word(),
        }
    }
}

impl HandOutcome {
    /// The outcome's one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Stalled => "stalled",
            Self::TimedOut => "timed-out",
            Self::Budget { .. } => "budget",
            Self::UsageLimit { .. } => "usage-limit",
            Self::Crashed { .. } => "crashed",
            Self::Unreachable { .. } => "unreachable",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A model call, as the gateway saw it end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCall {
    /// The model that was asked for.
    pub model: String,
    /// Input tokens that were not cached.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Tokens written to the cache.
    pub cache_write: u64,
    /// What it cost by our price table.
    pub cost: Usd,
    /// The HTTP status of the answer; none if there was no answer.
    pub status: Option<u16>,
    /// It was cut before its end: tokens and cost are what was seen.
    pub cut: bool,
    /// The answer gave no usage, so tokens and cost count 0.
    pub unmetered: bool,
    /// How long it took, in milliseconds.
    pub millis: u64,
}
