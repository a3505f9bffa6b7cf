//! The text of an expression: its tokens, what bounds it, and where its parts stand.
//!
//! CEL's own reader gives the place of operators only, has messages for those who know its grammar, and goes as deep as the text does. So the text is
//! cut into tokens here first: what is too long, too deep or no token at all never reaches that reader, and the rest of its complaints are told anew.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::{Env, ParseErrors};

use super::{MAX_BYTES, MAX_NESTING, Mistake};

/// A text that was read.
pub(super) struct Source<'s> {
    text: &'s str,
    tokens: Vec<Range<usize>>,
    /// For each bracket the one that it belongs to.
    partners: Vec<Option<usize>>,
    info: Rc<SourceInfo>,
}

/// What was read of a text.
type Parsed = (IdedExpr, Rc<SourceInfo>);

thread_local! {
    /// Formulas that share steps share expressions, and one of a run is asked again and again. By language and text.
    static PARSED: RefCell<BTreeMap<(usize, String), Parsed>> = RefCell::default();
}

/// How many are kept at most.
const KEPT: usize = 512;

/// Reads a text: what it says, and where.
pub(super) fn read<'s>(text: &'s str, env: &Env) -> Result<(IdedExpr, Source<'s>), Vec<Mistake>> {
    let tokens = tokens(text).map_err(|mistake| vec![mistake])?;
    let partners = brackets(text, &tokens).map_err(|mistake| vec![mistake])?;
    let mut source = Source { text, tokens, partners, info: Rc::default() };
    // The languages are statics.
    let key = (std::ptr::from_ref(env).addr(), text.to_owned());
    if let Some((expression, info)) = PARSED.with_borrow(|known| known.get(&key).cloned()) {
        source.info = info;
        return Ok((expression, source));
    }
    match env.parser().parse_with_source_info(text) {
        Ok((expression, info)) => {
            source.info = Rc::new(info);
            PARSED.with_borrow_mut(|known| {
                if known.len() >= KEPT {
                    known.clear();
                }
                known.insert(key, (expression.clone(), source.info.clone()));
            });
            Ok((expression, source))
        }
        Err(errors) => Err(vec![source.complaint(&errors)]),
    }
}

/// The tokens of a text, or the first thing in it that is none.
fn tokens(text: &str) -> Result<Vec<Range<usize>>, Mistake> {
    if text.trim().is_empty() {
        return Err(Mistake::new(0..text.len(), "there is no expression here"));
    }
    if text.len() > MAX_BYTES {
        let message = format!("an expression has at most {MAX_BYTES} bytes, this one has {}", text.len());
        return Err(Mistake::new(0..text.len(), message)
            .help("let an agent or a command of a step before it find out, and ask for its output"));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_ascii_whitespace() {
            at += 1;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            let length = token(text, at)?;
            tokens.push(at..at + length);
            at += length;
        }
    }
    Ok(tokens)
}

/// The length of the token at a place.
fn token(text: &str, at: usize) -> Result<usize, Mistake> {
    let rest = &text[at..];
    if let Some(length) = quoted(text, at)? {
        return Ok(length);
    }
    let bytes = rest.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    match bytes[0] {
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => Ok(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())),
        b'0'..=b'9' => Ok(number(bytes)),
        b'.' if digit(1) => Ok(number(bytes)),
        b'=' | b'!' | b'<' | b'>' if bytes.get(1) == Some(&b'=') => Ok(2),
        b'&' | b'|' if bytes.get(1) == Some(&bytes[0]) => Ok(2),
        b'.' | b',' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'?' | b':' | b'+' | b'-' | b'*' | b'/' | b'%' | b'!' | b'<'
        | b'>' => Ok(1),
        _ => Err(stray(rest, at)),
    }
}

fn number(bytes: &[u8]) -> usize {
    let mut at = 0;
    let digits = |at: &mut usize| {
        while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1
        }
    };
    if bytes[0] == b'0' && matches!(bytes.get(1), Some(b'x')) {
        return 2 + bytes[2..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    }
    digits(&mut at);
    if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        at += 1;
        digits(&mut at);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            at += 1 + sign;
            digits(&mut at);
        }
    }
    at + usize::from(matches!(bytes.get(at), Some(b'u' | b'U')))
}

