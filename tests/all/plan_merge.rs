//! The gate before a merge, by properties: whatever is known of many pull requests, nothing is merged that may not be, and what may be is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use forgehand::formula::shipped_formula;
use forgehand::ledger::{ClaimState, Held, IssueState, Ledger, PullRef, Refused, Reviews, Rounds, Said};
use forgehand::model::{
    Advance, Approved, Branch, Checks, CommandRun, Decision, Event, Evidence, Formula, FormulaName, HandOutcome, Intent,
    IssueNumber, Login, MergeRule, ProjectFacts, PullNumber, PullState, Record, RepoFacts, RepoName, Right, Risk, RunId,
    RunOutcome, Saying, SeenIssue, Sha, StopWhy, Subject, TextMark, Timestamp, ToMerge, Trigger, Wait, Wanted, WantedBy, Weighed,
};
use forgehand::plan::{Action, FRESH, Plan, Policy, ProjectPolicy, View, plan};
use proptest::prelude::*;

use super::plan_world;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const WINDOW: Duration = Duration::from_secs(3_600);

fn repo() -> RepoName {
    "o/a".parse().expect("a name")
}

fn at(number: u64) -> Subject {
    Subject { repo: repo(), issue: IssueNumber(number) }
}

fn sha(of: u64) -> Sha {
    format!("{of:040x}").parse().expect("a name of an object")
}

