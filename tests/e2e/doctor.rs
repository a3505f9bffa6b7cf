//! The doctor finds what is planted, names what mends it, and ends with the right status.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::messages_api::{MessagesApi, Reply};
use crate::reload::{logged, until_logged};
use crate::rig::veil::{Changes, Veil};
use crate::rig::{Agent, Plan, REPO, Rig, until};

async fn rig(test: &'static str) -> Option<Rig> {
    let rig = Plan::new(test).rig().await?;
    let lifecycle = ["priority", "claude-queue", "claude-working", "claude-pr", "claude-failed", "interactive", "needs-info"];
    for label in lifecycle.into_iter().chain(["bug-report", "underspecified"]) {
        rig.label(label).await;
    }
    Some(rig)
}

/// What the doctor should say of one thing.
#[derive(Clone, Copy, Debug)]
struct Finding<'a> {
    check: &'static str,
    status: &'static str,
    says: &'a str,
    mend: &'static str,
    code: i32,
}

fn fails<'a>(code: i32, check: &'static str, says: &'a str, mend: &'static str) -> Finding<'a> {
    Finding { check, status: "fail", says, mend, code }
}

fn warns<'a>(check: &'static str, says: &'a str, mend: &'static str) -> Finding<'a> {
    Finding { check, status: "warn", says, mend, code: 0 }
}

impl Rig {
    async fn doctor(&self, more: &[&str]) -> (Value, i32) {
        let args: Vec<&str> = ["doctor", "--json"].into_iter().chain(more.iter().copied()).collect();
        let said = self.run(&args).await;
        let report = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:#?}"));
        (report, said.code.expect("a code"))
    }

