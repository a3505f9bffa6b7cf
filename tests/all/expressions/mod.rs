//! Expressions of formulas: what is right and what it comes to, what is wrong and what is said of it.

mod property;
mod right;
mod wrong;

use forgehand::formula::expression::{Field, Record, Type};
use serde_json::{Value as Json, json};

/// What a formula's expressions could ask about.
fn scope() -> Type {
    let fix = json!({
        "type": "object",
        "required": ["outcome", "title"],
        "properties": {
            "outcome": { "enum": ["done", "no-change", "refused"] },
            "title": { "type": "string" },
            "summary": { "type": ["string", "null"] },
            "confidence": { "type": "number" },
            "touched": { "type": "array", "items": { "$ref": "#/$defs/file" } },
            "extra": {},
            "scores": { "type": "object", "additionalProperties": { "type": "integer" } }
        },
        "$defs": { "file": { "type": "object", "required": ["path", "lines"], "properties": {
            "path": { "type": "string" }, "lines": { "type": "integer" }, "kind": { "enum": ["code", "test"] }
        } } }
    });
    let status = || Type::words(["done", "skipped", "failed"]);
    let step = |output: Type| Type::record([("status", status()), ("output", output)]);
    let issue = Type::record([
        ("number", Type::Integer),
        ("title", Type::text()),
        ("author", Type::text()),
        ("labels", Type::list(Type::text())),
        ("created", Type::Time),
    ]);
    let sub = Type::record([("issue", Type::Integer)]);
    let steps = Type::record([
        ("fix", step(Type::of_schema(&fix))),
        ("write-tests", step(Type::record([("passed", Type::Bool)]))),
        ("each", step(Type::list(sub))),
    ]);
    let inputs = Record {
        fields: std::sync::Arc::new(
            [("limit", Type::Number), ("patience", Type::Duration), ("loud", Type::Bool)]
                .map(|(name, of)| (name.to_owned(), Field { of, required: true }))
                .into(),
        ),
        rest: None,
    };
    Type::record([("issue", issue), ("steps", steps), ("inputs", Type::Record(inputs)), ("now", Type::Time)])
}

fn data() -> Json {
    json!({
        "issue": {
            "number": 7, "title": "Crash on löad", "author": "ann", "labels": ["bug-report", "urgent"], "created": "2026-01-30T09:00:00Z"
        },
        "steps": {
            "fix": { "status": "done", "output": {
                "outcome": "done", "title": "Mend it", "summary": null, "confidence": 2, "extra": { "deep": [1, "two"] },
                "touched": [{ "path": "src/a.rs", "lines": 3, "kind": "code" }, { "path": "tests/a.rs", "lines": 40 }],
                "scores": { "a": 1, "b-c": 2 }
            } },
            "write-tests": { "status": "done", "output": { "passed": true } },
            "each": { "status": "skipped" }
        },
        "inputs": { "limit": 3, "patience": "36h", "loud": false },
        "now": "2026-02-01T12:00:00+01:00"
    })
}
