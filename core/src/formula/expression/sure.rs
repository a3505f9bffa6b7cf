//! What is sure where a condition holds: which names then have which values, and which steps left something.
//!
//! Promises: what is said of a condition is so whenever it holds; where nothing is sure, nothing is said.

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators as op};

use super::check::AS_WRITTEN;
use super::functions::LOOPS;
use super::source;

/// What is sure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sure {
    /// It never holds, whatever the names stand for.
    pub never: bool,
    /// Names with the literal that they are.
    pub is: BTreeMap<String, BTreeSet<String>>,
    /// Names with literals that they are not.
    pub is_not: BTreeMap<String, BTreeSet<String>>,
    /// Names that were asked for and found.
    pub there: BTreeSet<String>,
}

/// How it is written that a name is none.
const NULL: &str = "null";

/// What is sure where a condition holds.
pub fn sure(text: &str) -> Sure {
    let mut sure = Sure::default();
    if let Ok((expression, _)) = source::read(text, &AS_WRITTEN) {
        sure.of(&expression, true);
    }
    sure
}

impl Sure {
    /// Both are sure.
    pub fn join(&mut self, other: &Self) {
        self.never |= other.never;
        for (own, more) in [(&mut self.is, &other.is), (&mut self.is_not, &other.is_not)] {
            for (name, literals) in more {
                own.entry(name.clone()).or_default().extend(literals.iter().cloned());
            }
        }
        self.there.extend(other.there.iter().cloned());
    }

    /// A name is this.
    pub fn know(&mut self, name: String, literal: &str) {
        self.is.entry(name).or_default().insert(literal.to_owned());
    }

    /// A name that would have to be two things at once, with those.
    pub fn contradiction(&self) -> Option<(&str, Vec<&str>)> {
        self.is.iter().find_map(|(name, literals)| {
            let not = self.is_not.get(name).into_iter().flatten().find(|not| literals.contains(*not));
            let twice = literals.len() > 1 || not.is_some();
            twice.then(|| (name.as_str(), literals.iter().map(String::as_str).collect()))
        })
    }

    /// Whether a name is there; it may still be null.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name) || self.has_value(name)
    }

    /// Whether a name is there, and is not null.
    pub fn has_value(&self, name: &str) -> bool {
        let within = |known: &str| known.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '[']));
        let is = self.is.get(name).is_some_and(|literals| literals.iter().any(|literal| literal != NULL));
        let is_not = self.is_not.get(name).is_some_and(|literals| literals.contains(NULL));
        // What was done left something.
        let left = || {
            let status = self.is.get(&format!("{}.status", name.strip_suffix(".output")?))?;
            Some(name.starts_with("steps.") && status.contains("'done'"))
        };
        is || is_not || self.names().any(within) || left().unwrap_or_default()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.there.iter().chain(self.is.keys()).chain(self.is_not.keys()).map(String::as_str)
    }

    /// The same of the names below one, with another in its place.
    pub(super) fn of_item(&self, name: &str, other: &str) -> Self {
        let renamed = |known: &String| {
            let rest = known.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))?;
            Some(format!("{other}{rest}"))
        };
        let all = |known: &BTreeMap<String, BTreeSet<String>>| {
            known.iter().filter_map(|(name, literals)| Some((renamed(name)?, literals.clone()))).collect()
        };
        let there = self.there.iter().filter_map(renamed).collect();
        Self { never: self.never, is: all(&self.is), is_not: all(&self.is_not), there }
    }

    /// What is sure where an expression is `truth`.
    pub(super) fn where_it_is(expression: &IdedExpr, truth: bool) -> Self {
        let mut sure = Self::default();
        sure.of(expression, truth);
        sure
    }

    /// An expression that is `truth`, and could be worked out.
    fn of(&mut self, expression: &IdedExpr, truth: bool) {
        match &expression.expr {
            Expr::Literal(LiteralValue::Boolean(known)) => self.never |= *known.inner() != truth,
            Expr::Call(call) if call.target.is_none() => match (call.func_name.as_str(), call.args.as_slice()) {
                (op::LOGICAL_NOT, [inner]) => self.of(inner, !truth),
                (op::LOGICAL_AND, [left, right]) if truth => {
                    self.of(left, true);
                    self.of(right, true);
                }
                (op::LOGICAL_OR, [left, right]) if !truth => {
                    self.of(left, false);
                    self.of(right, false);
                }
                (op::LOGICAL_AND | op::LOGICAL_OR, [left, right]) => self.either(left, right, truth),
                (op::EQUALS, [left, right]) => self.equal(left, right, truth),
                (op::NOT_EQUALS, [left, right]) => self.equal(left, right, !truth),
                (HAS, [field]) if truth => self.asks(field),
                _ => self.asks(expression),
            },
            Expr::Call(_) => self.asks(expression),
            Expr::Select(_) => {
                self.asks(expression);
                if let Some(name) = name(expression) {
                    self.know(name, if truth { "true" } else { "false" });
                }
            }
            _ => {}
        }
    }

    /// One of two is `truth`: only what both say is sure, and of that only that neither can be.
    fn either(&mut self, left: &IdedExpr, right: &IdedExpr, truth: bool) {
        let (mut one, mut other) = (Self::default(), Self::default());
        one.of(left, truth);
        other.of(right, truth);
        match (one.is_never(), other.is_never()) {
            (true, true) => self.never = true,
            (true, false) => self.join(&other),
            (false, true) => self.join(&one),
            (false, false) => {}
        }
    }

    fn is_never(&self) -> bool {
        self.never || self.contradiction().is_some()
    }

    fn equal(&mut self, left: &IdedExpr, right: &IdedExpr, truth: bool) {
        self.asks(left);
        self.asks(right);
        match (literal(left), literal(right), name(left), name(right)) {
            (Some(left), Some(right), ..) => self.never |= (left == right) != truth,
            (Some(literal), None, _, Some(name)) | (None, Some(literal), Some(name), _) => {
                let known = if truth { &mut self.is } else { &mut self.is_not };
                known.entry(name).or_default().insert(literal);
            }
            _ => {}
        }
    }

    /// An expression that could be worked out: what it asks for was there.
    fn asks(&mut self, expression: &IdedExpr) {
        if let Some(name) = name(expression) {
            self.there.insert(name);
            return;
        }
        match &expression.expr {
            Expr::Select(select) => self.takes(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|item| self.asks(item)),
            Expr::Call(call) => match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
                // One side can do without the other.
                (op::LOGICAL_AND | op::LOGICAL_OR, None, _) => {}
                (op::CONDITIONAL, None, [condition, ..]) => self.asks(condition),
                (HAS, None, [field]) => {
                    if let Expr::Select(select) = &field.expr {
                        self.takes(&select.operand);
                    }
                }
                (op::EQUALS | op::NOT_EQUALS, None, sides) => sides.iter().for_each(|side| self.asks(side)),
                (looped, Some(list), _) if is_loop(looped) => self.takes(list),
                (_, target, args) => target.into_iter().chain(args).for_each(|part| self.takes(part)),
            },
            _ => {}
        }
    }

    /// An expression that something was made of: null does for nothing.
    fn takes(&mut self, expression: &IdedExpr) {
        self.asks(expression);
        if let Some(name) = name(expression) {
            self.is_not.entry(name).or_default().insert(NULL.to_owned());
        }
    }
}

