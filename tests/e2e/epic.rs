//! An epic, its blocks and their tasks: printed for a person, done in one pull request for a block, and closed when that is merged.

use forgehand::model::{Event, Intent, Outcome, RunOutcome};
use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, until};

/// Does what the tasks ask for, once it was told all of them.
const SCRIPT: &str = r#"case $FORGEHAND_STEP in
    work)
        if asked_for 'Done long ago'; then exit 1; fi
        if asked_for 'It came later'; then
            if asked_for '## Task #3'; then exit 1; fi
            echo later >later.txt; commit 'Come later'; answer done 'It came.'
        else
            asked_for '## Task #3' || exit 1
            asked_for 'add.sh says 5' || exit 1
            asked_for '2 and 2 gives 4' || exit 1
            repair; commit 'Add properly'; answer done 'It adds.'
        fi
    ;;
esac"#;

/// An epic (#1) with a block (#2) of an open task (#3), one that is closed (#4) and another open one (#5), and a second block (#6) with a
/// task (#7).
struct Epic {
    rig: Rig,
}

impl Epic {
    async fn new(test: &'static str, mode: Mode) -> Option<Self> {
        Self::with(test, mode, SCRIPT).await
    }

    async fn with(test: &'static str, mode: Mode, script: &str) -> Option<Self> {
        let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, script)).daemon("poll = \"1s\"").mode(mode);
        let rig = plan.project("formulas = [\"triage\", \"fix\", \"epic\"]").rig().await?;
        rig.label("epic").await;
        rig.once().await;
        rig.issue("Sums", "All about sums.\n\n- [ ] #2 adding\n- [ ] #6\n", &[]).await;
        rig.issue("Adding", "It adds.\n\n- [ ] #3\n- [x] #4\n- [x] #5\n", &[]).await;
        let task = "add.sh says 5.\n\n## File targets\n- add.sh\n\n## Acceptance criteria\n- 2 and 2 gives 4\n";
        rig.issue("Let add.sh add", task, &[]).await;
        rig.issue("Done long ago", "It is.", &[]).await;
        rig.issue("Say so in the README", "acceptance_criteria: it says so", &[]).await;
        rig.issue("Multiplying", "- [ ] #7\n", &[]).await;
        rig.issue("Multiply", "With mul.sh.", &[]).await;
        rig.seed.close(REPO, "owner", 4).await.expect("closed");
        rig.seed.add_label(REPO, "owner", 1, "epic").await.expect("a label");
        Some(Self { rig })
    }

    fn open(&self) -> Vec<u64> {
        (1..=7).filter(|number| self.rig.issue_now(*number).open).collect()
    }

    async fn run(&self, inputs: &[&str]) {
        let inputs = inputs.iter().flat_map(|input| ["--input", input]);
        let args: Vec<&str> = ["formula", "run", "epic", "--issue", "1"].into_iter().chain(inputs).collect();
        self.rig.run(&args).await.ok();
    }

    async fn merged(&self) {
        let pulls = self.rig.pulls();
        assert_eq!(pulls.len(), 1, "{}", self.rig.story());
        self.rig.seed.merge_pull(REPO, "owner", pulls[0].issue.number).await.expect("a merge");
    }

    /// All is done for the first block, once.
    fn assert_done(&self) {
        let rig = &self.rig;
        assert_eq!(self.open(), [1, 6, 7], "{}", rig.story());
        for task in [3, 5] {
            assert_eq!(rig.said(task, "This was done with the pull request of block #2").len(), 1, "{:#?}", rig.comments(task));
        }
        assert_eq!(rig.comments(4).len(), 0, "what was closed before is left alone");
        assert_eq!(rig.issue_now(1).body, "All about sums.\n\n- [x] #2 adding\n- [ ] #6\n", "{}", rig.story());
        assert_eq!(rig.claims(), Vec::<String>::new(), "{}", rig.story());
    }
}

