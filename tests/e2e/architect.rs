//! The role that makes sprints of visions: asked for in the operations repository, answered on the issue, filed once.

use forgehand::localforge::{IssueView, PullView, SeedFile};
use forgehand::model::{Event, Intent};
use serde_json::json;

use crate::ops::{OPS, git_in, in_ops, ops_clone};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, until};

/// Makes a sprint of two issues, of which the first waits for the second; with an answer to its fork it has none any more.
const ARCHITECT: &str = r###"case $FORGEHAND_STEP in
    write) forks='1. Mail or a password?'; if asked_for 'ANSWER: mail'; then asked_for 'It is `sprints/sign-in.md`' && forks=''; fi
        cat >"$FORGEHAND_RESULT" <<END
{"title":"Sign in","slug":"sign-in","enables":"They come back.","today":"Nothing.","complexity":"Little.","risks":"Mail is lost.",
 "cost":"Two issues.","recommendation":"Do it.","forks":"$forks","issues":[
 {"id":"form","title":"Add a form","body":"It asks.\n\n\`\`\`\n[[issue]]\n\`\`\`","labels":["feature"],"depends_on":["mail"]},
 {"id":"mail","title":"Send mail","body":"It \"arrives\".","labels":[],"depends_on":[]}]}
END
    ;;
esac"###;

