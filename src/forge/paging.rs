//! Lists that are longer than a page.
//!
//! A forge counts pages anew for each request, so a list that moves while it is read can swallow entries. Two ways around that: by
//! time, where the list is sorted by it, and by stepping back when the total fell.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde::de::DeserializeOwned;

use super::transport::{Call, Client};
use super::wire;
use crate::model::{Branch, Comment, Issue, IssueNumber, Pull, PullNumber, RepoName, Timestamp};
use crate::ports::{ForgeError, ForgeErrorKind, IssueFilter, Listed};

/// The most that a Forgejo gives at once.
const PAGE: usize = 50;

/// How often a list may shrink while it is read before that is given up.
const STEPS_BACK: u32 = 100;

const SECOND: Duration = Duration::from_secs(1);

struct Page<T> {
    items: Vec<T>,
    total: Option<usize>,
    date: Option<Timestamp>,
}

impl<T> Page<T> {
    /// Whether there is more after this page, of which and of those before it `read` entries came. The total is asked first: it saves
    /// the look past a full last page, and holds where the forge is set to smaller pages.
    fn goes_on(&self, read: usize) -> bool {
        !self.items.is_empty() && self.total.map_or(self.items.len() >= PAGE, |total| read < total)
    }
}

impl Client {
    async fn page<T: DeserializeOwned>(&self, call: &Call<'_>, page: usize) -> Result<Page<T>, ForgeError> {
        // Several lists ignore `limit` without `page`.
        let call = call.clone().query("page", page).query("limit", PAGE);
        let answer = self.send(&call).await?;
        // An empty list may be null.
        let items: Option<Vec<T>> = answer.decode(&call)?;
        Ok(Page { items: items.unwrap_or_default(), total: answer.total(), date: answer.date() })
    }

    /// All pages, in the forge's order; an entry may be in it twice. Where the total fell by some since the page before, as many
    /// entries may have slid to a page that was read already: so many are stepped back. What is added meanwhile pushes others back,
    /// which at worst shows them twice.
    pub(super) async fn pages<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<Listed<T>, ForgeError> {
        let first: Page<T> = self.page(call, 1).await?;
        // A forge may be set to smaller pages than it is asked for.
        let size = if first.goes_on(first.items.len()) { first.items.len().clamp(1, PAGE) } else { PAGE };
        let (mut total, mut covered, mut steps_back) = (first.total, first.items.len(), 0);
        let mut goes_on = first.goes_on(covered);
        let mut listed = Listed { items: first.items, date: first.date };
        while goes_on {
            let number = covered / size + 1;
            let page = self.page(call, number).await?;
            let fallen = total.zip(page.total).map_or(0, |(before, now)| before.saturating_sub(now));
            total = page.total;
            if fallen > 0 {
                covered = covered.saturating_sub(fallen);
                steps_back += 1;
                if steps_back > STEPS_BACK {
                    let why = "entries vanished all the while the list was read";
                    return Err(call.error(ForgeErrorKind::Unreachable { retry_after: None }, why));
                }
            } else {
                // A short page in the middle was filtered after it was cut: it is done all the same.
                covered = number * size;
                goes_on = page.goes_on(covered);
            }
            listed.items.extend(page.items);
        }
        Ok(listed)
    }

