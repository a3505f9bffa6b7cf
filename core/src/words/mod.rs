//! Every sentence said to people, in one place: why something waits, how a run ended, what the status comment says.
//!
//! Promises: no sentence carries raw text from outside; what an agent said is quoted and defused before it gets here.

mod accounts;
mod comment;
mod formula;
mod merge;
mod notice;
mod outcome;
mod setting_up;
mod standing;
mod story;
mod vault;
mod wait;

pub use accounts::{credential, credential_warning};
pub use comment::{reply, status_comment};
pub use formula::{end_word, is_wanted, needed, proposal, risk, step, tier_source, triggers};
pub use merge::{blast_radius, stepped_back};
pub use notice::{more_notices, notice};
pub use outcome::{outcome, refusal, remedy};
pub use setting_up::{doubled_label, label_named, standing_claims, standing_issues, standing_pull, standing_reports};
pub use standing::{found_gap, restored, restored_gap, standing};
pub use story::{event, intent};
pub use vault::{
    action_logs, broken_policy, judged, mend_merging, mend_policy, mend_unapproved, not_put_through, unread, unwritten_record,
};
pub use wait::{budget, mover, paused, resume, trouble, turned_away, wait};

use crate::model::Decision;

/// A decision label in `code`, by its configured name.
fn label(names: &crate::model::LabelNames, decision: Decision) -> String {
    format!("`{}`", names.of(decision))
}

/// `1 attempt`, `3 attempts`.
fn counted(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// An account, as people are told of it.
pub fn account(name: &crate::model::AccountName) -> String {
    if *name == crate::model::AccountName::usual() { "the model's account".to_owned() } else { format!("account `{name}`") }
}

/// Colour and description of a label that forgehand creates.
pub fn label_look(decision: Option<Decision>) -> (&'static str, &'static str) {
    match decision {
        Some(Decision::Queue) => ("#1f6feb", "waits for an agent"),
        Some(Decision::Working) => ("#d4a72c", "an agent is at work; set by forgehand alone"),
        Some(Decision::Pr) => ("#8250df", "a pull request is open; set by forgehand alone"),
        Some(Decision::Failed) => ("#cf222e", "an agent gave up and said why; set by forgehand alone"),
        Some(Decision::Interactive) => ("#bf8700", "a person does this one"),
        Some(Decision::NeedsInfo) => ("#57606a", "a question has to be answered first"),
        None => ("#57606a", ""),
    }
}

/// A configuration that is not taken up; the mistakes as lines.
pub fn broken_configuration(mistakes: &[String], since: &str) -> String {
    let first = mistakes.first().map_or("it cannot be read", String::as_str);
    let more = match mistakes.len() {
        0 | 1 => String::new(),
        n => format!(", and {}", counted(n as u64 - 1, "more mistake")),
    };
    format!("the configuration is broken, and the one that was read at {since} stays in force: {first}{more}")
}

/// What a running process cannot change.
pub fn at_next_start(key: &str) -> String {
    format!("{key} was changed, which takes effect at the next start")
}

/// Money for people; calls without usage are said, because they count as nothing.
pub fn cost(cost: crate::model::Usd, unmetered: bool) -> String {
    if unmetered { format!("{cost} (some model calls gave no usage and count as $0.00)") } else { cost.to_string() }
}

/// A resumed session is told to go on.
pub fn go_on() -> String {
    "Your session was interrupted from outside and is taken up again. The workspace is as you left it; a command that was running was \
     ended. Look at where you were (`git status`, `git log`) and go on with the task you were given, to its end."
        .to_owned()
}

/// An agent whose answer was missing or invalid is asked again; `why` is fenced.
pub fn answer_again(why: &str) -> String {
    format!(
        "Your structured answer was missing or not valid:\n\n{why}\n\nGive it now, in the form that you were asked for, and nothing else."
    )
}
