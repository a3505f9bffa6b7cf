//! The configuration: TOML text in, validated types out.
//!
//! Promises: all mistakes of a file at once, each with line, column, key and what to do; whatever a [`Config`] holds is valid on its own
//! (whether a program, folder or variable exists is for the caller to find out). No file is opened and no clock is read here. A
//! `Config` holds no secret, only where one is kept, so its `Debug` shows none.

mod account;
mod agent;
mod daemon;
mod notify;
mod ops;
mod probe;
mod project;
mod provisions;
mod retention;
mod schema;
mod values;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use url::Url;

pub use account::{Account, AccountSource};
pub use agent::{Agent, Author, Backend, Claude};
pub use daemon::{Daemon, Limits, LogFormat, Poll, Sandbox, SandboxMode};
pub use notify::{Notify, NotifyBy, WebhookFormat};
pub use ops::Ops;
pub use probe::{Looks, Mend, Probe};
pub use project::{DEFAULT_PERSON_PATHS, Project};
pub use retention::Retention;
pub use schema::schema;
pub use values::parse_duration;
pub use vault::{Vault, VaultSecret};

use crate::document::{self, Table};
use crate::model::{AccountName, LabelNames, Login, RepoName, Usd};

/// All mistakes of a configuration file.
pub type ConfigErrors = document::Faults;

/// What a configuration file says, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[forge]`.
    pub forge: Forge,
    /// `[[project]]`, at least one, no repository twice.
    pub projects: Vec<Project>,
    /// `[agent]`.
    pub agent: Agent,
    /// `[agents.NAME]`.
    pub agents: Vec<Agent>,
    /// `[[account]]`.
    pub accounts: Vec<Account>,
    /// `[daemon]`.
    pub daemon: Daemon,
    /// `[limits]`; `usd_run` is the agent's `budget_usd` where that is given.
    pub limits: Limits,
    /// `[sandbox]`.
    pub sandbox: Sandbox,
    /// `[[notify]]`.
    pub notify: Vec<Notify>,
    /// `[retention]`.
    pub retention: Retention,
    /// `[ops]`.
    pub ops: Option<Ops>,
    /// `[vault]`.
    pub vault: Vault,
    /// `[[probe]]`.
    pub probes: Vec<Probe>,
}

