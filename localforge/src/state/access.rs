//! Who is asking and what they may do: passwords, tokens, scopes, rights in a repository.
//!
//! Scopes are checked before the repository is looked up and rights after it, in the order of a real forge, because the
//! order decides between 403, 404 and 301.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::answer::{Halt, missing, says};
use super::records::*;
use super::{Call, Method, State};

/// What a request brings to show who sends it.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// A login with a password or a token.
    Basic(String, String),
    /// A token.
    Token(String),
    /// The process itself, for setting up: acts as the user without limits of a token.
    Inside(UserId),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic(user, _) => write!(f, "Basic({user})"),
            Self::Token(_) => f.write_str("Token"),
            Self::Inside(user) => write!(f, "Inside({})", user.0),
        }
    }
}

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Anonymous,
    /// Somebody known, with the token they came with.
    Known {
        user: UserId,
        token: Option<TokenId>,
    },
}

/// The parts that scopes are divided in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Admin,
    Issue,
    Repository,
    User,
}

impl Category {
    fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Issue => "issue",
            Self::Repository => "repository",
            Self::User => "user",
        }
    }
}

const CATEGORIES: [&str; 9] =
    ["activitypub", "admin", "misc", "notification", "organization", "package", "issue", "repository", "user"];

/// Whether a token may be made with this scope.
pub(super) fn is_scope(text: &str) -> bool {
    matches!(text, "all" | "public-only")
        || text
            .split_once(':')
            .is_some_and(|(level, category)| matches!(level, "read" | "write") && CATEGORIES.contains(&category))
}

/// What the store keeps of a token.
pub(super) fn token_digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// How often a password is hashed: enough to make a stolen folder tedious, little enough for a page's every click.
const STRETCH: usize = 2_000;

fn stretch(salt: &str, password: &str) -> String {
    let mut digest = Sha256::digest(format!("{salt}:{password}").as_bytes());
    for _ in 0..STRETCH {
        digest = Sha256::digest(digest);
    }
    hex::encode(digest)
}

impl Password {
    pub(super) fn new(salt: String, password: &str) -> Self {
        Self { digest: stretch(&salt, password), salt }
    }

    fn is(&self, password: &str) -> bool {
        self.digest.as_bytes().ct_eq(stretch(&self.salt, password).as_bytes()).into()
    }
}

/// What git over HTTP may do with a repository.
#[derive(Clone, Debug)]
pub(crate) enum GitAccess {
    /// It may go on; what a push may change is judged when its refs are known.
    Granted { repo: RepoId, folder: String, pusher: Option<UserId> },
    /// It may not: status and text.
    Refused(u16, &'static str),
    /// The repository is somewhere else: owner and name.
    Moved(String),
}

impl State {
    /// Who the credentials belong to. `Err` carries the message of the 401.
    pub fn authenticate(&self, credentials: &Credentials) -> Result<Actor, String> {
        match credentials {
            Credentials::None => Ok(Actor::Anonymous),
            Credentials::Inside(user) => Ok(Actor::Known { user: *user, token: None }),
            Credentials::Token(token) => {
                self.by_token(token).ok_or_else(|| format!("access token does not exist [sha: {token}]"))
            }
            Credentials::Basic(login, secret) => self
                .by_token(secret)
                .or_else(|| {
                    let user = self.user_named(login)?;
                    user.password.is(secret).then_some(Actor::Known { user: user.id, token: None })
                })
                .ok_or_else(|| "invalid username, password or token".to_owned()),
        }
    }

    fn by_token(&self, token: &str) -> Option<Actor> {
        let digest = token_digest(token);
        let known = self.tokens.values().find(|known| bool::from(known.digest.as_bytes().ct_eq(digest.as_bytes())))?;
        Some(Actor::Known { user: known.user, token: Some(known.id) })
    }

    /// What a user may do in a repository, whatever token they use.
    pub(super) fn user_access(&self, repo: &Repo, user: UserId) -> Access {
        if self.users.get(&user).is_some_and(|user| user.is_admin) { Access::Owner } else { Self::member_access(repo, user) }
    }

    fn member_access(repo: &Repo, user: UserId) -> Access {
        let open = if repo.private { Access::None } else { Access::Read };
        match repo.collaborators.get(&user) {
            _ if repo.owner == user => Access::Owner,
            Some(access) => (*access).max(open),
            None => open,
        }
    }

    /// What an actor may do in a repository. A token that is bound to repositories is worth nothing elsewhere, and no more
    /// than writing there.
    pub fn access(&self, repo: &Repo, actor: Actor) -> Access {
        let open = if repo.private { Access::None } else { Access::Read };
        let Actor::Known { user, token } = actor else { return open };
        let token = token.and_then(|token| self.tokens.get(&token));
        if token.is_some_and(|token| token.scopes.contains("public-only")) && repo.private {
            return Access::None;
        }
        match token.and_then(|token| token.repositories.as_ref()) {
            Some(bound) if bound.contains(&repo.id) => Self::member_access(repo, user).min(Access::Write),
            Some(_) => open,
            None => self.user_access(repo, user),
        }
    }

