//! What would keep a project's pull requests from being merged without a person, where it wants that.

use crate::model::{Formula, FormulaName, JournalId, MergeRule};

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
            Some(Check::warn(NAME, says, "add \"update\" to `formulas` of the project"))
        }
    };
    if !project.review {
        return brought_up(format!("{repo}: {what}, and nobody has to review it"));
    }
    let Some(review) = formulas.values().find(|formula| formula.reviews()) else {
        let says = format!("{repo}: {what}, but only with an approval, and no formula that is on reviews");
        let mend =
            "add \"review\" to `formulas` of the project, or write review = \"off\"; else a person has to approve each one";
        return Some(Check::warn(NAME, says, mend));
    };
    let crew = setup.crew();
    let reviewer = crew.author_of(review);
    let author = formulas.get(&FormulaName::from("fix")).map(|fix| crew.author_of(fix));
    if !reviewer.identity || author.is_some_and(|author| author.name == reviewer.name) {
        let says = format!(
            "{repo}: agent `{}` reviews as whoever opens the pull request, so its approval does not count",
            reviewer.name
        );
        let mend = "give the role `review` to an agent with `token_env` of another account: [agents.NAME] roles = [\"review\"]";
        return Some(Check::warn(NAME, says, mend));
    }
    brought_up(format!("{repo}: {what}; agent `{}` reviews", reviewer.name))
}
