//! Who asked for a run beside the lifecycle: labels and events that start one, and comments of people whose rights are to be read.
//!
//! Promises: a label starts one run for each time it is put on, an event one for each pull request or commit that it happened to; a comment
//! one, and only of somebody who may write; what stood on an old issue
//! at the first start asks for nothing. Known race: a label that is taken off and put on again between two looks starts no second run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::formula::inputs;
use crate::ledger::{IssueState, Ledger};
use crate::model::{
    About, Asked, Checks, Decision, Declined, Event, ForgeEvent, Formula, FormulaName, InputKind, LabelNames, PullState, Subject,
    Timestamp, Trigger, Wait, Wanted, WantedBy,
};

use super::{Action, Context, Next, Policy, ProjectPolicy, View, admit, found};

/// Inputs that a comment gives at most.
const GIVEN: usize = 20;

impl ProjectPolicy {
    /// The formulas beside the lifecycle that labels start, each with its label.
    pub fn labelled(&self) -> impl Iterator<Item = (&FormulaName, &str)> {
        let labels = self.formulas.iter().filter_map(|(name, formula)| Some((name, formula.trigger.label.as_deref()?)));
        labels.filter(|(_, label)| !is_of_lifecycle(label))
    }

    /// Whether an issue with these labels is ours for one of them, though no decision label stands there.
    pub fn starts_for(&self, labels: &BTreeSet<String>) -> bool {
        self.labelled().any(|(_, label)| labels.contains(label))
    }

    /// The formula that a comment asks for, and by which of its words: the comment begins with it. What stands behind it on the line as
    /// `NAME=VALUE` is given to that.
    pub fn asked_by(&self, body: &str) -> Option<(&FormulaName, &str, BTreeMap<String, Json>)> {
        self.formulas.iter().find_map(|(name, formula)| said(formula, body).map(|(word, given)| (name, word, given)))
    }

    /// When the label that an issue carries starts a formula again.
    fn starts_again(&self, state: &IssueState, formula: &FormulaName) -> Option<Timestamp> {
        let again = self.formulas.get(formula)?.trigger.again?;
        let (_, last) = state.labelled.get(formula)?;
        (!state.is_busy_with(formula)).then(|| *last + again)
    }
}

/// The word of a formula that a comment begins with, and what it gives to its inputs.
pub fn said<'f>(formula: &'f Formula, body: &str) -> Option<(&'f str, BTreeMap<String, Json>)> {
    let word = formula.trigger.word_of(body)?;
    let line = body.trim_start().lines().next()?;
    let given = line.split_whitespace().skip(1).filter_map(|word| word.split_once('='));
    let given = given.take(GIVEN).map(|(name, value)| (name.to_owned(), written(formula, name, value))).collect();
    Some((word, given))
}

impl Context<'_> {
    /// What was asked for since.
    pub(super) fn asked(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let mut wanted = self.by_labels(subject, state, project);
        wanted.extend(by_events(subject, state, project));
        if !wanted.is_empty() {
            return Some(Next::Act(Action::Record(wanted)));
        }
        let asked = state.asked_for.first()?;
        Some(match self.project_wait(&subject.repo) {
            Some(wait) => Next::Wait(wait),
            None if self.view.reading.contains(subject) => {
                Next::Wait(Wait::Acting { what: format!("reading whether {} may ask for that", asked.login) })
            }
            None => Next::Act(Action::Rights { subject: subject.clone(), asked: asked.clone() }),
        })
    }

    fn by_labels(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Vec<Event> {
        let old = found::old(self.ledger, subject, state, project).is_some();
        let on = project.labelled().filter(|(_, label)| state.seen.labels.contains(*label));
        let again = |formula: &FormulaName| project.formulas.get(formula).is_some_and(|formula| formula.trigger.again.is_some());
        on.filter(|(formula, _)| match state.labelled.contains_key(*formula) {
            true => project.starts_again(state, formula).is_some_and(|at| at <= self.now),
            // What is started again and again begins with what stands there already.
            false => !old || again(formula),
        })
        .map(|(formula, label)| {
            let by = WantedBy::Label { label: label.to_owned() };
            let wanted = Wanted { formula: formula.clone(), inputs: BTreeMap::new(), by };
            Event::Wanted { subject: subject.clone(), wanted }
        })
        .collect()
    }

    /// When labels start formulas again.
    pub(super) fn again_times(&self) -> impl Iterator<Item = Timestamp> {
        let open = self.ledger.issues().filter(|(_, state)| state.seen.open && !state.labelled.is_empty());
        let projects = open.filter_map(|(subject, state)| Some((self.policy.projects.get(&subject.repo)?, state)));
        projects.flat_map(|(project, state)| state.labelled.keys().filter_map(move |name| project.starts_again(state, name)))
    }

    /// What a comment comes to whose writer may ask: where the formula is one of the lifecycle's, the order that a label is, else a run beside
    /// it.
    pub(super) fn granted(&self, subject: &Subject, state: &IssueState, formula: &Formula, asked: &Asked) -> Vec<Event> {
        let names = LabelNames::default();
        let label = formula.trigger.label.as_deref();
        let order = if label == Some(names.of(Decision::Queue)) {
            Trigger::PersonQueued
        } else if label == Some(names.portal.as_str()) {
            Trigger::LabelTakenOff
        } else {
            let by = WantedBy::Comment { comment: asked.comment, login: asked.login.clone(), word: asked.word.clone() };
            let wanted = Wanted { formula: asked.formula.clone(), inputs: asked.inputs.clone(), by };
            return match formula.about() {
                About::Issue => vec![Event::Wanted { subject: subject.clone(), wanted }],
                About::Project => {
                    let heard = Event::Heard { subject: subject.clone(), comment: asked.comment, orders: false };
                    vec![heard, Event::Wanted { subject: Subject::project(subject.repo.clone()), wanted }]
                }
            };
        };
        let heard = |orders| Event::Heard { subject: subject.clone(), comment: asked.comment, orders };
        if let Err(problem) = inputs::taken(&formula.inputs, asked.inputs.clone()) {
            let (formula, declined) = (asked.formula.clone(), Declined::Inputs { problem });
            return vec![heard(false), Event::Declined { subject: subject.clone(), formula, declined }];
        }
        let mut events = vec![heard(true)];
        events.extend(self.moved(subject, state, order));
        events.extend(super::stop_by_person(state));
        events
    }
}

