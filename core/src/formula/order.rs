//! Whether the steps fit behind each other, and beside each other, those of called formulas in their places.

use std::collections::BTreeSet;

use super::expression::Type;
use super::needed::Needed;
use crate::document::Table;
use crate::model::{Access, Commands, Gate, Proposal, RunsOn, Step, StepKind, all_before};

/// The most steps of a formula.
const STEPS: usize = 100;

/// A step where it stands, with the table that it came from: its own, or that of the call.
pub(super) struct Placed<'t, 'a> {
    pub(super) step: Step,
    pub(super) table: &'t Table<'a>,
    /// What its own expressions may name.
    pub(super) known: Type,
    /// Those that must come to a value.
    pub(super) needed: Vec<Needed>,
}

impl Placed<'_, '_> {
    pub(super) fn wrong(&self, key: &'static str, message: &str, help: &str) {
        let (calls, own) = self.step.id.split();
        let at = if calls.is_empty() { key } else { "formula" };
        let message =
            if calls.is_empty() { message.to_owned() } else { format!("step `{own}` of the called formula: {message}") };
        match self.table.value(at) {
            Some(value) => {
                value.wrong::<()>(message, help);
            }
            None => self.table.wrong(message, help),
        }
    }
}

/// Complains of steps that come before what they need. Who brings a branch up to its base has commits from the start.
pub(super) fn check(steps: &[Placed<'_, '_>], updates: bool) {
    let (mut writes, mut shown, mut pull, mut branch) = (updates, false, false, false);
    for placed in steps {
        match &placed.step.kind {
            StepKind::Agent { access: Access::Read, .. }
            | StepKind::Gate(Gate::Time { .. } | Gate::Vault { .. })
            | StepKind::Enter { .. }
            | StepKind::Leave { .. } => {}
            StepKind::Agent { access: Access::Write, .. } => (writes, shown) = (true, false),
            StepKind::Run { on: RunsOn::Base, .. } => {}
            // Nothing is run where nothing was kept: that shows nothing.
            StepKind::Run { commands: Commands::Kept { .. }, .. } if writes => {}
            StepKind::Verify { .. } | StepKind::Run { .. } => {
                if !writes {
                    let help =
                        "put a step with `agent` and access = \"write\" before it; commands of your own may have on = \"base\"";
                    placed.wrong("run", "there are no commits yet to run on", help);
                }
                shown = true;
            }
            StepKind::Propose(
                Proposal::Comment { .. }
                | Proposal::Labels { .. }
                | Proposal::Close { .. }
                | Proposal::Reopen
                | Proposal::Issue { .. }
                | Proposal::SubIssues { .. }
                | Proposal::Review { .. }
                | Proposal::Replies { .. }
                | Proposal::File { .. }
                | Proposal::VaultAction { .. }
                | Proposal::Mend { .. }
                | Proposal::Start { .. }
                | Proposal::Merge
                | Proposal::UpdateIssue { .. },
            ) => {}
            StepKind::Propose(proposal @ (Proposal::PullRequest { .. } | Proposal::Branch { .. } | Proposal::Push)) => {
                if !shown {
                    let help =
                        "put a step with run = \"project.verify\", or with commands of its own, between the agent's and this one";
                    placed.wrong("propose", "nothing was run on the commits that this would propose", help);
                }
                match proposal {
                    Proposal::PullRequest { .. } => pull = true,
                    Proposal::Branch { .. } => branch = true,
                    _ => {}
                }
                if pull && branch {
                    let help = "let another formula open the pull request, and hand over to it";
                    placed.wrong(
                        "propose",
                        "what is kept on a branch is for later runs, and no pull request is opened from it",
                        help,
                    );
                }
            }
            StepKind::Gate(Gate::Checks | Gate::Approval) => {
                if !pull {
                    let help = "put a step with propose = \"pull-request\" before it";
                    placed.wrong("gate", "there is no pull request yet to wait for", help);
                }
            }
        }
    }
    both_write(steps);
    put_forward(steps);
    twice(steps);
    if let Some(last) = steps.get(STEPS) {
        last.table.wrong(format!("a formula has at most {STEPS} steps, those of the formulas it calls included"), "call less");
    }
}

