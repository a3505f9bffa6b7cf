//! The core: inputs in, effects out; synchronous, no clock, no chance, no I/O.
//!
//! Known race: a look that began before a label writing of ours ended shows the labels of before. Its labels are not believed; the writing
//! moved the issue, so the next look shows it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ledger::{IssueState, Ledger, PullRef, Reviews};
use crate::model::{
    AccountName, Asked, Branch, BranchNames, Command, EffectKey, Event, FilesAsked, Gate, Intent, IssueNumber, Judged, Outcome,
    ProjectFacts, PullNumber, Record, RepoName, RunId, Sha, Standing, Standings, Subject, Timestamp, VaultEvent,
};
use crate::plan::{self, Action, Plan, Policy, View, Weighing};
use crate::ports::HandEvent;

use super::dispatch::{self, VaultJob};
use super::found;
use super::input::{Input, LookedAt};
use super::{observed, reload};

/// How often one input may lead to decisions that lead to decisions, before the plan counts as going round in circles.
const ROUNDS: u32 = 500;

/// What the shell is asked to do, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Write these to the journal. If that fails, nothing that follows may be done.
    Append {
        /// When they happened, by our clock: the fold of the journal must be what the core knows.
        at: Timestamp,
        /// They.
        events: Vec<Event>,
    },
    /// Begin this, and tell the core what came of it.
    Start(Box<Job>),
    /// Tell the work of an open intent to end.
    Cancel(EffectKey),
    /// A plan broke an invariant and was not carried out: a defect of ours, for the log.
    Alarm(plan::Violation),
}

/// What is known of the project that a job is about.
pub type Facts = Arc<ProjectFacts>;

/// Which open pull requests a look is to bring, and what it need not read for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullsAsked {
    /// What branches of ours are called.
    pub names: BranchNames,
    /// Where formulas propose to beside the project's own base.
    pub bases: BTreeSet<Branch>,
    /// The issues that are known already.
    pub known: BTreeSet<IssueNumber>,
}

/// Something to do outside.
#[derive(Clone, Debug)]
pub enum Job {
    /// Learn what a project is.
    Survey(RepoName),
    /// See what people did.
    Look {
        /// Where.
        repo: RepoName,
        /// Since when, by the forge's clock; none for the first look.
        since: Option<Timestamp>,
        /// The project.
        facts: Facts,
        /// What the answer is to be stamped with.
        stamp: LookedAt,
        /// The open pull requests are asked for too.
        pulls: Option<PullsAsked>,
    },
    /// Read who put which label on.
    History(Subject),
    /// Read what an issue depends on.
    Dependencies {
        /// Which.
        subject: Subject,
        /// What its body names.
        named: Vec<Subject>,
    },
    /// Look for files that a formula requires.
    Files {
        /// The issue.
        subject: Subject,
        /// Which, and where.
        asked: FilesAsked,
        /// The project.
        facts: Facts,
    },
    /// Read what has become of a pull request of ours: its checks, whether it conflicts, and its reviews where it moved.
    Checks {
        /// The issue.
        subject: Subject,
        /// The pull request.
        pull: Box<PullRef>,
        /// Its reviews are read too.
        reviews: bool,
        /// What is read about its merge.
        weighing: Weighing,
        /// The project.
        facts: Facts,
    },
    /// Read whether somebody may ask for runs.
    Rights {
        /// On which issue.
        subject: Subject,
        /// Who, and for what.
        asked: Asked,
        /// The project.
        facts: Facts,
    },
    /// Make an effect.
    Act {
        /// Its key.
        key: EffectKey,
        /// On what.
        subject: Subject,
        /// What.
        intent: Intent,
        /// The issue as it is known.
        state: Box<IssueState>,
        /// The project.
        facts: Facts,
    },
    /// Renew the sign-in of an account.
    Renew(AccountName),
    /// Read what open pull requests would bring into the vault.
    Offers {
        /// The operations repository.
        repo: RepoName,
        /// The heads that are known.
        known: BTreeMap<PullNumber, Sha>,
        /// The commit that had changed the branch's vault last, where that was ever read; none in it where nothing was there.
        shelf: Option<Option<Sha>>,
        /// The policy is read, whether or not anything moved.
        policy: bool,
    },
    /// Something about an action on the branch of the operations repository that counts.
    Vault {
        /// The operations repository.
        repo: RepoName,
        /// What.
        job: VaultJob,
    },
    /// Say what one of them comes to.
    TellOffer {
        /// The operations repository.
        repo: RepoName,
        /// The pull request.
        pull: PullNumber,
        /// Its head.
        head: Sha,
        /// What it comes to.
        judged: Judged,
    },
    /// Look an effect up.
    Find {
        /// Its key.
        key: EffectKey,
        /// On what.
        subject: Subject,
        /// What.
        intent: Intent,
        /// When it was intended, by our clock.
        since: Timestamp,
        /// The project.
        facts: Facts,
    },
}

