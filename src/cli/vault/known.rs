//! The vault as it stands on the forge: what is on the branch that counts, what open pull requests ask for, and what an action may name.

use std::collections::BTreeMap;

use crate::cli::setup::{Setup, read_secret};
use crate::cli::{CliError, Kind, wiring};
use crate::config::Ops;
use crate::engine::{self, InForce, author_writes, policy_in_force, vault_files, vault_offers};
use crate::forge::Client;
use crate::git::Git;
use crate::model::{FormulaName, Login, PENDING, Pull, PullNumber, Sha};
use crate::plan::Offered;
use crate::ports::{Forge, RepoError, RepoErrorKind};
use crate::vault::{Known, Offer, Shelf};
use crate::words;

/// All of it.
pub(super) struct Vault {
    pub(super) ops: Ops,
    pub(super) forge: Client,
    pub(super) git: Git,
    pub(super) known: Known,
    /// As the daemon has it.
    pub(super) policy: InForce,
    pub(super) shelf: Shelf,
    /// The items for people, by their paths.
    pub(super) items: BTreeMap<String, String>,
    pub(super) asked: Vec<Asked>,
    /// Pull requests of forks whose authors may not write there: they are not read.
    pub(super) strangers: Vec<(PullNumber, Login)>,
}

/// A pull request that changes something there.
pub(super) struct Asked {
    pub(super) pull: PullNumber,
    pub(super) by: Login,
    /// The head that was read.
    pub(super) head: Sha,
    pub(super) offers: Vec<Offer>,
}

/// What an action may name.
pub(super) fn known(setup: &Setup) -> Result<Known, CliError> {
    let library = setup.library();
    let formula = |name: String| {
        let risk = library.load(&name).and_then(Result::ok).map(|formula| formula.blast_radius);
        (FormulaName(name), risk)
    };
    Ok(Known { formulas: library.names().into_iter().map(formula).collect(), ..setup.vault_known()? })
}

/// The operations repository that the configuration names.
pub(super) fn ops(setup: &Setup) -> Result<Ops, CliError> {
    setup.config.ops.clone().ok_or_else(|| {
        CliError::usage("no operations repository is configured", "write [ops] with repo = \"owner/ops\" into the configuration")
    })
}

impl Vault {
    /// Reads it, as the bot sees it.
    pub(super) async fn read(setup: &Setup) -> Result<Self, CliError> {
        let (ops, forge) = (ops(setup)?, setup.forge()?);
        let token = read_secret(&setup.config.forge.token, "the forge's token")?;
        let git = wiring::open_git(setup, &setup.state_dir, token)?;
        let files = vault_files(&git, &ops.repo, &ops.branch).await.map_err(unread)?.ok_or_else(|| no_branch(&ops))?;
        let known = known(setup)?;
        let rights = setup.rights().and_then(Result::ok);
        let rights = rights.as_ref().map(|client| client as &dyn Forge);
        let (mut asked, mut strangers) = (Vec::new(), Vec::new());
        for pull in open_pulls(&forge, &ops).await? {
            if !pull.own && !author_writes(&forge, rights, &ops.repo, &pull.author).await? {
                strangers.push((pull.number, pull.author));
                continue;
            }
            let offers = vault_offers(&git, &ops.repo, &pull).await.map_err(unread)?;
            if let Some((head, Offered { offers, .. })) = offers.filter(|(_, offered)| !offered.offers.is_empty()) {
                asked.push(Asked { pull: pull.number, by: pull.author, head, offers });
            }
        }
        let shelf = Shelf::of(&files, &known);
        let item = |(path, text): (&String, &String)| {
            let path = format!("vault/{path}");
            let is_one = path.strip_prefix(PENDING).is_some_and(|rest| rest.starts_with('/')) && path.ends_with(".md");
            is_one.then(|| (path, text.clone()))
        };
        let items = files.iter().filter_map(item).collect();
        let there = engine::Ops { repo: ops.repo.clone(), branch: ops.branch.clone() };
        let policy = policy_in_force(&git, Some(&there)).await.map_err(unread)?;
        Ok(Self { policy, ops, forge, git, known, shelf, items, asked, strangers })
    }

    /// What keeps the list from being all that there is to say, for people.
    pub(super) fn warnings(&self) -> Vec<String> {
        let policy = self.policy.broken().map(|broken| words::broken_policy(&self.ops.repo, &broken));
        let stranger = |(pull, by): &(PullNumber, Login)| {
            format!("pull request {pull} of {by} comes from a fork, and {by} may not write to {}: it is not read", self.ops.repo)
        };
        policy.into_iter().chain(self.strangers.iter().map(stranger)).collect()
    }
}

async fn open_pulls(forge: &Client, ops: &Ops) -> Result<Vec<Pull>, CliError> {
    let mut open = forge.open_pulls(&ops.repo).await?;
    open.retain(|pull| pull.base == ops.branch);
    open.sort_by_key(|pull| pull.number);
    Ok(open)
}

pub(super) fn no_branch(ops: &Ops) -> CliError {
    let hint = "`forgehand ops init` lays it out; `branch` of [ops] names another one";
    CliError::usage(format!("{} has no branch `{}`", ops.repo, ops.branch), hint)
}

pub(super) fn unread(error: RepoError) -> CliError {
    let (what, kind) = (error.to_string(), error.kind);
    match kind {
        RepoErrorKind::Unreachable | RepoErrorKind::Denied => CliError::new(
            Kind::Forge,
            what,
            "see whether the forge is up, and what the token may do in the operations repository",
        ),
        RepoErrorKind::Environment | RepoErrorKind::Failed => CliError::new(Kind::Environment, what, "see what git says"),
    }
}
