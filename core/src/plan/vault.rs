//! The vault of the operations repository: what its open pull requests come to, how much an action could break, and when either is said. What
//! becomes of actions on its branch is the dispatcher's matter.
//!
//! Promises: a head is judged once, and what was judged is written to it as a status, journalled before; what cannot be written is tried again
//! with growing pauses. Nothing is said of a pull request that does not touch the vault. Race known: a push between the reading and the
//! writing; the status is then that of the older head, and the newer one is judged with the next reading.

use super::{Action, Context, Plan, dispatch};
use crate::document::Faults;
use crate::ledger::OfferState;
use crate::model::{
    ACTIONS, Action as Asked, ActionEnd, ActionWork, Judged, PENDING, PendingItem, PullNumber, Risk, ShelvedAction, Timestamp,
    VAULT_POLICY,
};
use crate::text;
use crate::tier::{self, Policy, Tier};
use crate::vault::{self, Entry, Known, Offer, Place, Shelf};

/// Mistakes that are kept of a pull request; of the rest it is said how many there are.
const KEPT: usize = 3;

/// The tier of an action, and why: the policy's word for its formula, else the formula's own, else high. What it asks for itself only raises.
pub fn tier_of_action(policy: &Policy, known: &Known, action: &Asked) -> Tier {
    match &action.work {
        ActionWork::Formula(work) => {
            let own = known.formulas.get(&work.formula).copied().flatten();
            tier::of_action(policy, work.formula.as_str(), own, action.blast_radius)
        }
        ActionWork::Person(_) => tier::of_persons_action(policy, action.blast_radius),
    }
}

/// What a pull request brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Below `vault/`.
    pub offers: Vec<Offer>,
    /// It brings something else too.
    pub others: bool,
}

/// What a pull request that brings this comes to; none where it is no business of the vault's.
pub fn judge(offered: &Offered, shelf: &Shelf, known: &Known, policy: &Policy) -> Option<Judged> {
    let offers = &offered.offers;
    let below = |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let concerns = |offer: &&Offer| {
        let path = offer.path();
        below(path, ACTIONS) || below(path, PENDING) || path == VAULT_POLICY
    };
    offers.iter().find(concerns)?;
    let (actions, mut mistakes) = match vault::check(offers, shelf, known) {
        Ok(actions) => (actions, Vec::new()),
        Err(faults) => (Vec::new(), faults.lines()),
    };
    mistakes.extend(offers.iter().filter(|offer| offer.path() == VAULT_POLICY).flat_map(policy_mistakes));
    let more = mistakes.len().saturating_sub(KEPT);
    mistakes.truncate(KEPT);
    let free = mistakes.is_empty() && policy.gate.low_actions.is_some() && is_new(offered, &actions, shelf);
    let free = free && actions.iter().all(|action| tier_of_action(policy, known, action).tier == Risk::Low);
    let unblocks = actions.iter().flat_map(|action| action.unblocks.clone()).collect();
    let items = if mistakes.is_empty() { offers.iter().filter_map(|offer| item(offer, known)).collect() } else { Vec::new() };
    Some(Judged { actions: actions.into_iter().map(|action| action.id).collect(), items, mistakes, more, unblocks, free })
}

/// What it asks people for in words.
fn item(offer: &Offer, known: &Known) -> Option<PendingItem> {
    let Offer::Text { path, text } = offer else { return None };
    let name = path.strip_prefix(PENDING)?.strip_prefix('/')?.strip_suffix(".md")?;
    Some(PendingItem { name: name.to_owned(), unblocks: vault::waiting_for(text, known) })
}

/// Whether it asks for actions and does nothing else: whoever changes or takes away what stands there, or brings anything more, is looked at by a
/// person.
fn is_new(offered: &Offered, actions: &[Asked], shelf: &Shelf) -> bool {
    let new = actions.iter().all(|action| shelf.get(&action.id).is_none());
    let alone = offered.offers.iter().all(|offer| matches!(offer, Offer::Text { .. })) && offered.offers.len() == actions.len();
    !offered.others && !actions.is_empty() && new && alone
}

