//! The shape of `forgehand.toml` for editors: a JSON schema made from the types here, whose comments are what an editor shows.
//!
//! Promises: it names exactly the keys that the reader knows (a test reads an example that has them all and compares), and it is never
//! stricter than the reader. The reader's own checks go further: a schema cannot compare two keys.

#![expect(dead_code, reason = "only the shape of these types is used")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Where the schema of this version is published.
const ID: &str = "https://forgehand.example/config/forgehand.schema.json";

/// The JSON schema of `forgehand.toml`.
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
    Size r"^[0-9]+\s*(K|KiB|M|MiB|G|GiB)$" "4GiB";
    Repo r"^[^/\s]+/[^/\s]+$" "owner/name";
    Address r"^\s*https?://" "https://forge.example";
    Variable r"^[A-Za-z_][A-Za-z0-9_]*$" "FORGEHAND_TOKEN";
    Path r"\S" "/etc/forgehand/token";
    Host r"^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?$" "registry.npmjs.org";
    Mailbox r"<[^<>@\s]+@[^<>\s]+>\s*$" "Name <mail@example.org>";
    Label r"^[^,\r\n]{1,50}$" "claude-queue";
    Login r"^[A-Za-z0-9._-]+$" "ann";
    Socket r"^\s*\S+:[0-9]+\s*$" "127.0.0.1:8787";
    MountPath r"^~?/." "/etc/forgehand/ssh";
    CachePath r"^~/\S" "~/.cache/pnpm";
    Service r"^[^:\s]+:[0-9]+$" "127.0.0.1:5432";
    Ports r"^\s*[0-9]+(\s*-\s*[0-9]+)?\s*$" "3100-3109";
    Recipient r"^[A-Za-z0-9._+=~-]+@[A-Za-z0-9._+=~-]+$" "me@example.org";
    Since r"^\s*(all|[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].*)?)\s*$" "2026-01-31";
    Filled r"\S" "text";
    ProbeName r"^[a-z][a-z0-9-]{0,31}$" "nginx";
    Name r"^[a-z][a-z0-9_-]{0,31}$" "work";
    Credential r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$" "forge-token";
}

/// The configuration of forgehand.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "forgehand.toml")]
struct File {
    forge: ForgeSection,
    /// The repositories under care; no repository twice.
    #[schemars(length(min = 1))]
    project: Vec<ProjectSection>,
    /// Accounts with the model's provider, each with its own quota, usage limit and pause. Without one: the usual places.
    account: Option<Vec<AccountSection>>,
    agent: AgentSection,
    /// Further agents by their names; what one leaves out it takes from `[agent]`.
    agents: Option<BTreeMap<String, OtherAgentSection>>,
    daemon: Option<DaemonSection>,
    limits: Option<LimitsSection>,
    sandbox: Option<SandboxSection>,
    retention: Option<RetentionSection>,
    ops: Option<OpsSection>,
    vault: Option<VaultSection>,
    /// What tells whether the host is well, for formulas such as `supervise`. The disk of the state folder and the memory are looked at without
    /// being named, as the probes `state-disk` and `memory`.
    probe: Option<Vec<ProbeSection>>,
    /// What the labels are called, for all projects that do not say otherwise.
    labels: Option<LabelsSection>,
    /// Who is told what beside the forge.
    notify: Option<Vec<NotifySection>>,
}

/// The operations repository, where formulas keep what is no code of a project: `prerequisites.md`, sprints, evidence, what they ask the vault.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OpsSection {
    /// Where it is, on the same forge; the bot may write there.
    repo: Repo,
    /// The branch that counts.
    #[schemars(extend("default" = "main"))]
    branch: Option<Filled>,
}

/// What actions of the vault may name: `vault/actions/*.toml` of the operations repository. It reaches the commands of that action and nobody else.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct VaultSection {
    /// Secrets, by the names of the variables that commands find them in.
    secrets: Option<BTreeMap<String, VaultSecretSection>>,
    /// Folders and files from the root or `~/`, mounted read-only.
    mounts: Option<BTreeMap<String, MountPath>>,
}

