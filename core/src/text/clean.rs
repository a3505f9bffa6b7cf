//! Taking out of Markdown what its page does not show.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::segments::{Segment, outside_code, segments};

/// Where an HTML comment has no end, all that follows is hidden.
const UNCLOSED: &str = "[here began something hidden that had no end; it was taken out with all that followed]";
/// Removing one thing can put another together, so it is done again until nothing changes; a text that is built to outlast this many
/// rounds loses its brackets.
const ROUNDS: usize = 12;

/// Elements whose content is not shown, or not as text.
static HIDDEN_ELEMENT: LazyLock<Vec<(Regex, Regex)>> = LazyLock::new(|| {
    let names =
        ["script", "style", "template", "svg", "iframe", "object", "noscript", "picture", "title", "textarea", "math", "select"];
    let both = |name: &str| (super::pattern(&format!(r"(?i)<{name}(?:[\s/>]|$)")), super::pattern(&format!(r"(?i)</{name}\s*>")));
    names.into_iter().map(both).collect()
});
/// Elements that fold or show pictures: their tags go, what they enclose stays.
static FOLDING_TAG: LazyLock<Regex> = LazyLock::new(|| {
    super::pattern(
        r"(?i)</?(?:details|summary|img|image|source|video|audio|track|embed|link|meta|base|input|map|area)(?:\s[^<>]*)?/?>",
    )
});
/// A tag with attributes: their text is not shown.
static ATTRIBUTES: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(r#"<(/?[A-Za-z][A-Za-z0-9-]*)[\s/](?:"[^"]*"|'[^']*'|[^<>"'])*>"#));
/// A tag of HTML at the start of a block that does not end.
static UNCLOSED_TAG: LazyLock<Regex> = LazyLock::new(|| {
    super::pattern(
        r"(?im)^[ \t>*+-]*</?(?:a|b|blockquote|center|code|details|div|dl|form|h[1-6]|hr|i|img|li|ol|p|pre|section|span|summary|table|td|th|tr|ul)\s[^>]*\z",
    )
});
/// Processing instructions, declarations and CDATA.
static DECLARATION: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(?s)<\?.*?\?>|<!\[CDATA\[.*?\]\]>|<![A-Za-z][^>]*>"));
/// An image: its text stands in the place of what is shown.
static IMAGE: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(r"!\[(?:[^\[\]]|\[[^\[\]]*\])*\](?:\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\])"));
/// The title of a link, shown only under the mouse.
static LINK_TITLE: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(r#"\]\(\s*(<[^<>\n]*>|[^\s()<>]+)\s+(?:"[^"]*"|'[^']*'|\([^()]*\))\s*\)"#));
/// A link without a text.
static EMPTY_LINK: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(^|[^!\]])\[\s*\]\([^()]*\)"));
/// The definition of a link: not shown, `[//]: # (a comment)` is one.
static DEFINITION: LazyLock<Regex> = LazyLock::new(|| {
    super::pattern(
        r#"(?m)^(?P<before>(?:[ \t>*+-]|[0-9]{1,9}[.)])*)\[(?P<label>(?:[^\[\]\\]|\\.)+)\]:[ \t]*(?:\n[ \t]*)?(?P<target><[^<>\n]*>|[^\s]+)(?P<title>[ \t]*(?:\n[ \t]*)?(?:"[^"]*"|'[^']*'|\([^()]*\)))?(?P<after>[^\n]*)$"#,
    )
});
static GAP: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"\n[ \t]*(?:\n[ \t]*){2,}\n"));

/// The text without what the forge's page does not show: characters, HTML comments (also without an end), attributes, hidden elements,
/// texts of images, titles and definitions of links. Code that is certainly shown as code keeps its text.
pub fn clean(text: &str) -> String {
    let mut text = super::printable(text);
    for _ in 0..ROUNDS {
        let next = round(&text);
        if next == text {
            return text;
        }
        text = next;
    }
    text.replace(['<', '['], "(")
}

