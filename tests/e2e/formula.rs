//! What authors of formulas are given: `forgehand formula`, through the binary and without a forge.
#![expect(clippy::disallowed_methods, reason = "the program itself is tested")]

use std::path::{Path, PathBuf};
use std::process::Command;

use forgehand::formula::{shipped_names, shipped_text};
use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::gates::beside;
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE};

/// A folder with a configuration, whose forge is nowhere.
struct Desk(tempfile::TempDir);

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        let config = "[forge]\nurl = \"http://127.0.0.1:9\"\ntoken_env = \"T\"\n[daemon]\nstate_dir = \"state\"\n\
                      [[project]]\nrepo = \"o/n\"\nverify = [\"x\"]\n[agent]\nbackend = \"claude\"\n";
        desk.write("forgehand.toml", config);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect(name)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        forgehand(self.0.path(), &[&["formula"], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(arguments);
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {} {}", said.out, said.err))
    }
}

fn forgehand(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forgehand"));
    let output = command.args(arguments).current_dir(folder).env("HOME", folder).env_remove("XDG_CONFIG_HOME").output();
    let output = output.expect("the program");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn row<'v>(list: &'v Value, name: &str) -> &'v Value {
    list.as_array().expect("a list").iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

#[test]
fn a_new_formula_is_listed_shown_and_clean_and_never_written_over() {
    let desk = Desk::new();
    let said = desk.run(&["new", "tidy"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let formula = desk.read("formulas/tidy.toml");
    let schema = formula.lines().next().and_then(|line| line.strip_prefix("#:schema ")).expect("the first line");
    let shipped = include_str!("../../config/formula.schema.json");
    assert_eq!(std::fs::read_to_string(desk.path("formulas").join(schema)).expect("the schema"), shipped);
    assert!(desk.read("prompts/tidy.md").contains("{{outside issue.body}}"));
    let said = desk.run(&["lint"]);
    let clean = format!("{} formulas: 0 errors, 0 warnings", shipped_names().len() + 1);
    assert_eq!((said.code, said.out.lines().last()), (Some(0), Some(clean.as_str())), "{}", said.out);
    let list = desk.json(&["list", "--json"]);
    let own = desk.path("formulas/tidy.toml");
    let expected = json!({
        "name": "tidy", "title": "One line that says what it does", "trigger": "comment /tidy", "blast_radius": "medium",
        "source": own, "enabled": false,
    });
    assert_eq!(*row(&list, "tidy"), expected);
    let fix = row(&list, "fix");
    assert_eq!(
        (&fix["source"], &fix["enabled"], &fix["trigger"]),
        (&json!("shipped"), &json!(true), &json!("label claude-queue, comment /fix"))
    );
    let shown = desk.run(&["show", "tidy"]);
    assert_eq!((shown.out, shown.err), (formula.clone(), format!("from {}\n", own.display())));
    // Neither is touched again, nor is one left where the other is in the way.
    assert_eq!(desk.run(&["new", "tidy"]).code, Some(2));
    assert_eq!(desk.read("formulas/tidy.toml"), formula);
    desk.write("prompts/half.md", "mine");
    assert_eq!(desk.run(&["new", "half"]).code, Some(2));
    assert!(!desk.path("formulas/half.toml").exists());
    assert_eq!(desk.read("prompts/half.md"), "mine");
    for name in ["fix", "breakdown", "../x", "Big", ""] {
        let said = desk.run(&["new", name]);
        assert!(said.code == Some(2) && said.err.contains("hint: "), "{name}: {}", said.err);
    }
}

#[test]
fn lint_says_which_formulas_that_are_on_do_not_go_together() {
    let desk = Desk::new();
    let config = desk.read("forgehand.toml").replace("verify = ", "formulas = [\"triage\", \"fix\", \"quick\"]\nverify = ");
    desk.write("forgehand.toml", &config);
    let quick = "formula = 1\nname = \"quick\"\nextends = \"fix\"\n";
    desk.write("formulas/quick.toml", quick);
    let said = desk.run(&["lint"]);
    assert_eq!(said.code, Some(2), "{} {}", said.out, said.err);
    assert!(
        said.out.contains(" 0 errors") && said.err.contains("label claude-queue starts two formulas"),
        "{} {}",
        said.out,
        said.err
    );
    // What is taken over is taken out again.
    desk.write("formulas/quick.toml", &format!("{quick}remove = [\"trigger.label\"]\n[trigger]\ncomment = \"/quick\"\n"));
    let said = desk.run(&["lint"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
    // A label has one colour.
    let label = |color: &str| format!("[[label]]\nname = \"odd\"\ncolor = \"{color}\"\ndescription = \"It\"\n");
    let labelled = |name: &str, color: &str| {
        let text = format!(
            "formula = 1\nname = \"{name}\"\nextends = \"fix\"\nremove = [\"trigger.label\"]\n[trigger]\ncomment = \"/{name}\"\n"
        );
        desk.write(&format!("formulas/{name}.toml"), &(text + &label(color)));
    };
    labelled("quick", "#123456");
    labelled("slow", "#654321");
    desk.write("forgehand.toml", &config.replace("\"quick\"]", "\"quick\", \"slow\"]"));
    let said = desk.run(&["lint"]);
    let words = "warning: label `odd` is #123456 by formula quick and #654321 by slow of project o/n";
    assert!(said.code == Some(0) && said.err.contains(words), "{} {}", said.out, said.err);
    labelled("slow", "#123456");
    assert_eq!(desk.run(&["lint"]).err, "");
}

#[test]
fn a_role_that_no_agent_has_is_told_by_lint_where_the_configuration_has_roles() {
    let desk = Desk::new();
    let config = desk.read("forgehand.toml").replace("verify = ", "formulas = [\"triage\", \"fix\", \"tidy\"]\nverify = ");
    desk.write("forgehand.toml", &config);
    desk.run(&["new", "tidy"]);
    let tidy = desk.read("formulas/tidy.toml").replace("agent = \"dev\"", "agent = \"tidyer\"");
    desk.write("formulas/tidy.toml", &tidy);
    let said = desk.run(&["lint"]);
    assert!(said.code == Some(0) && said.out.ends_with(": 0 errors, 0 warnings\n"), "the default agent does all: {}", said.out);
    let script = "[agents.script]\nroles = [\"tidier\"]\n";
    desk.write("forgehand.toml", &format!("{config}{script}"));
    let line = tidy.lines().position(|line| line.starts_with("agent = ")).expect("the line") + 1;
    let said = desk.run(&["lint"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "it is no mistake: {}", said.out);
    let words = format!("formulas/tidy.toml:{line}:9: warning: no agent of the configuration has the role `tidyer`");
    assert!(said.out.contains(&words) && said.out.contains("hint: did you mean \"tidier\"?"), "{}", said.out);
    assert!(said.out.ends_with(": 0 errors, 1 warning\n"), "the shipped ones are clean: {}", said.out);
    desk.write("formulas/tidy.toml", &tidy.replace("tidyer", "tidier"));
    let said = desk.run(&["lint"]);
    assert!(said.out.ends_with(": 0 errors, 0 warnings\n"), "{}", said.out);
}

#[test]
fn lint_tells_each_mistake_with_its_place_and_a_hint() {
    let desk = Desk::new();
    desk.run(&["new", "tidy"]);
    let right = desk.read("formulas/tidy.toml");
    let wrong = right.replace("steps.work.output.outcome == 'no-change'", "steps.wrk.output.outcome == 'no-change'");
    desk.write("formulas/tidy.toml", &wrong);
    let found = desk.json(&["lint", "tidy", "--json"]);
    let line = wrong.lines().position(|line| line.contains("steps.wrk")).expect("the line") + 1;
    let at = (&found[0]["file"], &found[0]["line"], &found[0]["column"], &found[0]["severity"]);
    assert_eq!(at, (&json!(desk.path("formulas/tidy.toml")), &json!(line), &json!(15), &json!("error")), "{found:#}");
    assert!(found[0]["hint"].as_str().is_some_and(|hint| hint.contains("work")), "{found:#}");
    let said = desk.run(&["lint"]);
    assert_eq!(said.code, Some(2));
    assert!(said.out.contains(&format!("formulas/tidy.toml:{line}:15: error: ")), "{}", said.out);
    let count = shipped_names().len() + 1;
    assert!(said.out.ends_with(&format!("{count} formulas: 1 error, 0 warnings\n")), "{}", said.out);
    // A prompt is called by where it lies.
    desk.write("formulas/tidy.toml", &right);
    desk.write("prompts/tidy.md", "{{issue.titel}}");
    let found = desk.json(&["lint", "tidy", "--json"]);
    let prompt = found.as_array().expect("a list").iter().find(|f| f["file"] == json!(desk.path("prompts/tidy.md")));
    let prompt = prompt.unwrap_or_else(|| panic!("{found:#}"));
    assert_eq!((&prompt["line"], &prompt["column"]), (&json!(1), &json!(1)));
    assert_eq!(prompt["hint"], "did you mean `issue.title`?");
    // What is there for nothing is said, and is no mistake.
    let last = "[[outcome]]\nis = \"refused\"\n[[input]]\nname = \"depth\"\ntype = \"number\"\ndefault = 1\n";
    desk.write("formulas/tidy.toml", &format!("{right}\n{last}"));
    desk.write("prompts/tidy.md", "{{outside issue.title}}");
    desk.write("prompts/lost.md", "nobody reads this");
    let said = desk.run(&["lint"]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(said.out.contains("lost.md:1:1: warning: no formula names this file"), "{}", said.out);
    assert!(said.out.contains("never ends as this"), "{}", said.out);
    assert!(said.out.contains("nothing uses the input `depth`"), "{}", said.out);
    assert!(said.out.ends_with("0 errors, 3 warnings\n"), "{}", said.out);
    let said = desk.run(&["lint", "tidi"]);
    assert!(said.code == Some(2) && said.err.contains("did you mean `tidy`?"), "{}", said.err);
}

/// As a project has it on its base branch, checked in a clone before anybody runs it.
#[test]
fn what_a_clone_lays_over_is_checked_as_a_run_would_check_it() {
    let desk = Desk::new();
    let lint = |more: &[&str]| desk.run(&[&["lint", "--clone", "clone"], more].concat());
    let said = lint(&[]);
    assert!(said.code == Some(2) && said.err.contains("clone/.forgehand is no folder"), "{}", said.err);
    let prompt = format!("As we do it.\n\n{}", forgehand::formula::shipped_prompt("fix.md").expect("shipped"));
    desk.write("clone/.forgehand/prompts/fix.md", &prompt);
    let said = lint(&[]);
    assert!(said.code == Some(0) && said.out.ends_with("0 errors, 0 warnings\n"), "{}{}", said.out, said.err);

    let fix = shipped_text("fix").expect("shipped");
    let formula = "clone/.forgehand/formulas/fix.toml";
    desk.write(formula, &fix.replace("run = \"project.verify\"", "run = [\"true\"]"));
    let said = lint(&["fix"]);
    let refused = "formulas/fix.toml:3:8: error: a run would refuse it: it leaves out the project's verification";
    assert!(said.code == Some(2) && said.out.contains(refused), "{}{}", said.out, said.err);
    desk.write(formula, &fix.replace("agent = \"dev\"", "agnet = \"dev\""));
    let said = lint(&["fix"]);
    assert!(said.code == Some(2) && said.out.contains("clone/.forgehand/formulas/fix.toml:"), "{}{}", said.out, said.err);
    assert!(said.out.contains("unknown key `agnet`"), "{}", said.out);
    desk.write(formula, fix);

    // A prompt's mistake is told with where it lies; what nobody names or starts is told too.
    desk.write("clone/.forgehand/prompts/fix.md", "{{issue.titel}}");
    let said = lint(&[]);
    assert!(said.code == Some(2) && said.out.contains("clone/.forgehand/prompts/fix.md:1:1: error"), "{}{}", said.out, said.err);
    desk.write("clone/.forgehand/prompts/fix.md", &prompt);
    desk.write("clone/.forgehand/prompts/lost.md", "Nobody reads this.");
    desk.write("clone/.forgehand/formulas/alone.toml", &fix.replace("name = \"fix\"", "name = \"alone\""));
    let said = lint(&[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("lost.md:1:1: warning: no formula names this file"), "{}", said.out);
    assert!(said.out.contains("alone.toml:3:8: warning: nothing starts it"), "{}", said.out);
    let caller = "formula = 1\nname = \"caller\"\ntitle = \"Calls\"\nblast_radius = \"medium\"\n[trigger]\nmanual = true\n\
                  [[step]]\nid = \"other\"\nformula = \"alone\"\n[[outcome]]\nis = \"done\"\n";
    desk.write("formulas/caller.toml", caller);
    let said = lint(&[]);
    assert!(!said.out.contains("alone.toml"), "{}{}", said.out, said.err);

    let shown = desk.run(&["show", "fix", "--clone", "clone"]);
    assert!(shown.err.contains("clone/.forgehand/formulas/fix.toml"), "{}", shown.err);
    for wrong in [&["list", "--clone", "clone"][..], &["new", "tidy", "--clone", "clone"], &["run", "fix", "--clone", "clone"]] {
        assert_eq!(desk.run(wrong).code, Some(2), "{wrong:?}");
    }
    std::os::unix::fs::symlink("/etc/hostname", desk.path("clone/.forgehand/prompts/linked.md")).expect("a link");
    let said = lint(&[]);
    assert!(said.code == Some(2) && said.err.contains("linked.md: it is a link"), "{}", said.err);
}

#[test]
fn a_graph_shows_the_order_and_what_decides() {
    let desk = Desk::new();
    let text = desk.run(&["graph", "fix"]).out;
    for part in [
        "  1  work: agent dev, writes",
        "after work",
        "when steps.work.output.outcome == 'done'",
        "fails: back to work",
        "ends as:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mermaid = desk.run(&["graph", "fix", "--mermaid"]).out;
    assert!(mermaid.starts_with("flowchart TD\n"), "{mermaid}");
    for part in ["s0 --> s1", "s1 --> s2", "s1 -. \"fails, at most 2\" .-> s0", "e2([\"refused\"])"] {
        assert!(mermaid.contains(part), "{part}: {mermaid}");
    }
}

async fn plain(test: &'static str) -> Rig {
    Plan::new(test).mode(Mode::None).rig().await.expect("it needs nothing")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_all_that_would_be_said_and_touches_nothing() {
    let rig = plain("formula::dry_run").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &[]).await;
    rig.seed.comment(REPO, "owner", number, "Mind the rounding.").await.expect("a comment");
    let issue = number.to_string();
    let before = (rig.labels(number), rig.comments(number).len(), rig.pulls().len());
    let said = rig.run(&["formula", "run", "fix", "--issue", &issue, "--dry-run"]).await.ok().out;
    assert!(said.contains("(title)") && !said.contains("something hidden"), "what stands in for an answer is shown: {said}");
    let closes = format!("Closes #{number}");
    for part in [
        "note: the trigger does not hold: the issue does not carry the label claude-queue",
        "2 and 2 gives 5",
        "Mind the rounding.",
        "\"outcome\": \"done\"",
        "when steps.work.output.outcome == 'done': holds",
        "would run: sh ./test.sh",
        "-- would propose: pull-request",
        &closes,
        "ends as done",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!((rig.labels(number), rig.comments(number).len(), rig.pulls().len()), before);
    assert!(rig.branch("claude/issue-1").is_none());
    assert!(forgehand::journal::JournalReader::open(&rig.state_dir()).expect("the folder").is_none(), "a journal was begun");
    let wrong = rig.run(&["formula", "run", "fix", "--issue", "99", "--dry-run"]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("there is no issue"), "{}", wrong.err);
    // What is no issue of ours yet is ordered by nobody but its label.
    let real = rig.run(&["formula", "run", "fix", "--issue", &issue]).await;
    assert!(real.code == Some(2) && real.err.contains("is not known"), "{}", real.err);
}

const LOOK: &str = r#"formula = 1
name = "look"
title = "Look, and say what was seen"
blast_radius = "low"

[trigger]
label = "to-look"
comment = ["/look", "/peek"]
event = ["issue-closed", "pull-merged"]

[require]
files = ["test.sh", "docs", "nowhere.md"]

[[step]]
id = "look"
when = "run.asked != '/peek'"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reads_the_base_branch_and_says_each_trigger_and_requirement_that_does_not_hold() {
    let rig = Plan::new("formula::dry_run_reads")
        .file("CLAUDE.md", "Tabs, never spaces.\n")
        .file("docs/a.md", "A\n")
        .project("formulas = [\"triage\", \"fix\", \"look\"]")
        .mode(Mode::None)
        .rig()
        .await
        .expect("it needs nothing");
    beside(&rig, &[("formulas/look.toml", LOOK), ("prompts/look.md", "{{#if guide}}{{outside guide}}{{/if}}\n")]);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &[]).await;
    rig.seed.comment(REPO, "owner", number, "I /look elsewhere.").await.expect("a comment");
    let dry = ["formula", "run", "look", "--issue", &number.to_string(), "--dry-run"].map(str::to_owned);
    let dry: Vec<&str> = dry.iter().map(String::as_str).collect();
    let said = rig.run(&dry).await.ok().out;
    let notes: Vec<&str> = said.lines().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!(
        notes,
        [
            "note: the trigger does not hold: the issue does not carry the label to-look",
            "note: the trigger does not hold: no comment of anybody who may ask begins with `/look` or `/peek`",
            "note: the trigger does not hold: event issue-closed: the issue is open",
            "note: the trigger does not hold: event pull-merged: no pull request of ours for the issue is merged",
            "note: a requirement does not hold: nowhere.md is not on main",
        ]
    );
    assert!(said.contains("Tabs, never spaces."), "{said}");
    rig.seed.comment(REPO, "owner", number, "/look here").await.expect("a comment");
    let said = rig.run(&dry).await.ok().out;
    assert!(!said.contains("begins with `/look`"), "{said}");

    // By a comment that nobody wrote yet.
    let other = rig.issue("Another", "2 and 2 gives 5", &[]).await.to_string();
    let tried =
        async |comment: &str| rig.run(&["formula", "run", "look", "--issue", &other, "--dry-run", "--comment", comment]).await;
    let said = tried("/look here").await.ok().out;
    assert!(!said.contains("begins with `/look`") && said.contains("-- prompt"), "{said}");
    let said = tried("/peek").await.ok().out;
    assert!(said.contains("does not hold, skipped") && !said.contains("-- prompt"), "{said}");
    let wrong = tried("look here").await;
    assert!(wrong.code == Some(2) && wrong.err.contains("begin with `/look` or `/peek`"), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_lifecycle_starts_is_run_by_hand_too_with_what_it_is_given() {
    let fix = "case $FORGEHAND_STEP in work) if asked_for 'Depth: 3'; then repair; commit 'Add'; answer done 'It adds.'; else answer refused 'No depth.'; fi ;; esac";
    let plan = Plan::new("formula::by_hand").agent(Agent::scripted(TRIAGE, fix)).mode(Mode::None);
    let rig = plan.rig().await.expect("it needs nothing");
    let deep = shipped_text("fix").expect("shipped").replacen(
        "[[step]]",
        "[[input]]\nname = \"depth\"\ntype = \"number\"\ndefault = 1\n\n[[step]]",
        1,
    );
    let prompt = forgehand::formula::shipped_prompt("fix.md").expect("shipped");
    beside(&rig, &[("formulas/fix.toml", &deep), ("prompts/fix.md", &format!("{prompt}\nDepth: {{{{inputs.depth}}}}\n"))]);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal", "interactive"]).await;
    rig.once().await;
    let issue = number.to_string();
    rig.run(&["formula", "run", "triage", "--issue", &issue]).await.ok();
    rig.once().await;
    assert_eq!(
        rig.comments(number).iter().filter(|comment| comment.body.contains("Make add.sh add.")).count(),
        1,
        "{}",
        rig.story()
    );
    assert_eq!(rig.labels(number), ["interactive"], "where a person has it, it stays");

    rig.run(&["formula", "run", "fix", "--issue", &issue]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-failed"], "without what it needs: {}", rig.story());
    let wrong = rig.run(&["formula", "run", "fix", "--issue", &issue, "--input", "depth=\"deep\""]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("`depth`"), "{}", wrong.err);
    rig.run(&["formula", "run", "fix", "--issue", &issue, "--input", "depth=3"]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());

    let other = rig.issue("Sum is wrong", "2 and 2 gives 5", &["interactive"]).await;
    rig.once().await;
    let other_issue = other.to_string();
    let wrong = rig.run(&["retry", &other_issue, "--input", "dept=3"]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("formula fix has no input `dept`"), "{}", wrong.err);
    let wrong = rig.run(&["retry", &other_issue, "--input", "depth=\"deep\""]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("`depth`"), "{}", wrong.err);
    rig.run(&["retry", &other_issue, "--input", "depth=3"]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(other), ["claude-pr"], "{}", rig.story());
    assert!(rig.story().contains(&format!("retry {REPO}#{other} by fix depth=3")), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_keeps_what_was_given_and_a_comment_gives_it_too() {
    let fix = "case $FORGEHAND_STEP in work) if asked_for 'Depth: 3, width: 2'; then repair; commit 'Add'; answer done 'It adds.'; else answer refused 'No room.'; fi ;; esac";
    let rig = Plan::new("formula::kept").agent(Agent::scripted(TRIAGE, fix)).rig().await;
    let Some(rig) = rig else { return };
    let input = |name: &str| format!("[[input]]\nname = \"{name}\"\ntype = \"number\"\ndefault = 1\n\n");
    let wide = format!("{}{}[[step]]", input("depth"), input("width"));
    let wide = shipped_text("fix").expect("shipped").replacen("[[step]]", &wide, 1);
    let prompt = forgehand::formula::shipped_prompt("fix.md").expect("shipped");
    let prompt = format!("{prompt}\nDepth: {{{{inputs.depth}}}}, width: {{{{inputs.width}}}}\n");
    beside(&rig, &[("formulas/fix.toml", &wide), ("prompts/fix.md", &prompt)]);
    let one = rig.issue("Total is wrong", "2 and 2 gives 5", &["interactive"]).await;
    let two = rig.issue("Sum is wrong", "2 and 2 gives 5", &["interactive"]).await;
    rig.once().await;
    let retry = async |issue: u64, arguments: &[&str], label: &str| {
        let issue_text = issue.to_string();
        rig.run(&[&["retry", &issue_text], arguments].concat()).await.ok();
        rig.once().await;
        assert_eq!(rig.labels(issue), [label], "{arguments:?}: {}", rig.story());
    };
    retry(one, &["--input", "depth=3"], "claude-failed").await;
    retry(one, &["--input", "width=2"], "claude-pr").await;

    retry(two, &["--input", "depth=3"], "claude-failed").await;
    retry(two, &["--defaults", "--input", "width=2"], "claude-failed").await;
    let said = |body: &str| json!({ "body": body });
    let path = format!("repos/{REPO}/issues/{two}/comments");
    rig.seed.api("owner", "POST", &path, said("/fix depth=deep")).await.expect("a comment");
    let turns = rig.turns("work");
    rig.once().await;
    assert_eq!(rig.turns("work"), turns, "what does not fit starts nothing: {}", rig.story());
    assert!(rig.story().contains("`depth`"), "{}", rig.story());
    rig.seed.api("owner", "POST", &path, said("/fix depth=3 width=2")).await.expect("a comment");
    rig.once().await;
    assert_eq!(rig.labels(two), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_run_becomes_a_test_that_passes_until_the_formula_changes() {
    let rig = plain("formula::as_test").await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let test = rig.run(&["logs", &number.to_string(), "--as-test"]).await.ok().out;
    let folder = rig.config_file().parent().expect("a folder").to_owned();
    std::fs::create_dir_all(folder.join("formulas/tests")).expect("a folder");
    std::fs::write(folder.join("formulas/tests/real.toml"), &test).expect("a file");
    assert!(test.contains("2 and 2 gives 5"), "{test}");
    let said = rig.run(&["formula", "test", "fix"]).await.ok().out;
    assert!(said.lines().any(|line| line.starts_with("ok") && line.contains("real.toml")), "{said}\n{test}");
    // The same answer, and nothing is proposed any more.
    let shown = rig.run(&["formula", "show", "fix"]).await.ok().out;
    let changed = shown.replace("outcome == 'done'\"\nis = \"done\"", "outcome == 'done'\"\nis = \"refused\"");
    assert_ne!(changed, shown);
    std::fs::write(folder.join("formulas/fix.toml"), changed).expect("a file");
    let said = rig.run(&["formula", "test", "fix"]).await;
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.out.contains("it ends as refused") && said.out.ends_with("0 passed, 1 failed\n"), "{}", said.out);
    // A test that names what is not there is told where.
    std::fs::write(folder.join("formulas/tests/real.toml"), test.replace("step = \"work\"", "step = \"wrok\"")).expect("a file");
    let said = rig.run(&["formula", "test", "fix"]).await;
    assert!(said.code == Some(2) && said.err.contains("did you mean \"work\"?"), "{}", said.err);
}

const GATED: &str = r#"formula = 1
name = "gated"
title = "Work, wait, look again"
blast_radius = "low"

[[input]]
name = "aloud"
type = "flag"
default = true

[[step]]
id = "work"
agent = "dev"
prompt = "fix.md"
access = "write"
output = "fix-result"

[[step]]
id = "verify"
run = ["make lint"]
on_failure = { to = "work", at_most = 1 }

[[step]]
id = "pause"
gate = "time"
after = "3d"

[[step]]
id = "open"
propose = "pull-request"
title = "{{line issue.title}}"
body = "pull-request.md"

[[step]]
id = "ci"
gate = "checks"

[[step]]
id = "approved"
gate = "approval"

[[step]]
id = "then"
formula = "second"

[[step]]
id = "say"
when = "inputs.aloud && steps.then.output.is == 'refused'"
propose = "comment"
body = "said.md"

[[outcome]]
when = "steps.say.status == 'done'"
is = "interactive"
summary = "steps.work.output.summary"
"#;

const SECOND: &str = r#"formula = 1
name = "second"
title = "Look again"
blast_radius = "low"

[[step]]
id = "look"
agent = "critic"
prompt = "fix.md"
access = "read"
output = "fix-result"

[[outcome]]
when = "steps.look.output.outcome == 'refused'"
is = "refused"
"#;

const PLAYED: &str = r#"formula = "gated"
[[answer]]
step = "work"
output = { outcome = "done", summary = "One." }
[[result]]
step = "verify"
passed = false
tail = "a line is too long"
[[answer]]
step = "work"
output = { outcome = "done", summary = "Two." }
[[answer]]
step = "then.look"
output = { outcome = "OUTCOME", summary = "Hm." }
[expect]
"#;

#[test]
fn a_recorded_test_plays_gates_calls_and_what_goes_back() {
    let desk = Desk::new();
    desk.write("formulas/gated.toml", GATED);
    desk.write("formulas/second.toml", SECOND);
    desk.write("prompts/said.md", "It says: {{line steps.work.output.summary}}");
    let refused = "outcome = \"interactive\"\nskipped = []\nproposes = [\"pull-request\", \"comment\"]\nsays = [\"It says: Two.\"]\n\
                   asks = [\"a line is too long\"]\n";
    desk.write("formulas/tests/refused.toml", &(PLAYED.replace("OUTCOME", "refused") + refused));
    let done = "outcome = \"done\"\nskipped = [\"say\"]\nproposes = [\"pull-request\"]\n";
    desk.write("formulas/tests/deep/done.toml", &(PLAYED.replace("OUTCOME", "done") + done));
    let said = desk.run(&["test", "gated"]);
    assert_eq!((said.code, said.out.lines().last()), (Some(0), Some("2 passed, 0 failed")), "{}{}", said.out, said.err);
    // What is recorded and not asked for, and what is asked for and not recorded.
    desk.write("formulas/tests/refused.toml", &PLAYED.replace("then.look", "work").replace("OUTCOME", "done"));
    desk.write(
        "formulas/tests/deep/done.toml",
        &(PLAYED.replace("passed = false", "passed = true").replace("OUTCOME", "done") + done),
    );
    let expects = "outcome = \"done\"\n";
    desk.write("formulas/tests/refused.toml", &(PLAYED.replace("then.look", "work").replace("OUTCOME", "done") + expects));
    let said = desk.run(&["test", "gated"]);
    assert_eq!((said.code, said.out.lines().last()), (Some(2), Some("0 passed, 2 failed")), "{}{}", said.out, said.err);
    assert!(said.out.contains("step then.look is asked for its answer number 1, and none is recorded"), "{}", said.out);
    assert!(said.out.contains("1 more recorded answers of step work are there than the run asks for"), "{}", said.out);
    // What is proposed may be said to be about an issue, which it then is or is not.
    let close = "formula = 1\nname = \"tidy\"\ntitle = \"It\"\nblast_radius = \"low\"\n[trigger]\ncomment = \"/tidy\"\n\
        [[step]]\nid = \"close\"\npropose = \"close\"\nissue = \"issue.number + 1\"\n";
    desk.write("formulas/tidy.toml", close);
    let tidied = |proposes: &str| {
        let text =
            format!("formula = \"tidy\"\n[issue]\nnumber = 4\n[expect]\noutcome = \"done\"\nproposes = [\"{proposes}\"]\n");
        desk.write("formulas/tests/tidied.toml", &text);
        desk.run(&["test", "tidy"])
    };
    assert_eq!((tidied("close").code, tidied("close, on #5").code), (Some(0), Some(0)));
    let said = tidied("close, on #4");
    let differs = "it proposes [close, on #5], and [close, on #4] is expected";
    assert!(said.code == Some(2) && said.out.contains(differs), "{} {}", said.out, said.err);
    std::fs::remove_file(desk.path("formulas/tests/tidied.toml")).expect("removed");
    // A mistake in a test has a place.
    desk.write("formulas/tests/refused.toml", "formula = \"gated\"\nanswers = []\n[expect]\noutcome = \"done\"\n");
    let said = desk.run(&["test", "gated"]);
    assert!(said.code == Some(2) && said.err.contains("refused.toml:2:1"), "{}", said.err);
    assert!(said.out.contains("0 passed, 2 failed"), "the other one, which fails, is played too: {}", said.out);
    // One of another formula is no matter of this one's.
    desk.write("formulas/tests/other.toml", "formula = \"fix\"\nnonsense = 1\n");
    desk.write("formulas/tests/odd.toml", "[[[\n");
    std::fs::remove_file(desk.path("formulas/tests/refused.toml")).expect("removed");
    let said = desk.run(&["test", "gated"]);
    assert!(said.out.contains("0 passed, 1 failed") && said.err.contains("odd.toml was left out"), "{} {}", said.out, said.err);
    assert!(!said.err.contains("other.toml"), "{}", said.err);
    let said = desk.run(&["test"]);
    assert!(said.code == Some(2) && said.out.contains(" passed, 3 failed"), "{} {}", said.out, said.err);
}

#[test]
fn a_step_for_each_item_is_drawn_and_tested_with_an_answer_for_each() {
    let desk = Desk::new();
    let formula = "formula = 1\nname = \"weigh\"\ntitle = \"It\"\nblast_radius = \"low\"\n[trigger]\nlabel = \"weigh\"\n\
        [[step]]\nid = \"look\"\nagent = \"dev\"\nprompt = \"look.md\"\naccess = \"read\"\noutput = \"fix-result\"\n\
        for_each = { items = \"issue.labels\", at_most = 2 }\n\
        [[step]]\nid = \"say\"\npropose = \"comment\"\nbody = \"said.md\"\n\
        for_each = { items = \"steps.look.output\", at_most = 2 }\n";
    desk.write("formulas/weigh.toml", formula);
    desk.write("prompts/look.md", "{{index}} is {{outside item}}\n");
    desk.write("prompts/said.md", "{{index}}: {{line item.summary}}\n");
    let drawn = desk.run(&["graph", "weigh"]).out;
    assert!(drawn.contains("for each of issue.labels, at most 2"), "{drawn}");
    assert_eq!(desk.run(&["lint", "weigh"]).code, Some(0));

    let answer = |words: &str| format!("[[answer]]\nstep = \"look\"\noutput = {{ outcome = \"done\", summary = \"{words}\" }}\n");
    let test = |labels: &str, answers: &str, expect: &str| {
        format!("formula = \"weigh\"\n[issue]\nlabels = [{labels}]\n{answers}[expect]\n{expect}\n")
    };
    let both = answer("One.") + &answer("Two.");
    let says =
        "outcome = \"done\"\nproposes = [\"comment\", \"comment\"]\nsays = [\"1: One.\", \"2: Two.\"]\nasks = [\"2 is\", \"b\"]";
    desk.write("formulas/tests/weigh-both.toml", &test("\"a\", \"b\"", &both, says));
    desk.write("formulas/tests/weigh-none.toml", &test("", "", "outcome = \"done\"\nproposes = []"));
    desk.write("formulas/tests/weigh-many.toml", &test("\"a\", \"b\", \"c\"", "", "outcome = \"too-many-items\""));
    let said = desk.run(&["test", "weigh"]);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    // An answer for each is needed.
    desk.write("formulas/tests/weigh-both.toml", &test("\"a\", \"b\"", &answer("One."), says));
    let said = desk.run(&["test", "weigh"]);
    assert!(said.code != Some(0) && said.out.contains("answer number 2"), "{} {}", said.out, said.err);
    // One that does not fit is asked for again, as in a run: why is said.
    let unfit = answer("One.").replace("done", "dnoe");
    desk.write("formulas/tests/weigh-both.toml", &test("\"a\"", &unfit, says));
    let said = desk.run(&["test", "weigh"]);
    let told = said.out.split_once("answer number 2, and none is recorded; the one before was not taken: ");
    assert!(told.is_some_and(|(_, why)| why.contains("/outcome")), "{} {}", said.out, said.err);
}
