//! A whole site for a test: the embedded forge with people in it, a project that its own test breaks, a scripted agent, a
//! configuration, and the real binary.
//!
//! Nothing here sleeps for a fixed time; [`until`] waits for a condition and says what it waited for when it gives up.

mod agent;
mod started;
pub mod veil;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use forgehand::journal::JournalReader;
use forgehand::localforge::{CommentView, IssueView, LocalForge, Options, PullView, Seed, SeedFile};
use forgehand::model::{Event, Intent, Record};
use forgehand::sandbox::Mode;
use serde_json::Value;
use tempfile::TempDir;

pub use agent::{Agent, FIX, TRIAGE};
pub use started::Started;

use crate::hands_bench::not_run;

/// The project.
pub const REPO: &str = "owner/app";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// How a site is to be; what a test does not care about is left as it is.
pub struct Plan {
    /// The test's name, for `NOT RUN`.
    pub test: &'static str,
    /// The sandbox. bubblewrap, as people have it.
    pub mode: Mode,
    /// Who does the work.
    pub agent: Agent,
    /// The project's files.
    pub files: Vec<(&'static str, String)>,
    /// Further lines of `[[project]]`.
    pub project: String,
    /// Further lines of `[limits]`.
    pub limits: &'static str,
    /// Further lines of `[daemon]`.
    pub daemon: &'static str,
    /// Further variables of the environment.
    pub env: Vec<(&'static str, String)>,
}

impl Plan {
    pub fn new(test: &'static str) -> Self {
        Self {
            test,
            mode: Mode::Bubblewrap,
            agent: Agent::scripted(TRIAGE, FIX),
            files: vec![("add.sh", "echo 5\n".to_owned()), ("test.sh", "test \"$(sh add.sh 2 2)\" = 4\n".to_owned())],
            project: String::new(),
            limits: "",
            daemon: "",
            env: Vec::new(),
        }
    }

    pub fn agent(self, agent: Agent) -> Self {
        Self { agent, ..self }
    }

    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    pub fn project(self, lines: &str) -> Self {
        Self { project: lines.to_owned(), ..self }
    }

    pub fn limits(self, limits: &'static str) -> Self {
        Self { limits, ..self }
    }

    pub fn daemon(self, daemon: &'static str) -> Self {
        Self { daemon, ..self }
    }

    pub fn file(mut self, path: &'static str, text: &str) -> Self {
        self.files.retain(|(there, _)| *there != path);
        self.files.push((path, text.to_owned()));
        self
    }

    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// Sets it up; none, and a line that says so, where this machine lacks what it needs.
    pub async fn rig(self) -> Option<Rig> {
        if self.mode == Mode::Bubblewrap && which::which("bwrap").is_err() {
            not_run(self.test, "bubblewrap is not installed");
            return None;
        }
        if self.agent.is_missing() {
            not_run(self.test, "claude is not installed; the README's test command does that");
            return None;
        }
        Some(Rig::new(self).await)
    }
}

/// What a command of the binary said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn silent(self) -> Self {
        let said = self.ok();
        assert!(said.out.is_empty() && said.err.is_empty(), "{said:#?}");
        said
    }
}

/// A site.
pub struct Rig {
    pub dir: TempDir,
    pub forge: LocalForge,
    pub seed: Seed,
    env: Vec<(&'static str, String)>,
    program: PathBuf,
}

impl Rig {
    async fn new(plan: Plan) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options {
            data: dir.path().join("forge"),
            listen: ([127, 0, 0, 1], 0).into(),
            admin: Some(("root".to_owned(), "Correct-Horse-9-Battery".to_owned())),
            root_url: None,
        };
        let forge = LocalForge::start(options).await.expect("a forge");
        let seed = forge.seed();
        for login in ["owner", "bot", "reporter"] {
            seed.add_user(login, "Correct-Horse-9-Battery").await.expect("a user");
        }
        let files: Vec<SeedFile<'_>> =
            plan.files.iter().map(|(path, content)| SeedFile { path, content, executable: false }).collect();
        seed.create_repo("owner", "app", false, &files).await.expect("a repository");
        seed.add_collaborator(REPO, "bot", "write").await.expect("a collaborator");
        seed.create_label(REPO, "portal", "#00aabb").await.expect("a label");
        let token = seed.token("bot", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
        fs::write(dir.path().join("token"), token).expect("the token's file");
        fs::create_dir(dir.path().join("home")).expect("a home");
        plan.agent.install(dir.path());
        let program = PathBuf::from(env!("CARGO_BIN_EXE_forgehand"));
        let rig = Self { dir, forge, seed, env: plan.env.clone(), program };
        rig.configure(&rig.config(&plan));
        rig
    }

