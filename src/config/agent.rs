//! `[agent]`: who does the work.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::{Limits, SecretSource, values};
use crate::document::{Table, Value};

/// The agent that the steps are given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What it is.
    pub backend: Backend,
    /// Author and committer of what is pushed.
    pub author: Author,
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
    /// Where the key is kept; the usual places where it is left out (variables, then Claude Code's own sign-in).
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

#[derive(Clone, Copy)]
enum Kind {
    Claude,
    Command,
}

impl Agent {
    /// Reads the section. Its `budget_usd` takes the place of `usd_run`.
    pub(super) fn read(root: &Table<'_>, limits: &mut Limits) -> Option<Self> {
        let table = root.required_table("agent", "[agent]\nbackend = \"claude\"")?;
        let words = [("claude", Kind::Claude), ("command", Kind::Command)];
        let kind = table.required("backend", "backend = \"claude\"", |v| v.one_of(&words));
        let default = Author { name: "forgehand".into(), mail: "forgehand@localhost".into() };
        let author = table.or("author", default, author);
        if let Some(budget) = table.optional("budget_usd", values::usd) {
            limits.usd_run = budget;
        }
        // Both are read whatever the backend is, so that the keys of the other one are known and checked too.
        let claude = Claude::read(&table);
        let command = table.optional("command", command);
        let backend = match kind? {
            Kind::Claude => Backend::Claude(claude?),
            Kind::Command if !table.has("command") => {
                table.lacks("command", "command = [\"python3\", \"/path/agent.py\"]");
                return None;
            }
            Kind::Command => Backend::Command(command?),
        };
        Some(Self { backend, author })
    }
}

impl Claude {
    fn read(table: &Table<'_>) -> Option<Self> {
        let program = table.or("claude", PathBuf::from("claude"), values::path);
        let model = table.optional("model", Value::filled);
        let allow_http = table.or("allow_http", false, Value::boolean);
        let key = values::secret_source(table, "key_env", "key_file");
        let max_turns = table.or("max_turns", 100, |v| v.whole(1, 10_000)).try_into().ok()?;
        let base_url = match table.value("base_url") {
            Some(value) => base_url(&value, allow_http)?,
            None => Url::parse("https://api.anthropic.com/").ok()?,
        };
        Some(Self { program, model, base_url, key, max_turns })
    }
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
