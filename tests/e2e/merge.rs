//! The way to merged: what is low goes without a person where the project says so, the rest by the word that its tier asks for.

use forgehand::model::{Event, Intent, IssueNumber, Subject};
use serde_json::json;

use crate::agents::person;
use crate::rig::veil::{Answers, Changes, Veil};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE};

/// Repairs; in an issue about a manifest that, in one about a container that.
pub const FIX: &str = r#"if asked_for manifest; then echo '{"name":"app"}' >package.json; fi
    if asked_for container; then echo 'FROM scratch' >Dockerfile; fi
    repair; commit 'Add properly'; answer done 'add.sh adds now.'"#;

async fn rig(test: &'static str, lines: &str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, FIX)).daemon("poll = \"1s\"").project(lines);
    let rig = plan.rig().await?;
    person(&rig, "judge", "write").await;
    person(&rig, "stranger", "read").await;
    Some(rig)
}

/// A person approves: what it stands at, or a commit.
pub async fn review(rig: &Rig, pull: u64, by: &str, of: Option<&str>) {
    let review = json!({ "event": "APPROVED", "body": "", "commit_id": of });
    rig.seed.api(by, "POST", &format!("repos/{REPO}/pulls/{pull}/reviews"), review).await.expect("a review");
}

/// Files an issue and looks until it has its pull request, whose number it answers with.
pub async fn opened(rig: &Rig, about: &str) -> (u64, u64) {
    let number = rig.issue("Total is wrong", &format!("2 and 2 gives 5, see the {about}"), &["claude-queue"]).await;
    for _ in 0..12 {
        rig.once().await;
        let at = Subject { repo: REPO.parse().expect("a name"), issue: IssueNumber(number) };
        let asked =
            |event: &Event| matches!(event, Event::Intended { subject, intent: Intent::OpenPull { .. }, .. } if *subject == at);
        if rig.records().iter().any(|r| asked(&r.event)) {
            let pull = rig.pulls().last().expect("a pull request").issue.number;
            return (number, pull);
        }
    }
    panic!("no pull request was opened: {}", rig.story());
}

fn is_merged(rig: &Rig, number: u64) -> bool {
    !rig.issue_now(number).open && !rig.pulls().iter().any(|pull| pull.issue.open)
}

/// Why it waits, as the board says it.
pub async fn waits(rig: &Rig, number: u64) -> String {
    rig.row(number).await["waiting"]["reason"].as_str().unwrap_or_default().to_owned()
}

/// Looks until it waits for that.
pub async fn comes_to_wait(rig: &Rig, number: u64, words: &str) {
    for _ in 0..12 {
        rig.once().await;
        if waits(rig, number).await.contains(words) {
            return;
        }
    }
    panic!("it does not wait for {words:?} but: {}\n{}", waits(rig, number).await, rig.story());
}

/// Looks until it is merged.
pub async fn comes_to_be_merged(rig: &Rig, number: u64) {
    for _ in 0..12 {
        rig.once().await;
        if is_merged(rig, number) {
            return;
        }
    }
    panic!("it is not merged: {}\n{}", waits(rig, number).await, rig.story());
}

