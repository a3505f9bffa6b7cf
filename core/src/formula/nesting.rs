//! How deep blocks lie in each other in the text of a template.
//!
//! Promises: told from the text alone, before the template engine reads it, because that goes as deep as the text does; counted are
//! `{{#if}}`, `{{#unless}}`, `{{#each}}`, each `{{else if}}` of a chain, and brackets within a tag. What is escaped or stands in a comment is
//! no block.

/// How deep they may lie, those of the partials around them included.
pub(super) const MOST: usize = 16;

/// The byte where a text goes deeper than it may, with so many blocks around it.
pub(super) fn too_deep(text: &str, around: usize) -> Option<usize> {
    // For each open block, itself and how often it goes on with another condition.
    let mut open: Vec<usize> = Vec::new();
    let mut depth = around;
    let mut at = 0;
    while let Some(found) = text.get(at..)?.find("{{") {
        let start = at + found;
        let tag = &text[start + 2..];
        if text[..start].ends_with('\\') {
            at = start + 2;
            continue;
        }
        let end = if tag.starts_with("!--") { tag.find("--}}").map(|end| end + 2) } else { tag.find("}}") };
        let tag = &tag[..end.unwrap_or(tag.len())];
        at = start + 2 + tag.len();
        let word = tag.trim_start_matches(['{', '~']).trim_start();
        let chained = word.strip_prefix("else").filter(|rest| rest.starts_with(char::is_whitespace)).or(word.strip_prefix('^'));
        if word.starts_with('!') {
            continue;
        } else if word.starts_with('#') {
            open.push(1);
            depth += 1;
        } else if word.starts_with('/') {
            depth -= open.pop().unwrap_or(0);
        } else if chained.is_some_and(|rest| !rest.trim_end_matches('~').trim().is_empty())
            && let Some(last) = open.last_mut()
        {
            *last += 1;
            depth += 1;
        }
        if depth > MOST || brackets(tag) > MOST {
            return Some(start);
        }
    }
    None
}

/// How deep brackets lie in each other in a tag.
fn brackets(tag: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for byte in tag.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}x{}", "{{#if a}}".repeat(depth), "{{/if}}".repeat(depth))
    }

    #[test]
    fn blocks_lie_only_so_deep_in_each_other() {
        assert_eq!(too_deep(&nested(MOST), 0), None);
        assert_eq!(too_deep(&nested(MOST + 1), 0), Some(MOST * "{{#if a}}".len()));
        assert_eq!(too_deep(&nested(2), MOST - 1), Some("{{#if a}}".len()), "those of partials around it count");
        assert!(too_deep(&"{{~# if a}}".repeat(100_000), 0).is_some(), "closed or not");
        assert_eq!(too_deep(&nested(1).repeat(1_000), 0), None, "one after the other");
    }

    #[test]
    fn a_chain_of_conditions_lies_as_deep_as_it_is_long() {
        let chain = |long: usize| format!("{{{{#if a}}}}{}{{{{else}}}}y{{{{/if}}}}", "{{else if a}}x".repeat(long));
        assert_eq!(too_deep(&chain(MOST - 1), 0), None);
        assert!(too_deep(&chain(MOST), 0).is_some());
        assert!(too_deep(&chain(MOST).replace("else if", "^if"), 0).is_some());
        assert_eq!(too_deep(&chain(MOST - 1).repeat(3), 0), None, "it ends with its block");
        assert_eq!(too_deep(&format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else}}{{^}}{{elsewhere}}".repeat(MOST)), 0), None);
    }

    #[test]
    fn brackets_within_a_tag_count_too() {
        assert!(too_deep(&format!("{{{{outside {}", "(a ".repeat(1_000)), 0).is_some());
        assert_eq!(too_deep("{{{outside (a (b c))}}}", 0), None);
    }

    #[test]
    fn what_is_escaped_or_a_comment_is_no_block() {
        assert_eq!(too_deep(&"\\{{#if a}} {{!-- {{#if a}} }} --}} {{! #if }}".repeat(100), 0), None);
    }
}
