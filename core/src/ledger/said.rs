//! The comments of ours on an issue: the status comment and the triage breakdown.

use std::collections::BTreeSet;

use crate::model::{CommentId, Intent, IssueNumber, Saying, Status, StepId, Story};

use super::{Decided, IssueState, RunState, Said, Triaged};

impl IssueState {
    pub(super) fn said_now(&mut self, intent: &Intent, comment: CommentId, left: Option<CommentId>) {
        let Intent::Say { what, .. } = intent else { return };
        if let Saying::Note { step, on, .. } = what {
            return self.noted(step, *on, comment);
        }
        self.searched = true;
        let breakdown = matches!(what, Saying::Status { .. });
        let known =
            if breakdown { self.triaged.as_ref().and_then(|t| t.breakdown) } else { self.said.as_ref().and_then(|s| s.comment) };
        if let Some(left) = left.filter(|left| known != Some(*left)) {
            self.comment_found(left, breakdown);
        }
        match what {
            Saying::Status { status } => self.said = Some(Said { comment: Some(comment), status: status.clone() }),
            Saying::Note { .. } => {}
            Saying::Proposed { step, .. } => {
                self.comment_found(comment, true);
                if let Some(run) = self.run.as_mut() {
                    run.proposed(step, serde_json::json!({ "comment": comment.0 }));
                }
            }
        }
    }

    /// A step's comment stands there; another attempt edits it.
    fn noted(&mut self, step: &StepId, on: Option<IssueNumber>, comment: CommentId) {
        let Some(run) = self.run.as_ref() else { return };
        let note = self.note(run, step, on);
        self.notes.insert(note, comment);
        if let Some(run) = self.run.as_mut() {
            run.proposed(step, serde_json::json!({ "comment": comment.0 }));
        }
    }

    /// The comment of a step of a run's formula, where it stands already.
    pub fn note_of(&self, run: &RunState, step: &StepId, on: Option<IssueNumber>) -> Option<CommentId> {
        self.notes.get(&self.note(run, step, on)).copied()
    }

    /// What a step's comment is remembered by. Of the comments that it writes on an issue for several items, each has a place of its own.
    pub(super) fn note(&self, run: &RunState, step: &StepId, on: Option<IssueNumber>) -> String {
        let on = on.map_or_else(String::new, |on| on.to_string());
        let first = format!("{}/{step}{on}", run.formula.name);
        let Some(each) = run.at(step).and_then(|at| at.each.as_ref()) else { return first };
        let written: BTreeSet<u64> = each.outputs().iter().filter_map(|output| output["comment"].as_u64()).collect();
        let ours = |place: &String| self.notes.get(place).is_some_and(|comment| written.contains(&comment.0));
        let more = (2_u32..).map(|nth| format!("{first}/{nth}"));
        std::iter::once(first.clone()).chain(more).find(|place| !ours(place)).unwrap_or(first)
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
            files: Vec::new(),
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
