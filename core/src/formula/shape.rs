//! The schemas of agents' outputs: what an output names, read and held to be a JSON schema that its answer can be judged by.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::call::Calls;
use super::read::word;
use super::shipped::shipped_schema;
use crate::document::{Schema, Value, nearest};
use crate::model::Shape;

/// The longest schema, in bytes: a prompt holds it.
const MAX_BYTES: usize = 64 << 10;
/// How deep a schema is looked into for references; JSON itself is read no deeper.
const DEPTH: usize = 128;

/// How many schemas are remembered at most.
const KEPT: usize = 64;

thread_local! {
    /// Schemas that were held to be right: formulas share them.
    static SOUND: RefCell<BTreeSet<String>> = RefCell::default();
}

/// The schema that an output names.
pub(super) fn shape(value: &Value<'_>, calls: &Calls<'_>) -> Option<Shape> {
    let name = word(value)?;
    let Some((file, text)) = (calls.sources.schemas)(&name) else {
        let help = match nearest(&name, calls.sources.schema_names.iter().map(String::as_str)) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => format!("put a JSON schema into formulas/schemas/{name}.json"),
        };
        return value.wrong(format!("there is no schema `{name}`"), help);
    };
    if text.len() > MAX_BYTES {
        return value.wrong(format!("{file} is longer than {MAX_BYTES} bytes"), "ask for less");
    }
    let schema: Json = match serde_json::from_str(&text) {
        Ok(schema) => schema,
        Err(error) => return value.wrong(format!("{file} is no JSON: {error}"), "write a JSON schema there"),
    };
    // Those that are shipped are held to be right by the tests: judging the first one compiles all drafts of JSON schema, which stay.
    if shipped_schema(&name) == Some(text.as_str()) || SOUND.with_borrow(|known| known.contains(&text)) {
        return Some(Shape { name, schema });
    }
    match flaw(&schema) {
        None => {
            SOUND.with_borrow_mut(|known| {
                if known.len() >= KEPT {
                    known.clear();
                }
                known.insert(text);
            });
            Some(Shape { name, schema })
        }
        Some((what, help)) => value.wrong(format!("{file}: {what}"), help),
    }
}

/// What is wrong with a schema, and what to do.
fn flaw(schema: &Json) -> Option<(String, String)> {
    let known = schema.as_object().map(|object| object.get("type").and_then(Json::as_str));
    let help = "write a JSON schema of draft 7 with \"type\": \"object\" and its \"properties\"";
    if known.is_none() {
        return Some(("this is no JSON schema: it is not an object".to_owned(), help.to_owned()));
    }
    if let Some(wrong) = references(schema, schema, 0) {
        return Some(wrong);
    }
    if let Err(why) = Schema::new(schema) {
        return Some((format!("this is no JSON schema: {why}"), help.to_owned()));
    }
    (known != Some(Some("object"))).then(|| {
        let what = "an agent's output is an object, and this schema describes something else";
        (what.to_owned(), help.to_owned())
    })
}

/// A reference that leads out of the schema, or nowhere.
fn references(part: &Json, root: &Json, depth: usize) -> Option<(String, String)> {
    if depth > DEPTH {
        return None;
    }
    if let Some(place) = part.get("$ref").and_then(Json::as_str) {
        let Some(pointer) = place.strip_prefix('#') else {
            let what = format!("`$ref` leads elsewhere: \"{}\"", place.escape_debug());
            return Some((what, "put what it refers to under \"$defs\" and write \"#/$defs/NAME\"".to_owned()));
        };
        if root.pointer(pointer).is_none() {
            let what = format!("`$ref` leads nowhere: \"{}\"", place.escape_debug());
            let names = root.get("$defs").and_then(Json::as_object).into_iter().flatten().map(|(name, _)| name.as_str());
            let help = match nearest(place.rsplit('/').next().unwrap_or_default(), names) {
                Some(right) => format!("did you mean \"#/$defs/{right}\"?"),
                None => "describe it there, or name what is there".to_owned(),
            };
            return Some((what, help));
        }
    }
    let below: Vec<&Json> = match part {
        Json::Object(fields) => fields.values().collect(),
        Json::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    below.into_iter().find_map(|inner| references(inner, root, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::super::shipped::shipped_schema_names;
    use super::*;

    #[test]
    fn the_shipped_schemas_are_right() {
        for name in shipped_schema_names() {
            let schema: Json = serde_json::from_str(shipped_schema(&name).expect(&name)).expect(&name);
            assert_eq!(flaw(&schema), None, "{name}");
        }
    }
}
