//! What is known of one run: a state machine over the steps of its formula.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::model::{
    AccountName, Advance, AgentName, Branch, Change, CommentId, Evidence, Formula, Gate, HandOutcome, Intent, IssueNumber,
    OpenIssues, Outcome, PlannedIssue, Proposal, PullNumber, Refusal, RunId, RunOutcome, Sha, Step, StepId, StepKind, StopWhy,
    TextMark, Timestamp, Told, Usd,
};

use super::Each;

/// What is known of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Its identifier.
    pub id: RunId,
    /// Its workflow, as it was when the run began.
    pub formula: Formula,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// It is none of the lifecycle's: somebody wanted it beside that.
    pub aside: bool,
    /// The end of its issue's story started it: that the issue is closed does not stop it.
    pub at_end: bool,
    /// When it began, by our clock.
    pub started: Timestamp,
    /// The branch it works on.
    pub branch: Branch,
    /// What it stands on; none before it is prepared.
    pub prepared: Option<Prepared>,
    /// Its workspace has what the project's runs are given.
    pub set_up: bool,
    /// The step it is at.
    pub cursor: usize,
    /// When that step was reached, by our clock.
    pub reached: Timestamp,
    /// It came to a gate or to a pause before a step is done again, and no hand has worked for it since: it holds no slot.
    pub parked: bool,
    /// How far that step is.
    pub state: StepState,
    /// What the agent of this step was told last, apart from going on.
    pub told: Told,
    /// Turns of agents that were begun; names their sessions.
    pub turns: u32,
    /// Who works, or worked last.
    pub agent: Option<AgentName>,
    /// Whose money or quota that takes.
    pub account: Option<AccountName>,
    /// The session that could be resumed.
    pub session: Option<String>,
    /// How often a turn of this step was cut and taken up again.
    pub cuts: u32,
    /// The agent was asked once for a valid answer.
    pub asked_again: bool,
    /// How often each step's failing output went back.
    pub rounds: BTreeMap<StepId, u32>,
    /// How often each step was done again because it failed.
    pub retries: BTreeMap<StepId, u32>,
    /// How the step under the cursor failed that is done again, and not before when; none once it is not under the cursor any more.
    pub again: Option<(RunOutcome, Timestamp)>,
    /// What it was given by who started it.
    pub inputs: BTreeMap<String, Json>,
    /// The condition of the step under the cursor held.
    pub begun: bool,
    /// How far that step is among the items that it is done for; none where it is done once, and before they are known.
    pub each: Option<Each>,
    /// How steps ended.
    pub statuses: BTreeMap<StepId, StepStatus>,
    /// What steps left behind.
    pub outputs: BTreeMap<StepId, Json>,
    /// The commits as judged last.
    pub change: Option<Change>,
    /// What was run on those commits, so far.
    pub evidence: Option<Evidence>,
    /// The commit that it pushed to its branch last.
    pub pushed: Option<Sha>,
    /// The pull request that it opened.
    pub pull: Option<PullNumber>,
    /// It closed its issue.
    pub closed: bool,
    /// It is to be stopped.
    pub stopping: Option<StopWhy>,
    /// How it ended; none while it lives.
    pub ended: Option<RunOutcome>,
    /// What it cost.
    pub cost: Usd,
    /// A call's answer gave no usage.
    pub unmetered: bool,
}

/// What a run stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// The commit it starts from.
    pub base: Sha,
    /// The branch that its pull request goes to.
    pub base_branch: Branch,
    /// The tip of that branch when the run began.
    pub trunk: Sha,
    /// Where its branch was on the forge, if it was there.
    pub tip: Option<Sha>,
    /// The texts it reads.
    pub text: TextMark,
    /// The newest comment that it reads.
    pub read_up_to: Option<CommentId>,
    /// That tip is not known, but all its commits are by the author that we commit as.
    pub tip_ours: bool,
    /// The project's open issues without their texts, where it is about the project and asks for them.
    pub open: OpenIssues,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// It was done.
    Done,
    /// It was not to be done.
    Skipped,
}

