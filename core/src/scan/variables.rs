//! The secrets in a file of variables: `KEY=VALUE` on each line, as `.env` files have it.

use secrecy::SecretString;
use url::Url;

/// In the name of a variable each of these says that its value is secret, whatever it looks like.
const TELLING: [&str; 14] =
    ["PASS", "PWD", "SECRET", "TOKEN", "KEY", "CRED", "AUTH", "PRIVATE", "SALT", "SIGN", "CERT", "DSN", "COOKIE", "SESSION"];
/// A word longer than this is no word.
const WORD: usize = 16;
/// A line of a value with several lines is looked for from this length on.
const LINE: usize = 16;

/// The values that must not be seen. What is plainly no secret is left out, or every diff with the word `development` would be one: a word
/// of letters alone, a short number, an address of this machine; unless the variable's name tells otherwise. The password in an address
/// counts on its own too. A value without quotes ends at ` #`; one in double quotes may have several lines.
pub fn secrets_of_variables(text: &str) -> Vec<SecretString> {
    let mut secrets: Vec<String> = Vec::new();
    for (name, forms) in variables(text) {
        for value in forms {
            secrets.extend(password(&value));
            if is_secret(&name, &value) {
                let long_lines = value.lines().filter(|line| line.len() >= LINE && !line.starts_with("-----"));
                secrets.extend(long_lines.map(|line| line.trim().to_owned()));
                secrets.push(value);
            }
        }
    }
    secrets.sort_unstable();
    secrets.dedup();
    secrets.into_iter().map(SecretString::from).collect()
}

/// Names, and the forms that a value has: as written and, where that differs, as a shell or a library reads it.
fn variables(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let assigned = line.trim_start().trim_start_matches("export ").split_once('=');
        let Some((name, value)) = assigned.filter(|(name, _)| is_name(name.trim())) else {
            rest = after;
            continue;
        };
        let start = rest.len() - after.len() - usize::from(line.len() < rest.len()) - value.len();
        let value = rest.get(start..).unwrap_or_default();
        let value = value.trim_start_matches([' ', '\t']);
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        let quoted = quote.and_then(|quote| Some((quote, closing(value, quote)?)));
        let (forms, next) = match quoted {
            Some((quote, end)) => {
                let inside = value.get(1..end).unwrap_or_default();
                let next = value.get(end + 1..).unwrap_or_default();
                let read = if quote == '"' { unescaped(inside) } else { inside.to_owned() };
                (vec![inside.to_owned(), read], next.split_once('\n').map_or("", |(_, next)| next))
            }
            None => {
                let plain = value.split('\n').next().unwrap_or_default();
                let plain = plain.split_once(" #").map_or(plain, |(plain, _)| plain);
                (vec![plain.trim().to_owned()], after)
            }
        };
        let mut forms: Vec<String> = forms.into_iter().filter(|form| !form.trim().is_empty()).collect();
        forms.dedup();
        found.push((name.trim().to_owned(), forms));
        rest = next;
    }
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Where the quote that begins a text is closed.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && quote == '"' && !escaped;
        closes.then_some(at)
    })
}

fn unescaped(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => read.push('\n'),
                Some('t') => read.push('\t'),
                Some('r') => read.push('\r'),
                Some(other) => read.push(other),
                None => read.push('\\'),
            },
            (c, false) => read.push(c),
        }
    }
    read
}

/// The password in an address, `postgres://app:password@host/`.
fn password(value: &str) -> Option<String> {
    let url = Url::parse(value).ok()?;
    url.password().map(str::to_owned)
}

fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    TELLING.iter().any(|telling| name.contains(telling)) || !is_plain(value)
}

/// A word, a short number, or an address of this machine that carries nothing.
fn is_plain(value: &str) -> bool {
    let word = value.len() <= WORD && value.chars().all(|c| c.is_ascii_alphabetic());
    let number = value.len() <= 10 && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    let local = |host: Option<&str>| matches!(host, Some("localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0"));
    let plain_url = Url::parse(value).is_ok_and(|url| {
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        bare && local(url.host_str()) && url.path().len() <= WORD
    });
    let address = value.rsplit_once(':').is_some_and(|(host, port)| local(Some(host)) && port.parse::<u16>().is_ok());
    word || number || plain_url || address || local(Some(value))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn of(text: &str) -> Vec<String> {
        secrets_of_variables(text).iter().map(|s| s.expose_secret().to_owned()).collect()
    }

    #[test]
    fn values_are_read_as_a_shell_reads_them() {
        let text = "# PASSWORD=not-this\nexport A_1=\"two \\\"words\\\" 1\" # said\nB='it is $1'\nC=plain-value-1 # a remark\n\nD=\nno line\n E = spaced-1 \r\nF=last-one-1";
        assert_eq!(of(text), ["it is $1", "last-one-1", "plain-value-1", "spaced-1", "two \"words\" 1", "two \\\"words\\\" 1"]);
    }

    #[test]
    fn a_value_of_several_lines_is_looked_for_whole_and_line_by_line() {
        let text = "KEY=\"-----BEGIN KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX\nshort\n-----END KEY-----\"\nNEXT=value-22";
        let found = of(text);
        assert!(found.contains(&"MIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX".to_owned()), "{found:?}");
        assert!(found.contains(&"value-22".to_owned()), "{found:?}");
        assert!(found.iter().any(|s| s.starts_with("-----BEGIN") && s.ends_with("-----")), "{found:?}");
        assert!(!found.contains(&"short".to_owned()) && !found.contains(&"-----BEGIN KEY-----".to_owned()), "{found:?}");
    }

    #[test]
    fn what_is_plainly_no_secret_would_be_found_everywhere() {
        let text = "NODE_ENV=development\nPORT=3100\nURL=http://localhost:3000\nREDIS=127.0.0.1:6379\nHOST=localhost\nDEBUG=true";
        assert_eq!(of(text), Vec::<String>::new());
        assert_eq!(
            of("DB_PASSWORD=development\nX=http://localhost:3000/?key=1"),
            ["development", "http://localhost:3000/?key=1"]
        );
        let url = "DATABASE_URL=postgres://app:s3cr3tpw@127.0.0.1:5432/app";
        assert_eq!(of(url), ["postgres://app:s3cr3tpw@127.0.0.1:5432/app", "s3cr3tpw"]);
    }

    #[test]
    fn an_open_quote_takes_its_line_and_hides_nothing_that_follows() {
        assert_eq!(of("A=\"open-quote-1\nB=value-22"), ["\"open-quote-1", "value-22"]);
    }
}
