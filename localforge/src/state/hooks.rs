//! Webhooks: keeping them, and what is delivered to whom. A delivery is only described here; the shell makes it, once.

use serde::Serialize;

use super::answer::{Delivery, Halt, Handled, Page, missing, says};
use super::records::*;
use super::show::View;
use super::{Answer, Call, Doing};
use crate::wire::{self, Stamp, asked};

/// The events there are, in the order they are listed, with the coarse event that switches them on too.
const EVENTS: [(&str, &str); 22] = [
    ("create", ""),
    ("delete", ""),
    ("push", ""),
    ("issues", ""),
    ("issue_assign", "issues"),
    ("issue_label", "issues"),
    ("issue_milestone", "issues"),
    ("issue_comment", "issues"),
    ("pull_request", ""),
    ("pull_request_assign", "pull_request"),
    ("pull_request_label", "pull_request"),
    ("pull_request_milestone", "pull_request"),
    ("pull_request_comment", "pull_request"),
    ("pull_request_review_approved", "pull_request"),
    ("pull_request_review_rejected", "pull_request"),
    ("pull_request_review_comment", "pull_request"),
    ("pull_request_sync", "pull_request"),
    ("pull_request_review_request", "pull_request"),
    ("release", ""),
    ("action_run_failure", ""),
    ("action_run_recover", ""),
    ("action_run_success", ""),
];

/// The events that a list of names switches on; none means pushes.
fn events(named: &[String]) -> Vec<String> {
    if named.is_empty() {
        return vec!["push".into()];
    }
    let named = |event: &str| named.iter().any(|name| name == event);
    EVENTS.iter().filter(|(event, by)| named(event) || named(by)).map(|(event, _)| (*event).to_owned()).collect()
}

