//! What a schema requires and does not describe.
//!
//! Promises: a name in `required` is one of `properties`, of the same part of the schema or of what is laid over it there (`allOf`, `if`,
//! `$ref` and the like). Where a pattern describes properties it may be any.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::document::{Flaw, json, nearest};

/// How deep a schema is looked into.
const DEPTH: usize = 64;
/// Keywords with schemas that are about the same value.
const BESIDE: [&str; 8] = ["allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas"];
/// Keywords with schemas that are about parts of it: below a name, and themselves.
const NAMED: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
const INNER: [&str; 5] = ["items", "additionalItems", "prefixItems", "additionalProperties", "contains"];

/// Each name that is required and described nowhere, with what to do.
pub(super) fn undescribed(schema: &Json) -> Vec<(Flaw, String)> {
    let mut found = Vec::new();
    look(schema, schema, ("", 0), &BTreeSet::new(), &mut found);
    found
}

/// `around` is what the schemas describe that this one is laid over.
fn look(part: &Json, root: &Json, (at, depth): (&str, usize), around: &BTreeSet<String>, found: &mut Vec<(Flaw, String)>) {
    if depth > DEPTH {
        return;
    }
    let mut known = around.clone();
    describe(part, root, &mut BTreeSet::new(), &mut known);
    // A part that describes nothing may be about what another one describes.
    let says = !known.is_empty() && part.get("patternProperties").is_none();
    for (nth, name) in part["required"].as_array().into_iter().flatten().enumerate().filter(|_| says) {
        let Some(name) = name.as_str().filter(|name| !known.contains(*name)) else { continue };
        let what = format!("`required` names `{}`, which no property is called", name.escape_debug());
        let help = match nearest(name, known.iter().map(String::as_str)) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => "describe it in \"properties\", or take it out".to_owned(),
        };
        found.push((Flaw { at: format!("{at}/required/{nth}"), what }, help));
    }
    for (name, inner) in json::parts(part) {
        let at = format!("{at}/{name}");
        match name.as_str() {
            beside if BESIDE.contains(&beside) => {
                each(inner, &at, &mut |inner, at| look(inner, root, (at, depth + 1), &known, found))
            }
            part if NAMED.contains(&part) => {
                let none = BTreeSet::new();
                json::parts(inner)
                    .for_each(|(name, inner)| look(inner, root, (&format!("{at}/{name}"), depth + 1), &none, found));
            }
            part if INNER.contains(&part) => {
                each(inner, &at, &mut |inner, at| look(inner, root, (at, depth + 1), &BTreeSet::new(), found));
            }
            _ => {}
        }
    }
}

/// A schema, or each of a list or of a map that is none itself.
fn each(of: &Json, at: &str, look: &mut dyn FnMut(&Json, &str)) {
    match of.is_array() || at.ends_with("dependentSchemas") {
        true => json::parts(of).for_each(|(name, inner)| look(inner, &format!("{at}/{name}"))),
        false => look(of, at),
    }
}

/// The names that a part of a schema describes, with what is laid over it. Each part is looked at once: some are laid over themselves.
fn describe(part: &Json, root: &Json, seen: &mut BTreeSet<*const Json>, known: &mut BTreeSet<String>) {
    if !seen.insert(std::ptr::from_ref(part)) {
        return;
    }
    known.extend(part["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    let to = part["$ref"].as_str().and_then(|place| root.pointer(place.strip_prefix('#')?));
    for name in BESIDE {
        each(&part[name], name, &mut |inner, _| describe(inner, root, seen, known));
    }
    to.into_iter().for_each(|to| describe(to, root, seen, known));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(schema: Json) -> Vec<String> {
        undescribed(&schema).into_iter().map(|(flaw, help)| format!("{flaw}: {help}")).collect()
    }

    #[test]
    fn what_is_required_is_described_wherever_it_stands() {
        let of = |known: Json| json!({ "type": "object", "properties": known, "required": ["tilte"] });
        let why = "`required` names `tilte`, which no property is called: did you mean \"title\"?";
        assert_eq!(said(of(json!({ "title": {} }))), [format!("at /required/0: {why}")]);
        let inner = json!({ "properties": { "a": { "items": of(json!({ "title": {} })) } } });
        assert_eq!(said(inner), [format!("at /properties/a/items/required/0: {why}")]);
        let open = json!({ "properties": { "b": {} }, "additionalProperties": true, "required": ["tilte"] });
        assert_eq!(
            said(open),
            [
                "at /required/0: `required` names `tilte`, which no property is called: describe it in \"properties\", or take it out"
            ]
        );
        assert_eq!(said(of(json!({ "tilte": {} }))), Vec::<String>::new());
    }

    #[test]
    fn what_is_laid_over_a_part_describes_it_too() {
        let right = [
            json!({ "properties": { "a": {} }, "anyOf": [{ "required": ["a"] }, { "properties": { "b": {} }, "required": ["b"] }] }),
            json!({ "properties": { "a": {} }, "$ref": "#/$defs/more", "required": ["c"], "$defs": { "more": { "properties": { "c": {} } } } }),
            json!({ "if": { "properties": { "a": { "const": 1 } } }, "then": { "required": ["b"] }, "properties": { "b": {} } }),
            json!({ "properties": { "a": {} }, "patternProperties": { "^x": {} }, "required": ["x1"] }),
            json!({ "$defs": { "only": { "required": ["a"] } } }),
            json!({ "properties": { "required": { "type": "array" }, "properties": {} }, "default": { "properties": {}, "required": ["a"] } }),
        ];
        for schema in right {
            assert_eq!(said(schema.clone()), Vec::<String>::new(), "{schema}");
        }
        let wrong = json!({ "properties": { "a": {} }, "anyOf": [{ "required": ["b"] }] });
        assert_eq!(said(wrong).len(), 1);
        let of_itself = json!({ "properties": { "a": {} }, "allOf": vec![json!({ "$ref": "#" }); 40], "required": ["b"] });
        assert_eq!(said(of_itself).len(), 1, "one that is laid over itself ends");
    }
}
