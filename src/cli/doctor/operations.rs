//! The operations repository: whether forgehand's identities can write there, by writing; and the policy that it has in force.

use super::{Check, Patient};
use crate::cli::setup::{SystemClock, SystemIds, read_secret};
use crate::cli::{CliError, Kind, guard};
use crate::config::Ops;
use crate::engine::{self, InForce, POLICY, PolicyFrom};
use crate::forge::Client;
use crate::git::Git;
use crate::ports::{
    Clock as _, Forge as _, ForgeError, ForgeErrorKind, Ids as _, KeepAnswer, KeepOrder, RepoError, RepoErrorKind,
};
use crate::tier::{LowActions, Policy};
use crate::words;

const NAME: &str = "operations";
const LOW: &str = "low actions";

/// Looks at it, and answers with the policy in force; none where that cannot be read, which was said.
pub(super) async fn examine(patient: &Patient, client: &Client, git: Option<&Git>, checks: &mut Vec<Check>) -> Option<InForce> {
    let ops = patient.setup.config.ops.as_ref();
    let (Some(ops), Some(git)) = (ops, git) else { return git.map(|_| shipped()).or_else(|| ops.is_none().then(shipped)) };
    if let Some(unusable) = unusable(client, ops).await {
        checks.push(unusable);
        return None;
    }
    checks.push(written(patient, git, ops, None).await);
    for agent in &patient.setup.config.agents {
        let Some(source) = &agent.token else { continue };
        let token = read_secret(source, &format!("the token of agent `{}`", agent.name));
        // A token that cannot be read was said of its identity.
        let Ok(other) = token.and_then(|token| git.as_another(agent.name.as_str(), &token).map_err(|e| no_git(&e))) else {
            continue;
        };
        checks.push(written(patient, &other, ops, Some(agent.name.as_str())).await);
    }
    checks.extend(vault(patient, ops).await);
    let there = engine::Ops { repo: ops.repo.clone(), branch: ops.branch.clone() };
    match engine::policy_in_force(git, Some(&there)).await {
        Ok(found) => {
            checks.push(policy(&found.from));
            checks.extend(low_actions(patient, client, ops, &found.policy).await);
            Some(found)
        }
        Err(error) => {
            checks.push(failed(ops, None, &error));
            None
        }
    }
}

fn shipped() -> InForce {
    InForce { policy: crate::tier::Policy::shipped().clone(), from: PolicyFrom::Shipped }
}

fn no_git(error: &RepoError) -> CliError {
    CliError::new(Kind::Environment, "git cannot be used", "mend git first").because(error.clone())
}

async fn unusable(client: &Client, Ops { repo, .. }: &Ops) -> Option<Check> {
    let fail = |says: String, mend: &str| Some(Check::fail(Kind::Forge, NAME, says, mend));
    match client.repository(repo).await {
        Ok(facts) if facts.archived => fail(format!("{repo} is archived"), "unarchive it, or name another one in [ops]"),
        Ok(facts) if facts.empty => fail(format!("{repo} has no commit yet"), "push a first one, then `forgehand ops init`"),
        Ok(_) => None,
        Err(error) if error.kind == ForgeErrorKind::NotFound => {
            let mend = "make it with a first commit and the bot as a collaborator with write access, then `forgehand ops init`";
            fail(format!("there is no repository {repo} that the bot could see"), mend)
        }
        Err(error) => Some(Check::error(NAME, &CliError::from(error))),
    }
}

/// Writes a file and takes it away: roles keep what they know there by direct pushes.
async fn written(patient: &Patient, git: &Git, ops: &Ops, who: Option<&str>) -> Check {
    let name = format!(".forgehand-doctor-{}", SystemIds.uuid());
    // What roles keep, and what became of actions.
    let paths = [format!("knowledge/{name}"), format!("vault/fired/{name}")];
    let text = "`forgehand doctor` tries whether it can write here.\n";
    let order = KeepOrder {
        base: ops.branch.clone(),
        asked_by: None,
        read: None,
        files: paths.map(|path| (path, text.to_owned())).into(),
        message: "Try whether forgehand can write here".to_owned(),
        author: patient.setup.config.agent.author.to_string(),
        at: SystemClock.now(),
    };
    let (repo, name) = (&ops.repo, who.map_or_else(|| "forgehand".to_owned(), |name| format!("agent `{name}`")));
    match git.try_to_keep(repo, &order).await {
        Ok(KeepAnswer::Written(_)) => Check::ok(NAME, format!("{repo}: {name} wrote a file and took it away again")),
        Ok(KeepAnswer::NoBranch) => {
            let mend = "write the branch that counts into [ops]: branch = \"main\"";
            Check::fail(Kind::Usage, NAME, format!("{repo} has no branch `{}`", ops.branch), mend)
        }
        Ok(KeepAnswer::Same | KeepAnswer::Conflict) => {
            Check::warn(NAME, format!("{repo}: somebody else is trying the same at this moment"), "run it again")
        }
        Err(error) => failed(ops, who, &error),
    }
}

