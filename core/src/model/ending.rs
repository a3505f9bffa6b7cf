//! What formulas end as.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Expression, FormulaName};

/// What a formula ends as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Whether it does; always, without one.
    pub when: Option<Expression>,
    /// What.
    pub is: EndWord,
    /// What people are told about it: a text.
    pub summary: Option<Expression>,
    /// What is asked: a list of texts.
    pub questions: Option<Expression>,
    /// Who goes on, where another formula does.
    #[serde(default)]
    pub hands: Option<Hands>,
}

/// The formula that goes on with an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hands {
    /// It.
    pub to: FormulaName,
    /// What the run ends as where that one is not on for the project, or had its turn already.
    pub or: EndWord,
}

/// What a formula may end as. Only the plan's table turns this into labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndWord {
    /// It did what it is for.
    Done,
    /// There was nothing to do.
    NoChange,
    /// It should not be done, or not by an agent.
    Refused,
    /// An agent can do it.
    Queue,
    /// A person must.
    Interactive,
    /// A question has to be answered first.
    NeedsInfo,
    /// Another formula goes on.
    HandOver,
}
