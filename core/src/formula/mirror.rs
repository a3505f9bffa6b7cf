//! The shape of a formula for editors and for the page of documentation: both made from the types here, whose comments are what people read.
//!
//! Promises: it names exactly the keys that the reader knows (a test reads a formula that has them all and compares), and it is never
//! stricter than the reader. The reader's own checks go further: a schema cannot compare two keys.

#![expect(dead_code, reason = "only the shape of these types is used")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::model::{BackendKind, ForgeEvent, Risk};

/// Where the schema of this version is published.
const ID: &str = "https://forgehand.example/config/formula.schema.json";

/// The JSON schema of a formula.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<File>();
    schema.insert("$id".to_owned(), ID.into());
    schema.to_value()
}

/// A kind of string: its name, its pattern, and what it looks like.
macro_rules! strings {
    ($($name:ident $pattern:literal $example:literal;)*) => {$(
        struct $name;
        impl JsonSchema for $name {
            fn inline_schema() -> bool { true }
            fn schema_name() -> Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    )*};
}

strings! {
    Time r"^\s*([0-9]+(ms|s|m|h|d))+\s*$" "5m";
    Word r"^[a-z][a-z0-9_-]*$" "fix";
    WordOrKey r"^[a-z][a-z0-9_-]*(\.[a-z_]+)?$" "open";
    InputName r"^[a-z][a-z0-9_]*$" "area";
    Filled r"\S" "text";
    Label r"^[^,\r\n]{1,50}$" "claude-queue";
    Cron r"^\s*\S+(\s+\S+){4,5}\s*$" "0 */6 * * *";
    Command r"^(/[a-z][a-z0-9-]{0,31}|[A-Z]{2,32})$" "/fix";
    Cel r"\S" "steps.work.output.outcome == 'done'";
    Template r"\S" "{{line issue.title}}";
    Prompt r"\S" "fix.md";
    Model r"^[A-Za-z0-9_.:/@][-A-Za-z0-9_.:/@]*$" "claude-sonnet-5-5";
    Colour r"^#[0-9A-Fa-f]{6}$" "#d93f0b";
    FilePath r"^[^/]" "docs/plan.md";
    Repo r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$" "owner/handbook";
}

/// A workflow of forgehand.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "a formula of forgehand")]
#[schemars(extend("anyOf" = [{ "required": ["extends"] }, { "required": ["title", "blast_radius", "step"] }]))]
struct File {
    /// The version of the language.
    #[schemars(range(min = 1, max = 1))]
    formula: u64,
    /// Its name, that of its file.
    name: Word,
    /// Another formula that this one takes over and changes: of its tables the keys that are given here, of its steps, inputs and labels
    /// those of the same name key by key; `[[outcome]]` takes the place of all. With its own name: the shipped one.
    extends: Option<Word>,
    /// With `extends`: the steps that are taken out, and keys with their table: `["open", "trigger.label"]`.
    remove: Option<Vec<WordOrKey>>,
    /// What it does, in a line. Must be there without `extends`.
    title: Option<Filled>,
    /// What it does, in a few sentences.
    description: Option<String>,
    /// How much it could break. What it calls can only raise that. Must be there without `extends`.
    blast_radius: Option<Risk>,
    trigger: Option<TriggerSection>,
    require: Option<RequireSection>,
    limits: Option<LimitsSection>,
    workspace: Option<WorkspaceSection>,
    ops: Option<OpsSection>,
    agent: Option<AgentSection>,
    /// Labels that it uses beside those of the lifecycle: `forgehand init` creates those that a repository lacks, `doctor` names them, and a
    /// step makes one that is missing when it first puts it on.
    label: Option<Vec<LabelSection>>,
    /// What it is given by whoever starts or calls it: `inputs.NAME` in expressions and templates.
    input: Option<Vec<InputSection>>,
    /// What it does, in this order where `needs` does not say otherwise. Each is one of `agent`, `run`, `propose`, `gate` and `formula`.
    #[schemars(length(min = 1))]
    step: Option<Vec<StepSection>>,
    /// What it ends as: the first that holds; `done` where none does.
    outcome: Option<Vec<OutcomeSection>>,
}

/// What it reads of the operations repository, `[ops]` of the configuration: `ops.files` in prompts.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OpsSection {
    /// Files by their paths from the root; with a slash at the end a folder, of which all files are read. One that is not there is left out.
    #[schemars(length(min = 1))]
    files: Option<Vec<FilePath>>,
}

