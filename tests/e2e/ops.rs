//! The operations repository: what roles about the project read there and keep there.

use forgehand::localforge::SeedFile;
use forgehand::model::{Event, Outcome};

use crate::rig::{Agent, Plan, Rig, TRIAGE, until};

pub const OPS: &str = "owner/ops";
const TREE: &str = "## Objective: people can add\n\nStatus: BLOCKED — it gives 5\n\n- [ ] two and two make four\n";

/// Reads the tree, ticks its line, finds a constraint, and answers the prediction that is open.
const PLANS: &str = r###"case $FORGEHAND_STEP in
    think) asked_for 'Status: BLOCKED — it gives 5' && asked_for 'Prediction: it breaks' &&
        cat >"$FORGEHAND_RESULT" <<'END'
{"summary":"Sums are what all waits for.",
 "tree":"## Objective: people can add\n\nStatus: BLOCKED — it gives 5\n\n- [x] two and two make four\n",
 "constraint":[{"title":"Add right","why":"All waits for it.","acceptance":["2 and 2 gives 4"]}],
 "predictions":[{"number":1,"answer":"dismissed","why":"It did not."}]}
END
    ;;
esac"###;

async fn rig(test: &'static str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, PLANS)).mode(forgehand::sandbox::Mode::None);
    let rig = plan.project("formulas = [\"triage\", \"plan\"]").rig().await.expect("it needs nothing");
    rig.seed.create_label("owner/app", "prediction", "#5319e7").await.expect("a label");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    rig
}

