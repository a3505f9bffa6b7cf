//! Having the checks of a pull request run again that were ended from outside, or before their first step.
//!
//! Promises: only runs that stand cancelled, or none of whose failed jobs ever began, are run again, and only of the head that was decided
//! about, so that doing it twice begins nothing twice. What the forge does not do is said and is no failure: checks of another CI than its
//! own, and a forge that has no such call. Race known: a run that is cancelled, or fails so, once more before its answer was looked up is
//! begun once more.

use std::collections::BTreeSet;

use crate::model::{Failure, Outcome, PullNumber, PullState, Rerun, Sha, Subject};
use crate::ports::{CiRun, CiState, ForgeErrorKind};

use super::{Order, Worker, forge};

impl Worker {
    pub(super) async fn rerun(&self, order: &Order<'_>, number: PullNumber, head: &Sha) -> Result<Outcome, Failure> {
        let repo = &order.subject.repo;
        let pull = self.ports.forge.pull(repo, number).await.map_err(forge)?;
        if pull.state != PullState::Open || pull.head_sha != *head {
            return Ok(not("it has moved on"));
        }
        let runs = self.ports.forge.ci_runs(repo, head).await.map_err(forge)?;
        let mut begun = runs.iter().any(|run| matches!(run.state, CiState::UnderWay | CiState::Waiting));
        let mut why = "the forge shows no such run of its own CI";
        for run in self.cut_runs(order.subject, head, &runs).await? {
            match self.ports.forge.rerun(repo, run).await {
                Ok(()) => begun = true,
                Err(error) => {
                    why = match error.kind {
                        ForgeErrorKind::NotFound => "the forge has no call for that before Forgejo 17",
                        ForgeErrorKind::Denied => "the token may not",
                        ForgeErrorKind::Invalid | ForgeErrorKind::Conflict | ForgeErrorKind::Server => "the forge does not",
                        _ => return Err(forge(error)),
                    }
                }
            }
        }
        Ok(if begun { Outcome::Reran(Rerun::Begun) } else { not(why) })
    }

    /// Whether none stands cancelled any more.
    pub(super) async fn find_rerun(&self, subject: &Subject, head: &Sha) -> Result<Option<Outcome>, Failure> {
        let runs = self.ports.forge.ci_runs(&subject.repo, head).await.map_err(forge)?;
        let begun = !runs.is_empty() && self.cut_runs(subject, head, &runs).await?.is_empty();
        Ok(begun.then_some(Outcome::Reran(Rerun::Begun)))
    }

    /// The runs that say nothing about the change.
    async fn cut_runs(&self, subject: &Subject, head: &Sha, runs: &[CiRun]) -> Result<BTreeSet<u64>, Failure> {
        let mut cut: BTreeSet<u64> = runs.iter().filter(|run| run.state == CiState::Cancelled).map(|run| run.id).collect();
        let jobs = self.ports.forge.failed_jobs(&subject.repo, head).await.map_err(forge)?;
        cut.extend(jobs.iter().filter(|job| job.never_began()).map(|job| job.run));
        for said in jobs.iter().filter(|job| !job.cancelled && !job.never_began()) {
            cut.remove(&said.run);
        }
        Ok(cut)
    }
}

fn not(why: &str) -> Outcome {
    Outcome::Reran(Rerun::Not { why: why.to_owned() })
}
