//! Formulas that are called for each item of a list, and gates that wait for each: what is done for one is never taken for another's, whatever
//! is cut on the way.

use forgehand::formula::{Sources, load_from, shipped_prompt, shipped_schema, shipped_schema_names, shipped_text};
use forgehand::ledger::Ledger;
use forgehand::model::{Advance, Event, Formula, HandOutcome, Intent, Outcome, RunOutcome, StepId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::plan_again::{Line, agent, evidence, subject};

/// What is called: an agent looks at a word, and says something of it where there is something to say.
const LOOK: &str = r#"
formula = 1
name = "look"
title = "It"
blast_radius = "low"
[[input]]
name = "word"
type = "text"
[[input]]
name = "nth"
type = "number"
default = 0
[[step]]
id = "read"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"
[[step]]
id = "say"
propose = "comment"
body = "said.md"
when = "steps.read.output.outcome == 'done'"
[[outcome]]
when = "steps.say.status == 'skipped'"
is = "no-change"
summary = "inputs.word"
[[outcome]]
is = "done"
summary = "inputs.word + string(inputs.nth)"
"#;

/// Looks too, and waits for long.
const SLOW: &str = r#"
formula = 1
name = "slow"
title = "It"
blast_radius = "low"
[[input]]
name = "word"
type = "text"
[[step]]
id = "read"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"
retry = { at_most = 1, wait = "0s" }
[[step]]
id = "wait"
gate = "time"
after = "1h"
"#;

/// Calls that one for each of a list that it is given.
const ALL: &str = r#"
formula = 1
name = "all"
title = "It"
blast_radius = "low"
[[input]]
name = "words"
type = "list"
[[step]]
id = "each"
formula = "look"
for_each = { items = "inputs.words", at_most = 5 }
with = { word = { cel = "item" }, nth = { cel = "index" } }
[[outcome]]
is = "done"
summary = "string(size(steps.each.output.filter(one, one.is == 'done')))"
"#;

/// Writes, and has what it wrote looked through.
const WRITE: &str = r#"
formula = 1
name = "write"
title = "It"
blast_radius = "low"
[[input]]
name = "word"
type = "text"
[[step]]
id = "work"
agent = "dev"
prompt = "look.md"
access = "write"
output = "fix-result"
[[step]]
id = "test"
run = ["make test"]
on_failure = { to = "work", at_most = 1 }
"#;

fn loaded(text: &str) -> Result<Formula, Vec<String>> {
    let prompts = |name: &str| match name {
        "look.md" => Some("{{outside inputs.word}}".to_owned()),
        "said.md" => Some("{{line inputs.word}}: {{prose steps.read.output.summary}}".to_owned()),
        "plain.md" => Some("It.".to_owned()),
        other => shipped_prompt(other).map(str::to_owned),
    };
    let schemas = |name: &str| Some((name.to_owned(), shipped_schema(name)?.to_owned()));
    let formulas = |name: &str| {
        let own = [("look", LOOK), ("slow", SLOW), ("all", ALL), ("write", WRITE)].into_iter().find(|(own, _)| *own == name);
        Some((name.to_owned(), own.map(|(_, text)| text).or_else(|| shipped_text(name))?.to_owned()))
    };
    let names = ["look", "slow", "all", "write", "fix"].map(str::to_owned);
    let schema_names = shipped_schema_names();
    let sources = Sources {
        prompts: &prompts,
        schemas: &schemas,
        schema_names: &schema_names,
        formulas: &formulas,
        names: &names,
        hiring: None,
    };
    load_from("fix.toml", text, &sources).map_err(|faults| faults.lines())
}

const HEAD: &str = "formula = 1\nname = \"fix\"\ntitle = \"It\"\nblast_radius = \"low\"\n";

pub(super) fn formula(steps: &str) -> Formula {
    loaded(&format!("{HEAD}{steps}")).unwrap_or_else(|lines| panic!("{lines:#?}"))
}

fn calls(items: &str, more: &str) -> Formula {
    formula(&format!(
        "[[step]]\nid = \"call\"\nformula = \"look\"\nfor_each = {{ items = \"{items}\", at_most = 6 }}\n\
         with = {{ word = {{ cel = \"item\" }}, nth = {{ cel = \"index\" }} }}\n{more}"
    ))
}

fn words(count: usize) -> String {
    format!("[{}]", (0..count).map(|n| format!("'w{n}'")).collect::<Vec<_>>().join(", "))
}

pub(super) fn answer(n: usize, outcome: &str) -> Outcome {
    let output = Ok(json!({ "outcome": outcome, "summary": format!("about {n}") }));
    Outcome::AgentEnded { how: HandOutcome::Succeeded, output, resumable: false }
}

/// For which steps agents were asked, in their order.
pub(super) fn asked(line: &Line) -> Vec<&str> {
    let agent = |event| match event {
        &Event::Intended { intent: Intent::Agent { ref step, .. }, .. } => Some(step.as_str()),
        _ => None,
    };
    line.records.iter().filter_map(|record| agent(&record.event)).collect()
}

fn ends(line: &Line, call: &str) -> Value {
    line.run().outputs[&StepId::from(call)].clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_called_once_for_each_and_what_they_end_as_is_in_their_order_whatever_is_cut(
        fates in prop::collection::vec((0..3_u8, any::<bool>()), 0..6),
    ) {
        let (mut answers, mut expected) = (Vec::new(), Vec::new());
        for (n, (cut, done)) in fates.iter().enumerate() {
            match cut {
                1 => answers.push(Outcome::Cut),
                2 => answers.push(agent(HandOutcome::Interrupted)),
                _ => {}
            }
            answers.push(answer(n, if *done { "done" } else { "refused" }));
            let (is, summary) = if *done { ("done", format!("w{n}{}", n + 1)) } else { ("no-change", format!("w{n}")) };
            expected.push(json!({ "is": is, "summary": summary, "questions": [] }));
        }
        let mut line = Line::new(calls(&words(fates.len()), ""), answers);
        prop_assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
        prop_assert_eq!(ends(&line, "call"), Value::from(expected));
        let told = fates.iter().filter(|(_, done)| *done).count();
        prop_assert_eq!(line.count("note"), told, "{:?}", line.did);
        // Each comment has a place of its own.
        let state = line.ledger().issue(&subject()).cloned().expect("the issue");
        prop_assert_eq!(state.notes.len(), told);
        let cut = fates.iter().filter(|(cut, _)| *cut > 0).count();
        prop_assert_eq!(asked(&line).len(), fates.len() + cut);
    }
}

#[test]
fn a_ledger_that_was_written_down_goes_on_with_the_same_items() {
    let mut line = Line::new(calls(&words(3), ""), (0..3).map(|n| answer(n, "done")).collect());
    for _ in 0..200 {
        if line.run().ended.is_some() {
            break;
        }
        let written = serde_json::to_string(&line.ledger()).expect("text");
        let ledger: Ledger = serde_json::from_str(&written).expect("the same");
        assert_eq!(ledger, line.ledger());
        assert_eq!(line.step_on(&ledger), None, "{:?}", line.did);
    }
    assert_eq!(asked(&line), ["call@1.read", "call@2.read", "call@3.read"]);
    assert_eq!(line.run().ended, Some(RunOutcome::Succeeded { pull: None }));
}

#[test]
fn who_only_reads_is_at_work_for_several_of_them_side_by_side() {
    let mut line = Line::new(calls(&words(3), ""), Vec::new());
    for _ in 0..60 {
        if line.run().steps_in_work().count() > 1
            && line.run().steps_in_work().all(|(step, _)| step.id.as_str().ends_with("read"))
        {
            break;
        }
        line.step();
    }
    let at: Vec<String> = line.run().steps_in_work().map(|(step, _)| step.id.to_string()).collect();
    assert_eq!(at, ["call@1.read", "call@2.read", "call@3.read"]);
}

#[test]
fn calls_for_each_lie_in_each_other() {
    let formula = formula(
        "[[step]]\nid = \"call\"\nformula = \"all\"\nfor_each = { items = \"[['a', 'b'], ['c'], []]\", at_most = 3 }\n\
         with = { words = { cel = \"item\" } }\n\
         [[outcome]]\nis = \"no-change\"\nsummary = \"string(size(steps.call.output)) + steps.call.output[0].summary\"\n",
    );
    let mut line = Line::new(formula, vec![answer(0, "done"), answer(1, "refused"), answer(2, "done")]);
    assert_eq!(line.outcome(), RunOutcome::NoChange { summary: "31".into() });
    assert_eq!(asked(&line), ["call@1.each@1.read", "call@1.each@2.read", "call@2.each@1.read"]);
    let summaries: Vec<Value> =
        ends(&line, "call").as_array().expect("a list").iter().map(|one| one["summary"].clone()).collect();
    assert_eq!(summaries, [json!("1"), json!("1"), json!("0")]);
}

#[test]
fn who_writes_does_so_one_after_the_other_and_a_failure_goes_back_to_its_own_item() {
    let formula = formula(
        "[[step]]\nid = \"call\"\nformula = \"write\"\nfor_each = { items = \"['a', 'b']\", at_most = 2 }\nwith = { word = { cel = \"item\" } }\n\
         [[step]]\nid = \"open\"\npropose = \"pull-request\"\ntitle = \"It\"\nbody = \"plain.md\"\n",
    );
    let shows = |passed| Outcome::Verified { evidence: evidence(passed, "make test") };
    let answers = vec![answer(0, "done"), shows(true), answer(1, "done"), shows(false), answer(2, "done"), shows(true)];
    let mut line = Line::new(formula, answers);
    assert!(matches!(line.outcome(), RunOutcome::Succeeded { pull: Some(_) }), "{:?}", line.did);
    assert_eq!(asked(&line), ["call@1.work", "call@2.work", "call@2.work"]);
    let back = |event: &Event| match event {
        Event::Advanced { step, how: Advance::Back { to, .. }, .. } => Some((step.to_string(), to.to_string())),
        _ => None,
    };
    let back: Vec<_> = line.records.iter().filter_map(|record| back(&record.event)).collect();
    assert_eq!(back, [("call@2.test".to_owned(), "call@2.work".to_owned())]);
}

#[test]
fn a_run_that_goes_back_before_the_call_works_its_list_out_anew() {
    let formula = formula(
        "[[step]]\nid = \"plan\"\nagent = \"dev\"\nprompt = \"plain.md\"\naccess = \"write\"\noutput = \"fix-result\"\n\
         [[step]]\nid = \"call\"\nformula = \"look\"\nwith = { word = { cel = \"item\" } }\n\
         for_each = { items = \"steps.plan.output.summary == 'about 2' ? ['x', 'y'] : (steps.plan.output.summary == 'about 3' ? [] : ['x'])\", at_most = 6 }\n\
         [[step]]\nid = \"test\"\nrun = [\"make test\"]\non_failure = { to = \"plan\", at_most = 3 }\n",
    );
    let shows = |passed| Outcome::Verified { evidence: evidence(passed, "make test") };
    let answers = vec![
        answer(1, "done"),
        answer(9, "refused"),
        shows(false),
        answer(2, "done"),
        answer(9, "refused"),
        answer(9, "refused"),
        shows(false),
        answer(3, "done"),
        shows(false),
        answer(2, "done"),
        answer(9, "done"),
        answer(9, "refused"),
        shows(true),
    ];
    let mut line = Line::new(formula, answers);
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None }, "{:?}", line.did);
    let asked = asked(&line);
    assert_eq!(
        asked,
        ["plan", "call@1.read", "plan", "call@1.read", "call@2.read", "plan", "plan", "call@1.read", "call@2.read"]
    );
    assert_eq!(ends(&line, "call").as_array().map(Vec::len), Some(2));
}

