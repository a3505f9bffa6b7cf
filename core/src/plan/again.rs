//! A step that failed is done again, where its formula says so.
//!
//! Promises: it is done again at most as often as its formula says, for the whole run and across restarts, because the journal counts; only
//! what would end the run as failed by the step's own doing counts, see [`is_its_own`]; while it waits, the run holds no slot and says
//! what it waits for. A stop is decided before this is asked, so that nobody waits for a step that is not wanted any more.

use crate::model::{Advance, HandOutcome, Refusal, RunOutcome, Wait};

use super::run::{Here, advance};
use super::{Context, Next};

impl Context<'_> {
    /// The step is done again instead of ending the run like this.
    pub(super) fn again(&self, here: Here<'_>, outcome: &RunOutcome) -> Option<Next> {
        let retry = here.step.retry.filter(|retry| retries(here) < retry.at_most && is_its_own(outcome))?;
        let until = self.now + retry.wait;
        // What the call that it stands in has no time for is not waited for.
        if here.run.call_until(here.step).is_some_and(|call| call.until <= until) {
            return None;
        }
        Some(advance(here, Advance::Retry { outcome: outcome.clone(), until }))
    }

    /// The pause before the step is done again.
    pub(super) fn not_yet(&self, here: Here<'_>) -> Option<Next> {
        let (outcome, until) = here.at.again.as_ref().filter(|(_, until)| self.now < *until)?;
        let of = here.step.retry.map_or(0, |retry| retry.at_most);
        let (time, outcome) = (retries(here), Box::new(outcome.clone()));
        Some(Next::Wait(Wait::Again { step: here.step.id.clone(), until: *until, time, of, outcome }))
    }
}

fn retries(here: Here<'_>) -> u32 {
    here.run.retries.get(&here.step.id).copied().unwrap_or(0)
}

/// Whether it is the step that failed, in a way that may pass: an agent that broke off, hung, ran out of time, gave no valid answer or
/// committed nothing; commands whose failing output goes nowhere any more. Not: money and usage limits, a stop, a model that cannot be
/// reached, the machine, the forge, and commits that were refused, because they stand in the workspace and would be refused again.
fn is_its_own(outcome: &RunOutcome) -> bool {
    match outcome {
        RunOutcome::VerificationFailed { .. }
        | RunOutcome::InvalidOutput { .. }
        | RunOutcome::BundleRefused { refusal: Refusal::NothingCommitted } => true,
        RunOutcome::Hand { how } => match how {
            HandOutcome::Crashed { .. } | HandOutcome::Stalled | HandOutcome::TimedOut => true,
            HandOutcome::Succeeded
            | HandOutcome::Budget { .. }
            | HandOutcome::UsageLimit { .. }
            | HandOutcome::Unreachable { .. }
            | HandOutcome::Cancelled
            | HandOutcome::Interrupted => false,
        },
        RunOutcome::Succeeded { .. }
        | RunOutcome::NoChange { .. }
        | RunOutcome::Refused { .. }
        | RunOutcome::Routed { .. }
        | RunOutcome::HandedOver { .. }
        | RunOutcome::BundleRefused { .. }
        | RunOutcome::NeedsPerson { .. }
        | RunOutcome::ChecksRed { .. }
        | RunOutcome::GateShut { .. }
        | RunOutcome::ActionFailed { .. }
        | RunOutcome::TooManyItems { .. }
        | RunOutcome::CallTimedOut { .. }
        | RunOutcome::ExpressionFailed { .. }
        | RunOutcome::BranchTaken { .. }
        | RunOutcome::Environment { .. }
        | RunOutcome::FormulaRefused { .. }
        | RunOutcome::SetupFailed { .. } => false,
    }
}
