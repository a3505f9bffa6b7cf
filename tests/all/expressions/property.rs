//! What the checker takes never fails by type on data that fit the schema; and nothing overflows the stack.

use std::cell::Cell;

use forgehand::document::Schema;
use forgehand::formula::expression::{EvaluateError, Mistake, Type, Wants, absent, check, evaluate, holds, sure};
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value as Json, json};

/// Choices that proptest made; when there are no more, the first of each.
struct Choices {
    given: Vec<u32>,
    at: Cell<usize>,
}

impl Choices {
    fn of(&self, count: usize) -> usize {
        let at = self.at.replace(self.at.get() + 1);
        self.given.get(at).map_or(0, |given| *given as usize % count)
    }

    fn one_in(&self, count: usize) -> bool {
        self.of(count) == count - 1
    }

    fn word(&self) -> &'static str {
        ["red", "green", "blue"][self.of(3)]
    }

    /// A schema and a value that it takes.
    fn schema(&self, depth: usize) -> (Json, Json) {
        let kinds = if depth == 0 { 6 } else { 8 };
        match self.of(kinds) {
            0 => (json!({ "type": "integer" }), json!(self.of(9))),
            1 => (json!({ "type": "number" }), if self.one_in(2) { json!(2.5) } else { json!(self.of(9)) }),
            2 => (json!({ "type": "boolean" }), json!(self.one_in(2))),
            3 => (json!({ "type": "string" }), json!(["", "crash", "é 7"][self.of(3)])),
            4 => (json!({ "enum": ["red", "green", "blue"] }), json!(self.word())),
            5 => (json!({ "type": ["integer", "null"] }), if self.one_in(2) { Json::Null } else { json!(self.of(9)) }),
            6 => {
                let (items, item) = self.schema(depth - 1);
                let list: Vec<Json> = std::iter::repeat_n(item, self.of(3)).collect();
                (json!({ "type": "array", "items": items }), json!(list))
            }
            _ => self.object(depth - 1),
        }
    }

    fn object(&self, depth: usize) -> (Json, Json) {
        let (mut properties, mut required, mut value) = (Map::new(), Vec::new(), Map::new());
        for name in ["a", "b", "c", "d"].iter().take(1 + self.of(4)) {
            let (schema, data) = self.schema(depth);
            properties.insert((*name).into(), schema);
            let always = self.one_in(2);
            if always {
                required.push(*name);
            }
            if always || self.one_in(2) {
                value.insert((*name).into(), data);
            }
        }
        (json!({ "type": "object", "properties": properties, "required": required }), Json::Object(value))
    }

    /// An expression that may be of a kind: most are, and not all are right.
    fn expression(&self, kind: &str, names: &[(String, Type)], depth: usize) -> String {
        let kind = if self.one_in(40) { ["bool", "int", "number", "text", "list"][self.of(5)] } else { kind };
        let sub = |kind: &str| self.expression(kind, names, depth - 1);
        if depth == 0 || self.one_in(3) {
            return self.name(kind, names).unwrap_or_else(|| self.literal(kind));
        }
        match (kind, self.of(5)) {
            ("bool", 0) => format!("({} {} {})", sub("bool"), ["&&", "||", "=="][self.of(3)], sub("bool")),
            ("bool", 1) => {
                let of = ["int", "number", "text"][self.of(3)];
                format!("{} {} {}", sub(of), ["==", "<", ">=", "!="][self.of(4)], sub(of))
            }
            ("bool", 2) => format!(
                "{}.{}",
                sub("text"),
                [".contains('a')", ".matches('a+')", ".startsWith('r')"][self.of(3)].trim_start_matches('.')
            ),
            ("bool", 3) => self.through(["all", "exists", "exists_one"][self.of(3)], "bool", names, depth),
            ("bool", _) => {
                let path = self.any_path(names);
                if path.contains('.') { format!("has({path})") } else { format!("({} in {})", sub("text"), sub("list")) }
            }
            ("text" | "int", 3) => {
                let path = self.any_path(names);
                let asked = if path.contains('.') { format!("has({path})") } else { sub("bool") };
                format!("({asked} ? {} : {})", self.name(kind, names).unwrap_or_else(|| self.literal(kind)), sub(kind))
            }
            ("int", 0) => format!("size({})", sub(["list", "text"][self.of(2)])),
            ("int", 1) => format!("int({})", sub("number")),
            ("int", _) => format!("({} {} {})", sub("int"), ["+", "-", "*", "/", "%"][self.of(5)], sub("int")),
            ("number", 0) => format!("double({})", sub("int")),
            ("number", _) => format!("({} {} {})", sub("number"), ["+", "-", "*"][self.of(3)], sub("number")),
            ("text", 0) => format!("string({})", sub(["int", "bool"][self.of(2)])),
            ("text", 1) => format!("({} ? {} : {})", sub("bool"), sub("text"), sub("text")),
            ("text", _) => format!("({} + {})", sub("text"), sub("text")),
            ("list", 0) => self.through("filter", "bool", names, depth),
            ("list", 1) => self.through("map", "text", names, depth),
            (_, 2) => format!("[{}, {}]", sub("text"), sub("text")),
            (_, _) => format!("({} + {})", sub("list"), sub("list")),
        }
    }

    fn through(&self, name: &str, kind: &str, names: &[(String, Type)], depth: usize) -> String {
        let lists: Vec<(&str, &Type)> = names
            .iter()
            .filter_map(|(path, of)| if let Type::List(item) = of { Some((path.as_str(), &**item)) } else { None })
            .collect();
        let (list, item) = match lists.len() {
            0 => ("['red', 'green']", Type::text()),
            count => {
                let (path, item) = lists[self.of(count)];
                (path, item.clone())
            }
        };
        let mut inner = names.to_vec();
        paths("each", &item, &mut inner);
        format!("{list}.{name}(each, {})", self.expression(kind, &inner, depth - 1))
    }

    fn any_path(&self, names: &[(String, Type)]) -> String {
        names[self.of(names.len())].0.clone()
    }

    fn name(&self, kind: &str, names: &[(String, Type)]) -> Option<String> {
        let bare = |of: &Type| if let Type::OrNull(inner) = of { (**inner).clone() } else { of.clone() };
        let fits = |of: &Type| match bare(of) {
            Type::Bool => kind == "bool",
            Type::Integer => kind == "int",
            Type::Number => kind == "number",
            Type::Text { .. } => kind == "text",
            Type::List(_) => kind == "list",
            _ => false,
        };
        let all: Vec<&String> = names.iter().filter(|(_, of)| fits(of)).map(|(path, _)| path).collect();
        if all.is_empty() { None } else { Some(all[self.of(all.len())].clone()) }
    }

    fn literal(&self, kind: &str) -> String {
        match kind {
            "bool" => ["true", "false"][self.of(2)].into(),
            "int" => self.of(5).to_string(),
            "number" => format!("{}.5", self.of(5)),
            "text" => format!("'{}'", self.word()),
            _ => format!("['{}']", self.word()),
        }
    }
}

