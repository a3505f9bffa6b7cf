//! What git says of two commits, for whoever judges the change between them: a run's work, a pull request, a range of somebody's repository.
//!
//! Promises: paths are taken as they are, never quoted; no program that a tree or a configuration names is run for it.

use std::path::Path;

use crate::model::{ChangedFile, FileMark, Sha};
use crate::ports::RepoError;
use crate::tier;

use super::diff::{self, Counts, Entry};
use super::process::{Call, Runner};
use super::unexpected;

/// Longest text, in bytes, of all files together that are compared for what they have run; a change that has more counts as one of it.
const SCRIPTS: usize = 16 << 20;

/// The same of files in which a line may be too long; one that has more may have such a line.
const TEXTS: usize = 16 << 20;

/// The call whose answer [`diff::parse`] reads.
pub(super) fn call(dir: &Path, base: &Sha, tip: &Sha, what: &str) -> Call {
    Call::bare(dir, what)
        .args(["diff-tree", "-r", "-z", "-M", "--raw", "--numstat", "--no-ext-diff", "--no-textconv"])
        .args([base.as_str(), tip.as_str()])
}

impl Runner {
    /// The changed files between two commits, and how many lines were added and removed.
    pub(super) async fn changed(
        &self,
        dir: &Path,
        base: &Sha,
        tip: &Sha,
        what: &str,
    ) -> Result<(Vec<ChangedFile>, (u64, u64)), RepoError> {
        let out = self.ok(call(dir, base, tip, what)).await?;
        let (entries, counts) = diff::parse(&out).ok_or_else(|| unexpected(what, &out))?;
        Ok((self.described(dir, &entries, &counts).await?, diff::sum(&counts)))
    }

    /// The changed files, in git's order, those compared that say what is run.
    pub(super) async fn described(&self, dir: &Path, entries: &[Entry], counts: &Counts) -> Result<Vec<ChangedFile>, RepoError> {
        let mut files = diff::files(entries, counts);
        let asked = |entry: &Entry| tier::says_scripts(&entry.path).then(|| entry.blobs()).flatten().is_some();
        let wanted: Vec<String> = entries
            .iter()
            .filter(|entry| asked(entry))
            .filter_map(Entry::blobs)
            .flat_map(|(old, new)| [old, new])
            .flatten()
            .map(str::to_owned)
            .collect();
        self.mark_long_lines(dir, &mut files, entries).await?;
        // What is too much to compare may run anything.
        let Some(contents) = self.contents_up_to(dir, &wanted, SCRIPTS).await? else { return Ok(files) };
        for (file, entry) in files.iter_mut().zip(entries) {
            let Some((old, new)) = entry.blobs().filter(|_| asked(entry)) else { continue };
            let text = |blob: Option<&str>| blob.and_then(|blob| contents.get(blob)).map(Vec::as_slice);
            if tier::same_scripts(&file.path, text(old), text(new)) {
                file.marks.insert(FileMark::SameScripts);
            }
        }
        Ok(files)
    }

    /// Marks the files of which a line changed that is too long to count as one.
    async fn mark_long_lines(&self, dir: &Path, files: &mut [ChangedFile], entries: &[Entry]) -> Result<(), RepoError> {
        let with_lines = files.iter_mut().zip(entries).filter(|(file, _)| file.added + file.removed > 0);
        let asked: Vec<(&mut ChangedFile, _)> = with_lines.filter_map(|(file, entry)| Some((file, entry.texts()?))).collect();
        let wanted: Vec<String> = asked.iter().flat_map(|(_, (old, new))| [*old, *new]).flatten().map(str::to_owned).collect();
        let contents = self.contents_up_to(dir, &wanted, TEXTS).await?;
        for (file, (old, new)) in asked {
            let text = |blob: Option<&str>| contents.as_ref().zip(blob).and_then(|(all, blob)| all.get(blob)).map(Vec::as_slice);
            if contents.is_none() || long_lines(text(old)) != long_lines(text(new)) {
                file.marks.insert(FileMark::LongLine);
            }
        }
        Ok(())
    }
}

/// The lines of a text that are too long, in their order.
fn long_lines(text: Option<&[u8]>) -> Vec<&[u8]> {
    text.unwrap_or_default().split(|byte| *byte == b'\n').filter(|line| line.len() > tier::LONG_LINE).collect()
}
