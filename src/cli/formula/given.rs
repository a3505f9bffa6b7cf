//! What a run is given at the command line: `--input NAME=VALUE`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cli::CliError;
use crate::formula::inputs;
use crate::model::{Formula, InputKind};

/// What it works with, where it takes what it is given.
pub(in crate::cli) fn startable(formula: &Formula, given: BTreeMap<String, Json>) -> Result<BTreeMap<String, Json>, CliError> {
    let wrong =
        |why: String| CliError::usage(format!("formula {} cannot start: {why}", formula.name), "write --input NAME=VALUE");
    inputs::taken(&formula.inputs, given).map_err(wrong)
}

/// The inputs that were named, each as its specification says.
pub(in crate::cli) fn of(formula: &Formula, named: &[String]) -> Result<BTreeMap<String, Json>, CliError> {
    let one = |text: &String| {
        let (name, value) =
            text.split_once('=').ok_or_else(|| CliError::usage(format!("`{text}` gives nothing"), "write --input NAME=VALUE"))?;
        let Some(spec) = formula.inputs.iter().find(|spec| spec.name == name) else {
            let known: Vec<&str> = formula.inputs.iter().map(|spec| spec.name.as_str()).collect();
            let hint = if known.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", known.join(", ")) };
            return Err(CliError::usage(format!("formula {} has no input `{name}`", formula.name), hint));
        };
        let value = match spec.kind {
            InputKind::Text { .. } => Json::from(value),
            InputKind::Number { .. } | InputKind::Flag | InputKind::List => serde_json::from_str(value)
                .map_err(|e| CliError::usage(format!("`{text}` is no JSON"), "a list is [\"a\", \"b\"]").because(e))?,
        };
        Ok((name.to_owned(), value))
    };
    named.iter().map(one).collect()
}
