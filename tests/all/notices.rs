//! Events in, what people are told out.

use forgehand::formula::shipped;
use forgehand::ledger::Ledger;
use forgehand::model::{
    Advance, BudgetOf, Decision, Dispatch, EffectKey, Event, Gate, HandOutcome, Intent, IssueNumber, LabelNames, ModelCall, News,
    Notice, Occasion, Outcome, PullNumber, Record, RepoName, RunId, RunOutcome, SeenIssue, Step, StepKind, Subject, TextMark,
    Timestamp, Trigger, Trouble, Unmerged, Usd, VaultEvent, Wanted, WantedBy,
};
use forgehand::plan::Notices;
use forgehand::words;

fn repo() -> RepoName {
    "o/r".parse().expect("a name")
}

fn subject() -> Subject {
    Subject { repo: repo(), issue: IssueNumber(7) }
}

fn seen() -> Event {
    let issue = SeenIssue {
        title: "Total is wrong".into(),
        text: TextMark { title: "t".into(), body: "b".into() },
        author: "ann".into(),
        open: true,
        labels: [LabelNames::default().portal].into(),
        created: Timestamp(0),
        updated: Timestamp(0),
        comments: 0,
        depends: Vec::new(),
    };
    Event::Seen { subject: subject(), issue }
}

fn moved(trigger: Trigger, to: Decision) -> Event {
    Event::Moved { subject: subject(), trigger, to: Some(to) }
}

fn unreachable() -> Event {
    Event::Troubled { repo: repo(), trouble: Trouble::Unreachable { why: "no answer".into() }, until: None }
}

fn call(dollars: f64) -> Event {
    let call = ModelCall {
        model: "m".into(),
        input: 0,
        output: 0,
        cache_read: 0,
        cache_write: 0,
        cost: Usd::from_dollars(dollars),
        status: Some(200),
        cut: false,
        unmetered: false,
        millis: 1,
    };
    Event::Called { run: RunId("r1".into()), call, step: None }
}

fn run() -> [Event; 2] {
    let formula = shipped().remove(&"fix".into()).expect("shipped");
    [
        seen(),
        Event::RunStarted {
            run: RunId("r1".into()),
            subject: subject(),
            formula: Box::new(formula),
            attempt: 1,
            branch: "b".into(),
            aside: None,
            kept: Vec::new(),
        },
    ]
}

/// A process that is told these events after those of an earlier one.
fn told_after(before: &[Event], events: &[Event]) -> Vec<Notice> {
    let mut ledger = Ledger::default();
    let fold = |ledger: &mut Ledger, event: &Event| {
        let record = Record { seq: ledger.seq + 1, at: Timestamp(1_000), event: event.clone() };
        ledger.apply(&record);
    };
    before.iter().for_each(|event| fold(&mut ledger, event));
    let mut notices = Notices::new(&ledger);
    let mut told = Vec::new();
    for event in events {
        fold(&mut ledger, event);
        told.extend(notices.of(Timestamp(1_000), event, &ledger));
    }
    told
}

fn told(events: &[Event]) -> Vec<(Occasion, String, String)> {
    let line = |notice: Notice| {
        let (title, text) = words::notice(&notice.news);
        (notice.news.occasion(), title, text)
    };
    told_after(&[], events).into_iter().map(line).collect()
}

