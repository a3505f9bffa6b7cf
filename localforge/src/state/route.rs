//! Which handler answers which call, and what is checked before any of them: credentials, scope, repository.

use super::access::Category;
use super::answer::{Halt, Handled, Refusal, missing, says};
use super::records::*;
use super::{Answer, Call, Method};
use crate::wire;

/// The version that the answers are modelled on.
const VERSION: &str = "15.0.3+gitea-1.22.0";

impl Call<'_> {
    pub(super) fn route(&mut self) -> Handled {
        self.actor = match self.state.authenticate(&self.request.credentials) {
            Ok(actor) => actor,
            Err(message) => return says(401, message),
        };
        let path: Vec<&str> = self.request.path.iter().map(String::as_str).collect();
        match (self.request.method, path.as_slice()) {
            (Method::Get, ["version"]) => Ok(Answer::json(200, &wire::Version { version: VERSION })),
            (Method::Get, ["settings", "api"]) => Ok(Answer::json(200, &wire::ApiSettings::default())),
            (Method::Get, ["user"]) => self.get_self(),
            (Method::Post, ["user", "repos"]) => self.create_own_repo(),
            (Method::Get, ["user", "repos"]) => self.list_own_repos(),
            (Method::Post, ["admin", "users"]) => self.create_user(),
            (Method::Post, ["admin", "users", login, "repos"]) => self.create_repo_for(login),
            (Method::Get, ["users", login]) => self.get_user(login),
            (Method::Post, ["users", login, "tokens"]) => self.create_token(login),
            (Method::Get, ["users", login, "tokens"]) => self.list_tokens(login),
            (Method::Delete, ["users", login, "tokens", token]) => self.delete_token(login, token),
            (Method::Get, ["repos", "issues", "search"]) => {
                self.need_scope(Category::Issue)?;
                self.search_issues()
            }
            (_, ["repos", owner, name, rest @ ..]) => {
                let issues = matches!(rest.first(), Some(&("issues" | "labels" | "milestones")));
                self.need_scope(if issues { Category::Issue } else { Category::Repository })?;
                let repo = self.assigned_repo(owner, name)?;
                if issues { self.route_issues(repo, rest) } else { self.route_repo(repo, rest) }
            }
            _ => Err(missing()),
        }
    }

    /// The repository that the path names; whoever may not see it is told that there is none.
    fn assigned_repo(&self, owner: &str, name: &str) -> Result<RepoId, Halt> {
        let (repo, moved) = self.state.find_repo(owner, name).ok_or_else(missing)?;
        if self.state.access(repo, self.actor) < Access::Read {
            return Err(missing());
        }
        if !moved {
            return Ok(repo.id);
        }
        let (old, new) = (format!("/repos/{owner}/{name}"), format!("/repos/{}", self.state.full_name(repo)));
        let location = self.request.raw_path.replacen(&old, &new, 1);
        Err(Refusal::Moved { get: self.request.method == Method::Get, location }.into())
    }

    fn route_issues(&mut self, repo: RepoId, rest: &[&str]) -> Handled {
        use Method::{Delete, Get, Patch, Post, Put};
        match (self.request.method, rest) {
            (Get, ["labels"]) => self.list_labels(repo),
            (Post, ["labels"]) => self.create_label(repo),
            (Get, ["labels", id]) => self.get_label(repo, id),
            (Patch, ["labels", id]) => self.edit_label(repo, id),
            (Delete, ["labels", id]) => self.delete_label(repo, id),
            (Get, ["issues"]) => self.list_issues(repo),
            (Post, ["issues"]) => self.create_issue(repo),
            (Get, ["issues", "comments"]) => self.list_repo_comments(repo),
            (Get, ["issues", "comments", id]) => self.get_comment(repo, id),
            (Patch, ["issues", "comments", id]) => self.edit_comment(repo, id),
            (Delete, ["issues", "comments", id]) => self.delete_comment(repo, id),
            (Get, ["issues", "comments", id, "reactions"]) => self.list_comment_reactions(repo, id),
            (Post, ["issues", "comments", id, "reactions"]) => self.react_to_comment(repo, id),
            (_, ["issues", number, what @ ..]) => {
                let post_comment = self.request.method == Post && *what == ["comments"];
                let issue = match self.issue_numbered(repo, number) {
                    Err(_) if post_comment => return self.comment_on_missing(repo, number),
                    found => found?,
                };
                match (self.request.method, what) {
                    (Get, []) => self.get_issue(issue),
                    (Patch, []) => self.edit_issue(issue),
                    (Get, ["labels"]) => self.labels_of_issue(issue),
                    (Post, ["labels"]) => self.add_labels(issue),
                    (Put, ["labels"]) => self.replace_labels(issue),
                    (Delete, ["labels"]) => self.clear_labels(issue),
                    (Delete, ["labels", label]) => self.remove_label(issue, label),
                    (Get, ["comments"]) => self.list_comments(issue),
                    (Post, ["comments"]) => self.create_comment(issue),
                    (Get, ["timeline"]) => self.list_timeline(issue),
                    (Get, ["reactions"]) => self.list_reactions(issue),
                    (Post, ["reactions"]) => self.react_to_issue(issue),
                    (Get, ["dependencies"]) => self.list_dependencies(issue),
                    (Post, ["dependencies"]) => self.add_dependency(issue),
                    (Delete, ["dependencies"]) => self.remove_dependency(issue),
                    (Get, ["blocks"]) => self.list_blocks(issue),
                    _ => Err(missing()),
                }
            }
            _ => Err(missing()),
        }
    }

    fn route_repo(&mut self, repo: RepoId, rest: &[&str]) -> Handled {
        use Method::{Delete, Get, Patch, Post, Put};
        match (self.request.method, rest) {
            (Get, []) => self.get_repo(repo),
            (Patch, []) => self.edit_repo(repo),
            (Get, ["collaborators"]) => self.list_collaborators(repo),
            (Get, ["collaborators", login]) => self.is_collaborator(repo, login),
            (Put, ["collaborators", login]) => self.add_collaborator(repo, login),
            (Delete, ["collaborators", login]) => self.remove_collaborator(repo, login),
            (Get, ["collaborators", login, "permission"]) => self.permission(repo, login),
            (Get, ["assignees"]) => self.list_assignees(repo),
            (Get, ["reviewers"]) => self.list_reviewers(repo),
            (Get, ["hooks"]) => self.list_hooks(repo),
            (Post, ["hooks"]) => self.create_hook(repo),
            (Get, ["hooks", id]) => self.get_hook(repo, id),
            (Delete, ["hooks", id]) => self.delete_hook(repo, id),
            (Get, ["branch_protections"]) => self.list_protections(repo),
            (Post, ["branch_protections"]) => self.create_protection(repo),
            (Get, ["branch_protections", name]) => self.get_protection(repo, name),
            (Patch, ["branch_protections", name]) => self.edit_protection(repo, name),
            (Delete, ["branch_protections", name]) => self.delete_protection(repo, name),
            (Get, ["branches"]) => self.list_branches(repo),
            (Post, ["branches"]) => self.create_branch(repo),
            (Get, ["branches", name @ ..]) => self.get_branch(repo, &name.join("/")),
            (Delete, ["branches", name @ ..]) => self.delete_branch(repo, &name.join("/")),
            (Get, ["git", "refs", prefix @ ..]) => self.list_refs(repo, &prefix.join("/")),
            (Get, ["commits"]) => self.list_commits(repo),
            (Get, ["git", "commits", commit]) => self.get_commit(repo, commit),
            (Get, ["commits", commit, "pull"]) => self.pull_of_merge(repo, commit),
            (Get, ["commits", reference @ .., "status"]) => self.combined_status(repo, &reference.join("/")),
            (Get, ["commits", reference @ .., "statuses"]) => self.list_statuses(repo, &reference.join("/")),
            (Get, ["statuses", reference @ ..]) => self.list_statuses(repo, &reference.join("/")),
            (Post, ["statuses", commit]) => self.create_status(repo, commit),
            (Get, ["compare", range @ ..]) => self.compare(repo, &range.join("/")),
            // It has no CI of its own.
            (Get, ["actions", "runs"]) => Ok(Answer::json(200, &wire::ActionRuns::default())),
            (Get, ["contents", path @ ..]) => self.get_contents(repo, &path.join("/")),
            (Post, ["contents", path @ ..]) => self.create_file(repo, &path.join("/")),
            (Put, ["contents", path @ ..]) => self.update_file(repo, &path.join("/")),
            (Delete, ["contents", path @ ..]) => self.delete_file(repo, &path.join("/")),
            (Get, ["raw", path @ ..]) => self.get_raw(repo, &path.join("/")),
            (_, ["pulls", rest @ ..]) => self.route_pulls(repo, rest),
            _ => Err(missing()),
        }
    }

    fn route_pulls(&mut self, repo: RepoId, rest: &[&str]) -> Handled {
        use Method::{Delete, Get, Patch, Post};
        let method = self.request.method;
        let (number, what) = match (method, rest) {
            (Get, []) => return self.list_pulls(repo),
            (Post, []) => return self.create_pull(repo),
            (Get, [number]) if number.ends_with(".diff") || number.ends_with(".patch") => return self.pull_patch(repo, number),
            (_, [number, what @ ..]) => (*number, what),
            _ => return Err(missing()),
        };
        let pull = match self.pull_numbered(repo, number) {
            // `pulls/{base}/{head}`: a base that is a number of a pull request is not told apart, as on a real forge.
            Err(_) if method == Get && !what.is_empty() => return self.pull_between(repo, number, &what.join("/")),
            found => found?,
        };
        match (method, what) {
            (Get, []) => self.get_pull(pull),
            (Patch, []) => self.edit_pull(pull),
            (Get, ["files"]) => self.pull_files(pull),
            (Get, ["commits"]) => self.pull_commits(pull),
            (Get, ["merge"]) => self.is_merged(pull),
            (Post, ["merge"]) => self.merge_pull(pull),
            (Delete, ["merge"]) => self.unschedule_merge(pull),
            (Post, ["update"]) => self.update_pull(pull),
            (Get, ["reviews"]) => self.list_reviews(pull),
            (Post, ["reviews"]) => self.create_review(pull),
            (Get, ["reviews", id, "comments"]) => self.review_comments(pull, id),
            (Post, ["reviews", id, "comments"]) => self.create_review_comment(pull, id),
            (Post, ["reviews", id, "dismissals"]) => self.dismiss_review(pull, id),
            (Post, ["requested_reviewers"]) => self.request_reviewers(pull),
            (Delete, ["requested_reviewers"]) => self.unrequest_reviewers(pull),
            (Get, [..]) => self.pull_between(repo, number, &what.join("/")),
            _ => Err(missing()),
        }
    }
}
