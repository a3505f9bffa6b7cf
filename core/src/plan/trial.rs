//! Commands that a run has its commits, or the base, pass or fail; and what it leaves on a branch for later runs.
//!
//! Promises: what is run is journalled before it runs, word for word, wherever the words come from; what an agent says is run where a
//! verification runs and nowhere else. A branch is kept only at a commit on which all came out as it was to. A branch that holds somebody
//! else's commits is left alone.

use serde_json::json;

use crate::ledger::{Each, StepState};
use crate::model::{
    Advance, Branch, Commands, Evidence, Expect, Expected, Expression, Intent, Kept, Lane, RunOutcome, RunsOn, Sha, StepKind,
    Trial, TrialItem,
};

use super::beside::busy;
use super::each::done;
use super::flow::broken;
use super::run::{Here, Live, advance};
use super::{Context, Next};

/// Commands that an expression may come to, and how long one may be.
const COMMANDS: usize = 20;
const LINE: usize = 2_000;

impl Context<'_> {
    pub(super) fn verify(&self, here: Here<'_>) -> Next {
        let Here { step, at, live: Live { run, .. } } = here;
        let Some(sha) = self.tried(here) else { return self.unexpected(here) };
        // A person decides on such a change whatever it passes.
        let for_a_person = run.change.as_ref().is_some_and(|change| change.head == sha && !change.person_paths.is_empty());
        match &at.state {
            StepState::Ready { .. } if for_a_person => advance(here, Advance::Next),
            StepState::Ready { .. } => match self.trial(here) {
                // Nothing was kept that could fail.
                Ok(Some(trial)) if trial.commands.is_empty() => {
                    let output = json!({ "passed": true, "as_expected": true, "commands": [] });
                    advance(here, Advance::Worked { output })
                }
                Ok(trial) => {
                    let trial = trial.map(Box::new);
                    self.hand(here, Intent::Verify { run: run.id.clone(), step: step.id.clone(), sha, trial })
                }
                Err(outcome) => self.end(here, outcome),
            },
            StepState::Verified { met: true, .. } => done(here),
            StepState::Verified { evidence, .. } => self.failing(here, evidence),
            _ => self.unexpected(here),
        }
    }

    /// The commit that a step runs on.
    fn tried(&self, here: Here<'_>) -> Option<Sha> {
        match &here.step.kind {
            StepKind::Run { on: RunsOn::Base, .. } => here.run.prepared.as_ref().map(|prepared| prepared.trunk.clone()),
            _ => here.run.change.as_ref().map(|change| change.head.clone()),
        }
    }

    /// What a step runs; none where that is what it says itself, and is to pass.
    fn trial(&self, here: Here<'_>) -> Result<Option<Trial>, RunOutcome> {
        let StepKind::Run { commands, expect, .. } = &here.step.kind else { return Ok(None) };
        let expect = match expect {
            Expect::Success => Expected::Success,
            Expect::Failure { prints: None } => Expected::Failure { prints: None },
            Expect::Failure { prints: Some(prints) } => Expected::Failure { prints: Some(self.text(here, prints)?) },
        };
        let item = here.at.each.as_ref().map(|each| item(here, each)).transpose()?;
        let (commands, over) = match commands {
            Commands::List(_) if expect == Expected::Success && item.is_none() => return Ok(None),
            Commands::List(commands) => (commands.clone(), None),
            Commands::Of { of } => match self.commands_of(here, of)? {
                none if none.is_empty() => return Err(broken(here.step, &format!("{}: there is no command in it", of.0))),
                some => (some, None),
            },
            Commands::Kept { kept } => match here.run.kept.iter().find(|known| known.name == *kept) {
                Some(kept) => (kept.commands.clone(), Some(kept.clone())),
                None => (Vec::new(), None),
            },
        };
        Ok(Some(Trial { commands, over, expect, item }))
    }

    fn text(&self, here: Here<'_>, of: &Expression) -> Result<String, RunOutcome> {
        let value = self.needed(here, of).map_err(|why| broken(here.step, &why))?;
        value.as_str().map(str::to_owned).ok_or_else(|| broken(here.step, &format!("{}: this is no text", of.0)))
    }

    /// Lines for a shell, as an expression has them.
    fn commands_of(&self, here: Here<'_>, of: &Expression) -> Result<Vec<String>, RunOutcome> {
        let value = self.needed(here, of).map_err(|why| broken(here.step, &why))?;
        let wrong = |why: &str| broken(here.step, &format!("{}: {why}", of.0));
        let items = value.as_array().ok_or_else(|| wrong("this is no list of commands"))?;
        if items.len() > COMMANDS {
            return Err(wrong(&format!("{} commands, and at most {COMMANDS} are run", items.len())));
        }
        let line = |item: &serde_json::Value| {
            let line = item.as_str().map(str::trim).ok_or_else(|| wrong("a command is a text"))?;
            let plain = !line.is_empty() && line.len() <= LINE && !line.contains(['\0', '\n', '\r']);
            if plain { Ok(line.to_owned()) } else { Err(wrong(&format!("a command is one line of at most {LINE} bytes"))) }
        };
        items.iter().map(line).collect()
    }

    fn failing(&self, here: Here<'_>, evidence: &Evidence) -> Next {
        let Here { step, live: Live { run, .. }, .. } = here;
        let rounds = run.rounds.get(&step.id).copied().unwrap_or(0);
        match step.kind.on_failure() {
            // What the forge is being asked for by a step that is to be done again is heard first.
            Some(back) if rounds < back.at_most && here.state.open.contains_key(&Lane::Main) => Next::Wait(busy(here.live)),
            Some(back) if rounds < back.at_most => {
                advance(here, Advance::Back { to: back.to.clone(), evidence: evidence.clone() })
            }
            _ if matches!(step.kind, StepKind::Run { go_on: true, .. }) => done(here),
            _ => self.end(here, RunOutcome::VerificationFailed { evidence: evidence.clone() }),
        }
    }

    /// The branch is pushed: later runs find it.
    pub(super) fn keep(&self, here: Here<'_>, name: &str, commands: Option<&Expression>) -> Next {
        let run = here.run;
        let (Some(change), Some(prepared)) = (&run.change, &run.prepared) else { return self.unexpected(here) };
        let commands = match commands.map_or(Ok(Vec::new()), |of| self.commands_of(here, of)) {
            Ok(commands) => commands,
            Err(outcome) => return self.end(here, outcome),
        };
        let kept = Kept {
            name: name.to_owned(),
            issue: here.subject.issue,
            formula: run.formula.name.clone(),
            branch: run.branch.clone(),
            sha: change.head.clone(),
            base: prepared.base.clone(),
            commands,
        };
        advance(here, Advance::Kept { kept })
    }

    /// The branch that a run would keep its commits on, where somebody else's stand there.
    pub(super) fn taken(&self, live: Live<'_>) -> Option<Branch> {
        let run = live.run;
        // The lifecycle asks that when it sends somebody to work.
        let asks = run.formula.keeps_branch() || (run.aside && run.formula.opens_pull());
        let prepared = run.prepared.as_ref().filter(|_| asks)?;
        let known = |tip: &Sha| live.state.kept.values().any(|kept| kept.branch == run.branch && kept.sha == *tip);
        let left = |tip: &Sha| live.state.tip.as_ref().is_some_and(|t| t.sha == *tip) || live.state.pushing.as_ref() == Some(tip);
        let theirs = prepared.tip.as_ref().is_some_and(|tip| !prepared.tip_ours && !known(tip) && !left(tip));
        theirs.then(|| run.branch.clone())
    }
}

/// The item that commands are run for, as a variable can say it.
fn item(here: Here<'_>, each: &Each) -> Result<TrialItem, RunOutcome> {
    let text = each.item().as_str().map_or_else(|| each.item().to_string(), str::to_owned);
    let wrong = |why: String| broken(here.step, &format!("item {} of {}: {why}", each.nth(), each.of()));
    match text.len() {
        bytes if bytes > TrialItem::LONGEST => {
            Err(wrong(format!("{bytes} bytes, and commands are given at most {}", TrialItem::LONGEST)))
        }
        _ if text.contains('\0') => Err(wrong("no variable can hold the character NUL".to_owned())),
        _ => Ok(TrialItem { text, nth: each.nth() }),
    }
}
