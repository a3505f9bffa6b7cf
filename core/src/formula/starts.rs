//! Runs that a step starts: of which formula, and what that is given.
//!
//! Promises: the formula is there, and takes what it is given by name and type, as far as its file and those that it extends say it.

use super::expression::{Type, Wants};
use super::needed::needed;
use super::read::{Scene, word};
use super::{extends, inputs};
use crate::document::{Table, Value, nearest, peek};
use crate::model::{Expression, FormulaName, InputSpec, Start};

/// A run that is started at once: `starts`, and `with` beside it.
pub(super) fn start(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<Start> {
    let formula = table.required("starts", "starts = \"reproduce\"", |v| named(v, scene));
    given(table, scene, formula)
}

/// A run that is started when a pull request is merged: a table with `formula` and `with`.
pub(super) fn then(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<Start> {
    let formula = table.required("formula", "formula = \"merged\"", |v| named(v, scene));
    given(table, scene, formula)
}

fn given(table: &Table<'_>, scene: &Scene<'_, '_>, formula: Option<FormulaName>) -> Option<Start> {
    let Some(formula) = formula else {
        // Asked for, so that it is not called unknown.
        table.named_values("with");
        return None;
    };
    let with = inputs::with(table, &specs_of(formula.as_str(), scene), scene);
    Some(Start { formula, with })
}

/// A formula that there is; it may be the one that is read.
fn named(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<FormulaName> {
    let name = word(value)?;
    let sources = scene.calls.sources;
    if name == scene.own || (sources.formulas)(&name).is_some() {
        return Some(FormulaName(name));
    }
    let names = sources.names;
    let help = match nearest(&name, names.iter().map(String::as_str)) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => format!("put it into formulas/{name}.toml, or name one of {}", names.join(", ")),
    };
    value.wrong(format!("there is no formula `{name}`"), help)
}

/// What a formula takes. Its steps are none of ours: formulas may start each other.
fn specs_of(name: &str, scene: &Scene<'_, '_>) -> Vec<InputSpec> {
    if name == scene.own {
        return scene.inputs.to_vec();
    }
    let sources = scene.calls.sources;
    let Some((file, text)) = (sources.formulas)(name) else { return Vec::new() };
    let layers = extends::layers(&file, &text, sources).unwrap_or_default();
    let mut all: Vec<InputSpec> = Vec::new();
    for spec in layers.iter().flat_map(|layer| peek(&layer.text, inputs::specs)) {
        if all.iter().all(|known| known.name != spec.name) {
            all.push(spec);
        }
    }
    all
}

/// The tasks that are ticked: a list of numbers.
pub(super) fn tick(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Expression> {
    let (expression, of) = needed(value, scene, Wants::List)?;
    match of.present() {
        Type::List(item) if !matches!(item.present(), Type::Integer | Type::Any) => value.wrong(
            format!("`tick` takes numbers of issues, and this comes to a list of {}", item.present()),
            "ask for whole numbers, such as tick = \"[issue.number]\"",
        ),
        _ => Some(expression),
    }
}
