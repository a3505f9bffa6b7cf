//! The files in `config/`: the schema is made from the types, the example shows every key and is right in every line.

use std::collections::BTreeSet;
use std::path::Path;

use forgehand::config::{Config, schema};
use forgehand::document::Schema;
use serde_json::Value;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).expect("a file of config/")
}

/// Each key of the schema with its tables, as in `project[].repo`.
pub(crate) fn keys_of(schema: &Value, root: &Value, path: &str, keys: &mut BTreeSet<String>) {
    let node = match schema.get("$ref").and_then(Value::as_str) {
        Some(to) => root.pointer(to.trim_start_matches('#')).expect("what is referred to"),
        None => schema,
    };
    for any in ["anyOf", "oneOf", "allOf"] {
        for part in node.get(any).and_then(Value::as_array).into_iter().flatten() {
            keys_of(part, root, path, keys);
        }
    }
    if let Some(items) = node.get("items") {
        keys_of(items, root, &format!("{path}[]"), keys);
    }
    if let Some(named) = node.get("additionalProperties").filter(|named| named.is_object()) {
        keys_of(named, root, &format!("{path}.*"), keys);
    }
    for (key, value) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys.insert(below.clone());
        keys_of(value, root, &below, keys);
    }
}

fn schema_keys() -> BTreeSet<String> {
    let (schema, mut keys) = (schema(), BTreeSet::new());
    keys_of(&schema, &schema, "", &mut keys);
    keys
}

/// A line of the example that shows a key without setting it.
fn shown(line: &str) -> Option<&str> {
    let line = ["# or: ", "# and: ", "# "].iter().find_map(|prefix| line.strip_prefix(prefix))?;
    let (key, _) = line.split_once(" = ")?;
    let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    (is_key || line.starts_with('[')).then_some(line)
}

#[test]
fn the_schema_is_that_of_the_types() {
    let made = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    assert!(made == file("forgehand.schema.json"), "write it anew: cargo run -- schema > config/forgehand.schema.json");
}

#[test]
fn the_schema_of_actions_is_that_of_the_types_and_has_the_keys_that_the_reader_and_formulas_know() {
    let made = serde_json::to_string_pretty(&forgehand::vault::schema()).expect("JSON") + "\n";
    let help = "write it anew: cargo run -- schema --vault-action > config/vault-action.schema.json";
    assert!(made == file("vault-action.schema.json"), "{help}");
    let (schema, mut keys) = (forgehand::vault::schema(), BTreeSet::new());
    keys_of(&schema, &schema, "", &mut keys);
    let general = |keys: BTreeSet<String>| -> BTreeSet<String> {
        keys.into_iter().map(|key| key.split_once('.').map_or(key.clone(), |(table, _)| table.to_owned())).collect()
    };
    let whole = "formula = \"f\"\ninputs = { a = 1 }\n[action_required]\nwhat = \"w\"\n";
    let known = forgehand::vault::known_keys(whole);
    for of_person in ["action_required.what", "action_required.how", "action_required.verify"] {
        assert!(known.contains(of_person), "{known:?}");
    }
    let asked: BTreeSet<String> = forgehand::model::ACTION_KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!((general(keys), asked.clone()), (general(known), asked));
}

#[test]
fn the_schema_of_actions_takes_what_the_reader_takes() {
    let validator = Schema::new(&forgehand::vault::schema()).expect("a schema");
    let mistakes = |text: &str| validator.mistakes(&toml::from_str::<Value>(text).expect("TOML"), 3);
    for right in [
        "context = \"c\"\naction_required = \"Press it\"",
        "id = \"a-1\"\ncontext = \"c\"\nunblocks = [\"#7\"]\n[action_required]\nwhat = \"w\"\nhow = \"h\"\nverify = \"v\"",
        "context = \"c\"\nformula = \"deploy\"\nproject = \"o/a\"\ninputs = { tag = \"v1\", n = 2, all = true, l = [\"x\"] }\nsecrets = [\"TAP\"]\ntimeout_minutes = 30\nblast_radius = \"high\"",
    ] {
        assert!(mistakes(right).is_empty(), "{right}: {:?}", mistakes(right));
    }
    for wrong in [
        "context = \"c\"",
        "formula = \"deploy\"",
        "context = \"c\"\nformula = \"deploy\"\naction_required = \"x\"",
        "context = \"c\"\nformula = \"deploy\"\nsecret = [\"TAP\"]",
        "context = \"c\"\nformula = \"deploy\"\nid = \"../a\"",
    ] {
        assert!(!mistakes(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn the_schema_has_the_keys_that_the_reader_knows() {
    assert_eq!(schema_keys(), Config::known_keys(&file("forgehand.example.toml")));
}

#[test]
fn the_example_is_right_as_it_stands_and_by_the_schema() {
    let text = file("forgehand.example.toml");
    Config::parse("forgehand.example.toml", &text).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let validator = Schema::new(&schema()).expect("a schema");
    let value: Value = toml::from_str(&text).expect("TOML");
    let wrong = validator.mistakes(&value, 9);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_line_that_the_example_shows_can_be_taken_up() {
    let text = file("forgehand.example.toml");
    let validator = Schema::new(&schema()).expect("a schema");
    let lines: Vec<&str> = text.lines().collect();
    let mut tried = 0;
    for (at, line) in lines.iter().enumerate() {
        let Some(setting) = shown(line) else { continue };
        tried += 1;
        let mut with: Vec<&str> = lines.clone();
        with[at] = setting;
        if line.starts_with("# or: ") {
            // It stands for the setting above it.
            let above = (0..at).rev().find(|i| shown(lines[*i]).is_none() && !lines[*i].starts_with('#')).expect("one above");
            with[above] = "";
        }
        if line.starts_with("# and: ") {
            // It is of use only with what is shown above it.
            let above =
                (0..at).rev().find(|i| !lines[*i].starts_with("# and: ") && shown(lines[*i]).is_some()).expect("one above");
            with[above] = shown(lines[above]).expect("it is shown");
        }
        let with = with.join("\n");
        Config::parse("forgehand.example.toml", &with).unwrap_or_else(|e| panic!("`{setting}`: {:#?}", e.lines()));
        let value: Value = toml::from_str(&with).expect("TOML");
        assert!(validator.mistakes(&value, 1).is_empty(), "`{setting}` by the schema: {:?}", validator.mistakes(&value, 1));
    }
    assert!(tried > 30, "the example shows only {tried} lines");
}

#[test]
fn the_example_shows_each_key() {
    let text = file("forgehand.example.toml");
    let named = |key: &str| {
        text.lines().map(|l| shown(l).unwrap_or(l)).any(|l| {
            let head = l.trim_start_matches(['[', ' ']);
            let within = [format!(".{key}]"), format!("{{ {key} = "), format!(", {key} = ")];
            head.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', '=', ']', '.']))
                || within.iter().any(|w| l.contains(w))
        })
    };
    let missing: Vec<String> =
        schema_keys().into_iter().filter(|k| !named(k.rsplit('.').next().unwrap_or(k).trim_end_matches("[]"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
