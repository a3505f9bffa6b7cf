//! Hiding what may be a secret in a source that is shown beside an error.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// The value of `token = "..."` up to the end of its line.
static NAMED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?im)\b[\w-]*(?:token|secret|passw|key|credential)[\w-]*["']?[ \t]*[=:][ \t]*(?<value>\S.*)$"#));

/// The userinfo of a URL.
static USERINFO: LazyLock<Regex> = LazyLock::new(|| pattern(r#"://(?<value>[^/@\s"']+)@"#));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

/// The text with what follows a key that sounds secret, passwords in URLs and the given spans starred out; `token_env` and `token_file`
/// name where one is kept and stay. Lengths in bytes stay, so that positions still hold.
pub(super) fn secrets(text: &str, spans: &[Range<usize>]) -> String {
    let mut hidden: Vec<Range<usize>> = spans.to_vec();
    for found in NAMED.captures_iter(text) {
        let name = found.get(0).map_or("", |m| m.as_str());
        let key = name.split(['=', ':']).next().unwrap_or("").trim().trim_matches(['"', '\'']).to_lowercase();
        if let Some(value) = found.name("value")
            && !key.ends_with("_env")
            && !key.ends_with("_file")
        {
            hidden.push(value.range());
        }
    }
    hidden.extend(USERINFO.captures_iter(text).filter_map(|found| found.name("value").map(|v| v.range())));
    starred(text, &hidden)
}

/// The text with passwords in URLs starred out.
pub(super) fn userinfo(text: &str) -> String {
    let hidden: Vec<_> = USERINFO.captures_iter(text).filter_map(|found| found.name("value").map(|v| v.range())).collect();
    starred(text, &hidden)
}

fn starred(text: &str, hidden: &[Range<usize>]) -> String {
    let stars = |(at, c): (usize, char)| {
        let inside = hidden.iter().any(|span| span.contains(&at)) && c != '\n' && c != '\r';
        if inside { "*".repeat(c.len_utf8()) } else { c.to_string() }
    };
    text.char_indices().map(stars).collect()
}

#[cfg(test)]
mod tests {
    use super::secrets;

    #[test]
    fn values_of_keys_that_sound_secret_are_starred_and_names_of_variables_stay() {
        let text = "token = \"abc\"\ntoken_env = \"T\"\nurl = \"http://u:p@h\"\n";
        assert_eq!(secrets(text, &[]), "token = *****\ntoken_env = \"T\"\nurl = \"http://***@h\"\n");
        assert_eq!(secrets("x = \"é\"", std::slice::from_ref(&(4..8))), "x = ****");
    }
}
