//! Calls: the steps of another formula stand in the place of the step that calls it, under its name and theirs.
//!
//! A called formula is checked by itself, with its own file in the errors, and its templates name its own steps only; whether its steps fit
//! behind those of its caller is checked once they stand there (`order`). It has no run of its own: what it requires is required of its
//! caller, whose labels are its labels too, and limits or a workspace of its own are refused.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::{Sources, load_within};
use crate::document::{Fault, Value, nearest, peek};
use crate::model::{
    About, Expression, ForEach, Formula, FormulaLimits, FormulaWorkspace, Given, INPUTS, Require, Retry, Step, StepId, StepKind,
};

/// How deep calls may lie in each other.
const DEPTH: usize = 8;
/// How many there may be in all of a formula: those that call each other many times over are more than anybody could load.
const CALLS: u32 = 100;

/// Who may be called from here.
pub(super) struct Calls<'s> {
    pub(super) sources: &'s Sources<'s>,
    /// The formulas that led here, the outermost first, without the one that is read.
    pub(super) chain: Vec<String>,
    /// What the outermost one is about: so are those that it calls.
    pub(super) about: Option<About>,
    /// How many were called, by all of them.
    called: Rc<Cell<u32>>,
}

impl<'s> Calls<'s> {
    /// Where nothing was called yet.
    pub(super) fn none(sources: &'s Sources<'s>) -> Self {
        Self { sources, chain: Vec::new(), about: None, called: Rc::default() }
    }
}

impl Calls<'_> {
    /// The formula that a value names, called by the formula `own`. What is wrong within it goes to `faults`.
    pub(super) fn load(
        &self,
        value: &Value<'_>,
        name: &str,
        (own, about): (&str, About),
        faults: &mut Vec<Fault>,
    ) -> Option<Formula> {
        let mut chain = self.chain.clone();
        chain.push(own.to_owned());
        if chain.iter().any(|caller| caller == name) {
            let circle = chain.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(" calls ");
            return value.wrong(format!("formulas call each other in a circle: {circle}"), "take one of the calls out");
        }
        if chain.len() > DEPTH {
            return value.wrong(format!("calls lie more than {DEPTH} deep in each other"), "write some of the steps out");
        }
        if self.called.get() >= CALLS {
            let message = format!("a formula calls at most {CALLS} formulas, those that they call included");
            return value.wrong(message, "call less");
        }
        self.called.set(self.called.get() + 1);
        let Some((file, text)) = (self.sources.formulas)(name) else {
            let help = match nearest(name, self.sources.names.iter().map(String::as_str)) {
                Some(right) => format!("did you mean \"{right}\"?"),
                None => format!("put it into formulas/{name}.toml, or name one of {}", self.sources.names.join(", ")),
            };
            return value.wrong(format!("there is no formula `{name}`"), help);
        };
        if about == About::Issue && is_scheduled(&text) {
            return of_the_project(value, name);
        }
        let calls = Calls { sources: self.sources, chain, about: Some(about), called: self.called.clone() };
        match load_within(&file, &text, &calls) {
            Ok(formula) if (formula.about(), about) == (About::Project, About::Issue) => of_the_project(value, name),
            Ok(formula) => match of_whole_runs(&formula) {
                Some(section) => {
                    let help = format!(
                        "they hold for a whole run: write them into the formula that calls it, and take them out of `{name}`"
                    );
                    value.wrong(format!("`{name}` has {section} of its own, which a call does not keep"), help)
                }
                None => Some(formula),
            },
            Err(found) => {
                // One that is called twice is wrong once.
                let known: Vec<String> = faults.iter().map(place).collect();
                faults.extend(found.iter().filter(|fault| !known.contains(&place(fault))).cloned());
                None
            }
        }
    }
}

fn of_the_project<T>(value: &Value<'_>, name: &str) -> Option<T> {
    let help = "call it from one that `cron` starts, or take `cron` out of it";
    value.wrong(format!("`{name}` is about the project, and what calls it is about an issue"), help)
}

/// Whether a text says by itself that it is about the project: then there is no use in reading it as one about an issue.
fn is_scheduled(text: &str) -> bool {
    // Most say nothing of either, and are parsed once.
    (text.contains("cron") || text.contains("vault"))
        && peek(text, |root| {
            let trigger = root.table("trigger");
            trigger.has("cron") || trigger.optional("vault", Value::boolean) == Some(true)
        })
}

/// What a called formula says of its run, where there is none of its own.
fn of_whole_runs(called: &Formula) -> Option<&'static str> {
    match () {
        () if called.limits != FormulaLimits::default() => Some("[limits]"),
        () if called.workspace != FormulaWorkspace::default() => Some("[workspace]"),
        () => None,
    }
}

/// What a called formula asks of the issue and the repository, its caller asks too: it must hold before anything begins. A label that one
/// asks for and the other rules out is answered.
pub(super) fn also_required(require: &mut Require, called: &Require) -> Option<String> {
    require.dependencies_closed |= called.dependencies_closed;
    for (own, more) in
        [(&mut require.labels, &called.labels), (&mut require.no_labels, &called.no_labels), (&mut require.files, &called.files)]
    {
        let new: Vec<String> = more.iter().filter(|one| !own.contains(one)).cloned().collect();
        own.extend(new);
    }
    require.labels.iter().find(|label| require.no_labels.contains(label)).cloned()
}

fn place(fault: &Fault) -> String {
    format!("{}:{}:{} {fault}", fault.file(), fault.line(), fault.column())
}

/// What a call brings with it.
pub(super) struct Outer {
    pub(super) call: StepId,
    pub(super) needs: Option<Vec<StepId>>,
    pub(super) when: Option<Expression>,
    pub(super) for_each: Option<ForEach>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) with: BTreeMap<String, Given>,
}

/// A called formula's steps as they stand in their caller: between a step in which it is given its inputs, which is done or skipped for all of
/// them, and one in which it is worked out what it ends as, which has the call's own name. Where it is called for each item of a list, both say so.
pub(super) fn in_place(outer: Outer, called: Formula) -> Vec<Step> {
    let Outer { call, needs, when, for_each, timeout, retry: again, with } = outer;
    let enter = StepId::from(INPUTS).within(&call);
    let plain =
        |id: StepId, needs, when, kind| Step { id, needs, when, for_each: for_each.clone(), timeout: None, retry: None, kind };
    let begin = plain(enter.clone(), needs, when, StepKind::Enter { with, inputs: called.inputs, item: None });
    let mut steps = vec![Step { timeout, ..begin }];
    steps.extend(called.steps.into_iter().map(|step| {
        let mut needs: Vec<StepId> = step.needs.iter().flatten().map(|id| id.within(&call)).collect();
        if needs.is_empty() {
            needs.push(enter.clone());
        }
        // Each may have its own, which is more to the point.
        let retry = step.retry.or(again.filter(|_| step.kind.can_be_done_again()));
        Step { id: step.id.within(&call), needs: Some(needs), retry, kind: step.kind.renamed(|id| id.within(&call)), ..step }
    }));
    let all = steps.iter().map(|step| step.id.clone()).collect();
    // It ends as it ends, whatever of it was skipped.
    let always = Some(Expression("true".to_owned()));
    steps.push(plain(call, Some(all), always, StepKind::Leave { outcomes: called.outcomes, of: None }));
    steps
}
