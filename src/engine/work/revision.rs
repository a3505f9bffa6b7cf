//! What reviewers ask of our pull request: read for a run that revises it, and answered where it was said.
//!
//! Promises: only those are heard who may write, by the forge's word, and an identity of ours that asks for changes; what is pending, dismissed
//! or about a commit that was superseded before we saw it is not heard. An answer that was written is found by its mark and not written
//! twice. Known race: rights that are lost between the reading and the run.

use std::collections::BTreeMap;

use crate::ledger::PullRef;
use crate::model::{
    Ask, CheckText, Checks, EffectKey, Failure, FailureKind, Login, Outcome, Point, PointId, PointText, ProjectFacts, PullNumber,
    PullTexts, Reply, RepoName, ReviewId, Reviews, Revision, Sha, Subject, Verdict,
};
use crate::ports::{CommitStatus, FailedJob, ForgeErrorKind, JobLog, LineComment, WrittenReview};
use crate::{text, words};

use super::super::core::Facts;
use super::commented::Spoken;
use super::context::failing_output;
use super::{Order, ProjectSettings, Worker, forge};

/// How much of a request for changes is journalled, in characters.
const SAYS: usize = 200;

/// Who is heard, as far as that was asked.
pub(super) struct Heard<'a> {
    worker: &'a Worker,
    repo: &'a RepoName,
    project: &'a ProjectSettings,
    facts: &'a ProjectFacts,
    known: BTreeMap<Login, bool>,
    /// Who may be assigned, once that was asked; none where the forge does not say.
    assignable: Option<Option<Vec<Login>>>,
}

impl<'a> Heard<'a> {
    pub(super) fn new(worker: &'a Worker, repo: &'a RepoName, project: &'a ProjectSettings, facts: &'a ProjectFacts) -> Self {
        Self { worker, repo, project, facts, known: BTreeMap::new(), assignable: None }
    }

    /// By rights. The forge's word that a review is official was given by them, and counts where nobody may be asked, as long as who gave it may be
    /// assigned still: that of somebody who lost his rights stays official.
    pub(super) async fn may(&mut self, login: &Login, official: bool) -> Result<bool, Failure> {
        if let Some(known) = self.known.get(login) {
            return Ok(*known);
        }
        let may = match self.worker.asks_for_rights(self.facts) {
            true => self.worker.may_write(self.repo, self.project, self.facts, login).await?,
            false if official && self.is_assignable(login).await? => true,
            false => self.worker.may_write(self.repo, self.project, self.facts, login).await?,
        };
        if may || self.worker.asks_for_rights(self.facts) {
            self.known.insert(login.clone(), may);
        }
        Ok(may)
    }

    /// Who may write may be assigned, and a few who only read: this refuses somebody, and gives nobody a right.
    async fn is_assignable(&mut self, login: &Login) -> Result<bool, Failure> {
        if self.assignable.is_none() {
            self.assignable = Some(match self.worker.ports.forge.assignees(self.repo).await {
                Ok(listed) => Some(listed),
                Err(error) => match forge(error) {
                    failure if failure.kind == FailureKind::Passing => return Err(failure),
                    _ => None,
                },
            });
        }
        let listed = self.assignable.as_ref().and_then(Option::as_ref);
        Ok(listed.is_none_or(|listed| listed.iter().any(|other| other.as_str().eq_ignore_ascii_case(login.as_str()))))
    }
}

/// How a text begins, on one line.
pub(super) fn beginning(body: &str) -> String {
    let words = text::clean(&text::strip_marker(body));
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAYS).collect()
}

impl Worker {
    /// The requests for changes that stand, of those who may ask; of those that nobody knew only what is news of this head. And whether any
    /// stands, of an older head too: that is nothing for a run, and its merge waits for who asked.
    pub(super) async fn asks(
        &self,
        repo: &RepoName,
        pull: &PullRef,
        head: &Sha,
        reviews: &Reviews,
        facts: &ProjectFacts,
    ) -> Result<(Vec<Ask>, bool), Failure> {
        let fallback = ProjectSettings::default();
        let project = self.settings.projects.get(repo).unwrap_or(&fallback);
        let mut heard = Heard::new(self, repo, project, facts);
        let (mut asks, mut stands) = (Vec::new(), false);
        for request in &reviews.requests {
            let known = pull.asks.iter().any(|ask| ask.review == request.review);
            if !known && !facts.is_ours(&request.by) && !heard.may(&request.by, request.official).await? {
                continue;
            }
            stands = true;
            if known || pull.is_news(head, request) {
                asks.push(Ask { review: request.review, by: request.by.clone(), says: beginning(&request.body) });
            }
        }
        Ok((asks, stands))
    }

