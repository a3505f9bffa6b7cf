//! A forge with a project, and daemons that live and die on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use forgehand::config::{Looks, Mend, Probe};
use forgehand::engine::{Engine, Mode, Ops, Ports, ProjectSettings, Settings, Stop, TextStore, wakes};
use forgehand::forge::{Client, Options};
use forgehand::formula::{
    Sources, load, load_from, shipped_formula, shipped_prompt, shipped_schema, shipped_schema_names, shipped_text,
};
use forgehand::git::{self, Git};
use forgehand::journal::SqliteJournal;
use forgehand::ledger::{ClaimState, IssueState, Ledger};
use forgehand::localforge::{LocalForge, Options as ForgeOptions, SeedFile};
use forgehand::model::{
    Formula, FormulaName, IssueNumber, LabelNames, MergeRule, OverlapRule, Priority, RepoName, Risk, Subject, Usd,
};
use forgehand::plan::{Crew, MendPolicy, Policy, ProjectPolicy};
use forgehand::ports::{Clock, Ids, Journal, JournalError};
use forgehand::scan::Scanner;
use forgehand::text::strip_marker;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::watch;

use super::faults::{Ailing, Faults, Faulty, FaultyJournal, JumpingClock};
use super::hands::{Played, Script};

/// An agent can do it, and does.
pub const PLAIN: Script = Script {
    route: "queue",
    verdict: "done",
    branches: false,
    asks: false,
    mends: false,
    merges: false,
    forwards: false,
    fleet: false,
};
/// The same, and a file is asked for.
pub const ASKING: Script = Script { asks: true, ..PLAIN };

/// A running forge with the bot and a person.
pub struct Site {
    pub forge: LocalForge,
    pub data: TempDir,
    token: String,
    repos: AtomicU64,
}

/// What stands on the forge at the end, without what may differ (numbers, times, commits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub issues: Vec<(u64, bool, Vec<String>)>,
    pub comments: Vec<(u64, Vec<String>)>,
    pub pulls: Vec<(String, String, bool, String)>,
    pub branches: BTreeSet<String>,
    pub claims: Vec<String>,
}

struct CountedIds(String, AtomicU64);

impl Ids for CountedIds {
    fn uuid(&self) -> String {
        let n = self.1.fetch_add(1, Ordering::SeqCst);
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{}-{n}", self.0).as_bytes()).to_string()
    }
}

impl Site {
    pub async fn start() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let options = ForgeOptions {
            data: data.path().join("forge"),
            listen: ([127, 0, 0, 1], 0).into(),
            admin: Some(("root".into(), "root-Password-1".into())),
            root_url: None,
        };
        let forge = LocalForge::start(options).await.expect("a forge");
        let seed = forge.seed();
        for login in ["ann", "bot"] {
            seed.add_user(login, "some-Password-1").await.expect("a user");
        }
        let scopes = ["write:issue", "write:repository", "read:user"];
        let token = seed.token("bot", &scopes).await.expect("a token");
        Self { forge, data, token, repos: AtomicU64::new(0) }
    }

    /// A fresh project of ann's, in which the bot may write.
    pub async fn project(&self) -> RepoName {
        let name = format!("r{}", self.repos.fetch_add(1, Ordering::SeqCst));
        let seed = self.forge.seed();
        let file = SeedFile { path: "README.md", content: "# A project\n", executable: false };
        seed.create_repo("ann", &name, false, &[file]).await.expect("a repository");
        let repo = format!("ann/{name}");
        seed.add_collaborator(&repo, "bot", "write").await.expect("access");
        seed.create_label(&repo, "portal", "#00aabb").await.expect("a label");
        repo.parse().expect("a name")
    }

    pub fn client(&self) -> Client {
        Client::new(&self.forge.url(), SecretString::from(self.token.clone()), Options::default()).expect("a client")
    }

    pub async fn end(&self, repo: &RepoName) -> End {
        let (seed, name) = (self.forge.seed(), repo.to_string());
        let mut end =
            End { issues: Vec::new(), comments: Vec::new(), pulls: Vec::new(), branches: BTreeSet::new(), claims: Vec::new() };
        for issue in seed.issues(&name).expect("issues") {
            let comments = seed.comments(&name, issue.number).expect("comments");
            let ours = comments.iter().filter(|c| c.author == "bot").map(|c| plain(&c.body)).collect();
            end.comments.push((issue.number, in_order(ours)));
            end.issues.push((issue.number, issue.open, issue.labels));
        }
        for pull in seed.pulls(&name).expect("pulls") {
            let tree = self.tree(&pull.head_sha).await;
            end.pulls.push((unnamed(&pull.head), pull.base, pull.issue.open, tree));
        }
        for name in seed.refs(&name).expect("refs").into_keys() {
            if name.starts_with("refs/heads/") {
                end.branches.insert(unnamed(&name));
            } else if name.contains("claims") {
                end.claims.push(name);
            }
        }
        end
    }

    async fn tree(&self, sha: &str) -> String {
        let repos = std::fs::read_dir(self.data.path().join("forge/repos")).expect("the forge's folder");
        for dir in repos.map(|e| e.expect("an entry").path()) {
            if let Ok(tree) = super::hands::git(&dir, &["rev-parse", "-q", "--verify", &format!("{sha}^{{tree}}")]).await {
                return tree;
            }
        }
        panic!("no repository has {sha}");
    }
}

