//! What formulas are given: what an input may be, and whether a value is that.
//!
//! Promises: what is given to a formula by anybody, in its own file, by a caller or when it is started, is what the input says, or it is
//! refused with what to do. Where a caller gives an expression, its type is checked when the formula is loaded and its value when it is there.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;

use super::expression::{Type, Wants};
use super::needed::needed;
use super::read::{Scene, typed};
use crate::document::{Table, Value, nearest};
use crate::model::{Expression, Given, InputKind, InputSpec};

/// The most that a pattern may take, compiled.
const PATTERN_LIMIT: usize = 1 << 16;

/// Words that expressions do not take for a name.
pub(super) const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Why a value is none that an input takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// The inputs of a formula, `[[input]]`.
pub(super) fn specs(root: &Table<'_>) -> Vec<InputSpec> {
    let mut names = BTreeSet::new();
    let mut specs = Vec::new();
    for table in root.tables("input") {
        let Some(spec) = spec(&table) else { continue };
        if !names.insert(spec.name.clone()) {
            table.wrong(format!("two inputs are called `{}`", spec.name), "give each input a name of its own");
        }
        specs.push(spec);
    }
    specs
}

fn spec(table: &Table<'_>) -> Option<InputSpec> {
    #[derive(Clone, Copy, PartialEq)]
    enum What {
        Text,
        Number,
        Flag,
        List,
    }
    let whats = [("text", What::Text), ("number", What::Number), ("flag", What::Flag), ("list", What::List)];
    let name = table.required("name", "name = \"area\"", name);
    let what = table.required("type", "type = \"text\"", |v| v.one_of(&whats));
    let description = table.or("description", String::new(), Value::string);
    // Asked for, so that it is not called unknown where the type is wrong.
    table.has("default");
    for (key, owner, of) in [
        ("pattern", What::Text, "text"),
        ("one_of", What::Text, "text"),
        ("min", What::Number, "number"),
        ("max", What::Number, "number"),
    ] {
        if let Some(value) = table.value(key)
            && what.is_some_and(|what| what != owner)
        {
            value.wrong::<()>(format!("`{key}` means nothing for this input"), format!("only type = \"{of}\" has it"));
        }
    }
    let kind = match what? {
        What::Text => {
            let pattern = table.optional("pattern", pattern);
            let one_of = table.optional("one_of", words).unwrap_or_default();
            if pattern.is_some()
                && let Some(value) = table.value("one_of")
            {
                value.wrong::<()>("`pattern` and `one_of` are both given", "keep one of the two");
            }
            InputKind::Text { pattern, one_of }
        }
        What::Number => {
            let (min, max) = (table.optional("min", Value::integer), table.optional("max", Value::integer));
            if let (Some(min), Some(max), Some(value)) = (min, max, table.value("max"))
                && max < min
            {
                value.wrong::<()>("`max` is less than `min`", format!("write {min} or more"));
            }
            InputKind::Number { min, max }
        }
        What::Flag => InputKind::Flag,
        What::List => InputKind::List,
    };
    let mut spec = InputSpec { name: name?, kind, default: None, description };
    spec.default = table.optional("default", |v| value(v, &spec));
    Some(spec)
}

/// A name that expressions can say behind a dot.
fn name(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let right = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !right {
        let help = "small letters, digits and `_`, a letter first, so that expressions can say inputs.NAME";
        return value.wrong(format!("`{}` is not a name of an input", text.escape_debug()), help);
    }
    if RESERVED.contains(&text.as_str()) {
        return value.wrong(format!("`{text}` means something else in expressions"), format!("call it `{text}_` or otherwise"));
    }
    Some(text)
}

fn pattern(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    match whole(&text) {
        Ok(_) => Some(text),
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            value.wrong(
                format!("`pattern` is no regular expression: {why}"),
                "write one such as \"[a-z]+\"; it matches the whole text",
            )
        }
    }
}

fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z")).size_limit(PATTERN_LIMIT).build()
}

