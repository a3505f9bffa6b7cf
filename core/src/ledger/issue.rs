//! What is known of one issue.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{
    Ask, Asked, Branch, Checks, CommentId, Commented, Decision, Dependency, EffectKey, Evidence, FilesSought, FormulaName,
    Intent, JournalId, Kept, Lane, Login, Mute, Outcome, PullNumber, PullState, Rerun, Risk, RunId, RunOutcome, SeenIssue, Sha,
    Sight, Status, StepId, TextMark, Timestamp, Trigger, Usd, Wanted, Weighed,
};

use super::{Reviews, Rounds, RunState};

/// What is known of one issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueState {
    /// The record in which it was first seen: its story begins there.
    pub first: u64,
    /// As it was last seen.
    pub seen: SeenIssue,
    /// Where it stands in the lifecycle: the decision label that it should carry.
    pub at: Option<Decision>,
    /// Since when, by our clock.
    pub at_since: Timestamp,
    /// What brought it there; none where it was found standing.
    pub moved_by: Option<Trigger>,
    /// The decision labels on the forge as of our last writing, or of the last reading whose meaning was decided. None before that.
    pub written: Option<BTreeSet<Decision>>,
    /// Labels that a writing of ours may have left there whose end nobody heard of: they are no person's.
    pub unsure: BTreeSet<Decision>,
    /// It belongs to the history: closed, and nothing of ours is left to do.
    pub done: bool,
    /// A person put it into the queue: triage is skipped.
    pub skip_triage: bool,
    /// When it came into the queue, by our clock.
    pub queued: Option<Timestamp>,
    /// What triage said.
    pub triaged: Option<Triaged>,
    /// A person answered since the question was asked.
    pub answered: bool,
    /// Title and body that the open question is about: an edit is an answer.
    pub asked: Option<TextMark>,
    /// Attempts that were spent since the last fresh start.
    pub attempts: u32,
    /// Failures of the project's setup in a row.
    pub setup_failures: u32,
    /// How often runs were started at all; makes their names unique.
    pub runs_started: u32,
    /// Not tried before this time.
    pub backoff: Option<Timestamp>,
    /// How the last run ended.
    pub last: Option<RunSummary>,
    /// The run that lives, or that ended and is not cleaned up.
    pub run: Option<RunState>,
    /// Runs that stepped back: they wait for a merge, or for the vault, beside whatever else goes on.
    #[serde(default)]
    pub stepped_back: Vec<RunState>,
    /// The pull request of ours.
    pub pull: Option<PullRef>,
    /// A pull request of somebody else's that comes from our branch.
    pub foreign: Option<ForeignPull>,
    /// It stood there at the first look.
    pub found: bool,
    /// What was done on it before this journal's knowledge of it begins, or after it was copied, is not known.
    pub gap: Option<Gap>,
    /// Labels may be ours that the journal does not know of: the timeline tells whose they are.
    pub doubted: bool,
    /// A comment of ours was written, so that those before it were looked through.
    pub searched: bool,
    /// Where we left our branch.
    pub tip: Option<BranchTip>,
    /// What we last set out to push there: it is ours also where its answer never came.
    pub pushing: Option<Sha>,
    /// The claim.
    pub claim: ClaimState,
    /// The status comment.
    pub said: Option<Said>,
    /// The comments that steps of formulas proposed, by formula and step.
    pub notes: BTreeMap<String, CommentId>,
    /// The newest comment that asked for a run: older ones are not heard any more.
    pub heard: Option<CommentId>,
    /// Comments that ask for a run, of people whose rights are to be read.
    pub asked_for: Vec<Asked>,
    /// Runs beside the lifecycle that are wanted, and since when, by our clock; in this order.
    pub wanted: Vec<(Wanted, Timestamp)>,
    /// The labels it carries whose formula was started for them, by formula, and when last, by our clock: each putting on starts one run,
    /// and more where the formula is to be started again.
    pub labelled: BTreeMap<FormulaName, (String, Timestamp)>,
    /// The last event of each kind that started a formula, by formula and kind.
    pub happened: BTreeMap<String, String>,
    /// What the last run of each formula about the project left behind as it saw it, where the formula asks what moved since.
    pub sights: BTreeMap<FormulaName, Sight>,
    /// Which closing of it was seen last, from 1; none where it has come to rest since.
    pub closing: Option<u32>,
    /// How often it was seen to be closed.
    pub closings: u32,
    /// How the last run beside the lifecycle ended.
    pub aside: Option<RunSummary>,
    /// The formula that goes on with it, where the last one handed over.
    pub hand: Option<FormulaName>,
    /// Those that it was handed over to since its story began anew: none has it twice.
    pub handed: BTreeSet<FormulaName>,
    /// What runs about it kept for later ones, by name.
    pub kept: BTreeMap<String, Kept>,
    /// A label that a person set by hand, and that was set back.
    pub set_back: Option<Decision>,
    /// Dependencies, as resolved for the text they were read from.
    pub depends: Option<Vec<Dependency>>,
    /// The last news of the files that its formula requires.
    pub files: Option<FilesSought>,
    /// What a person asked for at the command line, and when, by our clock: it is carried out after the next look.
    pub commanded: Option<(Trigger, Timestamp)>,
    /// What a formula of the lifecycle is given by who asked for it last, at its every attempt.
    pub given: Option<(FormulaName, BTreeMap<String, serde_json::Value>)>,
    /// It was found `claude-working` without a run of ours.
    pub orphan: Option<Orphan>,
    /// Effects that are intended and have not ended, by lane.
    #[serde(with = "super::running::pairs")]
    pub open: BTreeMap<Lane, Open>,
    /// Failures in a row of the effects of the main lane.
    pub retry: Option<Retry>,
    /// What it cost so far.
    pub cost: Usd,
    /// Counts the effects, for their keys.
    pub effects: u64,
}

