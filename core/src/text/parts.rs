//! What an issue's body says of what it is part of, and of what is part of it.

use std::sync::LazyLock;

use regex::Regex;

use super::characters::printable;
use super::dependencies::outside_code;
use crate::model::IssueNumber;

/// How the body of an issue begins that we filed as a part of another.
static PART: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"^Part of #(\d{1,9})\."));
/// A task that is an issue of the same repository; whether it is ticked does not count.
static TASK: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?m)^\s*[-*+]\s+\[[ xX]\]\s+#(\d{1,9})\b"));

/// The issue that this one is part of, in our own first words.
pub fn part_of(body: &str) -> Option<IssueNumber> {
    number(PART.captures(body)?.get(1)?.as_str())
}

/// The issues that a body lists as tasks, outside of code and comments.
pub fn tasks(body: &str) -> Vec<IssueNumber> {
    let text = outside_code(&printable(body));
    TASK.captures_iter(&text).filter_map(|task| number(task.get(1)?.as_str())).collect()
}

fn number(text: &str) -> Option<IssueNumber> {
    text.parse().ok().filter(|number| *number > 0).map(IssueNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_where_they_are_meant() {
        assert_eq!(part_of("Part of #12. Depends on #3.\n\nMore."), Some(IssueNumber(12)));
        for other in ["It is Part of #12.", "> Part of #12.", "Part of #0.", "Part of o/r#12.", ""] {
            assert_eq!(part_of(other), None, "{other}");
        }
        let body =
            "- [ ] #4 first\n* [x] #5\n- #6\n```\n- [ ] #7\n```\n<!-- - [ ] #8 -->\n  - [X] #9\n- [ ] o/r#10\n- [ ] see #11";
        assert_eq!(tasks(body), [4, 5, 9].map(IssueNumber));
    }
}
