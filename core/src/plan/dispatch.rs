//! The dispatcher: what becomes of actions on the branch of the operations repository that counts.
//!
//! Promises: an action is begun once. What was there before forgehand came is not; nor what is recorded, by whomever; nor what nobody approved who
//! may, which the forge is asked right before. That it begins stands on the branch before its run is wanted, written on top of what was read,
//! so that of several daemons one begins it; after a crash the same is written again, and begins nothing that somebody else's record names.
//! Of a project one is at work at a time.
//!
//! Race known: a right that is lost, or a file that changes, between the last reading and the beginning: the file is read once more while that is
//! written, the right is not. Known limit: a journal that is put back to a copy from between the two begins the action of then again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ledger::{ActionSeen, Failed, Fate, Ledger, Merging, ShelfState};
use crate::model::{
    ActionId, ActionState, ActionWork, Approving, FormulaWork, Grant, PendingItem, PullNumber, RepoName, Subject, Timestamp,
    Wait, Wanted, WantedBy,
};

use super::{Action, Context, Plan, Policy};

/// For how long it counts that an action was approved: then the forge is asked again before it begins.
const STANDS: Duration = Duration::from_mins(5);
/// When the forge is asked again who approved an action, where nobody had who may.
const AGAIN: Duration = Duration::from_hours(1);

/// What the dispatcher does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VaultDo {
    /// Read who approved an action.
    Weigh(ActionId),
    /// Write that it begins; a run of its formula is wanted then.
    Begin(ActionId),
    /// Write how it ended.
    Close(ActionId),
    /// Merge a pull request that asks for nothing but low actions, as the policy has it.
    Merge(PullNumber),
}

/// What becomes of the actions now; answers when to plan again.
pub(super) fn plan(context: &Context<'_>, repo: &RepoName, plan: &mut Plan) -> Vec<Timestamp> {
    let Some(shelf) = context.ledger.shelves.get(repo) else { return Vec::new() };
    // What an earlier process read may be otherwise by now.
    if context.view.offers_read.is_none() {
        return Vec::new();
    }
    let mut times = Vec::new();
    let mut act = |what: VaultDo, due: Timestamp, times: &mut Vec<Timestamp>| {
        if context.view.dispatching.contains(&what) {
            return;
        }
        match context.now < due {
            true => times.push(due),
            false => plan.actions.push(Action::Vault(what)),
        }
    };
    let mut busy: BTreeSet<&RepoName> = shelf.actions.values().filter(|seen| seen.is_in_hand()).filter_map(project_of).collect();
    for (id, seen) in &shelf.actions {
        match &seen.fate {
            Fate::Beginning { failed, .. } => act(VaultDo::Begin(id.clone()), context.tried_again(failed.as_ref()), &mut times),
            Fate::Ended { failed, .. } => act(VaultDo::Close(id.clone()), context.tried_again(failed.as_ref()), &mut times),
            Fate::Unread | Fate::Weighed { .. } | Fate::AtWork { .. } | Fate::Recorded { .. } | Fate::StoodDown { .. } => {}
        }
    }
    let mut waiting: Vec<&ActionSeen> = shelf.actions.values().filter(|seen| could_begin(seen)).collect();
    waiting.sort_by_key(|seen| (seen.since, &seen.shelved.id));
    for seen in waiting {
        let Some(project) = project_of(seen) else { continue };
        let free = !busy.contains(project) && context.begins(project);
        match (&seen.fate, &shelf.at) {
            (Fate::Weighed { at, when, answer: Approving::Approved { .. } }, Some(tip))
                if free && at == tip && context.now < *when + STANDS =>
            {
                busy.insert(project);
                act(VaultDo::Begin(seen.shelved.id.clone()), context.now, &mut times);
            }
            // What nobody approved stays so until something changes there; of rights nobody is told.
            (Fate::Weighed { at, when, answer: Approving::Lacking { .. } }, Some(tip))
                if at == tip && context.now < *when + AGAIN =>
            {
                times.push(*when + AGAIN);
            }
            _ if free => {
                // Whoever is weighed is next.
                busy.insert(project);
                act(VaultDo::Weigh(seen.shelved.id.clone()), context.weigh_due(&seen.shelved.id), &mut times);
            }
            _ => {}
        }
    }
    for (pull, offer) in context.ledger.offers.get(repo).into_iter().flatten() {
        let before = shelf.merging.get(pull).filter(|before| before.head == offer.head);
        if offer.judged.as_ref().is_some_and(|judged| judged.free) && offer.told {
            act(VaultDo::Merge(*pull), before.map_or(context.now, |before| context.merged_again(before)), &mut times);
        }
    }
    times
}

