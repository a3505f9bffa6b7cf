//! What is asked of our open pull request: changes by reviewers, checks that are green, a base that it can be merged into. A formula that
//! revises does it on the pull request's own branch.
//!
//! Promises: what was given to a run that came to its end is not given to another, whatever is pushed meanwhile; after [`ROUNDS`] revisions,
//! or where one changed nothing about what it was for, a person settles it; a conflict is given once, and so is what fails its verification
//! together with its base, which is the same in other words. Checks that were ended from outside are
//! no reason to revise: they are run again once for each head, where the forge can do that (17 and later), and then are a person's. Where no formula that is on revises,
//! the issue waits for one. Race known: what was asked was withdrawn before the run has read it: it ends with nothing done.

use crate::ledger::{IssueState, PullRef, RunState};
use crate::model::{
    Advance, Checks, Dispute, Event, Expression, ForgeEvent, Formula, Intent, Login, Needed, PullState, Reply, RunOutcome,
    Subject, Trigger, Wait,
};

use super::flow::broken;
use super::run::{Here, Live, advance};
use super::{Action, Context, Next, ProjectPolicy, admit};

/// How often a pull request is revised before a person settles it.
pub const ROUNDS: u32 = 3;
/// How often a conflict is given to an agent.
const CONFLICTS: u32 = 1;

/// What can be asked of a pull request, in the order of its urgency.
const ASKED: [ForgeEvent; 4] =
    [ForgeEvent::ChangesRequested, ForgeEvent::ChecksFailed, ForgeEvent::PullConflicts, ForgeEvent::PullCommented];

impl Formula {
    /// Whether what is asked of a pull request goes to this formula, as a part of the lifecycle.
    pub fn revises_on(&self, event: ForgeEvent) -> bool {
        let of_lifecycle = ASKED.contains(&event) || event == ForgeEvent::PullBehind;
        self.revises() && of_lifecycle && self.trigger.event.contains(&event)
    }
}

impl ProjectPolicy {
    /// The formula that does what is asked of a pull request.
    pub(super) fn reviser(&self, event: ForgeEvent) -> Option<&Formula> {
        self.formulas.values().find(|formula| formula.revises_on(event))
    }
}

/// How far something is that is asked of a pull request.
enum Asked {
    /// Nobody asks for it.
    No,
    /// It is to be done.
    Open,
    /// It was done; whoever asked for it has to look.
    Answered,
    /// It was tried, and stands as it was.
    InVain,
}

fn asked(pull: &PullRef, event: ForgeEvent) -> Asked {
    match event {
        ForgeEvent::ChangesRequested if pull.open_asks().next().is_some() => Asked::Open,
        ForgeEvent::ChangesRequested if !pull.asks.is_empty() => Asked::Answered,
        // A comment holds nothing up once a run was given it.
        ForgeEvent::PullCommented if !pull.comments.is_empty() => Asked::Open,
        // What was ended from outside says nothing about the change.
        ForgeEvent::ChecksFailed if pull.checks != Checks::Failure || pull.cut => Asked::No,
        ForgeEvent::ChecksFailed if pull.rounds.red.as_ref() == Some(&pull.head) => Asked::InVain,
        ForgeEvent::ChecksFailed => Asked::Open,
        ForgeEvent::PullConflicts if !pull.conflicts && pull.unfit().is_none() => Asked::No,
        ForgeEvent::PullConflicts if pull.rounds.conflicts >= CONFLICTS => Asked::InVain,
        ForgeEvent::PullConflicts => Asked::Open,
        ForgeEvent::ChangesRequested
        | ForgeEvent::PullCommented
        | ForgeEvent::IssueOpened
        | ForgeEvent::IssueClosed
        | ForgeEvent::PullOpened
        | ForgeEvent::PullUpdated
        | ForgeEvent::PullMerged
        | ForgeEvent::PullBehind => Asked::No,
    }
}

