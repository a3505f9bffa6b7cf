//! The mirror: a bare repository of ours for each repository under care. Fetched into, never pruned, never handed out whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Branch, RepoName, RunId, Sha};
use crate::ports::{RepoError, Tips};

use super::fault::environment;
use super::process::{Call, Input, Output, Reach};
use super::{Git, on_disk, run_folder, unexpected};

const HEADS: &str = "+refs/heads/*:refs/heads/*";
const TAGS: &str = "+refs/tags/*:refs/tags/*";
/// What a ref that does not exist is at.
const ABSENT: &str = "0000000000000000000000000000000000000000";

/// How often a held lock is tried again, and how long it is waited for: a transfer takes at most 30 minutes.
const LOCK_AGAIN: Duration = Duration::from_millis(5);
const LOCK_WAIT: Duration = Duration::from_secs(1900);

/// The one who may write refs of a mirror. The lock lasts until the last copy of its file is closed, those of git children included.
#[derive(Debug)]
pub(super) struct MirrorLock(File);

impl MirrorLock {
    /// For a child that writes refs: it holds the lock as long as it lives.
    pub(super) fn as_input(&self, what: &str) -> Result<Input, RepoError> {
        self.0.try_clone().map(Input::File).map_err(|e| environment(what, e))
    }
}

/// The branches that were on the forge, and where.
type Heads = BTreeMap<String, Sha>;

/// What the last fetch of each mirror saw, and when it began: whoever asked before that, and waited for the lock meanwhile, has its answer.
#[derive(Debug, Default)]
pub(super) struct Fetches(Mutex<BTreeMap<RepoName, (Instant, Arc<Heads>)>>);

impl Fetches {
    fn all(&self) -> MutexGuard<'_, BTreeMap<RepoName, (Instant, Arc<Heads>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun_after(&self, repo: &RepoName, asked: Instant) -> Option<Arc<Heads>> {
        self.all().get(repo).filter(|(began, _)| *began > asked).map(|(_, heads)| heads.clone())
    }
}

impl Git {
    pub(super) async fn sync_mirror(&self, repo: &RepoName, branches: &[Branch], keep: &RunId) -> Result<Tips, RepoError> {
        let asked = Instant::now();
        let what = format!("fetching {repo}");
        let kept = run_ref(keep)?;
        let lock = self.lock(repo).await?;
        let dir = self.ensure_mirror(repo, &lock).await?;
        let heads = self.fetch_heads(repo, &dir, &lock, asked, &what).await?;
        let tips: Vec<Option<Sha>> = branches.iter().map(|branch| heads.get(branch.as_str()).cloned()).collect();
        if let Some(tip) = tips.iter().flatten().next() {
            self.keep_for_run(&dir, &lock, &kept, tip).await?;
        }
        Ok(Tips(tips))
    }

    /// Fetches everything, unless somebody else's fetch began after this was asked, and answers with the branches that are on the forge.
    pub(super) async fn fetch_heads(
        &self,
        repo: &RepoName,
        dir: &Path,
        lock: &MirrorLock,
        asked: Instant,
        what: &str,
    ) -> Result<Arc<Heads>, RepoError> {
        if let Some(heads) = self.fetches.begun_after(repo, asked) {
            return Ok(heads);
        }
        let began = Instant::now();
        self.fetch_all(repo, dir, lock, what).await?;
        let read = dir.join("FETCH_HEAD");
        let fetched = on_disk(what, move || std::fs::read(read)).await?;
        let heads = Arc::new(fetched_heads(&fetched));
        self.fetches.all().insert(repo.clone(), (began, heads.clone()));
        Ok(heads)
    }

