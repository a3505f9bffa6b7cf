//! What a step asks of the forge, or of forgehand itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Expression, FormulaName, Given, RepoName};

/// A run of a formula, and what that is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The formula.
    pub formula: FormulaName,
    /// Its inputs, each a value or an expression about what the run knows that starts it.
    #[serde(default)]
    pub with: BTreeMap<String, Given>,
}

/// What a formula asks of the forge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "propose")]
pub enum Proposal {
    /// A comment on the issue.
    Comment {
        /// Its template, as text.
        body: String,
        /// The number of another issue that it is for; the run's own, without one. So with the others.
        #[serde(default)]
        issue: Option<Expression>,
    },
    /// A pull request from the run's branch.
    PullRequest {
        /// Its title's template.
        title: String,
        /// Its body's template.
        body: String,
        /// What goes on when it is merged, and closes the issue.
        #[serde(default)]
        then: Option<Start>,
    },
    /// Another run is started, about an issue of the repository.
    Start {
        /// Of which formula, and with what.
        start: Start,
        /// The issue; the run's own, without one.
        issue: Option<Expression>,
    },
    /// Labels that are put on and taken off: of those that the formula describes.
    Labels {
        /// The templates of those that are put on.
        add: Vec<String>,
        /// The templates of those that are taken off.
        remove: Vec<String>,
        /// Another issue.
        #[serde(default)]
        issue: Option<Expression>,
    },
    /// The issue is closed.
    Close {
        /// Another issue.
        #[serde(default)]
        issue: Option<Expression>,
    },
    /// The run's own issue is opened again.
    Reopen,
    /// The run's commits are left on a branch of their own, without a pull request.
    Branch {
        /// The name by which later runs find them.
        keep: String,
        /// How they are run: a list of lines for a shell.
        commands: Option<Expression>,
    },
    /// An issue is filed.
    Issue {
        /// Its title's template.
        title: String,
        /// Its body's template.
        body: String,
        /// The templates of its labels: of those that the formula describes, and those by which work comes in.
        labels: Vec<String>,
        /// The run's issue waits for it.
        blocks: bool,
        /// Whatever has this name is filed once about what the run is about, by whichever run: a text. So with the others.
        #[serde(default)]
        once: Option<Expression>,
        /// It is filed anew where what has that name is closed.
        #[serde(default)]
        while_open: bool,
    },
    /// An issue is filed for each item of a list, those first that others wait for; the run's issue waits for all of them.
    SubIssues {
        /// The list: objects with `title` and `body`, and perhaps `id`, `depends_on` and `labels`.
        items: Expression,
        /// Longer lists end the run.
        at_most: u32,
        /// The templates of the labels that each of them gets, beside those of its item.
        labels: Vec<String>,
        /// The name of the list; that of each item is its `id`.
        #[serde(default)]
        once: Option<Expression>,
    },
    /// The pull request is reviewed that is open for the issue.
    Review {
        /// What it comes to: a word of [`Verdict`].
        verdict: Expression,
        /// Its template, as text.
        body: String,
    },
    /// The commits go to the branch of the pull request that is open for the issue.
    Push,
    /// The pull request that is open for the issue is put forward to be merged, and its end is waited for.
    Merge,
    /// What reviewers said about that pull request is answered, each where it was said.
    Replies {
        /// The answers: a list of objects with `to`, what the prompt calls the point, and `text`.
        items: Expression,
    },
    /// A file is kept in the operations repository, or asked for in another one.
    File {
        /// That other one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repo: Option<RepoName>,
        /// The template of where it stands.
        path: String,
        /// What it says: a text.
        content: Expression,
        /// The template of what is said about it, in a line.
        title: String,
        /// The template of the body of the pull request by which it is asked for; without one it is committed directly.
        pull: Option<String>,
    },
    /// An action of the vault is asked for.
    VaultAction {
        /// Its name: a text.
        action: Expression,
        /// What it asks for: an object with the keys of its file.
        asks: Expression,
        /// The template of the pull request's title.
        title: String,
        /// The template of that pull request's body, as text.
        body: String,
    },
    /// What a probe of the host looks at is mended, by what the configuration of the host has for it.
    Mend {
        /// The probe's name: a text.
        probe: Expression,
    },
    /// An issue is written anew.
    UpdateIssue {
        /// Its title's template; as it is, without one.
        title: Option<String>,
        /// Its body's template; as it is, without one.
        body: Option<String>,
        /// The issues whose tasks are ticked in the body that stands there: a list of numbers.
        #[serde(default)]
        tick: Option<Expression>,
        /// Another issue.
        issue: Option<Expression>,
    },
}

/// What a review comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It can be merged.
    Approve,
    /// Something has to be changed first.
    RequestChanges,
    /// Neither.
    Comment,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Approve, Self::RequestChanges, Self::Comment];

    /// Its word in formulas.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::RequestChanges => "request-changes",
            Self::Comment => "comment",
        }
    }
}

impl Proposal {
    /// The other issue that it is for.
    pub fn target(&self) -> Option<&Expression> {
        match self {
            Self::Comment { issue, .. }
            | Self::Labels { issue, .. }
            | Self::Close { issue }
            | Self::Start { issue, .. }
            | Self::UpdateIssue { issue, .. } => issue.as_ref(),
            Self::PullRequest { .. }
            | Self::Reopen
            | Self::Branch { .. }
            | Self::Issue { .. }
            | Self::SubIssues { .. }
            | Self::Review { .. }
            | Self::Push
            | Self::Merge
            | Self::Replies { .. }
            | Self::Mend { .. }
            | Self::File { .. }
            | Self::VaultAction { .. } => None,
        }
    }
}
