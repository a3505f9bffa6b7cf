//! The board: what `status`, `once --dry-run` and the demo show.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ledger::{IssueState, Ledger, Pause, PullRef};
use crate::model::{BudgetOf, LabelNames, RepoName, Scope, Subject, TierReason, Timestamp, Wait};
use crate::plan::{self, Budget, Policy};
use crate::words;

use super::accounts::AccountReport;
use super::in_force::Report;
use super::scheduled::ProjectRow;

/// `status --json`.
#[derive(Debug, Serialize)]
pub(super) struct Board {
    pub(super) issues: Vec<Row>,
    pub(super) runs: Vec<RunRow>,
    /// Projects that runs are about as a whole, with their schedules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) projects: Vec<ProjectRow>,
    /// Projects that cannot be worked on, and what is wrong with the operations repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) troubles: Vec<TroubleRow>,
    pub(super) paused: Vec<PauseRow>,
    pub(super) budgets: Vec<BudgetRow>,
    /// What the daemon that runs says of its configuration.
    pub(super) configuration: Option<Report>,
    /// Whether webhooks arrive, where the configuration listens for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhook: Option<WebhookRow>,
    /// The actions of the vault that are not done with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) actions: Vec<ActionRow>,
    /// The accounts that agents work on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) accounts: Vec<AccountReport>,
}

/// An action of the vault that is not done with.
#[derive(Debug, Serialize)]
pub(super) struct ActionRow {
    pub(super) id: String,
    /// How it stands.
    pub(super) stands: String,
}

/// Whether webhooks arrive.
#[derive(Debug, Serialize)]
pub(super) struct WebhookRow {
    /// The last delivery about each project.
    pub(super) delivered: BTreeMap<String, String>,
    /// What is wrong with them, if something is.
    pub(super) trouble: Option<String>,
}

/// An issue of ours.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) repo: String,
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) state: String,
    pub(super) run: Option<String>,
    pub(super) attempts: u32,
    pub(super) pull: Option<u64>,
    /// How much its open pull request could break, as far as its head was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tier: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tier_reasons: Vec<String>,
    pub(super) waiting: Option<Waiting>,
    /// Runs that wait beside whatever else goes on: for its pull request to be merged, or for the vault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stepped_back: Vec<String>,
    /// How the last run beside the lifecycle failed, where that was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beside: Option<String>,
    pub(super) cost_usd: Option<f64>,
}

/// Why it waits.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    pub(super) reason: String,
    pub(super) until: Option<String>,
}

/// A run that lives, or the last one of an issue.
#[derive(Debug, Serialize)]
pub(super) struct RunRow {
    pub(super) run: String,
    /// None where it is about the project.
    pub(super) issue: Option<u64>,
    pub(super) step: Option<String>,
    pub(super) attempt: u32,
    pub(super) outcome: Option<String>,
    pub(super) started: String,
    pub(super) cost_usd: Option<f64>,
}

/// A project that cannot be worked on.
#[derive(Debug, Serialize)]
pub(super) struct TroubleRow {
    pub(super) repo: String,
    pub(super) trouble: String,
    pub(super) since: String,
    /// It is left alone until then.
    pub(super) until: Option<String>,
}

/// What a person paused.
#[derive(Debug, Serialize)]
pub(super) struct PauseRow {
    /// `everything`, `owner/name` or `owner/name#7`.
    pub(super) what: String,
    pub(super) since: String,
    pub(super) until: Option<String>,
    #[serde(skip)]
    line: String,
}

/// A budget.
#[derive(Debug, Serialize)]
pub(super) struct BudgetRow {
    /// `day`, `project` or `run`.
    pub(super) kind: &'static str,
    /// The project or the run.
    pub(super) of: Option<String>,
    pub(super) spent_usd: f64,
    /// Kept for what runs.
    pub(super) reserved_usd: f64,
    pub(super) limit_usd: f64,
    pub(super) percent: u64,
    /// What is to be said of it, from 80 % on.
    pub(super) warning: Option<String>,
}