    pub(super) async fn read_file(&self, repo: &RepoName, at: &Sha, path: &str, limit: u64) -> Result<Option<String>, RepoError> {
        let what = format!("reading {path} of {repo}");
        let dir = self.mirror_dir(repo);
        let list = Call::bare(&dir, &what).args(["ls-tree", "-z", "-l", "--full-tree", at.as_str(), "--", path]);
        let listed = self.runner.ok(list).await?;
        let Some(blob) = regular_file(&listed, path, limit) else { return Ok(None) };
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let text = self.runner.ok(Call::bare(&dir, &what).args(["cat-file", "blob", &blob]).most(most)).await?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    pub(super) async fn read_folder(
        &self,
        repo: &RepoName,
        at: &Sha,
        folder: &str,
        limit: u64,
        most: usize,
    ) -> Result<BTreeMap<String, String>, RepoError> {
        let what = format!("reading {folder} of {repo}");
        let dir = self.mirror_dir(repo);
        let list = Call::bare(&dir, &what).args(["ls-tree", "-r", "-z", "-l", "--full-tree", at.as_str(), "--"]);
        let listed = self.runner.ok(list.arg(format!("{folder}/"))).await?;
        let names = String::from_utf8_lossy(&listed);
        let paths: Vec<&str> = names.split('\0').filter_map(|entry| Some(entry.split_once('\t')?.1)).collect();
        if paths.len() > most {
            return Err(environment(
                &what,
                format!("there are {} files, and at most {most} are read: take those away that nobody needs", paths.len()),
            ));
        }
        let mut files = BTreeMap::new();
        for path in paths {
            let Some(blob) = regular_file(&listed, path, limit) else { continue };
            let bytes = usize::try_from(limit).unwrap_or(usize::MAX);
            let text = self.runner.ok(Call::bare(&dir, &what).args(["cat-file", "blob", &blob]).most(bytes)).await?;
            let below = path.strip_prefix(folder).and_then(|path| path.strip_prefix('/')).unwrap_or(path);
            files.insert(below.to_owned(), String::from_utf8_lossy(&text).into_owned());
        }
        Ok(files)
    }

    pub(super) async fn has_path(&self, repo: &RepoName, at: &Sha, path: &str) -> Result<bool, RepoError> {
        let [found] = &self.kinds(&self.mirror_dir(repo), &[format!("{at}:{path}")]).await?[..] else { return Ok(false) };
        Ok(found.is_some())
    }

    /// Which of these paths the tip of a branch has nothing at, by a fetch of now.
    pub(super) async fn missing_of(
        &self,
        repo: &RepoName,
        branch: &Branch,
        paths: &[String],
    ) -> Result<Option<Vec<String>>, RepoError> {
        let (asked, what) = (Instant::now(), format!("looking for files on {branch} of {repo}"));
        let lock = self.lock(repo).await?;
        let dir = self.ensure_mirror(repo, &lock).await?;
        let heads = self.fetch_heads(repo, &dir, &lock, asked, &what).await?;
        let Some(tip) = heads.get(branch.as_str()) else { return Ok(None) };
        // `-t`: a folder is told too where another path lies in it.
        let list = Call::bare(&dir, &what).args(["ls-tree", "-z", "-t", "--name-only", "--full-tree", tip.as_str(), "--"]);
        let listed = self.runner.ok(paths.iter().fold(list, |list, path| list.arg(path))).await?;
        let found: BTreeSet<&[u8]> = listed.split(|byte| *byte == 0).collect();
        Ok(Some(paths.iter().filter(|path| !found.contains(path.as_bytes())).cloned().collect()))
    }

    /// Along the first parents alone: what was on the branch itself.
    pub(super) async fn history_of_file(
        &self,
        repo: &RepoName,
        branch: &Branch,
        path: &str,
        most: usize,
    ) -> Result<Option<Vec<Sha>>, RepoError> {
        let (asked, what) = (Instant::now(), format!("reading what became of {path} on {branch} of {repo}"));
        let lock = self.lock(repo).await?;
        let dir = self.ensure_mirror(repo, &lock).await?;
        let heads = self.fetch_heads(repo, &dir, &lock, asked, &what).await?;
        let Some(tip) = heads.get(branch.as_str()) else { return Ok(None) };
        let log = Call::bare(&dir, &what)
            .args(["log", "--first-parent", "--format=%H", "-n", &most.to_string(), tip.as_str(), "--"])
            .arg(path);
        let listed = self.runner.ok(log).await?;
        String::from_utf8_lossy(&listed)
            .lines()
            .map(|line| super::objects::one_sha(&what, line.as_bytes()))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) async fn forget_run(&self, repo: &RepoName, run: &RunId) -> Result<(), RepoError> {
        const WHAT: &str = "forgetting a run";
        let (kept, name) = (run_ref(run)?, run_folder(run)?.to_owned());
        let intake = self.intake.clone();
        on_disk(WHAT, move || remove_intakes(&intake, &name)).await?;
        let dir = self.mirror_dir(repo);
        if !dir.join("HEAD").exists() {
            return Ok(());
        }
        let lock = self.lock(repo).await?;
        let call = Call::bare(&dir, WHAT).args(["update-ref", "-d", &kept]).input(lock.as_input(WHAT)?);
        self.runner.ok(call).await.map(drop)
    }

    /// The mirror's folder, made on first use: complete or not there.
    pub(super) async fn mirror(&self, repo: &RepoName) -> Result<PathBuf, RepoError> {
        let dir = self.mirror_dir(repo);
        if dir.join("HEAD").exists() {
            return Ok(dir);
        }
        let lock = self.lock(repo).await?;
        self.ensure_mirror(repo, &lock).await
    }

    pub(super) async fn ensure_mirror(&self, repo: &RepoName, lock: &MirrorLock) -> Result<PathBuf, RepoError> {
        let what = format!("making the mirror of {repo}");
        let dir = self.mirror_dir(repo);
        if dir.join("HEAD").exists() {
            return Ok(dir);
        }
        let fresh = self.mirrors.join(format!("{}.new", repo.folder()));
        let gone = fresh.clone();
        on_disk(&what, move || remove_if_there(&gone)).await?;
        let init = Call::nowhere(&self.mirrors, &what).args(["init", "-q", "--bare", "--template="]).arg(&fresh);
        self.runner.ok(init.input(lock.as_input(&what)?)).await?;
        let place = dir.clone();
        on_disk(&what, move || std::fs::rename(fresh, place)).await?;
        Ok(dir)
    }

    /// Waits for whoever writes refs of the mirror: another run's sync, or a git that outlived a killed daemon.
    pub(super) async fn lock(&self, repo: &RepoName) -> Result<MirrorLock, RepoError> {
        let what = format!("locking the mirror of {repo}");
        let path = self.mirrors.join(format!("{}.lock", repo.folder()));
        let open = File::options().create(true).truncate(false).write(true).read(true).open(path);
        let file = open.map_err(|e| environment(&what, e))?;
        let taken = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_AGAIN).await,
                    Err(TryLockError::Error(e)) => return Err(environment(&what, e)),
                }
            }
        };
        tokio::time::timeout(LOCK_WAIT, taken).await.map_err(|_| environment(&what, "another git still works on it"))??;
        Ok(MirrorLock(file))
    }

    /// One fetch of all heads and tags, in as few requests as git can; repeated once something that stood in its way is gone.
    async fn fetch_all(&self, repo: &RepoName, dir: &Path, lock: &MirrorLock, what: &str) -> Result<(), RepoError> {
        let mut tries = 0;
        loop {
            let call = Call::bare(dir, what)
                .args(["fetch", "-q", "--no-tags", "--no-prune", "--no-auto-gc", "--no-recurse-submodules"])
                .args(["--", &self.remote(repo), HEADS, TAGS])
                .reach(Reach::Transfer)
                .input(lock.as_input(what)?);
            let out = self.runner.run(call).await?;
            if out.good {
                return Ok(());
            }
            tries += 1;
            if tries > 2 || !self.clear_way(repo, dir, lock, &out).await? {
                return Err(out.error());
            }
        }
    }

    /// Removes what kept a fetch from writing a ref. We hold the mirror's lock, so a `*.lock` belongs to a git that is dead.
    async fn clear_way(&self, repo: &RepoName, dir: &Path, lock: &MirrorLock, out: &Output) -> Result<bool, RepoError> {
        const WHAT: &str = "clearing the way for a fetch";
        if out.stderr.contains(".lock': File exists") {
            let folder = dir.to_owned();
            on_disk(WHAT, move || remove_locks(&folder)).await?;
            return Ok(true);
        }
        if !["cannot create", "cannot lock ref", "could not be updated"].iter().any(|words| out.stderr.contains(words)) {
            return Ok(false);
        }
        let ask = Call::bare(dir, WHAT).args(["ls-remote", "--refs", "--", &self.remote(repo), "refs/heads/*", "refs/tags/*"]);
        let remote = self.runner.ok(ask.reach(Reach::Ask)).await?;
        let show = Call::bare(dir, WHAT).args(["for-each-ref", "--format=%(objectname)\t%(refname)", "refs/heads", "refs/tags"]);
        let local = self.runner.ok(show).await?;
        let in_the_way = obstructing(&String::from_utf8_lossy(&local), &String::from_utf8_lossy(&remote));
        for (sha, name) in &in_the_way {
            // Its commits stay reachable: the mirror is never pruned.
            let aside = format!("refs/forgehand/aside/{sha}");
            let keep = Call::bare(dir, WHAT).args(["update-ref", &aside, sha]);
            self.runner.ok(keep.input(lock.as_input(WHAT)?)).await?;
            let drop = Call::bare(dir, WHAT).args(["update-ref", "-d", name, sha]);
            self.runner.ok(drop.input(lock.as_input(WHAT)?)).await?;
        }
        Ok(!in_the_way.is_empty())
    }

    /// The first tip that a run saw is kept for it; later syncs of the same run leave it alone.
    async fn keep_for_run(&self, dir: &Path, lock: &MirrorLock, kept: &str, tip: &Sha) -> Result<(), RepoError> {
        const WHAT: &str = "keeping a run's base";
        // Only where there is none: one run of git for a run's first sync, which waits for it.
        let write = Call::bare(dir, WHAT).args(["update-ref", kept, tip.as_str(), ABSENT]).input(lock.as_input(WHAT)?);
        let written = self.runner.run(write).await?;
        if written.good {
            return Ok(());
        }
        let look = Call::bare(dir, WHAT).args(["rev-parse", "-q", "--verify", kept]);
        if self.runner.run(look).await?.good { Ok(()) } else { Err(written.error()) }
    }

    /// The tip of a ref on the forge itself.
    pub(super) async fn tip_on_forge(&self, repo: &RepoName, name: &str) -> Result<Option<Sha>, RepoError> {
        let what = format!("asking for {name} of {repo}");
        let call = Call::nowhere(&self.mirrors, &what).args(["ls-remote", "--refs", "--", &self.remote(repo), name]);
        let out = self.runner.ok(call.reach(Reach::Ask)).await?;
        let text = String::from_utf8_lossy(&out);
        // ls-remote matches the end of a name too: `x/refs/heads/main`.
        let exact = text.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| *found == name);
        exact.map(|(sha, _)| sha.parse().map_err(|_| unexpected(&what, &out))).transpose()
    }
}

