//! The filer block of a Markdown file: issues that are filed when somebody says so.
//!
//! It stands between two lines of their own, and is a fence of TOML, so that a page shows it and nothing of it is Markdown:
//!
//! ``````text
//! <!-- filer:begin -->
//! `````toml
//! vision = "owner/name#7"
//!
//! [[issue]]
//! id = "model"
//! title = "What is to be done"
//! labels = []
//! depends_on = []
//! body = """
//! Markdown.
//! """
//! `````
//! <!-- filer:end -->
//! ``````
//!
//! Promises: every mistake is told with its line in the file; a block with a mistake has no issues at all, so that nothing is filed by half.

use std::sync::LazyLock;

use regex::Regex;

use super::read::word;
use crate::document::{Fault, Faults, Table, Value, nearest, read};
use crate::model::{IssueNumber, RepoName, SprintIssue, Subject};

const BEGIN: &str = "<!-- filer:begin -->";
const END: &str = "<!-- filer:end -->";
/// Issues of one block at most.
const MOST: usize = 50;

static FENCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(`{3,}|~{3,})\s*(?:toml)?\s*$").ok());
static VISION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"(?m)^\s*vision\s*=\s*"([^"\n]+)"\s*$"#).ok());

/// What a filer block says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The issue that it is for, where that can be read.
    pub vision: Option<Subject>,
    /// The issues; none where something is wrong.
    pub issues: Vec<SprintIssue>,
    /// What is wrong, a line for each mistake.
    pub wrong: Vec<String>,
}

/// The filer block of a file; none where it has none.
pub fn filer_block(file: &str, text: &str) -> Option<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.iter().position(|line| line.trim() == BEGIN)?;
    let wrong = |line: usize, what: &str| Block { wrong: vec![format!("{file}:{}: {what}", line + 1)], ..Block::default() };
    let fenced = match fenced(&lines, begin) {
        Ok(fenced) => fenced,
        Err((line, what)) => return Some(Block { vision: vision_of(&lines[begin..]), ..wrong(line, &what) }),
    };
    if let Some(second) = lines.iter().skip(fenced.end + 1).position(|line| line.trim() == BEGIN) {
        return Some(wrong(fenced.end + 1 + second, "a file has one filer block, and here begins another"));
    }
    // As many lines as stand before it, so that a mistake is told where it stands in the file.
    let toml = "\n".repeat(fenced.start) + &lines[fenced.clone()].join("\n") + "\n";
    Some(match read(file, &toml, block) {
        Ok((vision, issues)) => Block { vision: Some(vision), issues, wrong: Vec::new() },
        Err(faults) => {
            Block { vision: vision_of(&lines[fenced.clone()]), issues: Vec::new(), wrong: told(&faults, fenced.start) }
        }
    })
}

/// The mistakes, a line for each. What is missing as a whole is told where the fence begins.
fn told(faults: &Faults, fence: usize) -> Vec<String> {
    let line = |fault: &Fault| {
        let hint = fault.hint().map_or(String::new(), |hint| format!(" ({})", hint.replace('\n', " ")));
        let (line, column) = if fault.line() <= fence { (fence, 1) } else { (fault.line(), fault.column()) };
        format!("{}:{line}:{column}: {fault}{hint}", fault.file())
    };
    faults.iter().map(line).collect()
}

/// The lines of the fence between the two comments; else what is wrong, and in which line.
fn fenced(lines: &[&str], begin: usize) -> Result<std::ops::Range<usize>, (usize, String)> {
    let filled = |from: usize| lines.iter().enumerate().skip(from).find(|(_, line)| !line.trim().is_empty());
    let no_fence = |at| (at, format!("behind `{BEGIN}` stands a fence: a line of ```toml"));
    let (open, fence) = filled(begin + 1).ok_or_else(|| no_fence(begin))?;
    let opening = FENCE.as_ref().and_then(|fence_line| fence_line.captures(fence.trim())?.get(1));
    let marks = opening.ok_or_else(|| no_fence(open))?.as_str();
    let closes = |line: &&str| line.trim().len() >= marks.len() && line.trim().chars().all(|c| marks.starts_with(c));
    let close = lines.iter().skip(open + 1).position(closes).map(|at| open + 1 + at);
    let close = close.ok_or_else(|| (open, format!("this fence is never closed: a line of {marks}")))?;
    match filled(close + 1) {
        Some((_, line)) if line.trim() == END => Ok(open + 1..close),
        Some((at, _)) => {
            Err((at, format!("behind the fence stands `{END}`; a fence within a body is shorter than the one around it")))
        }
        None => Err((close, format!("`{END}` is missing"))),
    }
}

