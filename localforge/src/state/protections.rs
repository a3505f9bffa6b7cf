//! Branch protections: keeping them, and what they forbid.

use globset::GlobBuilder;

use super::answer::{Halt, Handled, Page, missing, says};
use super::records::*;
use super::statuses::combined;
use super::{Answer, Call, State};
use crate::wire::{self, Stamp, asked};

/// Whether a glob matches; nothing where there is no glob, or none that can be read.
pub(super) fn glob_matches(glob: &str, text: &str) -> Option<bool> {
    if glob.is_empty() {
        return None;
    }
    let glob = GlobBuilder::new(glob).literal_separator(false).build().ok()?;
    Some(glob.compile_matcher().is_match(text))
}

impl Repo {
    /// The protection of a branch: the rule of its very name, else the first whose glob matches.
    pub(super) fn protection(&self, branch: &str) -> Option<&Protection> {
        self.protections
            .iter()
            .find(|rule| rule.rule_name == branch)
            .or_else(|| self.protections.iter().find(|rule| glob_matches(&rule.rule_name, branch) == Some(true)))
    }
}

impl Protection {
    /// Whether somebody may push to a branch under this rule.
    pub(super) fn lets_push(&self, login: &str) -> bool {
        self.enable_push && (!self.enable_push_whitelist || self.push_whitelist.iter().any(|name| name == login))
    }

    fn lets_merge(&self, login: &str) -> bool {
        !self.enable_merge_whitelist || self.merge_whitelist.iter().any(|name| name == login)
    }

    fn take(&mut self, asked: asked::Protection) {
        let set = |field: &mut bool, asked: Option<bool>| *field = asked.unwrap_or(*field);
        set(&mut self.enable_push, asked.enable_push);
        set(&mut self.enable_push_whitelist, asked.enable_push_whitelist);
        set(&mut self.enable_merge_whitelist, asked.enable_merge_whitelist);
        set(&mut self.enable_status_check, asked.enable_status_check);
        set(&mut self.block_on_rejected_reviews, asked.block_on_rejected_reviews);
        set(&mut self.block_on_official_review_requests, asked.block_on_official_review_requests);
        set(&mut self.block_on_outdated_branch, asked.block_on_outdated_branch);
        set(&mut self.dismiss_stale_approvals, asked.dismiss_stale_approvals);
        set(&mut self.ignore_stale_approvals, asked.ignore_stale_approvals);
        set(&mut self.apply_to_admins, asked.apply_to_admins);
        let set = |field: &mut Vec<String>, asked: Option<Vec<String>>| *field = asked.unwrap_or(std::mem::take(field));
        set(&mut self.push_whitelist, asked.push_whitelist_usernames);
        set(&mut self.merge_whitelist, asked.merge_whitelist_usernames);
        set(&mut self.status_check_contexts, asked.status_check_contexts);
        let set = |field: &mut String, asked: Option<String>| *field = asked.unwrap_or(std::mem::take(field));
        set(&mut self.protected_file_patterns, asked.protected_file_patterns);
        set(&mut self.unprotected_file_patterns, asked.unprotected_file_patterns);
        self.required_approvals = asked.required_approvals.unwrap_or(self.required_approvals);
    }
}

impl Call<'_> {
    pub(super) fn create_protection(&mut self, repo: RepoId) -> Handled {
        self.need_repo_admin(repo)?;
        self.need_unarchived(repo)?;
        let mut asked: asked::Protection = self.body()?;
        let name = asked.rule_name.take().or_else(|| asked.branch_name.take()).unwrap_or_default();
        if name.is_empty() {
            return says(400, "both rule_name and branch_name are empty");
        }
        if self.repo(repo)?.protections.iter().any(|rule| rule.rule_name == name) {
            return says(403, "Branch protection already exist");
        }
        let mut rule = Protection {
            rule_name: name,
            enable_push: false,
            enable_push_whitelist: false,
            push_whitelist: Vec::new(),
            enable_merge_whitelist: false,
            merge_whitelist: Vec::new(),
            enable_status_check: false,
            status_check_contexts: Vec::new(),
            required_approvals: 0,
            block_on_rejected_reviews: false,
            block_on_official_review_requests: false,
            block_on_outdated_branch: false,
            dismiss_stale_approvals: false,
            ignore_stale_approvals: false,
            protected_file_patterns: String::new(),
            unprotected_file_patterns: String::new(),
            apply_to_admins: false,
            created: self.request.now,
            updated: self.request.now,
        };
        rule.take(asked);
        let shown = show(&rule);
        if let Some(repo) = self.state.repos.get_mut(&repo) {
            repo.protections.push(rule);
        }
        Ok(Answer::json(201, &shown))
    }

    pub(super) fn list_protections(&self, repo: RepoId) -> Handled {
        self.need_repo_admin(repo)?;
        let all: Vec<_> = self.repo(repo)?.protections.iter().map(show).collect();
        let total = all.len();
        Ok(Answer::json(200, &Page::of(self.request).cut(all)).header("x-total-count", total))
    }

    fn rule(&self, repo: RepoId, name: &str) -> Result<&Protection, Halt> {
        self.repo(repo)?.protections.iter().find(|rule| rule.rule_name == name).ok_or_else(missing)
    }

    pub(super) fn get_protection(&self, repo: RepoId, name: &str) -> Handled {
        self.need_repo_admin(repo)?;
        Ok(Answer::json(200, &show(self.rule(repo, name)?)))
    }

    pub(super) fn edit_protection(&mut self, repo: RepoId, name: &str) -> Handled {
        self.need_repo_admin(repo)?;
        self.rule(repo, name)?;
        let asked: asked::Protection = self.body()?;
        let now = self.request.now;
        let rules = self.state.repos.get_mut(&repo).map(|repo| &mut repo.protections);
        if let Some(rule) = rules.and_then(|rules| rules.iter_mut().find(|rule| rule.rule_name == name)) {
            rule.take(asked);
            rule.updated = now;
        }
        self.get_protection(repo, name)
    }

    pub(super) fn delete_protection(&mut self, repo: RepoId, name: &str) -> Handled {
        self.need_repo_admin(repo)?;
        self.rule(repo, name)?;
        if let Some(repo) = self.state.repos.get_mut(&repo) {
            repo.protections.retain(|rule| rule.rule_name != name);
        }
        Ok(Answer::empty(204))
    }
}

