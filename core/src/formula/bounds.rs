//! How long a step may take, and how often it is done again: only where the engine can keep it.

use std::time::Duration;

use super::read::Meant;
use crate::document::{Table, Value};
use crate::model::{Gate, Proposal, Retry, StepKind};

/// The `timeout` of a step.
pub(super) fn timeout(table: &Table<'_>, meant: Option<&Meant>) -> Option<Duration> {
    let help = meant.and_then(|meant| match meant {
        Meant::Step(kind) => match kind {
            StepKind::Gate(Gate::Time { .. }) => Some("gate = \"time\" waits as long as `after` says"),
            StepKind::Propose(Proposal::Merge) => None,
            StepKind::Propose(_) => Some("take it out: what is asked of the forge takes a moment"),
            StepKind::Agent { .. }
            | StepKind::Verify { .. }
            | StepKind::Run { .. }
            | StepKind::Gate(Gate::Checks | Gate::Approval | Gate::Vault { .. })
            | StepKind::Enter { .. }
            | StepKind::Leave { .. } => None,
        },
        Meant::Call(..) => None,
    });
    table.optional("timeout", |value| match help {
        Some(help) => means_nothing(value, help),
        None => value.some_time(),
    })
}

/// The `retry` of a step.
pub(super) fn retry(table: &Table<'_>, meant: Option<&Meant>) -> Option<Retry> {
    let help = meant.and_then(|meant| match meant {
        Meant::Step(kind) => match kind {
            StepKind::Gate(_) => Some("a gate waits until it opens; `timeout` says how long"),
            StepKind::Propose(Proposal::Merge) => {
                Some("what the forge refuses is tried again anyway; `timeout` says how long it is waited for")
            }
            StepKind::Propose(_) => {
                Some("take it out: a forge that does not answer is asked again anyway, and what it refuses stays refused")
            }
            StepKind::Agent { .. }
            | StepKind::Verify { .. }
            | StepKind::Run { .. }
            | StepKind::Enter { .. }
            | StepKind::Leave { .. } => None,
        },
        Meant::Call(called, _) => {
            let none = !called.steps.iter().any(|step| step.kind.can_be_done_again());
            none.then_some("nothing in the called formula can be done again: no agent, and no commands")
        }
    });
    table.optional("retry", |value| match help {
        Some(help) => means_nothing(value, help),
        None => how(value),
    })
}

fn means_nothing<T>(value: &Value<'_>, help: &str) -> Option<T> {
    value.wrong(format!("`{}` means nothing in this step", value.key()), help)
}

fn how(value: &Value<'_>) -> Option<Retry> {
    let table = value.opened()?;
    let at_most = table.required("at_most", "at_most = 2", |v| v.whole(1, 10).and_then(|n| u32::try_from(n).ok()));
    let wait = table.required("wait", "wait = \"1m\"", Value::time);
    Some(Retry { at_most: at_most?, wait: wait? })
}
