//! What has to be known first, by flags, by an existing configuration, or by asking.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::config::SecretSource;
use crate::forge::Client;
use crate::model::{Login, RepoName};

use super::super::CliError;
use super::super::setup::{forge_options, read_secret};
use super::file::{Wanted, WantedBackend, WantedProject, WantedWebhook};
use super::look::{HookState, Looked};
use super::propose::Proposal;
use super::{Arguments, BackendName, Desk, login};

/// What a token is named by default.
const TOKEN_ENV: &str = "FORGEHAND_TOKEN";
/// Where a token is kept that was typed in, beside the configuration.
const TOKEN_FILE: &str = "forgehand.token";
/// Where the webhook's secret is kept, beside the configuration.
const SECRET_FILE: &str = "forgehand.webhook-secret";

/// What every look at the forge needs.
pub(super) struct Basics {
    pub(super) url: String,
    pub(super) token: SecretString,
    /// As the configuration will name it.
    pub(super) token_source: SecretSource,
    /// A token that was typed in and has to be kept.
    pub(super) typed: Option<PathBuf>,
    pub(super) rights: Option<SecretString>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) login: Option<Login>,
    pub(super) repos: Vec<RepoName>,
}

impl Basics {
    pub(super) fn client(&self) -> Result<Client, CliError> {
        self.client_of(self.token.clone())
    }

    /// With the token that administers, where there is one.
    pub(super) fn admin(&self) -> Result<Client, CliError> {
        self.client_of(self.rights.clone().unwrap_or_else(|| self.token.clone()))
    }

    fn client_of(&self, token: SecretString) -> Result<Client, CliError> {
        Client::new(&self.url, token, forge_options(self.ca_file.as_deref())?)
            .map_err(|e| CliError::usage("the forge cannot be talked to", "check the address and the token").because(e))
    }
}

/// Gathers it; without a terminal everything that is missing is said at once.
pub(super) fn basics(desk: &Desk, arguments: &Arguments) -> Result<Basics, CliError> {
    let config = desk.existing.as_ref().map(|e| &e.setup.config);
    let mut missing = Vec::new();
    let url = match (config, &arguments.url) {
        (Some(config), Some(given)) if config.forge.url.as_str().trim_end_matches('/') != given.trim_end_matches('/') => {
            let what = format!("{} is set up for {}", desk.file.display(), config.forge.url);
            return Err(CliError::usage(what, "name another file with --config FILE for another forge"));
        }
        (Some(config), _) => Some(config.forge.url.to_string()),
        (None, Some(given)) => Some(given.clone()),
        (None, None) => desk.asker.line("The forge's address (https://git.example.org)", "")?.filter(|s| !s.is_empty()),
    };
    if url.is_none() {
        missing.push("--url URL");
    }
    let token = token(desk, arguments)?;
    if token.is_none() {
        missing.push("--token-env NAME or --token-file FILE");
    }
    let mut repos: Vec<RepoName> = config.map(|c| c.projects.iter().map(|p| p.repo.clone()).collect()).unwrap_or_default();
    repos.extend(asked_repos(desk, arguments, repos.is_empty())?);
    let mut once: Vec<RepoName> = Vec::new();
    repos.retain(|repo| {
        let new = !once.iter().any(|o| o.to_string().eq_ignore_ascii_case(&repo.to_string()));
        once.extend(new.then(|| repo.clone()));
        new
    });
    if repos.is_empty() {
        missing.push("--repo OWNER/NAME");
    }
    let (Some(url), Some((token_source, token, typed)), true) = (url, token, missing.is_empty()) else {
        let hint = "give these flags, or start it on a terminal, where it asks";
        return Err(CliError::usage(format!("it is not known enough; missing: {}", missing.join(", ")), hint));
    };
    let rights_source = rights_named(arguments).or_else(|| config.and_then(|config| config.forge.rights_token.clone()));
    let rights = rights_source.map(|s| read_secret(&s, "the token that may ask for rights")).transpose()?;
    let ca_file = arguments.ca_file.clone().map(|p| std::path::absolute(&p).unwrap_or(p));
    let ca_file = config.and_then(|c| c.forge.ca_file.clone()).or(ca_file);
    let login = config.and_then(|c| c.forge.login.clone()).or(arguments.login.as_deref().map(login));
    Ok(Basics { url, token, token_source, typed, rights, ca_file, login, repos })
}

