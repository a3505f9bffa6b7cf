//! Runs that a run starts: another one about an issue, at once, or one about its own when its pull request is merged.
//!
//! Promises: what another run is given is worked out once and journalled, together with that it is wanted, so that nothing is between the
//! two and it is wanted once; runs start each other only so deep. The issue of a merged pull request stays open until the run that was
//! promised for it has ended, however it ended; then it is closed as ever. Where that formula is off by then, it is closed at once.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::ledger::{IssueState, PullRef};
use crate::model::{
    Advance, Event, Expression, ForgeEvent, Given, Intent, IssueNumber, Proposal, RunOutcome, Start, Subject, Task, Wanted,
    WantedBy,
};

use super::flow::broken;
use super::run::{Here, advance};
use super::{Action, Context, Next, admit};

/// How many runs may start each other.
const DEPTH: u32 = 3;

/// A run beside the lifecycle does not begin to write where somebody has the issue in hand: what it opened would be nobody's.
pub(super) fn in_other_hands(here: Here<'_>) -> Option<RunOutcome> {
    let opens = here.run.aside && here.run.formula.opens_pull() && super::writes(here.step);
    let word = here.state.at.filter(|_| opens)?;
    let at = crate::model::LabelNames::default().of(word).to_owned();
    Some(RunOutcome::NoChange { summary: format!("somebody has the issue in hand: it is {at}") })
}

impl Context<'_> {
    /// Another run is wanted about an issue that is known, or that the run's own lists.
    pub(super) fn start_another(&self, here: Here<'_>, proposal: &Proposal, start: &Start) -> Next {
        let run = here.run;
        let on = match self.target(here, proposal) {
            Ok(on) => on.unwrap_or(here.subject.issue),
            Err(outcome) => return self.end(here, outcome),
        };
        let subject = Subject { repo: here.subject.repo.clone(), issue: on };
        let refused = |summary: String| RunOutcome::Refused { summary };
        let is_on = self.policy.projects.get(&subject.repo).is_some_and(|project| project.formulas.contains_key(&start.formula));
        if !is_on {
            return self.end(here, refused(format!("formula {} is off here, and was to be started on {on}", start.formula)));
        }
        if run.depth >= DEPTH {
            return self.end(here, refused(format!("{DEPTH} runs started each other, and that is as deep as it goes")));
        }
        let tasks = run.prepared.as_ref().map(|prepared| prepared.tasks.items.as_slice()).unwrap_or_default();
        let listed: Option<&Task> = tasks.iter().find(|task| task.number == on);
        let known = self.ledger.issue(&subject).map(|state| &state.seen);
        let Some(seen) = known.or(listed.map(|task| &task.seen)) else {
            return self
                .end(here, refused(format!("nothing is known of {on}: {} does not list it as a task", here.subject.issue)));
        };
        if !seen.open {
            return self.end(here, RunOutcome::NoChange { summary: format!("{on} is closed") });
        }
        let by = WantedBy::Run { formula: run.formula.name.clone(), on: here.subject.issue, depth: run.depth + 1 };
        let wanted = match self.given(here, start) {
            Ok(inputs) => Wanted { formula: start.formula.clone(), inputs, by },
            Err(outcome) => return self.end(here, outcome),
        };
        let how = Advance::Started { wanted: wanted.clone(), on };
        let mut events = vec![Event::Advanced { run: run.id.clone(), step: here.step.id.clone(), how }];
        if known.is_none() {
            events.push(Event::Seen { subject: subject.clone(), issue: seen.clone() });
        }
        events.push(Event::Wanted { subject, wanted });
        Next::Act(Action::Record(events))
    }

    /// The pull request is open: who goes on when it is merged is settled now, with what is known now.
    pub(super) fn promise(&self, here: Here<'_>, then: &Start) -> Next {
        let Some(pull) = here.run.pull else { return self.unexpected(here) };
        let by = WantedBy::Event { event: ForgeEvent::PullMerged, what: pull.to_string() };
        match self.given(here, then) {
            Ok(inputs) => advance(here, Advance::Promised { wanted: Wanted { formula: then.formula.clone(), inputs, by } }),
            Err(outcome) => self.end(here, outcome),
        }
    }

    fn given(&self, here: Here<'_>, start: &Start) -> Result<BTreeMap<String, Json>, RunOutcome> {
        let value = |given: &Given| match given {
            Given::Value(value) => Ok(value.clone()),
            Given::Expression(expression) => self.value(here, expression).map_err(|why| broken(here.step, &why)),
        };
        start.with.iter().map(|(name, given)| Ok((name.clone(), value(given)?))).collect()
    }

    /// Our pull request is merged: who was promised goes on, then the issue is closed.
    pub(super) fn merged(&self, subject: &Subject, state: &IssueState, pull: &PullRef) -> Option<Next> {
        let close = || Some(Next::Act(Action::Do { subject: subject.clone(), intent: Intent::Close }));
        let what = pull.number.to_string();
        let project = self.policy.projects.get(&subject.repo).filter(|project| !project.leaving);
        let on = |wanted: &&Wanted| project.is_some_and(|project| project.formulas.contains_key(&wanted.formula));
        let Some(then) = pull.then.as_ref().filter(on) else { return close() };
        if !state.has_started(&then.formula, ForgeEvent::PullMerged, &what) {
            return Some(Next::Act(Action::Record(vec![Event::Wanted { subject: subject.clone(), wanted: then.clone() }])));
        }
        if !state.wanted.iter().any(|(wanted, _)| wanted.formula == then.formula && wanted.by == then.by) {
            return close();
        }
        // What the last run left goes first.
        match state.run {
            Some(_) => None,
            None => admit::Candidate::at_end(subject, state).map(|wanted| Next::Candidates(vec![wanted])),
        }
    }

    /// The issues whose tasks a step ticks.
    pub(super) fn ticked(&self, here: Here<'_>, tick: Option<&Expression>) -> Result<Vec<IssueNumber>, RunOutcome> {
        let Some(tick) = tick else { return Ok(Vec::new()) };
        let found = self.needed(here, tick).map_err(|why| broken(here.step, &why))?;
        let number = |item: &Json| item.as_u64().filter(|number| *number > 0).map(IssueNumber);
        let numbers: Option<Vec<IssueNumber>> = found.as_array().and_then(|items| items.iter().map(number).collect());
        numbers.ok_or_else(|| broken(here.step, &format!("{}: {found} is no list of numbers of issues", tick.0)))
    }
}
