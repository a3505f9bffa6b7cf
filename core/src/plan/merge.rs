//! How a pull request of ours comes to be merged without a person, or by whose word.
//!
//! Promises: nothing is merged whose head was not verified by the commands that the project has now, on the tip of its base, with green checks,
//! with the approvals that its tier asks for, all of that read within [`FRESH`] before; and the merge names that head, so that the
//! forge refuses it where somebody has pushed meanwhile. Of a repository one is merged at a time. What cannot be known is waited for. Race
//! known: an approval that is taken back within [`FRESH`].

use std::time::Duration;

use crate::ledger::{IssueState, Ledger, PullRef, Refused};
use crate::model::{
    Checks, Classified, CommandRun, Decision, ForgeEvent, Intent, MergeRule, Needed, PullNumber, Right, Risk, Sha, Story,
    Subject, Timestamp, ToMerge, Wait, Weighed,
};

use super::admit::Candidate;
use super::{Action, Context, Next, Policy, ProjectPolicy, View};

/// How old a reading may be on which something is merged.
pub const FRESH: Duration = Duration::from_secs(15);

/// How long the forge's runners have to begin with checks before that is said.
const PATIENCE: Duration = Duration::from_mins(10);

/// What is right with a pull request, or what it waits for.
enum Gate<'a> {
    /// It may be merged by what is known.
    Open(&'a Weighed),
    /// It may not.
    Shut(ToMerge),
}

/// When a pull request of ours moves its base, as far as that is known.
enum MovesBase {
    /// It may be merged, or is about to be.
    Now,
    /// It has to be brought up first.
    InTurn,
}

