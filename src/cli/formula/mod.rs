//! `forgehand formula`: what authors of formulas need. A formula is listed, shown, begun, checked, drawn and tried; nothing here has an effect
//! on a forge.

mod as_test;
mod asked;
mod ended;
pub(super) mod given;
mod graph;
mod holds;
mod lint;
mod list;
mod listed;
mod moved;
mod new;
mod probed;
mod recorded;
mod run;
mod show;
mod tagged;
mod test;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::document::nearest;
use crate::model::Formula;

pub(super) use as_test::print as print_as_test;

use super::CliError;
use super::library::{Library, Text};
use super::setup;

/// Arguments of `formula`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// A clone of the project: what `.forgehand/` of its working tree has is laid over the formulas, as a run lays that of the base branch
    #[arg(long, global = true, value_name = "DIR")]
    clone: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the formulas: the shipped ones and your own
    List(list::Arguments),
    /// Print a formula as it is written
    Show(show::Arguments),
    /// Begin a formula of your own and its prompt, beside the configuration
    New(new::Arguments),
    /// Check a formula with all that it names; all of them where none is named
    Lint(lint::Arguments),
    /// Draw the steps of a formula, in the order that they need
    Graph(graph::Arguments),
    /// Show what a run on an issue would tell agents and propose
    Run(run::Arguments),
    /// Play recorded tests: what formulas make of what agents answered
    Test(test::Arguments),
}

/// Does what an author asks for.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let clone = arguments.clone.as_deref();
    match &arguments.command {
        Command::List(a) => unlaid(clone, "list").and_then(|()| list::run(config, a)),
        Command::Show(a) => show::run(&laid(config, clone)?, a),
        Command::New(a) => unlaid(clone, "new").and_then(|()| new::run(config, a)),
        Command::Lint(a) => lint::run(&laid(config.clone(), clone)?, a).and_then(|()| together(config)),
        Command::Graph(a) => graph::run(&laid(config, clone)?, a),
        Command::Run(a) => run::run(config, clone, a),
        Command::Test(a) => test::run(&laid(config, clone)?, a),
    }
}

fn laid(config: Option<PathBuf>, clone: Option<&Path>) -> Result<Library, CliError> {
    let library = library(config)?;
    match clone {
        Some(clone) => library.laid_of_clone(clone),
        None => Ok(library),
    }
}

/// Each may be right, and those that are on not go together: then nothing of forgehand starts.
fn together(config: Option<PathBuf>) -> Result<(), CliError> {
    match setup::find_file(config).map(|file| setup::Setup::load(Some(file))) {
        Some(Ok(setup)) => {
            for project in &setup.config.projects {
                for differs in setup.labels_that_differ(project)? {
                    anstream::eprintln!(
                        "warning: {differs}\n  hint: write one colour into both; `init` creates it with the first"
                    );
                }
            }
            Ok(())
        }
        // What is wrong with the configuration itself is no formula's.
        Some(Err(_)) | None => Ok(()),
    }
}

/// For what is about the configuration's own alone.
fn unlaid(clone: Option<&Path>, command: &str) -> Result<(), CliError> {
    let refused = |_| CliError::usage(format!("`formula {command}` looks at no clone"), "leave --clone out");
    clone.map_or(Ok(()), |clone| Err(refused(clone)))
}

/// The formulas beside the configuration, which need not be right itself; the shipped ones where there is none at all.
fn library(config: Option<PathBuf>) -> Result<Library, CliError> {
    let named = config.is_some();
    match (setup::find_file(config), named) {
        (Some(file), _) => {
            let file = std::path::absolute(&file).unwrap_or(file);
            let library = Library::of(file.parent().unwrap_or(&file));
            Ok(match setup::Setup::load(Some(file.clone())) {
                Ok(setup) => library.for_crew(setup.crew()),
                Err(_) => library,
            })
        }
        (None, true) => Err(CliError::usage("the configuration is not there", "check what --config names")),
        (None, false) => Ok(Library::shipped()),
    }
}

/// A formula that must be there.
fn text(library: &Library, name: &str) -> Result<Text, CliError> {
    library.text(name).ok_or_else(|| unknown(library, name))
}

/// A formula that must be there and be right.
fn loaded(library: &Library, name: &str) -> Result<Formula, CliError> {
    let loaded = library.load(name).ok_or_else(|| unknown(library, name))?;
    loaded.map_err(|faults| CliError::file(faults.into()))
}

fn unknown(library: &Library, name: &str) -> CliError {
    let names = library.names();
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        Some(right) => format!("did you mean `{right}`?"),
        None => format!("there are {}; `forgehand formula new {}` begins one", names.join(", "), name.escape_debug()),
    };
    CliError::usage(format!("there is no formula `{}`", name.escape_debug()), hint)
}
