//! What may be seen inside a sandbox, and what is refused by name.
//!
//! Paths are compared after all symbolic links are followed. What is checked here is mounted a moment later: somebody who can change
//! the *daemon's* folders in between needs no sandbox to get out of. The one tree that an agent writes is its workspace, so a
//! source below another writable source must not leave it by a link.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::SandboxError;
use super::{Mount, MountAccess};

/// Interfaces of the system, which bubblewrap makes anew or leaves out. `/run` and `/var/run` hold the sockets of its services.
const SYSTEM: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/boot"];
/// Credentials of the system.
const SYSTEM_CREDENTIALS: [&str; 6] =
    ["/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/pki/tls/private", "/etc/ssh", "/etc/sudoers"];
/// Credentials in a home, where people's programs put them.
const HOME_CREDENTIALS: [&str; 22] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".claude",
    ".claude.json",
    ".codex",
    ".netrc",
    ".git-credentials",
    ".gitconfig",
    ".npmrc",
    ".pypirc",
    ".password-store",
    ".pki",
    ".config",
    ".mozilla",
    ".cargo/credentials.toml",
    ".cargo/credentials",
    ".local/share/keyrings",
    ".terraform.d",
];

/// The rules, with this machine's paths.
pub(super) struct Guard {
    homes: Vec<PathBuf>,
    /// A path and what it is.
    forbidden: Vec<(PathBuf, &'static str)>,
    own: Vec<PathBuf>,
}

impl Guard {
    /// `forbidden` is state, configuration and credentials; `own` are folders in there whose insides runs are given.
    pub(super) fn new(forbidden: &[PathBuf], own: &[PathBuf]) -> Self {
        let homes = homes(&fs::read_to_string("/etc/passwd").unwrap_or_default(), std::env::home_dir());
        let mut named: Vec<(PathBuf, &'static str)> =
            forbidden.iter().map(|path| (real(path), "state, configuration or credentials of forgehand")).collect();
        named.extend(SYSTEM.iter().map(|path| (PathBuf::from(path), "an interface of the system")));
        let credentials = homes.iter().flat_map(|home| HOME_CREDENTIALS.iter().map(|name| home.join(name)));
        let credentials = credentials.chain(SYSTEM_CREDENTIALS.iter().map(PathBuf::from));
        named.extend(credentials.filter(|path| path.exists()).map(|path| (real(&path), "credentials")));
        Self { homes, forbidden: named, own: own.iter().map(|path| real(path)).collect() }
    }

    /// A path that a person or the search for a program named. Answers with its real one.
    pub(super) fn foreign(&self, path: &Path) -> Result<PathBuf, SandboxError> {
        let real = self.whole(path)?;
        match self.forbidden.iter().find(|(forbidden, _)| real.starts_with(forbidden)) {
            Some((forbidden, what)) => Err(refused(path, format!("it lies in {}, {what}", forbidden.display()))),
            None => Ok(real),
        }
    }

    /// A mount that belongs to a run: it may lie within state where runs have their folders. Answers with its real source.
    fn of_run(&self, path: &Path) -> Result<PathBuf, SandboxError> {
        let real = self.whole(path)?;
        if self.own.iter().any(|own| real.starts_with(own) && real != *own) { Ok(real) } else { self.foreign(path) }
    }

    /// The mounts of a run, with their real sources.
    pub(super) fn mounts(&self, mounts: &[Mount]) -> Result<Vec<Mount>, SandboxError> {
        let mut checked = Vec::with_capacity(mounts.len());
        for mount in mounts {
            let source = self.of_run(&mount.source)?;
            for outer in mounts.iter().filter(|outer| outer.access == MountAccess::Write) {
                if mount.source.starts_with(&outer.source) && !source.starts_with(real(&outer.source)) {
                    return Err(refused(&mount.source, format!("a link in it leads out of {}", outer.source.display())));
                }
            }
            if !mount.target.is_absolute() {
                return Err(refused(&mount.source, format!("its place inside, {}, is not absolute", mount.target.display())));
            }
            checked.push(Mount { source, target: mount.target.clone(), access: mount.access });
        }
        Ok(checked)
    }

    /// What no mount may be or hold, whoever names it.
    fn whole(&self, path: &Path) -> Result<PathBuf, SandboxError> {
        if !path.is_absolute() {
            return Err(refused(path, "it is not an absolute path".to_owned()));
        }
        let real = fs::canonicalize(path).map_err(|error| refused(path, error.to_string()))?;
        if real == Path::new("/") {
            return Err(refused(path, "it is the whole machine".to_owned()));
        }
        if let Some(home) = self.homes.iter().find(|home| home.starts_with(&real)) {
            let is =
                if *home == real { "it is a home folder".to_owned() } else { format!("it holds the home {}", home.display()) };
            return Err(refused(path, is));
        }
        match self.forbidden.iter().find(|(forbidden, _)| forbidden.starts_with(&real)) {
            Some((forbidden, what)) if *forbidden == real => Err(refused(path, format!("it is {what}"))),
            Some((forbidden, what)) => Err(refused(path, format!("it holds {}, {what}", forbidden.display()))),
            None => Ok(real),
        }
    }
}

fn refused(path: &Path, why: String) -> SandboxError {
    SandboxError::Refused { path: path.to_owned(), why }
}

/// With links followed as far as the path exists: a state folder may be made later.
fn real(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    for ancestor in path.ancestors() {
        if let Ok(real) = fs::canonicalize(ancestor) {
            return missing.into_iter().rev().fold(real, |path, name| path.join(name));
        }
        missing.extend(ancestor.file_name());
    }
    path.to_owned()
}

/// Homes of people and of root: an account of the system lives in folders like `/usr/sbin`, which are nobody's home.
fn homes(passwd: &str, own: Option<PathBuf>) -> Vec<PathBuf> {
    let people = passwd.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let id: u32 = fields.get(2)?.parse().ok()?;
        (id == 0 || (1000..65534).contains(&id)).then_some(fields.get(5).copied().filter(|home| home.starts_with('/')))?
    });
    let mut homes: Vec<PathBuf> = people.map(|home| real(Path::new(home))).collect();
    homes.extend(own.filter(|home| home.is_absolute()).map(|home| real(&home)));
    homes.extend(fs::read_dir("/home").into_iter().flatten().flatten().map(|entry| real(&entry.path())));
    homes.retain(|home| home != Path::new("/"));
    homes.sort();
    homes.dedup();
    homes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_are_those_of_people_and_root() {
        let passwd = "root:x:0:0:root:/nowhere-root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/x\nada:x:1000:1000::/nowhere/ada:/bin/sh\n\
                      nobody:x:65534:65534::/nonexistent:/x\nodd:x:1001:1001:::\n";
        let found = homes(passwd, Some(PathBuf::from("/nowhere/me")));
        for home in ["/nowhere-root", "/nowhere/ada", "/nowhere/me"] {
            assert!(found.contains(&PathBuf::from(home)), "{home} in {found:?}");
        }
        assert!(!found.iter().any(|home| home.starts_with("/usr") || home.starts_with("/nonexistent")), "{found:?}");
    }

    #[test]
    fn a_state_folder_that_is_not_made_yet_is_known_by_the_part_that_is() {
        assert_eq!(real(Path::new("/proc/../nowhere/state")), PathBuf::from("/nowhere/state"));
    }
}
