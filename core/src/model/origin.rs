//! Where what a step is given comes from.
//!
//! Promises: what an agent may have chosen is told as that, whatever calls it went through. An expression that has the word `steps` in it counts as
//! one that names what steps left: too much is told rather than too little.

use super::{Expression, Formula, Given, INPUTS, Step, StepId, StepKind};

impl Formula {
    /// Whether an agent may have had a say in the items that a step is done for.
    pub fn items_are_of_agents(&self, step: &Step) -> bool {
        step.for_each.as_ref().is_some_and(|each| self.is_of_agents(&each.items, step.inside()))
    }

    fn is_of_agents(&self, expression: &Expression, inside: &str) -> bool {
        let names = |word: &str| expression.0.contains(word);
        names("steps") || (names("inputs") && self.is_given_by_agents(inside))
    }

    /// Whether an agent may have had a say in what the formula was given whose steps have this before their names. What a run is started with
    /// was said by who started it.
    fn is_given_by_agents(&self, inside: &str) -> bool {
        let enter = StepId(format!("{inside}{INPUTS}"));
        let Some(enter) = self.steps.iter().find(|step| step.id == enter) else { return false };
        let StepKind::Enter { with, item, .. } = &enter.kind else { return true };
        let given = with.values().filter_map(|given| match given {
            Given::Value(_) => None,
            Given::Expression(expression) => Some(expression),
        });
        // The list that a call was made for is not told by its item.
        let mut given = given.peekable();
        let of_item = item.is_some() && given.peek().is_some();
        of_item || given.any(|expression| self.is_of_agents(expression, enter.inside()))
    }
}
