//! The formulas that there are: the shipped ones, and those of the configuration folder, which come first.
//!
//! Promises: a formula, prompt or schema is found in the same place by whoever asks, the daemon or an author's command; what was asked for is
//! remembered, so that a file that nobody names can be told.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::formula::{self, FormulaErrors, Sources};
use crate::model::{Formula, Triggers};

/// The formulas that there are.
pub(super) struct Library {
    /// The folder beside the configuration; none: only what is shipped.
    folder: Option<PathBuf>,
    asked: RefCell<BTreeSet<PathBuf>>,
}

/// A formula's text.
pub(super) struct Text {
    /// What errors call its file.
    pub(super) file: String,
    pub(super) text: String,
    /// Its file, where it is no shipped one.
    pub(super) own: Option<PathBuf>,
}

impl Library {
    /// Those of a configuration folder too.
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), asked: RefCell::default() }
    }

    /// Those that are shipped.
    pub(super) fn shipped() -> Self {
        Self { folder: None, asked: RefCell::default() }
    }

    /// The folder of the author's own.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// All names, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.named("formulas", ".toml", formula::shipped_names())
    }

    /// A formula by its name.
    pub(super) fn text(&self, name: &str) -> Option<Text> {
        if let Some((path, text)) = self.own(&format!("formulas/{name}.toml")) {
            return Some(Text { file: path.display().to_string(), text, own: Some(path) });
        }
        let text = formula::shipped_text(name)?.to_owned();
        Some(Text { file: format!("formulas/{name}.toml"), text, own: None })
    }

    /// Loads a formula; none where there is none of that name.
    pub(super) fn load(&self, name: &str) -> Option<Result<Formula, FormulaErrors>> {
        let Text { file, text, .. } = self.text(name)?;
        let prompts = |prompt: &str| {
            let own = self.own(&format!("prompts/{prompt}")).map(|(_, text)| text);
            own.or_else(|| formula::shipped_prompt(prompt).map(str::to_owned))
        };
        let schemas = |schema: &str| {
            let file = format!("formulas/schemas/{schema}.json");
            let own = self.own(&file).map(|(path, text)| (path.display().to_string(), text));
            own.or_else(|| Some((file, formula::shipped_schema(schema)?.to_owned())))
        };
        let formulas = |name: &str| self.text(name).map(|found| (found.file, found.text));
        let schema_names = self.named("formulas/schemas", ".json", formula::shipped_schema_names());
        let names = self.names();
        let sources =
            Sources { prompts: &prompts, schemas: &schemas, schema_names: &schema_names, formulas: &formulas, names: &names };
        Some(formula::load_from(&file, &text, &sources).map(|loaded| triggered(loaded, name)))
    }

    /// The author's own prompts and schemas that nothing asked for that was loaded so far.
    pub(super) fn idle(&self) -> Vec<PathBuf> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let files = ["prompts", "formulas/schemas"].into_iter().flat_map(|part| super::in_force::files_below(&folder.join(part)));
        let written = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "md" || ending == "json");
        files.filter(written).filter(|file| !self.asked.borrow().contains(file)).collect()
    }

    /// A file of the configuration folder. A name that leads out of it is none.
    fn own(&self, place: &str) -> Option<(PathBuf, String)> {
        let inside = Path::new(place).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let path = self.folder.as_ref().filter(|_| inside)?.join(place);
        let text = std::fs::read_to_string(&path).ok()?;
        self.asked.borrow_mut().insert(path.clone());
        Some((path, text))
    }

    fn named(&self, part: &str, ending: &str, shipped: Vec<String>) -> Vec<String> {
        let entries = self.folder.iter().flat_map(|folder| std::fs::read_dir(folder.join(part))).flatten().flatten();
        let own = entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(ending)?.to_owned()));
        let mut names: Vec<String> = shipped.into_iter().chain(own).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// What takes a shipped one's place takes its trigger too, unless it names one.
fn triggered(mut formula: Formula, name: &str) -> Formula {
    if formula.trigger == Triggers::default()
        && let Some(shipped) = formula::shipped_formula(name)
    {
        formula.trigger = shipped.trigger;
    }
    formula
}
