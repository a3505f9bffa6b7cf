//! A made journal: the real core on a forge that is as good as it gets, fifty issues a day. The issues are triaged, worked on with some
//! forty calls of the model and tools each, verified (some twice), and merged when a hundred more have come; some go to a person.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use forgehand::engine::{Core, Effect, Input, Job, LookedAt, PullRead};
use forgehand::ledger::IssueState;
use forgehand::model::{
    Branch, Change, Checks, CommandRun, CommentId, Decision, Event, Evidence, HandOutcome, Intent, Issue, IssueNumber,
    LabelNames, ModelCall, Mute, Outcome, PullMark, PullNumber, Record, SeenIssue, Sha, Subject, TextMark, Timestamp, Usd,
};
use forgehand::plan::Policy;
use forgehand::ports::HandEvent;

use super::plan_world::{facts, policy, repo};

const DAY: i64 = 86_400_000;
/// So many are open at a time, waiting for a person to merge them.
const OPEN: u64 = 100;
/// Model calls, each with a line of what the agent does, of a triage and of a fix.
const CALLS: (u64, u64) = (8, 40);

struct Made {
    core: Core,
    now: Timestamp,
    moved: BTreeMap<u64, Issue>,
    issues: BTreeMap<u64, Issue>,
    pulls: BTreeMap<u64, u64>,
    jobs: VecDeque<Job>,
    counter: u64,
}

fn generous() -> Policy {
    let mut policy = policy();
    let much = Usd(1_000_000_000_000);
    policy.usd_day = much;
    policy.projects.values_mut().for_each(|project| project.usd_day = much);
    policy.checks_every = std::time::Duration::from_secs(86_400 * 400);
    policy
}

/// So many days with so many issues each. Every record is told, in order; answers with the core as it is at the end.
pub fn year(days: u64, per_day: u64, tell: &mut dyn FnMut(&Record)) -> Core {
    let mut made = Made {
        core: Core::new(&[], generous()),
        now: Timestamp(1_790_000_000_000),
        moved: BTreeMap::new(),
        issues: BTreeMap::new(),
        pulls: BTreeMap::new(),
        jobs: VecDeque::new(),
        counter: 1_000_000,
    };
    let mut seq = 0;
    let mut tell = |at: Timestamp, event: Event| {
        seq += 1;
        tell(&Record { seq, at, event });
    };
    let effects = made.core.begin("made", 1, made.now);
    made.carry_out(effects, &mut tell);
    for number in 1..=days * per_day {
        made.now = Timestamp(made.now.0 + DAY / per_day as i64);
        made.file(number);
        if number > OPEN {
            made.close(number - OPEN);
        }
        made.look(&mut tell);
        // What we did ourselves is seen once more.
        made.now = Timestamp(made.now.0 + 60_000);
        made.look(&mut tell);
    }
    made.core
}

