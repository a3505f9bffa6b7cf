//! The command line: one file for each command. All reading of arguments, files of the configuration and printing is here.
//!
//! Promises: exit codes 0, 1 internal, 2 configuration or usage, 3 forge, 4 environment; every error has a hint; what a machine may read
//! is JSON on stdout with `--json`, and nothing else there.

mod accounts;
mod agents;
mod board;
mod cancel;
mod completions;
mod deliveries;
mod demo;
mod doctor;
mod doorway;
mod error;
mod explain;
mod export;
mod formula;
mod gc;
mod guard;
mod import;
mod in_force;
mod init;
mod library;
mod localforge;
mod logging;
mod logs;
mod man;
mod nobody;
mod once;
mod ops;
#[cfg(feature = "otlp")]
mod otlp;
mod pause;
mod places;
mod reload;
mod resume;
mod retry;
mod run;
mod said;
mod schedule;
mod scheduled;
mod schema;
mod setup;
mod standing;
mod status;
mod subject;
mod survey;
mod telling;
mod unheld;
mod vault;
mod visitors;
mod wiring;

use std::io::Write as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::ports::Doors;

pub use error::{CliError, Kind};

/// Hires coding agents for a self-hosted Forgejo: issues in, verified pull requests out.
#[derive(Debug, Parser)]
#[command(name = "forgehand", version, about, max_term_width = 110)]
struct Arguments {
    /// The configuration file [default: ./forgehand.toml, then ~/.config/forgehand/, then /etc/forgehand/]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set a forge up: check the token, create labels and webhook, write the configuration
    Init(Box<init::Arguments>),
    /// Look at everything that a run needs, and say what to mend
    Doctor(doctor::Arguments),
    /// Watch the forge and work until stopped
    Run(run::Arguments),
    /// Look, act, wait for what was started, and end when nothing more can move now: for cron
    Once(once::Arguments),
    /// Show the board: every issue of ours, and why it waits
    Status(status::Arguments),
    /// Tell where an issue stands, what it waits for and why, and what would move it
    Explain(explain::Arguments),
    /// Tell the story of an issue's runs from the journal
    Logs(logs::Arguments),
    /// Hand an issue to an agent again, its attempts counted anew
    Retry(retry::Arguments),
    /// Stop what runs on an issue and hand it to a person; the work is kept
    Cancel(cancel::Arguments),
    /// Remove what was kept long enough, and repack mirrors
    Gc(gc::Arguments),
    /// Write the journal out as lines of JSON
    Export(export::Arguments),
    /// Read a journal that `export` wrote into an empty state folder
    Import(import::Arguments),
    /// Start nothing new: at all, in a project, or on an issue; what runs goes on
    Pause(pause::Arguments),
    /// Take a pause back
    Resume(resume::Arguments),
    /// List the agents, hire one, dismiss one
    Agents(agents::Arguments),
    /// List, show, begin, check and try the workflows that agents are given
    Formula(formula::Arguments),
    /// Tell how much a change could break, and why
    Vault(vault::Arguments),
    /// Lay out the operations repository, and protect what is to be protected there
    Ops(ops::Arguments),
    /// Serve the small embedded forge on loopback
    Localforge(localforge::Arguments),
    /// Show the whole line on the embedded forge, with a scripted agent
    Demo(demo::Arguments),
    /// Print what a shell needs to complete the commands
    Completions(completions::Arguments),
    /// Print the manual page, or write the pages of all commands into a folder
    Man(man::Arguments),
    /// Print the JSON schema of forgehand.toml, or of a formula, for editors
    Schema(schema::Arguments),
}

/// Runs the program, and answers with its exit code. `doors` opens what `[daemon] listen` asks for.
pub fn main(doors: &dyn Doors) -> ExitCode {
    // The demo's agent is no command of people: it stands in no help, completion or manual.
    if std::env::args_os().nth(1).is_some_and(|first| first == "__scripted") {
        return ended(demo::scripted());
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let usage = error.use_stderr();
            // A closed pipe is no reason to fail: whoever asked for help has seen enough.
            let _closed_pipe = error.print();
            return if usage { ExitCode::from(Kind::Usage.code()) } else { ExitCode::SUCCESS };
        }
    };
    ended(dispatch(arguments, doors))
}

fn ended(result: Result<(), CliError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            ExitCode::from(error.kind().code())
        }
    }
}

fn dispatch(arguments: Arguments, doors: &dyn Doors) -> Result<(), CliError> {
    let config = arguments.config;
    match arguments.command {
        Command::Run(a) => run::run(config, &a, doors),
        Command::Init(a) => init::run(config, &a),
        Command::Doctor(a) => doctor::run(config, &a),
        Command::Once(a) => once::run(config, &a),
        Command::Status(a) => status::run(config, &a),
        Command::Explain(a) => explain::run(config, &a),
        Command::Logs(a) => logs::run(config, &a),
        Command::Retry(a) => retry::run(config, &a),
        Command::Cancel(a) => cancel::run(config, &a),
        Command::Gc(a) => gc::run(config, &a),
        Command::Export(a) => export::run(config, &a),
        Command::Import(a) => import::run(config, &a),
        Command::Pause(a) => pause::run(config, &a),
        Command::Resume(a) => resume::run(config, &a),
        Command::Agents(a) => agents::run(config, &a),
        Command::Formula(a) => formula::run(config, &a),
        Command::Vault(a) => vault::run(config, &a),
        Command::Ops(a) => ops::run(config, &a),
        Command::Localforge(a) => localforge::run(&a),
        Command::Demo(a) => demo::run(&a),
        Command::Completions(a) => {
            completions::run(Arguments::command(), &a);
            Ok(())
        }
        Command::Man(a) => man::run(Arguments::command(), &a),
        Command::Schema(args) => schema::run(&args),
    }
}

/// Does something on a runtime of its own: two threads are enough for what mostly waits. What is done is boxed, or its code would be made
/// once for each way in which a runtime comes to it.
fn block_on<'w, T>(work: impl Future<Output = T> + 'w) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|e| {
        CliError::environment("the runtime could not be started", e, "see whether the machine is out of threads or memory")
    })?;
    let work: Pin<Box<dyn Future<Output = T> + 'w>> = Box::pin(work);
    Ok(runtime.block_on(work))
}

/// Prints what was made in full. Whoever closed the pipe has seen enough.
fn print_bytes(bytes: &[u8]) {
    let _closed_pipe = std::io::stdout().write_all(bytes);
}
