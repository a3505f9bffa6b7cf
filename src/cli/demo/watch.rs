//! Follows the daemon's journal, as `forgehand logs -f` does, and keeps what the demo has to know of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::JournalReader;
use crate::ledger::{IssueState, Ledger};
use crate::model::{Event, IssueNumber, JournalId, LabelNames, Outcome, Record, RepoName, Risk, Sha, Subject, Wait};
use crate::plan::{Plan, subject_of};
use crate::ports::Clock;
use crate::words;

use super::super::CliError;
use super::super::board::state_word;
use super::super::setup::{Known, Setup, SystemClock};
use super::board::Screen;

/// What was seen in the journal so far.
pub(super) struct Watch<'a> {
    setup: &'a Setup,
    reader: Option<JournalReader>,
    known: Known,
    repo: RepoName,
    pub(super) names: LabelNames,
    /// The daemon of this demo has begun.
    begun: bool,
    /// Issues whose work did not pass its verification at least once.
    rejected: BTreeSet<u64>,
    /// The commit of each issue that passed last.
    verified: BTreeMap<u64, Sha>,
}

impl<'a> Watch<'a> {
    /// Of the one project of the configuration.
    pub(super) fn new(setup: &'a Setup) -> Result<Self, CliError> {
        let Some(project) = setup.config.projects.first() else {
            return Err(CliError::usage("the demo's configuration names no project", "take another folder"));
        };
        let known = Known {
            ledger: Ledger::default(),
            policy: setup.policy(JournalId(String::new()))?,
            now: SystemClock.now(),
            daemon_lives: true,
            standings: setup.standings(),
            room: setup.room(),
        };
        let (repo, names) = (project.repo.clone(), project.labels.clone());
        let (rejected, verified) = (BTreeSet::new(), BTreeMap::new());
        let mut watch = Self { setup, reader: None, known, repo, names, begun: false, rejected, verified };
        // What an earlier demo in this folder brought is no news.
        for record in watch.read_on() {
            watch.note(&record);
        }
        watch.begun = false;
        Ok(watch)
    }

    /// Shows where everything stands that is known already.
    pub(super) fn show(&self, screen: &mut Screen) {
        let past = self.known.ledger.past().filter_map(|(subject, past)| Some((subject, past.state()?)));
        for (subject, state) in self.known.ledger.issues().chain(past) {
            screen.place(subject.issue.0, place(state, &self.names));
        }
    }

    /// Reads on, shows what changed, and answers with the plan as the daemon would make it now.
    pub(super) fn catch_up(&mut self, screen: &mut Screen) -> Plan {
        for record in self.read_on() {
            let Some(subject) = self.note(&record) else { continue };
            if let Event::Ended { outcome: Outcome::Verified { evidence }, .. } = &record.event
                && !evidence.passed
            {
                screen.say(&format!("#{}  its verification failed, and the output goes back to the agent", subject.issue.0));
            }
            if let Some(state) = self.known.ledger.issue(&subject) {
                screen.place(subject.issue.0, place(state, &self.names));
            }
        }
        self.known.now = SystemClock.now();
        let plan = self.known.plan();
        for (subject, wait) in &plan.waits {
            let resting = self.known.ledger.issue(subject).is_some_and(|state| state.live_run().is_none());
            let told = if resting && is_told(wait) { words::wait(wait, &self.names) } else { String::new() };
            screen.wait(subject.issue.0, told);
        }
        plan
    }

    fn read_on(&mut self) -> Vec<Record> {
        if self.reader.is_none() {
            // It may be in the making. One that stays unreadable is what the daemon's log tells of.
            self.reader = JournalReader::open(&self.setup.state_dir).ok().flatten();
        }
        self.reader.as_ref().and_then(|reader| reader.after(self.known.ledger.seq).ok()).unwrap_or_default()
    }

    /// Takes a record in, and answers with the issue that it is about.
    fn note(&mut self, record: &Record) -> Option<Subject> {
        self.begun |= matches!(record.event, Event::Started { .. });
        let before = subject_of(&self.known.ledger, &record.event);
        self.known.ledger.apply(record);
        let subject = before.or_else(|| subject_of(&self.known.ledger, &record.event))?;
        if let Event::Ended { outcome: Outcome::Verified { evidence }, .. } = &record.event {
            if evidence.passed {
                self.verified.insert(subject.issue.0, evidence.sha.clone());
            } else {
                self.rejected.insert(subject.issue.0);
            }
        }
        Some(subject)
    }

    /// Whether the daemon that was started now is at work.
    pub(super) fn has_begun(&self) -> bool {
        self.begun || crate::journal::is_written(&self.setup.state_dir)
    }

    /// What the journal knows of an issue.
    pub(super) fn state(&self, number: u64) -> Option<&IssueState> {
        self.known.ledger.issue(&self.subject(number))
    }

    /// The blast radius of its pull request, by which it was or is not merged.
    pub(super) fn tier(&self, number: u64) -> Option<Risk> {
        self.state(number)?.pull.as_ref()?.weighed_tier()
    }

    /// Whether nothing is under way on it.
    pub(super) fn rests(&self, number: u64) -> bool {
        self.state(number).is_some_and(|state| state.open.is_empty() && state.live_run().is_none())
    }

    /// Whether its work once did not pass its verification.
    pub(super) fn was_rejected(&self, number: u64) -> bool {
        self.rejected.contains(&number)
    }

    /// The commit that passed its verification last.
    pub(super) fn verified(&self, number: u64) -> Option<&Sha> {
        self.verified.get(&number)
    }

    /// Where it stands, and why it waits there, as `status` says it.
    pub(super) fn standing(&self, number: u64) -> String {
        let Some(state) = self.state(number) else { return "not seen by the daemon yet".to_owned() };
        let waits = self.known.plan().waits.get(&self.subject(number)).map(|wait| words::wait(wait, &self.names));
        let last = state.last.as_ref().map(|last| words::outcome(&last.outcome));
        [Some(place(state, &self.names)), waits, last].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// What is to be done by what is known now, and what waits.
    pub(super) fn plan(&self) -> Plan {
        self.known.plan()
    }

    /// What it waits for by a plan.
    pub(super) fn wait<'p>(&self, plan: &'p Plan, number: u64) -> Option<&'p Wait> {
        plan.waits.get(&self.subject(number))
    }

    /// Whether it waits for others to be closed.
    pub(super) fn waits_for_others(&self, plan: &Plan, number: u64) -> bool {
        matches!(self.wait(plan, number), Some(Wait::Dependencies { .. }))
    }

    fn subject(&self, number: u64) -> Subject {
        Subject { repo: self.repo.clone(), issue: IssueNumber(number) }
    }
}

/// What passes by itself within a moment is not worth a line.
fn is_told(wait: &Wait) -> bool {
    !matches!(wait, Wait::Acting { .. } | Wait::LookingUp { .. } | Wait::NoSlot { .. } | Wait::Behind { .. } | Wait::Closed)
}

fn place(state: &IssueState, names: &LabelNames) -> String {
    let word = state_word(state, names);
    let title: String = state.seen.title.chars().take(48).collect();
    let doing = state.live_run().and_then(|run| {
        let step = run.where_it_is()?;
        let round = run.rounds.values().max().filter(|rounds| **rounds > 0).map(|rounds| format!(", round {}", rounds + 1));
        Some(format!("  [{}: {}{}]", run.formula.name, step, round.unwrap_or_default()))
    });
    let pull = state.pull.as_ref().map(|pull| format!("  pull request {}", pull.number));
    format!("{word:<14}  {title}{}{}", doing.unwrap_or_default(), pull.unwrap_or_default())
}
