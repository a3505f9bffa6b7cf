//! A step of a run that is in work: reached, and not ended.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::{
    AccountName, ActionId, AgentName, Change, Evidence, Gate, HandOutcome, Intent, IssueNumber, Outcome, PlannedIssue, Proposal,
    PullNumber, Refusal, Reply, RunOutcome, Sha, Step, StepId, StepKind, Timestamp, Told,
};

use super::{Each, Retry, RunState};

/// So many steps in work are named at most.
const NAMED: usize = 5;

/// A step that was reached and has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InWork {
    /// When it was reached, by our clock.
    pub reached: Timestamp,
    /// Its condition held.
    pub begun: bool,
    /// How far it is.
    pub state: StepState,
    /// What its agent is told at first, for each of its items: its prompt, or what failed behind it.
    #[serde(default)]
    pub first: Told,
    /// What its agent was told last, apart from going on.
    pub told: Told,
    /// Who works, or worked last.
    pub agent: Option<AgentName>,
    /// Whose money or quota that takes.
    pub account: Option<AccountName>,
    /// The commit that stood when its agent began: what it sees of the run's work where somebody writes beside it.
    pub from: Option<Sha>,
    /// How often a turn was cut and taken up again.
    pub cuts: u32,
    /// The agent was asked once for a valid answer.
    pub asked_again: bool,
    /// How it failed, where it is done again, and not before when.
    pub again: Option<(RunOutcome, Timestamp)>,
    /// How far it is among the items that it is done for; none where it is done once, and before they are known.
    pub each: Option<Each>,
    /// Failures in a row of what a hand is to do for it.
    pub retry: Option<Retry>,
    /// It came to a gate or to a pause before it is done again, and no hand has worked for it since.
    pub rests: bool,
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StepState {
    /// To be done, with what an agent is told.
    Ready {
        /// What.
        told: Told,
        /// In the session that is there.
        resume: bool,
    },
    /// The agent's turn ended; it is to be judged.
    AgentEnded {
        /// How.
        how: HandOutcome,
        /// Its answer.
        output: Result<Json, String>,
        /// The session can be resumed.
        resumable: bool,
    },
    /// The agent's commits were judged.
    Taken {
        /// How.
        judged: Result<Change, Refusal>,
    },
    /// The verification ended.
    Verified {
        /// What it showed.
        evidence: Evidence,
        /// It came out as it was to.
        met: bool,
    },
    /// The branch is pushed.
    Pushed,
    /// The branch on the forge is not where we left it.
    PushStale {
        /// Where it is.
        tip: Option<Sha>,
    },
    /// The issues of a list are filed, one after the other.
    Filing {
        /// All of them.
        planned: Vec<PlannedIssue>,
        /// Those that are there, in their order.
        filed: Vec<IssueNumber>,
    },
    /// The points of reviewers are answered, one after the other.
    Replying {
        /// How: all of them.
        planned: Vec<Reply>,
        /// How many stand there, from the first.
        done: usize,
    },
    /// The pull request is put forward to be merged.
    PutForward {
        /// Which.
        pull: PullNumber,
    },
    /// Its run stepped back, until an action of the vault is over.
    AtVault {
        /// Which.
        action: ActionId,
    },
    /// What the step asked of the forge is there.
    Proposed,
}

impl InWork {
    fn new(reached: Timestamp, rests: bool) -> Self {
        Self {
            reached,
            begun: false,
            state: StepState::Ready { told: Told::Prompt, resume: false },
            first: Told::Prompt,
            told: Told::Prompt,
            agent: None,
            account: None,
            from: None,
            cuts: 0,
            asked_again: false,
            again: None,
            each: None,
            retry: None,
            rests,
        }
    }

    /// A step that is done again because one behind it failed: its condition held before.
    pub(super) fn told_of(told: Told, resume: bool, at: Timestamp) -> Self {
        let state = StepState::Ready { told: told.clone(), resume };
        Self { begun: true, first: told.clone(), told, state, ..Self::new(at, false) }
    }

    /// What comes now has nothing to do with how it went so far, but for what failed behind it.
    pub(super) fn afresh(&mut self) {
        self.told = self.first.clone();
        self.state = StepState::Ready { told: self.first.clone(), resume: false };
        self.cuts = 0;
        self.asked_again = false;
        self.again = None;
    }

    pub(super) fn cancelled(&mut self) {
        let output = Err("cancelled".into());
        self.state = StepState::AgentEnded { how: HandOutcome::Cancelled, output, resumable: false };
    }
}

impl RunState {
    /// The steps that were reached and have not ended, in the order of the file.
    pub fn steps_in_work(&self) -> impl Iterator<Item = (&Step, &InWork)> {
        self.in_work.iter().filter_map(|(place, at)| Some((self.formula.steps.get(*place)?, at)))
    }

    /// The names of those steps, as people are told.
    pub fn where_it_is(&self) -> Option<String> {
        let all: Vec<&str> = self.steps_in_work().map(|(step, _)| step.id.as_str()).collect();
        let (named, more) = all.split_at(all.len().min(NAMED));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        (!named.is_empty()).then(|| named.join(", ") + &more)
    }

