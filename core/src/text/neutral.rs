//! Words of an agent that a forge would act on: broken so that it does not, and people still read them as they were.
//!
//! What is broken: the call of a login, a word that closes or reopens an issue before what it names, a mark that keeps the checks from running.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Not seen, and taken out again by [`super::clean`] when the text is read back.
const ZERO_WIDTH_SPACE: &str = "\u{200b}";

/// A login after an `@` that would be called. An address of mail is none.
static MENTION: LazyLock<Regex> = LazyLock::new(|| super::pattern(r"(^|[^A-Za-z0-9])@([A-Za-z0-9_])"));
/// A word that closes or reopens what it stands before.
static KEYWORD: LazyLock<Regex> = LazyLock::new(|| {
    super::pattern(
        r"(?i)\b(c|f|r|i)(loses?|losed|ix|ixes|ixed|esolves?|esolved|eopens?|eopened|mplements?|mplemented)([\s:]+(?:\S*[#!][0-9]|\S*://\S*/[0-9]))",
    )
});
/// What Forgejo takes for the wish that nothing be checked.
static UNCHECKED: LazyLock<Regex> =
    LazyLock::new(|| super::pattern(r"(?i)\[((?:skip|no)[ -](?:ci|actions)|(?:ci|actions)[ -]skip)\]"));

/// The text with calls and closing words broken by a space that is not seen.
pub(super) fn neutral(text: &str) -> String {
    broken(text, ZERO_WIDTH_SPACE)
}

/// The message of an agent's commit, otherwise as it is. One that is not UTF-8 is broken by plain spaces, its other bytes untouched.
pub fn commit_message(message: &[u8]) -> Vec<u8> {
    if let Ok(text) = std::str::from_utf8(message) {
        return neutral(text).into_bytes();
    }
    // A character for each byte, and back: what is looked for is ASCII.
    let text: String = message.iter().copied().map(char::from).collect();
    broken(&text, " ").chars().filter_map(|c| u8::try_from(c).ok()).collect()
}

fn broken(text: &str, by: &str) -> String {
    let text = MENTION.replace_all(text, |found: &Captures<'_>| format!("{}@{by}{}", &found[1], &found[2]));
    let text = KEYWORD.replace_all(&text, |found: &Captures<'_>| format!("{}{by}{}{}", &found[1], &found[2], &found[3]));
    UNCHECKED.replace_all(&text, |found: &Captures<'_>| format!("[{by}{}]", &found[1])).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_a_commit_acts_on_nothing_and_keeps_its_bytes() {
        let shown = |message: &[u8]| String::from_utf8(commit_message(message)).expect("text").replace('\u{200b}', "·");
        assert_eq!(
            shown(b"Add\n\nCloses #9 and @ann\nCo-authored-by: B <b@c.d>\n"),
            "Add\n\nC·loses #9 and @·ann\nCo-authored-by: B <b@c.d>\n"
        );
        assert_eq!(shown(b"Add [skip ci] [CI skip]"), "Add [·skip ci] [·CI skip]");
        assert_eq!(shown(b"See #9, which it discloses\n"), "See #9, which it discloses\n");
        let once = commit_message(b"fixes o/r#4 for @bob");
        assert_eq!(commit_message(&once), once, "once is enough");
        assert_eq!(commit_message(b"caf\xe9: fixes #3, @bob"), b"caf\xe9: f ixes #3, @ bob");
    }
}
