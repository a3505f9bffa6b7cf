//! What may start: slots, order, dependencies, money, the account, the claim.

use crate::ledger::{ClaimState, IssueState};
use crate::model::{Branch, Decision, Dependency, Event, FormulaName, Intent, Lane, RunId, Subject, Timestamp, Usd, Wait};

use super::{Action, Context, Plan, run};

/// An issue that could start.
pub(super) struct Candidate {
    subject: Subject,
    formula: FormulaName,
    triage: bool,
    age: Timestamp,
}

impl Candidate {
    pub(super) fn triage(subject: &Subject, state: &IssueState) -> Self {
        Self { subject: subject.clone(), formula: "triage".into(), triage: true, age: state.seen.created }
    }

    pub(super) fn fix(subject: &Subject, state: &IssueState) -> Self {
        Self { subject: subject.clone(), formula: "fix".into(), triage: false, age: state.queued.unwrap_or(state.at_since) }
    }
}

/// What becomes of a candidate.
enum Verdict {
    Start(Action),
    Wait(Wait),
    Read(Action),
}

/// Grants the free slots: label `priority` first, then triage (it is short, and the board needs it), then age in the queue.
pub(super) fn plan(context: &Context<'_>, mut candidates: Vec<Candidate>, plan: &mut Plan) {
    let priority = |c: &Candidate| {
        let names = context.policy.projects.get(&c.subject.repo).map(|p| &p.labels);
        context.ledger.issue(&c.subject).zip(names).is_some_and(|(s, names)| s.seen.labels.contains(&names.priority))
    };
    candidates.sort_by_key(|c| (!priority(c), !c.triage, c.age, c.subject.clone()));
    let mut free = context.policy.slots.saturating_sub(context.used());
    let mut starts = context.view.starts_left.unwrap_or(u32::MAX).saturating_sub(context.claiming());
    let mut ahead = 0;
    for candidate in candidates {
        let Some(state) = context.ledger.issue(&candidate.subject) else { continue };
        let verdict = context.admit(&candidate, state, free.min(starts) > 0, ahead);
        match verdict {
            Verdict::Start(action) => {
                free = free.saturating_sub(1);
                starts = starts.saturating_sub(1);
                plan.actions.push(action);
            }
            Verdict::Read(action) => {
                free = free.saturating_sub(1);
                plan.actions.push(action);
            }
            Verdict::Wait(wait) => {
                // What is read for it decides whether it takes the slot; nobody behind it gets it meanwhile.
                free = free.saturating_sub(u32::from(matches!(wait, Wait::Acting { .. })));
                ahead += u32::from(matches!(wait, Wait::NoSlot { .. } | Wait::Behind { .. }));
                // A claim is kept while something is read: it will be wanted in a moment.
                let keep = matches!(wait, Wait::Acting { .. });
                plan.actions.extend(context.release(&candidate.subject, state).filter(|_| !keep));
                plan.waits.insert(candidate.subject, wait);
            }
        }
    }
}