/// What is said for the items of a call, which have no order between them, comes last and sorted.
fn in_order(comments: Vec<String>) -> Vec<String> {
    let (mut sides, mut others): (Vec<_>, Vec<_>) = comments.into_iter().partition(|text| text.starts_with(FROM_A_SIDE));
    sides.sort();
    others.extend(sides);
    others
}

/// How those begin.
const FROM_A_SIDE: &str = "From the ";

/// The name of a branch, without that of its run.
fn unnamed(branch: &str) -> String {
    branch.split_once("forgehand/").map_or_else(|| branch.to_owned(), |(before, _)| format!("{before}forgehand/"))
}

/// A comment without its marker and without what differs from one life to the next.
fn plain(body: &str) -> String {
    let text = strip_marker(body);
    // How much a head could break is told once its clock has come, which a life may end before; and a head is a commit.
    let text = text.split_once("\n\nBlast radius at ").map_or(text.clone(), |(before, _)| before.to_owned());
    // Its time is a part of a commit.
    match text.split_once("Verified at ").and_then(|(before, rest)| Some((before, rest.split_once(':')?.1))) {
        Some((before, commands)) => format!("{before}Verified at a commit:{commands}"),
        None => text,
    }
}

/// One daemon: its state folder outlives its processes.
pub struct Daemon<'s> {
    site: &'s Site,
    pub repo: RepoName,
    /// Projects that it works for besides.
    pub further: Vec<RepoName>,
    pub faults: Arc<Faults>,
    pub clock: Arc<JumpingClock>,
    pub state: TempDir,
    script: Script,
    /// The machine that it runs on.
    pub host: Arc<Ailing>,
    /// How many turns its agents had.
    pub turns: Arc<AtomicU64>,
    /// A write to the journal that fails ends the process.
    pub fail_fast: bool,
    /// How long its claims hold.
    pub lease: Duration,
    /// How far time goes on between its processes, in milliseconds.
    pub pause: i64,
}

/// No base branch has formulas of its own.
struct Plain;

impl forgehand::ports::Formulas for Plain {
    fn over(
        &self,
        _: &forgehand::model::FormulaName,
        _: &BTreeMap<String, String>,
    ) -> Option<Result<forgehand::model::Formula, String>> {
        None
    }
}

/// Accounts that can always be used.
struct Ready;

#[async_trait::async_trait]
impl forgehand::ports::Accounts for Ready {
    fn standings(&self) -> forgehand::model::Standings {
        BTreeMap::new()
    }