    /// How far a step is; none where it is not in work.
    pub fn at(&self, step: &StepId) -> Option<&InWork> {
        self.in_work.get(&self.formula.place(step)?)
    }

    pub(super) fn at_mut(&mut self, step: &StepId) -> Option<&mut InWork> {
        self.in_work.get_mut(&self.formula.place(step)?)
    }

    /// The accounts that its agents work on, or worked on last.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountName> {
        self.in_work.values().filter_map(|at| at.account.as_ref()).chain(&self.account)
    }

    /// The gates that it waits at.
    pub fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.steps_in_work().filter_map(|(step, _)| gate(step))
    }

    /// The first of its gates, where nothing else of it is in work.
    pub fn gate(&self) -> Option<&Gate> {
        let all = self.in_work.len();
        self.gates().next().filter(|_| self.gates().count() == all)
    }

    /// The step that an intent is for.
    pub fn step_of(&self, intent: &Intent) -> Option<StepId> {
        let proposes = |asked: fn(&Proposal) -> bool| {
            let is = |step: &Step| matches!(&step.kind, StepKind::Propose(proposal) if asked(proposal));
            self.steps_in_work().find(|(step, _)| is(step)).map(|(step, _)| step.id.clone())
        };
        match intent {
            Intent::Push { .. } => {
                proposes(|proposal| matches!(proposal, Proposal::PullRequest { .. } | Proposal::Branch { .. } | Proposal::Push))
            }
            Intent::Close => proposes(|proposal| matches!(proposal, Proposal::Close { .. })),
            other => other.step().cloned(),
        }
    }

    /// Every step that waits for nobody any more is reached.
    pub(super) fn reach(&mut self, at: Timestamp) {
        let ended: BTreeSet<usize> = self.statuses.keys().filter_map(|id| self.formula.place(id)).collect();
        for place in 0..self.formula.steps.len() {
            if !ended.contains(&place)
                && !self.in_work.contains_key(&place)
                && !self.lacks(place)
                && self.formula.before(place).is_subset(&ended)
            {
                let rests = self.formula.steps.get(place).is_some_and(|step| gate(step).is_some() || step.merges());
                self.in_work.insert(place, InWork::new(at, rests));
            }
        }
    }

    /// One that it needs has not ended, seen at a glance: of hundreds of steps most wait.
    fn lacks(&self, place: usize) -> bool {
        let needs = self.formula.steps.get(place).and_then(|step| step.needs.as_ref()).and_then(|needs| needs.last());
        needs.is_some_and(|last| !self.statuses.contains_key(last) && self.formula.place(last).is_some())
    }

    /// Where nothing in work needs a hand for now, it gives its slot back.
    pub(super) fn rest(&mut self) {
        self.parked |= !self.in_work.is_empty() && self.in_work.values().all(|at| at.rests);
    }

    /// A hand begins to work for a step.
    pub(super) fn hand_begins(&mut self, intent: &Intent) {
        let (Intent::Agent { step, .. } | Intent::Verify { step, .. }) = intent else { return };
        self.parked = false;
        if let Some(at) = self.at_mut(step) {
            at.rests = false;
        }
        let Intent::Agent { session, agent, account, .. } = intent else { return };
        let agent = agent.clone().unwrap_or_else(AgentName::usual);
        self.turns += 1;
        self.agent = Some(agent.clone());
        self.account.clone_from(account);
        if self.sessions.get(step) != Some(session) {
            self.sessions.remove(step);
        }
        let stands = self.change.as_ref().map(|change| &change.head).or(self.prepared.as_ref().map(|prepared| &prepared.base));
        let stands = stands.cloned();
        if let Some(at) = self.at_mut(step) {
            (at.agent, at.account) = (Some(agent), account.clone());
            at.from = at.from.take().or(stands);
        }
    }

    /// What a hand or the forge did for a step, into how far that is. What comes of a step that is not in work any more counts for nothing.
    pub(super) fn step_outcome(&mut self, step: &StepId, intent: &Intent, outcome: &Outcome) {
        if self.at(step).is_none() {
            return;
        }
        let state = match outcome {
            Outcome::AgentEnded { how, output, resumable } => {
                if let Ok(output) = output {
                    self.leaves(step, output.clone());
                }
                StepState::AgentEnded { how: how.clone(), output: output.clone(), resumable: *resumable }
            }
            Outcome::Taken { judged } => {
                self.change = judged.as_ref().ok().cloned();
                self.unshow_all();
                StepState::Taken { judged: judged.clone() }
            }
            Outcome::Verified { evidence } => {
                let met = self.verified(step, intent, evidence);
                StepState::Verified { evidence: evidence.clone(), met }
            }
            Outcome::Pushed => StepState::Pushed,
            Outcome::PushStale { tip } => StepState::PushStale { tip: tip.clone() },
            _ => return,
        };
        if let Some(at) = self.at_mut(step) {
            at.state = state;
        }
    }
}

fn gate(step: &Step) -> Option<&Gate> {
    match &step.kind {
        StepKind::Gate(gate) => Some(gate),
        StepKind::Agent { .. }
        | StepKind::Verify { .. }
        | StepKind::Run { .. }
        | StepKind::Propose(_)
        | StepKind::Enter { .. }
        | StepKind::Leave { .. } => None,
    }
}
