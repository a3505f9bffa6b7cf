//! Weighing a pull request - how much it could break, who approved it, what its base requires - and merging it.
//!
//! Promises: what is said of a head is about that very head and the tip of its base that git saw; an approval counts only where its author has
//! the right now, as far as anybody may ask for that. A merge names the head and is looked up whatever the forge answered. Races known: the
//! right to approve that is lost after it was read; a policy that changes after it was read. Both count from the next reading on.

use std::time::Duration;

use globset::GlobBuilder;

use crate::ledger::PullRef;
use crate::model::{
    Approval, Approved, BrokenPolicy, Checks, Failure, FailureKind, IssueNumber, Login, MergeStyle, Outcome, Permission,
    ProjectFacts, Pull, PullNumber, PullState, RepoName, Reviews, Right, Risk, Sha, Subject, Weighed,
};
use crate::ports::{CommitStatus, ForgeError, ForgeErrorKind, Matters, Merge};
use crate::tier::{self, OnTimeout, Opinions, Policy, Tier};

use super::super::policy::{self, InForce, POLICY, PolicyFrom};
use super::revision::Heard;
use super::{Order, ProjectSettings, Worker, forge, repos};

/// Reasons of a tier that are kept.
const REASONS: usize = 5;
/// How long checks have to begin with a pull request, where its base has workflows for that.
const TO_BEGIN: Duration = Duration::from_mins(10);
/// Where such workflows are, and what says so by being there.
const CI_FOLDERS: [&str; 3] = [".forgejo/workflows", ".gitea/workflows", ".github/workflows"];
const CI_ALWAYS: [&str; 6] =
    [".woodpecker.yml", ".woodpecker.yaml", ".woodpecker", ".drone.yml", ".gitlab-ci.yml", "Jenkinsfile"];
/// How long one may be, and how many are read.
const CI_FILE: u64 = 256 * 1024;
const CI_FILES: usize = 200;
/// So many people are asked about at most.
const PEOPLE: usize = 50;

/// What was seen of a pull request.
pub(super) struct Seen<'a> {
    /// By git: where its head and its base are.
    pub(super) merge: &'a Merge,
    /// The statuses of that head.
    pub(super) statuses: &'a [CommitStatus],
    /// Its reviews, where they were read.
    pub(super) reviews: Option<&'a Reviews>,
}

impl Worker {
    /// What decides about a merge: all of it where the reviews were read, else what has changed. None where it cannot be told now: what is
    /// known stands, and nothing is merged by it.
    pub(super) async fn weighed(
        &self,
        repo: &RepoName,
        pull: &PullRef,
        seen: &Seen<'_>,
        facts: &ProjectFacts,
    ) -> Option<Weighed> {
        let weighed = match (seen.reviews, &pull.weighed) {
            (Some(reviews), _) => self.weigh(repo, pull, (seen, reviews), facts).await,
            (None, Some(known)) => self.weigh_again(repo, pull, known, seen).await.map(Some),
            (None, None) => return None,
        };
        weighed.unwrap_or_else(|failure| {
            tracing::warn!(%repo, pull = %pull.number, why = %failure.why, "what decides about its merge could not be read");
            None
        })
    }

    /// How much it could break, for the person who merges it. None where it cannot be told now: what is known stands.
    pub(super) async fn classified(&self, repo: &RepoName, pull: &PullRef, merge: &Merge) -> Option<Weighed> {
        let found = match self.tier_of(repo, pull, merge).await {
            Ok(found) => found?.1,
            Err(failure) => {
                tracing::warn!(%repo, pull = %pull.number, why = %failure.why, "how much it could break could not be read");
                return None;
            }
        };
        Some(tier_alone(merge, &found))
    }

    /// How much it could break, by the policy in force; none where git cannot tell what it changes.
    async fn tier_of(&self, repo: &RepoName, pull: &PullRef, merge: &Merge) -> Result<Option<(Policy, Tier)>, Failure> {
        let fallback = ProjectSettings::default();
        let project = self.settings.projects.get(repo).unwrap_or(&fallback);
        let policy = self.policy_in_force().await?;
        let matters = Matters { person_paths: project.person_paths.clone(), verify: project.verify.clone() };
        let change = self.ports.repos.change(repo, &merge.base, &merge.head, &matters).await.map_err(repos)?;
        let tier_of = |change| tier::of_change(&policy, &change, Opinions { agent: pull.opinion, request: None });
        let found = change.map(tier_of);
        Ok(found.map(|found| (policy, found)))
    }

