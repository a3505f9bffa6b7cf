//! Branches, refs and commits.

use super::answer::{Halt, Handled, Page, missing, missing_because, says, unexpected};
use super::pushes::RefUpdate;
use super::records::*;
use super::users::required;
use super::{Answer, Call};
use crate::git_job::{CommitInfo, GitJob, GitReply};
use crate::wire::{self, asked};

/// Whether git would take a name for a branch.
pub(super) fn is_branch_name(name: &str) -> bool {
    let bad = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    !name.is_empty()
        && !name.chars().any(bad)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.starts_with('-')
        && name
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock") && !part.ends_with('.'))
}

impl Call<'_> {
    /// A commit that has to be there.
    fn commit(&self, repo: RepoId, sha: &str) -> Result<CommitInfo, Halt> {
        let folder = self.repo(repo)?.folder.clone();
        match self.git(GitJob::Commit { folder, commit: sha.to_owned() })? {
            GitReply::Commit(commit) => commit.ok_or_else(missing),
            _ => Err(unexpected()),
        }
    }

    fn show_branch(&self, id: RepoId, name: &str) -> Result<wire::Branch, Halt> {
        let repo = self.repo(id)?;
        let tip = repo.branch(name).ok_or_else(|| missing_because(format!("branch does not exist [name: {name}]")))?;
        let commit = self.commit(id, tip)?;
        let rule = repo.protection(name);
        let user = self.user().ok();
        let may_push = self.access(id) >= Access::Write;
        let login = user.map_or("", |user| self.state.login(user));
        Ok(wire::Branch {
            name: name.to_owned(),
            commit: self.view().show_branch_commit(id, &commit),
            protected: rule.is_some(),
            required_approvals: rule.map_or(0, |rule| rule.required_approvals),
            enable_status_check: rule.is_some_and(|rule| rule.enable_status_check),
            status_check_contexts: rule.map(|rule| rule.status_check_contexts.clone()).unwrap_or_default(),
            user_can_push: may_push && rule.is_none_or(|rule| rule.lets_push(login)),
            user_can_merge: may_push && user.is_some_and(|user| self.state.may_merge(repo, user, name)),
            effective_branch_protection_name: String::new(),
        })
    }

    pub(super) fn get_branch(&self, repo: RepoId, name: &str) -> Handled {
        Ok(Answer::json(200, &self.show_branch(repo, name)?))
    }

    /// The default branch first, then by name.
    pub(super) fn list_branches(&self, id: RepoId) -> Handled {
        let repo = self.repo(id)?;
        let mut names: Vec<&str> = repo.refs.keys().filter_map(|name| name.strip_prefix("refs/heads/")).collect();
        names.sort_by_key(|name| (*name != repo.default_branch, *name));
        let (page, total) = (Page::of(self.request), names.len());
        let list = page.cut(names).into_iter().map(|name| self.show_branch(id, name)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.linked(page, total, &list))
    }

    pub(super) fn create_branch(&mut self, repo: RepoId) -> Handled {
        let doer = self.need_writer(repo)?;
        self.need_unarchived(repo)?;
        let new: asked::NewBranch = self.body()?;
        let name = new.new_branch_name;
        required("BranchName", &name)?;
        if !is_branch_name(&name) {
            return says(422, format!("[BranchName]: GitRefName Error: {name}"));
        }
        let full = format!("refs/heads/{name}");
        if self.facts.written().is_none() && self.repo(repo)?.branch(&name).is_some() {
            return says(409, "The branch already exists.");
        }
        let from = [new.old_ref_name, new.old_branch_name, self.repo(repo)?.default_branch.clone()];
        let from = from.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let tip = self.resolve(repo, &from)?.ok_or_else(|| missing_because("The old branch does not exist"))?;
        let commit = self.commit(repo, &tip)?;
        let folder = self.repo(repo)?.folder.clone();
        if self.git(GitJob::SetRef { folder, name: full.clone(), from: None, to: Some(commit.sha.clone()) })? == GitReply::Stale {
            return says(409, "The branch already exists.");
        }
        self.doing().pushed(repo, doer, &[RefUpdate { name: full, old: None, new: Some(commit.sha) }])?;
        Ok(Answer::json(201, &self.show_branch(repo, &name)?))
    }

    pub(super) fn delete_branch(&mut self, repo: RepoId, name: &str) -> Handled {
        let doer = self.need_writer(repo)?;
        self.need_unarchived(repo)?;
        let found = self.repo(repo)?;
        let gone = || missing_because(format!("branch does not exist [name: {name}]"));
        let tip = found.branch(name).cloned().ok_or_else(gone)?;
        if found.default_branch == name {
            return says(403, "can not delete the default branch");
        }
        if found.protection(name).is_some() {
            return says(403, "branch protected");
        }
        let (folder, full) = (found.folder.clone(), format!("refs/heads/{name}"));
        if self.git(GitJob::SetRef { folder, name: full.clone(), from: Some(tip.clone()), to: None })? == GitReply::Stale {
            return Err(gone());
        }
        self.doing().pushed(repo, doer, &[RefUpdate { name: full, old: Some(tip), new: None }])?;
        Ok(Answer::empty(204))
    }

    pub(super) fn list_refs(&self, repo: RepoId, prefix: &str) -> Handled {
        let prefix = format!("refs/{prefix}");
        let api = self.state.api_url(repo);
        let show = |(name, sha): (&String, &String)| wire::Ref {
            reference: name.clone(),
            url: format!("{api}/git/{name}"),
            object: wire::RefObject { kind: "commit", sha: sha.clone(), url: format!("{api}/git/commits/{sha}") },
        };
        let list: Vec<_> = self.repo(repo)?.refs.iter().filter(|(name, _)| name.starts_with(&prefix)).map(show).collect();
        if list.is_empty() { Err(missing()) } else { Ok(Answer::json(200, &list)) }
    }

    pub(super) fn get_commit(&self, repo: RepoId, reference: &str) -> Handled {
        let sha = self.resolve(repo, reference)?.ok_or_else(missing)?;
        Ok(Answer::json(200, &self.view().show_commit(repo, &self.commit(repo, &sha)?)))
    }

    pub(super) fn list_commits(&mut self, repo: RepoId) -> Handled {
        let default = self.repo(repo)?.default_branch.clone();
        let reference = self.request.query("sha").unwrap_or(&default).to_owned();
        let sha = self.resolve(repo, &reference)?.ok_or_else(missing)?;
        let (folder, page) = (self.repo(repo)?.folder.clone(), Page::of(self.request));
        let (commits, total) = self.doing().commits(&folder, &sha, None, page)?;
        let list: Vec<_> = commits.iter().map(|commit| self.view().show_commit(repo, commit)).collect();
        Ok(self.linked(page, total, &list).header("x-hasmore", page.skip() + list.len() < total))
    }

    /// `compare/base...head`.
    pub(super) fn compare(&mut self, repo: RepoId, range: &str) -> Handled {
        let (base, head) = range.split_once("...").or_else(|| range.split_once("..")).ok_or_else(missing)?;
        let base = self.resolve(repo, base)?.ok_or_else(missing)?;
        let head = self.resolve(repo, head)?.ok_or_else(missing)?;
        let folder = self.repo(repo)?.folder.clone();
        let look = self.doing().look(&folder, &base, &head)?;
        let (commits, total) = self.doing().commits(&folder, &head, Some(&base), Page { number: 1, size: 50 })?;
        let files = look.comparison.files.into_iter();
        Ok(Answer::json(
            200,
            &wire::Compare {
                total_commits: total,
                commits: commits.iter().map(|commit| self.view().show_commit(repo, commit)).collect(),
                files: files.map(|file| wire::ComparedFile { filename: file.path, status: file.status }).collect(),
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::is_branch_name;

    #[test]
    fn branch_names_are_those_of_git() {
        assert!(is_branch_name("claude/issue-1"));
        for bad in ["", "a..b", "-x", "a b", "a/.b", "a//b", "x.lock", "a@{b", "dot."] {
            assert!(!is_branch_name(bad), "{bad:?}");
        }
    }
}
