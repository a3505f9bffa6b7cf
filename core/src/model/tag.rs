//! What was released last, by the tags of a repository.

use serde::{Deserialize, Serialize};

use super::Sha;

/// The newest tag of a version that a branch has behind it, and what came since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastTag {
    /// Its name, raw; empty where there is none.
    pub name: String,
    /// The commit that it names.
    pub commit: Option<Sha>,
    /// How many commits the branch has that the tag has not; all of them, where there is none.
    pub commits: u64,
}

impl LastTag {
    /// What stands for it where no history is read.
    pub fn made_up() -> Self {
        Self { name: "v1.0.0".into(), commit: "1".repeat(40).parse().ok(), commits: 1 }
    }
}
