//! Real hands on a workspace of a made repository, for tests in both binaries.
//!
//! The workspaces are made by git on the host, as a stand-in for the workspace module: a bare mirror, a `--shared` clone of it, and for
//! verification a fresh clone of whatever bundle was taken over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forgehand::hands::supervise::Limits;
use forgehand::hands::{Backend, KeptEnv, Options, Place, Places, RealHands};
use forgehand::model::{Access, RepoName, RunId, Sha, Shape, StepId, Usd};
use forgehand::ports::{
    AgentOrder, AgentReport, Given, HandError, HandErrorKind, HandEvent, Hands, Session, TurnLimits, VerifyOrder, WorkspaceOrder,
};
use forgehand::sandbox::{self, Mode, Sandbox};
use forgehand::workspace::Caches;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What the bench's redaction removes.
pub const SECRET: &str = "hunter2-is-secret";

/// Hands, and the folders that they work in.
pub struct Bench {
    pub dir: TempDir,
    pub hands: Arc<RealHands>,
    pub workspace: WorkspaceOrder,
}

/// How a turn went.
pub struct Turn {
    pub report: Result<AgentReport, HandError>,
    pub events: Vec<HandEvent>,
}

impl Turn {
    pub fn report(&self) -> &AgentReport {
        self.report.as_ref().expect("the turn was made")
    }

    pub fn doings(&self) -> Vec<&str> {
        let doing = |event: &'_ HandEvent| matches!(event, HandEvent::Doing(_));
        self.events
            .iter()
            .filter(|event| doing(event))
            .map(|event| match event {
                HandEvent::Doing(text) => text.as_str(),
                HandEvent::SessionStarted | HandEvent::Called(_) => "",
            })
            .collect()
    }
}

/// Limits that no test waits long for.
pub fn limits() -> Limits {
    Limits { wall: Duration::from_secs(60), silence: Duration::from_secs(30), ..Limits::default() }
}

/// Opens the sandbox, or says which test does not run without it.
pub fn sandbox(test: &str, mode: Mode) -> Option<Arc<Sandbox>> {
    if mode == Mode::Bubblewrap && which::which("bwrap").is_err() {
        not_run(test, "bubblewrap is not installed");
        return None;
    }
    let options = sandbox::Options {
        mode,
        shim: PathBuf::from(env!("CARGO_BIN_EXE_forgehand")),
        read: Vec::new(),
        path: Vec::new(),
        forbidden: Vec::new(),
        own: Vec::new(),
        limits: sandbox::Limits::default(),
    };
    Some(Arc::new(Sandbox::open(options).expect("a sandbox")))
}

/// Names a test that cannot run here, where the test harness does not keep it to itself.
pub fn not_run(test: &str, why: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "NOT RUN: {test}: {why}").expect("stderr");
}