/// How far the step under the cursor is.
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
    /// What the step asked of the forge is there.
    Proposed,
    /// The formula of the base branch cannot be used.
    Unusable {
        /// Why.
        why: String,
    },
    /// The project's setup failed.
    SetupFailed {
        /// How.
        why: String,
    },
    /// Something of ours or the machine's failed.
    Broken {
        /// What.
        why: String,
    },
}

impl RunState {
    /// The step under the cursor; none after the last.
    pub fn step(&self) -> Option<&Step> {
        self.formula.steps.get(self.cursor)
    }

    /// The gate that it is at.
    pub fn gate(&self) -> Option<&Gate> {
        match &self.step()?.kind {
            StepKind::Gate(gate) => Some(gate),
            StepKind::Agent { .. }
            | StepKind::Verify { .. }
            | StepKind::Run { .. }
            | StepKind::Propose(_)
            | StepKind::Enter { .. }
            | StepKind::Leave { .. } => None,
        }
    }

    /// How a step ended; none where it has not.
    pub fn status(&self, step: &StepId) -> Option<StepStatus> {
        self.statuses.get(step).copied()
    }

    /// The steps that end before one begins.
    pub fn needs(&self, step: &Step) -> Vec<StepId> {
        let before = || {
            let at = self.formula.steps.iter().position(|s| s.id == step.id)?.checked_sub(1)?;
            self.formula.steps.get(at).map(|before| before.id.clone())
        };
        step.needs.clone().unwrap_or_else(|| before().into_iter().collect())
    }
}

impl StepState {
    pub(super) fn cancelled() -> Self {
        Self::AgentEnded { how: HandOutcome::Cancelled, output: Err("cancelled".into()), resumable: false }
    }
}

impl RunState {
    pub(super) fn new(id: RunId, formula: Formula, attempt: u32, branch: Branch, at: Timestamp) -> Self {
        // Nobody is asked when a label starts it.
        let inputs = formula.inputs.iter().filter_map(|spec| Some((spec.name.clone(), spec.default.clone()?))).collect();
        Self {
            id,
            formula,
            attempt,
            aside: false,
            at_end: false,
            started: at,
            branch,
            prepared: None,
            set_up: false,
            cursor: 0,
            reached: at,
            parked: false,
            state: StepState::Ready { told: Told::Prompt, resume: false },
            told: Told::Prompt,
            turns: 0,
            agent: None,
            account: None,
            session: None,
            cuts: 0,
            asked_again: false,
            rounds: BTreeMap::new(),
            retries: BTreeMap::new(),
            again: None,
            inputs,
            begun: false,
            each: None,
            statuses: BTreeMap::new(),
            outputs: BTreeMap::new(),
            change: None,
            evidence: None,
            pushed: None,
            pull: None,
            closed: false,
            stopping: None,
            ended: None,
            cost: Usd::default(),
            unmetered: false,
        }
    }

