//! `forgehand agents hire NAME`: a section `[agents.NAME]` in the configuration.

use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use crate::config::Backend;

use super::super::CliError;
use super::super::setup::Setup;
use super::{edit, of_secret};

/// Arguments of `agents hire`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What it is called
    name: String,
    /// A role of a formula's steps that it takes over, as in dev or triage; may be repeated
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    role: Vec<String>,
    /// What kind of agent: claude or command; that of [agent] where it is left out
    #[arg(long, value_name = "KIND")]
    backend: Option<String>,
    /// The model
    #[arg(long)]
    model: Option<String>,
    /// A model server of your own, as in http://127.0.0.1:11434; Claude Code works with it
    #[arg(long, value_name = "URL", requires = "model")]
    url: Option<String>,
    /// Plain http to another machine is in order for --url
    #[arg(long)]
    allow_http: bool,
    /// An account of [[account]]; several are tried in this order
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    account: Vec<String>,
    /// The name of the variable that holds a model key of its own
    #[arg(long, value_name = "VARIABLE", conflicts_with = "account")]
    key_env: Option<String>,
    /// The name of the variable that holds the token of an identity of its own on the forge
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,
    /// Dollars that a run may have cost while it works on it [default: as for the others]
    #[arg(long, value_name = "USD")]
    budget_usd: Option<f64>,
    /// Author and committer of its commits: "Name <mail@example.org>"
    #[arg(long)]
    author: Option<String>,
    /// The program and its arguments, with --backend command: last of all
    #[arg(long, num_args = 1.., allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Adds it.
pub(super) fn run(setup: &Setup, arguments: &Arguments) -> Result<(), CliError> {
    let name = &arguments.name;
    let there = |agent: &crate::config::Agent| agent.name.as_str() == name;
    if setup.config.crew().any(there) {
        let hint = format!("choose another name, or `forgehand agents dismiss {name}` first");
        return Err(CliError::usage(format!("there is an agent `{name}` already"), hint));
    }
    let config = edit::change(&setup.file, |document| {
        add(document, name, section(arguments));
        Ok(())
    })?;
    let Some(agent) = config.agents.iter().find(|agent| there(agent)) else {
        return Err(CliError::usage(format!("`{name}` cannot be an agent's name"), "small letters, digits, `-` and `_`"));
    };
    anstream::println!("hired `{name}`: {}", what(&agent.backend));
    if agent.roles.is_empty() {
        anstream::println!("it has no role yet, so no step asks for it: write `roles = [\"dev\"]` into [agents.{name}]");
    } else {
        anstream::println!("roles: {}", agent.roles.join(", "));
    }
    if let Some(token) = &agent.token {
        anstream::println!("it needs write access to the repositories; its token: {}", of_secret(token));
    }
    Ok(())
}

fn what(backend: &Backend) -> String {
    match backend {
        Backend::Claude(claude) => {
            let model = claude.model.as_deref().unwrap_or(super::DEFAULT_MODEL);
            format!("claude with {model} at {}", claude.base_url)
        }
        Backend::Command(words) => words.join(" "),
    }
}

/// Its section, with the keys that were given.
fn section(arguments: &Arguments) -> Table {
    let mut table = Table::new();
    let list = |items: &[String]| value(items.iter().map(String::as_str).collect::<Array>());
    if !arguments.role.is_empty() {
        table.insert("roles", list(&arguments.role));
    }
    // A model server speaks with Claude Code, whatever [agent] is.
    let backend = arguments.backend.as_deref().or(arguments.url.as_ref().map(|_| "claude"));
    let mut given = |key: &str, text: Option<&str>| {
        if let Some(text) = text {
            table.insert(key, value(text));
        }
    };
    given("backend", backend);
    given("model", arguments.model.as_deref());
    given("base_url", arguments.url.as_deref());
    given("key_env", arguments.key_env.as_deref());
    given("token_env", arguments.token_env.as_deref());
    given("author", arguments.author.as_deref());
    if let Some(budget) = arguments.budget_usd {
        table.insert("budget_usd", value(budget));
    }
    if arguments.allow_http {
        table.insert("allow_http", value(true));
    }
    match arguments.account.as_slice() {
        [] => {}
        [one] => {
            table.insert("account", value(one.as_str()));
        }
        several => {
            table.insert("account", list(several));
        }
    }
    if !arguments.command.is_empty() {
        table.insert("command", list(&arguments.command));
    }
    table
}

/// Puts it at the end, behind whatever comments stand there: those belong to the section before.
fn add(document: &mut DocumentMut, name: &str, mut section: Table) {
    let agents = document.as_table_mut().entry("agents").or_insert_with(|| {
        let mut agents = Table::new();
        agents.set_implicit(true);
        Item::Table(agents)
    });
    if let Item::Value(Value::InlineTable(inline)) = agents {
        inline.insert(name, Value::InlineTable(section.into_inline_table()));
        return;
    }
    let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let gap = if trailing.is_empty() || trailing.ends_with('\n') { "\n" } else { "\n\n" };
    section.decor_mut().set_prefix(format!("{trailing}{gap}"));
    section.set_position(Some(edit::last_position(document.as_table()) + 1));
    document.set_trailing("");
    if let Some(agents) = document.get_mut("agents").and_then(Item::as_table_like_mut) {
        agents.insert(name, Item::Table(section));
    }
}
