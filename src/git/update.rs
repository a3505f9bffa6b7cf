//! Bringing a branch up to its base: a merge commit of ours, in the run's throw-away repository, from which it is verified and pushed.
//!
//! Promises: nothing is checked out and no program that a branch names is run; what stands there as judged is both sides as git merges them and
//! nothing else, so it needs no judging of its own. Repeating it makes the same commit at the same time.

use crate::model::{Change, Sha};
use crate::ports::{BringUp, RepoError};

use super::Git;
use super::author::Author;
use super::objects::one_sha;
use super::process::Call;
use super::take::JUDGED;

impl Git {
    /// See [`crate::ports::Repos::bring_up`].
    pub(super) async fn brought_up(&self, order: &BringUp) -> Result<Option<Change>, RepoError> {
        let BringUp { repo, run, head: (head, branch), base: (base, base_branch), author, at } = order;
        let what = format!("merging {base_branch} of {repo} into {branch}");
        let dir = self.intake_dir(run)?;
        self.make_intake(repo, run, &what).await?;
        let within = Call::bare(&dir, &what).args(["merge-base", "--is-ancestor", base.as_str(), head.as_str()]);
        let within = self.runner.run(within).await?;
        let merged = match within.code {
            Some(0) => head.clone(),
            Some(1) => {
                let merge = Call::bare(&dir, &what).args(["merge-tree", "--write-tree", "--no-messages"]);
                let merge = self.runner.run(merge.args([head.as_str(), base.as_str()])).await?;
                let tree = match merge.code {
                    Some(0) => one_sha(&what, &merge.stdout)?,
                    Some(1) => return Ok(None),
                    _ => return Err(merge.error()),
                };
                let Author { name, mail } = Author::parse(author)?;
                let by = format!("{name} <{mail}> {} +0000", at.0.max(0) / 1000);
                let parents = format!("parent {head}\nparent {base}");
                let message = format!("Merge branch '{base_branch}' into {branch}");
                let commit = format!("tree {tree}\n{parents}\nauthor {by}\ncommitter {by}\n\n{message}\n");
                self.write_object(&dir, "commit", commit.into_bytes()).await?
            }
            _ => return Err(within.error()),
        };
        self.runner.ok(Call::bare(&dir, &what).args(["update-ref", JUDGED, merged.as_str()])).await?;
        Ok(Some(unjudged(merged, head)))
    }
}

/// Both sides stand on the forge already: of what is there nothing is anew.
fn unjudged(merged: Sha, head: &Sha) -> Change {
    let commits = u64::from(merged != *head);
    let (files, person_paths, verify_paths) = Default::default();
    Change { head: merged, base: head.clone(), commits, files, added: 0, removed: 0, person_paths, verify_paths }
}
