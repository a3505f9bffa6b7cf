//! `forgehand retry N`: leaves a command for the daemon, or for the next `once`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::journal::History;
use crate::model::{Command, Decision, Formula, JournalId, LabelNames, Subject, Wanted, WantedBy};

use super::formula::given;
use super::setup::Setup;
use super::{CliError, subject};

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The issue: 7, or owner/name#7
    issue: String,
    /// What an input of the formula that works on it is given, at each attempt from now on; those that are not named have what they were given
    /// last. Other than a text it is written as JSON
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Inputs that are not named go back to their defaults
    #[arg(long)]
    defaults: bool,
}

/// Leaves the command.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let subject = subject::parse(&setup.config, &arguments.issue)?;
    let given = match (arguments.inputs.as_slice(), arguments.defaults) {
        ([], false) => None,
        (named, defaults) => Some(Box::new(wanted(&setup, &subject, named, defaults)?)),
    };
    setup.leave(subject, "is handed to an agent again", |subject| Command::Retry { subject, given: given.clone() })
}

/// The formula that the queue starts, with its inputs: those that are named, and of the rest what it was given last.
fn wanted(setup: &Setup, subject: &Subject, named: &[String], defaults: bool) -> Result<Wanted, CliError> {
    let policy = setup.policy(JournalId(String::new()))?;
    let (repo, names) = (&subject.repo, LabelNames::default());
    let formula = policy.projects.get(repo).and_then(|project| project.started_by(names.of(Decision::Queue)));
    let Some(formula) = formula else {
        let hint = "name one in `formulas` of the project; `fix` is the shipped one";
        return Err(CliError::usage(format!("no formula that is on for {repo} works on what is queued"), hint));
    };
    let mut inputs = if defaults { BTreeMap::new() } else { last(setup, subject, formula)? };
    inputs.extend(given::of(formula, named)?);
    given::startable(formula, inputs.clone())?;
    Ok(Wanted { formula: formula.name.clone(), inputs, by: WantedBy::Hand })
}

/// What it was given last, of what it still takes.
fn last(setup: &Setup, subject: &Subject, formula: &Formula) -> Result<BTreeMap<String, Json>, CliError> {
    let ledger = setup.ledger(&History::Of(subject.clone()))?;
    let given = ledger.issue(subject).and_then(|state| state.given.as_ref()).filter(|(of, _)| *of == formula.name);
    let takes = |name: &String| formula.inputs.iter().any(|spec| spec.name == *name);
    Ok(given.into_iter().flat_map(|(_, given)| given.clone()).filter(|(name, _)| takes(name)).collect())
}
