//! What every command begins with: the configuration, the state folder, the tokens, what is known.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;

use crate::config::{Agent, Backend, Config, Looks, Mend, Probe, Project, SecretSource};
use crate::forge::{self, Client};
use crate::formula;
use crate::gateway::{FAMILIES, Prices};
use crate::journal::{History, JournalReader};
use crate::ledger::Ledger;
use crate::model::{
    BranchNames, Command, Formula, FormulaLabel, FormulaName, JournalId, Priority, ProbeName, RepoName, Standings, Subject,
    Timestamp, Works,
};
use crate::plan::{Crew, Member, MendPolicy, Policy, ProjectPolicy, Room};
use crate::ports::{Clock, Ids};

use super::library::Library;
use super::wiring::DEFAULT_MODEL;
use super::{CliError, Kind, accounts};

/// The names under which a configuration is looked for.
pub(super) const FILE: &str = "forgehand.toml";

/// The configuration, and where things are.
pub(super) struct Setup {
    pub(super) config: Config,
    /// Its file, and what stands there.
    pub(super) file: PathBuf,
    pub(super) text: Vec<u8>,
    /// Where `formulas` and `prompts` are looked for: beside the file.
    pub(super) folder: PathBuf,
    pub(super) state_dir: PathBuf,
    pub(super) home: PathBuf,
}

/// What the journal knows, read beside whoever writes it.
pub(super) struct Known {
    pub(super) ledger: Ledger,
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
    pub(super) daemon_lives: bool,
    pub(super) standings: Standings,
    pub(super) room: Option<Room>,
}

/// The machine's clock.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the port stands for")]
    fn now(&self) -> Timestamp {
        Timestamp(chrono::Utc::now().timestamp_millis())
    }
}

/// The machine's chance.
pub(super) struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the source that the port stands for")]
    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

impl Setup {
    /// The folders beside a configuration that belong to it.
    pub(super) const PARTS: [&str; 2] = ["formulas", "prompts"];

    /// Reads the configuration.
    pub(super) fn load(named: Option<PathBuf>) -> Result<Self, CliError> {
        let file = match named {
            Some(file) => file,
            None => find(&home())?,
        };
        let bytes = std::fs::read(&file).map_err(|e| {
            CliError::usage(format!("the configuration {} cannot be read", file.display()), "name one with --config FILE")
                .because(e)
        })?;
        Self::parse(file, bytes)
    }

    /// As [`Setup::load`], for commands that only look or leave an order: where the configuration is broken and a daemon goes on with an
    /// older one, they work on what that has in force.
    pub(super) fn shown(named: Option<PathBuf>) -> Result<Self, CliError> {
        let broken = match Self::load(named.clone()) {
            Ok(setup) => match setup.formulas() {
                Ok(_) => return Ok(setup),
                Err(error) => error,
            },
            Err(error) => error,
        };
        Self::in_force(named).ok_or(broken)
    }

    /// What a daemon goes on with whose configuration is broken now; none where none lives.
    pub(super) fn in_force(named: Option<PathBuf>) -> Option<Self> {
        let home = home();
        let file = named.or_else(|| find(&home).ok())?;
        super::in_force::find(&file, &home)
    }

    /// Reads the text of a configuration.
    pub(super) fn parse(file: PathBuf, text: Vec<u8>) -> Result<Self, CliError> {
        let config = Config::parse_bytes(&file.display().to_string(), &text).map_err(|e| CliError::file(e.into()))?;
        Ok(Self { text, ..Self::of(config, std::path::absolute(&file).unwrap_or(file)) })
    }

    /// Of a configuration that was read from this file.
    pub(super) fn of(config: Config, file: PathBuf) -> Self {
        let home = home();
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let config = config.rooted(&folder, Some(&home));
        let state_dir = config.daemon.state_dir.clone().unwrap_or_else(|| default_state_dir(&home));
        Self { config, file, text: Vec::new(), folder, state_dir, home }
    }

    /// A client of the forge with the bot's token.
    pub(super) fn forge(&self) -> Result<Client, CliError> {
        let token = read_secret(&self.config.forge.token, "the forge's token")?;
        self.client(token)
    }

    /// A client with the token that may ask for people's rights; none where none is configured.
    pub(super) fn rights(&self) -> Option<Result<Client, CliError>> {
        let source = self.config.forge.rights_token.as_ref()?;
        Some(read_secret(source, "the token that may ask for rights").and_then(|token| self.client(token)))
    }

