//! Formulas as data: what a workflow says once it was parsed and checked.
//!
//! A formula is journalled whole when a run starts, because a run ends with the formula it started with. So a journal of an older version
//! has older formulas in it: what came later has a default, and what was written otherwise is read as it was written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value as Json, json};

use super::{
    ActionAt, Branch, Commands, Ending, Expect, ForgeEvent, FormulaName, Hire, LabelNames, Proposal, Provisions, RepoName,
    RunsOn, Shape, StepId, Subject, Triggers, Usd, Verdict,
};

/// A workflow, parsed and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formula {
    /// Its name.
    pub name: FormulaName,
    /// One line for people.
    pub title: String,
    /// A few sentences for people; may be empty.
    pub description: String,
    /// What starts it.
    #[serde(default, deserialize_with = "super::triggers::label_or_triggers")]
    pub trigger: Triggers,
    /// How much it could break.
    pub blast_radius: Risk,
    /// What must hold before it starts.
    #[serde(default)]
    pub require: Require,
    /// What it may use up; what is not said is the configuration's.
    #[serde(default)]
    pub limits: FormulaLimits,
    /// Where it works.
    #[serde(default)]
    pub workspace: FormulaWorkspace,
    /// The labels that it puts on beside those of the lifecycle.
    #[serde(default)]
    pub labels: Vec<FormulaLabel>,
    /// What it is given by whoever starts or calls it.
    #[serde(default)]
    pub inputs: Vec<InputSpec>,
    /// What it reads of the operations repository: files, and folders with a slash at their end.
    #[serde(default)]
    pub reads_ops: Vec<String>,
    /// The steps, in the order of the file.
    pub steps: Vec<Step>,
    /// What it ends as: the first that holds; `done` where none does.
    #[serde(default)]
    pub outcomes: Vec<Ending>,
}

impl Formula {
    /// What its runs are about: a schedule knows of no issue, and neither does an action of the vault.
    pub fn about(&self) -> About {
        self.trigger.about()
    }
}

/// What the runs of a formula are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// An issue.
    Issue,
    /// The project as a whole.
    Project,
}

impl About {
    /// What a run on something is about.
    pub fn of(subject: &Subject) -> Self {
        if subject.is_project() { Self::Project } else { Self::Issue }
    }
}

/// What must hold before a run starts; what does not hold yet is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Require {
    /// All that the issue depends on is closed. Formulas that the label of the queue starts always wait for that.
    pub dependencies_closed: bool,
    /// Labels that the issue carries.
    pub labels: Vec<String>,
    /// Labels that it does not carry.
    pub no_labels: Vec<String>,
    /// Files that are there on the base branch.
    pub files: Vec<String>,
}

/// What a run may use up; none: as the configuration says. What both say, the smaller holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FormulaLimits {
    /// An agent's turn at most.
    pub wall: Option<Duration>,
    /// No sign of life for longer than this ends a turn.
    pub silence: Option<Duration>,
    /// An agent's turns with its model at most.
    pub turns: Option<u32>,
    /// A run's money.
    pub budget_usd: Option<Usd>,
    /// Attempts.
    pub attempts: Option<u32>,
    /// Runs that begin in a UTC day, in a project.
    pub runs_day: Option<u32>,
    /// Money for those of a UTC day, in a project.
    pub usd_day: Option<Usd>,
    /// What does not run beside each other.
    pub concurrency: Option<Concurrency>,
}

/// Runs of one group do not run beside each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The group's name, within the project.
    pub group: String,
    /// What becomes of a run that finds the group at work.
    pub when_busy: WhenBusy,
}

/// What becomes of a run that finds its group at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenBusy {
    /// It waits.
    Queue,
    /// It stops the other and takes its place.
    Replace,
    /// It does not take place.
    Skip,
}

/// Where a run works; none: as the project says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FormulaWorkspace {
    /// The branch that it starts from and proposes to.
    pub base: Option<Branch>,
    /// What is put behind the name of the issue's branch, with a `-` between, for the branch that it pushes to.
    pub branch: Option<String>,
    /// It is given the project's env file, where there is one. So with the others: only `false` says something.
    pub env_file: Option<bool>,
    /// It is given a port.
    pub ports: Option<bool>,
    /// It is given the project's caches.
    pub caches: Option<bool>,
}

