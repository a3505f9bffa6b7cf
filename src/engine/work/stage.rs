//! What a rehearsal is about, and what is known when its run begins.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;

use crate::config::Probe;
use crate::ledger::{IssueState, Ledger, RunState};
use crate::model::{
    ActionEnd, ActionId, ActionState, Branch, Change, Checks, CommandRun, CommentId, Decision, Dispatch, Event, Evidence,
    Formula, FormulaName, HostEnd, HostFacts, Issue, JournalId, Kept, LabelNames, LabelsMean, Login, MergeRule, Moved, Mute,
    Outcome, OverlapRule, ProbeName, Probed, ProjectFacts, Proposal, PullNumber, PullState, Record, RepoFacts, RepoName,
    Revision, RunId, RunTexts, SeenIssue, Sha, ShelvedAction, Sprint, StepKind, Subject, Timestamp, Usd, VaultEvent, Wanted,
    WantedBy,
};
use crate::plan::{self, Crew, MendPolicy, Policy, ProjectPolicy};

use crate::vault::Known;

use super::super::observed::seen_issue;
use super::{ProjectSettings, Shown};

/// The pull request that is played.
pub(super) const PULL: PullNumber = PullNumber(1);
/// What stands for the commit that a run starts from.
pub(super) const BASE: &str = "ba5e000000000000000000000000000000000000";

/// What stands for the commits that an agent would have made.
pub(super) const HEAD: &str = "c0ffee0000000000000000000000000000000000";

/// What a rehearsal is about.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The workflow.
    pub formula: Formula,
    /// What the run is about.
    pub subject: Subject,
    /// That issue, as it is read; nobody asks for it where the run is about the project.
    pub issue: Issue,
    /// What the run is given to read.
    pub texts: RunTexts,
    /// What earlier runs kept for it.
    pub kept: Vec<Kept>,
    /// What the formula is given by whoever starts it.
    pub inputs: BTreeMap<String, Json>,
    /// What moved since the formula's last run about the project; none: it is the first.
    pub moved: Option<Moved>,
    /// The sprint about the issue.
    pub sprint: Option<Sprint>,
    /// The vault, as it is played.
    pub vault: PlayedVault,
    /// What becomes of a pull request that is put forward.
    pub merge: PlayedMerge,
    /// The host, as it is played.
    pub host: PlayedHost,
    /// The word of the comment that asks for the run.
    pub asked: Option<String>,
    /// Formulas that are not on for the project, of those that it hands over to.
    pub off: BTreeSet<FormulaName>,
    /// The project's part of the configuration.
    pub project: ProjectSettings,
    /// What a branch of ours begins with.
    pub branch_prefix: String,
    /// The branch that work starts from.
    pub base: Branch,
    /// Now.
    pub now: Timestamp,
}

/// What becomes of a pull request that a step puts forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayedMerge {
    /// It is merged.
    #[default]
    Merged,
    /// It is closed without a merge.
    Closed,
    /// Nothing, until the step's time is over.
    Waits,
}

/// The vault as it is played: what actions may name, as far as that is known, and what becomes of those that do not end well.
#[derive(Clone, Debug, Default)]
pub struct PlayedVault {
    /// Without it, whatever an action names is there.
    pub known: Option<Known>,
    /// Each by its name: rejected, or done with an exit code and what it printed.
    pub ends: BTreeMap<ActionId, (ActionState, ActionEnd)>,
}

impl PlayedVault {
    /// What stands there of an action when nobody does anything about it any more.
    pub(super) fn over(&self, repo: &RepoName, id: &ActionId) -> Event {
        let well = (ActionState::Fired, ActionEnd { exit_code: Some(0), logs: String::new() });
        let (state, end) = self.ends.get(id).cloned().unwrap_or(well);
        let action = ShelvedAction {
            id: id.clone(),
            state,
            action: None,
            wrong: None,
            tier: None,
            free: false,
            file: None,
            text: None,
            end: Some(end),
        };
        let what = Dispatch::Read { at: None, changed: vec![action], gone: Vec::new(), items: None };
        Event::Vault { repo: repo.clone(), what: VaultEvent::Dispatched { what } }
    }
}

