//! `forgehand vault request FILE`: asks for an action by a pull request in the operations repository; a low one is committed with its record
//! where the policy says so.
//!
//! Promises: what is wrong with the file, or is asked for or done already, is said before anything is written; done again after it was cut it
//! takes up the branch and the pull request that are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::known::{Vault, no_branch, unread};
use super::list::name_of;
use crate::cli::setup::{Setup, SystemClock};
use crate::cli::{CliError, Kind, block_on, wiring};
use crate::model::{Action, ActionWork, Branch, PullNumber};
use crate::plan::{approved_by_policy, goes_direct, tier_of_action};
use crate::ports::{Clock as _, Forge, KeepAnswer, KeepOrder, NewPull, RepoErrorKind, Repos};
use crate::scan::Scanner;
use crate::tier::Tier;
use crate::vault::{self, Offer};
use crate::words;

/// Arguments of `vault request`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The action's file; without an `id` in it the action is called as it is
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// The variable with a token of your own, so that you are the one who asks; the bot by default
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Say what would be asked for and how much it could break, and touch nothing
    #[arg(long)]
    dry_run: bool,
}

/// Asks for it.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let text = read(&arguments.file)?;
    let name = arguments.file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let file = arguments.file.display().to_string();
    let known = super::known::known(&setup)?;
    let action = vault::action(&file, name, &text, &known).map_err(|faults| CliError::file(faults.into()))?;
    if !Scanner::new(Vec::new()).find(&text).is_empty() {
        let hint = "take it out: an action names a secret of [vault.secrets], and never has one";
        return Err(CliError::usage(format!("{file} holds a secret, or what looks like one"), hint));
    }
    block_on(ask(&setup, arguments, &action, &text))?
}

fn read(file: &Path) -> Result<String, CliError> {
    let name = file.display().to_string();
    let bytes = std::fs::read(file)
        .map_err(|e| CliError::usage(format!("{name} cannot be read"), "check the path and its permissions").because(e))?;
    crate::document::decode(&name, &bytes).map(str::to_owned).map_err(|faults| CliError::file(faults.into()))
}

async fn ask(setup: &Setup, arguments: &Arguments, action: &Action, text: &str) -> Result<(), CliError> {
    let vault = Vault::read(setup).await?;
    let (id, path, branch) = (&action.id, action.id.file(), Branch(format!("forgehand/vault-{}", action.id)));
    let offer = Offer::Text { path: path.clone(), text: text.to_owned() };
    vault::check(&[offer], &vault.shelf, &vault.known).map_err(|faults| CliError::file(faults.into()))?;
    if vault.shelf.get(id).is_some() {
        let hint = "it waits for whoever is to do it; an action that is another one has another `id`";
        return Err(CliError::usage(format!("the action `{id}` is merged already in {}", vault.ops.repo), hint));
    }
    if let Some((pull, same)) = asked_already(&vault, action, text) {
        if same {
            anstream::println!("{} asks for {id} already", of(&vault, pull));
            return Ok(());
        }
        let hint = format!("change it there, or close {pull} first");
        return Err(CliError::usage(format!("{} asks for the action `{id}` already, and otherwise", of(&vault, pull)), hint));
    }
    let tier = tier_of_action(&vault.policy.policy, &vault.known, action);
    if arguments.dry_run {
        let verb = if goes_direct(&vault.policy.policy, tier.tier) { "commit" } else { "ask for" };
        anstream::println!("would {verb} {path} in {}, {}", vault.ops.repo, words::risk(tier.tier));
        return Ok(());
    }
    let pull = match &arguments.token_env {
        Some(name) => {
            let token = std::env::var(name).map_err(|e| {
                CliError::usage(format!("the variable {name} cannot be read"), "set it to a token of yours").because(e)
            })?;
            let token = SecretString::from(token.trim().to_owned());
            let git = wiring::open_git(setup, &setup.state_dir, token.clone())?;
            by(setup, (&setup.client(token)?, &git), &vault, (action, text, &branch, &tier)).await?
        }
        None => by(setup, (&vault.forge, &vault.git), &vault, (action, text, &branch, &tier)).await?,
    };
    let Some(pull) = pull else {
        anstream::println!("{id} is approved by the policy of {}, {}", vault.ops.repo, words::risk(tier.tier));
        return Ok(());
    };
    anstream::println!("{} asks for {id}, {}", of(&vault, pull), words::risk(tier.tier));
    Ok(())
}

fn of(vault: &Vault, pull: PullNumber) -> String {
    format!("{}{pull}", vault.ops.repo)
}