    pub(super) fn client(&self, token: SecretString) -> Result<Client, CliError> {
        let options = forge_options(self.config.forge.ca_file.as_deref())?;
        Client::new(self.config.forge.url.as_str(), token, options)
            .map_err(|e| CliError::usage("the forge cannot be talked to", "check `url` and the token of [forge]").because(e))
    }

    /// The room where the state folder is, or will be.
    pub(super) fn room(&self) -> Option<Room> {
        room(&self.state_dir, self.config.retention.disk_floor)
    }

    /// The fold of the journal, read beside whoever writes it; nothing where there is none yet.
    pub(super) fn ledger(&self, history: &History) -> Result<Ledger, CliError> {
        match JournalReader::open(&self.state_dir)? {
            Some(journal) => Ok(journal.ledger(history)?),
            None => Ok(Ledger::default()),
        }
    }

    /// What the journal knows.
    pub(super) fn known(&self, history: &History) -> Result<Known, CliError> {
        Ok(Known {
            ledger: self.ledger(history)?,
            policy: self.policy(JournalId(String::new()))?,
            now: SystemClock.now(),
            daemon_lives: crate::journal::is_written(&self.state_dir),
            standings: self.standings(),
            room: self.room(),
        })
    }

    /// Leaves a command on an issue in the inbox, and says so.
    pub(super) fn leave(&self, subject: Subject, what: &str, command: impl Fn(Subject) -> Command) -> Result<(), CliError> {
        let (_, when) = self.order(&command(subject.clone()))?;
        anstream::println!("{subject} {what} {when}");
        Ok(())
    }

    /// Leaves a command in the inbox; answers with what was known by then, and when the command will be taken.
    pub(super) fn order(&self, command: &Command) -> Result<(Known, &'static str), CliError> {
        let known =
            self.known(&command.subject().map_or(History::Since(SystemClock.now()), |subject| History::Of(subject.clone())))?;
        let journal = JournalReader::open(&self.state_dir)?;
        let brings = matches!(command, Command::Run { seen: Some(_), .. });
        if let Some(subject) = command.subject().filter(|subject| !brings && !is_known(&known, subject)) {
            let hint = match subject.is_project() {
                true => "forgehand knows a project once it has looked at it: `forgehand once` does",
                false => {
                    "forgehand knows an issue once it has looked at the project and the issue carries `portal`, a decision label or one that starts a formula"
                }
            };
            return Err(CliError::usage(format!("{subject} is not known"), hint));
        }
        let Some(journal) = journal else {
            let hint = "it begins with the first `forgehand once` or `run`; `once --dry-run` shows what that would do";
            return Err(CliError::usage("there is no journal yet, and nothing that could be told", hint));
        };
        journal.leave(known.now, command)?;
        let when = if known.daemon_lives { "now" } else { "at the next `forgehand once` or `run`" };
        Ok((known, when))
    }

    /// What the plan may do.
    pub(super) fn policy(&self, journal: JournalId) -> Result<Policy, CliError> {
        let limits = &self.config.limits;
        let formulas = self.formulas()?;
        let project = |p: &crate::config::Project| ProjectPolicy {
            labels: p.labels.clone(),
            branch_prefix: p.branch_prefix.clone(),
            base: p.base.clone(),
            since: p.since,
            intake: p.intake.iter().map(|l| crate::model::Login(l.as_str().to_ascii_lowercase())).collect(),
            formulas: formulas
                .iter()
                .filter(|(name, _)| p.formulas.contains(name))
                .map(|(n, f)| (n.clone(), f.clone()))
                .collect(),
            slots: p.slots,
            usd_day: p.usd_day.unwrap_or(limits.usd_project),
            merge: p.merge,
            review: p.review,
            overlap: p.overlap,
            verify: p.verify.clone(),
            sets_up: p.provisions.sets_up(),
            leaving: false,
        };
        Ok(Policy {
            journal,
            forge: self.config.forge.url.to_string(),
            slots: self.config.daemon.slots,
            attempts: limits.attempts,
            backoff: limits.backoff.clone(),
            adopt_after: limits.adopt_after,
            question: limits.question,
            open_pulls: limits.open_pulls,
            items: limits.items,
            usd_run: self.config.usd_run_at_most(),
            usd_day: limits.usd_day,
            lookup_gap: Duration::from_secs(30),
            renew: Duration::from_mins(3),
            checks_every: Duration::from_mins(1),
            trouble_pause: Duration::from_mins(5),
            unreachable_pause: Duration::from_secs(5),
            retry: [5, 15, 60, 300].map(Duration::from_secs).to_vec(),
            crew: self.crew(),
            mends: self.mends(),
            ops: self.config.ops.as_ref().map(|ops| ops.repo.clone()),
            projects: self.config.projects.iter().map(|p| (p.repo.clone(), project(p))).collect(),
        })
    }

