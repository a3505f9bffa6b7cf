//! What an expression asks for that need not be there.
//!
//! Promises: where nothing is found, and what is said to be sure is so, the expression comes to a value that is not null on data of its scope, unless
//! it asks for an item past the end of a list or for something of [`Type::Any`]. What is asked for first, with `has` or by a comparison, counts as
//! there: in the branches of `? :`, behind `&&` and `||`, in the items that a `filter` lets through.

use cel::common::ast::{CallExpr, Expr, IdedExpr, operators as op};

use super::Mistake;
use super::check::{AS_WRITTEN, Checker, entries, text_of};
use super::source;
use super::sure::{HAS, Sure, is_loop, name};
use super::types::Type;

/// What need not be there, or can be null, of an expression that was checked with the same scope.
pub fn absent(text: &str, scope: &Type, sure: &Sure) -> Vec<Mistake> {
    let Ok((expression, source)) = source::read(text, &AS_WRITTEN) else { return Vec::new() };
    let mut look = Look { checker: Checker::new(&source, scope), known: vec![Known::Sure(sure.clone())], found: Vec::new() };
    look.value(&expression);
    look.found
}

/// What is sure of each item of a list that is called `item`.
pub fn sure_of_items(list: &str, item: &str) -> Sure {
    source::read(list, &AS_WRITTEN).map(|(expression, _)| let_through(&expression, item)).unwrap_or_default()
}

fn let_through(list: &IdedExpr, item: &str) -> Sure {
    let Expr::Call(call) = &list.expr else { return Sure::default() };
    match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
        ("filter", Some(of), [each, condition]) => {
            let mut sure = let_through(of, item);
            if let Expr::Ident(each) = &each.expr {
                sure.join(&Sure::where_it_is(condition, true).of_item(each, item));
            }
            sure
        }
        _ => Sure::default(),
    }
}

enum Known {
    Sure(Sure),
    /// From here on a name is that of an item.
    Local(String),
}

struct Look<'c> {
    checker: Checker<'c>,
    known: Vec<Known>,
    found: Vec<Mistake>,
}

