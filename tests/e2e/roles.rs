//! Roles that are shipped and off by default, about the project: run by hand, as their schedules would.

use serde_json::json;

use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE};

const SCRIPT: &str = r##"case $FORGEHAND_STEP in
    look) if asked_for 'keep the open issues'; then cat >"$FORGEHAND_RESULT" <<'END'
{"summary":"One question, one double.","underspecified":[{"number":1,"question":"Which command?"}],
 "duplicates":[{"number":3,"of":2,"why":"Both are about the sum."}],"stale":[],"awake":[],"promote":[2],"debt":[]}
END
      else cat >"$FORGEHAND_RESULT" <<'END'
{"summary":"The history.","predictions":[{"title":"The disk is full by spring","expect":"Writes fail.","evidence":["a.sh:1 keeps everything"],
 "chance":"even","harm":"high","act":"Remove what is old."}]}
END
      fi ;;
esac"##;

async fn rig(test: &'static str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, SCRIPT)).daemon("poll = \"1h\"");
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"groom\", \"predict\"]").rig().await?;
    for (title, body) in [("It is slow", "Sometimes."), ("Sum is wrong", "2 and 2 gives 5."), ("Wrong totals", "One too many.")] {
        rig.issue(title, body, &[]).await;
    }
    rig.once().await;
    Some(rig)
}

#[tokio::test(flavor = "multi_thread")]
async fn groom_asks_on_the_issues_themselves_and_says_it_once() {
    let Some(rig) = rig("roles::groom").await else { return };
    for (nth, turns) in [(1, 1), (2, 1), (3, 2)] {
        if nth == 3 {
            rig.seed.comment(REPO, "owner", 2, "It is still so.").await.expect("a comment");
        }
        rig.run(&["formula", "run", "groom"]).await.ok();
        rig.once().await;
        assert_eq!(rig.turns("look"), turns, "what it did itself is no news: {}", rig.story());
    }
    assert_eq!((rig.said(1, "Which command?").len(), rig.said(3, "This looks like #2.").len()), (1, 1), "{}", rig.story());
    assert_eq!((rig.labels(1), rig.labels(3)), (vec!["underspecified".to_owned()], vec!["duplicate".to_owned()]));
    assert_eq!((rig.labels(2), rig.comments(2).len()), (Vec::new(), 1), "what is fine is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn groom_closes_once_what_all_parts_of_are_closed_of_and_believes_no_stranger() {
    let Some(rig) = rig("roles::groom_closes").await else { return };
    let issues = format!("repos/{REPO}/issues");
    let file = async |by: &str, title: &str, body: &str| {
        let filed = rig.seed.api(by, "POST", &issues, json!({ "title": title, "body": body })).await.expect("filed");
        filed["number"].as_u64().expect("a number")
    };
    let turn = async |number: u64, state: &str| {
        let path = format!("{issues}/{number}");
        rig.seed.api("owner", "PATCH", &path, json!({ "state": state })).await.expect("turned");
    };
    let groom = async || {
        rig.run(&["formula", "run", "groom"]).await.ok();
        rig.once().await;
    };
    let half = file("owner", "One half", "Of it.").await;
    let listed = file("owner", "Two halves", &format!("- [ ] #{half} the first\n")).await;
    let split = file("owner", "Split by an agent", "Large.").await;
    let part = file("bot", "A part", &format!("Part of #{split}.\n\nDo it.")).await;
    // A stranger may write what he likes, and close what is his.
    let lie = file("owner", "A lie", "Part of #2.").await;
    turn(lie, "closed").await;
    turn(part, "closed").await;

    groom().await;
    let open = |number: u64| rig.issue_now(number).open;
    assert_eq!((open(split), open(listed), open(2)), (false, true, true), "{}", rig.story());
    assert_eq!(rig.said(split, &format!("- #{part}")).len(), 1, "{:?}", rig.comments(split));

    turn(half, "closed").await;
    turn(split, "open").await;
    groom().await;
    assert_eq!((open(split), open(listed), open(2)), (true, false, true), "what somebody opened again stays: {}", rig.story());
    assert!(rig.labels(listed).contains(&"parts-done".to_owned()), "{:?}", rig.labels(listed));
}

#[tokio::test(flavor = "multi_thread")]
async fn predict_files_what_it_says_and_stops_when_enough_is_open() {
    let Some(rig) = rig("roles::predict").await else { return };
    let predict = async || {
        rig.run(&["formula", "run", "predict"]).await.ok();
        rig.once().await;
    };
    for nth in 1..=6 {
        predict().await;
        if nth == 1 {
            // What it filed itself is no news.
            predict().await;
            assert_eq!(rig.turns("look"), 1, "nothing moved, and nobody is asked: {}", rig.story());
        }
        rig.seed.comment(REPO, "owner", 2, "It is still so.").await.expect("a comment");
    }
    let filed = || (4..9).filter(|number| rig.labels(*number) == ["prediction"]).count();
    assert_eq!((filed(), rig.turns("look")), (5, 5), "the sixth time nobody is asked: {}", rig.story());
    let first = rig.issue_now(4);
    assert_eq!(first.title, "Prediction: The disk is full by spring");
    assert!(first.body.contains("a.sh:1 keeps everything") && first.author == "bot", "{first:?}");
}
