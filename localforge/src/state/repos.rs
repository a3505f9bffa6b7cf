//! Repositories: making, renaming, archiving, and who may do what in them.

use std::collections::BTreeMap;

use super::access::Category;
use super::answer::{Halt, Handled, Page, missing, missing_because, says};
use super::records::*;
use super::users::{is_name, required};
use super::{Actor, Answer, Call, State};
use crate::git_job::{FirstCommit, GitJob, GitReply, NewFile, Sign};
use crate::wire::{self, asked};

impl State {
    /// A user's signature for a commit.
    pub(super) fn sign(&self, user: UserId, now: At, message: impl Into<String>) -> Sign {
        let known = self.users.get(&user);
        let login = self.login(user).to_owned();
        let name = known.map(|user| user.full_name.clone()).filter(|name| !name.is_empty()).unwrap_or(login);
        let email = known.map(|user| user.email.clone()).unwrap_or_default();
        Sign { name, email, at: now.0, message: message.into() }
    }
}

impl Call<'_> {
    pub(super) fn create_own_repo(&mut self) -> Handled {
        self.need_scope(Category::Repository)?;
        self.need_scope(Category::User)?;
        let owner = self.user()?;
        self.create_repo(owner)
    }

    pub(super) fn create_repo_for(&mut self, login: &str) -> Handled {
        self.need_scope(Category::Admin)?;
        self.need_site_admin()?;
        let owner = self.state.user_named(login).ok_or_else(missing)?.id;
        self.create_repo(owner)
    }

    fn create_repo(&mut self, owner: UserId) -> Handled {
        let new: asked::NewRepo = self.body()?;
        required("Name", &new.name)?;
        if !is_name(&new.name) {
            return says(422, format!("name is reserved or has unusable characters [name: {}]", new.name));
        }
        if let Some((_, false)) = self.state.find_repo(self.state.login(owner), &new.name) {
            return says(409, "The repository with the same name already exists.");
        }
        let default_branch = if new.default_branch.is_empty() { "main".to_owned() } else { new.default_branch };
        // The nonce names the folder, so that it is the same when the call is applied again with git's reply.
        let folder = hex::encode(&self.request.nonce[..8]);
        let first = new.auto_init.then(|| FirstCommit {
            files: vec![NewFile {
                path: "README.md".into(),
                content: format!("# {}\n\n{}", new.name, new.description).into_bytes(),
                executable: false,
            }],
            sign: self.state.sign(owner, self.request.now, "Initial commit"),
        });
        let job = GitJob::Init { folder: folder.clone(), default_branch: default_branch.clone(), first };
        let mut refs = BTreeMap::new();
        if let GitReply::Made(commit) = self.git(job)? {
            refs.insert(format!("refs/heads/{default_branch}"), commit);
        }
        let id = RepoId(self.state.next("repo"));
        self.state.redirects.remove(&(owner, new.name.to_lowercase()));
        let repo = Repo {
            id,
            owner,
            name: new.name,
            folder,
            description: new.description,
            private: new.private,
            archived: false,
            default_branch,
            created: self.request.now,
            updated: self.request.now,
            next_number: 1,
            collaborators: BTreeMap::new(),
            refs,
            protections: Vec::new(),
        };
        let shown = self.view().show_repo(&repo);
        self.state.repos.insert(id, repo);
        Ok(Answer::json(201, &shown))
    }

    pub(super) fn list_own_repos(&self) -> Handled {
        self.need_scope(Category::Repository)?;
        self.need_scope(Category::User)?;
        let user = self.user()?;
        let mine = |repo: &&Repo| repo.owner == user || repo.collaborators.contains_key(&user);
        let visible = |repo: &&Repo| self.state.access(repo, self.actor) >= Access::Read;
        let all: Vec<_> = self.state.repos.values().filter(mine).filter(visible).collect();
        let total = all.len();
        let page = Page::of(self.request);
        let list: Vec<_> = page.cut(all).into_iter().map(|repo| self.view().show_repo(repo)).collect();
        Ok(self.linked(page, total, &list))
    }

    pub(super) fn get_repo(&self, repo: RepoId) -> Handled {
        Ok(Answer::json(200, &self.view().show_repo(self.repo(repo)?)))
    }

    pub(super) fn edit_repo(&mut self, id: RepoId) -> Handled {
        self.need_repo_admin(id)?;
        let edit: asked::EditRepo = self.body()?;
        let (owner, old) = {
            let repo = self.repo(id)?;
            (repo.owner, repo.name.clone())
        };
        if let Some(name) = edit.name.filter(|name| *name != old) {
            if !is_name(&name) {
                return says(422, format!("name is reserved or has unusable characters [name: {name}]"));
            }
            if let Some((_, false)) = self.state.find_repo(self.state.login(owner), &name) {
                return says(422, format!("The repository with the same name already exists. [name: {name}]"));
            }
            self.state.redirects.remove(&(owner, name.to_lowercase()));
            self.state.redirects.insert((owner, old.to_lowercase()), id);
            if let Some(repo) = self.state.repos.get_mut(&id) {
                repo.name = name;
            }
        }
        if let Some(repo) = self.state.repos.get_mut(&id) {
            repo.updated = self.request.now;
            repo.description = edit.description.unwrap_or_else(|| repo.description.clone());
            repo.private = edit.private.unwrap_or(repo.private);
            repo.archived = edit.archived.unwrap_or(repo.archived);
            if let Some(branch) = edit.default_branch.filter(|branch| repo.branch(branch).is_some()) {
                repo.default_branch.clone_from(&branch);
                self.followups.push(GitJob::SetHead { folder: repo.folder.clone(), branch });
            }
        }
        self.get_repo(id)
    }

    pub(super) fn list_collaborators(&self, repo: RepoId) -> Handled {
        self.user()?;
        let all: Vec<_> = self.repo(repo)?.collaborators.keys().map(|user| self.view().show_user(*user)).collect();
        let total = all.len();
        let page = Page::of(self.request);
        Ok(self.linked(page, total, &page.cut(all)))
    }

    fn collaborator(&self, login: &str) -> Result<UserId, Halt> {
        match self.state.user_named(login) {
            Some(user) => Ok(user.id),
            None => says(422, format!("user does not exist [uid: 0, name: {login}]")),
        }
    }

    pub(super) fn is_collaborator(&self, repo: RepoId, login: &str) -> Handled {
        self.user()?;
        let user = self.collaborator(login)?;
        if self.repo(repo)?.collaborators.contains_key(&user) { Ok(Answer::empty(204)) } else { Err(missing()) }
    }

    pub(super) fn add_collaborator(&mut self, repo: RepoId, login: &str) -> Handled {
        self.need_repo_admin(repo)?;
        let user = self.collaborator(login)?;
        let asked: asked::AddCollaborator = self.body()?;
        let access = match asked.permission.as_deref() {
            Some("read") => Access::Read,
            Some("admin") => Access::Admin,
            _ => Access::Write,
        };
        if let Some(repo) = self.state.repos.get_mut(&repo) {
            repo.collaborators.insert(user, access);
        }
        Ok(Answer::empty(204))
    }

    pub(super) fn remove_collaborator(&mut self, repo: RepoId, login: &str) -> Handled {
        self.need_repo_admin(repo)?;
        let user = self.collaborator(login)?;
        if let Some(repo) = self.state.repos.get_mut(&repo) {
            repo.collaborators.remove(&user);
        }
        Ok(Answer::empty(204))
    }

    pub(super) fn permission(&self, repo: RepoId, login: &str) -> Handled {
        let doer = self.user()?;
        if !self.state.login(doer).eq_ignore_ascii_case(login) && self.access(repo) < Access::Admin {
            return says(
                403,
                "Only admins can query all permissions, repo admins can query all repo permissions, collaborators can query only their own",
            );
        }
        let user = self.state.user_named(login).ok_or_else(|| missing_because(format!("user does not exist [name: {login}]")))?;
        let word = self.state.user_access(self.repo(repo)?, user.id).word();
        Ok(Answer::json(200, &wire::Permission { permission: word, role_name: word, user: self.view().show_user(user.id) }))
    }

    /// Collaborators with at least this access.
    fn members(&self, repo: &Repo, least: Access) -> Vec<UserId> {
        repo.collaborators.iter().filter(|(_, access)| **access >= least).map(|(user, _)| *user).collect()
    }

    pub(super) fn list_assignees(&self, repo: RepoId) -> Handled {
        let repo = self.repo(repo)?;
        let mut users = self.members(repo, Access::Write);
        users.push(repo.owner);
        Ok(Answer::json(200, &users.into_iter().map(|user| self.view().show_user_seen(user)).collect::<Vec<_>>()))
    }

    pub(super) fn list_reviewers(&self, repo: RepoId) -> Handled {
        let repo = self.repo(repo)?;
        let mut users = self.members(repo, Access::Read);
        users.push(repo.owner);
        users.sort_by_key(|user| self.state.login(*user).to_owned());
        Ok(Answer::json(200, &users.into_iter().map(|user| self.view().show_user_seen(user)).collect::<Vec<_>>()))
    }

    /// The actor for whom a repository is shown where nobody in particular looks.
    pub(super) fn as_user(user: UserId) -> Actor {
        Actor::Known { user, token: None }
    }
}
