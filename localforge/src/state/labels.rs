//! Labels of a repository, and labels on issues.
//!
//! Names are not unique and compare by case; what a name does not match is dropped without a word. Taking off a label that
//! is not on is no error, an unknown one is.

use std::collections::BTreeSet;

use super::answer::{Halt, Handled, Page, Refusal, missing, says};
use super::records::*;
use super::users::required;
use super::{Answer, Call, Doing};
use crate::wire::asked;

impl Call<'_> {
    pub(super) fn list_labels(&self, repo: RepoId) -> Handled {
        let all = self.view().show_labels(self.labels_in(repo));
        let total = all.len();
        let list = match Page::if_named(self.request) {
            Some(page) => page.cut(all),
            None => all,
        };
        Ok(Answer::json(200, &list).header("x-total-count", total))
    }

    fn labels_in(&self, repo: RepoId) -> impl Iterator<Item = &Label> {
        self.state.labels.values().filter(move |label| label.repo == repo)
    }

    pub(super) fn create_label(&mut self, repo: RepoId) -> Handled {
        self.need_writer(repo)?;
        let new: asked::NewLabel = self.body()?;
        required("Name", &new.name)?;
        required("Color", &new.color)?;
        let color = color(&new.color)?;
        let id = LabelId(self.state.next("label"));
        let (description, exclusive, is_archived) = (new.description, new.exclusive, new.is_archived);
        let label = Label { id, repo, name: new.name, color, description, exclusive, is_archived };
        let shown = self.view().show_label(&label);
        self.state.labels.insert(id, label);
        Ok(Answer::json(201, &shown))
    }

    fn label_by_id(&self, repo: RepoId, id: &str) -> Result<LabelId, Halt> {
        let id = LabelId(id.parse().map_err(|_| missing())?);
        self.state.labels.get(&id).filter(|label| label.repo == repo).map(|label| label.id).ok_or_else(missing)
    }

    pub(super) fn get_label(&self, repo: RepoId, id: &str) -> Handled {
        let id = self.label_by_id(repo, id)?;
        let label = self.state.labels.get(&id).ok_or_else(missing)?;
        Ok(Answer::json(200, &self.view().show_label(label)))
    }

    pub(super) fn edit_label(&mut self, repo: RepoId, id: &str) -> Handled {
        self.need_writer(repo)?;
        let key = self.label_by_id(repo, id)?;
        let edit: asked::EditLabel = self.body()?;
        let color = edit.color.as_deref().map(color).transpose()?;
        if let Some(label) = self.state.labels.get_mut(&key) {
            label.name = edit.name.unwrap_or_else(|| label.name.clone());
            label.color = color.unwrap_or_else(|| label.color.clone());
            label.description = edit.description.unwrap_or_else(|| label.description.clone());
            label.exclusive = edit.exclusive.unwrap_or(label.exclusive);
            label.is_archived = edit.is_archived.unwrap_or(label.is_archived);
        }
        self.get_label(repo, id)
    }

    pub(super) fn delete_label(&mut self, repo: RepoId, id: &str) -> Handled {
        self.need_writer(repo)?;
        let id = self.label_by_id(repo, id)?;
        self.state.labels.remove(&id);
        let wearing: Vec<_> = self.state.issues_of(repo).filter(|issue| issue.labels.contains(&id)).map(|i| i.key).collect();
        for key in wearing {
            if let Some(issue) = self.state.issues.get_mut(&key) {
                issue.labels.remove(&id);
            }
        }
        Ok(Answer::empty(204))
    }

    pub(super) fn labels_of_issue(&self, issue: IssueKey) -> Handled {
        let issue = self.state.issues.get(&issue).ok_or_else(missing)?;
        Ok(Answer::json(200, &self.view().show_labels_of(issue)))
    }

    /// On an issue's labels a reader is refused without a word.
    fn label_writer(&self, repo: RepoId) -> Result<UserId, Halt> {
        let user = self.user()?;
        if self.access(repo) >= Access::Write { Ok(user) } else { Err(Refusal::Blank(403).into()) }
    }

    /// The labels that a body names: all by id or all by name.
    fn named_labels(&self, repo: RepoId) -> Result<Vec<LabelId>, Halt> {
        let asked: asked::Labels = self.body()?;
        let mut ids = BTreeSet::new();
        let mut names = BTreeSet::new();
        for value in &asked.labels {
            match (value.as_u64(), value.as_str()) {
                (Some(id), _) => ids.insert(id),
                (_, Some(name)) => names.insert(name),
                _ => return says(400, "labels should be an array of strings or integers"),
            };
        }
        if !ids.is_empty() && !names.is_empty() {
            return says(400, "labels should be an array of strings or integers");
        }
        let found = self.labels_in(repo).filter(|label| ids.contains(&label.id.0) || names.contains(label.name.as_str()));
        Ok(found.map(|label| label.id).collect())
    }

    pub(super) fn add_labels(&mut self, issue: IssueKey) -> Handled {
        let user = self.label_writer(issue.0)?;
        let labels = self.named_labels(issue.0)?;
        let mut doing = self.doing();
        doing.attach(issue, user, &labels);
        doing.label_webhook(issue, user, "label_updated");
        self.labels_of_issue(issue)
    }

    pub(super) fn replace_labels(&mut self, issue: IssueKey) -> Handled {
        let user = self.label_writer(issue.0)?;
        let labels = self.named_labels(issue.0)?;
        let mut doing = self.doing();
        doing.set_labels(issue, user, &labels);
        doing.label_webhook(issue, user, "label_updated");
        self.labels_of_issue(issue)
    }

    pub(super) fn clear_labels(&mut self, issue: IssueKey) -> Handled {
        let user = self.label_writer(issue.0)?;
        let mut doing = self.doing();
        doing.set_labels(issue, user, &[]);
        doing.label_webhook(issue, user, "label_cleared");
        Ok(Answer::empty(204))
    }

    pub(super) fn remove_label(&mut self, issue: IssueKey, which: &str) -> Handled {
        let user = self.label_writer(issue.0)?;
        let number = which.parse::<u64>().ok();
        let named = |label: &&Label| label.name == which || number == Some(label.id.0);
        let Some(label) = self.labels_in(issue.0).find(named).map(|label| label.id) else {
            let id = number.unwrap_or(0);
            return says(422, format!("label does not exist [label_id: {id}, repo_id: {}]", issue.0.0));
        };
        let mut doing = self.doing();
        doing.detach(issue, user, label);
        doing.label_webhook(issue, user, "label_updated");
        Ok(Answer::empty(204))
    }
}

