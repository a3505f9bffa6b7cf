//! The header of a formula: what starts it, what must hold, what it may use up, where it works, what its agent steps have in common.

use std::time::Duration;

use super::cron::Cron;
use super::read::word;
use super::scope::ABOUT_THE_PROJECT;
use crate::document::{Table, Value, nearest};
use crate::model::{
    About, Access, Branch, Concurrency, Decision, ForgeEvent, FormulaLabel, FormulaLimits, FormulaWorkspace, InputSpec,
    LabelNames, Proposal, Require, Step, StepKind, Triggers, Usd, VAULT_APPROVED, WhenBusy,
};

/// A label that stays on starts a formula no sooner again.
const SOONEST: Duration = Duration::from_mins(1);
/// The longest word behind the name of an issue's branch: refs and folders are bounded.
const BRANCH_WORD: usize = 40;
/// The longest name of a label on a forge.
const LABEL: usize = 50;
/// The tools that an agent may be given, and whether they can change or run something.
const TOOLS: [(&str, bool); 11] = [
    ("Bash", true),
    ("Edit", true),
    ("Glob", false),
    ("Grep", false),
    ("NotebookEdit", true),
    ("Read", false),
    ("Task", false),
    ("TodoWrite", false),
    ("WebFetch", false),
    ("WebSearch", false),
    ("Write", true),
];

pub(super) fn trigger(table: &Table<'_>) -> Triggers {
    let events = ForgeEvent::ALL.map(|event| (event.word(), event));
    table.optional("manual", |v| match v.boolean()? {
        true => Some(()),
        false => v.wrong("a person may always start a formula", "take `manual` out"),
    });
    let vault = table.optional("vault", |v| match v.boolean()? {
        true => Some(true),
        false => v.wrong("no action of the vault runs a formula unless that is said", "take `vault` out"),
    });
    about_one_thing(table);
    let label = table.optional("label", started);
    let event = table.or("event", Vec::new(), |v| some(v, |v| v.one_of(&events)));
    may_stand_beside_cron(table, &event);
    Triggers {
        again: table.optional("again", |v| again(v, label.as_deref())),
        label,
        vault: vault.unwrap_or_default(),
        cron: table.optional("cron", cron),
        comment: table.or("comment", Vec::new(), commands),
        event,
    }
}

/// A label that starts a formula: one of the two at which the lifecycle begins something, or one of the author's own.
fn started(value: &Value<'_>) -> Option<String> {
    let (text, names) = (label(value)?, LabelNames::default());
    let known = [names.portal.as_str(), names.of(Decision::Queue)];
    if known.contains(&text.as_str()) {
        return Some(text);
    }
    if names.decision(&text).is_some() || text == names.priority {
        let help = format!("write \"{}\", \"{}\", or a label of your own", known[0], known[1]);
        return value.wrong(format!("label `{text}` says where an issue stands, and starts nothing"), help);
    }
    match nearest(&text, known) {
        Some(right) => {
            let help = format!("did you mean \"{right}\"? Write the default name, whatever the project calls it");
            value.wrong(format!("label `{text}` is nearly one of the lifecycle's"), help)
        }
        None => Some(text),
    }
}

/// What a label or a comment starts is given nothing by anybody, and has no branch of its own yet.
pub(super) fn starts_alone(table: &Table<'_>, trigger: &Triggers, inputs: &[InputSpec], steps: &[Step]) {
    let names = LabelNames::default();
    let queue = names.of(Decision::Queue);
    let label = table.value("label").zip(trigger.label.as_ref()).map(|(value, _)| value);
    let of_lifecycle = trigger.label.as_ref().is_some_and(|label| *label == queue || *label == names.portal);
    if let Some(event) = table.value("event").filter(|_| of_lifecycle && !trigger.event.is_empty()) {
        event.wrong::<()>("what the lifecycle starts is started by no event", "give the events a formula of their own");
    }
    let Some(value) = label.or_else(|| table.value("comment")).or_else(|| table.value("event")).or_else(|| table.value("cron"))
    else {
        return;
    };
    if let Some(spec) = inputs.iter().find(|spec| spec.default.is_none()) {
        let what = format!("nobody gives the input `{}` when a label, a comment, an event or a schedule starts it", spec.name);
        value.wrong::<()>(what, "give the input a `default`, or let people start it by hand alone");
    }
    let behind = trigger.event.contains(&ForgeEvent::PullBehind);
    let updates = behind && trigger.event.len() == 1;
    if let Some(event) = table.value("event").filter(|_| behind && !updates) {
        event.wrong::<()>(
            format!("`{}` stands alone: whoever brings a branch up to its base does nothing else", ForgeEvent::PullBehind),
            "give the other events a formula of their own",
        );
    }
    let pushes = steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::Push)));
    if let Some(event) = table.value("event").filter(|_| updates && (!pushes || steps.iter().any(is_agents))) {
        event.wrong::<()>(
            "what brings a branch up to its base verifies it and pushes it, without an agent",
            "write a step with run = \"project.verify\" and one with propose = \"push\", as formulas/update.toml has them",
        );
    }
    let opens = steps.iter().any(|step| matches!(step.kind, StepKind::Propose(Proposal::PullRequest { .. })));
    if let Some(event) = table.value("event").filter(|_| opens && !of_lifecycle) {
        let help = format!("start it by the label {queue}, by a label of its own or by a comment, or take the proposal out");
        event.wrong::<()>("what opens a pull request is started by no event", help);
    }
}

