//! Formulas: workflows in TOML with Handlebars templates, checked when they are loaded.
//!
//! Promises: what is loaded can run. Every mistake is found at once, with its file, line and what to do; the steps can only go forward, but
//! for a bounded way back to an agent step; each template's syntax and each name in it are checked, and text from outside can only stand
//! in it through a helper that cleans it. What is proposed was run on first, and what a gate waits for is there by then. A loaded [`Formula`] is whole: partials and called formulas are put in place, so that a run ends with what it
//! started with.

mod agents;
mod asks;
mod bounds;
mod call;
mod cron;
mod described;
mod draft;
mod each;
pub mod expression;
mod extends;
mod filer;
mod gated;
mod head;
mod held;
pub mod inputs;
mod mirror;
mod needed;
mod nesting;
mod order;
mod over;
mod page;
mod propose;
mod reach;
mod read;
mod runs;
pub mod scope;
mod shape;
mod shipped;
mod starts;
mod template;
mod unheld;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

pub use agents::Hiring;
pub use cron::Cron;
pub use each::{item as each_item, specs as input_specs, variable, with_item};
pub use filer::{Block, filer_block};
pub use head::tool_names;
pub use mirror::schema;
pub use over::{OVER_FILE, OVER_FILES, OVER_FOLDER, laid_over};
pub use page::page;
pub use propose::unfit as unfit_label;
pub use shipped::{
    shipped, shipped_formula, shipped_names, shipped_prompt, shipped_schema, shipped_schema_names, shipped_tests, shipped_text,
    shipped_that,
};
pub use unheld::{Unheld, asked_for, unheld};

use self::call::Calls;
use crate::document::{self, Fault, SourceFile};
use crate::model::Formula;

/// All mistakes of a formula and its templates.
pub type FormulaErrors = document::Faults;

/// The version of the language that this program knows.
pub const VERSION: u64 = 1;

/// Where templates are found: a name such as `fix.md` or `partials/verification-failed.md`, and the text that it stands for.
pub type Prompts<'p> = dyn Fn(&str) -> Option<String> + 'p;

/// Where formulas are found that another calls: a name such as `lint`, and what errors call its file, with its text.
pub type Formulas<'f> = dyn Fn(&str) -> Option<(String, String)> + 'f;

/// Where a formula finds what it names.
#[derive(Clone, Copy)]
pub struct Sources<'s> {
    /// Its templates.
    pub prompts: &'s Prompts<'s>,
    /// The schemas of its agents' outputs: a name such as `fix-result`, and what errors call its file, with its text.
    pub schemas: &'s Formulas<'s>,
    /// The names of all schemas that could be named.
    pub schema_names: &'s [String],
    /// The formulas that it calls.
    pub formulas: &'s Formulas<'s>,
    /// The names of all formulas that could be called.
    pub names: &'s [String],
    /// Who may be asked to work; none where no configuration is there to say it.
    pub hiring: Option<Hiring<'s>>,
}

/// Loads a formula that calls none but shipped ones. `file_name` is what the errors call it; `prompts` finds the templates that it names.
pub fn load(file_name: &str, text: &str, prompts: &Prompts<'_>) -> Result<Formula, FormulaErrors> {
    let shipped = |name: &str| Some((format!("formulas/{name}.toml"), shipped_text(name)?.to_owned()));
    let schemas = |name: &str| Some((format!("formulas/schemas/{name}.json"), shipped_schema(name)?.to_owned()));
    let (names, schema_names) = (shipped_names(), shipped_schema_names());
    let sources =
        Sources { prompts, schemas: &schemas, schema_names: &schema_names, formulas: &shipped, names: &names, hiring: None };
    load_from(file_name, text, &sources)
}

/// The keys that the reader asks a formula for, each with its tables: `step[].on_failure.to`. `text` shows them all.
pub fn known_keys(text: &str, sources: &Sources<'_>) -> BTreeSet<String> {
    let layer = document::Layer { file: String::new(), text: text.to_owned() };
    let files = document::Layers::new(&[layer]);
    let templates = template::Templates {
        files,
        prompts: sources.prompts,
        faults: RefCell::default(),
        partials: Cell::default(),
        broken: RefCell::default(),
    };
    document::known_keys(text, |root| read::formula(root, &templates, &Calls::none(sources)))
}

/// Loads a formula, and those that it calls.
pub fn load_from(file_name: &str, text: &str, sources: &Sources<'_>) -> Result<Formula, FormulaErrors> {
    load_within(file_name, text, &Calls::none(sources))
}

/// What is wrong with a file that was read with marks in place of what is no UTF-8.
fn unreadable(source: &SourceFile, text: &str) -> Option<Fault> {
    let at = text.find(char::REPLACEMENT_CHARACTER)?;
    let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
    Some(Fault::at(source, span, "this is no UTF-8 text", Some("save the file as UTF-8".to_owned())))
}

/// Loads the formula at the end of a chain of calls.
fn load_within(file_name: &str, text: &str, calls: &Calls<'_>) -> Result<Formula, FormulaErrors> {
    let layers = extends::layers(file_name, text, calls.sources).map_err(|fault| FormulaErrors::from_iter([fault]))?;
    let found = layers.iter().filter_map(|layer| unreadable(&SourceFile::new(&layer.file, &layer.text), &layer.text));
    let found: FormulaErrors = found.collect();
    if found.iter().next().is_some() {
        return Err(found);
    }
    let (files, prompts) = (document::Layers::new(&layers), calls.sources.prompts);
    let templates =
        template::Templates { files, prompts, faults: RefCell::default(), partials: Cell::default(), broken: RefCell::default() };
    let formula = document::read_layers(&layers, &extends::RULES, |root| read::formula(root, &templates, calls));
    let elsewhere: Vec<Fault> = templates.faults.into_inner();
    match formula {
        Ok(formula) if elsewhere.is_empty() => Ok(formula),
        Ok(_) => Err(elsewhere.into_iter().collect()),
        Err(faults) => Err(faults.iter().cloned().chain(elsewhere).collect()),
    }
}
