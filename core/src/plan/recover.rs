//! What is under way, and what becomes of an intent whose process is gone or whose answer was doubtful.
//!
//! A write can be applied late, so nothing is done again until it was looked up twice, the second time at least `lookup_gap` after the
//! intent. What can be repeated without harm (labels, closing, branch with a lease, claim) is not looked up: the next plan does it again.

use crate::ledger::{IssueState, Open};
use crate::model::{Event, Intent, Lane, Outcome, Subject, Wait};

use super::each::under_way;
use super::{Action, Context, Next, ProjectPolicy};

impl Context<'_> {
    /// An effect that is open decides alone what becomes of its issue.
    pub(super) fn under_way(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        if let Some(claim) = state.open.get(&Lane::Claim)
            && claim.doubtful
            && !self.view.acting.contains(&claim.key)
        {
            return Some(Next::Act(cut(claim)));
        }
        let open = state.open.get(&Lane::Main)?;
        if self.view.acting.contains(&open.key) {
            return Some(self.acting(state, open, project));
        }
        if !looked_up(&open.intent) {
            return Some(Next::Act(cut(open)));
        }
        let settled = open.since + self.policy.lookup_gap;
        let what = open.intent.word().to_owned();
        if self.view.finding.contains(&open.key) {
            return Some(Next::Wait(Wait::Acting { what }));
        }
        if open.not_found >= 2 && self.now >= settled {
            return Some(Next::Act(cut(open)));
        }
        if open.not_found >= 1 && self.now < settled {
            return Some(Next::Wait(Wait::LookingUp { what, until: settled }));
        }
        if let Some(until) = self.view.find_pause.get(&subject.repo).copied().filter(|until| self.now < *until) {
            let why = format!("the forge did not answer when `{what}` was looked up");
            return Some(Next::Wait(Wait::Retry { until, why }));
        }
        Some(Next::Act(Action::Find { key: open.key.clone() }))
    }

    /// Work of a run that is to be stopped is told so, once; everything else is waited for.
    fn acting(&self, state: &IssueState, open: &Open, project: &ProjectPolicy) -> Next {
        let run = state.live_run().filter(|run| run.stopping.is_some() && open.intent.is_local());
        match run {
            Some(run) if !self.view.stopped.contains(&open.key) => {
                Next::Act(Action::Stop { key: open.key.clone(), run: run.id.clone() })
            }
            _ => self
                .stop_first(state, project)
                .unwrap_or_else(|| Next::Wait(Wait::Acting { what: under_way(state, &open.intent) })),
        }
    }

    /// What people did is read even while an effect is under way, because it may stop it.
    fn stop_first(&self, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let run = state.live_run().filter(|run| run.stopping.is_none())?;
        if !state.seen.open && !run.closed && !run.at_end {
            let why = crate::model::StopWhy::Closed;
            return Some(Next::Act(Action::Record(vec![Event::Stopping { run: run.id.clone(), why }])));
        }
        let subject = self.ledger.subject_of(&run.id)?;
        let writing = matches!(state.open.get(&Lane::Main).map(|o| &o.intent), Some(Intent::Labels { .. }));
        if writing { None } else { self.labels_read(subject, state, project).or_else(|| self.crowded(subject, state, project)) }
    }

    /// After a failure an effect is tried again with growing pauses.
    pub(super) fn retry_wait(&self, subject: &Subject, state: &IssueState) -> Option<Wait> {
        let retry = state.retry.as_ref()?;
        let until = retry.last + self.policy.retry_after(retry.failures).mul_f64(spread(subject, retry.failures));
        if self.now >= until {
            return None;
        }
        let why = match &retry.outcome {
            Outcome::Failed { failure } => failure.why.clone(),
            _ => "another daemon was faster; looking again".to_owned(),
        };
        Some(Wait::Retry { until, why })
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
fn looked_up(intent: &Intent) -> bool {
    match intent {
        Intent::Say { edit, if_there, .. } => edit.is_none() && !if_there,
        Intent::OpenPull { .. } | Intent::File { .. } | Intent::Review { .. } => true,
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
        | Intent::Rewrite { .. }
        | Intent::Discard { .. } => false,
    }
}
