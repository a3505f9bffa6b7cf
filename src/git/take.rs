//! Taking a bundle over from an agent, into a bare repository of the run's own that borrows the mirror's objects and is thrown away.
//!
//! The repository is made under another name and moved into place when all is judged, so that what stands there was judged whole; taking
//! again makes it anew. Where the order asks for it, what was judged before in the run is set aside in another one, from which nothing is pushed: an agent
//! that reads beside those who write may be to begin from there.

use std::path::{Path, PathBuf};

use crate::model::{Change, Refusal, RepoName, RunId, Sha};
use crate::ports::{RepoError, RepoErrorKind, TakeOrder};

use super::author::Author;
use super::bundle::{self, Bundle, Header, NoBundle};
use super::fault::{environment, shortened};
use super::layout::{Shape, make_repository};
use super::mirror::remove_if_there;
use super::objects::one_sha;
use super::process::{Call, Input, Reach};
use super::{Git, on_disk, run_folder};

/// The judged and re-authored head, in the run's throw-away repository.
pub(super) const JUDGED: &str = "refs/forgehand/judged";
/// Those before it, where they are set aside, each by its own name below this.
const ASIDE: &str = "refs/forgehand/before";

/// Why a bundle goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is the agent's doing.
    Refused(Refusal),
    /// It is ours, or the machine's.
    Failed(RepoError),
}

