//! The fold of the journal: everything that is known, derived from the events and from nothing else.
//!
//! Promises: folding the same records gives the same ledger; folding never fails and never panics, whatever order events of different
//! issues come in; an event about something unknown changes nothing. Decisions are not made here: an event says what was decided.
//!
//! A ledger can be written down and read again (serde), so that a start need not fold everything. Nobody has to remember a version for
//! that: `build.rs` makes [`SHAPE`] of the source of this module and of `model`, and what was written under another one is not read.

mod asks;
mod deadline;
mod each;
mod evidence;
mod failure;
mod fold;
mod found;
mod in_work;
mod issue;
mod offers;
mod outcome;
mod past;
mod place;
mod revision;
mod run;
mod running;
mod said;
mod schedule;
mod shelf;
mod sight;
mod step_back;
mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use each::Each;
pub use in_work::{InWork, StepState};
pub use issue::{
    BranchTip, ClaimState, Decided, ForeignPull, Gap, Held, IssueState, Open, Orphan, PullRef, Refused, Retry, RunSummary, Said,
    Triaged,
};
pub use offers::{OfferState, OpsState, Unread};
pub use past::Past;
pub use revision::{Reviews, Rounds, Unfit};
pub use run::{Obstacle, Prepared, RunState, StepStatus};
pub use running::{Pause, Warned};
pub use schedule::{Happened, Schedule};
pub use shelf::{ActionSeen, Failed, Fate, Merging, ShelfState};

use crate::model::{
    AccountName, AgentName, BudgetOf, EffectKey, ForgeEvent, FormulaName, IssueNumber, Kept, Lane, ProbeName, ProjectFacts,
    PullNumber, RepoName, RunId, Scope, StepId, Subject, Timestamp, Trouble, Usd,
};

/// Everything that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The last record that is folded in.
    pub seq: u64,
    /// The projects that were ever seen.
    pub projects: BTreeMap<RepoName, ProjectState>,
    /// The accounts that were used or paused.
    pub accounts: BTreeMap<AccountName, AccountState>,
    /// What each agent cost, by UTC month.
    pub agents: BTreeMap<AgentName, BTreeMap<String, Usd>>,
    /// What was spent, by UTC day.
    pub spent: BTreeMap<String, Usd>,
    /// The inbox's last row that was taken.
    pub inbox_row: u64,
    /// What people paused; what ended by time may still stand here.
    #[serde(with = "running::pairs")]
    pub paused: BTreeMap<Scope, Pause>,
    /// When each probe of the host was mended, or tried to be, in the last hour.
    pub mends: BTreeMap<ProbeName, Vec<Timestamp>>,
    /// The open pull requests of operations repositories, as far as they were read.
    pub offers: BTreeMap<RepoName, BTreeMap<PullNumber, OfferState>>,
    /// What is wrong with operations repositories as a whole.
    pub ops: BTreeMap<RepoName, OpsState>,
    /// The actions on their branches that count.
    pub shelves: BTreeMap<RepoName, ShelfState>,
    /// Which budgets it was said of that they come to their end.
    #[serde(with = "running::pairs")]
    pub warned: BTreeMap<BudgetOf, Warned>,
    /// Where each live run's issue is.
    runs: BTreeMap<RunId, Subject>,
    /// Where each open intent is.
    open: BTreeMap<EffectKey, (Subject, Lane)>,
}

/// What is known of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProjectState {
    /// What start-up learned; none before.
    pub facts: Option<ProjectFacts>,
    /// The forge's clock at the begin of the last complete look; none before the first.
    pub looked: Option<Timestamp>,
    /// The forge's clock at the first look of this journal; none before it.
    pub began: Option<Timestamp>,
    /// What is wrong with it.
    pub trouble: Option<InTrouble>,
    /// The issues that are ours and have something before them.
    pub issues: BTreeMap<IssueNumber, IssueState>,
    /// The issues that belong to the history. They are many, so they are written down one by one, not with the ledger.
    #[serde(skip)]
    past: BTreeMap<IssueNumber, Past>,
    /// The issues of the history whose pull request could still move.
    unmerged: BTreeMap<PullNumber, IssueNumber>,
    /// Issues that runs filed, each with the one that its run was about.
    pub filed_for: BTreeMap<IssueNumber, IssueNumber>,
    /// The schedules of its formulas, each as it was last seen.
    pub schedules: BTreeMap<FormulaName, Schedule>,
    /// What happened last of what starts runs about the project.
    #[serde(default)]
    pub happened: BTreeMap<ForgeEvent, Happened>,
    /// What was spent on it, by UTC day.
    pub spent: BTreeMap<String, Usd>,
    /// What its formulas had of the last day on which they ran.
    pub used: BTreeMap<FormulaName, Used>,
    /// When a run was started last, by our clock.
    pub served: Option<Timestamp>,
}

/// What a formula had of a UTC day in a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// The day.
    pub day: String,
    /// Runs that began.
    pub runs: u32,
    /// What was spent.
    pub spent: Usd,
}

impl Used {
    /// Of today, which may begin with this.
    fn of(&mut self, day: &str) -> &mut Self {
        if self.day != day {
            *self = Self { day: day.to_owned(), ..Self::default() };
        }
        self
    }
}

impl ProjectState {
    /// What a formula had of a day.
    pub fn used_on(&self, formula: &FormulaName, day: &str) -> Used {
        self.used.get(formula).filter(|used| used.day == day).cloned().unwrap_or_default()
    }
}