/// What is known of a pull request, as far as the gate reads it.
#[derive(Clone, Debug)]
struct Known {
    tier: Risk,
    rights: Vec<(bool, Right)>,
    checks: Checks,
    verified: Verified,
    behind: bool,
    lacking: bool,
    unreported: bool,
    older: bool,
    window: bool,
    waited: bool,
    refused: bool,
    read: Option<bool>,
    asked: bool,
    priority: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verified {
    Yes,
    No,
    AnotherHead,
    AnotherCommand,
    Failed,
}

prop_compose! {
    fn known()(
        tier in prop::sample::select(vec![Risk::Low, Risk::Medium, Risk::High]),
        rights in prop::collection::vec((prop::bool::weighted(0.2), prop::sample::select(vec![Right::Ours, Right::Writer, Right::Approver])), 0..3),
        checks in prop::sample::select(vec![Checks::Success, Checks::Success, Checks::Success, Checks::None, Checks::Pending, Checks::Failure]),
        verified in prop::sample::select(vec![
            Verified::Yes, Verified::Yes, Verified::Yes, Verified::Yes, Verified::No, Verified::AnotherHead, Verified::AnotherCommand,
            Verified::Failed,
        ]),
        odd in prop::collection::vec(prop::bool::weighted(0.1), 6),
        window in any::<bool>(),
        waited in any::<bool>(),
        read in prop::option::weighted(0.8, prop::bool::weighted(0.8)),
        priority in prop::bool::weighted(0.2),
    ) -> Known {
        Known {
            tier, rights, checks, verified, window, waited, read, priority,
            behind: odd[0], lacking: odd[1], unreported: odd[2], older: odd[3], refused: odd[4], asked: odd[5],
        }
    }
}

fn evidence(known: &Known, head: &Sha) -> Option<Box<Evidence>> {
    let (of, command, exit) = match known.verified {
        Verified::No => return None,
        Verified::Yes => (head.clone(), "true", 0),
        Verified::AnotherHead => (sha(9_999), "true", 0),
        Verified::AnotherCommand => (head.clone(), "echo it is fine", 0),
        Verified::Failed => (head.clone(), "true", 1),
    };
    let run = CommandRun { command: command.into(), exit: Some(exit), millis: 1, tail: String::new() };
    Some(Box::new(Evidence { sha: of, commands: vec![run], passed: exit == 0, timed_out: false }))
}

fn pull(number: u64, known: &Known) -> PullRef {
    let head = sha(number);
    let approvals = known.rights.iter().enumerate().map(|(n, (intake, right))| Approved {
        by: Login(if *intake { "intake".into() } else { format!("p{n}") }),
        right: *right,
    });
    let weighed = Weighed {
        head: if known.older { sha(9_998) } else { head.clone() },
        base: sha(0),
        behind: known.behind,
        tier: known.tier,
        reasons: Vec::new(),
        approvals: approvals.collect(),
        admins: Vec::new(),
        approvers: Vec::new(),
        required: vec!["ci/*".into()],
        lacking: if known.lacking { vec!["ci/*".into()] } else { Vec::new() },
        unreported: known.unreported && known.checks == Checks::None,
        style: None,
        window: known.window.then_some(WINDOW),
        tier_only: false,
    };
    let since = if known.waited { Timestamp(0) } else { NOW };
    PullRef {
        number: PullNumber(100 + number),
        branch: Branch(format!("claude/issue-{number}")),
        base: "main".into(),
        evidence: evidence(known, &head),
        refused: known.refused.then(|| Refused { head: head.clone(), why: "no".into(), at: NOW, times: 1 }),
        head,
        state: PullState::Open,
        checks: known.checks,
        cut: false,
        idle: None,
        changes_requested: known.asked,
        conflicts: false,
        unfit: None,
        approved: false,
        moved: None,
        reviews: Reviews::Read,
        branch_settled: false,
        found: false,
        asks: Vec::new(),
        comments: Vec::new(),
        rounds: Rounds::default(),
        opinion: None,
        weighed: Some(Box::new(weighed)),
        weighed_since: since,
        brought_up: None,
        then: None,
        rerun: None,
        files: BTreeSet::new(),
    }
}

/// The rule, said once more and otherwise.
fn may(known: &Known, rule: MergeRule, review: bool) -> bool {
    let people = |least: Right| known.rights.iter().any(|(intake, right)| !intake && *right >= least);
    let waited = known.window && known.waited;
    let word = match known.tier {
        Risk::Low => !review || people(Right::Ours),
        Risk::Medium => rule == MergeRule::Policy && (people(Right::Writer) || (waited && (!review || people(Right::Ours)))),
        Risk::High => rule == MergeRule::Policy && people(Right::Approver),
    };
    let green = known.checks == Checks::Success || (known.checks == Checks::None && !known.unreported);
    let sound =
        known.verified == Verified::Yes && !known.behind && !known.lacking && !known.older && !known.refused && !known.asked;
    rule != MergeRule::Never && word && green && sound
}

struct Site {
    ledger: Ledger,
    view: View,
    policy: Policy,
}

fn site(all: &[Known], rule: MergeRule, review: bool) -> Site {
    // Without formulas, which only cost time here: nobody revises or reviews.
    site_with(all, rule, review, BTreeMap::new())
}

fn site_with(all: &[Known], rule: MergeRule, review: bool, formulas: BTreeMap<FormulaName, Formula>) -> Site {
    static USUAL: LazyLock<Policy> = LazyLock::new(plan_world::policy);
    let one: &ProjectPolicy = USUAL.projects.values().next().expect("a project");
    let rest = ProjectPolicy { formulas, ..one.clone() };
    let policy = Policy { projects: [(repo(), ProjectPolicy { merge: rule, review, ..rest })].into(), ..USUAL.clone() };
    let known = plan_world::facts();
    let facts = ProjectFacts { repository: RepoFacts { name: repo(), ..known.repository.clone() }, ..known };
    let mut ledger = Ledger::fold(&[Record { seq: 1, at: Timestamp(1), event: Event::Surveyed { repo: repo(), facts } }]);
    let mut view = View { fresh: [repo()].into(), ..View::default() };
    for (number, known) in (1..).zip(all) {
        let labels: BTreeSet<String> =
            ["claude-pr", "priority"].into_iter().take(if known.priority { 2 } else { 1 }).map(str::to_owned).collect();
        let text = TextMark { title: "t".into(), body: "b".into() };
        let seen = SeenIssue {
            title: "t".into(),
            text,
            author: "ann".into(),
            open: true,
            labels,
            created: Timestamp(0),
            updated: Timestamp(0),
            comments: 0,
            depends: Vec::new(),
        };
        let mut state = IssueState::new(seen, Timestamp(i64::try_from(number).expect("few")));
        state.at = Some(Decision::Pr);
        state.written = Some([Decision::Pr].into());
        state.pull = Some(pull(number, known));
        ledger.projects.get_mut(&repo()).expect("it").issues.insert(IssueNumber(number), state);
        view.checked.insert(at(number), NOW);
        if let Some(whole) = known.read {
            view.weighed.insert(at(number), (NOW, whole));
        }
    }
    Site { ledger, view, policy }
}

impl Site {
    /// What is done once everything is said.
    fn plan(&mut self, now: Timestamp) -> Plan {
        for _ in 0..100 {
            let made = plan(&self.ledger, &self.view, &self.policy, now);
            let says = |action: &Action| match action {
                Action::Do { subject, intent: Intent::Say { what, .. } } => Some((subject.clone(), what.clone())),
                _ => None,
            };
            let said: Vec<_> = made.actions.iter().filter_map(says).collect();
            if said.is_empty() {
                return made;
            }
            for (subject, what) in said {
                let Saying::Status { status } = what else { panic!("{what:?}") };
                let issue = self.ledger.projects.get_mut(&repo()).expect("it").issues.get_mut(&subject.issue).expect("it");
                issue.said = Some(Said { comment: None, status });
            }
        }
        panic!("it is never quiet")
    }
}

#[test]
fn an_account_that_an_agent_had_stays_ours_and_on_another_forge_it_is_somebody_elses() {
    let survey = |seq, forge: &str, judge: Option<&str>| {
        let others = judge.into_iter().map(|login| ("judge".into(), login.into())).collect();
        let facts = ProjectFacts { forge: forge.into(), others, ..plan_world::facts() };
        Record { seq, at: Timestamp(1), event: Event::Surveyed { repo: repo(), facts } }
    };
    let ours = |records: &[Record], login: &str| {
        let ledger = Ledger::fold(records);
        ledger.projects[&repo()].facts.as_ref().expect("they are known").is_ours(&login.into())
    };
    let mut records = vec![survey(1, "http://forge", Some("judge")), survey(2, "http://forge", Some("judge-2"))];
    assert!(ours(&records, "judge") && ours(&records, "judge-2") && !ours(&records, "ann"));
    records.push(survey(3, "http://forge", None));
    assert!(ours(&records, "judge") && ours(&records, "judge-2"), "an agent that is gone too");
    records.push(survey(4, "http://other", None));
    assert!(!ours(&records, "judge") && !ours(&records, "judge-2"));
}

fn merges(plan: &Plan) -> Vec<(u64, Sha)> {
    let one = |action: &Action| match action {
        Action::Do { subject, intent: Intent::Merge { head, .. } } => Some((subject.issue.0, head.clone())),
        _ => None,
    };
    plan.actions.iter().filter_map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_is_merged_that_may_not_be_and_of_a_repository_one_at_a_time(
        all in prop::collection::vec(known(), 1..8),
        rule in prop::sample::select(vec![MergeRule::Never, MergeRule::Low, MergeRule::Policy]),
        review in any::<bool>(),
        later in prop::sample::select(vec![0, 10, 20]),
    ) {
        let mut site = site(&all, rule, review);
        let now = Timestamp(NOW.0 + later * 1_000);
        let made = site.plan(now);
        let merged = merges(&made);
        prop_assert!(merged.len() <= 1, "{merged:?}");
        let of = |number: u64| &all[usize::try_from(number - 1).expect("few")];
        for (number, head) in &merged {
            prop_assert!(may(of(*number), rule, review), "{number}: {:?}", of(*number));
            prop_assert_eq!(of(*number).read, Some(true), "nothing was read");
            prop_assert!(Duration::from_secs(later.unsigned_abs()) <= FRESH, "what was read is old");
            prop_assert_eq!(head, &sha(*number));
        }
        // The first that may be merged is, or is read to be; each other one says what it waits for.
        let first = (1..).zip(&all).filter(|(_, known)| may(known, rule, review)).min_by_key(|(number, known)| (!known.priority, *number));
        if let Some((number, known)) = first {
            let reads = made.actions.contains(&Action::Checks(at(number)));
            let waits = matches!(made.waits.get(&at(number)), Some(Wait::ToMerge { waits: ToMerge::Reading, .. }));
            prop_assert!(merged.iter().any(|(n, _)| *n == number) || reads || (waits && known.read == Some(false)), "{known:?}: {made:#?}");
        }
        for number in 1..=all.len() as u64 {
            let acts = made.actions.iter().any(|action| matches!(action, Action::Do { subject, .. } | Action::Checks(subject) if *subject == at(number)));
            prop_assert!(acts || made.waits.contains_key(&at(number)), "{number} neither moves nor waits: {made:#?}");
        }
    }
}

/// What is in the way of merging it beside that it was not verified as it would be merged: nothing that others could wait for.
fn is_to_be_brought_up(known: &Known, rule: MergeRule) -> bool {
    let covered = rule == MergeRule::Policy || known.tier == Risk::Low;
    let stands = !known.older && !known.asked && !known.refused && known.checks != Checks::Failure;
    covered && stands && (known.verified != Verified::Yes || known.behind)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_not_verified_so_is_brought_up_one_at_a_time_and_after_what_moves_the_base(
        all in prop::collection::vec(known(), 1..8),
        rule in prop::sample::select(vec![MergeRule::Low, MergeRule::Policy]),
        review in any::<bool>(),
    ) {
        static UPDATE: LazyLock<Formula> = LazyLock::new(|| shipped_formula("update").expect("shipped"));
        let formulas = BTreeMap::from([(UPDATE.name.clone(), UPDATE.clone())]);
        let mut site = site_with(&all, rule, review, formulas);
        let made = site.plan(NOW);
        // A run begins with a claim.
        let claims = made.actions.iter().filter_map(|action| match action {
            Action::Do { subject, intent: Intent::Claim { .. } } => Some(subject.issue.0),
            _ => None,
        });
        let begun: Vec<u64> = claims.collect();
        prop_assert!(begun.len() <= 1, "{begun:?}");
        let moves = |known: &Known| {
            let waits_for_checks = known.checks == Checks::Pending && !known.asked && !known.older && !known.refused
                && known.verified == Verified::Yes && !known.behind;
            may(known, rule, review) || (waits_for_checks && (rule == MergeRule::Policy || known.tier == Risk::Low))
        };
        if let Some((_, first)) = (1..).zip(&all).find(|(_, known)| moves(known)) {
            prop_assert!(begun.is_empty(), "{begun:?} though that may be merged first: {first:?}");
            return Ok(());
        }
        let rank = |(number, known): &(u64, &Known)| (known.tier != Risk::Low, !known.priority, *number);
        let first = (1..).zip(&all).filter(|(_, known)| is_to_be_brought_up(known, rule)).min_by_key(rank);
        prop_assert_eq!(begun, first.map(|(number, _)| number).into_iter().collect::<Vec<u64>>(), "{:#?}", made.waits);
    }
}

/// The formula of a run that waits for a merge.
static SHIP: LazyLock<Formula> = LazyLock::new(|| {
    let text = "formula = 1\nname = \"ship\"\ntitle = \"It\"\nblast_radius = \"low\"\n[trigger]\ncomment = \"/ship\"\n\
        [[step]]\nid = \"merge\"\npropose = \"merge\"\ntimeout = \"1h\"\n";
    forgehand::formula::load("ship.toml", text, &|_| None).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
});

impl Site {
    fn note(&mut self, at: Timestamp, event: Event) {
        self.ledger.apply(&Record { seq: self.ledger.seq + 1, at, event });
    }

