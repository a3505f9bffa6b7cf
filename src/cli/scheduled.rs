//! What `status` and `explain` tell of a project that runs are about: its schedules, what runs and is wanted, how the last ones ended.

use serde::Serialize;

use crate::ledger::{IssueState, Ledger, RunSummary};
use crate::model::{LabelNames, RepoName, Subject, Timestamp, Wait};
use crate::plan::{self, Policy, Upcoming};
use crate::words;

use super::board::Waiting;

/// A project with what is about it.
#[derive(Debug, Serialize)]
pub(super) struct ProjectRow {
    pub(super) repo: String,
    pub(super) schedules: Vec<ScheduleRow>,
    /// What runs.
    pub(super) run: Option<String>,
    pub(super) formula: Option<String>,
    pub(super) step: Option<String>,
    /// What is to run, as somebody asked for it.
    pub(super) wanted: Vec<String>,
    /// Runs that wait for the vault, beside whatever else goes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stepped_back: Vec<String>,
    /// How the last run ended, of whatever formula.
    pub(super) last_run: Option<String>,
    /// It failed.
    #[serde(skip)]
    failed: bool,
    pub(super) waiting: Option<Waiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moved_by: Option<String>,
    pub(super) cost_usd: f64,
}

/// A formula's schedule.
#[derive(Debug, Serialize)]
pub(super) struct ScheduleRow {
    pub(super) formula: String,
    pub(super) cron: String,
    /// When it comes round next; none while a run of it is wanted or at work.
    pub(super) next: Option<String>,
    /// The time that a run was last wanted for.
    pub(super) last: Option<String>,
    /// How the last run ended, and when.
    pub(super) ended: Option<String>,
}

impl ProjectRow {
    /// Of a project; none where nothing is about it as a whole.
    pub(super) fn of(repo: &RepoName, ledger: &Ledger, policy: &Policy, now: Timestamp, wait: Option<&Wait>) -> Option<Self> {
        let schedules: Vec<ScheduleRow> = plan::schedules(ledger, policy, repo, now).map(|known| schedule(&known)).collect();
        let state = ledger.issue(&Subject::project(repo.clone()));
        if schedules.is_empty() && state.is_none() {
            return None;
        }
        let names = policy.projects.get(repo).map(|project| project.labels.clone()).unwrap_or_default();
        let run = state.and_then(IssueState::live_run);
        let wanted = |state: &IssueState| state.wanted.iter().map(|(w, _)| words::is_wanted(w)).collect::<Vec<_>>();
        Some(Self {
            repo: repo.to_string(),
            schedules,
            run: run.map(|run| run.id.to_string()),
            formula: run.map(|run| run.formula.name.to_string()),
            step: run.and_then(|run| run.where_it_is()),
            wanted: state.map(wanted).unwrap_or_default(),
            stepped_back: state.map(stepped_back).unwrap_or_default(),
            last_run: state.and_then(|state| state.aside.as_ref()).map(|last| format!("{}: {}", last.formula, ended(last))),
            failed: state.and_then(|state| state.aside.as_ref()).is_some_and(|last| last.outcome.is_failure()),
            waiting: wait.map(|wait| waiting(wait, &names)),
            moved_by: wait.map(|wait| words::mover(wait, &names)),
            cost_usd: state.map_or(0.0, |state| state.cost.dollars()),
        })
    }

    /// As lines of the board.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.repo.clone()];
        lines.extend(self.schedules.iter().map(|schedule| format!("  {}", schedule.line())));
        lines.extend(self.at_work().map(|line| format!("  {line}")));
        lines.extend(self.wanted.iter().map(|wanted| format!("  is to run: {wanted}")));
        lines.extend(self.stepped_back.iter().map(|waits| format!("  {waits}")));
        lines.extend(self.last_failed().map(|last| format!("  the last run failed: {last}")));
        lines.extend(self.why().map(|waiting| format!("  {}", waiting.reason)));
        lines
    }

    /// As `explain` tells it.
    pub(super) fn print(&self) {
        anstream::println!("{}", self.repo);
        for schedule in &self.schedules {
            anstream::println!("  schedule:       {}", schedule.line());
        }
        if let Some(run) = self.at_work() {
            anstream::println!("  runs:           {run}");
        }
        for wanted in &self.wanted {
            anstream::println!("  is to run:      {wanted}");
        }
        for waits in &self.stepped_back {
            anstream::println!("  stepped back:   {waits}");
        }
        if let Some(waiting) = &self.waiting {
            anstream::println!("  waits because:  {}", waiting.reason);
        }
        if let Some(mover) = &self.moved_by {
            anstream::println!("  moved by:       {mover}");
        }
        if let Some(last) = &self.last_run {
            anstream::println!("  last run:       {last}");
        }
        if self.cost_usd > 0.0 {
            anstream::println!("  so far:         ${:.2}", self.cost_usd);
        }
    }

    fn at_work(&self) -> Option<String> {
        let step = self.step.as_ref().map_or_else(String::new, |step| format!(", step {step}"));
        self.formula.as_ref().map(|formula| format!("{formula}{step}"))
    }

    /// How the last run failed, where no schedule tells of it.
    fn last_failed(&self) -> Option<&str> {
        let last = self.last_run.as_deref().filter(|_| self.failed)?;
        let told = |schedule: &ScheduleRow| schedule.ended.as_deref().is_some_and(|ended| last.ends_with(ended));
        (!self.schedules.iter().any(told)).then_some(last)
    }

    /// Why what is wanted does not start; that the next time is waited for stands with its schedule.
    fn why(&self) -> Option<&Waiting> {
        self.waiting.as_ref().filter(|_| self.run.is_some() || !self.wanted.is_empty())
    }
}

impl ScheduleRow {
    fn line(&self) -> String {
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("; next at {next}"));
        let ended = match (&self.ended, &self.last) {
            (Some(ended), _) => format!("; the last run {ended}"),
            (None, Some(last)) => format!("; wanted for {last}"),
            (None, None) => "; has not run yet".to_owned(),
        };
        format!("{} ({}){next}{ended}", self.formula, self.cron)
    }
}

fn stepped_back(state: &IssueState) -> Vec<String> {
    state.stepped_back.iter().map(words::stepped_back).collect()
}

fn schedule(known: &Upcoming<'_>) -> ScheduleRow {
    ScheduleRow {
        formula: known.formula.to_string(),
        cron: known.cron.to_owned(),
        next: known.next.map(|next| next.to_string()),
        last: known.known.and_then(|known| known.last).map(|last| last.to_string()),
        ended: known.known.and_then(|known| known.ended.as_ref()).map(ended),
    }
}

fn ended(run: &RunSummary) -> String {
    format!("ended at {}: {}", run.ended, words::outcome(&run.outcome))
}

fn waiting(wait: &Wait, names: &LabelNames) -> Waiting {
    Waiting { reason: words::wait(wait, names), until: wait.until().map(|until| until.to_string()) }
}