fn is_agents(step: &Step) -> bool {
    matches!(step.kind, StepKind::Agent { .. })
}

/// After how long a label that stays on starts the formula again.
fn again(value: &Value<'_>, label: Option<&str>) -> Option<Duration> {
    let every = value.some_time()?;
    let names = LabelNames::default();
    match label {
        None => value.wrong("nothing is started again without a `label`", "write label = \"vision\" beside it"),
        Some(label) if label == names.portal || label == names.of(Decision::Queue) => {
            value.wrong("what the lifecycle starts is not started again by its label", "take `again` out")
        }
        Some(_) if every < SOONEST => value.wrong("that is too often", "write \"1m\" or more"),
        Some(_) => Some(every),
    }
}

/// What begins a comment that starts the formula: one word, or several.
fn commands(value: &Value<'_>) -> Option<Vec<String>> {
    if !value.is_list() {
        return command(value).map(|word| vec![word]);
    }
    let words = some(value, command)?;
    match words.iter().enumerate().find(|(at, word)| words[..*at].contains(word)) {
        Some((_, twice)) => value.wrong(format!("`{twice}` stands there twice"), "keep one of the two"),
        None => Some(words),
    }
}

fn command(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    if (2..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_uppercase()) {
        return Some(text);
    }
    let Some(name) = text.strip_prefix('/') else {
        let help = format!("write \"/{}\", or one word in capitals", text.trim());
        return value.wrong(format!("`{text}` does not begin with a `/`"), help);
    };
    let right = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 32
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if right {
        Some(text)
    } else {
        value.wrong(format!("`{text}` is not a command"), "one word of small letters, digits and `-`: \"/fix\"")
    }
}

/// A cron pattern. It makes the formula one about the project, whoever starts it.
fn cron(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    match Cron::parse(&text) {
        Ok(_) => Some(text),
        Err(why) => {
            let help = "write five fields such as \"0 */6 * * *\", or six with seconds first; UTC";
            value.wrong(format!("`{text}` is not a cron pattern: {why}"), help)
        }
    }
}

/// What happens to an issue starts a run on it, a schedule or an action of the vault one about the project.
fn about_one_thing(table: &Table<'_>) {
    let (project, others): (_, &[&str]) = match (table.has("vault"), table.has("cron")) {
        (true, _) => ("vault", &["label", "again", "comment", "event"]),
        (false, true) => ("cron", &["label", "again"]),
        (false, false) => return,
    };
    for key in others {
        if let Some(value) = table.value(key) {
            let help = format!("give `{key}` a formula of its own; `formula = \"..\"` calls what the two share");
            value.wrong::<()>(format!("`{key}` starts a run on an issue, and `{project}` one about the project"), help);
        }
    }
}

/// What happens to an issue at work is for a run on it; the end of something may have the whole looked at.
fn may_stand_beside_cron(table: &Table<'_>, events: &[ForgeEvent]) {
    let other = events.iter().find(|event| !event.starts_projects()).filter(|_| table.has("cron"));
    if let Some((event, value)) = other.zip(table.value("event")) {
        let [one, two] = [ForgeEvent::IssueClosed, ForgeEvent::PullMerged];
        let help = format!("of events, `{one}` and `{two}` may stand beside `cron`; give `{event}` a formula of its own");
        value.wrong::<()>(format!("`{event}` starts a run on an issue, and `cron` one about the project"), help);
    }
}

