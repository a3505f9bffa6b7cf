//! Confinement, with real bubblewrap and the real shim: what gets out, what gets in, what stays behind, what is refused.
//!
//! Where bubblewrap is missing, the tests that need it say `NOT RUN` on standard error, with their name.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use forgehand::sandbox::{
    Ended, Exit, Forward, LimitKind, Limits, Mode, Mount, MountAccess, Options, Process, Sandbox, SandboxError, Spec,
};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;
/// Names the folder that the stand-in for a daemon works in, see `the_daemon_that_is_killed`.
const DAEMON: &str = "FORGEHAND_TEST_DAEMON";

fn options(mode: Mode) -> Options {
    Options {
        mode,
        shim: PathBuf::from(env!("CARGO_BIN_EXE_forgehand")),
        read: Vec::new(),
        path: Vec::new(),
        forbidden: Vec::new(),
        own: Vec::new(),
        limits: Limits::default(),
    }
}

/// A sandbox by bubblewrap, or a line that says which test did not run.
fn open(test: &str, options: Options) -> Option<Sandbox> {
    if options.mode == Mode::Bubblewrap && which::which("bwrap").is_err() {
        static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        if SAID.lock().expect("not poisoned").insert(test.to_owned()) {
            // Not by `eprintln`, which the test harness keeps to itself.
            writeln!(std::io::stderr(), "NOT RUN: sandbox::{test}: bubblewrap is not installed").expect("stderr");
        }
        return None;
    }
    Some(Sandbox::open(options).expect("a sandbox"))
}

fn confined(test: &str) -> Option<Sandbox> {
    open(test, options(Mode::Bubblewrap))
}

fn limited(test: &str, mode: Mode, limits: Limits) -> Option<Sandbox> {
    open(test, Options { limits, ..options(mode) })
}

/// A run's folder, mounted as its workspace.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn work(&self) -> Mount {
        Mount { source: self.path().to_owned(), target: "/forgehand/work".into(), access: MountAccess::Write }
    }

    fn spec(&self, sandbox: &Sandbox, program: &str, args: &[&str]) -> Spec {
        Spec {
            program: program.into(),
            args: args.iter().map(OsString::from).collect(),
            env: BTreeMap::new(),
            cwd: sandbox.path_inside(&self.work()),
            stdin: Vec::new(),
            mounts: vec![self.work()],
            forwards: Vec::new(),
        }
    }

    fn bash(&self, sandbox: &Sandbox, script: &str) -> Spec {
        self.spec(sandbox, "bash", &["-c", script])
    }
}

struct Done {
    ended: Ended,
    out: String,
    err: String,
}

async fn finish(mut process: Process) -> Done {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let read = async { tokio::try_join!(process.stdout.read_to_end(&mut out), process.stderr.read_to_end(&mut err)) };
    timeout(PATIENCE, read).await.expect("output ends").expect("output is read");
    let ended = timeout(PATIENCE, process.wait()).await.expect("it ends");
    Done { ended, out: String::from_utf8_lossy(&out).into_owned(), err: String::from_utf8_lossy(&err).into_owned() }
}

async fn run(sandbox: &Sandbox, spec: Spec) -> Done {
    finish(sandbox.start(spec).await.expect("it starts")).await
}

/// Reads the program's first line, which says that it is where the test wants it.
async fn first_line(process: &mut Process) -> String {
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(1, &mut process.stdout);
    timeout(PATIENCE, reader.read_line(&mut line)).await.expect("a line comes").expect("a line");
    line.trim().to_owned()
}

/// Processes of the machine, sandboxes included, whose command line holds the marker.
fn alive(marker: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).replace('\0', " ").contains(marker)).count()
}

/// Processes that do nothing but sleep for the marked time.
fn sleeping(mark: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| *line == format!("sleep\0{mark}\0").as_bytes()).count()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// A number of seconds to sleep that no other process sleeps: a mark in a command line.
fn unique_sleep(of: u32) -> String {
    format!("{}.{of:03}", 100_000 + std::process::id())
}

#[tokio::test]
async fn exit_codes_signals_and_usage_are_reported() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = open("exit_codes_signals_and_usage_are_reported", options(mode)) else { continue };
        let place = Place::new();
        assert_eq!(run(&sandbox, place.bash(&sandbox, "exit 7")).await.ended.exit, Exit::Code(7));
        assert_eq!(run(&sandbox, place.bash(&sandbox, "kill -SEGV $$")).await.ended.exit, Exit::Signal(11));
        let busy = run(&sandbox, place.bash(&sandbox, "for ((i=0; i<150000; i++)); do :; done")).await.ended;
        assert_eq!(busy.exit, Exit::Code(0));
        assert!(busy.usage.cpu_millis > 0 && busy.usage.max_rss_bytes > MIB, "{busy:?}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_or_not_executable_is_said() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = open("a_program_that_is_not_there_or_not_executable_is_said", options(mode)) else { continue };
        let place = Place::new();
        fs::write(place.path().join("plain"), "text").expect("written");
        for program in ["forgehand-no-such-program", "./plain"] {
            let error = sandbox.start(place.spec(&sandbox, program, &[])).await.expect_err("is refused");
            assert!(matches!(&error, SandboxError::Program { .. }), "{error}");
            assert!(!error.hint().is_empty());
        }
    }
}