    /// The probes of the host: those that are named, the disk of the state folder, and the memory.
    pub(super) fn probes(&self) -> Vec<Probe> {
        let disk = Looks::Disk { path: self.state_dir.clone(), floor: self.config.retention.disk_floor };
        let own = [(Probe::STATE_DISK, disk), (Probe::MEMORY, Looks::Memory { floor: Probe::MEMORY_FLOOR })];
        let own = own.map(|(name, looks)| Probe {
            name: ProbeName::from(name),
            looks,
            timeout: Probe::PATIENCE,
            priority: Priority::P1,
            mend: None,
        });
        let named = &self.config.probes;
        let unnamed = |own: &Probe| named.iter().all(|probe| probe.name != own.name);
        own.into_iter().filter(unnamed).chain(named.iter().cloned()).collect()
    }

    /// How they may be mended, for the plan.
    fn mends(&self) -> BTreeMap<ProbeName, MendPolicy> {
        let policy = |mend: &Mend| MendPolicy { risk: mend.blast_radius, at_most: mend.at_most };
        let probes = self.config.probes.iter();
        probes.filter_map(|probe| Some((probe.name.clone(), policy(probe.mend.as_ref()?)))).collect()
    }

    /// Who works, for the plan.
    pub(super) fn crew(&self) -> Crew {
        let member = |agent: &Agent| Member {
            name: agent.name.clone(),
            roles: agent.roles.iter().cloned().collect(),
            works: match &agent.backend {
                Backend::Claude(claude) => {
                    Works::Claude { model: claude.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned()) }
                }
                Backend::Command(_) => Works::Command,
            },
            accounts: agent.accounts.clone(),
            identity: agent.token.is_some(),
        };
        let usd_day = self.config.accounts.iter().filter_map(|a| Some((a.name.clone(), a.usd_day?))).collect();
        let others = self.config.agents.iter().map(member).collect();
        Crew { usual: member(&self.config.agent), others, usd_day }
    }

    /// The formulas that there are.
    pub(super) fn library(&self) -> Library {
        Library::of(&self.folder).for_crew(self.crew())
    }

    /// Patterns of the models that somebody can work with: they have a price, or an agent has them.
    fn models(&self) -> Vec<String> {
        let of = |agent: &Agent| match &agent.backend {
            Backend::Claude(claude) => claude.model.clone(),
            Backend::Command(_) => None,
        };
        let (prices, own) = (Prices::shipped(), self.config.crew().filter_map(of).map(|name| globset::escape(&name)));
        prices.patterns().chain(FAMILIES).map(str::to_owned).chain(own).collect()
    }

    /// What an action of the vault may name. Only of formulas that are on it is looked up what they could break: no others are run.
    pub(super) fn vault_known(&self) -> Result<crate::vault::Known, CliError> {
        let on = self.formulas()?;
        let risk = |name: String| {
            let name = FormulaName(name);
            (name.clone(), on.get(&name).map(|formula| formula.blast_radius))
        };
        let fired = |project: &Project| {
            let fired = project.formulas.iter().filter(|name| on.get(*name).is_some_and(|formula| formula.trigger.vault));
            (project.repo.clone(), fired.cloned().collect())
        };
        Ok(crate::vault::Known {
            formulas: self.library().names().into_iter().map(risk).collect(),
            secrets: self.config.vault.secret_names(),
            mounts: self.config.vault.mount_names(),
            tools: formula::tool_names().map(str::to_owned).collect(),
            models: self.models(),
            projects: self.config.projects.iter().map(|project| project.repo.clone()).collect(),
            fired: self.config.projects.iter().map(fired).collect(),
        })
    }

    /// The labels that the formulas of a project use; of one that is not configured yet, those that are on by default.
    pub(super) fn labels_used(&self, project: Option<&Project>) -> Result<Vec<FormulaLabel>, CliError> {
        let on = project.map_or_else(Project::usual_formulas, |project| project.formulas.clone());
        Ok(labels_of(&on, &self.formulas()?))
    }

    /// Where formulas that are on for a project describe one label in different ways: the first one's is what `init` creates.
    pub(super) fn labels_that_differ(&self, project: &Project) -> Result<Vec<String>, CliError> {
        let formulas = self.formulas()?;
        let on = || project.formulas.iter().filter_map(|name| formulas.get(name));
        let described = || on().flat_map(|formula| formula.labels.iter().map(move |label| (formula, label)));
        let mut said = Vec::new();
        for (at, (formula, label)) in described().enumerate() {
            let Some((first, known)) = described().take(at).find(|(_, known)| known.name == label.name) else { continue };
            if known.color != label.color {
                said.push(format!(
                    "label `{}` is {} by formula {} and {} by {} of project {}",
                    label.name, known.color, first.name, label.color, formula.name, project.repo
                ));
            }
        }
        Ok(said)
    }

    /// What branches of ours are called in a project.
    pub(super) fn branches_of(&self, project: &Project) -> Result<BranchNames, CliError> {
        let formulas = self.formulas()?;
        Ok(BranchNames::of(&project.branch_prefix, project.formulas.iter().filter_map(|name| formulas.get(name))))
    }

    /// Why a formula of a project may ask for no file in a repository; none where it may.
    fn unaskable(&self, project: &Project, repo: &RepoName) -> Option<&'static str> {
        let ops = self.config.ops.as_ref().is_some_and(|ops| ops.repo == *repo);
        match () {
            () if ops => Some("is the operations repository: leave `repo` out"),
            () if *repo == project.repo => Some("is its own repository: propose = \"pull-request\" changes that"),
            () if self.config.project(repo).is_none() => Some("is no [[project]] of the configuration"),
            () => None,
        }
    }

    /// The formulas that are on where nothing is said and those that a project names, each as the configuration folder has it. What stands there
    /// of others is read too, so that its mistakes are told.
    pub(super) fn formulas(&self) -> Result<BTreeMap<FormulaName, Formula>, CliError> {
        let mut formulas = BTreeMap::new();
        let library = self.library();
        let usual = Project::usual_formulas();
        let named = self.config.projects.iter().flat_map(|project| project.formulas.iter().map(move |name| (name, project)));
        let wanted: BTreeSet<FormulaName> = usual.into_iter().chain(named.clone().map(|(name, _)| name.clone())).collect();
        let shipped = formula::shipped_names().into_iter().map(FormulaName);
        for name in shipped.chain(wanted.iter().cloned()).collect::<BTreeSet<_>>() {
            let own = library.text(name.as_str()).is_some_and(|found| found.own.is_some());
            let found = match own {
                true => library.load(name.as_str()).transpose().map_err(|e| CliError::file(e.into()))?,
                // To read and check all that is shipped takes longer than the rest of a start.
                false if wanted.contains(&name) => formula::shipped_formula(name.as_str()),
                false => None,
            };
            formulas.extend(found.map(|formula| (name, formula)));
        }
        for (name, project) in named {
            let Some(formula) = formulas.get(name) else {
                let what = format!("`formulas` of project {} names `{name}`, and there is none", project.repo);
                let hint = format!(
                    "put it into {}, or name {}",
                    self.folder.join("formulas").join(format!("{name}.toml")).display(),
                    library.names().join(", ")
                );
                return Err(CliError::usage(what, hint));
            };
            if formula.needs_ops() && self.config.ops.is_none() {
                let what = format!(
                    "formula {name} of project {} reads or writes an operations repository, and none is named",
                    project.repo
                );
                return Err(CliError::usage(what, "write [ops] with repo = \"owner/ops\", or take it out of `formulas`"));
            }
            if let Some((repo, why)) = formula.asks_in().into_iter().find_map(|repo| Some((repo, self.unaskable(project, repo)?)))
            {
                let what = format!("formula {name} of project {} asks for a file in {repo}, which {why}", project.repo);
                return Err(CliError::usage(what, "write another `repo` in its step, or take it out of `formulas`"));
            }
            if formula.trigger.vault && self.config.ops.is_none() {
                let what =
                    format!("formula {name} of project {} is run by actions of the vault, and there is none", project.repo);
                return Err(CliError::usage(what, "write [ops] with repo = \"owner/ops\", or take it out of `formulas`"));
            }
            let others = || project.formulas.iter().filter(|other| *other != name).filter_map(|other| formulas.get(other));
            let (label, comment) = (&formula.trigger.label, &formula.trigger.comment);
            let word = formula.branch_word().filter(|_| formula.workspace.branch.is_some());
            if let Some(other) = others().find(|other| word.is_some() && other.branch_word() == word) {
                let what = format!("{name} and {} of project {} push to the same branch of an issue", other.name, project.repo);
                return Err(CliError::usage(what, "give one of the two another `branch` in its [workspace]"));
            }
            let labelled = others().find(|other| label.is_some() && other.trigger.label == *label);
            let asked =
                others().find_map(|other| Some((other, comment.iter().find(|word| other.trigger.comment.contains(word))?)));
            let twice = labelled.zip(label.as_ref().map(|label| format!("label {label}")));
            if let Some((other, starts)) = twice.or_else(|| asked.map(|(other, word)| (other, format!("comment {word}")))) {
                let what = format!("{starts} starts two formulas of project {}: {name} and {}", project.repo, other.name);
                return Err(CliError::usage(what, "take one of them out of `formulas`, or that out of its [trigger]"));
            }
        }
        Ok(formulas)
    }
}

