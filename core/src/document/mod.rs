//! TOML that people write, read with positions.
//!
//! Promises: every mistake of a file is found in one reading, where one does not hide the other; each has a position, the key, and where
//! there is one the nearest right key. The keys that are known are those that the reading code asked for, so there is no second list
//! of them. A value that may be a secret is masked in what is shown of the source. Nothing here knows what the keys mean.

mod fault;
pub mod json;
mod layers;
pub mod lines;
mod mask;
mod nearest;
mod schema;
mod time;
mod value;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

pub use fault::{Fault, Faults, SourceFile};
pub use layers::{Layer, Layers, Rules, peek, read_layers};
pub use nearest::nearest;
pub use schema::{Flaw, Schema};
pub use time::parse_duration;
pub use value::{Place, Value};

/// Reads a document. `build` asks its tables for what it needs; what it did not ask for is an unknown key.
pub fn read<T>(file: &str, text: &str, build: impl FnOnce(&Table<'_>) -> Option<T>) -> Result<T, Faults> {
    let layer = Layer { file: file.to_owned(), text: text.to_owned() };
    read_layers(&[layer], &Rules { own: &[], lists: &[], steps: "", remove: "", after: "" }, build)
}

/// The keys that `build` asks a document for, each with its tables: `project[].repo`, and `agents.*.model` where names are chosen.
pub fn known_keys<T>(text: &str, build: impl FnOnce(&Table<'_>) -> Option<T>) -> BTreeSet<String> {
    let (document, _) = DeTable::parse_recoverable(text);
    let sink = Sink::default();
    build(&Table::root(&sink, document.get_ref()));
    let known = sink.known.take();
    let named = sink.named.into_inner();
    let general = |path: &str| {
        let chosen =
            |table: &String| path.strip_prefix(table.as_str())?.strip_prefix('.').map(|rest| (table.clone(), rest.to_owned()));
        match named.iter().find_map(chosen) {
            Some((table, rest)) => format!("{table}.*{}", rest.find('.').map_or("", |at| &rest[at..])),
            None => path.to_owned(),
        }
    };
    known.iter().flat_map(|(path, keys)| keys.borrow().iter().map(|key| join(&general(path), key)).collect::<Vec<_>>()).collect()
}

/// The text of a file's bytes; a fault at the first that is not UTF-8.
pub fn decode<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Faults> {
    std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let source = SourceFile::new(file, &mask::secrets(&String::from_utf8_lossy(bytes), &[]));
        let help = Some("save the file as UTF-8".to_owned());
        let found = Found { message: "the file is not UTF-8 text".into(), help, span: at..at, key: String::new(), hide: false };
        Faults::from_iter([Fault::new(&source, found)])
    })
}

/// A mistake as it is found, before it knows its source.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    message: String,
    help: Option<String>,
    span: Range<usize>,
    key: String,
    hide: bool,
}

/// The keys that all tables of a path were asked for.
type Asked = Rc<RefCell<BTreeSet<&'static str>>>;

/// Where mistakes and the keys that were asked for are gathered.
#[derive(Default)]
struct Sink {
    found: RefCell<Vec<Found>>,
    missing: RefCell<Vec<Found>>,
    alone: RefCell<Option<Found>>,
    known: RefCell<BTreeMap<String, Asked>>,
    /// Tables whose keys are names that the user chose.
    named: RefCell<BTreeSet<String>>,
}

impl Sink {
    fn add(&self, found: Found) {
        self.found.borrow_mut().push(found);
    }