impl Look<'_> {
    fn knows(&self, name: &str, what: impl Fn(&Sure, &str) -> bool) -> bool {
        let root = name.split(['.', '[']).next().unwrap_or_default();
        for known in self.known.iter().rev() {
            match known {
                Known::Sure(sure) if what(sure, name) => return true,
                Known::Local(local) if local == root => return false,
                Known::Sure(_) | Known::Local(_) => {}
            }
        }
        false
    }

    /// Looks at an expression where something more is sure.
    fn given(&mut self, sure: Sure, look: impl FnOnce(&mut Self)) {
        self.known.push(Known::Sure(sure));
        look(self);
        self.known.pop();
    }

    /// An expression that must not be null.
    fn value(&mut self, at: &IdedExpr) {
        if let Some([condition, then, or]) = conditional(at) {
            self.any(condition);
            self.given(Sure::where_it_is(condition, true), |look| look.value(then));
            self.given(Sure::where_it_is(condition, false), |look| look.value(or));
            return;
        }
        let before = self.found.len();
        self.any(at);
        let is_null = matches!(self.checker.of(at), Type::OrNull(_) | Type::Null);
        let known = name(at).is_some_and(|name| self.knows(&name, Sure::has_value));
        if is_null && !known && self.found.len() == before {
            let said = self.checker.said(at);
            let plain = said.trim_matches('`').to_owned();
            self.wrong(at, format!("{said} can be null"), &format!("{plain} != null"), &plain);
        }
    }

    /// An expression that may be null.
    fn any(&mut self, at: &IdedExpr) {
        match &at.expr {
            Expr::Select(select) => {
                self.value(&select.operand);
                self.field(at, &select.operand, &select.field);
            }
            Expr::Call(call) => self.call(at, call),
            Expr::List(list) => list.elements.iter().for_each(|item| self.value(item)),
            Expr::Map(map) => entries(map).for_each(|(key, value)| {
                self.value(key);
                self.any(value);
            }),
            Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {}
        }
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) {
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (HAS, None, [field]) => {
                if let Expr::Select(select) = &field.expr {
                    self.value(&select.operand);
                }
            }
            (op::LOGICAL_AND | op::LOGICAL_OR, None, [left, right]) => {
                self.any(left);
                let truth = call.func_name == op::LOGICAL_AND;
                self.given(Sure::where_it_is(left, truth), |look| look.any(right));
            }
            (op::CONDITIONAL, None, [condition, then, or]) => {
                self.any(condition);
                self.given(Sure::where_it_is(condition, true), |look| look.any(then));
                self.given(Sure::where_it_is(condition, false), |look| look.any(or));
            }
            (op::EQUALS | op::NOT_EQUALS, None, sides) => sides.iter().for_each(|side| self.any(side)),
            (op::IN, None, [item, list]) => {
                self.any(item);
                self.value(list);
            }
            (op::INDEX, None, [of, key]) => {
                self.value(of);
                self.value(key);
                if let Some(field) = text_of(key) {
                    self.field(at, of, field);
                }
            }
            (looped, Some(list), [each, bodies @ ..]) if is_loop(looped) => self.through(list, each, bodies),
            (_, target, args) => target.into_iter().chain(args).for_each(|part| self.value(part)),
        }
    }

    /// `list.map(each, ..)` and its kin; of two bodies the first says whether the second is asked.
    fn through(&mut self, list: &IdedExpr, each: &IdedExpr, bodies: &[IdedExpr]) {
        self.value(list);
        let Expr::Ident(each) = &each.expr else { return };
        let item = match self.checker.of(list).present() {
            Type::List(item) => (**item).clone(),
            Type::Record(_) => Type::text(),
            _ => Type::Any,
        };
        self.checker.locals.push((each.clone(), item));
        self.known.push(Known::Local(each.clone()));
        let passed = match bodies {
            [condition, _] => Sure::where_it_is(condition, true),
            _ => Sure::default(),
        };
        self.given(let_through(list, each), |look| match bodies {
            [condition, body] => {
                look.any(condition);
                look.given(passed, |look| look.any(body));
            }
            bodies => bodies.iter().for_each(|body| look.any(body)),
        });
        self.known.pop();
        self.checker.locals.pop();
    }

    fn field(&mut self, at: &IdedExpr, of: &IdedExpr, field: &str) {
        let of = self.checker.of(of);
        let Type::Record(record) = of.present() else { return };
        if record.fields.get(field).is_none_or(|field| field.required) {
            return;
        }
        let path = name(at);
        if path.as_deref().is_some_and(|path| self.knows(path, Sure::has)) {
            return;
        }
        if let Some(step) = path.as_deref().and_then(skipped) {
            let span = self.checker.span(at);
            let help = format!("let this step need it, or ask first: when = \"steps['{step}'].status == 'done'\"");
            let message = format!("step `{step}` may be skipped, and leaves nothing then");
            self.found.push(Mistake { span, message, help: Some(help) });
            return;
        }
        let said = self.checker.said(at);
        let plain = said.trim_matches('`').to_owned();
        self.wrong(at, format!("{said} need not be there"), &format!("has({plain})"), &plain);
    }

    fn wrong(&mut self, at: &IdedExpr, message: String, asked: &str, plain: &str) {
        let or = format!("say what stands for it: {asked} ? {plain} : ..");
        let help = match name(at).is_some_and(|name| name.starts_with("steps.")) {
            true => format!("let the schema require it, ask first with when = \"{asked}\", or {or}"),
            false => format!("let the schema require it, or {or}"),
        };
        let span = self.checker.span(at);
        self.found.push(Mistake { span, message, help: Some(help) });
    }
}

fn conditional(at: &IdedExpr) -> Option<&[IdedExpr; 3]> {
    match &at.expr {
        Expr::Call(call) if call.target.is_none() && call.func_name == op::CONDITIONAL => call.args.as_slice().try_into().ok(),
        _ => None,
    }
}

/// The step whose output a name is.
fn skipped(path: &str) -> Option<&str> {
    path.strip_prefix("steps.")?.strip_suffix(".output").filter(|step| !step.contains('.'))
}
