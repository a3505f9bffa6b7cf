//! The shell: one loop that feeds the core, writes its events to the journal, and runs what it asks for.
//!
//! Promises: what the core wants journalled is on the disk before anything that stands on it begins. When a write to the journal fails, all
//! work is stopped, the journal is opened and folded anew, and the engine goes on from what is really there. Overlapping wakes fold into
//! one. SIGTERM (told through `stop`) drains, then ends agents politely; asked twice it ends at once.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::ledger::Ledger;
use crate::model::{AgentName, EffectKey, Event, JournalId, RepoName, Timestamp, Trouble};
use crate::plan::{Policy, Room, Violation};
use crate::ports::{Accounts, Clock, Forge, Formulas, Hands, Host, Ids, Journal, JournalError, Recalled, Repos};
use crate::scan::Scanner;

use super::core::{Core, Effect, Job};
use super::input::Input;
use super::reload::{Renewal, Workers};
use super::spans::Spans;
use super::wakes::{Wake, Wakes};
use super::work::{Settings, TextStore, Worker};

/// How often the inbox is looked at, and how long the loop sleeps at most.
const INBOX: Duration = Duration::from_secs(1);

/// After so many records what is known is written down, so that the next start and `status` fold only what came after.
const KEEP_EVERY: u64 = 256;
/// At the end of a process it is written down for less.
const KEEP_AT_END: u64 = 32;

/// What the shell is given.
#[derive(Clone)]
pub struct Ports {
    /// The forge, with the bot's token.
    pub forge: Arc<dyn Forge>,
    /// The forge, with a token that may ask for people's rights.
    pub rights: Option<Arc<dyn Forge>>,
    /// git.
    pub repos: Arc<dyn Repos>,
    /// Workspaces, agents, verification.
    pub hands: Arc<dyn Hands>,
    /// The host that the daemon runs on.
    pub host: Arc<dyn Host>,
    /// The accounts with the model's provider.
    pub accounts: Arc<dyn Accounts>,
    /// What an agent's own work is done with on the forge, of those that have an identity of their own.
    pub identities: BTreeMap<AgentName, Identity>,
    /// The formulas that a base branch may lay its own over.
    pub formulas: Arc<dyn Formulas>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
    /// Which journal is written.
    pub journal_id: JournalId,
}

/// An identity on the forge.
#[derive(Clone)]
pub struct Identity {
    /// The forge, with its token.
    pub forge: Arc<dyn Forge>,
    /// git, with its token, on the same mirrors.
    pub repos: Arc<dyn Repos>,
}

/// How long the engine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until it is told to stop.
    Daemon,
    /// Until nothing more can move now.
    Once,
}

/// How the engine was told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It was not.
    #[default]
    No,
    /// Admit nothing, let agents go on for the drain's time, then end them.
    Drain,
    /// End at once.
    Now,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing more can move now.
    Quiet,
    /// It was told to stop.
    Stopped,
}

/// The engine could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Measures the room on the disk; none where it cannot be told.
pub type Measure = Box<dyn Fn() -> Option<Room> + Send + Sync>;

/// Is shown the core after each step.
pub type Observer = Box<dyn FnMut(&Core) + Send>;

/// Is told what was journalled, once it is on the disk, with all that is known then.
pub type Listener = Box<dyn FnMut(Timestamp, &[Event], &Ledger) + Send>;

/// The engine.
pub struct Engine {
    core: Core,
    journal: Box<dyn Journal>,
    workers: Workers,
    renewals: Option<mpsc::Receiver<Renewal>>,
    clock: Arc<dyn Clock>,
    jobs: JoinSet<Input>,
    cancels: BTreeMap<EffectKey, CancellationToken>,
    heard: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    drain: Duration,
    observer: Option<Observer>,
    listeners: Vec<Listener>,
    spans: Spans,
    fail_fast: bool,
    alarm: Option<Violation>,
    /// The last record that is in what was written down of the ledger.
    kept: u64,
    measure: Option<Measure>,
}

