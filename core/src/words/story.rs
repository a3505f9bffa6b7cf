//! The journal's story, a line for each event that a person wants to read.

use crate::model::{
    About, Advance, AgentName, Checks, Command, Declined, Event, Expected, INPUTS, Intent, IssueNumber, LabelsMean, Outcome,
    PullState, Rerun, Saying, Skipped, StepId, StopWhy, Told, Trigger,
};

use super::{merge, outcome, refusal};

/// An effect that is about to be made, as in "would …".
pub fn intent(intent: &Intent) -> String {
    match intent {
        Intent::Claim { renews: None } => "take the claim".to_owned(),
        Intent::Claim { renews: Some(_) } => "renew the claim".to_owned(),
        Intent::Release { .. } => "give the claim back".to_owned(),
        Intent::Labels { to: Some(to), .. } => format!("set the label of {to:?}").to_lowercase(),
        Intent::Labels { to: None, .. } => "take the decision label off".to_owned(),
        Intent::Say { what: Saying::Proposed { .. }, .. } => "write the breakdown".to_owned(),
        Intent::Say { what: Saying::Note { step, on, .. }, .. } => format!("write the comment of step {step}{}", on_issue(*on)),
        Intent::Say { what: Saying::Status { .. }, edit: Some(_), .. } => "edit the status comment".to_owned(),
        Intent::Say { what: Saying::Status { .. }, edit: None, .. } => "write a status comment".to_owned(),
        Intent::Close => "close the issue".to_owned(),
        Intent::Relabel { step, on, .. } => format!("put the labels of step {step} on and take its others off{}", on_issue(*on)),
        Intent::CloseNamed { on, .. } => format!("close issue {on}"),
        Intent::Reopen { .. } => "open the issue again".to_owned(),
        Intent::File { item: Some((draft, _)), .. } => format!("file an issue: {}", draft.title),
        Intent::File { item: None, step, .. } => format!("file the issue of step {step}"),
        Intent::Review { pull, verdict, head, .. } => format!("review {pull} at {}: {}", head.short(), verdict.word()),
        Intent::Reply { pull, reply, .. } => format!("answer {} on {pull}", reply.to.by),
        Intent::Keep { step, into: Some(repo), .. } => format!("ask for the file of step {step} in {repo}"),
        Intent::Keep { step, into: None, .. } => format!("keep the file of step {step} in the operations repository"),
        Intent::AskVault { file, .. } => format!("ask the vault for {}", file.id),
        Intent::Mend { probe, .. } => format!("mend what the probe {probe} looks at"),
        Intent::Rewrite { step, on, tick, .. } if !tick.is_empty() => {
            let tasks: Vec<String> = tick.iter().map(ToString::to_string).collect();
            format!("tick {} in the body that step {step} is about{}", tasks.join(", "), on_issue(*on))
        }
        Intent::Rewrite { step, on, .. } => format!("write the issue anew that step {step} is about{}", on_issue(*on)),
        Intent::Prepare { .. } => "prepare a workspace".to_owned(),
        Intent::SetUp { .. } => "set the workspace up".to_owned(),
        Intent::Agent { step, resume, told, agent, model, .. } => {
            let how = match (resume, told) {
                (true, Told::GoOn) => " (resumed)",
                (_, Told::AnswerAgain { .. }) => " (asked for its answer again)",
                (_, Told::Failing { .. }) => " (with the failing output)",
                _ => "",
            };
            let who = agent.as_ref().filter(|name| **name != AgentName::usual());
            let who = who.map_or_else(|| "the agent".to_owned(), |name| format!("agent {name}"));
            let model = model.as_ref().map_or_else(String::new, |model| format!(" with {model}"));
            format!("let {who} work on step {step}{model}{how}")
        }
        Intent::Take { .. } => "take the commits over".to_owned(),
        Intent::Verify { sha, trial: None, .. } => format!("verify {}", sha.short()),
        Intent::Verify { sha, trial: Some(trial), .. } => {
            let over = trial.over.as_ref().map_or_else(String::new, |kept| format!(" with the files of {}", kept.branch));
            let fails = if trial.expect == Expected::Success { "" } else { ", which must fail" };
            format!("run {} on {}{over}{fails}", trial.commands.join("; "), sha.short())
        }
        Intent::Push { branch, sha, .. } => format!("push {} to {branch}", sha.short()),
        Intent::OpenPull { head, base, .. } => format!("open the pull request from {head} to {base}"),
        Intent::Discard { keep_workspace: true, .. } => "tidy up; what its workspace holds is kept".to_owned(),
        Intent::Discard { keep_workspace: false, .. } => "remove the workspace".to_owned(),
        Intent::Merge { pull, head, .. } => format!("merge {pull} at {}", head.short()),
        Intent::Rerun { pull, head } => format!("have the checks of {pull} run again at {}", head.short()),
        Intent::DropBranch { branch, .. } => format!("delete the merged branch {branch}"),
    }
}

