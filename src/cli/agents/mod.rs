//! `forgehand agents`: who works here, as whom, on whose account, at what, and what that cost this month.

mod dismiss;
mod edit;
mod hire;

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use crate::config::{Agent, Backend, SecretSource};
use crate::journal::History;
use crate::ledger::Ledger;
use crate::model::{AgentName, Intent, Login, StepKind};
use crate::plan::Crew;
use crate::ports::Clock;

use super::CliError;
use super::setup::{Known, Setup, SystemClock, print_json};
use super::wiring::DEFAULT_MODEL;

/// Arguments of `agents`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// JSON for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an agent to the configuration
    Hire(Box<hire::Arguments>),
    /// Take an agent out of the configuration
    Dismiss(dismiss::Arguments),
}

/// Lists them, hires or dismisses one.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::load(config)?;
    match &arguments.command {
        Some(Command::Hire(hired)) => hire::run(&setup, hired),
        Some(Command::Dismiss(dismissed)) => dismiss::run(&setup, dismissed),
        None => list(&setup, arguments.json),
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    /// The UTC month that the costs are of.
    month: String,
    agents: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    backend: &'static str,
    model: Option<String>,
    /// The server, where it is not Anthropic's.
    url: Option<String>,
    /// The command, of a program that is no Claude Code.
    command: Option<String>,
    roles: Vec<String>,
    accounts: Vec<String>,
    /// Its login on the forge, as far as that is known; the bot's where it has none of its own.
    identity: Option<String>,
    author: String,
    doing: Vec<Doing>,
    cost_usd: f64,
    /// What a run may have cost while it works on it.
    budget_usd: f64,
}

#[derive(Debug, Serialize)]
struct Doing {
    issue: String,
    step: String,
    since: String,
}

fn list(setup: &Setup, json: bool) -> Result<(), CliError> {
    let known = setup.known(&History::Since(SystemClock.now()))?;
    let month = known.now.month();
    let agents = setup.config.crew().map(|agent| row(setup, &known, agent, &month)).collect();
    let listed = Listed { month, agents };
    if json {
        return print_json(&listed);
    }
    for row in &listed.agents {
        for line in row.lines(&listed.month) {
            anstream::println!("{line}");
        }
    }
    Ok(())
}

fn row(setup: &Setup, known: &Known, agent: &Agent, month: &str) -> Row {
    let (backend, model, url, command) = match &agent.backend {
        Backend::Claude(claude) => {
            let model = claude.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned());
            let elsewhere = claude.base_url.host_str() != Some("api.anthropic.com");
            ("claude", Some(model), elsewhere.then(|| claude.base_url.to_string()), None)
        }
        Backend::Command(words) => ("command", None, None, Some(words.join(" "))),
    };
    Row {
        name: agent.name.to_string(),
        backend,
        model,
        url,
        command,
        roles: roles(known, agent),
        accounts: agent.accounts.iter().map(ToString::to_string).collect(),
        identity: identity(setup, &known.ledger, agent).map(|login| login.0),
        author: agent.author.to_string(),
        doing: doing(&known.ledger, &agent.name),
        cost_usd: known.ledger.cost_of(&agent.name, month).dollars(),
        budget_usd: agent.budget.unwrap_or(setup.config.limits.usd_run).dollars(),
    }
}

/// The roles that it is named for, and those that the formulas give it.
fn roles(known: &Known, agent: &Agent) -> Vec<String> {
    let crew: &Crew = &known.policy.crew;
    let steps = known.policy.projects.values().flat_map(|p| p.formulas.values()).flat_map(|f| &f.steps);
    let asked = steps.filter_map(|step| match &step.kind {
        StepKind::Agent { role, hire, .. } => Some((role, hire)),
        StepKind::Verify { .. }
        | StepKind::Run { .. }
        | StepKind::Propose(_)
        | StepKind::Gate(_)
        | StepKind::Enter { .. }
        | StepKind::Leave { .. } => None,
    });
    let done = asked.filter(|(role, hire)| crew.of_step(role, hire).name == agent.name);
    let mut roles: Vec<String> = done.map(|(role, _)| role.clone()).collect();
    roles.extend(agent.roles.iter().cloned());
    roles.sort();
    roles.dedup();
    roles
}

fn identity(setup: &Setup, ledger: &Ledger, agent: &Agent) -> Option<Login> {
    let facts = || ledger.projects.values().filter_map(|p| p.facts.as_ref());
    if agent.token.is_some() {
        return facts().find_map(|f| f.others.get(&agent.name).cloned());
    }
    facts().next().map(|f| f.login.clone()).or_else(|| setup.config.forge.login.clone())
}

fn doing(ledger: &Ledger, name: &AgentName) -> Vec<Doing> {
    let open = ledger.issues().flat_map(|(subject, state)| state.hands().map(move |(_, open)| (subject.clone(), open)));
    let at_work = open.filter_map(|(subject, open)| {
        let Intent::Agent { step, agent, .. } = &open.intent else { return None };
        let who = agent.clone().unwrap_or_else(AgentName::usual);
        (who == *name).then(|| Doing { issue: subject.to_string(), step: step.to_string(), since: open.since.to_string() })
    });
    at_work.collect()
}

impl Row {
    fn lines(&self, month: &str) -> Vec<String> {
        let what = match (&self.model, &self.command) {
            (Some(model), _) => model.clone(),
            (None, command) => command.clone().unwrap_or_default(),
        };
        let at = self.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        let roles = if self.roles.is_empty() { "none: no step asks for it".to_owned() } else { self.roles.join(", ") };
        let accounts = if self.accounts.is_empty() { "none needed".to_owned() } else { self.accounts.join(", then ") };
        let mut lines = vec![
            format!("{}  {} {what}{at}", self.name, self.backend),
            format!("  roles     {roles}"),
            format!("  account   {accounts}"),
            format!(
                "  identity  {}, author {}",
                self.identity.as_deref().unwrap_or("not known before the first look"),
                self.author
            ),
            format!("  cost      ${:.2} in {month}; a run may cost ${:.2}", self.cost_usd, self.budget_usd),
        ];
        lines.extend(self.doing.iter().map(|d| format!("  at work   {} ({}), since {}", d.issue, d.step, d.since)));
        lines
    }
}

/// What an agent is asked for by, for people.
fn of_secret(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => name.clone(),
        SecretSource::File(path) => path.display().to_string(),
        SecretSource::Credential(name) => format!("credential {name}"),
    }
}
