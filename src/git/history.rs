//! Commits of an agent, written anew with the author that the project wants.
//!
//! Trees and dates stay; signatures go, since they would not hold. Of messages those words are broken that the forge would act on: whoever
//! wrote them, they are published under our name. The same commits always become the same commits.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::{LastTag, RepoName, Sha};
use crate::ports::RepoError;
use crate::text;

use super::author::Author;
use super::objects::{many_shas, one_sha};
use super::process::Call;
use super::{Git, unexpected};

/// Longest text of all commits together, in bytes.
pub(super) const COMMITS: usize = 32 << 20;

/// A branch longer than this is nobody's but a person's.
const BRANCH: usize = 1000;

impl Git {
    /// Whether the commits from `base` to `tip`, at least one, were all written and committed by one of these.
    pub(super) async fn committed_by(
        &self,
        repo: &RepoName,
        base: &Sha,
        tip: &Sha,
        authors: &[Author],
    ) -> Result<bool, RepoError> {
        let what = format!("reading who committed to {repo}");
        let dir = self.mirror_dir(repo);
        let most = format!("--max-count={}", BRANCH + 1);
        let list = Call::bare(&dir, &what).args(["rev-list", &most, tip.as_str(), &format!("^{base}"), "--"]);
        let commits = many_shas(&what, &self.runner.ok(list).await?)?;
        if commits.is_empty() || commits.len() > BRANCH {
            return Ok(false);
        }
        let raw = self.contents(&dir, &commits, COMMITS).await?;
        Ok(raw.len() == commits.len() && raw.values().all(|commit| authors.iter().any(|author| is_by(commit, author))))
    }

    /// Whether a commit from `base` to `tip` changes a path.
    pub(super) async fn touches(&self, repo: &RepoName, base: &Sha, tip: &Sha, path: &str) -> Result<bool, RepoError> {
        let what = format!("looking for {path} on a branch of {repo}");
        let dir = self.mirror_dir(repo);
        let list = Call::bare(&dir, &what).args(["rev-list", "--max-count=1", tip.as_str(), &format!("^{base}"), "--"]);
        let found = self.runner.ok(list.arg(path)).await?;
        Ok(!many_shas(&what, &found)?.is_empty())
    }

    /// The tag of a version that is nearest behind a commit. A pre-release is none: what came since the release before it counts.
    pub(super) async fn newest_tag(&self, repo: &RepoName, at: &Sha) -> Result<LastTag, RepoError> {
        let what = format!("looking for the newest tag of {repo}");
        let dir = self.mirror_dir(repo);
        let call = Call::bare(&dir, &what).args(["describe", "--tags", "--long", "--always", "--abbrev=40"]);
        let call = call.args(["--match", "*[0-9].[0-9]*", "--exclude", "*[0-9]-[A-Za-z]*", at.as_str()]);
        let told = self.runner.ok(call).await?;
        // `<tag>-<commits>-g<commit>`, or where there is no tag the commit alone.
        if let Some((name, commits)) = described(&String::from_utf8_lossy(&told)) {
            let commit = format!("refs/tags/{name}^{{commit}}");
            let commit = self.runner.ok(Call::bare(&dir, &what).args(["rev-parse", "-q", "--verify", &commit])).await?;
            return Ok(LastTag { name, commit: Some(one_sha(&what, &commit)?), commits });
        }
        let count = self.runner.ok(Call::bare(&dir, &what).args(["rev-list", "--count", at.as_str()])).await?;
        let commits = String::from_utf8_lossy(&count).trim().parse().map_err(|_| unexpected(&what, &count))?;
        Ok(LastTag { name: String::new(), commit: None, commits })
    }

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

/// What `git describe --long` says of a commit: the tag, and how many commits came since.
fn described(told: &str) -> Option<(String, u64)> {
    let (rest, _) = told.trim().rsplit_once("-g")?;
    let (name, commits) = rest.rsplit_once('-')?;
    Some((name.to_owned(), commits.parse().ok()?))
}

/// Whether author and committer of a commit are this one.
fn is_by(commit: &[u8], author: &Author) -> bool {
    let head = commit.windows(2).position(|pair| pair == b"\n\n").and_then(|end| commit.get(..end)).unwrap_or_default();
    let by = |key: &str| {
        let line = format!("{key} {} <{}> ", author.name, author.mail);
        head.split(|b| *b == b'\n').any(|l| l.starts_with(line.as_bytes()))
    };
    by("author") && by("committer")
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
        assert!(is_by(&new, &author) && !is_by(old, &author) && !is_by(b"no commit", &author));
        let amended = String::from_utf8_lossy(&new).replace("committer Hand", "committer Ann");
        assert!(!is_by(amended.as_bytes(), &author), "a person's amending shows");
        let quoted =
            b"tree 1\nauthor A <a@b> 5 +0\ncommitter A <a@b> 5 +0\n\nauthor Hand <h@x> 5 +0\ncommitter Hand <h@x> 5 +0\n";
        assert!(!is_by(quoted, &author), "the message says nothing");
    }
}