/// What starts it. A person always may.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TriggerSection {
    /// A label. `portal` and `claude-queue`, by their default names, are the lifecycle's; one of your own starts a run beside it, once for each time it is put on.
    label: Option<Label>,
    /// With a `label` of your own: while that stays on, it is started again so long after it was asked for last, and on issues that carried the
    /// label before forgehand came too.
    again: Option<Time>,
    /// A cron pattern of five fields, or six with seconds first, in UTC: starts a run about the project, once for each time that comes round;
    /// those that are missed while forgehand does not run, or while the last run is still at work, start one or none. `comment` may stand beside it,
    /// and of `event` `issue-closed` and `pull-merged`: they start the same run, about the project too. Nothing in such a formula can name an issue.
    cron: Option<Cron>,
    /// What begins a comment of somebody who may write to the repository, such as `/tidy`, or a word in capitals such as `ACCEPT`: starts a run
    /// beside the lifecycle. Several words are a list; `run.asked` is the one that was said. What stands behind it on the same line as
    /// `NAME=VALUE` is given to inputs, a list's items parted by commas: `/tidy area=docs`.
    comment: Option<Words>,
    /// What happens on the forge, to an issue of ours or to our pull request of it: starts a run beside the lifecycle, once for each pull
    /// request, commit or closing. What the end of an issue's story starts, `issue-closed` and `pull-merged`, lives on the closed issue. Beside
    /// `cron` these two start one run about the project, however many there were since the last.
    #[schemars(length(min = 1))]
    event: Option<Vec<ForgeEvent>>,
    /// An action of the vault may run it, once an approver merged or approved that: about the project, with the secrets and mounts that the action
    /// names for those `run` steps alone whose commands it writes out itself and runs `on = "base"`: what an agent wrote or chose never gets them. Nothing in such a formula can name an issue.
    vault: Option<Yes>,
    /// Says that a person starts it by hand, which a person always may: `forgehand formula run`.
    manual: Option<Yes>,
}

/// What must hold before it starts; what does not hold yet is waited for.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RequireSection {
    /// All that the issue depends on is closed.
    dependencies_closed: Option<bool>,
    /// Labels that the issue carries.
    #[schemars(length(min = 1))]
    labels: Option<Vec<Label>>,
    /// Labels that it does not carry.
    #[schemars(length(min = 1))]
    no_labels: Option<Vec<Label>>,
    /// Files that are there on the base branch.
    #[schemars(length(min = 1))]
    files: Option<Vec<FilePath>>,
}

/// What a run may use up. Of this and the configuration's the smaller holds.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LimitsSection {
    /// An agent's turn, by the clock on the wall.
    wall: Option<Time>,
    /// No sign of life of an agent.
    silence: Option<Time>,
    /// Turns of a session.
    #[schemars(range(min = 1, max = 10000))]
    turns: Option<u64>,
    /// Dollars for a run.
    #[schemars(extend("exclusiveMinimum" = 0))]
    budget_usd: Option<f64>,
    /// Attempts until it has failed for good.
    #[schemars(range(min = 1, max = 100))]
    attempts: Option<u64>,
    /// Runs that begin in a UTC day, in each project; attempts count. More wait for the next day.
    #[schemars(range(min = 1, max = 10000))]
    runs_day: Option<u64>,
    /// Dollars for its runs of a UTC day, in each project. A run that they do not pay for waits for the next day.
    #[schemars(extend("exclusiveMinimum" = 0))]
    usd_day: Option<f64>,
    /// What does not run beside each other.
    concurrency: Option<ConcurrencySection>,
}

/// Runs of one group do not run beside each other.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ConcurrencySection {
    /// The group's name, within the project.
    group: Word,
    /// What becomes of a run that finds the group at work, on whatever issue: it waits; it stops a run that began before it was asked for,
    /// and takes its place; or it does not take place. A run of the lifecycle waits instead of not taking place, and goes back to the queue
    /// where its place is taken.
    when_busy: WhenBusy,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum WhenBusy {
    /// It waits.
    Queue,
    /// It stops the other and takes its place.
    Replace,
    /// It does not take place.
    Skip,
}

