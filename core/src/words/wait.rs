//! Why something waits, and what would move it.

use crate::model::{
    ActionAt, ActionState, AtGate, AtVault, BudgetOf, Decision, LabelNames, Overlapping, Quota, Rerun, Scope, Timestamp, Trouble,
    Usd, VAULT_APPROVED, Wait,
};
use crate::text;

use super::{counted, label, merge};

/// Why it waits, as one sentence without a full stop.
pub fn wait(wait: &Wait, names: &LabelNames) -> String {
    match wait {
        Wait::Acting { what } => format!("under way: {what}"),
        Wait::LookingUp { what, until } => {
            format!("whether `{what}` was done before the last stop is looked up; it counts as not done at {until}")
        }
        Wait::NoSlot { slots, project: None } => format!("all slots are taken ({})", counted(u64::from(*slots), "slot")),
        Wait::NoSlot { slots, project: Some(repo) } => {
            format!("all slots of {repo} are taken ({})", counted(u64::from(*slots), "slot"))
        }
        Wait::Paused { what, until } => paused(what, *until),
        Wait::Behind { others } => format!("{} before it in the queue", counted(u64::from(*others), "issue")),
        Wait::Dependencies { open } => {
            let list: Vec<String> = open.iter().map(|d| format!("{}{}", d.repo, d.issue)).collect();
            format!("it depends on {}, still open", list.join(", "))
        }
        Wait::Labels { formula, lacks, bars } => format!("formula {formula} starts where an issue {}", carries(lacks, bars)),
        Wait::Files { formula, missing, branch } => {
            format!("formula {formula} requires {}, not there on branch {branch}", missing.join(", "))
        }
        Wait::FilesUnread { formula, why } => {
            format!("whether the files are there that formula {formula} requires could not be found out: {why}")
        }
        Wait::Group { group, on, run } => format!("group {group} is at work: run {run} of {on} must end first"),
        Wait::Overlap { on, by, files, more } => {
            let files: Vec<String> = files.iter().map(|file| text::code(file)).collect();
            let more = if *more == 0 { String::new() } else { format!(" and {}", counted(u64::from(*more), "more file")) };
            let by = match by {
                Overlapping::Run => format!("{on}, which is at work"),
                Overlapping::Pull { pull } => format!("pull request {pull} of {on}, which is open"),
                Overlapping::Turn => format!("{on}, which is before it"),
            };
            format!("it would likely change the same files as {by}: {}{more}", files.join(", "))
        }
        Wait::Backoff { until, attempt, outcome } if outcome == "setup-failed" => {
            format!("the project's setup failed (try {attempt}); the next one is due at {until}")
        }
        Wait::Backoff { until, attempt, outcome } => {
            format!("attempt {attempt} failed ({outcome}); the next one is due at {until}")
        }
        Wait::Retry { until, why } => format!("{why}; tried again at {until}"),
        Wait::AccountPaused { account, until, why } => format!("{} is paused until {until}: {why}", super::account(account)),
        Wait::Renewing { account } => format!("the sign-in of {} is being renewed", super::account(account)),
        Wait::SignInEnded { account, since, why, .. } => {
            format!("the sign-in of {} ended at {since} and was not renewed: {why}", super::account(account))
        }
        Wait::Quota { formula, of: Quota::Runs { limit }, until } => {
            format!(
                "formula {formula} had its {} of the day; the next one may begin at {until}",
                super::counted(u64::from(*limit), "run")
            )
        }
        Wait::Quota { formula, of: Quota::Usd { spent, reserved, limit }, until } => {
            let kept = if *reserved == Usd(0) { String::new() } else { format!(", {reserved} kept for what runs") };
            format!(
                "the day's money of formula {formula} does not pay for another run: {spent} of {limit} spent{kept}; a new day begins at {until}"
            )
        }
        Wait::Budget { which, spent, reserved, limit, .. } => {
            let kept = if *reserved == Usd(0) { String::new() } else { format!(", {reserved} kept for what runs") };
            format!("the budget of the {which} does not pay for another run: {spent} of {limit} spent{kept}")
        }
        Wait::Claimed { by, until } => {
            let by: String = by.as_str().chars().take(8).collect();
            format!("another forgehand (journal {by}) has claimed it until {until}")
        }
        Wait::Project { trouble: t, until } => format!("{}; looked at again at {until}", trouble(t)),
        Wait::Question { until } => format!("a question is open; without an answer it goes to a person at {until}"),
        Wait::Person => "a person does this one".to_owned(),
        Wait::Failed => "it failed for good".to_owned(),
        Wait::Merge { pull } => format!("pull request {pull} is open and waits for a person to merge it"),
        Wait::ToMerge { pull, tier, waits } => merge::waits(*pull, *tier, waits),
        Wait::ChecksCut { pull, rerun } => {
            let tried = match rerun {
                None => String::new(),
                Some(Rerun::Begun) => ", again after forgehand had them run once more".to_owned(),
                Some(Rerun::Not { why }) => format!(" and could not be run again ({why})"),
            };
            format!(
                "the checks of pull request {pull} were cancelled, or ended before their first step{tried}, which says nothing about it: no agent is asked"
            )
        }
        Wait::NoRunner { pull, since } => {
            format!("no runner of the forge has been at the checks of pull request {pull} since {since} at the latest")
        }
        Wait::OpenPulls { open, limit } => {
            let open = counted(u64::from(*open), "pull request");
            format!("{open} of forgehand's wait for people (at most {limit} may), so no new one is begun")
        }
        Wait::Reviewer { pull, by } if by.is_empty() => {
            format!("changes were requested of an older commit of pull request {pull}; it waits for whoever did to look again")
        }
        Wait::Reviewer { pull, by } => {
            let by: Vec<&str> = by.iter().map(|login| login.as_str()).collect();
            format!("what was asked of pull request {pull} is answered; it waits for {} to look again", by.join(", "))
        }
        Wait::Gate { step, waits, until } => {
            let shut = until.map_or_else(String::new, |until| format!("; it is given up at {until}"));
            format!("its run waits at step {step} {}{shut}", at_gate(waits))
        }
        Wait::Again { step, until, time, of, outcome } => {
            let how = super::outcome(outcome);
            format!("step {step} of its run failed ({how}); it is done again at {until} (time {time} of {of})")
        }
        Wait::Vault { id, stands } => format!("waits for the action {id} of the vault: {stands}"),
        Wait::VaultItem { name, asked_by: None } => {
            format!("waits for what people are asked for in vault/pending/{}.md", name.escape_debug())
        }
        Wait::VaultItem { name, asked_by: Some(pull) } => {
            format!(
                "waits for what people are asked for in vault/pending/{}.md, which {pull} of the operations repository brings",
                name.escape_debug()
            )
        }
        Wait::Schedule { formula, until } => format!("formula {formula} starts by its schedule at {until}"),
        Wait::Unasked => "no formula that is on has a schedule, and nobody asked for one".to_owned(),
        Wait::NeedsFormula { needs, because } => format!("{}: {because}", super::needed(needs)),
        Wait::Orphan { until } => {
            format!("it carries {} and no run of ours is known; left alone until {until}", label(names, Decision::Working))
        }
        Wait::Leaving => "its project was taken out of the configuration: what runs goes on, nothing new is started".to_owned(),
        Wait::Old { since } => {
            format!("it was filed before forgehand first started here; what was filed since {since} is triaged")
        }
        Wait::ForeignPull { pull, by } => {
            format!("pull request {pull} of {by} comes from the branch that forgehand would work on; it is left alone")
        }
        Wait::NoPull => format!("it carries {} and no open pull request of forgehand's is known", label(names, Decision::Pr)),
        Wait::Draining => "the daemon is about to end and starts nothing".to_owned(),
        Wait::NoCredentials => "there are no credentials for the model".to_owned(),
        Wait::Disk { free, floor } => {
            format!("the disk has {} MiB free, and {} MiB must be free before a run starts", free >> 20, floor >> 20)
        }
        Wait::Closed => "it is closed".to_owned(),
        Wait::NotOurs => {
            format!("it carries neither `{}` nor a decision label, so it is none of forgehand's business", names.portal)
        }
    }
}

