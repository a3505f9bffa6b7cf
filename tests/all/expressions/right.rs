//! Right expressions, with their types and what they come to on [`data`].

use forgehand::formula::expression::{EvaluateError, Type, Wants, check, evaluate, holds, items};
use serde_json::{Value as Json, json};

use super::{data, scope};

use Because::{Absent, Failed, WrongType};

/// Why there is no value.
#[derive(Clone, Copy)]
enum Because {
    Absent(&'static str),
    Failed(&'static str),
    WrongType(&'static str),
}

/// The source, its type and its value as JSON.
type Right = (&'static str, &'static str, Result<&'static str, Because>);

const ALL: &[Right] = &[
    ("steps.fix.output.outcome == 'done'", "true or false", Ok("true")),
    ("steps.fix.output.outcome in ['done', 'refused']", "true or false", Ok("true")),
    ("steps.fix.output.outcome != 'refused' && issue.number > 3", "true or false", Ok("true")),
    ("!(issue.number < 3) || false", "true or false", Ok("true")),
    ("'urgent' in issue.labels", "true or false", Ok("true")),
    ("issue.labels.exists(label, label.startsWith('bug'))", "true or false", Ok("true")),
    ("issue.labels.all(label, size(label) > 3)", "true or false", Ok("true")),
    ("issue.labels.exists_one(label, label == 'urgent')", "true or false", Ok("true")),
    ("issue.labels.filter(label, label != 'urgent')", "a list of a text", Ok(r#"["bug-report"]"#)),
    ("issue.labels.map(label, label + '!')", "a list of a text", Ok(r#"["bug-report!","urgent!"]"#)),
    ("issue.labels.map(label, label != 'urgent', size(label))", "a list of a whole number", Ok("[10]")),
    ("steps.fix.output.touched.filter(file, file.kind == 'test')", "a list of an object", Err(Absent("`kind`"))),
    (
        "steps.fix.output.touched.filter(file, has(file.kind) && file.kind == 'code').map(file, file.path)",
        "a list of a text",
        Ok(r#"["src/a.rs"]"#),
    ),
    ("steps.fix.output.touched.all(file, file.lines * 2 < 100)", "true or false", Ok("true")),
    ("steps.fix.output.touched[1].lines == 40", "true or false", Ok("true")),
    ("steps.fix.output.touched[9].lines == 40", "true or false", Err(Absent("an item past the end of a list"))),
    ("steps['write-tests'].output.passed", "true or false", Ok("true")),
    ("has(steps.fix.output.summary)", "true or false", Ok("true")),
    ("has(steps.fix.output.confidence) ? steps.fix.output.confidence > 1.5 : inputs.loud", "true or false", Ok("true")),
    ("steps.fix.output.confidence / 4.0 == 0.5", "true or false", Ok("true")),
    ("steps.fix.output.confidence == 2", "true or false", Ok("true")),
    ("steps.fix.output.summary == null", "true or false", Ok("true")),
    ("steps.fix.output.summary.startsWith('x')", "true or false", Err(Absent("something that is null"))),
    ("size(steps.fix.output.summary) > 3", "true or false", Err(Absent("something that is null"))),
    ("steps.fix.output.scores['b-c'] == 2", "true or false", Ok("true")),
    ("steps.fix.output.scores.a == 1", "true or false", Ok("true")),
    ("steps.fix.output.scores.z == 1", "true or false", Err(Absent("`z`"))),
    ("steps.fix.output.scores.exists(name, name == 'a')", "true or false", Ok("true")),
    ("'a' in steps.fix.output.scores", "true or false", Ok("true")),
    ("steps.fix.output.extra.deep[1] == 'two'", "true or false", Ok("true")),
    ("steps.fix.output.extra.deep[1] + 1 == 2", "true or false", Err(WrongType("`add` does not go with string and int"))),
    ("steps.each.status == 'skipped'", "true or false", Ok("true")),
    ("steps.each.output.exists(one, one.issue > 3)", "true or false", Err(Absent("`output`"))),
    ("steps.each.output", "a list of an object", Err(Absent("`output`"))),
    ("now - issue.created > inputs.patience", "true or false", Ok("true")),
    ("now - issue.created > duration('1h')", "true or false", Ok("true")),
    ("issue.created < timestamp('2026-01-31T00:00:00Z')", "true or false", Ok("true")),
    ("now.getHours() == 11 && now.getHours('+02:00') == 13", "true or false", Ok("true")),
    ("now.getDayOfWeek('Europe/Berlin') == 0", "true or false", Ok("true")),
    ("(now - issue.created).getHours() == 50", "true or false", Ok("true")),
    ("issue.title.matches('(?i)^crash') && matches(issue.title, r'\\bl')", "true or false", Ok("true")),
    ("issue.title.contains('lö') && size(issue.title) == 13", "true or false", Ok("true")),
    ("string(issue.number) + '/' + issue.author == '7/ann'", "true or false", Ok("true")),
    ("int('7') == issue.number && double(issue.number) > 6.5", "true or false", Ok("true")),
    ("inputs.limit > 2", "true or false", Ok("true")),
    ("-issue.number < 0 && issue.number % 2 == 1", "true or false", Ok("true")),
    ("[1, 2, 3].map(n, n * n)", "a list of a whole number", Ok("[1,4,9]")),
    ("[] + issue.labels", "a list of a text", Ok(r#"["bug-report","urgent"]"#)),
    ("{'a': 1, 'b': 2}.a == 1", "true or false", Ok("true")),
    ("{'a': issue.labels}['a']", "a list of a text", Ok(r#"["bug-report","urgent"]"#)),
    ("inputs.loud ? issue.labels : []", "a list of a text", Ok("[]")),
    ("[[1], [2, 3]].exists(row, row.exists(n, n == 3))", "true or false", Ok("true")),
    ("issue.number / (issue.number - 7) == 1", "true or false", Err(Failed("nothing can be divided by 0"))),
    ("9223372036854775807 + issue.number > 0", "true or false", Err(Failed("a number, time or duration becomes too large"))),
    ("issue == issue", "true or false", Ok("true")),
    ("true", "true or false", Ok("true")),
];

fn called(of: &Type) -> String {
    match of {
        Type::List(item) => format!("a list of {}", called(item)),
        other => other.to_string(),
    }
}

#[test]
fn what_is_right_has_a_type_and_a_value() {
    for (source, of, value) in ALL {
        let wants = if of.starts_with("a list") { Wants::List } else { Wants::Bool };
        let found = check(source, &scope(), wants).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}"));
        assert_eq!(called(&found), *of, "{source}");
        let expected = value.map(|json| serde_json::from_str::<Json>(json).expect(json)).map_err(|because| match because {
            Absent(what) => EvaluateError::Absent(what.into()),
            Failed(what) => EvaluateError::Failed(what.into()),
            WrongType(what) => EvaluateError::WrongType(what.into()),
        });
        assert_eq!(evaluate(source, &scope(), &data()), expected, "{source}");
    }
}

#[test]
fn a_condition_on_what_is_not_there_does_not_hold() {
    let holds = |source| holds(source, &scope(), &data());
    assert_eq!(holds("steps.fix.output.outcome == 'done'"), Ok(true));
    assert_eq!(holds("steps.fix.output.summary.startsWith('x')"), Ok(false));
    // Not turned round either: nothing is known of what is not there.
    assert_eq!(holds("steps.each.output.all(one, one.issue > 3)"), Ok(false));
    assert_eq!(holds("!steps.each.output.all(one, one.issue > 3)"), Ok(false));
    // What decides without it decides.
    assert_eq!(holds("steps.each.status == 'skipped' || steps.each.output.exists(one, one.issue > 3)"), Ok(true));
    assert_eq!(holds("has(steps.each.output) && steps.each.output.exists(one, one.issue > 3)"), Ok(false));
    assert_eq!(
        holds("steps.fix.output.extra.deep"),
        Err(EvaluateError::WrongType("a condition is true or false, this is a list".into()))
    );
    assert!(matches!(holds("issue.number / (issue.number - 7) == 1"), Err(EvaluateError::Failed(_))));
    // A name of the scope that the data lack, as an issue where a schedule began the run.
    let without = {
        let mut data = data();
        data.as_object_mut().expect("an object").remove("issue");
        data
    };
    assert_eq!(forgehand::formula::expression::holds("issue.number > 3", &scope(), &without), Ok(false));
}

#[test]
fn the_items_of_a_list_are_data_again() {
    let items = |source| items(source, &scope(), &data());
    assert_eq!(items("steps.fix.output.touched.map(file, file.lines)"), Ok(vec![json!(3), json!(40)]));
    assert_eq!(items("[now, issue.created]"), Ok(vec![json!("2026-02-01T11:00:00Z"), json!("2026-01-30T09:00:00Z")]));
    assert_eq!(
        items("[inputs.patience, duration('1.5s'), duration('-90m')]"),
        Ok(vec![json!("129600s"), json!("1.5s"), json!("-5400s")])
    );
    assert_eq!(items("[inputs.limit, 0.5]"), Ok(vec![json!(3.0), json!(0.5)]));
    assert_eq!(items("[{'path': issue.title, 'at': [1]}]"), Ok(vec![json!({ "path": "Crash on löad", "at": [1] })]));
    assert_eq!(items("steps.each.output"), Err(EvaluateError::Absent("`output`".into())));
    assert!(matches!(items("issue.title"), Err(EvaluateError::WrongType(_))));
}

#[test]
fn data_that_are_not_of_their_type_are_refused_by_name_of_the_type() {
    let mut data = data();
    data["now"] = json!("soon");
    let error = EvaluateError::WrongType("what is given as a time is a text".into());
    assert_eq!(evaluate("now > issue.created", &scope(), &data), Err(error));
}

#[test]
fn what_goes_wrong_says_nothing_of_the_data() {
    let mut data = data();
    data["steps"]["fix"]["output"]["extra"] = json!("<script> a secret");
    for source in ["steps.fix.output.extra + 1 == 2", "int(steps.fix.output.extra) == 1", "steps.fix.output.extra[0] == 1"] {
        let error = evaluate(source, &scope(), &data).expect_err(source).to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}

/// Schemas, and what their values are called.
#[test]
fn a_schema_makes_a_type() {
    let text = || Type::text();
    let object = |schema: Json| match Type::of_schema(&schema) {
        Type::Record(record) => record,
        other => panic!("{other:?}"),
    };
    for (schema, of) in [
        (json!({ "type": "string" }), text()),
        (json!({ "type": ["string", "null"] }), text().or_null()),
        (json!({ "type": ["string", "integer"] }), Type::Any),
        (json!({ "type": "integer" }), Type::Integer),
        (json!({ "type": "number" }), Type::Number),
        (json!({ "type": "null" }), Type::Null),
        (json!({ "enum": ["a", "b"] }), Type::words(["a", "b"])),
        (json!({ "enum": ["a", null] }), Type::words(["a"]).or_null()),
        (json!({ "enum": ["a", 1] }), Type::Any),
        (json!({ "const": "a" }), Type::words(["a"])),
        (json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }), Type::words(["a", "b"])),
        (json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }), Type::Integer.or_null()),
        (json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }), Type::Any),
        (json!({ "allOf": [{ "type": "integer" }] }), Type::Integer),
        (json!({ "type": "array" }), Type::list(Type::Any)),
        (json!({ "type": "array", "items": { "type": "boolean" } }), Type::list(Type::Bool)),
        (json!({ "type": "object" }), Type::object()),
        (json!({ "$ref": "#/$defs/x", "$defs": { "x": { "type": "boolean" } } }), Type::Bool),
        (json!({ "$ref": "https://example.test/x" }), Type::Any),
        (json!({ "type": "what" }), Type::Any),
        (json!(true), Type::Any),
    ] {
        assert_eq!(Type::of_schema(&schema), of, "{schema}");
    }
    let named = object(json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" }, "b": {} } }));
    assert_eq!((named.field("a"), named.field("b"), named.field("c")), (Some(&text()), Some(&Type::Any), None));
    assert_eq!((named.fields["a"].required, named.fields["b"].required), (true, false));
    let open = object(json!({ "properties": { "a": { "type": "string" } }, "additionalProperties": { "type": "integer" } }));
    assert_eq!((open.field("a"), open.field("c")), (Some(&text()), Some(&Type::Integer)));
    let either = object(json!({ "type": "object", "properties": { "a": {} }, "anyOf": [{ "properties": { "b": {} } }] }));
    assert_eq!(either.field("b"), Some(&Type::Any));
}
