//! Reading and writing single objects of a repository of ours, many in one call.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::Sha;
use crate::ports::RepoError;

use super::fault::failed;
use super::process::{Call, Input, Runner};
use super::{Git, unexpected};

const READING: &str = "reading objects";

/// What an object is, as `cat-file --batch-check` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// `commit`, `tree`, `blob` or `tag`.
    pub(super) name: String,
    /// Bytes.
    pub(super) size: u64,
}

impl Git {
    /// What each of these objects is, in order; none where the repository does not have it.
    pub(super) async fn kinds(&self, dir: &Path, shas: &[String]) -> Result<Vec<Option<Kind>>, RepoError> {
        const WHAT: &str = "looking objects up";
        if shas.is_empty() {
            return Ok(Vec::new());
        }
        let call =
            Call::bare(dir, WHAT).args(["cat-file", "--batch-check"]).input(Input::Bytes(lines(shas))).most(usize::MAX - 1);
        let out = self.runner.ok(call).await?;
        let text = String::from_utf8_lossy(&out);
        let kinds: Vec<_> = text.lines().map(kind_of_line).collect();
        if kinds.len() == shas.len() { Ok(kinds) } else { Err(unexpected(WHAT, &out)) }
    }

    /// As [`Runner::contents`].
    pub(super) async fn contents(
        &self,
        dir: &Path,
        shas: &[String],
        most: usize,
    ) -> Result<BTreeMap<String, Vec<u8>>, RepoError> {
        self.runner.contents(dir, shas, most).await
    }

    /// Writes an object and answers with its name.
    pub(super) async fn write_object(&self, dir: &Path, kind: &str, bytes: Vec<u8>) -> Result<Sha, RepoError> {
        let what = format!("writing a {kind}");
        let call = Call::bare(dir, &what).args(["hash-object", "-w", "--stdin", "-t", kind]).input(Input::Bytes(bytes));
        let out = self.runner.ok(call).await?;
        one_sha(&what, &out)
    }
}

impl Runner {
    /// The contents of these objects; each must be there. Together at most `most` bytes, otherwise an error.
    async fn contents(&self, dir: &Path, shas: &[String], most: usize) -> Result<BTreeMap<String, Vec<u8>>, RepoError> {
        let found = self.contents_up_to(dir, shas, most).await?;
        found.ok_or_else(|| failed(READING, "git's output is longer than is accepted"))
    }

    /// The contents of these objects; each must be there. None where they are more than `most` bytes together.
    pub(super) async fn contents_up_to(
        &self,
        dir: &Path,
        shas: &[String],
        most: usize,
    ) -> Result<Option<BTreeMap<String, Vec<u8>>>, RepoError> {
        if shas.is_empty() {
            return Ok(Some(BTreeMap::new()));
        }
        let call = Call::bare(dir, READING).args(["cat-file", "--batch"]).input(Input::Bytes(lines(shas))).most(most);
        let out = self.run(call).await?;
        if out.cut {
            return Ok(None);
        }
        let out = out.good()?;
        split_batch(&out).map(Some).ok_or_else(|| unexpected(READING, &out))
    }
}

/// The one object name that an output consists of.
pub(super) fn one_sha(what: &str, out: &[u8]) -> Result<Sha, RepoError> {
    std::str::from_utf8(out).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| unexpected(what, out))
}

/// The object names that an output consists of, one on a line.
pub(super) fn many_shas(what: &str, out: &[u8]) -> Result<Vec<String>, RepoError> {
    let text = std::str::from_utf8(out).map_err(|_| unexpected(what, out))?;
    text.lines().map(|line| line.parse::<Sha>().map(String::from).map_err(|_| unexpected(what, out))).collect()
}

pub(super) fn lines(words: &[String]) -> Vec<u8> {
    words.iter().flat_map(|word| [word.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn kind_of_line(line: &str) -> Option<Kind> {
    let mut words = line.split(' ').skip(1);
    let name = words.next()?.to_owned();
    let size = words.next()?.parse().ok()?;
    Some(Kind { name, size })
}

/// Splits the output of `cat-file --batch`: a line `<sha> <type> <size>`, that many bytes, a line feed. None if an object is missing.
fn split_batch(mut out: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    while !out.is_empty() {
        let end = out.iter().position(|b| *b == b'\n')?;
        let (head, rest) = out.split_at_checked(end)?;
        let mut words = std::str::from_utf8(head).ok()?.split(' ');
        let (sha, _kind, size) = (words.next()?, words.next()?, words.next()?.parse::<usize>().ok()?);
        let (body, rest) = rest.get(1..)?.split_at_checked(size)?;
        found.insert(sha.to_owned(), body.to_vec());
        out = rest.strip_prefix(b"\n")?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_split_by_size_and_not_by_line() {
        let out = b"aa blob 4\na\nb\n\nbb blob 0\n\n";
        let found = split_batch(out).expect("whole");
        assert_eq!(found.get("aa").map(Vec::as_slice), Some(b"a\nb\n".as_slice()));
        assert_eq!(found.get("bb").map(Vec::as_slice), Some(b"".as_slice()));
        assert_eq!(split_batch(b"aa missing\n"), None);
        assert_eq!(split_batch(b"aa blob 9\nshort\n"), None);
    }
}
