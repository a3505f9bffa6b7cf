//! `[agent]` and `[agents.NAME]`: who does the work.
//!
//! `[agent]` is the default: it has every role that no other one has. What another one leaves out it takes from there, except where that
//! would send a key to a server that it was not given for: with a `base_url` of its own it has the keys and accounts that it names itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::{Account, Limits, SecretSource, values};
use crate::document::{Table, Value};
use crate::model::{AccountName, AgentName, BackendKind as Kind, Usd};

/// An agent that steps are given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// The roles that it has; the default agent has all others.
    pub roles: Vec<String>,
    /// What it is.
    pub backend: Backend,
    /// The accounts that it works on, in the order in which they are tried; none where it needs none.
    pub accounts: Vec<AccountName>,
    /// Where the token of its own identity on the forge is kept; the bot's where it is left out.
    pub token: Option<SecretSource>,
    /// Author and committer of what is pushed.
    pub author: Author,
    /// What it may spend of a run's money, where that is not `usd_run`.
    pub budget: Option<Usd>,
}

/// What kind of agent it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Headless Claude Code.
    Claude(Claude),
    /// Any program: its words, at least one.
    Command(Vec<String>),
}

/// Headless Claude Code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claude {
    /// The program; `claude` is looked for in `PATH`.
    pub program: PathBuf,
    /// The model; the program's own choice where it is left out.
    pub model: Option<String>,
    /// The Messages API. Plain http only on loopback or where it is allowed in so many words.
    pub base_url: Url,
    /// Where the key is kept, where this agent has one of its own.
    pub key: Option<SecretSource>,
    /// Turns at most.
    pub max_turns: u32,
}

/// A name and a mail address, as git writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address.
    pub mail: String,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.mail)
    }
}

impl Agent {
    /// Reads `[agent]`. Its `budget_usd` takes the place of `usd_run`.
    pub(super) fn read(root: &Table<'_>, limits: &mut Limits, accounts: &[Account]) -> Option<Self> {
        let table = root.required_table("agent", "[agent]\nbackend = \"claude\"")?;
        let kind = table.required("backend", "backend = \"claude\"", |v| v.one_of(&Kind::WORDS));
        let default = Author { name: "forgehand".into(), mail: "forgehand@localhost".into() };
        let author = table.or("author", default, author);
        if let Some(budget) = table.optional("budget_usd", values::usd) {
            limits.usd_run = budget;
        }
        // All are read whatever the backend is, so that the keys of the other one are known and checked too.
        let claude = Claude::read(&table, None);
        let command = table.optional("command", command);
        let named = named_accounts(&table, accounts);
        let backend = match kind? {
            Kind::Claude => Backend::Claude(claude?),
            Kind::Command => Backend::Command(given_command(&table, command)?),
        };
        let own = AccountName::usual();
        let accounts = match &backend {
            Backend::Claude(claude) => works_on(&table, claude, named?, accounts, own),
            Backend::Command(_) => Vec::new(),
        };
        Some(Self { name: AgentName::usual(), roles: Vec::new(), backend, accounts, token: None, author, budget: None })
    }

    /// Reads `[agents.NAME]`, over what `[agent]` says; no role twice.
    pub(super) fn read_others(root: &Table<'_>, usual: Option<&Self>, accounts: &[Account]) -> Vec<Self> {
        let mut roles: BTreeMap<String, String> = BTreeMap::new();
        let mut agents = Vec::new();
        for (name, table) in root.named_tables("agents") {
            if name == AgentName::usual().as_str() {
                table.wrong("`default` is the name of [agent]", "call this one something else");
            } else if !values::is_name(&name) {
                table.wrong(format!("`{}` is not a name for an agent", name.escape_debug()), values::NAME_HELP);
            }
            if accounts.iter().any(|a| a.name.as_str() == name) && (table.has("key_env") || table.has("key_file")) {
                table.wrong(
                    format!("`{name}` is the name of an account, and this agent has a key of its own"),
                    "rename one of them",
                );
            }
            let Some(agent) = Self::read_other(&name, &table, usual, accounts) else { continue };
            for role in &agent.roles {
                if let Some(other) = roles.insert(role.clone(), name.clone()) {
                    table.wrong(
                        format!("the role `{role}` has `{other}` already"),
                        "a role has one agent: take it from one of them",
                    );
                }
            }
            agents.push(agent);
        }
        agents
    }

    fn read_other(name: &str, table: &Table<'_>, usual: Option<&Self>, accounts: &[Account]) -> Option<Self> {
        let kind = table.optional("backend", |v| v.one_of(&Kind::WORDS));
        let roles = table.or("roles", Vec::new(), |v| v.list(values::name));
        let author = table.optional("author", author);
        let token = values::secret_source(table, "token_env", "token_file", "token_credential");
        let budget = table.optional("budget_usd", values::usd);
        let like = match usual.map(|u| &u.backend) {
            Some(Backend::Claude(claude)) => Some(claude),
            Some(Backend::Command(_)) | None => None,
        };
        let claude = Claude::read(table, like);
        let command = table.optional("command", command);
        let named = named_accounts(table, accounts);
        // Without [agent] there is nothing to take from, and that is what the user is told.
        let usual = usual?;
        let usual_kind = match &usual.backend {
            Backend::Claude(_) => Kind::Claude,
            Backend::Command(_) => Kind::Command,
        };
        if table.has("backend") && kind.is_none() {
            return None;
        }
        let backend = match (kind.unwrap_or(usual_kind), &usual.backend) {
            (Kind::Claude, _) => Backend::Claude(claude?),
            (Kind::Command, Backend::Command(words)) if !table.has("command") => Backend::Command(words.clone()),
            (Kind::Command, _) => Backend::Command(given_command(table, command)?),
        };
        let named = named?;
        let accounts = match (&backend, &usual.backend) {
            (Backend::Command(_), _) => Vec::new(),
            (Backend::Claude(claude), Backend::Claude(_))
                if named.is_empty() && claude.key.is_none() && !table.has("base_url") =>
            {
                usual.accounts.clone()
            }
            (Backend::Claude(claude), _) => works_on(table, claude, named, accounts, AccountName(name.to_owned())),
        };
        let author = author.unwrap_or_else(|| usual.author.clone());
        Some(Self { name: AgentName(name.to_owned()), roles, backend, accounts, token, author, budget })
    }
}

