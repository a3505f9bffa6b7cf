//! What an issue's body says that it depends on.

use std::sync::LazyLock;

use regex::Regex;

use super::characters::printable;
use crate::model::{IssueNumber, RepoName};

const REFERENCE: &str = r"(?:(?:[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)?#[0-9]{1,9}\b)";

/// Issues that are named one after the other.
static REFERENCES: LazyLock<String> =
    LazyLock::new(|| format!(r"{REFERENCE}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s+){REFERENCE})*"));
/// `depends on #1, #2 and o/r#3`; what says that it does not is left alone.
static PHRASE: LazyLock<Regex> = LazyLock::new(|| {
    super::pattern(&format!(
        r"(?i)(?P<not>\b(?:not|never|no longer)\s+|n't\s+)?\b(?:depends\s+on|blocked\s+by)\b\**\s*:?\**\s*(?P<issues>{})",
        *REFERENCES
    ))
});
/// A section's heading, with `#`, bold, or as a line that ends with a colon.
static SECTION: LazyLock<Regex> = LazyLock::new(|| {
    super::pattern(
        r"(?i)^(?: {0,3}#{1,6}\s+(?:\*\*)?(?:depends\s+on|blocked\s+by|dependencies)\s*:?\s*(?:\*\*)?\s*:?\s*#*|\s*\*\*(?:depends\s+on|blocked\s+by|dependencies)\s*:?\*\*\s*:?|\s*(?:depends\s+on|blocked\s+by|dependencies)\s*:)\s*$",
    )
});
static HEADING: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"^ {0,3}#{1,6}(?:\s|$)"));
/// An item of a section's list that begins with issues.
static ITEM: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(&format!(r"^\s*(?:[-*+]|[0-9]{{1,9}}[.)])\s+(?:\[[ xX]\]\s+)?(?P<issues>{})", *REFERENCES)));
static ONE: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?:([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+))?#([0-9]{1,9})"));
static COMMENT: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?s)<!--.*?(?:-->|\z)"));
static CODE_SPAN: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"``[^\n]*?``|`[^`\n]*`|~~[^~\n]*~~"));
static FENCE: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"^[\s>]*(?:[-*+]\s+)?(`{3,}|~{3,})"));

/// The issues that a body names as those it waits for, each once, in the order of the text; without a repository it is the issue's own.
/// Read are `depends on #N` and `blocked by #N` and the lists of sections `Depends on`, `Blocked by`, `Dependencies`; not read is what
/// stands in code, in HTML comments or struck through.
pub fn dependencies(body: &str) -> Vec<(Option<RepoName>, IssueNumber)> {
    let text = outside_code(&printable(body));
    let mut found = Vec::new();
    for phrase in PHRASE.captures_iter(&text) {
        if phrase.name("not").is_none() {
            take(phrase.name("issues").map_or("", |m| m.as_str()), &mut found);
        }
    }
    let mut in_section = false;
    for line in text.lines() {
        if SECTION.is_match(line) {
            in_section = true;
        } else if HEADING.is_match(line) {
            in_section = false;
        } else if in_section && let Some(item) = ITEM.captures(line) {
            take(item.name("issues").map_or("", |m| m.as_str()), &mut found);
        }
    }
    found
}

fn take(issues: &str, found: &mut Vec<(Option<RepoName>, IssueNumber)>) {
    for one in ONE.captures_iter(issues) {
        let repo = one.get(1).map(|name| name.as_str().parse::<RepoName>());
        let number = one.get(2).and_then(|n| n.as_str().parse::<u64>().ok());
        let (Some(number), Ok(repo)) = (number, repo.transpose()) else { continue };
        let issue = (repo, IssueNumber(number));
        if number > 0 && !found.contains(&issue) {
            found.push(issue);
        }
    }
}

/// The text without what stands in code, in HTML comments or struck through.
pub(super) fn outside_code(text: &str) -> String {
    CODE_SPAN.replace_all(&without_hidden(text), " ").into_owned()
}

/// The text without fenced blocks and HTML comments.
pub(super) fn without_hidden(text: &str) -> String {
    COMMENT.replace_all(&without_blocks(text), " ").into_owned()
}

/// The lines of a text, each with its end and with whether it is seen: in no fenced block, and not begun in an HTML comment.
pub(super) fn seen_lines(text: &str) -> Vec<(&str, bool)> {
    let hidden: Vec<(usize, usize)> = COMMENT.find_iter(text).map(|found| (found.start(), found.end())).collect();
    let (mut at, mut lines) = (0, Vec::new());
    let mut blocks = Blocks::default();
    for line in text.split_inclusive('\n') {
        let commented = hidden.iter().any(|(start, end)| *start <= at && at < *end);
        lines.push((line, blocks.shows(line) && !commented));
        at += line.len();
    }
    lines
}

/// The text without fenced blocks, wherever they are indented.
fn without_blocks(text: &str) -> String {
    let mut blocks = Blocks::default();
    text.split_inclusive('\n').filter(|line| blocks.shows(line)).collect()
}

/// Going through lines, the fence of the block that is open.
#[derive(Default)]
struct Blocks {
    open: Option<String>,
}

impl Blocks {
    /// Whether the next line stands in no block, and is no fence.
    fn shows(&mut self, line: &str) -> bool {
        let fence = FENCE.captures(line).and_then(|f| f.get(1)).map(|f| f.as_str());
        match (&self.open, fence) {
            (None, None) => return true,
            (None, Some(fence)) => self.open = Some(fence.to_owned()),
            (Some(begun), Some(fence)) if fence.starts_with(begun.as_str()) => self.open = None,
            (Some(_), _) => {}
        }
        false
    }
}
