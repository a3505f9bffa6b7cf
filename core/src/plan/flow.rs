//! The order of a run's steps: which of them is done, which is skipped, and what the whole ends as.
//!
//! Promises: what is decided follows from the journal alone, and is decided once: a condition that held when its step began is not asked
//! again, whatever becomes of the issue meanwhile. What a condition asks of a step that was skipped is not there, and the condition does
//! not hold then.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::formula::expression::{self, EvaluateError, Type};
use crate::formula::{inputs, scope};
use crate::ledger::{RunState, StepStatus};
use crate::model::{
    About, Advance, EndWord, Ending, Expression, FormulaName, Given, Hands, HostFacts, INPUTS, InputSpec, Kept, Moved, OpenIssue,
    OpenIssues, Probed, Route, RunOutcome, Sha, Skipped, Sprint, Step, StepId, StepKind, Task, Tasks,
};

use super::each::with_item;
use super::revise::revised;
use super::run::{Here, Live, advance};
use super::{Context, Next};

/// What an expression cannot say because it went wrong.
pub(super) type Wrong = String;

/// What a formula ends as, worked out.
struct Ended<'e> {
    is: EndWord,
    summary: String,
    questions: Vec<String>,
    hands: Option<&'e Hands>,
}

impl Context<'_> {
    /// Whether the step that was just reached is done; none where it is, or where that was decided before.
    pub(super) fn order(&self, here: Here<'_>) -> Option<Next> {
        if here.at.begun {
            return None;
        }
        let decided = match self.decide(here) {
            Ok(Some(how)) => how,
            Ok(None) => return None,
            Err(why) => return Some(self.end(here, broken(here.step, &why))),
        };
        Some(advance(here, decided))
    }

    fn decide(&self, here: Here<'_>) -> Result<Option<Advance>, Wrong> {
        let (step, run) = (here.step, here.run);
        let skipped = |why| Ok(Some(Advance::Skipped { why }));
        if let Some(call) = skipped_call(run, step) {
            return skipped(Skipped::Needs { step: call });
        }
        let Some(when) = &step.when else {
            let needs = run.needs(step).into_iter().find(|id| run.status(id) == Some(StepStatus::Skipped));
            return needs.map_or(Ok(None), |step| skipped(Skipped::Needs { step }));
        };
        match self.holds(here.live, Some(here), step.inside(), when)? {
            true => Ok(Some(Advance::Begun)),
            false => skipped(Skipped::Condition { when: when.0.clone() }),
        }
    }

    /// Whether a condition holds; one that asks for what is not there does not.
    fn holds(&self, live: Live<'_>, here: Option<Here<'_>>, inside: &str, when: &Expression) -> Result<bool, Wrong> {
        let (types, values) = self.known(live, here, inside);
        expression::holds(&when.0, &types, &values).map_err(|why| format!("{}: {why}", when.0))
    }

    /// What an expression comes to; null where it asks for what is not there.
    pub(super) fn value(&self, here: Here<'_>, what: &Expression) -> Result<Json, Wrong> {
        self.comes_to(here.live, Some(here), here.step.inside(), what)
    }

    /// The same where nothing would do: null is an error, as what is not there is.
    pub(super) fn needed(&self, here: Here<'_>, what: &Expression) -> Result<Json, Wrong> {
        let (types, values) = self.known(here.live, Some(here), here.step.inside());
        match expression::evaluate(&what.0, &types, &values) {
            Ok(Json::Null) => Err(format!("{}: this is null", what.0)),
            Ok(value) => Ok(value),
            Err(why) => Err(format!("{}: {why}", what.0)),
        }
    }

    fn comes_to(&self, live: Live<'_>, here: Option<Here<'_>>, inside: &str, what: &Expression) -> Result<Json, Wrong> {
        let (types, values) = self.known(live, here, inside);
        match expression::evaluate(&what.0, &types, &values) {
            Ok(value) => Ok(value),
            Err(EvaluateError::Absent(_)) => Ok(Json::Null),
            Err(why @ (EvaluateError::WrongType(_) | EvaluateError::Failed(_))) => Err(format!("{}: {why}", what.0)),
        }
    }

    /// Whether the commits of an agent that answered are taken over.
    pub(super) fn commits(&self, here: Here<'_>, commits: Option<&Expression>, output: &Json) -> Result<bool, RunOutcome> {
        let step = here.step;
        let Some(commits) = commits else { return Ok(true) };
        let StepKind::Agent { output: shape, .. } = &step.kind else { return Ok(true) };
        let (types, mut values) = self.known(here.live, Some(here), step.inside());
        values["output"] = output.clone();
        let types = scope::with(types, "output", Type::of_schema(&shape.schema));
        let held = expression::holds(&commits.0, &types, &values);
        held.map_err(|why| broken(step, &format!("{}: {why}", commits.0)))
    }

    /// The beginning of a called formula.
    pub(super) fn enter(&self, here: Here<'_>, with: &BTreeMap<String, Given>, specs: &[InputSpec]) -> Next {
        let value = |given: &Given| match given {
            Given::Value(value) => Ok(value.clone()),
            Given::Expression(expression) => self.value(here, expression),
        };
        let given: Result<BTreeMap<_, _>, Wrong> = with.iter().map(|(name, given)| Ok((name.clone(), value(given)?))).collect();
        match given.and_then(|given| inputs::taken(specs, given)) {
            Ok(inputs) => advance(here, Advance::Worked { output: inputs.into_iter().collect::<Map<_, _>>().into() }),
            Err(why) => self.end(here, broken(here.step, &why)),
        }
    }

    /// The end of a called formula: what it ends as is there for its caller, of one that was called for several items in their order.
    pub(super) fn leave(&self, here: Here<'_>, outcomes: &[Ending], of: Option<u32>) -> Next {
        if let Some(of) = of {
            let left = (1..=of).map(|nth| here.run.outputs.get(&here.step.id.nth(nth)).cloned().unwrap_or_default());
            return advance(here, Advance::Worked { output: left.collect() });
        }
        let inside = format!("{}.", here.step.id);
        match self.ending(here.live, &inside, outcomes) {
            Ok(Ended { is, summary, questions, .. }) => {
                let output = json!({ "is": is, "summary": summary, "questions": questions });
                advance(here, Advance::Worked { output })
            }
            Err(why) => self.end(here, broken(here.step, &why)),
        }
    }

    /// What the run ends as when all its steps have ended.
    pub(super) fn finish(&self, live: Live<'_>) -> Next {
        let run = live.run;
        let outcome = match self.ending(live, "", &run.formula.outcomes) {
            Ok(Ended { is, summary, questions, hands }) => match self.word(live, is, hands) {
                Ok(to) => RunOutcome::HandedOver { to, summary },
                Err(word) => routed(live, word, summary, questions),
            },
            Err(why) => RunOutcome::ExpressionFailed { step: None, why: shortened(&why) },
        };
        self.end_run(live, outcome)
    }

    /// The formula that goes on; else the word that the run ends with, where it is not on for the project, or had its turn already.
    fn word(&self, live: Live<'_>, is: EndWord, hands: Option<&Hands>) -> Result<FormulaName, EndWord> {
        let (EndWord::HandOver, Some(hands)) = (is, hands) else { return Err(is) };
        let Live { subject, state, run } = live;
        let on = self.policy.projects.get(&subject.repo).is_some_and(|project| project.formulas.contains_key(&hands.to));
        let had = !run.aside && state.had(&hands.to);
        if on && !had { Ok(hands.to.clone()) } else { Err(hands.or) }
    }

    fn ending<'e>(&self, live: Live<'_>, inside: &str, outcomes: &'e [Ending]) -> Result<Ended<'e>, Wrong> {
        for ending in outcomes {
            if let Some(when) = &ending.when
                && !self.holds(live, None, inside, when)?
            {
                continue;
            }
            let summary = match self.said(live, inside, ending.summary.as_ref())? {
                Json::String(text) => text,
                _ => String::new(),
            };
            let questions = match self.said(live, inside, ending.questions.as_ref())? {
                Json::Array(texts) => texts.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
                _ => Vec::new(),
            };
            return Ok(Ended { is: ending.is, summary, questions, hands: ending.hands.as_ref() });
        }
        Ok(Ended { is: EndWord::Done, summary: String::new(), questions: Vec::new(), hands: None })
    }

    fn said(&self, live: Live<'_>, inside: &str, what: Option<&Expression>) -> Result<Json, Wrong> {
        what.map_or(Ok(Json::Null), |what| self.comes_to(live, None, inside, what))
    }

    /// What expressions may name, and what it is.
    pub(super) fn known(&self, live: Live<'_>, here: Option<Here<'_>>, inside: &str) -> (Type, Json) {
        let Live { subject, state, run } = live;
        let (seen, nothing) = (&state.seen, Tasks::default());
        let tasks = run.prepared.as_ref().map_or(&nothing, |prepared| &prepared.tasks);
        let mut values = json!({
            "steps": steps(run, inside),
            "inputs": given(run, inside),
            "issue": {
                "number": subject.issue.0,
                "title": seen.title,
                "author": seen.author,
                "labels": seen.labels,
                "created": seen.created.rfc3339(),
                "updated": seen.updated.rfc3339(),
                "comments": seen.comments,
                "kept": run.kept.iter().map(known_kept).collect::<Vec<_>>(),
                "tasks": tasks.items.iter().map(known_task).collect::<Vec<_>>(),
                "tasks_cut": tasks.cut,
                "listed_in": tasks.listed_in.iter().map(|issue| issue.0).collect::<Vec<_>>(),
            },
            "project": { "repo": subject.repo.to_string(), "slug": subject.repo.folder() },
            "run": {
                "attempt": run.attempt,
                "branch": run.branch.as_str(),
                "base": run.prepared.as_ref().map(|prepared| prepared.base_branch.as_str()),
                "trunk": run.prepared.as_ref().map(|prepared| prepared.trunk.as_str()),
                "asked": run.asked.as_deref().unwrap_or_default(),
            },
            "host": known_host(run.prepared.as_ref().map(|prepared| &prepared.host)),
            "now": self.now.rfc3339(),
        });
        if let Some(tag) = run.prepared.as_ref().and_then(|prepared| prepared.last_tag.as_ref()) {
            let commit = tag.commit.as_ref().map_or("", Sha::as_str);
            values["last_tag"] = json!({ "name": tag.name, "commit": commit, "commits": tag.commits });
        }
        let sprint = run.prepared.as_ref().and_then(|prepared| prepared.sprint.as_ref());
        if let Some(sprint) = sprint.filter(|_| !subject.is_project()) {
            values["issue"]["sprint"] = known_sprint(sprint);
        }
        if let (About::Project, Some(prepared)) = (About::of(subject), &run.prepared) {
            values["project"]["issues"] = prepared.open.items.iter().map(known_of).collect();
            values["project"]["issues_cut"] = prepared.open.cut.into();
            values["moved"] = known_moved(prepared.moved.as_ref(), &prepared.open);
        }
        with_item(here, (scope::scope(&run.formula.steps, inside, Type::object(), About::of(subject)), values))
    }
}

