//! Commits of an agent, written anew with the author that the project wants.
//!
//! Trees and dates stay; signatures go, since they would not hold. Of messages those words are broken that the forge would act on: whoever
//! wrote them, they are published under our name. The same commits always become the same commits.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::Sha;
use crate::ports::RepoError;
use crate::text;

use super::author::Author;
use super::{Git, unexpected};

/// Longest text of all commits together, in bytes.
pub(super) const COMMITS: usize = 32 << 20;

impl Git {
    /// Rewrites `commits`, parents first; answers with what `tip` became. A commit that is not among them stays as it is.
    pub(super) async fn reauthor(&self, dir: &Path, commits: &[String], tip: &Sha, author: &Author) -> Result<Sha, RepoError> {
        const WHAT: &str = "re-authoring commits";
        let raw = self.contents(dir, commits, COMMITS).await?;
        let mut became: BTreeMap<String, Sha> = BTreeMap::new();
        for sha in commits {
            let old = raw.get(sha).map(Vec::as_slice).unwrap_or_default();
            let new = rewritten(old, author, &became).ok_or_else(|| unexpected(WHAT, old))?;
            let new = self.write_object(dir, "commit", new).await?;
            became.insert(sha.clone(), new);
        }
        Ok(became.remove(tip.as_str()).unwrap_or_else(|| tip.clone()))
    }
}

/// A commit with another author and with its parents' new names; none if it is no commit.
fn rewritten(old: &[u8], author: &Author, became: &BTreeMap<String, Sha>) -> Option<Vec<u8>> {
    let end = old.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, rest) = old.split_at_checked(end + 1)?;
    let message = rest.strip_prefix(b"\n")?;
    let mut new = Vec::with_capacity(old.len());
    for line in head.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let (key, value) = line.split_at_checked(line.iter().position(|b| *b == b' ')?)?;
        let value = value.strip_prefix(b" ")?;
        let kept = match key {
            b"tree" | b"encoding" => value.to_vec(),
            b"parent" => {
                let parent = std::str::from_utf8(value).ok()?;
                became.get(parent).map_or(parent, Sha::as_str).as_bytes().to_vec()
            }
            b"author" | b"committer" => {
                let when = value.iter().rposition(|b| *b == b'>').and_then(|at| value.get(at + 1..))?;
                [author.name.as_bytes(), b" <", author.mail.as_bytes(), b">", when].concat()
            }
            // Signatures, merged tags and their continuation lines, which begin with a space.
            _ => continue,
        };
        new.extend([key, b" ", &kept, b"\n"].concat());
    }
    new.push(b'\n');
    new.extend(text::commit_message(message));
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_message_stay_and_a_signature_goes() {
        let old = b"tree 1\nparent 2\nparent 3\nauthor A <a@b> 5 +0100\ncommitter C <c@d> 6 +0000\ngpgsig -----BEGIN\n line\n \n -----END\nencoding latin1\n\nsubject\n\nbody \xe9\n";
        let author = Author { name: "Hand".into(), mail: "h@x".into() };
        let two: Sha = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().expect("a name");
        let new = rewritten(old, &author, &BTreeMap::from([("2".to_owned(), two)])).expect("a commit");
        let want = b"tree 1\nparent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 3\nauthor Hand <h@x> 5 +0100\ncommitter Hand <h@x> 6 +0000\nencoding latin1\n\nsubject\n\nbody \xe9\n";
        assert_eq!(String::from_utf8_lossy(&new), String::from_utf8_lossy(want));
        assert_eq!(rewritten(b"no commit", &author, &BTreeMap::new()), None);
    }
}
