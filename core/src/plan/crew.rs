//! Who works: which agent has which role, and on which accounts it works.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Access, AccountName, AgentName, Formula, StepKind, Usd};

/// Who works.
#[derive(Clone, Debug, PartialEq)]
pub struct Crew {
    /// Has every role that no other one has.
    pub usual: Member,
    /// The others, no role twice.
    pub others: Vec<Member>,
    /// What may be spent in a UTC day on an account that has a quota of its own.
    pub usd_day: BTreeMap<AccountName, Usd>,
}

/// An agent, as far as the plan is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: AgentName,
    /// The roles that it has.
    pub roles: BTreeSet<String>,
    /// Its accounts, the first one that can be used is; none where it needs none.
    pub accounts: Vec<AccountName>,
    /// It has an identity of its own on the forge.
    pub identity: bool,
}

impl Default for Crew {
    /// One agent on one account.
    fn default() -> Self {
        let accounts = vec![AccountName::usual()];
        let usual = Member { name: AgentName::usual(), roles: BTreeSet::new(), accounts, identity: false };
        Self { usual, others: Vec::new(), usd_day: BTreeMap::new() }
    }
}

impl Crew {
    /// The agent that has a role.
    pub fn of_role(&self, role: &str) -> &Member {
        self.others.iter().find(|m| m.roles.contains(role)).unwrap_or(&self.usual)
    }

    /// The agent whose work a formula's commits and pull request are: of its first step that writes, else of its first one.
    pub fn author_of(&self, formula: &Formula) -> &Member {
        let roles = || {
            formula.steps.iter().filter_map(|step| match &step.kind {
                StepKind::Agent { role, access, .. } => Some((role.as_str(), *access)),
                StepKind::Verify { .. }
                | StepKind::Run { .. }
                | StepKind::Propose(_)
                | StepKind::Gate(_)
                | StepKind::Enter { .. }
                | StepKind::Leave { .. } => None,
            })
        };
        let role = roles().find(|(_, access)| *access == Access::Write).or_else(|| roles().next());
        role.map_or(&self.usual, |(role, _)| self.of_role(role))
    }

    /// Everybody.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.usual).chain(&self.others)
    }
}
