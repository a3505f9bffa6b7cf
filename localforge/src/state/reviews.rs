//! Reviews of pull requests: verdicts, requests, and how they go stale.
//!
//! Only a writer's verdict is official, and only the latest of each; being asked again takes that away. An event that there
//! is not makes a pending review, which only its author sees and the next verdict takes over.

use super::answer::{Halt, Handled, Page, Refusal, missing, says};
use super::records::*;
use super::{Answer, Call, Doing, hooks};
use crate::wire::{self, Stamp, asked};

impl Call<'_> {
    fn review(&self, key: IssueKey, id: &str) -> Result<&Review, Halt> {
        let id = ReviewId(id.parse().map_err(|_| missing())?);
        self.state.reviews.get(&(key, id)).ok_or_else(missing)
    }

    pub(super) fn list_reviews(&self, key: IssueKey) -> Handled {
        let issue = self.found(key)?;
        let me = self.user().ok();
        let visible = |review: &&Review| review.verdict != Verdict::Pending || Some(review.reviewer) == me;
        let all: Vec<_> =
            self.state.reviews_of(key).filter(visible).map(|review| self.view().show_review(issue, review)).collect();
        let total = all.len();
        Ok(Answer::json(200, &Page::of(self.request).cut(all)).header("x-total-count", total))
    }

    pub(super) fn review_comments(&self, key: IssueKey, id: &str) -> Handled {
        let (issue, review) = (self.found(key)?, self.review(key, id)?);
        let all: Vec<_> = (0..review.comments.len()).filter_map(|nth| self.show_review_comment(issue, review, nth)).collect();
        Ok(Answer::json(200, &all))
    }

    fn show_review_comment(&self, issue: &Issue, review: &Review, nth: usize) -> Option<wire::ReviewComment> {
        let (comment, page) = (review.comments.get(nth)?, self.state.issue_page(issue));
        Some(wire::ReviewComment {
            id: review.id.0 * 1000 + nth as u64,
            body: comment.body.clone(),
            user: self.view().show_user(comment.by.unwrap_or(review.reviewer)),
            pull_request_review_id: review.id.0,
            created_at: Stamp(comment.at.unwrap_or(review.submitted)),
            updated_at: Stamp(comment.at.unwrap_or(review.updated)),
            path: comment.path.clone(),
            commit_id: review.commit.clone(),
            original_commit_id: review.commit.clone(),
            diff_hunk: String::new(),
            position: u64::try_from(comment.line).unwrap_or(0),
            original_position: u64::try_from(-comment.line).unwrap_or(0),
            html_url: page.clone(),
            pull_request_url: page,
        })
    }

    /// A comment of anybody who may see the pull request, within a review of anybody.
    pub(super) fn create_review_comment(&mut self, key: IssueKey, id: &str) -> Handled {
        let by = self.user()?;
        let new: asked::NewReviewComment = self.body()?;
        let (review, now) = (self.review(key, id)?.id, self.request.now);
        if new.body.trim().is_empty() || new.path.is_empty() {
            return says(422, "a comment on a line requires a body and a path");
        }
        let mut nth = 0;
        if let Some(review) = self.state.reviews.get_mut(&(key, review)) {
            nth = review.comments.len();
            review.comments.push(ReviewComment { by: Some(by), at: Some(now), ..comment(new) });
        }
        self.doing().touch(key);
        let review = self.state.reviews.get(&(key, review)).ok_or_else(missing)?;
        let shown = self.show_review_comment(self.found(key)?, review, nth).ok_or_else(missing)?;
        Ok(Answer::json(200, &shown))
    }

    pub(super) fn create_review(&mut self, key: IssueKey) -> Handled {
        let reviewer = self.user()?;
        let new: asked::NewReview = self.body()?;
        let verdict = match new.event.as_str() {
            "APPROVED" => Verdict::Approved,
            "REQUEST_CHANGES" => Verdict::RequestChanges,
            "COMMENT" => Verdict::Comment,
            _ => Verdict::Pending,
        };
        let (issue, pull, _) = self.pull(key)?;
        match verdict {
            Verdict::Approved if issue.author == reviewer => return says(422, "approve your own pull is not allowed"),
            Verdict::RequestChanges if issue.author == reviewer => return says(422, "reject your own pull is not allowed"),
            Verdict::RequestChanges | Verdict::Comment if new.body.trim().is_empty() && new.comments.is_empty() => {
                return says(422, format!("review event {} requires a body or a comment", new.event));
            }
            _ => {}
        }
        let commit = if new.commit_id.is_empty() { pull.head_sha.clone() } else { new.commit_id };
        let judges = matches!(verdict, Verdict::Approved | Verdict::RequestChanges);
        let review = Review {
            id: ReviewId(0),
            reviewer,
            verdict,
            body: new.body,
            stale: commit != pull.head_sha,
            commit,
            official: judges && self.access(key.0) >= Access::Write,
            dismissed: false,
            comments: new.comments.into_iter().map(comment).collect(),
            submitted: self.request.now,
            updated: self.request.now,
            event: None,
        };
        let id = self.doing().submit_review(key, review);
        let review = self.state.reviews.get(&(key, id)).ok_or_else(missing)?;
        Ok(Answer::json(200, &self.view().show_review(self.found(key)?, review)))
    }

    pub(super) fn dismiss_review(&mut self, key: IssueKey, id: &str) -> Handled {
        let doer = self.need_repo_admin(key.0)?;
        let asked: asked::DismissReview = self.body()?;
        let id = self.review(key, id)?.id;
        let now = self.request.now;
        if let Some(review) = self.state.reviews.get_mut(&(key, id)) {
            review.dismissed = true;
            review.updated = now;
        }
        let mut doing = self.doing();
        doing.record(key, doer, What::DismissReview { review: id });
        if !asked.message.is_empty() {
            doing.comment(key, doer, asked.message);
        }
        let review = self.state.reviews.get(&(key, id)).ok_or_else(missing)?;
        Ok(Answer::json(200, &self.view().show_review(self.found(key)?, review)))
    }

    /// The reviewers that a body names. Whoever asks must write, or have made the pull request.
    fn named_reviewers(&self, key: IssueKey) -> Result<(UserId, Vec<UserId>), Halt> {
        let doer = self.user()?;
        let author = self.found(key)?.author;
        if doer != author && self.access(key.0) < Access::Write {
            return says(422, "doer can't choose reviewer");
        }
        let asked: asked::Reviewers = self.body()?;
        let mut users = Vec::new();
        for login in &asked.reviewers {
            let Some(user) = self.state.user_named(login) else {
                let message = Some(format!("User '{login}' not exist"));
                return Err(Refusal::Missing { message, errors: Vec::new() }.into());
            };
            if user.id == author {
                return says(422, "poster of pr can't be reviewer");
            }
            users.push(user.id);
        }
        Ok((doer, users))
    }

    pub(super) fn request_reviewers(&mut self, key: IssueKey) -> Handled {
        let (doer, users) = self.named_reviewers(key)?;
        let mut made = Vec::new();
        for user in users {
            made.extend(self.doing().request_review(key, doer, user));
        }
        let issue = self.found(key)?;
        let list: Vec<_> = made
            .iter()
            .filter_map(|id| self.state.reviews.get(&(key, *id)))
            .map(|review| self.view().show_review(issue, review))
            .collect();
        Ok(Answer::json(201, &list))
    }

    pub(super) fn unrequest_reviewers(&mut self, key: IssueKey) -> Handled {
        let (_, users) = self.named_reviewers(key)?;
        for user in users {
            self.doing().drop_requests(key, user);
        }
        Ok(Answer::empty(204))
    }
}

