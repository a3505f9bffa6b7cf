//! The role that writes releases down: one pull request for the changelog, and when that is merged one that asks for the tag.

use forgehand::localforge::SeedFile;
use forgehand::model::{Event, Intent};

use crate::ops::{OPS, clone_of, git_in, in_ops};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, until};

/// Writes 0.2.0 down, once it was told what came since; what is written down and not tagged is under way.
const RELEASES: &str = r#"due=true; why='A sum was "wrong".'
asked_for '>v0.1.0</outside' && asked_for 'Commits since then:' && asked_for 'sh ./test.sh' || exit 1
if grep -q 0.2.0 CHANGELOG.md; then due=false; why='0.2.0 is under way.'; else
    git log --format=%s --first-parent "$(echo "$prompt" | sed -n 's/.*git log --first-parent \([0-9a-f]*\)\.\.HEAD.*/\1/p')..HEAD" | grep -q 'Sums are right' || exit 1
    printf '# Changelog\n\n## 0.2.0\n\n- Sums are right.\n' >CHANGELOG.md; commit 'Write 0.2.0 down'
fi
why=$(printf %s "$why" | sed 's/"/\\"/g')
printf '{"due":%s,"why":"%s","version":"0.2.0","tag":"v0.2.0"}' "$due" "$why" >"$FORGEHAND_RESULT""#;

/// A project that is tagged as it stands.
async fn rig(test: &'static str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, RELEASES)).mode(forgehand::sandbox::Mode::None);
    let plan = plan.file("add.sh", "echo $(($1 + $2))\n").file("CHANGELOG.md", "# Changelog\n").daemon("poll = \"1s\"");
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"release\"]").rig().await.expect("it needs nothing");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    let file = SeedFile { path: "README.md", content: "# Operations\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    let clone = clone_of(&rig, REPO).await;
    git_in(&clone, &["tag", "-am", "v0.1.0", "v0.1.0"]).await;
    git_in(&clone, &["push", "-q", "origin", "v0.1.0"]).await;
    rig
}

/// Something comes, and somebody asks for a release.
async fn due(rig: &Rig) -> u64 {
    let clone = clone_of(rig, REPO).await;
    git_in(&clone, &["commit", "-q", "--allow-empty", "-m", "Sums are right (#7)"]).await;
    git_in(&clone, &["push", "-q", "origin", "main"]).await;
    rig.issue("Release what is there", "Please.", &["release"]).await
}

fn open_in_ops(rig: &Rig) -> Vec<String> {
    rig.seed.pulls(OPS).expect("the pull requests").into_iter().map(|pull| pull.head).collect()
}