impl Context<'_> {
    /// What becomes of a pull request of which something is asked; none where nothing is.
    pub(super) fn asked_of(
        &self,
        subject: &Subject,
        state: &IssueState,
        project: &ProjectPolicy,
        pull: &PullRef,
    ) -> Option<Next> {
        let of = |event: ForgeEvent| Some((event, project.reviser(event)?, asked(pull, event)));
        let known: Vec<(ForgeEvent, &Formula, Asked)> = ASKED.into_iter().filter_map(of).collect();
        let to_do = known.iter().find(|(_, _, asked)| matches!(asked, Asked::Open));
        let in_vain = known.iter().any(|(_, _, asked)| matches!(asked, Asked::InVain));
        if in_vain || (to_do.is_some() && pull.rounds.done >= ROUNDS) {
            return Some(Next::Act(Action::Record(self.moved(subject, state, Trigger::Disputed))));
        }
        if let Some((event, ..)) = to_do {
            return Some(Next::Candidates(vec![admit::Candidate::revise(subject, state, *event)]));
        }
        if let Some((event, because)) = without_reviser(pull, project) {
            return Some(Next::Wait(Wait::NeedsFormula { needs: Needed::Revises(event), because }));
        }
        if pull.checks == Checks::Failure && pull.cut {
            return Some(self.to_rerun(subject, pull));
        }
        let answered = known.iter().any(|(_, _, asked)| matches!(asked, Asked::Answered));
        // What was asked of an older head, before anybody looked, was given to no run, and stands all the same.
        let unheard = pull.changes_requested && pull.asks.is_empty();
        (answered || unheard).then(|| {
            let mut by: Vec<Login> = pull.asks.iter().map(|ask| ask.by.clone()).collect();
            by.dedup();
            Next::Wait(Wait::Reviewer { pull: pull.number, by })
        })
    }

    /// Checks that were ended from outside are run again, once for each head; then it is a person's.
    fn to_rerun(&self, subject: &Subject, pull: &PullRef) -> Next {
        match (pull.rerun_of_head(), self.halted(subject)) {
            (None, None) => Next::Act(rerun(subject, pull)),
            (None, Some(halted)) => Next::Wait(halted),
            (Some(rerun), _) => Next::Wait(Wait::ChecksCut { pull: pull.number, rerun: Some(rerun.clone()) }),
        }
    }

    /// A run that revises has read what it is given: the issue goes to work with it, or nothing is asked any more.
    pub(super) fn begin_revision(&self, live: Live<'_>) -> Next {
        let Live { subject, state, run } = live;
        let revision = run.prepared.as_ref().and_then(|prepared| prepared.revision.as_ref());
        let asked = revision.is_some_and(|revision| {
            !revision.points.is_empty()
                || revision.checks == Checks::Failure
                || revision.conflicts
                || revision.unfit
                || state.open_pull().is_some_and(|pull| pull.open_asks().next().is_some())
        });
        // Who brings a branch up does nothing else that is asked of it; what it cannot merge is for another.
        let left = if run.formula.updates() { run.change.is_some() } else { asked };
        match left {
            true => Next::Act(Action::Record(self.moved(subject, state, Trigger::ReviseAsked))),
            false => self.end_run(live, RunOutcome::Succeeded { pull: state.pull.as_ref().map(|pull| pull.number) }),
        }
    }

    /// A run that revises a pull request which is merged or closed meanwhile has nothing left to do.
    pub(super) fn pull_ended(&self, live: Live<'_>) -> Option<Next> {
        let pull = revised(live).filter(|pull| pull.state != PullState::Open && !live.state.is_busy())?;
        Some(self.end_run(live, RunOutcome::Succeeded { pull: Some(pull.number) }))
    }

    /// Answers what reviewers said, each point where it was made: those too that the list leaves out.
    pub(super) fn replies(&self, here: Here<'_>, items: &Expression) -> Next {
        let run = here.run;
        let given = match self.value(here, items) {
            Ok(given) => given,
            Err(why) => return self.end(here, broken(here.step, &why)),
        };
        let known = here.state.pull.as_ref().map(|pull| &pull.rounds.points);
        let points = run.prepared.iter().filter_map(|prepared| prepared.revision.as_ref()).flat_map(|revision| &revision.points);
        let open = points.filter(|point| known.is_none_or(|known| !known.contains(&point.id)));
        let answer = |id: &str| {
            let item = given.as_array().into_iter().flatten().find(|item| item["to"].as_str() == Some(id))?;
            item["text"].as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let planned = open.map(|point| Reply { text: answer(&point.id.to_string()), to: point.clone() }).collect();
        advance(here, Advance::Replying { planned })
    }

    /// The next answer.
    pub(super) fn reply(&self, here: Here<'_>, planned: &[Reply], done: usize) -> Next {
        let (Some(reply), Some(pull)) = (planned.get(done), revised(here.live)) else {
            return self.unexpected(here);
        };
        let (run, pull, reply) = (here.run.id.clone(), pull.number, reply.clone());
        let intent = Intent::Reply { run, step: here.step.id.clone(), pull, reply };
        Next::Act(Action::Do { subject: here.subject.clone(), intent })
    }
}

