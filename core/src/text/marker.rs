//! The marker of an effect in what it leaves behind on the forge: an HTML comment on the last line, not shown on the page.
//!
//! By it a comment or a pull request is found again without the journal. Who wrote it must be checked as well: anybody can copy a marker.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::{EffectKey, Subject};

static MARKER: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?m)^[ \t]*<!-- forgehand:(\S+) -->[ \t]*\r?$\n?"));

static ONCE: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?m)^[ \t]*<!-- forgehand-once:(\S+) -->[ \t]*\r?$\n?"));

/// Between these marks a pull request tells its tier. Nothing that an agent wrote holds one: its HTML comments are broken.
const TIER: (&str, &str) = ("<!-- forgehand-tier -->", "<!-- /forgehand-tier -->");

/// The word in the key of the triage breakdown.
pub const BREAKDOWN: &str = "comment";

/// The word in the key of a comment that a step proposes.
pub const NOTE: &str = "note";

/// The word in the key of a status comment.
pub const STATUS: &str = "status";

/// The word of the effect on an issue that wrote a comment, by its marker. Whose the comment is must be checked as well.
pub fn marked_as(body: &str, subject: &Subject) -> Option<String> {
    Some(find_marker(body)?.parts(subject)?.word)
}

/// The marker of an effect, to be put on a line of its own at the end.
pub fn marker(key: &EffectKey) -> String {
    format!("<!-- forgehand:{} -->", shown(key.as_str()))
}

/// The mark of what is filed once about a subject under a name: it holds for every run, also where the journal is lost.
pub fn once_marker(subject: &Subject, name: &str) -> String {
    format!("<!-- forgehand-once:{} -->", shown(&once(subject, name)))
}

/// Whether a text carries that mark on a line of its own.
pub fn is_once(body: &str, subject: &Subject, name: &str) -> bool {
    let wanted = shown(&once(subject, name));
    ONCE.captures_iter(body).any(|found| found.get(1).is_some_and(|found| found.as_str() == wanted))
}

/// The name under which something was filed once about a subject, by its mark; whose text it is must be checked as well.
pub fn filed_as(body: &str, subject: &Subject) -> Option<String> {
    let key = read(ONCE.captures_iter(body).last()?.get(1)?.as_str())?;
    key.strip_prefix(&once(subject, "")).map(str::to_owned)
}

/// Without the repository, which may be renamed.
fn once(subject: &Subject, name: &str) -> String {
    format!("{}/{name}", subject.issue)
}

fn shown(key: &str) -> String {
    let mut shown = String::new();
    for c in key.chars() {
        // `%` as well, so that it can be undone; nothing that could end the comment is left.
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '#') {
            shown.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|b| shown.push_str(&format!("%{b:02x}")));
        }
    }
    shown
}

/// The key of the last marker that stands on a line of its own.
pub fn find_marker(body: &str) -> Option<EffectKey> {
    read(MARKER.captures_iter(body).last()?.get(1)?.as_str()).map(EffectKey)
}

/// What was shown.
fn read(shown: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(shown.len());
    let mut rest = shown.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The body of a pull request with this told of its tier, in the place of what is told there; where nothing is, at its end.
pub fn with_tier(body: &str, told: &str) -> String {
    let (begin, end) = TIER;
    let told = format!("{begin}\n{told}\n{end}");
    let there = body.rfind(begin).and_then(|from| Some((from, from + body.get(from..)?.find(end)? + end.len())));
    if let Some((from, to)) = there {
        return [body.get(..from), Some(&told), body.get(to..)].into_iter().flatten().collect();
    }
    match MARKER.find_iter(body).last() {
        Some(last) => {
            let (before, marker) = body.split_at(last.start());
            format!("{}\n\n{told}\n\n{marker}", before.trim_end())
        }
        None => format!("{}\n\n{told}", body.trim_end()),
    }
}

/// The text without markers, as people see it.
pub fn strip_marker(body: &str) -> String {
    ONCE.replace_all(&MARKER.replace_all(body, ""), "").trim_end().to_owned()
}
