//! What stands in the way of an effect, and whether it is tried again.

use serde::{Deserialize, Serialize};

/// What was in the way of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What decides whether it is tried again.
    pub kind: FailureKind,
    /// In words.
    pub why: String,
}

/// Whether it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// It passes by itself: tried again, with growing pauses.
    Passing,
    /// Nobody knows whether it was done: looked up first.
    Doubtful,
    /// There are no credentials for the model.
    NoCredentials,
    /// The machine: disk, sandbox, a program that is missing.
    Environment,
    /// The forge says no: a right, a scope, a rule. A person has to see to it.
    Refused,
    /// What it was about is gone.
    Gone,
    /// The project's `setup` or its env file.
    Setup,
    /// It was stopped.
    Cancelled,
}
