//! What a change would publish, as text, for the scan for secrets.
//!
//! Every commit is looked at, not only the sum of them: a secret that one commit adds and the next removes is published all the same. So
//! are messages. Binary files count as text, and NUL bytes are dropped, so that neither hides a secret.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{RunId, Sha};
use crate::ports::RepoError;

use super::diff::{self, Entry, Side};
use super::fault::failed;
use super::process::{Call, Input};
use super::{Git, unexpected};

/// Under which path messages stand.
const MESSAGES: &str = "(commit messages)";

/// Most of it, in bytes, old and new contents together. More is an error, never a silent cut.
const MOST: u64 = 512 << 20;

impl Git {
    pub(super) async fn added_text(&self, run: &RunId, base: &Sha, head: &Sha) -> Result<Vec<(String, String)>, RepoError> {
        const WHAT: &str = "reading what a change adds";
        let dir = self.intake_dir(run)?;
        let commits = self.commits_between(&dir, base, head, WHAT).await?;
        let compare = Call::bare(&dir, WHAT)
            .args(["diff-tree", "--stdin", "-r", "-z", "-c", "-M", "--raw", "--no-commit-id"])
            .input(Input::Bytes(commits.clone()));
        let out = self.runner.ok(compare).await?;
        let (entries, _) = diff::parse(&out).ok_or_else(|| unexpected(WHAT, &out))?;
        let mut wanted: BTreeSet<String> = String::from_utf8_lossy(&commits).lines().map(str::to_owned).collect();
        let messages = wanted.clone();
        let sides =
            |entry: &Entry| entry.old.iter().chain([&entry.new]).filter(|side| side.has_blob()).cloned().collect::<Vec<Side>>();
        wanted.extend(entries.iter().flat_map(sides).map(|side| side.blob));
        let wanted: Vec<String> = wanted.into_iter().collect();
        let size: u64 = self.kinds(&dir, &wanted).await?.into_iter().flatten().map(|kind| kind.size + 128).sum();
        if size > MOST {
            return Err(failed(WHAT, format!("{size} bytes are too many to look through")));
        }
        let contents = self.contents(&dir, &wanted, usize::try_from(MOST).unwrap_or(usize::MAX)).await?;
        let mut added: BTreeMap<String, String> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.new.has_blob()) {
            let old: Vec<&[u8]> = entry.old.iter().filter_map(|side| contents.get(&side.blob)).map(Vec::as_slice).collect();
            let new = contents.get(&entry.new.blob).map(Vec::as_slice).unwrap_or_default();
            added.entry(entry.path.clone()).or_default().push_str(&new_lines(&old, new));
        }
        // As they were before we broke words of theirs: a secret may stand across the place.
        let whole = |raw: &Vec<u8>| readable(message(raw)).replace('\u{200b}', "");
        let texts = messages.iter().filter_map(|sha| contents.get(sha)).map(whole);
        added.insert(MESSAGES.to_owned(), texts.collect::<Vec<_>>().join("\n"));
        Ok(added.into_iter().filter(|(_, text)| !text.is_empty()).collect())
    }
}

/// The lines of a content that none of the older ones has.
fn new_lines(old: &[&[u8]], new: &[u8]) -> String {
    let known: BTreeSet<&[u8]> = old.iter().flat_map(|text| text.split(|b| *b == b'\n')).collect();
    let mut text = String::new();
    for line in new.split(|b| *b == b'\n').filter(|line| !known.contains(line)) {
        text.push_str(&readable(line));
        text.push('\n');
    }
    text
}

fn message(commit: &[u8]) -> &[u8] {
    commit.windows(2).position(|pair| pair == b"\n\n").and_then(|at| commit.get(at + 2..)).unwrap_or_default()
}

fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_not_added_and_nuls_hide_nothing() {
        assert_eq!(new_lines(&[b"a\nb\n"], b"a\nc\nb\n"), "c\n");
        assert_eq!(new_lines(&[b"a\n", b"c\n"], b"a\nc\nd\n"), "d\n");
        assert_eq!(new_lines(&[], b"s\0e\0c\0r\0e\0t"), "secret\n");
    }
}