fn vision_of(lines: &[&str]) -> Option<Subject> {
    let text = lines.join("\n");
    subject(VISION.as_ref()?.captures(&text)?.get(1)?.as_str())
}

fn subject(text: &str) -> Option<Subject> {
    let (repo, number) = text.rsplit_once('#')?;
    let (repo, number): (RepoName, u64) = (repo.parse().ok()?, number.parse().ok()?);
    (number > 0).then_some(Subject { repo, issue: IssueNumber(number) })
}

fn block(table: &Table<'_>) -> Option<(Subject, Vec<SprintIssue>)> {
    let vision = table.required("vision", "vision = \"owner/name#7\"", |v| {
        let text = v.filled()?;
        let hint = "write the issue that all this is for: \"owner/name#7\"";
        subject(&text).map_or_else(|| v.wrong(format!("`{text}` names no issue"), hint), Some)
    });
    let tables = table.tables("issue");
    if tables.is_empty() && !table.has("issue") {
        table.lacks("issue", "[[issue]]\nid = \"first\"\ntitle = \"What is to be done\"\nbody = \"Why, and when it is done.\"");
    }
    if tables.len() > MOST {
        tables[MOST].wrong(format!("a block has at most {MOST} issues"), "make two sprints of it");
    }
    let ids: Vec<Option<String>> = tables.iter().map(|issue| issue.required("id", "id = \"first\"", word)).collect();
    let issues: Vec<Option<SprintIssue>> = tables.iter().enumerate().map(|(at, table)| issue(table, at, &ids)).collect();
    let sound = issues.iter().all(Option::is_some) && tables.len() <= MOST;
    let issues: Vec<SprintIssue> = issues.into_iter().flatten().collect();
    if let Some(at) = in_circle(&issues).filter(|_| sound) {
        let help = "let one of them begin: take an id out of its `depends_on`";
        tables[at].wrong(format!("`{}` waits for itself, by those that it depends on", issues[at].id), help);
        return None;
    }
    Some((vision?, issues)).filter(|_| sound)
}

fn issue(table: &Table<'_>, at: usize, ids: &[Option<String>]) -> Option<SprintIssue> {
    let id = ids[at].clone();
    if let (Some(value), Some(own)) = (table.value("id"), &id)
        && ids[..at].iter().flatten().any(|other| other == own)
    {
        return value.wrong(format!("two issues are called `{own}`"), "give each an `id` of its own");
    }
    let title = table.required("title", "title = \"What is to be done\"", Value::filled);
    let body = table.required("body", "body = \"Why, and when it is done.\"", Value::filled);
    let labels = table.or("labels", Vec::new(), |v| v.list(Value::filled));
    let known: Vec<&str> = ids.iter().flatten().map(String::as_str).collect();
    let mut found = true;
    let depends_on = table.or("depends_on", Vec::new(), |v| {
        let all = v.list(|item| {
            let text = item.filled()?;
            if known.contains(&text.as_str()) && id.as_ref() != Some(&text) {
                return Some(text);
            }
            let help = nearest(&text, known.iter().copied().filter(|other| Some(*other) != id.as_deref()));
            let help = help.map_or_else(
                || "name the `id` of another issue of this block".to_owned(),
                |right| format!("did you mean \"{right}\"?"),
            );
            item.wrong(format!("`{text}` is no other issue of this block"), help)
        });
        found = all.is_some();
        all
    });
    Some(SprintIssue { id: id?, title: title?, body: body?, labels, depends_on }).filter(|_| found)
}

