//! What stands for the answers of agents that nobody asks.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value as Json, json};

use crate::document::Schema;
use crate::model::{Shape, StepId};

use super::{Answer, Cast, Shown};

/// How deep schemas may refer to each other before the rest is left out.
const DEPTH: usize = 16;
/// The longest text that is made, in characters.
const LONGEST: u64 = 400;

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
        _ => text(schema, name).into(),
    }
}

/// A text that says what it stands for, where its schema takes that; else one that fits, as far as it can be made.
fn text(schema: &Json, name: &str) -> String {
    let known = match schema["format"].as_str() {
        Some("date-time") => Some("2026-01-31T12:00:00Z"),
        Some("date") => Some("2026-01-31"),
        Some("time") => Some("12:00:00Z"),
        Some("email") => Some("name@example.com"),
        Some("uri" | "iri" | "url") => Some("https://example.com/"),
        _ => None,
    };
    let usual = known.map_or_else(|| format!("({name})"), str::to_owned);
    let patterned = || {
        let pattern = schema["pattern"].as_str()?;
        let judge = Schema::new(&json!({ "pattern": pattern })).ok()?;
        let taken = |text: &str| judge.mistakes(&text.into(), 1).is_empty();
        let made = || shortest(&regex_syntax::parse(pattern).ok()?).filter(|made| taken(made));
        (!taken(&usual)).then(made)?
    };
    let made = patterned().unwrap_or(usual);
    let (count, least) = (made.chars().count() as u64, schema["minLength"].as_u64().unwrap_or(0));
    match schema["maxLength"].as_u64() {
        Some(most) if most < count => made.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect(),
        // What is asked to be longer than a page is hardly worth to be shown.
        _ if least > count => made.chars().cycle().take(usize::try_from(least.min(LONGEST)).unwrap_or_default()).collect(),
        _ => made,
    }
}

/// A text that a pattern takes, of letters and digits where it may be; none where it is longer than anybody would read.
fn shortest(hir: &Hir) -> Option<String> {
    let made = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => String::new(),
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok()?,
        HirKind::Class(Class::Unicode(class)) => {
            let has = |c: char| class.ranges().iter().any(|range| range.start() <= c && c <= range.end());
            let usual = ('a'..='z').chain('0'..='9').chain('A'..='Z').chain("-_. /#".chars()).find(|c| has(*c));
            usual.or_else(|| class.ranges().first().map(|range| range.start()))?.to_string()
        }
        HirKind::Class(Class::Bytes(class)) => char::from(class.ranges().first()?.start()).to_string(),
        HirKind::Repetition(again) => {
            let times = usize::try_from(u64::from(again.min).min(LONGEST)).unwrap_or_default();
            shortest(&again.sub)?.repeat(times)
        }
        HirKind::Capture(group) => shortest(&group.sub)?,
        HirKind::Concat(parts) => parts.iter().map(shortest).collect::<Option<String>>()?,
        HirKind::Alternation(ways) => shortest(ways.first()?)?,
    };
    (made.len() as u64 <= LONGEST).then_some(made)
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
    fn a_text_fits_what_its_schema_asks_of_it() {
        let made = |more: Json| {
            let mut schema = json!({ "type": "string" });
            schema.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
            let whole = json!({ "type": "object", "required": ["name"], "properties": { "name": schema } });
            let (shape, answer) = (Shape { name: "it".into(), schema: whole.clone() }, placeholder(&whole));
            assert_eq!(crate::hands::output::fits(&shape, &answer), Ok(()), "{more}: {answer}");
            answer["name"].as_str().expect("a text").to_owned()
        };
        for (schema, text) in [
            (json!({}), "(name)"),
            (json!({ "pattern": "." }), "(name)"),
            (json!({ "pattern": "^[a-z][a-z0-9-]{2,}$" }), "aaa"),
            (json!({ "pattern": "^(v\\d+\\.\\d+|latest)$" }), "v0.0"),
            (json!({ "pattern": "^#[0-9A-F]{6}$" }), "#000000"),
            (json!({ "pattern": "^sprints/.+\\.md$" }), "sprints/a.md"),
            (json!({ "maxLength": 3 }), "(na"),
            (json!({ "minLength": 8 }), "(name)(n"),
            (json!({ "format": "date" }), "2026-01-31"),
        ] {
            assert_eq!(made(schema.clone()), text, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_names_itself_comes_to_an_end() {
        let schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "object", "properties": { "b": { "$ref": "#/$defs/a" } } } } });
        assert!(placeholder(&schema).is_object());
    }
}
