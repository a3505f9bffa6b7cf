//! Programs of the host: what they are given, how they end, what is kept of what they print.

use std::time::Duration;

use forgehand::host::Machine;
use forgehand::model::HostEnd;
use forgehand::ports::{Host, HostOrder, HostRan};

async fn run(script: &str, timeout: Duration) -> HostRan {
    let words = ["sh", "-c", script].map(str::to_owned);
    Machine::new(std::env::temp_dir()).run(&HostOrder { words: &words, timeout }).await
}

const LONG: Duration = Duration::from_mins(5);

#[tokio::test]
async fn a_program_is_told_by_how_it_ends() {
    let said = run("echo one; echo two >&2; exit 3", LONG).await;
    assert_eq!(said, HostRan { end: HostEnd::Exited { code: 3 }, tail: "one\ntwo\n".into() }, "in the order that it was printed");
    assert_eq!(run("kill -9 $$", LONG).await.end, HostEnd::Killed);
    let words = ["/no/such/program".to_owned()];
    let said = Machine::new(std::env::temp_dir()).run(&HostOrder { words: &words, timeout: LONG }).await;
    assert!(said.end == HostEnd::NotStarted && said.tail.contains("/no/such/program cannot be started"), "{said:?}");
}

#[tokio::test]
async fn it_has_no_variable_of_ours_and_nothing_to_read() {
    let said = run("env; cat", LONG).await;
    let known = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"];
    // What the shell sets itself.
    let own = ["PWD", "OLDPWD", "SHLVL", "_", "DOCKER_HOST", "CONTAINER_HOST"];
    let names: Vec<&str> = said.tail.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(said.end.is_well() && names.contains(&"PATH"), "{said:?}");
    let more: Vec<_> = names.iter().filter(|name| !known.contains(name) && !own.contains(name)).collect();
    assert!(more.is_empty() && std::env::vars().count() > names.len(), "{more:?}");
}

#[tokio::test]
async fn a_hung_one_is_cut_with_all_that_it_started() {
    let said = run("echo begun; sleep 300 & echo $!; sleep 300", Duration::from_millis(300)).await;
    assert_eq!(said.end, HostEnd::TimedOut);
    let child = said.tail.strip_prefix("begun\n").map(str::trim).unwrap_or_default().to_owned();
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    assert!(child.parse::<u32>().is_ok(), "{said:?}");
    for _ in 0..500 {
        if gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{child} goes on");
}

#[tokio::test]
async fn what_it_leaves_in_the_background_holds_nobody() {
    let said = run("echo started; sleep 300 & echo $! >&2; exit 0", LONG).await;
    assert!(said.end.is_well() && said.tail.starts_with("started\n"), "{said:?}");
    let pid = said.tail.lines().nth(1).and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("its number"), rustix::process::Signal::KILL).expect("it goes on");
}

#[tokio::test]
async fn of_much_that_is_printed_the_last_whole_lines_are_kept() {
    let said = run("i=0; while [ $i -lt 40000 ]; do echo \"line $i\"; i=$((i+1)); done; exit 1", LONG).await;
    assert!(said.tail.len() < 200 << 10, "{}", said.tail.len());
    assert!(said.tail.starts_with("line ") && said.tail.ends_with("line 39999\n"), "{:.40}", said.tail);
    let forever = run("while :; do echo on and on; done", Duration::from_millis(300)).await;
    assert!(forever.end == HostEnd::TimedOut && forever.tail.len() < 200 << 10, "{:?}", forever.end);
}

#[tokio::test]
async fn the_room_on_a_disk_is_told() {
    let machine = Machine::new(std::env::temp_dir());
    let room = machine.room(&std::env::temp_dir(), LONG).await.expect("a disk");
    assert!(room.total > 0 && room.free <= room.total, "{room:?}");
    let none = machine.room("/no/such/folder".as_ref(), LONG).await.expect_err("no folder");
    assert!(none.contains("/no/such/folder"), "{none}");
}
