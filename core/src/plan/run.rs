//! The next thing that a live run needs: a state machine over the steps of its formula.

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::ledger::{InWork, IssueState, Obstacle, Prepared, RunState, StepState, StepStatus};
use crate::model::{
    Access, AccountName, Advance, Change, Cost, Decision, Event, Expression, Formula, FormulaName, HandOutcome, Intent, Lane,
    Proposal, Route, RunOutcome, RunsOn, Saying, Step, StepKind, StopWhy, Subject, Told, Trigger, Wait, Wanted, WantedBy,
};

use super::admit::Candidate;
use super::beside::busy;
use super::each::done;
use super::forward::was_put_forward;
use super::revise::revised;
use super::revise::{is_revision, is_unfit, once_more};
use super::start::in_other_hands;
use super::{Action, Context, Next, ProjectPolicy};

/// How often a cut session is resumed; after that the step starts afresh on the kept commits.
const RESUMES: u32 = 2;

/// Whether a step may change its workspace.
pub fn writes(step: &Step) -> bool {
    matches!(step.kind, StepKind::Agent { access: Access::Write, .. })
}

/// A run that lives, and the issue that it is about.
#[derive(Clone, Copy)]
pub(super) struct Live<'a> {
    pub(super) subject: &'a Subject,
    pub(super) state: &'a IssueState,
    pub(super) run: &'a RunState,
}

/// A step of a run that is in work.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) live: Live<'a>,
    pub(super) step: &'a Step,
    pub(super) at: &'a InWork,
}

impl<'a> Deref for Here<'a> {
    type Target = Live<'a>;

    fn deref(&self) -> &Live<'a> {
        &self.live
    }
}

