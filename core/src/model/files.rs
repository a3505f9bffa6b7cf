//! Files that a formula requires, and what was found of them.

use serde::{Deserialize, Serialize};

use super::Branch;

/// Which files a formula requires, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesAsked {
    /// The branch that the formula names; none: the project's.
    pub base: Option<Branch>,
    /// Their paths.
    pub files: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesFound {
    /// The branch that was looked at.
    pub branch: Branch,
    /// Which of them are not there.
    pub missing: Vec<String>,
}

/// The last news of files that were looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesSought {
    /// Which.
    pub asked: FilesAsked,
    /// What was found, or why nothing was.
    pub result: Result<FilesFound, String>,
}

impl FilesSought {
    /// They all are there.
    pub fn hold(&self) -> bool {
        self.result.as_ref().is_ok_and(|found| found.missing.is_empty())
    }
}
