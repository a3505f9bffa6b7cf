//! The supervisor on recorded streams of the real claude 2.1.329, and on the hours that no recording can show.

use std::path::PathBuf;
use std::time::Duration;

use forgehand::hands::stream::{self, Block, Line, Lines, RawLine};
use forgehand::hands::supervise::{Dialect, Ended, Ending, Exit, Limits, ModelTrouble, Stop, Supervisor};
use forgehand::model::{HandOutcome, Timestamp};
use proptest::prelude::*;
use serde_json::json;

/// A recorded stream: its lines with their times, and the exit code.
struct Recording {
    lines: Vec<(Duration, Line)>,
    exit: Exit,
}

fn recording(name: &str) -> Recording {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/all/claude_streams");
    let meta = std::fs::read_to_string(folder.join(format!("{name}.meta.json"))).unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    let times = meta["line_times_s"].as_array().unwrap().iter().map(|time| Duration::from_secs_f64(time.as_f64().unwrap()));
    let mut lines = Lines::new(stream::LINE_LIMIT);
    let mut raw = lines.push(&std::fs::read(folder.join(format!("{name}.jsonl"))).unwrap());
    raw.extend(lines.finish());
    let lines = raw.into_iter().map(|line| match line {
        RawLine::Whole(bytes) => stream::parse(&bytes),
        RawLine::TooLong => Line::TooLong,
    });
    let exit = Exit::Code(i32::try_from(meta["exit_code"].as_i64().unwrap()).unwrap());
    Recording { lines: times.zip(lines).collect(), exit }
}

fn ended(exit: Exit) -> Ended {
    Ended { exit, stderr: String::new(), trouble: None }
}

/// Plays a recording to its end; it is stopped where the supervisor wants that, as the driver would do.
fn play(name: &str, trouble: Option<ModelTrouble>) -> (Ending, Vec<Stop>) {
    let recording = recording(name);
    let mut supervisor = Supervisor::new(Limits::default(), Dialect::StreamJson, 2);
    for (at, line) in recording.lines {
        assert_eq!(supervisor.tick(at), None, "{name}: no recording reaches a limit of time");
        if let Some(stop) = supervisor.line(at, line).stop {
            supervisor.stopped(stop.clone());
            let exit = Exit::Broken("signal 15".to_owned());
            return (supervisor.end(&Ended { exit, stderr: String::new(), trouble }), vec![stop]);
        }
    }
    (supervisor.end(&Ended { exit: recording.exit, stderr: String::new(), trouble }), Vec::new())
}

fn outcome(name: &str) -> HandOutcome {
    play(name, None).0.outcome
}

#[test]
fn a_result_without_a_schema_is_success_without_an_answer() {
    let (ending, stops) = play("01_success_write_commit", None);
    assert_eq!(ending.outcome, HandOutcome::Succeeded);
    assert_eq!(ending.answer, Err("the structured output is missing".to_owned()));
    assert!(ending.resumable && stops.is_empty());
}

#[test]
fn the_limits_of_claude_itself_are_a_spent_budget() {
    assert_eq!(outcome("02_error_max_turns"), HandOutcome::Budget { limit: "max_turns (2)".to_owned() });
    assert_eq!(
        outcome("03_error_max_budget_usd"),
        HandOutcome::Budget { limit: "budget_usd: Reached maximum budget ($0.5)".to_owned() }
    );
}

#[test]
fn a_structured_output_is_found() {
    let ending = play("04_structured_output_ok", None).0;
    assert_eq!(ending.outcome, HandOutcome::Succeeded);
    assert_eq!(ending.answer, Ok(json!({"severity": "high", "summary": "boom"})));
}

#[test]
fn success_without_a_structured_output_says_that_it_is_missing() {
    let ending = play("05_structured_output_missing_but_success", None).0;
    assert_eq!(ending.outcome, HandOutcome::Succeeded);
    assert_eq!(ending.answer, Err("the structured output is missing".to_owned()));
}

#[test]
fn denied_tools_end_well_and_git_decides() {
    assert_eq!(outcome("06_permission_denied"), HandOutcome::Succeeded);
}

#[test]
fn an_overload_that_passed_is_forgotten() {
    assert_eq!(outcome("07_529_retry_then_ok"), HandOutcome::Succeeded);
    // The gateway may still remember the last failure; a turn that ended well ended well.
    let trouble = ModelTrouble::Unreachable { why: "529".to_owned() };
    assert_eq!(play("07_529_retry_then_ok", Some(trouble)).0.outcome, HandOutcome::Succeeded);
}

