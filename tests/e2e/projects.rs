//! Several projects in one daemon: they take turns, and one that hangs or is gone does not hold up the others.

use std::net::SocketAddr;

use forgehand::localforge::SeedFile;
use forgehand::model::Event;
use forgehand::sandbox::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, until};

const TWO: &str = "owner/two";

/// What becomes of requests about the second project.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Open,
    /// They are taken, and not answered.
    Stalls,
    /// As if it were gone.
    Gone,
}

async fn site(test: &'static str, fix: &str, daemon: &'static str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, fix)).daemon(daemon).mode(Mode::None);
    let rig = plan.rig().await.expect("it needs nothing");
    let files = [("add.sh", "echo 5\n"), ("test.sh", "test \"$(sh add.sh 2 2)\" = 4\n")];
    let files = files.map(|(path, content)| SeedFile { path, content, executable: false });
    rig.seed.create_repo("owner", "two", false, &files).await.expect("a repository");
    rig.seed.add_collaborator(TWO, "bot", "write").await.expect("a collaborator");
    rig.seed.create_label(TWO, "claude-queue", "#00aabb").await.expect("a label");
    rig.reconfigure("[agent]\n", &format!("[[project]]\nrepo = \"{TWO}\"\nverify = [\"sh ./test.sh\"]\n\n[agent]\n"));
    rig
}

async fn issue_in_two(rig: &Rig) -> u64 {
    rig.seed.create_issue(TWO, "reporter", "Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await.expect("an issue")
}

fn labels_in_two(rig: &Rig, number: u64) -> Vec<String> {
    let issues = rig.seed.issues(TWO).expect("the issues");
    issues.into_iter().find(|issue| issue.number == number).expect("the issue").labels
}

/// Between the binary and the forge: what is about the second project goes the way that is set.
struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn before(rig: &Rig, way: Way) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let forge = rig.forge.url();
        rig.reconfigure(&forge, &format!("http://{address}"));
        let upstream: SocketAddr = forge.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
        let (way, seen) = watch::channel(way);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(carry(stream, upstream, seen.clone()));
            }
        });
        Self { address, way, _tasks: tasks }
    }
}

/// One request to a connection, so that each is looked at.
async fn carry(mut from: TcpStream, upstream: SocketAddr, mut way: watch::Receiver<Way>) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    let end = loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => read.extend_from_slice(&buffer[..n]),
        }
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    if head.lines().next().is_some_and(|line| line.contains(TWO)) {
        if *way.borrow() == Way::Gone {
            let answer = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 22\r\nConnection: close\r\n\r\n{\"message\":\"not here\"}";
            // Whoever went away wants no answer.
            let _gone = from.write_all(answer.as_bytes()).await;
            return;
        }
        if way.wait_for(|way| *way != Way::Stalls).await.is_err() {
            return;
        }
    }
    let kept = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: Vec<&str> = kept.chain(["Connection: close", "", ""]).collect();
    let Ok(mut to) = TcpStream::connect(upstream).await else { return };
    if to.write_all(head.join("\r\n").as_bytes()).await.is_ok() && to.write_all(&read[end + 4..]).await.is_ok() {
        let _broken = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_requests_hang_holds_up_no_other() {
    let rig = site("projects::one_whose_requests_hang", FIX, "poll = \"1s\"").await;
    let proxy = Proxy::before(&rig, Way::Stalls).await;
    assert_ne!(proxy.address.port(), 0);
    let second = issue_in_two(&rig).await;
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    until("the first project's pull request", || (rig.labels(first) == ["claude-pr"]).then_some(())).await;
    assert_eq!(labels_in_two(&rig, second), ["claude-queue"], "{}", rig.story());
    proxy.way.send_replace(Way::Open);
    until("the second project's pull request", || (labels_in_two(&rig, second) == ["claude-pr"]).then_some(())).await;
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_in_the_middle_of_a_run_gives_its_slot_away() {
    let rig = site(
        "projects::one_that_hangs_in_the_middle",
        "if [ ! -e \"$here/go\" ]; then wait_for go; fi; repair; commit Add; answer done 'Done.'",
        "poll = \"1s\"",
    )
    .await;
    let proxy = Proxy::before(&rig, Way::Open).await;
    let second = issue_in_two(&rig).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    proxy.way.send_replace(Way::Gone);
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.let_pass("go");
    until("the first project's pull request", || (rig.labels(first) == ["claude-pr"]).then_some(())).await;
    assert_ne!(labels_in_two(&rig, second), ["claude-pr"]);
    daemon.term();
    assert!(daemon.wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_gone_is_said_and_holds_up_no_other() {
    let rig = site("projects::one_that_is_gone", FIX, "").await;
    let _proxy = Proxy::before(&rig, Way::Gone).await;
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains(TWO), "{said:?}");
    assert_eq!(rig.labels(first), ["claude-pr"], "{}", rig.story());
    let board = rig.json(&["status", "--json"]).await;
    assert_eq!(board["troubles"][0]["repo"], TWO, "{board:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_take_turns_on_one_slot() {
    let rig = site("projects::they_take_turns", FIX, "").await;
    for _ in 0..3 {
        rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    }
    issue_in_two(&rig).await;
    rig.once().await;
    let starts: Vec<String> = rig
        .records()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::RunStarted { subject, .. } => Some(subject.repo.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(starts.len(), 4, "{}", rig.story());
    let place = starts.iter().position(|repo| repo == TWO).expect("a run of the second project");
    assert!(place <= 1, "{starts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_own_slots_bound_it() {
    let rig = site("projects::own_slots", &format!("wait_for go; {FIX}"), "poll = \"1s\"\nslots = 3").await;
    rig.reconfigure(&format!("repo = \"{REPO}\"\n"), &format!("repo = \"{REPO}\"\nslots = 1\nusd_day = 100\n"));
    let first = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let second = rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let other = issue_in_two(&rig).await;
    let daemon = rig.start(&["run"]);
    until("two agents at work", || (rig.turns("work") == 2).then_some(())).await;
    let board = rig.json(&["status", "--json"]).await;
    let reason = board["issues"].as_array().expect("a list").iter().find(|row| row["repo"] == REPO && row["number"] == second);
    let reason = reason.expect("the issue")["waiting"]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("all slots of owner/app are taken (1 slot)"), "{reason}");
    rig.let_pass("go");
    for number in [first, second] {
        until("a pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    }
    until("a pull request", || (labels_in_two(&rig, other) == ["claude-pr"]).then_some(())).await;
    daemon.term();
    assert!(daemon.wait().await.success());
}