/// What an issue must carry and must not carry, of what it lacks and has.
fn carries(lacks: &[String], bars: &[String]) -> String {
    let quoted = |labels: &[String]| labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    let lacks = (!lacks.is_empty()).then(|| format!("carries {}, which this one lacks", quoted(lacks)));
    let bars = (!bars.is_empty()).then(|| format!("does not carry {}, which this one has", quoted(bars)));
    lacks.into_iter().chain(bars).collect::<Vec<_>>().join(", and ")
}

fn at_gate(waits: &AtGate) -> String {
    match waits {
        AtGate::Time { until } => format!("until {until}"),
        AtGate::Checks { pull, cut: true, .. } => {
            format!(
                "for the checks of {pull}: they were cancelled, or ended before their first step, and somebody has to have them run again"
            )
        }
        AtGate::Checks { pull, none: true, .. } => format!("for the checks of {pull}: none has reported yet"),
        AtGate::Checks { pull, .. } => format!("for the checks of {pull}"),
        AtGate::Approval { pull, changes_requested: true } => format!("for an approval of {pull}: changes were requested"),
        AtGate::Approval { pull, changes_requested: false } => format!("for an approval of {pull}"),
        AtGate::Vault(vault) => {
            let AtVault { repo, action, pull, at, .. } = vault.as_ref();
            let asked = pull.map_or_else(|| format!("of {repo}"), |pull| format!("asked for by {repo}{pull}"));
            let how = match at {
                ActionAt::Asked if pull.is_some() => "not merged yet",
                ActionAt::Asked => "nothing is known of it yet",
                ActionAt::There(ActionState::Merged) => "merged, and not done yet",
                ActionAt::There(ActionState::Broken) => "it cannot be understood, or shares its name",
                ActionAt::There(ActionState::Approved) => "approved, and not done yet",
                ActionAt::There(ActionState::Fired | ActionState::Rejected | ActionState::Done) => "over",
            };
            format!("for the action {action} of the vault ({asked}: {how})")
        }
    }
}

