//! Played hands: workspaces and commits are real, nobody thinks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use forgehand::git::Git;
use forgehand::model::{Access, CommandRun, Evidence, HandOutcome, PortRange, RepoName, RunId, StepId};
use forgehand::ports::{
    AgentOrder, AgentReport, HandError, HandErrorKind, HandEvent, Hands, SetUpOrder, VerifyOrder, WorkspaceOrder,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What the agents of a life do.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub route: &'static str,
    pub verdict: &'static str,
    /// The fix has branches.
    pub branches: bool,
    /// It asks for a file, in the project itself.
    pub asks: bool,
    /// The fix mends the host first.
    pub mends: bool,
    /// What is low is merged without a person.
    pub merges: bool,
    /// The fix waits for that, and says so.
    pub forwards: bool,
    /// Many issues, whose changes are of all tiers.
    pub fleet: bool,
}

/// How much the change of an issue could break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Low,
    Medium,
    High,
}

/// That of the issues of a fleet.
pub fn kind_of(issue: u64) -> Kind {
    match issue % 4 {
        0 | 1 => Kind::Low,
        2 => Kind::Medium,
        _ => Kind::High,
    }
}

/// The file that is changed for an issue, and what it says then.
fn file_of(script: Script, run: &RunId) -> (String, String) {
    if !script.fleet {
        return ("hello.txt".to_owned(), "hello\n".to_owned());
    }
    let number = run.as_str().rsplit('-').nth(2).and_then(|number| number.parse().ok()).expect("the issue of a run");
    match kind_of(number) {
        Kind::Low => (format!("docs/{number}.md"), "More.\n".to_owned()),
        Kind::Medium => (format!("src/{number}.rs"), "// One more line.\n".repeat(30)),
        Kind::High => (format!(".forgejo/workflows/{number}.yml"), "on: push\n".to_owned()),
    }
}

pub struct Played {
    pub git: Arc<Git>,
    pub dir: PathBuf,
    pub script: Script,
    /// How many turns agents had.
    pub turns: Arc<AtomicU64>,
}

fn broken(why: impl std::fmt::Display) -> HandError {
    HandError { kind: HandErrorKind::Environment, what: "playing".into(), why: why.to_string() }
}

/// git in a workspace, as an agent would call it.
pub async fn git(dir: &Path, args: &[&str]) -> Result<String, HandError> {
    #[expect(clippy::disallowed_methods, reason = "the agent's own git")]
    let mut git = tokio::process::Command::new("git");
    let out = git.kill_on_drop(true).arg("-C").arg(dir).args(args).output().await.map_err(broken)?;
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    } else {
        Err(broken(format!("git {args:?}: {}", String::from_utf8_lossy(&out.stderr))))
    }
}

impl Played {
    fn tree(&self, run: &RunId) -> PathBuf {
        self.dir.join(run.as_str())
    }

    async fn work(&self, order: &AgentOrder) -> Result<serde_json::Value, HandError> {
        let Script { route, verdict, .. } = self.script;
        Ok(match order.access {
            Access::Read => serde_json::json!({
                "route": route,
                "summary": "Say hello",
                "requirements": ["It says hello"],
                "acceptance": ["hello.txt is there"],
                "files": ["hello.txt"],
                "risk": "low",
                "questions": ["In which language?"],
            }),
            Access::Write => {
                let tree = self.tree(&order.workspace.run);
                let (file, text) = file_of(self.script, &order.workspace.run);
                if verdict == "done" && !tree.join(&file).exists() {
                    std::fs::create_dir_all(tree.join(&file).parent().unwrap_or(&tree)).map_err(broken)?;
                    std::fs::write(tree.join(&file), text).map_err(broken)?;
                    git(&tree, &["add", "-A"]).await?;
                    git(&tree, &["commit", "-q", "-m", "Say hello"]).await?;
                }
                serde_json::json!({"outcome": verdict, "title": "Say hello", "summary": "It says hello"})
            }
        })
    }
}

#[async_trait]
impl Hands for Played {
    async fn prepare(&self, order: &WorkspaceOrder) -> Result<(), HandError> {
        let tree = self.tree(&order.run);
        if tree.join("ready").exists() {
            return Ok(());
        }
        // What was cut in the middle is begun again.
        match std::fs::remove_dir_all(&tree) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(broken(e)),
            _ => {}
        }
        self.git.clone_for_work(order, &tree).await.map_err(broken)?;
        std::fs::write(tree.join(".git/info/exclude"), "ready\n")
            .or_else(|_| {
                std::fs::create_dir_all(tree.join(".git/info"))?;
                std::fs::write(tree.join(".git/info/exclude"), "ready\n")
            })
            .map_err(broken)?;
        std::fs::write(tree.join("ready"), "").map_err(broken)
    }

    async fn set_up(&self, _order: &SetUpOrder, _cancel: CancellationToken) -> Result<(), HandError> {
        Ok(())
    }

    async fn agent(
        &self,
        order: &AgentOrder,
        events: mpsc::Sender<HandEvent>,
        _cancel: CancellationToken,
    ) -> Result<AgentReport, HandError> {
        self.turns.fetch_add(1, Ordering::SeqCst);
        let _nobody_listens = events.send(HandEvent::Doing("thinks".into())).await;
        let output = self.work(order).await?;
        Ok(AgentReport { outcome: HandOutcome::Succeeded, output: Ok(output), resumable: false })
    }

    async fn bundle(&self, order: &WorkspaceOrder, _cancel: CancellationToken) -> Result<Option<PathBuf>, HandError> {
        let tree = self.tree(&order.run);
        let file = self.dir.join(format!("{}.bundle", order.run));
        let range = format!("{}..refs/heads/{}", order.base, order.branch);
        if git(&tree, &["rev-list", "--count", &range]).await? == "0" {
            return Ok(None);
        }
        let path = file.to_string_lossy().into_owned();
        git(&tree, &["bundle", "create", "-q", &path, &format!("^{}", order.base), &format!("refs/heads/{}", order.branch)])
            .await?;
        Ok(Some(file))
    }

    async fn verify(&self, order: &VerifyOrder, _cancel: CancellationToken) -> Result<Evidence, HandError> {
        let run = |command: &String| CommandRun { command: command.clone(), exit: Some(0), millis: 0, tail: String::new() };
        let commands = order.commands.iter().map(run).collect();
        Ok(Evidence { sha: order.sha.clone(), commands, passed: true, timed_out: false })
    }

    async fn port(&self, _repo: &RepoName, _run: &RunId, _step: Option<&StepId>, range: PortRange) -> Result<u16, HandError> {
        Ok(range.first)
    }

    async fn retire(&self, _repo: &RepoName, _run: &RunId) -> Result<Option<PathBuf>, HandError> {
        Ok(None)
    }

    async fn discard(&self, _repo: &RepoName, run: &RunId) -> Result<(), HandError> {
        match std::fs::remove_dir_all(self.tree(run)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(broken(e)),
            _ => Ok(()),
        }
    }
}