/// How often a merge was begun.
pub fn merges(rig: &Rig) -> usize {
    rig.records().iter().filter(|r| matches!(&r.event, Event::Intended { intent: Intent::Merge { .. }, .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_low_is_merged_without_a_person_and_nothing_else_is() {
    let Some(rig) = rig("merge::what_is_low", "merge = \"low\"\nreview = \"off\"").await else { return };
    let (number, _) = opened(&rig, "code").await;
    comes_to_be_merged(&rig, number).await;
    rig.once().await;
    assert_eq!((merges(&rig), rig.branch("claude/issue-1")), (1, None), "{}", rig.story());
    rig.assert_status(number, "**Merged**");
    let evidence = "passed.";
    assert_eq!(rig.said(number, evidence).len(), 1, "what it was verified by: {:#?}", rig.comments(number));
    assert!(rig.said(number, evidence)[0].contains("`sh ./test.sh`"), "{:#?}", rig.comments(number));

    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "for a person to merge it").await;
    assert!(waits(&rig, number).await.contains("(medium blast radius)"));
    review(&rig, pull, "owner", None).await;
    for _ in 0..3 {
        rig.once().await;
    }
    assert!(rig.issue_now(number).open, "nobody asked forgehand to: {}", rig.story());
    let explained = rig.run(&["explain", &number.to_string()]).await.ok().out;
    assert!(explained.contains("package.json") && explained.contains("`merge` in [[project]]"), "{explained}");
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a person merges");
    comes_to_be_merged(&rig, number).await;
    assert_eq!(merges(&rig), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_medium_waits_for_somebody_who_may_write() {
    let Some(rig) = rig("merge::what_is_medium", "merge = \"policy\"").await else { return };
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "(medium blast radius) waits for an approval").await;
    review(&rig, pull, "stranger", None).await;
    for _ in 0..3 {
        rig.once().await;
    }
    assert!(waits(&rig, number).await.contains("waits for an approval"), "{}", rig.story());
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
    assert!(rig.story().contains("approved by judge"), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_sent_to_another_base_is_not_merged_there_by_what_was_known_of_the_first() {
    let Some(rig) = rig("merge::another_base", "merge = \"policy\"").await else { return };
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "waits for an approval").await;
    let branch = json!({ "new_branch_name": "release", "old_branch_name": "main" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/branches"), branch).await.expect("a branch");
    let (release, main) = (rig.branch("release"), rig.branch("main"));
    let path = format!("repos/{REPO}/pulls/{pull}");
    rig.seed.api("owner", "PATCH", &path, json!({ "base": "release" })).await.expect("sent there");
    review(&rig, pull, "judge", None).await;
    comes_to_wait(&rig, number, "it goes to release by now").await;
    for _ in 0..2 {
        rig.once().await;
    }
    assert!(rig.issue_now(number).open && rig.pulls()[0].issue.open, "{}", rig.story());
    assert_eq!((rig.branch("release"), rig.branch("main")), (release, main), "{}", rig.story());
    // What a person merges there is obeyed.
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a person merges");
    comes_to_be_merged(&rig, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_verified_on_an_older_base_is_not_merged_also_when_it_is_approved() {
    let Some(rig) = rig("merge::an_older_base", "merge = \"policy\"").await else { return };
    let (number, pull) = opened(&rig, "manifest").await;
    let commit = json!({ "branch": "main", "content": "aGk=", "message": "Meanwhile" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/meanwhile.txt"), commit).await.expect("a commit");
    review(&rig, pull, "judge", None).await;
    comes_to_wait(&rig, number, "moved on since").await;
    assert!(waits(&rig, number).await.contains("update"), "it says which formula brings it up: {}", waits(&rig, number).await);
    assert!(rig.issue_now(number).open && merges(&rig) == 0, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_on_is_brought_up_verified_and_asked_about_again() {
    let lines = "formulas = [\"triage\", \"fix\", \"update\"]\nmerge = \"policy\"";
    let Some(rig) = rig("merge::what_moved_on", lines).await else { return };
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "waits for an approval").await;
    let commit = |branch: &str| json!({ "branch": branch, "content": "aGk=", "message": "Meanwhile" });
    let path = |name: &str| format!("repos/{REPO}/contents/{name}");
    rig.seed.api("owner", "POST", &path("meanwhile.txt"), commit("main")).await.expect("a commit");
    review(&rig, pull, "judge", None).await;
    let first = rig.branch("claude/issue-1").expect("the branch");
    moves_on_and_asks(&rig, number, &first).await;
    assert!(rig.story().contains("with its base merged it is"), "{}", rig.story());
    let head = rig.commit(&rig.branch("claude/issue-1").expect("the branch")).await;
    let parents = head["parents"].as_array().map(Vec::len);
    assert_eq!((parents, head["parents"][0]["sha"].as_str()), (Some(2), Some(first.as_str())), "{head}");

    // What a person pushes is verified too, and nothing is merged by the word of somebody who saw less.
    let second = rig.branch("claude/issue-1").expect("the branch");
    rig.seed.api("judge", "POST", &path("more.txt"), commit("claude/issue-1")).await.expect("a commit");
    moves_on_and_asks(&rig, number, &second).await;
    assert_eq!(merges(&rig), 0, "{}", rig.story());
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
    assert_eq!(merges(&rig), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_together_with_its_base_goes_to_an_agent_once_and_is_merged_by_a_word_for_what_came_of_it() {
    let lines = "formulas = [\"triage\", \"fix\", \"update\", \"revise\"]\nmerge = \"policy\"";
    // It has read what fails.
    let revise = r#"asked_for 'the sum of three' && asked_for 'git sees no conflict' || exit 1
      trunk=$(printf '%s' "$prompt" | sed -n 's/^    git merge \([0-9a-f]\{40\}\)$/\1/p')
      git -c user.name=M -c user.email=m@example.test merge -q --no-edit "$trunk"
      echo 'echo $(($1 + $2 + ${3:-0}))' >add.sh; commit 'Add three too'
      printf '{"outcome":"done","summary":"It adds three.","answers":[]}' >"$FORGEHAND_RESULT""#;
    let script = format!("case $FORGEHAND_FORMULA in revise) {revise} ;; *) {FIX} ;; esac");
    let plan = Plan::new("merge::not_together").agent(Agent::scripted(TRIAGE, &script)).daemon("poll = \"1s\"").project(lines);
    let Some(rig) = plan.rig().await else { return };
    person(&rig, "judge", "write").await;
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "waits for an approval").await;

    let path = format!("repos/{REPO}/contents/test.sh");
    let there = rig.seed.api("owner", "GET", &path, json!(null)).await.expect("the file");
    let text = "test \"$(sh add.sh 2 2)\" = 4\ntest \"$(sh add.sh 1 2 3)\" = 6 || { echo the sum of three; exit 1; }\n";
    let content = crate::revise::forgehand_base64(text);
    let change = json!({ "branch": "main", "content": content, "message": "Three", "sha": there["sha"] });
    rig.seed.api("owner", "PUT", &path, change).await.expect("a commit on main");
    review(&rig, pull, "judge", None).await;
    let first = rig.branch("claude/issue-1").expect("the branch");
    moves_on_and_asks(&rig, number, &first).await;
    assert_eq!((rig.turns("work"), merges(&rig)), (2, 0), "{}", rig.story());
    assert_eq!(rig.row(number).await["attempts"], 0, "it is nobody's failed attempt: {}", rig.story());
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_the_base_requires_is_waited_for_whatever_else_is_green() {
    let Some(rig) = rig("merge::a_check_that", "merge = \"low\"\nreview = \"off\"").await else { return };
    let rule =
        json!({ "rule_name": "main", "enable_status_check": true, "status_check_contexts": ["ci/build"], "enable_push": true });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/branch_protections"), rule).await.expect("a rule");
    let (number, pull) = opened(&rig, "code").await;
    let head = rig.branch("claude/issue-1").expect("the branch");
    let tell = async |context: &str| {
        let green = json!({ "state": "success", "context": context, "description": "Successful in 1s" });
        rig.seed.api("owner", "POST", &format!("repos/{REPO}/statuses/{head}"), green).await.expect("a status");
    };
    tell("lint").await;
    comes_to_wait(&rig, number, "ci/build").await;
    for _ in 0..3 {
        rig.once().await;
    }
    assert!(rig.issue_now(number).open && merges(&rig) == 0, "{}", rig.story());
    tell("ci/build").await;
    // What moves it has it read anew at once.
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
    assert_eq!(merges(&rig), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_that_only_begin_with_a_pull_request_are_waited_for() {
    let Some(rig) = rig("merge::checks_that_only_begin", "merge = \"low\"\nreview = \"off\"").await else { return };
    let text = "on: pull_request\njobs: {}\n";
    let commit = json!({ "content": crate::revise::forgehand_base64(text), "message": "Check what is asked for" });
    let path = format!("repos/{REPO}/contents/.forgejo/workflows/ci.yml");
    rig.seed.api("owner", "POST", &path, commit).await.expect("a workflow");
    let (number, pull) = opened(&rig, "code").await;
    comes_to_wait(&rig, number, "none has reported yet").await;
    for _ in 0..3 {
        rig.once().await;
    }
    assert!(rig.issue_now(number).open && merges(&rig) == 0, "nothing was told of its base either: {}", rig.story());
    let head = rig.branch("claude/issue-1").expect("the branch");
    let green = json!({ "state": "success", "context": "ci / test (pull_request)", "description": "Successful in 1s" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/statuses/{head}"), green).await.expect("a status");
    // What moves it has it read anew at once.
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
    assert_eq!(merges(&rig), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_another_commit_is_none_also_while_the_forge_calls_it_fresh() {
    let Some(rig) = rig("merge::called_fresh", "merge = \"policy\"").await else { return };
    let (number, pull) = opened(&rig, "manifest").await;
    comes_to_wait(&rig, number, "waits for an approval").await;
    review(&rig, pull, "judge", None).await;
    let path = format!("repos/{REPO}/pulls/{pull}/reviews");
    let real = rig.seed.api("owner", "GET", &path, json!(null)).await.expect("the reviews");
    let mut early = real.clone();
    early[0]["commit_id"] = json!(rig.branch("main").expect("main"));
    assert_eq!((&early[0]["stale"], &early[0]["official"]), (&json!(false), &json!(true)), "{early:#}");
    let answers = Answers::default();
    answers.add(&format!("/pulls/{pull}/reviews"), early);
    let veil = Veil::changing(&rig.forge.url(), Changes { answers: answers.clone(), ..Changes::default() }).await;
    rig.reconfigure(&rig.forge.url(), &veil.url);
    for _ in 0..4 {
        rig.once().await;
    }
    assert!(waits(&rig, number).await.contains("waits for an approval"), "{}", rig.story());
    assert!(rig.issue_now(number).open && merges(&rig) == 0, "{}", rig.story());
    rig.reconfigure(&veil.url, &rig.forge.url());
    // What moves it has it read anew.
    review(&rig, pull, "judge", None).await;
    comes_to_be_merged(&rig, number).await;
}

/// Looks until another head waits for an approval.
async fn moves_on_and_asks(rig: &Rig, number: u64, from: &str) {
    for _ in 0..20 {
        rig.once().await;
        let moved = rig.branch("claude/issue-1").is_some_and(|head| head != from);
        if moved && waits(rig, number).await.contains("waits for an approval") {
            return;
        }
    }
    panic!("it does not ask again but: {}\n{}", waits(rig, number).await, rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_high_waits_for_an_approver_and_an_approval_of_an_older_head_is_none() {
    let Some(rig) = rig("merge::what_is_high", "merge = \"policy\"").await else { return };
    let (number, pull) = opened(&rig, "container").await;
    comes_to_wait(&rig, number, "(high blast radius) waits for the approval of an administrator").await;
    review(&rig, pull, "judge", None).await;
    for _ in 0..3 {
        rig.once().await;
    }
    assert!(waits(&rig, number).await.contains("of an administrator"), "{}", rig.story());

    // Somebody pushes, and the owner approves what was before.
    let old = rig.branch("claude/issue-1").expect("the branch");
    let path = format!("repos/{REPO}/contents/more.txt");
    let commit = json!({ "branch": "claude/issue-1", "content": "aGk=", "message": "More" });
    rig.seed.api("judge", "POST", &path, commit).await.expect("a commit");
    review(&rig, pull, "owner", Some(&old)).await;
    // Whoever may write may say that everything is green.
    let pushed = rig.branch("claude/issue-1").expect("the branch");
    for context in ["forgehand/verify", "ci/build"] {
        let green = json!({ "state": "success", "context": context, "description": "Successful in 1s" });
        rig.seed.api("judge", "POST", &format!("repos/{REPO}/statuses/{pushed}"), green).await.expect("a status");
    }
    comes_to_wait(&rig, number, "which forgehand did not verify").await;
    review(&rig, pull, "owner", None).await;
    for _ in 0..3 {
        rig.once().await;
    }
    assert!(rig.issue_now(number).open && merges(&rig) == 0, "nobody has verified it: {}", rig.story());
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a person merges");
    comes_to_be_merged(&rig, number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_review_role_lets_pass_what_is_low() {
    let review = r#"case $FORGEHAND_STEP in read) echo '{"verdict":"approve","summary":"It adds.","findings":[]}' >"$FORGEHAND_RESULT" ;; *)"#;
    let agent = Agent::scripted(TRIAGE, &format!("{review} {FIX} ;; esac"));
    let plan = Plan::new("merge::the_review_role").agent(agent).daemon("poll = \"1s\"");
    let lines = "formulas = [\"triage\", \"fix\", \"review\"]\nmerge = \"low\"";
    let Some(rig) = plan.project(lines).rig().await else { return };
    person(&rig, "judge", "write").await;
    let section = "[agents.judge]\nroles = [\"review\"]\ntoken_file = \"token-judge\"\n";
    rig.reconfigure("\n[sandbox]", &format!("\n{section}\n[sandbox]"));
    let (number, _) = opened(&rig, "code").await;
    comes_to_be_merged(&rig, number).await;
    assert!(rig.story().contains("approved by judge (ours)"), "{}", rig.story());
}
