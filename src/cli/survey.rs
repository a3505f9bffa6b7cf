//! What `init` and `doctor` find out about a repository in the same way: its labels, what stands there, whether a version will do.

use std::collections::BTreeMap;

use crate::forge::Client;
use crate::git::Git;
use crate::model::{BranchNames, Decision, FormulaLabel, IssueNumber, LabelNames, Login, Pull, RepoLabel, RepoName};
use crate::ports::{ForgeError, IssueFilter};

use super::CliError;

/// The oldest Forgejo that forgehand knows.
pub(super) const OLDEST_FORGE: u32 = 15;

/// The first number of a version, `15.0.3+gitea-1.22.0`.
pub(super) fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// All labels that a repository is to have: those that forgehand reads or writes, and those that its formulas use. Each once, also where a
/// formula names one as the project calls one of the lifecycle.
fn wanted_labels<'a>(names: &'a LabelNames, used: &'a [FormulaLabel]) -> Vec<&'a str> {
    let decisions = Decision::ALL.into_iter().map(|decision| names.of(decision));
    let mut wanted: Vec<&str> = [names.portal.as_str(), names.priority.as_str()].into_iter().chain(decisions).collect();
    for label in used {
        if !wanted.contains(&label.name.as_str()) {
            wanted.push(&label.name);
        }
    }
    wanted
}

/// Those that the repository lacks.
pub(super) fn missing_labels(names: &LabelNames, used: &[FormulaLabel], there: &[RepoLabel]) -> Vec<String> {
    let lacks = |name: &&str| !there.iter().any(|label| label.name == **name);
    wanted_labels(names, used).into_iter().filter(lacks).map(str::to_owned).collect()
}

/// Those that the repository has more than once, with how often.
pub(super) fn doubled_labels(names: &LabelNames, used: &[FormulaLabel], there: &[RepoLabel]) -> Vec<(String, usize)> {
    let count = |name: &str| there.iter().filter(|label| label.name == name).count();
    wanted_labels(names, used).into_iter().map(|name| (name.to_owned(), count(name))).filter(|(_, count)| *count > 1).collect()
}

/// What stood in a repository before we came.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Open pull requests from branches that are named like ours.
    pub(super) pulls: Vec<Pull>,
    /// Open issues that carry a decision label.
    pub(super) issues: BTreeMap<Decision, Vec<IssueNumber>>,
    /// Open issues with `portal` and no decision label.
    pub(super) reports: usize,
    /// Issues that some forgehand claims.
    pub(super) claims: Vec<IssueNumber>,
}

/// Where to look for it.
pub(super) struct Place<'a> {
    pub(super) repo: &'a RepoName,
    pub(super) names: &'a LabelNames,
    pub(super) branches: &'a BranchNames,
    pub(super) labels: &'a [RepoLabel],
}

impl Standing {
    /// Looks. Issues are asked for by label, so that ten thousand of no concern are not read.
    pub(super) async fn look(client: &Client, git: &Git, place: &Place<'_>) -> Result<Self, CliError> {
        use crate::ports::Forge as _;
        let mut standing = Self { pulls: client.open_pulls(place.repo).await?, ..Self::default() };
        standing.pulls.retain(|pull| pull.own && place.branches.issue_of(&pull.head).is_some());
        for decision in Decision::ALL {
            let found = Self::carrying(client, place, place.names.of(decision)).await?;
            if !found.is_empty() {
                standing.issues.insert(decision, found.into_iter().map(|(number, _)| number).collect());
            }
        }
        let reports = Self::carrying(client, place, &place.names.portal).await?;
        standing.reports = reports.iter().filter(|(_, labels)| place.names.decisions(labels).is_empty()).count();
        let claims = git.claims(place.repo).await.map_err(|e| {
            CliError::new(super::Kind::Forge, format!("{}: git cannot talk to the forge", place.repo), "see what git said")
                .because(e)
        })?;
        standing.claims = claims.into_iter().map(|(issue, _)| issue).filter(|issue| issue.0 != u64::MAX).collect();
        Ok(standing)
    }

    async fn carrying(client: &Client, place: &Place<'_>, label: &str) -> Result<Vec<(IssueNumber, Labels)>, ForgeError> {
        use crate::ports::Forge as _;
        if !place.labels.iter().any(|l| l.name == label) {
            // A name that the repository lacks is no filter: the forge would list all.
            return Ok(Vec::new());
        }
        let filter = IssueFilter { label: Some(label.to_owned()), open_only: true, ..IssueFilter::default() };
        let listed = client.issues(place.repo, &filter).await?;
        let mut found: Vec<_> = listed.items.into_iter().filter(|i| i.pull.is_none()).map(|i| (i.number, i.labels)).collect();
        found.sort();
        Ok(found)
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.pulls.is_empty() && self.issues.is_empty() && self.reports == 0 && self.claims.is_empty()
    }

    /// A line for each thing, with what becomes of it.
    pub(super) fn lines(&self, names: &LabelNames, us: &Login, since: Option<&str>) -> Vec<String> {
        use crate::words;
        let is_us = |login: &Login| login.as_str().eq_ignore_ascii_case(us.as_str());
        let mut lines: Vec<String> =
            self.pulls.iter().map(|p| words::standing_pull(p.number, &p.head, &p.author, is_us(&p.author))).collect();
        lines.extend(self.issues.iter().map(|(decision, issues)| words::standing_issues(*decision, issues, names)));
        if self.reports > 0 {
            lines.push(words::standing_reports(self.reports, names, since));
        }
        if !self.claims.is_empty() {
            lines.push(words::standing_claims(&self.claims));
        }
        lines
    }
}

type Labels = std::collections::BTreeSet<String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_and_a_label_of_another_case_is_another() {
        assert_eq!(major("15.0.3+gitea-1.22.0"), Some(15));
        assert_eq!(major("v16.1"), Some(16));
        assert_eq!(major("main"), None);
        let there = ["portal", "portal", "Claude-Queue"].map(|name| RepoLabel { id: 1, name: name.to_owned() });
        let names = LabelNames::default();
        let used = ["stale", "priority", "stale"].map(|name| FormulaLabel {
            name: name.to_owned(),
            color: "#c0c0c0".to_owned(),
            description: String::new(),
        });
        let missing = missing_labels(&names, &used, &there);
        assert!(missing.contains(&"claude-queue".to_owned()));
        for once in ["stale", "priority"] {
            assert_eq!(missing.iter().filter(|name| *name == once).count(), 1, "{missing:?}");
        }
        assert_eq!(doubled_labels(&names, &used, &there), [("portal".to_owned(), 2)]);
    }
}
