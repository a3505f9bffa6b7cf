//! Builds the real ports and hands them to the engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::{Agent, Backend, SandboxMode, SecretSource};
use crate::engine::{
    Engine, Identity, Ops, Ports, Preview, ProjectSettings, Renewal, Settings, Stage, Staged, TextStore, Unread,
};
use crate::forge;
use crate::gateway::{Prices, Upstream};
use crate::git::{self, Git};
use crate::hands::{self, ClaudeBackend, RealHands};
use crate::host::Machine;
use crate::journal::{History, SqliteJournal};
use crate::ledger::Ledger;
use crate::model::{AgentName, Formula, JournalId, Subject};
use crate::notify::{Notifier, Post, Recipient};
use crate::ports::{Forge, Journal, RepoError, Repos};
use crate::sandbox::{self, Sandbox};
use crate::scan::{Scanner, secrets_of_variables};

use super::accounts::{self, RealAccounts};
use super::library::Shelf;
use super::nobody::Nobody;
use super::places::{Rooms, SETUP, VERIFY};
use super::setup::{Setup, SystemClock, SystemIds, read_secret};
use super::telling::{self, Teller};
use super::visitors::Counters;
use super::{CliError, logging, said};

/// The model that claude is told to use where the configuration names none.
pub(super) const DEFAULT_MODEL: &str = "claude-sonnet-5-5";

/// What `run` and `once` work with.
pub(super) struct Parts {
    pub(super) engine: Engine,
    pub(super) counters: Counters,
    /// What carries notices out; closed after the engine is gone.
    pub(super) post: Post,
    pub(super) shared: Shared,
}

/// What outlives a configuration that is read anew.
pub(super) struct Shared {
    journal: JournalId,
    scanner: Arc<Scanner>,
    sandbox: Arc<Sandbox>,
    /// What the sandbox was opened with.
    confined: (crate::config::Sandbox, Vec<PathBuf>),
    counts: ForgeCounts,
    /// Tells people.
    pub(super) notifier: Notifier,
}

/// Opens everything. The journal comes first: when another process has it, nothing else is touched.
pub(super) fn build(setup: &Setup, log_to_stderr: bool) -> Result<Parts, CliError> {
    let journal = SqliteJournal::open(&setup.state_dir, &SystemIds)?;
    let id = journal.id();
    let scanner = Arc::new(Scanner::new(secrets(setup)?));
    logging::begin(&setup.state_dir, setup.config.daemon.log, &scanner, log_to_stderr)?;
    let sandbox = sandbox_of(setup)?;
    let counts = ForgeCounts::default();
    let mut counters = Counters::of_forges(vec![counts.bot.clone(), counts.rights.clone()]);
    let (notifier, post) = Notifier::start(telling::recipients(setup)?, &telling::fold());
    counters.notifications = Some(notifier.results());
    let (journal_id, confined) = (id.clone(), confined(setup));
    let shared = Shared { journal: journal_id, scanner: scanner.clone(), sandbox, confined, counts, notifier };
    let ports = ports(setup, &shared)?;
    let texts = TextStore::new(&setup.state_dir);
    let engine = Engine::new(Box::new(journal), setup.policy(id)?, settings(setup)?, ports, (texts, scanner.clone()))?;
    let teller = Teller::new(setup, engine.core(), &scanner, shared.notifier.clone());
    Ok(Parts { engine: engine.listen(teller.listener()), counters, post, shared })
}

/// A configuration that was read anew, made ready to be taken up: whole, or nothing of it. With who is told from then on.
pub(super) fn renew(setup: &Setup, shared: &mut Shared) -> Result<(Renewal, Vec<Recipient>), CliError> {
    let policy = setup.policy(shared.journal.clone())?;
    shared.scanner.learn(secrets(setup)?);
    let confined = confined(setup);
    let sandbox = if confined == shared.confined { shared.sandbox.clone() } else { sandbox_of(setup)? };
    let recipients = telling::recipients(setup)?;
    let (journal, scanner, counts) = (shared.journal.clone(), shared.scanner.clone(), shared.counts.clone());
    let next = Shared { journal, scanner, sandbox, confined, counts, notifier: shared.notifier.clone() };
    let (settings, ports, drain) = (settings(setup)?, ports(setup, &next)?, setup.config.daemon.drain);
    *shared = next;
    Ok((Renewal { policy, settings, ports, drain }, recipients))
}

