//! Comments: the triage breakdown, and the one status comment.

use crate::model::{CommentId, Failure, FailureKind, Login, Outcome, Proposal, Saying, Status, StepKind};
use crate::{text, words};

use super::{Order, Worker, context, environment, forge};

impl Worker {
    pub(super) async fn say(
        &self,
        order: &Order<'_>,
        what: &Saying,
        edit: Option<CommentId>,
        replaces: Option<CommentId>,
    ) -> Result<Outcome, Failure> {
        let repo = &order.subject.repo;
        let body = format!("{}\n\n{}", self.scanner.redact(&self.words_of(order, what)?), text::marker(order.key));
        let forge_of = match what {
            Saying::Proposed { .. } => self.as_author(order.run()?).0,
            Saying::Status { .. } => self.ports.forge.as_ref(),
        };
        if let Some(id) = edit {
            let comment = forge_of.edit_comment(repo, id, &body).await.map_err(forge)?;
            return Ok(Outcome::Said { comment: comment.id });
        }
        let comment = forge_of.create_comment(repo, order.subject.issue, &body).await.map_err(forge)?;
        self.drop_older(repo, replaces).await?;
        Ok(Outcome::Said { comment: comment.id })
    }

    /// The new comment stands already, so a failure that passes is doubtful: the look-up finds the new one and comes here again. An older
    /// one that the forge does not let us delete is only untidy.
    pub(super) async fn drop_older(&self, repo: &crate::model::RepoName, older: Option<CommentId>) -> Result<(), Failure> {
        let Some(older) = older else { return Ok(()) };
        let Err(error) = self.ports.forge.delete_comment(repo, older).await else { return Ok(()) };
        tracing::warn!(%repo, comment = %older, %error, "an older status comment stays");
        match forge(error) {
            Failure { kind: FailureKind::Passing | FailureKind::Doubtful, why } => {
                Err(Failure { kind: FailureKind::Doubtful, why })
            }
            _ => Ok(()),
        }
    }

    fn words_of(&self, order: &Order<'_>, what: &Saying) -> Result<String, Failure> {
        match what {
            Saying::Status { status } => Ok(self.status_words(order, status)),
            Saying::Proposed { step, .. } => {
                let run = order.run()?;
                let step = run.formula.steps.iter().find(|s| s.id == *step).ok_or_else(|| environment("the step is gone"))?;
                let StepKind::Propose(Proposal::Comment { body }) = &step.kind else {
                    return Err(environment(format!("step {} proposes no comment", step.id)));
                };
                let rendered = context::proposal(order, &[body], &self.texts.read(&run.id)?)?;
                rendered.into_iter().next().ok_or_else(|| environment("the comment has no text"))
            }
        }
    }

    fn status_words(&self, order: &Order<'_>, status: &Status) -> String {
        let author = order.state.seen.author.clone();
        let mention: Vec<Login> = if order.project.mention.is_empty() { vec![author] } else { order.project.mention.clone() };
        let mention: Vec<String> = mention.into_iter().filter(|m| !order.facts.is_ours(m)).map(|m| m.0).collect();
        words::status_comment(status, &order.project.labels, &mention)
    }
}