/// How the forge is talked to; an authority of its own is read from its file.
pub(super) fn forge_options(ca_file: Option<&Path>) -> Result<forge::Options, CliError> {
    let authorities = ca_file.map(std::fs::read).transpose().map_err(|e| {
        let file = ca_file.unwrap_or(Path::new("")).display();
        CliError::usage(format!("`ca_file` {file} cannot be read"), "check the path and its permissions").because(e)
    })?;
    Ok(forge::Options { authorities: authorities.unwrap_or_default(), ..forge::Options::default() })
}

/// The room where a folder is, or will be.
pub(super) fn room(folder: &Path, floor: u64) -> Option<Room> {
    let place = folder.ancestors().find(|place| place.exists())?;
    let free = crate::workspace::room(place).ok()?;
    Some(Room { free, floor })
}

/// Reads a secret from where the configuration says it is.
pub(super) fn read_secret(source: &SecretSource, what: &str) -> Result<SecretString, CliError> {
    let found = match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|e| {
            CliError::usage(format!("{what} is not in the environment"), format!("set {name}, or use `token_file`")).because(e)
        })?,
        SecretSource::Credential(name) => {
            let hint = format!("write `LoadCredential={name}:/path` into the unit; systemd sets CREDENTIALS_DIRECTORY then");
            let path = accounts::passed(name)
                .ok_or_else(|| CliError::usage(format!("systemd passed no credentials, {what} is to be one"), hint.clone()))?;
            std::fs::read_to_string(&path)
                .map_err(|e| CliError::usage(format!("{what} cannot be read from {}", path.display()), hint).because(e))?
        }
        SecretSource::File(path) => std::fs::read_to_string(path).map_err(|e| {
            CliError::usage(format!("{what} cannot be read from {}", path.display()), "check the path and its permissions")
                .because(e)
        })?,
    };
    Ok(SecretString::from(found.trim().to_owned()))
}

