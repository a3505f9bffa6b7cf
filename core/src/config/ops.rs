//! `[ops]`: the operations repository, where what is no code of a project is kept: the tree of prerequisites, sprints, evidence, the vault.

use super::values;
use crate::document::{Table, Value};
use crate::model::{Branch, RepoName};

/// `[ops]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ops {
    /// Where it is, on the same forge.
    pub repo: RepoName,
    /// The branch that counts.
    pub branch: Branch,
}

impl Ops {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let repo = table.required("repo", "repo = \"owner/ops\"", values::repo);
        let branch = table.or("branch", Branch::from("main"), |v: &Value<'_>| v.filled().map(Branch));
        Some(Self { repo: repo?, branch })
    }
}