/// How a run ends by a word of its formula.
fn routed(live: Live<'_>, word: EndWord, summary: String, questions: Vec<String>) -> RunOutcome {
    match word {
        EndWord::Done => RunOutcome::Succeeded { pull: live.run.pull.or_else(|| revised(live).map(|pull| pull.number)) },
        EndWord::NoChange => RunOutcome::NoChange { summary },
        EndWord::Refused => RunOutcome::Refused { summary },
        EndWord::Queue => RunOutcome::Routed { to: Route::Queue, summary, questions },
        // Nobody was named: a person finds out who.
        EndWord::Interactive | EndWord::HandOver => RunOutcome::Routed { to: Route::Interactive, summary, questions },
        EndWord::NeedsInfo => RunOutcome::Routed { to: Route::NeedsInfo, summary, questions },
    }
}

/// What expressions may name of what an earlier run kept.
fn known_kept(kept: &Kept) -> Json {
    json!({
        "name": kept.name,
        "issue": kept.issue.0,
        "formula": kept.formula,
        "branch": kept.branch.as_str(),
        "commit": kept.sha.as_str(),
        "commands": kept.commands,
    })
}

/// What expressions may name of a task that the issue lists.
fn known_task(task: &Task) -> Json {
    json!({
        "number": task.number.0,
        "title": task.seen.title,
        "author": task.seen.author,
        "open": task.seen.open,
        "ticked": task.ticked,
        "labels": task.seen.labels,
        "file_targets": task.file_targets,
        "acceptance_criteria": task.acceptance_criteria,
        "tasks": task.tasks.iter().map(|issue| issue.0).collect::<Vec<_>>(),
    })
}

