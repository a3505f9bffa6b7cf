//! Reading the forge.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::PullRef;
use crate::model::{
    AgentName, Branch, Checks, Comment, Dependency, FilesAsked, FilesFound, Issue, IssueNumber, LabelEvent, Login, Mute,
    ProjectFacts, RepoName, Sha, Subject, Timestamp, Trouble,
};
use crate::plan::Weighing;
use crate::ports::{CiState, CommitStatus, FailedJob, ForgeError, ForgeErrorKind, IssueFilter, Merge};
use crate::text;

use super::super::core::PullsAsked;
use super::super::input::{LookedAt, PullRead, Reviewed};
use super::merge::Seen;
use super::{Facts, Worker};

impl Worker {
    /// What start-up learns, in four requests.
    pub(super) async fn survey(&self, repo: &RepoName) -> Result<ProjectFacts, Trouble> {
        let version = self.ports.forge.version().await.map_err(trouble)?;
        let login = match &self.settings.login {
            Some(login) => login.clone(),
            None => self.ports.forge.whoami().await.map_err(|error| match error.kind {
                ForgeErrorKind::Denied => Trouble::Denied {
                    why: format!("{}; or write `login = \"...\"` into [forge] where the token may not ask who it is", error.why),
                },
                _ => trouble(error),
            })?,
        };
        let repository = self.ports.forge.repository(repo).await.map_err(trouble)?;
        if repository.archived {
            return Err(Trouble::Archived);
        }
        if !repository.can_push {
            return Err(Trouble::Denied { why: format!("`{login}` may not write to {repo}") });
        }
        if repository.empty {
            return Err(Trouble::Empty);
        }
        let labels = self.ports.forge.labels(repo).await.map_err(trouble)?;
        let others = self.identities(repo).await?;
        Ok(ProjectFacts {
            forge: self.settings.forge.clone(),
            version,
            login,
            others,
            former: BTreeSet::new(),
            repository,
            labels,
        })
    }

    /// Who the agents with an identity of their own are on the forge; each must be able to push.
    async fn identities(&self, repo: &RepoName) -> Result<BTreeMap<AgentName, Login>, Trouble> {
        let mut logins = BTreeMap::new();
        for (agent, identity) in &self.ports.identities {
            let of_agent = |error| match trouble(error) {
                Trouble::Unauthorized => {
                    Trouble::Denied { why: format!("the forge does not accept the token of agent `{agent}`") }
                }
                Trouble::Denied { why } => Trouble::Denied { why: format!("agent `{agent}`: {why}") },
                other => other,
            };
            let login = identity.forge.whoami().await.map_err(of_agent)?;
            let repository = identity.forge.repository(repo).await.map_err(of_agent)?;
            if !repository.can_push {
                return Err(Trouble::Denied {
                    why: format!("`{login}`, whom agent `{agent}` works as, may not write to {repo}"),
                });
            }
            logins.insert(agent.clone(), login);
        }
        Ok(logins)
    }

    /// Two requests see everything that people did. The first look asks by label instead, so that ten thousand issues of no concern
    /// are not read.
    async fn look(
        &self,
        repo: &RepoName,
        since: Option<Timestamp>,
        facts: &Facts,
        mut looked: LookedAt,
    ) -> Result<LookedAt, Trouble> {
        let Some(since) = since else {
            let (issues, date) = self.first_look(repo, facts).await?;
            self.learn_clock(date);
            let comments = self.answers(repo, facts, &issues).await?;
            return Ok(LookedAt { date, issues, comments, ..looked });
        };
        let since = since - self.settings.overlap;
        let filter = IssueFilter { since: Some(since), ..IssueFilter::default() };
        let issues = self.ports.forge.issues(repo, &filter).await.map_err(trouble)?;
        self.learn_clock(issues.date);
        let comments = self.ports.forge.comments_since(repo, since).await.map_err(trouble)?;
        // A comment that came between the two requests moved its issue after the first: the next look's overlap shows it.
        looked.date = issues.date;
        looked.issues = issues.items;
        looked.comments = comments.items;
        Ok(looked)
    }