    async fn renew(&self, account: &forgehand::model::AccountName) -> Result<(), String> {
        panic!("nobody renews {account} here")
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Died {
    /// By itself: nothing more could move.
    Quiet,
    /// It was killed.
    Killed,
}

impl<'s> Daemon<'s> {
    pub fn new(site: &'s Site, repo: &RepoName, script: Script, faults: Arc<Faults>) -> Self {
        let clock = Arc::new(JumpingClock { ahead: AtomicI64::new(0), faults: faults.clone() });
        let state = tempfile::tempdir().expect("a folder");
        Self {
            site,
            repo: repo.clone(),
            further: Vec::new(),
            faults,
            clock,
            state,
            script,
            host: Arc::default(),
            turns: Arc::default(),
            fail_fast: true,
            lease: Duration::from_secs(600),
            pause: 61_000,
        }
    }

    fn policy(&self, journal: &dyn Journal) -> Policy {
        let secs = Duration::from_secs;
        static USUAL: LazyLock<BTreeMap<FormulaName, Formula>> = LazyLock::new(|| {
            let usual = forgehand::config::Project::usual_formulas().into_iter();
            usual.map(|name| (name.clone(), shipped_formula(name.as_str()).expect("shipped"))).collect()
        });
        let mut formulas = USUAL.clone();
        if self.script.branches {
            formulas.insert("fix".into(), branching());
        }
        if self.script.asks {
            formulas.insert("fix".into(), asking());
        }
        if self.script.mends {
            formulas.insert("fix".into(), mending());
        }
        if self.script.forwards {
            formulas.insert("fix".into(), forwarding());
        }
        if self.script.fleet {
            formulas.insert("update".into(), shipped_formula("update").expect("shipped"));
        }
        let merge = match (self.script.fleet, self.script.merges) {
            (true, _) => MergeRule::Policy,
            (false, true) => MergeRule::Low,
            (false, false) => MergeRule::Never,
        };
        let project = ProjectPolicy {
            labels: LabelNames::default(),
            branch_prefix: "claude/issue-".into(),
            base: None,
            intake: BTreeSet::new(),
            since: None,
            formulas,
            slots: None,
            usd_day: Usd(25_000_000),
            merge,
            review: false,
            // All of its issues name one file, and are to be worked on side by side.
            overlap: OverlapRule::Off,
            verify: vec!["true".into()],
            sets_up: true,
            leaving: false,
        };
        Policy {
            journal: journal.id(),
            forge: self.site.forge.url(),
            slots: if self.script.fleet { 4 } else { 1 + u32::from(self.script.branches) },
            attempts: if self.script.fleet { 1000 } else { 3 },
            backoff: vec![secs(60), secs(300)],
            adopt_after: secs(7200),
            question: secs(7 * 86_400),
            open_pulls: 1000,
            items: 10_000,
            usd_run: Usd(5_000_000),
            usd_day: Usd(25_000_000),
            lookup_gap: secs(30),
            renew: secs(180),
            checks_every: secs(60),
            trouble_pause: secs(300),
            unreachable_pause: secs(30),
            retry: vec![secs(5), secs(15), secs(60)],
            crew: Crew::default(),
            mends: BTreeMap::from([("db".into(), MendPolicy { risk: Risk::Low, at_most: 3 })]),
            ops: None,
            projects: self.repos().map(|repo| (repo.clone(), project.clone())).collect(),
        }
    }

    fn repos(&self) -> impl Iterator<Item = &RepoName> {
        std::iter::once(&self.repo).chain(&self.further)
    }

    fn settings(&self) -> Settings {
        let project = ProjectSettings { verify: vec!["true".into()], ..ProjectSettings::default() };
        Settings {
            forge: self.site.forge.url(),
            login: None,
            author: "Bot <bot@localhost>".into(),
            authors: BTreeMap::new(),
            crew: Crew::default(),
            diff_lines: 4000,
            usd_run: Usd(5_000_000),
            budgets: BTreeMap::new(),
            usd_call: Usd(1_000_000),
            lease: self.lease,
            overlap: Duration::from_secs(5),
            ops: self.script.asks.then(|| Ops { repo: self.repo.clone(), branch: "main".into() }),
            vault: forgehand::vault::Known::default(),
            probes: vec![database()],
            projects: self.repos().map(|repo| (repo.clone(), project.clone())).collect(),
        }
    }

    /// The lock of a process that died is free when its last child is: one that is between its fork and its exec holds it too.
    async fn journal(&self, ids: &dyn Ids) -> SqliteJournal {
        for _ in 0..2000 {
            match SqliteJournal::open(self.state.path(), ids) {
                Err(JournalError::Busy { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                journal => return journal.expect("a journal"),
            }
        }
        panic!("the journal stays locked");
    }

    async fn engine(&self) -> Engine {
        let ids = Arc::new(CountedIds(self.state.path().display().to_string(), AtomicU64::new(self.clock.now().0 as u64)));
        let journal = self.journal(ids.as_ref()).await;
        let policy = self.policy(&journal);
        let options = git::Options {
            state_dir: self.state.path().to_owned(),
            forge_url: self.site.forge.url().parse().expect("an address"),
            login: "bot".into(),
            token: SecretString::from(self.site.token.clone()),
            ca_file: None,
            limits: git::Limits::default(),
        };
        let git = Arc::new(Git::new(options).expect("git"));
        let work = self.state.path().join("work");
        std::fs::create_dir_all(&work).expect("a folder");
        let played = Played { git: git.clone(), dir: work, script: self.script, turns: self.turns.clone() };
        let ports = Ports {
            forge: Arc::new(Faulty { inner: self.site.client(), faults: self.faults.clone() }),
            rights: None,
            repos: Arc::new(Faulty { inner: git, faults: self.faults.clone() }),
            hands: Arc::new(Faulty { inner: played, faults: self.faults.clone() }),
            host: Arc::new(Faulty { inner: self.host.clone(), faults: self.faults.clone() }),
            accounts: Arc::new(Ready),
            identities: BTreeMap::new(),
            formulas: Arc::new(Plain),
            clock: self.clock.clone(),
            ids,
            journal_id: journal.id(),
        };
        let journal = Box::new(FaultyJournal { inner: Box::new(journal), faults: self.faults.clone() });
        let keep = (TextStore::new(self.state.path()), Arc::new(Scanner::new(Vec::new())));
        let engine = Engine::new(journal, policy, self.settings(), ports, keep).expect("an engine");
        if self.fail_fast { engine.fail_fast() } else { engine }
    }

    /// One process, until it ends or is killed.
    pub async fn process(&self) -> Died {
        let kill = self.faults.process();
        let mut engine = self.engine().await;
        let (_waker, mut wakes) = wakes();
        let (_stop, stopped) = watch::channel(Stop::No);
        tokio::select! {
            biased;
            () = kill.cancelled() => Died::Killed,
            ended = engine.run(Mode::Once, &mut wakes, stopped) => match ended {
                Ok(_) => Died::Quiet,
                Err(_) => Died::Killed,
            },
        }
    }

    /// Processes one after the other, time going on to whatever is due between them, until nothing of ours is left to do.
    pub async fn live(&self) {
        for _ in 0..40 {
            if self.process().await == Died::Killed {
                continue;
            }
            if self.is_done() {
                return;
            }
            self.clock.ahead.fetch_add(self.pause, Ordering::SeqCst);
        }
        panic!("it does not come to an end: {:#?}", self.ledger().issues().collect::<Vec<_>>());
    }

    pub fn ledger(&self) -> Ledger {
        let journal = forgehand::journal::JournalReader::open(self.state.path()).expect("readable").expect("there");
        Ledger::fold(&journal.after(0).expect("readable"))
    }

    pub fn records(&self) -> Vec<forgehand::model::Record> {
        let journal = forgehand::journal::JournalReader::open(self.state.path()).expect("readable").expect("there");
        journal.after(0).expect("readable")
    }

    /// The journal in words, for a test that fails.
    pub fn story(&self) -> String {
        self.records().iter().filter_map(|record| Some(format!("{}\n", forgehand::words::event(&record.event)?))).collect()
    }

    /// Nothing is open or claimed, and each issue is where only a person moves it.
    pub fn is_done(&self) -> bool {
        use forgehand::model::Decision::{Failed, Interactive, NeedsInfo, Pr};
        let ledger = self.ledger();
        if self.script.merges {
            return ledger.is_past(&Subject { repo: self.repo.clone(), issue: IssueNumber(1) });
        }
        let rests = |s: &IssueState| {
            let nothing = s.run.is_none() && s.open.is_empty() && !matches!(s.claim, ClaimState::Ours(_)) && s.retry.is_none();
            let written = s.written.as_ref().is_some_and(|w| s.at.is_some_and(|at| w.len() == 1 && w.contains(&at)));
            nothing && (!s.seen.open || (written && matches!(s.at, Some(Pr | Failed | Interactive | NeedsInfo))))
        };
        ledger.issues().count() > 0 && ledger.issues().all(|(_, s)| rests(s))
    }
}

/// A fix whose commits two agents look at side by side, and something is said beside them.
fn branching() -> Formula {
    let text = r#"
formula = 1
name = "fix"
title = "Fix it, and look at it from two sides"
blast_radius = "low"
[trigger]
label = "claude-queue"
[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"
[[step]]
id = "one"
agent = "dev"
prompt = "side.md"
access = "read"
output = "triage-result"
[[step]]
id = "sides"
needs = ["work"]
formula = "side"
for_each = { items = "['left', 'right']", at_most = 2 }
with = { which = { cel = "item" } }
[[step]]
id = "verify"
needs = ["work"]
run = "project.verify"
on_failure = { to = "work", at_most = 2 }
[[step]]
id = "open"
needs = ["one", "sides", "verify"]
propose = "pull-request"
title = "Say hello"
body = "pull-request.md"
"#;
    const SIDE: &str = r#"
formula = 1
name = "side"
title = "Look at it from a side, and say so"
blast_radius = "low"
[[input]]
name = "which"
type = "text"
one_of = ["left", "right"]
[[step]]
id = "look"
agent = "dev"
prompt = "side.md"
access = "read"
output = "triage-result"
[[step]]
id = "tell"
propose = "comment"
body = "told.md"
"#;
    let prompts = |name: &str| match name {
        "side.md" => Some("From a side.".to_owned()),
        "told.md" => Some("From the {{inputs.which}}.".to_owned()),
        other => shipped_prompt(other).map(str::to_owned),
    };
    let schemas = |name: &str| Some((name.to_owned(), shipped_schema(name)?.to_owned()));
    let (schema_names, names) = (shipped_schema_names(), vec!["side".to_owned()]);
    let formulas = |name: &str| (name == "side").then(|| ("side.toml".to_owned(), SIDE.to_owned()));
    let sources = Sources {
        prompts: &prompts,
        schemas: &schemas,
        schema_names: &schema_names,
        formulas: &formulas,
        names: &names,
        hiring: None,
    };
    load_from("fix.toml", text, &sources).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

/// A fix that asks for a file as well.
fn asking() -> Formula {
    let text = r#"
formula = 1
name = "fix"
title = "Fix it, and ask for what it needs"
blast_radius = "low"
[trigger]
label = "claude-queue"
[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"
[[step]]
id = "verify"
run = "project.verify"
on_failure = { to = "work", at_most = 2 }
[[step]]
id = "ask"
propose = "file"
pull_request = true
path = "vault/pending/hello.md"
title = "Ask for a greeting"
body = "asked.md"
content = "'## What\\n\\nA greeting.\\n'"
[[step]]
id = "open"
propose = "pull-request"
title = "Say hello"
body = "pull-request.md"
"#;
    let prompts = |name: &str| match name {
        "asked.md" => Some("It is needed.".to_owned()),
        other => shipped_prompt(other).map(str::to_owned),
    };
    load("fix.toml", text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

/// What is not well until it is mended.
fn database() -> Probe {
    let timeout = Duration::from_secs(30);
    let mend = Mend { command: vec!["mend".into()], timeout, blast_radius: Risk::Low, at_most: 3 };
    Probe { name: "db".into(), looks: Looks::Command(vec!["look".into()]), timeout, priority: Priority::P1, mend: Some(mend) }
}

/// The usual fix, behind a step that mends.
fn mending() -> Formula {
    let step = "[[step]]\nid = \"mend\"\npropose = \"mend\"\nprobe = \"'db'\"\n\n[[step]]";
    let text = shipped_text("fix").expect("shipped").replacen("[[step]]", step, 1);
    load("fix.toml", &text, &|name| shipped_prompt(name).map(str::to_owned)).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

/// The usual fix, which waits until its pull request is merged and says so.
fn forwarding() -> Formula {
    let more = "\n[[step]]\nid = \"merge\"\npropose = \"merge\"\n\n[[step]]\nid = \"tell\"\nwhen = \"steps.merge.output.merged\"\n\
                propose = \"comment\"\nbody = \"told.md\"\n";
    let text = shipped_text("fix").expect("shipped").to_owned() + more;
    let prompts = |name: &str| match name {
        "told.md" => Some("It is there.".to_owned()),
        other => shipped_prompt(other).map(str::to_owned),
    };
    load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}
