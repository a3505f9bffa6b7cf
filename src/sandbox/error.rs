//! What can stand in the way of a sandbox, each with what to do about it.

use std::path::PathBuf;

/// Why there is no sandbox, or why a program did not start in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// This machine has no working bubblewrap.
    #[error("no agent can be confined here: {why}")]
    Unavailable {
        /// What was seen.
        why: String,
    },
    /// A folder that may not be seen inside.
    #[error("{} is not mounted into a sandbox: {why}", path.display())]
    Refused {
        /// As it was named.
        path: PathBuf,
        /// Which rule.
        why: String,
    },
    /// The program is not there, or can't be run.
    #[error("the program {name} can't be run: {why}")]
    Program {
        /// As it was named.
        name: String,
        /// What was seen.
        why: String,
    },
    /// A forward that can't be carried.
    #[error("port {port} can't be carried into the sandbox: {why}")]
    Forward {
        /// The port inside.
        port: u16,
        /// What was seen.
        why: String,
    },
    /// The sandbox itself did not come up.
    #[error("the sandbox did not start: {why}")]
    Start {
        /// What bubblewrap, the shim or the system said.
        why: String,
    },
}

impl SandboxError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => {
                "install bubblewrap 0.8 or newer (`apt install bubblewrap`) and allow user namespaces, or write `mode = \"none\"` \
                 under `[sandbox]` to run agents with no confinement at all"
            }
            Self::Refused { .. } => {
                "name a folder further down under `[sandbox] read` or `path`, one that holds neither homes nor state, \
                 configuration or credentials"
            }
            Self::Program { .. } => {
                "name it by its full path, or add its folder to `[sandbox] path`; what it needs beside its own folder goes into \
                 `[sandbox] read`"
            }
            Self::Forward { .. } => "forwards need bubblewrap and a Unix socket that exists",
            Self::Start { .. } => "try `bwrap --unshare-all --ro-bind / / true` as the same user, and look at what it says",
        }
    }

    pub(super) fn start(why: impl std::fmt::Display) -> Self {
        Self::Start { why: why.to_string() }
    }
}
