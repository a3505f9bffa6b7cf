//! Editing issues and pull requests. Each field is a step of its own, so that a refused one may leave the earlier done.

use super::answer::{Halt, Handled, Refusal, says};
use super::records::*;
use super::{Answer, Call, Doing};
use crate::wire::{self, asked};

impl Call<'_> {
    /// Who may edit: the author and whoever may write. Others are refused without a word.
    pub(super) fn need_editor(&self, key: IssueKey) -> Result<UserId, Halt> {
        let user = self.user()?;
        let own = self.found(key)?.author == user;
        if own || self.access(key.0) >= Access::Write { Ok(user) } else { Err(Refusal::Blank(403).into()) }
    }

    pub(super) fn edit_issue(&mut self, key: IssueKey) -> Handled {
        let doer = self.need_editor(key)?;
        let edit: asked::EditIssue = self.body()?;
        let writer = self.access(key.0) >= Access::Write;
        let logins = edit.assignees.or_else(|| edit.assignee.map(|login| vec![login]));
        let assignees = match logins.filter(|_| writer) {
            Some(mut logins) => {
                logins.retain(|login| !login.is_empty());
                Some(self.assignable(key.0, &logins)?)
            }
            None => None,
        };
        self.doing().edit_text(key, doer, edit.title, edit.body);
        if let Some(assignees) = assignees {
            self.doing().assign(key, doer, &assignees);
        }
        self.edit_state(key, doer, edit.state.as_deref())?;
        Ok(Answer::json(201, &self.view().show_issue(self.found(key)?)))
    }

    /// Closes or reopens. A state that there is not is ignored, as on a real forge.
    pub(super) fn edit_state(&mut self, key: IssueKey, doer: UserId, state: Option<&str>) -> Result<(), Halt> {
        let issue = self.found(key)?;
        if issue.pull.as_ref().is_some_and(|pull| pull.merged.is_some()) && state.is_some() {
            return says(412, "cannot change state of this pull request, it was already merged");
        }
        match (state, issue.state) {
            (Some("closed"), Standing::Open) => {
                if self.state.has_open_dependencies(issue) {
                    let what = if issue.pull.is_some() { "pull request" } else { "issue" };
                    return says(412, format!("cannot close this {what} because it still has open dependencies"));
                }
                self.doing().close(key, doer);
            }
            (Some("open"), Standing::Closed) => self.doing().reopen(key, doer),
            _ => {}
        }
        Ok(())
    }
}

impl Doing<'_> {
    /// Changes title and body, as far as they differ.
    pub(super) fn edit_text(&mut self, key: IssueKey, doer: UserId, title: Option<String>, body: Option<String>) {
        let Some((old_title, old_body)) = self.state.issues.get(&key).map(|i| (i.title.clone(), i.body.clone())) else { return };
        let title = title.filter(|title| !title.is_empty() && *title != old_title);
        let body = body.filter(|body| *body != old_body);
        if let Some(new) = title {
            if let Some(issue) = self.state.issues.get_mut(&key) {
                issue.title.clone_from(&new);
            }
            self.record(key, doer, What::ChangeTitle { old: old_title.clone(), new });
            let changes = wire::Changes { title: Some(wire::From { from: old_title }), body: None };
            self.issue_webhook(key, doer, "issues", "edited", Some(changes));
        }
        if let Some(new) = body {
            if let Some(issue) = self.state.issues.get_mut(&key) {
                issue.body = new;
            }
            self.touch(key);
            let changes = wire::Changes { title: None, body: Some(wire::From { from: old_body }) };
            self.issue_webhook(key, doer, "issues", "edited", Some(changes));
        }
    }
}