/// Whether a run begins the story of its issue anew, so that each formula may go on with it again: triage, where nobody handed over to it.
pub(super) fn begins_anew(run: &RunState, hand: Option<&FormulaName>) -> bool {
    run.formula.takes_in() && hand != Some(&run.formula.name)
}

impl IssueState {
    /// Whether a formula went on with it already, as far as the live run is concerned.
    pub fn had(&self, formula: &FormulaName) -> bool {
        let anew = self.run.as_ref().is_some_and(|run| begins_anew(run, self.hand.as_ref()));
        !anew && self.handed.contains(formula)
    }

    /// A new one, as first seen.
    pub fn new(seen: SeenIssue, now: Timestamp) -> Self {
        Self {
            first: 0,
            seen,
            at: None,
            at_since: now,
            moved_by: None,
            written: None,
            unsure: BTreeSet::new(),
            done: false,
            skip_triage: false,
            queued: None,
            triaged: None,
            answered: false,
            asked: None,
            attempts: 0,
            setup_failures: 0,
            runs_started: 0,
            backoff: None,
            last: None,
            run: None,
            stepped_back: Vec::new(),
            pull: None,
            foreign: None,
            found: false,
            gap: None,
            doubted: false,
            searched: false,
            tip: None,
            pushing: None,
            claim: ClaimState::None,
            said: None,
            notes: BTreeMap::new(),
            heard: None,
            asked_for: Vec::new(),
            wanted: Vec::new(),
            labelled: BTreeMap::new(),
            happened: BTreeMap::new(),
            sights: BTreeMap::new(),
            closing: None,
            closings: 0,
            aside: None,
            hand: None,
            handed: BTreeSet::new(),
            kept: BTreeMap::new(),
            set_back: None,
            depends: None,
            files: None,
            commanded: None,
            given: None,
            orphan: None,
            open: BTreeMap::new(),
            retry: None,
            cost: Usd::default(),
            effects: 0,
        }
    }

    /// It was seen to be closed, now.
    pub(super) fn closes(&mut self) {
        self.closings += 1;
        self.closing = Some(self.closings);
    }

    /// It was closed, and is open again.
    pub(super) fn opens(&mut self) {
        self.done = false;
        self.attempts = 0;
        self.setup_failures = 0;
        self.backoff = None;
    }

    /// What hands do for steps now.
    pub fn hands(&self) -> impl Iterator<Item = (&StepId, &Open)> {
        self.open.iter().filter_map(|(lane, open)| match lane {
            Lane::Step(step) => Some((step, open)),
            Lane::Main | Lane::Claim => None,
        })
    }

    /// Whether an effect of the run is open, whosever step's.
    pub fn is_busy(&self) -> bool {
        self.open.keys().any(|lane| *lane != Lane::Claim)
    }

    /// The step that an agent works on in a session.
    pub(super) fn in_session(&self, of: &str) -> Option<&StepId> {
        let of = |open: &Open| matches!(&open.intent, Intent::Agent { session, .. } if session == of);
        self.hands().find(|(_, open)| of(open)).map(|(step, _)| step)
    }

    /// The run that lives.
    pub fn live_run(&self) -> Option<&RunState> {
        self.run.as_ref().filter(|run| run.ended.is_none())
    }
}

