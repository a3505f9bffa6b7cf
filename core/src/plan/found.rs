//! What stood on the forge before the first start, or before the journal was lost: whether it is taken up, and when.
//!
//! Known race: what is found `claude-working` may be another daemon's work. Its claim tells, so nothing is done before the claim is ours.

use crate::ledger::{ClaimState, IssueState, Ledger, PullRef};
use crate::model::{Decision, Inherited, Intent, PullState, RepoName, Subject, Trigger, Wait};

use super::{Action, Context, Next, Policy, ProjectPolicy, admit};

/// An open pull request of ours that this journal did not open, and nothing was decided since it was found.
fn found_pull(state: &IssueState) -> Option<&PullRef> {
    state.pull.as_ref().filter(|pull| pull.found && pull.state == PullState::Open)
}

/// `claude-pr` without a pull request of ours.
pub(super) fn without_pull(state: &IssueState) -> Wait {
    match &state.foreign {
        Some(pull) => Wait::ForeignPull { pull: pull.number, by: pull.by.clone() },
        None => Wait::NoPull,
    }
}

impl Context<'_> {
    /// No decision label.
    pub(super) fn undecided(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Next {
        if found_pull(state).is_some() {
            return Next::Act(Action::Record(self.moved(subject, state, Trigger::PullFound)));
        }
        if let Some(to) = state.hand.as_ref().filter(|_| !self.changed_since_triage(state)) {
            return Next::Candidates(vec![admit::Candidate::handed(subject, state, to)]);
        }
        if !state.seen.labels.contains(&project.labels.portal) && state.hand.is_none() {
            return Next::Wait(Wait::NotOurs);
        }
        if let Some(pull) = &state.foreign {
            return Next::Wait(Wait::ForeignPull { pull: pull.number, by: pull.by.clone() });
        }
        if let Some(wait) = old(self.ledger, subject, state, project) {
            return Next::Wait(wait);
        }
        Next::Candidates(vec![admit::Candidate::triage(subject, state)])
    }

    /// `claude-working` with no run of ours: found standing, or another daemon's. Where the run was ours (the issue was closed and opened
    /// again) nothing is waited for; else the claim tells, after a while, whether somebody is at work. Where our pull request is open, the
    /// work is done, and only the claim is asked.
    pub(super) fn working(&self, subject: &Subject, state: &IssueState) -> Next {
        if let ClaimState::Theirs { by, until } = &state.claim
            && *until > self.now
        {
            return Next::Wait(Wait::Claimed { by: by.clone(), until: *until });
        }
        let done = found_pull(state).is_some();
        if let Some(orphan) = &state.orphan {
            let until = orphan.since + self.policy.adopt_after;
            if self.now < until && !done {
                return Next::Wait(Wait::Orphan { until });
            }
            if !matches!(state.claim, ClaimState::Ours(_)) {
                let claim = Action::Do { subject: subject.clone(), intent: Intent::Claim { renews: None } };
                let leaving = self.policy.projects.get(&subject.repo).is_some_and(|p| p.leaving);
                return match (self.view.draining, leaving) {
                    (true, _) => Next::Wait(Wait::Draining),
                    (false, true) => Next::Wait(Wait::Leaving),
                    (false, false) => Next::Act(claim),
                };
            }
        }
        let trigger = if done { Trigger::PullFound } else { Trigger::Orphaned };
        Next::Act(Action::Record(self.moved(subject, state, trigger)))
    }
}

/// It stood there at the first look, was filed before what the configuration asks for, and nobody decided anything on it since.
pub(super) fn old(ledger: &Ledger, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Wait> {
    let began = ledger.projects.get(&subject.repo)?.began?;
    let since = project.since(began).filter(|since| state.seen.created < *since)?;
    (state.found && state.at.is_none() && state.moved_by.is_none()).then_some(Wait::Old { since })
}

/// What the first look at a project found standing.
pub fn standing(ledger: &Ledger, policy: &Policy, repo: &RepoName) -> Inherited {
    let mut standing = Inherited::default();
    let Some(project) = policy.projects.get(repo) else { return standing };
    let found = ledger.issues().filter(|(subject, state)| subject.repo == *repo && state.found && state.seen.open);
    for (subject, state) in found {
        let number = subject.issue;
        if let Some(pull) = state.pull.as_ref().filter(|pull| pull.state == PullState::Open) {
            standing.adopted.push((number, pull.number));
        } else if let Some(pull) = &state.foreign {
            standing.foreign.push((number, pull.number, pull.by.clone()));
        } else if let Some(Wait::Old { since }) = old(ledger, &subject, state, project)
            && state.seen.labels.contains(&project.labels.portal)
        {
            standing.old = Some((standing.old.map_or(0, |(n, _)| n) + 1, since));
        } else if state.at == Some(Decision::Queue) && state.moved_by.is_none() {
            standing.queued += 1;
        } else if let Some(orphan) = &state.orphan {
            standing.orphans.push((number, orphan.since + policy.adopt_after));
        }
    }
    standing
}
