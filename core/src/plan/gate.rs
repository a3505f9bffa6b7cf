//! What a run waits for at a gate, and when it goes on.
//!
//! Promises: a run at a gate holds no slot, and takes one again only when a hand is to work for it; the time of a gate is counted from when the
//! step was reached, by the journal, so that a restart neither shortens nor lengthens it; what opens a gate was read since the run came to
//! it; a gate with a `timeout` is read once more when that is over, and opens if it can by then. A pull request that is merged or closed meanwhile ends the run: what becomes of the issue is then the table's matter.

use crate::ledger::{PullRef, RunState};
use crate::model::{Advance, AtGate, Checks, Gate, PullState, RunOutcome, Step, Subject, Timestamp, Wait};

use super::run::{Live, advance};
use super::{Context, Next};

impl Context<'_> {
    pub(super) fn gate(&self, live: Live<'_>, step: &Step, gate: &Gate) -> Next {
        if let Gate::Time { after } = gate {
            let until = live.run.reached + *after;
            return if self.now >= until { opened(live, step) } else { self.shut(live, step, AtGate::Time { until }) };
        }
        let Live { subject, state, run } = live;
        let Some(pull) = state.pull.as_ref().filter(|pull| run.pull == Some(pull.number)) else {
            return self.unexpected(live, &run.state);
        };
        if pull.state != PullState::Open {
            return self.end(live, RunOutcome::Succeeded { pull: run.pull });
        }
        let due = self.gate_read_at(subject, run).unwrap_or(self.now);
        if let Some(read) = self.read_pull(subject, pull, due) {
            return read;
        }
        let fresh = self.gate_read_at(subject, run).is_some();
        match gate {
            Gate::Time { .. } => self.unexpected(live, &run.state),
            Gate::Checks => match pull.checks {
                Checks::Success if fresh => opened(live, step),
                Checks::Failure if fresh => self.end(live, RunOutcome::ChecksRed { pull: pull.number }),
                checks => self.shut(live, step, AtGate::Checks { pull: pull.number, none: checks == Checks::None }),
            },
            Gate::Approval if pull.approved && fresh => opened(live, step),
            Gate::Approval => self.shut(live, step, at_approval(pull)),
        }
    }

    /// It is waited for, until the time is over that its formula gives it. What is being read may open it still.
    fn shut(&self, live: Live<'_>, step: &Step, waits: AtGate) -> Next {
        let Live { subject, run, .. } = live;
        let until = step.timeout.map(|timeout| run.reached + timeout);
        match (until.filter(|until| self.now >= *until && !self.view.reading.contains(subject)), step.timeout, run.gate()) {
            (Some(_), Some(after), Some(gate)) => {
                self.end(live, RunOutcome::GateShut { step: step.id.clone(), gate: gate.clone(), after })
            }
            _ => Next::Wait(Wait::Gate { step: step.id.clone(), waits, until }),
        }
    }

    /// When a gate's pull request is read again; none where it was not read since the run came there, or is not waited for.
    pub(super) fn gate_read_at(&self, subject: &Subject, run: &RunState) -> Option<Timestamp> {
        match run.gate()? {
            Gate::Time { .. } => None,
            Gate::Checks | Gate::Approval => {
                let last = self.view.checked.get(subject).filter(|last| **last >= run.reached)?;
                Some(*last + self.policy.checks_every)
            }
        }
    }
}

fn at_approval(pull: &PullRef) -> AtGate {
    AtGate::Approval { pull: pull.number, changes_requested: pull.changes_requested }
}

fn opened(live: Live<'_>, step: &Step) -> Next {
    advance(live.run, step, Advance::Opened)
}
