//! What others reach on `[daemon] listen`: the door of the webhook, metrics, a sign of life.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

/// Opens doors.
#[async_trait]
pub trait Doors: Sync {
    /// Listens, and answers once it does. Serves until `stop`, then ends what is under way within a moment.
    async fn open(&self, order: DoorOrder) -> io::Result<Box<dyn OpenDoor>>;
}

/// A door that is open. Dropping it closes it at once.
#[async_trait]
pub trait OpenDoor: Send {
    /// Where it is: the port that was free, where none was named.
    fn address(&self) -> SocketAddr;
    /// Waits until it is closed in order. It closes when the order's `stop` says so.
    async fn closed(&mut self);
}

/// What is served, and where.
pub struct DoorOrder {
    /// Where.
    pub listen: SocketAddr,
    /// Whom visitors are announced to.
    pub visits: Arc<dyn Visits>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// What is behind the door. Nothing here may wait.
pub trait Visits: Send + Sync {
    /// What deliveries are signed with now; without one none is taken.
    fn secret(&self) -> Option<SecretString>;
    /// A delivery with a right signature, about the repository of this name; none where it names none. Answers whether it is under care.
    fn delivered(&self, repo: Option<&str>) -> bool;
    /// A delivery was turned away.
    fn refused(&self, why: Unwelcome);
    /// The metrics, as Prometheus reads them.
    fn metrics(&self) -> String;
    /// The daemon goes on; else what is wrong.
    fn health(&self) -> Result<(), String>;
}

/// Why a delivery is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unwelcome {
    /// There is no secret to check signatures with.
    NoSecret,
    /// It has no signature.
    Unsigned,
    /// Its signature is not that of our secret.
    WrongSignature,
    /// It is larger than it may be.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// It is signed, and not what Forgejo sends.
    Unreadable,
}

impl Unwelcome {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::NoSecret, Self::Unsigned, Self::WrongSignature, Self::TooLarge, Self::TooSlow, Self::Unreadable];

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSecret => "no_secret",
            Self::Unsigned => "unsigned",
            Self::WrongSignature => "wrong_signature",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unreadable => "unreadable",
        }
    }
}