/// The forge, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forge {
    /// Where it is. A subpath is kept; it always ends with a slash, so that `join("api/v1/")` goes below it. Without credentials.
    pub url: Url,
    /// Where our token is kept.
    pub token: SecretSource,
    /// Our login, where the token may not ask who it is.
    pub login: Option<Login>,
    /// Where a token with repository administration is kept: only such a one may ask about others' rights.
    pub rights_token: Option<SecretSource>,
    /// The certificate of the authority that signed the forge's, in PEM, where that is a private one.
    pub ca_file: Option<PathBuf>,
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In this variable of the environment.
    Env(String),
    /// In this file, read again when it changes.
    File(PathBuf),
    /// In the credential that systemd passes by this name, a file below `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl Config {
    /// Reads a configuration. `file_name` is what the errors call it.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigErrors> {
        document::read(file_name, text, Self::read)
    }

    /// As [`Config::parse`], of a file's bytes: what is not UTF-8 is an error with its place.
    pub fn parse_bytes(file_name: &str, bytes: &[u8]) -> Result<Self, ConfigErrors> {
        Self::parse(file_name, document::decode(file_name, bytes)?)
    }

    /// The keys that the reader knows, each with the tables that it stands in, as in `project[].repo`: those that it asks a text for. What
    /// stands in a section that the text lacks may be missing.
    pub fn known_keys(text: &str) -> BTreeSet<String> {
        document::known_keys(text, Self::read)
    }

    /// Everybody who works, the default agent first.
    pub fn crew(&self) -> impl Iterator<Item = &Agent> {
        std::iter::once(&self.agent).chain(&self.agents)
    }

    /// Every account that somebody works on, with where its credentials are. An agent's own key is an account of the agent's name.
    pub fn account_sources(&self) -> BTreeMap<AccountName, AccountSource> {
        let mut sources = BTreeMap::new();
        for agent in self.crew() {
            let own = match &agent.backend {
                Backend::Claude(Claude { key: Some(key), .. }) => AccountSource::Key(key.clone()),
                Backend::Claude(_) | Backend::Command(_) => AccountSource::Usual,
            };
            for name in &agent.accounts {
                let named = self.accounts.iter().find(|a| a.name == *name).map(|a| a.source.clone());
                sources.entry(name.clone()).or_insert_with(|| named.unwrap_or_else(|| own.clone()));
            }
        }
        sources
    }

    /// What a run may cost whoever works on it: what is kept for it before it starts. An agent without a role works on none.
    pub fn usd_run_at_most(&self) -> Usd {
        let others = self.agents.iter().filter(|agent| !agent.roles.is_empty()).filter_map(|agent| agent.budget);
        others.chain([self.limits.usd_run]).max().unwrap_or_default()
    }

    /// The project of a repository; names are compared as the forge does, without regard to case.
    pub fn project(&self, repo: &RepoName) -> Option<&Project> {
        self.projects.iter().find(|p| same_repo(&p.repo, repo))
    }

    /// The same with its paths resolved: `~/` is `home`, and what is relative starts at `folder`, the configuration file's own. A program
    /// without a slash is left for `PATH`.
    #[must_use]
    pub fn rooted(mut self, folder: &Path, home: Option<&Path>) -> Self {
        let root = |path: &mut PathBuf| {
            *path = match (path.strip_prefix("~"), home) {
                (Ok(rest), Some(home)) => home.join(rest),
                _ => folder.join(&*path),
            };
        };
        let root_secret = |source: &mut SecretSource| match source {
            SecretSource::File(path) => root(path),
            SecretSource::Env(_) | SecretSource::Credential(_) => {}
        };
        root_secret(&mut self.forge.token);
        self.forge.rights_token.iter_mut().for_each(root_secret);
        self.forge.ca_file.iter_mut().for_each(root);
        self.daemon.state_dir.iter_mut().for_each(root);
        self.daemon.webhook_secret.iter_mut().for_each(root_secret);
        // A program without a slash is left for `PATH`.
        let root_program = |words: &mut Vec<String>| {
            if let Some(program) = words.first_mut().filter(|program| program.contains('/')) {
                let mut path = PathBuf::from(&*program);
                root(&mut path);
                *program = path.display().to_string();
            }
        };
        for probe in &mut self.probes {
            match &mut probe.looks {
                Looks::Command(words) => root_program(words),
                Looks::Disk { path, .. } => root(path),
                Looks::Memory { .. } | Looks::Load { .. } => {}
            }
            probe.mend.iter_mut().for_each(|mend| root_program(&mut mend.command));
        }
        for secret in self.vault.secrets.values_mut() {
            match secret {
                VaultSecret::Env(_) => {}
                VaultSecret::File(path) => root(path),
                VaultSecret::Command(words) => root_program(words),
            }
        }
        self.vault.mounts.values_mut().for_each(root);
        for notify in &mut self.notify {
            match &mut notify.by {
                NotifyBy::Command(words) => root_program(words),
                NotifyBy::Webhook { address, .. } => root_secret(address),
                NotifyBy::Mail { sendmail, .. } => root(sendmail),
            }
        }
        self.sandbox.read.iter_mut().for_each(root);
        self.projects.iter_mut().filter_map(|p| p.provisions.env_file.as_mut()).for_each(|file| root(&mut file.from));
        self.sandbox.path.iter_mut().for_each(root);
        self.accounts.iter_mut().filter_map(|a| a.source.path_mut()).for_each(root);
        for agent in std::iter::once(&mut self.agent).chain(&mut self.agents) {
            agent.token.iter_mut().for_each(root_secret);
            if let Backend::Claude(claude) = &mut agent.backend {
                claude.key.iter_mut().for_each(root_secret);
                if claude.program.components().count() > 1 {
                    root(&mut claude.program);
                }
            }
        }
        self
    }

    fn read(root: &Table<'_>) -> Option<Self> {
        let forge = Forge::read(root);
        let labels = project::read_labels(&root.table("labels"), &LabelNames::default());
        let projects = Self::read_projects(root, &labels);
        let mut limits = Limits::read(&root.table("limits"));
        let accounts = Account::read_all(root);
        let agent = Agent::read(root, &mut limits, &accounts);
        let agents = Agent::read_others(root, agent.as_ref(), &accounts);
        let daemon = Daemon::read(&root.table("daemon"));
        let sandbox = Sandbox::read(&root.table("sandbox"));
        let notify = root.tables("notify").iter().filter_map(Notify::read).collect();
        let retention = Retention::read(&root.table("retention"));
        let ops = if root.has("ops") { Ops::read(&root.table("ops")) } else { None };
        let vault = Vault::read(&root.table("vault"));
        let probes = Probe::read_all(root);
        let (forge, agent) = (forge?, agent?);
        Some(Self { forge, projects, agent, agents, accounts, daemon, limits, sandbox, notify, retention, ops, vault, probes })
    }

    fn read_projects(root: &Table<'_>, labels: &LabelNames) -> Vec<Project> {
        if !root.has("project") {
            root.lacks("project", "[[project]]\nrepo = \"owner/name\"\nverify = [\"sh ./test.sh\"]");
        }
        let mut projects: Vec<Project> = Vec::new();
        for table in root.tables("project") {
            let Some(project) = Project::read(&table, labels) else { continue };
            if projects.iter().any(|p| same_repo(&p.repo, &project.repo)) {
                let help = "keep one of the two sections; names differ in more than case";
                table.wrong(format!("the project `{}` is named twice", project.repo), help);
            }
            projects.push(project);
        }
        projects
    }
}

impl Forge {
    fn read(root: &Table<'_>) -> Option<Self> {
        let example = "[forge]\nurl = \"https://forge.example\"\ntoken_env = \"FORGEHAND_TOKEN\"";
        let table = root.required_table("forge", example)?;
        let url = table.required("url", "url = \"https://forge.example\"", values::url);
        let token = values::secret_source(&table, "token_env", "token_file", "token_credential");
        if !["token_env", "token_file", "token_credential"].into_iter().any(|key| table.has(key)) {
            table.lacks("token_env", "token_env = \"FORGEHAND_TOKEN\", or token_file = \"/path\"");
        }
        let login = table.optional("login", values::login);
        let rights_token = values::secret_source(&table, "rights_token_env", "rights_token_file", "rights_token_credential");
        let ca_file = table.optional("ca_file", values::path);
        Some(Self { url: url?, token: token?, login, rights_token, ca_file })
    }
}

fn same_repo(one: &RepoName, other: &RepoName) -> bool {
    one.owner().eq_ignore_ascii_case(other.owner()) && one.name().eq_ignore_ascii_case(other.name())
}
