//! Steps that put the pull request of their issue forward to be merged.
//!
//! Promises: such a step merges nothing, and makes nothing mergeable. Its run steps back, and the pull request goes the way that it goes
//! where nobody waits for it, by the one rule of `merge`: it is read, reviewed, revised, brought up and merged, or a person is called.
//! So nothing that a merge needs can wait for the run that waits for the merge: that holds no slot, no claim, no place in its group, and no
//! other run of its issue back. It comes back once, when the pull request has ended and the lifecycle has done what belongs to that, when its
//! `timeout` is over, or to be stopped. Race known: a merge that is made in the moment in which the time is over is told as not made.

use serde_json::{Value as Json, json};

use crate::ledger::{InWork, IssueState, PullRef, RunState, StepState, StepStatus};
use crate::model::{
    Advance, Decision, Event, LabelNames, MergeRule, PullState, RunId, Sha, Step, StepId, Subject, ToMerge, Trigger, Wait,
};

use super::beside::busy;
use super::gate::opened;
use super::run::{Here, Live};
use super::{Action, Context, Next, target};

/// What a step leaves behind.
fn left(pull: Option<&PullRef>, state: &str, why: &str) -> Json {
    let merged = state == "merged";
    let sha = pull.filter(|_| merged).map(|pull| Sha::as_str(&pull.head));
    json!({ "pull": pull.map(|pull| pull.number.0), "merged": merged, "state": state, "sha": sha, "why": why })
}

pub(super) fn advanced(run: &RunId, step: &StepId, how: Advance) -> Event {
    Event::Advanced { run: run.clone(), step: step.clone(), how }
}

/// The step at which a run waits that put a pull request forward.
pub(super) fn waits_at(run: &RunState) -> Option<(&Step, &InWork)> {
    run.steps_in_work().find(|(_, at)| matches!(at.state, StepState::PutForward { .. }))
}

impl Context<'_> {
    /// The pull request is put forward, or what becomes of it is known already.
    pub(super) fn put_forward(&self, here: Here<'_>) -> Next {
        let Live { subject, state, run } = here.live;
        if let Some(left) = self.left_by(here.live, here.step, here.at) {
            return opened(here, Some(left));
        }
        let Some(pull) = state.open_pull() else { return self.unexpected(here) };
        if state.is_busy() {
            return Next::Wait(busy(here.live));
        }
        // The part of the lifecycle that was this run's is done: the pull request is there.
        let others = run.aside && run.pull.is_none();
        let mut events = if others { Vec::new() } else { self.moved(subject, state, Trigger::PullOpened) };
        events.push(advanced(&run.id, &here.step.id, Advance::PutForward { pull: pull.number }));
        Next::Act(Action::Record(events))
    }

    /// What the step leaves behind; none while there is something to wait for.
    fn left_by(&self, live: Live<'_>, step: &Step, at: &InWork) -> Option<Json> {
        let Live { subject, state, run } = live;
        let waits_for = if let StepState::PutForward { pull } = at.state { Some(pull) } else { None };
        let Some(pull) = state.pull.as_ref().filter(|pull| waits_for.is_none_or(|number| number == pull.number)) else {
            return Some(match waits_for {
                None => left(None, "none", "there is no pull request of ours for this issue"),
                Some(number) => {
                    let why = format!("another pull request took the place of {number}");
                    json!({ "pull": number.0, "merged": false, "state": "closed", "sha": null, "why": why })
                }
            });
        };
        match pull.state {
            PullState::Merged => return Some(left(Some(pull), "merged", "")),
            PullState::Closed => return Some(left(Some(pull), "closed", "it was closed without a merge")),
            PullState::Open => {}
        }
        let over = run.until(step, at).is_some_and(|until| self.now >= until);
        let leaves = self.policy.projects.get(&subject.repo).is_none_or(|project| project.leaving);
        let elsewhere = !run.aside && state.at != Some(Decision::Pr) && target(state.at, Trigger::PullOpened).is_none();
        let why = match () {
            () if !state.seen.open => "the issue is closed".to_owned(),
            () if leaves => "the project was taken out of the configuration".to_owned(),
            () if elsewhere => elsewhere_why(state),
            () if over => self.unmerged(subject, state, pull),
            () => return None,
        };
        Some(left(Some(pull), "waits", &why))
    }

    /// Why a pull request is not merged yet, in a few words.
    fn unmerged(&self, subject: &Subject, state: &IssueState, pull: &PullRef) -> String {
        let Some(project) = self.policy.projects.get(&subject.repo) else { return String::new() };
        if state.at != Some(Decision::Pr) {
            return elsewhere_why(state);
        }
        match self.asked_of(subject, state, project, pull).unwrap_or_else(|| self.to_merge(subject, project, pull)) {
            Next::Candidates(_) => "it is to be revised first".to_owned(),
            Next::Act(_) => "it is about to be merged".to_owned(),
            Next::Wait(wait) => waits_why(&wait, project.merge),
        }
    }

    /// What a run that waits for a merge goes on with, once the lifecycle has done what belongs to the end of its pull request.
    pub(super) fn goes_on_with(&self, live: Live<'_>) -> Option<Json> {
        let Live { state, run, .. } = live;
        let rests = match state.seen.open {
            true => state.open_pull().is_some() || state.at != Some(Decision::Pr),
            false => state.done,
        };
        let (step, at) = waits_at(run).filter(|_| rests)?;
        self.left_by(live, step, at)
    }
}

/// Whether a run has put a pull request forward and has gone on since: where its issue stands is not its matter any more.
pub(super) fn was_put_forward(run: &RunState) -> bool {
    run.formula.steps.iter().any(|step| step.merges() && run.status(&step.id) == Some(StepStatus::Done))
}

fn elsewhere_why(state: &IssueState) -> String {
    match state.at {
        Some(at) => format!("the issue stands at {}", LabelNames::default().of(at)),
        None => "nothing was decided on the issue".to_owned(),
    }
}

fn waits_why(wait: &Wait, rule: MergeRule) -> String {
    let text = match wait {
        Wait::Merge { .. } if rule == MergeRule::Never => "a person is to merge it",
        Wait::ToMerge { waits, .. } => match waits {
            ToMerge::Person => "a person is to merge it",
            ToMerge::Reading => "it is being read",
            ToMerge::Verification { .. } => "its head was not verified",
            ToMerge::Base => "its base moved on since it was verified",
            ToMerge::Checks { .. } => "its checks are not green",
            ToMerge::Contexts { lacking } => return format!("checks are missing that its base requires: {}", lacking.join(", ")),
            ToMerge::Review => "it waits for the approval of the review role",
            ToMerge::Approval { .. } => "it waits for an approval",
            ToMerge::Approver { .. } => "it waits for the approval of an approver",
            ToMerge::Turn { first } => return format!("{first} is merged first"),
            ToMerge::Refused { why, .. } => return format!("the forge did not merge it: {why}"),
        },
        Wait::NeedsFormula { because, .. } => return because.clone(),
        Wait::Reviewer { .. } => "who asked for changes has to look at it again",
        Wait::NoRunner { .. } => "no runner is at its checks",
        Wait::ChecksCut { .. } => "its checks were ended from outside",
        Wait::Paused { .. } => "it is paused",
        _ => "it was not merged yet",
    };
    text.to_owned()
}
