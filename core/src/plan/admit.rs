//! What may start: slots, order, dependencies, money, the account, the claim.

use std::collections::{BTreeMap, BTreeSet};

use crate::formula::inputs;
use crate::ledger::{ClaimState, IssueState, RunState};
use crate::model::{
    About, Branch, Cost, Decision, Declined, Dependency, Event, ForgeEvent, Formula, FormulaName, Intent, LabelNames, Lane,
    Needed, Overlapping, RepoName, RunId, Subject, Timestamp, Usd, Wait, Wanted,
};

use super::beside::under_way;
use super::group::{Busy, Comer, Groups};
use super::overlap::Overlaps;
use super::quota::Begun;
use super::turns::Turns;
use super::{Action, Budget, Context, Plan, run};

/// An issue whose run could start, or go on.
pub(super) struct Candidate {
    pub(super) subject: Subject,
    wants: Wants,
    pub(super) age: Timestamp,
}

/// What it wants a slot for.
enum Wants {
    /// The formula that the label of the intake starts.
    Triage,
    /// The formula that the label of the queue starts.
    Work,
    /// The formula that does what is asked of the pull request.
    Revise(ForgeEvent),
    /// The formula that the last one handed over to.
    Handed(FormulaName),
    /// A formula beside the lifecycle that somebody asked for.
    Aside(Wanted),
    /// Its run gave its slot back at a gate, and this is the next thing that a hand does for it.
    Resume(Intent),
}

impl Candidate {
    pub(super) fn triage(subject: &Subject, state: &IssueState) -> Self {
        Self { subject: subject.clone(), wants: Wants::Triage, age: state.seen.created }
    }

    pub(super) fn work(subject: &Subject, state: &IssueState) -> Self {
        Self { subject: subject.clone(), wants: Wants::Work, age: state.queued.unwrap_or(state.at_since) }
    }

    pub(super) fn revise(subject: &Subject, state: &IssueState, event: ForgeEvent) -> Self {
        Self { subject: subject.clone(), wants: Wants::Revise(event), age: state.at_since }
    }

    pub(super) fn handed(subject: &Subject, state: &IssueState, to: &FormulaName) -> Self {
        Self { subject: subject.clone(), wants: Wants::Handed(to.clone()), age: state.at_since }
    }

    /// The run beside the lifecycle that was asked for first.
    pub(super) fn aside(subject: &Subject, state: &IssueState) -> Option<Self> {
        let (wanted, since) = state.wanted.first()?;
        Some(Self { subject: subject.clone(), wants: Wants::Aside(wanted.clone()), age: *since })
    }

    /// The first of those that the end of the issue's story started.
    pub(super) fn at_end(subject: &Subject, state: &IssueState) -> Option<Self> {
        let (wanted, since) = state.wanted.iter().find(|(wanted, _)| wanted.by.is_at_end())?;
        Some(Self { subject: subject.clone(), wants: Wants::Aside(wanted.clone()), age: *since })
    }

    pub(super) fn resume(subject: &Subject, run: &RunState, intent: Intent) -> Self {
        Self { subject: subject.clone(), wants: Wants::Resume(intent), age: run.started }
    }

    pub(super) fn resumes(&self) -> bool {
        matches!(self.wants, Wants::Resume(_))
    }

    /// The label that starts it, by its default name.
    fn label(&self) -> String {
        let names = LabelNames::default();
        if matches!(self.wants, Wants::Triage) { names.portal } else { names.queue }
    }

    /// Somebody waits for it, or the board does.
    pub(super) fn is_short(&self) -> bool {
        matches!(self.wants, Wants::Triage | Wants::Handed(_) | Wants::Aside(_) | Wants::Revise(_))
    }
}

/// A run that is to start as soon as it may.
struct Wish<'a> {
    subject: &'a Subject,
    state: &'a IssueState,
    formula: &'a Formula,
    /// What the issue depends on must be closed.
    depends: bool,
    /// Who wants it, beside the lifecycle.
    aside: Option<Wanted>,
    /// Since when it is wanted.
    since: Timestamp,
}

/// What becomes of a candidate.
pub(super) enum Verdict {
    Start(Action),
    /// It does not take place; this says why.
    Decline(Action),
    Wait(Wait),
    /// Another run is stopped for it, whose end it waits for.
    Replace(Action, Wait),
    Read(Action),
}

