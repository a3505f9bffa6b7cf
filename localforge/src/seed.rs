//! Sets a forge up from inside the process, and looks at it: for the demo, which plays the people, and for tests.
//!
//! Whatever is done here goes the same way as a call over HTTP, only without a token and without being counted.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::LocalForgeError;
use super::forge::{Forge, Incoming};
use super::git_job::{FirstCommit, GitJob, GitReply, NewFile, Sign};
use super::http::segments;
use super::state::records::{Issue, IssueKey, RepoId, Standing, UserId, What};
use super::state::{Body, Credentials, Method, State};

/// A file of a new repository.
#[derive(Clone, Copy, Debug)]
pub struct SeedFile<'a> {
    /// Its path in the repository.
    pub path: &'a str,
    /// What is in it.
    pub content: &'a str,
    /// Whether it is a program.
    pub executable: bool,
}

/// An issue as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueView {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Who wrote it.
    pub author: String,
    /// Whether it is open.
    pub open: bool,
    /// The names of its labels, sorted.
    pub labels: Vec<String>,
    /// Its page.
    pub url: String,
}

/// A comment as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentView {
    /// Its identifier.
    pub id: u64,
    /// Who wrote it.
    pub author: String,
    /// Its text.
    pub body: String,
}

/// A pull request as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullView {
    /// What it has in common with an issue.
    pub issue: IssueView,
    /// The branch it comes from.
    pub head: String,
    /// The branch it goes to.
    pub base: String,
    /// The commit it was last seen at.
    pub head_sha: String,
    /// Whether it is merged.
    pub merged: bool,
    /// Who merged it.
    pub merged_by: Option<String>,
    /// Whether it conflicts with its base.
    pub conflicts: bool,
}

/// A label put on or taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelEvent {
    /// The label's name.
    pub label: String,
    /// Whether it was put on.
    pub added: bool,
    /// By whom.
    pub by: String,
}

/// The set-up side of a running forge.
#[derive(Clone)]
pub struct Seed {
    pub(super) forge: Arc<Forge>,
}

impl Seed {
    /// Makes a user; they can sign in with the password.
    pub async fn add_user(&self, login: &str, password: &str) -> Result<(), LocalForgeError> {
        let body = json!({ "username": login, "password": password, "email": format!("{login}@localhost") });
        self.call(self.anyone_in_charge()?, Method::Post, "admin/users", body).await?;
        Ok(())
    }

    /// A new token of a user with these scopes, `write:issue` for one.
    pub async fn token(&self, login: &str, scopes: &[&str]) -> Result<String, LocalForgeError> {
        let taken = self.forge.read(|state| state.tokens_of(self.user(state, login)));
        let body = json!({ "name": format!("token-{}", taken + 1), "scopes": scopes });
        let made = self.call(self.as_user(login)?, Method::Post, &format!("users/{login}/tokens"), body).await?;
        text_of(&made, "sha1")
    }

