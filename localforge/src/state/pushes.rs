//! What follows when refs move, whoever moved them: pull requests see their new head or base, reviews go stale, issues are
//! closed by words in commits, webhooks tell of it.
//!
//! `foresee` asks git everything first and changes nothing; `moved` then changes records and asks nothing.

use super::answer::{Halt, Page};
use super::protections::touches;
use super::pulls::{Look, references};
use super::records::*;
use super::{Doing, State, hooks};
use crate::git_job::{CommitInfo, GitJob};
use crate::wire;

/// A ref that moved: made where there was none, deleted where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefUpdate {
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

impl RefUpdate {
    fn branch(&self) -> Option<&str> {
        self.name.strip_prefix("refs/heads/")
    }
}

/// What git knows about moves.
pub(super) struct Moves {
    looks: Vec<(IssueKey, Look)>,
    /// For each update the new commits, newest first, how many there are, and whether old ones were dropped.
    commits: Vec<(Vec<CommitInfo>, usize, bool)>,
}

/// How many commits of a push are looked at; as many are told in a webhook.
const COMMITS_TOLD: usize = 15;
const ZERO: &str = "0000000000000000000000000000000000000000";

impl State {
    /// Why a push may not change these refs; nothing where it may. A push is taken whole or not at all.
    pub fn judge_push(&self, repo: RepoId, pusher: Option<UserId>, updates: &[RefUpdate]) -> Option<String> {
        let repo = self.repos.get(&repo)?;
        let login = pusher.map_or("", |user| self.login(user));
        let access = pusher.map_or(Access::None, |user| self.user_access(repo, user));
        updates.iter().find_map(|update| {
            let branch = update.branch().unwrap_or_default();
            if update.name.starts_with("refs/pull/") || update.name.starts_with("refs/for/") {
                return Some(format!("The ref '{}' belongs to the forge.", update.name));
            }
            if access < Access::Write {
                let name = self.full_name(repo);
                return Some(format!("Forgejo: User '{login}' is not allowed to push to branch '{branch}' in '{name}'."));
            }
            let rule = update.branch().and_then(|branch| repo.protection(branch))?;
            if update.new.is_none() {
                Some(format!("Forgejo: branch {branch} is protected from deletion"))
            } else if !rule.lets_push(login) {
                Some(format!("Forgejo: Not allowed to push to protected branch {branch}"))
            } else {
                None
            }
        })
    }

    /// Those of these updates that a rule of files is to look at: what of a branch changes is known once its objects are here.
    pub fn with_protected_files(&self, repo: RepoId, updates: &[RefUpdate]) -> Vec<RefUpdate> {
        let rule = |update: &&RefUpdate| {
            let rule = update.branch().and_then(|branch| self.repos.get(&repo)?.protection(branch));
            update.old.is_some() && update.new.is_some() && rule.is_some_and(|rule| !rule.protected_file_patterns.is_empty())
        };
        updates.iter().filter(rule).cloned().collect()
    }

    /// Why a push may not change these files of a branch, whoever pushes: a real forge exempts nobody.
    pub fn judge_files(&self, repo: RepoId, update: &RefUpdate, paths: &[String]) -> Option<String> {
        let branch = update.branch()?;
        let rule = self.repos.get(&repo)?.protection(branch)?;
        let path = paths.iter().find(|path| touches(&rule.protected_file_patterns, std::slice::from_ref(path)))?;
        Some(format!("Forgejo: branch {branch} is protected from changing file {path}"))
    }
}

