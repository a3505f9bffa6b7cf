//! Reviews of the pull request that is open for an issue.
//!
//! Promises: a review is of the commit that the run read; where the pull request has another head by then, or is not open any more, nothing
//! is said, because it would be about something else.

use crate::model::{Expression, Intent, PullState, RunOutcome, Verdict};

use super::flow::broken;
use super::run::Here;
use super::{Action, Context, Next};

impl Context<'_> {
    pub(super) fn review(&self, here: Here<'_>, verdict: &Expression) -> Next {
        let Here { step, live, .. } = here;
        let found = self.needed(here, verdict).map_err(|why| broken(step, &why));
        let word = found.and_then(|found| {
            let known = Verdict::ALL.into_iter().find(|known| found.as_str() == Some(known.word()));
            known.ok_or_else(|| broken(step, &format!("{}: {found} is no verdict", verdict.0)))
        });
        let verdict = match word {
            Ok(verdict) => verdict,
            Err(outcome) => return self.end(here, outcome),
        };
        let nothing = |summary: &str| self.end(here, RunOutcome::NoChange { summary: summary.to_owned() });
        let Some(pull) = live.state.pull.as_ref().filter(|pull| pull.state == PullState::Open) else {
            return nothing("there is no open pull request to review");
        };
        let read = live.run.prepared.as_ref().map(|prepared| &prepared.base);
        if read != Some(&pull.head) {
            return nothing("the pull request has another head by now");
        }
        let intent = Intent::Review {
            run: live.run.id.clone(),
            step: step.id.clone(),
            pull: pull.number,
            head: pull.head.clone(),
            verdict,
        };
        Next::Act(Action::Do { subject: live.subject.clone(), intent })
    }
}
