//! A JSON schema that values are judged by.
//!
//! Promises: a schema is judged by the draft that it names, by draft 7 if it names none; nothing is read from the disk or the network for
//! it, whatever it refers to; what is told of a value names its place and what is wanted, in as many characters as are given.

use std::error::Error;

use boon::{CompileError, Compiler, Draft, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::Value as Json;

use super::lines;

/// What a schema is called while it is compiled; it is never fetched.
const NAME: &str = "schema:/";
/// The longest text about one mistake, in characters.
const TOLD: usize = 300;

/// Why something is no schema, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{}", told(at, what))]
pub struct Flaw {
    /// The part that is wrong, by its JSON pointer; empty where it is not known.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
}

/// A schema, ready to judge by.
pub struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
    text: Json,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Where it is no schema, and why.
    pub fn new(schema: &Json) -> Result<Self, Flaw> {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V7);
        compiler.use_loader(Box::new(Nothing));
        compiler.add_resource(NAME, schema.clone()).map_err(|error| flaw(&error))?;
        let index = compiler.compile(NAME, &mut schemas).map_err(|error| flaw(&error))?;
        match lines::flaw(schema) {
            Some(why) => Err(why),
            None => Ok(Self { schemas, index, text: schema.clone() }),
        }
    }

    /// What is wrong with a value, at most `most` mistakes. None if it fits.
    pub fn mistakes(&self, value: &Json, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        if let Err(error) = self.schemas.validate(value, self.index) {
            leaves(&error, &mut |place, what| found.push(told(&place, &what)));
        }
        // The library goes through properties in no order.
        found.sort();
        if found.is_empty() {
            found = lines::mistakes(&self.text, value);
        }
        found.truncate(most);
        found
    }
}

/// The mistakes themselves, each with its place, without the keywords that lead to them.
fn leaves(error: &ValidationError<'_, '_>, found: &mut impl FnMut(String, String)) {
    if error.causes.is_empty() {
        found(error.instance_location.to_string(), error.kind.to_string());
    }
    for cause in &error.causes {
        leaves(cause, found);
    }
}

fn told(place: &str, what: &str) -> String {
    let what: String = what.chars().take(TOLD).collect();
    if place.is_empty() { what } else { format!("at {place}: {what}") }
}

fn flaw(error: &CompileError) -> Flaw {
    if let CompileError::ValidationError { src, .. } = error {
        let mut found = Vec::new();
        leaves(src, &mut |at, what| found.push(Flaw { at, what }));
        let unclear = || Flaw { at: String::new(), what: "it does not fit the schema of schemas".to_owned() };
        // The library goes through properties in no order.
        return found.into_iter().min().unwrap_or_else(unclear);
    }
    Flaw { at: String::new(), what: format!("{error:#}") }
}

/// Reads nothing, wherever a reference leads.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, _: &str) -> Result<Json, Box<dyn Error>> {
        Err("a schema holds all that it refers to".into())
    }
}
