//! How a run ended, and what to do about it.

use crate::model::{Gate, HandOutcome, Refusal, Route, RunOutcome};

use super::formula::humantime;

/// How it ended, as one sentence without a full stop.
pub fn outcome(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Succeeded { pull: Some(pull) } => format!("done: pull request {pull}"),
        RunOutcome::Succeeded { pull: None } => "done".to_owned(),
        RunOutcome::Routed { to: Route::Queue, .. } => "done: an agent can do it".to_owned(),
        RunOutcome::Routed { to: Route::Interactive, .. } => "done: a person must do it".to_owned(),
        RunOutcome::Routed { to: Route::NeedsInfo, .. } => "done: there is a question".to_owned(),
        RunOutcome::HandedOver { to, .. } => format!("done: {to} goes on"),
        RunOutcome::NoChange { summary } => format!("the agent found nothing to change: {}", quoted(summary)),
        RunOutcome::Refused { summary } => format!("the agent declined: {}", quoted(summary)),
        RunOutcome::InvalidOutput { why } => format!("the agent gave no valid answer, also when asked again ({why})"),
        RunOutcome::VerificationFailed { evidence } => match evidence.commands.last() {
            Some(last) if evidence.timed_out => format!("the verification ran out of time at `{}`", last.command),
            Some(last) if evidence.passed => format!("the verification failed: `{}` passed, and was to fail", last.command),
            Some(last) => {
                let exit = last.exit.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
                format!("the verification failed: `{}` ended with {exit}", last.command)
            }
            None => "the verification failed".to_owned(),
        },
        RunOutcome::BundleRefused { refusal: why } => format!("the agent's commits were refused: {}", refusal(why)),
        RunOutcome::NeedsPerson { paths } => format!("the change touches what a person must decide on: {}", paths.join(", ")),
        RunOutcome::ChecksRed { pull } => format!("the checks of pull request {pull} are red"),
        RunOutcome::GateShut { step, gate, after } => {
            let what = match gate {
                Gate::Time { .. } => "time passed",
                Gate::Checks => "the checks were green",
                Gate::Approval => "there was an approval",
                Gate::Vault { .. } => "the vault's action was over",
            };
            format!("the gate {step} did not open: it waited {} until {what}", humantime(*after))
        }
        RunOutcome::ActionFailed { step, action, rejected, exit_code } => {
            let how = match (rejected, exit_code) {
                (true, _) => "was rejected".to_owned(),
                (false, Some(code)) => format!("failed with exit code {code}"),
                (false, None) => "did not end well".to_owned(),
            };
            format!("step {step} waited for the action {action} of the vault, which {how}")
        }
        RunOutcome::TooManyItems { step, items, at_most } => {
            format!("step {step} was to be done for each of {items} items, and at most {at_most} are allowed")
        }
        RunOutcome::CallTimedOut { step, after } => {
            format!("the formula that step {step} calls was not over after {}", humantime(*after))
        }
        RunOutcome::ExpressionFailed { step: Some(step), why } => {
            format!("step {step} could not be worked out from what is there: {why}")
        }
        RunOutcome::ExpressionFailed { step: None, why } => format!("what its formula ends as could not be worked out: {why}"),
        RunOutcome::BranchTaken { branch } => format!("branch `{branch}` has commits that are not forgehand's; they are kept"),
        RunOutcome::Environment { why } => format!("the machine stood in the way: {why}"),
        RunOutcome::FormulaRefused { why } => format!("the formula of the base branch cannot be used: {why}"),
        RunOutcome::SetupFailed { why } => format!("the project's setup failed: {why}"),
        RunOutcome::Hand { how } => hand(how),
    }
}

fn hand(how: &HandOutcome) -> String {
    match how {
        HandOutcome::Succeeded => "the agent ended well, and nothing came of it".to_owned(),
        HandOutcome::Stalled => "the agent gave no sign of life for too long".to_owned(),
        HandOutcome::TimedOut => "the agent ran out of time".to_owned(),
        HandOutcome::Budget { limit } => format!("the agent reached its limit: {limit}"),
        HandOutcome::UsageLimit { until: Some(until) } => format!("the account's usage limit is reached; it resets at {until}"),
        HandOutcome::UsageLimit { until: None } => "the account's usage limit is reached".to_owned(),
        HandOutcome::Crashed { why } => format!("the agent broke off: {why}"),
        HandOutcome::Unreachable { why, credentials: true } => format!("the model's provider refused the credentials: {why}"),
        HandOutcome::Unreachable { why, credentials: false } => format!("the model could not be reached: {why}"),
        HandOutcome::Cancelled => "it was stopped".to_owned(),
        HandOutcome::Interrupted => "the daemon's own end cut it".to_owned(),
    }
}