    /// What people wrote after a question of ours that a lost journal had asked; one request for each issue that waits for an answer.
    async fn answers(&self, repo: &RepoName, facts: &Facts, issues: &[Issue]) -> Result<Vec<Comment>, Trouble> {
        let asks = self.settings.projects.get(repo).map(|p| p.labels.needs_info.clone()).unwrap_or_default();
        let mut answers = Vec::new();
        for issue in issues.iter().filter(|issue| issue.comments > 0 && issue.labels.contains(&asks)) {
            let subject = Subject { repo: repo.clone(), issue: issue.number };
            let mut comments = self.ports.forge.issue_comments(repo, issue.number).await.map_err(trouble)?;
            let ours =
                |c: &Comment| facts.is_ours(&c.author) && text::marked_as(&c.body, &subject).as_deref() == Some(text::STATUS);
            let Some(asked) = comments.iter().rposition(ours) else { continue };
            answers.extend(comments.split_off(asked + 1).into_iter().filter(|c| !facts.is_ours(&c.author)));
        }
        Ok(answers)
    }

    /// With the open pull requests, where they are asked for, and the issues behind those of ours that are not known.
    pub(super) async fn look_all(
        &self,
        repo: &RepoName,
        since: Option<Timestamp>,
        facts: &Facts,
        looked: LookedAt,
        pulls: Option<PullsAsked>,
    ) -> Result<LookedAt, Trouble> {
        let mut looked = self.look(repo, since, facts, looked).await?;
        let Some(asked) = pulls else { return Ok(looked) };
        let base = self.settings.projects.get(repo).and_then(|p| p.base.as_ref()).unwrap_or(&facts.repository.default_branch);
        let mut open = self.ports.forge.open_pulls(repo).await.map_err(trouble)?;
        let ours = |branch: &Branch| branch == base || asked.bases.contains(branch);
        open.retain(|pull| pull.own && ours(&pull.base) && asked.names.issue_of(&pull.head).is_some());
        for number in open.iter().filter(|p| facts.is_ours(&p.author)).filter_map(|p| asked.names.issue_of(&p.head)) {
            if asked.known.contains(&number) || looked.issues.iter().any(|issue| issue.number == number) {
                continue;
            }
            match self.ports.forge.issue(repo, number).await {
                Ok(issue) if issue.pull.is_none() => looked.issues.push(issue),
                Ok(_) => {}
                Err(error) if error.kind == ForgeErrorKind::NotFound => {}
                Err(error) => return Err(trouble(error)),
            }
        }
        looked.pulls = Some(open);
        Ok(looked)
    }

    async fn first_look(&self, repo: &RepoName, facts: &Facts) -> Result<(Vec<Issue>, Option<Timestamp>), Trouble> {
        let names = self.settings.projects.get(repo).map(|p| p.labels.clone()).unwrap_or_default();
        let ours = |name: &String| *name == names.portal || names.decision(name).is_some();
        let mut labels: Vec<String> = facts.labels.iter().map(|l| l.name.clone()).filter(ours).collect();
        labels.sort();
        labels.dedup();
        let mut found: BTreeMap<IssueNumber, Issue> = BTreeMap::new();
        let mut date = None;
        if labels.is_empty() {
            // No label of ours, so no issue of ours: one request tells the forge's clock.
            let filter = IssueFilter { since: Some(self.ports.clock.now()), ..IssueFilter::default() };
            return Ok((Vec::new(), self.ports.forge.issues(repo, &filter).await.map_err(trouble)?.date));
        }
        for label in labels {
            let filter = IssueFilter { label: Some(label), open_only: true, ..IssueFilter::default() };
            let listed = self.ports.forge.issues(repo, &filter).await.map_err(trouble)?;
            date = date.or(listed.date);
            found.extend(listed.items.into_iter().map(|issue| (issue.number, issue)));
        }
        Ok((found.into_values().collect(), date))
    }

