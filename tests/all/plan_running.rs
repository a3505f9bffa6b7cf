//! What may start: turns of projects, their own slots, pauses, and budgets with what is kept for runs that live.

use std::collections::BTreeSet;

use forgehand::ledger::Ledger;
use forgehand::model::{
    Branch, BudgetOf, Checks, Decision, Event, FilesAsked, FilesFound, FilesSought, Intent, IssueNumber, LabelsMean, ModelCall,
    Mute, Outcome, ProjectFacts, PullNumber, PullState, Record, RepoFacts, RepoName, Rerun, RunId, Scope, SeenIssue, Sha,
    Subject, TextMark, Timestamp, Trouble, Usd, Wait,
};
use forgehand::plan::{Action, Plan, Policy, ProjectPolicy, View, budgets, plan};

use super::plan_world;

pub const NOW: Timestamp = Timestamp(1_790_000_000_000);
const DAY: i64 = 86_400_000;

pub fn repo(name: &str) -> RepoName {
    name.parse().expect("a name")
}

pub fn at(repo_name: &str, number: u64) -> Subject {
    Subject { repo: repo(repo_name), issue: IssueNumber(number) }
}

/// A site of several projects whose issues all stand in the queue, older ones with lower numbers, and those of `o/a` before all others.
pub struct Site {
    pub records: Vec<Record>,
    pub policy: Policy,
}

impl Site {
    pub fn new(slots: u32, projects: &[(&str, u64)]) -> Self {
        let one: ProjectPolicy = plan_world::policy().projects.into_values().next().expect("a project");
        let policy = Policy {
            slots,
            usd_day: Usd(1_000_000_000),
            projects: projects
                .iter()
                .map(|(name, _)| (repo(name), ProjectPolicy { usd_day: Usd(1_000_000_000), ..one.clone() }))
                .collect(),
            ..plan_world::policy()
        };
        let mut site = Self { records: Vec::new(), policy };
        for (name, issues) in projects {
            site.note(Event::Surveyed { repo: repo(name), facts: facts(name) });
            for number in 1..=*issues {
                let (subject, label) = (at(name, number), Decision::Queue);
                site.note(Event::Seen { subject: subject.clone(), issue: seen() });
                let found = BTreeSet::from([label]);
                site.note(Event::LabelsRead {
                    subject: subject.clone(),
                    found,
                    meaning: LabelsMean::Standing { label: Some(label) },
                });
                site.note(Event::Depends { subject, on: Vec::new() });
            }
        }
        site
    }

    pub fn note(&mut self, event: Event) {
        let seq = self.records.len() as u64 + 1;
        self.records.push(Record { seq, at: Timestamp(NOW.0 - 100_000 + seq as i64), event });
    }

    fn note_at(&mut self, at: Timestamp, event: Event) {
        self.records.push(Record { seq: self.records.len() as u64 + 1, at, event });
    }

    pub fn project(&mut self, name: &str) -> &mut ProjectPolicy {
        self.policy.projects.get_mut(&repo(name)).expect("a project")
    }

    /// A run lives on an issue.
    pub fn run(&mut self, name: &str, number: u64) -> RunId {
        let run = RunId(format!("{name}-{number}").replace('/', "_"));
        let formula = self.policy.projects[&repo(name)].formulas[&"fix".into()].clone();
        let (subject, branch) = (at(name, number), Branch(format!("claude/issue-{number}")));
        self.claimed(&subject);
        self.note(Event::RunStarted {
            run: run.clone(),
            subject,
            formula: Box::new(formula),
            attempt: 1,
            branch,
            aside: None,
            kept: Vec::new(),
        });
        run
    }

    fn claimed(&mut self, subject: &Subject) {
        let key = forgehand::model::EffectKey(format!("{subject}/claim"));
        let intent = Intent::Claim { renews: None };
        self.note(Event::Intended { key: key.clone(), subject: subject.clone(), intent });
        let sha: Sha = "1".repeat(40).parse().expect("a name of an object");
        self.note(Event::Ended { key, outcome: Outcome::Claimed { sha, until: Timestamp(NOW.0 + DAY) } });
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::fold(&self.records)
    }

