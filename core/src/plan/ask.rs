//! What a run asks the vault for, and the gate at which it waits for that.
//!
//! Promises: what an action's file is to say is worked out once and journalled with the intent. How a run waits follows from what was journalled
//! when it asked, so that a policy that changes later neither opens nor shuts its gate. What opens a gate is what stands on the branch that
//! counts: that an action is over; a label of the run's own issue only where the policy said so, and only one that was put on after the action
//! was asked for. Race known: a label that is taken off and put on again between two looks was never off.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::formula::expression;
use crate::ledger::InWork;
use crate::model::{
    ActionAt, ActionEnd, ActionFile, ActionId, ActionRecord, ActionState, ActionWork, Advance, AtGate, AtVault, BadActionId,
    Expression, Gate, Intent, OnVault, Risk, RunOutcome, Step, StepKind, Subject, Timestamp, VAULT_APPROVED, Wait,
};
use crate::text;
use crate::tier::{self, LowActions};
use crate::vault::Place;

use super::beside::busy;
use super::dispatch::project_of;
use super::flow::broken;
use super::forward::advanced;
use super::run::{Here, Live};
use super::{Action, Context, Next};

/// The longest file of an action, in bytes.
const LONGEST: usize = 128 << 10;
/// How much of what an action printed a run is told, in characters: the end of it.
const LOGS: usize = 16 << 10;

/// Whether an action of a tier is committed with its record, instead of being asked for.
pub fn goes_direct(policy: &tier::Policy, tier: Risk) -> bool {
    tier == Risk::Low && policy.gate.low_actions == Some(LowActions::Direct)
}

/// The record that goes with it: where it stands, and what it says.
pub fn approved_by_policy(action: &crate::model::Action, at: Timestamp) -> (String, String) {
    let formula = match &action.work {
        ActionWork::Formula(work) => Some(work.formula.to_string()),
        ActionWork::Person(_) => None,
    };
    let record = ActionRecord {
        id: action.id.to_string(),
        tier: Some("low".to_owned()),
        formula,
        approved_by: Some("policy".to_owned()),
        timestamp: Some(at.to_string()),
        ..ActionRecord::default()
    };
    // Texts alone.
    let text = serde_json::to_string_pretty(&record).unwrap_or_default();
    (format!("vault/{}/{}.result.json", Place::Approved.folder(), action.id), text + "\n")
}

/// How an action stands.
struct Standing {
    at: ActionAt,
    how: How,
    exit_code: Option<i64>,
    logs: String,
}

/// What that means for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It is not over.
    Open,
    /// It was done, as far as is known.
    Done,
    /// It was begun and did not end well.
    Failed,
    /// Nobody wants it.
    Rejected,
}

