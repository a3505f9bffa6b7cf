//! What people did with the labels, and what is to be written there.
//!
//! Known race: between our POST and our DELETE two decision labels stand for a moment. The one that we are about to leave there is ours;
//! anything else that is new is a person's (or another daemon's, which the timeline tells).

use std::collections::BTreeSet;

use crate::ledger::IssueState;
use crate::model::{Decision, Event, Intent, LabelEvent, LabelNames, LabelsMean, Login, StopWhy, Subject, Trigger};

use super::{Action, Context, Next, ProjectPolicy};

/// What decision labels mean that we did not leave there, told by who put them on.
pub(super) fn read_history(
    state: &IssueState,
    found: &BTreeSet<Decision>,
    events: &[LabelEvent],
    names: &LabelNames,
    ours: &BTreeSet<Login>,
) -> LabelsMean {
    let added = || events.iter().rev().filter(|e| e.added).filter_map(|e| Some((names.decision(&e.label)?, &e.by)));
    let news = |label: &Decision| found.contains(label) && state.written.as_ref().is_none_or(|written| !written.contains(label));
    // A person's word goes before ours, whose writing may have come late.
    let by_person = added().find(|(label, by)| news(label) && !ours.contains(*by));
    match by_person.or_else(|| added().find(|(label, _)| found.contains(label))) {
        None => LabelsMean::Standing { label: found.first().copied() },
        Some((label, _)) if state.written.is_none() => LabelsMean::Standing { label: Some(label) },
        Some((label, _)) if state.at == Some(label) => LabelsMean::Leftover,
        Some((label, by)) if ours.contains(by) && state.unsure.contains(&label) => LabelsMean::Leftover,
        Some((label, by)) if ours.contains(by) => LabelsMean::Foreign { label },
        Some((label, _)) => match label {
            Decision::Queue | Decision::Interactive | Decision::NeedsInfo => LabelsMean::Ordered { label },
            Decision::Working | Decision::Pr | Decision::Failed => LabelsMean::SetByHand { label },
        },
    }
}

impl Context<'_> {
    /// The decision labels differ from what we left there: what does that mean?
    pub(super) fn labels_read(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let found = project.labels.decisions(&state.seen.labels);
        if state.written.as_ref() == Some(&found) || !state.seen.open {
            return None;
        }
        let Some(meaning) = self.meaning(state, &found) else {
            let reading = self.view.reading.contains(subject);
            let what = "reading who labelled it".to_owned();
            return Some(match self.project_wait(&subject.repo) {
                _ if reading => Next::Wait(crate::model::Wait::Acting { what }),
                Some(wait) => Next::Wait(wait),
                None => Next::Act(Action::History(subject.clone())),
            });
        };
        Some(Next::Act(Action::Record(self.obey(subject, state, found, meaning))))
    }

    /// None where only the timeline can tell.
    pub(super) fn meaning(&self, state: &IssueState, found: &BTreeSet<Decision>) -> Option<LabelsMean> {
        let Some(written) = &state.written else {
            return (found.len() <= 1).then(|| LabelsMean::Standing { label: found.first().copied() });
        };
        let mut added: BTreeSet<Decision> = found.difference(written).copied().collect();
        if added.len() > 1 || (state.doubted && !added.is_empty()) {
            return None;
        }
        if let Some(at) = state.at {
            added.remove(&at);
        }
        if !added.is_disjoint(&state.unsure) {
            return None;
        }
        match (added.len(), added.first()) {
            // Also where we have just decided to write another: none stands where one of ours stood.
            (0, _) if found.is_empty() && state.at.is_some() => Some(LabelsMean::TakenOff),
            (0, _) => Some(LabelsMean::Leftover),
            (1, Some(label @ (Decision::Queue | Decision::Interactive | Decision::NeedsInfo))) => {
                Some(LabelsMean::Ordered { label: *label })
            }
            _ => None,
        }
    }

    /// The events of what a person (or another daemon) did with the labels. What a person does is an order.
    pub(crate) fn obey(
        &self,
        subject: &Subject,
        state: &IssueState,
        found: BTreeSet<Decision>,
        meaning: LabelsMean,
    ) -> Vec<Event> {
        let mut events = vec![Event::LabelsRead { subject: subject.clone(), found, meaning }];
        let trigger = match meaning {
            LabelsMean::Ordered { label: Decision::Queue } => Some(Trigger::PersonQueued),
            LabelsMean::Ordered { label: Decision::NeedsInfo } => Some(Trigger::PersonNeedsInfo),
            LabelsMean::Ordered { .. } => Some(Trigger::PersonInteractive),
            LabelsMean::TakenOff => Some(Trigger::LabelTakenOff),
            LabelsMean::Standing { .. } | LabelsMean::Foreign { .. } | LabelsMean::SetByHand { .. } | LabelsMean::Leftover => {
                None
            }
        };
        if let Some(trigger) = trigger {
            events.extend(self.moved(subject, state, trigger));
        }
        let moot = trigger.is_some() || matches!(meaning, LabelsMean::Foreign { .. });
        let why = if trigger.is_some() { StopWhy::Person } else { StopWhy::Moot };
        let stopped = state.lives().filter(|run| run.stopping.is_none() && moot);
        events.extend(stopped.map(|run| Event::Stopping { run: run.id.clone(), why }));
        events
    }

    /// The forge should show where the issue stands.
    pub(super) fn labels_write(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        let mut known = state.written.clone()?;
        let wanted: BTreeSet<Decision> = state.at.into_iter().collect();
        if known == wanted {
            return None;
        }
        known.extend(&state.unsure);
        Some(Next::Act(Action::Do { subject: subject.clone(), intent: Intent::Labels { to: state.at, known } }))
    }
}