    /// Everything that decides about a merge, read anew.
    async fn weigh(
        &self,
        repo: &RepoName,
        pull: &PullRef,
        (seen, reviews): (&Seen<'_>, &Reviews),
        facts: &ProjectFacts,
    ) -> Result<Option<Weighed>, Failure> {
        let Seen { merge, statuses, .. } = *seen;
        let fallback = ProjectSettings::default();
        let project = self.settings.projects.get(repo).unwrap_or(&fallback);
        let Some((policy, found)) = self.tier_of(repo, pull, merge).await? else { return Ok(None) };
        let approvers = policy.gate.approvers.clone();
        let mut current: Vec<&Approval> = reviews.approvals.iter().filter(|approval| approval.of == merge.head).collect();
        if !current.is_empty() {
            let author = self.ports.forge.pull(repo, pull.number).await.map_err(forge)?.author;
            current.retain(|approval| !is_own(approval, &author));
        }
        let approvals = self.rights_of(repo, project, facts, &approvers, &current).await?;
        let admins = match found.tier {
            Risk::High if approvers.is_empty() => self.administrators(repo, facts).await?,
            Risk::Low | Risk::Medium | Risk::High => Vec::new(),
        };
        let required = self.ports.forge.required_contexts(repo, &pull.base).await.map_err(forge)?;
        let window = match policy.gate.on_timeout {
            OnTimeout::Merge if found.tier == Risk::Medium => Some(policy.gate.wait),
            OnTimeout::Merge | OnTimeout::Wait => None,
        };
        Ok(Some(Weighed {
            approvals,
            approvers,
            admins,
            lacking: lacking(&required, statuses),
            required,
            unreported: self.unreported(repo, pull, seen).await?,
            style: policy.gate.merge_style,
            window,
            tier_only: false,
            ..tier_alone(merge, &found)
        }))
    }

    /// What was known of the same head and base, with what has changed since: the checks.
    async fn weigh_again(&self, repo: &RepoName, pull: &PullRef, known: &Weighed, seen: &Seen<'_>) -> Result<Weighed, Failure> {
        let statuses = seen.statuses;
        let unreported = self.unreported(repo, pull, seen).await?;
        Ok(Weighed { lacking: lacking(&known.required, statuses), unreported, ..known.clone() })
    }

    /// Where nothing has reported on a head, whether something is to: it did on the base, or the base has workflows for pull requests, which
    /// get a while to begin. They may leave out what changes these files alone.
    async fn unreported(&self, repo: &RepoName, pull: &PullRef, seen: &Seen<'_>) -> Result<bool, Failure> {
        if !seen.statuses.is_empty() {
            return Ok(false);
        }
        let Merge { base, head, .. } = seen.merge;
        if self.ports.forge.checks(repo, base).await.map_err(forge)? != Checks::None {
            return Ok(true);
        }
        let known = pull.weighed.as_ref().is_some_and(|weighed| weighed.head == *head);
        Ok((!known || self.ports.clock.now() < pull.weighed_since + TO_BEGIN) && self.checks_pulls(repo, base).await?)
    }

    /// Whether a commit has workflows that begin with a pull request, by its files.
    async fn checks_pulls(&self, repo: &RepoName, at: &Sha) -> Result<bool, Failure> {
        for path in CI_ALWAYS {
            if self.ports.repos.holds(repo, at, path).await.map_err(repos)? {
                return Ok(true);
            }
        }
        for folder in CI_FOLDERS {
            let files = self.ports.repos.files(repo, at, folder, CI_FILE, CI_FILES).await.map_err(repos)?;
            if files.values().any(|text| text.contains("pull_request")) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What each approval counts for now.
    async fn rights_of(
        &self,
        repo: &RepoName,
        project: &ProjectSettings,
        facts: &ProjectFacts,
        approvers: &[Login],
        approvals: &[&Approval],
    ) -> Result<Vec<Approved>, Failure> {
        let mut heard = Heard::new(self, repo, project, facts);
        let mut found: Vec<Approved> = Vec::new();
        for by in approvals.iter().map(|approval| &approval.by) {
            if found.iter().any(|known| known.by == *by) {
                continue;
            }
            let right = if facts.is_ours(by) {
                Right::Ours
            } else if !heard.may(by, true).await? {
                continue;
            } else if self.may_approve(repo, facts, approvers, by).await? {
                Right::Approver
            } else {
                Right::Writer
            };
            found.push(Approved { by: by.clone(), right });
        }
        Ok(found)
    }

    /// The people who administer a repository, so that they can be asked by name; nobody where the forge does not tell us.
    async fn administrators(&self, repo: &RepoName, facts: &ProjectFacts) -> Result<Vec<Login>, Failure> {
        let Some(asks) = self.rights_forge(facts) else { return Ok(Vec::new()) };
        let listed = match asks.assignees(repo).await {
            Ok(listed) => listed,
            Err(error) => match forge(error) {
                failure if failure.kind == FailureKind::Passing => return Err(failure),
                _ => return Ok(Vec::new()),
            },
        };
        let mut admins = Vec::new();
        for login in listed.into_iter().filter(|login| !facts.is_ours(login)).take(PEOPLE) {
            if self.permission_of(repo, facts, &login).await?.is_some_and(|permission| permission >= Permission::Admin) {
                admins.push(login);
            }
        }
        Ok(admins)
    }

    /// Whether somebody may approve what is high: who the policy names, else administrators as far as they can be known.
    pub(super) async fn may_approve(
        &self,
        repo: &RepoName,
        facts: &ProjectFacts,
        approvers: &[Login],
        login: &Login,
    ) -> Result<bool, Failure> {
        let same = |other: &str| other.eq_ignore_ascii_case(login.as_str());
        if !approvers.is_empty() {
            return Ok(approvers.iter().any(|approver| same(approver.as_str())));
        }
        if same(repo.owner()) {
            return Ok(true);
        }
        Ok(self.permission_of(repo, facts, login).await?.is_some_and(|permission| permission >= Permission::Admin))
    }

    /// The policy in force; where its newest version cannot be read, that is said.
    pub(super) async fn policy_in_force(&self) -> Result<Policy, Failure> {
        Ok(self.policy_read().await?.policy)
    }

    /// The same, with whose it is.
    pub(super) async fn policy_read(&self) -> Result<InForce, Failure> {
        let found = policy::policy_in_force(self.ports.repos.as_ref(), self.settings.ops.as_ref()).await.map_err(repos)?;
        if let PolicyFrom::Broken { repo, broken: BrokenPolicy { at, why, .. } } = &found.from {
            tracing::error!(%repo, commit = %at, %why, "{POLICY} cannot be read: everything is high until it can");
        }
        Ok(found)
    }

    /// Merges it, unless it is not any more what was decided about. Whatever the forge answers is looked up.
    pub(super) async fn merge(
        &self,
        order: &Order<'_>,
        number: PullNumber,
        head: &Sha,
        style: Option<MergeStyle>,
    ) -> Result<Outcome, Failure> {
        let repo = &order.subject.repo;
        let refused = |why: String| Ok(Outcome::MergeRefused { why });
        let pull = self.ports.forge.pull(repo, number).await.map_err(forge)?;
        if let Some(settled) = settled(&pull) {
            return Ok(settled);
        }
        if pull.head_sha != *head {
            return refused(format!("its head is {} by now", pull.head_sha.short()));
        }
        if order.state.pull.as_ref().is_none_or(|known| known.base != pull.base) {
            return refused(format!("it goes to {} by now", pull.base));
        }
        let style = match style {
            Some(style) => style,
            None => self.ports.forge.usual_merge(repo).await.map_err(forge)?.unwrap_or(MergeStyle::Merge),
        };
        let answer = self.ports.forge.merge_pull(repo, number, head, style, false).await;
        if let Err(error) = &answer
            && !says_no(error)
        {
            return Err(forge(error.clone()));
        }
        let pull = self.ports.forge.pull(repo, number).await.map_err(forge)?;
        if let Some(settled) = settled(&pull) {
            return Ok(settled);
        }
        refused(match answer {
            Ok(()) => "it says that it will, later".to_owned(),
            Err(error) => self.why_not_merged(repo, number, &error).await,
        })
    }

    /// Why the forge did not merge it. A forge that fails says nothing: whether that is for what the pull request depends on is looked up.
    pub(super) async fn why_not_merged(&self, repo: &RepoName, number: PullNumber, error: &ForgeError) -> String {
        if error.kind != ForgeErrorKind::Server {
            return why(error);
        }
        let open = match self.ports.forge.dependencies(repo, IssueNumber(number.0)).await {
            Ok(on) => on.into_iter().filter(|on| on.open).map(|on| format!("{}{}", on.repo, on.issue)).collect::<Vec<_>>(),
            Err(error) => return format!("it failed there, and what it depends on cannot be read: {error}"),
        };
        match open.as_slice() {
            [] => format!("it failed there, and does not depend on anything open ({error}); it is tried again"),
            open => format!("it depends on {}, which {} open", open.join(", "), if open.len() == 1 { "is" } else { "are" }),
        }
    }

    /// The merge whose answer never came.
    pub(super) async fn find_merge(&self, subject: &Subject, number: PullNumber) -> Result<Option<Outcome>, Failure> {
        let pull = self.ports.forge.pull(&subject.repo, number).await.map_err(forge)?;
        Ok(settled(&pull))
    }
}

/// How much a change could break, and nothing else that decides about its merge.
fn tier_alone(merge: &Merge, found: &Tier) -> Weighed {
    Weighed {
        head: merge.head.clone(),
        base: merge.base.clone(),
        behind: merge.behind,
        tier: found.tier,
        reasons: found.told(REASONS),
        approvals: Vec::new(),
        approvers: Vec::new(),
        admins: Vec::new(),
        required: Vec::new(),
        lacking: Vec::new(),
        unreported: false,
        style: None,
        window: None,
        tier_only: true,
    }
}

/// Whether somebody approved what is his own. The forge takes no such review; nothing is merged by one if it ever does.
fn is_own(approval: &Approval, author: &Login) -> bool {
    approval.by.as_str().eq_ignore_ascii_case(author.as_str())
}

/// What is left to say of a pull request that is not open.
fn settled(pull: &Pull) -> Option<Outcome> {
    match pull.state {
        PullState::Open => None,
        PullState::Merged => Some(Outcome::Merged),
        PullState::Closed => Some(Outcome::MergeRefused { why: "it was closed".to_owned() }),
    }
}

/// Whether the forge answered, and did not merge: 405, 409, and the blank 500 of open dependencies.
fn says_no(error: &ForgeError) -> bool {
    matches!(
        error.kind,
        ForgeErrorKind::Invalid
            | ForgeErrorKind::Conflict
            | ForgeErrorKind::Server
            | ForgeErrorKind::Denied
            | ForgeErrorKind::NotFound
    )
}

fn why(error: &ForgeError) -> String {
    match error.why.trim() {
        "" => "it gives no reason".to_owned(),
        why => why.chars().take(200).collect(),
    }
}

/// The required contexts that no green status matches, or that one matches which is not green. They are patterns, as the forge reads them.
pub(super) fn lacking(required: &[String], statuses: &[CommitStatus]) -> Vec<String> {
    let lacks = |pattern: &&String| {
        let glob = GlobBuilder::new(pattern).build().map(|glob| glob.compile_matcher());
        let fits = |status: &&CommitStatus| match &glob {
            Ok(glob) => glob.is_match(&status.context) || status.context == **pattern,
            Err(_) => status.context == **pattern,
        };
        let mut fitting = statuses.iter().filter(fits).peekable();
        fitting.peek().is_none() || !fitting.all(|status| status.state == Checks::Success)
    };
    required.iter().filter(lacks).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_approves_his_own_pull_request_however_his_name_is_written() {
        let by = |login: &str| Approval { by: login.into(), of: "c".repeat(40).parse().expect("a name of an object") };
        assert!(is_own(&by("ann"), &"Ann".into()));
        assert!(!is_own(&by("anna"), &"ann".into()));
    }
}
