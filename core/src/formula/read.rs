//! The document of a formula.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::VERSION;
use super::asks;
use super::call::Calls;
use super::draft::{Answer, Asks, Draft, Reading};
use super::expression::{Type, Wants, check as check_expression};
use super::needed::Needed;
use super::propose::propose;
use super::scope::ABOUT_THE_PROJECT;
use super::template::Templates;
use super::{agents, head, inputs, reach, runs};
use crate::document::{Table, Value, nearest};
use crate::model::{
    About, EndWord, Ending, Expression, ForgeEvent, Formula, FormulaLabel, FormulaName, Gate, Given, Hands, INPUTS, InputSpec,
    Risk, Step, StepId, StepKind, TemplateKind, Variable,
};

/// What sorts of steps a document may ask for.
const KINDS: [&str; 5] = ["agent", "run", "propose", "gate", "formula"];

/// What a table of a step stands for.
pub(super) enum Meant {
    Step(StepKind),
    /// All steps of another formula, and what it is given.
    Call(Box<Formula>, BTreeMap<String, Given>),
}

pub(super) fn formula(root: &Table<'_>, templates: &Templates<'_>, calls: &Calls<'_>) -> Option<Formula> {
    root.required("formula", &format!("formula = {VERSION}"), version);
    let extends = root.optional("extends", word);
    if let Some(remove) = root.value("remove").filter(|_| extends.is_none()) {
        remove.wrong::<()>("`remove` means nothing here", "it belongs to a formula with `extends`");
    }
    let name = root.required("name", "name = \"fix\"", word).map(FormulaName);
    let title = root.required("title", "title = \"What it does, in a line\"", Value::filled);
    let description = root.or("description", String::new(), Value::string);
    let risks = [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];
    let blast_radius = root.required("blast_radius", "blast_radius = \"medium\"", |v| v.one_of(&risks));
    let trigger = head::trigger(&root.table("trigger"));
    // A line that is wrong is one all the same.
    let scheduled = root.table("trigger").has("cron");
    let about = calls.about.unwrap_or_else(|| if scheduled { About::Project } else { trigger.about() });
    let require = head::require(&root.table("require"), about);
    let limits = head::limits(&root.table("limits"));
    let workspace = head::workspace(&root.table("workspace"));
    let reads_ops = head::ops(&root.table("ops"));
    let defaults = agents::defaults(root.table("agent"), &root.table("workspace"));
    let labels = head::labels(root);
    let tables = root.tables("step");
    if tables.is_empty() && root.value("step").is_none_or(|found| found.is_list()) {
        root.lacks("step", "[[step]]\nid = \"work\"\nagent = \"dev\"\nprompt = \"fix.md\"");
    }
    let own = name.as_ref().map_or("this formula", FormulaName::as_str);
    let asks = Asks { blast_radius, require, reads_ops, labels };
    let mut draft = Draft::new(own, about, inputs::specs(root), asks);
    for table in &tables {
        draft.step(table, &Reading { templates, calls, defaults: &defaults });
    }
    let known = draft.known();
    // A called formula need not stand alone.
    let alone = calls.chain.is_empty();
    let done = alone.then(|| draft.check(trigger.event.contains(&ForgeEvent::PullBehind))).flatten();
    let Draft { inputs, steps, asks, .. } = draft;
    let Asks { blast_radius, require, reads_ops, mut labels } = asks;
    let steps: Vec<Step> = steps.into_iter().map(|placed| placed.step).collect();
    let own = name.as_ref().map_or("", FormulaName::as_str);
    if alone {
        head::starts_alone(&root.table("trigger"), &trigger, &inputs, &steps);
        head::branch_is_pushed(&root.table("workspace"), about, &steps, (own, calls.sources.names));
    }
    if about == About::Issue && steps.iter().any(|step| matches!(step.kind, StepKind::Gate(Gate::Vault { .. }))) {
        head::vault_label(&mut labels);
    }
    let outcome = |table: &Table<'_>| {
        let ending = ending(table, &known, (own, about), calls)?;
        if let (Some(done), Some(when)) = (&done, &ending.when) {
            reach::outcome(table, &when.0, done);
        }
        Some(ending)
    };
    let outcomes = root.tables("outcome").iter().filter_map(outcome).collect();
    Some(Formula {
        name: name?,
        title: title?,
        description,
        trigger,
        blast_radius: blast_radius?,
        require,
        limits,
        workspace,
        labels,
        inputs,
        reads_ops,
        steps,
        outcomes,
    })
}

