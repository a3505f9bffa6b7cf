//! What a formula may have of a UTC day in a project (`runs_day`, `usd_day` in its `[limits]`), and what is left of it.
//!
//! Promises: runs that live count with all that they may still spend, and those that this plan begins count too, so that two side by side
//! cannot have the same share. What waits for a new day holds up no other formula, and is still there when the day begins.
//!
//! Race known: a claim of an earlier plan is none of it, but the formula is asked again before its run begins; what came too late gives
//! the claim back.

use std::collections::BTreeMap;

use crate::ledger::IssueState;
use crate::model::{BudgetOf, Formula, FormulaName, Quota, RepoName, Subject, Usd, Wait};

use super::Context;
use super::budget::Budget;

/// What this plan lets begin: runs and claims on their way to one, and what they may cost.
#[derive(Default)]
pub(super) struct Begun(BTreeMap<(RepoName, FormulaName), (u32, Usd)>);

impl Begun {
    pub(super) fn begin(&mut self, repo: &RepoName, formula: &Formula, usd_run: Usd) {
        let (runs, reserved) = self.0.entry((repo.clone(), formula.name.clone())).or_default();
        *runs += 1;
        *reserved += usd_run;
    }

    fn of(&self, repo: &RepoName, formula: &FormulaName) -> (u32, Usd) {
        self.0.get(&(repo.clone(), formula.clone())).copied().unwrap_or_default()
    }
}

impl Context<'_> {
    /// What a formula had of the day, where that does not leave it another run.
    pub(super) fn over_quota(&self, subject: &Subject, formula: &Formula, begun: &Begun) -> Option<Wait> {
        let project = self.ledger.projects.get(&subject.repo)?;
        let used = project.used_on(&formula.name, &self.now.day());
        let (runs, coming) = begun.of(&subject.repo, &formula.name);
        let wait = |of| Some(Wait::Quota { formula: formula.name.clone(), of, until: self.now.next_day() });
        if let Some(limit) = formula.limits.runs_day.filter(|limit| used.runs + runs >= *limit) {
            return wait(Quota::Runs { limit });
        }
        let limit = formula.limits.usd_day?;
        let lives = project.issues.values().flat_map(IssueState::lives).filter(|run| run.formula.name == formula.name);
        let reserved = lives.map(|run| self.policy.usd_run_of(&run.formula).minus(run.cost)).sum::<Usd>() + coming;
        let budget = Budget { what: BudgetOf::Day, spent: used.spent, reserved, limit, mark: None };
        match budget.pays_for(self.policy.usd_run_of(formula)) {
            true => None,
            false => wait(Quota::Usd { spent: used.spent, reserved, limit }),
        }
    }
}