fn confined(setup: &Setup) -> (crate::config::Sandbox, Vec<PathBuf>) {
    (setup.config.sandbox.clone(), forbidden(setup))
}

/// What would be done now.
pub(super) async fn preview(setup: &Setup) -> Result<Preview, CliError> {
    let ports = reading_ports(setup)?;
    let policy = setup.policy(ports.journal_id.clone())?;
    Ok(Preview::make(setup.ledger(&History::All)?, policy, settings(setup)?, ports).await)
}

/// An issue as a run of this formula would read it.
pub(super) async fn stage(
    setup: &Setup,
    subject: &Subject,
    formula: &Formula,
    known: &Ledger,
) -> Result<Result<Staged, Unread>, CliError> {
    let options = git_options(setup, &setup.state_dir, read_secret(&setup.config.forge.token, "the forge's token")?);
    let open = move |folder: &Path| Git::new(git::Options { state_dir: folder.to_owned(), ..options.clone() });
    let repos = Nobody::reading(setup.forge()?, Box::new(open));
    let ports = Ports { repos: Arc::new(repos), ..reading_ports(setup)? };
    let prefix = setup.config.project(&subject.repo).map_or_else(String::new, |project| project.branch_prefix.clone());
    Ok(Stage::read(ports, settings(setup)?, formula.clone(), subject.clone(), prefix, known.issue(subject)).await)
}

/// What only reads the forge needs; whatever would work is nobody.
fn reading_ports(setup: &Setup) -> Result<Ports, CliError> {
    let id = JournalId("preview".into());
    let (forge, rights) = forges(setup, &ForgeCounts::default())?;
    let (repos, hands) = (Arc::new(Nobody::default()), Arc::new(Nobody::default()));
    let identities = identities(setup)?;
    let identities = identities.into_iter().map(|(agent, forge)| (agent, Identity { forge, repos: repos.clone() })).collect();
    Ok(Ports {
        forge,
        rights,
        repos,
        hands,
        host: Arc::new(Nobody::default()),
        accounts: Arc::new(RealAccounts::new(setup, None)),
        identities,
        formulas: Arc::new(Shelf::of(&setup.folder, setup.crew())),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        journal_id: id,
    })
}

/// All secrets of ours that could turn up in a text.
fn secrets(setup: &Setup) -> Result<Vec<SecretString>, CliError> {
    let mut own = vec![read_secret(&setup.config.forge.token, "the forge's token")?];
    if let Some(source) = &setup.config.forge.rights_token {
        own.push(read_secret(source, "the token that may ask for rights")?);
    }
    if let Some(source) = &setup.config.daemon.webhook_secret {
        own.push(read_secret(source, "the webhook's secret")?);
    }
    own.extend(telling::addresses(setup)?);
    for agent in &setup.config.agents {
        if let Some(source) = &agent.token {
            own.push(read_secret(source, &format!("the token of agent `{}`", agent.name))?);
        }
    }
    for file in setup.config.projects.iter().filter_map(|p| p.provisions.env_file.as_ref()) {
        // Each run that needs it reads it again, and says so where it cannot.
        own.extend(std::fs::read_to_string(&file.from).map(|text| secrets_of_variables(&text)).unwrap_or_default());
    }
    // What cannot be read is no secret that could get anywhere; it is told where it is needed.
    let credentials = setup.account_sources().into_values().flatten().filter_map(|source| source.load().ok().flatten());
    own.extend(credentials.map(|credential| credential.secret().clone()));
    Ok(own)
}

