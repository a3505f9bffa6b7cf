//! What a call is given beside its inputs: how long all of it may take, and how often what fails in it is done again.

use std::time::Duration;

use forgehand::model::{HandOutcome, Outcome, RunOutcome, StepId, Timestamp, Wait};
use forgehand::words;

use super::plan_again::{Line, agent};
use super::plan_called_each::{answer, asked, formula};

const WAITS: &str = "[[step]]\nid = \"wait\"\ngate = \"time\"\nafter = \"10m\"\n";

fn call(name: &str, more: &str) -> String {
    format!("[[step]]\nid = \"call\"\nformula = \"{name}\"\nwith = {{ word = \"w\" }}\n{more}\n")
}

fn timed_out(after: u64) -> RunOutcome {
    RunOutcome::CallTimedOut { step: "call".into(), after: Duration::from_mins(after) }
}

fn until(line: &mut Line) -> Timestamp {
    let wait = line.on().unwrap_or_else(|| panic!("it waits: {:?}", line.did));
    wait.until().unwrap_or_else(|| panic!("for a time: {wait:?}"))
}

#[test]
fn what_waits_in_a_call_waits_no_longer_than_the_call_may_take() {
    // The gate in it has an hour, the call twenty minutes from when it began; the step before it takes none of them.
    let mut line = Line::new(formula(&format!("{WAITS}{}", call("slow", "timeout = \"20m\""))), vec![answer(0, "done")]);
    line.now = until(&mut line);
    let began = line.now;
    let given_up = until(&mut line);
    let entered = line.run().entered[&StepId::from("call")];
    assert!(entered >= began && given_up == entered + Duration::from_mins(20), "{given_up} after {entered}");
    line.now = Timestamp(given_up.0 - 1);
    assert!(line.on().is_some(), "not yet");
    line.now = given_up;
    let outcome = line.outcome();
    assert_eq!(outcome, timed_out(20));
    assert_eq!(words::outcome(&outcome), "the formula that step call calls was not over after 20m");

    // What is over before that is over.
    let mut line = Line::new(formula(&call("slow", "timeout = \"3h\"")), vec![answer(0, "done")]);
    line.now = until(&mut line);
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
}

#[test]
fn a_call_whose_time_is_over_begins_nothing_more_and_tries_nothing_again() {
    let mut line = Line::new(
        formula(&call("look", "timeout = \"4m\"\nretry = { at_most = 3, wait = \"3m\" }")),
        vec![agent(HandOutcome::Stalled)],
    );
    let wait = line.on().expect("it is done again");
    assert!(matches!(&wait, Wait::Again { step, .. } if step.as_str() == "call.read"), "{wait:?}");
    line.now = line.now + Duration::from_mins(4);
    assert_eq!((line.outcome(), line.count("agent")), (timed_out(4), 1));

    // It is not waited for a time that it has not.
    let retry = "timeout = \"4m\"\nretry = { at_most = 3, wait = \"4m\" }";
    let mut line = Line::new(formula(&call("look", retry)), vec![agent(HandOutcome::Stalled)]);
    assert_eq!(line.outcome(), RunOutcome::Hand { how: HandOutcome::Stalled });

    // What was over in time is over.
    let mut line = Line::new(formula(&format!("{}{WAITS}", call("look", "timeout = \"5m\""))), vec![answer(0, "done")]);
    line.now = until(&mut line);
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
}

#[test]
fn all_items_of_a_call_have_one_time_and_calls_in_calls_have_the_least() {
    let items = "for_each = { items = \"['a', 'b', 'c']\", at_most = 6 }";
    let each = format!(
        "[[step]]\nid = \"call\"\nformula = \"slow\"\nwith = {{ word = {{ cel = \"item\" }} }}\n{items}\ntimeout = \"20m\"\n"
    );
    let mut line = Line::new(formula(&each), (0..3).map(|n| answer(n, "done")).collect());
    let given_up = until(&mut line);
    assert_eq!(given_up, line.run().entered[&StepId::from("call")] + Duration::from_mins(20));
    line.now = given_up;
    assert_eq!(line.outcome(), timed_out(20));

    let outer = "[[step]]\nid = \"call\"\nformula = \"all\"\nwith = { words = [\"a\"] }\ntimeout = \"2m\"\nretry = { at_most = 1, wait = \"1m\" }\n";
    let mut line = Line::new(formula(outer), vec![agent(HandOutcome::Stalled)]);
    assert!(matches!(line.on(), Some(Wait::Again { step, .. }) if step.as_str() == "call.each@1.read"));
    line.now = line.now + Duration::from_mins(2);
    assert_eq!(line.outcome(), timed_out(2), "also over what stands for an item in a call of it");
}

#[test]
fn what_fails_in_a_call_is_done_again_as_often_as_the_call_says() {
    let retry = "retry = { at_most = 2, wait = \"0s\" }";
    let stalled = || agent(HandOutcome::Stalled);
    let mut line = Line::new(formula(&call("look", retry)), vec![stalled(), stalled(), answer(0, "done")]);
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
    assert_eq!(asked(&line), ["call.read"; 3]);
    let mut line = Line::new(formula(&call("look", retry)), (0..3).map(|_| stalled()).collect());
    assert_eq!(line.outcome(), RunOutcome::Hand { how: HandOutcome::Stalled });

    // What a step says itself holds, and what cannot be done again is left alone.
    let steps = formula(&call("slow", retry)).steps;
    let own = |id: &str| steps.iter().find(|step| step.id.as_str() == id).and_then(|step| step.retry).map(|retry| retry.at_most);
    assert_eq!((own("call.read"), own("call.wait"), own("call.inputs"), own("call")), (Some(1), None, None, None));
}

#[test]
fn the_time_of_a_call_is_the_same_after_a_restart() {
    let mut line = Line::new(formula(&call("slow", "timeout = \"20m\"")), vec![Outcome::Cut, answer(0, "done")]);
    let given_up = until(&mut line);
    let ledger = line.ledger();
    let again: forgehand::ledger::Ledger = serde_json::from_str(&serde_json::to_string(&ledger).expect("text")).expect("read");
    assert_eq!(again, ledger);
    line.now = given_up;
    assert_eq!(line.outcome(), timed_out(20));
}
