//! The type checker: from an expression and the types of what it can name to its own type, or to all its mistakes.
//!
//! What is wrong is of any type afterwards, so that one mistake is told once.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use cel::Env;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, SelectExpr, operators as op};

use super::source::{self, Source};
use super::types::{Field, Record, Type};
use super::{MAX_DEPTH, Mistake, Wants};
use crate::document::nearest;

/// Reads without macros, so that what is checked is what was written.
pub(super) static AS_WRITTEN: LazyLock<Env> = LazyLock::new(|| Env::default().with_optional_support(false));

/// Checks an expression: its type, or all its mistakes in the order of the text. `scope` is the type of the data that it is evaluated with.
pub fn check(source: &str, scope: &Type, wants: Wants) -> Result<Type, Vec<Mistake>> {
    let (expression, source) = source::read(source, &AS_WRITTEN)?;
    if let Some(too_deep) = too_deep(&expression, MAX_DEPTH) {
        let span = source.token_of(too_deep).and_then(|token| source.near(token, 0)).unwrap_or_else(|| source.whole());
        return Err(vec![Mistake::new(
            span,
            format!("operators, fields and calls stand at most {MAX_DEPTH} deep in each other"),
        )]);
    }
    let mut checker = Checker::new(&source, scope);
    let of = checker.of(&expression);
    checker.comes_to(&of, wants);
    let mut mistakes = checker.mistakes;
    mistakes.sort_by_key(|mistake| mistake.span.start);
    if mistakes.is_empty() { Ok(of) } else { Err(mistakes) }
}

/// A part of an expression that lies deeper than it may.
pub(super) fn too_deep(expression: &IdedExpr, most: usize) -> Option<&IdedExpr> {
    let mut open = vec![(expression, 0)];
    while let Some((here, depth)) = open.pop() {
        if depth > most {
            return Some(here);
        }
        let mut inner = |part| open.push((part, depth + 1));
        match &here.expr {
            Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(inner),
            Expr::Select(select) => inner(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(inner),
            Expr::Map(map) => entries(map).flat_map(|(key, value)| [key, value]).for_each(inner),
            Expr::Comprehension(each) => {
                [&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result].into_iter().for_each(inner);
            }
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
        }
    }
    None
}

pub(super) fn entries(map: &MapExpr) -> impl Iterator<Item = (&IdedExpr, &IdedExpr)> {
    map.entries.iter().filter_map(|entry| match &entry.expr {
        EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value)),
        EntryExpr::StructField(_) => None,
    })
}

/// What a literal text says.
pub(super) fn text_of(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

pub(super) struct Checker<'c> {
    pub(super) source: &'c Source<'c>,
    scope: &'c Type,
    /// What `all`, `map` and the like name, the innermost last.
    pub(super) locals: Vec<(String, Type)>,
    pub(super) loops: usize,
    pub(super) mistakes: Vec<Mistake>,
}

impl<'c> Checker<'c> {
    pub(super) fn new(source: &'c Source<'c>, scope: &'c Type) -> Self {
        Self { source, scope, locals: Vec::new(), loops: 0, mistakes: Vec::new() }
    }
}