/// An action on the branch that counts, as the policy and the configuration have it.
pub fn shelved(entry: &Entry, known: &Known, policy: &Policy) -> ShelvedAction {
    let action = entry.action();
    let tier = action.map(|action| tier_of_action(policy, known, action).tier);
    let wrong = match entry.filed.as_slice() {
        [] => None,
        [only] => only.read.as_ref().err().and_then(|faults| faults.lines().into_iter().next()),
        [first, second, ..] => Some(format!("{} and {} have the same name", first.path, second.path)),
    };
    let mut recorded = entry.recorded.iter().filter(|recorded| recorded.place != Place::Approved);
    let record = recorded.find_map(|recorded| recorded.record.as_ref());
    let one = match entry.filed.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    ShelvedAction {
        id: entry.id.clone(),
        state: entry.state(),
        action: action.cloned(),
        wrong,
        tier,
        free: tier == Some(Risk::Low) && policy.gate.low_actions.is_some(),
        file: one.map(|filed| filed.path.clone()),
        text: one.map(|filed| text::hash(&filed.text)),
        end: record.map(|record| ActionEnd { exit_code: record.exit_code, logs: record.logs.clone().unwrap_or_default() }),
    }
}

fn policy_mistakes(offer: &Offer) -> Vec<String> {
    match offer {
        Offer::Text { path, text } => Policy::parse(path, text).err().as_ref().map(Faults::lines).unwrap_or_default(),
        Offer::Unreadable { path } => vec![format!("{path}:1:1: it is no file that can be read as text")],
        Offer::Gone { .. } => Vec::new(),
    }
}

/// Reads what is offered when its clock says so, and says what is not said yet; answers when to plan again.
pub(super) fn plan(context: &Context<'_>, plan: &mut Plan) -> Vec<Timestamp> {
    let (view, policy) = (context.view, context.policy);
    // A forge that nothing was read of yet is not asked for this first.
    let Some(repo) = policy.ops.as_ref().filter(|_| !view.draining && !view.fresh.is_empty()) else { return Vec::new() };
    let mut times = Vec::new();
    match view.offers_read.map(|read| read + policy.checks_every) {
        _ if view.offers_reading => {}
        Some(due) if context.now < due => times.push(due),
        Some(_) | None => plan.actions.push(Action::Offers),
    }
    // What an earlier process left unsaid may be closed by now.
    if view.offers_read.is_none() {
        return times;
    }
    for (pull, offer) in context.ledger.offers.get(repo).into_iter().flatten() {
        match context.says(*pull, offer) {
            Some(due) if context.now < due => times.push(due),
            Some(_) => plan.actions.push(Action::TellOffer(*pull)),
            None => {}
        }
    }
    times.extend(dispatch::plan(context, repo, plan));
    times
}

