//! The steps of a formula as they are read: one after the other, each beside what those before it leave.
//!
//! Promises: a step that is wrong is complained of once, and not again where others name it. The steps of a formula that is called stand in the place
//! of the call, and what that formula asks for is asked for by the whole.

use std::cell::RefCell;

use super::call::{Calls, Outer, also_required, in_place};
use super::expression::{Type, Wants};
use super::needed::Needed;
use super::order::{Placed, check};
use super::read::{Meant, Scene, expression, meant, step_id};
use super::scope::{inputs as inputs_type, left_by, nothing, scope_behind, with, with_left};
use super::template::Templates;
use super::{agents, bounds, each, needed, reach};
use crate::document::{Table, Value, nearest};
use crate::model::{About, Formula, FormulaLabel, InputSpec, Proposal, Require, Risk, Step, StepId, StepKind, Variable};

/// A step that was read: later ones may name its output.
pub(super) struct Answer {
    pub(super) step: StepId,
    /// What that is for templates.
    pub(super) left: Variable,
    /// What an item is, where it is left for each of a list.
    pub(super) item: Option<Variable>,
    /// It is an agent's, to whom failing output may go back.
    pub(super) agent: bool,
    /// It asks for an action of the vault.
    pub(super) asks: bool,
}

/// What a formula asks for as a whole: those that it calls add to it.
pub(super) struct Asks {
    pub(super) blast_radius: Option<Risk>,
    pub(super) require: Require,
    pub(super) reads_ops: Vec<String>,
    pub(super) labels: Vec<FormulaLabel>,
}

/// What steps are read with, whatever stands before them.
pub(super) struct Reading<'r, 'p> {
    pub(super) templates: &'r Templates<'p>,
    pub(super) calls: &'r Calls<'p>,
    pub(super) defaults: &'r agents::Defaults<'r>,
}

/// A formula up to some step.
pub(super) struct Draft<'o, 't, 'a> {
    /// What it is called.
    own: &'o str,
    about: About,
    pub(super) inputs: Vec<InputSpec>,
    /// Their types.
    given: Type,
    pub(super) asks: Asks,
    pub(super) steps: Vec<Placed<'t, 'a>>,
    /// All names that were given, also those of steps that are wrong.
    ids: Vec<StepId>,
    answers: Vec<Answer>,
    /// What the steps leave.
    left: Type,
    /// No step was wrong.
    whole: bool,
}

/// What one step is read with.
struct Around {
    /// What its own expressions may name.
    known: Type,
    /// What an item is to its templates, where it is done for each of a list.
    item: Option<Variable>,
    /// Those of its expressions that must come to a value.
    needed: Vec<Needed>,
}

impl<'o, 't, 'a> Draft<'o, 't, 'a> {
    pub(super) fn new(own: &'o str, about: About, inputs: Vec<InputSpec>, asks: Asks) -> Self {
        let given = inputs_type(&inputs);
        let (steps, ids, answers) = (Vec::new(), Vec::new(), Vec::new());
        Self { own, about, inputs, given, asks, steps, ids, answers, left: nothing(), whole: true }
    }

    /// What expressions may name that stand behind its steps.
    pub(super) fn known(&self) -> Type {
        scope_behind(self.left.clone(), self.given.clone(), self.about)
    }

    /// Reads the next step.
    pub(super) fn step(&mut self, table: &'t Table<'a>, reading: &Reading<'_, '_>) {
        let Reading { templates, calls, defaults } = *reading;
        let id = table.required("id", "id = \"work\"", step_id);
        let (own, about, known) = (self.own, self.about, self.known());
        let (for_each, item) = table.optional("for_each", |v| each::read(v, &known)).unzip();
        let (within, item) = (each::within(&known, item.as_ref()), item.as_ref().map(each::variable));
        let scene = Scene {
            answers: &self.answers,
            known: &within,
            inputs: &self.inputs,
            item: item.as_ref(),
            labels: &self.asks.labels,
            defaults,
            templates,
            calls,
            own,
            about,
            needed: RefCell::default(),
        };
        let meant = meant(table, &scene, |value, name| calls.load(value, name, (own, about), &mut templates.faults.borrow_mut()));
        let around = Around { needed: scene.needed.into_inner(), known: within, item };
        let needs = Some(needs(table, &self.ids));
        let when = table.optional("when", |v| expression(v, &known, Wants::Bool));
        if let (Some(value), Some(meant)) = (table.value("for_each"), &meant) {
            each::judge(&value, for_each.as_ref(), meant);
        }
        let (timeout, retry) = (bounds::timeout(table, meant.as_ref()), bounds::retry(table, meant.as_ref()));
        let (id, meant) = match (id, meant) {
            (Some(id), Some(meant)) => (id, meant),
            (id, _) => return self.wrong(id, table, templates),
        };
        if self.ids.contains(&id) {
            table.wrong(format!("two steps are called `{id}`"), "give each step an id of its own");
        }
        self.ids.push(id.clone());
        match meant {
            Meant::Step(kind) => self.takes(Step { id, needs, when, for_each, timeout, retry, kind }, around, table),
            Meant::Call(called, with) => {
                let outer = Outer { call: id, needs, when, for_each, timeout, retry, with };
                self.calls(outer, *called, around, table);
            }
        }
    }