impl Checker<'_> {
    /// The type of an expression.
    pub(super) fn of(&mut self, expression: &IdedExpr) -> Type {
        match &expression.expr {
            Expr::Literal(literal) => self.literal(expression, literal),
            Expr::Ident(name) => self.name(expression, name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) if call.target.is_some() => self.member_call(expression, call),
            Expr::Call(call) => match call.func_name.as_str() {
                op::INDEX => self.index(expression, &call.args),
                operator if self.is_operator(operator) => self.operator(expression, call),
                _ => self.global_call(expression, call),
            },
            Expr::List(list) => Type::list(self.list_literal(&list.elements).1),
            Expr::Map(map) => self.map_literal(map),
            Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                self.wrong(expression, "messages are not part of formulas", None);
                Type::Any
            }
        }
    }

    fn comes_to(&mut self, of: &Type, wants: Wants) {
        let (right, message, help) = match wants {
            Wants::Bool => (
                matches!(of.present(), Type::Any | Type::Bool),
                format!("a condition is true or false, this is {of}"),
                match of.present() {
                    Type::Text { .. } => Some("compare it: `.. == 'a word'`"),
                    Type::Integer | Type::Number => Some("compare it: `.. > 0`"),
                    Type::List(_) => Some("`size(..) > 0` asks whether there is something in it"),
                    _ => None,
                },
            ),
            Wants::List => {
                let help = matches!(of.present(), Type::Record(_)).then_some("name the field that holds the list");
                (matches!(of.present(), Type::Any | Type::List(_)), format!("a list is wanted here, this is {of}"), help)
            }
            Wants::Text => {
                let help = matches!(of.present(), Type::Integer | Type::Number).then_some("write `string(..)`");
                (matches!(of.present(), Type::Any | Type::Text { .. }), format!("a text is wanted here, this is {of}"), help)
            }
            Wants::Value => return,
        };
        if !right {
            self.mistakes.push(Mistake { span: self.source.whole(), message, help: help.map(Into::into) });
        }
    }

    /// A mistake that is an expression's.
    pub(super) fn wrong(&mut self, at: &IdedExpr, message: impl Into<String>, help: Option<String>) {
        let span = self.span(at);
        self.mistakes.push(Mistake { span, message: message.into(), help });
    }

    /// The source of an expression, for messages.
    pub(super) fn said(&self, expression: &IdedExpr) -> String {
        let text = self.source.text(self.span(expression));
        if text.chars().count() > 60 { "this".into() } else { format!("`{text}`") }
    }

    fn literal(&mut self, at: &IdedExpr, literal: &LiteralValue) -> Type {
        match literal {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Double(_) => Type::Number,
            LiteralValue::Int(_) => Type::Integer,
            LiteralValue::Null => Type::Null,
            LiteralValue::String(text) => Type::words([text.inner()]),
            LiteralValue::UInt(_) => {
                self.wrong(at, "numbers without a sign are not part of formulas", Some("write it without the `u`".into()));
                Type::Any
            }
            LiteralValue::Bytes(_) => {
                self.wrong(at, "bytes are not part of formulas", Some("write it without the `b`".into()));
                Type::Any
            }
        }
    }

    fn name(&mut self, at: &IdedExpr, name: &str) -> Type {
        if let Some((_, of)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return of.clone();
        }
        let Type::Record(scope) = self.scope else { return Type::Any };
        if let Some(of) = scope.field(name) {
            return of.clone();
        }
        let known: Vec<&str> =
            self.locals.iter().map(|(local, _)| local.as_str()).chain(scope.fields.keys().map(String::as_str)).collect();
        let help = match nearest(name, known.iter().copied()) {
            Some(right) => format!("did you mean `{right}`?"),
            None if known.is_empty() => "there is nothing that could be named".into(),
            None => format!("there are {}; a text stands in quotes", listed(&known)),
        };
        self.wrong(at, format!("nothing is called `{name}` here"), Some(help));
        Type::Any
    }

    /// Whether something is called that here.
    pub(super) fn is_known(&self, name: &str) -> bool {
        let in_scope = matches!(self.scope, Type::Record(scope) if scope.field(name).is_some());
        in_scope || self.locals.iter().any(|(local, _)| local == name)
    }

    fn select(&mut self, at: &IdedExpr, select: &SelectExpr) -> Type {
        let of = self.of(&select.operand);
        let span = self.source.token_of(at).and_then(|dot| self.source.near(dot, 1)).unwrap_or_else(|| self.span(at));
        self.field(&of, &select.operand, &select.field, span)
    }

    /// The type of a field of what an operand is; `span` is where the field is named.
    pub(super) fn field(&mut self, of: &Type, operand: &IdedExpr, name: &str, span: Range<usize>) -> Type {
        let whose = self.said(operand);
        let (message, help) = match of.present() {
            Type::Any => return Type::Any,
            Type::Record(record) => match record.field(name) {
                Some(of) => return of.clone(),
                None => (format!("{whose} has no `{name}`"), self.other_field(record, operand, name)),
            },
            Type::List(_) => {
                let help = format!("ask its items: `.exists(each, each.{name} ..)`, or one of them: `[0].{name}`");
                (format!("{whose} is a list and has no `{name}`"), Some(help))
            }
            other => (format!("{whose} is {other} and has no fields"), None),
        };
        self.mistakes.push(Mistake { span, message, help });
        Type::Any
    }

    /// The field that was meant.
    fn other_field(&self, record: &Record, operand: &IdedExpr, name: &str) -> Option<String> {
        let known: Vec<&str> = record.fields.keys().map(String::as_str).collect();
        let longer = known.iter().copied().find(|field| field.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')));
        match longer.or_else(|| nearest(name, known.iter().copied())) {
            Some(right) if is_name(right) => Some(format!("did you mean `{right}`?")),
            Some(right) => Some(format!("did you mean `{}['{right}']`?", self.source.text(self.span(operand)))),
            None if known.is_empty() => Some("it has no fields".into()),
            None => Some(format!("it has {}", listed(&known))),
        }
    }

    /// `a.b-c`, where `a` has a field `b-c`: said once, instead of twice something else.
    pub(super) fn dashed(&mut self, left: &IdedExpr) -> bool {
        let Expr::Select(select) = &left.expr else { return false };
        if !is_path(&select.operand) {
            return false;
        }
        let before = self.mistakes.len();
        let of = self.of(&select.operand);
        let known = self.mistakes.len() == before;
        self.mistakes.truncate(before);
        let Type::Record(record) = of.present() else { return false };
        let dashed = format!("{}-", select.field);
        if !known || record.field(&select.field).is_some() || !record.fields.keys().any(|field| field.starts_with(&dashed)) {
            return false;
        }
        self.of(left);
        true
    }

    fn index(&mut self, at: &IdedExpr, args: &[IdedExpr]) -> Type {
        let [operand, key] = args else { return Type::Any };
        let of = self.of(operand);
        let by = self.of(key);
        match (of.present(), by.present()) {
            (Type::Any, _) | (_, Type::Any) => Type::Any,
            (Type::List(item), Type::Integer) => (**item).clone(),
            (Type::List(_), other) => {
                self.wrong(key, format!("items of a list are counted, from 0; this is {other}"), None);
                Type::Any
            }
            (Type::Record(_), Type::Text { one_of: Some(words) }) => {
                let span = self.span(key);
                let types: Vec<Type> = words.iter().map(|word| self.field(&of, operand, word, span.clone())).collect();
                let first = types.first().cloned().unwrap_or(Type::Any);
                types.iter().try_fold(first, |all, next| all.join(next)).unwrap_or(Type::Any)
            }
            (Type::Record(record), Type::Text { one_of: None }) => record.values(),
            (Type::Record(_), other) => {
                self.wrong(key, format!("a field has a text for a name, this is {other}"), None);
                Type::Any
            }
            (other, _) => {
                let message = format!("{} is {other} and has no items", self.said(operand));
                self.wrong(at, message, None);
                Type::Any
            }
        }
    }

    /// The types of a list's items, and the one that all are of.
    pub(super) fn list_literal(&mut self, items: &[IdedExpr]) -> (Vec<Type>, Type) {
        let types: Vec<Type> = items.iter().map(|item| self.of(item)).collect();
        let mut all = types.first().cloned().unwrap_or(Type::Any);
        for (item, of) in items.iter().zip(&types) {
            all = all.join(of).unwrap_or_else(|| {
                self.wrong(item, format!("the items before are {}, this is {of}", plural(&all)), mixed_numbers(&all, of));
                Type::Any
            });
        }
        (types, all)
    }

    fn map_literal(&mut self, map: &MapExpr) -> Type {
        let mut record = Record::default();
        for (key, value) in entries(map) {
            let by = self.of(key);
            let of = self.of(value);
            match (text_of(key), &by) {
                (Some(name), _) => {
                    if Arc::make_mut(&mut record.fields).insert(name.to_owned(), Field { of, required: true }).is_some() {
                        self.wrong(key, format!("`{name}` is given twice"), None);
                    }
                }
                (None, Type::Text { .. } | Type::Any) => record.rest = Some(Box::new(Type::Any)),
                (None, other) => self.wrong(key, format!("a field has a text for a name, this is {other}"), None),
            }
        }
        Type::Record(record)
    }
}

/// How to bring together a whole number and another one.
pub(super) fn mixed_numbers(one: &Type, other: &Type) -> Option<String> {
    let mixed = matches!((one.present(), other.present()), (Type::Integer, Type::Number) | (Type::Number, Type::Integer));
    mixed.then(|| "write whole numbers with a point, `2.0`, or make one of what is given: `double(..)`".into())
}

pub(super) fn plural(of: &Type) -> String {
    match of {
        Type::Text { .. } => "texts".into(),
        Type::Integer => "whole numbers".into(),
        Type::Number => "decimal numbers".into(),
        Type::Record(_) => "objects".into(),
        Type::List(_) => "lists".into(),
        other => other.to_string(),
    }
}

/// Whether an expression is nothing but names and fields.
fn is_path(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => is_path(&select.operand),
        _ => false,
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Names for a hint: "`a`, `b` and `c`".
pub(super) fn listed(names: &[&str]) -> String {
    const MOST: usize = 12;
    let mut said: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    if names.len() > MOST {
        said.push("more".into());
    }
    match said.pop() {
        Some(last) if said.is_empty() => last,
        Some(last) => format!("{} and {last}", said.join(", ")),
        None => String::new(),
    }
}