impl Context<'_> {
    /// What the live run needs now.
    pub(super) fn run(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let run = state.live_run()?;
        let live = Live { subject, state, run };
        if let Some(why) = run.stopping {
            return Some(self.stopped(live, why));
        }
        if let Some((step, outcome)) = &run.failing {
            return Some(self.ends(live, run.at(step).and_then(|at| at.account.as_ref()), outcome.clone()));
        }
        if let Some(outcome) = in_the_way(run) {
            return Some(self.end_run(live, outcome));
        }
        let Some(prepared) = &run.prepared else {
            let open = state.pull.as_ref().is_some_and(|p| p.state == crate::model::PullState::Open);
            let on_branch = open && !run.formula.keeps_branch();
            return Some(self.local(subject, Intent::Prepare { run: run.id.clone(), on_branch }));
        };
        if let Some(ended) = self.pull_ended(live) {
            return Some(ended);
        }
        if state.at == Some(Decision::Pr) && run.formula.revises() && !run.aside {
            return Some(self.begin_revision(live));
        }
        let working = run.formula.steps.iter().any(writes);
        if working && state.at == Some(Decision::Queue) && !run.aside {
            return Some(self.dispatch(live, prepared));
        }
        // On a closed issue the last word was said.
        let told = || self.labels_write(subject, state).or_else(|| self.status(subject, state, project));
        let shown = if run.at_end && !state.seen.open { None } else { told() };
        Some(shown.unwrap_or_else(|| self.set_up(live, project).unwrap_or_else(|| self.steps(live))))
    }

    /// Whoever writes finds the workspace set up; who only reads needs none of it.
    fn set_up(&self, live: Live<'_>, project: &ProjectPolicy) -> Option<Next> {
        let Live { subject, run, .. } = live;
        // Whether a step is done that has a condition is known when that was decided.
        let begins = run.steps_in_work().any(|(step, at)| writes(step) && (at.begun || step.when.is_none()));
        let wanted = project.sets_up && !run.set_up && begins;
        wanted.then(|| self.local(subject, Intent::SetUp { run: run.id.clone() }))
    }

    /// The same where others of the run are at work already: it takes a slot, and its turn.
    pub(super) fn set_up_first(&self, here: Here<'_>) -> Option<Next> {
        let Here { step, at, live: Live { subject, state, run } } = here;
        let project = self.policy.projects.get(&subject.repo)?;
        let begins = writes(step) && (at.begun || step.when.is_none());
        if !begins || !project.sets_up || run.set_up {
            return None;
        }
        if state.open.contains_key(&Lane::Main) {
            return Some(Next::Wait(busy(here.live)));
        }
        let wait = self.retry_wait(subject, state).map(Next::Wait);
        Some(wait.unwrap_or_else(|| self.hand(here, Intent::SetUp { run: run.id.clone() })))
    }

    /// What was read when the run was prepared may say that it is not wanted any more.
    fn dispatch(&self, live: Live<'_>, prepared: &Prepared) -> Next {
        let Live { subject, state, run } = live;
        let ours = prepared.tip.as_ref().is_none_or(|tip| {
            let open_pull = state.pull.as_ref().is_some_and(|p| p.state == crate::model::PullState::Open);
            let known = state.tip.as_ref().is_some_and(|t| t.sha == *tip) || state.pushing.as_ref() == Some(tip);
            // A journal that was lost knows of no tip; its commits still say who made them.
            let left = known || prepared.tip_ours;
            // Somebody's pull request would change under their hands.
            open_pull || (left && state.foreign.is_none())
        });
        if !ours {
            return self.end_run(live, RunOutcome::BranchTaken { branch: run.branch.clone() });
        }
        if self.changed_since_triage(state) {
            let stop = Event::Stopping { run: run.id.clone(), why: StopWhy::Moot };
            return Next::Act(Action::Record(vec![stop]));
        }
        Next::Act(Action::Record(self.moved(subject, state, Trigger::Dispatched)))
    }

    fn stopped(&self, live: Live<'_>, why: StopWhy) -> Next {
        let Live { subject, state, run } = live;
        let mut events = vec![ended(run, RunOutcome::Hand { how: HandOutcome::Cancelled }, false, None)];
        let again = matches!(why, StopWhy::ClaimLost | StopWhy::Replaced);
        if again && state.at == Some(Decision::Working) && !run.aside {
            events.extend(self.moved(subject, state, once_more(run)));
        }
        if why == StopWhy::PullEnded && !run.aside {
            events.extend(self.moved(subject, state, Trigger::PullOpened));
        }
        Next::Act(Action::Record(events))
    }

    /// Local work starts only while the daemon is not about to end.
    fn local(&self, subject: &Subject, intent: Intent) -> Next {
        if self.view.halting { Next::Wait(Wait::Draining) } else { Next::Act(Action::Do { subject: subject.clone(), intent }) }
    }

    /// Work of a hand: a run holds one slot while it does not rest, and one for each hand that works for it.
    pub(super) fn hand(&self, here: Here<'_>, intent: Intent) -> Next {
        match here.run.parked || here.state.hands().next().is_some() {
            true => Next::Candidates(vec![Candidate::resume(here.subject, here.run, intent)]),
            false => self.local(here.subject, intent),
        }
    }

    /// What belongs to what a hand did, and needs its slot.
    fn hand_goes_on(&self, here: Here<'_>, intent: Intent) -> Next {
        match here.state.hands().next().is_some() {
            true => self.hand(here, intent),
            false => self.local(here.subject, intent),
        }
    }

    /// What a step needs now.
    pub(super) fn step(&self, here: Here<'_>) -> Next {
        let step = here.step;
        let decided = self.order(here).or_else(|| self.call_over(here)).or_else(|| self.not_yet(here));
        if let Some(decided) = decided.or_else(|| self.each(here)) {
            return decided;
        }
        match &step.kind {
            StepKind::Agent { access, commits, .. } => self.agent(here, *access, commits.as_ref()),
            StepKind::Verify { .. } | StepKind::Run { .. } => self.verify(here),
            StepKind::Propose(proposal) => self.propose(here, proposal),
            StepKind::Gate(gate) => self.gate(here, gate),
            StepKind::Enter { with, inputs, .. } => self.enter(here, with, inputs),
            StepKind::Leave { outcomes, of } => self.leave(here, outcomes, *of),
        }
    }

    fn agent(&self, here: Here<'_>, access: Access, commits: Option<&Expression>) -> Next {
        let Here { step, at, live: Live { run, .. } } = here;
        match &at.state {
            StepState::Ready { told, resume } => self.turn(here, told, *resume),
            StepState::AgentEnded { how: HandOutcome::Succeeded, output: Ok(output), .. } => match access {
                Access::Write => match self.commits(here, commits, output) {
                    Ok(true) => self.hand_goes_on(here, Intent::Take { run: run.id.clone(), step: step.id.clone() }),
                    Ok(false) => done(here),
                    Err(outcome) => self.end(here, outcome),
                },
                Access::Read => done(here),
            },
            StepState::AgentEnded { how: HandOutcome::Succeeded, output: Err(why), .. } if !at.asked_again => {
                advance(here, Advance::AnswerAgain { why: why.clone() })
            }
            StepState::AgentEnded { how: HandOutcome::Succeeded, output: Err(why), .. } => self.no_answer(here, why),
            StepState::AgentEnded { how: HandOutcome::Interrupted, resumable, .. } => {
                advance(here, Advance::Again { resume: *resumable && at.cuts < RESUMES })
            }
            StepState::AgentEnded { how, .. } => self.end(here, RunOutcome::Hand { how: how.clone() }),
            StepState::Taken { judged: Ok(_) } => done(here),
            StepState::Taken { judged: Err(refusal) } => self.end(here, RunOutcome::BundleRefused { refusal: refusal.clone() }),
            _ => self.unexpected(here),
        }
    }

    fn turn(&self, here: Here<'_>, told: &Told, resume: bool) -> Next {
        let Here { step, at, live: Live { run, .. } } = here;
        let budget = self.policy.usd_run_of(&run.formula);
        if budget.minus(run.cost).0 == 0 {
            let of = if budget < self.policy.usd_run { "budget_usd of its formula" } else { "usd_run" };
            let limit = format!("{of} ({budget})");
            return self.end(here, RunOutcome::Hand { how: HandOutcome::Budget { limit } });
        }
        let StepKind::Agent { role, hire, .. } = &step.kind else { return self.unexpected(here) };
        if let Some(outcome) = in_other_hands(here) {
            return self.end(here, outcome);
        }
        let member = self.policy.crew.of_step(role, hire);
        let account = match self.account(member) {
            Ok(account) => account,
            Err(wait @ (Wait::NoCredentials | Wait::Renewing { .. } | Wait::SignInEnded { .. })) => return Next::Wait(wait),
            // A limit that came while it was at work: the provider says whether it may go on.
            Err(_) => at.account.clone().or_else(|| member.accounts.first().cloned()),
        };
        let (session, resume) = match run.sessions.get(&step.id) {
            Some(session) if resume => (session.clone(), true),
            _ => (session_id(run), false),
        };
        let intent = Intent::Agent {
            run: run.id.clone(),
            step: step.id.clone(),
            session,
            resume,
            told: told.clone(),
            agent: Some(member.name.clone()),
            model: member.model_for(hire, run.grant.as_ref()),
            account,
        };
        self.hand(here, intent)
    }

    /// No valid answer, also when asked again. A formula that only reads is routed to a person; one that writes has failed.
    fn no_answer(&self, here: Here<'_>, why: &str) -> Next {
        let outcome = match here.run.formula.steps.iter().any(writes) {
            false => RunOutcome::InvalidOutput { why: why.to_owned() },
            true => {
                RunOutcome::Hand { how: HandOutcome::Crashed { why: format!("no valid answer, also when asked again: {why}") } }
            }
        };
        self.end(here, outcome)
    }

    fn propose(&self, here: Here<'_>, proposal: &Proposal) -> Next {
        let at = here.at;
        match (proposal, &at.state) {
            (Proposal::PullRequest { then: Some(then), .. }, StepState::Proposed) => self.promise(here, then),
            (_, StepState::Proposed) => done(here),
            (Proposal::Start { start, .. }, StepState::Ready { .. }) => self.start_another(here, proposal, start),
            (
                Proposal::Comment { .. } | Proposal::Labels { .. } | Proposal::Close { .. } | Proposal::UpdateIssue { .. },
                StepState::Ready { .. },
            ) => self.on_an_issue(here, proposal),
            (Proposal::Issue { .. } | Proposal::SubIssues { .. }, StepState::Ready { .. } | StepState::Filing { .. }) => {
                self.file(here, proposal)
            }
            (
                Proposal::PullRequest { .. } | Proposal::Branch { .. },
                StepState::Ready { .. } | StepState::Pushed | StepState::PushStale { .. },
            ) => self.publish(here, proposal),
            (Proposal::Reopen, StepState::Ready { .. }) => {
                let intent = Intent::Reopen { run: here.run.id.clone(), step: here.step.id.clone() };
                Next::Act(Action::Do { subject: here.subject.clone(), intent })
            }
            (Proposal::Review { verdict, .. }, StepState::Ready { .. }) => self.review(here, verdict),
            (Proposal::Merge, StepState::Ready { .. } | StepState::PutForward { .. }) => self.put_forward(here),
            (Proposal::Push, StepState::Ready { .. } | StepState::Pushed | StepState::PushStale { .. }) => {
                self.push_to_pull(here)
            }
            (Proposal::Replies { items }, StepState::Ready { .. }) => self.replies(here, items),
            (Proposal::Replies { .. }, StepState::Replying { planned, done }) => self.reply(here, planned, *done),
            (Proposal::File { content, repo, .. }, StepState::Ready { .. }) => self.keep_file(here, content, repo.clone()),
            (Proposal::VaultAction { action, asks, .. }, StepState::Ready { .. }) => self.ask_vault(here, action, asks),
            (Proposal::Mend { probe }, StepState::Ready { .. }) => self.mend(here, probe),
            (_, _) => self.unexpected(here),
        }
    }

    /// What a step asks about an issue that stands there: the run's own, or one that it names.
    fn on_an_issue(&self, here: Here<'_>, proposal: &Proposal) -> Next {
        let on = match self.target(here, proposal) {
            Ok(on) => on,
            Err(outcome) => return self.end(here, outcome),
        };
        let Here { step, live: Live { subject, state, run }, .. } = here;
        let (id, of) = (run.id.clone(), step.id.clone());
        let intent = match (proposal, on) {
            (Proposal::Labels { .. }, on) => Intent::Relabel { run: id, step: of, on },
            (Proposal::UpdateIssue { tick, .. }, on) => match self.ticked(here, tick.as_ref()) {
                Ok(tick) => Intent::Rewrite { run: id, step: of, on, tick },
                Err(outcome) => return self.end(here, outcome),
            },
            (Proposal::Close { .. }, None) => Intent::Close,
            (Proposal::Close { .. }, Some(on)) => Intent::CloseNamed { run: id, step: of, on },
            (Proposal::Comment { .. }, None) if is_breakdown(&run.formula, step) => {
                let edit = state.triaged.as_ref().and_then(|t| t.breakdown);
                Intent::Say { what: Saying::Proposed { run: id, step: of }, edit, replaces: None, if_there: false }
            }
            (Proposal::Comment { .. }, on) => {
                let edit = state.note_of(run, &step.id, on);
                Intent::Say { what: Saying::Note { run: id, step: of, on }, edit, replaces: None, if_there: false }
            }
            (
                Proposal::PullRequest { .. }
                | Proposal::Branch { .. }
                | Proposal::Reopen
                | Proposal::Issue { .. }
                | Proposal::SubIssues { .. }
                | Proposal::Review { .. }
                | Proposal::Push
                | Proposal::Merge
                | Proposal::Replies { .. }
                | Proposal::Start { .. }
                | Proposal::Mend { .. }
                | Proposal::File { .. }
                | Proposal::VaultAction { .. },
                _,
            ) => return self.unexpected(here),
        };
        Next::Act(Action::Do { subject: subject.clone(), intent })
    }

    fn publish(&self, here: Here<'_>, proposal: &Proposal) -> Next {
        let Here { step, at, live: Live { subject, run, .. } } = here;
        let (Some(change), Some(prepared)) = (&run.change, &run.prepared) else {
            return self.unexpected(here);
        };
        match &at.state {
            StepState::Pushed if !change.person_paths.is_empty() => {
                self.end(here, RunOutcome::NeedsPerson { paths: change.person_paths.clone() })
            }
            StepState::Pushed => match proposal {
                Proposal::Branch { keep, commands } => self.keep(here, keep, commands.as_ref()),
                _ => {
                    let intent = Intent::OpenPull {
                        run: run.id.clone(),
                        step: step.id.clone(),
                        head: run.branch.clone(),
                        base: prepared.base_branch.clone(),
                        sha: change.head.clone(),
                    };
                    Next::Act(Action::Do { subject: subject.clone(), intent })
                }
            },
            StepState::PushStale { .. } => self.end(here, RunOutcome::BranchTaken { branch: run.branch.clone() }),
            _ => self.push(here, change),
        }
    }

    /// What was verified goes to the branch of the pull request that is open.
    fn push_to_pull(&self, here: Here<'_>) -> Next {
        let run = here.run;
        let Some(change) = &run.change else { return self.unexpected(here) };
        if revised(here.live).is_none() {
            let summary = "there is no open pull request to revise".to_owned();
            return self.end(here, RunOutcome::NoChange { summary });
        }
        match &here.at.state {
            StepState::Pushed if !change.person_paths.is_empty() => {
                self.end(here, RunOutcome::NeedsPerson { paths: change.person_paths.clone() })
            }
            StepState::Pushed => done(here),
            StepState::PushStale { .. } => self.end(here, RunOutcome::BranchTaken { branch: run.branch.clone() }),
            _ => self.push(here, change),
        }
    }

    /// The lease is where this run left the branch, or where it was when the run began: absent, where we left it, or at a pull request's head
    /// with people's commits.
    fn push(&self, here: Here<'_>, change: &Change) -> Next {
        let Live { subject, run, .. } = here.live;
        if change.person_paths.is_empty() && !self.verified(run, change) {
            return match run.evidence.clone().filter(|evidence| evidence.sha == change.head) {
                Some(evidence) => self.end(here, RunOutcome::VerificationFailed { evidence }),
                None => self.unexpected(here),
            };
        }
        if let Some(branch) = self.taken(here.live) {
            return self.end(here, RunOutcome::BranchTaken { branch });
        }
        let lease = run.pushed.clone().or_else(|| run.prepared.as_ref().and_then(|p| p.tip.clone()));
        let intent = Intent::Push { run: run.id.clone(), sha: change.head.clone(), branch: run.branch.clone(), lease };
        Next::Act(Action::Do { subject: subject.clone(), intent })
    }

    /// Evidence moves labels, prose never does: only the exact commit that was verified is proposed.
    fn verified(&self, run: &RunState, change: &Change) -> bool {
        let on_change = |kind: &StepKind| match kind {
            StepKind::Verify { .. } => true,
            StepKind::Run { on, .. } => *on == RunsOn::Change,
            _ => false,
        };
        !run.formula.steps.iter().any(|step| on_change(&step.kind)) || run.is_proved(&change.head)
    }

    /// A formula whose steps do not fit together: its loader should have refused it.
    pub(super) fn unexpected(&self, here: Here<'_>) -> Next {
        let (step, name, at) = (&here.step.id, &here.run.formula.name, &here.at.state);
        let why = format!("step {step} of formula {name} cannot go on from {at:?}");
        self.end(here, RunOutcome::Environment { why: why.chars().take(400).collect() })
    }

    /// The end of a run by one of its steps, unless that is done again. Those who work beside it are stopped first.
    pub(super) fn end(&self, here: Here<'_>, outcome: RunOutcome) -> Next {
        if let Some(again) = self.again(here, &outcome) {
            return again;
        }
        match here.state.is_busy() {
            true => advance(here, Advance::Failed { outcome }),
            false => self.ends(here.live, here.at.account.as_ref(), outcome),
        }
    }

    /// The end of a run by what is no step's doing.
    pub(super) fn end_run(&self, live: Live<'_>, outcome: RunOutcome) -> Next {
        self.ends(live, live.run.account.as_ref(), outcome)
    }

    /// The end of a run, and where its issue goes by it. Its last agent worked on this account.
    fn ends(&self, live: Live<'_>, account: Option<&AccountName>, outcome: RunOutcome) -> Next {
        let Live { subject, state, run } = live;
        if run.aside {
            return self.end_aside(live, account, outcome);
        }
        // Somebody pushed to the pull request meanwhile: what they did is kept, and the next attempt goes on from there.
        let moved_on = matches!(outcome, RunOutcome::BranchTaken { .. }) && is_revision(run);
        // What does not go together with its base is for an agent: the same again would come to the same.
        let unfit = is_unfit(run, &outcome);
        let cost = match () {
            () if moved_on => Cost::Attempt,
            () if unfit => Cost::Final,
            () => outcome.cost(),
        };
        let spent = match cost {
            Cost::Attempt => state.attempts + 1,
            Cost::Pause => state.setup_failures + 1,
            Cost::Nothing | Cost::Final => state.attempts,
        };
        let pauses = matches!(cost, Cost::Attempt | Cost::Pause);
        let again = match cost {
            Cost::Nothing => true,
            Cost::Attempt | Cost::Pause => spent < self.policy.attempts_of(&run.formula),
            Cost::Final => false,
        };
        let backoff = (pauses && again).then(|| self.now + self.policy.backoff_after(spent));
        let trigger = if again || unfit { once_more(run) } else { verdict(state, run, &outcome) };
        let mut events: Vec<Event> = self.pause(account, &outcome).into_iter().collect();
        events.push(ended(run, outcome, cost == Cost::Attempt, backoff));
        if !closed(live) {
            events.extend(self.moved(subject, state, trigger));
        }
        Next::Act(Action::Record(events))
    }

    /// A run beside the lifecycle is not tried again by itself: whoever wanted it may ask again. It moves the issue only by who it says goes on,
    /// where the table has a row for that.
    fn end_aside(&self, live: Live<'_>, account: Option<&AccountName>, outcome: RunOutcome) -> Next {
        let Live { subject, state, run } = live;
        let mut events: Vec<Event> = self.pause(account, &outcome).into_iter().collect();
        let moved = match &outcome {
            _ if was_opened_again(live) => self.moved(subject, state, Trigger::MoreToDo),
            RunOutcome::Routed { .. } if !closed(live) => self.moved(subject, state, verdict(state, run, &outcome)),
            RunOutcome::HandedOver { to, .. } => vec![handed_on(live, to)],
            RunOutcome::Succeeded { pull: Some(_) } if run.pull.is_some() && !was_put_forward(run) => {
                self.moved(subject, state, Trigger::PullOpened)
            }
            _ => Vec::new(),
        };
        events.push(ended(run, outcome, false, None));
        events.extend(moved);
        Next::Act(Action::Record(events))
    }
}