/// The host as it is played: what its probes show, each with whether its mend helps.
#[derive(Clone, Debug, Default)]
pub struct PlayedHost(pub Vec<(Probed, bool)>);

impl PlayedHost {
    /// Whether a formula asks what the host shows, which is played then.
    pub fn is_asked(&self, formula: &Formula) -> bool {
        !self.0.is_empty() && formula.reads_host()
    }

    /// What a formula would meet at worst: every probe fails.
    pub(super) fn of(probes: &[Probe]) -> Self {
        let failing = |probe: &Probe| Probed {
            name: probe.name.clone(),
            priority: probe.priority,
            end: HostEnd::Exited { code: 1 },
            output: format!("(what the probe {} prints)", probe.name),
            mend: probe.mend.as_ref().map(|mend| mend.blast_radius),
            tried: false,
        };
        Self(probes.iter().map(|probe| (failing(probe), true)).collect())
    }

    pub(super) fn facts(&self) -> HostFacts {
        HostFacts { probes: self.0.iter().map(|(probed, _)| probed.clone()).collect() }
    }

    fn mends(&self) -> BTreeMap<ProbeName, MendPolicy> {
        let mend =
            |(probed, _): &(Probed, bool)| Some((probed.name.clone(), MendPolicy { risk: probed.mend?, at_most: u32::MAX }));
        self.0.iter().filter_map(mend).collect()
    }

    /// What comes of mending a probe.
    pub(super) fn mended(&self, name: &ProbeName) -> Result<Outcome, String> {
        let known = self.0.iter().find(|(probed, _)| probed.name == *name);
        let (probed, helps) = known.ok_or_else(|| format!("there is no probe {name}"))?;
        let (end, output) = match helps {
            true => (HostEnd::Exited { code: 0 }, String::new()),
            false => (probed.end, probed.output.clone()),
        };
        let probed = Probed { end, output, tried: true, ..probed.clone() };
        Ok(Outcome::Mended { end: Some(HostEnd::Exited { code: i32::from(!helps) }), probed: Box::new(probed) })
    }
}

impl Stage {
    /// What is known when the run begins.
    pub(super) fn opened(&self, facts: &ProjectFacts) -> Ledger {
        let events = opening(self, facts).into_iter().zip(1..);
        let records: Vec<Record> = events.map(|(event, seq)| Record { seq, at: self.now, event }).collect();
        Ledger::fold(&records)
    }
}

impl Stage {
    /// What becomes of a pull request that is put forward, once nothing else is to do.
    pub(super) fn merged(&self, state: &IssueState) -> Option<Event> {
        let subject = self.subject.clone();
        let state = match self.merge {
            _ if state.stepped_back.is_empty() || state.open_pull().is_none() => return None,
            PlayedMerge::Merged => PullState::Merged,
            PlayedMerge::Closed => PullState::Closed,
            PlayedMerge::Waits => return None,
        };
        Some(Event::PullSeen { subject, state })
    }

    /// When the time is over of a step that waits for a merge that does not come.
    pub(super) fn given_up(&self, state: &IssueState) -> Option<Timestamp> {
        let waits = state.stepped_back.iter().filter(|_| self.merge == PlayedMerge::Waits);
        let until = |run: &RunState| {
            let steps = run.steps_in_work().filter(|(step, _)| step.merges());
            steps.filter_map(|(step, at)| run.until(step, at)).min()
        };
        waits.filter_map(until).min()
    }

    /// What is asked of the pull request that is played, where the run revises one.
    pub(super) fn revision(&self) -> Result<Option<Box<Revision>>, String> {
        if !self.formula.revises() {
            return Ok(None);
        }
        let texts = self.texts.pull.as_ref();
        // Of a pull request that is not there, the checks are red.
        let checks = if texts.is_some_and(|texts| texts.checks.is_empty()) { Checks::Success } else { Checks::Failure };
        Ok(Some(Box::new(Revision {
            pull: PULL,
            head: BASE.parse().map_err(|_| format!("{BASE} names no commit"))?,
            asks: Vec::new(),
            comments: Vec::new(),
            points: texts.into_iter().flat_map(|texts| &texts.points).map(|said| said.point.clone()).collect(),
            checks,
            conflicts: texts.is_some_and(|texts| texts.conflicts),
            unfit: texts.is_some_and(|texts| texts.unfit.is_some()),
        })))
    }
}

