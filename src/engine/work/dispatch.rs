//! The hands of the dispatcher: who approved an action, and what is recorded of it on the branch.
//!
//! Promises: an approval is what the forge says of the very pull request whose merge brought the file to the branch; what a file, a record or
//! a commit status says counts for nothing. What is recorded is written on top of what was read: where somebody else recorded
//! something meanwhile nothing is written, and nothing begins. Races known: a right that is lost after it was read; a reviewer who asks for changes
//! between the last look and a merge past the branch's rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ActionId, ActionRecord, ApprovedBy, Approving, Begun, Branch, Checks, Failure, FailureKind, Login, MergeStyle, ProjectFacts,
    Pull, PullNumber, PullState, RepoName, RunId, Sha, ShelvedAction,
};
use crate::plan;
use crate::ports::{Forge, ForgeErrorKind, KeepAnswer, KeepOrder, MergedPull, RepoErrorKind};
use crate::text;
use crate::tier::LowActions;
use crate::vault::{Entry, LONGEST, Place, Shelf};

use super::super::dispatch::VaultJob;
use super::super::input::VaultAnswer;
use super::super::vault::{vault_files_at, vault_tip};
use super::keep::Ops;
use super::merge::lacking;
use super::{ProjectSettings, Worker, environment, forge, repos};

impl Worker {
    pub(super) async fn dispatch(&self, repo: &RepoName, job: VaultJob) -> VaultAnswer {
        match job {
            VaultJob::Weigh { action, at, facts, put_through } => {
                let result = self.weigh_action(repo, &action, &at, (&facts, &put_through)).await;
                VaultAnswer::Weighed(action.id.clone(), at, result)
            }
            VaultJob::Begin { action, record, read } => {
                let end = self.begin_action(repo, &action, *record, read).await;
                VaultAnswer::Begun(action.id.clone(), end.unwrap_or_else(|failure| Begun::Failed { failure }))
            }
            VaultJob::Close { id, record, read, run } => {
                let failed = self.close_action(&id, &record, read, run).await.err();
                VaultAnswer::Closed(id, *record, failed)
            }
            VaultJob::Merge { pull, head } => {
                let failed = self.merge_offer(repo, pull, &head).await.err();
                VaultAnswer::Merged(pull, head, failed)
            }
        }
    }

    /// The action as it stands at a commit; none where it is not there.
    async fn shelved_at(&self, repo: &RepoName, at: &Sha, id: &ActionId) -> Result<Option<(Entry, ShelvedAction)>, Failure> {
        let files = vault_files_at(self.ports.repos.as_ref(), repo, at).await.map_err(repos)?;
        let policy = self.policy_in_force().await?;
        let shelf = Shelf::of(&files, &self.settings.vault);
        Ok(shelf.get(id).map(|entry| (entry.clone(), plan::shelved(entry, &self.settings.vault, &policy))))
    }

    /// Who approved an action, as the forge tells now.
    async fn weigh_action(
        &self,
        repo: &RepoName,
        action: &ShelvedAction,
        at: &Sha,
        (facts, put_through): (&ProjectFacts, &BTreeSet<PullNumber>),
    ) -> Result<Approving, Failure> {
        let lacking = |why: String| Ok(Approving::Lacking { why });
        let Ops { branch, .. } = self.ops()?;
        let Some((_, now)) = self.shelved_at(repo, at, &action.id).await? else {
            return lacking(format!("it is not there any more at {}", at.short()));
        };
        let Some(file) = now.file.filter(|_| now.text == action.text) else {
            return lacking("its file is another one by now".to_owned());
        };
        let brought = self.ports.repos.changes_of(repo, branch, &file, 1).await.map_err(repos)?;
        let Some(sha) = brought.into_iter().flatten().next() else {
            return lacking(format!("{file} is not on {branch} any more"));
        };
        if now.free {
            return Ok(Approving::Approved { by: ApprovedBy::Policy, sha });
        }
        let Some(pull) = self.ports.forge.merged_by(repo, &sha).await.map_err(forge)? else {
            return lacking(format!(
                "{} brought it to {branch}, which is the merge of no pull request (of several commits that a merge rebases only the last one is): \
                 whoever is to approve it has nothing to approve",
                sha.short()
            ));
        };
        if pull.base != *branch {
            return lacking(format!("{} went to {}", pull.number, pull.base));
        }
        // What is asked about is the operations repository, and who we are is the same everywhere.
        let repository = self.ports.forge.repository(repo).await.map_err(forge)?;
        let facts = ProjectFacts { repository, ..facts.clone() };
        // Whoever may write can have the forge take any commit for the merge of a pull request that was approved.
        let there = self.of_head(repo, &pull, branch, &file).await?;
        let asked_so = there.is_some_and(|there| Some(text::hash(&there)) == now.text);
        let by_us = put_through.contains(&pull.number);
        match self.approver_of(repo, &pull, (asked_so, by_us), &facts).await? {
            Some(by) => Ok(Approving::Approved { by, sha }),
            None if by_us => lacking(format!(
                "{} went through as low by the policy of then, it is not low any more, and no approver approved it",
                pull.number
            )),
            None => lacking(match &pull.by {
                Some(by) if by.as_str().eq_ignore_ascii_case(pull.author.as_str()) => {
                    format!("{by} opened and merged {}, and nobody approves what he asks for himself", pull.number)
                }
                Some(by) => format!("{by} merged {}, and no approver merged or approved it", pull.number),
                None => format!("no approver merged or approved {}", pull.number),
            }),
        }
    }

