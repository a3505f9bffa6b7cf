//! `forgehand explain N`: where an issue stands, what it waits for and why, and what would move it; `explain owner/name` tells the same of the
//! runs about a project, and their schedules.

use std::path::PathBuf;

use serde::Serialize;

use crate::journal::History;
use crate::ledger::{Gap, IssueState, PullRef};
use crate::model::{JournalId, LabelNames, Subject, Wait};
use crate::ports::{Forge, ForgeErrorKind};
use crate::words;

use super::board::{self, state_word};
use super::scheduled::ProjectRow;
use super::setup::{Known, Setup, print_json};
use super::{CliError, Kind, subject};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The issue: 7, or owner/name#7; owner/name for the runs about a project
    issue: String,
    /// JSON for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Explanation {
    repo: String,
    number: u64,
    title: String,
    state: String,
    waits_for: Option<String>,
    until: Option<String>,
    moved_by: Option<String>,
    next: Option<String>,
    last_run: Option<String>,
    last_aside: Option<String>,
    /// Where what the last run, or the one beside it, left unpublished stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workspaces: Vec<String>,
    wanted: Vec<String>,
    /// Runs that wait beside whatever else goes on: for its pull request to be merged, or for the vault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stepped_back: Vec<String>,
    attempts: u32,
    pull: Option<u64>,
    /// How much it could break, as far as its head was read.
    tier: Option<String>,
    tier_reasons: Vec<String>,
    cost_usd: f64,
    /// What the journal cannot know.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_known: Option<String>,
}

/// Explains an issue.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let subject = subject::issue_or_project(&setup.config, &arguments.issue)?;
    let known = setup.known(&History::Of(subject.clone()))?;
    if subject.is_project() {
        return of_project(&known, &subject, arguments.json);
    }
    let explanation = match known.ledger.issue(&subject) {
        Some(state) => of_ours(&known, &subject, state),
        None => super::block_on(of_another(&setup, &subject))??,
    };
    if arguments.json {
        return print_json(&explanation);
    }
    explanation.print();
    Ok(())
}

fn of_project(known: &Known, subject: &Subject, json: bool) -> Result<(), CliError> {
    let plan = known.plan();
    let wait = plan.waits.get(subject);
    match ProjectRow::of(&subject.repo, &known.ledger, &known.policy, known.now, wait) {
        Some(row) if json => print_json(&row),
        Some(row) => {
            row.print();
            Ok(())
        }
        None => {
            let hint = "a formula with `cron` is, once it is named in `formulas` of the project; an issue is owner/name#7";
            Err(CliError::usage(format!("nothing is about {subject} as a whole"), hint))
        }
    }
}

fn of_ours(known: &Known, subject: &Subject, state: &IssueState) -> Explanation {
    let names = known.policy.projects.get(&subject.repo).map(|p| p.labels.clone()).unwrap_or_default();
    let plan = known.plan();
    let wait = if known.ledger.is_past(subject) { Some(&Wait::Closed) } else { plan.waits.get(subject) };
    let acts = wait.is_none().then(|| match known.daemon_lives {
        true => "forgehand is about to act on it".to_owned(),
        false => "nothing: forgehand acts on it as soon as it runs (`forgehand run`, or `once`)".to_owned(),
    });
    Explanation {
        repo: subject.repo.to_string(),
        number: subject.issue.0,
        title: state.seen.title.clone(),
        state: state_word(state, &names),
        waits_for: wait.map(|w| words::wait(w, &names)),
        until: wait.and_then(Wait::until).map(|t| t.to_string()),
        moved_by: wait.map(|w| words::mover(w, &names)),
        next: acts,
        last_run: state.last.as_ref().map(|l| format!("{} (attempt {}): {}", l.formula, l.attempt, words::outcome(&l.outcome))),
        last_aside: state.aside.as_ref().map(|l| format!("{}: {}", l.formula, words::outcome(&l.outcome))),
        workspaces: workspaces(state),
        wanted: state.wanted.iter().map(|(wanted, _)| words::is_wanted(wanted)).collect(),
        stepped_back: state.stepped_back.iter().map(words::stepped_back).collect(),
        attempts: state.attempts,
        pull: state.pull.as_ref().map(|p| p.number.0),
        tier: state.open_pull().and_then(PullRef::weighed_tier).map(|tier| words::risk(tier).to_owned()),
        tier_reasons: state.open_pull().map(board::tier_reasons).unwrap_or_default(),
        cost_usd: state.cost.dollars(),
        not_known: state.gap.map(|gap| match gap {
            Gap::Found(at) => words::found_gap(at),
            Gap::Restored(at) => words::restored_gap(at),
        }),
    }
}

