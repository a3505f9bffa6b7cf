//! Pull requests: opening, finding, editing them, and what they change.
//!
//! Known race, as on a real forge: 409 for a second pull request of the same head and base guards only against those that
//! stood when the request came in. `pulls/{base}/{head}` finds the oldest, closed ones too.

use std::sync::LazyLock;

use regex::Regex;

use super::answer::{Halt, Handled, Page, missing, missing_because, says, unexpected};
use super::issues::Opening;
use super::records::*;
use super::users::required;
use super::{Answer, Body, Call, Doing, State};
use crate::git_job::{CommitInfo, Comparison, GitJob, GitReply};
use crate::wire::{self, asked};

/// A draft is a prefix of the title.
pub(super) fn is_draft(title: &str) -> bool {
    let title = title.trim_start().to_uppercase();
    title.starts_with("WIP:") || title.starts_with("[WIP]")
}

/// The issues that a text mentions, and whether it says that they are closed by it. Code is skipped.
pub(super) fn references(text: &str) -> Vec<(u64, bool)> {
    static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)```.*?(?:```|$)|`[^`\n]*`").ok());
    static MENTION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)(?:^|[^\w&/])(?:(close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+)?#([0-9]{1,9})\b").ok());
    let (Some(code), Some(mention)) = (&*CODE, &*MENTION) else { return Vec::new() };
    let text = code.replace_all(text, " ");
    let mut found: Vec<(u64, bool)> = Vec::new();
    for captures in mention.captures_iter(&text) {
        let Some(Ok(number)) = captures.get(2).map(|number| number.as_str().parse()) else { continue };
        let closes = captures.get(1).is_some();
        match found.iter_mut().find(|(known, _)| *known == number) {
            Some((_, known)) => *known |= closes,
            None => found.push((number, closes)),
        }
    }
    found
}

/// What git knows about a pull request.
pub(super) struct Look {
    pub base_sha: String,
    pub head_sha: String,
    pub comparison: Comparison,
}

impl Pull {
    /// Takes over what git said.
    pub(super) fn see(&mut self, look: Look) {
        let files = look.comparison.files;
        self.base_sha = look.base_sha;
        self.head_sha = look.head_sha;
        self.merge_base = look.comparison.merge_base;
        self.conflicts = look.comparison.conflicts;
        self.additions = files.iter().map(|file| file.additions).sum();
        self.deletions = files.iter().map(|file| file.deletions).sum();
        self.changed_files = files.len() as u64;
        self.paths = files.into_iter().map(|file| file.path).collect();
    }
}

impl State {
    /// The pull requests of a repository, by number.
    pub(super) fn pulls_of(&self, repo: RepoId) -> impl DoubleEndedIterator<Item = (&Issue, &Pull)> {
        self.issues_of(repo).filter_map(|issue| Some((issue, issue.pull.as_ref()?)))
    }
}

impl Doing<'_> {
    /// What `head` would bring to `base`.
    pub(super) fn look(&self, folder: &str, base_sha: &str, head_sha: &str) -> Result<Look, Halt> {
        let job = GitJob::Compare { folder: folder.to_owned(), base: base_sha.to_owned(), head: head_sha.to_owned() };
        match self.git(job)? {
            GitReply::Comparison(comparison) => {
                Ok(Look { base_sha: base_sha.to_owned(), head_sha: head_sha.to_owned(), comparison })
            }
            _ => Err(unexpected()),
        }
    }

    /// The newest commits of `of` that `without` lacks, and how many there are.
    pub(super) fn commits(
        &self,
        folder: &str,
        of: &str,
        without: Option<&str>,
        page: Page,
    ) -> Result<(Vec<CommitInfo>, usize), Halt> {
        let (folder, of, without) = (folder.to_owned(), of.to_owned(), without.map(str::to_owned));
        match self.git(GitJob::Commits { folder, of, without, skip: page.skip(), take: page.size })? {
            GitReply::Commits { list, total } => Ok((list, total)),
            _ => Err(unexpected()),
        }
    }

    /// Notes on the issues a pull request mentions that it does.
    fn cross_reference(&mut self, pull: IssueKey, author: UserId, body: &str) {
        for (number, closes) in references(body) {
            let other = IssueKey(pull.0, number);
            if other != pull && self.state.issues.get(&other).is_some() {
                let closes = closes && self.may_close(author, other);
                self.record(other, author, What::PullRef { pull, closes });
            }
        }
    }

    /// Whether a mention by this user may close an issue.
    pub(super) fn may_close(&self, user: UserId, key: IssueKey) -> bool {
        let writer = self.state.repos.get(&key.0).is_some_and(|repo| self.state.user_access(repo, user) >= Access::Write);
        writer || self.state.issues.get(&key).is_some_and(|issue| issue.author == user)
    }
}

impl Call<'_> {
    /// The pull request that a path names.
    pub(super) fn pull_numbered(&self, repo: RepoId, number: &str) -> Result<IssueKey, Halt> {
        let key = self.issue_numbered(repo, number)?;
        self.pull(key).map(|_| key)
    }

    /// A pull request with what makes it one, and its repository.
    pub(super) fn pull(&self, key: IssueKey) -> Result<(&Issue, &Pull, &Repo), Halt> {
        let issue = self.found(key)?;
        Ok((issue, issue.pull.as_ref().ok_or_else(missing)?, self.repo(key.0)?))
    }

    pub(super) fn answer_pull(&self, status: u16, key: IssueKey) -> Handled {
        let shown = self.view().show_pull(self.found(key)?).ok_or_else(missing)?;
        Ok(Answer::json(status, &shown))
    }

    pub(super) fn get_pull(&self, key: IssueKey) -> Handled {
        self.answer_pull(200, key)
    }

    /// The pull request that was merged by a commit.
    pub(super) fn pull_of_merge(&self, repo: RepoId, commit: &str) -> Handled {
        let merged = |pull: &Pull| pull.merged.as_ref().is_some_and(|merged| merged.commit == commit);
        let key = self.state.pulls_of(repo).find(|(_, pull)| merged(pull)).map(|(issue, _)| issue.key).ok_or_else(missing)?;
        self.answer_pull(200, key)
    }

    /// On 15 `head` and `base` of the query are ignored.
    pub(super) fn list_pulls(&self, repo: RepoId) -> Handled {
        let state = self.request.query("state").unwrap_or("open");
        let mut found: Vec<&Issue> =
            self.state.pulls_of(repo).map(|(issue, _)| issue).filter(|i| state == "all" || i.state.word() == state).collect();
        match self.request.query("sort").unwrap_or_default() {
            "oldest" => {}
            "recentupdate" => found.sort_by_key(|issue| std::cmp::Reverse((issue.updated, issue.id))),
            "leastupdate" => found.sort_by_key(|issue| (issue.updated, issue.id)),
            _ => found.reverse(),
        }
        let (page, total) = (Page::of(self.request), found.len());
        let (repo, view) = (self.repo(repo)?, self.view());
        let shown = view.show_repo(repo);
        let list: Vec<_> = page.cut(found).into_iter().filter_map(|issue| view.show_pull_of(repo, &shown, issue)).collect();
        Ok(self.linked(page, total, &list))
    }

    pub(super) fn pull_between(&self, repo: RepoId, base: &str, head: &str) -> Handled {
        let owner = self.state.login(self.repo(repo)?.owner);
        let head = head.strip_prefix(&format!("{owner}:")).unwrap_or(head);
        let found = self.state.pulls_of(repo).find(|(_, pull)| pull.base == base && pull.head == head);
        self.answer_pull(200, found.ok_or_else(missing)?.0.key)
    }

    /// An open pull request of the same head and base that stood before this request came in.
    fn already_open(&self, repo: RepoId, base: &str, head: &str) -> Result<(), Halt> {
        let same = |issue: &Issue, pull: &Pull| issue.state == Standing::Open && pull.base == base && pull.head == head;
        let seen = |pull: &Pull| pull.id <= self.request.pulls_seen;
        match self.state.pulls_of(repo).find(|(issue, pull)| same(issue, pull) && seen(pull)) {
            None => Ok(()),
            Some((issue, pull)) => says(
                409,
                format!(
                    "pull request already exists for these targets [id: {}, issue_id: {}, head_repo_id: {repo}, base_repo_id: {repo}, head_branch: {head}, base_branch: {base}]",
                    pull.id,
                    issue.id,
                    repo = repo.0
                ),
            ),
        }
    }

    /// Where a branch of a new pull request points.
    fn pull_side(&self, repo: RepoId, branch: &str, side: &str) -> Result<String, Halt> {
        let found = self.repo(repo)?;
        found.branch(branch).cloned().ok_or_else(|| {
            let name = self.state.full_name(found);
            missing_because(format!("could not find '{branch}' to be a commit, branch or tag in the {side} repository {name}"))
        })
    }

    pub(super) fn create_pull(&mut self, repo: RepoId) -> Handled {
        let author = self.user()?;
        self.need_unarchived(repo)?;
        let new: asked::NewPull = self.body()?;
        required("Head", &new.head)?;
        required("Base", &new.base)?;
        required("Title", &new.title)?;
        let owner = self.state.login(self.repo(repo)?.owner);
        let head = new.head.strip_prefix(&format!("{owner}:")).unwrap_or(&new.head).to_owned();
        if head == new.base {
            return says(422, "Invalid PullRequest: There are no changes between the head and the base");
        }
        let base_sha = self.pull_side(repo, &new.base, "base")?;
        let head_sha = self.pull_side(repo, &head, "head")?;
        self.already_open(repo, &new.base, &head)?;
        let writer = self.access(repo) >= Access::Write;
        let assignees = if writer { self.assignable(repo, &new.assignees)? } else { Vec::new() };
        let labels = if writer { self.labels_by_id(repo, &new.labels) } else { Vec::new() };
        let folder = self.repo(repo)?.folder.clone();
        let mut doing = self.doing();
        let look = doing.look(&folder, &base_sha, &head_sha)?;
        let (commits, _) = doing.commits(&folder, &head_sha, Some(&base_sha), Page { number: 1, size: 50 })?;

        let mut pull = Pull {
            id: doing.state.next("pull"),
            base: new.base,
            head,
            head_sha: String::new(),
            merge_base: String::new(),
            base_sha: String::new(),
            additions: 0,
            deletions: 0,
            changed_files: 0,
            paths: Vec::new(),
            conflicts: false,
            merged: None,
            scheduled: None,
        };
        pull.see(look);
        let key = doing.open(Opening { repo, author, title: new.title, body: new.body.clone(), pull: Some(pull) });
        doing.followups.push(GitJob::SetRef {
            folder,
            name: format!("refs/pull/{}/head", key.1),
            from: None,
            to: Some(head_sha),
        });
        doing.attach(key, author, &labels);
        doing.cross_reference(key, author, &new.body);
        let commits = commits.into_iter().rev().map(|commit| commit.sha).collect();
        doing.record(key, author, What::PullPush { force: false, commits });
        doing.issue_webhook(key, author, "issues", "opened", None);
        if !labels.is_empty() {
            doing.label_webhook(key, author, "label_updated");
        }
        doing.assign(key, author, &assignees);
        self.answer_pull(201, key)
    }

    pub(super) fn edit_pull(&mut self, key: IssueKey) -> Handled {
        let doer = self.need_editor(key)?;
        let edit: asked::EditPull = self.body()?;
        let (issue, pull, repo) = self.pull(key)?;
        let base = edit.base.filter(|base| !base.is_empty()).unwrap_or_else(|| pull.base.clone());
        let rebased = base != pull.base;
        let reopened = edit.state.as_deref() == Some("open") && issue.state == Standing::Closed && pull.merged.is_none();
        let (folder, head, old_head) = (repo.folder.clone(), pull.head.clone(), pull.head_sha.clone());
        let mut look = None;
        if rebased || reopened {
            if reopened {
                self.already_open(key.0, &base, &head)?;
            }
            let base_sha = self.pull_side(key.0, &base, "base")?;
            let head_sha = self.repo(key.0)?.branch(&head).cloned().unwrap_or(old_head);
            look = Some(self.doing().look(&folder, &base_sha, &head_sha)?);
        }
        let writer = self.access(key.0) >= Access::Write;
        let logins = edit.assignees.or_else(|| edit.assignee.map(|login| vec![login])).filter(|_| writer);
        let assignees = logins.map(|logins| self.assignable(key.0, &logins)).transpose()?;
        let labels = edit.labels.filter(|_| writer).map(|labels| self.labels_by_id(key.0, &labels));

        if let (Some(look), Some(pull)) = (look, self.state.issues.get_mut(&key).and_then(|issue| issue.pull.as_mut())) {
            pull.base = base;
            pull.see(look);
        }
        let mut doing = self.doing();
        doing.edit_text(key, doer, edit.title, edit.body);
        if let Some(assignees) = assignees {
            doing.assign(key, doer, &assignees);
        }
        if let Some(labels) = labels {
            doing.set_labels(key, doer, &labels);
        }
        self.edit_state(key, doer, edit.state.as_deref())?;
        self.answer_pull(201, key)
    }

    pub(super) fn pull_files(&mut self, key: IssueKey) -> Handled {
        let (_, pull, repo) = self.pull(key)?;
        let (folder, base, head) = (repo.folder.clone(), pull.merge_base.clone(), pull.head_sha.clone());
        let files = self.doing().look(&folder, &base, &head)?.comparison.files;
        let (pages, api) = (self.state.page_url(key.0), self.state.api_url(key.0));
        let (page, total) = (Page::of(self.request), files.len());
        let show = |file: crate::git_job::FileChange| {
            let path = escape_path(&file.path);
            wire::PullFile {
                status: file.status,
                additions: file.additions,
                deletions: file.deletions,
                changes: file.additions + file.deletions,
                html_url: format!("{pages}/src/commit/{head}/{path}"),
                contents_url: format!("{api}/contents/{path}?ref={head}"),
                raw_url: format!("{pages}/raw/commit/{head}/{path}"),
                filename: file.path,
            }
        };
        let list: Vec<_> = page.cut(files).into_iter().map(show).collect();
        Ok(self.linked(page, total, &list).header("x-hasmore", page.skip() + list.len() < total))
    }

    pub(super) fn pull_commits(&mut self, key: IssueKey) -> Handled {
        let (_, pull, repo) = self.pull(key)?;
        let (folder, base, head) = (repo.folder.clone(), pull.merge_base.clone(), pull.head_sha.clone());
        let page = Page::of(self.request);
        let (commits, total) = self.doing().commits(&folder, &head, Some(&base), page)?;
        let list: Vec<_> = commits.iter().map(|commit| self.view().show_commit(key.0, commit)).collect();
        Ok(self.linked(page, total, &list).header("x-hasmore", page.skip() + list.len() < total))
    }

    /// `pulls/5.diff`; `.patch` gives the same text.
    pub(super) fn pull_patch(&self, repo: RepoId, file: &str) -> Handled {
        let number = file.split('.').next().unwrap_or_default();
        let (_, pull, repo) = self.pull(self.pull_numbered(repo, number)?)?;
        let (folder, from, to) = (repo.folder.clone(), pull.merge_base.clone(), pull.head_sha.clone());
        match self.git(GitJob::Diff { folder, from, to })? {
            GitReply::Text(text) => Ok(Answer::new(200, Body::Text(text))),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn is_merged(&self, key: IssueKey) -> Handled {
        if self.pull(key)?.1.merged.is_some() { Ok(Answer::empty(204)) } else { Err(missing()) }
    }
}

/// A path as it stands in an address, its slashes kept.
pub fn escape_path(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_words_are_told_from_mentions_and_code_is_skipped() {
        assert_eq!(references("Closes #1"), [(1, true)]);
        assert_eq!(references("fixed: #12, see #3 and #12"), [(12, true), (3, false)]);
        assert_eq!(references("`Closes #4`\n```\nCloses #5\n```\n(#6)"), [(6, false)]);
        assert_eq!(references("discloses nothing, page#7x"), []);
        assert_eq!(references("Merge pull request 'x' (#8)"), [(8, false)]);
    }

    #[test]
    fn a_draft_is_told_by_its_title() {
        assert!(is_draft("WIP: more") && is_draft("[wip] more"));
        assert!(!is_draft("Wipe the disk"));
    }
}
