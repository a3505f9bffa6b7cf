//! What is known of one run: a state machine over the steps of its formula.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::model::{
    AccountName, ActionId, Advance, AgentName, Branch, Change, CommentId, Evidence, Formula, Grant, HandOutcome, HostEnd,
    HostFacts, Intent, IssueNumber, Kept, LastTag, Moved, OpenIssues, Outcome, Probed, PullNumber, Revision, Risk, RunId,
    RunOutcome, Sha, Sprint, Step, StepId, StopWhy, Tasks, TextHash, TextMark, Timestamp, Told, Usd, VaultAsk,
};

use super::{InWork, StepState};

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
    /// How many runs started each other up to this one; 0 where no run started it.
    #[serde(default)]
    pub depth: u32,
    /// When it began, by our clock.
    pub started: Timestamp,
    /// The branch it works on.
    pub branch: Branch,
    /// What it stands on; none before it is prepared.
    pub prepared: Option<Prepared>,
    /// Its workspace has what the project's runs are given.
    pub set_up: bool,
    /// The steps that were reached and have not ended, by their places in the formula.
    pub in_work: BTreeMap<usize, InWork>,
    /// All of them came to a gate or to a pause before a step is done again, and no hand has worked for it since: it holds no slot.
    pub parked: bool,
    /// Turns of agents that were begun; names their sessions.
    pub turns: u32,
    /// Who began to work last.
    pub agent: Option<AgentName>,
    /// Whose money or quota that takes.
    pub account: Option<AccountName>,
    /// The session of each agent's step that could be resumed.
    pub sessions: BTreeMap<StepId, String>,
    /// How often each step's failing output went back.
    pub rounds: BTreeMap<StepId, u32>,
    /// How often each step was done again because it failed.
    pub retries: BTreeMap<StepId, u32>,
    /// The word of a comment that asked for it.
    pub asked: Option<String>,
    /// The action of the vault that it is, and what that may use.
    #[serde(default)]
    pub grant: Option<Grant>,
    /// What it was given by who started it.
    pub inputs: BTreeMap<String, Json>,
    /// How steps ended.
    pub statuses: BTreeMap<StepId, StepStatus>,
    /// What steps left behind.
    pub outputs: BTreeMap<StepId, Json>,
    /// The steps of the calls that are made for each item of a list, as they stood before one was known.
    #[serde(default)]
    pub folded: BTreeMap<StepId, Vec<Step>>,
    /// When the calls began that have a time.
    #[serde(default)]
    pub entered: BTreeMap<StepId, Timestamp>,
    /// The commits as judged last.
    pub change: Option<Change>,
    /// What was run on those commits, so far, in the order of the file.
    pub evidence: Option<Evidence>,
    /// The same for each step that ran something, by its place and the item that it was for.
    #[serde(with = "super::running::pairs")]
    pub shown: BTreeMap<(usize, u32), Evidence>,
    /// The steps, with the item, whose commands came out otherwise on them than they were to.
    pub unmet: BTreeSet<(StepId, u32)>,
    /// What earlier runs kept for it.
    pub kept: Vec<Kept>,
    /// The commit that it pushed to its branch last.
    pub pushed: Option<Sha>,
    /// The actions of the vault that it asked for.
    #[serde(default)]
    pub asks: BTreeMap<ActionId, VaultAsk>,
    /// Those of them that it asked for while the label stood on its issue by which it goes on: what was put on before does not count for them.
    #[serde(default)]
    pub labelled_before: BTreeSet<ActionId>,
    /// The pull request that it opened.
    pub pull: Option<PullNumber>,
    /// It closed its issue.
    pub closed: bool,
    /// The issues that it filed or changed, and whether it closed them.
    pub touched: BTreeMap<IssueNumber, bool>,
    /// What the files of the operations repository say that it wrote.
    pub wrote: BTreeMap<String, TextHash>,
    /// What is in its way, and no step's doing: it ends by it.
    pub obstacle: Option<Obstacle>,
    /// A step failed for good, and this is what the run ends as when those beside it are stopped.
    pub failing: Option<(StepId, RunOutcome)>,
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
    /// What is asked of the pull request, where it revises one.
    pub revision: Option<Revision>,
    /// Where the operations repository was when it was read.
    #[serde(default)]
    pub ops: Option<Sha>,
    /// What its issue lists as its tasks without their texts, where its formula asks for them.
    #[serde(default)]
    pub tasks: Tasks,
    /// The sprint about the issue, where its formula asks for it.
    #[serde(default)]
    pub sprint: Option<Sprint>,
    /// What is known of the host by now, where its formula asks for it.
    #[serde(default)]
    pub host: HostFacts,
    /// The newest tag that the base branch has behind it, where its formula asks for it.
    #[serde(default)]
    pub last_tag: Option<LastTag>,
    /// What moved since the formula's last run about the project, where its formula asks for it.
    #[serde(default)]
    pub moved: Option<Moved>,
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