    /// Walks the document beside what was asked for. A table that nobody opened was complained of already.
    fn unknown_keys(&self, table: &DeTable<'_>, path: &str) {
        if self.named.borrow().contains(path) {
            let inner = table.iter().filter_map(|(key, value)| Some((key.get_ref(), value.get_ref().as_table()?)));
            inner.for_each(|(name, table)| self.unknown_keys(table, &join(path, name)));
            return;
        }
        let known = self.known.borrow();
        let Some(here) = known.get(path) else { return };
        let here = here.borrow();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let below = join(path, name);
            if !here.contains(name) {
                let right = nearest(name, here.iter().copied());
                if let Some(right) = right {
                    // Misspelt, not missing.
                    self.missing.borrow_mut().retain(|m| m.key != join(path, right));
                }
                let help = right.map_or_else(|| elsewhere(&known, path, &here, name), |right| format!("did you mean `{right}`?"));
                let message = format!("unknown key `{name}`{}", within(path));
                self.add(Found { message, help: Some(help), span: key.span(), key: below, hide: false });
                continue;
            }
            match value.get_ref() {
                DeValue::Table(inner) => self.unknown_keys(inner, &below),
                DeValue::Array(items) => {
                    let tables = items.iter().filter_map(|i| i.get_ref().as_table());
                    tables.for_each(|t| self.unknown_keys(t, &format!("{below}[]")));
                }
                _ => {}
            }
        }
    }
}

/// What to do with a key that is like none here: where it belongs, or which ones there are.
fn elsewhere(known: &BTreeMap<String, Asked>, path: &str, here: &BTreeSet<&'static str>, name: &str) -> String {
    let places: Vec<_> = known.iter().filter(|(p, keys)| p.as_str() != path && keys.borrow().contains(name)).collect();
    if matches!(places.len(), 1 | 2) {
        let place = |path: &str| if path.is_empty() { "the top level".into() } else { section(path) };
        let places: Vec<String> = places.into_iter().map(|(path, _)| place(path)).collect();
        return format!("`{name}` belongs to {}", places.join(" or "));
    }
    let keys: Vec<_> = here.iter().map(|k| format!("`{k}`")).collect();
    format!("the keys here are {}", keys.join(", "))
}

/// A table of the document, or one that is not there.
pub struct Table<'a> {
    sink: &'a Sink,
    path: String,
    span: Range<usize>,
    entries: Option<&'a DeTable<'a>>,
    /// Kept at hand: asking for a key is most of what a reader does.
    asked: Asked,
}

impl<'a> Table<'a> {
    fn new(sink: &'a Sink, path: String, span: Range<usize>, entries: Option<&'a DeTable<'a>>) -> Self {
        let asked = sink.known.borrow_mut().entry(path.clone()).or_default().clone();
        Self { sink, path, span, entries, asked }
    }

    /// The whole of a document.
    fn root(sink: &'a Sink, entries: &'a DeTable<'a>) -> Self {
        Self::new(sink, String::new(), 0..0, Some(entries))
    }

    /// Complains of a part of a string that was read from this document, and is `text`.
    pub fn wrong_within(&self, at: &Place, text: &str, part: &Range<usize>, message: String, help: Option<String>) {
        at.wrong_within(text, part, message, help, self.sink);
    }

    /// A value that may be left out. Nothing also if it is wrong, which is then complained of.
    pub fn optional<T>(&self, key: &'static str, parse: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        parse(&self.value(key)?)
    }

