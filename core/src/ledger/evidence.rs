//! What commands showed of a run's commits, step by step and item by item.
//!
//! Promises: what was shown of other commits than the run's own speaks for nothing; a step that is done again, and an item, first takes back what it
//! showed.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::model::{CommandRun, Evidence, Intent, StepId};

use super::{Each, RunState};

/// Of so many items of a list at most is kept what commands showed that came out as they were to: the journal has the rest.
const SHOWN: u32 = 20;

impl RunState {
    /// What commands showed, and whether they came out as they were to. What they showed of another commit than the run's own does not speak
    /// for that.
    pub(super) fn verified(&mut self, step: &StepId, intent: &Intent, evidence: &Evidence) -> bool {
        let met = match intent {
            Intent::Verify { trial: Some(trial), .. } => trial.expect.met(evidence),
            _ => evidence.passed,
        };
        self.leaves(step, shown(evidence, met));
        if self.change.as_ref().is_none_or(|change| change.head == evidence.sha) {
            let item = self.item_of(step);
            if let Some(place) = self.formula.place(step) {
                self.shown.retain(|_, before| before.sha == evidence.sha);
                if item <= SHOWN || !met {
                    self.shown.insert((place, item), evidence.clone());
                }
                self.evidence = together(&self.shown);
            }
            let of = (step.clone(), item);
            match met {
                true => self.unmet.remove(&of),
                false => self.unmet.insert(of),
            };
        }
        met
    }

    /// The item that a step is at, from 1; 0 where it goes through no list.
    pub(super) fn item_of(&self, step: &StepId) -> u32 {
        self.at(step).and_then(|at| at.each.as_ref()).map_or(0, Each::nth)
    }

    /// What a step showed of the commits for such items counts no more.
    pub(super) fn unshow(&mut self, step: &StepId, items: impl Fn(u32) -> bool) {
        if let Some(place) = self.formula.place(step) {
            self.shown.retain(|(of, item), _| *of != place || !items(*item));
        }
        self.evidence = together(&self.shown);
        self.unmet.retain(|(of, item)| of != step || !items(*item));
    }

    /// The commits are others: what was shown of those before speaks for nothing.
    pub(super) fn unshow_all(&mut self) {
        self.shown.clear();
        self.evidence = None;
        self.unmet.clear();
    }
}

/// What a verification leaves for the steps after it.
fn shown(evidence: &Evidence, met: bool) -> Json {
    let command = |run: &CommandRun| json!({ "command": run.command, "exit": run.exit, "seconds": run.millis as f64 / 1e3, "tail": run.tail });
    json!({ "passed": evidence.passed, "as_expected": met, "commands": evidence.commands.iter().map(command).collect::<Vec<_>>() })
}

/// What several steps showed of one commit.
fn together(shown: &BTreeMap<(usize, u32), Evidence>) -> Option<Evidence> {
    shown.values().cloned().reduce(|mut all, next| {
        all.commands.extend(next.commands);
        all.passed &= next.passed;
        all.timed_out |= next.timed_out;
        all
    })
}
