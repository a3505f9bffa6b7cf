//! Formulas that are called for each item of a list: once the list is known, the steps of the call stand in the run's formula for each item.
//!
//! Promises: each of them has a name of its own, `call@2.work`, so that what is journalled, filed or said for one item is never taken for
//! another's. The items have no order between them: what may run side by side does. The same list gives the same steps, so that a replayed
//! journal has them too.

use serde_json::Value as Json;

use super::{CallItem, Expression, Formula, INPUTS, Step, StepId, StepKind};

/// Where steps were put in for others.
pub struct Unfolded {
    /// The place of the first of those that are gone.
    from: usize,
    /// How many are gone.
    gone: usize,
    /// How many came for them.
    came: usize,
}

impl Unfolded {
    /// Where a step is now that had this place; none where it is gone.
    pub fn moved(&self, place: usize) -> Option<usize> {
        match place {
            before if before < self.from => Some(before),
            within if within < self.from + self.gone => None,
            behind => Some(behind - self.gone + self.came),
        }
    }
}

impl Formula {
    /// The call that begins with a step, if that is made for each item of a list.
    pub fn call_for_each(&self, enter: &StepId) -> Option<StepId> {
        let step = self.steps.get(self.place(enter)?)?;
        step.for_each.as_ref().filter(|_| matches!(step.kind, StepKind::Enter { .. }))?;
        enter.as_str().strip_suffix(INPUTS)?.strip_suffix('.').map(StepId::from)
    }

    /// The steps of a call between its beginning and its end.
    pub fn within_call(&self, call: &StepId) -> Option<&[Step]> {
        let begins = self.place(&StepId::from(INPUTS).within(call))?;
        self.steps.get(begins + 1..self.place(call)?)
    }

    /// Puts the steps of a call in for each item, made from what stood there before any list was known. Without an item that stands there, for
    /// nothing: it is skipped.
    pub fn unfold(&mut self, call: &StepId, folded: &[Step], items: &[Json]) -> Option<Unfolded> {
        let enter = StepId::from(INPUTS).within(call);
        let (begins, ends) = (self.place(&enter)?, self.place(call)?);
        let StepKind::Enter { with, inputs, .. } = self.steps.get(begins)?.kind.clone() else { return None };
        let StepKind::Leave { outcomes, of } = &mut self.steps.get_mut(ends)?.kind else { return None };
        let count = u32::try_from(items.len()).ok()?;
        *of = Some(count);
        let always = Some(Expression("true".to_owned()));
        let (mut steps, mut all) = (Vec::new(), vec![enter.clone()]);
        for (nth, value) in (1..=count).zip(items) {
            let one = call.nth(nth);
            let item = Some(CallItem { value: value.clone(), nth });
            let begin = StepKind::Enter { with: with.clone(), inputs: inputs.clone(), item };
            let of_one = std::iter::once(plain(StepId::from(INPUTS).within(&one), vec![enter.clone()], None, begin))
                .chain(folded.iter().map(|step| renamed(step, call, &one)));
            let from = steps.len();
            steps.extend(of_one);
            let needs = steps.iter().skip(from).map(|step: &Step| step.id.clone()).collect();
            all.push(one.clone());
            steps.push(plain(one, needs, always.clone(), StepKind::Leave { outcomes: outcomes.clone(), of: None }));
        }
        if items.is_empty() {
            steps = folded.to_vec();
            all.extend(folded.iter().map(|step| step.id.clone()));
        }
        self.steps.get_mut(ends)?.needs = Some(all);
        let unfolded = Unfolded { from: begins + 1, gone: ends - begins - 1, came: steps.len() };
        self.steps.splice(begins + 1..ends, steps);
        Some(unfolded)
    }
}

fn plain(id: StepId, needs: Vec<StepId>, when: Option<Expression>, kind: StepKind) -> Step {
    Step { id, needs: Some(needs), when, for_each: None, timeout: None, retry: None, kind }
}

/// A step of a call in the one for an item.
fn renamed(step: &Step, call: &StepId, one: &StepId) -> Step {
    let name = |id: &StepId| match id.as_str().strip_prefix(call.as_str()) {
        Some(own) if own.starts_with('.') => StepId(format!("{one}{own}")),
        _ => id.clone(),
    };
    let needs = step.needs.as_ref().map(|needs| needs.iter().map(&name).collect());
    Step { id: name(&step.id), needs, kind: step.kind.clone().renamed(name), ..step.clone() }
}
