//! Broken formulas, one mistake each: every one is refused at the right place, with the right words and a hint.
//!
//! Each file of `formulas/broken/` begins with `# expect: LINE:COLUMN` (or `FILE:LINE:COLUMN`, where the mistake is in a file that it
//! names), `# says: words` and `# hint: words`. Beside them are the prompts, schemas and formulas that they name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use forgehand::formula::{
    FormulaErrors, Hiring, Sources, known_keys, load_from, shipped_names, shipped_prompt, shipped_schema, shipped_schema_names,
    shipped_text,
};
use forgehand::gateway::Prices;
use forgehand::model::{AgentName, Crew, Formula, Member, Works};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/formulas")
}

/// Uses what is beside the fixtures: prompts, schemas, formulas to call.
fn with_sources<T>(use_them: impl FnOnce(&Sources<'_>) -> T) -> T {
    let beside = |below: &str| std::fs::read_to_string(folder().join(below)).ok();
    let prompts = |name: &str| beside(&format!("prompts/{name}")).or_else(|| shipped_prompt(name).map(str::to_owned));
    let schemas = |name: &str| {
        let file = format!("schemas/{name}.json");
        let text = beside(&file).or_else(|| shipped_schema(name).map(str::to_owned))?;
        Some((file, text))
    };
    let formulas = |name: &str| {
        let file = format!("called/{name}.toml");
        let text = beside(&file).or_else(|| shipped_text(name).map(str::to_owned))?;
        Some((file, text))
    };
    let names = shipped_names();
    let schema_names = shipped_schema_names();
    let (crew, prices) = (crew(), Prices::shipped());
    let (priced, models) = (|model: &str| prices.knows(model), || prices.models());
    use_them(&Sources {
        prompts: &prompts,
        schemas: &schemas,
        schema_names: &schema_names,
        formulas: &formulas,
        names: &names,
        hiring: Some(Hiring { crew: &crew, priced: &priced, models: &models, configured: None }),
    })
}

/// Who works where the fixtures are: Claude, and two programs.
fn crew() -> Crew {
    let usual = Crew::default();
    let program = |name: &str, role: &str| Member {
        name: AgentName(name.to_owned()),
        roles: [role.to_owned()].into(),
        works: Works::Command,
        accounts: Vec::new(),
        identity: false,
    };
    Crew { others: vec![program("script", "format"), program("tidier", "tidy")], ..usual }
}

/// Loads a text as the fixtures are loaded.
pub(crate) fn loaded(text: &str) -> Result<Formula, FormulaErrors> {
    with_sources(|sources| load_from("it.toml", text, sources))
}

/// The keys that a text is asked for.
pub(crate) fn known(text: &str) -> BTreeSet<String> {
    with_sources(|sources| known_keys(text, sources))
}

/// What a fixture says behind one of its first words.
fn told<'t>(text: &'t str, word: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("# {word}: ")));
    line.unwrap_or_else(|| panic!("there is no `# {word}:`"))
}

/// What is wrong with how a fixture is refused; nothing if it is refused as it should be.
fn judged(text: &str) -> Option<String> {
    let faults = match loaded(text) {
        Ok(formula) => return Some(format!("it is taken: {formula:?}")),
        Err(faults) => faults,
    };
    let lines = faults.lines().join("\n    ");
    let mut all = faults.iter();
    let (Some(only), None) = (all.next(), all.next()) else {
        return Some(format!("it has one mistake, and found are\n    {lines}"));
    };
    let place = told(text, "expect");
    let place = if place.matches(':').count() == 1 { format!("it.toml:{place}") } else { place.to_owned() };
    let found = format!("{}:{}:{}", only.file(), only.line(), only.column());
    let right = place == found
        && only.to_string().contains(told(text, "says"))
        && only.hint().is_some_and(|hint| hint.contains(told(text, "hint")));
    (!right).then_some(lines)
}

#[test]
fn each_broken_formula_is_refused_at_its_place_with_a_hint() {
    let files = std::fs::read_dir(folder().join("broken")).expect("the fixtures");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let text = std::fs::read_to_string(file).expect("a fixture");
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            judged(&text).map(|why| format!("{name}:\n    {why}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} are not refused as they say:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    assert!(files.len() >= 100, "there are only {}", files.len());
}
