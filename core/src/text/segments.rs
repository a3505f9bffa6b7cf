//! Where a Markdown text is code for certain, and where it is an HTML comment.
//!
//! A fence counts only where no reading of CommonMark could see something else: at column 0, outside HTML blocks. Known trick: a fence that
//! we see and the forge does not (in an HTML block, or in a list that ended) would let a comment that people do not see pass as code.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// A stretch of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Ordinary Markdown.
    Text(Range<usize>),
    /// A fenced block, its fences included. `closed` tells whether it has an end of its own.
    Code {
        /// Its bytes.
        range: Range<usize>,
        /// Its closing fence is there; otherwise the fence that would close it.
        open: Option<String>,
    },
    /// An HTML comment, or one that does not end and hides all that follows.
    Comment {
        /// Its bytes.
        range: Range<usize>,
        /// It has an end.
        closed: bool,
    },
}

static TAG: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"<[A-Za-z/!?]"));
/// What begins an HTML block that a blank line does not end.
static LONG_BLOCK: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?i)<(?:pre|script|style|textarea|[!?])"));
/// What may stand before a block in its line: blanks and the marks of quotes and lists.
static BLOCK_START: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"^(?:[ \t>*+-]|[0-9]{1,9}[.)])*$"));

/// A code fence that is open.
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = line.chars().take_while(|c| *c == mark).count();
        let info = line.trim_start_matches(mark);
        (length >= 3 && !(mark == '`' && info.contains('`'))).then_some(Self { mark, length })
    }

    fn closed_by(&self, line: &str) -> bool {
        let bare = line.trim_start_matches(' ');
        let run = bare.chars().take_while(|c| *c == self.mark).count();
        line.len() - bare.len() <= 3 && run >= self.length && bare.trim_start_matches(self.mark).trim().is_empty()
    }
}

/// The text in stretches, in order and without gaps.
pub(super) fn segments(text: &str) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut at = 0; // the line that is looked at
    let mut plain = 0; // where the stretch of ordinary text began
    let mut in_html = false;
    let mut doubtful = false; // from here on no fence is certain
    let mut endless = false; // no comment ends from here on: looked for once, so that many beginnings do not cost a search each
    while at < text.len() {
        let line = line_at(text, at);
        // What is left of a line behind a comment is neither a blank line nor the place of a fence.
        let whole = text.get(..at).is_none_or(|before| before.is_empty() || before.ends_with('\n'));
        if line.trim().is_empty() {
            in_html &= !whole;
        } else if let (true, false, false, Some(fence)) = (whole, in_html, doubtful, Fence::opened_by(line)) {
            let (end, open) = code_end(text, at + line.len(), &fence);
            push_text(&mut found, plain..at);
            found.push(Segment::Code { range: at..end, open });
            (at, plain) = (end, end);
            continue;
        } else if let Some(start) = line.find("<!--") {
            let start = at + start;
            let before = text.get(at..start).unwrap_or_default();
            let rest = text.get(start + 2..).filter(|_| !endless);
            let end = rest.and_then(|rest| rest.find("-->")).map(|end| start + 2 + end + 3);
            endless = end.is_none();
            let hides = in_html || doubtful || BLOCK_START.is_match(before) || TAG.is_match(before);
            match end {
                Some(end) => {
                    push_text(&mut found, plain..start);
                    found.push(Segment::Comment { range: start..end, closed: true });
                    let in_line = end <= at + line.len();
                    doubtful |= !in_line && start != at;
                    in_html |= TAG.is_match(before);
                    (at, plain) = (end, end);
                    continue;
                }
                None if hides => {
                    push_text(&mut found, plain..start);
                    found.push(Segment::Comment { range: start..text.len(), closed: false });
                    return found;
                }
                // Without an end and within a paragraph it is shown as it stands.
                None => doubtful = true,
            }
        } else if TAG.is_match(line) {
            in_html = true;
            doubtful |= LONG_BLOCK.is_match(line);
        }
        at += line.len();
    }
    push_text(&mut found, plain..text.len());
    found
}

/// Where a block that was opened ends, and the fence that it lacks.
fn code_end(text: &str, mut at: usize, fence: &Fence) -> (usize, Option<String>) {
    while at < text.len() {
        let line = line_at(text, at);
        at += line.len();
        if fence.closed_by(line) {
            return (at, None);
        }
    }
    (text.len(), Some(fence.mark.to_string().repeat(fence.length)))
}

/// The rest of the line at a place, its end included.
fn line_at(text: &str, at: usize) -> &str {
    text.get(at..).and_then(|rest| rest.split_inclusive('\n').next()).unwrap_or_default()
}

fn push_text(found: &mut Vec<Segment>, range: Range<usize>) {
    if !range.is_empty() {
        found.push(Segment::Text(range));
    }
}

/// Puts a text together again, what is not code changed by `change`.
pub(super) fn outside_code(text: &str, change: impl Fn(&str) -> String) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut plain = String::new();
    for segment in segments(text) {
        match segment {
            Segment::Code { range, .. } => {
                whole.push_str(&change(&std::mem::take(&mut plain)));
                whole.push_str(text.get(range).unwrap_or_default());
            }
            Segment::Text(range) | Segment::Comment { range, .. } => plain.push_str(text.get(range).unwrap_or_default()),
        }
    }
    whole.push_str(&change(&plain));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<&str> {
        let pieces = segments(text).into_iter().filter_map(|s| match s {
            Segment::Code { range, .. } => text.get(range),
            _ => None,
        });
        pieces.collect()
    }

    #[test]
    fn a_fence_at_column_0_is_code() {
        assert_eq!(code("a\n```rs\nx\n```\nb"), ["```rs\nx\n```\n"]);
        assert_eq!(code("~~~~\n~~~\n"), ["~~~~\n~~~\n"]);
        assert_eq!(code("<!-- fill this in -->\n```\nx\n```\n"), ["```\nx\n```\n"]);
    }

    #[test]
    fn a_fence_that_the_page_may_not_show_is_none() {
        for text in [
            "<div>\n```\n<!-- x -->\n```\n",
            "- a\n  ```\n<!-- x -->\n",
            "<pre>\n\n```\nx\n```\n",
            "a <!--\n\n```\n-->\n```\nx\n",
            "<!-- x -->```\n<!-- y -->\n",
        ] {
            assert_eq!(code(text), [""; 0], "{text}");
        }
    }
}
