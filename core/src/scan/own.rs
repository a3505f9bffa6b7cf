//! Our own secrets, matched exactly in every form that they are likely to take.

use std::fmt::Write as _;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};

/// A secret shorter than this is none that could be looked for.
const SHORTEST: usize = 6;
/// From this length on pieces are looked for as well.
const IN_PIECES: usize = 20;
/// How long a piece is: each piece of twice that length of a secret contains one.
const PIECE: usize = 10;

/// A form of a secret: as it is, or encoded.
struct Form {
    bytes: Vec<u8>,
}

/// A needle: a piece of a form, and where it stands in it.
struct Needle {
    form: usize,
    offset: usize,
    length: usize,
}

/// The secrets in all their forms.
pub(super) struct OwnSecrets {
    forms: Vec<Form>,
    needles: Vec<Needle>,
    /// None where there is no secret, or where the automaton cannot be built, which its size forbids only for millions of needles.
    automaton: Option<AhoCorasick>,
}

impl OwnSecrets {
    pub(super) fn new(secrets: &[SecretString]) -> Self {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for secret in secrets {
            let secret = secret.expose_secret().trim();
            if secret.len() >= SHORTEST {
                all.extend(forms(secret));
            }
        }
        all.sort_unstable();
        all.dedup();
        let forms: Vec<Form> = all.into_iter().map(|bytes| Form { bytes }).collect();
        let needles: Vec<Needle> = forms.iter().enumerate().flat_map(|(nth, form)| needles(nth, &form.bytes)).collect();
        let patterns = needles.iter().filter_map(|n| forms.get(n.form)?.bytes.get(n.offset..n.offset + n.length));
        // As a DFA, which it would be of so few needles, it takes five times the memory.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).kind(kind).build(patterns).ok();
        Self { forms, needles, automaton: automaton.filter(|_| !secrets.is_empty()) }
    }

    /// Where they are, as far as they reach; the ranges may overlap.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let mut found: Vec<Range<usize>> = Vec::new();
        for hit in automaton.find_overlapping_iter(bytes) {
            let Some((needle, form)) =
                self.needles.get(hit.pattern().as_usize()).and_then(|n| Some((n, self.forms.get(n.form)?)))
            else {
                continue;
            };
            // What stands before and after the piece belongs to it as far as it agrees with the secret.
            let before = matching(bytes.get(..hit.start()), form.bytes.get(..needle.offset));
            let rest = needle.offset + needle.length;
            let after = bytes.get(hit.end()..).unwrap_or_default().iter().zip(form.bytes.get(rest..).unwrap_or_default());
            let after = after.take_while(|(a, b)| a == b).count();
            found.push(hit.start() - before..hit.end() + after);
        }
        found
    }
}

/// How many bytes at the ends of two slices agree.
fn matching(one: Option<&[u8]>, other: Option<&[u8]>) -> usize {
    let pairs = one.unwrap_or_default().iter().rev().zip(other.unwrap_or_default().iter().rev());
    pairs.take_while(|(a, b)| a == b).count()
}

/// A secret in the forms that it is looked for.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut all = vec![bytes.to_vec(), hex::encode(bytes).into_bytes(), hex::encode_upper(bytes).into_bytes()];
    // In base64 a secret looks different at each of three offsets; characters that also carry bits of its neighbours are left out.
    for offset in 0..3 {
        let shifted: Vec<u8> = std::iter::repeat_n(0, offset).chain(bytes.iter().copied()).collect();
        let first = (offset * 8).div_ceil(6);
        let whole = shifted.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            all.extend(encoded.as_bytes().get(first..whole).map(<[u8]>::to_vec));
        }
    }
    // What has to be encoded in a URL depends on where it stands; both cases of the digits are met.
    for upper in [true, false] {
        let mut encoded = String::new();
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = match (byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'), upper) {
                (true, _) => write!(encoded, "{}", char::from(*byte)),
                (false, true) => write!(encoded, "%{byte:02X}"),
                (false, false) => write!(encoded, "%{byte:02x}"),
            };
        }
        all.push(encoded.into_bytes());
    }
    if let Ok(quoted) = serde_json::to_string(secret) {
        all.push(quoted.trim_matches('"').as_bytes().to_vec());
    }
    all.retain(|form| form.len() >= SHORTEST);
    all
}

/// The whole form, or its pieces: each longer part of the secret contains one.
fn needles(form: usize, bytes: &[u8]) -> Vec<Needle> {
    let whole = Needle { form, offset: 0, length: bytes.len() };
    if bytes.len() < IN_PIECES {
        return vec![whole];
    }
    let telling = |offset: &usize| bytes.get(*offset..offset + PIECE).is_some_and(is_telling);
    let pieces = (0..=bytes.len() - PIECE).step_by(PIECE).filter(telling);
    let mut all: Vec<Needle> = pieces.map(|offset| Needle { form, offset, length: PIECE }).collect();
    all.push(whole);
    all
}

/// Whether a piece could hardly be anything else: a prefix such as `sk-ant-api` stands in every documentation.
fn is_telling(piece: &[u8]) -> bool {
    let digits = piece.iter().any(u8::is_ascii_digit);
    let lower = piece.iter().any(u8::is_ascii_lowercase);
    let upper = piece.iter().any(u8::is_ascii_uppercase);
    let mut distinct = piece.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() >= 5 && [digits, lower, upper].into_iter().filter(|kind| *kind).count() >= 2
}
