//! A forge to hold the client against: localforge, or a live one.
//!
//! Everything is made through the public API (users, tokens, a repository, issues, branches), so that it is the same on both. A live
//! forge is used too when these are set, and is left with users `fh-*` and their repositories:
//! - `FORGEHAND_TEST_FORGE_URL`: its address, with any subpath;
//! - `FORGEHAND_TEST_ADMIN_TOKEN`: a token of a site administrator with the scope `all`.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forgehand::forge::{Client, Options, install_tls};
use forgehand::localforge::LocalForge;
use forgehand::model::{Branch, IssueNumber, Login, RepoName};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

static NOTICE: Once = Once::new();

/// The password of the users that are made.
const PASSWORD: &str = "Correct-Horse-9-Battery";

/// How a raw call shows who makes it.
#[derive(Clone, Debug)]
pub enum Who {
    /// Nobody.
    Anonymous,
    /// By token.
    Token(String),
    /// By name and password.
    Basic(String, String),
}

/// A raw answer.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Its status.
    pub status: u16,
    /// Its `Date`.
    pub date: String,
    /// Its body, null if there is none.
    pub body: Value,
}

/// The API without the client under test.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    url: String,
}

impl Api {
    /// The API of the forge at this address.
    pub fn new(url: &str) -> Self {
        install_tls();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = if url.starts_with("http:") { http.tls_certs_only([]) } else { http };
        Self { http: http.build().expect("an HTTP client"), url: url.trim_end_matches('/').to_owned() }
    }

    /// One call, whatever comes of it. The path begins with `/` and is already encoded.
    pub async fn raw(&self, who: &Who, method: Method, path: &str, body: Value) -> Raw {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        request = match who {
            Who::Anonymous => request,
            Who::Token(token) => request.header("authorization", format!("token {token}")),
            Who::Basic(name, password) => {
                request.header("authorization", format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
            }
        };
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        let status = answer.status().as_u16();
        let date = answer.headers().get("date").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let text = answer.text().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        Raw { status, date, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// One call that must be 2xx.
    pub async fn done(&self, who: &Who, method: Method, path: &str, body: Value) -> Value {
        let answer = self.raw(who, method.clone(), path, body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        answer.body
    }
}

/// A forge with an administrator.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its API.
    pub api: Api,
    /// Its address.
    pub url: String,
    /// An administrator.
    pub admin: Who,
    /// Whether it is localforge, which gives no key that the recordings do not have.
    pub local: bool,
}

impl Site {
    /// The live forge that the environment names.
    pub fn live() -> Option<Self> {
        let url = std::env::var("FORGEHAND_TEST_FORGE_URL").ok()?;
        let token =
            std::env::var("FORGEHAND_TEST_ADMIN_TOKEN").expect("FORGEHAND_TEST_ADMIN_TOKEN beside FORGEHAND_TEST_FORGE_URL");
        Some(Self { api: Api::new(&url), url, admin: Who::Token(token), local: false })
    }

    /// A localforge of its own, which lives as long as what is given back beside it.
    async fn local() -> (Self, LocalForge, TempDir) {
        let data = tempfile::tempdir().expect("a folder");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let admin = ("root".to_owned(), PASSWORD.to_owned());
        let options =
            forgehand::localforge::Options { data: data.path().join("data"), listen, admin: Some(admin.clone()), root_url: None };
        let forge = LocalForge::start(options).await.expect("localforge");
        let url = forge.url();
        (Self { api: Api::new(&url), url, admin: Who::Basic(admin.0, admin.1), local: true }, forge, data)
    }
}

/// A private repository `app` of an owner, with a bot that writes, a reader, and an outsider.
#[derive(Debug)]
pub struct Ctx {
    /// The forge.
    pub site: Site,
    /// The repository.
    pub repo: RepoName,
    /// What all logins of this context end in.
    suffix: String,
    /// The owner, by a token with all that it takes.
    pub owner: Who,
    /// The bot, by the token that a daemon has.
    pub bot: Who,
}

impl Ctx {
    /// Makes users, tokens and a repository.
    pub async fn new(site: Site) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let version = site.api.raw(&Who::Anonymous, Method::GET, "/version", Value::Null).await;
        let digits: String = version.date.chars().filter(char::is_ascii_digit).collect();
        let suffix = format!("{}-{digits}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        for role in ["owner", "bot", "reader", "outsider"] {
            let user = json!({
                "username": format!("fh-{role}-{suffix}"), "password": PASSWORD, "must_change_password": false,
                "email": format!("fh-{role}-{suffix}@example.test"),
            });
            site.api.done(&site.admin, Method::POST, "/admin/users", user).await;
        }
        let repo: RepoName = format!("fh-owner-{suffix}/app").parse().expect("a name");
        let mut ctx = Self { site, repo, suffix, owner: Who::Anonymous, bot: Who::Anonymous };
        ctx.owner = ctx.token("owner", &["write:issue", "write:repository", "write:user"]).await;
        ctx.bot = ctx.token("bot", &["write:issue", "write:repository", "read:user"]).await;
        let app = json!({ "name": "app", "auto_init": true, "default_branch": "main", "private": true });
        ctx.site.api.done(&ctx.owner, Method::POST, "/user/repos", app).await;
        for (role, permission) in [("bot", "write"), ("reader", "read")] {
            let path = ctx.path(&format!("/collaborators/{}", ctx.login(role)));
            ctx.site.api.done(&ctx.owner, Method::PUT, &path, json!({ "permission": permission })).await;
        }
        ctx
    }

    /// The login of a role.
    pub fn login(&self, role: &str) -> Login {
        Login(format!("fh-{role}-{}", self.suffix))
    }

    /// A path under the repository.
    pub fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repo)
    }

