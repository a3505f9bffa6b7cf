//! `[[notify]]` through the binary: who is told what, and that it happens once.

use std::sync::{Arc, Mutex, PoisonError};

use forgehand::sandbox::Mode;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::rig::{Agent, Plan, TRIAGE, until};

/// A receiver of webhooks, and what it got: path and body.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<(String, Value)>>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its number"));
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = got.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                let (path, body) = loop {
                    let mut piece = [0; 4096];
                    let read = stream.read(&mut piece).await.expect("readable");
                    bytes.extend_from_slice(&piece[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    if let Ok(json) = serde_json::from_str::<Value>(body) {
                        break (head.split(' ').nth(1).expect("a path").to_owned(), json);
                    }
                };
                kept.lock().unwrap_or_else(PoisonError::into_inner).push((path, body));
                let _ = stream.write_all(b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n").await;
            }
        });
        Self { url, got, _tasks: tasks }
    }

    fn got(&self, path: &str) -> Vec<Value> {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        got.iter().filter(|(p, _)| p == path).map(|(_, body)| body.clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_is_told_once_in_the_form_he_asked_for() {
    let receiver = Receiver::start().await;
    let agent = Agent::scripted(TRIAGE, "echo boom >&2; exit 3");
    let plan = Plan::new("notify::who_asked").mode(Mode::None).agent(agent).limits("attempts = 1");
    let rig = plan
        .env("JSON_HOOK", &format!("{}/json-secret", receiver.url))
        .env("DISCORD_HOOK", &format!("{}/discord-secret", receiver.url))
        .env("BROKEN_HOOK", "http://127.0.0.1:9/broken-secret")
        .rig()
        .await
        .expect("it needs nothing");
    let file = |name: &str| rig.dir.path().join(name);
    std::fs::write(file("sendmail"), format!("#!/bin/sh\n(echo \"$@\"; cat) >>'{}'\n", file("mails").display()))
        .expect("a program");
    executable(&file("sendmail"));
    let text = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    rig.configure(&format!(
        "{text}\n[[notify]]\non = [\"failed\"]\ncommand = [\"sh\", \"-c\", \"cat >>'{0}'; echo >>'{0}'\"]\n\
         [[notify]]\nwebhook_env = \"JSON_HOOK\"\n[[notify]]\nwebhook_env = \"DISCORD_HOOK\"\nformat = \"discord\"\n\
         [[notify]]\nwebhook_env = \"BROKEN_HOOK\"\n\
         [[notify]]\non = [\"failed\"]\nmail = \"me@example.org\"\nsendmail = \"sendmail\"\n\
         [[notify]]\non = [\"budget\", \"account-paused\", \"unreachable\", \"waits\"]\ncommand = [\"touch\", \"{1}\"]\n",
        file("told").display(),
        file("wrong").display()
    ));
    let number = rig.issue("Totål is wrong @everyone", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-failed"], "{}", rig.story());

    let told = std::fs::read_to_string(file("told")).expect("the command was told");
    let told: Value = serde_json::from_str(told.trim()).expect("one line of JSON");
    assert_eq!((&told["on"], &told["repo"], &told["issue"]), (&"failed".into(), &"owner/app".into(), &number.into()), "{told}");
    assert!(told["url"].as_str().is_some_and(|url| url == format!("{}/owner/app/issues/{number}", rig.forge.url())), "{told}");
    assert!(told["text"].as_str().is_some_and(|text| text.contains("It failed for good: the agent broke off")), "{told}");
    assert_eq!(receiver.got("/json-secret"), [told]);
    let discord = receiver.got("/discord-secret");
    let [message] = &discord[..] else { panic!("{discord:#?}") };
    assert!(message["content"].as_str().is_some_and(|text| text.starts_with("**owner/app")), "{message}");
    assert_eq!(message["allowed_mentions"]["parse"], serde_json::json!([]));
    let mail = std::fs::read_to_string(file("mails")).expect("a mail");
    assert!(mail.starts_with("-i -- me@example.org\nTo: me@example.org\nSubject: =?utf-8?B?"), "{mail}");
    assert!(!file("wrong").exists(), "who asked for something else was told");

    let logs = rig.left_in("logs");
    let log: String =
        logs.iter().map(|f| std::fs::read_to_string(rig.state_dir().join("logs").join(f)).expect("a log")).collect();
    assert!(log.contains("a notice could not be sent"), "{log}");
    let told: Vec<&str> =
        log.lines().filter(|l| ["json-secret", "discord-secret", "broken-secret"].iter().any(|s| l.contains(s))).collect();
    assert!(told.is_empty(), "the address is a secret: {told:#?}");

    rig.once().await;
    assert_eq!((receiver.got("/json-secret").len(), receiver.got("/discord-secret").len()), (1, 1), "a restart repeats nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_changes_while_the_daemon_runs() {
    let agent = Agent::scripted(TRIAGE, "echo boom >&2; exit 3");
    let plan = Plan::new("notify::who_is_told_changes").mode(Mode::None).agent(agent).daemon("poll = \"1s\"");
    let rig = plan.limits("attempts = 1").rig().await.expect("it needs nothing");
    let lines = |name: &str| std::fs::read_to_string(rig.dir.path().join(name)).unwrap_or_default().lines().count();
    let telling = |name: &str| {
        let file = rig.dir.path().join(name);
        format!("\n[[notify]]\non = [\"failed\"]\ncommand = [\"sh\", \"-c\", \"cat >>'{0}'; echo >>'{0}'\"]\n", file.display())
    };
    let nobody = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    rig.configure(&format!("{nobody}{}", telling("first")));
    let daemon = rig.start(&["run"]);
    let in_force = || std::fs::read_to_string(rig.state_dir().join("configuration/forgehand.toml")).unwrap_or_default();
    rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until("the first to be told", || (lines("first") == 1).then_some(())).await;

    rig.configure(&format!("{nobody}{}", telling("second")));
    until("the change to be in force", || in_force().contains("second").then_some(())).await;
    rig.issue("Sum is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    until("the second to be told", || (lines("second") == 1).then_some(())).await;
    assert_eq!(lines("first"), 1, "who is not named any more was told");
    daemon.term();
    assert!(daemon.wait().await.success());
}

fn executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}
