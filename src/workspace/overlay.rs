//! Whether this machine would let whoever we are mount an overlay (`facts/workspace.md`): tried, because kernels, containers and
//! security modules each have their say. Nothing is left of the trial, and nothing of ours works on one yet.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tries it on the file system of a folder; why not, where it cannot be.
pub fn overlay(on: &Path) -> std::result::Result<(), String> {
    let room = tempfile::Builder::new().prefix(".forgehand-overlay-").tempdir_in(on).map_err(|e| e.to_string())?;
    for part in ["lower", "upper", "work", "merged"] {
        fs::create_dir(room.path().join(part)).map_err(|e| e.to_string())?;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "workspaces own how they are mounted; the machine's own programs, for a moment"
    )]
    let mut trial = Command::new("unshare");
    trial.args(["--user", "--map-root-user", "--mount", "mount", "-t", "overlay", "overlay"]);
    // Paths from the folder on: those of the host may hold what separates options.
    trial.args(["-o", "lowerdir=lower,upperdir=upper,workdir=work,userxattr", "merged"]).current_dir(room.path());
    trial.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).stdin(Stdio::null());
    let ended = trial.output();
    // The kernel's own folder in there opens for nobody, which would keep the rest from being removed.
    let _not_there = fs::remove_dir(room.path().join("work/work"));
    match ended {
        Ok(ended) if ended.status.success() => Ok(()),
        Ok(ended) => {
            let said = String::from_utf8_lossy(&ended.stderr);
            Err(said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it was refused").to_owned())
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Err("`unshare` (util-linux) is not there to try it with".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}
