//! What belongs into an operations repository.
//!
//! Promises: only what is missing is ever written; what stands there is somebody's.

use std::collections::BTreeMap;

/// Its folders. git keeps none that is empty, so each is begun with a `.gitkeep`.
const FOLDERS: [&str; 12] = [
    "vault/actions",
    "vault/pending",
    "vault/approved",
    "vault/fired",
    "vault/rejected",
    "evidence/engagement",
    "evidence/evolution",
    "evidence/holdout",
    "evidence/red-team",
    "evidence/user-test",
    "knowledge",
    "sprints",
];

/// Its files, with what they begin as.
const FILES: [(&str, &str); 3] = [
    ("prerequisites.md", include_str!("prerequisites.md")),
    ("portfolio.md", include_str!("portfolio.md")),
    ("RESOURCES.md", include_str!("RESOURCES.md")),
];

/// All paths that are to be there.
pub(super) fn paths() -> Vec<String> {
    FOLDERS.into_iter().chain(FILES.into_iter().map(|(path, _)| path)).map(str::to_owned).collect()
}

/// The files that make up for what is missing.
pub(super) fn seeds(missing: &[String]) -> BTreeMap<String, String> {
    let seed = |path: &String| match FILES.iter().find(|(file, _)| file == path) {
        Some((_, text)) => (path.clone(), (*text).to_owned()),
        None => (format!("{path}/.gitkeep"), String::new()),
    };
    missing.iter().map(seed).collect()
}