impl FormulaWorkspace {
    /// What of a project's provisions a run is given.
    pub fn of(&self, project: &Provisions) -> Provisions {
        let mut given = project.clone();
        if self.env_file == Some(false) {
            given.env_file = None;
        }
        if self.ports == Some(false) {
            given.ports = None;
        }
        if self.caches == Some(false) {
            given.caches.clear();
        }
        given
    }
}

/// A label that a formula uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormulaLabel {
    /// Its name.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub color: String,
    /// For people; may be empty.
    pub description: String,
}

/// Something that a formula is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Its name, `inputs.NAME`.
    pub name: String,
    /// What it may be.
    pub kind: InputKind,
    /// What it is where nobody says; without one it must be given.
    pub default: Option<Json>,
    /// For people; may be empty.
    pub description: String,
}

/// What an input may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum InputKind {
    /// A text.
    Text {
        /// A regular expression that it matches as a whole.
        pattern: Option<String>,
        /// What it may be; empty: anything.
        one_of: Vec<String>,
    },
    /// A whole number.
    Number {
        /// At least.
        min: Option<i64>,
        /// At most.
        max: Option<i64>,
    },
    /// Yes or no.
    Flag,
    /// Texts.
    List,
}

/// A CEL expression that was checked when its formula was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(pub String);

/// A step of a formula.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its identifier, unique in the formula.
    pub id: StepId,
    /// The steps that end before it begins. None, in journals of older versions: the one before it.
    #[serde(default)]
    pub needs: Option<Vec<StepId>>,
    /// Whether it is done; without one it is done where none that it needs was skipped.
    #[serde(default)]
    pub when: Option<Expression>,
    /// It is done once for each of these.
    #[serde(default)]
    pub for_each: Option<ForEach>,
    /// It takes no longer.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// It is tried again.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// What it does.
    pub kind: StepKind,
}

/// A step that is done for each item of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForEach {
    /// The list.
    pub items: Expression,
    /// Longer lists end the run.
    pub at_most: u32,
}

/// How a step is tried again that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How often, beside the first time.
    pub at_most: u32,
    /// How long after it failed.
    pub wait: Duration,
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
        /// The tools that it is given, by the backend's names; empty: as its access says.
        #[serde(default)]
        tools: Vec<String>,
        /// What the agent is to be, and its model.
        #[serde(default, skip_serializing_if = "Hire::is_silent")]
        hire: Hire,
        /// The shape of its structured output.
        output: Shape,
        /// Whether its commits are taken over, asked of its `output`; always, without one.
        #[serde(default)]
        commits: Option<Expression>,
    },
    /// The project's verification runs on the exact commit.
    Verify {
        /// Where failing output goes, and how often.
        on_failure: Option<BackTo>,
    },
    /// Other commands run on the exact commit, where a verification runs.
    Run {
        /// They.
        commands: Commands,
        /// What they run on.
        #[serde(default)]
        on: RunsOn,
        /// How they are to come out.
        #[serde(default)]
        expect: Expect,
        /// The run goes on where they come out otherwise.
        #[serde(default)]
        go_on: bool,
        /// Where failing output goes, and how often.
        on_failure: Option<BackTo>,
    },
    /// The formula asks something of the forge.
    Propose(Proposal),
    /// The run waits.
    Gate(Gate),
    /// A formula that is called begins: what it is given is worked out.
    Enter {
        /// Its inputs, each a value or an expression about what the caller knows.
        with: BTreeMap<String, Given>,
        /// What it may be given.
        #[serde(default)]
        inputs: Vec<InputSpec>,
        /// The item that it is called for, where that is one of several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<CallItem>,
    },
    /// A formula that is called ends: what it ends as is worked out.
    Leave {
        /// What it may end as.
        outcomes: Vec<Ending>,
        /// It was called for so many items, each with an end of its own: what they end as is put together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u32>,
    },
}

/// An item that a formula is called for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallItem {
    /// It.
    pub value: Json,
    /// Which, from 1.
    pub nth: u32,
}

/// What an input is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// A value.
    Value(Json),
    /// What an expression comes to.
    Expression(Expression),
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
    /// An action of the vault.
    Vault {
        /// Its name: a text.
        action: Expression,
    },
}

impl StepKind {
    /// Whether a `retry` means something for it.
    pub fn can_be_done_again(&self) -> bool {
        matches!(self, Self::Agent { .. } | Self::Verify { .. } | Self::Run { .. })
    }

