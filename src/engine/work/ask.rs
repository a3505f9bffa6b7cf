//! What steps ask the vault for.
//!
//! Promises: what is wrong with an action is found before anything is written; one that stands there, is recorded or is asked for already is not
//! asked for again, and under the name of another nothing is asked for at all. Low ones are committed with their record where the policy says
//! so, and asked for by a pull request where the branch then lets nobody write. Doing it again after a cut comes to the same. Race known: a
//! policy that changes while an action is asked for counts for the next one.

use std::collections::BTreeMap;

use crate::document::Faults;
use crate::model::{
    Action, ActionFile, ActionId, Failure, FailureKind, OnVault, Outcome, Proposal, Step, StepId, StepKind, VaultAsk,
};
use crate::plan::{approved_by_policy, goes_direct, tier_of_action};
use crate::ports::{KeepAnswer, KeepOrder};
use crate::tier::Policy;
use crate::vault::{self, Known, Offer, Shelf};

use super::super::policy::policy_in_force;
use super::super::vault::vault_files;
use super::keep::{Draft, Ops, Written, one_line, refused};
use super::stage::PULL;
use super::{Order, Stage, Worker, context, environment, repos};

/// Where a step's action is asked for, and what is said about it.
pub(super) fn draft_of(
    order: &Order<'_>,
    step: &StepId,
    id: &ActionId,
    texts: &crate::model::RunTexts,
) -> Result<Draft, Failure> {
    let Some(Step { kind: StepKind::Propose(Proposal::VaultAction { title, body, .. }), .. }) =
        order.run()?.formula.steps.iter().find(|s| s.id == *step)
    else {
        return Err(environment(format!("step {step} asks the vault for nothing")));
    };
    let mut rendered = context::proposal(order, step, &[title, body], texts)?.into_iter();
    let (path, title) = (id.file(), one_line(&rendered.next().unwrap_or_default()));
    if title.is_empty() {
        return Err(refused(format!("step {step}: nothing is said about {id}, its `title` comes to nothing")));
    }
    Ok(Draft { into: None, path, title, asks: Some(rendered.next().unwrap_or_default()) })
}

/// What a rehearsal asks for: by the shipped policy, and everybody waits.
pub(super) fn played(
    order: &Order<'_>,
    step: &StepId,
    ActionFile { id, content }: &ActionFile,
    stage: &Stage,
) -> Result<(Draft, VaultAsk), Failure> {
    let draft = draft_of(order, step, id, &stage.texts)?;
    let known = stage.vault.known.clone().unwrap_or_else(|| Known::of_itself(content));
    let action = vault::action(&draft.path, id.as_str(), content, &known).map_err(|faults| wrong(step, &faults))?;
    let policy = Policy::shipped();
    let tier = tier_of_action(policy, &known, &action).tier;
    let ask = VaultAsk {
        id: id.clone(),
        tier,
        path: draft.path.clone(),
        commit: None,
        pull: Some(PULL),
        left: None,
        on_vault: OnVault::Block,
        window: policy.gate.window,
        closed: false,
    };
    Ok((draft, ask))
}

fn wrong(step: &StepId, faults: &Faults) -> Failure {
    refused(format!("step {step}: {}", faults.lines().join("; ")))
}

impl Worker {
    pub(super) async fn ask_vault(
        &self,
        order: &Order<'_>,
        step: &StepId,
        ActionFile { id, content }: &ActionFile,
    ) -> Result<Outcome, Failure> {
        let (run, ops, known) = (order.run()?, self.ops()?, &self.settings.vault);
        let draft = draft_of(order, step, id, &self.texts.read(&run.id)?)?;
        self.without_secrets(step, &draft.path, content)?;
        let wrong = |faults: Faults| wrong(step, &faults);
        let action = vault::action(&draft.path, id.as_str(), content, known).map_err(wrong)?;
        // Who asks must see what another run asked for a moment ago.
        let _asking = self.asking.lock().await;
        let there = self.ports.repos.as_ref();
        let policy = policy_in_force(there, Some(ops)).await.map_err(repos)?.policy;
        let tier = tier_of_action(&policy, known, &action).tier;
        let (on_vault, window) = (policy.gate.on_vault.of(tier), policy.gate.window);
        let asked = |written: Written| {
            let Written { commit, pull, left } = written;
            Outcome::VaultAsked(VaultAsk {
                id: id.clone(),
                tier,
                path: draft.path.clone(),
                commit,
                pull,
                left,
                on_vault,
                window,
                closed: false,
            })
        };
        let files = vault_files(there, &ops.repo, &ops.branch).await.map_err(repos)?;
        let shelf = Shelf::of(&files.unwrap_or_default(), known);
        if stands(&shelf, &action).map_err(|why| refused(format!("step {step}: {why}")))? {
            return Ok(asked(Written::default()));
        }
        let offer = Offer::Text { path: draft.path.clone(), text: content.to_owned() };
        vault::check(&[offer], &shelf, known).map_err(wrong)?;
        if goes_direct(&policy, tier)
            && let Some(written) = self.directly(order, &draft, (&action, content)).await?
        {
            return Ok(asked(written));
        }
        Ok(asked(self.written(order, step, &draft, content).await?))
    }

    /// Commits an action with its record; none where the branch lets nobody do that.
    async fn directly(
        &self,
        order: &Order<'_>,
        draft: &Draft,
        (action, content): (&Action, &str),
    ) -> Result<Option<Written>, Failure> {
        let (run, Ops { repo, branch }) = (order.run()?, self.ops()?);
        let (place, record) = approved_by_policy(action, self.forge_now());
        let file = KeepOrder {
            base: branch.clone(),
            asked_by: None,
            read: None,
            files: BTreeMap::from([(draft.path.clone(), content.to_owned()), (place, record)]),
            message: format!("{}\n\nForgehand-Effect: {}", self.scanner.redact(&draft.title), order.key),
            author: self.author(run),
            at: self.forge_now(),
        };
        match self.as_author(run).1.keep(repo, &file).await.map_err(repos) {
            Ok(KeepAnswer::Written(commit)) => Ok(Some(Written { commit: Some(commit), ..Written::default() })),
            Ok(KeepAnswer::Same) => Ok(Some(Written::default())),
            // The pull request finds out the same, and says so.
            Ok(KeepAnswer::Conflict | KeepAnswer::NoBranch) => Ok(None),
            Err(failure) if failure.kind == FailureKind::Refused => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Whether what is asked for stands there, or is recorded; why nothing can be asked for under its name.
fn stands(shelf: &Shelf, action: &Action) -> Result<bool, String> {
    let Some(entry) = shelf.get(&action.id) else { return Ok(false) };
    let id = &action.id;
    match entry.action() {
        Some(there) if there == action => Ok(true),
        Some(_) => Err(format!(
            "the action {id} is {} already, and asks for something else: give this one another name, in `action`",
            entry.state().word()
        )),
        // Other factories take the file away when it is done.
        None => Ok(entry.filed.is_empty() && !entry.recorded.is_empty()),
    }
}
