//! Reads what git prints. Only formats with NUL between fields are asked for, so that no name or message can fool it.

use super::GitError;
use crate::git_job::{CommitInfo, FileChange, FolderEntry, Signature};

/// The format of `git log` that `commits` reads: ten fields, each ended by NUL.
pub(super) const COMMIT: &str = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00";

/// Commits as `git log` prints them in the format [`COMMIT`].
pub(super) fn commits(output: &[u8]) -> Result<Vec<CommitInfo>, GitError> {
    let text = String::from_utf8_lossy(output);
    let mut fields = text.split('\0');
    let mut commits = Vec::new();
    loop {
        let sha = fields.next().unwrap_or_default().trim();
        if sha.is_empty() {
            return Ok(commits);
        }
        let mut next = || fields.next().ok_or(GitError::Unclear("log"));
        let (tree, parents) = (next()?.to_owned(), next()?.split_whitespace().map(str::to_owned).collect());
        let mut signature = || -> Result<Signature, GitError> {
            let (name, email, at) = (next()?.to_owned(), next()?.to_owned(), next()?);
            Ok(Signature { name, email, at: at.parse().map_err(|_| GitError::Unclear("log"))? })
        };
        let (author, committer) = (signature()?, signature()?);
        let message = format!("{}\n", next()?.trim_end_matches('\n'));
        commits.push(CommitInfo { sha: sha.to_owned(), tree, parents, author, committer, message });
    }
}

/// Files as `git diff --raw --numstat -z --no-renames` prints them.
pub(super) fn changes(output: &[u8]) -> Result<Vec<FileChange>, GitError> {
    let unclear = || GitError::Unclear("diff");
    let text = String::from_utf8_lossy(output);
    let mut files: Vec<FileChange> = Vec::new();
    let mut fields = text.split('\0').filter(|field| !field.is_empty());
    while let Some(field) = fields.next() {
        if field.starts_with(':') {
            let status = match field.rsplit(' ').next() {
                Some("A") => "added",
                Some("D") => "deleted",
                _ => "changed",
            };
            let path = fields.next().ok_or_else(unclear)?.to_owned();
            files.push(FileChange { path, status, additions: 0, deletions: 0 });
        } else {
            let mut parts = field.splitn(3, '\t');
            let (Some(added), Some(deleted), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(unclear());
            };
            if let Some(file) = files.iter_mut().find(|file| file.path == path) {
                // Binary files have `-` for both.
                file.additions = added.parse().unwrap_or(0);
                file.deletions = deleted.parse().unwrap_or(0);
            }
        }
    }
    Ok(files)
}

/// An entry as `git ls-tree -l -z` prints it.
pub(super) struct TreeEntry {
    pub mode: String,
    pub kind: String,
    pub entry: FolderEntry,
}

pub(super) fn tree(output: &[u8]) -> Result<Vec<TreeEntry>, GitError> {
    let text = String::from_utf8_lossy(output);
    let parse = |line: &str| {
        let (meta, path) = line.split_once('\t')?;
        let mut meta = meta.split_whitespace();
        let (mode, kind, sha, size) = (meta.next()?, meta.next()?, meta.next()?, meta.next()?);
        let shown = match (mode, kind) {
            ("120000", _) => "symlink",
            (_, "tree") => "dir",
            (_, "commit") => "submodule",
            _ => "file",
        };
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let entry = FolderEntry { name, sha: sha.to_owned(), kind: shown, size: size.parse().unwrap_or(0) };
        Some(TreeEntry { mode: mode.to_owned(), kind: kind.to_owned(), entry })
    };
    let lines = text.split('\0').filter(|line| !line.is_empty());
    lines.map(|line| parse(line).ok_or(GitError::Unclear("ls-tree"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_told_apart_whatever_their_messages_hold() {
        let one = |sha: &str, message: &str| format!("{sha}\0tree\0p1 p2\0A\0a@x\x001\0B\0b@x\x002\0{message}\0\n");
        let text = one("aaa", "first\n\nwith\nlines\n") + &one("bbb", "second");
        let commits = commits(text.as_bytes()).unwrap();
        assert_eq!(commits.len(), 2);
        assert_eq!((commits[0].message.as_str(), commits[1].sha.as_str()), ("first\n\nwith\nlines\n", "bbb"));
        assert_eq!(commits[1].parents, ["p1", "p2"]);
    }

    #[test]
    fn changes_carry_status_and_numbers() {
        let text = ":000000 100644 0 1 A\0a b\0:100644 100644 1 2 M\0bin\x003\t1\ta b\0-\t-\tbin\0";
        let files = changes(text.as_bytes()).unwrap();
        assert_eq!(files[0], FileChange { path: "a b".into(), status: "added", additions: 3, deletions: 1 });
        assert_eq!((files[1].status, files[1].additions), ("changed", 0));
    }
}