/// Where the flags say that the token is which administers.
fn rights_named(arguments: &Arguments) -> Option<SecretSource> {
    let file = arguments.rights_token_file.as_ref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    arguments.rights_token_env.clone().map(SecretSource::Env).or(file.map(SecretSource::File))
}

fn asked_repos(desk: &Desk, arguments: &Arguments, none_yet: bool) -> Result<Vec<RepoName>, CliError> {
    if !arguments.repos.is_empty() || !none_yet {
        return Ok(arguments.repos.clone());
    }
    let Some(text) = desk.asker.line("Repositories (owner/name, several with blanks between)", "")? else {
        return Ok(Vec::new());
    };
    let parse = |word: &str| {
        word.parse::<RepoName>()
            .map_err(|e| CliError::usage(format!("`{word}` names no repository"), "write owner/name").because(e))
    };
    text.split([' ', ',']).filter(|word| !word.is_empty()).map(parse).collect()
}

type Token = (SecretSource, SecretString, Option<PathBuf>);

fn token(desk: &Desk, arguments: &Arguments) -> Result<Option<Token>, CliError> {
    let read = |source: SecretSource| {
        let secret = read_secret(&source, "the forge's token")?;
        Ok(Some((source, secret, None)))
    };
    if let Some(existing) = &desk.existing {
        return read(existing.setup.config.forge.token.clone());
    }
    if let Some(name) = &arguments.token_env {
        return read(SecretSource::Env(name.clone()));
    }
    if let Some(file) = &arguments.token_file {
        return read(SecretSource::File(std::path::absolute(file).unwrap_or_else(|_| file.clone())));
    }
    let set = std::env::var(TOKEN_ENV).is_ok_and(|v| !v.trim().is_empty());
    if set && desk.asker.agrees(&format!("Use the token in ${TOKEN_ENV}?"), false)? {
        return read(SecretSource::Env(TOKEN_ENV.to_owned()));
    }
    let question =
        "The bot's token (write:issue, write:repository, read:user; it is kept beside the configuration; empty: it is elsewhere)";
    if let Some(secret) = desk.asker.secret(question)? {
        let file = beside(&desk.file, TOKEN_FILE);
        return Ok(Some((SecretSource::File(PathBuf::from(TOKEN_FILE)), secret, Some(file))));
    }
    match desk.asker.line("The file that holds the bot's token", "")? {
        Some(file) if !file.is_empty() => read(SecretSource::File(std::path::absolute(&file).unwrap_or_else(|_| file.into()))),
        _ => Ok(None),
    }
}

/// What the configuration is to say, when all was looked at.
pub(super) fn wanted(desk: &Desk, arguments: &Arguments, basics: &Basics, looked: &mut Looked) -> Result<Wanted, CliError> {
    let (mut projects, now) = (Vec::new(), looked.now);
    for found in &mut looked.repos {
        let known = desk.existing.as_ref().is_some_and(|e| e.setup.config.project(&found.repo).is_some());
        if known {
            continue;
        }
        if found.since.is_none() && found.standing.reports > 0 {
            found.since = asked_since(desk, &found.repo, found.standing.reports)?;
        }
        projects.push(WantedProject {
            repo: found.repo.clone(),
            proposal: decided(desk, arguments, &found.repo, &found.proposal)?,
            // Left out it would take up what was filed within an hour before the first start.
            since: found.since.clone().unwrap_or_else(|| now.rfc3339()),
        });
    }
    let backend = backend(desk, arguments)?;
    let hooked = looked.repos.iter().any(|found| matches!(found.hook, HookState::Make(_)));
    let webhook = hooked.then(|| WantedWebhook { listen: arguments.listen.to_string(), secret_file: SECRET_FILE.to_owned() });
    let text = |path: &PathBuf| path.display().to_string();
    Ok(Wanted {
        url: basics.url.clone(),
        token: basics.token_source.clone(),
        rights_token: rights_named(arguments),
        login: basics.login.clone(),
        ca_file: basics.ca_file.as_ref().map(text),
        projects,
        backend,
        state_dir: arguments.state_dir.as_ref().map(|dir| text(&std::path::absolute(dir).unwrap_or_else(|_| dir.clone()))),
        webhook,
    })
}

