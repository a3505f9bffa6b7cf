//! Operators: which types go together, and what comes of it. And where an expression stands, because that hangs on its operator.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};

use super::check::{Checker, listed, mixed_numbers, plural, text_of};
use super::types::Type;
use crate::document::nearest;

impl Checker<'_> {
    /// Where an expression stands, without brackets around it.
    pub(super) fn span(&self, expression: &IdedExpr) -> Range<usize> {
        let Some(token) = self.source.token_of(expression) else { return self.source.whole() };
        let own = self.source.near(token, 0).unwrap_or_else(|| self.source.whole());
        let end = |fallback: usize| self.source.closing(token).unwrap_or(fallback);
        match &expression.expr {
            Expr::Literal(LiteralValue::Int(number)) if *number.inner() < 0 => self.with_sign(token, own),
            Expr::Literal(LiteralValue::Double(number)) if *number.inner() < 0.0 => self.with_sign(token, own),
            Expr::Select(select) => {
                self.around(&select.operand).start..self.source.near(token, 1).map_or(own.end, |field| field.end)
            }
            Expr::Call(call) => match (&call.target, call.args.as_slice()) {
                (Some(target), _) => self.around(target).start..end(own.end),
                (None, [operand, _]) if call.func_name == op::INDEX => self.around(operand).start..end(own.end),
                (None, [operand]) if self.is_operator(&call.func_name) => own.start..self.around(operand).end,
                (None, [first, .., last]) if self.is_operator(&call.func_name) => self.around(first).start..self.around(last).end,
                (None, _) => self.source.near(token, -1).map_or(own.start, |name| name.start)..end(own.end),
            },
            Expr::List(_) | Expr::Map(_) => own.start..end(own.end),
            Expr::Struct(_) => self.source.near(token, -1).map_or(own.start, |name| name.start)..end(own.end),
            _ => own,
        }
    }

    fn around(&self, expression: &IdedExpr) -> Range<usize> {
        self.source.bracketed(self.span(expression))
    }

    fn with_sign(&self, token: usize, own: Range<usize>) -> Range<usize> {
        match self.source.near(token, -1) {
            Some(sign) if self.source.word(token, -1) == "-" => sign.start..own.end,
            _ => own,
        }
    }

    pub(super) fn is_operator(&self, name: &str) -> bool {
        name.contains(|c: char| !c.is_alphanumeric() && c != '.' && c != '_') || name.starts_with('@')
    }

    /// The type of what an operator gives.
    pub(super) fn operator(&mut self, at: &IdedExpr, call: &CallExpr) -> Type {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::LOGICAL_NOT | op::LOGICAL_AND | op::LOGICAL_OR, operands) => {
                for operand in operands {
                    self.is_bool(operand, "this");
                }
                Type::Bool
            }
            (op::NEGATE, [operand]) => {
                let of = self.of(operand);
                match of.present() {
                    number @ (Type::Integer | Type::Number | Type::Any) => number.clone(),
                    other => {
                        self.wrong(at, format!("a number has a `-` before it, this is {other}"), None);
                        Type::Any
                    }
                }
            }
            (op::CONDITIONAL, [condition, then, or]) => {
                self.is_bool(condition, "what stands before `?`");
                self.either(at, then, or)
            }
            (op::SUBSTRACT, [left, _]) if self.dashed(left) => Type::Any,
            (op::EQUALS | op::NOT_EQUALS, [left, right]) => self.equality(at, left, right),
            (op::IN, [item, list]) => self.is_in(at, item, list),
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [left, right]) => self.order(at, left, right),
            (_, [left, right]) => self.arithmetic(at, call, left, right),
            _ => Type::Any,
        }
    }

    /// Checks what must be true or false.
    pub(super) fn is_bool(&mut self, expression: &IdedExpr, what: &str) {
        let of = self.of(expression);
        if matches!(of.present(), Type::Any | Type::Bool) {
            return;
        }
        let help = match of.present() {
            Type::Text { .. } => Some("compare it: `.. == 'a word'`"),
            Type::Integer | Type::Number => Some("compare it: `.. > 0`"),
            Type::List(_) => Some("`size(..) > 0` asks whether there is something in it"),
            _ => None,
        };
        self.wrong(expression, format!("{what} must be true or false, it is {of}"), help.map(Into::into));
    }

    fn either(&mut self, at: &IdedExpr, then: &IdedExpr, or: &IdedExpr) -> Type {
        let (a, b) = (self.of(then), self.of(or));
        match together(then, &a, or, &b) {
            Some(both) => both,
            None => {
                self.wrong(at, format!("one branch is {a}, the other {b}"), mixed_numbers(&a, &b));
                Type::Any
            }
        }
    }

    fn equality(&mut self, at: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (a, b) = (self.of(left), self.of(right));
        if let Some((span_at, message, help)) = self.never(at, (left, &a), (right, &b)) {
            self.wrong(span_at, message, help);
        }
        Type::Bool
    }

    /// Why two can never be equal: where it is said, what and what to do.
    fn never<'e>(
        &self,
        at: &'e IdedExpr,
        (left, a): (&'e IdedExpr, &Type),
        (right, b): (&'e IdedExpr, &Type),
    ) -> Option<(&'e IdedExpr, String, Option<String>)> {
        if let (Type::Text { one_of: Some(x) }, Type::Text { one_of: Some(y) }) = (a.present(), b.present()) {
            let apart = !x.iter().any(|word| y.contains(word));
            return apart.then(|| match (text_of(left), text_of(right)) {
                (None, Some(word)) => (right, format!("{} is never `{word}`", self.said(left)), Some(words(word, x))),
                (Some(word), None) => (left, format!("{} is never `{word}`", self.said(right)), Some(words(word, y))),
                _ => (at, format!("{} and {} are never the same", self.said(left), self.said(right)), None),
            });
        }
        if comparable(a, b) {
            return None;
        }
        let message = match (a, b) {
            (some, Type::Null) => format!("{} is {some} and never null", self.said(left)),
            (Type::Null, some) => format!("{} is {some} and never null", self.said(right)),
            _ => format!("{a} is never {b}"),
        };
        let help = match (a, b) {
            (_, Type::Null) | (Type::Null, _) => Some("`has(..)` asks whether a field is there".into()),
            _ => [((left, a), b), ((right, b), a)].into_iter().find_map(|((literal, of), other)| as_other(literal, of, other)),
        };
        Some((at, message, help))
    }

    fn is_in(&mut self, at: &IdedExpr, item: &IdedExpr, list: &IdedExpr) -> Type {
        let of = self.of(item);
        if let Expr::List(literal) = &list.expr {
            let (types, _) = self.list_literal(&literal.elements);
            for (each, one) in literal.elements.iter().zip(&types) {
                if let Some((_, message, help)) = self.never(each, (item, &of), (each, one)) {
                    self.wrong(each, message, help);
                }
            }
            return Type::Bool;
        }
        let within = self.of(list);
        match within.present() {
            Type::Any => {}
            Type::List(inner) => {
                if let Some((_, _, help)) = self.never(at, (item, &of), (list, inner)) {
                    let message = match text_of(item).filter(|_| matches!(inner.present(), Type::Text { .. })) {
                        Some(word) => format!("{} never holds `{word}`", self.said(list)),
                        None => format!("{} holds {}, this is {of}", self.said(list), plural(inner)),
                    };
                    self.wrong(item, message, help);
                }
            }
            Type::Record(_) if matches!(of.present(), Type::Text { .. } | Type::Any) => {}
            Type::Record(_) => self.wrong(item, format!("a field has a text for a name, this is {of}"), None),
            Type::Text { .. } => {
                let help =
                    format!("{}.contains(..)` asks whether a text is part of another", self.said(list).trim_end_matches('`'));
                self.wrong(list, "`in` asks a list, this is a text", Some(help));
            }
            other => self.wrong(list, format!("`in` asks a list, this is {other}"), None),
        }
        Type::Bool
    }

    fn order(&mut self, at: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (a, b) = (self.of(left), self.of(right));
        let right_so = match (a.present(), b.present()) {
            (Type::Any, Type::Bool | Type::Null | Type::List(_) | Type::Record(_)) => false,
            (Type::Bool | Type::Null | Type::List(_) | Type::Record(_), _) => false,
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::Integer | Type::Number, Type::Integer | Type::Number) => true,
            (Type::Text { .. }, Type::Text { .. }) | (Type::Time, Type::Time) | (Type::Duration, Type::Duration) => true,
            _ => false,
        };
        if !right_so {
            let help = as_other(left, &a, &b).or_else(|| as_other(right, &b, &a)).or_else(|| match (a.present(), b.present()) {
                (Type::List(_), Type::Integer) | (Type::Integer, Type::List(_)) => Some("`size(..)` is how many it has".into()),
                _ => None,
            });
            self.wrong(at, format!("{a} is neither less nor more than {b}"), help);
        }
        Type::Bool
    }

    fn arithmetic(&mut self, at: &IdedExpr, call: &CallExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (a, b) = (self.of(left), self.of(right));
        let sign = call.func_name.trim_matches('_');
        if matches!(sign, "/" | "%") && matches!(&right.expr, Expr::Literal(LiteralValue::Int(zero)) if *zero.inner() == 0) {
            self.wrong(right, "nothing can be divided by 0", None);
            return Type::Any;
        }
        if sign == "+"
            && matches!((a.present(), b.present()), (Type::List(_), Type::List(_)))
            && together(left, &a, right, &b).is_none()
        {
            self.wrong(at, "these lists hold different things", None);
            return Type::Any;
        }
        if let Some(of) = computed(sign, (left, a.present()), (right, b.present())) {
            return of;
        }
        let text = |of: &Type| matches!(of.present(), Type::Text { .. });
        let help = match (text(&a), text(&b)) {
            (true, false) if sign == "+" => Some("make a text of it: `string(..)`".into()),
            (false, true) if sign == "+" => Some("make a text of it: `string(..)`".into()),
            _ => mixed_numbers(&a, &b).or_else(|| as_other(left, &a, &b)).or_else(|| as_other(right, &b, &a)),
        };
        self.wrong(at, format!("`{sign}` does not go with {a} and {b}"), help);
        Type::Any
    }
}

