//! The document of a formula.

use super::VERSION;
use super::template::Templates;
use crate::document::{Table, Value, nearest};
use crate::model::{
    Access, BackTo, Formula, FormulaName, OutputShape, Proposal, Risk, Step, StepId, StepKind, TemplateKind, Variable,
};

/// What a failing verification is told with, where the formula does not say.
const FAILED_VERIFICATION: &str = "partials/verification-failed.md";

/// What sorts of steps a document may ask for.
const KINDS: [&str; 3] = ["agent", "run", "propose"];

/// An agent step that was read: later steps may name its output.
struct Answer {
    step: StepId,
    shape: OutputShape,
}

pub(super) fn formula(root: &Table<'_>, templates: &Templates<'_>) -> Option<Formula> {
    root.required("formula", &format!("formula = {VERSION}"), version);
    let name = root.required("name", "name = \"fix\"", word).map(FormulaName);
    let title = root.required("title", "title = \"What it does, in a line\"", Value::filled);
    let description = root.or("description", String::new(), Value::string);
    let risks = [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];
    let blast_radius = root.required("blast_radius", "blast_radius = \"medium\"", |v| v.one_of(&risks));
    let trigger = root.table("trigger").optional("label", Value::filled);
    let tables = root.tables("step");
    if tables.is_empty() {
        root.lacks("step", "[[step]]\nid = \"work\"\nagent = \"dev\"\nprompt = \"fix.md\"");
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut answers: Vec<Answer> = Vec::new();
    for table in &tables {
        let id = table.required("id", "id = \"work\"", word).map(StepId);
        let kind = kind(table, &answers, templates);
        let (Some(id), Some(kind)) = (id, kind) else { continue };
        if steps.iter().any(|s| s.id == id) {
            table.wrong(format!("two steps are called `{id}`"), "give each step an id of its own");
        }
        if let StepKind::Agent { output, .. } = &kind {
            answers.push(Answer { step: id.clone(), shape: *output });
        }
        steps.push(Step { id, kind });
    }
    Some(Formula { name: name?, title: title?, description, trigger, blast_radius: blast_radius?, steps })
}

fn version(value: &Value<'_>) -> Option<u64> {
    let version = value.whole(1, u64::MAX)?;
    if version > VERSION {
        let message = format!("this formula is written in version {version} of the language, and this forgehand knows {VERSION}");
        return value.wrong_alone(message, "update forgehand, or write it in the older version");
    }
    Some(version)
}

/// A name of a formula, step or role.
fn word(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let right = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if right {
        Some(text)
    } else {
        value.wrong(format!("`{}` is not a name", text.escape_debug()), "small letters, digits, `-` and `_`, a letter first")
    }
}

fn kind(table: &Table<'_>, answers: &[Answer], templates: &Templates<'_>) -> Option<StepKind> {
    // Asked for whatever the kind is, so that a key of another kind is named as such and not as unknown.
    let mut given: Vec<&'static str> = KINDS.into_iter().filter(|key| table.has(key)).collect();
    let mut refused = false;
    for later in ["gate", "formula"] {
        if let Some(value) = table.value(later) {
            refused = true;
            let help = format!("this version has steps with {}; `{later}` comes with a later one", quoted(&KINDS));
            value.wrong::<()>(format!("a step with `{later}` is not there yet"), help);
        }
    }
    if given.len() > 1 {
        table.wrong(format!("a step is one of {}, and this one is several", quoted(&given)), "make a step of each");
        given.truncate(1);
    }
    let own = match given.first() {
        Some(&"agent") => agent(table, answers, templates),
        Some(&"run") => verify(table, answers, templates),
        Some(_) => propose(table, answers, templates),
        None => {
            if !refused {
                table.wrong("the step does nothing", format!("give it one of {}", quoted(&KINDS)));
            }
            None
        }
    };
    misplaced(table, given.first().copied());
    own
}

/// Complains of keys that belong to another kind of step.
fn misplaced(table: &Table<'_>, kind: Option<&str>) {
    let keys =
        [("agent", &["prompt", "access", "output"][..]), ("run", &["on_failure"][..]), ("propose", &["title", "body"][..])];
    for (owner, keys) in keys {
        for key in keys {
            if let Some(value) = table.value(key)
                && kind.is_some_and(|kind| kind != owner)
            {
                let help = format!("`{key}` belongs to a step with `{owner}`");
                value.wrong::<()>(format!("`{key}` means nothing in this step"), help);
            }
        }
    }
}

fn agent(table: &Table<'_>, answers: &[Answer], templates: &Templates<'_>) -> Option<StepKind> {
    let role = table.optional("agent", word);
    let vocabulary = vocabulary(TemplateKind::Prompt, answers);
    let prompt = table.required("prompt", "prompt = \"fix.md\"", |v| templates.file(v, TemplateKind::Prompt, &vocabulary));
    let accesses = [("read", Access::Read), ("write", Access::Write)];
    let access = table.required("access", "access = \"read\"", |v| v.one_of(&accesses));
    let shapes = [("triage", OutputShape::Triage), ("fix", OutputShape::Fix)];
    let output = table.required("output", "output = \"fix\"", |v| v.one_of(&shapes));
    Some(StepKind::Agent { role: role?, prompt: prompt?, access: access?, output: output? })
}

fn verify(table: &Table<'_>, answers: &[Answer], templates: &Templates<'_>) -> Option<StepKind> {
    let what = table.optional("run", |v| v.one_of(&[("project.verify", ())]));
    let mut on_failure = None;
    let mut sound = true;
    if table.has("on_failure") {
        let back = table.table("on_failure");
        let to = back.required("to", "to = \"work\"", |v| earlier(v, answers));
        let at_most = back.required("at_most", "at_most = 2", |v| v.whole(1, 10).and_then(|n| u32::try_from(n).ok()));
        let vocabulary = vocabulary(TemplateKind::Prompt, answers);
        let prompt = match back.value("prompt") {
            Some(value) => templates.file(&value, TemplateKind::Prompt, &vocabulary),
            None => templates.named(FAILED_VERIFICATION, TemplateKind::Prompt, &vocabulary, |message| {
                back.wrong(message, "name a template with `prompt = \"..\"`");
            }),
        };
        match (to, at_most, prompt) {
            (Some(to), Some(at_most), Some(prompt)) => on_failure = Some(BackTo { to, at_most, prompt }),
            _ => sound = false,
        }
    }
    (what.is_some() && sound).then_some(StepKind::Verify { on_failure })
}

/// An agent step that comes before: the way back cannot make a circle of steps that never ends, because it is bounded and only leads back.
fn earlier(value: &Value<'_>, answers: &[Answer]) -> Option<StepId> {
    let text = value.filled()?;
    if let Some(answer) = answers.iter().find(|a| a.step.as_str() == text) {
        return Some(answer.step.clone());
    }
    let help = match nearest(&text, answers.iter().map(|a| a.step.as_str())) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None if answers.is_empty() => "put a step with `agent` before this one".to_owned(),
        None => format!("write {}", quoted(&answers.iter().map(|a| a.step.as_str()).collect::<Vec<_>>())),
    };
    value.wrong(format!("`{text}` is no agent step before this one"), help)
}

