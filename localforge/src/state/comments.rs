//! Comments. Editing or deleting one does not move the issue's `updated_at`; `since` on comments shows the edit.

use super::answer::{Halt, Handled, Page, Refusal, missing, missing_because};
use super::records::*;
use super::users::required;
use super::{Answer, Call, Doing};
use crate::wire::{self, asked};

impl Call<'_> {
    /// A comment of this repository, with its body.
    pub(super) fn comment(&self, repo: RepoId, id: &str) -> Result<(&Event, &str), Halt> {
        let number: u64 = id.parse().map_err(|_| missing())?;
        match self.state.event(EventId(number)) {
            Some(event @ Event { what: What::Comment { body, .. }, .. }) if event.issue.0 == repo => Ok((event, body)),
            _ => Err(missing_because(format!("comment does not exist [id: {number}, issue_id: 0]"))),
        }
    }

    fn show(&self, repo: RepoId, id: &str) -> Result<wire::Comment, Halt> {
        let (event, body) = self.comment(repo, id)?;
        Ok(self.view().show_comment(event, self.found(event.issue)?, body))
    }

    pub(super) fn get_comment(&self, repo: RepoId, id: &str) -> Handled {
        Ok(Answer::json(200, &self.show(repo, id)?))
    }

    /// The comments among these entries, changed within the query's times.
    fn comments_of<'e>(&self, events: impl Iterator<Item = &'e Event>) -> Result<Vec<wire::Comment>, Halt> {
        let (since, before) = (self.time_asked("since")?, self.time_asked("before")?);
        let mut list: Vec<(&Event, &str)> = events
            .filter_map(|event| match &event.what {
                What::Comment { body, .. } => Some((event, body.as_str())),
                _ => None,
            })
            .filter(|(event, _)| since.is_none_or(|t| event.updated >= t) && before.is_none_or(|t| event.updated <= t))
            .collect();
        list.sort_by_key(|(event, _)| (event.created, event.id));
        let show = |(event, body): (&Event, &str)| {
            self.state.issues.get(&event.issue).map(|issue| self.view().show_comment(event, issue, body))
        };
        Ok(list.into_iter().filter_map(show).collect())
    }

    pub(super) fn list_comments(&self, issue: IssueKey) -> Handled {
        let list = self.comments_of(self.state.timeline(issue))?;
        Ok(Answer::json(200, &list).header("x-total-count", list.len()))
    }

    pub(super) fn list_repo_comments(&self, repo: RepoId) -> Handled {
        let keys = (IssueKey(repo, 0), EventId(0))..=(IssueKey(repo, u64::MAX), EventId(u64::MAX));
        let all = self.comments_of(self.state.events.range(keys).map(|(_, event)| event))?;
        let total = all.len();
        let list = match Page::if_named(self.request) {
            Some(page) => page.cut(all),
            None => all,
        };
        Ok(Answer::json(200, &list).header("x-total-count", total))
    }

    pub(super) fn create_comment(&mut self, issue: IssueKey) -> Handled {
        let author = self.user()?;
        self.need_unarchived(issue.0)?;
        let new: asked::NewComment = self.body()?;
        required("Body", &new.body)?;
        let id = self.doing().comment(issue, author, new.body);
        Ok(Answer::json(201, &self.show(issue.0, &id.0.to_string())?))
    }

    /// What commenting on an issue that is not there is told: rights and body are looked at first.
    pub(super) fn comment_on_missing(&self, repo: RepoId, number: &str) -> Handled {
        self.user()?;
        self.need_unarchived(repo)?;
        let new: asked::NewComment = self.body()?;
        required("Body", &new.body)?;
        let errors = vec![format!("issue does not exist [id: 0, repo_id: {}, index: {number}]", repo.0)];
        Err(Refusal::Missing { message: Some("IsErrIssueNotExist".into()), errors }.into())
    }

    /// Who may change a comment: its author and whoever may write.
    fn need_comment_editor(&self, repo: RepoId, id: &str) -> Result<(UserId, EventId), Halt> {
        let user = self.user()?;
        let (event, _) = self.comment(repo, id)?;
        if event.author == user || self.access(repo) >= Access::Write {
            Ok((user, event.id))
        } else {
            Err(Refusal::Blank(403).into())
        }
    }

    pub(super) fn edit_comment(&mut self, repo: RepoId, id: &str) -> Handled {
        self.need_unarchived(repo)?;
        let (doer, event) = self.need_comment_editor(repo, id)?;
        let new: asked::NewComment = self.body()?;
        required("Body", &new.body)?;
        let old = self.comment(repo, id)?.1.to_owned();
        if old != new.body {
            self.doing().edit_comment(event, doer, old, new.body);
        }
        self.get_comment(repo, id)
    }

    pub(super) fn delete_comment(&mut self, repo: RepoId, id: &str) -> Handled {
        let (_, event) = self.need_comment_editor(repo, id)?;
        self.doing().delete_comment(event);
        Ok(Answer::empty(204))
    }
}

impl Doing<'_> {
    /// Adds a comment.
    pub(super) fn comment(&mut self, issue: IssueKey, author: UserId, body: String) -> EventId {
        let id = self.record(issue, author, What::Comment { body, reactions: Vec::new() });
        if let Some(issue) = self.state.issues.get_mut(&issue) {
            issue.comments += 1;
        }
        self.comment_webhook(id, author, "created", None);
        id
    }

    fn edit_comment(&mut self, id: EventId, doer: UserId, old: String, new: String) {
        let now = self.now;
        let Some(key) = self.state.event_home.get(&id).copied() else { return };
        if let Some(event) = self.state.events.get_mut(&(key, id))
            && let What::Comment { body, .. } = &mut event.what
        {
            *body = new;
            event.updated = now;
        }
        let changes = wire::Changes { title: None, body: Some(wire::From { from: old }) };
        self.comment_webhook(id, doer, "edited", Some(changes));
    }

    fn delete_comment(&mut self, id: EventId) {
        let Some(key) = self.state.event_home.remove(&id) else { return };
        self.state.events.remove(&(key, id));
        if let Some(issue) = self.state.issues.get_mut(&key) {
            issue.comments = issue.comments.saturating_sub(1);
        }
    }
}
