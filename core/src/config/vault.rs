//! `[vault]`: what an action of the vault may name. Nothing else of this machine reaches one.
//!
//! Promises: a secret is not read here and not shown, only where it is kept; what an action can name stands here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, PathBuf};

use super::values;
use crate::document::{Table, Value};

/// `[vault]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vault {
    /// `[vault.secrets]`, by the names that actions use, which are those of the variables that commands find them in.
    pub secrets: BTreeMap<String, VaultSecret>,
    /// `[vault.mounts]`: folders and files, by the names that actions use.
    pub mounts: BTreeMap<String, PathBuf>,
}

/// Where a secret of the vault is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultSecret {
    /// In this variable of the environment.
    Env(String),
    /// In this file.
    File(PathBuf),
    /// A program prints it, such as `sops`: its words, at least one.
    Command(Vec<String>),
}

const ONE: &str = "DEPLOY_TOKEN = { file = \"/etc/forgehand/deploy\" }, or { env = \"NAME\" }, or { command = [\"sops\", \"-d\", \"/etc/forgehand/deploy\"] }";

const PROGRAM: &str = "write the program and its arguments as a list, such as [\"sops\", \"-d\", \"/etc/forgehand/deploy\"]";

impl Vault {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let secrets =
            table.named_values("secrets").into_iter().filter_map(|(name, value)| Some((name.clone(), secret(&name, &value)?)));
        let secrets = secrets.collect();
        let mounts =
            table.named_values("mounts").into_iter().filter_map(|(name, value)| Some((name.clone(), mount(&name, &value)?)));
        Self { secrets, mounts: mounts.collect() }
    }

    /// The names of the secrets.
    pub fn secret_names(&self) -> BTreeSet<String> {
        self.secrets.keys().cloned().collect()
    }

    /// The names of the mounts.
    pub fn mount_names(&self) -> BTreeSet<String> {
        self.mounts.keys().cloned().collect()
    }
}

/// Variables that decide what a command is, or that forgehand sets itself.
fn is_taken(name: &str) -> bool {
    const OWN: [&str; 9] = ["PATH", "HOME", "SHELL", "USER", "PWD", "TMPDIR", "PORT", "IFS", "ENV"];
    OWN.contains(&name) || ["LD_", "GIT_", "BASH_", "FORGEHAND_"].iter().any(|begin| name.starts_with(begin))
}

fn secret(name: &str, value: &Value<'_>) -> Option<VaultSecret> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) || name.is_empty() || name.len() > 64 {
        let message = format!("`{}` cannot be the name of a variable, which commands find the secret in", name.escape_debug());
        return value.wrong_hidden(message, "letters, digits and `_`, such as DEPLOY_TOKEN");
    }
    if is_taken(name) {
        return value.wrong_hidden(format!("the variable `{name}` is not a secret's"), "call it otherwise, such as DEPLOY_TOKEN");
    }
    if !value.is_table() {
        // It may be the secret itself.
        return value.wrong_hidden(format!("`{name}` says where the secret is kept, never the secret"), format!("write {ONE}"));
    }
    let table = value.opened()?;
    let env = table.optional("env", values::env_name).map(VaultSecret::Env);
    let file = table.optional("file", values::path).map(VaultSecret::File);
    let command = table.optional("command", |v| values::program(v, PROGRAM)).map(VaultSecret::Command);
    if !values::one_of_keys(&table, &["env", "file", "command"]) {
        return None;
    }
    if !["env", "file", "command"].into_iter().any(|key| table.has(key)) {
        table.wrong(format!("`{name}` says nowhere where the secret is kept"), format!("write {ONE}"));
    }
    env.or(file).or(command)
}

fn mount(name: &str, value: &Value<'_>) -> Option<PathBuf> {
    const HELP: &str = "write it as ssh = \"/etc/forgehand/ssh\"";
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
        return value.wrong(
            format!("`{}` cannot be the name of a mount", name.escape_debug()),
            "small letters, digits, `-` and `_`, such as ssh",
        );
    }
    let path = values::path(value)?;
    let at_home = path.strip_prefix("~").ok();
    let rooted = path.is_absolute() || at_home.is_some();
    let climbs = path.components().any(|part| part == Component::ParentDir);
    // All of a machine or of a home is no mount: whatever is secret there would be in it.
    let whole = path.components().count() < 2;
    if !rooted || climbs || whole {
        return value.wrong(
            format!("`{}` cannot be mounted", path.display().to_string().escape_debug()),
            format!("{HELP}: a path from the root or `~/`, of something in it"),
        );
    }
    Some(path)
}
