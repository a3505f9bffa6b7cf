//! Checking templates: their syntax, each name in them, and that text from outside stands only where a helper cleans it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::LazyLock;

use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use handlebars::{Path, TemplateError, TemplateErrorReason};
use regex::{Captures, Regex};

use super::nesting::Unfit;
use super::scope::ABOUT_THE_PROJECT;
use super::{Prompts, nesting, unreadable};
use crate::document::{Fault, Layers, SourceFile, Value, nearest};
use crate::model::{TemplateKind, Variable};

const UNBALANCED: &str = "is each `{{` closed, and each `{{#if}}` and `{{#each}}` ended by its `{{/if}}` or `{{/each}}`?";
/// How deep partials may lie in each other: one that names itself ends here.
const DEPTH: usize = 8;
/// How many a template has at most, those of its partials included: they may put each other in many times over.
const PARTIALS: u32 = 100;
/// What a list offers beside its items.
const IN_A_LIST: [&str; 4] = ["@index", "@first", "@last", "@key"];

static PARTIAL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{~?>\s*([A-Za-z0-9_/-]+)\s*~?\}\}").expect("a constant pattern, used in the tests"));

thread_local! {
    /// Formulas share prompts and partials, and reading one is most of the work of loading a formula.
    static COMPILED: RefCell<BTreeMap<String, Rc<Compiled>>> = RefCell::default();
}

/// A template as it was read.
struct Compiled {
    template: Template,
    /// How deep its blocks lie in each other.
    depth: usize,
}

/// Why a text is no template.
enum Unreadable {
    Unfit(Unfit),
    Engine(Box<TemplateError>),
}

/// How many templates are kept at most.
const KEPT: usize = 256;

/// A template that was read, now or before.
fn compiled(text: &str) -> Result<Rc<Compiled>, Unreadable> {
    if let Some(known) = COMPILED.with_borrow(|known| known.get(text).cloned()) {
        return Ok(known);
    }
    let depth = nesting::depth(text, 0).map_err(Unreadable::Unfit)?;
    let template = Template::compile(text).map_err(|error| Unreadable::Engine(Box::new(error)))?;
    let template = Rc::new(Compiled { template, depth });
    COMPILED.with_borrow_mut(|known| {
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(text.to_owned(), template.clone());
    });
    Ok(template)
}

/// Where templates are found, and what is wrong with them.
pub(super) struct Templates<'p> {
    pub(super) files: Layers,
    pub(super) prompts: &'p Prompts<'p>,
    pub(super) faults: RefCell<Vec<Fault>>,
    /// How many partials the template has that is looked at.
    pub(super) partials: Cell<u32>,
    /// The steps that were complained of: what they leave is not known.
    pub(super) broken: RefCell<BTreeSet<String>>,
}

/// What names stand for at some place of a template.
#[derive(Clone, Copy)]
struct Scope<'v> {
    here: &'v Variable,
    /// What stands around the list that this is an item of: `../name`.
    around: Option<&'v Scope<'v>>,
    /// How many blocks it lies in, lists or not.
    blocks: usize,
}

impl Scope<'_> {
    fn in_list(&self) -> bool {
        self.around.is_some()
    }

    /// The names of the whole template: `@root.name`.
    fn root(&self) -> &Self {
        std::iter::successors(Some(self), |scope| scope.around).last().unwrap_or(self)
    }
}

/// A template under check.
struct Under<'t> {
    source: SourceFile,
    text: &'t str,
    /// Where it begins in its source, in bytes, if that holds more than it; then all mistakes are said to be there.
    whole: Option<std::ops::Range<usize>>,
    kind: TemplateKind,
    depth: usize,
}