fn ending(table: &Table<'_>, known: &Type, (own, about): (&str, About), calls: &Calls<'_>) -> Option<Ending> {
    let words = [
        ("done", EndWord::Done),
        ("no-change", EndWord::NoChange),
        ("refused", EndWord::Refused),
        ("queue", EndWord::Queue),
        ("interactive", EndWord::Interactive),
        ("needs-info", EndWord::NeedsInfo),
        ("hand-over", EndWord::HandOver),
    ];
    let when = table.optional("when", |v| expression(v, known, Wants::Bool));
    let is = table.required("is", "is = \"done\"", |v| match v.one_of(&words)? {
        EndWord::Queue | EndWord::Interactive | EndWord::NeedsInfo | EndWord::HandOver if about == About::Project => v.wrong(
            "only an issue goes on to somebody, and what `cron` or `vault` starts is about the project",
            "write \"done\", \"no-change\" or \"refused\"",
        ),
        word => Some(word),
    });
    let summary = table.optional("summary", |v| expression(v, known, Wants::Text));
    let questions = table.optional("questions", |v| expression(v, known, Wants::List));
    let others: Vec<(&str, EndWord)> = words.into_iter().filter(|(_, word)| *word != EndWord::HandOver).collect();
    let or = table.or("or", EndWord::Interactive, |v| v.one_of(&others));
    for (key, word) in [("is", is), ("or", Some(or))] {
        if let Some(value) = table.value(key)
            && word == Some(EndWord::NeedsInfo)
            && !table.has("questions")
        {
            let help =
                "add what is asked, such as questions = \"steps.work.output.questions\", or questions = \"['Which version?']\"";
            value.wrong::<()>("it is not said what is asked, and nobody could answer", help);
        }
    }
    let to = match is {
        Some(EndWord::HandOver) => table.required("to", "to = \"fix\"", |v| other_formula(v, own, calls)),
        _ => table.optional("to", word).map(FormulaName),
    };
    for key in ["to", "or"] {
        if let (Some(value), Some(word)) = (table.value(key), is)
            && word != EndWord::HandOver
        {
            value.wrong::<()>(format!("`{key}` means nothing here"), "it belongs to is = \"hand-over\"");
        }
    }
    let hands = match is? {
        EndWord::HandOver => Some(Hands { to: to?, or }),
        _ => None,
    };
    Some(Ending { when, is: is?, summary, questions, hands })
}

/// A formula that goes on.
fn other_formula(value: &Value<'_>, own: &str, calls: &Calls<'_>) -> Option<FormulaName> {
    let name = word(value)?;
    if name == own {
        return value.wrong("a formula cannot hand over to itself", "name another one");
    }
    let names = &calls.sources.names;
    if names.contains(&name) {
        return Some(FormulaName(name));
    }
    let help = match nearest(&name, names.iter().map(String::as_str)) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => format!("put it into formulas/{name}.toml, or name one of {}", names.join(", ")),
    };
    value.wrong(format!("there is no formula `{name}`"), help)
}

/// An expression that is right for what it can name.
pub(super) fn expression(value: &Value<'_>, known: &Type, wants: Wants) -> Option<Expression> {
    typed(value, known, wants).map(|(expression, _)| expression)
}

/// An expression, and what it comes to.
pub(super) fn typed(value: &Value<'_>, known: &Type, wants: Wants) -> Option<(Expression, Type)> {
    let text = value.filled()?;
    match check_expression(&text, known, wants) {
        Ok(of) => Some((Expression(text), of)),
        Err(mistakes) => {
            let usual = match wants {
                Wants::List => "name a list, such as issue.labels",
                Wants::Bool | Wants::Text | Wants::Value => "docs/formulas.md says what each name is",
            };
            for mistake in mistakes {
                let of_issue = names_an_issue(&text, &mistake.span, known).then(|| ABOUT_THE_PROJECT.to_owned());
                let help = of_issue.or(mistake.help).unwrap_or_else(|| usual.to_owned());
                value.wrong_within::<()>(&text, &mistake.span, mistake.message, Some(help));
            }
            None
        }
    }
}

/// Whether what is unknown is the issue, in a formula that knows of none.
fn names_an_issue(text: &str, span: &std::ops::Range<usize>, known: &Type) -> bool {
    let there = matches!(known, Type::Record(record) if record.fields.contains_key("issue"));
    !there && text.get(span.clone()).is_some_and(|name| name == "issue" || name.starts_with("issue."))
}

fn version(value: &Value<'_>) -> Option<u64> {
    let version = value.whole(1, u64::MAX)?;
    if version > VERSION {
        let message = format!("this formula is written in version {version} of the language, and this forgehand knows {VERSION}");
        return value.wrong_alone(message, "update forgehand, or write it in the older version");
    }
    Some(version)
}

pub(super) fn step_id(value: &Value<'_>) -> Option<StepId> {
    let text = word(value)?;
    if text == INPUTS {
        return value.wrong(format!("no step can be called `{INPUTS}`"), "that is where a called formula is given its inputs");
    }
    if inputs::RESERVED.contains(&text.as_str()) {
        return value.wrong(format!("`{text}` means something else in expressions"), format!("call it `{text}_` or otherwise"));
    }
    Some(StepId(text))
}

/// A name of a formula, step or role.
pub(super) fn word(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let right = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if right {
        Some(text)
    } else {
        value.wrong(format!("`{}` is not a name", text.escape_debug()), "small letters, digits, `-` and `_`, a letter first")
    }
}

