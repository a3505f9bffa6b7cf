//! Finds a program on the host the way a shell would, and says what has to be mounted for it to run inside.
//!
//! A name on the search path is often not the program: a link into another folder, a proxy of a version manager (pyenv, rustup and
//! their kind), or a script whose first line names an interpreter elsewhere. Each is followed here, once, on the host; a version
//! manager would not work inside.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::SandboxError;

/// Version managers whose every program is a link to one binary. All of them answer `MANAGER which NAME`.
const PROXIES: [&str; 4] = ["rustup", "mise", "volta-shim", "asdf"];
/// The first line of a script that matters; the kernel reads no more of it.
const FIRST_LINE: u64 = 256;
/// A script's interpreter may be a script, whose interpreter may be one.
const INTERPRETERS: usize = 4;

/// A program, found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// What to execute. Many programs find their own files by the path that they are called by.
    pub(super) path: PathBuf,
    /// What it needs to see: a real path, and where it has to lie.
    pub(super) mounts: Vec<(PathBuf, PathBuf)>,
    /// Folders in which programs that it calls by name lie.
    pub(super) search: Vec<PathBuf>,
}

/// Where programs are looked for, and what can be seen inside.
pub(super) struct Search<'a> {
    pub(super) folders: &'a [PathBuf],
    /// Seen inside anyway, at its own path.
    pub(super) visible: &'a dyn Fn(&Path) -> bool,
    /// May be mounted; answers with the real path.
    pub(super) admit: &'a dyn Fn(&Path) -> Result<PathBuf, SandboxError>,
}