/// What `+`, `-`, `*`, `/` and `%` give; none where they do not go.
fn computed(sign: &str, (left, a): (&IdedExpr, &Type), (right, b): (&IdedExpr, &Type)) -> Option<Type> {
    Some(match (sign, a, b) {
        (_, Type::Any, other) | (_, other, Type::Any) if goes(sign, other) => Type::Any,
        (_, Type::Integer, Type::Integer) => Type::Integer,
        ("+" | "-" | "*" | "/", Type::Number, Type::Number) => Type::Number,
        ("+", Type::Text { .. }, Type::Text { .. }) => Type::text(),
        ("+", Type::List(_), Type::List(_)) => together(left, a, right, b)?,
        ("+" | "-", Type::Time, Type::Duration) | ("+", Type::Duration, Type::Time) => Type::Time,
        ("+" | "-", Type::Duration, Type::Duration) | ("-", Type::Time, Type::Time) => Type::Duration,
        _ => return None,
    })
}

/// Whether an operator goes with a type at all.
fn goes(sign: &str, of: &Type) -> bool {
    match of {
        Type::Any | Type::Integer => true,
        Type::Number => sign != "%",
        Type::Time | Type::Duration => matches!(sign, "+" | "-"),
        Type::Text { .. } | Type::List(_) => sign == "+",
        Type::Null | Type::Bool | Type::Record(_) | Type::OrNull(_) => false,
    }
}

