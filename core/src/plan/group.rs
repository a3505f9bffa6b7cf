//! Groups (`concurrency` of a formula): within a project, runs of one group do not run beside each other.
//!
//! Promises: what finds its group at work waits, stops the other and takes its place, or does not take place, as its formula says. The
//! lifecycle loses nothing by that: a run of its waits where one beside it would not take place, and one that is replaced goes back to the
//! queue, behind who took its place. Nobody replaces a run that began after they were asked for, so that two cannot replace each other for
//! ever. A run at a gate or in a pause is at work. One that waits for a merge is not, so that nothing that the merge needs waits for it: it is
//! replaced, or keeps others of the group from taking place, but nobody waits for it; and it is at work again when nobody else of its group is.
//!
//! Race known: what replaces a run of another issue may find another of the group there before it, which was asked for earlier.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{IssueState, RunState};
use crate::model::{
    Concurrency, Declined, Event, Formula, FormulaName, RepoName, RunId, StopWhy, Subject, Timestamp, Wait, WhenBusy,
};

use super::admit::Verdict;
use super::{Action, Context, Next, Plan, ProjectPolicy};

/// Who is at work in each group: what lives, and what was granted since.
pub(super) struct Groups {
    at_work: BTreeMap<(RepoName, String), (Subject, RunId)>,
    /// Those that this plan stops.
    stopped: BTreeSet<RunId>,
}

/// A run that would begin in a group.
pub(super) struct Comer<'a> {
    pub(super) subject: &'a Subject,
    pub(super) formula: &'a Formula,
    /// Since when it is wanted.
    pub(super) since: Timestamp,
    pub(super) aside: bool,
}

/// What a run that would begin does about its group.
pub(super) enum Busy {
    /// Nobody is at work there.
    No,
    /// It waits, or does not take place.
    Decided(Verdict),
    /// It stops who is there, if nothing else keeps it from starting.
    Replaces(Action, Wait),
}

impl Groups {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let place = |subject: Subject, run: &RunState| {
            Some(((subject.repo.clone(), group_of(&run.formula)?.group.clone()), (subject, run.id.clone())))
        };
        let issues = || context.ledger.issues();
        let mut at_work: BTreeMap<_, _> =
            issues().filter_map(|(subject, state)| place(subject.clone(), state.live_run()?)).collect();
        // Who waited for a merge and is to go on is the next.
        for (subject, state) in issues() {
            let due = state.stepped_back.iter().filter(|run| context.is_due(&subject, state, run));
            for (group, run) in due.filter_map(|run| place(subject.clone(), run)) {
                at_work.entry(group).or_insert(run);
            }
        }
        Self { at_work, stopped: BTreeSet::new() }
    }

    /// Who is told to stop is not told again.
    pub(super) fn stop(&mut self, wait: &Wait) {
        if let Wait::Group { run, .. } = wait {
            self.stopped.insert(run.clone());
        }
    }

    /// What an action starts is at work. The run whose group was at work already, if there is one.
    pub(super) fn begin(&mut self, action: &Action) -> Option<Subject> {
        let Action::Record(events) = action else { return None };
        let mut crowded = None;
        for event in events {
            let Event::RunStarted { run, subject, formula, .. } = event else { continue };
            let Some(group) = group_of(formula) else { continue };
            let before = self.at_work.insert((subject.repo.clone(), group.group.clone()), (subject.clone(), run.clone()));
            crowded = crowded.or(before.map(|_| subject.clone()));
        }
        crowded
    }
}

