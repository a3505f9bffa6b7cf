//! A document that stands in several files: what the first does not say, the next one does.
//!
//! Promises: a mistake is said of the file that it stands in, whichever of them that is. The files lie behind each other in one space of
//! positions, so that a position alone tells its file.

use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::value::Value;
use super::{Fault, Faults, Found, Sink, SourceFile, Table, join, mask, nearest};

/// One of the files, with its text.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What errors call it.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Where the files lie.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Each with where it begins.
    all: Vec<(usize, SourceFile)>,
}

impl Layers {
    /// Files in their order.
    pub fn new(layers: &[Layer]) -> Self {
        let sources = layers.iter().map(|layer| SourceFile::new(&layer.file, &layer.text));
        Self { all: starts(layers).into_iter().zip(sources).collect() }
    }

    /// The file of a place, and the place in it.
    pub fn at(&self, span: &Range<usize>) -> (SourceFile, Range<usize>) {
        let own = self.all.iter().rev().find(|(start, _)| *start <= span.start);
        // The first begins at 0.
        let (start, source) = own.unwrap_or(&self.all[0]);
        (source.clone(), span.start - start..span.end.saturating_sub(*start))
    }
}

/// Each file begins behind the one before it.
fn starts(layers: &[Layer]) -> Vec<usize> {
    let mut next = 0;
    let start = |layer: &Layer| {
        let start = next;
        next += layer.text.len() + 1;
        start
    };
    layers.iter().map(start).collect()
}

/// How the files are put together.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'r> {
    /// Keys that only the first file says.
    pub own: &'r [&'static str],
    /// Lists of tables in which one with the same word at this key takes the place of another key by key; a new one comes last.
    pub lists: &'r [(&'static str, &'static str)],
    /// The key of the list whose tables can be taken out and be put behind others.
    pub steps: &'static str,
    /// The key that names which are taken out.
    pub remove: &'static str,
    /// The key in a new one that names which it is put behind.
    pub after: &'static str,
}

/// Reads a document that stands in several files.
pub fn read_layers<T>(layers: &[Layer], rules: &Rules<'_>, build: impl FnOnce(&Table<'_>) -> Option<T>) -> Result<T, Faults> {
    let starts = starts(layers);
    // Behind blanks, so that each position tells its file.
    let texts: Vec<String> =
        layers.iter().zip(&starts).map(|(layer, start)| format!("{}{}", " ".repeat(*start), layer.text)).collect();
    let mut documents = Vec::new();
    for ((layer, start), text) in layers.iter().zip(&starts).zip(&texts) {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let source = SourceFile::new(&layer.file, &mask::secrets(&layer.text, &[]));
            return Err(errors.into_iter().map(|e| Fault::syntax(&source, &e, *start)).collect());
        }
        documents.push(document.into_inner());
    }
    let sink = Sink::default();
    let merged = documents.into_iter().rev().reduce(|below, own| merge(own, below, rules, &sink)).unwrap_or_default();
    let root = Table::root(&sink, &merged);
    let built = build(&root);
    sink.unknown_keys(&merged, "");
    let found = match sink.alone.take() {
        Some(alone) => vec![alone],
        None => [sink.found.take(), sink.missing.take()].concat(),
    };
    match built {
        Some(built) if found.is_empty() => Ok(built),
        _ => Err(faults(layers, &starts, found)),
    }
}

/// Each mistake with its own file.
fn faults(layers: &[Layer], starts: &[usize], found: Vec<Found>) -> Faults {
    let mut faults = Vec::new();
    let layer_of = |at: usize| starts.iter().rposition(|start| *start <= at).unwrap_or(0);
    for (at, (layer, start)) in layers.iter().zip(starts).enumerate() {
        let own: Vec<Found> = found
            .iter()
            .filter(|found| layer_of(found.span.start) == at)
            .map(|found| Found { span: found.span.start - start..found.span.end.saturating_sub(*start), ..found.clone() })
            .collect();
        let hidden: Vec<_> = own.iter().filter(|f| f.hide).map(|f| f.span.clone()).collect();
        let source = SourceFile::new(&layer.file, &mask::secrets(&layer.text, &hidden));
        faults.extend(own.into_iter().map(|found| Fault::new(&source, found)));
    }
    faults.into_iter().collect()
}

/// Looks into a document without judging it.
pub fn peek<T>(text: &str, look: impl FnOnce(&Table<'_>) -> T) -> T {
    let (document, _) = DeTable::parse_recoverable(text);
    let sink = Sink::default();
    look(&Table::root(&sink, document.get_ref()))
}

/// What the own file says, over what another one says.
fn merge<'t>(own: DeTable<'t>, mut all: DeTable<'t>, rules: &Rules<'_>, sink: &Sink) -> DeTable<'t> {
    for key in rules.own {
        all.remove(*key);
    }
    taken_out(&own, &mut all, rules, sink);
    for (key, value) in own {
        let name = key.get_ref().to_string();
        let list = rules.lists.iter().find(|(list, _)| *list == name);
        let value = match (all.remove(name.as_str()), list) {
            (Some(below), Some((_, id))) if below.get_ref().is_array() && value.get_ref().is_array() => {
                listed(&name, id, value, below, rules, sink)
            }
            (Some(below), None) if below.get_ref().is_table() && value.get_ref().is_table() => over(value, below),
            _ => value,
        };
        all.insert(key, value);
    }
    all
}