async fn merge(rig: &Rig) {
    let pulls = rig.pulls();
    assert_eq!((pulls.len(), pulls[0].issue.title.as_str()), (1, "Release 0.2.0"), "{}", rig.story());
    rig.seed.merge_pull(REPO, "owner", pulls[0].issue.number).await.expect("a merge");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_came_since_the_newest_tag_nobody_is_asked() {
    let rig = rig("release::nothing").await;
    let temporary = rig.dir.path().join("temporary");
    std::fs::create_dir(&temporary).expect("a folder");
    let rig = rig.with_env("TMPDIR", &temporary.display().to_string());
    let left = || std::fs::read_dir(&temporary).expect("the folder").count();
    let asked = rig.issue("Release what is there", "Please.", &["release"]).await;
    rig.once().await;
    assert_eq!(rig.said(asked, "nothing came since `v0.1.0`").len(), 1, "{:#?}\n{}", rig.comments(asked), rig.story());
    assert_eq!((rig.turns("write"), rig.pulls().len(), open_in_ops(&rig).len()), (0, 0, 0), "{}", rig.story());
    assert_eq!(rig.labels(asked), Vec::<String>::new(), "put on again it asks again");

    // A dry run reads the tag that is there, and leaves nothing behind.
    let before = (rig.records().len(), left());
    let dry = ["formula", "run", "release", "--issue", &asked.to_string(), "--dry-run"];
    let tried = rig.run(&dry).await.ok().out;
    assert!(tried.contains("nothing came since `v0.1.0`") && !tried.contains("Commits since then"), "{tried}");
    let other = due(&rig).await.to_string();
    let tried = rig.run(&["formula", "run", "release", "--issue", &other, "--dry-run"]).await.ok().out;
    assert!(
        tried.contains("Commits since then: 1") && tried.contains(">v0.1.0</outside") && !tried.contains("v1.0.0"),
        "{tried}"
    );
    assert_eq!((rig.records().len(), left()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_one_pull_request_and_its_tag_is_asked_for_once_when_that_is_merged() {
    let rig = rig("release::due").await;
    let asked = due(&rig).await;
    rig.once().await;
    let pulls = rig.pulls();
    assert_eq!((pulls.len(), rig.turns("write")), (1, 1), "{}", rig.story());
    let body = &pulls[0].issue.body;
    assert!(body.contains("A sum was \"wrong\".") && body.contains("`v0.2.0` is asked for") && body.contains("passed"), "{body}");
    assert_eq!(open_in_ops(&rig), Vec::<String>::new(), "nothing is asked for before the merge");

    // While it is open, asking again changes nothing.
    rig.seed.comment(REPO, "owner", asked, "/release").await.expect("a comment");
    rig.once().await;
    assert_eq!((rig.pulls().len(), rig.turns("write"), open_in_ops(&rig).len()), (1, 1, 0), "{}", rig.story());

    merge(&rig).await;
    rig.once().await;
    let heads = open_in_ops(&rig);
    assert_eq!(heads.len(), 1, "{}", rig.story());
    let text = in_ops(&rig, &["show", &format!("origin/{}:vault/actions/owner--app-v0.2.0.toml", heads[0])]).await;
    let as_action = forgehand::vault::action("tag.toml", "owner--app-v0.2.0", &text, &forgehand::vault::Known::default());
    assert!(as_action.is_ok(), "{text}\n{:?}", as_action.map_err(|faults| faults.lines()));
    let action: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!((action["id"].as_str(), action["blast_radius"].as_str()), (Some("owner--app-v0.2.0"), Some("high")), "{text}");
    assert!(action["context"].as_str().is_some_and(|context| context.contains("A sum was \"wrong\".")), "{text}");
    let main = rig.branch("main").expect("main");
    let how = &action["action_required"]["how"];
    assert_eq!(how[1].as_str(), Some(format!("git tag -a v0.2.0 -m v0.2.0 {main}").as_str()), "{text}");
    assert!(!rig.issue_now(asked).open, "{}", rig.story());
    assert_eq!(rig.said(asked, "is written down").len(), 1, "{:#?}", rig.comments(asked));
    assert!(!rig.seed.refs(REPO).expect("the refs").contains_key("refs/tags/v0.2.0"), "no tag is ours");

    // Asked for on another issue, or without the journal, while the request stands: nothing twice.
    let other = rig.issue("Release again", "Please.", &["release"]).await;
    rig.once().await;
    assert_eq!(rig.said(other, "0.2.0 is under way.").len(), 1, "{:#?}\n{}", rig.comments(other), rig.story());
    let number = other.to_string();
    let again = ["formula", "run", "release", "--issue", &number, "--input", "version=0.2.0", "--input", "tag=v0.2.0"];
    rig.run(&again).await.ok();
    rig.once().await;
    assert_eq!(rig.said(other, "stays as it is: it was opened about something else").len(), 1, "{:#?}", rig.comments(other));
    let lost = rig.another_journal();
    rig.run_with(&lost, &["once"]).await.ok();
    assert_eq!((rig.pulls().len(), open_in_ops(&rig)), (1, heads), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_while_it_asks_for_the_tag_asks_once() {
    let rig = rig("release::dies").await;
    let asked = due(&rig).await;
    rig.once().await;
    merge(&rig).await;
    let daemon = rig.start(&["run"]);
    let begun = |event: &Event| matches!(event, Event::Intended { intent: Intent::AskVault { .. }, .. });
    until("the action", || rig.records().iter().any(|record| begun(&record.event)).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    assert_eq!((rig.pulls().len(), open_in_ops(&rig).len(), rig.turns("write")), (1, 1, 1), "{}", rig.story());
    assert_eq!(rig.said(asked, "is written down").len(), 1, "{:#?}", rig.comments(asked));
    assert!(!rig.issue_now(asked).open, "{}", rig.story());
}