#[tokio::test]
async fn big_input_and_long_lines_pass() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = open("big_input_and_long_lines_pass", options(mode)) else { continue };
        let place = Place::new();
        let input: Vec<u8> = (0..300_000_u32).map(|n| b'a' + u8::try_from(n % 26).expect("a letter")).collect();
        let spec = Spec { stdin: input.clone(), ..place.spec(&sandbox, "cat", &[]) };
        assert_eq!(run(&sandbox, spec).await.out.as_bytes(), input);
        let lines = run(&sandbox, place.bash(&sandbox, "head -c 2000000 /dev/zero | tr '\\0' x; echo; echo end")).await;
        assert_eq!(lines.out.lines().map(str::len).collect::<Vec<_>>(), [2_000_000, 3]);
    }
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_given() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = open("the_environment_is_exactly_what_was_given", options(mode)) else { continue };
        let place = Place::new();
        let env = BTreeMap::from([("A".to_owned(), "b c\n=".to_owned()), ("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let done = run(&sandbox, Spec { env, ..place.spec(&sandbox, "env", &["-0"]) }).await;
        let mut seen: Vec<&str> = done.out.split_terminator('\0').collect();
        seen.sort_unstable();
        assert_eq!(seen, ["A=b c\n=", "PATH=/usr/bin:/bin"]);
    }
}

#[tokio::test]
async fn no_secret_of_the_setup_can_be_read_inside() {
    let Some(sandbox) = confined("no_secret_of_the_setup_can_be_read_inside") else { return };
    let place = Place::new();
    // The program drops the secret from its own environment first: what is left would be ours.
    let script = "export -n RUN_SECRET; unset RUN_SECRET; exec env -i bash -c 'cat /proc/1/cmdline; cat /proc/[0-9]*/environ; \
                  cat /proc/1/mem /proc/1/fd/0 /proc/1/fd/1 /proc/1/fd/3 /proc/1/maps; readlink /proc/1/exe /proc/1/cwd; tr \"\\0\" \" \" </proc/1/cmdline; true'";
    let env = BTreeMap::from([("RUN_SECRET".to_owned(), "hunter2-secret".to_owned())]);
    let done = run(&sandbox, Spec { env, ..place.bash(&sandbox, script) }).await;
    assert!(!done.out.contains("hunter2"), "{}", done.out);
    assert!(done.out.contains("__inside"), "process 1 is the shim: {}", done.out);
    for closed in ["/proc/1/environ", "/proc/1/mem", "/proc/1/fd/0", "/proc/1/fd/1", "/proc/1/fd/3", "/proc/1/maps"] {
        assert!(done.err.contains(closed), "{closed} must not open: {}", done.err);
    }
}

#[tokio::test]
async fn nothing_secret_is_in_a_command_line_outside() {
    let Some(sandbox) = confined("nothing_secret_is_in_a_command_line_outside") else { return };
    let place = Place::new();
    let env = BTreeMap::from([("RUN_SECRET".to_owned(), "hunter3-secret".to_owned())]);
    let mut process = sandbox.start(Spec { env, ..place.bash(&sandbox, "echo up; read -r; sleep 60") }).await.expect("starts");
    assert_eq!(first_line(&mut process).await, "up");
    assert_eq!(alive("hunter3"), 0);
    process.kill();
    assert_eq!(process.wait().await.exit, Exit::Signal(9));
}

#[tokio::test]
async fn what_is_not_mounted_is_not_there() {
    let Some(sandbox) = confined("what_is_not_mounted_is_not_there") else { return };
    let place = Place::new();
    let home = std::env::var("HOME").expect("a home");
    for path in
        ["/etc/shadow", "/etc/ssl/private", "/root", "/home", "/sys", "/var/lib", "/boot", &home, env!("CARGO_MANIFEST_DIR")]
    {
        let done = run(&sandbox, place.spec(&sandbox, "ls", &["-d", path])).await;
        assert_ne!(done.ended.exit, Exit::Code(0), "{path} is there: {}", done.out);
    }
    // As a daemon may have inherited one from whoever started it.
    let leak = fs::File::open("/").expect("opens");
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).expect("inheritable");
    let done = run(
        &sandbox,
        place.bash(&sandbox, "id -un; id -u; whoami; hostname; ls /; ls /proc/self/fd; grep Cap /proc/self/status"),
    )
    .await;
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines.get(..4), Some(&["forgehand", "1000", "forgehand", "forgehand"][..]), "{}", done.err);
    assert!(!lines.contains(&"root") && !lines.contains(&"home"), "{lines:?}");
    // Standard streams, and the listing itself.
    let descriptors: Vec<&str> = lines.iter().skip(4).filter(|line| line.parse::<u32>().is_ok()).copied().collect();
    assert_eq!(descriptors, ["0", "1", "2", "3"], "a descriptor was handed in");
    let capabilities = lines.iter().filter(|line| line.starts_with("Cap"));
    assert!(
        capabilities.clone().count() > 0 && capabilities.clone().all(|line| line.ends_with("\t0000000000000000")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn writing_is_possible_only_where_it_is_allowed() {
    let Some(sandbox) = confined("writing_is_possible_only_where_it_is_allowed") else { return };
    let place = Place::new();
    let other = Place::new();
    fs::write(other.path().join("seen"), "old").expect("written");
    let read_only = Mount { source: other.path().to_owned(), target: "/forgehand/read".into(), access: MountAccess::Read };
    let script = "for place in / /etc /usr /dev /proc /proc/sys /forgehand /forgehand/read /forgehand/work /tmp /var/tmp /dev/shm; do \
                  (: > $place/forgehand-probe) 2>/dev/null && echo $place; done; cat /forgehand/read/seen; echo new > /forgehand/read/seen";
    let mut spec = place.bash(&sandbox, script);
    spec.mounts.push(read_only);
    let done = run(&sandbox, spec).await;
    assert_eq!(done.out.lines().collect::<Vec<_>>(), ["/forgehand/work", "/tmp", "/var/tmp", "/dev/shm", "old"]);
    assert_eq!(fs::read_to_string(other.path().join("seen")).expect("still there"), "old");
    assert!(place.path().join("forgehand-probe").is_file(), "what is written in the workspace is on the host");
    assert!(!Path::new("/tmp/forgehand-probe").exists(), "/tmp is private");
}

#[tokio::test]
async fn the_kernel_and_the_devices_of_the_host_are_not_changed_from_inside() {
    let Some(sandbox) = confined("the_kernel_and_the_devices_of_the_host_are_not_changed_from_inside") else { return };
    let place = Place::new();
    // Nothing is written: opening for writing, and setting the mode that is there, show enough.
    let script = "for file in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/sysrq-trigger; do \
                  (: >> $file) 2>/dev/null && echo $file; done; \
                  for node in null zero full random urandom tty; do chmod 666 /dev/$node 2>/dev/null && echo $node; done; \
                  find /proc -maxdepth 4 -path '/proc/[0-9]*' -prune -o -path /proc/self -prune -o -type f -writable -print 2>/dev/null | \
                  while read -r file; do (: >> $file) 2>/dev/null && echo $file; done; \
                  unshare -U true 2>/dev/null && echo user namespace; echo x > /dev/null && head -c 1 /dev/urandom > /dev/null && echo works";
    let done = run(&sandbox, place.bash(&sandbox, script)).await;
    assert_eq!(done.out.trim(), "works", "{}", done.err);
}

#[tokio::test]
async fn no_network_is_there_not_even_the_hosts_own() {
    let Some(sandbox) = confined("no_network_is_there_not_even_the_hosts_own") else { return };
    let place = Place::new();
    let host = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = host.local_addr().expect("an address").port();
    let script = format!(
        "for to in 127.0.0.1/{port} 169.254.169.254/80 10.0.0.1/80 1.1.1.1/53; do \
         timeout 5 bash -c \"exec 3<>/dev/tcp/$to\" 2>/dev/null && echo reached $to; done; tail -n +3 /proc/net/dev | cut -d: -f1"
    );
    let done = run(&sandbox, place.bash(&sandbox, &script)).await;
    assert_eq!(done.out.trim(), "lo", "{}", done.err);
    assert!(done.ended.usage.cpu_millis < 10_000);
}

#[tokio::test]
async fn a_forward_carries_both_ways_and_many_at_once() {
    let Some(sandbox) = confined("a_forward_carries_both_ways_and_many_at_once") else { return };
    let place = Place::new();
    let sockets = Place::new();
    let socket = sockets.path().join("gateway");
    let listener = UnixListener::bind(&socket).expect("a socket");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("private");
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.expect("a request");
                all.make_ascii_uppercase();
                // The answer comes after the request was ended, in two parts.
                stream.write_all(b"answer: ").await.expect("sent");
                stream.write_all(&all).await.expect("sent");
            });
        }
    });
    // The end of the request reaches the socket only if each half of a connection is ended by itself: python can do that.
    let script = "import socket, threading\n\
                  def ask(n):\n    s = socket.create_connection(('127.0.0.1', 8377)); s.sendall((f'hello {n} ' + 'x' * 100000).encode()); \
                  s.shutdown(socket.SHUT_WR)\n    got = b''\n    while (part := s.recv(65536)): got += part\n    \
                  print(len(got), got[:15].decode(), flush=True)\n\
                  threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]\n[t.start() for t in threads]\n[t.join() for t in threads]";
    let mut spec = place.spec(&sandbox, "python3", &["-c", script]);
    spec.forwards.push(Forward { address: std::net::Ipv4Addr::LOCALHOST, port: 8377, socket: socket.clone() });
    let done = run(&sandbox, spec).await;
    let mut lines: Vec<&str> = done.out.lines().collect();
    lines.sort_unstable();
    let expected: Vec<String> = (0..8).map(|n| format!("100016 answer: HELLO {n}")).map(|line| line[..22].to_owned()).collect();
    assert_eq!(lines.iter().map(|line| line.trim()).collect::<Vec<_>>(), expected, "{}", done.err);

    let mut spec = place.bash(&sandbox, "true");
    spec.forwards.push(Forward { address: std::net::Ipv4Addr::LOCALHOST, port: 8377, socket: sockets.path().join("gone") });
    let error = sandbox.start(spec).await.expect_err("no such socket");
    assert!(matches!(error, SandboxError::Forward { port: 8377, .. }), "{error}");
}

