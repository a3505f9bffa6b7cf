//! The document of a formula.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::VERSION;
use super::asks;
use super::call::{Calls, Outer, also_required, in_place};
use super::expression::{Type, Wants, check as check_expression};
use super::needed::Needed;
use super::order::{Placed, check};
use super::propose::propose;
use super::scope::{ABOUT_THE_PROJECT, inputs as inputs_type, left_by, nothing, scope_behind, with, with_left};
use super::template::Templates;
use super::{agents, bounds, each, head, inputs, needed, reach, runs};
use crate::document::{Table, Value, nearest};
use crate::model::{
    About, EndWord, Ending, Expression, ForgeEvent, Formula, FormulaLabel, FormulaName, Gate, Given, Hands, INPUTS, InputSpec,
    Proposal, Risk, Step, StepId, StepKind, TemplateKind, Variable,
};

/// What sorts of steps a document may ask for.
const KINDS: [&str; 5] = ["agent", "run", "propose", "gate", "formula"];

/// A step that was read: later ones may name its output.
pub(super) struct Answer {
    pub(super) step: StepId,
    /// What that is for templates.
    left: Variable,
    /// What an item is, where it is left for each of a list.
    pub(super) item: Option<Variable>,
    /// It is an agent's, to whom failing output may go back.
    pub(super) agent: bool,
    /// It asks for an action of the vault.
    pub(super) asks: bool,
}

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
    let mut blast_radius = root.required("blast_radius", "blast_radius = \"medium\"", |v| v.one_of(&risks));
    let trigger = head::trigger(&root.table("trigger"));
    // A line that is wrong is one all the same.
    let scheduled = root.table("trigger").has("cron");
    let about = calls.about.unwrap_or_else(|| if scheduled { About::Project } else { trigger.about() });
    let mut require = head::require(&root.table("require"), about);
    let limits = head::limits(&root.table("limits"));
    let workspace = head::workspace(&root.table("workspace"));
    let mut reads_ops = head::ops(&root.table("ops"));
    let defaults = agents::defaults(root.table("agent"), &root.table("workspace"));
    let mut labels = head::labels(root);
    let inputs = inputs::specs(root);
    let given = inputs_type(&inputs);
    let tables = root.tables("step");
    if tables.is_empty() && root.value("step").is_none_or(|found| found.is_list()) {
        root.lacks("step", "[[step]]\nid = \"work\"\nagent = \"dev\"\nprompt = \"fix.md\"");
    }
    let mut steps: Vec<Placed<'_, '_>> = Vec::new();
    let mut ids: Vec<StepId> = Vec::new();
    let mut answers: Vec<Answer> = Vec::new();
    let (mut whole, mut left) = (true, nothing());
    for table in &tables {
        let id = table.required("id", "id = \"work\"", step_id);
        let own = name.as_ref().map_or("this formula", FormulaName::as_str);
        let known = scope_behind(left.clone(), given.clone(), about);
        let (for_each, item) = table.optional("for_each", |v| each::read(v, &known)).unzip();
        let (within, variable) = (each::within(&known, item.as_ref()), item.as_ref().map(each::variable));
        let scene = Scene {
            answers: &answers,
            known: &within,
            inputs: &inputs,
            item: variable.as_ref(),
            labels: &labels,
            defaults: &defaults,
            templates,
            calls,
            own,
            about,
            needed: RefCell::default(),
        };
        let meant = meant(table, &scene, |value, name| calls.load(value, name, (own, about), &mut templates.faults.borrow_mut()));
        let mut wanted = scene.needed.into_inner();
        let needs = Some(needs(table, &ids));
        let when = table.optional("when", |v| expression(v, &known, Wants::Bool));
        if let (Some(value), Some(meant)) = (table.value("for_each"), &meant) {
            each::judge(&value, for_each.as_ref(), meant);
        }
        let (timeout, retry) = (bounds::timeout(table, meant.as_ref()), bounds::retry(table, meant.as_ref()));
        let Some((id, meant)) = id.clone().zip(meant) else {
            whole = false;
            if let Some(id) = id {
                // What is wrong is said once: who names it finds it there, whatever it would leave.
                templates.broken.borrow_mut().insert(id.to_string());
                let asks = table.value("propose").and_then(|v| v.string()).is_some_and(|text| text == "vault-action");
                let known = Answer { step: id.clone(), left: Variable::Plain, item: None, agent: table.has("agent"), asks };
                answers.push(known);
                left = with(left, id.as_str(), Type::Any);
                ids.push(id);
            }
            continue;
        };
        if ids.contains(&id) {
            table.wrong(format!("two steps are called `{id}`"), "give each step an id of its own");
        }
        match meant {
            Meant::Step(kind) => {
                let agent = matches!(kind, StepKind::Agent { .. });
                let asks = matches!(kind, StepKind::Propose(Proposal::VaultAction { .. }));
                let step = Step { id: id.clone(), needs, when, for_each, timeout, retry, kind };
                let schema = step.kind.left();
                let answer = Variable::answer(&schema, step.for_each.is_some());
                answers.push(Answer { step: id.clone(), left: answer, item: variable, agent, asks });
                left = with(left, step.id.as_str(), left_by(&step, &schema));
                drop(schema);
                steps.push(Placed { step, table, known: within, needed: wanted });
            }
            Meant::Call(called, with) => {
                // Risk only goes up.
                blast_radius = blast_radius.max(Some(called.blast_radius));
                if let Some(both) = also_required(&mut require, &called.require) {
                    let help = format!("that is what `{}` and this formula ask: take it out of one", called.name);
                    table.wrong(format!("the label `{both}` is asked for and ruled out"), help);
                }
                let more = called.reads_ops.iter().filter(|path| !reads_ops.contains(path)).cloned().collect::<Vec<_>>();
                reads_ops.extend(more);
                labels.extend(
                    called
                        .labels
                        .iter()
                        .filter(|more| labels.iter().all(|label| label.name != more.name))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
                let each = for_each.is_some();
                let outer = Outer { call: id.clone(), needs, when, for_each, timeout, retry, with };
                for step in in_place(outer, *called) {
                    left = with_left(left, &step, "");
                    if step.id == id {
                        let answer = Variable::answer(&step.kind.left(), each);
                        answers.push(Answer {
                            step: id.clone(),
                            left: answer,
                            item: variable.clone(),
                            agent: false,
                            asks: false,
                        });
                    }
                    // The first one is given what the call is.
                    steps.push(Placed { step, table, known: within.clone(), needed: std::mem::take(&mut wanted) });
                }
            }
        }
        ids.push(id);
    }
    // A called formula need not stand alone.
    let mut done = None;
    if whole && calls.chain.is_empty() {
        check(&steps, trigger.event.contains(&ForgeEvent::PullBehind));
        let known = reach::check(&steps);
        needed::check(&steps, &known);
        done = Some(known);
    }
    let steps: Vec<Step> = steps.into_iter().map(|placed| placed.step).collect();
    if calls.chain.is_empty() {
        head::starts_alone(&root.table("trigger"), &trigger, &inputs, &steps);
        let names = (name.as_ref().map_or("", FormulaName::as_str), calls.sources.names);
        head::branch_is_pushed(&root.table("workspace"), about, &steps, names);
    }
    if about == About::Issue && steps.iter().any(|step| matches!(step.kind, StepKind::Gate(Gate::Vault { .. }))) {
        head::vault_label(&mut labels);
    }
    let known = scope_behind(left, given, about);
    let own = name.as_ref().map_or("", FormulaName::as_str);
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

/// The steps that a step needs: the one before it where it does not say.
fn needs(table: &Table<'_>, before: &[StepId]) -> Vec<StepId> {
    let known = |value: &Value<'_>| {
        let text = value.filled()?;
        if let Some(id) = before.iter().find(|id| id.as_str() == text) {
            return Some(id.clone());
        }
        let help = match nearest(&text, before.iter().map(StepId::as_str)) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => "a step needs steps that stand before it".to_owned(),
        };
        value.wrong(format!("`{text}` is no step before this one"), help)
    };
    match table.value("needs") {
        Some(value) => value.list(known).unwrap_or_default(),
        None => before.last().cloned().into_iter().collect(),
    }
}

fn version(value: &Value<'_>) -> Option<u64> {
    let version = value.whole(1, u64::MAX)?;
    if version > VERSION {
        let message = format!("this formula is written in version {version} of the language, and this forgehand knows {VERSION}");
        return value.wrong_alone(message, "update forgehand, or write it in the older version");
    }
    Some(version)
}

fn step_id(value: &Value<'_>) -> Option<StepId> {
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
    item: Option<&'s Variable>,
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

fn meant(table: &Table<'_>, scene: &Scene<'_, '_>, load: impl FnOnce(&Value<'_>, &str) -> Option<Formula>) -> Option<Meant> {
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
