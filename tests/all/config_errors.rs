//! What the configuration takes, what it fills in, and what it says about mistakes.

use std::path::Path;
use std::time::Duration;

use forgehand::config::{Backend, Config, LogFormat, Poll, SandboxMode, SecretSource, parse_duration};
use forgehand::model::{IssueNumber, Since, Usd};
use proptest::prelude::*;

const SMALLEST: &str = r#"[forge]
url = "http://127.0.0.1:3000"
token_env = "FORGEHAND_TOKEN"
[[project]]
repo = "owner/name"
verify = ["sh ./test.sh"]
[agent]
backend = "claude"
"#;

fn parse(text: &str) -> Config {
    Config::parse("forgehand.toml", text).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

/// The lines about the mistakes of a text.
fn mistakes(text: &str) -> Vec<String> {
    Config::parse("forgehand.toml", text).err().map_or_else(Vec::new, |e| e.lines())
}

/// The one mistake of the smallest configuration with a part replaced.
fn one_mistake(from: &str, to: &str) -> String {
    assert!(SMALLEST.contains(from), "the smallest configuration lacks {from:?}");
    let found = mistakes(&SMALLEST.replace(from, to));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap_or_default()
}

#[test]
fn the_smallest_configuration_has_the_defaults_of_the_design() {
    let config = parse(SMALLEST);
    assert_eq!(config.forge.url.as_str(), "http://127.0.0.1:3000/");
    assert_eq!(config.forge.token, SecretSource::Env("FORGEHAND_TOKEN".into()));
    let project = &config.projects[0];
    assert_eq!(project.branch(IssueNumber(7)).as_str(), "claude/issue-7");
    assert_eq!(project.labels.queue, "claude-queue");
    assert!(project.person_paths.iter().any(|p| p.contains("prisma/schema")));
    assert_eq!(config.daemon.slots, 1);
    assert_eq!(config.daemon.poll, Poll::Every(Duration::from_secs(15)));
    assert_eq!(config.daemon.drain, Duration::from_secs(60));
    assert_eq!(config.daemon.log, LogFormat::Text);
    assert_eq!(config.sandbox.mode, SandboxMode::Bubblewrap);
    let limits = &config.limits;
    assert_eq!((limits.attempts, limits.diff_lines), (3, 4000));
    let minutes = [1, 2, 3, 4].map(|n| limits.backoff_after(n).as_secs() / 60);
    assert_eq!(minutes, [1, 5, 15, 15]);
    assert_eq!((limits.wall.as_secs(), limits.silence.as_secs(), limits.silence_tool.as_secs()), (2700, 300, 1800));
    assert_eq!((limits.verify.as_secs(), limits.adopt_after.as_secs(), limits.question.as_secs()), (1800, 7200, 604_800));
    let retention = &config.retention;
    let kept = (retention.workspaces.as_secs(), retention.logs.as_secs(), retention.disk_floor);
    assert_eq!(kept, (7 * 86_400, 30 * 86_400, 2 << 30));
    let money = [limits.usd_call, limits.usd_run, limits.usd_project, limits.usd_day].map(Usd::dollars);
    assert_eq!(money, [1.0, 5.0, 25.0, 25.0]);
    let Backend::Claude(claude) = &config.agent.backend else { panic!("{:?}", config.agent) };
    assert_eq!((claude.max_turns, claude.base_url.as_str(), &claude.key), (100, "https://api.anthropic.com/", &None));
}

#[test]
fn a_full_configuration_is_read() {
    let config = parse(
        r#"
[forge]
url = "https://forge.example/git"
token_file = "~/token"
login = "bot"
rights_token_env = "RIGHTS"
[[project]]
repo = "o/one"
verify = ["make", "make test"]
verify_network = ["index.crates.io:443"]
mention = ["alice"]
person_paths = ["db/**"]
branch_prefix = "bot/n-"
base = "develop"
intake = ["Mail"]
since = "2026-01-31"
obey = ["alice"]
formulas = ["fix"]
[project.labels]
queue = "go"
[[project]]
repo = "o/two"
verify = ["true"]
[agent]
backend = "command"
command = ["python3", "/path/agent.py"]
author = "A B <a@b>"
budget_usd = 2.5
[daemon]
state_dir = "state"
slots = 2
poll = "*/5 * * * *"
drain = "0s"
log = "json"
[limits]
backoff = ["1s"]
wall = "1h30m"
[sandbox]
mode = "none"
read = ["/opt/tools", "~/x"]
memory = "512MiB"
[labels]
portal = "door"
"#,
    )
    .rooted(Path::new("/etc/forgehand"), Some(Path::new("/home/me")));
    assert_eq!(config.forge.url.as_str(), "https://forge.example/git/");
    assert_eq!(config.projects[0].since, Since::parse("2026-01-31T00:00:00Z"));
    assert_eq!(config.forge.token, SecretSource::File("/home/me/token".into()));
    assert_eq!(config.daemon.state_dir.as_deref(), Some(Path::new("/etc/forgehand/state")));
    assert_eq!(config.daemon.poll, Poll::Cron("0 */5 * * * *".into()));
    assert_eq!(config.agent.backend, Backend::Command(vec!["python3".into(), "/path/agent.py".into()]));
    assert_eq!(config.agent.author.to_string(), "A B <a@b>");
    assert_eq!(config.limits.usd_run, Usd(2_500_000));
    assert_eq!(config.limits.wall, Duration::from_secs(5400));
    assert_eq!(config.sandbox.memory, 512 << 20);
    assert_eq!(config.sandbox.read, [Path::new("/opt/tools"), Path::new("/home/me/x")]);
    let [one, two] = config.projects.as_slice() else { panic!("{:?}", config.projects) };
    assert_eq!((one.labels.queue.as_str(), one.labels.portal.as_str()), ("go", "door"));
    assert_eq!((two.labels.queue.as_str(), two.labels.portal.as_str()), ("claude-queue", "door"));
    assert!(one.is_intake(&"mail".into()) && !two.is_intake(&"mail".into()));
    assert_eq!(config.project(&"O/ONE".parse().unwrap()).unwrap().base, Some("develop".into()));
}

#[test]
fn a_door_is_opened_to_others_only_with_a_secret() {
    let with = |lines: &str| format!("{SMALLEST}[daemon]\n{lines}\n");
    let daemon = |lines: &str| parse(&with(lines)).daemon;
    assert_eq!(daemon("").listen, None);
    assert_eq!(daemon("listen = \"127.0.0.1:8787\"").listen, "127.0.0.1:8787".parse().ok());
    assert_eq!(daemon("listen = \"[::1]:8787\"").webhook_secret, None);
    let open = daemon("listen = \"0.0.0.0:8787\"\nwebhook_secret_env = \"HOOK_SECRET\"");
    assert_eq!(open.webhook_secret, Some(SecretSource::Env("HOOK_SECRET".into())));
    let rooted = parse(&with("webhook_secret_file = \"hook\"")).rooted(Path::new("/etc/forgehand"), None).daemon;
    assert_eq!(rooted.webhook_secret, Some(SecretSource::File("/etc/forgehand/hook".into())));
    for (lines, words) in [
        ("listen = \"0.0.0.0:8787\"", "10:10: `listen` is open to other machines, and without a secret anybody could knock"),
        ("listen = \"8787\"", "10:10: `8787` is not an address to listen on"),
        (
            "webhook_secret_env = \"A\"\nwebhook_secret_file = \"b\"",
            "`webhook_secret_env` and `webhook_secret_file` are both given",
        ),
    ] {
        let found = mistakes(&with(lines));
        assert!(matches!(&found[..], [one] if one.contains(words)), "{lines}: {found:#?}");
    }
}

#[test]
fn who_is_told_says_how_and_once() {
    use forgehand::config::{NotifyBy, WebhookFormat};
    use forgehand::model::Occasion;
    let with = |lines: &str| format!("{SMALLEST}[[notify]]\n{lines}\n");
    let one = |lines: &str| parse(&with(lines)).notify.remove(0);
    assert_eq!(one("command = [\"tell\"]").on, Occasion::ALL.into());
    let discord = one("on = [\"failed\", \"account-paused\"]\nwebhook_env = \"HOOK\"\nformat = \"discord\"");
    assert_eq!(discord.on, [Occasion::Failed, Occasion::AccountPaused].into());
    assert_eq!(discord.by, NotifyBy::Webhook { address: SecretSource::Env("HOOK".into()), format: WebhookFormat::Discord });
    assert_eq!(
        one("mail = \"me@example.org\"").by,
        NotifyBy::Mail { to: "me@example.org".into(), sendmail: "/usr/sbin/sendmail".into() }
    );
    for (lines, words) in [
        ("", "[[notify]] does not say how"),
        ("mail = \"me@example.org\"\ncommand = [\"tell\"]", "[[notify]] says more than one way"),
        ("command = []", "`command` names no program"),
        ("mail = \"-oQ/tmp@x\"", "is not a mail address"),
        ("mail = \"a@b\\nBcc: c@d\"", "is not a mail address"),
        ("on = [\"fialed\"]\nmail = \"me@example.org\"", "did you mean \"failed\"?"),
        ("on = []\nmail = \"me@example.org\"", "`on` names no occasion"),
        ("webhook_env = \"https://discord.example/api/s3cret\"", "`webhook_env` does not name a variable"),
    ] {
        let found = mistakes(&with(lines));
        assert!(matches!(&found[..], [one] if one.contains(words)), "{lines}: {found:#?}");
        assert!(!found[0].contains("s3cret"), "{found:#?}");
    }
}

#[test]
fn each_mistake_has_its_place_its_key_and_what_to_do() {
    insta::assert_snapshot!(mistakes(r#"[forge]
url = "http://127.0.0.1:3000"
token_env = "T"
slots = 2
[[project]]
repo = "owner"
verify = "make"
verfy_network = []
[agent]
backend = "cluade"
max_turns = 1.5
[limits]
wal = "45m"
silence = 5
verify = "0s"
colour = "red"
[daemon]
poll = "* * *"
"#).join("\n"), @r#"
    forgehand.toml:4:1: unknown key `slots` in [forge] (`slots` belongs to [daemon] or [[project]])
    forgehand.toml:6:8: `owner` is not a repository: write it as owner/name (the name alone, without the forge's address and without `.git`)
    forgehand.toml:7:10: `verify` must be a list, and here stands a string (write verify = ["make"])
    forgehand.toml:8:1: unknown key `verfy_network` in [[project]] (did you mean `verify_network`?)
    forgehand.toml:10:11: `backend` cannot be "cluade" (did you mean "claude"?)
    forgehand.toml:11:13: `max_turns` must be a whole number, and here stands a number with a fraction (write a whole number)
    forgehand.toml:13:1: unknown key `wal` in [limits] (did you mean `wall`?)
    forgehand.toml:14:11: `silence` must be a time with its unit, and here stands a whole number (write "90s", "5m", "2h" or "7d")
    forgehand.toml:15:10: `verify` cannot be nothing (write a time such as "5m")
    forgehand.toml:16:1: unknown key `colour` in [limits] (the keys here are `adopt_after`, `attempts`, `backoff`, `diff_lines`, `items`, `open_pulls`, `question`, `setup`, `silence`, `silence_tool`, `usd_call`, `usd_day`, `usd_project`, `usd_run`, `verify`, `wall`)
    forgehand.toml:18:8: `* * *` is not a cron pattern (write five fields, or six with seconds first; UTC)
    "#);
}

#[test]
fn what_is_missing_is_asked_for() {
    insta::assert_snapshot!(mistakes("").join("\n"), @r#"
    forgehand.toml:1:1: the section [forge] is missing (add it: [forge] url = "https://forge.example" token_env = "FORGEHAND_TOKEN")
    forgehand.toml:1:1: the section [[project]] is missing (add it: [[project]] repo = "owner/name" verify = ["sh ./test.sh"])
    forgehand.toml:1:1: the section [agent] is missing (add it: [agent] backend = "claude")
    "#);
    insta::assert_snapshot!(mistakes("[forge]\n[[project]]\n[agent]\nbackend = \"command\"\n").join("\n"), @r#"
    forgehand.toml:1:1: [forge] lacks `url` (add it: url = "https://forge.example")
    forgehand.toml:1:1: [forge] lacks `token_env` (add it: token_env = "FORGEHAND_TOKEN", or token_file = "/path")
    forgehand.toml:2:1: [[project]] lacks `repo` (add it: repo = "owner/name")
    forgehand.toml:2:1: [[project]] lacks `verify` (add it: verify = ["sh ./test.sh"])
    forgehand.toml:3:1: [agent] lacks `command` (add it: command = ["python3", "/path/agent.py"])
    "#);
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    let cases = [
        ("verify = [\"sh ./test.sh\"]", "verify = []", "6:10: `verify` names no command"),
        ("verify = [\"sh ./test.sh\"]", "verify = [\"\", \"make\"]", "6:11: `verify` is empty"),
        (
            "token_env = \"FORGEHAND_TOKEN\"",
            "token_env = \"A\"\ntoken_file = \"b\"",
            "4:14: `token_env` and `token_file` are both given",
        ),
        ("http://127.0.0.1:3000", "ftp://127.0.0.1", "2:7: `url` must begin with https:// or http://"),
        ("http://127.0.0.1:3000", "127.0.0.1:3000", "2:7: `url` is not a URL"),
        ("http://127.0.0.1:3000", "http://me:pw@127.0.0.1:3000", "2:7: `url` carries credentials"),
        (
            "backend = \"claude\"",
            "backend = \"claude\"\nbase_url = \"http://10.0.0.1\"",
            "9:12: `base_url` is plain http to another machine",
        ),
        ("backend = \"claude\"", "backend = \"claude\"\nauthor = \"nobody\"", "9:10: `nobody` is not an author"),
        ("backend = \"claude\"", "backend = \"claude\"\nbudget_usd = -1", "9:14: `budget_usd` is out of range"),
        ("backend = \"claude\"", "backend = \"claude\"\n[daemon]\nslots = 0", "10:9: `slots` is out of range"),
        ("backend = \"claude\"", "backend = \"claude\"\n[daemon]\npoll = \"100ms\"", "10:8: `poll` is shorter than a second"),
        (
            "backend = \"claude\"",
            "backend = \"claude\"\n[daemon]\npoll = \"61 * * * *\"",
            "10:8: `61 * * * *` is not a cron pattern",
        ),
        ("backend = \"claude\"", "backend = \"claude\"\n[limits]\nbackoff = []", "10:11: `backoff` names no time"),
        ("backend = \"claude\"", "backend = \"claude\"\n[limits]\nwall = \"5 minutes\"", "10:8: `5 minutes` is not a time"),
        (
            "backend = \"claude\"",
            "backend = \"claude\"\n[sandbox]\nread = [\"/\"]",
            "10:9: the whole file system cannot be shown",
        ),
        ("backend = \"claude\"", "backend = \"claude\"\n[labels]\nportal = \"claude-pr\"", "two labels are called `claude-pr`"),
        ("[agent]", "since = \"yesterday\"\n[agent]", "7:9: `yesterday` is neither a day nor a time"),
        ("[agent]", "branch_prefix = \"a b\"\n[agent]", "7:17: `a b` cannot name a branch"),
        ("[agent]", "person_paths = [\"a[\"]\n[agent]", "7:17: `a[` is not a pattern of paths"),
        ("[agent]", "mention = [\"@alice\"]\n[agent]", "7:12: `@alice` is not a login"),
        ("[agent]", "verify_network = [\"https://x\"]\n[agent]", "7:19: `https://x` is not a host"),
        ("[agent]", "[[project]]\nrepo = \"Owner/Name\"\nverify = [\"x\"]\n[agent]", "the project `Owner/Name` is named twice"),
        ("[agent]", "[agent", "this is not TOML"),
    ];
    for (from, to, expected) in cases {
        let found = one_mistake(from, to);
        assert!(found.starts_with("forgehand.toml:") && found.contains(expected), "{to}: {found}");
    }
}

#[test]
fn http_to_another_machine_can_be_allowed_in_so_many_words() {
    let text = SMALLEST.replace("\"claude\"", "\"claude\"\nbase_url = \"http://10.0.0.1:8080/v\"\nallow_http = true");
    let Backend::Claude(claude) = parse(&text).agent.backend else { panic!() };
    assert_eq!(claude.base_url.as_str(), "http://10.0.0.1:8080/v/");
}

#[test]
fn a_secret_in_the_file_is_never_repeated() {
    let secret = "0123456789abcdef0123456789abcdef01234567";
    let written = [
        format!("token = \"{secret}\""),
        format!("token_env = \"{secret}\""),
        format!("token_env = \"a{secret}\""),
        format!("token_env = \"T\"\ntoken = {secret}"),
        format!("token_env = \"T\"\nlogin = \"http://u:{secret}@h\""),
    ];
    for line in written {
        let text = SMALLEST.replace("token_env = \"FORGEHAND_TOKEN\"", &line);
        let error = Config::parse("forgehand.toml", &text).expect_err("a token is no key");
        let shown = format!("{error:?} {error} {:?}", error.lines());
        let report = format!("{:?}", miette::Report::new(error));
        assert!(!shown.contains(secret) && !report.contains(secret), "{line}: {shown} {report}");
    }
    let url = SMALLEST.replace("http://127", &format!("http://me:{secret}@127"));
    let error = Config::parse("forgehand.toml", &url).expect_err("credentials in the URL");
    assert!(!format!("{:?}", miette::Report::new(error)).contains(secret));
}

#[test]
fn the_report_shows_the_line() {
    let error = Config::parse("forgehand.toml", &SMALLEST.replace("repo =", "rep =")).expect_err("an unknown key");
    let mut report = String::new();
    let theme = miette::GraphicalTheme::none();
    miette::GraphicalReportHandler::new_themed(theme).render_report(&mut report, &error).expect("written to a string");
    insta::assert_snapshot!(report, @r#"
      x forgehand.toml has a mistake

    Error: 
      x unknown key `rep` in [[project]]
       ,-[forgehand.toml:5:1]
     4 | [[project]]
     5 | rep = "owner/name"
       : ^|^
       :  `-- here
     6 | verify = ["sh ./test.sh"]
       `----
      help: did you mean `repo`?
    "#);
}

#[test]
fn a_file_that_is_not_text_has_a_place_too() {
    let error = Config::parse_bytes("forgehand.toml", b"[forge]\nurl = \"\xff\"").expect_err("not UTF-8");
    assert_eq!(error.lines(), ["forgehand.toml:2:8: the file is not UTF-8 text (save the file as UTF-8)"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        let _ = Config::parse("f", &text);
    }

    #[test]
    fn no_value_makes_it_panic(key in "[a-z_]{1,12}", value in "[\\[\\]{}\"a-z0-9.:=,-]{0,24}", at in 0usize..9) {
        let mut lines: Vec<String> = SMALLEST.lines().map(str::to_owned).collect();
        lines.insert(at.min(lines.len()), format!("{key} = {value}"));
        if let Err(error) = Config::parse("f", &lines.join("\n")) {
            prop_assert!(error.iter().count() > 0);
            prop_assert!(error.iter().all(|f| f.line() >= 1 && f.line() <= lines.len() + 1));
        }
    }

    #[test]
    fn a_key_with_one_letter_more_is_named_rightly(key in prop::sample::select(vec!["slots", "poll", "drain", "state_dir"]), more in "[a-z]") {
        let text = format!("{SMALLEST}[daemon]\n{key}{more} = 1\n");
        let found = mistakes(&text);
        let hint = format!("did you mean `{key}`?");
        let expected = format!("unknown key `{key}{more}` in [daemon] ({hint})");
        prop_assert_eq!(found.len(), 1);
        prop_assert!(found[0].ends_with(&expected), "{:?}", found);
    }

    #[test]
    fn whole_units_are_durations(number in 0u64..1000, unit in prop::sample::select(vec![("s", 1u64), ("m", 60), ("h", 3600)])) {
        let read = parse_duration(&format!("{number}{}", unit.0));
        prop_assert_eq!(read, Some(Duration::from_secs(number * unit.1)));
    }

    #[test]
    fn no_text_makes_the_duration_panic(text in "\\PC{0,20}") {
        let _ = parse_duration(&text);
    }
}

/// The one mistake of a project with these further lines.
fn project_mistake(lines: &str) -> String {
    one_mistake("verify = [\"sh ./test.sh\"]\n", &format!("verify = [\"sh ./test.sh\"]\n{lines}\n"))
}

#[test]
fn what_a_project_gives_its_runs_is_read() {
    let lines =
        "setup = [\"npm ci\"]\nnetwork = [\"registry.npmjs.org\"]\nenv_file = { from = \"app.env\", to = \"App/.env\" }\n";
    let config = parse(&SMALLEST.replace("[agent]", &format!("{lines}[agent]"))).rooted(Path::new("/etc/forgehand"), None);
    let given = &config.projects[0].provisions;
    assert_eq!(
        (given.setup.as_slice(), given.network.as_slice()),
        (&["npm ci".to_owned()][..], &["registry.npmjs.org".to_owned()][..])
    );
    let file = given.env_file.as_ref().expect("an env file");
    assert_eq!((file.from.as_path(), file.to.as_str()), (Path::new("/etc/forgehand/app.env"), "App/.env"));
    assert!(given.sets_up() && !parse(SMALLEST).projects[0].provisions.sets_up());
    assert_eq!(config.limits.setup.as_secs(), 900);
}

#[test]
fn an_env_file_stays_in_the_repository_and_out_of_git() {
    for (to, words) in [
        ("/etc/x", "leads out of the repository"),
        ("a/../../x", "leads out of the repository"),
        ("a//x", "cannot name a file"),
        ("./x", "cannot name a file"),
        ("a/", "cannot name a file"),
        (".git/hooks/x", "git's own folder"),
        ("a/.GIT/x", "git's own folder"),
    ] {
        let said = project_mistake(&format!("env_file = {{ from = \"/e\", to = \"{to}\" }}"));
        assert!(said.contains(words), "{to}: {said}");
    }
    assert!(project_mistake("env_file = { from = \"/e\" }").contains("to"));
    assert!(project_mistake("env_file = { from = \"/e\", to = \"x\", mode = 1 }").contains("unknown key `mode`"));
    assert!(project_mistake("env_file = \"/e\"").contains("a table"));
    assert!(project_mistake("setup = [\"\"]").contains("empty"));
}

#[test]
fn services_and_ports_are_of_this_machine_and_out_of_each_others_way() {
    let config = parse(
        &SMALLEST.replace("[agent]", "services = [\"127.0.0.1:5432\", \"localhost:6379\"]\nports = \"3100-3109\"\n[agent]"),
    );
    let given = &config.projects[0].provisions;
    let services: Vec<String> = given.services.iter().map(ToString::to_string).collect();
    assert_eq!(services, ["127.0.0.1:5432", "127.0.0.1:6379"]);
    let range = given.ports.expect("a range");
    assert_eq!((range.first, range.last, range.contains(3109), range.contains(3110)), (3100, 3109, true, false));
    for (lines, words) in [
        ("services = [\"db.example:5432\"]", "is not on this machine's loopback"),
        ("services = [\"10.0.0.5:5432\"]", "is not on this machine's loopback"),
        ("services = [\"[::1]:5432\"]", "by IPv6"),
        ("services = [\"127.0.0.1\"]", "has no port"),
        ("services = [\"127.0.0.1:70000\"]", "not an address with a port"),
        ("services = [\"127.0.0.1:389\"]", "cannot be opened inside a sandbox"),
        ("services = [\"127.0.0.1:8701\"]", "forgehand's own"),
        ("services = [\"127.0.0.1:5432\", \"localhost:5432\"]", "named twice"),
        ("ports = \"3109-3100\"", "ends before it begins"),
        ("ports = \"80-90\"", "cannot be opened inside a sandbox"),
        ("ports = \"8700-8710\"", "forgehand's own"),
        ("ports = \"many\"", "not a range of ports"),
        ("ports = 3100", "a string"),
        ("services = [\"127.0.0.1:3105\"]\nports = \"3100-3109\"", "lies within `ports`"),
    ] {
        let said = project_mistake(lines);
        assert!(said.contains(words), "{lines}: {said}");
    }
}

#[test]
fn caches_lie_below_home_and_not_within_each_other() {
    let config = parse(&SMALLEST.replace("[agent]", "setup = [\"npm ci\"]\ncaches = [\"~/.cache/pnpm\", \"~/.npm/\"]\n[agent]"));
    assert_eq!(config.projects[0].provisions.caches, [".cache/pnpm", ".npm"]);
    for (caches, words) in [
        ("\"/var/cache\"", "not below HOME"),
        ("\".cache\"", "not below HOME"),
        ("\"~\"", "not below HOME"),
        ("\"~/\"", "cannot be a cache"),
        ("\"~/../x\"", "cannot be a cache"),
        ("\"~/.cache\", \"~/.cache/pnpm\"", "within each other"),
        ("\"~/.npm\", \"~/.npm\"", "within each other"),
    ] {
        let said = project_mistake(&format!("caches = [{caches}]"));
        assert!(said.contains(words), "{caches}: {said}");
    }
}

#[test]
fn what_only_setup_uses_is_refused_without_one() {
    for (lines, words) in [
        ("network = [\"registry.npmjs.org\"]", "`network` is for `setup` alone"),
        ("caches = [\"~/.npm\"]", "`caches` is for `setup` alone"),
        ("setup = []\nnetwork = [\"registry.npmjs.org\"]", "take `network` out"),
        // One mistake is enough.
        ("setup = [3]\ncaches = [\"~/.npm\"]", "a string"),
    ] {
        let said = project_mistake(lines);
        assert!(said.contains(words), "{lines}: {said}");
    }
    let config = parse(&SMALLEST.replace("[agent]", "setup = []\nnetwork = []\ncaches = []\n[agent]"));
    assert!(config.projects[0].provisions.network.is_empty());
}

#[test]
fn what_is_kept_for_a_run_pays_for_its_dearest_agent() {
    let with = |agents: &str| parse(&format!("{SMALLEST}budget_usd = 2\n{agents}")).usd_run_at_most();
    assert_eq!(with(""), Usd(2_000_000));
    assert_eq!(with("[agents.a]\nroles = [\"dev\"]\nbudget_usd = 0.5\n"), Usd(2_000_000));
    assert_eq!(with("[agents.a]\nroles = [\"dev\"]\nbudget_usd = 8\n"), Usd(8_000_000));
    assert_eq!(with("[agents.a]\nbudget_usd = 8\n"), Usd(2_000_000), "it works on nothing");
    let found = mistakes(&format!("{SMALLEST}[agents.a]\nbudget_usd = \"much\"\n"));
    assert!(matches!(&found[..], [one] if one.contains("budget_usd")), "{found:#?}");
}

#[test]
fn the_token_for_rights_may_be_where_every_other_may() {
    let with = |line: &str| SMALLEST.replace("[[project]]", &format!("{line}\n[[project]]"));
    let read = |line: &str| parse(&with(line)).rooted(Path::new("/etc/forgehand"), None).forge.rights_token;
    assert_eq!(read("rights_token_env = \"RIGHTS\""), Some(SecretSource::Env("RIGHTS".to_owned())));
    assert_eq!(read("rights_token_file = \"rights\""), Some(SecretSource::File("/etc/forgehand/rights".into())));
    assert_eq!(read("rights_token_credential = \"rights\""), Some(SecretSource::Credential("rights".to_owned())));
    let found = mistakes(&with("rights_token_env = \"RIGHTS\"\nrights_token_file = \"rights\""));
    assert!(matches!(&found[..], [one] if one.contains("are both given")), "{found:#?}");
}

#[test]
fn how_long_things_are_kept_is_a_time_and_the_floor_a_size() {
    for (wrong, words) in [
        ("workspaces = \"a week\"", "not a time"),
        ("logs = \"0s\"", "cannot be nothing"),
        ("disk_floor = \"much\"", "not a size"),
        ("worksapces = \"7d\"", "workspaces"),
    ] {
        let found = mistakes(&format!("{SMALLEST}[retention]\n{wrong}\n"));
        assert!(matches!(&found[..], [one] if one.contains(words) && one.contains("forgehand.toml:10:")), "{wrong}: {found:#?}");
    }
}

#[test]
fn a_probe_says_what_it_looks_at_and_what_mends_it() {
    use forgehand::config::{Looks, Mend, Probe};
    use forgehand::model::{Priority, Risk};
    let with = |lines: &str| format!("{SMALLEST}[[probe]]\n{lines}\n");
    let one = |lines: &str| parse(&with(lines)).rooted(Path::new("/etc/forgehand"), None).probes.remove(0);
    let plain = one("name = \"web\"\ncommand = [\"bin/ok\", \"a/b\"]\nmend = [\"systemctl\", \"restart\", \"web\"]");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mend = Mend {
        command: words(&["systemctl", "restart", "web"]),
        timeout: Duration::from_secs(120),
        blast_radius: Risk::High,
        at_most: 3,
    };
    let expected = Probe {
        name: "web".into(),
        looks: Looks::Command(words(&["/etc/forgehand/bin/ok", "a/b"])),
        timeout: Duration::from_secs(30),
        priority: Priority::P2,
        mend: Some(mend),
    };
    assert_eq!(plain, expected, "what nobody judged could break everything");
    let disk = one("name = \"data\"\ndisk = \"srv\"\nfloor = \"1GiB\"\npriority = \"P0\"\ntimeout = \"1s\"");
    assert_eq!(disk.looks, Looks::Disk { path: "/etc/forgehand/srv".into(), floor: 1 << 30 });
    assert_eq!((disk.priority, disk.timeout, disk.mend), (Priority::P0, Duration::from_secs(1), None));
    assert_eq!(one("name = \"room\"\nmemory = \"1GiB\"").looks, Looks::Memory { floor: 1 << 30 });
    assert_eq!(one("name = \"busy\"\nload = 8").looks, Looks::Load { most: 8 });

    for (lines, says, hint) in [
        ("command = [\"true\"]", "[[probe]] lacks `name`", "name = \"nginx\""),
        ("name = \"a_b\"\ncommand = [\"true\"]", "no name of a probe", "and `-`"),
        ("name = \"A\"\ncommand = [\"true\"]", "`A` is not a name", "small letters"),
        ("name = \"a\"", "does not say what it looks at", "disk = \"/srv\""),
        ("name = \"a\"\ncommand = [\"true\"]\ndisk = \"/\"\nfloor = \"1GiB\"", "are both given", "keep one"),
        ("name = \"a\"\nmemory = \"1GiB\"\nload = 8", "`memory` and `load` are both given", "keep one"),
        ("name = \"a\"\nload = 0", "`load`", "1"),
        ("name = \"a\"\nload = 8\nfloor = \"1GiB\"", "`floor` is for a disk", "instead of `load`"),
        ("name = \"a\"\ncommand = []", "`command` names no program", "as a list"),
        ("name = \"a\"\ncommand = \"true\"", "`command` must be a list", "command = [\"true\"]"),
        ("name = \"a\"\ndisk = \"/\"", "[[probe]] lacks `floor`", "floor = \"10GiB\""),
        ("name = \"a\"\ncommand = [\"true\"]\nfloor = \"1GiB\"", "`floor` is for a disk", "take it out"),
        ("name = \"a\"\ncommand = [\"true\"]\npriority = \"P5\"", "`priority` cannot be \"P5\"", "P"),
        ("name = \"a\"\ncommand = [\"true\"]\nmend_blast_radius = \"low\"", "nothing mends the probe", "add mend"),
        ("name = \"a\"\ncommand = [\"true\"]\nmend = [\"x\"]\nmend_blast_radius = \"lo\"", "cannot be \"lo\"", "\"low\""),
        ("name = \"a\"\ncommand = [\"true\"]\nmend = [\"x\"]\nmend_at_most = 0", "mend_at_most", "1"),
        (
            "name = \"a\"\ncommand = [\"true\"]\n[[probe]]\nname = \"a\"\ncommand = [\"true\"]",
            "two probes are called `a`",
            "another",
        ),
    ] {
        let found = mistakes(&with(lines));
        assert_eq!(found.len(), 1, "{lines}: {found:#?}");
        assert!(
            found[0].contains(says) && found[0].contains(hint) && found[0].contains("forgehand.toml:"),
            "{lines}: {}",
            found[0]
        );
    }
    let project = SMALLEST.replace("verify = [", "probe = []\nverify = [");
    assert!(mistakes(&project)[0].contains("probe"), "a project has none: {:?}", mistakes(&project));
}

#[test]
fn what_an_action_of_the_vault_may_name_is_listed_and_never_read() {
    use forgehand::config::VaultSecret;
    let with = |lines: &str| format!("{SMALLEST}{lines}\n");
    let text = with(
        "[vault.secrets]\nA = { env = \"A_TOKEN\" }\nB = { file = \"b\" }\nC = { command = [\"bin/sops\", \"-d\"] }\n[vault.mounts]\nssh = \"~/.ssh/deploy\"",
    );
    let vault = parse(&text).rooted(Path::new("/etc/forgehand"), Some(Path::new("/home/f"))).vault;
    assert_eq!(vault.secrets["A"], VaultSecret::Env("A_TOKEN".into()));
    assert_eq!(vault.secrets["B"], VaultSecret::File("/etc/forgehand/b".into()));
    assert_eq!(vault.secrets["C"], VaultSecret::Command(vec!["/etc/forgehand/bin/sops".into(), "-d".into()]));
    assert_eq!(vault.mounts["ssh"], Path::new("/home/f/.ssh/deploy"));

    for (lines, says, hint) in [
        ("[vault.secrets]\nA = \"hunter2\"", "says where the secret is kept, never the secret", "file ="),
        ("[vault.secrets]\nA = {}", "says nowhere where the secret is kept", "file ="),
        ("[vault.secrets]\nA = { env = \"X\", file = \"/x\" }", "are both given", "keep one"),
        ("[vault.secrets]\nA = { command = [] }", "names no program", "sops"),
        ("[vault.secrets]\nA = { fiel = \"/x\", env = \"X\" }", "unknown key `fiel`", "`file`"),
        ("[vault.secrets]\n\"a b\" = { env = \"X\" }", "cannot be the name of a variable", "DEPLOY_TOKEN"),
        ("[vault.secrets]\nLD_PRELOAD = { env = \"X\" }", "is not a secret's", "otherwise"),
        ("[vault.secrets]\nPATH = { env = \"X\" }", "is not a secret's", "otherwise"),
        ("[vault.mounts]\nssh = \"../ssh\"", "cannot be mounted", "from the root"),
        ("[vault.mounts]\nssh = \"/etc/../root\"", "cannot be mounted", "from the root"),
        ("[vault.mounts]\nall = \"/\"", "cannot be mounted", "something in it"),
        ("[vault.mounts]\nhome = \"~\"", "cannot be mounted", "something in it"),
        ("[vault.mounts]\n\"../x\" = \"/etc/x\"", "cannot be the name of a mount", "small letters"),
        ("[vault]\nsecret = {}", "unknown key `secret`", "`secrets`"),
    ] {
        let found = mistakes(&with(lines));
        assert_eq!(found.len(), 1, "{lines}: {found:#?}");
        assert!(
            found[0].contains(says) && found[0].contains(hint) && found[0].contains("forgehand.toml:"),
            "{lines}: {}",
            found[0]
        );
        assert!(!found[0].contains("hunter2"), "a secret is not repeated: {}", found[0]);
    }
}
