//! What a run waits for at a gate, and when it goes on.
//!
//! Promises: a run at a gate holds no slot, and takes one again only when a hand is to work for it; the time of a gate is counted from when the
//! step was reached, by the journal, so that a restart neither shortens nor lengthens it; what opens a gate was read since the run came to
//! it; a gate with a `timeout` is read once more when that is over, and opens if it can by then. A pull request that is merged or closed meanwhile ends the run: what becomes of the issue is then the table's matter.

use serde_json::Value as Json;

use crate::ledger::{InWork, PullRef, RunState};
use crate::model::{Advance, AtGate, Checks, Gate, PullState, RunOutcome, Step, StepKind, Subject, Timestamp, Wait};

use super::revise::rerun;
use super::run::{Here, Live, advance};
use super::{Context, Next};

impl Context<'_> {
    pub(super) fn gate(&self, here: Here<'_>, gate: &Gate) -> Next {
        if let Gate::Time { after } = gate {
            let until = here.at.reached + *after;
            return if self.now >= until { opened(here, None) } else { self.shut(here, AtGate::Time { until }) };
        }
        if let Gate::Vault { action } = gate {
            return self.vault_gate(here, action);
        }
        let Live { subject, state, run } = here.live;
        let Some(pull) = state.pull.as_ref().filter(|pull| run.pull == Some(pull.number)) else {
            return self.unexpected(here);
        };
        if pull.state != PullState::Open {
            return self.end(here, RunOutcome::Succeeded { pull: run.pull });
        }
        let due = self.gate_read_at(subject, here.step, here.at).unwrap_or(self.now);
        if let Some(read) = self.read_pull(subject, pull, due) {
            return read;
        }
        let fresh = self.gate_read_at(subject, here.step, here.at).is_some();
        match gate {
            Gate::Time { .. } | Gate::Vault { .. } => self.unexpected(here),
            Gate::Checks => match pull.checks {
                Checks::Success if fresh => opened(here, None),
                Checks::Failure if fresh && !pull.cut => self.end(here, RunOutcome::ChecksRed { pull: pull.number }),
                Checks::Failure if fresh && pull.rerun_of_head().is_none() => Next::Act(rerun(subject, pull)),
                checks => {
                    let cut = checks == Checks::Failure && pull.cut;
                    self.shut(here, AtGate::Checks { pull: pull.number, none: checks == Checks::None, cut })
                }
            },
            Gate::Approval if pull.approved && fresh => opened(here, None),
            Gate::Approval => self.shut(here, at_approval(pull)),
        }
    }

    /// It is waited for, until the time is over that its formula gives it. What is being read may open it still.
    pub(super) fn shut(&self, here: Here<'_>, waits: AtGate) -> Next {
        let step = here.step;
        if let Some(over) = self.call_over(here) {
            return over;
        }
        let until = here.run.until(step, here.at);
        let over = until.filter(|until| self.now >= *until && !self.view.reading.contains(here.subject));
        match (over, step.timeout, &step.kind) {
            (Some(_), Some(after), StepKind::Gate(gate)) => {
                self.end(here, RunOutcome::GateShut { step: step.id.clone(), gate: gate.clone(), after })
            }
            _ => Next::Wait(Wait::Gate { step: step.id.clone(), waits, until }),
        }
    }

    /// The end of a run by a call that a step stands in, whose time is over.
    pub(super) fn call_over(&self, here: Here<'_>) -> Option<Next> {
        let call = here.run.call_until(here.step).filter(|call| self.now >= call.until)?;
        Some(self.end(here, RunOutcome::CallTimedOut { step: call.call.written(), after: call.takes }))
    }

    /// When a gate's pull request is read again; none where it was not read since the run came there, or is not waited for.
    fn gate_read_at(&self, subject: &Subject, step: &Step, at: &InWork) -> Option<Timestamp> {
        match &step.kind {
            StepKind::Gate(Gate::Checks | Gate::Approval) => {
                let last = self.view.checked.get(subject).filter(|last| **last >= at.reached)?;
                Some(*last + self.policy.checks_every)
            }
            _ => None,
        }
    }

    /// When a step in work goes on by the clock alone, whatever else its run waits for.
    pub(super) fn goes_on_at(
        &self,
        subject: &Subject,
        run: &RunState,
        step: &Step,
        at: &InWork,
    ) -> impl Iterator<Item = Timestamp> {
        let gate = match &step.kind {
            StepKind::Gate(Gate::Time { after }) => Some(at.reached + *after),
            StepKind::Gate(Gate::Vault { .. }) => self.vault_window(subject, at.reached),
            _ => self.gate_read_at(subject, step, at),
        };
        let shuts = match &step.kind {
            StepKind::Gate(_) => run.until(step, at),
            _ => run.call_until(step).map(|call| call.until),
        };
        let again = at.again.as_ref().map(|(_, until)| *until);
        let retry = at.retry.as_ref().map(|retry| self.tries_again(subject, retry));
        gate.into_iter().chain(shuts).chain(again).chain(retry)
    }
}

fn at_approval(pull: &PullRef) -> AtGate {
    AtGate::Approval { pull: pull.number, changes_requested: pull.changes_requested }
}

pub(super) fn opened(here: Here<'_>, output: Option<Json>) -> Next {
    advance(here, Advance::Opened { output })
}
