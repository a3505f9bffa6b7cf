//! The steps of a run that are in work at the same time.
//!
//! Promises: what has no order goes on side by side, each in a lane of its own; what the forge is asked for goes one after the other. Where a
//! step fails for good the others are stopped, and the run ends as that one did once nothing of it is at work any more. What became of a
//! step that is to be done anew is waited for before anything begins, so that it is not taken for the new one's.

use crate::ledger::{InWork, IssueState, Open, RunState};
use crate::model::{Intent, Lane, StepId, Subject, Wait};

use super::run::{Here, Live};
use super::{Action, Context, Next, admit};

/// What the steps of a run come to, the most urgent first.
#[derive(Default)]
struct Wishes {
    does: Option<Next>,
    candidates: Vec<admit::Candidate>,
    waits: Option<Wait>,
}

impl Context<'_> {
    /// What the steps in work need now: a decision first, then an effect whose lane is free, then a slot.
    pub(super) fn steps(&self, live: Live<'_>) -> Next {
        let Live { state, run, .. } = live;
        if leftovers(state, run).next().is_some() {
            return Next::Wait(busy(live));
        }
        if run.in_work.is_empty() {
            return if state.is_busy() { Next::Wait(busy(live)) } else { self.finish(live) };
        }
        let mut wishes = Wishes::default();
        for (step, at) in run.steps_in_work() {
            if state.open.contains_key(&Lane::Step(step.id.clone())) {
                continue;
            }
            match self.now_or_later(Here { live, step, at }) {
                decision @ Next::Act(Action::Record(_)) => return decision,
                act @ Next::Act(_) => drop(wishes.does.get_or_insert(act)),
                Next::Candidates(some) => wishes.candidates.extend(some),
                Next::Wait(wait) => drop(wishes.waits.get_or_insert(wait)),
            }
        }
        match wishes {
            Wishes { does: Some(act), .. } => act,
            Wishes { candidates, .. } if !candidates.is_empty() => Next::Candidates(candidates),
            Wishes { waits: Some(wait), .. } if !state.is_busy() => Next::Wait(wait),
            Wishes { .. } => Next::Wait(busy(live)),
        }
    }

    /// What a step needs, if its lane is free for that.
    fn now_or_later(&self, here: Here<'_>) -> Next {
        if let Some(wait) = here.at.retry.as_ref().and_then(|retry| self.pause_before(here.subject, retry)) {
            return Next::Wait(wait);
        }
        if let Some(first) = self.set_up_first(here) {
            return first;
        }
        match self.step(here) {
            Next::Act(Action::Do { intent, .. }) if here.state.open.contains_key(&intent.lane()) => Next::Wait(busy(here.live)),
            Next::Act(Action::Do { subject, intent }) => match self.retry_wait(here.subject, here.state) {
                Some(wait) if intent.lane() == Lane::Main => Next::Wait(wait),
                _ => Next::Act(Action::Do { subject, intent }),
            },
            next => next,
        }
    }

    /// What goes on while effects of a run are open; nothing while what comes before all its steps is.
    pub(super) fn goes_on(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        let run = state.live_run().filter(|run| !is_ending(run))?;
        if state.open.get(&Lane::Main).is_some_and(|open| run.step_of(&open.intent).is_none()) {
            return None;
        }
        match self.steps(Live { subject, state, run }) {
            Next::Wait(_) => None,
            next => Some(next),
        }
    }

    /// The next hand that is to stop, because nobody wants its work any more.
    pub(super) fn stops(&self, state: &IssueState) -> Option<Next> {
        let run = state.live_run()?;
        let local = state.open.values().filter(|open| open.intent.is_local() && is_ending(run));
        let mut unwanted = local.chain(leftovers(state, run)).filter(|open| !self.view.stopped.contains(&open.key));
        unwanted.next().map(|open| Next::Act(Action::Stop { key: open.key.clone(), run: run.id.clone() }))
    }
}

/// It is to end: nothing of it begins any more.
fn is_ending(run: &RunState) -> bool {
    run.stopping.is_some() || run.failing.is_some() || run.obstacle.is_some()
}

/// What hands still do for steps that are to be done anew.
fn leftovers<'s>(state: &'s IssueState, run: &'s RunState) -> impl Iterator<Item = &'s Open> {
    state.hands().filter(|(step, _)| run.at(step).is_none()).map(|(_, open)| open)
}

/// What is under way on an issue, as people are told.
pub(super) fn busy(live: Live<'_>) -> Wait {
    Wait::Acting { what: under_way(live.state) }
}

/// The same in words: what several do, with the step of each, which is told too where it is there for one item of several.
pub(super) fn under_way(state: &IssueState) -> String {
    let run = state.live_run();
    let open: Vec<&Open> = state.open.iter().filter(|(lane, _)| **lane != Lane::Claim).map(|(_, open)| open).collect();
    let several = open.len() > 1;
    let words = open.into_iter().map(|open| {
        let step = run.and_then(|run| run.step_of(&open.intent));
        let each = step.as_ref().and_then(|step| item(run?.at(step)?, &open.intent)).unwrap_or_default();
        let told = |step: &StepId| several || step.written() != *step;
        let of = step.filter(told).map_or_else(String::new, |step| format!(" of step {step}"));
        format!("{}{of}{each}", open.intent.word())
    });
    words.collect::<Vec<_>>().join(", ")
}

/// For which item an agent or commands work.
fn item(at: &InWork, intent: &Intent) -> Option<String> {
    let each = at.each.as_ref().filter(|_| matches!(intent, Intent::Agent { .. } | Intent::Verify { .. }))?;
    Some(format!(" (item {} of {})", each.nth(), each.of()))
}
