//! What is counted: events in, Prometheus' text out.

use forgehand::formula::shipped;
use forgehand::ledger::Ledger;
use forgehand::metrics::{Elsewhere, Metrics};
use forgehand::model::{
    Event, HandOutcome, IssueNumber, ModelCall, Record, RepoName, RunId, RunOutcome, SeenIssue, Subject, TextMark, Timestamp, Usd,
};

fn repo() -> RepoName {
    "o/r".parse().expect("a name")
}

fn seen(number: u64, open: bool) -> Event {
    let issue = SeenIssue {
        title: "a \"title\"\nof two lines".into(),
        text: TextMark { title: "t".into(), body: "b".into() },
        author: "ann".into(),
        open,
        labels: Default::default(),
        created: Timestamp(0),
        updated: Timestamp(0),
        comments: 0,
        depends: Vec::new(),
    };
    Event::Seen { subject: Subject { repo: repo(), issue: IssueNumber(number) }, issue }
}

fn called(millis: u64, status: Option<u16>, cut: bool) -> Event {
    let call = ModelCall {
        model: "m".into(),
        input: 1,
        output: 1,
        cache_read: 0,
        cache_write: 0,
        cost: Usd(250_000),
        status,
        cut,
        unmetered: false,
        millis,
    };
    Event::Called { run: RunId("r1".into()), call, step: None }
}

/// The text after these events, a second apart, looked at a minute later.
fn text(events: Vec<Event>) -> String {
    let (mut ledger, mut metrics) = (Ledger::default(), Metrics::new(Timestamp(1_500)));
    let mut now = Timestamp(0);
    for (seq, event) in events.into_iter().enumerate() {
        now = Timestamp(1_000 * (seq as i64 + 1));
        ledger.apply(&Record { seq: seq as u64 + 1, at: now, event: event.clone() });
        metrics.heard(&event, &ledger);
    }
    metrics.measure(&ledger, [repo()].iter(), Timestamp(now.0 + 60_000));
    metrics.text(&Elsewhere { forge_errors: vec![("unreachable", 7)], ..Elsewhere::default() })
}

#[track_caller]
fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|l| l == *line), "{line} is not in\n{text}");
    }
}

#[test]
fn model_calls_are_measured_and_paid() {
    let formula = shipped().remove(&"triage".into()).expect("shipped");
    let subject = Subject { repo: repo(), issue: IssueNumber(1) };
    let run = RunId("r1".into());
    let started = Event::RunStarted {
        run: run.clone(),
        subject,
        formula: Box::new(formula),
        attempt: 1,
        branch: "b".into(),
        aside: None,
        kept: Vec::new(),
    };
    let outcome = RunOutcome::Hand { how: HandOutcome::TimedOut };
    let ended = Event::RunEnded { run, outcome, costs_attempt: true, backoff_until: None };
    let calls = [
        called(250, Some(200), false),
        called(3_000, Some(429), false),
        called(700_000, None, false),
        called(10, Some(200), true),
    ];
    let text = text([vec![seen(1, true), started], calls.to_vec(), vec![ended]].concat());
    assert_has(
        &text,
        &[
            "# TYPE forgehand_model_call_duration_seconds histogram",
            "forgehand_model_call_duration_seconds_bucket{le=\"0.25\"} 2",
            "forgehand_model_call_duration_seconds_bucket{le=\"2.5\"} 2",
            "forgehand_model_call_duration_seconds_bucket{le=\"5\"} 3",
            "forgehand_model_call_duration_seconds_bucket{le=\"600\"} 3",
            "forgehand_model_call_duration_seconds_bucket{le=\"+Inf\"} 4",
            "forgehand_model_call_duration_seconds_sum 703.26",
            "forgehand_model_call_duration_seconds_count 4",
            "forgehand_model_calls_total{result=\"ok\"} 1",
            "forgehand_model_calls_total{result=\"refused\"} 1",
            "forgehand_model_calls_total{result=\"failed\"} 1",
            "forgehand_model_calls_total{result=\"cut\"} 1",
            "forgehand_model_cost_dollars_total{project=\"o/r\"} 1",
            "forgehand_runs_total{outcome=\"timed-out\"} 1",
            "forgehand_runs_total{outcome=\"succeeded\"} 0",
            "forgehand_forge_errors_total{kind=\"unreachable\"} 7",
            "forgehand_start_time_seconds 1.5",
        ],
    );
    assert!(!text.contains("title"), "nothing from outside is a label");
}

#[test]
fn what_stands_is_counted_and_the_queue_has_an_age() {
    use forgehand::model::{Decision, Trigger};
    let moved = |number, to| {
        let subject = Subject { repo: repo(), issue: IssueNumber(number) };
        Event::Moved { subject, trigger: Trigger::TriagedQueue, to: Some(to) }
    };
    let pause = Event::AccountPaused { until: Timestamp(10_000_000), why: "used up".into(), account: None };
    let text = text(vec![
        seen(1, true),
        seen(2, true),
        seen(3, false),
        seen(4, true),
        moved(1, Decision::Queue),
        moved(2, Decision::Queue),
        moved(3, Decision::Queue),
        pause,
    ]);
    assert_has(
        &text,
        &[
            "forgehand_issues{project=\"o/r\",state=\"queue\"} 2",
            "forgehand_issues{project=\"o/r\",state=\"undecided\"} 1",
            "forgehand_issues{project=\"o/r\",state=\"failed\"} 0",
            "forgehand_queue_oldest_age_seconds{project=\"o/r\"} 63",
            "forgehand_accounts_paused 1",
            "forgehand_project_troubled{project=\"o/r\"} 0",
        ],
    );
}
