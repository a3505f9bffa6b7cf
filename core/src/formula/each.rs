//! Steps that are done for each item of a list: which of them may be, and what an item is for their templates and expressions.

use super::expression::{Type, Wants, check};
use super::read::{Meant, typed};
use super::scope::{inputs, scope, with};
use crate::document::Value;
use crate::model::{Commands, ForEach, Formula, Gate, INPUTS, InputSpec, Proposal, Step, StepId, StepKind, Variable};

/// The longest list.
const ITEMS: u64 = 10_000;
/// The longest one that a formula is called for: its steps stand in the run for each item.
const CALLS: u64 = 100;
/// So many of them at most.
const STEPS: u64 = 2_000;

/// The `for_each` of a step, and what an item is.
pub(super) fn read(value: &Value<'_>, known: &Type) -> Option<(ForEach, Type)> {
    let table = value.opened()?;
    let items = table.required("items", "items = \"issue.labels\"", |v| typed(v, known, Wants::List));
    let at_most = table.required("at_most", "at_most = 20", |v| v.whole(1, ITEMS).and_then(|n| u32::try_from(n).ok()));
    let ((items, of), at_most) = (items?, at_most?);
    Some((ForEach { items, at_most }, of_list(&of)))
}

/// Complains of a step that is not done for each of something.
pub(super) fn judge(value: &Value<'_>, each: Option<&ForEach>, meant: &Meant) {
    let help = match meant {
        Meant::Call(called, _) => return judge_call(value, each, called),
        Meant::Step(StepKind::Propose(proposal)) => once(proposal),
        Meant::Step(
            StepKind::Agent { .. }
            | StepKind::Run { commands: Commands::List(_) | Commands::Of { .. }, .. }
            | StepKind::Gate(Gate::Vault { .. }),
        ) => None,
        Meant::Step(StepKind::Verify { .. }) => {
            Some("the project's verification is the same for each item: write the commands out")
        }
        Meant::Step(StepKind::Run { commands: Commands::Kept { .. }, .. }) => Some("what was kept is the same for each item"),
        Meant::Step(StepKind::Gate(Gate::Time { .. } | Gate::Checks | Gate::Approval)) => {
            Some("it waits for the same with each item")
        }
        Meant::Step(StepKind::Enter { .. } | StepKind::Leave { .. }) => None,
    };
    if let Some(help) = help {
        value.wrong::<()>("`for_each` means nothing in this step", help);
    }
}

/// Why a proposal is made once in a run; none for those that may be made of each of something.
fn once(proposal: &Proposal) -> Option<&'static str> {
    match proposal {
        Proposal::Comment { .. }
        | Proposal::Labels { .. }
        | Proposal::Issue { .. }
        | Proposal::SubIssues { .. }
        | Proposal::File { .. }
        | Proposal::VaultAction { .. }
        | Proposal::Mend { .. }
        | Proposal::Start { .. }
        | Proposal::Close { issue: Some(_) }
        | Proposal::UpdateIssue { issue: Some(_), .. } => None,
        Proposal::PullRequest { .. } => Some("a run opens one pull request"),
        Proposal::Close { issue: None } => Some("an issue is closed once: say which by `issue`"),
        Proposal::UpdateIssue { issue: None, .. } => Some("one item would write over the other: say which issue by `issue`"),
        Proposal::Review { .. } => Some("a run reviews one pull request"),
        Proposal::Push => Some("what an agent wrote is pushed at once"),
        Proposal::Merge => Some("an issue has one pull request"),
        Proposal::Replies { .. } => Some("it goes through the points by itself: give it the list as `items`"),
        Proposal::Branch { .. } => Some("a run has one branch"),
        Proposal::Reopen => Some("a run is about one issue"),
    }
}