#[tokio::test]
async fn a_forward_without_a_sandbox_is_refused() {
    let sandbox = Sandbox::open(options(Mode::None)).expect("opens");
    let place = Place::new();
    let mut spec = place.bash(&sandbox, "true");
    spec.forwards.push(Forward { address: std::net::Ipv4Addr::LOCALHOST, port: 1234, socket: "/nowhere".into() });
    assert!(matches!(sandbox.start(spec).await, Err(SandboxError::Forward { port: 1234, .. })));
}

#[tokio::test]
async fn term_is_polite_and_kill_is_final() {
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = open("term_is_polite_and_kill_is_final", options(mode)) else { continue };
        let place = Place::new();
        let mut process = sandbox
            .start(place.bash(&sandbox, "trap 'echo goodbye; exit 143' TERM; echo up; while :; do sleep 0.01; done"))
            .await
            .expect("starts");
        assert_eq!(first_line(&mut process).await, "up");
        process.terminate();
        let done = finish(process).await;
        assert_eq!((done.out.trim(), done.ended.exit), ("goodbye", Exit::Code(143)));

        let mut deaf = sandbox
            .start(place.bash(&sandbox, "trap 'echo no' TERM; echo up; while :; do sleep 0.01; done"))
            .await
            .expect("starts");
        assert_eq!(first_line(&mut deaf).await, "up");
        deaf.terminate();
        assert_eq!(first_line(&mut deaf).await, "no");
        assert!(timeout(Duration::from_millis(50), deaf.wait()).await.is_err(), "it goes on, and waiting can be given up");
        deaf.kill();
        assert_eq!(finish(deaf).await.ended.exit, Exit::Signal(9));
    }
}

