//! Formulas as data, the structured outputs of the shipped roles, and what a run is given to read.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FormulaName, Login, StepId, TextHash, Timestamp};

/// A workflow, parsed and checked. It is journalled when a run starts: a run ends with the formula it started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formula {
    /// Its name.
    pub name: FormulaName,
    /// One line for people.
    pub title: String,
    /// A few sentences for people; may be empty.
    pub description: String,
    /// The label that starts it, by its default name; none if something else does.
    pub trigger: Option<String>,
    /// How much it could break.
    pub blast_radius: Risk,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// A step of a formula.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its identifier, unique in the formula.
    pub id: StepId,
    /// What it does.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StepKind {
    /// An agent works on a prompt.
    Agent {
        /// The role, which names the agent.
        role: String,
        /// The prompt's template, as text.
        prompt: String,
        /// What it may do to its workspace.
        access: Access,
        /// The shape of its structured output.
        output: OutputShape,
    },
    /// The project's verification runs on the exact commit.
    Verify {
        /// Where failing output goes, and how often.
        on_failure: Option<BackTo>,
    },
    /// Commands of the formula's own run on the exact commit, where a verification runs.
    Run {
        /// They, in order, each a line for a shell.
        commands: Vec<String>,
        /// Where failing output goes, and how often.
        on_failure: Option<BackTo>,
    },
    /// The formula asks something of the forge.
    Propose(Proposal),
    /// The run waits.
    Gate(Gate),
}

/// What a run waits for before it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "gate")]
pub enum Gate {
    /// Time to pass.
    Time {
        /// How long from when the step was reached.
        after: Duration,
    },
    /// Green checks of the head of the run's own pull request.
    Checks,
    /// An approval of that head.
    Approval,
}

impl StepKind {
    /// Where the failing output of a step goes that has some.
    pub fn on_failure(&self) -> Option<&BackTo> {
        match self {
            Self::Verify { on_failure } | Self::Run { on_failure, .. } => on_failure.as_ref(),
            Self::Agent { .. } | Self::Propose(_) | Self::Gate(_) => None,
        }
    }
}

impl StepId {
    /// The step of a formula that a step calls.
    pub fn within(&self, call: &Self) -> Self {
        Self(format!("{call}.{self}"))
    }

    /// The calls that lead to it, `call.` of `call.work`, and the name that it has in its own formula.
    pub fn split(&self) -> (&str, &str) {
        self.0.split_at(self.0.rfind('.').map_or(0, |dot| dot + 1))
    }
}

/// Failing output goes back to an agent step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackTo {
    /// The agent step.
    pub to: StepId,
    /// How often at most.
    pub at_most: u32,
    /// The template of what the agent is told, as text.
    pub prompt: String,
}

/// What a formula asks of the forge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "propose")]
pub enum Proposal {
    /// A comment on the issue.
    Comment {
        /// Its template, as text.
        body: String,
    },
    /// A pull request from the run's branch.
    PullRequest {
        /// Its title's template.
        title: String,
        /// Its body's template.
        body: String,
    },
}

/// What an agent may do to its workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look only.
    Read,
    /// Change and commit.
    Write,
}

/// The structured outputs that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputShape {
    /// [`TriageOutput`].
    Triage,
    /// [`FixOutput`].
    Fix,
}

impl OutputShape {
    /// The JSON schema of the output.
    pub fn schema(self) -> serde_json::Value {
        match self {
            Self::Triage => schemars::schema_for!(TriageOutput).to_value(),
            Self::Fix => schemars::schema_for!(FixOutput).to_value(),
        }
    }
}

/// How much something could break; ordered, so that the highest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Little, and easily undone.
    Low,
    /// Something.
    Medium,
    /// Much.
    High,
}

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

/// What raises a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TierSource {
    /// The formula's `blast_radius`.
    Formula,
    /// A path that steers builds, checks or agents.
    ProtectedPath,
    /// A file that a verify command names.
    Verification,
    /// A path of the project's `person_paths`.
    PersonPath,
}

/// Where triage sends an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// An agent can do it.
    Queue,
    /// A person must.
    Interactive,
    /// A question has to be answered first.
    NeedsInfo,
}

/// What a triage agent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriageOutput {
    /// Where the issue goes.
    pub route: Route,
    /// What is asked for, in a few sentences.
    pub summary: String,
    /// What the change must do.
    pub requirements: Vec<String>,
    /// How one can tell that it is done.
    pub acceptance: Vec<String>,
    /// The files that will likely change.
    pub files: Vec<String>,
    /// How much it could break.
    pub risk: Risk,
    /// What has to be asked first.
    pub questions: Vec<String>,
}

/// What a fixing agent says of its work. Evidence decides, this only explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FixVerdict {
    /// The work is committed.
    Done,
    /// There is nothing to change.
    NoChange,
    /// It should not be done, or not by an agent.
    Refused,
}

/// What a fixing agent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixOutput {
    /// What came of it.
    pub outcome: FixVerdict,
    /// The pull request's title, where the work is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was changed and why, or why nothing was.
    pub summary: String,
}

/// A validated structured output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shape", content = "value")]
pub enum StepOutput {
    /// Of a triage step.
    Triage(TriageOutput),
    /// Of a fix step.
    Fix(FixOutput),
}

/// The texts that a run is given to read: fetched once when it starts, and frozen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTexts {
    /// The title, raw.
    pub title: String,
    /// The body, raw.
    pub body: String,
    /// Who filed it.
    pub author: String,
    /// The breakdown comment as it stands, its marker stripped.
    pub breakdown: Option<String>,
    /// Comments of people with write access, oldest first.
    pub comments: Vec<Remark>,
    /// CLAUDE.md of the base branch.
    pub guide: Option<String>,
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