/// What ends a run and is no step's doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Obstacle {
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
    /// How a step ended; none where it has not.
    pub fn status(&self, step: &StepId) -> Option<StepStatus> {
        self.statuses.get(step).copied()
    }

    /// The steps that a step needs.
    pub fn needs(&self, step: &Step) -> Vec<StepId> {
        let needs = self.formula.place(&step.id).map(|at| self.formula.needs(at)).unwrap_or_default();
        needs.into_iter().filter_map(|at| self.formula.steps.get(at)).map(|step| step.id.clone()).collect()
    }
}

impl RunState {
    /// It was given that, of what it still takes: a formula may have changed since.
    pub(super) fn give(&mut self, given: &BTreeMap<String, Json>) {
        let taken = self.formula.inputs.iter().filter_map(|spec| Some((spec.name.clone(), given.get(&spec.name)?.clone())));
        self.inputs.extend(taken);
    }

    pub(super) fn new(id: RunId, formula: Formula, attempt: u32, branch: Branch, at: Timestamp) -> Self {
        // Nobody is asked when a label starts it.
        let inputs = formula.inputs.iter().filter_map(|spec| Some((spec.name.clone(), spec.default.clone()?))).collect();
        let mut run = Self {
            id,
            formula,
            attempt,
            aside: false,
            at_end: false,
            depth: 0,
            started: at,
            branch,
            prepared: None,
            set_up: false,
            in_work: BTreeMap::new(),
            parked: false,
            turns: 0,
            agent: None,
            account: None,
            sessions: BTreeMap::new(),
            rounds: BTreeMap::new(),
            retries: BTreeMap::new(),
            asked: None,
            grant: None,
            inputs,
            statuses: BTreeMap::new(),
            outputs: BTreeMap::new(),
            folded: BTreeMap::new(),
            entered: BTreeMap::new(),
            change: None,
            evidence: None,
            shown: BTreeMap::new(),
            unmet: BTreeSet::new(),
            kept: Vec::new(),
            pushed: None,
            asks: BTreeMap::new(),
            labelled_before: BTreeSet::new(),
            pull: None,
            closed: false,
            touched: BTreeMap::new(),
            wrote: BTreeMap::new(),
            obstacle: None,
            failing: None,
            stopping: None,
            ended: None,
            cost: Usd::default(),
            unmetered: false,
        };
        run.reach(at);
        run
    }

