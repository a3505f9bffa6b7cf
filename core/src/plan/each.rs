//! Steps that are done for each item of a list, one item after the other.
//!
//! Promises: the list is worked out once, when the step begins, and journalled: what becomes of the world meanwhile changes neither the
//! items nor their order. An item that is done is never done again, because the journal says so before the next one begins. A list that
//! is longer than its formula or the configuration allows ends the run before any of it is done. Each item has its own `retry`. What an agent
//! commits for one of them is taken over before the next one begins, so that it is not lost where that is cut.

use serde_json::Value as Json;

use crate::formula::expression::{self, EvaluateError, Type};
use crate::formula::{self, each_item};
use crate::model::{Advance, Expression, RunOutcome};

use super::flow::{Wrong, broken, place};
use super::run::{Here, advance};
use super::{Context, Next};

impl Context<'_> {
    /// What a step is done for that was just begun; none where that is known, and where it is done once.
    pub(super) fn each(&self, here: Here<'_>) -> Option<Next> {
        let step = here.step;
        let each = step.for_each.as_ref().filter(|_| here.at.each.is_none())?;
        let items = match self.items(here, &each.items) {
            Ok(items) => items,
            Err(why) => return Some(self.end(here, broken(step, &why))),
        };
        let at_most = each.at_most.min(self.policy.items);
        if u32::try_from(items.len()).is_ok_and(|count| count <= at_most) {
            return Some(advance(here, Advance::Each { items }));
        }
        let outcome = RunOutcome::TooManyItems { step: step.id.clone(), items: items.len() as u64, at_most };
        Some(self.end(here, outcome))
    }

    /// A list that is not there has no items.
    fn items(&self, here: Here<'_>, list: &Expression) -> Result<Vec<Json>, Wrong> {
        let (types, values) = self.known(here.live, Some(here), place(here.step));
        match expression::items(&list.0, &types, &values) {
            Ok(items) => Ok(items),
            Err(EvaluateError::Absent(_)) => Ok(Vec::new()),
            Err(why @ (EvaluateError::WrongType(_) | EvaluateError::Failed(_))) => Err(format!("{}: {why}", list.0)),
        }
    }
}

/// What the expressions of a step may name beside all else that is known, while it is at an item.
pub(super) fn with_item(here: Option<Here<'_>>, (types, mut values): (Type, Json)) -> (Type, Json) {
    let Some((each, of)) = here.and_then(|here| here.at.each.as_ref().zip(each_item(&here.run.formula, here.step))) else {
        return (types, values);
    };
    values["item"] = each.item().clone();
    values["index"] = each.nth().into();
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