    pub(super) async fn read_issues(&self, repo: &RepoName, filter: &IssueFilter) -> Result<Listed<Issue>, ForgeError> {
        let mut call = Call::of(Method::GET, repo, &["issues"])
            .query("state", if filter.open_only { "open" } else { "all" })
            .query("sort", "leastupdate");
        // A comma parts names, and a name that two labels share asks for both: those are left to our own filter.
        if let Some(label) = filter.label.as_ref().filter(|l| !l.contains(',') && !self.is_doubled(repo, l)) {
            call = call.query("labels", label);
        }
        if filter.no_pulls {
            call = call.query("type", "issues");
        }
        let wanted = |issue: &Issue| {
            filter.label.as_ref().is_none_or(|l| issue.labels.contains(l))
                && (issue.open || !filter.open_only)
                && !(filter.no_pulls && issue.pull.is_some())
        };
        let mut found = BTreeMap::new();
        let mut date = None;
        let mut since = whole_second(filter.since.unwrap_or_default());
        loop {
            let page: Page<wire::Issue> = self.page(&call.clone().query("since", since), 1).await?;
            date = date.or(page.date);
            let goes_on = page.goes_on(page.items.len());
            let last = keep_newest(&mut found, page.items).map(whole_second);
            match last {
                _ if !goes_on => break,
                _ if filter.at_most.is_some_and(|most| found.values().filter(|issue| wanted(issue)).count() >= most) => break,
                Some(last) if last > since => since = last,
                Some(_) | None => {
                    // A whole page of one second: only in there page numbers are needed.
                    let second = call.clone().query("since", since).query("before", since);
                    keep_newest(&mut found, self.pages(&second).await?.items);
                    since = since + SECOND;
                }
            }
        }
        let mut items: Vec<Issue> = found.into_values().filter(wanted).collect();
        items.sort_by_key(|issue| (issue.updated, issue.number));
        items.truncate(filter.at_most.unwrap_or(usize::MAX));
        Ok(Listed { items, date })
    }

    pub(super) async fn read_comments(&self, repo: &RepoName, since: Timestamp) -> Result<Listed<Comment>, ForgeError> {
        let call = Call::of(Method::GET, repo, &["issues", "comments"]).query("since", since);
        let listed = self.pages::<wire::Comment>(&call).await?;
        let mut found = BTreeMap::new();
        for wire in listed.items {
            let comment = wire.place().map_err(|why| call.unreadable(why))?;
            let kept = found.entry(comment.id).or_insert_with(|| comment.clone());
            if comment.updated > kept.updated {
                *kept = comment;
            }
        }
        Ok(Listed { items: found.into_values().collect(), date: listed.date })
    }

    pub(super) async fn read_pulls(
        &self,
        repo: &RepoName,
        head: &Branch,
        base: &Branch,
        since: Option<Timestamp>,
    ) -> Result<Vec<Pull>, ForgeError> {
        // 16 filters by these, 15 does not know them.
        let call = Call::of(Method::GET, repo, &["pulls"]).query("head", head).query("base", base);
        let open = call.clone().query("state", "open");
        let mut found: Vec<wire::Pull> = self.pages(&open).await?.items;
        if let Some(since) = since.map(whole_second) {
            let closed = call.clone().query("state", "closed").query("sort", "recentupdate");
            let (mut number, mut read) = (1, 0);
            loop {
                // Newest first: what moves meanwhile pushes others back, so they may come twice but are not missed.
                let page: Page<wire::Pull> = self.page(&closed, number).await?;
                read += page.items.len();
                let goes_on = page.goes_on(read) && page.items.iter().all(|p| p.updated_at >= since);
                found.extend(page.items.into_iter().filter(|p| p.updated_at >= since));
                if !goes_on {
                    break;
                }
                number += 1;
            }
        }
        let mut pulls = Vec::new();
        let mut seen: Vec<PullNumber> = Vec::new();
        for wire in found.into_iter().filter(|p| p.joins(head, base)) {
            let pull = wire.pull().map_err(|why| call.unreadable(why))?;
            if !seen.contains(&pull.number) {
                seen.push(pull.number);
                pulls.push(pull);
            }
        }
        Ok(pulls)
    }
}

/// Adds a page to what was found, the newest version of each; gives back the latest movement on the page.
fn keep_newest(found: &mut BTreeMap<IssueNumber, Issue>, page: Vec<wire::Issue>) -> Option<Timestamp> {
    let mut last = None;
    for issue in page.into_iter().map(Issue::from) {
        last = last.max(Some(issue.updated));
        let kept = found.entry(issue.number).or_insert_with(|| issue.clone());
        if issue.updated >= kept.updated {
            *kept = issue;
        }
    }
    last
}

/// The forge counts in whole seconds, and a fraction would leave out what moved earlier within its second.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp(time.0 - time.0.rem_euclid(1000))
}
