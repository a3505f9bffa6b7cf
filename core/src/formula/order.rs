//! Whether the steps fit behind each other, those of called formulas in their places.

use crate::document::Table;
use crate::model::{Access, Gate, Proposal, Step, StepKind};

/// The most steps of a formula.
const STEPS: usize = 100;

/// A step where it stands, with the table that it came from: its own, or that of the call.
pub(super) struct Placed<'t, 'a> {
    pub(super) step: Step,
    pub(super) table: &'t Table<'a>,
}

impl Placed<'_, '_> {
    fn wrong(&self, key: &'static str, message: &str, help: &str) {
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

/// Complains of steps that come before what they need.
pub(super) fn check(steps: &[Placed<'_, '_>]) {
    let (mut writes, mut shown, mut pull) = (false, false, false);
    for placed in steps {
        match &placed.step.kind {
            StepKind::Agent { access: Access::Read, .. }
            | StepKind::Gate(Gate::Time { .. })
            | StepKind::Enter { .. }
            | StepKind::Leave { .. } => {}
            StepKind::Agent { access: Access::Write, .. } => (writes, shown) = (true, false),
            StepKind::Verify { .. } | StepKind::Run { .. } => {
                if !writes {
                    let help = "put a step with `agent` and access = \"write\" before it";
                    placed.wrong("run", "there are no commits yet to run on", help);
                }
                shown = true;
            }
            StepKind::Propose(
                Proposal::Comment { .. }
                | Proposal::Labels { .. }
                | Proposal::Close { .. }
                | Proposal::Issue { .. }
                | Proposal::SubIssues { .. }
                | Proposal::Review { .. }
                | Proposal::UpdateIssue { .. },
            ) => {}
            StepKind::Propose(Proposal::PullRequest { .. }) => {
                if !shown {
                    let help =
                        "put a step with run = \"project.verify\", or with commands of its own, between the agent's and this one";
                    placed.wrong("propose", "nothing was run on the commits that this would propose", help);
                }
                pull = true;
            }
            StepKind::Gate(Gate::Checks | Gate::Approval) => {
                if !pull {
                    let help = "put a step with propose = \"pull-request\" before it";
                    placed.wrong("gate", "there is no pull request yet to wait for", help);
                }
            }
        }
    }
    if let Some(last) = steps.get(STEPS) {
        last.table.wrong(format!("a formula has at most {STEPS} steps, those of the formulas it calls included"), "call less");
    }
}