/// The configuration that a command would read, if there is one.
pub(super) fn find_file(named: Option<PathBuf>) -> Option<PathBuf> {
    match named {
        Some(file) => file.exists().then_some(file),
        None => find(&home()).ok(),
    }
}

fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"))
}

fn find(home: &Path) -> Result<PathBuf, CliError> {
    let config_home = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let places = [PathBuf::from(FILE), config_home.join("forgehand").join(FILE), Path::new("/etc/forgehand").join(FILE)];
    places.iter().find(|p| p.is_file()).cloned().ok_or_else(|| {
        let looked: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
        CliError::usage(
            "there is no configuration",
            format!("`forgehand init` writes one ({}), or name one with --config FILE", looked.join(", ")),
        )
    })
}

pub(super) fn default_state_dir(home: &Path) -> PathBuf {
    if let Some(dir) = std::env::var_os("STATE_DIRECTORY") {
        return PathBuf::from(dir);
    }
    let state_home = std::env::var_os("XDG_STATE_HOME").map_or_else(|| home.join(".local/state"), PathBuf::from);
    state_home.join("forgehand")
}

/// Prints JSON for scripts; a closed pipe is no error.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| CliError::new(Kind::Internal, "the answer could not be written as JSON", "please report this").because(e))?;
    // Whoever closed the pipe has seen enough.
    let _closed_pipe = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// Prints JSON on a line of its own.
pub(super) fn print_json_line(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value)
        .map_err(|e| CliError::new(Kind::Internal, "a line could not be written as JSON", "please report this").because(e))?;
    let _closed_pipe = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// Whether the daemon has seen it; a project that it has looked at can be run on before anything was.
fn is_known(known: &Known, subject: &Subject) -> bool {
    let looked = known.ledger.projects.get(&subject.repo).is_some_and(|project| project.looked.is_some());
    known.ledger.issue(subject).is_some() || (subject.is_project() && looked)
}

/// The labels that formulas use which are on by default, where nothing is configured yet.
pub(super) fn usual_labels() -> Vec<FormulaLabel> {
    labels_of(&Project::usual_formulas(), &formula::shipped())
}

fn labels_of(on: &[FormulaName], formulas: &BTreeMap<FormulaName, Formula>) -> Vec<FormulaLabel> {
    on.iter().filter_map(|name| formulas.get(name)).flat_map(|formula| formula.labels.clone()).collect()
}
