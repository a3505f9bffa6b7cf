//! What a run is given in its sandbox, and a command of the project there: of its `setup` or of its verification.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::RealHands;
use super::caches::Held;
use super::places::Place;
use super::site::{NETWORK_PORT, Site, Whose, environment, proxy_env, sandbox_failed};
use super::vault::Granted;
use crate::gateway::Relay;
use crate::model::Access;
use crate::ports::{Given, HandError};
use crate::sandbox::{Forward, Mode, Mount, MountAccess, Process, Spec};

/// What a run is given in its sandbox, beside its place. The ways to services end with it.
#[derive(Default)]
pub(super) struct Outfit {
    pub(super) env: Vec<(String, String)>,
    pub(super) mounts: Vec<Mount>,
    pub(super) forwards: Vec<Forward>,
    relays: Vec<Relay>,
    /// The cache that is read.
    cache: Option<Held>,
}

impl Outfit {
    /// Ends the ways to services, and waits until they are gone.
    pub(super) async fn close(self) {
        for relay in self.relays {
            relay.close().await;
        }
    }
}

impl RealHands {
    /// All that a run is given in its sandbox: its caches, made now where they must be, the ways to services, its port.
    pub(super) async fn outfit(
        &self,
        place: &Place,
        whose: Whose<'_>,
        given: &Given,
        cancel: &CancellationToken,
    ) -> Result<Outfit, HandError> {
        let cache = self.cache(whose.repo, whose.run, given, cancel).await?;
        let mut outfit = self.bare_outfit(&whose.address(), given).await?;
        if let Some(held) = &cache {
            self.give_caches(&mut outfit, place, &held.parts(given), MountAccess::Read).await?;
        }
        outfit.cache = cache;
        Ok(outfit)
    }

    /// Opens the ways to the services, and says which port is whose. Without a sandbox a service is reached as everything on this
    /// machine is.
    pub(super) async fn bare_outfit(&self, whose: &str, given: &Given) -> Result<Outfit, HandError> {
        let mut outfit = Outfit::default();
        outfit.env.extend(given.port.map(|port| ("PORT".to_owned(), port.to_string())));
        if self.mode == Mode::None {
            return Ok(outfit);
        }
        for (nth, service) in given.provisions.services.iter().enumerate() {
            let socket = self.socket(whose, &format!("s{nth}"))?;
            let relay = Relay::open(&socket, *service).await;
            let relay = relay.map_err(|error| environment(&format!("opening the way to {service}"), error))?;
            outfit.relays.push(relay);
            outfit.forwards.push(Forward { address: *service.ip(), port: service.port(), socket });
        }
        Ok(outfit)
    }

    /// Starts `/bin/sh -c`; `network` is the socket of the proxy to the hosts that it may reach, `granted` what it gets of the vault.
    pub(super) async fn start_command(
        &self,
        place: &Place,
        command: &str,
        (network, granted): (Option<&Path>, &Granted),
        outfit: &Outfit,
        what: &str,
    ) -> Result<Process, HandError> {
        let site = Site::new(&self.options.sandbox, place, Access::Write);
        let (mut env, mut mounts, mut forwards) = (site.env(), site.mounts, outfit.forwards.clone());
        if let Some(socket) = network {
            env.extend(proxy_env(NETWORK_PORT));
            forwards.push(own_forward(NETWORK_PORT, socket));
        }
        env.extend(outfit.env.iter().cloned());
        mounts.extend(outfit.mounts.iter().cloned());
        for (variable, mount) in &granted.mounts {
            let inside = self.options.sandbox.path_inside(mount);
            env.push((variable.clone(), inside.display().to_string()));
            mounts.push(mount.clone());
        }
        env.extend(granted.env.iter().cloned());
        env.extend(granted.secrets.iter().map(|(name, secret)| (name.clone(), secret.expose_secret().to_owned())));
        let spec = Spec {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".into(), command.into()],
            env: env.into_iter().collect(),
            cwd: site.tree,
            stdin: Vec::new(),
            mounts,
            forwards,
        };
        self.options.sandbox.start(spec).await.map_err(|error| sandbox_failed(what, &error))
    }
}

/// A port of ours inside, behind which the model or the network is.
pub(super) fn own_forward(port: u16, socket: &Path) -> Forward {
    Forward { address: Ipv4Addr::LOCALHOST, port, socket: socket.to_owned() }
}
