//! What is said to people on an issue, and what an agent is told at the start of a turn.

use serde::{Deserialize, Serialize};

use super::{Evidence, IssueNumber, RunId, StepId};

/// What a comment of ours says. Of each kind an issue has one; notes apart, of which each step has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "saying")]
pub enum Saying {
    /// What a step of a run proposes: the triage breakdown.
    Proposed {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// What another step of a run proposes: a comment of its own.
    Note {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// Another issue than the run's.
        #[serde(default)]
        on: Option<IssueNumber>,
    },
    /// Where the issue's story stands.
    Status {
        /// Where.
        status: super::Status,
    },
}

/// What an agent is told at the start of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "told")]
pub enum Told {
    /// The step's prompt.
    #[default]
    Prompt,
    /// That it was cut, and should go on.
    GoOn,
    /// That its answer was missing or invalid.
    AnswerAgain {
        /// What was wrong.
        why: String,
    },
    /// That the verification failed.
    Failing {
        /// How.
        evidence: Box<Evidence>,
        /// The step that it failed.
        #[serde(default)]
        by: Option<StepId>,
    },
}