    pub(super) fn outcome(&mut self, intent: &Intent, outcome: &Outcome, at: Timestamp) {
        self.touch(intent, outcome);
        match outcome {
            Outcome::Prepared {
                base,
                base_branch,
                tip,
                issue,
                read_up_to,
                trunk,
                tip_ours,
                over,
                open,
                revision,
                merged,
                ops,
                tasks,
                sprint,
                host,
                last_tag,
                moved,
            } => {
                if let Some(over) = over {
                    self.goes_on_with(over);
                }
                self.prepared = Some(Prepared {
                    base: base.clone(),
                    base_branch: base_branch.clone(),
                    trunk: trunk.as_deref().unwrap_or(base).clone(),
                    tip: tip.clone(),
                    text: issue.text.clone(),
                    read_up_to: *read_up_to,
                    tip_ours: *tip_ours,
                    open: open.as_deref().cloned().unwrap_or_default(),
                    revision: revision.as_deref().cloned(),
                    ops: ops.as_deref().cloned(),
                    tasks: tasks.as_deref().cloned().unwrap_or_default(),
                    sprint: sprint.as_deref().cloned(),
                    host: host.as_deref().cloned().unwrap_or_default(),
                    last_tag: last_tag.as_deref().cloned(),
                    moved: moved.as_deref().cloned(),
                });
                self.change = merged.as_deref().cloned();
                self.in_work.clear();
                self.reach(at);
                self.rest();
            }
            Outcome::SetUp => self.set_up = true,
            Outcome::FormulaRefused { why } => self.obstacle = Some(Obstacle::Unusable { why: why.clone() }),
            Outcome::NothingThere { branch: None } => {
                self.obstacle = Some(Obstacle::Broken { why: "the repository has no commit yet".into() });
            }
            Outcome::NothingThere { branch: Some(branch) } => {
                let why = format!("the branch `{branch}`, from which it is to start, is not there");
                self.obstacle = Some(Obstacle::Broken { why });
            }
            _ => {
                if let Some(step) = self.step_of(intent) {
                    self.outcome_of(&step, intent, outcome);
                }
            }
        }
    }

    /// What came of something that a step asked for.
    fn outcome_of(&mut self, step: &StepId, intent: &Intent, outcome: &Outcome) {
        match outcome {
            Outcome::Pushed => {
                if let Intent::Push { sha, .. } = intent {
                    self.pushed = Some(sha.clone());
                }
                self.step_outcome(step, intent, outcome);
            }
            Outcome::PullOpened { pull } => {
                self.pull = Some(*pull);
                let head = self.pushed.as_ref().map(|sha| sha.as_str().to_owned());
                self.proposed(step, json!({ "pull": pull.0, "head": head }));
            }
            Outcome::Relabelled { labels, .. } => self.proposed(step, json!({ "labels": labels })),
            Outcome::Closed => {
                self.closed |= *intent == Intent::Close;
                self.proposed(step, json!({}));
            }
            Outcome::Filed { issue, .. } => self.filed(step, intent, *issue),
            Outcome::Rewritten { .. } | Outcome::Reopened => self.proposed(step, json!({})),
            Outcome::Replied => self.replied(step),
            Outcome::Kept { path, commit, pull, left } => {
                let (commit, pull) = (commit.as_ref().map(Sha::as_str), pull.map(|pull| pull.0));
                self.proposed(step, json!({ "path": path, "commit": commit, "pull": pull, "left": left }));
            }
            Outcome::VaultAsked(ask) => {
                let (id, pull) = (ask.id.as_str(), ask.pull.map(|pull| pull.0));
                let output = json!({ "id": id, "path": ask.path, "pull": pull, "tier": ask.tier, "left": ask.left });
                self.asks.insert(ask.id.clone(), ask.clone());
                self.proposed(step, output);
            }
            Outcome::Mended { end, probed } => self.mended(step, *end, probed),
            Outcome::Reviewed { counts } => {
                if let Intent::Review { verdict, .. } = intent {
                    self.proposed(step, json!({ "verdict": verdict.word(), "counts": counts }));
                }
            }
            Outcome::Cut => {
                if let Intent::Agent { .. } = intent {
                    let resumable = self.sessions.contains_key(step);
                    let (how, output) = (HandOutcome::Interrupted, Err("cut".into()));
                    self.step_outcome(step, intent, &Outcome::AgentEnded { how, output, resumable });
                }
                // What is privileged is done at most once: nobody can tell how far it came.
                if let (Intent::Verify { .. }, Some(_)) = (intent, &self.grant) {
                    let why = format!("step {step} was cut, and it may have done what it was to do: it is not begun again");
                    self.obstacle = Some(Obstacle::Broken { why });
                }
            }
            _ => self.step_outcome(step, intent, outcome),
        }
    }

    /// What verified a commit.
    pub fn evidence_of(&self, sha: &Sha) -> Option<Box<Evidence>> {
        self.evidence.as_ref().filter(|evidence| evidence.sha == *sha).cloned().map(Box::new)
    }

