//! What is made from the descriptions of the commands, and the files for systemd.
#![expect(clippy::disallowed_methods, reason = "the program itself is tested")]

use std::path::Path;
use std::process::Command;

const COMMANDS: [&str; 17] = [
    "init",
    "doctor",
    "run",
    "once",
    "status",
    "explain",
    "logs",
    "retry",
    "cancel",
    "pause",
    "resume",
    "agents",
    "gc",
    "export",
    "import",
    "localforge",
    "demo",
];

fn output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_forgehand")).args(arguments).output().expect("the program");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn completions_name_the_commands_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = output(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(!script.contains("__scripted"), "{shell}: a hidden command");
    }
    let script = output(&["completions", "bash"]);
    let checked = Command::new("bash").args(["-n", "/dev/stdin"]).stdin(std::process::Stdio::piped()).spawn();
    let mut checked = checked.expect("bash");
    std::io::Write::write_all(checked.stdin.as_mut().expect("stdin"), script.as_bytes()).expect("written");
    assert!(checked.wait().expect("bash").success(), "bash takes the script");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    assert!(output(&["man"]).contains(".TH forgehand 1"));
    let folder = tempfile::tempdir().expect("a folder");
    output(&["man", folder.path().to_str().expect("UTF-8")]);
    for command in COMMANDS {
        let page = std::fs::read_to_string(folder.path().join(format!("forgehand-{command}.1"))).expect(command);
        assert!(page.contains(".SH SYNOPSIS"), "{command}: {page}");
    }
}

#[test]
fn the_schema_is_printed_as_it_is_shipped() {
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/forgehand.schema.json"));
    assert_eq!(output(&["schema"]), shipped.expect("config/forgehand.schema.json"));
}

/// The program stands elsewhere here, so a copy of each unit names the one under test.
#[test]
fn systemd_takes_the_units() {
    if !Command::new("systemd-analyze").arg("--version").output().is_ok_and(|o| o.status.success()) {
        println!("NOT RUN: systemd-analyze verify of config/systemd: it is not on this machine");
        return;
    }
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd");
    let folder = tempfile::tempdir().expect("a folder");
    let mut names = Vec::new();
    for unit in std::fs::read_dir(units).expect("config/systemd") {
        let unit = unit.expect("a unit");
        let text = std::fs::read_to_string(unit.path()).expect("text");
        let to = folder.path().join(unit.file_name());
        std::fs::write(&to, text.replace("/usr/bin/forgehand", env!("CARGO_BIN_EXE_forgehand"))).expect("a copy");
        names.push(to);
    }
    assert_eq!(names.len(), 3);
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&names).output().expect("it");
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && said.trim().is_empty(), "{said}");
}

/// An agent's work must be journalled as interrupted before systemd loses its patience.
#[test]
fn the_unit_waits_longer_than_the_drain() {
    let unit = include_str!("../../config/systemd/forgehand.service");
    let waits = unit.lines().find_map(|l| l.strip_prefix("TimeoutStopSec=")).expect("TimeoutStopSec");
    let waits = forgehand::config::parse_duration(waits).expect("a time");
    let smallest = "[forge]\nurl = \"http://h\"\ntoken_env = \"T\"\n[[project]]\nrepo = \"o/n\"\nverify = [\"x\"]\n[agent]\nbackend = \"claude\"\n";
    let config = forgehand::config::Config::parse("x", smallest).expect("a configuration");
    assert!(unit.lines().any(|line| line == "ExecReload=/bin/kill -HUP $MAINPID"), "systemctl reload is obeyed");
    assert!(waits > config.daemon.drain + std::time::Duration::from_secs(10), "{waits:?}");
}

/// Its comment is what people copy: the keys are those that the reader knows, and the names those that systemd passes.
#[test]
fn the_units_say_what_the_configuration_reads() {
    let units =
        [include_str!("../../config/systemd/forgehand.service"), include_str!("../../config/systemd/forgehand-once.service")];
    for unit in units {
        let said =
            |section: &str| unit.lines().find_map(|l| Some(l.strip_prefix(&format!("#   [{section}]"))?.trim())).expect("a line");
        let (token, key) = (said("forge"), said("agent"));
        let config = format!(
            "[forge]\nurl = \"http://h\"\n{token}\n[[project]]\nrepo = \"o/n\"\nverify = [\"x\"]\n[agent]\nbackend = \"claude\"\n{key}\n"
        );
        forgehand::config::Config::parse("x", &config).unwrap_or_else(|e| panic!("{e}"));
        let quoted = |line: &str| line.split('"').nth(1).expect("a name").to_owned();
        let passed = unit.lines().filter_map(|l| Some(l.strip_prefix("LoadCredential=")?.split(':').next()?.to_owned()));
        assert_eq!(passed.collect::<Vec<_>>(), [quoted(token), quoted(key)]);
    }
}
