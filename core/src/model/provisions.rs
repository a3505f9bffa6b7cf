//! What the runs of a project are given beside their clone.

use std::net::SocketAddrV4;
use std::path::PathBuf;

/// Ports of a sandbox's own loopback behind which the model and the network's proxy are.
pub const OWN_PORTS: [u16; 2] = [8701, 8702];

/// What the runs of a project are given beside their clone, as the configuration has it. Holds no secret, only where one is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provisions {
    /// The commands that make a fresh clone ready to work in, in order.
    pub setup: Vec<String>,
    /// Hosts that these commands may reach beside those of every agent, `name` or `name:port`.
    pub network: Vec<String>,
    /// A file of variables that is put into the clone and never committed.
    pub env_file: Option<EnvFile>,
    /// Folders below HOME, without `~/`, that `setup` fills on the base branch and everybody else only reads.
    pub caches: Vec<String>,
    /// Services on this machine's loopback that are seen at the same address inside.
    pub services: Vec<SocketAddrV4>,
    /// Of these each run gets one as `PORT`.
    pub ports: Option<PortRange>,
}

/// Ports from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last; not before the first.
    pub last: u16,
}

impl PortRange {
    /// Whether a port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// A file of variables, `KEY=VALUE` on each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFile {
    /// Where it is kept on the host.
    pub from: PathBuf,
    /// Where it is put, from the root of the clone: names and `/`, never out of it.
    pub to: String,
}

impl Provisions {
    /// Whether a workspace has to be made ready before anybody writes in it.
    pub fn sets_up(&self) -> bool {
        !self.setup.is_empty() || self.env_file.is_some()
    }
}
