//! The formulas that there are: the shipped ones, those of the configuration folder, which come first, and those of a project's base branch,
//! which are laid over both.
//!
//! Promises: a formula, prompt or schema is found in the same place by whoever asks, the daemon or an author's command; what was asked for is
//! remembered, so that a file that nobody names can be told.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::formula::{self, FormulaErrors, Sources};
use crate::model::{Formula, FormulaName, Triggers};
use crate::ports::Formulas;

/// Mistakes of a base branch's formula that are said.
const MISTAKES: usize = 3;

/// The formulas that there are.
pub(super) struct Library {
    /// What a base branch has, by paths below `.forgehand/`.
    over: BTreeMap<String, String>,
    /// Some of that was asked for.
    laid: Cell<bool>,
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
        Self { folder: Some(folder.to_owned()), ..Self::shipped() }
    }

    /// Those that are shipped.
    pub(super) fn shipped() -> Self {
        Self { over: BTreeMap::new(), laid: Cell::new(false), folder: None, asked: RefCell::default() }
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
        let place = format!("formulas/{name}.toml");
        if let Some(text) = self.over(&place) {
            return Some(Text { file: format!(".forgehand/{place}"), text, own: None });
        }
        if let Some((path, text)) = self.own(&place) {
            return Some(Text { file: path.display().to_string(), text, own: Some(path) });
        }
        let text = formula::shipped_text(name)?.to_owned();
        Some(Text { file: place, text, own: None })
    }

    /// Loads a formula; none where there is none of that name.
    pub(super) fn load(&self, name: &str) -> Option<Result<Formula, FormulaErrors>> {
        let Text { file, text, .. } = self.text(name)?;
        let prompts = |prompt: &str| {
            let place = format!("prompts/{prompt}");
            let own = self.over(&place).or_else(|| self.own(&place).map(|(_, text)| text));
            own.or_else(|| formula::shipped_prompt(prompt).map(str::to_owned))
        };
        let schemas = |schema: &str| {
            let file = format!("formulas/schemas/{schema}.json");
            if let Some(text) = self.over(&file) {
                return Some((format!(".forgehand/{file}"), text));
            }
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

    /// A file of the base branch.
    fn over(&self, place: &str) -> Option<String> {
        let text = self.over.get(place)?.clone();
        self.laid.set(true);
        Some(text)
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
        let over = self.over.keys().filter_map(|place| place.strip_prefix(part)?.strip_prefix('/')?.strip_suffix(ending));
        let over: Vec<String> = over.filter(|name| !name.contains('/')).map(str::to_owned).collect();
        let mut names: Vec<String> = shipped.into_iter().chain(own).chain(over).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The formulas of a configuration folder, for runs whose project has files of its own for them.
pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl Formulas for Shelf {
    fn over(&self, name: &FormulaName, files: &BTreeMap<String, String>) -> Option<Result<Formula, String>> {
        let library = Library { over: files.clone(), ..Library::of(&self.folder) };
        let loaded = library.load(name.as_str())?;
        // The first mistake often is the reason for the others.
        let said = |faults: FormulaErrors| faults.lines().into_iter().take(MISTAKES).collect::<Vec<_>>().join("; ");
        library.laid.get().then(|| loaded.map_err(said))
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
