//! Mistakes with their position, as errors for people.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode, SourceSpan};

use super::{Found, mask};

/// A file's name and text, shared by its mistakes.
#[derive(Clone, Debug)]
pub struct SourceFile(Arc<NamedSource<String>>);

impl SourceFile {
    /// A source to show; what may be a secret is masked already.
    pub fn new(file: &str, text: &str) -> Self {
        Self(Arc::new(NamedSource::new(file, text.to_owned())))
    }
}

/// One mistake: what is wrong, where, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    message: String,
    help: Option<String>,
    source_file: SourceFile,
    span: SourceSpan,
    key: String,
}

impl Fault {
    pub(super) fn new(source: &SourceFile, found: Found) -> Self {
        let Found { message, help, span, key, .. } = found;
        Self::at(source, span, mask::userinfo(&message), help).about(key)
    }

    /// `start` is where the file begins in the space of positions.
    pub(super) fn syntax(source: &SourceFile, error: &toml::de::Error, start: usize) -> Self {
        let message = format!("this is not TOML: {}", error.message());
        let span = error.span().unwrap_or(start..start);
        let help = "TOML has `[table]` headers and `key = value` on each line, texts in quotes".to_owned();
        Self::at(source, span.start.saturating_sub(start)..span.end.saturating_sub(start), message, Some(help))
    }

    /// A mistake at a place of a file, in bytes.
    pub fn at(source: &SourceFile, span: std::ops::Range<usize>, message: impl Into<String>, help: Option<String>) -> Self {
        let length = source.0.inner().len();
        let start = span.start.min(length);
        let span = SourceSpan::from(start..span.end.clamp(start, length));
        Self { message: message.into(), help, source_file: source.clone(), span, key: String::new() }
    }

    /// Says too who names the file that it is in.
    pub fn named_by(self, who: &str) -> Self {
        Self { message: format!("{} (named in {who})", self.message), ..self }
    }

    fn about(self, key: String) -> Self {
        Self { key, ..self }
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        self.source_file.0.name()
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.before().rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1
    }

    /// The path of the key that it is about, `limits.wall`; empty where it is about none.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What to do.
    pub fn hint(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn before(&self) -> &str {
        let text = self.source_file.0.inner();
        text.get(..self.span.offset()).unwrap_or(text)
    }
}

impl Diagnostic for Fault {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source_file.0.as_ref())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some("here".into()), self.span))))
    }
}

/// All mistakes of a reading, in the order of the text.
#[derive(Clone, Debug)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Each mistake.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// A line for each, for logs: `file:line:column: what (what to do)`.
    pub fn lines(&self) -> Vec<String> {
        let line = |fault: &Fault| {
            let help = fault.help.as_ref().map_or(String::new(), |h| format!(" ({})", h.replace('\n', " ")));
            format!("{}:{}:{}: {fault}{help}", fault.file(), fault.line(), fault.column())
        };
        self.0.iter().map(line).collect()
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(all: I) -> Self {
        let mut all: Vec<Fault> = all.into_iter().collect();
        all.sort_by(|a, b| (a.file(), a.span.offset()).cmp(&(b.file(), b.span.offset())));
        Self(all)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(f, "{} has a mistake", only.file()),
            [first, ..] => write!(f, "{} has {} mistakes", first.file(), self.0.len()),
            [] => f.write_str("a file has mistakes"),
        }
    }
}

impl std::error::Error for Faults {}

/// As a report: how many, and each with its piece of the source. [`Faults::lines`] is the same for logs.
impl Diagnostic for Faults {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.iter().map(|f| f as &dyn Diagnostic)))
    }
}
