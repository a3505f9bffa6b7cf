//! Which account an agent works on now, or why on none; and which sign-in is to be renewed.
//!
//! A sign-in is renewed only when somebody needs it: an issue that could start, or a run that works on it. An idle daemon renews nothing.

use crate::ledger::{AccountState, RunState};
use crate::model::{AccountName, Event, Formula, HandOutcome, Intent, RunOutcome, Standing, StepKind, Timestamp, Usd, Wait};

use super::{Action, Context, Member, Plan};

/// Renews what is waited for, and what a run works on that is about to end.
pub(super) fn renew(context: &Context<'_>, plan: &mut Plan) {
    let waited = plan.waits.values().filter_map(|wait| match wait {
        Wait::Renewing { account } => Some(account),
        _ => None,
    });
    let used = context.ledger.issues().filter_map(|(_, state)| state.live_run()).flat_map(RunState::accounts);
    let mut wanted: Vec<AccountName> =
        waited.chain(used).filter(|account| context.can_renew(account).is_some()).cloned().collect();
    wanted.sort();
    wanted.dedup();
    plan.actions.extend(wanted.into_iter().map(Action::Renew));
}

impl Context<'_> {
    /// A usage limit or an unreachable model pauses the account, so that nothing else starts in vain.
    pub(super) fn pause(&self, account: Option<&AccountName>, outcome: &RunOutcome) -> Option<Event> {
        let RunOutcome::Hand { how } = outcome else { return None };
        let growing = self.now + self.policy.retry_after(self.failures(account) + 1);
        let account = account.cloned();
        match how {
            HandOutcome::UsageLimit { until } => {
                let until = until.filter(|until| *until > self.now).unwrap_or(self.now + self.policy.trouble_pause);
                Some(Event::AccountPaused { until, why: "the usage limit is reached".into(), account })
            }
            HandOutcome::Unreachable { why, credentials } => {
                let until = if *credentials { self.now + self.policy.trouble_pause } else { growing };
                Some(Event::AccountPaused { until, why: why.clone(), account })
            }
            HandOutcome::Succeeded
            | HandOutcome::Stalled
            | HandOutcome::TimedOut
            | HandOutcome::Budget { .. }
            | HandOutcome::Crashed { .. }
            | HandOutcome::Cancelled
            | HandOutcome::Interrupted => None,
        }
    }

    /// The account that an agent works on now: the first of its that can be used. None where it needs none.
    pub(super) fn account(&self, member: &Member) -> Result<Option<AccountName>, Wait> {
        let mut first = None;
        for account in &member.accounts {
            match self.account_wait(account) {
                None => return Ok(Some(account.clone())),
                // It takes a moment, and the first account is first for a reason.
                Some(wait @ Wait::Renewing { .. }) => return Err(first.unwrap_or(wait)),
                Some(wait) => {
                    first.get_or_insert(wait);
                }
            }
        }
        first.map_or(Ok(None), Err)
    }

    /// Why a formula cannot start on the accounts of those who do its steps.
    pub(super) fn accounts_wait(&self, formula: &Formula) -> Option<Wait> {
        formula.steps.iter().find_map(|step| match &step.kind {
            StepKind::Agent { role, hire, .. } => self.account(self.policy.crew.of_step(role, hire)).err(),
            StepKind::Verify { .. }
            | StepKind::Run { .. }
            | StepKind::Propose(_)
            | StepKind::Gate(_)
            | StepKind::Enter { .. }
            | StepKind::Leave { .. } => None,
        })
    }

    /// Why no agent could go on now that was begun. What its run may cost is kept for it, so that its account's quota does not hold it.
    pub(super) fn no_agent(&self, intent: &Intent) -> Option<Wait> {
        let Intent::Agent { agent, .. } = intent else { return None };
        let member = self.policy.crew.members().find(|member| agent.as_ref() == Some(&member.name))?;
        self.account(member).err().filter(|wait| !matches!(wait, Wait::Budget { .. }))
    }

    fn account_wait(&self, account: &AccountName) -> Option<Wait> {
        self.credentials_wait(account).or_else(|| self.paused(account)).or_else(|| self.account_budget(account))
    }

    fn credentials_wait(&self, account: &AccountName) -> Option<Wait> {
        let account = account.clone();
        match self.view.standings.get(&account) {
            None | Some(Standing::Ready | Standing::Ending { .. }) => None,
            Some(Standing::Missing) => Some(Wait::NoCredentials),
            Some(Standing::Ended { .. }) if self.view.renewing.contains(&account) || self.can_renew(&account).is_some() => {
                Some(Wait::Renewing { account })
            }
            Some(Standing::Ended { at, renewable }) => {
                let failed = self.view.not_renewed.get(&account).filter(|_| *renewable);
                let why = failed.map_or_else(|| "only a person can renew it".to_owned(), |(_, why)| why.clone());
                let until = failed.map(|(tried, _)| *tried + self.policy.trouble_pause);
                Some(Wait::SignInEnded { account, since: *at, why, until })
            }
        }
    }

    fn paused(&self, account: &AccountName) -> Option<Wait> {
        let (until, why) = self.ledger.accounts.get(account)?.paused.as_ref().filter(|(until, _)| *until > self.now)?;
        Some(Wait::AccountPaused { account: account.clone(), until: *until, why: why.clone() })
    }

    /// An account's own quota for the day.
    fn account_budget(&self, account: &AccountName) -> Option<Wait> {
        let limit = *self.policy.crew.usd_day.get(account)?;
        let spent = self.ledger.accounts.get(account).map_or(Usd::default(), |a| a.spent_on(&self.now.day()));
        let live = self
            .ledger
            .issues()
            .filter_map(|(_, state)| state.live_run())
            .filter(|run| run.accounts().any(|used| used == account));
        let reserved: Usd = live.map(|run| self.policy.usd_run.minus(run.cost)).sum();
        let over = spent + reserved + self.policy.usd_run.min(limit) > limit;
        let until = Some(self.now.next_day());
        over.then(|| Wait::Budget { which: format!("account {account}"), spent, reserved, limit, until })
    }

    /// When the sign-in of an account ends, if it is to be renewed now.
    fn can_renew(&self, account: &AccountName) -> Option<Timestamp> {
        let (Standing::Ending { at } | Standing::Ended { at, renewable: true }) = self.view.standings.get(account)? else {
            return None;
        };
        let tried = self.view.not_renewed.get(account).map(|(tried, _)| *tried + self.policy.trouble_pause);
        let may = !self.view.renewing.contains(account) && tried.is_none_or(|again| self.now >= again) && !self.view.halting;
        may.then_some(*at)
    }

    /// How often an account was paused in a row.
    pub(super) fn failures(&self, account: Option<&AccountName>) -> u32 {
        let state: Option<&AccountState> = account.and_then(|a| self.ledger.accounts.get(a));
        state.map_or(0, |state| state.failures)
    }
}