impl Doing<'_> {
    /// Takes note of refs that git has moved.
    pub(super) fn pushed(&mut self, repo: RepoId, pusher: UserId, updates: &[RefUpdate]) -> Result<(), Halt> {
        let moves = self.foresee(repo, updates, None)?;
        self.moved(repo, pusher, updates, moves);
        Ok(())
    }

    /// Asks git what the moves mean. `except` is a pull request that is dealt with elsewhere.
    pub(super) fn foresee(&self, repo: RepoId, updates: &[RefUpdate], except: Option<IssueKey>) -> Result<Moves, Halt> {
        let Some(found) = self.state.repos.get(&repo) else { return Ok(Moves { looks: Vec::new(), commits: Vec::new() }) };
        let tip = |branch: &str| {
            let update = updates.iter().find(|update| update.branch() == Some(branch));
            update.map_or_else(|| found.branch(branch).cloned(), |update| update.new.clone())
        };
        let touched = |pull: &Pull| updates.iter().filter_map(RefUpdate::branch).any(|b| b == pull.head || b == pull.base);
        let mut looks = Vec::new();
        for (issue, pull) in self.state.pulls_of(repo) {
            if issue.state == Standing::Open
                && Some(issue.key) != except
                && touched(pull)
                && let (Some(base), Some(head)) = (tip(&pull.base), tip(&pull.head))
            {
                looks.push((issue.key, self.look(&found.folder, &base, &head)?));
            }
        }
        let page = Page { number: 1, size: COMMITS_TOLD };
        let mut commits = Vec::new();
        for update in updates {
            let (Some(_), Some(new)) = (update.branch(), &update.new) else {
                commits.push((Vec::new(), 0, false));
                continue;
            };
            let default =
                found.branch(&found.default_branch).filter(|_| update.name != format!("refs/heads/{}", found.default_branch));
            let without = update.old.as_ref().or(default);
            let (list, total) = self.commits(&found.folder, new, without.map(String::as_str), page)?;
            let dropped = match &update.old {
                Some(old) => self.commits(&found.folder, old, Some(new), Page { number: 1, size: 1 })?.1 > 0,
                None => false,
            };
            commits.push((list, total, dropped));
        }
        Ok(Moves { looks, commits })
    }

    /// Records the moves.
    pub(super) fn moved(&mut self, repo: RepoId, doer: UserId, updates: &[RefUpdate], moves: Moves) {
        let now = self.now;
        if let Some(found) = self.state.repos.get_mut(&repo) {
            found.updated = now;
            for update in updates {
                match &update.new {
                    Some(new) => found.refs.insert(update.name.clone(), new.clone()),
                    None => found.refs.remove(&update.name),
                };
            }
        }
        for (key, look) in moves.looks {
            let head = self.state.issues.get(&key).and_then(|i| i.pull.as_ref()).map(|p| format!("refs/heads/{}", p.head));
            let push = updates.iter().zip(&moves.commits).find(|(update, _)| Some(&update.name) == head.as_ref());
            self.see_pull(key, doer, look, push.map(|(_, commits)| commits));
        }
        for (update, (commits, total, _)) in updates.iter().zip(moves.commits) {
            let Some(branch) = update.branch() else { continue };
            if update.new.is_none() {
                self.close_pulls_of(repo, branch, doer);
            }
            self.close_by_words(repo, branch, doer, &commits);
            self.push_webhooks(repo, doer, update, &commits, total);
        }
    }

    /// A pull request sees where its head and base are now.
    fn see_pull(&mut self, key: IssueKey, doer: UserId, look: Look, push: Option<&(Vec<CommitInfo>, usize, bool)>) {
        let head = look.head_sha.clone();
        let Some(pull) = self.state.issues.get_mut(&key).and_then(|issue| issue.pull.as_mut()) else { return };
        let head_moved = pull.head_sha != head;
        let old = std::mem::replace(&mut pull.head_sha, head.clone());
        pull.see(look);
        if !head_moved {
            return;
        }
        let base = pull.base.clone();
        self.schedule(key, None);
        let folder = self.state.repos.get(&key.0).map(|repo| repo.folder.clone()).unwrap_or_default();
        self.followups.push(GitJob::SetRef {
            folder,
            name: format!("refs/pull/{}/head", key.1),
            from: Some(old),
            to: Some(head.clone()),
        });
        let (force, commits) = match push {
            Some((commits, _, dropped)) => (*dropped, commits.iter().rev().map(|commit| commit.sha.clone()).collect()),
            None => (false, vec![head.clone()]),
        };
        self.record(key, doer, What::PullPush { force, commits });
        self.make_reviews_stale(key, &base, &head);
        self.pull_webhook(key, doer, "pull_request_sync", "synchronized", None);
    }

    /// Without its head or its base a pull request is closed.
    fn close_pulls_of(&mut self, repo: RepoId, branch: &str, doer: UserId) {
        let gone = |issue: &Issue, pull: &Pull| issue.state == Standing::Open && (pull.head == branch || pull.base == branch);
        let keys: Vec<_> =
            self.state.pulls_of(repo).filter(|(issue, pull)| gone(issue, pull)).map(|(issue, _)| issue.key).collect();
        for key in keys {
            self.close(key, doer);
        }
    }

    /// Commits on the default branch close the issues they say they close.
    fn close_by_words(&mut self, repo: RepoId, branch: &str, doer: UserId, commits: &[CommitInfo]) {
        if self.state.repos.get(&repo).is_none_or(|repo| repo.default_branch != branch) {
            return;
        }
        for (number, closes) in commits.iter().rev().flat_map(|commit| references(&commit.message)) {
            let key = IssueKey(repo, number);
            let open = self
                .state
                .issues
                .get(&key)
                .is_some_and(|i| i.state == Standing::Open && i.pull.is_none() && !self.state.has_open_dependencies(i));
            if closes && open && self.may_close(doer, key) {
                self.close(key, doer);
            }
        }
    }

    fn push_webhooks(&mut self, repo: RepoId, doer: UserId, update: &RefUpdate, commits: &[CommitInfo], total: usize) {
        let to = (update.branch(), doer);
        let reference = update.name.clone();
        if update.old.is_none() {
            self.deliver(repo, "create", to, |view| {
                let (repository, sha) = (view.shown_repo(repo)?, update.new.clone().unwrap_or_default());
                hooks::text(&wire::RefPayload {
                    sha,
                    reference: reference.clone(),
                    ref_type: "branch",
                    repository,
                    sender: view.show_user(doer),
                })
            });
        }
        let Some(new) = update.new.clone() else {
            return self.deliver(repo, "delete", to, |view| {
                let (repository, pusher_type) = (view.shown_repo(repo)?, "user");
                hooks::text(&wire::DeletePayload {
                    reference,
                    ref_type: "branch",
                    pusher_type,
                    repository,
                    sender: view.show_user(doer),
                })
            });
        };
        self.deliver(repo, "push", to, |view| {
            let before = update.old.clone().unwrap_or_else(|| ZERO.into());
            let commits: Vec<_> = commits.iter().map(|commit| view.show_branch_commit(repo, commit)).collect();
            hooks::text(&wire::PushPayload {
                compare_url: format!("{}/compare/{before}...{new}", view.page_url(repo)),
                reference,
                before,
                after: new,
                head_commit: commits.first().cloned(),
                commits,
                total_commits: total,
                repository: view.shown_repo(repo)?,
                pusher: view.show_user(doer),
                sender: view.show_user(doer),
            })
        });
    }
}
