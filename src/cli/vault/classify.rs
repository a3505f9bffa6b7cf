//! `forgehand vault classify PR`, or `--git DIR BASE..HEAD`: how much a change could break, and each reason with its source.
//!
//! Promises: nothing is changed, on the forge, in the state folder or in the repository; a range needs no configuration. Without `--policy` the
//! policy in force decides: that of `[ops]`, else the shipped one; whose it is stands on standard error.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::setup::{self, Setup, SystemClock, print_json, read_secret};
use crate::cli::{CliError, Kind, block_on, subject, wiring};
use crate::engine::{self, InForce, Ops, POLICY, PolicyFrom};
use crate::git::{self, NoChange};
use crate::journal::History;
use crate::model::{BrokenPolicy, Change, PullNumber, PullState, Risk, TierReason};
use crate::ports::{Clock as _, Forge, ForgeErrorKind, Matters, RepoErrorKind};
use crate::tier::{self, Opinions, Policy, Tier};
use crate::words;

/// Arguments of `vault classify`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The pull request: 12, or owner/name#12; with --git the range of commits, BASE..HEAD
    #[arg(value_name = "PR|BASE..HEAD")]
    what: String,
    /// A folder of a repository that has the range; nothing is written there, and none of its hooks, filters or drivers run
    #[arg(long, value_name = "DIR")]
    git: Option<PathBuf>,
    /// A policy over the shipped one (`config/policy.toml`), in place of the one in force, which is `vault/policy.toml` of `[ops]`
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// JSON for scripts: {"tier","reasons":[{"source","path","tier","why"}]}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer<'t> {
    tier: Risk,
    reasons: &'t [TierReason],
}

/// Tells it.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let (change, agent) = match &arguments.git {
        Some(dir) => (of_range(dir, &arguments.what)?, None),
        None => of_pull(config.clone(), &arguments.what)?,
    };
    let policy = match &arguments.policy {
        Some(file) => read_policy(file)?,
        None => in_force(config, arguments.git.is_some())?,
    };
    let found = tier::of_change(&policy, &change, Opinions { agent, request: None });
    if arguments.json {
        return print_json(&Answer { tier: found.tier, reasons: &found.reasons });
    }
    print(&found);
    Ok(())
}

/// The policy in force, and on standard error whose it is. A range needs no configuration, and where there is none the shipped one holds.
fn in_force(config: Option<PathBuf>, of_range: bool) -> Result<Policy, CliError> {
    let is_there = config.is_some() || setup::find_file(None).is_some();
    let setup = if of_range && !is_there { None } else { Some(Setup::shown(config)?) };
    let found = match setup.filter(|setup| setup.config.ops.is_some()) {
        Some(setup) => block_on(policy_of(&setup))??,
        None => InForce { policy: Policy::shipped().clone(), from: PolicyFrom::Shipped },
    };
    anstream::eprintln!("by {}", said(&found.from));
    Ok(found.policy)
}

async fn policy_of(setup: &Setup) -> Result<InForce, CliError> {
    let token = read_secret(&setup.config.forge.token, "the forge's token")?;
    let git = wiring::open_git(setup, &setup.state_dir, token)?;
    let ops = setup.config.ops.as_ref().map(|ops| Ops { repo: ops.repo.clone(), branch: ops.branch.clone() });
    engine::policy_in_force(&git, ops.as_ref()).await.map_err(|error| {
        let kind = match error.kind {
            RepoErrorKind::Unreachable | RepoErrorKind::Denied => Kind::Forge,
            RepoErrorKind::Environment | RepoErrorKind::Failed => Kind::Environment,
        };
        let hint = "see whether the forge is up and the bot may read it; `--policy FILE` takes another policy";
        CliError::new(kind, "the policy of the operations repository cannot be read", hint).because(error)
    })
}

/// Whose policy it is, for people.
fn said(from: &PolicyFrom) -> String {
    match from {
        PolicyFrom::Shipped => format!("the shipped policy ({})", tier::SHIPPED),
        PolicyFrom::Ops { repo, at } => format!("{POLICY} of {repo} at {}", at.short()),
        PolicyFrom::Broken { repo, broken: BrokenPolicy { at, why, .. } } => {
            format!("{POLICY} of {repo} at {}, which cannot be read, so everything is high: {why}", at.short())
        }
    }
}

