//! The effects: one function for each, from what the core asks to what came of it.
//!
//! Promises: nothing here decides what is to be done next; each effect can be cut at any point and is healed by its look-up or by being
//! done again; what is published was scanned for secrets first.

mod agent;
mod ask;
mod asked;
mod claim;
mod commented;
mod context;
mod dispatch;
mod find;
mod host;
mod issues;
mod keep;
mod labels;
mod merge;
mod observe;
mod placeholder;
mod prepare;
mod publish;
mod reading;
mod rehearsal;
mod rerun;
mod review;
mod revision;
mod say;
mod scene;
mod setup;
mod sprint;
mod stage;
mod tasks;
mod texts;
mod vault;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use keep::Ops;
pub use placeholder::{Placeholders, placeholder};
pub use reading::{Staged, Unread};
pub use rehearsal::{Answer, Cast, Played, Shown};
pub use scene::Scene;
pub use stage::{PlayedHost, PlayedMerge, PlayedVault, Stage};
pub use texts::TextStore;

use crate::config::Probe;
use crate::ledger::{IssueState, RunState};
use crate::model::{
    AgentName, Branch, EffectKey, Failure, FailureKind, FilesSought, Intent, LabelNames, Login, Outcome, Provisions, RepoName,
    Standings, Subject, Timestamp, Usd,
};
use crate::plan::Crew;
use crate::ports::{Forge, ForgeError, ForgeErrorKind, HandError, HandErrorKind, RepoError, RepoErrorKind, Repos};
use crate::scan::Scanner;

use super::core::{Facts, Job};
use super::input::Input;
use super::shell::Ports;

/// What the configuration says that effects need.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The forge's address.
    pub forge: String,
    /// The bot's login, where the token may not ask for it.
    pub login: Option<Login>,
    /// Author and committer, `Name <mail>`.
    pub author: String,
    /// The same of agents that have one of their own.
    pub authors: BTreeMap<AgentName, String>,
    /// Who works.
    pub crew: Crew,
    /// Changed lines at most.
    pub diff_lines: u64,
    /// A run's money.
    pub usd_run: Usd,
    /// A run's money for agents that have another limit.
    pub budgets: BTreeMap<AgentName, Usd>,
    /// A model call's money.
    pub usd_call: Usd,
    /// How long a claim holds.
    pub lease: Duration,
    /// The overlap of looks.
    pub overlap: Duration,
    /// The operations repository.
    pub ops: Option<Ops>,
    /// What an action of the vault may name.
    pub vault: crate::vault::Known,
    /// The probes of the host.
    pub probes: Vec<Probe>,
    /// Each project's own part.
    pub projects: BTreeMap<RepoName, ProjectSettings>,
}

impl Settings {
    /// What a run may have cost while an agent works on it.
    fn budget_of(&self, agent: Option<&AgentName>) -> Usd {
        agent.and_then(|agent| self.budgets.get(agent)).copied().unwrap_or(self.usd_run)
    }
}

/// A project's own part.
#[derive(Clone, Debug, Default)]
pub struct ProjectSettings {
    /// Names of the labels.
    pub labels: LabelNames,
    /// The verification's commands.
    pub verify: Vec<String>,
    /// Hosts that it may reach.
    pub verify_network: Vec<String>,
    /// Who is called where a person is needed; else the issue's author.
    pub mention: Vec<Login>,
    /// Paths that a person must decide on.
    pub person_paths: Vec<String>,
    /// The branch that pull requests go to, instead of the repository's default.
    pub base: Option<Branch>,
    /// Logins whose comments count where the token may not ask for rights.
    pub obey: Vec<Login>,
    /// What runs are given beside their clone.
    pub provisions: Provisions,
}

/// Makes effects.
pub(super) struct Worker {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) texts: TextStore,
    pub(super) scanner: Arc<Scanner>,
    /// The forge's clock less ours, in milliseconds.
    skew: Arc<AtomicI64>,
    /// One label creation at a time in each project: names are not unique on a forge.
    labelling: Arc<Labelling>,
    /// One question for a file of the operations repository at a time: who asks must see what another asked a moment ago.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// A lock for each project.
