//! Evaluating an expression on data.
//!
//! Data are made into CEL's values by their type: a `number` is one even where the data say 2, a time is read from its text; whatever is of no known type
//! stands for itself. What comes out is JSON again.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::objects::Key;
use cel::{Context, Env, ExecutionError, Value};
use serde_json::Value as Json;

use super::types::{Record, Type};
use super::{MAX_DEPTH, MAX_LOOPS, check, source, written};

static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// A loop is written as one call and becomes a few more.
const MAX_EXPANDED: usize = MAX_DEPTH + 4 * MAX_LOOPS;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// It asks for what is not there: a field, an item, something of `null`.
    #[error("{0} is not there")]
    Absent(String),
    /// What it asks does not go with what is there; [`check()`](super::check()) finds this wherever types are known.
    #[error("{0}")]
    WrongType(String),
    /// It went wrong in another way: a number became too large, a text could not be read.
    #[error("{0}")]
    Failed(String),
}

/// The value of an expression that was checked with the same scope.
pub fn evaluate(source: &str, scope: &Type, data: &Json) -> Result<Json, EvaluateError> {
    let (expression, _) = source::read(source, &LANGUAGE).map_err(|mistakes| {
        EvaluateError::Failed(mistakes.into_iter().next().map_or_else(|| "this cannot be read".into(), |mistake| mistake.message))
    })?;
    if check::too_deep(&expression, MAX_EXPANDED).is_some() {
        return Err(EvaluateError::Failed("this is nested too deep".into()));
    }
    let mut context = Context::with_env(Arc::clone(&LANGUAGE));
    context.add_function("toml", toml).map_err(|why| EvaluateError::Failed(why.to_string()))?;
    let named = expression.references();
    for (name, value) in data.as_object().into_iter().flatten().filter(|(name, _)| named.has_variable(name)) {
        let of = match scope {
            Type::Record(scope) => scope.field(name).unwrap_or(&Type::Any),
            _ => &Type::Any,
        };
        context.add_variable_from_value(name.as_str(), to_cel(of, value)?);
    }
    let value = Value::resolve(&expression, &context).map_err(|error| told(&error, scope))?;
    to_json(&value)
}

/// Whether a condition holds. What asks for something that is not there does not.
pub fn holds(source: &str, scope: &Type, data: &Json) -> Result<bool, EvaluateError> {
    match evaluate(source, scope, data) {
        Ok(Json::Bool(holds)) => Ok(holds),
        Ok(Json::Null) | Err(EvaluateError::Absent(_)) => Ok(false),
        Ok(other) => Err(EvaluateError::WrongType(format!("a condition is true or false, this is {}", Type::of_value(&other)))),
        Err(error) => Err(error),
    }
}

/// The items of a list. A list that is not there is [`EvaluateError::Absent`].
pub fn items(source: &str, scope: &Type, data: &Json) -> Result<Vec<Json>, EvaluateError> {
    match evaluate(source, scope, data)? {
        Json::Array(items) => Ok(items),
        Json::Null => Err(EvaluateError::Absent("the list".into())),
        other => Err(EvaluateError::WrongType(format!("`for_each` goes through a list, this is {}", Type::of_value(&other)))),
    }
}

/// Whether a call of nothing but literals fails.
pub(super) fn fails(call: CallExpr) -> bool {
    let call = IdedExpr { id: 0, expr: Expr::Call(call) };
    Value::resolve(&call, &Context::with_env(Arc::clone(&LANGUAGE))).is_err()
}

/// Whether a text names no time zone.
pub(super) fn no_zone(name: &str) -> bool {
    let literal = |value: LiteralValue| IdedExpr { id: 0, expr: Expr::Literal(value) };
    let begin = call("timestamp", None, vec![literal(LiteralValue::Int(0.into()))]);
    let target = Some(Box::new(IdedExpr { id: 0, expr: Expr::Call(begin) }));
    fails(call("getHours", target, vec![literal(LiteralValue::String(name.to_owned().into()))]))
}

/// `toml(..)`
fn toml(value: Value) -> Result<Arc<String>, ExecutionError> {
    let data = to_json(&value).ok();
    let text = data.as_ref().and_then(Json::as_object).and_then(written::toml);
    text.map(Arc::new).ok_or_else(|| ExecutionError::function_error("toml", "it cannot be written"))
}

fn call(name: &str, target: Option<Box<IdedExpr>>, args: Vec<IdedExpr>) -> CallExpr {
    CallExpr { func_name: name.into(), target, args }
}

fn duration(text: &str) -> Option<Value> {
    let text = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(text.to_owned().into())) };
    let call = IdedExpr { id: 0, expr: Expr::Call(call("duration", None, vec![text])) };
    Value::resolve(&call, &Context::with_env(Arc::clone(&LANGUAGE))).ok()
}

/// A moment in UTC: its hour elsewhere is asked for with a zone.
fn moment(text: &str) -> Option<chrono::DateTime<chrono::FixedOffset>> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc().fixed_offset())
}

