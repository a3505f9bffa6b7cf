//! Credentials and accounts, through the binary: where they may be, that they may come later, when they end, whose money is used.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::claude_hand::claude;
use crate::claude_line::{is_triage, play, triaged};
use crate::messages_api::{MessagesApi, Reply, Request};
use crate::rig::{Agent, Plan, Rig, now, until};

const DAY: i64 = 86_400_000;

/// A site whose agent is the real claude; `agent` are further lines of `[agent]`, `accounts` further sections.
async fn site(test: &'static str, api: &MessagesApi, agent: &'static str, accounts: &str) -> Option<Rig> {
    let agent = Agent::Claude { program: claude(), url: api.url().to_owned(), more: agent };
    let rig = Plan::new(test).agent(agent).daemon("poll = \"1s\"").mode(Mode::None).rig().await?;
    rig.reconfigure("[sandbox]", &format!("{accounts}\n[sandbox]"));
    Some(rig)
}

/// A site whose agent is a shell script in claude's place: it logs each call, and what else it does, `renew` says.
async fn renewing(test: &'static str, url: &str, renew: &str) -> Rig {
    let agent = Agent::Claude { program: Some("fake-claude".into()), url: url.to_owned(), more: "account = \"home\"" };
    let rig = Plan::new(test).agent(agent).daemon("poll = \"1s\"").mode(Mode::None).rig().await.expect("it needs nothing");
    let fake = rig.dir.path().join("fake-claude");
    let real = claude().unwrap_or_else(|| PathBuf::from("false"));
    let log = rig.dir.path().join("renewals");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *stream-json*) exec '{}' \"$@\" ;; esac\n\
         echo \"files: $(ls -A | wc -l) key: ${{ANTHROPIC_API_KEY:-none}} asked: $(cat) args: $*\" >>'{}'\n{renew}\n",
        real.display(),
        log.display()
    );
    std::fs::write(&fake, script).expect("a program");
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it may be run");
    rig.reconfigure("\"fake-claude\"", &format!("{:?}", fake.display().to_string()));
    rig.reconfigure("[sandbox]", "[[account]]\nname = \"home\"\nsign_in = \"home/.claude/.credentials.json\"\n\n[sandbox]");
    rig
}

fn sign_in(rig: &Rig, token: &str, expires: i64, refresh: bool) {
    let file = rig.dir.path().join("home/.claude/.credentials.json");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("claude's folder");
    let refresh = if refresh { "r" } else { "" };
    let text = json!({"claudeAiOauth": {"accessToken": token, "refreshToken": refresh, "expiresAt": expires}});
    std::fs::write(file, text.to_string()).expect("a sign-in");
}

fn write(rig: &Rig, name: &str, text: &str) -> PathBuf {
    let path = rig.dir.path().join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

fn aged(path: &Path, days: i64) {
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(now() - days * DAY).expect("after 1970"));
    std::fs::File::options().write(true).open(path).expect("the file").set_modified(at).expect("its time");
}

fn bearer(request: &Request) -> Option<&str> {
    request.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
}

fn account<'a>(board: &'a Value, name: &str) -> &'a Value {
    let accounts = board["accounts"].as_array().expect("a list");
    accounts.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("no account {name} in {board:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_appear_while_it_runs_are_taken_up() {
    let api = MessagesApi::start(play).await;
    let account = "[[account]]\nname = \"home\"\nsign_in = \"home/.claude/.credentials.json\"\n";
    let Some(rig) = site("accounts::credentials_that_appear", &api, "account = \"home\"", account).await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let daemon = rig.start(&["run"]);
    until("the first look", || (!rig.records().is_empty() && rig.story().contains("seen open")).then_some(())).await;
    let row = rig.row(number).await;
    assert!(row["waiting"]["reason"].as_str().is_some_and(|r| r.contains("no credentials")), "{row:#}");
    assert!(api.requests().is_empty());
    sign_in(&rig, "sk-ant-oat01-later", now() + 30 * DAY, true);
    until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    assert!(api.requests().iter().all(|request| bearer(request) == Some("sk-ant-oat01-later")));
    daemon.kill().await;
}

const TWO: &str = "[[account]]\nname = \"a\"\nkey_file = \"key-a\"\n[[account]]\nname = \"b\"\nkey_file = \"key-b\"\n";

