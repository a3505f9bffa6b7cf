//! What a push would change, before it is taken: its objects are unpacked beside the repository and thrown away.

use super::{Git, GitError, Repository};
use crate::state::RefUpdate;

/// The folder of a repository that they are unpacked into. Whoever asks holds the lock of its refs.
const APART: &str = "pushed";

impl Git {
    /// The files that differ between what each branch has and what it is to have.
    pub async fn pushed_paths(&self, folder: &str, pack: &[u8], updates: &[RefUpdate]) -> Result<Vec<Vec<String>>, GitError> {
        let dir = self.path(folder);
        let apart = dir.join(APART);
        // One that a process left behind that died is nobody's.
        remove(&apart)?;
        std::fs::create_dir(&apart)?;
        let repo = Repository { git: self, dir };
        let found = repo.paths_with(&apart.display().to_string(), pack, updates).await;
        remove(&apart)?;
        found
    }
}

fn remove(apart: &std::path::Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(apart) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Repository<'_> {
    async fn paths_with(&self, apart: &str, pack: &[u8], updates: &[RefUpdate]) -> Result<Vec<Vec<String>>, GitError> {
        let there = self.dir.join("objects").display().to_string();
        let env = [("GIT_OBJECT_DIRECTORY", apart), ("GIT_ALTERNATE_OBJECT_DIRECTORIES", there.as_str())];
        if !pack.is_empty() {
            self.git_with(&["unpack-objects", "-q"], &env, Some(pack)).await?;
        }
        let mut found = Vec::new();
        for update in updates {
            let (Some(old), Some(new)) = (&update.old, &update.new) else {
                found.push(Vec::new());
                continue;
            };
            let args = ["diff", "--name-only", "--no-renames", "-z", old.as_str(), new.as_str()];
            let paths = self.git_with(&args, &env, None).await?;
            let paths = paths.split(|byte| *byte == 0).filter(|path| !path.is_empty());
            found.push(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect());
        }
        Ok(found)
    }
}