/// What is left to be granted.
struct Room<'a> {
    slots: u32,
    starts: u32,
    /// Slots taken in each project.
    taken: BTreeMap<RepoName, u32>,
    groups: Groups,
    begun: Begun,
    overlaps: Overlaps<'a>,
    day: Budget,
    projects: BTreeMap<RepoName, Budget>,
    /// Those that wait for a slot: of everybody's, and of their project's.
    ahead: u32,
    ahead_in: BTreeMap<RepoName, u32>,
}

/// Grants the free slots. Projects take turns: next is the one with the fewest slots, then the one that was served longest ago, so that
/// none starves however long another's queue is. Within a project: what was begun goes on first, then label `priority`, then triage (it is
/// short, and the board needs it) and what somebody asked for, then age in the queue. An issue has one run at a time.
pub(super) fn plan(context: &Context<'_>, candidates: Vec<Candidate>, plan: &mut Plan) {
    let mut room = Room::new(context);
    let mut turns = Turns::new(context, candidates, |repo| room.taken_in(repo));
    let (mut acted, mut idle) = (BTreeSet::new(), BTreeMap::new());
    while let Some(candidate) = turns.next() {
        let Some(state) = context.ledger.issue(&candidate.subject) else { continue };
        if acted.contains(&candidate.subject) {
            continue;
        }
        let repo = candidate.subject.repo.clone();
        let formula = context.formula_of(&candidate);
        let coming = formula.and_then(|formula| context.coming(&candidate.subject, state, formula));
        let verdict = match &candidate.wants {
            Wants::Resume(intent) => context.resume(&candidate.subject, intent, &room),
            Wants::Triage | Wants::Work => context.admit_started(&candidate, state, &room),
            Wants::Handed(to) => context.admit_handed(&candidate, to, state, &room),
            Wants::Revise(event) => context.admit_revision(&candidate, *event, state, &room),
            Wants::Aside(wanted) => context.admit_aside(&candidate, wanted, state, &room),
        };
        match verdict {
            Verdict::Decline(action) => {
                acted.insert(candidate.subject);
                plan.actions.push(action);
            }
            Verdict::Start(action) => {
                acted.insert(candidate.subject.clone());
                turns.serve(&repo);
                room.groups.begin(&action);
                room.overlaps.comes(coming, Overlapping::Run);
                match candidate.resumes() {
                    true => room.hold(&repo),
                    false => room.start(&repo, context.policy.usd_run),
                }
                if let Some(formula) = formula {
                    room.begun.begin(&repo, formula, context.policy.usd_run_of(formula));
                }
                plan.actions.push(action);
            }
            // The next plan sees that it is being stopped.
            Verdict::Replace(action, wait) => {
                room.groups.stop(&wait);
                room.overlaps.comes(coming, Overlapping::Turn);
                plan.actions.push(action);
                plan.waits.insert(candidate.subject, wait);
            }
            Verdict::Read(action) => {
                acted.insert(candidate.subject.clone());
                room.overlaps.comes(coming, Overlapping::Turn);
                turns.serve(&repo);
                room.hold(&repo);
                plan.actions.push(action);
            }
            Verdict::Wait(wait) => {
                match &wait {
                    // What is read for it decides whether it takes the slot; nobody behind it gets it meanwhile.
                    Wait::Acting { .. } => {
                        turns.serve(&repo);
                        room.hold(&repo);
                        room.overlaps.comes(coming, Overlapping::Turn);
                    }
                    Wait::NoSlot { .. } | Wait::Behind { .. } => {
                        turns.serve(&repo);
                        room.queue(&repo);
                    }
                    wait if room.overlaps.keeps_turn(wait) => room.overlaps.comes(coming, Overlapping::Turn),
                    // A lasting reason holds up nobody else.
                    _ => {}
                }
                // A claim is kept while something is read: it will be wanted in a moment.
                match wait {
                    Wait::Acting { .. } => drop(acted.insert(candidate.subject.clone())),
                    _ => idle
                        .extend(context.release(&candidate.subject, state).map(|release| (candidate.subject.clone(), release))),
                }
                // What is at work of it says more than what one of its steps waits for.
                let wait = if candidate.resumes() && state.is_busy() { Wait::Acting { what: under_way(state) } } else { wait };
                plan.waits.insert(candidate.subject, wait);
            }
        }
    }
    // A claim goes back where nothing that it could be for begins.
    plan.actions.extend(idle.into_iter().filter(|(subject, _)| !acted.contains(subject)).map(|(_, release)| release));
}