/// Starts a child in a session of its own and a child of that, and says when they are there.
fn stragglers(mark: &str) -> String {
    format!(
        "setsid bash -c 'trap \"\" TERM HUP; sleep {mark} & setsid -f sleep {mark}; echo up; wait' & \
         while :; do sleep 0.01; [ -e done ] && exit 0; done"
    )
}

#[tokio::test]
async fn children_with_sessions_of_their_own_die_with_the_program() {
    for (n, mode) in [(1, Mode::Bubblewrap), (2, Mode::None)] {
        let Some(sandbox) = open("children_with_sessions_of_their_own_die_with_the_program", options(mode)) else { continue };
        let mark = unique_sleep(n);
        let ends: [fn(&Place, Process) -> Option<Process>; 3] = [
            |place, process| {
                fs::write(place.path().join("done"), "").expect("written");
                Some(process)
            },
            |_, process| {
                process.kill();
                Some(process)
            },
            |_, process| {
                drop(process);
                None
            },
        ];
        for end in ends {
            let place = Place::new();
            let mut process = sandbox.start(place.bash(&sandbox, &stragglers(&mark))).await.expect("starts");
            assert_eq!(first_line(&mut process).await, "up");
            until("both sleep", || sleeping(&mark) == 2).await;
            match end(&place, process) {
                Some(process) => {
                    finish(process).await;
                    assert_eq!(alive(&mark), 0, "when the wait is over, nothing is left");
                }
                None => until("the dropped sandbox is empty", || alive(&mark) == 0).await,
            }
        }
    }
}