impl Search<'_> {
    /// Finds a program by its name or its absolute path.
    pub(super) fn find(&self, name: &Path) -> Result<Found, SandboxError> {
        let mut found = Found::default();
        found.path = self.follow(name, &mut found, INTERPRETERS)?;
        Ok(found)
    }

    fn follow(&self, name: &Path, found: &mut Found, depth: usize) -> Result<PathBuf, SandboxError> {
        let failed = |why: String| SandboxError::Program { name: name.display().to_string(), why };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(failed("its interpreter is a script, again and again".to_owned()));
        };
        let named = self.look_up(name).ok_or_else(|| failed("it is not found on this machine".to_owned()))?;
        let named = behind_manager(&named)?.unwrap_or(named);
        let real = fs::canonicalize(&named).map_err(|error| failed(error.to_string()))?;
        // A virtual environment is told by the path that python was called by, which is a link to a python elsewhere.
        if let Some(prefix) = named.parent().and_then(Path::parent).filter(|prefix| prefix.join("pyvenv.cfg").is_file()) {
            self.mount(found, &[prefix])?;
        }
        if !self.seen(found, &real) {
            self.mount(found, &choices(&real))?;
        }
        let path = if self.seen(found, &named) { named } else { real.clone() };
        for folder in [path.parent(), real.parent()].into_iter().flatten() {
            if !found.search.iter().any(|known| known == folder) {
                found.search.push(folder.to_owned());
            }
        }
        if let Some(interpreter) = interpreter(&real) {
            // The kernel or env starts it by its own name: only what it needs to see matters here. One that this machine lacks may
            // lie in the workspace.
            match self.follow(&interpreter, found, depth) {
                Ok(_) | Err(SandboxError::Program { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(path)
    }

    fn seen(&self, found: &Found, path: &Path) -> bool {
        (self.visible)(path) || found.mounts.iter().any(|(_, target)| path.starts_with(target))
    }

    /// Takes the first of the choices that may be mounted.
    fn mount(&self, found: &mut Found, choices: &[&Path]) -> Result<(), SandboxError> {
        let mut refusal = None;
        for choice in choices {
            match (self.admit)(choice) {
                Ok(real) => {
                    found.mounts.push((real, choice.to_path_buf()));
                    return Ok(());
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// The first executable file of that name, nothing followed.
    pub(super) fn look_up(&self, name: &Path) -> Option<PathBuf> {
        let path = std::env::join_paths(self.folders).ok()?;
        which::which_in(name, Some(path), "/").ok()
    }
}

/// What to mount for a program: its installation's prefix where it has one (`bin` beside `lib`), else its folder, else the file
/// alone.
fn choices(real: &Path) -> Vec<&Path> {
    let folder = real.parent();
    let prefix = folder
        .filter(|folder| folder.file_name() == Some(OsStr::new("bin")))
        .and_then(Path::parent)
        .filter(|prefix| prefix.join("lib").is_dir() && prefix.file_name() != Some(OsStr::new(".local")));
    [prefix, folder, Some(real)].into_iter().flatten().collect()
}

/// The program behind a version manager's proxy; nothing if it is none.
fn behind_manager(named: &Path) -> Result<Option<PathBuf>, SandboxError> {
    let Some((manager, name)) = manager(named).zip(named.file_name()) else { return Ok(None) };
    if manager.file_name() == Some(name) {
        return Ok(None);
    }
    let failed = |why: String| SandboxError::Program {
        name: named.display().to_string(),
        why: format!("{} was asked which program it stands for: {why}", manager.display()),
    };
    #[expect(clippy::disallowed_methods, reason = "the sandbox owns how programs are found; this is the operator's own manager")]
    let output = Command::new(&manager).arg("which").arg(name).output().map_err(|error| failed(error.to_string()))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && path.is_absolute() && path != named {
        Ok(Some(path))
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

fn manager(named: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(named).ok()?;
    if real.file_name().and_then(OsStr::to_str).is_some_and(|name| PROXIES.contains(&name)) {
        // volta's proxy is not the manager itself, which lies beside it.
        let beside = real.with_file_name("volta");
        return Some(if real.ends_with("volta-shim") { beside } else { real });
    }
    if named.parent()?.file_name()? != "shims" {
        return None;
    }
    let script = fs::read_to_string(&real).ok()?;
    let manager = script.lines().find_map(manager_in_line)?;
    if manager.is_absolute() { Some(manager) } else { which::which(manager).ok() }
}

/// `exec "/home/ada/.pyenv/libexec/pyenv" exec "$program" "$@"` names its manager.
fn manager_in_line(line: &str) -> Option<PathBuf> {
    let mut words = line.split_whitespace();
    let manager = (words.next()? == "exec").then(|| words.next())??;
    let manager = manager.trim_matches(['"', '\'']);
    (words.next()? == "exec").then(|| PathBuf::from(manager))
}

/// What a script's first line wants to be run by, as a path or as a name for the search path.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    fs::File::open(script).ok()?.take(FIRST_LINE).read_to_end(&mut start).ok()?;
    interpreter_in(&start)
}

fn interpreter_in(start: &[u8]) -> Option<PathBuf> {
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let first = Path::new(words.next()?);
    if first.file_name() != Some(OsStr::new("env")) {
        return Some(first.to_owned());
    }
    words.find(|word| !word.starts_with('-') && !word.contains('=')).map(PathBuf::from)
}

/// The search path for inside: what the configuration adds, what was asked for, and where the program's own companions lie.
pub(super) fn search_path(added: &[PathBuf], asked: Option<&OsStr>, companions: &[PathBuf]) -> OsString {
    const STANDARD: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut folders: Vec<PathBuf> = Vec::new();
    let asked = asked.unwrap_or(OsStr::new(STANDARD));
    for folder in added.iter().cloned().chain(std::env::split_paths(asked)).chain(companions.iter().cloned()) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    // A folder with a colon in its name can't be said in a search path.
    std::env::join_paths(folders.into_iter().filter(|folder| !folder.as_os_str().as_encoded_bytes().contains(&b':')))
        .unwrap_or_else(|_| asked.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_name_their_interpreter() {
        let named = |start: &str| interpreter_in(start.as_bytes());
        assert_eq!(named("#!/bin/sh -e\ntrue"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(named("#! /usr/bin/env -S A=1 node --x\n"), Some(PathBuf::from("node")));
        assert_eq!(named("#!/usr/bin/env python3"), Some(PathBuf::from("python3")));
        assert_eq!(named("\u{7f}ELF"), None);
        assert_eq!(named("#!"), None);
    }

    #[test]
    fn a_shim_names_its_manager() {
        assert_eq!(
            manager_in_line("exec \"/h/.pyenv/libexec/pyenv\" exec \"$program\" \"$@\""),
            Some("/h/.pyenv/libexec/pyenv".into())
        );
        assert_eq!(manager_in_line("exec asdf exec \"node\" \"$@\""), Some("asdf".into()));
        assert_eq!(manager_in_line("exec /usr/bin/real \"$@\""), None);
        assert_eq!(manager_in_line("exec"), None);
    }

    #[test]
    fn the_search_path_has_each_folder_once_and_none_with_a_colon() {
        let path = search_path(&["/a".into(), "/b:c".into()], Some(OsStr::new("/usr/bin:/a")), &["/d".into(), "/usr/bin".into()]);
        assert_eq!(path, "/a:/usr/bin:/d");
    }
}