    /// A run puts the pull request of an issue forward.
    fn put_forward(&mut self, number: u64) {
        let run = RunId(format!("ship-{number}"));
        let wanted = Wanted { formula: SHIP.name.clone(), inputs: BTreeMap::new(), by: WantedBy::Hand };
        let started = Event::RunStarted {
            run: run.clone(),
            subject: at(number),
            formula: Box::new(SHIP.clone()),
            attempt: 1,
            branch: "forgehand-read".into(),
            aside: Some(wanted),
            kept: Vec::new(),
        };
        self.note(NOW, started);
        let how = Advance::PutForward { pull: PullNumber(100 + number) };
        self.note(NOW, Event::Advanced { run, step: "merge".into(), how });
    }

    fn state(&self, number: u64) -> &IssueState {
        self.ledger.issue(&at(number)).expect("it")
    }

    /// What the step left that waited for the merge of this one, where it goes on now.
    fn goes_on(&mut self, number: u64, now: Timestamp) -> Option<serde_json::Value> {
        let claims =
            |made: &Plan| made.actions.iter().any(|action| matches!(action, Action::Do { intent: Intent::Claim { .. }, .. }));
        let claimed = claims(&self.plan(now));
        let held = Held { sha: sha(1), since: now, failed: None, failures: 0 };
        self.claim(number, ClaimState::Ours(held));
        let made = self.plan(now);
        self.claim(number, ClaimState::None);
        let left = made.actions.iter().find_map(|action| match action {
            Action::Record(events) => events.iter().find_map(|event| match event {
                Event::Advanced { run, how: Advance::Opened { output }, .. } if run.0 == format!("ship-{number}") => {
                    output.clone()
                }
                _ => None,
            }),
            _ => None,
        });
        assert_eq!(claimed, left.is_some(), "it takes the claim again first");
        left
    }