impl Context<'_> {
    /// From when on something is to be said of it; none where nothing is.
    fn says(&self, pull: PullNumber, offer: &OfferState) -> Option<Timestamp> {
        let unsaid = offer.judged.is_some() && !offer.told && !self.view.telling.contains(&pull);
        let due = offer.failed.map_or(self.now, |(at, failures)| at + self.policy.retry_after(failures));
        unsaid.then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Risk;

    fn known() -> Known {
        let projects = vec!["owner/app".parse().expect("a name")];
        Known { formulas: [("mow".into(), Some(Risk::Medium)), ("odd".into(), None)].into(), projects, ..Known::default() }
    }

    fn tier(text: &str) -> Tier {
        let policy = Policy::parse("vault/policy.toml", "[tiers]\nodd = \"low\"\n").expect("a policy");
        let known = known();
        let action = vault::action("vault/actions/a.toml", "a", &format!("context = \"c\"\n{text}"), &known).expect("an action");
        tier_of_action(&policy, &known, &action)
    }

    #[test]
    fn a_request_only_raises() {
        for (text, wanted) in [
            ("formula = \"mow\"", Risk::Medium),
            ("formula = \"mow\"\nblast_radius = \"low\"", Risk::Medium),
            ("formula = \"mow\"\nblast_radius = \"high\"", Risk::High),
            ("formula = \"odd\"", Risk::Low),
            ("action_required = \"x\"", Risk::High),
            ("action_required = \"x\"\nblast_radius = \"low\"", Risk::High),
        ] {
            assert_eq!(tier(text).tier, wanted, "{text}");
        }
        let ignored = tier("formula = \"mow\"\nblast_radius = \"low\"");
        assert!(ignored.reasons.iter().any(|reason| reason.why.contains("ignored")), "{ignored:?}");
    }

    #[test]
    fn only_new_low_actions_alone_go_through_without_a_person() {
        let text = |path: &str, text: &str| Offer::Text { path: path.to_owned(), text: text.to_owned() };
        let low = "context = \"c\"\nformula = \"odd\"";
        let policy = |text: &str| Policy::parse("vault/policy.toml", text).expect("a policy");
        let free = |offers: &[Offer], others: bool, there: &[(&str, &str)], rules: &str| {
            let files = there.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
            let offered = Offered { offers: offers.to_vec(), others };
            judge(&offered, &Shelf::of(&files, &known()), &known(), &policy(rules)).expect("it is judged").free
        };
        let merges = "[tiers]\nodd = \"low\"\n[low]\nactions = \"self-merge\"\n";
        let asks = [text("vault/actions/a.toml", low)];
        assert!(free(&asks, false, &[], merges));
        assert!(free(&asks, false, &[], &merges.replace("self-merge", "direct")), "asked for before it was to be committed");
        assert!(!free(&asks, false, &[], "[tiers]\nodd = \"low\"\n"), "nobody said that it may");
        assert!(!free(&asks, false, &[], "[low]\nactions = \"self-merge\"\n"), "it is high");
        assert!(!free(&asks, true, &[], merges), "more comes with it");
        assert!(!free(&asks, false, &[("actions/a.toml", low)], merges), "it changes what stands there");
        let with = |offer: Offer| [asks[0].clone(), offer];
        assert!(!free(&with(text("vault/policy.toml", "approvers = [\"mallory\"]\n")), false, &[], merges));
        assert!(!free(&with(Offer::Gone { path: "vault/actions/b.toml".into() }), false, &[], merges));
        assert!(!free(&with(text("vault/fired/a.result.json", "{}")), false, &[], merges), "nor a record");
        assert!(!free(&[text("vault/actions/a.toml", &format!("{low}\nblast_radius = \"high\""))], false, &[], merges));
    }

    #[test]
    fn a_pull_request_is_judged_where_it_touches_the_vault() {
        let text = |path: &str, text: &str| Offer::Text { path: path.to_owned(), text: text.to_owned() };
        let judged = |offers: &[Offer]| {
            let offered = Offered { offers: offers.to_vec(), others: false };
            judge(&offered, &Shelf::default(), &known(), Policy::shipped())
        };
        assert_eq!(judged(&[text("vault/fired/a.result.json", "{}")]), None);
        assert_eq!(judged(&[]), None);
        let good = judged(&[text("vault/actions/a.toml", "context = \"c\"\nformula = \"odd\"")]).expect("it is judged");
        assert!(good.mistakes.is_empty() && good.actions.len() == 1, "{good:?}");
        let gone = judged(&[Offer::Gone { path: "vault/actions/a.toml".into() }]).expect("it is judged");
        assert!(gone.mistakes.is_empty(), "{gone:?}");
        let policy = judged(&[text("vault/policy.toml", "[tiers]\nodd = \"tiny\"\n")]).expect("it is judged");
        assert!(policy.mistakes[0].starts_with("vault/policy.toml:2:7: "), "{policy:?}");
        let many = judged(&[text("vault/actions/a.toml", "id = \"/\"\nformula = \"no\"\nmounts = [\"no\"]\nsecrets = [\"no\"]")]);
        assert!(many.as_ref().is_some_and(|many| many.mistakes.len() == 3 && many.more == 2), "{many:?}");
    }
}
