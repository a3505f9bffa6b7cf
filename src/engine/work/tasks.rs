//! The issues that a run's issue lists as its tasks, and those that list it: read once, when the run is prepared, and only where its formula
//! names them.

use std::collections::BTreeSet;

use crate::model::{Failure, Formula, Issue, IssueNumber, RepoName, Task, Tasks};
use crate::ports::{ForgeErrorKind, IssueFilter};
use crate::text;

use super::super::observed::seen_issue;
use super::{Worker, forge};

/// How many open issues are looked through for those that list one as a task.
const LOOKED_THROUGH: usize = 500;

impl Worker {
    pub(super) async fn tasks(&self, repo: &RepoName, issue: &Issue, formula: &Formula) -> Result<Tasks, Failure> {
        let mut known = Tasks::default();
        if formula.names(&["issue", "tasks"]) || formula.names(&["issue", "tasks_cut"]) {
            let mut there = BTreeSet::from([issue.number]);
            let lines = text::task_lines(&issue.body).into_iter().filter(|(number, _)| there.insert(*number));
            let mut lines: Vec<(IssueNumber, bool)> = lines.collect();
            known.cut = lines.len() > Tasks::MOST;
            lines.truncate(Tasks::MOST);
            for (number, ticked) in lines {
                // One that is not there, or a pull request, is no task.
                match self.ports.forge.issue(repo, number).await {
                    Ok(found) if found.pull.is_none() => known.items.push(task(repo, found, ticked)),
                    Ok(_) => {}
                    Err(error) if error.kind == ForgeErrorKind::NotFound => {}
                    Err(error) => return Err(forge(error)),
                }
            }
        }
        if formula.names(&["issue", "listed_in"]) {
            let filter = IssueFilter { open_only: true, no_pulls: true, at_most: Some(LOOKED_THROUGH), ..IssueFilter::default() };
            let open = self.ports.forge.issues(repo, &filter).await.map_err(forge)?.items;
            let lists = |other: &Issue| other.number != issue.number && text::tasks(&other.body).contains(&issue.number);
            known.listed_in = open.iter().filter(|other| lists(other)).map(|other| other.number).collect();
            known.listed_in.sort();
        }
        Ok(known)
    }
}

fn task(repo: &RepoName, issue: Issue, ticked: bool) -> Task {
    let seen = seen_issue(repo, &issue);
    let mut tasks: Vec<IssueNumber> = text::tasks(&issue.body).into_iter().filter(|number| *number != issue.number).collect();
    tasks.dedup();
    Task {
        number: issue.number,
        ticked,
        file_targets: text::listed(&issue.body, "file targets"),
        acceptance_criteria: text::listed(&issue.body, "acceptance criteria"),
        tasks,
        seen,
        title: issue.title,
        body: issue.body,
    }
}
