//! The formulas and templates in the binary.

use std::collections::BTreeMap;

use super::load;
use crate::model::{Formula, FormulaName};

const FORMULAS: &[(&str, &str)] = &[
    ("triage", include_str!("../../../formulas/triage.toml")),
    ("fix", include_str!("../../../formulas/fix.toml")),
    ("reproduce", include_str!("../../../formulas/reproduce.toml")),
    ("diagnose", include_str!("../../../formulas/diagnose.toml")),
    ("verify-fix", include_str!("../../../formulas/verify-fix.toml")),
    ("review", include_str!("../../../formulas/review.toml")),
    ("revise", include_str!("../../../formulas/revise.toml")),
    ("update", include_str!("../../../formulas/update.toml")),
    ("groom", include_str!("../../../formulas/groom.toml")),
    ("predict", include_str!("../../../formulas/predict.toml")),
    ("parents", include_str!("../../../formulas/parents.toml")),
    ("plan", include_str!("../../../formulas/plan.toml")),
    ("epic", include_str!("../../../formulas/epic.toml")),
    ("architect", include_str!("../../../formulas/architect.toml")),
    ("supervise", include_str!("../../../formulas/supervise.toml")),
    ("release", include_str!("../../../formulas/release.toml")),
];

const PROMPTS: &[(&str, &str)] = &[
    ("triage.md", include_str!("../../../prompts/triage.md")),
    ("fix.md", include_str!("../../../prompts/fix.md")),
    ("breakdown.md", include_str!("../../../prompts/breakdown.md")),
    ("pull-request.md", include_str!("../../../prompts/pull-request.md")),
    ("reproduce.md", include_str!("../../../prompts/reproduce.md")),
    ("reproduced.md", include_str!("../../../prompts/reproduced.md")),
    ("fix-verified.md", include_str!("../../../prompts/fix-verified.md")),
    ("partials/not-reproduced.md", include_str!("../../../prompts/partials/not-reproduced.md")),
    ("diagnose.md", include_str!("../../../prompts/diagnose.md")),
    ("diagnosis.md", include_str!("../../../prompts/diagnosis.md")),
    ("fix-of-a-cause.md", include_str!("../../../prompts/fix-of-a-cause.md")),
    ("partials/outside.md", include_str!("../../../prompts/partials/outside.md")),
    ("partials/verification-failed.md", include_str!("../../../prompts/partials/verification-failed.md")),
    ("review.md", include_str!("../../../prompts/review.md")),
    ("revise.md", include_str!("../../../prompts/revise.md")),
    ("reviewed.md", include_str!("../../../prompts/reviewed.md")),
    ("groom.md", include_str!("../../../prompts/groom.md")),
    ("groomed-question.md", include_str!("../../../prompts/groomed-question.md")),
    ("groomed-duplicate.md", include_str!("../../../prompts/groomed-duplicate.md")),
    ("parts-done.md", include_str!("../../../prompts/parts-done.md")),
    ("groomed-debt.md", include_str!("../../../prompts/groomed-debt.md")),
    ("predict.md", include_str!("../../../prompts/predict.md")),
    ("prediction.md", include_str!("../../../prompts/prediction.md")),
    ("plan.md", include_str!("../../../prompts/plan.md")),
    ("constraint.md", include_str!("../../../prompts/constraint.md")),
    ("prediction-answered.md", include_str!("../../../prompts/prediction-answered.md")),
    ("epic.md", include_str!("../../../prompts/epic.md")),
    ("epic-prompt.md", include_str!("../../../prompts/epic-prompt.md")),
    ("epic-next.md", include_str!("../../../prompts/epic-next.md")),
    ("epic-pull-request.md", include_str!("../../../prompts/epic-pull-request.md")),
    ("epic-not-done.md", include_str!("../../../prompts/epic-not-done.md")),
    ("epic-left.md", include_str!("../../../prompts/epic-left.md")),
    ("epic-task-done.md", include_str!("../../../prompts/epic-task-done.md")),
    ("partials/evidence.md", include_str!("../../../prompts/partials/evidence.md")),
    ("supervise.md", include_str!("../../../prompts/supervise.md")),
    ("supervised.md", include_str!("../../../prompts/supervised.md")),
    ("supervised-cause.md", include_str!("../../../prompts/supervised-cause.md")),
    ("supervised-asked.md", include_str!("../../../prompts/supervised-asked.md")),
    ("supervised-pending.md", include_str!("../../../prompts/supervised-pending.md")),
    ("supervised-well.md", include_str!("../../../prompts/supervised-well.md")),
    ("architect.md", include_str!("../../../prompts/architect.md")),
    ("sprint-asked.md", include_str!("../../../prompts/sprint-asked.md")),
    ("sprint.md", include_str!("../../../prompts/sprint.md")),
    ("sprint-filed.md", include_str!("../../../prompts/sprint-filed.md")),
    ("sprint-wrong.md", include_str!("../../../prompts/sprint-wrong.md")),
    ("sprint-rejected.md", include_str!("../../../prompts/sprint-rejected.md")),
    ("release.md", include_str!("../../../prompts/release.md")),
    ("release-pull-request.md", include_str!("../../../prompts/release-pull-request.md")),
    ("release-not-due.md", include_str!("../../../prompts/release-not-due.md")),
    ("release-asked.md", include_str!("../../../prompts/release-asked.md")),
    ("release-told.md", include_str!("../../../prompts/release-told.md")),
];

