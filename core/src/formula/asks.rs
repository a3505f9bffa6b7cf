//! Steps that ask the vault for an action, and gates that wait for one.
//!
//! Promises: what can be known of an action's file from the step alone is said when the formula is loaded: a key that there is not, what is
//! missing, what is of another kind. Which secrets and mounts there are is the configuration's, and is looked at before anything is asked.

use super::expression::{Record, Type, Wants};
use super::needed::{Needed, needed};
use super::propose::lists;
use super::read::{Scene, quoted};
use crate::document::{Table, Value, nearest};
use crate::model::{ACTION_KEYS, ActionId, ActionKey, BadActionId, Expression, Gate, Proposal, TemplateKind, Variable};

/// An action that is asked for.
pub(super) fn action(table: &Table<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable) -> Option<Proposal> {
    let action = table.required("action", "action = \"project.slug + '-' + inputs.tag\"", |v| named(v, scene));
    let asks = table.required("asks", "asks = \"{ 'formula': 'deploy', 'context': 'It is merged.' }\"", |v| asks(v, scene));
    let inline = |v: &Value<'_>| scene.templates.inline(v, TemplateKind::Proposal, vocabulary);
    let title = table.required("title", "title = \"Deploy {{line inputs.tag}}\"", inline);
    let body = table.required("body", "body = \"asked.md\"", |v| scene.templates.file(v, TemplateKind::Proposal, vocabulary));
    Some(Proposal::VaultAction { action: action?, asks: asks?, title: title?, body: body? })
}

/// A gate for the action that is named, else for that of the only step before it that asks for one.
pub(super) fn gate(table: &Table<'_>, value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Gate> {
    if table.has("action") {
        let action = table.optional("action", |v| named(v, scene))?;
        return Some(Gate::Vault { action });
    }
    let asking: Vec<_> = scene.answers.iter().filter(|answer| answer.asks).collect();
    const NAME: &str = "name the action: action = \"'deploy-' + inputs.tag\"";
    match asking.as_slice() {
        [only] if only.item.is_some() => {
            let all =
                format!("for_each = {{ items = \"steps['{}'].output\", at_most = 20 }} and action = \"item.id\"", only.step);
            value.wrong(
                format!("`{}` asks for several actions, and a gate waits for one", only.step),
                format!("wait for each: {all}"),
            )
        }
        [only] => {
            let action = Expression(format!("steps['{}'].output.id", only.step));
            scene.needed.borrow_mut().push(Needed::new(value, &action));
            Some(Gate::Vault { action })
        }
        [] => value.wrong(
            "no step before this gate asks for an action of the vault",
            format!("put a step with propose = \"vault-action\" before it, or {NAME}"),
        ),
        several => {
            let steps: Vec<&str> = several.iter().map(|answer| answer.step.as_str()).collect();
            let help = format!("say which: action = \"steps['{}'].output.id\"", steps[0]);
            value.wrong(format!("which action this gate waits for is not said: {} ask for one", quoted(&steps)), help)
        }
    }
}

