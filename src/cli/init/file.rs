//! The configuration as text: a new one with comments, or an existing one completed without touching what stands there.
//!
//! Promises: a file is written whole or not at all, readable by its owner alone where it is new, and never over one that somebody else
//! made meanwhile; what is written was read back by the daemon's own reader first.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::config::{Config, SecretSource};
use crate::model::{Login, RepoName};

use super::super::{CliError, Kind};
use super::propose::Proposal;

/// The schema, beside the configuration: editors complete and check by it.
pub(super) const SCHEMA_FILE: &str = "forgehand.schema.json";

/// What the configuration is to say.
pub(super) struct Wanted {
    pub(super) url: String,
    pub(super) token: SecretSource,
    pub(super) rights_token: Option<SecretSource>,
    pub(super) login: Option<Login>,
    pub(super) ca_file: Option<String>,
    pub(super) projects: Vec<WantedProject>,
    pub(super) backend: WantedBackend,
    pub(super) state_dir: Option<String>,
    pub(super) webhook: Option<WantedWebhook>,
}

/// A `[[project]]`.
pub(super) struct WantedProject {
    pub(super) repo: RepoName,
    pub(super) proposal: Proposal,
    pub(super) since: String,
}

/// `[agent]`.
pub(super) enum WantedBackend {
    Claude,
    Command(Vec<String>),
}

/// What `[daemon]` says of the webhook.
pub(super) struct WantedWebhook {
    pub(super) listen: String,
    pub(super) secret_file: String,
}

/// A new file.
pub(super) fn new_text(wanted: &Wanted) -> Result<String, CliError> {
    let mut text = format!(
        "#:schema ./{SCHEMA_FILE}\n\
         # Written by `forgehand init`. `forgehand doctor` checks it; a mistake is shown with its line. Durations: 90s, 5m, 2h, 7d.\n\n[forge]\n",
    );
    key(&mut text, "url", &string(&wanted.url), "");
    match &wanted.token {
        SecretSource::Env(name) => {
            key(&mut text, "token_env", &string(name), "the name of the variable that holds the bot's token")
        }
        SecretSource::Credential(name) => {
            key(&mut text, "token_credential", &string(name), "the credential that systemd passes with the bot's token in it")
        }
        SecretSource::File(path) => {
            key(&mut text, "token_file", &string(&path.display().to_string()), "where the bot's token is kept")
        }
    }
    if let Some(login) = &wanted.login {
        key(&mut text, "login", &string(login.as_str()), "the token may not ask who it is");
    }
    if let Some(source) = &wanted.rights_token {
        rights_key(&mut text, source, "a token that administers the repositories: asks for people's rights");
    }
    if let Some(file) = &wanted.ca_file {
        key(&mut text, "ca_file", &string(file), "whom the forge's certificate is checked by, beside the machine's own list");
    }
    for project in &wanted.projects {
        text.push('\n');
        text.push_str(&project_text(project));
    }
    text.push_str("\n[agent]\n");
    match &wanted.backend {
        WantedBackend::Claude => {
            key(&mut text, "backend", &string("claude"), "headless Claude Code; sign in once with `claude setup-token`");
            text.push_str("# model = \"claude-sonnet-5-5\"\n");
        }
        WantedBackend::Command(words) => {
            key(&mut text, "backend", &string("command"), "any program: the prompt comes on its standard input");
            key(&mut text, "command", &list(words), "");
        }
    }
    text.push_str("# author = \"forgehand <forgehand@localhost>\"\n");
    text.push_str("# budget_usd = 5        # for one run\n");
    text.push_str("\n[daemon]\n");
    match &wanted.state_dir {
        Some(dir) => key(&mut text, "state_dir", &string(dir), "journal, mirrors, workspaces, logs"),
        None => text.push_str("# state_dir = \"~/.local/state/forgehand\"        # journal, mirrors, workspaces, logs\n"),
    }
    text.push_str("# slots = 1        # runs at once\n# poll = \"15s\"\n");
    if let Some(webhook) = &wanted.webhook {
        key(&mut text, "listen", &string(&webhook.listen), "the forge's webhook knocks here");
        key(&mut text, "webhook_secret_file", &string(&webhook.secret_file), "");
    }
    text.push_str(
        "\n[limits]\n# attempts = 3        # on one issue\n# usd_project = 25        # for a project in a UTC day\n# usd_day = 25        # for everything in a UTC day\n",
    );
    read_back(&text)?;
    Ok(text)
}

