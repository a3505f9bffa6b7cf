//! Comments on our pull request that ask for nothing in the forge's terms: a review that neither approves nor asks for changes, and what
//! stands in the conversation and names us.
//!
//! Promises: only those are heard who may write, by the forge's word; what we say ourselves, what was given to a run that came to its end and
//! what has an answer of ours is not heard again, also where the journal is lost. What names nobody of ours is people's talk. Known
//! race: a comment that is changed or deleted between the reading and the run counts as it is then.

use crate::ledger::PullRef;
use crate::model::{
    Comment, Commented, Failure, IssueNumber, Point, PointId, PointText, ProjectFacts, ReviewComment, Reviews, Sha, Subject,
};
use crate::text;

use super::revision::{Heard, beginning};
use super::{ProjectSettings, Worker, forge};

/// A comment that wants an answer.
pub(super) struct Spoken {
    pub(super) comment: Commented,
    /// As it stands in the conversation; none for a review.
    below: Option<Comment>,
}

impl Spoken {
    /// The point that it is, where it stands in the conversation.
    pub(super) fn below(&self) -> Option<PointText> {
        let said = self.below.as_ref()?;
        let point = Point { id: self.comment.point, by: said.author.clone(), spot: None };
        Some(PointText { point, at: said.created, body: text::strip_marker(&said.body) })
    }

    fn in_review(review: &ReviewComment) -> Self {
        let (point, by) = (PointId::Review { review: review.review }, review.by.clone());
        Self { comment: Commented { point, by, says: beginning(&review.body) }, below: None }
    }

    fn in_conversation(comment: Comment) -> Self {
        let (point, by) = (PointId::Below { comment: comment.id.0 }, comment.author.clone());
        Self { comment: Commented { point, by, says: beginning(&comment.body) }, below: Some(comment) }
    }
}

impl Worker {
    /// The comments of those who may write that no run was given, reviews first, each kind oldest first.
    pub(super) async fn comments(
        &self,
        subject: &Subject,
        pull: &PullRef,
        head: &Sha,
        reviews: &Reviews,
        facts: &ProjectFacts,
    ) -> Result<Vec<Spoken>, Failure> {
        let repo = &subject.repo;
        let below = self.ports.forge.issue_comments(repo, IssueNumber(pull.number.0)).await.map_err(forge)?;
        let answers: Vec<&Comment> = below.iter().filter(|comment| facts.is_ours(&comment.author)).collect();
        let open = |point: PointId| {
            let answered = |answer: &&Comment| text::is_once(&answer.body, subject, &point.to_string());
            !pull.rounds.comments.contains(&point) && !pull.rounds.points.contains(&point) && !answers.iter().any(answered)
        };
        // A review is about a commit; what somebody pushed since takes nothing back of one that was heard.
        let fresh = |review: &ReviewComment| {
            let of = review.of.as_ref();
            let known = pull.comments.iter().any(|known| known.point == PointId::Review { review: review.review });
            known || of.is_some_and(|of| of == head || Some(of) == pull.rounds.from.as_ref())
        };
        let in_reviews = reviews.comments.iter().filter(|review| fresh(review)).map(Spoken::in_review);
        let names_us = |comment: &&Comment| facts.logins().iter().any(|login| text::mentions(&comment.body, login.as_str()));
        let in_conversation = below.iter().filter(names_us).cloned().map(Spoken::in_conversation);
        let theirs = |spoken: &Spoken| !facts.is_ours(&spoken.comment.by) && open(spoken.comment.point);
        let spoken: Vec<Spoken> = in_reviews.chain(in_conversation).filter(theirs).collect();
        self.of_writers(subject, pull, spoken, facts).await
    }

    /// Those whose authors may write; who was heard before is not asked for again.
    async fn of_writers(
        &self,
        subject: &Subject,
        pull: &PullRef,
        spoken: Vec<Spoken>,
        facts: &ProjectFacts,
    ) -> Result<Vec<Spoken>, Failure> {
        let fallback = ProjectSettings::default();
        let project = self.settings.projects.get(&subject.repo).unwrap_or(&fallback);
        let mut heard = Heard::new(self, &subject.repo, project, facts);
        let mut of_writers = Vec::new();
        for one in spoken {
            let known = pull.comments.iter().any(|known| known.point == one.comment.point);
            if known || heard.may(&one.comment.by, false).await? {
                of_writers.push(one);
            }
        }
        Ok(of_writers)
    }
}
