//! Whether a text calls somebody by name.

use super::characters::printable;
use super::dependencies::outside_code;

/// Whether a text names a login with `@`, as the forge would call them by it: not in code, in an HTML comment, struck through or in what is quoted.
pub fn mentions(text: &str, login: &str) -> bool {
    let shown = outside_code(&printable(text));
    shown.lines().filter(|line| !line.trim_start().starts_with('>')).any(|line| calls(line, login))
}

fn calls(line: &str, login: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    line.match_indices('@').any(|(at, _)| {
        let (before, after) = line.split_at(at);
        let named = after.get(1..=login.len()).is_some_and(|name| name.eq_ignore_ascii_case(login));
        let mut rest = after.get(1 + login.len()..).unwrap_or_default().chars();
        let ends = match (rest.next(), rest.next()) {
            // A full stop ends the sentence, or goes on with the name.
            (Some('.'), next) => !next.is_some_and(of_name),
            (Some(c), _) => !of_name(c) && !matches!(c, '@' | '/'),
            (None, _) => true,
        };
        named && ends && !before.ends_with(|c: char| of_name(c) || matches!(c, '.' | '@' | '/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_called_is_who_the_page_shows_as_called() {
        for named in ["@bot please", "well,\n(@Bot) look", "ask @bot.", "@bot: quote it", "`x` @bot"] {
            assert!(mentions(named, "bot"), "{named}");
        }
        for not in [
            "bot",
            "@botany",
            "@bot-2",
            "@bot.two",
            "me@bot.example",
            "> @bot said so",
            "`@bot`",
            "<!-- @bot -->",
            "```\n@bot\n```",
            "~~@bot~~",
            "x@bot",
            "@bot/team",
            "",
        ] {
            assert!(!mentions(not, "bot"), "{not}");
        }
    }
}
