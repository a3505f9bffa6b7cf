//! Text from outside: what an agent gets to read of it, and what of an agent's text reaches the forge.

use forgehand::model::{EffectKey, IssueNumber};
use forgehand::text::{clean, code, cut, dependencies, fence, find_marker, hash, line, marker, printable, prose, strip_marker};
use proptest::prelude::*;

#[test]
fn what_the_page_does_not_show_is_not_read() {
    let cases = [
        ("a\u{e0068}\u{e0069}b", "ab"),
        ("a\u{200b}\u{2060}\u{feff}\u{180e}\u{200e}\u{3164}\u{fe0f}b", "ab"),
        ("a<!-- x -->b", "ab"),
        ("a\n<!-- x\n\ny -->\nb", "a\n\nb"),
        ("<!--> shown", " shown"),
        ("<div title=\"x\">shown</div>", "<div>shown</div>"),
        ("<a href='x' title = 'y > z'>shown</a>", "<a>shown</a>"),
        ("<details><summary>Log</summary>shown</details>", "Logshown"),
        ("a<picture><source srcset=x><img alt=\"y\"></picture>b", "ab"),
        ("a<IMG alt='x'>b", "ab"),
        ("a<script>x</script>b<style>y</STYLE >c", "abc"),
        ("![hidden [words]](http://x/y.png \"t\") shown", "(image) shown"),
        ("[text](http://x \"hidden\")", "[text](http://x)"),
        ("[](http://hidden-words) a", "(link) a"),
        ("a\n[//]: # (hidden)\nb", "a\n\nb"),
        ("a\n[//]: # \"hidden\nwords\"\nb", "a\n\nb"),
        ("> [x]: <> 'hidden'\nb", "> \nb"),
        ("see [one]\n\n[one]: http://x \"hidden\"", "see [one]\n\n[one]: http://x"),
        ("[Note]: this is a sentence", "[Note]: this is a sentence"),
        ("a <?hidden?> b", "a  b"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("e\u{301}\r\nx", "\u{e9}\nx"),
        ("<<!-- -->!-- hidden -->a", "a"),
    ];
    for (raw, expected) in cases {
        assert_eq!(clean(raw), expected, "{raw:?}");
    }
}

#[test]
fn what_hides_all_that_follows_is_cut_off_and_said() {
    for raw in [
        "shown\n<!-- hidden",
        "shown\n- <!-- hidden",
        "<b>shown <!-- hidden",
        "shown <style> hidden",
        "shown\n<div title=\"hidden",
    ] {
        let read = clean(raw);
        assert!(read.contains("shown") && !read.contains("hidden") || read.contains("[here began something hidden"), "{read}");
        assert!(!read.replace("something hidden that", "").contains("hidden"), "{read}");
    }
}

#[test]
fn what_the_page_shows_stays() {
    let same = [
        "Plain *Markdown* with `code`, a [link](http://x/y) and https://x/y?a=b.",
        "`Vec<String>` and HashMap<K, V> and a < b > c",
        "The `<details>` and `</img>` tags",
        "an unclosed `<!--` in a sentence is shown",
        "```html\n<!-- kept --><div title=\"kept\">\n```",
        "- [ ] task\n- [x] done",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "<b>bold</b> and <https://auto.link>",
        "Grüße, 日本語, العربية, 🦀",
    ];
    for text in same {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn code_that_the_page_may_not_show_as_code_is_cleaned() {
    let tricks = [
        "<div>\n```\n<!-- hidden -->\n```\n</div>",
        "- a\n  ```\n<!-- hidden -->\n",
        "<pre>\n\n```\n<!-- hidden -->\n```\n",
        "a <!--\n\n```\n--> b <!-- hidden1 -->\n```\n<!-- hidden -->\n",
        "````\n```\n<!-- kept -->\n````\n<!-- hidden -->",
        "``` `\n<!-- hidden -->\n",
    ];
    for text in tricks {
        assert!(!clean(text).contains("hidden"), "{text}: {}", clean(text));
    }
}

#[test]
fn a_cut_is_said() {
    assert_eq!(cut(&"x".repeat(100), 50), format!("{}\n[cut here: 77 bytes more]", "x".repeat(23)));
}

#[test]
fn an_agents_words_call_nobody_and_close_nothing() {
    let shown =
        prose("@alice and (@bob), mail a@b.c. Fixes #3, closes: o/r#4, resolve https://f/o/r/issues/5, reopens !6; see #7");
    assert_eq!(
        shown.replace('\u{200b}', "·"),
        "@·alice and (@·bob), mail a@b.c. F·ixes #3, c·loses: o/r#4, r·esolve https://f/o/r/issues/5, r·eopens !6; see #7"
    );
    assert_eq!(line("# a\n\n@x <img src=y>").replace('\u{200b}', "·"), "# a @·x");
    assert_eq!(
        clean(&shown),
        clean("@alice and (@bob), mail a@b.c. Fixes #3, closes: o/r#4, resolve https://f/o/r/issues/5, reopens !6; see #7")
    );
}

#[test]
fn an_agents_words_do_not_swallow_what_follows() {
    assert_eq!(prose("a\n```\nb"), "a\n```\nb\n```");
    assert_eq!(prose("a\n````md\n```\nb\n"), "a\n````md\n```\nb\n````");
    assert_eq!(prose("a\n  ```\nb"), "a\n  \\```\nb");
    assert_eq!(prose("- ~~~\nb"), "- \\~~~\nb");
    assert_eq!(prose("<b>x and <pre>"), "&lt;b>x and &lt;pre>");
    assert!(!prose("```\n<!-- forgehand:a/b#1/x/y/0 -->\n```").contains("<!--"));
    assert_eq!(code("a`` b"), "```a`` b```");
    assert_eq!(code("`"), "`` ` ``");
}

#[test]
fn a_marker_is_found_and_taken_off() {
    let key = EffectKey::from("o/r#7/0a1b/read/0");
    let body = format!("Text\n\n{}", marker(&key));
    assert_eq!(marker(&key), "<!-- forgehand:o/r#7/0a1b/read/0 -->");
    assert_eq!(find_marker(&body), Some(key));
    assert_eq!(strip_marker(&body), "Text");
    assert_eq!(strip_marker(&format!("{body}\nadded by a person")), "Text\n\nadded by a person");
    assert_eq!(find_marker("a <!-- forgehand:x --> b"), None);
    assert_eq!(find_marker("Text"), None);
}

#[test]
fn the_name_under_which_something_was_filed_is_read_from_its_mark() {
    use forgehand::model::Subject;
    use forgehand::text::{filed_as, is_once, once_marker};
    let project = Subject::project("o/r".parse().expect("a name"));
    let issue = Subject { issue: IssueNumber(7), ..project.clone() };
    let body = |of: &Subject, name: &str| format!("Text\n\n{}\n<!-- forgehand:o/r#0/0a1b/issue/1 -->", once_marker(of, name));
    for name in ["probe-db", "sprint/a b", "50 % --> é"] {
        assert_eq!(filed_as(&body(&project, name), &project).as_deref(), Some(name));
        assert!(is_once(&body(&project, name), &project, name));
    }
    // What is said in the text stands before the mark.
    let said = format!("{}\n\n{}", once_marker(&project, "lie"), body(&project, "true"));
    assert_eq!(filed_as(&said, &project).as_deref(), Some("true"));
    assert_eq!(filed_as(&body(&issue, "probe-db"), &project), None, "it was filed about an issue");
    assert_eq!(filed_as("Text", &project), None);
}

#[test]
fn dependencies_are_read_as_people_write_them() {
    let body = "Depends on #1, #2 and o/r#3.\nIs blocked by: #4\nno longer depends on #90, not blocked by #91\n\
        `depends on #92` ~~blocked by #93~~ <!-- depends on #94 -->\n\n```\ndepends on #95\n```\n  ```\ndepends on #96\n  ```\n\n\
        ## Depends on\n\n- #5\n- [ ] #6 with words and #97\n- see #98\n* o/r#7\n1. #8, #9\n\n## Other\n- #99\n\n\
        **Blocked by:**\n- #10\n\n### Dependencies ###\n- #11\n- #1\ndepends on nothing\n";
    let found: Vec<String> = dependencies(body)
        .into_iter()
        .map(|(repo, n)| format!("{}{n}", repo.map_or_else(String::new, |r| r.to_string())))
        .collect();
    assert_eq!(found, ["#1", "#2", "o/r#3", "#4", "#5", "#6", "o/r#7", "#8", "#9", "#10", "#11"]);
    assert_eq!(dependencies("**Depends on** #5\r\n"), [(None, IssueNumber(5))]);
    assert_eq!(dependencies("depends on #0, https://x/depends/on#1"), []);
}

#[test]
fn a_hash_is_of_the_raw_text() {
    assert_eq!(hash("abc").as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ne!(hash("a\u{200b}"), hash("a"));
}

/// Text that is full of what cleaning looks for.
fn markdown() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<!--",
        "-->",
        "<",
        ">",
        "!",
        "-",
        "--",
        "\n",
        "\n\n",
        "```",
        "```\n",
        "~~~\n",
        "`",
        "[",
        "]",
        "(",
        ")",
        "]: ",
        "[//]: # ",
        "[x]",
        "[x]:",
        "#",
        "\"",
        "'",
        "<details>",
        "</details>",
        "<img ",
        "<div ",
        "<pre>",
        "<style>",
        "</style>",
        "<?",
        "?>",
        "<![CDATA[",
        "]]>",
        " ",
        "    ",
        "- ",
        "> ",
        "1. ",
        "a",
        "word",
        "http://x",
        "\u{200b}",
        "\u{e0041}",
        "e\u{301}",
        "\r",
        "\t",
        " @bob",
        " fixes #1",
        "!",
        "</outside-",
        "\\",
        "{{issue.title}}",
        "<!-- forgehand:x -->",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn cleaning_twice_changes_nothing(text in markdown()) {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn no_text_makes_the_cleaning_panic(text in "(?s).{0,60}") {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once.clone());
        prop_assert_eq!(printable(&once), once);
        let _ = (prose(&text), line(&text), code(&text), dependencies(&text));
    }

    #[test]
    fn a_fence_holds(text in markdown()) {
        let fenced = fence(&text);
        let name = fenced.lines().next().and_then(|l| l.strip_prefix('<')?.strip_suffix('>')).unwrap_or_default().to_owned();
        prop_assert!(name.starts_with("outside-"));
        prop_assert_eq!(fenced.matches(&name).count(), 2);
        let end = format!("</{name}>");
        prop_assert!(fenced.ends_with(&end));
    }

    #[test]
    fn an_agents_line_is_a_line(text in markdown()) {
        prop_assert!(!line(&text).contains(['\n', '\r']));
        prop_assert!(!code(&text).contains(['\n', '\r']));
    }

    #[test]
    fn an_agents_words_carry_no_marker_and_no_call(text in markdown()) {
        let body = format!("{}\n\nEnd", prose(&text));
        prop_assert_eq!(find_marker(&body), None);
        // In code the forge reads neither.
        let code = body.contains("```") || body.contains("~~~");
        prop_assert!(code || !body.contains(" @bob") && !body.contains(" fixes #1"));
        // Fences at column 0 come in pairs, so that the end is no code.
        let mut open: Option<(char, usize)> = None;
        for l in body.lines() {
            let mark = l.trim_start_matches(' ').chars().next().filter(|c| matches!(c, '`' | '~'));
            let run = mark.map_or(0, |m| l.trim_start_matches(' ').chars().take_while(|c| *c == m).count());
            let rest = mark.map_or("", |m| l.trim_start_matches(' ').trim_start_matches(m));
            match (open, mark) {
                (None, Some(m)) if run >= 3 && !(m == '`' && rest.contains('`')) => open = Some((m, run)),
                (Some((m, n)), Some(c)) if c == m && run >= n && rest.trim().is_empty() => open = None,
                _ => {}
            }
        }
        prop_assert_eq!(open, None, "{}", body);
    }

    #[test]
    fn a_marker_comes_back(key in "(?s).{1,40}", body in markdown()) {
        let key = EffectKey(key);
        let whole = format!("{body}\n{}\n", marker(&key));
        prop_assert_eq!(find_marker(&whole), Some(key));
        prop_assert_eq!(find_marker(&strip_marker(&whole)), None);
    }

    #[test]
    fn a_cut_stays_within_its_limit(text in "(?s).{0,200}", limit in 40usize..200) {
        prop_assert!(cut(&text, limit).len() <= limit);
    }
}