fn failed(Ops { repo, branch }: &Ops, who: Option<&str>, error: &RepoError) -> Check {
    let name = who.map_or_else(|| "forgehand".to_owned(), |name| format!("agent `{name}`"));
    match error.kind {
        RepoErrorKind::Denied => {
            let says = format!("{repo}: {name} cannot write there, so that what roles find out is lost: {}", error.why);
            let mend = format!(
                "make its account a collaborator with write access, and let it push to {branch}: {} alone is to be protected (`forgehand ops \
                 init --protect`)",
                guard::VAULT
            );
            Check::fail(Kind::Forge, NAME, says, mend)
        }
        RepoErrorKind::Unreachable => Check::fail(Kind::Forge, NAME, format!("{repo}: {error}"), "see whether the forge is up"),
        RepoErrorKind::Environment | RepoErrorKind::Failed => {
            Check::fail(Kind::Environment, NAME, format!("{repo}: {error}"), "see what git says")
        }
    }
}

/// Whether the vault is protected, as far as a token may tell.
async fn vault(patient: &Patient, Ops { repo, branch }: &Ops) -> Option<Check> {
    let mend = "`forgehand ops init --protect` has it changed by approved pull requests alone";
    let Some(Ok(client)) = patient.rights() else { return None };
    match client.rule(repo, branch).await {
        Ok(rule) if guard::of_ops().beyond(rule.as_ref()).is_empty() => {
            Some(Check::ok(NAME, format!("{repo}: {} is protected", guard::VAULT)))
        }
        Ok(_) => {
            let says = format!("{repo}: {} is not protected, so whoever may write could change the policy", guard::VAULT);
            Some(Check::warn(NAME, says, mend))
        }
        Err(error) if matches!(error.kind, ForgeErrorKind::Denied | ForgeErrorKind::NotFound) => {
            let says = format!("{repo}: the token of `rights_token_*` does not administer it, so its protection is not seen");
            Some(Check::warn(NAME, says, "give its account the administration of the operations repository too"))
        }
        Err(error) => Some(Check::error(NAME, &CliError::from(error))),
    }
}

/// Whether what is low could go through without a person, where the policy has it so.
async fn low_actions(patient: &Patient, client: &Client, ops: &Ops, policy: &Policy) -> Option<Check> {
    let low = policy.gate.low_actions?;
    Some(goes_through(patient, client, ops, low).await.unwrap_or_else(|error| Check::error(LOW, &CliError::from(error))))
}

async fn goes_through(
    patient: &Patient,
    client: &Client,
    Ops { repo, branch }: &Ops,
    low: LowActions,
) -> Result<Check, ForgeError> {
    let seen = client.branch(repo, branch).await?;
    let rights = patient.rights().and_then(Result::ok);
    let (rule, administers) = match &rights {
        Some(rights) => (rights.rule(repo, branch).await.ok().flatten(), rights.repository(repo).await?.can_admin),
        None => (None, false),
    };
    let files = rule.as_ref().is_some_and(|rule| !rule.guard.files.is_empty());
    let all = rule.as_ref().is_some_and(|rule| rule.guard.admins);
    let holds = match (seen.may_merge, seen.approvals) {
        (false, _) => Some(format!("forgehand may not merge to {branch}")),
        (true, 1..) => Some(format!("{branch} demands an approval")),
        (true, 0) if files => Some(format!("{branch} protects what actions are asked for by")),
        (true, 0) => None,
    };
    Ok(match (low, holds) {
        (LowActions::SelfMerge, None) => Check::ok(LOW, format!("{repo}: forgehand merges what asks for low actions alone")),
        (LowActions::SelfMerge, Some(holds)) if administers && !all => {
            let says = format!("{repo}: {holds}; what asks for low actions alone is merged by the account of `rights_token_*`");
            Check::ok(LOW, says)
        }
        (LowActions::SelfMerge, Some(holds)) => {
            let admins = if administers { ", of administrators too" } else { "" };
            let says =
                format!("{repo}: {holds}{admins}, so the forge refuses forgehand to merge what asks for low actions alone");
            Check::warn(LOW, says, words::mend_merging())
        }
        (LowActions::Direct, None) if seen.may_push => {
            Check::ok(LOW, format!("{repo}: low actions are committed to {branch} with their record"))
        }
        (LowActions::Direct, None) => {
            let says = format!(
                "{repo}: forgehand may not push to {branch}, so it asks for low actions by pull requests and merges them"
            );
            Check::ok(LOW, says)
        }
        (LowActions::Direct, Some(holds)) => {
            let says = format!("{repo}: {holds}, so low actions are not committed there: each waits for a person to merge it");
            let mend =
                "write `actions = \"self-merge\"` in `[low]` of the policy, with a token that administers by `rights_token_env`";
            Check::warn(LOW, says, mend)
        }
    })
}

fn policy(from: &PolicyFrom) -> Check {
    const NAME: &str = "policy";
    match from {
        PolicyFrom::Shipped => Check::ok(NAME, format!("the shipped one, as there is no {POLICY}")),
        PolicyFrom::Ops { repo, at } => Check::ok(NAME, format!("{POLICY} of {repo} at {}", at.short())),
        PolicyFrom::Broken { repo, broken } => {
            Check::fail(Kind::Usage, NAME, words::broken_policy(repo, broken), words::mend_policy(repo))
        }
    }
}
