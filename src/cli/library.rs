//! The formulas that there are: the shipped ones, those of the configuration folder, which come first, and those of a project's base branch,
//! which are laid over both.
//!
//! Promises: a formula, prompt or schema is found in the same place by whoever asks, the daemon or an author's command; what was asked for is
//! remembered, so that a file that nobody names can be told.

use std::cell::{Cell, LazyCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::formula::{self, FormulaErrors, Hiring, Sources};
use crate::gateway::{FAMILIES, Prices};
use crate::model::{Crew, Formula, FormulaName, Triggers};
use crate::ports::Formulas;

use super::CliError;

/// Mistakes of a base branch's formula that are said.
const MISTAKES: usize = 3;

/// The formulas that there are.
pub(super) struct Library {
    /// What a base branch has, by paths below `.forgehand/`.
    over: BTreeMap<String, String>,
    /// The `.forgehand/` of a clone that this was read from.
    over_at: Option<PathBuf>,
    /// Some of that was asked for.
    laid: Cell<bool>,
    /// Who works, by the configuration; none where that is not there, or cannot be read.
    crew: Option<Arc<Crew>>,
    /// The folder beside the configuration; none: only what is shipped.
    folder: Option<PathBuf>,
    asked: RefCell<BTreeSet<PathBuf>>,
    /// Those of the base branch that were asked for.
    asked_over: RefCell<BTreeSet<String>>,
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

    /// With whom the configuration has, so that who is asked for is known to be there.
    pub(super) fn for_crew(self, crew: Crew) -> Self {
        Self { crew: Some(Arc::new(crew)), ..self }
    }

    /// Who works, where the configuration says it.
    pub(super) fn crew(&self) -> Option<&Crew> {
        self.crew.as_deref()
    }

    /// Those that are shipped.
    pub(super) fn shipped() -> Self {
        Self {
            over: BTreeMap::new(),
            over_at: None,
            laid: Cell::new(false),
            crew: None,
            folder: None,
            asked: RefCell::default(),
            asked_over: RefCell::default(),
        }
    }

    /// With these files of a base branch laid over, by their paths below `.forgehand/`.
    pub(super) fn laid(self, over: BTreeMap<String, String>) -> Self {
        Self { over, ..self }
    }

    /// With those of a clone laid over, whatever branch is checked out there.
    pub(super) fn laid_of_clone(self, clone: &Path) -> Result<Self, CliError> {
        let at = clone.join(formula::OVER_FOLDER);
        Ok(Self { over: files_of(&at)?, over_at: Some(at), ..self })
    }

    /// The same without what is laid over.
    pub(super) fn configured(&self) -> Self {
        Self { folder: self.folder.clone(), crew: self.crew.clone(), ..Self::shipped() }
    }

    /// What a base branch has that nothing asked for so far, by paths below `.forgehand/`.
    pub(super) fn idle_over(&self) -> Vec<&String> {
        let used = |place: &str| ["prompts/", "formulas/"].iter().any(|part| place.starts_with(part));
        let asked = self.asked_over.borrow();
        self.over.keys().filter(|place| used(place) && !place.starts_with("formulas/tests/") && !asked.contains(*place)).collect()
    }

    /// Whether a formula that the configuration has calls this one.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let fresh = Self { over: self.over.clone(), ..self.configured() };
        for other in self.configured().names() {
            // One that does not load calls nothing; its mistakes are told where it is checked.
            let _loaded = fresh.load(&other);
        }
        fresh.asked_over.borrow().contains(&format!("formulas/{name}.toml"))
    }

    /// What a file of the base branch is called for whoever reads an error.
    pub(super) fn over_name(&self, place: &str) -> String {
        match &self.over_at {
            Some(at) => at.join(place).display().to_string(),
            None => format!("{}/{place}", formula::OVER_FOLDER),
        }
    }

    /// Whether the last formula that was loaded has something of the base branch.
    pub(super) fn is_laid(&self) -> bool {
        self.laid.get()
    }

    /// The folders of authors: that beside the configuration, and that of a clone.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folder.iter().chain(&self.over_at).map(PathBuf::as_path)
    }

    /// All names, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.named("formulas", ".toml", formula::shipped_names())
    }

    /// A formula by its name.
    pub(super) fn text(&self, name: &str) -> Option<Text> {
        let place = format!("formulas/{name}.toml");
        if let Some(text) = self.over(&place) {
            return Some(Text { file: self.over_name(&place), text, own: self.over_at.as_ref().map(|at| at.join(&place)) });
        }
        if let Some((path, text)) = self.own(&place) {
            return Some(Text { file: path.display().to_string(), text, own: Some(path) });
        }
        let text = formula::shipped_text(name)?.to_owned();
        Some(Text { file: place, text, own: None })
    }

    /// Loads a formula; none where there is none of that name.
    pub(super) fn load(&self, name: &str) -> Option<Result<Formula, FormulaErrors>> {
        // A mistake in that one is told where it is read by itself.
        let configured = match self.over.is_empty() {
            true => None,
            false => self.configured().load(name).and_then(Result::ok),
        };
        self.laid.set(false);
        let Text { file, text, .. } = self.text(name)?;
        let prompts = |prompt: &str| {
            let place = format!("prompts/{prompt}");
            let own = self.over(&place).or_else(|| self.own(&place).map(|(_, text)| text));
            own.or_else(|| formula::shipped_prompt(prompt).map(str::to_owned))
        };
        let schemas = |schema: &str| {
            let file = format!("formulas/schemas/{schema}.json");
            if let Some(text) = self.over(&file) {
                return Some((self.over_name(&file), text));
            }
            let own = self.own(&file).map(|(path, text)| (path.display().to_string(), text));
            own.or_else(|| Some((file, formula::shipped_schema(schema)?.to_owned())))
        };
        let formulas = |name: &str| self.text(name).map(|found| (found.file, found.text));
        let schema_names = self.named("formulas/schemas", ".json", formula::shipped_schema_names());
        let names = self.names();
        let prices = LazyCell::new(Prices::shipped);
        let (priced, models) = (|model: &str| prices.knows(model) || FAMILIES.contains(&model), || prices.models());
        let hiring =
            self.crew.as_deref().map(|crew| Hiring { crew, priced: &priced, models: &models, configured: configured.as_ref() });
        let sources = Sources {
            prompts: &prompts,
            schemas: &schemas,
            schema_names: &schema_names,
            formulas: &formulas,
            names: &names,
            hiring,
        };
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
        self.asked_over.borrow_mut().insert(place.to_owned());
        Some(text)
    }

    /// A file of the configuration folder. A name that leads out of it is none.
    fn own(&self, place: &str) -> Option<(PathBuf, String)> {
        let inside = Path::new(place).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let path = self.folder.as_ref().filter(|_| inside)?.join(place);
        // What is no UTF-8 is complained of where it stands by who reads it.
        let text = String::from_utf8_lossy(&std::fs::read(&path).ok()?).into_owned();
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
    crew: Crew,
}