/// What would move it.
pub fn mover(wait: &Wait, names: &LabelNames) -> String {
    let queue = label(names, Decision::Queue);
    match wait {
        Wait::Acting { .. } | Wait::LookingUp { .. } | Wait::Retry { .. } => "nothing to do: it goes on by itself".to_owned(),
        Wait::NoSlot { project: Some(_), .. } => {
            format!("a free slot (`slots` of its [[project]]); label `{}` puts it before others", names.priority)
        }
        Wait::Paused { what, until } => {
            let command = resume(what);
            if until.is_some() { format!("time, or `{command}`") } else { format!("`{command}`") }
        }
        Wait::NoSlot { .. } | Wait::Behind { .. } => {
            format!("a free slot (`slots` in [daemon]); label `{}` puts it before others", names.priority)
        }
        Wait::Dependencies { .. } => "closing what it depends on, or removing the dependency".to_owned(),
        Wait::Labels { lacks, bars, .. } => {
            let puts = (!lacks.is_empty()).then(|| format!("putting {} on", lacks.join(", ")));
            let takes = (!bars.is_empty()).then(|| format!("taking {} off", bars.join(", ")));
            puts.into_iter().chain(takes).collect::<Vec<_>>().join(" and ")
        }
        Wait::Files { missing, branch, .. } => format!("{} on {branch}; it is looked for every few minutes", missing.join(", ")),
        Wait::FilesUnread { .. } => "mending what it says; it is tried again every few minutes".to_owned(),
        Wait::Group { on, .. } => format!("the end of the run on {on}"),
        Wait::Overlap { on, by, .. } => {
            let ends = match by {
                Overlapping::Run => format!("the end of the run on {on}"),
                Overlapping::Pull { pull } => format!("merging or closing {pull}"),
                Overlapping::Turn => format!("the end of a run on {on}; label `{}` puts it before others", names.priority),
            };
            format!("{ends}; `overlap` in its [[project]] says what is kept clear of")
        }
        Wait::Backoff { .. } => "time, or `forgehand retry`".to_owned(),
        Wait::AccountPaused { .. } => "time, or other credentials".to_owned(),
        Wait::Renewing { .. } => "nothing to do: it goes on by itself".to_owned(),
        Wait::SignInEnded { .. } => {
            "signing in again with `claude`, or better a token of `claude setup-token`, which lasts a year".to_owned()
        }
        Wait::Quota { of: Quota::Runs { .. }, .. } => {
            "a new day (UTC), or a higher `runs_day` in [limits] of the formula".to_owned()
        }
        Wait::Quota { of: Quota::Usd { .. }, .. } => {
            "a new day (UTC), or a higher `usd_day` in [limits] of the formula".to_owned()
        }
        Wait::Budget { which, .. } if which == "project" => {
            "a new day (UTC), or a higher `usd_day` of its [[project]] (`usd_project` in [limits])".to_owned()
        }
        Wait::Budget { .. } => "a new day (UTC), or a higher `usd_day` in [limits]".to_owned(),
        Wait::Claimed { .. } => "the other one's end, or the end of its lease".to_owned(),
        Wait::Project { .. } => "mending what is wrong with the project; forgehand notices".to_owned(),
        Wait::Question { .. } => "a comment with the answer, or an edit of the body".to_owned(),
        Wait::Person | Wait::Failed => format!("label {queue} or `forgehand retry` hands it to an agent again"),
        Wait::Merge { .. } => format!("merging or closing the pull request; label {queue} asks for more work on it"),
        Wait::ToMerge { pull, waits, .. } => merge::mover(*pull, waits, &queue),
        Wait::ChecksCut { pull, .. } => format!("running the checks of {pull} again; forgehand looks every minute"),
        Wait::NoRunner { .. } => {
            "a runner that is up and has the labels that their `runs-on` asks for; merging or closing it".to_owned()
        }
        Wait::OpenPulls { .. } => "merging or closing one of them, or a higher `open_pulls` in [limits]".to_owned(),
        Wait::Reviewer { pull, .. } => {
            format!(
                "another review of {pull}, or dismissing the last one; merging or closing it; label {queue} asks for more work on it"
            )
        }
        Wait::Again { .. } | Wait::Gate { waits: AtGate::Time { .. }, .. } => "time".to_owned(),
        Wait::Gate { waits: AtGate::Checks { pull, .. }, .. } => format!("the checks of {pull}, once they all have ended"),
        Wait::Gate { waits: AtGate::Approval { pull, .. }, .. } => {
            format!(
                "an approving review of {pull} as it stands, by somebody with write access; merging or closing it ends the wait too"
            )
        }
        Wait::Vault { id, .. } => {
            format!(
                "the end of that action: `forgehand vault show {id}` tells what it needs, `vault reject` and `vault done` end it"
            )
        }
        Wait::VaultItem { asked_by: None, .. } => "whoever does that, and then takes the file away".to_owned(),
        Wait::VaultItem { asked_by: Some(pull), .. } => {
            format!("merging or closing {pull} of the operations repository, and then whoever does that and takes the file away")
        }
        Wait::Gate { waits: AtGate::Vault(vault), .. } => {
            let AtVault { repo, action, pull, at, label } = vault.as_ref();
            let or = if *label {
                format!("; or the label {VAULT_APPROVED} on this issue, put on after that was asked for")
            } else {
                String::new()
            };
            let done = format!("what is done about it, or `forgehand vault done {action}` by whoever did it");
            match (at, pull) {
                (ActionAt::Asked, Some(pull)) => format!("merging {repo}{pull}, or closing it{or}"),
                (ActionAt::There(ActionState::Broken), _) => format!("mending its file in {repo}{or}"),
                (ActionAt::Asked | ActionAt::There(_), _) => format!("{done}{or}"),
            }
        }
        Wait::Schedule { formula, .. } => format!("time, or `forgehand formula run {formula}`"),
        Wait::Unasked => "`forgehand formula run NAME`, of a formula with `cron`".to_owned(),
        Wait::NeedsFormula { .. } => format!("a person, or label {queue} for another run on the same branch"),
        Wait::Orphan { .. } => format!("`forgehand retry` or label {queue} takes it up at once"),
        Wait::Leaving => "its [[project]] section in the configuration".to_owned(),
        Wait::Old { .. } => format!(
            "`since` in [[project]] takes older ones too (\"2026-01-31\", or \"all\"); label {queue} or `forgehand retry` hands this one to \
             an agent, putting `{}` on anew has it triaged",
            names.portal
        ),
        Wait::ForeignPull { .. } => "merging or closing that pull request, or renaming its branch".to_owned(),
        Wait::NoPull => format!("closing the issue; label {queue} or `forgehand retry` hands it to an agent again"),
        Wait::Draining => "starting the daemon again".to_owned(),
        Wait::NoCredentials => {
            "a token of `claude setup-token` in CLAUDE_CODE_OAUTH_TOKEN or a file, an API key, or a sign-in with `claude`"
                .to_owned()
        }
        Wait::Disk { .. } => {
            "room on the disk (`forgehand gc` removes what was kept long enough), or a lower `disk_floor` in [retention]"
                .to_owned()
        }
        Wait::Closed => "opening it again".to_owned(),
        Wait::NotOurs => format!("label `{}` has it triaged, label {queue} has it worked on at once", names.portal),
    }
}

