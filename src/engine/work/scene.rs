//! What a rehearsal shows: a line of it for each thing that agents would be told, that would be asked of the forge, and that was decided.

use serde_json::Value as Json;

use crate::model::{Advance, Evidence, Formula, Gate, Proposal, RunOutcome, Skipped, StepId, StepKind};

/// What happened, in its order.
#[derive(Clone, Debug, PartialEq)]
pub enum Scene {
    /// The condition of a step held.
    Held {
        /// It.
        step: StepId,
    },
    /// A step was skipped.
    Skipped {
        /// It.
        step: StepId,
        /// Why.
        why: Skipped,
    },
    /// An agent was asked.
    Asked {
        /// Its step.
        step: StepId,
        /// What it was told.
        prompt: String,
        /// What it answered, or what was wrong with that.
        answer: Result<Json, String>,
    },
    /// Its commits were taken over.
    Taken {
        /// The step.
        step: StepId,
    },
    /// Commands ran.
    Ran {
        /// Their step.
        step: StepId,
        /// What they showed.
        evidence: Evidence,
    },
    /// What failed went back to an agent.
    Back {
        /// From here.
        step: StepId,
        /// To this one.
        to: StepId,
    },
    /// A step failed, and is done again.
    Again {
        /// It.
        step: StepId,
        /// How it failed.
        outcome: RunOutcome,
    },
    /// Something was asked of the forge.
    Proposed {
        /// By this step.
        step: StepId,
        /// What.
        proposal: Proposal,
        /// Where, or as what: the issue that it names, or the verdict.
        about: Option<String>,
        /// Its title, where it has one.
        title: Option<String>,
        /// What it says.
        body: String,
    },
    /// A step is to be done for each item of a list.
    Each {
        /// It.
        step: StepId,
        /// How many there are.
        items: u32,
    },
    /// It comes to one of them.
    Item {
        /// It.
        step: StepId,
        /// Which, from 1.
        item: u32,
        /// Of how many.
        of: u32,
    },
    /// A gate opened.
    Opened {
        /// Its step.
        step: StepId,
        /// It.
        gate: Gate,
    },
}

impl Scene {
    /// The step that it is about.
    pub fn step(&self) -> &StepId {
        match self {
            Self::Held { step }
            | Self::Skipped { step, .. }
            | Self::Asked { step, .. }
            | Self::Taken { step }
            | Self::Ran { step, .. }
            | Self::Back { step, .. }
            | Self::Again { step, .. }
            | Self::Each { step, .. }
            | Self::Item { step, .. }
            | Self::Proposed { step, .. }
            | Self::Opened { step, .. } => step,
        }
    }

    /// What a decision shows of the order of the steps.
    pub(super) fn of(formula: &Formula, step: &StepId, how: &Advance) -> Vec<Self> {
        let gate = || match &formula.steps.get(formula.place(&step.written())?)?.kind {
            StepKind::Gate(gate) => Some(gate.clone()),
            _ => None,
        };
        let scene = match how {
            Advance::Begun => Some(Self::Held { step: step.clone() }),
            Advance::Skipped { why } => Some(Self::Skipped { step: step.clone(), why: why.clone() }),
            Advance::Back { to, .. } => Some(Self::Back { step: step.clone(), to: to.clone() }),
            Advance::Retry { outcome, .. } => Some(Self::Again { step: step.clone(), outcome: outcome.clone() }),
            Advance::Opened { .. } => gate().map(|gate| Self::Opened { step: step.clone(), gate }),
            Advance::Each { items } => Some(Self::Each { step: step.clone(), items: count(items) }),
            Advance::PutForward { pull } => {
                let (step, body) = (step.clone(), format!("{pull}\n"));
                Some(Self::Proposed { step, proposal: Proposal::Merge, about: None, title: None, body })
            }
            Advance::Failed { .. }
            | Advance::SteppedBack { .. }
            | Advance::TakenUp
            | Advance::Kept { .. }
            | Advance::Promised { .. }
            | Advance::Held { .. }
            | Advance::Started { .. }
            | Advance::ItemDone { .. }
            | Advance::Next
            | Advance::Listed { .. }
            | Advance::Replying { .. }
            | Advance::Worked { .. }
            | Advance::AnswerAgain { .. }
            | Advance::Again { .. } => None,
        };
        let next = match how {
            Advance::Each { items } if !items.is_empty() => Some((1, count(items))),
            Advance::ItemDone { item, of } if item < of => Some((item + 1, *of)),
            _ => None,
        };
        scene.into_iter().chain(next.map(|(item, of)| Self::Item { step: step.clone(), item, of })).collect()
    }
}

fn count(items: &[Json]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