/// What expressions may name of the host.
fn known_host(facts: Option<&HostFacts>) -> Json {
    let probe = |probed: &Probed| {
        json!({
            "name": probed.name,
            "ok": probed.is_well(),
            "priority": probed.priority.word(),
            "ended": probed.end.word(),
            "exit": probed.end.code(),
            "output": probed.output,
            "mend": probed.mend_word(),
            "tried": probed.tried,
        })
    };
    json!({ "probes": facts.iter().flat_map(|facts| &facts.probes).map(probe).collect::<Vec<_>>() })
}

/// What expressions may name of what moved; where nobody could tell, the base branch and all that is open may have.
fn known_moved(moved: Option<&Moved>, open: &OpenIssues) -> Json {
    let unknown = Moved { unknown: true, ..Moved::default() };
    let moved = moved.unwrap_or(&unknown);
    let all = || open.items.iter().map(|issue| issue.number).collect();
    json!({
        "anything": moved.anything(),
        "commits": moved.commits || moved.unknown,
        "issues": numbers(&if moved.unknown { all() } else { moved.issues.clone() }),
        "closed": numbers(&moved.closed),
        "files": moved.files,
    })
}

/// What expressions may name of the sprint about an issue.
fn known_sprint(sprint: &Sprint) -> Json {
    json!({
        "path": sprint.path,
        "merged": sprint.asked.is_none(),
        "pull": sprint.asked.as_ref().map_or(0, |asked| asked.pull.0),
        "issues": sprint.issues,
        "wrong": sprint.wrong,
    })
}

