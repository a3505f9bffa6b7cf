//! Runs that stepped back, and when each is at work again.
//!
//! Promises: who stepped back holds no slot and no place in its group, and no other run of its issue back; it comes back when what it waits
//! for is over (a merge: `forward`; an action of the vault: `ask`), when the `timeout` of its step is, or to be stopped, and then only while
//! no other run of its issue is there and its budget pays for the agents that it has left. The run of the lifecycle goes on to be that: its
//! issue keeps its label and its claim, and nothing else of the lifecycle begins meanwhile, since that would do and pay for the same again.
//! Race known: what is over in the moment in which the time is, is told as not over.

use serde_json::Value as Json;

use crate::ledger::{ClaimState, IssueState, RunState};
use crate::model::{Advance, Event, Intent, PullState, Step, StepId, StepKind, StopWhy, Subject, Timestamp, Wait};

use super::forward::{advanced, waits_at};
use super::run::Live;
use super::{Action, Budget, Context, Next};

/// With what a run goes on.
enum Goes {
    /// It is to be stopped.
    ToItsEnd,
    /// The gate of the vault decides.
    ToItsGate,
    /// The step is done that waited for a merge, and leaves this.
    Past(Json),
}

impl Context<'_> {
    /// A run that stepped back is at work again, where no other of its issue is and it is time for that. It may have given the claim back.
    pub(super) fn comes_back(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        if state.run.is_some() || state.stepped_back.is_empty() {
            return None;
        }
        let goes = |run| Some((run, self.goes(Live { subject, state, run })?));
        let (run, goes) = state.stepped_back.iter().find_map(goes)?;
        let step = &waiting_step(run)?;
        let taken = advanced(&run.id, step, Advance::TakenUp);
        let events = match (goes, &state.claim) {
            (Goes::ToItsEnd, _) | (Goes::ToItsGate, ClaimState::Ours(_)) => vec![taken],
            (Goes::Past(left), ClaimState::Ours(_)) => {
                vec![taken, advanced(&run.id, step, Advance::Opened { output: Some(left) })]
            }
            (Goes::ToItsGate | Goes::Past(_), _) => {
                let claim = Action::Do { subject: subject.clone(), intent: Intent::Claim { renews: None } };
                return Some(Next::Act(claim));
            }
        };
        Some(Next::Act(Action::Record(events)))
    }

    /// None while it waits.
    fn goes(&self, live: Live<'_>) -> Option<Goes> {
        if live.run.stopping.is_some() {
            return Some(Goes::ToItsEnd);
        }
        let goes = self.over(live)?;
        self.held_back(live).is_none().then_some(goes)
    }

    fn over(&self, live: Live<'_>) -> Option<Goes> {
        match live.run.waits_for_merge() {
            true => self.goes_on_with(live).map(Goes::Past),
            false => self.vault_lets_on(live).then_some(Goes::ToItsGate),
        }
    }

    /// Whether a run that stepped back is to go on, as far as what it waits for.
    pub(super) fn is_due(&self, subject: &Subject, state: &IssueState, run: &RunState) -> bool {
        state.run.is_none() && self.over(Live { subject, state, run }).is_some()
    }

    /// Why a run that stepped back is not at work again. While it waited nothing was kept for what its agents may cost.
    fn held_back(&self, Live { subject, state, run }: Live<'_>) -> Option<Wait> {
        if self.view.draining {
            return Some(Wait::Draining);
        }
        if let ClaimState::Theirs { by, until } = &state.claim
            && *until > self.now
        {
            return Some(Wait::Claimed { by: by.clone(), until: *until });
        }
        if let Some(wait) = self.group_wait(subject, run) {
            return Some(wait);
        }
        let agent = |step: &Step| matches!(step.kind, StepKind::Agent { .. }) && run.status(&step.id).is_none();
        if !run.formula.steps.iter().any(agent) {
            return None;
        }
        let budgets = [("project", self.project_budget(&subject.repo)), ("day", self.day_budget())];
        let (which, budget) = budgets.into_iter().find(|(_, budget)| !budget.pays_for(self.policy.usd_run))?;
        let Budget { spent, reserved, limit, .. } = budget;
        Some(Wait::Budget { which: which.to_owned(), spent, reserved, limit, until: Some(self.now.next_day()) })
    }

    /// What those wait for that are due, where nothing else is left to do.
    pub(super) fn stays_back(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        let due = state.stepped_back.iter().filter(|run| self.is_due(subject, state, run));
        let wait = due.into_iter().find_map(|run| self.held_back(Live { subject, state, run }))?;
        Some(Next::Wait(wait))
    }

    /// What the lifecycle waits for while its run has stepped back.
    pub(super) fn lifecycle_rests(&self, subject: &Subject, state: &IssueState) -> Option<Wait> {
        let live = Live { subject, state, run: state.rests()? };
        let due = self.over(live).is_some();
        let waits = || self.vault_waits(live).next();
        self.held_back(live).filter(|_| due).or_else(waits)
    }

    /// A closed issue moves on when its run has ended, which stepped back and is to be stopped.
    pub(super) fn ends_first(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        state.rests().filter(|run| run.stopping.is_some())?;
        self.comes_back(subject, state).or_else(|| self.discard(subject, state))
    }

    /// When runs that stepped back give up what they wait for.
    pub(super) fn given_up_at(state: &IssueState) -> impl Iterator<Item = Timestamp> {
        state.stepped_back.iter().flat_map(|run| run.steps_in_work().filter_map(|(step, at)| run.until(step, at)))
    }
}

/// The step that a run waits in.
fn waiting_step(run: &RunState) -> Option<StepId> {
    let (step, _) = waits_at(run).or_else(|| run.steps_in_work().next())?;
    Some(step.id.clone())
}

/// Closing the issue stops who stepped back, but for who waits for a merge that was made, and who closed it or began because of it.
pub(super) fn closing_stops(state: &IssueState) -> Option<Next> {
    let merged = state.pull.as_ref().is_some_and(|pull| pull.state == PullState::Merged);
    let stops = |run: &&RunState| match run.waits_for_merge() {
        true => !merged,
        false => !run.closed && !run.at_end,
    };
    let runs = state.stepped_back.iter().filter(|run| run.stopping.is_none()).filter(stops);
    let stops: Vec<Event> = runs.map(|run| Event::Stopping { run: run.id.clone(), why: StopWhy::Closed }).collect();
    (!stops.is_empty()).then_some(Next::Act(Action::Record(stops)))
}