    /// A value, or what stands for it where it is left out.
    pub fn or<T>(&self, key: &'static str, default: T, parse: impl FnOnce(&Value<'a>) -> Option<T>) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// A value that must be there; `example` shows the line to write.
    pub fn required<T>(&self, key: &'static str, example: &str, parse: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        match self.value(key) {
            Some(value) => parse(&value),
            None => {
                self.lacks(key, example);
                None
            }
        }
    }

    /// Whether the table is there.
    pub fn is_given(&self) -> bool {
        self.entries.is_some()
    }

    /// Whether a key is there. This counts as asking for it.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// A table that may be left out: then all its keys are absent.
    pub fn table(&self, key: &'static str) -> Table<'a> {
        let path = join(&self.path, key);
        let found = self.value(key);
        let entries = found.as_ref().and_then(Value::table);
        let span = found.map_or(self.span.clone(), |v| v.span());
        Table::new(self.sink, path, span, entries)
    }

    /// A table that must be there; `example` shows what to write.
    pub fn required_table(&self, key: &'static str, example: &str) -> Option<Table<'a>> {
        if self.has(key) {
            Some(self.table(key))
        } else {
            self.lacks(key, example);
            None
        }
    }

    /// The tables of an array of tables, `[[key]]`; none where it is left out.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let path = format!("{}[]", join(&self.path, key));
        let Some(value) = self.value(key) else { return Vec::new() };
        let open = |item: Value<'a>| {
            let entries = Some(item.table()?);
            Some(Table::new(self.sink, path.clone(), item.span(), entries))
        };
        value.items().into_iter().flatten().filter_map(open).collect()
    }

    /// The tables of a table whose keys are names, `[key.NAME]`, in the order of their names; none where it is left out.
    pub fn named_tables(&self, key: &'static str) -> Vec<(String, Table<'a>)> {
        let path = join(&self.path, key);
        let Some(entries) = self.value(key).and_then(|found| found.table()) else { return Vec::new() };
        self.sink.named.borrow_mut().insert(path.clone());
        let open = |name: &str, value: &'a Spanned<DeValue<'a>>| {
            let path = join(&path, name);
            let value = Value::new(self.sink, path.clone(), value);
            let entries = Some(value.table()?);
            Some((name.to_owned(), Table::new(self.sink, path, value.span(), entries)))
        };
        entries.iter().filter_map(|(name, value)| open(name.get_ref(), value)).collect()
    }

    /// The values of a table whose keys are names, in the order of their names; none where it is left out.
    pub fn named_values(&self, key: &'static str) -> Vec<(String, Value<'a>)> {
        let path = join(&self.path, key);
        let Some(entries) = self.value(key).and_then(|found| found.table()) else { return Vec::new() };
        self.sink.named.borrow_mut().insert(path.clone());
        let open = |name: &str, value: &'a Spanned<DeValue<'a>>| {
            (name.to_owned(), Value::new(self.sink, join(&path, name), value).under(name))
        };
        entries.iter().map(|(name, value)| open(name.get_ref(), value)).collect()
    }

    /// The values under keys that nobody asked for until now, in the order of their names: names that the user chose. Whoever asks judges
    /// them all.
    pub fn rest(&self) -> Vec<(String, Value<'a>)> {
        let known = self.asked.borrow().clone();
        self.sink.named.borrow_mut().insert(self.path.clone());
        let entries = self.entries.iter().flat_map(|entries| entries.iter());
        let open = |name: &str, value: &'a Spanned<DeValue<'a>>| {
            (name.to_owned(), Value::new(self.sink, join(&self.path, name), value).under(name))
        };
        entries
            .filter(|(name, _)| !known.contains(name.get_ref().as_ref()))
            .map(|(name, value)| open(name.get_ref(), value))
            .collect()
    }

    /// Complains of the table as a whole.
    pub fn wrong(&self, message: impl Into<String>, help: impl Into<String>) {
        let found = Found {
            message: message.into(),
            help: Some(help.into()),
            span: self.span.clone(),
            key: self.path.clone(),
            hide: false,
        };
        self.sink.add(found);
    }

    /// Complains that a key is missing; `example` shows the line to write.
    pub fn lacks(&self, key: &str, example: &str) {
        let message = match example.lines().next() {
            Some(header) if header.starts_with('[') => format!("the section {header} is missing"),
            _ if self.path.is_empty() => format!("`{key}` is missing"),
            _ => format!("{} lacks `{key}`", section(&self.path)),
        };
        let found = Found {
            message,
            help: Some(if example.contains('\n') { format!("add it:\n{example}") } else { format!("add it: {example}") }),
            span: self.span.clone(),
            key: join(&self.path, key),
            hide: false,
        };
        self.sink.missing.borrow_mut().push(found);
    }

    /// A value with its position, without reading it. This counts as asking for the key.
    pub fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().insert(key);
        let value = self.entries?.get(key)?;
        Some(Value::new(self.sink, join(&self.path, key), value))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A table's path as people write it: `[daemon]`, `[[project]]`.
fn section(path: &str) -> String {
    match path.strip_suffix("[]") {
        Some(list) => format!("[[{}]]", list.replace("[]", "")),
        None => format!("[{}]", path.replace("[]", "")),
    }
}

fn within(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in {}", section(path)) }
}
