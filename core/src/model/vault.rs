//! Actions of the vault: what is asked for that is privileged, what became of it, and how its file is named.
//!
//! Promises: the name of an action is a name and never a path, whatever its file says; two names that a disk might take for the same are the
//! same.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Dispatch, Failure, FormulaName, PullNumber, RepoName, Risk, Sha, Subject};

/// Where actions are asked for.
pub const ACTIONS: &str = "vault/actions";
/// Where items for people are.
pub const PENDING: &str = "vault/pending";
/// The policy of an operations repository.
pub const VAULT_POLICY: &str = "vault/policy.toml";
/// The longest name of an action.
const LONGEST: usize = 100;

/// The name of an action. Names that differ in case alone are the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionId(String);

impl ActionId {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its file stands, where that is called as it is.
    pub fn file(&self) -> String {
        format!("{ACTIONS}/{self}.toml")
    }

    fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl PartialEq for ActionId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ActionId {}

impl PartialOrd for ActionId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ActionId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a name must not be.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is no name of an action", .0.escape_debug())]
pub struct BadActionId(String);

impl BadActionId {
    /// What one is.
    pub const HINT: &'static str =
        "letters, digits, `-`, `_` and `.`, beginning with a letter or a digit; it is a name, not a path";
}

impl TryFrom<String> for ActionId {
    type Error = BadActionId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let good = begins && text.len() <= LONGEST && text.chars().all(plain) && !text.contains("..") && !text.ends_with('.');
        if good { Ok(Self(text)) } else { Err(BadActionId(text)) }
    }
}

impl std::str::FromStr for ActionId {
    type Err = BadActionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<ActionId> for String {
    fn from(id: ActionId) -> Self {
        id.0
    }
}

/// An action as its file asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its name.
    pub id: ActionId,
    /// What is to be done, and by whom.
    pub work: ActionWork,
    /// Why it is asked for.
    pub context: String,
    /// The issues that wait for it.
    pub unblocks: Vec<Subject>,
    /// How much it could break, by whoever asks: this can only raise.
    pub blast_radius: Option<Risk>,
}

/// What an action comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionWork {
    /// A formula is run.
    Formula(FormulaWork),
    /// A person does it.
    Person(PersonWork),
}

/// A formula that is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormulaWork {
    /// Which.
    pub formula: FormulaName,
    /// The project that it is about; none where none can be told.
    pub project: Option<RepoName>,
    /// What it is given.
    pub inputs: BTreeMap<String, Json>,
    /// The secrets that its commands get, by the names of the configuration.
    pub secrets: Vec<String>,
    /// What is mounted for its commands, by the names of the configuration.
    pub mounts: Vec<String>,
    /// The model that its agents work with.
    pub model: Option<String>,
    /// The tools that its agents are given, of those that their formula gives them.
    pub tools: Vec<String>,
    /// How long each of its steps may take.
    pub timeout_minutes: Option<u64>,
}

/// What a person is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonWork {
    /// What.
    pub what: String,
    /// Step by step.
    pub how: Vec<String>,
    /// What shows that it is done.
    pub verify: Option<String>,
}

/// What was recorded of an action: `<id>.result.json`. Older and foreign ones leave things out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// Of which.
    #[serde(default)]
    pub id: String,
    /// The tier that it had.
    #[serde(default)]
    pub tier: Option<String>,
    /// What was run.
    #[serde(default)]
    pub formula: Option<String>,
    /// Who approved it.
    #[serde(default)]
    pub approved_by: Option<String>,
    /// The commit that was merged.
    #[serde(default)]
    pub sha: Option<String>,
    /// How it ended; none where nothing is known.
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// When.
    #[serde(default)]
    pub timestamp: Option<String>,
    /// The end of what it printed.
    #[serde(default)]
    pub logs: Option<String>,
}

