//! Formulas: workflows in TOML with Handlebars templates, checked when they are loaded.
//!
//! Promises: what is loaded can run. Every mistake is found at once, with its file, line and what to do; the steps can only go forward, but
//! for a bounded way back to an agent step; each template's syntax and each name in it are checked, and text from outside can only stand
//! in it through a helper that cleans it. A loaded [`Formula`] is whole: partials are put in place, so that a run ends with what it
//! started with.

mod read;
mod shipped;
mod template;

use std::cell::RefCell;

pub use shipped::{shipped, shipped_prompt, shipped_text};

use crate::document::{self, Fault, SourceFile};
use crate::model::Formula;

/// All mistakes of a formula and its templates.
pub type FormulaErrors = document::Faults;

/// The version of the language that this program knows.
pub const VERSION: u64 = 1;

/// Where templates are found: a name such as `fix.md` or `partials/verification-failed.md`, and the text that it stands for.
pub type Prompts<'p> = dyn Fn(&str) -> Option<String> + 'p;

/// Loads a formula. `file_name` is what the errors call it; `prompts` finds the templates that it names.
pub fn load(file_name: &str, text: &str, prompts: &Prompts<'_>) -> Result<Formula, FormulaErrors> {
    let templates = template::Templates { file: SourceFile::new(file_name, text), prompts, faults: RefCell::default() };
    let formula = document::read(file_name, text, |root| read::formula(root, &templates));
    let in_templates: Vec<Fault> = templates.faults.into_inner();
    match formula {
        Ok(formula) if in_templates.is_empty() => Ok(formula),
        Ok(_) => Err(in_templates.into_iter().collect()),
        Err(faults) => Err(faults.iter().cloned().chain(in_templates).collect()),
    }
}