async fn seeded(rig: &Rig) {
    let file = SeedFile { path: "prerequisites.md", content: TREE, executable: false };
    rig.seed.create_repo("owner", "ops", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
}

/// A fresh clone of the operations repository.
pub async fn ops_clone(rig: &Rig) -> tempfile::TempDir {
    clone_of(rig, OPS).await
}

/// A fresh clone, as its owner makes it.
pub async fn clone_of(rig: &Rig, repo: &str) -> tempfile::TempDir {
    let clone = tempfile::tempdir().expect("a folder");
    let url = rig.forge.url().replace("http://", "http://owner:Correct-Horse-9-Battery@");
    git_in(&clone, &["clone", "-q", &format!("{}/{repo}.git", url.trim_end_matches('/')), "."]).await;
    clone
}

#[expect(clippy::disallowed_methods, reason = "a test looks at a forge as a person would")]
/// What git says in a clone.
pub async fn git_in(clone: &tempfile::TempDir, args: &[&str]) -> String {
    let mut git = tokio::process::Command::new("git");
    git.arg("-C").arg(clone.path()).args(["-c", "user.name=Owner", "-c", "user.email=owner@example.test"]).args(args);
    let said = git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").output().await.expect("git");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// What git says in a fresh clone of the operations repository.
pub async fn in_ops(rig: &Rig, args: &[&str]) -> String {
    git_in(&ops_clone(rig).await, args).await
}

fn kept(rig: &Rig) -> Vec<Outcome> {
    let outcome = |event: &Event| match event {
        Event::Ended { outcome: outcome @ Outcome::Kept { .. }, .. } => Some(outcome.clone()),
        _ => None,
    };
    rig.records().iter().filter_map(|record| outcome(&record.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_keeps_its_tree_files_at_the_constraint_and_answers_predictions() {
    let rig = rig("ops::a_plan").await;
    seeded(&rig).await;
    rig.seed
        .create_issue("owner/app", "reporter", "Prediction: it breaks", "By spring.", &["prediction"])
        .await
        .expect("an issue");
    rig.once().await;
    let tried = rig.run(&["formula", "run", "plan", "--dry-run"]).await.ok().out;
    for words in ["Status: BLOCKED — it gives 5", "Prediction: it breaks", "the trigger does not hold: its schedule `"] {
        assert!(tried.contains(words), "{words}: {tried}");
    }
    rig.run(&["formula", "run", "plan"]).await.ok();
    rig.once().await;
    let tree = in_ops(&rig, &["show", "main:prerequisites.md"]).await;
    assert!(tree.contains("- [x] two and two make four"), "{tree}\n{}", rig.story());
    let issues = rig.seed.issues("owner/app").expect("the issues");
    let filed = issues.iter().find(|issue| issue.title == "Add right").unwrap_or_else(|| panic!("{}", rig.story()));
    assert!(filed.labels.contains(&"portal".to_owned()) && filed.labels.contains(&"constraint".to_owned()), "{filed:?}");
    let told = rig.run(&["logs", "owner/app"]).await.ok().out;
    assert!(told.contains("keep the file of step keep in the operations repository"), "{told}");
    assert_eq!(kept(&rig).len(), 1, "{}", rig.story());
    assert!(!rig.seed.issues("owner/app").expect("the issues").iter().any(|issue| issue.number == 1 && issue.open), "answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_kept_and_said() {
    let rig = rig("ops::unwritable").await;
    let file = SeedFile { path: "prerequisites.md", content: TREE, executable: false };
    rig.seed.create_repo("owner", "ops", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "read").await.expect("a collaborator");
    rig.seed
        .create_issue("owner/app", "reporter", "Prediction: it breaks", "By spring.", &["prediction"])
        .await
        .expect("an issue");
    rig.once().await;
    rig.run(&["formula", "run", "plan"]).await.ok();
    rig.once().await;
    let told = rig.run(&["logs", "owner/app"]).await.ok().out;
    let path = told.lines().find_map(|line| Some(line.split_once("is kept in ")?.1.trim())).unwrap_or_else(|| panic!("{told}"));
    let text = std::fs::read_to_string(path).expect("the text");
    assert!(text.contains("- [x] two and two make four"), "{text}");
    assert_eq!(rig.seed.issues("owner/app").expect("the issues").len(), 1, "nothing is filed on a tree that is not kept");
    let status = rig.run(&["status"]).await.ok().out;
    assert!(status.contains(path), "{status}");
    let explained = rig.run(&["explain", "owner/app"]).await.ok().out;
    assert!(explained.contains(path), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formula_that_needs_one_says_so_before_it_starts() {
    let plan = Plan::new("ops::none").agent(Agent::scripted(TRIAGE, PLANS)).mode(forgehand::sandbox::Mode::None);
    let rig = plan.project("formulas = [\"triage\", \"plan\"]").rig().await.expect("it needs nothing");
    let refused = rig.run(&["once"]).await;
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.err.contains("operations repository") && refused.err.contains("[ops]"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_while_it_keeps_a_file_keeps_it_once() {
    let rig = rig("ops::dies").await;
    seeded(&rig).await;
    rig.seed
        .create_issue("owner/app", "reporter", "Prediction: it breaks", "By spring.", &["prediction"])
        .await
        .expect("an issue");
    rig.once().await;
    rig.run(&["formula", "run", "plan"]).await.ok();
    let daemon = rig.start(&["run"]);
    let begun = |event: &Event| matches!(event, Event::Intended { intent: forgehand::model::Intent::Keep { .. }, .. });
    until("the file", || rig.records().iter().any(|record| begun(&record.event)).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    let log = in_ops(&rig, &["log", "--format=%s", "main"]).await;
    assert_eq!(log.matches("Keep the tree").count(), 1, "{log}\n{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_laid_out_once_and_keeps_what_is_there() {
    let rig = rig("ops::laid_out").await;
    seeded(&rig).await;
    let tried = rig.run(&["ops", "init", "--dry-run"]).await.ok();
    assert!(tried.out.contains("would write vault/actions, ") && !tried.out.contains("prerequisites.md"), "{tried:?}");
    assert_eq!(in_ops(&rig, &["log", "--format=%h", "main"]).await.lines().count(), 1, "nothing was touched");
    let said = rig.run(&["ops", "init"]).await.ok();
    assert!(said.out.contains("wrote ") && said.out.contains("commit "), "{said:?}");
    let files = in_ops(&rig, &["ls-tree", "-r", "--name-only", "main"]).await;
    for file in ["vault/fired/.gitkeep", "evidence/red-team/.gitkeep", "knowledge/.gitkeep", "portfolio.md", "RESOURCES.md"] {
        assert!(files.lines().any(|line| line == file), "{file}: {files}");
    }
    assert_eq!(in_ops(&rig, &["show", "main:prerequisites.md"]).await, TREE, "a person's words stay");
    let log = in_ops(&rig, &["log", "--format=%an %s", "main"]).await;
    assert!(log.lines().count() == 2 && log.contains("Robot Lay out the operations repository"), "{log}");
    for command in ["init", "migrate"] {
        assert!(rig.run(&["ops", command]).await.ok().out.contains("all is there"));
    }
    // What an older version, or a person, left out comes; the rest is as it was.
    rig.seed
        .api("owner", "DELETE", &format!("repos/{OPS}/contents/RESOURCES.md"), of_file(&rig, "RESOURCES.md").await)
        .await
        .expect("gone");
    let said = rig.run(&["ops", "migrate"]).await.ok();
    assert!(said.out.contains("wrote RESOURCES.md to main"), "{said:?}");
}

/// What the forge wants to know of a file that is to go.
async fn of_file(rig: &Rig, path: &str) -> serde_json::Value {
    let there = rig.seed.api("owner", "GET", &format!("repos/{OPS}/contents/{path}"), serde_json::Value::Null).await.expect("it");
    serde_json::json!({ "branch": "main", "message": "Gone", "sha": there["sha"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_is_protected_by_who_may_and_a_rule_keeps_what_it_says() {
    let rig = rig("ops::protected").await;
    seeded(&rig).await;
    let refused = rig.run(&["ops", "init", "--protect"]).await;
    assert!(refused.code == Some(3) && refused.err.contains("rights_token_env"), "{refused:?}");
    let owner = rig.seed.token("owner", &["write:repository", "read:user"]).await.expect("a token");
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nrights_token_env = \"OWNER_TOKEN\"\n");
    let rig = rig.with_env("OWNER_TOKEN", &owner);
    let said = rig.run(&["ops", "init", "--protect"]).await.ok();
    assert!(said.out.contains("vault/policy.toml) on main of owner/ops is protected now"), "{said:?}");
    let path = format!("repos/{OPS}/branch_protections");
    let rules = async || rig.seed.api("owner", "GET", &path, serde_json::Value::Null).await.expect("the rules");
    let rule = &rules().await[0];
    assert_eq!(
        (&rule["protected_file_patterns"], &rule["enable_push"], &rule["required_approvals"]),
        (&"vault/actions/**;vault/pending/**;vault/policy.toml".into(), &true.into(), &1.into())
    );
    assert!(rig.run(&["ops", "init", "--protect"]).await.ok().out.contains("protected already"));

    // A rule of theirs is only added to.
    let theirs = serde_json::json!({ "protected_file_patterns": "*.lock; secrets/**; vault/**", "required_approvals": 2 });
    rig.seed.api("owner", "PATCH", &format!("{path}/main"), theirs).await.expect("changed");
    rig.run(&["ops", "migrate", "--protect"]).await.ok();
    let rule = &rules().await[0];
    assert_eq!(
        (&rule["protected_file_patterns"], &rule["required_approvals"]),
        (&"*.lock;secrets/**;vault/actions/**;vault/pending/**;vault/policy.toml".into(), &2.into())
    );
    assert_eq!(rules().await.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operations_repository_that_cannot_be_laid_out_says_why() {
    let rig = rig("ops::cannot").await;
    let refused = rig.run(&["ops", "init"]).await;
    assert!(refused.code == Some(3) && refused.err.contains("no repository owner/ops"), "{refused:?}");
    let file = SeedFile { path: "README.md", content: "ops\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "read").await.expect("a collaborator");
    let refused = rig.run(&["ops", "init"]).await;
    assert!(refused.code == Some(3) && refused.err.contains("may not write to owner/ops"), "{refused:?}");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    let refused = rig.run(&["ops", "migrate"]).await;
    assert!(refused.code == Some(2) && refused.err.contains("`forgehand ops init` lays it out"), "{refused:?}");
    rig.reconfigure("repo = \"owner/ops\"\n", "repo = \"owner/ops\"\nbranch = \"trunk\"\n");
    let refused = rig.run(&["ops", "init"]).await;
    assert!(refused.code == Some(2) && refused.err.contains("no branch `trunk`"), "{refused:?}");
    rig.reconfigure("[ops]\nrepo = \"owner/ops\"\nbranch = \"trunk\"\n\n", "");
    rig.reconfigure("formulas = [\"triage\", \"plan\"]", "formulas = [\"triage\"]");
    let refused = rig.run(&["ops", "init"]).await;
    assert!(refused.code == Some(2) && refused.err.contains("no operations repository is configured"), "{refused:?}");
}
