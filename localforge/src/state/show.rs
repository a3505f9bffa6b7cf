//! Records as the API shows them.

use super::records::*;
use super::{Actor, Call, State};
use crate::git_job::{CommitInfo, Signature};
use crate::wire::{self, Stamp};

/// The state as somebody sees it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    state: &'a State,
    viewer: Actor,
}

impl std::ops::Deref for View<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}

impl Call<'_> {
    /// What is answered is shown as who asks sees it.
    pub(super) fn view(&self) -> View<'_> {
        self.state.seen_by(self.actor)
    }
}

impl State {
    pub(super) fn seen_by(&self, viewer: Actor) -> View<'_> {
        View { state: self, viewer }
    }

    /// The address of a repository's pages.
    pub fn page_url(&self, repo: RepoId) -> String {
        format!("{}/{}", self.root, self.repo_path(repo))
    }

    /// The address of a repository in the API.
    pub(super) fn api_url(&self, repo: RepoId) -> String {
        format!("{}/api/v1/repos/{}", self.root, self.repo_path(repo))
    }

    fn repo_path(&self, repo: RepoId) -> String {
        self.repos.get(&repo).map(|repo| self.full_name(repo)).unwrap_or_default()
    }

    /// The address of an issue's or a pull request's page.
    pub fn issue_page(&self, issue: &Issue) -> String {
        let kind = if issue.pull.is_some() { "pulls" } else { "issues" };
        format!("{}/{kind}/{}", self.page_url(issue.key.0), issue.key.1)
    }

    /// The user whose mail address a commit carries.
    fn known_by_mail(&self, email: &str) -> Option<UserId> {
        self.users.values().find(|user| user.email.eq_ignore_ascii_case(email)).map(|user| user.id)
    }
}

