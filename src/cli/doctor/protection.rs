//! The protection of a project's base: whether the forge holds back what the policy would, and lets forgehand merge what it may.

use super::Check;
use super::forge::Bedside;
use crate::cli::{CliError, guard};
use crate::forge::{BranchSeen, Guard, Rule};
use crate::model::{Branch, MergeRule, RepoFacts};
use crate::ports::{Forge as _, ForgeError, ForgeErrorKind};

const NAME: &str = "protection";

/// None where a person merges all, who sees for himself.
pub(super) async fn protection(bedside: &Bedside<'_>, facts: &RepoFacts) -> Option<Check> {
    if bedside.project.merge == MergeRule::Never {
        return None;
    }
    let base = bedside.project.base.clone().unwrap_or_else(|| facts.default_branch.clone());
    Some(look(bedside, &base).await.unwrap_or_else(|error| Check::error(NAME, &CliError::from(error))))
}

async fn look(bedside: &Bedside<'_>, base: &Branch) -> Result<Check, ForgeError> {
    let (project, config) = (bedside.project, &bedside.patient.setup.config);
    let repo = &project.repo;
    let seen = bedside.client.branch(repo, base).await?;
    let wanted = guard::of_project(bedside.client, Some(config), repo, base, Some(project)).await?;
    let rule = match bedside.patient.rights() {
        Some(Ok(client)) => match client.rule(repo, base).await {
            Ok(rule) => Some(rule),
            Err(error) if matches!(error.kind, ForgeErrorKind::Denied | ForgeErrorKind::NotFound) => None,
            Err(error) => return Err(error),
        },
        // That the token cannot be read is said of who may approve.
        Some(Err(_)) | None => None,
    };
    if let Some((says, mend)) = stops(bedside, base, &seen, rule.as_ref().and_then(Option::as_ref)).await? {
        return Ok(Check::warn(NAME, format!("{repo}: {says}"), mend));
    }
    let lacking = match &rule {
        Some(rule) => wanted.beyond(rule.as_ref()),
        None => beyond_seen(&wanted, &seen),
    };
    if !lacking.is_empty() {
        let says =
            format!("{repo}: {base} does not demand {}, so others could merge what forgehand would not", guard::told(&lacking));
        return Ok(Check::warn(NAME, says, "`forgehand init --protect` has the forge demand it: with a token that administers"));
    }
    let far = if rule.is_some() { "" } else { ", as far as the bot sees; administrators may be exempt" };
    Ok(Check::ok(
        NAME,
        format!("{repo}: {base} demands {}{far}", guard::told(&Guard { admins: wanted.admins && rule.is_some(), ..wanted })),
    ))
}

/// What would keep forgehand from merging what the policy lets pass.
async fn stops(
    bedside: &Bedside<'_>,
    base: &Branch,
    seen: &BranchSeen,
    rule: Option<&Rule>,
) -> Result<Option<(String, String)>, ForgeError> {
    let (project, login) = (bedside.project, bedside.login);
    if !seen.may_merge {
        let mend = format!("add {login} to those who may merge, in the rule of {base} in the repository's settings");
        return Ok(Some((format!("{login} may not merge to {base}, whatever is approved"), mend)));
    }
    if let Some(rule) = rule.filter(|rule| !rule.guard.files.is_empty() && !is_ops(bedside, base)) {
        let (files, who) = (
            rule.guard.files.join(", "),
            if rule.guard.admins { "only an administrator of the forge" } else { "only an administrator, by force," },
        );
        let says = format!("{base} protects files ({files}): whatever is approved, {who} can merge what touches them");
        let mend = format!(
            "take them out of the rule of {base}, where an approver's word is to be enough: what steers CI, agents or builds is high"
        );
        return Ok(Some((says, mend)));
    }
    let given = u64::from(project.review);
    if seen.approvals > given {
        let many = seen.approvals;
        let says = format!("{base} demands {many} approvals, and what is low gets {given} without a person: it waits for people");
        return Ok(Some((says, format!("demand {given} in the rule of {base}, or leave it so, if that is meant"))));
    }
    if let Some(named) = rule.and_then(|rule| rule.approvers.as_ref()).filter(|_| project.review) {
        let is_ours =
            |login: &crate::model::Login| bedside.ours.iter().any(|own| own.as_str().eq_ignore_ascii_case(login.as_str()));
        if !named.iter().any(is_ours) {
            let says = format!("{base} counts the approvals of some alone, and no account of forgehand's is among them");
            return Ok(Some((says, format!("add the account of the role `review` to them, in the rule of {base}"))));
        }
    }
    let silent = match seen.contexts.as_slice() {
        [] => false,
        _ => {
            !bedside.client.has_checks(&project.repo).await?
                && bedside.client.statuses(&project.repo, &seen.tip).await?.is_empty()
        }
    };
    if silent {
        let says = format!(
            "{base} demands green {}, and nothing has ever reported here: nothing can be merged",
            seen.contexts.join(", ")
        );
        return Ok(Some((says, format!("have checks report on pull requests, or take that out of the rule of {base}"))));
    }
    Ok(None)
}

/// Whether it is what people ask the vault for, which administrators merge.
fn is_ops(bedside: &Bedside<'_>, base: &Branch) -> bool {
    let ops = bedside.patient.setup.config.ops.as_ref();
    ops.is_some_and(|ops| ops.repo == bedside.project.repo && ops.branch == *base)
}

/// What lacks as far as who may only write sees.
fn beyond_seen(wanted: &Guard, seen: &BranchSeen) -> Guard {
    let guard = Guard {
        approvals: seen.approvals,
        contexts: seen.contexts.clone(),
        files: wanted.files.clone(),
        replaces: Vec::new(),
        admins: wanted.admins,
    };
    let rule = Rule { name: String::new(), guard, checks: seen.checks, approvers: None };
    wanted.beyond(seen.protected.then_some(&rule))
}
