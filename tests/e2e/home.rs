//! A place like home: what a project gives its runs beside their clone, and what an agent makes of that.

use std::fs;

use forgehand::model::{Event, Intent, Record};
use forgehand::sandbox::Mode;

use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, now, until};

/// A value that no text of ours may hold.
const VALUE: &str = "s3cr3t-value-of-the-app-77";
const ENV_FILE: &str = "env_file = { from = \"app.env\", to = \"App/.env\" }";

async fn wrong_total(rig: &Rig) -> u64 {
    rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await
}

fn write_env(rig: &Rig, value: &str) {
    fs::write(rig.dir.path().join("app.env"), format!("# for tests\nAPP_TOKEN=\"{value}\"\nNODE_ENV=development\n"))
        .expect("written");
}

/// Every file below a folder that holds this text.
fn files_with(folder: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else if fs::read(entry.path()).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes())) {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Nobody may read the value: not on the forge, not in the journal, a log or a transcript.
fn assert_untold(rig: &Rig, number: u64, value: &str) {
    assert_eq!(files_with(&rig.state_dir(), value), Vec::<std::path::PathBuf>::new());
    let comments: String = rig.comments(number).into_iter().map(|c| c.body).collect();
    let pulls: String = rig.pulls().into_iter().map(|p| p.issue.title + &p.issue.body).collect();
    assert!(!comments.contains(value) && !pulls.contains(value), "{comments}\n{pulls}");
}

/// How often a workspace was to be set up.
fn setups(rig: &Rig) -> usize {
    let set_up = |record: &&Record| matches!(&record.event, Event::Intended { intent: Intent::SetUp { .. }, .. });
    rig.records().iter().filter(set_up).count()
}

/// Waits until what waits for its time is due.
async fn due(rig: &Rig, number: u64) {
    let subject =
        forgehand::model::Subject { repo: "owner/app".parse().expect("a name"), issue: forgehand::model::IssueNumber(number) };
    let ledger = forgehand::ledger::Ledger::fold(&rig.records());
    let backoff = ledger.issue(&subject).and_then(|state| state.backoff).expect("a backoff");
    until("the end of the pause", || (now() > backoff.0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_runs_before_the_agent_and_before_the_verification() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let fix = format!("test \"$(cat made/deps)\" = installed || exit 9; {FIX}");
        let plan = Plan::new("home::setup_runs").agent(Agent::scripted(TRIAGE, &fix)).mode(mode);
        let plan = plan.project("setup = [\"mkdir -p made\", \"sh ./setup.sh\"]");
        let plan = plan.file("setup.sh", "echo installed >made/deps\n").file(".gitignore", "made\n");
        let test = "printf 'it looks well\\n```\\n</details>\\n'; test \"$(cat made/deps)\" = installed && test \"$(sh add.sh 2 2)\" = 4\n";
        let Some(rig) = plan.file("test.sh", test).rig().await else { continue };
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
        rig.once().await;
        assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
        let body = rig.pulls()[0].issue.body.clone();
        assert!(body.contains("`sh ./setup.sh` passed in") && body.contains("`sh ./test.sh` passed in"), "{body}");
        let shown = "</summary>\n\n`sh ./test.sh`\n\n````text\nit looks well\n```\n</details>\n````\n\n</details>";
        assert!(body.contains(shown), "what it printed cannot end its block: {body}");
        assert_eq!(setups(&rig), 1, "triage only reads: {}", rig.story());
        rig.once().await.silent();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_fails_is_told_and_is_no_attempt_of_the_agent() {
    let plan = Plan::new("home::a_setup_that_fails").project("setup = [\"echo registry is away; exit 3\", \"touch later\"]");
    let Some(rig) = plan.limits("attempts = 2\nbackoff = [\"1h\"]").rig().await else { return };
    let number = wrong_total(&rig).await;
    let said = rig.once().await;
    assert!(said.out.contains("the project's setup failed (try 1)"), "{said:?}\n{}", rig.story());
    assert_eq!(rig.labels(number), ["claude-queue"]);
    rig.assert_status(number, "**This cannot go on yet** (try 1 of 2): the project's setup failed");
    rig.assert_status(number, "`echo registry is away; exit 3` ended with exit code 3");
    assert_eq!((rig.row(number).await["attempts"].clone(), rig.turns("work")), (0.into(), 0));
    let log = fs::read_to_string(rig.state_dir().join("runs/issue-1-attempt-1.jsonl")).expect("a log");
    assert!(log.contains("registry is away") && !log.contains("touch later"), "{log}");

    rig.reconfigure("1h", "1s");
    rig.run(&["retry", "1"]).await.ok();
    // On a slow machine the pause is over before the first look ends.
    for _ in 0..2 {
        rig.once().await;
        if rig.labels(number) == ["claude-failed"] {
            break;
        }
        due(&rig, number).await;
    }
    assert_eq!(setups(&rig), 3, "once, and twice after a person asked for more: {}", rig.story());
    assert_eq!(rig.labels(number), ["claude-failed"], "{}", rig.story());
    rig.assert_status(number, "**This cannot go on, also when tried again**");
    rig.assert_status(number, "registry is away");
    rig.assert_status(number, "mend what it says");
    assert_eq!(rig.turns("work"), 0);

    rig.reconfigure("exit 3", "true");
    rig.run(&["retry", "1"]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_has_its_own_time() {
    let plan = Plan::new("home::a_setup_has_its_own_time").project("setup = [\"echo begun; sleep 1000\"]");
    let Some(rig) = plan.limits("attempts = 1\nsetup = \"1s\"").rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    rig.assert_status(number, "ran out of time (`setup` of [limits])");
    assert_eq!(rig.turns("work"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_reaches_the_hosts_that_the_project_names_and_the_agent_does_not() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = axum::Router::new().route("/deps", axum::routing::get(|| async { "from the registry" }));
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, server).await });
    let fix = format!(
        "tail -1 made | grep -q 'from the registry' || exit 8; if bash get.sh {address} >stolen; then exit 9; fi; rm stolen; {FIX}"
    );
    let plan = Plan::new("home::setup_reaches_the_hosts").agent(Agent::scripted(TRIAGE, &fix)).file(".gitignore", "made\n");
    // Without a client that knows proxies, so that none has to be installed.
    let get = "set -e\nexec 3<>/dev/tcp/127.0.0.1/${HTTP_PROXY##*:}\n\
               printf 'GET http://%s/deps HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' $1 $1 >&3\ncat <&3\n";
    let setup = format!("setup = [\"bash get.sh {address} >made\", \"bash get.sh 127.0.0.2:9 | grep ' 403 '\"]");
    let plan = plan.file("get.sh", get).project(&format!("{setup}\nnetwork = [\"{address}\"]"));
    if let Some(rig) = plan.rig().await {
        let number = wrong_total(&rig).await;
        rig.once().await;
        assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
        let log = fs::read_to_string(rig.state_dir().join("runs/issue-1-attempt-1.jsonl")).expect("a log");
        assert!(log.contains("\"blocked\":[\"127.0.0.2:9\"]"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_during_setup_leaves_nothing_running_and_sets_up_again() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let plan = Plan::new("home::a_daemon_killed_during_setup").mode(mode).project("setup = [\"exec sleep 98765\"]");
        let Some(rig) = plan.rig().await else { continue };
        let number = wrong_total(&rig).await;
        let daemon = rig.start(&["run"]);
        let home =
            format!("HOME={}", if mode == Mode::None { rig.state_dir().display().to_string() } else { "/forgehand/home".into() });
        until("the setup's process", || sleeps(&home).then_some(())).await;
        daemon.kill().await;
        until("its end", || (!sleeps(&home)).then_some(())).await;
        rig.reconfigure("exec sleep 98765", "true");
        rig.once().await;
        assert_eq!(rig.labels(number), ["claude-pr"], "{mode:?}: {}", rig.story());
        assert_eq!(rig.row(number).await["attempts"], 0);
        assert_eq!(rig.claims(), Vec::<String>::new());
    }
}

/// Whether that sleep of a setup runs, with an environment that has this.
fn sleeps(environment: &str) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let env = fs::read(process.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&line) == "sleep\u{0}98765\u{0}" && String::from_utf8_lossy(&env).contains(environment)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_env_file_is_where_it_should_be_and_its_values_are_nowhere_else() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let fix = format!(
            "grep -q '^APP_TOKEN=\"{VALUE}\"$' App/.env || exit 8; test -z \"$(git status --porcelain)\" || exit 9
cat App/.env; echo \"mine: {VALUE}\" | tee /dev/stderr; repair; commit 'Add properly'; wait_for go; answer done 'It adds. {VALUE}'"
        );
        let plan = Plan::new("home::the_env_file").agent(Agent::scripted(TRIAGE, &fix)).mode(mode).project(ENV_FILE);
        let test = format!("grep '{VALUE}' App/.env && test \"$(sh add.sh 2 2)\" = 4\n");
        let Some(rig) = plan.file("test.sh", &test).rig().await else { continue };
        write_env(&rig, VALUE);
        let number = wrong_total(&rig).await;
        let daemon = rig.start(&["run"]);
        rig.at_work("work").await;
        // What the run began with is what it ends with, also in another process.
        daemon.kill().await;
        write_env(&rig, "another-value-that-came-later");
        rig.let_pass("go");
        rig.once().await;
        assert_eq!(rig.labels(number), ["claude-pr"], "{mode:?}: {}", rig.story());
        assert!(rig.pulls()[0].issue.body.contains("It adds. [redacted: own-secret]"), "{}", rig.pulls()[0].issue.body);
        assert_untold(&rig, number, VALUE);
        let log = fs::read_to_string(rig.state_dir().join("runs/issue-1-attempt-1.jsonl")).expect("a log");
        assert!(log.contains("mine: [redacted: own-secret]"), "{log}");
    }
}

/// What an agent tries with the env file, and why it is refused.
const THEFTS: [(&str, &str); 5] = [
    ("git add -f App/.env; commit 'Configure'", "a commit holds `App/.env`, the project's env file"),
    ("git add -f App/.env; commit 'Configure'; git rm -q --cached App/.env; commit 'Tidy'", "a commit holds `App/.env`"),
    ("rm -rf App; ln -s Other App; mkdir Other; commit 'Link'", "or something in its place"),
    ("cp App/.env config.txt; commit 'Configure'", "`config.txt` holds what looks like a secret"),
    ("base64 <App/.env >blob.txt; commit 'Encode'", "`blob.txt` holds what looks like a secret"),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_commits_the_env_file_or_its_values_is_refused() {
    let mut fix = String::from("repair\n");
    for (at, (script, _)) in THEFTS.iter().enumerate() {
        fix += &format!("if asked_for 'Theft {at}.'; then {script}; fi\n");
    }
    fix += "answer done 'It adds.'";
    let plan = Plan::new("home::an_agent_that_commits_the_env_file").agent(Agent::scripted(TRIAGE, &fix)).project(ENV_FILE);
    let Some(rig) = plan.limits("attempts = 1").rig().await else { return };
    write_env(&rig, VALUE);
    let mut numbers = Vec::new();
    for at in 0..THEFTS.len() {
        numbers.push(rig.issue(&format!("Theft {at}."), "2 and 2 gives 5", &["claude-queue"]).await);
    }
    rig.once().await;
    for (number, (script, words)) in numbers.into_iter().zip(THEFTS) {
        assert_eq!(rig.labels(number), ["claude-failed"], "{script}: {}", rig.story());
        rig.assert_status(number, words);
        assert_eq!(rig.branch(&format!("claude/issue-{number}")), None, "{script}");
    }
    assert!(rig.pulls().is_empty());
    // The agents' commits stay in their kept workspaces; the file that we put there does not.
    let plain: Vec<_> = files_with(&rig.state_dir(), VALUE).into_iter().filter(|path| !path.ends_with("config.txt")).collect();
    assert_eq!(plain, Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_env_file_that_cannot_be_put_is_told_and_nobody_works_without_it() {
    let plan = Plan::new("home::an_env_file_that_cannot_be_put").project(ENV_FILE).file("App/.env", "TRACKED=1\n");
    let Some(rig) = plan.limits("attempts = 1").rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    rig.assert_status(number, "`App/.env`, the place of the env file, is tracked in the repository");
    rig.reconfigure("App/.env", "Else/.env");
    rig.run(&["retry", "1"]).await.ok();
    rig.once().await;
    rig.assert_status(number, "app.env cannot be read");
    assert_eq!((rig.labels(number), rig.turns("work")), (vec!["claude-failed".to_owned()], 0), "{}", rig.story());
    write_env(&rig, VALUE);
    rig.run(&["retry", "1"]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}

/// A server on this machine's loopback that says `here` to whoever comes, and counts them.
struct Greeter {
    port: u16,
    met: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    /// Ends with it.
    _task: tokio::task::JoinSet<()>,
}

impl Greeter {
    async fn new() -> Self {
        use tokio::io::AsyncWriteExt;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let met = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let count = met.clone();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _hung_up = client.write_all(b"here\n").await;
            }
        });
        Self { port, met, _task: task }
    }

    fn met(&self) -> usize {
        self.met.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// Reads a line from a port of the loopback.
const READ: &str = "exec 3<>/dev/tcp/127.0.0.1/$1 || exit 7\nread -r -t 20 line <&3\necho \"$line\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_reached_and_nothing_else_of_the_loopback_is() {
    let (database, neighbour) = (Greeter::new().await, Greeter::new().await);
    let (there, not_there) = (database.port, neighbour.port);
    let look = format!("test \"$(bash read.sh {there})\" = here && ! bash read.sh {not_there}");
    let fix = format!("({look}) || exit 9; asked_for '`127.0.0.1:{there}`' || exit 10; {FIX}");
    let plan = Plan::new("home::a_service_is_reached").agent(Agent::scripted(TRIAGE, &fix)).file("read.sh", READ);
    let plan = plan.file("test.sh", &format!("{look} && test \"$(sh add.sh 2 2)\" = 4\n"));
    let Some(rig) = plan
        .project(
            &format!("services = [\"127.0.0.1:{there}\"]\nsetup = [\"{look}\"]")
                .replace("\"$(", "\\\"$(")
                .replace(")\" =", ")\\\" ="),
        )
        .rig()
        .await
    else {
        return;
    };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(database.met(), 4, "setup twice, agent, verification");
    assert_eq!(neighbour.met(), 0);
    assert_eq!(rig.left_in("sockets"), Vec::<String>::new());
}

/// Listens on `$PORT` beside everything else, in a session of its own, and stays.
const LISTEN: &str = "setsid perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => \"127.0.0.1\", LocalPort => $ENV{PORT}) or exit 1;
    open(my $f, \">\", \"listening\"); close $f; sleep 1000' >/dev/null 2>&1 &
n=0; while [ ! -e listening ]; do n=$((n + 1)); [ $n -lt 400 ] || exit 8; sleep 0.05; done; rm listening\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_free_for_each_run_and_what_listened_there_ends_with_its_sandbox() {
    if which::which("perl").is_err() {
        return crate::hands_bench::not_run("home::a_port_is_free", "perl is not installed");
    }
    for mode in [Mode::Bubblewrap, Mode::None] {
        let foreign = Greeter::new().await;
        let range = (foreign.port, foreign.port.saturating_add(20));
        let fix = "asked_for \"listens on port $PORT,\" || exit 7\nsh listen.sh || exit 8\nrepair; commit 'Add'; answer done \"Port $PORT.\"";
        let plan = Plan::new("home::a_port_is_free").agent(Agent::scripted(TRIAGE, fix)).mode(mode).file("listen.sh", LISTEN);
        let plan = plan.file("test.sh", "sh listen.sh && test \"$(sh add.sh 2 2)\" = 4\n");
        let plan = plan.project(&format!("ports = \"{}-{}\"", range.0, range.1));
        let Some(rig) = plan.rig().await else { continue };
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
        rig.once().await;
        assert_eq!(rig.labels(number), ["claude-pr"], "{mode:?}: {}", rig.story());
        let body = rig.pulls()[0].issue.body.clone();
        let port: u16 = body.split("Port ").nth(1).and_then(|rest| rest.split('.').next()?.parse().ok()).expect("a port");
        match mode {
            Mode::Bubblewrap => assert_eq!(port, range.0, "a sandbox has a loopback of its own"),
            Mode::None => assert!(port > range.0 && port <= range.1, "{port} of {range:?} is not the foreign one"),
        }
        tokio::net::TcpStream::connect(("127.0.0.1", foreign.port)).await.expect("the foreign listener is still there");
        if mode == Mode::None {
            until("the end of what listened", || std::net::TcpListener::bind(("127.0.0.1", port)).ok()).await;
        }
        assert_eq!(rig.left_in("ports"), Vec::<String>::new(), "it is given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_live_at_once_have_different_ports_and_wait_for_one() {
    let fix = "repair; commit 'Add'; touch_port() { answer done \"Port $PORT.\"; }; wait_for go; touch_port";
    let plan = Plan::new("home::runs_that_live_at_once").agent(Agent::scripted(TRIAGE, fix)).daemon("slots = 3");
    let Some(rig) = plan.project("ports = \"3100-3101\"").rig().await else { return };
    for title in ["one", "two", "three"] {
        rig.issue(title, "2 and 2 gives 5", &["claude-queue"]).await;
    }
    let daemon = rig.start(&["run"]);
    until("two that have a port", || (rig.left_in("ports").len() == 2).then_some(())).await;
    until("one that waits", || rig.story().contains("each of 3100-3101 (`ports`) is another run's").then_some(())).await;
    rig.let_pass("go");
    until("all", || (rig.pulls().len() == 3).then_some(())).await;
    let bodies: Vec<String> = rig.pulls().into_iter().map(|pull| pull.issue.body).collect();
    let with = |port: &str| bodies.iter().filter(|body| body.contains(port)).count();
    assert_eq!(with("Port 3100.") + with("Port 3101."), 3, "{bodies:#?}");
    assert!(with("Port 3100.") > 0 && with("Port 3101.") > 0, "{bodies:#?}");
    until("the ports given back", || rig.left_in("ports").is_empty().then_some(())).await;
    daemon.kill().await;
}

/// The files of this name in the project's whole caches.
fn cached(rig: &Rig, name: &str) -> Vec<String> {
    let Ok(caches) = fs::read_dir(rig.state_dir().join("caches/owner--app")) else { return Vec::new() };
    let whole = caches.flatten().filter(|cache| !cache.file_name().to_string_lossy().contains('~'));
    let parts = whole.flat_map(|cache| fs::read_dir(cache.path()).expect("a cache").flatten());
    let mut texts: Vec<String> = parts.filter_map(|part| fs::read_to_string(part.path().join(name)).ok()).collect();
    texts.sort();
    texts
}

/// Counts how often it may write, and uses what is there.
const FILL: &str = "if touch ~/.cache/tool/writable 2>/dev/null; then
    n=$(cat ~/.cache/tool/count 2>/dev/null || echo 0); echo $((n + 1)) >~/.cache/tool/count; echo from-base >~/.cache/tool/dep
fi
cat ~/.cache/tool/dep >made\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_written_on_the_base_alone_whatever_an_agent_tries() {
    let fix = "test \"$(cat ~/.cache/tool/dep)\" = from-base || exit 7
if echo evil >~/.cache/tool/dep; then exit 8; fi
if rm -f ~/.cache/tool/dep || chmod -R u+w ~/.cache/tool || touch ~/.cache/tool/x; then exit 9; fi
mv ~/.cache ~/moved; ln -s /forgehand/work ~/.cache; mkdir -p tool; echo evil >tool/dep; rm -r tool
echo 'echo evil >~/.cache/tool/dep || true; touch ~/.cache/tool/count' >>setup.sh
repair; commit 'Add properly'; answer done 'add.sh adds now.'";
    let plan = Plan::new("home::a_cache_is_written_on_the_base_alone").agent(Agent::scripted(TRIAGE, fix));
    let plan = plan.file("setup.sh", FILL).file(".gitignore", "made\n");
    let test = "test \"$(cat ~/.cache/tool/dep)\" = from-base && ! touch ~/.cache/tool/x && test \"$(sh add.sh 2 2)\" = 4\n";
    let plan = plan.file("test.sh", test).project("setup = [\"sh ./setup.sh || true\"]\ncaches = [\"~/.cache/tool\"]");
    let Some(rig) = plan.rig().await else { return };
    for _ in 0..2 {
        let number = wrong_total(&rig).await;
        rig.once().await;
        assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
        assert_eq!((cached(&rig, "dep"), cached(&rig, "count")), (vec!["from-base\n".to_owned()], vec!["1\n".to_owned()]));
    }
    assert_eq!(rig.left_in("setup/work"), Vec::<String>::new());

    let file = serde_json::json!({"branch": "main", "content": "aGVsbG8K", "message": "By hand"});
    rig.seed.api("owner", "POST", "repos/owner/app/contents/hello.txt", file).await.expect("a commit");
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(cached(&rig, "count"), ["1\n", "2\n"], "another base, another cache, begun with a copy of the last");
    assert_eq!(cached(&rig, "dep"), ["from-base\n", "from-base\n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sandbox_a_cache_is_lent_as_a_copy() {
    let fix = format!("test \"$(cat ~/.cache/tool/dep)\" = from-base || exit 7; echo mine >~/.cache/tool/dep; {FIX}");
    let plan = Plan::new("home::without_a_sandbox_a_cache").agent(Agent::scripted(TRIAGE, &fix)).mode(Mode::None);
    let plan = plan.file("setup.sh", FILL).file(".gitignore", "made\n");
    let plan = plan.file("test.sh", "test \"$(cat ~/.cache/tool/dep)\" = from-base && test \"$(sh add.sh 2 2)\" = 4\n");
    let Some(rig) = plan.project("setup = [\"sh ./setup.sh\"]\ncaches = [\"~/.cache/tool\"]").rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!((cached(&rig, "dep"), cached(&rig, "count")), (vec!["from-base\n".to_owned()], vec!["1\n".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_was_half_made_when_the_daemon_died_is_never_used() {
    let setup = ". ./.env; mkdir -p ~/.cache/tool; if touch ~/.cache/tool/w 2>/dev/null; then echo half >~/.cache/tool/dep
    [ \"$SLOW\" = no ] || exec sleep 98764; echo whole >~/.cache/tool/dep; fi; test \"$(cat ~/.cache/tool/dep)\" = whole\n";
    let plan = Plan::new("home::a_cache_that_was_half_made").file("setup.sh", setup);
    let given = "setup = [\"sh ./setup.sh\"]\ncaches = [\"~/.cache/tool\"]\nenv_file = { from = \"app.env\", to = \".env\" }";
    let Some(rig) = plan.project(given).rig().await else { return };
    let number = wrong_total(&rig).await;
    fs::write(rig.dir.path().join("app.env"), "SLOW=yes\n").expect("written");
    let daemon = rig.start(&["run"]);
    let begun = || !files_with(&rig.state_dir().join("caches"), "half").is_empty();
    until("a cache that is half made", || (rig.state_dir().join("caches").exists() && begun()).then_some(())).await;
    daemon.kill().await;
    assert_eq!(cached(&rig, "dep"), Vec::<String>::new(), "it has no name yet");
    fs::write(rig.dir.path().join("app.env"), "SLOW=no\n").expect("written");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert_eq!(cached(&rig, "dep"), ["whole\n"]);
    assert_eq!(rig.left_in("caches/owner--app").len(), 1, "what was half made is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_the_agents_change_breaks_goes_back_to_the_agent() {
    let fix = "if asked_for '$ sh ./setup.sh'; then echo true >setup.sh; else echo 'echo broken by you; exit 5' >setup.sh; fi
repair; commit 'Add properly'; answer done 'add.sh adds now.'";
    let plan = Plan::new("home::a_setup_that_the_agents_change_breaks").agent(Agent::scripted(TRIAGE, fix));
    let Some(rig) = plan.file("setup.sh", "true\n").project("setup = [\"sh ./setup.sh\"]").rig().await else { return };
    let number = wrong_total(&rig).await;
    rig.once().await;
    assert_eq!((rig.labels(number), rig.turns("work")), (vec!["claude-pr".to_owned()], 2), "{}", rig.story());
    assert_eq!(rig.row(number).await["attempts"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_fails_on_the_base_too_is_not_the_agents_fault() {
    let registry = Greeter::new().await;
    let fix = format!("wait_for go; {FIX}");
    let plan = Plan::new("home::a_setup_that_fails_on_the_base_too").agent(Agent::scripted(TRIAGE, &fix)).file("read.sh", READ);
    let port = registry.port;
    let given = format!("services = [\"127.0.0.1:{port}\"]\nsetup = [\"bash read.sh {port} | grep here\"]");
    let Some(rig) = plan.project(&given).limits("attempts = 2").rig().await else { return };
    let number = wrong_total(&rig).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    drop(registry);
    rig.let_pass("go");
    until("the end of the run", || rig.story().contains("the project's setup failed").then_some(())).await;
    daemon.kill().await;
    rig.once().await;
    assert_eq!((rig.labels(number), rig.turns("work")), (vec!["claude-queue".to_owned()], 1), "{}", rig.story());
    assert_eq!(rig.row(number).await["attempts"], 0);
    rig.assert_status(number, "**This cannot go on yet** (try 1 of 2): the project's setup failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formula_keeps_back_what_the_project_gives_and_names_the_branch_that_it_starts_from() {
    let fix = "test -f stable.txt || exit 7; test ! -e App/.env || exit 8; test -z \"${PORT:-}\" || exit 9
        touch ~/.deps/made/own || exit 6; repair; commit 'Add properly'; answer done 'It adds.'";
    let plan = Plan::new("home::a_formula_keeps_back").agent(Agent::scripted(TRIAGE, fix)).limits("attempts = 1");
    let given = "setup = [\"mkdir -p ~/.deps/made\"]\ncaches = [\"~/.deps\"]\nports = \"8800-8809\"";
    let Some(rig) = plan.project(&format!("{given}\n{ENV_FILE}")).file("add.sh", "echo 5\n").rig().await else { return };
    write_env(&rig, VALUE);
    let workspace = "[workspace]\nbase = \"stable\"\nenv_file = false\nports = false\ncaches = false\n\n[trigger]";
    let own = forgehand::formula::shipped_text("fix").expect("it").replace("[trigger]", workspace);
    fs::create_dir_all(rig.dir.path().join("formulas")).expect("a folder");
    fs::write(rig.dir.path().join("formulas/fix.toml"), own).expect("a formula");
    let number = wrong_total(&rig).await;
    rig.once().await;
    rig.assert_status(number, "the branch `stable`, from which it is to start, is not there");
    assert_eq!(rig.turns("work"), 0);

    let branch = serde_json::json!({"new_branch_name": "stable", "old_branch_name": "main"});
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/branches"), branch).await.expect("a branch");
    let file = serde_json::json!({"branch": "stable", "content": "aGVsbG8K", "message": "Only there"});
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/stable.txt"), file).await.expect("a commit");
    rig.run(&["retry", &number.to_string()]).await.ok();
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let pull = rig.pulls().pop().expect("a pull request");
    assert_eq!((pull.base.as_str(), pull.issue.body.contains("App/.env")), ("stable", false));
    let tip = rig.branch("stable").expect("the branch");
    assert_eq!(rig.commit(&pull.head_sha).await["parents"][0]["sha"], tip.as_str());

    // Who lost the journal finds it again, wherever it goes.
    let config = rig.another_journal();
    rig.run_with(&config, &["once"]).await.ok();
    let row = rig.run_with(&config, &["explain", &number.to_string()]).await.ok();
    assert!(row.out.contains(&format!("pull request #{} is open and waits", pull.issue.number)), "{}", row.out);
}
