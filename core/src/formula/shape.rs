//! The schemas of agents' outputs: what an output names, read and held to be a JSON schema that its answer can be judged by.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::call::Calls;
use super::read::word;
use super::shipped::shipped_schema;
use super::template::Templates;
use super::{described, unreadable};
use crate::document::{Fault, Flaw, Schema, SourceFile, Value, json, nearest};
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

/// The schema that an output names. What is wrong within its file is said there, and who names it.
pub(super) fn shape(value: &Value<'_>, calls: &Calls<'_>, templates: &Templates<'_>) -> Option<Shape> {
    let name = word(value)?;
    let Some((file, text)) = (calls.sources.schemas)(&name) else {
        let help = match nearest(&name, calls.sources.schema_names.iter().map(String::as_str)) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => format!("put a JSON schema into formulas/schemas/{name}.json"),
        };
        return value.wrong(format!("there is no schema `{name}`"), help);
    };
    match sound(&name, &file, &text) {
        Ok(schema) => Some(Shape { name, schema }),
        Err(found) => {
            let mut faults = templates.faults.borrow_mut();
            // One that two steps name is wrong once.
            if faults.iter().all(|fault| fault.file() != file) {
                let by = templates.line_of(value);
                faults.extend(found.into_iter().map(|fault| fault.named_by(&by)));
            }
            None
        }
    }
}

/// A schema that an answer can be judged by, or all that is wrong with it.
fn sound(name: &str, file: &str, text: &str) -> Result<Json, Vec<Fault>> {
    let source = SourceFile::new(file, text);
    if let Some(fault) = unreadable(&source, text) {
        return Err(vec![fault]);
    }
    if text.len() > MAX_BYTES {
        let what = format!("a schema has at most {MAX_BYTES} bytes, this one has {}", text.len());
        return Err(vec![Fault::at(&source, 0..0, what, Some("ask for less".to_owned()))]);
    }
    let schema: Json = serde_json::from_str(text)
        .map_err(|error| vec![json::syntax(&source, text, &error, "write a JSON schema here".to_owned())])?;
    // Those that are shipped are held to be right by the tests: judging the first one compiles all drafts of JSON schema, which stay.
    if shipped_schema(name) == Some(text) || SOUND.with_borrow(|known| known.contains(text)) {
        return Ok(schema);
    }
    let found = flaws(&schema);
    if found.is_empty() {
        SOUND.with_borrow_mut(|known| {
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(text.to_owned());
        });
        return Ok(schema);
    }
    let fault = |(Flaw { at, what }, help): (Flaw, String)| {
        let place = json::place(text, &at).unwrap_or(0..0);
        // Of what goes on for lines its beginning is shown.
        let line = text[place.clone()].find('\n').map_or(place.end, |end| place.start + end);
        Fault::at(&source, place.start..line, what, Some(help))
    };
    Err(found.into_iter().map(fault).collect())
}

/// What is wrong with a schema, and what to do: the first reason why it is none, or all names in it that stand for nothing.
fn flaws(schema: &Json) -> Vec<(Flaw, String)> {
    let help = "write a JSON schema of draft 7 with \"type\": \"object\" and its \"properties\"";
    let whole = |what: &str| vec![(Flaw { at: String::new(), what: what.to_owned() }, help.to_owned())];
    let Some(object) = schema.as_object() else { return whole("this is no JSON schema: it is not an object") };
    if let Some(wrong) = references(schema, schema, "", 0) {
        return vec![wrong];
    }
    if let Err(why) = Schema::new(schema) {
        let what = format!("this is no JSON schema: {why}");
        return vec![(Flaw { at: why.at, what }, help.to_owned())];
    }
    if object.get("type").and_then(Json::as_str) != Some("object") {
        return whole("an agent's output is an object, and this schema describes something else");
    }
    described::undescribed(schema)
}

/// A reference that leads out of the schema, or nowhere.
fn references(part: &Json, root: &Json, at: &str, depth: usize) -> Option<(Flaw, String)> {
    if depth > DEPTH {
        return None;
    }
    if let Some(place) = part.get("$ref").and_then(Json::as_str) {
        let wrong = |what: String, help: String| Some((Flaw { at: format!("{at}/$ref"), what }, help));
        let Some(pointer) = place.strip_prefix('#') else {
            let what = format!("`$ref` leads elsewhere: \"{}\"", place.escape_debug());
            return wrong(what, "put what it refers to under \"$defs\" and write \"#/$defs/NAME\"".to_owned());
        };
        if root.pointer(pointer).is_none() {
            let what = format!("`$ref` leads nowhere: \"{}\"", place.escape_debug());
            let names = root.get("$defs").and_then(Json::as_object).into_iter().flatten().map(|(name, _)| name.as_str());
            let help = match nearest(place.rsplit('/').next().unwrap_or_default(), names) {
                Some(right) => format!("did you mean \"#/$defs/{right}\"?"),
                None => "describe it there, or name what is there".to_owned(),
            };
            return wrong(what, help);
        }
    }
    json::parts(part).find_map(|(name, inner)| references(inner, root, &format!("{at}/{name}"), depth + 1))
}

#[cfg(test)]
mod tests {
    use super::super::shipped::shipped_schema_names;
    use super::*;

    #[test]
    fn the_shipped_schemas_are_right() {
        for name in shipped_schema_names() {
            let schema: Json = serde_json::from_str(shipped_schema(&name).expect(&name)).expect(&name);
            assert_eq!(flaws(&schema), [], "{name}");
        }
    }

    #[test]
    fn every_part_of_a_schema_is_found_in_its_text() {
        fn judge(part: &Json, text: &str, at: &str) {
            let found = json::place(text, at).unwrap_or_else(|| panic!("{at} in {text}"));
            assert_eq!(&serde_json::from_str::<Json>(&text[found]).expect("JSON"), part, "{at}");
            json::parts(part).for_each(|(name, inner)| judge(inner, text, &format!("{at}/{name}")));
        }
        for name in shipped_schema_names() {
            let text = shipped_schema(&name).expect(&name);
            let schema: Json = serde_json::from_str(text).expect(&name);
            judge(&schema, text, "");
            judge(&schema, &schema.to_string(), "");
        }
    }
}