/// What people are asked for in words, by a file in `vault/pending`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingItem {
    /// The file's name, without its ending.
    pub name: String,
    /// The issues that wait until it is gone from there.
    pub unblocks: Vec<Subject>,
}

/// What a pull request of the operations repository comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The actions that it asks for; none where something is wrong.
    pub actions: Vec<ActionId>,
    /// The issues that wait for those.
    #[serde(default)]
    pub unblocks: Vec<Subject>,
    /// What it asks people for in words; none where something is wrong.
    #[serde(default)]
    pub items: Vec<PendingItem>,
    /// It asks for nothing but new actions that are low, and the policy lets those through.
    #[serde(default)]
    pub free: bool,
    /// The first mistakes, each with its place and what to do.
    pub mistakes: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// What was seen of the open pull requests of the operations repository, and said of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "vault")]
pub enum VaultEvent {
    /// The head of one was read.
    Seen {
        /// The pull request.
        pull: PullNumber,
        /// Its head.
        head: Sha,
        /// What it comes to; none where it does not touch the vault.
        judged: Option<Judged>,
    },
    /// It is not open any more.
    Gone {
        /// The pull request.
        pull: PullNumber,
    },
    /// What it comes to is about to be written to its head as a status. Whether it stands there is looked up before.
    Telling {
        /// The pull request.
        pull: PullNumber,
        /// The head.
        head: Sha,
    },
    /// That ended.
    Told {
        /// The pull request.
        pull: PullNumber,
        /// The head.
        head: Sha,
        /// Why it does not stand there.
        failed: Option<Failure>,
    },
    /// What stands in the repository cannot be read, otherwise than was told before; or it can again.
    Readable {
        /// Why not.
        failed: Option<Failure>,
    },
    /// The newest version of the policy cannot be read, otherwise than was told before; or it can again.
    Policy {
        /// What is wrong with it.
        broken: Option<BrokenPolicy>,
    },
    /// Something about actions on the branch that counts.
    Dispatched {
        /// What.
        what: Dispatch,
    },
}

/// A version of the policy that cannot be read: everything is high until a newer one can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenPolicy {
    /// The commit that wrote it.
    pub at: Sha,
    /// What is wrong with it.
    pub why: String,
    /// The commit of the last good one, whose other rules hold; else the shipped ones do.
    pub good: Option<Sha>,
}

/// How an action on the branch that counts stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionState {
    /// It stands there, and nothing is recorded of it.
    Merged,
    /// It stands there, and cannot be understood, or under a name that another one has.
    Broken,
    /// It was approved, and no more is known.
    Approved,
    /// It was run, or begun.
    Fired,
    /// Nobody wants it any more.
    Rejected,
    /// It was done by somebody else, such as another factory: its record stands beside its file.
    Done,
}

impl ActionState {
    /// Nothing is left to do.
    pub fn is_over(self) -> bool {
        match self {
            Self::Fired | Self::Rejected | Self::Done => true,
            Self::Merged | Self::Broken | Self::Approved => false,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Broken => "broken",
            Self::Approved => "approved",
            Self::Fired => "fired",
            Self::Rejected => "rejected",
            Self::Done => "done",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for good in ["tag", "owner--app-v0.2.0", "probe-db-1", "A_1", "1"] {
            assert!(good.parse::<ActionId>().is_ok(), "{good}");
        }
        let long = "a".repeat(101);
        for bad in
            ["", ".", "..", ".hidden", "-x", "a/b", "../a", "a..b", "a.", "a b", "a\\b", "a\u{202e}b", "ä", "a\n", "/a", &long]
        {
            assert!(bad.parse::<ActionId>().is_err(), "{bad}");
        }
        let id = |text: &str| text.parse::<ActionId>().expect("a name");
        assert_eq!(id("Tag-1"), id("tag-1"));
        assert!(serde_json::from_str::<ActionId>("\"../a\"").is_err(), "nor where it comes from a journal");
    }
}