/// The ref that keeps a run's base reachable.
fn run_ref(run: &RunId) -> Result<String, RepoError> {
    Ok(format!("refs/forgehand/runs/{}", run_folder(run)?))
}

/// The branches that a fetch saw on the forge, from `FETCH_HEAD`: the mirror's own refs also hold branches that are gone there.
fn fetched_heads(fetched: &[u8]) -> Heads {
    let text = String::from_utf8_lossy(fetched);
    let head = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let (sha, _merge, note) = (parts.next()?, parts.next()?, parts.next()?);
        let (name, _url) = note.strip_prefix("branch '")?.rsplit_once("' of ")?;
        Some((name.to_owned(), sha.parse().ok()?))
    };
    text.lines().filter_map(head).collect()
}

/// The blob of a regular file that a listing (`ls-tree -l -z`) shows at exactly this path, if it is not too long.
fn regular_file(listed: &[u8], path: &str, limit: u64) -> Option<String> {
    let text = std::str::from_utf8(listed).ok()?;
    let (head, _) = text.split('\0').filter_map(|entry| entry.split_once('\t')).find(|(_, name)| *name == path)?;
    let mut words = head.split_ascii_whitespace();
    let (mode, _kind, sha, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    (matches!(mode, "100644" | "100755") && size.parse::<u64>().ok()? <= limit).then(|| sha.to_owned())
}

/// Refs of ours that are gone on the forge and whose name is a folder in the name of one that is there, or the other way round. Lines
/// are `<sha>\t<ref>`.
fn obstructing(local: &str, remote: &str) -> Vec<(String, String)> {
    let pairs = |text: &str| -> Vec<(String, String)> {
        text.lines().filter_map(|line| line.split_once('\t')).map(|(sha, name)| (sha.to_owned(), name.to_owned())).collect()
    };
    let there: BTreeSet<String> = pairs(remote).into_iter().map(|(_, name)| name).collect();
    let blocks = |name: &str| there.iter().any(|other| inside(other, name) || inside(name, other));
    pairs(local).into_iter().filter(|(_, name)| !there.contains(name) && blocks(name)).collect()
}

fn inside(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Removes the lock files that a dead git left at the mirror's top and among its refs.
fn remove_locks(mirror: &Path) -> std::io::Result<()> {
    let mut folders = vec![(mirror.to_owned(), false)];
    while let Some((folder, deep)) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && (deep || entry.file_name() == "refs") {
                folders.push((entry.path(), true));
            } else if kind.is_file() && entry.path().extension().is_some_and(|end| end == "lock") {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// Removes the throw-away repository of a run and what a killed daemon left half-made of it.
fn remove_intakes(intake: &Path, run: &str) -> std::io::Result<()> {
    let (whole, half) = (format!("{run}.git"), format!("{run}~"));
    for entry in std::fs::read_dir(intake)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == whole || name.starts_with(&half) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder of ours; one that is gone is no error.
pub(super) fn remove_if_there(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    #[test]
    fn heads_are_read_and_tags_are_not() {
        let text = format!(
            "{SHA}\t\tbranch 'main' of http://f/o/r\n{SHA}\tnot-for-merge\tbranch 'it's' of http://f/o/r\n{SHA}\t\ttag 'v1' of x\n"
        );
        let heads = fetched_heads(text.as_bytes());
        assert_eq!(heads.keys().collect::<Vec<_>>(), ["it's", "main"]);
    }

    #[test]
    fn only_a_regular_file_at_the_very_path_counts() {
        let listed =
            format!("120000 blob {SHA}       4\tlink\0100644 blob {SHA}       4\tfile\0040000 tree {SHA}       -\tfolder\0");
        assert_eq!(regular_file(listed.as_bytes(), "file", 4).as_deref(), Some(SHA));
        assert_eq!(regular_file(listed.as_bytes(), "file", 3), None);
        assert_eq!(regular_file(listed.as_bytes(), "link", 9), None);
        assert_eq!(regular_file(listed.as_bytes(), "folder", 9), None);
    }

    #[test]
    fn a_branch_that_is_gone_gives_way_and_one_that_is_there_does_not() {
        let local = "1\trefs/heads/a\n2\trefs/heads/b/c\n3\trefs/heads/old\n4\trefs/heads/main";
        let remote = "5\trefs/heads/a/b\n6\trefs/heads/b\n4\trefs/heads/main\n7\trefs/heads/olden/x";
        let found: Vec<String> = obstructing(local, remote).into_iter().map(|(_, name)| name).collect();
        assert_eq!(found, ["refs/heads/a", "refs/heads/b/c"]);
    }
}
