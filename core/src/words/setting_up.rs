//! What is found on a forge that has been in use, and what becomes of it.

use super::{counted, label};
use crate::model::{Branch, Decision, IssueNumber, LabelNames, Login, PullNumber};

/// An open pull request from a branch that is named like ours.
pub fn standing_pull(pull: PullNumber, branch: &Branch, by: &Login, ours: bool) -> String {
    if ours {
        format!("pull request {pull} ({branch}), opened by us: it is taken over as the work on its issue and waits for its merge")
    } else {
        format!(
            "pull request {pull} ({branch}), opened by {by}: it is left alone; nothing is pushed over its branch, and a person merges or closes it"
        )
    }
}

/// Open issues that carry a decision label.
pub fn standing_issues(decision: Decision, issues: &[IssueNumber], names: &LabelNames) -> String {
    let count = counted(u64::try_from(issues.len()).unwrap_or(u64::MAX), "open issue");
    let mut list: Vec<String> = issues.iter().take(10).map(|i| format!("{i}")).collect();
    if issues.len() > list.len() {
        list.push("...".to_owned());
    }
    let then = match decision {
        Decision::Queue => "worked on, oldest first".to_owned(),
        Decision::Working => format!(
            "left alone, because no run of ours is known, and put back into {} after `adopt_after` (2 h); `forgehand retry N` does it at once",
            label(names, Decision::Queue)
        ),
        Decision::Pr => "kept; forgehand watches the pull request of its branch".to_owned(),
        Decision::Failed => format!("kept; label {} or `forgehand retry N` tries again", label(names, Decision::Queue)),
        Decision::Interactive => "kept: a person does these".to_owned(),
        Decision::NeedsInfo => "kept; an answer brings it to triage".to_owned(),
    };
    format!("{count} with {} ({}): {then}", label(names, decision), list.join(", "))
}

/// Open reports without a decision label.
pub fn standing_reports(count: usize, names: &LabelNames, since: Option<&str>) -> String {
    let reports = counted(u64::try_from(count).unwrap_or(u64::MAX), "open issue");
    let then = match since {
        Some("all") => "triaged".to_owned(),
        Some(since) => format!("triaged if filed at or after {since}; the older ones are left alone"),
        None => format!(
            "left alone, because they were filed before now; `--since all` has them triaged, label {} has one worked on",
            label(names, Decision::Queue)
        ),
    };
    format!("{reports} with `{}` and no decision yet: {then}", names.portal)
}

/// Claims of a forgehand on the forge.
pub fn standing_claims(issues: &[IssueNumber]) -> String {
    let name = |issue: &IssueNumber| match *issue {
        IssueNumber::PROJECT => "the project itself".to_owned(),
        issue => issue.to_string(),
    };
    let list: Vec<String> = issues.iter().map(name).collect();
    format!(
        "another forgehand's claim on {} (refs/forgehand/claims): respected until its lease ends; if none runs any more, that is within 10 min",
        list.join(", ")
    )
}

/// A label that the repository has more than once.
pub fn doubled_label(name: &str, times: usize) -> String {
    format!(
        "the label `{name}` is there {times} times; forgehand goes by the name, so all of them count and are put on and taken off together; \
         delete all but one on the labels page"
    )
}

/// Colour and description of any label that forgehand creates, by its configured name.
pub fn label_named(name: &str, names: &LabelNames) -> (&'static str, &'static str) {
    match names.decision(name) {
        Some(decision) => super::label_look(Some(decision)),
        None if name == names.portal => ("#1d76db", "a report that forgehand triages"),
        None if name == names.priority => ("#b60205", "goes before others in the queue"),
        None => super::label_look(None),
    }
}
