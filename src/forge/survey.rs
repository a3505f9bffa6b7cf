//! What setting up and checking ask of a forge, beyond what the daemon needs: scopes without an effect, webhooks, files of the base
//! branch, all open pull requests, who administers.
//!
//! Races it knows: two that set up at once can each create a label or a webhook of the same name; both are reported by the next look.

use std::collections::BTreeMap;

use base64::Engine as _;
use reqwest::Method;
use serde_json::json;

use super::transport::{Call, Client};
use super::wire;
use crate::model::{Login, RepoName, Timestamp};
use crate::ports::{ForgeError, ForgeErrorKind};

/// The events that a webhook of ours is asked for: all that can move an issue.
pub const HOOK_EVENTS: [&str; 11] = [
    "issues",
    "issue_assign",
    "issue_label",
    "issue_comment",
    "pull_request",
    "pull_request_label",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_sync",
    "push",
    "action_run_success",
];

/// A scope that a token needs and that can be told without an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `write:issue`.
    Issue,
    /// `write:repository`.
    Repository,
}

impl Scope {
    /// As the forge calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issue => "write:issue",
            Self::Repository => "write:repository",
        }
    }
}

/// Whether a token has a scope, and its account the right behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeAnswer {
    /// Both.
    Held,
    /// The token was made without the scope.
    Lacking,
    /// The scope is there; the account may not do it in this repository. What the forge said.
    Refused(String),
}

/// Who a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// The login.
    pub login: Login,
    /// It administers the whole forge.
    pub site_admin: bool,
}

/// A webhook of a repository. The forge never shows its secret, nor what became of its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The forge's identifier.
    pub id: u64,
    /// Where it delivers to.
    pub url: String,
    /// It delivers.
    pub active: bool,
    /// The fine events that it hears.
    pub events: Vec<String>,
}

/// What stands in a folder of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// A file, not a folder, link or submodule.
    pub is_file: bool,
}

impl Client {
    /// The forge's version, and its own time when it answered.
    pub async fn version_and_time(&self) -> Result<(String, Option<Timestamp>), ForgeError> {
        let call = Call::new(Method::GET, &["version"]);
        let answer = self.send(&call).await?;
        let time = answer.date();
        Ok((answer.decode::<wire::Version>(&call)?.version, time))
    }

    /// Who the token belongs to. A repository-scoped token, or one without `read:user`, may not ask: [`ForgeErrorKind::Denied`].
    pub async fn me(&self) -> Result<Me, ForgeError> {
        let user: wire::Account = self.json(&Call::new(Method::GET, &["user"])).await?;
        Ok(Me { site_admin: user.is_admin, login: user.user.login() })
    }

    /// Whether the token has a scope: asked by a body that cannot be right, so that nothing comes of it.
    ///
    /// # Errors
    /// Whatever else stands in the way: the token is wrong, the repository is gone or archived, the forge is away.
    pub async fn scope(&self, repo: &RepoName, scope: Scope) -> Result<ScopeAnswer, ForgeError> {
        let path = match scope {
            Scope::Issue => "labels",
            Scope::Repository => "pulls",
        };
        let call = Call::of(Method::POST, repo, &[path]).body(json!({}));
        match self.send(&call).await {
            Err(ForgeError { kind: ForgeErrorKind::Invalid, .. }) => Ok(ScopeAnswer::Held),
            Err(ForgeError { kind: ForgeErrorKind::Denied, why, .. }) if why.contains("required scope") => {
                Ok(ScopeAnswer::Lacking)
            }
            Err(ForgeError { kind: ForgeErrorKind::Denied, why, .. }) => Ok(ScopeAnswer::Refused(why)),
            Err(error) => Err(error),
            Ok(_) => Err(call.unreadable("an empty request was taken: this is no Forgejo that forgehand knows".to_owned())),
        }
    }

    /// The webhooks of a repository. Needs its administration: [`ForgeErrorKind::Denied`].
    pub async fn hooks(&self, repo: &RepoName) -> Result<Vec<Hook>, ForgeError> {
        let listed = self.pages::<wire::Hook>(&Call::of(Method::GET, repo, &["hooks"])).await?;
        Ok(listed.items.into_iter().map(Into::into).collect())
    }