impl Claude {
    fn read(table: &Table<'_>, like: Option<&Self>) -> Option<Self> {
        let program = table.optional("claude", values::path);
        let model = table.optional("model", Value::filled);
        let allow_http = table.or("allow_http", false, Value::boolean);
        let key = values::secret_source(table, "key_env", "key_file", "key_credential");
        let max_turns = table.optional("max_turns", |v| v.whole(1, 10_000));
        let max_turns = max_turns.and_then(|n| u32::try_from(n).ok());
        let base_url = match table.value("base_url") {
            Some(value) => Some(base_url(&value, allow_http)?),
            None => None,
        };
        // Another server has other models.
        let model = model.or_else(|| like.filter(|_| base_url.is_none()).and_then(|l| l.model.clone()));
        let base_url = base_url.or_else(|| like.map(|l| l.base_url.clone())).or_else(anthropic)?;
        Some(Self {
            program: program.or_else(|| like.map(|l| l.program.clone())).unwrap_or_else(|| PathBuf::from("claude")),
            model,
            base_url,
            key,
            max_turns: max_turns.or(like.map(|l| l.max_turns)).unwrap_or(100),
        })
    }
}

fn anthropic() -> Option<Url> {
    Url::parse("https://api.anthropic.com/").ok()
}

/// The accounts that `account` names, in order; none where it is left out.
fn named_accounts(table: &Table<'_>, accounts: &[Account]) -> Option<Vec<AccountName>> {
    let known = |v: &Value<'_>| {
        let name = v.filled()?;
        if accounts.iter().any(|a| a.name.as_str() == name) {
            return Some(AccountName(name));
        }
        let names: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).collect();
        let help = match crate::document::nearest(&name, names.iter().copied()) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None if names.is_empty() => "add a section [[account]] with this name".to_owned(),
            None => format!("the accounts are {}", names.join(", ")),
        };
        v.wrong(format!("there is no account `{}`", name.escape_debug()), help)
    };
    let Some(value) = table.value("account") else { return Some(Vec::new()) };
    if value.is_list() { value.list(known) } else { known(&value).map(|name| vec![name]) }
}

/// The accounts of an agent that does not simply take those of `[agent]`.
fn works_on(
    table: &Table<'_>,
    claude: &Claude,
    named: Vec<AccountName>,
    accounts: &[Account],
    own: AccountName,
) -> Vec<AccountName> {
    if claude.key.is_some() {
        if let Some(both) = table.value("account") {
            both.wrong::<()>("a key and an account are both given", "keep one of the two");
        }
        return vec![own];
    }
    if !named.is_empty() {
        return named;
    }
    if claude.base_url.scheme() == "http" {
        // A server of one's own, that asks for no key.
        return Vec::new();
    }
    let elsewhere = table.has("base_url") && anthropic().is_some_and(|url| url.host() != claude.base_url.host());
    if elsewhere && (!accounts.is_empty() || own != AccountName::usual()) {
        let help = "name its `account`, or its `key_env`: no other key is sent there";
        table.wrong("`base_url` leads to another server, and no key is named for it", help);
    }
    if accounts.is_empty() && own != AccountName::usual() {
        // Not the key that [agent] may have for another server.
        return vec![AccountName::usual_places()];
    }
    if accounts.is_empty() { vec![AccountName::usual()] } else { accounts.iter().map(|a| a.name.clone()).collect() }
}

fn base_url(value: &Value<'_>, allow_http: bool) -> Option<Url> {
    let url = values::url(value)?;
    if url.scheme() == "http" && !values::is_loopback(&url) && !allow_http {
        let help = "use https, or write `allow_http = true` beside it if you trust the network between";
        return value
            .wrong("`base_url` is plain http to another machine: the key and the code would be readable on the way", help);
    }
    Some(url)
}

fn given_command(table: &Table<'_>, command: Option<Vec<String>>) -> Option<Vec<String>> {
    if !table.has("command") {
        table.lacks("command", "command = [\"python3\", \"/path/agent.py\"]");
    }
    command
}

fn command(value: &Value<'_>) -> Option<Vec<String>> {
    let words = value.list(Value::string)?;
    if words.first().is_none_or(|program| program.trim().is_empty()) || words.iter().any(|w| w.contains('\0')) {
        return value.wrong("`command` names no program", "write command = [\"python3\", \"/path/agent.py\"]");
    }
    Some(words)
}

fn author(value: &Value<'_>) -> Option<Author> {
    let text = value.string()?;
    let parts = text.trim().strip_suffix('>').and_then(|t| t.split_once('<'));
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_control() || matches!(c, '<' | '>'));
    match parts.map(|(name, mail)| (name.trim(), mail.trim())) {
        Some((name, mail)) if plain(name) && plain(mail) && mail.contains('@') && !mail.contains(char::is_whitespace) => {
            Some(Author { name: name.to_owned(), mail: mail.to_owned() })
        }
        _ => value.wrong(format!("`{}` is not an author", text.escape_debug()), "write it as \"Name <mail@example.org>\""),
    }
}
