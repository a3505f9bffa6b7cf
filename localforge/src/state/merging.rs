//! Merging pull requests, and what holds a merge back, in the order and words of a real forge.
//!
//! The merge itself is one writing job that names the tips it was decided on: where the base moved in between it comes back
//! stale and nothing happened (409). Once it is made, the call only records it.

use super::answer::{Halt, Handled, Refusal, blank_500, missing, says, unexpected};
use super::pushes::RefUpdate;
use super::records::*;
use super::users::required;
use super::{Answer, Call, Doing, State};
use crate::git_job::{GitJob, GitReply, Sign};
use crate::wire::asked;

impl MergeStyle {
    fn named(name: &str) -> Option<Self> {
        match name {
            "merge" => Some(Self::Merge),
            "rebase" => Some(Self::Rebase),
            "rebase-merge" => Some(Self::RebaseMerge),
            "squash" => Some(Self::Squash),
            "fast-forward-only" => Some(Self::FastForwardOnly),
            _ => None,
        }
    }
}

impl Call<'_> {
    pub(super) fn merge_pull(&mut self, key: IssueKey) -> Handled {
        let doer = self.user()?;
        self.need_unarchived(key.0)?;
        let asked: asked::Merge = self.body()?;
        required("Do", &asked.how)?;
        let Some(style) = MergeStyle::named(&asked.how) else {
            let manual = asked.how == "manually-merged";
            return if manual { says(405, "manual merging is not allowed here") } else { says(422, "[Do]: In") };
        };
        if let Some(reply) = self.facts.written() {
            let reply = reply.clone();
            self.doing().finish_merge(key, doer, reply, asked.delete_branch_after_merge)?;
            return Ok(Answer::empty(200));
        }
        let message = merge_message(&asked);
        self.may_be_merged(key, doer, asked.merge_when_checks_succeed, asked.force_merge)?;
        if asked.merge_when_checks_succeed {
            let (issue, pull, _) = self.pull(key)?;
            if pull.scheduled.is_some() {
                let id = pull.id;
                return says(409, format!("pull request is already scheduled to auto merge when checks succeed [pull_id: {id}]"));
            }
            if self.state.protection_forbids(issue, pull).is_some() {
                let delete_branch = asked.delete_branch_after_merge;
                let scheduled = Scheduled { by: doer, style, message, delete_branch };
                self.doing().schedule(key, Some(scheduled));
                return Ok(Answer::empty(201));
            }
        }
        let (_, pull, _) = self.pull(key)?;
        if !asked.head_commit_id.is_empty() && asked.head_commit_id != pull.head_sha {
            return says(409, "head out of date");
        }
        let reply = self.doing().make_merge(key, style, doer, message)?;
        self.doing().finish_merge(key, doer, reply, asked.delete_branch_after_merge)?;
        Ok(Answer::empty(200))
    }

    /// What holds a merge back.
    fn may_be_merged(&self, key: IssueKey, doer: UserId, scheduled: bool, force: bool) -> Result<(), Halt> {
        let (issue, pull, repo) = self.pull(key)?;
        if pull.merged.is_some() {
            return says(405, "");
        }
        if issue.state == Standing::Closed {
            return Err(missing());
        }
        if !self.state.may_merge(repo, doer, &pull.base) || self.access(key.0) < Access::Write {
            return says(405, "User not allowed to merge PR");
        }
        if super::pulls::is_draft(&issue.title) {
            return says(405, "Work in progress PRs cannot be merged");
        }
        if pull.conflicts {
            return says(405, "Please try again later");
        }
        if let Some(reason) = self.state.protection_forbids(issue, pull).filter(|_| !scheduled) {
            let site_admin = self.state.users.get(&doer).is_some_and(|user| user.is_admin);
            let rule = repo.protection(&pull.base);
            let may_force = site_admin || (self.access(key.0) >= Access::Admin && rule.is_some_and(|rule| !rule.apply_to_admins));
            if !(force && may_force) {
                return says(405, format!("not allowed to merge [reason: {reason}]"));
            }
        }
        if self.state.has_open_dependencies(issue) { Err(blank_500()) } else { Ok(()) }
    }

    pub(super) fn unschedule_merge(&mut self, key: IssueKey) -> Handled {
        let doer = self.user()?;
        let (_, pull, _) = self.pull(key)?;
        let by = pull.scheduled.as_ref().ok_or_else(missing)?.by;
        if by != doer && self.access(key.0) < Access::Admin {
            return says(403, "user has no permission to cancel the scheduled auto merge");
        }
        self.doing().schedule(key, None);
        Ok(Answer::empty(204))
    }

    /// Brings the base into the head branch, by a merge or by rebasing.
    pub(super) fn update_pull(&mut self, key: IssueKey) -> Handled {
        let doer = self.user()?;
        let (issue, pull, repo) = self.pull(key)?;
        let (folder, head, head_sha) = (repo.folder.clone(), pull.head.clone(), pull.head_sha.clone());
        let base_sha = repo.branch(&pull.base).ok_or_else(missing)?.clone();
        let written = self.facts.written().cloned();
        let reply = match written {
            Some(reply) => reply,
            None => {
                if pull.merged.is_some() || issue.state == Standing::Closed {
                    return says(422, "pull request is closed");
                }
                self.need_unarchived(key.0)?;
                if self.access(key.0) < Access::Write {
                    return Err(Refusal::Blank(403).into());
                }
                let rebase = self.request.query("style") == Some("rebase");
                let sign = self.state.sign(doer, self.request.now, format!("Merge branch '{}' into {head}", pull.base));
                let head = head.clone();
                self.git(GitJob::Update { folder, rebase, base_sha, head, head_sha: head_sha.clone(), sign })?
            }
        };
        match reply {
            GitReply::Made(new) => {
                let update = RefUpdate { name: format!("refs/heads/{head}"), old: Some(head_sha), new: Some(new) };
                self.doing().pushed(key.0, doer, &[update])?;
                Ok(Answer::empty(200))
            }
            GitReply::Conflict => says(409, "merge failed because of conflict"),
            GitReply::Stale => says(409, "merge failed because the branch was updated"),
            _ => Err(unexpected()),
        }
    }
}

