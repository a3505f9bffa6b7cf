//! `forgehand vault show ID`: an action as its file asks for it, its tier with each reason, and what is recorded of it.

use std::path::PathBuf;

use super::known::{Asked, Vault};
use super::list::name_of;
use crate::cli::setup::{Setup, SystemClock};
use crate::cli::{CliError, block_on};
use crate::document::Faults;
use crate::journal::History;
use crate::ledger::Fate;
use crate::model::{Action, ActionId, Approving, BadActionId};
use crate::plan::{self, tier_of_action};
use crate::ports::Clock as _;
use crate::vault::{self, Entry, Offer};
use crate::words;

/// Arguments of `vault show`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The action: its `id`, which by itself is the name of its file
    id: String,
}

/// Shows it.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let id: ActionId = arguments.id.parse().map_err(|bad: BadActionId| CliError::usage(bad.to_string(), BadActionId::HINT))?;
    let setup = Setup::shown(config)?;
    let vault = block_on(Vault::read(&setup))??;
    vault.warnings().iter().for_each(|line| anstream::eprintln!("! {}", line.escape_debug()));
    let entry = vault.shelf.get(&id);
    let mut found = entry.is_some();
    if let Some(entry) = entry {
        show_entry(&vault, entry);
        if let Some(stands) = stands(&setup, &vault, &id)? {
            anstream::println!("{}", stands.escape_debug());
        }
    }
    for asked in &vault.asked {
        for (path, text, read) in asked_for(&vault, asked, &id) {
            found = true;
            anstream::println!("{path}, asked for by pull request {} of {}", asked.pull, asked.by);
            show(&vault, text, &read);
        }
    }
    if found {
        return Ok(());
    }
    let hint = "`forgehand vault list` shows all that there are";
    Err(CliError::usage(format!("nobody asks for an action `{id}` in {}", vault.ops.repo), hint))
}

/// How far the dispatcher is with it, as far as the journal of this machine tells.
fn stands(setup: &Setup, vault: &Vault, id: &ActionId) -> Result<Option<String>, CliError> {
    let ledger = setup.ledger(&History::Since(SystemClock.now()))?;
    let Some(seen) = ledger.action(&vault.ops.repo, id) else { return Ok(None) };
    if seen.before && !seen.shelved.state.is_over() {
        let what =
            "it stood there before forgehand came, and is not run: ask for it anew under another `id`, or record it as done";
        return Ok(Some(what.to_owned()));
    }
    let unapproved = matches!(seen.fate, Fate::Weighed { answer: Approving::Lacking { .. }, .. });
    let to_do = if unapproved { words::mend_unapproved(id) } else { String::new() };
    let stands = plan::action_stands(&ledger, &vault.ops.repo, id).filter(|_| !seen.is_over());
    Ok(stands.map(|stands| stands + &to_do))
}

/// The files of a pull request that ask for an action.
fn asked_for<'v>(vault: &Vault, asked: &'v Asked, id: &ActionId) -> Vec<(&'v str, &'v str, Result<Action, Faults>)> {
    let file = |offer: &'v Offer| {
        let Offer::Text { path, text } = offer else { return None };
        let name = name_of(path)?;
        let read = vault::action(path, name, text, &vault.known);
        let is_it = read.as_ref().map_or_else(|_| name.parse::<ActionId>().is_ok_and(|by_name| by_name == *id), |a| a.id == *id);
        is_it.then_some((path.as_str(), text.as_str(), read))
    };
    asked.offers.iter().filter_map(file).collect()
}

fn show_entry(vault: &Vault, entry: &Entry) {
    for filed in &entry.filed {
        anstream::println!("{}, {}", filed.path, entry.state().word());
        show(vault, &filed.text, &filed.read);
    }
    for recorded in &entry.recorded {
        anstream::println!("recorded in vault/{}:", recorded.place.folder());
        let text = recorded.record.as_ref().and_then(|record| serde_json::to_string_pretty(record).ok());
        print_lines(text.as_deref().unwrap_or("it cannot be read, and counts all the same"));
    }
}

fn show(vault: &Vault, text: &str, read: &Result<Action, Faults>) {
    match read {
        Ok(action) => {
            let tier = tier_of_action(&vault.policy.policy, &vault.known, action);
            anstream::println!("tier: {}", words::risk(tier.tier));
            for reason in &tier.reasons {
                let (source, risk) = (words::tier_source(reason.source), words::risk(reason.tier));
                anstream::println!("  {risk:<6}  {source:<12}  {}", reason.why.escape_debug());
            }
        }
        Err(faults) => faults.lines().iter().for_each(|line| anstream::println!("  {}", line.escape_debug())),
    }
    print_lines(text);
}

/// A text of a repository: no control character of it reaches the terminal.
fn print_lines(text: &str) {
    text.lines().for_each(|line| {
        anstream::println!("    {}", line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>())
    });
}