/// Where a secret is kept. One of the three is needed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct VaultSecretSection {
    /// The *name* of the variable of the environment that holds it.
    env: Option<Variable>,
    /// The file that holds it.
    file: Option<Path>,
    /// A program and its arguments that print it.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
}

/// A probe of the host. One of `command`, `disk`, `memory` and `load` is needed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ProbeSection {
    /// What it is called; in issues too.
    name: ProbeName,
    /// A program and its arguments, run as the account of forgehand, beside the configuration file: all is well where it exits with 0. What it
    /// prints is read where it does not.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// A path, on whose disk `floor` is to be free.
    disk: Option<Path>,
    /// With `disk`: how much.
    floor: Option<Size>,
    /// The memory that is to be available to programs.
    memory: Option<Size>,
    /// How many programs may run or want to, on average over five minutes.
    #[schemars(range(min = 1, max = 100_000))]
    load: Option<u64>,
    /// After this it is killed, with all that it started, and has failed.
    #[schemars(extend("default" = "30s"))]
    timeout: Option<Time>,
    /// How urgent it is where it fails.
    #[schemars(extend("default" = "P2"))]
    priority: Option<Priority>,
    /// A program and its arguments that mend it.
    #[schemars(length(min = 1))]
    mend: Option<Vec<String>>,
    /// How long that may take.
    #[schemars(extend("default" = "2m"))]
    mend_timeout: Option<Time>,
    /// How much that could break. Only what is `low` is done without a person.
    #[schemars(extend("default" = "high"))]
    mend_blast_radius: Option<BlastRadius>,
    /// How often it is done in an hour.
    #[schemars(range(min = 1, max = 60), extend("default" = 3))]
    mend_at_most: Option<u64>,
}

/// How urgent something is, the most urgent first.
#[derive(JsonSchema)]
#[schemars(inline)]
enum Priority {
    /// It is down: now.
    P0,
    /// It will be soon.
    P1,
    /// Something works badly.
    P2,
    /// Somebody should look when there is time.
    P3,
    /// It is only to be known.
    P4,
}

/// How much something could break.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum BlastRadius {
    /// Little, and easily undone.
    Low,
    /// Something.
    Medium,
    /// Much.
    High,
}

/// Somebody who is told. One of `command`, `webhook_env` (or `_file`, `_credential`) and `mail` is needed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NotifySection {
    /// On which occasions. All by default.
    #[schemars(length(min = 1))]
    on: Option<Vec<NotifyOn>>,
    /// A program and its arguments; it reads JSON on its stdin.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// The *name* of the variable that holds the address of a webhook, which is a secret.
    webhook_env: Option<Variable>,
    /// The file that holds the address of a webhook.
    webhook_file: Option<Path>,
    /// The name of the credential that systemd passes with that address in it.
    webhook_credential: Option<Credential>,
    /// What the webhook understands.
    #[schemars(extend("default" = "json"))]
    format: Option<NotifyFormat>,
    /// Who gets a mail by the local sendmail.
    mail: Option<Recipient>,
    /// The program that sends it.
    #[schemars(extend("default" = "/usr/sbin/sendmail"))]
    sendmail: Option<Path>,
}

/// An occasion.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum NotifyOn {
    /// An issue failed for good.
    Failed,
    /// An issue, or a pull request of ours, waits for a person.
    Waits,
    /// A budget is nearly or wholly spent.
    Budget,
    /// The model's account is paused.
    AccountPaused,
    /// The forge is away or refuses, for a project or the operations repository; and when that is over.
    Unreachable,
    /// The policy of the operations repository cannot be read; and when that is over.
    Policy,
}

/// What a webhook understands.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum NotifyFormat {
    /// Our own JSON.
    Json,
    /// Discord's.
    Discord,
}