    pub fn plan_at(&self, now: Timestamp) -> Plan {
        let view = View { fresh: self.policy.projects.keys().cloned().collect(), ..View::default() };
        let ledger = self.ledger();
        let made = plan(&ledger, &view, &self.policy, now);
        forgehand::plan::check(&made, &ledger, &view, &self.policy).expect("a plan that keeps the rules");
        made
    }

    pub fn plan(&self) -> Plan {
        self.plan_at(NOW)
    }

    /// The issues that are claimed for a run now, in their order.
    pub fn starts(&self) -> Vec<String> {
        starts(&self.plan())
    }
}

pub fn starts(plan: &Plan) -> Vec<String> {
    let claims = plan.actions.iter().filter_map(|action| match action {
        Action::Do { subject, intent: Intent::Claim { renews: None } } => Some(subject.to_string()),
        _ => None,
    });
    claims.collect()
}

fn seen() -> SeenIssue {
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

fn facts(name: &str) -> ProjectFacts {
    ProjectFacts {
        former: BTreeSet::new(),
        forge: "http://forge".into(),
        version: "15".into(),
        login: plan_world::BOT.into(),
        others: std::collections::BTreeMap::new(),
        repository: RepoFacts {
            name: repo(name),
            default_branch: "main".into(),
            archived: false,
            can_push: true,
            can_admin: true,
            empty: false,
        },
        labels: Vec::new(),
    }
}

pub fn call(dollars: f64) -> ModelCall {
    ModelCall {
        model: "m".into(),
        input: 1,
        output: 1,
        cache_read: 0,
        cache_write: 0,
        cost: Usd::from_dollars(dollars),
        status: Some(200),
        cut: false,
        unmetered: false,
        millis: 1,
    }
}

#[test]
fn projects_take_turns_however_long_a_queue_is() {
    let site = Site::new(2, &[("o/a", 3), ("o/b", 1)]);
    assert_eq!(site.starts(), ["o/a#1", "o/b#1"]);
    let site = Site::new(4, &[("o/a", 3), ("o/b", 1)]);
    assert_eq!(site.starts(), ["o/a#1", "o/b#1", "o/a#2", "o/a#3"]);
    // Who has a run waits for those that have none.
    let mut site = Site::new(2, &[("o/a", 3), ("o/b", 1)]);
    site.run("o/a", 1);
    assert_eq!(site.starts(), ["o/b#1"]);
}

#[test]
fn with_one_slot_the_project_that_was_served_longest_ago_is_next() {
    let mut site = Site::new(1, &[("o/a", 2), ("o/b", 1), ("o/c", 1)]);
    for (name, number) in [("o/c", 1), ("o/a", 1)] {
        let run = site.run(name, number);
        let outcome = forgehand::model::RunOutcome::NoChange { summary: "nothing".into() };
        site.note(Event::RunEnded { run, outcome, costs_attempt: false, backoff_until: None });
    }
    assert_eq!(site.starts(), ["o/b#1"], "never served");
    site.project("o/b").slots = Some(1);
    site.note(Event::Paused { what: Scope::Project { repo: repo("o/b") }, until: None });
    assert!(site.starts().iter().all(|s| !s.starts_with("o/b")), "a paused one gives its turn away");
}

#[test]
fn a_projects_own_slots_bound_it_and_nobody_else() {
    let mut site = Site::new(4, &[("o/a", 3), ("o/b", 2)]);
    site.project("o/a").slots = Some(1);
    assert_eq!(site.starts(), ["o/a#1", "o/b#1", "o/b#2"]);
    let plan = site.plan();
    assert_eq!(plan.waits[&at("o/a", 2)], Wait::NoSlot { slots: 1, project: Some(repo("o/a")) });
    assert_eq!(plan.waits[&at("o/a", 3)], Wait::Behind { others: 1 });
}

#[test]
fn a_run_whose_project_is_in_trouble_does_not_hold_up_another_project() {
    let mut site = Site::new(1, &[("o/a", 1), ("o/b", 1)]);
    site.run("o/a", 1);
    assert!(site.starts().is_empty(), "the slot is taken");
    site.note(Event::Troubled { repo: repo("o/a"), trouble: Trouble::Unreachable { why: "no answer".into() }, until: None });
    assert_eq!(site.starts(), ["o/b#1"]);

    // It comes back while the other one works: its next work on this machine waits for that.
    let run = site.run("o/b", 1);
    let (key, subject) = (forgehand::model::EffectKey("k".into()), at("o/b", 1));
    site.note(Event::Intended { key, subject, intent: Intent::Prepare { run, on_branch: false } });
    site.note(Event::Recovered { repo: repo("o/a") });
    let plan = site.plan();
    assert_eq!(plan.waits.get(&at("o/a", 1)), Some(&Wait::NoSlot { slots: 1, project: None }), "{plan:?}");
}

#[test]
fn what_is_paused_starts_nothing_until_it_is_resumed_or_time_comes() {
    let until = Timestamp(NOW.0 + 5000);
    let cases = [
        (Scope::Everything, vec![]),
        (Scope::Project { repo: repo("o/a") }, vec!["o/b#1"]),
        (Scope::Issue { subject: at("o/a", 1) }, vec!["o/a#2", "o/b#1"]),
    ];
    for (what, left) in cases {
        let mut site = Site::new(2, &[("o/a", 2), ("o/b", 1)]);
        site.note(Event::Paused { what: what.clone(), until: Some(until) });
        let plan = site.plan();
        assert_eq!(starts(&plan), left, "{what}");
        assert_eq!(plan.waits[&at("o/a", 1)], Wait::Paused { what: what.clone(), until: Some(until) });
        assert_eq!(plan.wake, Some(until), "{what}: it is planned again when the time comes");
        assert_eq!(starts(&site.plan_at(until)), ["o/a#1", "o/b#1"], "{what}: it ended by itself");
        site.note(Event::Resumed { what: what.clone() });
        assert_eq!(site.starts(), ["o/a#1", "o/b#1"], "{what}: it was taken back");
    }
}

#[test]
fn a_pause_stops_nothing_that_runs() {
    let mut site = Site::new(1, &[("o/a", 1)]);
    site.run("o/a", 1);
    site.note(Event::Paused { what: Scope::Everything, until: None });
    let prepares =
        |plan: &Plan| plan.actions.iter().any(|action| matches!(action, Action::Do { intent: Intent::Prepare { .. }, .. }));
    assert!(prepares(&site.plan()), "{:?}", site.plan());
}

#[test]
fn what_runs_counts_with_all_that_it_may_still_spend() {
    let mut site = Site::new(4, &[("o/a", 3), ("o/b", 1)]);
    site.policy.usd_day = Usd::from_dollars(12.0);
    assert_eq!(site.starts(), ["o/a#1", "o/b#1"], "two runs of 5 each are paid");
    let run = site.run("o/a", 1);
    site.note(Event::Called { run, call: call(4.0), step: None });
    let spent = Usd::from_dollars(4.0);
    assert_eq!(site.starts(), ["o/b#1"]);
    let wait = site.plan().waits[&at("o/a", 2)].clone();
    let Wait::Budget { which, spent: said, reserved, limit, until } = wait else { panic!("{wait:?}") };
    assert_eq!((which.as_str(), said, limit), ("day", spent, Usd::from_dollars(12.0)));
    assert_eq!(reserved, Usd::from_dollars(6.0), "one of the run that lives, five of the one that starts");
    assert_eq!(until, Some(NOW.next_day()));
}

#[test]
fn a_projects_budget_bounds_it_and_nobody_else() {
    let mut site = Site::new(4, &[("o/a", 3), ("o/b", 2)]);
    site.project("o/a").usd_day = Usd::from_dollars(6.0);
    assert_eq!(site.starts(), ["o/a#1", "o/b#1", "o/b#2"]);
    assert!(matches!(&site.plan().waits[&at("o/a", 2)], Wait::Budget { which, .. } if which == "project"));
}

#[test]
fn of_a_budget_it_is_said_once_a_day_at_each_mark() {
    let mut site = Site::new(1, &[("o/a", 1)]);
    site.policy.usd_day = Usd::from_dollars(10.0);
    site.policy.usd_run = Usd::from_dollars(1.0);
    let warned = |site: &Site, now| -> Vec<(BudgetOf, u8)> {
        let events = site.plan_at(now).actions.into_iter().filter_map(|action| match action {
            Action::Record(events) => Some(events),
            _ => None,
        });
        events
            .flatten()
            .filter_map(|e| match e {
                Event::BudgetWarned { what, at_percent, .. } => Some((what, at_percent)),
                _ => None,
            })
            .collect()
    };
    let spend = |site: &mut Site, now, dollars| {
        site.note_at(now, Event::Called { run: RunId("x".into()), call: call(dollars), step: None })
    };
    let (mut now, mut said) = (NOW, Vec::new());
    for (dollars, mark) in [(7.9, None), (0.1, Some(80)), (0.5, None), (0.6, Some(100)), (5.0, None)] {
        spend(&mut site, now, dollars);
        let news = warned(&site, now);
        assert_eq!(news, mark.map(|mark| (BudgetOf::Day, mark)).into_iter().collect::<Vec<_>>(), "after {dollars} more");
        for (what, at_percent) in news {
            said.push(at_percent);
            let (spent, limit) = (Usd(0), site.policy.usd_day);
            site.note_at(now, Event::BudgetWarned { what, at_percent, spent, limit });
        }
    }
    assert_eq!(said, [80, 100]);
    let of_day = budgets(&site.ledger(), &site.policy, now).into_iter().find(|b| b.what == BudgetOf::Day).expect("the day's");
    assert_eq!((of_day.mark, of_day.percent()), (Some(100), 141));
    now = Timestamp(NOW.0 + DAY);
    assert_eq!(warned(&site, now), [], "a new day is not spent");
    spend(&mut site, now, 8.0);
    assert_eq!(warned(&site, now), [(BudgetOf::Day, 80)], "and is spoken of anew");
}

#[test]
fn a_run_near_the_end_of_its_budget_is_said_once() {
    let mut site = Site::new(1, &[("o/a", 1)]);
    let run = site.run("o/a", 1);
    site.note(Event::Called { run: run.clone(), call: call(4.1), step: None });
    let what = BudgetOf::Run { run };
    let says = |site: &Site| {
        let said = |action: &Action| matches!(action, Action::Record(events) if events.iter().any(|e| matches!(e, Event::BudgetWarned { what: w, .. } if *w == what)));
        site.plan().actions.iter().any(said)
    };
    assert!(says(&site));
    let (spent, limit) = (Usd(0), site.policy.usd_run);
    site.note(Event::BudgetWarned { what: what.clone(), at_percent: 80, spent, limit });
    assert!(!says(&site));
}

/// What an issue waits for, and the actions of the plan.
fn held(site: &Site, view: &View, now: Timestamp) -> (Option<Wait>, Plan) {
    let view = View { fresh: site.policy.projects.keys().cloned().collect(), ..view.clone() };
    let ledger = site.ledger();
    let made = plan(&ledger, &view, &site.policy, now);
    forgehand::plan::check(&made, &ledger, &view, &site.policy).expect("a plan that keeps the rules");
    (made.waits.get(&at("o/a", 1)).cloned(), made)
}

#[test]
fn a_formula_waits_for_its_labels_by_the_projects_names() {
    let mut site = Site::new(2, &[("o/a", 1), ("o/b", 1)]);
    let project = site.project("o/a");
    project.labels.priority = "urgent".into();
    let require = &mut project.formulas.get_mut(&"fix".into()).expect("a fix").require;
    require.labels = vec!["ready".into(), "priority".into()];
    require.no_labels = vec!["stale".into()];
    let carries = |site: &mut Site, labels: &[&str]| {
        let labels = labels.iter().chain(&["claude-queue"]).map(|label| (*label).to_owned()).collect();
        site.note(Event::Seen { subject: at("o/a", 1), issue: SeenIssue { labels, ..seen() } });
        held(site, &View::default(), NOW).0
    };
    let waits = |lacks: &[&str], bars: &[&str]| {
        let own = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
        Some(Wait::Labels { formula: "fix".into(), lacks: own(lacks), bars: own(bars) })
    };
    assert_eq!(carries(&mut site, &["priority"]), waits(&["ready", "urgent"], &[]));
    assert_eq!(site.starts(), ["o/b#1"], "it holds up nobody else");
    assert_eq!(carries(&mut site, &["ready", "urgent", "stale"]), waits(&[], &["stale"]));
    let both = carries(&mut site, &["ready", "stale"]);
    assert_eq!(both, waits(&["urgent"], &["stale"]));
    let (both, names) = (both.expect("a wait"), forgehand::model::LabelNames::default());
    let (says, moves) = (forgehand::words::wait(&both, &names), forgehand::words::mover(&both, &names));
    assert_eq!(
        says,
        "formula fix starts where an issue carries `urgent`, which this one lacks, and does not carry `stale`, which this one has"
    );
    assert_eq!(moves, "putting urgent on and taking stale off");
    assert_eq!(carries(&mut site, &["ready", "urgent"]), None);
    assert_eq!(site.starts(), ["o/a#1", "o/b#1"]);
}

#[test]
fn files_are_looked_for_where_there_is_room_and_believed_for_a_while() {
    let mut site = Site::new(1, &[("o/a", 1)]);
    site.project("o/a").formulas.get_mut(&"fix".into()).expect("a fix").require.files = vec!["plan.md".into(), "a".into()];
    let asked = FilesAsked { base: None, files: vec!["plan.md".into(), "a".into()] };
    let looks = |plan: &Plan| {
        plan.actions
            .iter()
            .filter(|a| matches!(a, Action::Files { subject, asked: a } if *subject == at("o/a", 1) && *a == asked))
            .count()
    };
    let (waits, made) = held(&site, &View::default(), NOW);
    assert_eq!((waits, looks(&made), starts(&made).len()), (None, 1, 0));
    let reading = View { reading: BTreeSet::from([at("o/a", 1)]), ..View::default() };
    let (waits, made) = held(&site, &reading, NOW);
    assert!(matches!(waits, Some(Wait::Acting { .. })) && looks(&made) == 0 && starts(&made).is_empty(), "{made:?}");

    let found = |site: &mut Site, result: Result<&[&str], &str>| {
        let missing = |missing: &[&str]| missing.iter().map(|file| (*file).to_owned()).collect();
        let found = |files: &[&str]| FilesFound { branch: "main".into(), missing: missing(files) };
        let sought = FilesSought { asked: asked.clone(), result: result.map(found).map_err(str::to_owned) };
        site.note(Event::FilesSought { subject: at("o/a", 1), sought });
    };
    let read = View { files_read: [(at("o/a", 1), NOW)].into(), ..View::default() };
    let (missing, unread) = (NOW + site.policy.trouble_pause, NOW + site.policy.unreachable_pause);
    found(&mut site, Ok(&["a"]));
    let wait = Wait::Files { formula: "fix".into(), missing: vec!["a".into()], branch: "main".into() };
    let (waits, made) = held(&site, &read, NOW);
    assert_eq!((waits, looks(&made), made.wake), (Some(wait), 0, Some(missing)));
    assert_eq!(looks(&held(&site, &read, missing).1), 1);
    assert_eq!(looks(&held(&site, &View::default(), NOW).1), 1, "a process that begins looks itself");
    found(&mut site, Err("no git"));
    let (waits, made) = held(&site, &read, NOW);
    assert_eq!(waits, Some(Wait::FilesUnread { formula: "fix".into(), why: "no git".into() }));
    assert_eq!(made.wake, Some(unread));
    found(&mut site, Ok(&[]));
    let (_, made) = held(&site, &read, NOW);
    assert_eq!((starts(&made), made.wake), (vec!["o/a#1".to_owned()], None));
    // What holds is not believed for ever, and what was asked for something else not at all.
    let (_, made) = held(&site, &read, missing);
    assert_eq!((looks(&made), starts(&made).len()), (1, 0));
    site.project("o/a").formulas.get_mut(&"fix".into()).expect("a fix").require.files.pop();
    assert_eq!(starts(&held(&site, &read, NOW).1).len(), 0);
}

/// An open pull request of ours for an issue, that waits for people.
pub fn waiting(site: &mut Site, name: &str, number: u64) {
    let (subject, label) = (at(name, number), Decision::Pr);
    let labels = BTreeSet::from(["claude-pr".to_owned()]);
    site.note(Event::Seen { subject: subject.clone(), issue: SeenIssue { labels, ..seen() } });
    let meaning = LabelsMean::Standing { label: Some(label) };
    site.note(Event::LabelsRead { subject: subject.clone(), found: BTreeSet::from([label]), meaning });
    site.note(Event::PullFound {
        subject,
        pull: PullNumber(100 + number),
        branch: Branch(format!("claude/issue-{number}")),
        base: "main".into(),
        head: head(),
        at: Timestamp(0),
    });
}

fn head() -> Sha {
    "2".repeat(40).parse().expect("a name of an object")
}

fn checked(site: &mut Site, subject: &Subject, checks: Checks, cut: bool) {
    site.note(Event::ChecksSeen {
        subject: subject.clone(),
        checks,
        changes_requested: false,
        conflicts: false,
        approved: false,
        head: Some(head()),
        asks: Vec::new(),
        comments: Vec::new(),
        mute: if cut { Mute::Cut } else { Mute::No },
        weighed: None,
    });
}

#[test]
fn nothing_new_is_begun_while_too_many_pull_requests_wait_for_people() {
    let mut site = Site::new(4, &[("o/a", 2), ("o/b", 1)]);
    site.policy.open_pulls = 2;
    waiting(&mut site, "o/a", 3);
    let (waits, made) = held(&site, &View::default(), NOW);
    assert_eq!((waits, starts(&made).len()), (None, 3), "one waits, and two may");
    waiting(&mut site, "o/a", 4);
    let (waits, made) = held(&site, &View::default(), NOW);
    assert_eq!((waits, starts(&made)), (Some(Wait::OpenPulls { open: 2, limit: 2 }), Vec::new()), "of all projects");
    assert_eq!(made.waits.get(&at("o/b", 1)), Some(&Wait::OpenPulls { open: 2, limit: 2 }));
    // One that is merged makes room.
    site.note(Event::PullSeen { subject: at("o/a", 4), state: PullState::Merged });
    assert_eq!(site.starts().len(), 3);
}

#[test]
fn checks_that_were_cancelled_are_run_again_once_for_each_head_and_are_no_reason_to_revise() {
    let mut site = Site::new(2, &[("o/a", 0)]);
    site.policy.projects = plan_world::revising_policy().projects.into_values().map(|project| (repo("o/a"), project)).collect();
    waiting(&mut site, "o/a", 1);
    let read = View { checked: [(at("o/a", 1), NOW)].into(), ..View::default() };
    checked(&mut site, &at("o/a", 1), Checks::Failure, true);
    // There is no status comment to edit.
    let key = forgehand::model::EffectKey("say".into());
    let action = held(&site, &read, NOW).1.actions.pop().expect("an action");
    let Action::Do { subject, intent: intent @ Intent::Say { if_there: true, .. } } = action else { panic!("{action:?}") };
    site.note(Event::Intended { key: key.clone(), subject, intent });
    site.note(Event::Ended { key, outcome: Outcome::Unsaid });
    site.note(Event::Paused { what: Scope::Everything, until: None });
    assert_eq!(held(&site, &read, NOW).0, Some(Wait::Paused { what: Scope::Everything, until: None }));
    site.note(Event::Resumed { what: Scope::Everything });
    let cut = |rerun| Some(Wait::ChecksCut { pull: PullNumber(101), rerun: Some(rerun) });
    reran(&mut site, &read, Rerun::Begun);
    assert_eq!(held(&site, &read, NOW).0, Some(Wait::Merge { pull: PullNumber(101) }), "they run");
    checked(&mut site, &at("o/a", 1), Checks::Failure, true);
    assert_eq!(held(&site, &read, NOW).0, cut(Rerun::Begun), "once");
    // Another head, and a forge that cannot.
    let at_head = site.records.last().cloned().expect("an event").event;
    let Event::ChecksSeen { head: _, subject, checks, changes_requested, conflicts, approved, asks, comments, mute, weighed } =
        at_head
    else {
        panic!("{at_head:?}")
    };
    assert_eq!(mute, Mute::Cut);
    let head = Some("3".repeat(40).parse().expect("a name of an object"));
    site.note(Event::ChecksSeen { head, subject, checks, changes_requested, conflicts, approved, asks, comments, mute, weighed });
    let cannot = Rerun::Not { why: "it has no such call".into() };
    reran(&mut site, &read, cannot.clone());
    assert_eq!(held(&site, &read, NOW).0, cut(cannot.clone()));
    let said = forgehand::words::wait(&cut(cannot).expect("a wait"), &forgehand::model::LabelNames::default());
    assert_eq!(
        said,
        "the checks of pull request #101 were cancelled, or ended before their first step and could not be run again (it has no such call), which says nothing about it: no \
         agent is asked"
    );
    // Without a formula that revises they are run again too, and red ones are for it.
    checked(&mut site, &at("o/a", 1), Checks::Failure, false);
    assert_eq!(starts(&held(&site, &read, NOW).1), ["o/a#1"], "red is");
    site.project("o/a").formulas.remove(&"revise".into());
    assert!(matches!(held(&site, &read, NOW).0, Some(Wait::NeedsFormula { .. })));
    checked(&mut site, &at("o/a", 1), Checks::Failure, true);
    reran(&mut site, &read, Rerun::Begun);
}

#[test]
fn checks_that_no_runner_takes_are_said_after_a_while() {
    let mut site = Site::new(2, &[("o/a", 0)]);
    waiting(&mut site, "o/a", 1);
    checked(&mut site, &at("o/a", 1), Checks::Pending, false);
    let mut seen = site.records.last().cloned().expect("an event").event;
    let Event::ChecksSeen { mute, .. } = &mut seen else { panic!("{seen:?}") };
    *mute = Mute::Idle;
    let text = serde_json::to_string(&seen).expect("text");
    assert!(text.contains(r#""cut":"idle""#), "{text}");
    assert_eq!(serde_json::from_str::<Event>(&text).expect("an event"), seen);
    let older = serde_json::from_str::<Event>(&text.replace(r#""idle""#, "true")).expect("as it was written before");
    assert!(matches!(older, Event::ChecksSeen { mute: Mute::Cut, .. }));
    site.note(seen.clone());
    let since = site.records.last().expect("an event").at;
    let key = forgehand::model::EffectKey("say".into());
    // There is no status comment to edit.
    let read = View { checked: [(at("o/a", 1), NOW)].into(), ..View::default() };
    let action = held(&site, &read, NOW).1.actions.pop().expect("an action");
    let Action::Do { subject, intent: say @ Intent::Say { if_there: true, .. } } = action else { panic!("{action:?}") };
    site.note(Event::Intended { key: key.clone(), subject, intent: say });
    site.note(Event::Ended { key, outcome: Outcome::Unsaid });
    let wait = |site: &Site, now: Timestamp| {
        let read = View { checked: [(at("o/a", 1), now)].into(), ..View::default() };
        held(site, &read, now).0
    };
    let late = since + std::time::Duration::from_mins(10);
    assert_eq!(wait(&site, Timestamp(late.0 - 1)), Some(Wait::Merge { pull: PullNumber(101) }));
    // It is known since it was seen first.
    site.note(seen);
    assert_eq!(wait(&site, late), Some(Wait::NoRunner { pull: PullNumber(101), since }));
    checked(&mut site, &at("o/a", 1), Checks::Pending, false);
    assert_eq!(wait(&site, late), Some(Wait::Merge { pull: PullNumber(101) }), "one began");
}

/// The checks are run again, and nothing else is done.
fn reran(site: &mut Site, view: &View, rerun: Rerun) {
    let key = forgehand::model::EffectKey(format!("rerun-{}", site.records.len()));
    let mut made = held(site, view, NOW).1.actions;
    let Some(Action::Do { subject, intent: intent @ Intent::Rerun { pull: PullNumber(101), .. } }) = made.pop() else {
        panic!("{made:?}")
    };
    assert_eq!(made, []);
    site.note(Event::Intended { key: key.clone(), subject, intent });
    site.note(Event::Ended { key, outcome: Outcome::Reran(rerun) });
}
