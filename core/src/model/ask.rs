//! What a run asked the vault for, and how it waits for that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ActionId, ActionState, PullNumber, RepoName, Risk, Sha};

/// The label by which somebody lets a run go on that waits for the vault. The forge itself keeps it from whoever may not write.
pub const VAULT_APPROVED: &str = "vault-approved";

/// What a run does while a vault action that it asked for waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnVault {
    /// It goes on.
    Continue,
    /// It looks for a while, then goes on with other work.
    SoftBlock,
    /// It waits, and goes on too where the label is put on.
    Label,
    /// It waits.
    Block,
}

/// An action's name, and what its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionFile {
    /// Its name.
    pub id: ActionId,
    /// Its file, as TOML.
    pub content: String,
}

/// An action that a run asked for, with what the policy said then: its gate does not ask again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultAsk {
    /// The action.
    pub id: ActionId,
    /// How much it could break.
    pub tier: Risk,
    /// The file that asks for it.
    pub path: String,
    /// The commit that has it; none where it stood there already.
    pub commit: Option<Sha>,
    /// The pull request by which it is asked for; none where that is not needed.
    pub pull: Option<PullNumber>,
    /// Why that one, which was there, stays as it is, though it does not say the same.
    pub left: Option<String>,
    /// What its run does while it waits.
    pub on_vault: OnVault,
    /// How long `soft-block` looks.
    pub window: Duration,
    /// The pull request is not open any more.
    #[serde(default)]
    pub closed: bool,
}

/// How far an action is, as a gate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionAt {
    /// It is asked for, or nothing is known of it yet.
    Asked,
    /// It stands in the operations repository.
    There(ActionState),
}

impl ActionAt {
    /// The words of all.
    pub const WORDS: [&'static str; 7] = ["asked", "merged", "broken", "approved", "fired", "rejected", "done"];

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::There(state) => state.word(),
        }
    }
}

/// What a run waits for at a gate of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtVault {
    /// The operations repository.
    pub repo: RepoName,
    /// The action.
    pub action: ActionId,
    /// The pull request by which the run asked for it.
    pub pull: Option<PullNumber>,
    /// How far it is.
    pub at: ActionAt,
    /// It goes on too where the label is put on its issue.
    pub label: bool,
}

/// What a key of an action's file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKey {
    /// A text.
    Text,
    /// The name of a formula.
    Formula,
    /// A tier.
    Tier,
    /// A whole number.
    Number,
    /// Texts.
    Texts,
    /// What a person is asked to do: a text, or a table.
    Person,
    /// A table.
    Table,
}

/// The keys of an action's file.
pub const ACTION_KEYS: [(&str, ActionKey); 13] = [
    ("id", ActionKey::Text),
    ("formula", ActionKey::Formula),
    ("action_required", ActionKey::Person),
    ("context", ActionKey::Text),
    ("unblocks", ActionKey::Texts),
    ("project", ActionKey::Text),
    ("inputs", ActionKey::Table),
    ("secrets", ActionKey::Texts),
    ("mounts", ActionKey::Texts),
    ("model", ActionKey::Text),
    ("tools", ActionKey::Texts),
    ("timeout_minutes", ActionKey::Number),
    ("blast_radius", ActionKey::Tier),
];
