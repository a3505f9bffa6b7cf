//! What a formula says of the agent that does a step, beside its role.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a formula says of the agent that does a step; what it leaves out is as the configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Hire {
    /// What kind of agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendKind>,
    /// The model that it works with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Hire {
    /// Whether nothing is said.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// A kind of agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum BackendKind {
    /// Headless Claude Code.
    Claude,
    /// A program of one's own.
    Command,
}

impl BackendKind {
    /// All, each with its word in the configuration and in formulas.
    pub const WORDS: [(&'static str, Self); 2] = [("claude", Self::Claude), ("command", Self::Command)];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Command => "command",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether this can be the name of a model: what it is told to is a program's argument.
pub fn is_model_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@');
    !text.starts_with('-') && !text.is_empty() && text.len() <= 200 && text.chars().all(plain)
}
