//! The way of a bug report: triage, a failing test that is proved to fail, the fix, and the same test on the merged base.

use forgehand::model::{Event, RunOutcome};
use serde_json::{Value, json};

use crate::rig::{Agent, Plan, REPO, Rig, until};

/// Triage that does not see the cause of a bug.
const UNCLEAR: &str = r#"route queue
sed -i 's/"questions"/"bug":{"cited":false,"visible":false,"one_place":true,"stateless":true},"questions"/' "$FORGEHAND_RESULT""#;

/// Everybody else. Whoever mends finds the test that was kept, in the prompt and in the repository.
const SCRIPT: &str = r#"reproduced() {
    printf '{"reproduced":true,"commands":["%s"],"prints":"%s","summary":"3 and 3 should give 6.","questions":[]}' "$1" "$2" >"$FORGEHAND_RESULT"
}
case $FORGEHAND_STEP in
    write)
        mkdir -p t
        echo 'got=$(sh add.sh 3 3); test "$got" = 6 || { echo "3 and 3 gave $got, not 6"; exit 1; }' >t/sum.sh
        commit 'Show that the sum is wrong'
        reproduced 'sh t/sum.sh' 'gave 5, not 6'
    ;;
    look)
        asked_for 'sh t/sum.sh'
        cat >"$FORGEHAND_RESULT" <<'END'
{"found": true, "symptom": "3 and 3 gives 5.", "where": ["add.sh:1"], "since": "", "why": "add.sh says 5.", "reach": "",
 "change": {"title": "Let add.sh add", "body": "It has to add.", "acceptance": ["sh t/sum.sh passes"]}}
END
    ;;
    work)
        asked_for 'sh t/sum.sh'
        sha=$(printf '%s\n' "$prompt" | sed -n 's/.*`git diff [0-9a-f]* \([0-9a-f]*\)`.*/\1/p' | head -1)
        git show "$sha:t/sum.sh" >/dev/null
        repair; commit 'Add properly'; answer done 'It adds.'
    ;;
esac"#;

fn plan(test: &'static str, script: &str, formulas: &str) -> Plan {
    let plan = Plan::new(test).agent(Agent::scripted(UNCLEAR, script)).daemon("poll = \"1s\"");
    plan.project(&format!("formulas = [\"triage\", \"fix\", {formulas}]"))
}

async fn api(rig: &Rig, method: &str, path: &str, body: Value) -> Value {
    rig.seed.api("owner", method, &format!("repos/{REPO}/{path}"), body).await.expect("an answer")
}