/// What is said of a decision about who goes on with an issue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// What people are told about it; may be empty.
    pub summary: String,
    /// What is asked.
    pub questions: Vec<String>,
}

impl Decided {
    /// What a run decided by how it ended; none where it decided nothing.
    pub(super) fn of(run: &RunState, outcome: &RunOutcome) -> Option<Self> {
        match outcome {
            RunOutcome::Routed { summary, questions, .. } => {
                Some(Self { summary: summary.clone(), questions: questions.clone() })
            }
            RunOutcome::HandedOver { summary, .. } => Some(Self { summary: summary.clone(), questions: Vec::new() }),
            RunOutcome::InvalidOutput { .. } => Some(Self::default()),
            // Journals of older versions: what triage said stood in its answer alone.
            RunOutcome::Succeeded { pull: None } => {
                run.outputs.values().find(|output| output.get("route").is_some()).map(|said| {
                    let questions = said["questions"].as_array().into_iter().flatten().filter_map(|q| q.as_str());
                    let summary = said["summary"].as_str().unwrap_or_default().to_owned();
                    Self { summary, questions: questions.map(str::to_owned).collect() }
                })
            }
            _ => None,
        }
    }
}

/// What triage said, and of which text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triaged {
    /// Title and body as triage saw them.
    pub text: TextMark,
    /// What it said about it.
    pub decided: Decided,
    /// The newest comment that triage read.
    pub read_up_to: Option<CommentId>,
    /// The breakdown comment.
    pub breakdown: Option<CommentId>,
    /// The files that will likely change; none where nobody said.
    #[serde(default)]
    pub files: Vec<String>,
}

impl Triaged {
    /// The files that an answer of a run names; none where none speaks of them.
    pub(super) fn files_of(run: &RunState) -> Option<Vec<String>> {
        let named = |output: &serde_json::Value| {
            let files = output.get("files")?.as_array()?.iter().map(|file| file.as_str().map(str::to_owned));
            files.collect::<Option<Vec<String>>>()
        };
        let of_step = |output: &serde_json::Value| {
            let mut items = crate::model::each_answer(output).iter().filter_map(named).peekable();
            items.peek()?;
            Some(items.flatten().collect())
        };
        run.outputs.values().find_map(of_step)
    }
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Which.
    pub run: RunId,
    /// Its formula's name.
    pub formula: String,
    /// Its attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: RunOutcome,
    /// When it began, by our clock.
    pub started: Timestamp,
    /// When it ended, by our clock.
    pub ended: Timestamp,
    /// What it cost.
    pub cost: Usd,
    /// Calls of its whose answer gave no usage.
    pub unmetered: bool,
    /// The branch that it worked on.
    pub branch: Branch,
    /// Where its workspace stays, on the machine that had it.
    #[serde(default)]
    pub workspace: Option<PathBuf>,
}

/// A pull request of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PullRef {
    /// Its number.
    pub number: PullNumber,
    /// The branch with the work.
    pub branch: Branch,
    /// The branch that it goes to.
    pub base: Branch,
    /// Where its head is: the commit that we opened it with, or what was seen there since.
    pub head: Sha,
    /// Where it stands.
    pub state: PullState,
    /// Its checks, as last seen.
    pub checks: Checks,
    /// They are red, and all that are were ended from outside, as last seen.
    pub cut: bool,
    /// Since when, by our clock, it is known that no runner is at any of those that have not ended, as last seen.
    #[serde(default)]
    pub idle: Option<Timestamp>,
    /// A reviewer asks for changes, as last seen.
    pub changes_requested: bool,
    /// It cannot be merged into its base as it stands, as last seen.
    pub conflicts: bool,
    /// How a head failed the verification once its base was merged into it.
    #[serde(default)]
    pub unfit: Option<Box<super::Unfit>>,
    /// Its head has an approval that stands, by somebody else than us, as last seen.
    pub approved: bool,
    /// When it last moved, by the forge's clock.
    pub moved: Option<Timestamp>,
    /// Whether its reviews were read since it moved.
    pub reviews: Reviews,
    /// It was merged, and its branch is gone or stays for good.
    pub branch_settled: bool,
    /// It was found standing, and nothing was decided on the issue since.
    pub found: bool,
    /// The requests for changes that stand, of those who may ask, as last seen.
    pub asks: Vec<Ask>,
    /// The comments that no run was given yet, of those who may write, as last seen.
    #[serde(default)]
    pub comments: Vec<Commented>,
    /// How far it was revised.
    pub rounds: Rounds,
    /// What verified the commit that we pushed last.
    #[serde(default)]
    pub evidence: Option<Box<Evidence>>,
    /// How much it could break in the opinion of the agents who worked on it.
    #[serde(default)]
    pub opinion: Option<Risk>,
    /// What decides about its merge, as last seen.
    #[serde(default)]
    pub weighed: Option<Box<Weighed>>,
    /// Since when that is about the head that it is about, by our clock.
    #[serde(default)]
    pub weighed_since: Timestamp,
    /// The head that is the one weighed before with its base merged by us: whoever waited goes on waiting.
    #[serde(default)]
    pub brought_up: Option<Sha>,
    /// The forge did not merge it.
    #[serde(default)]
    pub refused: Option<Refused>,
    /// The run that is wanted when it is merged, before its issue is closed.
    #[serde(default)]
    pub then: Option<Wanted>,
    /// Its checks were to be run again: of which head, and what came of it.
    #[serde(default)]
    pub rerun: Option<(Sha, Rerun)>,
    /// The files that it changes, as far as we pushed to it.
    #[serde(default)]
    pub files: BTreeSet<String>,
}

