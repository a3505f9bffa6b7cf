//! `forgehand formula lint [NAME] [--clone DIR]`: every mistake of a formula and of all that it names, and what is there for nothing; of a
//! clone's `.forgehand/` also what a run would refuse, because it could do more than the configuration's own.

use std::ops::Range;
use std::path::Path;

use serde::Serialize;

use crate::cli::library::{Library, Text};
use crate::cli::setup::print_json;
use crate::cli::{CliError, Kind};
use crate::document::{self, Fault, SourceFile};
use crate::formula;
use crate::model::{Crew, Formula, FormulaName};

/// Arguments of `formula lint`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The formula; all of them where it is left out, those too that no project names
    name: Option<String>,
    /// JSON for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    file: String,
    line: usize,
    column: usize,
    severity: Severity,
    what: String,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// It cannot be loaded.
    Error,
    /// It can be, and is hardly what was meant.
    Warning,
}

/// Checks.
pub(super) fn run(library: &Library, arguments: &Arguments) -> Result<(), CliError> {
    let names = match &arguments.name {
        Some(name) => vec![name.clone()],
        None => library.names(),
    };
    let mut found: Vec<Finding> = Vec::new();
    for name in &names {
        let text = super::text(library, name)?;
        for finding in examined(library, name, &text) {
            // What two formulas name is wrong once.
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error).count();
    // One that does not load may not have come to all that it names.
    if arguments.name.is_none() && errors == 0 {
        found.extend(library.idle().iter().map(|file| idle(&file.display().to_string())));
        found.extend(library.idle_over().into_iter().map(|place| idle(&library.over_name(place))));
    }
    if arguments.json {
        print_json(&found)?;
    } else {
        found.iter().for_each(Finding::print);
        let warnings = found.len() - errors;
        anstream::println!("{}: {}, {}", counted(names.len(), "formula"), counted(errors, "error"), counted(warnings, "warning"));
    }
    if errors == 0 { Ok(()) } else { Err(CliError::told(Kind::Usage)) }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn examined(library: &Library, name: &str, text: &Text) -> Vec<Finding> {
    match library.load(name) {
        Some(Ok(formula)) => {
            let mut found = remarks(name, &formula, text);
            found.extend(library.crew().map(|crew| unheld(&formula, crew, text)).into_iter().flatten());
            found.extend(library.is_laid().then(|| laid(library, name, formula, text)).flatten());
            found
        }
        Some(Err(faults)) => faults.iter().map(|fault| Finding::of(fault, Severity::Error, library.folders())).collect(),
        None => Vec::new(),
    }
}

/// What a run would say of a formula that a base branch has a part of.
fn laid(library: &Library, name: &str, formula: Formula, text: &Text) -> Option<Finding> {
    let at = |what: String, help: &str, severity| {
        let (places, source) = (Places::of(text), SourceFile::new(&text.file, &text.text));
        Finding::of(&Fault::at(&source, places.name.unwrap_or(0..0), what, Some(help.to_owned())), severity, std::iter::empty())
    };
    match library.configured().load(name) {
        Some(Ok(configured)) => {
            let why = formula::laid_over(formula, &configured).err()?;
            let what = format!("a run would refuse it: {why}");
            Some(at(what, "a base branch only does less than the configuration; what is more goes there", Severity::Error))
        }
        // That one is told by itself, without --clone.
        Some(Err(_)) => None,
        None if library.is_called(name) => None,
        None => {
            let help = "name it as that one, call it in another with `formula = `, or put it beside the configuration";
            Some(at("nothing starts it: the configuration has no formula of that name".to_owned(), help, Severity::Warning))
        }
    }
}

/// Where the parts of a formula's file stand that remarks are about.
#[derive(Default)]
struct Places {
    name: Option<Range<usize>>,
    outcomes: Vec<Range<usize>>,
    inputs: Vec<(String, Range<usize>)>,
    /// The roles that its agents have.
    roles: Vec<(String, Range<usize>)>,
}

impl Places {
    fn of(text: &Text) -> Self {
        let mut places = Self::default();
        // What is unknown here was judged before; only positions are asked for.
        let _judged_before = document::read(&text.file, &text.text, |root| {
            places.name = root.value("name").map(|value| value.span());
            places.outcomes = root.tables("outcome").iter().filter_map(|table| Some(table.value("is")?.span())).collect();
            let input = |table: &document::Table<'_>| table.value("name").and_then(|value| Some((value.string()?, value.span())));
            places.inputs = root.tables("input").iter().filter_map(input).collect();
            let role = |value: document::Value<'_>| Some((value.string()?, value.span()));
            let own = root.tables("step").iter().filter_map(|table| role(table.value("agent")?)).collect::<Vec<_>>();
            places.roles = own.into_iter().chain(root.table("agent").value("role").and_then(role)).collect();
            Some(())
        });
        places
    }
}

/// What can be loaded and is hardly meant.
fn remarks(name: &str, formula: &Formula, text: &Text) -> Vec<Finding> {
    let (places, source) = (Places::of(text), SourceFile::new(&text.file, &text.text));
    let at = |span: Option<Range<usize>>, what: String, help: String, severity| {
        Finding::of(&Fault::at(&source, span.unwrap_or(0..0), what, Some(help)), severity, std::iter::empty())
    };
    let mut found = Vec::new();
    if formula.name != FormulaName::from(name) {
        let what = format!("the file is called {name}.toml, and the formula in it `{}`", formula.name);
        found.push(at(places.name.clone(), what, format!("write name = \"{name}\", or rename the file"), Severity::Error));
    }
    let always = formula.outcomes.iter().position(|ending| ending.when.is_none());
    for nth in always.map_or(0..0, |first| first + 1..formula.outcomes.len()) {
        let what = "the formula never ends as this: an outcome before it has no condition".to_owned();
        let help = "give that one a `when`, or put it last".to_owned();
        found.push(at(places.outcomes.get(nth).cloned(), what, help, Severity::Warning));
    }
    let said = said(formula);
    for input in formula.inputs.iter().filter(|input| !uses(&said, &input.name)) {
        let span = places.inputs.iter().find(|(name, _)| *name == input.name).map(|(_, span)| span.clone());
        let help = format!("name it as `inputs.{}` in a prompt or a condition, or take it out", input.name);
        found.push(at(span, format!("nothing uses the input `{}`", input.name), help, Severity::Warning));
    }
    found
}

/// Roles that no agent of the configuration has. Those of a formula that this one calls are told there.
fn unheld(formula: &Formula, crew: &Crew, text: &Text) -> Vec<Finding> {
    let (places, source) = (Places::of(text), SourceFile::new(&text.file, &text.text));
    let one = |found: formula::Unheld| {
        let role = places.roles.iter().find(|(role, _)| *role == found.role);
        let span = role.map(|(_, span)| span.clone()).or_else(|| places.name.clone()).unwrap_or(0..0);
        Finding::of(&Fault::at(&source, span, found.what, Some(found.help)), Severity::Warning, std::iter::empty())
    };
    let own = |found: &formula::Unheld| found.step.split().0.is_empty();
    formula::unheld(formula, crew, None).into_iter().filter(own).map(one).collect()
}

/// All that a formula says, its prompts and conditions too.
fn said(formula: &Formula) -> String {
    serde_json::to_string(&(&formula.steps, &formula.outcomes, &formula.limits)).unwrap_or_default()
}

fn uses(said: &str, input: &str) -> bool {
    let whole = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let dotted = format!("inputs.{input}");
    let by_dot = said.match_indices(&dotted).any(|(at, _)| said.get(at + dotted.len()..).is_some_and(whole));
    by_dot || ["'", "\\\""].iter().any(|quote| said.contains(&format!("inputs[{quote}{input}{quote}]")))
}

fn idle(file: &str) -> Finding {
    let (what, hint) = ("no formula names this file", "name it in a step, or remove it");
    Finding {
        file: file.to_owned(),
        line: 1,
        column: 1,
        severity: Severity::Warning,
        what: what.to_owned(),
        hint: Some(hint.to_owned()),
    }
}

impl Finding {
    fn of<'l>(fault: &Fault, severity: Severity, folders: impl Iterator<Item = &'l Path>) -> Self {
        // A template is called by its name; an author's own has a path, that of a clone before that beside the configuration.
        let own = folders.map(|folder| folder.join(fault.file())).filter(|path| path.is_file()).last();
        Self {
            file: own.map_or_else(|| fault.file().to_owned(), |path| path.display().to_string()),
            line: fault.line(),
            column: fault.column(),
            severity,
            what: fault.to_string(),
            hint: fault.hint().map(str::to_owned),
        }
    }

    fn print(&self) {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        anstream::println!("{}:{}:{}: {severity}: {}", self.file, self.line, self.column, self.what);
        for line in self.hint.iter().flat_map(|hint| hint.lines()) {
            anstream::println!("    hint: {line}");
        }
    }
}
