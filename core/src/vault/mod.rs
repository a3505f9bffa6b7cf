//! The files of the vault in an operations repository: what asks for an action, what asks a person, and what became of either.
//!
//! Promises: every mistake of a file at once, each with its place and what to do; an action names only what the configuration lists - formulas,
//! secrets, mounts, projects - and its name is no path. A name that two files use, or that something is recorded of, is used up. Nothing
//! here decides how much an action could break.

mod action;
mod offer;
mod pending;
mod schema;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{FormulaName, RepoName, Risk};

pub use action::{action, known_keys};
pub use offer::{Offer, check};
pub use pending::{Item, pending, waiting_for};
pub use schema::schema;
pub use shelf::{Entry, Filed, Place, Recorded, Shelf};

/// The longest file of the vault that is read, in bytes.
pub const LONGEST: u64 = 256 * 1024;
/// Files below `vault/` that are read.
pub const MOST: usize = 5000;

/// What an action may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The formulas that there are, each with how much it could break; none where it does not load.
    pub formulas: BTreeMap<FormulaName, Option<Risk>>,
    /// The secrets of the configuration.
    pub secrets: BTreeSet<String>,
    /// Its mounts.
    pub mounts: BTreeSet<String>,
    /// The tools that an agent may be given.
    pub tools: BTreeSet<String>,
    /// Patterns of the models that somebody can work with.
    pub models: Vec<String>,
    /// The projects.
    pub projects: Vec<RepoName>,
    /// What an action can run in each of them: its formulas that are on and may be run so.
    pub fired: BTreeMap<RepoName, BTreeSet<FormulaName>>,
}

impl Known {
    /// What an action itself names: for where nothing is known of any configuration, and only the shape of its file is looked at.
    pub fn of_itself(text: &str) -> Self {
        let table: toml::Table = toml::from_str(text).unwrap_or_default();
        let texts = |key: &str| -> Vec<String> {
            let list = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
            list.filter_map(toml::Value::as_str).map(str::to_owned).collect()
        };
        let word = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let waiting = texts("unblocks");
        let repos = waiting.iter().filter_map(|issue| issue.rsplit_once('#')).map(|(repo, _)| repo.to_owned());
        Self {
            formulas: word("formula").into_iter().map(|name| (FormulaName(name), None)).collect(),
            secrets: texts("secrets").into_iter().collect(),
            mounts: texts("mounts").into_iter().collect(),
            projects: repos.chain(word("project")).filter_map(|repo| repo.parse().ok()).collect(),
            fired: BTreeMap::new(),
            tools: texts("tools").into_iter().collect(),
            models: word("model").iter().map(|name| globset::escape(name)).collect(),
        }
    }
}

/// Names for people.
fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
