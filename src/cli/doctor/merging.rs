//! What would keep a project's pull requests from being merged without a person, where it wants that.

use crate::formula::shipped_that;
use crate::model::{Formula, JournalId, MergeRule, StepKind};

use super::Check;
use super::forge::Bedside;

const NAME: &str = "merge";

/// Whether what is low could be merged; none where a person merges all.
pub(super) fn merging(bedside: &Bedside<'_>) -> Option<Check> {
    let (project, setup) = (bedside.project, &bedside.patient.setup);
    let repo = &project.repo;
    let what = match project.merge {
        MergeRule::Never => return None,
        MergeRule::Low => "what is low is merged without a person",
        MergeRule::Policy => "what is low is merged without a person, the rest when it is approved",
    };
    let formulas = match setup.policy(JournalId(String::new())) {
        Ok(policy) => policy.projects.get(repo).map(|project| project.formulas.clone()).unwrap_or_default(),
        Err(error) => return Some(Check::error(NAME, &error)),
    };
    let brought_up = |says: String| match formulas.values().any(Formula::updates) {
        true => Some(Check::ok(NAME, says)),
        false => {
            let says = format!("{says}; one whose base moved on waits for a person to bring it up");
            Some(Check::warn(NAME, says, added(Formula::updates)))
        }
    };
    if !project.review {
        return brought_up(format!("{repo}: {what}, and nobody has to review it"));
    }
    let Some(review) = formulas.values().find(|formula| formula.reviews()) else {
        let says = format!("{repo}: {what}, but only with an approval, and no formula that is on reviews");
        let mend = format!("{}, or write review = \"off\"; else a person has to approve each one", added(Formula::reviews));
        return Some(Check::warn(NAME, says, &mend));
    };
    let crew = setup.crew();
    let reviewer = crew.author_of(review);
    let opens = |formula: &&Formula| formula.opens_pull() && crew.author_of(formula).name == reviewer.name;
    if !reviewer.identity || formulas.values().any(|formula| opens(&formula)) {
        let says = format!(
            "{repo}: agent `{}` reviews as whoever opens the pull request, so its approval does not count",
            reviewer.name
        );
        let role = review.steps.iter().find_map(|step| match &step.kind {
            StepKind::Agent { role, .. } => Some(role.as_str()),
            _ => None,
        });
        let role = role.unwrap_or(review.name.as_str());
        let mend =
            format!("give the role `{role}` to an agent with `token_env` of another account: [agents.NAME] roles = [\"{role}\"]");
        return Some(Check::warn(NAME, says, &mend));
    }
    brought_up(format!("{repo}: {what}; agent `{}` reviews", reviewer.name))
}

/// How the shipped formula comes in that does something.
fn added(does: impl Fn(&Formula) -> bool) -> String {
    let name = shipped_that(does).map_or_else(String::new, |name| format!("\"{name}\""));
    format!("add {name} to `formulas` of the project")
}
