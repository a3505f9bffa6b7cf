//! What to do now, and for everything else the reason why it waits.
//!
//! Promises: pure and synchronous; the same ledger, view, policy and time give the same plan; an action that is under way or done is
//! not planned again; each open issue of ours either has an action or a reason. Risk of its own: it decides on what was *seen*, which may
//! be older than what is; so what it decides is checked again where it is done (the label writer, the claim, the push lease).

mod accounts;
mod admit;
mod again;
mod ask;
mod beside;
mod budget;
mod dispatch;
mod each;
mod filing;
mod flow;
mod forward;
mod found;
mod gate;
mod group;
mod invariants;
mod keep;
mod labels;
mod look;
mod mend;
mod merge;
mod notices;
mod overlap;
mod policy;
mod quota;
mod recover;
mod require;
mod review;
mod revise;
mod run;
mod schedule;
mod start;
mod status;
mod step_back;
mod table;
mod trial;
mod turns;
mod vault;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

pub use crate::model::{Crew, Member};
pub use ask::{approved_by_policy, goes_direct};
pub use budget::{Budget, budgets};
pub use dispatch::{VaultDo, action_stands, actions_open, stuck_merges, wanted as action_wanted};
pub use found::standing;
pub use invariants::{Violation, check};
pub use look::troubled;
pub use merge::{FRESH, Weighing, weighing};
pub use notices::Notices;
pub use policy::{MendPolicy, Policy, ProjectPolicy};
pub use revise::ROUNDS;
pub use run::writes;
pub use schedule::{Upcoming, schedules};
pub use table::{From, Row, TABLE, To, mermaid, target};
pub use vault::{Offered, judge, shelved, tier_of_action};
pub use wanted::{is_of_lifecycle, rights, said};

use self::labels::read_history;
use crate::ledger::{ClaimState, Held, IssueState, Ledger, PullRef, Reviews, RunState};
use crate::model::{
    AccountName, ActionId, Asked, BudgetOf, Command, Decision, EffectKey, Event, FilesAsked, Intent, LabelEvent, Lane, Login,
    MergeRule, PullNumber, PullState, RepoName, RunId, RunOutcome, Scope, Standings, StopWhy, Subject, Timestamp, Trigger, Wait,
};

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A decision: journal these events together. Nothing happens outside.
    Record(Vec<Event>),
    /// An effect: journal the intent, then act.
    Do {
        /// On what.
        subject: Subject,
        /// What.
        intent: Intent,
    },
    /// Look an open intent up.
    Find {
        /// It.
        key: EffectKey,
    },
    /// Stop the local work of an open intent.
    Stop {
        /// It.
        key: EffectKey,
        /// The run it belongs to.
        run: RunId,
    },
    /// Learn what a project is.
    Survey(RepoName),
    /// See what people did.
    Look(RepoName),
    /// Read who put which label on.
    History(Subject),
    /// Read what an issue depends on.
    Dependencies(Subject),
    /// Look for the files that its formula requires.
    Files {
        /// Of which issue.
        subject: Subject,
        /// Which, and where.
        asked: FilesAsked,
    },
    /// Read the checks of its pull request.
    Checks(Subject),
    /// Read whether somebody may ask for runs.
    Rights {
        /// On which issue.
        subject: Subject,
        /// Who, and for what.
        asked: Asked,
    },
    /// Renew the sign-in of an account.
    Renew(AccountName),
    /// Read what open pull requests would bring into the vault.
    Offers,
    /// Say what one of them comes to.
    TellOffer(PullNumber),
    /// Something about an action on the branch that counts.
    Vault(VaultDo),
}

/// What to do now, and why the rest waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In this order.
    pub actions: Vec<Action>,
    /// Why each issue that has no action waits.
    pub waits: BTreeMap<Subject, Wait>,
    /// When to plan again at the latest, by our clock.
    pub wake: Option<Timestamp>,
}

/// The room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free, in bytes.
    pub free: u64,
    /// What must be free before a run starts, in bytes.
    pub floor: u64,
}