    /// A file of the head that was merged. Where its branch is gone and the merge took its commits up in another one, the forge has that still.
    async fn of_head(&self, repo: &RepoName, pull: &MergedPull, to: &Branch, file: &str) -> Result<Option<String>, Failure> {
        let read = async || self.ports.repos.read(repo, &pull.head, file, LONGEST).await.ok().flatten();
        if let Some(text) = read().await {
            return Ok(Some(text));
        }
        match self.ports.repos.try_merge_pull(repo, pull.number, to).await {
            Err(error) if error.kind == RepoErrorKind::Unreachable => Err(repos(error)),
            _ => Ok(read().await),
        }
    }

    /// Whoever merged it, unless that was us by whichever account, or approved the head that was merged where that asked for the action, and may.
    /// Its author never does, nor an identity of ours.
    async fn approver_of(
        &self,
        repo: &RepoName,
        pull: &MergedPull,
        (asked_so, by_us): (bool, bool),
        facts: &ProjectFacts,
    ) -> Result<Option<ApprovedBy>, Failure> {
        let approvers = self.policy_in_force().await?.gate.approvers;
        let counts = |login: &Login| !login.as_str().eq_ignore_ascii_case(pull.author.as_str()) && !facts.is_ours(login);
        if let Some(login) = pull.by.as_ref().filter(|login| !by_us && counts(login))
            && self.may_approve(repo, facts, &approvers, login).await?
        {
            return Ok(Some(ApprovedBy::Merge { login: login.clone(), pull: pull.number }));
        }
        if !asked_so {
            return Ok(None);
        }
        let reviews = self.ports.forge.reviews(repo, pull.number).await.map_err(forge)?;
        let project = ProjectSettings::default();
        let mut heard = super::revision::Heard::new(self, repo, &project, facts);
        for approval in reviews.approvals.iter().filter(|approval| approval.of == pull.head && counts(&approval.by)) {
            if heard.may(&approval.by, true).await? && self.may_approve(repo, facts, &approvers, &approval.by).await? {
                return Ok(Some(ApprovedBy::Review { login: approval.by.clone(), pull: pull.number }));
            }
        }
        Ok(None)
    }

