//! One event at a time into the ledger.

use crate::model::{
    AccountName, Advance, Cost, Dependency, EffectKey, Event, Failure, FailureKind, Formula, Intent, Mute, Outcome, Record,
    RunOutcome, SeenIssue, StopWhy, Subject, TextMark, Timestamp,
};

use super::issue::begins_anew;
use super::{Decided, InTrouble, IssueState, Ledger, Open, Reviews, RunState, RunSummary, Triaged};

impl Ledger {
    /// The fold of a whole journal.
    pub fn fold(records: &[Record]) -> Self {
        let mut ledger = Self::default();
        for record in records {
            ledger.apply(record);
        }
        ledger
    }

    /// Folds one more record in.
    pub fn apply(&mut self, record: &Record) {
        self.seq = record.seq;
        let at = record.at;
        self.about_project(&record.event, at);
        let ending = self.ending(&record.event);
        if let Some(ended) = self.ends_action(&record.event) {
            self.action_ended(ended, at);
        }
        match &record.event {
            Event::Started { .. } => self.started(),
            Event::Stopped | Event::Did { .. } => {}
            Event::Commanded { row, command, after_look } => {
                self.inbox_row = *row;
                if *after_look {
                    self.commanded(command, at);
                }
            }
            Event::Paused { what, until } => self.paused(what, *until, at),
            Event::Resumed { what } => drop(self.paused.remove(what)),
            Event::BudgetWarned { what, at_percent, limit, .. } => self.warned(what, *at_percent, *limit, at),
            Event::Scheduled { repo, formula, cron } => self.scheduled(repo, formula, cron.as_deref(), at),
            Event::Surveyed { repo, facts } => {
                let project = self.projects.entry(repo.clone()).or_default();
                let mut facts = facts.clone();
                // What an agent that is gone wrote stays ours, and what one wrote by another account. On another forge a name is somebody else's.
                for before in project.facts.iter().filter(|before| before.forge == facts.forge) {
                    for (agent, login) in &before.others {
                        facts.others.entry(agent.clone()).or_insert_with(|| login.clone());
                    }
                    facts.former.extend(before.others.values().chain(&before.former).cloned());
                }
                let now = &facts.others;
                facts.former.retain(|login| now.values().all(|other| other != login));
                project.facts = Some(facts);
                project.trouble = None;
            }
            Event::Looked { repo, until } => self.projects.entry(repo.clone()).or_default().looked = Some(*until),
            Event::Began { repo, at } => self.began(repo, *at),
            Event::Troubled { repo, trouble, until } => {
                let project = self.projects.entry(repo.clone()).or_default();
                project.trouble = Some(InTrouble::after(project.trouble.take(), trouble.clone(), at, *until));
            }
            Event::Recovered { repo } => self.projects.entry(repo.clone()).or_default().trouble = None,
            Event::Seen { subject, issue } => self.seen(subject, issue, at),
            Event::Settled { subject } => self.settle(subject, at),
            Event::DependencySeen { dependency } => self.dependency_seen(dependency),
            Event::Intended { key, subject, intent } => {
                if let Intent::Mend { probe, .. } = intent {
                    self.mends(probe, at);
                }
                self.intended(key, subject, intent, at);
            }
            Event::NotFound { key } => {
                if let Some(open) = self.open_mut(key) {
                    open.not_found += 1;
                }
            }
            Event::Ended { key, outcome } => self.ended(key, outcome, at),
            Event::RunStarted { run, subject, formula, attempt, branch, aside, kept } => {
                self.runs.insert(run.clone(), subject.clone());
                if let Some(project) = self.projects.get_mut(&subject.repo) {
                    project.served = Some(at);
                    project.used.entry(formula.name.clone()).or_default().of(&at.day()).runs += 1;
                }
                if let Some(issue) = self.issue_mut(subject) {
                    issue.runs_started += 1;
                    let mut started = RunState::new(run.clone(), Formula::clone(formula), *attempt, branch.clone(), at);
                    started.kept.clone_from(kept);
                    match (aside, &issue.given) {
                        (Some(wanted), _) => issue.begun_aside(&mut started, wanted),
                        (None, Some((of, given))) if *of == started.formula.name => started.give(given),
                        (None, _) => {}
                    }
                    issue.run = Some(started);
                }
            }
            Event::Vault { repo, what } => self.offered(repo, what, at),
            Event::Called { run, call, step } => self.called(run, call, step.as_ref(), at),
            Event::AccountPaused { until, why, account } => {
                let account = self.accounts.entry(account.clone().unwrap_or_else(AccountName::usual)).or_default();
                account.paused = Some((*until, why.clone()));
                account.failures += 1;
            }
            Event::SignInRenewed { account, failed } => {
                self.accounts.entry(account.clone()).or_default().not_renewed.clone_from(failed);
            }
            Event::SessionStarted { run, .. }
            | Event::Advanced { run, .. }
            | Event::Stopping { run, .. }
            | Event::RunEnded { run, .. } => {
                let Some(subject) = self.runs.get(run).cloned() else { return };
                if let Some(issue) = self.issue_mut(&subject) {
                    issue.apply_run(&record.event, at);
                }
                self.schedule_moved(&subject, &record.event, at);
            }
            Event::PullFound { subject, .. }
            | Event::PullForeign { subject, .. }
            | Event::CommentFound { subject, .. }
            | Event::Reported { subject } => {
                if let Some(issue) = self.issue_mut(subject) {
                    issue.apply_found(&record.event, at);
                }
            }
            Event::Asked { subject, .. }
            | Event::Heard { subject, .. }
            | Event::Wanted { subject, .. }
            | Event::Declined { subject, .. } => {
                if let Some(issue) = self.issue_mut(subject) {
                    issue.apply_wanted(&record.event, at);
                }
                self.schedule_moved(subject, &record.event, at);
            }
            Event::Answered { subject, .. }
            | Event::Depends { subject, .. }
            | Event::FilesSought { subject, .. }
            | Event::PullSeen { subject, .. }
            | Event::ChecksSeen { subject, .. }
            | Event::PullMoved { subject, .. }
            | Event::LabelsRead { subject, .. }
            | Event::Obeyed { subject }
            | Event::Moved { subject, .. } => {
                if let Some(issue) = self.issue_mut(subject) {
                    issue.apply(&record.event, at);
                }
            }
        }
        if let Some(ending) = ending {
            self.note_end(&ending);
        }
    }