    /// The doctor finds this, and nothing that failed beside it in another part.
    #[track_caller]
    fn finds<'a>(&'a self, more: &'a [&'a str], finding: Finding<'a>) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let (report, code) = self.doctor(more).await;
            let checks = report["checks"].as_array().expect("checks");
            let is_it = |check: &&Value| {
                let has = |key: &str, words: &str| check[key].as_str().is_some_and(|text| text.contains(words));
                check["name"] == finding.check
                    && check["status"] == finding.status
                    && has("says", finding.says)
                    && has("mend", finding.mend)
            };
            assert!(checks.iter().any(|check| is_it(&check)), "{at}: {finding:?} is not in {report:#}");
            let others = checks.iter().filter(|check| check["status"] == "fail" && check["name"] != finding.check);
            let others: Vec<&Value> = others.collect();
            assert!(others.is_empty(), "{at}: {others:#?}");
            assert_eq!(code, finding.code, "{at}: {report:#}");
            assert_eq!(report["worst"], finding.status, "{at}");
        }
    }

    fn config_text(&self) -> String {
        fs::read_to_string(self.config_file()).expect("the configuration")
    }

    /// A folder for PATH with these programs of the machine alone.
    fn bin(&self, name: &str, programs: &[&str]) -> PathBuf {
        let folder = self.dir.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        for program in programs {
            symlink(which::which(program).expect("a program of every machine here"), folder.join(program)).expect("a link");
        }
        folder
    }

    fn script(&self, path: &Path, text: &str) {
        fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a script");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_site_has_a_line_for_everything_and_a_daemon_does_not_mind() {
    let Some(rig) = rig("doctor::a_healthy_site").await else { return };
    rig.reconfigure("[daemon]\n", "[daemon]\npoll = \"1s\"\n");
    let daemon = rig.start(&["run"]);
    until("the daemon's journal", || (!rig.records().is_empty()).then_some(())).await;
    let (report, code) = rig.doctor(&[]).await;
    assert_eq!(code, 0, "{report:#}");
    let names: Vec<&str> = report["checks"].as_array().expect("checks").iter().filter_map(|c| c["name"].as_str()).collect();
    for name in [
        "configuration",
        "state",
        "disk",
        "journal",
        "formulas",
        "git",
        "sandbox",
        "agent",
        "workspace",
        "forge",
        "clock",
        "token",
        "repository",
        "rights",
        "labels",
        "claim",
        "webhook",
        "approval",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(report.to_string().contains(&format!("pid {}", daemon.pid())), "{report:#}");
    assert_eq!(rig.claims(), Vec::<String>::new(), "what was pushed was given back");
    let said = rig.run(&["doctor"]).await.ok();
    assert!(said.out.contains("one was pushed and given back"), "{said:?}");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_configuration_and_files_are_found() {
    let Some(rig) = rig("doctor::faults_of_configuration").await else { return };
    let right = rig.config_text();

    rig.reconfigure("verify = ", "verfy = ");
    rig.finds(&[], fails(2, "configuration", "verfy", "did you mean `verify`?")).await;
    let (report, _) = rig.doctor(&[]).await;
    let seen =
        |name: &str| report["checks"].as_array().expect("checks").iter().any(|c| c["name"] == name && c["status"] != "fail");
    assert!(seen("forge") && seen("claim"), "the rest is looked at all the same: {report:#}");
    fs::remove_file(rig.config_file()).expect("gone");
    let (report, code) = rig.doctor(&[]).await;
    let first = &report["checks"][0];
    assert!(
        code == 2 && first["name"] == "configuration" && first["mend"].as_str().is_some_and(|m| m.contains("--config")),
        "{report:#}"
    );
    rig.configure(&right);

    fs::create_dir(rig.dir.path().join("formulas")).expect("a folder");
    let formula = rig.dir.path().join("formulas/fix.toml");
    fs::write(&formula, "nonsense = 1\n").expect("a formula");
    rig.finds(&[], fails(2, "formulas", "fix.toml", "")).await;
    fs::remove_file(&formula).expect("gone");

    rig.configure(&format!("{right}\n[retention]\ndisk_floor = \"900000GiB\"\n"));
    rig.finds(&[], fails(4, "disk", "below 900000.0 GiB no run starts", "`disk_floor` of [retention]")).await;
    rig.configure(&right);

    let token = rig.dir.path().join("token");
    fs::rename(&token, rig.dir.path().join("elsewhere")).expect("moved");
    rig.finds(&[], fails(2, "token", "cannot be read", "check the path")).await;
    fs::rename(rig.dir.path().join("elsewhere"), &token).expect("moved back");

    fs::write(rig.state_dir(), "in the way").expect("a file");
    rig.finds(&[], fails(4, "state", "it is not a folder", "state_dir")).await;
    fs::remove_file(rig.state_dir()).expect("gone");

    rig.once().await;
    // A role that nobody has is told where others have some, at a start too.
    let script = "\n[agents.script]\nroles = [\"looker\"]\n";
    rig.configure(&format!("{right}{script}"));
    let own = "formula = 1\nname = \"fix\"\nextends = \"fix\"\n[[step]]\nid = \"work\"\nagent = \"loooker\"\n";
    fs::write(&formula, own).expect("a formula");
    let words = "formula fix, step work: no agent of the configuration has the role `loooker`";
    rig.finds(&[], warns("roles", words, "did you mean \"looker\"?")).await;
    rig.once().await;
    assert_eq!(logged(&rig, words), 1);
    let daemon = rig.start(&["run"]);
    until_logged(&rig, words, 2).await;
    fs::remove_file(&formula).expect("gone");
    until_logged(&rig, "the configuration was read anew", 1).await;
    daemon.term();
    assert!(daemon.wait().await.success());
    rig.once().await;
    assert_eq!(logged(&rig, words), 2, "it is not so any more");
    rig.configure(&right);

    fs::set_permissions(rig.state_dir(), fs::Permissions::from_mode(0o755)).expect("its mode");
    rig.finds(&[], warns("state", "can be read by others", "chmod 700")).await;
    fs::set_permissions(rig.state_dir(), fs::Permissions::from_mode(0o700)).expect("its mode");

    let journal = rusqlite::Connection::open(forgehand::journal::path_in(&rig.state_dir())).expect("the journal");
    journal.pragma_update(None, "user_version", 999).expect("a version");
    drop(journal);
    rig.finds(&[], fails(4, "journal", "999", "")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_daemon_has_in_force_is_told_beside_what_stands_in_the_file() {
    let Some(rig) = rig("doctor::what_the_daemon_has_in_force").await else { return };
    let right = rig.config_text();
    let (report, _) = rig.doctor(&[]).await;
    assert!(!report.to_string().contains("in force"), "nobody has anything in force: {report:#}");
    let daemon = rig.start(&["run"]);
    let in_force = || fs::read_to_string(rig.state_dir().join("configuration.json")).unwrap_or_default();
    until("a daemon", || (!in_force().is_empty()).then_some(())).await;
    let check = |report: &Value, name: &str, status: &str, words: &str| {
        let checks = report["checks"].as_array().expect("checks");
        let says = |check: &Value| check["says"].as_str().is_some_and(|says| says.contains(words));
        assert!(checks.iter().any(|c| c["name"] == name && c["status"] == status && says(c)), "{name} {words:?} in {report:#}");
    };
    let (report, code) = rig.doctor(&[]).await;
    check(&report, "in force", "ok", "the daemon has what it read at");
    assert_eq!(code, 0, "{report:#}");

    rig.configure(&right.replace("[daemon]\n", "[daemon]\nlog = \"json\"\n"));
    until("a reload", || in_force().contains("`log` of").then_some(())).await;
    rig.finds(&[], warns("in force", "`log` of [daemon] was changed, which takes effect at the next start", "systemctl restart"))
        .await;

    // Not even TOML: the rest is looked at as the daemon has it.
    rig.configure(&format!("{right}\nnonsense ["));
    until("a report of it", || in_force().contains("mistakes").then_some(())).await;
    let (report, code) = rig.doctor(&[]).await;
    assert_eq!(code, 2, "{report:#}");
    check(&report, "configuration", "fail", "forgehand.toml:");
    check(&report, "in force", "fail", "stays in force: ");
    check(&report, "claim", "ok", "");

    let other = rig.dir.path().join("other.toml");
    fs::write(&other, &right).expect("another configuration");
    let said = rig.run_with(&other, &["doctor", "--json"]).await;
    check(&serde_json::from_str(&said.out).expect("JSON"), "in force", "warn", "forgehand.toml");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_what_projects_and_agents_are_given_are_found() {
    let Some(rig) = rig("doctor::faults_of_what_is_given").await else { return };
    let right = rig.config_text();
    let project = |lines: &str| right.replace("verify = ", &format!("{lines}\nverify = "));
    let service = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = service.local_addr().expect("an address");
    rig.configure(&project(&format!("services = [\"{address}\"]\nenv_file = {{ from = \"app.env\", to = \".env\" }}")));
    rig.finds(&[], fails(4, "env file", "app.env cannot be read", "`env_file` of [[project]]")).await;
    fs::write(rig.dir.path().join("app.env"), "KEY=value\n").expect("a file");
    let (report, code) = rig.doctor(&[]).await;
    assert!(code == 0 && report.to_string().contains("all answer"), "{report:#}");
    drop(service);
    rig.finds(&[], warns("services", &format!("nobody answers at {address}"), "start what should listen there")).await;

    let agents = |lines: &str| right.replace("\n[sandbox]", &format!("\n[agents.dev]\nroles = [\"dev\"]\n{lines}\n\n[sandbox]"));
    rig.configure(&agents("backend = \"claude\"\nclaude = \"no-such-claude\"\nbase_url = \"http://127.0.0.1:9\""));
    rig.finds(&[], fails(4, "agent", "`no-such-claude` is not there", "in [agents.dev]")).await;
    rig.configure(&agents("token_file = \"token-dev\""));
    rig.finds(&[], fails(2, "identity", "the token of agent `dev` cannot be read", "check the path")).await;
    rig.seed.add_user("dev", "Correct-Horse-9-Battery").await.expect("a user");
    let token = rig.seed.token("dev", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    fs::write(rig.dir.path().join("token-dev"), "0123456789012345678901234567890123456789").expect("a token");
    rig.finds(&[], fails(3, "identity", "does not accept the token", "a new token of its account")).await;
    fs::write(rig.dir.path().join("token-dev"), token).expect("a token");
    rig.finds(&[], fails(3, "identity", "agent `dev`: ", "")).await;
    rig.seed.add_collaborator(REPO, "dev", "write").await.expect("a collaborator");
    let (report, code) = rig.doctor(&[]).await;
    assert!(code == 0 && report.to_string().contains("works as dev, who may write code"), "{report:#}");

    let notify = |lines: &str| format!("{right}\n[[notify]]\n{lines}\n");
    rig.configure(&notify("webhook_file = \"hook\""));
    rig.finds(&[], fails(2, "notify", "the address of a webhook in [[notify]] cannot be read", "check the path")).await;
    rig.configure(&notify("command = [\"no-such-teller\"]"));
    rig.finds(&[], warns("notify", "no-such-teller cannot be started", "install it")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kind_of_workspaces_is_told_and_an_overlay_is_tried() {
    let Some(rig) = rig("doctor::the_kind_of_workspaces").await else { return };
    let bin = rig.bin("bin", &["git", "bwrap", "sh"]);
    let mut rig = rig.with_env("PATH", &bin.display().to_string());
    for (unshare, words) in [
        (None, "would not be possible here: `unshare` (util-linux) is not there to try it with"),
        (Some("echo refused by the kernel >&2; exit 32"), "would not be possible here: refused by the kernel"),
        (
            Some("case \"$*\" in *overlay*lowerdir=*) exit 0; esac; exit 1"),
            "overlay over one checkout, which this version does not make, would be possible here",
        ),
    ] {
        if let Some(script) = unshare {
            rig.script(&bin.join("unshare"), script);
        }
        let (report, _) = rig.doctor(&[]).await;
        let check = report["checks"].as_array().and_then(|c| c.iter().find(|c| c["name"] == "workspace")).expect("it");
        assert!(check["says"].as_str().is_some_and(|s| s.contains("a clone that borrows") && s.contains(words)), "{check}");
    }
    rig = rig.with_env("PATH", &std::env::var("PATH").expect("a path"));
    let (report, _) = rig.doctor(&[]).await;
    assert!(report.to_string().contains("possible here"), "{report:#}");
    let left: Vec<_> = fs::read_dir(rig.dir.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("overlay")), "the trial leaves nothing: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_forge_are_found() {
    let Some(rig) = rig("doctor::faults_of_the_forge").await else { return };
    let (url, right) = (rig.forge.url(), rig.config_text());
    let at = |other: &str| right.replace(&url, other);

    rig.configure(&at("http://127.0.0.1:9"));
    rig.finds(&[], fails(3, "forge", "no connection", "see whether the forge is up")).await;
    rig.configure(&at(&format!("{url}/nosuch")));
    rig.finds(&[], fails(3, "forge", "no Forgejo answers there", "subpath")).await;

    let old = Veil::changing(&url, Changes { version: Some("14.0.2+gitea-1.22.0"), ..Changes::default() }).await;
    rig.configure(&at(&old.url));
    rig.finds(&[], fails(3, "forge", "14.0.2", "upgrade the forge to 15")).await;

    let date =
        (chrono::DateTime::from_timestamp_millis(crate::rig::now()).expect("a time") - chrono::Duration::hours(2)).to_rfc2822();
    let slow = Veil::changing(&url, Changes { date: Some(date.replace("+0000", "GMT")), ..Changes::default() }).await;
    rig.configure(&at(&slow.url));
    rig.finds(&[], fails(4, "clock", "behind", "NTP")).await;
    rig.configure(&right);

    rig.seed.api("owner", "PATCH", &format!("repos/{REPO}"), json!({"archived": true})).await.expect("archived");
    rig.finds(&[], fails(3, "repository", "archived", "unarchive")).await;
    rig.seed.api("owner", "PATCH", &format!("repos/{REPO}"), json!({"archived": false})).await.expect("unarchived");
    rig.reconfigure("[[project]]\n", "[[project]]\nbase = \"trunk\"\n");
    rig.finds(&[], fails(2, "repository", "no branch `trunk`", "base = \"main\"")).await;
    rig.configure(&right.replace(REPO, "owner/none"));
    rig.finds(&[], fails(3, "repository", "", "check the number, `repo`")).await;
    rig.configure(&right);
    rig.seed.api("owner", "PATCH", &format!("repos/{REPO}"), json!({"name": "sums"})).await.expect("renamed");
    rig.finds(&[], fails(3, "repository", "owner/sums", "new name")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_token_rights_and_labels_are_found() {
    let Some(rig) = rig("doctor::faults_of_token").await else { return };
    let file = rig.dir.path().join("token");
    let right = fs::read_to_string(&file).expect("the token");
    let token = |scopes: &'static [&'static str]| {
        let rig = &rig;
        async move {
            let token = rig.seed.token("bot", scopes).await.expect("a token");
            fs::write(rig.dir.path().join("token"), token).expect("written");
        }
    };
    fs::write(&file, "0123456789012345678901234567890123456789").expect("a token");
    rig.finds(&[], fails(3, "token", "does not accept the token", "make a new token")).await;
    token(&["read:issue", "write:repository", "read:user"]).await;
    rig.finds(&[], fails(3, "rights", "lacks write:issue", "write:issue")).await;
    token(&["write:issue", "read:repository", "read:user"]).await;
    let (report, code) = rig.doctor(&[]).await;
    assert!(code == 3 && report.to_string().contains("lacks write:repository"), "{report:#}");
    token(&["write:issue", "write:repository"]).await;
    rig.finds(&[], fails(3, "token", "may not ask who it is", "login = ")).await;
    fs::write(&file, rig.seed.token("root", &["all"]).await.expect("a token")).expect("written");
    rig.finds(&[], warns("token", "administers the whole forge", "no administrator")).await;

    let owner = rig.seed.token("owner", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    fs::write(&file, &owner).expect("written");
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nrights_token_env = \"OWNER_TOKEN\"\n");
    let rig = rig.with_env("OWNER_TOKEN", &owner);
    rig.finds(&[], warns("approval", "the only administrator", "give a person")).await;
    fs::write(&file, &right).expect("written");
    let (report, _) = rig.doctor(&[]).await;
    let approval = report["checks"].as_array().and_then(|c| c.iter().find(|c| c["name"] == "approval")).expect("it");
    assert!(approval["status"] == "ok" && approval["says"].as_str().is_some_and(|s| s.contains("owner may")), "{approval}");

    rig.reconfigure("[[project]]\n", "[[project]]\nmerge = \"low\"\n");
    rig.finds(&[], warns("merge", "no formula that is on reviews", "review = \"off\"")).await;
    rig.reconfigure("merge = \"low\"\n", "merge = \"low\"\nformulas = [\"triage\", \"fix\", \"review\"]\n");
    rig.finds(&[], warns("merge", "reviews as whoever opens the pull request", "token_env")).await;
    rig.reconfigure("merge = \"low\"\n", "merge = \"low\"\nreview = \"off\"\n");
    rig.finds(&[], warns("merge", "waits for a person to bring it up", "update")).await;
    rig.reconfigure("merge = \"low\"\nreview = \"off\"\nformulas = [\"triage\", \"fix\", \"review\"]\n", "");

    let all = rig.seed.api("owner", "GET", &format!("repos/{REPO}/labels"), Value::Null).await.expect("the labels");
    let id = all.as_array().and_then(|all| all.iter().find(|l| l["name"] == "claude-pr")).map(|l| l["id"].clone()).expect("it");
    rig.seed.api("owner", "DELETE", &format!("repos/{REPO}/labels/{id}"), Value::Null).await.expect("gone");
    rig.finds(&[], warns("labels", "claude-pr missing", "forgehand init")).await;
    let fix = forgehand::formula::shipped_text("fix")
        .expect("it")
        .replace("[trigger]", "[[label]]\nname = \"stale\"\ncolor = \"#c0c0c0\"\ndescription = \"Nobody moves it\"\n\n[trigger]");
    fs::create_dir_all(rig.dir.path().join("formulas")).expect("a folder");
    fs::write(rig.dir.path().join("formulas/fix.toml"), fix).expect("a formula");
    rig.finds(&[], warns("labels", "claude-pr, stale missing", "forgehand init")).await;
    let set_up = rig.run(&["init", "--yes"]).await.ok();
    assert!(set_up.out.contains("will create the labels claude-pr, stale"), "{set_up:?}");
    let all = rig.seed.api("owner", "GET", &format!("repos/{REPO}/labels"), Value::Null).await.expect("the labels");
    let stale: Vec<&Value> = all.as_array().expect("a list").iter().filter(|label| label["name"] == "stale").collect();
    assert!(stale.len() == 1 && stale[0]["description"] == "Nobody moves it", "{stale:?}");
    assert!(stale[0]["color"].as_str().is_some_and(|color| color.trim_start_matches('#') == "c0c0c0"), "{stale:?}");
    let again = rig.run(&["init", "--yes"]).await.ok();
    assert!(again.out.contains("nothing to do"), "{again:?}");
    rig.seed.create_label(REPO, "stale", "#123456").await.expect("a second one");
    rig.finds(&[], warns("labels", "`stale` is there 2 times", "delete all but one")).await;
    rig.seed.create_label(REPO, "portal", "#123456").await.expect("a second one");
    rig.finds(&[], warns("labels", "`portal` is there 2 times", "delete all but one")).await;

    rig.seed.add_collaborator(REPO, "bot", "read").await.expect("less access");
    let (report, code) = rig.doctor(&[]).await;
    let found = |name: &str, words: &str| {
        let checks = report["checks"].as_array().expect("checks");
        checks.iter().any(|c| c["name"] == name && c["status"] == "fail" && c["mend"].as_str().is_some_and(|m| m.contains(words)))
    };
    assert!(code == 3 && found("rights", "write access") && found("claim", "write access"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_webhook_are_found() {
    let Some(rig) = rig("doctor::faults_of_the_webhook").await else { return };
    let owner = rig.seed.token("owner", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    let rig = rig.with_env("OWNER_TOKEN", &owner);
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nrights_token_env = \"OWNER_TOKEN\"\n");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let keys = format!("[daemon]\nlisten = \"127.0.0.1:{port}\"\nwebhook_secret_file = \"secret\"\npoll = \"1s\"\n");
    rig.reconfigure("[daemon]\n", &keys);
    rig.finds(&[], fails(2, "webhook", "secret", "check the path")).await;
    fs::write(rig.dir.path().join("secret"), "ours").expect("a secret");
    rig.finds(&[], warns("webhook", "no webhook points to /hooks/forgejo", "forgehand init --webhook")).await;

    let make = |active: bool, secret: &str| {
        let config = json!({"url": format!("http://127.0.0.1:{port}/hooks/forgejo"), "content_type": "json", "secret": secret});
        let hook =
            json!({"type": "forgejo", "active": active, "events": ["issues", "issue_label", "issue_comment"], "config": config});
        let rig = &rig;
        async move {
            let made = rig.seed.api("owner", "POST", &format!("repos/{REPO}/hooks"), hook).await.expect("a webhook");
            format!("repos/{REPO}/hooks/{}", made["id"])
        }
    };
    let hook = make(false, "ours").await;
    rig.finds(&[], warns("webhook", "switched off", "switch it on")).await;
    rig.seed.api("owner", "DELETE", &hook, Value::Null).await.expect("gone");
    let hook = make(true, "theirs").await;
    rig.finds(&[], warns("webhook", "no delivery has arrived yet", "ALLOWED_HOST_LIST")).await;

    let daemon = rig.start(&["run"]);
    let noted = || fs::read_to_string(rig.state_dir().join("deliveries.json")).unwrap_or_default();
    until("an open door", || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
    rig.issue("Total is wrong", "2 and 2 gives 5", &["interactive"]).await;
    until("a refused delivery", || noted().contains("wrong_signature").then_some(())).await;
    rig.finds(&[], warns("webhook", "its signature is not that of our secret", "webhook_secret_file")).await;
    rig.seed.api("owner", "DELETE", &hook, Value::Null).await.expect("gone");
    make(true, "ours").await;
    let number = rig.issue("Another", "one", &["interactive"]).await;
    until("a delivery", || noted().contains(REPO).then_some(())).await;
    rig.seed.comment(REPO, "reporter", number, "once more").await.expect("a comment");
    let (report, code) = rig.doctor(&[]).await;
    let webhook = report["checks"].as_array().and_then(|c| c.iter().find(|c| c["name"] == "webhook")).expect("it");
    assert!(code == 0 && webhook["says"].as_str().is_some_and(|s| s.contains("the last delivery came at")), "{webhook}");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_machine_are_found() {
    let Some(rig) = rig("doctor::faults_of_the_machine").await else { return };
    let right = rig.config_text();
    let path = |folder: &Path| folder.display().to_string();

    let rig = {
        let no_git = rig.bin("no-git", &["bwrap", "sh", "true"]);
        let rig = rig.with_env("PATH", &path(&no_git));
        let (report, code) = rig.doctor(&[]).await;
        let git = report["checks"].as_array().and_then(|c| c.iter().find(|c| c["name"] == "git")).expect("it");
        assert!(
            code == 4 && git["status"] == "fail" && git["mend"].as_str().is_some_and(|m| m.contains("install git")),
            "{report:#}"
        );
        rig.script(&no_git.join("git"), "echo git version 2.30.1");
        let (report, code) = rig.doctor(&[]).await;
        let git = report["checks"].as_array().and_then(|c| c.iter().find(|c| c["name"] == "git")).expect("it");
        assert!(code != 0 && git["says"].as_str().is_some_and(|s| s.contains("2.30.1 is too old")), "{report:#}");
        let no_bwrap = rig.bin("no-bwrap", &["git", "sh", "true"]);
        let rig = rig.with_env("PATH", &path(&no_bwrap));
        rig.finds(&[], fails(4, "sandbox", "bubblewrap is not installed", "install bubblewrap")).await;
        rig.with_env("PATH", &std::env::var("PATH").expect("a path"))
    };

    rig.reconfigure("mode = \"bubblewrap\"", "mode = \"none\"");
    rig.finds(&[], warns("sandbox", "by configuration", "mode = \"none\"")).await;
    rig.configure(&right.replace("\"sh\",", "\"no-such-program\","));
    rig.finds(&[], fails(4, "agent", "`no-such-program` is not there", "command")).await;

    let claude = rig.dir.path().join("agent/claude");
    let agent = Agent::Claude { program: Some(claude.clone()), url: "https://127.0.0.1:9".into(), more: "" };
    let begin = right.find("backend = ").expect("the agent");
    let end = right.find("author = ").expect("the agent");
    rig.configure(&format!("{}{}\n{}", &right[..begin], agent.config(rig.dir.path()), &right[end..]));
    rig.script(&claude, "echo '2.1.1000 (Claude Code)'");
    rig.finds(&[], fails(4, "credentials", "no credentials", "claude setup-token")).await;
    let sign_in = |from_now: i64| {
        let folder = rig.dir.path().join("home/.claude");
        fs::create_dir_all(&folder).expect("a folder");
        let text = json!({"claudeAiOauth": {"accessToken": "sk-ant-oat01-x", "expiresAt": crate::rig::now() + from_now}});
        fs::write(folder.join(".credentials.json"), text.to_string()).expect("a sign-in");
    };
    sign_in(-60_000);
    rig.finds(&[], fails(4, "credentials", "ended at", "claude setup-token")).await;
    sign_in(3_600_000);
    rig.finds(&[], warns("credentials", "ends at", "claude setup-token")).await;
    sign_in(30 * 86_400_000);
    rig.script(&claude, "echo '2.1.197 (Claude Code)'");
    rig.finds(&[], fails(4, "agent", "2.1.197 is older", "npm install")).await;
    fs::remove_file(&claude).expect("gone");
    rig.finds(&[], fails(4, "agent", "is not there", "npm install")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_the_model_goes_through_the_gateway_and_tells_whether_the_key_is_good() {
    let Some(rig) = rig("doctor::a_call_to_the_model").await else { return };
    let right = rig.config_text();
    let claude = rig.dir.path().join("agent/claude");
    rig.script(&claude, "echo '2.1.1000 (Claude Code)'");
    let (begin, end) = (right.find("backend = ").expect("the agent"), right.find("author = ").expect("the agent"));
    let with = |url: &str| {
        let agent = Agent::Claude { program: Some(claude.clone()), url: url.to_owned(), more: "" };
        format!("{}{}\n{}", &right[..begin], agent.config(rig.dir.path()), &right[end..])
    };
    let good = MessagesApi::start(|_| Reply::text("yes")).await;
    rig.configure(&with(good.url()));
    let (report, code) = rig.doctor(&["--online"]).await;
    assert_eq!(code, 0, "{report:#}");
    assert!(report.to_string().contains("claude-sonnet-4-5 answers"), "{report:#}");
    assert_eq!(good.requests().len(), 1, "one tiny call");
    assert_eq!(good.requests()[0].body["max_tokens"], 1);
    let local = MessagesApi::start(|_| Reply::text("yes")).await;
    let hired = format!("[agents.local]\nroles = [\"triage\"]\nmodel = \"qwen\"\nbase_url = \"{}\"\n\n[sandbox]", local.url());
    rig.configure(&with(good.url()).replace("[sandbox]", &hired));
    let (report, code) = rig.doctor(&["--online"]).await;
    assert!(code == 0 && report.to_string().contains("qwen answers"), "{report:#}");
    assert_eq!((good.requests().len(), local.requests().len()), (2, 1), "one for each model");
    let fix = forgehand::formula::shipped_text("fix").expect("shipped");
    let own = fix.replacen("[[step]]", "[agent]\nmodel = \"claude-opus-4-5\"\n\n[[step]]", 1);
    std::fs::create_dir_all(rig.dir.path().join("formulas")).expect("a folder");
    fs::write(rig.dir.path().join("formulas/fix.toml"), own).expect("a file");
    let (report, code) = rig.doctor(&["--online"]).await;
    assert!(code == 0 && report.to_string().contains("claude-opus-4-5 answers"), "{report:#}");
    assert_eq!((good.requests().len(), local.requests().len()), (4, 2), "the one that only a formula names, too");
    fs::remove_file(rig.dir.path().join("formulas/fix.toml")).expect("gone");
    let bad = MessagesApi::start(|_| Reply::error(404, "not_found_error", "model: claude-sonnet-4-5")).await;
    rig.configure(&with(bad.url()));
    rig.finds(&["--online"], fails(4, "model", "404", "base_url")).await;
    rig.doctor(&[]).await;
    assert_eq!(bad.requests().len(), 1, "only when it is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_with_a_private_certificate_works_by_ca_file_and_errors_name_it() {
    let Some(rig) = rig("doctor::a_private_certificate").await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let veil = Veil::private(&rig.forge.url()).await;
    rig.reconfigure(&rig.forge.url(), &veil.url);
    rig.finds(&[], fails(3, "forge", "is not trusted", "ca_file")).await;
    let said = rig.run(&["once"]).await;
    assert!(said.code == Some(3) && said.err.contains("ca_file"), "{said:?}");

    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nca_file = \"ca.pem\"\n");
    rig.finds(&[], fails(2, "forge", "ca.pem", "check the path")).await;
    fs::write(rig.dir.path().join("ca.pem"), "not a certificate").expect("a file");
    rig.finds(&[], fails(2, "forge", "no certificate in PEM", "")).await;
    fs::write(rig.dir.path().join("ca.pem"), &veil.authority).expect("a file");
    let (report, code) = rig.doctor(&[]).await;
    assert_eq!(code, 0, "client and git trust it: {report:#}");
    // Journals know a forge by its address, so it is looked at again, and from there on everything goes through TLS.
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
}