    fn has_scope(&self, actor: Actor, category: Category, write: bool) -> bool {
        let Actor::Known { token: Some(token), .. } = actor else { return true };
        let Some(token) = self.tokens.get(&token) else { return false };
        let has = |level: &str| token.scopes.contains(&format!("{level}:{}", category.word()));
        token.scopes.contains("all") || has("write") || (!write && has("read"))
    }

    /// The repository of that name, and whether it has another name now.
    pub fn find_repo(&self, owner: &str, name: &str) -> Option<(&Repo, bool)> {
        let owner = self.user_named(owner)?.id;
        let here = self.repos.values().find(|repo| repo.owner == owner && repo.name.eq_ignore_ascii_case(name));
        match here {
            Some(repo) => Some((repo, false)),
            None => Some((self.repos.get(self.redirects.get(&(owner, name.to_lowercase()))?)?, true)),
        }
    }

    /// `owner/name` as it is now.
    pub fn full_name(&self, repo: &Repo) -> String {
        format!("{}/{}", self.login(repo.owner), repo.name)
    }

    /// A user's login.
    pub fn login(&self, user: UserId) -> &str {
        self.users.get(&user).map_or("ghost", |user| user.login.as_str())
    }

    pub fn user_named(&self, login: &str) -> Option<&User> {
        self.users.values().find(|user| user.login.eq_ignore_ascii_case(login))
    }

    /// Whether git over HTTP may read from (or, writing, push to) a repository.
    pub fn git_access(&self, credentials: &Credentials, owner: &str, name: &str, write: bool) -> GitAccess {
        let Ok(actor) = self.authenticate(credentials) else { return GitAccess::Refused(401, "Unauthorized") };
        if !self.has_scope(actor, Category::Repository, write) {
            return GitAccess::Refused(403, "Forbidden");
        }
        let found = self.find_repo(owner, name).filter(|(repo, _)| self.access(repo, actor) >= Access::Read);
        match (found, actor) {
            (None, Actor::Anonymous) => GitAccess::Refused(401, "Unauthorized"),
            (None, Actor::Known { .. }) => GitAccess::Refused(404, "Repository not found"),
            (Some((repo, true)), _) => GitAccess::Moved(self.full_name(repo)),
            (Some(_), Actor::Anonymous) if write => GitAccess::Refused(401, "Unauthorized"),
            (Some((repo, false)), _) if write && repo.archived => GitAccess::Refused(
                403,
                "This repo is archived. You can view files and clone it, but cannot push or open issues/pull-requests.",
            ),
            (Some((repo, false)), actor) => {
                let pusher = match actor {
                    Actor::Known { user, .. } => Some(user),
                    Actor::Anonymous => None,
                };
                GitAccess::Granted { repo: repo.id, folder: repo.folder.clone(), pusher }
            }
        }
    }
}

impl Call<'_> {
    /// The user behind the request.
    pub(super) fn user(&self) -> Result<UserId, Halt> {
        match self.actor {
            Actor::Known { user, .. } => Ok(user),
            Actor::Anonymous => says(401, "token is required"),
        }
    }

    /// Refuses a token without the scope that the method needs.
    pub(super) fn need_scope(&self, category: Category) -> Result<(), Halt> {
        let write = self.request.method != Method::Get;
        if self.state.has_scope(self.actor, category, write) {
            return Ok(());
        }
        let level = if write { "write" } else { "read" };
        says(403, format!("token does not have at least one of required scope(s): [{level}:{}]", category.word()))
    }

    pub(super) fn need_site_admin(&self) -> Result<UserId, Halt> {
        let user = self.user()?;
        match self.state.users.get(&user) {
            Some(known) if known.is_admin => Ok(user),
            _ => says(403, "user should be the site admin"),
        }
    }

    pub(super) fn repo(&self, repo: RepoId) -> Result<&Repo, Halt> {
        self.state.repos.get(&repo).ok_or_else(missing)
    }

    pub(super) fn access(&self, repo: RepoId) -> Access {
        self.state.repos.get(&repo).map_or(Access::None, |repo| self.state.access(repo, self.actor))
    }

    /// Refuses whoever may not write.
    pub(super) fn need_writer(&self, repo: RepoId) -> Result<UserId, Halt> {
        let user = self.user()?;
        if self.access(repo) >= Access::Write { Ok(user) } else { says(403, "user should have a permission to write to a repo") }
    }

    /// Refuses whoever does not administer the repository.
    pub(super) fn need_repo_admin(&self, repo: RepoId) -> Result<UserId, Halt> {
        let user = self.user()?;
        if self.access(repo) >= Access::Admin {
            Ok(user)
        } else {
            says(403, "user should be an owner or a collaborator with admin write of a repository")
        }
    }

    /// Refuses to change an archived repository.
    pub(super) fn need_unarchived(&self, repo: RepoId) -> Result<(), Halt> {
        let found = self.repo(repo)?;
        if !found.archived {
            return Ok(());
        }
        says(423, format!("<Repository {}:{}> is archived", repo.0, self.state.full_name(found)))
    }
}
