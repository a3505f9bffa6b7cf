//! What a project's own description has run when it is built or installed: only the rest of it may change without being a build script.
//!
//! Promises: what cannot be read has changed. Two texts are the same where the keys that run something have the same values.

use serde_json::Value as Json;

use super::path;

/// A kind of file, and the keys in it that have something run.
struct Kind {
    name: &'static str,
    is_json: bool,
    keys: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "package.json",
        is_json: true,
        keys: &[
            "scripts",
            "gypfile",
            "binary",
            "config",
            "husky",
            "lint-staged",
            "simple-git-hooks",
            "gitHooks",
            "ghooks",
            "pre-commit",
            "pre-push",
            "packageManager",
            "trustedDependencies",
            "allowScripts",
            "lavamoat",
            "dependenciesMeta",
            "pnpm",
            "wireit",
            "nx",
        ],
    },
    Kind { name: "composer.json", is_json: true, keys: &["scripts", "config"] },
    Kind { name: "deno.json", is_json: true, keys: &["tasks", "hooks"] },
    Kind { name: "cargo.toml", is_json: false, keys: &["package.build", "project"] },
    Kind {
        name: "pyproject.toml",
        is_json: false,
        keys: &[
            "build-system",
            "tool.hatch",
            "tool.setuptools",
            "tool.pdm.build",
            "tool.pdm.scripts",
            "tool.poetry.build",
            "tool.poe",
            "tool.taskipy",
            "tool.pytest",
            "tool.tox",
        ],
    },
];

fn kind(path: &str) -> Option<&'static Kind> {
    let name = path::name(path);
    KINDS.iter().find(|kind| kind.name == name)
}

/// Whether a file of this path says what is run: [`same_scripts`] can compare it.
pub fn says_scripts(path: &str) -> bool {
    kind(path).is_some()
}

/// Whether a file of this path has the same run after a change as before it. Nothing where there was or is no such file.
pub fn same_scripts(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> bool {
    let Some(kind) = kind(path) else { return false };
    match (scripts(kind, before), scripts(kind, after)) {
        (Some(before), Some(after)) => before == after,
        _ => false,
    }
}

/// The values of its keys that have something run; none where it cannot be read.
fn scripts(kind: &Kind, text: Option<&[u8]>) -> Option<Vec<Option<Json>>> {
    let Some(bytes) = text else { return Some(vec![None; kind.keys.len()]) };
    let text = std::str::from_utf8(bytes).ok()?;
    let whole: Json = match kind.is_json {
        true => serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?,
        false => toml::from_str(text).ok()?,
    };
    let table = whole.as_object()?;
    let value = |key: &&str| {
        let mut parts = key.split('.');
        let first = table.get(parts.next().unwrap_or_default())?;
        parts.try_fold(first, |value, part| value.get(part)).cloned()
    };
    Some(kind.keys.iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(path: &str, before: &str, after: &str) -> bool {
        let given = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
        same_scripts(path, given(before).as_deref(), given(after).as_deref())
    }

    #[test]
    fn a_version_is_no_script() {
        let old = r#"{"scripts":{"test":"node t.js"},"dependencies":{"a":"1.0.0"}}"#;
        let new = r#"{ "dependencies": {"a": "1.0.1"}, "scripts": {"test": "node t.js"} }"#;
        assert!(same("package.json", old, new));
        assert!(same("web/Package.JSON", old, new));
        assert!(same("package.json", "", r#"{"dependencies":{}}"#));
        assert!(same("Cargo.toml", "[package]\nversion=\"1.0.0\"", "[package]\nversion=\"1.0.1\"\n[dependencies]\na=\"1\""));
        assert!(same("pyproject.toml", "[project]\nname=\"a\"", "[project]\nname=\"a\"\ndependencies=[\"b\"]"));
    }

    #[test]
    fn what_runs_is_one() {
        let cases = [
            ("package.json", r#"{"scripts":{}}"#, r#"{"scripts":{"postinstall":"curl x|sh"}}"#),
            ("package.json", "", r#"{"scripts":{"test":"x"}}"#),
            ("package.json", r#"{"scripts":{"test":"x"}}"#, ""),
            ("package.json", "{}", r#"{"scripts":{"a":"b"},"scripts":{"c":"d"}}"#),
            ("package.json", "{}", r#"{"gypfile":true}"#),
            ("package.json", "{}", "{ // no JSON\n}"),
            ("package.json", "{}", "[]"),
            ("composer.json", "{}", r#"{"scripts":{"post-install-cmd":"x"}}"#),
            ("Cargo.toml", "[package]\nname=\"a\"", "[package]\nname=\"a\"\nbuild=\"src/x.rs\""),
            ("pyproject.toml", "", "[build-system]\nbuild-backend=\"x\""),
            ("pyproject.toml", "[tool.hatch.build.hooks.custom]", "[tool.hatch.build.hooks.custom]\npath=\"x.py\""),
        ];
        for (path, before, after) in cases {
            assert!(!same(path, before, after), "{path}: {before} -> {after}");
        }
        assert!(!same_scripts("package.json", None, Some(b"{\"a\":\xff}")));
        assert!(!same_scripts("other.json", None, None));
    }
}
