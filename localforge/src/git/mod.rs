//! Runs git for the forge: one child process for each command, on bare repositories in the data folder, in an environment
//! that is made here and inherits nothing but `PATH`. No system or user configuration is read.
//!
//! Jobs that write end in `git update-ref` with the object they expect, so that a lost race changes nothing.

mod parse;
mod pushed;
mod read;
mod write;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::git_job::{GitJob, GitReply};

/// Git did not do what it should have.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitError {
    /// It could not be started.
    #[error("git could not be started: {0} (is git installed and on PATH?)")]
    Start(#[source] std::io::Error),
    /// It ended badly.
    #[error("git {command} failed: {stderr}")]
    Failed { command: String, stderr: String },
    /// It did not end.
    #[error("git {0} did not end in time")]
    Slow(String),
    /// It said something that is not understood.
    #[error("git {0} answered in a way that is not understood")]
    Unclear(&'static str),
    /// A folder could not be written.
    #[error("the repository's folder could not be written: {0}")]
    Folder(#[from] std::io::Error),
}

/// Longer than any command on a repository of the size this forge is for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The repositories' folder, and the way to run git in it.
#[derive(Clone, Debug)]
pub(super) struct Git {
    root: PathBuf,
}

impl Git {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where a bare repository lies.
    pub fn path(&self, folder: &str) -> PathBuf {
        self.root.join(folder).with_extension("git")
    }

    /// Git in a clean environment.
    #[expect(clippy::disallowed_methods, reason = "this is where localforge starts git")]
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", &self.root)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_DIR", dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Does a job.
    pub async fn run(&self, job: &GitJob) -> Result<GitReply, GitError> {
        let repo = Repository { git: self, dir: self.path(job.folder()) };
        match job {
            GitJob::Init { default_branch, first, .. } => repo.init(default_branch, first.as_ref()).await,
            GitJob::Commit { commit, .. } => repo.commit(commit).await,
            GitJob::Commits { of, without, skip, take, .. } => repo.commits(of, without.as_deref(), *skip, *take).await,
            GitJob::Compare { base, head, .. } => repo.compare(base, head).await,
            GitJob::Diff { from, to, .. } => repo.diff(from, to).await,
            GitJob::Path { commit, path, .. } => repo.at_path(commit, path).await,
            GitJob::WriteFile { branch, path, content, sign, .. } => {
                repo.write_file(branch, path, content.as_deref(), sign).await
            }
            GitJob::Merge { style, base, base_sha, head, sign, .. } => repo.merge(*style, base, base_sha, head, sign).await,
            GitJob::Update { rebase, base_sha, head, head_sha, sign, .. } => {
                repo.update(*rebase, base_sha, head, head_sha, sign).await
            }
            GitJob::SetRef { name, from, to, .. } => repo.set_ref(name, from.as_deref(), to.as_deref()).await,
            GitJob::SetHead { branch, .. } => {
                repo.git(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).await?;
                Ok(GitReply::Done)
            }
        }
    }
}

/// One repository.
struct Repository<'a> {
    git: &'a Git,
    dir: PathBuf,
}

impl Repository<'_> {
    /// Runs a command that has to succeed, and gives what it printed.
    async fn git(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.git_with(args, &[], None).await
    }

    async fn git_with(&self, args: &[&str], env: &[(&str, &str)], input: Option<&[u8]>) -> Result<Vec<u8>, GitError> {
        let output = self.try_git(args, env, input).await?;
        if output.status.success() { Ok(output.stdout) } else { Err(failed(args, &output)) }
    }

    /// Runs a command whose failing means something.
    async fn try_git(&self, args: &[&str], env: &[(&str, &str)], input: Option<&[u8]>) -> Result<Output, GitError> {
        let mut command = self.git.command(&self.dir);
        command.args(args).envs(env.iter().copied());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(GitError::Start)?;
        let stdin = child.stdin.take();
        let feed = async move {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // A child that does not read to the end says why by its exit.
                let _ = stdin.write_all(input).await;
            }
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        match tokio::time::timeout(PATIENCE, both).await {
            Ok(output) => output.map_err(GitError::Start),
            Err(_) => Err(GitError::Slow(name(args))),
        }
    }

    /// Runs a command that prints the name of an object.
    async fn object(&self, args: &[&str], env: &[(&str, &str)], input: Option<&[u8]>) -> Result<String, GitError> {
        let text = self.git_with(args, env, input).await?;
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }
}

fn name(args: &[&str]) -> String {
    args.first().copied().unwrap_or_default().to_owned()
}

fn failed(args: &[&str], output: &Output) -> GitError {
    GitError::Failed { command: name(args), stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned() }
}