    /// The files that its own commits change, as they were judged last, by both names where one was renamed. What came from the base is nobody's.
    pub fn own_files(&self) -> impl Iterator<Item = String> {
        let change = self.change.as_ref().filter(|_| !self.formula.updates());
        let files = change.into_iter().flat_map(|change| &change.files);
        files.flat_map(|file| std::iter::once(&file.path).chain(&file.from)).cloned()
    }

    /// How much its agents think that it could break.
    pub fn opinion(&self) -> Option<Risk> {
        Risk::said(self.outputs.values())
    }

    /// Whether all that ran on a commit came out as it was to, and something did.
    pub fn is_proved(&self, sha: &Sha) -> bool {
        self.evidence.as_ref().is_some_and(|evidence| evidence.sha == *sha) && self.unmet.is_empty()
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

    /// What a step asked of the forge is there.
    pub(super) fn proposed(&mut self, step: &StepId, output: Json) {
        if let Some(at) = self.at_mut(step) {
            at.state = StepState::Proposed;
            self.leaves(step, output);
        }
    }

    /// What a probe looks at was mended, or tried to be.
    fn mended(&mut self, step: &StepId, end: Option<HostEnd>, probed: &Probed) {
        if let Some(prepared) = self.prepared.as_mut() {
            prepared.host.know(probed);
        }
        let did = match (end, probed.is_well()) {
            (None, _) => "well",
            (Some(_), true) => "mended",
            (Some(_), false) => "tried",
        };
        let exit = end.and_then(HostEnd::code);
        let left = json!({ "probe": probed.name, "did": did, "ok": probed.is_well(), "exit": exit, "why": "" });
        self.proposed(step, left);
    }

    /// An issue of a step is there.
    fn filed(&mut self, step: &StepId, intent: &Intent, issue: IssueNumber) {
        let Some(at) = self.at_mut(step) else { return };
        let StepState::Filing { planned, filed } = &mut at.state else {
            let output = match intent {
                Intent::File { once: Some(name), .. } => json!({ "issue": issue.0, "once": name }),
                _ => json!({ "issue": issue.0 }),
            };
            return self.proposed(step, output);
        };
        filed.push(issue);
        if filed.len() < planned.len() {
            return;
        }
        let issues = planned.iter().zip(&*filed).map(|(planned, issue)| json!({ "id": planned.id, "issue": issue.0 }));
        let issues: Vec<Json> = issues.collect();
        self.proposed(step, json!({ "issues": issues }));
    }

    /// The next point of a step is answered.
    fn replied(&mut self, step: &StepId) {
        let Some(at) = self.at_mut(step) else { return };
        let StepState::Replying { planned, done } = &mut at.state else { return };
        *done += 1;
        if *done >= planned.len() {
            let replies = planned.len();
            self.proposed(step, json!({ "replies": replies }));
        }
    }

    /// What a step leaves for those after it.
    pub(super) fn leaves(&mut self, step: &StepId, output: Json) {
        self.outputs.insert(step.clone(), output);
    }

    /// A step ended.
    pub(super) fn go_on(&mut self, step: &StepId, status: StepStatus, at: Timestamp) {
        let Some(place) = self.formula.place(step) else { return };
        self.statuses.insert(step.clone(), status);
        if status == StepStatus::Done {
            self.entered(step, at);
        }
        self.in_work.remove(&place);
        self.reach(at);
        self.rest();
    }

    /// A step is done again from its beginning: what this time left is gone, the commits in its workspace apart.
    fn start_over(&mut self, step: &StepId, outcome: &RunOutcome, until: Timestamp) {
        let Some(at) = self.at_mut(step) else { return };
        // What was wrong with an answer counts no more, and is not told again.
        at.afresh();
        at.again = Some((outcome.clone(), until));
        at.from = None;
        at.rests = true;
        let item = self.item_of(step);
        self.unshow(step, |of| of == item);
        *self.retries.entry(step.clone()).or_default() += 1;
        self.outputs.remove(step);
        self.rest();
    }

    /// A step and all that wait for it are to be done again, because one of them failed.
    fn go_back(&mut self, to: &StepId, told: Told, at: Timestamp) {
        let Some(place) = self.formula.place(to) else { return };
        for behind in self.formula.behind(place) {
            self.in_work.remove(&behind);
            if let Some(step) = self.formula.steps.get(behind).map(|step| step.id.clone()) {
                self.statuses.remove(&step);
                self.outputs.remove(&step);
                self.unshow(&step, |_| true);
            }
        }
        // The session is that of the last item, and the first one comes now.
        let once = self.formula.steps.get(place).is_some_and(|step| step.for_each.is_none());
        let resume = once && self.sessions.contains_key(to);
        self.in_work.insert(place, InWork::told_of(told, resume, at));
    }

    pub(super) fn advance(&mut self, step: &StepId, how: &Advance, at: Timestamp) {
        match how {
            Advance::Next | Advance::Opened { output: None } | Advance::Promised { .. } => {
                self.go_on(step, StepStatus::Done, at);
            }
            Advance::Each { items } => self.go_through(step, items, at),
            Advance::ItemDone { .. } => self.next_item(step, at),
            Advance::Skipped { .. } => self.go_on(step, StepStatus::Skipped, at),
            Advance::Listed { planned } if planned.is_empty() => self.proposed(step, json!({ "issues": [] })),
            Advance::Replying { planned } if planned.is_empty() => self.proposed(step, json!({ "replies": 0 })),
            Advance::Kept { kept } => {
                self.leaves(step, json!({ "branch": kept.branch.as_str(), "commit": kept.sha.as_str() }));
                self.go_on(step, StepStatus::Done, at);
            }
            Advance::Worked { output } | Advance::Opened { output: Some(output) } => {
                self.leaves(step, output.clone());
                match self.at(step).is_some_and(|at| at.each.is_some()) {
                    true => self.next_item(step, at),
                    false => self.go_on(step, StepStatus::Done, at),
                }
            }
            Advance::Held { probe, why } => {
                self.proposed(step, json!({ "probe": probe, "did": "held", "ok": false, "exit": null, "why": why }));
            }
            Advance::Started { on, .. } => self.proposed(step, json!({ "issue": on.0 })),
            Advance::Back { to, evidence } => {
                *self.rounds.entry(step.clone()).or_default() += 1;
                let told = Told::Failing { evidence: Box::new(evidence.clone()), by: Some(step.clone()) };
                self.go_back(to, told, at);
            }
            Advance::Retry { outcome, until } => self.start_over(step, outcome, *until),
            Advance::Failed { outcome } => self.failing = Some((step.clone(), outcome.clone())),
            Advance::TakenUp => {}
            Advance::Begun
            | Advance::PutForward { .. }
            | Advance::SteppedBack { .. }
            | Advance::Listed { .. }
            | Advance::Replying { .. }
            | Advance::AnswerAgain { .. }
            | Advance::Again { .. } => {
                let resumable = self.sessions.contains_key(step);
                if let Some(at) = self.at_mut(step) {
                    at.advance(how, resumable);
                }
            }
        }
    }
}

impl InWork {
    /// What changes how far a step is, and nothing else.
    fn advance(&mut self, how: &Advance, resumable: bool) {
        match how {
            Advance::Begun => self.begun = true,
            Advance::Listed { planned } => {
                self.state = StepState::Filing { planned: planned.clone(), filed: Vec::new() };
            }
            Advance::PutForward { pull } => self.state = StepState::PutForward { pull: *pull },
            Advance::SteppedBack { action } => self.state = StepState::AtVault { action: action.clone() },
            Advance::Replying { planned } => self.state = StepState::Replying { planned: planned.clone(), done: 0 },
            Advance::AnswerAgain { why } => {
                self.asked_again = true;
                self.told = Told::AnswerAgain { why: why.clone() };
                self.state = StepState::Ready { told: self.told.clone(), resume: resumable };
            }
            Advance::Again { resume } => {
                self.cuts += 1;
                let told = if *resume { Told::GoOn } else { self.told.clone() };
                self.state = StepState::Ready { told, resume: *resume };
            }
            _ => {}
        }
    }
}
