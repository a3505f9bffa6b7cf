//! Who works: which agent has which role, and on which accounts it works.

use std::collections::{BTreeMap, BTreeSet};

use super::{Access, AccountName, AgentName, BackendKind, Formula, Grant, Hire, StepKind, Usd};

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
    /// What it is.
    pub works: Works,
    /// Its accounts, the first one that can be used is; none where it needs none.
    pub accounts: Vec<AccountName>,
    /// It has an identity of its own on the forge.
    pub identity: bool,
}

/// What an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Works {
    /// Headless Claude Code.
    Claude {
        /// The model that it works with where nobody says.
        model: String,
    },
    /// A program of one's own.
    Command,
}

impl Works {
    /// Its kind.
    pub fn kind(&self) -> BackendKind {
        match self {
            Self::Claude { .. } => BackendKind::Claude,
            Self::Command => BackendKind::Command,
        }
    }
}

impl Member {
    /// The model that is named for it, where it works with one: an action of the vault comes before the formula.
    pub fn model_for(&self, hire: &Hire, grant: Option<&Grant>) -> Option<String> {
        match self.works {
            Works::Claude { .. } => grant.and_then(|grant| grant.model.clone()).or_else(|| hire.model.clone()),
            Works::Command => None,
        }
    }
}

impl Default for Crew {
    /// One agent on one account.
    fn default() -> Self {
        let accounts = vec![AccountName::usual()];
        let works = Works::Claude { model: "claude-sonnet-5-5".to_owned() };
        let usual = Member { name: AgentName::usual(), roles: BTreeSet::new(), works, accounts, identity: false };
        Self { usual, others: Vec::new(), usd_day: BTreeMap::new() }
    }
}

impl Crew {
    /// The agent that has a role.
    pub fn of_role(&self, role: &str) -> &Member {
        self.others.iter().find(|m| m.roles.contains(role)).unwrap_or(&self.usual)
    }

    /// The agent that does a step of a role: the one that has it, or, where the formula asks for another kind, the first of that kind. Where
    /// none of that kind is left, because the configuration changed under a run, the role decides.
    pub fn of_step(&self, role: &str, hire: &Hire) -> &Member {
        let own = self.of_role(role);
        match hire.backend.filter(|kind| *kind != own.works.kind()) {
            Some(kind) => self.of_kind(kind).next().unwrap_or(own),
            None => own,
        }
    }

    /// Those of a kind that may do the work of any role, the default agent first: whoever has no role does nothing, and
    /// whoever has an identity of its own only what it is named for, so that nobody judges under a name what was done under it.
    pub fn of_kind(&self, kind: BackendKind) -> impl Iterator<Item = &Member> {
        let named = self.others.iter().filter(|member| !member.roles.is_empty() && !member.identity);
        std::iter::once(&self.usual).chain(named).filter(move |member| member.works.kind() == kind)
    }

    /// The agent whose work a formula's commits and pull request are: of its first step that writes, else of its first one.
    pub fn author_of(&self, formula: &Formula) -> &Member {
        let hired = || {
            formula.steps.iter().filter_map(|step| match &step.kind {
                StepKind::Agent { role, access, hire, .. } => Some((role.as_str(), hire, *access)),
                StepKind::Verify { .. }
                | StepKind::Run { .. }
                | StepKind::Propose(_)
                | StepKind::Gate(_)
                | StepKind::Enter { .. }
                | StepKind::Leave { .. } => None,
            })
        };
        let first = hired().find(|(_, _, access)| *access == Access::Write).or_else(|| hired().next());
        first.map_or(&self.usual, |(role, hire, _)| self.of_step(role, hire))
    }

    /// Everybody.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.usual).chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_of_the_vault_comes_before_the_formula_and_a_program_is_told_no_model() {
        let hire = Hire { backend: None, model: Some("small".to_owned()) };
        let grant = |model: Option<&str>| Grant {
            repo: "o/ops".parse().expect("a name"),
            id: "deploy".parse().expect("a name"),
            secrets: Vec::new(),
            mounts: Vec::new(),
            model: model.map(str::to_owned),
            tools: Vec::new(),
            timeout_minutes: None,
        };
        let mut member = Crew::default().usual;
        assert_eq!(member.model_for(&Hire::default(), None), None, "its own");
        assert_eq!(member.model_for(&hire, None).as_deref(), Some("small"));
        assert_eq!(member.model_for(&hire, Some(&grant(None))).as_deref(), Some("small"));
        assert_eq!(member.model_for(&hire, Some(&grant(Some("large")))).as_deref(), Some("large"));
        member.works = Works::Command;
        assert_eq!(member.model_for(&hire, Some(&grant(Some("large")))), None);
    }
}
