//! Why something waits, what is wrong with a project, and what is said to people.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    AccountName, ActionId, Ask, AtVault, Branch, Classified, Commented, Dependency, ForgeEvent, Formula, FormulaName, Gate,
    IssueNumber, JournalId, Login, Overlapping, PullNumber, RepoName, Rerun, Risk, RunId, RunOutcome, Scope, Sha, StepId,
    Subject, TierReason, Timestamp, ToMerge, Usd,
};

/// What a formula had of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quota {
    /// Runs that began.
    Runs {
        /// The limit.
        limit: u32,
    },
    /// Money.
    Usd {
        /// Spent.
        spent: Usd,
        /// Kept for its runs that live.
        reserved: Usd,
        /// The limit.
        limit: Usd,
    },
}

/// A formula that is needed, by what it does: no name means anything here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needed {
    /// The one of this name, which another one named.
    Named(FormulaName),
    /// One that this label starts, by its default name.
    StartedBy(String),
    /// One that revises a pull request on this event.
    Revises(ForgeEvent),
    /// One that reviews.
    Reviews,
}

impl Needed {
    /// Whether a formula is one.
    pub fn is(&self, formula: &Formula) -> bool {
        match self {
            Self::Named(name) => formula.name == *name,
            Self::StartedBy(label) => formula.trigger.label.as_ref() == Some(label),
            Self::Revises(event) => formula.revises() && formula.trigger.event.contains(event),
            Self::Reviews => formula.reviews(),
        }
    }
}

