//! Nobody at work: what a preview is given in the place of git and of hands, because it makes no effect. Where it is to know what files say,
//! it is shown them by the forge; where it asks for the newest tag, which the forge cannot tell, a mirror is made for that and thrown away.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::forge::Client;
use crate::git::Git;
use crate::model::{
    Branch, Change, Evidence, HostEnd, IssueNumber, Kept, LastTag, PortRange, PullNumber, Refusal, RepoName, RunId, Sha, StepId,
};
use crate::ports::{
    AgentOrder, AgentReport, BringUp, ClaimAnswer, DiskRoom, ForgeError, ForgeErrorKind, HandError, HandErrorKind, HandEvent,
    Hands, Host, HostOrder, HostRan, KeepAnswer, KeepOrder, Lease, Matters, Merge, NewClaim, PushAnswer, RepoError,
    RepoErrorKind, Repos, SetUpOrder, TakeOrder, Tips, VerifyOrder, Vitals, WorkspaceOrder,
};

/// Refuses everything, but for what the forge shows of files without git.
#[derive(Default)]
pub(super) struct Nobody {
    reads: Option<Client>,
    git: Option<OpenGit>,
}

/// Opens git with its folders below one.
type OpenGit = Box<dyn Fn(&Path) -> Result<Git, RepoError> + Send + Sync>;

impl Nobody {
    /// Who reads files by the forge's pages, and its history by a mirror in a folder that does not last.
    pub(super) fn reading(forge: Client, git: OpenGit) -> Self {
        Self { reads: Some(forge), git: Some(git) }
    }

    fn reads(&self) -> Result<&Client, RepoError> {
        self.reads.as_ref().map_or_else(no_git, Ok)
    }
}

fn unread(error: ForgeError) -> RepoError {
    let kind = match error.kind {
        ForgeErrorKind::Unreachable { .. } => RepoErrorKind::Unreachable,
        ForgeErrorKind::Denied => RepoErrorKind::Denied,
        _ => RepoErrorKind::Failed,
    };
    RepoError { kind, what: error.what, why: error.why }
}

fn no_folder(error: std::io::Error) -> RepoError {
    RepoError { kind: RepoErrorKind::Environment, what: "making a folder for a mirror".into(), why: error.to_string() }
}

const WHY: &str = "a preview makes no effect";

fn no_git<T>() -> Result<T, RepoError> {
    Err(RepoError { kind: RepoErrorKind::Environment, what: "git".into(), why: WHY.into() })
}

fn no_hands<T>() -> Result<T, HandError> {
    Err(HandError { kind: HandErrorKind::Environment, what: "hands".into(), why: WHY.into() })
}

#[async_trait]
impl Repos for Nobody {
    async fn sync(&self, repo: &RepoName, branches: &[Branch], _: &RunId) -> Result<Tips, RepoError> {
        let mut tips = Vec::new();
        for branch in branches {
            tips.push(match self.reads()?.branch(repo, branch).await {
                Ok(seen) => Some(seen.tip),
                Err(ForgeError { kind: ForgeErrorKind::NotFound, .. }) => None,
                Err(error) => return Err(unread(error)),
            });
        }
        Ok(Tips(tips))
    }

    async fn read(&self, repo: &RepoName, at: &Sha, path: &str, limit: u64) -> Result<Option<String>, RepoError> {
        let text = self.reads()?.file(repo, at.as_str(), path).await.map_err(unread)?;
        Ok(text.filter(|text| text.len() as u64 <= limit))
    }

    async fn bring_up(&self, _: &BringUp) -> Result<Option<Change>, RepoError> {
        no_git()
    }

    async fn files(
        &self,
        repo: &RepoName,
        at: &Sha,
        folder: &str,
        limit: u64,
        most: usize,
    ) -> Result<std::collections::BTreeMap<String, String>, RepoError> {
        self.reads()?.folder(repo, at.as_str(), folder, limit, most).await.map_err(unread)
    }

    async fn holds(&self, repo: &RepoName, at: &Sha, path: &str) -> Result<bool, RepoError> {
        self.reads()?.holds(repo, at.as_str(), path).await.map_err(unread)
    }

    async fn missing(&self, _: &RepoName, _: &Branch, _: &[String]) -> Result<Option<Vec<String>>, RepoError> {
        no_git()
    }

    async fn all_by(&self, _: &RepoName, _: &Sha, _: &Sha, _: &[String]) -> Result<bool, RepoError> {
        no_git()
    }