impl Context<'_> {
    /// Asks for an action: its file is the object that the step comes to, with its name and what it unblocks.
    pub(super) fn ask_vault(&self, here: Here<'_>, action: &Expression, asks: &Expression) -> Next {
        let Here { step, live, .. } = here;
        let asked = self.named_action(here, action).and_then(|id| {
            let content = self.action_file(here, &id, asks)?;
            Ok(Intent::AskVault { run: live.run.id.clone(), step: step.id.clone(), file: ActionFile { id, content } })
        });
        match asked {
            Ok(intent) => Next::Act(super::Action::Do { subject: live.subject.clone(), intent }),
            Err(why) => self.end(here, broken(step, &why)),
        }
    }

    fn named_action(&self, here: Here<'_>, action: &Expression) -> Result<ActionId, String> {
        let name = self.needed(here, action)?;
        let Some(name) = name.as_str() else {
            return Err(format!("{}: nothing is there that names an action of the vault", action.0));
        };
        name.parse().map_err(|bad: BadActionId| format!("{}: {bad} ({})", action.0, BadActionId::HINT))
    }

    fn action_file(&self, here: Here<'_>, id: &ActionId, asks: &Expression) -> Result<String, String> {
        let Json::Object(mut file) = self.needed(here, asks)? else {
            return Err(format!("{}: what is asked of the vault is an object", asks.0));
        };
        file.insert("id".to_owned(), id.as_str().into());
        if !file.contains_key("unblocks") && !here.subject.is_project() {
            file.insert("unblocks".to_owned(), json!([here.subject.to_string()]));
        }
        if file.contains_key("formula") && !file.contains_key("project") {
            file.insert("project".to_owned(), here.subject.repo.to_string().into());
        }
        let text = expression::toml(&file).filter(|text| text.len() <= LONGEST);
        text.ok_or_else(|| format!("{}: it cannot be written as a file of at most {} KiB", asks.0, LONGEST >> 10))
    }

    /// What a run does that waits for an action.
    pub(super) fn vault_gate(&self, here: Here<'_>, action: &Expression) -> Next {
        let id = match self.named_action(here, action) {
            Ok(id) => id,
            Err(why) => return self.end(here, broken(here.step, &why)),
        };
        let Live { state, run, .. } = here.live;
        let asked = run.asks.get(&id);
        let standing = self.standing_of(&id, asked.is_some_and(|ask| ask.closed));
        let failed = |rejected, exit_code| {
            let (step, action) = (here.step.id.clone(), id.clone());
            self.end(here, RunOutcome::ActionFailed { step, action, rejected, exit_code })
        };
        let opened = || {
            let (state, logs) = (standing.at.word(), cut(&standing.logs));
            let left = json!({ "id": id.as_str(), "state": state, "exit_code": standing.exit_code, "logs": logs });
            super::gate::opened(here, Some(left))
        };
        match standing.how {
            How::Rejected => return failed(true, None),
            How::Failed => return failed(false, standing.exit_code),
            How::Done => return opened(),
            How::Open if self.waits_for_itself(here, &id) => {
                let why = format!("the action {id} is run in this project when this run has ended: it cannot be waited for here");
                return self.end(here, broken(here.step, &why));
            }
            How::Open => {}
        }
        // Whoever waits for what somebody else asked for waits until it is over.
        let (on_vault, window) = asked.map_or((OnVault::Block, Duration::ZERO), |ask| (ask.on_vault, ask.window));
        let shut = |label| {
            let waits = AtVault {
                repo: self.policy.ops.clone().unwrap_or_else(|| here.subject.repo.clone()),
                action: id.clone(),
                pull: asked.and_then(|ask| ask.pull),
                at: standing.at,
                label,
            };
            self.shut(here, AtGate::Vault(Box::new(waits)))
        };
        match on_vault {
            OnVault::Continue => opened(),
            OnVault::Label if state.seen.labels.contains(VAULT_APPROVED) && !run.labelled_before.contains(&id) => opened(),
            OnVault::Label => shut(true),
            OnVault::SoftBlock => self.within(here, &id, window, shut(false)),
            OnVault::Block => shut(false),
        }
    }

    /// At the gate it waits for as long as the window is open; then it steps back, so that other work goes on that it would hold up.
    fn within(&self, here: Here<'_>, id: &ActionId, window: Duration, shut: Next) -> Next {
        let Next::Wait(Wait::Gate { step, waits, until }) = shut else { return shut };
        let ends = here.at.reached + window;
        let until = match () {
            () if self.now < ends => Some(until.map_or(ends, |until| until.min(ends))),
            () if may_step_back(here.live) => {
                let events = vec![advanced(&here.run.id, &here.step.id, Advance::SteppedBack { action: id.clone() })];
                return if here.state.is_busy() { Next::Wait(busy(here.live)) } else { Next::Act(Action::Record(events)) };
            }
            () => until,
        };
        Next::Wait(Wait::Gate { step, waits, until })
    }

    /// What a run that stepped back waits for at its gates.
    pub(super) fn vault_waits<'a>(&'a self, live: Live<'a>) -> impl Iterator<Item = Wait> + 'a {
        self.at_gates(live).filter_map(|next| if let Next::Wait(wait) = next { Some(wait) } else { None })
    }

    /// Whether one of its gates opens now, or ends it.
    pub(super) fn vault_lets_on(&self, live: Live<'_>) -> bool {
        self.at_gates(live).any(|next| !matches!(next, Next::Wait(_)))
    }

    fn at_gates<'a>(&'a self, live: Live<'a>) -> impl Iterator<Item = Next> + 'a {
        live.run.steps_in_work().filter_map(move |(step, at)| match &step.kind {
            StepKind::Gate(Gate::Vault { action }) => Some(self.vault_gate(Here { live, step, at }, action)),
            _ => None,
        })
    }

    /// Runs about a project are one after the other, and the action's is one of them.
    fn waits_for_itself(&self, here: Here<'_>, id: &ActionId) -> bool {
        let seen = self.policy.ops.as_ref().and_then(|ops| self.ledger.action(ops, id));
        here.subject.is_project() && seen.and_then(project_of) == Some(&here.subject.repo)
    }

    /// How an action stands by what was read of the operations repository; `closed` where what asked for it is not open any more.
    fn standing_of(&self, id: &ActionId, closed: bool) -> Standing {
        let Some(seen) = self.policy.ops.as_ref().and_then(|ops| self.ledger.action(ops, id)) else {
            let how = if closed { How::Rejected } else { How::Open };
            return Standing { at: ActionAt::Asked, how, exit_code: None, logs: String::new() };
        };
        let ActionEnd { exit_code, logs } = seen.end().unwrap_or_default();
        let state = seen.shelved.state;
        let how = match (state, exit_code) {
            (ActionState::Rejected, _) => How::Rejected,
            _ if !seen.is_over() => How::Open,
            (_, Some(0)) => How::Done,
            (_, Some(_)) => How::Failed,
            // Of what others did it need not be known; of what we did it is, where it ended well.
            (_, None) if seen.is_ours() => How::Failed,
            (_, None) => How::Done,
        };
        Standing { at: ActionAt::There(if seen.is_ours() { ActionState::Fired } else { state }), how, exit_code, logs }
    }

    /// When the policy's window is over at a gate of the vault.
    pub(super) fn vault_window(&self, subject: &Subject, reached: Timestamp) -> Option<Timestamp> {
        let run = self.ledger.issue(subject)?.live_run()?;
        let soft = run.asks.values().filter(|ask| ask.on_vault == OnVault::SoftBlock);
        soft.map(|ask| reached + ask.window).filter(|until| *until > self.now).min()
    }
}

/// Whether a run at work may step back: where all that it does is to wait for the vault, and whatever its issue needs is not its to do. Who
/// answers a review holds that pull request, and who has closed its issue has it end with its own end.
fn may_step_back(Live { state, run, .. }: Live<'_>) -> bool {
    let at_work = state.live_run().is_some_and(|live| live.id == run.id);
    let at_vault = |(step, _): (&Step, &InWork)| matches!(step.kind, StepKind::Gate(Gate::Vault { .. }));
    at_work && !run.closed && (run.aside || !run.formula.revises()) && run.steps_in_work().all(at_vault)
}

/// The end of what was printed, as text from outside.
fn cut(logs: &str) -> String {
    let logs = text::clean(logs);
    let more = logs.chars().count().saturating_sub(LOGS);
    logs.chars().skip(more).collect()
}
