//! What the expressions of a formula may name. One place says it for those who check expressions and for those who give them their values.

use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

use super::expression::{Field, Record, Type};
use crate::model::{About, HostEnd, InputKind, InputSpec, Priority, Probed, Step, StepKind};

/// Said where the name of an issue stands in a formula that knows of none.
pub(super) const ABOUT_THE_PROJECT: &str = "what `cron` or `vault` starts is about the project, and no issue is there";

/// How a step ended, in the words of expressions.
const STATUSES: [&str; 2] = ["done", "skipped"];

/// The type of what expressions may name that stand behind these steps, in a formula about something. `inside` is what stands before the names of the steps: `call.` in a
/// formula that the step `call` calls.
pub fn scope<'s>(steps: impl IntoIterator<Item = &'s Step>, inside: &str, inputs: Type, about: About) -> Type {
    let left = steps.into_iter().fold(nothing(), |left, step| with_left(left, step, inside));
    scope_behind(left, inputs, about)
}

/// What no steps leave.
pub(super) fn nothing() -> Type {
    Type::record::<String>([])
}

/// What steps leave, and one more.
pub(super) fn with_left(left: Type, step: &Step, inside: &str) -> Type {
    let (here, own) = step.id.split();
    match here == inside && !matches!(step.kind, StepKind::Enter { .. }) && !step.id.is_nth() {
        true => with(left, own, left_by(step, &step.kind.left())),
        false => left,
    }
}

/// The same as `scope`, of what the steps leave.
pub(super) fn scope_behind(left: Type, inputs: Type, about: About) -> Type {
    static OF_AN_ISSUE: LazyLock<Type> = LazyLock::new(|| always(About::Issue));
    static OF_A_PROJECT: LazyLock<Type> = LazyLock::new(|| always(About::Project));
    let always = match about {
        About::Issue => &OF_AN_ISSUE,
        About::Project => &OF_A_PROJECT,
    };
    with(with(Type::clone(always), "steps", left), "inputs", inputs)
}

/// What expressions may name in every formula about something.
fn always(about: About) -> Type {
    let issue = [
        ("number", Type::Integer),
        ("title", Type::text()),
        ("author", Type::text()),
        ("labels", Type::list(Type::text())),
        ("created", Type::Time),
        ("updated", Type::Time),
        ("comments", Type::Integer),
    ];
    let texts = ["branch", "base", "trunk", "asked"].map(|name| (name, Type::text()));
    let run = texts.into_iter().chain([("attempt", Type::Integer)]);
    let last_tag = [("name", Type::text()), ("commit", Type::text()), ("commits", Type::Integer)];
    let project = ["repo", "slug"].map(|name| (name, Type::text()));
    let kept = [
        ("name", Type::text()),
        ("issue", Type::Integer),
        ("formula", Type::text()),
        ("branch", Type::text()),
        ("commit", Type::text()),
        ("commands", Type::list(Type::text())),
    ];
    let task = [
        ("number", Type::Integer),
        ("title", Type::text()),
        ("author", Type::text()),
        ("open", Type::Bool),
        ("ticked", Type::Bool),
        ("labels", Type::list(Type::text())),
        ("file_targets", Type::list(Type::text())),
        ("acceptance_criteria", Type::list(Type::text())),
        ("tasks", Type::list(Type::Integer)),
    ];
    let (issue, project) = match about {
        About::Issue => {
            let own = issue.into_iter().chain([
                ("kept", Type::list(Type::record(kept))),
                ("tasks", Type::list(Type::record(task))),
                ("tasks_cut", Type::Bool),
                ("listed_in", Type::list(Type::Integer)),
            ]);
            let own = with_maybe(Type::record(own), "sprint", sprint());
            (Some(("issue", own)), Type::record(project))
        }
        About::Project => {
            let parts = ["parts", "open_parts"].map(|name| (name, Type::list(Type::Integer)));
            let issues = Type::list(Type::record(issue.into_iter().chain(parts).chain([("filed_as", Type::text())])));
            (None, Type::record(project.into_iter().chain([("issues", issues), ("issues_cut", Type::Bool)])))
        }
    };
    let common = [
        ("project", project),
        ("run", Type::record(run)),
        ("host", Type::record([("probes", Type::list(probe()))])),
        ("last_tag", Type::record(last_tag)),
        ("now", Type::Time),
    ];
    Type::record(common.into_iter().chain(issue).chain((about == About::Project).then(|| ("moved", moved()))))
}

/// What moved since the formula's last run about the project.
fn moved() -> Type {
    let numbers = || Type::list(Type::Integer);
    Type::record([
        ("anything", Type::Bool),
        ("commits", Type::Bool),
        ("issues", numbers()),
        ("closed", numbers()),
        ("files", Type::list(Type::text())),
    ])
}

/// What a probe of the host showed.
fn probe() -> Type {
    Type::record([
        ("name", Type::text()),
        ("ok", Type::Bool),
        ("priority", Type::words(Priority::ALL.map(Priority::word))),
        ("ended", Type::words(HostEnd::WORDS)),
        ("exit", Type::Integer.or_null()),
        ("output", Type::text()),
        ("mend", Type::words(Probed::MENDS)),
        ("tried", Type::Bool),
    ])
}

/// The sprint about an issue, as it stands in the operations repository.
fn sprint() -> Type {
    let texts = || Type::list(Type::text());
    let texts_of = [("id", Type::text()), ("title", Type::text()), ("body", Type::text())];
    let issue = texts_of.into_iter().chain([("labels", texts()), ("depends_on", texts())]);
    let issues = Type::list(Type::record(issue));
    Type::record([
        ("path", Type::text()),
        ("merged", Type::Bool),
        ("pull", Type::Integer),
        ("issues", issues),
        ("wrong", Type::list(Type::text())),
    ])
}

/// A record with a field that may be missing.
fn with_maybe(of: Type, name: &str, field: Type) -> Type {
    match of {
        Type::Record(mut record) => {
            Arc::make_mut(&mut record.fields).insert(name.to_owned(), Field { of: field, required: false });
            Type::Record(record)
        }
        other => other,
    }
}

/// A scope with one name more.
pub fn with(scope: Type, name: &str, of: Type) -> Type {
    match scope {
        Type::Record(mut record) => {
            Arc::make_mut(&mut record.fields).insert(name.to_owned(), Field { of, required: true });
            Type::Record(record)
        }
        other => other,
    }
}

/// The type of what a formula is given.
pub fn inputs(specs: &[InputSpec]) -> Type {
    Type::record(specs.iter().map(|spec| (spec.name.clone(), input(&spec.kind))))
}

fn input(kind: &InputKind) -> Type {
    match kind {
        InputKind::Text { one_of, .. } if !one_of.is_empty() => Type::words(one_of.iter().cloned()),
        InputKind::Text { .. } => Type::text(),
        InputKind::Number { .. } => Type::Integer,
        InputKind::Flag => Type::Bool,
        InputKind::List => Type::list(Type::text()),
    }
}

/// What is known of a step that ended and leaves what this schema says; its output is there where it was done.
pub(super) fn left_by(step: &Step, schema: &Json) -> Type {
    let output = match step.for_each {
        Some(_) => Type::list(Type::of_schema(schema)),
        None => Type::of_schema(schema),
    };
    let field = |name: &str, of, required| (name.to_owned(), Field { of, required });
    let fields = [field("status", Type::words(STATUSES), true), field("output", output, false)];
    Type::Record(Record { fields: Arc::new(fields.into()), rest: None })
}
