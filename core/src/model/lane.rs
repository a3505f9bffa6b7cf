//! Lanes: which effects on one issue wait for each other.

use serde::{Deserialize, Serialize};

use super::{Intent, Saying, StepId};

/// Effects on one issue that do not wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Everything but:
    Main,
    /// renewing the claim while the run's own work goes on,
    Claim,
    /// and what a hand does for a step.
    Step(StepId),
}

impl Intent {
    /// The lane it goes in: one effect at a time in each lane of an issue.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Claim { renews: Some(_) } => Lane::Claim,
            Self::Agent { step, .. } | Self::Take { step, .. } | Self::Verify { step, .. } => Lane::Step(step.clone()),
            Self::Claim { renews: None }
            | Self::Release { .. }
            | Self::Labels { .. }
            | Self::Say { .. }
            | Self::Close
            | Self::Prepare { .. }
            | Self::SetUp { .. }
            | Self::Push { .. }
            | Self::OpenPull { .. }
            | Self::Relabel { .. }
            | Self::CloseNamed { .. }
            | Self::Reopen { .. }
            | Self::File { .. }
            | Self::Review { .. }
            | Self::Reply { .. }
            | Self::Keep { .. }
            | Self::AskVault { .. }
            | Self::Mend { .. }
            | Self::Rewrite { .. }
            | Self::Discard { .. }
            | Self::Merge { .. }
            | Self::Rerun { .. }
            | Self::DropBranch { .. } => Lane::Main,
        }
    }

    /// The step that it names. That a push and the closing of a run's own issue are a step's too, they do not say.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Agent { step, .. }
            | Self::Take { step, .. }
            | Self::Verify { step, .. }
            | Self::OpenPull { step, .. }
            | Self::Relabel { step, .. }
            | Self::CloseNamed { step, .. }
            | Self::Reopen { step, .. }
            | Self::File { step, .. }
            | Self::Review { step, .. }
            | Self::Reply { step, .. }
            | Self::Keep { step, .. }
            | Self::AskVault { step, .. }
            | Self::Mend { step, .. }
            | Self::Rewrite { step, .. }
            | Self::Say { what: Saying::Proposed { step, .. } | Saying::Note { step, .. }, .. } => Some(step),
            Self::Say { what: Saying::Status { .. }, .. }
            | Self::Claim { .. }
            | Self::Release { .. }
            | Self::Labels { .. }
            | Self::Close
            | Self::Prepare { .. }
            | Self::SetUp { .. }
            | Self::Push { .. }
            | Self::Discard { .. }
            | Self::Merge { .. }
            | Self::Rerun { .. }
            | Self::DropBranch { .. } => None,
        }
    }
}
