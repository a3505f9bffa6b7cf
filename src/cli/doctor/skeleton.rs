//! What can be used of a configuration with mistakes: enough to look at the rest.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::super::setup::Setup;
use super::Patient;
use crate::config::Config;

/// What stands for a configuration that is not there, or is none.
const NOTHING: &str = "[forge]\nurl = \"http://127.0.0.1:9\"\ntoken_env = \"FORGEHAND_TOKEN\"\n\
                       [[project]]\nrepo = \"nobody/nothing\"\nverify = [\"true\"]\n[agent]\nbackend = \"claude\"\n";
/// Sections that are left out one after the other until the rest reads.
const OPTIONAL: [&str; 5] = ["retention", "sandbox", "limits", "daemon", "agent"];

/// A patient out of what reads.
pub(super) fn patient(file: Option<PathBuf>) -> Patient {
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let usable = usable(&text);
    let has_forge = usable.is_some();
    let config = usable.or_else(|| Config::parse("", NOTHING).ok());
    let config = config.expect("a constant that a test reads");
    let file = file.unwrap_or_else(|| PathBuf::from(super::super::setup::FILE));
    let file = std::path::absolute(&file).unwrap_or(file);
    Patient { setup: Setup::of(config, file), has_forge }
}

/// A configuration made of the sections of a text that read.
fn usable(text: &str) -> Option<Config> {
    let table: Table = text.parse().ok()?;
    let mut kept = Table::new();
    kept.insert("forge".to_owned(), Value::Table(strings(table.get("forge")?.as_table()?, &FORGE)));
    kept.insert("project".to_owned(), Value::Array(projects(&table)));
    for section in OPTIONAL {
        kept.extend(table.get(section).map(|value| (section.to_owned(), value.clone())));
    }
    for left_out in 0..=OPTIONAL.len() {
        for section in OPTIONAL.iter().take(left_out) {
            kept.remove(*section);
        }
        if !kept.contains_key("agent") {
            kept.insert("agent".to_owned(), Value::Table(Table::from_iter([("backend".to_owned(), "claude".into())])));
        }
        if let Ok(config) = Config::parse("", &kept.to_string()) {
            return Some(config);
        }
    }
    None
}

const FORGE: [&str; 9] = [
    "url",
    "token_env",
    "token_file",
    "token_credential",
    "login",
    "rights_token_env",
    "rights_token_file",
    "rights_token_credential",
    "ca_file",
];

fn strings(table: &Table, keys: &[&str]) -> Table {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), table.get(*key).filter(|v| v.is_str())?.clone()))).collect()
}

fn projects(table: &Table) -> Vec<Value> {
    let all = table.get("project").and_then(Value::as_array);
    let tables = all.into_iter().flatten().filter_map(Value::as_table);
    let kept = tables.map(|project| {
        let mut kept = strings(project, &["repo", "base", "branch_prefix"]);
        kept.insert("verify".to_owned(), Value::Array(vec!["true".into()]));
        Value::Table(kept)
    });
    kept.collect()
}

/// The nearest folder or file of a path that is there.
pub(super) fn nearest_existing(path: &Path) -> PathBuf {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_used_and_nothing_is_a_configuration_too() {
        assert!(Config::parse("", NOTHING).is_ok());
        let text = "[forge]\nurl = \"http://127.0.0.1:3000\"\ntoken_env = \"T\"\nbogus = 1\n[[project]]\nrepo = \"a/b\"\nverfy = []\n\
                    [agent]\nbackend = \"nobody\"\n[daemon]\nstate_dir = \"/s\"\n";
        let config = usable(text).expect("enough");
        assert_eq!(config.forge.url.as_str(), "http://127.0.0.1:3000/");
        assert_eq!(config.projects.len(), 1);
        assert!(usable("[forge]\nurl = 3\n").is_none() && usable("nonsense [").is_none());
    }
}