/// The length of the quoted text at a place, its prefix included; none where there is no quote.
fn quoted(text: &str, at: usize) -> Result<Option<usize>, Mistake> {
    let rest = &text[at..];
    let prefix = rest.find(|c: char| !matches!(c, 'r' | 'R' | 'b' | 'B')).unwrap_or(rest.len());
    let Some(quote) = rest[prefix..].chars().next().filter(|c| matches!(c, '\'' | '"')) else { return Ok(None) };
    if prefix > 1 {
        return Err(Mistake::new(at..at + prefix, format!("`{}` cannot stand before a text", &rest[..prefix])));
    }
    let raw = rest[..prefix].contains(['r', 'R']);
    let three = quote.to_string().repeat(3);
    let (open, close) = if rest[prefix..].starts_with(&three) { (prefix + 3, three.as_str()) } else { (prefix + 1, &three[..1]) };
    let mut inside = open;
    loop {
        let here = &rest[inside..];
        match here.chars().next() {
            _ if here.starts_with(close) => return Ok(Some(inside + close.len())),
            Some('\n' | '\r') if close.len() == 1 => return Err(unclosed(at, open)),
            Some('\\') if !raw => inside += escape(here, at + inside)?,
            Some(c) => inside += c.len_utf8(),
            None => return Err(unclosed(at, open)),
        }
    }
}

fn unclosed(at: usize, open: usize) -> Mistake {
    Mistake::new(at..at + open, "this text is not closed").help("end it with the quote that it begins with")
}

/// The length of an escape.
fn escape(here: &str, at: usize) -> Result<usize, Mistake> {
    let bytes = here.as_bytes();
    let all = |range: Range<usize>, right: fn(&u8) -> bool| bytes.get(range).is_some_and(|digits| digits.iter().all(right));
    let hex: fn(&u8) -> bool = u8::is_ascii_hexdigit;
    match bytes.get(1) {
        Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'?' | b'"' | b'\'' | b'`') => Ok(2),
        Some(b'x' | b'X') if all(2..4, hex) => Ok(4),
        Some(b'u') if all(2..6, hex) => Ok(6),
        Some(b'U') if all(2..10, hex) => Ok(10),
        Some(b'0'..=b'3') if all(2..4, |b| matches!(b, b'0'..=b'7')) => Ok(4),
        _ => {
            let length = 1 + here.chars().nth(1).map_or(0, char::len_utf8);
            let message = format!("`{}` is no escape", &here[..length]);
            Err(Mistake::new(at..at + length, message)
                .help("a backslash is written `\\\\`, or put an `r` before the quote: `r'\\d+'`"))
        }
    }
}

/// A character that begins no token.
fn stray(rest: &str, at: usize) -> Mistake {
    let first = rest.chars().next().unwrap_or_default();
    let help = match first {
        '=' => "compare with `==`",
        '&' => "`and` is written `&&`",
        '|' => "`or` is written `||`",
        '“' | '”' | '‘' | '’' => "put texts into straight quotes, `'` or `\"`",
        c if c.is_alphabetic() => "names are made of a to z, digits and `_`; another field is asked for with `['its name']`",
        _ => "an expression is made of names, texts in quotes, numbers, operators and brackets",
    };
    Mistake::new(at..at + first.len_utf8(), format!("`{first}` cannot stand here")).help(help)
}

/// Which brackets belong together; too many in each other are a mistake.
fn brackets(text: &str, tokens: &[Range<usize>]) -> Result<Vec<Option<usize>>, Mistake> {
    let mut partners = vec![None; tokens.len()];
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut questions = 0;
    for (at, span) in tokens.iter().enumerate() {
        let closer = match &text[span.clone()] {
            "(" => ")",
            "[" => "]",
            "{" => "}",
            close @ (")" | "]" | "}") => {
                let Some((opener, _)) = open.pop().filter(|(_, expected)| *expected == close) else {
                    return Err(Mistake::new(span.clone(), format!("`{close}` closes nothing")));
                };
                partners[opener] = Some(at);
                partners[at] = Some(opener);
                continue;
            }
            "?" => {
                questions += 1;
                if questions > MAX_NESTING {
                    return Err(Mistake::new(span.clone(), format!("an expression has at most {MAX_NESTING} `? :`")));
                }
                continue;
            }
            _ => continue,
        };
        open.push((at, closer));
        if open.len() > MAX_NESTING {
            return Err(Mistake::new(span.clone(), format!("brackets stand at most {MAX_NESTING} deep in each other")));
        }
    }
    match open.pop() {
        Some((at, close)) => {
            let span = tokens[at].clone();
            Err(Mistake::new(span.clone(), format!("`{}` is not closed", &text[span])).help(format!("a `{close}` is missing")))
        }
        None => Ok(partners),
    }
}