/// Not a test of itself: the process that the next test kills. It runs a sandbox until then.
#[tokio::test]
#[ignore = "started by a_killed_daemon_leaves_nothing_running"]
async fn the_daemon_that_is_killed() {
    let Some(mode) = std::env::var(DAEMON).ok() else { return };
    let mode = if mode == "none" { Mode::None } else { Mode::Bubblewrap };
    let sandbox = Sandbox::open(options(mode)).expect("a sandbox");
    let place = Place::new();
    let mark = std::env::args().next_back().expect("the mark is the last argument");
    let mut process = sandbox.start(place.bash(&sandbox, &stragglers(&mark))).await.expect("starts");
    assert_eq!(first_line(&mut process).await, "up");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_daemon_leaves_nothing_running() {
    let times = [(Mode::Bubblewrap, "bubblewrap"), (Mode::None, "none")].into_iter().cycle().take(8);
    for (n, (mode, name)) in (10..).zip(times) {
        let Some(_) = open("a_killed_daemon_leaves_nothing_running", options(mode)) else { continue };
        let mark = unique_sleep(n);
        #[expect(clippy::disallowed_methods, reason = "the test stands in for a daemon")]
        let mut daemon = tokio::process::Command::new(std::env::current_exe().expect("this binary"))
            .args(["sandbox::the_daemon_that_is_killed", "--exact", "--ignored", "--skip", &mark])
            .env(DAEMON, name)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        // At once: the program is still busy starting others.
        until("the program runs", || alive(&format!("setsid -f sleep {mark}")) >= 1).await;
        daemon.kill().await.expect("killed");
        let killed = tokio::time::Instant::now();
        until("everything is gone", || alive(&mark) == 0).await;
        let took = killed.elapsed();
        assert!(took < Duration::from_millis(500), "{name}: {took:?}");
    }
}

#[tokio::test]
async fn a_killed_bubblewrap_or_a_lost_shim_ends_the_wait() {
    let Some(sandbox) = confined("a_killed_bubblewrap_or_a_lost_shim_ends_the_wait") else { return };
    let place = Place::new();
    let mark = unique_sleep(5);
    let mut process = sandbox.start(place.bash(&sandbox, &stragglers(&mark))).await.expect("starts");
    assert_eq!(first_line(&mut process).await, "up");
    until("both sleep", || sleeping(&mark) == 2).await;
    let pid = format!("{process:?}").chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a pid");
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("a pid"), rustix::process::Signal::KILL)
        .expect("killed");
    assert_eq!(timeout(PATIENCE, process.wait()).await.expect("ends").exit, Exit::Lost);
    until("everything is gone", || alive(&mark) == 0).await;
}

#[tokio::test]
async fn the_program_cannot_signal_or_trace_the_shim() {
    let Some(sandbox) = confined("the_program_cannot_signal_or_trace_the_shim") else { return };
    let place = Place::new();
    let done =
        run(&sandbox, place.bash(&sandbox, "kill -9 1; kill -STOP 1; kill -TERM 1; kill -SEGV 1; sleep 0.05; exit 5")).await;
    assert_eq!(done.ended.exit, Exit::Code(5));
}

#[tokio::test]
async fn memory_is_limited() {
    let limits = Limits { memory_bytes: Some(64 * MIB), ..Limits::default() };
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = limited("memory_is_limited", mode, limits) else { continue };
        let place = Place::new();
        // It is told when it is up, then takes what it can get, a little at a time, and keeps it.
        let hog = "kept = []\nwhile True: kept.append(bytearray(1 << 20)); import time; time.sleep(0.0005)";
        let done = run(&sandbox, place.spec(&sandbox, "python3", &["-c", hog])).await;
        assert_eq!(done.ended.exit, Exit::Limit(LimitKind::Memory), "{mode:?} {}", done.err);
        // Together, where each alone is under it.
        let herd = "for i in 1 2 3 4; do python3 -c 'b = b\"x\" * (30 << 20); import time; time.sleep(60)' & done; wait";
        let path = std::env::var("PATH").expect("a search path");
        let mut spec = place.bash(&sandbox, herd);
        if mode == Mode::None {
            spec.env.insert("PATH".to_owned(), path);
        }
        let done = run(&sandbox, spec).await;
        assert_eq!(done.ended.exit, Exit::Limit(LimitKind::Memory), "{mode:?} {}", done.err);
    }
}