    /// With a further variable of the environment, for the commands that follow.
    pub fn with_env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// With another binary, for the commands that follow.
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    fn config(&self, plan: &Plan) -> String {
        let mode = if plan.mode == Mode::None { "none" } else { "bubblewrap" };
        let mut config = format!(
            "[forge]\nurl = \"{}\"\ntoken_file = \"token\"\n\n[[project]]\nrepo = \"{REPO}\"\nverify = [\"sh ./test.sh\"]\n{}\n",
            self.forge.url(),
            plan.project
        );
        let state = self.state_dir();
        writeln!(config, "\n[agent]\n{}\nauthor = \"Robot <robot@example.test>\"", plan.agent.config(self.dir.path()))
            .expect("text");
        writeln!(config, "\n[sandbox]\nmode = \"{mode}\"\n\n[limits]\n{}", plan.limits).expect("text");
        writeln!(config, "\n[daemon]\nstate_dir = \"{}\"\n{}", state.display(), plan.daemon).expect("text");
        config
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("forgehand.toml")
    }

    /// Writes the configuration.
    pub fn configure(&self, text: &str) {
        fs::write(self.config_file(), text).expect("the configuration");
    }

    /// Changes the configuration.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config_file()).expect("the configuration");
        assert!(text.contains(from), "{from:?} is not in {text}");
        self.configure(&text.replace(from, to));
    }

    /// The configuration of another daemon, with a state folder and so a journal of its own.
    pub fn another_journal(&self) -> PathBuf {
        let text = fs::read_to_string(self.config_file()).expect("the configuration");
        let (ours, other) = (self.state_dir(), self.dir.path().join("state-2"));
        let file = self.dir.path().join("forgehand-2.toml");
        fs::write(&file, text.replace(&ours.display().to_string(), &other.display().to_string())).expect("a configuration");
        file
    }

    /// Lets the scripted agents pass that wait for this word.
    pub fn let_pass(&self, word: &str) {
        fs::write(self.dir.path().join("agent").join(word), "").expect("a word");
    }

    /// Reports an issue with these labels.
    pub async fn issue(&self, title: &str, body: &str, labels: &[&str]) -> u64 {
        for label in labels {
            self.label(label).await;
        }
        self.seed.create_issue(REPO, "reporter", title, body, labels).await.expect("an issue")
    }

