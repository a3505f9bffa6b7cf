//! What is said about the vault.

use crate::model::{Judged, RepoName, VaultEvent};

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
    })
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
        };
        assert_eq!(super::judged(&judged(&[], 0)), "well-formed: a, b");
        assert_eq!(super::judged(&judged(&["a.toml:1:2: wrong (mend it)"], 0)), "a.toml:1:2: wrong (mend it)");
        assert_eq!(super::judged(&judged(&["one", "two"], 3)), "one; and 4 more");
        let long = super::judged(&judged(&[&"ä\u{1b}".repeat(300), "two"], 0));
        assert!(long.chars().count() == 250 && long.ends_with("…; and 1 more") && !long.contains('\u{1b}'), "{long}");
    }
}
