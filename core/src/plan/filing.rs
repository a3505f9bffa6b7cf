//! Issues that a step files: which, and in which order.
//!
//! Promises: a list is worked out and judged once, before the first of it is filed, and journalled; each is filed after those that it waits
//! for; one that was filed is not filed again, whatever is cut in between.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::formula::unfit_label;
use crate::ledger::StepState;
use crate::model::{
    Advance, Expression, Formula, Intent, IssueDraft, IssueNumber, LabelNames, PlannedIssue, Proposal, RunOutcome,
};

use super::run::{Here, advance};
use super::{Action, Context, Next};

/// The longest name under which something is filed once, in bytes.
const LONGEST_NAME: usize = 200;

impl Context<'_> {
    /// The next issue of a step that files some.
    pub(super) fn file(&self, here: Here<'_>, proposal: &Proposal) -> Next {
        let Here { step, at, live } = here;
        let blocks = matches!(proposal, Proposal::Issue { blocks: true, .. } | Proposal::SubIssues { .. });
        let once = match proposal {
            Proposal::Issue { once, .. } | Proposal::SubIssues { once, .. } => once.as_ref(),
            _ => None,
        };
        let mut name = match once.map(|once| self.named(here, once)).transpose() {
            Ok(name) => name,
            Err(outcome) => return self.end(here, outcome),
        };
        let item = match (proposal, &at.state) {
            (Proposal::SubIssues { items, at_most, .. }, StepState::Ready { .. }) => {
                return match self.planned(here, items, *at_most, once.is_some()) {
                    Ok(planned) => advance(here, Advance::Listed { planned }),
                    Err(outcome) => self.end(here, outcome),
                };
            }
            (Proposal::SubIssues { .. }, StepState::Filing { planned, filed }) => match planned.get(filed.len()) {
                Some(next) => {
                    name = name.map(|list| format!("{list}/{}", next.id.as_deref().unwrap_or_default()));
                    let after = next.after.iter().filter_map(|place| filed.get(*place).copied()).collect();
                    Some((next.draft.clone(), after))
                }
                None => return self.unexpected(here),
            },
            (Proposal::Issue { .. }, StepState::Ready { .. }) => None,
            (_, _) => return self.unexpected(here),
        };
        let intent = Intent::File { run: live.run.id.clone(), step: step.id.clone(), item, blocks, once: name };
        Next::Act(Action::Do { subject: live.subject.clone(), intent })
    }

    fn planned(&self, here: Here<'_>, items: &Expression, at_most: u32, by_id: bool) -> Result<Vec<PlannedIssue>, RunOutcome> {
        let step = here.step;
        let list = self.value(here, items).map_err(|why| super::flow::broken(step, &why))?;
        let planned =
            in_order(&list, at_most, &here.run.formula).and_then(|planned| match planned.iter().find(|p| p.id.is_none()) {
                Some(nameless) if by_id => {
                    Err(format!("the issue \"{}\" has no `id`, by which it would be filed once", nameless.draft.title))
                }
                _ => Ok(planned),
            });
        planned.map_err(|why| RunOutcome::InvalidOutput { why: format!("step {}: {why}", step.id) })
    }

    /// The name under which something is filed once.
    fn named(&self, here: Here<'_>, once: &Expression) -> Result<String, RunOutcome> {
        let step = here.step;
        let name = self.needed(here, once).map_err(|why| super::flow::broken(step, &why))?;
        match name.as_str().map(str::trim).filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME) {
            Some(name) => Ok(name.to_owned()),
            None => Err(super::flow::broken(step, &format!("{}: a name has 1 to {LONGEST_NAME} bytes", once.0))),
        }
    }

    /// The other issue that a step names; none where it is for the run's own.
    pub(super) fn target(&self, here: Here<'_>, proposal: &Proposal) -> Result<Option<IssueNumber>, RunOutcome> {
        let step = here.step;
        let Some(named) = proposal.target() else { return Ok(None) };
        let found = self.needed(here, named).map_err(|why| super::flow::broken(step, &why))?;
        match found.as_u64().filter(|number| *number > 0) {
            Some(number) => Ok(Some(IssueNumber(number)).filter(|number| *number != here.subject.issue)),
            None => Err(super::flow::broken(step, &format!("{}: {found} is no issue's number", named.0))),
        }
    }
}

