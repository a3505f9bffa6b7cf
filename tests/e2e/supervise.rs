//! The role that looks after the host: what is well costs nothing, what is low is mended, what stays is said once, the rest is asked of the vault.

use std::path::PathBuf;

use forgehand::localforge::{IssueView, SeedFile};
use forgehand::model::{Event, HostEnd, Intent, Outcome};

use crate::ops::{OPS, in_ops};
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, until};

/// Says what is wrong with each probe, unless it was shown a secret.
const LOOKS: &str = r###"case $FORGEHAND_STEP in
    look) if asked_for 'db is down' && ! asked_for 'ghp_16C7'; then cat >"$FORGEHAND_RESULT" <<'END'
{"summary":"The database is down.","findings":[
 {"probe":"db","priority":"P0","cause":"Its disk is full.","do":"Make room.","who":"person"},
 {"probe":"cert","priority":"P1","cause":"It ended.","do":"Buy another.","who":"vault"},
 {"probe":"nobody","priority":"P1","cause":"There is none.","do":"Nothing.","who":"vault"}]}
END
    fi ;;
esac"###;

/// A secret as a program could print it.
const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// A probe that is well where a file is there.
fn probe(name: &str, more: &str) -> String {
    let looks = format!("test -e well-{name} || {{ echo {name} is down, token {SECRET}; exit 3; }}");
    format!("[[probe]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", \"{looks}\"]\n{more}\n\n")
}

fn mend(script: &str, risk: &str) -> String {
    format!("mend = [\"sh\", \"-c\", \"echo once >>mends; {script}\"]\nmend_blast_radius = \"{risk}\"")
}