pub(super) const HAS: &str = "has";

pub(super) fn is_loop(name: &str) -> bool {
    LOOPS.iter().any(|(known, _)| *known == name)
}

/// A name with the fields and items behind it, as it would be written with dots.
pub(super) fn name(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", name(&select.operand)?, select.field)),
        Expr::Call(call) if call.target.is_none() && call.func_name == op::INDEX => match call.args.as_slice() {
            [of, at] => match &at.expr {
                Expr::Literal(LiteralValue::Int(nth)) => Some(format!("{}[{}]", name(of)?, nth.inner())),
                _ => Some(format!("{}.{}", name(of)?, super::check::text_of(at)?)),
            },
            _ => None,
        },
        _ => None,
    }
}

/// What a literal says; numbers with a point are left out, because a whole one may equal them.
fn literal(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(known)) => Some(known.inner().to_string()),
        Expr::Literal(LiteralValue::Int(number)) => Some(number.inner().to_string()),
        Expr::Literal(LiteralValue::String(text)) => Some(format!("'{}'", text.inner())),
        Expr::Literal(LiteralValue::Null) => Some(NULL.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never(text: &str) -> bool {
        sure(text).is_never()
    }

    #[test]
    fn what_can_never_hold_is_seen() {
        for text in [
            "false",
            "!true",
            "1 == 2",
            "'a' != 'a'",
            "x.y && false",
            "false || 1 == 2",
            "a.b == 'x' && a.b == 'y'",
            "a.b && !a.b",
        ] {
            assert!(never(text), "{text}");
        }
        let may = [
            "true",
            "a.b",
            "a.b || !a.b",
            "a.b == 'x' || a.b == 'y'",
            "1 == 1.0",
            "!(a.b && false)",
            "a.b == 'x' && a.c == 'y'",
            "has(a.b) && a.b",
        ];
        for text in may {
            assert!(!never(text), "{text}");
        }
        assert!(never("a.b == 'x' && a.b != 'x'") && !never("a.b == 'x' && a.b != 'y'"));
        assert!(never("!(a.b == 'x') && a['b'] == 'x'"));
    }

    #[test]
    fn what_has_a_value_is_known() {
        let valued = |text: &str, name: &str| sure(text).has_value(name);
        for text in ["a.b > 0", "a.b != null", "a.b == 'x'", "a.b", "!a.b", "a.b.startsWith('x')", "a.b.c == null", "'x' in a.b"]
        {
            assert!(valued(text, "a.b"), "{text}");
        }
        for text in ["a.b == null", "has(a.b)", "a.b == a.c", "a.bc > 0", "a.b > 0 || a.c"] {
            assert!(!valued(text, "a.b"), "{text}");
        }
        assert!(sure("a.b == null").has("a.b") && sure("has(a.b)").has("a.b") && !sure("has(a.b.c)").has("a.b.d"));
        assert!(valued("steps.a.status == 'done'", "steps.a.output") && !valued("a.status == 'done'", "a.output"));
        assert!(!valued("steps.a.status == 'skipped'", "steps.a.output"));
    }

    #[test]
    fn what_is_asked_for_is_there() {
        let there = |text: &str| sure(text).there.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(there("steps.a.output.ok && 1 < steps.b.output.n"), "steps.a.output.ok steps.b.output.n");
        assert_eq!(there("steps.a.output.ok || steps.b.output.ok"), "");
        assert_eq!(there("has(steps.a.output.ok)"), "steps.a.output.ok");
        assert_eq!(there("!has(steps.a.output.ok)"), "steps.a.output");
        assert_eq!(there("size(steps.a.output.all[0].b) > 0"), "steps.a.output.all[0].b");
        assert_eq!(there("steps.a.output.all.exists(x, x == 'a')"), "steps.a.output.all");
        assert_eq!(there("false || steps.a.output.ok"), "steps.a.output.ok");
    }
}