fn settings(setup: &Setup) -> Result<Settings, CliError> {
    let config = &setup.config;
    let project = |p: &crate::config::Project| ProjectSettings {
        labels: p.labels.clone(),
        verify: p.verify.clone(),
        verify_network: p.verify_network.clone(),
        mention: p.mention.clone(),
        person_paths: p.person_paths.clone(),
        base: p.base.clone(),
        obey: p.obey.clone(),
        provisions: p.provisions.clone(),
    };
    Ok(Settings {
        forge: config.forge.url.to_string(),
        login: config.forge.login.clone(),
        author: config.agent.author.to_string(),
        authors: config.agents.iter().map(|agent| (agent.name.clone(), agent.author.to_string())).collect(),
        crew: setup.crew(),
        diff_lines: config.limits.diff_lines,
        usd_run: config.limits.usd_run,
        budgets: config.agents.iter().filter_map(|agent| Some((agent.name.clone(), agent.budget?))).collect(),
        usd_call: config.limits.usd_call,
        lease: Duration::from_mins(10),
        overlap: Duration::from_secs(5),
        ops: config.ops.as_ref().map(|ops| Ops { repo: ops.repo.clone(), branch: ops.branch.clone() }),
        vault: if config.ops.is_some() { setup.vault_known()? } else { crate::vault::Known::default() },
        probes: setup.probes(),
        projects: config.projects.iter().map(|p| (p.repo.clone(), project(p))).collect(),
    })
}

fn ports(setup: &Setup, shared: &Shared) -> Result<Ports, CliError> {
    let (forge, rights) = forges(setup, &shared.counts)?;
    let journal_id = shared.journal.clone();
    let git = open_git(setup, &setup.state_dir, read_secret(&setup.config.forge.token, "the forge's token")?)?;
    let hands = Arc::new(hands(setup, &git, shared)?);
    let mut own = BTreeMap::new();
    for (agent, forge) in identities(setup)? {
        let named = setup.config.agents.iter().find(|a| a.name == agent).and_then(|a| a.token.as_ref());
        let Some(source) = named else { continue };
        let token = read_secret(source, &format!("the token of agent `{agent}`"))?;
        let repos: Arc<dyn Repos> = Arc::new(git.as_another(agent.as_str(), &token).map_err(|e| no_git(&e))?);
        own.insert(agent, Identity { forge, repos });
    }
    Ok(Ports {
        forge,
        rights,
        repos: Arc::new(git),
        hands,
        host: Arc::new(Machine::new(setup.folder.clone())),
        accounts: Arc::new(RealAccounts::new(setup, Some(shared.scanner.clone()))),
        identities: own,
        formulas: Arc::new(Shelf::of(&setup.folder, setup.crew())),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        journal_id,
    })
}

/// The forge, as each agent that has an identity of its own there.
fn identities(setup: &Setup) -> Result<BTreeMap<AgentName, Arc<dyn Forge>>, CliError> {
    let mut forges = BTreeMap::new();
    for agent in &setup.config.agents {
        let Some(source) = &agent.token else { continue };
        let token = read_secret(source, &format!("the token of agent `{}`", agent.name))?;
        let forge: Arc<dyn Forge> = Arc::new(setup.client(token)?);
        forges.insert(agent.name.clone(), forge);
    }
    Ok(forges)
}

fn no_git(error: &RepoError) -> CliError {
    CliError::environment("git cannot be used", error, "install git 2.39 or newer")
}

/// The forge twice.
type Forges = (Arc<dyn Forge>, Option<Arc<dyn Forge>>);

/// What is counted of both; clients that take the place of older ones go on counting.
#[derive(Clone, Default)]
struct ForgeCounts {
    bot: Arc<forge::Counts>,
    rights: Arc<forge::Counts>,
}

/// The forge with the bot's token, and with the one that may ask for people's rights.
fn forges(setup: &Setup, counts: &ForgeCounts) -> Result<Forges, CliError> {
    let rights: Option<Arc<dyn Forge>> = match &setup.config.forge.rights_token {
        Some(source) => {
            let client = setup.client(read_secret(source, "the token that may ask for rights")?)?;
            Some(Arc::new(client.counted_by(counts.rights.clone())))
        }
        None => None,
    };
    Ok((Arc::new(setup.forge()?.counted_by(counts.bot.clone())), rights))
}

