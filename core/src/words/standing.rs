//! What the first start finds on a forge in use, and what becomes of it.

use crate::model::{Decision, Inherited, IssueNumber, LabelNames, RepoName, Timestamp};

use super::{counted, label};

/// How many are named one by one.
const NAMED: usize = 20;

/// A line for each thing found standing; none where nothing was.
pub fn standing(repo: &RepoName, standing: &Inherited, names: &LabelNames) -> Vec<String> {
    let queue = label(names, Decision::Queue);
    let mut lines = Vec::new();
    if let Some((n, since)) = standing.old {
        lines.push(format!(
            "{} with `{}` filed before {since}: left alone. `since` in [[project]] takes them (\"2026-01-31\", or \"all\"); label {queue} or \
             `forgehand retry` takes one",
            counted(n, "issue"),
            names.portal
        ));
    }
    // Alone it is what everybody expects.
    let news = Inherited { queued: 0, ..standing.clone() } != Inherited::default();
    if standing.queued > 0 && news {
        lines.push(format!("{} with {queue}: worked on", counted(standing.queued, "issue")));
    }
    if !standing.adopted.is_empty() {
        let list = standing.adopted.iter().map(|(issue, pull)| format!("{pull} for issue {issue}"));
        lines.push(format!("open pull requests of ours, taken over: {}", listed(list)));
    }
    if !standing.foreign.is_empty() {
        let list = standing.foreign.iter().map(|(issue, pull, by)| format!("{pull} of {by} for issue {issue}"));
        lines.push(format!("pull requests of others from branches that forgehand would work on, left alone: {}", listed(list)));
    }
    if let Some(until) = standing.orphans.iter().map(|(_, until)| until).min() {
        let list = standing.orphans.iter().map(|(issue, _)| issue.to_string());
        lines.push(format!(
            "{} with no run of ours known: {}. Queued again from {until} on (`adopt_after` in [limits]), or by `forgehand retry`",
            label(names, Decision::Working),
            listed(list)
        ));
    }
    lines.into_iter().map(|line| format!("{repo}: {line}")).collect()
}

/// What is not known of an issue that was found in the middle of its story.
pub fn found_gap(at: Timestamp) -> String {
    format!("what was done and spent on it before {at}, when this journal found it")
}

/// What is not known of an issue after the journal was restored from an old copy.
pub fn restored_gap(at: Timestamp) -> String {
    format!("attempts and money between the copy that the journal was restored from and {at}")
}

/// The journal is older than the forge.
pub fn restored(repo: &RepoName, issues: &[IssueNumber]) -> String {
    format!(
        "{repo}: the journal was restored from an old copy: the forge shows work of its own that it does not know, on {}. Labels, comments \
         and pull requests are taken as they stand; attempts and money in between are not known",
        listed(issues.iter().map(ToString::to_string))
    )
}

fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let shown: Vec<String> = all.take(NAMED).collect();
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
