//! Taking and giving back the claim of an issue.

use crate::model::{Failure, Outcome, Sha};
use crate::ports::{ClaimAnswer, NewClaim};

use super::{Order, Worker, repos};

impl Worker {
    pub(super) async fn claim(&self, order: &Order<'_>, renews: Option<&Sha>) -> Result<Outcome, Failure> {
        let now = self.forge_now();
        let until = now + self.settings.lease;
        let claim = NewClaim {
            journal: self.ports.journal_id.clone(),
            nonce: self.ports.ids.uuid(),
            until,
            now,
            renews: renews.cloned(),
        };
        let answer = self.ports.repos.claim(&order.subject.repo, order.subject.issue, &claim).await.map_err(repos)?;
        Ok(match answer {
            ClaimAnswer::Won(sha) => Outcome::Claimed { sha, until },
            ClaimAnswer::Held { by, until } => Outcome::ClaimHeld { by, until: self.by_our_clock(until) },
            ClaimAnswer::Lost => Outcome::ClaimLost,
        })
    }

    pub(super) async fn release(&self, order: &Order<'_>, held: &Sha) -> Result<Outcome, Failure> {
        self.ports.repos.release(&order.subject.repo, order.subject.issue, held).await.map_err(repos)?;
        Ok(Outcome::Released)
    }
}