impl Context<'_> {
    /// What the end of an issue's story starts, when nothing else is left to do there.
    pub(super) fn at_end(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let wanted: Vec<Event> = by_events(subject, state, project)
            .into_iter()
            .filter(|event| matches!(event, Event::Wanted { wanted, .. } if wanted.by.is_at_end()))
            .collect();
        if !wanted.is_empty() {
            return Some(Next::Act(Action::Record(wanted)));
        }
        admit::Candidate::at_end(subject, state).map(|wanted| Next::Candidates(vec![wanted]))
    }
}

/// What a comment gives to an input, in its terms: a list's items are parted by commas. What it does not take is refused when the run is to start.
fn written(formula: &Formula, name: &str, value: &str) -> Json {
    let kind = formula.inputs.iter().find(|spec| spec.name == name).map(|spec| &spec.kind);
    let other = || match kind {
        Some(InputKind::Number { .. }) => value.parse::<i64>().ok().map(Json::from),
        Some(InputKind::Flag) => value.parse::<bool>().ok().map(Json::from),
        Some(InputKind::List) => Some(value.split(',').filter(|item| !item.is_empty()).collect()),
        Some(InputKind::Text { .. }) | None => None,
    };
    other().unwrap_or_else(|| value.into())
}

/// Formulas that are started by what happened on the forge.
fn by_events(subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Vec<Event> {
    let of_issues = project.formulas.iter().filter(|(_, formula)| formula.about() == About::Issue);
    let kinds = of_issues.flat_map(|(name, formula)| formula.trigger.event.iter().map(move |event| (name, *event)));
    // What is asked of a pull request goes to who revises it as a part of the lifecycle.
    let beside = kinds.filter(|(name, event)| !project.formulas.get(*name).is_some_and(|formula| formula.revises_on(*event)));
    let news = beside.filter_map(|(name, event)| Some((name, event, happened(state, event)?)));
    news.filter(|(name, event, what)| !state.has_started(name, *event, what))
        .map(|(name, event, what)| {
            let wanted = Wanted { formula: name.clone(), inputs: BTreeMap::new(), by: WantedBy::Event { event, what } };
            Event::Wanted { subject: subject.clone(), wanted }
        })
        .collect()
}

/// What happened, where it did, and which of its kind. What stood there at the first look did not happen.
fn happened(state: &IssueState, event: ForgeEvent) -> Option<String> {
    let pull = || state.pull.as_ref().filter(|pull| pull.state == PullState::Open && !pull.found);
    match event {
        ForgeEvent::IssueOpened => (!state.found).then(|| "the issue".to_owned()),
        ForgeEvent::PullOpened => pull().map(|pull| pull.number.to_string()),
        // Only the gate before a merge says so.
        ForgeEvent::PullBehind => None,
        ForgeEvent::PullUpdated => pull().map(|pull| pull.head.to_string()),
        ForgeEvent::ChangesRequested => pull().filter(|pull| pull.changes_requested).map(|pull| pull.head.to_string()),
        ForgeEvent::PullCommented => pull().and_then(|pull| pull.comments.last()).map(|comment| comment.point.to_string()),
        ForgeEvent::PullConflicts => pull().filter(|pull| pull.conflicts).map(|pull| pull.head.to_string()),
        ForgeEvent::ChecksFailed => pull().filter(|pull| pull.checks == Checks::Failure).map(|pull| pull.head.to_string()),
        // What was closed before the first look is not known at all; what came to rest has had its runs.
        ForgeEvent::IssueClosed => state.closing.filter(|_| !state.seen.open).map(|nth| match nth {
            1 => "the issue".to_owned(),
            nth => format!("the issue, for the {nth}. time"),
        }),
        ForgeEvent::PullMerged => {
            let merged = state.pull.as_ref().filter(|pull| pull.state == PullState::Merged && !pull.found);
            merged.filter(|_| state.seen.open || state.closing.is_some()).map(|pull| pull.number.to_string())
        }
    }
}

/// What comes of a comment that asked for a run, when it is known whether its writer may: the events to journal.
pub fn rights(ledger: &Ledger, policy: &Policy, now: Timestamp, subject: &Subject, asked: &Asked, may: bool) -> Vec<Event> {
    let view = View::default();
    let context = Context { ledger, view: &view, policy, now };
    let decline = |declined| vec![Event::Declined { subject: subject.clone(), formula: asked.formula.clone(), declined }];
    let (login, comment) = (asked.login.clone(), asked.comment);
    let formula = policy.projects.get(&subject.repo).and_then(|project| project.formulas.get(&asked.formula));
    match (ledger.issue(subject), formula) {
        _ if !may => decline(Declined::NoRights { login, comment }),
        (Some(state), Some(formula)) => context.granted(subject, state, formula, asked),
        _ => vec![Event::Heard { subject: subject.clone(), comment, orders: false }],
    }
}

/// Whether a label is one that moves issues through the lifecycle, by its default name.
pub fn is_of_lifecycle(label: &str) -> bool {
    let names = LabelNames::default();
    label == names.portal || names.decision(label).is_some()
}