    /// Where the failing output of a step goes that has some.
    pub fn on_failure(&self) -> Option<&BackTo> {
        match self {
            Self::Verify { on_failure } | Self::Run { on_failure, .. } => on_failure.as_ref(),
            Self::Agent { .. } | Self::Propose(_) | Self::Gate(_) | Self::Enter { .. } | Self::Leave { .. } => None,
        }
    }

    /// The same where the steps that it names are called otherwise.
    pub fn renamed(self, name: impl Fn(&StepId) -> StepId) -> Self {
        let back = |back: Option<BackTo>| back.map(|back| BackTo { to: name(&back.to), ..back });
        match self {
            Self::Verify { on_failure } => Self::Verify { on_failure: back(on_failure) },
            Self::Run { commands, on, expect, go_on, on_failure } => {
                Self::Run { commands, on, expect, go_on, on_failure: back(on_failure) }
            }
            other @ (Self::Agent { .. } | Self::Propose(_) | Self::Gate(_) | Self::Enter { .. } | Self::Leave { .. }) => other,
        }
    }
}

impl Formula {
    /// Whether the label of the intake starts it.
    pub fn takes_in(&self) -> bool {
        self.trigger.label.as_deref() == Some(LabelNames::default().portal.as_str())
    }

    /// Whether one of its steps reviews a pull request.
    pub fn reviews(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::Review { .. })))
    }

    /// Whether one of its steps pushes to the pull request that is open: what is asked of that goes to it.
    pub fn revises(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::Push)))
    }

    /// Whether it brings a pull request of ours up to its base: what came there is merged before its first step.
    pub fn updates(&self) -> bool {
        self.trigger.event.contains(&ForgeEvent::PullBehind)
    }

    /// Whether its runs change what is merged: they open a pull request, or do more work on one. Who brings one up changes nothing of its own.
    pub fn changes_files(&self) -> bool {
        (self.opens_pull() || self.revises()) && !self.updates()
    }

    /// Whether one of its steps leaves its commits on a branch of its own.
    pub fn keeps_branch(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::Branch { .. })))
    }

    /// Whether it reads or writes the operations repository.
    pub fn needs_ops(&self) -> bool {
        let keeps = |step: &Step| matches!(step.kind, StepKind::Propose(Proposal::File { repo: None, .. }));
        !self.reads_ops.is_empty() || self.steps.iter().any(keeps) || self.asks_vault() || self.waits_for_vault()
    }

    /// The repositories in which its steps ask for files, but for the operations repository.
    pub fn asks_in(&self) -> BTreeSet<&RepoName> {
        let named = self.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Propose(Proposal::File { repo, .. }) => repo.as_ref(),
            _ => None,
        });
        named.collect()
    }

    /// Whether one of its steps asks for an action of the vault.
    pub fn asks_vault(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::VaultAction { .. })))
    }

    /// Whether one of its gates waits for one.
    pub fn waits_for_vault(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, StepKind::Gate(Gate::Vault { .. })))
    }

    /// Whether it is told what the probes of the host show: anything in it names them.
    pub fn reads_host(&self) -> bool {
        self.names(&["host", "probes"]) || self.mends()
    }

    /// Whether one of its steps mends what a probe of the host looks at.
    pub fn mends(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::Mend { .. })))
    }

    /// Whether one of its steps puts a pull request forward to be merged.
    pub fn merges(&self) -> bool {
        self.steps.iter().any(Step::merges)
    }

    /// Whether one of its steps opens a pull request.
    pub fn opens_pull(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::PullRequest { .. })))
    }
}

