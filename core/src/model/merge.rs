//! The way of a pull request to merged: who may merge what, what was read of it, and what it waits for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Login, PullNumber, Risk, Sha, TierReason, Timestamp};

/// What forgehand merges by itself in a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeRule {
    /// Nothing: a person merges.
    #[default]
    Never,
    /// What is low, without a person.
    Low,
    /// What is low without a person, and the rest when it is approved as the policy asks for.
    Policy,
}

impl MergeRule {
    /// All of them, by the words that configure them.
    pub const WORDS: [(&str, Self); 3] = [("never", Self::Never), ("low", Self::Low), ("policy", Self::Policy)];

    /// Whether a change of this tier may be merged by us at all.
    pub fn covers(self, tier: Risk) -> bool {
        match self {
            Self::Never => false,
            Self::Low => tier == Risk::Low,
            Self::Policy => true,
        }
    }
}

/// How a forge merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeStyle {
    /// A merge commit.
    Merge,
    /// Rebased, then moved forward.
    Rebase,
    /// Rebased, then a merge commit.
    RebaseMerge,
    /// One commit.
    Squash,
    /// Moved forward, or not at all.
    FastForwardOnly,
}

impl MergeStyle {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Merge, Self::Rebase, Self::RebaseMerge, Self::Squash, Self::FastForwardOnly];

    /// The forge's word for it, which is the policy's too.
    pub fn word(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Rebase => "rebase",
            Self::RebaseMerge => "rebase-merge",
            Self::Squash => "squash",
            Self::FastForwardOnly => "fast-forward-only",
        }
    }
}

/// What was read of a pull request as far as it decides about its merge: all of it about one head, beside one tip of its base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// The head.
    pub head: Sha,
    /// The tip of the base.
    pub base: Sha,
    /// The head does not have that tip in its history: together they were never verified.
    pub behind: bool,
    /// How much the change could break, by the policy in force.
    pub tier: Risk,
    /// Why, what raises first; not all of it where there is much.
    pub reasons: Vec<TierReason>,
    /// Approvals that stand, of this very head, of people who have the right now and of identities of ours.
    pub approvals: Vec<Approved>,
    /// Who may approve what is high, where the policy names them; else administrators may.
    pub approvers: Vec<Login>,
    /// The repository's administrators, where it is high, they may approve it, and the forge tells who they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<Login>,
    /// The contexts that the base's protection requires, as patterns.
    pub required: Vec<String>,
    /// Those of them that are not green.
    pub lacking: Vec<String>,
    /// Nothing has reported on the head though the base has checks: they are still to come.
    pub unreported: bool,
    /// How it is merged, where the policy says so.
    pub style: Option<MergeStyle>,
    /// After this wait a medium one is merged without an approval; none: never.
    pub window: Option<Duration>,
    /// The tier alone was read, because a person merges: by this nothing is merged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tier_only: bool,
}

impl Weighed {
    /// Whose approval is asked for by name where it is high; nobody's where it is not known who they are.
    pub fn asked_by_name(&self) -> &[Login] {
        if self.approvers.is_empty() { &self.admins } else { &self.approvers }
    }

    /// What people are told of it.
    pub fn classified(&self) -> Classified {
        Classified { head: self.head.clone(), tier: self.tier, reasons: self.reasons.clone() }
    }

    /// Whether it is about this head beside this tip of its base.
    pub fn is_about(&self, head: &Sha, base: &Sha) -> bool {
        self.head == *head && self.base == *base
    }
}

/// How much a head could break, as people are told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// The head.
    pub head: Sha,
    /// Its tier.
    pub tier: Risk,
    /// Why.
    pub reasons: Vec<TierReason>,
}

/// Who approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The login.
    pub by: Login,
    /// What the word counts for.
    pub right: Right,
}

/// What an approval counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// An identity of ours: it reviews, and lets nothing pass that is medium or high.
    Ours,
    /// A person who may write.
    Writer,
    /// A person who may approve what is high.
    Approver,
}

/// What came of having the checks of a commit run again that were ended from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rerun")]
pub enum Rerun {
    /// They run again, or did.
    Begun,
    /// They do not.
    Not {
        /// Why.
        why: String,
    },
}

/// What a pull request waits for that is to be merged by us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "for")]
pub enum ToMerge {
    /// A reading of it.
    Reading,
    /// A verification: nobody has verified this head by the commands that the project has now.
    Verification {
        /// The head.
        head: Sha,
    },
    /// Its base moved on since it was verified.
    Base,
    /// Its checks.
    Checks {
        /// None has reported yet.
        none: bool,
    },
    /// Contexts that the protection of its base requires.
    Contexts {
        /// Which.
        lacking: Vec<String>,
    },
    /// The review role's approval, or a person's.
    Review,
    /// A person's approval.
    Approval {
        /// When it is merged without one, where the policy says so.
        until: Option<Timestamp>,
    },
    /// An approver's approval.
    Approver {
        /// Who they are, where the policy names them; else administrators.
        named: Vec<Login>,
    },
    /// Another one of the repository is before it.
    Turn {
        /// That.
        first: PullNumber,
    },
    /// The forge did not merge it.
    Refused {
        /// What it said.
        why: String,
        /// When it is tried again.
        until: Timestamp,
    },
    /// A person: we merge nothing of its tier here.
    Person,
}

impl ToMerge {
    /// The time at which it ends by itself, if it does.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Approval { until } => *until,
            Self::Refused { until, .. } => Some(*until),
            Self::Reading
            | Self::Verification { .. }
            | Self::Base
            | Self::Checks { .. }
            | Self::Contexts { .. }
            | Self::Review
            | Self::Approver { .. }
            | Self::Turn { .. }
            | Self::Person => None,
        }
    }
}
