//! The files of the vault in an operations repository: what asks for an action, what asks a person, and what became of either.
//!
//! Promises: every mistake of a file at once, each with its place and what to do; an action names only what the configuration lists - formulas,
//! secrets, mounts, projects - and its name is no path. A name that two files use, or that something is recorded of, is used up. Nothing
//! here decides how much an action could break.

mod action;
mod offer;
mod pending;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{FormulaName, RepoName, Risk};

pub use action::action;
pub use offer::{Offer, check};
pub use pending::{Item, pending};
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
    /// The projects.
    pub projects: Vec<RepoName>,
    /// What an action can run in each of them: its formulas that are on and may be run so.
    pub fired: BTreeMap<RepoName, BTreeSet<FormulaName>>,
}

/// Names for people.
fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
