//! How paths are compared: by what any file system could take them for.
//!
//! Promises: a path has the forms that it can be opened or read by - as it is written, and as one that knows no case, composes characters,
//! drops dots and blanks at the end of a name or looks for a stream behind a colon would have it, letters that look alike being one. Whoever
//! compares looks at all of them and takes what is worse.

use unicode_normalization::UnicodeNormalization;

/// The forms of a path: as it is written, in small letters; and as it may be taken for.
pub fn forms(path: &str) -> [String; 2] {
    [written(path), taken(path)]
}

/// As it is written, but for case and how characters are composed.
pub(super) fn written(path: &str) -> String {
    path.to_lowercase().nfc().collect()
}

/// What a careless file system, or a careless reader, takes it for.
fn taken(path: &str) -> String {
    let folded = folded(path).replace('\\', "/");
    let part = |part: &str| part.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']).to_owned();
    folded.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// In small letters, in compatible form, without what is not shown, with one letter for those that look alike. Patterns are folded so too.
pub(super) fn folded(text: &str) -> String {
    let shown = text.chars().filter(|c| !is_hidden(*c)).nfkc().collect::<String>().to_lowercase();
    shown.nfkc().filter(|c| *c != '\u{307}').map(alike).collect::<String>().replace('ß', "ss")
}

/// The Latin letter that a small letter of another script looks like.
fn alike(c: char) -> char {
    match c {
        'ı' | 'і' | 'ι' | 'ɩ' | 'ӏ' => 'i',
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' | 'ς' => 'c',
        'ԁ' => 'd',
        'е' | 'ε' | 'ҽ' => 'e',
        'ɡ' | 'ց' => 'g',
        'һ' | 'н' | 'η' | 'հ' => 'h',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ⅼ' => 'l',
        'м' | 'μ' => 'm',
        'ո' | 'п' => 'n',
        'о' | 'ο' | 'օ' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        'ᴢ' | 'ζ' => 'z',
        '․' => '.',
        '∕' | '⁄' | '／' => '/',
        '‐' | '‑' | '‒' | '–' | '—' | '−' => '-',
        c => c,
    }
}

/// Why a path cannot be trusted to be what it looks like, if so.
pub(super) fn deceives(path: &str) -> Option<&'static str> {
    if path.chars().any(char::is_control) {
        Some("its path holds a control character")
    } else if path.contains('\u{fffd}') {
        Some("its path is not UTF-8")
    } else if path.chars().any(is_hidden) {
        Some("its path holds a character that is not shown")
    } else {
        None
    }
}

/// Control and format characters, fillers, tags, variation selectors: some file systems pass over them, and no reader sees them.
fn is_hidden(c: char) -> bool {
    match c {
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2028}' | '\u{2029}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

/// The name of a file without its folders, as it may be taken for.
pub(super) fn name(path: &str) -> String {
    taken(path).rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_many_spellings() {
        let spellings = [
            "CLAUDE.md",
            "claude.MD",
            "claude.md.",
            "Claude.md ",
            "ＣＬＡＵＤＥ.md",
            "С\u{6c}aude.md",
            "claude\u{200d}.md",
            "CLAUDE.md::$DATA",
            "clau\u{feff}de.md",
        ];
        for spelling in spellings {
            assert_eq!(taken(spelling), "claude.md", "{spelling:?}");
        }
        assert_eq!(taken(".github\\WORKFLOWS\\x.yml"), ".github/workflows/x.yml");
        assert_eq!(taken(".Gİthub/x"), ".github/x");
        assert_eq!(taken(".gıthub/x"), ".github/x");
        assert_eq!(taken("\u{212a}ernel/o\u{fb03}ce"), "kernel/office");
        assert_eq!(forms("E\u{301}")[0], "\u{e9}");
    }

    #[test]
    fn what_deceives_is_told() {
        for path in ["a\nb", "a\tb", "a\u{1b}[31m", "a\u{7f}", "a\u{85}", "a\u{202e}b", "a\u{fffd}"] {
            assert!(deceives(path).is_some(), "{path:?}");
        }
        for path in ["a b", "\"a\".md", "dokument-ä.md", "日本.md", "a'b"] {
            assert_eq!(deceives(path), None, "{path:?}");
        }
    }
}