async fn rig(test: &'static str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, ARCHITECT)).mode(forgehand::sandbox::Mode::None);
    let rig = plan.project("formulas = [\"triage\", \"architect\"]").rig().await.expect("it needs nothing");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    let file = SeedFile { path: "README.md", content: "# Operations\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    rig
}

/// A vision, and the pull request that asks for its sprint.
async fn asked(rig: &Rig) -> (u64, PullView) {
    let vision = rig.issue("People can sign in", "They come back to what they left.", &["vision"]).await;
    rig.once().await;
    let pulls = rig.seed.pulls(OPS).expect("the pull requests");
    assert_eq!(pulls.len(), 1, "{}", rig.story());
    (vision, pulls.into_iter().next().expect("one"))
}

async fn says(rig: &Rig, login: &str, number: u64, body: &str) {
    let path = format!("repos/{REPO}/issues/{number}/comments");
    rig.seed.api(login, "POST", &path, json!({ "body": body })).await.expect("a comment");
    rig.once().await;
}

/// The issues that we filed, oldest first.
fn filed(rig: &Rig) -> Vec<IssueView> {
    let mut all = rig.seed.issues(REPO).expect("the issues");
    all.retain(|issue| issue.author == "bot");
    all.sort_by_key(|issue| issue.number);
    all
}

fn titles(rig: &Rig) -> Vec<String> {
    filed(rig).into_iter().map(|issue| issue.title).collect()
}

async fn sprint(rig: &Rig, of: &PullView) -> String {
    in_ops(rig, &["show", &format!("origin/{}:sprints/sign-in.md", of.head)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vision_becomes_a_sprint_whose_issues_are_filed_when_it_is_accepted() {
    let rig = rig("architect::accepted").await;
    let (vision, pull) = asked(&rig).await;
    let text = sprint(&rig, &pull).await;
    for words in [
        "# Sign in\n",
        "## What exists today\n\nNothing.",
        "## Forks\n\n1. Mail",
        "vision = \"owner/app#1\"",
        "<!-- filer:end -->",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(rig.said(vision, "A sprint is proposed").len(), 1, "{:#?}", rig.comments(vision));
    rig.once().await;
    assert_eq!((rig.turns("write"), titles(&rig).len()), (1, 0), "while it waits, nothing is asked: {}", rig.story());

    // Who may not write here decides nothing.
    says(&rig, "reporter", vision, "ACCEPT, please").await;
    assert_eq!(titles(&rig), Vec::<String>::new(), "{}", rig.story());

    // What a person changed in the pull request is what is filed.
    let clone = ops_clone(&rig).await;
    git_in(&clone, &["checkout", "-q", &pull.head]).await;
    let file = clone.path().join("sprints/sign-in.md");
    std::fs::write(&file, text.replace("Send mail", "Send a mail")).expect("a file");
    git_in(&clone, &["commit", "-qam", "One mail"]).await;
    git_in(&clone, &["push", "-q", "origin", &pull.head]).await;

    says(&rig, "owner", vision, "ACCEPT.").await;
    assert_eq!(titles(&rig), ["Send a mail", "Add a form"], "{}", rig.story());
    let issues = filed(&rig);
    assert!(issues[1].body.starts_with(&format!("Part of #{vision}. Depends on #{}.", issues[0].number)), "{}", issues[1].body);
    assert!(issues[1].labels.contains(&"feature".to_owned()) && issues[1].labels.contains(&"portal".to_owned()), "{issues:?}");
    assert!(issues[1].body.contains("```\n[[issue]]\n```"), "{}", issues[1].body);
    assert_eq!(rig.labels(vision), ["sprint-filed"]);
    assert_eq!(rig.said(vision, "The sprint is filed").len(), 1, "{:#?}", rig.comments(vision));

    says(&rig, "owner", vision, "ACCEPT").await;
    assert_eq!(titles(&rig).len(), 2, "each is filed once: {}", rig.story());
    assert_eq!(rig.turns("write"), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_sprint_is_filed_without_a_word_and_once_also_where_the_journal_is_lost() {
    let rig = rig("architect::merged").await;
    let (vision, pull) = asked(&rig).await;
    rig.seed.merge_pull(OPS, "owner", pull.issue.number).await.expect("merged");
    // What the label does again after six hours, it does at once where it is put on anew.
    rig.seed.remove_label(REPO, "owner", vision, "vision").await.expect("a label");
    rig.once().await;
    rig.seed.add_label(REPO, "owner", vision, "vision").await.expect("a label");
    rig.once().await;
    assert_eq!(titles(&rig), ["Send mail", "Add a form"], "{}", rig.story());

    rig.seed.close(REPO, "owner", filed(&rig)[0].number).await.expect("closed");
    rig.seed.add_label(REPO, "owner", vision, "vision").await.expect("a label");
    let other = rig.another_journal();
    rig.run_with(&other, &["once"]).await.ok();
    assert_eq!(titles(&rig).len(), 2, "found by their marks, closed ones too: {:#?}", rig.comments(vision));
    assert_eq!((rig.labels(vision), rig.turns("write")), (vec!["sprint-filed".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_fork_is_written_into_the_pull_request_that_stands_and_a_rejection_closes() {
    let rig = rig("architect::answered").await;
    let (vision, pull) = asked(&rig).await;
    let tried = rig.run(&["formula", "run", "architect", "--issue", &vision.to_string(), "--dry-run"]).await.ok().out;
    assert!(!tried.contains("-- prompt") && tried.contains("ends as no-change"), "what is asked for is read: {tried}");
    says(&rig, "owner", vision, "ANSWER: mail").await;
    let pulls = rig.seed.pulls(OPS).expect("the pull requests");
    assert_eq!(pulls.len(), 1, "{}", rig.story());
    assert_ne!(pulls[0].head_sha, pull.head_sha);
    let text = sprint(&rig, &pull).await;
    assert!(text.contains("## Forks\n\nNone."), "{text}\n{}", rig.story());
    assert_eq!((rig.turns("write"), titles(&rig).len()), (2, 0), "{}", rig.story());

    says(&rig, "owner", vision, "REJECT. Not this year.").await;
    assert!(!rig.issue_now(vision).open, "{}", rig.story());
    assert_eq!((rig.said(vision, "The sprint is rejected").len(), titles(&rig).len()), (1, 0), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_cannot_be_read_is_told_with_its_line() {
    let rig = rig("architect::broken").await;
    let (vision, pull) = asked(&rig).await;
    let text = sprint(&rig, &pull).await;
    let line = 1 + text.lines().position(|line| line.starts_with("depends_on = [\"mail\"]")).expect("the line");
    let clone = ops_clone(&rig).await;
    git_in(&clone, &["checkout", "-q", &pull.head]).await;
    std::fs::write(clone.path().join("sprints/sign-in.md"), text.replace("[\"mail\"]", "[\"mial\"]")).expect("a file");
    git_in(&clone, &["commit", "-qam", "Oops"]).await;
    git_in(&clone, &["push", "-q", "origin", &pull.head]).await;
    says(&rig, "owner", vision, "ACCEPT").await;
    let told = rig.said(vision, "cannot be filed");
    assert!(told.len() == 1 && told[0].contains(&format!("sprints/sign-in.md:{line}:")), "{told:?}\n{}", rig.story());
    assert_eq!(titles(&rig).len(), 0);
}

/// Killed as soon as this many of these were intended, whatever the forge has of them.
async fn killed_at(test: &'static str, nth: usize, keeps: bool) {
    let rig = rig(test).await;
    let number = if keeps {
        rig.issue("People can sign in", "They come back to what they left.", &["vision"]).await
    } else {
        let (vision, _) = asked(&rig).await;
        rig.seed.comment(REPO, "owner", vision, "ACCEPT").await.expect("a comment");
        vision
    };
    let intended = |event: &Event| match event {
        Event::Intended { intent: Intent::Keep { .. }, .. } => keeps,
        Event::Intended { intent: Intent::File { .. }, .. } => !keeps,
        _ => false,
    };
    let daemon = rig.start(&["run"]);
    until("an intent", || (rig.records().iter().filter(|record| intended(&record.event)).count() >= nth).then_some(())).await;
    daemon.kill().await;
    if keeps {
        rig.once().await;
        assert_eq!(rig.seed.pulls(OPS).expect("the pull requests").len(), 1, "{}", rig.story());
        assert_eq!(rig.said(number, "A sprint is proposed").len(), 1, "{}", rig.story());
        return;
    }
    rig.once().await;
    assert_eq!(titles(&rig), ["Send mail", "Add a form"], "killed at {nth}: {}", rig.story());
    assert_eq!(rig.said(number, "The sprint is filed").len(), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_while_it_files_or_asks_doubles_nothing() {
    tokio::join!(
        killed_at("architect::dies_at_the_first", 1, false),
        killed_at("architect::dies_at_the_second", 2, false),
        killed_at("architect::dies_as_it_asks", 1, true),
    );
}