#[tokio::test]
async fn a_fork_bomb_is_ended() {
    let limits = Limits { processes: Some(60), ..Limits::default() };
    for (n, mode) in [(6, Mode::Bubblewrap), (7, Mode::None)] {
        let Some(sandbox) = limited("a_fork_bomb_is_ended", mode, limits) else { continue };
        let place = Place::new();
        let mark = unique_sleep(n);
        // One that multiplies, but not so fast that the machine suffers if the limit fails: 400 and no more.
        let bomb = format!("for i in $(seq 400); do setsid -f sleep {mark}; done; sleep {mark}");
        let done = run(&sandbox, place.bash(&sandbox, &bomb)).await;
        assert_eq!(done.ended.exit, Exit::Limit(LimitKind::Processes), "{mode:?} {}", done.err);
        assert_eq!(alive(&mark), 0);
    }
}

#[tokio::test]
async fn files_and_the_private_tmp_are_limited() {
    let limits = Limits { file_bytes: Some(MIB), tmp_bytes: Some(2 * MIB), ..Limits::default() };
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = limited("files_and_the_private_tmp_are_limited", mode, limits) else { continue };
        let place = Place::new();
        let done = run(&sandbox, place.spec(&sandbox, "dd", &["if=/dev/zero", "of=big", "bs=64k", "count=32"])).await;
        assert_eq!(done.ended.exit, Exit::Limit(LimitKind::FileSize), "{}", done.err);
        assert_eq!(fs::metadata(place.path().join("big")).expect("there").len(), MIB);
        if mode == Mode::Bubblewrap {
            let fill = "for i in 1 2 3; do dd if=/dev/zero of=/tmp/$i bs=64k count=15 2>/dev/null || echo full; done";
            assert_eq!(run(&sandbox, place.bash(&sandbox, fill)).await.out.trim(), "full");
        }
    }
}

#[tokio::test]
async fn core_dumps_are_off() {
    let Some(sandbox) = confined("core_dumps_are_off") else { return };
    let place = Place::new();
    assert_eq!(run(&sandbox, place.bash(&sandbox, "ulimit -c; ulimit -Hc")).await.out.trim(), "0\n0");
}

#[tokio::test]
async fn mounts_that_may_not_be_seen_are_refused_by_name() {
    let Some(_) = confined("mounts_that_may_not_be_seen_are_refused_by_name") else { return };
    let machine = Place::new();
    let state = machine.path().join("data/state");
    let runs = state.join("runs");
    let keys = machine.path().join("keys");
    for folder in [&runs.join("1"), &keys.join("deep"), &machine.path().join("tools")] {
        fs::create_dir_all(folder).expect("made");
    }
    std::os::unix::fs::symlink(&keys, machine.path().join("innocent")).expect("linked");
    let base = Options { forbidden: vec![state.clone(), keys.clone()], own: vec![runs.clone()], ..options(Mode::Bubblewrap) };
    let home = std::env::home_dir().filter(|home| home.is_dir()).unwrap_or("/root".into());
    let missing = machine.path().join("missing");
    let refused: Vec<(PathBuf, &str)> = vec![
        ("/".into(), "whole machine"),
        (home.clone(), "is a home folder"),
        (home.join("."), "is a home folder"),
        ("/etc".into(), "holds"),
        ("/proc/sys".into(), "interface of the system"),
        ("/var/run".into(), "interface of the system"),
        (state.clone(), "it is state"),
        (machine.path().join("data"), "holds"),
        (keys.join("deep"), "lies in"),
        (machine.path().join("innocent"), "it is state"),
        (missing.clone(), "No such file"),
        ("relative".into(), "not an absolute path"),
    ];
    for (path, why) in &refused {
        for field in 0..2 {
            let mut options = base.clone();
            if field == 0 { &mut options.read } else { &mut options.path }.push(path.clone());
            match Sandbox::open(options) {
                Err(SandboxError::Refused { path: named, why: said }) => {
                    assert_eq!(&named, path);
                    assert!(said.contains(why), "{}: {said}", path.display());
                }
                other => panic!("{}: {:?}", path.display(), other.err()),
            }
        }
    }
    let sandbox = Sandbox::open(Options { read: vec![machine.path().join("tools")], ..base }).expect("tools are fine");
    let mut of_run = refused.clone();
    // In state, and not a run's.
    of_run.push((runs.clone(), "lies in"));
    for (path, why) in of_run {
        let mut spec = machine.spec(&sandbox, "true", &[]);
        spec.mounts = vec![Mount { source: path.clone(), target: "/forgehand/work".into(), access: MountAccess::Read }];
        match sandbox.start(spec).await {
            Err(SandboxError::Refused { path: named, why: said }) => {
                assert_eq!(named, path);
                assert!(said.contains(why), "{}: {said}", path.display());
            }
            other => panic!("{}: {:?}", path.display(), other.err()),
        }
    }
    let mut spec = machine.spec(&sandbox, "true", &[]);
    spec.cwd = "/forgehand/work".into();
    spec.mounts = vec![Mount { source: runs.join("1"), target: "/forgehand/work".into(), access: MountAccess::Write }];
    assert_eq!(run(&sandbox, spec).await.ended.exit, Exit::Code(0), "a run's own folder in state is fine");
}