/// The place of an issue that waits for itself.
fn in_circle(issues: &[SprintIssue]) -> Option<usize> {
    let mut done: Vec<&str> = Vec::new();
    loop {
        let free = |issue: &&SprintIssue| {
            !done.contains(&issue.id.as_str()) && issue.depends_on.iter().all(|before| done.contains(&before.as_str()))
        };
        match issues.iter().find(free) {
            Some(issue) => done.push(&issue.id),
            None => return issues.iter().position(|issue| !done.contains(&issue.id.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(block: &str) -> String {
        format!("# A sprint\n\nText.\n\n{BEGIN}\n````toml\n{block}````\n\n{END}\nmore\n")
    }

    fn wrong(text: &str) -> Vec<String> {
        let block = filer_block("sprints/a.md", text).expect("a block");
        assert!(block.issues.is_empty(), "{block:?}");
        block.wrong
    }

    #[test]
    fn a_block_is_read_with_what_its_bodies_say() {
        let text = file(
            "vision = \"o/r#7\"\n[[issue]]\nid = \"b\"\ntitle = \"B\"\nbody = \"\"\"\nx\n```\ncode\n```\n\"\"\"\ndepends_on = [\"a\"]\nlabels = [\"docs\"]\n\
             [[issue]]\nid = \"a\"\ntitle = \"A\"\nbody = \"y\"\n",
        );
        let block = filer_block("sprints/a.md", &text).expect("a block");
        assert_eq!(block.wrong, Vec::<String>::new());
        assert_eq!(block.vision.expect("a vision").to_string(), "o/r#7");
        let said: Vec<_> = block.issues.iter().map(|i| (i.id.as_str(), i.body.as_str(), i.depends_on.join(","))).collect();
        assert_eq!(said, [("b", "x\n```\ncode\n```\n", "a".to_owned()), ("a", "y", String::new())]);
        assert_eq!(filer_block("a.md", "# Nothing\n"), None);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_in_the_file() {
        let one = "[[issue]]\nid = \"a\"\ntitle = \"A\"\nbody = \"y\"\n";
        let told = wrong(&file(&format!("vision = \"o/r#7\"\n{one}labls = []\n{one}")));
        assert_eq!(
            told,
            [
                "sprints/a.md:12:1: unknown key `labls` in [[issue]] (did you mean `labels`?)",
                "sprints/a.md:14:6: two issues are called `a` (give each an `id` of its own)"
            ]
        );
        let told = wrong(&file(&format!("vision = \"seven\"\n{one}depends_on = [\"b\"]\n")));
        assert_eq!(
            told,
            [
                "sprints/a.md:7:10: `seven` names no issue (write the issue that all this is for: \"owner/name#7\")",
                "sprints/a.md:12:15: `b` is no other issue of this block (name the `id` of another issue of this block)"
            ]
        );
        let circle = "[[issue]]\nid = \"a\"\ntitle = \"A\"\nbody = \"y\"\ndepends_on = [\"b\"]\n[[issue]]\nid = \"b\"\ntitle = \"B\"\nbody = \"y\"\ndepends_on = [\"a\"]\n";
        let told = wrong(&file(&format!("vision = \"o/r#7\"\n{circle}")));
        assert!(told[0].starts_with("sprints/a.md:8:") && told[0].contains("waits for itself"), "{told:?}");
        let none = wrong(&file("vision = \"o/r#7\"\n"));
        assert!(none[0].starts_with("sprints/a.md:6:1: the section [[issue]] is missing"), "{none:?}");
        assert!(wrong(&file("vision = \n"))[0].starts_with("sprints/a.md:7:"));
    }

    #[test]
    fn what_is_no_block_is_told_and_whose_it_is_is_known_all_the_same() {
        let told = |text: &str| wrong(text).join("\n");
        assert!(told(&format!("{BEGIN}\nvision = 1\n{END}\n")).starts_with("sprints/a.md:2: behind"));
        assert!(told(&format!("{BEGIN}\n```toml\nx\n")).contains("never closed"));
        assert!(told(&format!("{BEGIN}\n```toml\nbody = \"\"\"\n```\ncode\n```\n\"\"\"\n```\n{END}\n")).contains("shorter than"));
        assert!(told(&format!("{BEGIN}\n```\n```\n")).contains("is missing"));
        let twice = file("vision = \"o/r#7\"\n[[issue]]\nid = \"a\"\ntitle = \"A\"\nbody = \"y\"\n");
        assert!(told(&(twice.clone() + &twice)).contains("another"));
        let broken = filer_block("a.md", &file("vision = \"o/r#7\"\n[[issue]\n")).expect("a block");
        assert_eq!(broken.vision.expect("a vision").issue, IssueNumber(7));
    }
}
