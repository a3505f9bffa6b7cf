//! What is said about the vault.

use std::path::Path;

use crate::model::{
    ActionId, ActionOutcome, Approving, Begun, BrokenPolicy, Dispatch, Failure, Judged, PendingItem, PullNumber, RepoName,
    RunOutcome, ShelvedAction, Unmerged, VAULT_POLICY, VaultEvent,
};

/// The longest description of a commit status that every forge shows.
const DESCRIPTION: usize = 250;

/// What a pull request of the operations repository comes to, as the description of a commit status.
pub fn judged(judged: &Judged) -> String {
    let Some(first) = judged.mistakes.first() else {
        return match judged.actions.as_slice() {
            [] => "well-formed".to_owned(),
            actions => {
                cut(&format!("well-formed: {}", actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")), "")
            }
        };
    };
    let more = judged.mistakes.len() - 1 + judged.more;
    cut(first, &if more == 0 { String::new() } else { format!("; and {more} more") })
}

/// An event as a line; none where nobody wants to read it.
pub(super) fn event(repo: &RepoName, what: &VaultEvent) -> Option<String> {
    Some(match what {
        VaultEvent::Seen { judged: None, .. } | VaultEvent::Gone { .. } => return None,
        VaultEvent::Seen { pull, judged: Some(judged), .. } => format!("{repo}{pull}: {}", self::judged(judged)),
        VaultEvent::Telling { pull, head } => format!("… say so of {repo}{pull} at {}", head.short()),
        VaultEvent::Told { pull, failed: Some(failure), .. } => {
            format!("it could not be said of {repo}{pull}: {}", failure.why)
        }
        VaultEvent::Told { pull, failed: None, .. } => format!("it is said of {repo}{pull}"),
        VaultEvent::Readable { failed: Some(failure) } => unread(repo, failure),
        VaultEvent::Readable { failed: None } => format!("{repo} can be read again"),
        VaultEvent::Policy { broken: Some(broken) } => broken_policy(repo, broken),
        VaultEvent::Policy { broken: None } => format!("{VAULT_POLICY} of {repo} can be read again"),
        VaultEvent::Dispatched { what } => return dispatched(repo, what),
    })
}

/// The operations repository cannot be read.
pub fn unread(repo: &RepoName, failure: &Failure) -> String {
    format!("what the vault of {repo} is asked for cannot be read: {}", failure.why)
}

/// What somebody decided of an action, and the operations repository did not take.
pub fn unwritten_record(id: Option<&str>, kept: &Path) -> String {
    let id = id.unwrap_or("ID").escape_debug();
    format!(
        "what somebody decided of the action {id} could not be recorded, and is kept in {}; what to do: decide it again with \
         `forgehand vault done {id}` or `reject {id}`, or take that file away",
        kept.display()
    )
}

/// The forge refuses to merge what the policy lets through.
pub fn not_put_through(repo: &RepoName, pull: PullNumber, why: &str) -> String {
    format!(
        "{repo}{pull} asks for low actions alone, which the policy lets through, and the forge does not let forgehand merge it: {why}"
    )
}

/// What is to be done about that.
pub fn mend_merging() -> &'static str {
    "merge it, or let forgehand: name a token that administers the operations repository by `rights_token_env` of [forge], or have its protection \
     demand no approval and no files (`forgehand doctor` tells what it demands)"
}

/// What is to be done about an action that was merged and that nobody approved who may.
pub fn mend_unapproved(id: &ActionId) -> String {
    format!(
        "; what to do: have an approver merge a pull request of somebody else's that changes its file, or reject it by \
         `forgehand vault reject {id}`"
    )
}

/// The newest version of a policy cannot be read.
pub fn broken_policy(repo: &RepoName, broken: &BrokenPolicy) -> String {
    let BrokenPolicy { at, why, good } = broken;
    let rest = good.as_ref().map_or("the shipped one".to_owned(), |good| format!("that of {}", good.short()));
    format!("{VAULT_POLICY} of {repo} at {} cannot be read, so everything is high, and else {rest} holds: {why}", at.short())
}

/// What is to be done about that.
pub fn mend_policy(repo: &RepoName) -> String {
    format!("mend it by a pull request in {repo}; `forgehand vault classify --policy FILE` reads one")
}

fn dispatched(repo: &RepoName, what: &Dispatch) -> Option<String> {
    Some(match what {
        Dispatch::Read { changed, gone, items, .. } => read(repo, (changed, gone), items.as_deref())?,
        Dispatch::Weighed { id, answer: Approving::Approved { by, .. }, .. } => format!("the action {id} may be run: {by}"),
        Dispatch::Weighed { id, answer: Approving::Lacking { why }, .. } => format!("the action {id} is not run: {why}"),
        Dispatch::Beginning { id, .. } => format!("… write to {repo} that the action {id} begins"),
        Dispatch::Begun { id, end: Begun::Here { .. } } => format!("the action {id} begins"),
        Dispatch::Begun { id, end: Begun::StoodDown { why } } => format!("the action {id} is left alone: {why}"),
        Dispatch::Begun { id, end: Begun::Failed { failure } } => {
            format!("it could not be written that the action {id} begins, so it does not: {}", failure.why)
        }
        Dispatch::Closing { id, record } => match record.exit_code {
            Some(code) => format!("… write to {repo} that the action {id} ended with {code}"),
            None => format!("… write to {repo} that the action {id} ended, nobody knows how"),
        },
        Dispatch::Closed { id, failed: None, .. } => format!("what became of the action {id} is recorded"),
        Dispatch::Closed { id, failed: Some(failure), .. } => {
            format!("it could not be recorded what became of the action {id}: {}", failure.why)
        }
        Dispatch::Merging { pull, head } => format!("… merge {repo}{pull} at {}: all that it asks for is low", head.short()),
        Dispatch::Merged { pull, failed: None, .. } => format!("{repo}{pull} is merged"),
        Dispatch::Merged { pull, failed: Some(why), how: Unmerged::Refused, .. } => not_put_through(repo, *pull, why),
        Dispatch::Merged { pull, failed: Some(why), how: Unmerged::Passing | Unmerged::Doubtful, .. } => {
            format!("{repo}{pull} could not be merged: {why}")
        }
    })
}

/// What is news of the branch; none where it is nothing.
fn read(repo: &RepoName, (changed, gone): (&[ShelvedAction], &[ActionId]), items: Option<&[PendingItem]>) -> Option<String> {
    let news = changed.iter().map(|action| format!("{} is {}", action.id, action.state.word()));
    let items = items.map(|items| match items {
        [] => "nothing is pending".to_owned(),
        items => {
            format!("pending: {}", items.iter().map(|item| item.name.escape_debug().to_string()).collect::<Vec<_>>().join(", "))
        }
    });
    let gone = gone.iter().map(|id| format!("{id} is gone"));
    let all: Vec<String> = news.chain(gone).chain(items).collect();
    (!all.is_empty()).then(|| format!("the vault of {repo}: {}", all.join(", ")))
}

/// What is recorded of an action that ended, and how.
pub fn action_logs(outcome: &ActionOutcome) -> String {
    let printed = outcome.end().logs;
    let said = match outcome {
        ActionOutcome::Run { outcome: RunOutcome::Succeeded { .. }, .. } => String::new(),
        // The exit status says it, but of one that was cut.
        ActionOutcome::Run { outcome: RunOutcome::VerificationFailed { evidence }, .. } if !evidence.timed_out => String::new(),
        ActionOutcome::Run { outcome, .. } => super::outcome(outcome),
        ActionOutcome::Declined { declined } => format!("it was not run: {}", super::story::declined(declined)),
    };
    [printed, said].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A text with its end, without control characters, as long as it may be.
fn cut(text: &str, end: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let room = DESCRIPTION - end.chars().count();
    match text.chars().count() > room {
        true => format!("{}…{end}", text.chars().take(room - 1).collect::<String>()),
        false => format!("{text}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_the_first_mistake_and_how_many_more_within_its_length() {
        let judged = |mistakes: &[&str], more| Judged {
            actions: vec!["a".parse().expect("a name"), "b".parse().expect("a name")],
            mistakes: mistakes.iter().map(|m| (*m).to_owned()).collect(),
            more,
            unblocks: Vec::new(),
            items: Vec::new(),
            free: false,
        };
        assert_eq!(super::judged(&judged(&[], 0)), "well-formed: a, b");
        assert_eq!(super::judged(&judged(&["a.toml:1:2: wrong (mend it)"], 0)), "a.toml:1:2: wrong (mend it)");
        assert_eq!(super::judged(&judged(&["one", "two"], 3)), "one; and 4 more");
        let long = super::judged(&judged(&[&"ä\u{1b}".repeat(300), "two"], 0));
        assert!(long.chars().count() == 250 && long.ends_with("…; and 1 more") && !long.contains('\u{1b}'), "{long}");
    }
}
