//! Formulas that call others: what is skipped with a call, and what comes through it from agents.

use forgehand::formula::{Sources, load_from, shipped_prompt, shipped_schema, shipped_schema_names};
use forgehand::model::{CommentId, Event, Formula, RunOutcome, StepId, Wanted, WantedBy};

use super::plan_again::{Line, subject};

const HEAD: &str = "formula = 1\ntitle = \"It\"\nblast_radius = \"low\"\n";

/// A formula that may call those beside it.
fn loaded(text: &str, beside: &[(&str, &str)]) -> Formula {
    let whole = |name: &str, text: &str| format!("{HEAD}name = \"{name}\"\n{text}");
    let prompts = |name: &str| match name {
        "plain.md" => Some("It.".to_owned()),
        other => shipped_prompt(other).map(str::to_owned),
    };
    let schemas = |name: &str| Some((name.to_owned(), shipped_schema(name)?.to_owned()));
    let formulas = |name: &str| {
        let found = beside.iter().find(|(own, _)| *own == name)?;
        Some((name.to_owned(), whole(name, found.1)))
    };
    let names: Vec<String> = beside.iter().map(|(name, _)| (*name).to_owned()).collect();
    let schema_names = shipped_schema_names();
    let sources = Sources {
        prompts: &prompts,
        schemas: &schemas,
        schema_names: &schema_names,
        formulas: &formulas,
        names: &names,
        hiring: None,
    };
    load_from("fix.toml", &whole("fix", text), &sources).unwrap_or_else(|faults| panic!("{:#?}", faults.lines()))
}

#[test]
fn a_call_that_is_skipped_takes_the_calls_in_it_with_it_whatever_their_conditions_say() {
    let inner = ("inner", "[[step]]\nid = \"say\"\npropose = \"comment\"\nbody = \"plain.md\"\n");
    let middle = |when: &str| format!("[[step]]\nid = \"b\"\nformula = \"inner\"\n{when}");
    let outer = |when: &str| format!("[[step]]\nid = \"a\"\nformula = \"middle\"\nwhen = \"{when}\"\n");
    for own in ["", "when = \"issue.number > 0\"\n"] {
        let middle = middle(own);
        for (when, said) in [("issue.number > 0", 1), ("'no' in issue.labels", 0)] {
            let mut line = Line::new(loaded(&outer(when), &[inner, ("middle", &middle)]), Vec::new());
            assert_eq!(line.outcome(), RunOutcome::Succeeded { pull: None });
            assert_eq!(line.count("note"), said, "{own} in {when}: {:?}", line.did);
        }
    }
}

#[test]
fn what_an_agent_may_have_chosen_is_known_as_that_through_every_call() {
    let deploy = "[[input]]\nname = \"hosts\"\ntype = \"list\"\ndefault = []\n[[step]]\nid = \"deploy\"\nrun = [\"true\"]\non = \"base\"\n\
                  for_each = { items = \"inputs.hosts\", at_most = 9 }\n";
    let passes = "[[input]]\nname = \"all\"\ntype = \"list\"\ndefault = []\n[[step]]\nid = \"call\"\nformula = \"deploy\"\n\
                  with = { hosts = { cel = \"inputs.all\" } }\n";
    let choose =
        "[[step]]\nid = \"choose\"\nagent = \"dev\"\nprompt = \"plain.md\"\naccess = \"read\"\noutput = \"triage-result\"\n";
    let call =
        |formula: &str, with: &str| format!("{choose}[[step]]\nid = \"it\"\nformula = \"{formula}\"\nwith = {{ {with} }}\n");
    let beside = [("deploy", deploy), ("passes", passes)];
    let chosen = |text: &str, step: &str| {
        let formula = loaded(text, &beside);
        let place = formula.place(&StepId::from(step)).expect("a step");
        formula.items_are_of_agents(&formula.steps[place])
    };
    assert!(chosen(&call("deploy", "hosts = { cel = \"steps.choose.output.files\" }"), "it.deploy"));
    assert!(chosen(&call("passes", "all = { cel = \"steps.choose.output.files\" }"), "it.call.deploy"));
    assert!(!chosen(&call("deploy", "hosts = [\"one\", \"two\"]"), "it.deploy"));
    assert!(!chosen(&call("passes", "all = [\"one\"]"), "it.call.deploy"));
    // What the run itself is given was said by who started it.
    assert!(!chosen(deploy, "deploy"));
    assert!(!chosen(
        &format!(
            "[[input]]\nname = \"own\"\ntype = \"list\"\ndefault = []\n{}",
            call("deploy", "hosts = { cel = \"inputs.own\" }")
        ),
        "it.deploy"
    ));
    let own = choose.to_owned() + &deploy.replace("inputs.hosts", "steps.choose.output.files");
    let (input, steps) = own.split_at(own.find("[[input]]").expect("an input"));
    let cut = steps.find("[[step]]").expect("a step");
    assert!(chosen(&format!("{}{input}{}", &steps[..cut], &steps[cut..]), "deploy"));
}

#[test]
fn runs_that_a_run_started_are_all_kept_and_of_those_that_comments_ask_for_some() {
    let run = |depth: u32| WantedBy::Run { formula: "fix".into(), on: subject().issue, depth };
    let comment = |n: u32| WantedBy::Comment { comment: CommentId(n.into()), login: "ann".into(), word: "/go".into() };
    let kept = |by: &dyn Fn(u32) -> WantedBy| {
        let mut line = Line::new(loaded("[[step]]\nid = \"say\"\npropose = \"comment\"\nbody = \"plain.md\"\n", &[]), Vec::new());
        for n in 1..=15 {
            let wanted = Wanted { formula: "predict".into(), inputs: [("n".to_owned(), n.into())].into(), by: by(n) };
            line.note(Event::Wanted { subject: subject(), wanted });
        }
        line.ledger().issue(&subject()).expect("an issue").wanted.len()
    };
    assert_eq!((kept(&run), kept(&comment)), (15, 10));
}