/// Those that are still there: `forgehand gc` takes them when they were kept long enough.
fn workspaces(state: &IssueState) -> Vec<String> {
    let ended = [state.last.as_ref(), state.aside.as_ref()].into_iter().flatten();
    let kept = ended.filter_map(|ended| ended.workspace.as_ref()).filter(|kept| kept.exists());
    kept.map(|kept| kept.display().to_string()).collect()
}

/// An issue that the journal does not know: the forge tells whether it exists, and whether it is ours to come.
async fn of_another(setup: &Setup, subject: &Subject) -> Result<Explanation, CliError> {
    let forge = setup.forge()?;
    let issue = forge.issue(&subject.repo, subject.issue).await.map_err(|error| match error.kind {
        ForgeErrorKind::NotFound => {
            CliError::new(Kind::Usage, format!("there is no issue {subject}"), "check the number, `repo`, and the bot's access")
        }
        _ => error.into(),
    })?;
    let names: LabelNames = setup.config.project(&subject.repo).map(|p| p.labels.clone()).unwrap_or_default();
    let policy = setup.policy(JournalId(String::new()))?;
    let starts = policy.projects.get(&subject.repo).is_some_and(|project| project.starts_for(&issue.labels));
    let reported = issue.labels.contains(&names.portal);
    let ours = reported || starts || !names.decisions(&issue.labels).is_empty();
    let wait = if !issue.open { Some(Wait::Closed) } else { (!ours).then_some(Wait::NotOurs) };
    let next = wait.is_none().then(|| "forgehand sees it at its next look".to_owned());
    let state = match (issue.open, names.decisions(&issue.labels).first()) {
        (false, _) => "closed".to_owned(),
        (true, Some(decision)) => names.of(*decision).to_owned(),
        (true, None) if reported => names.portal.clone(),
        (true, None) => "none".to_owned(),
    };
    Ok(Explanation {
        repo: subject.repo.to_string(),
        number: subject.issue.0,
        title: crate::text::clean(&issue.title),
        state,
        waits_for: wait.as_ref().map(|w| words::wait(w, &names)),
        until: None,
        moved_by: wait.as_ref().map(|w| words::mover(w, &names)),
        next,
        last_run: None,
        last_aside: None,
        workspaces: Vec::new(),
        wanted: Vec::new(),
        stepped_back: Vec::new(),
        attempts: 0,
        pull: None,
        tier: None,
        tier_reasons: Vec::new(),
        cost_usd: 0.0,
        not_known: None,
    })
}

impl Explanation {
    fn print(&self) {
        anstream::println!("{}#{}  {}", self.repo, self.number, self.title);
        anstream::println!("  stands at:      {}", self.state);
        if let Some(wait) = &self.waits_for {
            anstream::println!("  waits because:  {wait}");
        }
        if let Some(mover) = &self.moved_by {
            anstream::println!("  moved by:       {mover}");
        }
        if let Some(next) = &self.next {
            anstream::println!("  next:           {next}");
        }
        if let Some(last) = &self.last_run {
            anstream::println!("  last run:       {last}");
        }
        if let Some(last) = &self.last_aside {
            anstream::println!("  beside it:      {last}");
        }
        for workspace in &self.workspaces {
            anstream::println!("  its workspace:  {workspace}");
        }
        for wanted in &self.wanted {
            anstream::println!("  is to run:      {wanted}");
        }
        for waits in &self.stepped_back {
            anstream::println!("  stepped back:   {waits}");
        }
        if let Some(pull) = self.pull {
            anstream::println!("  pull request:   #{pull}");
        }
        if let Some(tier) = &self.tier {
            anstream::println!("  blast radius:   {tier}");
        }
        for reason in &self.tier_reasons {
            anstream::println!("                  {reason}");
        }
        if self.attempts > 0 || self.cost_usd > 0.0 {
            anstream::println!("  so far:         {} spent attempts, ${:.2}", self.attempts, self.cost_usd);
        }
        if let Some(not_known) = &self.not_known {
            anstream::println!("  not known:      {not_known}");
        }
    }
}