    pub(super) fn issue_mut(&mut self, subject: &Subject) -> Option<&mut IssueState> {
        self.projects.get_mut(&subject.repo)?.living(subject.issue)
    }

    fn open_mut(&mut self, key: &EffectKey) -> Option<&mut Open> {
        let (subject, lane) = self.open.get(key)?.clone();
        self.issue_mut(&subject)?.open.get_mut(&lane)
    }

    /// Whoever intended what is still open is gone.
    fn started(&mut self) {
        for issue in self.projects.values_mut().flat_map(|p| p.issues.values_mut()) {
            for open in issue.open.values_mut() {
                open.doubtful = true;
            }
        }
    }

    fn seen(&mut self, subject: &Subject, seen: &SeenIssue, at: Timestamp) {
        let first = self.seq;
        let project = self.projects.entry(subject.repo.clone()).or_default();
        project.living(subject.issue);
        let fresh = || IssueState { first, ..IssueState::new(seen.clone(), at) };
        project.issues.entry(subject.issue).or_insert_with(fresh).see(seen);
    }

    fn dependency_seen(&mut self, seen: &Dependency) {
        for issue in self.projects.values_mut().flat_map(|p| p.issues.values_mut()) {
            for known in issue.depends.iter_mut().flatten() {
                if known.repo == seen.repo && known.issue == seen.issue {
                    known.open = seen.open;
                }
            }
        }
    }

