//! The shapes of structured outputs.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

/// The shape of a structured output: a JSON schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// What its file is called, without the ending.
    pub name: String,
    /// The schema, draft 7, without references to elsewhere.
    pub schema: Json,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Whole { name: String, schema: Json },
            // Journals of older versions knew two by name.
            Word(String),
        }
        match Written::deserialize(from)? {
            Written::Whole { name, schema } => Ok(Self { name, schema }),
            Written::Word(word) => {
                let old = [("triage", TRIAGE_RESULT), ("fix", FIX_RESULT)].into_iter().find(|(name, _)| *name == word);
                let (_, text) = old.ok_or_else(|| serde::de::Error::custom(format!("no shape is called {word}")))?;
                let schema = serde_json::from_str(text).map_err(serde::de::Error::custom)?;
                Ok(Self { name: format!("{word}-result"), schema })
            }
        }
    }
}

const TRIAGE_RESULT: &str = include_str!("../../../formulas/schemas/triage-result.json");
const FIX_RESULT: &str = include_str!("../../../formulas/schemas/fix-result.json");