impl Doing<'_> {
    /// Puts labels on an issue; an exclusive one takes its siblings off.
    pub(super) fn attach(&mut self, issue: IssueKey, user: UserId, labels: &[LabelId]) {
        for label in labels {
            let Some(scope) = self.state.labels.get(label).map(|label| label.exclusive_scope().map(str::to_owned)) else {
                continue;
            };
            let worn = |doing: &Self| doing.state.issues.get(&issue).map(|issue| issue.labels.clone()).unwrap_or_default();
            if worn(self).contains(label) {
                continue;
            }
            for sibling in worn(self) {
                let shares = |label: &Label| scope.is_some() && label.exclusive_scope() == scope.as_deref();
                if self.state.labels.get(&sibling).is_some_and(shares) {
                    self.detach(issue, user, sibling);
                }
            }
            if let Some(issue) = self.state.issues.get_mut(&issue) {
                issue.labels.insert(*label);
            }
            self.record(issue, user, What::Label { label: *label, added: true });
        }
    }

    /// Takes a label off, if it is on.
    pub(super) fn detach(&mut self, issue: IssueKey, user: UserId, label: LabelId) {
        if !self.state.issues.get(&issue).is_some_and(|issue| issue.labels.contains(&label)) {
            return;
        }
        if let Some(issue) = self.state.issues.get_mut(&issue) {
            issue.labels.remove(&label);
        }
        self.record(issue, user, What::Label { label, added: false });
    }

    /// Makes these the labels of an issue: first what is new, then what goes.
    pub(super) fn set_labels(&mut self, issue: IssueKey, user: UserId, labels: &[LabelId]) {
        let worn = self.state.issues.get(&issue).map(|issue| issue.labels.clone()).unwrap_or_default();
        self.attach(issue, user, labels);
        for label in worn.iter().filter(|label| !labels.contains(label)) {
            self.detach(issue, user, *label);
        }
    }
}

/// Six hex digits, with or without `#`, in small letters.
fn color(text: &str) -> Result<String, Halt> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(digits.to_ascii_lowercase())
    } else {
        says(422, format!("bad color code: {text}"))
    }
}
