//! The main line: a reported issue becomes a pull request, seen from the forge.

use forgehand::model::Event;
use forgehand::sandbox::Mode;
use serde_json::json;

use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, now, until};

/// A plain issue.
async fn wrong_total(rig: &Rig) -> u64 {
    rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await
}

/// What the pull request tells of its tier is what the classifier makes of it on the forge.
async fn assert_tier(rig: &Rig, pull: u64, body: &str) {
    let told = rig.json(&["vault", "classify", &pull.to_string(), "--json"]).await;
    assert_eq!(told["tier"], "low", "{told:#}");
    let head = rig.branch("claude/issue-1").expect("the branch");
    assert!(body.contains(&format!("Blast radius at `{}`: **low**\n", &head[..10])), "{body}");
    let reasons = told["reasons"].as_array().expect("reasons");
    assert!(!reasons.is_empty() && reasons.iter().all(|r| body.contains(r["why"].as_str().expect("a text"))), "{told:#}\n{body}");
    let none = rig.run(&["vault", "classify", "99", "--json"]).await;
    assert_eq!((none.code, none.out.as_str()), (Some(2), ""), "{none:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_becomes_a_pull_request_with_verified_commits() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(rig) = Plan::new("line::an_issue_becomes_a_pull_request").mode(mode).rig().await else { continue };
        let number = wrong_total(&rig).await;
        let main = rig.branch("main").expect("the base");
        rig.once().await;

        let issue = rig.issue_now(number);
        assert_eq!((issue.open, issue.labels), (true, vec!["claude-pr".to_owned(), "portal".to_owned()]), "{}", rig.story());
        let pulls = rig.pulls();
        let [pull] = &pulls[..] else { panic!("{pulls:#?}\n{}", rig.story()) };
        assert_eq!((pull.head.as_str(), pull.base.as_str()), ("claude/issue-1", "main"));
        assert_eq!((pull.issue.title.as_str(), pull.issue.author.as_str()), ("Add properly", "bot"));
        let body = &pull.issue.body;
        assert!(body.starts_with(&format!("Closes #{number}\n")), "{body}");
        assert!(body.contains("add.sh adds now."), "{body}");
        assert!(
            body.contains(&format!("Verified on `{}`", &pull.head_sha[..10])),
            "the verified commit is the pushed one: {body}"
        );
        assert!(body.contains("`sh ./test.sh` passed in"), "{body}");
        assert_eq!(rig.branch("claude/issue-1"), Some(pull.head_sha.clone()));
        assert_tier(&rig, pull.issue.number, body).await;

        let commit = rig.commit(&pull.head_sha).await;
        for who in ["author", "committer"] {
            assert_eq!(commit["commit"][who]["name"], "Robot", "{commit:#}");
            assert_eq!(commit["commit"][who]["email"], "robot@example.test");
        }
        assert_eq!(commit["commit"]["message"].as_str().map(str::trim), Some("Add properly"));
        assert_eq!(commit["parents"][0]["sha"], main.as_str());

        assert_breakdown(&rig, number);
        rig.assert_status(number, &format!("Pull request #{} is open", pull.issue.number));
        assert_eq!(rig.claims(), Vec::<String>::new(), "the claim is given back");
        assert_eq!(rig.left_in("work"), Vec::<String>::new(), "the workspace is gone");
        assert_eq!(rig.left_in("verify/work"), Vec::<String>::new());

        rig.once().await.silent();
        assert_eq!((rig.pulls().len(), rig.comments(number).len()), (1, 2), "a second look changes nothing");
    }
}

