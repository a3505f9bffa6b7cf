//! The comments of ours on an issue: the status comment and the triage breakdown.

use crate::model::{CommentId, Intent, Saying, Status, Story};

use super::{Decided, IssueState, Said, StepState, Triaged};

impl IssueState {
    pub(super) fn said_now(&mut self, intent: &Intent, comment: CommentId, left: Option<CommentId>) {
        let Intent::Say { what, .. } = intent else { return };
        self.searched = true;
        let breakdown = matches!(what, Saying::Status { .. });
        let known =
            if breakdown { self.triaged.as_ref().and_then(|t| t.breakdown) } else { self.said.as_ref().and_then(|s| s.comment) };
        if let Some(left) = left.filter(|left| known != Some(*left)) {
            self.comment_found(left, breakdown);
        }
        match what {
            Saying::Status { status } => self.said = Some(Said { comment: Some(comment), status: status.clone() }),
            Saying::Proposed { .. } => {
                self.comment_found(comment, true);
                if let Some(run) = self.run.as_mut() {
                    run.leaves(serde_json::json!({ "comment": comment.0 }));
                    run.state = StepState::Proposed;
                }
            }
        }
    }

    pub(super) fn comment_found(&mut self, comment: CommentId, breakdown: bool) {
        if !breakdown {
            self.said = Some(Said { comment: Some(comment), status: Status { story: Story::Standing, set_back: None } });
            return;
        }
        let triaged = self.triaged.get_or_insert_with(|| Triaged {
            text: self.seen.text.clone(),
            decided: Decided::default(),
            read_up_to: None,
            breakdown: None,
        });
        triaged.breakdown = Some(comment);
    }

    /// The comments were looked through, and there was none of ours.
    pub(super) fn unsaid(&mut self, intent: &Intent) {
        if let Intent::Say { what: Saying::Status { status }, .. } = intent {
            self.said = Some(Said { comment: None, status: status.clone() });
        }
    }
}