impl<'a> Room<'a> {
    fn new(context: &Context<'a>) -> Self {
        let mut taken: BTreeMap<RepoName, u32> = BTreeMap::new();
        for (subject, state) in context.ledger.issues() {
            let slots = context.slots_of(&subject, state);
            if slots > 0 {
                *taken.entry(subject.repo).or_default() += slots;
            }
        }
        let claiming = context.ledger.issues().filter(|(s, state)| taken.contains_key(&s.repo) && is_claiming(state)).count();
        let claiming = u32::try_from(claiming).unwrap_or(u32::MAX);
        Self {
            slots: context.policy.slots.saturating_sub(taken.values().sum()),
            starts: context.view.starts_left.unwrap_or(u32::MAX).saturating_sub(claiming),
            taken,
            groups: Groups::new(context),
            begun: Begun::default(),
            overlaps: Overlaps::new(context),
            day: context.day_budget(),
            projects: context.policy.projects.keys().map(|repo| (repo.clone(), context.project_budget(repo))).collect(),
            ahead: 0,
            ahead_in: BTreeMap::new(),
        }
    }

    fn taken_in(&self, repo: &RepoName) -> u32 {
        self.taken.get(repo).copied().unwrap_or(0)
    }

    fn hold(&mut self, repo: &RepoName) {
        self.slots = self.slots.saturating_sub(1);
        *self.taken.entry(repo.clone()).or_default() += 1;
    }

    fn start(&mut self, repo: &RepoName, usd_run: Usd) {
        self.hold(repo);
        self.starts = self.starts.saturating_sub(1);
        self.day.reserved += usd_run;
        if let Some(budget) = self.projects.get_mut(repo) {
            budget.reserved += usd_run;
        }
    }

    fn queue(&mut self, repo: &RepoName) {
        self.ahead += 1;
        *self.ahead_in.entry(repo.clone()).or_default() += 1;
    }

    /// Why there is no slot for a project; none where there is one. A run that goes on is no further start.
    fn full(&self, context: &Context<'_>, repo: &RepoName, resumes: bool) -> Option<Wait> {
        let own = context.policy.projects.get(repo).and_then(|p| p.slots);
        if let Some(slots) = own.filter(|slots| self.taken_in(repo) >= *slots) {
            return Some(match self.ahead_in.get(repo) {
                None => Wait::NoSlot { slots, project: Some(repo.clone()) },
                Some(others) => Wait::Behind { others: *others },
            });
        }
        if self.slots > 0 && (resumes || self.starts > 0) {
            return None;
        }
        Some(match self.ahead {
            0 => Wait::NoSlot { slots: context.policy.slots, project: None },
            others => Wait::Behind { others },
        })
    }
}

/// On the way to a run. The claim of one that is found `claude-working` only tells whether somebody is at work, unless a run beside the
/// lifecycle is wanted.
pub(super) fn is_claiming(state: &IssueState) -> bool {
    matches!(state.open.get(&Lane::Main).map(|o| &o.intent), Some(Intent::Claim { renews: None }))
        && (state.at != Some(Decision::Working) || !state.wanted.is_empty())
}

impl<'a> Context<'a> {
    /// The formula of a run that does not live yet; none where none is on that does it.
    fn formula_of(&self, candidate: &Candidate) -> Option<&'a Formula> {
        let project = self.policy.projects.get(&candidate.subject.repo)?;
        match &candidate.wants {
            Wants::Triage | Wants::Work => project.started_by(&candidate.label()),
            Wants::Revise(event) => project.reviser(*event),
            Wants::Handed(to) => project.formulas.get(to),
            Wants::Aside(wanted) => project.formulas.get(&wanted.formula),
            Wants::Resume(_) => None,
        }
    }
}

