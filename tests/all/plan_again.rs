//! Steps that are done again where they fail, steps that may take only so long, and what steps ask of the forge: how a run goes on, and
//! what is said while it waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forgehand::formula::{load, shipped_prompt};
use forgehand::ledger::{Ledger, RunState};
use forgehand::model::{
    Access, Advance, Change, Checks, CommandRun, Decision, EffectKey, Event, Evidence, Formula, Gate, HandOutcome, Intent,
    IssueNumber, LabelsMean, Mute, Outcome, ProjectFacts, PullNumber, Record, Refusal, RepoFacts, RunId, RunOutcome, SeenIssue,
    Sha, StepKind, StopWhy, Subject, TextMark, Timestamp, Trigger, Wait,
};
use forgehand::plan::{Action, Policy, View, check, plan};
use forgehand::words;
use serde_json::json;

use super::plan_world;

const BEGIN: i64 = 1_790_000_000_000;
const MINUTE: i64 = 60_000;

/// A formula that works, verifies, opens a pull request and waits for its checks; `of` stands for keys of each of its steps.
fn formula(work: &str, verify: &str, checks: &str) -> Formula {
    let text = format!(
        r#"
formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[trigger]
label = "claude-queue"
[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"
{work}
[[step]]
id = "lint"
run = ["make lint"]
[[step]]
id = "verify"
run = ["make test"]
{verify}
[[step]]
id = "open"
propose = "pull-request"
title = "{{{{line issue.title}}}}"
body = "pull-request.md"
[[step]]
id = "ci"
gate = "checks"
{checks}
"#
    );
    let prompts = |name: &str| shipped_prompt(name).map(str::to_owned);
    load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

/// A run that goes through its steps, its journal, and what came of each effect so far.
pub(super) struct Line {
    pub(super) records: Vec<Record>,
    pub(super) policy: Policy,
    view: View,
    pub(super) now: Timestamp,
    /// What agents and commands are answered with, in their order; well, once there is no more.
    answers: Vec<Outcome>,
    /// What was done, and what was waited for.
    pub(super) did: Vec<String>,
}

pub(super) fn subject() -> Subject {
    plan_world::subject(1)
}

fn sha() -> Sha {
    "c".repeat(40).parse().expect("a name of an object")
}

pub(super) fn evidence(passed: bool, command: &str) -> Evidence {
    let run = CommandRun { command: command.into(), exit: Some(i32::from(!passed)), millis: 1, tail: "tail".into() };
    Evidence { sha: sha(), commands: vec![run], passed, timed_out: false }
}

pub(super) fn agent(how: HandOutcome) -> Outcome {
    let output = if how == HandOutcome::Succeeded { Ok(json!({ "outcome": "done" })) } else { Err("none".into()) };
    Outcome::AgentEnded { how, output, resumable: false }
}

fn crashed() -> Outcome {
    agent(HandOutcome::Crashed { why: "exit code 7".into() })
}

impl Line {
    pub(super) fn new(formula: Formula, answers: Vec<Outcome>) -> Self {
        let mut policy = plan_world::policy();
        policy.projects.values_mut().for_each(|p| p.sets_up = false);
        let repo = plan_world::repo();
        let view = View { fresh: BTreeSet::from([repo.clone()]), ..View::default() };
        let mut line = Self { records: Vec::new(), policy, view, now: Timestamp(BEGIN), answers, did: Vec::new() };
        let at = Decision::Queue;
        let facts = ProjectFacts {
            former: BTreeSet::new(),
            forge: "http://forge".into(),
            version: "15".into(),
            login: plan_world::BOT.into(),
            others: BTreeMap::new(),
            repository: RepoFacts {
                name: repo.clone(),
                default_branch: "main".into(),
                archived: false,
                can_push: true,
                can_admin: true,
                empty: false,
            },
            labels: Vec::new(),
        };
        line.note(Event::Surveyed { repo, facts });
        line.note(Event::Seen { subject: subject(), issue: seen() });
        let meaning = LabelsMean::Standing { label: Some(at) };
        line.note(Event::LabelsRead { subject: subject(), found: BTreeSet::from([at]), meaning });
        line.act(&Intent::Claim { renews: None });
        let formula = Box::new(formula);
        let branch = "claude/issue-1".into();
        line.note(Event::RunStarted {
            run: run(),
            subject: subject(),
            formula,
            attempt: 1,
            branch,
            aside: None,
            kept: Vec::new(),
        });
        line
    }

    pub(super) fn note(&mut self, event: Event) {
        self.now = Timestamp(self.now.0 + 1);
        self.records.push(Record { seq: self.records.len() as u64 + 1, at: self.now, event });
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger::fold(&self.records)
    }

    pub(super) fn run(&self) -> RunState {
        let ledger = self.ledger();
        let state = ledger.issue(&subject()).expect("an issue");
        state.run.as_ref().or_else(|| state.rests()).expect("a run").clone()
    }

    fn act(&mut self, intent: &Intent) {
        let outcome = match intent {
            Intent::Claim { .. } => Outcome::Claimed { sha: sha(), until: Timestamp(i64::MAX) },
            Intent::Labels { to, .. } => {
                let labels = to.iter().map(|to| forgehand::model::LabelNames::default().of(*to).to_owned()).collect();
                Outcome::Labelled { labels, people: BTreeSet::new(), learned: Vec::new() }
            }
            Intent::Say { .. } => Outcome::Said { comment: forgehand::model::CommentId(self.records.len() as u64), left: None },
            Intent::Prepare { .. } => Outcome::Prepared {
                over: None,
                open: None,
                revision: None,
                merged: None,
                base: sha(),
                base_branch: "main".into(),
                tip: None,
                issue: Box::new(seen()),
                read_up_to: None,
                trunk: None,
                tip_ours: false,
                ops: None,
                tasks: None,
                sprint: None,
                host: None,
                last_tag: None,
                moved: None,
            },
            Intent::Agent { .. } => self.next().unwrap_or_else(|| agent(HandOutcome::Succeeded)),
            Intent::Take { .. } => match self.answers.first() {
                Some(Outcome::Taken { .. }) => self.answers.remove(0),
                _ => Outcome::Taken { judged: Ok(change()) },
            },
            Intent::Verify { step, .. } if step.as_str() == "lint" => Outcome::Verified { evidence: evidence(true, "make lint") },
            Intent::Verify { .. } => self.next().unwrap_or(Outcome::Verified { evidence: evidence(true, "make test") }),
            Intent::AskVault { .. } => self.next().expect("an answer"),
            Intent::Push { .. } => Outcome::Pushed,
            Intent::OpenPull { .. } => Outcome::PullOpened { pull: PullNumber(2) },
            Intent::Relabel { .. } => match self.answers.first() {
                Some(Outcome::Cut | Outcome::Failed { .. }) => self.answers.remove(0),
                _ => {
                    let labels = ["claude-queue", "sorted"].map(str::to_owned).into();
                    Outcome::Relabelled { labels, learned: Vec::new() }
                }
            },
            Intent::Close | Intent::CloseNamed { .. } => Outcome::Closed,
            other => panic!("nobody should {}", other.word()),
        };
        let key = EffectKey(format!("k{}", self.records.len()));
        self.did.push(intent.word().to_owned());
        self.note(Event::Intended { key: key.clone(), subject: subject(), intent: intent.clone() });
        self.note(Event::Ended { key, outcome });
    }

    fn next(&mut self) -> Option<Outcome> {
        (!self.answers.is_empty()).then(|| self.answers.remove(0))
    }

    /// To its next pause, or to the end of the run.
    pub(super) fn on(&mut self) -> Option<Wait> {
        for _ in 0..300 {
            if self.run().ended.is_some() {
                return None;
            }
            if let Some(wait) = self.step() {
                return Some(wait);
            }
        }
        panic!("it goes round in circles: {:?}", self.did);
    }

    /// Its next decision or effect, or what it waits for.
    pub(super) fn step(&mut self) -> Option<Wait> {
        // What is known is what the journal says, each time anew: a restart anywhere changes nothing.
        self.step_on(&self.ledger())
    }

    /// The same, where somebody keeps what is known.
    pub(super) fn step_on(&mut self, ledger: &Ledger) -> Option<Wait> {
        let made = plan(ledger, &self.view, &self.policy, self.now);
        check(&made, ledger, &self.view, &self.policy).expect("a plan that keeps the rules");
        let renewal = |action: &Action| matches!(action, Action::Do { intent: Intent::Claim { .. }, .. });
        match made.actions.into_iter().find(|action| !renewal(action)) {
            Some(Action::Record(events)) => events.into_iter().for_each(|event| self.note(event)),
            Some(Action::Do { intent, .. }) => self.act(&intent),
            Some(Action::Checks(of)) => {
                self.view.checked.insert(of, self.now);
            }
            Some(Action::Offers) => self.view.offers_read = Some(self.now),
            Some(other) => panic!("{other:?}"),
            None => {
                let wait = made.waits.get(&subject()).expect("a reason").clone();
                self.did.push("wait".into());
                assert!(made.wake.is_some(), "it is woken: {wait:?}");
                return Some(wait);
            }
        }
        None
    }

    pub(super) fn outcome(&mut self) -> RunOutcome {
        if let Some(wait) = self.on() {
            panic!("it waits: {wait:?} after {:?}", self.did);
        }
        self.run().ended.expect("it ended")
    }

    pub(super) fn count(&self, word: &str) -> usize {
        self.did.iter().filter(|did| *did == word).count()
    }
}

fn run() -> RunId {
    RunId("r".into())
}

pub(super) fn seen() -> SeenIssue {
    SeenIssue {
        title: "t".into(),
        text: TextMark { title: "t".into(), body: "b".into() },
        author: "ann".into(),
        open: true,
        labels: BTreeSet::from(["claude-queue".to_owned()]),
        created: Timestamp(0),
        updated: Timestamp(0),
        comments: 0,
        depends: Vec::new(),
    }
}

fn change() -> Change {
    Change {
        head: sha(),
        base: sha(),
        commits: 1,
        files: Vec::new(),
        added: 1,
        removed: 0,
        person_paths: Vec::new(),
        verify_paths: Vec::new(),
    }
}

const TWICE: &str = r#"retry = { at_most = 2, wait = "5m" }"#;

/// The wait of a step that failed, with how long it lasts from now.
fn waits_again(line: &mut Line) -> (String, u32, u32, i64) {
    match line.on() {
        Some(Wait::Again { step, until, time, of, .. }) => (step.to_string(), time, of, until.0 - line.now.0),
        other => panic!("{other:?} after {:?}", line.did),
    }
}

#[test]
fn an_agent_that_broke_off_is_asked_again_after_a_while_with_a_new_session() {
    let nothing = Outcome::Taken { judged: Err(Refusal::NothingCommitted) };
    let answers = vec![crashed(), agent(HandOutcome::Succeeded), nothing];
    let mut line = Line::new(formula(TWICE, "", ""), answers);
    let (step, time, of, for_long) = waits_again(&mut line);
    assert_eq!((step.as_str(), time, of), ("work", 1, 2));
    assert!((5 * MINUTE - 1_000..=5 * MINUTE).contains(&for_long), "{for_long}");
    let first = line.run();
    let (step, at) = first.steps_in_work().next().expect("a step");
    assert!(first.parked && at.begun == step.when.is_some(), "it holds no slot");
    let wait = line.on().expect("it waits still");
    let said = words::wait(&wait, &forgehand::model::LabelNames::default());
    assert!(said.contains("step work of its run failed (the agent broke off: exit code 7); it is done again at"), "{said}");
    assert!(said.ends_with("(time 1 of 2)"), "{said}");
    assert_eq!(line.count("agent"), 1);

    line.now = wait.until().expect("a time");
    assert_eq!(waits_again(&mut line).1, 2, "nothing was committed this time");
    let sessions: BTreeSet<String> = line
        .records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Intended { intent: Intent::Agent { session, resume: false, .. }, .. } => Some(session.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(sessions.len(), 2, "each time a session of its own");
    line.now = Timestamp(line.now.0 + 5 * MINUTE);
    assert!(matches!(line.on(), Some(Wait::Gate { .. })), "the third time went well: {:?}", line.did);
    assert!(line.run().steps_in_work().all(|(_, at)| at.again.is_none()) && line.run().pull.is_some());
}

#[test]
fn a_step_that_fails_as_often_as_it_may_ends_the_run_as_it_would_have_without() {
    let mut line = Line::new(formula(TWICE, "", ""), vec![crashed(), agent(HandOutcome::TimedOut), agent(HandOutcome::Stalled)]);
    for time in 1..=2 {
        assert_eq!(waits_again(&mut line).1, time);
        line.now = Timestamp(line.now.0 + 5 * MINUTE);
    }
    assert_eq!(line.outcome(), RunOutcome::Hand { how: HandOutcome::Stalled });
    assert_eq!(line.count("agent"), 3);
}

#[test]
fn commands_that_fail_run_again_on_the_same_commit_and_what_passed_before_them_counts() {
    let failed = || Outcome::Verified { evidence: evidence(false, "make test") };
    let mut line = Line::new(formula("", TWICE, ""), vec![agent(HandOutcome::Succeeded), failed(), failed()]);
    for _ in 0..2 {
        assert_eq!(waits_again(&mut line).0, "verify");
        let known = line.run().evidence.expect("the first commands passed");
        assert!(known.passed && known.commands.len() == 1 && known.commands[0].command == "make lint", "{known:?}");
        line.now = Timestamp(line.now.0 + 5 * MINUTE);
    }
    assert!(matches!(line.on(), Some(Wait::Gate { .. })), "{:?}", line.did);
    assert_eq!((line.count("agent"), line.count("verify"), line.count("push")), (1, 4, 1));
}

#[test]
fn failing_output_goes_back_first_and_the_commands_run_again_once_that_is_spent() {
    let failed = || Outcome::Verified { evidence: evidence(false, "make test") };
    let work = || agent(HandOutcome::Succeeded);
    let both = "on_failure = { to = \"work\", at_most = 1 }\nretry = { at_most = 1, wait = \"0s\" }";
    let mut line = Line::new(formula("", both, ""), vec![work(), failed(), work(), failed(), failed()]);
    assert!(matches!(line.outcome(), RunOutcome::VerificationFailed { .. }));
    assert_eq!((line.count("agent"), line.count("verify")), (2, 2 + 3), "{:?}", line.did);
}

#[test]
fn money_limits_stops_and_refusals_are_not_tried_again() {
    let secret = Refusal::Secret { path: "a".into(), rule: "r".into() };
    for (answers, ended) in [
        (vec![agent(HandOutcome::Budget { limit: "usd_run".into() })], "budget"),
        (vec![agent(HandOutcome::UsageLimit { until: None })], "usage-limit"),
        (vec![agent(HandOutcome::Unreachable { why: "no".into(), credentials: false })], "unreachable"),
        (vec![agent(HandOutcome::Succeeded), Outcome::Taken { judged: Err(secret) }], "bundle-refused"),
    ] {
        let mut line = Line::new(formula(TWICE, "", ""), answers);
        assert_eq!(line.outcome().word(), ended);
        assert_eq!(line.count("agent"), 1);
    }
}

#[test]
fn a_person_who_stops_a_run_stops_its_pause_too() {
    let mut line = Line::new(formula(TWICE, "", ""), vec![crashed()]);
    waits_again(&mut line);
    line.note(Event::Stopping { run: run(), why: StopWhy::Person });
    assert_eq!(line.outcome(), RunOutcome::Hand { how: HandOutcome::Cancelled });
    assert_eq!(line.count("agent"), 1);
}

#[test]
fn a_gate_that_does_not_open_in_its_time_ends_the_run_and_says_which() {
    let mut line = Line::new(formula("", "", "timeout = \"30m\""), Vec::new());
    let wait = line.on().expect("it waits");
    let Wait::Gate { until: Some(until), .. } = &wait else { panic!("{wait:?}") };
    let reached = line.run().steps_in_work().map(|(_, at)| at.reached).next().expect("a step");
    assert_eq!(*until, reached + Duration::from_mins(30));
    let said = words::wait(&wait, &forgehand::model::LabelNames::default());
    assert!(said.contains(&format!("it is given up at {until}")), "{said}");

    line.now = Timestamp(until.0 - 1);
    assert!(line.on().is_some(), "not yet");
    line.now = *until;
    let outcome = line.outcome();
    let (step, gate, after) = ("ci".into(), Gate::Checks, Duration::from_mins(30));
    assert_eq!(outcome, RunOutcome::GateShut { step, gate, after });
    assert_eq!(words::outcome(&outcome), "the gate ci did not open: it waited 30m until the checks were green");
    let moved = line.records.iter().any(|r| matches!(&r.event, Event::Moved { trigger: Trigger::FailedForGood, .. }));
    assert!(moved, "a person sees to it: it is not worked on again for that");
}

#[test]
fn a_gate_whose_time_is_over_opens_if_it_can_when_it_is_read_once_more() {
    let mut line = Line::new(formula("", "", "timeout = \"30m\""), Vec::new());
    assert!(line.on().is_some());
    // Nobody looked for an hour, and the checks are green meanwhile.
    line.now = Timestamp(line.now.0 + 60 * MINUTE);
    let (checks, changes_requested, conflicts, approved, head) = (Checks::Success, false, false, false, None);
    line.note(Event::ChecksSeen {
        subject: subject(),
        checks,
        changes_requested,
        conflicts,
        approved,
        head,
        asks: Vec::new(),
        comments: Vec::new(),
        mute: Mute::No,
        weighed: None,
    });
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: Some(PullNumber(2)) });
}

#[test]
fn journals_keep_how_a_step_is_done_again() {
    let mut line = Line::new(formula(TWICE, "", ""), vec![crashed()]);
    waits_again(&mut line);
    let text = serde_json::to_string(&line.records).expect("JSON");
    let again: Vec<Record> = serde_json::from_str(&text).expect("records");
    assert_eq!(again, line.records);
    assert!(line.records.iter().any(|r| matches!(&r.event, Event::Advanced { how: Advance::Retry { .. }, .. })));
    let writes = |kind: &StepKind| matches!(kind, StepKind::Agent { access: Access::Write, .. });
    assert!(line.run().steps_in_work().all(|(step, _)| writes(&step.kind)));
    assert_eq!(subject().issue, IssueNumber(1));
}

/// A formula that only sorts an issue, and closes it.
fn sorts() -> Formula {
    let text = r##"
formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[[label]]
name = "sorted"
color = "#00ff00"
[[step]]
id = "sort"
propose = "labels"
add = ["sorted"]
[[step]]
id = "close"
propose = "close"
[[step]]
id = "look"
agent = "dev"
prompt = "fix.md"
access = "read"
output = "fix-result"
when = "'sorted' in steps.sort.output.labels"
"##;
    load("fix.toml", text, &|name: &str| shipped_prompt(name).map(str::to_owned)).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

#[test]
fn a_run_that_closes_its_issue_goes_on_to_its_end_and_moves_no_label() {
    // The writing of the labels is cut once, and made again without a look-up: it can be repeated.
    let mut line = Line::new(sorts(), vec![Outcome::Cut]);
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
    let done: Vec<&str> = line.did.iter().map(String::as_str).filter(|did| *did != "status").collect();
    assert_eq!(done, ["claim", "prepare", "relabel", "relabel", "close", "agent"]);
    let moved = |records: &[Record]| records.iter().any(|record| matches!(record.event, Event::Moved { .. }));
    assert!(!moved(&line.records), "it is closed: nothing else is to be said of it");
    let ledger = line.ledger();
    let made = plan(&ledger, &line.view, &line.policy, line.now);
    let closed = |action: &Action| matches!(action, Action::Record(events) if events.iter().any(|e| matches!(e, Event::Moved { trigger: Trigger::PersonClosed, .. })));
    assert!(made.actions.iter().any(closed), "and then its story ends: {made:?}");
}

#[test]
fn a_person_who_closes_the_issue_still_stops_a_run_that_would_close_it() {
    let mut line = Line::new(formula("", "", ""), Vec::new());
    assert!(line.on().is_some(), "it waits for its checks");
    line.note(Event::Seen { subject: subject(), issue: SeenIssue { open: false, ..seen() } });
    assert_eq!(line.outcome(), RunOutcome::Hand { how: HandOutcome::Cancelled });
}

#[test]
fn labels_that_the_forge_refuses_end_the_run_and_are_not_tried_for_ever() {
    let failure = forgehand::model::Failure { kind: forgehand::model::FailureKind::Refused, why: "no such right".into() };
    let mut line = Line::new(sorts(), vec![Outcome::Failed { failure }]);
    assert_eq!(line.outcome(), RunOutcome::Environment { why: "no such right".into() });
    assert_eq!(line.count("relabel"), 1);
}