/// A delivery was turned away for this, in a word, and none came through since.
pub fn turned_away(why: &str, at: Timestamp) -> String {
    let because = match why {
        "no_secret" => {
            "there is no secret to check it with; name one by `webhook_secret_env` or `webhook_secret_file` in [daemon]"
        }
        "unsigned" => "it is not signed; give the webhook on the forge the secret",
        "wrong_signature" => "its signature is not that of our secret; see that both sides have the same",
        "too_large" => "it is larger than 1 MiB",
        "too_slow" => "it did not come in time",
        "unreadable" => "it is not JSON; set the webhook's content type to application/json",
        _ => "it is none of Forgejo's",
    };
    format!("a delivery was turned away at {at}: {because}")
}

/// What is paused, and until when.
pub fn paused(what: &Scope, until: Option<Timestamp>) -> String {
    let until = until.map_or_else(String::new, |until| format!(" until {until}"));
    match what {
        Scope::Everything => format!("everything is paused{until}: what runs goes on, nothing new is started"),
        Scope::Project { repo } => format!("{repo} is paused{until}: what runs goes on, nothing new is started"),
        Scope::Issue { subject } => format!("{subject} is paused{until}"),
    }
}

/// The command that takes a pause back.
pub fn resume(what: &Scope) -> String {
    match what {
        Scope::Everything => "forgehand resume".to_owned(),
        Scope::Project { .. } | Scope::Issue { .. } => format!("forgehand resume {what}"),
    }
}

