//! What is under way, and what becomes of an intent whose process is gone or whose answer was doubtful.
//!
//! A write can be applied late, so nothing is done again until it was looked up twice, the second time at least `lookup_gap` after the
//! intent. What can be repeated without harm (labels, closing, branch with a lease, claim) is not looked up: the next plan does it again.

use crate::ledger::{IssueState, Open, Retry};
use crate::model::{Event, Intent, Lane, Outcome, Subject, Timestamp, Wait};

use super::beside::under_way;
use super::revise::stop_for_pull;
use super::run::Live;
use super::{Action, Context, Next, ProjectPolicy};

impl Context<'_> {
    /// What is open, and what goes on beside it.
    pub(super) fn under_way(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        // Work of a process that is gone left no more than its files.
        let gone = |open: &&Open| !self.view.acting.contains(&open.key);
        if let Some(open) = state.open.get(&Lane::Claim).filter(|claim| claim.doubtful).filter(gone) {
            return Some(Next::Act(cut(open)));
        }
        if let Some((_, open)) = state.hands().find(|(_, open)| gone(open)) {
            return Some(Next::Act(cut(open)));
        }
        let main = state.open.get(&Lane::Main);
        let looking_up = main.filter(gone).map(|open| self.looked_up(subject, open));
        if let Some(next @ Next::Act(_)) = looking_up {
            return Some(next);
        }
        if !state.is_busy() {
            return None;
        }
        let acts = looking_up.is_none() || state.hands().next().is_some();
        let read = || acts.then(|| self.stop_first(state, project)).flatten();
        let next = self.stops(state).or_else(read).or_else(|| self.goes_on(subject, state)).or(looking_up);
        Some(next.unwrap_or_else(|| Next::Wait(Wait::Acting { what: under_way(state) })))
    }

    /// What becomes of an effect that this process does not make.
    fn looked_up(&self, subject: &Subject, open: &Open) -> Next {
        if !is_looked_up(&open.intent) {
            return Next::Act(cut(open));
        }
        let settled = open.since + self.policy.lookup_gap;
        let what = open.intent.word().to_owned();
        if self.view.finding.contains(&open.key) {
            return Next::Wait(Wait::Acting { what });
        }
        if open.not_found >= 2 && self.now >= settled {
            return Next::Act(cut(open));
        }
        if open.not_found >= 1 && self.now < settled {
            return Next::Wait(Wait::LookingUp { what, until: settled });
        }
        if let Some(until) = self.view.find_pause.get(&subject.repo).copied().filter(|until| self.now < *until) {
            let why = format!("the forge did not answer when `{what}` was looked up");
            return Next::Wait(Wait::Retry { until, why });
        }
        Next::Act(Action::Find { key: open.key.clone() })
    }

    /// What people did is read even while an effect is under way, because it may stop it.
    fn stop_first(&self, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let run = state.live_run().filter(|run| run.stopping.is_none())?;
        if !state.seen.open && !run.closed && !run.at_end {
            let why = crate::model::StopWhy::Closed;
            return Some(Next::Act(Action::Record(vec![Event::Stopping { run: run.id.clone(), why }])));
        }
        let subject = self.ledger.subject_of(&run.id)?;
        if let Some(stop) = stop_for_pull(Live { subject, state, run }) {
            return Some(Next::Act(Action::Record(vec![stop])));
        }
        let writing = matches!(state.open.get(&Lane::Main).map(|o| &o.intent), Some(Intent::Labels { .. }));
        if writing { None } else { self.labels_read(subject, state, project).or_else(|| self.crowded(subject, state, project)) }
    }

    /// After a failure an effect is tried again with growing pauses.
    pub(super) fn retry_wait(&self, subject: &Subject, state: &IssueState) -> Option<Wait> {
        self.pause_before(subject, state.retry.as_ref()?)
    }

    /// The pause before what failed is tried again.
    pub(super) fn pause_before(&self, subject: &Subject, retry: &Retry) -> Option<Wait> {
        let until = self.tries_again(subject, retry);
        if self.now >= until {
            return None;
        }
        let why = match &retry.outcome {
            Outcome::Failed { failure } => failure.why.clone(),
            _ => "another daemon was faster; looking again".to_owned(),
        };
        Some(Wait::Retry { until, why })
    }

    /// When that is.
    pub(super) fn tries_again(&self, subject: &Subject, retry: &Retry) -> Timestamp {
        retry.last + self.policy.retry_after(retry.failures).mul_f64(spread(subject, retry.failures))
    }
}

/// By a quarter to both sides, by the issue and its failures: what failed together does not come back together. The same each time it is asked.
fn spread(subject: &Subject, failures: u32) -> f64 {
    let text = format!("{subject}/{failures}");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    0.75 + (hash >> 32) as f64 / f64::from(u32::MAX) / 2.0
}

fn cut(open: &Open) -> Action {
    Action::Record(vec![Event::Ended { key: open.key.clone(), outcome: Outcome::Cut }])
}

/// Whether doing it twice would show: a second comment, a second pull request.
fn is_looked_up(intent: &Intent) -> bool {
    match intent {
        Intent::Say { edit, if_there, .. } => edit.is_none() && !if_there,
        Intent::OpenPull { .. }
        | Intent::File { .. }
        | Intent::Review { .. }
        | Intent::Reply { .. }
        // Whether the probe is well by now is asked before it is mended once more.
        | Intent::Mend { .. }
        | Intent::Rerun { .. }
        | Intent::Merge { .. } => true,
        Intent::Claim { .. }
        | Intent::Release { .. }
        | Intent::Labels { .. }
        | Intent::Close
        | Intent::Prepare { .. }
        | Intent::SetUp { .. }
        | Intent::Agent { .. }
        | Intent::Take { .. }
        | Intent::Verify { .. }
        | Intent::Push { .. }
        | Intent::Relabel { .. }
        | Intent::CloseNamed { .. }
        | Intent::Reopen { .. }
        | Intent::Rewrite { .. }
        // What is kept already is not kept again.
        | Intent::Keep { .. }
        | Intent::AskVault { .. }
        | Intent::Discard { .. }
        | Intent::DropBranch { .. } => false,
    }
}
