//! How far a step is that is done for each item of a list.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::{StepId, Timestamp};

use super::{RunState, StepStatus};

/// How far a step is that is done for each item of a list: there is always one that it is at, because the step ends with the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Each {
    /// What the items left that are done, in their order.
    outputs: Vec<Json>,
    item: Json,
    left: VecDeque<Json>,
}

impl Each {
    /// At the first item; none where there is no item.
    fn begin(items: &[Json]) -> Option<Self> {
        let (item, left) = items.split_first()?;
        Some(Self { outputs: Vec::new(), item: item.clone(), left: left.to_vec().into() })
    }

    /// What the items left that are done.
    pub fn outputs(&self) -> &[Json] {
        &self.outputs
    }

    /// The item that it is at.
    pub fn item(&self) -> &Json {
        &self.item
    }

    /// Which that is, from 1.
    pub fn nth(&self) -> u32 {
        count(self.outputs.len() + 1)
    }

    /// How many there are.
    pub fn of(&self) -> u32 {
        count(self.outputs.len() + 1 + self.left.len())
    }

    /// The item is done: on to the next one, or out with what all of them left.
    fn next(mut self, output: Json) -> ControlFlow<Vec<Json>, Self> {
        self.outputs.push(output);
        match self.left.pop_front() {
            Some(item) => ControlFlow::Continue(Self { item, ..self }),
            None => ControlFlow::Break(self.outputs),
        }
    }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

impl RunState {
    /// The list of a step is known.
    pub(super) fn go_through(&mut self, step: &StepId, items: &[Json], at: Timestamp) {
        if let Some(call) = self.formula.call_for_each(step) {
            return self.call_for(step, &call, items, at);
        }
        let each = Each::begin(items);
        let none = each.is_none();
        if let Some(in_work) = self.at_mut(step) {
            in_work.each = each;
        }
        if none {
            self.leaves(step, Json::Array(Vec::new()));
            self.go_on(step, StepStatus::Done, at);
        }
    }

    /// The list of a call is known: its steps stand there for each item. With none they are skipped. Where the list was another one before, because
    /// the run went back, the steps of that one go.
    fn call_for(&mut self, enter: &StepId, call: &StepId, items: &[Json], at: Timestamp) {
        let within = self.formula.within_call(call).unwrap_or_default();
        let folded = self.folded.get(call).map_or_else(|| within.to_vec(), Clone::clone);
        self.folded.retain(|other, _| !other.is_in_nth_of(call));
        if let Some(unfolded) = self.formula.unfold(call, &folded, items) {
            let in_work = std::mem::take(&mut self.in_work);
            self.in_work = in_work.into_iter().filter_map(|(place, at)| Some((unfolded.moved(place)?, at))).collect();
            let shown = std::mem::take(&mut self.shown);
            let moved = |((place, item), evidence)| Some(((unfolded.moved(place)?, item), evidence));
            self.shown = shown.into_iter().filter_map(moved).collect();
        }
        if items.is_empty() {
            self.statuses.extend(folded.iter().map(|step| (step.id.clone(), StepStatus::Skipped)));
        }
        self.folded.insert(call.clone(), folded);
        self.go_on(enter, StepStatus::Done, at);
    }

    /// An item is done. The next one has turns, answers and repetitions of its own.
    pub(super) fn next_item(&mut self, step: &StepId, at: Timestamp) {
        let Some(each) = self.at_mut(step).and_then(|in_work| in_work.each.take()) else { return };
        match each.next(self.outputs.remove(step).unwrap_or_default()) {
            ControlFlow::Continue(each) => {
                self.retries.remove(step);
                if let Some(in_work) = self.at_mut(step) {
                    in_work.each = Some(each);
                    in_work.reached = at;
                    in_work.afresh();
                }
            }
            ControlFlow::Break(outputs) => {
                self.leaves(step, outputs.into());
                self.go_on(step, StepStatus::Done, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_come_one_after_the_other_and_their_outputs_in_the_same_order() {
        let items: Vec<Json> = (1..=3).map(Json::from).collect();
        let mut each = Each::begin(&items).expect("a first item");
        for nth in 1..=2 {
            assert_eq!((each.item(), each.nth(), each.of()), (&nth.into(), nth, 3));
            let ControlFlow::Continue(next) = each.next((10 * nth).into()) else { panic!("there is a next one") };
            each = next;
        }
        assert_eq!(each.next(30.into()), ControlFlow::Break([10, 20, 30].map(Json::from).to_vec()));
        assert_eq!(Each::begin(&[]), None);
    }
}
