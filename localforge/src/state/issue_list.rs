//! Listing issues: the filter, with the quirks of a real forge, and the orders.
//!
//! Labels are joined by AND; names that nobody knows are dropped, and a filter of which nothing is left filters nothing. A
//! name that two labels share asks for both. `since` and `before` are inclusive.

use std::collections::BTreeSet;

use chrono::DateTime;

use super::answer::{Halt, Handled, Page, missing, says};
use super::records::*;
use super::{Call, State};

/// What an issue must be like to be listed.
struct Filter {
    state: Option<Standing>,
    pulls: Option<bool>,
    labels: Vec<String>,
    since: Option<At>,
    before: Option<At>,
    text: Option<String>,
    author: Option<UserId>,
    assignee: Option<UserId>,
}

impl Call<'_> {
    pub(super) fn list_issues(&self, repo: RepoId) -> Handled {
        self.list_in(&[repo])
    }

    /// Issues of all repositories that the actor sees.
    pub(super) fn search_issues(&self) -> Handled {
        let owner = self.request.query("owner");
        let visible = |repo: &&Repo| {
            self.state.access(repo, self.actor) >= Access::Read
                && owner.is_none_or(|owner| self.state.login(repo.owner).eq_ignore_ascii_case(owner))
        };
        let repos: Vec<_> = self.state.repos.values().filter(visible).map(|repo| repo.id).collect();
        self.list_in(&repos)
    }

    fn list_in(&self, repos: &[RepoId]) -> Handled {
        let filter = self.issue_filter()?;
        let mut found = Vec::new();
        for repo in repos {
            let labels = self.state.label_filter(*repo, &filter.labels);
            found.extend(self.state.issues_of(*repo).filter(|issue| filter.lets_by(issue) && labels.is_subset(&issue.labels)));
        }
        sort(&mut found, self.request.query("sort").unwrap_or_default());
        let (page, total) = (Page::of(self.request), found.len());
        let list: Vec<_> = page.cut(found).into_iter().map(|issue| self.view().show_issue(issue)).collect();
        Ok(self.linked(page, total, &list))
    }

    fn issue_filter(&self) -> Result<Filter, Halt> {
        let request = self.request;
        let user = |name: &str| match request.query(name) {
            Some(login) => self.state.user_named(login).map(|user| Some(user.id)).ok_or_else(missing),
            None => Ok(None),
        };
        Ok(Filter {
            state: match request.query("state") {
                Some("closed") => Some(Standing::Closed),
                Some("all") => None,
                _ => Some(Standing::Open),
            },
            pulls: match request.query("type") {
                Some("issues") => Some(false),
                Some("pulls") => Some(true),
                _ => None,
            },
            labels: request.query("labels").map(|l| l.split(',').map(str::to_owned).collect()).unwrap_or_default(),
            since: self.time_asked("since")?,
            before: self.time_asked("before")?,
            text: request.query("q").map(str::to_lowercase),
            author: user("created_by")?,
            assignee: user("assigned_by")?,
        })
    }

    /// A time of the query, in whole seconds.
    pub(super) fn time_asked(&self, name: &str) -> Result<Option<At>, Halt> {
        let Some(text) = self.request.query(name) else { return Ok(None) };
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Some(At(time.timestamp()))),
            Err(_) => says(
                422,
                format!("parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\""),
            ),
        }
    }
}

impl Filter {
    fn lets_by(&self, issue: &Issue) -> bool {
        self.since.is_none_or(|since| issue.updated >= since)
            && self.before.is_none_or(|before| issue.updated <= before)
            && self.state.is_none_or(|state| issue.state == state)
            && self.pulls.is_none_or(|pulls| issue.pull.is_some() == pulls)
            && self.author.is_none_or(|author| issue.author == author)
            && self.assignee.is_none_or(|user| issue.assignees.contains(&user))
            && self
                .text
                .as_ref()
                .is_none_or(|text| issue.title.to_lowercase().contains(text) || issue.body.to_lowercase().contains(text))
    }
}

impl State {
    /// The labels that all have to be on: every label of these names.
    fn label_filter(&self, repo: RepoId, names: &[String]) -> BTreeSet<LabelId> {
        if names.is_empty() {
            return BTreeSet::new();
        }
        self.labels.values().filter(|label| label.repo == repo && names.contains(&label.name)).map(|label| label.id).collect()
    }
}

fn sort(issues: &mut [&Issue], order: &str) {
    match order {
        "oldest" => issues.sort_by_key(|i| (i.created, i.id)),
        "recentupdate" => issues.sort_by_key(|i| std::cmp::Reverse((i.updated, i.created, i.id))),
        "leastupdate" => issues.sort_by_key(|i| (i.updated, i.created, i.id)),
        "mostcomment" => issues.sort_by_key(|i| std::cmp::Reverse((i.comments, i.created, i.id))),
        "leastcomment" => issues.sort_by_key(|i| (i.comments, std::cmp::Reverse((i.created, i.id)))),
        _ => issues.sort_by_key(|i| std::cmp::Reverse((i.created, i.id))),
    }
}