    /// Everything that is asked of a pull request, and its texts.
    pub(super) async fn revision(&self, order: &Order<'_>, pull: &PullRef, head: &Sha) -> Result<(Revision, PullTexts), Failure> {
        let (repo, number) = (&order.subject.repo, pull.number);
        let conflicts = self.try_merge(repo, pull).await.map_or(pull.conflicts, |merge| merge.conflicts);
        let statuses = self.ports.forge.statuses(repo, head).await.map_err(forge)?;
        let reviews = self.ports.forge.reviews(repo, number).await.map_err(forge)?;
        let (asks, _) = self.asks(repo, pull, head, &reviews, order.facts).await?;
        let comments = self.comments(order.subject, pull, head, &reviews, order.facts).await?;
        let points = self.points(order, pull, head, (&asks, &comments)).await?;
        let red: Vec<&CommitStatus> = statuses.iter().filter(|status| status.state == Checks::Failure && !status.cut).collect();
        let jobs = if red.is_empty() { Vec::new() } else { self.ports.forge.failed_jobs(repo, head).await.map_err(forge)? };
        let red = with_logs(&red, jobs);
        let checks = if red.is_empty() { Checks::None } else { Checks::Failure };
        let marks = points.iter().map(|said| said.point.clone()).collect();
        let unfit = pull.unfit.as_ref().filter(|unfit| !conflicts && unfit.head == *head);
        let unfit = unfit.map(|unfit| failing_output(&unfit.evidence));
        let revision = Revision {
            pull: number,
            head: head.clone(),
            asks,
            comments: comments.into_iter().map(|one| one.comment).collect(),
            points: marks,
            checks,
            conflicts,
            unfit: unfit.is_some(),
        };
        Ok((revision, PullTexts { number, points, checks: red, conflicts, unfit }))
    }

    /// What reviewers said and nobody answered, oldest first.
    async fn points(
        &self,
        order: &Order<'_>,
        pull: &PullRef,
        head: &Sha,
        (asks, comments): (&[Ask], &[Spoken]),
    ) -> Result<Vec<PointText>, Failure> {
        let (repo, facts) = (&order.subject.repo, order.facts.as_ref());
        let mut heard = Heard::new(self, repo, order.project, facts);
        let mut points = Vec::new();
        for review in self.ports.forge.written_reviews(repo, pull.number).await.map_err(forge)? {
            let asked = asks.iter().any(|ask| ask.review == review.id);
            let commented = comments.iter().any(|one| one.comment.point == PointId::Review { review: review.id });
            let fresh = commented || review.of.as_ref() == Some(head) || review.of.is_some() && review.of == pull.rounds.from;
            if review.dismissed || review.verdict.is_none() || !(asked || fresh) {
                continue;
            }
            // What we say without asking for changes is an answer, or nothing that is to be done.
            let by_us = facts.is_ours(&review.by);
            if asked || (!by_us && heard.may(&review.by, review.official).await?) {
                points.extend(of_review(&review));
            }
            if review.comments > 0 {
                let lines = self.ports.forge.line_comments(repo, pull.number, review.id).await.map_err(forge)?;
                let answers: Vec<String> =
                    lines.iter().filter(|line| facts.is_ours(&line.by)).map(|line| line.body.clone()).collect();
                for line in lines {
                    let theirs = line.by == review.by && asked;
                    let id = PointId::Line { review: review.id, comment: line.id }.to_string();
                    if answers.iter().any(|answer| text::is_once(answer, order.subject, &id)) {
                        continue;
                    }
                    if !facts.is_ours(&line.by) && (theirs || heard.may(&line.by, false).await?) {
                        points.push(of_line(&review, line));
                    }
                }
            }
        }
        points.extend(comments.iter().filter_map(Spoken::below));
        points.sort_by_key(|said| said.at);
        points.retain(|said| !pull.rounds.points.contains(&said.point.id));
        Ok(points)
    }

