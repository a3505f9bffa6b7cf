//! The rules for what has the form of somebody's secret.

use std::collections::BTreeSet;
use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::Finding;

/// The shipped rules.
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::parse(include_str!("../../../config/secret-rules.toml")).expect("a constant of this program, parsed in its tests")
});

/// What a made-up secret in documentation or a test contains, in lower case.
const PLACEHOLDERS: [&str; 20] = [
    "example",
    "dummy",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "your",
    "xxxx",
    "****",
    "....",
    "123456789",
    "abcdefgh",
    "redacted",
    "sample",
    "foobar",
    "not-a-",
    "not_a_",
    "${",
    "{{",
    "<",
];
/// Passwords that are none, as a whole and in lower case.
const WELL_KNOWN: [&str; 10] =
    ["password", "passwort", "passwd", "secret", "postgres", "mysecretpassword", "administrator", "guest", "hunter2", "rabbitmq"];
/// What a text of fewer different characters than this is made of is no secret: `aaaaaaaaaaaaaaaa`.
const DISTINCT: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    keywords: Vec<String>,
    regex: String,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    mixed: bool,
}

struct Rule {
    entry: Entry,
    /// Compiled when it is first tried; none if it cannot be.
    regex: OnceLock<Option<Regex>>,
}

/// All rules behind one filter of keywords.
pub(super) struct Rules {
    rules: Vec<Rule>,
    keywords: AhoCorasick,
    /// The rule of each keyword.
    owners: Vec<usize>,
}

impl Rules {
    /// The names of all rules.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.entry.id.as_str())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let document: Document = toml::from_str(text).map_err(|e| e.to_string())?;
        let rules: Vec<Rule> = document.rule.into_iter().map(|entry| Rule { entry, regex: OnceLock::new() }).collect();
        let pairs = || rules.iter().enumerate().flat_map(|(nth, rule)| rule.entry.keywords.iter().map(move |k| (nth, k)));
        let keywords = AhoCorasick::builder().ascii_case_insensitive(true).build(pairs().map(|(_, k)| k));
        let owners = pairs().map(|(nth, _)| nth).collect();
        Ok(Self { keywords: keywords.map_err(|e| e.to_string())?, owners, rules })
    }

    pub(super) fn find(&'static self, bytes: &[u8]) -> Vec<Finding> {
        let mut wanted: BTreeSet<usize> = BTreeSet::new();
        for hit in self.keywords.find_overlapping_iter(bytes) {
            wanted.extend(self.owners.get(hit.pattern().as_usize()));
        }
        wanted.into_iter().filter_map(|nth| self.rules.get(nth)).flat_map(|rule| rule.find(bytes)).collect()
    }
}

impl Rule {
    fn find(&'static self, bytes: &[u8]) -> Vec<Finding> {
        let Some(regex) = self.compiled() else { return Vec::new() };
        let secrets = regex.captures_iter(bytes).filter_map(|found| found.name("secret").or(found.get(0)));
        let real = secrets.filter(|secret| self.is_real(secret.as_bytes()));
        real.map(|secret| Finding { rule: &self.entry.id, range: secret.range() }).collect()
    }

    fn compiled(&self) -> Option<&Regex> {
        let compile = || RegexBuilder::new(&self.entry.regex).unicode(false).build().ok();
        self.regex.get_or_init(compile).as_ref()
    }

    fn is_real(&self, secret: &[u8]) -> bool {
        let distinct: BTreeSet<u8> = secret.iter().copied().collect();
        // In a long one such a word stands by chance.
        let made_up = secret.len() <= 300 && {
            let lower = String::from_utf8_lossy(secret).to_lowercase();
            PLACEHOLDERS.iter().any(|p| lower.contains(p)) || WELL_KNOWN.contains(&lower.as_str())
        };
        let mixed = distinct.iter().any(u8::is_ascii_digit) && distinct.iter().any(u8::is_ascii_alphabetic);
        distinct.len() >= DISTINCT && (mixed || !self.entry.mixed) && entropy(secret) >= self.entry.entropy && !made_up
    }
}

/// Bits for each byte (Shannon).
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = bytes.len() as f64;
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / length).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_has_keywords_and_a_name_of_its_own() {
        let mut ids = BTreeSet::new();
        for rule in &RULES.rules {
            let compiled = RegexBuilder::new(&rule.entry.regex).unicode(false).build();
            assert!(compiled.is_ok(), "{}: {compiled:?}", rule.entry.id);
            assert!(!rule.entry.keywords.is_empty(), "{}", rule.entry.id);
            assert!(ids.insert(rule.entry.id.as_str()), "{} stands twice", rule.entry.id);
        }
    }

    #[test]
    fn entropy_is_that_of_shannon() {
        assert!((entropy(b"aabb") - 1.0).abs() < 1e-9);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-9);
        assert!(entropy(b"").abs() < 1e-9);
    }
}