/// The issues of a list, each behind those that it waits for, otherwise in the order of the list.
fn in_order(list: &Json, at_most: u32, formula: &Formula) -> Result<Vec<PlannedIssue>, String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.len() > at_most as usize {
        return Err(format!("{} issues are asked for, and at most {at_most} are filed", items.len()));
    }
    let drafts = items.iter().enumerate().map(|(at, item)| draft(at + 1, item, formula)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap_or_default()).collect();
    if let Some((_, twice)) = ids.iter().enumerate().find(|(at, id)| !id.is_empty() && ids[..*at].contains(id)) {
        return Err(format!("two issues are called `{twice}`"));
    }
    let mut waits: Vec<BTreeSet<usize>> = Vec::new();
    for item in items {
        let named = item["depends_on"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let places = named.map(|id| {
            let place = ids.iter().position(|known| *known == id && !id.is_empty());
            place.ok_or_else(|| format!("an issue depends on `{id}`, which is none of the list"))
        });
        waits.push(places.collect::<Result<_, _>>()?);
    }
    let mut order: Vec<usize> = Vec::new();
    while order.len() < items.len() {
        let free = (0..items.len()).find(|at| !order.contains(at) && waits[*at].iter().all(|before| order.contains(before)));
        order.push(free.ok_or("the issues depend on each other in a circle")?);
    }
    let placed = |at: usize| order.iter().position(|other| *other == at);
    let plan = |at: &usize| PlannedIssue {
        id: Some(ids[*at]).filter(|id| !id.is_empty()).map(str::to_owned),
        draft: drafts[*at].clone(),
        after: waits[*at].iter().filter_map(|before| placed(*before)).collect(),
    };
    Ok(order.iter().map(plan).collect())
}

fn draft(at: usize, item: &Json, formula: &Formula) -> Result<IssueDraft, String> {
    let text = |name: &str| item[name].as_str().unwrap_or_default().trim().to_owned();
    let (title, body) = (text("title"), text("body"));
    if title.is_empty() {
        return Err(format!("issue {at} of the list has no title"));
    }
    let labels: Vec<String> =
        item["labels"].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect();
    match labels.iter().find_map(|name| unfit_label(name, &formula.labels, &LabelNames::default())) {
        Some((what, _)) => Err(format!("issue {at} of the list: {what}")),
        None => Ok(IssueDraft { title, body, labels }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{FormulaLabel, FormulaName, Risk, Triggers};

    fn formula() -> Formula {
        Formula {
            name: FormulaName("split".into()),
            title: String::new(),
            description: String::new(),
            trigger: Triggers::default(),
            blast_radius: Risk::Low,
            require: Default::default(),
            limits: Default::default(),
            workspace: Default::default(),
            labels: vec![FormulaLabel { name: "child".into(), color: "#112233".into(), description: String::new() }],
            inputs: Vec::new(),
            reads_ops: Vec::new(),
            steps: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    fn titles(list: &Json) -> Result<Vec<(String, Vec<usize>)>, String> {
        let planned = in_order(list, 3, &formula())?;
        Ok(planned.into_iter().map(|p| (p.draft.title, p.after)).collect())
    }

    #[test]
    fn each_is_filed_behind_what_it_waits_for() {
        let list = json!([
            { "id": "b", "title": "second", "body": "", "depends_on": ["a", "c"] },
            { "id": "a", "title": "first", "body": "", "labels": ["child"] },
            { "id": "c", "title": "third", "body": "", "depends_on": ["a"] },
        ]);
        let order = titles(&list).expect("an order");
        assert_eq!(order, [("first".to_owned(), vec![]), ("third".to_owned(), vec![0]), ("second".to_owned(), vec![0, 1])]);
    }

    #[test]
    fn what_cannot_be_filed_is_said() {
        let wrong = |list: Json| titles(&list).expect_err("a mistake");
        let one = |id: &str, on: &str| json!({ "id": id, "title": "t", "body": "", "depends_on": [on] });
        assert_eq!(wrong(json!([one("a", "b"), one("b", "a")])), "the issues depend on each other in a circle");
        assert_eq!(wrong(json!([one("a", "x")])), "an issue depends on `x`, which is none of the list");
        assert_eq!(wrong(json!([one("a", "a")])), "the issues depend on each other in a circle");
        let plain = json!({ "title": "t", "body": "" });
        assert_eq!(wrong(json!([plain, plain, plain, plain])), "4 issues are asked for, and at most 3 are filed");
        assert_eq!(wrong(json!([{ "title": " ", "body": "b" }])), "issue 1 of the list has no title");
        let twice = json!({ "id": "a", "title": "t", "body": "" });
        assert_eq!(wrong(json!([twice, twice])), "two issues are called `a`");
        assert!(wrong(json!([{ "title": "t", "body": "", "labels": ["claude-queue"] }])).contains("claude-queue"));
        assert!(wrong(json!([{ "title": "t", "body": "", "labels": ["chidl"] }])).contains("does not describe"));
    }
}
