//! `vault/pending/*.md`: what a person is asked for in words.

use super::{Known, action::issue, listed};
use crate::document::{Fault, Faults, SourceFile, nearest};
use crate::model::Subject;

/// The sections that there must be, and those that there may be.
const NEEDED: [&str; 3] = ["What", "Why", "Human action"];
const FURTHER: [&str; 2] = ["Factory will then", UNBLOCKS];
const UNBLOCKS: &str = "Unblocks";

/// An item for people, its sections as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// What it is about.
    pub what: String,
    /// Why it is needed.
    pub why: String,
    /// What a person is to do.
    pub human_action: String,
    /// What happens after that.
    pub factory_will_then: String,
    /// The issues that wait for it.
    pub unblocks: Vec<Subject>,
}

/// Reads an item.
///
/// # Errors
/// Each section that is missing, empty or there twice, and each issue that could not wait for it.
pub fn pending(file: &str, text: &str, known: &Known) -> Result<Item, Faults> {
    let source = SourceFile::new(file, text);
    let mut faults = Vec::new();
    let mut wrong = |at: usize, what: String, help: String| {
        let end = text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |line| at + line);
        faults.push(Fault::at(&source, at..end, what, Some(help)));
    };
    let sections = sections(text);
    let mut item = Item::default();
    for name in NEEDED.into_iter().chain(FURTHER) {
        let mut found = sections.iter().filter(|section| section.title.eq_ignore_ascii_case(name));
        let Some(section) = found.next() else {
            if NEEDED.contains(&name) {
                let near = sections.iter().find(|s| nearest(&s.title, [name]).is_some());
                let help =
                    near.map_or_else(|| format!("add it: ## {name}"), |near| format!("call `{}` so", near.title.escape_debug()));
                wrong(near.map_or(0, |near| near.at), format!("the section `## {name}` is missing"), help);
            }
            continue;
        };
        if let Some(second) = found.next() {
            wrong(second.at, format!("the section `## {name}` is there twice"), "make one of the two".to_owned());
        }
        let body = section.body.trim();
        if body.is_empty() && NEEDED.contains(&name) {
            let help = format!("an item has {}", listed(NEEDED.into_iter().chain(FURTHER)));
            wrong(section.at, format!("the section `## {name}` is empty"), help);
        }
        match name {
            "What" => body.clone_into(&mut item.what),
            "Why" => body.clone_into(&mut item.why),
            "Human action" => body.clone_into(&mut item.human_action),
            "Factory will then" => body.clone_into(&mut item.factory_will_then),
            _ => {
                for (at, named) in issues(section, known) {
                    match named {
                        Ok(subject) => item.unblocks.push(subject),
                        Err((what, help)) => wrong(at, what, help),
                    }
                }
            }
        }
    }
    if faults.is_empty() { Ok(item) } else { Err(faults.into_iter().collect()) }
}

/// The issues that wait for an item, whatever else is wrong with it: what cannot be read in full still holds up what it names.
pub fn waiting_for(text: &str, known: &Known) -> Vec<Subject> {
    let sections = sections(text);
    let unblocks = sections.iter().filter(|section| section.title.eq_ignore_ascii_case(UNBLOCKS));
    unblocks.flat_map(|section| issues(section, known)).filter_map(|(_, named)| named.ok()).collect()
}

/// The issues that a section names, and where each stands; the rest of it is prose.
fn issues<'s>(
    section: &'s Section<'_>,
    known: &'s Known,
) -> impl Iterator<Item = (usize, Result<Subject, (String, String)>)> + 's {
    let parts = |c: char| !(c.is_alphanumeric() || matches!(c, '#' | '/' | '_' | '-' | '.'));
    let mut at = section.body_at;
    section.body.split_inclusive(parts).filter_map(move |word| {
        let here = at;
        at += word.len();
        let word = word.trim_end_matches(parts).trim_end_matches('.');
        let (_, number) = word.rsplit_once('#')?;
        let is_one = !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit());
        is_one.then(|| (here, issue(word, known)))
    })
}