impl Bench {
    /// A repository with a README and these files, and a workspace on the branch `claude/issue-7`.
    pub async fn new(sandbox: Arc<Sandbox>, backend: Backend, files: &[(&str, &str)], adjust: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let seed = dir.path().join("seed");
        git(dir.path(), &["init", "-q", "-b", "main", "seed"]);
        for (path, text) in [("README.md", "hello\n")].iter().chain(files) {
            let path = seed.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        git(&seed, &["add", "-A"]);
        git(&seed, &["commit", "-q", "-m", "begin"]);
        git(dir.path(), &["clone", "-q", "--bare", "seed", "mirror.git"]);
        let base: Sha = text(&git(&seed, &["rev-parse", "HEAD"])).trim().parse().expect("a commit");
        let places = Arc::new(Folders { root: dir.path().to_owned() });
        let mut options = Options {
            backend,
            agents: BTreeMap::new(),
            sandbox,
            places,
            limits: limits(),
            verify_limit: Duration::from_secs(30),
            setup_limit: Duration::from_secs(30),
            network: Vec::new(),
            sockets: dir.path().join("s"),
            ports: dir.path().join("ports"),
            logs: dir.path().join("logs/runs"),
            redact: Arc::new(|text| text.replace(SECRET, "[removed]")),
            learn: Arc::new(|_| {}),
            vault: forgehand::config::Vault::default(),
            learn_secrets: Arc::new(|_| {}),
        };
        adjust(&mut options);
        let hands = Arc::new(RealHands::new(options));
        let workspace = WorkspaceOrder {
            repo: "o/r".parse().expect("a repository"),
            run: RunId::from("run-1"),
            base,
            branch: "claude/issue-7".into(),
            author: "Robot <robot@example.test>".to_owned(),
        };
        hands.prepare(&workspace).await.expect("a workspace");
        Self { dir, hands, workspace }
    }

    pub fn order(&self, prompt: &str) -> AgentOrder {
        AgentOrder {
            workspace: self.workspace.clone(),
            formula: "fix".into(),
            step: "work".into(),
            access: Access::Write,
            prompt: prompt.to_owned(),
            tools: Vec::new(),
            only_tools: Vec::new(),
            model: None,
            limits: TurnLimits::default(),
            output: shape("fix-result"),
            session: Session::New("6f0f9a55-9bdb-4d9b-8f0e-0c1d2e3f4a5b".to_owned()),
            budget: Usd::from_dollars(5.0),
            spent: Usd::default(),
            beside: false,
            apart: None,
            budget_call: Usd::from_dollars(1.0),
            label: "issue-7-attempt-1".to_owned(),
            given: Given::default(),
            agent: forgehand::model::AgentName::usual(),
            account: None,
        }
    }

    /// A turn from its begin to its end.
    pub async fn turn(&self, order: &AgentOrder) -> Turn {
        self.turn_until(order, &CancellationToken::new(), |_| {}).await
    }

    /// A turn that can be cancelled, and of which each event is looked at.
    pub async fn turn_until(&self, order: &AgentOrder, cancel: &CancellationToken, mut look: impl FnMut(&HandEvent)) -> Turn {
        let (told, mut events) = mpsc::channel(8);
        let mut seen = Vec::new();
        let listen = async {
            while let Some(event) = events.recv().await {
                look(&event);
                seen.push(event);
            }
        };
        let (report, ()) = tokio::join!(self.hands.agent(order, told, cancel.clone()), listen);
        Turn { report, events: seen }
    }

    pub async fn bundle(&self) -> Option<PathBuf> {
        self.hands.bundle(&self.workspace, CancellationToken::new()).await.expect("bundling is possible")
    }

    /// Takes a bundle over into the run's bare repository; answers with its head.
    pub fn take(&self, bundle: &Path) -> Sha {
        git(self.dir.path(), &["clone", "-q", "--bare", "mirror.git", "run-1.git"]);
        let branch = "refs/heads/claude/issue-7";
        let run = self.dir.path().join("run-1.git");
        git(&run, &["fetch", "-q", bundle.to_str().expect("a path"), &format!("{branch}:{branch}")]);
        text(&git(&run, &["rev-parse", branch])).trim().parse().expect("a commit")
    }

    /// What git in the mirror's taken-over repository says.
    pub fn in_run(&self, args: &[&str]) -> String {
        text(&git(&self.dir.path().join("run-1.git"), args))
    }

    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("work/run-1/tree")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("logs/runs/issue-7-attempt-1.jsonl")).expect("a log")
    }
}

/// Workspaces in a folder.
struct Folders {
    root: PathBuf,
}

impl Folders {
    fn at(&self, folder: &str) -> Place {
        let of = |name: &str| self.root.join(folder).join(name);
        Place { tree: of("tree"), home: of("home"), out: of("out"), objects: vec![self.root.join("mirror.git/objects")] }
    }

    fn make(&self, place: &Place, args: &[&str]) {
        for folder in [&place.home, &place.out] {
            fs::create_dir_all(folder).expect("a folder");
        }
        git(&self.root, &[args, &[place.tree.to_str().expect("a path")]].concat());
    }
}

#[async_trait]
impl Places for Folders {
    async fn prepare(&self, order: &WorkspaceOrder) -> Result<(), HandError> {
        let place = self.place(&order.repo, &order.run)?;
        if !place.tree.exists() {
            self.make(&place, &["clone", "-q", "--shared", "mirror.git"]);
            let (name, mail) = order.author.split_once(" <").expect("an author");
            git(&place.tree, &["checkout", "-q", "-b", order.branch.as_str(), order.base.as_str()]);
            git(&place.tree, &["config", "user.name", name]);
            git(&place.tree, &["config", "user.email", mail.trim_end_matches('>')]);
        }
        Ok(())
    }

    fn place(&self, _repo: &RepoName, run: &RunId) -> Result<Place, HandError> {
        Ok(self.at(&format!("work/{run}")))
    }

    async fn beside(&self, repo: &RepoName, run: &RunId, step: &StepId) -> Result<Place, HandError> {
        let own = self.at(&format!("work/{run}/beside/{step}"));
        let place = Place { home: own.home, out: own.out, ..self.place(repo, run)? };
        for folder in [&place.home, &place.out] {
            fs::create_dir_all(folder).expect("a folder");
        }
        Ok(place)
    }

    async fn apart(&self, order: &WorkspaceOrder, step: &StepId, at: &Sha) -> Result<Place, HandError> {
        let place = self.at(&format!("work/{}/beside/{step}", order.run));
        if !place.tree.exists() {
            self.make(&place, &["clone", "-q", "--shared", "mirror.git"]);
            git(&place.tree, &["checkout", "-q", "--detach", at.as_str()]);
        }
        Ok(place)
    }

