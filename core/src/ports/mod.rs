//! What the shell is given: the forge, git, hands, the journal, a clock and identifiers, as traits.
//!
//! `main` builds the real ones; tests put decorators around them. A trait here promises what its adapter must keep and says which
//! of its calls may be repeated.

mod accounts;
mod door;
mod forge;
mod formulas;
mod hands;
mod host;
mod journal;
mod repos;

pub use accounts::*;
pub use door::*;
pub use forge::*;
pub use formulas::*;
pub use hands::*;
pub use host::*;
pub use journal::*;
pub use repos::*;

use std::time::Duration;

use crate::model::Timestamp;

/// Reads the time, and waits for it.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Now, by this machine's clock.
    fn now(&self) -> Timestamp;
    /// Waits for so long at most: less only if time itself went on faster, as in a simulation.
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Makes identifiers that nobody else makes, and chance for jitter.
pub trait Ids: Send + Sync {
    /// A fresh UUID in its usual form.
    fn uuid(&self) -> String;
}