fn runs(rig: &Rig) -> usize {
    rig.records().iter().filter(|r| matches!(&r.event, Event::RunStarted { aside: Some(_), .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_its_label_the_prompt_of_the_next_open_block_is_printed_and_nothing_changes() {
    let Some(epic) = Epic::new("epic::prints", Mode::None).await else { return };
    let rig = &epic.rig;
    rig.once().await;
    let printed = rig.said(2, "### Prompt for this block");
    assert_eq!(printed.len(), 1, "{:#?}\n{}", rig.comments(2), rig.story());
    for words in
        ["Task #3: Let add.sh add", "`add.sh`", "2 and 2 gives 4", "Task #5", "it says so", "on a branch that starts at `main`"]
    {
        assert!(printed[0].contains(words), "{words}: {}", printed[0]);
    }
    assert!(!printed[0].contains("Done long ago"), "{}", printed[0]);
    assert_eq!(rig.said(1, "#2 is the block that comes next").len(), 1, "{:#?}", rig.comments(1));
    assert_eq!((epic.open(), rig.pulls().len(), rig.turns("work")), (vec![1, 2, 3, 5, 6, 7], 0, 0), "{}", rig.story());
    assert_eq!((rig.labels(1), rig.labels(2)), (vec!["epic".to_owned()], Vec::new()));
    assert_eq!(rig.branch("claude/issue-2"), None);

    // A dry run prints it too, and touches nothing.
    let before = rig.records().len();
    let tried = rig.run(&["formula", "run", "epic", "--issue", "2", "--dry-run"]).await.ok();
    assert!(tried.out.contains("### Prompt for this block") && tried.out.contains("Task #3: Let add.sh add"), "{}", tried.out);
    let tried = rig.run(&["formula", "run", "epic", "--issue", "1", "--dry-run", "--input", "block=6"]).await.ok();
    assert!(tried.out.contains("epic on #6"), "{}", tried.out);
    assert_eq!(rig.records().len(), before);

    // A comment names a block; the second time the same comments are edited.
    rig.seed.comment(REPO, "owner", 1, "/epic block=6").await.expect("a comment");
    rig.once().await;
    assert_eq!(rig.said(6, "Task #7: Multiply").len(), 1, "{:#?}\n{}", rig.comments(6), rig.story());
    assert_eq!((rig.said(1, "is the block that comes next").len(), rig.said(1, "#6 is the block").len()), (1, 1));
    rig.seed.comment(REPO, "owner", 1, "/epic mode=quick").await.expect("a comment");
    rig.once().await;
    assert!(rig.story().contains("`mode` cannot be \"quick\""), "{}", rig.story());
    assert_eq!(runs(rig), 4, "two for each: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_one_run_one_branch_and_one_pull_request_and_is_closed_with_its_tasks_when_that_is_merged() {
    let Some(epic) = Epic::new("epic::runs", Mode::Bubblewrap).await else { return };
    let rig = &epic.rig;
    rig.once().await;
    epic.run(&["mode=run"]).await;
    rig.once().await;
    let pulls = rig.pulls();
    assert_eq!((pulls.len(), rig.turns("work")), (1, 1), "{}", rig.story());
    let (pull, body) = (&pulls[0], &pulls[0].issue.body);
    assert_eq!((pull.head.as_str(), pull.issue.title.as_str()), ("claude/issue-2", "Adding"));
    assert!(body.contains("- #3: Let add.sh add") && body.contains("- #5: Say so") && !body.contains("#4"), "{body}");
    assert!(body.contains("passed") && !body.to_lowercase().contains("closes #"), "{body}");
    assert_eq!((rig.labels(2), rig.labels(1)), (vec!["claude-pr".to_owned()], vec!["epic".to_owned()]), "{}", rig.story());
    assert_eq!(epic.open(), [1, 2, 3, 5, 6, 7], "nothing is closed before the merge");

    // While it is open, the block is not begun again; what is new on it waits for the next time.
    epic.run(&["mode=run"]).await;
    rig.once().await;
    assert_eq!((rig.pulls().len(), rig.turns("work")), (1, 1), "{}", rig.story());
    let mine = |r: &forgehand::model::Record| matches!(&r.event, Event::RunEnded { outcome: RunOutcome::NoChange { summary }, .. } if summary.contains("in hand"));
    assert_eq!(rig.records().iter().filter(|r| mine(r)).count(), 1, "{}", rig.story());

    epic.merged().await;
    rig.once().await;
    epic.assert_done();
    let closed: Vec<String> = rig.records().iter().filter_map(|r| closing(&r.event)).collect();
    assert_eq!(closed, ["#3", "#5", "the block"], "the block after its tasks: {}", rig.story());

    // The next one is the second block.
    epic.run(&[]).await;
    rig.once().await;
    assert_eq!(rig.said(6, "Task #7: Multiply").len(), 1, "{}", rig.story());
}

/// What is closed by an event.
fn closing(event: &Event) -> Option<String> {
    match event {
        Event::Intended { intent: Intent::CloseNamed { on, .. }, .. } => Some(on.to_string()),
        Event::Intended { intent: Intent::Close, .. } => Some("the block".to_owned()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_closed_meanwhile_is_not_said_again_and_what_came_later_stays_open() {
    let Some(epic) = Epic::new("epic::meanwhile", Mode::Bubblewrap).await else { return };
    let rig = &epic.rig;
    rig.once().await;
    epic.run(&["mode=run"]).await;
    rig.once().await;
    rig.seed.close(REPO, "owner", 5).await.expect("closed");
    let later = rig.issue("It came later", "After the pull request.", &[]).await;
    let body = rig.issue_now(2).body + &format!("- [ ] #{later}\n");
    let path = format!("repos/{REPO}/issues/2");
    rig.seed.api("owner", "PATCH", &path, json!({ "body": body })).await.expect("edited");
    epic.merged().await;
    rig.once().await;
    assert_eq!(epic.open(), [1, 2, 6, 7], "the block is not done yet: {}", rig.story());
    assert_eq!((rig.comments(5).len(), rig.comments(later).len()), (0, 0), "{}", rig.story());
    assert!(rig.issue_now(later).open, "the pull request did not do it: {}", rig.story());
    assert!(rig.issue_now(1).body.contains("- [ ] #2"), "{}", rig.story());
    assert_eq!(rig.said(2, "the block stays open").len(), 1, "{:#?}", rig.comments(2));

    // What is left is done as the rest was.
    epic.run(&["mode=run"]).await;
    rig.once().await;
    let pulls = rig.pulls();
    assert_eq!(pulls.len(), 2, "{}", rig.story());
    rig.seed.merge_pull(REPO, "owner", pulls[1].issue.number.max(pulls[0].issue.number)).await.expect("a merge");
    rig.once().await;
    assert_eq!(epic.open(), [1, 6, 7], "{}", rig.story());
    assert!(!rig.issue_now(later).open && rig.issue_now(1).body.contains("- [x] #2"), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_refuses_is_said_on_the_block_and_changes_nothing() {
    let script = "answer refused 'It needs a migration.'";
    let Some(epic) = Epic::with("epic::refused", Mode::Bubblewrap, script).await else { return };
    let rig = &epic.rig;
    rig.once().await;
    epic.run(&["mode=run", "block=6"]).await;
    rig.once().await;
    assert_eq!(rig.said(6, "It needs a migration.").len(), 1, "{:#?}\n{}", rig.comments(6), rig.story());
    assert_eq!((epic.open(), rig.pulls().len(), rig.labels(6).len()), (vec![1, 2, 3, 5, 6, 7], 0, 0), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_with_a_persons_commits_is_left_alone() {
    let Some(epic) = Epic::new("epic::taken", Mode::Bubblewrap).await else { return };
    let rig = &epic.rig;
    rig.once().await;
    let file = json!({ "content": "aGk=", "message": "Mine", "branch": "main", "new_branch": "claude/issue-2" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/mine.txt"), file).await.expect("a commit");
    let theirs = rig.branch("claude/issue-2");
    epic.run(&["mode=run"]).await;
    rig.once().await;
    assert!(theirs.is_some() && rig.branch("claude/issue-2") == theirs, "{}", rig.story());
    assert_eq!(rig.pulls().len(), 0, "{}", rig.story());
    let taken =
        |r: &forgehand::model::Record| matches!(&r.event, Event::RunEnded { outcome: RunOutcome::BranchTaken { .. }, .. });
    assert!(rig.records().iter().any(taken), "{}", rig.story());
}

/// Killed as soon as the journal or the forge shows something after the merge.
async fn killed_when(name: &'static str, there: impl Fn(&Rig) -> bool) {
    let Some(epic) = Epic::new(name, Mode::Bubblewrap).await else { return };
    let rig = &epic.rig;
    rig.once().await;
    epic.run(&["mode=run"]).await;
    rig.once().await;
    epic.merged().await;
    let daemon = rig.start(&["run"]);
    until(name, || there(rig).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    epic.assert_done();
    let asked =
        rig.records().iter().filter(|r| matches!(&r.event, Event::Ended { outcome: Outcome::Rewritten { .. }, .. })).count();
    assert_eq!(asked, 1, "{name}: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_and_closed_once_wherever_a_daemon_died() {
    let intends = |rig: &Rig, what: fn(&Intent) -> bool| {
        rig.records().iter().any(|r| matches!(&r.event, Event::Intended { intent, .. } if what(intent)))
    };
    tokio::join!(
        killed_when("epic::at the first comment", |rig| !rig.comments(3).is_empty()),
        killed_when("epic::between the closings", |rig| !rig.issue_now(3).open),
        killed_when("epic::at the block", move |rig| intends(rig, |intent| *intent == Intent::Close)),
        killed_when("epic::at the tick", move |rig| intends(rig, |intent| matches!(intent, Intent::Rewrite { .. }))),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn issues_that_list_each_other_start_each_other_only_so_often() {
    let Some(epic) = Epic::new("epic::circle", Mode::None).await else { return };
    let rig = &epic.rig;
    rig.once().await;
    let edit = async |number: u64, body: &str| {
        let path = format!("repos/{REPO}/issues/{number}");
        rig.seed.api("owner", "PATCH", &path, json!({ "body": body })).await.expect("edited");
    };
    edit(6, "- [ ] #7").await;
    edit(7, "- [ ] #6").await;
    let before = runs(rig);
    epic.run(&["block=6"]).await;
    rig.once().await;
    assert!(runs(rig) - before <= 4, "{}", rig.story());
    assert!(rig.story().contains("as deep as it goes"), "{}", rig.story());
    let _: Value = rig.json(&["status", "--json"]).await;
}
