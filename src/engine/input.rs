//! What the core is told.

use std::collections::BTreeMap;

use crate::model::{
    AccountName, ActionId, ActionRecord, Approving, Ask, Asked, Begun, BrokenPolicy, Checks, Command, Comment, Commented,
    Dependency, EffectKey, Failure, FilesSought, Issue, Judged, LabelEvent, Mute, Outcome, PendingItem, ProjectFacts, Pull,
    PullNumber, RepoName, RunId, Sha, ShelvedAction, Standings, Subject, Timestamp, Trouble, Weighed,
};
use crate::plan::{Policy, Room, Weighing};
use crate::ports::HandEvent;

/// An open pull request of the operations repository.
#[derive(Clone, Debug)]
pub struct OfferRead {
    /// It.
    pub pull: PullNumber,
    /// Its head, and what that comes to; none where that is known already, or cannot be told.
    pub read: Option<(Sha, Option<Judged>)>,
}

/// What stands in the vault, on the branch that counts.
#[derive(Clone, Debug)]
pub struct ShelfRead {
    /// The commit that changed it last; none where nothing is there.
    pub at: Option<Sha>,
    /// The actions.
    pub actions: Vec<ShelvedAction>,
    /// What people are asked for in words.
    pub items: Vec<PendingItem>,
}

/// What was read of the operations repository.
#[derive(Clone, Debug)]
pub struct VaultRead {
    /// Each pull request that is open.
    pub offers: Vec<OfferRead>,
    /// What the branch has, where that is news.
    pub shelf: Option<ShelfRead>,
    /// What is wrong with the policy, where that was read.
    pub policy: Option<Option<BrokenPolicy>>,
}

/// What came of something that the dispatcher of the vault did.
#[derive(Clone, Debug)]
pub enum VaultAnswer {
    /// Who approved an action was read, at the commit that had changed the vault last.
    Weighed(ActionId, Sha, Result<Approving, Failure>),
    /// That it begins was written, or was not.
    Begun(ActionId, Begun),
    /// How it ended was written, or why it was not.
    Closed(ActionId, ActionRecord, Option<Failure>),
    /// A pull request was merged at a head, or why it was not.
    Merged(PullNumber, Sha, Option<Failure>),
}

