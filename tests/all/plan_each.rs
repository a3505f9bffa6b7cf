//! Steps that are done for each item of a list: each once, in their order, whatever is cut on the way.

use forgehand::formula::{load, shipped_prompt};
use forgehand::ledger::Ledger;
use forgehand::model::{Advance, Cost, Event, Formula, HandOutcome, Intent, Outcome, Record, RunOutcome, Saying, Told};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::plan_again::{Line, agent, evidence, subject};

/// An agent looks at each of some words, and of each something is said.
fn formula(items: &str, more: &str) -> Formula {
    let text = format!(
        r#"
formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[[step]]
id = "look"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"
for_each = {{ items = "{items}", at_most = 6 }}
{more}
[[step]]
id = "say"
propose = "comment"
body = "said.md"
for_each = {{ items = "steps.look.output.filter(one, one.outcome == 'done')", at_most = 6 }}
[[outcome]]
when = "size(steps.look.output) == 0"
is = "no-change"
[[outcome]]
when = "size(steps.say.output) != size(steps.look.output)"
is = "interactive"
"#
    );
    let prompts = |name: &str| match name {
        "look.md" => Some("{{index}}: {{outside item}}".to_owned()),
        "said.md" => Some("{{index}}: {{prose item.summary}} {{item.outcome}}".to_owned()),
        other => shipped_prompt(other).map(str::to_owned),
    };
    load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

fn words(count: usize) -> String {
    format!("[{}]", (0..count).map(|n| format!("'w{n}'")).collect::<Vec<_>>().join(", "))
}

fn answer(n: usize, outcome: &str) -> Outcome {
    let output = Ok(json!({ "outcome": outcome, "summary": format!("about {n}") }));
    Outcome::AgentEnded { how: HandOutcome::Succeeded, output, resumable: false }
}

/// What a step went through, as the journal has it.
fn went(line: &Line, of: &str) -> Vec<Advance> {
    let advance = |event: &Event| match event {
        Event::Advanced { step, how: how @ (Advance::Each { .. } | Advance::ItemDone { .. }), .. } if step.as_str() == of => {
            Some(how.clone())
        }
        _ => None,
    };
    line.records.iter().filter_map(|record| advance(&record.event)).collect()
}

fn each_done(of: u32) -> impl Iterator<Item = Advance> {
    (1..=of).map(move |item| Advance::ItemDone { item, of })
}

/// What became of a turn or a comment before it was done at last.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Its process died.
    Died,
    /// The daemon's end cut it.
    Cut,
    /// It broke off, and the step is done again.
    Broke,
    Nothing,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Died), Just(Fate::Cut), Just(Fate::Broke), Just(Fate::Nothing)]
}

