//! Having a sign-in renewed: once for all who want it, within its time, and believed by the file alone.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use forgehand::gateway::{RenewError, Renewal};
use forgehand::model::Timestamp;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// A sign-in that has ended, and a program in claude's place.
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(dir.path().join("home/.claude")).expect("a folder");
        let bench = Self { dir };
        std::fs::write(bench.file(), r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-x","refreshToken":"r","expiresAt":1}}"#)
            .expect("a sign-in");
        let program = bench.dir.path().join("claude");
        let log = bench.dir.path().join("log");
        std::fs::write(&program, format!("#!/bin/sh\necho $$ >>'{}'\n{script}\n", log.display())).expect("a program");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("it may be run");
        bench
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("home/.claude/.credentials.json")
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default().lines().count()
    }

    fn renewal(&self, limit: Duration) -> Renewal {
        let home = self.dir.path().join("home");
        Renewal { sign_in: self.file(), claude: self.dir.path().join("claude"), home, limit }
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
const RENEWS: &str = r#"sleep 0.2; echo '{"claudeAiOauth":{"accessToken":"sk-ant-oat01-y","refreshToken":"r","expiresAt":1890000000000}}' >"$HOME/.claude/.credentials.json""#;

#[tokio::test]
async fn two_who_want_it_at_once_have_it_renewed_once() {
    let bench = Bench::new(RENEWS);
    let (one, other) = (bench.renewal(PATIENCE), bench.renewal(PATIENCE));
    let (one, other) = tokio::join!(one.renew(|| NOW), other.renew(|| NOW));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert_eq!(bench.runs(), 1);
    let files: Vec<_> = std::fs::read_dir(bench.dir.path().join("home/.claude")).expect("the folder").collect();
    assert_eq!(files.len(), 1, "the lock leaves nothing behind: {files:?}");
}

#[tokio::test]
async fn a_file_that_did_not_change_is_not_believed_whatever_claude_says() {
    let bench = Bench::new("echo 'renewed, surely'; exit 0");
    let error = bench.renewal(PATIENCE).renew(|| NOW).await.expect_err("it is as it was");
    assert!(matches!(error, RenewError::Unchanged(..)), "{error}");
    assert!(error.to_string().contains("exit status: 0") && !error.to_string().contains("sk-ant"), "{error}");
}

#[tokio::test]
async fn a_claude_that_hangs_is_ended_with_what_it_started() {
    let bench = Bench::new("sleep 1000 & echo $! >>\"$(dirname \"$0\")/child\"; wait");
    let error = bench.renewal(Duration::from_millis(400)).renew(|| NOW).await.expect_err("it hangs");
    assert!(matches!(error, RenewError::Slow(_)), "{error}");
    let child = std::fs::read_to_string(bench.dir.path().join("child")).expect("it started one");
    let stat = PathBuf::from(format!("/proc/{}/stat", child.trim()));
    for _ in 0..500 {
        // A zombie that nobody reaps in this container is dead all the same.
        let dead = std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        if dead {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what claude started goes on");
}

#[tokio::test]
async fn without_claude_it_is_said() {
    let bench = Bench::new("");
    let renewal = Renewal { claude: "/nowhere/claude".into(), ..bench.renewal(PATIENCE) };
    let error = renewal.renew(|| NOW).await.expect_err("there is none");
    assert!(error.to_string().contains("/nowhere/claude"), "{error}");
}
