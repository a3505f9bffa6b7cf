//! Setting up as a new user would: a forge in use, flags or a terminal, and no editor.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::rig::{Plan, REPO, Rig, Said, now, until};

/// A site whose configuration nobody wrote yet.
async fn bare(test: &'static str) -> Option<Rig> {
    let rig = Plan::new(test).rig().await?;
    fs::remove_file(rig.config_file()).expect("the rig's configuration");
    Some(rig)
}

impl Rig {
    /// `init` by flags, as far as all tests need them.
    async fn init(&self, more: &[&str]) -> Said {
        let (url, token) = (self.forge.url(), self.dir.path().join("token"));
        let (agent, state) = (self.dir.path().join("agent/agent.sh"), self.state_dir());
        let mut args = vec!["init", "--url", &url, "--token-file", token.to_str().expect("text"), "--repo", REPO];
        args.extend(["--state-dir", state.to_str().expect("text"), "--backend", "command"]);
        args.extend(["--command", "sh", agent.to_str().expect("text")]);
        args.extend(more);
        self.run(&args).await
    }

    fn written(&self) -> String {
        fs::read_to_string(self.config_file()).expect("a configuration")
    }

    async fn label_names(&self) -> Vec<String> {
        let all = self.seed.api("owner", "GET", &format!("repos/{REPO}/labels"), Value::Null).await.expect("the labels");
        all.as_array().expect("a list").iter().map(|l| l["name"].as_str().expect("a name").to_owned()).collect()
    }

    async fn hooks(&self) -> Vec<Value> {
        let all = self.seed.api("owner", "GET", &format!("repos/{REPO}/hooks"), Value::Null).await.expect("the hooks");
        all.as_array().expect("a list").clone()
    }

