//! Characters: which ones are shown, and how much is taken.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

/// Escape sequences of a terminal.
static TERMINAL: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])"));

/// The text without characters that are not shown, in composed form (NFC), its lines ended by `\n`. Unlike [`super::clean`] it leaves
/// Markdown and HTML alone: it is for a program's output and for files.
pub fn printable(text: &str) -> String {
    let lines = TERMINAL.replace_all(text, "").replace("\r\n", "\n");
    let ended = lines.chars().map(|c| if matches!(c, '\r' | '\u{85}' | '\u{2028}' | '\u{2029}') { '\n' } else { c });
    ended.filter(|c| !is_hidden(*c)).nfc().collect()
}

/// Whether a character takes no part in what a person sees: control and format characters, fillers, tags, variation selectors.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{fdd0}'..='\u{fdef}' | '\u{1d173}'..='\u{1d17a}' | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{13430}'..='\u{1345f}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => c.is_control() || u32::from(c) & 0xfffe == 0xfffe,
    }
}

/// The beginning of a text in at most `limit` bytes; where something is cut off, the end says so.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let note = |left_out: usize| format!("\n[cut here: {left_out} bytes more]");
    let room = limit.saturating_sub(note(text.len()).len());
    let kept = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
    format!("{kept}{}", note(text.len() - kept.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_goes() {
        let hidden =
            "a\u{e0041}\u{fe0f}\u{200b}\u{202e}\u{2060}\u{180e}\u{200e}\u{3164}\u{1b}[31mb\u{1b}[0m\u{7}\r\nc\rd\u{2028}e";
        assert_eq!(printable(hidden), "ab\nc\nd\ne");
        assert_eq!(printable("e\u{301}"), "\u{e9}");
    }

    #[test]
    fn a_cut_is_said_and_falls_between_characters() {
        assert_eq!(cut("short", 5), "short");
        let text = "\u{e9}".repeat(100);
        let short = cut(&text, 61);
        assert!(short.len() <= 61 && short.ends_with(" bytes more]"), "{short}");
    }
}