impl View<'_> {
    /// A user as shown to anybody: whether the account is active or an administrator's is left out, as a real forge does in
    /// most places, even towards the user.
    pub(super) fn show_user(&self, id: UserId) -> wire::User {
        self.user_shown(id, false)
    }

    /// A user where a real forge looks who is asking: oneself and an administrator are told all.
    pub(super) fn show_user_seen(&self, id: UserId) -> wire::User {
        let known = match self.viewer {
            Actor::Anonymous => false,
            Actor::Known { user, .. } => user == id || self.users.get(&user).is_some_and(|user| user.is_admin),
        };
        self.user_shown(id, known)
    }

    fn user_shown(&self, id: UserId, known: bool) -> wire::User {
        let user = self.users.get(&id);
        let login = self.login(id).to_owned();
        wire::User {
            id: id.0,
            full_name: user.map(|u| u.full_name.clone()).unwrap_or_default(),
            email: user.map(|u| u.email.clone()).unwrap_or_default(),
            avatar_url: format!("{}/avatars/{}", self.root, id.0),
            html_url: format!("{}/{login}", self.root),
            is_admin: known && user.is_some_and(|u| u.is_admin),
            created: Stamp(user.map(|u| u.created).unwrap_or_default()),
            restricted: false,
            active: known,
            description: "",
            visibility: "public",
            username: login.clone(),
            login,
        }
    }

    fn show_users(&self, ids: &[UserId]) -> Option<Vec<wire::User>> {
        (!ids.is_empty()).then(|| ids.iter().map(|id| self.show_user(*id)).collect())
    }

    pub(super) fn show_repo_meta(&self, repo: &Repo) -> wire::RepoMeta {
        wire::RepoMeta {
            id: repo.id.0,
            name: repo.name.clone(),
            owner: self.login(repo.owner).to_owned(),
            full_name: self.full_name(repo),
        }
    }

    pub(super) fn show_repo(&self, repo: &Repo) -> wire::Repo {
        let access = self.access(repo, self.viewer);
        let open =
            |pulls: bool| self.issues_of(repo.id).filter(|i| i.state == Standing::Open && i.pull.is_some() == pulls).count();
        wire::Repo {
            id: repo.id.0,
            owner: self.show_user(repo.owner),
            name: repo.name.clone(),
            full_name: self.full_name(repo),
            description: repo.description.clone(),
            empty: !repo.refs.keys().any(|name| name.starts_with("refs/heads/")),
            private: repo.private,
            fork: false,
            html_url: self.page_url(repo.id),
            url: self.api_url(repo.id),
            clone_url: format!("{}.git", self.page_url(repo.id)),
            open_issues_count: open(false),
            open_pr_counter: open(true),
            default_branch: repo.default_branch.clone(),
            archived: repo.archived,
            created_at: Stamp(repo.created),
            updated_at: Stamp(repo.updated),
            permissions: wire::Permissions {
                admin: access >= Access::Admin,
                push: access >= Access::Write,
                pull: access >= Access::Read,
            },
            has_issues: true,
            has_pull_requests: true,
            allow_merge_commits: true,
            allow_rebase: true,
            allow_rebase_explicit: true,
            allow_squash_merge: true,
            allow_fast_forward_only_merge: true,
            default_merge_style: "merge",
            object_format_name: "sha1",
        }
    }

    pub(super) fn show_label(&self, label: &Label) -> wire::Label {
        wire::Label {
            id: label.id.0,
            name: label.name.clone(),
            exclusive: label.exclusive,
            is_archived: label.is_archived,
            color: label.color.clone(),
            description: label.description.clone(),
            url: format!("{}/labels/{}", self.api_url(label.repo), label.id.0),
        }
    }

    /// Labels by name, as they are always listed.
    pub(super) fn show_labels<'a>(&self, labels: impl IntoIterator<Item = &'a Label>) -> Vec<wire::Label> {
        let mut labels: Vec<&Label> = labels.into_iter().collect();
        labels.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        labels.into_iter().map(|label| self.show_label(label)).collect()
    }

    pub(super) fn show_labels_of(&self, issue: &Issue) -> Vec<wire::Label> {
        self.show_labels(issue.labels.iter().filter_map(|id| self.labels.get(id)))
    }

    pub(super) fn show_issue(&self, issue: &Issue) -> wire::Issue {
        let repo = self.repos.get(&issue.key.0);
        wire::Issue {
            id: issue.id,
            url: format!("{}/issues/{}", self.api_url(issue.key.0), issue.key.1),
            html_url: self.issue_page(issue),
            number: issue.key.1,
            user: self.show_user_seen(issue.author),
            title: issue.title.clone(),
            body: issue.body.clone(),
            reference: "",
            labels: self.show_labels_of(issue),
            milestone: wire::Nothing,
            assignee: issue.assignees.first().map(|id| self.show_user(*id)),
            assignees: self.show_users(&issue.assignees),
            state: issue.state.word(),
            is_locked: false,
            comments: issue.comments,
            created_at: Stamp(issue.created),
            updated_at: Stamp(issue.updated),
            closed_at: issue.closed.map(Stamp),
            due_date: wire::Nothing,
            pull_request: issue.pull.as_ref().map(|pull| wire::PullMeta {
                merged: pull.merged.is_some(),
                merged_at: pull.merged.as_ref().map(|merged| Stamp(merged.at)),
                draft: super::pulls::is_draft(&issue.title),
                html_url: self.issue_page(issue),
            }),
            repository: repo.map_or_else(
                || wire::RepoMeta { id: 0, name: String::new(), owner: String::new(), full_name: String::new() },
                |repo| self.show_repo_meta(repo),
            ),
        }
    }

    /// The two links of an entry: one for issues, one for pull requests, the other of them empty.
    pub(super) fn entry_links(&self, issue: &Issue) -> (String, String) {
        let page = self.issue_page(issue);
        if issue.pull.is_some() { (String::new(), page) } else { (page, String::new()) }
    }

    pub(super) fn show_comment(&self, event: &Event, issue: &Issue, body: &str) -> wire::Comment {
        let (issue_url, pull_request_url) = self.entry_links(issue);
        wire::Comment {
            id: event.id.0,
            html_url: format!("{}#issuecomment-{}", self.issue_page(issue), event.id.0),
            pull_request_url,
            issue_url,
            user: self.show_user(event.author),
            body: body.to_owned(),
            created_at: Stamp(event.created),
            updated_at: Stamp(event.updated),
        }
    }

    pub(super) fn show_reactions(&self, reactions: &[Reaction]) -> Vec<wire::Reaction> {
        reactions.iter().map(|reaction| self.show_reaction(reaction)).collect()
    }

    pub(super) fn show_reaction(&self, reaction: &Reaction) -> wire::Reaction {
        wire::Reaction {
            user: self.show_user_seen(reaction.user),
            content: reaction.content.clone(),
            created_at: Stamp(reaction.created),
        }
    }

    pub(super) fn show_commit_ref(&self, repo: RepoId, kind: &str, sha: &str) -> wire::CommitRef {
        wire::CommitRef { url: format!("{}/git/{kind}/{sha}", self.api_url(repo)), sha: sha.to_owned() }
    }

    pub(super) fn show_commit(&self, repo: RepoId, commit: &CommitInfo) -> wire::Commit {
        let url = format!("{}/git/commits/{}", self.api_url(repo), commit.sha);
        wire::Commit {
            url: url.clone(),
            sha: commit.sha.clone(),
            created: Stamp(At(commit.committer.at)),
            html_url: format!("{}/commit/{}", self.page_url(repo), commit.sha),
            commit: wire::CommitBody {
                url,
                author: dated(&commit.author),
                committer: dated(&commit.committer),
                message: commit.message.clone(),
                tree: self.show_commit_ref(repo, "trees", &commit.tree),
            },
            author: self.known_by_mail(&commit.author.email).map(|user| self.show_user(user)),
            committer: self.known_by_mail(&commit.committer.email).map(|user| self.show_user(user)),
            parents: commit.parents.iter().map(|sha| self.show_commit_ref(repo, "commits", sha)).collect(),
        }
    }

    pub(super) fn show_branch_commit(&self, repo: RepoId, commit: &CommitInfo) -> wire::BranchCommit {
        let named = |who: &Signature| wire::Person {
            name: who.name.clone(),
            email: who.email.clone(),
            username: Some(self.known_by_mail(&who.email).map(|user| self.login(user).to_owned()).unwrap_or_default()),
            date: None,
        };
        wire::BranchCommit {
            id: commit.sha.clone(),
            message: commit.message.clone(),
            url: format!("{}/commit/{}", self.page_url(repo), commit.sha),
            author: named(&commit.author),
            committer: named(&commit.committer),
            timestamp: Stamp(At(commit.committer.at)),
        }
    }
}

/// Somebody who signed a commit, and when.
pub(super) fn dated(who: &Signature) -> wire::Person {
    wire::Person { name: who.name.clone(), email: who.email.clone(), username: None, date: Some(Stamp(At(who.at))) }
}