#[test]
fn who_failed_and_who_waits_is_told_and_what_goes_on_is_not() {
    let ended = Event::RunEnded {
        run: RunId("r1".into()),
        outcome: RunOutcome::Environment { why: "no disk".into() },
        costs_attempt: true,
        backoff_until: None,
    };
    let failed = told(&[&run()[..], &[ended, moved(Trigger::FailedForGood, Decision::Failed)]].concat());
    let [(Occasion::Failed, title, text)] = &failed[..] else { panic!("{failed:#?}") };
    assert_eq!(title, "o/r#7 failed: Total is wrong");
    assert!(text.contains("the machine stood in the way: no disk") && text.contains("What to do: see to the machine"), "{text}");

    for (trigger, to, words) in [
        (Trigger::TriagedPerson, Decision::Interactive, "A person should do this one."),
        (Trigger::TriagedQuestion, Decision::NeedsInfo, "Triage has a question"),
        (Trigger::Unanswered, Decision::Interactive, "was not answered"),
        (Trigger::NeedsPerson, Decision::Interactive, "a person must decide on"),
        (Trigger::ClosedUnmerged, Decision::Interactive, "closed without a merge"),
    ] {
        let waits = told(&[seen(), moved(trigger, to)]);
        assert!(
            matches!(&waits[..], [(Occasion::Waits, title, text)] if title == "o/r#7 waits for a person: Total is wrong" && text.contains(words)),
            "{waits:#?}"
        );
    }
    for trigger in [Trigger::TriagedQueue, Trigger::Dispatched, Trigger::Requeued, Trigger::PersonInteractive, Trigger::Merged] {
        assert_eq!(told(&[seen(), moved(trigger, Decision::Queue)]), [], "{trigger:?}");
    }
}

#[test]
fn a_run_beside_the_lifecycle_that_failed_is_told_and_one_that_did_not_is_not() {
    let ended = |outcome, by_hand: bool| {
        let [seen, started] = run();
        let Event::RunStarted { run, subject, formula, attempt, branch, .. } = started else { panic!("{started:?}") };
        let wanted = Wanted { formula: "fix".into(), inputs: Default::default(), by: WantedBy::Hand };
        let aside = by_hand.then_some(wanted);
        let started = Event::RunStarted { run: run.clone(), subject, formula, attempt, branch, aside, kept: Vec::new() };
        told(&[seen, started, Event::RunEnded { run, outcome, costs_attempt: false, backoff_until: None }])
    };
    let failure = || RunOutcome::Hand { how: HandOutcome::TimedOut };
    let failed = ended(failure(), true);
    let [(Occasion::Failed, title, text)] = &failed[..] else { panic!("{failed:#?}") };
    assert_eq!(title, "fix failed on o/r#7: Total is wrong");
    assert!(text.contains("not tried again by itself"), "{text}");
    assert_eq!(ended(RunOutcome::Succeeded { pull: None }, true), []);
    assert_eq!(ended(RunOutcome::Hand { how: HandOutcome::Cancelled }, true), [], "a person stopped it");
    assert_eq!(ended(failure(), false), [], "the lifecycle's is told by where its issue goes");
}

#[test]
fn a_run_that_waits_for_an_approval_is_told_once() {
    let [seen, started] = run();
    let Event::RunStarted { run, subject, mut formula, attempt, branch, aside, .. } = started else { panic!("{started:?}") };
    let open = formula.steps.last().expect("a step").id.clone();
    let before: Vec<String> = formula.steps.iter().map(|step| step.id.to_string()).filter(|id| *id != open.as_str()).collect();
    let last = formula.steps.last().expect("a step").clone();
    let gate = Step { id: "approve".into(), needs: Some(vec![open.clone()]), kind: StepKind::Gate(Gate::Approval), ..last };
    formula.steps.push(gate);
    let advanced = |step: &str, how| Event::Advanced { run: run.clone(), step: step.into(), how };
    let key = EffectKey("o/r#7/r1/pull/1".into());
    let intent = Intent::OpenPull {
        run: run.clone(),
        step: open.clone(),
        head: "b".into(),
        base: "main".into(),
        sha: "0123456789abcdef0123456789abcdef01234567".parse().expect("a sha"),
    };
    let mut events = vec![
        seen,
        Event::RunStarted { run: run.clone(), subject: subject.clone(), formula, attempt, branch, aside, kept: Vec::new() },
    ];
    events.extend(before.iter().map(|step| advanced(step, Advance::Next)));
    events.extend([
        Event::Intended { key: key.clone(), subject, intent },
        Event::Ended { key, outcome: Outcome::PullOpened { pull: PullNumber(8) } },
        advanced(open.as_str(), Advance::Next),
    ]);
    let told = told(&events);
    assert!(
        matches!(&told[..], [(Occasion::Waits, _, text)] if text == "Its run waits for an approval of pull request #8."),
        "{told:#?}"
    );
}