/// The words of the merge commit, where the request brings some.
fn merge_message(asked: &asked::Merge) -> Option<String> {
    match (asked.title.trim(), asked.message.trim()) {
        ("", "") => None,
        (title, "") => Some(title.to_owned()),
        ("", message) => Some(message.to_owned()),
        (title, message) => Some(format!("{title}\n\n{message}")),
    }
}

impl Doing<'_> {
    /// Has a pull request wait for its checks, or wait no more.
    pub(super) fn schedule(&mut self, key: IssueKey, scheduled: Option<Scheduled>) {
        match scheduled {
            Some(_) => self.state.waiting.insert(key),
            None => self.state.waiting.remove(&key),
        };
        let pull = self.state.issues.get_mut(&key).and_then(|issue| issue.pull.as_mut());
        if let Some(pull) = pull {
            pull.scheduled = scheduled;
        }
    }

    /// Has git merge.
    fn make_merge(&self, key: IssueKey, style: MergeStyle, doer: UserId, message: Option<String>) -> Result<GitReply, Halt> {
        let (Some(issue), Some(repo)) = (self.state.issues.get(&key), self.state.repos.get(&key.0)) else {
            return Err(missing());
        };
        let pull = issue.pull.as_ref().ok_or_else(missing)?;
        let base_sha = repo.branch(&pull.base).ok_or_else(missing)?.clone();
        let message = message.unwrap_or_else(|| match style {
            MergeStyle::Squash => format!("{} (#{})", issue.title, key.1),
            _ => format!("Merge pull request '{}' (#{}) from {} into {}", issue.title, key.1, pull.head, pull.base),
        });
        let sign: Sign = self.state.sign(doer, self.now, message);
        let (folder, base, head) = (repo.folder.clone(), pull.base.clone(), pull.head_sha.clone());
        self.git(GitJob::Merge { folder, style, base, base_sha, head, sign })
    }

    /// Merges a pull request that waited for its checks. One that git will not merge waits no more.
    pub(super) fn merge_scheduled(&mut self, key: IssueKey) -> Result<(), Halt> {
        let scheduled = self.state.issues.get(&key).and_then(|issue| issue.pull.as_ref()?.scheduled.clone());
        let Some(scheduled) = scheduled else { return Ok(()) };
        let reply = match self.facts.written() {
            Some(reply) => reply.clone(),
            None => self.make_merge(key, scheduled.style, scheduled.by, scheduled.message)?,
        };
        let done = self.finish_merge(key, scheduled.by, reply, scheduled.delete_branch);
        if let Err(Halt::Refuse(_)) = done {
            self.schedule(key, None);
        }
        done
    }

    /// Records a merge that git made: the pull request, its base, the issues that it closes, its branch.
    fn finish_merge(&mut self, key: IssueKey, doer: UserId, reply: GitReply, delete_branch: bool) -> Result<(), Halt> {
        let commit = match reply {
            GitReply::Made(commit) => commit,
            GitReply::Conflict => return says(409, "merge conflict"),
            GitReply::Stale => return says(409, "push out of date"),
            _ => return Err(unexpected()),
        };
        let (Some(issue), Some(repo)) = (self.state.issues.get(&key), self.state.repos.get(&key.0)) else {
            return Err(missing());
        };
        let Some(pull) = issue.pull.clone() else { return Err(missing()) };
        let base = format!("refs/heads/{}", pull.base);
        let mut updates = vec![RefUpdate { old: repo.refs.get(&base).cloned(), name: base, new: Some(commit.clone()) }];
        let head = format!("refs/heads/{}", pull.head);
        let folder = repo.folder.clone();
        if let Some(tip) = repo.refs.get(&head).filter(|tip| delete_branch && **tip == pull.head_sha).cloned() {
            updates.push(RefUpdate { name: head.clone(), old: Some(tip), new: None });
        }
        let closes: Vec<(u64, bool)> = super::pulls::references(&issue.body);
        let author = issue.author;
        // Git is asked about the other pull requests before a record changes.
        let moves = self.foresee(key.0, &updates, Some(key))?;

        let now = self.now;
        if let Some(issue) = self.state.issues.get_mut(&key) {
            issue.state = Standing::Closed;
            issue.closed = Some(now);
            if let Some(pull) = issue.pull.as_mut() {
                pull.merged = Some(Merged { at: now, by: doer, commit: commit.clone() });
                pull.base_sha.clone_from(&commit);
            }
        }
        self.schedule(key, None);
        self.record(key, doer, What::MergePull { commit });
        self.issue_webhook(key, doer, "issues", "closed", None);
        for (number, _) in closes.into_iter().filter(|(_, closes)| *closes) {
            let other = IssueKey(key.0, number);
            let open = |issue: &Issue| issue.state == Standing::Open && issue.pull.is_none();
            let free = self.state.issues.get(&other).is_some_and(|issue| open(issue) && !self.state.has_open_dependencies(issue));
            if free && self.may_close(author, other) {
                self.close(other, doer);
            }
        }
        if let [_, deleted] = updates.as_slice() {
            self.followups.push(GitJob::SetRef { folder, name: head, from: deleted.old.clone(), to: None });
            self.record(key, doer, What::DeleteBranch { name: pull.head.clone() });
        }
        self.moved(key.0, doer, &updates, moves);
        Ok(())
    }
}

impl State {
    /// A pull request that was scheduled and may be merged now. The shell looks for one after every change.
    pub fn due_merge(&self) -> Option<IssueKey> {
        let due = |issue: &&Issue| {
            issue.pull.as_ref().is_some_and(|pull| {
                issue.state == Standing::Open
                    && !pull.conflicts
                    && !super::pulls::is_draft(&issue.title)
                    && !self.has_open_dependencies(issue)
                    && self.protection_forbids(issue, pull).is_none()
            })
        };
        self.waiting.iter().filter_map(|key| self.issues.get(key)).find(due).map(|issue| issue.key)
    }
}