/// A merge that the forge refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Of which head.
    pub head: Sha,
    /// What it said.
    pub why: String,
    /// When, by our clock.
    pub at: Timestamp,
    /// How often in a row.
    pub times: u32,
}

impl PullRef {
    /// What decides about its merge was read; none where it was not found out, and what is known stands.
    pub(super) fn weigh(&mut self, weighed: Option<&Weighed>, at: Timestamp) {
        let Some(weighed) = weighed else { return };
        let same = self.weighed.as_ref().is_some_and(|before| before.head == weighed.head && !before.tier_only);
        if !same && self.brought_up.as_ref() != Some(&weighed.head) {
            self.weighed_since = at;
        }
        self.weighed = Some(Box::new(weighed.clone()));
    }

    /// Why its checks say nothing, as last seen.
    pub fn mute(&self) -> Mute {
        match (self.cut, self.idle) {
            (true, _) => Mute::Cut,
            (false, Some(_)) => Mute::Idle,
            (false, None) => Mute::No,
        }
    }

    /// What came of having the checks of its head run again, where that was tried.
    pub fn rerun_of_head(&self) -> Option<&Rerun> {
        self.rerun.as_ref().filter(|(head, _)| *head == self.head).map(|(_, rerun)| rerun)
    }

    /// How much it could break, where that is known of its head.
    pub fn weighed_tier(&self) -> Option<Risk> {
        self.weighed_head().map(|weighed| weighed.tier)
    }

    /// What was read of its head, and of no older one.
    pub fn weighed_head(&self) -> Option<&Weighed> {
        self.weighed.as_deref().filter(|weighed| weighed.head == self.head)
    }
}

/// What the journal cannot know of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gap {
    /// It was found in the middle of its story at this time, by our clock.
    Found(Timestamp),
    /// The journal was restored from an older copy, which was noticed at this time, by our clock.
    Restored(Timestamp),
}

/// A pull request of somebody else's that comes from a branch of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignPull {
    /// Its number.
    pub number: PullNumber,
    /// Who opened it.
    pub by: Login,
}

/// Where we left our branch on the forge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BranchTip {
    /// The commit we pushed last.
    pub sha: Sha,
}

/// The claim on an issue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum ClaimState {
    /// Not ours, and nobody else's as far as we know.
    #[default]
    None,
    /// Ours.
    Ours(Held),
    /// Another journal's.
    Theirs {
        /// Whose.
        by: JournalId,
        /// When it expires, by our clock.
        until: Timestamp,
    },
}

/// A claim of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The commit that says so.
    pub sha: Sha,
    /// When it was taken or renewed, by our clock.
    pub since: Timestamp,
    /// When renewing it last failed, by our clock.
    pub failed: Option<Timestamp>,
    /// How often in a row that failed.
    pub failures: u32,
}

/// The status comment, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The comment; none where it was deleted by a person or never written.
    pub comment: Option<CommentId>,
    /// What it says.
    pub status: Status,
}

/// `claude-working`, and nobody known to be at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Orphan {
    /// Since when we know, by our clock.
    pub since: Timestamp,
}

/// An effect that is intended and has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Its key.
    pub key: EffectKey,
    /// What.
    pub intent: Intent,
    /// When it was intended, by our clock.
    pub since: Timestamp,
    /// How often it was looked up and not found.
    pub not_found: u32,
    /// The process that intended it is gone, or its answer was doubtful: it must be looked up, or counts as cut.
    pub doubtful: bool,
}

/// Failures in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// How many.
    pub failures: u32,
    /// The last one, by our clock.
    pub last: Timestamp,
    /// What it was.
    pub outcome: Outcome,
}
