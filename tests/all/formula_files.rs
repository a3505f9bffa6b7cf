//! What is made from the types of formulas: the JSON schema for editors, the page of documentation; that the shipped formulas keep to it; and
//! what formulas take over from others and are given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use forgehand::document::Schema;
use forgehand::formula::{inputs, page, schema, shipped, shipped_names, shipped_text};
use forgehand::model::{EndWord, Expression, Given, InputSpec, StepKind};
use serde_json::{Value, json};

use crate::broken_formulas::{known, loaded};
use crate::config_files::keys_of;

const WHOLE: &str = include_str!("formulas/whole.toml");

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_default()
}

#[test]
fn the_schema_of_formulas_is_that_of_the_types() {
    let made = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    let help = "write it anew: cargo run -- schema --formula > config/formula.schema.json";
    assert!(made == file("config/formula.schema.json"), "{help}");
}

#[test]
fn the_page_about_formulas_is_that_of_the_types() {
    let help = "write it anew: cargo run -- schema --formula --markdown > docs/formulas.md";
    assert!(page() == file("docs/formulas.md"), "{help}");
}

#[test]
fn the_schema_of_formulas_has_the_keys_that_the_reader_knows() {
    let (schema, mut keys) = (schema(), BTreeSet::new());
    keys_of(&schema, &schema, "", &mut keys);
    assert_eq!(keys, known(WHOLE));
}

#[test]
fn formulas_that_are_taken_are_right_by_the_schema() {
    let validator = Schema::new(&schema()).expect("a schema");
    let shipped = shipped_names().into_iter().filter_map(|name| Some((shipped_text(&name)?.to_owned(), name)));
    for (text, name) in shipped.chain([(WHOLE.to_owned(), "whole".to_owned())]) {
        let value: Value = toml::from_str(&text).expect("TOML");
        let wrong = validator.mistakes(&value, 9);
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        assert!(text.starts_with("#:schema "), "{name} names no schema");
    }
}

#[test]
fn the_whole_language_is_taken() {
    loaded(WHOLE).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
}

const OWN: &str = "formula = 1\nname = \"it\"\nextends = \"fix\"\n";

#[test]
fn a_formula_that_extends_another_says_only_what_is_different() {
    let fix = &shipped()[&"fix".into()];
    let same = loaded(OWN).expect("the same under another name");
    assert_eq!((same.name.as_str(), &same.title, &same.trigger), ("it", &fix.title, &fix.trigger));
    assert_eq!((&same.steps, &same.outcomes, same.blast_radius), (&fix.steps, &fix.outcomes, fix.blast_radius));

    let other = loaded(&format!(
        "{OWN}title = \"Other\"\nblast_radius = \"high\"\n[trigger]\nlabel = \"portal\"\n[limits]\nturns = 3\n\
         [[step]]\nid = \"lint\"\nrun = [\"make lint\"]\nafter = \"work\"\n\
         [[step]]\nid = \"doc\"\nrun = [\"make doc\"]\nafter = \"lint\"\n\
         [[step]]\nid = \"pause\"\ngate = \"time\"\nafter = \"1m\"\n\
         [[step]]\nid = \"verify\"\nwhen = \"true\"\n\
         [[outcome]]\nis = \"refused\"\n"
    ))
    .unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let ids: Vec<&str> = other.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["work", "lint", "doc", "verify", "reproduction", "open", "pause"]);
    // Of a table the keys that are given; of a step too: `run` and `on_failure` of the other one stay.
    assert_eq!(other.trigger.label.as_deref(), Some("portal"));
    assert_eq!((other.title.as_str(), other.limits.turns, other.require.dependencies_closed), ("Other", Some(3), true));
    assert_eq!(
        (&other.steps[3].kind, other.steps[3].when.as_ref().map(|when| when.0.as_str())),
        (&fix.steps[1].kind, Some("true"))
    );
    // What needs nothing by name needs what stands before it now.
    assert_eq!(other.steps[3].needs.as_deref(), Some(&["doc".into()][..]));
    assert_eq!((other.outcomes.len(), other.outcomes[0].is), (1, EndWord::Refused));

    let quick = "remove = [\"trigger.label\"]\n[trigger]\ncomment = \"/quick\"\n";
    let quick = loaded(&format!("{OWN}{quick}")).expect("without its label");
    assert_eq!((quick.trigger.label.as_deref(), quick.trigger.comment.as_slice()), (None, &["/quick".to_owned()][..]));
    let less = loaded(&format!("{OWN}remove = [\"open\"]\n")).expect("without it");
    assert_eq!(less.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["work", "verify", "reproduction"]);
}

#[test]
fn a_formula_that_extends_its_own_name_changes_the_shipped_one() {
    let text = "formula = 1\nname = \"fix\"\nextends = \"fix\"\ntitle = \"Ours\"\n";
    let ours = loaded(text).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    assert_eq!((ours.title.as_str(), &ours.steps), ("Ours", &shipped()[&"fix".into()].steps));
    // What is wrong in it is said in its own file.
    let wrong = loaded(&format!("{text}[[step]]\nid = \"open\"\ntitle = \"{{{{issue.title}}}}\"\n")).expect_err("raw").lines();
    assert!(wrong.len() == 1 && wrong[0].starts_with("it.toml:7:9: `issue.title` is text from outside"), "{wrong:#?}");
}