/// What expressions may name of an open issue of the project.
fn known_of(issue: &OpenIssue) -> Json {
    json!({
        "number": issue.number.0,
        "title": issue.title,
        "author": issue.author,
        "labels": issue.labels,
        "created": issue.created.rfc3339(),
        "updated": issue.updated.rfc3339(),
        "comments": issue.comments,
        "parts": numbers(&issue.parts),
        "open_parts": numbers(&issue.open_parts),
        "filed_as": issue.filed_as,
    })
}

fn numbers(issues: &BTreeSet<crate::model::IssueNumber>) -> Vec<u64> {
    issues.iter().map(|number| number.0).collect()
}

/// The call that a step belongs to, where it was skipped as a whole.
fn skipped_call(run: &RunState, step: &Step) -> Option<StepId> {
    let enter = step.called_by()?;
    let call = || StepId::from(enter.split().0.trim_end_matches('.'));
    (run.status(&enter) == Some(StepStatus::Skipped)).then(call)
}

fn steps(run: &RunState, inside: &str) -> Json {
    let mut known = Map::new();
    for step in &run.formula.steps {
        let (here, own) = step.id.split();
        let hidden = matches!(step.kind, StepKind::Enter { .. }) || step.id.is_nth();
        let Some(status) = run.status(&step.id).filter(|_| here == inside && !hidden) else {
            continue;
        };
        let mut about = Map::from_iter([("status".to_owned(), json!(status))]);
        if let Some(output) = run.outputs.get(&step.id) {
            about.insert("output".to_owned(), output.clone());
        }
        known.insert(own.to_owned(), about.into());
    }
    known.into()
}

fn given(run: &RunState, inside: &str) -> Json {
    if inside.is_empty() {
        return run.inputs.clone().into_iter().collect::<Map<_, _>>().into();
    }
    run.outputs.get(&StepId(format!("{inside}{INPUTS}"))).cloned().unwrap_or_else(|| json!({}))
}

/// An expression that the loader should have refused, or that meets a value that no schema tells of.
pub(super) fn broken(step: &Step, why: &str) -> RunOutcome {
    RunOutcome::ExpressionFailed { step: Some(step.id.clone()), why: shortened(why) }
}

fn shortened(why: &str) -> String {
    why.chars().take(400).collect()
}
