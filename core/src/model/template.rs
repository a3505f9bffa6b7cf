//! What templates may say: the variables there are, and which of them hold text from outside.
//!
//! One vocabulary serves those who check templates and those who fill them in, so that the two cannot drift apart.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

use super::{About, InputKind, InputSpec, StepId};

/// What stands behind a name in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// A text or number of ours: it may stand as it is.
    Plain,
    /// Text that others wrote, agents included: it may only stand through a helper that cleans it.
    Outside,
    /// A list.
    List(Box<Variable>),
    /// Names below this one: shared, because vocabularies are put together of the same ones again and again.
    Record(Arc<BTreeMap<String, Variable>>),
}

/// How deep a schema is looked into: what lies deeper is text from outside.
const SCHEMA_DEPTH: usize = 12;
/// How many parts of a schema are looked at, each as often as it is named.
const SCHEMA_PARTS: usize = 5_000;

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemplateKind {
    /// What an agent reads.
    Prompt,
    /// What people read on the forge.
    Proposal,
}

impl TemplateKind {
    /// The helpers that take text from outside.
    pub fn helpers(self) -> &'static [&'static str] {
        match self {
            // Cleaned, and fenced so that it cannot end its fence: as it stands, and on a single line.
            Self::Prompt => &["outside", "line"],
            // A block of Markdown; a single line; a piece of code; a program's output.
            Self::Proposal => &["prose", "line", "code", "block"],
        }
    }

    /// The variables of a template of a formula about something; `steps` are those before it that leave something behind, with that, `inputs`
    /// what the formula is given, and `item` what its step is done for each of.
    pub fn vocabulary<'s>(
        self,
        about: About,
        steps: impl IntoIterator<Item = (&'s StepId, Variable)>,
        inputs: impl IntoIterator<Item = &'s InputSpec>,
        item: Option<Variable>,
    ) -> Variable {
        static ALWAYS: LazyLock<[[Variable; 2]; 2]> = LazyLock::new(|| {
            [TemplateKind::Prompt, TemplateKind::Proposal]
                .map(|kind| [About::Issue, About::Project].map(|about| kind.always(about)))
        });
        let output = |(id, output): (&StepId, Variable)| (id.0.clone(), record([("output", output)]));
        let steps = Variable::Record(Arc::new(steps.into_iter().map(output).collect()));
        let inputs =
            Variable::Record(Arc::new(inputs.into_iter().map(|spec| (spec.name.clone(), of_input(&spec.kind))).collect()));
        let [prompt, proposal] = &*ALWAYS;
        let [on_issue, on_project] = if self == Self::Prompt { prompt } else { proposal };
        let always = if about == About::Issue { on_issue } else { on_project };
        let each = item.into_iter().flat_map(|item| [("item", item), ("index", Variable::Plain)]);
        let more = [("steps", steps), ("inputs", inputs)].into_iter().chain(each);
        match always.clone() {
            Variable::Record(mut names) => {
                Arc::make_mut(&mut names).extend(more.map(|(name, of)| (name.to_owned(), of)));
                Variable::Record(names)
            }
            other => other,
        }
    }

    /// What may be named in every formula about something.
    fn always(self, about: About) -> Variable {
        use Variable::{Outside, Plain};
        let ops = record([("files", list(record([("path", Plain), ("text", Outside)])))]);
        let common = [
            ("repo", Plain),
            ("slug", Plain),
            ("last_tag", record([("name", Outside), ("commit", Plain), ("commits", Plain)])),
            ("base", Plain),
            ("branch", Plain),
            ("attempt", Plain),
            ("ops", ops),
            ("host", record([("probes", of_probes())])),
        ];
        let own = match self {
            Self::Prompt => vec![
                ("issue", record(of_issue().into_iter().chain([("sprint", of_sprint([("text", Outside)]))]))),
                ("breakdown", Outside),
                ("comments", list(record([("author", Plain), ("at", Plain), ("body", Outside)]))),
                ("guide", Outside),
                ("failure", Outside),
                ("pull", of_pull()),
                ("verify", list(Plain)),
                ("trunk", Plain),
                // What is set up for whoever works: each of these may be absent.
                ("at_home", Plain),
                ("setup", list(Plain)),
                ("env_file", Plain),
                ("services", list(Plain)),
                ("port", Plain),
                ("schema", Plain),
            ],
            Self::Proposal => vec![
                ("issue", record(of_issue().into_iter().chain([("sprint", of_sprint([]))]))),
                ("commit", Plain),
                ("cost", Plain),
                ("change", record([("commits", Plain), ("files", Plain), ("added", Plain), ("removed", Plain)])),
                ("evidence", list(record([("command", Outside), ("passed", Plain), ("seconds", Plain), ("tail", Outside)]))),
                ("printed", Plain),
                ("tier", Plain),
                ("reasons", list(record([("path", Outside), ("why", Plain)]))),
            ],
        };
        let project = (about == About::Project).then(|| ("project", of_project(self)));
        let on_issue = |name: &str| matches!(name, "issue" | "breakdown" | "comments" | "pull");
        let own = own.into_iter().filter(|(name, _)| about == About::Issue || !on_issue(name));
        record(common.into_iter().chain(own).chain(project))
    }
}

