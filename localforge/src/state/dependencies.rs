//! Dependencies between issues: a duplicate or a circle is a blank 500, as on a real forge.

use super::answer::{Halt, Handled, Page, Refusal, blank_500, missing};
use super::records::*;
use super::{Answer, Call, State};
use crate::wire::{self, asked};

impl State {
    /// Whether something that has to be closed first is open.
    pub(super) fn has_open_dependencies(&self, issue: &Issue) -> bool {
        issue.depends_on.iter().any(|key| self.issues.get(key).is_some_and(|issue| issue.state == Standing::Open))
    }

    /// Whether `from` depends on `to`, straight or by way of others.
    fn depends(&self, from: IssueKey, to: IssueKey) -> bool {
        let mut seen = std::collections::BTreeSet::new();
        let mut open = vec![from];
        while let Some(key) = open.pop() {
            if key == to {
                return true;
            }
            if seen.insert(key) {
                open.extend(self.issues.get(&key).into_iter().flat_map(|issue| issue.depends_on.iter().copied()));
            }
        }
        false
    }
}

impl Call<'_> {
    fn shown<'i>(&self, keys: impl Iterator<Item = &'i IssueKey>) -> Handled {
        let visible = |key: &&IssueKey| self.access(key.0) >= Access::Read;
        let list: Vec<wire::Issue> = keys
            .filter(visible)
            .filter_map(|key| self.state.issues.get(key))
            .map(|issue| self.view().show_issue(issue))
            .collect();
        Ok(Answer::json(200, &Page::of(self.request).cut(list)))
    }

    pub(super) fn list_dependencies(&self, key: IssueKey) -> Handled {
        self.shown(self.found(key)?.depends_on.iter())
    }

    pub(super) fn list_blocks(&self, key: IssueKey) -> Handled {
        let blocked: Vec<IssueKey> =
            self.state.issues.values().filter(|issue| issue.depends_on.contains(&key)).map(|issue| issue.key).collect();
        self.shown(blocked.iter())
    }

    /// The other issue, named by the body.
    fn other_issue(&self) -> Result<IssueKey, Halt> {
        let named: asked::IssueNamed = self.body()?;
        match self.state.find_repo(&named.owner, &named.repo) {
            Some((repo, false)) if self.state.access(repo, self.actor) >= Access::Read => {
                self.issue_numbered(repo.id, &named.index.to_string())
            }
            _ => Err(missing()),
        }
    }

    fn need_dependency_writer(&self, key: IssueKey) -> Result<UserId, Halt> {
        let user = self.user()?;
        self.need_unarchived(key.0)?;
        if self.access(key.0) >= Access::Write { Ok(user) } else { Err(Refusal::Blank(403).into()) }
    }

    pub(super) fn add_dependency(&mut self, key: IssueKey) -> Handled {
        let user = self.need_dependency_writer(key)?;
        let other = self.other_issue()?;
        if self.found(key)?.depends_on.contains(&other) || self.state.depends(other, key) {
            return Err(blank_500());
        }
        let shown = self.view().show_issue(self.found(key)?);
        if let Some(issue) = self.state.issues.get_mut(&key) {
            issue.depends_on.insert(other);
        }
        let mut doing = self.doing();
        doing.record(key, user, What::AddDependency { other });
        doing.record(other, user, What::AddDependency { other: key });
        Ok(Answer::json(201, &shown))
    }

    pub(super) fn remove_dependency(&mut self, key: IssueKey) -> Handled {
        let user = self.need_dependency_writer(key)?;
        let other = self.other_issue()?;
        if !self.found(key)?.depends_on.contains(&other) {
            return Err(missing());
        }
        if let Some(issue) = self.state.issues.get_mut(&key) {
            issue.depends_on.remove(&other);
        }
        let mut doing = self.doing();
        doing.record(key, user, What::RemoveDependency { other });
        doing.record(other, user, What::RemoveDependency { other: key });
        Ok(Answer::json(201, &self.view().show_issue(self.found(key)?)))
    }
}