/// The Forgejo, and who forgehand is there.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ForgeSection {
    /// Its address. A subpath is kept.
    url: Address,
    /// The *name* of the variable of the environment that holds the bot's token. One of `token_env` and `token_file` is needed.
    token_env: Option<Variable>,
    /// The file that holds the bot's token; read again when it changes.
    token_file: Option<Path>,
    /// The name of the credential that systemd passes with the bot's token in it (`LoadCredential=NAME:/path`).
    token_credential: Option<Credential>,
    /// The bot's login, where its token may not ask who it is (without `read:user`).
    login: Option<Login>,
    /// The name of the variable that holds a token with repository administration: only such a one may ask about others' rights.
    rights_token_env: Option<Variable>,
    /// The file that holds that token; read again when it changes.
    rights_token_file: Option<Path>,
    /// The name of the credential that systemd passes with that token in it.
    rights_token_credential: Option<Credential>,
    /// The certificate (PEM) of the private authority that signed the forge's: trusted beside the machine's own list, by git instead of it.
    ca_file: Option<Path>,
}

/// A repository under care.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ProjectSection {
    /// The repository.
    repo: Repo,
    /// The commands that verify a commit, in order; they fail where the project is broken.
    #[schemars(length(min = 1))]
    verify: Vec<Filled>,
    /// Hosts that a verification may reach. None by default.
    verify_network: Option<Vec<Host>>,
    /// Who is mentioned where something waits for a person; the issue's author by default.
    mention: Option<Vec<Login>>,
    /// Globs of paths whose change a person must decide on. Database migrations and schemas by default.
    person_paths: Option<Vec<Filled>>,
    /// What the number of the issue is put behind to name a branch.
    #[schemars(extend("default" = "claude/issue-"))]
    branch_prefix: Option<Filled>,
    /// The branch that work starts from and goes to; the repository's default branch where it is left out.
    base: Option<Filled>,
    /// Accounts that file issues and cannot answer questions.
    intake: Option<Vec<Login>>,
    /// Logins that are obeyed where nobody's rights can be asked about.
    obey: Option<Vec<Login>>,
    /// From when on issues are triaged that were filed before the first start: a day, a time, or "all". One hour before it by default.
    since: Option<Since>,
    /// The formulas that are on.
    #[schemars(extend("default" = ["triage", "fix"]))]
    formulas: Option<Vec<Filled>>,
    /// What forgehand merges by itself once it is verified, green and approved as its tier asks for: nothing, what is low, or all tiers.
    #[schemars(extend("default" = "never"))]
    merge: Option<Merge>,
    /// Whether what is merged without a person needs an approval of the review role (`review` in `formulas`), or of a person.
    #[schemars(extend("default" = "required"))]
    review: Option<Review>,
    /// What an issue waits for before its run begins, where the files that triage says will likely change meet those of another change of the
    /// project.
    #[schemars(extend("default" = "running"))]
    overlap: Option<Overlap>,
    /// Commands that make a fresh clone ready to work in, in order: before an agent that writes, and before the verification.
    setup: Option<Vec<Filled>>,
    /// Hosts that `setup` may reach beside `network` of `[sandbox]`.
    network: Option<Vec<Host>>,
    /// Folders below HOME that `setup` fills, on the tip of the base branch alone; agents and verifications only read them.
    caches: Option<Vec<CachePath>>,
    /// A file of variables that is put into the clone for whoever writes and for the verification. It is in no commit, and its values are
    /// masked wherever forgehand writes.
    env_file: Option<EnvFileSection>,
    /// Services on this machine's loopback that are seen at the same address inside, such as a test database. Nothing else of that loopback is.
    services: Option<Vec<Service>>,
    /// Ports of which each run gets one of its own as `PORT`, such as "3100-3109".
    ports: Option<Ports>,
    /// What the labels are called here.
    labels: Option<LabelsSection>,
    /// How many runs at once, within those of `[daemon]`; only those bound it by default.
    #[schemars(range(min = 1, max = 64))]
    slots: Option<u64>,
    /// Dollars in a UTC day, within those of all; `usd_project` of `[limits]` by default.
    #[schemars(range(min = 0))]
    usd_day: Option<f64>,
}