/// git with its folders below this one.
pub(super) fn open_git(setup: &Setup, state_dir: &Path, token: SecretString) -> Result<Git, CliError> {
    Git::new(git_options(setup, state_dir, token)).map_err(|e| no_git(&e))
}

fn git_options(setup: &Setup, state_dir: &Path, token: SecretString) -> git::Options {
    // With a token as password the forge reads the user off the token; the name only has to be there.
    let login = setup.config.forge.login.as_ref().map_or_else(|| "forgehand".to_owned(), ToString::to_string);
    git::Options {
        state_dir: state_dir.to_owned(),
        forge_url: setup.config.forge.url.clone(),
        login,
        token,
        ca_file: setup.config.forge.ca_file.clone(),
        limits: git::Limits::default(),
    }
}

fn hands(setup: &Setup, git: &Git, shared: &Shared) -> Result<RealHands, CliError> {
    let config = &setup.config;
    let redact: hands::Redact = {
        let scanner = shared.scanner.clone();
        Arc::new(move |text: &str| scanner.redact(text))
    };
    let usual = backend(setup, &config.agent)?;
    let others = config.agents.iter().map(|agent| Ok((agent.name.clone(), backend(setup, agent)?)));
    let agents = others.collect::<Result<_, CliError>>()?;
    let learn: hands::Learn = {
        let scanner = shared.scanner.clone();
        Arc::new(move |text: &str| scanner.learn(secrets_of_variables(text)))
    };
    let options = hands::Options {
        backend: usual,
        agents,
        sandbox: shared.sandbox.clone(),
        places: Arc::new(Rooms::new(&setup.state_dir, git)),
        limits: hands::supervise::Limits {
            wall: config.limits.wall,
            silence: config.limits.silence,
            silence_tool: config.limits.silence_tool,
            ..hands::supervise::Limits::default()
        },
        verify_limit: config.limits.verify,
        setup_limit: config.limits.setup,
        network: config.sandbox.network.clone(),
        sockets: sockets(setup)?,
        ports: setup.state_dir.join("ports"),
        logs: setup.state_dir.join("runs"),
        redact,
        learn,
        vault: config.vault.clone(),
        learn_secrets: {
            let scanner = shared.scanner.clone();
            Arc::new(move |secrets| scanner.learn(secrets))
        },
    };
    Ok(RealHands::new(options))
}

fn backend(setup: &Setup, agent: &Agent) -> Result<hands::Backend, CliError> {
    let claude = match &agent.backend {
        Backend::Command(argv) => return Ok(hands::Backend::Command { argv: argv.clone() }),
        Backend::Claude(claude) => claude,
    };
    let program = which::which(&claude.program).map_err(|e| {
        let hint = "install Claude Code (npm install -g @anthropic-ai/claude-code), or write `claude = \"/path\"` into [agent]";
        CliError::environment(format!("`{}` is not there", claude.program.display()), e, hint)
    })?;
    Ok(hands::Backend::Claude(ClaudeBackend {
        claude: hands::claude::Claude {
            program,
            model: claude.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            max_turns: claude.max_turns,
        },
        upstream: Upstream {
            base_url: claude.base_url.clone(),
            // The configuration refused plain http that it does not allow.
            allow_http: claude.base_url.scheme() == "http",
            // For a run that began before the account of its next turn was named.
            credentials: setup.credentials_of(agent),
        },
        prices: Arc::new(Prices::shipped()),
        accounts: Arc::new(setup.account_sources().into_iter().filter_map(|(name, source)| Some((name, source?))).collect()),
    }))
}

