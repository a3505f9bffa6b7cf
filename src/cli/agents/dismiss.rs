//! `forgehand agents dismiss NAME`: takes a section `[agents.NAME]` out of the configuration.

use toml_edit::{DocumentMut, Item, Table};

use super::super::CliError;
use super::super::setup::Setup;
use super::edit;

/// Arguments of `agents dismiss`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What it is called
    name: String,
}

/// Takes it out.
pub(super) fn run(setup: &Setup, arguments: &Arguments) -> Result<(), CliError> {
    let name = &arguments.name;
    let Some(agent) = setup.config.agents.iter().find(|agent| agent.name.as_str() == name) else {
        let others: Vec<&str> = setup.config.agents.iter().map(|agent| agent.name.as_str()).collect();
        let hint = match others.as_slice() {
            _ if *name == setup.config.agent.name.as_str() => "that is [agent], which cannot be dismissed".to_owned(),
            [] => "there is only the one of [agent], which cannot be dismissed".to_owned(),
            others => format!("the agents are {}", others.join(", ")),
        };
        return Err(CliError::usage(format!("there is no agent `{name}` to dismiss"), hint));
    };
    edit::change(&setup.file, |document| take_out(document, name))?;
    anstream::println!("dismissed `{name}`");
    if !agent.roles.is_empty() {
        anstream::println!("what it did ({}) is done by the agent of [agent] now", agent.roles.join(", "));
    }
    Ok(())
}

/// What stands right above its section goes with it; comments further up belong to what is before, and stay.
fn take_out(document: &mut DocumentMut, name: &str) -> Result<(), CliError> {
    let lost = || CliError::usage(format!("[agents.{name}] is not where it could be taken out"), "take it out with an editor");
    let agents = document.get_mut("agents").and_then(Item::as_table_like_mut).ok_or_else(lost)?;
    let Some(Item::Table(section)) = agents.remove(name) else { return Ok(()) };
    let emptied = agents.is_empty();
    if emptied && document.get("agents").and_then(Item::as_table).is_some_and(Table::is_implicit) {
        document.remove("agents");
    }
    let above = section.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let kept = above.rfind("\n\n").map(|at| &above[..=at]).unwrap_or_default();
    if kept.trim().is_empty() {
        return Ok(());
    }
    let at = section.position().unwrap_or_default();
    match edit::next_after(document.as_table_mut(), at) {
        Some(next) => {
            let own = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
            let together = format!("{kept}{own}");
            next.decor_mut().set_prefix(together);
        }
        None => {
            let together = format!("{kept}{}", document.trailing().as_str().unwrap_or_default());
            document.set_trailing(together);
        }
    }
    Ok(())
}