#[test]
fn refused_credentials_stop_it_at_the_first_retry() {
    let (ending, stops) = play("08_401_retry_exhausted", None);
    assert_eq!(stops.len(), 1);
    assert!(matches!(ending.outcome, HandOutcome::Unreachable { credentials: true, .. }), "{:?}", ending.outcome);
}

#[test]
fn a_usage_limit_has_the_time_of_its_reset() {
    assert_eq!(
        outcome("09_usage_limit_429_rate_limit_event"),
        HandOutcome::UsageLimit { until: Some(Timestamp(1_795_240_062_000)) }
    );
}

#[test]
fn exit_0_without_a_result_is_a_crash() {
    let HandOutcome::Crashed { why } = outcome("10_sigint_no_result_exit0") else { panic!("not a crash") };
    assert_eq!(why, "it ended with exit code 0 and without a result");
}

#[test]
fn a_result_does_not_count_with_another_exit_code() {
    let mut supervisor = Supervisor::new(Limits::default(), Dialect::StreamJson, 9);
    for (at, line) in recording("04_structured_output_ok").lines {
        assert_eq!(supervisor.line(at, line).stop, None);
    }
    let ending = supervisor.end(&Ended { stderr: "boom\u{7}\nbang".to_owned(), ..ended(Exit::Code(3)) });
    let HandOutcome::Crashed { why } = ending.outcome else { panic!("{:?}", ending.outcome) };
    assert!(why.contains("exit code 3") && why.ends_with("it said: boom bang"), "{why}");
    assert!(ending.answer.is_err());
}

#[test]
fn money_said_by_the_gateway_comes_before_the_words_of_the_agent() {
    // Over budget, the gateway answers 403 and claude takes that for refused credentials.
    let result = json!({"type": "result", "subtype": "success", "is_error": true, "api_error_status": 403, "result": "Failed"});
    let mut supervisor = Supervisor::new(Limits::default(), Dialect::StreamJson, 9);
    let _ = supervisor.line(Duration::from_secs(1), stream::parse(result.to_string().as_bytes()));
    let trouble = Some(ModelTrouble::Budget { limit: "usd_run ($5.00)".to_owned() });
    let ending = supervisor.end(&Ended { trouble, ..ended(Exit::Code(1)) });
    assert_eq!(ending.outcome, HandOutcome::Budget { limit: "usd_run ($5.00)".to_owned() });
}

#[test]
fn api_failures_have_the_outcome_of_their_status() {
    let outcome = |status: serde_json::Value, said: &str| {
        let result = json!({"type": "result", "subtype": "success", "is_error": true, "terminal_reason": "api_error",
            "api_error_status": status, "result": said});
        let mut supervisor = Supervisor::new(Limits::default(), Dialect::StreamJson, 9);
        let _ = supervisor.line(Duration::ZERO, stream::parse(result.to_string().as_bytes()));
        supervisor.end(&ended(Exit::Code(1))).outcome
    };
    assert_eq!(outcome(json!(429), "x"), HandOutcome::UsageLimit { until: None });
    for status in [500, 503, 529] {
        assert!(matches!(outcome(json!(status), "x"), HandOutcome::Unreachable { credentials: false, .. }));
    }
    assert!(matches!(outcome(json!(null), "Unable to connect"), HandOutcome::Unreachable { credentials: false, .. }));
    for status in [401, 403, 404] {
        assert!(matches!(outcome(json!(status), "x"), HandOutcome::Unreachable { credentials: true, .. }));
    }
    assert!(matches!(outcome(json!(400), "Credit balance is too low"), HandOutcome::Unreachable { credentials: true, .. }));
    assert!(matches!(outcome(json!(400), "prompt is too long"), HandOutcome::Crashed { .. }));
}

#[test]
fn five_invalid_answers_are_an_invalid_answer_and_no_crash() {
    let result = json!({"type": "result", "subtype": "error_max_structured_output_retries", "is_error": true, "errors": ["no"]});
    let mut supervisor = Supervisor::new(Limits::default(), Dialect::StreamJson, 9);
    let _ = supervisor.line(Duration::ZERO, stream::parse(result.to_string().as_bytes()));
    let ending = supervisor.end(&ended(Exit::Code(1)));
    assert_eq!(ending.outcome, HandOutcome::Succeeded);
    assert_eq!(ending.answer, Err("the structured output was invalid again and again: no".to_owned()));
}

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        wall: 1000 * SECOND,
        silence: 100 * SECOND,
        silence_tool: 300 * SECOND,
        start: 20 * SECOND,
        after_result: 10 * SECOND,
        repeated: 3,
        ..Limits::default()
    }
}

fn call(id: &str, command: &str) -> Line {
    let input = json!({"command": command});
    Line::Assistant { blocks: vec![Block::ToolCall { id: id.to_owned(), name: "Bash".to_owned(), input }], error: None }
}

