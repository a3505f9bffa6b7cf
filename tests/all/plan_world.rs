//! A small world for the core: a forge, git and hands as plain data, which answer (or fail, or answer late) as they are told.
//!
//! What an effect does and when it is answered are two things: in between people act and the process dies.

use std::collections::{BTreeMap, BTreeSet};

use forgehand::config::Project;
use forgehand::engine::{Core, Effect, Input, Job, LookedAt, PullRead, Reviewed};
use forgehand::formula::{load, shipped, shipped_prompt};
use forgehand::ledger::{IssueState, Ledger, PullRef};
use forgehand::model::{
    Advance, Ask, Branch, Change, ChangedFile, Checks, CommandRun, Comment, CommentId, Commented, Concurrency, Decision,
    EffectKey, EndWord, Event, Evidence, Expression, Failure, FailureKind, FilesFound, FilesSought, ForgeEvent, Formula,
    FormulaName, HandOutcome, Hands, Intent, Issue, IssueNumber, JournalId, LabelEvent, LabelNames, Lane, Login, MergeRule,
    ModelCall, Mute, OnVault, Outcome, OverlapRule, Overlapping, Point, PointId, ProjectFacts, Proposal, Pull, PullMark,
    PullNumber, PullState, Record, Refusal, RepoFacts, RepoName, Rerun, ReviewId, Revision, Risk, RunId, Saying, SeenIssue, Sha,
    Since, Step, StepId, StepKind, Subject, TextMark, Timestamp, Trigger, Triggers, Trouble, Usd, VaultAsk, Wait, WhenBusy,
};
use forgehand::plan::{Crew, Plan, Policy, ProjectPolicy, ROUNDS, plan, subject_of, target};
use forgehand::ports::HandEvent;

/// The bot.
pub const BOT: &str = "bot";
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All is well; the number chooses among the answers that are.
    Well(u8),
    /// It is not done.
    Fails(FailureKind),
    /// It is done, and nobody hears of it.
    Unheard,
}

/// Which comment, whose, when, and of ours the effect and what it says.
type WorldComment = (CommentId, Login, Timestamp, Option<(EffectKey, Says)>);

/// What a comment of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Status,
    Breakdown,
    Note,
}

fn says(what: &Saying) -> Says {
    match what {
        Saying::Status { .. } => Says::Status,
        Saying::Proposed { .. } => Says::Breakdown,
        Saying::Note { .. } => Says::Note,
    }
}

/// An issue of the world.
#[derive(Clone, Debug)]
pub struct WorldIssue {
    author: Login,
    text: u64,
    /// Open or closed.
    pub open: bool,
    /// Its labels.
    pub labels: BTreeSet<String>,
    history: Vec<LabelEvent>,
    updated: Timestamp,
    /// Its comments.
    pub comments: Vec<WorldComment>,
}

/// A pull request of the world.
#[derive(Clone, Debug)]
pub struct WorldPull {
    number: u64,
    head: Branch,
    /// Where it stands.
    pub state: PullState,
    updated: Timestamp,
}

/// Something under way.
#[derive(Clone, Debug)]
struct Pending {
    job: Job,
    /// What it saw when it began.
    seen: Option<LookedAt>,
    /// What came of it, where it is done and not heard of yet.
    done: Option<Outcome>,
    cancelled: bool,
}

/// The world, the core in it, and its journal.
pub struct World {
    /// The core.
    pub core: Core,
    /// The journal.
    pub records: Vec<Record>,
    /// Now.
    pub now: Timestamp,
    /// Issues.
    pub issues: BTreeMap<u64, WorldIssue>,
    /// Pull requests.
    pub pulls: Vec<WorldPull>,
    branches: BTreeMap<Branch, Sha>,
    claims: BTreeMap<u64, (JournalId, Sha, Timestamp)>,
    pending: Vec<Pending>,
    policy: Policy,
    /// The configuration as it was first, with its project.
    whole: Policy,
    /// The most slots that there ever were.
    most: u32,
    counter: u64,
    pub shadow: Ledger,
    journal: String,
    /// From when on old issues count.
    since: Option<Since>,
    /// The issues that steps filed: by run, step and title, with the key of the effect.
    pub filed: BTreeMap<(RunId, StepId, Option<String>), (EffectKey, IssueNumber)>,
    /// Commits that have a person's among them.
    people: BTreeSet<Sha>,
    /// The reviews that ask for changes of each pull request, the last one of one reviewer.
    asks: BTreeMap<u64, ReviewId>,
    /// The newest comment below the pull request of an issue.
    remarks: BTreeMap<u64, u64>,
    /// The points that were answered, with the key of the effect.
    pub replied: BTreeMap<PointId, EffectKey>,
    /// How often the checks of each head were run again.
    pub reruns: BTreeMap<Sha, u32>,
    /// How often runs of each issue were started.
    pub runs: BTreeMap<u64, u32>,
    /// What happened, people's acts included, for who has to find out: the issue, where it is about one, and what.
    pub story: Vec<(Option<u64>, String)>,
}

/// The one repository.
pub fn repo() -> RepoName {
    "o/r".parse().expect("a name")
}

/// An issue of it.
pub fn subject(number: u64) -> Subject {
    Subject { repo: repo(), issue: IssueNumber(number) }
}

