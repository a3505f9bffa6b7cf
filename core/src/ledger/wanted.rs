//! Runs beside the lifecycle that somebody wants, from the asking to the start.

use crate::model::{Asked, Declined, Event, ForgeEvent, FormulaName, Timestamp, VAULT_APPROVED, Wanted, WantedBy};

use super::{IssueState, RunState};

/// More that comments ask for are not kept: who asks ten times gets ten runs, and whoever floods an issue with comments no more.
const KEPT: usize = 10;

impl IssueState {
    pub(super) fn apply_wanted(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Asked { asked, .. } => {
                self.heard = self.heard.max(Some(asked.comment));
                if self.asked_for.len() < KEPT {
                    self.asked_for.push(asked.clone());
                }
            }
            Event::Wanted { wanted, .. } => self.want(wanted, at),
            Event::Heard { comment, orders, .. } => {
                let asked = self.asked_for.iter().position(|asked| asked.comment == *comment);
                let asked = asked.map(|at| self.asked_for.remove(at));
                let of_same = |asked: &Asked| self.given.as_ref().is_some_and(|(of, _)| *of == asked.formula);
                if let Some(asked) = asked.filter(|asked| *orders && (!asked.inputs.is_empty() || of_same(asked))) {
                    self.given = Some((asked.formula, asked.inputs));
                }
            }
            Event::Declined { declined: Declined::NoRights { comment, .. }, .. } => {
                self.asked_for.retain(|asked| asked.comment != *comment);
            }
            Event::Declined {
                formula,
                declined: Declined::Off | Declined::About { .. } | Declined::Busy { .. } | Declined::Inputs { .. },
                ..
            } => {
                if let Some(at) = self.wanted.iter().position(|(wanted, _)| wanted.formula == *formula) {
                    self.wanted.remove(at);
                }
            }
            _ => {}
        }
    }

    pub(super) fn want(&mut self, wanted: &Wanted, at: Timestamp) {
        match &wanted.by {
            WantedBy::Hand
            | WantedBy::HandOver { .. }
            | WantedBy::Run { .. }
            | WantedBy::Schedule { .. }
            | WantedBy::Happened { .. }
            | WantedBy::Vault { .. } => {}
            WantedBy::Comment { comment, .. } => self.asked_for.retain(|asked| asked.comment != *comment),
            WantedBy::Event { event, what } => {
                self.happened.insert(format!("{}/{event}", wanted.formula), what.clone());
            }
            WantedBy::Label { label } => drop(self.labelled.insert(wanted.formula.clone(), (label.clone(), at))),
        }
        // What was promised is kept: a schedule and what happens want one at a time, the vault one of each that was approved, and a run as many as it
        // says that it started.
        if self.wanted.len() < KEPT || !matches!(wanted.by, WantedBy::Comment { .. }) {
            self.wanted.push((wanted.clone(), at));
        }
    }

    /// Whether an event has started a formula already.
    pub fn has_started(&self, formula: &FormulaName, event: ForgeEvent, what: &str) -> bool {
        self.happened.get(&format!("{formula}/{event}")).is_some_and(|last| last == what)
    }

    /// A label that was taken off may be put on again.
    pub(super) fn forget_labels(&mut self) {
        let labels = &self.seen.labels;
        self.labelled.retain(|_, (label, _)| labels.contains(label));
        if !labels.contains(VAULT_APPROVED) {
            let runs = self.run.iter_mut().chain(&mut self.stepped_back);
            runs.for_each(|run| run.labelled_before.clear());
        }
    }

    pub(super) fn begun_aside(&mut self, run: &mut RunState, wanted: &Wanted) {
        run.aside = true;
        run.at_end = wanted.by.is_at_end();
        run.depth = match wanted.by {
            WantedBy::Run { depth, .. } => depth,
            _ => 0,
        };
        run.grant = match &wanted.by {
            WantedBy::Vault { grant } => Some(grant.as_ref().clone()),
            _ => None,
        };
        run.inputs.clone_from(&wanted.inputs);
        run.asked = wanted.by.word().map(str::to_owned);
        if let Some(at) = self.wanted.iter().position(|(other, _)| other.formula == wanted.formula && other.by == wanted.by) {
            self.wanted.remove(at);
        }
    }
}