#[test]
fn an_outage_is_told_when_it_lasts_and_when_it_is_over_each_once() {
    let recovered = || Event::Recovered { repo: repo() };
    assert_eq!(told(&[unreachable(), recovered()]), [], "a forge's restart");
    let long = told(&[unreachable(), unreachable(), unreachable(), recovered(), recovered()]);
    let titles: Vec<&str> = long.iter().map(|(_, title, _)| title.as_str()).collect();
    assert_eq!(titles, ["o/r cannot be worked on", "o/r can be worked on again"]);
    let refused = Event::Troubled { repo: repo(), trouble: Trouble::Unauthorized, until: None };
    assert_eq!(told(&[refused.clone(), refused]).len(), 1, "what a person must mend is told at once");
    // A restart in the middle of it.
    assert_eq!(told_after(&[unreachable(), unreachable()], &[unreachable()]), []);
    let over = told_after(&[unreachable(), unreachable()], &[unreachable(), recovered()]);
    assert!(matches!(&over[..], [Notice { news: News::Recovered { .. }, .. }]), "{over:#?}");
}

#[test]
fn a_pause_of_the_account_is_told_until_a_call_works_again() {
    let pause = || Event::AccountPaused { until: Timestamp(60_000), why: "used up".into(), account: None };
    assert_eq!(told(&[pause(), pause(), pause()]).len(), 1);
    assert_eq!(told(&[&run()[..], &[pause(), call(0.1), pause()]].concat()).len(), 2);
    assert_eq!(told_after(&[pause()], &[pause()]), [], "a restart repeats nothing");
}

#[test]
fn a_budget_is_told_when_the_plan_warns_of_it() {
    let warned = |what, at_percent| Event::BudgetWarned { what, at_percent, spent: Usd(20_500_000), limit: Usd(25_000_000) };
    let spent = told(&[warned(BudgetOf::Project { repo: repo() }, 80), warned(BudgetOf::Day, 100)]);
    let titles: Vec<&str> = spent.iter().map(|(_, title, _)| title.as_str()).collect();
    assert_eq!(titles, ["the budget of o/r is nearly spent", "the budget of the day is spent"]);
    assert!(spent[0].0 == Occasion::Budget && spent[0].2.contains("$20.50"), "{spent:#?}");
    assert_eq!(told(&[&run()[..], &[call(21.0)]].concat()), [], "a call alone says nothing");
}

#[test]
fn a_merge_of_the_vault_that_the_forge_refuses_is_told_once_and_not_at_the_first_time() {
    let ops = |what| Event::Vault { repo: repo(), what };
    let pull = PullNumber(3);
    let head = || "a".repeat(40).parse().expect("a commit");
    let refused = |refused| {
        let how = if refused { Unmerged::Refused } else { Unmerged::Passing };
        let what = Dispatch::Merged { pull, head: head(), failed: Some("Not enough approvals".into()), how };
        ops(VaultEvent::Dispatched { what })
    };
    assert_eq!(told(&[refused(true)]), []);
    assert_eq!(told(&[refused(true), refused(false), refused(true)]), [], "it was out of reach in between");
    let told = told(&[refused(true), refused(true), refused(true)]);
    let [(Occasion::Waits, title, text)] = &told[..] else { panic!("{told:#?}") };
    assert_eq!(title, "o/r#3 waits for a person to merge it");
    assert!(text.contains("Not enough approvals") && text.contains("`rights_token_env`"), "{text}");
}
