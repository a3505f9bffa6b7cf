//! What the protection of a branch is to demand, so that the forge holds back what the policy would hold back.
//!
//! Promises: nothing is demanded that would keep forgehand from merging what it may: where nobody has to review, no approval is; where no check ever
//! reported on a pull request, none is. In the operations repository what is protected is merged by administrators, so that they are exempt.
//! In a project no files are: a forge merges nothing that touches protected ones, whoever approved it, and with a rule that holds for
//! administrators too nobody could. What is high there is held back by the tier, and by the approval that every merge needs.

use crate::config::{Config, Project};
use crate::forge::{Client, Guard};
use crate::model::{Branch, MergeRule, RepoName};
use crate::ports::ForgeError;

/// What only somebody with rights may change in the operations repository.
pub(super) const VAULT: &str = "what the vault is asked for (vault/actions, vault/pending, vault/policy.toml)";

/// The same, as patterns of the forge's branch protection. What became of an action is written by the dispatcher, by a push, and is believed by
/// nobody: what it can do is to keep an action from being run.
const PATTERNS: [&str; 3] = ["vault/actions/**", "vault/pending/**", "vault/policy.toml"];
/// What older versions asked for: with it no forge takes what became of an action.
const OLDER: &str = "vault/**";

/// What the operations repository is to demand.
pub(super) fn of_ops() -> Guard {
    let files = PATTERNS.map(str::to_owned).to_vec();
    Guard { approvals: 1, contexts: Vec::new(), files, replaces: vec![OLDER.to_owned()], admins: false }
}

/// What a project's base is to demand; `project` is none where it is not configured yet.
pub(super) async fn of_project(
    client: &Client,
    config: Option<&Config>,
    repo: &RepoName,
    base: &Branch,
    project: Option<&Project>,
) -> Result<Guard, ForgeError> {
    let contexts = if client.has_checks(repo).await? { vec!["*".to_owned()] } else { Vec::new() };
    let unreviewed = project.is_some_and(|project| project.merge != MergeRule::Never && !project.review);
    let ops = config.and_then(|config| config.ops.as_ref()).filter(|ops| ops.repo == *repo && ops.branch == *base);
    let usual = Guard { approvals: u64::from(!unreviewed), contexts, files: Vec::new(), replaces: Vec::new(), admins: true };
    Ok(ops.map_or(usual.clone(), |_| Guard { contexts: usual.contexts, ..of_ops() }))
}

/// What it demands, for people.
pub(super) fn told(guard: &Guard) -> String {
    let approvals = match guard.approvals {
        0 => None,
        1 => Some("an approval".to_owned()),
        many => Some(format!("{many} approvals")),
    };
    let contexts = match guard.contexts.as_slice() {
        [] => None,
        [all] if all == "*" => Some("green checks".to_owned()),
        named => Some(format!("green {}", named.join(", "))),
    };
    let files = (!guard.files.is_empty()).then(|| format!("an administrator for {}", guard.files.join(", ")));
    let admins = guard.admins.then(|| "all that of administrators too".to_owned());
    let all: Vec<String> = [approvals, contexts, files, admins].into_iter().flatten().collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}