#[test]
fn templates_name_what_a_called_formula_ends_as() {
    let head = "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n";
    let call = |more: &str| format!("[[step]]\nid = \"call\"\nformula = \"area\"\nwith = {{ area = \"docs\" }}\n{more}");
    let file = |title: &str| format!("[[step]]\nid = \"file\"\npropose = \"issue\"\ntitle = \"{title}\"\nbody = \"plain.md\"\n");
    let once = call("") + &file("{{steps.call.output.is}}: {{line steps.call.output.summary}}");
    loaded(&format!("{head}{once}")).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let each = call("for_each = { items = \"issue.labels\", at_most = 3 }\n");
    let each = each + &file("{{#each steps.call.output}}{{line this.summary}} {{/each}}");
    loaded(&format!("{head}{each}")).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let wrong = loaded(&(head.to_owned() + &call("") + &file("{{line steps.call.output.sumary}}"))).expect_err("a mistake");
    assert!(wrong.lines()[0].contains("unknown variable `steps.call.output.sumary`"), "{:#?}", wrong.lines());
}

#[test]
fn a_file_that_is_no_text_is_complained_of_where_it_is_none() {
    let text = "formula = 1\nname = \"it\"\ntitle = \"I\u{fffd}t\"\nblast_radius = \"low\"\n";
    let wrong = loaded(text).expect_err("a mistake").lines();
    assert_eq!(wrong, ["it.toml:3:11: this is no UTF-8 text (save the file as UTF-8)"]);
}

#[test]
fn what_an_action_of_the_vault_runs_knows_the_project_as_what_a_schedule_starts() {
    let head = "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n[trigger]\nvault = true\n";
    let step = "[[step]]\nid = \"test\"\nrun = [\"make\"]\non = \"base\"\nwhen = \"size(project.issues) > 0\"\n";
    loaded(&format!("{head}{step}")).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
}

/// What the called formula is given in the first step of a call.
fn entered(with: &str) -> (BTreeMap<String, Given>, Vec<InputSpec>) {
    let head = "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n";
    let loaded = loaded(&format!("{head}[[step]]\nid = \"call\"\nformula = \"area\"\nwith = {with}\n"));
    let formula = loaded.unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    match formula.steps.into_iter().next().map(|step| step.kind) {
        Some(StepKind::Enter { with, inputs, .. }) => (with, inputs),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_called_formula_is_given_what_its_inputs_take_and_nothing_else() {
    let (with, specs) = entered("{ area = \"docs\", most = { cel = \"issue.number\" } }");
    assert_eq!(with["area"], Given::Value("docs".into()));
    assert_eq!(with["most"], Given::Expression(Expression("issue.number".into())));
    let given = |all: Value| {
        let all = all.as_object().expect("an object").clone().into_iter().collect();
        inputs::taken(&specs, all).map(|taken| serde_json::to_value(taken).expect("JSON"))
    };
    let whole = json!({ "area": "docs", "most": 7, "dry": false, "tag": "x", "names": [] });
    assert_eq!(given(json!({ "area": "docs", "most": 7 })), Ok(whole.clone()));
    // What an expression could not find out is not given.
    assert_eq!(given(json!({ "area": "docs", "most": 7, "tag": null })), Ok(whole));
    for (wrong, words) in [
        (json!({}), "nobody gave the input `area`"),
        (json!({ "area": "else" }), "`area` cannot be \"else\" (it is one of \"docs\", \"code\")"),
        (json!({ "area": "docs", "most": 10 }), "`most` cannot be 10 (write 9 or less)"),
        (json!({ "area": "docs", "most": 1.5 }), "`most` must be a whole number"),
        (json!({ "area": "docs", "tag": "a b" }), "`tag` cannot be \"a b\" (it must match [a-z]+)"),
        (json!({ "area": "docs", "dry": "yes" }), "`dry` must be true or false"),
        (json!({ "area": "docs", "names": [1] }), "`names` must be a list of texts"),
        (json!({ "area": "docs", "other": 1 }), "there is no input `other`"),
    ] {
        let said = given(wrong).expect_err(words);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_schema_that_names_itself_is_taken() {
    let head = "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n";
    let step = "[[step]]\nid = \"look\"\nagent = \"dev\"\nprompt = \"plain.md\"\naccess = \"read\"\noutput = \"tree\"\n";
    loaded(&format!("{head}{step}")).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
}

#[test]
fn what_a_called_formula_requires_its_caller_requires() {
    let text = "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n[require]\nlabels = [\"urgent\"]\n\
                [[step]]\nid = \"call\"\nformula = \"wants\"\n[[step]]\nid = \"again\"\nformula = \"wants\"\n";
    let require = loaded(text).unwrap_or_else(|e| panic!("{:#?}", e.lines())).require;
    assert!(require.dependencies_closed);
    assert_eq!((require.labels, require.files), (vec!["urgent".to_owned(), "ready".into()], vec!["docs/plan.md".to_owned()]));
}
