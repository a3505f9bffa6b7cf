//! What people are told beside the forge.

use crate::model::{BudgetOf, News, Trigger, VAULT_POLICY};

use super::{account, broken_policy, budget, mend_merging, mend_policy, not_put_through, outcome, remedy, trouble, unread};

/// A notice in one line, and what there is to say and to do, in a sentence or two.
pub fn notice(news: &News) -> (String, String) {
    match news {
        News::Failed { subject, title, outcome: how } => {
            let text = how.as_ref().map_or_else(
                || "It failed for good.".to_owned(),
                |how| format!("It failed for good: {}. What to do: {}.", one_line(&outcome(how)), remedy(how)),
            );
            (format!("{subject} failed: {}", one_line(title)), text)
        }
        News::FailedAside { subject, title, formula, outcome: how } => (
            match subject.is_project() {
                true => format!("{formula} failed on {subject}"),
                false => format!("{formula} failed on {subject}: {}", one_line(title)),
            },
            format!("{}. It is not tried again by itself: ask for it again when that is mended.", one_line(&outcome(how))),
        ),
        News::Waits { subject, title, because, pull } => {
            let text = match (because, pull) {
                (Trigger::PullOpened, Some(pull)) => format!("Pull request {pull} is open and waits for a person to merge it."),
                (Trigger::TriagedQuestion, _) => "Triage has a question; a comment with the answer is enough.".to_owned(),
                (Trigger::Unanswered, _) => "Its question was not answered; a person should look at it.".to_owned(),
                (Trigger::NeedsPerson, _) => "The change touches what a person must decide on; the branch is kept.".to_owned(),
                (Trigger::ClosedUnmerged, _) => "Its pull request was closed without a merge; the branch is kept.".to_owned(),
                _ => "A person should do this one.".to_owned(),
            };
            (format!("{subject} waits for a person: {}", one_line(title)), text)
        }
        News::Approval { subject, title, pull } => (
            format!("{subject} waits for a person: {}", one_line(title)),
            format!("Its run waits for an approval of pull request {pull}."),
        ),
        News::Budget { what, at_percent, spent, limit } => {
            let whose = match what {
                BudgetOf::Day => "the day".to_owned(),
                BudgetOf::Project { repo } => repo.to_string(),
                BudgetOf::Run { run } => format!("run {run}"),
            };
            let how = if *at_percent >= 100 { "is spent" } else { "is nearly spent" };
            (format!("the budget of {whose} {how}"), format!("{}.", budget(what, *at_percent, *spent, *limit)))
        }
        News::AccountPaused { account: which, until, why } => (
            format!("{} is paused", account(which)),
            format!("Until {until}: {}. Runs start again by themselves.", one_line(why)),
        ),
        News::Unreachable { repo, trouble: what } => {
            (format!("{repo} cannot be worked on"), format!("{}. It is looked at again by itself.", one_line(&trouble(what))))
        }
        News::OpsUnread { repo, failure } => (
            format!("the vault of {repo} cannot be read"),
            format!(
                "{}. Until it can nothing of it is judged, merged or run; `repo` of [ops] names it, and `forgehand doctor` looks at it.",
                one_line(&unread(repo, failure))
            ),
        ),
        News::NotPutThrough { repo, pull, why } => (
            format!("{repo}{pull} waits for a person to merge it"),
            format!(
                "{}. What to do: {}. It is tried again each hour.",
                one_line(&not_put_through(repo, *pull, why)),
                mend_merging()
            ),
        ),
        News::Policy { repo, broken: Some(broken) } => (
            format!("{VAULT_POLICY} of {repo} cannot be read"),
            format!("{}. What to do: {}.", one_line(&broken_policy(repo, broken)), mend_policy(repo)),
        ),
        News::Policy { repo, broken: None } => {
            (format!("{VAULT_POLICY} of {repo} can be read again"), "What it says is in force.".to_owned())
        }
        News::Recovered { repo } => (format!("{repo} can be worked on again"), "The trouble is over.".to_owned()),
    }
}

/// There were more than are told one by one.
pub fn more_notices(more: u64) -> (String, String) {
    let counted = super::counted(more, "more notice");
    (
        format!("forgehand: and {counted}"),
        format!("There were {counted} than are told one by one; `forgehand status` shows them."),
    )
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= 400 { line } else { format!("{}…", line.chars().take(400).collect::<String>()) }
}