impl Variable {
    /// What a step leaves behind whose answers have this JSON schema: one, or one for each item that it is done for.
    pub fn answer(schema: &Json, for_each: bool) -> Self {
        let one = of_schema(schema);
        if for_each { list(one) } else { one }
    }

    /// The variable below this one, by its path.
    pub fn at<'p>(&self, mut path: impl Iterator<Item = &'p str>) -> Option<&Self> {
        path.try_fold(self, |here, name| match here {
            Self::Record(names) => names.get(name),
            Self::Plain | Self::Outside | Self::List(_) => None,
        })
    }
}

fn record(names: impl IntoIterator<Item = (&'static str, Variable)>) -> Variable {
    Variable::Record(Arc::new(names.into_iter().map(|(name, variable)| (name.to_owned(), variable)).collect()))
}

/// The issue that a run is about.
fn of_issue() -> [(&'static str, Variable); 12] {
    use Variable::{Outside, Plain};
    let task = [
        ("number", Plain),
        ("title", Outside),
        ("author", Plain),
        ("open", Plain),
        ("ticked", Plain),
        ("labels", list(Outside)),
        ("body", Outside),
        ("file_targets", list(Outside)),
        ("acceptance_criteria", list(Outside)),
        ("tasks", list(Plain)),
    ];
    [
        ("number", Plain),
        ("author", Plain),
        ("labels", list(Outside)),
        ("created", Plain),
        ("updated", Plain),
        ("comments", Plain),
        ("title", Outside),
        ("body", Outside),
        ("kept", of_kept()),
        ("tasks", list(record(task))),
        ("tasks_cut", Plain),
        ("listed_in", list(Plain)),
    ]
}

/// What is asked of the pull request that a run revises.
fn of_pull() -> Variable {
    use Variable::{Outside, Plain};
    let point = [("id", Plain), ("author", Plain), ("at", Plain), ("path", Outside), ("line", Plain), ("body", Outside)];
    let check = [("context", Outside), ("description", Outside), ("link", Outside), ("log", Outside)];
    let known = [
        ("number", Plain),
        ("points", list(record(point))),
        ("checks", list(record(check))),
        ("conflicts", Plain),
        ("unfit", Outside),
        // There is something of each kind.
        ("asked", Plain),
        ("red", Plain),
    ];
    record(known)
}

/// What the probes of the host showed.
fn of_probes() -> Variable {
    let plain = ["name", "ok", "priority", "ended", "exit", "mend", "tried"].into_iter().map(|name| (name, Variable::Plain));
    list(record(plain.chain([("output", Variable::Outside)])))
}

/// What earlier runs about an issue, or about the one that it was filed for, kept on branches.
fn of_kept() -> Variable {
    use Variable::{Outside, Plain};
    let plain = ["name", "issue", "formula", "branch", "commit", "base"].into_iter().map(|name| (name, Plain));
    list(record(plain.chain([("commands", list(Outside))])))
}

/// The sprint about the issue, as it stands in the operations repository.
fn of_sprint(more: impl IntoIterator<Item = (&'static str, Variable)>) -> Variable {
    use Variable::{Outside, Plain};
    let known = [("path", Plain), ("merged", Plain), ("pull", Plain), ("wrong", list(Outside))];
    record(known.into_iter().chain(more))
}

/// A project as a whole: its open issues.
fn of_project(kind: TemplateKind) -> Variable {
    use Variable::{Outside, Plain};
    let issue = [
        ("number", Plain),
        ("title", Outside),
        ("author", Plain),
        ("labels", list(Outside)),
        ("created", Plain),
        ("updated", Plain),
        ("comments", Plain),
        ("parts", list(Plain)),
        ("open_parts", list(Plain)),
        ("filed_as", Outside),
    ];
    // What people read on the forge has their texts there already.
    let body = (kind == TemplateKind::Prompt).then_some(("body", Outside));
    record([("issues", list(record(issue.into_iter().chain(body)))), ("issues_cut", Plain)])
}

fn list(item: Variable) -> Variable {
    Variable::List(Box::new(item))
}

/// What a formula is given. Whoever starts it may write anything, but where only some words are taken.
fn of_input(kind: &InputKind) -> Variable {
    match kind {
        InputKind::Text { one_of, .. } if !one_of.is_empty() => Variable::Plain,
        InputKind::Text { .. } => Variable::Outside,
        InputKind::Number { .. } | InputKind::Flag => Variable::Plain,
        InputKind::List => list(Variable::Outside),
    }
}

/// What a JSON schema of ours describes. Of its strings only those with a closed set of values are plain.
fn of_schema(root: &Json) -> Variable {
    fn of(schema: &Json, root: &Json, depth: usize, parts: &Cell<usize>) -> Variable {
        parts.set(parts.get() + 1);
        if depth > SCHEMA_DEPTH || parts.get() > SCHEMA_PARTS {
            // One that names itself ends here.
            return Variable::Outside;
        }
        let below = |schema: &Json| of(schema, root, depth + 1, parts);
        if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
            return below(&root["$defs"][name]);
        }
        if schema.get("enum").is_some() || schema.get("oneOf").is_some_and(all_constant) {
            return Variable::Plain;
        }
        match &schema["type"] {
            Json::String(kind) if kind == "object" => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                Variable::Record(Arc::new(fields.map(|(name, field)| (name.clone(), below(field))).collect()))
            }
            Json::String(kind) if kind == "array" => list(below(&schema["items"])),
            Json::String(kind) if matches!(kind.as_str(), "integer" | "number" | "boolean") => Variable::Plain,
            Json::Array(kinds) if kinds.iter().all(is_number_or_none) => Variable::Plain,
            _ => Variable::Outside,
        }
    }
    fn is_number_or_none(kind: &Json) -> bool {
        matches!(kind.as_str(), Some("integer" | "number" | "boolean" | "null"))
    }
    fn all_constant(choices: &Json) -> bool {
        choices.as_array().is_some_and(|all| all.iter().all(|c| c.get("const").is_some() || c.get("enum").is_some()))
    }
    of(root, root, 0, &Cell::new(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_words_are_outside_and_its_choices_are_plain() {
        let step = StepId::from("read");
        let schema: Json = serde_json::from_str(include_str!("../../../formulas/schemas/triage-result.json")).expect("a schema");
        let all = TemplateKind::Proposal.vocabulary(About::Issue, [(&step, Variable::answer(&schema, false))], [], None);
        let at = |path: &str| all.at(path.split('.')).cloned();
        assert_eq!(at("steps.read.output.route"), Some(Variable::Plain));
        assert_eq!(at("steps.read.output.risk"), Some(Variable::Plain));
        assert_eq!(at("steps.read.output.summary"), Some(Variable::Outside));
        assert_eq!(at("steps.read.output.files"), Some(list(Variable::Outside)));
        assert_eq!(at("steps.read.output.nothing"), None);
    }
}