fn begun() -> Supervisor {
    let mut supervisor = Supervisor::new(limits(), Dialect::StreamJson, 9);
    assert!(supervisor.line(SECOND, Line::Init { session: "s".to_owned() }).session_started);
    supervisor
}

#[test]
fn what_never_begins_is_a_crash_with_its_words() {
    let mut supervisor = Supervisor::new(limits(), Dialect::StreamJson, 9);
    assert_eq!(supervisor.tick(19 * SECOND), None);
    assert_eq!(supervisor.tick(20 * SECOND), Some(Stop::NoStart));
    assert_eq!(supervisor.stopped(Stop::NoStart), 5 * SECOND);
    let ending = supervisor.end(&ended(Exit::Code(143)));
    assert!(matches!(ending.outcome, HandOutcome::Crashed { .. }) && !ending.resumable);
}

#[test]
fn silence_is_allowed_longer_while_a_tool_works() {
    let mut supervisor = begun();
    assert_eq!(supervisor.deadline(), 101 * SECOND);
    let _ = supervisor.line(50 * SECOND, call("t1", "make"));
    assert_eq!(supervisor.deadline(), 350 * SECOND);
    let _ = supervisor.line(200 * SECOND, Line::User { answered: vec!["t1".to_owned()] });
    assert_eq!(supervisor.deadline(), 300 * SECOND);
    assert_eq!(supervisor.tick(300 * SECOND), Some(Stop::Silence));
    supervisor.stopped(Stop::Silence);
    assert_eq!(supervisor.end(&ended(Exit::Code(143))).outcome, HandOutcome::Stalled);
}

#[test]
fn an_announced_retry_is_waited_for() {
    let mut supervisor = begun();
    let retry = Line::Retry { delay: 39 * SECOND, status: Some(529), error: "overloaded".to_owned() };
    assert_eq!(supervisor.line(10 * SECOND, retry).stop, None);
    assert_eq!(supervisor.deadline(), (10 + 39 + 100) * SECOND);
    let _ = supervisor.line(50 * SECOND, Line::Progress);
    assert_eq!(supervisor.deadline(), 150 * SECOND);
}

#[test]
fn a_ping_is_no_sign_of_life() {
    let mut supervisor = begun();
    let ping = br#"{"type":"stream_event","event":{"type":"ping"}}"#;
    for second in 2..100 {
        let _ = supervisor.line(second * SECOND, stream::parse(ping));
    }
    assert_eq!(supervisor.tick(101 * SECOND), Some(Stop::Silence));
}

#[test]
fn the_wall_clock_ends_the_busiest_agent() {
    let mut supervisor = begun();
    for second in 2..1000 {
        let _ = supervisor.line(second * SECOND, Line::Progress);
        assert_eq!(supervisor.tick(second * SECOND), None);
    }
    assert_eq!(supervisor.tick(1000 * SECOND), Some(Stop::WallClock));
    supervisor.stopped(Stop::WallClock);
    assert_eq!(supervisor.tick(1001 * SECOND), None, "it is being ended already");
    assert_eq!(supervisor.end(&ended(Exit::Code(143))).outcome, HandOutcome::TimedOut);
}

#[test]
fn who_stays_after_the_result_is_ended_and_has_not_ended_well() {
    let mut supervisor = begun();
    let result = json!({"type": "result", "subtype": "success", "is_error": false, "structured_output": {}});
    let _ = supervisor.line(2 * SECOND, stream::parse(result.to_string().as_bytes()));
    let _ = supervisor.line(5 * SECOND, Line::Other);
    assert_eq!(supervisor.tick(12 * SECOND), Some(Stop::Lingering));
    supervisor.stopped(Stop::Lingering);
    let ending = supervisor.end(&ended(Exit::Code(143)));
    assert!(matches!(ending.outcome, HandOutcome::Crashed { .. }) && ending.answer.is_err());
}

#[test]
fn the_same_call_again_and_again_is_a_stall_and_another_one_between_is_not() {
    let mut supervisor = begun();
    for (n, command) in ["a", "a", "b", "a", "a"].into_iter().enumerate() {
        assert_eq!(supervisor.line(SECOND, call(&n.to_string(), command)).stop, None);
    }
    let stop = supervisor.line(SECOND, call("9", "a")).stop;
    assert_eq!(stop, Some(Stop::Repeating { tool: "Bash".to_owned() }));
    supervisor.stopped(stop.unwrap());
    assert_eq!(supervisor.end(&ended(Exit::Code(143))).outcome, HandOutcome::Stalled);
}