    async fn last_tag(&self, repo: &RepoName, at: &Sha) -> Result<LastTag, RepoError> {
        let Some(open) = &self.git else { return no_git() };
        let made = tempfile::tempdir().map_err(no_folder)?;
        let git = open(made.path())?;
        git.sync(repo, &[], &RunId("preview".into())).await?;
        git.last_tag(repo, at).await
    }

    async fn touched(&self, _: &RepoName, _: &Sha, _: &Sha, _: &str) -> Result<bool, RepoError> {
        no_git()
    }

    async fn claim(&self, _: &RepoName, _: IssueNumber, _: &NewClaim) -> Result<ClaimAnswer, RepoError> {
        no_git()
    }

    async fn release(&self, _: &RepoName, _: IssueNumber, _: &Sha) -> Result<(), RepoError> {
        no_git()
    }

    async fn take(&self, _: &TakeOrder) -> Result<Result<Change, Refusal>, RepoError> {
        no_git()
    }

    async fn added(&self, _: &RunId, _: &Sha, _: &Sha) -> Result<Vec<(String, String)>, RepoError> {
        no_git()
    }

    async fn checkout(&self, _: &RepoName, _: &RunId, _: &Sha, _: &Path) -> Result<(), RepoError> {
        no_git()
    }

    async fn lay_over(&self, _: &RepoName, _: &RunId, _: &Sha, _: Option<&Kept>) -> Result<Sha, RepoError> {
        no_git()
    }

    async fn push(&self, _: &RepoName, _: &RunId, _: &Sha, _: &Branch, _: &Lease) -> Result<PushAnswer, RepoError> {
        no_git()
    }

    async fn remote_tip(&self, _: &RepoName, _: &Branch) -> Result<Option<Sha>, RepoError> {
        no_git()
    }

    async fn delete_branch(&self, _: &RepoName, _: &Branch, _: &Sha) -> Result<bool, RepoError> {
        no_git()
    }

    async fn change(&self, _: &RepoName, _: &Sha, _: &Sha, _: &Matters) -> Result<Option<Change>, RepoError> {
        no_git()
    }

    async fn changes_of(&self, _: &RepoName, _: &Branch, _: &str, _: usize) -> Result<Option<Vec<Sha>>, RepoError> {
        no_git()
    }

    async fn try_merge(&self, _: &RepoName, _: &Branch, _: &Branch) -> Result<Option<Merge>, RepoError> {
        no_git()
    }

    async fn try_merge_pull(&self, _: &RepoName, _: PullNumber, _: &Branch) -> Result<Option<Merge>, RepoError> {
        no_git()
    }

    async fn keep(&self, _: &RepoName, _: &KeepOrder) -> Result<KeepAnswer, RepoError> {
        no_git()
    }

    async fn forget(&self, _: &RepoName, _: &RunId) -> Result<(), RepoError> {
        no_git()
    }
}

#[async_trait]
impl Hands for Nobody {
    async fn prepare(&self, _: &WorkspaceOrder) -> Result<(), HandError> {
        no_hands()
    }

    async fn set_up(&self, _: &SetUpOrder, _: CancellationToken) -> Result<(), HandError> {
        no_hands()
    }

    async fn agent(&self, _: &AgentOrder, _: mpsc::Sender<HandEvent>, _: CancellationToken) -> Result<AgentReport, HandError> {
        no_hands()
    }

    async fn bundle(&self, _: &WorkspaceOrder, _: CancellationToken) -> Result<Option<PathBuf>, HandError> {
        no_hands()
    }

    async fn verify(&self, _: &VerifyOrder, _: CancellationToken) -> Result<Evidence, HandError> {
        no_hands()
    }

    async fn port(&self, _: &RepoName, _: &RunId, _: Option<&StepId>, _: PortRange) -> Result<u16, HandError> {
        no_hands()
    }

    async fn retire(&self, _: &RepoName, _: &RunId) -> Result<Option<PathBuf>, HandError> {
        no_hands()
    }

    async fn discard(&self, _: &RepoName, _: &RunId) -> Result<(), HandError> {
        no_hands()
    }
}

#[async_trait]
impl Host for Nobody {
    async fn run(&self, _: &HostOrder<'_>) -> HostRan {
        HostRan { end: HostEnd::NotStarted, tail: WHY.into() }
    }

    fn vitals(&self) -> Result<Vitals, String> {
        Err("nothing of the host is asked here".to_owned())
    }

    async fn room(&self, _: &Path, _: std::time::Duration) -> Result<DiskRoom, String> {
        Err(WHY.into())
    }
}
