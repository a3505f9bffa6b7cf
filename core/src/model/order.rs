//! Which steps of a formula wait for which.
//!
//! A step waits for those that it needs. Beside that, a run has one workspace and one change: commands run on the change as it stands behind
//! whoever writes, and what is shown to people of it (the pull request, pushes to it, answers about it and what is waited for on it) comes when
//! all commands before it in the file have ended. Everything else that has no order runs side by side: commands each in a clone of their own, and
//! an agent that reads while another may write in a workspace of its own, at the commit that stood when it began.

use std::collections::BTreeSet;

use super::{Access, Formula, Gate, Proposal, Step, StepKind};

/// What of its run a step works with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Works {
    /// It writes the workspace.
    Writes,
    /// It runs commands on a commit, in a clone of its own.
    Runs,
    /// It shows the run's commits to people, or waits for what they say of them.
    Shows,
    /// It needs neither.
    Apart,
}

impl Works {
    fn of(step: &Step) -> Self {
        match &step.kind {
            StepKind::Agent { access: Access::Write, .. } => Self::Writes,
            StepKind::Verify { .. } | StepKind::Run { .. } => Self::Runs,
            StepKind::Propose(
                Proposal::PullRequest { .. }
                | Proposal::Branch { .. }
                | Proposal::Push
                | Proposal::Merge
                | Proposal::Replies { .. },
            )
            | StepKind::Gate(Gate::Checks | Gate::Approval) => Self::Shows,
            StepKind::Agent { access: Access::Read, .. }
            | StepKind::Propose(
                Proposal::Comment { .. }
                | Proposal::Labels { .. }
                | Proposal::Close { .. }
                | Proposal::Reopen
                | Proposal::Issue { .. }
                | Proposal::SubIssues { .. }
                | Proposal::Review { .. }
                | Proposal::File { .. }
                | Proposal::VaultAction { .. }
                | Proposal::Mend { .. }
                | Proposal::Start { .. }
                | Proposal::UpdateIssue { .. },
            )
            | StepKind::Gate(Gate::Time { .. } | Gate::Vault { .. })
            | StepKind::Enter { .. }
            | StepKind::Leave { .. } => Self::Apart,
        }
    }

    fn not_beside(self, other: Self) -> bool {
        match (self, other) {
            (Self::Writes | Self::Shows, Self::Writes | Self::Runs | Self::Shows) | (Self::Runs, Self::Writes | Self::Shows) => {
                true
            }
            (Self::Runs, Self::Runs) | (Self::Apart, _) | (_, Self::Apart) => false,
        }
    }
}

impl Formula {
    /// Where a step stands.
    pub fn place(&self, id: &super::StepId) -> Option<usize> {
        self.steps.iter().position(|step| step.id == *id)
    }

    /// The places of the steps that the one at a place needs; in a formula of an older version, that does not say, the step before it.
    pub fn needs(&self, at: usize) -> Vec<usize> {
        match self.steps.get(at).map(|step| &step.needs) {
            Some(Some(needs)) => needs.iter().filter_map(|id| self.place(id)).collect(),
            Some(None) => at.checked_sub(1).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The places of the steps that end before the one at a place begins.
    pub fn before(&self, at: usize) -> BTreeSet<usize> {
        let mut before: BTreeSet<usize> = self.needs(at).into_iter().collect();
        before.extend(in_turn(&self.steps, at));
        before
    }

    /// The places of the steps that wait for the one at a place, and its own.
    pub fn behind(&self, at: usize) -> BTreeSet<usize> {
        let mut behind = BTreeSet::from([at]);
        for place in at + 1..self.steps.len() {
            if self.before(place).iter().any(|before| behind.contains(before)) {
                behind.insert(place);
            }
        }
        behind
    }

    /// Whether its commands may run beside those of another step.
    pub fn is_beside_commands(&self, at: usize) -> bool {
        let runs = |place: usize| self.steps.get(place).is_some_and(|step| Works::of(step) == Works::Runs);
        runs(at) && (0..self.steps.len()).any(|other| other != at && runs(other) && !self.are_ordered(at, other))
    }

    fn are_ordered(&self, one: usize, other: usize) -> bool {
        self.behind(one.min(other)).contains(&one.max(other))
    }

    /// Whether it is an agent that reads and another may be at work beside it: it has a HOME and a log of its own then. Who writes has the
    /// run's: only one does at a time.
    pub fn is_beside_agents(&self, at: usize) -> bool {
        let agent = |place: usize| matches!(self.steps.get(place).map(|step| &step.kind), Some(StepKind::Agent { .. }));
        self.reads(at) && (0..self.steps.len()).any(|other| other != at && agent(other) && !self.are_ordered(at, other))
    }

    /// The places of the agents that may write while the one at a place reads: it has a workspace of its own then.
    pub fn writers_beside(&self, at: usize) -> Vec<usize> {
        let writes = |place: &usize| self.steps.get(*place).is_some_and(|step| Works::of(step) == Works::Writes);
        let all = (0..self.steps.len()).filter(|_| self.reads(at)).filter(writes);
        all.filter(|other| !self.are_ordered(at, *other)).collect()
    }

    fn reads(&self, at: usize) -> bool {
        matches!(self.steps.get(at).map(|step| &step.kind), Some(StepKind::Agent { access: Access::Read, .. }))
    }
}

/// The places of the steps that the one at a place would not run beside, and which stand before it.
fn in_turn(steps: &[Step], at: usize) -> impl Iterator<Item = usize> {
    let own = steps.get(at).map_or(Works::Apart, Works::of);
    steps.iter().take(at).enumerate().filter(move |(_, step)| own.not_beside(Works::of(step))).map(|(place, _)| place)
}

/// For each step the places of all that end before it begins, whatever is between them.
pub fn all_before(steps: &[&Step]) -> Vec<BTreeSet<usize>> {
    let owned: Vec<Step> = steps.iter().map(|step| (*step).clone()).collect();
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    for (at, step) in owned.iter().enumerate() {
        let needs = step.needs.iter().flatten().filter_map(|id| owned.iter().position(|other| other.id == *id));
        let direct: BTreeSet<usize> = needs.filter(|needed| *needed < at).chain(in_turn(&owned, at)).collect();
        let further = direct.iter().filter_map(|place| all.get(*place)).flatten().copied().collect::<Vec<_>>();
        all.push(direct.into_iter().chain(further).collect());
    }
    all
}
