//! Comments: the triage breakdown, and the one status comment.

use crate::model::{
    Classified, Comment, CommentId, Failure, FailureKind, IssueNumber, Login, Outcome, Proposal, PullNumber, RepoName, Saying,
    Status, StepKind, Story, Subject,
};
use crate::{text, words};

use super::super::core::Facts;
use super::{Order, Worker, context, environment, forge};

/// The comments of this kind on an issue that we wrote, oldest first.
pub(super) fn ours(comments: &[Comment], facts: &Facts, subject: &Subject, word: &str) -> Vec<CommentId> {
    let ours = |c: &&Comment| facts.is_ours(&c.author) && text::marked_as(&c.body, subject).as_deref() == Some(word);
    let mut found: Vec<CommentId> = comments.iter().filter(ours).map(|c| c.id).collect();
    found.sort();
    found
}

/// The word in the keys of what says this.
pub(super) fn word(what: &Saying) -> &'static str {
    match what {
        Saying::Proposed { .. } => text::BREAKDOWN,
        Saying::Note { .. } => text::NOTE,
        Saying::Status { .. } => text::STATUS,
    }
}

/// The word in the keys of what says the other thing.
pub(super) fn other(what: &Saying) -> &'static str {
    match what {
        Saying::Proposed { .. } | Saying::Note { .. } => text::STATUS,
        Saying::Status { .. } => text::BREAKDOWN,
    }
}

/// The other issue that a comment is for.
pub(super) fn named(what: &Saying) -> Option<IssueNumber> {
    match what {
        Saying::Note { on, .. } => *on,
        Saying::Proposed { .. } | Saying::Status { .. } => None,
    }
}

/// Edits notify nobody.
fn anew(what: &Saying) -> bool {
    match what {
        Saying::Proposed { .. } | Saying::Note { .. } => false,
        Saying::Status { status } => status.story.calls_a_person() || status.set_back.is_some(),
    }
}

impl Worker {
    pub(super) async fn say(
        &self,
        order: &Order<'_>,
        what: &Saying,
        edit: Option<CommentId>,
        replaces: Option<CommentId>,
    ) -> Result<Outcome, Failure> {
        let repo = &order.subject.repo;
        if let Saying::Status { status: Status { story: Story::Opened { pull, tier: Some(tier) }, .. } } = what {
            self.tell_tier(repo, *pull, tier, order.facts).await?;
        }
        let body = format!("{}\n\n{}", self.scanner.redact(&self.words_of(order, what)?), text::marker(order.key));
        let forge_of = match what {
            Saying::Proposed { .. } | Saying::Note { .. } => self.as_author(order.run()?).0,
            Saying::Status { .. } => self.ports.forge.as_ref(),
        };
        let mut older: Vec<CommentId> = replaces.into_iter().collect();
        let (mut edit, mut left) = (edit, None);
        let one_of_a_kind = !matches!(what, Saying::Note { .. });
        if one_of_a_kind && edit.is_none() && replaces.is_none() && !order.state.searched && order.state.seen.comments > 0 {
            (older, left) = self.left_behind(order, what).await?;
            edit = if anew(what) { None } else { older.pop() };
        }
        let comment = match edit {
            Some(id) => forge_of.edit_comment(repo, id, &body).await.map_err(forge)?,
            None => {
                let issue = named(what).unwrap_or(order.subject.issue);
                forge_of.create_comment(repo, issue, &body).await.map_err(forge)?
            }
        };
        for older in older {
            self.drop_older(repo, Some(older)).await?;
        }
        Ok(Outcome::Said { comment: comment.id, left })
    }

    /// The body of a pull request of ours tells the tier of the head that it has now. It comes before the comment that says so: what dies in between
    /// is done again, and changes nothing where it was done.
    async fn tell_tier(&self, repo: &RepoName, pull: PullNumber, tier: &Classified, facts: &Facts) -> Result<(), Failure> {
        let number = IssueNumber(pull.0);
        let there = self.ports.forge.issue(repo, number).await.map_err(forge)?;
        if !facts.is_ours(&there.author) {
            return Ok(());
        }
        let body = text::with_tier(&there.body, &self.scanner.redact(&words::blast_radius(tier)));
        if body == there.body {
            return Ok(());
        }
        match self.ports.forge.edit_issue(repo, number, None, Some(&body)).await.map_err(forge) {
            Ok(_) => Ok(()),
            Err(failure) if matches!(failure.kind, FailureKind::Passing | FailureKind::Doubtful) => Err(failure),
            Err(failure) => {
                tracing::warn!(%repo, %pull, why = %failure.why, "its body cannot be made to tell its tier");
                Ok(())
            }
        }
    }

    /// Edits what stands there of ours, if there is anything.
    pub(super) async fn say_again(&self, order: &Order<'_>, what: &Saying) -> Result<Outcome, Failure> {
        let there = if order.state.seen.comments == 0 { None } else { self.left_behind(order, what).await?.0.pop() };
        match there {
            Some(comment) => self.say(order, what, Some(comment), None).await,
            None => Ok(Outcome::Unsaid),
        }
    }

    /// Comments of ours of this kind that another life of this daemon left on the issue, oldest first, and the newest of the other kind.
    async fn left_behind(&self, order: &Order<'_>, what: &Saying) -> Result<(Vec<CommentId>, Option<CommentId>), Failure> {
        let comments = self.ports.forge.issue_comments(&order.subject.repo, order.subject.issue).await.map_err(forge)?;
        let of = |word| ours(&comments, order.facts, order.subject, word);
        Ok((of(word(what)), of(other(what)).pop()))
    }

    /// The new comment stands already, so a failure that passes is doubtful: the look-up finds the new one and comes here again. An older
    /// one that the forge does not let us delete is only untidy.
    pub(super) async fn drop_older(&self, repo: &RepoName, older: Option<CommentId>) -> Result<(), Failure> {
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
            Saying::Proposed { step, .. } | Saying::Note { step, .. } => {
                let run = order.run()?;
                let step = run.formula.steps.iter().find(|s| s.id == *step).ok_or_else(|| environment("the step is gone"))?;
                let StepKind::Propose(Proposal::Comment { body, .. }) = &step.kind else {
                    return Err(environment(format!("step {} proposes no comment", step.id)));
                };
                let rendered = context::proposal(order, &step.id, &[body], &self.texts.read(&run.id)?)?;
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
