//! Pushing with a lease: the forge compares and sets, and its answer is read from git's porcelain lines.

use std::path::Path;

use crate::model::{Branch, RepoName, RunId, Sha};
use crate::ports::{Lease, PushAnswer, RepoError, RepoErrorKind};

use super::fault::shortened;
use super::objects::many_shas;
use super::process::{Call, Output, Reach};
use super::take::JUDGED;
use super::{Git, failed};

/// What the forge made of one ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// It is where we wanted it, also if it already was.
    Done,
    /// The lease did not hold, or somebody was faster in between.
    Stale,
    /// A hook or a protection refused; its words.
    Refused(String),
}

/// A ref to set or to delete.
#[derive(Debug)]
pub(super) struct OneRef<'a> {
    /// What it becomes; none deletes it.
    pub(super) new: Option<&'a Sha>,
    /// The full name.
    pub(super) name: &'a str,
    /// What it must be.
    pub(super) lease: &'a Lease,
    /// How long it may take.
    pub(super) reach: Reach,
}

impl Git {
    pub(super) async fn push_branch(
        &self,
        repo: &RepoName,
        run: &RunId,
        head: &Sha,
        branch: &Branch,
        lease: &Lease,
    ) -> Result<PushAnswer, RepoError> {
        let what = format!("pushing {branch} of {repo}");
        let dir = self.intake_dir(run)?;
        let judged = self.runner.ok(Call::bare(&dir, &what).args(["rev-parse", "-q", "--verify", JUDGED])).await?;
        if !many_shas(&what, &judged)?.iter().any(|sha| sha == head.as_str()) {
            return Err(failed(&what, format!("{} is not the head that was judged", head.short())));
        }
        let name = format!("refs/heads/{branch}");
        let push = OneRef { new: Some(head), name: &name, lease, reach: Reach::Transfer };
        match self.push_ref(&dir, repo, &what, &push).await? {
            Landed::Done => Ok(PushAnswer::Pushed),
            Landed::Refused(why) => Err(RepoError { kind: RepoErrorKind::Denied, what, why }),
            Landed::Stale => match self.tip_on_forge(repo, &name).await? {
                Some(tip) if tip == *head => Ok(PushAnswer::Pushed),
                tip => Ok(PushAnswer::Stale { tip }),
            },
        }
    }

    pub(super) async fn remove_branch(&self, repo: &RepoName, branch: &Branch, at: &Sha) -> Result<bool, RepoError> {
        let (what, name) = (format!("deleting {branch} of {repo}"), format!("refs/heads/{branch}"));
        let dir = self.mirror(repo).await?;
        let push = OneRef { new: None, name: &name, lease: &Lease::At(at.clone()), reach: Reach::Ask };
        match self.push_ref(&dir, repo, &what, &push).await? {
            Landed::Done => Ok(true),
            Landed::Stale => Ok(self.tip_on_forge(repo, &name).await?.is_none()),
            Landed::Refused(why) => Err(RepoError { kind: RepoErrorKind::Denied, what, why }),
        }
    }

    /// Pushes one ref. An error means that the push as a whole failed and nothing is known of the ref.
    pub(super) async fn push_ref(&self, dir: &Path, repo: &RepoName, what: &str, push: &OneRef<'_>) -> Result<Landed, RepoError> {
        let OneRef { new, name, lease, reach } = push;
        let expected = match lease {
            Lease::Absent => "",
            Lease::At(sha) => sha.as_str(),
        };
        let call = Call::bare(dir, what)
            .args(["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"])
            .arg(format!("--force-with-lease={name}:{expected}"))
            .args(["--", &self.remote(repo), &format!("{}:{name}", new.map_or("", Sha::as_str))])
            .reach(*reach);
        let out = self.runner.run(call).await?;
        landed(&out, name).ok_or_else(|| out.error())
    }
}

/// Reads the porcelain line of one ref: `<flag>\t<from>:<to>\t<summary>`. None if there is none: then the push as a whole failed.
fn landed(out: &Output, name: &str) -> Option<Landed> {
    let text = String::from_utf8_lossy(&out.stdout);
    let ours = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let (flag, refs, summary) = (parts.next()?.to_owned(), parts.next()?, parts.next()?.to_owned());
        refs.rsplit_once(':').filter(|(_, to)| *to == name).map(|_| (flag, summary))
    };
    match text.lines().find_map(ours) {
        Some((flag, summary)) if flag == "!" => Some(rejected(&summary, &out.stderr)),
        Some(_) if out.good => Some(Landed::Done),
        _ if out.stderr.contains("remote ref does not exist") => Some(Landed::Stale),
        _ => None,
    }
}

/// Sorts a rejection: our own lease, the forge's compare-and-set that somebody else won, or a no.
fn rejected(summary: &str, words: &str) -> Landed {
    const RACES: &[&str] = &[
        "stale info",
        "fetch first",
        "non-fast-forward",
        "failed to update ref",
        "cannot lock ref",
        "failed to lock",
        "incorrect old value provided",
        "reference already exists",
        "remote ref does not exist",
        "remote ref updated",
    ];
    if RACES.iter().any(|race| summary.contains(race)) {
        return Landed::Stale;
    }
    let remote: Vec<&str> = words.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
    Landed::Refused(shortened(&format!("{} {}", summary, remote.join("\n"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_race_is_no_refusal() {
        assert_eq!(rejected("[rejected] (stale info)", ""), Landed::Stale);
        assert_eq!(rejected("[remote rejected] (failed to update ref)", ""), Landed::Stale);
        let no = rejected("[remote rejected] (pre-receive hook declined)", "remote: not today\nremote: \n");
        assert_eq!(no, Landed::Refused("[remote rejected] (pre-receive hook declined) not today".to_owned()));
    }
}