    pub(super) async fn history(&self, subject: &Subject) -> Result<Vec<LabelEvent>, Trouble> {
        self.ports.forge.label_events(&subject.repo, subject.issue).await.map_err(trouble)
    }

    /// The forge's own dependencies, and those that the body names, each looked up once.
    pub(super) async fn dependencies(&self, subject: &Subject, named: &[Subject]) -> Result<Vec<Dependency>, Trouble> {
        let mut on = self.ports.forge.dependencies(&subject.repo, subject.issue).await.map_err(trouble)?;
        for other in named {
            if on.iter().any(|d| d.repo == other.repo && d.issue == other.issue) {
                continue;
            }
            match self.ports.forge.issue(&other.repo, other.issue).await {
                Ok(issue) => on.push(Dependency { repo: other.repo.clone(), issue: other.issue, open: issue.open }),
                // What a body names and nobody finds is no dependency: a typing error must not hold an issue for ever.
                Err(error) if error.kind == ForgeErrorKind::NotFound => {}
                Err(error) => return Err(trouble(error)),
            }
        }
        on.sort();
        Ok(on)
    }

    /// By git alone, which costs the API nothing. On a branch that is not there everything is missing.
    pub(super) async fn look_for(&self, subject: &Subject, asked: &FilesAsked, facts: &Facts) -> Result<FilesFound, String> {
        let configured = self.settings.projects.get(&subject.repo).and_then(|project| project.base.as_ref());
        let branch = asked.base.as_ref().or(configured).unwrap_or(&facts.repository.default_branch).clone();
        let missing = self.ports.repos.missing(&subject.repo, &branch, &asked.files).await.map_err(|error| error.to_string())?;
        Ok(FilesFound { branch, missing: missing.unwrap_or_else(|| asked.files.clone()) })
    }

    /// One request, three where its reviews are wanted; and git's own, which cost the API nothing.
    pub(super) async fn read_pull(
        &self,
        subject: &Subject,
        pull: &PullRef,
        (reviews, weighing): (bool, Weighing),
        facts: &Facts,
    ) -> Result<PullRead, Trouble> {
        let repo = &subject.repo;
        // git first: it also tells where the head is, which somebody may have moved.
        let merge = self.try_merge(repo, pull).await;
        let at = merge.as_ref().map_or(&pull.head, |merge| &merge.head).clone();
        let weighs = merge.as_ref().filter(|_| weighing != Weighing::None);
        // Of another head or base nothing is known. A tier is git's own matter, and asks the forge for nothing.
        let known = pull.weighed.as_ref().zip(weighs).is_some_and(|(known, merge)| known.is_about(&merge.head, &merge.base));
        let whole = pull.weighed.as_ref().is_some_and(|known| !known.tier_only);
        let reviews = reviews || (weighs.is_some() && weighing != Weighing::Tier && !(known && whole));
        let at = &at;
        let statuses = self.ports.forge.statuses(repo, at).await.map_err(trouble)?;
        let checks = Checks::of(statuses.iter().map(|status| status.state));
        let mute = match checks {
            Checks::Failure if self.all_cut(repo, at, &statuses, pull).await? => Mute::Cut,
            // What has begun a moment ago is not asked about.
            Checks::Pending if pull.checks == Checks::Pending && pull.head == *at => self.idle(repo, at).await?,
            Checks::None | Checks::Pending | Checks::Success | Checks::Failure => Mute::No,
        };
        let mut read = None;
        let reviews = match reviews {
            true => {
                let reviews = self.ports.forge.reviews(repo, pull.number).await.map_err(trouble)?;
                let approved = reviews.approvals.iter().any(|approval| approval.of == *at && !facts.is_ours(&approval.by));
                let asks = self.asks(repo, pull, at, &reviews, facts).await;
                let (asks, changes_requested) = asks.map_err(|failure| Trouble::Unreachable { why: failure.why })?;
                let comments = self.comments(subject, pull, at, &reviews, facts).await;
                let comments = comments.map_err(|failure| Trouble::Unreachable { why: failure.why })?;
                let comments = comments.into_iter().map(|one| one.comment).collect();
                let reviewed = Reviewed { changes_requested, approved, asks, comments };
                read = Some(reviews);
                Some(reviewed)
            }
            false => None,
        };
        let weighed = match weighs {
            Some(_) if weighing == Weighing::Tier && known => None,
            Some(merge) if weighing == Weighing::Tier => self.classified(repo, pull, merge).await,
            Some(merge) => {
                let seen = Seen { merge, statuses: &statuses, reviews: read.as_ref() };
                self.weighed(repo, pull, &seen, facts).await
            }
            None => None,
        };
        let (head, conflicts) = merge.map_or((None, None), |merge| (Some(merge.head), Some(merge.conflicts)));
        Ok(PullRead { head, checks, mute, reviews, conflicts, weighed: weighed.map(Box::new) })
    }

