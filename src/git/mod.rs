//! git: a bare mirror for each repository that the daemon owns, claims, and what is taken over from an agent.
//!
//! Promises:
//! - No git of ours ever runs on anything that an agent could write. What an agent made comes in as a bundle file only: opened with
//!   no-follow, copied, its header parsed by us, its pack indexed and checked in a throw-away repository (`take`).
//! - git runs with an environment of our own making, no system or user configuration, no hooks, no redirects; the token is in neither argv
//!   nor any file. Each child has a process group, a time limit and a bounded output, and dies with the future that waits for it.
//! - A mirror is never pruned: a workspace that borrows its objects stays whole whatever is forced or deleted on the forge.
//!
//! Races known:
//! - Two syncs of a mirror (two runs, or a git that outlived a killed daemon): a file lock that the child itself holds, as its stdin. Who
//!   waited for it needs no fetch of its own where another's began after it asked: that one saw all that stood on the forge by then.
//! - A branch `a` deleted on the forge and `a/b` made: the old ref stands in the way in a mirror that is never pruned; it is moved aside.
//! - Claims and pushes: decided by the forge, which compares and sets; a refused lease is looked at, never repeated blindly. A push whose
//!   answer was lost is found by the next one, which sees its own commit.
//! - A claim commit replaced between listing and fetching it: answered as lost, so that the caller looks again.

mod added;
mod author;
mod bundle;
mod checkout;
mod claim;
mod compare;
mod conflict;
mod diff;
mod fault;
mod history;
mod judge;
mod keep;
mod layout;
mod links;
mod mirror;
mod objects;
mod over;
mod process;
mod push;
mod range;
mod take;
mod tidy;
mod update;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::model::{Branch, Change, IssueNumber, Kept, LastTag, PullNumber, Refusal, RepoName, RunId, Sha};
use crate::ports::{
    BringUp, ClaimAnswer, KeepAnswer, KeepOrder, Lease, Matters, Merge, NewClaim, PushAnswer, RepoError, RepoErrorKind, Repos,
    TakeOrder, Tips,
};

pub use author::Author;
use conflict::Head;
use fault::{environment, failed};
use mirror::Fetches;
use over::Intakes;
use process::{Call, Runner};
pub use range::{NoChange, in_folder};
pub use tidy::{Repacked, Worth};

/// What git needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The daemon's own folder, absolute: `mirrors`, `intake` and `git-home` are made in it.
    pub state_dir: PathBuf,
    /// The forge's address; a subpath is kept.
    pub forge_url: Url,
    /// The login that the token belongs to.
    pub login: String,
    /// A token that may read and write code.
    pub token: SecretString,
    /// The certificate of a private authority that signed the forge's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// What is accepted from an agent.
    pub limits: Limits,
}

/// What is accepted from an agent, beside the limits that a project sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bundle file's size, in bytes.
    pub bundle: u64,
    /// The size of all new objects together once unpacked, in bytes: a small pack can hold a very large file.
    pub unpacked: u64,
    /// How many commits.
    pub commits: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bundle: 200 << 20, unpacked: 256 << 20, commits: 1000 }
    }
}

/// git on the daemon's side. Clones share everything.
#[derive(Clone, Debug)]
pub struct Git {
    runner: Arc<Runner>,
    forge: Url,
    ca_file: Option<PathBuf>,
    mirrors: PathBuf,
    intake: PathBuf,
    home: PathBuf,
    limits: Limits,
    fetches: Arc<Fetches>,
    intakes: Arc<Intakes>,
}

impl Git {
    /// Finds the `git` program and makes the folders. Fails if there is no git or no folder can be made.
    pub fn new(options: Options) -> Result<Self, RepoError> {
        let Options { state_dir, forge_url, login, token, ca_file, limits } = options;
        let (mirrors, intake, home) = (state_dir.join("mirrors"), state_dir.join("intake"), state_dir.join("git-home"));
        for folder in [&mirrors, &intake, &home] {
            std::fs::create_dir_all(folder)
                .map_err(|e| environment("making git's folders", format!("{}: {e}", folder.display())))?;
        }
        let runner = Runner::new(home.clone(), &forge_url, (&login, &token), ca_file.as_deref())?;
        Ok(Self {
            runner: Arc::new(runner),
            forge: forge_url,
            ca_file,
            mirrors,
            intake,
            home,
            limits,
            fetches: Arc::default(),
            intakes: Arc::default(),
        })
    }