fn words(value: &Value<'_>) -> Option<Vec<String>> {
    let words = value.list(Value::filled)?;
    if words.is_empty() {
        return value.wrong("`one_of` names no word", "write some, such as one_of = [\"small\", \"large\"]");
    }
    if let Some((_, twice)) = words.iter().enumerate().find(|(at, word)| words[..*at].contains(word)) {
        return value.wrong(format!("`one_of` names \"{twice}\" twice"), "take one of them out");
    }
    Some(words)
}

/// A value of a file that an input takes.
fn value(value: &Value<'_>, spec: &InputSpec) -> Option<Json> {
    let found: Json = match &spec.kind {
        InputKind::Text { .. } => value.string()?.into(),
        InputKind::Number { .. } => value.integer()?.into(),
        InputKind::Flag => value.boolean()?.into(),
        InputKind::List => value.list(Value::string)?.into(),
    };
    match fits(spec, &found) {
        Ok(()) => Some(found),
        Err(Unfit { message, help }) => value.wrong(message, help),
    }
}

/// What a call gives to the inputs of the formula that it calls, `with = {..}`.
pub(super) fn with(table: &Table<'_>, specs: &[InputSpec], scene: &Scene<'_, '_>) -> BTreeMap<String, Given> {
    let mut given = BTreeMap::new();
    for (name, found) in table.named_values("with") {
        let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
            let help = match nearest(&name, specs.iter().map(|spec| spec.name.as_str())) {
                Some(right) => format!("did you mean `{right}`?"),
                None if specs.is_empty() => "it has no inputs: take `with` out".to_owned(),
                None => format!("it has {}", specs.iter().map(|spec| format!("`{}`", spec.name)).collect::<Vec<_>>().join(", ")),
            };
            found.wrong::<()>(format!("the called formula has no input `{name}`"), help);
            continue;
        };
        let taken = match found.is_table() {
            true => found.opened().and_then(|cel| {
                let example = "cel = \"issue.title\"";
                cel.required("cel", example, |v| expression(v, spec, scene)).map(Given::Expression)
            }),
            false => value(&found, spec).map(Given::Value),
        };
        given.extend(taken.map(|taken| (name, taken)));
    }
    for spec in specs.iter().filter(|spec| spec.default.is_none()) {
        if !table.named_values("with").iter().any(|(name, _)| *name == spec.name) {
            let example = format!("with = {{ {} = {} }}", spec.name, example(&spec.kind));
            if let Some(call) = table.value("formula") {
                call.wrong::<()>(format!("the called formula must be given `{}`", spec.name), format!("add it: {example}"));
            }
        }
    }
    given
}

fn example(kind: &InputKind) -> String {
    match kind {
        InputKind::Text { one_of, .. } => format!("{:?}", one_of.first().map_or("..", String::as_str)),
        InputKind::Number { min, .. } => min.unwrap_or(1).to_string(),
        InputKind::Flag => "true".to_owned(),
        InputKind::List => "[\"..\"]".to_owned(),
    }
}

fn expression(value: &Value<'_>, spec: &InputSpec, scene: &Scene<'_, '_>) -> Option<Expression> {
    // The default stands for what is not there.
    let (expression, of) = match spec.default {
        Some(_) => typed(value, scene.known, Wants::Value)?,
        None => needed(value, scene, Wants::Value)?,
    };
    match comes_to(spec, &of) {
        Ok(()) => Some(expression),
        Err(Unfit { message, help }) => value.wrong(message, help),
    }
}