/// Complains of agents that write and have no order between them: a run has one workspace.
fn both_write(steps: &[Placed<'_, '_>]) {
    let writes = |placed: &Placed<'_, '_>| matches!(placed.step.kind, StepKind::Agent { access: Access::Write, .. });
    // For each step the places of all that it waits for, by what it says that it needs.
    let mut behind: Vec<BTreeSet<usize>> = Vec::new();
    for (at, placed) in steps.iter().enumerate() {
        let needs = placed.step.needs.iter().flatten().filter_map(|id| steps.iter().position(|other| other.step.id == *id));
        let mut all = BTreeSet::new();
        for needed in needs.filter(|needed| *needed < at) {
            all.extend(behind.get(needed).into_iter().flatten().copied().chain([needed]));
        }
        if let Some(other) = (0..at).find(|other| writes(placed) && writes(&steps[*other]) && !all.contains(other)) {
            let other = &steps[other].step.id;
            let message = format!("this agent and `{other}` would both write, at the same time");
            let help = format!("a run has one workspace: let one wait for the other, needs = [\"{other}\"]");
            placed.wrong(if placed.table.has("needs") { "needs" } else { "access" }, &message, &help);
        }
        behind.push(all);
    }
}

/// Complains of what would be filed or started again where failing output goes back to an agent before it.
fn twice(steps: &[Placed<'_, '_>]) {
    let back = |placed: &Placed<'_, '_>| placed.step.kind.on_failure().map(|back| back.to.clone());
    let all: Vec<&Step> = steps.iter().map(|placed| &placed.step).collect();
    if steps.iter().all(|placed| back(placed).is_none()) {
        return;
    }
    let before = all_before(&all);
    let ends_before = |one: usize, other: usize| before.get(other).is_some_and(|all| all.contains(&one));
    for (fails, failing) in steps.iter().enumerate() {
        let Some(to) = back(failing).and_then(|to| all.iter().position(|step| step.id == to)) else { continue };
        for (at, placed) in steps.iter().enumerate().filter(|(at, _)| ends_before(to, *at) && !ends_before(fails, *at)) {
            let what = match &placed.step.kind {
                StepKind::Propose(Proposal::Issue { once: None, .. }) => "file another issue",
                StepKind::Propose(Proposal::SubIssues { .. }) => "file other issues",
                StepKind::Propose(Proposal::Start { .. }) => "start another run",
                _ => continue,
            };
            let failing = &failing.step.id;
            let message = format!("where `{failing}` fails behind it, this would be done again, and {what}");
            let once = if what.ends_with("issue") { ", or say by `once` which one it is" } else { "" };
            let needs = if at < fails { "put it behind that step" } else { "let it wait for that" };
            let needs = format!("{needs}: needs = [\"{failing}\"]{once}");
            placed.wrong("propose", &message, &needs);
        }
    }
}

/// Complains of what cannot be beside or behind a step that puts a pull request forward to be merged: while it waits its run is at rest, and
/// the lifecycle goes on with the issue.
fn put_forward(steps: &[Placed<'_, '_>]) {
    let all: Vec<&Step> = steps.iter().map(|placed| &placed.step).collect();
    if !all.iter().any(|step| step.merges()) {
        return;
    }
    if let Some(revises) = steps.iter().find(|placed| matches!(placed.step.kind, StepKind::Propose(Proposal::Push))) {
        let help = "let a formula of its own put it forward: the lifecycle goes on with the pull request when this one has ended";
        revises.wrong("propose", "a formula that revises a pull request does not put it forward to be merged as well", help);
        return;
    }
    let before = all_before(&all);
    let ends_before = |one: usize, other: usize| before.get(other).is_some_and(|all| all.contains(&one));
    for (at, placed) in steps.iter().enumerate().filter(|(_, placed)| placed.step.merges()) {
        let unordered = |other: usize| other != at && !ends_before(at, other) && !ends_before(other, at);
        if let Some(other) = (0..steps.len()).find(|other| unordered(*other)) {
            let other = &steps[other].step.id;
            let help = "nothing of a run is at work while it waits for a merge: order the two by `needs`";
            placed.wrong("propose", &format!("`{other}` has no order with this step"), help);
        }
        let behind = steps.iter().enumerate().filter(|(other, _)| ends_before(at, *other)).map(|(_, behind)| behind);
        for behind in behind {
            let key = match &behind.step.kind {
                StepKind::Agent { access: Access::Write, .. } if behind.table.has("access") => "access",
                StepKind::Agent { access: Access::Write, .. } => "agent",
                StepKind::Propose(Proposal::PullRequest { .. } | Proposal::Branch { .. }) => "propose",
                _ => continue,
            };
            let help = "let propose = \"start\" begin another formula that works on it";
            behind.wrong(
                key,
                &format!("`{}` puts the work of this run forward to be merged, and nothing is added to it", placed.step.id),
                help,
            );
        }
    }
}
