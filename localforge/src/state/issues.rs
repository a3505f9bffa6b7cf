//! Issues: making, reading and listing them.

use std::collections::BTreeSet;

use super::answer::{Halt, Handled, missing};
use super::records::*;
use super::users::required;
use super::{Answer, Call, Doing};
use crate::wire::asked;

/// What a new issue or pull request starts with.
pub(super) struct Opening {
    pub repo: RepoId,
    pub author: UserId,
    pub title: String,
    pub body: String,
    pub pull: Option<Pull>,
}

impl Call<'_> {
    /// The issue or pull request that a path names.
    pub(super) fn issue_numbered(&self, repo: RepoId, number: &str) -> Result<IssueKey, Halt> {
        let key = IssueKey(repo, number.parse().map_err(|_| missing())?);
        self.state.issues.get(&key).map(|issue| issue.key).ok_or_else(missing)
    }

    pub(super) fn found(&self, key: IssueKey) -> Result<&Issue, Halt> {
        self.state.issues.get(&key).ok_or_else(missing)
    }

    pub(super) fn get_issue(&self, key: IssueKey) -> Handled {
        Ok(Answer::json(200, &self.view().show_issue(self.found(key)?)))
    }

    pub(super) fn create_issue(&mut self, repo: RepoId) -> Handled {
        let author = self.user()?;
        self.need_unarchived(repo)?;
        let new: asked::NewIssue = self.body()?;
        required("Title", &new.title)?;
        let writer = self.access(repo) >= Access::Write;
        let mut logins = new.assignees;
        logins.extend(Some(new.assignee).filter(|login| !login.is_empty()));
        let assignees = if writer { self.assignable(repo, &logins)? } else { Vec::new() };
        let labels = if writer { self.labels_by_id(repo, &new.labels) } else { Vec::new() };
        let mut doing = self.doing();
        let key = doing.open(Opening { repo, author, title: new.title, body: new.body, pull: None });
        doing.attach(key, author, &labels);
        doing.issue_webhook(key, author, "issues", "opened", None);
        if !labels.is_empty() {
            doing.label_webhook(key, author, "label_updated");
        }
        doing.assign(key, author, &assignees);
        if new.closed {
            doing.close(key, author);
        }
        Ok(Answer::json(201, &self.view().show_issue(self.found(key)?)))
    }

    /// The labels of a repository among these; others are dropped without a word.
    pub(super) fn labels_by_id(&self, repo: RepoId, ids: &[u64]) -> Vec<LabelId> {
        let known = |id: &LabelId| self.state.labels.get(id).is_some_and(|label| label.repo == repo);
        ids.iter().map(|id| LabelId(*id)).filter(known).collect()
    }

    /// The users behind logins. An unknown one is a blank 500 on a real forge, so it is here.
    pub(super) fn assignable(&self, repo: RepoId, logins: &[String]) -> Result<Vec<UserId>, Halt> {
        let repo = self.repo(repo)?;
        let mut users = Vec::new();
        for login in logins {
            let user = self.state.user_named(login).filter(|user| self.state.user_access(repo, user.id) >= Access::Read);
            let user = user.ok_or_else(super::answer::blank_500)?.id;
            if !users.contains(&user) {
                users.push(user);
            }
        }
        Ok(users)
    }
}

impl Doing<'_> {
    /// Makes an issue or pull request with the repository's next number.
    pub(super) fn open(&mut self, opening: Opening) -> IssueKey {
        let Opening { repo, author, title, body, pull } = opening;
        let number = self.state.repos.get_mut(&repo).map_or(0, |repo| {
            repo.next_number += 1;
            repo.next_number - 1
        });
        let key = IssueKey(repo, number);
        let issue = Issue {
            key,
            id: self.state.next("issue"),
            author,
            title,
            body,
            state: Standing::Open,
            labels: BTreeSet::new(),
            assignees: Vec::new(),
            comments: 0,
            created: self.now,
            updated: self.now,
            closed: None,
            reactions: Vec::new(),
            depends_on: BTreeSet::new(),
            pull,
        };
        self.state.issues.insert(key, issue);
        key
    }

    /// Closes an issue or pull request.
    pub(super) fn close(&mut self, key: IssueKey, doer: UserId) {
        let now = self.now;
        if let Some(issue) = self.state.issues.get_mut(&key) {
            issue.state = Standing::Closed;
            issue.closed = Some(now);
        }
        self.record(key, doer, What::Close);
        self.issue_webhook(key, doer, "issues", "closed", None);
    }

    /// Opens it again.
    pub(super) fn reopen(&mut self, key: IssueKey, doer: UserId) {
        if let Some(issue) = self.state.issues.get_mut(&key) {
            issue.state = Standing::Open;
            issue.closed = None;
        }
        self.record(key, doer, What::Reopen);
        self.issue_webhook(key, doer, "issues", "reopened", None);
    }

    /// Makes these the assignees.
    pub(super) fn assign(&mut self, key: IssueKey, doer: UserId, users: &[UserId]) {
        let before = self.state.issues.get(&key).map(|issue| issue.assignees.clone()).unwrap_or_default();
        if before == users {
            return;
        }
        if let Some(issue) = self.state.issues.get_mut(&key) {
            issue.assignees = users.to_vec();
        }
        for user in before.iter().filter(|user| !users.contains(user)) {
            self.record(key, doer, What::Assignee { user: *user, removed: true });
            self.issue_webhook(key, doer, "issue_assign", "unassigned", None);
        }
        for user in users.iter().filter(|user| !before.contains(user)) {
            self.record(key, doer, What::Assignee { user: *user, removed: false });
            self.issue_webhook(key, doer, "issue_assign", "assigned", None);
        }
    }
}
