//! A commit of the mirror to run something on, and the files of a kept branch laid over a commit.
//!
//! Promises: it happens in the run's own throw-away repository, without a work tree, so nothing that a branch holds is run or followed. What was
//! changed on both sides is merged; where that is a conflict, the kept branch's files stand as they were kept, because they are what was proved.
//! Repeating it makes the same commit. Nothing of it is ever pushed.
//!
//! Races known: *steps of a run side by side that each ask for such a commit*: one after the other, and each commit stands under a name of its own, so
//! that none goes before it is checked out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::model::{Kept, RepoName, RunId, Sha};
use crate::ports::RepoError;

use super::fault::{environment, failed};
use super::mirror::remove_if_there;
use super::objects::one_sha;
use super::process::{Call, Input};
use super::{Git, on_disk, run_folder, unexpected};

/// What verifications can check out beside what was judged: below this each commit by its own name.
const TRIED: &str = "refs/forgehand/runs-on";

/// Who works in the repositories of runs.
#[derive(Debug, Default)]
pub(super) struct Intakes(Mutex<BTreeMap<RunId, Weak<tokio::sync::Mutex<()>>>>);

impl Intakes {
    pub(super) fn of(&self, run: &RunId) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| lock.strong_count() > 0);
        all.get(run).and_then(Weak::upgrade).unwrap_or_else(|| {
            let lock = Arc::default();
            all.insert(run.clone(), Arc::downgrade(&lock));
            lock
        })
    }
}

impl Git {
    /// See [`crate::ports::Repos::lay_over`].
    pub(super) async fn laid_over(&self, repo: &RepoName, run: &RunId, on: &Sha, over: Option<&Kept>) -> Result<Sha, RepoError> {
        let what = format!("making a commit of {run} to run on");
        let dir = self.intake_dir(run)?;
        let lock = self.intakes.of(run);
        let _alone = lock.lock().await;
        let there = dir.clone();
        if !on_disk(&what, move || Ok(there.is_dir())).await? {
            self.make_intake(repo, run, &what).await?;
        }
        let tried = match over {
            None => on.clone(),
            Some(kept) => {
                if !self.has_commit(repo, &kept.sha).await? {
                    return Err(failed(&what, format!("branch {} is not there any more at {}", kept.branch, kept.sha.short())));
                }
                let tree = self.merged(&dir, on, kept, &what).await?;
                let text = format!(
                    "tree {tree}\nparent {on}\nauthor forgehand <forgehand@localhost> 0 +0000\ncommitter forgehand <forgehand@localhost> 0 +0000\n\nThe files of {} on {}\n",
                    kept.branch,
                    on.short()
                );
                self.write_object(&dir, "commit", text.into_bytes()).await?
            }
        };
        let name = format!("{TRIED}/{tried}");
        self.runner.ok(Call::bare(&dir, &what).args(["update-ref", &name, tried.as_str()])).await?;
        Ok(tried)
    }

    /// The run's repository, where no work of an agent was taken into it.
    pub(super) async fn make_intake(&self, repo: &RepoName, run: &RunId, what: &str) -> Result<(), RepoError> {
        let (place, mirror) = (self.intake_dir(run)?, self.mirror_dir(repo));
        let prefix = format!("{}~", run_folder(run)?);
        let room = tempfile::Builder::new().prefix(&prefix).tempdir_in(&self.intake).map_err(|e| environment(what, e))?;
        let fresh = room.path().join("run.git");
        self.make_borrowing(&fresh, &mirror).await?;
        on_disk(what, move || {
            remove_if_there(&place)?;
            std::fs::rename(fresh, place)
        })
        .await
    }

    async fn merged(&self, dir: &std::path::Path, on: &Sha, kept: &Kept, what: &str) -> Result<Sha, RepoError> {
        let merge = Call::bare(dir, what).args(["merge-tree", "--write-tree", "--no-messages", on.as_str(), kept.sha.as_str()]);
        let merged = self.runner.run(merge).await?;
        match merged.code {
            Some(0) => one_sha(what, &merged.stdout),
            Some(1) => self.replaced(dir, on, kept, what).await,
            _ => Err(merged.error()),
        }
    }

    /// Each file that the kept branch changed, as it is there.
    async fn replaced(&self, dir: &std::path::Path, on: &Sha, kept: &Kept, what: &str) -> Result<Sha, RepoError> {
        let changed = Call::bare(dir, what).args([
            "diff-tree",
            "-r",
            "-z",
            "--raw",
            "--no-renames",
            "--no-abbrev",
            kept.base.as_str(),
            kept.sha.as_str(),
        ]);
        let changed = self.runner.ok(changed).await?;
        let lines = index_lines(&changed).ok_or_else(|| unexpected(what, &changed))?;
        self.runner.ok(Call::bare(dir, what).args(["read-tree", on.as_str()])).await?;
        let update = Call::bare(dir, what).args(["update-index", "-z", "--index-info"]).input(Input::Bytes(lines));
        self.runner.ok(update).await?;
        let tree = self.runner.ok(Call::bare(dir, what).arg("write-tree")).await?;
        one_sha(what, &tree)
    }
}

/// The lines of `diff-tree --raw -z`, `:<mode> <mode> <sha> <sha> <letter>\0<path>\0`, as `update-index --index-info` reads them.
fn index_lines(raw: &[u8]) -> Option<Vec<u8>> {
    let mut parts = raw.split(|byte| *byte == 0);
    let mut lines = Vec::new();
    while let Some(head) = parts.next().filter(|head| !head.is_empty()) {
        let head = std::str::from_utf8(head).ok()?.strip_prefix(':')?;
        let fields: Vec<&str> = head.split(' ').collect();
        let [_, mode, _, sha, _] = fields.as_slice() else { return None };
        // What is not there any more has mode 000000, which takes it out.
        let mode = if *mode == "000000" { "0" } else { mode };
        lines.extend_from_slice(format!("{mode} {sha}\t").as_bytes());
        lines.extend_from_slice(parts.next()?);
        lines.push(0);
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_become_entries_of_an_index() {
        let (none, one) = ("0".repeat(40), "1".repeat(40));
        let raw = format!(":000000 100755 {none} {one} A\0t/a b.sh\0:100644 000000 {one} {none} D\0old\0");
        let lines = index_lines(raw.as_bytes()).expect("lines");
        assert_eq!(String::from_utf8(lines).expect("text"), format!("100755 {one}\tt/a b.sh\x000 {none}\told\0"));
        assert_eq!(index_lines(b"nonsense\0"), None);
    }
}
