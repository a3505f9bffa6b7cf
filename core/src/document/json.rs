//! Where the parts of a JSON text stand.
//!
//! Promises: a part is found by its JSON pointer in any text that `serde_json` reads, which bounds how deep it goes; of a key that stands there
//! twice it is the last one, as for readers.

use std::ops::Range;

use serde_json::Value as Json;

use super::{Fault, SourceFile};

/// What lies directly in a value, each with its part of a JSON pointer.
pub fn parts(of: &Json) -> impl Iterator<Item = (String, &Json)> {
    let fields = of.as_object().into_iter().flatten().map(|(name, part)| (name.replace('~', "~0").replace('/', "~1"), part));
    let items = of.as_array().into_iter().flatten().enumerate().map(|(nth, part)| (nth.to_string(), part));
    fields.chain(items)
}

/// The bytes of the part that a JSON pointer leads to; none where there is none.
pub fn place(text: &str, pointer: &str) -> Option<Range<usize>> {
    let path: Vec<String> = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    Walk { text, at: 0 }.value(Some(&path))
}

/// What is wrong with a text that is no JSON, where its reader stopped.
pub fn syntax(source: &SourceFile, text: &str, error: &serde_json::Error, help: String) -> Fault {
    let (line, column) = (error.line(), error.column());
    let told = error.to_string();
    let what = told.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&told);
    let begin: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (begin + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    Fault::at(source, at..at + 1, format!("this is no JSON: {what}"), Some(help))
}

/// A text that is JSON, and how far it was walked.
struct Walk<'t> {
    text: &'t str,
    at: usize,
}

impl Walk<'_> {
    /// Passes a value; answers where the part of it stands that the path leads to, none where nothing is looked for.
    fn value(&mut self, path: Option<&[String]>) -> Option<Range<usize>> {
        let start = self.next()?;
        let found = match self.text.as_bytes()[start] {
            b'{' => self.inside(path, true),
            b'[' => self.inside(path, false),
            b'"' => self.string().and(None),
            _ => {
                let rest = &self.text[start..];
                self.at += rest.find(|c: char| ",]}".contains(c) || c.is_ascii_whitespace()).unwrap_or(rest.len());
                None
            }
        };
        if path.is_some_and(<[String]>::is_empty) { Some(start..self.at) } else { found }
    }

    /// Passes the inside of an object or a list and what closes it.
    fn inside(&mut self, path: Option<&[String]>, object: bool) -> Option<Range<usize>> {
        self.at += 1;
        let mut found = None;
        for nth in 0_usize.. {
            match self.text.as_bytes()[self.next()?] {
                b'}' | b']' => break,
                b',' => self.at += 1,
                _ => {}
            }
            let name = if object { self.next().and_then(|_| self.string())? } else { nth.to_string() };
            if object {
                // What stands between a name and its value.
                self.next()?;
                self.at += 1;
            }
            let below = path.and_then(<[String]>::split_first).filter(|(first, _)| **first == name).map(|(_, rest)| rest);
            found = self.value(below).or(found);
        }
        self.at += 1;
        found
    }

    /// Passes a string, and answers what it says.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while *bytes.get(self.at)? != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<usize> {
        let rest = self.text.get(self.at..)?;
        self.at += rest.find(|c: char| !c.is_ascii_whitespace())?;
        Some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stands_where_its_pointer_leads() {
        let text = "{ \"a\\u0062\": [1, {\"x/y\": \"}\\\"]\", \"~\": -2.5e3}], \"é\" :{}, \"é\": true }";
        let at = |pointer: &str| place(text, pointer).map(|span| &text[span]);
        assert_eq!(at("/ab/0"), Some("1"));
        assert_eq!(at("/ab/1/x~1y"), Some("\"}\\\"]\""));
        assert_eq!(at("/ab/1/~0"), Some("-2.5e3"));
        assert_eq!(at("/é"), Some("true"), "the last of two");
        assert_eq!(at(""), Some(text));
        for nothing in ["/ab/2", "/c", "/ab/0/x", "/ab/1/x"] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_no_json_is_said_where_its_reader_stopped() {
        let of = |text: &str| {
            let error = serde_json::from_str::<Json>(text).expect_err("it is none");
            let fault = syntax(&SourceFile::new("s.json", text), text, &error, "write JSON".to_owned());
            (fault.line(), fault.column(), fault.to_string())
        };
        assert_eq!(of("{\n  \"ä\": 1,\n}"), (3, 1, "this is no JSON: trailing comma".to_owned()));
        assert_eq!(of("{ \"ä\" 1 }"), (1, 7, "this is no JSON: expected `:`".to_owned()));
        assert_eq!((of("{").0, of("").0), (1, 1));
    }
}
