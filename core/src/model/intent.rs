//! What intents are called, and which of them are work on this machine.

use super::{Intent, Saying};

impl Intent {
    /// The intent's one word, for keys and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Claim { renews: None } => "claim",
            Self::Claim { renews: Some(_) } => "renew",
            Self::Release { .. } => "release",
            Self::Labels { .. } => "labels",
            Self::Say { what: Saying::Proposed { .. }, .. } => "comment",
            Self::Say { what: Saying::Note { .. }, .. } => "note",
            Self::Say { what: Saying::Status { .. }, .. } => "status",
            Self::Close => "close",
            Self::Prepare { .. } => "prepare",
            Self::SetUp { .. } => "setup",
            Self::Agent { .. } => "agent",
            Self::Take { .. } => "take",
            Self::Verify { .. } => "verify",
            Self::Push { .. } => "push",
            Self::OpenPull { .. } => "pull",
            Self::Relabel { .. } => "relabel",
            Self::CloseNamed { .. } => "close",
            Self::Reopen { .. } => "reopen",
            Self::File { .. } => "issue",
            Self::Rewrite { .. } => "rewrite",
            Self::Review { .. } => "review",
            Self::Reply { .. } => "reply",
            Self::Keep { .. } => "keep",
            Self::AskVault { .. } => "vault",
            Self::Mend { .. } => "mend",
            Self::Discard { .. } => "discard",
            Self::Merge { .. } => "merge",
            Self::Rerun { .. } => "rerun",
            Self::DropBranch { .. } => "drop-branch",
        }
    }

    /// Work on this machine, which can be told to end and which slots are for.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Prepare { .. } | Self::SetUp { .. } | Self::Agent { .. } | Self::Take { .. } | Self::Verify { .. })
    }
}
