//! `forgehand formula test [NAME]`: what formulas make of recorded answers. No agent, no forge, no configuration that works is needed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::in_force::files_below;
use crate::cli::library::Library;
use crate::cli::setup::print_json;
use crate::cli::{CliError, Kind};
use crate::document::nearest;
use crate::formula;

use super::recorded::Test;

/// Arguments of `formula test`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The formula whose tests are played; all of them where it is left out
    name: Option<String>,
    /// JSON for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    file: String,
    formula: String,
    description: String,
    passed: bool,
    differs: Vec<String>,
}

/// Plays them.
pub(super) fn run(library: &Library, arguments: &Arguments) -> Result<(), CliError> {
    let mut rows = Vec::new();
    for found in tests(library.folders()) {
        let about = found.about.as_deref();
        let wanted = arguments.name.as_deref();
        match (wanted, about) {
            (Some(wanted), Some(about)) if wanted != about => continue,
            (Some(_), None) => {
                anstream::eprintln!("warning: {} was left out: it cannot be told which formula it is about", found.file);
                continue;
            }
            _ => {}
        }
        // What is shipped is about the shipped formula, and not about one in its place.
        let shipped = |name: &str| library.text(name).is_some_and(|found| found.own.is_none());
        if !found.shipped || about.is_some_and(shipped) {
            rows.push(row(library, found));
        }
    }
    if let Some(name) = arguments.name.as_ref().filter(|_| rows.is_empty()) {
        super::text(library, name)?;
        let hint =
            "put one into formulas/tests/ beside the configuration; `forgehand logs N --as-test` writes one from a real run";
        return Err(CliError::usage(format!("no test is about formula {name}"), hint));
    }
    let failed = rows.iter().filter(|row| !row.passed).count();
    if arguments.json {
        print_json(&rows)?;
    } else {
        for row in &rows {
            row.print();
        }
        anstream::println!("{} passed, {failed} failed", rows.len() - failed);
    }
    if failed == 0 { Ok(()) } else { Err(CliError::told(Kind::Usage)) }
}

/// A file of tests: what it holds, or why that is none.
struct Found {
    file: String,
    /// It is shipped.
    shipped: bool,
    test: Result<Test, CliError>,
    /// The formula that it is about, if at least that can be read.
    about: Option<String>,
}

impl Found {
    fn of(file: String, text: Result<&str, CliError>, shipped: bool) -> Self {
        #[derive(Deserialize)]
        struct About {
            formula: String,
        }
        let about = text.as_ref().ok().and_then(|text| toml::from_str::<About>(text).ok()).map(|about| about.formula);
        let test = text.and_then(|text| Test::parse(&file, text));
        Self { file, shipped, test, about }
    }
}

/// The recorded tests that are shipped, and those beside the configuration.
fn tests<'l>(folders: impl Iterator<Item = &'l Path>) -> impl Iterator<Item = Found> {
    let shipped = formula::shipped_tests();
    let shipped = shipped.map(|(name, text)| Found::of(format!("formulas/tests/{name}.toml"), Ok(text), true));
    let own = folders.flat_map(|folder| files_below(&folder.join("formulas/tests")));
    let own = own.filter(|file| file.extension().is_some_and(|ending| ending == "toml")).map(|file| {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file)
            .map_err(|e| CliError::usage(format!("{name} cannot be read"), "check its permissions").because(e));
        match text {
            Ok(text) => Found::of(name, Ok(&text), false),
            Err(error) => Found::of(name, Err(error), false),
        }
    });
    shipped.chain(own)
}

/// What is no test, and what cannot be played, fails like one that comes to something else: the others are played all the same.
fn row(library: &Library, found: Found) -> Row {
    let Found { file, test, about, .. } = found;
    test.and_then(|test| played(library, &test)).unwrap_or_else(|error| {
        error.report();
        let differs = error.lines().into_iter().map(|(what, _)| what).collect();
        Row { file, formula: about.unwrap_or_default(), description: String::new(), passed: false, differs }
    })
}

fn played(library: &Library, test: &Test) -> Result<Row, CliError> {
    let name = test.recorded.formula.get_ref();
    if library.text(name).is_none() {
        let names = library.names();
        let hint = nearest(name, names.iter().map(String::as_str))
            .map_or_else(|| format!("there are {}", names.join(", ")), |right| format!("did you mean \"{right}\"?"));
        return Err(CliError::usage(format!("{} is about `{name}`, and there is no such formula", test.file), hint));
    }
    let formula = super::loaded(library, name)?;
    test.check(&formula)?;
    let differs = match test.recorded.play(formula) {
        Ok(played) => test.recorded.differs(&played),
        Err(why) => vec![why],
    };
    Ok(Row {
        file: test.file.clone(),
        formula: name.clone(),
        description: test.recorded.description.clone(),
        passed: differs.is_empty(),
        differs,
    })
}

impl Row {
    fn print(&self) {
        let how = if self.passed { "ok  " } else { "FAIL" };
        let about = if self.description.is_empty() { String::new() } else { format!(": {}", self.description) };
        anstream::println!("{how}  {}{about}", self.file);
        for differs in &self.differs {
            anstream::println!("        {differs}");
        }
    }
}
