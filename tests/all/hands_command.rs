//! The `command` backend, bundles and verification, with real processes and git: in bubblewrap, and without where that differs.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forgehand::gateway::{Prices, Upstream};
use forgehand::hands::claude::Claude;
use forgehand::hands::output::{parse_output, schema};
use forgehand::hands::supervise::Limits;
use forgehand::hands::{Backend, ClaudeBackend, command};
use forgehand::model::{Access, HandOutcome, Provisions};
use forgehand::ports::{Given, HandErrorKind, Hands, VaultNeeds, VerifyOrder};
use forgehand::sandbox::{Mode, Sandbox};
use rustix::fs::FileType;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::hands_bench::{Bench, SECRET, limits, sandbox, shape};

/// An agent that is a line of shell.
fn shell(script: &str) -> Backend {
    Backend::Command { argv: ["sh", "-c", script].map(str::to_owned).into() }
}

const BOTH: [Mode; 2] = [Mode::Bubblewrap, Mode::None];
const DONE: &str = r#"printf '{"outcome":"done","title":"Say more","summary":"said more"}' > "$FORGEHAND_RESULT""#;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_works_commits_and_answers() {
    for mode in BOTH {
        let Some(sandbox) = sandbox("hands_command::a_command_works_commits_and_answers", mode) else { continue };
        let script = format!(
            "cat > said.txt; echo \"$FORGEHAND_FORMULA/$FORGEHAND_STEP\" >> said.txt; git add -A && git commit -q -m 'say more' && {DONE}"
        );
        let bench = Bench::new(sandbox, shell(&script), &[], |_| {}).await;
        let turn = bench.turn(&bench.order("the prompt\n")).await;
        let report = turn.report();
        assert_eq!(report.outcome, HandOutcome::Succeeded, "{mode:?}: {}", bench.log());
        let Ok(output) = &report.output else { panic!("{:?}", report.output) };
        assert_eq!((&output["outcome"], &output["title"]), (&json!("done"), &json!("Say more")));
        assert!(!report.resumable);
        let head = bench.take(&bench.bundle().await.expect("there are commits"));
        assert_eq!(bench.in_run(&["show", &format!("{head}:said.txt")]), "the prompt\nfix/work\n");
        assert_eq!(bench.in_run(&["log", "-1", "--format=%an <%ae>", head.as_str()]).trim(), "Robot <robot@example.test>");
        assert!(bench.log().contains(r#""turn":"ended""#));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_of_a_command_is_an_allow_list() {
    let Some(sandbox) = sandbox("hands_command::the_environment_of_a_command_is_an_allow_list", Mode::None) else { return };
    let bench = Bench::new(sandbox, shell("env | cut -d= -f1 | sort"), &[], |_| {}).await;
    let turn = bench.turn(&bench.order("")).await;
    let names = turn.doings();
    for name in ["FORGEHAND_FORMULA", "FORGEHAND_STEP", "FORGEHAND_RESULT", "HOME", "PATH", "LANG"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    let known = |name: &&str| {
        name.starts_with("FORGEHAND_")
            || name.starts_with("GIT_")
            || ["HOME", "PATH", "LANG", "PWD", "_", "SHLVL", "OLDPWD"].contains(name)
    };
    let foreign: Vec<_> = names.iter().filter(|name| !known(name)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_only_cannot_write() {
    let Some(sandbox) = sandbox("hands_command::what_reads_only_cannot_write", Mode::Bubblewrap) else { return };
    let bench = Bench::new(sandbox, shell("touch new && exit 3; cat README.md"), &[], |_| {}).await;
    let order = forgehand::ports::AgentOrder { access: Access::Read, ..bench.order("") };
    let turn = bench.turn(&order).await;
    assert_eq!(turn.report().outcome, HandOutcome::Succeeded);
    assert!(turn.doings().contains(&"hello"), "{:?}", turn.doings());
    assert!(!bench.tree().join("new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_has_its_last_words_without_secrets() {
    let Some(sandbox) = sandbox("hands_command::a_crash_has_its_last_words_without_secrets", Mode::None) else { return };
    let script = format!("echo working with {SECRET}; echo broken by {SECRET} >&2; exit 7");
    let bench = Bench::new(sandbox, shell(&script), &[], |_| {}).await;
    let turn = bench.turn(&bench.order("")).await;
    let HandOutcome::Crashed { why } = &turn.report().outcome else { panic!("{:?}", turn.report()) };
    assert_eq!(why, "it ended with exit code 7; it said: broken by [removed]");
    assert!(turn.report().output.is_err());
    assert_eq!(turn.doings(), ["working with [removed]"]);
    assert!(!bench.log().contains(SECRET) && bench.log().contains("working with [removed]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_answer_is_told_and_no_crash() {
    let Some(sandbox) = sandbox("hands_command::a_missing_or_wrong_answer_is_told_and_no_crash", Mode::None) else { return };
    let cases = [
        ("true", "missing"),
        (r#"echo nonsense > "$FORGEHAND_RESULT""#, "not as asked"),
        (r#"echo '{"outcome":"done","summary":"x","more":1}' > "$FORGEHAND_RESULT""#, "'more' not allowed"),
        (r#"echo '{"outcome":"done","summary":" "}' > "$FORGEHAND_RESULT""#, "at /summary"),
        (r#"ln -s /etc/passwd "$FORGEHAND_RESULT""#, "symbolic link"),
        (r#"mkfifo "$FORGEHAND_RESULT""#, "not a regular file"),
        (r#"mkdir "$FORGEHAND_RESULT""#, "not a regular file"),
        (r#"head -c 1100000 /dev/zero > "$FORGEHAND_RESULT""#, "larger than"),
        (r#"printf '\377' > "$FORGEHAND_RESULT""#, "UTF-8"),
    ];
    // One bench for all: what one turn leaves in the file's place must not stand in the way of the next.
    let script = r#"eval "$(cat)""#;
    let bench = Bench::new(sandbox, shell(script), &[], |_| {}).await;
    for (script, words) in cases {
        let turn = bench.turn(&bench.order(script)).await;
        let report = turn.report();
        assert_eq!(report.outcome, HandOutcome::Succeeded, "{script}");
        let why = report.output.as_ref().expect_err(script);
        assert!(why.contains(words), "{script}: {why}");
    }
    let turn = bench.turn(&bench.order(DONE)).await;
    assert!(turn.report().output.is_ok(), "{:?}", turn.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_the_wall_clock_end_a_command_and_all_it_started() {
    for mode in BOTH {
        let test = "hands_command::silence_and_the_wall_clock_end_a_command_and_all_it_started";
        let Some(sandbox) = sandbox(test, mode) else { continue };
        // Ignores TERM, and so does a child in a session of its own, which holds a pipe for as long as it lives.
        let script = r#"trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 1; done' 3> held & eval "$(cat)""#;
        let short = Limits {
            silence: Duration::from_millis(700),
            wall: Duration::from_millis(1500),
            grace_limit: Duration::from_millis(200),
            ..limits()
        };
        let bench = Bench::new(sandbox, shell(script), &[], |options| options.limits = short).await;
        let held = bench.tree().join("held");
        rustix::fs::mknodat(rustix::fs::CWD, &held, FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut pipe = fs::File::options().read(true).custom_flags(nonblocking).open(&held).expect("the pipe");
        let turn = bench.turn(&bench.order("echo begun; while :; do sleep 1; done")).await;
        assert_eq!(turn.report().outcome, HandOutcome::Stalled, "{mode:?}");
        assert_eq!(turn.doings(), ["begun"]);
        assert_eq!(pipe.read(&mut [0]).expect("nobody holds it"), 0);
        let turn = bench.turn(&bench.order("while :; do echo busy; sleep 0.1; done")).await;
        assert_eq!(turn.report().outcome, HandOutcome::TimedOut, "{mode:?}");
        assert_eq!(pipe.read(&mut [0]).expect("nobody holds it"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_may_clean_up() {
    let Some(sandbox) = sandbox("hands_command::a_cancelled_command_may_clean_up", Mode::Bubblewrap) else { return };
    let script = "trap 'echo bye > bye.txt; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let bench = Bench::new(sandbox, shell(script), &[], |_| {}).await;
    let cancel = CancellationToken::new();
    let turn = bench.turn_until(&bench.order(""), &cancel, |_| cancel.cancel()).await;
    assert_eq!(turn.report().outcome, HandOutcome::Cancelled);
    assert_eq!(fs::read_to_string(bench.tree().join("bye.txt")).expect("it had the time"), "bye\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_elsewhere_is_mounted_with_its_folder() {
    let Some(sandbox) = sandbox("hands_command::a_program_elsewhere_is_mounted_with_its_folder", Mode::Bubblewrap) else {
        return;
    };
    let tools = tempfile::tempdir().expect("a folder");
    let agent = tools.path().join("agent.sh");
    fs::write(&agent, "cat \"$(dirname \"$0\")/words.txt\"; touch \"$0.new\" || true").expect("a file");
    fs::write(tools.path().join("words.txt"), "from beside\n").expect("a file");
    let argv = vec!["sh".to_owned(), agent.display().to_string()];
    assert_eq!(command::mounts(&argv, |_| false), [tools.path()]);
    let bench = Bench::new(sandbox, Backend::Command { argv }, &[], |_| {}).await;
    let turn = bench.turn(&bench.order("")).await;
    assert_eq!(turn.report().outcome, HandOutcome::Succeeded);
    assert!(turn.doings().contains(&"from beside"), "{:?}", turn.doings());
    assert!(!tools.path().join("agent.sh.new").exists(), "it is mounted read-only");
}

#[test]
fn folders_of_the_system_are_not_mounted_again() {
    let argv = ["/bin/sh", "/usr/bin/env", "relative", "/nowhere/at/all"].map(str::to_owned);
    assert_eq!(command::mounts(&argv, |_| false), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_a_matter_of_the_machine() {
    let Some(sandbox) = sandbox("hands_command::a_missing_program_is_a_matter_of_the_machine", Mode::Bubblewrap) else { return };
    let bench = Bench::new(sandbox, Backend::Command { argv: vec!["no-such-agent".to_owned()] }, &[], |_| {}).await;
    let error = bench.turn(&bench.order("")).await.report.expect_err("it cannot start");
    assert_eq!(error.kind, HandErrorKind::Environment);
    assert!(error.to_string().contains("no-such-agent") && error.why.contains("[sandbox] path"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_commits_make_no_bundle_and_a_broken_repository_makes_none_either() {
    let Some(sandbox) = sandbox("hands_command::no_commits_make_no_bundle", Mode::Bubblewrap) else { return };
    let bench = Bench::new(sandbox, shell(r#"eval "$(cat)""#), &[], |_| {}).await;
    bench.turn(&bench.order("echo x > x; git add x")).await;
    assert_eq!(bench.bundle().await, None, "what is not committed does not count");
    bench.turn(&bench.order("git checkout -q -b other; git commit -q -m x")).await;
    assert_eq!(bench.bundle().await, None, "only the run's branch counts");
    bench.turn(&bench.order("rm -rf .git/refs .git/HEAD")).await;
    assert_eq!(bench.bundle().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn making_the_bundle_runs_nothing_of_the_agent_on_the_host() {
    let Some(sandbox) = sandbox("hands_command::making_the_bundle_runs_nothing_of_the_agent_on_the_host", Mode::Bubblewrap)
    else {
        return;
    };
    let outside = tempfile::tempdir().expect("a folder");
    let mark = outside.path().join("mark");
    let script = format!(
        "git config core.fsmonitor 'touch {0}'; git config core.hooksPath hooks; mkdir hooks; git config --global alias.rev-list '!touch {0}'
         echo y > y; git add y; git commit -q -m y; rm -f ../out/work.bundle; ln -s {0} ../out/work.bundle",
        mark.display()
    );
    let bench = Bench::new(sandbox, shell(&script), &[], |_| {}).await;
    bench.turn(&bench.order("")).await;
    let bundle = bench.bundle().await.expect("there is a commit");
    assert!(fs::symlink_metadata(&bundle).expect("a file").is_file(), "the agent's link is gone");
    assert!(!mark.exists());
    assert_eq!(bench.in_run_after(&bundle), "y\n");
}

impl Bench {
    fn in_run_after(&self, bundle: &std::path::Path) -> String {
        let head = self.take(bundle);
        self.in_run(&["show", &format!("{head}:y")])
    }
}

async fn committed(sandbox: Arc<Sandbox>, verify_limit: Duration) -> (Bench, VerifyOrder) {
    let script =
        "echo '#!/bin/sh\ngrep -q good state' > test.sh; echo good > state; git add -A; git commit -q -m work; echo bad > state";
    let bench = Bench::new(sandbox, shell(script), &[], |options| {
        options.verify_limit = verify_limit;
        options.limits.grace_limit = Duration::from_millis(300);
    })
    .await;
    bench.turn(&bench.order("")).await;
    let sha = bench.take(&bench.bundle().await.expect("there is a commit"));
    let workspace = &bench.workspace;
    let order = VerifyOrder {
        repo: workspace.repo.clone(),
        run: workspace.run.clone(),
        step: "verify".into(),
        sha,
        commands: vec!["sh ./test.sh".to_owned()],
        item: None,
        timeout: None,
        network: Vec::new(),
        given: Given::default(),
        vault: VaultNeeds::default(),
    };
    (bench, order)
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_sees_the_commit_and_nothing_of_the_workspace() {
    for mode in BOTH {
        let Some(sandbox) = sandbox("hands_command::verification_sees_the_commit", mode) else { continue };
        let (bench, order) = committed(sandbox, Duration::from_secs(30)).await;
        let evidence = bench.hands.verify(&order, CancellationToken::new()).await.expect("it is verified");
        assert!(evidence.passed && !evidence.timed_out, "{evidence:?}");
        assert_eq!((evidence.sha, evidence.commands.len()), (order.sha.clone(), 1));
        assert!(!bench.dir.path().join("verify/verify").exists(), "the clone is dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_stops_at_the_first_failure_with_the_end_of_its_output() {
    let Some(sandbox) = sandbox("hands_command::verification_stops_at_the_first_failure", Mode::Bubblewrap) else { return };
    let (bench, order) = committed(sandbox, Duration::from_secs(30)).await;
    let noisy = format!("yes line | head -n 9999; printf '\\033[31m{SECRET} is wrong\\033[0m\\a\\n' >&2; exit 5");
    let commands = vec!["true".to_owned(), noisy, "touch never".to_owned()];
    let order = VerifyOrder { commands, ..order };
    let evidence = bench.hands.verify(&order, CancellationToken::new()).await.expect("it is verified");
    assert!(!evidence.passed && !evidence.timed_out);
    let exits: Vec<_> = evidence.commands.iter().map(|command| command.exit).collect();
    assert_eq!(exits, [Some(0), Some(5)]);
    let tail = &evidence.commands[1].tail;
    assert!(tail.contains("[removed] is wrong") && tail.len() <= 8 << 10, "{tail}");
    assert!(!tail.contains('\u{1b}') && !tail.contains(SECRET));
}

/// Answers once two are there: whoever comes alone waits.
async fn meet(listener: tokio::net::TcpListener) {
    let mut one = listener.accept().await.expect("the first").0;
    let mut other = listener.accept().await.expect("the second").0;
    for guest in [&mut one, &mut other] {
        guest.write_all(b"both\n").await.expect("it listens");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_steps_of_a_run_are_verified_at_once_each_in_a_clone_of_its_own() {
    for mode in BOTH {
        let Some(sandbox) = sandbox("hands_command::two_steps_of_a_run_are_verified_at_once", mode) else { continue };
        let (bench, order) = committed(sandbox, Duration::from_secs(30)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let service = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port);
        let provisions = Provisions { services: vec![service], ..Provisions::default() };
        let of = |step: &str| VerifyOrder {
            step: step.into(),
            commands: vec![format!(
                "test ! -e mark && touch mark && bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && read -r -t 20 line <&3 && test $line = both'"
            )],
            given: Given { provisions: provisions.clone(), ..Given::default() },
            ..order.clone()
        };
        let (lint, test) = (of("lint"), of("test"));
        let cancel = CancellationToken::new();
        let verified = |order| bench.hands.verify(order, cancel.clone());
        let (one, other, _met) =
            tokio::join!(verified(&lint), verified(&test), tokio::time::timeout(Duration::from_secs(20), meet(listener)));
        for evidence in [one.expect("it is verified"), other.expect("it is verified")] {
            assert!(evidence.passed, "{evidence:?}");
        }
        let left = std::fs::read_dir(bench.dir.path().join("verify")).expect("a folder").count();
        assert_eq!(left, 0, "the clones are dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_has_a_limit_of_time_and_can_be_cancelled() {
    let Some(sandbox) = sandbox("hands_command::verification_has_a_limit_of_time_and_can_be_cancelled", Mode::Bubblewrap) else {
        return;
    };
    let (bench, order) = committed(sandbox, Duration::from_millis(800)).await;
    let hang = "trap '' TERM; echo begun; while :; do sleep 1; done".to_owned();
    let order = VerifyOrder { commands: vec![hang, "true".to_owned()], ..order };
    let evidence = bench.hands.verify(&order, CancellationToken::new()).await.expect("it is verified");
    assert!(!evidence.passed && evidence.timed_out, "{evidence:?}");
    assert_eq!((evidence.commands.len(), evidence.commands[0].exit), (1, None));
    assert!(evidence.commands[0].tail.starts_with("begun"));
    // A step's own time only tightens.
    for (timeout, over) in [(Duration::from_millis(10), true), (Duration::from_secs(60), false)] {
        let order = VerifyOrder { commands: vec!["sleep 0.2".to_owned()], timeout: Some(timeout), ..order.clone() };
        let evidence = bench.hands.verify(&order, CancellationToken::new()).await.expect("it is verified");
        assert_eq!((evidence.timed_out, evidence.passed), (over, !over), "{evidence:?}");
    }
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = bench.hands.verify(&order, cancel).await.expect_err("it is cancelled");
    assert_eq!(error.kind, HandErrorKind::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confined_agent_has_no_network_and_sees_nothing_of_the_host() {
    let Some(sandbox) = sandbox("hands_command::a_confined_agent_has_no_network_and_sees_nothing_of_the_host", Mode::Bubblewrap)
    else {
        return;
    };
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let script = format!(
        "pwd; ls /forgehand; ls -d {manifest} || echo unseen; bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' || echo unreachable",
        manifest = env!("CARGO_MANIFEST_DIR")
    );
    let bench = Bench::new(sandbox, shell(&script), &[], |_| {}).await;
    let turn = bench.turn(&bench.order("")).await;
    let said = turn.doings();
    assert_eq!(said[0], "/forgehand/work");
    assert!(said.contains(&"unseen") && said.contains(&"unreachable"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_reaches_the_hosts_that_are_named_and_no_other() {
    let test = "hands_command::verification_reaches_the_hosts_that_are_named_and_no_other";
    let Some(sandbox) = sandbox(test, Mode::Bubblewrap) else { return };
    let (bench, order) = committed(sandbox, Duration::from_secs(30)).await;
    let server = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let host = server.local_addr().expect("an address").to_string();
    let answers = std::thread::spawn(move || {
        let (mut client, _) = server.accept().expect("a client");
        let _ = client.read(&mut [0; 1024]).expect("a request");
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nfetch").expect("an answer");
    });
    // Without a client that knows proxies, so that none has to be installed.
    let get = |host: &str| {
        format!(
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/${{HTTP_PROXY##*:}}; \
             printf \"GET http://{host}/ HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n\" >&3; cat <&3'"
        )
    };
    let commands = vec![get(&host), get("example.test")];
    let order = VerifyOrder { commands, network: vec![host.clone()], ..order };
    let evidence = bench.hands.verify(&order, CancellationToken::new()).await.expect("it is verified");
    answers.join().expect("it answered");
    let tails: Vec<_> = evidence.commands.iter().map(|command| command.tail.as_str()).collect();
    assert!(tails[0].starts_with("HTTP/1.1 200") && tails[0].ends_with("fetch"), "{tails:?}");
    assert!(tails[1].starts_with("HTTP/1.1 403"), "{tails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_nothing_starts() {
    let Some(sandbox) = sandbox("hands_command::without_credentials_nothing_starts", Mode::None) else { return };
    let claude = Claude { program: "/nowhere/claude".into(), model: "claude-sonnet-4-5".to_owned(), max_turns: 1 };
    let backend = ClaudeBackend {
        claude,
        upstream: Upstream::default(),
        prices: Arc::new(Prices::shipped()),
        accounts: Default::default(),
    };
    let bench = Bench::new(sandbox, Backend::Claude(backend), &[], |_| {}).await;
    let error = bench.turn(&bench.order("")).await.report.expect_err("it cannot start");
    assert_eq!(error.kind, HandErrorKind::NoCredentials);
    assert!(error.why.contains("ANTHROPIC_API_KEY"), "{error}");
}

#[test]
fn shipped_schemas_stand_alone_and_are_closed() {
    for name in ["triage-result", "fix-result"] {
        let schema = schema(&shape(name));
        // claude 2.1.329 takes no other draft than 7, and this is how it takes it for that.
        assert_eq!(schema.get("$schema"), None);
        assert_eq!(schema["additionalProperties"], json!(false));
        assert!(!schema.to_string().contains("$ref"), "{schema}");
    }
}

fn triage(change: impl FnOnce(&mut Value)) -> Result<Value, String> {
    let mut output = json!({"route": "queue", "summary": "s", "requirements": [], "acceptance": [], "files": [], "risk": "low",
        "questions": []});
    change(&mut output);
    parse_output(&shape("triage-result"), &output.to_string())
}

#[test]
fn a_triage_is_validated_in_form_and_in_sense() {
    triage(|_| {}).expect("a right one");
    let wrong = |change: &dyn Fn(&mut Value), says: &str| {
        let why = triage(change).expect_err(says);
        assert!(why.contains(says), "{says:?} in {why}");
    };
    wrong(&|output| output["route"] = json!("elsewhere"), "at /route");
    wrong(&|output| output["extra"] = json!(1), "extra");
    wrong(&|output| output["risk"] = Value::Null, "at /risk");
    wrong(&|output| output["summary"] = json!("\n"), "at /summary");
    wrong(&|output| output["files"] = json!(vec!["f"; 51]), "at /files");
    wrong(&|output| output["files"] = json!([""]), "at /files/0");
    wrong(&|output| output["route"] = json!("needs-info"), "at /questions");
    let asked = triage(|output| {
        output["route"] = json!("needs-info");
        output["questions"] = json!(["which one?"]);
    });
    asked.expect("a question");
}

#[test]
fn a_fix_is_validated_in_form_and_in_sense() {
    let fix = |json: Value| parse_output(&shape("fix-result"), &json.to_string());
    fix(json!({"outcome": "done", "summary": "s"})).expect("no title is needed");
    // A model that has no title to give often gives an empty one.
    fix(json!({"outcome": "no-change", "title": "", "summary": "s"})).expect("an empty title");
    let wrong = |json: Value, says: &str| {
        let why = fix(json).expect_err(says);
        assert!(why.contains(says), "{says:?} in {why}");
    };
    wrong(json!({"outcome": "done", "title": "a\nb", "summary": "s"}), "at /title");
    wrong(json!({"outcome": "done", "title": "x".repeat(201), "summary": "s"}), "at /title");
    wrong(json!({"outcome": "done", "summary": "x".repeat(16_001)}), "at /summary");
    wrong(json!({"outcome": "done"}), "summary");
    wrong(json!(["done"]), "object");
    assert!(parse_output(&shape("fix-result"), "{").is_err_and(|why| why.contains("is not as asked: it is no JSON")));
}

#[test]
fn a_file_beside_state_is_mounted_alone() {
    let tools = tempfile::tempdir().expect("a folder");
    let script = tools.path().join("agent.sh");
    std::fs::write(&script, "").expect("a script");
    let argv = ["sh".to_owned(), script.display().to_string()];
    assert_eq!(command::mounts(&argv, |folder| folder == tools.path()), [script]);
}
