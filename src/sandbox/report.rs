//! What a sandbox is worth on this machine, in words for people.

use super::{Limits, Mode};

/// What holds on this machine and what does not, for people: said once, at the start and by `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxReport {
    /// How much is confined.
    pub mode: Mode,
    /// What holds, a sentence each.
    pub holds: Vec<String>,
    /// What does not hold, or is only watched, a sentence each.
    pub lacks: Vec<String>,
    /// What running as root costs, where we do.
    pub root: Option<String>,
    /// Memory and processes are limited by a control group.
    walled: bool,
}

impl SandboxReport {
    /// `unwalled` says why there is no control group.
    pub(super) fn new(mode: Mode, limits: &Limits, unwalled: Option<&str>, root: bool) -> Self {
        let mut holds = vec!["the environment is exactly what a run is given".to_owned()];
        let mut lacks = Vec::new();
        holds.push("everything that a program started ends with it, and with the daemon".to_owned());
        match mode {
            Mode::Bubblewrap => holds.extend([
                "files: only programs, libraries and what the run is given are seen".to_owned(),
                "network: none but the ports that a run is given".to_owned(),
                "processes, shared memory and user namespaces of the host are out of reach".to_owned(),
            ]),
            Mode::None => lacks.extend([
                "files: an agent reads and writes whatever this user may, credentials included".to_owned(),
                "network: an agent reaches whatever this machine reaches".to_owned(),
                "processes: an agent can signal and trace whatever this user may, the daemon included".to_owned(),
            ]),
        }
        match unwalled {
            None => holds.push("memory and processes are limited by a control group".to_owned()),
            Some(why) => lacks.push(format!("memory and processes are watched, not walled: {why}")),
        }
        if limits.file_bytes.is_some() {
            holds.push("the size of a single file is limited".to_owned());
        }
        match (mode, limits.tmp_bytes) {
            (Mode::Bubblewrap, Some(_)) => holds.push("the private /tmp is limited".to_owned()),
            (Mode::Bubblewrap, None) => lacks.push("the private /tmp may take half of the memory".to_owned()),
            (Mode::None, _) => lacks.push("/tmp is shared with the machine".to_owned()),
        }
        lacks.push("what a workspace takes on the disk is not limited".to_owned());
        let root = root.then(|| match mode {
            Mode::Bubblewrap => {
                "forgehand runs as root: inside, a program has no capability and another name, but to the kernel it \
                                 still owns root's files, so it can read what only root may read under /usr, and a hole in the \
                                 kernel's namespaces would be worth root; an account of its own is safer"
                    .to_owned()
            }
            Mode::None => "forgehand runs as root without a sandbox: an agent is root on this machine".to_owned(),
        });
        Self { mode, holds, lacks, root, walled: unwalled.is_none() }
    }

    /// Whether memory and processes are limited by a control group, not only watched.
    pub fn is_walled(&self) -> bool {
        self.walled
    }
}
