//! What people are told beside the forge: on which occasion, about what.

use serde::{Deserialize, Serialize};

use super::{
    AccountName, BrokenPolicy, BudgetOf, Failure, FormulaName, PullNumber, RepoName, RunOutcome, Subject, Timestamp, Trigger,
    Trouble, Usd,
};

/// On which occasions somebody is told. The words of `on` in `[[notify]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// An issue failed for good.
    Failed,
    /// An issue waits for a person.
    Waits,
    /// A budget is nearly or wholly spent.
    Budget,
    /// The model's account is paused.
    AccountPaused,
    /// A project, or the operations repository, cannot be worked on: the forge is away, or refuses.
    Unreachable,
    /// The policy of the operations repository cannot be read.
    Policy,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Failed, Self::Waits, Self::Budget, Self::AccountPaused, Self::Unreachable, Self::Policy];

    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Waits => "waits",
            Self::Budget => "budget",
            Self::AccountPaused => "account-paused",
            Self::Unreachable => "unreachable",
            Self::Policy => "policy",
        }
    }
}

/// Something that people are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// When it came to be so, by our clock.
    pub at: Timestamp,
    /// What.
    pub news: News,
}

/// What people are told.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// An issue failed for good.
    Failed {
        /// Which.
        subject: Subject,
        /// Its title, cleaned.
        title: String,
        /// How its last run ended.
        outcome: Option<RunOutcome>,
    },
    /// A run beside the lifecycle failed.
    FailedAside {
        /// On which issue.
        subject: Subject,
        /// Its title, cleaned.
        title: String,
        /// Of which formula.
        formula: FormulaName,
        /// How it ended.
        outcome: RunOutcome,
    },
    /// An issue waits for a person.
    Waits {
        /// Which.
        subject: Subject,
        /// Its title, cleaned.
        title: String,
        /// What brought it there.
        because: Trigger,
        /// The pull request to look at.
        pull: Option<PullNumber>,
    },
    /// A run waits for an approval of its pull request.
    Approval {
        /// On which issue.
        subject: Subject,
        /// Its title, cleaned.
        title: String,
        /// The pull request.
        pull: PullNumber,
    },
    /// A budget is nearly or wholly spent.
    Budget {
        /// Whose.
        what: BudgetOf,
        /// The mark: 80, or 100 where it does not pay for another run.
        at_percent: u8,
        /// Spent.
        spent: Usd,
        /// The limit.
        limit: Usd,
    },
    /// An account of the model is paused.
    AccountPaused {
        /// Which.
        account: AccountName,
        /// Until when, by our clock.
        until: Timestamp,
        /// Why.
        why: String,
    },
    /// A project cannot be worked on.
    Unreachable {
        /// Which.
        repo: RepoName,
        /// Why.
        trouble: Trouble,
    },
    /// It can be again, after that was told.
    Recovered {
        /// Which.
        repo: RepoName,
    },
    /// What the operations repository's vault is asked for cannot be read.
    OpsUnread {
        /// Which.
        repo: RepoName,
        /// Why.
        failure: Failure,
    },
    /// The forge does not let us merge there what the policy lets through.
    NotPutThrough {
        /// The operations repository.
        repo: RepoName,
        /// The pull request.
        pull: PullNumber,
        /// What the forge said.
        why: String,
    },
    /// Its policy cannot be read; or it can again, after that was told.
    Policy {
        /// The operations repository.
        repo: RepoName,
        /// What is wrong with it.
        broken: Option<BrokenPolicy>,
    },
}

impl News {
    /// The occasion.
    pub fn occasion(&self) -> Occasion {
        match self {
            Self::Failed { .. } | Self::FailedAside { .. } => Occasion::Failed,
            Self::Waits { .. } | Self::Approval { .. } | Self::NotPutThrough { .. } => Occasion::Waits,
            Self::Budget { .. } => Occasion::Budget,
            Self::AccountPaused { .. } => Occasion::AccountPaused,
            Self::Unreachable { .. } | Self::Recovered { .. } | Self::OpsUnread { .. } => Occasion::Unreachable,
            Self::Policy { .. } => Occasion::Policy,
        }
    }

    /// The project that it is about, if it is about one.
    pub fn repo(&self) -> Option<&RepoName> {
        match self {
            Self::Failed { subject, .. }
            | Self::FailedAside { subject, .. }
            | Self::Waits { subject, .. }
            | Self::Approval { subject, .. } => Some(&subject.repo),
            Self::Unreachable { repo, .. }
            | Self::Recovered { repo }
            | Self::OpsUnread { repo, .. }
            | Self::NotPutThrough { repo, .. }
            | Self::Policy { repo, .. } => Some(repo),
            Self::Budget { what: BudgetOf::Project { repo }, .. } => Some(repo),
            Self::Budget { .. } | Self::AccountPaused { .. } => None,
        }
    }

    /// The issue that it is about, if it is about one.
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Failed { subject, .. }
            | Self::FailedAside { subject, .. }
            | Self::Waits { subject, .. }
            | Self::Approval { subject, .. } => Some(subject),
            Self::Budget { .. }
            | Self::AccountPaused { .. }
            | Self::Unreachable { .. }
            | Self::Recovered { .. }
            | Self::OpsUnread { .. }
            | Self::NotPutThrough { .. }
            | Self::Policy { .. } => None,
        }
    }
}
