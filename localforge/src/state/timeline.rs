//! The timeline of an issue: the only record of who labelled.

use super::answer::{Handled, Page};
use super::records::*;
use super::show::View;
use super::{Answer, Call};
use crate::wire::{self, Stamp};

impl Call<'_> {
    /// An empty page is `null`, and the total is that of the page: so it is on a real forge.
    pub(super) fn list_timeline(&self, key: IssueKey) -> Handled {
        let (since, before) = (self.time_asked("since")?, self.time_asked("before")?);
        let issue = self.found(key)?;
        let within = |event: &&Event| {
            since.is_none_or(|since| event.updated >= since) && before.is_none_or(|before| event.updated <= before)
        };
        let all: Vec<&Event> = self.state.timeline(key).filter(within).collect();
        let list = match Page::if_named(self.request) {
            Some(page) => page.cut(all),
            None => all,
        };
        let list: Vec<_> = list.into_iter().map(|event| self.view().show_event(event, issue)).collect();
        let total = list.len();
        Ok(Answer::json(200, &Some(list).filter(|list| !list.is_empty())).header("x-total-count", total))
    }
}

impl View<'_> {
    fn show_event(&self, event: &Event, issue: &Issue) -> wire::Event {
        let (issue_url, pull_request_url) = self.entry_links(issue);
        let other = |key: &IssueKey| self.issues.get(key).map(|issue| self.show_issue(issue));
        let mut shown = wire::Event {
            id: event.id.0,
            kind: "comment",
            html_url: format!("{}#issuecomment-{}", self.issue_page(issue), event.id.0),
            pull_request_url,
            issue_url,
            user: self.show_user(event.author),
            body: String::new(),
            created_at: Stamp(event.created),
            updated_at: Stamp(event.updated),
            milestone: wire::Nothing,
            old_title: String::new(),
            new_title: String::new(),
            ref_issue: None,
            ref_action: "none",
            ref_commit_sha: String::new(),
            review_id: 0,
            label: None,
            assignee: None,
            removed_assignee: false,
            dependent_issue: None,
        };
        match &event.what {
            What::Comment { body, .. } => shown.body.clone_from(body),
            What::Label { label, added } => {
                shown.kind = "label";
                shown.body = if *added { "1".into() } else { String::new() };
                shown.label = self.labels.get(label).map(|label| self.show_label(label));
            }
            What::Close => shown.kind = "close",
            What::Reopen => shown.kind = "reopen",
            What::ChangeTitle { old, new } => {
                shown.kind = "change_title";
                shown.old_title.clone_from(old);
                shown.new_title.clone_from(new);
            }
            What::Assignee { user, removed } => {
                shown.kind = "assignees";
                shown.assignee = Some(self.show_user(*user));
                shown.removed_assignee = *removed;
            }
            What::AddDependency { other: key } => {
                shown.kind = "add_dependency";
                shown.dependent_issue = other(key);
            }
            What::RemoveDependency { other: key } => {
                shown.kind = "remove_dependency";
                shown.dependent_issue = other(key);
            }
            What::PullRef { pull, closes } => {
                shown.kind = "pull_ref";
                shown.ref_issue = other(pull);
                shown.ref_action = if *closes { "closes" } else { "none" };
            }
            What::PullPush { force, commits } => {
                shown.kind = "pull_push";
                shown.body = serde_json::json!({ "is_force_push": force, "commit_ids": commits }).to_string();
            }
            What::Review { review, body } => {
                shown.kind = "review";
                shown.body.clone_from(body);
                shown.review_id = review.0;
            }
            What::ReviewRequest { user } => {
                shown.kind = "review_request";
                shown.assignee = Some(self.show_user(*user));
            }
            What::DismissReview { review } => {
                shown.kind = "dismiss_review";
                shown.review_id = review.0;
            }
            What::MergePull { commit } => {
                shown.kind = "merge_pull";
                shown.ref_commit_sha.clone_from(commit);
            }
            What::DeleteBranch { name } => {
                shown.kind = "delete_branch";
                shown.body.clone_from(name);
            }
        }
        shown
    }
}