/// What is merged without a person.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Merge {
    /// Nothing: a person merges.
    Never,
    /// What is low.
    Low,
    /// What is low, and the rest when it is approved as the policy asks for.
    Policy,
}

/// Whose files are kept clear of.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Overlap {
    /// Those of changes that runs are at.
    Running,
    /// Those, and those of our open pull requests.
    Open,
    /// Nobody's: changes of the same files run beside each other.
    Off,
}

/// What that needs.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Review {
    /// An approval.
    Required,
    /// None.
    Off,
}

/// A file of variables, `KEY=VALUE` on each line.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct EnvFileSection {
    /// Where it is kept on this machine. Read when a run starts.
    from: Path,
    /// Where it is put, from the root of the repository; nothing tracked may be there.
    to: Filled,
}

/// What the labels are called.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LabelsSection {
    /// Says where an issue came from, and stays.
    #[schemars(extend("default" = "portal"))]
    portal: Option<Label>,
    /// Goes before others.
    #[schemars(extend("default" = "priority"))]
    priority: Option<Label>,
    /// Waits for an agent.
    #[schemars(extend("default" = "claude-queue"))]
    queue: Option<Label>,
    /// An agent is at work.
    #[schemars(extend("default" = "claude-working"))]
    working: Option<Label>,
    /// A pull request is open.
    #[schemars(extend("default" = "claude-pr"))]
    pr: Option<Label>,
    /// It failed for good.
    #[schemars(extend("default" = "claude-failed"))]
    failed: Option<Label>,
    /// A person takes it.
    #[schemars(extend("default" = "interactive"))]
    interactive: Option<Label>,
    /// A question is open.
    #[schemars(extend("default" = "needs-info"))]
    needs_info: Option<Label>,
}

/// What kind of agent it is.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum Backend {
    /// Headless Claude Code.
    Claude,
    /// Any program: the prompt on stdin, the workspace as working directory.
    Command,
}

/// Who does the work.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AgentSection {
    /// What kind of agent it is.
    backend: Backend,
    /// The program and its arguments, with `backend = "command"`.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// The Claude Code program; looked for in PATH by default.
    #[schemars(extend("default" = "claude"))]
    claude: Option<Path>,
    /// The model; forgehand's choice where it is left out.
    model: Option<Filled>,
    /// Where the Messages API is: another one for a model server of your own. Plain http only on loopback, or with `allow_http`.
    #[schemars(extend("default" = "https://api.anthropic.com/"))]
    base_url: Option<Address>,
    /// Plain http to another machine is allowed for `base_url`: the key and the code are readable on the way.
    #[schemars(extend("default" = false))]
    allow_http: Option<bool>,
    /// The name of the variable that holds the model's key; the usual places where neither key is given.
    key_env: Option<Variable>,
    /// The file that holds the model's key; read again when it changes.
    key_file: Option<Path>,
    /// The name of the credential that systemd passes with the model's key in it.
    key_credential: Option<Credential>,
    /// The account of `[[account]]` that it works on; of several the first that can be used. All of them, in order, by default.
    account: Option<OneOrMore>,
    /// Turns of a session at most.
    #[schemars(range(min = 1, max = 10000), extend("default" = 100))]
    max_turns: Option<u64>,
    /// Dollars that one run may cost; takes the place of `usd_run` of `[limits]`.
    #[schemars(range(min = 0))]
    budget_usd: Option<f64>,
    /// Author and committer of what is pushed.
    #[schemars(extend("default" = "forgehand <forgehand@localhost>"))]
    author: Option<Mailbox>,
}