impl Context<'_> {
    /// What becomes of a pull request of which nothing is asked any more.
    pub(super) fn to_merge(&self, subject: &Subject, project: &ProjectPolicy, pull: &PullRef) -> Next {
        let wait = |waits| Next::Wait(Wait::ToMerge { pull: pull.number, tier: pull.weighed_tier(), waits });
        if project.merge == MergeRule::Never {
            return Next::Wait(self.no_runner(pull).unwrap_or(Wait::Merge { pull: pull.number }));
        }
        let Some(state) = self.ledger.issue(subject) else { return wait(ToMerge::Reading) };
        let weighed = match self.gate_of(project, state, pull) {
            Gate::Open(weighed) => weighed,
            Gate::Shut(waits @ (ToMerge::Verification { .. } | ToMerge::Base)) => {
                return self.to_update((subject, state), project, pull, waits);
            }
            Gate::Shut(ToMerge::Review) if project.reviewer().is_none() => {
                let because = format!("`review` of {} asks for an approval by the review role of {}", subject.repo, pull.number);
                return Next::Wait(Wait::NeedsFormula { needs: Needed::Reviews, because });
            }
            Gate::Shut(waits @ (ToMerge::Checks { .. } | ToMerge::Contexts { .. })) => {
                return self.no_runner(pull).map_or_else(|| wait(waits), Next::Wait);
            }
            Gate::Shut(waits) => return wait(waits),
        };
        if let Some(first) = self.before(subject, project) {
            return wait(ToMerge::Turn { first });
        }
        if let Some(halted) = self.halted(subject) {
            return Next::Wait(halted);
        }
        if self.view.reading.contains(subject) {
            return wait(ToMerge::Reading);
        }
        match self.view.weighed.get(subject) {
            Some((read, true)) if self.now <= *read + FRESH => {}
            // Part of it could not be read: the next reading comes with its clock.
            Some((tried, false)) if self.now < *tried + self.policy.checks_every => return wait(ToMerge::Reading),
            _ => return Next::Act(Action::Checks(subject.clone())),
        }
        let intent = Intent::Merge { pull: pull.number, head: weighed.head.clone(), style: weighed.style };
        Next::Act(Action::Do { subject: subject.clone(), intent })
    }

    /// Its checks are to come, and nobody has been at them for long.
    fn no_runner(&self, pull: &PullRef) -> Option<Wait> {
        let since = pull.idle.filter(|since| pull.checks == Checks::Pending && self.now >= *since + PATIENCE)?;
        Some(Wait::NoRunner { pull: pull.number, since })
    }

    /// What people are told where it waits for the word of one of them.
    pub(super) fn approval_story(&self, state: &IssueState, project: &ProjectPolicy) -> Option<Story> {
        let pull = state.open_pull().filter(|_| state.at == Some(Decision::Pr) && project.merge != MergeRule::Never)?;
        let weighed = pull.weighed.as_ref()?;
        let named = match self.gate_of(project, state, pull) {
            Gate::Shut(ToMerge::Approval { .. }) => Vec::new(),
            Gate::Shut(ToMerge::Approver { named }) => named,
            Gate::Shut(_) | Gate::Open(_) => return None,
        };
        let (head, tier, reasons) = (pull.head.clone(), weighed.tier, weighed.reasons.clone());
        Some(Story::Approval { pull: pull.number, head, tier, reasons, named })
    }

    /// How much its head could break, where a person merges it and nobody is asked for an approval.
    pub(super) fn tier_story(project: &ProjectPolicy, pull: &PullRef) -> Option<Box<Classified>> {
        let weighed = pull.weighed_head().filter(|weighed| !project.merge.covers(weighed.tier));
        weighed.map(|weighed| Box::new(weighed.classified()))
    }

    /// By what is known. The order is that of what can be done about it.
    fn gate_of<'p>(&self, project: &ProjectPolicy, state: &IssueState, pull: &'p PullRef) -> Gate<'p> {
        let Some(weighed) = pull.weighed_head().filter(|weighed| !weighed.tier_only) else {
            return Gate::Shut(ToMerge::Reading);
        };
        if !project.merge.covers(weighed.tier) {
            return Gate::Shut(ToMerge::Person);
        }
        if let Some(refused) = pull.refused.as_ref().filter(|refused| refused.head == pull.head)
            && let Some(until) = self.refused_until(refused)
        {
            return Gate::Shut(ToMerge::Refused { why: refused.why.clone(), until });
        }
        let older = || weighed.behind.then_some(ToMerge::Base);
        // Who was asked about this head is heard before it changes once more: each commit of others would ask everybody again.
        let first = if weighed.tier == Risk::Low || !is_asked(state, &pull.head) { older() } else { None };
        let shut = unverified(project, pull).or(first).or_else(|| checks(pull, weighed));
        let shut = shut.or_else(|| self.approval(project, pull, weighed)).or_else(older);
        shut.map_or(Gate::Open(weighed), Gate::Shut)
    }

    /// What was not verified as it would be merged is brought up to its base and verified, one of a repository at a time.
    fn to_update(
        &self,
        (subject, state): (&Subject, &IssueState),
        project: &ProjectPolicy,
        pull: &PullRef,
        waits: ToMerge,
    ) -> Next {
        if project.reviser(ForgeEvent::PullBehind).is_none() {
            let (number, base) = (pull.number, &pull.base);
            let because = match waits {
                ToMerge::Verification { head } => format!("{number} stands at {}, which forgehand did not verify", head.short()),
                _ => format!("`{base}` moved on since {number} was verified"),
            };
            return Next::Wait(Wait::NeedsFormula { needs: Needed::Revises(ForgeEvent::PullBehind), because });
        }
        match self.before_update(subject, project) {
            Some(first) => {
                let waits = ToMerge::Turn { first };
                Next::Wait(Wait::ToMerge { pull: pull.number, tier: pull.weighed_tier(), waits })
            }
            None => Next::Candidates(vec![Candidate::revise(subject, state, ForgeEvent::PullBehind)]),
        }
    }

    fn approval(&self, project: &ProjectPolicy, pull: &PullRef, weighed: &Weighed) -> Option<ToMerge> {
        match weighed.tier {
            Risk::Low => reviewed(project, weighed),
            Risk::Medium if approved(project, weighed, Right::Writer) => None,
            Risk::Medium => {
                let until = weighed.window.map(|window| pull.weighed_since + window);
                match until {
                    // Without a person's word it needs at least what a low one does.
                    Some(until) if self.now >= until => reviewed(project, weighed),
                    until => Some(ToMerge::Approval { until }),
                }
            }
            Risk::High if approved(project, weighed, Right::Approver) => None,
            Risk::High => Some(ToMerge::Approver { named: weighed.asked_by_name().to_vec() }),
        }
    }

    /// When the forge is asked again; none where it may be now.
    fn refused_until(&self, refused: &Refused) -> Option<Timestamp> {
        let until = refused.at + self.policy.backoff_after(refused.times);
        (self.now < until).then_some(until)
    }

    /// The pull request of the same repository that is merged first: one that is being merged, else by priority, then by age.
    fn before(&self, subject: &Subject, project: &ProjectPolicy) -> Option<PullNumber> {
        let others = || self.ledger.issues().filter(|(other, _)| other.repo == subject.repo && other != subject);
        let merging = others().find(|(_, state)| state.open.values().any(|open| matches!(open.intent, Intent::Merge { .. })));
        if let Some(pull) = merging.and_then(|(_, state)| state.pull.as_ref()) {
            return Some(pull.number);
        }
        let rank = |state: &IssueState, pull: &PullRef| {
            (!state.seen.labels.contains(&project.labels.priority), state.at_since, pull.number)
        };
        let own = self.ledger.issue(subject).and_then(|state| Some(rank(state, state.pull.as_ref()?)))?;
        let open = others().filter(|(other, state)| self.may_be_next(other, state, project));
        let ranks = open.filter_map(|(_, state)| Some(rank(state, state.open_pull()?)));
        ranks.filter(|rank| *rank < own).min().map(|(_, _, pull)| pull)
    }

    /// The pull request of the same repository that comes before bringing this one up: one that moves the base now, else the first of those to
    /// be brought up, what needs nobody's word before what does.
    fn before_update(&self, subject: &Subject, project: &ProjectPolicy) -> Option<PullNumber> {
        let rank = |state: &IssueState| {
            let pull = state.open_pull()?;
            let low = pull.weighed_tier() == Some(Risk::Low);
            Some((!low, !state.seen.labels.contains(&project.labels.priority), state.at_since, pull.number))
        };
        let own = rank(self.ledger.issue(subject)?)?;
        let ahead = |(other, state): (Subject, &IssueState)| {
            let number = state.pull.as_ref()?.number;
            match self.moves_base(project, &other, state)? {
                MovesBase::Now => Some((None, number)),
                MovesBase::InTurn => rank(state).filter(|rank| *rank < own).map(|rank| (Some(rank), number)),
            }
        };
        let others = self.ledger.issues().filter(|(other, _)| other.repo == subject.repo && other != subject);
        others.filter_map(ahead).min().map(|(_, number)| number)
    }

    fn moves_base(&self, project: &ProjectPolicy, subject: &Subject, state: &IssueState) -> Option<MovesBase> {
        let merging = state.open.values().any(|open| matches!(open.intent, Intent::Merge { .. }));
        if merging || state.live_run().is_some_and(|run| run.formula.updates()) {
            return Some(MovesBase::Now);
        }
        let pull = state.open_pull().filter(|_| self.is_free(subject, state))?;
        match self.gate_of(project, state, pull) {
            Gate::Open(_) => Some(MovesBase::Now),
            Gate::Shut(ToMerge::Checks { .. }) if pull.checks == Checks::Pending => Some(MovesBase::Now),
            Gate::Shut(ToMerge::Verification { .. } | ToMerge::Base) => Some(MovesBase::InTurn),
            Gate::Shut(_) => None,
        }
    }

    /// Whether nothing else is in the way of merging it than its turn.
    fn may_be_next(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> bool {
        let open = |pull: &PullRef| matches!(self.gate_of(project, state, pull), Gate::Open(_));
        let commented = |pull: &PullRef| !pull.comments.is_empty() && project.reviser(ForgeEvent::PullCommented).is_some();
        self.is_free(subject, state) && state.open_pull().is_some_and(|pull| open(pull) && !commented(pull))
    }

    /// Whether nothing is asked of it and nothing at work on it.
    fn is_free(&self, subject: &Subject, state: &IssueState) -> bool {
        let stands = state.at == Some(Decision::Pr) && state.seen.open && state.live_run().is_none();
        let backs_off = state.retry.is_some() || state.backoff.is_some_and(|until| until > self.now);
        let free = stands && !state.is_busy() && !backs_off && self.halted(subject).is_none();
        let red = |pull: &PullRef| pull.checks == Checks::Failure;
        let asked = |pull: &PullRef| {
            red(pull) || pull.conflicts || pull.unfit().is_some() || pull.changes_requested || !pull.asks.is_empty()
        };
        free && state.open_pull().is_some_and(|pull| !asked(pull))
    }
}