/// An existing file with what it lacks; none if it lacks nothing. What stands there stays, comments included.
pub(super) fn completed(old: &str, wanted: &Wanted) -> Result<Option<String>, CliError> {
    let config = read_back(old)?;
    let mut text = old.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut forge = String::new();
    if let (Some(source), None) = (&wanted.rights_token, &config.forge.rights_token) {
        rights_key(&mut forge, source, "");
    }
    if let (Some(file), None) = (&wanted.ca_file, &config.forge.ca_file) {
        key(&mut forge, "ca_file", &string(file), "");
    }
    text = into_section(&text, "forge", &forge);
    let mut daemon = String::new();
    if let Some(webhook) = &wanted.webhook {
        if config.daemon.listen.is_none() {
            key(&mut daemon, "listen", &string(&webhook.listen), "the forge's webhook knocks here");
        }
        if config.daemon.webhook_secret.is_none() {
            key(&mut daemon, "webhook_secret_file", &string(&webhook.secret_file), "");
        }
    }
    text = into_section(&text, "daemon", &daemon);
    for project in wanted.projects.iter().filter(|p| config.project(&p.repo).is_none()) {
        text.push('\n');
        text.push_str(&project_text(project));
    }
    if text.trim_end() == old.trim_end() {
        return Ok(None);
    }
    read_back(&text)?;
    Ok(Some(text))
}

/// With lines at the head of a section, which is added at the end where it is missing.
fn into_section(text: &str, section: &str, lines: &str) -> String {
    if lines.is_empty() {
        return text.to_owned();
    }
    let header = |line: &str| {
        let name = line.trim().strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name.trim());
        name == Some(section)
    };
    let mut out = String::new();
    let mut done = false;
    for line in text.split_inclusive('\n') {
        out.push_str(line);
        if !done && header(line) {
            out.push_str(lines);
            done = true;
        }
    }
    if done { out } else { format!("{text}\n[{section}]\n{lines}") }
}

fn project_text(project: &WantedProject) -> String {
    let WantedProject { repo, proposal, since } = project;
    let mut text = String::from("[[project]]\n");
    key(&mut text, "repo", &string(&repo.to_string()), "");
    if !proposal.because.is_empty() {
        let _infallible = writeln!(text, "# Proposed from {}: look it over.", proposal.because.join(", "));
    }
    key(&mut text, "verify", &list(&proposal.verify), "tells good work from bad: each of these must end with 0");
    if !proposal.setup.is_empty() {
        key(&mut text, "setup", &list(&proposal.setup), "runs before agent and verification, with the network named below");
    }
    if !proposal.caches.is_empty() {
        key(&mut text, "caches", &list(&proposal.caches), "written by setup, read by agents");
    }
    if !proposal.network.is_empty() {
        key(&mut text, "network", &list(&proposal.network), "where setup may fetch from");
    }
    key(&mut text, "since", &string(since), "reports filed before this are left alone; \"all\" takes every one");
    text
}

fn key(text: &mut String, name: &str, value: &str, comment: &str) {
    let _infallible = match comment {
        "" => writeln!(text, "{name} = {value}"),
        comment => writeln!(text, "# {comment}\n{name} = {value}"),
    };
}

fn rights_key(text: &mut String, source: &SecretSource, comment: &str) {
    match source {
        SecretSource::Env(name) => key(text, "rights_token_env", &string(name), comment),
        SecretSource::File(path) => key(text, "rights_token_file", &string(&path.display().to_string()), comment),
        SecretSource::Credential(name) => key(text, "rights_token_credential", &string(name), comment),
    }
}

fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[String]) -> String {
    toml::Value::Array(items.iter().map(|item| toml::Value::String(item.clone())).collect()).to_string()
}

/// What is written must read: a mistake here is ours, unless it stood there before.
fn read_back(text: &str) -> Result<Config, CliError> {
    Config::parse("forgehand.toml", text).map_err(|e| CliError::file(e.into()))
}

