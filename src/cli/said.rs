//! What is said once and remembered: marks in the state folder, so that cron's mail stays quiet.

use std::path::Path;

use super::CliError;

/// Says it on stderr, unless it was said before.
pub(super) fn once(state_dir: &Path, what: &str, text: &str) -> Result<(), CliError> {
    let folder = state_dir.join("said");
    let failed = |e| CliError::environment(format!("{} cannot be written", folder.display()), e, "check the state folder");
    std::fs::create_dir_all(&folder).map_err(failed)?;
    match std::fs::File::create_new(folder.join(what)) {
        Ok(_) => {
            anstream::eprintln!("{text}");
            Ok(())
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed(e)),
    }
}

/// It is no longer so: should it be so again, it is said again.
pub(super) fn forget(state_dir: &Path, what: &str) -> Result<(), CliError> {
    match std::fs::remove_file(state_dir.join("said").join(what)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::environment(format!("{} cannot be changed", state_dir.display()), e, "check the state folder"))
        }
        _ => Ok(()),
    }
}
