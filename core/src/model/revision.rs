//! What is asked of an open pull request of ours, and what is answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Checks, Login, PullNumber, ReviewId, Sha};

/// A request for changes that stands, of somebody who may ask for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The review that it is.
    pub review: ReviewId,
    /// Who asks.
    pub by: Login,
    /// How its text begins, cleaned and cut; empty where it has none.
    pub says: String,
}

/// A comment of somebody who may write, that comes with no request for changes and wants an answer all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commented {
    /// The review that it is, or the comment.
    pub point: PointId,
    /// Whose.
    pub by: Login,
    /// How its text begins, cleaned and cut; empty where it has none but on lines.
    pub says: String,
}

/// Something that a reviewer said: the text of a review, a comment of it on a line, or a comment in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "point")]
pub enum PointId {
    /// The text of a review.
    Review {
        /// Which.
        review: ReviewId,
    },
    /// A comment on a line.
    Line {
        /// The review that it belongs to.
        review: ReviewId,
        /// The forge's identifier of the comment.
        comment: u64,
    },
    /// A comment in the conversation.
    Below {
        /// The forge's identifier of it; the forge numbers both kinds of comments in one sequence.
        comment: u64,
    },
}

impl fmt::Display for PointId {
    /// What an agent calls it by in its answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Review { review } => write!(f, "review-{review}"),
            Self::Line { comment, .. } | Self::Below { comment } => write!(f, "comment-{comment}"),
        }
    }
}

/// A line of a pull request's change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The file.
    pub path: String,
    /// The line's number, from 1; 0 where the forge does not say.
    pub line: u64,
    /// It is a line of the file as it was before the change.
    pub old: bool,
}

/// A point that is to be answered; its text is with the texts of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Which.
    pub id: PointId,
    /// Who made it.
    pub by: Login,
    /// Where; none where it is about the whole.
    pub spot: Option<Spot>,
}

/// What a run finds that revises a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The pull request.
    pub pull: PullNumber,
    /// Its head.
    pub head: Sha,
    /// The requests for changes that stand, those included that were answered.
    pub asks: Vec<Ask>,
    /// The comments that no run was given yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Commented>,
    /// The points that nobody has answered.
    pub points: Vec<Point>,
    /// The checks of that head.
    pub checks: Checks,
    /// It cannot be merged into its base as it stands.
    pub conflicts: bool,
    /// It can, and fails the verification then.
    #[serde(default)]
    pub unfit: bool,
}

/// The answer to a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// To which.
    pub to: Point,
    /// What the agent says, raw; none where it said nothing about this one.
    pub text: Option<String>,
}
