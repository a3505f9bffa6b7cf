//! Finding secrets in what is about to be published, logged or shown.
//!
//! Promises: a whole text is looked at, not line by line; a secret of ours is found raw, in base64 at any offset, in hex, URL-encoded and
//! escaped for JSON, and also a longer piece of it, because an agent was once told to trim a key so that scanners miss it. What has the form
//! of somebody's secret is found by rules (`config/secret-rules.toml`). Known limits: a secret that is encrypted, spelled out or cut into
//! pieces of fewer than about twenty characters is not found.
//!
//! Cheap by design: one pass with all keywords decides which rules are tried, and a rule is compiled when it is first tried.

mod own;
mod rules;
mod variables;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};

use own::OwnSecrets;
use rules::RULES;
pub use variables::secrets_of_variables;

/// What a finding of one of our own secrets is called.
pub const OWN_SECRET: &str = "own-secret";

/// The names of all rules, in the order of the file.
pub fn rule_names() -> impl Iterator<Item = &'static str> {
    RULES.names()
}

/// A secret that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it, or [`OWN_SECRET`].
    pub rule: &'static str,
    /// Its bytes.
    pub range: Range<usize>,
}

/// Looks for secrets. It knows ours, and does not show them.
///
/// What it knows grows: a project's env file is read when a run starts.
pub struct Scanner {
    own: RwLock<Known>,
}

/// The secrets, and what finds them.
struct Known {
    secrets: Vec<SecretString>,
    own: Arc<OwnSecrets>,
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").finish_non_exhaustive()
    }
}

impl Scanner {
    /// A scanner that also knows these secrets. Those of fewer than six bytes are left out: they would be found everywhere.
    pub fn new(own: Vec<SecretString>) -> Self {
        let found = Arc::new(OwnSecrets::new(&own));
        Self { own: RwLock::new(Known { secrets: own, own: found }) }
    }

    /// From now on it knows these too; what it knew it keeps.
    pub fn learn(&self, more: Vec<SecretString>) {
        let mut known = self.own.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.secrets.len();
        for secret in more {
            if !known.secrets.iter().any(|old| old.expose_secret() == secret.expose_secret()) {
                known.secrets.push(secret);
            }
        }
        if known.secrets.len() > before {
            known.own = Arc::new(OwnSecrets::new(&known.secrets));
        }
    }

    /// The secrets in a text, in order, none overlapping another; ours win over rules.
    pub fn find(&self, text: &str) -> Vec<Finding> {
        self.find_bytes(text.as_bytes())
    }

    /// As [`Scanner::find`], in what may not be text.
    pub fn find_bytes(&self, bytes: &[u8]) -> Vec<Finding> {
        let known = self.own.read().unwrap_or_else(PoisonError::into_inner).own.clone();
        let own = known.find(bytes).into_iter().map(|range| Finding { rule: OWN_SECRET, range });
        let mut all: Vec<Finding> = own.chain(RULES.find(bytes)).collect();
        all.sort_by_key(|f| (f.range.start, f.rule != OWN_SECRET, std::cmp::Reverse(f.range.end)));
        let mut kept: Vec<Finding> = Vec::with_capacity(all.len());
        for finding in all {
            match kept.last_mut() {
                Some(last) if finding.range.start < last.range.end => {
                    last.range.end = last.range.end.max(finding.range.end);
                    if finding.rule == OWN_SECRET {
                        last.rule = OWN_SECRET;
                    }
                }
                _ => kept.push(finding),
            }
        }
        kept
    }

    /// The text with every secret replaced by `[redacted: rule]`.
    pub fn redact(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut done = 0;
        for finding in self.find(text) {
            // A rule on bytes may end within a character; what is left of it goes too.
            let start = text.floor_char_boundary(finding.range.start).max(done);
            let end = text.ceil_char_boundary(finding.range.end);
            clean.push_str(text.get(done..start).unwrap_or_default());
            clean.push_str(&format!("[redacted: {}]", finding.rule));
            done = end;
        }
        clean.push_str(text.get(done..).unwrap_or_default());
        clean
    }
}
