//! Calls: `has`, what goes through lists, and functions.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::check::{Checker, text_of};
use super::functions::{ELSEWHERE, FUNCTIONS, Function, LOOPS, Style, Takes};
use super::types::Type;
use super::{MAX_LOOPS, Mistake, evaluate};
use crate::document::nearest;

impl Checker<'_> {
    /// `f(x)`
    pub(super) fn global_call(&mut self, at: &IdedExpr, call: &CallExpr) -> Type {
        let name = call.func_name.as_str();
        if name == "has" {
            return self.has(at, &call.args);
        }
        let args: Vec<&IdedExpr> = call.args.iter().collect();
        match FUNCTIONS.iter().find(|function| function.name == name) {
            Some(function) if function.style == Style::Member => {
                self.types(&args);
                let help = args
                    .first()
                    .map(|first| format!("write it behind what it asks: {}.{name}(..)`", self.said(first).trim_end_matches('`')));
                self.misnamed(at, format!("`{name}` is asked of something"), help)
            }
            Some(function) => self.function(at, function, &args),
            None if LOOPS.iter().any(|(known, _)| *known == name) => {
                self.types(&args[..args.len().min(1)]);
                let help = format!("write it behind a list: `list.{name}(each, ..)`");
                self.misnamed(at, format!("`{name}` is asked of a list"), Some(help))
            }
            None => {
                self.types(&args);
                let help = if self.is_known(name) {
                    format!("`{name}` is a name: write it without brackets")
                } else {
                    other_function(name, false)
                };
                self.misnamed(at, format!("there is no function `{name}`"), Some(help))
            }
        }
    }

    /// `x.f(y)`
    pub(super) fn member_call(&mut self, at: &IdedExpr, call: &CallExpr) -> Type {
        let Some(target) = call.target.as_deref() else { return Type::Any };
        let name = call.func_name.as_str();
        if let Some((_, counts)) = LOOPS.iter().find(|(known, _)| *known == name) {
            return self.through(at, call, target, counts);
        }
        let args: Vec<&IdedExpr> = std::iter::once(target).chain(&call.args).collect();
        match FUNCTIONS.iter().find(|function| function.name == name) {
            Some(function) if function.style == Style::Global => {
                self.types(&args);
                let help = format!("write it before: `{name}(..)`");
                self.misnamed(at, format!("`{name}` is not asked of something"), Some(help))
            }
            Some(function) => self.function(at, function, &args),
            None => {
                let types = self.types(&args);
                let field = matches!(types[0].present(), Type::Record(record) if record.field(name).is_some());
                let help =
                    if field { format!("`{name}` is a field: write it without brackets") } else { other_function(name, true) };
                self.misnamed(at, format!("there is no function `{name}`"), Some(help))
            }
        }
    }

    fn types(&mut self, expressions: &[&IdedExpr]) -> Vec<Type> {
        expressions.iter().map(|expression| self.of(expression)).collect()
    }

    /// Where the name of a call stands.
    fn name_of(&self, call: &IdedExpr) -> Range<usize> {
        self.source.token_of(call).and_then(|bracket| self.source.near(bracket, -1)).unwrap_or_else(|| self.span(call))
    }

    fn misnamed(&mut self, at: &IdedExpr, message: String, help: Option<String>) -> Type {
        let span = self.name_of(at);
        self.mistakes.push(Mistake { span, message, help });
        Type::Any
    }

    /// `has(x.f)`: what is asked of must be there, the field may not be.
    fn has(&mut self, at: &IdedExpr, args: &[IdedExpr]) -> Type {
        match args {
            [field] if matches!(field.expr, Expr::Select(_)) => {
                self.of(field);
            }
            [other] => {
                let help = match &other.expr {
                    Expr::Ident(name) => format!("`{name}` itself is always there; `has({name}.field)` asks for a field of it"),
                    Expr::Call(call) if call.args.len() == 2 && text_of(&call.args[1]).is_some() => {
                        format!("write {} in {}", self.said(&call.args[1]), self.said(&call.args[0])).replace("` in `", " in ")
                    }
                    _ => "write `has(something.field)`".into(),
                };
                self.wrong(other, "`has` asks whether a field is there", Some(help));
            }
            _ => {
                let message = format!("`has` takes one field, here are {}", args.len());
                self.misnamed(at, message, Some("write `has(a.b) && has(a.c)`".into()));
            }
        }
        Type::Bool
    }

    /// `list.exists(each, ..)` and its kin.
    fn through(&mut self, at: &IdedExpr, call: &CallExpr, list: &IdedExpr, counts: &[usize]) -> Type {
        let name = call.func_name.as_str();
        let of = self.of(list);
        let makes_list = matches!(name, "map" | "filter");
        let gives = if makes_list { Type::list(Type::Any) } else { Type::Bool };
        if !counts.contains(&call.args.len()) {
            let message = format!("`{name}` takes a name for each item and what to do with it");
            self.misnamed(at, message, Some(format!("write `.{name}(each, ..)`")));
            return gives;
        }
        if self.loops == MAX_LOOPS {
            self.misnamed(at, format!("lists are gone through at most {MAX_LOOPS} deep in each other"), None);
            return gives;
        }
        let item = match of.present() {
            Type::List(item) => (**item).clone(),
            Type::Record(_) if !makes_list => Type::text(),
            Type::Any => Type::Any,
            Type::Record(_) => {
                self.wrong(list, format!("`{name}` makes a list, and the fields of an object have no order"), None);
                Type::Any
            }
            other => {
                self.wrong(list, format!("`{name}` goes through a list, this is {other}"), None);
                Type::Any
            }
        };
        let Expr::Ident(each) = &call.args[0].expr else {
            self.wrong(&call.args[0], "here stands a name for each item", Some(format!("write `.{name}(each, ..)`")));
            return gives;
        };
        self.locals.push((each.clone(), item.clone()));
        self.loops += 1;
        let gives = match (name, &call.args[1..]) {
            ("map", [make]) => Type::list(self.of(make)),
            ("map", [condition, make]) => {
                self.is_bool(condition, "what chooses");
                Type::list(self.of(make))
            }
            (_, conditions) => {
                conditions.iter().for_each(|condition| self.is_bool(condition, &format!("what `{name}` asks")));
                if name == "filter" { Type::list(item) } else { Type::Bool }
            }
        };
        self.loops -= 1;
        self.locals.pop();
        gives
    }

    /// A function with all that it is given; of a member, what stands before the dot is the first.
    fn function(&mut self, at: &IdedExpr, function: &Function, args: &[&IdedExpr]) -> Type {
        let types = self.types(args);
        let name = function.name;
        let fitting: Vec<&[Takes]> = function.takes.iter().copied().filter(|takes| takes.len() == args.len()).collect();
        if fitting.is_empty() {
            let member = usize::from(matches!(&at.expr, Expr::Call(call) if call.target.is_some()));
            let counts: Vec<usize> = function.takes.iter().map(|takes| takes.len() - member).collect();
            self.misnamed(at, format!("`{name}` takes {}, here are {}", counted(&counts), args.len() - member), None);
            return function.gives.of();
        }
        let mut left = fitting;
        for (place, of) in types.iter().enumerate() {
            let accepted: Vec<Takes> = left.iter().map(|takes| takes[place]).collect();
            left.retain(|takes| takes[place].is(of));
            if left.is_empty() {
                let help = wanted_help(function, &accepted, of);
                self.wrong(args[place], format!("`{name}` asks {}, this is {of}", alternatives(&accepted)), help);
                return function.gives.of();
            }
        }
        self.literals(at, name, args);
        function.gives.of()
    }

    /// What can be known of literals before any data is there.
    fn literals(&mut self, at: &IdedExpr, name: &str, args: &[&IdedExpr]) {
        let (Some(last), Expr::Call(call)) = (args.last(), &at.expr) else { return };
        let Some(literal) = text_of(last) else { return };
        let example = match name {
            "matches" => match regex::Regex::new(literal) {
                Ok(_) => return,
                Err(_) => "patterns are regular expressions, best written raw: `r'\\d+'`",
            },
            "timestamp" if evaluate::fails(call.clone()) => "write it as `2026-01-31T09:30:00Z`",
            "duration" if evaluate::fails(call.clone()) => "write it as `90s`, `45m`, `1h30m`; the longest unit is `h`",
            "int" | "double" if evaluate::fails(call.clone()) => "write the number itself",
            "bool" if evaluate::fails(call.clone()) => "write `true` or `false`",
            _ if name.starts_with("get") && args.len() == 2 && evaluate::no_zone(literal) => {
                "write it as `Europe/Berlin` or `+02:00`"
            }
            _ => return,
        };
        self.wrong(last, format!("`{name}` cannot read `{literal}`"), Some(example.into()));
    }
}

