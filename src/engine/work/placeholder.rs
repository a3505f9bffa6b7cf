//! What stands for the answers of agents that nobody asks.

use serde_json::{Map, Value as Json, json};

use crate::model::{Shape, StepId};

use super::{Answer, Cast, Shown};

/// How deep schemas may refer to each other before the rest is left out.
const DEPTH: usize = 16;

/// Answers everything with what its schema allows first, and passes all that runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placeholders;

impl Cast for Placeholders {
    fn answer(&mut self, _: &StepId, shape: &Shape) -> Result<Answer, String> {
        Ok(Answer::Output(placeholder(&shape.schema)))
    }

    fn shows(&mut self, _: &StepId) -> Result<Shown, String> {
        Ok(Shown { passed: true, tail: "(what is printed)".into() })
    }

    fn stands_in(&self) -> bool {
        true
    }
}

/// A value of a schema: the first word that it allows, texts that say what they stand for, one item of each list. In round brackets, because what is
/// in angle ones is taken for HTML, and out, where it is proposed.
pub fn placeholder(schema: &Json) -> Json {
    of(schema, schema, "text", 0)
}

fn of(schema: &Json, root: &Json, name: &str, depth: usize) -> Json {
    if depth > DEPTH {
        return Json::Null;
    }
    if let Some(below) = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        return of(below, root, name, depth + 1);
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(first) = schema["enum"].get(0).or_else(|| schema["examples"].get(0)).or_else(|| schema.get("default")) {
        return first.clone();
    }
    if let Some(first) = ["oneOf", "anyOf", "allOf"].into_iter().find_map(|choice| schema[choice].get(0)) {
        return of(first, root, name, depth + 1);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array()?.iter().find_map(Json::as_str));
    match kind {
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), of(field, root, name, depth + 1))).collect::<Map<_, _>>().into()
        }
        // What an issue of a list waits for is another of that list, by its id: nothing that could be made up.
        Some("array") if name == "depends_on" => json!([]),
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(1).max(1).min(schema["maxItems"].as_u64().unwrap_or(u64::MAX));
            (0..least.min(20)).map(|_| of(&schema["items"], root, name, depth + 1)).collect()
        }
        Some("integer" | "number") => match (schema.get("minimum"), schema["exclusiveMinimum"].as_i64()) {
            (Some(least), _) => least.clone(),
            (None, Some(below)) => json!(below + 1),
            (None, None) => json!(1),
        },
        Some("boolean") => json!(true),
        Some("null") => Json::Null,
        _ => json!(format!("({name})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::shipped_schema;

    fn of_shipped(name: &str) -> Json {
        placeholder(&serde_json::from_str(shipped_schema(name).expect(name)).expect("JSON"))
    }

    #[test]
    fn a_placeholder_says_what_it_stands_for() {
        assert_eq!(
            of_shipped("fix-result"),
            json!({ "blast_radius": "low", "outcome": "done", "title": "(title)", "summary": "(summary)" })
        );
        let triage = of_shipped("triage-result");
        assert_eq!((&triage["route"], &triage["files"]), (&json!("queue"), &json!(["(files)"])));
    }

    #[test]
    fn what_stands_for_an_answer_of_a_shipped_schema_fits_that() {
        for name in crate::formula::shipped_schema_names() {
            let schema: Json = serde_json::from_str(shipped_schema(&name).expect("shipped")).expect("JSON");
            let shape = Shape { name: name.clone(), schema: schema.clone() };
            assert_eq!(crate::hands::output::fits(&shape, &placeholder(&schema)), Ok(()), "{name}: {}", placeholder(&schema));
        }
    }

    #[test]
    fn a_schema_that_names_itself_comes_to_an_end() {
        let schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "object", "properties": { "b": { "$ref": "#/$defs/a" } } } } });
        assert!(placeholder(&schema).is_object());
    }
}