    /// Whether the forge's own CI is at none of its runs that have not ended; checks of another CI are not known.
    async fn idle(&self, repo: &RepoName, head: &Sha) -> Result<Mute, Trouble> {
        let runs = self.ports.forge.ci_runs(repo, head).await.map_err(trouble)?;
        let any = |state| runs.iter().any(|run| run.state == state);
        Ok(if any(CiState::Waiting) && !any(CiState::UnderWay) { Mute::Idle } else { Mute::No })
    }

    /// Whether something is red, and all that is was ended from outside, or ended before its first step. What was found to have said something
    /// is not asked about again.
    async fn all_cut(&self, repo: &RepoName, head: &Sha, statuses: &[CommitStatus], pull: &PullRef) -> Result<bool, Trouble> {
        let failed: Vec<&CommitStatus> = statuses.iter().filter(|status| status.state == Checks::Failure).collect();
        if failed.iter().all(|status| status.cut) {
            return Ok(!failed.is_empty());
        }
        if pull.checks == Checks::Failure && pull.head == *head && pull.mute() == Mute::No {
            return Ok(false);
        }
        let mut jobs = self.ports.forge.failed_jobs(repo, head).await.map_err(trouble)?;
        jobs.retain(FailedJob::never_began);
        // Each red status is of a job of its own: one of another CI may bear the same name.
        let mut red = failed.into_iter().filter(|status| !status.cut);
        Ok(red.all(|status| jobs.iter().position(|job| job.is_told_by(&status.context)).map(|at| jobs.remove(at)).is_some()))
    }

    /// None where git cannot tell now: what is known of it stands, and it is asked again with the next reading.
    pub(super) async fn try_merge(&self, repo: &RepoName, pull: &PullRef) -> Option<Merge> {
        match self.ports.repos.try_merge(repo, &pull.branch, &pull.base).await {
            Ok(merge) => merge,
            Err(error) => {
                tracing::warn!(%repo, pull = %pull.number, %error, "whether it conflicts is not known");
                None
            }
        }
    }
}

/// What a failed reading means for the project.
pub(super) fn trouble(error: ForgeError) -> Trouble {
    match error.kind {
        ForgeErrorKind::Unreachable { .. } | ForgeErrorKind::Doubtful | ForgeErrorKind::Server => {
            Trouble::Unreachable { why: error.why }
        }
        ForgeErrorKind::Unauthorized => Trouble::Unauthorized,
        ForgeErrorKind::Denied | ForgeErrorKind::Conflict | ForgeErrorKind::Invalid => Trouble::Denied { why: error.to_string() },
        ForgeErrorKind::NotFound => Trouble::Missing,
        ForgeErrorKind::Moved { to } => Trouble::Moved { to },
        ForgeErrorKind::Archived => Trouble::Archived,
        ForgeErrorKind::NotAForge => Trouble::NotAForge { why: error.why },
    }
}
