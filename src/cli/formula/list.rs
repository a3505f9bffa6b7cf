//! `forgehand formula list`: which formulas there are, what starts them, and whether a project names them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::CliError;
use crate::cli::library::Library;
use crate::cli::setup::{self, Setup, print_json};
use crate::model::FormulaName;
use crate::words;

/// Arguments of `formula list`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// JSON for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// These three are null for one that does not load.
    title: Option<String>,
    trigger: Option<String>,
    blast_radius: Option<&'static str>,
    /// `shipped`, or the path of its file.
    source: String,
    /// A project names it.
    enabled: bool,
}

/// Lists them.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let (library, enabled) = match config.is_some() || setup::find_file(None).is_some() {
        true => {
            let setup = Setup::load(config)?;
            let enabled = setup.config.projects.iter().flat_map(|project| project.formulas.clone()).collect();
            (setup.library(), enabled)
        }
        false => (Library::shipped(), BTreeSet::new()),
    };
    let rows: Vec<Row> = library.names().into_iter().filter_map(|name| row(&library, name, &enabled)).collect();
    if arguments.json {
        return print_json(&rows);
    }
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (names, triggers) = (width(|row| row.name.len()), width(|row| row.trigger.as_ref().map_or(0, String::len)));
    for row in &rows {
        let trigger = row.trigger.as_deref().unwrap_or_default();
        let risk = row.blast_radius.unwrap_or("?");
        let on = if row.enabled { "on" } else { "off" };
        anstream::println!("{:names$}  {on:3}  {risk:6}  {trigger:triggers$}  {}", row.name, row.says());
    }
    Ok(())
}

fn row(library: &Library, name: String, enabled: &BTreeSet<FormulaName>) -> Option<Row> {
    let source = library.text(&name)?.own.map_or_else(|| "shipped".to_owned(), |path| path.display().to_string());
    let formula = library.load(&name)?.ok();
    let enabled = enabled.contains(&FormulaName::from(name.as_str()));
    let trigger = formula.as_ref().map(|formula| words::triggers(&formula.trigger));
    let blast_radius = formula.as_ref().map(|formula| words::risk(formula.blast_radius));
    Some(Row { name, title: formula.map(|formula| formula.title), trigger, blast_radius, source, enabled })
}

impl Row {
    fn says(&self) -> String {
        let title = match &self.title {
            Some(title) => title.clone(),
            None => format!("it does not load: `forgehand formula lint {}` says why", self.name),
        };
        if self.source == "shipped" { title } else { format!("{title} ({})", self.source) }
    }
}
