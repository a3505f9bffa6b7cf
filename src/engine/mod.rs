//! The engine: a core that decides and does no I/O, and a shell that runs what the core asks for.
//!
//! Promises: every effect outside is journalled before it is made and after it ended; after a failed write to the journal nothing is done
//! until the journal was read anew; effects on one issue are made one at a time; the daemon's end cuts no write in the middle that the
//! next start would not look up. A crash anywhere is healed by the next look.

mod core;
mod dispatch;
mod found;
mod input;
mod observed;
mod policy;
mod preview;
mod reload;
mod shell;
mod spans;
mod vault;
mod wakes;
mod work;

pub use self::core::{Core, Effect, Facts, Job, PullsAsked};
pub use dispatch::VaultJob;
pub use input::{Input, LookedAt, OfferRead, PullRead, Reviewed, ShelfRead, VaultAnswer, VaultRead};
pub use observed::seen_issue;
pub use policy::{InForce, POLICY, PolicyFrom, policy_in_force};
pub use preview::Preview;
pub use reload::Renewal;
pub use shell::{Ended, Engine, EngineError, Identity, Listener, Mode, Observer, Ports, Stop};
pub use vault::{author_writes, vault_files, vault_offers};
pub use wakes::{Wake, Waker, Wakes, wakes};
pub use work::{
    Answer, Cast, Ops, Placeholders, Played, PlayedHost, PlayedMerge, PlayedVault, ProjectSettings, Scene, Settings, Shown,
    Stage, Staged, TextStore, Unread, placeholder,
};
