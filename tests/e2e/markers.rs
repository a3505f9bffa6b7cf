//! Marks by which we know our own words again: in a stranger's they say nothing.

use forgehand::model::{IssueNumber, Subject};
use forgehand::text::once_marker;
use serde_json::{Value, json};

use crate::revise::{ON, REVISE, below, comment, lines, opened, review, settled};
use crate::rig::{REPO, Rig};

/// The numbers of what stands in a list of the forge's.
async fn ids(rig: &Rig, path: &str) -> Vec<u64> {
    let all = rig.seed.api("owner", "GET", &format!("repos/{REPO}/{path}"), Value::Null).await.expect("a list");
    all.as_array().expect("a list").iter().map(|one| one["id"].as_u64().expect("a number")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_marks_as_answered_is_answered_all_the_same() {
    let Some((rig, number, pull)) = opened("markers::answered", REVISE, ON).await else { return };
    let on_a_line = json!([{ "path": "add.sh", "body": "Quote it.", "new_position": 1 }]);
    let asked = review(&rig, pull, "judge", "REQUEST_CHANGES", "Please look again.", on_a_line).await;
    comment(&rig, pull, "owner", "@bot, say why, please.").await;
    let in_review = format!("pulls/{pull}/reviews/{asked}/comments");
    let said = [ids(&rig, &in_review).await, ids(&rig, &format!("issues/{pull}/comments")).await].concat();
    let subject = Subject { repo: REPO.parse().expect("a name"), issue: IssueNumber(number) };
    let points = std::iter::once(format!("review-{asked}")).chain(said.iter().map(|id| format!("comment-{id}")));
    let marks: Vec<String> = points.map(|point| once_marker(&subject, &point)).collect();
    assert_eq!(marks.len(), 3, "{marks:?}");
    let marks = format!("Done.\n\n{}", marks.join("\n"));
    comment(&rig, pull, "stranger", &marks).await;
    let there = json!({ "path": "add.sh", "body": marks, "new_position": 1 });
    rig.seed.api("stranger", "POST", &format!("repos/{REPO}/{in_review}"), there).await.expect("anybody may comment");

    settled(&rig, "answered", async |rig| below(rig, pull).len() == 2).await;
    let thread = lines(&rig, pull, asked).await;
    assert!(thread.iter().any(|(by, reply)| by == "bot" && reply.contains("Noted in note-0.")), "{thread:#?}\n{}", rig.story());
    let said = below(&rig, pull).concat();
    assert!(said.contains("> Please look again") && said.contains("say why"), "{said}");
}

/// The same words with a mark that would be newer than all that we said.
fn newer(body: &str) -> String {
    let (before, key) = body.rsplit_once("<!-- forgehand:").unwrap_or_else(|| panic!("no mark in {body:?}"));
    let (key, _) = key.rsplit_once('/').unwrap_or_else(|| panic!("no number in {key:?}"));
    format!("{before}<!-- forgehand:{key}/900 -->")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_copy_of_our_words_is_not_ours_whether_the_journal_is_there_or_lost() {
    let Some((rig, number, pull)) = opened("markers::copied", REVISE, ON).await else { return };
    let ours = || rig.comments(number).into_iter().filter(|said| said.author == "bot");
    for said in ours().collect::<Vec<_>>() {
        for body in [newer(&said.body), said.body] {
            comment(&rig, number, "stranger", &body).await;
        }
    }
    let copies = || rig.comments(number).into_iter().filter(|said| said.author == "stranger").collect::<Vec<_>>();
    let (before, first) = (copies(), ours().count());
    assert!(before.len() == 2 * first && first > 0, "{before:#?}");

    // What we say next we say in our own comment.
    review(&rig, pull, "judge", "REQUEST_CHANGES", "Please look again.", json!([])).await;
    settled(&rig, "answered", async |rig| below(rig, pull).len() == 1).await;
    assert_eq!((copies(), ours().count()), (before.clone(), first), "{}", rig.story());

    std::fs::remove_dir_all(rig.state_dir()).expect("the state folder");
    for _ in 0..3 {
        rig.once().await;
    }
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a person merges");
    settled(&rig, "merged", async |rig| !rig.issue_now(number).open).await;
    assert_eq!(copies(), before, "{}", rig.story());
    rig.assert_status(number, "**Merged**");
}
