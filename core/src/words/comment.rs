//! The one status comment of an issue.

use crate::model::{Decision, Gate, LabelNames, PersonWhy, PullNumber, RunOutcome, Status, Story};

use crate::text;

use super::{label, outcome, remedy};

/// The status comment, Markdown, without its marker. `mention` are the logins that are called where the story calls a person.
pub fn status_comment(status: &Status, names: &LabelNames, mention: &[String]) -> String {
    let mut text = story(&status.story, names);
    if let Some(set) = status.set_back {
        let note = format!(
            "{} is set by forgehand alone, so it was set back. Label {} hands the issue to an agent, {} takes it to a person.",
            label(names, set),
            label(names, Decision::Queue),
            label(names, Decision::Interactive),
        );
        text = if text.is_empty() { note } else { format!("{text}\n\n{note}") };
    }
    let calls = status.story.calls_a_person() && !mention.is_empty();
    if calls { format!("{}\n\n{text}", mention.iter().map(|m| format!("@{m}")).collect::<Vec<_>>().join(" ")) } else { text }
}

fn story(story: &Story, names: &LabelNames) -> String {
    let queue = label(names, Decision::Queue);
    match story {
        Story::Standing => String::new(),
        Story::Working { attempt, of } => format!("**An agent is working on this** (attempt {attempt} of {of})."),
        Story::TryingAgain { attempt, of, outcome: how @ RunOutcome::SetupFailed { .. } } => format!(
            "**This cannot go on yet** (try {attempt} of {of}): {}. It is tried again after a pause; no attempt is spent.",
            one_line(&outcome(how))
        ),
        Story::TryingAgain { attempt, of, outcome: how } => {
            format!("**Attempt {attempt} of {of} failed**: {}. It is tried again after a pause.", one_line(&outcome(how)))
        }
        Story::Gate { gate, pull } => at_gate(gate, *pull),
        Story::Opened { pull } => format!("**Pull request {pull} is open** and waits for review."),
        Story::Failed { outcome: how @ RunOutcome::SetupFailed { .. }, .. } => format!(
            "**This cannot go on, also when tried again**: {}.\n\nWhat to do: {}. Label {queue} hands it to an agent again.",
            one_line(&outcome(how)),
            remedy(how),
        ),
        Story::Failed { outcome: how, attempts } => format!(
            "**This failed for good** after {}: {}.\n\nWhat to do: {}. Label {queue} hands it to an agent again.",
            super::counted(u64::from(*attempts), "attempt"),
            one_line(&outcome(how)),
            remedy(how),
        ),
        Story::Question { questions } => {
            let list: Vec<String> = questions.iter().map(|q| format!("- {}", one_line(q))).collect();
            format!(
                "**Before an agent can start, this has to be answered:**\n\n{}\n\nA comment with the answer is enough.",
                list.join("\n")
            )
        }
        Story::Person { why } => person(why, &queue),
        Story::Merged { pull } => format!("**Merged** with pull request {pull}."),
    }
}

fn at_gate(gate: &Gate, pull: Option<PullNumber>) -> String {
    let what = pull.map_or_else(|| "The work".to_owned(), |pull| format!("Pull request {pull}"));
    match gate {
        Gate::Time { .. } => format!("**{what} waits for a time that is set**, then it goes on."),
        Gate::Checks => format!("**{what} waits for its checks**; when they are green, it goes on."),
        Gate::Approval => format!("**{what} waits for an approval**: an approving review of it as it stands, then it goes on."),
    }
}

fn person(why: &PersonWhy, queue: &str) -> String {
    let why = match why {
        PersonWhy::Triage { summary } => format!("**A person should do this one.** {}", one_line(summary)),
        PersonWhy::NoAnswer { why } => {
            format!(
                "**A person should look at this one**: triage gave no valid answer, also when asked again ({}).",
                one_line(why)
            )
        }
        PersonWhy::Paths { paths, branch } => {
            let paths: Vec<String> = paths.iter().take(20).map(|p| format!("`{}`", p.replace('`', "'"))).collect();
            format!(
                "**A person must decide on this change**, because it touches {}. The work is on branch `{branch}`; no pull request was opened.",
                paths.join(", ")
            )
        }
        PersonWhy::Unanswered => "**A person should look at this one**: the question was not answered.".to_owned(),
        PersonWhy::ClosedUnmerged { pull } => {
            format!("**Pull request {pull} was closed without a merge.** Its branch is kept.")
        }
        PersonWhy::BranchTaken { branch } => {
            format!(
                "**Branch `{branch}` has commits that are not forgehand's.** They are kept; merge, rename or delete the branch."
            )
        }
    };
    format!("{why}\n\nLabel {queue} hands it to an agent.")
}

/// What an agent or a program said: on one line, defused, so that it calls nobody and closes nothing.
fn one_line(words: &str) -> String {
    text::line(&text::cut(words, 2000))
}