impl Context<'_> {
    /// How many slots an issue takes: a run that lives one, or as many as hands work for it side by side; a claim on its way to a run one. A
    /// run at a gate gave its slot back; one whose project is in trouble gives it away while nothing of it works on this machine, so that it
    /// does not hold up other projects.
    pub(super) fn slots_of(&self, subject: &Subject, state: &IssueState) -> u32 {
        let here = works_here(state);
        if !self.policy.projects.contains_key(&subject.repo) {
            return here;
        }
        let in_trouble = || self.project_wait(&subject.repo).is_some();
        match state.live_run() {
            Some(run) if !run.parked && here == 0 => u32::from(!in_trouble()),
            Some(_) => here,
            None => u32::from(is_claiming(state)),
        }
    }

    /// How much is worked on on this machine.
    pub(super) fn local_work(&self) -> u32 {
        self.ledger.issues().map(|(_, state)| works_here(state)).sum()
    }

    /// The reasons to wait, the lasting ones first, so that `explain` names what a person can change.
    fn admit(&self, candidate: &Candidate, formula: &Formula, state: &IssueState, room: &Room<'_>) -> Verdict {
        let subject = &candidate.subject;
        let triage = matches!(candidate.wants, Wants::Triage);
        if let Some(wait) = self.backs_off(state) {
            return Verdict::Wait(self.halted(subject).unwrap_or(wait));
        }
        if let Some(wait) = self.vault_wait(subject).filter(|_| !triage) {
            return Verdict::Wait(self.halted(subject).unwrap_or(wait));
        }
        if let Some(wait) = self.too_many_open(state, formula) {
            return Verdict::Wait(self.halted(subject).unwrap_or(wait));
        }
        let depends = matches!(candidate.wants, Wants::Work) || formula.require.dependencies_closed;
        self.start_when_free(Wish { subject, state, formula, depends, aside: None, since: candidate.age }, room)
    }

    /// The formula that a label of the lifecycle starts.
    fn admit_started(&self, candidate: &Candidate, state: &IssueState, room: &Room<'_>) -> Verdict {
        let Some(formula) = self.formula_of(candidate) else {
            let label = candidate.label();
            let because = format!("no formula that is on for this project is started by label {label}");
            return Verdict::Wait(Wait::NeedsFormula { needs: Needed::StartedBy(label), because });
        };
        self.admit(candidate, formula, state, room)
    }

    /// The formula that goes on.
    fn admit_handed(&self, candidate: &Candidate, to: &FormulaName, state: &IssueState, room: &Room<'_>) -> Verdict {
        match self.formula_of(candidate) {
            Some(formula) => match inputs::taken(&formula.inputs, BTreeMap::new()) {
                Ok(_) => self.admit(candidate, formula, state, room),
                Err(problem) => {
                    let because = format!("it was to go on with the issue, and {problem}: give that a default");
                    Verdict::Wait(Wait::NeedsFormula { needs: Needed::Named(to.clone()), because })
                }
            },
            None => {
                let because = "it was to go on with the issue, and is not on for this project any more".to_owned();
                Verdict::Wait(Wait::NeedsFormula { needs: Needed::Named(to.clone()), because })
            }
        }
    }

    fn admit_revision(&self, candidate: &Candidate, event: ForgeEvent, state: &IssueState, room: &Room<'_>) -> Verdict {
        let subject = &candidate.subject;
        let Some(formula) = self.formula_of(candidate) else {
            let because = format!("no formula that is on for this project is started by event {event}");
            return Verdict::Wait(Wait::NeedsFormula { needs: Needed::Revises(event), because });
        };
        if let Some(wait) = self.backs_off(state) {
            return Verdict::Wait(self.halted(subject).unwrap_or(wait));
        }
        let depends = formula.require.dependencies_closed;
        self.start_when_free(Wish { subject, state, formula, depends, aside: None, since: candidate.age }, room)
    }

    /// A run beside the lifecycle waits for what every run waits for; what the lifecycle waits for is none of its business.
    fn admit_aside(&self, candidate: &Candidate, wanted: &Wanted, state: &IssueState, room: &Room<'_>) -> Verdict {
        let subject = &candidate.subject;
        let decline = |declined| {
            let (subject, formula) = (subject.clone(), wanted.formula.clone());
            Verdict::Decline(Action::Record(vec![Event::Declined { subject, formula, declined }]))
        };
        let Some(formula) = self.formula_of(candidate) else {
            return decline(Declined::Off);
        };
        if formula.about() != About::of(subject) {
            return decline(Declined::About { now: formula.about() });
        }
        match inputs::taken(&formula.inputs, wanted.inputs.clone()) {
            Err(problem) => decline(Declined::Inputs { problem }),
            Ok(inputs) => {
                let wanted = Wanted { inputs, ..wanted.clone() };
                let depends = formula.require.dependencies_closed;
                self.start_when_free(Wish { subject, state, formula, depends, aside: Some(wanted), since: candidate.age }, room)
            }
        }
    }

    fn start_when_free(&self, wish: Wish<'_>, room: &Room<'_>) -> Verdict {
        let Wish { subject, state, formula, depends, since, .. } = wish;
        let lasting = self.blocked(subject, state, formula).or_else(|| self.labels_wait(subject, state, formula));
        if let Some(wait) =
            lasting.or_else(|| self.over_budget(subject, room)).or_else(|| self.over_quota(subject, formula, &room.begun))
        {
            return Verdict::Wait(wait);
        }
        let busy = self.busy(&Comer { subject, formula, since, aside: wish.aside.is_some() }, &room.groups);
        if let Busy::Decided(verdict) = busy {
            return verdict;
        }
        let full = room.full(self, &subject.repo, false);
        if depends {
            match &state.depends {
                None if full.is_some() => {}
                None => return self.read_dependencies(subject),
                Some(on) => {
                    if let Some(verdict) = self.dependencies(subject, on) {
                        return verdict;
                    }
                }
            }
        }
        if let Some(verdict) = self.files(subject, state, formula, full.is_some()) {
            return verdict;
        }
        if let Some(wait) = self.meets(&wish, &busy, full.is_some(), room) {
            return Verdict::Wait(wait);
        }
        if let Busy::Replaces(stops, wait) = busy {
            return Verdict::Replace(stops, wait);
        }
        if let Some(wait) = full {
            return Verdict::Wait(wait);
        }
        if let ClaimState::Ours(_) = state.claim {
            return Verdict::Start(self.start(subject, state, formula, wish.aside));
        }
        Verdict::Start(Action::Do { subject: subject.clone(), intent: Intent::Claim { renews: None } })
    }

    /// The change that it would meet. Where there is no slot that is said, unless another run would make room for it.
    fn meets(&self, wish: &Wish<'_>, busy: &Busy, full: bool, room: &Room<'_>) -> Option<Wait> {
        let stopped = if let Busy::Replaces(_, Wait::Group { on, .. }) = busy { Some(on) } else { None };
        if full && stopped.is_none() {
            return None;
        }
        room.overlaps.in_the_way(&self.coming(wish.subject, wish.state, wish.formula)?, stopped)
    }

    /// What holds up whatever is new.
    pub(super) fn halted(&self, subject: &Subject) -> Option<Wait> {
        if self.view.draining {
            return Some(Wait::Draining);
        }
        if self.policy.projects.get(&subject.repo).is_some_and(|p| p.leaving) {
            return Some(Wait::Leaving);
        }
        if let Some((what, pause)) = self.ledger.pause_of(subject, self.now) {
            return Some(Wait::Paused { what, until: pause.until });
        }
        self.project_wait(&subject.repo)
    }

    /// People come first to what is done: nothing new is begun while too much of it waits for them.
    fn too_many_open(&self, state: &IssueState, formula: &Formula) -> Option<Wait> {
        if !formula.opens_pull() || state.open_pull().is_some() {
            return None;
        }
        let waits = |(subject, state): &(Subject, &IssueState)| {
            let known = self.policy.projects.contains_key(&subject.repo);
            known && state.at == Some(Decision::Pr) && state.live_run().is_none() && state.open_pull().is_some()
        };
        let (open, limit) = (self.ledger.issues().filter(waits).count(), self.policy.open_pulls);
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        (open >= limit).then_some(Wait::OpenPulls { open, limit })
    }

    fn backs_off(&self, state: &IssueState) -> Option<Wait> {
        let until = state.backoff.filter(|until| *until > self.now)?;
        let outcome = state.last.as_ref().map_or("failed", |last| last.outcome.word()).to_owned();
        let failed = state.last.as_ref().map(|last| last.outcome.cost());
        let attempt = if failed == Some(Cost::Pause) { state.setup_failures } else { state.attempts };
        Some(Wait::Backoff { until, attempt, outcome })
    }

    fn blocked(&self, subject: &Subject, state: &IssueState, formula: &Formula) -> Option<Wait> {
        if let Some(wait) = self.halted(subject) {
            return Some(wait);
        }
        if let ClaimState::Theirs { by, until } = &state.claim
            && *until > self.now
        {
            return Some(Wait::Claimed { by: by.clone(), until: *until });
        }
        self.disk_wait().or_else(|| self.accounts_wait(formula))
    }

    fn disk_wait(&self) -> Option<Wait> {
        let room = self.view.room.filter(|room| room.free < room.floor)?;
        Some(Wait::Disk { free: room.free, floor: room.floor })
    }

    /// A run behind its gate goes on also where all is paused: it was begun. What it may cost is kept for it since then, so no budget holds it;
    /// what keeps its agent from working keeps it waiting.
    fn resume(&self, subject: &Subject, intent: &Intent, room: &Room<'_>) -> Verdict {
        let wait = match self.view.draining {
            true => Some(Wait::Draining),
            false => self.project_wait(&subject.repo).or_else(|| self.disk_wait()).or_else(|| self.no_agent(intent)),
        };
        match wait.or_else(|| room.full(self, &subject.repo, true)) {
            Some(wait) => Verdict::Wait(wait),
            None => Verdict::Start(Action::Do { subject: subject.clone(), intent: intent.clone() }),
        }
    }

    /// A run that cannot be paid does not start.
    fn over_budget(&self, subject: &Subject, room: &Room<'_>) -> Option<Wait> {
        let run = self.policy.usd_run;
        let project = room.projects.get(&subject.repo).filter(|budget| !budget.pays_for(run));
        let budget = project.or_else(|| Some(&room.day).filter(|budget| !budget.pays_for(run)))?;
        let which = if project.is_some() { "project" } else { "day" }.to_owned();
        let Budget { spent, reserved, limit, .. } = *budget;
        Some(Wait::Budget { which, spent, reserved, limit, until: Some(self.now.next_day()) })
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

    fn start(&self, subject: &Subject, state: &IssueState, formula: &Formula, aside: Option<Wanted>) -> Action {
        let number = state.runs_started + 1;
        let prefix = self.policy.projects.get(&subject.repo).map_or("claude/issue-", |p| p.branch_prefix.as_str());
        let writes = formula.steps.iter().any(run::writes);
        let journal = self.policy.journal.short();
        // It names folders and refs, whose length git limits.
        let folder: String = subject.repo.folder().chars().take(60).collect();
        let started = Event::RunStarted {
            run: RunId(format!("{folder}-{}-{number}-{journal}", subject.issue.0)),
            subject: subject.clone(),
            formula: Box::new(formula.clone()),
            attempt: if aside.is_some() { 1 } else { state.attempts + 1 },
            branch: match About::of(subject) {
                About::Issue if formula.keeps_branch() => formula.branch_of(prefix, subject.issue),
                // Who reviews reads what is to be merged; who revises goes on with it.
                About::Issue if formula.reviews() || (formula.revises() && state.open_pull().is_some()) => {
                    state.pull.as_ref().map_or_else(read_only, |pull| pull.branch.clone())
                }
                _ if !writes => read_only(),
                // More work on a pull request goes on where that is, whoever opened it.
                About::Issue => match state.open_pull() {
                    Some(pull) => pull.branch.clone(),
                    None => formula.branch_of(prefix, subject.issue),
                },
                About::Project => Branch(format!("forgehand/{}", formula.name)),
            },
            aside,
            kept: self.ledger.kept(subject),
        };
        Action::Record(std::iter::once(started).chain(self.replaced_forward(subject, formula)).collect())
    }
}

/// The branch of who pushes none.
fn read_only() -> Branch {
    "forgehand-read".into()
}

/// How much of an issue works on this machine.
fn works_here(state: &IssueState) -> u32 {
    u32::try_from(state.open.values().filter(|open| open.intent.is_local()).count()).unwrap_or(u32::MAX)
}
