//! `forgehand formula show NAME`: a formula as it is written. Where it comes from is told on stderr, so that the rest can be a new file.

use crate::cli::library::Library;
use crate::cli::{CliError, print_bytes};
use crate::model::{Crew, Formula, Step, StepKind, Works};

/// Where its agents are not what the configuration has for their roles.
fn otherwise(formula: &Formula, crew: Option<&Crew>) -> Vec<String> {
    let line = |step: &Step| {
        let StepKind::Agent { role, hire, .. } = &step.kind else { return None };
        let does = crew.map(|crew| crew.of_step(role, hire)).zip(crew.map(|crew| crew.of_role(role)));
        let other = does.filter(|(does, own)| does.name != own.name);
        let who = other.map(|(does, own)| format!("agent {} does it, and not {}", does.name, own.name));
        let usual = does.and_then(|(does, _)| match &does.works {
            Works::Claude { model } => Some(model),
            Works::Command => None,
        });
        let model = hire.model.as_ref().filter(|model| usual != Some(*model)).map(|model| match usual {
            Some(usual) => format!("with {model}, and not with {usual}"),
            None => format!("with {model}"),
        });
        let said: Vec<String> = who.into_iter().chain(model).collect();
        (!said.is_empty()).then(|| format!("step {}, role {role}: {}", step.id, said.join(", ")))
    };
    formula.steps.iter().filter_map(line).collect()
}

/// Arguments of `formula show`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The formula
    name: String,
}

/// Prints it.
pub(super) fn run(library: &Library, arguments: &Arguments) -> Result<(), CliError> {
    let found = super::text(library, &arguments.name)?;
    match &found.own {
        Some(path) => anstream::eprintln!("from {}", path.display()),
        None => anstream::eprintln!("shipped; a file formulas/{}.toml beside the configuration takes its place", arguments.name),
    }
    // One with mistakes is printed too; `lint` says them.
    if let Some(Ok(formula)) = library.load(&arguments.name) {
        otherwise(&formula, library.crew()).iter().for_each(|line| anstream::eprintln!("{line}"));
    }
    print_bytes(found.text.as_bytes());
    Ok(())
}
