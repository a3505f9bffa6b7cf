//! Steps that are done for each item of a list, one item after the other.
//!
//! Promises: the list is worked out once, when the step begins, and journalled: what becomes of the world meanwhile changes neither the
//! items nor their order. An item that is done is never done again, because the journal says so before the next one begins. A list that
//! is longer than its formula or the configuration allows ends the run before any of it is done. Each item has its own `retry`. What an agent
//! commits for one of them is taken over before the next one begins, so that it is not lost where that is cut.

use serde_json::Value as Json;

use crate::formula::expression::{self, EvaluateError, Type};
use crate::formula::{self, each_item};
use crate::model::{Advance, Expression, RunOutcome, StepKind};

use super::flow::{Wrong, broken};
use super::run::{Here, advance};
use super::{Context, Next};

impl Context<'_> {
    /// What a step is done for that was just begun; none where that is known, and where it is done once.
    pub(super) fn each(&self, here: Here<'_>) -> Option<Next> {
        let step = here.step;
        // The end of a call that is made for each item puts together what is there.
        let known = here.at.each.is_some() || matches!(step.kind, StepKind::Leave { .. });
        let each = step.for_each.as_ref().filter(|_| !known)?;
        let items = match self.items(here, &each.items) {
            Ok(items) => items,
            Err(why) => return Some(self.end(here, broken(step, &why))),
        };
        let at_most = each.at_most.min(self.policy.items);
        if u32::try_from(items.len()).is_ok_and(|count| count <= at_most) {
            return Some(advance(here, Advance::Each { items }));
        }
        let named = here.run.formula.call_for_each(&step.id).unwrap_or_else(|| step.id.clone());
        let outcome = RunOutcome::TooManyItems { step: named, items: items.len() as u64, at_most };
        Some(self.end(here, outcome))
    }

    /// A list that is not there has no items.
    fn items(&self, here: Here<'_>, list: &Expression) -> Result<Vec<Json>, Wrong> {
        let (types, values) = self.known(here.live, Some(here), here.step.inside());
        match expression::items(&list.0, &types, &values) {
            Ok(items) => Ok(items),
            Err(EvaluateError::Absent(_)) => Ok(Vec::new()),
            Err(why @ (EvaluateError::WrongType(_) | EvaluateError::Failed(_))) => Err(format!("{}: {why}", list.0)),
        }
    }
}

/// What the expressions of a step may name beside all else that is known, while it is at an item.
pub(super) fn with_item(here: Option<Here<'_>>, (types, mut values): (Type, Json)) -> (Type, Json) {
    let at_item = |here: Here<'_>| {
        let (value, nth) = match (&here.at.each, &here.step.kind) {
            (Some(each), _) => (each.item().clone(), each.nth()),
            (None, StepKind::Enter { item: Some(item), .. }) => (item.value.clone(), item.nth),
            (None, _) => return None,
        };
        Some((value, nth, each_item(&here.run.formula, here.step)?))
    };
    let Some((value, nth, of)) = here.and_then(at_item) else { return (types, values) };
    values["item"] = value;
    values["index"] = nth.into();
    (formula::with_item(types, of), values)
}

/// The work of a step is done, or that for one of its items.
pub(super) fn done(here: Here<'_>) -> Next {
    let how = match &here.at.each {
        Some(each) => Advance::ItemDone { item: each.nth(), of: each.of() },
        None => Advance::Next,
    };
    advance(here, how)
}