async fn rig(test: &'static str, probes: &[String]) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, LOOKS)).mode(forgehand::sandbox::Mode::None);
    let rig = plan.project("formulas = [\"triage\", \"supervise\"]").rig().await.expect("it needs nothing");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n{}[agent]\n", probes.concat()));
    let file = SeedFile { path: "README.md", content: "# Operations\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[file]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    rig.once().await;
    rig
}

async fn supervise(rig: &Rig) {
    rig.run(&["formula", "run", "supervise"]).await.ok();
    rig.once().await;
}

/// A file beside the configuration, where programs of the host run.
fn beside(rig: &Rig, name: &str) -> PathBuf {
    rig.config_file().with_file_name(name)
}

fn turn(rig: &Rig, name: &str, well: bool) {
    let file = beside(rig, &format!("well-{name}"));
    if well { std::fs::write(file, "").expect("a file") } else { std::fs::remove_file(file).expect("a file") }
}

/// How often something was mended.
fn mends(rig: &Rig) -> usize {
    std::fs::read_to_string(beside(rig, "mends")).unwrap_or_default().lines().count()
}

fn issues(rig: &Rig) -> Vec<IssueView> {
    let mut all = rig.seed.issues(REPO).expect("the issues");
    all.sort_by_key(|issue| issue.number);
    all
}

fn asked(rig: &Rig) -> Vec<String> {
    let mut titles: Vec<String> =
        rig.seed.pulls(OPS).expect("the pull requests").into_iter().map(|pull| pull.issue.title).collect();
    titles.sort();
    titles
}

fn outcomes(rig: &Rig) -> Vec<(Option<HostEnd>, bool)> {
    let mended = |event: &Event| match event {
        Event::Ended { outcome: Outcome::Mended { end, probed }, .. } => Some((*end, probed.is_well())),
        _ => None,
    };
    rig.records().iter().filter_map(|record| mended(&record.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_well_costs_nothing_and_what_is_low_is_mended_without_anybody() {
    let rig = rig("supervise::mends", &[probe("db", &mend("touch well-db", "low"))]).await;
    turn(&rig, "db", true);
    supervise(&rig).await;
    assert_eq!((mends(&rig), outcomes(&rig)), (0, vec![]), "{}", rig.story());
    turn(&rig, "db", false);
    supervise(&rig).await;
    assert_eq!((mends(&rig), outcomes(&rig)), (1, vec![(Some(HostEnd::Exited { code: 0 }), true)]), "{}", rig.story());
    assert_eq!((rig.turns("look"), issues(&rig).len(), asked(&rig).len()), (0, 0, 0), "{}", rig.story());
    let told = rig.run(&["logs", REPO]).await.ok().out;
    assert!(told.contains("3 probes, all well") && told.contains("3 probes, not well: db"), "{told}");
    assert!(told.contains("db is well now, after its mend (exit 0)"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_has_one_issue_that_is_closed_when_it_is_well_again() {
    let slow =
        "[[probe]]\nname = \"slow\"\ncommand = [\"sleep\", \"600\"]\ntimeout = \"300ms\"\npriority = \"P4\"\n\n".to_owned();
    let rig = rig("supervise::reports", &[probe("db", "priority = \"P1\""), slow]).await;
    for _ in 0..2 {
        supervise(&rig).await;
    }
    let said = |issue: &IssueView| (issue.title.clone(), issue.labels.clone(), issue.open);
    let labels = |priority: &str| vec![priority.to_owned(), "examined".to_owned()];
    let expected = [
        ("P1: the probe db is not well".to_owned(), labels("P1"), true),
        ("P4: the probe slow is not well".to_owned(), labels("P4"), true),
    ];
    assert_eq!(issues(&rig).iter().map(said).collect::<Vec<_>>(), expected, "{}", rig.story());
    let [db, slow] = issues(&rig).try_into().expect("two");
    assert!(db.body.contains("db is down") && db.body.contains("exited, with 3"), "{}", db.body);
    assert!(slow.body.contains("timed-out"), "a hung one is cut: {}", slow.body);
    assert_eq!((rig.turns("look"), rig.said(1, "Its disk is full.").len()), (1, 1), "it is examined once: {}", rig.story());
    let journal: String = rig.records().iter().map(|record| format!("{record:?}")).collect();
    assert!(!db.body.contains("ghp_16C7") && !journal.contains("ghp_16C7"), "a secret goes nowhere: {}", db.body);

    turn(&rig, "db", true);
    supervise(&rig).await;
    assert_eq!((rig.issue_now(1).open, rig.issue_now(2).open), (false, true), "{}", rig.story());
    assert_eq!(rig.said(1, "It is well again").len(), 1, "{:?}", rig.comments(1));

    turn(&rig, "db", false);
    supervise(&rig).await;
    assert_eq!((issues(&rig).len(), rig.issue_now(1).open, rig.issue_now(3).open), (3, false, true), "{}", rig.story());
    assert_eq!(rig.turns("look"), 2, "another time has its own cause: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_low_is_asked_of_the_vault_once_and_never_run() {
    let rig = rig("supervise::asks", &[probe("db", &mend("touch well-db", "high")), probe("cert", "")]).await;
    for _ in 0..2 {
        supervise(&rig).await;
    }
    assert_eq!(asked(&rig), ["Mend what the probe-db looks at", "Somebody is needed for the probe cert"], "{}", rig.story());
    assert_eq!((mends(&rig), rig.turns("look")), (0, 1), "{}", rig.story());
    let pulls = rig.seed.pulls(OPS).expect("the pull requests");
    let of = |title: &str| pulls.iter().find(|pull| pull.issue.title.contains(title)).expect("it").head.clone();
    let action = in_ops(&rig, &["show", &format!("origin/{}:vault/actions/probe-db-1.toml", of("Mend"))]).await;
    for words in ["blast_radius = \"high\"", "unblocks = [\"owner/app#1\"]", "[action_required]"] {
        assert!(action.contains(words), "{words}: {action}");
    }
    let known = forgehand::vault::Known { projects: vec!["owner/app".parse().expect("a name")], ..Default::default() };
    let as_action = forgehand::vault::action("probe.toml", "probe-db-1", &action, &known);
    assert!(as_action.is_ok(), "{action}\n{:?}", as_action.map_err(|faults| faults.lines()));
    let pending = in_ops(&rig, &["show", &format!("origin/{}:vault/pending/probe-cert.md", of("cert"))]).await;
    let as_item = forgehand::vault::pending("probe-cert.md", &pending, &known);
    assert!(as_item.is_ok(), "{pending}\n{:?}", as_item.map_err(|faults| faults.lines()));
    assert!(pending.contains("Buy another.") && pending.contains("owner/app#2") && !pending.contains("ghp_16C7"), "{pending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_help_is_not_done_again_and_again() {
    let more = format!("{}\nmend_at_most = 2", mend("exit 1", "low"));
    let memory = "[[probe]]\nname = \"memory\"\nmemory = \"1000000GiB\"\n\n".to_owned();
    let rig = rig("supervise::storm", &[probe("db", &more), memory]).await;
    for _ in 0..4 {
        supervise(&rig).await;
    }
    assert_eq!(mends(&rig), 2, "{}", rig.story());
    assert_eq!(outcomes(&rig), vec![(Some(HostEnd::Exited { code: 1 }), false); 2], "{}", rig.story());
    assert!(rig.issue_now(1).body.contains("Its mend was run, and did not help."), "{}", rig.issue_now(1).body);
    let short = rig.issue_now(2);
    assert!(
        short.title.contains("memory") && short.body.contains("of memory are available, 1000000.0 GiB are to be"),
        "{short:#?}"
    );
    let told = rig.run(&["logs", REPO]).await.ok().out;
    assert!(told.contains("db is not mended: it was mended 2 times within the hour, and 2 are allowed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_while_it_mends_looks_first() {
    let waits = "touch well-db; for i in $(seq 300); do test -e go && exit 0; sleep 0.1; done";
    let rig = rig("supervise::dies", &[probe("db", &mend(waits, "low"))]).await;
    rig.run(&["formula", "run", "supervise"]).await.ok();
    let daemon = rig.start(&["run"]);
    until("the mend", || (mends(&rig) == 1 && beside(&rig, "well-db").exists()).then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    std::fs::write(beside(&rig, "go"), "").expect("a file");
    let begun =
        rig.records().iter().filter(|record| matches!(record.event, Event::Intended { intent: Intent::Mend { .. }, .. })).count();
    assert_eq!((mends(&rig), begun, outcomes(&rig)), (1, 1, vec![(None, true)]), "{}", rig.story());
    assert_eq!((issues(&rig).len(), rig.turns("look")), (0, 0), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_runs_nothing_on_the_host_and_doctor_says_whose_program_is_missing() {
    let gone = probe("cert", "mend = [\"no-such-program\"]\nmend_blast_radius = \"low\"");
    let looks = "[[probe]]\nname = \"cache\"\ndisk = \"no-such-folder\"\nfloor = \"1GiB\"\n\n".to_owned();
    let rig = rig("supervise::dry", &[probe("db", &mend("touch well-db", "low")), gone, looks]).await;
    let tried = rig.run(&["formula", "run", "supervise", "--dry-run"]).await.ok().out;
    for words in ["mend", "db", "state-disk", "(what the probe cache prints)", "note: the probes of the host are not run here"] {
        assert!(tried.contains(words), "{words}: {tried}");
    }
    assert!(!tried.contains("db is down"), "it is not asked: {tried}");
    assert_eq!((mends(&rig), issues(&rig).len(), rig.turns("look")), (0, 0, 0));
    let report = rig.run(&["doctor"]).await;
    assert_eq!(report.code, Some(4), "{report:#?}");
    let lines: Vec<&str> = report.out.lines().filter(|line| line.starts_with("FAIL  probe")).collect();
    assert!(lines.len() == 2, "{}", report.out);
    assert!(lines[0].contains("cert: `no-such-program` is not there"), "{lines:?}");
    assert!(lines[1].contains("cache: ") && lines[1].contains("no-such-folder is not there"), "{lines:?}");
    assert!(report.out.contains("name another program by `mend` of [[probe]] cert"), "{}", report.out);
}