    /// The same mirrors and runs, with another one's token on the forge.
    pub fn as_another(&self, login: &str, token: &SecretString) -> Result<Self, RepoError> {
        let runner = Runner::new(self.home.clone(), &self.forge, (login, token), self.ca_file.as_deref())?;
        Ok(Self { runner: Arc::new(runner), ..self.clone() })
    }

    /// The objects of a repository's mirror: what a workspace borrows, and what is mounted read-only into its sandbox at this very path.
    pub fn objects(&self, repo: &RepoName) -> PathBuf {
        self.mirror_dir(repo).join("objects")
    }

    /// What git calls its version, `2.39.5`.
    pub async fn version(&self) -> Result<String, RepoError> {
        let out = self.runner.ok(Call::nowhere(&self.mirrors, "asking for git's version").arg("--version")).await?;
        Ok(String::from_utf8_lossy(&out).trim().trim_start_matches("git version ").to_owned())
    }

    /// The claims that stand on the forge, whoever made them.
    pub async fn claims(&self, repo: &RepoName) -> Result<Vec<(IssueNumber, Sha)>, RepoError> {
        self.claims_on_forge(repo).await
    }

    fn mirror_dir(&self, repo: &RepoName) -> PathBuf {
        self.mirrors.join(format!("{}.git", repo.folder()))
    }

    fn intake_dir(&self, run: &RunId) -> Result<PathBuf, RepoError> {
        Ok(self.intake.join(format!("{}.git", run_folder(run)?)))
    }

    /// The address that git talks to; the forge's subpath is kept.
    fn remote(&self, repo: &RepoName) -> String {
        format!("{}/{}/{}.git", self.forge.as_str().trim_end_matches('/'), repo.owner(), repo.name())
    }
}

/// The name of a run as one component of a path and of a ref; refused if it cannot be one.
pub fn run_folder(run: &RunId) -> Result<&str, RepoError> {
    let name = run.as_str();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let odd = name.is_empty() || name.len() > 100 || name.starts_with('.') || name.contains("..") || name.ends_with('.');
    if plain && !odd && !name.ends_with(".lock") {
        Ok(name)
    } else {
        Err(failed("naming a run's folder", format!("`{}` cannot be the name of a folder", name.escape_debug())))
    }
}

#[async_trait]
impl Repos for Git {
    async fn sync(&self, repo: &RepoName, branches: &[Branch], keep: &RunId) -> Result<Tips, RepoError> {
        self.sync_mirror(repo, branches, keep).await
    }

    async fn read(&self, repo: &RepoName, at: &Sha, path: &str, limit: u64) -> Result<Option<String>, RepoError> {
        self.read_file(repo, at, path, limit).await
    }

    async fn files(
        &self,
        repo: &RepoName,
        at: &Sha,
        folder: &str,
        limit: u64,
        most: usize,
    ) -> Result<BTreeMap<String, String>, RepoError> {
        self.read_folder(repo, at, folder, limit, most).await
    }

    async fn holds(&self, repo: &RepoName, at: &Sha, path: &str) -> Result<bool, RepoError> {
        self.has_path(repo, at, path).await
    }

    async fn missing(&self, repo: &RepoName, branch: &Branch, paths: &[String]) -> Result<Option<Vec<String>>, RepoError> {
        self.missing_of(repo, branch, paths).await
    }

    async fn all_by(&self, repo: &RepoName, base: &Sha, tip: &Sha, authors: &[String]) -> Result<bool, RepoError> {
        let authors: Vec<Author> = authors.iter().map(|author| Author::parse(author)).collect::<Result<_, _>>()?;
        self.committed_by(repo, base, tip, &authors).await
    }