struct Section<'t> {
    title: String,
    at: usize,
    body_at: usize,
    body: &'t str,
}

/// What stands under headings of any depth. Lines in a code fence are none.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut found: Vec<(String, usize, usize)> = Vec::new();
    let (mut at, mut fence) = (0, None::<&str>);
    for line in text.split_inclusive('\n') {
        let (begin, plain) = (at, line.trim_end());
        at += line.len();
        let mark = ["```", "~~~"].into_iter().find(|mark| plain.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        let title = plain.trim_start_matches('#');
        if fence.is_none() && title.len() < plain.len() && title.starts_with(' ') {
            let title = title.trim().trim_end_matches('#').trim().trim_end_matches(':');
            found.push((title.to_owned(), begin, at));
        }
    }
    let ends: Vec<usize> = found.iter().skip(1).map(|(_, begin, _)| *begin).chain([text.len()]).collect();
    let body = |((title, at, from), end): ((String, usize, usize), usize)| Section {
        title,
        at,
        body_at: from,
        body: text.get(from..end).unwrap_or_default(),
    };
    found.into_iter().zip(ends).map(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_its_sections() {
        let text = "# Disk\n\n## What\n\nIt is full.\n\n## Why\nNothing runs.\n## Human action:\n\n```\n## Why\n```\n\n## Factory will then\n\nGo on.\n";
        let item = pending("a.md", text, &Known::default()).expect("it is whole");
        assert_eq!((item.what.as_str(), item.why.as_str()), ("It is full.", "Nothing runs."));
        assert!(item.human_action.contains("## Why") && item.unblocks.is_empty(), "{item:?}");
    }

    #[test]
    fn what_is_missing_is_said_with_its_line() {
        let text = "# T\n## What\nx\n## Why\n\n## Human acton\nz\n## What\nz\n";
        let said = pending("a.md", text, &Known::default()).expect_err("three mistakes").lines();
        assert_eq!(said.len(), 3, "{said:#?}");
        for wanted in [
            "a.md:4:1: the section `## Why` is empty",
            "a.md:6:1: the section `## Human action` is missing (call `Human acton` so)",
            "a.md:8:1: the section `## What` is there twice",
        ] {
            assert!(said.iter().any(|line| line.contains(wanted)), "{wanted}: {said:#?}");
        }
        let none = pending("a.md", "", &Known::default()).expect_err("nothing is there").lines();
        assert_eq!(none.len(), 3, "{none:#?}");
    }

    #[test]
    fn issues_that_wait_are_found_among_words() {
        let known =
            |names: &[&str]| Known { projects: names.iter().map(|n| n.parse().expect("a name")).collect(), ..Known::default() };
        let text = |unblocks: &str| format!("## What\nx\n## Why\nx\n## Human action\nx\n## Unblocks\n{unblocks}\n");
        let of = |unblocks: &str, names: &[&str]| {
            let item = pending("a.md", &text(unblocks), &known(names));
            item.map(|item| item.unblocks.iter().map(ToString::to_string).collect::<Vec<_>>()).map_err(|faults| faults.lines())
        };
        let two = ["o/a", "o/b"];
        assert_eq!(of("- [ ] o/a#1: the disk (and O/B#22).", &two), Ok(vec!["o/a#1".to_owned(), "o/b#22".to_owned()]));
        assert_eq!(of("#3, the C# port, #later", &["o/a"]), Ok(vec!["o/a#3".to_owned()]));
        assert_eq!(of("the release", &two), Ok(Vec::new()));
        let wrong = of("- o/a#1\n- #3\n- o/c#4", &two).expect_err("two mistakes");
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("a.md:9:3: which project's issue #3?"), "{wrong:?}");
        assert!(wrong[1].starts_with("a.md:10:3: `o/c` is no project of the configuration"), "{wrong:?}");
        assert_eq!(waiting_for("## Unblocks\no/b#7 #8\n", &known(&two)).len(), 1, "whatever else is wrong");
    }
}