    /// Answers a point where it was made; where the forge takes nothing at that line, and for the text of a review, below the pull request.
    pub(super) async fn reply(&self, order: &Order<'_>, pull: PullNumber, reply: &Reply) -> Result<Outcome, Failure> {
        let (repo, run) = (&order.subject.repo, order.run()?);
        let texts = self.texts.read(&run.id)?;
        let said = texts.pull.iter().flat_map(|pull| &pull.points).find(|said| said.point.id == reply.to.id);
        // Whose answer it is stands in it as well: a lost journal does not have it answered again.
        let marker = format!("{}\n{}", text::once_marker(order.subject, &reply.to.id.to_string()), text::marker(order.key));
        let signed = |quote: Option<&str>| {
            let words = words::reply(&reply.to, quote, reply.text.as_deref(), run.pushed.as_ref());
            format!("{}\n\n{marker}", self.scanner.redact(&words))
        };
        let (as_author, _) = self.as_author(run);
        if let (PointId::Line { review, .. }, Some(spot)) = (reply.to.id, reply.to.spot.as_ref().filter(|spot| spot.line > 0)) {
            match as_author.reply(repo, pull, review, spot, &signed(None)).await {
                Ok(()) => return Ok(Outcome::Replied),
                Err(error) => match error.kind {
                    ForgeErrorKind::Invalid | ForgeErrorKind::NotFound | ForgeErrorKind::Server => {}
                    _ => return Err(forge(error)),
                },
            }
        }
        let below = crate::model::IssueNumber(pull.0);
        let quote = said.map(|said| beginning(&said.body));
        as_author.create_comment(repo, below, &signed(quote.as_deref())).await.map_err(forge)?;
        Ok(Outcome::Replied)
    }

    /// The answer that was written and whose answer never came.
    pub(super) async fn find_reply(
        &self,
        key: &EffectKey,
        subject: &Subject,
        (pull, reply): (PullNumber, &Reply),
        facts: &Facts,
    ) -> Result<Option<Outcome>, Failure> {
        let repo = &subject.repo;
        let ours = |by: &Login, body: &str| facts.is_ours(by) && text::find_marker(body).as_ref() == Some(key);
        if let PointId::Line { review, .. } = reply.to.id {
            let lines = self.ports.forge.line_comments(repo, pull, review).await.map_err(forge)?;
            if lines.iter().any(|line| ours(&line.by, &line.body)) {
                return Ok(Some(Outcome::Replied));
            }
        }
        let below = self.ports.forge.issue_comments(repo, crate::model::IssueNumber(pull.0)).await.map_err(forge)?;
        Ok(below.iter().any(|comment| ours(&comment.author, &comment.body)).then_some(Outcome::Replied))
    }
}

/// Checks that are red, each with what its job printed. The forge's own CI calls a status `workflow / job (event)`.
fn with_logs(red: &[&CommitStatus], mut jobs: Vec<FailedJob>) -> Vec<CheckText> {
    let check = |status: &&CommitStatus| {
        let job = jobs.iter().position(|job| job.is_told_by(&status.context)).map(|at| jobs.remove(at));
        CheckText {
            context: status.context.clone(),
            description: status.description.clone(),
            link: status.link.clone(),
            log: job.and_then(|job| match job.log {
                JobLog::Ends(log) => Some(log),
                JobLog::Nothing | JobLog::Unread => None,
            }),
        }
    };
    red.iter().map(check).collect()
}

/// The text of a review, where it has one that asks for something or says it.
fn of_review(review: &WrittenReview) -> Option<PointText> {
    let body = text::strip_marker(&review.body);
    let speaks = matches!(review.verdict, Some(Verdict::RequestChanges | Verdict::Comment)) && !body.trim().is_empty();
    let point = Point { id: PointId::Review { review: review.id }, by: review.by.clone(), spot: None };
    speaks.then(|| PointText { point, at: review.at.unwrap_or_default(), body })
}

fn of_line(review: &WrittenReview, line: LineComment) -> PointText {
    let id = PointId::Line { review: ReviewId(review.id.0), comment: line.id };
    PointText { point: Point { id, by: line.by, spot: Some(line.spot) }, at: line.at, body: line.body }
}