    /// A pull request of somebody else from a branch that is named like ours.
    async fn foreign_pull(&self, issue: u64) -> u64 {
        let branch = format!("claude/issue-{issue}");
        let file = json!({"content": "eA==", "message": "By another hand", "branch": "main", "new_branch": branch});
        let path = format!("repos/{REPO}/contents/other-{issue}.txt");
        self.seed.api("owner", "POST", &path, file).await.expect("a commit on a new branch");
        let pull = json!({"head": branch, "base": "main", "title": format!("For #{issue}"), "body": ""});
        let made = self.seed.api("owner", "POST", &format!("repos/{REPO}/pulls"), pull).await.expect("a pull request");
        made["number"].as_u64().expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_in_use_is_set_up_and_gives_a_merged_pull_request_without_an_editor() {
    let Some(rig) = bare("init::a_forge_in_use").await else { return };
    for label in ["portal", "portal", "claude-queue", "claude-queue", "bug"] {
        rig.seed.create_label(REPO, label, "#123456").await.expect("a label");
    }
    let mut numbers = Vec::new();
    for nth in 0..10 {
        let title = format!("Old trouble {nth}");
        numbers.push(rig.seed.create_issue(REPO, "reporter", &title, "2 and 2 gives 5", &["bug"]).await.expect("an issue"));
    }
    let ours = numbers[0];
    // One of the three labels of that name: who filters by the name asks for all three.
    let portal = rig.seed.api("owner", "GET", &format!("repos/{REPO}/labels"), Value::Null).await.expect("the labels");
    let id = portal.as_array().and_then(|all| all.iter().rfind(|l| l["name"] == "portal")).map(|l| l["id"].clone());
    let path = format!("repos/{REPO}/issues/{ours}/labels");
    rig.seed.api("owner", "POST", &path, json!({"labels": [id.expect("portal")]})).await.expect("labelled");
    let foreign = [rig.foreign_pull(numbers[3]).await, rig.foreign_pull(numbers[5]).await];

    let said = rig.init(&["--since", "all"]).await.ok();
    assert!(said.out.contains("`portal` is there 3 times") && said.out.contains("`claude-queue` is there 2 times"), "{said:?}");
    for pull in foreign {
        assert!(said.out.contains(&format!("pull request #{pull} ")), "#{pull} in {}", said.out);
    }
    assert!(said.out.contains("opened by owner") && said.out.contains("1 open issue with `portal`"), "{}", said.out);
    let labels = rig.label_names().await;
    let of_formulas = ["bug-report", "underspecified"];
    for label in
        ["claude-working", "claude-pr", "claude-failed", "interactive", "needs-info", "priority"].iter().chain(&of_formulas)
    {
        assert_eq!(labels.iter().filter(|l| *l == label).count(), 1, "{label} in {labels:?}");
    }
    assert_eq!(labels.iter().filter(|l| *l == "claude-queue").count(), 2, "no third one: {labels:?}");
    let written = rig.written();
    assert!(written.contains("verify = [\"sh ./test.sh\"]") && written.contains("test.sh: look it over"), "{written}");
    assert!(written.starts_with("#:schema ./forgehand.schema.json\n"), "{written}");
    let schema = fs::read_to_string(rig.dir.path().join("forgehand.schema.json")).expect("the schema");
    assert!(schema.contains("token_env"));
    let mode = fs::metadata(rig.config_file()).expect("the configuration").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    rig.once().await;
    assert_eq!(rig.labels(ours), ["bug", "claude-pr"], "{}", rig.story());
    let pull = rig.pulls().into_iter().find(|p| p.issue.author == "bot").expect("our pull request");
    rig.seed.merge_pull(REPO, "owner", pull.issue.number).await.expect("merged by hand");
    rig.once().await;
    assert!(!rig.issue_now(ours).open, "{}", rig.story());
    for pull in rig.pulls().iter().filter(|p| foreign.contains(&p.issue.number)) {
        assert!(pull.issue.open, "somebody else's pull request is left to them: {pull:?}");
    }

    let again = rig.init(&["--since", "all"]).await.ok();
    assert!(again.out.contains("nothing to do"), "{again:?}");
    assert_eq!((rig.written(), rig.label_names().await), (written, labels), "byte for byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_filed_before_it_is_left_alone_unless_somebody_says_otherwise() {
    let Some(rig) = bare("init::what_was_filed_before").await else { return };
    let old = rig.issue("Old trouble", "2 and 2 gives 5", &["portal"]).await;
    let filed = now() / 1000;
    until("the next second", || (now() / 1000 > filed).then_some(())).await;
    let said = rig.init(&[]).await.ok();
    assert!(said.out.contains("1 open issue with `portal` and no decision yet: left alone"), "{said:?}");
    let written = rig.written();
    assert!(written.contains("# reports filed before this are left alone; \"all\" takes every one\nsince = \"20"), "{written}");
    let new = rig.issue("New trouble", "2 and 2 gives 5", &["portal"]).await;
    let once = rig.once().await;
    assert!(once.err.contains("1 issue with `portal` filed before"), "{once:?}");
    assert_eq!((rig.labels(old), rig.labels(new)), (vec![], vec!["claude-pr".to_owned()]), "{}", rig.story());

    let said = rig.init(&[]).await.ok();
    assert!(said.out.contains("triaged if filed at or after 20") && said.out.contains("nothing to do"), "{said:?}");
    assert_eq!(rig.written(), written, "the time that stands there stays");
    assert!(!said.out.contains("careful, it is configured"), "{said:?}");
    let said = rig.init(&["--since", "all", "--verify", "sh ./test.sh", "--setup", "true"]).await.ok();
    assert!(said.out.contains("careful, it is configured already and stays so, whatever --since, --setup says"), "{said:?}");
    assert_eq!(rig.written(), written, "nothing is taken from a person's file");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_setup_needs_can_be_named_by_flags() {
    let Some(rig) = bare("init::what_a_setup_needs").await else { return };
    let given = ["--network", "pkg.example", "--network", "cdn.example:8443", "--cache", "~/.cache/tool"];
    let said = rig.init(&given).await;
    assert!(said.code == Some(2) && said.err.contains("--network and --cache are for a setup"), "{said:?}");
    let said = rig.init(&[&given[..], &["--setup", "sh ./get.sh", "--cache", "/var/cache"]].concat()).await;
    assert!(said.code == Some(2) && said.err.contains("`/var/cache` is not below HOME"), "{said:?}");
    rig.init(&[&given[..], &["--setup", "sh ./get.sh"]].concat()).await.ok();
    let written = rig.written();
    for line in ["setup = [\"sh ./get.sh\"]", "network = [\"pkg.example\", \"cdn.example:8443\"]", "caches = [\"~/.cache/tool\"]"]
    {
        assert!(written.contains(line), "{line} in {written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_when_credentials_end_and_warns_days_ahead() {
    let Some(rig) = bare("init::it_tells_when_credentials_end").await else { return };
    let folder = rig.dir.path().join("home/.claude");
    fs::create_dir_all(&folder).expect("a folder");
    let (url, token) = (rig.forge.url(), rig.dir.path().join("token"));
    let flags = ["init", "--url", &url, "--token-file", token.to_str().expect("text"), "--repo", REPO, "--backend", "claude"];
    let said = rig.run(&[&flags[..], &["--dry-run"]].concat()).await.ok();
    assert!(said.out.contains("careful, credentials: there are no credentials"), "{said:?}");
    let sign_in = |days: i64| {
        let text =
            json!({"claudeAiOauth": {"accessToken": "sk-ant-oat01-x", "expiresAt": now() + days * 86_400_000 + 3_600_000}});
        fs::write(folder.join(".credentials.json"), text.to_string()).expect("a sign-in");
    };
    sign_in(30);
    let said = rig.run(&flags).await.ok();
    assert!(said.out.contains("\ncredentials: the sign-in of Claude Code; until 20"), "{said:?}");
    sign_in(3);
    let said = rig.run(&["init"]).await.ok();
    assert!(said.out.contains("careful, credentials: it ends at 20") && said.out.contains("in 3 days"), "{said:?}");
    assert!(!said.out.contains("sk-ant"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_what_is_missing_is_said_by_its_flags() {
    let Some(rig) = bare("init::without_a_terminal").await else { return };
    let said = rig.run(&["init"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    for flag in ["--url", "--token-env", "--token-file", "--repo"] {
        assert!(said.err.contains(flag), "{flag} in {}", said.err);
    }
    let said = rig.init(&["--verify", ""]).await;
    assert_ne!(said.code, Some(0), "a verification that tells nothing: {said:?}");
    assert!(!rig.config_file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_too_little_is_told_before_anything_is_changed() {
    let Some(rig) = bare("init::a_token_that_may_too_little").await else { return };
    let before = rig.label_names().await;
    let cases: [(&[&str], &str); 3] = [
        (&["write:repository", "read:user", "read:issue"], "the token lacks write:issue"),
        (&["write:issue", "read:repository", "read:user"], "the token lacks write:repository"),
        (&["write:issue", "write:repository"], "--login"),
    ];
    for (scopes, words) in cases {
        let token = rig.seed.token("bot", scopes).await.expect("a token");
        fs::write(rig.dir.path().join("token"), token).expect("written");
        let said = rig.init(&[]).await;
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains(words), "{words:?} in {}", said.err);
    }
    rig.init(&["--login", "bot"]).await.ok();
    fs::remove_file(rig.config_file()).expect("the configuration");
    let token = rig.seed.token("reporter", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    fs::write(rig.dir.path().join("token"), token).expect("written");
    let said = rig.init(&[]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("`reporter` may not write to owner/app"), "{}", said.err);
    let mut after = rig.label_names().await;
    after.retain(|label| before.contains(label));
    assert_eq!(after, before);
    assert!(!rig.config_file().exists(), "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_once_and_its_secret_is_the_owners_alone() {
    let Some(rig) = bare("init::a_webhook").await else { return };
    let url = "https://bot.example/hooks/forgejo";
    let said = rig.init(&["--webhook", url, "--dry-run"]).await.ok();
    assert!(said.out.contains("--rights-token-env"), "the bot may not: {said:?}");
    assert!(!rig.config_file().exists() && rig.hooks().await.is_empty(), "a dry run changes nothing");

    let owner = rig.seed.token("owner", &["write:repository", "write:issue", "read:user"]).await.expect("a token");
    let rig = rig.with_env("OWNER_TOKEN", &owner);
    let flags = ["--webhook", url, "--rights-token-env", "OWNER_TOKEN"];
    rig.init(&flags).await.ok();
    let hooks = rig.hooks().await;
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    assert_eq!((&hooks[0]["active"], &hooks[0]["config"]["url"]), (&json!(true), &json!(url)));
    assert!(
        hooks[0]["events"].as_array().is_some_and(|e| e.contains(&json!("issue_label")) && e.contains(&json!("issue_comment")))
    );
    let secret = rig.dir.path().join("forgehand.webhook-secret");
    assert_eq!(fs::metadata(&secret).expect("the secret").permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&secret).expect("the secret").trim().len() >= 32);
    let written = rig.written();
    assert!(written.contains("listen = \"127.0.0.1:8787\"\nwebhook_secret_file = \"forgehand.webhook-secret\""), "{written}");
    assert!(
        !written.contains(fs::read_to_string(&secret).expect("the secret").trim()),
        "the secret stays out of the configuration"
    );

    let again = rig.init(&flags).await.ok();
    assert!(again.out.contains("is there and kept") && again.out.contains("nothing to do"), "{again:?}");
    assert_eq!((rig.hooks().await, rig.written()), (hooks, written));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_configuration_is_completed_and_its_own_lines_stay() {
    let Some(rig) = bare("init::an_existing_configuration").await else { return };
    rig.init(&[]).await.ok();
    let mine = format!("# my own words\n{}", rig.written());
    fs::write(rig.config_file(), &mine).expect("written");
    fs::set_permissions(rig.config_file(), fs::Permissions::from_mode(0o640)).expect("its mode");
    let cargo = "[package]\nname = \"b\"\n";
    let files = [forgehand::localforge::SeedFile { path: "Cargo.toml", content: cargo, executable: false }];
    rig.seed.create_repo("owner", "second", false, &files).await.expect("a repository");
    rig.seed.add_collaborator("owner/second", "bot", "write").await.expect("a collaborator");
    rig.run(&["init", "--repo", "owner/second"]).await.ok();
    let now = rig.written();
    assert!(now.starts_with(&mine) && now[mine.len()..].contains("repo = \"owner/second\""), "{now}");
    assert!(now[mine.len()..].contains("cargo test --offline"), "{now}");
    assert_eq!(fs::metadata(rig.config_file()).expect("it").permissions().mode() & 0o777, 0o640);
    let owner = rig.seed.token("owner", &["write:repository", "write:issue", "read:user"]).await.expect("a token");
    fs::write(rig.dir.path().join("rights"), &owner).expect("a token");
    let flags = ["init", "--webhook", "https://bot.example/hooks/forgejo", "--rights-token-file", "rights"];
    rig.run(&flags).await.ok();
    let now = rig.written();
    assert!(now.contains("# my own words") && now.contains("webhook_secret_file") && now.contains("rights_token_file"), "{now}");
    rig.run(&["doctor"]).await.ok();
    rig.run(&flags).await.ok();
    assert_eq!((rig.written(), rig.hooks().await.len()), (now.clone(), 1));
    rig.run(&["status"]).await.ok();
    let other = rig.run(&["init", "--url", "https://elsewhere.example"]).await;
    assert_eq!(other.code, Some(2), "{other:?}");
    rig.run(&["init"]).await.ok();
    assert_eq!(rig.written(), now);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_asks_for_everything() {
    let Some(rig) = bare("init::on_a_terminal").await else { return };
    if which::which("script").is_err() {
        return crate::hands_bench::not_run("init::on_a_terminal", "`script` is not installed, which makes a terminal");
    }
    rig.issue("Old trouble", "2 and 2 gives 5", &["portal"]).await;
    let agent = format!("sh {}", rig.dir.path().join("agent/agent.sh").display());
    let url = rig.forge.url();
    // Address, token's file, repository, no webhook, since when, what verifies (as proposed, and no more), agent, and yes.
    let answers = [url.as_str(), "token", REPO, "", "all", "", "", &agent, "y"].join("\n") + "\n";
    fs::write(rig.dir.path().join("answers"), answers).expect("the answers");
    let line = format!("TERM=dumb {} --config {} init", env!("CARGO_BIN_EXE_forgehand"), rig.config_file().display());
    #[expect(clippy::disallowed_methods, reason = "the test makes a terminal for the program under test")]
    let mut script = tokio::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(rig.dir.path()).kill_on_drop(true);
    script.stdin(fs::File::open(rig.dir.path().join("answers")).expect("the answers"));
    let output =
        tokio::time::timeout(std::time::Duration::from_secs(60), script.output()).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let written = rig.written();
    for words in [&format!("url = \"{url}\""), "verify = [\"sh ./test.sh\"]", "since = \"all\"", "command = [\"sh\", "] {
        assert!(written.contains(words), "{words} in {written}\n{said}");
    }
    assert!(said.contains("will write") && said.contains("triaged"), "{said}");
}