impl Templates<'_> {
    /// The file and line of a value, for mistakes in what it names.
    pub(super) fn line_of(&self, value: &Value<'_>) -> String {
        let (source, span) = self.files.at(&value.span());
        let here = Fault::at(&source, span, "", None);
        format!("{}:{}", here.file(), here.line())
    }

    /// A template in a file of its own, which a value names.
    pub(super) fn file(&self, value: &Value<'_>, kind: TemplateKind, vocabulary: &Variable) -> Option<String> {
        let name = value.filled()?;
        self.named(&name, kind, vocabulary, |message| {
            value.wrong::<()>(message, format!("put the text into prompts/{name}, or name another file"));
        })
    }

    /// A template by its file's name.
    pub(super) fn named(
        &self,
        name: &str,
        kind: TemplateKind,
        vocabulary: &Variable,
        missing: impl FnOnce(String),
    ) -> Option<String> {
        let Some(text) = (self.prompts)(name) else {
            missing(format!("there is no template `{name}`"));
            return None;
        };
        let source = SourceFile::new(&format!("prompts/{name}"), &text);
        if let Some(fault) = unreadable(&source, &text) {
            self.faults.borrow_mut().push(fault);
            return None;
        }
        self.checked(&Under { source, text: &text, whole: None, kind, depth: 0 }, vocabulary)
    }

    /// A template that stands in the formula itself.
    pub(super) fn inline(&self, value: &Value<'_>, kind: TemplateKind, vocabulary: &Variable) -> Option<String> {
        let text = value.filled()?;
        let (source, span) = self.files.at(&value.span());
        let under = Under { source, text: &text, whole: Some(span), kind, depth: 0 };
        self.checked(&under, vocabulary)
    }

    fn checked(&self, under: &Under<'_>, vocabulary: &Variable) -> Option<String> {
        let before = self.faults.borrow().len();
        self.partials.set(0);
        self.template(under, &Scope { here: vocabulary, around: None, blocks: 0 });
        self.partials.set(0);
        (self.faults.borrow().len() == before).then(|| self.expanded(under.text, 0))
    }

    /// Whether the template that is looked at may have one more.
    fn has_room(&self) -> bool {
        self.partials.set(self.partials.get().saturating_add(1));
        self.partials.get() <= PARTIALS
    }

    /// The text with its partials in place, also of those that stand in its comments.
    fn expanded(&self, text: &str, depth: usize) -> String {
        let partial = |found: &Captures<'_>| match (self.prompts)(&partial_file(&found[1])) {
            Some(inner) if depth < DEPTH && self.has_room() => self.expanded(inner.trim_end_matches('\n'), depth + 1),
            _ => String::new(),
        };
        PARTIAL.replace_all(text, partial).into_owned()
    }

    fn template(&self, under: &Under<'_>, scope: &Scope<'_>) {
        let read = compiled(under.text).and_then(|read| match scope.blocks + read.depth > nesting::MOST {
            true => nesting::depth(under.text, scope.blocks).map_err(Unreadable::Unfit).map(|_| read),
            false => Ok(read),
        });
        match read {
            Ok(read) => self.elements(under, &read.template, scope),
            Err(Unreadable::Unfit(unfit)) => self.unfit(under, unfit),
            Err(Unreadable::Engine(error)) => {
                let at = error.pos().unwrap_or((1, 1));
                let (message, help) = match error.reason() {
                    TemplateErrorReason::InvalidSyntax(_) => ("this is not a template".to_owned(), UNBALANCED),
                    reason => (format!("this is not a template: {reason}"), UNBALANCED),
                };
                self.wrong(under, at, message, Some(help.to_owned()));
            }
        }
    }

    /// A text that the engine is not given.
    fn unfit(&self, under: &Under<'_>, unfit: Unfit) {
        let (at, message, help) = match unfit {
            Unfit::Deep(at) => {
                let message = format!("blocks lie at most {} deep in each other", nesting::MOST);
                (at, message, "put less in, or move the inner ones out")
            }
            Unfit::Names(at) => {
                (at, "only names can stand here".to_owned(), "write the name of a variable, without quotes and square brackets")
            }
            Unfit::Raw(at) => {
                (at, "templates have no raw blocks".to_owned(), "write \\{{name}} for a tag that is shown as it is")
            }
        };
        self.wrong(under, line_and_column(under.text, at), message, Some(help.to_owned()));
    }

    fn elements(&self, under: &Under<'_>, template: &Template, scope: &Scope<'_>) {
        for (element, place) in template.elements.iter().zip(&template.mapping) {
            let at = (place.0, place.1);
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                    self.expression(under, at, call, scope);
                }
                TemplateElement::HelperBlock(block) => self.block(under, at, block, scope),
                TemplateElement::PartialExpression(partial) => {
                    let name = partial.name.as_name().unwrap_or_default();
                    let plain = partial.params.is_empty() && partial.hash.is_empty();
                    self.partial(under, at, name, plain, scope);
                }
                // Decorators, blocks of partials, and what the engine may bring later: what is not known is not let through.
                _ => {
                    let help = "templates have `{{name}}`, helpers, `{{#if}}`, `{{#unless}}`, `{{#each}}` and `{{> partial}}`";
                    self.wrong(under, at, "templates have no decorators or blocks of partials".into(), Some(help.into()));
                }
            }
        }
    }

    fn partial(&self, under: &Under<'_>, at: (usize, usize), name: &str, plain: bool, scope: &Scope<'_>) {
        let tag = format!("{{{{> {name}}}}}");
        if !plain || !PARTIAL.is_match(&tag) {
            self.wrong(
                under,
                at,
                format!("`{name}` cannot be put in"),
                Some("write it as {{> name}}, without parameters".into()),
            );
            return;
        }
        let file = partial_file(name);
        match (self.prompts)(&file) {
            None => {
                let help = format!("put the text into prompts/{file}");
                self.wrong(under, at, format!("there is no partial `{name}`"), Some(help));
            }
            Some(_) if under.depth >= DEPTH => {
                let help = "a partial must not put itself in".to_owned();
                self.wrong(under, at, format!("partials lie more than {DEPTH} deep in each other"), Some(help));
            }
            Some(_) if !self.has_room() => {
                let message = format!("a template has at most {PARTIALS} partials, those within them included");
                self.wrong(under, at, message, Some("put less in".to_owned()));
            }
            Some(text) => {
                let source = SourceFile::new(&format!("prompts/{file}"), &text);
                let inner = Under { source, text: &text, whole: None, kind: under.kind, depth: under.depth + 1 };
                self.template(&inner, scope);
            }
        }
    }

    fn expression(&self, under: &Under<'_>, at: (usize, usize), call: &HelperTemplate, scope: &Scope<'_>) {
        let name = call.name.as_name().unwrap_or_default();
        let helpers = under.kind.helpers();
        if call.params.is_empty() && call.hash.is_empty() {
            if helpers.contains(&name) {
                let help = format!("write {{{{{name} issue.title}}}}, or {{{{this.{name}}}}} for the value of that name");
                self.wrong(under, at, format!("`{name}` is a helper, and here it is given nothing"), Some(help));
                return;
            }
            match self.resolve(under, at, &call.name, scope) {
                Some(Variable::Outside) => {
                    let message = format!("`{name}` is text from outside and cannot stand as it is");
                    let ways: Vec<_> = helpers.iter().map(|h| format!("{{{{{h} {name}}}}}")).collect();
                    self.wrong(under, at, message, Some(format!("write {}", ways.join(" or "))));
                }
                Some(Variable::List(_)) => {
                    let help = format!("write {{{{#each {name}}}}} .. {{{{/each}}}}");
                    self.wrong(under, at, format!("`{name}` is a list"), Some(help));
                }
                Some(Variable::Record(names)) => {
                    let help = format!("below it are {}", listed(names.keys()));
                    self.wrong(under, at, format!("`{name}` is not a text"), Some(help));
                }
                Some(Variable::Plain) | None => {}
            }
            return;
        }
        if !helpers.contains(&name) {
            let help = match nearest(name, helpers.iter().copied()) {
                Some(right) => format!("did you mean `{right}`?"),
                None => format!("here are {}", listed(helpers)),
            };
            self.wrong(under, at, format!("there is no helper `{name}` here"), Some(help));
            return;
        }
        let ([text], true) = (call.params.as_slice(), call.hash.is_empty()) else {
            self.wrong(under, at, format!("`{name}` takes one text"), Some(format!("write {{{{{name} issue.title}}}}")));
            return;
        };
        if let Some(Variable::List(_) | Variable::Record(_)) = self.resolve(under, at, text, scope) {
            let what = text.as_name().unwrap_or_default();
            self.wrong(under, at, format!("`{what}` is not a text"), Some("name a text, or go through a list with #each".into()));
        }
    }

    fn block(&self, under: &Under<'_>, at: (usize, usize), block: &HelperTemplate, scope: &Scope<'_>) {
        let name = block.name.as_name().unwrap_or_default();
        let bodies = [block.template.as_ref(), block.inverse.as_ref()];
        let ([subject], true, None) = (block.params.as_slice(), block.hash.is_empty(), &block.block_param) else {
            let help = "write {{#if name}}, {{#unless name}} or {{#each list}}";
            self.wrong(under, at, format!("`{name}` takes one name"), Some(help.into()));
            return;
        };
        if !matches!(name, "if" | "unless" | "each") {
            let help = "here are `#if`, `#unless` and `#each`";
            self.wrong(under, at, format!("there is no block `{name}`"), Some(help.into()));
            return;
        }
        let Some(found) = self.resolve(under, at, subject, scope) else { return };
        if name != "each" {
            let inner = Scope { blocks: scope.blocks + 1, ..*scope };
            bodies.into_iter().flatten().for_each(|body| self.elements(under, body, &inner));
            return;
        }
        let Variable::List(item) = found else {
            let what = subject.as_name().unwrap_or_default();
            self.wrong(under, at, format!("`{what}` is not a list"), Some(format!("write {{{{#if {what}}}}}")));
            return;
        };
        if let Some(body) = bodies[0] {
            self.elements(under, body, &Scope { here: &item, around: Some(scope), blocks: scope.blocks + 1 });
        }
        if let Some(otherwise) = bodies[1] {
            self.elements(under, otherwise, &Scope { blocks: scope.blocks + 1, ..*scope });
        }
    }

    /// What a name stands for; nothing, and a mistake, if it is unknown.
    fn resolve(&self, under: &Under<'_>, at: (usize, usize), name: &Parameter, scope: &Scope<'_>) -> Option<Variable> {
        let (Parameter::Name(raw) | Parameter::Path(Path::Relative((_, raw)) | Path::Local((_, _, raw)))) = name else {
            let help = "write the name of a variable".to_owned();
            self.wrong(under, at, "only names can stand here".into(), Some(help));
            return None;
        };
        if scope.in_list() && IN_A_LIST.contains(&raw.as_str()) {
            return Some(Variable::Plain);
        }
        let (mut scope, mut raw) = match raw.strip_prefix("@root.") {
            Some(rest) => (scope.root(), rest),
            None => (scope, raw.as_str()),
        };
        while let Some(rest) = raw.strip_prefix("../") {
            let Some(around) = scope.around else {
                let help = "`../` names what stands around a list, inside of its #each".to_owned();
                self.wrong(under, at, format!("nothing stands around `{raw}`"), Some(help));
                return None;
            };
            (scope, raw) = (around, rest);
        }
        if raw == "this" || raw == "." {
            return Some(scope.here.clone());
        }
        let path = raw.strip_prefix("this.").or(raw.strip_prefix("this/")).unwrap_or(raw);
        if let Some(found) = scope.here.at(path.split('.')) {
            return Some(found.clone());
        }
        let of_broken = path.strip_prefix("steps.").is_some_and(|rest| {
            let step = rest.split('.').next().unwrap_or_default();
            self.broken.borrow().contains(step)
        });
        if !of_broken {
            self.wrong(under, at, format!("unknown variable `{raw}`"), Some(advice(path, scope)));
        }
        None
    }

    fn wrong(&self, under: &Under<'_>, (line, column): (usize, usize), message: String, help: Option<String>) {
        let span = under.whole.clone().unwrap_or_else(|| {
            let start = offset(under.text, line, column);
            let end = under.text.get(start..).and_then(|rest| rest.find('\n')).map_or(under.text.len(), |end| start + end);
            let tag = under.text.get(start..end).and_then(|rest| rest.find("}}")).map_or(end, |close| start + close + 2);
            start..tag
        });
        self.faults.borrow_mut().push(Fault::at(&under.source, span, message, help));
    }
}