/// A sandbox that was proved to start.
pub(super) fn open_sandbox(setup: &Setup) -> Result<Sandbox, CliError> {
    let config = &setup.config.sandbox;
    let shim = std::env::current_exe()
        .map_err(|e| CliError::environment("forgehand's own program cannot be found", e, "start it by its full path"))?;
    let mode = match config.mode {
        SandboxMode::Bubblewrap => sandbox::Mode::Bubblewrap,
        SandboxMode::None => sandbox::Mode::None,
    };
    let options = sandbox::Options {
        mode,
        shim,
        read: config.read.clone(),
        path: config.path.clone(),
        forbidden: forbidden(setup),
        own: ["work", "mirrors", VERIFY, SETUP, "caches"].map(|folder| setup.state_dir.join(folder)).into(),
        limits: sandbox::Limits {
            memory_bytes: Some(config.memory),
            processes: Some(u64::from(config.processes)),
            file_bytes: None,
            tmp_bytes: Some(config.tmp),
        },
    };
    Sandbox::open(options).map_err(|e| {
        let hint = "install bubblewrap, or write `mode = \"none\"` into [sandbox] if you trust every issue and every agent";
        CliError::environment("there is no sandbox, and without one no agent runs", e, hint)
    })
}

/// A sandbox, and what it is worth here said.
fn sandbox_of(setup: &Setup) -> Result<Arc<Sandbox>, CliError> {
    let sandbox = open_sandbox(setup)?;
    say_limits(setup, &sandbox)?;
    Ok(Arc::new(sandbox))
}

/// What the sandbox is worth here, for the log; what running as root costs, once for people.
fn say_limits(setup: &Setup, sandbox: &Sandbox) -> Result<(), CliError> {
    let report = sandbox.describe();
    tracing::info!(mode = ?report.mode, lacks = report.lacks.join("; "), "sandbox");
    for project in setup.config.projects.iter().filter(|_| report.mode == sandbox::Mode::None) {
        let given = &project.provisions;
        if !given.services.is_empty() || !given.network.is_empty() {
            tracing::warn!(
                project = %project.repo,
                "without a sandbox `services` and `network` hold nobody back: all that this machine reaches can be reached"
            );
        }
    }
    match &report.root {
        Some(cost) => said::once(&setup.state_dir, "root", cost),
        None => said::forget(&setup.state_dir, "root"),
    }
}

/// What no sandbox may see: our state, the configuration, tokens, credentials.
fn forbidden(setup: &Setup) -> Vec<PathBuf> {
    let mut places = vec![setup.state_dir.clone(), setup.file.clone(), setup.home.join(".claude"), setup.home.join(".ssh")];
    let mut secret = |source: &SecretSource| match source {
        SecretSource::File(path) => places.push(path.clone()),
        SecretSource::Credential(name) => places.extend(accounts::passed(name)),
        SecretSource::Env(_) => {}
    };
    secret(&setup.config.forge.token);
    setup.config.forge.rights_token.iter().for_each(&mut secret);
    setup.config.daemon.webhook_secret.iter().for_each(&mut secret);
    setup.config.notify.iter().filter_map(|n| telling::kept(&n.by)).for_each(&mut secret);
    setup
        .config
        .projects
        .iter()
        .filter_map(|p| p.provisions.env_file.as_ref())
        .for_each(|f| secret(&SecretSource::File(f.from.clone())));
    setup.config.agents.iter().filter_map(|agent| agent.token.as_ref()).for_each(&mut secret);
    let credentials = setup.account_sources().into_values().flatten();
    places.extend(credentials.filter_map(|source| source.path().map(Path::to_owned)));
    places
}

/// A folder for sockets with a path short enough for them, for this user alone.
fn sockets(setup: &Setup) -> Result<PathBuf, CliError> {
    use std::os::unix::fs::DirBuilderExt;
    let near = setup.state_dir.join("sockets");
    let folder = if near.as_os_str().len() <= 80 { near } else { far(&setup.state_dir) };
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
        Ok(()) => Ok(folder),
        Err(e) => Err(CliError::environment(format!("{} cannot be made", folder.display()), e, "see whether it is writable")),
    }
}

/// Where a state folder's path is too long for a socket.
fn far(state_dir: &Path) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let name = crate::text::hash(&state_dir.display().to_string());
    runtime.join(format!("forgehand-{}", name.as_str().chars().take(16).collect::<String>()))
}
