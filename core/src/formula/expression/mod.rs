//! Conditions and lists of a formula, in CEL (the Common Expression Language).
//!
//! Promises: [`check`] finds every mistake of an expression at once, each with the bytes that it stands at and what to do: names and fields that
//! nothing has, types that do not go together, words that a text can never be, functions that do not exist or are asked wrongly, literals that
//! do not mean what they should. An expression that it took never fails by type on data of its scope. Reading and evaluating are bounded:
//! by [`MAX_BYTES`] of source, [`MAX_NESTING`] and [`MAX_LOOPS`], so that neither stack nor clock is at an author's mercy; both only compute, and
//! the same data give the same value.
//!
//! Types come from the data that they are about, [`Type::of_schema`] makes them from JSON Schemas. What is asked of data that is not there (a field that
//! is not required, an item past the end of a list, something of `null`) is [`EvaluateError::Absent`], and [`holds`] makes that false.
//!
//! Not checked, because nothing is known: what is asked of [`Type::Any`], its use by value (`matches` with a pattern that is made at run time, a text that
//! `timestamp` cannot read, a number that is too large, division by what turns out to be 0). That a field which may be missing is asked for with
//! `has` first is looked at by [`absent()`], where a value is needed. The order of `map` and `filter` over a value of unknown type that turns out to be an object is not defined.
//!
//! The language is CEL without what formulas have no use for: `bytes` and `uint`, `type` and `dyn`, messages, optional values.

mod absent;
mod calls;
mod check;
mod evaluate;
mod functions;
mod operators;
mod source;
mod sure;
mod types;
mod written;

use std::ops::Range;

pub use absent::{absent, sure_of_items};
pub use check::check;
pub use evaluate::{EvaluateError, evaluate, holds, items};
pub use sure::{Sure, sure};
pub use types::{Field, Record, Type};
pub use written::toml;

/// The longest source, in bytes.
pub const MAX_BYTES: usize = 1_000;
/// How deep brackets can stand in each other, and how many `? :` one expression can have.
pub const MAX_NESTING: usize = 16;
/// How many operators, fields and calls can stand in one another: `a.b.c` are two.
pub const MAX_DEPTH: usize = 64;
/// How deep `all`, `exists`, `exists_one`, `map` and `filter` can stand in each other.
pub const MAX_LOOPS: usize = 2;

/// What an expression must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// `when`: true or false.
    Bool,
    /// `for_each`: a list.
    List,
    /// What people are told: a text.
    Text,
    /// A value, whatever it is.
    Value,
}

/// One mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in bytes of the source.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Mistake {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