async fn merge(rig: &Rig, number: u64) {
    let pull = rig.pulls().into_iter().find(|pull| pull.head == format!("claude/issue-{number}"));
    let pull = pull.unwrap_or_else(|| panic!("a pull request of #{number}\n{}", rig.story()));
    let body = &pull.issue.body;
    assert!(body.contains("`sh t/sum.sh` passed"), "the fix was tried with the reproduction: {body}");
    rig.seed.merge_pull(REPO, "owner", pull.issue.number).await.expect("a merge");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_that_is_not_clear_is_reproduced_mended_and_tried_again() {
    let plan = plan("reproduce::chain", SCRIPT, "\"reproduce\", \"verify-fix\"");
    let Some(rig) = plan.rig().await else { return };
    let bug = rig.issue("Sums are wrong", "Something with sums.", &["portal", "bug-report"]).await;
    let tried = rig.run(&["formula", "run", "reproduce", "--issue", "1", "--dry-run"]).await.ok();
    assert!(tried.out.contains("claude/issue-1-reproduce") && tried.out.contains("as it is to"), "{}", tried.out);
    rig.once().await;

    let kept = rig.branch(&format!("claude/issue-{bug}-reproduce")).unwrap_or_else(|| panic!("a branch\n{}", rig.story()));
    let told = rig.said(bug, "### Reproduced");
    assert_eq!(told.len(), 1, "{:#?}", rig.comments(bug));
    assert!(told[0].contains(&kept) && told[0].contains("3 and 3 gave 5, not 6"), "{}", told[0]);
    assert_eq!(rig.commit(&kept).await["commit"]["author"]["name"], "Robot");
    assert_eq!(rig.pulls().len(), 1, "of the fix alone: {}", rig.story());
    assert!(rig.said(bug, "cause visible in the code: no").len() == 1, "{:#?}", rig.comments(bug));
    assert_eq!(rig.labels(bug), ["bug-report", "claude-pr"], "{}", rig.story());

    merge(&rig, bug).await;
    rig.once().await;
    assert!(!rig.issue_now(bug).open, "{}", rig.story());
    let verified = rig.said(bug, "this is mended");
    assert_eq!(verified.len(), 1, "{:#?}\n{}", rig.comments(bug), rig.story());
    assert!(verified[0].starts_with("@reporter") && verified[0].contains("`sh t/sum.sh` passed"), "{}", verified[0]);
    assert_eq!(rig.claims(), Vec::<String>::new(), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_does_not_hold_on_the_base_opens_the_issue_again() {
    let plan = plan("reproduce::undone", SCRIPT, "\"reproduce\", \"verify-fix\"");
    let Some(rig) = plan.rig().await else { return };
    let bug = rig.issue("Sums are wrong", "Something with sums.", &["portal", "bug-report"]).await;
    rig.once().await;
    merge(&rig, bug).await;
    let there = api(&rig, "GET", "contents/add.sh", Value::Null).await;
    let undo = json!({"content": "ZWNobyA1Cg==", "message": "Undo it", "sha": there["sha"], "branch": "main"});
    api(&rig, "PUT", "contents/add.sh", undo).await;
    rig.once().await;
    assert!(rig.issue_now(bug).open, "{}", rig.story());
    assert_eq!(rig.labels(bug), ["bug-report", "interactive"], "{}", rig.story());
    let said = rig.said(bug, "not mended yet");
    assert!(said.len() == 1 && said[0].contains("3 and 3 gave 5, not 6"), "{:#?}", rig.comments(bug));
    assert_eq!(rig.said(bug, "A person should do this one").len(), 1, "{:#?}", rig.comments(bug));
    rig.once().await;
    assert_eq!(rig.said(bug, "not mended yet").len(), 1, "it is said once: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_diagnose_the_fix_is_an_issue_of_its_own_and_the_bug_waits_for_it() {
    let plan = plan("reproduce::diagnosed", SCRIPT, "\"reproduce\", \"diagnose\", \"verify-fix\"");
    let Some(rig) = plan.rig().await else { return };
    let bug = rig.issue("Sums are wrong", "Something with sums.", &["portal", "bug-report"]).await;
    rig.once().await;
    let fix = rig.seed.issues(REPO).expect("the issues").into_iter().find(|issue| issue.title == "Let add.sh add");
    let fix = fix.unwrap_or_else(|| panic!("the fix is filed\n{}", rig.story())).number;
    assert_eq!(rig.labels(bug), ["bug-report"], "it carries no decision meanwhile: {}", rig.story());
    let waits = rig.row(bug).await["waiting"]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(waits.contains(&format!("#{fix}")), "{waits}\n{}", rig.story());
    merge(&rig, fix).await;
    rig.once().await;
    assert!(!rig.issue_now(fix).open && !rig.issue_now(bug).open, "{}", rig.story());
    assert_eq!((rig.said(bug, "this is mended").len(), rig.said(fix, "this is mended").len()), (1, 0), "{}", rig.story());
    assert_eq!(rig.turns("write"), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fail_on_the_base_for_its_reason_is_no_reproduction() {
    let script = r#"reproduced() {
    printf '{"reproduced":true,"commands":["%s"],"prints":"gave 5, not 6","summary":"It should fail.","questions":[]}' "$1" >"$FORGEHAND_RESULT"
}
echo "note" >>NOTES; commit 'Note'
if asked_for 'not-there.sh'; then
    printf '{"reproduced":true,"commands":["false"],"prints":"gave 5, not 6","summary":"It should fail.","questions":[]}' >"$FORGEHAND_RESULT"
elif asked_for 'does not prove the bug'; then reproduced 'sh not-there.sh'
else reproduced 'sh ./add.sh'
fi"#;
    let Some(rig) = plan("reproduce::passes", script, "\"reproduce\"").rig().await else { return };
    let bug = rig.issue("Sums are wrong", "Something with sums.", &["portal", "bug-report"]).await;
    rig.once().await;
    assert_eq!(rig.turns("write"), 3, "one that passes, one that is not there, one that says nothing: {}", rig.story());
    assert_eq!(rig.branch(&format!("claude/issue-{bug}-reproduce")), None, "nothing that proves nothing is published");
    assert_eq!(rig.said(bug, "### Not reproduced").len(), 1, "{:#?}", rig.comments(bug));
    assert_eq!(rig.labels(bug), ["bug-report", "interactive"], "{}", rig.story());
    let ended = |r: &forgehand::model::Record| matches!(&r.event, Event::RunEnded { outcome: RunOutcome::Routed { .. }, .. });
    assert_eq!(rig.records().iter().filter(|r| ended(r)).count(), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reproduce_a_bug_report_is_queued_where_it_is_clear_and_a_persons_otherwise() {
    let triage = r#"route queue
if asked_for 'add.sh, line 1'; then
    sed -i 's/"questions"/"bug":{"cited":true,"visible":true,"one_place":true,"stateless":true},"questions"/' "$FORGEHAND_RESULT"
elif asked_for 'It is odd'; then route needs-info '"What is odd?"'
fi"#;
    let plan = Plan::new("reproduce::gate").agent(Agent::scripted(triage, crate::rig::FIX)).daemon("poll = \"1s\"");
    let Some(rig) = plan.rig().await else { return };
    let clear = rig.issue("Sums are wrong", "add.sh, line 1 says 5.", &["portal", "bug-report"]).await;
    let unclear = rig.issue("Sums are wrong", "Something with sums.", &["portal", "bug-report"]).await;
    let vague = rig.issue("Odd", "It is odd.", &["portal", "bug-report"]).await;
    let wish = rig.issue("Multiply too", "It should multiply.", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(clear), ["bug-report", "claude-pr"], "{}", rig.story());
    assert_eq!(rig.labels(unclear), ["bug-report", "interactive"], "{}", rig.story());
    assert_eq!(rig.said(unclear, "somebody has to reproduce it first").len(), 1, "{:#?}", rig.comments(unclear));
    assert_eq!(rig.labels(vague), ["bug-report", "needs-info", "underspecified"], "{}", rig.story());
    assert_eq!(rig.labels(wish), ["claude-pr"], "the gate is for bug reports: {}", rig.story());

    // What was missing is there: triage looks again, and takes its label off.
    rig.seed.comment(REPO, "owner", vague, "add.sh, line 1").await.expect("a comment");
    rig.once().await;
    assert_eq!(rig.labels(vague), ["bug-report", "claude-pr"], "{}", rig.story());
}

/// Killed as soon as the forge shows something.
async fn killed_when(name: &'static str, there: impl Fn(&Rig) -> bool) {
    let Some(rig) = plan(name, SCRIPT, "\"reproduce\", \"verify-fix\"").rig().await else { return };
    let bug = rig.issue("Sums are wrong", "Something with sums.", &["portal", "bug-report"]).await;
    let daemon = rig.start(&["run"]);
    until(name, || there(&rig).then_some(())).await;
    daemon.kill().await;
    let daemon = rig.start(&["run"]);
    until("the pull request", || (!rig.pulls().is_empty()).then_some(())).await;
    daemon.kill().await;
    assert_eq!(rig.said(bug, "### Reproduced").len(), 1, "{name}: {:#?}\n{}", rig.comments(bug), rig.story());
    assert_eq!(rig.turns("write"), 1, "{name}: {}", rig.story());
    let kept = rig
        .records()
        .iter()
        .filter(|r| matches!(&r.event, Event::Advanced { how: forgehand::model::Advance::Kept { .. }, .. }))
        .count();
    assert_eq!(kept, 1, "{name}: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_is_kept_and_told_once_wherever_a_daemon_died() {
    tokio::join!(
        killed_when("reproduce::at the branch", |rig| rig.branch("claude/issue-1-reproduce").is_some()),
        killed_when("reproduce::at the comment", |rig| !rig.said(1, "### Reproduced").is_empty()),
    );
}