/// A fix with requirements and every kind of step.
const GATED: &str = r##"
formula = 1
name = "fix"
title = "A fix with gates"
blast_radius = "medium"
[trigger]
label = "claude-queue"
[[label]]
name = "sorted"
color = "#00ff00"
[[label]]
name = "stale"
color = "#c0c0c0"
[require]
no_labels = ["interactive"]
files = ["docs/plan.md"]
[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"
commits = "output.outcome == 'done'"
retry = { at_most = 1, wait = "30s" }
[[step]]
id = "verify"
when = "steps.work.output.outcome == 'done'"
run = "project.verify"
on_failure = { to = "work", at_most = 1 }
[[step]]
id = "own"
run = ["make lint"]
on_failure = { to = "work", at_most = 1 }
timeout = "10m"
retry = { at_most = 2, wait = "1m" }
[[step]]
id = "pause"
gate = "time"
after = "5m"
[[step]]
id = "open"
propose = "pull-request"
title = "{{line issue.title}}"
body = "pull-request.md"
[[step]]
id = "tell"
propose = "comment"
body = "pull-request.md"
[[step]]
id = "ci"
gate = "checks"
[[step]]
id = "again"
run = ["make lint"]
on_failure = { to = "work", at_most = 1 }
[[step]]
id = "approve"
gate = "approval"
timeout = "3d"
[[step]]
id = "look"
agent = "dev"
prompt = "fix.md"
access = "read"
output = "fix-result"
for_each = { items = "['a', 'b', 'c']", at_most = 3 }
[[step]]
id = "sort"
propose = "labels"
add = ["sorted"]
remove = ["stale"]
for_each = { items = "steps.look.output", at_most = 3 }
[[outcome]]
when = "steps.work.output.outcome == 'no-change'"
is = "no-change"
summary = "steps.work.output.summary"
[[outcome]]
when = "steps.work.output.outcome == 'refused'"
is = "refused"
summary = "steps.work.output.summary"
"##;

/// The policy, with a fix that has gates in the place of the shipped one.
pub fn gated_policy() -> Policy {
    let prompts = |name: &str| shipped_prompt(name).map(str::to_owned);
    let fix = load("fix.toml", GATED, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let mut policy = policy();
    policy.projects.values_mut().for_each(|p| drop(p.formulas.insert("fix".into(), fix.clone())));
    policy
}

/// What a fix goes on with that has its pull request merged.
const FORWARD: &str = r##"
[[step]]
id = "merge"
propose = "merge"
timeout = "3m"
[[step]]
id = "tell"
when = "steps.merge.output.merged"
propose = "comment"
body = "pull-request.md"
[[step]]
id = "look"
agent = "dev"
prompt = "fix.md"
access = "read"
output = "fix-result"
"##;

/// The policy, with a fix that puts its pull request forward, in a group of its own and that of who revises.
pub fn forwarding_policy() -> Policy {
    let prompts = |name: &str| shipped_prompt(name).map(str::to_owned);
    let text = forgehand::formula::shipped_text("fix").expect("shipped").to_owned() + FORWARD;
    let mut fix = load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let mut policy = revising_policy();
    let group = Some(Concurrency { group: "one".into(), when_busy: WhenBusy::Queue });
    fix.limits.concurrency.clone_from(&group);
    for project in policy.projects.values_mut() {
        project.formulas.insert("fix".into(), fix.clone());
        project.formulas.get_mut(&"revise".into()).expect("it").limits.concurrency.clone_from(&group);
    }
    policy
}

/// What a fix goes on with that asks the vault once its pull request is open.
const ASKING: &str = r##"
[[step]]
id = "ask"
propose = "vault-action"
action = "'deploy-' + string(issue.number)"
title = "Deploy"
body = "pull-request.md"
asks = "{ 'context': 'It is there.', 'action_required': 'Press the button.' }"
[[step]]
id = "wait"
gate = "vault"
timeout = "8m"
[[step]]
id = "tell"
propose = "comment"
body = "pull-request.md"
"##;

/// The policy, with a fix that waits for the vault.
pub fn asking_policy() -> Policy {
    let prompts = |name: &str| shipped_prompt(name).map(str::to_owned);
    let text = forgehand::formula::shipped_text("fix").expect("shipped").to_owned() + ASKING;
    let fix = load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let mut policy = revising_policy();
    policy.projects.values_mut().for_each(|p| drop(p.formulas.insert("fix".into(), fix.clone())));
    policy
}

/// The policy with the formula that revises.
pub fn revising_policy() -> Policy {
    let revise = shipped().remove(&"revise".into()).expect("shipped");
    let mut policy = policy();
    policy.projects.values_mut().for_each(|p| drop(p.formulas.insert("revise".into(), revise.clone())));
    policy.open_pulls = 2;
    policy
}

/// The policy with a formula beside the lifecycle, which a label of its own starts and which moves nothing.
pub fn glancing_policy() -> Policy {
    let mut glance = shipped().remove(&"triage".into()).expect("shipped");
    glance.name = "glance".into();
    glance.trigger = Triggers {
        label: Some(GLANCE.into()),
        event: vec![ForgeEvent::ChecksFailed, ForgeEvent::IssueClosed, ForgeEvent::PullMerged],
        ..Triggers::default()
    };
    glance.outcomes = Vec::new();
    let list = "[{'title': 'a', 'body': ''}, {'title': 'b', 'body': ''}]".to_owned();
    let one =
        Proposal::Issue { title: "t".into(), body: "b".into(), labels: Vec::new(), blocks: true, once: None, while_open: false };
    let some = Proposal::SubIssues { items: Expression(list), at_most: 2, labels: Vec::new(), once: None };
    for (id, proposal) in [("one", one), ("some", some)] {
        let kind = StepKind::Propose(proposal);
        glance.steps.push(Step {
            id: id.into(),
            needs: Some(vec!["breakdown".into()]),
            when: None,
            for_each: None,
            timeout: None,
            retry: None,
            kind,
        });
    }
    let mut policy = policy();
    policy.projects.values_mut().for_each(|p| drop(p.formulas.insert("glance".into(), glance.clone())));
    policy
}

/// The policy with formulas about the project, each with a schedule.
pub fn scheduled_policy(crons: &[(&str, &str)]) -> Policy {
    let mut policy = policy();
    for (name, cron) in crons {
        let text = SCHEDULED.replace("NAME", name).replace("CRON", cron);
        let prompts = |_: &str| Some("Tend {{repo}}.".to_owned());
        let formula = load("scheduled.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
        policy.projects.values_mut().for_each(|p| drop(p.formulas.insert((*name).into(), formula.clone())));
    }
    policy
}

const SCHEDULED: &str = r#"
formula = 1
name = "NAME"
title = "Tend the project"
blast_radius = "low"
[trigger]
cron = "CRON"
[[step]]
id = "tend"
agent = "dev"
prompt = "tend.md"
access = "read"
output = "fix-result"
"#;

/// The policy where triage hands over what it would queue: to a formula that keeps a branch at what was proved to fail, and from there to one that
/// only looks.
pub fn handing_policy() -> Policy {
    let mut policy = policy();
    let prompts = |_: &str| Some("Look at {{repo}}.".to_owned());
    let loaded = |text: &str| load("handed.toml", text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let mut triage = shipped().remove(&"triage".into()).expect("shipped");
    let queue = triage.outcomes.iter_mut().find(|ending| ending.is == EndWord::Queue).expect("an ending");
    (queue.is, queue.hands) = (EndWord::HandOver, Some(Hands { to: "probe".into(), or: EndWord::Interactive }));
    let (probe, judge) = (loaded(PROBE), loaded(JUDGE));
    // What it hands over to is no shipped one.
    let mut probe = probe;
    probe.outcomes[0].hands = Some(Hands { to: "judge".into(), or: EndWord::Queue });
    for formula in [triage, probe, judge] {
        policy.projects.values_mut().for_each(|p| drop(p.formulas.insert(formula.name.clone(), formula.clone())));
    }
    policy
}

const PROBE: &str = r#"
formula = 1
name = "probe"
title = "Show it"
blast_radius = "low"
[[step]]
id = "work"
agent = "dev"
prompt = "look.md"
access = "write"
output = "fix-result"
commits = "output.outcome == 'done'"
[[step]]
id = "prove"
when = "steps.work.output.outcome == 'done'"
run = ["make probe"]
expect = "failure"
go_on = true
on_failure = { to = "work", at_most = 1, prompt = "look.md" }
[[step]]
id = "keep"
when = "steps.prove.output.as_expected"
propose = "branch"
keep = "probe"
commands = "['make probe']"
[[outcome]]
when = "steps.keep.status == 'done'"
is = "hand-over"
to = "fix"
or = "queue"
[[outcome]]
is = "interactive"
"#;

const JUDGE: &str = r#"
formula = 1
name = "judge"
title = "Try what was shown on the base"
blast_radius = "low"
[require]
dependencies_closed = true
[[step]]
id = "try"
run = { kept = "probe" }
on = "base"
go_on = true
[[outcome]]
when = "steps.try.output.as_expected"
is = "queue"
[[outcome]]
is = "hand-over"
to = "triage"
or = "interactive"
"#;

/// The same, where formulas have groups: triage, fix and that one, each with one of two or with none.
pub fn grouped_policy(groups: [Option<(bool, WhenBusy)>; 3]) -> Policy {
    let mut policy = glancing_policy();
    let formulas = || ["triage", "fix", "glance"].into_iter().zip(groups);
    for project in policy.projects.values_mut() {
        for (name, of) in formulas() {
            let group = |first| if first { "one".to_owned() } else { "two".to_owned() };
            let concurrency = of.map(|(first, when_busy)| Concurrency { group: group(first), when_busy });
            project.formulas.get_mut(&name.into()).expect("there").limits.concurrency = concurrency;
        }
    }
    policy
}

/// The label that starts it.
pub const GLANCE: &str = "needs-glance";

/// The formulas that are on where nothing is said.
fn usual() -> BTreeMap<FormulaName, Formula> {
    let mut all = shipped();
    all.retain(|name, _| Project::usual_formulas().contains(name));
    all
}

/// The policy: two slots, three attempts.
pub fn policy() -> Policy {
    let secs = std::time::Duration::from_secs;
    let project = ProjectPolicy {
        labels: LabelNames::default(),
        branch_prefix: "claude/issue-".into(),
        base: None,
        intake: BTreeSet::from([Login::from("intake")]),
        since: Some(Since::All),
        formulas: usual(),
        slots: None,
        usd_day: Usd(25_000_000),
        merge: MergeRule::Never,
        review: true,
        overlap: OverlapRule::Running,
        verify: vec!["true".into()],
        sets_up: true,
        leaving: false,
    };
    Policy {
        journal: "0ur5".into(),
        forge: "http://forge".into(),
        slots: 2,
        attempts: 3,
        backoff: vec![secs(60), secs(300), secs(900)],
        adopt_after: secs(7200),
        question: DAY * 7,
        open_pulls: 10_000,
        items: 10_000,
        usd_run: Usd(5_000_000),
        usd_day: Usd(25_000_000),
        lookup_gap: secs(30),
        renew: secs(180),
        checks_every: secs(60),
        trouble_pause: secs(300),
        unreachable_pause: secs(30),
        retry: vec![secs(5), secs(15), secs(60), secs(300)],
        crew: Crew::default(),
        mends: BTreeMap::new(),
        ops: None,
        projects: BTreeMap::from([(repo(), project)]),
    }
}

impl World {
    /// A world with these issues: the labels of each, and whether an intake account filed it.
    pub fn new(issues: &[(Vec<&str>, bool)], policy: Policy) -> Self {
        let now = Timestamp(1_790_000_000_000);
        let mut world = Self {
            core: Core::new(&[], policy.clone()),
            records: Vec::new(),
            now,
            issues: BTreeMap::new(),
            pulls: Vec::new(),
            branches: BTreeMap::from([(Branch::from("main"), sha(1))]),
            claims: BTreeMap::new(),
            pending: Vec::new(),
            whole: policy.clone(),
            most: policy.slots,
            policy,
            counter: 100,
            shadow: Ledger::default(),
            journal: "0ur5".into(),
            since: Some(Since::All),
            filed: BTreeMap::new(),
            people: BTreeSet::new(),
            asks: BTreeMap::new(),
            remarks: BTreeMap::new(),
            replied: BTreeMap::new(),
            reruns: BTreeMap::new(),
            runs: BTreeMap::new(),
            story: Vec::new(),
        };
        for (index, (labels, intake)) in issues.iter().enumerate() {
            let issue = WorldIssue {
                author: if *intake { "intake".into() } else { "ann".into() },
                text: 0,
                open: true,
                labels: BTreeSet::new(),
                history: Vec::new(),
                updated: now,
                comments: Vec::new(),
            };
            let number = index as u64 + 1;
            world.issues.insert(number, issue);
            for label in labels {
                world.label(number, label, true, "ann");
            }
        }
        world.begin();
        world
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn second(&self) -> Timestamp {
        Timestamp(self.now.0 / 1000 * 1000)
    }

    fn policy(&self) -> Policy {
        let mut policy = Policy { journal: self.journal.as_str().into(), ..self.policy.clone() };
        policy.projects.values_mut().for_each(|project| project.since = self.since);
        policy
    }

    /// The journal is gone, and a new one begins.
    pub fn lose(&mut self) {
        self.journal = format!("l0st{}", self.count());
        self.story.push((None, format!("{} -- the journal is lost", self.now)));
        self.restore(self.records.len());
    }

    /// The same with a project that takes what was filed from a time on.
    pub fn start_anew(&mut self, since: Option<Since>) {
        self.since = since;
        self.lose();
    }

    /// The journal is restored from a copy that lacks this many of its newest records.
    pub fn restore(&mut self, lacks: usize) {
        self.story.push((None, format!("{} -- the journal loses {lacks} of {} records", self.now, self.records.len())));
        self.records.truncate(self.records.len().saturating_sub(lacks));
        self.shadow = Ledger::fold(&self.records);
        self.begin();
    }

    /// The process starts, on what the journal holds.
    pub fn begin(&mut self) {
        self.pending.clear();
        self.core = Core::new(&self.records, self.policy());
        assert_eq!(&self.shadow, self.core.ledger(), "the journal gives the same ledger again");
        let effects = self.core.begin("test", 1, self.now);
        self.carry_out(effects);
        self.wake();
    }

    /// The configuration is read anew: so many slots, and the project in it or not.
    pub fn configure(&mut self, slots: u32, there: bool) {
        self.policy = Policy { slots, ..self.whole.clone() };
        self.most = self.most.max(slots);
        if !there {
            self.policy.projects.clear();
        }
        self.story.push((None, format!("{} -- {slots} slots, the project is {}", self.now, if there { "there" } else { "out" })));
        self.input(Input::Policy(Box::new(self.policy())));
    }

    /// Another configuration for good.
    pub fn adopt(&mut self, policy: Policy) {
        (self.whole, self.policy) = (policy.clone(), policy);
        self.input(Input::Policy(Box::new(self.policy())));
    }

    /// Look at everything.
    pub fn wake(&mut self) {
        self.input(Input::Wake { repos: vec![repo()], force: true });
    }

    /// Tells the core something, and checks all that must always hold.
    pub fn input(&mut self, input: Input) {
        self.now = Timestamp(self.now.0 + 7);
        let effects = self.core.handle(input, self.now);
        self.carry_out(effects);
        self.check();
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append { at, events } => events.into_iter().for_each(|event| self.journal(at, event)),
                Effect::Start(job) => {
                    let seen = matches!(*job, Job::Look { .. }).then(|| self.look(&job));
                    self.pending.push(Pending { job: *job, seen, done: None, cancelled: false });
                }
                Effect::Cancel(key) => {
                    let told = self.pending.iter_mut().filter(|p| matches!(&p.job, Job::Act { key: k, .. } if *k == key));
                    told.for_each(|p| p.cancelled = true);
                }
                Effect::Alarm(violation) => panic!("the plan broke a rule: {violation}"),
            }
        }
    }

    /// Every event is checked against what was known before it.
    fn journal(&mut self, at: Timestamp, event: Event) {
        match &event {
            Event::Moved { subject, trigger, to } => {
                let from = self.shadow.issue(subject).and_then(|s| s.at);
                if *trigger == Trigger::ReviseAsked {
                    let rounds = self.shadow.issue(subject).and_then(|s| s.pull.as_ref()).map(|pull| pull.rounds.done);
                    assert!(rounds < Some(ROUNDS), "{subject}: revised more often than it may");
                }
                let row = target(from, *trigger).unwrap_or_else(|| panic!("{subject}: no row for {trigger:?} from {from:?}"));
                assert_eq!(row.resolve(from), *to, "{subject}: {trigger:?} from {from:?}");
            }
            Event::RunStarted { subject, aside, formula, .. } => {
                let state = self.shadow.issue(subject).expect("known");
                let group = |formula: &Formula| formula.limits.concurrency.as_ref().map(|of| of.group.clone());
                let beside = self.shadow.issues().filter_map(|(_, other)| group(&other.live_run()?.formula));
                assert!(beside.into_iter().all(|other| Some(other) != group(formula)), "{subject}: beside another of its group");
                assert!(state.run.is_none(), "{subject}: a second run");
                let rule = self.policy.projects.get(&subject.repo).map_or(OverlapRule::Off, |project| project.overlap);
                let at_work =
                    self.shadow.issues().filter(|(_, other)| other.live_run().is_some_and(|r| r.formula.changes_files()));
                let met = at_work.filter(|(_, other)| meet(state, other)).map(|(on, _)| on).next();
                assert!(
                    !formula.changes_files() || rule == OverlapRule::Off || met.is_none(),
                    "{subject}: begun beside {met:?}, whose files it changes"
                );
                let waiting =
                    self.shadow.issues().filter(|(_, other)| other.at == Some(Decision::Pr) && other.open_pull().is_some());
                let new = formula.opens_pull() && aside.is_none() && state.open_pull().is_none();
                assert!(
                    !new || waiting.count() < self.policy.open_pulls as usize,
                    "{subject}: begun while too many wait for people"
                );
                let spent = aside.is_none() && state.attempts >= self.policy.attempts;
                assert!(!spent, "{subject}: more attempts than allowed");
                assert_eq!(self.shadow.pause_of(subject, at), None, "{subject}: started while it was paused");
                assert!(self.policy.projects.contains_key(&subject.repo), "{subject}: started outside the configuration");
                *self.runs.entry(subject.issue.0).or_default() += 1;
            }
            Event::Advanced { run, step, how: Advance::ItemDone { item, of } } => {
                let at = self.shadow.run(run).and_then(|run| run.at(step)?.each.as_ref());
                let at = at.map(|each| (each.nth(), each.of()));
                assert_eq!(at, Some((*item, *of)), "{run}: an item that it is not at is done");
            }
            _ => {}
        }
        if let Event::Intended { subject, intent, .. } = &event
            && let Some((step, run)) = intent.step().zip(self.shadow.issue(subject).and_then(|state| state.live_run()))
        {
            let place = run.formula.place(step).expect("a step of its formula");
            let ended = |at: &usize| run.status(&run.formula.steps[*at].id).is_some();
            assert!(run.formula.before(place).iter().all(ended), "{subject}: {step} begins before what it waits for has ended");
            assert_eq!(run.status(step), None, "{subject}: {step} is done again");
        }
        let about = subject_of(&self.shadow, &event).map(|s| s.issue.0);
        self.story.push((about, format!("{at} {event:?}")));
        let record = Record { seq: self.records.len() as u64 + 1, at, event };
        self.shadow.apply(&record);
        self.records.push(record);
    }

    fn check(&self) {
        assert_eq!(&self.shadow, self.core.ledger(), "the journal says what the core knows");
        let again = || -> Plan { plan(self.core.ledger(), self.core.view(), self.core.policy(), self.now) };
        assert_eq!(again(), again());
        assert_eq!(&again(), self.core.plan(), "planning again gives the same plan");
        assert!(
            self.core.plan().actions.is_empty(),
            "what is planned is begun: {:?}\n{:?}\n{:?}",
            self.core.plan(),
            self.core.view(),
            self.records.iter().rev().take(12).map(|r| &r.event).collect::<Vec<_>>()
        );
        let mut lanes = BTreeSet::new();
        for pending in &self.pending {
            if let Job::Act { subject, intent, .. } = &pending.job {
                assert!(lanes.insert((subject.clone(), intent.lane())), "{subject}: two effects at once");
            }
        }
        let hand = |intent: &Intent| matches!(intent, Intent::Agent { .. } | Intent::Verify { .. } | Intent::Take { .. });
        let at_work = self.pending.iter().filter(|p| matches!(&p.job, Job::Act { intent, .. } if hand(intent))).count();
        assert!(at_work <= self.most as usize, "{at_work} hands at work");
        let under_care = self.core.policy().projects.contains_key(&repo());
        for (subject, state) in self.core.ledger().issues().filter(|(_, s)| s.seen.open && under_care) {
            let gate = state.live_run().is_some_and(|run| run.gate().is_some() && run.prepared.is_some());
            assert!(!gate || state.live_run().is_some_and(|run| run.parked), "{subject}: holds a slot at a gate");
            let acts = lanes.iter().any(|(s, _)| *s == subject)
                || self.core.view().finding.iter().any(|key| self.core.ledger().open(key).is_some_and(|(s, _)| *s == subject));
            let waits = self.core.plan().waits.contains_key(&subject) || self.core.view().reading.contains(&subject);
            assert!(acts || waits, "{subject} neither moves nor waits: {:?}", state.at);
            self.waits_for_no_ring(&subject);
            if let (Some(Wait::Merge { .. }), Some(pull)) = (self.core.plan().waits.get(&subject), &state.pull) {
                let sound = !pull.conflicts && !pull.changes_requested && pull.checks != Checks::Failure;
                assert!(sound, "{subject}: {} does not wait for a merge alone", pull.number);
            }
        }
    }

    /// Who waits for another one's files waits as the project says, and for nobody who waits for it, however many are between.
    fn waits_for_no_ring(&self, subject: &Subject) {
        let (rule, mut on, mut seen) = (self.core.policy().projects[&subject.repo].overlap, subject, BTreeSet::new());
        while let Some(Wait::Overlap { on: next, by, .. }) = self.core.plan().waits.get(on) {
            assert!(seen.insert(on), "{subject}: waits for itself");
            let open = matches!(by, Overlapping::Pull { .. });
            assert!(rule == OverlapRule::Open || (rule == OverlapRule::Running && !open), "{subject}: {by:?} by {rule:?}");
            on = next;
        }
    }

    /// What is under way at a place, where it is an effect.
    pub fn intent(&self, index: usize) -> Option<&Intent> {
        match &self.pending.get(index)?.job {
            Job::Act { intent, .. } => Some(intent),
            _ => None,
        }
    }

    /// The effect that this is said of ends like that.
    pub fn finish_as(&mut self, which: impl Fn(&Intent) -> bool, outcome: Outcome) {
        let at = (0..self.pending.len()).find(|at| self.intent(*at).is_some_and(&which)).expect("it is under way");
        if let Job::Act { key, .. } = self.pending.remove(at).job {
            self.input(Input::Ended { key, outcome });
        }
    }

    /// Whether the hand of a step was told to end.
    pub fn is_told_to_end(&self, step: &str) -> bool {
        let of = |p: &&Pending| matches!(&p.job, Job::Act { intent, .. } if intent.step().is_some_and(|s| s.as_str() == step));
        self.pending.iter().find(of).is_some_and(|p| p.cancelled)
    }

    /// How many things are under way.
    pub fn under_way(&self) -> usize {
        self.pending.len()
    }

    /// Lets one thing under way be done; it is heard of later.
    pub fn apply(&mut self, index: usize) {
        let Some(index) = index.checked_rem(self.pending.len()) else { return };
        let Pending { job, done: None, cancelled: false, .. } = self.pending[index].clone() else { return };
        if let Job::Act { key, subject, intent, state, .. } = job {
            let outcome = self.act(&key, &subject, &intent, &state, 0);
            self.pending[index].done = Some(outcome);
        }
    }

    /// Ends one thing under way.
    pub fn finish(&mut self, index: usize, fate: Fate) {
        let Some(index) = index.checked_rem(self.pending.len()) else { return };
        let pending = self.pending.remove(index);
        let trouble = || Trouble::Unreachable { why: "no answer".into() };
        let well = matches!(fate, Fate::Well(_));
        let input = match pending.job {
            Job::Survey(repo) => Input::Surveyed { repo, result: if well { Ok(facts()) } else { Err(trouble()) } },
            Job::Look { repo, .. } => {
                let result = pending.seen.filter(|_| well).ok_or_else(trouble);
                Input::Looked { repo, result }
            }
            Job::Offers { repo, .. } => {
                Input::Offers { repo, result: Ok(forgehand::engine::VaultRead { offers: Vec::new(), shelf: None, policy: None }) }
            }
            Job::Vault { .. } => unreachable!("there is no operations repository here"),
            Job::TellOffer { repo, pull, head, .. } => Input::OfferTold { repo, pull, head, failed: None },
            Job::Renew(account) => Input::Renewed {
                account,
                result: if well { Ok(()) } else { Err("it did not change".into()) },
                standings: BTreeMap::new(),
            },
            Job::History(subject) => {
                let read = self.issues[&subject.issue.0].history.clone();
                Input::History { subject, result: if well { Ok(read) } else { Err(trouble()) } }
            }
            Job::Dependencies { subject, .. } => {
                Input::Dependencies { subject, result: if well { Ok(Vec::new()) } else { Err(trouble()) } }
            }
            Job::Rights { subject, asked, .. } => {
                Input::Rights { subject, asked, result: if well { Ok(true) } else { Err(trouble()) } }
            }
            Job::Files { subject, asked, .. } => {
                let missing = if matches!(fate, Fate::Well(dice) if dice % 4 == 1) { asked.files.clone() } else { Vec::new() };
                let found = FilesFound { branch: Branch("main".into()), missing };
                let result = if well { Ok(found) } else { Err("no answer".to_owned()) };
                Input::Files { subject, sought: FilesSought { asked, result } }
            }
            Job::Checks { subject, pull, reviews, weighing, .. } => {
                let dice = if let Fate::Well(dice) = fate { dice } else { 0 };
                let checks = match dice % 16 {
                    1 => Checks::Pending,
                    2 => Checks::None,
                    3 => Checks::Failure,
                    _ => Checks::Success,
                };
                let asks = self.asked(subject.issue.0, dice == 3 && reviews);
                let comments = self.commented(&pull, subject.issue.0, dice % 16 == 5 && reviews);
                let reviewed = Reviewed { changes_requested: dice == 3, approved: !matches!(dice % 16, 1..=3), asks, comments };
                let conflicts = [Some(false), Some(true), None].into_iter().cycle().nth(dice.into()).flatten();
                let read = PullRead {
                    head: None,
                    checks,
                    mute: match checks {
                        Checks::Failure if dice % 32 == 19 => Mute::Cut,
                        Checks::Pending if dice % 32 == 17 => Mute::Idle,
                        _ => Mute::No,
                    },
                    reviews: reviews.then_some(reviewed),
                    conflicts,
                    weighed: None,
                };
                Input::Checks { subject, moved: pull.moved, weighing, result: if well { Ok(read) } else { Err(trouble()) } }
            }
            Job::Find { key, subject, intent, .. } => {
                let down = Failure { kind: FailureKind::Passing, why: "no answer".into() };
                let found = self.find(&key, &subject, &intent);
                Input::Found { key, result: if well { Ok(found) } else { Err(down) } }
            }
            Job::Act { key, subject, intent, state, .. } => {
                if let (Intent::Agent { run, session, .. }, Fate::Well(_)) = (&intent, fate) {
                    let call = ModelCall { cost: Usd(1000), ..call() };
                    for event in [HandEvent::SessionStarted, HandEvent::Called(call)] {
                        self.input(Input::Heard { run: run.clone(), session: session.clone(), event });
                    }
                }
                let fail = |kind| Outcome::Failed { failure: Failure { kind, why: "as it was told".into() } };
                let outcome = match (pending.done, fate) {
                    (_, Fate::Well(_)) if pending.cancelled => cancelled(&intent),
                    (Some(done), Fate::Well(_)) => done,
                    (Some(_), _) => fail(FailureKind::Doubtful),
                    (None, Fate::Well(dice)) => self.act(&key, &subject, &intent, &state, dice),
                    // What is gone is really gone, else our comments would be doubled rightly.
                    (None, Fate::Fails(FailureKind::Gone)) if matches!(intent, Intent::Say { .. }) => fail(FailureKind::Passing),
                    (None, Fate::Fails(kind)) => fail(kind),
                    (None, Fate::Unheard) => {
                        self.act(&key, &subject, &intent, &state, 0);
                        fail(FailureKind::Doubtful)
                    }
                };
                Input::Ended { key, outcome }
            }
        };
        self.input(input);
    }

    /// The daemon is told to end, ends its agents, and starts again.
    pub fn stop_and_start(&mut self) {
        self.input(Input::Drain);
        self.input(Input::Halt);
        while let Some(index) = self.pending.iter().position(|p| p.cancelled) {
            self.finish(index, Fate::Well(0));
        }
        self.begin();
    }

    fn look(&self, job: &Job) -> LookedAt {
        let Job::Look { since, stamp, pulls, .. } = job else { return LookedAt::default() };
        let since = since.map(|s| Timestamp(s.0 - 5000));
        let moved = |at: Timestamp| since.is_none_or(|since| at >= since);
        let mut seen = LookedAt { date: Some(self.second()), ..stamp.clone() };
        for (number, issue) in &self.issues {
            let ours = issue.labels.iter().any(|l| l == "portal" || l == GLANCE || LabelNames::default().decision(l).is_some());
            if moved(issue.updated) && (since.is_some() || (ours && issue.open)) {
                seen.issues.push(self.as_listed(*number, issue));
            }
            let comments = issue.comments.iter().filter(|c| since.is_some() && moved(c.2));
            seen.comments.extend(comments.map(|(id, author, at, mark)| Comment {
                id: *id,
                issue: IssueNumber(*number),
                author: author.clone(),
                body: mark.as_ref().map(|(key, _)| forgehand::text::marker(key)).unwrap_or_default(),
                created: *at,
                updated: *at,
            }));
        }
        for pull in self.pulls.iter().filter(|p| since.is_some() && moved(p.updated)) {
            let as_issue = self.issues.values().next().expect("an issue").clone();
            let mut listed = self.as_listed(pull.number, &as_issue);
            listed.open = pull.state == PullState::Open;
            listed.author = BOT.into();
            listed.pull = Some(PullMark { merged: pull.state == PullState::Merged });
            seen.issues.push(listed);
        }
        if let Some(asked) = pulls {
            let open = self.pulls.iter().filter(|p| p.state == PullState::Open);
            let open: Vec<Pull> = open.map(|p| self.as_pull(p)).collect();
            for number in open.iter().filter_map(|p| asked.names.issue_of(&p.head)) {
                if !asked.known.contains(&number) && !seen.issues.iter().any(|i| i.number == number) {
                    seen.issues.push(self.as_listed(number.0, &self.issues[&number.0]));
                }
            }
            seen.pulls = Some(open);
        }
        seen
    }

    fn as_pull(&self, pull: &WorldPull) -> Pull {
        Pull {
            number: PullNumber(pull.number),
            title: "t".into(),
            author: BOT.into(),
            state: pull.state,
            head: pull.head.clone(),
            own: true,
            head_sha: self.branches[&pull.head].clone(),
            base: "main".into(),
            created: pull.updated,
            updated: pull.updated,
        }
    }

    fn as_listed(&self, number: u64, issue: &WorldIssue) -> Issue {
        Issue {
            number: IssueNumber(number),
            title: format!("Issue {number}"),
            body: format!("text {}", issue.text),
            author: issue.author.clone(),
            open: issue.open,
            labels: issue.labels.clone(),
            created: Timestamp(1_780_000_000_000),
            updated: issue.updated,
            comments: issue.comments.len() as u64,
            pull: None,
        }
    }

    /// Puts a label on or takes it off.
    pub fn label(&mut self, number: u64, label: &str, on: bool, by: &str) {
        let at = self.second();
        let issue = self.issues.get_mut(&number).expect("an issue");
        let changed = if on { issue.labels.insert(label.to_owned()) } else { issue.labels.remove(label) };
        if changed {
            self.story.push((Some(number), format!("{at} -- {by} {} {label}", if on { "puts on" } else { "takes off" })));
            issue.history.push(LabelEvent { label: label.to_owned(), added: on, by: by.into(), at });
            issue.updated = at;
        }
    }

    /// A person comments.
    pub fn comment(&mut self, number: u64) {
        let (id, at) = (CommentId(self.count()), self.second());
        let issue = self.issues.get_mut(&number).expect("an issue");
        issue.comments.push((id, "ann".into(), at, None));
        issue.updated = at;
    }

    /// A person edits the text.
    pub fn edit(&mut self, number: u64) {
        let (text, at) = (self.count(), self.second());
        let issue = self.issues.get_mut(&number).expect("an issue");
        (issue.text, issue.updated) = (text, at);
    }

    /// A person closes or opens it.
    pub fn set_open(&mut self, number: u64, open: bool) {
        let at = self.second();
        let issue = self.issues.get_mut(&number).expect("an issue");
        (issue.open, issue.updated) = (open, at);
    }

    /// A person ends the open pull request of an issue; a merge closes the issue, as the forge does.
    pub fn end_pull(&mut self, number: u64, merged: bool) {
        let (at, head) = (self.second(), Branch(format!("claude/issue-{number}")));
        let Some(pull) = self.pulls.iter_mut().find(|p| p.head == head && p.state == PullState::Open) else { return };
        (pull.state, pull.updated) = (if merged { PullState::Merged } else { PullState::Closed }, at);
        if merged {
            self.set_open(number, false);
        }
    }

    /// A person pushes to a branch of ours.
    pub fn push_by_person(&mut self, number: u64) {
        let sha = sha(self.count());
        self.people.insert(sha.clone());
        self.branches.insert(Branch(format!("claude/issue-{number}")), sha);
    }

    /// Another daemon claims an issue for ten minutes, where it is free.
    pub fn rival(&mut self, number: u64) {
        let (sha, until) = (sha(self.count()), Timestamp(self.now.0 + 600_000));
        if self.claims.get(&number).is_none_or(|(_, _, until)| *until <= self.now) {
            self.claims.insert(number, ("r1val".into(), sha, until));
        }
    }

    fn find(&mut self, key: &EffectKey, subject: &Subject, intent: &Intent) -> Option<Outcome> {
        match intent {
            Intent::Say { what, .. } => {
                let comments = &mut self.issues.get_mut(&subject.issue.0).expect("an issue").comments;
                let comment = comments.iter().find(|c| c.3.as_ref().is_some_and(|(k, _)| k == key))?.0;
                let kind = says(what);
                if kind == Says::Note {
                    return Some(Outcome::Said { comment, left: None });
                }
                comments.retain(|c| c.0 == comment || c.3.as_ref().is_none_or(|(_, k)| *k != kind));
                let other = |c: &&WorldComment| c.3.as_ref().is_some_and(|(_, k)| *k != kind && *k != Says::Note);
                let left = comments.iter().rev().find(other).map(|c| c.0);
                Some(Outcome::Said { comment, left })
            }
            Intent::OpenPull { head, .. } => {
                let pull = self.pulls.iter().rev().find(|p| p.head == *head)?;
                Some(Outcome::PullOpened { pull: PullNumber(pull.number) })
            }
            Intent::Rerun { head, .. } => self.reruns.contains_key(head).then_some(Outcome::Reran(Rerun::Begun)),
            Intent::Reply { reply, .. } => (self.replied.get(&reply.to.id) == Some(key)).then_some(Outcome::Replied),
            Intent::File { .. } => {
                let (_, issue) = self.filed.values().find(|(known, _)| known == key)?;
                Some(Outcome::Filed { issue: *issue, unlinked: false, learned: Vec::new() })
            }
            _ => None,
        }
    }

    fn act(&mut self, key: &EffectKey, subject: &Subject, intent: &Intent, state: &IssueState, dice: u8) -> Outcome {
        let number = subject.issue.0;
        match intent {
            Intent::Claim { .. } => self.claim(number),
            Intent::Release { held } => {
                if self.claims.get(&number).is_some_and(|(_, sha, _)| sha == held) {
                    self.claims.remove(&number);
                }
                Outcome::Released
            }
            Intent::Labels { to, known } => self.write_labels(number, *to, known),
            Intent::Say { what, edit, replaces, if_there } => {
                let kind = says(what);
                if kind == Says::Note {
                    return self.say(key, number, what, *edit, &[]);
                }
                let anew = match what {
                    Saying::Proposed { .. } | Saying::Note { .. } => false,
                    Saying::Status { status } => status.story.calls_a_person() || status.set_back.is_some(),
                };
                let left = self.issues[&number].comments.iter().filter(|c| c.3.as_ref().is_some_and(|(_, k)| *k == kind));
                let mut older: Vec<CommentId> = left.map(|c| c.0).filter(|_| state.seen.comments > 0).collect();
                let is_other = |c: &&WorldComment| c.3.as_ref().is_some_and(|(_, k)| *k != kind && *k != Says::Note);
                let other = self.issues[&number].comments.iter().rev().find(is_other);
                let (mut edit, mut found, other) = (*edit, None, other.map(|c| c.0).filter(|_| state.seen.comments > 0));
                if *if_there {
                    let Some(there) = older.pop() else { return Outcome::Unsaid };
                    (edit, older) = (Some(there), Vec::new());
                } else if edit.is_none() && replaces.is_none() && !state.searched {
                    (edit, found) = (if anew { None } else { older.pop() }, other);
                } else {
                    older = replaces.iter().copied().collect();
                }
                match self.say(key, number, what, edit, &older) {
                    Outcome::Said { comment, .. } => Outcome::Said { comment, left: found },
                    other => other,
                }
            }
            Intent::Close => {
                self.set_open(number, false);
                Outcome::Closed
            }
            Intent::Prepare { .. } if subject.is_project() => prepared_project(state),
            Intent::Prepare { on_branch, .. } => self.prepare(number, *on_branch, state),
            Intent::SetUp { .. } if dice == 9 => {
                Outcome::Failed { failure: Failure { kind: FailureKind::Setup, why: "`npm ci` ended with exit code 1".into() } }
            }
            Intent::SetUp { .. } => Outcome::SetUp,
            Intent::Agent { .. } => agent(state, dice),
            Intent::Take { .. } => {
                let head = sha(self.count());
                taken(head, dice)
            }
            Intent::Verify { sha, trial: Some(trial), .. } => {
                let exit = Some(i32::from(!dice.is_multiple_of(4)));
                let run = CommandRun { command: trial.commands[0].clone(), exit, millis: 1, tail: String::new() };
                let evidence = Evidence { sha: sha.clone(), commands: vec![run], passed: exit == Some(0), timed_out: false };
                Outcome::Verified { evidence }
            }
            Intent::Verify { sha, .. } => Outcome::Verified {
                evidence: Evidence { sha: sha.clone(), commands: Vec::new(), passed: dice % 4 != 3, timed_out: false },
            },
            Intent::Push { sha, branch, lease, .. } => {
                let tip = self.branches.get(branch).cloned();
                if tip != *lease && tip.as_ref() != Some(sha) {
                    return Outcome::PushStale { tip };
                }
                let base = state.run.as_ref().and_then(|r| r.prepared.as_ref()).map(|p| p.base.clone());
                if let Some(tip) = tip.filter(|tip| tip != sha && self.people.contains(tip)) {
                    assert_eq!(base.as_ref(), Some(&tip), "#{number}: a person's commits are kept");
                    self.people.insert(sha.clone());
                }
                self.branches.insert(branch.clone(), sha.clone());
                Outcome::Pushed
            }
            Intent::OpenPull { head, .. } => {
                let there = self.pulls.iter().find(|p| p.head == *head && p.state == PullState::Open).map(|p| p.number);
                let pull = there.unwrap_or_else(|| {
                    let (number, updated) = (self.count(), self.second());
                    self.pulls.push(WorldPull { number, head: head.clone(), state: PullState::Open, updated });
                    number
                });
                Outcome::PullOpened { pull: PullNumber(pull) }
            }
            Intent::File { run, step, item, .. } => {
                let what = (run.clone(), step.clone(), item.as_ref().map(|(draft, _)| draft.title.clone()));
                let issue = IssueNumber(self.count());
                let twice = self.filed.insert(what, (key.clone(), issue));
                assert_eq!(twice, None, "#{number}: an issue is filed once");
                Outcome::Filed { issue, unlinked: false, learned: Vec::new() }
            }
            Intent::Reply { reply, .. } => {
                let twice = self.replied.insert(reply.to.id, key.clone());
                assert_eq!(twice, None, "#{number}: a point is answered once");
                Outcome::Replied
            }
            Intent::CloseNamed { .. }
            | Intent::Reopen { .. }
            | Intent::Rewrite { .. }
            | Intent::Review { .. }
            | Intent::Keep { .. }
            | Intent::Mend { .. } => {
                unreachable!("no formula of the world asks for that")
            }
            Intent::AskVault { file, .. } => Outcome::VaultAsked(VaultAsk {
                id: file.id.clone(),
                tier: Risk::Medium,
                path: "vault/actions/it.toml".into(),
                commit: None,
                pull: None,
                left: None,
                on_vault: if dice % 4 == 1 { OnVault::Continue } else { OnVault::SoftBlock },
                window: std::time::Duration::from_mins(2),
                closed: dice % 4 == 3,
            }),
            Intent::Relabel { .. } => {
                self.label(number, "sorted", true, BOT);
                self.label(number, "stale", false, BOT);
                Outcome::Relabelled { labels: self.issues[&number].labels.clone(), learned: Vec::new() }
            }
            Intent::Discard { .. } => Outcome::Discarded { kept: None },
            Intent::Merge { .. } => unreachable!("a person merges there"),
            Intent::Rerun { head, .. } => {
                *self.reruns.entry(head.clone()).or_default() += 1;
                let why = "it has no such call".to_owned();
                Outcome::Reran(if dice % 4 == 1 { Rerun::Not { why } } else { Rerun::Begun })
            }
            Intent::DropBranch { branch, .. } => match self.pulls.iter().any(|p| p.head == *branch && p.state == PullState::Open)
            {
                true => Outcome::BranchLeft { why: "another pull request comes from it".into() },
                false => {
                    self.branches.remove(branch);
                    Outcome::BranchGone
                }
            },
        }
    }

    fn claim(&mut self, number: u64) -> Outcome {
        let (sha, until) = (sha(self.count()), Timestamp(self.now.0 + 600_000));
        match self.claims.get(&number) {
            Some((by, _, until)) if by.as_str() != self.journal && *until > self.now => {
                Outcome::ClaimHeld { by: by.clone(), until: *until }
            }
            _ => {
                self.claims.insert(number, (self.journal.as_str().into(), sha.clone(), until));
                Outcome::Claimed { sha, until }
            }
        }
    }

    /// As the one function that writes labels does it.
    fn write_labels(&mut self, number: u64, to: Option<Decision>, known: &BTreeSet<Decision>) -> Outcome {
        let names = LabelNames::default();
        if let Some(to) = to {
            self.label(number, names.of(to), true, BOT);
        }
        let found = names.decisions(&self.issues[&number].labels);
        let people: BTreeSet<Decision> = found.iter().copied().filter(|d| !known.contains(d) && Some(*d) != to).collect();
        let keep = if people.is_empty() { to.into_iter().collect() } else { people.clone() };
        for decision in found.difference(&keep) {
            self.label(number, names.of(*decision), false, BOT);
        }
        Outcome::Labelled { labels: self.issues[&number].labels.clone(), people, learned: Vec::new() }
    }

    fn say(&mut self, key: &EffectKey, number: u64, what: &Saying, edit: Option<CommentId>, older: &[CommentId]) -> Outcome {
        let (id, at) = (CommentId(self.count()), self.second());
        let issue = self.issues.get_mut(&number).expect("an issue");
        let mark = Some((key.clone(), says(what)));
        issue.updated = at;
        if let Some(edit) = edit {
            let Some(comment) = issue.comments.iter_mut().find(|c| c.0 == edit) else {
                return Outcome::Failed { failure: Failure { kind: FailureKind::Gone, why: "deleted".into() } };
            };
            (comment.2, comment.3) = (at, mark);
            issue.comments.retain(|c| !older.contains(&c.0));
            return Outcome::Said { comment: edit, left: None };
        }
        issue.comments.push((id, BOT.into(), at, mark));
        issue.comments.retain(|c| !older.contains(&c.0));
        Outcome::Said { comment: id, left: None }
    }

    /// A person deletes our comments.
    pub fn delete_ours(&mut self, number: u64) {
        self.issues.get_mut(&number).expect("an issue").comments.retain(|c| c.3.is_none());
    }

    /// What is asked of the pull request of an issue; a reviewer may ask anew, and then he asks for nothing else any more.
    fn asked(&mut self, number: u64, anew: bool) -> Vec<Ask> {
        if anew {
            let review = ReviewId(self.count());
            self.asks.insert(number, review);
        }
        self.asks.get(&number).map(|review| Ask { review: *review, by: "judge".into(), says: "no".into() }).into_iter().collect()
    }

    /// What somebody commented and no run was given; he may comment anew.
    fn commented(&mut self, pull: &PullRef, number: u64, anew: bool) -> Vec<Commented> {
        if anew {
            let comment = self.count();
            self.remarks.insert(number, comment);
        }
        let one =
            |comment: &u64| Commented { point: PointId::Below { comment: *comment }, by: "judge".into(), says: "why".into() };
        self.remarks.get(&number).map(one).into_iter().filter(|c| !pull.rounds.comments.contains(&c.point)).collect()
    }

    fn revision(&mut self, number: u64, head: Sha, state: &IssueState) -> Option<Box<Revision>> {
        let pull = state.open_pull().filter(|_| state.run.as_ref().is_some_and(|run| run.formula.revises()))?;
        let asks = self.asked(number, false);
        let point = |ask: &Ask| Point { id: PointId::Review { review: ask.review }, by: ask.by.clone(), spot: None };
        let comments = self.commented(pull, number, false);
        let below = comments.iter().map(|one| Point { id: one.point, by: one.by.clone(), spot: None });
        let open = |point: &Point| !pull.rounds.points.contains(&point.id);
        let points = asks.iter().map(point).chain(below).filter(open).collect();
        Some(Box::new(Revision {
            pull: pull.number,
            head,
            asks,
            comments,
            points,
            checks: pull.checks,
            conflicts: pull.conflicts,
            unfit: pull.unfit().is_some(),
        }))
    }

    fn prepare(&mut self, number: u64, on_branch: bool, state: &IssueState) -> Outcome {
        let tip = state.run.as_ref().and_then(|run| self.branches.get(&run.branch)).cloned();
        let base = tip.clone().filter(|_| on_branch).unwrap_or_else(|| sha(1));
        let revision = if on_branch { self.revision(number, base.clone(), state) } else { None };
        let issue = &self.issues[&number];
        let listed = self.as_listed(number, issue);
        let seen = SeenIssue {
            title: listed.title.clone(),
            text: TextMark { title: forgehand::text::hash(&listed.title), body: forgehand::text::hash(&listed.body) },
            author: listed.author,
            open: listed.open,
            labels: listed.labels,
            created: listed.created,
            updated: listed.updated,
            comments: listed.comments,
            depends: Vec::new(),
        };
        let known = |tip: &Sha| state.tip.as_ref().is_some_and(|t| t.sha == *tip) || state.pushing.as_ref() == Some(tip);
        let tip_ours = tip.as_ref().is_some_and(|tip| !on_branch && !known(tip) && !self.people.contains(tip));
        let read_up_to = issue.comments.iter().map(|c| c.0).max();
        Outcome::Prepared {
            ops: None,
            tasks: None,
            sprint: None,
            host: None,
            last_tag: None,
            moved: None,
            base,
            base_branch: "main".into(),
            tip,
            issue: Box::new(seen),
            read_up_to,
            tip_ours,
            over: None,
            open: None,
            revision,
            merged: None,
            trunk: Some(Box::new(sha(1))),
        }
    }
}

fn cancelled(intent: &Intent) -> Outcome {
    match intent {
        Intent::Agent { .. } => {
            Outcome::AgentEnded { how: HandOutcome::Cancelled, output: Err("cancelled".into()), resumable: false }
        }
        _ => Outcome::Failed { failure: Failure { kind: FailureKind::Cancelled, why: "cancelled".into() } },
    }
}

/// How an agent's turn ends; 0 to 3 are good ends.
fn agent(state: &IssueState, dice: u8) -> Outcome {
    let run = state.run.as_ref().expect("a run");
    let triages = run.formula.name.as_str() == "triage";
    let ended = |how| Outcome::AgentEnded { how, output: Err("nothing".into()), resumable: dice.is_multiple_of(2) };
    let answer = |output| Outcome::AgentEnded { how: HandOutcome::Succeeded, output: Ok(output), resumable: true };
    let triage = |route: &str| {
        answer(serde_json::json!({
            "route": route, "summary": "s", "requirements": [], "acceptance": [], "files": LIKELY[usize::from(dice % 4)], "risk": "low",
            "questions": ["which?"],
        }))
    };
    let fix = |outcome: &str| answer(serde_json::json!({"outcome": outcome, "summary": "s"}));
    match dice % 16 {
        0..=3 if triages => triage("queue"),
        4 if triages => triage("interactive"),
        5 if triages => triage("needs-info"),
        0..=3 => fix("done"),
        4 => fix("no-change"),
        5 => fix("refused"),
        6 | 7 => ended(HandOutcome::Succeeded),
        8 => ended(HandOutcome::Stalled),
        9 => ended(HandOutcome::TimedOut),
        10 => ended(HandOutcome::Budget { limit: "turns".into() }),
        11 => ended(HandOutcome::UsageLimit { until: None }),
        12 | 13 => ended(HandOutcome::Crashed { why: "exit 1".into() }),
        14 => ended(HandOutcome::Unreachable { why: "529".into(), credentials: dice.is_multiple_of(3) }),
        _ => ended(HandOutcome::Interrupted),
    }
}

/// The files that triage may name. Of the first two each meets the other.
const LIKELY: [&[&str]; 4] = [&["src/a.rs"], &["SRC/"], &["docs/b.md", "./c"], &[]];

/// The files that a run likely changes, or changes by its commits, and those of its pull request.
fn files_of(state: &IssueState) -> BTreeSet<String> {
    let change = state.live_run().and_then(|run| run.change.as_ref());
    let mut files: BTreeSet<String> = change.into_iter().flat_map(|change| &change.files).map(|file| file.path.clone()).collect();
    files.extend(state.open_pull().into_iter().flat_map(|pull| pull.files.clone()));
    match files.is_empty() {
        true => state.triaged.iter().flat_map(|triaged| triaged.files.clone()).collect(),
        false => files,
    }
}

/// Whether two issues change one of the world's files: there is none that two of its names stand for, but for the folder.
fn meet(one: &IssueState, other: &IssueState) -> bool {
    let plain = |files: BTreeSet<String>| files.iter().map(|f| f.trim_start_matches("./").to_lowercase()).collect::<Vec<_>>();
    let (one, other) = (plain(files_of(one)), plain(files_of(other)));
    one.iter().any(|a| {
        other.iter().any(|b| a == b || (a.starts_with("src/") && b.starts_with("src/") && (a.len() == 4 || b.len() == 4)))
    })
}

fn taken(head: Sha, dice: u8) -> Outcome {
    let person_paths = if dice % 16 == 14 { vec!["prisma/schema.prisma".to_owned()] } else { Vec::new() };
    let refusal = match dice % 16 {
        7 => Some(Refusal::NothingCommitted),
        8 => Some(Refusal::NotABundle { why: "no".into() }),
        9 => Some(Refusal::OutsideTheBranch { why: "no".into() }),
        10 => Some(Refusal::BrokenObjects { why: "no".into() }),
        11 => Some(Refusal::SymlinkOut { path: "p".into() }),
        12 => Some(Refusal::DiffTooLarge { lines: 9, limit: 1 }),
        6 => Some(Refusal::EnvFile { path: "p".into() }),
        13 => Some(Refusal::Secret { path: "p".into(), rule: "r".into() }),
        _ => None,
    };
    let change = Change {
        head,
        base: sha(1),
        commits: 1,
        files: LIKELY[usize::from(dice % 4)].iter().filter(|path| !path.ends_with('/')).map(|path| changed(path)).collect(),
        added: 1,
        removed: 0,
        person_paths,
        verify_paths: Vec::new(),
    };
    Outcome::Taken { judged: refusal.map_or(Ok(change), Err) }
}

fn changed(path: &str) -> ChangedFile {
    ChangedFile { path: path.to_owned(), from: None, added: 1, removed: 0, marks: BTreeSet::new() }
}

fn call() -> ModelCall {
    ModelCall {
        model: "m".into(),
        input: 1,
        output: 1,
        cache_read: 0,
        cache_write: 0,
        cost: Usd(0),
        status: Some(200),
        cut: false,
        unmetered: false,
        millis: 1,
    }
}

/// What start-up learns of it.
pub fn facts() -> ProjectFacts {
    ProjectFacts {
        former: BTreeSet::new(),
        forge: "http://forge".into(),
        version: "15".into(),
        login: BOT.into(),
        others: BTreeMap::new(),
        repository: RepoFacts {
            name: repo(),
            default_branch: "main".into(),
            archived: false,
            can_push: true,
            can_admin: true,
            empty: false,
        },
        labels: Vec::new(),
    }
}

fn sha(n: u64) -> Sha {
    format!("{n:040x}").parse().expect("a name of an object")
}

/// An open issue in the queue.
pub fn queued(number: u64, at: Timestamp) -> Issue {
    Issue {
        number: IssueNumber(number),
        title: format!("Issue {number}"),
        body: String::new(),
        author: "owner".into(),
        open: true,
        labels: BTreeSet::from([LabelNames::default().of(Decision::Queue).to_owned()]),
        created: at,
        updated: at,
        comments: 0,
        pull: None,
    }
}

/// Whether a writing of the labels of an issue is intended and not ended.
pub fn writes_labels(world: &World, number: u64) -> bool {
    let state = world.core.ledger().issue(&subject(number));
    state.and_then(|s| s.open.get(&Lane::Main)).is_some_and(|o| matches!(o.intent, Intent::Labels { .. }))
}

/// Whether a command waits for a look that has not begun: until then labels are not told apart into those of before and after it.
pub fn awaits_look(world: &World, number: u64) -> bool {
    let Some((_, at)) = world.core.ledger().issue(&subject(number)).and_then(|s| s.commanded) else { return false };
    let looking = world.pending.iter().any(|p| p.seen.as_ref().is_some_and(|seen| seen.began >= at));
    !looking && world.core.view().looks_began.get(&repo()).is_none_or(|began| *began < at)
}

/// A run about the project is prepared.
pub fn prepared_project(state: &IssueState) -> Outcome {
    Outcome::Prepared {
        ops: None,
        tasks: None,
        sprint: None,
        host: None,
        last_tag: None,
        moved: None,
        base: sha(1),
        base_branch: "main".into(),
        tip: None,
        issue: Box::new(state.seen.clone()),
        read_up_to: None,
        trunk: Some(Box::new(sha(1))),
        tip_ours: false,
        over: None,
        open: None,
        revision: None,
        merged: None,
    }
}