fn on_issue(on: Option<IssueNumber>) -> String {
    on.map_or_else(String::new, |on| format!(", on {on}"))
}

/// An event's line; none for what tells people nothing.
pub fn event(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { version, pid } => format!("forgehand {version} started (pid {pid})"),
        Event::Stopped => "forgehand stopped".to_owned(),
        Event::Commanded { command, .. } => format!("a person asked: {}", asked(command)),
        Event::Paused { what, until } => super::paused(what, *until),
        Event::Resumed { what } => format!("the pause of {what} is taken back"),
        Event::BudgetWarned { what, at_percent, spent, limit } => super::budget(what, *at_percent, *spent, *limit),
        Event::Surveyed { facts, .. } => {
            format!(
                "learned the project: Forgejo {}, as {}, into {}",
                facts.version, facts.login, facts.repository.default_branch
            )
        }
        Event::Troubled { trouble, .. } => format!("trouble: {}", super::trouble(trouble)),
        Event::Recovered { .. } => "the trouble is over".to_owned(),
        Event::Seen { issue, .. } => {
            let labels: Vec<&str> = issue.labels.iter().map(String::as_str).collect();
            format!("seen {}: {} [{}]", if issue.open { "open" } else { "closed" }, issue.title, labels.join(", "))
        }
        Event::Answered { by, .. } => format!("{by} answered"),
        Event::Depends { on, .. } if on.is_empty() => return None,
        Event::Depends { on, .. } => {
            let list: Vec<String> =
                on.iter().map(|d| format!("{}{}{}", d.repo, d.issue, if d.open { " (open)" } else { "" })).collect();
            format!("depends on {}", list.join(", "))
        }
        Event::FilesSought { sought, .. } => match &sought.result {
            Ok(found) if found.missing.is_empty() => format!("what its formula requires is on {}", found.branch),
            Ok(found) => format!("its formula requires {}, not there on {}", found.missing.join(", "), found.branch),
            Err(why) => format!("the files that its formula requires could not be looked for: {why}"),
        },
        Event::DependencySeen { dependency: d } => format!("{}{} is {}", d.repo, d.issue, if d.open { "open" } else { "closed" }),
        Event::PullSeen { state: PullState::Open, .. } => "the pull request is open again".to_owned(),
        Event::PullSeen { state: PullState::Closed, .. } => "the pull request was closed without a merge".to_owned(),
        Event::PullSeen { state: PullState::Merged, .. } => "the pull request was merged".to_owned(),
        Event::PullFound { pull, head, .. } => {
            format!("found pull request {pull} of ours open, at {}; it is taken over", head.short())
        }
        Event::PullForeign { pull, by, open: true, .. } => {
            format!("found pull request {pull} of {by} open from a branch of ours; it is left alone")
        }
        Event::PullForeign { pull, by, open: false, .. } => format!("pull request {pull} of {by} has ended"),
        Event::CommentFound { comment, .. } => {
            format!("found comment {comment} of ours that this journal does not know: it was restored from an old copy")
        }
        Event::Reported { .. } => "reported anew".to_owned(),
        Event::ChecksSeen { checks, changes_requested, conflicts, approved, asks, comments, weighed, .. } => {
            let mut who: Vec<String> = asks.iter().map(|ask| format!("; {} may ask for changes, and does", ask.by)).collect();
            who.extend(comments.iter().map(|comment| format!("; {} comments ({})", comment.by, comment.point)));
            let changes = if *changes_requested { "; a reviewer asks for changes" } else { "" };
            let conflicts = if *conflicts { "; it conflicts with its base" } else { "" };
            let approved = if *approved { "; its head is approved" } else { "" };
            let all = format!("the checks are now: {checks:?}{changes}{conflicts}{approved}").to_lowercase();
            let weighed = weighed.as_ref().map_or_else(String::new, |weighed| format!("; {}", merge::weighed(weighed)));
            format!("{all}{}{weighed}", who.concat())
        }
        Event::LabelsRead { meaning, .. } => return labels_read(*meaning),
        Event::Moved { trigger, to, .. } => {
            let to = to.map_or_else(|| "no decision label".to_owned(), |to| format!("{to:?}").to_lowercase());
            format!("goes to {to}: {}", moved(*trigger))
        }
        Event::Intended { intent: i, .. } => format!("… {}", intent(i)),
        Event::NotFound { key } => format!("looked up, not found: {key}"),
        Event::Ended { outcome, .. } => return ended(outcome),
        Event::RunStarted { run, formula, aside: Some(wanted), .. } => {
            format!("run {run} of {} begins beside the lifecycle, asked for {}", formula.name, wanted.by)
        }
        Event::RunStarted { run, formula, attempt, .. } => format!("run {run} of {} begins, attempt {attempt}", formula.name),
        Event::Scheduled { formula, cron: Some(cron), .. } => {
            format!("formula {formula} has the schedule {cron}; its times count from now on")
        }
        Event::Scheduled { formula, cron: None, .. } => format!("formula {formula} has no schedule any more"),
        Event::Asked { asked, .. } => format!("{} asks for formula {} in comment {}", asked.login, asked.formula, asked.comment),
        Event::Heard { .. } => return None,
        Event::Wanted { wanted, .. } => format!("a run of {} is wanted, asked for {}", wanted.formula, wanted.by),
        Event::Declined { formula, declined, .. } => format!("no run of {formula}: {}", self::declined(declined)),
        Event::SessionStarted { session, .. } => format!("  session {session}"),
        Event::Did { line, step, .. } => format!("  · {}{line}", of(step.as_ref())),
        Event::Called { call, step, .. } => format!(
            "  {}model call: {} ({} in, {} out, {}{})",
            of(step.as_ref()),
            call.model,
            call.input + call.cache_read + call.cache_write,
            call.output,
            call.cost,
            if call.cut { ", cut" } else { "" }
        ),
        Event::Advanced { how, step, .. } => return advanced(how, step),
        Event::Stopping { why, .. } => format!("is stopped: {}", stopped(*why)),
        Event::RunEnded { run, outcome: how, backoff_until, .. } => {
            let again = backoff_until.map_or_else(String::new, |until| format!("; tried again at {until}"));
            format!("run {run} ended: {}{again}", outcome(how))
        }
        Event::Vault { repo, what } => return super::vault::event(repo, what),
        Event::SignInRenewed { account, failed: Some(why) } => {
            format!("the sign-in of {} could not be renewed: {why}", super::account(account))
        }
        Event::SignInRenewed { account, failed: None } => {
            format!("the sign-in of {} can be used again", super::account(account))
        }
        Event::AccountPaused { until, why, account } => {
            let account = account.clone().unwrap_or_else(crate::model::AccountName::usual);
            format!("{} is paused until {until}: {why}", super::account(&account))
        }
        Event::Began { at, .. } if at.0 == 0 => return None,
        Event::Began { at, .. } => format!("the first look at the project, at {at}"),
        Event::Looked { .. } | Event::PullMoved { .. } | Event::Settled { .. } | Event::Obeyed { .. } => return None,
    })
}