    /// Makes a repository of a user with one commit of these files on `main`.
    pub async fn create_repo(
        &self,
        owner: &str,
        name: &str,
        private: bool,
        files: &[SeedFile<'_>],
    ) -> Result<(), LocalForgeError> {
        let body = json!({ "name": name, "private": private, "auto_init": files.is_empty() });
        self.call(self.as_user(owner)?, Method::Post, "user/repos", body).await?;
        if files.is_empty() {
            return Ok(());
        }
        let (repo, owner_id, folder) = self.forge.read(|state| {
            let (repo, _) = state.find_repo(owner, name).ok_or_else(|| unknown("repository", &format!("{owner}/{name}")))?;
            Ok::<_, LocalForgeError>((repo.id, repo.owner, repo.folder.clone()))
        })?;
        let files = files.iter().map(|file| NewFile {
            path: file.path.to_owned(),
            content: file.content.as_bytes().to_vec(),
            executable: file.executable,
        });
        let at = self.forge.read(|state| state.repo(repo).map_or(0, |repo| repo.created.0));
        let sign = Sign { name: owner.into(), email: format!("{owner}@localhost"), at, message: "Initial commit".into() };
        let first = Some(FirstCommit { files: files.collect(), sign });
        let _lock = self.forge.lock_refs(&folder).await;
        let job = GitJob::Init { folder: folder.clone(), default_branch: "main".into(), first };
        match self.forge.git.run(&job).await? {
            GitReply::Made(_) => self.forge.note_refs(repo, owner_id, &folder).await,
            _ => Err(LocalForgeError::Seed("the first commit was not made".into())),
        }
    }

    /// Gives a user access to a repository, `owner/name`: `read`, `write` or `admin`.
    pub async fn add_collaborator(&self, repo: &str, login: &str, access: &str) -> Result<(), LocalForgeError> {
        let body = json!({ "permission": access });
        self.call(self.owner(repo)?, Method::Put, &format!("repos/{repo}/collaborators/{login}"), body).await?;
        Ok(())
    }

    /// Makes a label.
    pub async fn create_label(&self, repo: &str, name: &str, color: &str) -> Result<(), LocalForgeError> {
        let body = json!({ "name": name, "color": color });
        self.call(self.owner(repo)?, Method::Post, &format!("repos/{repo}/labels"), body).await?;
        Ok(())
    }

    /// Reports an issue as a user, and gives its number. The labels, by name, are put on by the repository's owner.
    pub async fn create_issue(
        &self,
        repo: &str,
        login: &str,
        title: &str,
        body: &str,
        labels: &[&str],
    ) -> Result<u64, LocalForgeError> {
        let asked = json!({ "title": title, "body": body });
        let made = self.call(self.as_user(login)?, Method::Post, &format!("repos/{repo}/issues"), asked).await?;
        let number = made.get("number").and_then(Value::as_u64).ok_or_else(|| LocalForgeError::Seed("no number".into()))?;
        if !labels.is_empty() {
            let body = json!({ "labels": labels });
            self.call(self.owner(repo)?, Method::Post, &format!("repos/{repo}/issues/{number}/labels"), body).await?;
        }
        Ok(number)
    }

    /// Puts a label on as a user.
    pub async fn add_label(&self, repo: &str, login: &str, number: u64, label: &str) -> Result<(), LocalForgeError> {
        let body = json!({ "labels": [label] });
        self.call(self.as_user(login)?, Method::Post, &format!("repos/{repo}/issues/{number}/labels"), body).await?;
        Ok(())
    }

    /// Takes a label off as a user.
    pub async fn remove_label(&self, repo: &str, login: &str, number: u64, label: &str) -> Result<(), LocalForgeError> {
        let label = super::state::escape_path(label).replace('/', "%2F");
        let path = format!("repos/{repo}/issues/{number}/labels/{label}");
        self.call(self.as_user(login)?, Method::Delete, &path, Value::Null).await?;
        Ok(())
    }

    /// Comments as a user, and gives the comment's identifier.
    pub async fn comment(&self, repo: &str, login: &str, number: u64, body: &str) -> Result<u64, LocalForgeError> {
        let path = format!("repos/{repo}/issues/{number}/comments");
        let made = self.call(self.as_user(login)?, Method::Post, &path, json!({ "body": body })).await?;
        made.get("id").and_then(Value::as_u64).ok_or_else(|| LocalForgeError::Seed("no id".into()))
    }

    /// Edits title or text of an issue as a user.
    pub async fn edit_issue(
        &self,
        repo: &str,
        login: &str,
        number: u64,
        title: Option<&str>,
        body: Option<&str>,
    ) -> Result<(), LocalForgeError> {
        let asked = json!({ "title": title, "body": body });
        self.call(self.as_user(login)?, Method::Patch, &format!("repos/{repo}/issues/{number}"), asked).await?;
        Ok(())
    }

    /// Closes an issue or a pull request as a user.
    pub async fn close(&self, repo: &str, login: &str, number: u64) -> Result<(), LocalForgeError> {
        let asked = json!({ "state": "closed" });
        self.call(self.as_user(login)?, Method::Patch, &format!("repos/{repo}/issues/{number}"), asked).await?;
        Ok(())
    }

    /// Merges a pull request with a merge commit, as a user.
    pub async fn merge_pull(&self, repo: &str, login: &str, number: u64) -> Result<(), LocalForgeError> {
        let asked = json!({ "Do": "merge" });
        self.call(self.as_user(login)?, Method::Post, &format!("repos/{repo}/pulls/{number}/merge"), asked).await?;
        Ok(())
    }

    /// Any call of the API as a user. `path` stands below `/api/v1/`; the answer is `null` where it has no body.
    pub async fn api(&self, login: &str, method: &str, path: &str, body: Value) -> Result<Value, LocalForgeError> {
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            other => return Err(LocalForgeError::Seed(format!("the API has no method {other}"))),
        };
        self.call(self.as_user(login)?, method, path, body).await
    }

    /// The issues of a repository, by number.
    pub fn issues(&self, repo: &str) -> Result<Vec<IssueView>, LocalForgeError> {
        self.look(repo, |state, id| state.issues_of(id).filter(|i| i.pull.is_none()).map(|i| issue_view(state, i)).collect())
    }

    /// The comments of an issue or a pull request, oldest first.
    pub fn comments(&self, repo: &str, number: u64) -> Result<Vec<CommentView>, LocalForgeError> {
        self.look(repo, |state, id| {
            let comments = state.timeline(IssueKey(id, number)).filter_map(|event| match &event.what {
                What::Comment { body, .. } => {
                    let author = state.login(event.author).to_owned();
                    Some(CommentView { id: event.id.0, author, body: body.clone() })
                }
                _ => None,
            });
            comments.collect()
        })
    }

