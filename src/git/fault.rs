//! What went wrong, sorted by what helps: waiting, a person on the forge, a person on this machine, or a developer.
//!
//! Of an answer git tells the status and no header, so a `Retry-After` is not known here: the pauses of what is tried again hold.

use std::fmt::Display;

use crate::ports::{RepoError, RepoErrorKind};

/// Longest text of git's that is kept, in characters.
const LONGEST: usize = 2000;

/// The machine stands in the way.
pub(super) fn environment(what: &str, why: impl Display) -> RepoError {
    RepoError { kind: RepoErrorKind::Environment, what: what.to_owned(), why: why.to_string() }
}

/// Something happened that should not.
pub(super) fn failed(what: &str, why: impl Display) -> RepoError {
    RepoError { kind: RepoErrorKind::Failed, what: what.to_owned(), why: why.to_string() }
}

/// The error that git's own words, already cleaned of secrets, stand for.
pub(super) fn from_words(what: &str, said: &str) -> RepoError {
    let kind = kind_of(said);
    let hint = hint_of(said).map(|hint| format!(" ({hint})")).unwrap_or_default();
    RepoError { kind, what: what.to_owned(), why: format!("{}{hint}", shortened(said)) }
}

/// Markers in git's English (we run it with `LC_ALL=C`). The first row that matches decides: a hook's refusal also says that the
/// other end hung up.
fn kind_of(said: &str) -> RepoErrorKind {
    const ROWS: &[(RepoErrorKind, &[&str])] = &[
        (
            RepoErrorKind::Denied,
            &[
                "hook declined",
                "remote rejected",
                "Authentication failed",
                "could not read Username",
                "could not read Password",
                "returned error: 301",
                "returned error: 302",
                "returned error: 307",
                "returned error: 308",
                "returned error: 401",
                "returned error: 403",
                "returned error: 404",
                "returned error: 423",
                "HTTP 401",
                "HTTP 403",
                "HTTP 404",
                "HTTP 413",
                "HTTP 423",
                "' not found",
                "unable to update url base from redirection",
            ],
        ),
        (
            RepoErrorKind::Environment,
            &["No space left on device", "Disk quota exceeded", "Read-only file system", "Permission denied"],
        ),
        (
            RepoErrorKind::Unreachable,
            &[
                "Could not resolve",
                "Failed to connect",
                "Couldn't connect",
                "Connection refused",
                "Connection reset",
                "timed out",
                "Operation too slow",
                "Empty reply from server",
                "Recv failure",
                "Send failure",
                "RPC failed",
                "early EOF",
                "hung up",
                "unexpected disconnect",
                "SSL",
                "TLS",
                "returned error: 429",
                "returned error: 5",
                "HTTP 429",
                "HTTP 5",
            ],
        ),
    ];
    ROWS.iter().find(|(_, marks)| marks.iter().any(|mark| said.contains(mark))).map_or(RepoErrorKind::Failed, |(kind, _)| *kind)
}

/// What to do about it, where that is known.
fn hint_of(said: &str) -> Option<&'static str> {
    const HINTS: &[(&[&str], &str)] = &[
        (
            &["returned error: 30", "from redirection"],
            "the repository was renamed or moved: put its new name into the configuration; no redirect is followed",
        ),
        (
            &["returned error: 401", "HTTP 401", "Authentication failed", "could not read Username"],
            "the forge does not accept the token: make a new one with write:repository",
        ),
        (&["returned error: 403", "HTTP 403"], "the token's user may not do that: give it write access to the repository's code"),
        (
            &["certificate problem", "certificate verification failed", "certificate verify failed", "CAfile"],
            "the forge's certificate is not trusted: write `ca_file = \"/path/ca.pem\"` into [forge] if its authority is your own",
        ),
        (&["returned error: 404", "' not found"], "the repository is not there, or the token may not see it"),
        (&["returned error: 423", "HTTP 423"], "the repository is archived"),
        (
            &["returned error: 429", "HTTP 429"],
            "the forge, or a proxy before it, asks for fewer requests: it is left alone for growing times",
        ),
        (
            &["returned error: 502", "returned error: 503", "returned error: 504", "HTTP 502", "HTTP 503", "HTTP 504"],
            "the forge is away behind its proxy: it is left alone for growing times",
        ),
        (&["No space left", "Disk quota"], "make room on the disk that holds state_dir"),
    ];
    HINTS.iter().find(|(marks, _)| marks.iter().any(|mark| said.contains(mark))).map(|(_, hint)| *hint)
}

/// The end of a text, which is where git says what broke; control characters of a remote go no further.
pub(super) fn shortened(said: &str) -> String {
    let clean: Vec<char> = said.trim().chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    clean.iter().skip(clean.len().saturating_sub(LONGEST)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_outweighs_a_broken_line_and_an_outage_is_no_denial() {
        let hook =
            "remote: not on a Friday\n ! [remote rejected] a -> a (pre-receive hook declined)\nfatal: the remote end hung up";
        assert_eq!(kind_of(hook), RepoErrorKind::Denied);
        assert_eq!(
            kind_of("fatal: unable to access 'http://x/': The requested URL returned error: 502"),
            RepoErrorKind::Unreachable
        );
        assert_eq!(kind_of("fatal: write error: No space left on device"), RepoErrorKind::Environment);
        assert_eq!(kind_of("fatal: bad object 12"), RepoErrorKind::Failed);
    }

    #[test]
    fn escape_sequences_of_a_remote_stay_out() {
        assert_eq!(shortened("remote: \u{1b}[31mred\u{7}\n"), "remote: [31mred");
    }
}