fn asked(command: &Command) -> String {
    match command {
        Command::Retry { subject, given: None } => format!("retry {subject}"),
        Command::Retry { subject, given: Some(given) } => {
            let inputs = given.inputs.iter().map(|(name, value)| format!(" {name}={value}"));
            format!("retry {subject} by {}{}", given.formula, inputs.collect::<String>())
        }
        Command::Cancel { subject } => format!("cancel {subject}"),
        Command::Run { subject, wanted, .. } => format!("run {} on {subject}", wanted.formula),
        Command::Pause { what, until: None } => format!("pause {what}"),
        Command::Pause { what, until: Some(until) } => format!("pause {what} until {until}"),
        Command::Resume { what } => format!("resume {what}"),
    }
}

pub(super) fn declined(why: &Declined) -> String {
    match why {
        Declined::NoRights { login, .. } => format!("{login}, who asked for it, may not write to the repository"),
        Declined::Off => "it is not on for this project any more".to_owned(),
        Declined::About { now: About::Project } => "it is about the project now, and about no issue".to_owned(),
        Declined::About { now: About::Issue } => "it is about an issue now, and not about the project".to_owned(),
        Declined::Busy { run } => format!("run {run} of its group is at work"),
        Declined::Inputs { problem } => problem.clone(),
    }
}