/// What the core is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Look at these projects; it carries no facts.
    Wake {
        /// Which.
        repos: Vec<RepoName>,
        /// Also at those that were in trouble a moment ago.
        force: bool,
    },
    /// Time has passed.
    Tick,
    /// A command from the inbox.
    Command {
        /// Its row.
        row: u64,
        /// It.
        command: Command,
    },
    /// How the credentials of the accounts stand.
    Accounts(Standings),
    /// Renewing a sign-in ended.
    Renewed {
        /// Of which account.
        account: AccountName,
        /// Why it did not work.
        result: Result<(), String>,
        /// How the accounts stand since.
        standings: Standings,
    },
    /// The room on the disk.
    Room(Option<Room>),
    /// A survey ended.
    Surveyed {
        /// Of which project.
        repo: RepoName,
        /// What was learned, or what is wrong.
        result: Result<ProjectFacts, Trouble>,
    },
    /// A look ended.
    Looked {
        /// At which project.
        repo: RepoName,
        /// What was seen, or what is wrong.
        result: Result<LookedAt, Trouble>,
    },
    /// A timeline was read.
    History {
        /// Of which issue.
        subject: Subject,
        /// Its label events.
        result: Result<Vec<LabelEvent>, Trouble>,
    },
    /// Dependencies were read.
    Dependencies {
        /// Of which issue.
        subject: Subject,
        /// They.
        result: Result<Vec<Dependency>, Trouble>,
    },
    /// Somebody's rights were read.
    Rights {
        /// On which issue.
        subject: Subject,
        /// Who asked, and for what.
        asked: Asked,
        /// Whether they may.
        result: Result<bool, Trouble>,
    },
    /// The files that a formula requires were looked for.
    Files {
        /// Of which issue.
        subject: Subject,
        /// They.
        sought: FilesSought,
    },
    /// A pull request of ours was read.
    Checks {
        /// Of which issue.
        subject: Subject,
        /// When it had last moved as the reading began, by the forge's clock.
        moved: Option<Timestamp>,
        /// What was asked for about its merge.
        weighing: Weighing,
        /// What was read.
        result: Result<PullRead, Trouble>,
    },
    /// The open pull requests of the operations repository were read.
    Offers {
        /// The repository.
        repo: RepoName,
        /// They; or why that could not be told.
        result: Result<VaultRead, Failure>,
    },
    /// What the dispatcher of the vault did ended.
    Vault {
        /// The operations repository.
        repo: RepoName,
        /// What, and how.
        answer: VaultAnswer,
    },
    /// What one of them comes to was written, or was not.
    OfferTold {
        /// The repository.
        repo: RepoName,
        /// The pull request.
        pull: PullNumber,
        /// The head.
        head: Sha,
        /// Why it does not stand there.
        failed: Option<Failure>,
    },
    /// An open intent was looked up.
    Found {
        /// It.
        key: EffectKey,
        /// What came of it; none if nothing was found.
        result: Result<Option<Outcome>, Failure>,
    },
    /// An effect ended.
    Ended {
        /// It.
        key: EffectKey,
        /// How.
        outcome: Outcome,
    },
    /// An agent was heard.
    Heard {
        /// Of which run.
        run: RunId,
        /// In which session.
        session: String,
        /// What.
        event: HandEvent,
    },
    /// The configuration was read anew.
    Policy(Box<Policy>),
    /// Start nothing new.
    Drain,
    /// End what runs.
    Halt,
}

/// What was read of a pull request of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRead {
    /// Where its head is, where that could be found out.
    pub head: Option<Sha>,
    /// The checks of that head.
    pub checks: Checks,
    /// Why they say nothing.
    pub mute: Mute,
    /// What its reviews come to, where they were read.
    pub reviews: Option<Reviewed>,
    /// Whether it conflicts with its base, where that could be found out.
    pub conflicts: Option<bool>,
    /// What decides about its merge, where that was asked for and could be found out.
    pub weighed: Option<Box<Weighed>>,
}

/// What the reviews of a pull request of ours come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// A reviewer asks for changes.
    pub changes_requested: bool,
    /// Its head has an approval that stands, by somebody else than us.
    pub approved: bool,
    /// The requests for changes that stand, of those who may ask.
    pub asks: Vec<Ask>,
    /// The comments that no run was given yet, of those who may write.
    pub comments: Vec<Commented>,
}

impl Input {
    /// The forge could not be read, so something will be left alone for a while.
    pub(super) fn is_trouble(&self) -> bool {
        match self {
            Self::Surveyed { result, .. } => result.is_err(),
            Self::Looked { result, .. } => result.is_err(),
            Self::History { result, .. } => result.is_err(),
            Self::Dependencies { result, .. } => result.is_err(),
            Self::Checks { result, .. } => result.is_err(),
            Self::Rights { result, .. } => result.is_err(),
            _ => false,
        }
    }
}

/// What a look saw.
#[derive(Clone, Debug, Default)]
pub struct LookedAt {
    /// The forge's clock when it began.
    pub date: Option<Timestamp>,
    /// Our clock when it began.
    pub began: Timestamp,
    /// Writings and readings of one issue that had ended by then: a look that began before one ended does not know it.
    pub writings: BTreeMap<Subject, u64>,
    /// Issues and pull requests that moved.
    pub issues: Vec<Issue>,
    /// Comments that were written or edited.
    pub comments: Vec<Comment>,
    /// The open pull requests from branches of ours, where they were asked for. Issues that they name and that nobody knows are among
    /// the issues.
    pub pulls: Option<Vec<Pull>>,
}