/// What a step is read with.
pub(super) struct Scene<'s, 't> {
    pub(super) answers: &'s [Answer],
    pub(super) known: &'s Type,
    pub(super) inputs: &'s [InputSpec],
    pub(super) item: Option<&'s Variable>,
    pub(super) labels: &'s [FormulaLabel],
    pub(super) defaults: &'s agents::Defaults<'s>,
    pub(super) templates: &'s Templates<'t>,
    pub(super) calls: &'s Calls<'t>,
    /// The formula's own name.
    pub(super) own: &'s str,
    pub(super) about: About,
    pub(super) needed: RefCell<Vec<Needed>>,
}

impl Scene<'_, '_> {
    pub(super) fn vocabulary(&self, kind: TemplateKind) -> Variable {
        self.behind(self.answers, kind, self.item)
    }

    /// What the prompt of a step before this one could name.
    pub(super) fn vocabulary_of(&self, step: &StepId) -> Variable {
        let place = self.answers.iter().position(|answer| answer.step == *step).unwrap_or(self.answers.len());
        let (before, from) = self.answers.split_at(place);
        self.behind(before, TemplateKind::Prompt, from.first().and_then(|answer| answer.item.as_ref()))
    }

    fn behind(&self, answers: &[Answer], kind: TemplateKind, item: Option<&Variable>) -> Variable {
        let answers = answers.iter().map(|answer| (&answer.step, answer.left.clone()));
        kind.vocabulary(self.about, answers, self.inputs, item.cloned())
    }
}

pub(super) fn meant(
    table: &Table<'_>,
    scene: &Scene<'_, '_>,
    load: impl FnOnce(&Value<'_>, &str) -> Option<Formula>,
) -> Option<Meant> {
    // Asked for whatever the kind is, so that a key of another kind is named as such and not as unknown.
    let mut given: Vec<&'static str> = KINDS.into_iter().filter(|key| table.has(key)).collect();
    if given.is_empty() && scene.defaults.take(table) {
        given.push("agent");
    }
    if given.len() > 1 {
        table.wrong(format!("a step is one of {}, and this one is several", quoted(&given)), "make a step of each");
        given.truncate(1);
    }
    let own = match given.first() {
        Some(&"agent") => agents::agent(table, scene).map(Meant::Step),
        Some(&"run") => runs::run(table, scene).map(Meant::Step),
        Some(&"gate") => gate(table, scene).map(|gate| Meant::Step(StepKind::Gate(gate))),
        Some(&"formula") => {
            let called = table.optional("formula", |value| load(value, &word(value)?));
            called.map(|called| {
                let with = inputs::with(table, &called.inputs, scene);
                Meant::Call(Box::new(called), with)
            })
        }
        Some(_) => propose(table, scene).map(|proposal| Meant::Step(StepKind::Propose(proposal))),
        None => {
            let help = match table.has("prompt") {
                true => "write agent = \"dev\" here, or role = \"dev\" into [agent]".to_owned(),
                false => format!("give it one of {}", quoted(&KINDS)),
            };
            table.wrong("the step does nothing", help);
            None
        }
    };
    misplaced(table, given.first().copied());
    asks::misplaced(table, given.first().copied());
    own
}

/// Complains of keys that belong to another kind of step.
fn misplaced(table: &Table<'_>, kind: Option<&str>) {
    let keys = [
        ("agent", &["prompt", "access", "tools", "backend", "model", "output", "commits"][..]),
        ("run", &["on_failure", "on", "expect", "prints", "go_on"][..]),
        (
            "propose",
            &[
                "title", "body", "add", "remove", "issue", "labels", "blocks", "once", "items", "at_most", "verdict", "keep",
                "commands", "starts", "then", "tick", "asks",
            ][..],
        ),
        ("gate", &["after"][..]),
    ];
    if let Some(value) = table.value("with").filter(|_| kind.is_some_and(|kind| !matches!(kind, "formula" | "propose"))) {
        value.wrong::<()>(
            "`with` means nothing in this step",
            "`with` belongs to a step with `formula`, or with propose = \"start\"",
        );
    }
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

fn gate(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<Gate> {
    #[derive(Clone, Copy, PartialEq)]
    enum What {
        Time,
        Checks,
        Approval,
        Vault,
    }
    let whats = [("time", What::Time), ("checks", What::Checks), ("approval", What::Approval), ("vault", What::Vault)];
    let value = table.value("gate")?;
    let what = value.one_of(&whats);
    if what.is_some_and(|what| what != What::Time)
        && let Some(after) = table.value("after")
    {
        after.wrong::<()>("`after` means nothing at this gate", "only gate = \"time\" has it");
    }
    match what? {
        What::Time => {
            let after = table.required("after", "after = \"10m\"", Value::some_time)?;
            Some(Gate::Time { after })
        }
        What::Checks => Some(Gate::Checks),
        What::Approval => Some(Gate::Approval),
        What::Vault => asks::gate(table, &value, scene),
    }
}

pub(super) fn quoted(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}
