//! What an agent wrote, made fit to stand in a comment or a pull request of ours.
//!
//! Promises: nobody is called, no issue is closed or reopened, no HTML is left, and nothing that follows can be swallowed by a fence or a
//! block that was left open. The zero-width space that does it is taken out again by [`super::clean`] when the text is read back.

use std::sync::LazyLock;

use regex::Regex;

use super::characters::{cut, printable};
use super::clean::clean;
use super::neutral::neutral;
use super::segments::{Segment, segments};

const LINE_LIMIT: usize = 400;

/// A fence at any place where a line may begin one.
static FENCE: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?m)^((?:[ \t>*+-]|[0-9]{1,9}[.)])*)(`{3,}|~{3,})"));
static TAG: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"<([A-Za-z/!?])"));

/// Markdown of an agent as a block of its own.
pub fn prose(text: &str) -> String {
    let text = cut(&clean(text), super::COMMENT_LIMIT);
    let mut whole = String::with_capacity(text.len());
    for segment in segments(&text) {
        match segment {
            Segment::Code { range, open } => {
                let block = text.get(range).unwrap_or_default();
                // A marker of ours in a block of code must not pass for one.
                whole.push_str(&block.replace("<!--", "<!\u{200b}--"));
                if let Some(fence) = open {
                    whole.push_str(if block.ends_with('\n') { "" } else { "\n" });
                    whole.push_str(&fence);
                }
            }
            Segment::Text(range) | Segment::Comment { range, .. } => {
                let plain = neutral(text.get(range).unwrap_or_default());
                let plain = TAG.replace_all(&plain, "&lt;$1");
                // Other fences than those at column 0 may or may not be seen by the forge.
                whole.push_str(&FENCE.replace_all(&plain, "$1\\$2"));
            }
        }
    }
    whole.trim_end().to_owned()
}

/// An agent's words on a line of their own, such as a title or an item of a list.
pub fn line(text: &str) -> String {
    let words = clean(text);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    neutral(&shortened(&words))
}

/// A path, a command or another name as a piece of code within a line.
pub fn code(text: &str) -> String {
    let text = shortened(&printable(text).split_whitespace().collect::<Vec<_>>().join(" "));
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.is_empty() || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// What a program printed, as a block of code that nothing in it can end, and that calls nobody wherever it is read.
pub fn block(text: &str) -> String {
    let text = neutral(printable(text).trim_end()).replace("<!--", "<!\u{200b}--");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}text\n{text}\n{fence}")
}

fn shortened(text: &str) -> String {
    if text.len() <= LINE_LIMIT {
        return text.to_owned();
    }
    let kept = text.get(..text.floor_char_boundary(LINE_LIMIT)).unwrap_or_default();
    format!("{} \u{2026}", kept.trim_end())
}
