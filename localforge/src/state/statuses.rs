//! Commit statuses. A state is kept as it came, known or not; the combined one is told from the current page only.

use super::answer::{Halt, Handled, Page, Refusal, missing, unexpected};
use super::records::*;
use super::show::View;
use super::{Answer, Call, State};
use crate::git_job::{GitJob, GitReply};
use crate::wire::{self, Stamp, asked};

/// How bad a state is, worst first; what is not known counts for nothing.
fn badness(state: &str) -> Option<usize> {
    ["success", "skipped", "pending", "warning", "failure", "error"].iter().position(|known| *known == state)
}

/// The state of several together.
pub(super) fn combined<'s>(states: impl Iterator<Item = &'s str>) -> &'s str {
    states.reduce(|worst, state| if badness(state) > badness(worst) { state } else { worst }).unwrap_or("")
}

/// Whether a text is the whole name of an object.
pub(super) fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

impl State {
    pub(super) fn statuses_of(&self, repo: RepoId, sha: &str) -> impl Iterator<Item = &Status> {
        let key = |index| (repo, sha.to_owned(), index);
        self.statuses.range(key(0)..=key(u64::MAX)).map(|(_, status)| status)
    }

    /// The last status of each context, in the order they were set.
    pub(super) fn latest_statuses(&self, repo: RepoId, sha: &str) -> Vec<&Status> {
        let mut latest: Vec<&Status> = Vec::new();
        for status in self.statuses_of(repo, sha) {
            latest.retain(|old| old.context != status.context);
            latest.push(status);
        }
        latest
    }
}

impl View<'_> {
    fn show_status(&self, repo: RepoId, sha: &str, status: &Status) -> wire::Status {
        wire::Status {
            id: status.index,
            status: status.state.clone(),
            target_url: status.target_url.clone(),
            description: status.description.clone(),
            url: format!("{}/statuses/{sha}", self.api_url(repo)),
            context: status.context.clone(),
            creator: self.show_user(status.creator),
            created_at: Stamp(status.created),
            updated_at: Stamp(status.created),
        }
    }
}

impl Call<'_> {
    /// The commit that a branch, a tag or the name of an object stands for.
    pub(super) fn resolve(&self, repo: RepoId, reference: &str) -> Result<Option<String>, Halt> {
        let found = self.repo(repo)?;
        let full = [reference.to_owned(), format!("refs/heads/{reference}"), format!("refs/tags/{reference}")];
        if let Some(sha) = full.iter().find_map(|name| found.refs.get(name)) {
            return Ok(Some(sha.clone()));
        }
        if !is_sha(reference) {
            return Ok(None);
        }
        if self.state.statuses_of(repo, reference).next().is_some() {
            return Ok(Some(reference.to_owned()));
        }
        match self.git(GitJob::Commit { folder: found.folder.clone(), commit: reference.to_owned() })? {
            GitReply::Commit(commit) => Ok(commit.map(|commit| commit.sha)),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn create_status(&mut self, repo: RepoId, commit: &str) -> Handled {
        let creator = self.need_writer(repo)?;
        let new: asked::NewStatus = self.body()?;
        let sha = match if is_sha(commit) { self.resolve(repo, commit)? } else { None } {
            Some(sha) => sha,
            None => return Err(Refusal::Missing { message: Some(commit.to_owned()), errors: Vec::new() }.into()),
        };
        let index = self.state.statuses_of(repo, &sha).last().map_or(0, |status| status.index) + 1;
        let status = Status {
            index,
            state: new.state,
            context: if new.context.is_empty() { "default".into() } else { new.context },
            description: new.description,
            target_url: new.target_url,
            creator,
            created: self.request.now,
        };
        let shown = self.view().show_status(repo, &sha, &status);
        self.state.statuses.insert((repo, sha, index), status);
        Ok(Answer::json(201, &shown))
    }

    pub(super) fn list_statuses(&self, repo: RepoId, reference: &str) -> Handled {
        let sha = self.resolve(repo, reference)?.ok_or_else(missing)?;
        let all: Vec<_> = self.state.statuses_of(repo, &sha).map(|status| self.view().show_status(repo, &sha, status)).collect();
        let total = all.len();
        let page = Page::of(self.request);
        Ok(self.linked(page, total, &page.cut(all)))
    }

    pub(super) fn combined_status(&self, repo: RepoId, reference: &str) -> Handled {
        let sha = self.resolve(repo, reference)?.ok_or_else(missing)?;
        let latest = self.state.latest_statuses(repo, &sha);
        let total = latest.len();
        let page = Page::of(self.request).cut(latest);
        if page.is_empty() {
            let nothing = wire::CombinedStatus {
                state: String::new(),
                sha: String::new(),
                total_count: 0,
                statuses: None,
                repository: None,
                commit_url: "",
                url: "",
            };
            return Ok(Answer::json(200, &nothing));
        }
        let shown = wire::CombinedStatus {
            state: combined(page.iter().map(|status| status.state.as_str())).to_owned(),
            statuses: Some(page.iter().map(|status| self.view().show_status(repo, &sha, status)).collect()),
            sha,
            total_count: total,
            repository: Some(self.view().show_repo(self.repo(repo)?)),
            commit_url: "",
            url: "",
        };
        Ok(Answer::json(200, &shown).header("x-total-count", total))
    }
}

#[cfg(test)]
mod tests {
    use super::combined;

    #[test]
    fn the_worst_known_state_wins() {
        assert_eq!(combined(["success", "great"].into_iter()), "success");
        assert_eq!(combined(["success", "skipped"].into_iter()), "skipped");
        assert_eq!(combined(["pending", "failure", "success"].into_iter()), "failure");
        assert_eq!(combined([].into_iter()), "");
        assert_eq!(combined(["great"].into_iter()), "great");
    }
}
