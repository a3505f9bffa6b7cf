//! A configuration that was read anew, taken up while everything runs.
//!
//! Promises: what is under way ends with what it began with; a run works to its end with the hands, limits and commands that it started
//! with, but talks to the forge with the newest token; a project that was taken out stays until nothing of ours lives there.
//!
//! Known race: a job that began before the change ends after it. It holds what it began with, and its outcome is judged by the new policy,
//! as after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ledger::{ClaimState, Ledger};
use crate::model::{RepoName, RunId, Standings};
use crate::plan::{Policy, ProjectPolicy};

use super::core::{Core, Job};
use super::shell::Ports;
use super::work::{Settings, Worker};

/// What a configuration that was read anew brings.
pub struct Renewal {
    /// What the plan may do.
    pub policy: Policy,
    /// What effects need.
    pub settings: Settings,
    /// Who does them.
    pub ports: Ports,
    /// How long agents may go on after the engine is told to stop.
    pub drain: Duration,
}

/// Takes a new policy up. Every project is looked at anew: its labels may have other names, and one that is new was never looked at.
pub(super) fn adopt(core: &mut Core, mut policy: Policy) {
    let mut before = std::mem::take(&mut core.policy.projects);
    for repo in policy.projects.keys().filter(|repo| !before.contains_key(*repo)) {
        forget(core, repo);
    }
    before.retain(|repo, _| !policy.projects.contains_key(repo) && lives(core, repo));
    policy.projects.extend(before.into_iter().map(|(repo, old)| (repo, ProjectPolicy { leaving: true, ..old })));
    for repo in policy.projects.keys() {
        core.view.look_forced.insert(repo.clone());
        core.view.look_wanted.insert(repo.clone());
    }
    core.policy = policy;
}

/// Projects that leave go when nothing of ours lives there any more.
pub(super) fn part(core: &mut Core) {
    let leaving = core.policy.projects.iter().filter(|(_, project)| project.leaving).map(|(repo, _)| repo.clone());
    for repo in leaving.collect::<Vec<_>>() {
        if !lives(core, &repo) {
            core.policy.projects.remove(&repo);
        }
    }
}

/// What was seen of a project before it was taken out is old when it comes back.
fn forget(core: &mut Core, repo: &RepoName) {
    core.view.fresh.remove(repo);
    core.view.looks_began.remove(repo);
    core.view.look_wanted.remove(repo);
    core.view.look_forced.remove(repo);
}

/// Whether something of ours lives in a project. What cannot be ended because the forge refuses it does not hold it for ever.
fn lives(core: &Core, repo: &RepoName) -> bool {
    let Some(project) = core.ledger.projects.get(repo) else { return false };
    project.issues.values().any(|state| {
        let acting = state.open.values().any(|open| core.view.acting.contains(&open.key));
        let held = state.has_run() || !state.open.is_empty() || matches!(state.claim, ClaimState::Ours(_));
        acting || (held && project.trouble.is_none())
    })
}

/// Who makes the effects: for most of them the newest, for a run's work on this machine the one that it began with.
pub(super) struct Workers {
    newest: Arc<Worker>,
    of_runs: BTreeMap<RunId, Arc<Worker>>,
}

impl Workers {
    pub(super) fn new(worker: Worker) -> Self {
        Self { newest: Arc::new(worker), of_runs: BTreeMap::new() }
    }

    /// Chance from 0 to 999.
    pub(super) fn chance(&self) -> u16 {
        self.newest.chance()
    }

    /// How the accounts stand now.
    pub(super) fn standings(&self) -> Standings {
        self.newest.standings()
    }

    /// The one for a job.
    pub(super) fn of(&mut self, job: &Job, ledger: &Ledger) -> Arc<Worker> {
        let run = match job {
            Job::Act { intent, state, .. } if intent.is_local() => state.live_run().map(|run| run.id.clone()),
            _ => None,
        };
        let Some(run) = run else { return self.newest.clone() };
        self.of_runs.retain(|run, _| ledger.run(run).is_some());
        self.of_runs.entry(run).or_insert_with(|| self.newest.clone()).clone()
    }

    /// Takes over what is new. What a job that runs has in its hands is left as it is.
    pub(super) fn renew(&mut self, ports: Ports, mut settings: Settings) {
        for (repo, old) in &self.newest.settings.projects {
            settings.projects.entry(repo.clone()).or_insert_with(|| old.clone());
        }
        for worker in self.of_runs.values_mut() {
            let kept = Ports { hands: worker.ports.hands.clone(), ..ports.clone() };
            *worker = Arc::new(worker.renewed(kept, worker.settings.clone()));
        }
        self.newest = Arc::new(self.newest.renewed(ports, settings));
    }
}