#[tokio::test]
async fn a_link_that_an_agent_left_does_not_lead_a_mount_out_of_its_workspace() {
    let Some(sandbox) = confined("a_link_that_an_agent_left_does_not_lead_a_mount_out_of_its_workspace") else { return };
    let place = Place::new();
    let elsewhere = Place::new();
    std::os::unix::fs::symlink(elsewhere.path(), place.path().join("hooks")).expect("linked");
    let mut spec = place.bash(&sandbox, "true");
    spec.mounts.push(Mount {
        source: place.path().join("hooks"),
        target: "/forgehand/work/hooks".into(),
        access: MountAccess::Read,
    });
    let error = sandbox.start(spec).await.expect_err("is refused");
    assert!(matches!(&error, SandboxError::Refused { why, .. } if why.contains("leads out")), "{error}");
}

#[tokio::test]
async fn programs_are_found_behind_links_managers_and_first_lines() {
    let Some(_) = confined("programs_are_found_behind_links_managers_and_first_lines") else { return };
    let machine = Place::new();
    let write = |path: &str, text: &str| {
        let path = machine.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path
    };
    // A tool by a link from a search folder into its own installation, which it needs to see.
    write("install/tool/lib/words", "from the prefix\n");
    write(
        "install/tool/bin/tool-1.0",
        "#!/usr/bin/env bash\ncat \"$(dirname \"$(readlink -f \"$0\")\")/../lib/words\"\ncompanion\n",
    );
    write("install/tool/bin/companion", "#!/bin/sh\necho from a companion\n");
    fs::create_dir_all(machine.path().join("search")).expect("made");
    std::os::unix::fs::symlink(machine.path().join("install/tool/bin/tool-1.0"), machine.path().join("search/tool"))
        .expect("linked");
    // A script that is run by an interpreter elsewhere.
    write("other/bin/interpret", "#!/bin/sh\necho interpreted \"$2\"\n");
    let script = write("scripts/script", &format!("#!{} -x\n", machine.path().join("other/bin/interpret").display()));
    // A version manager's stand-in.
    let real = write("managed/versions/3/bin/managed", "#!/bin/sh\necho managed\n");
    let manager = write("managed/libexec/manager", &format!("#!/bin/sh\n[ \"$1\" = which ] && echo {}\n", real.display()));
    let shim = write(
        "managed/shims/managed",
        &format!("#!/usr/bin/env bash\nset -e\nexec \"{}\" exec \"$program\" \"$@\"\n", manager.display()),
    );

    let sandbox =
        Sandbox::open(Options { path: vec![machine.path().join("search")], ..options(Mode::Bubblewrap) }).expect("opens");
    let place = Place::new();
    let by_name = run(&sandbox, place.spec(&sandbox, "tool", &[])).await;
    assert_eq!(by_name.out, "from the prefix\nfrom a companion\n", "{}", by_name.err);
    let interpreted = run(&sandbox, place.spec(&sandbox, script.to_str().expect("utf-8"), &[])).await;
    assert_eq!(interpreted.out, format!("interpreted {}\n", script.display()), "{}", interpreted.err);
    let managed = run(&sandbox, place.spec(&sandbox, shim.to_str().expect("utf-8"), &[])).await;
    assert_eq!(managed.out, "managed\n", "{}", managed.err);
}

