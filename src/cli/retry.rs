//! `forgehand retry N`: leaves a command for the daemon, or for the next `once`.

use std::path::PathBuf;

use crate::model::{Command, Decision, JournalId, LabelNames, Subject, Wanted, WantedBy};

use super::formula::given;
use super::setup::Setup;
use super::{CliError, subject};

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The issue: 7, or owner/name#7
    issue: String,
    /// What an input of the formula that works on it is given, at each attempt from now on; those that are not named have their defaults. Other
    /// than a text it is written as JSON
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
}

/// Leaves the command.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let subject = subject::parse(&setup.config, &arguments.issue)?;
    let given = match arguments.inputs.as_slice() {
        [] => None,
        named => Some(Box::new(wanted(&setup, &subject, named)?)),
    };
    setup.leave(subject, "is handed to an agent again", |subject| Command::Retry { subject, given: given.clone() })
}

/// The formula that the queue starts, with its inputs.
fn wanted(setup: &Setup, subject: &Subject, named: &[String]) -> Result<Wanted, CliError> {
    let policy = setup.policy(JournalId(String::new()))?;
    let (repo, names) = (&subject.repo, LabelNames::default());
    let formula = policy.projects.get(repo).and_then(|project| project.started_by(names.of(Decision::Queue)));
    let Some(formula) = formula else {
        let hint = "name one in `formulas` of the project; `fix` is the shipped one";
        return Err(CliError::usage(format!("no formula that is on for {repo} works on what is queued"), hint));
    };
    let inputs = given::of(formula, named)?;
    given::startable(formula, inputs.clone())?;
    Ok(Wanted { formula: formula.name.clone(), inputs, by: WantedBy::Hand })
}
