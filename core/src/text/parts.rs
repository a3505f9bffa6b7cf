//! What an issue's body says of what it is part of, and of what is part of it.

use std::sync::LazyLock;

use regex::Regex;

use super::characters::printable;
use super::dependencies::{outside_code, seen_lines};
use crate::model::IssueNumber;

/// How the body of an issue begins that we filed as a part of another.
static PART: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"^Part of #([0-9]{1,9})\."));
/// A task that is an issue of the same repository; whether it is ticked does not count.
static TASK: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(r"(?m)^(?P<before>\s*[-*+]\s+\[)(?P<mark>[ xX])\]\s+#(?P<number>[0-9]{1,9})\b"));

/// The issue that this one is part of, in our own first words.
pub fn part_of(body: &str) -> Option<IssueNumber> {
    number(PART.captures(body)?.get(1)?.as_str())
}

/// The issues that a body lists as tasks, outside of code and comments.
pub fn tasks(body: &str) -> Vec<IssueNumber> {
    task_lines(body).into_iter().map(|(issue, _)| issue).collect()
}

/// The same, each with whether its line is ticked.
pub fn task_lines(body: &str) -> Vec<(IssueNumber, bool)> {
    let text = outside_code(&printable(body));
    let task = |task: regex::Captures<'_>| Some((number(&task["number"])?, &task["mark"] != " "));
    TASK.captures_iter(&text).filter_map(task).collect()
}

/// The body with the lines ticked that list these issues as tasks, and nothing else changed; none where nothing is to be changed.
pub fn ticked(body: &str, issues: &[IssueNumber]) -> Option<String> {
    let tick = |(line, seen): (&str, bool)| {
        let task = TASK.captures(line).filter(|_| seen)?;
        let ours = &task["mark"] == " " && number(&task["number"]).is_some_and(|number| issues.contains(&number));
        let mark = task.name("mark").filter(|_| ours)?;
        Some(format!("{}x{}", &line[..mark.start()], &line[mark.end()..]))
    };
    let lines: Vec<(&str, Option<String>)> = seen_lines(body).into_iter().map(|line| (line.0, tick(line))).collect();
    let any = lines.iter().any(|(_, ticked)| ticked.is_some());
    any.then(|| lines.into_iter().map(|(line, ticked)| ticked.unwrap_or_else(|| line.to_owned())).collect())
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
        assert_eq!(task_lines(body), [(IssueNumber(4), false), (IssueNumber(5), true), (IssueNumber(9), true)]);
    }

    #[test]
    fn a_line_is_ticked_and_nothing_else_changes() {
        let body = "Über <b>alles</b>\r\n- [ ] #4 first\r\n* [ ] #44\n```\n- [ ] #4\n```\n<!--\n- [ ] #4\n-->\n  + [ ] #5 end";
        let done = ticked(body, &[4, 5].map(IssueNumber)).expect("a change");
        assert_eq!(done, body.replacen("- [ ] #4 first", "- [x] #4 first", 1).replace("+ [ ] #5", "+ [x] #5"));
        assert_eq!(ticked(&done, &[4, 5].map(IssueNumber)), None, "it is ticked once");
        assert_eq!(ticked(body, &[IssueNumber(9)]), None);
    }
}
