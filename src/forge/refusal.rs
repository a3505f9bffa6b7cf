//! What a status other than 2xx means.

use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use url::Url;

use super::transport::Call;
use crate::ports::{ForgeError, ForgeErrorKind};

/// The most of a forge's message that is repeated, in characters.
const MESSAGE: usize = 400;

/// An answer that is not 2xx.
pub(super) struct Refused<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub base: &'a Url,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    errors: Option<Vec<String>>,
}

impl Refused<'_> {
    /// The error that the caller gets.
    pub(super) fn error(&self, call: &Call<'_>) -> ForgeError {
        use ForgeErrorKind as Kind;
        let page = is_page(self.headers, self.body);
        let said = |otherwise: &str| if page { None } else { self.said() }.unwrap_or_else(|| otherwise.to_owned());
        let (kind, why) = match self.status {
            300..400 => return self.redirected(call),
            // The body repeats the token, on 16 in several lines.
            401 => {
                (Kind::Unauthorized, "the forge does not accept the token: is it complete, and does it still exist?".to_owned())
            }
            // Forgejo says no in JSON, or in silence.
            403 if page => return self.behind_a_proxy(call),
            403 => (Kind::Denied, said("the forge refuses without a reason: the token's account lacks the right, or is blocked")),
            404 if page => (Kind::NotAForge, "there is a page but no API: is forge.url right, with its subpath?".to_owned()),
            404 | 410 => (Kind::NotFound, said("not there, or not visible to this token")),
            408 => return call.lost("the request did not arrive in time".to_owned()),
            409 | 412 => (Kind::Conflict, said("what was assumed is not so any more")),
            423 => (Kind::Archived, said("the repository is archived")),
            429 => (Kind::Unreachable { retry_after: self.retry_after() }, "the forge asks for fewer requests (429)".to_owned()),
            502..=504 => return self.behind_a_proxy(call),
            500.. if page || self.said().is_none() && !self.is_json() => return self.behind_a_proxy(call),
            500.. => (Kind::Server, said("the forge failed, or refuses without a reason")),
            400 | 405 | 413 | 422 => (Kind::Invalid, said("the forge does not take it, and does not say why")),
            status => (Kind::Invalid, said(&format!("status {status}"))),
        };
        call.error(kind, why)
    }

    /// 502 to 504, or a page: whatever stands before the forge speaks. A write may have passed it.
    fn behind_a_proxy(&self, call: &Call<'_>) -> ForgeError {
        let mut error = call.lost(format!("the forge is not to be reached behind its proxy (status {})", self.status));
        if let ForgeErrorKind::Unreachable { retry_after } = &mut error.kind {
            *retry_after = self.retry_after();
        }
        error
    }

    fn redirected(&self, call: &Call<'_>) -> ForgeError {
        let location = self.headers.get(LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let body = String::from_utf8_lossy(self.body);
        let to = moved_to(location).or_else(|| moved_to(&body));
        let asked = call.repo();
        if matches!(self.status, 301 | 308) && asked.is_some() && asked != to && (to.is_some() || location.is_empty()) {
            let why = match &to {
                Some(name) => format!("the repository is called {name} now: write that name in the configuration"),
                None => "the repository was renamed or moved: write its new name in the configuration".to_owned(),
            };
            return call.error(ForgeErrorKind::Moved { to }, why);
        }
        let target = self.base.join(location).map(|mut url| {
            url.set_query(None);
            url.to_string()
        });
        let target = target.map_or_else(|_| "elsewhere".to_owned(), |t| clean(&t));
        call.error(
            ForgeErrorKind::NotAForge,
            format!(
                "redirected to {target} (status {}), and no redirect is followed: write the forge's own address as forge.url",
                self.status
            ),
        )
    }

    /// What the forge said, in one line.
    fn said(&self) -> Option<String> {
        let Message { message, errors } = serde_json::from_slice(self.body).unwrap_or_default();
        let text = message.into_iter().chain(errors.unwrap_or_default()).map(|s| clean(&s)).filter(|s| !s.is_empty());
        let text = text.collect::<Vec<_>>().join("; ");
        if text.is_empty() { None } else { Some(text) }
    }

    fn is_json(&self) -> bool {
        self.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("json"))
    }

    /// In seconds. (A date is allowed there too; it needs a clock, and nobody who stands before a Forgejo sends one.)
    fn retry_after(&self) -> Option<u64> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
    }
}

/// Whether a page for people came.
pub(super) fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let html = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("html"));
    html || body.trim_ascii_start().starts_with(b"<")
}

/// The repository in an address of the API, wherever in the text it stands.
fn moved_to(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("/api/v1/repos/")?;
    let mut parts = rest.split(['/', '?', '#', '"', '&', '<', ' ']);
    let (owner, name) = (parts.next()?, parts.next()?);
    let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain(owner) && plain(name) { Some(format!("{owner}/{name}")) } else { None }
}

/// One line without control characters, cut to what is of use.
fn clean(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// An error with its causes, without the address (it is said elsewhere).
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    // The innermost cause is what people know: "Connection refused (os error 111)".
    causes.pop().map_or_else(|| "no reason given".to_owned(), |c| clean(&c))
}

/// Whether it is the forge's certificate that was not believed.
pub(super) fn distrusts(error: &reqwest::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if cause.to_string().contains("invalid peer certificate") {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_name_is_found_in_header_and_page() {
        assert_eq!(moved_to("/api/v1/repos/owner/app-renamed/issues?page=1"), Some("owner/app-renamed".into()));
        assert_eq!(moved_to("https://h/sub/api/v1/repos/a/b"), Some("a/b".into()));
        assert_eq!(
            moved_to("<a href=\"/api/v1/repos/owner/app-renamed\">Moved Permanently</a>."),
            Some("owner/app-renamed".into())
        );
        assert_eq!(moved_to("https://h/login"), None);
        assert_eq!(moved_to("/api/v1/repos/a"), None);
    }

    #[test]
    fn a_message_becomes_one_bounded_line() {
        assert_eq!(clean(" a\n\tb \u{1b}[31m "), "a b [31m");
        assert_eq!(clean(&"é".repeat(MESSAGE + 1)), format!("{}...", "é".repeat(MESSAGE)));
    }
}