/// What only this process knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Effects that are being made.
    pub acting: BTreeSet<EffectKey>,
    /// Intents that are being looked up.
    pub finding: BTreeSet<EffectKey>,
    /// No intent of a project is looked up before this time, because the forge did not answer.
    pub find_pause: BTreeMap<RepoName, Timestamp>,
    /// Work that was told to stop.
    pub stopped: BTreeSet<EffectKey>,
    /// Projects that are to be looked at.
    pub look_wanted: BTreeSet<RepoName>,
    /// Of those, the ones that are looked at even if they were in trouble a moment ago, because the process has just started.
    pub look_forced: BTreeSet<RepoName>,
    /// Projects that are being looked at or surveyed.
    pub looking: BTreeSet<RepoName>,
    /// Projects that this process has looked at: before that nothing is done on what an earlier one saw.
    pub fresh: BTreeSet<RepoName>,
    /// The forge's clock at the begin of each project's last look. The journal has it only where a look brought news.
    pub looked: BTreeMap<RepoName, Timestamp>,
    /// When the last look at each project that was believed in full began, by our clock.
    pub looks_began: BTreeMap<RepoName, Timestamp>,
    /// Issues of which something is being read.
    pub reading: BTreeSet<Subject>,
    /// When the checks of an issue's pull request were read last.
    pub checked: BTreeMap<Subject, Timestamp>,
    /// When an issue's pull request was last read to be merged, and whether all of it could be read.
    pub weighed: BTreeMap<Subject, (Timestamp, bool)>,
    /// When the dependencies of an issue were read last.
    pub depends_read: BTreeMap<Subject, Timestamp>,
    /// When the files that an issue's formula requires were looked for last.
    pub files_read: BTreeMap<Subject, Timestamp>,
    /// The open pull requests of the operations repository are being read.
    pub offers_reading: bool,
    /// Those that runs waited for when that began: what is not found of them is closed.
    pub offers_waited: BTreeSet<PullNumber>,
    /// When that was done last.
    pub offers_read: Option<Timestamp>,
    /// Those of which it is being said what they come to.
    pub telling: BTreeSet<PullNumber>,
    /// What the dispatcher of the vault is doing.
    pub dispatching: BTreeSet<VaultDo>,
    /// Actions of which it could not be read who approved them, and when that was tried.
    pub unweighed: BTreeMap<ActionId, Timestamp>,
    /// Nothing new is started.
    pub draining: bool,
    /// No local work is started either: the process is about to end.
    pub halting: bool,
    /// How the credentials of each account stand; ready where nothing is said.
    pub standings: Standings,
    /// Accounts whose sign-in is being renewed.
    pub renewing: BTreeSet<AccountName>,
    /// Accounts whose sign-in could not be renewed: when that was tried, and why.
    pub not_renewed: BTreeMap<AccountName, (Timestamp, String)>,
    /// Chance, drawn anew for each trouble, from 0 to 999: what spreads pauses, so that many clients do not come back at once.
    pub chance: u16,
    /// The room on the disk; none where nobody measured it.
    pub room: Option<Room>,
    /// How many runs may still be started, where that is limited (`once --max`).
    pub starts_left: Option<u32>,
}

/// What becomes of one issue now.
enum Next {
    Act(Action),
    Wait(Wait),
    /// One of these could start; the admission decides.
    Candidates(Vec<admit::Candidate>),
}

/// Everything that a decision reads.
pub(crate) struct Context<'a> {
    ledger: &'a Ledger,
    view: &'a View,
    policy: &'a Policy,
    now: Timestamp,
}