    /// The pull requests of a repository, by number.
    pub fn pulls(&self, repo: &str) -> Result<Vec<PullView>, LocalForgeError> {
        self.look(repo, |state, id| {
            let view = |issue: &Issue| {
                let pull = issue.pull.as_ref()?;
                Some(PullView {
                    issue: issue_view(state, issue),
                    head: pull.head.clone(),
                    base: pull.base.clone(),
                    head_sha: pull.head_sha.clone(),
                    merged: pull.merged.is_some(),
                    merged_by: pull.merged.as_ref().map(|merged| state.login(merged.by).to_owned()),
                    conflicts: pull.conflicts,
                })
            };
            state.issues_of(id).filter_map(view).collect()
        })
    }

    /// Who put which label on or took it off, oldest first.
    pub fn label_history(&self, repo: &str, number: u64) -> Result<Vec<LabelEvent>, LocalForgeError> {
        self.look(repo, |state, id| {
            let events = state.timeline(IssueKey(id, number)).filter_map(|event| match &event.what {
                What::Label { label, added } => {
                    let label = state.label(*label).map(|label| label.name.clone()).unwrap_or_default();
                    Some(LabelEvent { label, added: *added, by: state.login(event.author).to_owned() })
                }
                _ => None,
            });
            events.collect()
        })
    }

    /// Where every ref of a repository points, by name. Refs of pull requests are left out.
    pub fn refs(&self, repo: &str) -> Result<std::collections::BTreeMap<String, String>, LocalForgeError> {
        self.look(repo, |state, id| state.repo(id).map(|repo| repo.refs.clone()).unwrap_or_default())
    }

    fn look<T>(&self, repo: &str, look: impl FnOnce(&State, RepoId) -> T) -> Result<T, LocalForgeError> {
        self.forge.read(|state| {
            let found = repo.split_once('/').and_then(|(owner, name)| state.find_repo(owner, name));
            let (found, _) = found.ok_or_else(|| unknown("repository", repo))?;
            Ok(look(state, found.id))
        })
    }

    fn user(&self, state: &State, login: &str) -> Option<UserId> {
        state.user_named(login).map(|user| user.id)
    }

    fn as_user(&self, login: &str) -> Result<UserId, LocalForgeError> {
        self.forge.read(|state| self.user(state, login)).ok_or_else(|| unknown("user", login))
    }

    fn owner(&self, repo: &str) -> Result<UserId, LocalForgeError> {
        self.look(repo, |state, id| state.repo(id).map(|repo| repo.owner))?.ok_or_else(|| unknown("repository", repo))
    }

    fn anyone_in_charge(&self) -> Result<UserId, LocalForgeError> {
        let admin = self.forge.read(State::site_admin);
        admin.ok_or_else(|| LocalForgeError::Seed("there is no administrator: start with `admin`".into()))
    }

    async fn call(&self, user: UserId, method: Method, path: &str, body: Value) -> Result<Value, LocalForgeError> {
        let incoming = Incoming {
            method,
            path: segments(path),
            raw_path: format!("/api/v1/{path}"),
            query: Vec::new(),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            credentials: Credentials::Inside(user),
        };
        let answer = self.forge.call(incoming).await;
        let text = match answer.body {
            Body::Json(text) | Body::Text(text) | Body::Html(text) => text,
            Body::Empty | Body::Bytes(_) => String::new(),
        };
        if answer.status >= 300 {
            return Err(LocalForgeError::Seed(format!("{path}: {} {text}", answer.status)));
        }
        if text.is_empty() { Ok(Value::Null) } else { parse(&text) }
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, LocalForgeError> {
    serde_json::from_str(text).map_err(LocalForgeError::Record)
}

fn text_of(value: &Value, key: &str) -> Result<String, LocalForgeError> {
    let text = value.get(key).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| LocalForgeError::Seed(format!("the answer has no {key}")))
}

fn unknown(what: &str, name: &str) -> LocalForgeError {
    LocalForgeError::Seed(format!("there is no {what} {name}"))
}

fn issue_view(state: &State, issue: &Issue) -> IssueView {
    let mut labels: Vec<String> = issue.labels.iter().filter_map(|id| state.label(*id)).map(|l| l.name.clone()).collect();
    labels.sort();
    IssueView {
        number: issue.key.1,
        title: issue.title.clone(),
        body: issue.body.clone(),
        author: state.login(issue.author).to_owned(),
        open: issue.state == Standing::Open,
        labels,
        url: state.issue_page(issue),
    }
}