    /// A new token of a role.
    pub async fn token(&self, role: &str, scopes: &[&str]) -> Who {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.make_token(role, json!({ "name": name, "scopes": scopes })).await
    }

    /// A new token of a role, as the body says.
    pub async fn make_token(&self, role: &str, body: Value) -> Who {
        let login = self.login(role);
        let basic = Who::Basic(login.to_string(), PASSWORD.to_owned());
        let made = self.site.api.done(&basic, Method::POST, &format!("/users/{login}/tokens"), body).await;
        Who::Token(made["sha1"].as_str().expect("a token").to_owned())
    }

    /// The client under test, as somebody.
    pub fn client(&self, who: &Who) -> Client {
        let Who::Token(token) = who else { panic!("the client has a token: {who:?}") };
        Client::new(&self.site.url, SecretString::from(token.clone()), Options::default()).expect("a client")
    }

    /// The client under test, as the bot.
    pub fn bot_client(&self) -> Client {
        self.client(&self.bot)
    }

    /// A call of the owner under the repository.
    pub async fn by_owner(&self, method: Method, rest: &str, body: Value) -> Value {
        self.site.api.done(&self.owner, method, &self.path(rest), body).await
    }

    /// A call of the bot under the repository.
    pub async fn by_bot(&self, method: Method, rest: &str, body: Value) -> Value {
        self.site.api.done(&self.bot, method, &self.path(rest), body).await
    }

    /// Files an issue, by the owner.
    pub async fn file(&self, title: &str, labels: &[u64]) -> IssueNumber {
        let body = json!({ "title": title, "body": format!("about {title}"), "labels": labels });
        let issue = self.by_owner(Method::POST, "/issues", body).await;
        IssueNumber(issue["number"].as_u64().expect("a number"))
    }

    /// Makes a branch from `main` with one file more.
    pub async fn branch(&self, name: &str) -> Branch {
        self.by_bot(Method::POST, "/branches", json!({ "new_branch_name": name, "old_branch_name": "main" })).await;
        let file = name.replace('/', "-");
        let body = json!({ "content": STANDARD.encode("echo 4\n"), "message": format!("add {file}"), "branch": name });
        self.by_bot(Method::POST, &format!("/contents/{file}.sh"), body).await;
        Branch::from(name)
    }
}

/// Runs a contract on localforge, and on the live forge that the environment names.
pub async fn on_each_site(contract: impl AsyncFn(Ctx)) {
    let (local, _forge, _data) = Site::local().await;
    contract(Ctx::new(local).await).await;
    match Site::live() {
        Some(site) => contract(Ctx::new(site).await).await,
        None => NOTICE.call_once(|| {
            // Past the harness, which holds back what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "not checked (1), but on localforge: forge_contract on a live Forgejo: FORGEHAND_TEST_FORGE_URL is not set"
            );
        }),
    }
}