    pub(super) fn outcome(&mut self, intent: &Intent, outcome: &Outcome, at: Timestamp) {
        match outcome {
            Outcome::Prepared { base, base_branch, tip, issue, read_up_to, trunk, tip_ours, over, open } => {
                if let Some(over) = over {
                    self.goes_on_with(over);
                }
                self.prepared = Some(Prepared {
                    base: base.clone(),
                    base_branch: base_branch.clone(),
                    trunk: trunk.as_ref().unwrap_or(base).clone(),
                    tip: tip.clone(),
                    text: issue.text.clone(),
                    read_up_to: *read_up_to,
                    tip_ours: *tip_ours,
                    open: open.as_deref().cloned().unwrap_or_default(),
                });
                self.arrive(at);
            }
            Outcome::SetUp => self.set_up = true,
            Outcome::FormulaRefused { why } => self.state = StepState::Unusable { why: why.clone() },
            Outcome::NothingThere { branch: None } => {
                self.state = StepState::Broken { why: "the repository has no commit yet".into() };
            }
            Outcome::NothingThere { branch: Some(branch) } => {
                self.state = StepState::Broken { why: format!("the branch `{branch}`, from which it is to start, is not there") };
            }
            Outcome::AgentEnded { how, output, resumable } => {
                if let Ok(output) = output {
                    self.leaves(output.clone());
                }
                self.state = StepState::AgentEnded { how: how.clone(), output: output.clone(), resumable: *resumable };
            }
            Outcome::Taken { judged } => {
                self.change = judged.as_ref().ok().cloned();
                self.evidence = None;
                self.state = StepState::Taken { judged: judged.clone() };
            }
            Outcome::Verified { evidence } => {
                self.leaves(shown(evidence));
                self.evidence = Some(together(self.evidence.take(), evidence));
                self.state = StepState::Verified { evidence: evidence.clone() };
            }
            Outcome::Pushed => {
                if let Intent::Push { sha, .. } = intent {
                    self.pushed = Some(sha.clone());
                }
                self.state = StepState::Pushed;
            }
            Outcome::PushStale { tip } => self.state = StepState::PushStale { tip: tip.clone() },
            Outcome::PullOpened { pull } => {
                self.pull = Some(*pull);
                self.leaves(json!({ "pull": pull.0, "head": self.pushed.as_ref().map(Sha::as_str) }));
                self.state = StepState::Proposed;
            }
            Outcome::Relabelled { labels, .. } => {
                self.proposed(json!({ "labels": labels }));
            }
            Outcome::Closed => {
                if let Some(StepKind::Propose(Proposal::Close { .. })) = self.step().map(|step| &step.kind) {
                    self.closed |= *intent == Intent::Close;
                    self.proposed(json!({}));
                }
            }
            Outcome::Filed { issue, .. } => self.filed(*issue),
            Outcome::Rewritten => self.proposed(json!({})),
            Outcome::Reviewed { counts } => {
                if let Intent::Review { verdict, .. } = intent {
                    self.proposed(json!({ "verdict": verdict.word(), "counts": counts }));
                }
            }
            Outcome::Cut => {
                if let Intent::Agent { .. } = intent {
                    let resumable = self.session.is_some();
                    self.state = StepState::AgentEnded { how: HandOutcome::Interrupted, output: Err("cut".into()), resumable };
                }
            }
            _ => {}
        }
    }

    /// The formula of the base branch, before the first step.
    fn goes_on_with(&mut self, over: &Formula) {
        self.formula = over.clone();
        for spec in &over.inputs {
            if let Some(default) = &spec.default {
                self.inputs.entry(spec.name.clone()).or_insert_with(|| default.clone());
            }
        }
    }

    /// What the step under the cursor asked of the forge is there.
    pub(super) fn proposed(&mut self, output: Json) {
        self.leaves(output);
        self.state = StepState::Proposed;
    }

    /// An issue of the step under the cursor is there.
    fn filed(&mut self, issue: IssueNumber) {
        let StepState::Filing { planned, filed } = &mut self.state else {
            return self.proposed(json!({ "issue": issue.0 }));
        };
        filed.push(issue);
        if filed.len() < planned.len() {
            return;
        }
        let issues = planned.iter().zip(&*filed).map(|(planned, issue)| json!({ "id": planned.id, "issue": issue.0 }));
        let issues: Vec<Json> = issues.collect();
        self.proposed(json!({ "issues": issues }));
    }

    /// What the step under the cursor leaves for those after it.
    pub(super) fn leaves(&mut self, output: Json) {
        if let Some(step) = self.step().map(|step| step.id.clone()) {
            self.outputs.insert(step, output);
        }
    }

    /// The step under the cursor ended.
    pub(super) fn go_on(&mut self, step: &StepId, status: StepStatus, at: Timestamp) {
        self.statuses.insert(step.clone(), status);
        self.cursor += 1;
        self.begun = false;
        self.afresh();
        self.arrive(at);
    }

    /// What comes now has nothing to do with how it went so far.
    pub(super) fn afresh(&mut self) {
        self.told = Told::Prompt;
        self.state = StepState::Ready { told: Told::Prompt, resume: false };
        self.cuts = 0;
        self.asked_again = false;
        self.again = None;
    }