/// Writes a file whole or not at all: a new one for its owner alone, an existing one with the rights that it had.
pub(super) fn write(file: &Path, old: Option<&str>, text: &str) -> Result<(), CliError> {
    let failed = |e: std::io::Error| {
        CliError::environment(format!("{} cannot be written", file.display()), e, "check the folder's permissions")
    };
    // Where it is a link, what it leads to is written.
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut fresh = tempfile::Builder::new().prefix(".forgehand-").tempfile_in(folder).map_err(failed)?;
    fresh.write_all(text.as_bytes()).and_then(|()| fresh.as_file().sync_all()).map_err(failed)?;
    let Some(old) = old else {
        return fresh.persist_noclobber(file).map(drop).map_err(|e| failed(e.error));
    };
    if fs::read_to_string(file).map_err(failed)? != old {
        let hint = "somebody changed it meanwhile: start `forgehand init` again";
        return Err(CliError::new(Kind::Usage, format!("{} is not what it was", file.display()), hint));
    }
    let mode = fs::metadata(file).map_err(failed)?.permissions().mode();
    fresh.as_file().set_permissions(fs::Permissions::from_mode(mode & 0o777)).map_err(failed)?;
    fresh.persist(file).map(drop).map_err(|e| failed(e.error))
}

/// The schema as this version has it.
pub(super) fn schema() -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(&crate::config::schema());
    text.map(|text| text + "\n")
        .map_err(|e| CliError::new(Kind::Internal, "the schema could not be written as JSON", "please report this").because(e))
}

/// Writes a secret for its owner alone, never over another one.
pub(super) fn write_secret(file: &Path, secret: &str) -> Result<(), CliError> {
    let mut open = fs::OpenOptions::new();
    let written = open.write(true).create_new(true).mode(0o600).open(file).and_then(|mut f| writeln!(f, "{secret}"));
    written.map_err(|e| {
        CliError::environment(format!("the secret cannot be written to {}", file.display()), e, "move away what stands there")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init::propose::{Files, propose};
    use crate::model::Since;

    fn project(file: &str) -> WantedProject {
        let mut files = Files::from([(file.to_owned(), None)]);
        files.insert("test.sh".to_owned(), None);
        WantedProject { repo: "o/r".parse().expect("a name"), proposal: propose(&files), since: "2026-01-31".to_owned() }
    }

    #[test]
    fn every_proposal_reads_and_is_written_with_its_keys() {
        let locks = [
            "pnpm-lock.yaml",
            "yarn.lock",
            "bun.lock",
            "package-lock.json",
            "Cargo.lock",
            "go.mod",
            "uv.lock",
            "poetry.lock",
            "requirements.txt",
            "Gemfile.lock",
            "composer.lock",
            "mix.lock",
            "pom.xml",
            "build.gradle",
        ];
        for lock in locks {
            let wanted = Wanted {
                url: "https://forge.example".to_owned(),
                token: SecretSource::Env("T".to_owned()),
                rights_token: Some(SecretSource::File("/r".into())),
                login: Some(Login::from("bot")),
                ca_file: Some("/ca.pem".to_owned()),
                projects: vec![project(lock)],
                backend: WantedBackend::Command(vec!["sh".to_owned(), "a \"b\"".to_owned()]),
                state_dir: Some("/var/lib/forgehand".to_owned()),
                webhook: Some(WantedWebhook { listen: "127.0.0.1:8787".to_owned(), secret_file: "s".to_owned() }),
            };
            let text = new_text(&wanted).unwrap_or_else(|e| panic!("{lock}: {:?}", e.lines()));
            let config = Config::parse("forgehand.toml", &text).unwrap_or_else(|e| panic!("{lock}: {e}"));
            let (read, proposed) = (&config.projects[0], project(lock).proposal);
            assert_eq!((&read.verify, &read.provisions.setup), (&proposed.verify, &proposed.setup), "{lock}");
            assert_eq!(read.provisions.network.len(), proposed.network.len(), "{lock}");
            assert_eq!(read.provisions.caches.len(), proposed.caches.len(), "{lock}");
            assert_eq!(read.since, Since::parse("2026-01-31"));
            assert_eq!(completed(&text, &wanted).expect("reads"), None, "{lock}");
        }
    }

    #[test]
    fn what_is_added_to_a_section_leaves_the_rest() {
        let text = "a = 1\n[ daemon ] # mine\nslots = 2\n[x]\n";
        assert_eq!(into_section(text, "daemon", "listen = 1\n"), "a = 1\n[ daemon ] # mine\nlisten = 1\nslots = 2\n[x]\n");
        assert_eq!(into_section(text, "forge", "k = 1\n"), format!("{text}\n[forge]\nk = 1\n"));
    }
}