/// The pull request that asks for it, and whether it says the same.
fn asked_already(vault: &Vault, action: &Action, text: &str) -> Option<(PullNumber, bool)> {
    vault.asked.iter().find_map(|asked| {
        asked.offers.iter().find_map(|offer| {
            let Offer::Text { path, text: there } = offer else { return None };
            let name = name_of(path)?;
            let id = match vault::action(path, name, there, &vault.known) {
                Ok(other) => other.id,
                Err(_) => name.parse().ok()?,
            };
            (id == action.id).then_some((asked.pull, there == text))
        })
    })
}

/// Asks for it as somebody; by no pull request where the policy has it committed, and the branch takes that.
async fn by(
    setup: &Setup,
    as_who: (&impl Forge, &impl Repos),
    vault: &Vault,
    asked: (&Action, &str, &Branch, &Tier),
) -> Result<Option<PullNumber>, CliError> {
    let (action, text, _, tier) = asked;
    if goes_direct(&vault.policy.policy, tier.tier) && directly(setup, as_who.1, vault, (action, text)).await? {
        return Ok(None);
    }
    open(setup, as_who, vault, asked).await.map(Some)
}

/// Commits it with its record, unless the branch lets nobody do that.
async fn directly(setup: &Setup, git: &impl Repos, vault: &Vault, (action, text): (&Action, &str)) -> Result<bool, CliError> {
    let (ops, now) = (&vault.ops, SystemClock.now());
    let order = KeepOrder {
        base: ops.branch.clone(),
        asked_by: None,
        read: None,
        files: BTreeMap::from([(action.id.file(), text.to_owned()), approved_by_policy(action, now)]),
        message: format!("The action {} is asked for, and approved by the policy", action.id),
        author: setup.config.agent.author.to_string(),
        at: now,
    };
    match git.keep(&ops.repo, &order).await {
        Ok(KeepAnswer::Written(_) | KeepAnswer::Same) => Ok(true),
        Ok(KeepAnswer::Conflict) => Ok(false),
        Ok(KeepAnswer::NoBranch) => Err(no_branch(ops)),
        Err(error) if error.kind == RepoErrorKind::Denied => Ok(false),
        Err(error) => Err(unread(error)),
    }
}

/// Writes the file to a branch of its own, and opens the pull request unless it is there.
async fn open(
    setup: &Setup,
    (forge, git): (&impl Forge, &impl Repos),
    vault: &Vault,
    (action, text, branch, tier): (&Action, &str, &Branch, &Tier),
) -> Result<PullNumber, CliError> {
    let (ops, id) = (&vault.ops, &action.id);
    let order = KeepOrder {
        base: ops.branch.clone(),
        asked_by: Some(branch.clone()),
        read: None,
        files: BTreeMap::from([(id.file(), text.to_owned())]),
        message: format!("Ask for the action {id}"),
        author: setup.config.agent.author.to_string(),
        at: SystemClock.now(),
    };
    match git.keep(&ops.repo, &order).await.map_err(unread)? {
        KeepAnswer::Written(_) | KeepAnswer::Same => {}
        KeepAnswer::NoBranch => return Err(no_branch(ops)),
        KeepAnswer::Conflict => {
            let what = format!("the branch {branch} of {} says something else", ops.repo);
            return Err(CliError::new(Kind::Forge, what, "delete that branch, or give the action another `id`"));
        }
    }
    let there = forge.pulls(&ops.repo, branch, &ops.branch, None).await?;
    if let Some(pull) = there.into_iter().min_by_key(|pull| pull.number) {
        return Ok(pull.number);
    }
    let new =
        NewPull { head: branch.clone(), base: ops.branch.clone(), title: format!("Vault action {id}"), body: body(action, tier) };
    Ok(forge.create_pull(&ops.repo, &new).await?.number)
}

/// What whoever is to approve it reads.
fn body(action: &Action, tier: &Tier) -> String {
    let does = match &action.work {
        ActionWork::Formula(work) => {
            let named = |what: &str, names: &[String]| match names {
                [] => String::new(),
                names => format!("; {what}: {}", names.join(", ")),
            };
            format!(
                "The formula `{}` is asked for{}{}.",
                work.formula,
                named("secrets", &work.secrets),
                named("mounts", &work.mounts)
            )
        }
        ActionWork::Person(work) => format!("A person is to do it: {}", work.what),
    };
    let waits = match action.unblocks.as_slice() {
        [] => String::new(),
        waiting => format!("\n\nIt unblocks {}.", waiting.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let reasons: Vec<String> =
        tier.reasons.iter().map(|reason| format!("- {}: {}", words::risk(reason.tier), reason.why)).collect();
    format!("{}\n\n{does}{waits}\n\nTier: **{}**\n\n{}", action.context, words::risk(tier.tier), reasons.join("\n"))
}
