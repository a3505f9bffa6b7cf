//! `forgehand formula test [NAME]`: what formulas make of recorded answers. No agent, no forge, no configuration that works is needed.

use serde::Serialize;

use crate::cli::library::Library;
use crate::cli::setup::print_json;
use crate::cli::{CliError, Kind};
use crate::document::nearest;

use super::recorded::{self, Test};

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
    for (test, shipped) in recorded::tests(library.folders())? {
        let name = test.recorded.formula.get_ref();
        if arguments.name.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        // What is shipped is about the shipped formula, and not about one in its place.
        if !shipped || library.text(name).is_some_and(|found| found.own.is_none()) {
            rows.push(played(library, &test)?);
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