/// Makes the plan.
pub fn plan(ledger: &Ledger, view: &View, policy: &Policy, now: Timestamp) -> Plan {
    let context = Context { ledger, view, policy, now };
    let mut plan = Plan::default();
    for (repo, project) in &policy.projects {
        look::plan(&context, repo, &mut plan);
        schedule::plan(&context, repo, project, &mut plan);
    }
    let mut candidates = Vec::new();
    let mut at_work = context.local_work();
    for (subject, state) in ledger.issues() {
        let Some(project) = policy.projects.get(&subject.repo) else { continue };
        if !view.fresh.contains(&subject.repo) {
            let looking = Wait::Acting { what: "looking at the project".into() };
            plan.waits.insert(subject.clone(), context.project_wait(&subject.repo).unwrap_or(looking));
            continue;
        }
        context.renew_claim(&subject, state, &mut plan);
        let next = match subject.is_project() {
            true => context.project(&subject, state, project),
            false => context.issue(&subject, state, project),
        };
        match next {
            // Runs that gave their slots away while their project was in trouble come back to a full house.
            Next::Act(Action::Do { intent, .. }) if intent.is_local() && at_work >= policy.slots => {
                plan.waits.insert(subject, Wait::NoSlot { slots: policy.slots, project: None });
            }
            Next::Act(action) => {
                at_work += u32::from(matches!(&action, Action::Do { intent, .. } if intent.is_local()));
                plan.actions.push(action);
            }
            Next::Wait(wait) => {
                plan.waits.insert(subject, wait);
            }
            Next::Candidates(some) => candidates.extend(some),
        }
    }
    admit::plan(&context, candidates, &mut plan);
    budget::warn(&context, &mut plan);
    accounts::renew(&context, &mut plan);
    let offers = vault::plan(&context, &mut plan);
    let rounds = context.schedule_times().chain(context.again_times()).chain(offers);
    let times = plan.waits.values().filter_map(Wait::until).chain(context.timers()).chain(rounds);
    plan.wake = times.filter(|t| *t > now).min();
    plan
}