type Labelling = std::sync::Mutex<BTreeMap<RepoName, Arc<tokio::sync::Mutex<()>>>>;

/// An effect to make, with what it needs to know.
pub(super) struct Order<'a> {
    key: &'a EffectKey,
    subject: &'a Subject,
    state: &'a IssueState,
    facts: &'a Facts,
    project: &'a ProjectSettings,
}

impl Worker {
    pub(super) fn new(ports: Ports, settings: Settings, texts: TextStore, scanner: Arc<Scanner>) -> Self {
        Self { ports, settings, texts, scanner, skew: Arc::default(), labelling: Arc::default(), asking: Arc::default() }
    }

    /// The same with other ports and settings; what it has learned, and what keeps two from writing at once, it shares.
    pub(super) fn renewed(&self, ports: Ports, settings: Settings) -> Self {
        let (texts, scanner) = (self.texts.clone(), self.scanner.clone());
        let (skew, labelling, asking) = (self.skew.clone(), self.labelling.clone(), self.asking.clone());
        Self { ports, settings, texts, scanner, skew, labelling, asking }
    }

    fn labelling(&self, repo: &RepoName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.labelling.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        locks.entry(repo.clone()).or_default().clone()
    }

    /// Does a job, and tells what came of it.
    pub(super) async fn run(&self, job: Job, heard: mpsc::Sender<Input>, cancel: CancellationToken) -> Input {
        match job {
            Job::Survey(repo) => {
                let result = self.survey(&repo).await;
                Input::Surveyed { repo, result }
            }
            Job::Look { repo, since, facts, stamp, pulls } => {
                let result = self.look_all(&repo, since, &facts, stamp, pulls).await;
                Input::Looked { repo, result }
            }
            Job::History(subject) => {
                let result = self.history(&subject).await;
                Input::History { subject, result }
            }
            Job::Dependencies { subject, named } => {
                let result = self.dependencies(&subject, &named).await;
                Input::Dependencies { subject, result }
            }
            Job::Files { subject, asked, facts } => {
                let result = self.look_for(&subject, &asked, &facts).await;
                Input::Files { subject, sought: FilesSought { asked, result } }
            }
            Job::Checks { subject, pull, reviews, weighing, facts } => {
                let result = self.read_pull(&subject, &pull, (reviews, weighing), &facts).await;
                Input::Checks { subject, moved: pull.moved, weighing, result }
            }
            Job::Rights { subject, asked, facts } => {
                let result = self.rights(&subject.repo, &asked.login, &facts).await;
                Input::Rights { subject, asked, result }
            }
            Job::Offers { repo, known, shelf, policy } => {
                let result = self.offers(&known, shelf.as_ref(), policy).await;
                Input::Offers { repo, result }
            }
            Job::Vault { repo, job } => {
                let answer = self.dispatch(&repo, job).await;
                Input::Vault { repo, answer }
            }
            Job::TellOffer { repo, pull, head, judged } => {
                let failed = self.tell_offer(&repo, &head, &judged).await.err();
                Input::OfferTold { repo, pull, head, failed }
            }
            Job::Renew(account) => {
                let result = self.ports.accounts.renew(&account).await;
                Input::Renewed { account, result, standings: self.standings() }
            }
            Job::Find { key, subject, intent, since, facts } => {
                let result = self.find(&key, &subject, &intent, since, &facts).await;
                Input::Found { key, result }
            }
            Job::Act { key, subject, intent, state, facts } => {
                let fallback = ProjectSettings::default();
                let project = self.settings.projects.get(&subject.repo).unwrap_or(&fallback);
                let order = Order { key: &key, subject: &subject, state: &state, facts: &facts, project };
                let outcome =
                    self.act(&order, &intent, heard, cancel).await.unwrap_or_else(|failure| Outcome::Failed { failure });
                Input::Ended { key, outcome }
            }
        }
    }