impl Shelf {
    pub(super) fn of(folder: &Path, crew: Crew) -> Self {
        Self { folder: folder.to_owned(), crew }
    }
}

impl Formulas for Shelf {
    fn over(&self, name: &FormulaName, files: &BTreeMap<String, String>) -> Option<Result<Formula, String>> {
        let library = Library::of(&self.folder).for_crew(self.crew.clone()).laid(files.clone());
        let loaded = library.load(name.as_str())?;
        // The first mistake often is the reason for the others.
        let said = |faults: FormulaErrors| faults.lines().into_iter().take(MISTAKES).collect::<Vec<_>>().join("; ");
        library.laid.get().then(|| loaded.map_err(said))
    }
}

/// The files of a folder of formulas, by their paths below it, as a run reads them off a base branch.
fn files_of(at: &Path) -> Result<BTreeMap<String, String>, CliError> {
    if !at.is_dir() {
        return Err(CliError::usage(format!("{} is no folder", at.display()), "name the clone that has it: --clone ."));
    }
    let files = super::in_force::files_below(at);
    if files.len() > formula::OVER_FILES {
        let what = format!("{} has more than {} files", at.display(), formula::OVER_FILES);
        return Err(CliError::usage(what, "take some out: a run would end for it"));
    }
    let refused = |file: &Path, why: &str| {
        CliError::usage(format!("{}: {why}", file.display()), "mend it, or take it out: a run would not read it as it is")
    };
    let one = |file: &PathBuf| {
        if file.is_symlink() {
            return Err(refused(file, "it is a link"));
        }
        let bytes = std::fs::read(file).map_err(|e| refused(file, "it cannot be read").because(e))?;
        if bytes.len() as u64 > formula::OVER_FILE {
            return Err(refused(file, &format!("it is over {} KiB", formula::OVER_FILE >> 10)));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused(file, "it is no UTF-8 text"))?;
        let place = file.strip_prefix(at).unwrap_or(file);
        Ok((place.display().to_string(), text))
    };
    files.iter().map(one).collect()
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
