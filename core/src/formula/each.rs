//! Steps that are done for each item of a list: which of them may be, and what an item is for their templates and expressions.

use super::expression::{Type, Wants, check};
use super::read::{Meant, typed};
use super::scope::{inputs, scope, with};
use crate::document::Value;
use crate::model::{Commands, ForEach, Formula, INPUTS, InputSpec, Proposal, Step, StepId, StepKind, Variable};

/// The longest list.
const ITEMS: u64 = 10_000;

/// The `for_each` of a step, and what an item is.
pub(super) fn read(value: &Value<'_>, known: &Type) -> Option<(ForEach, Type)> {
    let table = value.opened()?;
    let items = table.required("items", "items = \"issue.labels\"", |v| typed(v, known, Wants::List));
    let at_most = table.required("at_most", "at_most = 20", |v| v.whole(1, ITEMS).and_then(|n| u32::try_from(n).ok()));
    let ((items, of), at_most) = (items?, at_most?);
    Some((ForEach { items, at_most }, of_list(&of)))
}

/// Complains of a step that is not done for each of something.
pub(super) fn judge(value: &Value<'_>, meant: &Meant) {
    let help = match meant {
        Meant::Step(StepKind::Agent { .. } | StepKind::Run { commands: Commands::List(_) | Commands::Of { .. }, .. })
        | Meant::Step(StepKind::Propose(
            Proposal::Comment { .. }
            | Proposal::Labels { .. }
            | Proposal::Issue { .. }
            | Proposal::SubIssues { .. }
            | Proposal::File { .. }
            | Proposal::VaultAction { .. }
            | Proposal::Mend { .. }
            | Proposal::Start { .. }
            | Proposal::Close { issue: Some(_) }
            | Proposal::UpdateIssue { issue: Some(_), .. },
        )) => return,
        Meant::Step(StepKind::Verify { .. }) => "the project's verification is the same for each item: write the commands out",
        Meant::Step(StepKind::Run { commands: Commands::Kept { .. }, .. }) => "what was kept is the same for each item",
        Meant::Step(StepKind::Propose(Proposal::PullRequest { .. })) => "a run opens one pull request",
        Meant::Step(StepKind::Propose(Proposal::Close { issue: None })) => "an issue is closed once: say which by `issue`",
        Meant::Step(StepKind::Propose(Proposal::UpdateIssue { issue: None, .. })) => {
            "one item would write over the other: say which issue by `issue`"
        }
        Meant::Step(StepKind::Propose(Proposal::Review { .. })) => "a run reviews one pull request",
        Meant::Step(StepKind::Propose(Proposal::Push)) => "what an agent wrote is pushed at once",
        Meant::Step(StepKind::Propose(Proposal::Merge)) => "an issue has one pull request",
        Meant::Step(StepKind::Propose(Proposal::Replies { .. })) => {
            "it goes through the points by itself: give it the list as `items`"
        }
        Meant::Step(StepKind::Propose(Proposal::Branch { .. })) => "a run has one branch",
        Meant::Step(StepKind::Propose(Proposal::Reopen)) => "a run is about one issue",
        Meant::Step(StepKind::Gate(_)) => "a gate is waited at once",
        Meant::Step(StepKind::Enter { .. } | StepKind::Leave { .. }) | Meant::Call(..) => {
            "give it to the steps of the called formula, with the list as an input"
        }
    };
    value.wrong::<()>("`for_each` means nothing in this step", help);
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
    let each = step.for_each.as_ref()?;
    let inside = step.id.split().0;
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