/// Why an issue does not move now. `explain`, the board and the comments all print this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wait")]
pub enum Wait {
    /// An effect is under way.
    Acting {
        /// Which, in a word.
        what: String,
    },
    /// An intent without an outcome is looked up before it is made again.
    LookingUp {
        /// Which, in a word.
        what: String,
        /// When it counts as absent.
        until: Timestamp,
    },
    /// All slots are taken.
    NoSlot {
        /// How many there are.
        slots: u32,
        /// The project whose own slots they are; none where they are everybody's.
        #[serde(default)]
        project: Option<RepoName>,
    },
    /// The project was taken out of the configuration, and something still runs there.
    Leaving,
    /// A person paused it, its project, or everything.
    Paused {
        /// What was paused.
        what: Scope,
        /// Until when; until it is resumed where none is given.
        until: Option<Timestamp>,
    },
    /// Others are before it in the queue.
    Behind {
        /// How many.
        others: u32,
    },
    /// It depends on issues that are open.
    Dependencies {
        /// Which.
        open: Vec<Dependency>,
    },
    /// Its formula requires other labels than it carries.
    Labels {
        /// The formula.
        formula: FormulaName,
        /// What it lacks, by the project's names.
        lacks: Vec<String>,
        /// What it must not carry, by the project's names.
        bars: Vec<String>,
    },
    /// Its formula requires files that are not there.
    Files {
        /// The formula.
        formula: FormulaName,
        /// Which are missing.
        missing: Vec<String>,
        /// From which branch.
        branch: Branch,
    },
    /// Whether the files are there that its formula requires could not be found out.
    FilesUnread {
        /// The formula.
        formula: FormulaName,
        /// What was in the way.
        why: String,
    },
    /// A run of its formula's group is at work, and they do not run beside each other.
    Group {
        /// The group.
        group: String,
        /// What that run is about.
        on: Subject,
        /// It.
        run: RunId,
    },
    /// The files that it likely changes are those that another one changes.
    Overlap {
        /// That.
        on: Subject,
        /// What of it is waited for.
        by: Overlapping,
        /// Some of the files.
        files: Vec<String>,
        /// How many more there are.
        more: u32,
    },
    /// A failed attempt is tried again later.
    Backoff {
        /// When.
        until: Timestamp,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// How it failed.
        outcome: String,
    },
    /// An effect failed in a way that passes, and is tried again later.
    Retry {
        /// When.
        until: Timestamp,
        /// What was in the way.
        why: String,
    },
    /// The model's account cannot be used.
    AccountPaused {
        /// Which.
        account: AccountName,
        /// Until when.
        until: Timestamp,
        /// Why.
        why: String,
    },
    /// The account's sign-in is being renewed.
    Renewing {
        /// Which.
        account: AccountName,
    },
    /// The account's sign-in has ended and could not be renewed.
    SignInEnded {
        /// Which.
        account: AccountName,
        /// When it ended.
        since: Timestamp,
        /// Why it was not renewed.
        why: String,
        /// When renewing it is tried again.
        until: Option<Timestamp>,
    },
    /// A formula had as much of the day as it is to have.
    Quota {
        /// Which.
        formula: FormulaName,
        /// Of what.
        of: Quota,
        /// When it has some again.
        until: Timestamp,
    },
    /// A budget is spent.
    Budget {
        /// Which, in a word: `run`, `project`, `day`.
        which: String,
        /// Spent.
        spent: Usd,
        /// Kept for what runs.
        #[serde(default)]
        reserved: Usd,
        /// The limit.
        limit: Usd,
        /// When it is refilled, if by time.
        until: Option<Timestamp>,
    },
    /// Another daemon has the claim.
    Claimed {
        /// Whose it is.
        by: JournalId,
        /// When it expires, by our clock.
        until: Timestamp,
    },
    /// The project cannot be worked on.
    Project {
        /// Why.
        trouble: Trouble,
        /// When it is looked at again.
        until: Timestamp,
    },
    /// A person has a question to answer.
    Question {
        /// When it goes to a person.
        until: Timestamp,
    },
    /// A person does this one.
    Person,
    /// It failed for good; a person decides.
    Failed,
    /// A pull request is open and waits for a person to merge it.
    Merge {
        /// It.
        pull: PullNumber,
    },
    /// A pull request is open that we merge when it may be.
    ToMerge {
        /// It.
        pull: PullNumber,
        /// Its tier, where that is known.
        tier: Option<Risk>,
        /// What it waits for.
        waits: ToMerge,
    },
    /// The checks of its pull request were ended from outside: what they would say is not known.
    ChecksCut {
        /// It.
        pull: PullNumber,
        /// What came of having them run again; none where that was not tried.
        #[serde(default)]
        rerun: Option<Rerun>,
    },
    /// No runner of the forge takes the checks of its pull request.
    NoRunner {
        /// It.
        pull: PullNumber,
        /// Since when that is known, by our clock.
        since: Timestamp,
    },
    /// As many of our pull requests wait for people as may.
    OpenPulls {
        /// How many do.
        open: u32,
        /// How many may.
        limit: u32,
    },
    /// What was asked of its pull request was answered; whoever asked for it looks again.
    Reviewer {
        /// It.
        pull: PullNumber,
        /// Who asked.
        by: Vec<Login>,
    },
    /// Its run waits at a gate.
    Gate {
        /// The step.
        step: StepId,
        /// For what.
        waits: AtGate,
        /// When the run is ended that waits there, where its formula says so.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// A step of its run failed, and is done again later.
    Again {
        /// The step.
        step: StepId,
        /// When.
        until: Timestamp,
        /// How often it is done again, with this time.
        time: u32,
        /// How often at most.
        of: u32,
        /// How it failed.
        outcome: Box<RunOutcome>,
    },
    /// Nothing is to be done about a project until a formula's schedule comes round.
    Schedule {
        /// The formula.
        formula: FormulaName,
        /// When.
        until: Timestamp,
    },
    /// Nothing is to be done about a project until somebody asks for it.
    Unasked,
    /// A formula is needed that is not there.
    NeedsFormula {
        /// Which.
        needs: Needed,
        /// What asks for it.
        because: String,
    },
    /// It carries `claude-working` and no run of ours is known.
    Orphan {
        /// When it goes back to the queue.
        until: Timestamp,
    },
    /// It was filed before the first start.
    Old {
        /// What was filed from here on is triaged, by the forge's clock.
        since: Timestamp,
    },
    /// Somebody else has a pull request open from the branch that a run would work on.
    ForeignPull {
        /// It.
        pull: PullNumber,
        /// Who opened it.
        by: Login,
    },
    /// It carries `claude-pr`, and no open pull request of ours is known.
    NoPull,
    /// An action of the vault that unblocks it has not ended.
    Vault {
        /// Which.
        id: ActionId,
        /// How that stands.
        stands: String,
    },
    /// A person is asked in words for something that unblocks it.
    VaultItem {
        /// The name of the file in `vault/pending`.
        name: String,
        /// The pull request that brings it, where it is not merged yet.
        #[serde(default)]
        asked_by: Option<PullNumber>,
    },
    /// Nothing new is started: the daemon is about to end.
    Draining,
    /// No credentials for the model.
    NoCredentials,
    /// The disk has too little room.
    Disk {
        /// Free, in bytes.
        free: u64,
        /// What must be free, in bytes.
        floor: u64,
    },
    /// Closed.
    Closed,
    /// It carries neither `portal` nor a decision label.
    NotOurs,
}

impl Wait {
    /// The time at which it ends by itself, if it does.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::LookingUp { until, .. }
            | Self::Backoff { until, .. }
            | Self::Retry { until, .. }
            | Self::AccountPaused { until, .. }
            | Self::Claimed { until, .. }
            | Self::Project { until, .. }
            | Self::Question { until }
            | Self::Orphan { until }
            | Self::Quota { until, .. }
            | Self::Schedule { until, .. } => Some(*until),
            Self::Again { until, .. } => Some(*until),
            Self::Gate { waits: AtGate::Time { until }, until: shut, .. } => shut.iter().chain([until]).min().copied(),
            Self::ToMerge { waits, .. } => waits.until(),
            Self::Gate { until, .. }
            | Self::Budget { until, .. }
            | Self::Paused { until, .. }
            | Self::SignInEnded { until, .. } => *until,
            Self::Acting { .. }
            | Self::NoSlot { .. }
            | Self::Behind { .. }
            | Self::Dependencies { .. }
            | Self::Labels { .. }
            | Self::Files { .. }
            | Self::FilesUnread { .. }
            | Self::Group { .. }
            | Self::Overlap { .. }
            | Self::Person
            | Self::Failed
            | Self::Merge { .. }
            | Self::Reviewer { .. }
            | Self::ChecksCut { .. }
            | Self::NoRunner { .. }
            | Self::OpenPulls { .. }
            | Self::Unasked
            | Self::NeedsFormula { .. }
            | Self::Leaving
            | Self::Old { .. }
            | Self::ForeignPull { .. }
            | Self::NoPull
            | Self::Vault { .. }
            | Self::VaultItem { .. }
            | Self::Draining
            | Self::Renewing { .. }
            | Self::NoCredentials
            | Self::Disk { .. }
            | Self::Closed
            | Self::NotOurs => None,
        }
    }
}

