//! How much an action of the vault could break.

use crate::model::{Action, ActionWork};
use crate::tier::{self, Policy, Tier};
use crate::vault::Known;

/// The tier of an action, and why: the policy's word for its formula, else the formula's own, else high. What it asks for itself only raises.
pub fn tier_of_action(policy: &Policy, known: &Known, action: &Action) -> Tier {
    match &action.work {
        ActionWork::Formula(work) => {
            let own = known.formulas.get(&work.formula).copied().flatten();
            tier::of_action(policy, work.formula.as_str(), own, action.blast_radius)
        }
        ActionWork::Person(_) => tier::of_persons_action(policy, action.blast_radius),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Risk;

    fn tier(text: &str) -> Tier {
        let known = Known { formulas: [("mow".into(), Some(Risk::Medium)), ("odd".into(), None)].into(), ..Known::default() };
        let policy = Policy::parse("vault/policy.toml", "[tiers]\nodd = \"low\"\n").expect("a policy");
        let action =
            crate::vault::action("vault/actions/a.toml", "a", &format!("context = \"c\"\n{text}"), &known).expect("an action");
        tier_of_action(&policy, &known, &action)
    }

    #[test]
    fn a_request_only_raises() {
        for (text, wanted) in [
            ("formula = \"mow\"", Risk::Medium),
            ("formula = \"mow\"\nblast_radius = \"low\"", Risk::Medium),
            ("formula = \"mow\"\nblast_radius = \"high\"", Risk::High),
            ("formula = \"odd\"", Risk::Low),
            ("action_required = \"x\"", Risk::High),
            ("action_required = \"x\"\nblast_radius = \"low\"", Risk::High),
        ] {
            assert_eq!(tier(text).tier, wanted, "{text}");
        }
        let ignored = tier("formula = \"mow\"\nblast_radius = \"low\"");
        assert!(ignored.reasons.iter().any(|reason| reason.why.contains("ignored")), "{ignored:?}");
    }
}