/// A project that cannot be worked on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InTrouble {
    /// What is wrong.
    pub trouble: Trouble,
    /// Since when it is known, by our clock.
    pub since: Timestamp,
    /// When it was seen last, by our clock.
    pub last: Timestamp,
    /// How often in a row.
    pub failures: u32,
    /// It is left alone until then, by our clock, where that was kept.
    pub until: Option<Timestamp>,
}

impl InTrouble {
    /// The same kind of trouble goes on; another one begins anew.
    fn after(before: Option<Self>, trouble: Trouble, at: Timestamp, until: Option<Timestamp>) -> Self {
        let same = before.filter(|b| std::mem::discriminant(&b.trouble) == std::mem::discriminant(&trouble));
        let (since, failures) = same.map_or((at, 0), |b| (b.since, b.failures));
        Self { trouble, since, last: at, failures: failures.saturating_add(1), until }
    }
}

impl ProjectState {
    /// What was spent on a day.
    pub fn spent_on(&self, day: &str) -> Usd {
        self.spent.get(day).copied().unwrap_or_default()
    }
}

/// What the fold and its types are, as a hash of their source: a ledger that was written down by another fold is folded anew.
pub const SHAPE: &str = env!("FORGEHAND_LEDGER_SHAPE");

/// What is known of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountState {
    /// It cannot be used before this time, and why.
    pub paused: Option<(Timestamp, String)>,
    /// How often it was paused in a row without a call that worked in between.
    pub failures: u32,
    /// Why its sign-in could not be renewed.
    pub not_renewed: Option<String>,
    /// What was spent on it, by UTC day.
    pub spent: BTreeMap<String, Usd>,
}

impl AccountState {
    /// What was spent on a day.
    pub fn spent_on(&self, day: &str) -> Usd {
        self.spent.get(day).copied().unwrap_or_default()
    }
}

/// How many days of spending are remembered.
const DAYS: usize = 8;

/// How many months of an agent's spending are remembered.
const MONTHS: usize = 13;

fn spend(by_day: &mut BTreeMap<String, Usd>, day: String, cost: Usd) {
    *by_day.entry(day).or_default() += cost;
    while by_day.len() > DAYS {
        by_day.pop_first();
    }
}

/// For how long it is remembered that a probe was mended.
const MENDS: Duration = Duration::from_hours(1);

impl Ledger {
    /// How often a probe was mended in the hour before a time.
    pub fn mended(&self, probe: &ProbeName, now: Timestamp) -> usize {
        self.mends.get(probe).map_or(0, |times| times.iter().filter(|time| **time > now - MENDS).count())
    }

    /// A probe is about to be mended.
    fn mends(&mut self, probe: &ProbeName, at: Timestamp) {
        let times = self.mends.entry(probe.clone()).or_default();
        times.retain(|time| *time > at - MENDS);
        times.push(at);
    }

    /// What an agent cost in a UTC month.
    pub fn cost_of(&self, agent: &AgentName, month: &str) -> Usd {
        self.agents.get(agent).and_then(|months| months.get(month)).copied().unwrap_or_default()
    }

    /// The step that an agent works on in a session, where it is not the only one of its run at work.
    pub fn beside(&self, run: &RunId, session: &str) -> Option<&StepId> {
        let issue = self.issue(self.subject_of(run)?)?;
        (issue.hands().count() > 1).then(|| issue.in_session(session)).flatten()
    }

    /// The state of an issue, of the history too.
    pub fn issue(&self, subject: &Subject) -> Option<&IssueState> {
        let project = self.projects.get(&subject.repo)?;
        project.issues.get(&subject.issue).or_else(|| project.past.get(&subject.issue)?.state())
    }

    /// What runs kept for those about an issue: its own, and then that of the one that it was filed for.
    pub fn kept(&self, subject: &Subject) -> Vec<Kept> {
        let mut kept: Vec<Kept> = Vec::new();
        let parent = self.projects.get(&subject.repo).and_then(|project| project.filed_for.get(&subject.issue));
        let parent = parent.map(|issue| Subject { repo: subject.repo.clone(), issue: *issue });
        for of in [Some(subject), parent.as_ref()].into_iter().flatten() {
            let more = self.issue(of).into_iter().flat_map(|state| state.kept.values());
            let new: Vec<Kept> = more.filter(|one| kept.iter().all(|known| known.name != one.name)).cloned().collect();
            kept.extend(new);
        }
        kept
    }

    /// The issue that a live run is about.
    pub fn subject_of(&self, run: &RunId) -> Option<&Subject> {
        self.runs.get(run)
    }

    /// A live run.
    pub fn run(&self, run: &RunId) -> Option<&RunState> {
        self.issue(self.subject_of(run)?)?.known_runs().find(|known| known.id == *run)
    }

    /// All issues that are ours and have something before them, with where they are.
    pub fn issues(&self) -> impl Iterator<Item = (Subject, &IssueState)> {
        self.projects.iter().flat_map(|(repo, project)| {
            project.issues.iter().map(move |(number, state)| (Subject { repo: repo.clone(), issue: *number }, state))
        })
    }

    /// Whether an intent has not ended.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// An intent that has not ended, with where it is.
    pub fn open(&self, key: &EffectKey) -> Option<(&Subject, &Open)> {
        let (subject, lane) = self.open.get(key)?;
        Some((subject, self.issue(subject)?.open.get(lane)?))
    }

    /// What was spent on a day.
    pub fn spent_on(&self, day: &str) -> Usd {
        self.spent.get(day).copied().unwrap_or_default()
    }
}
