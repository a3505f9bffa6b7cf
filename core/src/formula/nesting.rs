//! How deep blocks lie in each other in the text of a template.
//!
//! Promises: told from the text alone, before the template engine reads it, because that goes as deep as the text does; counted are
//! `{{#if}}`, `{{#unless}}`, `{{#each}}`, each `{{else if}}` of a chain, and brackets within a tag. What is escaped or stands in a comment is
//! no block. What no template may have is refused here, where it could hide the end of a tag or of a block: quotes and square brackets in a tag,
//! and raw blocks.

/// How deep they may lie, those of the partials around them included.
pub(super) const MOST: usize = 16;

/// Why a text is not given to the template engine, each with the byte where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It goes deeper than it may.
    Deep(usize),
    /// A tag has more in it than names.
    Names(usize),
    /// Blocks whose text is no template.
    Raw(usize),
}

/// How deep the blocks of a text lie in each other, with so many around it.
pub(super) fn depth(text: &str, around: usize) -> Result<usize, Unfit> {
    // For each open block, itself and how often it goes on with another condition.
    let mut open: Vec<usize> = Vec::new();
    let (mut depth, mut most) = (around, around);
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("{{")) {
        let start = at + found;
        let (before, tag) = (&text[..start], &text[start + 2..]);
        // More than one backslash stands for itself.
        if before.ends_with('\\') && !before.ends_with("\\\\") {
            at = start + if tag.starts_with("{{") { 4 } else { 2 };
            continue;
        }
        if tag.starts_with("{{") {
            return Err(Unfit::Raw(start));
        }
        let comment = if tag.starts_with("!--") { tag.find("--}}").map(|end| end + 2) } else { None };
        let tag = &tag[..comment.or_else(|| tag.find("}}")).unwrap_or(tag.len())];
        at = start + 2 + tag.len();
        if tag.starts_with('!') {
            continue;
        }
        if tag.contains(['"', '\'', '[']) {
            return Err(Unfit::Names(start));
        }
        let word = tag.trim_start_matches(['{', '~']).trim_start();
        let chained = word.strip_prefix("else").filter(|rest| rest.starts_with(char::is_whitespace)).or(word.strip_prefix('^'));
        if word.starts_with('#') {
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
            return Err(Unfit::Deep(start));
        }
        most = most.max(depth);
    }
    Ok(most - around)
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
        assert_eq!(depth(&nested(MOST), 0), Ok(MOST));
        assert_eq!(depth(&nested(MOST + 1), 0), Err(Unfit::Deep(MOST * "{{#if a}}".len())));
        assert_eq!(depth(&nested(2), MOST - 1), Err(Unfit::Deep("{{#if a}}".len())), "those of partials around it count");
        assert!(depth(&"{{~# if a}}".repeat(100_000), 0).is_err(), "closed or not");
        assert_eq!(depth(&nested(1).repeat(1_000), 0), Ok(1), "one after the other");
    }

    #[test]
    fn a_chain_of_conditions_lies_as_deep_as_it_is_long() {
        let chain = |long: usize| format!("{{{{#if a}}}}{}{{{{else}}}}y{{{{/if}}}}", "{{else if a}}x".repeat(long));
        assert_eq!(depth(&chain(MOST - 1), 0), Ok(MOST));
        assert!(depth(&chain(MOST), 0).is_err());
        assert!(depth(&chain(MOST).replace("else if", "^if"), 0).is_err());
        assert_eq!(depth(&chain(MOST - 1).repeat(3), 0), Ok(MOST), "it ends with its block");
        assert_eq!(depth(&format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else}}{{^}}{{elsewhere}}".repeat(MOST)), 0), Ok(1));
    }

    #[test]
    fn brackets_within_a_tag_count_too() {
        assert!(depth(&format!("{{{{outside {}", "(a ".repeat(1_000)), 0).is_err());
        assert_eq!(depth("{{{outside (a (b c))}}}", 0), Ok(0));
    }

    #[test]
    fn what_is_escaped_or_a_comment_is_no_block() {
        assert_eq!(depth(&"\\{{#if a}} {{!-- {{#if a}} \"[ }} --}} {{! #if }}".repeat(100), 0), Ok(0));
    }

    #[test]
    fn nothing_hides_how_deep_a_text_goes() {
        // Each of them is a block that the engine reads, and something that could pass for its end.
        for hidden in [
            "\\\\{{#if a}}",
            "{{#if a}}\\{{{{/if}}",
            "{{#if a}}{{{{raw}}}}{{/if}}{{{{/raw}}}}",
            "{{#if a}}{{outside \"}} {{/if}}\"}}",
            "{{#if a}}{{outside '}} {{/if}}'}}",
            "{{#if a}}{{a.[}} {{/if}}]}}",
            "{{#if a}}{{!-- {{/if}} --}}",
        ] {
            assert!(depth(&hidden.repeat(MOST + 1), 0).is_err(), "{hidden}");
        }
        // A comment that is not closed as it was opened ends with its tag.
        assert!(depth(&format!("{{{{!-- x }}}}{}", "{{#if a}}".repeat(MOST + 1)), 0).is_err());
    }
}
