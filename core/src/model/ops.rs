//! The operations repository: what runs read of it, and what formulas may keep there.
//!
//! Promises: a path that a formula writes is judged here and nowhere else. What is protected (`vault/policy.toml`, records of what was done) is
//! written by no formula; what asks for something privileged goes by pull request, because somebody has to say yes to it.

use serde::{Deserialize, Serialize};

/// A file of the operations repository, as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpsFile {
    /// Where it stands, from the root.
    pub path: String,
    /// Its text, raw.
    pub text: String,
}

/// What is written directly: files by their names, folders with a slash.
const DIRECT: [&str; 6] = ["knowledge/", "evidence/", "sprints/", "prerequisites.md", "portfolio.md", "RESOURCES.md"];
/// What is written by pull request too.
const ASKED: [&str; 2] = ["vault/actions/", "vault/pending/"];

/// Whether a path is that of a file below the root: no step up, nothing hidden, nothing that a forge or git reads.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    path.len() <= 200 && path.chars().all(plain) && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
}

/// Why a formula may not ask for a file at a path of a repository that is not the operations repository; none where it may.
pub fn unaskable(path: &str) -> Option<String> {
    let why = "is no path: letters, digits, `-`, `_`, `.` and `/`, no part begins with a dot";
    (!is_plain(path)).then(|| format!("`{}` {why}", path.escape_debug()))
}

/// Why a formula may not keep a file at a path of the operations repository; none where it may.
pub fn unwritable(path: &str, by_pull_request: bool) -> Option<String> {
    if let Some(why) = unaskable(path) {
        return Some(why);
    }
    let below = |known: &&str| if known.ends_with('/') { path.starts_with(*known) } else { path == *known };
    if DIRECT.iter().any(below) || (by_pull_request && ASKED.iter().any(below)) {
        return None;
    }
    Some(match ASKED.iter().any(below) {
        true => format!("`{path}` is written by pull request alone: pull_request = true"),
        false => format!("`{path}` is not kept by formulas: there are {}", DIRECT.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_protected_is_kept() {
        for path in ["prerequisites.md", "knowledge/a/b.md", "sprints/one-two.md", "evidence/x.json"] {
            assert_eq!(unwritable(path, false), None, "{path}");
        }
        for path in [
            "vault/policy.toml",
            "vault/fired/a.result.json",
            "README.md",
            "prerequisites.md/x",
            "knowledge",
            "../prerequisites.md",
            "knowledge/../vault/policy.toml",
            "/knowledge/x",
            "knowledge//x",
            "knowledge/.gitattributes",
            ".forgejo/workflows/x.yml",
            "Knowledge/x",
            "knowledge/\u{202e}x",
            "knowledge/a b",
            "",
        ] {
            assert!(unwritable(path, true).is_some(), "{path}");
            assert!(unwritable(path, false).is_some(), "{path}");
        }
        assert!(unwritable("vault/actions/tag.toml", false).is_some_and(|why| why.contains("pull_request = true")));
        assert_eq!(unwritable("vault/actions/tag.toml", true), None);
    }
}