/// Takes the steps out that are named, and the keys, each with its table: `trigger.label`.
fn taken_out(own: &DeTable<'_>, all: &mut DeTable<'_>, rules: &Rules<'_>, sink: &Sink) {
    let Some((_, id)) = rules.lists.iter().find(|(list, _)| *list == rules.steps) else { return };
    let Some(DeValue::Array(steps)) = all.get(rules.steps).map(Spanned::get_ref) else { return };
    let ids: Vec<String> = steps.iter().filter_map(|step| text_at(step.get_ref(), id)).collect();
    let Some(value) = own.get(rules.remove) else { return };
    let in_tables = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| -> Vec<String> {
        let keys = value.get_ref().as_table().into_iter().flatten();
        keys.map(|(key, _)| format!("{}.{}", AsRef::<str>::as_ref(name.get_ref()), key.get_ref())).collect()
    };
    let keys: Vec<String> = all.iter().flat_map(in_tables).collect();
    let known = |value: &Value<'_>| {
        let name = value.filled()?;
        let (what, there) = if name.contains('.') { ("key", &keys) } else { ("step", &ids) };
        match there.contains(&name) {
            true => Some(name),
            false => value.wrong(format!("there is no {what} `{name}` to take out"), one_of(&name, there)),
        }
    };
    let names = Value::new(sink, rules.remove.to_owned(), value).list(known).unwrap_or_default();
    let kept = steps.iter().filter(|step| text_at(step.get_ref(), id).is_none_or(|id| !names.contains(&id)));
    let mut left = DeArray::new();
    kept.cloned().for_each(|step| left.push(step));
    if let Some(steps) = all.get_mut(rules.steps) {
        *steps.get_mut() = DeValue::Array(left);
    }
    for (table, key) in names.iter().filter_map(|name| name.split_once('.')) {
        if let Some(DeValue::Table(table)) = all.get_mut(table).map(Spanned::get_mut) {
            table.remove(key);
        }
    }
}

/// The tables of a list, over those below.
fn listed<'t>(
    name: &str,
    id: &str,
    own: Spanned<DeValue<'t>>,
    below: Spanned<DeValue<'t>>,
    rules: &Rules<'_>,
    sink: &Sink,
) -> Spanned<DeValue<'t>> {
    let span = own.span();
    let (DeValue::Array(own), DeValue::Array(below)) = (own.into_inner(), below.into_inner()) else {
        return Spanned::new(span, DeValue::Array(DeArray::new()));
    };
    let mut all: Vec<Spanned<DeValue<'t>>> = below.into_iter().collect();
    for mut item in own {
        let place = text_at(item.get_ref(), id);
        let same = place.and_then(|word| all.iter().position(|old| text_at(old.get_ref(), id).as_deref() == Some(&word)));
        if let Some(at) = same {
            let old = all.remove(at);
            all.insert(at, over(item, old));
            continue;
        }
        let ids: Vec<String> = all.iter().filter_map(|step| text_at(step.get_ref(), id)).collect();
        let behind = (name == rules.steps).then(|| behind(&mut item, &ids, rules, sink)).flatten();
        let at = behind.and_then(|word| all.iter().position(|old| text_at(old.get_ref(), id).as_deref() == Some(&word)));
        all.insert(at.map_or(all.len(), |at| at + 1), item);
    }
    let mut list = DeArray::new();
    all.into_iter().for_each(|item| list.push(item));
    Spanned::new(span, DeValue::Array(list))
}

/// The step that a new one is put behind; the key that names it is taken off. A time there is the step's own.
fn behind(item: &mut Spanned<DeValue<'_>>, ids: &[String], rules: &Rules<'_>, sink: &Sink) -> Option<String> {
    let word = text_at(item.get_ref(), rules.after)?;
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let DeValue::Table(table) = item.get_mut() else { return None };
    let value = table.remove(rules.after)?;
    if ids.contains(&word) {
        return Some(word);
    }
    let path = join(&format!("{}[]", rules.steps), rules.after);
    Value::new(sink, path, &value).wrong(format!("there is no step `{word}` to stand behind"), one_of(&word, ids))
}

fn one_of(name: &str, ids: &[String]) -> String {
    match nearest(name, ids.iter().map(String::as_str)) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => format!("there are {}", ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// The keys of a table, over those of another, which stays where it stands.
fn over<'t>(own: Spanned<DeValue<'t>>, below: Spanned<DeValue<'t>>) -> Spanned<DeValue<'t>> {
    let span = below.span();
    match (own.into_inner(), below.into_inner()) {
        (DeValue::Table(own), DeValue::Table(mut all)) => {
            for (key, value) in own {
                all.remove(key.get_ref().as_ref());
                all.insert(key, value);
            }
            Spanned::new(span, DeValue::Table(all))
        }
        (own, _) => Spanned::new(span, own),
    }
}

fn text_at(item: &DeValue<'_>, key: &str) -> Option<String> {
    match item.as_table()?.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}