/// A budget that comes to its end.
pub fn budget(what: &BudgetOf, at_percent: u8, spent: Usd, limit: Usd) -> String {
    let whose = match what {
        BudgetOf::Day => "the day's budget".to_owned(),
        BudgetOf::Project { repo } => format!("the day's budget of {repo}"),
        BudgetOf::Run { run } => format!("the budget of run {run}"),
    };
    if at_percent < 100 {
        format!("{spent} of {limit} of {whose} spent, more than {at_percent} %")
    } else {
        format!(
            "{spent} of {limit} of {whose} spent: that does not pay for another run, and none is started until the day ends (UTC)"
        )
    }
}

/// What is wrong with a project, and what to do.
pub fn trouble(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Unreachable { why } => format!("the forge does not answer ({why})"),
        Trouble::Unauthorized => {
            "the forge does not accept the token; make a new one and put it where `token_env` or `token_file` points".to_owned()
        }
        Trouble::Denied { why } => {
            format!(
                "the token lacks a right ({why}); it needs write:issue, write:repository and read:user, and write access to the repository"
            )
        }
        Trouble::Missing => {
            "there is no such repository, or the token may not see it; check `repo` and the bot's access".to_owned()
        }
        Trouble::Moved { to: Some(to) } => format!("the repository was renamed; write `repo = \"{to}\"` in the configuration"),
        Trouble::Moved { to: None } => {
            "the repository was renamed or moved; write its new name into the configuration".to_owned()
        }
        Trouble::Archived => "the repository is archived; unarchive it, or remove the project".to_owned(),
        Trouble::Empty => "the repository has no commit yet; push a first one".to_owned(),
        Trouble::NotAForge { why } => {
            format!("what answers at [forge] url is not a Forgejo ({why}); check the address, subpath included")
        }
    }
}