/// The same of a formula that is called: its steps stand in the run for each item.
fn judge_call(value: &Value<'_>, each: Option<&ForEach>, called: &Formula) {
    for step in &called.steps {
        let StepKind::Propose(proposal) = &step.kind else { continue };
        if let Some(help) = once(proposal) {
            let message = format!("`{}` is not called for each item: its step `{}` is there once in a run", called.name, step.id);
            value.wrong::<()>(message, help);
            return;
        }
    }
    let Some(each) = each else { return };
    let steps = (weight(&called.steps) + 2) * u64::from(each.at_most);
    if u64::from(each.at_most) > CALLS || steps > STEPS {
        let message = format!(
            "a formula is called for at most {CALLS} items, and for so many that it has {STEPS} steps in all; these have {steps}"
        );
        value.wrong::<()>(message, "lower `at_most`, or go through the list in a step of the called formula");
    }
}

/// How many steps there are at most, those counted for each item that are in calls of such.
fn weight(steps: &[Step]) -> u64 {
    let (mut weight, mut at) = (0, 0);
    while let Some(step) = steps.get(at) {
        let call = step.id.as_str().strip_suffix(INPUTS).and_then(|call| call.strip_suffix('.'));
        let ends = call.and_then(|call| steps.iter().position(|step| step.id.as_str() == call)).filter(|ends| *ends > at);
        match (&step.for_each, ends) {
            (Some(each), Some(ends)) => {
                let within = steps.get(at + 1..ends).unwrap_or_default();
                weight += (self::weight(within) + 2) * u64::from(each.at_most) + 2;
                at = ends + 1;
            }
            _ => (weight, at) = (weight + 1, at + 1),
        }
    }
    weight
}

/// What a step's own expressions may name: what stands behind it, and its item.
pub(super) fn within(known: &Type, item: Option<&Type>) -> Type {
    match item {
        Some(item) => with_item(known.clone(), item.clone()),
        None => known.clone(),
    }
}

/// A scope in which an item has its names.
pub fn with_item(scope: Type, item: Type) -> Type {
    with(with(scope, "item", item), "index", Type::Integer)
}

/// What an item of a step is; none where it is done once.
pub fn item(formula: &Formula, step: &Step) -> Option<Type> {
    if matches!(step.kind, StepKind::Enter { item: Some(_), .. }) {
        let all = step.id.of_all()?;
        return item(formula, formula.steps.iter().find(|step| step.id == all)?);
    }
    let each = step.for_each.as_ref()?;
    let inside = step.inside();
    let before = formula.steps.iter().take_while(|other| other.id != step.id);
    let known = scope(before, inside, inputs(specs(formula, inside)), formula.about());
    Some(check(&each.items.0, &known, Wants::List).map_or(Type::Any, |of| of_list(&of)))
}

/// What the formula is given whose steps have this before their names.
pub fn specs<'f>(formula: &'f Formula, inside: &str) -> &'f [InputSpec] {
    if inside.is_empty() {
        return &formula.inputs;
    }
    let enter = StepId(format!("{inside}{INPUTS}"));
    match formula.steps.iter().find(|step| step.id == enter).map(|step| &step.kind) {
        Some(StepKind::Enter { inputs, .. }) => inputs,
        _ => &[],
    }
}

fn of_list(list: &Type) -> Type {
    match list.present() {
        Type::List(item) => Type::clone(item),
        _ => Type::Any,
    }
}

/// What templates may do with a value of a type. Whatever a text says was written by others, but for one of some words that a formula or schema names.
pub fn variable(of: &Type) -> Variable {
    match of.present() {
        Type::Bool | Type::Integer | Type::Number | Type::Text { one_of: Some(_) } => Variable::Plain,
        Type::Any | Type::Null | Type::Text { one_of: None } | Type::Time | Type::Duration | Type::OrNull(_) => Variable::Outside,
        Type::List(item) => Variable::List(Box::new(variable(item))),
        Type::Record(record) => Variable::Record(
            record
                .fields
                .iter()
                .map(|(name, field)| (name.clone(), variable(&field.of)))
                .collect::<std::collections::BTreeMap<_, _>>()
                .into(),
        ),
    }
}