impl Board {
    /// From what is known, with the newest plan's reasons.
    pub(super) fn new(ledger: &Ledger, policy: &Policy, now: Timestamp, waits: impl Fn(&Subject) -> Option<Wait>) -> Self {
        let mut board = Self {
            issues: Vec::new(),
            runs: Vec::new(),
            projects: Vec::new(),
            troubles: Vec::new(),
            paused: ledger.pauses(now).map(|(what, pause)| pause_row(what, pause)).collect(),
            budgets: plan::budgets(ledger, policy, now).into_iter().map(budget_row).collect(),
            webhook: None,
            configuration: None,
            actions: plan::actions_open(ledger, policy).map(|(id, stands)| ActionRow { id: id.to_string(), stands }).collect(),
            accounts: Vec::new(),
        };
        for (subject, state) in ledger.issues() {
            let Some(project) = policy.projects.get(&subject.repo) else { continue };
            if !subject.is_project() {
                board.issues.push(row(&subject, state, &project.labels, waits(&subject)));
            }
            board.runs.extend(runs(&subject, state));
        }
        board.projects.extend(policy.projects.keys().filter_map(|repo| {
            let wait = waits(&Subject::project(repo.clone()));
            ProjectRow::of(repo, ledger, policy, now, wait.as_ref())
        }));
        for (repo, project) in &ledger.projects {
            if let (Some(trouble), true) = (&project.trouble, policy.projects.contains_key(repo)) {
                board.troubles.push(TroubleRow {
                    repo: repo.to_string(),
                    trouble: words::trouble(&trouble.trouble),
                    since: trouble.since.to_string(),
                    until: trouble.until.map(|until| until.to_string()),
                });
            }
        }
        board.troubles.extend(policy.ops.as_ref().into_iter().flat_map(|repo| of_ops(ledger, repo)));
        board
    }

    /// With what people decided of actions and could not be recorded.
    pub(super) fn with_unwritten(&mut self, repo: &RepoName, unwritten: Vec<(String, Timestamp)>) {
        let row = |(trouble, since): (String, Timestamp)| {
            let since = since.to_string();
            TroubleRow { repo: repo.to_string(), trouble, since, until: None }
        };
        self.troubles.extend(unwritten.into_iter().map(row));
    }

    /// With the issues of the history, as much of it as is there: closed, and nothing of ours is left to do on them.
    pub(super) fn with_past(&mut self, ledger: &Ledger, policy: &Policy) {
        for (subject, past) in ledger.past() {
            let Some((project, state)) = policy.projects.get(&subject.repo).zip(past.state()) else { continue };
            self.issues.push(row(&subject, state, &project.labels, Some(Wait::Closed)));
            self.runs.extend(runs(&subject, state));
        }
        self.issues.sort_by(|a, b| (&a.repo, a.number).cmp(&(&b.repo, b.number)));
    }

    /// The board as lines for people.
    pub(super) fn lines(&self, several: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(report) = &self.configuration {
            let broken = report.broken.iter().map(|b| words::broken_configuration(&b.mistakes, &report.since));
            let later = report.at_next_start.iter().map(|key| words::at_next_start(key));
            lines.extend(broken.chain(later).map(|line| format!("! {line}")));
        }
        for trouble in &self.troubles {
            let until = trouble.until.as_ref().map_or_else(String::new, |until| format!(", looked at again at {until}"));
            lines.push(format!("! {}: {} (since {}{until})", trouble.repo, trouble.trouble, trouble.since));
        }
        lines.extend(self.webhook.iter().filter_map(|webhook| Some(format!("! webhook: {}", webhook.trouble.as_ref()?))));
        lines.extend(self.paused.iter().map(|pause| format!("! {}", pause.line)));
        lines.extend(self.budgets.iter().filter_map(|budget| Some(format!("! {}", budget.warning.as_ref()?))));
        lines.extend(self.accounts.iter().filter_map(AccountReport::warned));
        let shown: Vec<&Row> = self.issues.iter().filter(|row| row.state != "closed").collect();
        let name = |row: &Row| if several { format!("{}#{}", row.repo, row.number) } else { format!("#{}", row.number) };
        let width = shown.iter().map(|row| name(row).len()).max().unwrap_or(0);
        let state_width = shown.iter().map(|row| row.state.len()).max().unwrap_or(0);
        for row in shown {
            let title: String = row.title.chars().take(48).collect();
            lines.push(format!("{:<width$}  {:<state_width$}  {title}", name(row), row.state));
            let pad = " ".repeat(width);
            if let Some(pull) = row.pull {
                let tier = row.tier.map_or_else(String::new, |tier| format!(", {tier} blast radius"));
                lines.push(format!("{pad}  pull request #{pull}{tier}"));
            }
            if let Some(waiting) = &row.waiting {
                lines.push(format!("{pad}  {}", waiting.reason));
            }
            lines.extend(row.stepped_back.iter().map(|waits| format!("{pad}  {waits}")));
            lines.extend(row.beside.iter().map(|failed| format!("{pad}  beside it {failed}")));
        }
        lines.extend(self.actions.iter().map(|action| format!("action {}: {}", action.id, action.stands)));
        lines.extend(self.projects.iter().flat_map(ProjectRow::lines));
        lines.extend(self.accounts.iter().filter_map(AccountReport::ends));
        lines
    }
}

/// The table's word for where an issue stands.
pub(super) fn state_word(state: &IssueState, names: &LabelNames) -> String {
    match state.at {
        _ if !state.seen.open => "closed".to_owned(),
        Some(decision) => names.of(decision).to_owned(),
        None if state.seen.labels.contains(&names.portal) => names.portal.clone(),
        None => "none".to_owned(),
    }
}

