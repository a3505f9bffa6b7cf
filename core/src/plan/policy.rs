//! What the configuration lets the plan do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Crew;
use crate::model::{
    Branch, Formula, FormulaName, JournalId, LabelNames, Login, MergeRule, OverlapRule, ProbeName, RepoName, Risk, Since,
    Timestamp, Trouble, Usd,
};

/// Who tries it files an issue and starts: what was filed this shortly before the first start counts as new.
const GRACE: Duration = Duration::from_hours(1);

/// What the configuration lets the plan do.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Our journal: its claims are ours.
    pub journal: JournalId,
    /// The forge's address: what start-up learned from another is learned again.
    pub forge: String,
    /// Runs at a time.
    pub slots: u32,
    /// Attempts at an issue.
    pub attempts: u32,
    /// Pauses after each failed attempt; the last one repeats.
    pub backoff: Vec<Duration>,
    /// How long `claude-working` without a run of ours is left alone.
    pub adopt_after: Duration,
    /// How long a question waits for its answer.
    pub question: Duration,
    /// No new fix is begun while so many of our pull requests wait for people.
    pub open_pulls: u32,
    /// The longest list that a step is done for, whatever its formula allows.
    pub items: u32,
    /// A run's money.
    pub usd_run: Usd,
    /// The day's money.
    pub usd_day: Usd,
    /// An intent counts as absent only this long after its request was sent.
    pub lookup_gap: Duration,
    /// How often a claim is renewed.
    pub renew: Duration,
    /// How often the checks of a pull request are read.
    pub checks_every: Duration,
    /// How long a project in trouble that a person must mend is left alone.
    pub trouble_pause: Duration,
    /// How long a forge that does not answer is left alone at first; doubled each time, up to `trouble_pause`.
    pub unreachable_pause: Duration,
    /// Pauses after each failure in a row of an effect; the last one repeats.
    pub retry: Vec<Duration>,
    /// Who works, and on which accounts.
    pub crew: Crew,
    /// The probes of the host that can be mended.
    pub mends: BTreeMap<ProbeName, MendPolicy>,
    /// The operations repository.
    pub ops: Option<RepoName>,
    /// The projects under care.
    pub projects: BTreeMap<RepoName, ProjectPolicy>,
}

/// How a probe of the host may be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MendPolicy {
    /// How much that could break.
    pub risk: Risk,
    /// How often in an hour.
    pub at_most: u32,
}

/// A project's own part.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectPolicy {
    /// Names of the labels.
    pub labels: LabelNames,
    /// What a branch of ours begins with.
    pub branch_prefix: String,
    /// The branch that work goes to; the repository's default one where none is said.
    pub base: Option<Branch>,
    /// Accounts that file issues and cannot answer, in lower case: the forge compares logins without regard to case.
    pub intake: BTreeSet<Login>,
    /// From when on issues are triaged that were filed before the first start.
    pub since: Option<Since>,
    /// The formulas that are on.
    pub formulas: BTreeMap<FormulaName, Formula>,
    /// Runs at a time, within those of all; none where only those bound it.
    pub slots: Option<u32>,
    /// Its money for a day, within that of all.
    pub usd_day: Usd,
    /// What we merge by ourselves.
    pub merge: MergeRule,
    /// What is merged without a person needs an approval of the review role, or of a person.
    pub review: bool,
    /// Whose files an issue keeps clear of before its run begins.
    pub overlap: OverlapRule,
    /// The commands that verify a commit.
    pub verify: Vec<String>,
    /// Workspaces that are written in are set up first: the project has an env file or a `setup`.
    pub sets_up: bool,
    /// The configuration has it no more: what runs goes on to its end, and nothing new is started.
    pub leaving: bool,
}

impl ProjectPolicy {
    /// What was filed before this time is old; none where nothing is.
    pub fn since(&self, began: Timestamp) -> Option<Timestamp> {
        match self.since {
            None => Some(began - GRACE),
            Some(Since::At(time)) => Some(time),
            Some(Since::All) => None,
        }
    }

    /// The formula that a label starts, by the label's default name.
    pub fn started_by(&self, label: &str) -> Option<&Formula> {
        self.formulas.values().find(|formula| formula.trigger.label.as_deref() == Some(label))
    }

    /// A formula that reviews pull requests.
    pub(super) fn reviewer(&self) -> Option<&Formula> {
        self.formulas.values().find(|formula| formula.reviews())
    }

    /// Whether an account files issues and cannot answer.
    pub fn is_intake(&self, login: &Login) -> bool {
        self.intake.contains(&Login(login.as_str().to_ascii_lowercase()))
    }
}

impl Policy {
    /// How often a formula is tried.
    pub fn attempts_of(&self, formula: &Formula) -> u32 {
        formula.limits.attempts.map_or(self.attempts, |own| own.min(self.attempts))
    }

    /// What a run of a formula may cost.
    pub fn usd_run_of(&self, formula: &Formula) -> Usd {
        formula.limits.budget_usd.map_or(self.usd_run, |own| own.min(self.usd_run))
    }

    /// The pause after the `failed`th failed attempt, from 1.
    pub fn backoff_after(&self, failed: u32) -> Duration {
        nth(&self.backoff, failed)
    }

    /// The pause after the `failures`th failure in a row of an effect, from 1.
    pub fn retry_after(&self, failures: u32) -> Duration {
        nth(&self.retry, failures)
    }
}

impl Policy {
    /// How long a project is left alone after the `failures`th look in a row that met this, from 1. A page where the API should be is
    /// mostly a proxy's, and passes like the rest.
    pub fn pause_of(&self, trouble: &Trouble, failures: u32) -> Duration {
        match trouble {
            Trouble::Unreachable { .. } | Trouble::NotAForge { .. } => {
                let doubled = 1_u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u32::MAX);
                self.unreachable_pause.saturating_mul(doubled).min(self.trouble_pause)
            }
            Trouble::Unauthorized
            | Trouble::Denied { .. }
            | Trouble::Missing
            | Trouble::Moved { .. }
            | Trouble::Archived
            | Trouble::Empty => self.trouble_pause,
        }
    }
}

fn nth(pauses: &[Duration], n: u32) -> Duration {
    let index = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX).min(pauses.len().saturating_sub(1));
    pauses.get(index).copied().unwrap_or(Duration::from_secs(60))
}
