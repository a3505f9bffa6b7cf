//! What was seen of a project and of an issue, as it is journalled.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AgentName, Login, RepoFacts, RepoLabel, Subject, TextMark, Timestamp};

/// What start-up learns of a project, kept so that an idle start asks nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectFacts {
    /// The address of the forge that this was learned from.
    pub forge: String,
    /// Its version.
    pub version: String,
    /// Our own login.
    pub login: Login,
    /// The logins of agents that have an identity of their own.
    #[serde(default)]
    pub others: BTreeMap<AgentName, Login>,
    /// The logins that agents had before: what they wrote and approved stays ours. Our own one is not among them, because a person's account often
    /// is the first one that is tried.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub former: BTreeSet<Login>,
    /// The repository.
    pub repository: RepoFacts,
    /// Its labels.
    pub labels: Vec<RepoLabel>,
}

impl ProjectFacts {
    /// Whether a login is one of ours.
    pub fn is_ours(&self, login: &Login) -> bool {
        self.login == *login || self.others.values().chain(&self.former).any(|other| other == login)
    }

    /// All logins of ours.
    pub fn logins(&self) -> BTreeSet<Login> {
        self.others.values().chain(&self.former).chain([&self.login]).cloned().collect()
    }
}

/// An issue as it was seen; of its texts only the marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenIssue {
    /// Its title, cleaned and cut, for the board.
    pub title: String,
    /// What title and body were.
    pub text: TextMark,
    /// Who filed it.
    pub author: Login,
    /// Open or closed.
    pub open: bool,
    /// Names of its labels.
    pub labels: BTreeSet<String>,
    /// When it was filed, by the forge's clock.
    pub created: Timestamp,
    /// When it last moved, by the forge's clock.
    pub updated: Timestamp,
    /// How many comments it has.
    pub comments: u64,
    /// The dependencies that its body names.
    pub depends: Vec<Subject>,
}
