//! `forgehand vault approve|reject|done ID`: what a person decides about an action, at a terminal.
//!
//! Promises: whoever decides is who the token says, and never the bot; an approval is a review on the forge, of the very head that was read and
//! is sound; what became of an action is recorded once. Race known: a push between the reading and the approval; the approval is of the
//! older head then, and counts for no other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use super::known::{Asked, Vault, no_branch, unread};
use super::list::name_of;
use super::unwritten::Unwritten;
use crate::cli::setup::{Setup, SystemClock};
use crate::cli::{CliError, Kind, block_on, wiring};
use crate::forge::Client;
use crate::git::Git;
use crate::journal::History;
use crate::model::{Action, ActionId, ActionRecord, ActionWork, BadActionId, Branch, IssueNumber, Login, PullNumber, Verdict};
use crate::plan::tier_of_action;
use crate::ports::{
    Clock as _, Forge as _, ForgeErrorKind, KeepAnswer, KeepOrder, NewPull, NewReview, RepoErrorKind, Repos as _,
};
use crate::vault::{self, Entry, Offer, Place};
use crate::words;

/// Arguments of all three.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The action: its `id`, which by itself is the name of its file
    id: String,
    /// The variable with a token of your own: whoever it belongs to is who decides
    #[arg(long, value_name = "NAME")]
    token_env: String,
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It may go ahead.
    Approve,
    /// It may not.
    Reject,
    /// A person did it.
    Done,
}

/// Somebody with a token.
struct Person {
    login: Login,
    forge: Client,
    git: Git,
}

/// Decides it.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments, decision: Decision) -> Result<(), CliError> {
    let id: ActionId = arguments.id.parse().map_err(|bad: BadActionId| CliError::usage(bad.to_string(), BadActionId::HINT))?;
    let setup = Setup::shown(config)?;
    block_on(async {
        let vault = Vault::read(&setup).await?;
        let person = person(&setup, &vault, &arguments.token_env).await?;
        let asked = vault.asked.iter().find_map(|asked| Some((asked, asked_action(&vault, asked, &id)?)));
        match (decision, asked, vault.shelf.get(&id)) {
            (Decision::Approve, Some((asked, _)), _) => approve(&vault, &person, asked, arguments).await,
            (Decision::Reject, Some((asked, _)), _) => reject_asked(&vault, &person, asked, &arguments.because).await,
            (Decision::Reject | Decision::Done, None, Some(entry)) => {
                record(&setup, &vault, &person, (entry, decision, arguments)).await
            }
            (Decision::Approve, None, Some(_)) => {
                let hint = "`forgehand vault show` tells how it stands";
                Err(CliError::usage(format!("the action `{id}` is merged: nothing is left to approve"), hint))
            }
            (Decision::Done, Some((asked, _)), _) => {
                let hint = format!("merge {} first, or reject it", asked.pull);
                Err(CliError::usage(format!("the action `{id}` is asked for, and not merged yet"), hint))
            }
            (_, None, None) => {
                let hint = "`forgehand vault list` shows all that there are";
                Err(CliError::usage(format!("nobody asks for an action `{id}` in {}", vault.ops.repo), hint))
            }
        }
    })?
}

async fn person(setup: &Setup, vault: &Vault, variable: &str) -> Result<Person, CliError> {
    let token = std::env::var(variable).map_err(|e| {
        CliError::usage(format!("the variable {variable} cannot be read"), "set it to a token of yours").because(e)
    })?;
    let token = SecretString::from(token.trim().to_owned());
    let forge = setup.client(token.clone())?;
    let login = forge.whoami().await.map_err(|error| match error.kind {
        ForgeErrorKind::Denied => {
            let hint = "give it `read:user`, `write:issue` and `write:repository`";
            CliError::new(Kind::Forge, "the token may not say whose it is", hint).because(error)
        }
        _ => error.into(),
    })?;
    let bot = match &setup.config.forge.login {
        Some(login) => login.clone(),
        None => vault.forge.whoami().await?,
    };
    if login.as_str().eq_ignore_ascii_case(bot.as_str()) {
        let hint = format!("put a token of your own into {variable}: what {login} says of itself counts for nothing");
        return Err(CliError::usage(format!("the token is that of forgehand's own account `{login}`"), hint));
    }
    Ok(Person { login, git: wiring::open_git(setup, &setup.state_dir, token)?, forge })
}

