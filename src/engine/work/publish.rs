//! Pushing what was verified, and opening the pull request.

use crate::model::{
    Branch, Failure, FailureKind, Outcome, Proposal, Pull, PullNumber, PullState, RepoName, Sha, StepId, StepKind,
};
use crate::ports::{Lease, NewPull, PushAnswer, RepoErrorKind};
use crate::text;
use crate::tier::Policy;

use super::{Facts, Order, Worker, context, environment, forge, repos};

impl Worker {
    pub(super) async fn push(
        &self,
        order: &Order<'_>,
        sha: &Sha,
        branch: &Branch,
        lease: Option<&Sha>,
    ) -> Result<Outcome, Failure> {
        let lease = lease.map_or(Lease::Absent, |at| Lease::At(at.clone()));
        let run = order.run()?;
        let (_, repos_of_author) = self.as_author(run);
        let answer = repos_of_author.push(&order.subject.repo, &run.id, sha, branch, &lease).await.map_err(repos)?;
        Ok(match answer {
            PushAnswer::Pushed => Outcome::Pushed,
            PushAnswer::Stale { tip } => Outcome::PushStale { tip },
        })
    }

    /// Deletes the branch of a merged pull request, where nobody has pushed to it since. That it cannot be deleted is no failure of the work.
    pub(super) async fn drop_branch(&self, order: &Order<'_>, branch: &Branch, pull: PullNumber) -> Result<Outcome, Failure> {
        let repo = &order.subject.repo;
        let left = |why: String| Ok(Outcome::BranchLeft { why });
        let merged = self.ports.forge.pull(repo, pull).await.map_err(forge)?;
        if merged.state != PullState::Merged {
            return left(format!("the forge does not say of pull request {pull} that it is merged"));
        }
        match self.ports.repos.delete_branch(repo, branch, &merged.head_sha).await {
            Ok(true) => Ok(Outcome::BranchGone),
            Ok(false) => left(format!("it moved on from {}, which was merged", merged.head_sha.short())),
            Err(error) if error.kind == RepoErrorKind::Denied => left(error.why),
            Err(error) => Err(repos(error)),
        }
    }

    /// Looked up, then opened. A 409 or a blank 500 is doubtful: the look-up tells.
    pub(super) async fn open_pull(
        &self,
        order: &Order<'_>,
        step: &StepId,
        head: &Branch,
        base: &Branch,
    ) -> Result<Outcome, Failure> {
        let repo = &order.subject.repo;
        let there = self.ports.forge.pulls(repo, head, base, None).await.map_err(forge)?;
        if let Some(pull) = self.the_one(repo, order.facts, there).await? {
            return Ok(Outcome::PullOpened { pull });
        }
        let new = self.new_pull(order, step, head, base).await?;
        let (forge_of_author, _) = self.as_author(order.run()?);
        let pull = forge_of_author.create_pull(repo, &new).await.map_err(forge)?;
        Ok(Outcome::PullOpened { pull: pull.number })
    }

    /// The open one that stands from our branch: of several of ours the lowest number stays. One that somebody else opened is at our
    /// commit too, and the forge takes no second one beside it: it counts as opened.
    pub(super) async fn the_one(&self, repo: &RepoName, facts: &Facts, pulls: Vec<Pull>) -> Result<Option<PullNumber>, Failure> {
        let theirs = pulls.iter().filter(|p| !facts.is_ours(&p.author) && p.state == PullState::Open).map(|p| p.number).min();
        let mut ours: Vec<Pull> = pulls.into_iter().filter(|p| facts.is_ours(&p.author) && p.state == PullState::Open).collect();
        ours.sort_by_key(|p| p.number);
        let mut ours = ours.into_iter();
        let kept = ours.next();
        for double in ours {
            tracing::warn!(%repo, pull = %double.number, "closing a pull request that was opened twice");
            self.ports.forge.close_pull(repo, double.number).await.map_err(forge)?;
        }
        Ok(kept.map(|pull| pull.number).or(theirs))
    }

    async fn new_pull(&self, order: &Order<'_>, step: &StepId, head: &Branch, base: &Branch) -> Result<NewPull, Failure> {
        let run = order.run()?;
        let step = run.formula.steps.iter().find(|s| s.id == *step).ok_or_else(|| environment("the step is gone"))?;
        let StepKind::Propose(Proposal::PullRequest { title, body, .. }) = &step.kind else {
            return Err(environment(format!("step {} opens no pull request", step.id)));
        };
        let texts = self.texts.read(&run.id)?;
        // What cannot be read is not what is said to be in force.
        let policy = self.policy_in_force().await.unwrap_or_else(|_| Policy::shipped().everything_high());
        let rendered = context::proposal_under(&policy, order, &step.id, &[title, body], &texts)?;
        let [title, body] = rendered.as_slice() else { return Err(environment("a pull request needs a title and a body")) };
        let title = self.scanner.redact(title.trim());
        let body = self.scanner.redact(body);
        if title.is_empty() {
            return Err(Failure { kind: FailureKind::Refused, why: "the pull request would have no title".into() });
        }
        let marker = text::marker(order.key);
        Ok(NewPull { head: head.clone(), base: base.clone(), title, body: format!("{body}\n\n{marker}") })
    }
}