impl Context<'_> {
    /// The decisions about one issue, in the order of their urgency: what is under way, what people did, what the run needs, what the
    /// forge should show, what could start.
    fn issue(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Next {
        if let Some(next) = self.under_way(subject, state, project) {
            return next;
        }
        if let Some(next) = self.labels_read(subject, state, project) {
            return next;
        }
        if let Some(next) = self.commanded(subject, state) {
            return next;
        }
        if let Some(next) = self.closed(subject, state, project) {
            return next;
        }
        if let Some(wait) = self.retry_wait(subject, state) {
            return Next::Wait(wait);
        }
        if let Some(next) = self.pull(subject, state) {
            return next;
        }
        if let Some(next) = self.comes_back(subject, state) {
            return next;
        }
        if let Some(next) = self.crowded(subject, state, project).or_else(|| self.run(subject, state, project)) {
            return next;
        }
        if let Some(next) = self.labels_write(subject, state) {
            return next;
        }
        if let Some(next) = self.status(subject, state, project) {
            return next;
        }
        if let Some(next) = self.discard(subject, state) {
            return next;
        }
        if let Some(next) = self.asked(subject, state, project) {
            return next;
        }
        let aside = admit::Candidate::aside(subject, state);
        if let Some(wait) = self.lifecycle_rests(subject, state) {
            return aside.map_or(Next::Wait(wait), |aside| Next::Candidates(vec![aside]));
        }
        match self.standing(subject, state, project) {
            Next::Candidates(lifecycle) => Next::Candidates(aside.into_iter().chain(lifecycle).collect()),
            Next::Wait(_) if aside.is_some() => Next::Candidates(aside.into_iter().collect()),
            waits @ (Next::Wait(_) | Next::Act(Action::Checks(_))) => self.release(subject, state).map_or(waits, Next::Act),
            acts => acts,
        }
    }

    /// A command is carried out on what the forge shows after it was given, so that labels that people set before it do not undo it.
    fn commanded(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        let (trigger, at) = state.commanded?;
        if self.view.looks_began.get(&subject.repo).is_none_or(|began| *began < at) {
            let looking = Wait::Acting { what: "looking at the issue, then doing what was asked for".into() };
            return Some(Next::Wait(self.project_wait(&subject.repo).unwrap_or(looking)));
        }
        let mut events = vec![Event::Obeyed { subject: subject.clone() }];
        events.extend(self.moved(subject, state, trigger));
        events.extend(stop_by_person(state));
        Some(Next::Act(Action::Record(events)))
    }

    /// Closing an issue stops what runs, unless that closed it or began because of it; then the story ends.
    fn closed(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        if state.seen.open {
            return None;
        }
        if let Some(next) = step_back::closing_stops(state).or_else(|| self.ends_first(subject, state)) {
            return Some(next);
        }
        if let Some(run) = state.live_run() {
            if run.closed || run.at_end {
                return None;
            }
            let stop = Event::Stopping { run: run.id.clone(), why: StopWhy::Closed };
            return run.stopping.is_none().then(|| Next::Act(Action::Record(vec![stop])));
        }
        if state.done {
            if let Some(wait) = self.retry_wait(subject, state) {
                return Some(Next::Wait(wait));
            }
            let leftovers = self.status_of_closed(subject, state).or_else(|| self.discard(subject, state));
            let leftovers = leftovers.or_else(|| drop_branch(subject, state)).or_else(|| self.comes_back(subject, state));
            let leftovers = leftovers.or_else(|| self.at_end(subject, state, project));
            let leftovers = leftovers.or_else(|| self.stays_back(subject, state));
            let leftovers = leftovers.or_else(|| self.release(subject, state).map(Next::Act));
            return Some(leftovers.unwrap_or_else(|| settled(subject, state)));
        }
        let merged = state.pull.as_ref().is_some_and(|p| p.state == PullState::Merged);
        let moved =
            if merged { self.moved(subject, state, Trigger::Merged) } else { self.moved(subject, state, Trigger::PersonClosed) };
        Some(Next::Act(Action::Record(moved)))
    }

    /// What became of our pull request.
    fn pull(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        let pull = state.pull.as_ref()?;
        if state.at != Some(Decision::Pr) || state.live_run().is_some() {
            return None;
        }
        match pull.state {
            PullState::Open => None,
            PullState::Merged => self.merged(subject, state, pull),
            PullState::Closed => Some(Next::Act(Action::Record(self.moved(subject, state, Trigger::ClosedUnmerged)))),
        }
    }

    /// What an issue does where its label leaves it.
    fn standing(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Next {
        match state.at {
            None => self.undecided(subject, state, project),
            Some(Decision::Queue) if self.changed_since_triage(state) => {
                Next::Candidates(vec![admit::Candidate::triage(subject, state)])
            }
            Some(Decision::Queue) => Next::Candidates(vec![admit::Candidate::work(subject, state)]),
            Some(Decision::Working) => self.working(subject, state),
            Some(Decision::Pr) => self.waiting_for_merge(subject, state, project),
            Some(Decision::Failed) => Next::Wait(Wait::Failed),
            Some(Decision::Interactive) => Next::Wait(Wait::Person),
            Some(Decision::NeedsInfo) => self.question(subject, state, project),
        }
    }

    fn changed_since_triage(&self, state: &IssueState) -> bool {
        !state.skip_triage && state.triaged.as_ref().is_some_and(|t| t.text != state.seen.text)
    }

    fn waiting_for_merge(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Next {
        let Some(pull) = &state.pull else { return Next::Wait(found::without_pull(state)) };
        // What was opened a moment ago has no checks worth a request yet, and its body tells how much it could break.
        let last = self.view.checked.get(subject).copied();
        // What we merge ourselves need not wait for its clock to be known.
        let first = last.is_none_or(|read| read < state.at_since) && pull.weighed_tier().is_none();
        let due = match first && project.merge != MergeRule::Never {
            true => self.now,
            false => last.unwrap_or(state.at_since) + self.policy.checks_every,
        };
        if let Some(read) = self.read_pull(subject, pull, due) {
            return read;
        }
        self.asked_of(subject, state, project, pull).unwrap_or_else(|| self.to_merge(subject, project, pull))
    }

    /// Reads a pull request of ours again: when it is due, and at once where it moved.
    fn read_pull(&self, subject: &Subject, pull: &PullRef, due: Timestamp) -> Option<Next> {
        // After a reading that failed the next look tells when it can be read again.
        let unread = pull.reviews == Reviews::Unread && self.project_wait(&subject.repo).is_none();
        let now = self.now >= due || unread;
        (now && !self.view.reading.contains(subject) && !self.view.draining).then(|| Next::Act(Action::Checks(subject.clone())))
    }

    fn question(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Next {
        let edited = state.asked.as_ref().is_some_and(|asked| *asked != state.seen.text);
        if state.answered || edited {
            return Next::Act(Action::Record(self.moved(subject, state, Trigger::Answered)));
        }
        let until = state.at_since + self.policy.question;
        let facts = self.ledger.projects.get(&subject.repo).and_then(|p| p.facts.as_ref());
        // What a role filed asks itself.
        let filed_by_us = facts.is_some_and(|facts| facts.is_ours(&state.seen.author));
        if self.now >= until || filed_by_us || project.is_intake(&state.seen.author) {
            return Next::Act(Action::Record(self.moved(subject, state, Trigger::Unanswered)));
        }
        Next::Wait(Wait::Question { until })
    }

    /// The event of a row of the table.
    fn moved(&self, subject: &Subject, state: &IssueState, trigger: Trigger) -> Vec<Event> {
        match target(state.at, trigger) {
            Some(to) => vec![Event::Moved { subject: subject.clone(), trigger, to: to.resolve(state.at) }],
            None => Vec::new(),
        }
    }

    /// The ended run's leftovers go when the forge shows how it ended.
    fn discard(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        let run = state.run.as_ref().filter(|run| run.ended.is_some())?;
        let keep_workspace =
            run.formula.steps.iter().any(run::writes) && !run.ended.as_ref().is_some_and(RunOutcome::is_published);
        let intent = Intent::Discard { run: run.id.clone(), keep_workspace };
        Some(Next::Act(Action::Do { subject: subject.clone(), intent }))
    }

    fn release(&self, subject: &Subject, state: &IssueState) -> Option<Action> {
        match &state.claim {
            // A renewal under way would leave another commit there.
            ClaimState::Ours(held)
                if state.run.is_none() && state.rests().is_none() && !state.open.contains_key(&Lane::Claim) =>
            {
                Some(Action::Do { subject: subject.clone(), intent: Intent::Release { held: held.sha.clone() } })
            }
            _ => None,
        }
    }

    /// A lease is renewed while its run lives, beside whatever the run does, and while the lifecycle's has stepped back.
    fn renew_claim(&self, subject: &Subject, state: &IssueState, plan: &mut Plan) {
        let ClaimState::Ours(held) = &state.claim else { return };
        let due = self.now >= self.renew_at(held);
        if renews(state).is_some_and(|run| run.stopping.is_none()) && due && !state.open.contains_key(&Lane::Claim) {
            let intent = Intent::Claim { renews: Some(held.sha.clone()) };
            plan.actions.push(Action::Do { subject: subject.clone(), intent });
        }
    }

    fn renew_at(&self, held: &Held) -> Timestamp {
        let again = held.failed.map(|failed| failed + self.policy.retry_after(held.failures.max(1)));
        (held.since + self.policy.renew).max(again.unwrap_or_default())
    }

    /// Times that no wait names.
    fn timers(&self) -> impl Iterator<Item = Timestamp> {
        self.ledger.issues().flat_map(|(subject, state)| {
            let renew = match &state.claim {
                ClaimState::Ours(held) if renews(state).is_some() => Some(self.renew_at(held)),
                _ => None,
            };
            let steps = state.live_run().into_iter().flat_map(|run| run.steps_in_work().map(move |(step, at)| (run, step, at)));
            let steps = steps.flat_map(|(run, step, at)| self.goes_on_at(&subject, run, step, at));
            let steps: Vec<Timestamp> = steps.chain(Self::given_up_at(state)).collect();
            let checks = match state.live_run() {
                Some(_) => None,
                None if state.at == Some(Decision::Pr) => {
                    Some(self.view.checked.get(&subject).copied().unwrap_or(state.at_since) + self.policy.checks_every)
                }
                None => None,
            };
            renew.into_iter().chain(steps).chain(checks).chain(self.files_due(&subject, state))
        })
    }
}

/// The run that a claim is held for.
fn renews(state: &IssueState) -> Option<&RunState> {
    state.live_run().or_else(|| state.rests())
}

/// The branch of a merged pull request has done its work.
fn drop_branch(subject: &Subject, state: &IssueState) -> Option<Next> {
    let pull = state.pull.as_ref().filter(|pull| pull.state == PullState::Merged && !pull.branch_settled)?;
    let intent = Intent::DropBranch { branch: pull.branch.clone(), pull: pull.number };
    Some(Next::Act(Action::Do { subject: subject.clone(), intent }))
}

/// Nothing is left to do: the history has it, and it costs no plan any more.
fn settled(subject: &Subject, state: &IssueState) -> Next {
    if state.open.is_empty() {
        Next::Act(Action::Record(vec![Event::Settled { subject: subject.clone() }]))
    } else {
        Next::Wait(Wait::Closed)
    }
}

/// The issue that an event is about, where it is about one.
pub fn subject_of(ledger: &Ledger, event: &Event) -> Option<Subject> {
    match event {
        Event::Seen { subject, .. }
        | Event::Answered { subject, .. }
        | Event::Depends { subject, .. }
        | Event::FilesSought { subject, .. }
        | Event::PullSeen { subject, .. }
        | Event::ChecksSeen { subject, .. }
        | Event::PullMoved { subject, .. }
        | Event::PullFound { subject, .. }
        | Event::PullForeign { subject, .. }
        | Event::CommentFound { subject, .. }
        | Event::Reported { subject }
        | Event::LabelsRead { subject, .. }
        | Event::Moved { subject, .. }
        | Event::Settled { subject }
        | Event::Intended { subject, .. }
        | Event::Asked { subject, .. }
        | Event::Heard { subject, .. }
        | Event::Wanted { subject, .. }
        | Event::Declined { subject, .. }
        | Event::RunStarted { subject, .. } => Some(subject.clone()),
        Event::Scheduled { repo, .. } => Some(Subject::project(repo.clone())),
        Event::NotFound { key } | Event::Ended { key, .. } => ledger.open(key).map(|(s, _)| s.clone()),
        Event::SessionStarted { run, .. }
        | Event::Did { run, .. }
        | Event::Called { run, .. }
        | Event::Advanced { run, .. }
        | Event::Stopping { run, .. }
        | Event::RunEnded { run, .. } => ledger.subject_of(run).cloned(),
        Event::Obeyed { subject } | Event::Paused { what: Scope::Issue { subject }, .. } => Some(subject.clone()),
        Event::Resumed { what: Scope::Issue { subject } } => Some(subject.clone()),
        Event::Commanded { command, .. } => command.subject().cloned(),
        Event::BudgetWarned { what: BudgetOf::Run { run }, .. } => ledger.subject_of(run).cloned(),
        Event::Started { .. }
        | Event::Stopped
        | Event::Surveyed { .. }
        | Event::Looked { .. }
        | Event::Began { .. }
        | Event::Troubled { .. }
        | Event::Recovered { .. }
        | Event::DependencySeen { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::BudgetWarned { .. }
        | Event::AccountPaused { .. }
        | Event::Vault { .. }
        | Event::SignInRenewed { .. } => None,
    }
}

/// What a person's command means at once: the events to journal with it. What it means for the issue's place waits for a look.
pub fn command(ledger: &Ledger, command: &Command) -> Vec<Event> {
    match command {
        Command::Retry { subject, .. } | Command::Cancel { subject } => {
            ledger.issue(subject).into_iter().flat_map(stop_by_person).collect()
        }
        Command::Run { subject, wanted, seen } => {
            let new = seen.as_deref().filter(|_| ledger.issue(subject).is_none());
            let seen = new.map(|issue| Event::Seen { subject: subject.clone(), issue: issue.clone() });
            seen.into_iter().chain([Event::Wanted { subject: subject.clone(), wanted: wanted.clone() }]).collect()
        }
        Command::Pause { what, until } => vec![Event::Paused { what: what.clone(), until: *until }],
        Command::Resume { what } => vec![Event::Resumed { what: what.clone() }],
    }
}

/// Stops the runs that live.
fn stop_by_person(state: &IssueState) -> impl Iterator<Item = Event> {
    let runs = state.lives().filter(|run| run.stopping.is_none());
    runs.map(|run| Event::Stopping { run: run.id.clone(), why: StopWhy::Person })
}

/// What the timeline says of decision labels that we did not leave there: the events to journal.
pub fn history(
    ledger: &Ledger,
    policy: &Policy,
    now: Timestamp,
    subject: &Subject,
    events: &[LabelEvent],
    ours: &BTreeSet<Login>,
) -> Vec<Event> {
    let view = View::default();
    let context = Context { ledger, view: &view, policy, now };
    let (Some(state), Some(project)) = (ledger.issue(subject), policy.projects.get(&subject.repo)) else { return Vec::new() };
    let found = project.labels.decisions(&state.seen.labels);
    if state.written.as_ref() == Some(&found) {
        // What was asked about is gone again.
        return Vec::new();
    }
    let meaning = context.meaning(state, &found).unwrap_or_else(|| read_history(state, &found, events, &project.labels, ours));
    context.obey(subject, state, found, meaning)
}
