//! Users and their tokens.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::access::{Category, is_scope, token_digest};
use super::answer::{Halt, Handled, Page, missing, says};
use super::records::*;
use super::{Actor, Answer, Call, State};
use crate::wire::{self, asked};

/// Whether a text may be a login or the name of a repository: it becomes part of addresses.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 100 && text.chars().all(plain) && !matches!(text, "." | "..") && !text.ends_with(".git")
}

/// Logins that would hide parts of the forge itself.
const RESERVED: [&str; 6] = ["api", "admin", "user", "avatars", "assets", "localforge"];

impl State {
    /// Makes a user; `Err` says why there is none.
    pub fn add_user(&mut self, new: asked::NewUser, is_admin: bool, nonce: &[u8; 32], now: At) -> Result<UserId, String> {
        if !is_name(&new.username) || RESERVED.contains(&new.username.to_lowercase().as_str()) {
            return Err(format!("name is reserved or has unusable characters [name: {}]", new.username));
        }
        if self.user_named(&new.username).is_some() {
            return Err(format!("user already exists [name: {}]", new.username));
        }
        let id = UserId(self.next("user"));
        let password = Password::new(hex::encode(&nonce[..16]), &new.password);
        let user = User { id, login: new.username, email: new.email, full_name: new.full_name, password, is_admin, created: now };
        self.users.insert(id, user);
        Ok(id)
    }

    /// Gives a user another password.
    pub fn set_password(&mut self, user: UserId, password: &str, nonce: &[u8; 32]) {
        if let Some(user) = self.users.get_mut(&user) {
            user.password = Password::new(hex::encode(&nonce[..16]), password);
        }
    }
}

impl Call<'_> {
    /// The body of the request; what does not fit is refused with 422.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Halt> {
        let text: &[u8] = if self.request.body.is_empty() { b"{}" } else { &self.request.body };
        serde_json::from_slice(text).or_else(|error| says(422, format!("[]: {error}")))
    }

    pub(super) fn get_self(&self) -> Handled {
        self.need_scope(Category::User)?;
        let user = self.user()?;
        Ok(Answer::json(200, &self.view().show_user_seen(user)))
    }

    pub(super) fn get_user(&self, login: &str) -> Handled {
        self.need_scope(Category::User)?;
        let user = self.state.user_named(login).ok_or_else(missing)?.id;
        Ok(Answer::json(200, &self.view().show_user_seen(user)))
    }

    pub(super) fn create_user(&mut self) -> Handled {
        self.need_scope(Category::Admin)?;
        self.need_site_admin()?;
        let new: asked::NewUser = self.body()?;
        required("Username", &new.username)?;
        required("Email", &new.email)?;
        match self.state.add_user(new, false, &self.request.nonce, self.request.now) {
            Ok(user) => Ok(Answer::json(201, &self.view().show_user_seen(user))),
            Err(why) => says(422, why),
        }
    }

    /// Tokens are only for who shows the password of the account (or a site administrator's).
    fn token_owner(&self, login: &str) -> Result<UserId, Halt> {
        self.need_scope(Category::User)?;
        let doer = self.user()?;
        if matches!(self.actor, Actor::Known { token: Some(_), .. }) {
            return says(401, "auth required");
        }
        let owner = self.state.user_named(login).ok_or_else(missing)?.id;
        if owner != doer {
            self.need_site_admin()?;
        }
        Ok(owner)
    }

    pub(super) fn create_token(&mut self, login: &str) -> Handled {
        let owner = self.token_owner(login)?;
        let new: asked::NewToken = self.body()?;
        required("Name", &new.name)?;
        if new.scopes.is_empty() {
            return says(400, "access token must have a scope");
        }
        if let Some(scope) = new.scopes.iter().find(|scope| !is_scope(scope)) {
            return says(400, format!("invalid access token scope [scope: {scope}]"));
        }
        if self.state.tokens.values().any(|token| token.user == owner && token.name == new.name) {
            return says(400, "access token name has been used already");
        }
        let repositories = new.repositories.as_deref().map(|named| self.bound_to(&new.scopes, named)).transpose()?;
        let text = hex::encode(&self.request.nonce[..20]);
        let id = TokenId(self.state.next("token"));
        let scopes: BTreeSet<String> = new.scopes.into_iter().collect();
        let last_eight = text.get(text.len().saturating_sub(8)..).unwrap_or_default().to_owned();
        let token = Token { id, user: owner, name: new.name, digest: token_digest(&text), last_eight, scopes, repositories };
        let shown = self.show_token(&token, text);
        self.state.tokens.insert(id, token);
        Ok(Answer::json(201, &shown))
    }

    /// The repositories a token is to be bound to. Such a token may only be for issues and repositories.
    fn bound_to(&self, scopes: &[String], named: &[asked::RepoNamed]) -> Result<Vec<RepoId>, Halt> {
        if scopes.iter().any(|scope| !scope.ends_with(":issue") && !scope.ends_with(":repository")) {
            return says(400, "a token for some repositories may only have the scopes issue and repository");
        }
        let find = |name: &asked::RepoNamed| match self.state.find_repo(&name.owner, &name.name) {
            Some((repo, false)) if self.state.access(repo, self.actor) >= Access::Read => Ok(repo.id),
            _ => says(400, format!("repository does not exist [name: {}/{}]", name.owner, name.name)),
        };
        named.iter().map(find).collect()
    }

    fn show_token(&self, token: &Token, sha1: String) -> wire::Token {
        let bound = |ids: &Vec<RepoId>| {
            ids.iter().filter_map(|id| self.state.repos.get(id)).map(|repo| self.view().show_repo_meta(repo)).collect()
        };
        wire::Token {
            id: token.id.0,
            name: token.name.clone(),
            sha1,
            token_last_eight: token.last_eight.clone(),
            scopes: token.scopes.iter().cloned().collect(),
            repositories: token.repositories.as_ref().map(bound),
        }
    }

    pub(super) fn list_tokens(&self, login: &str) -> Handled {
        let owner = self.token_owner(login)?;
        let all: Vec<_> =
            self.state.tokens.values().filter(|t| t.user == owner).map(|t| self.show_token(t, String::new())).collect();
        let total = all.len();
        Ok(Answer::json(200, &Page::of(self.request).cut(all)).header("x-total-count", total))
    }

    pub(super) fn delete_token(&mut self, login: &str, which: &str) -> Handled {
        let owner = self.token_owner(login)?;
        let is = |token: &&Token| token.user == owner && (token.name == which || token.id.0.to_string() == which);
        let id = self.state.tokens.values().find(is).ok_or_else(missing)?.id;
        self.state.tokens.remove(&id);
        Ok(Answer::empty(204))
    }
}

/// Refuses a body without a field that has to be there.
pub(super) fn required(field: &str, value: &str) -> Result<(), Halt> {
    if value.is_empty() { says(422, format!("[{field}]: Required")) } else { Ok(()) }
}