fn read_policy(file: &Path) -> Result<Policy, CliError> {
    let name = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|e| {
        CliError::usage(format!("the policy {name} cannot be read"), "check the path and its permissions").because(e)
    })?;
    let text = crate::document::decode(&name, &bytes).map_err(|e| CliError::file(e.into()))?;
    Policy::parse(&name, text).map_err(|e| CliError::file(e.into()))
}

fn of_range(dir: &Path, range: &str) -> Result<Change, CliError> {
    // Three dots are what is meant here anyway: what the head changed since it left the base.
    let (base, head) = range.split_once("...").or_else(|| range.split_once("..")).ok_or_else(|| {
        CliError::usage(format!("`{}` is no range of commits", range.escape_debug()), "write BASE..HEAD, such as main..HEAD")
    })?;
    let or_head = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
    block_on(git::in_folder(dir, &or_head(base), &or_head(head)))?.map_err(unchanged)
}

/// What it changes, and what the agents who worked on it think of that, where this machine had them do it.
fn of_pull(config: Option<PathBuf>, text: &str) -> Result<(Change, Option<Risk>), CliError> {
    if text.contains("..") {
        let hint = format!("say in which repository: --git DIR {text}");
        return Err(CliError::usage(format!("`{}` is a range of commits", text.escape_debug()), hint));
    }
    let setup = Setup::shown(config)?;
    let subject = subject::parse(&setup.config, text)?;
    let (repo, number) = (subject.repo, PullNumber(subject.issue.0));
    let project = setup.config.project(&repo);
    let matters = project.map_or_else(Matters::default, |project| Matters {
        person_paths: project.person_paths.clone(),
        verify: project.verify.clone(),
    });
    let token = read_secret(&setup.config.forge.token, "the forge's token")?;
    let (forge, git) = (setup.forge()?, wiring::open_git(&setup, &setup.state_dir, token)?);
    let change = block_on(async {
        let pull = forge.pull(&repo, number).await.map_err(|error| match error.kind {
            ForgeErrorKind::NotFound => {
                let hint = "check the number, `repo`, and the bot's access; an issue has no tier";
                CliError::usage(format!("there is no pull request {repo}{number}"), hint)
            }
            _ => error.into(),
        })?;
        if pull.state == PullState::Merged {
            let hint = "`--git DIR BASE..HEAD` tells the tier of what it brought";
            return Err(CliError::usage(format!("{repo}{number} is merged: nothing is left to decide"), hint));
        }
        git.of_pull(&repo, number, (&pull.base, &pull.head_sha), &matters).await.map_err(unchanged)
    })??;
    let ledger = setup.ledger(&History::Since(SystemClock.now()))?;
    let pulls = ledger.projects.get(&repo).into_iter().flat_map(|project| project.with_pulls());
    let opinion =
        pulls.filter_map(|(_, state)| state.pull.as_ref()).find(|pull| pull.number == number).and_then(|pull| pull.opinion);
    Ok((change, opinion))
}

fn unchanged(error: NoChange) -> CliError {
    let what = error.to_string();
    match error {
        NoChange::NoRepository { why, .. } => CliError::usage(what, "name a folder of a git repository").because(why),
        NoChange::NoCommit { .. } => {
            CliError::usage(what, "name branches, tags or commits that the repository has; fetch what it lacks first")
        }
        NoChange::Unrelated => {
            CliError::usage(what, "name a base that the head comes from; deepen the clone if it is a shallow one")
        }
        NoChange::Git(error) => match error.kind {
            RepoErrorKind::Unreachable | RepoErrorKind::Denied => {
                CliError::new(Kind::Forge, what, "see whether the forge is up, and what the token may read")
            }
            RepoErrorKind::Environment | RepoErrorKind::Failed => {
                let hint = "see what git says; a partial or shallow clone lacks objects: fetch all of them";
                CliError::new(Kind::Environment, what, hint)
            }
        },
    }
}

fn print(found: &Tier) {
    anstream::println!("{}", words::risk(found.tier));
    for reason in &found.reasons {
        let (source, tier) = (words::tier_source(reason.source), words::risk(reason.tier));
        // A path is somebody's text: no control character of it reaches the terminal.
        let path = reason.path.as_ref().map_or_else(String::new, |path| format!("{}: ", path.escape_debug()));
        anstream::println!("  {tier:<6}  {source:<12}  {path}{}", reason.why);
    }
}
