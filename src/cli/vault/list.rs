//! `forgehand vault list`: what is asked of the vault, what is merged, and what became of it.
//!
//! Promises: nothing is changed; a text from a repository reaches a terminal without its control characters.

use std::path::PathBuf;

use serde::Serialize;

use super::known::{Asked, Vault};
use crate::cli::setup::{Setup, print_json};
use crate::cli::{CliError, block_on};
use crate::document::Faults;
use crate::model::{ACTIONS, Action, ActionWork, PENDING, Risk};
use crate::plan::tier_of_action;
use crate::vault::{self, Entry, Known, Offer};
use crate::words;

/// Arguments of `vault list`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only what is not done yet
    #[arg(long)]
    open: bool,
    /// JSON for scripts
    #[arg(long)]
    json: bool,
}

/// An action, or an item for people.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    /// `action`, or `item`.
    kind: &'static str,
    /// `asked`, `merged`, `broken`, `approved`, `fired`, `rejected`, `done`; of an item `asked` or `pending`.
    pub(super) state: &'static str,
    /// Null for what cannot be understood, and for items.
    tier: Option<Risk>,
    /// Null where a person does it.
    formula: Option<String>,
    /// What a person is asked to do.
    person: Option<String>,
    unblocks: Vec<String>,
    /// The pull request that asks for it.
    pull: Option<u64>,
    /// What is wrong with its file.
    mistakes: Vec<String>,
}

/// Lists them.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let vault = block_on(Vault::read(&setup))??;
    vault.warnings().iter().for_each(|line| anstream::eprintln!("! {}", line.escape_debug()));
    let mut rows = rows(&vault);
    if arguments.open {
        rows.retain(|row| !matches!(row.state, "fired" | "rejected" | "done"));
    }
    if arguments.json {
        return print_json(&rows);
    }
    if rows.is_empty() {
        anstream::println!("nothing is asked of the vault in {}", vault.ops.repo);
    }
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (ids, states) = (width(|row| row.id.len()), width(|row| row.standing().len()));
    for row in &rows {
        let tier = row.tier.map_or("", words::risk);
        anstream::println!("{:ids$}  {tier:6}  {:states$}  {}", row.id, row.standing(), row.says());
        row.mistakes.iter().for_each(|mistake| anstream::println!("  {}", mistake.escape_debug()));
    }
    Ok(())
}

/// What is asked for first, then the rest by name, then the items.
fn rows(vault: &Vault) -> Vec<Row> {
    let asked = vault.asked.iter().flat_map(|asked| asked_rows(vault, asked));
    let entries = vault.shelf.iter().map(|entry| entry_row(vault, entry));
    let items = vault.items.iter().filter_map(|(path, text)| item_row(path, text, ("pending", None), &vault.known));
    asked.chain(entries).chain(items).collect()
}

fn asked_rows<'v>(vault: &'v Vault, asked: &'v Asked) -> impl Iterator<Item = Row> + 'v {
    asked.offers.iter().filter_map(move |offer| {
        let Offer::Text { path, text } = offer else { return None };
        if let Some(name) = name_of(path) {
            let read = vault::action(path, name, text, &vault.known);
            return Some(row(vault, name, "asked", &read, Some(asked.pull.0)));
        }
        item_row(path, text, ("asked", Some(asked.pull.0)), &vault.known)
    })
}

/// What the file of an action is called.
pub(super) fn name_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(ACTIONS)?.strip_prefix('/')?.strip_suffix(".toml")?;
    (!name.contains('/')).then_some(name)
}

fn entry_row(vault: &Vault, entry: &Entry) -> Row {
    let state = entry.state().word();
    match entry.filed.as_slice() {
        [] => Row { state, ..Row::bare(entry.id.as_str()) },
        [only] => row(vault, entry.id.as_str(), state, &only.read, None),
        [first, ..] => {
            let paths: Vec<&str> = entry.filed.iter().map(|filed| filed.path.as_str()).collect();
            let twice = format!("{} ask for it: give all but one another `id`", paths.join(" and "));
            let row = row(vault, entry.id.as_str(), state, &first.read, None);
            Row { mistakes: vec![twice], ..row }
        }
    }
}

fn row(vault: &Vault, id: &str, state: &'static str, read: &Result<Action, Faults>, pull: Option<u64>) -> Row {
    let bare = Row { state, pull, ..Row::bare(id) };
    match read {
        Ok(action) => {
            let (formula, person) = match &action.work {
                ActionWork::Formula(work) => (Some(work.formula.to_string()), None),
                ActionWork::Person(work) => (None, Some(work.what.clone())),
            };
            let unblocks = action.unblocks.iter().map(ToString::to_string).collect();
            let tier = Some(tier_of_action(&vault.policy.policy, &vault.known, action).tier);
            Row { id: action.id.to_string(), tier, formula, person, unblocks, ..bare }
        }
        Err(faults) => Row { mistakes: faults.lines(), ..bare },
    }
}

fn item_row(path: &str, text: &str, (state, pull): (&'static str, Option<u64>), known: &Known) -> Option<Row> {
    let name = path.strip_prefix(PENDING)?.strip_prefix('/')?.strip_suffix(".md")?;
    let bare = Row { kind: "item", state, pull, ..Row::bare(name) };
    Some(match vault::pending(path, text, known) {
        Ok(item) => {
            let unblocks = item.unblocks.iter().map(ToString::to_string).collect();
            Row { person: Some(item.human_action), unblocks, ..bare }
        }
        Err(faults) => Row { mistakes: faults.lines(), ..bare },
    })
}

impl Row {
    fn bare(id: &str) -> Self {
        Self {
            id: id.escape_debug().to_string(),
            kind: "action",
            state: "",
            tier: None,
            formula: None,
            person: None,
            unblocks: Vec::new(),
            pull: None,
            mistakes: Vec::new(),
        }
    }

    fn standing(&self) -> String {
        match self.pull {
            Some(pull) => format!("{} by #{pull}", self.state),
            None => self.state.to_owned(),
        }
    }

    fn says(&self) -> String {
        let line =
            |text: &str| text.lines().next().unwrap_or_default().chars().take(100).collect::<String>().escape_debug().to_string();
        match (&self.formula, &self.person) {
            (Some(formula), _) => format!("runs {formula}"),
            (None, Some(what)) => format!("a person: {}", line(what)),
            (None, None) => String::new(),
        }
    }
}