/// Whether it may be begun, once that is approved.
fn could_begin(seen: &ActionSeen) -> bool {
    let open = matches!(seen.shelved.state, ActionState::Merged | ActionState::Approved);
    let undecided = matches!(seen.fate, Fate::Unread | Fate::Weighed { .. });
    open && undecided && !seen.before && work_of(seen).is_some()
}

fn work_of(seen: &ActionSeen) -> Option<&FormulaWork> {
    match &seen.shelved.action.as_ref()?.work {
        ActionWork::Formula(work) => Some(work),
        ActionWork::Person(_) => None,
    }
}

/// The project that its run is about.
pub(super) fn project_of(seen: &ActionSeen) -> Option<&RepoName> {
    work_of(seen)?.project.as_ref()
}

/// The run that an action comes to, and about what.
pub fn wanted(repo: &RepoName, seen: &ActionSeen) -> Option<(Subject, Wanted)> {
    let work = work_of(seen)?;
    let grant = Grant {
        repo: repo.clone(),
        id: seen.shelved.id.clone(),
        secrets: work.secrets.clone(),
        mounts: work.mounts.clone(),
        model: work.model.clone(),
        tools: work.tools.clone(),
        timeout_minutes: work.timeout_minutes,
    };
    let by = WantedBy::Vault { grant: Box::new(grant) };
    let wanted = Wanted { formula: work.formula.clone(), inputs: work.inputs.clone(), by };
    Some((Subject::project(work.project.clone()?), wanted))
}

impl Context<'_> {
    /// When what failed is tried again.
    fn tried_again(&self, failed: Option<&Failed>) -> Timestamp {
        failed.map_or(self.now, |failed| failed.at + self.policy.retry_after(failed.times))
    }

    /// When a merge is tried again: what the forge refuses it goes on to refuse until a person changes something there.
    fn merged_again(&self, before: &Merging) -> Timestamp {
        let refused = before.failed.as_ref().filter(|_| before.is_stuck()).map(|failed| failed.at + AGAIN);
        refused.unwrap_or_else(|| self.tried_again(before.failed.as_ref()))
    }

    /// When an action is weighed again that could not be.
    fn weigh_due(&self, id: &ActionId) -> Timestamp {
        self.view.unweighed.get(id).map_or(self.now, |at| *at + self.policy.checks_every)
    }

    /// Whether something may begin about a project.
    fn begins(&self, project: &RepoName) -> bool {
        let known = self.policy.projects.contains_key(project) && self.view.fresh.contains(project);
        known && self.halted(&Subject::project(project.clone())).is_none()
    }

    /// The action that an issue waits for.
    pub(super) fn vault_wait(&self, subject: &Subject) -> Option<Wait> {
        let repo = self.policy.ops.as_ref()?;
        if self.view.offers_read.is_none() {
            return Some(Wait::Acting { what: "reading what the vault is asked for".into() });
        }
        let named = |unblocks: &[Subject]| unblocks.contains(subject);
        let shelf = self.ledger.shelves.get(repo);
        let merged =
            shelf.into_iter().flat_map(|shelf| &shelf.actions).find(|(_, seen)| !seen.is_over() && named(seen.unblocks()));
        if let Some((id, seen)) = merged {
            return Some(Wait::Vault { id: id.clone(), stands: stands(shelf?, seen) });
        }
        let item = |items: &[PendingItem]| items.iter().find(|item| named(&item.unblocks)).map(|item| item.name.clone());
        if let Some(name) = shelf.and_then(|shelf| item(&shelf.items)) {
            return Some(Wait::VaultItem { name, asked_by: None });
        }
        let asked = self.ledger.offers.get(repo).into_iter().flatten();
        let mut judged = asked.filter_map(|(pull, offer)| Some((pull, offer.judged.as_ref()?)));
        judged.find_map(|(pull, judged)| match judged.actions.first().filter(|_| named(&judged.unblocks)) {
            Some(id) => {
                let stuck = shelf.and_then(|shelf| shelf.merging.get(pull)).filter(|merging| merging.is_stuck());
                let why = stuck.and_then(|merging| merging.failed.as_ref());
                let why = why.map_or_else(String::new, |failed| format!(": the forge does not merge it ({})", failed.why));
                let stands = format!("it is asked for by {repo}{pull}, which is not merged{why}");
                Some(Wait::Vault { id: id.clone(), stands })
            }
            None => item(&judged.items).map(|name| Wait::VaultItem { name, asked_by: Some(*pull) }),
        })
    }
}

