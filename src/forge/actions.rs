//! The forge's own CI: what its jobs printed that failed, and having its runs run again.
//!
//! Forgejo 15 lists runs and tells nothing of their jobs (404); 16 has jobs and their logs; 17 has a call to run a run again, known from its
//! swagger (204; 400 while it has not ended). So whatever is not there is no failure in what reads: it only means that less can be said. At
//! most [`JOBS`] logs are read, and of each the end.

use reqwest::Method;
use serde::Deserialize;

use super::transport::{Call, Client};
use crate::model::{RepoName, Sha};
use crate::ports::{CiRun, CiState, FailedJob, ForgeError, ForgeErrorKind, JobLog};

/// How many runs and jobs are looked at.
const RUNS: usize = 10;
const PAGE: usize = 50;
const JOBS: usize = 5;
/// How much of a log is kept, in bytes.
const LOG: usize = 16 << 10;

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Option<Vec<Run>>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    #[serde(default)]
    status: String,
    #[serde(default)]
    commit_sha: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
}

/// A word that a later version brings is none of one that ended.
fn state(status: &str) -> CiState {
    match status {
        "cancelled" => CiState::Cancelled,
        "waiting" | "blocked" => CiState::Waiting,
        "success" | "failure" | "skipped" => CiState::Ended,
        _ => CiState::UnderWay,
    }
}

/// Ended, and not well.
fn is_bad(status: &str) -> bool {
    matches!(status, "failure" | "cancelled")
}

impl Client {
    pub(super) async fn read_ci_runs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CiRun>, ForgeError> {
        let runs = self.runs_of(repo, sha, PAGE).await?;
        Ok(runs.into_iter().map(|run| CiRun { id: run.id, state: state(&run.status) }).collect())
    }

    pub(super) async fn post_rerun(&self, repo: &RepoName, run: u64) -> Result<(), ForgeError> {
        let number = run.to_string();
        self.send(&Call::of(Method::POST, repo, &["actions", "runs", &number, "rerun"])).await.map(drop)
    }

    async fn runs_of(&self, repo: &RepoName, sha: &Sha, most: usize) -> Result<Vec<Run>, ForgeError> {
        let runs = Call::of(Method::GET, repo, &["actions", "runs"]).query("head_sha", sha.as_str());
        let runs: Option<Runs> = there(self.json(&runs.query("page", 1).query("limit", most)).await)?;
        // A filter that a version does not know lists them all.
        let of_commit = |run: &Run| run.commit_sha.as_deref().is_none_or(|of| of == sha.as_str());
        Ok(runs.and_then(|runs| runs.workflow_runs).unwrap_or_default().into_iter().filter(of_commit).collect())
    }

    pub(super) async fn read_failed_jobs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<FailedJob>, ForgeError> {
        let runs = self.runs_of(repo, sha, RUNS).await?;
        let mut failed = Vec::new();
        for run in runs.iter().filter(|run| is_bad(&run.status)).take(RUNS) {
            let number = run.id.to_string();
            let jobs = Call::of(Method::GET, repo, &["actions", "runs", &number, "jobs"]);
            let jobs: Option<Vec<Job>> = there(self.json(&jobs).await)?;
            for job in jobs.unwrap_or_default().into_iter().filter(|job| is_bad(&job.status)) {
                if failed.len() >= JOBS {
                    return Ok(failed);
                }
                let log = self.log_of(repo, job.id).await?;
                failed.push(FailedJob { name: job.name, run: run.id, cancelled: job.status == "cancelled", log });
            }
        }
        Ok(failed)
    }

    /// Lines of `timestamp message`; the times are left out. A job that never ran has none: 404.
    async fn log_of(&self, repo: &RepoName, job: u64) -> Result<JobLog, ForgeError> {
        let number = job.to_string();
        let call = Call::of(Method::GET, repo, &["actions", "jobs", &number, "logs"]);
        let answer = match self.send(&call).await {
            Err(error) if error.kind == ForgeErrorKind::NotFound => return Ok(JobLog::Nothing),
            answer => there(answer)?,
        };
        let Some(answer) = answer else { return Ok(JobLog::Unread) };
        let text = String::from_utf8_lossy(answer.body());
        let from = text.ceil_char_boundary(text.len().saturating_sub(LOG));
        let end = text.get(from..).unwrap_or_default();
        let lines: Vec<&str> = end.lines().map(without_time).collect();
        let log = lines.join("\n");
        Ok(if log.trim().is_empty() { JobLog::Nothing } else { JobLog::Ends(log) })
    }
}

fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, message)) if crate::model::Timestamp::parse(time).is_some() => message,
        _ => line,
    }
}

/// What is not there, or not for this token, is none.
fn there<T>(answer: Result<T, ForgeError>) -> Result<Option<T>, ForgeError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match error.kind {
            ForgeErrorKind::NotFound
            | ForgeErrorKind::Denied
            | ForgeErrorKind::Server
            | ForgeErrorKind::Invalid
            | ForgeErrorKind::NotAForge => Ok(None),
            _ => Err(error),
        },
    }
}