    fn claim(&mut self, number: u64, claim: ClaimState) {
        let issues = &mut self.ledger.projects.get_mut(&repo()).expect("it").issues;
        issues.get_mut(&IssueNumber(number)).expect("it").claim = claim;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn who_waits_for_a_merge_neither_has_anything_merged_nor_holds_it_up(
        all in prop::collection::vec((known(), any::<bool>()), 1..8),
        rule in prop::sample::select(vec![MergeRule::Never, MergeRule::Low, MergeRule::Policy]),
        review in any::<bool>(),
        updates in any::<bool>(),
        later in prop::sample::select(vec![0, 10, 20]),
    ) {
        static UPDATE: LazyLock<Formula> = LazyLock::new(|| shipped_formula("update").expect("shipped"));
        let formulas = || updates.then(|| (UPDATE.name.clone(), UPDATE.clone())).into_iter().collect::<BTreeMap<_, _>>();
        let pulls: Vec<Known> = all.iter().map(|(known, _)| known.clone()).collect();
        let now = Timestamp(NOW.0 + later * 1_000);
        let without = site_with(&pulls, rule, review, formulas()).plan(now);
        let mut with = site_with(&pulls, rule, review, formulas());
        for (number, (_, forward)) in (1..).zip(&all) {
            if *forward {
                with.put_forward(number);
            }
        }
        let made = with.plan(now);
        prop_assert_eq!(&made.actions, &without.actions);
        prop_assert_eq!(&made.waits, &without.waits);
        forgehand::plan::check(&made, &with.ledger, &with.view, &with.policy).expect("it keeps the rules");
    }
}

fn fine() -> Known {
    Known {
        tier: Risk::Medium,
        rights: Vec::new(),
        checks: Checks::Success,
        verified: Verified::Yes,
        behind: false,
        lacking: false,
        unreported: false,
        older: false,
        window: false,
        waited: false,
        refused: false,
        read: Some(true),
        asked: false,
        priority: false,
    }
}

#[test]
fn who_waits_goes_on_when_it_is_merged_and_closed_when_it_is_closed_or_when_its_time_is_over() {
    let sites = || {
        let mut site = site(&[fine()], MergeRule::Policy, false);
        site.put_forward(1);
        assert!(site.state(1).run.is_none() && site.state(1).stepped_back.len() == 1);
        assert_eq!(site.goes_on(1, NOW), None);
        site
    };
    let seen = |state| Event::PullSeen { subject: at(1), state };

    let mut site = sites();
    site.note(NOW, seen(PullState::Merged));
    assert_eq!(site.goes_on(1, NOW), None, "its issue is closed first");
    assert!(matches!(site.plan(NOW).actions.as_slice(), [Action::Do { intent: Intent::Close, .. }]), "{:?}", site.plan(NOW));
    let issue = SeenIssue { open: false, ..site.state(1).seen.clone() };
    site.note(NOW, Event::Seen { subject: at(1), issue });
    site.note(NOW, Event::Moved { subject: at(1), trigger: Trigger::Merged, to: None });
    // What belongs to that comes first: the branch.
    assert!(matches!(site.plan(NOW).actions.as_slice(), [Action::Do { intent: Intent::DropBranch { .. }, .. }]));
    let issues = &mut site.ledger.projects.get_mut(&repo()).expect("it").issues;
    issues.get_mut(&IssueNumber(1)).and_then(|state| state.pull.as_mut()).expect("it").branch_settled = true;
    let left = site.goes_on(1, NOW).expect("it goes on");
    assert_eq!(left, serde_json::json!({ "pull": 101, "merged": true, "state": "merged", "sha": sha(1).as_str(), "why": "" }));

    let mut site = sites();
    site.note(NOW, seen(PullState::Closed));
    assert_eq!(site.goes_on(1, NOW), None, "a person has the issue first");
    site.note(NOW, Event::Moved { subject: at(1), trigger: Trigger::ClosedUnmerged, to: Some(Decision::Interactive) });
    site.view.checked.clear();
    let left = site.goes_on(1, NOW).expect("it goes on");
    assert_eq!((&left["merged"], &left["state"], &left["sha"]), (&false.into(), &"closed".into(), &serde_json::Value::Null));

    let mut site = sites();
    let over = Timestamp(NOW.0 + 3_600_000);
    site.view.checked.insert(at(1), over);
    let left = site.goes_on(1, over).expect("it goes on");
    assert_eq!((&left["state"], &left["why"]), (&"waits".into(), &"it waits for an approval".into()));
    site.policy.projects.values_mut().for_each(|project| project.merge = MergeRule::Never);
    let left = site.goes_on(1, over).expect("it goes on");
    assert_eq!((&left["state"], &left["why"]), (&"waits".into(), &"a person is to merge it".into()));
}

/// It was read while a person was to merge it: of approvals, checks that are required and the rest nothing is known.
#[test]
fn nothing_is_merged_by_a_tier_alone() {
    for (rule, tier) in [(MergeRule::Policy, Risk::Medium), (MergeRule::Low, Risk::Low)] {
        let known = Known { tier, rights: vec![(false, Right::Approver)], ..fine() };
        let mut site = site(&[known], rule, false);
        assert_eq!(merges(&site.plan(NOW)).len(), 1, "{rule:?}: as a whole it is merged");
        let issues = &mut site.ledger.projects.get_mut(&repo()).expect("it").issues;
        let pull = issues.get_mut(&IssueNumber(1)).and_then(|state| state.pull.as_mut()).expect("it");
        pull.weighed.as_mut().expect("it").tier_only = true;
        assert_eq!(merges(&site.plan(NOW)), [], "{rule:?}");
        let waits = site.plan(NOW).waits.get(&at(1)).cloned();
        assert!(matches!(waits, Some(Wait::ToMerge { waits: ToMerge::Reading, .. })), "{waits:?}");
    }
}

#[test]
fn a_person_who_closes_the_issue_stops_who_waits() {
    let mut site = site(&[fine()], MergeRule::Policy, false);
    site.put_forward(1);
    let issue = SeenIssue { open: false, ..site.state(1).seen.clone() };
    site.note(NOW, Event::Seen { subject: at(1), issue });
    let made = site.plan(NOW);
    let stops = |made: &Plan| match made.actions.as_slice() {
        [Action::Record(events)] => matches!(events.as_slice(), [Event::Stopping { why: StopWhy::Closed, .. }]),
        _ => false,
    };
    assert!(stops(&made), "{made:?}");
    let run = RunId("ship-1".to_owned());
    site.note(NOW, Event::Stopping { run: run.clone(), why: StopWhy::Closed });
    site.note(NOW, Event::Moved { subject: at(1), trigger: Trigger::PersonClosed, to: Some(Decision::Pr) });
    let made = site.plan(NOW);
    let taken = Event::Advanced { run, step: "merge".into(), how: Advance::TakenUp };
    assert_eq!(made.actions, [Action::Record(vec![taken.clone()])]);
    site.note(NOW, taken);
    let made = site.plan(NOW);
    let ended =
        |event: &Event| matches!(event, Event::RunEnded { outcome: RunOutcome::Hand { how: HandOutcome::Cancelled }, .. });
    assert!(matches!(made.actions.as_slice(), [Action::Record(events)] if events.iter().any(ended)), "{made:?}");
}
