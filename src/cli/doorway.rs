//! The daemon's door, where `[daemon] listen` says, and what deliveries are signed with; both follow the configuration while it runs.
//!
//! Promises: a new door is open before the old one closes, and one that cannot be opened leaves everything as it is.
//!
//! Known race: a delivery to the old address after that is refused by the kernel. It only wakes, so the next poll sees the same.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::ports::{DoorOrder, Doors, OpenDoor};

use super::CliError;
use super::setup::{Setup, read_secret};
use super::visitors::Visitors;

/// The door, open or not.
pub(super) struct Doorway<'a> {
    doors: &'a dyn Doors,
    visitors: Arc<Visitors>,
    open: Option<Open>,
}

/// A door that is open.
struct Open {
    listen: SocketAddr,
    door: Box<dyn OpenDoor>,
    stop: CancellationToken,
}

/// What a configuration changes of it, made ready. Dropping it changes nothing.
pub(super) struct Change {
    secret: Option<SecretString>,
    /// None: the door stays as it is.
    door: Option<Option<Open>>,
    /// The new address can be had only when the old one is given up, so not now.
    pub(super) at_next_start: bool,
}

impl<'a> Doorway<'a> {
    /// Opens it, where the configuration asks for one.
    pub(super) async fn open(doors: &'a dyn Doors, visitors: Arc<Visitors>, setup: &Setup) -> Result<Self, CliError> {
        let mut doorway = Self { doors, visitors, open: None };
        let change = doorway.prepare(setup).await?;
        doorway.take_up(setup, change).await;
        Ok(doorway)
    }

    /// Makes ready what a configuration wants.
    pub(super) async fn prepare(&self, setup: &Setup) -> Result<Change, CliError> {
        let daemon = &setup.config.daemon;
        let secret = match (&daemon.webhook_secret, daemon.listen) {
            (Some(source), Some(_)) => Some(read_secret(source, "the webhook's secret")?),
            (Some(_), None) | (None, _) => None,
        };
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
            let hint = "put a long random text where `webhook_secret_*` points";
            return Err(CliError::usage("the webhook's secret is empty", hint));
        }
        let before = self.open.as_ref().map(|open| open.listen);
        let (mut door, mut at_next_start) = (None, false);
        match daemon.listen {
            listen if listen == before => {}
            None => door = Some(None),
            Some(listen) => match self.listen(listen).await {
                Ok(open) => door = Some(Some(open)),
                Err(e) if e.kind() == ErrorKind::AddrInUse && before.is_some_and(|b| b.port() == listen.port()) => {
                    at_next_start = true;
                }
                Err(e) => {
                    let hint = "choose a free port for `listen` in [daemon]";
                    return Err(CliError::environment(format!("{listen} cannot be listened on"), e, hint));
                }
            },
        }
        Ok(Change { secret, door, at_next_start })
    }

    async fn listen(&self, listen: SocketAddr) -> std::io::Result<Open> {
        let stop = CancellationToken::new();
        let order = DoorOrder { listen, visits: self.visitors.clone(), stop: stop.clone() };
        Ok(Open { listen, door: self.doors.open(order).await?, stop })
    }

    /// Takes a change up, and all that visitors ask for of the configuration.
    pub(super) async fn take_up(&mut self, setup: &Setup, change: Change) {
        let webhooks = change.secret.is_some();
        self.visitors.know(setup, change.secret);
        let Some(door) = change.door else { return };
        let old = std::mem::replace(&mut self.open, door);
        match &self.open {
            Some(open) => tracing::info!(address = %open.door.address(), webhooks, "forgehand listens"),
            None if old.is_some() => tracing::info!("forgehand listens no more"),
            None => {}
        }
        if let Some(open) = old {
            open.close().await;
        }
    }

    /// Closes it in order.
    pub(super) async fn close(self) {
        if let Some(open) = self.open {
            open.close().await;
        }
    }
}

impl Open {
    async fn close(mut self) {
        self.stop.cancel();
        self.door.closed().await;
    }
}
