//! Whose turn it is: projects take turns, so that none starves however long another's queue is; within one, what comes first is fixed.
//!
//! Promises: each candidate comes once. Next is the project with the fewest slots, then the one that was served longest ago.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{RepoName, Timestamp};

use super::Context;
use super::admit::Candidate;

/// The queues of the projects, which take turns.
pub(super) struct Turns {
    queues: BTreeMap<RepoName, VecDeque<Candidate>>,
    served: BTreeMap<RepoName, (u32, Option<Timestamp>)>,
}

impl Turns {
    pub(super) fn new(context: &Context<'_>, mut candidates: Vec<Candidate>, taken_in: impl Fn(&RepoName) -> u32) -> Self {
        let priority = |c: &Candidate| {
            let names = context.policy.projects.get(&c.subject.repo).map(|p| &p.labels);
            context.ledger.issue(&c.subject).zip(names).is_some_and(|(s, names)| s.seen.labels.contains(&names.priority))
        };
        candidates.sort_by_key(|c| (!c.resumes(), !priority(c), !c.is_short(), c.age, c.subject.clone()));
        let mut turns = Self { queues: BTreeMap::new(), served: BTreeMap::new() };
        for candidate in candidates {
            let repo = &candidate.subject.repo;
            let last = context.ledger.projects.get(repo).and_then(|p| p.served);
            turns.served.entry(repo.clone()).or_insert((taken_in(repo), last));
            turns.queues.entry(repo.clone()).or_default().push_back(candidate);
        }
        turns
    }

    pub(super) fn next(&mut self) -> Option<Candidate> {
        let waiting = self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(repo, _)| repo);
        let repo = waiting.min_by_key(|repo| self.served.get(*repo))?.clone();
        self.queues.get_mut(&repo)?.pop_front()
    }

    pub(super) fn serve(&mut self, repo: &RepoName) {
        self.served.entry(repo.clone()).or_default().0 += 1;
    }
}
