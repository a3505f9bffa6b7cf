//! The structured outputs of the shipped roles: their JSON schemas, and the one function that believes an answer.
//!
//! An agent's answer is data from a stranger. It passes here or it is refused with words that can go back to the agent; nothing is
//! repaired and nothing is guessed.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::model::{FixOutput, OutputShape, Route, StepOutput, TriageOutput};

/// The longest answer that is looked at, in bytes.
pub const OUTPUT_LIMIT: u64 = 1 << 20;
/// The longest summary, in characters: it goes into a comment, which the forge cuts at 64 KiB.
const SUMMARY_LIMIT: usize = 16_000;
/// The longest title of a pull request, in characters.
const TITLE_LIMIT: usize = 200;
/// The longest list, in entries.
const LIST_LIMIT: usize = 50;
/// The longest entry of a list, in characters.
const ENTRY_LIMIT: usize = 2_000;

/// The JSON schema that an agent's answer must fit.
///
/// Draft 7 without references: claude 2.1.329 refuses a `$schema` of 2020-12 ("no schema with key or ref") and exits without a result.
pub fn schema(shape: OutputShape) -> Schema {
    match shape {
        OutputShape::Triage => schema_of::<TriageOutput>(),
        OutputShape::Fix => schema_of::<FixOutput>(),
    }
}

fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true).into_generator().into_root_schema_for::<T>()
}

/// Validates an answer: its form, and that what it says makes sense.
///
/// # Errors
/// What is wrong with it, in words that an agent can act on.
pub fn parse_output(shape: OutputShape, json: &str) -> Result<StepOutput, String> {
    match shape {
        OutputShape::Triage => {
            let output: TriageOutput = read(json)?;
            check_triage(&output)?;
            Ok(StepOutput::Triage(output))
        }
        OutputShape::Fix => {
            let output: FixOutput = read(json)?;
            check_fix(&output)?;
            Ok(StepOutput::Fix(output))
        }
    }
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| format!("the structured output is not as asked: {error}"))
}

fn check_triage(output: &TriageOutput) -> Result<(), String> {
    check_text("summary", &output.summary, SUMMARY_LIMIT)?;
    check_list("requirements", &output.requirements)?;
    check_list("acceptance", &output.acceptance)?;
    check_list("files", &output.files)?;
    check_list("questions", &output.questions)?;
    match output.route {
        Route::NeedsInfo if output.questions.is_empty() => {
            Err("`route` is \"needs-info\" but `questions` is empty: say what has to be asked".to_owned())
        }
        Route::NeedsInfo | Route::Queue | Route::Interactive => Ok(()),
    }
}

fn check_fix(output: &FixOutput) -> Result<(), String> {
    check_text("summary", &output.summary, SUMMARY_LIMIT)?;
    match &output.title {
        Some(title) if title.contains(['\n', '\r']) => Err("`title` must be a single line".to_owned()),
        Some(title) if !title.trim().is_empty() => check_text("title", title, TITLE_LIMIT),
        // A model that has no title to give often gives an empty one.
        Some(_) | None => Ok(()),
    }
}

fn check_list(key: &str, entries: &[String]) -> Result<(), String> {
    if entries.len() > LIST_LIMIT {
        return Err(format!("`{key}` has {} entries, more than {LIST_LIMIT}", entries.len()));
    }
    entries.iter().try_for_each(|entry| check_text(key, entry, ENTRY_LIMIT))
}

fn check_text(key: &str, text: &str, limit: usize) -> Result<(), String> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        Err(format!("`{key}` must not be empty"))
    } else if length > limit {
        Err(format!("`{key}` has {length} characters, more than {limit}"))
    } else {
        Ok(())
    }
}
