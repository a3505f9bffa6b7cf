//! Switching over: the first start on a forge that has been in use, and a journal that was lost or restored from an old copy.

use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, now, until};

/// Pushes a commit of somebody's to a branch, which is made from `main` where it is not there.
async fn push_by(rig: &Rig, who: &str, branch: &str, path: &str) {
    if rig.branch(branch).is_none() {
        let new = json!({"new_branch_name": branch, "old_branch_name": "main"});
        rig.seed.api(who, "POST", &format!("repos/{REPO}/branches"), new).await.expect("a branch");
    }
    let file = json!({"branch": branch, "content": "aGVsbG8K", "message": format!("By {who}")});
    rig.seed.api(who, "POST", &format!("repos/{REPO}/contents/{path}"), file).await.expect("a commit");
}

async fn open_by(rig: &Rig, who: &str, branch: &str) -> u64 {
    let pull = json!({"head": branch, "base": "main", "title": format!("By {who}"), "body": ""});
    let made = rig.seed.api(who, "POST", &format!("repos/{REPO}/pulls"), pull).await.expect("a pull request");
    made["number"].as_u64().expect("a number")
}

/// A pull request of somebody's from the branch of an issue.
async fn pull_by(rig: &Rig, who: &str, issue: u64) -> u64 {
    let branch = format!("claude/issue-{issue}");
    push_by(rig, who, &branch, &format!("{who}-{issue}.txt")).await;
    open_by(rig, who, &branch).await
}

async fn reason(rig: &Rig, number: u64) -> String {
    rig.row(number).await["waiting"]["reason"].as_str().unwrap_or_default().to_owned()
}

async fn queue(rig: &Rig, number: u64) {
    rig.seed.add_label(REPO, "owner", number, "claude-queue").await.expect("a label");
}