    /// Writes that an action begins, where it is what was approved and nobody recorded anything of it.
    async fn begin_action(
        &self,
        repo: &RepoName,
        action: &ShelvedAction,
        record: ActionRecord,
        read: Sha,
    ) -> Result<Begun, Failure> {
        let stood_down = |why: &str| Ok(Begun::StoodDown { why: why.to_owned() });
        let Ops { branch, .. } = self.ops()?;
        let tip = vault_tip(self.ports.repos.as_ref(), repo, branch).await.map_err(repos)?.flatten();
        let there = match &tip {
            Some(tip) => self.shelved_at(repo, tip, &action.id).await?,
            None => None,
        };
        let Some((entry, now)) = there else { return stood_down("it is not there any more") };
        if now.text != action.text || now.file != action.file {
            return stood_down("its file is another one than was approved");
        }
        let record = ActionRecord { logs: Some(format!("begun by forgehand ({})", self.ports.journal_id)), ..record };
        let over = |place| entry.recorded.iter().any(|recorded| recorded.place == place);
        let ours = entry.recorded.iter().any(|there| there.place == Place::Fired && there.record.as_ref() == Some(&record));
        if !ours && [Place::Fired, Place::Rejected, Place::Actions].into_iter().any(over) {
            return stood_down("somebody recorded something of it");
        }
        let text = shown(&record)?;
        let mut files = BTreeMap::from([(path(Place::Fired, &action.id), text.clone())]);
        // What approved it is not written over.
        if !over(Place::Approved) {
            files.insert(path(Place::Approved, &action.id), text);
        }
        let message = format!("The action {} begins", action.id);
        match self.keep_records(repo, files, message, Some(read)).await? {
            KeepAnswer::Written(commit) => Ok(Begun::Here { commit: Some(commit) }),
            KeepAnswer::Same => Ok(Begun::Here { commit: tip }),
            KeepAnswer::Conflict => stood_down("somebody recorded something of it meanwhile"),
            KeepAnswer::NoBranch => Err(environment(format!("{repo} has no branch {branch}"))),
        }
    }

    /// Writes how an action ended.
    async fn close_action(
        &self,
        id: &ActionId,
        record: &ActionRecord,
        read: Option<Sha>,
        run: Option<RunId>,
    ) -> Result<(), Failure> {
        let Ops { repo, branch } = self.ops()?;
        let text = self.scanner.redact(&shown(record)?);
        let file = path(Place::Fired, id);
        let message = format!("The action {id} ended");
        let kept = self.keep_records(repo, BTreeMap::from([(file.clone(), text.clone())]), message, read).await;
        let why = match kept {
            Ok(KeepAnswer::Written(_) | KeepAnswer::Same) => return Ok(()),
            Ok(KeepAnswer::Conflict) => "somebody else wrote there since it began".to_owned(),
            Ok(KeepAnswer::NoBranch) => format!("there is no branch {branch}"),
            Err(failure) if failure.kind == FailureKind::Refused => failure.why,
            Err(failure) => return Err(failure),
        };
        let why = match run.map(|run| self.texts.keep_aside(&run, &file, &text)) {
            Some(Ok(kept)) => format!("{why}; what was to be written is kept in {}", kept.display()),
            Some(Err(failure)) => format!("{why}; nor could it be kept: {}", failure.why),
            None => why,
        };
        Err(Failure { kind: FailureKind::Refused, why })
    }

    async fn keep_records(
        &self,
        repo: &RepoName,
        files: BTreeMap<String, String>,
        message: String,
        read: Option<Sha>,
    ) -> Result<KeepAnswer, Failure> {
        let order = KeepOrder {
            base: self.ops()?.branch.clone(),
            asked_by: None,
            read,
            files,
            message,
            author: self.settings.author.clone(),
            at: self.forge_now(),
        };
        self.ports.repos.keep(repo, &order).await.map_err(repos)
    }

    /// Merges a pull request that asks for nothing but low actions, where it is still that.
    async fn merge_offer(&self, repo: &RepoName, number: PullNumber, head: &Sha) -> Result<(), Failure> {
        let Some((pull, style, low)) = self.still_free(repo, number, head).await.map_err(not_asked)? else { return Ok(()) };
        let mut answer = self.ports.forge.merge_pull(repo, number, head, style, false).await;
        // What is to be committed is not to be forced.
        if low == LowActions::SelfMerge
            && answer.as_ref().is_err_and(|error| error.kind == ForgeErrorKind::Invalid)
            && let Some(rights) = self.who_may_force(repo, &pull).await.map_err(not_asked)?
        {
            // What protects the branch holds back whoever may only write; what people or checks say against it holds back everybody.
            self.unopposed(repo, &pull).await.map_err(not_asked)?;
            answer = rights.merge_pull(repo, number, head, style, true).await;
        }
        let doubtful = |why: String| Failure { kind: FailureKind::Doubtful, why };
        let after = self.ports.forge.pull(repo, number).await.map_err(|error| doubtful(error.to_string()))?;
        match (after.state, answer) {
            (PullState::Merged, _) => Ok(()),
            (_, Ok(())) => Err(doubtful("the forge says that it will, later".to_owned())),
            (_, Err(error)) => {
                let kind = match error.kind {
                    ForgeErrorKind::Invalid | ForgeErrorKind::Denied => FailureKind::Refused,
                    ForgeErrorKind::Server | ForgeErrorKind::Doubtful => FailureKind::Doubtful,
                    _ => FailureKind::Passing,
                };
                Err(Failure { kind, why: self.why_not_merged(repo, number, &error).await })
            }
        }
    }