/// The core.
#[derive(Debug)]
pub struct Core {
    pub(super) ledger: Ledger,
    pub(super) policy: Policy,
    pub(super) view: View,
    /// How many effects ended after which we know labels and state of an issue better than a look that began before, by issue.
    pub(super) writings: BTreeMap<Subject, u64>,
    /// Projects whose next look asks for the open pull requests.
    pub(super) pulls_wanted: BTreeSet<RepoName>,
    /// Pull requests under our login that no issue knows, and when they had last moved when that was found out.
    pub(super) strangers: BTreeMap<(RepoName, PullNumber), Timestamp>,
    plan: Plan,
    /// The begin of this process, where it is not journalled yet.
    beginning: Option<Event>,
}

/// What one input leads to.
pub(super) struct Turn {
    pub(super) now: Timestamp,
    events: Vec<Event>,
    jobs: Vec<Effect>,
}

impl Core {
    /// A core on what the journal holds.
    pub fn new(records: &[Record], policy: Policy) -> Self {
        Self::on(Ledger::fold(records), policy)
    }

    /// A core on what is known.
    pub fn on(ledger: Ledger, policy: Policy) -> Self {
        Self {
            ledger,
            policy,
            view: View::default(),
            writings: BTreeMap::new(),
            pulls_wanted: BTreeSet::new(),
            strangers: BTreeMap::new(),
            plan: Plan::default(),
            beginning: None,
        }
    }

    /// Everything that is known.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What the configuration lets it do.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The newest plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the plan reads of this process.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Limits how many runs may still be started.
    pub fn limit_starts(&mut self, starts: Option<u32>) {
        self.view.starts_left = starts;
    }

    /// Chance for what comes next, from 0 to 999: the core has none of its own.
    pub fn draw(&mut self, chance: u16) {
        self.view.chance = chance.min(999);
    }

    /// What an engine that begins again in the same process already knows.
    pub(super) fn resume_view(&mut self, before: View) {
        self.view.starts_left = before.starts_left;
        self.view.draining = before.draining;
        self.view.halting = before.halting;
        self.view.standings = before.standings;
        self.view.not_renewed = before.not_renewed;
    }

    /// Nothing is under way, wanted or planned.
    pub fn is_quiet(&self) -> bool {
        let v = &self.view;
        v.acting.is_empty()
            && v.finding.is_empty()
            && v.looking.is_empty()
            && v.reading.is_empty()
            && v.renewing.is_empty()
            && !v.offers_reading
            && v.telling.is_empty()
            && v.dispatching.is_empty()
            && self.plan.actions.is_empty()
    }

    /// What a process that begins (or that lost its journal for a moment) journals first: that it began, at once where somebody left
    /// something open, else with the first other event. A `once` every minute that finds nothing to do leaves nothing in the journal.
    pub fn begin(&mut self, version: &str, pid: u32, now: Timestamp) -> Vec<Effect> {
        let mut turn = Turn::new(now);
        self.beginning = Some(Event::Started { version: version.to_owned(), pid });
        if self.ledger.has_open() {
            self.note_beginning(&mut turn);
        }
        turn.effects()
    }

    /// What a process that ends in order journals last: nothing, where it journalled nothing before.
    pub fn end(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut turn = Turn::new(now);
        if self.beginning.is_none() {
            self.note(&mut turn, Event::Stopped);
        }
        turn.effects()
    }

    fn note_beginning(&mut self, turn: &mut Turn) {
        if let Some(began) = self.beginning.take() {
            self.note(turn, began);
        }
    }