/// Whether what is of a type can be what an input takes.
fn comes_to(spec: &InputSpec, of: &Type) -> Result<(), Unfit> {
    let wrong = |of: &Type, help: &str| {
        Err(Unfit { message: format!("`{}` is {}, and this comes to {of}", spec.name, kind(&spec.kind)), help: help.to_owned() })
    };
    match (&spec.kind, of) {
        (_, Type::Any) => Ok(()),
        (_, Type::OrNull(inner)) => comes_to(spec, inner),
        (InputKind::Text { one_of, .. }, Type::Text { one_of: Some(words) }) if !one_of.is_empty() => {
            match words.iter().find(|word| !one_of.contains(word)) {
                Some(never) => Err(not_one_of(spec, never, one_of)),
                None => Ok(()),
            }
        }
        (InputKind::Text { .. }, Type::Text { .. })
        | (InputKind::Number { .. }, Type::Integer)
        | (InputKind::Flag, Type::Bool) => Ok(()),
        (InputKind::List, Type::List(item)) => match item.present() {
            Type::Any | Type::Text { .. } => Ok(()),
            other => wrong(&Type::list(other.clone()), "it takes a list of texts: list.map(x, string(x))"),
        },
        (InputKind::Text { .. }, other) => wrong(other, "make a text of it: string(..)"),
        (InputKind::Number { .. }, other) => wrong(other, "ask for a whole number: int(..) or size(..)"),
        (InputKind::Flag, other) => wrong(other, "ask for true or false, with == or has(..)"),
        (InputKind::List, other) => wrong(other, "ask for a list of texts, such as issue.labels"),
    }
}

fn kind(kind: &InputKind) -> &'static str {
    match kind {
        InputKind::Text { .. } => "a text",
        InputKind::Number { .. } => "a whole number",
        InputKind::Flag => "true or false",
        InputKind::List => "a list of texts",
    }
}

fn not_one_of(spec: &InputSpec, word: &str, one_of: &[String]) -> Unfit {
    let help = match nearest(word, one_of.iter().map(String::as_str)) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => format!("it is one of {}", one_of.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ")),
    };
    Unfit { message: format!("`{}` cannot be \"{}\"", spec.name, word.escape_debug()), help }
}

/// Whether an input takes a value.
pub fn fits(spec: &InputSpec, value: &Json) -> Result<(), Unfit> {
    let name = &spec.name;
    let unfit = |message: String, help: String| Err(Unfit { message, help });
    match (&spec.kind, value) {
        (InputKind::Text { one_of, .. }, Json::String(text)) if !one_of.is_empty() => match one_of.contains(text) {
            true => Ok(()),
            false => Err(not_one_of(spec, text, one_of)),
        },
        (InputKind::Text { pattern: Some(pattern), .. }, Json::String(text)) => match whole(pattern) {
            Ok(regex) if regex.is_match(text) => Ok(()),
            _ => unfit(format!("`{name}` cannot be \"{}\"", text.escape_debug()), format!("it must match {pattern}")),
        },
        (InputKind::Text { .. }, Json::String(_)) | (InputKind::Flag, Json::Bool(_)) => Ok(()),
        (InputKind::Number { min, max }, Json::Number(number)) if number.is_i64() => {
            let number = number.as_i64().unwrap_or_default();
            match (min.filter(|min| number < *min), max.filter(|max| number > *max)) {
                (Some(min), _) => unfit(format!("`{name}` cannot be {number}"), format!("write {min} or more")),
                (_, Some(max)) => unfit(format!("`{name}` cannot be {number}"), format!("write {max} or less")),
                (None, None) => Ok(()),
            }
        }
        (InputKind::List, Json::Array(items)) if items.iter().all(Json::is_string) => Ok(()),
        (wanted, _) => unfit(format!("`{name}` must be {}", kind(wanted)), format!("write {}", example(wanted))),
    }
}

/// What a formula works with: what it was given, and the defaults of the rest. What was given and is null counts as not given. Says in a
/// sentence what is wrong.
pub fn taken(specs: &[InputSpec], mut given: BTreeMap<String, Json>) -> Result<BTreeMap<String, Json>, String> {
    // Journals of older versions have calls without inputs.
    given.retain(|_, value| !value.is_null());
    let mut taken = BTreeMap::new();
    for spec in specs {
        let value = match given.remove(&spec.name).or_else(|| spec.default.clone()) {
            Some(value) => value,
            None => return Err(format!("nobody gave the input `{}`", spec.name)),
        };
        fits(spec, &value).map_err(|Unfit { message, help }| format!("{message} ({help})"))?;
        taken.insert(spec.name.clone(), value);
    }
    match given.into_keys().next() {
        Some(name) => Err(format!("there is no input `{name}`")),
        None => Ok(taken),
    }
}
