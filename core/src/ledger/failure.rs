//! What an effect that failed means for its issue: the pauses, and what becomes of its run.

use crate::model::{Failure, FailureKind, Intent, Lane, Outcome, Saying, Timestamp};

use super::{ClaimState, IssueState, Obstacle, Retry};

impl IssueState {
    /// Failures in a row make the pauses before the next try longer; what was cut keeps its count, because nothing is known of it.
    pub(super) fn count_failure(&mut self, outcome: &Outcome, lane: &Lane, at: Timestamp) {
        let failed = matches!(outcome, Outcome::Failed { failure } if failure.kind != FailureKind::Cancelled);
        let retry = match lane {
            Lane::Claim => {
                if let ClaimState::Ours(held) = &mut self.claim
                    && failed
                {
                    held.failed = Some(at);
                    held.failures = held.failures.saturating_add(1);
                }
                return;
            }
            Lane::Main => &mut self.retry,
            Lane::Step(step) => match self.run.as_mut().and_then(|run| run.at_mut(step)) {
                Some(in_work) => &mut in_work.retry,
                None => return,
            },
        };
        match outcome {
            Outcome::Cut => {}
            _ if failed || *outcome == Outcome::ClaimLost => {
                let failures = retry.as_ref().map_or(0, |r| r.failures) + 1;
                *retry = Some(Retry { failures, last: at, outcome: outcome.clone() });
            }
            _ => *retry = None,
        }
    }

    pub(super) fn failed(&mut self, intent: &Intent, failure: &Failure) {
        match (intent, failure.kind) {
            (Intent::Say { what: Saying::Status { .. }, .. }, FailureKind::Gone) => self.said = None,
            (Intent::Say { what: Saying::Proposed { .. }, edit: Some(_), .. }, FailureKind::Gone) => {
                if let Some(triaged) = self.triaged.as_mut() {
                    triaged.breakdown = None;
                }
            }
            (Intent::Say { what: Saying::Note { step, on, .. }, edit: Some(_), .. }, FailureKind::Gone) => {
                if let Some(run) = &self.run {
                    let gone = self.note(run, step, *on);
                    self.notes.remove(&gone);
                }
            }
            (intent, kind) if intent.is_local() => {
                let Some(run) = self.run.as_mut() else { return };
                match kind {
                    FailureKind::Setup => {
                        run.obstacle = Some(Obstacle::SetupFailed { why: failure.why.clone() });
                        self.retry = None;
                    }
                    FailureKind::Environment | FailureKind::Refused | FailureKind::Gone => self.broken(failure),
                    // What is privileged is done at most once, and it had begun.
                    FailureKind::Cancelled if run.grant.is_some() && matches!(intent, Intent::Verify { .. }) => {
                        let why = format!("{}: it may have done what it was to do, and is not begun again", failure.why);
                        run.obstacle = Some(Obstacle::Broken { why });
                    }
                    FailureKind::Cancelled => {
                        if let Some(in_work) = intent.step().and_then(|step| run.at_mut(step)) {
                            in_work.cancelled();
                        }
                    }
                    FailureKind::Passing | FailureKind::Doubtful | FailureKind::NoCredentials => {}
                }
            }
            // Trying again would hold the slot for ever. What closes an issue while a run lives is a step of it.
            (Intent::Close, FailureKind::Environment | FailureKind::Refused | FailureKind::Gone) if self.live_run().is_some() => {
                self.broken(failure);
            }
            (
                Intent::Push { .. }
                | Intent::OpenPull { .. }
                | Intent::Relabel { .. }
                | Intent::CloseNamed { .. }
                | Intent::Reopen { .. }
                | Intent::File { .. }
                | Intent::Rewrite { .. }
                | Intent::Review { .. }
                | Intent::Reply { .. }
                | Intent::Keep { .. }
                | Intent::AskVault { .. }
                | Intent::Mend { .. }
                | Intent::Say { what: Saying::Proposed { .. } | Saying::Note { .. }, .. },
                FailureKind::Environment | FailureKind::Refused | FailureKind::Gone,
            ) => self.broken(failure),
            _ => {}
        }
    }

    fn broken(&mut self, failure: &Failure) {
        self.retry = None;
        if let Some(run) = self.run.as_mut() {
            run.obstacle = Some(Obstacle::Broken { why: failure.why.clone() });
        }
    }
}
