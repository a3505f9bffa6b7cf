//! A forge that only speaks git over HTTP: `git http-backend` behind a door that checks the token, counts, and can be told to misbehave.
//! Small enough to be sure of; what a whole forge does is tested with localforge.
#![expect(clippy::disallowed_methods, reason = "tests play the forge and the agent, with git of their own")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use forgehand::git::{Git, Limits, Options};
use forgehand::model::{Branch, RepoName, RunId, Sha};
use forgehand::ports::{Repos, WorkspaceOrder};
use forgehand::workspace::{Kind, WorkspacePaths, Workspaces};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
pub const AUTHOR: &str = "Forge Hand <hand@example.org>";

/// How the door behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    Serve,
    /// Every request is answered with this.
    Status(u16),
    /// Every request is sent elsewhere.
    Moved(String),
    /// Requests are taken and never answered.
    Hang,
}

#[derive(Debug)]
pub struct Door {
    root: PathBuf,
    manner: Mutex<Manner>,
    pub hits: AtomicUsize,
    /// Somebody knocked.
    pub knocked: Notify,
}

impl Door {
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().expect("no panic while held") = manner;
    }
}

/// A door, a repository behind it, and a git that knows them.
pub struct World {
    pub dir: TempDir,
    pub door: Arc<Door>,
    pub port: u16,
    pub git: Git,
    pub repo: RepoName,
    _serving: JoinSet<()>,
}

impl World {
    /// With a first commit on `main`.
    pub async fn new() -> Self {
        let world = Self::empty(Limits::default()).await;
        world.seed();
        world
    }

    pub async fn limited(limits: Limits) -> Self {
        let world = Self::empty(limits).await;
        world.seed();
        world
    }

    pub async fn empty(limits: Limits) -> Self {
        let dir = TempDir::new().expect("a folder");
        let root = dir.path().join("forge");
        sh(
            dir.path(),
            "mkdir -p forge/sub/o && git init -q --bare -b main forge/sub/o/r.git && git -C forge/sub/o/r.git config http.receivepack true",
        );
        let door = Arc::new(Door { root, manner: Mutex::new(Manner::Serve), hits: AtomicUsize::new(0), knocked: Notify::new() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let app = axum::Router::new().fallback(answer).with_state(door.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.expect("serves") });
        let git = git_for(dir.path(), port, TOKEN, limits);
        Self { dir, door, port, git, repo: "o/r".parse().expect("a name"), _serving: serving }
    }

    fn seed(&self) {
        sh(
            self.dir.path(),
            "git clone -q forge/sub/o/r.git person 2>/dev/null; cd person && mkdir -p src && echo 'echo ok' >test.sh && printf '1\\n2\\n3\\n' >src/a.txt && git add . && git commit -qm 'first' && git push -q origin main",
        );
    }

    /// The repository behind the door.
    pub fn bare(&self) -> PathBuf {
        self.dir.path().join("forge/sub/o/r.git")
    }

    /// A clone of a person with rights.
    pub fn person(&self) -> PathBuf {
        self.dir.path().join("person")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn mirror(&self) -> PathBuf {
        self.state().join("mirrors/o--r.git")
    }

    pub fn workspaces(&self) -> Workspaces {
        Workspaces::new(&self.state(), self.git.clone(), Kind::Clone, None)
    }

    /// Syncs and answers with the tip of a branch.
    pub async fn sync(&self, branch: &str, run: &str) -> Option<Sha> {
        let tips = self.git.sync(&self.repo, &[branch.into()], &run.into()).await.expect("syncs");
        tips.0.into_iter().next().expect("one was asked for")
    }

    /// A workspace of a run, on `claude/issue-7` at the tip of main.
    pub async fn workspace(&self, run: &str) -> (WorkspaceOrder, WorkspacePaths) {
        let base = self.sync("main", run).await.expect("there is a main");
        let order = WorkspaceOrder {
            repo: self.repo.clone(),
            run: RunId::from(run),
            base,
            branch: Branch::from("claude/issue-7"),
            author: AUTHOR.into(),
        };
        let paths = self.workspaces().prepare(&order).await.expect("prepares");
        (order, paths)
    }
}

pub fn git_for(dir: &Path, port: u16, token: &str, limits: Limits) -> Git {
    let forge_url = format!("http://127.0.0.1:{port}/sub/").parse().expect("an address");
    let (login, token) = ("bot".into(), token.to_owned().into());
    Git::new(Options { state_dir: dir.join("state"), forge_url, login, token, ca_file: None, limits }).expect("git is there")
}

/// Runs a script the way a person or an agent would, and answers with what it printed.
pub fn sh(dir: &Path, script: &str) -> String {
    let out = std::process::Command::new("sh")
        .args(["-ec", script])
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C")])
        .envs([
            ("GIT_AUTHOR_NAME", "Agent"),
            ("GIT_AUTHOR_EMAIL", "agent@else"),
            ("GIT_COMMITTER_NAME", "Agent"),
            ("GIT_COMMITTER_EMAIL", "agent@else"),
        ])
        .output()
        .expect("sh is there");
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

async fn answer(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.hits.fetch_add(1, Ordering::SeqCst);
    door.knocked.notify_one();
    let manner = door.manner.lock().expect("no panic while held").clone();
    let plain = |status: u16| Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    match manner {
        Manner::Serve => {}
        Manner::Status(status) => return plain(status).body(Body::empty()).expect("well-formed"),
        Manner::Moved(to) => return plain(301).header("Location", to).body(Body::empty()).expect("well-formed"),
        Manner::Hang => std::future::pending().await,
    }
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("bot:{TOKEN}"));
    if header(request.headers(), "authorization") != format!("Basic {basic}") {
        return plain(401).header("WWW-Authenticate", "Basic realm=\"forge\"").body(Body::empty()).expect("well-formed");
    }
    backend(&door.root, request).await
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// CGI.
async fn backend(root: &Path, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 30).await.expect("a body");
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_HTTP_EXPORT_ALL", "1"),
            ("REMOTE_USER", "bot"),
            ("REMOTE_ADDR", "127.0.0.1"),
        ])
        .env("GIT_PROJECT_ROOT", root)
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", head.method.as_str())
        .env("CONTENT_TYPE", header(&head.headers, "content-type"))
        .env("HTTP_CONTENT_ENCODING", header(&head.headers, "content-encoding"))
        .env("GIT_PROTOCOL", header(&head.headers, "git-protocol"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("git is there");
    let mut stdin = child.stdin.take().expect("piped");
    let feed = async move {
        let _ = stdin.write_all(&body).await;
    };
    let ((), out) = tokio::join!(feed, child.wait_with_output());
    let out = out.expect("it ran").stdout;
    let split = out.windows(4).position(|w| w == b"\r\n\r\n").expect("a header");
    let (text, rest) = (String::from_utf8_lossy(&out[..split]).into_owned(), out[split + 4..].to_vec());
    let mut answer = Response::builder();
    for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
        match name {
            "Status" => {
                answer = answer.status(value.split(' ').next().and_then(|code| code.parse::<u16>().ok()).expect("a status"))
            }
            _ => answer = answer.header(name, value),
        }
    }
    answer.body(Body::from(rest)).expect("well-formed")
}