    /// The step under the cursor is done again from its beginning: what this time left is gone, the commits in its workspace apart.
    fn start_over(&mut self, step: &StepId, outcome: &RunOutcome, until: Timestamp) {
        *self.retries.entry(step.clone()).or_default() += 1;
        self.again = Some((outcome.clone(), until));
        self.outputs.remove(step);
        if let StepState::Verified { evidence } = &self.state {
            self.evidence = before(self.evidence.take(), evidence);
        }
        // It is told again what failed behind it, and not what was wrong with an answer that counts no more.
        if !matches!(self.told, Told::Failing { .. }) {
            self.told = Told::Prompt;
        }
        self.state = StepState::Ready { told: self.told.clone(), resume: false };
        self.cuts = 0;
        self.asked_again = false;
        self.parked = true;
    }

    /// Those from here on are to be done again.
    fn go_back(&mut self, to: &StepId) {
        let Some(cursor) = self.formula.steps.iter().position(|s| s.id == *to) else { return };
        self.cursor = cursor;
        self.again = None;
        // Its condition held before.
        self.begun = true;
        for step in self.formula.steps.iter().skip(cursor) {
            self.statuses.remove(&step.id);
            self.outputs.remove(&step.id);
        }
    }

    /// The step under the cursor is reached.
    fn arrive(&mut self, at: Timestamp) {
        self.reached = at;
        self.parked |= self.gate().is_some();
    }

    pub(super) fn advance(&mut self, step: &StepId, how: &Advance, at: Timestamp) {
        match how {
            Advance::Next | Advance::Opened => self.go_on(step, StepStatus::Done, at),
            Advance::Begun => self.begun = true,
            Advance::Each { items } => self.go_through(step, items, at),
            Advance::ItemDone { .. } => self.next_item(step, at),
            Advance::Skipped { .. } => self.go_on(step, StepStatus::Skipped, at),
            Advance::Listed { planned } if planned.is_empty() => self.proposed(json!({ "issues": [] })),
            Advance::Listed { planned } => {
                self.state = StepState::Filing { planned: planned.clone(), filed: Vec::new() };
            }
            Advance::Worked { output } => {
                self.leaves(output.clone());
                self.go_on(step, StepStatus::Done, at);
            }
            Advance::AnswerAgain { why } => {
                self.asked_again = true;
                self.told = Told::AnswerAgain { why: why.clone() };
                self.state = StepState::Ready { told: self.told.clone(), resume: self.session.is_some() };
            }
            Advance::Again { resume } => {
                self.cuts += 1;
                let told = if *resume { Told::GoOn } else { self.told.clone() };
                self.state = StepState::Ready { told, resume: *resume };
            }
            Advance::Back { to, evidence } => {
                *self.rounds.entry(step.clone()).or_default() += 1;
                self.go_back(to);
                self.cuts = 0;
                self.asked_again = false;
                self.evidence = None;
                self.told = Told::Failing { evidence: Box::new(evidence.clone()), by: Some(step.clone()) };
                self.state = StepState::Ready { told: self.told.clone(), resume: self.session.is_some() };
            }
            Advance::Retry { outcome, until } => self.start_over(step, outcome, *until),
        }
    }
}

/// What a verification leaves for the steps after it.
fn shown(evidence: &Evidence) -> Json {
    let command = |run: &crate::model::CommandRun| json!({ "command": run.command, "exit": run.exit, "seconds": run.millis as f64 / 1e3, "tail": run.tail });
    json!({ "passed": evidence.passed, "commands": evidence.commands.iter().map(command).collect::<Vec<_>>() })
}

/// What several steps showed of one commit.
fn together(before: Option<Evidence>, now: &Evidence) -> Evidence {
    match before.filter(|before| before.sha == now.sha) {
        Some(mut all) => {
            all.commands.extend(now.commands.iter().cloned());
            all.passed &= now.passed;
            all.timed_out |= now.timed_out;
            all
        }
        None => now.clone(),
    }
}

/// What was shown before the commands that failed: the steps before this one passed, or it would not have been done.
fn before(all: Option<Evidence>, failed: &Evidence) -> Option<Evidence> {
    let mut all = all?;
    all.commands.truncate(all.commands.len().saturating_sub(failed.commands.len()));
    all.passed = true;
    all.timed_out = false;
    (!all.commands.is_empty()).then_some(all)
}
