//! What was found standing: at the first look, or after the journal was lost or restored from an old copy.

use crate::model::{Decision, Event, RepoName, Timestamp};

use super::{BranchTip, ForeignPull, Gap, IssueState, Ledger, PullRef, Reviews};

impl Ledger {
    /// The first look at a project is complete: all issues that it brought stood there before.
    pub(super) fn began(&mut self, repo: &RepoName, at: Timestamp) {
        let project = self.projects.entry(repo.clone()).or_default();
        project.began = Some(at);
        if project.looked.is_none() {
            project.issues.values_mut().for_each(|issue| issue.found = true);
        }
    }
}

impl IssueState {
    pub(super) fn apply_found(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::CommentFound { comment, breakdown, note, effect, run, .. } => {
                if !note {
                    self.comment_found(*comment, *breakdown);
                }
                // Their numbers are used up.
                self.effects = self.effects.max(*effect);
                self.runs_started = self.runs_started.max(run.unwrap_or(0));
                self.gap = Some(Gap::Restored(now));
                self.doubted = true;
            }
            Event::PullFound { pull, branch, base, head, at, .. } => {
                let there = PullRef::opened(*pull, (branch.clone(), base.clone()), head.clone(), now);
                self.pull = Some(PullRef { moved: Some(*at), reviews: Reviews::Unread, found: true, ..there });
                self.tip = Some(BranchTip { sha: head.clone() });
                self.gap.get_or_insert(Gap::Found(now));
            }
            Event::PullForeign { pull, by, open, .. } => {
                self.foreign = open.then(|| ForeignPull { number: *pull, by: by.clone() });
            }
            Event::Reported { .. } => self.found = false,
            _ => {}
        }
    }

    /// It was found with a label that only we set.
    pub(super) fn found_at(&mut self, label: Option<Decision>, now: Timestamp) {
        if let Some(Decision::Working | Decision::Pr | Decision::Failed) = label {
            self.gap.get_or_insert(Gap::Found(now));
        }
    }
}
