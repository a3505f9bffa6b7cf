//! A file that is asked for by pull request in the operations repository: however often, by whichever run, one pull request stands for it.

use forgehand::localforge::{PullView, SeedFile};
use forgehand::model::{Event, Intent};

use crate::gates::beside;
use crate::ops::{OPS, git_in, in_ops, ops_clone};
use crate::rig::{Plan, Rig, until};

const PATH: &str = "vault/pending/disk.md";

/// No agent works: what is asked for is given by hand.
const WISH: &str = r#"
formula = 1
name = "wish"
title = "Ask for something"
blast_radius = "low"
[trigger]
manual = true
[[input]]
name = "says"
type = "text"
default = "A disk."
[[input]]
name = "path"
type = "text"
default = "vault/pending/disk.md"
[[step]]
id = "ask"
propose = "file"
pull_request = true
path = "{{line inputs.path}}"
title = "Ask for something"
body = "wish.md"
content = "inputs.says + '\\n'"
[[step]]
id = "tell"
propose = "comment"
body = "told.md"
"#;

async fn rig(test: &'static str) -> Rig {
    let plan = Plan::new(test).mode(forgehand::sandbox::Mode::None).daemon("poll = \"1s\"\nslots = 2");
    let rig = plan.project("formulas = [\"triage\", \"wish\"]").rig().await.expect("it needs nothing");
    let told = "It is in {{steps.ask.output.pull}}.{{#if steps.ask.output.left}} Left: {{line steps.ask.output.left}}{{/if}}\n";
    beside(&rig, &[("formulas/wish.toml", WISH), ("prompts/wish.md", "It is needed.\n"), ("prompts/told.md", told)]);
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    let file = SeedFile { path: "README.md", content: "# Operations\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    rig.issue("It is full", "Soon.", &["interactive"]).await;
    rig.issue("So is the other", "Soon.", &["interactive"]).await;
    rig
}

async fn wishes(rig: &Rig, issue: &str, inputs: &[&str]) {
    let inputs = inputs.iter().flat_map(|input| ["--input", input]);
    let args: Vec<&str> = ["formula", "run", "wish", "--issue", issue].into_iter().chain(inputs).collect();
    rig.run(&args).await.ok();
    rig.once().await;
}

fn open(rig: &Rig) -> Vec<PullView> {
    rig.seed.pulls(OPS).expect("the pull requests").into_iter().filter(|pull| pull.issue.open).collect()
}

async fn text(rig: &Rig, of: &PullView) -> String {
    in_ops(rig, &["show", &format!("origin/{}:{PATH}", of.head)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_writes_where_it_is_asked_for_and_opens_no_second_pull_request() {
    let rig = rig("asked::later").await;
    rig.once().await;
    wishes(&rig, "1", &[]).await;
    let first = open(&rig);
    assert_eq!((first.len(), text(&rig, &first[0]).await.as_str()), (1, "A disk.\n"), "{}", rig.story());

    // The same again is nothing new; something else is a commit more.
    wishes(&rig, "1", &[]).await;
    assert_eq!((open(&rig).len(), &open(&rig)[0].head_sha), (1, &first[0].head_sha), "{}", rig.story());
    wishes(&rig, "1", &["says=Two disks."]).await;
    let second = open(&rig);
    assert_eq!((second.len(), text(&rig, &second[0]).await.as_str()), (1, "Two disks.\n"), "{}", rig.story());
    let above = in_ops(&rig, &["rev-parse", &format!("origin/{}^", second[0].head)]).await;
    assert_eq!(above.trim(), first[0].head_sha, "nothing is forced over");

    // Without the journal as well.
    let other = rig.another_journal();
    let args = ["formula", "run", "wish", "--issue", "1", "--input", "says=Three disks."];
    for args in [&["once"], &args[..], &["once"]] {
        rig.run_with(&other, args).await.ok();
    }
    let third = open(&rig);
    assert_eq!((third.len(), text(&rig, &third[0]).await.as_str()), (1, "Three disks.\n"), "{}", rig.story());

    // Another file is asked for beside it; what is about another issue is not written over.
    wishes(&rig, "1", &["path=vault/pending/fan.md"]).await;
    assert_eq!(open(&rig).len(), 2, "{}", rig.story());
    wishes(&rig, "2", &["says=No disk."]).await;
    let fourth = open(&rig);
    assert_eq!((fourth.len(), &fourth[0].head_sha), (2, &third[0].head_sha), "{}", rig.story());
    assert_eq!(rig.said(2, "Left: it was opened about something else").len(), 1, "{:#?}", rig.comments(2));

    // A person's words on its branch stay, and that is said.
    let clone = ops_clone(&rig).await;
    git_in(&clone, &["checkout", "-q", &third[0].head]).await;
    std::fs::write(clone.path().join(PATH), "Three small disks.\n").expect("a file");
    git_in(&clone, &["commit", "-qam", "Small ones"]).await;
    git_in(&clone, &["push", "-q", "origin", &third[0].head]).await;
    wishes(&rig, "1", &["says=Four disks."]).await;
    assert_eq!((open(&rig).len(), text(&rig, &third[0]).await.as_str()), (2, "Three small disks.\n"), "{}", rig.story());
    assert_eq!(rig.said(1, "Left: somebody else committed").len(), 1, "{:#?}", rig.comments(1));
    let told = rig.run(&["logs", "1"]).await.ok().out;
    assert!(told.contains("which stays as it is: somebody else committed to its branch"), "{told}");

    // What was refused may be asked for anew.
    let number = third[0].issue.number;
    rig.seed.close(OPS, "owner", number).await.expect("closed");
    wishes(&rig, "1", &["says=Four disks."]).await;
    let asked = open(&rig);
    assert!(asked.len() == 2 && asked.iter().all(|pull| pull.issue.number != number), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_open_one_pull_request_and_each_item_of_a_list_has_its_own() {
    let rig = rig("asked::at_once").await;
    rig.once().await;
    for issue in ["1", "2"] {
        rig.run(&["formula", "run", "wish", "--issue", issue]).await.ok();
    }
    rig.once().await;
    assert_eq!(open(&rig).len(), 1, "{}", rig.story());

    let each =
        WISH.replace("[[step]]\nid = \"ask\"", "[[step]]\nid = \"ask\"\nfor_each = { items = \"['one', 'two']\", at_most = 2 }");
    let each = each
        .replace("{{line inputs.path}}", "vault/pending/{{line item}}.md")
        .replace("[[step]]\nid = \"tell\"\npropose = \"comment\"\nbody = \"told.md\"\n", "");
    beside(&rig, &[("formulas/wish.toml", &each)]);
    wishes(&rig, "1", &[]).await;
    let pulls = open(&rig);
    assert_eq!(pulls.len(), 3, "{}", rig.story());
    for (pull, item) in pulls[1..].iter().zip(["one", "two"]) {
        in_ops(&rig, &["show", &format!("origin/{}:vault/pending/{item}.md", pull.head)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_while_it_asks_asks_once() {
    let rig = rig("asked::dies").await;
    rig.once().await;
    rig.run(&["formula", "run", "wish", "--issue", "1"]).await.ok();
    let daemon = rig.start(&["run"]);
    let begun = |event: &Event| matches!(event, Event::Intended { intent: Intent::Keep { .. }, .. });
    until("the file", || rig.records().iter().any(|record| begun(&record.event)).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    let pulls = open(&rig);
    assert_eq!((pulls.len(), text(&rig, &pulls[0]).await.as_str()), (1, "A disk.\n"), "{}", rig.story());
}