    async fn last_tag(&self, repo: &RepoName, at: &Sha) -> Result<LastTag, RepoError> {
        self.newest_tag(repo, at).await
    }

    async fn touched(&self, repo: &RepoName, base: &Sha, tip: &Sha, path: &str) -> Result<bool, RepoError> {
        self.touches(repo, base, tip, path).await
    }

    async fn claim(&self, repo: &RepoName, issue: IssueNumber, claim: &NewClaim) -> Result<ClaimAnswer, RepoError> {
        self.take_claim(repo, issue, claim).await
    }

    async fn release(&self, repo: &RepoName, issue: IssueNumber, held: &Sha) -> Result<(), RepoError> {
        self.give_claim_back(repo, issue, held).await
    }

    async fn take(&self, order: &TakeOrder) -> Result<Result<Change, Refusal>, RepoError> {
        self.take_bundle(order).await
    }

    async fn added(&self, run: &RunId, base: &Sha, head: &Sha) -> Result<Vec<(String, String)>, RepoError> {
        self.added_text(run, base, head).await
    }

    async fn checkout(&self, _repo: &RepoName, run: &RunId, sha: &Sha, dest: &Path) -> Result<(), RepoError> {
        self.checkout_judged(run, sha, dest).await
    }

    async fn lay_over(&self, repo: &RepoName, run: &RunId, on: &Sha, over: Option<&Kept>) -> Result<Sha, RepoError> {
        self.laid_over(repo, run, on, over).await
    }

    async fn push(
        &self,
        repo: &RepoName,
        run: &RunId,
        head: &Sha,
        branch: &Branch,
        lease: &Lease,
    ) -> Result<PushAnswer, RepoError> {
        self.push_branch(repo, run, head, branch, lease).await
    }

    async fn remote_tip(&self, repo: &RepoName, branch: &Branch) -> Result<Option<Sha>, RepoError> {
        self.tip_on_forge(repo, &format!("refs/heads/{branch}")).await
    }

    async fn delete_branch(&self, repo: &RepoName, branch: &Branch, at: &Sha) -> Result<bool, RepoError> {
        self.remove_branch(repo, branch, at).await
    }

    async fn change(&self, repo: &RepoName, base: &Sha, head: &Sha, matters: &Matters) -> Result<Option<Change>, RepoError> {
        self.change_in_mirror(repo, base, head, matters).await
    }

    async fn changes_of(&self, repo: &RepoName, branch: &Branch, path: &str, most: usize) -> Result<Option<Vec<Sha>>, RepoError> {
        self.history_of_file(repo, branch, path, most).await
    }

    async fn try_merge(&self, repo: &RepoName, head: &Branch, base: &Branch) -> Result<Option<Merge>, RepoError> {
        self.merge_in_passing(repo, &Head::Branch(head), base).await
    }

    async fn try_merge_pull(&self, repo: &RepoName, pull: PullNumber, base: &Branch) -> Result<Option<Merge>, RepoError> {
        self.merge_in_passing(repo, &Head::Pull(pull), base).await
    }

    async fn bring_up(&self, order: &BringUp) -> Result<Option<Change>, RepoError> {
        self.brought_up(order).await
    }

    async fn keep(&self, repo: &RepoName, order: &KeepOrder) -> Result<KeepAnswer, RepoError> {
        self.keep_files(repo, order).await
    }

    async fn forget(&self, repo: &RepoName, run: &RunId) -> Result<(), RepoError> {
        self.forget_run(repo, run).await
    }
}

/// A git that answered what it never should: its words are kept for people.
fn unexpected(what: &str, said: &[u8]) -> RepoError {
    failed(
        what,
        format!(
            "git answered something unexpected: {}",
            String::from_utf8_lossy(said).escape_debug().take(300).collect::<String>()
        ),
    )
}

/// Runs something that blocks on the disk.
async fn on_disk<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, RepoError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(environment(what, e)),
        Err(e) => Err(RepoError { kind: RepoErrorKind::Failed, what: what.to_owned(), why: e.to_string() }),
    }
}