pub(super) fn require(table: &Table<'_>, about: About) -> Require {
    for key in ["dependencies_closed", "labels", "no_labels"] {
        if let Some(value) = table.value(key).filter(|_| about == About::Project) {
            value.wrong::<()>(format!("`{key}` is required of an issue"), ABOUT_THE_PROJECT);
        }
    }
    let require = Require {
        dependencies_closed: table.or("dependencies_closed", false, Value::boolean),
        labels: table.or("labels", Vec::new(), |v| some(v, label)),
        no_labels: table.or("no_labels", Vec::new(), |v| some(v, label)),
        files: table.or("files", Vec::new(), |v| some(v, file)),
    };
    if let Some(both) = require.labels.iter().find(|label| require.no_labels.contains(label))
        && let Some(value) = table.value("no_labels")
    {
        value.wrong::<()>(format!("`{both}` is asked for and ruled out"), "keep it in `labels` or in `no_labels`");
    }
    require
}

pub(super) fn limits(table: &Table<'_>) -> FormulaLimits {
    let count = |most| move |v: &Value<'_>| v.whole(1, most).and_then(|n| u32::try_from(n).ok());
    FormulaLimits {
        wall: table.optional("wall", Value::some_time),
        silence: table.optional("silence", Value::some_time),
        turns: table.optional("turns", count(10_000)),
        budget_usd: table.optional("budget_usd", budget),
        attempts: table.optional("attempts", count(100)),
        runs_day: table.optional("runs_day", count(10_000)),
        usd_day: table.optional("usd_day", budget),
        concurrency: table.optional("concurrency", |v| concurrency(&v.opened()?)),
    }
}

fn budget(value: &Value<'_>) -> Option<Usd> {
    let amount = value.amount()?;
    if amount > 0.0 {
        Some(Usd::from_dollars(amount))
    } else {
        value.wrong("nothing can be done for nothing", "write dollars, such as 2.5")
    }
}

fn concurrency(table: &Table<'_>) -> Option<Concurrency> {
    let busy = [("queue", WhenBusy::Queue), ("replace", WhenBusy::Replace), ("skip", WhenBusy::Skip)];
    let group = table.required("group", "group = \"gardening\"", word);
    let when_busy = table.required("when_busy", "when_busy = \"queue\"", |v| v.one_of(&busy));
    Some(Concurrency { group: group?, when_busy: when_busy? })
}

pub(super) fn workspace(table: &Table<'_>) -> FormulaWorkspace {
    let yes = |key| table.optional(key, Value::boolean);
    FormulaWorkspace {
        base: table.optional("base", branch),
        branch: table.optional("branch", branch_word),
        env_file: yes("env_file"),
        ports: yes("ports"),
        caches: yes("caches"),
    }
}

/// What stands behind the issue's number in the name of a branch. As a word it makes one that git takes, whatever is before it.
fn branch_word(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    match text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= BRANCH_WORD && text.chars().all(plain) {
        true => Some(text),
        false => value.wrong(
            format!("`{}` cannot stand behind the name of an issue's branch", text.escape_debug()),
            format!("one word of at most {BRANCH_WORD} small letters, digits, `-` and `_`, a letter first: \"spike\" for claude/issue-7-spike"),
        ),
    }
}

/// A branch is named where something is pushed to one of an issue's, and is no other formula's.
pub(super) fn branch_is_pushed(workspace: &Table<'_>, about: About, steps: &[Step], (own, names): (&str, &[String])) {
    let Some(value) = workspace.value("branch") else { return };
    let pushes = |step: &Step| matches!(step.kind, StepKind::Propose(Proposal::PullRequest { .. } | Proposal::Branch { .. }));
    if about == About::Project {
        value.wrong::<()>("what is about the project has no issue's branch", "take `branch` out");
    } else if !steps.iter().any(pushes) {
        let help = "take it out, or add a step with propose = \"pull-request\" or \"branch\"";
        value.wrong::<()>("`branch` means nothing here: the formula pushes nothing to a branch of its own", help);
    } else if let Some(other) = value.string().filter(|word| word != own && names.contains(word)) {
        let help = format!("write another word, such as \"{own}\": `{other}` is what the branches of that formula may be called");
        value.wrong::<()>(format!("`{other}` is the name of another formula"), help);
    }
}

fn branch(value: &Value<'_>) -> Option<Branch> {
    let text = value.filled()?;
    let wrong = text.starts_with(['-', '/', '.'])
        || text.ends_with(['/', '.'])
        || text.ends_with(".lock")
        || ["..", "//", "@{", "/."].iter().any(|part| text.contains(part))
        || text.chars().any(|c| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c));
    if wrong { value.wrong(format!("`{text}` is not a branch"), "write its name, such as \"main\"") } else { Some(Branch(text)) }
}

