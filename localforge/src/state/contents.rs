//! Files of a repository, read and written over the API. Each write is a commit of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answer::{Halt, Handled, Refusal, missing, missing_because, says, unexpected};
use super::branches::is_branch_name;
use super::protections::touches;
use super::pulls::escape_path;
use super::pushes::RefUpdate;
use super::records::*;
use super::{Answer, Body, Call, show};
use crate::git_job::{BranchTip, CommitInfo, GitJob, GitReply, PathInfo, PathKind};
use crate::wire::{self, Stamp, asked};

/// What a write is to come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Create,
    Update,
    Delete,
}

/// Whether a path stays inside the repository and out of git's own folder.
fn is_path(path: &str) -> bool {
    path.split('/').all(|part| !part.is_empty() && !matches!(part, "." | "..") && !part.eq_ignore_ascii_case(".git"))
        && !path.contains(['\0', '\n'])
}

impl Call<'_> {
    /// What stands at a path of a commit.
    fn at_path(&self, repo: RepoId, commit: &str, path: &str) -> Result<Option<PathInfo>, Halt> {
        if !path.is_empty() && !is_path(path) {
            return Ok(None);
        }
        let folder = self.repo(repo)?.folder.clone();
        match self.git(GitJob::Path { folder, commit: commit.to_owned(), path: path.to_owned() })? {
            GitReply::Path(info) => Ok(info),
            _ => Err(unexpected()),
        }
    }

    /// The commit and the name of the ref that a query asks for; the default branch where it does not say.
    fn asked_ref(&self, repo: RepoId) -> Result<(String, String), Halt> {
        let name = self.request.query("ref").unwrap_or(&self.repo(repo)?.default_branch).to_owned();
        let gone = || missing_because(format!("object does not exist [id: {name}, rel_path: ]"));
        Ok((self.resolve(repo, &name)?.ok_or_else(gone)?, name))
    }

    fn show_entry(&self, repo: RepoId, reference: &str, path: &str, entry: Entry<'_>) -> wire::Contents {
        let (api, pages, escaped) = (self.state.api_url(repo), self.state.page_url(repo), escape_path(path));
        wire::Contents {
            name: path.rsplit('/').next().unwrap_or(path).to_owned(),
            path: path.to_owned(),
            sha: entry.sha.to_owned(),
            last_commit_sha: entry.info.last_commit.clone(),
            last_commit_when: Stamp(At(entry.info.last_at)),
            kind: entry.kind,
            size: entry.size,
            encoding: entry.content.map(|_| "base64"),
            content: entry.content.map(|content| STANDARD.encode(content)),
            url: format!("{api}/contents/{escaped}?ref={reference}"),
            html_url: format!("{pages}/src/branch/{reference}/{escaped}"),
            git_url: format!("{api}/git/blobs/{}", entry.sha),
            download_url: format!("{pages}/raw/branch/{reference}/{escaped}"),
        }
    }

    pub(super) fn get_contents(&self, repo: RepoId, path: &str) -> Handled {
        let (commit, reference) = self.asked_ref(repo)?;
        let Some(info) = self.at_path(repo, &commit, path)? else {
            let errors = vec![format!("object does not exist [id: , rel_path: {path}]")];
            return Err(Refusal::Missing { message: Some("GetContentsOrList".into()), errors }.into());
        };
        match &info.what {
            PathKind::File(_) => {
                let entry = Entry::file(&info).ok_or_else(missing)?;
                Ok(Answer::json(200, &self.show_entry(repo, &reference, path, entry)))
            }
            PathKind::Folder(entries) => {
                let show = |entry: &crate::git_job::FolderEntry| {
                    let below = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
                    let entry = Entry { sha: &entry.sha, kind: entry.kind, size: entry.size, content: None, info: &info };
                    self.show_entry(repo, &reference, &below, entry)
                };
                Ok(Answer::json(200, &entries.iter().map(show).collect::<Vec<_>>()))
            }
        }
    }

    pub(super) fn get_raw(&self, repo: RepoId, path: &str) -> Handled {
        let (commit, _) = self.asked_ref(repo)?;
        match self.at_path(repo, &commit, path)?.map(|info| info.what) {
            Some(PathKind::File(content)) => Ok(Answer::new(200, Body::Bytes(content))),
            _ => Err(missing()),
        }
    }

    pub(super) fn create_file(&mut self, repo: RepoId, path: &str) -> Handled {
        self.write_file(repo, path, Write::Create)
    }

    pub(super) fn update_file(&mut self, repo: RepoId, path: &str) -> Handled {
        self.write_file(repo, path, Write::Update)
    }

    pub(super) fn delete_file(&mut self, repo: RepoId, path: &str) -> Handled {
        self.write_file(repo, path, Write::Delete)
    }

    fn write_file(&mut self, repo: RepoId, path: &str, how: Write) -> Handled {
        let doer = self.need_writer(repo)?;
        self.need_unarchived(repo)?;
        let asked: asked::WriteFile = self.body()?;
        if !is_path(path) {
            return says(422, format!("path contains a malformed path component [path: {path}]"));
        }
        let content = match how {
            Write::Delete => None,
            _ => Some(STANDARD.decode(&asked.content).or_else(|_| says(422, "content is not base64"))?),
        };
        let branch = self.target_branch(repo, doer, &asked, path)?;
        if self.facts.written().is_none() {
            self.check_old(repo, path, how, &branch.parent, &asked.sha)?;
        }
        let verb = match how {
            Write::Create => "Add",
            Write::Update => "Update",
            Write::Delete => "Delete",
        };
        let message = if asked.message.is_empty() { format!("{verb} {path}") } else { asked.message };
        let mut sign = self.state.sign(doer, self.request.now, message);
        if !asked.author.email.is_empty() {
            (sign.name, sign.email) = (asked.author.name, asked.author.email);
        }
        let folder = self.repo(repo)?.folder.clone();
        let job = GitJob::WriteFile { folder: folder.clone(), branch: branch.clone(), path: path.to_owned(), content, sign };
        let commit = match self.git(job)? {
            GitReply::Made(commit) => commit,
            GitReply::Stale => return says(409, "the branch was changed while the file was written"),
            _ => return Err(unexpected()),
        };
        let made = match self.git(GitJob::Commit { folder, commit: commit.clone() })? {
            GitReply::Commit(Some(made)) => made,
            _ => return Err(unexpected()),
        };
        let info = if how == Write::Delete { None } else { self.at_path(repo, &commit, path)? };
        let name = format!("refs/heads/{}", branch.name);
        let old = (!branch.new).then(|| branch.parent.clone());
        self.doing().pushed(repo, doer, &[RefUpdate { name, old, new: Some(commit) }])?;
        let entry = info.as_ref().and_then(Entry::file);
        let content = entry.map(|entry| self.show_entry(repo, &branch.name, path, entry));
        let status = if how == Write::Create { 201 } else { 200 };
        Ok(Answer::json(status, &wire::FileChanged { content, commit: self.show_file_commit(repo, &made) }))
    }

    /// The branch that is written to. Protection holds for the API as for a push.
    fn target_branch(&self, repo: RepoId, doer: UserId, asked: &asked::WriteFile, path: &str) -> Result<BranchTip, Halt> {
        let found = self.repo(repo)?;
        let from = if asked.branch.is_empty() { &found.default_branch } else { &asked.branch };
        let gone = || missing_because(format!("branch does not exist [name: {from}]"));
        let new = !asked.new_branch.is_empty() && asked.new_branch != *from;
        let name = if new { asked.new_branch.clone() } else { from.clone() };
        if new && (!is_branch_name(&name) || (found.branch(&name).is_some() && self.facts.written().is_none())) {
            return says(422, format!("branch already exists or is no branch name [name: {name}]"));
        }
        if found.protection(&name).is_some_and(|rule| !rule.lets_push(self.state.login(doer))) {
            return says(403, format!("user is not allowed to push to protected branch {name}"));
        }
        let protected = |rule: &Protection| touches(&rule.protected_file_patterns, &[path.to_owned()]);
        if !new && found.protection(&name).is_some_and(protected) {
            return says(403, format!("path is protected and can not be changed [path: {path}]"));
        }
        // Once the commit is made the branch may show it already: what it was made on stands in the job.
        let parent = match self.facts.written_file() {
            Some(tip) => tip.parent.clone(),
            None => found.branch(from).cloned().ok_or_else(gone)?,
        };
        Ok(BranchTip { name, parent, new })
    }

    /// Refuses a write that does not fit what is there.
    fn check_old(&self, repo: RepoId, path: &str, how: Write, parent: &str, sha: &str) -> Result<(), Halt> {
        let old = self.at_path(repo, parent, path)?;
        match (how, old) {
            (Write::Create, Some(_)) => says(422, format!("repository file already exists [path: {path}]")),
            (Write::Create, None) => Ok(()),
            (_, None) => Err(missing_because(format!("repository file does not exist [path: {path}]"))),
            (_, Some(_)) if sha.is_empty() => says(422, "[SHA]: Required"),
            (how, Some(old)) if old.sha != sha => {
                let status = if how == Write::Delete { 400 } else { 409 };
                says(status, format!("sha does not match [given: {sha}, expected: {}]", old.sha))
            }
            (_, Some(_)) => Ok(()),
        }
    }

    fn show_file_commit(&self, repo: RepoId, commit: &CommitInfo) -> wire::FileCommit {
        let shown = self.view().show_commit(repo, commit);
        wire::FileCommit {
            url: shown.url,
            sha: shown.sha,
            html_url: shown.html_url,
            author: show::dated(&commit.author),
            committer: show::dated(&commit.committer),
            parents: shown.parents,
            message: commit.message.clone(),
            tree: shown.commit.tree,
        }
    }
}

/// What is shown of a file or of a folder's entry.
struct Entry<'a> {
    sha: &'a str,
    kind: &'static str,
    size: u64,
    content: Option<&'a [u8]>,
    info: &'a PathInfo,
}

impl<'a> Entry<'a> {
    fn file(info: &'a PathInfo) -> Option<Self> {
        let PathKind::File(content) = &info.what else { return None };
        Some(Self { sha: &info.sha, kind: "file", size: content.len() as u64, content: Some(content), info })
    }
}