    /// The one match over effects.
    async fn act(
        &self,
        order: &Order<'_>,
        intent: &Intent,
        heard: mpsc::Sender<Input>,
        cancel: CancellationToken,
    ) -> Result<Outcome, Failure> {
        match intent {
            Intent::Claim { renews } => self.claim(order, renews.as_ref()).await,
            Intent::Release { held } => self.release(order, held).await,
            Intent::Labels { to, known } => self.write_labels(order, *to, known).await,
            Intent::Say { what, if_there: true, .. } => self.say_again(order, what).await,
            Intent::Say { what, edit, replaces, .. } => self.say(order, what, *edit, *replaces).await,
            Intent::Close => self.close(order).await,
            Intent::Prepare { on_branch, .. } => self.prepare(order, *on_branch).await,
            Intent::SetUp { .. } => self.set_up(order, cancel).await,
            Intent::Agent { step, session, resume, told, agent, model, account, .. } => {
                let (agent, model, account) = (agent.as_ref(), model.as_deref(), account.as_ref());
                let turn = agent::Turn { step, session, resume: *resume, told, agent, model, account };
                self.agent(order, &turn, heard, cancel).await
            }
            Intent::Take { .. } => self.take(order, cancel).await,
            Intent::Verify { step, sha, trial, .. } => self.verify(order, step, (sha, trial.as_deref()), cancel).await,
            Intent::Push { sha, branch, lease, .. } => self.push(order, sha, branch, lease.as_ref()).await,
            Intent::OpenPull { step, head, base, .. } => self.open_pull(order, step, head, base).await,
            Intent::Relabel { step, on, .. } => self.relabel(order, step, *on).await,
            Intent::CloseNamed { on, .. } => self.close_named(order, *on).await,
            Intent::Reopen { .. } => {
                self.ports.forge.reopen_issue(&order.subject.repo, order.subject.issue).await.map_err(forge)?;
                Ok(Outcome::Reopened)
            }
            Intent::File { step, item, blocks, once, .. } => {
                let names = issues::Named { item: item.as_ref(), blocks: *blocks, once: once.as_deref() };
                self.file(order, step, &names).await
            }
            Intent::Keep { step, content, .. } => self.keep(order, step, content).await,
            Intent::AskVault { step, file, .. } => self.ask_vault(order, step, file).await,
            Intent::Mend { probe, .. } => self.mend(probe).await,
            Intent::Review { step, pull, head, verdict, .. } => {
                self.review(order, &review::Asked { step, pull: *pull, head, verdict: *verdict }).await
            }
            Intent::Reply { pull, reply, .. } => self.reply(order, *pull, reply).await,
            Intent::Rewrite { step, on, tick, .. } => self.rewrite(order, step, *on, tick).await,
            Intent::Discard { run, keep_workspace } => self.discard(order, run, *keep_workspace).await,
            Intent::Merge { pull, head, style } => self.merge(order, *pull, head, *style).await,
            Intent::Rerun { pull, head } => self.rerun(order, *pull, head).await,
            Intent::DropBranch { branch, pull } => self.drop_branch(order, branch, *pull).await,
        }
    }

    async fn close(&self, order: &Order<'_>) -> Result<Outcome, Failure> {
        // A formula that closes its issue hears why that cannot be; what was merged is closed when it can be.
        if order.state.live_run().is_some() {
            return self.close_named(order, order.subject.issue).await;
        }
        self.ports.forge.close_issue(&order.subject.repo, order.subject.issue).await.map_err(forge)?;
        Ok(Outcome::Closed)
    }

    /// How the accounts stand now.
    pub(super) fn standings(&self) -> Standings {
        self.ports.accounts.standings()
    }

    /// Who is author of what a run pushes.
    fn author(&self, run: &RunState) -> String {
        let member = self.settings.crew.author_of(&run.formula);
        self.settings.authors.get(&member.name).unwrap_or(&self.settings.author).clone()
    }