fn labels_read(meaning: LabelsMean) -> Option<String> {
    Some(match meaning {
        LabelsMean::Standing { label: Some(label) } => format!("found standing: {label:?}").to_lowercase(),
        LabelsMean::Ordered { label } => format!("a person set the label of {label:?}").to_lowercase(),
        LabelsMean::SetByHand { label } => {
            format!("a person set the label of {label:?}, which only forgehand may: set back").to_lowercase()
        }
        LabelsMean::Foreign { label } => format!("another forgehand set the label of {label:?}").to_lowercase(),
        LabelsMean::TakenOff => "a person took the decision label off".to_owned(),
        LabelsMean::Standing { label: None } | LabelsMean::Leftover => return None,
    })
}

fn moved(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::TriagedQueue => "triage says an agent can do it",
        Trigger::TriagedPerson => "triage leaves it to a person",
        Trigger::TriagedQuestion => "triage has a question",
        Trigger::HandedOver => "another formula goes on",
        Trigger::Answered => "the question was answered, or the text edited",
        Trigger::Unanswered => "nobody answered, or nobody can",
        Trigger::Dispatched => "an agent begins",
        Trigger::PullOpened => "verified, and the pull request is open",
        Trigger::FailedForGood => "failed for good",
        Trigger::Requeued => "it may pass the next time",
        Trigger::NeedsPerson => "a person must decide on it",
        Trigger::Orphaned => "nobody known was at work on it",
        Trigger::PullFound => "our pull request is open",
        Trigger::ReviseAsked => "the pull request has to be revised",
        Trigger::ReviseAgain => "the revision may pass the next time",
        Trigger::Disputed => "what is asked of the pull request is not settled by revising it",
        Trigger::Merged => "merged",
        Trigger::MoreToDo => "merged, and there is more to do",
        Trigger::ClosedUnmerged => "the pull request was closed without a merge",
        Trigger::PersonQueued => "a person asked for work",
        Trigger::PersonInteractive => "a person takes it",
        Trigger::PersonNeedsInfo => "a person says that something is missing",
        Trigger::LabelTakenOff => "a person took the label off",
        Trigger::PersonClosed => "it was closed",
    }
}

fn stopped(why: StopWhy) -> &'static str {
    match why {
        StopWhy::Person => "a person asked for it",
        StopWhy::Closed => "the issue was closed",
        StopWhy::Moot => "what it was started for is no longer so",
        StopWhy::Replaced => "another run of its group takes its place",
        StopWhy::ClaimLost => "the claim was lost",
        StopWhy::PullEnded => "the pull request is not open any more",
    }
}

/// Whose line it is, where several are at work.
fn of(step: Option<&StepId>) -> String {
    step.map_or_else(String::new, |step| format!("{step}: "))
}

fn advanced(how: &Advance, step: &StepId) -> Option<String> {
    match how {
        Advance::Next | Advance::Begun | Advance::Worked { .. } => None,
        Advance::Kept { kept } => Some(format!("  kept as {} on branch {} at {}", kept.name, kept.branch, kept.sha.short())),
        Advance::Held { probe, why } => Some(format!("  {probe} is not mended: {why}")),
        Advance::Started { wanted, on } => Some(format!("  step {step} starts {} on {on}", wanted.formula)),
        Advance::Promised { wanted } => Some(format!("  when it is merged, {} goes on with it", wanted.formula)),
        Advance::Listed { planned } => Some(format!("  step {step} files {}", super::counted(planned.len() as u64, "issue"))),
        Advance::Replying { planned } => Some(format!("  step {step} answers {}", super::counted(planned.len() as u64, "point"))),
        Advance::Skipped { why: Skipped::Condition { when } } => Some(format!("  step {step} is skipped: {when} does not hold")),
        Advance::Skipped { why: Skipped::Needs { step: other } } => Some(format!("  step {step} is skipped, as {other} was")),
        Advance::Each { items } => {
            let call = step.as_str().strip_suffix(INPUTS).and_then(|call| call.strip_suffix('.')).unwrap_or(step.as_str());
            Some(format!("  step {call} is done for each of {}", super::counted(items.len() as u64, "item")))
        }
        Advance::ItemDone { item, of } => Some(format!("  step {step}: item {item} of {of} is done")),
        Advance::PutForward { pull } => Some(format!("  {pull} is put forward to be merged; step {step} waits for that")),
        Advance::SteppedBack { action } => {
            Some(format!("  the action {action} is not over: the run steps back from step {step} until it is"))
        }
        Advance::TakenUp => Some(format!("  the run goes on at step {step}")),
        Advance::Opened { output: Some(left) } if left.get("merged").is_some() => Some(waited(step, left)),
        Advance::Opened { .. } => Some(format!("  the gate {step} opened")),
        Advance::AnswerAgain { why } => Some(format!("  the answer was not valid ({why}); asked again")),
        Advance::Again { resume: true } => Some("  the turn was cut; the session is resumed".to_owned()),
        Advance::Again { resume: false } => Some("  the turn was cut; the step starts afresh on the kept commits".to_owned()),
        Advance::Back { to, .. } => Some(format!("  step {step} failed; its output goes back to step {to}")),
        Advance::Retry { outcome: how, until } => {
            Some(format!("  step {step} failed ({}); it is done again at {until}", outcome(how)))
        }
        Advance::Failed { outcome: how } => {
            Some(format!("  step {step} failed ({}); what works beside it is stopped", outcome(how)))
        }
    }
}