    /// What is to be merged and how; nothing where it is merged.
    async fn still_free(
        &self,
        repo: &RepoName,
        number: PullNumber,
        head: &Sha,
    ) -> Result<Option<(Pull, MergeStyle, LowActions)>, Failure> {
        let passing = |why: String| Err(Failure { kind: FailureKind::Passing, why });
        let pull = self.ports.forge.pull(repo, number).await.map_err(forge)?;
        match pull.state {
            PullState::Merged => return Ok(None),
            PullState::Closed => return passing("it was closed".to_owned()),
            PullState::Open => {}
        }
        if pull.head_sha != *head {
            return passing(format!("its head is {} by now", pull.head_sha.short()));
        }
        let policy = self.policy_in_force().await?;
        // The policy, or the branch, may be another one than when it was judged.
        let judged = self.judge_offer(repo, &pull, &policy).await?;
        let Some(low) = policy.gate.low_actions.filter(|_| judged.is_some_and(|(read, judged)| read == *head && judged.free))
        else {
            return passing("it asks for something that is not low, or for more than actions".to_owned());
        };
        let style = match policy.gate.merge_style {
            Some(style) => style,
            None => self.ports.forge.usual_merge(repo).await.map_err(forge)?.unwrap_or(MergeStyle::Merge),
        };
        Ok(Some((pull, style, low)))
    }

    /// The account that the protection of its base lets past it. The forge lets its own administrators past everything, whatever people set: the
    /// rule decides.
    async fn who_may_force(&self, repo: &RepoName, pull: &Pull) -> Result<Option<&dyn Forge>, Failure> {
        let Some(rights) = &self.ports.rights else { return Ok(None) };
        match rights.admins_pass(repo, &pull.base).await {
            Ok(pass) => Ok(pass.then_some(rights.as_ref())),
            Err(error) => match forge(error) {
                // Whoever may not read it does not administer the repository.
                failure if matches!(failure.kind, FailureKind::Refused | FailureKind::Gone) => Ok(None),
                failure => Err(failure),
            },
        }
    }

    /// Nobody asks for changes, nothing is red, and what its branch requires is green.
    async fn unopposed(&self, repo: &RepoName, pull: &Pull) -> Result<(), Failure> {
        let refused = |why: String| Err(Failure { kind: FailureKind::Refused, why });
        // Whoever may not write there is not heard.
        if self.ports.forge.reviews(repo, pull.number).await.map_err(forge)?.requests.iter().any(|request| request.official) {
            return refused("a reviewer asks for changes".to_owned());
        }
        let required = self.ports.forge.required_contexts(repo, &pull.base).await.map_err(forge)?;
        let statuses = self.ports.forge.statuses(repo, &pull.head_sha).await.map_err(forge)?;
        // A rule may require checks and name none of them.
        let red = statuses.iter().filter(|status| status.state == Checks::Failure).map(|status| status.context.clone());
        let not_green: Vec<String> = red.chain(lacking(&required, &statuses)).collect();
        match not_green.as_slice() {
            [] if statuses.iter().any(|status| status.state == Checks::Pending) => {
                Err(Failure { kind: FailureKind::Passing, why: "its checks have not ended".to_owned() })
            }
            [] => Ok(()),
            not_green => refused(format!("not green: {}", not_green.join(", "))),
        }
    }
}

/// Whatever failed there, no merge was asked for.
fn not_asked(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Doubtful => Failure { kind: FailureKind::Passing, ..failure },
        _ => failure,
    }
}

fn path(place: Place, id: &ActionId) -> String {
    format!("vault/{}/{id}.result.json", place.folder())
}

fn shown(record: &ActionRecord) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(record).map_err(|e| environment(format!("no JSON: {e}")))?;
    Ok(text::printable(&text) + "\n")
}