/// How an action stands, for whoever waits for it.
fn stands(shelf: &ShelfState, seen: &ActionSeen) -> String {
    match (&seen.fate, seen.shelved.state) {
        (Fate::Beginning { failed: Some(failed), .. }, _) => format!("that it begins cannot be written: {}", failed.why),
        (Fate::Beginning { .. }, _) => "it is about to begin".to_owned(),
        (Fate::AtWork { .. }, _) => "it is at work".to_owned(),
        _ if seen.is_claimed() => {
            let (id, place) = (&seen.shelved.id, if seen.shelved.state == ActionState::Done { "actions" } else { "fired" });
            format!(
                "vault/{place}/{id}.result.json says that it ran, and this journal did not write that: where it did not run, take that file away, and it \
                 is decided anew; where it did, take away its own, by a pull request"
            )
        }
        (Fate::StoodDown { why }, _) => why.clone(),
        (_, ActionState::Broken) => seen.shelved.wrong.clone().unwrap_or_else(|| "its file cannot be understood".to_owned()),
        (Fate::Weighed { answer: Approving::Lacking { why }, .. }, _) => why.clone(),
        (Fate::Weighed { .. } | Fate::Unread, _) if work_of(seen).is_none() => "a person is to do it".to_owned(),
        (Fate::Weighed { at, .. }, _) if Some(at) == shelf.at.as_ref() => "it is approved, and waits for its turn".to_owned(),
        (Fate::Ended { failed: Some(failed), .. }, _) => format!("it ended, and that cannot be recorded: {}", failed.why),
        (Fate::Ended { .. } | Fate::Recorded { .. }, _) => "it ended".to_owned(),
        (Fate::Weighed { .. } | Fate::Unread, _) => "who approved it is yet to be read".to_owned(),
    }
}

/// How an action stands.
pub fn action_stands(ledger: &Ledger, repo: &RepoName, id: &ActionId) -> Option<String> {
    let shelf = ledger.shelves.get(repo)?;
    Some(stands(shelf, shelf.actions.get(id)?))
}

/// The actions that are not done with, and those whose end could not be recorded: how each stands.
pub fn actions_open<'l>(ledger: &'l Ledger, policy: &Policy) -> impl Iterator<Item = (&'l ActionId, String)> + use<'l> {
    let shelf = policy.ops.as_ref().and_then(|repo| ledger.shelves.get(repo));
    let open = |seen: &ActionSeen| !seen.before && (!seen.is_over() || matches!(seen.fate, Fate::Ended { failed: Some(_), .. }));
    let all = shelf.into_iter().flat_map(|shelf| shelf.actions.iter().map(move |(id, seen)| (id, shelf, seen)));
    all.filter(move |(_, _, seen)| open(seen)).map(|(id, shelf, seen)| (id, stands(shelf, seen)))
}

/// Pull requests that ask for nothing but low actions and that the forge does not merge, with what it said last.
pub fn stuck_merges<'l>(ledger: &'l Ledger, repo: &RepoName) -> impl Iterator<Item = (PullNumber, &'l Failed)> + use<'l> {
    let merging = ledger.shelves.get(repo).into_iter().flat_map(|shelf| &shelf.merging);
    let open = ledger.offers.get(repo);
    let stuck = merging.filter(move |(pull, merging)| merging.is_stuck() && open.is_some_and(|open| open.contains_key(pull)));
    stuck.filter_map(|(pull, merging)| Some((*pull, merging.failed.as_ref()?)))
}
