//! What every plan must keep. The engine checks each plan before it acts on it; the property tests look for plans that do not.

use std::collections::BTreeMap;

use crate::ledger::{ClaimState, Ledger};
use crate::model::{Event, Intent, Lane, RepoName, Subject, Timestamp};

use super::{Action, Context, Plan, Policy, View, group, overlap};

/// A plan that must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Two effects on one issue in the same lane.
    #[error("{0}: two effects at once")]
    TwoEffects(Subject),
    /// An effect while another is open in the same lane.
    #[error("{0}: an effect is planned while another is open")]
    Overlap(Subject),
    /// A move that no row of the table allows.
    #[error("{0}: no row of the lifecycle table allows this move")]
    IllegalMove(Subject),
    /// More runs than slots, of all or of a project, those at a gate aside.
    #[error("{runs} runs would live in {slots} slots")]
    Slots {
        /// Runs.
        runs: u32,
        /// Slots.
        slots: u32,
    },
    /// A run starts, an agent works, or a branch is pushed without the claim.
    #[error("{0}: work without a claim")]
    NoClaim(Subject),
    /// The lifecycle begins anew while its run has stepped back.
    #[error("{0}: a run of the lifecycle begins while another has stepped back")]
    BegunTwice(Subject),
    /// A run starts beside another of its group.
    #[error("{0}: two runs of a group at once")]
    Crowd(Subject),
    /// A run starts beside another whose files it meets.
    #[error("{0}: two runs change the same files")]
    SameFiles(Subject),
    /// An open issue of ours has neither an action nor a reason.
    #[error("{0}: neither moves nor waits")]
    Forgotten(Subject),
    /// Decisions that lead to decisions without an end.
    #[error("decisions go round in circles")]
    Circles,
    /// A commit is proposed that was not verified.
    #[error("{0}: a push that was not verified")]
    Unverified(Subject),
}

/// The first violation, if there is one.
pub fn check(plan: &Plan, ledger: &Ledger, view: &View, policy: &Policy) -> Result<(), Violation> {
    let mut lanes: BTreeMap<(Subject, Lane), u32> = BTreeMap::new();
    let mut starts: BTreeMap<RepoName, u32> = BTreeMap::new();
    for action in &plan.actions {
        match action {
            Action::Do { subject, intent } => {
                let count = lanes.entry((subject.clone(), intent.lane())).or_default();
                *count += 1;
                if *count > 1 {
                    return Err(Violation::TwoEffects(subject.clone()));
                }
                let state = ledger.issue(subject);
                let parked = state.and_then(|s| s.live_run()).is_some_and(|run| run.parked);
                let beside = state.is_some_and(|s| s.hands().next().is_some());
                if (parked || beside) && matches!(intent, Intent::Agent { .. } | Intent::Verify { .. }) {
                    *starts.entry(subject.repo.clone()).or_default() += 1;
                }
                effect(ledger, subject, intent)?;
            }
            Action::Record(events) => {
                for event in events {
                    if let Event::RunStarted { subject, .. } = event {
                        *starts.entry(subject.repo.clone()).or_default() += 1;
                    }
                    decision(ledger, event)?;
                }
            }
            Action::Find { .. }
            | Action::Stop { .. }
            | Action::Survey(_)
            | Action::Look(_)
            | Action::History(_)
            | Action::Dependencies(_)
            | Action::Files { .. }
            | Action::Checks(_)
            | Action::Rights { .. }
            | Action::Renew(_)
            | Action::Offers
            | Action::TellOffer(_)
            | Action::Vault(_) => {}
        }
    }
    slots(starts, ledger, view, policy)?;
    crowds(plan, ledger, view, policy)?;
    forgotten(plan, ledger, view, policy)
}

/// Of each group one run lives, and no two change the same files where that is not wanted.
fn crowds(plan: &Plan, ledger: &Ledger, view: &View, policy: &Policy) -> Result<(), Violation> {
    let context = Context { ledger, view, policy, now: Timestamp::default() };
    group::crowd(&context, plan).map_or(Ok(()), |subject| Err(Violation::Crowd(subject)))?;
    overlap::beside(&context, plan).map_or(Ok(()), |subject| Err(Violation::SameFiles(subject)))
}

