//! The demo's folder: the forge's data, the daemon's configuration and state, and who signs in with what.
//!
//! ```text
//! demo.json         address and passwords        forge/    the data of localforge
//! forgehand.toml    what the daemon reads        state/    journal, workspaces, logs
//! token             the bot's                    bin/      the scripted agent, a copy of this program
//! token-vera        the review role's
//! ```
//!
//! A temporary one is removed when it is dropped; a kept one can be opened again, and `localforge --data DIR/forge` can serve it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::ports::Ids;

use super::super::CliError;
use super::super::setup::SystemIds;
use super::example::{BOT, MAINTAINER, REPO, REPORTER, REVIEWER, VERIFY};
use super::{AgentKind, failed};

/// The file that tells a demo's folder.
const RECORD: &str = "demo.json";

/// The demo's folder.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) record: Record,
    _temporary: Option<TempDir>,
}

/// What stays the same when a folder is opened again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Where the forge listened, so that its links go on to hold.
    pub(super) listen: Option<SocketAddr>,
    /// Login and password of the people. They open nothing but this forge, which listens on loopback.
    pub(super) passwords: BTreeMap<String, String>,
}

impl Folder {
    /// Opens a folder that is to be kept, or makes a temporary one.
    pub(super) fn open(keep: Option<&Path>) -> Result<Self, CliError> {
        let Some(keep) = keep else {
            let made = tempfile::Builder::new().prefix("forgehand-demo-").tempdir();
            let made =
                made.map_err(|e| CliError::environment("no temporary folder can be made", e, "see whether the disk is full"))?;
            let path = made.path().canonicalize().map_err(|e| failed(made.path(), e))?;
            return Self { path, record: Record::default(), _temporary: Some(made) }.furnished();
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(keep).map_err(|e| failed(keep, e))?;
        let path = keep.canonicalize().map_err(|e| failed(keep, e))?;
        let file = path.join(RECORD);
        let record = if file.exists() {
            let text = fs::read_to_string(&file).map_err(|e| failed(&file, e))?;
            serde_json::from_str(&text).map_err(|e| failed(&file, e))?
        } else if fs::read_dir(&path).map_err(|e| failed(&path, e))?.next().is_some() {
            let what = format!("{} is not empty, and no folder of a demo", path.display());
            return Err(CliError::usage(what, "name a new folder, or that of an earlier demo"));
        } else {
            Record::default()
        };
        Self { path, record, _temporary: None }.furnished()
    }

    fn furnished(mut self) -> Result<Self, CliError> {
        for login in [MAINTAINER, REPORTER, BOT, REVIEWER] {
            self.record.passwords.entry(login.to_owned()).or_insert_with(|| SystemIds.uuid());
        }
        self.remember()?;
        let bin = self.path.join("bin");
        fs::create_dir_all(&bin).map_err(|e| failed(&bin, e))?;
        let own = std::env::current_exe().map_err(|e| failed(&bin, e))?;
        // A folder of its own, because that of the program is mounted into the sandbox, and this one may lie in a home. Written anew,
        // so that a kept folder follows its program.
        fs::copy(&own, self.agent()).map_err(|e| failed(&self.agent(), e))?;
        Ok(self)
    }

    /// Writes the record.
    pub(super) fn remember(&self) -> Result<(), CliError> {
        let file = self.path.join(RECORD);
        let text = serde_json::to_string_pretty(&self.record).map_err(|e| failed(&file, e))?;
        write_private(&file, &text).map_err(|e| failed(&file, e))
    }

    /// The data of the forge.
    pub(super) fn forge(&self) -> PathBuf {
        self.path.join("forge")
    }

    /// Where the tokens of forgehand's accounts are kept.
    pub(super) fn tokens(&self) -> [(&'static str, PathBuf); 2] {
        [(BOT, self.path.join("token")), (REVIEWER, self.path.join(format!("token-{REVIEWER}")))]
    }

    /// Where the daemon's error output goes.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("daemon.log")
    }

    fn agent(&self) -> PathBuf {
        self.path.join("bin").join("forgehand")
    }

    /// Writes the daemon's configuration, and gives its place.
    pub(super) fn configure(&self, url: &str, agent: AgentKind, sandboxed: bool) -> Result<PathBuf, CliError> {
        // The script asks for no changes; a model may.
        let formulas = match agent {
            AgentKind::Claude => r#"["triage", "fix", "review", "revise"]"#,
            AgentKind::Scripted => r#"["triage", "fix", "review"]"#,
        };
        let agent = match agent {
            AgentKind::Claude => "backend = \"claude\"".to_owned(),
            AgentKind::Scripted => {
                format!("backend = \"command\"\ncommand = [{}, \"__scripted\"]", quoted(&self.agent().display().to_string()))
            }
        };
        let mode = if sandboxed { "" } else { "\n[sandbox]\nmode = \"none\"\n" };
        let text = format!(
            "# Written by `forgehand demo`, anew each time.\n\
             [forge]\nurl = {url}\ntoken_file = \"token\"\n\n\
             [[project]]\nrepo = {repo}\nverify = [{verify}]\nobey = [{ada}]\n\
             formulas = {formulas}\nmerge = \"policy\"\n\n\
             [agent]\n{agent}\nauthor = \"forgehand <forgehand@localhost>\"\n\n\
             # Who judges has an account of its own.\n\
             [agents.{REVIEWER}]\nroles = [\"review\"]\ntoken_file = \"token-{REVIEWER}\"\n\n\
             [daemon]\nstate_dir = \"state\"\nslots = 2\npoll = \"1s\"\ndrain = \"3s\"\n{mode}",
            url = quoted(url),
            repo = quoted(REPO),
            verify = quoted(VERIFY),
            ada = quoted(MAINTAINER),
        );
        let file = self.path.join("forgehand.toml");
        fs::write(&file, text).map_err(|e| failed(&file, e))?;
        Ok(file)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Writes a file that only this user can read.
pub(super) fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}