    /// Sees to it that the repository has a label.
    pub async fn label(&self, name: &str) {
        let all = self.seed.api("owner", "GET", &format!("repos/{REPO}/labels"), Value::Null).await.expect("the labels");
        if !all.as_array().expect("a list").iter().any(|l| l["name"] == name) {
            self.seed.create_label(REPO, name, "#abcdef").await.expect("a label");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the test starts the program under test")]
    fn command(&self, config: &Path, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.arg("--config").arg(config).args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        // Nothing of the one who runs the tests: no key, no sign-in, no settings.
        command.env_clear().env("HOME", self.dir.path().join("home")).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("RUST_LOG", "forgehand=debug").envs(self.env.iter().cloned());
        command.kill_on_drop(true);
        command
    }

    /// Runs a command of the binary to its end.
    pub async fn run(&self, args: &[&str]) -> Said {
        self.run_with(&self.config_file(), args).await
    }

    /// The same with another configuration.
    pub async fn run_with(&self, config: &Path, args: &[&str]) -> Said {
        let output = tokio::time::timeout(PATIENCE, self.command(config, args).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{args:?} does not end:\n{}", self.story())).expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// `once`, which must end well.
    #[track_caller]
    pub fn once(&self) -> impl Future<Output = Said> {
        let at = std::panic::Location::caller();
        async move {
            let said = self.run(&["once"]).await;
            assert_eq!(said.code, Some(0), "{at}: {said:#?}\n{}", self.story());
            said
        }
    }

    /// Starts a command of the binary and lets it run.
    pub fn start(&self, args: &[&str]) -> Started {
        Started::new(self.command(&self.config_file(), args))
    }

    pub async fn json(&self, args: &[&str]) -> Value {
        let said = self.run(args).await.ok();
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", said.out))
    }

    /// An issue on the board.
    pub async fn row(&self, number: u64) -> Value {
        let board = self.json(&["status", "--json"]).await;
        let rows = board["issues"].as_array().expect("a list").clone();
        rows.into_iter().find(|row| row["number"] == number).unwrap_or_else(|| panic!("#{number} is not on {board:#}"))
    }

    pub fn issue_now(&self, number: u64) -> IssueView {
        let issues = self.seed.issues(REPO).expect("the issues");
        issues.into_iter().find(|issue| issue.number == number).expect("the issue")
    }

    /// The labels of an issue other than `portal`.
    pub fn labels(&self, number: u64) -> Vec<String> {
        self.issue_now(number).labels.into_iter().filter(|label| label != "portal").collect()
    }

    pub fn comments(&self, number: u64) -> Vec<CommentView> {
        self.seed.comments(REPO, number).expect("the comments")
    }

    /// The comments of ours with this in them.
    pub fn said(&self, number: u64, words: &str) -> Vec<String> {
        let ours = self.comments(number).into_iter().filter(|c| c.author == "bot" && c.body.contains(words));
        ours.map(|c| c.body).collect()
    }

    /// The one status comment of an issue, which must have these words.
    #[track_caller]
    pub fn assert_status(&self, number: u64, words: &str) {
        let bodies: Vec<String> = self.comments(number).into_iter().filter(|c| c.author == "bot").map(|c| c.body).collect();
        let status: Vec<&String> = bodies.iter().filter(|body| !body.contains("### Breakdown")).collect();
        assert!(matches!(&status[..], [one] if one.contains(words)), "{words:?} in {bodies:#?}");
    }

    pub fn pulls(&self) -> Vec<PullView> {
        self.seed.pulls(REPO).expect("the pull requests")
    }

    /// The refs of claims that stand on the forge.
    pub fn claims(&self) -> Vec<String> {
        let refs = self.seed.refs(REPO).expect("the refs");
        refs.into_keys().filter(|name| name.starts_with("refs/forgehand/")).collect()
    }

    /// Where a branch is on the forge.
    pub fn branch(&self, name: &str) -> Option<String> {
        self.seed.refs(REPO).expect("the refs").get(&format!("refs/heads/{name}")).cloned()
    }

    /// A commit on the forge.
    pub async fn commit(&self, sha: &str) -> Value {
        self.seed.api("owner", "GET", &format!("repos/{REPO}/git/commits/{sha}"), Value::Null).await.expect("the commit")
    }

    /// Everything in the journal; nothing where there is none yet.
    pub fn records(&self) -> Vec<Record> {
        let journal = JournalReader::open(&self.state_dir()).expect("the journal can be read");
        journal.map(|journal| journal.after(0).expect("its events")).unwrap_or_default()
    }

    /// How many turns of agents of a formula's step were begun.
    pub fn turns(&self, of: &str) -> usize {
        let turn = |record: &&Record| matches!(&record.event, Event::Intended { intent: Intent::Agent { step, .. }, .. } if step.as_str() == of);
        self.records().iter().filter(turn).count()
    }

    /// Waits until an agent works on this step.
    pub async fn at_work(&self, step: &str) {
        until(&format!("an agent at work on {step}"), || (self.turns(step) > 0).then_some(())).await;
    }

    /// The journal in words, for a test that fails.
    pub fn story(&self) -> String {
        let tell = |record: &Record| forgehand::words::event(&record.event).map(|line| format!("{} {line}\n", record.at));
        self.records().iter().filter_map(tell).collect()
    }

    /// What lies in a folder below the state folder; nothing where there is none.
    pub fn left_in(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state_dir().join(folder)) else { return Vec::new() };
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

/// Waits for a condition.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Now, in milliseconds, by the machine's clock, which the binary and the forge read too.
#[expect(clippy::disallowed_methods, reason = "the test waits for what the binary waits for by this clock")]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// The same in microseconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock that the binary writes into its log")]
pub fn micros() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