fn ended(ended: &Outcome) -> Option<String> {
    Some(match ended {
        Outcome::Claimed { until, .. } => format!("  claimed until {until}"),
        Outcome::ClaimHeld { by, until } => format!("  journal {by} holds the claim until {until}"),
        Outcome::ClaimLost => "  somebody was faster with the claim".to_owned(),
        Outcome::Labelled { people, .. } if !people.is_empty() => {
            let people: Vec<String> = people.iter().map(|label| format!("{label:?}").to_lowercase()).collect();
            format!("  a person set the label of {} meanwhile; it stays", people.join(" and of "))
        }
        Outcome::Prepared { base, tip, over, open, revision, merged, tasks, host, last_tag, .. } => {
            let asked = revision.as_deref().map_or_else(String::new, |revision| {
                let points = super::counted(revision.points.len() as u64, "open point");
                let red = if revision.checks == Checks::Failure { ", red checks" } else { "" };
                let conflict = if revision.conflicts { ", a conflict" } else { "" };
                format!("; {points}{red}{conflict}")
            });
            let merged = merged.as_deref().map_or_else(String::new, |merged| match merged.head == *base {
                true => "; it has its base behind it".to_owned(),
                false => format!("; with its base merged it is {}", merged.head.short()),
            });
            let over = over.as_ref().map_or("", |_| "; its formula is that of the base branch");
            let tip = tip.as_ref().map_or_else(String::new, |tip| format!(", the branch is at {}", tip.short()));
            let open = open.as_deref().map_or_else(String::new, |open| {
                let more = if open.cut { " (there are more)" } else { "" };
                format!("; {}{more}", super::counted(open.items.len() as u64, "open issue"))
            });
            let tasks = tasks
                .as_deref()
                .map_or_else(String::new, |tasks| format!("; {}", super::counted(tasks.items.len() as u64, "task")));
            let host = host.as_deref().map_or_else(String::new, |host| {
                let failing: Vec<&str> = host.probes.iter().filter(|p| !p.is_well()).map(|p| p.name.as_str()).collect();
                let probes = super::counted(host.probes.len() as u64, "probe");
                let how = if failing.is_empty() { "all well".to_owned() } else { format!("not well: {}", failing.join(", ")) };
                format!("; {probes}, {how}")
            });
            let since = last_tag.as_deref().map_or_else(String::new, |tag| {
                let since = if tag.name.is_empty() {
                    "and no tag".to_owned()
                } else {
                    format!("since {}", crate::text::clean(&tag.name))
                };
                format!("; {} {since}", super::counted(tag.commits, "commit"))
            });
            format!("  starts from {}{tip}{over}{open}{tasks}{host}{since}{merged}{asked}", base.short())
        }
        Outcome::SetUp => "  set up".to_owned(),
        Outcome::FormulaRefused { why } => format!("  the formula of the base branch cannot be used: {why}"),
        Outcome::NothingThere { branch: None } => "  the repository has no commit yet".to_owned(),
        Outcome::NothingThere { branch: Some(branch) } => format!("  there is no branch {branch} to start from"),
        Outcome::AgentEnded { how, output, .. } => match output {
            Ok(_) => format!("  the agent's turn: {}", how.word()),
            Err(why) => format!("  the agent's turn: {} ({why})", how.word()),
        },
        Outcome::Taken { judged: Ok(change) } => {
            let (commits, files) = (super::counted(change.commits, "commit"), super::counted(change.files.len() as u64, "file"));
            format!("  {commits}, {files}, +{} -{}", change.added, change.removed)
        }
        Outcome::Taken { judged: Err(why) } => format!("  refused: {}", refusal(why)),
        Outcome::Verified { evidence } => {
            let list: Vec<String> = evidence
                .commands
                .iter()
                .map(|c| {
                    format!(
                        "`{}` {} in {:.1} s",
                        c.command,
                        if c.exit == Some(0) { "passed" } else { "failed" },
                        c.millis as f64 / 1e3
                    )
                })
                .collect();
            format!("  {}", list.join(", "))
        }
        Outcome::PushStale { .. } => "  the branch is not where it was left: nothing was pushed".to_owned(),
        Outcome::PullOpened { pull } => format!("  pull request {pull}"),
        Outcome::Reviewed { counts: false } => {
            "  said as a comment: the account that opened a pull request may not judge it (give the agent an identity of its own)"
                .to_owned()
        }
        Outcome::Filed { issue, unlinked: false, .. } => format!("  issue {issue}"),
        Outcome::Filed { issue, unlinked: true, .. } => {
            format!("  issue {issue}; the forge keeps no dependencies here, so nothing waits for it")
        }
        Outcome::Kept { path, pull: Some(pull), left: Some(why), .. } => {
            format!("  {path} is asked for already by pull request {pull} there, which stays as it is: {why}")
        }
        Outcome::Kept { path, pull: Some(pull), commit: None, .. } => {
            format!("  {path}: pull request {pull} there says so already")
        }
        Outcome::Kept { path, commit: None, .. } => format!("  {path} says so already"),
        Outcome::Kept { path, commit: Some(commit), pull: None, .. } => format!("  {path} at {}", commit.short()),
        Outcome::Kept { path, pull: Some(pull), .. } => format!("  {path}, asked for by pull request {pull} there"),
        Outcome::VaultAsked(ask) => {
            let what = format!("the action {}, {}", ask.id, super::risk(ask.tier));
            match (ask.pull, &ask.left, &ask.commit) {
                (Some(pull), Some(why), _) => format!("  {what}: pull request {pull} there stays as it is: {why}"),
                (Some(pull), None, None) => format!("  {what}: pull request {pull} there asks for it already"),
                (Some(pull), None, Some(_)) => format!("  {what}, asked for by pull request {pull} there"),
                (None, _, Some(commit)) => format!("  {what}, approved by the policy at {}", commit.short()),
                (None, _, None) => format!("  {what} stands there already"),
            }
        }
        Outcome::Mended { end: None, probed } => format!("  {} is well, nothing was run", probed.name),
        Outcome::Mended { end: Some(end), probed } => {
            let well = if probed.is_well() { "well now" } else { "still not well" };
            let how = end.code().map_or_else(|| end.word().to_owned(), |code| format!("exit {code}"));
            format!("  {} is {well}, after its mend ({how})", probed.name)
        }
        Outcome::Failed { failure } => format!("  failed: {}", failure.why),
        Outcome::Merged => "  merged".to_owned(),
        Outcome::MergeRefused { why } => format!("  the forge did not merge it: {why}"),
        Outcome::Reran(Rerun::Begun) => "  they run again".to_owned(),
        Outcome::Reran(Rerun::Not { why }) => format!("  they do not: {why}"),
        Outcome::BranchLeft { why } => format!("  it stays: {why}"),
        Outcome::Discarded { kept: Some(kept) } => format!("  the workspace is kept in {}", kept.display()),
        Outcome::Cut => "  cut".to_owned(),
        Outcome::Released
        | Outcome::Labelled { .. }
        | Outcome::Relabelled { .. }
        | Outcome::Said { .. }
        | Outcome::Unsaid
        | Outcome::Closed
        | Outcome::Reopened
        | Outcome::Rewritten { .. }
        | Outcome::Replied
        | Outcome::Reviewed { counts: true }
        | Outcome::Pushed
        | Outcome::BranchGone
        | Outcome::Discarded { kept: None } => {
            return None;
        }
    })
}

/// What became of a pull request that a step put forward.
fn waited(step: &StepId, left: &serde_json::Value) -> String {
    match (left["merged"].as_bool(), left["why"].as_str()) {
        (Some(true), _) => format!("  step {step} goes on: it is merged"),
        (_, Some(why)) => format!("  step {step} goes on without a merge: {why}"),
        (_, None) => format!("  step {step} goes on without a merge"),
    }
}