impl Context<'_> {
    /// Slots that are taken: runs that live, and claims on their way to one.
    fn used(&self) -> u32 {
        let live = self.ledger.issues().filter(|(_, s)| s.live_run().is_some()).count();
        u32::try_from(live).unwrap_or(u32::MAX).saturating_add(self.claiming())
    }

    fn claiming(&self) -> u32 {
        // The claim of one that is found `claude-working` only tells whether somebody is at work.
        let claiming = |s: &IssueState| {
            matches!(s.open.get(&Lane::Main).map(|o| &o.intent), Some(Intent::Claim { renews: None }))
                && s.at != Some(Decision::Working)
        };
        u32::try_from(self.ledger.issues().filter(|(_, s)| claiming(s)).count()).unwrap_or(u32::MAX)
    }

    /// The reasons to wait, the lasting ones first, so that `explain` names what a person can change.
    fn admit(&self, candidate: &Candidate, state: &IssueState, free: bool, ahead: u32) -> Verdict {
        let subject = &candidate.subject;
        let Some(formula) = self.policy.projects.get(&subject.repo).and_then(|p| p.formulas.get(&candidate.formula)) else {
            let because = "the formula is not on for this project".to_owned();
            return Verdict::Wait(Wait::NeedsFormula { formula: candidate.formula.clone(), because });
        };
        if let Some(wait) = self.blocked(subject, state) {
            return Verdict::Wait(wait);
        }
        if !candidate.triage {
            match &state.depends {
                None if !free => {}
                None => return self.read_dependencies(subject),
                Some(on) => {
                    if let Some(verdict) = self.dependencies(subject, on) {
                        return verdict;
                    }
                }
            }
        }
        if !free {
            let waits = if ahead == 0 { Wait::NoSlot { slots: self.policy.slots } } else { Wait::Behind { others: ahead } };
            return Verdict::Wait(waits);
        }
        if let ClaimState::Ours(_) = state.claim {
            return Verdict::Start(self.start(subject, state, formula));
        }
        Verdict::Start(Action::Do { subject: subject.clone(), intent: Intent::Claim { renews: None } })
    }

    fn blocked(&self, subject: &Subject, state: &IssueState) -> Option<Wait> {
        if self.view.draining {
            return Some(Wait::Draining);
        }
        if let Some(wait) = self.project_wait(&subject.repo) {
            return Some(wait);
        }
        if let Some(until) = state.backoff.filter(|until| *until > self.now) {
            let outcome = state.last.as_ref().map_or("failed", |last| last.outcome.word()).to_owned();
            return Some(Wait::Backoff { until, attempt: state.attempts, outcome });
        }
        if let ClaimState::Theirs { by, until } = &state.claim
            && *until > self.now
        {
            return Some(Wait::Claimed { by: by.clone(), until: *until });
        }
        if !self.view.credentials {
            return Some(Wait::NoCredentials);
        }
        if let Some((until, why)) = self.ledger.account_paused.as_ref().filter(|(until, _)| *until > self.now) {
            return Some(Wait::AccountPaused { until: *until, why: why.clone() });
        }
        self.over_budget(subject)
    }

    /// A run that cannot be paid does not start.
    fn over_budget(&self, subject: &Subject) -> Option<Wait> {
        let day = self.now.day();
        let project = self.ledger.projects.get(&subject.repo).map_or(Usd::default(), |p| p.spent_on(&day));
        let limits = [("project", project, self.policy.usd_project), ("day", self.ledger.spent_on(&day), self.policy.usd_day)];
        let (which, spent, limit) =
            limits.into_iter().find(|(_, spent, limit)| *spent + self.policy.usd_run.min(*limit) > *limit)?;
        Some(Wait::Budget { which: which.into(), spent, limit, until: Some(self.now.next_day()) })
    }

    fn dependencies(&self, subject: &Subject, on: &[Dependency]) -> Option<Verdict> {
        let open: Vec<Dependency> = on.iter().filter(|d| d.open).cloned().collect();
        if open.is_empty() {
            return None;
        }
        // Looks show only what moves in projects under care; of others it is asked now and then.
        let foreign = open.iter().any(|d| !self.policy.projects.contains_key(&d.repo));
        let due = self.view.depends_read.get(subject).is_none_or(|at| self.now >= *at + self.policy.trouble_pause);
        if foreign && due {
            return Some(self.read_dependencies(subject));
        }
        Some(Verdict::Wait(Wait::Dependencies { open }))
    }

    fn read_dependencies(&self, subject: &Subject) -> Verdict {
        if self.view.reading.contains(subject) {
            return Verdict::Wait(Wait::Acting { what: "reading its dependencies".into() });
        }
        Verdict::Read(Action::Dependencies(subject.clone()))
    }

    fn start(&self, subject: &Subject, state: &IssueState, formula: &crate::model::Formula) -> Action {
        let number = state.runs_started + 1;
        let prefix = self.policy.projects.get(&subject.repo).map_or("claude/issue-", |p| p.branch_prefix.as_str());
        let writes = formula.steps.iter().any(run::writes);
        let journal: String = self.policy.journal.as_str().chars().take(8).collect();
        // It names folders and refs, whose length git limits.
        let folder: String = subject.repo.folder().chars().take(60).collect();
        Action::Record(vec![Event::RunStarted {
            run: RunId(format!("{folder}-{}-{number}-{journal}", subject.issue.0)),
            subject: subject.clone(),
            formula: formula.clone(),
            attempt: state.attempts + 1,
            branch: if writes { Branch(format!("{prefix}{}", subject.issue.0)) } else { "forgehand-read".into() },
        }])
    }
}
