//! What starts formulas.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::About;

/// What starts a formula. A person always may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Triggers {
    /// A label, by its default name.
    pub label: Option<String>,
    /// A cron line with 5 or 6 fields, UTC: the formula is about the project then.
    pub cron: Option<String>,
    /// An action of the vault may run it: the formula is about the project then.
    pub vault: bool,
    /// While that label stays on, it is started again so long after it was asked for last.
    pub again: Option<Duration>,
    /// First words of a comment, each of which starts it: `/fix`, or one in capitals such as `ACCEPT`.
    #[serde(deserialize_with = "one_or_more")]
    pub comment: Vec<String>,
    /// What happens on the forge.
    pub event: Vec<ForgeEvent>,
}

/// Something that happens on a forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForgeEvent {
    /// An issue is filed.
    IssueOpened,
    /// An issue of ours is closed, by whomever.
    IssueClosed,
    /// A pull request of ours is opened.
    PullOpened,
    /// A pull request of ours is opened, or has a new head.
    PullUpdated,
    /// A pull request of ours is merged.
    PullMerged,
    /// A reviewer asks for changes on a pull request of ours.
    ChangesRequested,
    /// Somebody who may write comments on a pull request of ours: in a review that neither approves nor asks for changes, or in its
    /// conversation, where that names us (`@forgehand`).
    PullCommented,
    /// A check of a pull request of ours is red.
    ChecksFailed,
    /// A pull request of ours cannot be merged into its base as it stands.
    PullConflicts,
    /// A pull request of ours that we are to merge was not verified as it stands, or not together with what its base has by now.
    PullBehind,
}

impl ForgeEvent {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::IssueOpened,
        Self::IssueClosed,
        Self::PullOpened,
        Self::PullUpdated,
        Self::PullMerged,
        Self::ChangesRequested,
        Self::PullCommented,
        Self::ChecksFailed,
        Self::PullConflicts,
        Self::PullBehind,
    ];

    /// Whether it may start a run about the project, beside a schedule: the end of something, after which a look at the whole is worth while.
    pub fn starts_projects(self) -> bool {
        matches!(self, Self::IssueClosed | Self::PullMerged)
    }

    /// Its word in formulas.
    pub fn word(self) -> &'static str {
        match self {
            Self::IssueOpened => "issue-opened",
            Self::IssueClosed => "issue-closed",
            Self::PullOpened => "pull-opened",
            Self::PullUpdated => "pull-updated",
            Self::PullMerged => "pull-merged",
            Self::ChangesRequested => "changes-requested",
            Self::PullCommented => "pull-commented",
            Self::ChecksFailed => "checks-failed",
            Self::PullConflicts => "pull-conflicts",
            Self::PullBehind => "pull-behind",
        }
    }
}

impl fmt::Display for ForgeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Triggers {
    /// What is started is about: neither a schedule nor an action of the vault knows of an issue.
    pub fn about(&self) -> About {
        if self.cron.is_some() || self.vault { About::Project } else { About::Issue }
    }

    /// The word of its own that a comment begins with. One in capitals may have a mark behind it, as people write: `ACCEPT.`
    pub fn word_of(&self, comment: &str) -> Option<&str> {
        let first = comment.split_whitespace().next()?;
        let bare = first.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let said = |word: &&String| if word.starts_with('/') { *word == first } else { *word == bare };
        self.comment.iter().find(said).map(String::as_str)
    }
}

/// Journals of older versions knew one word at most.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        All(Vec<String>),
        Nothing(()),
    }
    Ok(match Written::deserialize(from)? {
        Written::One(word) => vec![word],
        Written::All(words) => words,
        Written::Nothing(()) => Vec::new(),
    })
}

pub(super) fn label_or_triggers<'de, D: Deserializer<'de>>(from: D) -> Result<Triggers, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        // Journals of older versions knew labels alone.
        Label(String),
        All(Triggers),
        Nothing(()),
    }
    Ok(match Written::deserialize(from)? {
        Written::Label(label) => Triggers { label: Some(label), ..Triggers::default() },
        Written::All(all) => all,
        Written::Nothing(()) => Triggers::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_begins_with_a_word_or_asks_for_nothing() {
        let triggers = Triggers { comment: vec!["/fix".into(), "ACCEPT".into()], ..Triggers::default() };
        for said in ["ACCEPT", "ACCEPT.", "**ACCEPT**, all of it", " ACCEPT\n\nand go on"] {
            assert_eq!(triggers.word_of(said), Some("ACCEPT"), "{said}");
        }
        assert_eq!(triggers.word_of("/fix it"), Some("/fix"));
        for said in ["accept", "Accept", "ACCEPTED", "I ACCEPT", "/fix.", "fix", "> ACCEPT", ""] {
            assert_eq!(triggers.word_of(said), None, "{said}");
        }
    }

    #[test]
    fn what_older_versions_wrote_is_read() {
        let read = |text: &str| serde_json::from_str::<Triggers>(text).expect("triggers").comment;
        assert_eq!(read(r#"{"comment":"/fix"}"#), ["/fix"]);
        assert!(read(r#"{"comment":null}"#).is_empty() && read("{}").is_empty());
    }
}
