//! The values that several sections share: durations, sizes, URLs, logins, names of variables.

use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::SecretSource;
use crate::document::{Table, Value};
use crate::model::{Login, RepoName, Usd};

pub use crate::document::parse_duration;

/// A time, nothing included.
pub(super) fn duration(value: &Value<'_>) -> Option<Duration> {
    value.time()
}

/// A time that is longer than nothing.
pub(super) fn limit(value: &Value<'_>) -> Option<Duration> {
    value.some_time()
}

/// An amount of money in dollars.
pub(super) fn usd(value: &Value<'_>) -> Option<Usd> {
    value.amount().map(Usd::from_dollars)
}

/// A number of bytes: `512MiB`, `4GiB`, `4G`.
pub(super) fn size(value: &Value<'_>) -> Option<u64> {
    let text = value.string()?;
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: Option<u64> = match unit.trim() {
        "K" | "KiB" => Some(1 << 10),
        "M" | "MiB" => Some(1 << 20),
        "G" | "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f)).filter(|b| *b > 0);
    bytes.or_else(|| value.wrong(format!("`{text}` is not a size"), "write \"512MiB\" or \"4GiB\""))
}

/// An address of a server: http or https, without credentials, query or fragment; a slash is put at its end.
pub(super) fn url(value: &Value<'_>) -> Option<Url> {
    let text = value.filled()?;
    let example = "write it as \"https://forge.example\", a subpath may follow";
    let Ok(mut url) = Url::parse(text.trim()) else {
        return value.wrong_hidden(format!("`{}` is not a URL", value.key()), example);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return value.wrong_hidden(format!("`{}` carries credentials", value.key()), "take them out: a token has its own keys");
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return value.wrong(format!("`{}` must begin with https:// or http://", value.key()), example);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return value.wrong_hidden(format!("`{}` has a `?` or `#` part", value.key()), "take it off");
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}

/// Whether a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// A path, as it stands.
pub(super) fn path(value: &Value<'_>) -> Option<PathBuf> {
    let text = value.filled()?;
    if text.contains('\0') {
        return value.wrong(format!("`{}` is not a path", value.key()), "take the NUL character out");
    }
    Some(PathBuf::from(text))
}

/// A command for a shell.
pub(super) fn command(value: &Value<'_>) -> Option<String> {
    let command = value.filled()?;
    if command.contains('\0') { value.wrong("a command holds a NUL character", "take it out") } else { Some(command) }
}

/// A login on the forge.
pub(super) fn login(value: &Value<'_>) -> Option<Login> {
    let text = value.filled()?;
    if let Some(bare) = text.strip_prefix('@') {
        return value.wrong(format!("`{text}` is not a login"), format!("write it without the @: \"{bare}\""));
    }
    let right = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if right {
        Some(Login(text))
    } else {
        value.wrong(format!("`{text}` is not a login"), "letters, digits, `-`, `_` and `.` only")
    }
}

/// The name of a variable of the environment. What looks like the secret itself is not repeated.
pub(super) fn env_name(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    let key = value.key();
    let named = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_ascii_digit());
    let like_a_secret =
        text.len() >= 24 && text.contains(|c: char| c.is_ascii_lowercase()) && text.contains(|c: char| c.is_ascii_digit());
    if text.is_empty() || !named || like_a_secret {
        let help = format!(
            "`{key}` is the *name* of a variable of the environment, such as \"FORGEHAND_TOKEN\"; keep the secret out of this file"
        );
        return value.wrong_hidden(format!("`{key}` does not name a variable"), help);
    }
    Some(text)
}

/// Where a secret is kept: one of these keys, not several.
pub(super) fn secret_source(
    table: &Table<'_>,
    env: &'static str,
    file: &'static str,
    credential: &'static str,
) -> Option<SecretSource> {
    let in_env = table.optional(env, env_name).map(SecretSource::Env);
    let in_file = table.optional(file, path).map(SecretSource::File);
    let passed = table.optional(credential, credential_name).map(SecretSource::Credential);
    if !one_of_keys(table, &[env, file, credential]) {
        return None;
    }
    in_env.or(in_file).or(passed)
}

/// Complains where more than one of these keys is given.
pub(super) fn one_of_keys(table: &Table<'_>, keys: &[&'static str]) -> bool {
    let given: Vec<&'static str> = keys.iter().copied().filter(|key| table.has(key)).collect();
    if let [first, second, ..] = given.as_slice()
        && let Some(both) = table.value(second)
    {
        both.wrong::<()>(format!("`{first}` and `{second}` are both given"), "keep one of the two");
        return false;
    }
    true
}

/// The name of a credential that systemd passes: `LoadCredential=NAME:/path`.
pub(super) fn credential_name(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let named = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) && !text.starts_with('.');
    if !named || text.starts_with("sk-ant-") {
        let help = format!("`{}` is the *name* of a credential that systemd passes, such as \"forge-token\"", value.key());
        return value.wrong_hidden(format!("`{}` does not name a credential", value.key()), help);
    }
    Some(text)
}

/// A name that a user chooses for something of ours.
pub(super) fn name(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    if is_name(&text) { Some(text) } else { value.wrong(format!("`{}` is not a name", text.escape_debug()), NAME_HELP) }
}

/// What a name may be.
pub(super) const NAME_HELP: &str = "small letters, digits, `-` and `_`, a letter first, 32 at most";

/// Whether it is such a name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 32
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

/// A host that a sandbox may reach, `name` or `name:port`.
pub(super) fn host(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let (name, port) = text.split_once(':').map_or((text.as_str(), None), |(name, port)| (name, Some(port)));
    let name_right = !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    let port_right = port.is_none_or(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
    if name_right && port_right {
        Some(text.to_ascii_lowercase())
    } else {
        value.wrong(
            format!("`{text}` is not a host"),
            "write \"index.crates.io\" or \"index.crates.io:443\", without scheme and path",
        )
    }
}

pub(super) fn repo(value: &Value<'_>) -> Option<RepoName> {
    let text = value.string()?;
    match text.parse::<RepoName>() {
        Ok(repo) => Some(repo),
        Err(e) => value.wrong(e.to_string(), "the name alone, without the forge's address and without `.git`"),
    }
}

/// A program and its arguments; `help` says how to write them.
pub(super) fn program(value: &Value<'_>, help: &str) -> Option<Vec<String>> {
    let words = value.list(Value::string)?;
    if words.first().is_none_or(|program| program.trim().is_empty()) || words.iter().any(|word| word.contains('\0')) {
        return value.wrong(format!("`{}` names no program", value.key()), help);
    }
    Some(words)
}