fn propose(table: &Table<'_>, answers: &[Answer], templates: &Templates<'_>) -> Option<StepKind> {
    #[derive(Clone, Copy)]
    enum What {
        Comment,
        PullRequest,
    }
    let whats = [("comment", What::Comment), ("pull-request", What::PullRequest)];
    let what = table.optional("propose", |v| v.one_of(&whats));
    let vocabulary = vocabulary(TemplateKind::Proposal, answers);
    let body = table.required("body", "body = \"pull-request.md\"", |v| templates.file(v, TemplateKind::Proposal, &vocabulary));
    let inline = |v: &Value<'_>| templates.inline(v, TemplateKind::Proposal, &vocabulary);
    match what? {
        What::Comment => {
            if let Some(title) = table.value("title") {
                title.wrong::<()>("a comment has no title", "take it out");
            }
            Some(StepKind::Propose(Proposal::Comment { body: body? }))
        }
        What::PullRequest => {
            let title = table.required("title", "title = \"{{line issue.title}}\"", inline);
            Some(StepKind::Propose(Proposal::PullRequest { title: title?, body: body? }))
        }
    }
}

fn vocabulary(kind: TemplateKind, answers: &[Answer]) -> Variable {
    kind.vocabulary(answers.iter().map(|a| (&a.step, a.shape)))
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}