/// What to do about a failure; one sentence without a full stop.
pub fn remedy(outcome: &RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Succeeded { .. } => "look at the pull request",
        RunOutcome::Routed { .. } | RunOutcome::HandedOver { .. } => "see its label",
        RunOutcome::NoChange { .. } => "if there is something to change, say so more plainly in the issue and hand it over again",
        RunOutcome::Refused { .. } => "answer its concern in the issue and hand it over again, or do it yourself",
        RunOutcome::InvalidOutput { .. } => "decide where the issue goes by its label",
        RunOutcome::VerificationFailed { .. } => {
            "see whether the verification passes on the base branch; name what is missing in the issue"
        }
        RunOutcome::BundleRefused { .. } => "narrow the issue down to what an agent may change",
        RunOutcome::NeedsPerson { .. } => "look at the branch and open the pull request yourself if it is right",
        RunOutcome::ChecksRed { .. } => "see what the checks say, and mend it on the branch or say it in the issue",
        RunOutcome::GateShut { gate: Gate::Vault { .. }, .. } => {
            "see to what it asks of the operations repository, or let the policy give it more time (`window` of its [on_vault]); it is not asked for twice"
        }
        RunOutcome::ActionFailed { rejected: true, .. } => "say in the issue what is to be done instead, or do it yourself",
        RunOutcome::ActionFailed { rejected: false, .. } => {
            "see what it printed, in its record in the operations repository; another try is an action of another name"
        }
        RunOutcome::GateShut { .. } => "see to the pull request, or give the gate more time (`timeout` of its step)",
        RunOutcome::TooManyItems { .. } => "raise `at_most` of the step's `for_each`, or narrow its list",
        RunOutcome::CallTimedOut { .. } => {
            "give the call more time (`timeout` of its step), or see in `forgehand logs` what took it"
        }
        RunOutcome::ExpressionFailed { .. } => {
            "mend that expression of the formula, or its condition; `forgehand logs N --as-test` makes a test of this run to try it on"
        }
        RunOutcome::BranchTaken { .. } => "merge, rename or delete that branch",
        RunOutcome::Environment { .. } => "see to the machine that forgehand runs on",
        RunOutcome::FormulaRefused { .. } => "mend it under `.forgehand/` on the base branch, or take it out there",
        RunOutcome::SetupFailed { .. } => {
            "mend what it says, or `setup`, `network` and `env_file` of the project in forgehand's configuration"
        }
        RunOutcome::Hand { how } => match how {
            HandOutcome::Budget { .. } => "raise the limit in the configuration, or split the issue",
            HandOutcome::Stalled | HandOutcome::TimedOut => "raise the limit in [limits], or split the issue",
            HandOutcome::Unreachable { credentials: true, .. } => "renew the credentials",
            HandOutcome::Crashed { .. } => "see the log of the run on the machine that forgehand runs on",
            HandOutcome::Succeeded
            | HandOutcome::UsageLimit { .. }
            | HandOutcome::Unreachable { .. }
            | HandOutcome::Cancelled
            | HandOutcome::Interrupted => "hand it over again",
        },
    }
}

/// Why a bundle was refused, as a phrase.
pub fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NothingCommitted => "nothing was committed".to_owned(),
        Refusal::NotABundle { why } => format!("no bundle that can be taken ({why})"),
        Refusal::OutsideTheBranch { why } => format!("commits outside the branch ({why})"),
        Refusal::BrokenObjects { why } => format!("broken objects ({why})"),
        Refusal::SymlinkOut { path } => format!("`{path}` is a symbolic link that leads out of the repository"),
        Refusal::DiffTooLarge { lines, limit } => format!("the diff has {lines} changed lines, the limit is {limit}"),
        Refusal::EnvFile { path } => format!("a commit holds `{path}`, the project's env file, or something in its place"),
        Refusal::Secret { path, rule } => format!("`{path}` holds what looks like a secret (rule {rule})"),
    }
}

/// Text of an agent: one line, of bounded length.
fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 600 { line } else { format!("{}…", line.chars().take(600).collect::<String>()) }
}