    async fn check_out(&self, order: &VerifyOrder) -> Result<Place, HandError> {
        let place = self.at(&format!("verify/{}", order.step));
        let from = format!("{}.git", order.run);
        if !self.root.join(&from).exists() {
            let kind = HandErrorKind::Environment;
            return Err(HandError { kind, what: "checking out".to_owned(), why: "nothing was taken over".to_owned() });
        }
        self.make(&place, &["clone", "-q", "--no-checkout", &from]);
        git(&place.tree, &["checkout", "-q", "--detach", order.sha.as_str()]);
        Ok(place)
    }

    async fn keep_env(&self, run: &RunId, env: &KeptEnv) -> Result<(), HandError> {
        fs::write(self.root.join(format!("{run}.env")), format!("{}\n{}", env.to, env.text.expose_secret())).expect("kept");
        Ok(())
    }

    async fn kept_env(&self, run: &RunId) -> Result<Option<KeptEnv>, HandError> {
        let kept = fs::read_to_string(self.root.join(format!("{run}.env"))).ok();
        let split = kept.as_ref().and_then(|kept| kept.split_once('\n'));
        Ok(split.map(|(to, text)| KeptEnv { to: to.to_owned(), text: text.to_owned().into() }))
    }

    async fn put_env(&self, place: &Place, env: &KeptEnv) -> Result<(), HandError> {
        fs::write(place.tree.join(&env.to), env.text.expose_secret()).expect("put");
        Ok(())
    }

    async fn drop_env(&self, _repo: &RepoName, run: &RunId) -> Result<(), HandError> {
        fs::remove_file(self.root.join(format!("{run}.env"))).expect("it was kept");
        Ok(())
    }

    async fn check_out_base(&self, _repo: &RepoName, _run: &RunId, commit: &Sha) -> Result<Place, HandError> {
        let place = self.at("setup");
        self.make(&place, &["clone", "-q", "--shared", "mirror.git"]);
        git(&place.tree, &["checkout", "-q", "--detach", commit.as_str()]);
        Ok(place)
    }

    async fn drop_base(&self, _run: &RunId) -> Result<(), HandError> {
        fs::remove_dir_all(self.root.join("setup")).expect("it is there");
        Ok(())
    }

    async fn cache(&self, repo: &RepoName, key: &str) -> Result<Option<PathBuf>, HandError> {
        Caches::new(&self.root).find(repo, key).await
    }

    async fn begin_cache(&self, repo: &RepoName, parts: Vec<String>) -> Result<PathBuf, HandError> {
        Caches::new(&self.root).begin(repo, parts).await
    }

    async fn keep_cache(&self, repo: &RepoName, key: &str, room: PathBuf, in_use: Vec<PathBuf>) -> Result<PathBuf, HandError> {
        Caches::new(&self.root).keep(repo, key, room, in_use).await
    }

    async fn give_cache_up(&self, repo: &RepoName, room: PathBuf) -> Result<(), HandError> {
        Caches::new(&self.root).give_up(repo, room).await
    }

    async fn make_way(&self, place: &Place, path: &str) -> Result<(), HandError> {
        fs::create_dir_all(place.home.join(path)).expect("a folder");
        Ok(())
    }

    async fn lend_cache(&self, place: &Place, path: &str, from: &Path, _itself: bool) -> Result<(), HandError> {
        std::os::unix::fs::symlink(from, place.home.join(path)).expect("a link");
        Ok(())
    }

    async fn drop_check_out(&self, order: &VerifyOrder) -> Result<(), HandError> {
        fs::remove_dir_all(self.root.join("verify").join(order.step.as_str())).expect("it is there");
        Ok(())
    }

    async fn drop_check_outs(&self, _run: &RunId) -> Result<(), HandError> {
        match fs::remove_dir_all(self.root.join("verify")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => Ok(()),
        }
    }

    async fn discard(&self, repo: &RepoName, run: &RunId) -> Result<(), HandError> {
        let place = self.place(repo, run)?;
        fs::remove_dir_all(place.tree.parent().expect("a folder")).expect("it is there");
        Ok(())
    }
}

/// Runs git on the host, with nothing of the host's configuration.
#[expect(clippy::disallowed_methods, reason = "the bench stands in for the module that owns git")]
pub fn git(folder: &Path, args: &[&str]) -> Output {
    let config = ["-c", "user.name=Test", "-c", "user.email=test@example.test", "-c", "safe.directory=*"];
    let output = std::process::Command::new("git")
        .args(config)
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A shape that is shipped.
pub fn shape(name: &str) -> Shape {
    let text = forgehand::formula::shipped_schema(name).expect("a shipped schema");
    Shape { name: name.to_owned(), schema: serde_json::from_str(text).expect("a schema") }
}
