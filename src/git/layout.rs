//! Fresh repositories, written as files: what `git init` writes into one (`gitrepository-layout(5)`, format 0, SHA-1, refs as files), without a
//! run of git, which takes longer than all else that making a workspace takes. Mirrors, which last, are made by git itself.

use std::fs::{self, File, Permissions};
use std::io::{Result, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a repository is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It has no work tree.
    Bare,
    /// It is the `.git` of one.
    Tree,
}

/// Makes a repository without an object, on a branch that does not exist yet; `more` is further configuration.
pub(super) fn make_repository(dir: &Path, shape: Shape, branch: &str, more: &str) -> Result<()> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    fs::write(dir.join("HEAD"), format!("ref: refs/heads/{branch}\n"))?;
    let path = dir.join("config");
    let mut config = File::create(&path)?;
    let modes = keeps_modes(&path)?;
    let shape = match shape {
        Shape::Bare => "bare = true",
        Shape::Tree => "bare = false\n\tlogallrefupdates = true",
    };
    write!(config, "[core]\n\trepositoryformatversion = 0\n\tfilemode = {modes}\n\t{shape}\n{more}")
}

/// Whether the file system remembers who may execute a file, found out as git does.
fn keeps_modes(file: &Path) -> Result<bool> {
    let mode = fs::symlink_metadata(file)?.permissions().mode();
    fs::set_permissions(file, Permissions::from_mode(mode ^ 0o100))?;
    let kept = fs::symlink_metadata(file)?.permissions().mode() == mode ^ 0o100;
    fs::set_permissions(file, Permissions::from_mode(mode))?;
    Ok(kept)
}
