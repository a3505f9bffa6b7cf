//! Identifiers. Each is a type of its own, so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A repository on the forge, `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName {
    owner: String,
    name: String,
}

impl RepoName {
    /// The owner's login: a user or an organization.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The repository's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One path component that is unique to this repository, for folders of ours.
    pub fn folder(&self) -> String {
        format!("{}--{}", self.owner, self.name)
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// A text that is not `owner/name`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a repository: write it as owner/name")]
pub struct BadRepoName(String);

impl FromStr for RepoName {
    type Err = BadRepoName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |s: &str| {
            !s.is_empty() && s != "." && s != ".." && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if part(owner) && part(name) => Ok(Self { owner: owner.into(), name: name.into() }),
            _ => Err(BadRepoName(text.to_owned())),
        }
    }
}

impl TryFrom<String> for RepoName {
    type Error = BadRepoName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RepoName> for String {
    fn from(repo: RepoName) -> Self {
        repo.to_string()
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number!(
    /// The number of an issue within its repository.
    ///
    /// Issues and pull requests share one sequence on the forge, and are different things to us:
    /// ```compile_fail
    /// use forgehand::model::{IssueNumber, PullNumber};
    /// let issue: IssueNumber = PullNumber(7);
    /// ```
    IssueNumber, "#"
);

impl IssueNumber {
    /// No issue of any forge: it stands for the project as a whole.
    pub const PROJECT: Self = Self(0);
}
number!(
    /// The number of a pull request within its repository.
    PullNumber, "#"
);
number!(
    /// The forge's identifier of a comment.
    CommentId, ""
);
number!(
    /// The forge's identifier of a review of a pull request.
    ReviewId, ""
);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text!(
    /// The name of a probe of the host, as the configuration has it.
    ProbeName
);
text!(
    /// A user's login name on the forge.
    Login
);
text!(
    /// A branch, without `refs/heads/`.
    Branch
);
text!(
    /// The identifier of a run, unique over all journals.
    RunId
);
text!(
    /// The identifier of a journal: it tells our claims from another daemon's.
    JournalId
);
text!(
    /// The name of a formula.
    FormulaName
);
text!(
    /// The identifier of a step within its formula.
    StepId
);
text!(
    /// The key of an effect, `repo#N/run/step/n`: it stands in the marker of what the effect leaves behind.
    EffectKey
);
/// An effect's key taken apart, as it is read off the forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyParts {
    /// The number of the run among those of its issue; none where the effect belongs to no run.
    pub run: Option<u32>,
    /// The beginning of the identifier of the journal that made it; see [`JournalId::short`].
    pub journal: String,
    /// The intent's one word.
    pub word: String,
    /// The number of the effect among those of its issue.
    pub effect: u64,
}

impl RunId {
    /// Its number among the runs about the same thing.
    pub fn number(&self) -> Option<u32> {
        self.as_str().rsplit('-').nth(1)?.parse().ok()
    }

    /// Whether it can be about an issue of the repository whose folders of ours have this name: it begins with that, cut short.
    pub fn is_of(&self, folder: &str) -> bool {
        let folder: String = folder.chars().take(60).collect();
        self.as_str().starts_with(&folder)
    }
}

impl EffectKey {
    /// `repo#N/run/step/n`, with the journal in place of the run where there is none.
    pub fn new(subject: &Subject, run: Option<&RunId>, journal: &JournalId, word: &str, effect: u64) -> Self {
        let run = run.map_or_else(|| format!("-{}", journal.short()), ToString::to_string);
        Self(format!("{subject}/{run}/{word}/{effect}"))
    }

    /// Its parts; none if it is no key of an effect on this issue.
    pub fn parts(&self, subject: &Subject) -> Option<KeyParts> {
        let mut parts = self.as_str().strip_prefix(&format!("{subject}/"))?.split('/');
        let (run, word, effect) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
        let (rest, journal) = run.rsplit_once('-')?;
        let run = if rest.is_empty() { None } else { Some(rest.rsplit('-').next()?.parse().ok()?) };
        parts.next().is_none().then(|| KeyParts { run, journal: journal.to_owned(), word: word.to_owned(), effect })
    }
}

impl JournalId {
    /// Its beginning, which names it in runs and markers.
    pub fn short(&self) -> String {
        self.as_str().chars().take(8).collect()
    }
}

text!(
    /// The name of an agent, as the configuration gives it.
    AgentName
);
text!(
    /// The name of an account with the model's provider.
    AccountName
);
text!(
    /// A SHA-256 in lower-case hex: what a text from outside was when we read it.
    TextHash
);

impl TextHash {
    /// What a text is, raw, before any cleaning.
    pub fn of(text: &str) -> Self {
        Self(hex::encode(Sha256::digest(text.as_bytes())))
    }
}

impl AgentName {
    /// The agent of `[agent]`: it has every role that no other one has.
    pub fn usual() -> Self {
        Self("default".to_owned())
    }
}

impl AccountName {
    /// The account of `[agent]` where none is named.
    pub fn usual() -> Self {
        Self("default".to_owned())
    }

    /// The account that is found in the usual places, of an agent that does not take that of `[agent]`.
    pub fn usual_places() -> Self {
        Self("usual".to_owned())
    }
}

/// The name of a git object, 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha(String);

impl Sha {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a git object name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the name of a git object")]
pub struct BadSha(String);

impl FromStr for Sha {
    type Err = BadSha;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && matches!(text.len(), 40 | 64) { Ok(Self(text.to_owned())) } else { Err(BadSha(text.to_owned())) }
    }
}

impl TryFrom<String> for Sha {
    type Error = BadSha;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        sha.0
    }
}

/// What a run is about: an issue of a repository under care, or the project as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The repository.
    pub repo: RepoName,
    /// The issue in it; [`IssueNumber::PROJECT`] for the project itself.
    pub issue: IssueNumber,
}

impl Subject {
    /// A project as a whole: what a schedule is about.
    pub fn project(repo: RepoName) -> Self {
        Self { repo, issue: IssueNumber::PROJECT }
    }

    /// Whether it is a project, and no issue of it.
    pub fn is_project(&self) -> bool {
        self.issue == IssueNumber::PROJECT
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_project() {
            true => write!(f, "{}", self.repo),
            false => write!(f, "{}{}", self.repo, self.issue),
        }
    }
}
