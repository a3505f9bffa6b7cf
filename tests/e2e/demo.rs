//! `forgehand demo`, as anybody would start it: the built program, real git, and the sandbox where there is one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// What became of each issue, as it is reported.
const ENDS: [&str; 8] = [
    "ok   #1 Short names keep punctuation and double blanks: fixed; ada merged pull request #",
    "ok   #2 The last book of a list is not counted: fixed in a second round, after its verification had failed; pull request #",
    "ok   #3 Lists look wrong sometimes: its reporter is asked what is meant",
    "ok   #4 Store when a book is due: handed to a person: it needs a schema migration",
    "ok   #5 A note about AC/DC cannot be written: waited for the one it depends on, then fixed; pull request #",
    "ok   #6 Nobody is told where notes are kept: done; forgehand merged pull request #",
    "ok   #7 Two scripts make short names: done; pull request #",
    "ok   #8 Nobody runs the tests before a push: done; pull request #",
];
/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn each_issue_ends_where_it_should_and_nothing_stays_behind() {
    let temp = TempDir::new().expect("a folder");
    let output = demo(temp.path()).output().expect("the demo starts");
    let said = succeeded(&output);
    assert!(said.contains("agent    scripted"), "the agent is announced as scripted: {said}");
    assert!(said.contains("sandbox  "), "{said}");
    assert!(said.contains("#2  its verification failed"), "{said}");
    assert!(said.contains("it depends on ada/shelf#1, still open"), "{said}");
    let (waits, merges) = (place(&said, "it depends on ada/shelf#1"), place(&said, "ada, played by the demo, merges"));
    assert!(waits < merges && merges < place(&said, "#5  claude-working"), "the dependent one waited: {said}");
    let (approval, approver) =
        ("(medium blast radius) waits for an approval", "(high blast radius) waits for the approval of an administrator");
    assert!(said.contains(approval) && said.contains(approver), "{said}");
    let alone = said.lines().find(|line| line.contains("forgehand merged pull request #")).expect("it is there");
    assert!(alone.ends_with("by itself, as its blast radius is low"), "{alone}");
    assert_eq!(said.matches("played by the demo, merges").count(), 1, "a person merges one: {said}");
    assert_eq!(names(temp.path()), Vec::<String>::new(), "the temporary folder is gone");
    assert_eq!(daemons_in(temp.path()), Vec::<String>::new());
}

