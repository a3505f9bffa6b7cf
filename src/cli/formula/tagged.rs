//! The newest tag that a recorded test gives its run.

use serde::{Deserialize, Serialize};

use crate::model::LastTag;

/// A tag; one without a name is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagText {
    #[serde(default)]
    name: String,
    /// How many commits came since.
    commits: u64,
}

impl TagText {
    pub(super) fn of(tag: &LastTag) -> Self {
        Self { name: tag.name.clone(), commits: tag.commits }
    }

    pub(super) fn read(&self) -> LastTag {
        let commit = LastTag::made_up().commit.filter(|_| !self.name.is_empty());
        LastTag { name: self.name.clone(), commit, commits: self.commits }
    }
}
