//! Why a change is of a tier, and what a run is given to read.

use serde::{Deserialize, Serialize};

use super::{LastTag, Login, OpenIssues, OpsFile, Point, PullNumber, Risk, Tasks, TextHash, Timestamp};

/// Why a change is of a tier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TierReason {
    /// What says so.
    pub source: TierSource,
    /// The path that it is about; none where it is about the whole change.
    pub path: Option<String>,
    /// The tier that it asks for.
    pub tier: Risk,
    /// In words, without the path.
    pub why: String,
}

/// What a tier comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TierSource {
    /// The policy's entry for a path or a formula; or that it cannot be read.
    Policy,
    /// What git says of a file: deleted, binary, mode, link, submodule, how its path is written.
    Diff,
    /// How many lines and files.
    Size,
    /// What a file has run when the project is built or installed.
    Scripts,
    /// A file that a verify command names.
    Verification,
    /// A path of the project's `person_paths`.
    PersonPath,
    /// The agent's own opinion.
    Agent,
    /// The formula's `blast_radius`, or that there is none.
    Formula,
    /// What a request asks for.
    Request,
}

/// The texts that a run is given to read: fetched once when it starts, and frozen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTexts {
    /// The issue's title, raw.
    pub title: String,
    /// The issue's body, raw.
    pub body: String,
    /// Who filed it.
    pub author: String,
    /// The breakdown comment as it stands, its marker stripped.
    pub breakdown: Option<String>,
    /// Comments of people with write access, oldest first.
    pub comments: Vec<Remark>,
    /// CLAUDE.md of the base branch.
    pub guide: Option<String>,
    /// The project's open issues, raw, where the run is about the project and asks for them.
    #[serde(default)]
    pub open: OpenIssues,
    /// What the run's issue lists as its tasks, raw, where the formula asks for them.
    #[serde(default, skip_serializing_if = "Tasks::is_empty")]
    pub tasks: Tasks,
    /// What the run's formula reads of the operations repository, raw.
    #[serde(default)]
    pub ops: Vec<OpsFile>,
    /// The file of the sprint about the issue, raw, where the run's formula asks for it.
    #[serde(default)]
    pub sprint: Option<String>,
    /// The newest tag that the base branch has behind it, where the formula asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tag: Option<LastTag>,
    /// What is asked of the pull request, where the run revises one.
    #[serde(default)]
    pub pull: Option<PullTexts>,
}

/// What is asked of a pull request, raw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullTexts {
    /// It.
    pub number: PullNumber,
    /// What reviewers said and nobody answered, oldest first.
    pub points: Vec<PointText>,
    /// Its checks that are red.
    pub checks: Vec<CheckText>,
    /// It conflicts with its base.
    pub conflicts: bool,
    /// What fails of the verification once its base is merged into it, where it does not conflict with that.
    #[serde(default)]
    pub unfit: Option<String>,
}

impl PullTexts {
    /// What stands for it where there is none: a check of it is red.
    pub fn made_up(number: PullNumber) -> Self {
        let (context, description) = ("(a check)".into(), "(what it says about itself)".into());
        let check = CheckText { context, description, link: String::new(), log: Some("(the end of what it printed)".into()) };
        Self { number, points: Vec::new(), checks: vec![check], conflicts: false, unfit: None }
    }
}

/// What a reviewer said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointText {
    /// Which point it is.
    pub point: Point,
    /// When, by the forge's clock.
    pub at: Timestamp,
    /// The text, raw.
    pub body: String,
}

/// A check that is red.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckText {
    /// What it is called, raw.
    pub context: String,
    /// What it says about itself, raw.
    pub description: String,
    /// Where more is said, raw.
    pub link: String,
    /// The end of what it printed, where the forge has that.
    pub log: Option<String>,
}

/// A person's comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Who wrote it.
    pub author: Login,
    /// When, by the forge's clock.
    pub at: Timestamp,
    /// The text, raw.
    pub body: String,
}

/// Title and body of an issue as they were when we read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextMark {
    /// Of the title.
    pub title: TextHash,
    /// Of the body.
    pub body: TextHash,
}
