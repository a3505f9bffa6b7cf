//! What projects and agents are given beside the forge and the model: env files, services, identities of agents, and who is told.

use std::path::PathBuf;
use std::time::Duration;

use super::{Check, Patient};
use crate::cli::setup::read_secret;
use crate::cli::{CliError, Kind, telling};
use crate::config::{Agent, NotifyBy, Project, SecretSource};
use crate::model::Login;
use crate::ports::Forge as _;

/// How long a service may take to be reached.
const PATIENCE: Duration = Duration::from_secs(3);

/// What stands on this machine.
pub(super) async fn examine(patient: &Patient, checks: &mut Vec<Check>) {
    for project in &patient.setup.config.projects {
        checks.extend(env_file(project));
        checks.extend(services(project).await);
    }
    checks.extend(notify(patient));
}

fn env_file(project: &Project) -> Option<Check> {
    const NAME: &str = "env file";
    let (repo, from) = (&project.repo, &project.provisions.env_file.as_ref()?.from);
    Some(match std::fs::read_to_string(from) {
        Ok(_) => Check::ok(NAME, format!("{repo}: {} can be read", from.display())),
        Err(e) => {
            let says = format!("{repo}: {} cannot be read: {e}", from.display());
            Check::fail(Kind::Environment, NAME, says, "check `env_file` of [[project]] and the file's permissions")
        }
    })
}

/// A service that is down now may be up when a run needs it.
async fn services(project: &Project) -> Option<Check> {
    const NAME: &str = "services";
    let (repo, all) = (&project.repo, &project.provisions.services);
    let mut silent = Vec::new();
    for service in all {
        let connected = tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(service)).await;
        if !matches!(connected, Ok(Ok(_))) {
            silent.push(service.to_string());
        }
    }
    match silent.as_slice() {
        _ if all.is_empty() => None,
        [] => Some(Check::ok(NAME, format!("{repo}: all answer"))),
        silent => {
            let says = format!("{repo}: nobody answers at {}", silent.join(", "));
            Some(Check::warn(NAME, says, "start what should listen there, or correct `services` of [[project]]"))
        }
    }
}

/// Whether notices can be sent, as far as that is seen without sending one.
fn notify(patient: &Patient) -> Option<Check> {
    const NAME: &str = "notify";
    let all = &patient.setup.config.notify;
    if all.is_empty() {
        return None;
    }
    if let Err(error) = telling::recipients(&patient.setup) {
        return Some(Check::error(NAME, &error));
    }
    let program = |by: &NotifyBy| match by {
        NotifyBy::Command(words) => words.first().map(PathBuf::from),
        NotifyBy::Mail { sendmail, .. } => Some(sendmail.clone()),
        NotifyBy::Webhook { .. } => None,
    };
    let missing = all.iter().filter_map(|notify| program(&notify.by)).filter(|program| which::which(program).is_err());
    let missing: Vec<String> = missing.map(|program| program.display().to_string()).collect();
    Some(match missing.as_slice() {
        [] => Check::ok(NAME, format!("{} to tell; nothing was sent to try it", all.len())),
        missing => {
            let says = format!("{} cannot be started, so nobody is told by it", missing.join(", "));
            Check::warn(NAME, says, "install it, or name another program in [[notify]]")
        }
    })
}

/// The agents that have an identity of their own on the forge: each must be able to push, in every project. Answers with their logins.
pub(super) async fn identities(patient: &Patient, checks: &mut Vec<Check>) -> Vec<Login> {
    let mut logins = Vec::new();
    for agent in &patient.setup.config.agents {
        if let Some(source) = &agent.token {
            checks.push(identity(patient, agent, source, &mut logins).await);
        }
    }
    logins
}

async fn identity(patient: &Patient, agent: &Agent, source: &SecretSource, logins: &mut Vec<Login>) -> Check {
    const NAME: &str = "identity";
    let name = &agent.name;
    let client = match read_secret(source, &format!("the token of agent `{name}`")).and_then(|t| patient.setup.client(t)) {
        Ok(client) => client,
        Err(error) => return Check::error(NAME, &error),
    };
    let failed = |error: CliError| {
        let mend =
            format!("make a new token of its account with write:issue, write:repository and read:user for [agents.{name}]");
        Check::fail(error.kind(), NAME, format!("agent `{name}`: {}", error.says()), mend)
    };
    let login = match client.me().await {
        Ok(me) => me.login,
        Err(error) => return failed(error.into()),
    };
    logins.push(login.clone());
    for project in &patient.setup.config.projects {
        match client.repository(&project.repo).await {
            Ok(facts) if facts.can_push => {}
            Ok(_) => {
                let says = format!("agent `{name}`: {login} may not write code in {}", project.repo);
                return Check::fail(Kind::Forge, NAME, says, format!("make {login} a collaborator with write access"));
            }
            Err(error) => return failed(error.into()),
        }
    }
    Check::ok(NAME, format!("agent `{name}` works as {login}, who may write code"))
}
