//! Lists that the body of an issue keeps under a name, such as the files that it is about.
//!
//! A list stands below a heading (`## File targets`), a line in bold (`**File targets**`) or a line `file_targets:`; whether its words are
//! parted by `_`, `-` or a space, and written small or large, does not count. It is made of the items of a list, ticked or not, and ends at
//! the next heading, the next line of such a kind, or the first other text behind an item. Behind the colon it may stand on the line itself,
//! parted by commas, in brackets or not. What stands in fenced code or in an HTML comment is not read.

use std::sync::LazyLock;

use regex::Regex;

use super::characters::printable;
use super::clean::clean;
use super::dependencies::without_hidden;

/// Items that are read, and how long one may be, in characters.
const ITEMS: usize = 30;
const ITEM: usize = 300;

/// A line that begins a list, with what it is called and what stands behind the colon.
static BEGIN: LazyLock<Regex> = LazyLock::new(|| {
    super::pattern(
        r"^(?: {0,3}#{1,6}\s+(?:\*\*)?(?P<heading>[A-Za-z][A-Za-z _-]{0,40}?)(?:\*\*)?\s*:?\s*(?:\*\*)?\s*#*\s*|\s*\*\*(?P<bold>[A-Za-z][A-Za-z _-]{0,40}?)\s*:?\*\*\s*:?\s*|\s*(?P<key>[A-Za-z][A-Za-z _-]{0,40}?)\s*:(?P<rest>.*))$",
    )
});
static LIST_ITEM: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(r"^\s*(?:[-*+]|[0-9]{1,9}[.)])\s+(?:\[[ xX]\]\s+)?(?P<item>.*\S)\s*$"));
static HEADING: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"^ {0,3}#{1,6}(?:\s|$)"));

/// The items that a body lists under a name, `file targets`: in words of small letters parted by spaces.
pub fn listed(body: &str, name: &str) -> Vec<String> {
    let text = without_hidden(&printable(body));
    let mut found = Vec::new();
    // Inside its list, and whether an item was read there.
    let mut inside: Option<bool> = None;
    for line in text.lines() {
        if let Some(item) = LIST_ITEM.captures(line) {
            if inside.is_some() {
                inside = Some(true);
                found.push(item["item"].to_owned());
            }
        } else if let Some(begin) = BEGIN.captures(line) {
            let called = ["heading", "bold", "key"].into_iter().find_map(|group| begin.name(group)).map_or("", |m| m.as_str());
            inside = (plain(called) == name).then_some(false);
            if let Some(rest) = begin.name("rest").filter(|rest| inside.is_some() && !rest.as_str().trim().is_empty()) {
                found.extend(on_the_line(rest.as_str()));
                inside = None;
            }
        } else if HEADING.is_match(line) || (inside == Some(true) && !line.trim().is_empty() && !line.starts_with([' ', '\t'])) {
            inside = None;
        }
    }
    let bare = |item: String| {
        let item = clean(&item);
        let item = item.trim().trim_matches(|c| matches!(c, '`' | '"')).trim();
        item.chars().take(ITEM).collect::<String>()
    };
    found.into_iter().map(bare).filter(|item| !item.is_empty()).take(ITEMS).collect()
}

fn on_the_line(rest: &str) -> Vec<String> {
    let rest = rest.trim();
    let rest = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(rest);
    rest.split(',').map(|item| item.trim().to_owned()).collect()
}

fn plain(name: &str) -> String {
    name.to_ascii_lowercase().split(['_', '-', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_below_its_name() {
        let expected = ["src/a.rs", "src/b.rs: the sum"];
        for begin in ["## File targets", "file_targets:", "**File targets**", "**File-Targets:**", "### File targets:"] {
            let body = format!("It adds.\n\n{begin}\n\n- `src/a.rs`\n- [x] src/b.rs: the sum\n\nMore.\n- not this\n");
            assert_eq!(listed(&body, "file targets"), expected, "{begin}");
            assert!(listed(&body, "acceptance criteria").is_empty(), "{begin}");
        }
        for line in ["file_targets: src/a.rs, `src/b.rs: the sum`", "File targets: [\"src/a.rs\", src/b.rs: the sum]"] {
            assert_eq!(listed(&format!("{line}\n- not this"), "file targets"), expected, "{line}");
        }
        let both =
            "file_targets:\n  - a.rs\nacceptance_criteria:\n  1. 2 and 2 gives 4\n  2. nothing else changes\n## Notes\n- no";
        assert_eq!(listed(both, "file targets"), ["a.rs"]);
        assert_eq!(listed(both, "acceptance criteria"), ["2 and 2 gives 4", "nothing else changes"]);
    }

    #[test]
    fn what_is_hidden_or_long_is_not_read() {
        let hidden = "```\nfile_targets:\n- a.rs\n```\n<!-- file_targets:\n- b.rs -->\nfile_targets:\n- c.rs\n";
        assert_eq!(listed(hidden, "file targets"), ["c.rs"]);
        let many = format!("file_targets:\n{}", "- x\n".repeat(100));
        assert_eq!(listed(&many, "file targets").len(), ITEMS);
        let long = format!("file_targets:\n- {}\n", "x".repeat(1_000));
        assert_eq!(listed(&long, "file targets")[0].len(), ITEM);
    }
}
