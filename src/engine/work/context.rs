//! What templates are filled with, taken from a run.

use serde_json::Value as Json;

use crate::formula::{self, each_item, input_specs};
use crate::ledger::RunState;
use crate::model::{
    Evidence, Failure, INPUTS, InputSpec, RunOutcome, RunTexts, Step, StepId, StepKind, TierReason, Told, Variable,
};
use crate::ports::Given;
use crate::text::{Item, PromptContext, ProposalContext, Said, TextError, render_prompt, render_proposal};
use crate::tier::{Opinions, Policy};
use crate::{tier, words};

use super::agent::written_commands;
use super::{Order, environment};

/// How many reasons of a tier a pull request lists.
const REASONS: usize = 20;

/// A step's prompt.
pub(super) fn prompt(
    order: &Order<'_>,
    step: &Step,
    template: &str,
    texts: &RunTexts,
    told: &Told,
    given: &Given,
) -> Result<String, Failure> {
    let run = order.run()?;
    let failure = failure(order, told);
    let steps = outputs(order, &step.id)?;
    let inputs = inputs(order, &step.id)?;
    let output = match &step.kind {
        StepKind::Agent { output, .. } => Some(&output.schema),
        _ => None,
    };
    let (verify, variable) = (written_commands(run, order.project), variable(run, &step.id));
    let context = PromptContext {
        repo: &order.subject.repo,
        issue: order.subject.issue,
        seen: &order.state.seen,
        texts,
        base: &order.prepared()?.base_branch,
        trunk: &order.prepared()?.trunk,
        branch: &run.branch,
        attempt: run.attempt,
        failure: failure.as_deref(),
        verify: &verify,
        provisions: &given.provisions,
        port: given.port,
        output: output.ok_or_else(|| environment("the step is no agent's"))?,
        steps: &steps,
        inputs: &inputs,
        item: item(run, &step.id, variable.as_ref()),
        kept: &run.kept,
        sprint: run.prepared.as_ref().and_then(|prepared| prepared.sprint.as_ref()),
        host: &order.prepared()?.host,
    };
    render_prompt(template, &context).map_err(|e| broken(&e))
}

/// Fills the templates of a comment, by the shipped policy.
pub(super) fn proposal(order: &Order<'_>, step: &StepId, templates: &[&str], texts: &RunTexts) -> Result<Vec<String>, Failure> {
    proposal_under(Policy::shipped(), order, step, templates, texts)
}

/// Fills the templates of a comment or a pull request: how much a change could break is told by a policy.
pub(super) fn proposal_under(
    policy: &Policy,
    order: &Order<'_>,
    step: &StepId,
    templates: &[&str],
    texts: &RunTexts,
) -> Result<Vec<String>, Failure> {
    let run = order.run()?;
    let steps = outputs(order, step)?;
    let inputs = inputs(order, step)?;
    let tier: Option<(_, Vec<TierReason>)> = run.change.as_ref().map(|change| {
        let opinions = Opinions { agent: run.opinion(), request: None };
        let found = tier::of_change(policy, change, opinions);
        (found.tier, found.told(REASONS))
    });
    let variable = variable(run, step);
    let context = ProposalContext {
        repo: &order.subject.repo,
        issue: order.subject.issue,
        seen: &order.state.seen,
        texts,
        base: &order.prepared()?.base_branch,
        branch: &run.branch,
        attempt: run.attempt,
        steps: &steps,
        inputs: &inputs,
        item: item(run, step, variable.as_ref()),
        kept: &run.kept,
        sprint: run.prepared.as_ref().and_then(|prepared| prepared.sprint.as_ref()),
        host: &order.prepared()?.host,
        change: run.change.as_ref(),
        evidence: run.evidence.as_ref(),
        tier: tier.as_ref().map(|(risk, reasons)| (*risk, reasons.as_slice())),
        cost: run.cost,
    };
    templates.iter().map(|template| render_proposal(template, &context).map_err(|e| broken(&e))).collect()
}

/// What templates know of the item that a step is at.
fn variable(run: &RunState, step: &StepId) -> Option<Variable> {
    each_item(&run.formula, run.formula.steps.get(run.formula.place(step)?)?).as_ref().map(formula::variable)
}

fn item<'r>(run: &'r RunState, step: &StepId, variable: Option<&'r Variable>) -> Option<Item<'r>> {
    let each = run.at(step)?.each.as_ref()?;
    Some(Item { value: each.item(), variable: variable?, nth: each.nth() })
}

fn broken(error: &TextError) -> Failure {
    environment(format!("a template of the formula: {error}"))
}

/// What the steps of the formula left that a step stands in: those of its caller, and those that it calls, have names
/// of their own.
fn outputs(order: &Order<'_>, of: &StepId) -> Result<Vec<Said>, Failure> {
    let run = order.run()?;
    let here = of.split().0;
    let said = |step: &Step| {
        let (calls, own) = step.id.split();
        let output = run.outputs.get(&step.id).cloned().unwrap_or_default();
        (calls == here && !step.id.is_nth()).then(|| Said {
            step: StepId::from(own),
            schema: step.kind.left().into_owned(),
            for_each: step.for_each.is_some(),
            output,
        })
    };
    Ok(run.formula.steps.iter().filter_map(said).collect())
}

/// What the formula is given that a step stands in: by whoever started the run, or by its caller.
fn inputs(order: &Order<'_>, of: &StepId) -> Result<Vec<(InputSpec, Json)>, Failure> {
    let run = order.run()?;
    let here = of.split().0;
    let enter = StepId(format!("{here}{INPUTS}"));
    let value = |spec: &InputSpec, found: Option<&Json>| {
        let value = found.filter(|value| !value.is_null()).or(spec.default.as_ref());
        (spec.clone(), value.cloned().unwrap_or_default())
    };
    let specs = input_specs(&run.formula, here);
    if here.is_empty() {
        return Ok(specs.iter().map(|spec| value(spec, run.inputs.get(&spec.name))).collect());
    }
    let given = run.outputs.get(&enter);
    Ok(specs.iter().map(|spec| value(spec, given.and_then(|given| given.get(&spec.name)))).collect())
}

/// On a retry the agent is told how the last attempt failed.
fn failure(order: &Order<'_>, told: &Told) -> Option<String> {
    match told {
        Told::Failing { evidence, .. } => Some(failing_output(evidence)),
        Told::AnswerAgain { why } => Some(why.clone()),
        Told::Prompt | Told::GoOn => {
            let last = order.state.last.as_ref().filter(|_| order.state.attempts > 0)?;
            let output = match &last.outcome {
                RunOutcome::VerificationFailed { evidence } => failing_output(evidence),
                _ => String::new(),
            };
            Some(format!("{}\n\n{output}", words::outcome(&last.outcome)))
        }
    }
}

/// The failing command and the tail of its output.
pub(super) fn failing_output(evidence: &Evidence) -> String {
    let ended = if evidence.timed_out { "\n(it was ended here, because its time was over)" } else { "" };
    evidence.commands.last().map_or_else(String::new, |last| format!("$ {}\n{}{ended}", last.command, last.tail))
}