/// Whether people were called to approve this very head.
fn is_asked(state: &IssueState, head: &Sha) -> bool {
    let story = state.said.as_ref().map(|said| &said.status.story);
    matches!(story, Some(Story::Approval { head: of, .. }) if of == head)
}

/// Nobody's word takes the place of a verification.
fn unverified(project: &ProjectPolicy, pull: &PullRef) -> Option<ToMerge> {
    (!is_verified(project, pull)).then(|| ToMerge::Verification { head: pull.head.clone() })
}

/// What lacks of the checks.
fn checks(pull: &PullRef, weighed: &Weighed) -> Option<ToMerge> {
    match pull.checks {
        Checks::Pending | Checks::Failure => return Some(ToMerge::Checks { none: false }),
        Checks::None if weighed.unreported => return Some(ToMerge::Checks { none: true }),
        Checks::None | Checks::Success => {}
    }
    (!weighed.lacking.is_empty()).then(|| ToMerge::Contexts { lacking: weighed.lacking.clone() })
}

/// Whether the journal saw each command that verifies the project pass on this head.
fn is_verified(project: &ProjectPolicy, pull: &PullRef) -> bool {
    let Some(evidence) = pull.evidence.as_ref().filter(|evidence| evidence.passed && evidence.sha == pull.head) else {
        return false;
    };
    let passed = |command: &String| {
        let ran = |run: &&CommandRun| run.command == *command;
        evidence.commands.iter().filter(ran).any(|run| run.exit == Some(0))
    };
    project.verify.iter().all(passed)
}