fn turns(line: &Line) -> usize {
    line.records.iter().filter(|r| matches!(r.event, Event::Intended { intent: Intent::Agent { .. }, .. })).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_item_is_done_once_and_in_its_order_whatever_is_cut(
        fates in prop::collection::vec((fate(), any::<bool>()), 0..6),
    ) {
        let mut answers = Vec::new();
        let mut expected = Vec::new();
        for (n, (fate, done)) in fates.iter().enumerate() {
            match fate {
                Fate::Died => answers.push(Outcome::Cut),
                Fate::Cut => answers.push(agent(HandOutcome::Interrupted)),
                Fate::Broke => answers.push(agent(HandOutcome::Stalled)),
                Fate::Nothing => {}
            }
            let word = if *done { "done" } else { "refused" };
            answers.push(answer(n, word));
            expected.push(json!({ "outcome": word, "summary": format!("about {n}") }));
        }
        let cut = fates.iter().filter(|(fate, _)| !matches!(fate, Fate::Nothing)).count();
        let formula = formula(&words(fates.len()), "retry = { at_most = 1, wait = \"0s\" }");
        let mut line = Line::new(formula, answers);
        let outcome = line.outcome();

        let run = line.run();
        prop_assert_eq!(&run.outputs[&"look".into()], &Value::from(expected.clone()));
        prop_assert_eq!(turns(&line), fates.len() + cut);
        let count = u32::try_from(fates.len()).expect("few");
        let items = (0..fates.len()).map(|n| json!(format!("w{n}"))).collect();
        let looked: Vec<Advance> = std::iter::once(Advance::Each { items }).chain(each_done(count)).collect();
        prop_assert_eq!(went(&line, "look"), looked);

        let told: Vec<Value> = expected.into_iter().filter(|one| one["outcome"] == "done").collect();
        let (all, some) = (fates.len(), told.len());
        prop_assert_eq!(line.count("note"), some, "{:?}", line.did);
        let said: Vec<Advance> =
            std::iter::once(Advance::Each { items: told }).chain(each_done(u32::try_from(some).expect("few"))).collect();
        prop_assert_eq!(went(&line, "say"), said);
        match outcome {
            RunOutcome::NoChange { .. } => prop_assert_eq!(all, 0),
            RunOutcome::Routed { .. } => prop_assert!(some < all),
            RunOutcome::Succeeded { .. } => prop_assert_eq!(some, all),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

#[test]
fn each_item_has_a_comment_of_its_own() {
    let mut line = Line::new(formula(&words(2), ""), vec![answer(0, "done"), answer(1, "done")]);
    line.outcome();
    let state = line.ledger().issue(&subject()).cloned().expect("the issue");
    let names: Vec<&str> = state.notes.keys().map(String::as_str).collect();
    assert_eq!(names, ["fix/say", "fix/say/2"]);
    let edits = line.records.iter().filter_map(|record| match &record.event {
        Event::Intended { intent: Intent::Say { what: Saying::Note { .. }, edit, .. }, .. } => Some(*edit),
        _ => None,
    });
    assert_eq!(edits.collect::<Vec<_>>(), [None, None]);
}

#[test]
fn a_list_that_is_too_long_ends_the_run_before_any_of_it_is_done_and_says_both_numbers() {
    let mut line = Line::new(formula(&words(7), "retry = { at_most = 2, wait = \"0s\" }"), Vec::new());
    let outcome = line.outcome();
    assert_eq!(outcome, RunOutcome::TooManyItems { step: "look".into(), items: 7, at_most: 6 });
    let said = forgehand::words::outcome(&outcome);
    assert_eq!(said, "step look was to be done for each of 7 items, and at most 6 are allowed");
    assert_eq!(line.count("agent"), 0);
}

#[test]
fn each_item_is_tried_again_as_often_as_the_step_may_be() {
    let stalled = || agent(HandOutcome::Stalled);
    let retry = "retry = { at_most = 1, wait = \"0s\" }";
    let well = vec![stalled(), answer(0, "done"), stalled(), answer(1, "done")];
    let mut line = Line::new(formula(&words(2), retry), well);
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
    let mut line = Line::new(formula(&words(2), retry), vec![answer(0, "done"), stalled(), stalled(), answer(1, "done")]);
    assert_eq!(line.outcome(), RunOutcome::Hand { how: HandOutcome::Stalled });
}

#[test]
fn the_list_is_the_one_of_the_beginning() {
    let mut line = Line::new(formula("issue.labels", ""), vec![Outcome::Cut, answer(0, "done")]);
    for _ in 0..40 {
        line.step();
        if turns(&line) == 1 {
            break;
        }
    }
    let labels = line.ledger().issue(&subject()).map(|state| state.seen.labels.len()).expect("the issue");
    assert_eq!((turns(&line), labels), (1, 1));
    // Somebody puts labels on while it is under way.
    let mut seen = line.ledger().issue(&subject()).map(|state| state.seen.clone()).expect("the issue");
    seen.labels.extend(["a".to_owned(), "b".to_owned()]);
    line.note(Event::Seen { subject: subject(), issue: seen });
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
    assert_eq!(line.run().outputs[&"look".into()], json!([{ "outcome": "done", "summary": "about 0" }]));
}

#[test]
fn an_item_says_which_issue_a_step_is_about() {
    let text = r#"
formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[[step]]
id = "tell"
propose = "comment"
body = "said.md"
for_each = { items = "[{'number': 3}, {'number': 2}, {'number': 3}]", at_most = 6 }
issue = "item.number"
[[step]]
id = "close"
propose = "close"
for_each = { items = "[2, 3]", at_most = 6 }
issue = "item + index"
"#;
    let prompts = |name: &str| (name == "said.md").then(|| "{{index}}: {{item.number}}".to_owned());
    let formula = load("fix.toml", text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let mut line = Line::new(formula, Vec::new());
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
    let about = line.records.iter().filter_map(|record| match &record.event {
        Event::Intended { intent: Intent::Say { what: Saying::Note { on: Some(on), .. }, .. }, .. }
        | Event::Intended { intent: Intent::CloseNamed { on, .. }, .. } => Some(on.0),
        _ => None,
    });
    assert_eq!(about.collect::<Vec<_>>(), [3, 2, 3, 3, 5]);
    let state = line.ledger().issue(&subject()).cloned().expect("the issue");
    let names: Vec<&str> = state.notes.keys().map(String::as_str).collect();
    assert_eq!(names, ["fix/tell#2", "fix/tell#3", "fix/tell#3/2"], "two on one issue are two comments");
    assert!(state.seen.open, "its own is not closed by that");
}

#[test]
fn what_is_needed_and_not_there_ends_the_run_by_its_name() {
    let about = |issue: &str| {
        let text = format!(
            "formula = 1\nname = \"fix\"\ntitle = \"It\"\nblast_radius = \"low\"\n[[step]]\nid = \"tell\"\n\
             propose = \"comment\"\nbody = \"said.md\"\nissue = \"{issue}\"\n"
        );
        let formula = load("fix.toml", &text, &|_| Some("It.".to_owned())).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
        let mut line = Line::new(formula, Vec::new());
        let outcome = line.outcome();
        assert_eq!(line.count("note"), 0);
        assert_eq!(outcome.cost(), Cost::Final, "the next run would come to the same");
        forgehand::words::outcome(&outcome)
    };
    let said = "step tell could not be worked out from what is there: ";
    assert_eq!(
        about("[issue.number, 2].filter(n, n == 0)[0]"),
        format!("{said}[issue.number, 2].filter(n, n == 0)[0]: an item past the end of a list is not there")
    );
    assert_eq!(about("issue.number / (issue.number - issue.number)").rsplit(": ").next(), Some("nothing can be divided by 0"));
    assert_eq!(about("issue.number - issue.number"), format!("{said}issue.number - issue.number: 0 is no issue's number"));
}

#[test]
fn ten_thousand_items_are_each_done_once_over_restarts() {
    const ITEMS: usize = 10_000;
    let text = r#"
formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[[step]]
id = "look"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"
for_each = { items = "issue.labels.filter(one, one.startsWith('item-'))", at_most = 10000 }
"#;
    let formula = load("fix.toml", text, &|_| Some("{{outside item}}".to_owned())).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let mut line = Line::new(formula, Vec::new());
    while line.count("prepare") == 0 {
        line.step();
    }
    let before = line.ledger().issue(&subject()).map(|state| state.seen.clone()).expect("the issue");
    let mut seen = before.clone();
    seen.labels.extend((0..ITEMS).map(|n| format!("item-{n:05}")));
    line.note(Event::Seen { subject: subject(), issue: seen });
    while went(&line, "look").is_empty() {
        line.step();
    }
    // The list is known, and stays.
    line.note(Event::Seen { subject: subject(), issue: before });
    let (mut ledger, mut known) = (line.ledger(), line.records.len());
    let ended = |ledger: &Ledger| {
        let state = ledger.issue(&subject())?;
        state.run.as_ref().or_else(|| state.rests())?.ended.clone()
    };
    let mut steps = 0_usize;
    while ended(&ledger).is_none() {
        steps += 1;
        assert!(steps < 6 * ITEMS, "it comes to its end");
        // A restart now and then: all that is known is read from the journal, or from what was written down of it.
        match steps % 4_999 {
            0 => ledger = line.ledger(),
            2_500 => ledger = serde_json::from_str(&serde_json::to_string(&ledger).expect("text")).expect("the same"),
            _ => {}
        }
        assert_eq!(line.step_on(&ledger), None, "{:?}", line.did.last());
        line.records[known..].iter().for_each(|record| ledger.apply(record));
        known = line.records.len();
    }
    assert_eq!(ended(&ledger), Some(RunOutcome::Succeeded { pull: None }));
    let done = |event: &Event| match event {
        Event::Advanced { how: Advance::ItemDone { item, of: 10_000 }, .. } => Some(*item),
        _ => None,
    };
    let items: Vec<u32> = line.records.iter().filter_map(|record| done(&record.event)).collect();
    assert!(items.iter().copied().eq(1..=10_000), "each once, in their order");
    assert_eq!(turns(&line), ITEMS, "no turn was asked for twice");
}

#[test]
fn an_agent_that_writes_does_all_items_one_after_the_other_and_each_is_taken_over() {
    let text = r#"
formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[[step]]
id = "work"
agent = "dev"
prompt = "work.md"
access = "write"
output = "fix-result"
for_each = { items = "['a', 'b', 'c']", at_most = 3 }
commits = "output.outcome == 'done'"
[[step]]
id = "verify"
run = "project.verify"
[[step]]
id = "open"
propose = "pull-request"
title = "It"
body = "plain.md"
"#;
    let prompts = |name: &str| Some(if name == "work.md" { "{{index}}: {{outside item}}" } else { "It." }.to_owned());
    let formula = load("fix.toml", text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    // The second is cut, and done again; the third says that there is nothing to do.
    let answers = vec![answer(0, "done"), Outcome::Cut, answer(1, "done"), answer(2, "no-change")];
    let mut line = Line::new(formula, answers);
    assert!(matches!(line.outcome(), RunOutcome::Succeeded { pull: Some(_) }), "{:?}", line.did);
    assert_eq!((line.count("agent"), line.count("take")), (4, 2), "{:?}", line.did);
    let items = (0..3).map(|n| json!(["a", "b", "c"][n])).collect();
    assert_eq!(went(&line, "work"), std::iter::once(Advance::Each { items }).chain(each_done(3)).collect::<Vec<_>>());
    let output = &line.run().outputs[&"work".into()];
    assert_eq!((&output[1]["summary"], &output[2]["outcome"]), (&json!("about 1"), &json!("no-change")));
}

/// Each part is worked on, and all are tested together.
fn worked(retry: &str) -> Formula {
    let text = format!(
        r#"
formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[[step]]
id = "work"
agent = "dev"
prompt = "work.md"
access = "write"
output = "fix-result"
for_each = {{ items = "['a', 'b']", at_most = 2 }}
{retry}
[[step]]
id = "verify"
run = "project.verify"
on_failure = {{ to = "work", at_most = 1, prompt = "failed.md" }}
[[step]]
id = "open"
propose = "pull-request"
title = "It"
body = "plain.md"
"#
    );
    let prompts = |name: &str| {
        let text = match name {
            "work.md" => "{{index}}: {{outside item}}",
            "failed.md" => "{{index}}: {{outside failure}}",
            _ => "It.",
        };
        Some(text.to_owned())
    };
    load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

#[test]
fn failing_output_goes_back_to_each_item_in_its_order_and_each_is_told_it_whatever_broke_off() {
    let failed = || Outcome::Verified { evidence: evidence(false, "make test") };
    let answers = vec![
        answer(0, "done"),
        answer(1, "done"),
        failed(),
        Outcome::Cut,
        answer(2, "done"),
        agent(HandOutcome::Stalled),
        answer(3, "done"),
    ];
    let mut line = Line::new(worked("retry = { at_most = 1, wait = \"0s\" }"), answers);
    assert!(matches!(line.outcome(), RunOutcome::Succeeded { pull: Some(_) }), "{:?}", line.did);
    let items = || Advance::Each { items: vec![json!("a"), json!("b")] };
    let both: Vec<Advance> = std::iter::once(items()).chain(each_done(2)).collect();
    assert_eq!(went(&line, "work"), [both.clone(), both].concat());
    let output = &line.run().outputs[&"work".into()];
    assert_eq!(output.as_array().map(Vec::len), Some(2), "what the first time left is gone: {output}");
    assert_eq!((&output[0]["summary"], &output[1]["summary"]), (&json!("about 2"), &json!("about 3")));

    let told = |record: &Record| match &record.event {
        Event::Intended { intent: Intent::Agent { told, resume, .. }, .. } => {
            assert!(!resume, "no session is another item's: {record:?}");
            Some(matches!(told, Told::Failing { .. }))
        }
        _ => None,
    };
    let told: Vec<bool> = line.records.iter().filter_map(told).collect();
    assert_eq!(told, [false, false, true, true, true, true]);
}

#[test]
fn failing_output_goes_back_to_the_items_no_more_often_than_it_may() {
    let failed = || Outcome::Verified { evidence: evidence(false, "make test") };
    let answers = vec![answer(0, "done"), answer(1, "done"), failed(), answer(2, "done"), answer(3, "done"), failed()];
    let mut line = Line::new(worked(""), answers);
    assert!(matches!(line.outcome(), RunOutcome::VerificationFailed { .. }), "{:?}", line.did);
    assert_eq!((turns(&line), line.count("verify")), (4, 2), "{:?}", line.did);
}
