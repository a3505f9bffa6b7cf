//! Runs that put the pull request of their issue forward and wait beside the lifecycle for what becomes of it.
//!
//! Promises: such a run is none of the lifecycle's any more, whatever started it, so that the pull request goes its way as if nobody
//! waited; it is at work again only while no other run of its issue is there, and where the issue is closed by then, that does not stop it.

use crate::model::{Advance, Event};

use super::{IssueState, RunState};

impl IssueState {
    /// All its runs that have not ended: the one at work, and those that wait for a merge.
    pub fn lives(&self) -> impl Iterator<Item = &RunState> {
        self.live_run().into_iter().chain(&self.put_forward)
    }

    /// Whether there is a run of it: at work, waiting for a merge, or ended and not cleaned up.
    pub fn has_run(&self) -> bool {
        self.run.is_some() || !self.put_forward.is_empty()
    }

    /// All its runs that are known, one that ended and is not cleaned up included.
    pub(super) fn known_runs(&self) -> impl Iterator<Item = &RunState> {
        self.run.iter().chain(&self.put_forward)
    }

    /// The run at work has put a pull request forward.
    pub(super) fn steps_back(&mut self) {
        if let Some(mut run) = self.run.take() {
            run.aside = true;
            self.put_forward.push(run);
        }
    }

    /// Whether an event is about a run that waits for a merge; then it has happened to that.
    pub(super) fn waits_forward(&mut self, event: &Event) -> bool {
        let (Event::Advanced { run, .. }
        | Event::Stopping { run, .. }
        | Event::SessionStarted { run, .. }
        | Event::RunEnded { run, .. }) = event
        else {
            return false;
        };
        let Some(place) = self.put_forward.iter().position(|waits| waits.id == *run) else { return false };
        match event {
            Event::Stopping { why, .. } => self.put_forward[place].stopping = Some(*why),
            Event::Advanced { how: Advance::TakenUp, .. } if self.run.is_none() => {
                let mut run = self.put_forward.remove(place);
                run.at_end |= !self.seen.open;
                self.run = Some(run);
            }
            _ => {}
        }
        true
    }
}