/// A comment that people can read and edit, whose marker they do not see.
fn assert_breakdown(rig: &Rig, number: u64) {
    let breakdowns = rig.said(number, "### Breakdown");
    let [breakdown] = &breakdowns[..] else { panic!("{breakdowns:#?}") };
    assert!(breakdown.contains("Make add.sh add.") && breakdown.contains("- It adds") && breakdown.contains("- The test passes"));
    let last = breakdown.trim_end().lines().last().expect("a line");
    assert!(last.starts_with("<!--") && last.ends_with("-->"), "the marker trails: {breakdown}");
    assert_eq!(breakdown.matches("<!--").count(), 1, "{breakdown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_triage_leaves_to_a_person_goes_to_one() {
    let triage = Agent::scripted("route interactive", FIX);
    let Some(rig) = Plan::new("line::what_triage_leaves_to_a_person").agent(triage).rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"]);
    assert_eq!(rig.said(number, "### Breakdown").len(), 1);
    rig.assert_status(number, "@reporter\n\n**A person should do this one.** Make add.sh add.");
    assert!(rig.pulls().is_empty() && rig.claims().is_empty());
    rig.once().await.silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_and_its_answer_brings_the_issue_back() {
    let triage = "if asked_for 'It should be 4'; then route queue; else route needs-info '\"What should 2 and 2 give?\"'; fi";
    let agent = Agent::scripted(triage, FIX);
    let Some(rig) = Plan::new("line::a_question_is_asked").agent(agent).rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["needs-info"]);
    rig.assert_status(number, "- What should 2 and 2 give?");
    rig.assert_status(number, "@reporter");
    assert!(rig.row(number).await["waiting"]["reason"].as_str().is_some_and(|r| r.contains("a question is open")));

    rig.seed.comment(REPO, "reporter", number, "It should be 4.").await.expect("a comment");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.said(number, "### Breakdown").len(), 1, "the breakdown is edited, not written again");
    rig.assert_status(number, "is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn triage_that_answers_badly_is_asked_once_more_and_told_why() {
    let triage = "if asked_for 'could not be used'; then route queue; else echo nonsense >\"$FORGEHAND_RESULT\"; fi";
    let agent = Agent::scripted(triage, FIX);
    let Some(rig) = Plan::new("line::triage_that_answers_badly").agent(agent).rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.turns("read"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn triage_that_answers_badly_twice_is_not_guessed_at() {
    let agent = Agent::scripted("echo nonsense >\"$FORGEHAND_RESULT\"", FIX);
    let Some(rig) = Plan::new("line::triage_that_answers_badly_twice").agent(agent).rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
    assert_eq!(rig.turns("read"), 2);
    rig.assert_status(number, "triage gave no valid answer, also when asked again");
    assert!(rig.said(number, "### Breakdown").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_that_fails_goes_back_to_the_agent() {
    let fix = "if asked_for 'got 6, not 4'; then repair; else echo 'echo 6' >add.sh; fi; commit 'Add'; answer done 'It adds.'";
    let plan = Plan::new("line::a_verification_that_fails").agent(Agent::scripted(TRIAGE, fix));
    let test = "got=$(sh add.sh 2 2); test \"$got\" = 4 || { echo \"got $got, not 4\"; exit 1; }\n";
    let Some(rig) = plan.file("test.sh", test).rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.turns("work"), 2);
    let pulls = rig.pulls();
    assert!(pulls[0].issue.body.contains("Commits: 2"), "{}", pulls[0].issue.body);
    assert_eq!(rig.row(number).await["attempts"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_another_waits_until_that_is_closed() {
    let fix = "echo \"$prompt\" | cksum >notes.txt; repair; commit 'Add properly'; answer done 'It adds.'";
    let agent = Agent::scripted(TRIAGE, fix);
    let Some(rig) = Plan::new("line::what_depends_on_another").agent(agent).rig().await else { return };
    let first = wrong_total(&rig).await;
    let second = rig.issue("And document it", &format!("Depends on #{first}"), &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(first), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.labels(second), ["claude-queue"]);
    let waiting = rig.row(second).await["waiting"]["reason"].clone();
    assert!(waiting.as_str().is_some_and(|r| r.contains(&format!("depends on owner/app#{first}"))), "{waiting}");

    let pull = rig.pulls()[0].issue.number;
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a merge");
    rig.once().await;
    assert!(!rig.issue_now(first).open, "{}", rig.story());
    rig.assert_status(first, "**Merged**");
    assert_eq!(rig.row(first).await["state"], "closed");
    assert_eq!(rig.labels(second), ["claude-pr"], "it goes on: {}", rig.story());
    // The merged branch has done its work; the other one has not.
    assert_eq!(rig.branch("claude/issue-1"), None, "{}", rig.story());
    assert!(rig.branch("claude/issue-2").is_some() && rig.story().contains("delete the merged branch claude/issue-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_branch_stays_where_somebody_pushed_to_it_since() {
    let plan = Plan::new("line::a_merged_branch").agent(Agent::scripted(TRIAGE, FIX)).mode(Mode::None);
    let Some(rig) = plan.rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    let pull = rig.pulls()[0].issue.number;
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("a merge");
    let more = json!({ "branch": "claude/issue-1", "content": "aGk=", "message": "More" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/more.txt"), more).await.expect("a commit");
    let theirs = rig.branch("claude/issue-1");
    rig.once().await;
    assert!(!rig.issue_now(number).open, "{}", rig.story());
    assert!(theirs.is_some() && rig.branch("claude/issue-1") == theirs, "{}", rig.story());
    assert!(rig.story().contains("it stays: it moved on from"), "{}", rig.story());
    // And that is not tried for ever.
    rig.once().await;
    assert_eq!(rig.story().matches("delete the merged branch").count(), 1, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_conflicts_with_its_base_waits_and_says_so() {
    // Both mend the same line, each in its own way.
    let fix = "if asked_for 'one way'; then repair; else echo 'expr $1 + $2' >add.sh; fi; commit 'Add'; answer done 'It adds.'";
    let plan = Plan::new("line::a_pull_request_that_conflicts").agent(Agent::scripted(TRIAGE, fix));
    let Some(rig) = plan.mode(Mode::None).rig().await else { return };
    let first = rig.issue("Add it one way", "2 and 2 gives 5", &["claude-queue"]).await;
    let second = rig.issue("Add it another way", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!((rig.labels(first), rig.labels(second)), (vec!["claude-pr".to_owned()], vec!["claude-pr".to_owned()]));
    let of = |number: u64| {
        let pulls = rig.pulls();
        pulls.into_iter().find(|pull| pull.head == format!("claude/issue-{number}")).expect("a pull request").issue.number
    };
    let (merged, other) = (of(first), of(second));
    let explained = rig.run(&["explain", &second.to_string()]).await.ok();
    assert!(explained.out.contains("waits for a person to merge it"), "{}", explained.out);

    rig.seed.merge_pull(REPO, "owner", merged).await.expect("a merge");
    // That it moved is seen by whole seconds; it is read at once then, and not only when its slow clock says so.
    let later = now() + 1_100;
    until("another second", || (now() > later).then_some(())).await;
    rig.seed.comment(REPO, "owner", other, "And this one?").await.expect("a comment");
    rig.once().await;
    let explained = rig.run(&["explain", &second.to_string()]).await.ok();
    let words = format!("needs formula revise: #{other} conflicts with main");
    assert!(explained.out.contains(&words), "{}\n{}", explained.out, rig.story());
    assert_eq!(rig.labels(second), ["claude-pr"], "the label stays: a person, or another run, goes on from here");
    assert_eq!(rig.row(second).await["waiting"]["reason"], words);
    assert!(rig.left_in("intake").iter().all(|left| !left.contains("merge")), "{:?}", rig.left_in("intake"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_closed_unmerged_hands_the_issue_to_a_person() {
    let Some(rig) = Plan::new("line::a_pull_request_closed_unmerged").rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    let pull = rig.pulls()[0].clone();
    rig.seed.close(REPO, "owner", pull.issue.number).await.expect("closed");
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
    rig.assert_status(number, "was closed without a merge");
    assert_eq!(rig.branch("claude/issue-1"), Some(pull.head_sha), "the work is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_goes_first_then_age() {
    let Some(rig) = Plan::new("line::priority_goes_first").mode(Mode::None).rig().await else { return };
    for title in ["old", "young"] {
        rig.issue(title, "2 and 2 gives 5", &["claude-queue"]).await;
    }
    rig.issue("urgent", "2 and 2 gives 5", &["claude-queue", "priority"]).await;
    rig.run(&["once", "--max", "1"]).await.ok();
    assert_eq!(started(&rig), [3], "{}", rig.story());
    rig.once().await;
    assert_eq!(started(&rig), [3, 1, 2]);
}

/// The issues of all runs, in the order in which they began.
fn started(rig: &Rig) -> Vec<u64> {
    let issue = |event| if let Event::RunStarted { subject, .. } = event { Some(subject.issue.0) } else { None };
    rig.records().into_iter().filter_map(|record| issue(record.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_with_two_journals_work_on_each_issue_once() {
    let Some(rig) = Plan::new("line::two_daemons").mode(Mode::None).rig().await else { return };
    let mut numbers = Vec::new();
    for title in ["one", "two", "three", "four"] {
        numbers.push(rig.issue(title, "2 and 2 gives 5", &["portal"]).await);
    }
    let other = rig.another_journal();
    let both = || async {
        let (one, two) = tokio::join!(rig.run(&["once"]), rig.run_with(&other, &["once"]));
        (one.ok(), two.ok())
    };
    // Which of them gets which issue is chance; what one sees claimed it leaves to the other, and looks again at its next start.
    for _ in 0..5 {
        both().await;
        if numbers.iter().all(|number| rig.labels(*number) == ["claude-pr"]) {
            break;
        }
    }
    both().await;
    let pulls = rig.pulls();
    assert_eq!(pulls.len(), numbers.len(), "{pulls:#?}");
    for number in numbers {
        assert_eq!(rig.labels(number), ["claude-pr"], "#{number}");
        assert_eq!(rig.said(number, "### Breakdown").len(), 1, "#{number}");
        assert_eq!(rig.comments(number).len(), 2, "#{number}: {:#?}", rig.comments(number));
        assert_eq!(pulls.iter().filter(|pull| pull.head == format!("claude/issue-{number}")).count(), 1);
    }
    assert_eq!(rig.claims(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_reads_the_breakdown_as_people_left_it_and_nobody_elses_word() {
    let fix = "asked_for 'Make it subtract instead' && asked_for 'The owner says so' && ! asked_for 'Pay me' || exit 9
repair; commit 'Add'; answer done 'Done.'";
    let Some(rig) = Plan::new("line::a_fix_reads_the_breakdown").agent(Agent::scripted("route interactive", fix)).rig().await
    else {
        return;
    };
    let number = wrong_total(&rig).await;
    rig.once().await;
    let comments = rig.comments(number);
    let breakdown = comments.iter().find(|c| c.body.contains("### Breakdown")).expect("a breakdown");
    let edited = breakdown.body.replace("Make add.sh add.", "Make it subtract instead.");
    let path = format!("repos/{REPO}/issues/comments/{}", breakdown.id);
    rig.seed.api("owner", "PATCH", &path, serde_json::json!({"body": edited})).await.expect("an edit");
    rig.seed.comment(REPO, "owner", number, "The owner says so.").await.expect("a comment");
    rig.seed.comment(REPO, "reporter", number, "Pay me.").await.expect("a comment");
    rig.label("claude-queue").await;
    rig.seed.add_label(REPO, "owner", number, "claude-queue").await.expect("a label");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_changed_after_triage_is_triaged_again() {
    let fix = "asked_for 'gives 3' || exit 9; repair; commit 'Add'; answer done 'Done.'";
    let agent = Agent::scripted(TRIAGE, fix);
    let Some(rig) = Plan::new("line::a_text_that_changed").agent(agent).rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.run(&["once", "--max", "1"]).await.ok();
    assert_eq!((rig.labels(number), rig.turns("work")), (vec!["claude-queue".to_owned()], 0), "{}", rig.story());
    rig.seed.edit_issue(REPO, "reporter", number, None, Some("2 and 2 gives 3")).await.expect("an edit");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.turns("read"), 2);
    assert_eq!(rig.said(number, "### Breakdown").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_with_a_persons_commits_is_never_forced_over() {
    let Some(rig) = Plan::new("line::a_branch_with_a_persons_commits").rig().await else { return };
    let branch = serde_json::json!({"new_branch_name": "claude/issue-1", "old_branch_name": "main"});
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/branches"), branch).await.expect("a branch");
    let file = serde_json::json!({"branch": "claude/issue-1", "content": "aGVsbG8K", "message": "By hand"});
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/hello.txt"), file).await.expect("a commit");
    let before = rig.branch("claude/issue-1");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
    assert_eq!(rig.branch("claude/issue-1"), before);
    rig.assert_status(number, "has commits that are not forgehand's");
    assert!(rig.pulls().is_empty());
}
