//! What a pull request waits for that is to be merged, and what was read of it.

use crate::ledger::{InWork, RunState, StepState};
use crate::model::{Classified, Login, PullNumber, Right, Risk, Step, TierReason, ToMerge, Weighed};
use crate::text;

use super::risk;

/// Why it is not merged yet.
pub(super) fn waits(pull: PullNumber, tier: Option<Risk>, waits: &ToMerge) -> String {
    let what = match tier {
        Some(tier) => format!("pull request {pull} ({} blast radius)", risk(tier)),
        None => format!("pull request {pull}"),
    };
    match waits {
        ToMerge::Reading => format!("{what} is being read before it is merged"),
        ToMerge::Verification { head } => format!("{what} stands at {}, which forgehand did not verify", head.short()),
        ToMerge::Base => format!("{what} was verified on an older commit of its base branch"),
        ToMerge::Checks { none: true } => format!("{what} waits for its checks; none has reported yet"),
        ToMerge::Checks { none: false } => format!("{what} waits for its checks"),
        ToMerge::Contexts { lacking } => {
            format!("{what} waits for checks that the branch protection requires: {}", lacking.join(", "))
        }
        ToMerge::Review => format!("{what} waits for the approval of the review role"),
        ToMerge::Approval { until: None } => format!("{what} waits for an approval"),
        ToMerge::Approval { until: Some(until) } => format!("{what} waits for an approval, and is merged without one at {until}"),
        ToMerge::Approver { named } => format!("{what} waits for the approval of {}", approvers(named)),
        ToMerge::Turn { first } => format!("{what} waits for its turn: {first} comes first, one is merged at a time"),
        ToMerge::Refused { why, until } => {
            format!("{what} can be merged, and the forge did not: {why}; tried again at {until}")
        }
        ToMerge::Person => format!("{what} waits for a person to merge it"),
    }
}

/// What would move it.
pub(super) fn mover(pull: PullNumber, waits: &ToMerge, queue: &str) -> String {
    match waits {
        ToMerge::Reading | ToMerge::Turn { .. } => "nothing to do: it goes on by itself".to_owned(),
        ToMerge::Verification { .. } => format!("merging or closing it; label {queue} has it worked on and verified again"),
        ToMerge::Base => {
            format!("updating its branch and merging it by hand; label {queue} has it brought onto the base and verified again")
        }
        ToMerge::Checks { .. } | ToMerge::Contexts { .. } => format!("the checks of {pull}; merging or closing it"),
        ToMerge::Review => format!("an approving review of {pull} as it stands; `review = \"off\"` in [[project]] asks for none"),
        ToMerge::Approval { .. } => {
            format!("an approving review of {pull} as it stands, by somebody with write access; merging or closing it")
        }
        ToMerge::Approver { named } if named.is_empty() => format!(
            "an approving review of {pull} as it stands, by an administrator of the repository, or merging it. Who may approve can be named: \
             `approvers` in the policy"
        ),
        ToMerge::Approver { .. } => format!("an approving review of {pull} as it stands, by one of them, or merging it"),
        ToMerge::Refused { .. } => format!("mending what the forge says; merging or closing {pull}"),
        ToMerge::Person => format!(
            "merging or closing it; label {queue} asks for more work on it. `merge` in [[project]] says what is merged without a person"
        ),
    }
}

/// The status comment that asks people for their word, Markdown.
pub(super) fn asks(pull: PullNumber, tier: Risk, reasons: &[TierReason], named: &[Login]) -> String {
    let who = match (tier, named) {
        (Risk::High, []) => "an administrator of the repository".to_owned(),
        (Risk::High, named) => named.iter().map(|login| format!("@{login}")).collect::<Vec<_>>().join(" or "),
        (Risk::Low | Risk::Medium, _) => "somebody with write access".to_owned(),
    };
    format!(
        "**Pull request {pull} waits for an approval** by {who}: its blast radius is {}.\n\n{}\n\nAn approving review of it as it stands has \
         forgehand merge it. A new commit asks again.",
        risk(tier),
        list(reasons)
    )
}

/// How much a head could break, Markdown: in the body of its pull request as in the status comment.
pub fn blast_radius(of: &Classified) -> String {
    format!("Blast radius at `{}`: **{}**\n{}", of.head.short(), risk(of.tier), list(&of.reasons))
}

fn list(reasons: &[TierReason]) -> String {
    let one = |reason: &TierReason| {
        let path = reason.path.as_ref().map_or_else(String::new, |path| format!("{}: ", text::code(path)));
        format!("- {path}{}", text::line(&reason.why))
    };
    reasons.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn approvers(named: &[Login]) -> String {
    match named {
        [] => "an administrator".to_owned(),
        named => named.iter().map(|login| login.as_str()).collect::<Vec<_>>().join(" or "),
    }
}

/// A run that stepped back, and what it waits for.
pub fn stepped_back(run: &RunState) -> String {
    let waits = |step: &Step, at: &InWork| {
        let what = match &at.state {
            StepState::PutForward { pull } => format!("for {pull} to be merged"),
            StepState::AtVault { action } => format!("for the action {action} of the vault to be over"),
            _ => return None,
        };
        let until = run.until(step, at).map_or_else(String::new, |until| format!(", until {until}"));
        Some(format!(" waits in step {} {what}{until}", step.id))
    };
    let waits = run.steps_in_work().find_map(|(step, at)| waits(step, at));
    format!("formula {}{}", run.formula.name, waits.unwrap_or_else(|| " stepped back".to_owned()))
}

/// What was read of it, on one line.
pub(super) fn weighed(weighed: &Weighed) -> String {
    let behind = if weighed.behind { ", behind its base" } else { "" };
    let lacking = match weighed.lacking.as_slice() {
        [] => String::new(),
        lacking => format!(", without {}", lacking.join(", ")),
    };
    let approved: Vec<String> = weighed
        .approvals
        .iter()
        .map(|approval| {
            let right = match approval.right {
                Right::Ours => " (ours)",
                Right::Writer => "",
                Right::Approver => " (approver)",
            };
            format!("{}{right}", approval.by)
        })
        .collect();
    let approved = if approved.is_empty() { String::new() } else { format!(", approved by {}", approved.join(", ")) };
    format!("{} at {}{behind}{lacking}{approved}", risk(weighed.tier), weighed.head.short())
}