/// From now on is later than everything that was filed so far.
async fn only_from_now_on(rig: &Rig) {
    let time = now() / 1000 * 1000 + 1000;
    until("the next second", || (now() > time).then_some(())).await;
    let since = forgehand::model::Timestamp(time).rfc3339();
    rig.reconfigure("verify = ", &format!("since = \"{since}\"\nverify = "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_in_use_is_taken_over_without_surprise() {
    let rig = Plan::new("switching::a_forge_in_use").mode(Mode::None).rig().await.expect("it needs nothing");
    for n in 1..=10 {
        let labels: &[&str] = match n {
            7 => &["portal", "claude-working"],
            8 => &["claude-queue"],
            9 => &["portal", "interactive"],
            10 => &[],
            _ => &["portal"],
        };
        assert_eq!(rig.issue(&format!("Issue {n}"), "2 and 2 gives 5", labels).await, n);
    }
    rig.seed.add_user("watcher", "Correct-Horse-9-Battery").await.expect("another bot");
    rig.seed.add_collaborator(REPO, "watcher", "write").await.expect("a collaborator");
    let (foreign, own) = (pull_by(&rig, "owner", 5).await, pull_by(&rig, "bot", 6).await);
    let others = pull_by(&rig, "watcher", 10).await;
    only_from_now_on(&rig).await;
    let new = rig.issue("A new one", "2 and 2 gives 5", &["portal"]).await;

    let before = rig.seed.issues(REPO).expect("the issues");
    let preview = rig.run(&["once", "--dry-run"]).await.ok();
    assert!(preview.out.contains("4 issues with `portal` filed before"), "{preview:#?}");
    assert_eq!(rig.seed.issues(REPO).expect("the issues"), before, "nothing is changed");

    let said = rig.once().await;
    for line in [
        "owner/app: 4 issues with `portal` filed before",
        "`since` in [[project]] takes them",
        &format!("taken over: #{own} for issue #6"),
        &format!("left alone: #{foreign} of owner for issue #5"),
        "with no run of ours known: #7. Queued again from",
    ] {
        assert!(said.err.contains(line), "{line:?} in {said:#?}\n{}", rig.story());
    }
    for old in [1, 2, 3, 4, 5] {
        assert_eq!((rig.labels(old), rig.comments(old).len()), (vec![], 0), "#{old}: {}", rig.story());
    }
    assert_eq!((rig.labels(6), rig.comments(6).len()), (vec!["claude-pr".to_owned()], 0), "{}", rig.story());
    assert_eq!((rig.row(6).await["pull"].as_u64(), rig.labels(7)), (Some(own), vec!["claude-working".to_owned()]));
    assert_eq!((rig.labels(8), rig.labels(9)), (vec!["claude-pr".to_owned()], vec!["interactive".to_owned()]));
    assert_eq!(rig.labels(new), ["claude-pr"], "{}", rig.story());
    assert!(reason(&rig, 1).await.contains("filed before forgehand first started here"));
    assert!(reason(&rig, 5).await.contains(&format!("pull request #{foreign} of owner")));
    assert!(reason(&rig, 7).await.contains("no run of ours is known; left alone until"));
    let explained = rig.run(&["explain", "1"]).await.ok().out;
    assert!(explained.contains("`since` in [[project]] takes older ones too"), "{explained}");
    let heads: Vec<(u64, bool)> = rig.pulls().iter().map(|p| (p.issue.number, p.issue.open)).collect();
    assert!([foreign, own, others].iter().all(|n| heads.contains(&(*n, true))), "{heads:?}");
    rig.once().await.silent();

    rig.run(&["retry", "7"]).await.ok();
    rig.run(&["retry", "1"]).await.ok();
    rig.once().await;
    assert_eq!((rig.labels(7), rig.labels(1)), (vec!["claude-pr".to_owned()], vec!["claude-pr".to_owned()]), "{}", rig.story());

    // An old one whose label is put on anew counts as filed now.
    rig.seed.remove_label(REPO, "owner", 2, "portal").await.expect("off");
    rig.once().await.silent();
    rig.seed.add_label(REPO, "owner", 2, "portal").await.expect("on");
    rig.once().await;
    assert_eq!((rig.labels(2), rig.labels(3)), (vec!["claude-pr".to_owned()], vec![]), "{}", rig.story());

    let config = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    let dated = config.lines().find(|line| line.starts_with("since")).expect("since").to_owned();
    rig.reconfigure(&dated, "since = \"all\"");
    let close = json!({"state": "closed"});
    rig.seed.api("owner", "PATCH", &format!("repos/{REPO}/pulls/{foreign}"), close).await.expect("closed");
    let branch = rig.branch("claude/issue-5");
    rig.once().await;
    assert_eq!((rig.labels(3), rig.labels(4)), (vec!["claude-pr".to_owned()], vec!["claude-pr".to_owned()]), "{}", rig.story());
    assert_eq!(rig.labels(5), ["interactive"], "its branch is still the owner's: {}", rig.story());
    assert_eq!(rig.branch("claude/issue-5"), branch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_run_on_an_adopted_pull_request_keeps_peoples_commits() {
    let rig = Plan::new("switching::a_further_run").mode(Mode::None).rig().await.expect("it needs nothing");
    // It carries no label at all.
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &[]).await;
    let pull = pull_by(&rig, "bot", number).await;
    push_by(&rig, "owner", "claude/issue-1", "people.txt").await;
    let tip = rig.branch("claude/issue-1").expect("the branch");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert!(reason(&rig, number).await.contains(&format!("pull request #{pull} is open")), "{}", rig.story());

    rig.label("claude-queue").await;
    queue(&rig, number).await;
    rig.once().await;
    assert_eq!((rig.labels(number), rig.pulls().len()), (vec!["claude-pr".to_owned()], 1), "{}", rig.story());
    let head = rig.branch("claude/issue-1").expect("the branch");
    assert_eq!(rig.commit(&head).await["parents"][0]["sha"], tip.as_str(), "it builds on what was there");
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("merged");
    rig.once().await;
    assert!(!rig.issue_now(number).open, "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_pull_request_from_a_branch_of_ours_is_taken_and_not_looked_up_for_ever() {
    let rig = Plan::new("switching::a_persons_pull_request").mode(Mode::None).rig().await.expect("it needs nothing");
    rig.reconfigure("verify = ", "person_paths = [\"add.sh\"]\nverify = ");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.label("interactive").await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
    let theirs = open_by(&rig, "owner", "claude/issue-1").await;

    rig.reconfigure("person_paths = [\"add.sh\"]\n", "");
    queue(&rig, number).await;
    rig.once().await;
    let pulls: Vec<u64> = rig.pulls().iter().map(|p| p.issue.number).collect();
    assert_eq!((rig.labels(number), pulls), (vec!["claude-pr".to_owned()], vec![theirs]), "{}", rig.story());
    assert_eq!(rig.row(number).await["pull"].as_u64(), Some(theirs));
    rig.once().await.silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_working_is_queued_again_after_a_while() {
    let plan = Plan::new("switching::what_is_found_working").mode(Mode::None).limits("adopt_after = \"1s\"");
    let rig = plan.rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal", "claude-working"]).await;
    rig.once().await;
    let found = now();
    until("the end of adopt_after", || (now() > found + 1_000).then_some(())).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_takes_few_requests_and_those_after_it_two() {
    let rig = Plan::new("switching::a_first_start_takes_few_requests").mode(Mode::None).rig().await.expect("it needs nothing");
    for label in ["claude-queue", "claude-working", "claude-pr", "claude-failed", "interactive", "needs-info"] {
        rig.label(label).await;
    }
    for n in 1..=6 {
        assert_eq!(rig.issue(&format!("Issue {n}"), "text", &["portal", "interactive"]).await, n);
    }
    for n in 1..=6 {
        pull_by(&rig, if n <= 2 { "owner" } else { "bot" }, n).await;
    }
    let idle = now() + 6_000;
    until("the end of the overlap", || (now() > idle).then_some(())).await;
    let before = rig.forge.request_count();
    rig.once().await;
    let taken = rig.forge.request_count() - before;
    // Four to learn the project, one for each of our seven labels, one for the open pull requests; then two to see that all is quiet.
    assert!(taken <= 14, "{taken} requests");
    let before = rig.forge.request_count();
    rig.once().await.silent();
    let taken = rig.forge.request_count() - before;
    assert!(taken <= 2, "{taken} requests");
    let value: Value = rig.row(4).await;
    assert_eq!(
        (value["state"].as_str(), value["pull"].is_u64()),
        (Some("interactive"), true),
        "standing labels are kept: {value:#}"
    );
}

/// The state folder is gone, the journal with it.
fn lose(rig: &Rig) {
    std::fs::remove_dir_all(rig.state_dir()).expect("the state folder");
}

/// What a lost journal has claimed is given up on the forge, as if its time had passed.
fn expire_claims(rig: &Rig) {
    for repo in std::fs::read_dir(rig.dir.path().join("forge/repos")).expect("the forge's folder").flatten() {
        let claims = repo.path().join("refs/forgehand/claims");
        if claims.exists() {
            std::fs::remove_dir_all(claims).expect("the claims");
        }
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else if from.is_file() {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

#[track_caller]
fn assert_one_of_each(rig: &Rig, number: u64) {
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(rig.pulls().len(), 1, "{:#?} {}", rig.pulls(), rig.story());
    assert_eq!(rig.said(number, "### Breakdown").len(), 1, "{:#?}", rig.comments(number));
    rig.assert_status(number, "is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_lost_at_the_pull_request_is_rebuilt_from_the_forge() {
    let rig = Plan::new("switching::a_journal_lost_at_the_pull_request").mode(Mode::None).rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_one_of_each(&rig, number);
    let pull = rig.pulls()[0].issue.number;
    lose(&rig);
    let said = rig.once().await;
    assert!(said.err.contains(&format!("taken over: #{pull} for issue #{number}")), "{said:#?}");
    assert_one_of_each(&rig, number);
    let explained = rig.run(&["explain", "1"]).await.ok().out;
    assert!(explained.contains("not known:      what was done and spent on it before"), "{explained}");
    rig.once().await.silent();
    rig.seed.merge_pull(REPO, "owner", pull).await.expect("merged");
    rig.once().await;
    assert!(!rig.issue_now(number).open, "{}", rig.story());
    rig.assert_status(number, "**Merged**");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_lost_in_the_middle_of_a_run_waits_for_its_claim_and_goes_on() {
    // It needs the breakdown, which only the forge has then.
    let fix = format!("wait_for go; if asked_for 'Make add.sh add.'; then {FIX}; else exit 1; fi");
    let plan = Plan::new("switching::a_journal_lost_in_the_middle").mode(Mode::None).agent(Agent::scripted(TRIAGE, &fix));
    let rig = plan.limits("adopt_after = \"1s\"").rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    daemon.kill().await;
    rig.let_pass("go");
    for claimed in [true, false] {
        if !claimed {
            expire_claims(&rig);
        }
        lose(&rig);
        let said = rig.once().await;
        assert!(said.err.contains("with no run of ours known: #1"), "{said:#?}");
        let found = now();
        until("the end of adopt_after", || (now() > found + 1_000).then_some(())).await;
        rig.once().await;
        if claimed {
            assert_eq!(rig.labels(number), ["claude-working"], "{}", rig.story());
            assert!(reason(&rig, number).await.contains("has claimed it until"), "{}", rig.story());
        }
    }
    assert_one_of_each(&rig, number);
    assert_eq!((rig.claims(), rig.left_in("work")), (vec![], vec![]), "{}", rig.story());
    rig.once().await.silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_lost_never_makes_a_persons_commits_ours() {
    for person in [true, false] {
        let rig = Plan::new("switching::a_journal_lost_never").mode(Mode::None).rig().await.expect("it needs nothing");
        rig.reconfigure("verify = ", "person_paths = [\"add.sh\"]\nverify = ");
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
        rig.once().await;
        assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
        if person {
            push_by(&rig, "owner", "claude/issue-1", "people.txt").await;
        }
        let tip = rig.branch("claude/issue-1");
        lose(&rig);
        rig.reconfigure("person_paths = [\"add.sh\"]\n", "");
        rig.once().await;
        queue(&rig, number).await;
        rig.once().await;
        let expected = if person { "interactive" } else { "claude-pr" };
        assert_eq!(rig.labels(number), [expected], "{}", rig.story());
        assert_eq!(rig.branch("claude/issue-1") == tip, person, "ours is made anew, theirs is kept");
        let ours = rig.comments(number).into_iter().filter(|c| c.author == "bot").count();
        assert_eq!(ours, 1, "the status comment of before is found: {:#?}", rig.comments(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_restored_from_an_old_copy_says_so_and_doubles_nothing() {
    let rig = Plan::new("switching::a_journal_restored").mode(Mode::None).rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.label("claude-queue").await;
    let (state, copies) = (rig.state_dir(), rig.dir.path().join("copies"));
    // Before its first look, after triage, and at the pull request.
    rig.run(&["once", "--max", "1"]).await.ok();
    assert_eq!(rig.labels(number), ["claude-queue"], "{}", rig.story());
    copy_folder(&state, &copies.join("triaged"));
    rig.once().await;
    assert_one_of_each(&rig, number);
    let pull = rig.pulls()[0].clone();
    std::fs::remove_dir_all(&state).expect("the state folder");
    copy_folder(&copies.join("triaged"), &state);
    let said = rig.once().await;
    assert!(said.err.contains("the journal was restored from an old copy") && said.err.contains("#1"), "{said:#?}");
    assert_one_of_each(&rig, number);
    assert_eq!(rig.pulls()[0].head_sha, pull.head_sha, "no second run was started: {}", rig.story());
    let row = rig.row(number).await;
    assert_eq!((row["pull"].as_u64(), row["run"].is_null()), (Some(pull.issue.number), true), "{row:#}");
    let explained = rig.run(&["explain", "1"]).await.ok().out;
    assert!(explained.contains("not known:      attempts and money between"), "{explained}");
    rig.once().await.silent();
    // What people order from then on is obeyed as ever.
    rig.label("interactive").await;
    rig.seed.add_label(REPO, "owner", number, "interactive").await.expect("a label");
    rig.once().await;
    assert_eq!(rig.labels(number), ["interactive"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_given_while_the_journal_was_lost_counts() {
    let triage = "if asked_for 'It should give 4'; then route queue; else route needs-info '\"What should it give?\"'; fi";
    let agent = Agent::scripted(triage, FIX);
    let rig = Plan::new("switching::an_answer_given").mode(Mode::None).agent(agent).rig().await.expect("it needs nothing");
    for title in ["Total is wrong", "Another"] {
        rig.issue(title, "2 and 2 gives 5", &["portal"]).await;
    }
    rig.once().await;
    assert_eq!((rig.labels(1), rig.labels(2)), (vec!["needs-info".to_owned()], vec!["needs-info".to_owned()]), "{}", rig.story());
    lose(&rig);
    rig.seed.comment(REPO, "reporter", 1, "It should give 4.").await.expect("a comment");
    rig.once().await;
    assert_one_of_each(&rig, 1);
    assert_eq!(rig.labels(2), ["needs-info"], "{}", rig.story());
    rig.assert_status(2, "What should it give?");
}
