//! Roles that nobody has, so that the default agent does their steps.
//!
//! Promises: where the configuration gives no agent a role, nothing is said, because the default agent does all. A role of a shipped formula
//! that no agent has is the default agent's by design, unless an agent has a role much like it that no formula asks for.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::nearest;
use crate::model::{Crew, Formula, StepId, StepKind};

/// The roles of the shipped formulas.
const SHIPPED: [&str; 11] =
    ["architect", "dev", "diagnose", "groom", "plan", "predict", "release", "reproduce", "review", "supervise", "triage"];

/// A role that falls to the default agent, and is hardly meant to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheld {
    /// It.
    pub role: String,
    /// The first step that it does.
    pub step: StepId,
    /// What is to be said of it.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// The roles that formulas ask for.
pub fn asked_for<'f>(formulas: impl IntoIterator<Item = &'f Formula>) -> BTreeSet<&'f str> {
    formulas.into_iter().flat_map(roles).map(|(role, _)| role).collect()
}

/// The roles of a formula that no agent has. `asked` is what all formulas ask for that are on, where that is known.
pub fn unheld(formula: &Formula, crew: &Crew, asked: Option<&BTreeSet<&str>>) -> Vec<Unheld> {
    let held: BTreeSet<&str> = crew.members().flat_map(|member| &member.roles).map(String::as_str).collect();
    if held.is_empty() {
        return Vec::new();
    }
    let mut steps: BTreeMap<&str, &StepId> = BTreeMap::new();
    for (role, step) in roles(formula).filter(|(role, _)| !held.contains(role)) {
        steps.entry(role).or_insert(step);
    }
    let one = |(role, step): (&str, &StepId)| {
        let idle = || held.iter().copied().filter(|held| asked.is_some_and(|asked| !asked.contains(held)));
        let right = match SHIPPED.contains(&role) {
            true => Some(nearest(role, idle())?),
            false => nearest(role, held.iter().copied().chain(SHIPPED)),
        };
        let help = match right {
            Some(right) if SHIPPED.contains(&role) => format!("did an agent of the configuration mean it by \"{right}\"?"),
            Some(right) => {
                format!("did you mean \"{right}\"? To give it to an agent, write roles = [\"{role}\"] into its [agents.NAME]")
            }
            None => format!(
                "write roles = [\"{role}\"] into the [agents.NAME] that has it, or agent = \"dev\" for whoever does all else"
            ),
        };
        let what = format!("no agent of the configuration has the role `{role}`, so that the default agent does this");
        Some(Unheld { role: role.to_owned(), step: step.clone(), what, help })
    };
    steps.into_iter().filter_map(one).collect()
}

/// Each agent step with its role.
fn roles(formula: &Formula) -> impl Iterator<Item = (&str, &StepId)> {
    formula.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Agent { role, .. } => Some((role.as_str(), &step.id)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{load, shipped, shipped_prompt};
    use crate::model::{AgentName, Member, Works};

    fn crew(roles: &[&str]) -> Crew {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let one =
            Member { name: AgentName("one".to_owned()), roles, works: Works::Command, accounts: Vec::new(), identity: false };
        Crew { others: vec![one], ..Crew::default() }
    }

    fn asks(role: &str) -> Formula {
        let text = format!(
            "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n[[step]]\nid = \"a\"\nagent = \"{role}\"\n\
             prompt = \"p.md\"\naccess = \"read\"\noutput = \"fix-result\"\n"
        );
        load("it.toml", &text, &|name| shipped_prompt(name).map(str::to_owned).or(Some("Look.".to_owned()))).expect("it is right")
    }

    #[test]
    fn the_roles_of_the_shipped_formulas_are_these() {
        assert_eq!(asked_for(shipped().values()), SHIPPED.into());
    }

    #[test]
    fn a_role_that_nobody_has_is_told_where_others_have_some() {
        let said =
            |role: &str, crew: &Crew| unheld(&asks(role), crew, None).into_iter().map(|found| found.help).collect::<Vec<_>>();
        let own = crew(&["reviewer"]);
        assert!(said("reviwer", &own).first().is_some_and(|help| help.contains("did you mean \"reviewer\"?")));
        assert!(said("rewiev", &own).first().is_some_and(|help| help.contains("did you mean \"review")));
        assert!(said("xyz", &own).first().is_some_and(|help| help.starts_with("write roles = [\"xyz\"]")));
        assert_eq!(said("reviewer", &own), Vec::<String>::new());
        assert_eq!(said("dev", &own), Vec::<String>::new(), "what is shipped is the default agent's");
        assert_eq!(said("reviwer", &crew(&[])), Vec::<String>::new(), "the default agent does all");
        assert_eq!(said("reviwer", &Crew::default()), Vec::<String>::new());
    }

    #[test]
    fn a_role_that_the_configuration_misspells_is_told() {
        let formula = asks("review");
        let asked = asked_for([&formula]);
        let found = unheld(&formula, &crew(&["reviw"]), Some(&asked));
        assert!(found.len() == 1 && found[0].help.contains("\"reviw\""), "{found:?}");
        let reviewer = asks("reviewer");
        let asked = asked_for([&formula, &reviewer]);
        assert_eq!(unheld(&formula, &crew(&["reviewer"]), Some(&asked)), [], "another one is asked for that");
    }
}