/// Where a run works; what is left out is as the project says, and so is `true`: `false` keeps back what the project gives.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WorkspaceSection {
    /// The branch that it starts from and proposes to, instead of the project's.
    base: Option<Filled>,
    /// A word of its own for the branch that it pushes to, behind that of the issue: `"spike"` for `claude/issue-7-spike`. No other formula of the
    /// project pushes there. While a pull request of ours is open for the issue, work goes on at its branch.
    #[schemars(length(max = 40))]
    branch: Option<Word>,
    /// What agent steps may do to it that do not say otherwise; the same as `access` of `[agent]`, and only one of the two.
    access: Option<AccessWord>,
    /// It is given the project's env file.
    env_file: Option<bool>,
    /// It is given a port.
    ports: Option<bool>,
    /// It is given the project's caches.
    caches: Option<bool>,
}

/// What its agent steps have that do not say otherwise.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AgentSection {
    /// The role of steps with a `prompt` that name no `agent` themselves.
    role: Option<Word>,
    /// What kind of agent does them, in the configuration's words. Where the agent that has the role is of another kind, it is the default
    /// agent that does them, or the only one of that kind: one with roles, and without an identity of its own on the forge. Who is not there,
    /// or not clear, is said when the formula is loaded.
    backend: Option<BackendKind>,
    /// The model that they work with instead of the one of the configuration: one that has a price, or that an agent of the configuration
    /// has. A `command` is told no model. An action of the vault that names one comes first.
    model: Option<Model>,
    /// What they may do to their workspace.
    access: Option<AccessWord>,
    /// The tools that they are given; as their access says by default.
    #[schemars(length(min = 1))]
    tools: Option<Vec<Tool>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum AccessWord {
    /// Look only.
    Read,
    /// Change and commit.
    Write,
}

/// A tool of Claude Code.
#[derive(JsonSchema)]
#[schemars(inline)]
enum Tool {
    Bash,
    Edit,
    Glob,
    Grep,
    NotebookEdit,
    Read,
    Task,
    TodoWrite,
    WebFetch,
    WebSearch,
    Write,
}

/// A label.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LabelSection {
    /// Its name.
    name: Label,
    /// Its colour.
    color: Colour,
    /// What it says, for people.
    description: Option<String>,
}

/// Something that it is given.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct InputSection {
    /// Its name.
    name: InputName,
    /// What it may be: a text, a whole number, true or false, a list of texts.
    #[schemars(rename = "type")]
    kind: InputType,
    /// What it is where nobody says. Without one it must be given.
    default: Option<Literal>,
    /// A regular expression that a text matches as a whole.
    pattern: Option<Filled>,
    /// What a text may be.
    #[schemars(length(min = 1))]
    one_of: Option<Vec<Filled>>,
    /// A number is at least this.
    min: Option<i64>,
    /// A number is at most this.
    max: Option<i64>,
    /// What it is for.
    description: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum InputType {
    Text,
    Number,
    Flag,
    List,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Literal {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<String>),
}

/// A value, or an expression about what the caller knows.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Given {
    Value(Literal),
    Expression(GivenSection),
}

/// What an expression comes to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GivenSection {
    /// A CEL expression.
    cel: Cel,
}

