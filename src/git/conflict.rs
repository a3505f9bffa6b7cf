//! Whether a branch can be merged into another, found out by merging them: the forge does not tell a conflict from "still checking"
//! (`facts/forgejo.md`).
//!
//! There is no work tree and nothing of it lasts: `git merge-tree` writes the merged tree and files into a repository that borrows the mirror's
//! objects and is thrown away. Its configuration is the one that we wrote a moment before, so a `merge=` in the branch's
//! `.gitattributes` names no program. The mirror's lock is held throughout: it also keeps that place to one merge at a time, and what a killed
//! daemon left there goes when the next one begins.

use tokio::time::Instant;

use crate::model::{Branch, RepoName};
use crate::ports::{Merge, RepoError};

use super::mirror::remove_if_there;
use super::process::Call;
use super::{Git, on_disk};

impl Git {
    /// None where one of the branches is not on the forge.
    pub(super) async fn merge_in_passing(
        &self,
        repo: &RepoName,
        head: &Branch,
        base: &Branch,
    ) -> Result<Option<Merge>, RepoError> {
        let what = format!("trying to merge {head} of {repo} into {base}");
        let asked = Instant::now();
        let lock = self.lock(repo).await?;
        let mirror = self.ensure_mirror(repo, &lock).await?;
        let heads = self.fetch_heads(repo, &mirror, &lock, asked, &what).await?;
        let (Some(base), Some(head)) = (heads.get(base.as_str()), heads.get(head.as_str())) else { return Ok(None) };
        let room = self.intake.join(format!("{}~merge.git", repo.folder()));
        let (before, after) = (room.clone(), room.clone());
        on_disk(&what, move || remove_if_there(&before)).await?;
        self.make_borrowing(&room, &mirror).await?;
        let merge = Call::bare(&room, &what)
            .args(["merge-tree", "--write-tree", "--no-messages", base.as_str(), head.as_str()])
            .input(lock.as_input(&what)?);
        let merged = self.runner.run(merge).await;
        let older = Call::bare(&room, &what).args(["merge-base", "--is-ancestor", base.as_str(), head.as_str()]);
        let older = self.runner.run(older).await;
        on_disk(&what, move || remove_if_there(&after)).await?;
        let merged = merged?;
        let older = older?;
        let behind = match older.code {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(older.error()),
        };
        let conflicts = match merged.code {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(merged.error()),
        };
        Ok(Some(Merge { head: head.clone(), base: base.clone(), behind, conflicts }))
    }
}