/// Whether a pull request asks for it; what is wrong with its file says its name by the name of the file.
fn asked_action(vault: &Vault, asked: &Asked, id: &ActionId) -> Option<()> {
    asked.offers.iter().find_map(|offer| {
        let Offer::Text { path, text } = offer else { return None };
        let name = name_of(path)?;
        let is = match vault::action(path, name, text, &vault.known) {
            Ok(action) => action.id == *id,
            Err(_) => name.parse::<ActionId>().is_ok_and(|by_name| by_name == *id),
        };
        is.then_some(())
    })
}

async fn approve(vault: &Vault, person: &Person, asked: &Asked, arguments: &Arguments) -> Result<(), CliError> {
    let actions = vault::check(&asked.offers, &vault.shelf, &vault.known).map_err(|faults| CliError::file(faults.into()))?;
    if asked.by.as_str().eq_ignore_ascii_case(person.login.as_str()) {
        let hint = "somebody else approves what you ask for";
        return Err(CliError::usage(format!("{} is your own pull request", asked.pull), hint));
    }
    let review = NewReview { verdict: Verdict::Approve, body: arguments.because.clone(), of: asked.head.clone() };
    person.forge.create_review(&vault.ops.repo, asked.pull, &review).await?;
    let tiers: Vec<String> = actions.iter().map(|action| format!("{} {}", action.id, tier(vault, action))).collect();
    let (repo, head) = (&vault.ops.repo, asked.head.short());
    anstream::println!("{} approved {repo}{} at {head}: {}", person.login, asked.pull, tiers.join(", "));
    anstream::println!("it counts once somebody merges {}; a new push asks again", asked.pull);
    let named = &vault.policy.policy.gate.approvers;
    if !named.is_empty() && named.iter().all(|login| !login.as_str().eq_ignore_ascii_case(person.login.as_str())) {
        let names: Vec<&str> = named.iter().map(Login::as_str).collect();
        anstream::println!("for what is high only an approver of the policy counts: {}", names.join(", "));
    }
    Ok(())
}

fn tier(vault: &Vault, action: &Action) -> &'static str {
    words::risk(tier_of_action(&vault.policy.policy, &vault.known, action).tier)
}

/// What is only asked for is rejected by closing its pull request, as anybody would.
async fn reject_asked(vault: &Vault, person: &Person, asked: &Asked, because: &str) -> Result<(), CliError> {
    let repo = &vault.ops.repo;
    if !because.trim().is_empty() {
        person.forge.create_comment(repo, IssueNumber(asked.pull.0), because).await?;
    }
    person.forge.close_pull(repo, asked.pull).await?;
    anstream::println!("{} closed {repo}{}: what it asks for is rejected", person.login, asked.pull);
    Ok(())
}

