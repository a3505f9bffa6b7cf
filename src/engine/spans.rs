//! Spans for whoever traces: one for each run, and below it one for each step's effect. Without a subscriber that wants them they cost
//! nothing. A run that a restart found alive gets a new one.

use std::collections::BTreeMap;

use tracing::Span;

use crate::model::{Event, RunId};

use super::core::Job;

/// The spans of the runs that live.
#[derive(Debug, Default)]
pub(super) struct Spans {
    runs: BTreeMap<RunId, Span>,
}

impl Spans {
    /// An event was journalled: it may begin a run's span, or end it.
    pub(super) fn heard(&mut self, event: &Event) {
        match event {
            Event::RunStarted { run, subject, formula, attempt, .. } => {
                let span = tracing::debug_span!(
                    parent: None,
                    "run",
                    otel.name = %formula.name,
                    run = %run,
                    issue = %subject,
                    attempt,
                    outcome = tracing::field::Empty
                );
                self.runs.insert(run.clone(), span);
            }
            Event::RunEnded { run, outcome, .. } => {
                if let Some(span) = self.runs.remove(run) {
                    span.record("outcome", outcome.word());
                }
            }
            _ => {}
        }
    }

    /// The span in which a job is done.
    pub(super) fn of(&mut self, job: &Job) -> Span {
        match job {
            Job::Act { subject, intent, state, .. } => {
                let run = state.live_run().map(|run| {
                    let begun = || tracing::debug_span!(parent: None, "run", run = %run.id, issue = %subject, outcome = tracing::field::Empty);
                    self.runs.entry(run.id.clone()).or_insert_with(begun).id()
                });
                tracing::debug_span!(parent: run.flatten(), "step", otel.name = intent.word(), issue = %subject)
            }
            Job::Survey(repo) => tracing::debug_span!(parent: None, "survey", project = %repo),
            Job::Look { repo, .. } => tracing::debug_span!(parent: None, "look", project = %repo),
            Job::History(subject) => tracing::debug_span!(parent: None, "history", issue = %subject),
            Job::Rights { subject, .. } => tracing::debug_span!(parent: None, "rights", issue = %subject),
            Job::Dependencies { subject, .. } => tracing::debug_span!(parent: None, "dependencies", issue = %subject),
            Job::Files { subject, .. } => tracing::debug_span!(parent: None, "files", issue = %subject),
            Job::Checks { subject, .. } => tracing::debug_span!(parent: None, "checks", issue = %subject),
            Job::Offers { repo, .. } => tracing::debug_span!(parent: None, "offers", project = %repo),
            Job::Vault { repo, job } => tracing::debug_span!(parent: None, "vault", project = %repo, what = job.word()),
            Job::TellOffer { repo, pull, .. } => tracing::debug_span!(parent: None, "tell-offer", project = %repo, pull = %pull),
            Job::Renew(account) => tracing::debug_span!(parent: None, "renew", account = %account),
            Job::Find { subject, .. } => tracing::debug_span!(parent: None, "find", issue = %subject),
        }
    }
}
