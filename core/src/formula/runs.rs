//! Steps that run commands: which, on what, and how they are to come out.

use std::sync::LazyLock;

use regex::Regex;

use super::draft::Answer;
use super::expression::Wants;
use super::needed::needed;
use super::read::{Scene, quoted, word};
use crate::document::{Table, Value, nearest};
use crate::model::{BackTo, Commands, Expect, RunsOn, StepId, StepKind, TemplateKind};

/// What a failing verification is told with, where the formula does not say.
const FAILED_VERIFICATION: &str = "partials/verification-failed.md";

/// What stands for the project's own verification.
const VERIFICATION: &str = "project.verify";

/// What a step runs.
enum Runs {
    Verification,
    Commands(Commands),
}

pub(super) fn run(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<StepKind> {
    let what = table.optional("run", |v| runs(v, scene));
    let on = table.or("on", RunsOn::Change, |v| v.one_of(&[("change", RunsOn::Change), ("base", RunsOn::Base)]));
    let expect = expect(table, scene);
    let go_on = table.or("go_on", false, Value::boolean);
    let (on_failure, sound) = on_failure(table, scene);
    match what.filter(|_| sound)? {
        Runs::Verification => {
            for key in ["on", "expect", "prints", "go_on"] {
                if let Some(value) = table.value(key) {
                    let help = "the project's verification passes on the run's own commits, or fails the run; commands of your own may have it";
                    value.wrong::<()>(format!("`{key}` means nothing with run = \"{VERIFICATION}\""), help);
                }
            }
            Some(StepKind::Verify { on_failure })
        }
        Runs::Commands(commands) => Some(StepKind::Run { commands, on, expect: expect?, go_on, on_failure }),
    }
}

fn expect(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<Expect> {
    let prints = table.optional("prints", |v| needed(v, scene, Wants::Text).map(|(expression, _)| expression));
    let fails = table.or("expect", false, |v| v.one_of(&[("success", false), ("failure", true)]));
    if !fails && let Some(value) = table.value("prints") {
        return value.wrong("`prints` means nothing here", "it belongs to expect = \"failure\"");
    }
    Some(if fails { Expect::Failure { prints } } else { Expect::Success })
}

/// Where failing output goes, and whether that could be read.
fn on_failure(table: &Table<'_>, scene: &Scene<'_, '_>) -> (Option<BackTo>, bool) {
    let &Scene { answers, templates, .. } = scene;
    if !table.has("on_failure") {
        return (None, true);
    }
    let back = table.table("on_failure");
    let to = back.required("to", "to = \"work\"", |v| earlier(v, answers));
    let at_most = back.required("at_most", "at_most = 2", |v| v.whole(1, 10).and_then(|n| u32::try_from(n).ok()));
    // The agent is told it as its own prompt: of its item, and without what is done again behind it.
    let vocabulary = match &to {
        Some(to) => scene.vocabulary_of(to),
        None => scene.vocabulary(TemplateKind::Prompt),
    };
    let prompt = match back.value("prompt") {
        Some(value) => templates.file(&value, TemplateKind::Prompt, &vocabulary),
        None => templates.named(FAILED_VERIFICATION, TemplateKind::Prompt, &vocabulary, |message| {
            back.wrong(message, "name a template with `prompt = \"..\"`");
        }),
    };
    match (to, at_most, prompt) {
        (Some(to), Some(at_most), Some(prompt)) => (Some(BackTo { to, at_most, prompt }), true),
        _ => (None, false),
    }
}

/// The project's verification by its name, a list of commands, or where the commands come from.
fn runs(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Runs> {
    if value.is_table() {
        return elsewhere(value, scene).map(Runs::Commands);
    }
    if !value.is_list() {
        let text = value.string()?;
        if text == VERIFICATION {
            return Some(Runs::Verification);
        }
        let help = match nearest(&text, [VERIFICATION]) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => format!("write \"{VERIFICATION}\", or commands of your own as a list: run = [\"make lint\"]"),
        };
        return value.wrong(format!("`run` cannot be \"{text}\""), help);
    }
    let commands = value.list(command)?;
    if commands.is_empty() {
        return value.wrong("`run` has no command", "write one, such as run = [\"make lint\"]");
    }
    Some(Runs::Commands(Commands::List(commands)))
}

/// A command, which is no template: what looks like one would be run as it stands.
fn command(value: &Value<'_>) -> Option<String> {
    static LIKE_A_TEMPLATE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\{\{[#~]*\s*(?:[a-z]+\s+)?(?:steps|issue|inputs|item|project|run)\.")
            .expect("a constant pattern, used in the tests")
    });
    let text = value.filled()?;
    if LIKE_A_TEMPLATE.is_match(&text) {
        let help = "write run = { of = \"steps.ID.output.commands\" } for commands that are worked out, or give them a list by \
                    `for_each`: an item is in \"$FORGEHAND_ITEM\"";
        return value.wrong("a command is no template, and would be run as it stands", help);
    }
    Some(text)
}

/// Commands that an expression comes to, or that an earlier run kept.
fn elsewhere(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Commands> {
    let table = value.opened()?;
    let of = table.optional("of", |v| needed(v, scene, Wants::List).map(|(expression, _)| expression));
    let kept = table.optional("kept", word);
    match (table.has("of"), table.has("kept")) {
        (true, false) => Some(Commands::Of { of: of? }),
        (false, true) => Some(Commands::Kept { kept: kept? }),
        _ => {
            let help = "write run = { of = \"steps.write.output.commands\" }, or run = { kept = \"reproduction\" }";
            value.wrong("commands come from one place: `of` or `kept`", help)
        }
    }
}

/// An agent step that comes before: the way back cannot make a circle of steps that never ends, because it is bounded and only leads back.
fn earlier(value: &Value<'_>, answers: &[Answer]) -> Option<StepId> {
    let text = value.filled()?;
    let mut agents = answers.iter().filter(|a| a.agent);
    if let Some(answer) = agents.clone().find(|a| a.step.as_str() == text) {
        return Some(answer.step.clone());
    }
    let help = match nearest(&text, agents.clone().map(|a| a.step.as_str())) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None if agents.next().is_none() => "put a step with `agent` before this one".to_owned(),
        None => format!("write {}", quoted(&answers.iter().filter(|a| a.agent).map(|a| a.step.as_str()).collect::<Vec<_>>())),
    };
    value.wrong(format!("`{text}` is no agent step before this one"), help)
}
