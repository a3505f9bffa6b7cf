//! The questions to git.

use std::collections::BTreeMap;

use super::{GitError, Repository, failed, parse};
use crate::git_job::{Comparison, GitReply, PathInfo, PathKind};

impl super::Git {
    /// Every ref of a repository but those of pull requests, which are the forge's own.
    pub async fn refs(&self, folder: &str) -> Result<BTreeMap<String, String>, GitError> {
        let repo = Repository { git: self, dir: self.path(folder) };
        let output = repo.git(&["for-each-ref", "--format=%(refname)%00%(objectname)"]).await?;
        let text = String::from_utf8_lossy(&output).into_owned();
        let refs = text.lines().filter_map(|line| line.split_once('\0'));
        Ok(refs.filter(|(name, _)| !name.starts_with("refs/pull/")).map(|(n, o)| (n.to_owned(), o.to_owned())).collect())
    }
}

impl Repository<'_> {
    pub(super) async fn commit(&self, commit: &str) -> Result<GitReply, GitError> {
        let found = self
            .try_git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{commit}^{{commit}}")], &[], None)
            .await?;
        if !found.status.success() {
            return Ok(GitReply::Commit(None));
        }
        let output = self.git(&["log", "-1", parse::COMMIT, "--end-of-options", commit]).await?;
        Ok(GitReply::Commit(parse::commits(&output)?.into_iter().next()))
    }

    pub(super) async fn commits(&self, of: &str, without: Option<&str>, skip: usize, take: usize) -> Result<GitReply, GitError> {
        let not = without.map(|without| format!("^{without}"));
        let range: Vec<&str> = std::iter::once(of).chain(not.as_deref()).collect();
        let count = [&["rev-list", "--count"][..], &range].concat();
        let count = self.object(&count, &[], None).await?;
        let (skip, take) = (format!("--skip={skip}"), format!("--max-count={take}"));
        let log = [&["log", &skip, &take, parse::COMMIT][..], &range].concat();
        let list = parse::commits(&self.git(&log).await?)?;
        Ok(GitReply::Commits { list, total: count.parse().map_err(|_| GitError::Unclear("rev-list"))? })
    }

    /// Where two commits parted, if they have anything in common.
    pub(super) async fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, GitError> {
        let args = ["merge-base", one, other];
        let output = self.try_git(&args, &[], None).await?;
        match output.status.code() {
            Some(0) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
            Some(1) => Ok(None),
            _ => Err(failed(&args, &output)),
        }
    }

    pub(super) async fn compare(&self, base: &str, head: &str) -> Result<GitReply, GitError> {
        let common = self.merge_base(base, head).await?;
        let merge_base = common.clone().unwrap_or_else(|| base.to_owned());
        let output = self.git(&["diff", "--raw", "--numstat", "-z", "--no-renames", &merge_base, head]).await?;
        let files = parse::changes(&output)?;
        // A fast-forward and an old head cannot conflict.
        let conflicts = match common {
            None => true,
            Some(common) if common == base || common == head => false,
            Some(_) => self.merged_tree(base, head).await?.is_none(),
        };
        Ok(GitReply::Comparison(Comparison { merge_base, files, conflicts }))
    }

    pub(super) async fn diff(&self, from: &str, to: &str) -> Result<GitReply, GitError> {
        let output = self.git(&["diff", "--no-color", "--no-ext-diff", from, to]).await?;
        Ok(GitReply::Text(String::from_utf8_lossy(&output).into_owned()))
    }

    pub(super) async fn at_path(&self, commit: &str, path: &str) -> Result<GitReply, GitError> {
        let (kind, sha) = if path.is_empty() {
            ("tree".to_owned(), self.object(&["rev-parse", &format!("{commit}^{{tree}}")], &[], None).await?)
        } else {
            let entries = parse::tree(&self.git(&["ls-tree", "-l", "-z", commit, "--", path]).await?)?;
            match entries.into_iter().next() {
                Some(found) => (found.kind, found.entry.sha),
                None => return Ok(GitReply::Path(None)),
            }
        };
        let log: &[&str] = &["log", "-1", "--format=%H%x00%ct", commit, "--", path];
        let last = self.git(if path.is_empty() { &log[..4] } else { log }).await?;
        let last = String::from_utf8_lossy(&last).into_owned();
        let (last_commit, last_at) = last.trim().split_once('\0').ok_or(GitError::Unclear("log"))?;
        let what = match kind.as_str() {
            "tree" => {
                let entries = parse::tree(&self.git(&["ls-tree", "-l", "-z", &sha]).await?)?;
                PathKind::Folder(entries.into_iter().map(|found| found.entry).collect())
            }
            _ => PathKind::File(self.git(&["cat-file", "blob", &sha]).await?),
        };
        let last_at = last_at.parse().map_err(|_| GitError::Unclear("log"))?;
        Ok(GitReply::Path(Some(PathInfo { sha, last_commit: last_commit.to_owned(), last_at, what })))
    }
}