/// The tools that an agent is given.
pub(super) fn tools(value: &Value<'_>, access: Option<Access>) -> Option<Vec<String>> {
    let tool = |v: &Value<'_>| {
        let text = v.filled()?;
        match TOOLS.iter().find(|(name, _)| *name == text) {
            Some((_, true)) if access == Some(Access::Read) => {
                v.wrong(format!("who only reads is not given `{text}`"), "take it out, or write access = \"write\"")
            }
            Some(_) => Some(text),
            None => {
                let help = match nearest(&text, TOOLS.iter().map(|(name, _)| *name)) {
                    Some(right) => format!("did you mean \"{right}\"?"),
                    None => format!("there are {}", TOOLS.map(|(name, _)| name).join(", ")),
                };
                v.wrong(format!("there is no tool `{text}`"), help)
            }
        }
    };
    some(value, tool)
}

/// The names of the tools that there are.
pub fn tool_names() -> impl Iterator<Item = &'static str> + Clone {
    TOOLS.iter().map(|(name, _)| *name)
}

/// Whether a tool can change or run something.
pub(super) fn changes(tool: &str) -> bool {
    TOOLS.contains(&(tool, true))
}

pub(super) fn labels(root: &Table<'_>) -> Vec<FormulaLabel> {
    let mut labels: Vec<FormulaLabel> = Vec::new();
    for table in root.tables("label") {
        let name = table.required("name", "name = \"stale\"", own_label);
        let color = table.required("color", "color = \"#c0c0c0\"", color);
        let description = table.or("description", String::new(), Value::string);
        let (Some(name), Some(color)) = (name, color) else { continue };
        if labels.iter().any(|known| known.name == name) {
            table.wrong(format!("the label `{name}` is described twice"), "keep one of the two");
        }
        labels.push(FormulaLabel { name, color, description });
    }
    labels
}

/// The label that opens a gate of the vault is known to `init` and `doctor` wherever there is one.
pub(super) fn vault_label(labels: &mut Vec<FormulaLabel>) {
    if labels.iter().all(|label| label.name != VAULT_APPROVED) {
        let description = "Somebody lets it go on that waits for the vault".to_owned();
        labels.push(FormulaLabel { name: VAULT_APPROVED.to_owned(), color: "#0e8a16".to_owned(), description });
    }
}

/// A label that is the formula's own: those of the lifecycle are there anyway, by the project's names, and nobody else says how they look.
fn own_label(value: &Value<'_>) -> Option<String> {
    let text = label(value)?;
    if LabelNames::default().is_of_lifecycle(&text) {
        return value.wrong(format!("`{text}` is a label of the lifecycle"), "forgehand describes it: take this [[label]] out");
    }
    Some(text)
}

fn label(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let right = text.chars().count() <= LABEL && !text.contains([',', '\n', '\r']) && text.trim() == text;
    if right {
        Some(text)
    } else {
        value.wrong(format!("`{}` is not a label", text.escape_debug()), "50 characters at most, without a comma")
    }
}

fn color(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let right = text.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.chars().all(|c| c.is_ascii_hexdigit()));
    if right { Some(text) } else { value.wrong(format!("`{text}` is not a colour"), "write it as \"#d93f0b\"") }
}

/// A file of the repository.
fn file(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let right =
        !text.starts_with('/') && !text.contains(['\0', '\\']) && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if right {
        Some(text)
    } else {
        value.wrong(format!("`{text}` is not a file of the repository"), "write its path from the root, such as \"docs/plan.md\"")
    }
}

/// What is read of the operations repository: files, and folders with a slash at their end.
pub(super) fn ops(table: &Table<'_>) -> Vec<String> {
    let path = |v: &Value<'_>| {
        let text = v.filled()?;
        let bare = text.strip_suffix('/').unwrap_or(&text);
        let right =
            !bare.is_empty() && !bare.starts_with(['/', ':']) && bare.split('/').all(|part| !matches!(part, "" | "." | ".."));
        match right && !bare.contains(['\0', '\\']) {
            true => Some(text),
            false => v.wrong(
                format!("`{text}` is no path in the operations repository"),
                "write it from the root: \"prerequisites.md\", or \"sprints/\" for all files below",
            ),
        }
    };
    table.or("files", Vec::new(), |v| some(v, path))
}

/// A list with something in it.
pub(super) fn some<T>(value: &Value<'_>, item: impl FnMut(&Value<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = value.list(item)?;
    if items.is_empty() && value.items().is_some_and(|items| items.is_empty()) {
        return value.wrong(format!("`{}` is empty", value.key()), "name something, or leave the key out");
    }
    Some(items)
}
