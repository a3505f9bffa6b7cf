//! Reviews of a pull request and what they say on lines, as they come, and what stands of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::{User, login, time};
use crate::model::{self, Login, ReviewId, Timestamp, Verdict};
use crate::ports::{self, WrittenReview};

/// What the forge calls a verdict when it is given.
pub(super) fn word_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "APPROVED",
        Verdict::RequestChanges => "REQUEST_CHANGES",
        Verdict::Comment => "COMMENT",
    }
}

impl From<Review> for WrittenReview {
    fn from(review: Review) -> Self {
        let verdict = Verdict::ALL.into_iter().find(|verdict| word_of(*verdict) == review.state);
        Self {
            id: ReviewId(review.id),
            at: review.submitted_at.as_deref().and_then(Timestamp::parse),
            of: review.commit_id.parse().ok(),
            official: review.official,
            dismissed: review.dismissed,
            comments: review.comments_count,
            by: login(review.user),
            body: review.body.unwrap_or_default(),
            verdict,
        }
    }
}

/// A review of a pull request.
#[derive(Deserialize)]
pub(super) struct Review {
    #[serde(default)]
    id: u64,
    user: Option<User>,
    #[serde(default)]
    submitted_at: Option<String>,
    #[serde(default)]
    comments_count: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    dismissed: bool,
    #[serde(default)]
    official: bool,
    #[serde(default)]
    stale: bool,
    #[serde(default)]
    commit_id: String,
}

impl Review {
    /// The commit that it approves, if it counts: official, of the newest commit, not dismissed.
    fn approves(&self) -> Option<model::Sha> {
        let counts = self.state == "APPROVED" && self.official && !self.stale && !self.dismissed;
        self.commit_id.parse().ok().filter(|_| counts)
    }

    fn request(&self) -> model::ChangeRequest {
        model::ChangeRequest {
            review: ReviewId(self.id),
            by: login(self.user.as_ref().map(|user| User { login: user.login.clone() })),
            of: self.commit_id.parse().ok(),
            official: self.official,
            stale: self.stale,
            body: self.body.clone().unwrap_or_default(),
        }
    }
}

/// The last word of each reviewer. The list is oldest first; comments and pending reviews are no word.
pub(super) fn last_words(reviews: &[Review]) -> model::Reviews {
    let mut last: BTreeMap<&str, &Review> = BTreeMap::new();
    for review in reviews {
        if let (Some(user), "REQUEST_CHANGES" | "APPROVED") = (&review.user, review.state.as_str()) {
            last.insert(&user.login, review);
        }
    }
    let approval = |(by, review): (&&str, &&Review)| Some(model::Approval { by: Login::from(*by), of: review.approves()? });
    let asks = last.values().filter(|review| review.state == "REQUEST_CHANGES" && !review.dismissed);
    let requests: Vec<model::ChangeRequest> = asks.map(|review| review.request()).collect();
    model::Reviews {
        changes_requested: !requests.is_empty(),
        approvals: last.iter().filter_map(approval).collect(),
        requests,
        comments: open_comments(reviews),
    }
}

/// Reviews that only say something. Who has approved since is content with what became of it.
fn open_comments(reviews: &[Review]) -> Vec<model::ReviewComment> {
    let by = |review: &Review| login(review.user.as_ref().map(|user| User { login: user.login.clone() }));
    let content = |after: &[Review], who: &Login| {
        after.iter().any(|review| review.state == "APPROVED" && !review.dismissed && by(review) == *who)
    };
    let said = |(at, review): (usize, &Review)| {
        let speaks = review.comments_count > 0 || review.body.as_deref().is_some_and(|body| !body.trim().is_empty());
        let counts = review.state == "COMMENT" && !review.dismissed && speaks;
        let by = Some(by(review)).filter(|by| counts && !content(reviews.get(at..).unwrap_or_default(), by))?;
        let (review, of, body) = (ReviewId(review.id), review.commit_id.parse().ok(), review.body.clone().unwrap_or_default());
        Some(model::ReviewComment { review, by, of, body })
    };
    reviews.iter().enumerate().filter_map(said).collect()
}

/// A comment on a line. Of its two numbers one is 0, for a line that is not there on that side.
#[derive(Deserialize)]
pub(super) struct LineComment {
    id: u64,
    user: Option<User>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    position: u64,
    #[serde(default)]
    original_position: u64,
    #[serde(deserialize_with = "time")]
    created_at: Timestamp,
}

impl From<LineComment> for ports::LineComment {
    fn from(comment: LineComment) -> Self {
        let old = comment.position == 0 && comment.original_position > 0;
        let line = if old { comment.original_position } else { comment.position };
        Self {
            id: comment.id,
            by: login(comment.user),
            at: comment.created_at,
            spot: model::Spot { path: comment.path, line, old },
            body: comment.body.unwrap_or_default(),
        }
    }
}
