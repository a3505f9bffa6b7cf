//! How the credentials of an account stand.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{AccountName, Timestamp};

/// Of every account that is used.
pub type Standings = BTreeMap<AccountName, Standing>;

/// How the credentials of an account stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They can be used.
    Ready,
    /// There are none.
    Missing,
    /// A sign-in that ends in a moment, and that Claude Code can renew.
    Ending {
        /// When, by the provider's clock.
        at: Timestamp,
    },
    /// A sign-in that has ended.
    Ended {
        /// When, by the provider's clock.
        at: Timestamp,
        /// Claude Code can renew it.
        renewable: bool,
    },
}

/// What is known of credentials without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialFacts {
    /// What they are.
    pub kind: CredentialKind,
    /// When they end.
    pub ends: Ends,
}

/// What credentials are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// An API key.
    ApiKey,
    /// A token, as `claude setup-token` makes them.
    OauthToken,
    /// Claude Code's own sign-in.
    SignIn,
}

/// When credentials end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// They do not.
    Never,
    /// Then.
    At {
        /// By the provider's clock.
        at: Timestamp,
        /// Claude Code can renew them.
        renewable: bool,
    },
    /// Then at the latest: a token lasts a year, and its file is at least as old as this says.
    AtBest {
        /// By this machine's clock.
        at: Timestamp,
    },
    /// Nobody here knows.
    Unknown,
}

impl CredentialFacts {
    /// Claude Code renews a sign-in only when less than five minutes of it are left (measured on 2.1.329), so it is asked to only then.
    const NEAR: Duration = Duration::from_secs(270);

    /// How the credentials stand.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.ends {
            Ends::At { at, renewable } if at <= now => Standing::Ended { at, renewable },
            Ends::At { at, renewable: true } if at <= now + Self::NEAR => Standing::Ending { at },
            Ends::At { .. } | Ends::Never | Ends::AtBest { .. } | Ends::Unknown => Standing::Ready,
        }
    }
}