    /// All authors of what is ours, as `Name <mail>`.
    fn authors(&self) -> Vec<String> {
        self.settings.authors.values().chain([&self.settings.author]).cloned().collect()
    }

    /// The one place that says as whom something is done on the forge: a run's breakdown, branch and pull request as the agent whose work
    /// they are, where it has an identity of its own. Everything else, labels and the status comment with it, is the bot's.
    fn as_author(&self, run: &RunState) -> (&dyn Forge, &dyn Repos) {
        let member = self.settings.crew.author_of(&run.formula);
        match self.ports.identities.get(&member.name) {
            Some(identity) => (identity.forge.as_ref(), identity.repos.as_ref()),
            None => (self.ports.forge.as_ref(), self.ports.repos.as_ref()),
        }
    }

    /// Chance from 0 to 999, taken from a fresh identifier.
    pub(super) fn chance(&self) -> u16 {
        let sum = self.ports.ids.uuid().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        u16::try_from(sum % 1_000).unwrap_or_default()
    }

    /// Now, by the forge's clock.
    fn forge_now(&self) -> Timestamp {
        Timestamp(self.ports.clock.now().0.saturating_add(self.skew.load(Ordering::Relaxed)))
    }

    /// A time of the forge's clock, by ours.
    fn by_our_clock(&self, at: Timestamp) -> Timestamp {
        Timestamp(at.0.saturating_sub(self.skew.load(Ordering::Relaxed)))
    }

    fn learn_clock(&self, date: Option<Timestamp>) {
        if let Some(date) = date {
            self.skew.store(date.0.saturating_sub(self.ports.clock.now().0), Ordering::Relaxed);
        }
    }
}

impl Order<'_> {
    fn run(&self) -> Result<&RunState, Failure> {
        self.state.run.as_ref().ok_or_else(|| environment("the run is gone"))
    }

    fn prepared(&self) -> Result<&crate::ledger::Prepared, Failure> {
        self.run()?.prepared.as_ref().ok_or_else(|| environment("the run was not prepared"))
    }
}

fn environment(why: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Environment, why: why.into() }
}

/// What a failed call to the forge means for an effect. A 409 or a blank 500 after a write may mean that it is there already.
fn forge(error: ForgeError) -> Failure {
    let kind = match error.kind {
        ForgeErrorKind::Unreachable { .. } | ForgeErrorKind::NotAForge => FailureKind::Passing,
        ForgeErrorKind::Doubtful | ForgeErrorKind::Conflict | ForgeErrorKind::Server => FailureKind::Doubtful,
        ForgeErrorKind::NotFound => FailureKind::Gone,
        ForgeErrorKind::Unauthorized
        | ForgeErrorKind::Denied
        | ForgeErrorKind::Moved { .. }
        | ForgeErrorKind::Archived
        | ForgeErrorKind::Invalid => FailureKind::Refused,
    };
    Failure { kind, why: error.to_string() }
}

fn repos(error: RepoError) -> Failure {
    let kind = match error.kind {
        RepoErrorKind::Unreachable | RepoErrorKind::Failed => FailureKind::Passing,
        RepoErrorKind::Denied => FailureKind::Refused,
        RepoErrorKind::Environment => FailureKind::Environment,
    };
    Failure { kind, why: error.to_string() }
}

fn hands(error: HandError) -> Failure {
    let kind = match error.kind {
        HandErrorKind::NoCredentials => FailureKind::NoCredentials,
        HandErrorKind::Environment => FailureKind::Environment,
        HandErrorKind::Setup => FailureKind::Setup,
        HandErrorKind::Busy => FailureKind::Passing,
        HandErrorKind::Cancelled => FailureKind::Cancelled,
    };
    // What was tried is said by the words for the failure.
    let why = if kind == FailureKind::Setup { error.why } else { error.to_string() };
    Failure { kind, why }
}