/// A value of data, by its type.
fn to_cel(of: &Type, value: &Json) -> Result<Value, EvaluateError> {
    let unlike = || EvaluateError::WrongType(format!("what is given as {of} is {}", Type::of_value(value)));
    Ok(match (of.present(), value) {
        (_, Json::Null) => Value::Null,
        (_, Json::Bool(value)) => Value::Bool(*value),
        (Type::Number, Json::Number(number)) => Value::Float(number.as_f64().ok_or_else(unlike)?),
        (Type::Integer, Json::Number(number)) => whole(number).map_or_else(|| bare(number), Value::Int),
        (_, Json::Number(number)) => bare(number),
        (Type::Time, Json::String(text)) => Value::Timestamp(moment(text).ok_or_else(unlike)?),
        (Type::Duration, Json::String(text)) => duration(text).ok_or_else(unlike)?,
        (_, Json::String(text)) => Value::from(text.as_str()),
        (of, Json::Array(items)) => {
            let inner = if let Type::List(inner) = of { inner } else { &Type::Any };
            Value::List(Arc::new(items.iter().map(|item| to_cel(inner, item)).collect::<Result<_, _>>()?))
        }
        (of, Json::Object(fields)) => {
            let none = Record::default();
            let record = if let Type::Record(record) = of { record } else { &none };
            let field =
                |(name, value): (&String, &Json)| Ok((name.clone(), to_cel(record.field(name).unwrap_or(&Type::Any), value)?));
            Value::from(fields.iter().map(field).collect::<Result<HashMap<String, Value>, _>>()?)
        }
    })
}

/// A whole number, also one that is written `2.0`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    /// From here on not every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
    number.as_i64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < EXACT).map(|n| n as i64))
}

fn bare(number: &serde_json::Number) -> Value {
    number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
}

fn to_json(value: &Value) -> Result<Json, EvaluateError> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) => (*number).into(),
        Value::UInt(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Json::Number)
            .ok_or_else(|| EvaluateError::Failed("it comes to no number".into()))?,
        Value::String(text) => Json::String(text.to_string()),
        Value::Timestamp(time) => Json::String(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        Value::Duration(span) => Json::String(seconds(*span)),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let field = |(key, value): (&Key, &Value)| Ok((key.to_string(), to_json(value)?));
            Json::Object(map.map.iter().map(field).collect::<Result<_, _>>()?)
        }
        _ => return Err(EvaluateError::WrongType("it comes to something that is no data".into())),
    })
}

/// A duration as it can be read again: `90s`, `0.5s`.
fn seconds(span: chrono::Duration) -> String {
    let whole = span.num_seconds();
    let nanos = span.subsec_nanos().unsigned_abs();
    let sign = if span < chrono::Duration::zero() { "-" } else { "" };
    let rest = if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() };
    format!("{sign}{}{rest}s", whole.unsigned_abs())
}

/// What went wrong, without the data that it went wrong on: they come from outside.
fn told(error: &ExecutionError, scope: &Type) -> EvaluateError {
    let known = |name: &str| matches!(scope, Type::Record(scope) if scope.field(name).is_some());
    match error {
        ExecutionError::NoSuchKey(name) => EvaluateError::Absent(format!("`{name}`")),
        ExecutionError::IndexOutOfBounds(_) => EvaluateError::Absent("an item past the end of a list".into()),
        ExecutionError::UndeclaredReference(name) if known(name) => EvaluateError::Absent(format!("`{name}`")),
        ExecutionError::UndeclaredReference(name) => EvaluateError::WrongType(format!("nothing is called `{name}`")),
        ExecutionError::NoSuchOverload(error) => of_types(error.function(), error.argument_types()),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            of_types(operator, &[left, right].map(|value| name_of(value).to_owned()))
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            of_types("comparing", &[left, right].map(|value| name_of(value).to_owned()))
        }
        ExecutionError::UnsupportedIndex(key, value) => of_types("[]", &[value, key].map(|value| name_of(value).to_owned())),
        ExecutionError::UnsupportedKeyType(key) => of_types("[]", &[name_of(key).to_owned()]),
        ExecutionError::UnexpectedType { got, want } => of_types(want, std::slice::from_ref(got)),
        ExecutionError::UnsupportedTargetType { target } => of_types("this", &[name_of(target).to_owned()]),
        ExecutionError::NotSupportedAsMethod { method, target } => of_types(method, &[name_of(target).to_owned()]),
        ExecutionError::InvalidArgumentCount { .. } | ExecutionError::MissingArgumentOrTarget => {
            EvaluateError::WrongType("a function is given too much or too little".into())
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            EvaluateError::Failed("nothing can be divided by 0".into())
        }
        ExecutionError::Overflow(..) => EvaluateError::Failed("a number, time or duration becomes too large".into()),
        ExecutionError::FunctionError { function, .. } => {
            EvaluateError::Failed(format!("`{function}` cannot read what it is given"))
        }
        ExecutionError::DuplicateKey(_) => EvaluateError::Failed("an object is given the same field twice".into()),
        _ => EvaluateError::Failed("it cannot be evaluated".into()),
    }
}

/// What does not go together. `null` goes with nothing, because it stands for what is not there.
fn of_types(what: &str, types: &[String]) -> EvaluateError {
    const NULL: &str = "null_type";
    if types.iter().any(|name| name == NULL) {
        return EvaluateError::Absent("something that is null".into());
    }
    EvaluateError::WrongType(format!("`{}` does not go with {}", what.trim_matches(['_', '@']), types.join(" and ")))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null_type",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::UInt(_) => "int",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Timestamp(_) => "timestamp",
        Value::Duration(_) => "duration",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        _ => "other",
    }
}