    /// What an input leads to.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        let mut turn = Turn::new(now);
        self.take(input, &mut turn);
        reload::part(self);
        self.decide(&mut turn);
        turn.effects()
    }

    /// Journals an event, and knows it from now on.
    pub(super) fn note(&mut self, turn: &mut Turn, event: Event) {
        self.note_beginning(turn);
        if let Event::RunStarted { .. } = event
            && let Some(left) = self.view.starts_left.as_mut()
        {
            *left = left.saturating_sub(1);
        }
        if let Event::Settled { subject } = &event {
            self.writings.remove(subject);
            self.view.checked.remove(subject);
            self.view.depends_read.remove(subject);
            self.view.files_read.remove(subject);
        }
        let record = Record { seq: self.ledger.seq + 1, at: turn.now, event };
        self.ledger.apply(&record);
        turn.events.push(record.event);
    }

    fn note_all(&mut self, turn: &mut Turn, events: Vec<Event>) {
        for event in events {
            self.note(turn, event);
        }
    }

    fn take(&mut self, input: Input, turn: &mut Turn) {
        match input {
            Input::Wake { repos, force } => {
                for repo in repos {
                    if force {
                        self.view.look_forced.insert(repo.clone());
                    }
                    self.view.look_wanted.insert(repo);
                }
            }
            Input::Tick => {}
            Input::Command { row, command } => self.command(turn, row, command),
            Input::Policy(policy) => reload::adopt(self, *policy),
            Input::Accounts(standings) => self.stand(turn, standings),
            Input::Renewed { account, result, standings } => {
                self.view.renewing.remove(&account);
                let failed = result.err();
                match failed.clone() {
                    None => self.view.not_renewed.remove(&account),
                    Some(why) => self.view.not_renewed.insert(account.clone(), (turn.now, why)),
                };
                if self.ledger.accounts.get(&account).and_then(|a| a.not_renewed.as_ref()) != failed.as_ref() {
                    self.note(turn, Event::SignInRenewed { account, failed });
                }
                self.stand(turn, standings);
            }
            Input::Room(room) => self.view.room = room,
            Input::Drain => self.view.draining = true,
            Input::Halt => self.halt(turn),
            Input::Heard { run, session, event } => self.heard(turn, run, session, event),
            Input::Ended { key, outcome } => self.ended(turn, key, outcome),
            Input::Found { key, result } => self.found(turn, key, result),
            Input::Offers { repo, result } => {
                let events = observed::offers(self, repo, result, turn.now);
                self.note_all(turn, events);
            }
            Input::Vault { repo, answer } => {
                let events = dispatch::answered(self, &repo, answer, turn.now);
                self.note_all(turn, events);
            }
            Input::OfferTold { repo, pull, head, failed } => {
                self.view.telling.remove(&pull);
                self.note(turn, Event::Vault { repo, what: VaultEvent::Told { pull, head, failed } });
            }
            Input::Surveyed { .. }
            | Input::Looked { .. }
            | Input::History { .. }
            | Input::Dependencies { .. }
            | Input::Rights { .. }
            | Input::Files { .. }
            | Input::Checks { .. } => {
                let events = observed::events(self, input, turn.now);
                self.note_all(turn, events);
            }
        }
    }

    /// What runs is stopped at once; everything else waits for a look that begins now.
    fn command(&mut self, turn: &mut Turn, row: u64, command: Command) {
        let events = plan::command(&self.ledger, &command);
        let looks_at = match &command {
            Command::Retry { subject, .. } | Command::Cancel { subject } => Some(subject.repo.clone()),
            Command::Pause { .. } | Command::Resume { .. } | Command::Run { .. } => None,
        };
        let after_look = looks_at.is_some();
        if let Some(repo) = looks_at.filter(|repo| self.policy.projects.contains_key(repo)) {
            self.view.look_forced.insert(repo.clone());
            self.view.look_wanted.insert(repo);
        }
        self.note(turn, Event::Commanded { row, command, after_look });
        self.note_all(turn, events);
    }

    /// What can be used again was renewed, by whomever.
    fn stand(&mut self, turn: &mut Turn, standings: Standings) {
        let ready = |account: &AccountName| matches!(standings.get(account), Some(Standing::Ready));
        let failed = self.ledger.accounts.iter().filter(|(_, state)| state.not_renewed.is_some());
        let again: Vec<AccountName> = failed.map(|(account, _)| account.clone()).filter(ready).collect();
        self.note_all(turn, again.into_iter().map(|account| Event::SignInRenewed { account, failed: None }).collect());
        self.view.not_renewed.retain(|account, _| !matches!(standings.get(account), None | Some(Standing::Ready)));
        self.view.standings = standings;
    }

    fn halt(&mut self, turn: &mut Turn) {
        self.view.draining = true;
        self.view.halting = true;
        for (_, state) in self.ledger.issues() {
            for open in state.open.values() {
                if open.intent.is_local() && self.view.acting.contains(&open.key) {
                    turn.jobs.push(Effect::Cancel(open.key.clone()));
                }
            }
        }
    }

    fn heard(&mut self, turn: &mut Turn, run: RunId, session: String, event: HandEvent) {
        match event {
            HandEvent::SessionStarted => self.note(turn, Event::SessionStarted { run, session }),
            HandEvent::Called(call) => {
                let step = self.ledger.beside(&run, &session).cloned();
                self.note(turn, Event::Called { run, call, step });
            }
            HandEvent::Doing(line) => {
                let step = self.ledger.beside(&run, &session).cloned();
                self.note(turn, Event::Did { run, line, step });
            }
        }
    }

    fn ended(&mut self, turn: &mut Turn, key: EffectKey, outcome: Outcome) {
        self.view.acting.remove(&key);
        let was_stopped = self.view.stopped.remove(&key);
        if let Some((subject, open)) = self.ledger.open(&key)
            && matches!(
                open.intent,
                Intent::Labels { .. }
                    | Intent::Relabel { .. }
                    | Intent::Rewrite { .. }
                    | Intent::Close
                    | Intent::Reopen { .. }
                    | Intent::Prepare { .. }
            )
        {
            *self.writings.entry(subject.clone()).or_default() += 1;
        }
        let outcome = self.halted(outcome, was_stopped);
        self.note(turn, Event::Ended { key, outcome });
    }

    /// What our own end cancelled was interrupted, not stopped by a person.
    fn halted(&self, outcome: Outcome, was_stopped: bool) -> Outcome {
        use crate::model::{FailureKind, HandOutcome};
        if !self.view.halting || was_stopped {
            return outcome;
        }
        match outcome {
            Outcome::AgentEnded { how: HandOutcome::Cancelled, output, resumable } => {
                Outcome::AgentEnded { how: HandOutcome::Interrupted, output, resumable }
            }
            Outcome::Failed { failure } if failure.kind == FailureKind::Cancelled => Outcome::Cut,
            other => other,
        }
    }

    fn found(&mut self, turn: &mut Turn, key: EffectKey, result: Result<Option<Outcome>, crate::model::Failure>) {
        self.view.finding.remove(&key);
        match result {
            Ok(Some(outcome)) => self.note(turn, Event::Ended { key, outcome }),
            Ok(None) => self.note(turn, Event::NotFound { key }),
            // Unreadable: it waits, and is looked up again after the pause of a forge that does not answer.
            Err(_) => {
                if let Some(repo) = self.ledger.open(&key).map(|(subject, _)| subject.repo.clone()) {
                    self.view.find_pause.insert(repo, turn.now + self.policy.unreachable_pause);
                }
            }
        }
    }

    /// Plans until no decision is left and all that the plan asks for has begun: what goes on beside something is planned when that has begun.
    fn decide(&mut self, turn: &mut Turn) {
        for _ in 0..ROUNDS {
            let plan = plan::plan(&self.ledger, &self.view, &self.policy, turn.now);
            if let Err(violation) = plan::check(&plan, &self.ledger, &self.view, &self.policy) {
                turn.jobs.push(Effect::Alarm(violation));
                self.plan = Plan { actions: Vec::new(), ..plan };
                return;
            }
            let mut decided = false;
            for action in &plan.actions {
                if let Action::Record(events) = action {
                    decided |= !events.is_empty();
                    self.note_all(turn, events.clone());
                }
            }
            if !decided && plan.actions.is_empty() {
                self.plan = plan;
                return;
            }
            if !decided {
                self.begin_all(turn, &plan);
            }
        }
        turn.jobs.push(Effect::Alarm(plan::Violation::Circles));
        self.plan = Plan { actions: Vec::new(), ..std::mem::take(&mut self.plan) };
    }

    fn begin_all(&mut self, turn: &mut Turn, plan: &Plan) {
        for action in &plan.actions {
            match action {
                Action::Record(_) => {}
                Action::Do { subject, intent } => self.act(turn, subject, intent),
                Action::Find { key } => self.find(turn, key),
                Action::Stop { key, .. } => {
                    self.view.stopped.insert(key.clone());
                    turn.jobs.push(Effect::Cancel(key.clone()));
                }
                Action::Survey(repo) => {
                    self.looking(repo);
                    turn.start(Job::Survey(repo.clone()));
                }
                Action::Look(repo) => self.look(turn, repo),
                Action::History(subject) => {
                    self.view.reading.insert(subject.clone());
                    turn.start(Job::History(subject.clone()));
                }
                Action::Dependencies(subject) => {
                    self.view.reading.insert(subject.clone());
                    let named = self.ledger.issue(subject).map(|s| s.seen.depends.clone()).unwrap_or_default();
                    turn.start(Job::Dependencies { subject: subject.clone(), named });
                }
                Action::Files { subject, asked } => {
                    let Some(facts) = self.facts(&subject.repo) else { continue };
                    self.view.reading.insert(subject.clone());
                    turn.start(Job::Files { subject: subject.clone(), asked: asked.clone(), facts });
                }
                Action::Renew(account) => {
                    self.view.renewing.insert(account.clone());
                    turn.start(Job::Renew(account.clone()));
                }
                Action::Offers => self.read_offers(turn),
                Action::TellOffer(pull) => self.tell_offer(turn, *pull),
                Action::Vault(what) => self.dispatch(turn, what),
                Action::Rights { subject, asked } => {
                    let Some(facts) = self.facts(&subject.repo) else { continue };
                    self.view.reading.insert(subject.clone());
                    turn.start(Job::Rights { subject: subject.clone(), asked: asked.clone(), facts });
                }
                Action::Checks(subject) => {
                    let (Some(state), Some(facts)) = (self.ledger.issue(subject), self.facts(&subject.repo)) else { continue };
                    let Some(pull) = state.pull.clone().map(Box::new) else { continue };
                    let gated = state.live_run().is_some_and(|run| run.gates().any(|gate| *gate == Gate::Approval));
                    let weighing = plan::weighing(&self.ledger, &self.view, &self.policy, turn.now, subject);
                    let reviews = pull.reviews != Reviews::Read || gated || weighing == Weighing::Whole;
                    self.view.reading.insert(subject.clone());
                    turn.start(Job::Checks { subject: subject.clone(), pull, reviews, weighing, facts });
                }
            }
        }
    }

    fn looking(&mut self, repo: &RepoName) {
        self.view.look_wanted.remove(repo);
        self.view.look_forced.remove(repo);
        self.view.looking.insert(repo.clone());
    }

    fn look(&mut self, turn: &mut Turn, repo: &RepoName) {
        self.looking(repo);
        let Some(facts) = self.facts(repo) else { return };
        let since = self.ledger.projects.get(repo).and_then(|p| p.looked).max(self.view.looked.get(repo).copied());
        let stamp = LookedAt { began: turn.now, writings: self.writings.clone(), ..LookedAt::default() };
        let pulls = found::asks_for_pulls(self, repo, since.is_none());
        turn.start(Job::Look { repo: repo.clone(), since, facts, stamp, pulls });
    }

    pub(super) fn facts(&self, repo: &RepoName) -> Option<Facts> {
        self.ledger.projects.get(repo)?.facts.clone().map(Arc::new)
    }

    fn act(&mut self, turn: &mut Turn, subject: &Subject, intent: &Intent) {
        let (Some(state), Some(facts)) = (self.ledger.issue(subject), self.facts(&subject.repo)) else { return };
        let run = state.run.as_ref().map(|run| &run.id);
        let key = EffectKey::new(subject, run, &self.policy.journal, intent.word(), state.effects + 1);
        self.view.acting.insert(key.clone());
        self.note(turn, Event::Intended { key: key.clone(), subject: subject.clone(), intent: intent.clone() });
        let Some(state) = self.ledger.issue(subject).cloned() else { return };
        turn.start(Job::Act { key, subject: subject.clone(), intent: intent.clone(), state: Box::new(state), facts });
    }

    fn find(&mut self, turn: &mut Turn, key: &EffectKey) {
        let Some((subject, open)) = self.ledger.open(key).map(|(s, o)| (s.clone(), o.clone())) else { return };
        let Some(facts) = self.facts(&subject.repo) else { return };
        self.view.finding.insert(key.clone());
        turn.start(Job::Find { key: key.clone(), subject, intent: open.intent, since: open.since, facts });
    }
}

impl Turn {
    fn new(now: Timestamp) -> Self {
        Self { now, events: Vec::new(), jobs: Vec::new() }
    }

    pub(super) fn start(&mut self, job: Job) {
        self.jobs.push(Effect::Start(Box::new(job)));
    }

    /// One write to the journal, then everything that stands on it.
    fn effects(self) -> Vec<Effect> {
        let append = (!self.events.is_empty()).then_some(Effect::Append { at: self.now, events: self.events });
        append.into_iter().chain(self.jobs).collect()
    }
}
