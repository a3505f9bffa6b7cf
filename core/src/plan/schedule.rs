//! Formulas about the project: when their schedules start them, and what becomes of their runs.
//!
//! Promises: a time of a schedule starts one run, whatever restarts come between; several that were missed start one. From the moment that a
//! run is wanted until it has ended no time counts: what is still at work when its time comes round again is not started once more. A schedule
//! that the journal does not know, because it is new, was changed or the journal was lost, waits for its next time. Where a formula names
//! events beside its schedule, what happened since a run was last wanted starts one, however much it was.
//!
//! Race known: two daemons on one project both want a run; the claim lets one of them start at a time. Known limit: the runs about a project
//! wait for each other, as those on an issue do.

use crate::formula::Cron;
use crate::ledger::{IssueState, Ledger, Schedule};
use crate::model::{Event, FormulaName, RepoName, Subject, Timestamp, Wait, Wanted, WantedBy};

use super::{Action, Context, Next, Plan, Policy, ProjectPolicy, admit};

/// A schedule, and when it comes round next.
#[derive(Clone, Debug, PartialEq)]
pub struct Upcoming<'a> {
    /// The formula.
    pub formula: &'a FormulaName,
    /// Its cron line.
    pub cron: &'a str,
    /// What the journal knows of it; none where it has not been seen yet.
    pub known: Option<&'a Schedule>,
    /// When it comes round next; none while a run of it is wanted or at work.
    pub next: Option<Timestamp>,
}

/// The schedules of a project's formulas that are on.
pub fn schedules<'a>(
    ledger: &'a Ledger,
    policy: &'a Policy,
    repo: &RepoName,
    now: Timestamp,
) -> impl Iterator<Item = Upcoming<'a>> {
    let known = ledger.projects.get(repo);
    let busy = ledger.issue(&Subject::project(repo.clone()));
    let project = policy.projects.get(repo);
    project.into_iter().flat_map(ProjectPolicy::scheduled).map(move |(formula, cron)| {
        let known = known.and_then(|project| project.schedules.get(formula)).filter(|known| known.cron == cron);
        let free = busy.is_none_or(|state| !state.is_busy_with(formula));
        let after = known.map_or(now, |known| known.after.max(now));
        let next = free.then(|| Cron::parse(cron).ok()?.next(after)).flatten();
        Upcoming { formula, cron, known, next }
    })
}

impl ProjectPolicy {
    /// The formulas that are on and have a schedule, with their cron lines.
    fn scheduled(&self) -> impl Iterator<Item = (&FormulaName, &str)> {
        let on = self.formulas.iter().filter(|_| !self.leaving);
        on.filter_map(|(name, formula)| Some((name, formula.trigger.cron.as_deref()?)))
    }
}

/// What the schedules of a project ask for now.
pub(super) fn plan(context: &Context<'_>, repo: &RepoName, project: &ProjectPolicy, plan: &mut Plan) {
    if !context.view.fresh.contains(repo) || context.view.draining {
        return;
    }
    let known = context.ledger.projects.get(repo).map(|project| &project.schedules);
    let scheduled = |formula: &FormulaName, cron: Option<&str>| Event::Scheduled {
        repo: repo.clone(),
        formula: formula.clone(),
        cron: cron.map(str::to_owned),
    };
    let gone = known.into_iter().flatten().filter(|(name, _)| project.scheduled().all(|(on, _)| on != *name));
    let mut events: Vec<Event> = gone.map(|(name, _)| scheduled(name, None)).collect();
    for (name, cron) in project.scheduled() {
        match known.and_then(|known| known.get(name)).filter(|known| known.cron == cron) {
            None => events.push(scheduled(name, Some(cron))),
            Some(schedule) => events.extend(context.due(repo, name, schedule)),
        }
    }
    if !events.is_empty() {
        plan.actions.push(Action::Record(events));
    }
}

impl Context<'_> {
    /// The run that a schedule wants, where its time has come.
    fn due(&self, repo: &RepoName, formula: &FormulaName, schedule: &Schedule) -> Option<Event> {
        let subject = Subject::project(repo.clone());
        if self.ledger.issue(&subject).is_some_and(|state| state.is_busy_with(formula)) {
            return None;
        }
        let by = self.came_round(schedule).or_else(|| self.happened_since(repo, formula, schedule))?;
        let wanted = Wanted { formula: formula.clone(), inputs: std::collections::BTreeMap::new(), by };
        Some(Event::Wanted { subject, wanted })
    }

    fn came_round(&self, schedule: &Schedule) -> Option<WantedBy> {
        let cron = Cron::parse(&schedule.cron).ok()?;
        cron.next(schedule.after).filter(|next| *next <= self.now)?;
        Some(WantedBy::Schedule { at: cron.last(self.now)? })
    }

    /// What happened since a run was last wanted, of what starts the formula: the newest.
    fn happened_since(&self, repo: &RepoName, formula: &FormulaName, schedule: &Schedule) -> Option<WantedBy> {
        let events = &self.policy.projects.get(repo)?.formulas.get(formula)?.trigger.event;
        let known = &self.ledger.projects.get(repo)?.happened;
        let happened = events.iter().filter_map(|event| Some((known.get(event)?, *event)));
        let (happened, event) = happened.max_by_key(|(happened, _)| happened.seq)?;
        (happened.seq > schedule.heard).then_some(WantedBy::Happened { event, on: happened.on })
    }

    /// When schedules come round next.
    pub(super) fn schedule_times(&self) -> impl Iterator<Item = Timestamp> {
        let looked_at = self.policy.projects.keys().filter(|repo| self.view.fresh.contains(*repo));
        looked_at.flat_map(|repo| schedules(self.ledger, self.policy, repo, self.now).filter_map(|schedule| schedule.next))
    }

    /// What becomes of a project that runs are about: it has no labels, no story that is told, and is never closed.
    pub(super) fn project(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Next {
        if let Some(next) = self.under_way(subject, state, project) {
            return next;
        }
        if let Some(wait) = self.retry_wait(subject, state) {
            return Next::Wait(wait);
        }
        if let Some(next) = self.comes_back(subject, state) {
            return next;
        }
        let crowded = self.crowded(subject, state, project);
        if let Some(next) = crowded.or_else(|| self.run(subject, state, project)).or_else(|| self.discard(subject, state)) {
            return next;
        }
        if let Some(wanted) = admit::Candidate::aside(subject, state) {
            return Next::Candidates(vec![wanted]);
        }
        let stays = self.stays_back(subject, state).or_else(|| self.release(subject, state).map(Next::Act));
        stays.unwrap_or_else(|| Next::Wait(self.idle(&subject.repo)))
    }

    fn idle(&self, repo: &RepoName) -> Wait {
        let times = schedules(self.ledger, self.policy, repo, self.now);
        let next = times.filter_map(|schedule| Some((schedule.next?, schedule.formula))).min();
        next.map_or(Wait::Unasked, |(until, formula)| Wait::Schedule { formula: formula.clone(), until })
    }
}
