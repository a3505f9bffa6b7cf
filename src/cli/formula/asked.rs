//! What is asked of a pull request, in a recorded test.

use serde::{Deserialize, Serialize};

use crate::model::{CheckText, Login, Point, PointId, PointText, PullNumber, PullTexts, ReviewId, Spot, Timestamp};

/// What is asked of a pull request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PullAsked {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) points: Vec<PointAsked>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checks: Vec<CheckAsked>,
    pub(super) conflicts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unfit: Option<String>,
}

/// What a reviewer said: with `comment`, on a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointAsked {
    pub(super) review: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<u64>,
    pub(super) author: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) path: String,
    #[serde(default)]
    pub(super) line: u64,
    pub(super) body: String,
}

/// A check that is red.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckAsked {
    pub(super) context: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) link: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<String>,
}

impl PullAsked {
    /// As it was read.
    pub(super) fn of(texts: &PullTexts) -> Self {
        let point = |said: &PointText| {
            let (review, comment) = match said.point.id {
                PointId::Review { review } => (review, None),
                PointId::Line { review, comment } => (review, Some(comment)),
                // In no review.
                PointId::Below { comment } => (ReviewId(0), Some(comment)),
            };
            let spot = said.point.spot.as_ref();
            PointAsked {
                review: review.0,
                comment,
                author: said.point.by.0.clone(),
                path: spot.map(|spot| spot.path.clone()).unwrap_or_default(),
                line: spot.map_or(0, |spot| spot.line),
                body: said.body.clone(),
            }
        };
        let check = |check: &CheckText| CheckAsked {
            context: check.context.clone(),
            description: check.description.clone(),
            link: check.link.clone(),
            log: check.log.clone(),
        };
        let (points, checks) = (texts.points.iter().map(point).collect(), texts.checks.iter().map(check).collect());
        Self { points, checks, conflicts: texts.conflicts, unfit: texts.unfit.clone() }
    }

    pub(super) fn read(&self, at: Timestamp) -> PullTexts {
        let point = |said: &PointAsked| {
            let review = ReviewId(said.review);
            let id = match said.comment {
                None => PointId::Review { review },
                Some(comment) if said.review == 0 => PointId::Below { comment },
                Some(comment) => PointId::Line { review, comment },
            };
            let spot = matches!(id, PointId::Line { .. }).then(|| Spot { path: said.path.clone(), line: said.line, old: false });
            let point = Point { id, by: Login::from(said.author.as_str()), spot };
            PointText { point, at, body: said.body.clone() }
        };
        let check = |check: &CheckAsked| CheckText {
            context: check.context.clone(),
            description: check.description.clone(),
            link: check.link.clone(),
            log: check.log.clone(),
        };
        let (points, checks) = (self.points.iter().map(point).collect(), self.checks.iter().map(check).collect());
        PullTexts { number: PullNumber(1), points, checks, conflicts: self.conflicts, unfit: self.unfit.clone() }
    }
}
