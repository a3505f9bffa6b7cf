//! Who may approve and give orders: whom the policy names, else those who administer the repository, as far as a token may ask.

use super::Check;
use super::forge::Bedside;
use crate::cli::CliError;
use crate::model::{Login, Permission, RepoFacts};
use crate::ports::{Forge as _, ForgeErrorKind};

const NAME: &str = "approval";
/// So many people are asked about at most.
const MOST: usize = 50;

/// Whether somebody other than forgehand may approve.
pub(super) async fn approval(bedside: &Bedside<'_>, facts: &RepoFacts) -> Check {
    let (project, repo) = (bedside.project, &bedside.project.repo);
    let approvers = bedside.policy.map(|found| found.policy.gate.approvers.as_slice()).unwrap_or_default();
    if !approvers.is_empty() {
        return named(bedside, approvers).await;
    }
    let client = match bedside.patient.rights() {
        None => return without_rights_token(bedside, facts),
        Some(Ok(client)) => client,
        Some(Err(error)) => return Check::error(NAME, &error),
    };
    let logins = match client.assignees(repo).await {
        Ok(logins) => logins,
        Err(error) => return Check::error(NAME, &CliError::from(error)),
    };
    let mut admins: Vec<Login> = Vec::new();
    for login in logins.into_iter().take(MOST) {
        match client.permission(repo, &login).await {
            Ok(Permission::Admin | Permission::Owner) => admins.push(login),
            Ok(_) => {}
            Err(error) if error.kind == ForgeErrorKind::Denied => {
                let mend = "give the account of `rights_token_*` in [forge] the repository's administration";
                let says = format!("{repo}: the token of `rights_token_*` may not ask for people's rights");
                return Check::fail(crate::cli::Kind::Forge, NAME, says, mend);
            }
            Err(error) => return Check::error(NAME, &CliError::from(error)),
        }
    }
    let is_us = |login: &Login| bedside.is_ours(login);
    let (ours, people): (Vec<Login>, Vec<Login>) = admins.into_iter().partition(is_us);
    let mut named: Vec<String> = people.iter().map(ToString::to_string).collect();
    named.extend(project.obey.iter().filter(|login| !is_us(login)).map(ToString::to_string));
    named.sort();
    named.dedup();
    if named.is_empty() {
        let says = if ours.is_empty() {
            format!("{repo}: nobody is seen to administer it, so nobody can approve")
        } else {
            format!("{repo}: forgehand's own account is the only administrator, so nobody else could approve")
        };
        return Check::warn(NAME, says, "give a person the repository's administration, or name one by `obey`");
    }
    if !ours.is_empty() {
        let says = format!("{repo}: {} may; so may forgehand's own account, which only has to write", named.join(", "));
        return Check::warn(NAME, says, "make the bot a collaborator with write access and no more");
    }
    Check::ok(NAME, format!("{repo}: {} may", named.join(", ")))
}

impl Bedside<'_> {
    fn is_ours(&self, login: &Login) -> bool {
        self.ours.iter().any(|own| own.as_str().eq_ignore_ascii_case(login.as_str()))
    }
}

/// Whether those can approve whom the policy names.
async fn named(bedside: &Bedside<'_>, approvers: &[Login]) -> Check {
    let repo = &bedside.project.repo;
    let listed = |logins: &[&Login]| logins.iter().map(|login| login.as_str()).collect::<Vec<_>>().join(", ");
    let (ours, people): (Vec<&Login>, Vec<&Login>) = approvers.iter().partition(|login| bedside.is_ours(login));
    if people.is_empty() {
        let says =
            format!("{repo}: `approvers` of the policy names accounts of forgehand's alone, whose word never counts there");
        return Check::warn(NAME, says, "name a person by `approvers` in the policy");
    }
    let mut without = Vec::new();
    if let Some(Ok(client)) = bedside.patient.rights() {
        for login in &people {
            match client.permission(repo, login).await {
                Ok(permission) if permission < Permission::Write => without.push(*login),
                Err(error) if error.kind == ForgeErrorKind::NotFound => without.push(*login),
                Ok(_) => {}
                // Who may not be asked about is judged by the forge when he approves.
                Err(error) if error.kind == ForgeErrorKind::Denied => {}
                Err(error) => return Check::error(NAME, &CliError::from(error)),
            }
        }
    }
    if !without.is_empty() {
        let says = format!(
            "{repo}: {} of the policy's `approvers` may not write there, so the forge counts no approval of theirs",
            listed(&without)
        );
        return Check::warn(NAME, says, "make them collaborators with write access, or name others by `approvers`");
    }
    let never = if ours.is_empty() { String::new() } else { format!("; the word of {} never counts", listed(&ours)) };
    Check::ok(NAME, format!("{repo}: {} may, by `approvers` of the policy{never}", listed(&people)))
}

fn without_rights_token(bedside: &Bedside<'_>, facts: &RepoFacts) -> Check {
    let repo = &bedside.project.repo;
    let obeyed: Vec<String> = bedside.project.obey.iter().map(ToString::to_string).collect();
    if facts.can_admin {
        let says = format!("{repo}: forgehand's own account administers it, and only has to write");
        return Check::warn(NAME, says, "make the bot a collaborator with write access and no more");
    }
    if obeyed.is_empty() {
        let says = format!(
            "{repo}: nobody's rights can be asked for, and nobody is named: an approval counts as the forge says, what is high takes that of \
             {}, and nobody can command by comment",
            repo.owner()
        );
        let mend = "name people by `obey` in [[project]], or a token that administers by `rights_token_env` in [forge]";
        return Check::warn(NAME, says, mend);
    }
    Check::ok(NAME, format!("{repo}: {} may, by `obey`", obeyed.join(", ")))
}