fn show(rule: &Protection) -> wire::Protection {
    wire::Protection {
        branch_name: rule.rule_name.clone(),
        rule_name: rule.rule_name.clone(),
        enable_push: rule.enable_push,
        enable_push_whitelist: rule.enable_push_whitelist,
        push_whitelist_usernames: rule.push_whitelist.clone(),
        enable_merge_whitelist: rule.enable_merge_whitelist,
        merge_whitelist_usernames: rule.merge_whitelist.clone(),
        enable_status_check: rule.enable_status_check,
        status_check_contexts: rule.status_check_contexts.clone(),
        required_approvals: rule.required_approvals,
        block_on_rejected_reviews: rule.block_on_rejected_reviews,
        block_on_official_review_requests: rule.block_on_official_review_requests,
        block_on_outdated_branch: rule.block_on_outdated_branch,
        dismiss_stale_approvals: rule.dismiss_stale_approvals,
        ignore_stale_approvals: rule.ignore_stale_approvals,
        protected_file_patterns: rule.protected_file_patterns.clone(),
        unprotected_file_patterns: rule.unprotected_file_patterns.clone(),
        apply_to_admins: rule.apply_to_admins,
        created_at: Stamp(rule.created),
        updated_at: Stamp(rule.updated),
    }
}

impl State {
    /// Whether somebody may merge pull requests to this branch at all.
    pub(super) fn may_merge(&self, repo: &Repo, user: UserId, branch: &str) -> bool {
        self.user_access(repo, user) >= Access::Write
            && repo.protection(branch).is_none_or(|rule| rule.lets_merge(self.login(user)))
    }

    /// What the protection of its base has against merging a pull request, in the order of a real forge.
    pub(super) fn protection_forbids(&self, issue: &Issue, pull: &Pull) -> Option<&'static str> {
        let repo = self.repos.get(&issue.key.0)?;
        let rule = repo.protection(&pull.base)?;
        let reviews = || self.reviews_of(issue.key).filter(|review| review.official && !review.dismissed);
        let approvals = reviews()
            .filter(|review| review.verdict == Verdict::Approved && !(rule.ignore_stale_approvals && review.stale))
            .count();
        let any = |verdict| reviews().any(|review| review.verdict == verdict);
        if rule.enable_status_check && !self.required_statuses_pass(repo.id, &pull.head_sha, rule) {
            Some("Not all required status checks successful")
        } else if (approvals as u64) < rule.required_approvals {
            Some("Does not have enough approvals")
        } else if rule.block_on_rejected_reviews && any(Verdict::RequestChanges) {
            Some("There are requested changes")
        } else if rule.block_on_official_review_requests && any(Verdict::RequestReview) {
            Some("There are official review requests")
        } else if rule.block_on_outdated_branch && repo.branch(&pull.base) != Some(&pull.merge_base) {
            Some("The head branch is behind the base branch")
        } else if touches(&rule.protected_file_patterns, &pull.paths) {
            Some("Changed protected files")
        } else {
            None
        }
    }

    /// A required context is a glob; one that nothing matches counts as pending.
    fn required_statuses_pass(&self, repo: RepoId, sha: &str, rule: &Protection) -> bool {
        let latest = self.latest_statuses(repo, sha);
        if rule.status_check_contexts.is_empty() {
            return combined(latest.iter().map(|status| status.state.as_str())) == "success";
        }
        rule.status_check_contexts.iter().all(|glob| {
            let mut matching = latest.iter().filter(|s| glob_matches(glob, &s.context) == Some(true)).peekable();
            matching.peek().is_some() && matching.all(|status| matches!(status.state.as_str(), "success" | "skipped"))
        })
    }
}

/// Whether one of the paths is matched by one of the patterns, which stand between semicolons.
pub(super) fn touches(patterns: &str, paths: &[String]) -> bool {
    let patterns = || patterns.split(';').map(str::trim).filter(|pattern| !pattern.is_empty());
    paths.iter().any(|path| patterns().any(|pattern| glob_matches(pattern, path) == Some(true)))
}
