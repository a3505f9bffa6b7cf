//! Steps that no run ever does, and what a formula never ends as: their conditions, with those of the steps that they need, cannot hold.
//!
//! Promises: a step that is complained of is never done. One that is done only if the other is not, and neither is said to be, goes unseen: of
//! conditions only what they ask to be one thing or another is compared, nothing is solved. What hangs on such a step is not complained of a
//! second time.

use std::collections::BTreeMap;

use super::expression::{Sure, sure};
use super::order::Placed;
use crate::document::Table;
use crate::model::{Commands, Expect, Step, StepId, StepKind};

/// What is sure of a run in which a step is done; none for one that never is.
pub(super) type Done = BTreeMap<StepId, Option<Sure>>;

/// Complains of steps that are never done. Answers with what is sure where the others are.
pub(super) fn check(steps: &[Placed<'_, '_>]) -> Done {
    let (mut done, mut always) = (Done::new(), Sure::default());
    for placed in steps {
        let step = &placed.step;
        let known = when_done(step, &done, &always);
        let Some(known) = known else {
            // What it hangs on was complained of.
            done.insert(step.id.clone(), None);
            continue;
        };
        if is_always(step, &always) {
            always.know(status(&step.id), DONE);
        }
        match impossible(&known) {
            Some(why) => {
                complain(placed, &why);
                done.insert(step.id.clone(), None);
            }
            None => drop(done.insert(step.id.clone(), Some(known))),
        }
    }
    done
}

/// Complains of an outcome that no run ends as.
pub(super) fn outcome(table: &Table<'_>, when: &str, done: &Done) {
    let mut known = sure(when);
    if !behind(&mut known, "", done) {
        return;
    }
    if let (Some(why), Some(value)) = (impossible(&known), table.value("when")) {
        value.wrong::<()>(format!("the formula never ends as this: {why}"), "take it out, or change one of the conditions");
    }
}

const DONE: &str = "'done'";

fn status(step: &StepId) -> String {
    format!("steps.{step}.status")
}

/// Whether it is done in every run that gets there: it has no condition, and neither has what it needs.
fn is_always(step: &Step, always: &Sure) -> bool {
    let needed = |id: &StepId| always.is.contains_key(&status(id));
    let called = |id: StepId| needed(&id);
    step.when.is_none() && step.needs.iter().flatten().all(needed) && step.called_by().is_none_or(called)
}

/// What is sure where a step is done; none where it needs one that never is.
fn when_done(step: &Step, done: &Done, always: &Sure) -> Option<Sure> {
    let mut known = always.clone();
    if let Some(call) = step.called_by() {
        known.join(done.get(&call).map_or(&None, |call| call).as_ref()?);
    }
    match &step.when {
        Some(when) => {
            let inside = step.inside();
            known.join(&named_in(sure(&when.0), inside));
            behind(&mut known, inside, done).then_some(())?;
        }
        None => {
            for needed in step.needs.iter().flatten() {
                if let Some(needed) = done.get(needed) {
                    known.join(needed.as_ref()?);
                }
            }
        }
    }
    known.know(status(&step.id), DONE);
    for field in always_left(&step.kind) {
        known.know(format!("steps.{}.output.{field}", step.id), "true");
    }
    Some(known)
}

/// A run goes on behind commands only where they came out as they were to, unless the step says otherwise.
fn always_left(kind: &StepKind) -> &'static [&'static str] {
    match kind {
        StepKind::Verify { .. } => &["passed", "as_expected"],
        StepKind::Run { commands: Commands::Kept { .. }, .. } | StepKind::Run { go_on: true, .. } => &[],
        StepKind::Run { expect: Expect::Success, .. } => &["passed", "as_expected"],
        StepKind::Run { .. } => &["as_expected"],
        _ => &[],
    }
}

/// With the names that it is known by from outside; only steps and inputs stay as they are while a run lasts.
fn named_in(own: Sure, inside: &str) -> Sure {
    let whole = |name: &String| {
        let step = name.strip_prefix("steps.").map(|rest| format!("steps.{inside}{rest}"));
        step.or_else(|| name.strip_prefix("inputs.").map(|rest| format!("{inside}inputs.{rest}")))
    };
    let lasting = |names: std::collections::BTreeMap<String, std::collections::BTreeSet<String>>| {
        names.into_iter().filter_map(|(name, literals)| Some((whole(&name)?, literals))).collect()
    };
    // What changes is compared within one condition, where it is one thing.
    let never = own.never || own.contradiction().is_some();
    Sure { never, is: lasting(own.is), is_not: lasting(own.is_not), there: own.there.iter().filter_map(whole).collect() }
}

/// Joins what is sure of the steps that a condition asks for, because they were done then; no where one of them never is.
fn behind(known: &mut Sure, inside: &str, done: &Done) -> bool {
    let asked = |name: &String| {
        let step = done.keys().filter(|id| id.split().0 == inside);
        let is = |id: &&StepId| name.starts_with(&format!("steps.{id}.output"));
        step.filter(is).max_by_key(|id| id.as_str().len()).cloned()
    };
    let is_done = |id: &&StepId| known.is.get(&status(id)).is_some_and(|words| words.contains(DONE));
    let mut steps: Vec<StepId> = known.there.iter().filter_map(asked).collect();
    steps.extend(done.keys().filter(is_done).cloned());
    for step in steps {
        match done.get(&step) {
            Some(Some(more)) => known.join(more),
            Some(None) => return false,
            None => {}
        }
    }
    true
}

/// Why it cannot be.
fn impossible(known: &Sure) -> Option<String> {
    if known.never {
        return Some("this condition never holds".to_owned());
    }
    let (name, words) = known.contradiction()?;
    Some(match words.as_slice() {
        [only] => format!("`{name}` would have to be {only} and not to be it"),
        words => format!("`{name}` would have to be {} at once", words.join(" and ")),
    })
}

fn complain(placed: &Placed<'_, '_>, why: &str) {
    let key = if placed.step.when.is_some() { "when" } else { "needs" };
    let help = "take the step out, or change its condition or those of the steps that it needs";
    placed.wrong(key, &format!("this step is never done: {why}"), help);
}