/// Whether a step's comment is what whoever works on the issue reads: the first one of the formula that the intake's label starts.
fn is_breakdown(formula: &Formula, step: &Step) -> bool {
    let comments = |step: &&Step| step.for_each.is_none() && matches!(step.kind, StepKind::Propose(Proposal::Comment { .. }));
    formula.takes_in() && formula.steps.iter().find(comments).is_some_and(|first| first.id == step.id)
}

/// Whether the run closed its issue, or began when it was closed: that goes where every closed one goes, whatever the run ends as.
fn closed(live: Live<'_>) -> bool {
    (live.run.closed || live.run.at_end) && !live.state.seen.open
}

/// Whether the run went on after the merge of a pull request, and left the issue open by one of its steps.
fn was_opened_again(live: Live<'_>) -> bool {
    let Live { state, run, .. } = live;
    let opened =
        |step: &Step| matches!(step.kind, StepKind::Propose(Proposal::Reopen)) && run.status(&step.id) == Some(StepStatus::Done);
    state.at == Some(Decision::Pr) && run.at_end && state.seen.open && run.formula.steps.iter().any(opened)
}

/// What is no agent's doing and ends the run.
fn in_the_way(run: &RunState) -> Option<RunOutcome> {
    run.obstacle.as_ref().map(|obstacle| match obstacle {
        Obstacle::Broken { why } => RunOutcome::Environment { why: why.clone() },
        Obstacle::Unusable { why } => RunOutcome::FormulaRefused { why: why.clone() },
        Obstacle::SetupFailed { why } => RunOutcome::SetupFailed { why: why.clone() },
    })
}