fn comment(new: asked::NewReviewComment) -> ReviewComment {
    let line = if new.new_position != 0 { new.new_position } else { -new.old_position };
    ReviewComment { path: new.path, body: new.body, line, by: None, at: None }
}

impl Doing<'_> {
    /// Changes each review of one user on a pull request.
    fn each_review_of(&mut self, key: IssueKey, user: UserId, change: impl Fn(&mut Review)) {
        let ids: Vec<_> = self.state.reviews_of(key).filter(|review| review.reviewer == user).map(|r| r.id).collect();
        for id in ids {
            if let Some(review) = self.state.reviews.get_mut(&(key, id)) {
                change(review);
            }
        }
    }

    fn drop_requests(&mut self, key: IssueKey, user: UserId) {
        let asked = |review: &&Review| review.reviewer == user && review.verdict == Verdict::RequestReview;
        let ids: Vec<_> = self.state.reviews_of(key).filter(asked).map(|review| review.id).collect();
        for id in ids {
            self.state.reviews.remove(&(key, id));
        }
    }

    /// Submits a review. One that was pending is taken over; otherwise older verdicts of the reviewer are dismissed.
    fn submit_review(&mut self, key: IssueKey, new: Review) -> ReviewId {
        let (user, verdict, now) = (new.reviewer, new.verdict, self.now);
        let judges = matches!(verdict, Verdict::Approved | Verdict::RequestChanges);
        if new.official {
            self.each_review_of(key, user, |review| review.official = false);
        }
        let pending = |review: &&Review| review.reviewer == user && review.verdict == Verdict::Pending;
        let pending = self.state.reviews_of(key).find(pending).cloned();
        if verdict != Verdict::Pending {
            self.drop_requests(key, user);
            if judges && pending.is_none() {
                self.each_review_of(key, user, |review| {
                    if matches!(review.verdict, Verdict::Approved | Verdict::RequestChanges) {
                        review.dismissed = true;
                        review.updated = now;
                    }
                });
            }
        }
        let id = pending.as_ref().map_or_else(|| ReviewId(self.state.next("review")), |review| review.id);
        let event = self.record(key, user, What::Review { review: id, body: new.body.clone() });
        let mut review = Review { id, event: pending.as_ref().and_then(|old| old.event).or(Some(event)), ..new };
        if let Some(pending) = pending {
            review.comments.splice(0..0, pending.comments);
        }
        let body = review.body.clone();
        self.state.reviews.insert((key, id), review);
        let event_type = match verdict {
            Verdict::Approved => "pull_request_review_approved",
            Verdict::RequestChanges => "pull_request_review_rejected",
            Verdict::Comment => "pull_request_review_comment",
            Verdict::Pending | Verdict::RequestReview => return id,
        };
        self.deliver(key.0, event_type, (None, user), |view| {
            let mut payload = view.pull_payload(key, user, "reviewed", None)?;
            payload.review = Some(wire::PayloadReview { kind: event_type, content: body });
            payload.requested_reviewer = Some(view.show_user(user));
            hooks::text(&payload)
        });
        id
    }

    /// Asks a user for a review, if that is not asked already. What they said before counts as official no more.
    fn request_review(&mut self, key: IssueKey, doer: UserId, user: UserId) -> Option<ReviewId> {
        let asked = |review: &Review| review.reviewer == user && review.verdict == Verdict::RequestReview;
        if self.state.reviews_of(key).any(asked) {
            return None;
        }
        let official = self.state.repos.get(&key.0).is_some_and(|repo| self.state.user_access(repo, user) >= Access::Write);
        if official {
            self.each_review_of(key, user, |review| review.official = false);
        }
        let id = ReviewId(self.state.next("review"));
        let review = Review {
            id,
            reviewer: user,
            verdict: Verdict::RequestReview,
            body: String::new(),
            commit: String::new(),
            official,
            stale: false,
            dismissed: false,
            comments: Vec::new(),
            submitted: self.now,
            updated: self.now,
            event: None,
        };
        self.state.reviews.insert((key, id), review);
        self.record(key, doer, What::ReviewRequest { user });
        self.deliver(key.0, "pull_request_review_request", (None, doer), |view| {
            let mut payload = view.pull_payload(key, doer, "review_requested", None)?;
            payload.requested_reviewer = Some(view.show_user(user));
            hooks::text(&payload)
        });
        Some(id)
    }

    /// After a push, reviews of another commit are stale; where the base's protection says so, approvals are dismissed.
    pub(super) fn make_reviews_stale(&mut self, key: IssueKey, base: &str, head: &str) {
        let rule = self.state.repos.get(&key.0).and_then(|repo| repo.protection(base));
        let (dismiss, now) = (rule.is_some_and(|rule| rule.dismiss_stale_approvals), self.now);
        let ids: Vec<_> = self.state.reviews_of(key).map(|review| review.id).collect();
        for id in ids {
            let Some(review) = self.state.reviews.get_mut(&(key, id)) else { continue };
            review.stale = review.verdict != Verdict::RequestReview && review.commit != head;
            if dismiss && review.stale && review.verdict == Verdict::Approved && !review.dismissed {
                review.dismissed = true;
                review.updated = now;
            }
        }
    }
}