/// The nearest name at the first part of a path that is unknown, or all there are.
fn advice(path: &str, scope: &Scope<'_>) -> String {
    let mut around = std::iter::successors(scope.around, |scope| scope.around);
    if let Some(above) = around.position(|scope| scope.here.at(path.split('.')).is_some()) {
        return format!("it stands around the list: write `{}{path}`", "../".repeat(above + 1));
    }
    let mut here = scope.here;
    let mut known = String::new();
    for part in path.split('.') {
        match here.at(std::iter::once(part)) {
            Some(below) => {
                here = below;
                known.push_str(part);
                known.push('.');
            }
            None => break,
        }
    }
    if known.is_empty() && !scope.in_list() && is_of_an_issue(path, here) {
        return ABOUT_THE_PROJECT.to_owned();
    }
    if let Variable::List(_) = here {
        let list = known.trim_end_matches('.');
        return format!("`{list}` is a list: write {{{{#each {list}}}}} .. {{{{/each}}}}");
    }
    let Variable::Record(names) = here else {
        return format!("nothing is below `{}`", known.trim_end_matches('.'));
    };
    let wanted = path.get(known.len()..).and_then(|rest| rest.split('.').next()).unwrap_or_default();
    match nearest(wanted, names.keys().map(String::as_str)) {
        Some(right) => format!("did you mean `{known}{right}`?"),
        None if names.is_empty() => format!("there is nothing below `{}` here", known.trim_end_matches('.')),
        None => {
            let place = if scope.in_list() { "inside the list are" } else { "here are" };
            format!("{place} {}", listed(names.keys()))
        }
    }
}

/// Whether a name is one that a formula about an issue has and this one has not.
fn is_of_an_issue(path: &str, scope: &Variable) -> bool {
    let first = path.split('.').next().unwrap_or_default();
    matches!(first, "issue" | "breakdown" | "comments" | "pull") && scope.at(["issue"].into_iter()).is_none()
}

fn listed(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().map(|n| format!("`{}`", n.as_ref())).collect::<Vec<_>>().join(", ")
}

fn partial_file(name: &str) -> String {
    format!("partials/{name}.md")
}

/// The line and column of a byte, both from 1, the column in characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    (before.matches('\n').count() + 1, before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1)
}

/// The byte at a line and column, both from 1, the column in characters.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(0, |(at, _)| at)
}
