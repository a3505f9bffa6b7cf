//! Pull requests and reviews as the API shows them.

use super::State;
use super::records::*;
use super::show::View;
use crate::wire::{self, Stamp};

impl State {
    /// The reviews of a pull request, oldest first.
    pub(super) fn reviews_of(&self, key: IssueKey) -> impl Iterator<Item = &Review> {
        self.reviews.range((key, ReviewId(0))..=(key, ReviewId(u64::MAX))).map(|(_, review)| review)
    }
}

impl View<'_> {
    /// A pull request; nothing where the issue is none.
    pub(super) fn show_pull(&self, issue: &Issue) -> Option<wire::Pull> {
        let repo = self.repos.get(&issue.key.0)?;
        self.show_pull_of(repo, &self.show_repo(repo), issue)
    }

    /// A pull request of a repository that is shown already: counting its open issues is the dear part.
    pub(super) fn show_pull_of(&self, repo: &Repo, shown: &wire::Repo, issue: &Issue) -> Option<wire::Pull> {
        let pull = issue.pull.as_ref()?;
        let page = self.issue_page(issue);
        let as_issue = self.show_issue(issue);
        let side = |branch: &str, reference: String, sha: String| wire::PullBranch {
            label: branch.to_owned(),
            reference,
            sha,
            repo_id: repo.id.0,
            repo: shown.clone(),
        };
        let head_ref = match repo.branch(&pull.head) {
            Some(_) => pull.head.clone(),
            None => format!("refs/pull/{}/head", issue.key.1),
        };
        let merged = pull.merged.as_ref();
        let requested = self.reviews_of(issue.key).filter(|review| review.verdict == Verdict::RequestReview);
        Some(wire::Pull {
            id: pull.id,
            url: page.clone(),
            number: issue.key.1,
            user: as_issue.user,
            title: as_issue.title,
            body: as_issue.body,
            labels: as_issue.labels,
            milestone: wire::Nothing,
            assignee: as_issue.assignee,
            assignees: as_issue.assignees,
            requested_reviewers: requested.map(|review| self.show_user(review.reviewer)).collect(),
            requested_reviewers_teams: [],
            state: as_issue.state,
            draft: super::pulls::is_draft(&issue.title),
            is_locked: false,
            comments: issue.comments,
            review_comments: self.reviews_of(issue.key).map(|review| review.comments.len()).sum(),
            additions: pull.additions,
            deletions: pull.deletions,
            changed_files: pull.changed_files,
            diff_url: format!("{page}.diff"),
            patch_url: format!("{page}.patch"),
            html_url: page,
            mergeable: merged.is_some() || (!pull.conflicts && !super::pulls::is_draft(&issue.title)),
            merged: merged.is_some(),
            merged_at: merged.map(|merged| Stamp(merged.at)),
            merge_commit_sha: merged.map(|merged| merged.commit.clone()),
            merged_by: merged.map(|merged| self.show_user(merged.by)),
            base: side(&pull.base, pull.base.clone(), pull.base_sha.clone()),
            head: side(&pull.head, head_ref, pull.head_sha.clone()),
            merge_base: pull.merge_base.clone(),
            due_date: wire::Nothing,
            created_at: Stamp(issue.created),
            updated_at: Stamp(issue.updated),
            closed_at: issue.closed.map(Stamp),
            flow: 0,
        })
    }

    pub(super) fn show_review(&self, issue: &Issue, review: &Review) -> wire::Review {
        let page = self.issue_page(issue);
        wire::Review {
            id: review.id.0,
            user: self.show_user_seen(review.reviewer),
            team: wire::Nothing,
            state: review.verdict,
            body: review.body.clone(),
            commit_id: review.commit.clone(),
            stale: review.stale,
            official: review.official,
            dismissed: review.dismissed,
            comments_count: review.comments.len(),
            submitted_at: Stamp(review.submitted),
            updated_at: Stamp(review.updated),
            html_url: review.event.map(|event| format!("{page}#issuecomment-{}", event.0)).unwrap_or_default(),
            pull_request_url: page,
        }
    }
}