/// Where something starts, all that takes slots fits into them.
fn slots(starts: BTreeMap<RepoName, u32>, ledger: &Ledger, view: &View, policy: &Policy) -> Result<(), Violation> {
    let context = Context { ledger, view, policy, now: Timestamp::default() };
    let live = ledger.issues().filter(|(_, state)| state.live_run().is_some());
    let takers: Vec<(Subject, u32)> = live.map(|(subject, state)| (subject.clone(), context.slots_of(&subject, state))).collect();
    let live = |of: Option<&RepoName>| -> u32 {
        takers.iter().filter(|(subject, _)| of.is_none_or(|repo| subject.repo == *repo)).map(|(_, slots)| slots).sum()
    };
    let all: u32 = starts.values().sum();
    let own = starts.iter().filter_map(|(repo, n)| Some((Some(repo), *n, policy.projects.get(repo)?.slots?)));
    for (of, starts, slots) in own.chain([(None, all, policy.slots)]) {
        let runs = live(of).saturating_add(starts);
        if starts > 0 && runs > slots {
            return Err(Violation::Slots { runs, slots });
        }
    }
    Ok(())
}

fn effect(ledger: &Ledger, subject: &Subject, intent: &Intent) -> Result<(), Violation> {
    let Some(state) = ledger.issue(subject) else { return Ok(()) };
    if state.open.contains_key(&intent.lane()) {
        return Err(Violation::Overlap(subject.clone()));
    }
    let needs_claim = matches!(
        intent,
        Intent::Agent { .. } | Intent::Push { .. } | Intent::OpenPull { .. } | Intent::Prepare { .. } | Intent::SetUp { .. }
    );
    if needs_claim && !matches!(state.claim, ClaimState::Ours(_)) {
        return Err(Violation::NoClaim(subject.clone()));
    }
    if let (Intent::Push { sha, .. } | Intent::OpenPull { sha, .. }, Some(run)) = (intent, state.live_run()) {
        let person = run.change.as_ref().is_some_and(|c| !c.person_paths.is_empty());
        let passed = run.is_proved(sha);
        let opens = matches!(intent, Intent::OpenPull { .. });
        if !passed && (!person || opens) {
            return Err(Violation::Unverified(subject.clone()));
        }
    }
    Ok(())
}

fn decision(ledger: &Ledger, event: &Event) -> Result<(), Violation> {
    match event {
        Event::Moved { subject, trigger, to } => {
            let at = ledger.issue(subject).and_then(|s| s.at);
            let allowed = super::target(at, *trigger).is_some_and(|row| row.resolve(at) == *to);
            if allowed { Ok(()) } else { Err(Violation::IllegalMove(subject.clone())) }
        }
        Event::RunStarted { subject, aside: None, .. } if ledger.issue(subject).is_some_and(|state| state.rests().is_some()) => {
            Err(Violation::BegunTwice(subject.clone()))
        }
        Event::RunStarted { subject, .. } => match ledger.issue(subject).map(|s| &s.claim) {
            Some(ClaimState::Ours(_)) => Ok(()),
            _ => Err(Violation::NoClaim(subject.clone())),
        },
        _ => Ok(()),
    }
}

fn forgotten(plan: &Plan, ledger: &Ledger, view: &View, policy: &Policy) -> Result<(), Violation> {
    let acts = |subject: &Subject| {
        plan.actions.iter().any(|action| match action {
            Action::Do { subject: s, .. }
            | Action::History(s)
            | Action::Dependencies(s)
            | Action::Files { subject: s, .. }
            | Action::Rights { subject: s, .. }
            | Action::Checks(s) => s == subject,
            Action::Record(events) => events.iter().any(|e| super::subject_of(ledger, e).as_ref() == Some(subject)),
            Action::Find { key } | Action::Stop { key, .. } => ledger.open(key).is_some_and(|(s, _)| s == subject),
            Action::Survey(_) | Action::Look(_) | Action::Renew(_) | Action::Offers | Action::TellOffer(_) | Action::Vault(_) => {
                false
            }
        })
    };
    let known = ledger.issues().filter(|(s, state)| policy.projects.contains_key(&s.repo) && state.seen.open);
    for (subject, _) in known {
        if !plan.waits.contains_key(&subject) && !acts(&subject) && !view.reading.contains(&subject) {
            return Err(Violation::Forgotten(subject));
        }
    }
    Ok(())
}