    /// Makes a webhook that is active, signs with a secret, and hears of all that can move an issue.
    pub async fn create_hook(&self, repo: &RepoName, url: &str, secret: &str) -> Result<Hook, ForgeError> {
        let body = json!({
            "type": "forgejo",
            "active": true,
            "branch_filter": "*",
            "events": HOOK_EVENTS,
            "config": { "url": url, "content_type": "json", "secret": secret },
        });
        Ok(self.json::<wire::Hook>(&Call::of(Method::POST, repo, &["hooks"]).body(body)).await?.into())
    }

    /// What stands in the topmost folder of a branch.
    pub async fn root(&self, repo: &RepoName, branch: &str) -> Result<Vec<Entry>, ForgeError> {
        let call = Call::of(Method::GET, repo, &["contents"]).query("ref", branch);
        let entries: Option<Vec<wire::Entry>> = self.json(&call).await?;
        Ok(entries.unwrap_or_default().into_iter().map(|e| Entry { is_file: e.kind == "file", name: e.name }).collect())
    }

    /// The text files of a folder of a branch and of the folders in it, by their paths below it, as far as `most` files of at most `limit`
    /// bytes; nothing where there is no such folder.
    ///
    /// # Errors
    /// The forge's; and [`ForgeErrorKind::Invalid`] where there are more.
    pub async fn folder(
        &self,
        repo: &RepoName,
        branch: &str,
        folder: &str,
        limit: u64,
        most: usize,
    ) -> Result<BTreeMap<String, String>, ForgeError> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![String::new()]);
        while let Some(below) = folders.pop() {
            let path: Vec<&str> = [folder].into_iter().chain(below.split('/').filter(|part| !part.is_empty())).collect();
            let parts: Vec<&str> = ["contents"].into_iter().chain(path.iter().copied()).collect();
            let call = Call::of(Method::GET, repo, &parts).query("ref", branch);
            let entries: Option<Vec<wire::Entry>> = match self.json(&call).await {
                Err(ForgeError { kind: ForgeErrorKind::NotFound, .. }) if below.is_empty() => return Ok(found),
                listed => listed?,
            };
            for entry in entries.unwrap_or_default() {
                let place = format!("{below}{}", entry.name);
                match entry.kind.as_str() {
                    "dir" => folders.push(format!("{place}/")),
                    "file" if entry.size <= limit => {
                        let text = self.file(repo, branch, &format!("{folder}/{place}")).await?;
                        found.extend(text.map(|text| (place, text)));
                    }
                    _ => {}
                }
            }
            if found.len() + folders.len() > most {
                let why = format!("there are more than {most} files");
                return Err(ForgeError { kind: ForgeErrorKind::Invalid, what: format!("{folder} of {repo}"), why });
            }
        }
        Ok(found)
    }

    /// A text file of a branch; none if it is not there, not text, or larger than the forge gives out.
    pub async fn file(&self, repo: &RepoName, branch: &str, path: &str) -> Result<Option<String>, ForgeError> {
        let mut parts = vec!["contents"];
        parts.extend(path.split('/'));
        let call = Call::of(Method::GET, repo, &parts).query("ref", branch);
        let entry: wire::Entry = match self.json(&call).await {
            Err(ForgeError { kind: ForgeErrorKind::NotFound, .. }) => return Ok(None),
            found => found?,
        };
        let bytes = entry.content.and_then(|c| base64::engine::general_purpose::STANDARD.decode(c.replace('\n', "")).ok());
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Whether a commit or branch has something at a path, whatever it is.
    ///
    /// # Errors
    /// The forge's.
    pub async fn holds(&self, repo: &RepoName, at: &str, path: &str) -> Result<bool, ForgeError> {
        let parts: Vec<&str> = ["contents"].into_iter().chain(path.split('/').filter(|part| !part.is_empty())).collect();
        match self.json::<serde_json::Value>(&Call::of(Method::GET, repo, &parts).query("ref", at)).await {
            Ok(_) => Ok(true),
            Err(ForgeError { kind: ForgeErrorKind::NotFound, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