fn round(text: &str) -> String {
    let text = without_comments(text);
    let labels = labels_in_use(&text);
    let text = outside_code(&text, |plain| {
        let plain = without_elements(plain);
        let plain = DECLARATION.replace_all(&plain, "");
        let plain = FOLDING_TAG.replace_all(&plain, |tag: &Captures<'_>| kept_if_quoted(&plain, tag));
        let plain = ATTRIBUTES.replace_all(&plain, "<$1>");
        let plain = UNCLOSED_TAG.replace(&plain, UNCLOSED);
        let plain = IMAGE.replace_all(&plain, "(image)");
        let plain = LINK_TITLE.replace_all(&plain, "]($1)");
        let plain = EMPTY_LINK.replace_all(&plain, "$1(link)");
        DEFINITION.replace_all(&plain, |found: &Captures<'_>| definition(&labels, found)).into_owned()
    });
    GAP.replace_all(&text, "\n\n\n").into_owned()
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for segment in segments(text) {
        match segment {
            Segment::Text(range) | Segment::Code { range, .. } => kept.push_str(text.get(range).unwrap_or_default()),
            Segment::Comment { closed: true, .. } => {}
            Segment::Comment { closed: false, .. } => kept.push_str(UNCLOSED),
        }
    }
    kept
}

/// Takes elements out whose content is not shown; one without an end takes all that follows.
fn without_elements(text: &str) -> String {
    let mut text = text.to_owned();
    for (start, end) in HIDDEN_ELEMENT.iter() {
        let mut from = 0;
        while let Some(opening) = start.find_at(&text, from) {
            if is_quoted(&text, opening.start()) {
                from = opening.end();
                continue;
            }
            let begin = opening.start();
            match end.find_at(&text, begin) {
                Some(closing) => text.replace_range(begin..closing.end(), ""),
                None => text.replace_range(begin.., UNCLOSED),
            }
            from = begin;
        }
    }
    text
}

/// Whether what begins here is a bare tag between backticks, `<details>`: that is shown and hides nothing.
fn is_quoted(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let after = text.get(start..).unwrap_or_default();
    let bare = after.find('>').and_then(|end| Some((after.get(1..end)?, after.get(end + 1..)?)));
    before.ends_with('`')
        && bare.is_some_and(|(name, rest)| {
            name.trim_matches('/').chars().all(|c| c.is_ascii_alphanumeric()) && rest.starts_with('`')
        })
}

fn kept_if_quoted(text: &str, tag: &Captures<'_>) -> String {
    match tag.get(0) {
        Some(tag) if is_quoted(text, tag.start()) => tag.as_str().to_owned(),
        _ => String::new(),
    }
}

/// The labels that a link or footnote of the text uses, in lower case. A definition alone is no use.
fn labels_in_use(text: &str) -> BTreeSet<String> {
    static LABEL: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"\[((?:[^\[\]\\]|\\.)+)\](:?)"));
    let used = LABEL.captures_iter(text).filter(|found| found.get(2).is_none_or(|colon| colon.is_empty()));
    used.filter_map(|found| found.get(1).map(|label| label.as_str().to_lowercase())).collect()
}

/// A definition that is used, without its title; one that is not used goes.
fn definition(labels: &BTreeSet<String>, found: &Captures<'_>) -> String {
    let part = |name: &str| found.name(name).map_or("", |m| m.as_str());
    let footnote = part("label").starts_with('^');
    if !footnote && !part("after").trim().is_empty() {
        // Not a definition but a line that begins like one: it is shown.
        return found.get(0).map_or("", |m| m.as_str()).to_owned();
    }
    if !labels.contains(&part("label").to_lowercase()) {
        return part("before").to_owned();
    }
    let (title, after) = if footnote { (part("title"), part("after")) } else { ("", "") };
    format!("{}[{}]: {}{title}{after}", part("before"), part("label"), part("target"))
}