impl Call<'_> {
    fn hook(&self, repo: RepoId, id: &str) -> Result<&Hook, Halt> {
        let id = HookId(id.parse().map_err(|_| missing())?);
        self.state.hooks.get(&id).filter(|hook| hook.repo == repo).ok_or_else(missing)
    }

    pub(super) fn create_hook(&mut self, repo: RepoId) -> Handled {
        self.need_repo_admin(repo)?;
        let new: asked::NewHook = self.body()?;
        super::users::required("Type", &new.r#type)?;
        if !matches!(new.r#type.as_str(), "forgejo" | "gitea") {
            return says(422, format!("Invalid hook type: {}", new.r#type));
        }
        if new.config.url.is_empty() {
            return says(422, "Missing config option: url");
        }
        if !matches!(new.config.content_type.as_str(), "json" | "form") {
            return says(422, "Invalid content type");
        }
        let id = HookId(self.state.next("hook"));
        let hook = Hook {
            id,
            repo,
            kind: new.r#type,
            url: new.config.url,
            content_type: new.config.content_type,
            secret: new.config.secret,
            events: events(&new.events),
            branch_filter: new.branch_filter,
            active: new.active,
            created: self.request.now,
            updated: self.request.now,
        };
        let shown = show(&hook);
        self.state.hooks.insert(id, hook);
        Ok(Answer::json(201, &shown))
    }

    pub(super) fn list_hooks(&self, repo: RepoId) -> Handled {
        self.need_repo_admin(repo)?;
        let all: Vec<_> = self.state.hooks.values().filter(|hook| hook.repo == repo).map(show).collect();
        let total = all.len();
        Ok(Answer::json(200, &Page::of(self.request).cut(all)).header("x-total-count", total))
    }

    pub(super) fn get_hook(&self, repo: RepoId, id: &str) -> Handled {
        self.need_repo_admin(repo)?;
        Ok(Answer::json(200, &show(self.hook(repo, id)?)))
    }

    pub(super) fn delete_hook(&mut self, repo: RepoId, id: &str) -> Handled {
        self.need_repo_admin(repo)?;
        let id = self.hook(repo, id)?.id;
        self.state.hooks.remove(&id);
        Ok(Answer::empty(204))
    }
}

fn show(hook: &Hook) -> wire::Hook {
    wire::Hook {
        id: hook.id.0,
        kind: hook.kind.clone(),
        branch_filter: hook.branch_filter.clone(),
        url: hook.url.clone(),
        config: wire::HookConfig { content_type: hook.content_type.clone(), url: hook.url.clone() },
        events: hook.events.clone(),
        authorization_header: "",
        content_type: hook.content_type.clone(),
        active: hook.active,
        updated_at: Stamp(hook.updated),
        created_at: Stamp(hook.created),
    }
}

/// The header word of a fine event that differs from it.
fn coarse(event_type: &'static str) -> &'static str {
    match event_type {
        "issue_assign" | "issue_label" => "issues",
        "pull_request_assign" | "pull_request_label" | "pull_request_sync" | "pull_request_review_request" => "pull_request",
        "pull_request_comment" => "issue_comment",
        "pull_request_review_approved" => "pull_request_approved",
        "pull_request_review_rejected" => "pull_request_rejected",
        "pull_request_review_comment" => "pull_request_comment",
        other => other,
    }
}

impl Doing<'_> {
    /// Who wants to hear of it. Only branch events pass a branch.
    fn listeners(&self, repo: RepoId, event_type: &str, branch: Option<&str>) -> Vec<HookId> {
        let hears = |hook: &&Hook| {
            hook.repo == repo
                && hook.active
                && hook.events.iter().any(|event| event == event_type)
                && branch.is_none_or(|branch| super::protections::glob_matches(&hook.branch_filter, branch) != Some(false))
        };
        self.state.hooks.values().filter(hears).map(|hook| hook.id).collect()
    }

    /// Describes a delivery to everybody who wants to hear of it.
    pub(super) fn deliver(
        &mut self,
        repo: RepoId,
        event_type: &'static str,
        (branch, doer): (Option<&str>, UserId),
        payload: impl FnOnce(View<'_>) -> Option<String>,
    ) {
        let listeners = self.listeners(repo, event_type, branch);
        if listeners.is_empty() {
            return;
        }
        let Some(payload) = payload(self.state.seen_by(Call::as_user(doer))) else { return };
        for hook in listeners.iter().filter_map(|id| self.state.hooks.get(id)) {
            self.deliveries.push(Delivery {
                url: hook.url.clone(),
                secret: hook.secret.clone(),
                event: coarse(event_type),
                event_type,
                payload: payload.clone(),
            });
        }
    }

    /// Tells of an issue, or of a pull request under the names that those have.
    pub(super) fn issue_webhook(
        &mut self,
        key: IssueKey,
        doer: UserId,
        event_type: &'static str,
        action: &'static str,
        changes: Option<wire::Changes>,
    ) {
        if self.state.issues.get(&key).is_some_and(|issue| issue.pull.is_some()) {
            let event_type = match event_type {
                "issue_assign" => "pull_request_assign",
                "issue_label" => "pull_request_label",
                _ => "pull_request",
            };
            return self.pull_webhook(key, doer, event_type, action, changes);
        }
        self.deliver(key.0, event_type, (None, doer), |view| {
            let issue = view.issues.get(&key)?;
            text(&wire::IssuePayload {
                action,
                number: key.1,
                changes,
                issue: view.show_issue(issue),
                repository: view.shown_repo(key.0)?,
                sender: view.show_user(doer),
                commit_id: "",
            })
        });
    }

    pub(super) fn label_webhook(&mut self, key: IssueKey, doer: UserId, action: &'static str) {
        self.issue_webhook(key, doer, "issue_label", action, None);
    }

    pub(super) fn pull_webhook(
        &mut self,
        key: IssueKey,
        doer: UserId,
        event_type: &'static str,
        action: &'static str,
        changes: Option<wire::Changes>,
    ) {
        self.deliver(key.0, event_type, (None, doer), |view| text(&view.pull_payload(key, doer, action, changes)?));
    }

    pub(super) fn comment_webhook(&mut self, id: EventId, doer: UserId, action: &'static str, changes: Option<wire::Changes>) {
        let Some(key) = self.state.event_home.get(&id).copied() else { return };
        let is_pull = self.state.issues.get(&key).is_some_and(|issue| issue.pull.is_some());
        let event_type = if is_pull { "pull_request_comment" } else { "issue_comment" };
        self.deliver(key.0, event_type, (None, doer), |view| {
            let (issue, event) = (view.issues.get(&key)?, view.event(id)?);
            let What::Comment { body, .. } = &event.what else { return None };
            text(&wire::CommentPayload {
                action,
                issue: view.show_issue(issue),
                comment: view.show_comment(event, issue, body),
                changes,
                repository: view.shown_repo(key.0)?,
                sender: view.show_user(doer),
                is_pull,
            })
        });
    }
}

impl View<'_> {
    /// What is told of a pull request; a review is added by who knows of one.
    pub(super) fn pull_payload(
        &self,
        key: IssueKey,
        doer: UserId,
        action: &'static str,
        changes: Option<wire::Changes>,
    ) -> Option<wire::PullPayload> {
        Some(wire::PullPayload {
            action,
            number: key.1,
            changes,
            pull_request: self.show_pull(self.issues.get(&key)?)?,
            requested_reviewer: None,
            repository: self.shown_repo(key.0)?,
            sender: self.show_user(doer),
            commit_id: "",
            review: None,
        })
    }

    pub(super) fn shown_repo(&self, repo: RepoId) -> Option<wire::Repo> {
        Some(self.show_repo(self.repos.get(&repo)?))
    }
}

pub(super) fn text(payload: &impl Serialize) -> Option<String> {
    serde_json::to_string(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::events;

    #[test]
    fn coarse_names_switch_on_the_fine_ones_and_none_means_push() {
        assert_eq!(events(&[]), ["push"]);
        assert!(events(&["issues".into()]).contains(&"issue_label".to_owned()));
        assert!(!events(&["issue_label".into()]).contains(&"issues".to_owned()));
        assert_eq!(events(&["no_such_event".into()]), Vec::<String>::new());
    }
}