/// The pull request that a run revises.
pub(super) fn revised(live: Live<'_>) -> Option<&crate::ledger::PullRef> {
    let prepared = live.run.prepared.as_ref()?;
    let revision = prepared.revision.as_ref().filter(|_| live.run.formula.revises())?;
    live.state.pull.as_ref().filter(|pull| pull.number == revision.pull)
}

/// Has the checks of its head run again.
pub(super) fn rerun(subject: &Subject, pull: &PullRef) -> Action {
    let intent = Intent::Rerun { pull: pull.number, head: pull.head.clone() };
    Action::Do { subject: subject.clone(), intent }
}

/// It goes on with an open pull request.
pub(super) fn is_revision(run: &RunState) -> bool {
    run.prepared.as_ref().is_some_and(|prepared| prepared.revision.is_some())
}

/// The row's trigger for a run that is tried again: it waits where it was started from.
pub(super) fn once_more(run: &RunState) -> Trigger {
    if is_revision(run) { Trigger::ReviseAgain } else { Trigger::Requeued }
}

/// Whether a run has found that a pull request does not go together with its base.
pub(super) fn is_unfit(run: &RunState, outcome: &RunOutcome) -> bool {
    matches!(outcome, RunOutcome::VerificationFailed { .. }) && run.formula.updates() && is_revision(run)
}

/// What is not settled about a pull request.
pub(super) fn disputes(pull: &PullRef) -> Vec<Dispute> {
    let changes = pull.asks.iter().map(|ask| Dispute::Changes { ask: ask.clone() });
    let comments = pull.comments.iter().map(|comment| Dispute::Comment { comment: comment.clone() });
    let red = (pull.checks == Checks::Failure).then(|| Dispute::Checks { head: pull.head.clone() });
    let conflict = pull.conflicts.then(|| Dispute::Conflict { base: pull.base.clone() });
    let unfit = (!pull.conflicts && pull.unfit().is_some()).then(|| Dispute::Unfit { base: pull.base.clone() });
    changes.chain(comments).chain(red).chain(conflict).chain(unfit).collect()
}

/// Why a pull request of ours cannot be merged as it stands, of what no formula that is on is for.
fn without_reviser(pull: &PullRef, project: &ProjectPolicy) -> Option<(ForgeEvent, String)> {
    let number = pull.number;
    let nobody = |event| project.reviser(event).is_none();
    if pull.changes_requested && nobody(ForgeEvent::ChangesRequested) {
        return Some((ForgeEvent::ChangesRequested, format!("changes were requested on {number}")));
    }
    if pull.checks == Checks::Failure && !pull.cut && nobody(ForgeEvent::ChecksFailed) {
        return Some((ForgeEvent::ChecksFailed, format!("the checks of {number} are red")));
    }
    let why = match pull.conflicts {
        true => format!("{number} conflicts with {}", pull.base),
        false => format!("with what came to {} since, {number} fails its verification", pull.base),
    };
    ((pull.conflicts || pull.unfit().is_some()) && nobody(ForgeEvent::PullConflicts)).then_some((ForgeEvent::PullConflicts, why))
}

/// The event of a stop because the pull request has ended.
pub(super) fn stop_for_pull(live: Live<'_>) -> Option<Event> {
    let ended = revised(live).is_some_and(|pull| pull.state != PullState::Open);
    let run = live.run;
    (ended && run.stopping.is_none()).then(|| Event::Stopping { run: run.id.clone(), why: crate::model::StopWhy::PullEnded })
}