#[test]
fn a_kept_folder_is_opened_again() {
    let temp = TempDir::new().expect("a folder");
    let kept = temp.path().join("kept");
    let run = || demo(temp.path()).arg("--keep").arg(&kept).output().expect("the demo starts");
    let first = succeeded(&run());
    let second = succeeded(&run());
    assert!(!second.contains("[fix: work]"), "nothing is done again: {second}");
    assert_eq!(links(&first), links(&second), "old links hold, and no pull request was opened twice");
    let status =
        forgehand().arg("--config").arg(kept.join("forgehand.toml")).args(["status", "--json"]).output().expect("status starts");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let states: Vec<&str> =
        status["issues"].as_array().expect("issues").iter().map(|i| i["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["closed", "claude-pr", "needs-info", "interactive", "claude-pr", "closed", "claude-pr", "claude-pr"]);
    for (number, what) in [("7", "waits for an approval"), ("8", "waits for the approval of an administrator")] {
        let explained = forgehand().arg("--config").arg(kept.join("forgehand.toml")).args(["explain", number]).output();
        let explained = String::from_utf8_lossy(&explained.expect("explain starts").stdout).into_owned();
        assert!(explained.contains(what) && explained.contains("moved by:       an approving review of"), "{explained}");
    }
    assert_eq!(daemons_in(&kept), Vec::<String>::new());
}

#[test]
fn a_demo_that_was_cut_goes_on_where_it_was() {
    let temp = TempDir::new().expect("a folder");
    let kept = temp.path().join("kept");
    let mut cut =
        demo(temp.path()).arg("--keep").arg(&kept).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    wait_for_line(&mut cut, "[fix: work]");
    interrupt(&cut);
    let output = cut.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
    assert_eq!(daemons_in(&kept), Vec::<String>::new());
    succeeded(&demo(temp.path()).arg("--keep").arg(&kept).output().expect("the demo starts"));
}

#[test]
fn what_does_not_get_there_is_named_and_is_no_success() {
    let temp = TempDir::new().expect("a folder");
    let output = demo(temp.path()).args(["--limit", "300ms"]).output().expect("the demo starts");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}\n{complained}");
    assert!(complained.contains("the demo did not end where it should: "), "{complained}");
    assert!(complained.contains("#5"), "{complained}");
    assert!(complained.contains("the last lines of the daemon's log"), "{complained}");
    assert!(said.contains("MISS #5 A note about AC/DC cannot be written: not where it should be: "), "{said}");
    assert_eq!(names(temp.path()), Vec::<String>::new(), "the temporary folder is gone");
    assert_eq!(daemons_in(temp.path()), Vec::<String>::new());
}

#[test]
fn without_a_sandbox_it_says_so_and_works() {
    let temp = TempDir::new().expect("a folder");
    let programs = temp.path().join("home/programs");
    fs::create_dir_all(&programs).expect("a folder");
    for folder in ["/usr/bin", "/bin"] {
        for program in fs::read_dir(folder).expect("programs").map(|entry| entry.expect("an entry")) {
            if program.file_name() != "bwrap" {
                // The second of two folders of the same programs finds them there.
                let _ = std::os::unix::fs::symlink(program.path(), programs.join(program.file_name()));
            }
        }
    }
    let said = succeeded(&demo(temp.path()).env("PATH", &programs).output().expect("the demo starts"));
    assert!(said.contains("sandbox  none: "), "{said}");
}

#[test]
fn it_stays_up_to_be_looked_at() {
    let temp = TempDir::new().expect("a folder");
    let mut served = demo(temp.path()).arg("--serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let line = wait_for_line(&mut served, "everything stays up until Ctrl-C: ");
    let url = line.rsplit_once(": ").expect("an address").1.to_owned();
    let page = get(&url);
    assert!(page.contains("ada/shelf"), "{url}: {page}");
    interrupt(&served);
    let output = served.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names(temp.path()), Vec::<String>::new(), "the temporary folder is gone");
}

#[test]
fn claude_without_credentials_is_told_before_anything_starts() {
    let temp = TempDir::new().expect("a folder");
    let output = demo(temp.path()).args(["--agent", "claude"]).output().expect("the demo starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        complained.contains("there are no credentials for claude") && complained.contains("ANTHROPIC_API_KEY"),
        "{complained}"
    );
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let temp = TempDir::new().expect("a folder");
    let theirs = temp.path().join("theirs");
    fs::create_dir(&theirs).expect("a folder");
    fs::write(theirs.join("thesis.txt"), "years of work").expect("a file");
    let output = demo(temp.path()).arg("--keep").arg(&theirs).output().expect("the demo starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(names(&theirs), ["thesis.txt"]);
}

#[expect(clippy::disallowed_methods, reason = "a test starts the program as a person does")]
fn forgehand() -> Command {
    Command::new(env!("CARGO_BIN_EXE_forgehand"))
}

/// The demo, in a world of its own: no configuration and no credentials of whoever runs the tests.
fn demo(temp: &Path) -> Command {
    let home = temp.join("home");
    fs::create_dir_all(&home).expect("a home");
    let mut command = forgehand();
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home).env("TMPDIR", temp);
    command.arg("demo").current_dir(temp);
    command
}

fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{:?}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    for end in ENDS {
        assert!(said.contains(end), "`{end}` is missing:\n{said}");
    }
    said
}

fn place(said: &str, what: &str) -> usize {
    said.find(what).unwrap_or_else(|| panic!("`{what}` is missing:\n{said}"))
}

fn links(said: &str) -> Vec<&str> {
    said.lines().map(str::trim).filter(|line| line.starts_with("http://")).collect()
}

/// What is left in the folder for temporary files, apart from the home that the test made.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    entries.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "home").collect()
}

/// Processes whose arguments name the folder.
fn daemons_in(folder: &Path) -> Vec<String> {
    let wanted = folder.to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    processes.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(&wanted)).collect()
}

/// Reads on until a line says this; what follows is read and dropped, so that the pipe never fills.
fn wait_for_line(child: &mut Child, wanted: &'static str) -> String {
    let stdout = child.stdout.take().expect("a pipe");
    let (found, finds) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.contains(wanted) {
                // Whoever waited may have what it wants already.
                let _ = found.send(line);
            }
        }
    });
    finds.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = child.kill();
        let mut complained = String::new();
        let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut complained));
        panic!("`{wanted}` was never said: {complained}")
    })
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
}

/// A page, by the plainest request there is.
fn get(url: &str) -> String {
    use std::io::Write;
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    let mut stream = std::net::TcpStream::connect(host).expect("it listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}