const SCHEMAS: &[(&str, &str)] = &[
    ("triage-result", include_str!("../../../formulas/schemas/triage-result.json")),
    ("fix-result", include_str!("../../../formulas/schemas/fix-result.json")),
    ("reproduction", include_str!("../../../formulas/schemas/reproduction.json")),
    ("diagnosis", include_str!("../../../formulas/schemas/diagnosis.json")),
    ("review-result", include_str!("../../../formulas/schemas/review-result.json")),
    ("revise-result", include_str!("../../../formulas/schemas/revise-result.json")),
    ("grooming", include_str!("../../../formulas/schemas/grooming.json")),
    ("predictions", include_str!("../../../formulas/schemas/predictions.json")),
    ("plan", include_str!("../../../formulas/schemas/plan.json")),
    ("sprint", include_str!("../../../formulas/schemas/sprint.json")),
    ("supervision", include_str!("../../../formulas/schemas/supervision.json")),
    ("release", include_str!("../../../formulas/schemas/release.json")),
];

const TESTS: &[(&str, &str)] = &[
    ("triage-queue", include_str!("../../../formulas/tests/triage-queue.toml")),
    ("triage-interactive", include_str!("../../../formulas/tests/triage-interactive.toml")),
    ("triage-needs-info", include_str!("../../../formulas/tests/triage-needs-info.toml")),
    ("triage-no-answer", include_str!("../../../formulas/tests/triage-no-answer.toml")),
    ("fix-done", include_str!("../../../formulas/tests/fix-done.toml")),
    ("fix-untitled", include_str!("../../../formulas/tests/fix-untitled.toml")),
    ("fix-mended", include_str!("../../../formulas/tests/fix-mended.toml")),
    ("fix-fails", include_str!("../../../formulas/tests/fix-fails.toml")),
    ("fix-no-change", include_str!("../../../formulas/tests/fix-no-change.toml")),
    ("fix-refused", include_str!("../../../formulas/tests/fix-refused.toml")),
    ("diagnose-found", include_str!("../../../formulas/tests/diagnose-found.toml")),
    ("diagnose-not-found", include_str!("../../../formulas/tests/diagnose-not-found.toml")),
    ("review-approves", include_str!("../../../formulas/tests/review-approves.toml")),
    ("review-asks-for-changes", include_str!("../../../formulas/tests/review-asks-for-changes.toml")),
    ("update-verifies", include_str!("../../../formulas/tests/update-verifies.toml")),
    ("update-fails", include_str!("../../../formulas/tests/update-fails.toml")),
    ("revise-answers", include_str!("../../../formulas/tests/revise-answers.toml")),
    ("revise-commented", include_str!("../../../formulas/tests/revise-commented.toml")),
    ("revise-disagrees", include_str!("../../../formulas/tests/revise-disagrees.toml")),
    ("revise-red", include_str!("../../../formulas/tests/revise-red.toml")),
    ("revise-unfit", include_str!("../../../formulas/tests/revise-unfit.toml")),
    ("revise-refused", include_str!("../../../formulas/tests/revise-refused.toml")),
    ("groom-finds", include_str!("../../../formulas/tests/groom-finds.toml")),
    ("groom-nothing-moved", include_str!("../../../formulas/tests/groom-nothing-moved.toml")),
    ("groom-closes-what-is-done", include_str!("../../../formulas/tests/groom-closes-what-is-done.toml")),
    ("predict-files", include_str!("../../../formulas/tests/predict-files.toml")),
    ("predict-nothing-moved", include_str!("../../../formulas/tests/predict-nothing-moved.toml")),
    ("diagnose-reproduced", include_str!("../../../formulas/tests/diagnose-reproduced.toml")),
    ("fix-reproduced", include_str!("../../../formulas/tests/fix-reproduced.toml")),
    ("reproduce-asks", include_str!("../../../formulas/tests/reproduce-asks.toml")),
    ("reproduce-cannot", include_str!("../../../formulas/tests/reproduce-cannot.toml")),
    ("reproduce-mended", include_str!("../../../formulas/tests/reproduce-mended.toml")),
    ("reproduce-passes", include_str!("../../../formulas/tests/reproduce-passes.toml")),
    ("reproduce-proved", include_str!("../../../formulas/tests/reproduce-proved.toml")),
    ("triage-clear-bug", include_str!("../../../formulas/tests/triage-clear-bug.toml")),
    ("triage-unclear-bug-alone", include_str!("../../../formulas/tests/triage-unclear-bug-alone.toml")),
    ("triage-unclear-bug", include_str!("../../../formulas/tests/triage-unclear-bug.toml")),
    ("triage-vague-bug", include_str!("../../../formulas/tests/triage-vague-bug.toml")),
    ("verify-fix-fails", include_str!("../../../formulas/tests/verify-fix-fails.toml")),
    ("verify-fix-of-another", include_str!("../../../formulas/tests/verify-fix-of-another.toml")),
    ("verify-fix-passes", include_str!("../../../formulas/tests/verify-fix-passes.toml")),
    ("parents-done", include_str!("../../../formulas/tests/parents-done.toml")),
    ("parents-open", include_str!("../../../formulas/tests/parents-open.toml")),
    ("plan-files-at-the-constraint", include_str!("../../../formulas/tests/plan-files-at-the-constraint.toml")),
    ("plan-wrong-tree", include_str!("../../../formulas/tests/plan-wrong-tree.toml")),
    ("plan-nothing-moved", include_str!("../../../formulas/tests/plan-nothing-moved.toml")),
    ("plan-waits-for-its-constraint", include_str!("../../../formulas/tests/plan-waits-for-its-constraint.toml")),
    ("epic-starts-the-next-block", include_str!("../../../formulas/tests/epic-starts-the-next-block.toml")),
    ("epic-starts-the-named-block", include_str!("../../../formulas/tests/epic-starts-the-named-block.toml")),
    ("epic-prints", include_str!("../../../formulas/tests/epic-prints.toml")),
    ("epic-runs", include_str!("../../../formulas/tests/epic-runs.toml")),
    ("epic-refused", include_str!("../../../formulas/tests/epic-refused.toml")),
    ("epic-merged", include_str!("../../../formulas/tests/epic-merged.toml")),
    ("epic-merged-in-part", include_str!("../../../formulas/tests/epic-merged-in-part.toml")),
    ("epic-nothing-open", include_str!("../../../formulas/tests/epic-nothing-open.toml")),
    ("architect-writes", include_str!("../../../formulas/tests/architect-writes.toml")),
    ("architect-waits", include_str!("../../../formulas/tests/architect-waits.toml")),
    ("architect-accepted", include_str!("../../../formulas/tests/architect-accepted.toml")),
    ("architect-merged", include_str!("../../../formulas/tests/architect-merged.toml")),
    ("architect-answered", include_str!("../../../formulas/tests/architect-answered.toml")),
    ("architect-rejected", include_str!("../../../formulas/tests/architect-rejected.toml")),
    ("architect-cannot-read", include_str!("../../../formulas/tests/architect-cannot-read.toml")),
    ("architect-of-another", include_str!("../../../formulas/tests/architect-of-another.toml")),
    ("supervise-all-well", include_str!("../../../formulas/tests/supervise-all-well.toml")),
    ("supervise-mends", include_str!("../../../formulas/tests/supervise-mends.toml")),
    ("supervise-says-why", include_str!("../../../formulas/tests/supervise-says-why.toml")),
    ("supervise-asks-the-vault", include_str!("../../../formulas/tests/supervise-asks-the-vault.toml")),
    ("supervise-knows-already", include_str!("../../../formulas/tests/supervise-knows-already.toml")),
    ("supervise-closes", include_str!("../../../formulas/tests/supervise-closes.toml")),
    ("release-due", include_str!("../../../formulas/tests/release-due.toml")),
    ("release-first", include_str!("../../../formulas/tests/release-first.toml")),
    ("release-nothing-came", include_str!("../../../formulas/tests/release-nothing-came.toml")),
    ("release-not-due", include_str!("../../../formulas/tests/release-not-due.toml")),
    ("release-merged", include_str!("../../../formulas/tests/release-merged.toml")),
    ("predict-enough-are-open", include_str!("../../../formulas/tests/predict-enough-are-open.toml")),
];