impl StepKind {
    /// What a step leaves for those after it, as a JSON schema.
    pub fn left(&self) -> Cow<'_, Json> {
        let text = || json!({ "type": "string" });
        let number = || json!({ "type": "integer" });
        let list = |items: Json| json!({ "type": "array", "items": items });
        let fields = match self {
            Self::Agent { output, .. } => return Cow::Borrowed(&output.schema),
            Self::Verify { .. } | Self::Run { .. } => {
                let exit = json!({ "type": ["integer", "null"] });
                let command = [("command", text()), ("exit", exit), ("seconds", json!({ "type": "number" })), ("tail", text())];
                let flag = || json!({ "type": "boolean" });
                vec![("passed", flag()), ("as_expected", flag()), ("commands", list(closed(command)))]
            }
            Self::Propose(Proposal::Comment { .. }) => vec![("comment", number())],
            Self::Propose(Proposal::PullRequest { .. }) => vec![("pull", number()), ("head", text())],
            Self::Propose(Proposal::Push) => vec![("head", text())],
            Self::Propose(Proposal::Replies { .. }) => vec![("replies", number())],
            Self::Propose(Proposal::Branch { .. }) => vec![("branch", text()), ("commit", text())],
            Self::Propose(Proposal::Labels { .. }) => vec![("labels", list(text()))],
            Self::Propose(Proposal::Issue { once: Some(_), .. }) => vec![("issue", number()), ("once", text())],
            Self::Propose(Proposal::Issue { .. } | Proposal::Start { .. }) => vec![("issue", number())],
            Self::Propose(Proposal::Review { .. }) => {
                let words = json!({ "enum": Verdict::ALL.map(Verdict::word) });
                vec![("verdict", words), ("counts", json!({ "type": "boolean" }))]
            }
            Self::Propose(Proposal::File { .. }) => {
                let maybe = || json!({ "type": ["string", "null"] });
                let pull = json!({ "type": ["integer", "null"] });
                vec![("path", text()), ("commit", maybe()), ("pull", pull), ("left", maybe())]
            }
            Self::Propose(Proposal::VaultAction { .. }) => {
                let maybe = |of: &str| json!({ "type": [of, "null"] });
                let tier = json!({ "enum": ["low", "medium", "high"] });
                vec![("id", text()), ("path", text()), ("pull", maybe("integer")), ("tier", tier), ("left", maybe("string"))]
            }
            Self::Gate(Gate::Vault { .. }) => {
                let exit = json!({ "type": ["integer", "null"] });
                vec![("id", text()), ("state", json!({ "enum": ActionAt::WORDS })), ("exit_code", exit), ("logs", text())]
            }
            Self::Propose(Proposal::Mend { .. }) => {
                let exit = json!({ "type": ["integer", "null"] });
                let did = json!({ "enum": ["mended", "tried", "well", "held"] });
                vec![("probe", text()), ("did", did), ("ok", json!({ "type": "boolean" })), ("exit", exit), ("why", text())]
            }
            Self::Propose(Proposal::SubIssues { .. }) => {
                let id = json!({ "type": ["string", "null"] });
                vec![("issues", list(closed([("id", id), ("issue", number())])))]
            }
            Self::Propose(Proposal::Merge) => {
                let pull = json!({ "type": ["integer", "null"] });
                let state = json!({ "enum": FORWARDED });
                let sha = json!({ "type": ["string", "null"] });
                vec![("pull", pull), ("merged", json!({ "type": "boolean" })), ("state", state), ("sha", sha), ("why", text())]
            }
            Self::Propose(Proposal::Close { .. } | Proposal::Reopen | Proposal::UpdateIssue { .. })
            | Self::Gate(Gate::Time { .. } | Gate::Checks | Gate::Approval)
            | Self::Enter { .. } => Vec::new(),
            Self::Leave { .. } => {
                let words = ["done", "no-change", "refused", "queue", "interactive", "needs-info", "hand-over"];
                let words = json!({ "enum": words });
                vec![("is", words), ("summary", text()), ("questions", list(text()))]
            }
        };
        Cow::Owned(closed(fields))
    }
}

/// What became of a pull request that was put forward to be merged, in a word.
pub const FORWARDED: [&str; 4] = ["merged", "closed", "waits", "none"];

impl Step {
    /// The names before its own that its expressions leave out: where it stands, `call.` of `call.work`. The beginning of a called formula stands
    /// with its caller.
    pub fn inside(&self) -> &str {
        let here = self.id.split().0;
        match &self.kind {
            StepKind::Enter { .. } => {
                here.strip_suffix('.').map_or("", |call| call.split_at(call.rfind('.').map_or(0, |dot| dot + 1)).0)
            }
            _ => here,
        }
    }

    /// Whether it puts a pull request forward to be merged.
    pub fn merges(&self) -> bool {
        matches!(self.kind, StepKind::Propose(Proposal::Merge))
    }

