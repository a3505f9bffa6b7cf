//! The one status comment of an issue.

use crate::model::{Decision, Dispute, Gate, LabelNames, PersonWhy, Point, PullNumber, RunOutcome, Sha, Status, Story, Usd};

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
        Story::Opened { pull, tier } => {
            let tier = tier.as_ref().map_or_else(String::new, |of| format!("\n\n{}", super::merge::blast_radius(of)));
            format!("**Pull request {pull} is open** and waits for review.{tier}")
        }
        Story::Approval { pull, tier, reasons, named, .. } => super::merge::asks(*pull, *tier, reasons, named),
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
        Story::Merged { pull, verified, cost } => merged(*pull, verified.as_ref(), *cost),
    }
}

fn merged(pull: PullNumber, verified: Option<&(Sha, Vec<String>)>, cost: Usd) -> String {
    let verified = verified.map_or_else(String::new, |(sha, commands)| {
        let commands: Vec<String> = commands.iter().map(|command| text::code(command)).collect();
        format!("\n\nVerified at {}: {} passed.", sha.short(), commands.join(", "))
    });
    let cost = if cost > Usd::default() { format!("\n\nIts agents cost ${:.2}.", cost.dollars()) } else { String::new() };
    format!("**Merged** with pull request {pull}.{verified}{cost}")
}

fn at_gate(gate: &Gate, pull: Option<PullNumber>) -> String {
    let what = pull.map_or_else(|| "The work".to_owned(), |pull| format!("Pull request {pull}"));
    match gate {
        Gate::Time { .. } => format!("**{what} waits for a time that is set**, then it goes on."),
        Gate::Checks => format!("**{what} waits for its checks**; when they are green, it goes on."),
        Gate::Vault { .. } => {
            "**This waits for the vault**: what was asked for in the operations repository, then it goes on.".to_owned()
        }
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
        PersonWhy::Disputed { pull, rounds, over } => disputed(*pull, *rounds, over),
        PersonWhy::BranchTaken { branch } => {
            format!(
                "**Branch `{branch}` has commits that are not forgehand's.** They are kept; merge, rename or delete the branch."
            )
        }
    };
    format!("{why}\n\nLabel {queue} hands it to an agent.")
}

/// The answer to a reviewer's point, Markdown, without its marker. What is quoted stands elsewhere than the answer.
pub fn reply(to: &Point, quote: Option<&str>, answer: Option<&str>, pushed: Option<&Sha>) -> String {
    let place = to.spot.as_ref().map_or_else(String::new, |spot| format!(" on {}", text::code(&spot.path)));
    let quote =
        quote.map_or_else(String::new, |quote| format!("{}{place}:\n\n> {}\n\n", one_line(to.by.as_str()), text::line(quote)));
    let at = pushed.map(|sha| format!("`{}`", sha.short()));
    let said = match (answer, &at) {
        (Some(answer), _) => text::prose(answer),
        (None, Some(at)) => format!("The agent said nothing about this one; see what changed up to {at}."),
        (None, None) => "The agent said nothing about this one, and changed nothing.".to_owned(),
    };
    let at = at.map_or_else(String::new, |at| format!(", of {at}"));
    format!("{quote}{said}\n\n<sub>Written by an agent{at}.</sub>")
}

/// What is not settled about a pull request, and how far it went.
fn disputed(pull: PullNumber, rounds: u32, over: &[Dispute]) -> String {
    let times = match rounds {
        0 => "It was not revised.".to_owned(),
        1 => "It was revised once.".to_owned(),
        n => format!("It was revised {n} times."),
    };
    let what: Vec<String> = over.iter().map(|one| format!("\n- {}", dispute(one))).collect();
    format!("**A person must settle pull request {pull}.** {times} What is not settled:\n{}", what.concat())
}

fn dispute(over: &Dispute) -> String {
    match over {
        Dispute::Changes { ask } if ask.says.trim().is_empty() => {
            format!("{} asks for changes, in comments on lines", one_line(ask.by.as_str()))
        }
        Dispute::Changes { ask } => format!("{} asks for changes: {}", one_line(ask.by.as_str()), one_line(&ask.says)),
        Dispute::Comment { comment } if comment.says.trim().is_empty() => {
            format!("{} comments on lines", one_line(comment.by.as_str()))
        }
        Dispute::Comment { comment } => format!("{} comments: {}", one_line(comment.by.as_str()), one_line(&comment.says)),
        Dispute::Checks { head } => format!("its checks are red at `{}`", head.short()),
        Dispute::Conflict { base } => format!("it conflicts with `{base}`"),
        Dispute::Unfit { base } => format!("with what came to `{base}` since, it fails the verification"),
    }
}

/// What an agent or a program said: on one line, defused, so that it calls nobody and closes nothing.
fn one_line(words: &str) -> String {
    text::line(&text::cut(words, 2000))
}