    /// A step that is wrong. What is wrong is said once: who names it finds it there, whatever it would leave.
    fn wrong(&mut self, id: Option<StepId>, table: &Table<'_>, templates: &Templates<'_>) {
        self.whole = false;
        let Some(id) = id else { return };
        templates.broken.borrow_mut().insert(id.to_string());
        let asks = table.value("propose").and_then(|v| v.string()).is_some_and(|text| text == "vault-action");
        let agent = table.has("agent");
        self.answers.push(Answer { step: id.clone(), left: Variable::Plain, item: None, agent, asks });
        self.leaves(|all| with(all, id.as_str(), Type::Any));
        self.ids.push(id);
    }

    fn takes(&mut self, step: Step, around: Around, table: &'t Table<'a>) {
        let Around { known, item, needed } = around;
        let agent = matches!(step.kind, StepKind::Agent { .. });
        let asks = matches!(step.kind, StepKind::Propose(Proposal::VaultAction { .. }));
        let (answer, left) = {
            let schema = step.kind.left();
            (Variable::answer(&schema, step.for_each.is_some()), left_by(&step, &schema))
        };
        self.answers.push(Answer { step: step.id.clone(), left: answer, item, agent, asks });
        self.leaves(|all| with(all, step.id.as_str(), left));
        self.steps.push(Placed { step, table, known, needed });
    }

    /// The steps of another formula stand in the place of the call.
    fn calls(&mut self, outer: Outer, called: Formula, around: Around, table: &'t Table<'a>) {
        let Around { known, item, mut needed } = around;
        let asks = &mut self.asks;
        // Risk only goes up.
        asks.blast_radius = asks.blast_radius.max(Some(called.blast_radius));
        if let Some(both) = also_required(&mut asks.require, &called.require) {
            let help = format!("that is what `{}` and this formula ask: take it out of one", called.name);
            table.wrong(format!("the label `{both}` is asked for and ruled out"), help);
        }
        for path in &called.reads_ops {
            if !asks.reads_ops.contains(path) {
                asks.reads_ops.push(path.clone());
            }
        }
        for more in &called.labels {
            if asks.labels.iter().all(|label| label.name != more.name) {
                asks.labels.push(more.clone());
            }
        }
        let (call, each) = (outer.call.clone(), outer.for_each.is_some());
        for step in in_place(outer, called) {
            self.leaves(|all| with_left(all, &step, ""));
            if step.id == call {
                let answer = Variable::answer(&step.kind.left(), each);
                self.answers.push(Answer { step: call.clone(), left: answer, item: item.clone(), agent: false, asks: false });
            }
            // The first one is given what the call is.
            self.steps.push(Placed { step, table, known: known.clone(), needed: std::mem::take(&mut needed) });
        }
    }

    /// What its steps leave changes.
    fn leaves(&mut self, more: impl FnOnce(Type) -> Type) {
        self.left = more(std::mem::replace(&mut self.left, nothing()));
    }

    /// Complains of what does not fit together. What is sure where its steps are done; nothing where one was wrong.
    pub(super) fn check(&self, updates: bool) -> Option<reach::Done> {
        self.whole.then(|| {
            check(&self.steps, updates);
            let known = reach::check(&self.steps);
            needed::check(&self.steps, &known);
            known
        })
    }
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
