//! A forge with an owner, a writer, a reader and an outsider, and one private repository `owner/app`.

use std::path::{Path, PathBuf};
use std::process::Output;

use forgehand::localforge::{LocalForge, Options, Seed, SeedFile};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

pub const REPO: &str = "owner/app";
const WRITER: [&str; 3] = ["write:issue", "write:repository", "read:user"];

pub struct Site {
    pub forge: LocalForge,
    pub seed: Seed,
    pub dir: TempDir,
    client: reqwest::Client,
    pub owner: String,
    pub bot: String,
    pub reader: String,
    pub outsider: String,
}

/// What an answer of the API says.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// One field of each entry of a list.
    pub fn each(&self, key: &str) -> Vec<Value> {
        self.json().as_array().unwrap_or_else(|| panic!("no list: {self:?}")).iter().map(|entry| entry[key].clone()).collect()
    }
}

pub fn options(data: &Path) -> Options {
    let listen = "127.0.0.1:0".parse().unwrap();
    Options { data: data.to_owned(), listen, admin: Some(("root".into(), "secret".into())), root_url: None }
}

pub fn client() -> reqwest::Client {
    let redirect = reqwest::redirect::Policy::none();
    reqwest::Client::builder().redirect(redirect).no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

impl Site {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let forge = LocalForge::start(options(&dir.path().join("data"))).await.unwrap();
        let seed = forge.seed();
        for login in ["owner", "bot", "reader", "outsider"] {
            seed.add_user(login, "password").await.unwrap();
        }
        let files = [
            SeedFile { path: "README.md", content: "# app\n", executable: false },
            SeedFile { path: "test.sh", content: "exit 0\n", executable: true },
        ];
        seed.create_repo("owner", "app", true, &files).await.unwrap();
        seed.add_collaborator(REPO, "bot", "write").await.unwrap();
        seed.add_collaborator(REPO, "reader", "read").await.unwrap();
        for label in ["portal", "queue", "prio/high"] {
            seed.create_label(REPO, label, "#00aabb").await.unwrap();
        }
        let owner = seed.token("owner", &["write:issue", "write:repository", "write:user"]).await.unwrap();
        let bot = seed.token("bot", &WRITER).await.unwrap();
        let reader = seed.token("reader", &WRITER).await.unwrap();
        let outsider = seed.token("outsider", &WRITER).await.unwrap();
        Self { forge, seed, dir, client: client(), owner, bot, reader, outsider }
    }

    pub async fn issue(&self, title: &str, body: &str, labels: &[&str]) -> u64 {
        self.seed.create_issue(REPO, "reader", title, body, labels).await.unwrap()
    }

    pub async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}/api/v1/{path}", self.forge.url()));
        if !token.is_empty() {
            request = request.header("Authorization", format!("token {token}"));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    /// Waits until the forge's clock shows another second.
    pub async fn next_second(&self) {
        let clock = async || self.get("version", "").await.header("date").unwrap().to_owned();
        let before = clock().await;
        while clock().await == before {
            tokio::task::yield_now().await;
        }
    }

    /// A clone of `owner/app` as a user.
    pub async fn clone_as(&self, login: &str, token: &str) -> Clone {
        let path = self.dir.path().join(format!("clone-{login}"));
        let url = self.forge.url().replace("http://", &format!("http://{login}:{token}@"));
        let clone = Clone { path };
        let to = clone.path.to_string_lossy().into_owned();
        let output = git(self.dir.path(), &["clone", "-q", &format!("{url}/{REPO}.git"), &to]).await;
        assert!(output.status.success(), "{output:?}");
        clone
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

pub struct Clone {
    pub path: PathBuf,
}

impl Clone {
    pub async fn git(&self, args: &[&str]) -> Output {
        git(&self.path, args).await
    }

    pub async fn good(&self, args: &[&str]) -> String {
        let output = self.git(args).await;
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A commit with one file on a branch that starts at `from`; its name.
    pub async fn commit(&self, branch: &str, from: &str, file: &str, content: &str) -> String {
        self.good(&["checkout", "-q", "-B", branch, from]).await;
        std::fs::write(self.path.join(file), content).unwrap();
        self.good(&["add", "-A"]).await;
        self.good(&["commit", "-q", "-m", &format!("Change {file}")]).await;
        self.good(&["rev-parse", "HEAD"]).await
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is a user of git")]
async fn git(dir: &Path, args: &[&str]) -> Output {
    tokio::process::Command::new("git")
        .current_dir(dir)
        .args(args)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")])
        .envs([("GIT_AUTHOR_NAME", "bot"), ("GIT_AUTHOR_EMAIL", "bot@localhost")])
        .envs([("GIT_COMMITTER_NAME", "bot"), ("GIT_COMMITTER_EMAIL", "bot@localhost")])
        .output()
        .await
        .unwrap()
}
