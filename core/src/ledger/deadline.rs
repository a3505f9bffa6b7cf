//! When the time of a step is over: its own, and that of the calls that it stands in.
//!
//! Promises: a call's time begins when its formula does, is one for all that it calls and for all items that it is called for, and begins anew where
//! the run goes back before it. Over restarts it is the same, because the journal says when that was.

use std::time::Duration;

use crate::model::{INPUTS, Step, StepId, StepKind, Timestamp};

use super::{InWork, RunState};

/// The time of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTime {
    /// The call.
    pub call: StepId,
    /// How long it may take.
    pub takes: Duration,
    /// When that is over.
    pub until: Timestamp,
}

impl RunState {
    /// When a step is to be over; none where nothing says so.
    pub fn until(&self, step: &Step, at: &InWork) -> Option<Timestamp> {
        let own = step.timeout.filter(|_| !matches!(step.kind, StepKind::Enter { .. })).map(|takes| at.reached + takes);
        own.into_iter().chain(self.call_until(step).map(|call| call.until)).min()
    }

    /// Of the calls that a step stands in the one whose time is over first.
    pub fn call_until(&self, step: &Step) -> Option<CallTime> {
        let calls = step.inside().match_indices('.').map(|(dot, _)| step.inside().split_at(dot).0);
        // What is called for an item stands in the call for all of them, too.
        let calls = calls.flat_map(|call| [Some(StepId::from(call)), StepId::from(call).all_of()]);
        calls.flatten().filter_map(|call| self.time_of(call)).min_by_key(|call| call.until)
    }

    fn time_of(&self, call: StepId) -> Option<CallTime> {
        let entered = *self.entered.get(&call)?;
        let enter = self.formula.steps.get(self.formula.place(&StepId::from(INPUTS).within(&call))?)?;
        let takes = enter.timeout?;
        Some(CallTime { call, takes, until: entered + takes })
    }

    /// A step was done: where a call begins with it, its time does.
    pub(super) fn entered(&mut self, step: &StepId, at: Timestamp) {
        let enter = self.formula.place(step).and_then(|place| self.formula.steps.get(place));
        let timed = enter.is_some_and(|enter| matches!(enter.kind, StepKind::Enter { .. }) && enter.timeout.is_some());
        if let Some(call) = step.split().0.strip_suffix('.').filter(|_| timed) {
            self.entered.insert(StepId::from(call), at);
        }
    }
}