/// A text that names an action; what it always comes to is looked at here.
fn named(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Expression> {
    let (expression, of) = needed(value, scene, Wants::Text)?;
    let Type::Text { one_of: Some(words) } = of.present() else { return Some(expression) };
    match words.iter().find(|word| word.parse::<ActionId>().is_err()) {
        Some(bad) => value.wrong(format!("`{}` is no name of an action", bad.escape_debug()), BadActionId::HINT),
        None => Some(expression),
    }
}

fn asks(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Expression> {
    let (expression, of) = needed(value, scene, Wants::Value)?;
    let mistake = match of.present() {
        Type::Any => None,
        Type::Record(record) => wrong(record, scene),
        other => Some((
            format!("what is asked of the vault is an object, and this is {other}"),
            "write \"{ 'formula': 'deploy', 'context': 'It is merged.' }\"".to_owned(),
        )),
    };
    match mistake {
        Some((what, help)) => value.wrong(what, help),
        None => Some(expression),
    }
}

/// What is wrong with an action of which these fields are known, and what to do.
fn wrong(file: &Record, scene: &Scene<'_, '_>) -> Option<(String, String)> {
    let keys = ACTION_KEYS.map(|(key, _)| key);
    for (name, field) in file.fields.iter() {
        let Some((_, kind)) = ACTION_KEYS.iter().find(|(key, _)| key == name) else {
            let help = match nearest(name, keys) {
                Some(right) => format!("did you mean `{right}`?"),
                None => format!("there are {}", quoted(&keys)),
            };
            return Some((format!("an action has no `{name}`"), help));
        };
        if name == "id" {
            return Some(("the name of the action stands in `action` of the step".to_owned(), "take `id` out".to_owned()));
        }
        if let Some(mistake) = unlike(name, *kind, field.of.present(), scene) {
            return Some(mistake);
        }
    }
    let has = |name: &str| file.field(name).is_some();
    let required = |name: &str| file.fields.get(name).is_some_and(|field| field.required);
    if required("formula") && required("action_required") {
        let help = "keep one: a formula is run, or a person does it";
        return Some(("`formula` and `action_required` are both given".to_owned(), help.to_owned()));
    }
    if !has("formula") && !has("action_required") {
        let help = "add 'formula': 'deploy', or 'action_required': { 'what': 'Press it.' } where a person does it";
        return Some(("it is not said what is to be done".to_owned(), help.to_owned()));
    }
    (!has("context")).then(|| ("it is not said why this is asked for".to_owned(), "add 'context': 'It is merged.'".to_owned()))
}

fn unlike(name: &str, kind: ActionKey, of: &Type, scene: &Scene<'_, '_>) -> Option<(String, String)> {
    let is = |what: &str| Some((format!("`{name}` of an action is {what}, and this comes to {of}"), format!("make it {what}")));
    let words = |of: &Type| match of {
        Type::Text { one_of: Some(words) } => words.clone(),
        _ => Vec::new(),
    };
    match (kind, of) {
        (_, Type::Any) => None,
        (ActionKey::Formula, Type::Text { .. }) => {
            let names = &scene.calls.sources.names;
            let unknown = words(of).into_iter().find(|word| !names.contains(word) && word != scene.own)?;
            let help = match nearest(&unknown, names.iter().map(String::as_str)) {
                Some(right) => format!("did you mean '{right}'?"),
                None => format!("put it into formulas/{unknown}.toml, or name one of {}", names.join(", ")),
            };
            Some((format!("there is no formula `{unknown}`"), help))
        }
        (ActionKey::Tier, Type::Text { .. }) => {
            // Data may have other words too, which a condition of the step rules out.
            let (words, tier) = (words(of), |word: &String| matches!(word.as_str(), "low" | "medium" | "high"));
            let never = words.first().filter(|_| !words.iter().any(tier))?;
            Some((format!("`{never}` is no tier"), "a tier is 'low', 'medium' or 'high'".to_owned()))
        }
        (ActionKey::Text, Type::Text { .. }) | (ActionKey::Number, Type::Integer) => None,
        (ActionKey::Person, Type::Text { .. } | Type::Record(_)) | (ActionKey::Table, Type::Record(_)) => None,
        (ActionKey::Texts, Type::List(item)) if lists(item.present(), &Type::text()) => None,
        (ActionKey::Text | ActionKey::Formula | ActionKey::Tier, _) => is("a text"),
        (ActionKey::Number, _) => is("a whole number"),
        (ActionKey::Person, _) => is("a text, or an object with `what`"),
        (ActionKey::Table, _) => is("an object"),
        (ActionKey::Texts, _) => is("a list of texts"),
    }
}

/// Complains of `action` where it means nothing.
pub(super) fn misplaced(table: &Table<'_>, kind: Option<&str>) {
    let is = |found: Option<Value<'_>>, word: &str| {
        found.is_some_and(|value| value.is_text() && value.string().as_deref() == Some(word))
    };
    let belongs = is(table.value("propose"), "vault-action") || is(table.value("gate"), "vault");
    if let Some(value) = table.value("action").filter(|_| kind.is_some() && !belongs) {
        value.wrong::<()>(
            "`action` means nothing in this step",
            "it belongs to a step with propose = \"vault-action\", or with gate = \"vault\"",
        );
    }
}