#[tokio::test]
async fn a_program_among_secrets_comes_alone_or_not_at_all() {
    let Some(_) = confined("a_program_among_secrets_comes_alone_or_not_at_all") else { return };
    let machine = Place::new();
    let folder = machine.path().join("mixed");
    fs::create_dir_all(folder.join("secret")).expect("made");
    let tool = folder.join("tool");
    fs::write(&tool, "#!/bin/sh\nls $(dirname $0)\n").expect("written");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("executable");
    let name = tool.to_str().expect("utf-8");
    let place = Place::new();

    let beside = Sandbox::open(Options { forbidden: vec![folder.join("secret")], ..options(Mode::Bubblewrap) }).expect("opens");
    assert_eq!(run(&beside, place.spec(&beside, name, &[])).await.out, "tool\n", "the file, and not its folder");
    let within = Sandbox::open(Options { forbidden: vec![folder.clone()], ..options(Mode::Bubblewrap) }).expect("opens");
    let error = within.start(place.spec(&within, name, &[])).await.expect_err("refused");
    assert!(matches!(error, SandboxError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn many_sandboxes_live_at_once() {
    let Some(sandbox) = confined("many_sandboxes_live_at_once") else { return };
    let place = Place::new();
    let mut processes = Vec::new();
    for n in 0..8 {
        processes.push(
            sandbox
                .start(place.bash(&sandbox, &format!("echo {n}; while [ ! -e go ]; do sleep 0.01; done; exit {n}")))
                .await
                .expect("starts"),
        );
    }
    for (n, process) in processes.iter_mut().enumerate() {
        assert_eq!(first_line(process).await, n.to_string());
    }
    fs::write(place.path().join("go"), "").expect("written");
    for (n, process) in processes.into_iter().enumerate() {
        assert_eq!(finish(process).await.ended.exit, Exit::Code(i32::try_from(n).expect("small")));
    }
}

#[test]
fn a_sandbox_outlives_the_thread_that_asked_for_it() {
    let Some(sandbox) = confined("a_sandbox_outlives_the_thread_that_asked_for_it") else { return };
    let place = Place::new();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_keep_alive(Duration::from_millis(1))
            .enable_all()
            .build()
    };
    let runtime = runtime().expect("a runtime");
    let asked = {
        let (sandbox, handle) = (sandbox.clone(), runtime.handle().clone());
        let spec = place.bash(&sandbox, "echo up; while [ ! -e go ]; do sleep 0.01; done; exit 6");
        // A thread that ends right after, as a pool's do.
        std::thread::spawn(move || handle.block_on(sandbox.start(spec)))
    };
    let mut process = asked.join().expect("the thread ended").expect("starts");
    runtime.block_on(async {
        assert_eq!(first_line(&mut process).await, "up");
        // The handle is gone too: the sandbox lives by its process alone.
        drop(sandbox);
        assert!(timeout(Duration::from_millis(100), process.wait()).await.is_err(), "it still runs");
        fs::write(place.path().join("go"), "").expect("written");
        assert_eq!(finish(process).await.ended.exit, Exit::Code(6));
    });
}

#[tokio::test]
async fn a_shim_that_was_replaced_still_starts() {
    let place = Place::new();
    let copy = place.path().join("forgehand");
    fs::copy(env!("CARGO_BIN_EXE_forgehand"), &copy).expect("copied");
    for mode in [Mode::Bubblewrap, Mode::None] {
        let Some(sandbox) = open("a_shim_that_was_replaced_still_starts", Options { shim: copy.clone(), ..options(mode) }) else {
            continue;
        };
        fs::rename(&copy, place.path().join("old")).expect("moved");
        fs::write(&copy, "not a program").expect("written");
        assert_eq!(run(&sandbox, place.bash(&sandbox, "exit 3")).await.ended.exit, Exit::Code(3));
        fs::rename(place.path().join("old"), &copy).expect("moved back");
    }
}

#[test]
fn the_report_says_what_holds_and_what_does_not() {
    let unlimited = Sandbox::open(options(Mode::None)).expect("opens").describe();
    assert!(unlimited.lacks.iter().any(|line| line.starts_with("network")), "{unlimited:?}");
    assert_eq!(unlimited.root.is_some(), rustix::process::geteuid().is_root());
    let Some(sandbox) = confined("the_report_says_what_holds_and_what_does_not") else { return };
    let report = sandbox.describe();
    assert!(report.holds.iter().any(|line| line.starts_with("network")), "{report:?}");
    assert!(!report.lacks.iter().any(|line| line.starts_with("network")), "{report:?}");
}

#[test]
fn without_bubblewrap_the_error_says_what_to_do() {
    let error = SandboxError::Unavailable { why: "bubblewrap is not installed".to_owned() };
    assert!(error.hint().contains("install bubblewrap") && error.hint().contains("mode = \"none\""), "{}", error.hint());
}

#[tokio::test]
async fn git_commits_and_bundles_in_the_workspace() {
    let Some(sandbox) = confined("git_commits_and_bundles_in_the_workspace") else { return };
    let place = Place::new();
    let script = "set -e; git init -q .; git config user.name n; git config user.email n@example.org; echo text > file; git add file; \
                  git commit -qm first; git bundle create -q all.bundle HEAD; git bundle verify -q all.bundle; echo done";
    let env = BTreeMap::from([("HOME".to_owned(), "/forgehand/work".to_owned())]);
    let done = run(&sandbox, Spec { env, ..place.bash(&sandbox, script) }).await;
    assert_eq!(done.out.trim(), "done", "{}", done.err);
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(place.path().join("all.bundle")).expect("on the host"));
    assert_eq!(owner, rustix::process::geteuid().as_raw(), "what is made inside belongs to the daemon outside");
}