/// An approval by the review role, or by a person, where the project asks for one.
fn reviewed(project: &ProjectPolicy, weighed: &Weighed) -> Option<ToMerge> {
    (project.review && !approved(project, weighed, Right::Ours)).then_some(ToMerge::Review)
}

/// Whether an approval stands that counts for at least this. Accounts that only file issues are no people.
fn approved(project: &ProjectPolicy, weighed: &Weighed, right: Right) -> bool {
    weighed.approvals.iter().any(|approval| approval.right >= right && !project.is_intake(&approval.by))
}

/// What a reading of an issue's pull request is to find out about its merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighing {
    /// Nothing: none of ours is open.
    None,
    /// How much it could break: a person merges, and is told.
    Tier,
    /// What has changed since the last one.
    News,
    /// Everything anew: it would be merged by it.
    Whole,
}

/// What is to be found out about the merge of an issue's pull request.
pub fn weighing(ledger: &Ledger, view: &View, policy: &Policy, now: Timestamp, subject: &Subject) -> Weighing {
    let context = Context { ledger, view, policy, now };
    let known = ledger.issue(subject).and_then(|state| Some((policy.projects.get(&subject.repo)?, state, state.open_pull()?)));
    let Some((project, state, pull)) = known else { return Weighing::None };
    if project.merge == MergeRule::Never {
        return Weighing::Tier;
    }
    match context.gate_of(project, state, pull) {
        Gate::Open(_) => Weighing::Whole,
        Gate::Shut(_) => Weighing::News,
    }
}
