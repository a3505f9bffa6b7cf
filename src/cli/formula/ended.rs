//! What becomes of actions of the vault, and of pull requests that are put forward, in a recorded test.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::engine::PlayedMerge;
use crate::model::{ActionEnd, ActionId, ActionState, BadActionId, RunOutcome};

/// What becomes of an action of the vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionText {
    pub(super) id: String,
    /// Nobody wants it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) rejected: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exit_code: Option<i64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) logs: String,
}

impl ActionText {
    /// As a gate left it that opened.
    pub(super) fn of_gate(left: &Json) -> Option<Self> {
        let (id, logs) = (left["id"].as_str()?.to_owned(), left["logs"].as_str().unwrap_or_default().to_owned());
        Some(Self { id, rejected: false, exit_code: left["exit_code"].as_i64(), logs })
    }

    /// As it ended a run.
    pub(super) fn of_end(outcome: &RunOutcome) -> Option<Self> {
        let RunOutcome::ActionFailed { action, rejected, exit_code, .. } = outcome else { return None };
        Some(Self { id: action.to_string(), rejected: *rejected, exit_code: *exit_code, logs: String::new() })
    }

    /// As it is played.
    pub(super) fn read(&self) -> Result<(ActionId, (ActionState, ActionEnd)), String> {
        let id = self.id.parse().map_err(|bad: BadActionId| format!("{bad}: {}", BadActionId::HINT))?;
        let state = if self.rejected { ActionState::Rejected } else { ActionState::Fired };
        Ok((id, (state, ActionEnd { exit_code: self.exit_code, logs: self.logs.clone() })))
    }
}

/// What becomes of a pull request that a step puts forward to be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MergeText {
    /// It is merged.
    Merged,
    /// It is closed without a merge.
    Closed,
    /// Nothing, until the step's time is over.
    Waits,
}

impl MergeText {
    /// As a step left it that waited for that; none where it was merged, which it is where nothing is said.
    pub(super) fn of_step(left: &Json) -> Option<Self> {
        left.get("merged")?;
        match left["state"].as_str()? {
            "closed" => Some(Self::Closed),
            "waits" => Some(Self::Waits),
            _ => None,
        }
    }

    /// As it is played.
    pub(super) fn read(self) -> PlayedMerge {
        match self {
            Self::Merged => PlayedMerge::Merged,
            Self::Closed => PlayedMerge::Closed,
            Self::Waits => PlayedMerge::Waits,
        }
    }
}