/// What start-up would have learned.
pub(super) fn facts(stage: &Stage) -> ProjectFacts {
    ProjectFacts {
        former: BTreeSet::new(),
        forge: "http://rehearsal".into(),
        version: String::new(),
        login: Login::from("forgehand"),
        others: BTreeMap::new(),
        repository: RepoFacts {
            name: stage.subject.repo.clone(),
            default_branch: stage.base.clone(),
            archived: false,
            can_push: true,
            can_admin: false,
            empty: false,
        },
        labels: Vec::new(),
    }
}

/// What is known when a run begins.
fn opening(stage: &Stage, facts: &ProjectFacts) -> Vec<Event> {
    if stage.subject.is_project() {
        return about_project(stage, facts);
    }
    let (repo, subject) = (stage.subject.repo.clone(), stage.subject.clone());
    let names = &stage.project.labels;
    let writes = stage.formula.steps.iter().any(plan::writes);
    let mut seen: SeenIssue = SeenIssue { open: true, ..seen_issue(&repo, &stage.issue) };
    for decision in names.decisions(&seen.labels) {
        seen.labels.remove(names.of(decision));
    }
    let forwards = stage.formula.merges() && !stage.formula.opens_pull();
    let reviews = stage.formula.reviews() || stage.formula.revises() || forwards;
    // Who writes was queued; who reviews finds a pull request.
    // What is given something is asked for beside the lifecycle.
    let aside = (!stage.inputs.is_empty()).then(|| wanted(stage));
    let queued = (writes && aside.is_none()).then_some(Decision::Queue);
    let standing = if reviews { Some(Decision::Pr) } else { queued };
    seen.labels.extend(standing.map(|label| names.of(label).to_owned()));
    let branch = match writes {
        false => "forgehand-read".into(),
        true => stage.formula.branch_of(&stage.branch_prefix, subject.issue),
    };
    let run = RunId(format!("rehearsal-{}", subject.issue.0));
    let pull = BASE.parse().ok().filter(|_| reviews).map(|head| Event::PullFound {
        subject: subject.clone(),
        pull: PULL,
        branch: Branch(format!("{}{}", stage.branch_prefix, subject.issue.0)),
        base: stage.base.clone(),
        head,
        at: stage.now,
    });
    let known = [
        Event::Surveyed { repo: repo.clone(), facts: facts.clone() },
        Event::Seen { subject: subject.clone(), issue: seen },
        Event::Began { repo: repo.clone(), at: Timestamp::default() },
        Event::Looked { repo, until: stage.now },
        Event::LabelsRead {
            subject: subject.clone(),
            found: standing.into_iter().collect(),
            meaning: LabelsMean::Standing { label: standing },
        },
    ];
    let started = Event::RunStarted {
        run,
        subject,
        formula: Box::new(stage.formula.clone()),
        attempt: 1,
        branch,
        aside: stage.asked.as_ref().map(|word| asked(stage, word)).or(aside),
        kept: stage.kept.clone(),
    };
    known.into_iter().chain(pull).chain([started]).collect()
}

fn wanted(stage: &Stage) -> Wanted {
    let inputs = crate::formula::inputs::taken(&stage.formula.inputs, stage.inputs.clone());
    Wanted { formula: stage.formula.name.clone(), inputs: inputs.unwrap_or_default(), by: WantedBy::Hand }
}

/// What a person asked for.
fn asked(stage: &Stage, word: &str) -> Wanted {
    let by = WantedBy::Comment { comment: CommentId(1), login: stage.subject.repo.owner().into(), word: word.to_owned() };
    Wanted { by, ..wanted(stage) }
}

/// The same where it is about the project: somebody asked for it.
fn about_project(stage: &Stage, facts: &ProjectFacts) -> Vec<Event> {
    let (repo, subject) = (stage.subject.repo.clone(), stage.subject.clone());
    let wanted = stage.asked.as_ref().map_or_else(|| wanted(stage), |word| asked(stage, word));
    vec![
        Event::Surveyed { repo: repo.clone(), facts: facts.clone() },
        Event::Began { repo: repo.clone(), at: Timestamp::default() },
        Event::Looked { repo, until: stage.now },
        Event::Wanted { subject: subject.clone(), wanted: wanted.clone() },
        Event::RunStarted {
            run: RunId("rehearsal-project".into()),
            subject,
            formula: Box::new(stage.formula.clone()),
            attempt: 1,
            branch: "forgehand-read".into(),
            aside: Some(wanted),
            kept: Vec::new(),
        },
    ]
}

