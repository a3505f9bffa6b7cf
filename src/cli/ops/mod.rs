//! `forgehand ops init|migrate`: the operations repository gets what belongs into it.
//!
//! Promises: nothing that stands there is changed; what is missing comes in one commit, or nothing does; done again it does nothing. A path that is
//! protected already is written by nobody but its administrators: that is said, with what is missing.

mod layout;

use std::path::PathBuf;

use clap::Subcommand;

use crate::config::Ops;
use crate::forge::Client;
use crate::model::{Branch, RepoName};
use crate::ports::{Clock as _, Forge as _, ForgeErrorKind, KeepAnswer, KeepOrder, RepoError, RepoErrorKind, Repos as _};

use super::setup::{Setup, SystemClock, read_secret};
use super::{CliError, Kind, block_on, guard, wiring};

/// Arguments of `ops`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lay out the operations repository: folders and files that roles and the vault use; what is there stays
    Init(Options),
    /// The same for one that is in use already, from an older version or made by hand
    Migrate(Options),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Have `vault/` changed by reviewed pull requests alone, which an administrator merges: takes a token of one (`rights_token_env` of [forge])
    #[arg(long)]
    protect: bool,
    /// Say what would be done, and touch nothing
    #[arg(long)]
    dry_run: bool,
}

/// Does it.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let ops = setup.config.ops.as_ref().ok_or_else(|| {
        CliError::usage("no operations repository is configured", "write [ops] with repo = \"owner/ops\" into the configuration")
    })?;
    match &arguments.command {
        Command::Init(options) => block_on(lay_out(&setup, ops, false, options))?,
        Command::Migrate(options) => block_on(lay_out(&setup, ops, true, options))?,
    }
}

async fn lay_out(setup: &Setup, ops: &Ops, in_use: bool, options: &Options) -> Result<(), CliError> {
    usable(&setup.forge()?, ops).await?;
    let token = read_secret(&setup.config.forge.token, "the forge's token")?;
    let git = wiring::open_git(setup, &setup.state_dir, token)?;
    let paths = layout::paths();
    let missing = git.missing(&ops.repo, &ops.branch, &paths).await.map_err(|error| unwritten(error, &[]))?;
    let missing = missing.ok_or_else(|| no_branch(ops))?;
    if in_use && missing.len() == paths.len() {
        let what = format!("nothing of an operations repository is on {} of {}", ops.branch, ops.repo);
        return Err(CliError::usage(what, "`forgehand ops init` lays it out"));
    }
    if missing.is_empty() {
        anstream::println!("all is there in {}", ops.repo);
    } else if options.dry_run {
        anstream::println!("would write {} to {} of {}", missing.join(", "), ops.branch, ops.repo);
    } else {
        let order = KeepOrder {
            base: ops.branch.clone(),
            asked_by: None,
            read: None,
            files: layout::seeds(&missing),
            message: "Lay out the operations repository\n\nWhat forgehand's roles and its vault read and write has a place."
                .to_owned(),
            author: setup.config.agent.author.to_string(),
            at: SystemClock.now(),
        };
        match git.keep(&ops.repo, &order).await.map_err(|error| unwritten(error, &missing))? {
            KeepAnswer::Written(commit) => {
                anstream::println!("wrote {} to {} of {}: commit {commit}", missing.join(", "), ops.branch, ops.repo);
            }
            // Somebody did the same meanwhile.
            KeepAnswer::Same => anstream::println!("all is there in {}", ops.repo),
            KeepAnswer::NoBranch => return Err(no_branch(ops)),
            KeepAnswer::Conflict => {
                let what = format!("{} was laid out by somebody else meanwhile, and otherwise", ops.repo);
                return Err(CliError::new(Kind::Forge, what, "run it again"));
            }
        }
    }
    if options.protect { protect(setup, ops, options.dry_run).await } else { Ok(()) }
}

/// Whether forgehand could work there at all.
async fn usable(client: &Client, Ops { repo, .. }: &Ops) -> Result<(), CliError> {
    let facts = client.repository(repo).await.map_err(|error| match error.kind {
        ForgeErrorKind::NotFound => {
            let hint = "make it on the forge with a first commit, and the bot a collaborator with write access";
            CliError::new(Kind::Forge, format!("there is no repository {repo} that the bot could see"), hint)
        }
        _ => error.into(),
    })?;
    let no = |what: String, hint: &str| Err(CliError::new(Kind::Forge, what, hint));
    match () {
        () if facts.archived => no(format!("{repo} is archived"), "unarchive it, or name another one in [ops]"),
        () if facts.empty => no(format!("{repo} has no commit yet"), "push a first one"),
        () if !facts.can_push => no(format!("the bot may not write to {repo}"), "make it a collaborator with write access"),
        () => Ok(()),
    }
}

fn no_branch(Ops { repo, branch }: &Ops) -> CliError {
    let hint = "write the branch that counts into [ops]: branch = \"main\"";
    CliError::usage(format!("{repo} has no branch `{branch}`"), hint)
}

fn unwritten(error: RepoError, missing: &[String]) -> CliError {
    let (what, kind) = (error.to_string(), error.kind);
    match kind {
        RepoErrorKind::Denied => {
            let hint = format!(
                "where the branch or `vault/` is protected, an administrator adds what is missing: {}; `.gitkeep` keeps an empty folder",
                missing.join(", ")
            );
            CliError::new(Kind::Forge, what, hint)
        }
        RepoErrorKind::Unreachable => CliError::new(Kind::Forge, what, "see whether the forge is up, and run it again"),
        RepoErrorKind::Environment | RepoErrorKind::Failed => CliError::new(Kind::Environment, what, "see what git says"),
    }
}

async fn protect(setup: &Setup, Ops { repo, branch }: &Ops, dry_run: bool) -> Result<(), CliError> {
    if dry_run {
        anstream::println!("would protect {} on {branch} of {repo}, unless it is already", guard::VAULT);
        return Ok(());
    }
    let client = match &setup.config.forge.rights_token {
        Some(source) => setup.client(read_secret(source, "the token that may ask for rights")?)?,
        None => setup.forge()?,
    };
    let said = protected(&client, repo, branch).await?;
    anstream::println!("{said}");
    Ok(())
}

async fn protected(client: &Client, repo: &RepoName, branch: &Branch) -> Result<String, CliError> {
    match client.protect(repo, branch, &guard::of_ops()).await {
        Ok(lacked) if !lacked.is_empty() => Ok(format!(
            "{} on {branch} of {repo} is protected now: it changes by a pull request that somebody approves and an administrator merges",
            guard::VAULT
        )),
        Ok(_) => Ok(format!("{} on {branch} of {repo} is protected already", guard::VAULT)),
        Err(error) if matches!(error.kind, ForgeErrorKind::Denied | ForgeErrorKind::NotFound) => {
            let what = format!("the token does not administer {repo}, so `vault/` was not protected");
            let hint =
                "put a token of an administrator where `rights_token_env` of [forge] points; the bot itself had better be none";
            Err(CliError::new(Kind::Forge, what, hint).because(error))
        }
        Err(error) => Err(error.into()),
    }
}