#[test]
fn a_call_that_is_skipped_is_made_for_nothing_and_a_list_that_is_too_long_ends_the_run() {
    let mut line = Line::new(calls(&words(2), "when = \"issue.number == 77\"\n"), Vec::new());
    assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
    assert_eq!((line.count("agent"), line.run().outputs.get(&"call".into())), (0, None));
    let mut line = Line::new(calls(&words(7), ""), Vec::new());
    assert_eq!(line.outcome(), RunOutcome::TooManyItems { step: "call".into(), items: 7, at_most: 6 });
}

#[test]
fn what_is_there_once_in_a_run_is_not_called_for_each_and_neither_are_thousands_of_steps() {
    let wrong = |steps: &str| loaded(&(HEAD.replace("fix", "it") + steps)).expect_err("a mistake").join("\n");
    let call = |name: &str, with: &str, at_most: u32| {
        format!(
            "[[step]]\nid = \"call\"\nformula = \"{name}\"\nwith = {with}\nfor_each = {{ items = \"issue.labels\", at_most = {at_most} }}\n"
        )
    };
    let said = wrong(&call("fix", "{}", 2));
    assert!(said.contains("`fix` is not called for each item: its step `open` is there once in a run"), "{said}");
    let said = wrong(&call("look", "{ word = { cel = \"item\" } }", 101));
    assert!(said.contains("at most 100 items") && said.contains("these have 404"), "{said}");
    let said = wrong(&call("all", "{ words = [\"a\"] }", 100));
    assert!(said.contains("these have 2400") && said.contains("lower `at_most`"), "{said}");
}