/// All that can be named by fields, with its type.
fn paths(path: &str, of: &Type, found: &mut Vec<(String, Type)>) {
    if !path.is_empty() {
        found.push((path.to_owned(), of.clone()));
    }
    if let Type::Record(record) = of {
        for (name, field) in record.fields.iter() {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            paths(&inner, &field.of, found);
        }
    }
}

#[test]
fn what_is_taken_never_fails_by_type() {
    let (taken, valued) = (Cell::new(0), Cell::new(0));
    let cases = 2_000;
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let choices = proptest::collection::vec(any::<u32>(), 40..300);
    let result = runner.run(&choices, |given| {
        let choices = Choices { given, at: Cell::new(0) };
        let (schema, data) = choices.object(2);
        let wrong = Schema::new(&schema).expect("a schema").mistakes(&data, 9);
        assert!(wrong.is_empty(), "{data} does not fit {schema}: {wrong:?}");
        let scope = Type::of_schema(&schema);
        let mut names = Vec::new();
        paths("", &scope, &mut names);
        let (kind, wants) = [("bool", Wants::Bool), ("list", Wants::List)][choices.of(2)];
        let source = choices.expression(kind, &names, 4);
        if check(&source, &scope, wants).is_err() {
            return Ok(());
        }
        taken.set(taken.get() + 1);
        match evaluate(&source, &scope, &data) {
            Err(EvaluateError::WrongType(error)) => panic!("`{source}` on {data} of {schema}: {error}"),
            Err(EvaluateError::Absent(_) | EvaluateError::Failed(_)) => {}
            Ok(value) => {
                valued.set(valued.get() + 1);
                let right =
                    matches!((wants, &value), (_, Json::Null) | (Wants::Bool, Json::Bool(_)) | (Wants::List, Json::Array(_)));
                assert!(right, "`{source}` on {data} of {schema} comes to {value}");
            }
        }
        Ok(())
    });
    result.expect("no type fails");
    // A checker that takes nothing, or expressions that never come to anything, would prove nothing.
    assert!(taken.get() > cases / 4, "{} of {cases} were taken", taken.get());
    assert!(valued.get() > cases / 8, "{} of {cases} had a value", valued.get());
}