impl Source<'_> {
    /// The source of a part.
    pub(super) fn text(&self, span: Range<usize>) -> &str {
        &self.text[span]
    }

    pub(super) fn whole(&self) -> Range<usize> {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..self.text.len(),
        }
    }

    /// The token that an expression is known by: its operator, its dot, its opening bracket, or what it is.
    pub(super) fn token_of(&self, expression: &IdedExpr) -> Option<usize> {
        let (at, _) = self.info.offset_for(expression.id)?;
        let at = at as usize;
        self.tokens.binary_search_by_key(&at, |token| token.start).ok()
    }

    /// The place of a token, counted from another one.
    pub(super) fn near(&self, token: usize, by: isize) -> Option<Range<usize>> {
        self.tokens.get(token.checked_add_signed(by)?).cloned()
    }

    /// The text of a token, counted from another one.
    pub(super) fn word(&self, token: usize, by: isize) -> &str {
        self.near(token, by).map_or("", |span| &self.text[span])
    }

    /// Where the bracket that a token opens is closed.
    pub(super) fn closing(&self, token: usize) -> Option<usize> {
        let partner = self.partners.get(token).copied().flatten()?;
        Some(self.tokens[partner].end)
    }

    /// A span with the brackets that stand around it and nothing else.
    pub(super) fn bracketed(&self, mut span: Range<usize>) -> Range<usize> {
        loop {
            let before = self.tokens.partition_point(|token| token.end <= span.start).checked_sub(1);
            let after = self.tokens.partition_point(|token| token.start < span.end);
            match before {
                Some(before) if self.word(before, 0) == "(" && self.partners[before] == Some(after) => {
                    span = self.tokens[before].start..self.tokens[after].end;
                }
                _ => return span,
            }
        }
    }

    /// The first of the reader's complaints, in our words.
    fn complaint(&self, errors: &ParseErrors) -> Mistake {
        let Some(first) = errors.errors.first() else { return Mistake::new(self.whole(), "this cannot be read") };
        let Some(at) = self.token_at(first.pos) else { return self.too_early() };
        let span = self.tokens[at].clone();
        let word = self.word(at, 0);
        if first.msg.starts_with("reserved identifier") {
            let help = if word == "if" { "write `condition ? this : that`" } else { "call it something else" };
            return Mistake::new(span, format!("`{word}` is a word of the language and no name")).help(help);
        }
        if first.msg.starts_with("invalid") {
            return Mistake::new(span, format!("`{word}` is too large or not well formed"));
        }
        if first.msg.contains("unsupported syntax") {
            return Mistake::new(span, "optional values are not part of formulas").help("ask with `has(..)` whether it is there");
        }
        let mistake = Mistake::new(span, format!("`{word}` cannot stand here"));
        let help = match (self.word(at, -1), word) {
            (_, "and") => "`and` is written `&&`",
            (_, "or") => "`or` is written `||`",
            ("not", _) => "`not` is written `!`",
            (_, "is") => "compare with `==`",
            (_, "not") => "`not in` is written `!(x in list)`",
            ("<", ">") => "`is not` is written `!=`",
            ("{", "{") | ("}", "}") | (_, "}") if self.text.contains("{{") => {
                "names stand as they are in an expression, without `{{ }}`"
            }
            _ => return mistake,
        };
        mistake.help(help)
    }

    fn too_early(&self) -> Mistake {
        let last = self.tokens.last().cloned().unwrap_or(0..self.text.len());
        let message = format!("the expression ends too early, after `{}`", self.text(last.clone()));
        Mistake::new(last, message)
    }

    /// The token at a line and a column in characters, both from 1; none at the end.
    fn token_at(&self, (line, column): (isize, isize)) -> Option<usize> {
        let line = usize::try_from(line - 1).ok()?;
        let begin: usize = self.text.split_inclusive('\n').take(line).map(str::len).sum();
        let character = usize::try_from(column - 1).ok()?;
        let at = begin + self.text[begin..].char_indices().nth(character)?.0;
        self.tokens.iter().position(|token| token.contains(&at))
    }
}