/// What is merged is rejected, or done, by a record; by a pull request where the branch lets nobody write.
async fn record(
    setup: &Setup,
    vault: &Vault,
    person: &Person,
    (entry, decision, arguments): (&Entry, Decision, &Arguments),
) -> Result<(), CliError> {
    let (ops, id, state) = (&vault.ops, &entry.id, entry.state());
    let (place, exit_code) = if decision == Decision::Done { (Place::Fired, Some(0)) } else { (Place::Rejected, None) };
    let file = format!("vault/{}/{id}.result.json", place.folder());
    let unwritten = Unwritten::of(&setup.state_dir, &file);
    if state.is_over() {
        unwritten.forget();
        return Err(CliError::usage(
            format!("the action `{id}` is {} already", state.word()),
            "`forgehand vault show` tells what is recorded",
        ));
    }
    let action = entry.action();
    if decision == Decision::Done && action.is_none() {
        let hint = "mend its file first, or reject it: `forgehand vault list` says what is wrong";
        return Err(CliError::usage(format!("what the action `{id}` asks for cannot be understood"), hint));
    }
    if decision == Decision::Done
        && let Some(Action { work: ActionWork::Formula(work), .. }) = action
        && setup.ledger(&History::Since(SystemClock.now()))?.action(&ops.repo, id).is_some_and(|seen| !seen.before)
    {
        let what =
            format!("the action `{id}` is run by forgehand, with the formula {}: nobody else can say that it ran", work.formula);
        return Err(CliError::usage(what, format!("`forgehand vault reject {id}` where it is not to run any more")));
    }
    let path = entry.filed.first().map(|filed| filed.path.clone()).unwrap_or_else(|| id.file());
    let merged = vault.git.changes_of(&ops.repo, &ops.branch, &path, 1).await.map_err(unread)?.unwrap_or_default();
    let record = ActionRecord {
        id: id.to_string(),
        tier: action.map(|action| tier(vault, action).to_owned()),
        formula: action.and_then(|action| match &action.work {
            ActionWork::Formula(work) => Some(work.formula.to_string()),
            ActionWork::Person(_) => None,
        }),
        approved_by: Some(person.login.to_string()),
        sha: merged.first().map(ToString::to_string),
        exit_code,
        timestamp: Some(SystemClock.now().to_string()),
        logs: Some(arguments.because.clone()),
    };
    let text = serde_json::to_string_pretty(&record)
        .map_err(|e| CliError::new(Kind::Internal, "no JSON", "please report this").because(e))?
        + "\n";
    let word = if decision == Decision::Done { "done" } else { "rejected" };
    let order = KeepOrder {
        base: ops.branch.clone(),
        asked_by: None,
        // What somebody else records meanwhile is not written over.
        read: merged.first().cloned(),
        files: BTreeMap::from([(file.clone(), text.clone())]),
        message: format!("The action {id} is {word}"),
        author: setup.config.agent.author.to_string(),
        at: SystemClock.now(),
    };
    match write(vault, person, &order, (id, word)).await.map_err(|error| unwritten.keep(&text, error))? {
        None => anstream::println!("{id} is {word}, recorded in {file} of {}", ops.repo),
        Some(pull) => {
            anstream::println!("{}{pull} asks for the record that {id} is {word}: the branch lets nobody write there", ops.repo);
        }
    }
    unwritten.forget();
    Ok(())
}

/// Writes a record; the pull request that asks for it where the branch lets nobody write.
async fn write(
    vault: &Vault,
    person: &Person,
    order: &KeepOrder,
    (id, word): (&ActionId, &str),
) -> Result<Option<PullNumber>, CliError> {
    match person.git.keep(&vault.ops.repo, order).await {
        Ok(KeepAnswer::Written(_) | KeepAnswer::Same) => Ok(None),
        Ok(KeepAnswer::NoBranch) => Err(no_branch(&vault.ops)),
        Ok(KeepAnswer::Conflict) => Err(somebody_else(id)),
        Err(error) if error.kind == RepoErrorKind::Denied => by_pull_request(vault, person, order, (id, word)).await.map(Some),
        Err(error) => Err(unread(error)),
    }
}

fn somebody_else(id: &ActionId) -> CliError {
    CliError::new(Kind::Forge, format!("somebody else recorded something of {id} meanwhile"), "look at `forgehand vault show`")
}

async fn by_pull_request(
    vault: &Vault,
    person: &Person,
    order: &KeepOrder,
    (id, word): (&ActionId, &str),
) -> Result<PullNumber, CliError> {
    let (ops, branch) = (&vault.ops, Branch(format!("forgehand/vault-{word}-{id}")));
    let order = KeepOrder { asked_by: Some(branch.clone()), ..order.clone() };
    match person.git.keep(&ops.repo, &order).await.map_err(unread)? {
        KeepAnswer::Written(_) | KeepAnswer::Same => {}
        KeepAnswer::NoBranch => return Err(no_branch(ops)),
        KeepAnswer::Conflict => return Err(somebody_else(id)),
    }
    let there = person.forge.pulls(&ops.repo, &branch, &ops.branch, None).await?;
    if let Some(pull) = there.into_iter().min_by_key(|pull| pull.number) {
        return Ok(pull.number);
    }
    let title = format!("The action {id} is {word}");
    let new = NewPull { head: branch, base: ops.branch.clone(), body: format!("{} says so.", person.login), title };
    Ok(person.forge.create_pull(&ops.repo, &new).await?.number)
}