/// What a run waits for at a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "gate")]
pub enum AtGate {
    /// Time to pass.
    Time {
        /// Until when.
        until: Timestamp,
    },
    /// Green checks.
    Checks {
        /// Of which pull request.
        pull: PullNumber,
        /// None has reported yet.
        none: bool,
        /// They were ended from outside, and run again only where somebody has them do so.
        #[serde(default)]
        cut: bool,
    },
    /// An approval.
    Approval {
        /// Of which pull request.
        pull: PullNumber,
        /// A reviewer asks for changes instead.
        changes_requested: bool,
    },
    /// An action of the vault.
    Vault(Box<AtVault>),
}

/// What is wrong with a project as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "trouble")]
pub enum Trouble {
    /// The forge does not answer.
    Unreachable {
        /// What was seen.
        why: String,
    },
    /// The token is wrong or gone.
    Unauthorized,
    /// A right or a scope is missing.
    Denied {
        /// Which, as far as the forge said.
        why: String,
    },
    /// There is no such repository, or the token may not see it.
    Missing,
    /// It was renamed or moved.
    Moved {
        /// Its new name.
        to: Option<String>,
    },
    /// It is archived.
    Archived,
    /// It has no commit yet.
    Empty,
    /// What answers is not a Forgejo.
    NotAForge {
        /// What was seen.
        why: String,
    },
}

/// What the first look at a project found standing, for who starts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// Issues that were filed before the first start, and what was filed from when on is triaged.
    pub old: Option<(u64, Timestamp)>,
    /// Issues that stand in the queue.
    pub queued: u64,
    /// Open pull requests of ours, with their issues.
    pub adopted: Vec<(IssueNumber, PullNumber)>,
    /// Somebody else's pull requests from branches of ours.
    pub foreign: Vec<(IssueNumber, PullNumber, Login)>,
    /// Issues that carry `claude-working`, and nobody is known to be at work; when the first of them is queued again, by our clock.
    pub orphans: Vec<(IssueNumber, Timestamp)>,
}

