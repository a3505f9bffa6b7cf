//! The shipped review: each head of a pull request is read once, and judged by an identity of its own.

use serde_json::{Value, json};

use crate::agents::person;
use crate::revise::{REVISE, below};
use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE};

/// Finds fault with the first head, and with no other.
fn script() -> String {
    format!(
        r#"case $FORGEHAND_STEP in
    read) if git diff --quiet HEAD~1 -- add.sh; then
        echo '{{"verdict":"approve","summary":"It adds.","findings":[]}}' >"$FORGEHAND_RESULT"
      else
        echo '{{"verdict":"request-changes","summary":"It adds.","findings":[{{"path":"add.sh","line":1,"weight":"must","text":"Quote them."}}]}}' >"$FORGEHAND_RESULT"
      fi ;;
    *) {FIX} ;;
esac"#
    )
}

async fn rig(test: &'static str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, &script())).daemon("poll = \"1s\"");
    plan.project("formulas = [\"triage\", \"fix\", \"review\"]").rig().await
}

async fn reviews(rig: &Rig, pull: u64) -> Vec<(String, String, String)> {
    let all = rig.seed.api("owner", "GET", &format!("repos/{REPO}/pulls/{pull}/reviews"), Value::Null).await.expect("reviews");
    let text = |review: &Value, field: &str| review[field].as_str().unwrap_or_default().to_owned();
    let one = |r: &Value| (r["user"]["login"].as_str().unwrap_or_default().to_owned(), text(r, "state"), text(r, "body"));
    all.as_array().expect("a list").iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_head_of_a_pull_request_is_reviewed_once_by_an_identity_of_its_own() {
    let Some(rig) = rig("review::each_head").await else { return };
    person(&rig, "judge", "write").await;
    let section = "[agents.judge]\nroles = [\"review\"]\ntoken_file = \"token-judge\"\n";
    rig.reconfigure("\n[sandbox]", &format!("\n{section}\n[sandbox]"));
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    rig.once().await;
    let pull = rig.pulls().pop().expect("a pull request");
    let first = reviews(&rig, pull.issue.number).await;
    let [(by, state, body)] = first.as_slice() else { panic!("{first:?}\n{}", rig.story()) };
    assert_eq!((by.as_str(), state.as_str()), ("judge", "REQUEST_CHANGES"), "{}", rig.story());
    assert!(body.contains("**must** `add.sh`, line 1: Quote them."), "{body}");
    assert_eq!(rig.labels(number), ["claude-pr"]);

    // A person mends it: the new head is read again, and that alone.
    let path = format!("repos/{REPO}/contents/note.txt");
    let commit = json!({ "branch": "claude/issue-1", "content": "aGk=", "message": "Note" });
    rig.seed.api("owner", "POST", &path, commit).await.expect("a commit");
    let (mut all, mut more) = (first, 2);
    // Its head is read again when a poll interval is over.
    for _ in 0..40 {
        rig.once().await;
        all = reviews(&rig, pull.issue.number).await;
        more -= u32::from(all.len() > 1);
        if more == 0 {
            break;
        }
    }
    let states: Vec<&str> = all.iter().map(|(_, state, _)| state.as_str()).collect();
    assert_eq!(states, ["REQUEST_CHANGES", "APPROVED"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_identity_of_its_own_the_verdict_is_said_and_does_not_count() {
    let Some(rig) = rig("review::without_an_identity").await else { return };
    rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    rig.once().await;
    let pull = rig.pulls().pop().expect("a pull request");
    let all = reviews(&rig, pull.issue.number).await;
    assert_eq!(all.iter().map(|(by, state, _)| (by.as_str(), state.as_str())).collect::<Vec<_>>(), [("bot", "COMMENT")]);
    assert!(rig.story().contains("may not judge it"), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_review_role_asks_for_is_revised_three_times_and_then_is_a_persons_with_one_comment() {
    let script = format!(
        r#"case $FORGEHAND_FORMULA in
    review) echo '{{"verdict":"request-changes","summary":"Not yet.","findings":[{{"path":"add.sh","line":1,"weight":"must","text":"Quote them."}}]}}' >"$FORGEHAND_RESULT" ;;
    revise) {REVISE} ;;
    *) {FIX} ;;
esac"#
    );
    let plan = Plan::new("review::and_revise").agent(Agent::scripted(TRIAGE, &script)).daemon("poll = \"1s\"");
    let plan = plan.project("formulas = [\"triage\", \"fix\", \"review\", \"revise\"]");
    let Some(rig) = plan.rig().await else { return };
    person(&rig, "judge", "write").await;
    let section = "[agents.judge]\nroles = [\"review\"]\ntoken_file = \"token-judge\"\n";
    rig.reconfigure("\n[sandbox]", &format!("\n{section}\n[sandbox]"));
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    for _ in 0..12 {
        rig.once().await;
        if rig.labels(number) == ["interactive"] {
            break;
        }
    }
    let story = rig.story();
    assert_eq!(rig.labels(number), ["interactive"], "{story}");
    let pull = rig.pulls().pop().expect("a pull request").issue.number;
    let asked = reviews(&rig, pull).await;
    let by_judge = asked.iter().filter(|(by, state, _)| by == "judge" && state == "REQUEST_CHANGES").count();
    assert_eq!((by_judge, asked.len()), (4, 4), "each head once: {asked:#?}\n{story}");
    // Each round is answered where it was asked for, with the words that it is about.
    let said = below(&rig, pull);
    assert_eq!(said.len(), 3, "{said:#?}\n{story}");
    for (round, answer) in said.iter().enumerate() {
        assert!(answer.contains("judge") && answer.contains(&format!("Noted in note-{round}.")), "{answer}");
    }
    let settle = rig.said(number, "A person must settle pull request");
    assert_eq!(settle.len(), 1, "{settle:#?}");
    assert!(settle[0].contains("revised 3 times") && settle[0].contains("judge asks for changes"), "{settle:#?}");
    rig.once().await;
    rig.once().await;
    assert_eq!((below(&rig, pull).len(), reviews(&rig, pull).await.len()), (3, 4), "{}", rig.story());
    assert_eq!(rig.comments(number).into_iter().filter(|said| said.author == "bot").count(), 1, "one comment");
}