/// One step. One of `agent`, `run`, `propose`, `gate` and `formula` says what it does.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StepSection {
    /// What it is called: `steps.ID.status` and `steps.ID.output` in expressions. Not `inputs`.
    id: Word,
    /// The steps that end before it begins: the one before it by default, and none with `[]`.
    needs: Option<Vec<Word>>,
    /// A CEL condition: whether it is done. Without one it is skipped where one that it needs was skipped.
    when: Option<Cel>,
    /// It is done once for each item of a list, which its templates and its `issue` call `item`. With an `agent`, with `run` and commands (they read
    /// the item in `$FORGEHAND_ITEM`), and with `propose`, but for pull requests: an agent that writes does all of them in the same workspace, each on top of the last one's commits, and they are one
    /// change. Another run edits the comments that the last one wrote on an issue, in their order. With `gate = "vault"`, whose `action` may name the
    /// item. With `formula`: it is called for each, with `item` and `index` in `with`, for at most 100 items; they have no order between them.
    for_each: Option<ForEachSection>,
    /// It takes no longer. With `agent`: a turn, within `wall` of `[limits]`. With `run`: all its commands, within what the configuration
    /// allows; what is cut counts as failing. With `gate = "checks"`, `"approval"` and `"vault"`: a gate that does not open in this time
    /// ends the run as failed. With `propose = "merge"`: how long the merge is waited for, then the run goes on. With `formula`: all that is
    /// called, for all items; what is not over then ends the run as `call-timed-out`, and what works for it is stopped. No other step has it.
    timeout: Option<Time>,
    /// With `agent` and `run`: it is done again from its beginning where it would end the run as failed. That is an agent that broke off,
    /// hung, ran out of time, gave no valid answer when asked twice, or committed nothing that was to be committed; and commands whose
    /// failing output goes nowhere, or was sent back as often as it may. Commits in the workspace stay. A limit of money or of an account,
    /// a stop, commits that are refused, and what is the machine's or the forge's doing end the run as they do without it. With `formula`: so is each
    /// such step of what is called that says nothing of it itself.
    retry: Option<RetrySection>,
    /// An agent works on a prompt; this is its role.
    agent: Option<Word>,
    /// With `agent`: the prompt's file below `prompts/`.
    prompt: Option<Prompt>,
    /// With `agent`: what it may do to its workspace.
    access: Option<AccessWord>,
    /// With `agent`: the tools that it is given; as its access says by default.
    #[schemars(length(min = 1))]
    tools: Option<Vec<Tool>>,
    /// With `agent`: what kind of agent does it, as in `[agent]`.
    backend: Option<BackendKind>,
    /// With `agent`: the model that it works with, as in `[agent]`.
    model: Option<Model>,
    /// With `agent`: the schema of its answer, a file of `formulas/schemas/` without `.json`.
    output: Option<Word>,
    /// With `agent` and `access = "write"`: a CEL condition about its `output`, whether its commits are taken over. Always by default.
    commits: Option<Cel>,
    /// Something is run on the exact commit: `"project.verify"`, or commands: a list of them, what an expression comes to (`{ of = "..." }`), or
    /// what an earlier run kept, with its files laid over the commit (`{ kept = "reproduction" }`; nothing where nothing was kept). Wherever
    /// commands come from, they run where a verification runs.
    run: Option<Run>,
    /// With commands: what they run on, the run's own commits or the tip of the base branch as it was when the run began.
    #[schemars(extend("default" = "change"))]
    on: Option<RunsOn>,
    /// With commands: how they are to come out. What comes out otherwise ends the run as failed.
    #[schemars(extend("default" = "success"))]
    expect: Option<Expect>,
    /// With `expect = "failure"`: a CEL expression that comes to a text which the command that fails must print, so that it does not fail for
    /// another reason.
    prints: Option<Cel>,
    /// With commands: the run goes on also where they come out otherwise; `steps.ID.output.as_expected` tells. Nothing that they ran on is
    /// published then.
    #[schemars(extend("default" = false))]
    go_on: Option<bool>,
    /// With `run`: what came out otherwise than it was to goes back to an agent.
    on_failure: Option<OnFailureSection>,
    /// Something is asked of the forge.
    propose: Option<Propose>,
    /// With `propose = "pull-request"` and `"issue"`: its title. With `"update-issue"`: the new one. With `"file"`: what is said about it, in a
    /// line. With `"vault-action"`: the title of the pull request.
    title: Option<Template>,
    /// With `propose = "file"`: where it stands in the operations repository: `prerequisites.md`, `portfolio.md`, `RESOURCES.md`, or below
    /// `knowledge/`, `evidence/` or `sprints/`; with `pull_request` below `vault/actions/` and `vault/pending/` too.
    path: Option<Template>,
    /// With `propose = "file"` and `pull_request`: another repository that is asked for the file instead of the operations repository, the one of
    /// another `[[project]]`; any path that has no part with a dot before it. Who merges it there is a person.
    repo: Option<Repo>,
    /// With `propose = "file"`: a CEL expression that comes to its text. What somebody else wrote there meanwhile is merged with it; where
    /// both changed the same lines the run ends, and says where the text is kept.
    content: Option<Cel>,
    /// With `propose = "file"`: it is asked for by a pull request there, instead of being committed directly. Where an open one of ours asks for
    /// the file already, it is written there anew; what somebody else committed to it, or what it asks for about another issue, stays, and
    /// `steps.ID.output.left` says why.
    #[schemars(extend("default" = false))]
    pull_request: Option<bool>,
    /// With `propose = "vault-action"`: a CEL expression that comes to the action's name, which its file `vault/actions/NAME.toml` in the operations
    /// repository has: letters, digits, `-`, `_` and `.`. An action is asked for and done once. With `gate = "vault"`: that of the action that is
    /// waited for; without it that of the only step before it that asks for one.
    action: Option<Cel>,
    /// With `propose = "vault-action"`: a CEL expression that comes to an object with the keys of an action's file, but for `id`: `context`, and
    /// `formula` (which is run) or `action_required` (what a person does: `what`, `how`, `verify`); perhaps `secrets`, `mounts`, `model`, `tools`,
    /// `timeout_minutes`, `unblocks` (the run's own issue by default) and `blast_radius`, which only raises. `forgehand schema --vault-action` has
    /// them all. Where the action is asked for, merged or recorded already, it is not asked for again: `steps.ID.output` has its `id`, `path`,
    /// `pull`, `tier` and `left` (why a pull request that was there says something else).
    asks: Option<Cel>,
    /// With `propose = "mend"`: a CEL expression that comes to the name of a probe, `[[probe]]` of the configuration. What that has as its `mend`
    /// is run where it is `low`, and not more often than it says; then the probe is read again, and `host.probes` shows that.
    probe: Option<Cel>,
    /// With `propose = "review"`: a CEL expression that comes to `approve`, `request-changes` or `comment`.
    verdict: Option<Cel>,
    /// With `propose = "comment"`, `"pull-request"`, `"review"` and `"issue"`: the file below `prompts/` that its text is made from. With
    /// `"update-issue"`: that of the new body. With `"file"` and `pull_request`, and with `"vault-action"`: that of the pull request's body.
    body: Option<Prompt>,
    /// With `propose = "comment"`, `"labels"`, `"close"`, `"update-issue"` and `"start"`: a CEL expression that comes to the number of another
    /// issue of the repository. The run's own by default.
    issue: Option<Cel>,
    /// With `propose = "issue"` and `"sub-issues"`: the labels that a new issue gets: those that `[[label]]` describes, and `portal` or
    /// `claude-queue`, by which work comes in. Templates too.
    #[schemars(length(min = 1))]
    labels: Option<Vec<Template>>,
    /// With `propose = "pull-request"`: what goes on when it is merged. The issue stays open until that has ended.
    then: Option<ThenSection>,
    /// With `propose = "start"`: the formula of which a run is started, on its own or on `issue`: one that the run's own lists as a task, or
    /// that is known. It runs beside the lifecycle; runs start each other at most 3 deep.
    starts: Option<Word>,
    /// With `propose = "update-issue"`: a CEL expression that comes to a list of numbers: the tasks (`- [ ] #N`) that are ticked in the body that
    /// stands there, of which nothing else changes.
    tick: Option<Cel>,
    /// With `propose = "branch"`: the name by which later runs about the issue find it, and those about issues that were filed for it:
    /// `issue.kept`, and `run = { kept = "..." }`.
    keep: Option<Word>,
    /// With `propose = "branch"`: a CEL expression that comes to a list of commands, how what is kept is run.
    commands: Option<Cel>,
    /// With `propose = "issue"`: the run's issue waits for the new one, as the forge's own dependency.
    #[schemars(extend("default" = false))]
    blocks: Option<bool>,
    /// With `propose = "issue"` and `"sub-issues"`: a CEL expression that comes to a name, under which an issue is filed once about what the
    /// run is about, whichever run does it: the new issue carries it as a mark, by which the forge is asked before another is filed. Of a list
    /// each item has its own, by its `id`.
    once: Option<Cel>,
    /// With `propose = "issue"` and `once`: while that issue is open no other is filed under the name; where it is closed, one is. In
    /// `project.issues` its name is `filed_as`.
    #[schemars(extend("default" = false))]
    while_open: Option<bool>,
    /// With `propose = "sub-issues"`: a CEL expression that comes to a list of objects with `title` and `body`, and perhaps with `id`,
    /// `depends_on` (ids of others of the list) and `labels` (of those that `[[label]]` describes). The run's issue waits for all of them.
    /// With `propose = "replies"`: one that comes to a list of objects with `to`, a point's `id` of `pull.points` in the prompt, and `text`.
    items: Option<Cel>,
    /// With `propose = "sub-issues"`: a longer list ends the run.
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    at_most: Option<u64>,
    /// With `propose = "labels"`: the labels that are put on, of those that `[[label]]` describes. Templates too; one that comes to nothing
    /// is left out.
    #[schemars(length(min = 1))]
    add: Option<Vec<Template>>,
    /// With `propose = "labels"`: the labels that are taken off, of the same ones.
    #[schemars(length(min = 1))]
    remove: Option<Vec<Template>>,
    /// The run waits.
    gate: Option<Gate>,
    /// With `gate = "time"`: for how long. In a formula with `extends`: the step that a new one is put behind; the last one by default.
    after: Option<Filled>,
    /// Another formula is called: its steps stand here. What it requires this one requires too; limits and a workspace of its own it may not have.
    formula: Option<Word>,
    /// With `formula` and `propose = "start"`: what its inputs are given.
    with: Option<BTreeMap<String, Given>>,
}