    fn intended(&mut self, key: &EffectKey, subject: &Subject, intent: &Intent, at: Timestamp) {
        let Some(issue) = self.issue_mut(subject) else { return };
        let lane = intent.lane();
        issue.effects += 1;
        if let Some(run) = issue.run.as_mut() {
            run.hand_begins(intent);
        }
        if let Intent::Push { sha, .. } = intent
            && !issue.live_run().is_some_and(|run| run.formula.keeps_branch())
        {
            issue.pushing = Some(sha.clone());
        }
        let open = Open { key: key.clone(), intent: intent.clone(), since: at, not_found: 0, doubtful: false };
        issue.open.insert(lane.clone(), open);
        self.open.insert(key.clone(), (subject.clone(), lane));
    }

    fn ended(&mut self, key: &EffectKey, outcome: &Outcome, at: Timestamp) {
        let Some((subject, lane)) = self.open.get(key).cloned() else { return };
        let Some(issue) = self.issue_mut(&subject) else { return };
        if let Outcome::Failed { failure: Failure { kind: FailureKind::Doubtful, .. } } = outcome {
            if let Some(open) = issue.open.get_mut(&lane) {
                open.doubtful = true;
            }
            issue.count_failure(outcome, &lane, at);
            return;
        }
        let Some(open) = issue.open.remove(&lane) else { return };
        issue.outcome(&open.intent, outcome, &lane, at);
        let gone = issue.run.as_ref().filter(|_| matches!(outcome, Outcome::Discarded { .. })).map(|run| run.id.clone());
        if let Some(run) = gone {
            issue.run = None;
            self.runs.remove(&run);
        }
        self.open.remove(key);
        if let (Intent::Rewrite { on, .. }, Outcome::Rewritten { text: Some(text) }) = (&open.intent, outcome) {
            let on = Subject { issue: on.unwrap_or(subject.issue), ..subject.clone() };
            if let Some(issue) = self.issue_mut(&on) {
                issue.rewritten(text);
            }
        }
        if let (Outcome::Filed { issue, .. }, Some(project), false) =
            (outcome, self.projects.get_mut(&subject.repo), subject.is_project())
        {
            project.filed_for.insert(*issue, subject.issue);
        }
        if let (
            Outcome::Labelled { learned, .. } | Outcome::Relabelled { learned, .. } | Outcome::Filed { learned, .. },
            Some(project),
        ) = (outcome, self.projects.get_mut(&subject.repo))
            && let Some(facts) = project.facts.as_mut()
        {
            facts.labels.extend(learned.iter().filter(|l| !facts.labels.contains(l)).cloned().collect::<Vec<_>>());
        }
    }
}

impl IssueState {
    /// We wrote its text anew: that answers no question, and is no other report.
    fn rewritten(&mut self, text: &TextMark) {
        let before = std::mem::replace(&mut self.seen.text, text.clone());
        let known = self.asked.iter_mut().chain(self.triaged.iter_mut().map(|triaged| &mut triaged.text));
        known.filter(|mark| **mark == before).for_each(|mark| *mark = text.clone());
    }

