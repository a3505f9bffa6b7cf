//! One value of a document, with its position.

use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Found, Sink, Table, nearest};

/// A value and where it stands. Its readers complain and answer nothing where it is of another type.
pub struct Value<'a> {
    sink: &'a Sink,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
    /// How long the last part of its path is: a name that a user chose may hold dots.
    key: usize,
}

/// Where a value stands.
#[derive(Clone, Debug)]
pub struct Place {
    path: String,
    span: Range<usize>,
}

impl Place {
    pub(super) fn wrong_within(&self, text: &str, part: &Range<usize>, message: String, help: Option<String>, sink: &Sink) {
        let whole = self.span.clone();
        // One quote before and one behind.
        let plain = whole.len() == text.len() + 2 && part.end <= text.len();
        let span = if plain { whole.start + 1 + part.start..whole.start + 1 + part.end } else { whole };
        sink.add(Found { message, help, span, key: self.path.clone(), hide: false });
    }
}

impl<'a> Value<'a> {
    pub(super) fn new(sink: &'a Sink, path: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        let key = path.rsplit('.').next().map_or(0, str::len);
        Self { sink, path, value, key }
    }

    /// The same under a name that a user chose.
    pub(super) fn under(self, name: &str) -> Self {
        Self { key: name.len(), ..self }
    }

    /// Its bytes in the source.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// The last part of its path: what people call it.
    pub fn key(&self) -> &str {
        self.path.get(self.path.len().saturating_sub(self.key)..).unwrap_or(&self.path)
    }

    /// Complains of it. Answers nothing, so that a reader can end with it.
    pub fn wrong<T>(&self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.complain(message.into(), Some(help.into()), false);
        None
    }

    /// Complains of a part of a string that is `text`: of these bytes of it, where it stands as it is, without escapes.
    pub fn wrong_within<T>(
        &self,
        text: &str,
        part: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Option<T> {
        self.place().wrong_within(text, part, message.into(), help, self.sink);
        None
    }

    /// Where it stands, to complain of it when more of the document is known.
    pub fn place(&self) -> Place {
        Place { path: self.path.clone(), span: self.span() }
    }

    /// Complains of it and masks it in what is shown of the source: it may be a secret.
    pub fn wrong_hidden<T>(&self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.complain(message.into(), Some(help.into()), true);
        None
    }

    /// Complains of it, and of nothing else in the document: the rest cannot be judged.
    pub fn wrong_alone<T>(&self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        let found =
            Found { message: message.into(), help: Some(help.into()), span: self.span(), key: self.path.clone(), hide: false };
        *self.sink.alone.borrow_mut() = Some(found);
        None
    }

    /// A string.
    pub fn string(&self) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => self.mistyped("a string in quotes"),
        }
    }

    /// A string that is not blank.
    pub fn filled(&self) -> Option<String> {
        let text = self.string()?;
        if text.trim().is_empty() {
            return self.wrong(format!("`{}` is empty", self.key()), "write a value, or leave the key out");
        }
        Some(text)
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            _ => self.mistyped("true or false"),
        }
    }

    /// Whether it is a whole number: a time or a size without its unit.
    pub fn is_whole(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// A whole number from `least` to `most`.
    pub fn whole(&self, least: u64, most: u64) -> Option<u64> {
        let DeValue::Integer(number) = self.value.get_ref() else { return self.mistyped("a whole number") };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => self.wrong(format!("`{}` is out of range", self.key()), format!("write a whole number from {least} to {most}")),
        }
    }

    /// A whole number, negative ones too.
    pub fn integer(&self) -> Option<i64> {
        let DeValue::Integer(number) = self.value.get_ref() else { return self.mistyped("a whole number") };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(number),
            Err(_) => self.wrong(format!("`{}` is out of range", self.key()), "write a whole number of 64 bits"),
        }
    }

    /// As JSON: texts, whole numbers, numbers, flags, and lists and tables of them. A date is none.
    pub fn json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        match self.value.get_ref() {
            DeValue::String(_) => self.string().map(Json::String),
            DeValue::Boolean(_) => self.boolean().map(Json::Bool),
            DeValue::Integer(_) => self.integer().map(Json::from),
            DeValue::Float(number) => {
                let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                number.map(Json::Number).or_else(|| self.mistyped("a number"))
            }
            DeValue::Array(_) => self.list(Self::json).map(Json::Array),
            DeValue::Table(_) => {
                let entries = self.opened()?.rest();
                entries.into_iter().map(|(name, value)| Some((name, value.json()?))).collect::<Option<_>>().map(Json::Object)
            }
            DeValue::Datetime(_) => self.mistyped("a text, a number, a flag, a list or a table"),
        }
    }

    /// Whether it is a string.
    pub fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// A number that is not negative, with or without a fraction.
    pub fn amount(&self) -> Option<f64> {
        let number = match self.value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => return self.mistyped("a number"),
        };
        match number {
            Some(number) if number.is_finite() && number >= 0.0 => Some(number),
            _ => self.wrong(format!("`{}` is out of range", self.key()), "write a number that is not negative, such as 2.5"),
        }
    }

    /// One of a few words, each with what it stands for.
    pub fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.string()?;
        if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meant);
        }
        let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let hint = match nearest(&text, words.iter().map(|(word, _)| *word)) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => format!("write {}", known.join(" or ")),
        };
        self.wrong(format!("`{}` cannot be \"{text}\"", self.key()), hint)
    }

    /// A list; each of its items is read, also after one that is wrong.
    pub fn list<T>(&self, mut item: impl FnMut(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let items = self.items()?;
        let count = items.len();
        let read: Vec<T> = items.iter().filter_map(&mut item).collect();
        (read.len() == count).then_some(read)
    }

    /// The items of a list.
    pub fn items(&self) -> Option<Vec<Value<'a>>> {
        match self.value.get_ref() {
            DeValue::Array(items) => Some(items.iter().map(|i| Value::new(self.sink, self.path.clone(), i)).collect()),
            DeValue::Table(_) => self.mistyped(&format!("a list of tables: write [[{}]]", self.path)),
            DeValue::String(text) => self.mistyped(&format!("a list: write {} = [{text:?}]", self.key())),
            _ => self.mistyped("a list"),
        }
    }

    /// It as a table; nothing, and a mistake, if it is something else.
    pub fn opened(&self) -> Option<Table<'a>> {
        let entries = Some(self.table()?);
        Some(Table::new(self.sink, self.path.clone(), self.span(), entries))
    }

    /// The entries of a table.
    pub(super) fn table(&self) -> Option<&'a DeTable<'a>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(entries),
            DeValue::Array(_) => self.mistyped(&format!("a single table: write [{}]", self.path)),
            _ => self.mistyped(&format!("a table: write [{}]", self.path)),
        }
    }

    /// What stands here, in words.
    fn kind(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    /// Complains that it is of another type than `wanted`.
    pub fn mistyped<T>(&self, wanted: &str) -> Option<T> {
        let (wanted, help) = match wanted.split_once(": ") {
            Some((wanted, help)) => (wanted, help.to_owned()),
            None => (wanted, format!("write {wanted}")),
        };
        self.wrong(format!("`{}` must be {wanted}, and here stands {}", self.key(), self.kind()), help)
    }

    fn complain(&self, message: String, help: Option<String>, hide: bool) {
        self.sink.add(Found { message, help, span: self.span(), key: self.path.clone(), hide });
    }
}