fn limited() -> Reply {
    let reset = chrono::DateTime::parse_from_rfc3339("2099-01-01T05:00:00Z").expect("a time").timestamp();
    Reply::error(429, "rate_limit_error", "This request would exceed your account's rate limit.")
        .with("anthropic-ratelimit-unified-status", "rejected")
        .with("anthropic-ratelimit-unified-reset", reset)
        .with("retry-after", 7200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_account_holds_up_only_those_who_have_no_other() {
    let api = MessagesApi::start(|request| if request.key() == Some("key-of-a") { limited() } else { play(request) }).await;
    let Some(rig) = site("accounts::a_paused_account", &api, "account = [\"a\", \"b\"]", TWO).await else { return };
    write(&rig, "key-a", "key-of-a");
    write(&rig, "key-b", "key-of-b");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let keys: Vec<_> = api.requests().iter().filter_map(|r| r.key().map(str::to_owned)).collect();
    assert_eq!((keys.first().map(String::as_str), keys.last().map(String::as_str)), (Some("key-of-a"), Some("key-of-b")));
    let board = rig.json(&["status", "--json"]).await;
    assert_eq!(account(&board, "a")["paused_until"], "2099-01-01T05:00:00Z");
    assert_eq!(account(&board, "b")["paused_until"], Value::Null);
    assert!(account(&board, "b")["spent_today_usd"].as_f64().is_some_and(|usd| usd > 0.0), "{board:#}");
    // One who has only that account waits, and nothing is sent in vain.
    rig.reconfigure("account = [\"a\", \"b\"]", "account = \"a\"");
    let other = rig.issue("Total is wrong again", "2 and 2 gives 5", &["claude-queue"]).await;
    let before = api.requests().len();
    rig.once().await;
    let row = rig.row(other).await;
    assert!(row["waiting"]["reason"].as_str().is_some_and(|r| r.starts_with("account `a` is paused until 2099")), "{row:#}");
    assert_eq!((api.requests().len(), rig.labels(other)), (before, vec!["claude-queue".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_a_quota_of_its_own() {
    let api = MessagesApi::start(play).await;
    let accounts = TWO.replace("key_file = \"key-a\"", "key_file = \"key-a\"\nusd_day = 0.0001");
    let Some(rig) = site("accounts::an_account_has_a_quota", &api, "account = [\"a\", \"b\"]", &accounts).await else { return };
    write(&rig, "key-a", "key-of-a");
    write(&rig, "key-b", "key-of-b");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    for request in api.requests() {
        let expected = if is_triage(&request) { "key-of-a" } else { "key-of-b" };
        assert_eq!(request.key(), Some(expected), "the quota of `a` pays for one run");
    }
    rig.reconfigure("account = [\"a\", \"b\"]", "account = \"a\"");
    let other = rig.issue("Total is wrong again", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    let row = rig.row(other).await;
    assert!(row["waiting"]["reason"].as_str().is_some_and(|r| r.contains("the budget of the account a")), "{row:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_may_pass_the_token_and_the_key() {
    let api = MessagesApi::start(|request| if is_triage(request) { triaged() } else { play(request) }).await;
    let credentials = tempfile::tempdir().expect("a folder");
    let agent = Agent::Claude { program: claude(), url: api.url().to_owned(), more: "account = \"unit\"" };
    let plan = Plan::new("accounts::systemd_may_pass").agent(agent).mode(Mode::None);
    let folder = credentials.path().display().to_string();
    let Some(rig) = plan.env("CREDENTIALS_DIRECTORY", &folder).rig().await else { return };
    rig.reconfigure("token_file = \"token\"", "token_credential = \"forge-token\"");
    rig.reconfigure("[sandbox]", "[[account]]\nname = \"unit\"\ncredential = \"model-key\"\n\n[sandbox]");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("LoadCredential=forge-token"), "{said:?}");
    std::fs::rename(rig.dir.path().join("token"), credentials.path().join("forge-token")).expect("passed");
    std::fs::write(credentials.path().join("model-key"), "sk-ant-oat01-passed\n").expect("passed");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    assert!(api.requests().iter().all(|request| bearer(request) == Some("sk-ant-oat01-passed")));
    let board = rig.json(&["status", "--json"]).await;
    assert_eq!((&account(&board, "unit")["expires"], &account(&board, "unit")["warning"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_knows_when_credentials_end_and_warns_days_ahead() {
    let names = ["key", "token", "old", "fresh", "near", "own"];
    let list = names.map(|name| format!("\"{name}\"")).join(", ");
    let more: &'static str = format!("account = [{list}]").leak();
    let agent = Agent::Claude { program: Some("claude".into()), url: "http://127.0.0.1:9".into(), more };
    let rig = Plan::new("accounts::status_knows").agent(agent).mode(Mode::None).rig().await.expect("it needs nothing");
    let accounts = "[[account]]\nname = \"key\"\nkey_file = \"key\"\n[[account]]\nname = \"token\"\noauth_token_env = \"TOKEN\"\n\
        [[account]]\nname = \"old\"\noauth_token_file = \"old\"\n[[account]]\nname = \"fresh\"\noauth_token_file = \"fresh\"\n\
        [[account]]\nname = \"near\"\nsign_in = \"near.json\"\n\
        [[account]]\nname = \"own\"\nsign_in = \"home/.claude/.credentials.json\"\n";
    rig.reconfigure("[sandbox]", &format!("{accounts}\n[sandbox]"));
    write(&rig, "key", "sk-ant-api03-x");
    aged(&write(&rig, "old", "sk-ant-oat01-x"), 362);
    write(&rig, "fresh", "sk-ant-oat01-x");
    let ends = now() + 3 * DAY + 3_600_000;
    let text = json!({"claudeAiOauth": {"accessToken": "sk-ant-oat01-x", "expiresAt": ends}});
    write(&rig, "near.json", &text.to_string());
    sign_in(&rig, "sk-ant-oat01-x", now() + 3_600_000, true);
    let board = rig.json(&["status", "--json"]).await;
    let warning = |name: &str| account(&board, name)["warning"].as_str().unwrap_or_default().to_owned();
    assert_eq!((&account(&board, "key")["expires"], warning("key")), (&Value::Null, String::new()));
    assert!(account(&board, "key")["what"].as_str().is_some_and(|w| w.contains("does not expire")));
    assert_eq!(account(&board, "token")["state"], "missing");
    assert!(warning("token").contains("setup-token"));
    assert!(warning("old").contains("(in 2 days)") || warning("old").contains("(in 3 days)"), "{}", warning("old"));
    assert!(account(&board, "fresh")["expires"].is_string() && warning("fresh").is_empty(), "{board:#}");
    assert!(warning("near").contains("(in 3 days)") && warning("near").contains("claude setup-token"), "{}", warning("near"));
    assert_eq!(warning("own"), "", "what is renewed is nothing to be warned of");
    assert!(account(&board, "own")["what"].as_str().is_some_and(|w| w.contains("renewed when it is needed")), "{board:#}");
    let shown = rig.run(&["status"]).await.ok().out;
    assert!(shown.contains("! account `near`: it ends at"), "{shown}");
    for (account, until) in [("fresh", "until 20"), ("own", "renewed when it is needed")] {
        let told = |line: &str| line.starts_with(&format!("account `{account}`: ")) && line.contains(until);
        assert!(shown.lines().any(told), "{account} ends, and nobody has to do anything: {shown}");
    }
    assert!(!shown.contains("`key`") && !shown.contains("sk-ant"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_ended_is_renewed_by_the_hosts_own_claude() {
    let api = MessagesApi::start(play).await;
    if claude().is_none() {
        crate::hands_bench::not_run("accounts::a_sign_in_that_ended_is_renewed", "claude is not installed");
        return;
    }
    let ends = now() + 30 * DAY;
    let renew = format!(
        "echo '{{\"claudeAiOauth\":{{\"accessToken\":\"sk-ant-oat01-new\",\"refreshToken\":\"r\",\"expiresAt\":{ends}}}}}' \
         >\"$HOME/.claude/.credentials.json\""
    );
    let rig = renewing("accounts::a_sign_in_that_ended_is_renewed", api.url(), &renew).await;
    sign_in(&rig, "sk-ant-oat01-ended", now() - 1000, true);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.run(&["once", "--dry-run"]).await.ok();
    assert!(!rig.dir.path().join("renewals").exists(), "a dry run renews nothing");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let seen = std::fs::read_to_string(rig.dir.path().join("renewals")).expect("it was renewed");
    assert_eq!(seen.lines().count(), 1, "once: {seen}");
    assert!(seen.starts_with("files: 0 key: none asked: /cost args: -p --setting-sources= "), "{seen}");
    assert!(api.requests().iter().all(|request| bearer(request) == Some("sk-ant-oat01-new")));
    assert!(!rig.story().contains("could not be renewed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_not_renewed_starts_nothing_and_is_said() {
    let rig = renewing("accounts::a_sign_in_that_is_not_renewed", "http://127.0.0.1:9", "exit 1").await;
    sign_in(&rig, "sk-ant-oat01-ended", now() - 1000, true);
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-queue"]);
    assert_eq!(rig.turns("work"), 0, "{}", rig.story());
    let row = rig.row(number).await;
    let reason = row["waiting"]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("the sign-in of account `home` ended at") && reason.contains("left"), "{row:#}");
    assert!(row["waiting"]["until"].is_string(), "it is tried again: {row:#}");
    let explained = rig.run(&["explain", &number.to_string()]).await.ok().out;
    assert!(explained.contains("claude setup-token"), "{explained}");
    assert!(rig.run(&["status"]).await.ok().out.contains("could not be renewed"));
    assert!(rig.story().contains("the sign-in of account `home` could not be renewed"));
    assert!(rig.comments(number).is_empty(), "{:?}", rig.comments(number));
    // A person signs in, and it goes without a word from anybody.
    sign_in(&rig, "sk-ant-oat01-new", now() + 30 * DAY, true);
    let row = rig.row(number).await;
    assert!(!row["waiting"].to_string().contains("sign-in"), "{row:#}");
    assert!(!rig.run(&["status"]).await.ok().out.contains("could not be renewed"));
}
