//! Expressions of steps that must come to a value: the number of an issue, the text of a file, what a call must be given.
//!
//! Promises: what a step needs, and what need not be there when the step is done, is said when the formula is loaded. Conditions that do not hold
//! and lists that are not there are no mistakes: what asks for nothing does nothing.

use super::expression::{Type, Wants, absent, sure, sure_of_items};
use super::order::Placed;
use super::reach::Done;
use super::read::{Scene, typed};
use crate::document::{Place, Value};
use crate::model::Expression;

/// An expression that must come to a value.
pub(super) struct Needed {
    place: Place,
    expression: Expression,
}

impl Needed {
    pub(super) fn new(value: &Value<'_>, expression: &Expression) -> Self {
        Self { place: value.place(), expression: expression.clone() }
    }
}

/// An expression that the step needs the value of, and what it comes to.
pub(super) fn needed(value: &Value<'_>, scene: &Scene<'_, '_>, wants: Wants) -> Option<(Expression, Type)> {
    let (expression, of) = typed(value, scene.known, wants)?;
    scene.needed.borrow_mut().push(Needed::new(value, &expression));
    Some((expression, of))
}

/// Complains of what need not be there when a step needs it.
pub(super) fn check(steps: &[Placed<'_, '_>], done: &Done) {
    for placed in steps.iter().filter(|placed| !placed.needed.is_empty()) {
        let step = &placed.step;
        // Who is never done was complained of.
        let Some(Some(mut known)) = done.get(&step.id).cloned() else { continue };
        if let Some(when) = &step.when {
            known.join(&sure(&when.0));
        }
        if let Some(each) = &step.for_each {
            known.join(&sure_of_items(&each.items.0, "item"));
        }
        for Needed { place, expression } in &placed.needed {
            for mistake in absent(&expression.0, &placed.known, &known) {
                placed.table.wrong_within(place, &expression.0, &mistake.span, mistake.message, mistake.help);
            }
        }
    }
}
