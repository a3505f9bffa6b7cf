//! Roles that are shipped and off by default, about the project: run by hand, as their schedules would.

use crate::rig::{Agent, Plan, Rig, TRIAGE};

const SCRIPT: &str = r##"case $FORGEHAND_STEP in
    look) if asked_for 'keep the open issues'; then cat >"$FORGEHAND_RESULT" <<'END'
{"summary":"One question, one double.","underspecified":[{"number":1,"question":"Which command?"}],
 "duplicates":[{"number":3,"of":2,"why":"Both are about the sum."}],"stale":[],"awake":[],"debt":[]}
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
    for _ in 0..2 {
        rig.run(&["formula", "run", "groom"]).await.ok();
        rig.once().await;
    }
    assert_eq!(rig.turns("look"), 2, "{}", rig.story());
    assert_eq!((rig.said(1, "Which command?").len(), rig.said(3, "This looks like #2.").len()), (1, 1), "{}", rig.story());
    assert_eq!((rig.labels(1), rig.labels(3)), (vec!["underspecified".to_owned()], vec!["duplicate".to_owned()]));
    assert_eq!((rig.labels(2), rig.comments(2).len()), (Vec::new(), 0), "what is fine is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn predict_files_what_it_says_and_stops_when_enough_is_open() {
    let Some(rig) = rig("roles::predict").await else { return };
    for _ in 0..6 {
        rig.run(&["formula", "run", "predict"]).await.ok();
        rig.once().await;
    }
    let filed = || (4..9).filter(|number| rig.labels(*number) == ["prediction"]).count();
    assert_eq!((filed(), rig.turns("look")), (5, 5), "the sixth time nobody is asked: {}", rig.story());
    let first = rig.issue_now(4);
    assert_eq!(first.title, "Prediction: The disk is full by spring");
    assert!(first.body.contains("a.sh:1 keeps everything") && first.author == "bot", "{first:?}");
}
