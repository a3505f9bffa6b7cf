//! What a real run would wait for or end by: triggers that do not hold, requirements that are not met, and what could not be looked at.

use crate::cli::setup::Setup;
use crate::engine::Staged;
use crate::formula::Cron;
use crate::ledger::IssueState;
use crate::model::{Dependency, ForgeEvent, Formula, Issue, LabelNames, PullState, Subject, Triggers};

/// What is in the way, a line for each thing.
pub(super) fn in_the_way(setup: &Setup, staged: &Staged, known: Option<&IssueState>, asked: bool) -> Vec<String> {
    let stage = &staged.stage;
    let (formula, names) = (&stage.formula, &stage.project.labels);
    let mut found = Vec::new();
    let enabled = setup.config.project(&stage.subject.repo).is_some_and(|project| project.formulas.contains(&formula.name));
    if !enabled {
        found.push(format!("{} is off here: name it in `formulas` of the project", formula.name));
    }
    match stage.subject.is_project() {
        true => found.extend(of_project(&formula.trigger, stage.now, asked)),
        false => {
            if !stage.issue.open {
                found.push("the issue is closed".to_owned());
            }
            let said: Vec<&str> = stage.texts.comments.iter().map(|comment| comment.body.as_str()).collect();
            found.extend(of_issue(&formula.trigger, &stage.issue, names, (&said, asked), known));
            found.extend(required(&stage.issue, formula, names, &staged.depends));
        }
    }
    let lacks = staged.lacks.iter();
    found.extend(lacks.map(|path| format!("a requirement does not hold: {path} is not on {}", stage.base)));
    found.extend(staged.unread.iter().map(|what| format!("not read: {what}")));
    found
}

fn not_held(why: String) -> String {
    format!("the trigger does not hold: {why}")
}

fn of_project(trigger: &Triggers, now: crate::model::Timestamp, asked: bool) -> Vec<String> {
    let cron = trigger.cron.as_ref().and_then(|line| Some((line, Cron::parse(line).ok()?.next(now)?)));
    let cron = cron.map(|(line, next)| not_held(format!("its schedule `{line}` comes round next at {next}")));
    let vault = trigger.vault.then(|| not_held("an action of the vault runs it, and none is given here".to_owned()));
    let words = trigger.comment.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    let comment = (!asked && !words.is_empty())
        .then(|| not_held(format!("no comment that begins with {words} is given here: try `--comment`")));
    let events = trigger.event.iter().map(|event| not_held(format!("event {event}: only the daemon sees it happen")));
    cron.into_iter().chain(comment).chain(events).chain(vault).collect()
}

fn of_issue(
    trigger: &Triggers,
    issue: &Issue,
    names: &LabelNames,
    (said, asked): (&[&str], bool),
    known: Option<&IssueState>,
) -> Vec<String> {
    let label = trigger.label.as_ref().map(|label| names.configured(label)).filter(|label| !issue.labels.contains(*label));
    let label = label.map(|label| not_held(format!("the issue does not carry the label {label}")));
    let asked = asked || trigger.comment.is_empty() || said.iter().any(|body| trigger.word_of(body).is_some());
    let words = trigger.comment.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    let comment = (!asked).then(|| not_held(format!("no comment of anybody who may ask begins with {words}")));
    let events =
        trigger.event.iter().filter_map(|event| Some(not_held(format!("event {event}: {}", missing(*event, issue, known)?))));
    label.into_iter().chain(comment).chain(events).collect()
}

/// Why an event cannot have happened; none where it can, which no look but the daemon's tells.
fn missing(event: ForgeEvent, issue: &Issue, known: Option<&IssueState>) -> Option<&'static str> {
    let pull = known.and_then(|state| state.pull.as_ref());
    let open = pull.is_some_and(|pull| pull.state == PullState::Open);
    match event {
        ForgeEvent::IssueOpened => None,
        ForgeEvent::IssueClosed => issue.open.then_some("the issue is open"),
        ForgeEvent::PullMerged => {
            let merged = pull.is_some_and(|pull| pull.state == PullState::Merged);
            (!merged).then_some("no pull request of ours for the issue is merged")
        }
        ForgeEvent::PullOpened
        | ForgeEvent::PullUpdated
        | ForgeEvent::ChangesRequested
        | ForgeEvent::PullCommented
        | ForgeEvent::ChecksFailed
        | ForgeEvent::PullConflicts
        | ForgeEvent::PullBehind => (!open).then_some("no pull request of ours for the issue is open"),
    }
}

/// What the formula requires of the issue that it would run on.
fn required(issue: &Issue, formula: &Formula, names: &LabelNames, depends: &[Dependency]) -> Vec<String> {
    let mut found = Vec::new();
    let require = &formula.require;
    for label in require.labels.iter().map(|label| names.configured(label)).filter(|label| !issue.labels.contains(*label)) {
        found.push(format!("a requirement does not hold: the issue lacks the label {label}"));
    }
    for label in require.no_labels.iter().map(|label| names.configured(label)).filter(|label| issue.labels.contains(*label)) {
        found.push(format!("a requirement does not hold: the issue carries the label {label}"));
    }
    for open in depends.iter().filter(|dependency| require.dependencies_closed && dependency.open) {
        let on = Subject { repo: open.repo.clone(), issue: open.issue };
        found.push(format!("a requirement does not hold: {on} is open, which the issue depends on"));
    }
    found
}