impl Engine {
    /// An engine on a journal.
    pub fn new(
        mut journal: Box<dyn Journal>,
        policy: Policy,
        settings: Settings,
        ports: Ports,
        keep: (TextStore, Arc<Scanner>),
    ) -> Result<Self, EngineError> {
        let Recalled { ledger, kept } = journal.recall()?;
        let core = Core::on(ledger, policy);
        let clock = ports.clock.clone();
        let workers = Workers::new(Worker::new(ports, settings, keep.0, keep.1));
        Ok(Self {
            core,
            journal,
            workers,
            renewals: None,
            clock,
            jobs: JoinSet::new(),
            cancels: BTreeMap::new(),
            heard: mpsc::channel(256),
            drain: Duration::from_secs(60),
            observer: None,
            listeners: Vec::new(),
            spans: Spans::default(),
            fail_fast: false,
            alarm: None,
            kept,
            measure: None,
        })
    }

    /// How long agents may go on after the engine is told to stop.
    pub fn drain_for(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Takes configurations up that were read anew.
    pub fn renew_from(mut self, renewals: mpsc::Receiver<Renewal>) -> Self {
        self.renewals = Some(renewals);
        self
    }

    /// Is shown the core after each step: the board, the watchdog.
    pub fn observe(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Is told what was journalled: notifications, metrics.
    pub fn listen(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Measures the room on the disk before each look.
    pub fn measure(mut self, measure: Measure) -> Self {
        self.measure = Some(measure);
        self
    }

    /// Ends with an error on the first failed write to the journal instead of opening it anew: for tests that end the process there.
    pub fn fail_fast(mut self) -> Self {
        self.fail_fast = true;
        self
    }

    /// Limits how many runs may be started.
    pub fn limit_starts(mut self, starts: Option<u32>) -> Self {
        self.core.limit_starts(starts);
        self
    }

    /// What the core knows.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Runs until it is told to stop, or (`once`) until nothing more can move now. `wakes` asks for looks; `stop` ends it.
    pub async fn run(&mut self, mode: Mode, wakes: &mut Wakes, mut stop: watch::Receiver<Stop>) -> Result<Ended, EngineError> {
        let begin = self.core.begin(env!("CARGO_PKG_VERSION"), std::process::id(), self.clock.now());
        self.carry_out(begin).await?;
        // A pause that was left while nobody ran holds before anything is started.
        self.take_commands().await?;
        self.equip().await?;
        self.wake_all(true).await?;
        let mut looked_at = self.core.ledger().seq;
        let mut halt_at: Option<Timestamp> = None;
        loop {
            let now = self.clock.now();
            match *stop.borrow() {
                Stop::No => {}
                Stop::Drain if halt_at.is_none() => {
                    halt_at = Some(now + self.drain);
                    self.input(Input::Drain).await?;
                }
                Stop::Drain => {}
                Stop::Now => halt_at = Some(now),
            }
            if let Some(at) = halt_at {
                if now >= at && !self.core.view().halting {
                    self.input(Input::Halt).await?;
                }
                if self.jobs.is_empty() {
                    return self.stopped().await;
                }
            } else if mode == Mode::Once && self.jobs.is_empty() && self.core.is_quiet() && !self.looking_up() {
                if self.core.ledger().seq == looked_at {
                    return self.finish().await;
                }
                self.equip().await?;
                self.wake_all(false).await?;
                looked_at = self.core.ledger().seq;
                continue;
            }
            self.step(wakes, &mut stop, halt_at).await?;
        }
    }

    /// One thing that happens.
    async fn step(
        &mut self,
        wakes: &mut Wakes,
        stop: &mut watch::Receiver<Stop>,
        halt_at: Option<Timestamp>,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let halt_at = halt_at.filter(|at| *at > now);
        let due = self.core.plan().wake.into_iter().chain(halt_at).min().map_or(INBOX, |at| at.since(now).min(INBOX));
        let input = tokio::select! {
            biased;
            Ok(()) = stop.changed() => Input::Tick,
            Some(heard) = self.heard.1.recv() => heard,
            Some(done) = self.jobs.join_next() => match done {
                Ok(input) => input,
                // A job that panicked is a defect of ours; its intent stays open and is looked up at the next start.
                Err(error) => {
                    tracing::error!(%error, "a job broke off");
                    Input::Tick
                }
            },
            Some(new) = renewal(&mut self.renewals) => {
                self.drain = new.drain;
                self.workers.renew(new.ports, new.settings);
                self.equip().await?;
                Input::Policy(Box::new(new.policy))
            }
            wake = wakes.next() => {
                self.equip().await?;
                let repos = match wake {
                    Wake::All => self.repos(),
                    Wake::Projects(repos) => repos.into_iter().collect(),
                };
                Input::Wake { repos, force: false }
            }
            () = self.clock.sleep(due) => Input::Tick,
        };
        self.input(input).await?;
        self.take_commands().await
    }

    async fn take_commands(&mut self) -> Result<(), EngineError> {
        for (row, command) in self.journal.inbox()? {
            if row > self.core.ledger().inbox_row {
                self.input(Input::Command { row, command }).await?;
            }
        }
        Ok(())
    }

    /// An intent is waited for that will soon be looked up again.
    fn looking_up(&self) -> bool {
        let plan = self.core.plan();
        plan.waits.values().any(|wait| matches!(wait, crate::model::Wait::LookingUp { .. }))
    }

    fn repos(&self) -> Vec<RepoName> {
        self.core.policy().projects.keys().cloned().collect()
    }

    /// What the machine has for agents: accounts, and room on the disk.
    async fn equip(&mut self) -> Result<(), EngineError> {
        self.input(Input::Accounts(self.workers.standings())).await?;
        match self.measure.as_ref().map(|measure| measure()) {
            Some(room) => self.input(Input::Room(room)).await,
            None => Ok(()),
        }
    }

    async fn wake_all(&mut self, force: bool) -> Result<(), EngineError> {
        let repos = self.repos();
        self.input(Input::Wake { repos, force }).await
    }

    async fn input(&mut self, input: Input) -> Result<(), EngineError> {
        if let Input::Ended { key, .. } = &input {
            self.cancels.remove(key);
            // What an agent said before its end is journalled before its end.
            while let Ok(heard) = self.heard.1.try_recv() {
                let effects = self.core.handle(heard, self.clock.now());
                self.carry_out(effects).await?;
            }
        }
        if input.is_trouble() {
            self.core.draw(self.workers.chance());
        }
        let effects = self.core.handle(input, self.clock.now());
        self.carry_out(effects).await?;
        self.keep(KEEP_EVERY);
        if let Some(observer) = self.observer.as_mut() {
            observer(&self.core);
        }
        Ok(())
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), EngineError> {
        for effect in effects {
            match effect {
                Effect::Append { at, events } => {
                    if let Err(error) = self.append(at, &events) {
                        return self.begin_again(error).await;
                    }
                }
                Effect::Start(job) => self.start(*job),
                Effect::Cancel(key) => {
                    if let Some(cancel) = self.cancels.get(&key) {
                        cancel.cancel();
                    }
                }
                Effect::Alarm(violation) => {
                    tracing::error!(%violation, "the plan broke a rule and was not carried out; please report this");
                    self.alarm = Some(violation);
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, at: Timestamp, events: &[Event]) -> Result<(), JournalError> {
        for event in events {
            tracing::debug!(target: "forgehand::journal", event = %serde_json::to_string(event).unwrap_or_default());
            if let Event::BudgetWarned { what, at_percent, spent, limit } = event {
                tracing::warn!("{}", crate::words::budget(what, *at_percent, *spent, *limit));
            }
        }
        self.journal.append(at, events)?;
        events.iter().for_each(|event| self.spans.heard(event));
        for listener in &mut self.listeners {
            listener(at, events, self.core.ledger());
        }
        Ok(())
    }

    fn start(&mut self, job: Job) {
        let cancel = CancellationToken::new();
        if let Job::Act { key, .. } = &job {
            self.cancels.insert(key.clone(), cancel.clone());
        }
        let (worker, heard) = (self.workers.of(&job, self.core.ledger()), self.heard.0.clone());
        let span = self.spans.of(&job);
        // Boxed, or all that a worker does is compiled once for each place of the runtime that comes to it.
        let work: Pin<Box<dyn Future<Output = Input> + Send>> = Box::pin(async move { worker.run(job, heard, cancel).await });
        self.jobs.spawn(work.instrument(span));
    }

    /// After a failed write: stop everything, open the journal anew, fold it, and go on from what is really there.
    async fn begin_again(&mut self, error: JournalError) -> Result<(), EngineError> {
        if self.fail_fast {
            return Err(error.into());
        }
        tracing::error!(%error, "the journal could not be written; it is opened anew");
        for cancel in self.cancels.values() {
            cancel.cancel();
        }
        self.cancels.clear();
        self.jobs.shutdown().await;
        while self.heard.1.try_recv().is_ok() {}
        self.journal.reopen()?;
        let before = self.core.view().clone();
        let Recalled { ledger, kept } = self.journal.recall()?;
        self.kept = kept;
        self.core = Core::on(ledger, self.core.policy().clone());
        self.core.resume_view(before);
        let begin = self.core.begin(env!("CARGO_PKG_VERSION"), std::process::id(), self.clock.now());
        for effect in begin {
            if let Effect::Append { at, events } = effect {
                self.append(at, &events)?;
            }
        }
        let repos = self.repos();
        let effects = self.core.handle(Input::Wake { repos, force: true }, self.clock.now());
        for effect in effects {
            match effect {
                Effect::Append { at, events } => self.append(at, &events)?,
                Effect::Start(job) => self.start(*job),
                Effect::Cancel(_) | Effect::Alarm(_) => {}
            }
        }
        Ok(())
    }

    async fn stopped(&mut self) -> Result<Ended, EngineError> {
        for effect in self.core.end(self.clock.now()) {
            if let Effect::Append { at, events } = effect {
                self.append(at, &events)?;
            }
        }
        self.keep(KEEP_AT_END);
        Ok(Ended::Stopped)
    }

    async fn finish(&mut self) -> Result<Ended, EngineError> {
        self.keep(KEEP_AT_END);
        Ok(Ended::Quiet)
    }

    /// Writes down what is known, if at least so much came since the last time. Without it everything is folded from the records, so a
    /// failure is only told.
    fn keep(&mut self, least: u64) {
        let ledger = self.core.ledger();
        if ledger.seq < self.kept.saturating_add(least) {
            return;
        }
        self.kept = ledger.seq;
        if let Err(error) = self.journal.keep(ledger) {
            tracing::warn!(%error, "what is known could not be written down; the next start takes longer");
        }
    }

    /// The last plan that broke a rule: a defect of ours, because of which it was not carried out.
    pub fn alarm(&self) -> Option<&Violation> {
        self.alarm.as_ref()
    }

    /// The projects that cannot be worked on, and why.
    pub fn troubles(&self) -> Vec<(RepoName, Trouble)> {
        // The journal remembers projects that the configuration has no more, under an old name for one.
        let projects = self.core.ledger().projects.iter().filter(|(repo, _)| self.core.policy().projects.contains_key(*repo));
        projects.filter_map(|(repo, p)| Some((repo.clone(), p.trouble.as_ref()?.trouble.clone()))).collect()
    }
}

/// The next configuration that was read anew; never, where nobody reads.
async fn renewal(from: &mut Option<mpsc::Receiver<Renewal>>) -> Option<Renewal> {
    match from {
        Some(renewals) => renewals.recv().await,
        None => std::future::pending().await,
    }
}