/// What the status comment says. It is written again only when this changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where the story stands.
    pub story: Story,
    /// A label that a person set by hand and that was set back.
    pub set_back: Option<super::Decision>,
}

/// Where an issue's story stands, for the people who read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "story")]
pub enum Story {
    /// Stands as its label says; there is nothing to add but the note.
    Standing,
    /// An agent works on it.
    Working {
        /// The attempt, from 1.
        attempt: u32,
        /// How many there are.
        of: u32,
    },
    /// An attempt failed, and is tried again.
    TryingAgain {
        /// The attempt that failed.
        attempt: u32,
        /// How many there are.
        of: u32,
        /// How it failed.
        outcome: RunOutcome,
    },
    /// Its run waits at a gate.
    Gate {
        /// Which.
        gate: Gate,
        /// The pull request that it opened, if it did.
        pull: Option<PullNumber>,
    },
    /// A pull request is open.
    Opened {
        /// It.
        pull: PullNumber,
        /// How much its head could break, where a person merges it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Box<Classified>>,
    },
    /// A pull request is open that is merged when it is approved.
    Approval {
        /// It.
        pull: PullNumber,
        /// The head that is to be approved.
        head: Sha,
        /// How much it could break.
        tier: Risk,
        /// Why.
        reasons: Vec<TierReason>,
        /// Who may approve it, where the policy names them.
        named: Vec<Login>,
    },
    /// Failed for good.
    Failed {
        /// How.
        outcome: RunOutcome,
        /// Attempts made.
        attempts: u32,
    },
    /// A question has to be answered.
    Question {
        /// What is asked.
        questions: Vec<String>,
    },
    /// Triage says a person must.
    Person {
        /// Why.
        why: PersonWhy,
    },
    /// The pull request was merged.
    Merged {
        /// It.
        pull: PullNumber,
        /// The commit that was verified, and by which commands.
        #[serde(default)]
        verified: Option<(Sha, Vec<String>)>,
        /// What all agents of the issue cost.
        #[serde(default)]
        cost: Usd,
    },
}

/// Why a person must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum PersonWhy {
    /// Triage decided so.
    Triage {
        /// Its summary.
        summary: String,
    },
    /// Triage gave no valid answer, twice.
    NoAnswer {
        /// What was wrong with it.
        why: String,
    },
    /// The change touches paths that a person must decide on.
    Paths {
        /// Which.
        paths: BTreeSet<String>,
        /// The branch that keeps the work.
        branch: String,
    },
    /// Nobody answered the question in time, or nobody can.
    Unanswered,
    /// The pull request was closed without a merge.
    ClosedUnmerged {
        /// It.
        pull: PullNumber,
    },
    /// The branch has commits that are not ours.
    BranchTaken {
        /// The branch.
        branch: String,
    },
    /// What is asked of the pull request was asked too often, or could not be done.
    Disputed {
        /// It.
        pull: PullNumber,
        /// How often it was revised.
        rounds: u32,
        /// What.
        over: Vec<Dispute>,
    },
}

/// What is not settled about a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "over")]
pub enum Dispute {
    /// A reviewer asks for changes.
    Changes {
        /// Who, and what.
        ask: Ask,
    },
    /// Somebody commented on it.
    Comment {
        /// Who, and what.
        comment: Commented,
    },
    /// Its checks are red.
    Checks {
        /// Of this commit.
        head: Sha,
    },
    /// It conflicts with its base.
    Conflict {
        /// That.
        base: Branch,
    },
    /// Together with its base it fails the verification.
    Unfit {
        /// That.
        base: Branch,
    },
}

impl Story {
    /// It comes to wait for a person, or ends: it is posted anew with a mention, because edits notify nobody.
    pub fn calls_a_person(&self) -> bool {
        match self {
            Self::Failed { .. }
            | Self::Question { .. }
            | Self::Person { .. }
            | Self::Approval { .. }
            | Self::Gate { gate: Gate::Approval | Gate::Vault { .. }, .. } => true,
            Self::Standing
            | Self::Working { .. }
            | Self::TryingAgain { .. }
            | Self::Gate { gate: Gate::Time { .. } | Gate::Checks, .. }
            | Self::Opened { .. }
            | Self::Merged { .. } => false,
        }
    }
}