/// An account with the model's provider. One of the six places is needed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AccountSection {
    /// What agents call it.
    name: Name,
    /// The name of the variable that holds an API key.
    key_env: Option<Variable>,
    /// The file that holds an API key; read again when it changes.
    key_file: Option<Path>,
    /// The name of the variable that holds a token of `claude setup-token`.
    oauth_token_env: Option<Variable>,
    /// The file that holds a token of `claude setup-token`; read again when it changes.
    oauth_token_file: Option<Path>,
    /// A sign-in of Claude Code, as ~/.claude/.credentials.json; renewed by the host's own `claude` when it is needed.
    sign_in: Option<Path>,
    /// The name of the credential that systemd passes with a key or token in it.
    credential: Option<Credential>,
    /// Dollars for this account in a UTC day.
    #[schemars(range(min = 0))]
    usd_day: Option<f64>,
}

/// A further agent.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OtherAgentSection {
    /// The roles of formulas' steps that it takes over; no role twice.
    roles: Option<Vec<Name>>,
    /// What kind of agent it is.
    backend: Option<Backend>,
    /// The program and its arguments, with `backend = "command"`.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// The Claude Code program.
    claude: Option<Path>,
    /// The model.
    model: Option<Filled>,
    /// Where the Messages API is; then with a key or account of its own, or plain http.
    base_url: Option<Address>,
    /// Plain http to another machine is allowed for `base_url`.
    allow_http: Option<bool>,
    /// The name of the variable that holds a key of its own.
    key_env: Option<Variable>,
    /// The file that holds a key of its own.
    key_file: Option<Path>,
    /// The name of the credential that systemd passes with a key of its own in it.
    key_credential: Option<Credential>,
    /// The account that it works on; of several the first that can be used.
    account: Option<OneOrMore>,
    /// Turns of a session at most.
    #[schemars(range(min = 1, max = 10000))]
    max_turns: Option<u64>,
    /// Dollars that a run may have cost while this agent works on it; `usd_run` where it is left out.
    #[schemars(range(min = 0))]
    budget_usd: Option<f64>,
    /// The name of the variable that holds the token of an identity of its own: its branch, pull request and breakdown are made with it.
    token_env: Option<Variable>,
    /// The file that holds that token.
    token_file: Option<Path>,
    /// The name of the credential that systemd passes with that token in it.
    token_credential: Option<Credential>,
    /// Author and committer of what it makes.
    author: Option<Mailbox>,
}

/// One name, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum OneOrMore {
    /// One.
    One(Name),
    /// Several, in this order.
    More(Vec<Name>),
}

/// How the log is written.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// How the work is done.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DaemonSection {
    /// Where the journal, mirrors, workspaces and logs are. `$STATE_DIRECTORY`, else ~/.local/state/forgehand, by default.
    state_dir: Option<Path>,
    /// How many runs at once; of a run whose steps work side by side each agent and each `run` counts.
    #[schemars(range(min = 1, max = 64), extend("default" = 1))]
    slots: Option<u64>,
    /// The time between two looks, or a cron pattern of five or six fields (seconds first) in UTC.
    #[schemars(extend("default" = "15s"))]
    poll: Option<Filled>,
    /// How long a stop waits for what runs.
    #[schemars(extend("default" = "1m"))]
    drain: Option<Time>,
    /// How the log is written.
    #[schemars(extend("default" = "text"))]
    log: Option<LogFormat>,
    /// Where webhooks come in (`/hooks/forgejo`) and metrics are read (`/metrics`). Nowhere by default; beyond loopback only with a secret.
    listen: Option<Socket>,
    /// The name of the variable that holds the secret which the webhook's deliveries are signed with.
    webhook_secret_env: Option<Variable>,
    /// The file that holds that secret.
    webhook_secret_file: Option<Path>,
    /// The name of the credential that systemd passes with that secret in it.
    webhook_secret_credential: Option<Credential>,
}

