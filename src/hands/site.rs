//! A place as a sandbox sees it: the mounts, the paths inside, and the environment that every program gets.

use std::path::{Path, PathBuf};

use super::places::Place;
use crate::model::{Access, OWN_PORTS, RepoName, RunId, StepId};
use crate::ports::{HandError, HandErrorKind};
use crate::sandbox::{Mount, MountAccess, Sandbox, SandboxError};

/// Where the working tree always lies, so that no path of the host stands in it.
const TREE: &str = "/forgehand/work";
/// HOME.
const HOME: &str = "/forgehand/home";
/// What is handed out.
const OUT: &str = "/forgehand/out";
/// The port of the sandbox's own loopback behind which the model is.
pub(super) const MODEL_PORT: u16 = OWN_PORTS[0];
/// The port of the sandbox's own loopback behind which the network's proxy is.
pub(super) const NETWORK_PORT: u16 = OWN_PORTS[1];

/// Where a path below HOME is inside.
pub(super) fn below_home(path: &str) -> PathBuf {
    Path::new(HOME).join(path)
}

/// For whom something is started: a run, or one of its steps beside which others of the run may be at work.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) repo: &'a RepoName,
    pub(super) run: &'a RunId,
    pub(super) step: Option<&'a StepId>,
}

impl Whose<'_> {
    /// What names its sockets.
    pub(super) fn address(&self) -> String {
        self.step.map_or_else(|| self.run.to_string(), |step| format!("{}/{step}", self.run))
    }
}

/// A place, mounted.
pub(super) struct Site {
    pub(super) mounts: Vec<Mount>,
    /// The working tree, as seen inside.
    pub(super) tree: PathBuf,
    /// HOME, as seen inside.
    pub(super) home: PathBuf,
    /// What is handed out, as seen inside.
    pub(super) out: PathBuf,
}

impl Site {
    /// Mounts a place; the tree may be written or only looked at.
    pub(super) fn new(sandbox: &Sandbox, place: &Place, tree: Access) -> Self {
        let tree_access = match tree {
            Access::Read => MountAccess::Read,
            Access::Write => MountAccess::Write,
        };
        let tree = mount(&place.tree, TREE, tree_access);
        let home = mount(&place.home, HOME, MountAccess::Write);
        let out = mount(&place.out, OUT, MountAccess::Write);
        let inside = |mount: &Mount| sandbox.path_inside(mount);
        let (tree_inside, home_inside, out_inside) = (inside(&tree), inside(&home), inside(&out));
        let mut mounts = vec![tree, home, out];
        // At their own place: the clone names them by it.
        mounts.extend(place.objects.iter().map(|path| Mount {
            source: path.clone(),
            target: path.clone(),
            access: MountAccess::Read,
        }));
        Self { mounts, tree: tree_inside, home: home_inside, out: out_inside }
    }

    /// What every program gets, `PATH` left to the sandbox.
    pub(super) fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("HOME", self.home.to_str().unwrap_or(HOME)),
            ("LANG", "C.UTF-8"),
            // The tree's owner may be called differently inside. This counts only for git inside, where only one repository is.
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", "*"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

/// What tells programs that the network is behind a proxy.
pub(super) fn proxy_env(port: u16) -> Vec<(String, String)> {
    let proxy = format!("http://127.0.0.1:{port}");
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
    let mut env: Vec<_> = names.iter().map(|name| ((*name).to_owned(), proxy.clone())).collect();
    env.extend(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), "127.0.0.1,localhost,::1".to_owned())));
    env
}

fn mount(source: &Path, target: &str, access: MountAccess) -> Mount {
    Mount { source: source.to_owned(), target: PathBuf::from(target), access }
}

/// A failure of the machine, in the port's words.
pub(super) fn environment(what: &str, why: impl std::fmt::Display) -> HandError {
    HandError { kind: HandErrorKind::Environment, what: what.to_owned(), why: why.to_string() }
}

/// A failure of the sandbox, with what a person can do about it.
pub(super) fn sandbox_failed(what: &str, error: &SandboxError) -> HandError {
    environment(what, format!("{error}; {}", error.hint()))
}

/// It was cancelled before anything came of it.
pub(super) fn cancelled(what: &str) -> HandError {
    HandError { kind: HandErrorKind::Cancelled, what: what.to_owned(), why: "it was cancelled".to_owned() }
}