    /// The beginning of the call that it stands in, or that ends with it: it is skipped with that.
    pub fn called_by(&self) -> Option<StepId> {
        let inside = match &self.kind {
            StepKind::Leave { .. } => format!("{}.", self.id),
            _ => self.inside().to_owned(),
        };
        (!inside.is_empty()).then(|| StepId(format!("{inside}{INPUTS}")))
    }
}

/// An object whose fields are all there, and no others.
fn closed(fields: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    let properties: serde_json::Map<_, _> = fields.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// The step in which a called formula is given its inputs. No step of an author may be called so.
pub const INPUTS: &str = "inputs";

impl StepId {
    /// The step of a formula that a step calls.
    pub fn within(&self, call: &Self) -> Self {
        Self(format!("{call}.{self}"))
    }

    /// The calls that lead to it, `call.` of `call.work`, and the name that it has in its own formula.
    pub fn split(&self) -> (&str, &str) {
        self.0.split_at(self.0.rfind('.').map_or(0, |dot| dot + 1))
    }

    /// A call for one of several items, `call@2`. No author's step is called so.
    pub fn nth(&self, nth: u32) -> Self {
        Self(format!("{self}{NTH}{nth}"))
    }

    /// Whether it is the call for one of several items itself, and no step in it.
    pub fn is_nth(&self) -> bool {
        self.split().1.contains(NTH)
    }

    /// What begins all of several calls, `call.inputs` of `call@2.inputs`; none where it begins none of several.
    pub fn of_all(&self) -> Option<Self> {
        let (here, own) = self.split();
        let (call, nth) = here.rsplit_once(NTH)?;
        nth.trim_end_matches('.').parse::<u32>().is_ok().then(|| Self(format!("{call}.{own}")))
    }

    /// The call for all items, `call` of `call@2`; none where it is no call for one of several.
    pub fn all_of(&self) -> Option<Self> {
        let (call, nth) = self.0.rsplit_once(NTH)?;
        nth.parse::<u32>().is_ok().then(|| Self(call.to_owned()))
    }

    /// Whether it is one of such calls, or a step in one.
    pub fn is_in_nth_of(&self, call: &Self) -> bool {
        self.0.strip_prefix(call.as_str()).is_some_and(|rest| rest.starts_with(NTH))
    }

    /// Its name in the file, `call.work` of `call@2.work`.
    pub fn written(&self) -> Self {
        let parts = self.0.split('.').map(|part| part.split_once(NTH).map_or(part, |(name, _)| name));
        Self(parts.collect::<Vec<_>>().join("."))
    }
}

/// What stands between the name of a call and the number of its item.
const NTH: char = '@';

/// A structured output. In journals of older versions the word for its shape stands beside it.
pub(super) fn answered<'de, D: Deserializer<'de>>(from: D) -> Result<Result<Json, String>, D::Error> {
    Ok(Result::<Json, String>::deserialize(from)?.map(unwrapped))
}

fn unwrapped(value: Json) -> Json {
    match value {
        Json::Object(mut old)
            if old.len() == 2
                && old.contains_key("value")
                && matches!(old.get("shape").and_then(Json::as_str), Some("triage" | "fix")) =>
        {
            old.remove("value").unwrap_or_default()
        }
        other => other,
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

/// What an agent may do to its workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look only.
    Read,
    /// Change and commit.
    Write,
}

impl Access {
    /// The tools of an agent that has such access: those that its step names, else what such work takes.
    pub fn tools(self, named: &[String]) -> Vec<&str> {
        match (named, self) {
            ([], Self::Read) => vec!["Read", "Grep", "Glob"],
            ([], Self::Write) => vec!["Bash", "Read", "Edit", "Write", "Grep", "Glob"],
            (named, _) => named.iter().map(String::as_str).collect(),
        }
    }
}

/// What an agent answered, once or for each item of a list.
pub(crate) fn each_answer(left: &Json) -> &[Json] {
    match left {
        Json::Array(items) => items,
        one => std::slice::from_ref(one),
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

impl Risk {
    /// What agents think of their own work: the highest `blast_radius` of what they answered, for each item where there are several. A word that is
    /// no tier is high.
    pub fn said<'j>(answers: impl IntoIterator<Item = &'j Json>) -> Option<Self> {
        let answers = answers.into_iter().flat_map(each_answer);
        let said = answers.filter_map(|answer| answer.get("blast_radius")).filter(|said| !said.is_null());
        said.map(|said| Self::deserialize(said).unwrap_or(Self::High)).max()
    }
}
