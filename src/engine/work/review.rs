//! Reviews of our pull requests, by whoever reviews.
//!
//! Promises: a review names the commit that was read; one that was written is found by its mark and not written twice. A forge lets nobody
//! approve or reject what he opened himself: without an identity of its own the verdict is said and does not count.

use crate::model::{EffectKey, Failure, Outcome, Proposal, PullNumber, Sha, StepId, StepKind, Subject, Verdict};
use crate::ports::{ForgeErrorKind, NewReview};
use crate::text;

use super::super::core::Facts;
use super::{Order, Worker, context, environment, forge};

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) step: &'a StepId,
    pub(super) pull: PullNumber,
    pub(super) head: &'a Sha,
    pub(super) verdict: Verdict,
}

impl Worker {
    pub(super) async fn review(&self, order: &Order<'_>, asked: &Asked<'_>) -> Result<Outcome, Failure> {
        let (repo, run) = (&order.subject.repo, order.run()?);
        let step = run.formula.steps.iter().find(|s| s.id == *asked.step).ok_or_else(|| environment("the step is gone"))?;
        let StepKind::Propose(Proposal::Review { body, .. }) = &step.kind else {
            return Err(environment(format!("step {} reviews nothing", step.id)));
        };
        let body = context::proposal(order, &step.id, &[body], &self.texts.read(&run.id)?)?.pop().unwrap_or_default();
        let body = format!("{}\n\n{}", self.scanner.redact(&body), text::marker(order.key));
        let new = |verdict| NewReview { verdict, body: body.clone(), of: asked.head.clone() };
        let (reviewer, _) = self.as_author(run);
        let counts = match reviewer.create_review(repo, asked.pull, &new(asked.verdict)).await {
            Ok(()) => true,
            Err(error) if error.kind == ForgeErrorKind::Invalid && asked.verdict != Verdict::Comment => {
                reviewer.create_review(repo, asked.pull, &new(Verdict::Comment)).await.map_err(forge)?;
                false
            }
            Err(error) => return Err(forge(error)),
        };
        Ok(Outcome::Reviewed { counts })
    }

    /// The review that was written and whose answer never came.
    pub(super) async fn find_review(
        &self,
        key: &EffectKey,
        subject: &Subject,
        (pull, verdict): (PullNumber, Verdict),
        facts: &Facts,
    ) -> Result<Option<Outcome>, Failure> {
        let written = self.ports.forge.written_reviews(&subject.repo, pull).await.map_err(forge)?;
        let ours = written.iter().find(|r| facts.is_ours(&r.by) && text::find_marker(&r.body).as_ref() == Some(key));
        Ok(ours.map(|review| Outcome::Reviewed { counts: review.verdict == Some(verdict) }))
    }
}
