//! The formulas that there are, for a project whose base branch has some of its own.

use std::collections::BTreeMap;

use crate::model::{Formula, FormulaName};

/// Formulas, with what a base branch lays over them.
pub trait Formulas: Send + Sync {
    /// A formula that is made from some of these files of a base branch: texts by their paths below `.forgehand/`, such as
    /// `formulas/fix.toml` or `prompts/fix.md`. None where it uses none of them.
    ///
    /// # Errors
    /// What is wrong with them, in a line for each mistake.
    fn over(&self, name: &FormulaName, files: &BTreeMap<String, String>) -> Option<Result<Formula, String>>;
}