/// What a run may take.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LimitsSection {
    /// Attempts on one issue until it has failed for good.
    #[schemars(range(min = 1, max = 100), extend("default" = 3))]
    attempts: Option<u64>,
    /// Waits after the first, second, ... failed attempt; the last one repeats.
    #[schemars(length(min = 1), extend("default" = ["1m", "5m", "15m"]))]
    backoff: Option<Vec<Time>>,
    /// An agent's turn, by the clock on the wall.
    #[schemars(extend("default" = "45m"))]
    wall: Option<Time>,
    /// No sign of life of an agent.
    #[schemars(extend("default" = "5m"))]
    silence: Option<Time>,
    /// The same while a tool of its is at work.
    #[schemars(extend("default" = "30m"))]
    silence_tool: Option<Time>,
    /// A whole verification.
    #[schemars(extend("default" = "30m"))]
    verify: Option<Time>,
    /// The commands of a project's `setup` together.
    #[schemars(extend("default" = "15m"))]
    setup: Option<Time>,
    /// Changed lines of a diff.
    #[schemars(range(min = 1, max = 10000000), extend("default" = 4000))]
    diff_lines: Option<u64>,
    /// No new fix is begun while so many pull requests of forgehand's wait for people.
    #[schemars(range(min = 1, max = 10000), extend("default" = 10))]
    open_pulls: Option<u64>,
    /// The longest list that a step of a formula is done for (`for_each`), whatever the formula allows. A longer one ends the run before any of it is done.
    #[schemars(range(min = 1, max = 10000), extend("default" = 10000))]
    items: Option<u64>,
    /// Dollars for one call of the model.
    #[schemars(range(min = 0), extend("default" = 1))]
    usd_call: Option<f64>,
    /// Dollars for one run.
    #[schemars(range(min = 0), extend("default" = 5))]
    usd_run: Option<f64>,
    /// Dollars for one project in a UTC day.
    #[schemars(range(min = 0), extend("default" = 25))]
    usd_project: Option<f64>,
    /// Dollars for everything in a UTC day.
    #[schemars(range(min = 0), extend("default" = 25))]
    usd_day: Option<f64>,
    /// After this an issue that is worked on by nobody we know is taken over.
    #[schemars(extend("default" = "2h"))]
    adopt_after: Option<Time>,
    /// After this a question that nobody answered goes to a person.
    #[schemars(extend("default" = "7d"))]
    question: Option<Time>,
}

/// How long what is left of runs is kept, and how much of the disk stays free.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RetentionSection {
    /// Workspaces of runs that failed.
    #[schemars(extend("default" = "7d"))]
    workspaces: Option<Time>,
    /// Logs and transcripts.
    #[schemars(extend("default" = "30d"))]
    logs: Option<Time>,
    /// No run starts with less than this free where the state folder is.
    #[schemars(extend("default" = "2GiB"))]
    disk_floor: Option<Size>,
}

/// Whether there is a sandbox.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
enum SandboxMode {
    /// bubblewrap, or nothing runs.
    Bubblewrap,
    /// None: an agent can do whatever the account that forgehand runs under can.
    None,
}

/// What agents and verifications are confined to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SandboxSection {
    /// Whether there is one.
    #[schemars(extend("default" = "bubblewrap"))]
    mode: Option<SandboxMode>,
    /// Further folders and files to mount, read-only.
    read: Option<Vec<Path>>,
    /// Folders for PATH inside, mounted read-only.
    path: Option<Vec<Path>>,
    /// Hosts that an agent may reach. None by default.
    network: Option<Vec<Host>>,
    /// Memory of everything inside.
    #[schemars(extend("default" = "4GiB"))]
    memory: Option<Size>,
    /// Processes at once.
    #[schemars(range(min = 1, max = 1000000), extend("default" = 512))]
    processes: Option<u64>,
    /// The private /tmp.
    #[schemars(extend("default" = "1GiB"))]
    tmp: Option<Size>,
}