#[test]
fn a_cancelled_turn_is_cancelled_whatever_it_says_afterwards() {
    let mut supervisor = begun();
    assert_eq!(supervisor.stopped(Stop::Cancelled), Duration::from_millis(1500));
    let result = json!({"type": "result", "subtype": "success", "is_error": false});
    let _ = supervisor.line(2 * SECOND, stream::parse(result.to_string().as_bytes()));
    let ending = supervisor.end(&ended(Exit::Code(0)));
    assert_eq!(ending.outcome, HandOutcome::Cancelled);
    assert!(ending.resumable);
}

#[test]
fn a_plain_program_is_judged_by_its_exit_code() {
    let end = |exit| Supervisor::new(limits(), Dialect::Plain, 0).end(&ended(exit));
    assert_eq!(end(Exit::Code(0)).outcome, HandOutcome::Succeeded);
    assert!(!end(Exit::Code(0)).resumable);
    assert!(matches!(end(Exit::Code(1)).outcome, HandOutcome::Crashed { .. }));
    assert!(matches!(end(Exit::Broken("signal 9".to_owned())).outcome, HandOutcome::Crashed { .. }));
    let mut supervisor = Supervisor::new(limits(), Dialect::Plain, 0);
    assert_eq!(supervisor.deadline(), 100 * SECOND);
    supervisor.printed(50 * SECOND);
    assert_eq!(supervisor.tick(150 * SECOND), Some(Stop::Silence));
}

#[test]
fn lines_for_people_are_one_line_without_control_characters() {
    let mut supervisor = begun();
    let heard = supervisor.line(SECOND, call("1", "echo \u{1b}[31mhi\u{7}\nsecond line"));
    assert_eq!(heard.doing.as_deref(), Some("Bash: echo [31mhi"));
}

#[test]
fn unknown_and_broken_lines_are_tolerated() {
    assert_eq!(stream::parse(br#"{"type":"tomorrow","x":1}"#), Line::Other);
    assert_eq!(stream::parse(br#"{"no":"type"}"#), Line::Other);
    assert_eq!(stream::parse(br#"{"type":"system","subtype":"permission_denied","message":"a string"}"#), Line::Other);
    assert_eq!(stream::parse(br#"{"type":"user","message":{"content":"a string"}}"#), Line::User { answered: Vec::new() });
    assert_eq!(stream::parse(b"Not logged in"), Line::Malformed);
    assert_eq!(stream::parse(b"[1]"), Line::Malformed);
    assert_eq!(stream::parse(&[0xff, 0xfe]), Line::Malformed);
    let Line::Result(result) = stream::parse(br#"{"subtype":"success","type":"result"}"#) else { panic!("type comes last") };
    assert!(result.is_error, "a result that does not say whether it failed has failed");
}

#[test]
fn a_line_over_the_limit_is_dropped_and_the_next_one_is_read() {
    let mut lines = Lines::new(8);
    assert_eq!(lines.push(b"12345678\n"), [RawLine::Whole(b"12345678".to_vec())]);
    assert_eq!(lines.push(b"12345"), []);
    assert_eq!(lines.push(b"6789"), []);
    assert_eq!(lines.push(b"0\nnext\n"), [RawLine::TooLong, RawLine::Whole(b"next".to_vec())]);
    assert_eq!(lines.finish(), None);
}

proptest! {
    #[test]
    fn lines_are_the_same_however_the_bytes_arrive(text in "[a\n]{0,60}", cuts in prop::collection::vec(0usize..60, 0..8)) {
        let bytes = text.as_bytes();
        let mut whole = Lines::new(9);
        let mut expected = whole.push(bytes);
        expected.extend(whole.finish());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let mut pieces = Lines::new(9);
        let mut got: Vec<RawLine> = cuts.windows(2).flat_map(|cut| pieces.push(&bytes[cut[0]..cut[1]])).collect();
        got.extend(pieces.finish());
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = stream::parse(&bytes);
    }

    #[test]
    fn success_needs_a_good_result_and_exit_0(is_error: bool, success: bool, seen: bool, code in 0i32..3) {
        let mut supervisor = begun();
        if seen {
            let subtype = if success { "success" } else { "error_during_execution" };
            let result = json!({"type": "result", "subtype": subtype, "is_error": is_error, "structured_output": {}});
            let _ = supervisor.line(2 * SECOND, stream::parse(result.to_string().as_bytes()));
        }
        let ending = supervisor.end(&ended(Exit::Code(code)));
        let well = seen && success && !is_error && code == 0;
        prop_assert_eq!(ending.outcome == HandOutcome::Succeeded, well);
        prop_assert_eq!(ending.answer.is_ok(), well);
    }
}