    pub(super) fn see(&mut self, seen: &SeenIssue) {
        if self.seen.text != seen.text || self.seen.depends != seen.depends {
            self.depends = None;
        }
        if self.seen.open && !seen.open {
            self.closes();
        }
        if seen.open && !self.seen.open {
            self.opens();
        }
        self.seen = seen.clone();
        self.forget_labels();
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Answered { .. } => self.answered = true,
            Event::Depends { on, .. } => self.depends = Some(on.clone()),
            Event::FilesSought { sought, .. } => self.files = Some(sought.clone()),
            Event::PullSeen { state, .. } => {
                if let Some(pull) = self.pull.as_mut() {
                    pull.state = *state;
                }
            }
            Event::ChecksSeen { checks, changes_requested, conflicts, approved, head, asks, comments, mute, weighed, .. } => {
                if let Some(pull) = self.pull.as_mut() {
                    pull.weigh(weighed.as_deref(), at);
                    pull.asks.clone_from(asks);
                    pull.commented(comments);
                    pull.cut = *mute == Mute::Cut;
                    pull.idle = (*mute == Mute::Idle).then(|| pull.idle.unwrap_or(at));
                    pull.checks = *checks;
                    pull.changes_requested = *changes_requested;
                    pull.conflicts = *conflicts;
                    pull.approved = *approved;
                    pull.head = head.clone().unwrap_or_else(|| pull.head.clone());
                    pull.reviews = Reviews::Read;
                }
            }
            Event::PullMoved { at, .. } => {
                if let Some(pull) = self.pull.as_mut() {
                    pull.moved_at(*at);
                }
            }
            Event::LabelsRead { found, meaning, .. } => self.labels_read(found, *meaning, at),
            Event::Obeyed { .. } => self.commanded = None,
            Event::Moved { trigger, to, .. } => self.moved(*trigger, *to, at),
            _ => {}
        }
    }

    fn apply_run(&mut self, event: &Event, at: Timestamp) {
        let working = match event {
            Event::SessionStarted { session, .. } => self.in_session(session).cloned().map(|step| (step, session.clone())),
            _ => None,
        };
        if self.waits_beside(event) {
            return;
        }
        let Some(run) = self.run.as_mut() else { return };
        match event {
            Event::Advanced { step, how: how @ (Advance::PutForward { .. } | Advance::SteppedBack { .. }), .. } => {
                run.advance(step, how, at);
                self.steps_back();
            }
            Event::SessionStarted { .. } => run.sessions.extend(working),
            Event::Advanced { step, how, .. } => {
                run.advance(step, how, at);
                if let Advance::Kept { kept } = how {
                    self.kept.insert(kept.name.clone(), kept.clone());
                }
                if let (Advance::Promised { wanted }, Some(pull)) = (how, self.pull.as_mut()) {
                    pull.then = Some(wanted.clone());
                }
            }
            Event::Stopping { why, .. } => run.stopping = Some(*why),
            Event::RunEnded { outcome, costs_attempt, backoff_until, .. } => {
                run.ended = Some(outcome.clone());
                let summary = Some(RunSummary {
                    run: run.id.clone(),
                    formula: run.formula.name.to_string(),
                    attempt: run.attempt,
                    outcome: outcome.clone(),
                    started: run.started,
                    ended: at,
                    cost: run.cost,
                    unmetered: run.unmetered,
                    branch: run.branch.clone(),
                    workspace: None,
                });
                let decided = Decided::of(run, outcome).filter(|_| !run.aside || matches!(outcome, RunOutcome::Routed { .. }));
                if let (Some(decided), Some(prepared)) = (decided, &run.prepared) {
                    let (text, read_up_to) = (prepared.text.clone(), prepared.read_up_to);
                    let before = self.triaged.take();
                    let breakdown = before.as_ref().and_then(|t| t.breakdown);
                    // Who goes on with it need not name them again.
                    let files = Triaged::files_of(run).or_else(|| before.map(|t| t.files)).unwrap_or_default();
                    self.triaged = Some(Triaged { text, decided, read_up_to, breakdown, files });
                }
                let ended = run.clone();
                self.sighted(&ended, at);
                self.revised(&ended, outcome);
                let Some(run) = self.run.as_ref() else { return };
                if run.aside {
                    self.aside = summary;
                    return;
                }
                if run.stopping == Some(StopWhy::Replaced) {
                    // It is behind whoever took its place.
                    self.queued = Some(at);
                }
                if let RunOutcome::HandedOver { to, .. } = outcome {
                    if begins_anew(run, self.hand.as_ref()) {
                        self.handed.clear();
                    }
                    self.handed.insert(to.clone());
                    self.hand = Some(to.clone());
                }
                self.last = summary;
                self.attempts += u32::from(*costs_attempt);
                self.setup_failures += u32::from(outcome.cost() == Cost::Pause);
                self.backoff = *backoff_until;
            }
            _ => {}
        }
    }
}
