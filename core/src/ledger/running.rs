//! What people paused, what they asked for and waits for a look, what was spent, and which budgets were spoken of.

use serde::{Deserialize, Serialize};

use crate::model::{
    AccountName, AgentName, BudgetOf, Command, ModelCall, RunId, Scope, StepId, Subject, Timestamp, Trigger, Usd,
};

use super::Ledger;

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when, by our clock.
    pub since: Timestamp,
    /// Until when, by our clock; until it is resumed where none is given.
    pub until: Option<Timestamp>,
}

/// What was said of a budget last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    /// On which UTC day.
    pub day: String,
    /// At which mark.
    pub at_percent: u8,
    /// The limit by then: of another one it is said again.
    pub limit: Usd,
}

impl Ledger {
    /// The pause that holds for an issue, the widest first.
    pub fn pause_of(&self, subject: &Subject, now: Timestamp) -> Option<(Scope, &Pause)> {
        let scopes =
            [Scope::Everything, Scope::Project { repo: subject.repo.clone() }, Scope::Issue { subject: subject.clone() }];
        scopes.into_iter().find_map(|scope| {
            let pause = self.paused.get(&scope).filter(|pause| pause.holds(now))?;
            Some((scope, pause))
        })
    }

    /// The pauses that hold.
    pub fn pauses(&self, now: Timestamp) -> impl Iterator<Item = (&Scope, &Pause)> {
        self.paused.iter().filter(move |(_, pause)| pause.holds(now))
    }

    pub(super) fn paused(&mut self, what: &Scope, until: Option<Timestamp>, at: Timestamp) {
        self.paused.retain(|_, pause| pause.holds(at));
        self.paused.insert(what.clone(), Pause { since: at, until });
    }

    pub(super) fn commanded(&mut self, command: &Command, at: Timestamp) {
        let (subject, trigger) = match command {
            Command::Retry { subject, .. } => (subject, Trigger::PersonQueued),
            Command::Cancel { subject } => (subject, Trigger::PersonInteractive),
            Command::Pause { .. } | Command::Resume { .. } | Command::Run { .. } => return,
        };
        // A project has no labels that a look could show.
        if let Some(issue) = self.issue_mut(subject).filter(|_| !subject.is_project()) {
            issue.commanded = Some((trigger, at));
            if let Command::Retry { given: Some(wanted), .. } = command {
                issue.given = Some((wanted.formula.clone(), wanted.inputs.clone()));
            }
        }
    }

    pub(super) fn called(&mut self, run: &RunId, call: &ModelCall, step: Option<&StepId>, at: Timestamp) {
        super::spend(&mut self.spent, at.day(), call.cost);
        let Some(subject) = self.runs.get(run).cloned() else { return };
        let formula = self.issue(&subject).and_then(|issue| issue.lives().chain(&issue.run).find(|live| live.id == *run));
        let formula = formula.map(|run| run.formula.name.clone());
        let by = self.issue(&subject).and_then(|issue| issue.run.as_ref()).map(|run| match step.and_then(|step| run.at(step)) {
            Some(at) => (at.agent.clone(), at.account.clone()),
            None => (run.agent.clone(), run.account.clone()),
        });
        let (agent, account) = by.unwrap_or_default();
        let months = self.agents.entry(agent.unwrap_or_else(AgentName::usual)).or_default();
        *months.entry(at.month()).or_default() += call.cost;
        while months.len() > super::MONTHS {
            months.pop_first();
        }
        let account = self.accounts.entry(account.unwrap_or_else(AccountName::usual)).or_default();
        super::spend(&mut account.spent, at.day(), call.cost);
        if call.status == Some(200) {
            account.failures = 0;
        }
        if let Some(project) = self.projects.get_mut(&subject.repo) {
            super::spend(&mut project.spent, at.day(), call.cost);
            if let Some(formula) = formula {
                project.used.entry(formula).or_default().of(&at.day()).spent += call.cost;
            }
        }
        let Some(issue) = self.issue_mut(&subject) else { return };
        issue.cost += call.cost;
        if let Some(run) = issue.run.as_mut() {
            run.cost += call.cost;
            run.unmetered |= call.unmetered;
        }
    }

    pub(super) fn warned(&mut self, what: &BudgetOf, at_percent: u8, limit: Usd, at: Timestamp) {
        let day = at.day();
        let runs = &self.runs;
        self.warned.retain(|of, warned| match of {
            BudgetOf::Run { run } => runs.contains_key(run),
            BudgetOf::Day | BudgetOf::Project { .. } => warned.day == day,
        });
        self.warned.insert(what.clone(), Warned { day, at_percent, limit });
    }
}

impl Pause {
    /// Whether it still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Maps whose keys are no text, written down as pairs.
pub(super) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::ledger) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(in crate::ledger) fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}
