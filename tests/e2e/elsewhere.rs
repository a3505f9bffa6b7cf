//! Files that a formula asks for in another repository of the configuration.

use forgehand::localforge::{PullView, SeedFile};
use forgehand::sandbox::Mode;

use crate::gates::beside;
use crate::ops::{clone_of, git_in};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE};

const BOOK: &str = "owner/handbook";

const NOTE: &str = r#"formula = 1
name = "note"
title = "Write into the handbook what an issue taught"
blast_radius = "low"

[trigger]
label = "to-note"

[[step]]
id = "look"
agent = "dev"
prompt = "look.md"
access = "read"
output = "fix-result"

[[step]]
id = "ask"
propose = "file"
repo = "owner/handbook"
pull_request = true
path = "lessons/issue-{{issue.number}}.md"
content = "steps.look.output.summary"
title = "Note what was learned"
body = "asked.md"

[[step]]
id = "tell"
propose = "comment"
body = "told.md"
"#;

async fn rig(test: &'static str, rights: &str, note: &str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, "answer done 'Sums are added.'")).mode(Mode::None);
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"note\"]").rig().await.expect("it needs nothing");
    let file = SeedFile { path: "README.md", content: "# Handbook\n", executable: false };
    rig.seed.create_repo("owner", "handbook", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(BOOK, "bot", rights).await.expect("a collaborator");
    beside(
        &rig,
        &[
            ("formulas/note.toml", note),
            ("prompts/look.md", "{{outside issue.body}}\n"),
            ("prompts/asked.md", "Learned from {{repo}}#{{issue.number}}.\n"),
            ("prompts/told.md", "Asked for in {{#if steps.ask.output.pull}}#{{steps.ask.output.pull}}{{else}}nothing{{/if}}.\n"),
        ],
    );
    rig
}

fn named(rig: &Rig) {
    rig.reconfigure("[agent]\n", &format!("[[project]]\nrepo = \"{BOOK}\"\nverify = [\"true\"]\n\n[agent]\n"));
}

fn pulls(rig: &Rig) -> Vec<PullView> {
    rig.seed.pulls(BOOK).expect("the pull requests")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_asked_for_in_another_project_by_one_pull_request() {
    let rig = rig("elsewhere::a_file_is_asked_for", "write", NOTE).await;
    let refused = rig.run(&["once"]).await;
    let words =
        "formula note of project owner/app asks for a file in owner/handbook, which is no [[project]] of the configuration";
    assert!(refused.code == Some(2) && refused.err.contains(words), "{}", refused.err);
    named(&rig);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["to-note"]).await;
    let issue = format!("{REPO}#{number}");
    let tried = rig.run(&["formula", "run", "note", "--issue", &issue, "--dry-run"]).await.ok().out;
    assert!(tried.contains("owner/handbook, lessons/issue-1.md:") && pulls(&rig).is_empty(), "{tried}");
    rig.once().await;
    let asked = pulls(&rig);
    assert_eq!(asked.len(), 1, "{}", rig.story());
    assert!(asked[0].base == "main" && asked[0].issue.body.contains("Learned from owner/app#1."), "{:?}", asked[0]);
    let file = git_in(&clone_of(&rig, BOOK).await, &["show", &format!("{}:lessons/issue-1.md", asked[0].head_sha)]).await;
    assert_eq!(file.trim(), "Sums are added.");
    assert_eq!(rig.said(number, &format!("Asked for in #{}.", asked[0].issue.number)).len(), 1, "{:#?}", rig.comments(number));
    assert!(rig.story().contains("ask for the file of step ask in owner/handbook"), "{}", rig.story());
    assert_eq!((rig.pulls().len(), rig.labels(number)), (0, vec!["to-note".to_owned()]), "nothing of it is here");

    // What is asked for already is not asked for again; nor does the other project take the pull request for work of its own.
    rig.run(&["formula", "run", "note", "--issue", &issue]).await.ok();
    rig.once().await;
    rig.once().await;
    assert_eq!((rig.turns("look"), pulls(&rig).len()), (2, 1), "{}", rig.story());
    let pull = pulls(&rig).remove(0);
    assert!(pull.issue.open && !pull.merged, "a person merges it");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_may_not_be_asked_for_the_text_is_kept_and_said() {
    let rig = rig("elsewhere::no_rights", "read", NOTE).await;
    named(&rig);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["to-note"]).await;
    // The other project is in trouble too, and that is the exit status.
    assert_eq!(rig.run(&["once"]).await.code, Some(3), "{}", rig.story());
    let told = rig.story();
    let path = told.lines().find_map(|line| Some(line.split_once("is kept in ")?.1.trim())).unwrap_or_else(|| panic!("{told}"));
    assert!(std::fs::read_to_string(path).expect("the text").contains("Sums are added."), "{path}");
    assert_eq!((pulls(&rig).len(), rig.said(number, "Asked for").len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_own_repository_nor_the_operations_repository_is_another_one() {
    for (repo, words) in [(REPO, "is its own repository"), ("owner/ops", "is the operations repository")] {
        let rig = rig("elsewhere::not_another", "write", &NOTE.replace(BOOK, repo)).await;
        rig.reconfigure("[agent]\n", "[ops]\nrepo = \"owner/ops\"\n\n[agent]\n");
        let refused = rig.run(&["once"]).await;
        assert!(refused.code == Some(2) && refused.err.contains(words), "{words}: {}", refused.err);
    }
}
