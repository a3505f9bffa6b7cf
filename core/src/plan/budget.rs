//! What is spent of each budget, what is kept for runs that live, and when it is time to say so.
//!
//! Promises: what lives counts with all that it may still spend, so that runs side by side cannot spend a budget twice; at 80 % of a
//! budget, and where it does not pay for another run, an event says so once a day (of a run once).

use crate::ledger::Ledger;
use crate::model::{BudgetOf, Event, RepoName, Timestamp, Usd};

use super::{Action, Context, Plan, Policy, View, admit};

/// The mark from which on a budget is spoken of, in percent.
const WARN: u64 = 80;
/// The mark of a budget that pays for no further run.
const SPENT: u8 = 100;

/// A budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Whose.
    pub what: BudgetOf,
    /// Spent.
    pub spent: Usd,
    /// Kept for what lives, beside what that has spent.
    pub reserved: Usd,
    /// The limit.
    pub limit: Usd,
    /// The mark that it has passed: 80, or 100 where what is left does not pay for another run. A run's is at most 80: at its end the
    /// gateway stops the run.
    pub mark: Option<u8>,
}

impl Budget {
    /// How much of it is spent; of nothing, nothing.
    pub fn percent(&self) -> u64 {
        self.spent.0.saturating_mul(100).checked_div(self.limit.0).unwrap_or(0)
    }

    /// Whether what is left pays for a run.
    pub(super) fn pays_for(&self, run: Usd) -> bool {
        // A limit of nothing pays for what costs nothing.
        let pays = self.limit > Usd(0) || run == Usd(0);
        pays && self.spent + self.reserved + run.min(self.limit) <= self.limit
    }

    fn marked(mut self, run: Usd) -> Self {
        let spent = Self { reserved: Usd(0), ..self.clone() };
        self.mark = match &self.what {
            BudgetOf::Day | BudgetOf::Project { .. } if !spent.pays_for(run) => Some(SPENT),
            _ if self.percent() >= WARN => u8::try_from(WARN).ok(),
            _ => None,
        };
        self
    }
}

/// All budgets: the day's, each project's, and those of the runs that live.
pub fn budgets(ledger: &Ledger, policy: &Policy, now: Timestamp) -> Vec<Budget> {
    let view = View::default();
    let context = Context { ledger, view: &view, policy, now };
    let projects = policy.projects.keys().map(|repo| context.project_budget(repo));
    let runs = ledger.issues().filter_map(|(_, state)| state.live_run()).map(|run| Budget {
        what: BudgetOf::Run { run: run.id.clone() },
        spent: run.cost,
        reserved: Usd(0),
        limit: policy.usd_run,
        mark: None,
    });
    std::iter::once(context.day_budget()).chain(projects).chain(runs).map(|b| b.marked(policy.usd_run)).collect()
}

/// Says of budgets that they come to their end.
pub(super) fn warn(context: &Context<'_>, plan: &mut Plan) {
    let today = context.now.day();
    let said = |budget: &Budget, mark: u8| {
        context.ledger.warned.get(&budget.what).is_some_and(|warned| {
            let current = matches!(budget.what, BudgetOf::Run { .. }) || (warned.day == today && warned.limit == budget.limit);
            current && warned.at_percent >= mark
        })
    };
    let news = budgets(context.ledger, context.policy, context.now).into_iter().filter_map(|budget| {
        let at_percent = budget.mark.filter(|mark| !said(&budget, *mark))?;
        Some(Event::BudgetWarned { what: budget.what, at_percent, spent: budget.spent, limit: budget.limit })
    });
    let news: Vec<Event> = news.collect();
    if !news.is_empty() {
        plan.actions.push(Action::Record(news));
    }
}

impl Context<'_> {
    pub(super) fn day_budget(&self) -> Budget {
        let spent = self.ledger.spent_on(&self.now.day());
        Budget { what: BudgetOf::Day, spent, reserved: self.reserved(None), limit: self.policy.usd_day, mark: None }
    }

    pub(super) fn project_budget(&self, repo: &RepoName) -> Budget {
        let spent = self.ledger.projects.get(repo).map_or(Usd(0), |p| p.spent_on(&self.now.day()));
        let limit = self.policy.projects.get(repo).map_or(Usd(0), |p| p.usd_day);
        Budget { what: BudgetOf::Project { repo: repo.clone() }, spent, reserved: self.reserved(Some(repo)), limit, mark: None }
    }

    /// What runs that live, and claims on their way to one, may still spend.
    fn reserved(&self, of: Option<&RepoName>) -> Usd {
        let under_care = |repo: &RepoName| self.policy.projects.contains_key(repo) && of.is_none_or(|of| of == repo);
        let issues = self.ledger.issues().filter(|(subject, _)| under_care(&subject.repo));
        let kept = issues.map(|(_, state)| match state.live_run() {
            Some(run) => self.policy.usd_run.minus(run.cost),
            None if admit::is_claiming(state) => self.policy.usd_run,
            None => Usd(0),
        });
        kept.sum()
    }
}
