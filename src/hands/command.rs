//! The `command` backend: any program is an agent. The working directory is the workspace, the prompt comes on stdin, the
//! structured output goes to the file that `FORGEHAND_RESULT` names, exit 0 is success.
//!
//! The file lies in a folder that the program could write, so it is opened as what a stranger left there: no link is followed, no pipe
//! is waited for, nothing but a regular file of bounded size is read (`facts/security.md`).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::output::OUTPUT_LIMIT;
use crate::model::{FormulaName, StepId};

/// Programs and libraries of the system: in every sandbox anyway, partly behind links that nothing can be mounted on.
const SYSTEM: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];

/// What to mount read-only for a command: the folder of each argument that is an absolute path. The folder is the one of the path as
/// written, and of the real file where that differs, so that a link works too. Where the folder is `refused` (it holds a home, state or
/// credentials) a file is mounted alone: the configuration names it, not what lies around it. Arguments that name nothing are left
/// alone.
pub fn mounts(argv: &[String], refused: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut mounts: Vec<PathBuf> = Vec::new();
    for argument in argv.iter().map(Path::new).filter(|path| path.is_absolute() && path.exists()) {
        let real = argument.canonicalize().ok();
        for path in [Some(argument), real.as_deref()].into_iter().flatten() {
            let folder = if path.is_dir() { Some(path) } else { path.parent() };
            let Some(folder) = folder.filter(|folder| !SYSTEM.iter().any(|system| folder.starts_with(system))) else { continue };
            let mount = if path.is_file() && refused(folder) { path } else { folder };
            if !mounts.iter().any(|known| known == mount) {
                mounts.push(mount.to_owned());
            }
        }
    }
    mounts
}

/// The environment beyond what every program in a sandbox gets.
pub fn env(formula: &FormulaName, step: &StepId, result: &Path) -> Vec<(String, String)> {
    vec![
        ("FORGEHAND_FORMULA".to_owned(), formula.to_string()),
        ("FORGEHAND_STEP".to_owned(), step.to_string()),
        ("FORGEHAND_RESULT".to_owned(), result.display().to_string()),
    ]
}

/// Removes whatever an earlier turn left in the result's place.
///
/// # Errors
/// If something is there and stays.
pub fn clear_result(path: &Path) -> io::Result<()> {
    let gone = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Reads the file that the program left as its structured output.
///
/// # Errors
/// Why there is none, in words that can go back to the agent.
pub fn read_result(path: &Path) -> Result<String, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::NOENT => "the structured output is missing: nothing was written to $FORGEHAND_RESULT".to_owned(),
        rustix::io::Errno::LOOP => "the structured output is a symbolic link, which is not followed".to_owned(),
        other => format!("the structured output cannot be opened: {other}"),
    })?;
    let state = rustix::fs::fstat(&file).map_err(|error| format!("the structured output cannot be looked at: {error}"))?;
    if FileType::from_raw_mode(state.st_mode) != FileType::RegularFile {
        return Err("the structured output is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(OUTPUT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the structured output cannot be read: {error}"))?;
    if bytes.len() as u64 > OUTPUT_LIMIT {
        return Err(format!("the structured output is larger than {OUTPUT_LIMIT} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "the structured output is not UTF-8".to_owned())
}
