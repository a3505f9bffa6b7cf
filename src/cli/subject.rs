//! Which issue is meant: `7`, or `owner/name#7` where there are several projects; or which project, or all of them. A project alone is
//! `owner/name`.

use crate::config::Config;
use crate::model::{IssueNumber, RepoName, Scope, Subject};

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
            (project(config, &repo)?, number)
        }
        None => (only(config, text)?, text),
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0).ok_or_else(bad)?;
    Ok(Subject { repo, issue: IssueNumber(number) })
}

/// What a run may be about that an argument names: an issue, or a project.
pub(super) fn issue_or_project(config: &Config, text: &str) -> Result<Subject, CliError> {
    match is_project(text) {
        true => named_project(config, text).map(Subject::project),
        false => parse(config, text),
    }
}

/// The project that an argument names; the only one where there is no argument.
pub(super) fn of_project(config: &Config, text: Option<&str>) -> Result<Subject, CliError> {
    let repo = match (text, config.projects.as_slice()) {
        (Some(text), _) => named_project(config, text)?,
        (None, [project]) => project.repo.clone(),
        (None, projects) => {
            let first = projects.first().map(|p| p.repo.to_string()).unwrap_or_default();
            return Err(CliError::usage("which project?", format!("write for example --project {first}")));
        }
    };
    Ok(Subject::project(repo))
}

fn is_project(text: &str) -> bool {
    text.contains('/') && !text.contains('#')
}

fn named_project(config: &Config, text: &str) -> Result<RepoName, CliError> {
    let repo: RepoName = text.parse().map_err(|_| {
        CliError::usage(format!("`{text}` names neither a project nor an issue"), "write owner/name, or owner/name#7")
    })?;
    project(config, &repo)
}

/// What an argument names that can be paused: everything, a project or an issue.
pub(super) fn scope(config: &Config, text: Option<&str>) -> Result<Scope, CliError> {
    let Some(text) = text else { return Ok(Scope::Everything) };
    Ok(match is_project(text) {
        true => Scope::Project { repo: named_project(config, text)? },
        false => Scope::Issue { subject: parse(config, text)? },
    })
}

/// A project of the configuration, by the name that it has there.
fn project(config: &Config, repo: &RepoName) -> Result<RepoName, CliError> {
    config.project(repo).map(|project| project.repo.clone()).ok_or_else(|| {
        let known: Vec<String> = config.projects.iter().map(|p| p.repo.to_string()).collect();
        CliError::usage(format!("{repo} is no project of the configuration"), format!("it has {}", known.join(", ")))
    })
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
