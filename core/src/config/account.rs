//! `[[account]]`: with whose money or quota agents work.

use std::path::PathBuf;

use super::{SecretSource, values};
use crate::document::{Table, Value};
use crate::model::{AccountName, Usd};

/// An account with the model's provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What agents call it.
    pub name: AccountName,
    /// Where its credentials are.
    pub source: AccountSource,
    /// Money for it in a UTC day; no limit of its own where it is left out.
    pub usd_day: Option<Usd>,
}

/// Where an account's credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSource {
    /// In the usual places: `ANTHROPIC_API_KEY`, `CLAUDE_CODE_OAUTH_TOKEN`, then Claude Code's own sign-in.
    Usual,
    /// A key or a token; which of the two it is, its beginning tells.
    Key(SecretSource),
    /// A token of `claude setup-token`.
    OauthToken(SecretSource),
    /// A sign-in of Claude Code, a `.credentials.json`.
    SignIn(PathBuf),
}

const KEYS: [&str; 6] = ["key_env", "key_file", "oauth_token_env", "oauth_token_file", "sign_in", "credential"];

impl AccountSource {
    /// The file that it names, where it names one.
    pub fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::SignIn(path) | Self::Key(SecretSource::File(path)) | Self::OauthToken(SecretSource::File(path)) => Some(path),
            Self::Usual | Self::Key(_) | Self::OauthToken(_) => None,
        }
    }

    fn read(table: &Table<'_>) -> Option<Self> {
        let env = |key| table.optional(key, values::env_name).map(SecretSource::Env);
        let file = |key| table.optional(key, values::path).map(SecretSource::File);
        let found = [
            env("key_env").map(Self::Key),
            file("key_file").map(Self::Key),
            env("oauth_token_env").map(Self::OauthToken),
            file("oauth_token_file").map(Self::OauthToken),
            table.optional("sign_in", values::path).map(Self::SignIn),
            table.optional("credential", values::credential_name).map(SecretSource::Credential).map(Self::Key),
        ];
        if !KEYS.into_iter().any(|key| table.has(key)) {
            table.lacks("oauth_token_file", "oauth_token_file = \"/path\", with a token of `claude setup-token` in it");
        }
        let one = values::one_of_keys(table, &KEYS);
        found.into_iter().flatten().next().filter(|_| one)
    }
}

impl Account {
    fn read(table: &Table<'_>) -> Option<Self> {
        let name = table.required("name", "name = \"work\"", name).map(AccountName);
        let source = AccountSource::read(table);
        let usd_day = table.optional("usd_day", values::usd);
        Some(Self { name: name?, source: source?, usd_day })
    }

    /// All of them, no name twice.
    pub(super) fn read_all(root: &Table<'_>) -> Vec<Self> {
        let mut accounts: Vec<Self> = Vec::new();
        for table in root.tables("account") {
            let Some(account) = Self::read(&table) else { continue };
            if accounts.iter().any(|a| a.name == account.name) {
                table.wrong(format!("the account `{}` is named twice", account.name), "give each a name of its own");
            }
            accounts.push(account);
        }
        accounts
    }
}

fn name(value: &Value<'_>) -> Option<String> {
    let name = values::name(value)?;
    if [AccountName::usual(), AccountName::usual_places()].iter().any(|own| own.as_str() == name) {
        return value.wrong(format!("`{name}` is what the account without a name is called"), "call this one something else");
    }
    Some(name)
}
