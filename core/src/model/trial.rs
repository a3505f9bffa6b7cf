//! Commands that a step runs: which, on what, and how they are to come out; and what a run leaves on a branch of its own.

use serde::{Deserialize, Serialize};

use super::{Branch, Evidence, Expression, FormulaName, IssueNumber, Sha};

/// Which commands a step runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Commands {
    /// These, in order, each a line for a shell.
    List(Vec<String>),
    /// What an expression comes to: a list of such lines.
    Of {
        /// It.
        of: Expression,
    },
    /// Those of what was kept by a name, with its files laid over the commit; none where nothing was.
    Kept {
        /// The name.
        kept: String,
    },
}

/// What a step's commands run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunsOn {
    /// The run's own commits.
    #[default]
    Change,
    /// The tip of the base branch, as it was when the run began.
    Base,
}

/// How a step's commands are to come out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// All of them pass.
    #[default]
    Success,
    /// One of them fails.
    Failure {
        /// What that one prints, as it is known only then: a text.
        prints: Option<Expression>,
    },
}

/// Commands that are no formula's own, that are to come out otherwise than passing, or that are run for an item of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// They.
    pub commands: Vec<String>,
    /// Whose files are laid over the commit first.
    pub over: Option<Kept>,
    /// How they are to come out.
    pub expect: Expected,
    /// What they are run for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<TrialItem>,
}

/// An item of a list, as commands read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialItem {
    /// A text as it is, anything else as JSON. It comes from outside, so it is in no command's text.
    pub text: String,
    /// Which it is, from 1.
    pub nth: u32,
}

impl TrialItem {
    /// The longest that is given to commands, in bytes: the system has a limit of its own for a variable.
    pub const LONGEST: usize = 96 * 1024;

    /// The variables that say it.
    pub fn env(&self) -> [(String, String); 2] {
        [("FORGEHAND_ITEM".to_owned(), self.text.clone()), ("FORGEHAND_INDEX".to_owned(), self.nth.to_string())]
    }
}

/// How commands are to come out, worked out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// All of them pass.
    Success,
    /// One of them fails.
    Failure {
        /// This stands in what that one prints.
        prints: Option<String>,
    },
}

impl Expected {
    /// Whether it came out so. What ran out of time, or was ended by a signal, did not fail for a reason that it prints.
    pub fn met(&self, evidence: &Evidence) -> bool {
        match self {
            Self::Success => evidence.passed,
            Self::Failure { prints } => {
                let failed = evidence.commands.last().filter(|last| last.exit.is_some_and(|code| code != 0));
                let says = |text: &str| {
                    let text = squeezed(text);
                    !text.is_empty() && failed.is_some_and(|last| squeezed(&last.tail).contains(&text))
                };
                !evidence.passed && !evidence.timed_out && failed.is_some() && prints.as_deref().is_none_or(says)
            }
        }
    }
}

/// A text without regard to how it is spaced and broken into lines.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a run left on a branch without a pull request, for the runs that come after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The name by which it is found again.
    pub name: String,
    /// The issue that the run was about.
    pub issue: IssueNumber,
    /// Its formula.
    pub formula: FormulaName,
    /// The branch.
    pub branch: Branch,
    /// The commit that it was left at.
    pub sha: Sha,
    /// The commit that the run started from.
    pub base: Sha,
    /// How it is run.
    pub commands: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CommandRun;

    fn evidence(exit: Option<i32>, tail: &str) -> Evidence {
        let run = CommandRun { command: "sh t.sh".into(), exit, millis: 1, tail: tail.into() };
        let sha = "a".repeat(40).parse().expect("a commit");
        Evidence { sha, commands: vec![run], passed: exit == Some(0), timed_out: exit.is_none() }
    }

    #[test]
    fn what_is_to_fail_fails_for_its_reason() {
        let expected = Expected::Failure { prints: Some("got 5,  expected 4".into()) };
        assert!(expected.met(&evidence(Some(1), "2 + 2: got 5,\n  expected 4\n")));
        assert!(!expected.met(&evidence(Some(127), "sh: t.sh: not found")), "another reason");
        assert!(!expected.met(&evidence(Some(0), "got 5, expected 4")), "it passed");
        assert!(!expected.met(&evidence(None, "got 5, expected 4")), "it was cut");
        assert!(!Expected::Failure { prints: Some(" ".into()) }.met(&evidence(Some(1), "a b")), "nothing is no reason");
        assert!(Expected::Failure { prints: None }.met(&evidence(Some(2), "")));
        assert!(Expected::Success.met(&evidence(Some(0), "")) && !Expected::Success.met(&evidence(Some(1), "")));
    }
}
