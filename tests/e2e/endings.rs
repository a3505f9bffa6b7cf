//! How runs end other than well: each ending has its own words, its own price, and leaves its issue where people find it.

use crate::rig::{Agent, Plan, Rig, TRIAGE, now, until};

/// An agent that does what the issue's title names.
const CASES: &str = r#"
if asked_for 'Case: idle'; then answer no-change 'It adds already.'
elif asked_for 'Case: unwilling'; then answer refused 'It would do harm.'
elif asked_for 'Case: uncommitted'; then repair; answer done 'Done.'
elif asked_for 'Case: link'; then ln -s /etc/passwd out; repair; commit 'Add'; answer done 'Done.'
elif asked_for 'Case: large'; then seq 1 60 >big.txt; repair; commit 'Add'; answer done 'Done.'
elif asked_for 'Case: key'; then
    printf 'token = "ghp_%s"\n' "$(printf 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8')" >key.py
    repair; commit 'Add'; answer done 'Done.'
elif asked_for 'Case: wrong'; then echo 'echo 7' >add.sh; commit 'Add'; answer done 'Done.'
elif asked_for 'Case: schema'; then
    mkdir -p db/migrations; echo 'drop table a;' >db/migrations/1.sql; repair; commit 'Add'; answer done 'Done.'
fi
"#;

/// Case, label at the end, words of the status comment.
const ENDINGS: [(&str, &str, &str); 8] = [
    ("idle", "claude-failed", "the agent found nothing to change: It adds already."),
    ("unwilling", "claude-failed", "the agent declined: It would do harm."),
    ("uncommitted", "claude-failed", "the agent's commits were refused: nothing was committed"),
    ("link", "claude-failed", "`out` is a symbolic link that leads out of the repository"),
    ("large", "claude-failed", "changed lines, the limit is 50"),
    ("key", "claude-failed", "`key.py` holds what looks like a secret"),
    ("wrong", "claude-failed", "the verification failed: `sh ./test.sh` ended with exit code 1"),
    ("schema", "interactive", "**A person must decide on this change**, because it touches `db/migrations/1.sql`"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_ending_is_told_by_its_name() {
    let plan = Plan::new("endings::each_ending_is_told").agent(Agent::scripted(TRIAGE, CASES)).daemon("slots = 2");
    let Some(rig) = plan.limits("attempts = 1\ndiff_lines = 50").rig().await else { return };
    let mut numbers = Vec::new();
    for (case, ..) in ENDINGS {
        numbers.push(rig.issue(&format!("Case: {case}"), "2 and 2 gives 5", &["claude-queue"]).await);
    }
    rig.once().await;
    for (number, (case, label, words)) in numbers.iter().copied().zip(ENDINGS) {
        assert_eq!(rig.labels(number), [label], "{case}: {}", rig.story());
        rig.assert_status(number, words);
        rig.assert_status(number, "@reporter");
        let branch = rig.branch(&format!("claude/issue-{number}"));
        assert_eq!(branch.is_some(), case == "schema", "{case}: only what a person must decide on is pushed");
    }
    assert!(rig.pulls().is_empty() && rig.claims().is_empty());
    let everything: String = rig.comments(6).into_iter().map(|c| c.body).collect::<String>() + &rig.story();
    assert!(!everything.contains("a1B2c3D4e5F6"), "the secret itself is not told");
    rig.once().await.silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_that_repeats_waits_each_time_and_then_fails_for_good() {
    let plan = Plan::new("endings::a_crash_that_repeats").agent(Agent::scripted(TRIAGE, "echo boom >&2; exit 3"));
    let Some(rig) = plan.limits("attempts = 3\nbackoff = [\"1s\"]").rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let said = rig.once().await;
    assert!(said.out.contains("attempt 1 failed (crashed); the next one is due at"), "{said:?}\n{}", rig.story());
    assert_eq!(rig.labels(number), ["claude-queue"]);
    rig.assert_status(number, "**Attempt 1 of 3 failed**: the agent broke off");
    for attempt in [2, 3] {
        due(&rig, number).await;
        rig.once().await;
        assert_eq!(rig.turns("work"), attempt, "{}", rig.story());
    }
    assert_eq!(rig.labels(number), ["claude-failed"], "{}", rig.story());
    rig.assert_status(number, "**This failed for good** after 3 attempts: the agent broke off");
    rig.assert_status(number, "see the log of the run");
    assert_eq!(rig.row(number).await["attempts"], 3);
}

/// Waits until an issue's backoff is over.
async fn due(rig: &Rig, number: u64) {
    let subject =
        forgehand::model::Subject { repo: "owner/app".parse().expect("a name"), issue: forgehand::model::IssueNumber(number) };
    let ledger = forgehand::ledger::Ledger::fold(&rig.records());
    let backoff = ledger.issue(&subject).and_then(|state| state.backoff).expect("a backoff");
    until("the end of the backoff", || (now() > backoff.0).then_some(())).await;
}
