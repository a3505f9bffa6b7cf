//! What a formula says, in a few words.

use crate::formula::shipped_that;
use crate::model::{
    Access, Commands, EndWord, Expect, Gate, Needed, Proposal, Risk, RunsOn, StepKind, TierSource, Triggers, Wanted,
};

/// What starts it, as in `label claude-queue, comment /fix`.
pub fn triggers(triggers: &Triggers) -> String {
    let Triggers { label, again, cron, vault, comment, event } = triggers;
    let often = again.map_or(String::new(), |again| format!(" (again after {})", humantime(again)));
    let label = label.iter().map(|label| format!("label {label}{often}"));
    let comment = comment.iter().map(|word| format!("comment {word}"));
    let cron = cron.iter().map(|line| format!("cron {line}"));
    let event = event.iter().map(|event| format!("event {event}"));
    let vault = vault.then(|| "an action of the vault".to_owned());
    let all: Vec<String> = label.chain(comment).chain(cron).chain(event).chain(vault).collect();
    if all.is_empty() { "by hand".to_owned() } else { all.join(", ") }
}

/// A run that is wanted, with who asked for it.
pub fn is_wanted(wanted: &Wanted) -> String {
    format!("{}, asked for {}", wanted.formula, wanted.by)
}

/// How much it could break.
pub fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

/// What a tier comes from, in a word.
pub fn tier_source(source: TierSource) -> &'static str {
    match source {
        TierSource::Policy => "policy",
        TierSource::Diff => "diff",
        TierSource::Size => "size",
        TierSource::Scripts => "scripts",
        TierSource::Verification => "verification",
        TierSource::PersonPath => "person-path",
        TierSource::Agent => "agent",
        TierSource::Formula => "formula",
        TierSource::Request => "request",
    }
}

/// What a step does.
pub fn step(kind: &StepKind) -> String {
    match kind {
        StepKind::Agent { role, access, hire, .. } => {
            let does = match access {
                Access::Read => "reads",
                Access::Write => "writes",
            };
            let kind = hire.backend.map_or_else(String::new, |kind| format!(", by a {kind}"));
            let model = hire.model.as_ref().map_or_else(String::new, |model| format!(", with {model}"));
            format!("agent {role}, {does}{kind}{model}")
        }
        StepKind::Verify { .. } => "run project.verify".to_owned(),
        StepKind::Run { commands, on, expect, .. } => {
            let what = match commands {
                Commands::List(commands) => commands.join("; "),
                Commands::Of { of } => format!("the commands of {}", of.0),
                Commands::Kept { kept } => format!("what was kept as {kept}"),
            };
            let on = if *on == RunsOn::Base { " on the base" } else { "" };
            let fails = if *expect == Expect::Success { "" } else { ", which must fail" };
            format!("run {what}{on}{fails}")
        }
        StepKind::Propose(proposal) => format!("propose {}", self::proposal(proposal)),
        StepKind::Gate(Gate::Time { after }) => format!("wait {}", humantime(*after)),
        StepKind::Gate(Gate::Checks) => "wait for green checks".to_owned(),
        StepKind::Gate(Gate::Approval) => "wait for an approval".to_owned(),
        StepKind::Gate(Gate::Vault { .. }) => "wait for the vault".to_owned(),
        StepKind::Enter { .. } => "begin of the called formula".to_owned(),
        StepKind::Leave { .. } => "end of the called formula".to_owned(),
    }
}

/// What is asked of the forge.
pub fn proposal(proposal: &Proposal) -> &'static str {
    match proposal {
        Proposal::Comment { .. } => "comment",
        Proposal::PullRequest { .. } => "pull-request",
        Proposal::Labels { .. } => "labels",
        Proposal::Close { .. } => "close",
        Proposal::Reopen => "reopen",
        Proposal::Branch { .. } => "branch",
        Proposal::Issue { .. } => "issue",
        Proposal::SubIssues { .. } => "sub-issues",
        Proposal::Review { .. } => "review",
        Proposal::Push => "push",
        Proposal::Merge => "merge",
        Proposal::Replies { .. } => "replies",
        Proposal::UpdateIssue { .. } => "update-issue",
        Proposal::File { .. } => "file",
        Proposal::VaultAction { .. } => "vault-action",
        Proposal::Mend { .. } => "mend",
        Proposal::Start { .. } => "start",
    }
}

/// What a formula ends as, as it is written.
pub fn end_word(word: EndWord) -> &'static str {
    match word {
        EndWord::Done => "done",
        EndWord::NoChange => "no-change",
        EndWord::Refused => "refused",
        EndWord::Queue => "queue",
        EndWord::Interactive => "interactive",
        EndWord::NeedsInfo => "needs-info",
        EndWord::HandOver => "hand-over",
    }
}

/// A time as people write it in a formula.
pub(super) fn humantime(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        s if s.is_multiple_of(86_400) => format!("{}d", s / 86_400),
        s if s.is_multiple_of(3_600) => format!("{}h", s / 3_600),
        s if s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// A formula that is needed: by its name, or by that of the shipped one that does what it is needed for.
pub fn needed(needs: &Needed) -> String {
    let named = match needs {
        Needed::Named(name) => Some(name.clone()),
        other => shipped_that(|formula| other.is(formula)),
    };
    match (named, needs) {
        (Some(name), _) => format!("needs formula {name}"),
        (None, Needed::Named(name)) => format!("needs formula {name}"),
        (None, Needed::StartedBy(label)) => format!("needs a formula that the label {label} starts"),
        (None, Needed::Revises(event)) => format!("needs a formula that revises on {event}"),
        (None, Needed::Reviews) => "needs a formula that reviews".to_owned(),
    }
}