/// A value that an expression needs is there wherever nothing says that it need not be.
#[test]
fn what_need_not_be_there_is_seen() {
    let (safe, guarded) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 6_000, failure_persistence: None, ..Config::default() });
    let choices = proptest::collection::vec(any::<u32>(), 40..300);
    let result = runner.run(&choices, |given| {
        let choices = Choices { given, at: Cell::new(0) };
        let (schema, data) = choices.object(3);
        let (scope, data) = (Type::record([("o", Type::of_schema(&schema))]), json!({ "o": data }));
        let mut names = Vec::new();
        paths("", &scope, &mut names);
        let when = choices.expression("bool", &names, 2);
        if check(&when, &scope, Wants::Bool).is_err() || holds(&when, &scope, &data) != Ok(true) {
            return Ok(());
        }
        let source = choices.expression(["bool", "int", "text", "list"][choices.of(4)], &names, 3);
        if check(&source, &scope, Wants::Value).is_err() || !absent(&source, &scope, &sure(&when)).is_empty() {
            return Ok(());
        }
        safe.set(safe.get() + 1);
        guarded.set(guarded.get() + usize::from(!absent(&source, &scope, &sure("true")).is_empty()));
        match evaluate(&source, &scope, &data) {
            Ok(Json::Null) | Err(EvaluateError::Absent(_) | EvaluateError::WrongType(_)) => {
                panic!("`{source}` is not there in {data} of {schema}, where `{when}` holds")
            }
            Ok(_) | Err(EvaluateError::Failed(_)) => {}
        }
        Ok(())
    });
    result.expect("nothing is missing");
    assert!(safe.get() > 1_000 && guarded.get() > 10, "{} were taken, {} by their condition", safe.get(), guarded.get());
}

/// What goes as deep as its length allows, and some that is just deep enough to be taken.
fn deep() -> Vec<String> {
    let mut all = Vec::new();
    for (open, middle, close) in [
        ("(", "true", ")"),
        ("[", "1", "]"),
        ("{'a':", "1", "}"),
        ("size(", "'a'", ")"),
        ("[1].all(x,", "true", ")"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("", "1", "+1"),
        ("", "true", "==true"),
        ("", "true", "&&true"),
        ("", "'a' in a", ".a"),
        ("", "a", "[0]"),
        ("", "a", ".f()"),
        ("true?true:", "true", ""),
        ("true?", "true", ":true"),
        ("'(' + ((", "1", "))"),
        ("[1].map(x, [[", "1", "]])"),
    ] {
        for count in [15, 16, 17, 60, 64, 500] {
            let mut source = format!("{}{middle}{}", open.repeat(count), close.repeat(count));
            source.truncate(1_000);
            all.push(source);
        }
    }
    all
}

#[test]
fn nothing_overflows_a_small_stack() {
    let all = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let mut taken = 0;
        for source in deep() {
            taken += usize::from(check(&source, &Type::Any, Wants::Bool).is_ok());
            // Evaluating what was refused must not bring the process down either.
            let _ = evaluate(&source, &Type::Any, &json!({ "a": [[1]] }));
        }
        taken
    });
    assert!(all.expect("a thread").join().expect("no overflow") > 10);
}

#[test]
fn a_schema_that_names_itself_or_grows_is_read_to_an_end() {
    let itself = json!({ "$ref": "#/$defs/node", "$defs": { "node": {
        "type": "object", "properties": { "next": { "$ref": "#/$defs/node" }, "name": { "type": "string" } }
    } } });
    let of = Type::of_schema(&itself);
    assert!(check("next.next.name == 'x'", &of, Wants::Bool).is_ok());
    assert!(check("next.next.nmae == 'x'", &of, Wants::Bool).is_err());

    let mut defs = Map::new();
    for level in 0..10 {
        let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
        let fields: Map<String, Json> = (0..20).map(|at| (format!("f{at}"), next.clone())).collect();
        defs.insert(format!("l{level}"), json!({ "type": "object", "properties": fields }));
    }
    let grows = json!({ "$ref": "#/$defs/l0", "$defs": defs });
    assert!(matches!(Type::of_schema(&grows), Type::Record(_)));
}

#[test]
fn a_long_source_is_refused() {
    let source = format!("'{}' == ''", "x".repeat(1_000));
    let message = "an expression has at most 1000 bytes, this one has 1008";
    let mistakes = check(&source, &Type::Any, Wants::Bool).expect_err("too long");
    assert!(
        matches!(mistakes.as_slice(), [Mistake { span, message: said, .. }] if *span == (0..1_008) && said == message),
        "{mistakes:?}"
    );
}