/// The type of one of two; an empty list is one of whatever the other is.
fn together(left: &IdedExpr, a: &Type, right: &IdedExpr, b: &Type) -> Option<Type> {
    let empty = |expression: &IdedExpr| matches!(&expression.expr, Expr::List(list) if list.elements.is_empty());
    match (a, b) {
        (_, Type::List(_)) if empty(left) => Some(b.clone()),
        (Type::List(_), _) if empty(right) => Some(a.clone()),
        _ => a.join(b),
    }
}

/// Whether values of two types can be equal.
fn comparable(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Null | Type::OrNull(_), Type::Null | Type::OrNull(_)) => true,
        (Type::OrNull(inner), other) | (other, Type::OrNull(inner)) => comparable(inner, other),
        (Type::Integer | Type::Number, Type::Integer | Type::Number) => true,
        (Type::List(x), Type::List(y)) => comparable(x, y),
        (Type::Text { .. }, Type::Text { .. }) | (Type::Record(_), Type::Record(_)) => true,
        (a, b) => a == b,
    }
}

/// How a literal would be written to be of another type.
fn as_other(literal: &IdedExpr, of: &Type, other: &Type) -> Option<String> {
    Some(match (&literal.expr, of.present(), other.present()) {
        (_, Type::Text { .. }, Type::Time) => "make a time of it: `timestamp(..)`".into(),
        (_, Type::Text { .. }, Type::Duration) => "make a duration of it: `duration(..)`".into(),
        (_, _, Type::Bool) if matches!(text_of(literal), Some("true" | "false")) => "true and false stand without quotes".into(),
        (_, _, Type::Integer | Type::Number) if text_of(literal).is_some_and(|text| text.parse::<f64>().is_ok()) => {
            "numbers stand without quotes".into()
        }
        (Expr::Literal(_), Type::Integer | Type::Number | Type::Bool, Type::Text { .. }) => "texts stand in quotes".into(),
        _ => return None,
    })
}

fn words(word: &str, known: &[String]) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match nearest(word, known.iter().copied()) {
        Some(right) => format!("did you mean `{right}`?"),
        None => format!("it is one of {}", listed(&known)),
    }
}