/// The formula, and those that it hands over to, of which nothing but the name is asked.
fn on(stage: &Stage) -> BTreeMap<FormulaName, Formula> {
    let handed = stage.formula.outcomes.iter().filter_map(|ending| Some(&ending.hands.as_ref()?.to));
    let started = stage.formula.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Propose(Proposal::Start { start, .. }) => Some(&start.formula),
        _ => None,
    });
    let all = handed.chain(started).filter(|to| !stage.off.contains(*to)).chain([&stage.formula.name]);
    all.map(|name| (name.clone(), Formula { name: name.clone(), ..stage.formula.clone() })).collect()
}

/// Nothing but the formula is in the way.
pub(super) fn policy(stage: &Stage) -> Policy {
    let much = Usd(u64::from(u32::MAX));
    let none = Duration::ZERO;
    let project = ProjectPolicy {
        labels: stage.project.labels.clone(),
        branch_prefix: stage.branch_prefix.clone(),
        base: None,
        intake: BTreeSet::new(),
        since: None,
        formulas: on(stage),
        slots: None,
        usd_day: much,
        merge: MergeRule::Never,
        review: true,
        overlap: OverlapRule::Off,
        verify: stage.project.verify.clone(),
        sets_up: false,
        leaving: false,
    };
    Policy {
        journal: JournalId("rehearsal".into()),
        forge: "http://rehearsal".into(),
        slots: 1,
        attempts: 1,
        backoff: vec![none],
        adopt_after: none,
        question: none,
        open_pulls: u32::MAX,
        items: u32::MAX,
        usd_run: much,
        usd_day: much,
        lookup_gap: none,
        renew: Duration::from_hours(24),
        // What was read is not read again at the same moment.
        checks_every: Duration::from_mins(1),
        trouble_pause: none,
        unreachable_pause: none,
        retry: vec![none],
        crew: Crew::default(),
        mends: stage.host.mends(),
        ops: Some(stage.subject.repo.clone()),
        projects: BTreeMap::from([(stage.subject.repo.clone(), project)]),
    }
}

/// What commands would have shown. The first that fails is the last that runs.
pub(super) fn evidence(sha: &Sha, commands: &[String], shown: Shown) -> Evidence {
    let ran = if shown.passed { commands.len() } else { 1.min(commands.len()) };
    let exit = Some(i32::from(!shown.passed));
    let run = |command: &String| CommandRun { command: command.clone(), exit, millis: 0, tail: shown.tail.clone() };
    let commands = commands.iter().take(ran).map(run).collect();
    Evidence { sha: sha.clone(), commands, passed: shown.passed, timed_out: false }
}

/// Its checks are green and somebody has approved.
pub(super) fn green(subject: &Subject) -> Event {
    Event::ChecksSeen {
        subject: subject.clone(),
        checks: Checks::Success,
        changes_requested: false,
        conflicts: false,
        approved: true,
        head: None,
        asks: Vec::new(),
        comments: Vec::new(),
        mute: Mute::No,
        weighed: None,
    }
}

pub(super) fn sha(text: &str) -> Result<Sha, String> {
    text.parse().map_err(|_| format!("{text} names no commit"))
}

pub(super) fn labelled(state: &IssueState, names: &LabelNames, to: Option<Decision>) -> Outcome {
    let mut labels = state.seen.labels.clone();
    for decision in names.decisions(&labels) {
        labels.remove(names.of(decision));
    }
    labels.extend(to.map(|to| names.of(to).to_owned()));
    Outcome::Labelled { labels, people: BTreeSet::new(), learned: Vec::new() }
}

pub(super) fn change() -> Result<Change, String> {
    Ok(Change {
        head: sha(HEAD)?,
        base: sha(BASE)?,
        commits: 1,
        files: Vec::new(),
        added: 0,
        removed: 0,
        person_paths: Vec::new(),
        verify_paths: Vec::new(),
    })
}