fn other_function(name: &str, member: bool) -> String {
    let written = |right: &str| {
        let style = FUNCTIONS.iter().find(|function| function.name == right).map(|function| function.style);
        let global = style.map_or(right == "has", |style| style != Style::Member);
        if global { format!("`{right}(..)`") } else { format!("`.{right}(..)`") }
    };
    // Behind a dot only what may stand there is near.
    let fits = FUNCTIONS.iter().filter(|function| !member || function.style != Style::Global).map(|function| function.name);
    let known = fits.chain(LOOPS.iter().map(|(name, _)| *name)).chain((!member).then_some("has"));
    let same = ELSEWHERE.iter().find(|(other, _)| *other == name.to_lowercase()).map(|(_, right)| *right);
    match same.or_else(|| nearest(name, known)) {
        Some(right) => format!("did you mean {}?", written(right)),
        None if member => "of a text: `contains`, `startsWith`, `endsWith`, `matches`, `size`; of a list: `all`, `exists`, `filter`, `map`, `size`".into(),
        None => "there are `has`, `size`, `matches`, `string`, `int`, `double`, `bool`, `timestamp`, `duration` and `toml`".into(),
    }
}

fn counted(counts: &[usize]) -> String {
    let (least, most) = (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    match (least, most) {
        (0, 0) => "nothing".into(),
        (1, 1) => "one thing".into(),
        (least, most) if least == most => format!("{most} things"),
        (least, most) => format!("{least} or {most} things"),
    }
}

fn alternatives(accepted: &[Takes]) -> String {
    let mut names: Vec<String> = Vec::new();
    for takes in accepted {
        let name = takes.of().to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

fn wanted_help(function: &Function, accepted: &[Takes], of: &Type) -> Option<String> {
    match of.present() {
        Type::List(_) if function.name == "contains" => Some("write `x in list`".into()),
        Type::List(_) if accepted == [Takes::Text] => Some(format!("ask its items: `.exists(each, each.{}(..))`", function.name)),
        Type::Integer | Type::Number if accepted == [Takes::Text] => Some("make a text of it: `string(..)`".into()),
        Type::Text { .. } if accepted.contains(&Takes::Time) => Some("make a time of it: `timestamp(..)`".into()),
        _ => None,
    }
}
