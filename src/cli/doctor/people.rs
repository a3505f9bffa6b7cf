//! Who may approve and give orders: whom the policy names, else those who administer the repository, as far as a token may ask.

use super::forge::Bedside;
use super::{Check, Patient};
use crate::cli::CliError;
use crate::forge::Client;
use crate::model::{Login, Permission, RepoFacts, RepoName};
use crate::ports::{Forge as _, ForgeError, ForgeErrorKind};

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
    let admins = match administrators(&client, repo).await {
        Ok(admins) => admins,
        Err(check) => return *check,
    };
    let is_us = |login: &Login| bedside.is_ours(login);
    let (ours, people): (Vec<Login>, Vec<Login>) = admins.into_iter().partition(is_us);
    let obeyed: Vec<&Login> = project.obey.iter().filter(|login| !is_us(login) && !people.contains(login)).collect();
    let medium = match obeyed.as_slice() {
        [] => String::new(),
        obeyed => format!("; {} may what is medium, by `obey`, and never what is high", listed(obeyed.iter().copied())),
    };
    if people.is_empty() {
        let says = if ours.is_empty() {
            format!("{repo}: nobody is seen to administer it, so nobody can approve what is high{medium}")
        } else {
            format!(
                "{repo}: forgehand's own account is the only administrator, so nobody else could approve what is high{medium}"
            )
        };
        return Check::warn(
            NAME,
            says,
            "give a person the repository's administration, or name one by `approvers` in the policy",
        );
    }
    let people = listed(&people);
    if !ours.is_empty() {
        let says = format!("{repo}: {people} may; so may forgehand's own account, which only has to write{medium}");
        return Check::warn(NAME, says, "make the bot a collaborator with write access and no more");
    }
    Check::ok(NAME, format!("{repo}: {people} may{medium}"))
}

/// Who approves actions in the operations repository: whom the policy names, else its administrators. `obey` counts for nothing there.
pub(super) async fn of_operations(patient: &Patient, repo: &RepoName, approvers: &[Login], ours: &[Login]) -> Check {
    let is_us = |login: &&Login| ours.iter().any(|own| own.as_str().eq_ignore_ascii_case(login.as_str()));
    let nobody = |says: String| {
        let mend = "name people by `approvers` in the policy, or make one an administrator of the operations repository";
        Check::warn(NAME, says, mend)
    };
    if !approvers.is_empty() {
        let people: Vec<&Login> = approvers.iter().filter(|login| !is_us(login)).collect();
        return match people.is_empty() {
            true => nobody(format!(
                "{repo}: `approvers` of the policy names accounts of forgehand's alone: no action is ever approved"
            )),
            false => Check::ok(NAME, format!("{repo}: {} approve actions, by `approvers` of the policy", listed(people))),
        };
    }
    let client = match patient.rights() {
        Some(Ok(client)) => client,
        Some(Err(error)) => return Check::error(NAME, &error),
        None => {
            let owner = repo.owner();
            let says = format!("{repo}: nobody's rights can be asked for there, so that only {owner} approves actions");
            let mend =
                "name people by `approvers` in the policy, or a token that administers it by `rights_token_env` in [forge]";
            return Check::warn(NAME, says, mend);
        }
    };
    match administrators(&client, repo).await {
        Ok(admins) => {
            let people: Vec<&Login> = admins.iter().filter(|login| !is_us(login)).collect();
            match people.is_empty() {
                true => nobody(format!("{repo}: nobody but forgehand is seen to administer it, so no action is ever approved")),
                false => Check::ok(NAME, format!("{repo}: {} approve actions, as its administrators", listed(people))),
            }
        }
        Err(check) => *check,
    }
}

/// Those who administer a repository; else what is in the way of knowing.
async fn administrators(client: &Client, repo: &RepoName) -> Result<Vec<Login>, Box<Check>> {
    let failed = |error: ForgeError| match error.kind {
        ForgeErrorKind::Denied => {
            let mend = "give the account of `rights_token_*` in [forge] the repository's administration";
            let says = format!("{repo}: the token of `rights_token_*` may not ask for people's rights");
            Box::new(Check::fail(crate::cli::Kind::Forge, NAME, says, mend))
        }
        _ => Box::new(Check::error(NAME, &CliError::from(error))),
    };
    let logins = client.assignees(repo).await.map_err(failed)?;
    let mut admins: Vec<Login> = Vec::new();
    for login in logins.into_iter().take(MOST) {
        if client.permission(repo, &login).await.map_err(failed)? >= Permission::Admin {
            admins.push(login);
        }
    }
    Ok(admins)
}

fn listed<'l>(logins: impl IntoIterator<Item = &'l Login>) -> String {
    logins.into_iter().map(Login::as_str).collect::<Vec<_>>().join(", ")
}

impl Bedside<'_> {
    fn is_ours(&self, login: &Login) -> bool {
        self.ours.iter().any(|own| own.as_str().eq_ignore_ascii_case(login.as_str()))
    }
}

/// Whether those can approve whom the policy names.
async fn named(bedside: &Bedside<'_>, approvers: &[Login]) -> Check {
    let repo = &bedside.project.repo;
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
            listed(without)
        );
        return Check::warn(NAME, says, "make them collaborators with write access, or name others by `approvers`");
    }
    let never = if ours.is_empty() { String::new() } else { format!("; the word of {} never counts", listed(ours)) };
    Check::ok(NAME, format!("{repo}: {} may, by `approvers` of the policy{never}", listed(people)))
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
    let says = format!(
        "{repo}: {} may what is medium, by `obey`; nobody's rights can be asked for, so that what is high takes the word of {}",
        obeyed.join(", "),
        repo.owner()
    );
    Check::ok(NAME, says)
}