impl Context<'_> {
    /// What becomes of a run that would begin, by who is at work in its group.
    pub(super) fn busy(&self, comer: &Comer<'_>, groups: &Groups) -> Busy {
        let Some(Concurrency { group, when_busy }) = group_of(comer.formula) else { return Busy::No };
        if let Some(run) = self.in_group(&comer.subject.repo, group).next()
            && *when_busy == WhenBusy::Skip
            && comer.aside
        {
            return Busy::Decided(Verdict::Decline(declined(comer.subject, &comer.formula.name, &run.id)));
        }
        let Some((on, run)) = groups.at_work.get(&(comer.subject.repo.clone(), group.clone())) else { return Busy::No };
        let wait = Wait::Group { group: group.clone(), on: on.clone(), run: run.clone() };
        match when_busy {
            WhenBusy::Skip if comer.aside => Busy::Decided(Verdict::Decline(declined(comer.subject, &comer.formula.name, run))),
            WhenBusy::Replace if !groups.stopped.contains(run) => {
                match self.ledger.issue(on).and_then(|state| stopped_for(state, run, comer.since)) {
                    Some(stopping) => Busy::Replaces(Action::Record(vec![stopping]), wait),
                    None => Busy::Decided(Verdict::Wait(wait)),
                }
            }
            WhenBusy::Queue | WhenBusy::Replace | WhenBusy::Skip => Busy::Decided(Verdict::Wait(wait)),
        }
    }

    /// The runs of a group that wait for a merge: they hold nobody of it up.
    fn in_group(&self, repo: &RepoName, group: &str) -> impl Iterator<Item = &RunState> {
        let issues = self.ledger.issues().filter(move |(subject, _)| subject.repo == *repo);
        let waits = issues.flat_map(|(_, state)| &state.stepped_back).filter(|run| run.stopping.is_none());
        waits.filter(move |run| group_of(&run.formula).is_some_and(|of| of.group == group))
    }

    /// The stops of those that wait for a merge, where a run of this formula takes their place.
    pub(super) fn replaced_forward(&self, subject: &Subject, formula: &Formula) -> Vec<Event> {
        let Some(Concurrency { group, when_busy: WhenBusy::Replace }) = group_of(formula) else { return Vec::new() };
        let runs = self.in_group(&subject.repo, group);
        runs.map(|run| Event::Stopping { run: run.id.clone(), why: StopWhy::Replaced }).collect()
    }

    /// The run of its group that is at work, where that is another one.
    pub(super) fn group_wait(&self, subject: &Subject, run: &RunState) -> Option<Wait> {
        let group = &group_of(&run.formula)?.group;
        let groups = Groups::new(self);
        let (on, other) = groups.at_work.get(&(subject.repo.clone(), group.clone()))?;
        (*other != run.id).then(|| Wait::Group { group: group.clone(), on: on.clone(), run: other.clone() })
    }

    /// What is asked for on an issue whose own run is at work in a group: it may not take place, or stop that run.
    pub(super) fn crowded(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let run = state.live_run().filter(|run| run.stopping.is_none())?;
        let at_work = &group_of(&run.formula)?.group;
        // Whatever asks is heard at once, and not when the run has ended.
        let asks = (!subject.is_project()).then(|| self.asked(subject, state, project)).flatten();
        if let Some(asks @ Next::Act(_)) = asks {
            return Some(asks);
        }
        let of_group = |name: &FormulaName| {
            let group = project.formulas.get(name).and_then(group_of)?;
            (group.group == *at_work).then_some(group.when_busy)
        };
        let skips = state.wanted.iter().find(|(wanted, _)| of_group(&wanted.formula) == Some(WhenBusy::Skip));
        if let Some((wanted, _)) = skips {
            return Some(Next::Act(declined(subject, &wanted.formula, &run.id)));
        }
        // The first of them is the one that would take its place.
        let (_, since) = state.wanted.first().filter(|(wanted, _)| of_group(&wanted.formula) == Some(WhenBusy::Replace))?;
        let stopping = stopped_for(state, &run.id, *since).filter(|_| self.halted(subject).is_none())?;
        Some(Next::Act(Action::Record(vec![stopping])))
    }
}

/// A run that a plan starts beside another of its group.
pub(super) fn crowd(context: &Context<'_>, plan: &Plan) -> Option<Subject> {
    let mut groups = Groups::new(context);
    plan.actions.iter().find_map(|action| groups.begin(action))
}

fn group_of(formula: &Formula) -> Option<&Concurrency> {
    formula.limits.concurrency.as_ref()
}

fn declined(subject: &Subject, formula: &FormulaName, run: &RunId) -> Action {
    let (subject, formula, declined) = (subject.clone(), formula.clone(), Declined::Busy { run: run.clone() });
    Action::Record(vec![Event::Declined { subject, formula, declined }])
}

/// The end of a run for one that is wanted since then.
fn stopped_for(state: &IssueState, run: &RunId, since: Timestamp) -> Option<Event> {
    let replaced = |run: &&RunState| run.stopping.is_none() && run.started < since;
    let run = state.live_run().filter(|live| live.id == *run).filter(replaced)?;
    Some(Event::Stopping { run: run.id.clone(), why: StopWhy::Replaced })
}