impl From<RepoError> for Stop {
    fn from(e: RepoError) -> Self {
        Self::Failed(e)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Git {
    pub(super) async fn take_bundle(&self, order: &TakeOrder) -> Result<Result<Change, Refusal>, RepoError> {
        let what = format!("taking over the work of {}", order.run);
        let author = Author::parse(&order.author)?;
        let place = self.intake_dir(&order.run)?;
        let prefix = format!("{}~", run_folder(&order.run)?);
        let room = tempfile::Builder::new().prefix(&prefix).tempdir_in(&self.intake).map_err(|e| environment(&what, e))?;
        let fresh = room.path().join("run.git");
        let taken = self.take_into(&fresh, room.path(), order, &author).await;
        let whole = taken.is_ok();
        let lock = self.intakes.of(&order.run);
        let _alone = lock.lock().await;
        if order.sets_aside {
            self.set_aside(&order.repo, &order.run, &what).await?;
        }
        on_disk(&what, move || {
            remove_if_there(&place)?;
            if whole { std::fs::rename(fresh, place) } else { Ok(()) }
        })
        .await?;
        match taken {
            Ok(change) => Ok(Ok(change)),
            Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
            Err(Stop::Failed(e)) => Err(e),
        }
    }

    /// What was judged last goes where agents begin from that read beside those who write, and out of the way of what is pushed.
    async fn set_aside(&self, repo: &RepoName, run: &RunId, what: &str) -> Result<(), RepoError> {
        let (was, aside, mirror) = (self.intake_dir(run)?, self.aside_dir(run)?, self.mirror_dir(repo));
        // What says whose objects it borrows is written last.
        let there = [was.join("HEAD"), aside.join("objects/info/alternates")];
        let [was_there, aside_there] = on_disk(what, move || Ok(there.map(|file| file.is_file()))).await?;
        let Some(judged) = (if was_there { self.judged(&was, what).await? } else { None }) else { return Ok(()) };
        if !aside_there {
            self.make_borrowing(&aside, &mirror).await?;
        }
        let fetch = Call::bare(&aside, what)
            .args(["fetch", "-q", "--no-tags", "--no-auto-gc", "--no-write-fetch-head", "--no-recurse-submodules", "--"])
            .arg(&was)
            .arg(format!("+{JUDGED}:{ASIDE}/{judged}"))
            .reach(Reach::Own);
        self.runner.ok(fetch).await.map(drop)
    }

    /// Where a commit is that was taken over in a run.
    pub(super) async fn where_taken(&self, run: &RunId, sha: &Sha, what: &str) -> Result<PathBuf, RepoError> {
        let now = self.intake_dir(run)?;
        let there = now.clone();
        let last = on_disk(what, move || Ok(there.is_dir())).await? && self.judged(&now, what).await?.as_ref() == Some(sha);
        if last { Ok(now) } else { self.aside_dir(run) }
    }

    /// The head that was judged in a run's repository.
    async fn judged(&self, dir: &Path, what: &str) -> Result<Option<Sha>, RepoError> {
        let judged = self.runner.run(Call::bare(dir, what).args(["rev-parse", "-q", "--verify", JUDGED])).await?;
        if judged.good { one_sha(what, &judged.stdout).map(Some) } else { Ok(None) }
    }

    /// A run's repository of what was judged before. A half-made one is made whole by being made again.
    pub(super) fn aside_dir(&self, run: &RunId) -> Result<PathBuf, RepoError> {
        Ok(self.intake.join(format!("{}~before.git", run_folder(run)?)))
    }

    async fn take_into(&self, fresh: &Path, room: &Path, order: &TakeOrder, author: &Author) -> Result<Change, Stop> {
        let Bundle { pack, header } = self.receive(order, room).await?;
        let tip = only_branch(&header, order)?;
        let mirror = self.mirror(&order.repo).await?;
        let needs: Vec<String> = header.needs.iter().map(ToString::to_string).collect();
        for (sha, kind) in needs.iter().zip(self.kinds(&mirror, &needs).await?) {
            if kind.is_none_or(|kind| kind.name != "commit") {
                return Err(outside(format!("builds on {sha}, which the forge does not have")).into());
            }
        }
        self.make_borrowing(fresh, &mirror).await?;
        self.index(fresh, pack).await?;
        self.judge(fresh, &mirror, order, &tip, author).await
    }

    /// Copies the file and reads its header, away from the async threads.
    async fn receive(&self, order: &TakeOrder, room: &Path) -> Result<Bundle, Stop> {
        const WHAT: &str = "copying a bundle";
        let (path, copy, limit) = (order.bundle.clone(), room.join("bundle"), self.limits.bundle);
        let received = on_disk(WHAT, move || Ok(bundle::receive(&path, &copy, limit))).await?;
        received.map_err(|none| match none {
            NoBundle::Refused(refusal) => refusal.into(),
            NoBundle::Disk(e) => environment(WHAT, e).into(),
        })
    }

    /// A bare repository without anything of its own, over the mirror's objects.
    pub(super) async fn make_borrowing(&self, fresh: &Path, mirror: &Path) -> Result<(), RepoError> {
        const WHAT: &str = "making a run's repository";
        let (fresh, objects) = (fresh.to_owned(), mirror.join("objects"));
        on_disk(WHAT, move || {
            make_repository(&fresh, Shape::Bare, "main", "")?;
            borrow_objects(&fresh.join("objects"), &objects)
        })
        .await
    }

    /// Indexes the pack with git's own check of each object: an object that would be a warning elsewhere (`.git` in a tree) is an error
    /// here. `git fetch` of a bundle ignores `transfer.fsckObjects` before git 2.46.
    async fn index(&self, dir: &Path, pack: std::fs::File) -> Result<(), Stop> {
        let call = Call::bare(dir, "checking an agent's objects")
            .args(["index-pack", "--stdin", "--fix-thin", "--strict"])
            .arg(format!("--max-input-size={}", self.limits.bundle))
            .input(Input::File(pack));
        let out = self.runner.run(call).await?;
        if out.good {
            return Ok(());
        }
        let error = out.error();
        match error.kind {
            RepoErrorKind::Environment => Err(error.into()),
            RepoErrorKind::Unreachable | RepoErrorKind::Denied | RepoErrorKind::Failed => {
                Err(Refusal::BrokenObjects { why: shortened(&out.stderr) }.into())
            }
        }
    }
}

pub(super) fn outside(why: impl Into<String>) -> Refusal {
    Refusal::OutsideTheBranch { why: why.into() }
}

/// Lets a repository read another's objects. The path must not begin with `#` or `"` nor hold a line feed, which an absolute path of ours
/// cannot and may not.
pub(super) fn borrow_objects(objects: &Path, from: &Path) -> std::io::Result<()> {
    let text = from.to_str().filter(|text| text.starts_with('/') && !text.contains('\n'));
    let text =
        text.ok_or_else(|| std::io::Error::other(format!("{} cannot be borrowed from: it must be absolute", from.display())))?;
    let info = objects.join("info");
    std::fs::create_dir_all(&info)?;
    std::fs::write(info.join("alternates"), format!("{text}\n"))
}

/// The one ref that a bundle may carry.
fn only_branch(header: &Header, order: &TakeOrder) -> Result<Sha, Refusal> {
    let wanted = format!("refs/heads/{}", order.branch);
    match header.refs.as_slice() {
        [(tip, name)] if *name == wanted => Ok(tip.clone()),
        [(_, name)] => Err(outside(format!("carries {} instead of {wanted}", name.escape_debug()))),
        refs => Err(outside(format!("carries {} refs instead of {wanted} alone", refs.len()))),
    }
}
