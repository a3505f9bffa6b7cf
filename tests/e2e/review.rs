//! The shipped review: each head of a pull request is read once, and judged by an identity of its own.

use serde_json::{Value, json};

use crate::agents::person;
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
    let mut all = Vec::new();
    for _ in 0..3 {
        rig.once().await;
        all = reviews(&rig, pull.issue.number).await;
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