/// Beside the lifecycle the formula that goes on does so there too, once its own requirements hold.
fn handed_on(live: Live<'_>, to: &FormulaName) -> Event {
    let by = WantedBy::HandOver { from: live.run.formula.name.clone() };
    let wanted = Wanted { formula: to.clone(), inputs: BTreeMap::new(), by };
    Event::Wanted { subject: live.subject.clone(), wanted }
}

/// The row's trigger for a run that is not tried again.
fn verdict(state: &IssueState, run: &RunState, outcome: &RunOutcome) -> Trigger {
    let handed = !run.aside && state.hand.as_ref() == Some(&run.formula.name);
    match outcome {
        RunOutcome::HandedOver { .. } => Trigger::HandedOver,
        RunOutcome::Succeeded { pull: Some(_) } => Trigger::PullOpened,
        RunOutcome::Routed { to: Route::Interactive, .. } => Trigger::TriagedPerson,
        RunOutcome::Routed { to: Route::NeedsInfo, .. } => Trigger::TriagedQuestion,
        // Whoever worked on it cannot give it back to be worked on: that would have no end.
        RunOutcome::Routed { to: Route::Queue, .. } if state.at == Some(Decision::Working) && !run.aside => {
            Trigger::FailedForGood
        }
        RunOutcome::Routed { to: Route::Queue, .. } => Trigger::TriagedQueue,
        // Whoever it was handed to is done, and nobody goes on by itself.
        RunOutcome::Succeeded { pull: None } if handed => Trigger::TriagedPerson,
        RunOutcome::Succeeded { pull: None } => Trigger::FailedForGood,
        RunOutcome::InvalidOutput { .. } => Trigger::TriagedPerson,
        RunOutcome::NeedsPerson { .. } | RunOutcome::BranchTaken { .. } => Trigger::NeedsPerson,
        RunOutcome::NoChange { .. }
        | RunOutcome::Refused { .. }
        | RunOutcome::VerificationFailed { .. }
        | RunOutcome::BundleRefused { .. }
        | RunOutcome::ChecksRed { .. }
        | RunOutcome::GateShut { .. }
        | RunOutcome::ActionFailed { .. }
        | RunOutcome::TooManyItems { .. }
        | RunOutcome::CallTimedOut { .. }
        | RunOutcome::ExpressionFailed { .. }
        | RunOutcome::Environment { .. }
        | RunOutcome::FormulaRefused { .. }
        | RunOutcome::SetupFailed { .. }
        | RunOutcome::Hand { .. } => Trigger::FailedForGood,
    }
}

fn ended(run: &RunState, outcome: RunOutcome, costs_attempt: bool, backoff_until: Option<crate::model::Timestamp>) -> Event {
    Event::RunEnded { run: run.id.clone(), outcome, costs_attempt, backoff_until }
}

pub(super) fn advance(here: Here<'_>, how: Advance) -> Next {
    Next::Act(Action::Record(vec![Event::Advanced { run: here.run.id.clone(), step: here.step.id.clone(), how }]))
}

/// A session's UUID follows from the run and the turn, so that the plan needs no chance.
fn session_id(run: &RunState) -> String {
    let name = format!("{}/{}", run.id, run.turns + 1);
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}
