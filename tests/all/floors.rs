//! The shape of the source: who may import whom, how long a file may be, what no module is called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floors of the design; `document` reads TOML for those above and knows nothing of the domain.
const FLOORS: &[&[&str]] = &[
    &["model", "document"],
    &["config", "formula", "text", "scan", "tier", "vault", "ledger"],
    &["plan", "words", "ports", "metrics"],
    &["forge", "git", "host", "journal", "sandbox", "gateway", "notify"],
    &["workspace", "hands"],
    &["engine"],
    &["cli", "web"],
];

/// Lines of code in a file, tests inside it not counted.
const LINES: usize = 500;

const NO_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "imp"];

/// The floors that are in `core`, which decides; the rest, which acts, is in the package above.
const CORE_FLOORS: usize = 3;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the two packages with floors.
fn our_files() -> Vec<PathBuf> {
    ["core/src", "src"].iter().flat_map(|folder| files_of(folder)).collect()
}

/// The files of all packages; `localforge` imports nothing of ours and so stands on no floor.
fn all_files() -> Vec<PathBuf> {
    our_files().into_iter().chain(files_of("localforge/src")).collect()
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} has files");
    found
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The code of a file: without comments, texts and what stands under `#[cfg(test)]`.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines);
            continue;
        }
        let line = line.split("//").next().unwrap_or_default();
        if !line.trim().is_empty() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Skips an item: to its `;`, or to the line that closes what it opened. The formatter puts that brace where the item began.
fn skip_item(lines: &mut std::str::Lines<'_>) {
    let mut indent = None;
    for line in lines {
        let own = line.len() - line.trim_start().len();
        let begun = *indent.get_or_insert(own);
        if own == begun && (line.trim_end().ends_with(';') || line.trim() == "}") {
            return;
        }
    }
}

/// The top modules that a file of `own` names by `crate::` or by enough `super::`s, braces included.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let up = "super::".repeat(depth);
    let mut found = Vec::new();
    for root in ["crate::", up.as_str()] {
        let mut rest = code;
        while let Some(at) = rest.find(root) {
            let before = &rest[..at];
            rest = &rest[at + root.len()..];
            // Part of a longer path: `super::super::x` is not `super::x`.
            let inside = before.ends_with("::") || rest.starts_with("super::");
            if root.is_empty() || inside {
                continue;
            }
            let names = match rest.strip_prefix('{') {
                Some(list) => top_names(list),
                None => vec![word(rest)],
            };
            found.extend(names.into_iter().filter(|n| floor(n).is_some()));
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first names of a list in braces, the nested ones left out.
fn top_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0_i32, Vec::new(), true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && (c.is_alphabetic() || c == '_') => {
                names.push(word(&list[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

/// The top module that a file is in, and how many `super::`s lead to the crate from it.
fn place(path: &Path) -> (String, usize) {
    let whole = path.with_extension("");
    let within = ["core/src", "src"].iter().find_map(|folder| whole.strip_prefix(root().join(folder)).ok());
    let parts: Vec<String> = within.expect("in one of ours").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let depth = parts.iter().filter(|p| *p != "mod").count();
    (parts.first().cloned().unwrap_or_default(), depth)
}

#[test]
fn a_module_imports_only_from_floors_below_its_own() {
    let all = our_files();
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for path in &all {
        let (own, depth) = place(path);
        let Some(own_floor) = floor(&own) else { continue };
        let text = std::fs::read_to_string(path).expect("a file");
        for other in imports(&code(&text), depth).into_iter().filter(|other| *other != own) {
            *seen.entry(own.clone()).or_default() += 1;
            if floor(&other).is_some_and(|floor| floor >= own_floor) && !(other == "document" && own_floor > 0) {
                wrong.push(format!("{}: {own} imports {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A reader that finds nothing would find nothing wrong either.
    for module in ["plan", "ledger", "engine", "git", "cli"] {
        assert!(seen.contains_key(module), "no import of {module} was found");
    }
}

#[test]
fn the_reader_of_imports_finds_what_it_should() {
    let code =
        "use crate::{model::{A, B}, plan, words::x};\nlet x = crate::git::Git;\nuse super::super::engine::Y;\nuse super::own;";
    let mut found = imports(code, 2);
    found.sort();
    assert_eq!(found, ["engine", "git", "model", "plan", "words"]);
    assert_eq!(super::floors::code("a\n#[cfg(test)]\nmod tests {\n    b\n}\nc // d\n// e\n"), "a\nc \n");
}

#[test]
fn every_module_has_a_floor_and_a_name_that_says_something() {
    for (lib, decides) in [("core/src/lib.rs", true), ("src/lib.rs", false)] {
        let text = std::fs::read_to_string(root().join(lib)).expect("lib.rs");
        for module in text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
            let floor = floor(module).unwrap_or_else(|| panic!("{module} stands on no floor"));
            assert_eq!(floor < CORE_FLOORS, decides, "{module} is in the wrong package");
        }
    }
    for path in all_files() {
        let relative = path.with_extension("");
        let names = relative.strip_prefix(root()).expect("in the checkout").iter().map(|p| p.to_string_lossy().into_owned());
        for name in names {
            assert!(!NO_NAMES.contains(&name.as_str()), "{} is called {name}", path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_it_may_be() {
    let long: Vec<String> = all_files()
        .iter()
        .map(|path| (path, code(&std::fs::read_to_string(path).expect("a file")).lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(path, lines)| format!("{}: {lines} lines of code", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