/// The shipped formulas. Who needs a few takes [`shipped_formula`]: to read and check all of them takes as long as a start may.
pub fn shipped() -> BTreeMap<FormulaName, Formula> {
    FORMULAS.iter().map(|(name, text)| (FormulaName::from(*name), read(name, text))).collect()
}

/// The first of the shipped formulas that is as asked.
pub fn shipped_that(is: impl Fn(&Formula) -> bool) -> Option<FormulaName> {
    FORMULAS.iter().map(|(name, text)| read(name, text)).find(|formula| is(formula)).map(|formula| formula.name)
}

/// A shipped formula.
pub fn shipped_formula(name: &str) -> Option<Formula> {
    shipped_text(name).map(|text| read(name, text))
}

fn read(name: &str, text: &str) -> Formula {
    let formula = load(&format!("formulas/{name}.toml"), text, &|prompt| shipped_prompt(prompt).map(str::to_owned));
    // A constant of this program, loaded by its tests.
    formula.unwrap_or_else(|faults| unreachable!("a shipped formula: {:?}", faults.lines()))
}

/// The names of the shipped formulas.
pub fn shipped_names() -> Vec<String> {
    FORMULAS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// The text of a shipped formula, for those who start from it.
pub fn shipped_text(name: &str) -> Option<&'static str> {
    FORMULAS.iter().find_map(|(known, text)| (*known == name).then_some(*text))
}

/// A shipped template: what stands where a folder has none of its own of that name.
pub fn shipped_prompt(name: &str) -> Option<&'static str> {
    PROMPTS.iter().find_map(|(known, text)| (*known == name).then_some(*text))
}

/// The names of the shipped schemas of outputs.
pub fn shipped_schema_names() -> Vec<String> {
    SCHEMAS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// A shipped schema of an output.
pub fn shipped_schema(name: &str) -> Option<&'static str> {
    SCHEMAS.iter().find_map(|(known, text)| (*known == name).then_some(*text))
}

/// The recorded tests of the shipped formulas, each with the name of its file.
pub fn shipped_tests() -> impl Iterator<Item = (&'static str, &'static str)> {
    TESTS.iter().copied()
}
