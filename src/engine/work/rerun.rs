//! Having the checks of a pull request run again that were ended from outside.
//!
//! Promises: only runs that stand cancelled are run again, and only of the head that was decided about, so that doing it twice begins nothing
//! twice. What the forge does not do is said and is no failure: checks of another CI than its own, and a forge that has no such call.
//! Race known: a run that is cancelled once more before its answer was looked up is begun once more.

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
        let mut why = "the forge shows no cancelled run of its own CI";
        for run in cancelled(&runs) {
            match self.ports.forge.rerun(repo, run.id).await {
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
        let begun = !runs.is_empty() && cancelled(&runs).next().is_none();
        Ok(begun.then_some(Outcome::Reran(Rerun::Begun)))
    }
}

fn cancelled(runs: &[CiRun]) -> impl Iterator<Item = &CiRun> {
    runs.iter().filter(|run| run.state == CiState::Cancelled)
}

fn not(why: &str) -> Outcome {
    Outcome::Reran(Rerun::Not { why: why.to_owned() })
}