/// Old reports would be left alone in silence otherwise.
fn asked_since(desk: &Desk, repo: &RepoName, reports: usize) -> Result<Option<String>, CliError> {
    let question = format!("{reports} old reports in {repo}: triage those filed from when on (a date, `all`; empty: none)");
    match desk.asker.line(&question, "")? {
        Some(text) if !text.is_empty() => {
            super::since(&text).map(Some).map_err(|e| CliError::usage(format!("`{text}` is neither a date nor `all`"), e))
        }
        _ => Ok(None),
    }
}

/// The proposal as flags and the person at the terminal change it.
fn decided(desk: &Desk, arguments: &Arguments, repo: &RepoName, found: &Proposal) -> Result<Proposal, CliError> {
    let mut proposal = found.clone();
    let from = if found.because.is_empty() { String::new() } else { format!(", read from {}", found.because.join(", ")) };
    if !arguments.verify.is_empty() {
        proposal.verify.clone_from(&arguments.verify);
        proposal.because.clear();
    } else if let Some(verify) = desk.asker.lines(&format!("What verifies a commit of {repo}{from}"), &found.verify)? {
        proposal.verify = verify;
    }
    if !arguments.setup.is_empty() {
        proposal.setup.clone_from(&arguments.setup);
    } else if !found.setup.is_empty()
        && let Some(setup) = desk.asker.lines(&format!("What prepares a checkout of {repo}{from}"), &found.setup)?
    {
        proposal.setup = setup;
    }
    proposal.network = beside_setup(desk, &arguments.network, &found.network, "The hosts that this may reach")?;
    proposal.caches = beside_setup(desk, &arguments.caches, &found.caches, "The folders that it fills for agents to read")?;
    if proposal.setup.is_empty() {
        if !arguments.network.is_empty() || !arguments.caches.is_empty() {
            let what = format!("--network and --cache are for a setup, and {repo} has none");
            return Err(CliError::usage(what, "name one by --setup, or leave them out"));
        }
        // They are of no use to anything else.
        proposal.caches.clear();
        proposal.network.clear();
    }
    if proposal.verify.is_empty() {
        let what = format!("nothing in {repo} says how to verify it: no lock file, Makefile or test.sh that is known");
        return Err(CliError::usage(what, "name a command that fails where the project is broken: --verify \"sh ./test.sh\""));
    }
    Ok(proposal)
}

/// What a setup is given: by flags, else as it is proposed or changed at the terminal.
fn beside_setup(desk: &Desk, given: &[String], found: &[String], question: &str) -> Result<Vec<String>, CliError> {
    if !given.is_empty() || found.is_empty() {
        return Ok(given.to_vec());
    }
    Ok(desk.asker.lines(question, found)?.unwrap_or_else(|| found.to_vec()))
}

fn backend(desk: &Desk, arguments: &Arguments) -> Result<WantedBackend, CliError> {
    let name = match arguments.backend {
        None if !arguments.command.is_empty() => BackendName::Command,
        None if desk.existing.is_none() => return asked_backend(desk),
        None => BackendName::Claude,
        Some(name) => name,
    };
    match name {
        BackendName::Claude if !arguments.command.is_empty() => {
            Err(CliError::usage("--command belongs to --backend command", "leave one of the two out"))
        }
        BackendName::Claude => Ok(WantedBackend::Claude),
        BackendName::Command if desk.existing.is_some() || !arguments.command.is_empty() => {
            Ok(WantedBackend::Command(arguments.command.clone()))
        }
        BackendName::Command => {
            Err(CliError::usage("--backend command needs the program", "name it: --command python3 /path/agent.py"))
        }
    }
}

/// Claude, or the words of a command.
fn asked_backend(desk: &Desk) -> Result<WantedBackend, CliError> {
    let answer = desk.asker.line("Who does the work: `claude`, or a command of your own", "claude")?.unwrap_or_default();
    match answer.as_str() {
        "" | "claude" => Ok(WantedBackend::Claude),
        words => Ok(WantedBackend::Command(words.split_whitespace().map(str::to_owned).collect())),
    }
}

/// A file in the folder of another.
pub(super) fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).join(name)
}

/// Where the webhook's secret is kept: as the configuration says, or in a file beside it.
pub(super) fn webhook_secret(desk: &Desk) -> SecretSource {
    let named = desk.existing.as_ref().and_then(|e| e.setup.config.daemon.webhook_secret.clone());
    named.unwrap_or_else(|| SecretSource::File(beside(&desk.file, SECRET_FILE)))
}
