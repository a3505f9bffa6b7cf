//! Runs that stepped back: they wait beside the lifecycle, for what becomes of a pull request that they put forward, or for an action of the
//! vault for which nobody waits at the gate any longer.
//!
//! Promises: who waits for a merge is none of the lifecycle's any more, whatever started it, so that the pull request goes its way as if nobody
//! waited. Who waits for the vault stays what it was: the lifecycle starts nothing else while its run is among them. Each is at work again
//! only while no other run of its issue is there.

use crate::model::{Advance, Event};

use super::{IssueState, RunState, StepState};

impl RunState {
    /// Whether it waits for what becomes of a pull request.
    pub fn waits_for_merge(&self) -> bool {
        self.steps_in_work().any(|(_, at)| matches!(at.state, StepState::PutForward { .. }))
    }
}

impl IssueState {
    /// All its runs that have not ended: the one at work, and those that stepped back.
    pub fn lives(&self) -> impl Iterator<Item = &RunState> {
        self.live_run().into_iter().chain(&self.stepped_back)
    }

    /// Whether there is a run of it: at work, stepped back, or ended and not cleaned up.
    pub fn has_run(&self) -> bool {
        self.run.is_some() || !self.stepped_back.is_empty()
    }

    /// The run of the lifecycle that stepped back.
    pub fn rests(&self) -> Option<&RunState> {
        self.stepped_back.iter().find(|run| !run.aside)
    }

    /// All its runs that are known, one that ended and is not cleaned up included.
    pub(super) fn known_runs(&self) -> impl Iterator<Item = &RunState> {
        self.run.iter().chain(&self.stepped_back)
    }

    /// The run at work steps back.
    pub(super) fn steps_back(&mut self) {
        if let Some(mut run) = self.run.take() {
            run.aside |= run.waits_for_merge();
            self.stepped_back.push(run);
        }
    }

    /// Whether an event is about a run that stepped back; then it has happened to that.
    pub(super) fn waits_beside(&mut self, event: &Event) -> bool {
        let (Event::Advanced { run, .. }
        | Event::Stopping { run, .. }
        | Event::SessionStarted { run, .. }
        | Event::RunEnded { run, .. }) = event
        else {
            return false;
        };
        let Some(place) = self.stepped_back.iter().position(|waits| waits.id == *run) else { return false };
        match event {
            Event::Stopping { why, .. } => self.stepped_back[place].stopping = Some(*why),
            Event::Advanced { how: Advance::TakenUp, .. } if self.run.is_none() => {
                let mut run = self.stepped_back.remove(place);
                // What it still has to do, it does on what was merged and closed.
                run.at_end |= run.waits_for_merge() && !self.seen.open;
                self.run = Some(run);
            }
            _ => {}
        }
        true
    }
}