/// The same as `forgehand export` would write it; answers with what it is, in words.
pub fn lines(days: u64, per_day: u64, out: &mut dyn FnMut(&str) -> std::io::Result<()>) -> std::io::Result<String> {
    out(r#"{"file":"forgehand journal","format":1,"schema":2,"version":"made","journal":"0ur5"}"#)?;
    let (mut failed, mut events) = (Ok(()), 0_u64);
    let core = year(days, per_day, &mut |record| {
        if failed.is_ok() {
            let event = serde_json::to_string(&record.event).expect("an event is text");
            failed = out(&format!(r#"{{"seq":{},"at":{},"time":"{}","event":{event}}}"#, record.seq, record.at.0, record.at));
            events += 1;
        }
    });
    failed?;
    out(&format!(r#"{{"end":{events}}}"#))?;
    let (living, past) = (core.ledger().issues().count(), core.ledger().past().count());
    Ok(format!("{} issues in {days} days: {living} have something before them, {past} are done; {events} events", days * per_day))
}

impl Made {
    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn file(&mut self, number: u64) {
        let issue = Issue {
            number: IssueNumber(number),
            title: format!("The export of report {number} leaves out the last line when it ends without a newline"),
            body: format!("What I did, what I expected, what came instead. Number {number}."),
            author: "ann".into(),
            open: true,
            labels: BTreeSet::from(["portal".to_owned()]),
            created: self.now,
            updated: self.now,
            comments: 0,
            pull: None,
        };
        self.issues.insert(number, issue.clone());
        self.moved.insert(number, issue);
    }

    /// A person merges what was done for it, or closes it.
    fn close(&mut self, number: u64) {
        let Some(mut issue) = self.issues.remove(&number) else { return };
        (issue.open, issue.updated) = (false, self.now);
        if let Some(pull) = self.pulls.remove(&number) {
            let mark = Issue { number: IssueNumber(pull), pull: Some(PullMark { merged: true }), ..issue.clone() };
            self.moved.insert(pull, mark);
        }
        self.moved.insert(number, issue);
    }

    fn look(&mut self, tell: &mut dyn FnMut(Timestamp, Event)) {
        self.input(Input::Wake { repos: vec![repo()], force: true }, tell);
        while let Some(job) = self.jobs.pop_front() {
            self.answer(job, tell);
        }
    }

    fn input(&mut self, input: Input, tell: &mut dyn FnMut(Timestamp, Event)) {
        self.now = Timestamp(self.now.0 + 900);
        let effects = self.core.handle(input, self.now);
        self.carry_out(effects, tell);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, tell: &mut dyn FnMut(Timestamp, Event)) {
        for effect in effects {
            match effect {
                Effect::Append { at, events } => events.into_iter().for_each(|event| tell(at, event)),
                Effect::Start(job) => self.jobs.push_back(*job),
                Effect::Cancel(_) => {}
                Effect::Alarm(violation) => panic!("{violation}"),
            }
        }
    }

    fn answer(&mut self, job: Job, tell: &mut dyn FnMut(Timestamp, Event)) {
        let input = match job {
            Job::Survey(repo) => Input::Surveyed { repo, result: Ok(facts()) },
            Job::Look { repo, stamp, .. } => {
                let issues = std::mem::take(&mut self.moved).into_values().collect();
                Input::Looked { repo, result: Ok(LookedAt { date: Some(self.now), issues, ..stamp }) }
            }
            Job::Offers { .. } | Job::TellOffer { .. } | Job::Vault { .. } => panic!("there is no operations repository here"),
            Job::Renew(account) => panic!("nobody renews {account} here"),
            Job::History(subject) => Input::History { subject, result: Ok(Vec::new()) },
            Job::Dependencies { subject, .. } => Input::Dependencies { subject, result: Ok(Vec::new()) },
            Job::Rights { asked, .. } => panic!("nobody asks for {} here", asked.formula),
            Job::Files { subject, .. } => panic!("nobody looks for files of {subject} here"),
            Job::Checks { subject, pull, weighing, .. } => {
                Input::Checks { subject, moved: pull.moved, weighing, result: Ok(green()) }
            }
            Job::Find { key, .. } => Input::Found { key, result: Ok(None) },
            Job::Act { key, subject, intent, state, .. } => {
                if let Intent::Agent { run, session, .. } = &intent {
                    self.hear(run, session, state.run.as_ref().is_some_and(|r| r.formula.name.as_str() == "triage"), tell);
                }
                let outcome = self.act(&subject, &intent, &state);
                Input::Ended { key, outcome }
            }
        };
        self.input(input, tell);
    }

    fn hear(&mut self, run: &forgehand::model::RunId, session: &str, triages: bool, tell: &mut dyn FnMut(Timestamp, Event)) {
        let mut events = vec![HandEvent::SessionStarted];
        for call in 0..if triages { CALLS.0 } else { CALLS.1 } {
            events.push(HandEvent::Called(ModelCall {
                model: "claude-sonnet-5-5".into(),
                input: 1_200 + call,
                output: 400 + call,
                cache_read: 40_000 + 1_000 * call,
                cache_write: 1_500,
                cost: Usd(21_000),
                status: Some(200),
                cut: false,
                unmetered: false,
                millis: 5_000 + call,
            }));
            events.push(HandEvent::Doing(format!("edits src/export/report_{call}.rs: the last line without a newline")));
        }
        for event in events {
            self.input(Input::Heard { run: run.clone(), session: session.to_owned(), event }, tell);
        }
    }

    fn act(&mut self, subject: &Subject, intent: &Intent, state: &IssueState) -> Outcome {
        let number = subject.issue.0;
        match intent {
            Intent::Claim { .. } => Outcome::Claimed { sha: sha(self.count()), until: Timestamp(self.now.0 + 600_000) },
            Intent::Release { .. } => Outcome::Released,
            Intent::Labels { to, .. } => self.label(number, *to),
            Intent::Say { .. } => {
                let comment = CommentId(self.count());
                self.touch(number).comments += 1;
                Outcome::Said { comment, left: None }
            }
            Intent::Close => Outcome::Closed,
            Intent::Relabel { .. }
            | Intent::CloseNamed { .. }
            | Intent::Reopen { .. }
            | Intent::File { .. }
            | Intent::Rewrite { .. }
            | Intent::Review { .. }
            | Intent::Reply { .. }
            | Intent::Keep { .. }
            | Intent::AskVault { .. }
            | Intent::Mend { .. } => {
                unreachable!("no formula of the year asks for that")
            }
            Intent::Prepare { .. } => self.prepare(number),
            Intent::SetUp { .. } => Outcome::SetUp,
            Intent::Agent { .. } => agent(number, state),
            Intent::Take { .. } => {
                let head = sha(self.count());
                Outcome::Taken { judged: Ok(change(head)) }
            }
            Intent::Verify { sha, .. } => {
                let again = state.run.as_ref().is_some_and(|run| !run.rounds.is_empty());
                Outcome::Verified { evidence: evidence(sha, again || !number.is_multiple_of(5)) }
            }
            Intent::Push { .. } => Outcome::Pushed,
            Intent::OpenPull { .. } => {
                let pull = self.count();
                self.pulls.insert(number, pull);
                Outcome::PullOpened { pull: PullNumber(pull) }
            }
            Intent::Discard { .. } => Outcome::Discarded { kept: None },
            Intent::Merge { .. } | Intent::Rerun { .. } => unreachable!("a person merges there, and nobody cancels a check"),
            Intent::DropBranch { .. } => Outcome::BranchGone,
        }
    }

    fn touch(&mut self, number: u64) -> &mut Issue {
        let now = self.now;
        let issue = self.issues.get_mut(&number).or_else(|| self.moved.get_mut(&number));
        let issue = issue.map(|issue| Issue { updated: now, ..issue.clone() });
        let issue = issue.unwrap_or_else(|| Issue {
            number: IssueNumber(number),
            title: String::new(),
            body: String::new(),
            author: "ann".into(),
            open: false,
            labels: BTreeSet::new(),
            created: now,
            updated: now,
            comments: 0,
            pull: None,
        });
        self.issues.entry(number).or_insert(issue)
    }

    fn label(&mut self, number: u64, to: Option<Decision>) -> Outcome {
        let names = LabelNames::default();
        let issue = self.touch(number);
        issue.labels.retain(|label| names.decision(label).is_none());
        issue.labels.extend(to.map(|to| names.of(to).to_owned()));
        let labels = issue.labels.clone();
        self.moved.insert(number, self.issues[&number].clone());
        Outcome::Labelled { labels, people: BTreeSet::new(), learned: Vec::new() }
    }

    fn prepare(&mut self, number: u64) -> Outcome {
        let issue = self.touch(number).clone();
        let seen = SeenIssue {
            title: issue.title.clone(),
            text: TextMark { title: forgehand::text::hash(&issue.title), body: forgehand::text::hash(&issue.body) },
            author: issue.author,
            open: issue.open,
            labels: issue.labels,
            created: issue.created,
            updated: issue.updated,
            comments: issue.comments,
            depends: Vec::new(),
        };
        Outcome::Prepared {
            ops: None,
            tasks: None,
            sprint: None,
            host: None,
            last_tag: None,
            moved: None,
            over: None,
            open: None,
            revision: None,
            merged: None,
            base: sha(1),
            base_branch: Branch::from("main"),
            tip: None,
            issue: Box::new(seen),
            read_up_to: None,
            trunk: Some(Box::new(sha(1))),
            tip_ours: false,
        }
    }
}

fn agent(number: u64, state: &IssueState) -> Outcome {
    let triages = state.run.as_ref().is_some_and(|run| run.formula.name.as_str() == "triage");
    let text =
        "The last line of a report is left out when it has no newline at its end, because the reader drops what follows it.";
    let output = if triages {
        serde_json::json!({
            "route": if number.is_multiple_of(10) { "interactive" } else { "queue" },
            "summary": text,
            "requirements": [text, text],
            "acceptance": [text],
            "files": ["src/export/report.rs", "tests/export.rs"],
            "risk": "low",
            "questions": [],
        })
    } else {
        serde_json::json!({"outcome": "done", "title": "Keep the last line", "summary": text.repeat(3)})
    };
    Outcome::AgentEnded { how: HandOutcome::Succeeded, output: Ok(output), resumable: true }
}

fn evidence(sha: &Sha, passed: bool) -> Evidence {
    let output = "running 312 tests\ntest export::the_last_line_is_kept ... FAILED\n".repeat(if passed { 3 } else { 30 });
    let command =
        CommandRun { command: "cargo test".into(), exit: Some(if passed { 0 } else { 101 }), tail: output, millis: 61_000 };
    Evidence { sha: sha.clone(), commands: vec![command], passed, timed_out: false }
}

fn change(head: Sha) -> Change {
    Change {
        head,
        base: sha(1),
        commits: 1,
        files: Vec::new(),
        added: 30,
        removed: 4,
        person_paths: Vec::new(),
        verify_paths: Vec::new(),
    }
}

fn green() -> PullRead {
    PullRead { head: None, checks: Checks::Success, mute: Mute::No, reviews: None, conflicts: Some(false), weighed: None }
}

fn sha(n: u64) -> Sha {
    format!("{n:040x}").parse().expect("a name of an object")
}