/// What is wrong with the operations repository as a whole.
fn of_ops(ledger: &Ledger, repo: &RepoName) -> Vec<TroubleRow> {
    let ops = ledger.ops.get(repo);
    let trouble = |trouble: String, since: Timestamp| {
        let since = since.to_string();
        TroubleRow { repo: repo.to_string(), trouble, since, until: None }
    };
    let unread =
        ops.and_then(|ops| ops.unread.as_ref()).map(|unread| trouble(words::unread(repo, &unread.failure), unread.since));
    let policy =
        ops.and_then(|ops| ops.policy.as_ref()).map(|(broken, since)| trouble(words::broken_policy(repo, broken), *since));
    let stuck = plan::stuck_merges(ledger, repo).map(|(pull, failed)| {
        let says = format!("{}; what to do: {}", words::not_put_through(repo, pull, &failed.why), words::mend_merging());
        trouble(says, failed.at)
    });
    unread.into_iter().chain(policy).chain(stuck).collect()
}

fn row(subject: &Subject, state: &IssueState, names: &LabelNames, wait: Option<Wait>) -> Row {
    Row {
        repo: subject.repo.to_string(),
        number: subject.issue.0,
        title: state.seen.title.clone(),
        state: state_word(state, names),
        run: state.live_run().map(|run| run.id.to_string()),
        attempts: state.attempts,
        pull: state.pull.as_ref().map(|pull| pull.number.0),
        tier: state.open_pull().and_then(PullRef::weighed_tier).map(words::risk),
        tier_reasons: state.open_pull().map(tier_reasons).unwrap_or_default(),
        waiting: wait
            .map(|wait| Waiting { reason: words::wait(&wait, names), until: wait.until().map(|t: Timestamp| t.to_string()) }),
        stepped_back: state.stepped_back.iter().map(words::stepped_back).collect(),
        beside: state
            .aside
            .as_ref()
            .filter(|last| last.outcome.is_failure())
            .map(|last| format!("{} failed: {}", last.formula, words::outcome(&last.outcome))),
        cost_usd: Some(state.cost.dollars()),
    }
}

/// Why a pull request is of its tier. A path is somebody's text: no control character of it reaches the terminal.
pub(super) fn tier_reasons(pull: &PullRef) -> Vec<String> {
    let reasons = pull.weighed_head().into_iter().flat_map(|weighed| &weighed.reasons);
    let one = |reason: &TierReason| {
        let path = reason.path.as_ref().map_or_else(String::new, |path| format!("{}: ", path.escape_debug()));
        format!("{}: {path}{}", words::tier_source(reason.source), reason.why)
    };
    reasons.map(one).collect()
}

fn pause_row(what: &Scope, pause: &Pause) -> PauseRow {
    PauseRow {
        what: what.to_string(),
        since: pause.since.to_string(),
        until: pause.until.map(|until| until.to_string()),
        line: format!("{}; `{}` takes it back", words::paused(what, pause.until), words::resume(what)),
    }
}

fn budget_row(budget: Budget) -> BudgetRow {
    let (kind, of) = match &budget.what {
        BudgetOf::Day => ("day", None),
        BudgetOf::Project { repo } => ("project", Some(repo.to_string())),
        BudgetOf::Run { run } => ("run", Some(run.to_string())),
    };
    BudgetRow {
        kind,
        of,
        spent_usd: budget.spent.dollars(),
        reserved_usd: budget.reserved.dollars(),
        limit_usd: budget.limit.dollars(),
        percent: budget.percent(),
        warning: budget.mark.map(|mark| words::budget(&budget.what, mark, budget.spent, budget.limit)),
    }
}

fn runs(subject: &Subject, state: &IssueState) -> Vec<RunRow> {
    let issue = (!subject.is_project()).then_some(subject.issue.0);
    // What runs about a project is all beside the lifecycle.
    let last = if subject.is_project() { &state.aside } else { &state.last };
    let last = last.as_ref().filter(|last| state.live_run().is_none_or(|live| live.id != last.run)).map(|last| RunRow {
        run: last.run.to_string(),
        issue,
        step: None,
        attempt: last.attempt,
        outcome: Some(last.outcome.word().to_owned()),
        started: last.started.to_string(),
        cost_usd: (!last.unmetered).then(|| last.cost.dollars()),
    });
    let live = state.lives().map(|run| RunRow {
        run: run.id.to_string(),
        issue,
        step: run.where_it_is(),
        attempt: run.attempt,
        outcome: None,
        started: run.started.to_string(),
        cost_usd: (!run.unmetered).then(|| run.cost.dollars()),
    });
    last.into_iter().chain(live).collect()
}
