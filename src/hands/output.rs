//! The one function that believes an agent's answer, and the form in which a schema is handed to an agent.
//!
//! An agent's answer is data from a stranger. It fits the schema of its step or it is refused with words that can go back to the agent;
//! nothing is repaired and nothing is guessed.

use serde_json::Value as Json;

use crate::document::{Schema, lines};
use crate::model::Shape;

/// The longest answer that is looked at, in bytes.
pub const OUTPUT_LIMIT: u64 = 1 << 20;
/// Mistakes that are told at once.
const TOLD: usize = 5;

/// The JSON schema that an agent's answer must fit, for the agent.
///
/// Without `$schema`: claude 2.1.329 refuses one of 2020-12 ("no schema with key or ref") and exits without a result.
pub fn schema(shape: &Shape) -> Json {
    let mut schema = shape.schema.clone();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("$id");
    }
    // It knows no words but those of JSON schema; the prompt has the rules.
    lines::without(&mut schema);
    schema
}

/// Validates an answer.
///
/// # Errors
/// What is wrong with it, in words that an agent can act on.
pub fn parse_output(shape: &Shape, json: &str) -> Result<Json, String> {
    let limit = usize::try_from(OUTPUT_LIMIT).unwrap_or(usize::MAX);
    if json.len() > limit {
        return Err(format!("the structured output has {} bytes, more than {limit}", json.len()));
    }
    let answer: Json =
        serde_json::from_str(json).map_err(|error| format!("the structured output is not as asked: it is no JSON ({error})"))?;
    fits(shape, &answer)?;
    Ok(answer)
}

/// Whether an answer fits its shape.
///
/// # Errors
/// Where it does not.
pub fn fits(shape: &Shape, answer: &Json) -> Result<(), String> {
    // Formulas are checked when they are loaded; one of an old journal may have been written by other rules.
    let schema = Schema::new(&shape.schema).map_err(|why| format!("the schema {} cannot be used: {why}", shape.name))?;
    let mistakes = schema.mistakes(answer, TOLD);
    if mistakes.is_empty() { Ok(()) } else { Err(format!("the structured output is not as asked: {}", mistakes.join("; "))) }
}
