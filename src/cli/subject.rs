//! Which issue is meant: `7`, or `owner/name#7` where there are several projects.

use crate::config::Config;
use crate::model::{IssueNumber, RepoName, Subject};

use super::CliError;

/// The issue that an argument names.
pub(super) fn parse(config: &Config, text: &str) -> Result<Subject, CliError> {
    let bad = || {
        CliError::usage(
            format!("`{text}` names no issue"),
            "write 7, or owner/name#7 where the configuration has several projects",
        )
    };
    let (repo, number) = match text.rsplit_once('#') {
        Some(("", number)) => (only(config, text)?, number),
        Some((repo, number)) => {
            let repo: RepoName = repo.parse().map_err(|_| bad())?;
            let project = config.project(&repo).ok_or_else(|| {
                let known: Vec<String> = config.projects.iter().map(|p| p.repo.to_string()).collect();
                CliError::usage(format!("{repo} is no project of the configuration"), format!("it has {}", known.join(", ")))
            })?;
            (project.repo.clone(), number)
        }
        None => (only(config, text)?, text),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    Ok(Subject { repo, issue: IssueNumber(number) })
}

fn only(config: &Config, text: &str) -> Result<RepoName, CliError> {
    match config.projects.as_slice() {
        [project] => Ok(project.repo.clone()),
        projects => {
            let number = text.trim_start_matches('#');
            let first = projects.first().map(|p| p.repo.to_string()).unwrap_or_default();
            Err(CliError::usage(format!("which project's issue {number}?"), format!("write for example {first}#{number}")))
        }
    }
}