/// A run that is started when the pull request is merged, before its issue is closed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ThenSection {
    /// Its formula. Where that is off by then, the issue is closed at once.
    formula: Word,
    /// What its inputs are given, with what is known when the pull request is opened.
    with: Option<BTreeMap<String, Given>>,
}

/// A list, and how long it may be.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ForEachSection {
    /// A CEL expression that comes to a list.
    items: Cel,
    /// A longer list ends the run.
    #[schemars(range(min = 1, max = 10000))]
    at_most: u64,
}

/// How a step is done again that failed. While it waits, the run holds no slot.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RetrySection {
    /// How often in a run, beside the first time; with `for_each` so often for each item.
    #[schemars(range(min = 1, max = 10))]
    at_most: u64,
    /// How long after it failed.
    wait: Time,
}

/// Where failing output goes.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OnFailureSection {
    /// The agent's step, before this one.
    to: Word,
    /// How often at most.
    #[schemars(range(min = 1, max = 10))]
    at_most: u64,
    /// What the agent is told, a file below `prompts/`.
    #[schemars(extend("default" = "partials/verification-failed.md"))]
    prompt: Option<Prompt>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Words {
    One(Command),
    Several(SeveralWords),
}

#[derive(JsonSchema)]
#[schemars(inline)]
struct SeveralWords(#[schemars(length(min = 1))] Vec<Command>);

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Run {
    Verification(Verification),
    Commands(Commands),
    Elsewhere(ElsewhereSection),
}

/// Commands that come from elsewhere: one of the two.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ElsewhereSection {
    /// A CEL expression that comes to a list of commands, at most 20.
    of: Option<Cel>,
    /// The name under which an earlier run kept something.
    kept: Option<Word>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum RunsOn {
    /// The run's own commits.
    Change,
    /// The base branch.
    Base,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Expect {
    /// All pass.
    Success,
    /// One fails.
    Failure,
}

#[derive(JsonSchema)]
#[schemars(inline)]
enum Verification {
    /// The project's verification.
    #[schemars(rename = "project.verify")]
    Project,
}

#[derive(JsonSchema)]
#[schemars(inline)]
struct Commands(#[schemars(length(min = 1))] Vec<Filled>);

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Propose {
    /// A comment on the issue.
    Comment,
    /// A pull request from the run's branch.
    PullRequest,
    /// Labels are put on and taken off.
    Labels,
    /// The issue is closed, and the run goes on.
    Close,
    /// The run's issue is opened again.
    Reopen,
    /// The run's commits are left on a branch of their own, without a pull request: once something was run on them and came out as it was to.
    Branch,
    /// An issue is filed.
    Issue,
    /// An issue is filed for each item of a list.
    SubIssues,
    /// An issue is given another title or body.
    UpdateIssue,
    /// The open pull request of ours for the issue is reviewed, at the commit that the run read.
    Review,
    /// The commits are pushed to the branch of the open pull request of ours for the issue, at whose head the run began. A formula with this
    /// step that `changes-requested`, `pull-commented`, `checks-failed` or `pull-conflicts` starts revises it: the issue goes from `claude-pr` to
    /// `claude-working` and back. One that `pull-behind` starts brings it up to its base: it has no agent, and what came to the base is merged
    /// before its first step.
    Push,
    /// The open pull request of ours for the issue is put forward to be merged, and the run waits for that without an agent or a slot. What is
    /// merged, and when, is what `merge` of the project, the policy, the verification, the checks and the approvals say, as without this step: it
    /// lets nothing pass, and where a person has to approve or to merge, that person is called as ever. A run of the lifecycle leaves the issue
    /// at `claude-pr` and is beside it from then on, so that the pull request can be revised and brought up to its base meanwhile. `steps.ID.output`
    /// is there when it was merged, by us or by a person, and the issue is closed (`merged` is true, and `sha` its head); when it was closed
    /// without a merge; when `timeout` is over, which ends the waiting and not the pull request; or at once where there is none. `state` is
    /// `merged`, `closed`, `waits` or `none`, `why` says in a few words what it lacked, and `pull` is its number, or null. Steps behind it have
    /// the workspace as it was, and nobody writes there any more. Closing the issue without a merge stops the run.
    Merge,
    /// What reviewers said about that pull request is answered, each point where it was made; one that no item answers too.
    Replies,
    /// What a probe of the host looks at is mended, by what the configuration has for it.
    Mend,
    /// A file is kept in the operations repository.
    File,
    /// An action of the vault is asked for, by a pull request in the operations repository; where the policy has `[low] actions = "direct"` and it is
    /// low, it is committed there with its record.
    VaultAction,
    /// Another run is started.
    Start,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Gate {
    /// Time passes.
    Time,
    /// The checks of the run's pull request are green.
    Checks,
    /// Somebody approves it.
    Approval,
    /// An action of the vault is over: `steps.ID.output` has its `state`, its `exit_code`, which may be null, and the end of its `logs`. One that was rejected, or
    /// failed, ends the run. While it is not over the policy's `on_vault` for its tier, as it was when the action was asked for, says what the run
    /// does: `block` waits; `label` waits too, and goes on where somebody puts `vault-approved` on the run's issue after the action was asked for (one that stands there from
    /// before is taken off first); `soft-block` looks for as long as
    /// `window` says, then the run steps back, so that other work of its group and its files goes on, and comes back when the action is over;
    /// `continue` goes on at once. A `timeout` of the step counts in any case.
    Vault,
}

/// One way to end.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OutcomeSection {
    /// A CEL condition; always by default.
    when: Option<Cel>,
    /// What it ends as.
    is: End,
    /// With `is = "hand-over"`: the formula that goes on with the issue.
    to: Option<Word>,
    /// With `is = "hand-over"`: what it ends as where that formula is not on for the project, or had its turn already.
    #[schemars(extend("default" = "interactive"))]
    or: Option<Or>,
    /// A CEL expression that comes to a text: what people are told.
    summary: Option<Cel>,
    /// A CEL expression that comes to a list of texts: what people are asked.
    questions: Option<Cel>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum End {
    /// What was asked for is there.
    Done,
    /// Nothing is to change.
    NoChange,
    /// It should not be done, or not by an agent.
    Refused,
    /// An agent can do it.
    Queue,
    /// A person must.
    Interactive,
    /// Questions are open.
    NeedsInfo,
    /// Another formula goes on with the issue, which carries no decision label meanwhile: by itself where the lifecycle started this one, once in
    /// an issue's story, and beside the lifecycle where this one ran beside it.
    HandOver,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Or {
    Done,
    NoChange,
    Refused,
    Queue,
    Interactive,
    NeedsInfo,
}

/// Nothing but true.
struct Yes;

impl JsonSchema for Yes {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Yes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}
